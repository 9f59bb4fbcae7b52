"""Which sets of causes explain a record, and how probable each is.

Every cause may act or not. Its prior odds come from what the record says about exposure; a finding is present if
a cause that acts produces it, or anyway (the background), each on its own: a noisy-or network. The posterior is
computed over all sets of up to four of the most probable causes, so causes compete and join as they do in people.
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
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from carnallite.knowledge import Prior

    Reals = NDArray[np.float64]

_CANDIDATES = 10
_LARGEST_SET = 4
_CHUNK = 64
_SURE = 1e-9


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
    known = knowledge()
    pairs = [chosen_prior(known.causes[id].priors, columns) for id in net.causes]
    prior = np.clip(np.stack([pair[0] for pair in pairs], axis=1), 1e-7, 1 - 1e-6)
    matched = np.stack([pair[1] for pair in pairs], axis=1)
    state = np.stack([finding(id, columns) for id in net.findings], axis=1)
    sets = _sets(min(_CANDIDATES, len(net.causes)))
    parts = [
        _posterior(prior[start : start + _CHUNK], state[start : start + _CHUNK], sets)
        for start in range(0, columns.size, _CHUNK)
    ]
    marginal, candidates, joint = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Posterior(prior, marginal, matched, candidates, sets, joint, state)


@cache
def _sets(size: int) -> NDArray[np.bool_]:
    """Return all sets of up to four of `size` candidates, the empty one first."""
    chosen = [group for count in range(_LARGEST_SET + 1) for group in combinations(range(size), count)]
    sets = np.zeros((len(chosen), size), dtype=bool)
    for row, group in enumerate(chosen):
        sets[row, list(group)] = True
    return sets


def _posterior(
    prior: Reals, state: NDArray[np.int8], sets: NDArray[np.bool_]
) -> tuple[Reals, NDArray[np.int64], Reals]:
    """Return marginals, candidates and joint of one chunk of patients."""
    net = network()
    present, absent = state == PRESENT, state == ABSENT
    odds = np.log(prior) - np.log1p(-prior)
    spared = np.log1p(-net.strength)  # log chance that a cause does not produce a finding
    against = absent.astype(float) @ spared.T
    combined = 1 - (1 - net.background) * (1 - net.strength)
    speaks = present.astype(float) @ np.log(combined / net.background).T
    # Causes are promising when they explain something that is there; absent findings count against them.
    promise = odds + against + speaks
    size = sets.shape[1]
    candidates = np.argsort(-promise, axis=1, kind="stable")[:, :size]
    width = max(int(present.sum(axis=1).max(initial=0)), 1)
    order = np.argsort(~present, axis=1, kind="stable")[:, :width]  # present findings first
    real = np.take_along_axis(present, order, axis=1)
    quiet = np.log1p(-net.background)[order]
    chances = spared[candidates[:, :, None], order[:, None, :]]
    missed = np.einsum("sc,pcf->psf", sets.astype(float), chances) + quiet[:, None, :]
    explained = np.log(-np.expm1(np.minimum(missed, -1e-12)))
    score = (explained * real[:, None, :]).sum(axis=2)
    weight = np.take_along_axis(odds + against, candidates, axis=1)
    score += weight @ sets.T.astype(float)
    score -= score.max(axis=1, keepdims=True)
    joint = np.exp(score)
    joint /= joint.sum(axis=1, keepdims=True)
    marginal = np.zeros_like(prior)
    np.put_along_axis(marginal, candidates, joint @ sets.astype(float), axis=1)
    return marginal, candidates, joint
