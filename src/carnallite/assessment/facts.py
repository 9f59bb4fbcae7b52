"""One timeline -> the numbers and yes-no facts that expressions in data files ask for.

A number is an interval (low, high); unknown is (-inf, inf). A fact is 0 absent, 1 unknown, 2 present.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING

from carnallite.knowledge import knowledge
from carnallite.quantity import analytes
from carnallite.record import implied, membership

if TYPE_CHECKING:
    from collections.abc import Callable

    from carnallite.record import Condition, Exposure, Observation, Procedure, Timeline

ABSENT, UNKNOWN, PRESENT = 0, 1, 2
Interval = tuple[float, float]
_RECENT = {
    "ward": "recent_level_ward",
    "outpatient": "recent_level_outpatient",
    "unknown": "recent_level_unknown",
}
NOTHING: Interval = (-math.inf, math.inf)
_DAY = 24.0


def _limit(id: str) -> float:
    """Return the value of a time threshold [h]."""
    threshold = knowledge().thresholds[id]
    return threshold.value * (_DAY if threshold.unit == "d" else 1.0)


@cache
def _windows() -> dict[str, tuple[timedelta, timedelta]]:
    """Return, for each analyte, how long a result counts for causes and for safety."""
    return {
        id: (timedelta(days=one.validity.informative_d), timedelta(hours=one.validity.current_h))
        for id, one in analytes().items()
    }


class Facts:
    """What one record says, looked up by the functions of the expression language."""

    __slots__ = ("_conditions", "_drugs", "_procedures", "_results", "age", "lists_drugs", "sex", "timeline")

    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline
        self.age = timeline.age()
        self.sex = timeline.patient.sex
        self._results: dict[str, list[Observation]] = {}
        for observation in timeline.observations:
            self._results.setdefault(observation.quantity, []).append(observation)
        self._drugs: dict[str, list[Exposure]] = {}
        groups = membership()
        for exposure in timeline.exposures:
            for group in groups.get(exposure.ingredient, (exposure.ingredient,)):
                self._drugs.setdefault(group, []).append(exposure)
        self.lists_drugs = any(one.status in {"current", "stopped"} for one in timeline.exposures)
        self._conditions: dict[str, list[Condition]] = {}
        wider = implied()
        for condition in timeline.conditions:
            named = wider.get(condition.condition, (condition.condition,))
            for id in named if condition.status != "absent" else (condition.condition,):
                self._conditions.setdefault(id, []).append(condition)
        self._procedures: set[str] = set()
        for procedure in timeline.procedures:
            if self._leaves(procedure):
                self._procedures |= wider.get(procedure.condition, frozenset({procedure.condition}))

    # results ---------------------------------------------------------------------------------------------

    def latest(self, quantity: str, *, preliminary: bool = False) -> Observation | None:
        """Return the newest result that still informs; one without a date only where no other has one."""
        undated: Observation | None = None
        window = _windows()[quantity][0]
        for one in reversed(self._results.get(quantity, ())):
            if "preliminary" in one.remarks and not preliminary:
                continue
            if one.time is None:
                undated = undated or one
            elif self.timeline.index - one.time <= window:
                return one
        return undated

    def results(self, quantity: str) -> tuple[Observation, ...]:
        """Return every result, in the order of time."""
        return tuple(self._results.get(quantity, ()))

    def value(self, quantity: str) -> Interval:
        """Return the newest result that still informs."""
        return _interval(self.latest(quantity))

    def reported(self, quantity: str) -> Interval:
        """Return the newest result, preliminary ones included: for emergencies."""
        return _interval(self.latest(quantity, preliminary=True))

    def current(self, quantity: str) -> Interval:
        """Return the newest result if it is dated and fresh enough to act on."""
        one = self.latest(quantity)
        if one is None or one.time is None or self.timeline.index - one.time > _windows()[quantity][1]:
            return NOTHING
        return _interval(one)

    def highest(self, quantity: str) -> Interval:
        """Return the highest of the results that compete: for emergencies."""
        competing = self._competing(quantity)
        return max(competing, key=lambda pair: pair[0], default=NOTHING)

    def lowest(self, quantity: str) -> Interval:
        """Return the lowest of the results that compete: for emergencies."""
        competing = self._competing(quantity)
        return min(competing, key=lambda pair: pair[1], default=NOTHING)

    def _competing(self, quantity: str) -> list[Interval]:
        """Return newest, preliminary, undated and nearly simultaneous results; none of them may calm another."""
        newest = self.latest(quantity, preliminary=True)
        if newest is None:
            return []
        if newest.time is None:
            return [_interval(one) for one in self._results[quantity] if one.time is None]
        final = self.latest(quantity)
        since = newest.time - timedelta(hours=_limit("same_time_window"))
        return [
            _interval(one) for one in self._results[quantity] if one is final or one.time is None or one.time >= since
        ]

    def rise(self, quantity: str) -> Interval:
        """Return the change since the result before the newest, within the window of a fast rise."""
        dated = self._final_within(quantity, _limit("rise_window"))
        if len(dated) < 2 or dated[-1].low is None or dated[-2].high is None:
            return NOTHING
        low = dated[-1].low - dated[-2].high
        high = math.inf if dated[-1].high is None or dated[-2].low is None else dated[-1].high - dated[-2].low
        return low, high

    def _final_within(self, quantity: str, hours: float) -> list[Observation]:
        """Return the dated final results of the last hours, the oldest first."""
        return [
            one
            for one in self._results.get(quantity, ())
            if one.time is not None
            and "preliminary" not in one.remarks
            and _hours(self.timeline.index, one.time) <= hours
        ]

    def reference(self, quantity: str) -> Interval:
        """Return the laboratory's own interval, or ours for this sex and age."""
        return self._usual(quantity, self.latest(quantity))

    def _usual(self, quantity: str, one: Observation | None) -> Interval:
        ours = analytes()[quantity].reference(sex=self.sex, age=self.age)
        low = one.reference_low if one and one.reference_low is not None else (ours.low if ours else None)
        high = one.reference_high if one and one.reference_high is not None else (ours.high if ours else None)
        return -math.inf if low is None else low, math.inf if high is None else high

    def lately(self, quantity: str, level: str) -> int:
        """Return whether a result of the last days lay below ("low") or above ("high") its interval."""
        one = self.extreme(quantity, level)
        if one is None:
            return UNKNOWN
        below, above = self._usual(quantity, one)
        low, high = _interval(one)
        if level == "low":
            return PRESENT if high < below else ABSENT if low >= below else UNKNOWN
        return PRESENT if low > above else ABSENT if high <= above else UNKNOWN

    def extreme(self, quantity: str, level: str) -> Observation | None:
        """Return the lowest or highest result of the last days."""
        seen = self._final_within(quantity, _limit("acute_window"))
        if level == "low":
            return min(seen, key=lambda one: _interval(one)[1], default=None)
        return max(seen, key=lambda one: _interval(one)[0], default=None)

    def lately_low(self, quantity: str) -> int:
        """Return whether a result of the last days lay below its interval."""
        return self.lately(quantity, "low")

    def lately_high(self, quantity: str) -> int:
        """Return whether a result of the last days lay above its interval."""
        return self.lately(quantity, "high")

    def unreadable(self, quantity: str) -> int:
        """Return whether a result that may be the newest could not be read."""
        return PRESENT if quantity in self.timeline.unreadable else ABSENT

    def recent_level(self, quantity: str) -> int:
        """Return whether a dated result is recent enough for a drug on a steady dose, by the setting."""
        one = self.latest(quantity)
        if one is None or one.time is None:
            return ABSENT
        hours = _limit(_RECENT[self._setting()])
        return PRESENT if _hours(self.timeline.index, one.time) <= hours else ABSENT

    def places(self) -> frozenset[str]:
        """Return in which encounters the index lies."""
        index = self.timeline.index
        return frozenset(one.setting for one in self.timeline.encounters if one.end is None or one.end >= index)

    def _setting(self) -> str:
        places = self.places()
        if places & {"ward", "emergency", "intensive care"}:
            return "ward"
        return "outpatient" if "outpatient" in places else "unknown"

    def is_remarked(self, quantity: str, remark: str) -> int:
        """Return whether the newest result carries a remark."""
        one = self.latest(quantity)
        return PRESENT if one is not None and remark in one.remarks else ABSENT

    # drugs -----------------------------------------------------------------------------------------------

    def taking(self, group: str, route: str = "") -> int:
        """Return whether a drug of a group is taken; not listed means not taken only where drugs are listed.

        Where a route is asked for and the record does not give one, it is unknown.
        """
        known = self._drugs.get(group, ())
        if not known:
            return ABSENT if self.lists_drugs else UNKNOWN
        taken = [one for one in known if self.is_taken(one)]
        if any(not route or one.route == route for one in taken):
            return PRESENT
        if any(one.status == "mentioned" for one in known) or any(one.route is None for one in taken):
            return UNKNOWN
        if any(one.status == "denied" for one in known) or self.lists_drugs:
            return ABSENT
        return UNKNOWN

    def is_taken(self, exposure: Exposure) -> bool:
        """Return whether an exposure lasts at the index, or ended so shortly before that it still acts."""
        if exposure.status != "current":
            return False
        index = self.timeline.index
        if exposure.start is not None and exposure.start > index:
            return False
        return exposure.stop is None or _hours(index, exposure.stop) <= _limit("current_exposure_window")

    def exposures(self, group: str) -> list[Exposure]:
        """Return every exposure to a group."""
        return self._drugs.get(group, [])

    def exposed(self, group: str) -> int:
        """Return whether a drug of a group is taken or mentioned; silence counts as no."""
        known = self._drugs.get(group, ())
        return PRESENT if any(self.is_taken(one) or one.status == "mentioned" for one in known) else ABSENT

    def drawn_under(self, group: str) -> int:
        """Return whether the newest serum magnesium was drawn during or soon after an injection of a group."""
        one = self.latest("serum_magnesium")
        if one is None or one.time is None:
            return ABSENT
        after = timedelta(hours=_limit("after_infusion_window"))
        for exposure in self._drugs.get(group, ()):
            injected = exposure.route in {"intravenous", "intramuscular", "subcutaneous"}
            if injected and exposure.status in {"current", "stopped"} and exposure.start is not None:
                end = exposure.stop or self.timeline.index
                if exposure.start <= one.time <= end + after:
                    return PRESENT
        return ABSENT

    def ever(self, group: str) -> int:
        """Return whether a drug of a group was taken at any time."""
        known = self._drugs.get(group, ())
        return PRESENT if any(one.status in {"current", "stopped"} for one in known) else UNKNOWN

    def mentioned(self, group: str) -> int:
        """Return whether a text names a drug of a group without a drug list saying that it is taken."""
        return PRESENT if any(one.status == "mentioned" for one in self._drugs.get(group, ())) else ABSENT

    def stopped_recently(self, group: str) -> int:
        """Return whether a drug of a group was stopped within the time that it may still act on gut or kidney."""
        for one in self._drugs.get(group, ()):
            ended = one.stop is not None and 0 <= _hours(self.timeline.index, one.stop) <= _limit("recent_exposure")
            if one.status in {"current", "stopped"} and ended:
                return PRESENT
        return ABSENT

    def days_on(self, group: str) -> Interval:
        """Return for how long a drug that is taken has been taken [d]."""
        known = [one for one in self._drugs.get(group, ()) if one.status in {"current", "stopped"}]
        starts = [one.start for one in known if self.is_taken(one) and one.start is not None]
        if not starts:
            return NOTHING
        began, gap = min(starts), timedelta(hours=_limit("recent_exposure"))
        earlier = sorted(
            (one for one in known if one.start and one.start < began and one.stop), key=_stop, reverse=True
        )
        for one in earlier:  # a change within the class goes on where the one before it ended
            if one.start is not None and _stop(one) >= began - gap:
                began = min(began, one.start)
        days = _hours(self.timeline.index, began) / _DAY
        return days, days

    def dose_of(self, ingredient: str) -> Interval:
        """Return the daily dose of a drug over all lines [mg/d]; at least that where a line does not say how often."""
        taken = [
            one
            for one in self._drugs.get(ingredient, ())
            if self.is_taken(one) and one.dose is not None and one.dose_unit.casefold() in {"mg", "g", "gm"}
        ]
        if not taken:
            return NOTHING
        least = sum(
            (one.dose or 0.0) * (one.per_day or 1.0) * (1000.0 if one.dose_unit.casefold() in {"g", "gm"} else 1.0)
            for one in taken
        )
        return least, (math.inf if any(one.per_day is None for one in taken) else least)

    # conditions ------------------------------------------------------------------------------------------

    def conditions(self, condition: str) -> list[Condition]:
        """Return every mention of a condition."""
        return self._conditions.get(condition, [])

    def recorded(self, condition: str) -> int:
        """Return whether a condition is recorded as present; not recorded counts as absent."""
        return PRESENT if self._is_present(condition) else ABSENT

    def acute(self, condition: str) -> int:
        """Return whether a condition is present and began in the last days, or at a time that is not known."""
        return self._began_within(condition, _limit("acute_window"))

    def recent(self, condition: str) -> int:
        """Return whether an acute illness is present and began lately enough to act, or without a date."""
        return self._began_within(condition, _limit("illness_window"))

    def _began_within(self, condition: str, hours: float) -> int:
        index = self.timeline.index
        for one in self._conditions.get(condition, ()):
            lately = one.onset is None or _hours(index, one.onset) <= hours
            is_over = one.abatement is not None and _hours(index, one.abatement) > 0
            if one.status == "present" and lately and not is_over:
                return PRESENT
        return PRESENT if condition in self._procedures else ABSENT

    def just(self, condition: str) -> int:
        """Return whether an event began or ended within a day, or is recorded as present without a date."""
        limit = _limit("event_window")
        index = self.timeline.index
        for one in self._conditions.get(condition, ()):
            if one.status not in {"present", "past"}:
                continue
            times = [moment for moment in (one.onset, one.abatement) if moment is not None]
            if (not times and one.status == "present") or any(abs(_hours(index, time)) <= limit for time in times):
                return PRESENT
        return ABSENT

    def past(self, condition: str) -> int:
        """Return whether a condition is recorded as over."""
        return PRESENT if any(one.status == "past" for one in self._conditions.get(condition, ())) else ABSENT

    def denied(self, condition: str) -> int:
        """Return whether the record says that a condition is not there."""
        return PRESENT if any(one.status == "absent" for one in self._conditions.get(condition, ())) else ABSENT

    def family(self, condition: str) -> int:
        """Return whether a relative has a condition."""
        return PRESENT if any(one.status == "family" for one in self._conditions.get(condition, ())) else ABSENT

    def days_with(self, condition: str) -> Interval:
        """Return for how long a condition has been present [d]."""
        starts = [
            one.onset
            for one in self._conditions.get(condition, ())
            if one.onset is not None and one.status == "present"
        ]
        if not starts:
            return NOTHING
        days = _hours(self.timeline.index, min(starts)) / _DAY
        return days, days

    def _leaves(self, procedure: Procedure) -> bool:
        """Return whether what a procedure leaves is still there: always after an operation, shortly after others."""
        if knowledge().conditions[procedure.condition].lasting or procedure.time is None:
            return True
        over = procedure.end or procedure.time
        return _hours(self.timeline.index, over) <= _limit("acute_window")

    def _is_present(self, condition: str) -> bool:
        if condition in self._procedures:
            return True
        index = self.timeline.index
        for one in self._conditions.get(condition, ()):
            if one.status == "present" and (one.abatement is None or one.abatement >= index):
                return True
        return False


