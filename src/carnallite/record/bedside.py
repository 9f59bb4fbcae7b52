"""What the readers of intensive care data share: rows by person, charts, and outputs of whole days."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from carnallite import datafile
from carnallite.record.entry import Entry, Loaded, Person, chosen
from carnallite.record.result import read_number
from carnallite.record.timeline import Issue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from carnallite.record.tables import Row, Tables


class Charted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A label of a chart, the name under which we know it, and its unit; without a unit it is words."""

    label: str
    name: str
    unit: str = ""


class Labels(datafile.Item, frozen=True, kw_only=True):
    """The content of ``bedside.toml``."""

    parts_of_day: int
    charted: tuple[Charted, ...]
    urine: tuple[str, ...]
    stool: tuple[str, ...]


@cache
def _labels() -> Labels:
    return datafile.read(Path(__file__).with_name("bedside.toml"), Labels)


@cache
def _charted() -> dict[str, Charted]:
    return {line.label: line for line in _labels().charted}


def number(text: str) -> float | None:
    """Return a plain number, or None; a sign before it or a unit behind it makes it something else."""
    found = read_number(text)
    return found[1] if found and not found[0] and not found[2] else None


def selected(
    data: Tables, table: str, owner: str, columns: tuple[str, ...], person: str | None
) -> tuple[list[Row], str | None]:
    """Return the rows of the people, in the order of their keys, and the key of the selected one.

    Raises
    ------
    RecordRefused
        The selected one does not exist.
    """
    rows = data.rows(table, (owner, *columns), only=(owner, person)) if person else []
    if rows:
        return rows, person
    rows = [row for row in data.rows(table, (owner, *columns)) if row[owner]]
    rows.sort(key=lambda row: (len(row[owner]), row[owner]))
    return rows, chosen(person, [row[owner] for row in rows]) if person else None


class Reader:
    """One data set on its way to entries."""

    def __init__(self, data: Tables, owner: str, people: dict[str, Person], key: str | None) -> None:
        self.data = data
        self.owner = owner
        self.only = (owner, key) if key is not None else None
        self.loaded = Loaded(people=people)

    def rows(self, table: str, *columns: str) -> Iterator[tuple[str, str, Row]]:
        """Yield the rows of known people: whose, where, and what."""
        counts: dict[str, int] = defaultdict(int)
        ids = ("row_id", f"{table}id")  # rows that differ in their own id alone are not the same row
        for row in self.data.rows(table, (self.owner, *columns, *ids), only=self.only):
            owner = row[self.owner]
            counts[owner] += 1
            where = f"{table} {counts[owner]}"
            if owner in self.loaded.people:
                yield owner, where, row
            else:
                self.loaded.strays.append(where)

    def read(self, table: str, columns: tuple[str, ...], make: Callable[[str, Row], Entry | None]) -> None:
        """Add what a function makes of every row of a table."""
        for owner, where, row in self.rows(table, *columns):
            entry = make(where, row)
            if entry is not None:
                self.add(owner, entry)

    def add(self, owner: str, entry: Entry) -> None:
        """Add an entry about one person."""
        self.loaded.entries.setdefault(owner, []).append(entry)


class Chart:
    """Rows of a bedside chart; words are kept only where they change."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.last: dict[tuple[str, str], str] = {}
        self.left: dict[str, int] = defaultdict(int)

    def take(self, owner: str, where: str, label: str, said: str, time: datetime | None) -> None:
        """Add a row, if its label is one that we know."""
        known = _charted().get(label)
        if known is None:
            self.left[label] += 1
            return
        entry = Entry(kind="observation", where=where, text=known.name, time=time)
        if known.unit:
            value = number(said)
            if value:  # a pulse or a pressure of 0 on a chart is a sensor that fell off
                self.reader.add(owner, msgspec.structs.replace(entry, value=value, unit=known.unit))
        elif said and self.last.get((owner, known.name)) != said:
            self.last[owner, known.name] = said
            self.reader.add(owner, msgspec.structs.replace(entry, words=said))

    def sum_up(self) -> None:
        """Say once how much was left out."""
        if self.left:
            what = f"{sum(self.left.values())} charted rows under {len(self.left)} labels are not used."
            do = "Nothing; laboratory results are read from their own table."
            self.reader.loaded.issues.append(Issue("not_used", "chart", what, do))


class Outputs:
    """What left the body, row by row, until whole days can be summed."""

    def __init__(self) -> None:
        self.days: dict[tuple[str, datetime], list[tuple[str, str, timedelta, float]]] = {}

    def take(self, owner: str, where: str, label: str, said: str, time: datetime | None) -> None:
        """Remember a row that has a time and a volume."""
        volume = number(said)
        if time is not None and volume is not None and volume >= 0:
            day = time.replace(hour=0, minute=0, second=0, microsecond=0)
            self.days.setdefault((owner, day), []).append((_output(label), where, time - day, volume))

    def hand_over(self, reader: Reader) -> None:
        """Add the sum of urine and of stool for every day that was charted throughout."""
        names = {"urine": "24 h urine volume", "stool": "24 h stool volume"}
        for (owner, day), rows in self.days.items():
            if not _is_whole([time for _, _, time, _ in rows]):
                continue
            for kind, name in names.items():
                parts = [(where, volume) for row, where, _, volume in rows if row == kind]
                if parts:
                    reader.add(owner, Entry(
                        kind="observation", where=parts[0][0], text=name, unit="mL/d",
                        value=sum(volume for _, volume in parts), time=day + timedelta(days=1),
                    ))  # fmt: skip


@cache
def _output(label: str) -> str:
    for kind, names in (("urine", _labels().urine), ("stool", _labels().stool)):
        if any(label == name or (name.endswith("*") and label.startswith(name[:-1])) for name in names):
            return kind
    return "other"


def _is_whole(times: list[timedelta]) -> bool:
    """Return whether every part of a day has a row."""
    part = timedelta(days=1) / _labels().parts_of_day
    return len({time // part for time in times}) == _labels().parts_of_day
