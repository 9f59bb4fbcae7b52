"""A patient's own history as a scenario: when drugs began and ended, what was given, and what was measured when."""

from __future__ import annotations

from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from carnallite.assessment.cloud.evidence import interval
from carnallite.assessment.cloud.members import TIMES
from carnallite.assessment.cloud.weigh import disputed, errors, numbers
from carnallite.assessment.events import PRESENT
from carnallite.errors import UnitError, UnknownIdError
from carnallite.knowledge import knowledge
from carnallite.physiology import substance
from carnallite.physiology.convention import conventions
from carnallite.physiology.scenario import Dose, Sampling, Scenario
from carnallite.physiology.timing import DAY
from carnallite.record import membership

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from carnallite.assessment.facts import Facts
    from carnallite.physiology.scenario import Person
    from carnallite.physiology.scenario import Route as DoseRoute
    from carnallite.record import Exposure, Observation

LENGTH = TIMES[-1]  # [h] of history that is simulated; the index is its end
SINGLY = 14 * DAY  # [h] before the index in which regular doses are given one by one
LOOKED_BACK = 30 * DAY  # [h] over which results count
SOLUBLE, INSOLUBLE = "magnesium citrate", "magnesium oxide"
GIVEN = ("magnesium", "potassium", "calcium", "sodium_chloride_fluid", "bicarbonate", "oral_rehydration_salts")
DOUBTFUL = frozenset({"preliminary", "hemolysed"})
INJECTED = frozenset({"intravenous", "intramuscular", "subcutaneous"})


class Seen(NamedTuple):
    """One result and how much it counts; time in hours of the scenario."""

    test: str
    time: float
    low: float
    high: float
    weight: float


class Treatment(NamedTuple):
    """A dose as the scenario has it, of which ingredient, and whether it goes on after the index."""

    ingredient: str
    dose: Dose
    goes_on: bool


class History(NamedTuple):
    """What is known of a course.

    Attributes
    ----------
    scenario : Scenario
        Person, doses and times of looking; causes are added for each member.
    windows : dict of cause to (float, float)
        [h] From when until when a drug that may be the cause was taken; others began at an unknown time.
    seen : tuple of Seen
    treatments : tuple of Treatment
    notes : tuple of str
        What had to be assumed or left out, for a person.
    """

    scenario: Scenario
    windows: dict[str, tuple[float, float]]
    seen: tuple[Seen, ...]
    treatments: tuple[Treatment, ...]
    notes: tuple[str, ...]


def history_of(facts: Facts, person: Person, causes: tuple[str, ...]) -> History:
    """Return the history of a patient in whom some causes may act."""
    notes: list[str] = []
    treatments = tuple(_treatments(facts, notes))
    seen = seen_of(facts)
    looked = {LENGTH - DAY, LENGTH, *(one.time for one in seen), *(one.time - DAY for one in seen)}
    scenario = Scenario(
        title="History",
        length=f"{LENGTH:g} h",
        person=person,
        own=disputed(),
        dose=tuple(events(treatments)),
        sampling=Sampling(at=tuple(f"{time:.6f} h" for time in sorted(looked))),
    )
    windows = {id: window for id in causes if (window := window_of(facts, id)) is not None}
    return History(scenario, windows, seen, treatments, tuple(dict.fromkeys(notes)))


def treatments_of(facts: Facts) -> tuple[Treatment, ...]:
    """Return what a patient was given of which salt, dose and time are known; hours as in a `History`."""
    return tuple(_treatments(facts, []))


def hour(facts: Facts, time: datetime) -> float:
    """Return the hour of the scenario at which a moment lies."""
    return LENGTH + (time - facts.timeline.index) / timedelta(hours=1)


# what was measured --------------------------------------------------------------------------------------------------
def seen_of(facts: Facts) -> tuple[Seen, ...]:
    """Return the results by which members are weighed, of the last days; several of one test count less each."""
    found = []
    for test in errors():
        dated = [one for one in facts.results(test) if _counts(one) and _in_view(facts, one)]
        latest = facts.latest(test)
        if not dated and latest is not None and latest.time is None and _counts(latest):
            dated = [latest]
        shared = 1 + (len(dated) - 1) * numbers()["alike"]
        for one in dated:
            time = LENGTH if one.time is None else min(hour(facts, one.time), LENGTH)
            weight = np.exp((time - LENGTH) / DAY / numbers()["memory"]) / shared
            found.append(Seen(test, round(time, 6), *interval(facts, one), float(weight)))
    return tuple(found)


