"""What drugs are taken, and since when, for everybody at once."""

from __future__ import annotations

import math
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, get_args

import numpy as np

from carnallite.assessment.events import (
    ABSENT,
    NEVER_YET,
    NOTHING,
    PRESENT,
    UNKNOWN,
    Told,
    drugs_of,
    hours,
    is_dated,
    known_of,
    limit,
    named,
    ticks,
    truth,
)
from carnallite.assessment.sources import UNDATED
from carnallite.knowledge import Route

if TYPE_CHECKING:
    from collections.abc import Callable

    from carnallite.assessment.events import Bits, Bounds, Known, Some, Truth, Whole, Yes

_CURRENT, _STOPPED, _MENTIONED, _DENIED = 1, 2, 3, 4
_STATUS = {"current": _CURRENT, "stopped": _STOPPED, "mentioned": _MENTIONED, "denied": _DENIED}
_ROUTES = {route: number + 1 for number, route in enumerate(get_args(Route))}
_INJECTED = tuple(_ROUTES[route] for route in ("intravenous", "intramuscular", "subcutaneous"))
_MG = {"mg": 1, "g": 2, "gm": 2}
_SIZES = np.array([np.nan, 1.0, 1000.0])  # [mg] of these units

# What is known of a drug in one patient, as bits: taken, by a route that is not known, and so on.
TAKEN, NO_ROUTE, MENTIONED, DENIED, EVER, JUST_STOPPED = (1 << bit for bit in range(6))
_FIRST_ROUTE = 5  # route 1 is the bit after it


