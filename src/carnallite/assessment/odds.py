"""Prior odds of sets of causes: pairs go together, and no cause is commoner by that."""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from carnallite.assessment.network import logit, network
from carnallite.assessment.subsets import by_number, holding, numbered, shares
from carnallite.knowledge import knowledge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Reals = NDArray[np.float64]

_FITTINGS = 8  # rounds at most in which each cause gets its own prior back
_FITTED = 2e-4  # [1] error of a prior at which no further round is needed


def odds_of(prior: Reals, candidates: NDArray[np.int64], together: NDArray[np.bool_]) -> Reals:
    """Return the prior odds of each set ("patient set", log): pairs go together, and no cause is commoner by that."""
    alone, size = np.take_along_axis(logit(prior), candidates, axis=1), candidates.shape[1]
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
    odds = _joined(alone, more).take(numbered(size), axis=1)
    for one in larger:
        odds[one.row] += one.ratio * holding(size, one.places)
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
                    extra[mine, numbered(size)] += one.ratio * holding(size, tuple(own))
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
        odds = by_number(np.add, fitted[left], np.array(0.0)) + more[left]
        chance = np.exp(odds - odds.max(axis=1, keepdims=True))
        now = shares(chance) / chance.sum(axis=1, keepdims=True)
        is_off = np.abs(now - prior[left]).max(axis=1) >= _FITTED
        left, now = left[is_off], now[is_off]
        if not len(left):
            break
        fitted[left] += given[left] - logit(now)
    return fitted


def _joined(alone: Reals, more: Reals) -> Reals:
    """Return the odds of each set by its number: what stands for its candidates and for two of them together."""
    size = alone.shape[1]
    found: Reals = np.zeros((len(alone), 1 << size))
    for place in range(size):
        half = 1 << place
        added = by_number(np.add, more[:, :place, place], alone[:, place])
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
