"""Treatment under which results were taken: what was given in the days before them, spread evenly."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from carnallite import datafile
from carnallite.assessment.cloud.evidence import chosen
from carnallite.assessment.cloud.history import LENGTH, SINGLY, hour, treatments_of
from carnallite.assessment.facts import PRESENT
from carnallite.physiology.scenario import Dose, Route
from carnallite.physiology.timing import DAY
from carnallite.quantity import Cited
from carnallite.record import membership

if TYPE_CHECKING:
    from collections.abc import Sequence

    from carnallite.assessment.cloud.history import Treatment
    from carnallite.assessment.facts import Facts

LEAST = 12.0  # [h] of treatment before a result; after less it counts as untreated
WINDOW = 72.0  # [h] before a result over which doses are averaged
FED = {"magnesium": "serum_magnesium", "potassium": "serum_potassium"}  # where it is high, what is given is a cause


class Given(NamedTuple):
    """What is given in a day."""

    what: str
    route: Route
    amount: float
    unit: str


class Under(NamedTuple):
    """Treatment that some results were taken under.

    Attributes
    ----------
    given : tuple of Given
    hours : float
        [h] For how long it has gone on.
    tests : frozenset of str
        Whose results were taken under it; the others were taken before.
    """

    given: tuple[Given, ...]
    hours: float
    tests: frozenset[str]

    def doses(self, start: float) -> tuple[Dose, ...]:
        """Return it as doses of a scenario that begin at a time [h]."""
        total = [(one, one.amount * self.hours / DAY) for one in self.given]
        return tuple(
            Dose(
                what=one.what, amount=f"{amount:.6g} {one.unit}", route=one.route, at=f"{start:g} h",
                over=f"{self.hours:g} h",
            )
            for one, amount in total
        )  # fmt: skip


class Usual(Cited, frozen=True, kw_only=True):
    """A treatment of a library: its doses of a day."""

    doses: tuple[tuple[str, Route, float, str], ...]


class Treatments(datafile.Item, frozen=True, kw_only=True):
    """The content of ``treatments.toml``."""

    about: str
    hours: float
    treatments: dict[str, Usual]


@cache
def usual() -> dict[str, Under]:
    """Return the treatments that members of a library are under, by name; the results of all tests are."""
    known, every = treatments(), frozenset[str]()
    return {
        id: Under(tuple(Given(*dose) for dose in one.doses), known.hours, every) for id, one in known.treatments.items()
    }


@cache
def treatments() -> Treatments:
    """Return the data of these treatments."""
    return datafile.read(Path(__file__).with_name("treatments.toml"), Treatments)


def under_of(facts: Facts) -> Under | None:
    """Return the treatment under which the chosen results of a patient were taken; none if all are untreated.

    It is that of the newest of them. Magnesium or potassium that is given while it is high is no treatment of a lack
    but a cause of its own, and is left to the causes.
    """
    treatments = treatments_of(facts)
    high = frozenset(group for group, test in FED.items() if facts.lately(test, "high") == PRESENT)
    times = {test: LENGTH if one.time is None else hour(facts, one.time) for test, one in chosen(facts).items()}
    tests = frozenset(test for test, time in times.items() if given_before(treatments, time, high))
    return _under(treatments, max((times[test] for test in tests), default=LENGTH), tests, high)


def under_at(facts: Facts, time: float, tests: frozenset[str]) -> Under | None:
    """Return the treatment that a patient was under at a time [h] of the history, for results of some tests."""
    return _under(treatments_of(facts), time, tests, frozenset())


def _under(
    treatments: Sequence[Treatment], time: float, tests: frozenset[str], without: frozenset[str]
) -> Under | None:
    before = given_before(treatments, time, without)
    if not tests or not before:
        return None
    hours = min(max(time - begin for _, begin in before), SINGLY)
    return Under(tuple(given for given, _ in before), float(round(hours)), tests)


def given_before(treatments: Sequence[Treatment], time: float, without: frozenset[str]) -> list[tuple[Given, float]]:
    """Return what was given in the days before a time [h] of the history, and since when [h]; a course is one whole."""
    totals: dict[tuple[str, Route, str], tuple[float, float]] = {}
    for one in treatments:
        dose = one.dose
        if without & {one.ingredient, *membership().get(one.ingredient, ())}:
            continue
        if dose.every:
            begin, until, step = (float(text.split()[0]) for text in (dose.start, dose.until, dose.every))
            number = max(0.0, min(until, time) - max(begin, time - WINDOW)) / step
        else:
            at = np.array([float(text.split()[0]) for text in dose.at])
            begin, number = float(at.min()), float(np.sum((time - WINDOW < at) & (at <= time)))
        if number > 0:
            size, unit = dose.amount.split()
            total, since = totals.get((dose.what, dose.route, unit), (0.0, time))
            totals[dose.what, dose.route, unit] = (total + float(size) * number, min(since, begin))
    return [
        (Given(what, route, total * DAY / min(WINDOW, time - begin), unit), begin)
        for (what, route, unit), (total, begin) in totals.items()
        if time - begin >= LEAST
    ]
