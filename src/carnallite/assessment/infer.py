"""Which sets of causes explain a record, and how probable each is.

Every cause may act or not. Its prior odds come from what the record says about exposure, or from how common it is
where the patient was seen; pairs of causes that go together do so without being commoner. A finding is present if a
cause that acts produces it, or anyway (the background), each on its own: a noisy-or network. The posterior is computed
over all sets of the ten most promising causes, so causes compete and join as they do in people. What the body can show
of these sets is weighed in `carnallite.assessment.cloud`.
"""

from __future__ import annotations

from functools import cache
from itertools import combinations
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from carnallite.assessment.columns import Columns, evaluate, finding
from carnallite.assessment.facts import ABSENT, PRESENT
from carnallite.knowledge import knowledge

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from carnallite.knowledge import Prior

    Reals = NDArray[np.float64]

EPISODE = "_episode"  # with it ends the name of a finding that an ion was out of range in the last days
_CANDIDATES = 10
_SURE = 1e-9
_FITTINGS = 8  # rounds at most in which each cause gets its own prior back
_FITTED = 2e-4  # [1] error of a prior at which no further round is needed
_CERTAIN = -1e-12  # [log] a finding that nothing brings is kept just possible


class Network(msgspec.Struct, frozen=True):
    """Causes and findings as matrices.

    Attributes
    ----------
    causes, findings : tuple of str
        Their ids, in the order of rows and columns.
    strength : "cause finding"
        [1] Chance that a cause, acting alone, produces a finding.
    background : "finding"
        [1] Chance of a finding when no cause acts.
    """

    causes: tuple[str, ...]
    findings: tuple[str, ...]
    strength: Reals
    background: Reals


class Posterior(msgspec.Struct, frozen=True):
    """The answer for everybody.

    Attributes
    ----------
    prior, marginal : "patient cause"
        [1] Chance that a cause acts, before and after the findings.
    matched : "patient cause"
        Which prior entry of the cause applied.
    candidates : "patient candidate"
        The causes that were weighed jointly, most promising first.
    sets : "set candidate"
        Which candidates each set holds.
    odds : "patient set"
        [log] Prior odds of each set, relative to none of the causes.
    joint : "patient set"
        [1] Probability of each set.
    state : "patient finding"
        0 absent, 1 unknown, 2 present.
    """

    prior: Reals
    marginal: Reals
    matched: NDArray[np.int64]
    candidates: NDArray[np.int64]
    sets: NDArray[np.bool_]
    odds: Reals
    joint: Reals
    state: NDArray[np.int8]


@cache
def network() -> Network:
    """Return the network that the data files describe."""
    known = knowledge()
    causes = tuple(known.causes)
    told = {clue.finding for cause in known.causes.values() for clue in cause.clues}
    findings = tuple(id for id in known.findings if id in told)
    column = {id: number for number, id in enumerate(findings)}
    strength = np.zeros((len(causes), len(findings)))
    for row, id in enumerate(causes):
        for clue in known.causes[id].clues:
            strength[row, column[clue.finding]] = min(clue.probability, 1 - _SURE)
    background = np.array([known.findings[id].background.probability for id in findings])
    return Network(causes, findings, strength, np.clip(background, 1e-6, 1 - _SURE))


def chosen_prior(priors: Iterable[Prior], columns: Columns) -> tuple[Reals, NDArray[np.int64]]:
    """Return for everybody the probability of the first entry that holds, and which one it was."""
    probability = np.zeros(columns.size)
    matched = np.full(columns.size, -1)
    for number, prior in enumerate(priors):
        holds = evaluate(prior.when, columns) == PRESENT if prior.when else np.ones(columns.size, bool)
        new = holds & (matched < 0)
        probability[new], matched[new] = prior.probability, number
    return probability, matched


