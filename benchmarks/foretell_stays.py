"""Stays of open intensive care data, and what their records held at a moment: the past alone, as the house reads it.

All are read by the readers of the package; the challenge of PhysioNet 2012 lies here as one long table of results of
the first 48 hours, without drugs and diagnoses.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import NamedTuple

import msgspec

from carnallite.record import Observation, Reading, Timeline
from carnallite.record.build import build
from carnallite.record.entry import Entry, Person, ran_in
from carnallite.record.intensive_care import read_eicu, read_mimic
from carnallite.record.physionet import Line, stay

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
SOURCES = ("physionet", "mimic", "eicu")
PLACES = {"physionet": "physionet2012/set-a.parquet", "mimic": "mimic3demo/csv", "eicu": "eicu_demo"}
CUTS = {"physionet": 1, "mimic": 8, "eicu": 4}  # moments at which a stay is cut, at most
TESTS = ("serum_potassium", "serum_magnesium")
LEAST, FURTHEST = 2.0, 72.0  # [h] a value is foretold so long after the cut
SEEN = 30 * 24.0  # [h] a value before the cut counts so long, as in the history of a fit
DOUBTFUL = frozenset({"preliminary", "hemolysed"})
WRITTEN_LATER = ("diagnoses_icd", "procedures_icd")  # coded after discharge, dated to the admission
BEFORE_THE_STAY = ("pasthistory", "admissiondrug", "allergy", "patient", "admissions")  # undated, and no news


class Stay(NamedTuple):
    """Whose record it is and its lines; a person of MIMIC-III, otherwise one stay in a unit."""

    person: Person
    entries: tuple[Entry, ...]


class Held(NamedTuple):
    """A value that is held back, and the last one before the cut."""

    test: str
    hours: float  # after the cut
    value: float
    last: float
    age: float  # [h] of the last value at the cut
    is_next: bool  # the first of its test


@cache
def stays(source: str, data: Path = DATA) -> tuple[Stay, ...]:
    """Return all stays of a source, in the order of their keys.

    Raises
    ------
    RecordRefused
        The folder does not hold it.
    """
    place = data / PLACES[source]
    if source == "physionet":
        return _physionet(place)
    loaded = (read_mimic if source == "mimic" else read_eicu)(place)
    return tuple(Stay(person, tuple(loaded.entries.get(key, ()))) for key, person in loaded.people.items())


def _physionet(table: Path) -> tuple[Stay, ...]:
    import duckdb  # noqa: PLC0415  (only for this source)

    query = "select record_id, minute, parameter, value from read_parquet(?) where value >= 0 order by all"
    with duckdb.connect() as database:
        rows = database.execute(query, [str(table)]).fetchall()
    said: dict[int, list[tuple[int, str, float]]] = {}
    for key, minute, parameter, value in rows:
        said.setdefault(key, []).append((minute, parameter, float(f"{value:.6g}")))
    found = (stay([Line(minute, name, f"{value:g}") for minute, name, value in lines]) for lines in said.values())
    return tuple(Stay(person, tuple(entries)) for person, entries in found)


# what was known when ------------------------------------------------------------------------------------------------
def whole(stay: Stay) -> Reading:
    """Return all that a stay says, at its end."""
    return build(stay.person, stay.entries)


def known_at(stay: Stay, moment: datetime) -> Reading:
    """Return what the record held at a moment; nothing in it was written or happened later.

    Diagnoses that are coded at discharge are left out, and so is the end of what had not ended; of a dose that was
    still running there is what had run in.
    """
    return build(stay.person, [_so_far(one, moment) for one in stay.entries if _is_known(one, moment)], now=moment)


def _is_known(entry: Entry, moment: datetime) -> bool:
    if entry.where.startswith(WRITTEN_LATER):
        return False
    if entry.time is None:
        return entry.where.startswith(BEFORE_THE_STAY)
    return entry.time < moment if _runs(entry, moment) else entry.time <= moment


def _runs(entry: Entry, moment: datetime) -> bool:
    return entry.single and entry.end is not None and entry.end > moment


def _so_far(entry: Entry, moment: datetime) -> Entry:
    if entry.end is None or entry.end <= moment:
        return entry
    if entry.single:
        return ran_in(entry, moment)
    status = "active" if entry.kind == "drug" else entry.status
    return msgspec.structs.replace(entry, end=None, status=status)


# where a stay is cut ------------------------------------------------------------------------------------------------
def cuts(timeline: Timeline, most: int) -> list[datetime]:
    """Return moments of results after which something is held back, evenly chosen; of one, the middle.

    Parameters
    ----------
    timeline : Timeline
        The whole record.
    most : int
        So many, if there are more.
    """
    moments = sorted({one.time for test in TESTS for one in values(timeline, test) if one.time is not None})
    able = [moment for moment in moments if held_back(timeline, moment)]
    chosen = sorted({int((turn + 0.5) / most * len(able)) for turn in range(most)}) if able else []
    return [able[number] for number in chosen]


def held_back(timeline: Timeline, moment: datetime) -> list[Held]:
    """Return the values of a record that come some hours after a moment, of tests that have one before it."""
    found = []
    for test in TESTS:
        dated = [(hours_between(moment, one.time), one.low) for one in values(timeline, test) if one.time and one.low]
        before = [(hour, value) for hour, value in dated if -SEEN <= hour <= 0]
        after = [(hour, value) for hour, value in dated if LEAST <= hour <= FURTHEST]
        for number, (hour, value) in enumerate(after if before else []):
            found.append(Held(test, hour, value, before[-1][1], -before[-1][0], number == 0))
    return found


def values(timeline: Timeline, test: str) -> list[Observation]:
    """Return the dated results of a test that are numbers and not in doubt, in the order of time."""
    return [
        one
        for one in timeline.observations
        if one.quantity == test and one.time is not None and one.low == one.high and not DOUBTFUL & set(one.remarks)
    ]


def hours_between(earlier: datetime, later: datetime | None) -> float:
    """Return the time from one moment to another [h]."""
    return float("nan") if later is None else (later - earlier) / timedelta(hours=1)
