"""Which sets of causes explain a patient, by members drawn around this patient and weighed by the results.

The body replaces what findings would say of results that it shows. It does not describe everybody: with a stated chance
(`unlike` in ``weights.toml``) the cited findings speak alone, and so they do for causes that the body cannot have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from carnallite.assessment.cloud.around import anything, around
from carnallite.assessment.cloud.asked import asked_of, person_of
from carnallite.assessment.cloud.members import Members
from carnallite.assessment.cloud.sets import (
    IMPOSSIBLE,
    acting_on,
    described_by,
    level,
    log_mean,
    replaced,
    scores,
    unread,
)
from carnallite.assessment.cloud.weigh import likelihood, worth
from carnallite.assessment.infer import among
from carnallite.assessment.subsets import reduced

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from carnallite.assessment.cloud.asked import Asked
    from carnallite.assessment.cloud.evidence import Results
    from carnallite.assessment.columns import Columns
    from carnallite.assessment.infer import Posterior
    from carnallite.physiology.scenario import Person

    Numbers = NDArray[np.float64]

SETS = 96  # are simulated at all
FIRST_LOOK = 8  # members of each of them
BEST = 24  # sets are simulated again
SECOND_LOOK = 48  # members of each of these
ENOUGH = 40.0  # effective members; with fewer the leading sets are drawn again
LEADING = 5
THIRD_LOOK = 120  # members of each of these
WEAKER = (1.0, 0.7, 0.5, 0.35, 0.25)  # powers of the likelihood; the first with which enough members fit is used
ANYTHING = 240  # members with any causes, to know what the laboratory may find in anybody
SEED = 1


class Cloud(NamedTuple):
    """Members that stand for one patient.

    Attributes
    ----------
    person : Person
        Who they are.
    results : dict of test to (low, high)
        What they were weighed by, in canonical units.
    members : Members
    of : array [member]
        Which set of the posterior each has: the first of those that are the same for the body.
    alike : array [set]
        Which set stands for each set of the posterior.
    weight : array [member]
        Sums to one.
    log : array [member]
        Logarithm of how well each explains the results.
    shown : dict of test to array [member]
    power : float
        [1] Of the likelihood: below one where too few members came near the results, which then count less.
    describes : float
        [1] Chance that the body describes this patient, after the results; before them 1 - `unlike`.
    """

    person: Person
    results: Results
    members: Members
    of: NDArray[np.int64]
    alike: NDArray[np.int64]
    weight: Numbers
    log: Numbers
    shown: dict[str, Numbers]
    power: float
    describes: float

    def effective(self) -> float:
        """Return how many equally weighted members these are worth."""
        return worth(self.weight)


def judge(columns: Columns, posterior: Posterior, row: int) -> tuple[Posterior, Cloud]:
    """Return the posterior of one patient with what the body says of the results, and the members behind it."""
    (mine, asked), person = asked_of(columns, posterior, row), person_of(columns.people[row])
    members, shown = anything(person, ANYTHING, under=asked.under, seed=SEED)
    anybody = likelihood(asked.results, shown)
    acting = acting_on(members)
    by_findings = asked.findings + level(asked, acting, anybody)
    drawn = _Drawn(asked, person, shown)
    rank = np.argsort(-(asked.before + by_findings), kind="stable")[:SETS]
    drawn.look(rank, FIRST_LOOK)
    promise = asked.before + np.logaddexp(np.nan_to_num(drawn.means(), nan=IMPOSSIBLE), by_findings)
    drawn.look(rank[np.argsort(-promise[rank], kind="stable")][:BEST], SECOND_LOOK)
    score, body = scores(asked.before, drawn.means(), by_findings, described_by(asked))
    if drawn.effective(body) < ENOUGH:
        drawn.look(np.argsort(-body, kind="stable")[:LEADING], THIRD_LOOK)
    for power in WEAKER:
        drawn.power = power
        score, body = scores(
            asked.before, drawn.means(), asked.findings + level(asked, acting, power * anybody), described_by(asked)
        )
        if drawn.effective(body) >= ENOUGH:
            break
    describes = np.exp(body - score.max()) / np.exp(score - score.max()).sum()
    cloud = Cloud(
        person=person,
        results=asked.results,
        members=drawn.members(),
        of=drawn.of,
        alike=drawn.alike,
        weight=drawn.weights(describes),
        log=drawn.power * drawn.log,
        power=drawn.power,
        shown=drawn.shown,
        describes=float(describes.sum()),
    )
    return among(posterior, [([row], replaced(mine, score[None]))]), cloud


class _Drawn:
    """Members of the sets of one patient, drawn in a few looks and kept together."""

    def __init__(self, asked: Asked, person: Person, anybody: Mapping[str, Numbers]) -> None:
        self.asked, self.person = asked, person
        self.alike = reduced(asked.has, asked.bodily)  # for each set the first one that is the same for the body
        self.anybody = anybody
        self.width = max(1, int(asked.bodily.sum()))
        self.power = 1.0
        self.of: NDArray[np.int64] = np.zeros(0, np.int64)
        self.log: Numbers = np.zeros(0)
        self.shown: dict[str, Numbers] = {}
        self._members: list[Members] = []

    def look(self, which: NDArray[np.int64], each: int) -> None:
        """Draw members of some sets of the posterior."""
        beside = [one.without[np.isin(one.sets, which)] for one in self.asked.read]
        rows = np.unique(np.concatenate([self.alike[which], *beside]))
        names = np.array(self.asked.names)
        sets = [tuple(names[self.asked.has[row]].tolist()) for row in rows]
        drawn = around(
            self.person, sets, each=each, share=self.asked.share, under=self.asked.under, seed=SEED,
            first=len(self.of), width=self.width,
        )  # fmt: skip
        self.of = np.concatenate([self.of, rows[drawn.of]])
        self.log = np.concatenate([self.log, likelihood(self.asked.results, drawn.shown)])
        self.shown = {
            name: np.concatenate([self.shown.get(name, np.zeros(0)), drawn.shown[name]]) for name in drawn.shown
        }
        self._members.append(drawn.members)

    def members(self) -> Members:
        """Return all members."""
        return Members(*(np.concatenate(columns) for columns in zip(*self._members, strict=True)))

    def means(self) -> Numbers:
        """Return the mean likelihood of the members of each set who live, of what its prior odds did not read [log]."""
        return unread(self.asked, self._mean, self._in_anybody)

    def _in_anybody(self, results: Results) -> float:
        logs = self.power * likelihood(results, self.anybody)
        return log_mean(logs[~np.isnan(logs)])

    def _mean(self, results: Results) -> Numbers:
        log = self.log if results is self.asked.results else likelihood(results, self.shown)
        found: Numbers = np.full(len(self.asked.has), np.nan)
        for row in np.unique(self.of):
            logs = self.power * log[self.of == row]
            logs = logs[~np.isnan(logs)]
            found[self.alike == row] = log_mean(logs) if len(logs) else IMPOSSIBLE
        return found

    def weights(self, chance: Numbers) -> Numbers:
        """Return the weights of members whose sets have some chances: "member"; they sum to one, or are all zero."""
        weight = np.zeros(len(self.log))
        for row in np.unique(self.of):
            mine = self.of == row
            logs = self.power * self.log[mine]
            if not np.isnan(logs).all():
                likely = np.nan_to_num(np.exp(logs - np.nanmax(logs)))
                weight[mine] = chance[self.alike == row].sum() * likely / likely.sum()
        total = weight.sum()
        return weight / total if total > 0 else weight

    def effective(self, body: Numbers) -> float:
        """Return how many equally weighted members these are worth."""
        return worth(self.weights(np.exp(body - body.max())))


def acting_in(cloud: Cloud) -> dict[str, float]:
    """Return the weight of members on whom each cause acts."""
    found = {id: float(cloud.weight[has].sum()) for id, has in cloud.members.having().items()}
    return dict(sorted(found.items(), key=lambda pair: -pair[1]))
