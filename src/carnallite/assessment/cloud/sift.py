"""Which sets of causes explain a patient, by a library that is at hand: milliseconds, for cards and whole hospitals.

The same prior, findings and likelihood as in `judge`, over members that were drawn for nobody in particular. A set of
which the library holds few members leans on what is known of its parts.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from carnallite.assessment.cloud.asked import Asked, asked_of
from carnallite.assessment.cloud.members import MOST, causes, forms, forms_of
from carnallite.assessment.cloud.sets import IMPOSSIBLE, acting_on, level, replaced, scores, unread
from carnallite.assessment.cloud.under import usual
from carnallite.assessment.cloud.weigh import likelihood
from carnallite.assessment.infer import among

if TYPE_CHECKING:
    from collections.abc import Iterable

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


class Sieve:
    """A library, and what is looked up in it for one patient after the other."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self._anybody: dict[int | None, tuple[Whole, NDArray[np.bool_]]] = {}
        self._of: dict[tuple[int | None, tuple[int, ...]], Whole] = {}

    def anybody(self, treatment: int | None) -> tuple[Whole, NDArray[np.bool_]]:
        """Return members under a treatment, or any, that stand for anybody, and which causes act on them."""
        found = self._anybody.get(treatment)
        if found is None:
            whose = slice(None) if treatment is None else self.library.treatment == treatment
            rows = np.arange(len(self.library))[whose][:ANYBODY]
            found = self._anybody[treatment] = rows, acting_on(self.library.members.some(rows))
        return found

    def of(self, treatment: int | None, acting: tuple[int, ...]) -> Whole:
        """Return the first members under a treatment, or any, on whom exactly these causes act."""
        found = self._of.get((treatment, acting))
        if found is None:
            mine = self.library.by_set.get(acting, _NOBODY)
            mine = mine if treatment is None else mine[self.library.treatment[mine] == treatment]
            found = self._of[treatment, acting] = mine[:EACH]
        return found


def sift(columns: Columns, posterior: Posterior, row: int, library: Library) -> Sifted:
    """Return the posterior of everybody, that of one patient with what the body says of the results, by a library."""
    found = _sifted(columns, posterior, row, Sieve(library))
    return found._replace(posterior=among(posterior, {row: found.posterior}))


def sift_all(
    columns: Columns, posterior: Posterior, rows: Iterable[int], library: Library
) -> tuple[Posterior, Numbers]:
    """Return the posterior of everybody, that of some patients with what the body says of their results, by a library.

    Returns
    -------
    posterior : Posterior
    describes : array [patient]
        [1] Chance that the body describes each of them; NaN for the others.
    """
    describes, found, sieve = np.full(columns.size, np.nan), {}, Sieve(library)
    for row in rows:
        mine = _sifted(columns, posterior, row, sieve)
        describes[row], found[row] = mine.describes, mine.posterior
    return among(posterior, found), describes


def _sifted(columns: Columns, posterior: Posterior, row: int, sieve: Sieve) -> Sifted:
    """Return the posterior of one patient alone."""
    asked = asked_of(columns, posterior, row)
    treatment = None if asked.under is None else _like(asked.under)
    rows, acting = sieve.anybody(treatment)
    anybody = _shown(sieve.library, asked, asked.results, rows)
    by_findings = asked.findings + level(asked, acting, likelihood(asked.results, anybody))
    means, count = _means(asked, sieve, anybody, treatment)
    score, body = scores(asked, means, by_findings)
    describes = float(np.exp(body - score.max()).sum() / np.exp(score - score.max()).sum())
    return Sifted(replaced(asked.posterior, score), describes, count)


def _like(under: Under) -> int:
    """Return the treatment of a library that is most like that of a patient."""
    given = {(one.what.split()[0], one.route) for one in under.given}
    ways = [{(one.what.split()[0], one.route) for one in each.given} for each in usual().values()]
    return max(range(len(ways)), key=lambda row: (len(given & ways[row]) - 0.5 * len(ways[row] - given), -row))


def _shown(library: Library, asked: Asked, results: Results, rows: Whole) -> dict[str, Numbers]:
    tests = asked.under.tests if asked.under else frozenset[str]()
    return {test: (library.treated if test in tests else library.shown)[test][rows].astype(float) for test in results}


def _means(asked: Asked, sieve: Sieve, anybody: dict[str, Numbers], treatment: int | None) -> tuple[Numbers, int]:
    """Return the mean likelihood of the members of each set ("set", log), and how many were looked at."""
    number = [_number()[id] for id, has in zip(asked.names, asked.bodily, strict=True) if has]
    sets = _subsets(len(number))
    own = [sieve.of(treatment, tuple(sorted([number[place] for place in few]))) for few in sets.few]
    rows = np.concatenate(own)
    often = _often(asked, sieve.library.members.form[rows])
    which = np.repeat(sets.number, [len(mine) for mine in own])

    def mean(results: Results) -> Numbers:
        log = likelihood(results, _shown(sieve.library, asked, results, rows))
        top, living = float(np.nanmax(log)), np.where(np.isnan(log), 0.0, often)
        weight = np.bincount(which, weights=living, minlength=sets.total)
        likely = living * np.exp(np.nan_to_num(log, nan=IMPOSSIBLE) - top)
        found = np.bincount(which, weights=likely, minlength=sets.total)
        found[0] /= max(weight[0], LEAST)
        for layer in sets.layers:
            parts = found[layer.parts].max(axis=1)
            found[layer.sets] = (found[layer.sets] + LEAN * parts) / (weight[layer.sets] + LEAN)
        with np.errstate(divide="ignore"):
            means = np.maximum(np.log(found) + top, IMPOSSIBLE)
        return np.asarray(means[asked.has[:, asked.bodily] @ sets.bits])

    return unread(asked, mean, anybody), len(rows)


def _often(asked: Asked, form: Whole) -> Numbers:
    """Return how often members have their forms, beside how often the library draws them: "member"."""
    each = np.append(asked.share * _alternatives(), 1.0)  # NONE is the last
    found: Numbers = each[form[:, 0]]
    for place in range(1, MOST):
        found = found * each[form[:, place]]
    return found


class _Layer(NamedTuple):
    """The sets of one size, and those that each becomes when it loses a member."""

    sets: Whole
    parts: Whole


class _Subsets(NamedTuple):
    """All subsets of some causes, numbered by the bits of their members; a library has members of those with few."""

    total: int
    bits: Whole
    few: tuple[tuple[int, ...], ...]
    number: Whole
    layers: tuple[_Layer, ...]


@cache
def _subsets(width: int) -> _Subsets:
    bits, numbers = 1 << np.arange(width), np.arange(1 << width)
    has = numbers[:, None] & bits > 0
    size = has.sum(axis=1)
    few = np.flatnonzero(size <= MOST)
    layers = []
    for count in range(1, width + 1):
        sets = np.flatnonzero(size == count)
        layers.append(_Layer(sets, np.array([one ^ bits[has[one]] for one in sets])))
    members = tuple(tuple(np.flatnonzero(has[one]).tolist()) for one in few)
    return _Subsets(len(numbers), bits, members, few, tuple(layers))


@cache
def _number() -> dict[str, int]:
    return {id: number for number, id in enumerate(causes())}


_NOBODY: Whole = np.zeros(0, np.int64)


@cache
def _alternatives() -> Numbers:
    """Return of how many forms each is one: the library draws them alike."""
    return np.array([float(len(forms_of(form.cause))) for form in forms()])
