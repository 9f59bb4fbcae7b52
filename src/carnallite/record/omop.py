"""OMOP CDM 5.4 -> entries: a folder of CSV or Parquet, a DuckDB or SQLite file, or a PostgreSQL database.

Times have no zone in OMOP and are taken as UTC.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from carnallite.record.entry import Entry, Loaded, Person, chosen
from carnallite.record.moments import first_instant, last_instant
from carnallite.record.opening import opened
from carnallite.record.result import read_number
from carnallite.record.vocabulary import (
    Meaning,
    Vocabulary,
    codes_of,
    diagnosis_code,
    drug_code,
    editions,
    in_edition,
    lab_code,
    procedure_code,
    vocabulary,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from carnallite.record.tables import Row, Tables

_COLUMNS: dict[str, tuple[str, ...]] = {
    "visit_occurrence": ("visit_occurrence_id", "person_id", "visit_concept_id", "visit_start_date",
        "visit_start_datetime", "visit_end_date", "visit_end_datetime"),
    "measurement": ("measurement_id", "person_id", "measurement_concept_id", "measurement_source_concept_id",
        "measurement_source_value", "measurement_date", "measurement_datetime", "operator_concept_id",
        "value_as_number", "value_as_concept_id", "value_source_value", "unit_concept_id",
        "unit_source_value", "range_low", "range_high"),
    "observation": ("observation_id", "person_id", "observation_concept_id", "observation_source_concept_id",
        "observation_source_value", "observation_date", "observation_datetime", "value_as_number",
        "value_as_string", "value_as_concept_id", "value_source_value", "unit_concept_id",
        "unit_source_value"),
    "drug_exposure": ("drug_exposure_id", "person_id", "drug_concept_id", "drug_source_concept_id",
        "drug_source_value", "drug_exposure_start_date", "drug_exposure_start_datetime",
        "drug_exposure_end_date", "drug_exposure_end_datetime", "drug_type_concept_id", "quantity", "sig",
        "route_concept_id", "route_source_value", "dose_unit_source_value"),
    "condition_occurrence": ("condition_occurrence_id", "person_id", "condition_concept_id",
        "condition_source_concept_id", "condition_source_value", "condition_start_date",
        "condition_start_datetime", "condition_end_date", "condition_end_datetime", "visit_occurrence_id"),
    "procedure_occurrence": ("procedure_occurrence_id", "person_id", "procedure_concept_id",
        "procedure_source_concept_id", "procedure_source_value", "procedure_date", "procedure_datetime",
        "procedure_end_date", "procedure_end_datetime"),
}  # fmt: skip
TABLES = frozenset({"person", "concept", *_COLUMNS})
_PERSON = ("person_id", "gender_concept_id", "gender_source_value", "birth_datetime", "year_of_birth",
           "month_of_birth", "day_of_birth")  # fmt: skip
_EPOCH = re.compile(r"-?\d{5,11}(\.\d+)?")
_COMPACT_DATE = re.compile(r"(19|20|21)\d{6}")
_ADMINISTRATIONS = frozenset({"32818", "38000180", "38000179", "43542358"})
_MIDNIGHT = "00:00:00"


def read(source: str, person: str | None, *, alone: bool = False) -> Loaded:
    """Return the people of an OMOP data set and the entries of the selected one, or of all.

    Parameters
    ----------
    source : str
        A folder, a DuckDB or SQLite file, or a PostgreSQL URL.
    person : str or None
        ``person_id``, or ``#2`` for the second; None for everybody.
    alone : bool
        With nobody selected, read entries only if the data set holds one person.

    Raises
    ------
    RecordRefused
        It cannot be opened, holds no table ``person``, or not the selected one.
    """
    with opened(source, TABLES, anchor="person") as data:
        return read_tables(data, person, alone=alone)


def read_tables(data: Tables, person: str | None = None, *, alone: bool = False) -> Loaded:
    """Return the same of tables that are open.

    Raises
    ------
    RecordRefused
        As `read`.
    """
    people, key = _people(data, person)
    loaded = Loaded(people=people)
    if key is not None or not alone or len(people) == 1:
        _entries(data, key, loaded)
    loaded.issues += data.issues()
    return loaded


def _people(data: Tables, person: str | None) -> tuple[dict[str, Person], str | None]:
    """Return the people, and the key of the selected one; a known key needs no look at the others."""
    rows = data.rows("person", _PERSON, only=("person_id", person)) if person else []
    if rows:
        return {row["person_id"]: _person(row) for row in rows}, person
    rows = sorted(data.rows("person", _PERSON), key=lambda row: (len(row["person_id"]), row["person_id"]))
    people = {row["person_id"]: _person(row) for row in rows if row["person_id"]}
    return people, chosen(person, list(people)) if person else None


def _person(row: Row) -> Person:
    known = row["gender_concept_id"] not in {"", "0"}
    sex = row["gender_concept_id"] if known else row["gender_source_value"]
    moment = _moment(row["birth_datetime"])
    if moment is not None:
        return Person(sex=sex, birth=moment.date().isoformat())
    numbers = [_number(row[f"{part}_of_birth"]) for part in ("year", "month", "day")]
    parts = [f"{number:02.0f}" for number in numbers if number is not None]
    return Person(sex=sex, birth="-".join(parts) if len(parts) == len(numbers) else "".join(parts[:1]))


def _entries(data: Tables, key: str | None, loaded: Loaded) -> None:
    only = ("person_id", key) if key is not None else None
    rows = {name: data.rows(name, columns, only=only) for name, columns in _COLUMNS.items()}
    words = vocabulary(data, rows.values())
    visits = {row["visit_occurrence_id"]: row for row in rows["visit_occurrence"]}
    readers: dict[str, Callable[[str, Row], Entry]] = {
        "visit_occurrence": _visit,
        "measurement": lambda where, row: _result("measurement", where, row, words),
        "observation": lambda where, row: _observation(where, row, words),
        "drug_exposure": lambda where, row: _drug(where, row, words),
        "condition_occurrence": lambda where, row: _condition(where, row, words, visits),
        "procedure_occurrence": lambda where, row: _procedure(where, row, words),
    }
    edition_of = editions(rows["condition_occurrence"])
    for name, found in rows.items():
        counts: dict[str, int] = {}
        for row in found:
            owner = row["person_id"]
            counts[owner] = counts.get(owner, 0) + 1
            where = f"{name} {counts[owner]}"
            if owner not in loaded.people:
                loaded.strays.append(where)
                continue
            entry = readers[name](where, row)
            if name == "condition_occurrence":
                entry = in_edition(entry, edition_of.get(owner, ""))
            loaded.entries.setdefault(owner, []).append(entry)


def _moment(text: str) -> datetime | None:
    """Return a time; SQLite holds times as seconds since 1970 where the tools of OHDSI wrote them."""
    if not _EPOCH.fullmatch(text) or _COMPACT_DATE.fullmatch(text):
        return first_instant(text)
    try:
        return first_instant((datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=float(text))).isoformat())
    except OverflowError:
        return None


def _start(row: Row, name: str) -> datetime | None:
    return _moment(row[f"{name}_datetime"]) or _moment(row[f"{name}_date"])


def _visit(where: str, row: Row) -> Entry:
    end = row["visit_end_datetime"] or row["visit_end_date"]
    return Entry(
        kind="encounter", where=where, setting=row["visit_concept_id"],
        time=_start(row, "visit_start"), end=_end(end) if end else None,
    )  # fmt: skip


def _end(text: str) -> datetime | None:
    moment = _moment(text)
    if moment is None:
        return None
    return last_instant(text) if "-" in text.lstrip("-") else moment


def _result(name: str, where: str, row: Row, words: Vocabulary) -> Entry:
    """Return a result: the number, or the words of the source where it holds none."""
    codes, text = codes_of(row, name, words, lab_code)
    value, said = _number(row["value_as_number"]), row["value_source_value"]
    comparator = _meant(row.get("operator_concept_id", ""), words, "operator")
    printed = read_number(said) if said else None
    if printed and printed[0] and value is not None and math.isclose(printed[1], value):
        comparator = printed[0]
    answer = words.get(row["value_as_concept_id"], Meaning()).name or row.get("value_as_string", "")
    unit = words.get(row["unit_concept_id"], Meaning())
    return Entry(
        kind="observation", where=where, codes=codes, text=text, time=_start(row, name), value=value,
        comparator=comparator, unit=row["unit_source_value"],
        unit_code=unit.code if unit.system in {"unit", "UCUM"} else "",
        words="" if value is not None else ". ".join(dict.fromkeys(filter(None, (said, answer)))),
        reference_low=_number(row.get("range_low", "")), reference_high=_number(row.get("range_high", "")),
    )  # fmt: skip


def _meant(id: str, words: Vocabulary, system: str) -> str:
    meaning = words.get(id, Meaning())
    return meaning.code if meaning.system == system else ""


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _observation(where: str, row: Row, words: Vocabulary) -> Entry:
    """Return what OMOP keeps beside measurements: results, history, family history, allergies."""
    entry = _result("observation", where, row, words)
    title = entry.text.casefold()
    if title.startswith("allergy"):
        return Entry(kind="allergy", where=where, codes=entry.codes, text=f"{entry.text}. {entry.words}")
    if "family history" in title:
        return Entry(kind="family", where=where, codes=entry.codes, text=f"{entry.text}. {entry.words}")
    if entry.value is None and not entry.words:
        return Entry(kind="text", where=where, codes=entry.codes, text=entry.text, time=entry.time)
    return entry


def _drug(where: str, row: Row, words: Vocabulary) -> Entry:
    codes, text = codes_of(row, "drug", words, drug_code)
    start, end, is_timed = _drug_times(row)
    is_given = row["drug_type_concept_id"] in _ADMINISTRATIONS
    unit, sig = row["dose_unit_source_value"], "" if row["sig"] == "0" else row["sig"]
    printed = read_number(sig)
    dose = None
    if printed and unit and printed[2].casefold() == unit.casefold():
        dose, sig = printed[1], ""
    elif not sig and unit and is_given:
        dose = _number(row["quantity"])  # of an order it would be what was dispensed
    routes = (row["route_source_value"], words.get(row["route_concept_id"], Meaning()).name)
    return Entry(
        kind="drug", where=where, codes=codes, text=text, time=start, end=end, single=is_given and is_timed,
        status="completed" if end else "", dose=dose, dose_unit=unit if dose is not None else "",
        dose_text=sig,
        route=". ".join(part for part in routes if part and part != "0"),
    )  # fmt: skip


def _drug_times(row: Row) -> tuple[datetime | None, datetime | None, bool]:
    """Return start and end, and whether they are times; two at midnight are dates, and the last day counts."""
    start, end = row["drug_exposure_start_datetime"], row["drug_exposure_end_datetime"]
    dated = start.endswith(_MIDNIGHT) and end.endswith(_MIDNIGHT)
    if end and not dated:
        return _start(row, "drug_exposure_start"), _moment(end), True
    last = row["drug_exposure_end_date"] or end[:10]
    return _start(row, "drug_exposure_start"), _end(last), False


def _condition(where: str, row: Row, words: Vocabulary, visits: dict[str, Row]) -> Entry:
    codes, text = codes_of(row, "condition", words, diagnosis_code)
    time = _start(row, "condition_start")
    visit = visits.get(row["visit_occurrence_id"], {})
    if not row["condition_start_datetime"] and visit.get("visit_start_date") == row["condition_start_date"]:
        time = _start(visit, "visit_start")  # a diagnosis of the day of admission is dated by it
    end = _moment(row["condition_end_datetime"]) or _moment(row["condition_end_date"])
    return Entry(kind="condition", where=where, codes=codes, text=text, time=time, end=end)


def _procedure(where: str, row: Row, words: Vocabulary) -> Entry:
    codes, text = codes_of(row, "procedure", words, procedure_code)
    end = row["procedure_end_datetime"] or row["procedure_end_date"]
    return Entry(
        kind="procedure", where=where, codes=codes, text=text, time=_start(row, "procedure"),
        end=_end(end) if end else None,
    )  # fmt: skip
