"""Learning from the response: what was expected since a plan began, what happened, and what that says of the causes.

Members that fitted the record of then are simulated on with what was given since, and weighed again by the new results.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from carnallite.assessment import (
    DRAWS,
    FAILED,
    GIVEN,
    LOST,
    OUTSIDE,
    Again,
    Band,
    Later,
    Seen,
    again,
    chance,
    errors,
    estimated,
    gained,
    given_since,
    kept,
    onward,
    relative,
    seen_of,
    window_of,
    worth,
)
from carnallite.assessment import LENGTH as NOW
from carnallite.physiology import population
from carnallite.physiology.timing import DAY
from carnallite.plan.amounts import given
from carnallite.plan.forecast import BANDS, band_of
from carnallite.plan.meaning import words
from carnallite.plan.numbers import numbers
from carnallite.plan.values import CauseMoved, Reply, Response
from carnallite.record import membership

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from numpy.typing import NDArray

    from carnallite.assessment import Assessment, Examined, Facts, Fit
    from carnallite.physiology.scenario import Dose
    from carnallite.physiology.simulate import Trajectories
    from carnallite.plan.values import Verdict
    from carnallite.record import Exposure

    Numbers = NDArray[np.float64]

LONGEST = 30 * DAY  # [h] over which members are taken on
COLLECTED = DAY  # [h] over which urine is collected before the time of its result
ESTIMATED, FILTRATION = "egfr", "kidney.gfr"


class Since(NamedTuple):
    """What a record says of the hours since a plan began: what was given, measured and stopped."""

    hours: float
    doses: tuple[Dose, ...]
    seen: tuple[Seen, ...]  # with the time in hours since then
    ended: dict[str, float]

    def tests(self) -> tuple[str, ...]:
        """Return what was measured."""
        return tuple(dict.fromkeys(one.test for one in self.seen))


def responded(before: Examined, facts: Facts, assessment: Assessment) -> Response:
    """Return what the response of a patient tells.

    Parameters
    ----------
    before : Examined
        What was held when the plan began.
    facts : Facts
        All that the record says now.
    assessment : Assessment
        What it makes of that.
    """
    start, index = before.assessment.index, assessment.index
    fit, told = before.fit, before.assessment.fit
    if fit is None or told is None:
        return _none(start, "No virtual patients were fitted to the record of then.")
    if not told.holds:
        return _none(start, told.words)
    since = since_of(fit, facts, (index - start).total_seconds() / 3600)
    if since.hours > LONGEST:
        return _none(start, f"That is more than {LONGEST / DAY:g} days ago.")
    if not since.seen:
        return _none(start, "Nothing that the body shows was measured since.")
    try:
        return _told(before, since, fit, facts, assessment)
    except FAILED as error:
        return _none(start, f"The simulation failed ({type(error).__name__}).")


def _told(before: Examined, since: Since, fit: Fit, facts: Facts, assessment: Assessment) -> Response:
    """Return what those who fitted then say of what was measured since."""
    start = before.assessment.index
    course = _onward(fit, since, since.doses, start)
    log = explained(fit, course, since)
    if not np.isfinite(log).any():
        return _none(start, "No virtual patient of then lives through what was given since.")
    then, now = relative(np.where(np.isfinite(log), 0.0, -np.inf)), relative(log)
    answer = Response(
        since=start,
        hours=round(since.hours, 2),
        replies=tuple(_replies(fit, course, since, then, now)),
        given=_dosed(since.doses),
        retained=band(kept(course), then),
        retained_now=band(kept(course), now),
        lost={way: band(gained(course, way), then) for way in LOST},
        lost_now={way: band(gained(course, way), now) for way in LOST},
        causes=_causes(before.assessment, assessment),
        members=len(now),
        effective=round(worth(now), 1),
        not_arrived=_not_arrived(fit, since, log, start),
        not_simulated=tuple(_not_simulated(facts, start)),
    )
    return msgspec.structs.replace(answer, words=tuple(words(answer)))


def since_of(fit: Fit, facts: Facts, hours: float) -> Since:
    """Return what a record says of the last hours."""
    began = NOW - hours
    seen = [one._replace(time=round(one.time - began, 6)) for one in seen_of(facts) if one.time > began + 1e-6]
    ended = {}
    for cause in fit.history.windows:
        window = window_of(facts, cause)
        if window is not None and began < window[1] <= NOW:
            ended[cause] = window[1] - began
    return Since(hours, given_since(facts, hours), tuple(seen), ended)


def explained(fit: Fit, course: Trajectories, since: Since) -> Numbers:
    """Return the logarithm of how well each member explains what was measured since; minus infinity for the dead."""
    shown = _shown(fit, course, since)
    log = np.zeros(len(course.values))
    for one in since.seen:
        told = shown[one.test].at(course.place(one.time))
        left = float(told.spread[0]) / errors()[one.test].spread
        log = log + one.weight * chance(one.test, one.low, one.high, told.centre[:, 0], left)
    return np.where(np.isnan(log) | course.ended_early, -np.inf, log)


def _shown(fit: Fit, course: Trajectories, since: Since) -> dict[str, Again]:
    shown = population.columns(course, [test for test in since.tests() if test != ESTIMATED])
    shown |= {ESTIMATED: estimated(course[FILTRATION], fit.people)}
    return {test: again(fit, test, values, course.time) for test, values in shown.items()}


def _none(start: datetime, why: str) -> Response:
    return Response(since=start, why_not=why)


def _onward(fit: Fit, since: Since, doses: Sequence[Dose], start: datetime) -> Trajectories:
    measured_as = population.needed([test for test in since.tests() if test != ESTIMATED])
    looked = {since.hours, *(one.time for one in since.seen)}
    looked |= {one.time - COLLECTED for one in since.seen if one.time > COLLECTED}
    later = Later(doses=tuple(doses), ended=since.ended, clock=f"{start:%H:%M}")
    return onward(fit, tuple(dict.fromkeys((*measured_as, FILTRATION, *OUTSIDE))), sorted(looked), later)


def band(values: Numbers, weight: Numbers) -> Band:
    """Return the middle and the range of 90 % of weighted members.

    >>> band(np.array([1.0, 2.0, 3.0]), np.array([0.0, 1.0, 0.0])).value
    2.0
    """
    order = np.argsort(values)
    ranks = (np.cumsum(weight[order]) - weight[order] / 2) / weight.sum()
    return band_of(*np.interp((BANDS[0], BANDS[2], BANDS[4]), ranks, values[order]))


# beside what was expected ---------------------------------------------------------------------------------------------
def _replies(fit: Fit, course: Trajectories, since: Since, then: Numbers, now: Numbers) -> Iterator[Reply]:
    tests, shown = since.tests(), _shown(fit, course, since)
    alive = ~course.ended_early
    for one in sorted(since.seen, key=lambda one: (tests.index(one.test), one.time)):
        values = shown[one.test].at(course.place(one.time)).of(alive).measured()[:, 0]
        expected, fitting = (band(values, np.tile(weight[alive], len(DRAWS))) for weight in (then, now))
        yield Reply(
            test=one.test, hours=round(one.time, 2),
            low=one.low if one.low > 0 else None, high=one.high if np.isfinite(one.high) else None,
            expected=expected, verdict=_verdict(one, expected), fitting=fitting, fits=_verdict(one, fitting),
        )  # fmt: skip


def _verdict(one: Seen, range_: Band) -> Verdict:
    return "lower" if one.high < range_.low else "higher" if one.low > range_.high else "as_expected"


# what it says of the causes -------------------------------------------------------------------------------------------
def _causes(then: Assessment, now: Assessment) -> tuple[CauseMoved, ...]:
    """Return the causes whose probability has moved, by all that the record held then and holds now.

    Members that are weighed again say less: in simulated patients they were right about causes no more often.
    """
    name = {one.id: one.name for one in (*then.causes, *now.causes)}
    before, after = ({one.id: one.probability for one in each.causes} for each in (then, now))
    found = [
        CauseMoved(id=id, name=name[id], before=before.get(id, 0.0), after=after.get(id, 0.0))
        for id in name
        if abs(after.get(id, 0.0) - before.get(id, 0.0)) >= numbers()["moved"]
    ]
    return tuple(sorted(found, key=lambda one: (-abs(one.after - one.before), one.id)))


def _not_arrived(fit: Fit, since: Since, log: Numbers, start: datetime) -> float | None:
    """Return how many times better the results fit doses by mouth that did not arrive; none without such doses."""
    rest = tuple(one for one in since.doses if one.route != "oral")
    if len(rest) == len(since.doses):
        return None
    without = explained(fit, _onward(fit, since, rest, start), since)
    if not np.isfinite(without).any():
        return None
    return float(f"{np.exp(np.logaddexp.reduce(without) - np.logaddexp.reduce(log)):.3g}")


def _dosed(doses: Sequence[Dose]) -> dict[str, float]:
    """Return how much of each thing was given [mmol, or the unit of the safety table]."""
    total: dict[str, float] = {}
    for one in map(given, doses):
        for thing, each in one.what.items():
            total[thing] = total.get(thing, 0.0) + each * len(one.times)
    return {thing: float(f"{amount:.4g}") for thing, amount in sorted(total.items())}


def _not_simulated(facts: Facts, start: datetime) -> Iterator[str]:
    """Yield the names of drugs that were begun since and are neither doses nor causes that were fitted."""
    counted = set(GIVEN)
    for id in dict.fromkeys(one.ingredient for one in facts.timeline.exposures if _is_new(one, start)):
        if not counted & {id, *membership().get(id, ())}:
            yield id.replace("_", " ")


def _is_new(one: Exposure, start: datetime) -> bool:
    return one.status in {"current", "stopped"} and one.start is not None and one.start > start
