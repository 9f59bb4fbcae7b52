# ruff: noqa: D102  (what the methods of a source return is said once, in `Source`)
"""Where facts of many patients come from: timelines, or rows of a table without making timelines of them.

Both say the same, column by column, under the names that rows have (`carnallite.record.rows`); nothing is converted
before somebody asks. A moment is counted in microseconds after the patient's index.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from carnallite.errors import RecordRefused
from carnallite.record import APART, KINDS, NEVER, Rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    import pyarrow as pa
    from numpy.typing import NDArray

    from carnallite.record import Sex, Timeline

    Numbers = NDArray[np.float64]
    Whole = NDArray[np.int64]
    Small = NDArray[np.int8]
    Yes = NDArray[np.bool_]

UNDATED = NEVER
_BARE = {"unreadable": "unreadable", "allergy": "allergies"}  # names alone, and where a timeline has them
ASKED = (  # columns of a table of rows that answers rest on; the others are for words
    "patient", "kind", "name", "status", "time", "end", "low", "high", "reference_low", "reference_high", "remarks",
    "route", "dose", "dose_unit", "per_day", "sex", "birth", "age_at_least", "index",
)  # fmt: skip
SEXES: dict[Sex, int] = {"female": 1, "male": 2}
_DAY = 86_400_000_000  # [us]
_YEAR_D = 365.25


class Source(Protocol):
    """Facts of many patients, in columns; every fact has a place in those of its kind.

    Attributes
    ----------
    size : int
        How many patients.
    """

    size: int

    @property
    def ages(self) -> Numbers:
        """Return the age of everybody at the index [a]; NaN where it is unknown."""

    @property
    def sexes(self) -> Small:
        """Return the sex of everybody, as `SEXES` has it; 0 where it is unknown."""

    def names(self, kind: str) -> tuple[Sequence[str], NDArray[np.integer], Whole]:
        """Return names, and for each fact of a kind which of them it is about, and its place."""

    def whose(self, kind: str, places: Whole) -> Whole:
        """Return to whom the facts at some places belong."""

    def moments(self, kind: str, column: str, places: Whole) -> Whole:
        """Return times after the index [us], or `UNDATED`."""

    def numbers(self, kind: str, column: str, places: Whole) -> Numbers:
        """Return numbers, or NaN."""

    def words(self, kind: str, column: str, places: Whole, meaning: Mapping[Any, int]) -> Small:
        """Return what words mean, whatever their case; 0 where they mean nothing."""

    def remarks(self, kind: str, places: Whole, remark: str) -> Yes:
        """Return whether a remark is among those of facts."""

    def timeline(self, row: int) -> Timeline:
        """Return everything of one patient."""

    def number(self, kind: str, row: int, place: int) -> int:
        """Return which of the facts of its kind that one patient has stands at a place."""


class Timelines:
    """Timelines as a source."""

    def __init__(self, timelines: Sequence[Timeline]) -> None:
        self.size = len(timelines)
        self._timelines = timelines
        self._facts: dict[str, list[Any]] = {}
        self._known: dict[tuple[str, ...], Any] = {}

    @cached_property
    def ages(self) -> Numbers:
        ages = [one.age() for one in self._timelines]
        return np.array([np.nan if age is None else age for age in ages], np.float64)

    @cached_property
    def sexes(self) -> Small:
        return np.array([SEXES[one.patient.sex] if one.patient.sex else 0 for one in self._timelines], np.int8)

    def names(self, kind: str) -> tuple[Sequence[str], NDArray[np.integer], Whole]:
        named = self._facts_of(kind) if kind in _BARE else self._values(kind, "name")
        names = sorted(set(named))
        number = {name: place for place, name in enumerate(names)}
        return names, np.array([number[name] for name in named], np.int16), np.arange(len(named))

    def whose(self, kind: str, places: Whole) -> Whole:
        return self._whose(kind)[places]

    def _whose(self, kind: str) -> Whole:
        found = self._known.get((kind,))
        if found is None:
            counts = [len(getattr(one, _field(kind))) for one in self._timelines]
            found = self._known[(kind,)] = np.repeat(np.arange(self.size), counts)
        return found

    def moments(self, kind: str, column: str, places: Whole) -> Whole:
        found = self._known.get((kind, column))
        if found is None:
            of, field = KINDS[kind][2][column], _field(kind)
            since = [_since(getattr(one, of), t.index) for t in self._timelines for one in getattr(t, field)]
            found = self._known[kind, column] = np.array(since, "m8[us]").view(np.int64)
        return found[places]

    def numbers(self, kind: str, column: str, places: Whole) -> Numbers:
        found = self._known.get((kind, column))
        if found is None:
            found = self._known[kind, column] = np.array(self._values(kind, column), np.float64)
        return found[places]

    def words(self, kind: str, column: str, places: Whole, meaning: Mapping[Any, int]) -> Small:
        words = self._values(kind, column)
        return np.array([meaning.get(word.casefold(), 0) if word else 0 for word in words], np.int8)[places]

    def remarks(self, kind: str, places: Whole, remark: str) -> Yes:
        return np.array([remark in said for said in self._values(kind, "remarks")], np.bool_)[places]

    def timeline(self, row: int) -> Timeline:
        return self._timelines[row]

    def number(self, kind: str, row: int, place: int) -> int:
        return place - int(self._whose(kind).searchsorted(row))

    def _facts_of(self, kind: str) -> list[Any]:
        found = self._facts.get(kind)
        if found is None:
            field = _field(kind)
            found = self._facts[kind] = [one for timeline in self._timelines for one in getattr(timeline, field)]
        return found

    def _values(self, kind: str, column: str) -> list[Any]:
        of = KINDS[kind][2][column]
        return [getattr(one, of) for one in self._facts_of(kind)]


def _field(kind: str) -> str:
    return KINDS[kind][0] if kind in KINDS else _BARE[kind]


def _since(time: datetime | None, index: datetime) -> Any:
    return None if time is None else time - index


class Table:
    """Rows of a table as a source; a place is the number of a row."""

    def __init__(self, table: pa.Table) -> None:
        self._rows = Rows(table)
        self.size = len(self._rows)
        self._timelines: dict[int, Timeline] = {}

    @cached_property
    def _whose(self) -> Whole:
        return np.repeat(np.arange(self.size), np.diff(self._rows.edges))

    @cached_property
    def _kinds(self) -> Small:
        """Return the kind of each row, numbered from 1."""
        words, codes = self._rows.words("kind")
        return np.array([_KINDS.get(word, 0) for word in words], np.int8)[codes]

    @cached_property
    def _who(self) -> Whole:
        """Return the place of the row of kind patient of each.

        Raises
        ------
        RecordRefused
            Somebody has none, or several.
        """
        found = np.flatnonzero(self._kinds == _KINDS["patient"])
        if not np.array_equal(self._whose[found], np.arange(self.size)):
            raise RecordRefused("rows", "a patient has no row of the kind patient, or two.", "Give each one.")
        return found

    @cached_property
    def _index(self) -> Whole:
        return self._rows.moments("index", self._who)

    @cached_property
    def ages(self) -> Numbers:
        rows, who = self._rows, self._who
        return ages(rows.days("birth", who), rows.numbers("age_at_least", who), self._index)

    @cached_property
    def sexes(self) -> Small:
        return self.words("", "sex", self._who, SEXES)

    def names(self, kind: str) -> tuple[Sequence[str], NDArray[np.integer], Whole]:
        places = np.flatnonzero(self._kinds == _KINDS[kind])
        names, codes = self._rows.words("name", places)
        return names, codes.astype(np.int16) if len(names) < np.iinfo(np.int16).max else codes, places

    def whose(self, kind: str, places: Whole) -> Whole:
        return self._whose[places]

    def moments(self, kind: str, column: str, places: Whole) -> Whole:
        times = self._rows.moments(column, places)
        found = times - self._index[self.whose(kind, places)]
        found[times == UNDATED] = UNDATED
        return found

    def numbers(self, kind: str, column: str, places: Whole) -> Numbers:
        return self._rows.numbers(column, places)

    def words(self, kind: str, column: str, places: Whole, meaning: Mapping[Any, int]) -> Small:
        words, codes = self._rows.words(column, places)
        return np.array([meaning.get(word.casefold(), 0) for word in words], np.int8)[codes]

    def remarks(self, kind: str, places: Whole, remark: str) -> Yes:
        words, codes = self._rows.words("remarks", places)
        return np.array([remark in word.split(APART) for word in words], np.bool_)[codes]

    def timeline(self, row: int) -> Timeline:
        if row not in self._timelines:
            self._timelines[row] = self._rows.timeline(row)
        return self._timelines[row]

    def number(self, kind: str, row: int, place: int) -> int:
        return int((self._kinds[self._rows.edges[row] : place] == _KINDS[kind]).sum())


_KINDS = {kind: number for number, kind in enumerate((*KINDS, "patient", *_BARE), 1)}


def ages(births: Whole, at_least: Numbers, index: Whole) -> Numbers:
    """Return the age of everybody at the index [a], as `Timeline.age` does for one; NaN where it is unknown.

    Parameters
    ----------
    births : array [patient]
        [d] Day of birth after 1970-01-01, or `UNDATED`.
    at_least : array [patient]
        [a] What is known otherwise, or NaN.
    index : array [patient]
        [us] After 1970-01-01.
    """
    known = births != UNDATED
    birth, today = np.where(known, births, 0).astype("M8[D]"), (index // _DAY).astype("M8[D]")
    (year, month, day), (year_now, month_now, day_now) = _dates(birth), _dates(today)
    years = year_now - year - ((month_now < month) | ((month_now == month) & (day_now < day)))
    leap = (month == 1) & (day == 28)  # numbered from 0
    months = (12 * (year + years) + np.where(leap, 2, month)).astype("M8[M]")
    birthday = months.astype("M8[D]") + np.where(leap, 0, day)
    found = years + np.maximum((today - birthday).astype(np.int64) / _YEAR_D, 0.0)
    return np.where(known, np.where(today < birth, 0.0, found), at_least)


def _dates(days: NDArray[np.datetime64]) -> tuple[Whole, Whole, Whole]:
    """Return years after 1970, months of the year and days of the month, the last two from 0."""
    year, month = days.astype("M8[Y]"), days.astype("M8[M]")
    return (
        year.astype(np.int64),
        (month - year.astype("M8[M]")).astype(np.int64),
        (days - month.astype("M8[D]")).astype(np.int64),
    )
