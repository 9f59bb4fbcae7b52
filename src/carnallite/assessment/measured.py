"""What results say, for everybody at once: the newest that still informs, those that compete, the lowest of days."""

from __future__ import annotations

import math
from datetime import timedelta
from functools import cache, cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from carnallite.assessment.events import (
    ABSENT,
    NOTHING,
    PRESENT,
    UNKNOWN,
    Some,
    events_of,
    filled,
    greatest,
    hours,
    is_dated,
    last,
    limit,
    named,
    ticks,
)
from carnallite.assessment.sources import SEXES, UNDATED
from carnallite.quantity import analytes

if TYPE_CHECKING:
    from collections.abc import Callable

    from carnallite.assessment.events import Bounds, Events, Numbers, Truth, Whole, Yes
    from carnallite.assessment.sources import Source

_ADULT = 40.0  # [a] counts whoever's age is unknown
_OLDEST = 200.0  # [a]
_EMPTY = slice(0, 0)


class _Window(NamedTuple):
    """How long a result counts for causes and for safety [us]."""

    informs: int
    current: int


@cache
def _windows() -> dict[str, _Window]:
    return {
        id: _Window(ticks(timedelta(days=one.validity.informative_d)), ticks(timedelta(hours=one.validity.current_h)))
        for id, one in analytes().items()
    }