def infer(columns: Columns) -> Posterior:
    """Return the joint posterior over sets of causes for everybody.

    Raises
    ------
    DataFileError
        An expression of a data file is wrong.
    """
    net = network()
    prior, matched = _priors(columns)
    state = np.stack([finding(id, columns) for id in net.findings], axis=1)
    sets = _sets(min(_CANDIDATES, len(net.causes)))
    together = _together(columns)
    # One patient after the other: nobody's last digits may depend on who else is computed.
    every = np.ones(len(net.findings), bool)
    parts = [
        _posterior(prior[row], state[row], sets, together[:, row], _promise(prior[row], state[row], every))
        for row in range(columns.size)
    ]
    marginal, candidates, odds, joint = (np.stack(column) for column in zip(*parts, strict=True))
    return Posterior(prior, marginal, matched, candidates, sets, odds, joint, state)


def _priors(columns: Columns) -> tuple[Reals, NDArray[np.int64]]:
    """Return how probable each cause is before any finding, and which entry of its file said so."""
    known, where = knowledge(), settings_of(columns)
    rates = {name: {one.cause: one.probability for one in setting.causes} for name, setting in known.settings.items()}
    found = [prior_where(id, known.causes[id].priors, rates, where, columns) for id in network().causes]
    probabilities, entries = zip(*found, strict=True)
    return np.clip(np.stack(probabilities, axis=1), 1e-7, 1 - 1e-6), np.stack(entries, axis=1)


def prior_where(
    id: str,
    priors: Sequence[Prior],
    rates: Mapping[str, Mapping[str, float]],
    where: Mapping[str, NDArray[np.bool_]],
    columns: Columns,
) -> tuple[Reals, NDArray[np.int64]]:
    """Return what `chosen_prior` does, but where nothing is recorded how common it is where each patient is seen.

    Parameters
    ----------
    rates : mapping of setting to mapping of id to float
        [1] What replaces the last entry, the one without `when`.
    where : mapping of setting to array [patient]
        Who is in each, as `settings_of` says it.
    """
    probability, matched = chosen_prior(priors, columns)
    open_ = matched == len(priors) - 1 if not priors[-1].when else np.zeros(columns.size, bool)
    for setting, inside in where.items():
        if id in rates[setting]:
            probability = np.where(open_ & inside, rates[setting][id], probability)
            open_ &= ~inside
    return probability, matched


def settings_of(columns: Columns) -> dict[str, NDArray[np.bool_]]:
    """Return who is in each setting, the one that speaks first coming first."""
    found = {}
    for id, setting in sorted(knowledge().settings.items(), key=lambda pair: pair[1].rank):
        inside = columns.everyone.illness.is_seen(setting.encounters)
        if setting.when:
            inside |= evaluate(setting.when, columns) == PRESENT
        found[id] = inside
    return found


def _together(columns: Columns) -> NDArray[np.bool_]:
    """Return for which patients each pair adds something: "pair patient"."""
    return columns.everyone.kept("together", lambda: _adding(columns))


def _adding(columns: Columns) -> NDArray[np.bool_]:
    told = [pair.told_when for pair in knowledge().pairs.values()]
    return np.array(
        [evaluate(when, columns) != PRESENT if when else np.ones(columns.size, bool) for when in told]
    ).reshape(len(told), columns.size)


def unexplained(posterior: Posterior, row: int, finding: str) -> Reals:
    """Return for each set of causes the chance that neither it nor the background brings a finding: "set"."""
    net = network()
    column = net.findings.index(finding)
    spared = _spared()[posterior.candidates[row], column]
    chance: Reals = (1 - net.background[column]) * np.exp(posterior.sets.astype(float) @ spared)
    return chance


@cache
def _sets(size: int) -> NDArray[np.bool_]:
    """Return all sets of `size` candidates, the empty one first, smaller ones before larger ones."""
    chosen = [group for count in range(size + 1) for group in combinations(range(size), count)]
    sets = np.zeros((len(chosen), size), dtype=bool)
    for row, group in enumerate(chosen):
        sets[row, list(group)] = True
    return sets


@cache
def _spared() -> Reals:
    """Return the log chance that a cause, acting, does not produce a finding: "cause finding"."""
    return np.log1p(-network().strength)


