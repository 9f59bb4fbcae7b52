"""What one record says: the facts of everybody seen for one of them, and the results and drugs behind them."""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING

from carnallite.assessment.events import ABSENT, PRESENT, UNKNOWN
from carnallite.assessment.everyone import Everyone
from carnallite.assessment.sources import SEXES, Timelines
from carnallite.record import implied, membership

if TYPE_CHECKING:
    from carnallite.assessment.events import Some
    from carnallite.record import Condition, Exposure, Observation, Sex, Timeline

__all__ = ["ABSENT", "PRESENT", "UNKNOWN", "Facts", "Interval"]

Interval = tuple[float, float]
_SEXES: dict[int, Sex | None] = {0: None} | {number: sex for sex, number in SEXES.items()}


class Facts:
    """One patient of `Everyone`, who stands there in a row."""

    def __init__(self, everyone: Everyone, row: int) -> None:
        self.everyone, self.row = everyone, row
        self._latest: dict[tuple[str, bool], Observation | None] = {}

    @cached_property
    def timeline(self) -> Timeline:
        """Return the record."""
        return self.everyone.source.timeline(self.row)

    @property
    def age(self) -> float | None:
        """Return the age at the index [a], or None where it is unknown."""
        age = float(self.everyone.source.ages[self.row])
        return None if math.isnan(age) else age

    @property
    def sex(self) -> Sex | None:
        """Return the sex, or None where it is unknown."""
        return _SEXES[self.everyone.source.sexes[self.row]]

    @classmethod
    def of(cls, timeline: Timeline) -> Facts:
        """Return what one record says that is looked at alone."""
        return cls(Everyone(Timelines([timeline])), 0)

    # results ---------------------------------------------------------------------------------------------------------

    def latest(self, quantity: str, *, preliminary: bool = False) -> Observation | None:
        """Return the newest result that still informs; one without a date only where no other has one."""
        key = (quantity, preliminary)
        if key not in self._latest:
            self._latest[key] = self.one(self.everyone.measured.latest(quantity, preliminary=preliminary))
        return self._latest[key]

    def extreme(self, quantity: str, level: str) -> Observation | None:
        """Return the lowest ("low") or highest ("high") result of the last days."""
        return self.one(self.everyone.measured.extreme(quantity, level))

    def worst(self, quantity: str, level: str) -> Observation | None:
        """Return the lowest ("low") or highest ("high") of the results that compete: for emergencies."""
        return self.one(self.everyone.measured.worst(quantity, level))

    def one(self, some: Some) -> Observation | None:
        """Return the result of this patient among those of some."""
        place = int(some.who.searchsorted(self.row))
        if place == len(some.who) or some.who[place] != self.row:
            return None
        at = int(self.everyone.measured.events.place[some.which[place]])
        return self.timeline.observations[self.everyone.source.number("observation", self.row, at)]

    def results(self, quantity: str) -> tuple[Observation, ...]:
        """Return every result, in the order of time."""
        return tuple(self._results.get(quantity, ()))

    @cached_property
    def _results(self) -> dict[str, list[Observation]]:
        found: dict[str, list[Observation]] = {}
        for one in self.timeline.observations:
            found.setdefault(one.quantity, []).append(one)
        return found

    def current(self, quantity: str) -> Interval:
        """Return the newest result if it is dated and fresh enough to act on."""
        return self._number("current", quantity)

    def reference(self, quantity: str) -> Interval:
        """Return the laboratory's own interval, or ours for this sex and age."""
        return self._number("reference", quantity)

    def lately(self, quantity: str, level: str) -> int:
        """Return whether a result of the last days lay below ("low") or above ("high") its interval."""
        return self._truth(f"lately_{level}", quantity)

    # drugs and conditions --------------------------------------------------------------------------------------------

    def taking(self, group: str) -> int:
        """Return whether a drug of a group is taken; not listed means not taken only where drugs are listed."""
        return self._truth("taking", group)

    def ever(self, group: str) -> int:
        """Return whether a drug of a group was taken at any time."""
        return self._truth("ever", group)

    def is_taken(self, exposure: Exposure) -> bool:
        """Return whether an exposure lasts at the index, or ended so shortly before that it still acts."""
        return exposure in self._taken

    @cached_property
    def _taken(self) -> frozenset[Exposure]:
        drugs = self.everyone.treated
        places = drugs.events.place[drugs.is_taken & (drugs.events.who == self.row)]
        number = self.everyone.source.number
        return frozenset(self.timeline.exposures[number("exposure", self.row, int(place))] for place in places)

    def exposures(self, group: str) -> list[Exposure]:
        """Return every exposure to a group."""
        return self._drugs.get(group, [])

    @cached_property
    def _drugs(self) -> dict[str, list[Exposure]]:
        found: dict[str, list[Exposure]] = {}
        groups = membership()
        for exposure in self.timeline.exposures:
            for group in groups.get(exposure.ingredient, (exposure.ingredient,)):
                found.setdefault(group, []).append(exposure)
        return found

    def conditions(self, condition: str) -> list[Condition]:
        """Return every mention of a condition."""
        return self._conditions.get(condition, [])

    @cached_property
    def _conditions(self) -> dict[str, list[Condition]]:
        found: dict[str, list[Condition]] = {}
        wider = implied()
        for condition in self.timeline.conditions:
            named = wider.get(condition.condition, (condition.condition,))
            for id in named if condition.status != "absent" else (condition.condition,):
                found.setdefault(id, []).append(condition)
        return found

    def recorded(self, condition: str) -> int:
        """Return whether a condition is recorded as present; not recorded counts as absent."""
        return self._truth("recorded", condition)

    def acute(self, condition: str) -> int:
        """Return whether a condition is present and began in the last days, or at a time that is not known."""
        return self._truth("acute", condition)

    def _truth(self, *key: str) -> int:
        return int(self.everyone.truth(*key)[self.row])

    def _number(self, kind: str, name: str) -> Interval:
        low, high = self.everyone.numbers(kind, name)
        return float(low[self.row]), float(high[self.row])