class Measured:
    """Results of everybody."""

    def __init__(self, source: Source) -> None:
        self._source, self._size = source, source.size
        self._latest: dict[tuple[str, bool], Some] = {}
        self._extreme: dict[tuple[str, str], Some] = {}
        self._ours: dict[str, Bounds] = {}

    @cached_property
    def events(self) -> Events:
        """Return all results."""
        return events_of(self._source, "observation")

    @cached_property
    def _is_final(self) -> Yes:
        return ~self._source.remarks("observation", self.events.place, "preliminary")

    def _number(self, column: str, which: Whole) -> Numbers:
        return self._source.numbers("observation", column, self.events.place[which])

    def low(self, which: Whole) -> Numbers:
        """Return the lower ends of some results."""
        return filled(self._number("low", which), -math.inf)

    def high(self, which: Whole) -> Numbers:
        """Return the upper ends of some results."""
        return filled(self._number("high", which), math.inf)

    # the newest ------------------------------------------------------------------------------------------------------

    def latest(self, quantity: str, *, preliminary: bool = False) -> Some:
        """Return the newest result that still informs; one without a date only where no other has one."""
        found = self._latest.get((quantity, preliminary))
        if found is None:
            part = self.events.where.get(quantity, _EMPTY)
            time = self.events.time[part]
            counts = (time >= -_windows()[quantity].informs) | ~is_dated(time)
            if not preliminary:
                counts &= self._is_final[part]
            which = _numbered(counts, part)
            found = self._latest[quantity, preliminary] = last(self.events.who[which], which)
        return found

    def value(self, quantity: str) -> Bounds:
        """Return the newest result that still informs."""
        return self._bounds(self.latest(quantity))

    def reported(self, quantity: str) -> Bounds:
        """Return the newest result, preliminary ones included: for emergencies."""
        return self._bounds(self.latest(quantity, preliminary=True))

    def current(self, quantity: str) -> Bounds:
        """Return the newest result if it is dated and fresh enough to act on."""
        one = self.latest(quantity)
        fresh = self.events.time[one.which] >= -_windows()[quantity].current
        return self._bounds(Some(one.who[fresh], one.which[fresh]))

    def recent_level(self, quantity: str, hours_by_patient: Numbers) -> Truth:
        """Return whether the newest result is dated and not older than so many hours."""
        one = self.latest(quantity)
        time = self.events.time[one.which]
        recent = is_dated(time) & (hours(time) <= hours_by_patient[one.who])
        return self._present(one.who[recent])

    def is_remarked(self, quantity: str, remark: str) -> Truth:
        """Return whether the newest result carries a remark."""
        one = self.latest(quantity)
        return self._present(one.who[self._source.remarks("observation", self.events.place[one.which], remark)])

    def unreadable(self, quantity: str) -> Truth:
        """Return whether a result that may be the newest could not be read."""
        return self._present(self._unreadable.get(quantity, NOTHING))

    @cached_property
    def _unreadable(self) -> dict[str, Whole]:
        return named(self._source, "unreadable")

    # several ---------------------------------------------------------------------------------------------------------

    def highest(self, quantity: str) -> Bounds:
        """Return the highest of the results that compete: for emergencies."""
        return self._bounds(self.worst(quantity, "high"))

    def lowest(self, quantity: str) -> Bounds:
        """Return the lowest of the results that compete: for emergencies."""
        return self._bounds(self.worst(quantity, "low"))

    def worst(self, quantity: str, level: str) -> Some:
        """Return the lowest ("low") or highest ("high") of the results that compete."""
        which = self._competing(quantity)
        return greatest(self.events.who[which], which, -self.high(which) if level == "low" else self.low(which))

    def _competing(self, quantity: str) -> Whole:
        """Return newest, preliminary, undated and nearly simultaneous results; none of them may calm another."""
        part = self.events.where.get(quantity, _EMPTY)
        time, who = self.events.time[part], self.events.who[part]
        newest, final = self.latest(quantity, preliminary=True), self.latest(quantity)
        reference, has_one = np.full(self._size, UNDATED), np.zeros(self._size, bool)
        reference[newest.who], has_one[newest.who] = self.events.time[newest.which], True
        theirs = reference[who]
        near = is_dated(theirs) & (time + ticks(timedelta(hours=limit("same_time_window"))) >= theirs)
        competes = has_one[who] & (near | ~is_dated(time))
        competes[final.which - part.start] = True
        return _numbered(competes, part)

    def rise(self, quantity: str) -> Bounds:
        """Return the change since the result before the newest, within the window of a fast rise."""
        dated = self._final_within(quantity, limit("rise_window"))
        one = last(self.events.who[dated], np.arange(len(dated)))
        second = (one.which > 0) & (self.events.who[dated[one.which - 1]] == one.who)
        who, newest, before = one.who[second], dated[one.which[second]], dated[one.which[second] - 1]
        least = self._number("low", newest) - self._number("high", before)
        most = self._number("high", newest) - self._number("low", before)
        is_known = ~np.isnan(least)
        low, high = self._nothing()
        low[who[is_known]] = least[is_known]
        high[who[is_known]] = filled(most, math.inf)[is_known]
        return low, high

    def _final_within(self, quantity: str, span: float) -> Whole:
        """Return the dated final results of the last hours, the oldest first."""
        part = self.events.where.get(quantity, _EMPTY)
        time = self.events.time[part]
        return _numbered(is_dated(time) & self._is_final[part] & (hours(time) <= span), part)

    def extreme(self, quantity: str, level: str) -> Some:
        """Return the lowest ("low") or highest ("high") result of the last days."""
        found = self._extreme.get((quantity, level))
        if found is None:
            seen = self._final_within(quantity, limit("acute_window"))
            value = -self.high(seen) if level == "low" else self.low(seen)
            found = self._extreme[quantity, level] = greatest(self.events.who[seen], seen, value)
        return found

    def lately(self, quantity: str, level: str) -> Truth:
        """Return whether a result of the last days lay below ("low") or above ("high") its interval."""
        one = self.extreme(quantity, level)
        below, above = (end[one.who] for end in self._usual(quantity, one))
        low, high = self.low(one.which), self.high(one.which)
        yes, no = (high < below, low >= below) if level == "low" else (low > above, high <= above)
        found = np.full(self._size, UNKNOWN, np.int8)
        found[one.who] = np.where(yes, PRESENT, np.where(no, ABSENT, UNKNOWN))
        return found

    # intervals -------------------------------------------------------------------------------------------------------

    def reference(self, quantity: str) -> Bounds:
        """Return the laboratory's own interval, or ours for this sex and age."""
        return self._usual(quantity, self.latest(quantity))

    def _usual(self, quantity: str, one: Some) -> Bounds:
        if quantity not in self._ours:
            self._ours[quantity] = self._intervals(quantity)
        found = []
        for ours, column, is_open in zip(
            self._ours[quantity], ("reference_low", "reference_high"), (-math.inf, math.inf), strict=True
        ):
            theirs = self._number(column, one.which)
            ends, says = ours.copy(), ~np.isnan(theirs)
            ends[one.who[says]] = theirs[says]
            found.append(filled(ends, is_open))
        return found[0], found[1]

    def _intervals(self, quantity: str) -> Bounds:
        """Return our interval for everybody's sex and age, NaN where an end is open or there is none."""
        low, high = np.full(self._size, np.nan), np.full(self._size, np.nan)
        for one in reversed(analytes()[quantity].reference_intervals):
            fits = (self._years >= (one.age_from or 0)) & (self._years < (one.age_to or _OLDEST))
            if one.sex is not None:
                fits &= self._source.sexes == SEXES[one.sex]
            low[fits] = np.nan if one.low is None else one.low
            high[fits] = np.nan if one.high is None else one.high
        return low, high

    @cached_property
    def _years(self) -> Numbers:
        return filled(self._source.ages, _ADULT)

    # answers ---------------------------------------------------------------------------------------------------------

    def _nothing(self) -> Bounds:
        return np.full(self._size, -math.inf), np.full(self._size, math.inf)

    def _bounds(self, one: Some) -> Bounds:
        low, high = self._nothing()
        low[one.who], high[one.who] = self.low(one.which), self.high(one.which)
        return low, high

    def _present(self, who: Whole) -> Truth:
        found = np.zeros(self._size, np.int8)
        found[who] = PRESENT
        return found


def _numbered(yes: Yes, part: slice) -> Whole:
    """Return which events some of a part are."""
    return np.asarray(np.flatnonzero(yes) + part.start, np.int64)


NUMBERS: dict[str, Callable[[Measured, str], Bounds]] = {
    "value": Measured.value,
    "reported": Measured.reported,
    "current": Measured.current,
    "rise": Measured.rise,
    "highest": Measured.highest,
    "lowest": Measured.lowest,
    "reference": Measured.reference,
}
