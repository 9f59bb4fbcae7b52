"""Which sets of causes explain a patient, by a library that is at hand: milliseconds, for cards and whole hospitals.

The same prior, findings and likelihood as in `judge`, over members that were drawn for nobody in particular. A set of
which the library holds few members leans on what is known of its parts.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from carnallite.assessment.cloud.judge import IMPOSSIBLE, Asked, asked_of, level, replaced, scores, unread
from carnallite.assessment.cloud.members import MOST, NONE, causes, forms, forms_of
from carnallite.assessment.cloud.weigh import likelihood

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from carnallite.assessment.cloud.judge import Results
    from carnallite.assessment.cloud.library import Library
    from carnallite.assessment.columns import Columns
    from carnallite.assessment.infer import Posterior

    Numbers = NDArray[np.float64]
    Whole = NDArray[np.int64]

ANYBODY = 1000  # members, the first of the library, that stand for what is found in anybody
EACH = 256  # members of one set that are looked at
LEAN = 8.0  # members that what is known of the parts of a set counts as


class Sifted(NamedTuple):
    """The posterior of one patient with what a library says, and the chance that the body describes the patient."""

    posterior: Posterior
    describes: float
    looked_at: int


def sift(columns: Columns, posterior: Posterior, row: int, library: Library) -> Sifted:
    """Return the posterior of one patient with what the body says of the results, by a library."""
    asked = asked_of(columns, posterior, row)
    rows = np.arange(min(ANYBODY, len(library)))
    anybody = _shown(library, asked.results, rows)
    by_findings = asked.findings + level(asked, library.members.some(rows), likelihood(asked.results, anybody))
    means, count = _means(asked, library, anybody)
    score, body = scores(asked, means, by_findings)
    describes = float(np.exp(body - score.max()).sum() / np.exp(score - score.max()).sum())
    return Sifted(replaced(asked.posterior, row, score), describes, count)


def _shown(library: Library, results: Results, rows: Whole) -> dict[str, Numbers]:
    return {test: library.shown[test][rows].astype(float) for test in results}


def _means(asked: Asked, library: Library, anybody: dict[str, Numbers]) -> tuple[Numbers, int]:
    """Return the mean likelihood of the members of each set ("set", log), and how many were looked at."""
    names = tuple(dict.fromkeys(id for one in asked.sets for id in one if id in causes()))
    number = [causes().index(id) for id in names]
    sets = [tuple(bit for bit, id in enumerate(names) if id in one) for one in asked.sets]
    own = {
        one: library.by_set.get(tuple(sorted(number[bit] for bit in one)), _NOBODY)[:EACH]
        for one in dict.fromkeys(sets)
        if len(one) <= MOST
    }
    rows = np.concatenate(list(own.values()))
    members = library.members.some(rows)
    often = np.where(members.form == NONE, 1.0, (asked.share * _alternatives())[members.form]).prod(axis=1)
    which = np.repeat(np.arange(len(own)), [len(one) for one in own.values()])
    place = {one: at for at, one in enumerate(own)}

    def mean(results: Results) -> Numbers:
        log = likelihood(results, _shown(library, results, rows))
        top, living = float(np.nanmax(log)), np.where(np.isnan(log), 0.0, often)
        weight = np.bincount(which, weights=living, minlength=len(own))
        likely = living * np.exp(np.nan_to_num(log, nan=IMPOSSIBLE) - top)
        total = np.bincount(which, weights=likely, minlength=len(own))
        found: dict[tuple[int, ...], float] = {}
        for one in sorted(dict.fromkeys(sets), key=len):
            here = (total[place[one]], weight[place[one]]) if one in place else (0.0, 0.0)
            parts = [found[tuple(bit for bit in one if bit != left)] for left in one]
            lean = LEAN if parts else 1e-9
            found[one] = (here[0] + lean * max(parts, default=0.0)) / (here[1] + lean)
        with np.errstate(divide="ignore"):
            return np.maximum(np.log([found[one] for one in sets]) + top, IMPOSSIBLE)

    return unread(asked, mean, anybody), len(rows)


_NOBODY: Whole = np.zeros(0, np.int64)


@cache
def _alternatives() -> Numbers:
    """Return of how many forms each is one: the library draws them alike."""
    return np.array([float(len(forms_of(form.cause))) for form in forms()])
