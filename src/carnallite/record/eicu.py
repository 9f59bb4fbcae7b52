"""eICU as it is downloaded -> entries: a folder of CSV tables, gzipped or not.

One stay in a unit is one person. eICU has only minutes since admission to the unit; they are counted from one
fixed day, in UTC.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING

from carnallite.errors import UnitError
from carnallite.quantity import analytes
from carnallite.record.bedside import Chart, Outputs, Reader, number, selected
from carnallite.record.codes import icd_system, quantity_of
from carnallite.record.entry import Entry, Loaded, Person
from carnallite.record.opening import opened
from carnallite.record.result import read_number

if TYPE_CHECKING:
    from pathlib import Path

    from carnallite.record.tables import Row, Tables

TABLES = frozenset({
    "patient", "lab", "medication", "infusiondrug", "admissiondrug", "diagnosis", "pasthistory", "allergy",
    "intakeoutput", "treatment",
})  # fmt: skip
_PATIENT = (
    "gender", "age", "apacheadmissiondx", "admissionheight", "admissionweight", "hospitaladmitoffset",
    "unitdischargeoffset",
)  # fmt: skip
_ADMISSION = datetime(2020, 6, 1, tzinfo=UTC)  # the day on which every stay begins
_LONGEST = timedelta(days=36525)
_THOUSANDS = re.compile(r"(?<![\d.,])(\d{1,3}),(\d{3})(?![\d,])")


def read_eicu(folder: Path, person: str | None = None, *, alone: bool = False) -> Loaded:
    """Return the stays of an eICU folder and the entries of the selected one, or of all.

    Parameters
    ----------
    folder : Path
        The tables as downloaded, ``.csv`` or ``.csv.gz``; those that are missing are passed over.
    person : str, optional
        ``patientunitstayid``, or `#2` for the second.
    alone : bool
        With nobody selected, read entries only if the folder holds one person.

    Raises
    ------
    RecordRefused
        There is no table ``patient``, or not the selected stay.
    """
    with opened(str(folder), TABLES, anchor="patient") as data:
        return read_tables(data, person, alone=alone)


def read_tables(data: Tables, person: str | None = None, *, alone: bool = False) -> Loaded:
    """Return the same of tables that are open.

    Raises
    ------
    RecordRefused
        As `read_eicu`.
    """
    rows, key = selected(data, "patient", "patientunitstayid", _PATIENT, person)
    people = {row["patientunitstayid"]: Person(sex=row["gender"], age=row["age"]) for row in rows}
    reader = Reader(data, "patientunitstayid", people, key)
    if key is None and alone and len(people) > 1:
        return reader.loaded
    for row in rows:
        if key in {None, row["patientunitstayid"]}:
            _stay(reader, row)
    _laboratory(reader)
    _drugs(reader)
    _diagnoses(reader)
    _bedside(reader)
    reader.loaded.issues += data.issues()
    return reader.loaded


def _after(minutes: str) -> datetime | None:
    """Return the time that lies so many minutes after admission to the unit."""
    offset = number(minutes)
    if offset is None or abs(offset) > _LONGEST / timedelta(minutes=1):
        return None
    return _ADMISSION + timedelta(minutes=offset)


def _stay(reader: Reader, row: Row) -> None:
    owner, where = row["patientunitstayid"], "patient 1"  # this table has one row for each
    end, before = _after(row["unitdischargeoffset"]), _after(row["hospitaladmitoffset"])
    reader.add(owner, Entry(kind="encounter", where=where, setting="ICU", time=_ADMISSION, end=end))
    if before is not None:
        reader.add(owner, Entry(kind="encounter", where=where, setting="IMP", time=before))
    if row["apacheadmissiondx"]:
        text = row["apacheadmissiondx"]
        reader.add(owner, Entry(kind="condition", where=where, text=text, time=_ADMISSION))
    sizes = (("body height", row["admissionheight"], "cm"), ("body weight", row["admissionweight"], "kg"))
    for name, said, unit in sizes:
        value = number(said)
        if value:
            where = f"patient 1, {name}"
            entry = Entry(kind="observation", where=where, text=name, value=value, unit=unit, time=_ADMISSION)
            reader.add(owner, entry)


def _laboratory(reader: Reader) -> None:
    def make(where: str, row: Row) -> Entry:
        value, comparator, unit, words = _value(row)
        return Entry(
            kind="observation", where=where, text=row["labname"], time=_after(row["labresultoffset"]),
            value=value, comparator=comparator, unit=unit, words=words,
        )  # fmt: skip

    columns = ("labname", "labresult", "labresulttext", "labmeasurenamesystem", "labmeasurenameinterface")
    reader.read("lab", (*columns, "labresultoffset"), make)


def _value(row: Row) -> tuple[float | None, str, str, str]:
    """Return value, sign, unit and words of a result.

    eICU gives a result twice: as the laboratory printed it, and with the unit of its own system, often
    without the conversion (a magnesium of 1.4 meq/L stands there as 1.4 mg/dL). So the printed pair is read,
    and the other one only where the printed unit is missing or unknown.
    """
    printed = read_number(row["labresulttext"])
    unit, other = row["labmeasurenameinterface"], row["labmeasurenamesystem"]
    plain = printed is not None and not printed[2]
    if printed and plain and _is_unit_of(row["labname"], unit):
        return printed[1], printed[0], unit, ""
    value = number(row["labresult"])
    if value is None and printed and plain:
        return printed[1], printed[0], other, ""
    return value, "", other, "" if value is not None else row["labresulttext"]


@cache
def _is_unit_of(name: str, unit: str) -> bool:
    analyte = analytes().get(quantity_of((), name, "", {}) or "")
    if analyte is None or not unit:
        return False
    try:
        return analyte.factor(unit) > 0
    except UnitError:
        return False


def _drugs(reader: Reader) -> None:
    def order(where: str, row: Row) -> Entry | None:
        if row["drugordercancelled"] == "Yes" or not row["drugname"]:
            return None
        start, end = _after(row["drugstartoffset"]), _after(row["drugstopoffset"])
        if start and end and end < start:  # 0 stands for "not known"
            end = None
        said = f"{row['dosage']} {row['frequency']}".strip()
        return Entry(
            kind="drug", where=where, text=row["drugname"], time=start, end=end, route=row["routeadmin"],
            status="completed" if end else "", dose_text=_THOUSANDS.sub(r"\1\2", said),
        )  # fmt: skip

    def infusion(where: str, row: Row) -> Entry | None:
        name = re.sub(r"\s*\([^()]*\)\s*$", "", row["drugname"])
        return Entry(
            kind="drug", where=where, text=name, time=_after(row["infusionoffset"]), single=True,
            status="completed", route="intravenous",
        ) if number(row["drugrate"]) else None  # fmt: skip

    def home(where: str, row: Row) -> Entry:
        # The offset tells when it was written down, not since when it is taken.
        return Entry(kind="drug", where=where, text=row["drugname"], status="active")

    columns = ("drugname", "drugordercancelled", "drugstartoffset", "drugstopoffset")
    reader.read("medication", (*columns, "dosage", "frequency", "routeadmin"), order)
    reader.read("infusiondrug", ("drugname", "drugrate", "infusionoffset"), infusion)
    reader.read("admissiondrug", ("drugname",), home)


def _diagnoses(reader: Reader) -> None:
    def diagnosis(where: str, row: Row) -> Entry:
        listed = [(icd_system(code), code) for code in re.split(r"[,\s]+", row["icd9code"])]
        return Entry(
            kind="condition", where=where, codes=tuple((system, code) for system, code in listed if system),
            text=_below_headings(row["diagnosisstring"]), time=_after(row["diagnosisoffset"]),
        )  # fmt: skip

    def history(where: str, row: Row) -> Entry | None:
        path, value = row["pasthistorypath"], row["pasthistoryvalue"]
        if "/Organ Systems/" not in path:
            return None
        parent = path.removesuffix(f"/{value}").rsplit("/", 1)[-1]
        return Entry(kind="condition", where=where, text=f"{parent}. {value}")

    def allergy(where: str, row: Row) -> Entry:
        return Entry(kind="allergy", where=where, text=row["allergyname"] or row["drugname"])

    def treatment(where: str, row: Row) -> Entry:
        text, time = _below_headings(row["treatmentstring"]), _after(row["treatmentoffset"])
        return Entry(kind="procedure", where=where, text=text, time=time)

    reader.read("diagnosis", ("diagnosisstring", "icd9code", "diagnosisoffset"), diagnosis)
    reader.read("pasthistory", ("pasthistorypath", "pasthistoryvalue"), history)
    reader.read("allergy", ("allergyname", "drugname"), allergy)
    reader.read("treatment", ("treatmentstring", "treatmentoffset"), treatment)


def _below_headings(path: str) -> str:
    """Return a diagnosis without the two headings above it, which name other conditions as well.

    >>> _below_headings("cardiovascular|shock / hypotension|sepsis|severe")
    'sepsis, severe'
    """
    parts = path.split("|")
    return ", ".join(parts[2:] or parts[-1:])


def _bedside(reader: Reader) -> None:
    chart, outputs = Chart(reader), Outputs()
    columns = ("cellpath", "celllabel", "cellvaluenumeric", "intakeoutputoffset")
    for owner, where, row in reader.rows("intakeoutput", *columns):
        time, value = _after(row["intakeoutputoffset"]), row["cellvaluenumeric"]
        if "|Output (ml)|" in row["cellpath"]:
            outputs.take(owner, where, row["celllabel"], value, time)
        elif "|Weight|" in row["cellpath"]:
            chart.take(owner, where, row["celllabel"], value, time)
    outputs.hand_over(reader)
