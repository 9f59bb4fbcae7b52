"""Foretell the next magnesium and potassium of patients who got timed infusions of magnesium, one result ahead.

A record is cut at each result that an infusion follows or has shortly preceded; members are fitted to what was known
then, and simulated to the next result of the same test with the infusions as they were recorded.
"""

from __future__ import annotations

import sys
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np
from foretell import Foretold, Look, foretold_of, later_doses, looked, shown_later
from foretell_run import Made, made
from foretell_stays import DATA, FURTHEST, TESTS, Held, Stay, hours_between, known_at, stays, values, whole

from carnallite.errors import CarnalliteError
from carnallite.knowledge import knowledge
from carnallite.physiology import population
from carnallite.physiology.crowd import constant
from carnallite.plan.amounts import given
from carnallite.record import membership

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from carnallite.physiology.scenario import Dose
    from carnallite.record import Exposure, Timeline

SOURCE = "mimic"
LEAST = 1.0  # [h] between two results; what is nearer is the same sample on another device
ELEMENTS = {"serum_magnesium": "magnesium", "serum_potassium": "potassium"}
BY = {"serum_magnesium": ("magnesium",), "serum_potassium": ("magnesium", "potassium")}  # infusions that count
ELECTROLYTES = frozenset(ELEMENTS.values())
IN_MOLES = frozenset({"mmol", "meq"})


class Ran(NamedTuple):
    """An infusion that is timed and whose amount is known."""

    element: str
    begin: datetime
    end: datetime


class Asked(NamedTuple):
    """Two results in a row that an infusion has to do with: what is foretold, and what ran [h after the first]."""

    held: Held
    ran: tuple[tuple[str, float, float], ...]


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """A result, and what was foretold of it at the one before.

    Attributes
    ----------
    stay : int
        The place of the patient in the source.
    told : Foretold
    at_cut, without : tuple of float
        [log mmol/L] What members show at the cut, and at the next result if nothing of either element is given.
    given : tuple of (float, float, float)
        [h, h, mmol] From when until when how much of the element was given after the cut.
    ran : tuple of (str, float, float)
        [-, h, h] Timed infusions from shortly before the cut to the next result: of what, from when until when.
    weight : float
        [kg] Of the middle member.
    egfr : float, optional
        [mL/min/1.73 m²] The newest estimate at the cut.
    """

    stay: int
    look: Look
    told: Foretold
    at_cut: tuple[float, ...]
    without: tuple[float, ...]
    given: tuple[tuple[float, float, float], ...]
    ran: tuple[tuple[str, float, float], ...]
    weight: float
    egfr: float | None


class Left(msgspec.Struct, frozen=True):
    """Results of a test that were not foretold, and why."""

    stay: int
    test: str
    why: str


class Found(msgspec.Struct, frozen=True):
    """All pairs of some patients, and what was left out."""

    by: Made
    stays: int
    pairs: tuple[Pair, ...]
    left: tuple[Left, ...]


def found_in(data: Path = DATA, *, numbers: Sequence[int] | None = None) -> Found:
    """Return what is foretold in some or all of the patients of MIMIC-III."""
    pairs: list[Pair] = []
    left: list[Left] = []
    count = len(stays(SOURCE, data))
    for number in range(count) if numbers is None else numbers:
        for one in foretold_in(number, data):
            (pairs if isinstance(one, Pair) else left).append(one)  # type: ignore[arg-type]
        sys.stderr.write(f"\r{number + 1} of {count}, {len(pairs)} foretold, {len(left)} left out")
    sys.stderr.write("\n")
    return Found(made_by(), count, tuple(pairs), tuple(left))


def made_by() -> Made:
    """Return by what answers are made here."""
    by = made(SOURCE)
    code = sha256(by.code.encode() + Path(__file__).read_bytes()).hexdigest()[:16]
    return msgspec.structs.replace(by, code=code, cuts=0)


def foretold_in(number: int, data: Path = DATA) -> Iterator[Pair | Left]:
    """Yield what is foretold in one patient, in the order of time."""
    stay = stays(SOURCE, data)[number]
    try:
        timeline = whole(stay).timeline
    except CarnalliteError:
        return
    for moment, asked in sorted(asked_of(timeline).items()):
        yield from _at(stay, number, moment, asked)


