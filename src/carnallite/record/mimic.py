"""MIMIC-III and MIMIC-IV as they are downloaded -> entries: a folder of CSV tables, gzipped or not.

MIMIC-IV has the same tables under other names, which are read as if they had those of MIMIC-III. Dates are shifted by
whole days, and times are read as UTC. Laboratory results are read from ``labevents`` alone; what nurses copied into
the chart is left there.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from carnallite.record.bedside import Chart, Outputs, Reader, number, selected
from carnallite.record.entry import Entry, Loaded, Person
from carnallite.record.moments import first_instant, last_instant
from carnallite.record.opening import opened

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from carnallite.record.tables import Row, Tables

_CHARTS = ("chartevents", "chartevents_selected")
TABLES = frozenset({
    "patients", "admissions", "labevents", "d_labitems", "prescriptions", "inputevents_mv", "inputevents_cv",
    "d_items", "diagnoses_icd", "d_icd_diagnoses", "procedures_icd", "d_icd_procedures", "procedureevents_mv",
    "outputevents", "inputevents", "procedureevents", *_CHARTS,
})  # fmt: skip
_MIDNIGHT = " 00:00:00"
_TENTH = "10"  # edition of a code


def read_mimic(folder: Path, person: str | None = None, *, alone: bool = False) -> Loaded:
    """Return the people of a MIMIC-III folder and the entries of the selected one, or of all.

    Parameters
    ----------
    folder : Path
        The tables as downloaded, ``.csv`` or ``.csv.gz``; those that are missing are passed over.
    person : str, optional
        ``subject_id``, or `#2` for the second.
    alone : bool
        With nobody selected, read entries only if the folder holds one person.

    Raises
    ------
    RecordRefused
        There is no table ``patients``, or not the selected person.
    """
    with opened(str(folder), TABLES, anchor="patients") as data:
        return read_tables(data, person, alone=alone)


def read_tables(data: Tables, person: str | None = None, *, alone: bool = False) -> Loaded:
    """Return the same of tables that are open.

    Raises
    ------
    RecordRefused
        As `read_mimic`.
    """
    data = _named_as_before(data)
    rows, key = selected(data, "patients", "subject_id", ("gender", "dob", "anchor_age", "anchor_year"), person)
    people = {row["subject_id"]: _person(row) for row in rows}
    reader = Reader(data, "subject_id", people, key)
    if key is None and alone and len(people) > 1:
        return reader.loaded
    _admissions(reader)
    _laboratory(reader)
    _orders(reader)
    _infusions(reader)
    _diagnoses(reader)
    _operations(reader)
    _bedside(reader)
    reader.loaded.issues += data.issues()
    return reader.loaded


_TABLES_OF_FOUR = {"inputevents": "inputevents_mv", "procedureevents": "procedureevents_mv"}
_COLUMNS_OF_FOUR = {"starttime": "startdate", "stoptime": "enddate", "icd_code": "icd9_code"}
_OVER_89 = 91  # [a] stands for everybody over 89 in MIMIC-IV


def _named_as_before(data: Tables) -> Tables:
    """Return tables with the names of MIMIC-III beside those of MIMIC-IV."""
    tables = {_TABLES_OF_FOUR.get(name, name): table for name, table in data.tables.items()}
    for name in ("prescriptions", "diagnoses_icd", "procedures_icd", "d_icd_diagnoses", "d_icd_procedures"):
        if name in tables:
            columns = tables[name].columns
            also = {old: columns[new] for new, old in _COLUMNS_OF_FOUR.items() if new in columns and old not in columns}
            tables[name] = replace(tables[name], columns=columns | also)
    return replace(data, tables=tables)


def _person(row: Row) -> Person:
    """Return who; MIMIC-IV has an age in one year, and one for everybody over 89."""
    age, year = number(row["anchor_age"]), number(row["anchor_year"])
    if row["dob"] or age is None or year is None:
        return Person(sex=row["gender"], birth=row["dob"][:10])
    if age >= _OVER_89:
        return Person(sex=row["gender"], age=">89")
    return Person(sex=row["gender"], birth=f"{year - age:.0f}")


def _admissions(reader: Reader) -> None:
    def make(where: str, row: Row) -> Entry:
        return Entry(
            kind="encounter", where=where, setting="IMP", text=row["diagnosis"],
            time=first_instant(row["admittime"]), end=last_instant(row["dischtime"]),
        )  # fmt: skip

    reader.read("admissions", ("admittime", "dischtime", "diagnosis"), make)


def _laboratory(reader: Reader) -> None:
    named = reader.data.rows("d_labitems", ("itemid", "label", "fluid", "loinc_code"))
    tests = {row["itemid"]: row for row in named}

    def make(where: str, row: Row) -> Entry:
        test = tests.get(row["itemid"], {})
        loinc, value = test.get("loinc_code", ""), number(row["valuenum"])
        return Entry(
            kind="observation", where=where, time=first_instant(row["charttime"]),
            codes=(*((("loinc", loinc),) if loinc else ()), ("local", row["itemid"])),
            text=test.get("label", ""), specimen=test.get("fluid", ""), value=value, unit=row["valueuom"],
            words="" if value is not None else row["value"], notes=row["comments"],
            reference_low=number(row["ref_range_lower"]), reference_high=number(row["ref_range_upper"]),
        )  # fmt: skip

    columns = ("itemid", "charttime", "value", "valuenum", "valueuom", "comments", "ref_range_lower", "ref_range_upper")
    reader.read("labevents", columns, make)


def _orders(reader: Reader) -> None:
    def make(where: str, row: Row) -> Entry:
        dose, said = number(row["dose_val_rx"]), f"{row['dose_val_rx']} {row['dose_unit_rx']}".strip()
        # MIMIC-III ends an order with a day, MIMIC-IV with a time.
        end = first_instant(row["enddate"]) if row["stoptime"] else last_instant(row["enddate"].removesuffix(_MIDNIGHT))
        return Entry(
            kind="drug", where=where, codes=(("ndc", row["ndc"]),) if row["ndc"].strip("0") else (),
            text=f"{row['drug']} {row['prod_strength']}".strip(), status="completed" if end else "",
            time=first_instant(row["startdate"]), end=end, route=row["route"],
            dose=dose, dose_unit=row["dose_unit_rx"] if dose is not None else "",
            dose_text="" if dose is not None else said,
        )  # fmt: skip

    columns = ("startdate", "enddate", "drug", "prod_strength", "ndc", "dose_val_rx", "dose_unit_rx", "route")
    reader.read("prescriptions", (*columns, "stoptime"), make)


def _infusions(reader: Reader) -> None:
    """Add what was given, from both systems that the unit has used."""
    items = _items(reader)

    def metavision(where: str, row: Row) -> Entry | None:
        if row["statusdescription"] == "Rewritten":  # never given; what replaced it has its own row
            return None
        given = _given(where, row, items)
        start, end = first_instant(row["starttime"]), first_instant(row["endtime"])
        route = row["ordercategoryname"]
        return msgspec.structs.replace(given, time=start, end=end, single=True, route=route)

    def carevue(where: str, row: Row) -> Entry | None:
        if (number(row["amount"]) or 0) <= 0:  # a change of rate; what ran in has rows of its own
            return None
        given, time = _given(where, row, items), first_instant(row["charttime"])
        return msgspec.structs.replace(given, time=time, single=True, route=row["originalroute"])

    columns = ("itemid", "amount", "amountuom")
    late = ("starttime", "endtime", "ordercategoryname", "statusdescription")
    reader.read("inputevents_mv", (*columns, *late), metavision)
    reader.read("inputevents_cv", (*columns, "charttime", "originalroute"), carevue)


def _items(reader: Reader) -> dict[str, str]:
    return {row["itemid"]: row["label"] for row in reader.data.rows("d_items", ("itemid", "label"))}


def _given(where: str, row: Row, items: dict[str, str]) -> Entry:
    dose = number(row["amount"])
    return Entry(
        kind="drug", where=where, codes=(("local", row["itemid"]),), text=items.get(row["itemid"], ""),
        status="completed", dose=dose, dose_unit=row["amountuom"] if dose is not None else "",
    )  # fmt: skip


def _diagnoses(reader: Reader) -> None:
    named, admitted = _titles(reader, "d_icd_diagnoses"), _admitted(reader)

    def make(where: str, row: Row) -> Entry:
        code, is_tenth = row["icd9_code"], row["icd_version"] == _TENTH
        whole = 4 if code.startswith("E") and not is_tenth else 3
        return Entry(
            kind="condition", where=where, codes=(("icd10" if is_tenth else "icd9", _dotted(code, whole)),),
            text=named.get((row["icd_version"], code), ""), time=admitted.get(row["hadm_id"]),
        )  # fmt: skip

    reader.read("diagnoses_icd", ("hadm_id", "icd9_code", "icd_version"), make)


def _operations(reader: Reader) -> None:
    named, admitted, items = _titles(reader, "d_icd_procedures"), _admitted(reader), _items(reader)

    def coded(where: str, row: Row) -> Entry:
        code, is_tenth = row["icd9_code"], row["icd_version"] == _TENTH
        codes = () if is_tenth else (("icd9p", _dotted(code, 2)),)  # of the tenth edition the title is read
        return Entry(
            kind="procedure", where=where, codes=codes, text=named.get((row["icd_version"], code), ""),
            time=first_instant(row["chartdate"]) or admitted.get(row["hadm_id"]),
        )  # fmt: skip

    def charted(where: str, row: Row) -> Entry | None:
        if row["statusdescription"] == "Rewritten":
            return None
        label = items.get(row["itemid"], "")
        start, end = first_instant(row["starttime"]), first_instant(row["endtime"])
        codes = (("local", row["itemid"]),)
        return Entry(kind="procedure", where=where, codes=codes, text=label, time=start, end=end)

    reader.read("procedures_icd", ("hadm_id", "icd9_code", "icd_version", "chartdate"), coded)
    reader.read("procedureevents_mv", ("itemid", "starttime", "endtime", "statusdescription"), charted)


def _titles(reader: Reader, table: str) -> dict[tuple[str, str], str]:
    """Return titles by edition, which MIMIC-III does not name, and code."""
    rows = reader.data.rows(table, ("icd9_code", "icd_version", "long_title"))
    return {(row["icd_version"], row["icd9_code"]): row["long_title"] for row in rows}


def _admitted(reader: Reader) -> dict[str, datetime | None]:
    """Return when each stay began: diagnoses and operations of MIMIC-III have no time of their own."""
    rows = reader.data.rows("admissions", ("hadm_id", "admittime"))
    return {row["hadm_id"]: first_instant(row["admittime"]) for row in rows}


def _dotted(code: str, whole: int) -> str:
    """Return an ICD-9 code with its dot, which MIMIC-III leaves out.

    >>> _dotted("2752", 3), _dotted("9604", 2), _dotted("486", 3)
    ('275.2', '96.04', '486')
    """
    return f"{code[:whole]}.{code[whole:]}" if len(code) > whole and "." not in code else code


def _bedside(reader: Reader) -> None:
    items, chart, outputs = _items(reader), Chart(reader), Outputs()
    for table in _CHARTS:
        for owner, where, row in reader.rows(table, "itemid", "charttime", "value", "valuenum", "error"):
            if not number(row["error"]):
                said = row["valuenum"] or row["value"]
                chart.take(owner, where, items.get(row["itemid"], ""), said, first_instant(row["charttime"]))
    for owner, where, row in reader.rows("outputevents", "itemid", "charttime", "value", "iserror"):
        if not number(row["iserror"]):
            time = first_instant(row["charttime"])
            outputs.take(owner, where, items.get(row["itemid"], ""), row["value"], time)
    chart.sum_up()
    outputs.hand_over(reader)