def _counts(one: Observation) -> bool:
    return not (one.low is None and one.high is None) and not DOUBTFUL & set(one.remarks)


def _in_view(facts: Facts, one: Observation) -> bool:
    return one.time is not None and LENGTH - LOOKED_BACK <= hour(facts, one.time) <= LENGTH + 1e-6


# what was taken and given -------------------------------------------------------------------------------------------
def window_of(facts: Facts, cause: str) -> tuple[float, float] | None:
    """Return from when until when [h] a drug was taken that bears the name of the cause; none where nobody knows."""
    if knowledge().causes[cause].group != "drug":
        return None
    taken = [one for one in facts.exposures(cause) if one.status in {"current", "stopped"} and one.start is not None]
    if not taken:
        return None
    begin = max(0.0, min(hour(facts, one.start) for one in taken if one.start is not None))
    ends = [np.inf if one.stop is None else hour(facts, one.stop) for one in taken]
    until = max(ends) if any(np.isfinite(ends)) or not all(one.status == "stopped" for one in taken) else np.inf
    return (begin, until) if begin < min(until, LENGTH) else None


def is_given(facts: Facts) -> bool:
    """Return whether anything was ever given that the body takes up."""
    return any(facts.ever(group) == PRESENT for group in GIVEN)


def _treatments(facts: Facts, notes: list[str]) -> list[Treatment]:
    found: list[Treatment] = []
    if not is_given(facts):
        return found
    for exposure in facts.timeline.exposures:
        groups = membership().get(exposure.ingredient, frozenset())
        if exposure.status in {"current", "stopped"} and (groups & set(GIVEN) or exposure.ingredient in GIVEN):
            one = _treatment(facts, exposure, notes)
            if one is not None:
                found.append(one)
    return found


def _treatment(facts: Facts, exposure: Exposure, notes: list[str]) -> Treatment | None:
    name = _name(exposure.ingredient)
    what = substance_of(exposure)
    if what is None:
        notes.append(f"{name} was given and is not simulated: its salt or route is not known.")
        return None
    amount = amount_of(exposure, what)
    if not amount:
        notes.append(f"{name} was given and is not simulated: its dose is not clear.")
        return None
    over = _over(exposure, name, notes)
    times = sorted(hour(facts, time) for time in exposure.given)
    times = [time for time in times if 0 <= time < LENGTH]
    goes_on = facts.is_taken(exposure) and exposure.per_day is not None
    route = dose_route(exposure)
    if times:
        dose = Dose(what=what, amount=amount, route=route, over=over, at=tuple(f"{time:.6f} h" for time in times))
        return Treatment(exposure.ingredient, dose, goes_on)
    if exposure.per_day is None:
        notes.append(f"{name} was given and is not simulated: how often is not known.")
        return None
    start = _begin(facts, exposure, name, notes)
    until = LENGTH if exposure.stop is None else min(hour(facts, exposure.stop), LENGTH)
    if start >= until:
        return None
    every = f"{DAY / exposure.per_day:.6g} h"
    dose = Dose(
        what=what, amount=amount, route=route, over=over, every=every, start=f"{start:.6f} h", until=f"{until:.6f} h"
    )  # fmt: skip
    return Treatment(exposure.ingredient, dose, goes_on)


def _over(exposure: Exposure, name: str, notes: list[str]) -> str:
    """Return how long each dose by vein ran: as the record says, else as long as infusions are taken to."""
    if exposure.route != "intravenous":
        return ""
    ran = exposure.ran()
    if ran is not None:
        return f"{ran:.6f} h"
    notes.append(f"{name} by vein: each dose is taken to have run over {numbers()['infusion']:g} h.")
    return f"{numbers()['infusion']:g} h"


