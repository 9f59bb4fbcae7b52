"""Which sets of causes explain a patient, by a library that is at hand: for cards and whole hospitals.

The same prior, findings and likelihood as in `judge`, over members that were drawn for nobody in particular. A set of
which the library holds few members leans on what is known of its parts.
"""

from __future__ import annotations

from functools import cache, lru_cache
from itertools import combinations, permutations
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from carnallite.assessment.cloud.asked import Asked, asked_all
from carnallite.assessment.cloud.means import Look, Question, Shelf, lean_on_parts, question
from carnallite.assessment.cloud.members import MOST, causes, forms, forms_of
from carnallite.assessment.cloud.sets import IMPOSSIBLE, acting_on, described_by, replaced, scores, unread
from carnallite.assessment.cloud.under import usual
from carnallite.assessment.facts import ABSENT, PRESENT
from carnallite.assessment.infer import among
from carnallite.assessment.network import brought_of
from carnallite.assessment.subsets import united

if TYPE_CHECKING:
    from collections.abc import Sequence

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
AT_ONCE = 256  # patients of whom is asked at once


class Sifted(NamedTuple):
    """What a library says of some patients.

    Attributes
    ----------
    posterior : Posterior
        Of everybody; of these patients with what the body says of their results.
    describes : array [patient]
        [1] Chance that the body describes each of them; NaN for the others.
    looked_at : array [patient]
        How many members of the library were looked at.
    """

    posterior: Posterior
    describes: Numbers
    looked_at: Whole


class _Anybody(NamedTuple):
    """Members that stand for what is found in anybody."""

    shelf: Shelf
    whole: tuple[Whole, Whole]
    "Where all of them begin, and how many there are."
    brought: Numbers
    "[finding, member] Chance that the causes of each, or nothing, bring a finding."


class _Shelved(NamedTuple):
    """The first members of each set of causes, and where they stand: by the numbers of its causes, in any order.

    One number more than there are causes is for none.
    """

    shelf: Shelf
    first: Whole
    size: Whole
    place: NDArray[np.int32]


class Sieve:
    """A library, and what is looked up in it for one patient after the other.

    Under a treatment, or where there is none, only some of its members are looked at; each choice has shelves of its
    own, on which members of a set stand side by side.
    """

    def __init__(self, library: Library) -> None:
        self.library = library
        self.anybody = cache(self._anybody)
        self.shelved = cache(self._shelved)
        self.told = lru_cache(maxsize=65536)(self._told)

    def _anybody(self, treatment: int | None) -> _Anybody:
        whose = slice(None) if treatment is None else self.library.treatment == treatment
        rows = np.arange(len(self.library))[whose][:ANYBODY]
        brought = brought_of(acting_on(self.library.members.some(rows))).T.copy()
        return _Anybody(self._shelf(rows), (np.array([0]), np.array([len(rows)])), brought)

    def _told(
        self, treatment: int | None, looks: tuple[Look, ...], present: tuple[int, ...], absent: tuple[int, ...]
    ) -> float:
        """Return how probable findings are in all who live to show some results: logarithm of the sum."""
        anybody = self.anybody(treatment)
        found = anybody.brought[list(present)].prod(axis=0) * (1 - anybody.brought[list(absent)]).prod(axis=0)
        return float(np.log(found[anybody.shelf.alive(looks)].sum()))

    def _shelved(self, treatment: int | None) -> _Shelved:
        sets = self.library.by_set
        own = [rows if treatment is None else rows[self.library.treatment[rows] == treatment] for rows in sets.values()]
        own = [rows[:EACH] for rows in own]
        size = np.array([*map(len, own), 0], np.int64)
        first = np.concatenate([[0], np.cumsum(size[:-1])])
        place = np.full((len(causes()) + 1,) * MOST, len(own), np.int32)
        acting = np.array([(*acting, *[len(causes())] * (MOST - len(acting))) for acting in sets])
        for order in permutations(range(MOST)):
            place[tuple(acting[:, order].T)] = np.arange(len(own))
        return _Shelved(self._shelf(np.concatenate(own), by_form=True), first, size, place)

    def _shelf(self, rows: Whole, *, by_form: bool = False) -> Shelf:
        form = np.where(self.library.members.form < 0, len(forms()), self.library.members.form) if by_form else None
        return Shelf(rows, self.library.shown, self.library.treated, form)


@lru_cache(maxsize=1)
def _sieve(library: Library) -> Sieve:
    return Sieve(library)


