"""Facts of many patients, sorted so that a question looks only at those of its own name."""

from __future__ import annotations

import math
from datetime import timedelta
from functools import cache, cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np

from carnallite.assessment.sources import UNDATED
from carnallite.knowledge import knowledge
from carnallite.record import implied, membership

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from carnallite.assessment.sources import Source

    Numbers = NDArray[np.float64]
    Whole = NDArray[np.int64]
    Truth = NDArray[np.int8]
    Yes = NDArray[np.bool_]
    Bits = NDArray[np.uint16]
    Bounds = tuple[Numbers, Numbers]

ABSENT, UNKNOWN, PRESENT = 0, 1, 2
DAY = 24.0  # [h]
NEVER_YET = np.iinfo(np.int64).max  # [us] later than any moment


class Events(NamedTuple):
    """Facts of one kind, sorted by name and patient, the oldest first and those without a date before all.

    Attributes
    ----------
    who, time, place : array [fact]
        Patient; time after the index [us], or `UNDATED`; place in the source.
    where : dict of name to slice
        Where the facts of each name stand.
    """

    who: Whole
    time: Whole
    place: Whole
    where: dict[str, slice]


class Some(NamedTuple):
    """One fact of each of some patients: who they are, in order, and which of the events it is."""

    who: Whole
    which: Whole


class Known(NamedTuple):
    """What is known of each name in each patient, as bits; `where` says where each name stands."""

    who: Whole
    bits: Bits
    where: dict[str, slice]


NOTHING: Whole = np.zeros(0, np.int64)


class Told:
    """Facts of one kind of everybody, what their status means, and what is known of each name as bits."""

    kind: ClassVar[str]
    statuses: ClassVar[Mapping[str, int]]

    def __init__(self, source: Source) -> None:
        self._source, self._size = source, source.size
        self._bits: dict[str, Bits] = {}
        self._none = np.zeros(self._size, np.uint16)

    @cached_property
    def events(self) -> Events:
        """Return all facts of this kind."""
        return events_of(self._source, self.kind)

    @cached_property
    def _status(self) -> Truth:
        return self._source.words(self.kind, "status", self.events.place, self.statuses)

    def _never(self) -> Whole:
        """Return for everybody a moment that never comes."""
        return np.full(self._size, NEVER_YET)

    def _since(self, began: Whole) -> Bounds:
        """Return for how long something has been so [d], of when it began; not known where it never did."""
        low, high = np.full(self._size, -math.inf), np.full(self._size, math.inf)
        known = began < NEVER_YET
        low[known] = high[known] = hours(began[known]) / DAY
        return low, high


def named(source: Source, kind: str) -> dict[str, Whole]:
    """Return who has each of the facts of a kind that are names alone."""
    names, codes, places = source.names(kind)
    who = source.whose(kind, places)
    return {names[number]: who[codes == number] for number in np.unique(codes)}


def events_of(source: Source, kind: str) -> Events:
    """Return the facts of one kind."""
    names, codes, places = source.names(kind)
    if not _is_sorted(codes):
        order = np.argsort(codes, kind="stable")  # a source has its patients in order
        codes, places = codes[order], places[order]
    found = Events(source.whose(kind, places), source.moments(kind, "time", places), places, _slices(codes, names))
    again = _order(source, kind, codes, found)
    return found if again is None else found._replace(time=found.time[again], place=places[again])


def _order(source: Source, kind: str, codes: NDArray[np.integer], events: Events) -> Whole | None:
    """Return the order of facts in which those of one name and patient go by time; None where they do."""
    time, is_new = events.time, np.ones(len(codes), bool)
    is_new[1:] = (events.who[1:] != events.who[:-1]) | (codes[1:] != codes[:-1])
    late = np.flatnonzero((time[1:] <= time[:-1]) & ~is_new[1:])
    tied = late[time[late] == time[late + 1]]
    wrong = [late[time[late + 1] < time[late]]]
    for column in _TIES[kind]:
        before, after = (_tie(source, kind, column, events.place[which]) for which in (tied, tied + 1))
        wrong.append(tied[after < before])
        tied = tied[after == before]
    if not any(map(len, wrong)):
        return None
    group = np.cumsum(is_new)
    which = np.flatnonzero(np.isin(group, group[np.concatenate(wrong)]))
    ties = [_tie(source, kind, column, events.place[which]) for column in _TIES[kind]]
    order = np.arange(len(codes))
    order[which] = which[np.lexsort((*reversed(ties), time[which], group[which]))]
    return order