def _stop(exposure: Exposure) -> datetime:
    return exposure.stop or datetime.max.replace(tzinfo=UTC)


def _interval(one: Observation | None) -> Interval:
    if one is None:
        return NOTHING
    return -math.inf if one.low is None else one.low, math.inf if one.high is None else one.high


def _hours(later: datetime, earlier: datetime) -> float:
    return (later - earlier).total_seconds() / 3600


NUMBERS: dict[str, Callable[[Facts, str], Interval]] = {
    "value": Facts.value,
    "reported": Facts.reported,
    "current": Facts.current,
    "rise": Facts.rise,
    "highest": Facts.highest,
    "lowest": Facts.lowest,
    "reference": Facts.reference,
    "days_on": Facts.days_on,
    "days_with": Facts.days_with,
    "dose_of": Facts.dose_of,
}
NAMED: dict[str, Callable[[Facts, str], int]] = {
    "taking": Facts.taking,
    "ever": Facts.ever,
    "mentioned": Facts.mentioned,
    "stopped_recently": Facts.stopped_recently,
    "recorded": Facts.recorded,
    "acute": Facts.acute,
    "past": Facts.past,
    "denied": Facts.denied,
    "family": Facts.family,
    "just": Facts.just,
    "recent": Facts.recent,
    "exposed": Facts.exposed,
    "drawn_under": Facts.drawn_under,
    "unreadable": Facts.unreadable,
    "recent_level": Facts.recent_level,
    "lately_low": Facts.lately_low,
    "lately_high": Facts.lately_high,
}
