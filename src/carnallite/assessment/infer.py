"""Which sets of causes explain a record, and how probable each is.

Every cause may act or not. Its prior odds come from what the record says about exposure, or from how common it is
where the patient was seen; pairs of causes that go together do so without being commoner. A finding is present if a
cause that acts produces it, or anyway (the background), each on its own: a noisy-or network. The posterior is computed
over all sets of the ten most promising causes, so causes compete and join as they do in people. What the body can show
of these sets is weighed in `carnallite.assessment.cloud`.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from carnallite.assessment.columns import Columns, evaluate, finding
from carnallite.assessment.facts import ABSENT, PRESENT
from carnallite.assessment.network import against, network, parts, promise_of, told
from carnallite.assessment.odds import odds_of
from carnallite.assessment.subsets import all_sets, members, normal, reduced
from carnallite.knowledge import knowledge

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from carnallite.knowledge import Prior

    Reals = NDArray[np.float64]

EPISODE = "_episode"  # with it ends the name of a finding that an ion was out of range in the last days
_CANDIDATES = 10


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
    sets = all_sets(min(_CANDIDATES, len(net.causes)))
    candidates = _promising(promise_of(prior, state))
    odds = odds_of(prior, candidates, _together(columns).T)
    joint, marginal = _weighed(prior, state, candidates, odds + told(candidates, state, np.ones_like(state, bool)))
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
    spared = np.log1p(-net.strength[posterior.candidates[row], column])
    chance: Reals = (1 - net.background[column]) * np.exp(members(len(spared)) @ spared)
    return chance


class Reconsidered(NamedTuple):
    """The posterior of some patients, and what their findings say under each set of causes: "patient set" [log].

    Attributes
    ----------
    posterior : Posterior
    sure, doubted : array [patient, set]
        How probable the findings are that are not doubted, and those that are.
    """

    posterior: Posterior
    sure: Reals
    doubted: Reals


def reconsidered(
    columns: Columns, posterior: Posterior, rows: Sequence[int], doubted: NDArray[np.bool_]
) -> Reconsidered:
    """Return the posterior of some patients, among causes that are promising with or without some findings.

    Where the body speaks of results, what findings say of them must not have dropped a cause before.

    Parameters
    ----------
    doubted : array [patient, finding]
        Findings that may be wrong, of these patients.
    """
    mine = some(posterior, rows)
    prior, state = mine.prior, mine.state
    candidates = _promising(np.logaddexp(promise_of(prior, state), promise_of(prior, state, ~doubted)))
    odds = odds_of(prior, candidates, _together(columns)[:, rows].T)
    sure, unsure = (told(candidates, state, which) for which in (~doubted, doubted))
    joint, marginal = _weighed(prior, state, candidates, odds + sure + unsure)
    mine = msgspec.structs.replace(mine, marginal=marginal, candidates=candidates, odds=odds, joint=joint)
    return Reconsidered(mine, sure, unsure)


def some(posterior: Posterior, rows: Sequence[int] | slice) -> Posterior:
    """Return the posterior of some patients."""
    of_all = [name for name in posterior.__struct_fields__ if name != "sets"]
    return msgspec.structs.replace(posterior, **{name: getattr(posterior, name)[rows] for name in of_all})


def alone(posterior: Posterior, row: int) -> Posterior:
    """Return the posterior of one patient, as of a population of one."""
    return some(posterior, slice(row, row + 1))


def among(posterior: Posterior, found: Iterable[tuple[Sequence[int], Posterior]]) -> Posterior:
    """Return the posterior of everybody with other ones of some patients, by their rows."""
    changed = {name: getattr(posterior, name).copy() for name in ("marginal", "candidates", "odds", "joint")}
    for rows, theirs in found:
        for name, everybody in changed.items():
            everybody[rows] = getattr(theirs, name)
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


@cache
def _disorders() -> dict[str, tuple[str, ...]]:
    """Return the disorders of ions that each cause brings."""
    known = knowledge()
    return {
        id: tuple({*(clue.finding for clue in cause.clues if clue.finding.endswith(EPISODE)), *cause.brings})
        for id, cause in known.causes.items()
    }


def _promising(promise: Reals) -> NDArray[np.int64]:
    """Return the causes that are weighed jointly, the most promising first: "patient candidate"."""
    return np.argsort(-promise, axis=1, kind="stable")[:, : min(_CANDIDATES, promise.shape[1])]


def _weighed(prior: Reals, state: NDArray[np.int8], candidates: NDArray[np.int64], score: Reals) -> tuple[Reals, Reals]:
    """Return joint and marginals of everybody, of what speaks for each set ("patient set", log).

    A cause that is not among the candidates is weighed alone against the best set, so that none is dropped.
    """
    sets, marginal = all_sets(candidates.shape[1]), np.empty_like(prior)
    best = sets[score.argmax(axis=1)]
    for part in parts(len(prior)):
        marginal[part] = against(prior[part], state[part], candidates[part], best[part])
    joint, mine = normal(score)
    np.put_along_axis(marginal, candidates, mine, axis=1)
    return joint, marginal
