"""How good foretold distributions are: absolute error of the middle, logarithmic score, and the share within 90 %.

Every method foretells the logarithm of a value as a mixture of t distributions of equal weight about some centres:
members have one centre each, other methods a single one. The width is a given one, or the one that is likeliest on
all other stays. What is fitted to data is fitted to one half of the stays and used in the other half.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, stdtr

from carnallite.assessment.cloud.again import missed_again

Numbers = NDArray[np.float64]
Whole = NDArray[np.int64]

TAILS = 4  # degrees of freedom, as the errors of results have in the weights
WIDTHS = np.geomspace(0.01, 0.6, 60)  # [log] that are tried
WITHIN = (0.05, 0.95)
ALIKE = (0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)  # [1] that are tried
MEMORY = tuple(24.0 * days for days in (0.5, 1, 1.5, 2, 3, 5, 7, 14, 30))  # [h] that are tried


class Forecast(NamedTuple):
    """Distributions of some values.

    Attributes
    ----------
    centres : array [value, centre]
        [log mmol/L]; NaN where there are fewer.
    width : array [value]
        [log] Scale of the t distribution about each centre.
    """

    centres: Numbers
    width: Numbers


class Score(NamedTuple):
    """How a method did, by value.

    Attributes
    ----------
    error : array [value]
        [mmol/L] Absolute, of the middle.
    log : array [value]
        [nat] Logarithm of the density [L/mmol] at what was measured; higher is better.
    within : array [value]
        [1] Whether the value lies within the middle 90 %.
    above : array [value]
        [mmol/L] By how much the middle lies above the value.
    """

    error: Numbers
    log: Numbers
    within: Numbers
    above: Numbers


def scored(forecast: Forecast, value: Numbers) -> Score:
    """Return how far a forecast was from what was measured [mmol/L].

    >>> one = Forecast(np.log([[4.0]]), np.array([0.1]))
    >>> scored(one, np.array([4.0])).error.tolist(), scored(one, np.array([9.0])).within.tolist()
    ([0.0], [0.0])
    """
    middle = np.exp(np.nanmedian(forecast.centres, axis=1))
    below = np.nanmean(stdtr(TAILS, _standard(forecast, value)), axis=1)
    inside = (below >= WITHIN[0]) & (below <= WITHIN[1])
    return Score(np.abs(middle - value), density(forecast, value), inside.astype(float), middle - value)


def density(forecast: Forecast, value: Numbers) -> Numbers:
    """Return the logarithm of the density [L/mmol] of each value."""
    each = log_t(_standard(forecast, value))
    count = np.isfinite(forecast.centres).sum(axis=1)
    total = np.logaddexp.reduce(np.where(np.isfinite(each), each, -np.inf), axis=1)
    found: Numbers = total - np.log(count) - np.log(forecast.width) - np.log(value)
    return found


def _standard(forecast: Forecast, value: Numbers) -> Numbers:
    found: Numbers = (np.log(value)[:, None] - forecast.centres) / forecast.width[:, None]
    return found


def log_t(z: Numbers) -> Numbers:
    """Return the logarithm of the density of the t distribution."""
    constant = gammaln((TAILS + 1) / 2) - gammaln(TAILS / 2) - np.log(TAILS * np.pi) / 2
    found: Numbers = constant - (TAILS + 1) / 2 * np.log1p(z**2 / TAILS)
    return found


# what is fitted to data ---------------------------------------------------------------------------------------------
def left_out_width(centres: Numbers, value: Numbers, stay: Whole) -> Numbers:
    """Return for each value the width that is likeliest on all stays but its own."""
    each = np.stack([density(Forecast(centres, np.full(len(value), width)), value) for width in WIDTHS], axis=1)
    own, place = np.unique(stay, return_inverse=True)
    by_stay = np.zeros((len(own), len(WIDTHS)))
    np.add.at(by_stay, place, each)
    best = (by_stay.sum(axis=0) - by_stay).argmax(axis=1)
    found: Numbers = WIDTHS[best][place]
    return found


def crossed(features: Numbers, target: Numbers, half: NDArray[np.bool_]) -> Numbers:
    """Return what least squares, fitted to each half, foretells in the other.

    >>> crossed(np.arange(8.0)[:, None], 2 * np.arange(8.0) + 1, np.arange(8) % 2 == 0).round(6).tolist()[:3]
    [1.0, 3.0, 5.0]
    """
    design = np.column_stack([np.ones(len(features)), features])
    found = np.full(len(target), np.nan)
    for fit, use in ((half, ~half), (~half, half)):
        if fit.sum() > design.shape[1]:
            found[use] = design[use] @ np.linalg.lstsq(design[fit], target[fit], rcond=None)[0]
    return found


# errors that go together --------------------------------------------------------------------------------------------
class Errors(NamedTuple):
    """How errors of a test go together: `alike` [1], `memory` [h], `spread` [log], and the log score by value."""

    alike: float
    memory: float
    spread: float
    log: Numbers


def likeliest(missed: Sequence[Numbers], hours: Numbers, middle: Numbers, value: Numbers) -> Errors:
    """Return the numbers under which held-back values were likeliest, about the middle of the members.

    Parameters
    ----------
    missed : sequence of array [result, 2]
        [h, log] When results before were missed by how much, for each value.
    hours, middle, value : array [value]
        [h], [log mmol/L], [mmol/L]
    """
    found = [_likely(missed, hours, middle, value, (alike, memory)) for alike in ALIKE for memory in MEMORY]
    return max(found, key=lambda one: float(one.log.sum()))


def _likely(
    missed: Sequence[Numbers], hours: Numbers, middle: Numbers, value: Numbers, numbers: tuple[float, float]
) -> Errors:
    centre, left = middle.copy(), np.ones(len(value))
    for row, before in enumerate(missed):
        gain, left[row] = missed_again(before[:, 0], hours[row], alike=numbers[0], memory=numbers[1])
        centre[row] += gain @ before[:, 1]
    logs = [density(Forecast(centre[:, None], width * left), value) for width in WIDTHS]
    best = int(np.argmax([one.sum() for one in logs]))
    return Errors(*numbers, float(WIDTHS[best]), logs[best])


# how sure -----------------------------------------------------------------------------------------------------------
def interval(values: Numbers, stay: Whole, *, seed: int, draws: int = 2000) -> tuple[float, float, float]:
    """Return the mean and 95 % of the means over stays that are drawn again with all their values.

    >>> interval(np.ones(6), np.arange(6), seed=1, draws=50)
    (1.0, 1.0, 1.0)
    """
    if not len(values):
        return float("nan"), float("nan"), float("nan")
    own, place = np.unique(stay, return_inverse=True)
    total, count = np.bincount(place, values), np.bincount(place)
    chosen = np.random.default_rng(seed).multinomial(len(own), np.full(len(own), 1 / len(own)), size=draws)
    means = (chosen @ total) / (chosen @ count)
    low, high = np.quantile(means, (0.025, 0.975))
    return float(values.mean()), float(low), float(high)
