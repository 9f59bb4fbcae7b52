"""Which sets of causes explain a patient, by a library that is at hand: milliseconds, for cards and whole hospitals.

The same prior, findings and likelihood as in `judge`, over members that were drawn for nobody in particular. A set of
which the library holds few members leans on what is known of its parts.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from carnallite.assessment.cloud.asked import Asked, asked_of
from carnallite.assessment.cloud.members import MOST, NONE, causes, forms, forms_of
from carnallite.assessment.cloud.sets import IMPOSSIBLE, level, replaced, scores, unread
from carnallite.assessment.cloud.under import usual
from carnallite.assessment.cloud.weigh import likelihood

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from carnallite.assessment.cloud.evidence import Results
    from carnallite.assessment.cloud.library import Library
    from carnallite.assessment.cloud.under import Under
    from carnallite.assessment.columns import Columns
    from carnallite.assessment.infer import Posterior

    Numbers = NDArray[np.float64]
    Whole = NDArray[np.int64]

ANYBODY = 1000  # members, the first of the library, that stand for what is found in anybody
EACH = 256  # members of one set that are looked at
LEAN = 8.0  # members that what is known of the parts of a set counts as
LEAST = 1e-9  # of members of the empty set


class Sifted(NamedTuple):
    """The posterior of one patient with what a library says, and the chance that the body describes the patient."""

    posterior: Posterior
    describes: float
    looked_at: int


def sift(columns: Columns, posterior: Posterior, row: int, library: Library) -> Sifted:
    """Return the posterior of one patient with what the body says of the results, by a library."""
    asked = asked_of(columns, posterior, row)
    whose = np.ones(len(library), bool) if asked.under is None else library.treatment == _like(asked.under)
    rows = np.flatnonzero(whose)[:ANYBODY]
    anybody = _shown(library, asked, asked.results, rows)
    by_findings = asked.findings + level(asked, library.members.some(rows), likelihood(asked.results, anybody))
    means, count = _means(asked, library, anybody, whose)
    score, body = scores(asked, means, by_findings)
    describes = float(np.exp(body - score.max()).sum() / np.exp(score - score.max()).sum())
    return Sifted(replaced(asked.posterior, row, score), describes, count)


def _like(under: Under) -> int:
    """Return the treatment of a library that is most like that of a patient."""
    given = {(one.what.split()[0], one.route) for one in under.given}
    ways = [{(one.what.split()[0], one.route) for one in each.given} for each in usual().values()]
    return max(range(len(ways)), key=lambda row: (len(given & ways[row]) - 0.5 * len(ways[row] - given), -row))


def _shown(library: Library, asked: Asked, results: Results, rows: Whole) -> dict[str, Numbers]:
    tests = asked.under.tests if asked.under else frozenset[str]()
    return {test: (library.treated if test in tests else library.shown)[test][rows].astype(float) for test in results}


def _means(
    asked: Asked, library: Library, anybody: dict[str, Numbers], whose: NDArray[np.bool_]
) -> tuple[Numbers, int]:
    """Return the mean likelihood of the members of each set ("set", log), and how many were looked at."""
    number = np.array([causes().index(id) for id, has in zip(asked.names, asked.bodily, strict=True) if has], np.int64)
    bits = 1 << np.arange(len(number))
    masks = np.arange(1 << len(number))
    has = masks[:, None] & bits > 0
    size = has.sum(axis=1)
    own = [
        library.by_set.get(tuple(sorted(number[one].tolist())), _NOBODY) if few else _NOBODY
        for one, few in zip(has, size <= MOST, strict=True)
    ]
    own = [(mine if asked.under is None else mine[whose[mine]])[:EACH] for mine in own]
    rows = np.concatenate(own)
    members = library.members.some(rows)
    often = np.where(members.form == NONE, 1.0, (asked.share * _alternatives())[members.form]).prod(axis=1)
    which = np.repeat(masks, [len(mine) for mine in own])

    def mean(results: Results) -> Numbers:
        log = likelihood(results, _shown(library, asked, results, rows))
        top, living = float(np.nanmax(log)), np.where(np.isnan(log), 0.0, often)
        weight = np.bincount(which, weights=living, minlength=len(masks))
        likely = living * np.exp(np.nan_to_num(log, nan=IMPOSSIBLE) - top)
        found = np.bincount(which, weights=likely, minlength=len(masks))
        found[0] /= max(weight[0], LEAST)
        for count in range(1, len(bits) + 1):
            here = masks[size == count]
            parts = np.where(has[here], found[here[:, None] ^ bits], 0.0).max(axis=1)
            found[here] = (found[here] + LEAN * parts) / (weight[here] + LEAN)
        with np.errstate(divide="ignore"):
            means = np.maximum(np.log(found) + top, IMPOSSIBLE)
        return np.asarray(means[asked.has[:, asked.bodily] @ bits])

    return unread(asked, mean, anybody), len(rows)


_NOBODY: Whole = np.zeros(0, np.int64)


@cache
def _alternatives() -> Numbers:
    """Return of how many forms each is one: the library draws them alike."""
    return np.array([float(len(forms_of(form.cause))) for form in forms()])