def events(treatments: Sequence[Treatment]) -> Iterator[Dose]:
    """Yield the doses that are simulated: what was long ago is given evenly, for nobody looks at its peaks."""
    for one in treatments:
        dose = one.dose
        if not dose.every:
            yield dose
            continue
        begin, until, step = (float(text.split()[0]) for text in (dose.start, dose.until, dose.every))
        turn = begin + step * np.ceil(max(0.0, LENGTH - SINGLY - begin) / step)
        if turn > begin:
            end = min(turn, until)
            size, unit = dose.amount.split()
            total = f"{float(size) * (end - begin) / step:.6g} {unit}"
            yield Dose(what=dose.what, amount=total, route=dose.route, at=f"{begin:.6f} h", over=f"{end - begin:.6f} h")
        if turn < until:
            yield msgspec.structs.replace(dose, start=f"{turn:.6f} h")


def given_since(facts: Facts, hours: float) -> tuple[Dose, ...]:
    """Return what was given in the last hours before the index, and the rest of what ran then; times from there on."""
    shift = hours - LENGTH
    return tuple(dose for one in treatments_of(facts) for dose in after_the_cut(one.dose, shift) if _at(dose) < hours)


def after_the_cut(dose: Dose, shift: float) -> Iterator[Dose]:
    """Yield what of a dose of a history is given after a cut; `shift` brings its times [h] to those of the cut.

    >>> [one.amount for one in after_the_cut(Dose(what="x", amount="8 mmol", route="oral", at=("3 h", "9 h")), -4.0)]
    ['8 mmol']
    """
    over = _hours(dose.over) if dose.over else conventions()[dose.route]
    for hour in _times(dose):
        begin = hour + shift
        if begin >= 0:
            yield _once(dose, begin, over, 1.0)
        elif begin + over > 0:
            yield _once(dose, 0.0, begin + over, (begin + over) / over)


def _times(dose: Dose) -> list[float]:
    if dose.every:
        found: list[float] = np.arange(_hours(dose.start), _hours(dose.until), _hours(dose.every)).tolist()
        return found
    return [_hours(text) for text in dose.at]


def _at(dose: Dose) -> float:
    return _hours(dose.at[0])


def _once(dose: Dose, begin: float, over: float, share: float) -> Dose:
    size, unit = dose.amount.split()
    amount = f"{float(size) * share:.6g} {unit}"
    return Dose(what=dose.what, amount=amount, route=dose.route, at=(f"{begin:.6f} h",), over=f"{over:.6f} h")


def _hours(text: str) -> float:
    return float(text.split(maxsplit=1)[0])


def _begin(facts: Facts, exposure: Exposure, name: str, notes: list[str]) -> float:
    if exposure.start is not None:
        return max(0.0, hour(facts, exposure.start))
    days = numbers()["memory"]
    notes.append(f"{name}: when it began is not known; taken as {days:g} days ago.")
    return LENGTH - days * DAY


def _name(ingredient: str) -> str:
    return ingredient.replace("_", " ").capitalize()


def dose_route(exposure: Exposure) -> DoseRoute:
    """Return the route as a scenario has it: by tube is by mouth, and so is what has no route."""
    match exposure.route:
        case "intravenous" | "subcutaneous" | "intramuscular" | "inhaled" as route:
            return route
    return "oral"


def substance_of(exposure: Exposure) -> str | None:
    """Return what the body knows an ingredient as; of magnesium it matters only whether the salt dissolves."""
    groups = membership().get(exposure.ingredient, frozenset())
    if "magnesium" in groups:
        if exposure.route in INJECTED:
            return "magnesium sulfate"
        soluble = _soluble().get(exposure.ingredient)
        return None if soluble is None else SOLUBLE if soluble else INSOLUBLE
    name = exposure.ingredient.replace("_", " ")
    try:
        routes = substance.find(name).routes
    except UnknownIdError:
        return None
    return name if dose_route(exposure) in routes else None


@cache
def _soluble() -> dict[str, bool | None]:
    return {salt.ingredient: salt.soluble for one in knowledge().treatments.values() for salt in one.salts}


def amount_of(exposure: Exposure, what: str) -> str:
    """Return an amount as a scenario has it; empty where the record leaves a doubt."""
    if exposure.elemental_mmol:
        return f"{exposure.elemental_mmol:.6g} mmol"
    if exposure.dose is None or "magnesium" in what:  # a mass of magnesium may be the salt or the element
        return ""
    text = f"{exposure.dose:.6g} {exposure.dose_unit.replace('meq', 'mEq')}"
    try:
        substance.read_amount(text, substance.find(what))
    except UnitError:
        return ""
    return text
