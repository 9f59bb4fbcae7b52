"""Foretell held-back results of a stay by virtual patients that are fitted to its past and simulated on.

A record is cut at a moment; members are drawn, weighed and taken through the history as `assess` does it, and then
simulated to the times of the later results with the doses that the record gives until then. Nothing else is told.
"""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from foretell_stays import CUTS, DATA, TESTS, cuts, held_back, known_at, stays, whole

from carnallite.assessment.cloud.again import again
from carnallite.assessment.cloud.asked import why_not
from carnallite.assessment.cloud.fit import Fit, fitted
from carnallite.assessment.cloud.history import LENGTH, given_since
from carnallite.assessment.cloud.judge import Cloud, judge
from carnallite.assessment.cloud.onward import Later, onward
from carnallite.assessment.cloud.weigh import errors
from carnallite.assessment.columns import finding
from carnallite.assessment.facts import PRESENT, Facts
from carnallite.assessment.infer import likely_in
from carnallite.assessment.panel import panel
from carnallite.errors import CarnalliteError
from carnallite.physiology import population
from carnallite.physiology.scenario import Dose

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from foretell_stays import Held, Stay
    from numpy.typing import NDArray

    from carnallite.record import Timeline

    Numbers = NDArray[np.float64]

DISORDERS = ("hypomagnesemia", "hypermagnesemia", "hypokalemia", "hyperkalemia")
DIGITS = 5


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What the inference makes of one record.

    Attributes
    ----------
    why_not : str
        Why nothing is simulated, or what went wrong; empty if all went well.
    describes : float, optional
        [1] Chance that the body describes the patient, of whom it may hold.
    holds : bool
        Whether the fit explains the newest results.
    effective : float
        Drawn members are worth so many.
    seen, doses : int
        Results and doses in the history of the fit.
    disordered : bool
        Whether magnesium or potassium is out of range.
    seconds : float
    """

    why_not: str = ""
    describes: float | None = None
    holds: bool = False
    effective: float = 0.0
    seen: int = 0
    doses: int = 0
    disordered: bool = False
    seconds: float = 0.0


class Foretold(msgspec.Struct, frozen=True, kw_only=True):
    """A held-back value, the last one before it, and the living members, as logarithms [log mmol/L].

    Attributes
    ----------
    hours, age : float
        [h] From the cut to the value, and from the last value to the cut.
    shown : tuple of float
        What members show at the time of the value.
    change : tuple of float
        How far they moved from the time of the last value.
    again : tuple of float
        What they show, and what they missed before as far as it is expected to be missed again.
    left : float
        [1] Share of the spread of an error that is left when the errors before are known.
    missed : tuple of (float, float)
        [h from the cut, log] By how much the middle of the members missed each result before.
    """

    test: str
    hours: float
    age: float
    is_next: bool
    value: float
    last: float
    shown: tuple[float, ...]
    change: tuple[float, ...]
    again: tuple[float, ...]
    left: float
    missed: tuple[tuple[float, float], ...]


class Cut(msgspec.Struct, frozen=True):
    """A record that was cut: what the inference made of the past, and what it foretold."""

    look: Look
    later_doses: int
    foretold: tuple[Foretold, ...]


class Outcome(msgspec.Struct, frozen=True):
    """All about one stay, by its place in the source."""

    number: int
    whole: Look
    cuts: tuple[Cut, ...]


def outcome_of(source: str, number: int, data: Path = DATA) -> Outcome:
    """Look at the whole record of a stay, and foretell what is held back after each cut."""
    stay = stays(source, data)[number]
    try:
        timeline = whole(stay).timeline
    except CarnalliteError as error:
        return Outcome(number, Look(why_not=error.what), ())
    moments = cuts(timeline, CUTS[source])
    return Outcome(number, looked(timeline)[0], tuple(_cut(stay, timeline, moment) for moment in moments))


def looked(timeline: Timeline) -> tuple[Look, Fit | None]:
    """Weigh and fit members; what goes wrong is an answer too."""
    began = time.perf_counter()
    everybody = panel([timeline])
    disordered = any(finding(id, everybody.columns)[0] == PRESENT for id in DISORDERS)
    why = why_not(everybody.columns, 0)
    cloud: Cloud | None = None
    fit: Fit | None = None
    if not why:
        try:
            posterior, cloud = judge(everybody.columns, everybody.posterior, 0)
            fit = fitted(cloud, everybody.columns.people[0], likely_in(everybody.columns, posterior, 0))
        except (CarnalliteError, ArithmeticError, LookupError, ValueError) as error:
            why = f"{type(error).__name__} was raised"
        else:
            why = "" if fit is not None else "no member lives through the history"
    look = Look(
        why_not=why,
        describes=None if cloud is None else round(cloud.describes, DIGITS),
        holds=fit is not None and fit.holds(),
        effective=0.0 if fit is None else round(fit.effective, 1),
        seen=0 if fit is None else len(fit.history.seen),
        doses=0 if fit is None else len(fit.history.treatments),
        disordered=disordered,
        seconds=round(time.perf_counter() - began, 3),
    )
    return look, fit


def _cut(stay: Stay, timeline: Timeline, moment: datetime) -> Cut:
    held = held_back(timeline, moment)
    look, fit = looked(known_at(stay, moment).timeline)
    if fit is None:
        return Cut(look, 0, ())
    last = max(one.hours for one in held)
    doses = later_doses(stay, moment, last)
    try:
        shown = shown_later(fit, doses, [one.hours for one in held])
    except CarnalliteError as error:
        return Cut(msgspec.structs.replace(look, why_not=f"{type(error).__name__} was raised"), len(doses), ())
    return Cut(look, len(doses), tuple(foretold_of(fit, one, shown[one.test][:, row]) for row, one in enumerate(held)))


def foretold_of(fit: Fit, held: Held, shown: Numbers) -> Foretold:
    """Return what members foretell of a held-back value, of what they show [member] at its time."""
    course = population.columns(fit.course, [held.test])[held.test]
    seen = [one for one in fit.history.seen if one.test == held.test]
    at = [fit.course.place(one.time) for one in seen]
    last = fit.course.place(LENGTH - held.age)
    alive = np.isfinite(shown) & np.isfinite(course[:, [*at, last]]).all(axis=1)
    log, before = np.log(shown[alive]), np.log(course[alive])
    missed = np.log([(one.low + one.high) / 2 for one in seen]) - before[:, at]
    hours = np.array([one.time - LENGTH for one in seen])
    told = again(fit, held.test, shown[:, None], [held.hours])
    left = float(told.spread[0]) / errors()[held.test].spread
    middle = np.median(missed, axis=0)
    return Foretold(
        test=held.test, hours=round(held.hours, 3), age=round(held.age, 3), is_next=held.is_next,
        value=held.value, last=held.last, shown=_rounded(log), change=_rounded(log - before[:, last]),
        again=_rounded(np.log(told.centre[alive, 0])), left=round(left, DIGITS),
        missed=tuple(zip(_rounded(hours), _rounded(middle), strict=True)),
    )  # fmt: skip


def _rounded(values: Numbers) -> tuple[float, ...]:
    return tuple(np.round(values, DIGITS).tolist())


# from the cut on ----------------------------------------------------------------------------------------------------
def shown_later(fit: Fit, doses: Sequence[Dose], hours: Sequence[float]) -> dict[str, Numbers]:
    """Return what members show [member, time] so many hours after the index, by test.

    Causes go on, but for drugs that were stopped; of doses only these are given.
    """
    course = onward(fit, population.needed(TESTS), hours, Later(doses=tuple(doses)))
    at = np.abs(course.time[:, None] - np.asarray(hours)).argmin(axis=0)
    return {name: values[:, at] for name, values in population.columns(course, TESTS).items()}


def later_doses(stay: Stay, moment: datetime, hours: float) -> tuple[Dose, ...]:
    """Return the doses that a record gives within some hours after a moment, and the rest of what was running then."""
    return given_since(Facts.of(known_at(stay, moment + timedelta(hours=hours)).timeline), hours)
