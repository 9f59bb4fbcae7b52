"""What each plan brings: the fitted members are simulated on under it, and beside it under what is given now."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from carnallite.assessment import LOST, OUTSIDE, Band, Later, again, gained, going_on, kept, onward
from carnallite.knowledge import knowledge
from carnallite.physiology import population
from carnallite.physiology.scenario import Act
from carnallite.physiology.timing import DAY
from carnallite.plan.amounts import given
from carnallite.plan.numbers import numbers
from carnallite.plan.propose import dose_of
from carnallite.plan.values import Course, Forecast, Outlook
from carnallite.quantity import analytes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from numpy.typing import NDArray

    from carnallite.assessment import Facts, Fit
    from carnallite.knowledge import Regimen, Step
    from carnallite.physiology.scenario import Dose
    from carnallite.physiology.simulate import Trajectories

    Numbers = NDArray[np.float64]
    Done = Sequence[tuple[Step, Regimen | None]]

DAYS = 30
HOURS = (2, 4, 6, 9, 12, 18, 24, 30, 36, 42, 48, 60, 72, 84, 96, 120, 144, *range(168, DAYS * 24 + 1, 24))
TESTS = ("serum_magnesium", "serum_potassium", "serum_calcium", "ionized_calcium", "serum_aldosterone")
BODY = {"water.extracellular": "Extracellular water", "magnesium.deficit": "Magnesium that cells and bone lack"}
AS_NOW = "as_now"
BANDS = (5 / 100, 25 / 100, 50 / 100, 75 / 100, 95 / 100)  # ends and middles of what holds 50 and 90 %
FIRST_WEEK = 7 * DAY  # [h] within which the next sample lies
SAFE = {"serum_potassium": ("severe_hypokalemia", "mild_hyperkalemia"), "serum_magnesium": ("", "magnesium_alarm")}


class Option(NamedTuple):
    """A plan as the body sees it: what is given from the index on, what acts, and which causes end."""

    id: str
    doses: tuple[Dose, ...]
    treatments: tuple[Act, ...]
    ended: tuple[str, ...]  # at once


def option(id: str, done: Done, fit: Fit, replaces: Sequence[str] = ()) -> Option:
    """Return what a plan does to the body. What it gives anew is given in place of what the record lists."""
    kept = tuple(one for one in going_on(fit) if not set(replaces) & set(given(one).what))
    doses = tuple(dose_of(one) for _, one in done if one is not None and one.what)
    acts = [one.acts for _, one in done if one is not None and one.acts and one.acts != "review"]
    ended = tuple(id for step, one in done if one is not None and one.acts == "review" for id in step.causes)
    treatments = tuple(
        Act(id=name.partition("/")[0], phenotype=name.partition("/")[2] or "typical")
        for name in acts
        if not knowledge().treatments[name.partition("/")[0]].not_simulated
    )
    return Option(id, (*kept, *doses), treatments, ended)


def as_now(fit: Fit) -> Option:
    """Return what goes on if nothing changes."""
    return Option(AS_NOW, going_on(fit), (), ())


def forecast(fit: Fit, options: Sequence[Option], facts: Facts, index: datetime, days: int = DAYS) -> Forecast:
    """Return what each option brings in the members that fit a patient, for so many days."""
    hours = [hour for hour in HOURS if hour <= days * 24]
    courses = {one: _course(fit, one, index, hours) for one in options}
    told = {one: course for one, course in courses.items() if (~course.ended_early).mean() >= numbers()["most_live"]}
    outlooks = tuple(_outlook(fit, course, one, facts) for one, course in told.items())
    count = len(fit.members.number)
    lost = tuple(one.id for one in options if one not in told)
    why_not = "" if outlooks else "Most virtual patients leave the range in which the body holds, whatever is given."
    return Forecast(
        days=days, members=count, outlooks=outlooks, why_not=why_not, assumptions=_ASSUMED, not_foretold=lost
    )


_ASSUMED = (
    "Causes go on as they are, but for drugs that a plan ends; a drug under review is taken to end at once.",
    "Food, water and losses stay as they were; nobody reacts to later results.",
    "Bands hold what a laboratory would measure of virtual patients that fit; the true course may lie outside.",
)


def none(why: str) -> Forecast:
    """Return that nothing is foretold, and why."""
    return Forecast(days=DAYS, members=0, outlooks=(), why_not=why)


def later(one: Option, index: datetime) -> Later:
    """Return what an option brings from the index on."""
    return Later(
        doses=one.doses, treatments=one.treatments, ended=dict.fromkeys(one.ended, 0.0), clock=f"{index:%H:%M}"
    )


def _course(fit: Fit, one: Option, index: datetime, hours: Sequence[int]) -> Trajectories:
    names = tuple(dict.fromkeys((*population.needed(TESTS), *BODY, *OUTSIDE)))
    return onward(fit, names, hours, later(one, index))


def _outlook(fit: Fit, course: Trajectories, one: Option, facts: Facts) -> Outlook:
    """Return what an option brings to those who live through it, and how many do not."""
    alive = ~course.ended_early
    columns = population.columns(course, TESTS)
    everybody = {test: again(fit, test, values, course.time) for test, values in columns.items()}
    shown = {test: values.centre[alive] for test, values in everybody.items()}
    limits = {test: facts.reference(test) for test in ("serum_magnesium", "serum_potassium")}
    look, why = _next_sample(course.time, shown, _disturbed(one, course.time))
    return Outlook(
        plan=one.id,
        hours=tuple(float(time) for time in course.time),
        courses=(
            *(
                _banded(test, analytes()[test].name, analytes()[test].unit, everybody[test].of(alive).measured())
                for test in TESTS
            ),
            *(_banded(name, text, _UNITS[name], course[name][alive]) for name, text in BODY.items()),
        ),
        in_range={test: _share_of_time(course.time, shown[test], limits[test]) for test in limits},
        too_high={test: float((everybody[test].centre >= _edges(test)[1]).any(axis=1).mean()) for test in limits},
        still_low={test: float((shown[test][:, -1] < low).mean()) for test, (low, _) in limits.items()},
        retained=_band(kept(course)[alive]),
        given=_band(gained(course, "given")[alive]),
        lost={way: _band(gained(course, way)[alive]) for way in LOST},
        next_sample_h=look,
        next_sample_why=why,
        ended=float((~alive).mean()),
    )


_UNITS = {"water.extracellular": "L", "magnesium.deficit": "mmol"}


def _banded(quantity: str, name: str, unit: str, values: Numbers) -> Course:
    low90, low50, middle, high50, high90 = (
        tuple(float(f"{value:.4g}") for value in row) for row in np.quantile(values, BANDS, axis=0)
    )
    return Course(
        quantity=quantity, name=name, unit=unit, low90=low90, low50=low50, middle=middle, high50=high50, high90=high90
    )


def _share_of_time(time: Numbers, values: Numbers, limits: tuple[float, float]) -> float:
    inside = (values >= limits[0]) & (values <= limits[1])
    return float(np.trapezoid(inside.mean(axis=0), time) / (time[-1] - time[0]))


def _band(values: Numbers) -> Band:
    return band_of(*np.quantile(values, (BANDS[0], BANDS[2], BANDS[4])))


def band_of(low: float, middle: float, high: float) -> Band:
    """Return a band of four figures."""
    low, middle, high = (float(f"{value:.4g}") for value in (low, middle, high))
    return Band(value=middle, low=low, high=high)


@cache
def _edges(test: str) -> tuple[float, float]:
    low, high = SAFE[test]
    known = knowledge().thresholds
    return (known[low].value if low else -np.inf, known[high].value if high else np.inf)


def _disturbed(one: Option, time: Numbers) -> NDArray[np.bool_]:
    """Return when a level shows an infusion of magnesium, not the stores: while it runs, and some hours after."""
    window = knowledge().thresholds["after_infusion_window"].value
    found = np.zeros(len(time), bool)
    for dose in map(given, one.doses):
        if "magnesium" in dose.what and dose.route == "intravenous":
            for begin in dose.times:
                found |= (time >= begin) & (time < begin + dose.over + window)
    return found


def _next_sample(time: Numbers, shown: dict[str, Numbers], disturbed: NDArray[np.bool_]) -> tuple[float, str]:
    """Return when to look again: as soon as someone is at risk, else when members have parted most within a week."""
    week = (time > 0) & (time <= FIRST_WEEK) & ~disturbed
    for place in np.flatnonzero(week):
        for test, (low, high) in ((test, _edges(test)) for test in SAFE):
            values, began = shown[test][:, place], shown[test][:, 0]
            risk = ((values >= high) & (began < high)) | ((values < low) & (began >= low))
            if risk.mean() >= numbers()["at_risk"]:
                told = f"{100 * risk.mean():.0f} % of virtual patients who fit reach a dangerous {_NAMES[test]}"
                return float(time[place]), told
    parted = np.array([
        max(float(np.log(shown[test][:, place] / shown[test][:, 0]).std()) for test in SAFE) if use else 0.0
        for place, use in enumerate(week)
    ])  # fmt: skip
    first = int(np.flatnonzero(parted >= numbers()["parted"] * parted.max())[0])
    return float(time[first]), "by then virtual patients who fit have parted: a level tells which of them are right"


_NAMES = {"serum_potassium": "potassium", "serum_magnesium": "magnesium"}
