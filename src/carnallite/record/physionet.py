"""One stay of the PhysioNet/CinC Challenge 2012 -> entries: a text file of times, names and values.

A stay is the first 48 hours in an intensive care unit, without drugs and diagnoses. The files have only hours since
admission; they are counted from one fixed day, in UTC.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from carnallite import datafile
from carnallite.record.entry import Entry, Person
from carnallite.record.result import read_number

if TYPE_CHECKING:
    from collections.abc import Sequence

BEGUN = datetime(2020, 6, 1, tzinfo=UTC)  # minute 0 of every stay
HEAD = "Time,Parameter,Value"
_TIME = re.compile(r"(\d{1,3}):([0-5]\d)")
_SEXES = {"0": "female", "1": "male"}


class Line(msgspec.Struct, frozen=True):
    """One value: minutes since admission, the name in the file, the value as it is printed."""

    minute: int
    name: str
    value: str


class Label(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A name in the files, the name under which we know it, and its unit."""

    label: str
    name: str
    unit: str
    about: str = ""


class Labels(datafile.Item, frozen=True, kw_only=True):
    """The content of ``physionet.toml``."""

    admission: tuple[Label, ...]
    measured: tuple[Label, ...]


@cache
def _labels() -> tuple[dict[str, Label], dict[str, Label]]:
    read = datafile.read(Path(__file__).with_name("physionet.toml"), Labels)
    return {one.label: one for one in read.admission}, {one.label: one for one in read.measured}


def line_of(text: str) -> Line | None:
    """Return one line of a file, or None where it cannot be read.

    >>> line_of("01:07,Mg,2.1")
    Line(minute=67, name='Mg', value='2.1')
    >>> line_of("Time,Parameter,Value") is None
    True
    """
    cells = text.strip().split(",")
    time = _TIME.fullmatch(cells[0])
    if len(cells) != 3 or time is None or not cells[1]:
        return None
    return Line(int(time[1]) * 60 + int(time[2]), cells[1], cells[2])


def stay(lines: Sequence[Line]) -> tuple[Person, list[Entry]]:
    """Return who one stay is about, and its entries: size and age at admission, and results of the laboratory."""
    admission, measured = _labels()
    first = {one.name: one.value for one in reversed(lines) if one.minute == 0}
    entries = [Entry(kind="encounter", where="stay", setting="ICU", time=BEGUN)]
    for label, known in admission.items():
        size = _number(first.get(label, ""))
        if size is not None and size > 0:
            entries.append(_result(known, size, 0, 1))
    for number, one in enumerate(lines, 2):
        value = _number(one.value) if one.name in measured else None
        if value is not None and value >= 0:
            entries.append(_result(measured[one.name], value, one.minute, number))
    age = _number(first.get("Age", ""))
    sex = _SEXES.get(first.get("Gender", "").removesuffix(".0"), "")
    return Person(sex=sex, age="" if age is None else f"{age:g}"), entries


def _number(text: str) -> float | None:
    found = read_number(text)
    return found[1] if found and not found[0] and not found[2] else None


def _result(known: Label, value: float, minute: int, number: int) -> Entry:
    time = BEGUN + timedelta(minutes=minute)
    where = f"result {number}"
    return Entry(kind="observation", where=where, text=known.name, value=value, unit=known.unit, time=time)
