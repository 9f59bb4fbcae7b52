"""Causes and findings as a noisy-or network: how probable findings are under sets of causes, for many patients at once.

Nobody's last digits may depend on who else is computed. So sums run over arrays that lie in memory in the same order
for one patient and for many, and never through a product of matrices whose kind depends on how many there are.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from carnallite.assessment.facts import ABSENT, PRESENT
from carnallite.assessment.subsets import by_number, numbered
from carnallite.knowledge import knowledge

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    Reals = NDArray[np.float64]

_SURE = 1e-9
_POSSIBLE = 1e-12  # [1] a finding that nothing brings is kept just possible
_FACTORS = 16  # chances, none below `_POSSIBLE`, whose product is still a number
_TOGETHER = 8  # patients whose sets are weighed at once: they fit into the cache of a core


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


def told(candidates: NDArray[np.int64], state: NDArray[np.int8], which: NDArray[np.bool_]) -> Reals:
    """Return how probable some findings ("patient finding") are under each set of causes: "patient set" [log]."""
    size = candidates.shape[1]
    found: Reals = np.empty((len(state), 1 << size))
    for part in parts(len(state)):
        present, absent = (state[part] == PRESENT) & which[part], (state[part] == ABSENT) & which[part]
        found[part] = _absent(candidates[part], absent) + _present(candidates[part], present)
    return found.take(numbered(size), axis=1)


def _absent(candidates: NDArray[np.int64], absent: NDArray[np.bool_]) -> Reals:
    (spared, _), quiet = _alone(), np.log1p(-network().background)
    each = np.where(absent[:, None], spared[candidates], 0.0).sum(axis=2)
    return by_number(np.add, each, np.where(absent, quiet, 0.0).sum(axis=1))


def _present(candidates: NDArray[np.int64], present: NDArray[np.bool_]) -> Reals:
    net, found = network(), np.zeros((len(candidates), 1 << candidates.shape[1]))
    there, is_there = _listed(present)
    missed = np.where(is_there[:, :, None], 1 - net.strength.T[there[:, :, None], candidates[:, None]], 0.0)
    start = np.where(is_there, 1 - net.background[there], 0.0)
    for first in range(0, there.shape[1], _FACTORS):
        some = slice(first, first + _FACTORS)
        brought = 1 - by_number(np.multiply, missed[:, some], start[:, some])
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


def promise_of(prior: Reals, state: NDArray[np.int8], which: NDArray[np.bool_] | None = None) -> Reals:
    """Return what speaks for each cause alone, by all or some findings: "patient cause" [log]."""
    spared, brings = _alone()
    present, absent = state == PRESENT, state == ABSENT
    if which is not None:
        present, absent = present & which, absent & which
    found = logit(prior)
    for row, (there, missing) in enumerate(zip(present.astype(float), absent.astype(float), strict=True)):
        found[row] += brings @ there + spared @ missing
    return found


@cache
def _alone() -> tuple[Reals, Reals]:
    """Return what the absence and the presence of a finding say for each cause alone: "cause finding" [log]."""
    spared, background = np.log1p(-network().strength), network().background
    return spared, np.log(-np.expm1(spared + np.log1p(-background)) / background)


def against(prior: Reals, state: NDArray[np.int8], candidates: NDArray[np.int64], best: NDArray[np.bool_]) -> Reals:
    """Return how probable each cause is beside a set ("patient candidate") to which it is added: "patient cause"."""
    net, (spared, _) = network(), _alone()
    there, is_there = _listed(state == PRESENT)
    missed = np.where(best[:, None], 1 - net.strength.T[there[:, :, None], candidates[:, None]], 1.0)
    missed = (1 - net.background[there]) * np.multiply.reduce(missed, axis=2)
    with_it = np.maximum(1 - missed[:, :, None] * (1 - net.strength.T[there]), _POSSIBLE)
    gain = np.log(with_it / np.maximum(1 - missed, _POSSIBLE)[:, :, None])
    odds = logit(prior) + np.where(is_there[:, :, None], gain, 0.0).sum(axis=1)
    odds += np.where((state == ABSENT)[:, None], spared, 0.0).sum(axis=2)
    found: Reals = 1 / (1 + np.exp(-odds))
    return found


def parts(size: int) -> Iterable[slice]:
    """Yield slices of patients who are computed together; nobody's last digits depend on who they are."""
    return (slice(first, first + _TOGETHER) for first in range(0, size, _TOGETHER))


def logit(chance: Reals) -> Reals:
    """Return the logarithm of the odds of a chance [1]."""
    found: Reals = np.log(chance) - np.log1p(-chance)
    return found