def told(posterior: Posterior, row: int, which: NDArray[np.bool_]) -> Reals:
    """Return how probable some findings are under each set of causes: "set" [log]."""
    state, candidates = posterior.state[row], posterior.candidates[row]
    return _told(posterior.sets.astype(float), _spared()[candidates], state, which)


def told_of(acting: NDArray[np.bool_], state: NDArray[np.int8], which: NDArray[np.bool_]) -> Reals:
    """Return how probable some findings are in people with known causes ("person cause"): "person" [log]."""
    return _told(acting.astype(float), _spared(), state, which)


def _told(has: Reals, spared: Reals, state: NDArray[np.int8], which: NDArray[np.bool_]) -> Reals:
    quiet = np.log1p(-network().background)
    present, absent = (state == PRESENT) & which, (state == ABSENT) & which
    missed = np.minimum(has @ spared[:, present] + quiet[present], _CERTAIN)
    chance: Reals = np.log(-np.expm1(missed)).sum(axis=1) + (has @ spared[:, absent] + quiet[absent]).sum(axis=1)
    return chance


def reconsidered(columns: Columns, posterior: Posterior, row: int, doubted: NDArray[np.bool_]) -> Posterior:
    """Return the posterior of one patient alone, among causes that are promising with or without some findings.

    Where the body speaks of results, what findings say of them must not have dropped a cause before.

    Parameters
    ----------
    doubted : array [finding]
        Findings that may be wrong.
    """
    prior, state = posterior.prior[row], posterior.state[row]
    promise = np.logaddexp(_promise(prior, state, np.ones(len(state), bool)), _promise(prior, state, ~doubted))
    found = _posterior(prior, state, posterior.sets, _together(columns)[:, row], promise)
    marginal, candidates, odds, joint = (one[None] for one in found)
    mine = alone(posterior, row)
    return msgspec.structs.replace(mine, marginal=marginal, candidates=candidates, odds=odds, joint=joint)


def alone(posterior: Posterior, row: int) -> Posterior:
    """Return the posterior of one patient, as of a population of one."""
    of_all = [name for name in posterior.__struct_fields__ if name != "sets"]
    return msgspec.structs.replace(posterior, **{name: getattr(posterior, name)[row : row + 1] for name in of_all})


def among(posterior: Posterior, found: Mapping[int, Posterior]) -> Posterior:
    """Return the posterior of everybody with other ones of some patients, by their rows."""
    changed = {}
    for name in ("marginal", "candidates", "odds", "joint"):
        changed[name] = getattr(posterior, name).copy()
        for row, mine in found.items():
            changed[name][row] = getattr(mine, name)[0]
    return msgspec.structs.replace(posterior, **changed)


def to_disorders(columns: Columns, posterior: Posterior, rows: Iterable[int]) -> Posterior:
    """Return the posterior over causes of disorders that these patients have or may have.

    A blocker of aldosterone may act while potassium is low; a cause of that it is not.
    """
    joint, marginal = posterior.joint.copy(), posterior.marginal.copy()
    absent = {id: finding(id, columns) == ABSENT for id in set().union(*_disorders().values())}
    none = np.zeros(columns.size, bool)
    idle = np.stack(
        [np.all([absent[one] for one in ids], axis=0) if ids else none for ids in _disorders().values()], axis=1
    )
    for row in rows:
        place = reduced(posterior.sets, ~idle[row, posterior.candidates[row]])
        joint[row] = np.bincount(place, weights=joint[row], minlength=len(place))
        marginal[row, idle[row]] = 0
    return msgspec.structs.replace(posterior, marginal=marginal, joint=joint)


def likely_in(columns: Columns, posterior: Posterior, row: int) -> dict[str, float]:
    """Return the probability [1] of each cause of a disorder that one patient has or may have."""
    marginal = to_disorders(columns, posterior, [row]).marginal[row]
    return dict(zip(network().causes, marginal.tolist(), strict=True))


