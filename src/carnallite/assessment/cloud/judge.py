"""Which sets of causes explain a patient, by members drawn around this patient and weighed by the results.

The body replaces what findings would say of results that it shows. It does not describe everybody: with a stated chance
(`unlike` in ``weights.toml``) the cited findings speak alone, and so they do for causes that the body cannot have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from carnallite.assessment.cloud.around import anything, around
from carnallite.assessment.cloud.evidence import results_of
from carnallite.assessment.cloud.members import NONE, Members, causes, forms, forms_of
from carnallite.assessment.cloud.people import anybody
from carnallite.assessment.cloud.under import under_of
from carnallite.assessment.cloud.weigh import likelihood, numbers
from carnallite.assessment.columns import evaluate, results_in
from carnallite.assessment.facts import PRESENT
from carnallite.assessment.infer import network, reconsidered, told, told_of
from carnallite.knowledge import knowledge
from carnallite.physiology import engine

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from carnallite.assessment.cloud.under import Under
    from carnallite.assessment.columns import Columns
    from carnallite.assessment.facts import Facts
    from carnallite.assessment.infer import Posterior
    from carnallite.physiology.scenario import Person

    Numbers = NDArray[np.float64]
    Results = dict[str, tuple[float, float]]

SETS = 96  # are simulated at all
FIRST_LOOK = 8  # members of each of them
BEST = 24  # sets are simulated again
SECOND_LOOK = 48  # members of each of these
ENOUGH = 40.0  # effective members; with fewer the leading sets are drawn again
LEADING = 5
THIRD_LOOK = 120  # members of each of these
WEAKER = (1.0, 0.7, 0.5, 0.35, 0.25)  # powers of the likelihood; the first with which enough members fit is used
ANYTHING = 240  # members with any causes, to know what the laboratory may find in anybody
IMPOSSIBLE = -700.0
SEED = 1
OLDEST, YOUNGEST = 95.0, 18.0  # [a] for whom the body holds


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
        total = float(np.sum(self.weight**2))
        return 1 / total if total > 0 else 0.0


def why_not(columns: Columns, row: int) -> str:
    """Return why no member can stand for a patient; empty if some can."""
    person = columns.people[row]
    if person.age is not None and person.age < YOUNGEST:
        return "the body is an adult's"
    if person.recorded("pregnancy") == PRESENT:
        return "the body is not pregnant"
    if person.recorded("dialysis") == PRESENT:
        return "dialysis sessions are not simulated"
    if not results_of(person):
        return "nothing was measured that the body shows"
    if engine.kernel() is None:
        return "the fast engine is not installed: see `carnallite doctor`"
    return ""


class Asked(NamedTuple):
    """What is asked of one patient before any member is looked at.

    Attributes
    ----------
    posterior : Posterior
        By findings alone, among the causes that are promising with or without what they say of results.
    person : Person
    results : dict of test to (low, high)
    under : Under or None
        Treatment under which some of them were taken.
    share : array [form]
        How often each form acts when its cause does.
    names : tuple of str
        The causes that are weighed jointly.
    bodily : array [cause]
        Which of them the body can have.
    has : array [set, cause]
        Which of them each set of the posterior holds.
    alike : array [set]
        For each set the first one that is the same for the body.
    before : array [set]
        [log] What speaks for each set before the results.
    findings : array [set]
        [log] What cited findings say of the results.
    state : array [finding]
    same : array [finding]
        Which findings say the same as the results.
    read : list of Read
        Which results the prior odds have read already.
    """

    posterior: Posterior
    person: Person
    results: Results
    under: Under | None
    share: Numbers
    names: tuple[str, ...]
    bodily: NDArray[np.bool_]
    has: NDArray[np.bool_]
    alike: NDArray[np.int64]
    before: Numbers
    findings: Numbers
    state: NDArray[np.int8]
    same: NDArray[np.bool_]
    read: list[Read]


class Read(NamedTuple):
    """Results that the prior odds of some sets have read already, and that must not count for them again.

    Attributes
    ----------
    results : dict of test to (low, high)
    sets : array
        Numbers of the sets.
    without : array
        For each of them the set that lacks the causes whose prior odds read the results.
    """

    results: Results
    sets: NDArray[np.int64]
    without: NDArray[np.int64]


def asked_of(columns: Columns, posterior: Posterior, row: int) -> Asked:
    """Return what is asked of one patient."""
    facts = columns.people[row]
    results = results_of(facts)
    same = np.array([bool(set(knowledge().findings[id].tests) & results.keys()) for id in network().findings])
    posterior = reconsidered(columns, posterior, row, same)
    names = tuple(network().causes[number] for number in posterior.candidates[row])
    bodily = np.array([id in causes() for id in names])
    return Asked(
        posterior=posterior,
        person=person_of(facts),
        results=results,
        under=under_of(facts),
        share=shares_of(columns, row),
        names=names,
        bodily=bodily,
        has=posterior.sets,
        alike=_row_with(posterior.sets, bodily),
        before=posterior.odds[row] + told(posterior, row, ~same),
        findings=told(posterior, row, same),
        state=posterior.state[row],
        same=same,
        read=_read(results, posterior, row, bodily),
    )


def judge(columns: Columns, posterior: Posterior, row: int) -> tuple[Posterior, Cloud]:
    """Return the posterior of one patient with what the body says of the results, and the members behind it."""
    asked = asked_of(columns, posterior, row)
    members, shown = anything(asked.person, ANYTHING, under=asked.under, seed=SEED)
    anybody = likelihood(asked.results, shown)
    by_findings = asked.findings + level(asked, members, anybody)
    drawn = _Drawn(asked, shown)
    rank = np.argsort(-(asked.before + by_findings), kind="stable")[:SETS]
    drawn.look(rank, FIRST_LOOK)
    promise = asked.before + np.logaddexp(np.nan_to_num(drawn.means(), nan=IMPOSSIBLE), by_findings)
    drawn.look(rank[np.argsort(-promise[rank], kind="stable")][:BEST], SECOND_LOOK)
    score, body = scores(asked, drawn.means(), by_findings)
    if drawn.effective(body) < ENOUGH:
        drawn.look(np.argsort(-body, kind="stable")[:LEADING], THIRD_LOOK)
    for power in WEAKER:
        drawn.power = power
        score, body = scores(asked, drawn.means(), asked.findings + level(asked, members, power * anybody))
        if drawn.effective(body) >= ENOUGH:
            break
    describes = np.exp(body - score.max()) / np.exp(score - score.max()).sum()
    cloud = Cloud(
        person=asked.person,
        results=asked.results,
        members=drawn.members(),
        of=drawn.of,
        alike=asked.alike,
        weight=drawn.weights(describes),
        log=drawn.power * drawn.log,
        power=drawn.power,
        shown=drawn.shown,
        describes=float(describes.sum()),
    )
    return replaced(asked.posterior, row, score), cloud


def _row_with(has: NDArray[np.bool_], which: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return for each set ("set cause") the number of the set that has only some of its causes."""
    bits = 1 << np.arange(has.shape[1])
    number = has @ bits
    row = np.empty(len(has), np.int64)
    row[number] = np.arange(len(has))
    found: NDArray[np.int64] = row[number & bits[which].sum()]
    return found