class Treated(Told):
    """Drugs of everybody."""

    kind = "exposure"
    statuses = _STATUS

    @cached_property
    def _route(self) -> Truth:
        return self._source.words("exposure", "route", self.events.place, _ROUTES)

    @cached_property
    def _stop(self) -> Whole:
        return self._source.moments("exposure", "end", self.events.place)

    @cached_property
    def _was_taken(self) -> Yes:
        return np.isin(self._status, (_CURRENT, _STOPPED))

    @cached_property
    def is_taken(self) -> Yes:
        """Return whether an exposure lasts at the index, or ended so shortly before that it still acts: "fact"."""
        ends = ~is_dated(self._stop) | (hours(self._stop) <= limit("current_exposure_window"))
        taken: Yes = (self._status == _CURRENT) & (self.events.time <= 0) & ends
        return taken

    @cached_property
    def _known(self) -> Known:
        bits = np.zeros(len(self.events.who), np.uint16)
        since = hours(self._stop)
        just = is_dated(self._stop) & (since >= 0) & (since <= limit("recent_exposure"))
        bits[self._was_taken] = EVER
        bits[self._was_taken & just] |= JUST_STOPPED
        bits[self._status == _MENTIONED] |= MENTIONED
        bits[self._status == _DENIED] |= DENIED
        by_route = np.where(self._route == 0, NO_ROUTE, 1 << (_FIRST_ROUTE + self._route.astype(np.uint16)))
        bits[self.is_taken] |= (by_route | TAKEN).astype(np.uint16)[self.is_taken]
        return known_of(self.events, bits)

    @cached_property
    def _lists(self) -> Yes:
        """Return whose drugs are listed: what is not listed is then not taken."""
        found = np.zeros(self._size, bool)
        found[self.events.who[self._was_taken]] = True
        return found

    def _of(self, group: str) -> Bits:
        """Return what is known of a group of drugs."""
        found = self._bits.get(group)
        if found is None:
            known = self._known
            parts = [known.where[id] for id in drugs_of().get(group, (group,)) if id in known.where]
            found = self._none.copy() if parts else self._none
            for part in parts:
                found[known.who[part]] |= known.bits[part]
            self._bits[group] = found
        return found

    def taking(self, group: str, route: str = "") -> Truth:
        """Return whether a drug of a group is taken; not listed means not taken only where drugs are listed.

        Where a route is asked for and the record does not give one, it is unknown.
        """
        bits = self._of(group)
        if bits is self._none:
            return self._not_listed
        taken = (1 << (_FIRST_ROUTE + _ROUTES[route])) if route else TAKEN
        unclear = MENTIONED | NO_ROUTE if route else MENTIONED
        found = np.where((bits & DENIED) > 0, ABSENT, self._not_listed)
        found[(bits & unclear) > 0] = UNKNOWN
        found[(bits & taken) > 0] = PRESENT
        return found.astype(np.int8)

    @cached_property
    def _not_listed(self) -> Truth:
        return np.where(self._lists, ABSENT, UNKNOWN).astype(np.int8)

    def ever(self, group: str) -> Truth:
        """Return whether a drug of a group was taken at any time."""
        return np.where((self._of(group) & EVER) > 0, PRESENT, UNKNOWN).astype(np.int8)

    def mentioned(self, group: str) -> Truth:
        """Return whether a text names a drug of a group without a drug list saying that it is taken."""
        return truth((self._of(group) & MENTIONED) > 0)

    def exposed(self, group: str) -> Truth:
        """Return whether a drug of a group is taken or mentioned; silence counts as no."""
        return truth((self._of(group) & (TAKEN | MENTIONED)) > 0)

    def stopped_recently(self, group: str) -> Truth:
        """Return whether a drug of a group was stopped within the time that it may still act on gut or kidney."""
        return truth((self._of(group) & JUST_STOPPED) > 0)

    def allergic(self, group: str) -> Truth:
        """Return whether an allergy or intolerance to a drug of a group is listed; silence counts as no."""
        found = np.zeros(self._size, np.int8)
        for id in {group, *drugs_of().get(group, ())} & self._allergic.keys():
            found[self._allergic[id]] = PRESENT
        return found

    @cached_property
    def _allergic(self) -> dict[str, Whole]:
        return named(self._source, "allergy")

    def drawn_under(self, group: str, one: Some, time: Whole) -> Truth:
        """Return whether a result was drawn during or soon after an injection of a group.

        Parameters
        ----------
        one : Some
            Whose result.
        time : array
            [us] Of each of them.
        """
        drawn = np.full(self._size, UNDATED)
        drawn[one.who] = time
        which = self._facts(group)
        who, start = self.events.who[which], self.events.time[which]
        end = np.where(is_dated(self._stop[which]), self._stop[which], 0)
        after = ticks(timedelta(hours=limit("after_infusion_window")))
        given = self._was_taken[which] & np.isin(self._route[which], _INJECTED) & is_dated(start)
        during = is_dated(drawn[who]) & (start <= drawn[who]) & (drawn[who] <= end + after)
        found = np.zeros(self._size, np.int8)
        found[who[given & during]] = PRESENT
        return found

    def days_on(self, group: str) -> Bounds:
        """Return for how long a drug that is taken has been taken [d]."""
        which = self._facts(group)
        which = which[self._was_taken[which] & is_dated(self.events.time[which])]
        began = self._never()
        taken = which[self.is_taken[which]]
        np.minimum.at(began, self.events.who[taken], self.events.time[taken])
        who = self.events.who[which]
        earlier = which[(self.events.time[which] < began[who]) & is_dated(self._stop[which]) & (began[who] < NEVER_YET)]
        began = self._continued(earlier, began)
        return self._since(began)

    def _continued(self, earlier: Whole, began: Whole) -> Whole:
        """Return when drugs began; a change within the class goes on where the one before it ended."""
        gap = ticks(timedelta(hours=limit("recent_exposure")))
        earlier = earlier[np.lexsort((-self._stop[earlier], self.events.who[earlier]))]
        who, start, stop = self.events.who[earlier], self.events.time[earlier], self._stop[earlier]
        before = np.minimum(_least_so_far(who, start), began[who])  # if all later ones are joined
        so_far = began[who]
        so_far[1:] = np.where(who[1:] == who[:-1], before[:-1], so_far[1:])
        joined = _all_so_far(who, stop >= so_far - gap)
        found = began.copy()
        np.minimum.at(found, who[joined], start[joined])
        return found

    def dose_of(self, ingredient: str) -> Bounds:
        """Return the daily dose of a drug over all lines [mg/d]; at least that where a line does not say how often."""
        which = self._facts(ingredient)
        which = which[self.is_taken[which]]
        place = self.events.place[which]
        dose, often = (self._source.numbers("exposure", column, place) for column in ("dose", "per_day"))
        sized = _SIZES[self._source.words("exposure", "dose_unit", place, _MG)]
        use = ~np.isnan(dose) & ~np.isnan(sized)
        who, often = self.events.who[which][use], often[use]
        # A dose of nothing a day is a line that does not say how often.
        each = dose[use] * np.where(np.isnan(often) | (often == 0), 1.0, often) * sized[use]
        low, high = np.full(self._size, -math.inf), np.full(self._size, math.inf)
        total = np.bincount(who, weights=each, minlength=self._size)
        low[who] = high[who] = total[who]
        high[who[np.isnan(often)]] = math.inf
        return low, high

    def _facts(self, group: str) -> Whole:
        """Return the facts about a group, by patient, and by ingredient in each."""
        where = self.events.where
        parts = [where[id] for id in drugs_of().get(group, (group,)) if id in where]
        if not parts:
            return NOTHING
        which = np.concatenate([np.arange(part.start, part.stop) for part in parts])
        return which[np.argsort(self.events.who[which], kind="stable")]


def _least_so_far(who: Whole, value: Whole) -> Whole:
    """Return the least of the values of each patient until each of them; a patient's stand together."""
    found, step = value.copy(), 1
    while step < len(who):
        same = who[step:] == who[:-step]
        found[step:] = np.where(same, np.minimum(found[step:], found[:-step]), found[step:])
        if not same.any():
            break
        step *= 2
    return found


def _all_so_far(who: Whole, yes: Yes) -> Yes:
    """Return whether something holds for each and all before it of the same patient."""
    return _least_so_far(who, yes.astype(np.int64)) > 0


NUMBERS: dict[str, Callable[[Treated, str], Bounds]] = {"days_on": Treated.days_on, "dose_of": Treated.dose_of}
NAMED: dict[str, Callable[[Treated, str], Truth]] = {
    "taking": Treated.taking,
    "ever": Treated.ever,
    "mentioned": Treated.mentioned,
    "stopped_recently": Treated.stopped_recently,
    "exposed": Treated.exposed,
    "allergic": Treated.allergic,
}
