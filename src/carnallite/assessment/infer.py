"""Which sets of causes explain a record, and how probable each is.

Every cause may act or not. Its prior odds come from what the record says about exposure, or from how common it is
where the patient was seen; pairs of causes that go together do so without being commoner. A finding is present if a
cause that acts produces it, or anyway (the background), each on its own: a noisy-or network. The posterior is computed
over all sets of the ten most promising causes, so causes compete and join as they do in people. What the body can show
of these sets is weighed in `carnallite.assessment.cloud`.
"""

from __future__ import annotations

import math
from functools import cache, lru_cache
from itertools import combinations
from typing import TYPE_CHECKING, Any, NamedTuple

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
_POSSIBLE = 1e-12  # [1] a finding that nothing brings is kept just possible
_FACTORS = 16  # chances, none below `_POSSIBLE`, whose product is still a number
_TOGETHER = 16  # patients whose sets are weighed at once: they fit into the cache of a core


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
    candidates = _promising(_promise(prior, state))
    odds = _odds(prior, candidates, _together(columns).T)
    joint, marginal = _weighed(prior, state, candidates, odds + _told(candidates, state, np.ones_like(state, bool)))
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
    missed = 1 - net.strength[posterior.candidates[row], column]
    return _products(missed, np.array(1 - net.background[column]))


@cache
def _sets(size: int) -> NDArray[np.bool_]:
    """Return all sets of `size` candidates, the empty one first, smaller ones before larger ones."""
    chosen = [group for count in range(size + 1) for group in combinations(range(size), count)]
    sets = np.zeros((len(chosen), size), dtype=bool)
    for row, group in enumerate(chosen):
        sets[row, list(group)] = True
    return sets


@cache
def _numbered(size: int) -> NDArray[np.int64]:
    """Return for each of all sets its number, which has a bit for each candidate."""
    found: NDArray[np.int64] = _sets(size) @ (1 << np.arange(size))
    return found


@cache
def _rows(size: int) -> NDArray[np.int64]:
    """Return which of all sets has each number."""
    return np.argsort(_numbered(size))


def _products(each: Reals, start: Reals) -> Reals:
    """Return for each set the product of what stands for its candidates ("... candidate"), and a start: "... set"."""
    return _over_sets(np.multiply, each, start)


def _over_sets(join: np.ufunc, each: NDArray[Any], start: NDArray[Any]) -> NDArray[Any]:
    return _by_number(join, each, start).take(_numbered(each.shape[-1]), axis=-1)


def _by_number(join: np.ufunc, each: NDArray[Any], start: NDArray[Any]) -> NDArray[Any]:
    """Return the same by the number of each set: those with a candidate follow those without it, joined with it."""
    size = each.shape[-1]
    found = np.empty((*each.shape[:-1], 1 << size), each.dtype)
    found[..., 0] = start
    for place in range(size):
        half = 1 << place
        join(found[..., :half], each[..., place, None], out=found[..., half : 2 * half])
    return found


@lru_cache(maxsize=4096)
def united(each: tuple[int, ...]) -> NDArray[np.int64]:
    """Return for each of all sets the bits that stand for any of its candidates: "set"; `each` holds those of each."""
    found = _over_sets(np.bitwise_or, np.array(each), np.array(0))
    found.flags.writeable = False
    return found


def _shares(joint: Reals) -> Reals:
    """Return how much falls to the sets that hold each candidate: "patient number" -> "patient candidate"."""
    found: Reals = np.empty((len(joint), joint.shape[1].bit_length() - 1))
    for place in reversed(range(found.shape[1])):
        has_not, has = joint[:, : 1 << place], joint[:, 1 << place :]
        found[:, place] = has.sum(axis=1)
        joint = has_not + has
    return found


def told_of(acting: NDArray[np.bool_], state: NDArray[np.int8], which: NDArray[np.bool_]) -> Reals:
    """Return how probable some findings are in people with known causes ("person cause"): "person" [log]."""
    present, absent = (state == PRESENT) & which, (state == ABSENT) & which
    brought = brought_of(acting)
    chance: Reals = np.log(brought[:, present]).sum(axis=1) + np.log1p(-brought[:, absent]).sum(axis=1)
    return chance