def _read(results: Results, posterior: Posterior, row: int, bodily: NDArray[np.bool_]) -> list[Read]:
    """Return which results the prior odds of which sets have read: those named by an entry until the one that held."""
    own = []
    for number in posterior.candidates[row]:
        cause = knowledge().causes[network().causes[number]]
        entries = cause.priors[: posterior.matched[row, number] + 1] if cause.id in causes() else ()
        own.append(frozenset[str]().union(*(results_in(one.when) for one in entries if one.when)) & results.keys())
    conditional = np.array([bool(tests) for tests in own])
    if not conditional.any():
        return []
    without = _row_with(posterior.sets, bodily & ~conditional)
    rows: dict[frozenset[str], list[NDArray[np.int64]]] = {}
    acting, which = np.unique(posterior.sets[:, conditional], axis=0, return_inverse=True)
    for place, has in enumerate(acting):
        tests = frozenset[str]().union(*(own[column] for column in np.flatnonzero(conditional)[has]))
        rows.setdefault(tests, []).append(np.flatnonzero(which == place))
    found = []
    for tests, parts in rows.items():
        sets = np.sort(np.concatenate(parts))
        if tests:
            found.append(Read({test: results[test] for test in sorted(tests)}, sets, without[sets]))
    return found


def unread(
    asked: Asked, mean: Callable[[Results], Numbers], anybody: Mapping[str, Numbers], power: float = 1.0
) -> Numbers:
    """Return the mean likelihood of each set ("set", log) of what its prior odds did not read.

    A result that prior odds have read is as probable in a set with their causes as in the same set without them. Where
    such a cause brings a result that is rare otherwise, that does not speak against the body.

    Parameters
    ----------
    mean : callable
        Mean likelihood of some results in the members of each set ("set", log).
    anybody : mapping of test to array [member]
        What is found in anybody.
    power : float
        [1] Of the likelihood, in `mean` as well.
    """
    found = mean(asked.results).copy()
    for results, sets, without in asked.read:
        read = mean(results)
        both = (read[sets] > IMPOSSIBLE) & (read[without] > IMPOSSIBLE)
        found[sets] -= np.where(both, read[sets] - read[without], 0)
    if asked.read:
        results = max((one.results for one in asked.read), key=len)
        usual, everybody = mean(results), power * likelihood(results, anybody)
        free = usual > IMPOSSIBLE
        free[np.concatenate([one.sets for one in asked.read])] = False
        rare = np.logaddexp.reduce((asked.before + usual)[free]) - np.logaddexp.reduce(asked.before[free])
        found += max(0.0, float(_log_mean(everybody[~np.isnan(everybody)]) - rare))
    return found


