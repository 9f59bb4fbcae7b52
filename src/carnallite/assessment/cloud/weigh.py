"""How well members explain the results of a patient: heavy tails, results as intervals, missing ones left out."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr

from carnallite import datafile, quantity
from carnallite.physiology.scenario import Spread
from carnallite.quantity import Cited

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

TAILS = 4  # degrees of freedom of the distribution of errors; `student` is written for them
NARROW = 0.2  # a result is an interval of at least so many standard deviations: it was rounded


class Error(Cited, frozen=True, kw_only=True):
    """How far a result may lie from what a member shows."""

    spread: float  # SD of the logarithm


class Disputed(Cited, frozen=True, kw_only=True):
    """The range of a parameter that is disputed, in its own unit."""

    mean: str
    sd: str
    low: str
    high: str


class Weights(quantity.Numbers, frozen=True, kw_only=True):
    """The content of ``weights.toml``."""

    disputed: dict[str, Disputed]
    tests: dict[str, Error]


@cache
def weights() -> Weights:
    """Return the data of the inference."""
    return datafile.read(Path(__file__).with_name("weights.toml"), Weights)


@cache
def numbers() -> dict[str, float]:
    """Return every number of the inference, in its own unit."""
    return {id: one.value for id, one in weights().numbers.items()}


@cache
def disputed() -> dict[str, str | Spread]:
    """Return how members differ in what nobody knows, by parameter of the body."""
    known = weights().disputed
    return {id: Spread(mean=one.mean, sd=one.sd, low=one.low, high=one.high) for id, one in known.items()}


def errors() -> dict[str, Error]:
    """Return the error of every test that is used as evidence."""
    return weights().tests


def likelihood(results: Mapping[str, tuple[float, float]], shown: Mapping[str, Numbers]) -> Numbers:
    """Return the logarithm of the chance of all results for each member, relative to none; NaN in the dead.

    Parameters
    ----------
    results : mapping of test to (low, high)
        In canonical units; either may be infinite, which is a result below or above a limit.
    shown : mapping of test to array [member]
    """
    total: Numbers = np.zeros(len(next(iter(shown.values()))))
    for test, (low, high) in results.items():
        total = total + chance(test, low, high, shown[test])
    return total


def relative(log: Numbers) -> Numbers:
    """Return weights that sum to one, of logarithms; who has NaN gets nothing.

    >>> relative(np.log([1.0, 3.0])).tolist()
    [0.25, 0.75]
    """
    likely = np.nan_to_num(np.exp(log - np.nanmax(log)))
    found: Numbers = likely / likely.sum()
    return found


def worth(weight: Numbers) -> float:
    """Return how many equally weighted members some weights are worth.

    >>> worth(np.array([0.5, 0.5, 0.0]))
    2.0
    """
    total = float(np.sum(weight**2))
    return 1 / total if total > 0 else 0.0


def student(t: Numbers) -> Numbers:
    r"""Return the chance of a value below `t` where errors have heavy tails: Student's t with 4 degrees of freedom.

    .. math:: F(-|t|) = \frac{d^2 (3 - d)}{4}, \quad d = 1 - \frac{|t|}{\sqrt{4 + t^2}}

    It is exact, keeps its digits in the far tail, and is many times as fast as the general one.

    >>> student(np.array([-np.inf, 0.0, 2.7764451]))
    array([0.   , 0.5  , 0.975])
    """
    size = np.abs(t)
    root = np.sqrt(4.0 + size * size)
    rest = 4.0 / (root * (root + size))
    tail: Numbers = rest * rest * (3.0 - rest) / 4.0
    return np.where(t <= 0, tail, 1.0 - tail)


def limits(test: str, low: float, high: float, left: float = 1.0) -> tuple[float, float]:
    """Return between which logarithms a result lies, in units of the spread of its error; `left` as in `chance`."""
    spread = left * errors()[test].spread
    least = math.log(low) / spread - NARROW / 2 if low > 0 else -math.inf
    return least, math.log(high) / spread + NARROW / 2 if high > 0 else -math.inf


def chance(test: str, low: float, high: float, shown: Numbers, left: float = 1.0, *, heavy: bool = True) -> Numbers:
    """Return the logarithm of the chance of one result for each member.

    Parameters
    ----------
    left : float
        [1] Share of the spread of its errors that is left when earlier ones are known.
    heavy : bool
        Whether errors have heavy tails: a result may be plainly wrong. Without them it must be shown.
    """
    below = student if heavy else ndtr
    least, most = limits(test, low, high, left)
    with np.errstate(divide="ignore", invalid="ignore"):
        centre = np.log(shown) / (left * errors()[test].spread)
        upper, lower = most - centre, least - centre
    flip = lower > 0  # the far tail keeps its digits on the lower side
    found = below(np.where(flip, -lower, upper)) - below(np.where(flip, -upper, lower))
    logarithm: Numbers = np.log(np.maximum(found, 1e-300))
    return np.where(np.isnan(shown), np.nan, logarithm)