def brought_of(acting: NDArray[np.bool_]) -> Reals:
    """Return how probable each finding is in people with known causes ("person cause"): "person finding" [1]."""
    missed = acting.astype(float) @ np.log1p(-network().strength) + np.log1p(-network().background)
    brought: Reals = np.clip(-np.expm1(missed), _POSSIBLE, 1 - _POSSIBLE)
    return brought


def _told(candidates: NDArray[np.int64], state: NDArray[np.int8], which: NDArray[np.bool_]) -> Reals:
    """Return how probable some findings ("patient finding") are under each set of causes: "patient set" [log]."""
    size = candidates.shape[1]
    found: Reals = np.empty((len(state), 1 << size))
    for part in _parts(len(state)):
        present, absent = (state[part] == PRESENT) & which[part], (state[part] == ABSENT) & which[part]
        found[part] = _absent(candidates[part], absent) + _present(candidates[part], present)
    return found.take(_numbered(size), axis=1)


def _absent(candidates: NDArray[np.int64], absent: NDArray[np.bool_]) -> Reals:
    spared, quiet = np.log1p(-network().strength), np.log1p(-network().background)
    each = np.where(absent[:, None], spared[candidates], 0.0).sum(axis=2)
    return _by_number(np.add, each, np.where(absent, quiet, 0.0).sum(axis=1))


def _present(candidates: NDArray[np.int64], present: NDArray[np.bool_]) -> Reals:
    net, found = network(), np.zeros((len(candidates), 1 << candidates.shape[1]))
    there, is_there = _listed(present)
    missed = np.where(is_there[:, :, None], 1 - net.strength.T[there[:, :, None], candidates[:, None]], 0.0)
    start = np.where(is_there, 1 - net.background[there], 0.0)
    for first in range(0, there.shape[1], _FACTORS):
        some = slice(first, first + _FACTORS)
        brought = 1 - _by_number(np.multiply, missed[:, some], start[:, some])
        np.maximum(brought, _POSSIBLE, out=brought)
        found += np.log(np.multiply.reduce(brought, axis=1))
    return found


