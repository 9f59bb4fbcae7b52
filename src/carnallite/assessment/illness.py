"""Which conditions are recorded, and since when, for everybody at once; and where everybody is seen."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from carnallite.assessment.events import (
    Told,
    events_of,
    hours,
    implying,
    is_dated,
    known_of,
    limit,
    truth,
)
from carnallite.assessment.sources import UNDATED
from carnallite.knowledge import knowledge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from carnallite.assessment.events import Bits, Bounds, Known, Truth, Whole, Yes

_PRESENT, _PAST, _ABSENT, _FAMILY = 1, 2, 3, 4
_STATUS = {"present": _PRESENT, "past": _PAST, "absent": _ABSENT, "family": _FAMILY}

# What is known of a condition in one patient, as bits.
RECORDED, ACUTE, RECENT, JUST, PAST, DENIED, FAMILY = (1 << bit for bit in range(7))
_LEFT = RECORDED | ACUTE | RECENT  # by a procedure


class Illness(Told):
    """Conditions, procedures and encounters of everybody."""

    kind = "condition"
    statuses = _STATUS

    @cached_property
    def _known(self) -> Known:
        onset, over = self.events.time, self._source.moments("condition", "end", self.events.place)
        status, bits = self._status, np.zeros(len(self.events.who), np.uint16)
        here = status == _PRESENT
        goes_on, since = ~is_dated(over) | (hours(over) <= 0), hours(onset)
        bits[here & goes_on] = RECORDED
        for bit, window in ((ACUTE, "acute_window"), (RECENT, "illness_window")):
            bits[here & goes_on & (~is_dated(onset) | (since <= limit(window)))] |= bit
        near = self._is_near(onset) | self._is_near(over) | (here & ~is_dated(onset) & ~is_dated(over))
        bits[(here | (status == _PAST)) & near] |= JUST
        for bit, code in ((PAST, _PAST), (DENIED, _ABSENT), (FAMILY, _FAMILY)):
            bits[status == code] |= bit
        return known_of(self.events, bits)

    def _is_near(self, time: Whole) -> Yes:
        return is_dated(time) & (np.abs(hours(time)) <= limit("event_window"))

    @cached_property
    def _left(self) -> dict[str, Whole]:
        """Return in whom a procedure left a condition: always after an operation, shortly after others."""
        events = events_of(self._source, "procedure")
        end = self._source.moments("procedure", "end", events.place)
        over = np.where(is_dated(end), end, events.time)
        stays = ~is_dated(events.time) | (hours(over) <= limit("acute_window"))
        known = knowledge().conditions
        return {id: events.who[part][stays[part] | known[id].lasting] for id, part in events.where.items()}

    def _of(self, condition: str) -> Bits:
        """Return what is known of a condition by all that imply it; a denial denies nothing wider."""
        found = self._bits.get(condition)
        if found is None:
            known, narrower = self._known, implying().get(condition, (condition,))
            parts = [(id, known.where[id]) for id in narrower if id in known.where]
            left = [self._left[id] for id in narrower if id in self._left]
            found = self._none.copy() if parts or left else self._none
            for id, part in parts:
                found[known.who[part]] |= known.bits[part] if id == condition else known.bits[part] & ~np.uint16(DENIED)
            for who in left:
                found[who] |= _LEFT
            self._bits[condition] = found
        return found

    def recorded(self, condition: str) -> Truth:
        """Return whether a condition is recorded as present; not recorded counts as absent."""
        return self._is(condition, RECORDED)

    def acute(self, condition: str) -> Truth:
        """Return whether a condition is present and began in the last days, or at a time that is not known."""
        return self._is(condition, ACUTE)

    def recent(self, condition: str) -> Truth:
        """Return whether an acute illness is present and began lately enough to act, or without a date."""
        return self._is(condition, RECENT)

    def just(self, condition: str) -> Truth:
        """Return whether an event began or ended within a day, or is recorded as present without a date."""
        return self._is(condition, JUST)

    def past(self, condition: str) -> Truth:
        """Return whether a condition is recorded as over."""
        return self._is(condition, PAST)

    def denied(self, condition: str) -> Truth:
        """Return whether the record says that a condition is not there."""
        return self._is(condition, DENIED)

    def family(self, condition: str) -> Truth:
        """Return whether a relative has a condition."""
        return self._is(condition, FAMILY)

    def _is(self, condition: str, bit: int) -> Truth:
        bits = self._of(condition)
        return self._nowhere if bits is self._none else truth((bits & bit) > 0)

    @cached_property
    def _nowhere(self) -> Truth:
        return np.zeros(self._size, np.int8)

    def days_with(self, condition: str) -> Bounds:
        """Return for how long a condition has been present [d]."""
        began = self._never()
        for id in implying().get(condition, (condition,)):
            part = self.events.where.get(id, slice(0, 0))
            since = (self._status[part] == _PRESENT) & is_dated(self.events.time[part])
            np.minimum.at(began, self.events.who[part][since], self.events.time[part][since])
        return self._since(began)

    def is_seen(self, settings: Iterable[str]) -> Yes:
        """Return in whom the index lies in an encounter of some settings."""
        found = np.zeros(self._size, bool)
        for setting in settings:
            found[self._places.get(setting, _NOBODY)] = True
        return found

    @cached_property
    def _places(self) -> dict[str, Whole]:
        events = events_of(self._source, "encounter")
        end = self._source.moments("encounter", "end", events.place)
        goes_on = (end == UNDATED) | (end >= 0)
        return {setting: events.who[part][goes_on[part]] for setting, part in events.where.items()}


_NOBODY: Whole = np.zeros(0, np.int64)
NUMBERS: dict[str, Callable[[Illness, str], Bounds]] = {"days_with": Illness.days_with}
NAMED: dict[str, Callable[[Illness, str], Truth]] = {
    "recorded": Illness.recorded,
    "acute": Illness.acute,
    "past": Illness.past,
    "denied": Illness.denied,
    "family": Illness.family,
    "just": Illness.just,
    "recent": Illness.recent,
}
