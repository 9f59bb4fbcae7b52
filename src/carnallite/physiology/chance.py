"""Numbers that differ between people and depend on seed, person and purpose alone: no state, no order, no clock."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np

from carnallite.physiology.body import BLOCK

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray

    Numbers = NDArray[np.float64]

# Steele, Lea and Flood 2014, Fast splittable pseudorandom number generators (splitmix64)
_STEP, _FIRST, _SECOND = (np.uint64(n) for n in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))
_BITS = 53  # of a double


def uniform(seed: int, purpose: str, people: Sequence[int] | NDArray[np.int64]) -> Numbers:
    """Return one number between 0 and 1, never either, for each person, who are told by their numbers.

    >>> alone = uniform(7, "person.age", [3])
    >>> bool(alone[0] == uniform(7, "person.age", range(5))[3])
    True
    """
    digest = blake2b(f"{seed}|{purpose}".encode(), digest_size=8).digest()
    mixed = (np.asarray(people, np.uint64) + np.uint64(1)) * _STEP
    mixed += np.uint64(int.from_bytes(digest, "little"))
    mixed = (mixed ^ (mixed >> np.uint64(30))) * _FIRST
    mixed = (mixed ^ (mixed >> np.uint64(27))) * _SECOND
    mixed ^= mixed >> np.uint64(31)
    return ((mixed >> np.uint64(64 - _BITS)).astype(np.float64) + 0.5) * 2.0**-_BITS


def normal(seed: int, purpose: str, people: Sequence[int] | NDArray[np.int64]) -> Numbers:
    """Return one standard normal number for each person."""
    from scipy.special import ndtri  # noqa: PLC0415  (only where people are drawn)

    drawn: Numbers = ndtri(uniform(seed, purpose, people))
    return drawn


def in_blocks(function: Callable[..., Numbers], *given: ArrayLike) -> Numbers:
    """Return a function of arrays, computed in whole blocks: a vector loop then rounds alike for everybody.

    >>> in_blocks(np.exp, np.zeros(3))
    array([1., 1., 1.])
    """
    arrays = np.broadcast_arrays(*given)
    count = arrays[0].size
    room = -count % BLOCK
    return function(*(np.concatenate([array, np.repeat(array[-1:], room)]) for array in arrays))[:count]