def _listed(has: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the findings that each patient has ("patient place"), and which places are taken."""
    count = has.sum(axis=1)
    taken = np.arange(count.max(initial=0)) < count[:, None]
    found = np.zeros(taken.shape, np.int64)
    found[taken] = np.nonzero(has)[1]
    return found, taken


def _parts(size: int) -> Iterable[slice]:
    """Yield slices of patients who are computed together; nobody's last digits depend on who they are."""
    return (slice(first, first + _TOGETHER) for first in range(0, size, _TOGETHER))


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
    candidates = _promising(np.logaddexp(_promise(prior, state), _promise(prior, state, ~doubted)))
    odds = _odds(prior, candidates, _together(columns)[:, rows].T)
    told = [_told(candidates, state, which) for which in (~doubted, doubted)]
    joint, marginal = _weighed(prior, state, candidates, odds + told[0] + told[1])
    mine = msgspec.structs.replace(mine, marginal=marginal, candidates=candidates, odds=odds, joint=joint)
    return Reconsidered(mine, *told)


def some(posterior: Posterior, rows: Sequence[int] | slice) -> Posterior:
    """Return the posterior of some patients."""
    of_all = [name for name in posterior.__struct_fields__ if name != "sets"]
    return msgspec.structs.replace(posterior, **{name: getattr(posterior, name)[rows] for name in of_all})


def alone(posterior: Posterior, row: int) -> Posterior:
    """Return the posterior of one patient, as of a population of one."""
    return some(posterior, slice(row, row + 1))


def among(posterior: Posterior, rows: Sequence[int], found: Posterior) -> Posterior:
    """Return the posterior of everybody with another one of some patients, by their rows."""
    changed = {name: getattr(posterior, name).copy() for name in ("marginal", "candidates", "odds", "joint")}
    for name, everybody in changed.items():
        everybody[rows] = getattr(found, name)
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
    number = _numbered(sets.shape[1])
    kept = int(which @ (1 << np.arange(sets.shape[1])))
    return np.asarray(_rows(sets.shape[1])[number & kept])


@cache
def _disorders() -> dict[str, tuple[str, ...]]:
    """Return the disorders of ions that each cause brings."""
    known = knowledge()
    return {
        id: tuple({*(clue.finding for clue in cause.clues if clue.finding.endswith(EPISODE)), *cause.brings})
        for id, cause in known.causes.items()
    }


def _promise(prior: Reals, state: NDArray[np.int8], which: NDArray[np.bool_] | None = None) -> Reals:
    """Return what speaks for each cause alone, by all or some findings: "patient cause" [log]."""
    spared, brings = _alone()
    present, absent = state == PRESENT, state == ABSENT
    if which is not None:
        present, absent = present & which, absent & which
    found = _logit(prior)
    for row, (there, missing) in enumerate(zip(present.astype(float), absent.astype(float), strict=True)):
        found[row] += brings @ there + spared @ missing
    return found


def _promising(promise: Reals) -> NDArray[np.int64]:
    """Return the causes that are weighed jointly, the most promising first: "patient candidate"."""
    return np.argsort(-promise, axis=1, kind="stable")[:, : min(_CANDIDATES, promise.shape[1])]


@cache
def _alone() -> tuple[Reals, Reals]:
    """Return what the absence and the presence of a finding say for each cause alone: "cause finding" [log]."""
    spared, background = np.log1p(-network().strength), network().background
    return spared, np.log(-np.expm1(spared + np.log1p(-background)) / background)


def _weighed(prior: Reals, state: NDArray[np.int8], candidates: NDArray[np.int64], score: Reals) -> tuple[Reals, Reals]:
    """Return joint and marginals of everybody, of what speaks for each set ("patient set", log).

    A cause that is not among the candidates is weighed alone against the best set, so that none is dropped.
    """
    sets, marginal = _sets(candidates.shape[1]), np.empty_like(prior)
    best = sets[score.argmax(axis=1)]
    for part in _parts(len(prior)):
        marginal[part] = _against(prior[part], state[part], candidates[part], best[part])
    joint, mine = normal(score)
    np.put_along_axis(marginal, candidates, mine, axis=1)
    return joint, marginal


def normal(score: Reals) -> tuple[Reals, Reals]:
    """Return how probable each set and each candidate is, of what speaks for each set ("patient set", log)."""
    joint = np.exp(score - score.max(axis=1, keepdims=True))
    joint /= joint.sum(axis=1, keepdims=True)
    return joint, _shares(joint.take(_rows(joint.shape[1].bit_length() - 1), axis=1))


def _against(prior: Reals, state: NDArray[np.int8], candidates: NDArray[np.int64], best: NDArray[np.bool_]) -> Reals:
    """Return how probable each cause is beside a set ("patient candidate") to which it is added: "patient cause"."""
    net, (spared, _) = network(), _alone()
    there, is_there = _listed(state == PRESENT)
    missed = np.where(best[:, None], 1 - net.strength.T[there[:, :, None], candidates[:, None]], 1.0)
    missed = (1 - net.background[there]) * np.multiply.reduce(missed, axis=2)
    with_it = np.maximum(1 - missed[:, :, None] * (1 - net.strength.T[there]), _POSSIBLE)
    gain = np.log(with_it / np.maximum(1 - missed, _POSSIBLE)[:, :, None])
    odds = _logit(prior) + np.where(is_there[:, :, None], gain, 0.0).sum(axis=1)
    odds += np.where((state == ABSENT)[:, None], spared, 0.0).sum(axis=2)
    found: Reals = 1 / (1 + np.exp(-odds))
    return found


def _odds(prior: Reals, candidates: NDArray[np.int64], together: NDArray[np.bool_]) -> Reals:
    """Return the prior odds of each set ("patient set", log): pairs go together, and no cause is commoner by that."""
    alone, size = np.take_along_axis(_logit(prior), candidates, axis=1), candidates.shape[1]
    place = np.full(prior.shape, -1)
    np.put_along_axis(place, candidates, np.arange(size)[None], axis=1)
    more, larger = np.zeros((len(prior), size, size)), []
    for number, pair in enumerate(_pairs()):
        own = np.sort(place[:, pair.causes], axis=1)
        rows = np.flatnonzero(together[:, number] & (own[:, 0] >= 0))
        if len(pair.causes) == 2:
            more[rows, own[rows, 0], own[rows, 1]] += pair.ratio
        else:
            larger += [_Larger(row, tuple(own[row].tolist()), pair.ratio) for row in rows.tolist()]
    _fit(alone, np.take_along_axis(prior, candidates, axis=1), more, larger)
    odds = _joined(alone, more).take(_numbered(size), axis=1)
    for one in larger:
        odds[one.row] += one.ratio * _holding(size, one.places)
    return odds


def _fit(alone: Reals, prior: Reals, more: Reals, larger: Sequence[_Larger]) -> None:
    """Change the odds of candidates alone so that each gets its own prior back, though pairs go together.

    Candidates that are in no pair are independent of all others and keep theirs.

    Parameters
    ----------
    alone, prior : "patient candidate"
        [log] and [1].
    more : "patient candidate candidate"
        [log] How much commoner two are together, the first before the second.
    larger : sequence of _Larger
    """
    linked = (more != 0).any(axis=1) | (more != 0).any(axis=2)
    for one in larger:
        linked[one.row, list(one.places)] = True
    for size in np.unique(linked.sum(axis=1)).tolist():
        rows = np.flatnonzero(linked.sum(axis=1) == size)
        if size:
            places = np.nonzero(linked[rows])[1].reshape(-1, size)
            extra = np.zeros((len(rows), 1 << size))
            for one in larger:
                if one.row in rows:
                    mine = int(np.searchsorted(rows, one.row))
                    own = np.searchsorted(places[mine], one.places).tolist()
                    extra[mine, _numbered(size)] += one.ratio * _holding(size, tuple(own))
            ends = rows[:, None], places
            both = more[rows[:, None, None], places[:, :, None], places[:, None]]
            alone[ends] = _alone_in(alone[ends], prior[ends], _joined(np.zeros(places.shape), both) + extra)


def _alone_in(given: Reals, prior: Reals, more: Reals) -> Reals:
    """Return odds of candidates alone with which each gets its own prior back: "patient candidate" [log].

    Parameters
    ----------
    more : "patient number"
        [log] How much commoner each set is than its candidates alone would say.
    """
    fitted, left = given.copy(), np.arange(len(given))
    for _ in range(_FITTINGS):
        odds = _by_number(np.add, fitted[left], np.array(0.0)) + more[left]
        chance = np.exp(odds - odds.max(axis=1, keepdims=True))
        now = _shares(chance) / chance.sum(axis=1, keepdims=True)
        is_off = np.abs(now - prior[left]).max(axis=1) >= _FITTED
        left, now = left[is_off], now[is_off]
        if not len(left):
            break
        fitted[left] += given[left] - _logit(now)
    return fitted


def _joined(alone: Reals, more: Reals) -> Reals:
    """Return the odds of each set by its number: what stands for its candidates and for two of them together."""
    size = alone.shape[1]
    found: Reals = np.zeros((len(alone), 1 << size))
    for place in range(size):
        half = 1 << place
        added = _by_number(np.add, more[:, :place, place], alone[:, place])
        np.add(found[:, :half], added, out=found[:, half : 2 * half])
    return found


class _Pair(NamedTuple):
    """Causes that go together, by their numbers, and how much commoner all of them are [log]."""

    causes: tuple[int, ...]
    ratio: float


class _Larger(NamedTuple):
    """More than two candidates of one patient that go together, by their places, and how much commoner they are."""

    row: int
    places: tuple[int, ...]
    ratio: float


@cache
def _pairs() -> tuple[_Pair, ...]:
    number = {id: row for row, id in enumerate(network().causes)}
    known = knowledge().pairs.values()
    return tuple(_Pair(tuple(number[id] for id in pair.causes), math.log(pair.odds_ratio)) for pair in known)


def _logit(chance: Reals) -> Reals:
    found: Reals = np.log(chance) - np.log1p(-chance)
    return found


@cache
def _holding(size: int, places: tuple[int, ...]) -> Reals:
    """Return which sets hold all of some candidates: 1 or 0."""
    return _sets(size)[:, list(places)].all(axis=1).astype(float)