def scores(asked: Asked, means: Numbers, by_findings: Numbers) -> tuple[Numbers, Numbers]:
    """Return what speaks for each set, and the part of it in which the body describes the patient: "set" [log].

    Parameters
    ----------
    means : array [set]
        [log] Mean likelihood of the members of each set; NaN in sets that were not simulated, of which findings speak.
    by_findings : array [set]
        [log] What cited findings say, on the level of the likelihood.
    """
    complete = ~asked.has[:, ~asked.bodily].any(axis=1)
    unlike = np.where(complete & ~np.isnan(means), numbers()["unlike"], 1.0)
    with np.errstate(divide="ignore"):
        body = asked.before + np.log(1 - unlike) + np.nan_to_num(means, nan=IMPOSSIBLE)
        return np.logaddexp(body, asked.before + np.log(unlike) + by_findings), body


def level(asked: Asked, members: Members, log: Numbers) -> float:
    """Return what makes the chance of findings comparable with the density of results: both in anybody [log].

    Parameters
    ----------
    members : Members
        With any causes at all.
    log : array [member]
        How well they explain the results.
    """
    acting = np.zeros((len(log), len(network().causes) + 1), bool)
    column = np.array([*(network().causes.index(id) for id in causes()), -1])
    np.put_along_axis(acting, column[members.acting()], True, axis=1)
    alive = ~np.isnan(log)
    chance = told_of(acting[alive, :-1], asked.state, asked.same)
    return float(np.logaddexp.reduce(log[alive]) - np.logaddexp.reduce(chance))