def sift(columns: Columns, posterior: Posterior, rows: Sequence[int], library: Library) -> Sifted:
    """Return what a library says of some patients; nobody's answer depends on the others."""
    describes, looked_at = np.full(columns.size, np.nan), np.zeros(columns.size, np.int64)
    found = []
    for first in range(0, len(rows), AT_ONCE):
        some = rows[first : first + AT_ONCE]
        mine, asked = asked_all(columns, posterior, some)
        seen = [_seen(one, _sieve(library)) for one in asked]
        before, means, by_findings, described = (
            np.stack(part)
            for part in zip(*((one.before, *its[:3]) for one, its in zip(asked, seen, strict=True)), strict=True)
        )
        score, body = scores(before, means, by_findings, described)
        top = score.max(axis=1, keepdims=True)
        describes[some] = np.exp(body - top).sum(axis=1) / np.exp(score - top).sum(axis=1)
        looked_at[some] = [one.looked_at for one in seen]
        found.append((some, replaced(mine, score)))
    return Sifted(among(posterior, found), describes, looked_at)


class _Seen(NamedTuple):
    """What members say of each set of causes of one patient, as in `sets.scores`: "set"."""

    means: Numbers
    by_findings: Numbers
    described: NDArray[np.bool_]
    looked_at: int


def _seen(asked: Asked, sieve: Sieve) -> _Seen:
    treatment = None if asked.under is None else _like(asked.under)
    unique = dict.fromkeys(frozenset(one) for one in (asked.results, *(read.results for read in asked.read)))
    choices = {tests: place for place, tests in enumerate(unique)}
    asks = question(asked.results, asked.under.tests if asked.under else _NOTHING, list(choices))
    anybody = sieve.anybody(treatment)
    often = np.append(asked.share * _alternatives(), 1.0)
    living, likely = (part[:, 0] for part in anybody.shelf.sums(asks, *anybody.whole, often))
    means, looked_at = _means(asked, asks, sieve.shelved(treatment), often)

    def mean(results: Results) -> Numbers:
        return np.asarray(means[choices[frozenset(results)]])

    def in_anybody(results: Results) -> float:
        place = choices[frozenset(results)]
        return float(np.log(likely[place] / living[place]))

    states = (tuple(np.flatnonzero(asked.same & (asked.state == state)).tolist()) for state in (PRESENT, ABSENT))
    told = sieve.told(treatment, asks.looks, *states)
    by_findings = asked.findings + np.log(likely[0]) - told
    return _Seen(unread(asked, mean, in_anybody), by_findings, described_by(asked), looked_at)


_NOTHING = frozenset[str]()


def _like(under: Under) -> int:
    """Return the treatment of a library that is most like that of a patient."""
    given = {(one.what.split()[0], one.route) for one in under.given}
    ways = [{(one.what.split()[0], one.route) for one in each.given} for each in usual().values()]
    return max(range(len(ways)), key=lambda row: (len(given & ways[row]) - 0.5 * len(ways[row] - given), -row))


def _means(asked: Asked, asks: Question, shelved: _Shelved, often: Numbers) -> tuple[Numbers, int]:
    """Return the mean likelihood of the members of each set ("choice set", log), and how many were looked at."""
    number = [_number()[id] for id, has in zip(asked.names, asked.bodily.tolist(), strict=True) if has]
    few = _few(len(number))
    places = shelved.place[tuple(np.array([*number, len(causes())])[few.members])]
    first, size = shelved.first[places], shelved.size[places]
    found = shelved.shelf.sums(asks, first, size, often)
    weights, likely = np.zeros((2, len(asks.choices), 1 << len(number)))
    weights[:, few.number], likely[:, few.number] = found
    means = [lean_on_parts(*one, lean=LEAN, least=LEAST) for one in zip(weights, likely, strict=True)]
    with np.errstate(divide="ignore"):
        logs = np.maximum(np.log(means), IMPOSSIBLE)
    return logs.take(_of_bodily(tuple(asked.bodily.tolist())), axis=1), int(size.sum())


@lru_cache(maxsize=1024)
def _of_bodily(bodily: tuple[bool, ...]) -> Whole:
    """Return for each of all sets the number of the set of those of its causes that the body can have."""
    return united(tuple(1 << sum(bodily[:place]) if has else 0 for place, has in enumerate(bodily)))


class _Few(NamedTuple):
    """The subsets of some causes of which a library has members."""

    number: Whole
    "By the bits of the causes."
    members: Whole
    "[place, set] Places of the causes; one more than there are for none."


@cache
def _few(width: int) -> _Few:
    sets = [set for count in range(MOST + 1) for set in combinations(range(width), count)]
    members = np.array([(*set, *[width] * (MOST - len(set))) for set in sets])
    return _Few(np.append(1 << np.arange(width), 0)[members].sum(axis=1), members.T.copy())


@cache
def _number() -> dict[str, int]:
    return {id: number for number, id in enumerate(causes())}


@cache
def _alternatives() -> Numbers:
    """Return of how many forms each is one: the library draws them alike."""
    return np.array([float(len(forms_of(form.cause))) for form in forms()])