def reduced(sets: NDArray[np.bool_], which: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return for each of all sets ("set cause") the number of the set that has only some of its causes."""
    bits = 1 << np.arange(sets.shape[1])
    number = sets @ bits
    row = np.empty(len(sets), np.int64)
    row[number] = np.arange(len(sets))
    found: NDArray[np.int64] = row[number & bits[which].sum()]
    return found


@cache
def _disorders() -> dict[str, tuple[str, ...]]:
    """Return the disorders of ions that each cause brings."""
    known = knowledge()
    return {
        id: tuple({*(clue.finding for clue in cause.clues if clue.finding.endswith(EPISODE)), *cause.brings})
        for id, cause in known.causes.items()
    }


def _promise(prior: Reals, state: NDArray[np.int8], which: NDArray[np.bool_]) -> Reals:
    """Return what speaks for each cause alone, by some findings: "cause" [log]."""
    spared, background = _spared(), network().background
    present, absent = (state == PRESENT) & which, (state == ABSENT) & which
    missed = spared[:, present] + np.log1p(-background[present])
    promise: Reals = np.log(prior) - np.log1p(-prior) + spared[:, absent].sum(axis=1)
    promise += np.log(-np.expm1(missed) / background[present]).sum(axis=1)
    return promise


def _posterior(
    prior: Reals, state: NDArray[np.int8], sets: NDArray[np.bool_], together: NDArray[np.bool_], promise: Reals
) -> tuple[Reals, NDArray[np.int64], Reals, Reals]:
    """Return marginals, candidates, prior odds of the sets and joint of one patient.

    All sets of the most promising causes are weighed. A cause that is not among them is weighed alone against the
    best set, so that none is dropped.
    """
    net, spared = network(), _spared()
    present, absent = state == PRESENT, state == ABSENT
    alone = np.log(prior) - np.log1p(-prior)
    there, quiet = spared[:, present], np.log1p(-net.background[present])
    order = np.argsort(-promise, kind="stable")
    candidates, others = order[: sets.shape[1]], order[sets.shape[1] :]
    before = _odds(prior, candidates, sets, together)
    everything = np.ones(len(state), bool)
    score = before + _told(sets.astype(float), spared[candidates], state, everything)
    joint = np.exp(score - score.max())
    joint /= joint.sum()
    marginal = np.zeros_like(prior)
    marginal[candidates] = joint @ sets.astype(float)
    best = sets[score.argmax()].astype(float) @ there[candidates] + quiet
    gain = np.log(-np.expm1(np.minimum(best + there[others], _CERTAIN)) / -np.expm1(np.minimum(best, _CERTAIN)))
    odds = (alone + spared[:, absent].sum(axis=1))[others]
    marginal[others] = 1 / (1 + np.exp(-(odds + gain.sum(axis=1))))
    return marginal, candidates, before, joint


def _odds(prior: Reals, candidates: NDArray[np.int64], sets: NDArray[np.bool_], together: NDArray[np.bool_]) -> Reals:
    """Return the prior odds of each set ("set", log): pairs go together, and no cause is commoner by that."""
    alone, has = (np.log(prior) - np.log1p(-prior))[candidates], sets.astype(float)
    odds: Reals = has @ alone
    place = {network().causes[number]: column for column, number in enumerate(candidates)}
    is_paired = False
    for pair, holds in zip(knowledge().pairs.values(), together, strict=True):
        columns = [place[id] for id in pair.causes if id in place]
        if holds and len(columns) == len(pair.causes):
            odds[sets[:, columns].all(axis=1)] += np.log(pair.odds_ratio)
            is_paired = True
    for _ in range(_FITTINGS if is_paired else 0):
        chance = np.exp(odds - odds.max())
        now = chance @ has / chance.sum()
        if np.abs(now - prior[candidates]).max() < _FITTED:
            break
        odds += has @ (alone - np.log(now) + np.log1p(-now))
    odds -= odds[0]
    return odds