# which results ------------------------------------------------------------------------------------------------------
def asked_of(timeline: Timeline) -> dict[datetime, list[Asked]]:
    """Return the results that are foretold, by the time of the one before; none without a timed magnesium infusion."""
    ran = infusions(timeline)
    found: dict[datetime, list[Asked]] = {}
    if not any(one.element == "magnesium" for one in ran):
        return found
    before = knowledge().thresholds["after_infusion_window"].value
    for test in TESTS:
        counted = [one for one in ran if one.element in BY[test]]
        for (time, last), (later, value) in pairwise(_dated(timeline, test)):
            hours = hours_between(time, later)
            if not LEAST <= hours <= FURTHEST:
                continue
            spans = [(one.element, hours_between(time, one.begin), hours_between(time, one.end)) for one in counted]
            near = tuple(span for span in spans if span[1] < hours and span[2] > -before)
            if near:
                held = Held(test, hours, value, last, 0.0, is_next=True)
                found.setdefault(time, []).append(Asked(held, near))
    return found


def _dated(timeline: Timeline, test: str) -> list[tuple[datetime, float]]:
    """Return times and values of a test; of several at one time the mean."""
    found: dict[datetime, list[float]] = {}
    for one in values(timeline, test):
        if one.time is not None and one.low:
            found.setdefault(one.time, []).append(one.low)
    return [(time, float(np.mean(several))) for time, several in sorted(found.items())]


def infusions(timeline: Timeline) -> list[Ran]:
    """Return the infusions of magnesium and potassium of which begin, end and amount are known."""
    return [
        Ran(element, one.given[0], one.stop)
        for one in timeline.exposures
        if one.route == "intravenous" and one.ran() is not None and one.stop is not None and _is_measured(one)
        for element in sorted(ELECTROLYTES & membership().get(one.ingredient, frozenset()))
    ]


def _is_measured(one: Exposure) -> bool:
    return one.elemental_mmol is not None or (bool(one.dose) and one.dose_unit.casefold() in IN_MOLES)


# what is foretold ---------------------------------------------------------------------------------------------------
def _at(stay: Stay, number: int, moment: datetime, asked: Sequence[Asked]) -> Iterator[Pair | Left]:
    known = known_at(stay, moment).timeline
    look, fit = looked(known)
    if fit is None:
        yield from (Left(number, one.held.test, look.why_not) for one in asked)
        return
    hours = [one.held.hours for one in asked]
    doses = later_doses(stay, moment, max(hours))
    others = tuple(one for one in doses if not ELECTROLYTES & given(one).what.keys())
    try:
        shown, without = (shown_later(fit, some, hours) for some in (doses, others))
    except CarnalliteError as error:
        yield from (Left(number, one.held.test, f"{type(error).__name__} was raised") for one in asked)
        return
    for row, one in enumerate(asked):
        test = one.held.test
        told = foretold_of(fit, one.held, shown[test][:, row])
        if not told.shown:
            yield Left(number, test, "no member lives until the next result")
            continue
        yield Pair(
            stay=number, look=look, told=told,
            at_cut=_logs(population.columns(fit.course, [test])[test][:, -1]), without=_logs(without[test][:, row]),
            given=tuple(_amounts(doses, ELEMENTS[test], one.held.hours)), ran=one.ran,
            weight=float(np.median(constant(fit.people, "person.weight"))), egfr=_egfr(known),
        )  # fmt: skip


def _logs(shown: np.ndarray[tuple[int], np.dtype[np.float64]]) -> tuple[float, ...]:
    return tuple(np.round(np.log(shown[np.isfinite(shown)]), 5).tolist())


def _amounts(doses: Sequence[Dose], element: str, until: float) -> Iterator[tuple[float, float, float]]:
    for one in map(given, doses):
        amount = one.what.get(element, 0.0)
        for begin in one.times:
            if amount > 0 and begin < until:
                yield begin, begin + one.over, amount


def _egfr(timeline: Timeline) -> float | None:
    found = [one for one in timeline.observations if one.quantity == "egfr" and one.time and one.low == one.high]
    return max(found, key=lambda one: str(one.time)).low if found else None
