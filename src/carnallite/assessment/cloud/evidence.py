"""Which results of a record virtual patients are weighed by, and between which values each lies."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from carnallite.assessment.cloud.weigh import errors
from carnallite.assessment.events import PRESENT, Some

if TYPE_CHECKING:
    from carnallite.assessment.events import Numbers, Yes
    from carnallite.assessment.everyone import Everyone
    from carnallite.assessment.facts import Facts
    from carnallite.record import Observation

    Results = dict[str, tuple[float, float]]

IONS = frozenset({"serum_magnesium", "serum_potassium", "serum_calcium", "ionized_magnesium", "ionized_calcium"})
FAILING = ("anuria", "oliguria", "aki")  # creatinine still rises


class Told(NamedTuple):
    """A test in everybody: who has a result that counts, and between which values it lies: "patient"."""

    has: Yes
    low: Numbers
    high: Numbers


def chosen(person: Facts) -> dict[str, Observation]:
    """Return the results by which members are weighed: of ions the worst of these days, of others the newest."""
    found = {test: person.one(_telling(person.everyone, test)) for test in errors()}
    return {test: one for test, one in found.items() if one is not None and not (one.low is None and one.high is None)}


def results_of(person: Facts) -> Results:
    """Return between which values each chosen result lies, in canonical units."""
    told = person.everyone.kept("evidence", lambda: _told(person.everyone))
    row = person.row
    return {test: (float(one.low[row]), float(one.high[row])) for test, one in told.items() if one.has[row]}


def interval(person: Facts, one: Observation) -> tuple[float, float]:
    """Return between which values a result lies; filtration lies below its estimate while the kidney is failing."""
    low = -np.inf if one.low is None else one.low
    least = _least(np.array(low), one.quantity, _failing(person.everyone)[person.row])
    return float(least), np.inf if one.high is None else one.high


def _told(everyone: Everyone) -> dict[str, Told]:
    found = {}
    for test in errors():
        one = _telling(everyone, test)
        low, high = np.full(everyone.size, -np.inf), np.full(everyone.size, np.inf)
        low[one.who], high[one.who] = everyone.measured.low(one.which), everyone.measured.high(one.which)
        found[test] = Told(np.isfinite(low) | np.isfinite(high), _least(low, test, _failing(everyone)), high)
    return found


def _least(low: Numbers, test: str, failing: Yes) -> Numbers:
    return np.where(failing & (test == "egfr"), 0.0, np.maximum(0.0, low))


def _failing(everyone: Everyone) -> Yes:
    """Return whose kidney is failing, so that creatinine still rises."""
    failing: Yes = np.max([everyone.truth("acute", id) for id in FAILING], axis=0) == PRESENT
    return failing


def _telling(everyone: Everyone, test: str) -> Some:
    return everyone.kept(f"telling {test}", lambda: _most_telling(everyone, test))


def _most_telling(everyone: Everyone, test: str) -> Some:
    """Return the result of each patient that counts: of ions one out of range, if there was one, else the newest."""
    measured = everyone.measured
    newest = measured.latest(test)
    if test not in IONS:
        return newest
    which = np.full(everyone.size, -1)
    which[newest.who] = newest.which
    for level in ("high", "low"):  # low goes before high
        one, out = measured.extreme(test, level), everyone.truth(f"lately_{level}", test) == PRESENT
        beyond = out[one.who]
        which[one.who[beyond]] = one.which[beyond]
    who = np.flatnonzero(which >= 0)
    return Some(who, which[who])