_TIES = {"observation": ("low", "high"), "exposure": ("end", "dose"), "condition": (), "procedure": (), "encounter": ()}
_OPEN = {"low": -1.0, "high": 1e300, "dose": 0.0}  # as `record` sorts what is not known


def _tie(source: Source, kind: str, column: str, places: Whole) -> Numbers | Whole:
    if column not in _OPEN:
        return source.moments(kind, column, places)
    return filled(source.numbers(kind, column, places), _OPEN[column])


def _is_sorted(codes: NDArray[np.integer]) -> bool:
    return bool((codes[1:] >= codes[:-1]).all())


def _slices(codes: NDArray[np.integer], names: Sequence[str]) -> dict[str, slice]:
    """Return where each name stands among sorted codes."""
    begins = np.flatnonzero(codes[1:] != codes[:-1]) + 1
    edges = [0, *begins.tolist(), len(codes)] if len(codes) else [0]
    return {names[codes[begin]]: slice(begin, end) for begin, end in pairwise(edges)}


def known_of(events: Events, bits: Bits) -> Known:
    """Return what is known of each name and patient together, of what is known of each fact."""
    if not len(bits):
        return Known(NOTHING, bits, {})
    is_new = np.ones(len(bits), bool)
    is_new[1:] = events.who[1:] != events.who[:-1]
    is_new[[part.start for part in events.where.values()]] = True
    begins = np.flatnonzero(is_new)
    first = np.searchsorted(begins, [part.start for part in events.where.values()])
    edges = [*first.tolist(), len(begins)]
    where = {name: slice(edges[number], edges[number + 1]) for number, name in enumerate(events.where)}
    return Known(events.who[begins], np.bitwise_or.reduceat(bits, begins), where)


def last(who: Whole, which: Whole) -> Some:
    """Return the last of some facts of each patient; a patient's stand together."""
    if not len(who):
        return Some(NOTHING, NOTHING)
    is_last = np.ones(len(who), bool)
    is_last[:-1] = who[1:] != who[:-1]
    return Some(who[is_last], which[is_last])


def greatest(who: Whole, which: Whole, value: Numbers) -> Some:
    """Return the fact of each patient that has the greatest value, of several the first."""
    if not len(who):
        return Some(NOTHING, NOTHING)
    is_first = np.ones(len(who), bool)
    is_first[1:] = who[1:] != who[:-1]
    if is_first.all():
        return Some(who, which)
    begins = np.flatnonzero(is_first)
    most = np.repeat(np.maximum.reduceat(value, begins), np.diff(np.append(begins, len(who))))
    found = np.flatnonzero(value == most)[::-1]
    first = last(who[found], which[found])
    return Some(first.who[::-1], first.which[::-1])


def hours(time: Whole) -> Numbers:
    """Return how long before the index moments lie [h]; nonsense where they are not dated."""
    return -time / 1e6 / 3600


def ticks(span: timedelta) -> int:
    """Return a time as a source counts it [us]."""
    return span // timedelta(microseconds=1)


def limit(id: str) -> float:
    """Return the value of a time threshold [h]."""
    threshold = knowledge().thresholds[id]
    return threshold.value * (DAY if threshold.unit == "d" else 1.0)


@cache
def drugs_of() -> dict[str, tuple[str, ...]]:
    """Return the ingredients and classes of each group of drugs, in their order."""
    return _turned(membership())


@cache
def implying() -> dict[str, tuple[str, ...]]:
    """Return the conditions that imply each condition, itself among them."""
    return _turned(implied())


def _turned(table: Mapping[str, frozenset[str]]) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for id, wider in sorted(table.items()):
        for group in wider:
            found.setdefault(group, []).append(id)
    return {group: tuple(ids) for group, ids in found.items()}


def filled(numbers: Numbers, value: float) -> Numbers:
    """Return numbers with a value for those that are not known."""
    return np.where(np.isnan(numbers), value, numbers)


def is_dated(time: Whole) -> Yes:
    """Return which moments are known."""
    dated: Yes = time != UNDATED
    return dated


def truth(yes: Yes) -> Truth:
    """Return present where something holds, absent elsewhere."""
    return np.multiply(yes, PRESENT, dtype=np.int8)
