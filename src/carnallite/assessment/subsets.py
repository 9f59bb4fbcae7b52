"""All sets of a few candidates: what each comes to, by doubling, and what falls to each candidate.

A set has a number, with a bit for each candidate, and a place: the empty one first, smaller ones before larger ones.
Arrays have the sets last, by place unless they say "number".
"""

from __future__ import annotations

from functools import cache, lru_cache
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Reals = NDArray[np.float64]
    Whole = NDArray[np.int64]


@cache
def all_sets(size: int) -> NDArray[np.bool_]:
    """Return all sets of `size` candidates, the empty one first, smaller ones before larger ones."""
    chosen = [group for count in range(size + 1) for group in combinations(range(size), count)]
    sets = np.zeros((len(chosen), size), dtype=bool)
    for row, group in enumerate(chosen):
        sets[row, list(group)] = True
    return sets


@cache
def numbered(size: int) -> NDArray[np.int64]:
    """Return for each of all sets its number, which has a bit for each candidate."""
    found: NDArray[np.int64] = all_sets(size) @ (1 << np.arange(size))
    return found


@cache
def rows_of(size: int) -> NDArray[np.int64]:
    """Return which of all sets has each number."""
    return np.argsort(numbered(size))


@cache
def members(size: int) -> Reals:
    """Return which candidates each of all sets holds: 1 or 0."""
    return all_sets(size).astype(float)


@cache
def holding(size: int, places: tuple[int, ...]) -> Reals:
    """Return which sets hold all of some candidates: 1 or 0."""
    return all_sets(size)[:, list(places)].all(axis=1).astype(float)


def by_number(join: np.ufunc, each: NDArray[Any], start: NDArray[Any]) -> NDArray[Any]:
    """Return for each set, by number, a start joined with what stands for each of its candidates.

    Sets with a candidate follow those without it, so each half comes from the one before.

    Parameters
    ----------
    each : array [..., candidate]
    start : array [...]

    >>> by_number(np.add, np.array([1.0, 10.0]), np.array(0.0)).tolist()
    [0.0, 1.0, 10.0, 11.0]
    """
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
    found = by_number(np.bitwise_or, np.array(each), np.array(0))[numbered(len(each))]
    found.flags.writeable = False
    return found


def reduced(sets: NDArray[np.bool_], which: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return for each of all sets ("set cause") the number of the set that has only some of its causes."""
    number = numbered(sets.shape[1])
    kept = int(which @ (1 << np.arange(sets.shape[1])))
    return np.asarray(rows_of(sets.shape[1])[number & kept])


def normal(score: Reals) -> tuple[Reals, Reals]:
    """Return how probable each set and each candidate is, of what speaks for each set ("patient set", log)."""
    joint = np.exp(score - score.max(axis=1, keepdims=True))
    joint /= joint.sum(axis=1, keepdims=True)
    return joint, shares(joint.take(rows_of(joint.shape[1].bit_length() - 1), axis=1))


def shares(joint: Reals) -> Reals:
    """Return how much falls to the sets that hold each candidate: "patient number" -> "patient candidate"."""
    found: Reals = np.empty((len(joint), joint.shape[1].bit_length() - 1))
    for place in reversed(range(found.shape[1])):
        has_not, has = joint[:, : 1 << place], joint[:, 1 << place :]
        found[:, place] = has.sum(axis=1)
        joint = has_not + has
    return found
