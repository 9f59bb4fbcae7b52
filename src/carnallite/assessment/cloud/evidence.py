"""Which results of a record virtual patients are weighed by, and between which values each lies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from carnallite.assessment.cloud.weigh import errors
from carnallite.assessment.facts import PRESENT

if TYPE_CHECKING:
    from carnallite.assessment.facts import Facts
    from carnallite.record import Observation

    Results = dict[str, tuple[float, float]]

IONS = frozenset({"serum_magnesium", "serum_potassium", "serum_calcium", "ionized_magnesium", "ionized_calcium"})
FAILING = ("anuria", "oliguria", "aki")  # creatinine still rises


def chosen(person: Facts) -> dict[str, Observation]:
    """Return the results by which members are weighed: of ions the worst of these days, of others the newest."""
    found = {test: _telling(person, test) if test in IONS else person.latest(test) for test in errors()}
    return {test: one for test, one in found.items() if one is not None and not (one.low is None and one.high is None)}


def results_of(person: Facts) -> Results:
    """Return between which values each chosen result lies, in canonical units."""
    return {test: interval(person, one) for test, one in chosen(person).items()}


def interval(person: Facts, one: Observation) -> tuple[float, float]:
    """Return between which values a result lies; filtration lies below its estimate while the kidney is failing."""
    failing = one.quantity == "egfr" and any(person.acute(id) == PRESENT for id in FAILING)
    low = 0.0 if failing or one.low is None else max(0.0, one.low)
    return low, np.inf if one.high is None else one.high


def _telling(person: Facts, test: str) -> Observation | None:
    for level in ("low", "high"):
        if person.lately(test, level) == PRESENT:
            return person.extreme(test, level)
    return person.latest(test)
