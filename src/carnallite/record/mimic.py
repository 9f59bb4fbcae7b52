"""MIMIC-III as it is downloaded -> entries: a folder of CSV tables, gzipped or not.

Its dates are shifted by whole days, and its times are read as UTC. Laboratory results are read from
``labevents`` alone; what nurses copied into the chart is left there.
"""

from __future__ import annotations

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
    "outputevents", *_CHARTS,
})  # fmt: skip
_MIDNIGHT = " 00:00:00"


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
    rows, key = selected(data, "patients", "subject_id", ("gender", "dob"), person)
    people = {row["subject_id"]: Person(sex=row["gender"], birth=row["dob"][:10]) for row in rows}
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
            words="" if value is not None else row["value"],
        )  # fmt: skip

    reader.read("labevents", ("itemid", "charttime", "value", "valuenum", "valueuom"), make)


def _orders(reader: Reader) -> None:
    def make(where: str, row: Row) -> Entry:
        dose, said = number(row["dose_val_rx"]), f"{row['dose_val_rx']} {row['dose_unit_rx']}".strip()
        end = last_instant(row["enddate"].removesuffix(_MIDNIGHT))
        return Entry(
            kind="drug", where=where, codes=(("ndc", row["ndc"]),) if row["ndc"].strip("0") else (),
            text=f"{row['drug']} {row['prod_strength']}".strip(), status="completed" if end else "",
            time=first_instant(row["startdate"]), end=end, route=row["route"],
            dose=dose, dose_unit=row["dose_unit_rx"] if dose is not None else "",
            dose_text="" if dose is not None else said,
        )  # fmt: skip

    columns = ("startdate", "enddate", "drug", "prod_strength", "ndc", "dose_val_rx", "dose_unit_rx", "route")
    reader.read("prescriptions", columns, make)


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
        code = row["icd9_code"]
        return Entry(
            kind="condition", where=where, codes=(("icd9", _dotted(code, 4 if code.startswith("E") else 3)),),
            text=named.get(code, ""), time=admitted.get(row["hadm_id"]),
        )  # fmt: skip

    reader.read("diagnoses_icd", ("hadm_id", "icd9_code"), make)


def _operations(reader: Reader) -> None:
    named, admitted, items = _titles(reader, "d_icd_procedures"), _admitted(reader), _items(reader)

    def coded(where: str, row: Row) -> Entry:
        code = row["icd9_code"]
        return Entry(
            kind="procedure", where=where, codes=(("icd9p", _dotted(code, 2)),), text=named.get(code, ""),
            time=admitted.get(row["hadm_id"]),
        )  # fmt: skip

    def charted(where: str, row: Row) -> Entry | None:
        if row["statusdescription"] == "Rewritten":
            return None
        label = items.get(row["itemid"], "")
        start, end = first_instant(row["starttime"]), first_instant(row["endtime"])
        codes = (("local", row["itemid"]),)
        return Entry(kind="procedure", where=where, codes=codes, text=label, time=start, end=end)

    reader.read("procedures_icd", ("hadm_id", "icd9_code"), coded)
    reader.read("procedureevents_mv", ("itemid", "starttime", "endtime", "statusdescription"), charted)


def _titles(reader: Reader, table: str) -> dict[str, str]:
    rows = reader.data.rows(table, ("icd9_code", "long_title"))
    return {row["icd9_code"]: row["long_title"] for row in rows}


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