def replaced(posterior: Posterior, row: int, score: Numbers) -> Posterior:
    """Return the posterior with other scores ("set", log) of one patient."""
    joint = np.exp(score - score.max())
    joint /= joint.sum()
    marginal, joints = posterior.marginal.copy(), posterior.joint.copy()
    joints[row] = joint
    marginal[row, posterior.candidates[row]] = joint @ posterior.sets.astype(float)
    return msgspec.structs.replace(posterior, marginal=marginal, joint=joints)


def _log_mean(logs: Numbers) -> float:
    return float(np.logaddexp.reduce(logs) - np.log(len(logs)))


class _Drawn:
    """Members of the sets of one patient, drawn in a few looks and kept together."""

    def __init__(self, asked: Asked, anybody: Mapping[str, Numbers]) -> None:
        self.asked = asked
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
        rows = np.unique(np.concatenate([self.asked.alike[which], *beside]))
        names = np.array(self.asked.names)
        sets = [tuple(names[self.asked.has[row]].tolist()) for row in rows]
        drawn = around(
            self.asked.person, sets, each=each, share=self.asked.share, under=self.asked.under, seed=SEED,
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
        return unread(self.asked, self._mean, self.anybody, self.power)

    def _mean(self, results: Results) -> Numbers:
        log = self.log if results is self.asked.results else likelihood(results, self.shown)
        found: Numbers = np.full(len(self.asked.has), np.nan)
        for row in np.unique(self.of):
            logs = self.power * log[self.of == row]
            logs = logs[~np.isnan(logs)]
            found[self.asked.alike == row] = _log_mean(logs) if len(logs) else IMPOSSIBLE
        return found

    def weights(self, chance: Numbers) -> Numbers:
        """Return the weights of members whose sets have some chances: "member"; they sum to one, or are all zero."""
        weight = np.zeros(len(self.log))
        for row in np.unique(self.of):
            mine = self.of == row
            logs = self.power * self.log[mine]
            if not np.isnan(logs).all():
                likely = np.nan_to_num(np.exp(logs - np.nanmax(logs)))
                weight[mine] = chance[self.asked.alike == row].sum() * likely / likely.sum()
        total = weight.sum()
        return weight / total if total > 0 else weight

    def effective(self, body: Numbers) -> float:
        """Return how many equally weighted members these are worth."""
        weight = self.weights(np.exp(body - body.max()))
        return float(1 / np.sum(weight**2)) if weight.any() else 0.0


def person_of(facts: Facts) -> Person:
    """Return people like a patient, as far as sex, age and weight are known."""
    person = anybody()
    if facts.sex is not None:
        person = msgspec.structs.replace(person, women=None, sex=facts.sex)
    if facts.age is not None:
        person = msgspec.structs.replace(person, age=min(max(facts.age, YOUNGEST), OLDEST))
    weight = facts.latest("body_weight")
    if weight is not None and weight.low is not None and weight.low == weight.high:
        person = msgspec.structs.replace(person, weight=f"{min(max(weight.low, 40.0), 140.0):g} kg")
    return person


def shares_of(columns: Columns, row: int) -> Numbers:
    """Return how often each form acts in this patient when its cause does: "form"."""
    share = np.zeros(len(forms()))
    for id in causes():
        own = forms_of(id)
        severity = knowledge().causes[id].severity
        group = next(
            (one.when for one in severity if not one.when or evaluate(one.when, columns)[row] == PRESENT), None
        )
        said = {one.phenotype: one.share for one in severity if one.when == group}
        share[own] = [said.get(forms()[form].phenotype, 0.0) for form in own] if said else 1 / len(own)
    return share


def acting_in(cloud: Cloud) -> dict[str, float]:
    """Return the weight of members on whom each cause acts."""
    acting = cloud.members.acting()
    found = {
        causes()[number]: float(cloud.weight[(acting == number).any(axis=1)].sum())
        for number in np.unique(acting[acting != NONE])
    }
    return dict(sorted(found.items(), key=lambda pair: -pair[1]))
