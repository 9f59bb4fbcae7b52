"""Errors that go together: what the body missed in a patient it misses again, the less the longer ago.

How much is alike, and for how long, was fitted to next values of intensive care (docs/reference/foretelling.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import stdtrit

from carnallite.assessment.cloud.history import LENGTH
from carnallite.assessment.cloud.weigh import TAILS, errors, numbers
from carnallite.physiology import population
from carnallite.physiology.measured import measures
from carnallite.physiology.timing import DAY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from carnallite.assessment.cloud.fit import Fit

    Numbers = NDArray[np.float64]

DRAWS = stdtrit(TAILS, (np.arange(30) + 0.5) / 30)  # errors of a test, in its spreads, at even chances


class Again(NamedTuple):
    """What members show later, moved by what they missed before.

    Attributes
    ----------
    centre : array [member, time]
        In the canonical unit of the test.
    spread : array [time]
        [log] Scale of the errors that are left.
    """

    centre: Numbers
    spread: Numbers

    def of(self, members: NDArray[np.bool_] | NDArray[np.int64]) -> Again:
        """Return some of the members."""
        return Again(self.centre[members], self.spread)

    def at(self, place: int) -> Again:
        """Return one of the times."""
        return Again(self.centre[:, place : place + 1], self.spread[place : place + 1])

    def measured(self) -> Numbers:
        """Return what a laboratory would print of each member, at even chances [member and draw, time]."""
        return np.concatenate([self.centre * np.exp(self.spread * step) for step in DRAWS])


def again(fit: Fit, test: str, shown: Numbers, hours: Sequence[float] | Numbers) -> Again:
    """Return what members show of a test some hours after the index [member, time], moved by what they missed.

    Parameters
    ----------
    shown : array [member, time]
        Of all members of the fit.
    hours : array [time]
        [h] After the index.
    """
    error = errors().get(test)
    spread = error.spread if error is not None else 0.0
    missed, times = _missed(fit, test)
    gains = [missed_again(times, hour, alike=numbers()["missed_alike"], memory=numbers()["missed_memory"] * DAY)
             for hour in np.asarray(hours, float)]  # fmt: skip
    moved = np.stack([missed @ gain for gain, _ in gains], axis=1) if len(times) else 0.0
    return Again(shown * np.exp(moved), spread * np.array([left for _, left in gains]))


def _missed(fit: Fit, test: str) -> tuple[Numbers, Numbers]:
    """Return by how much [log] each member missed each result, and when [h after the index] it was."""
    seen = [one for one in fit.history.seen if one.test == test and one.low > 0 and np.isfinite(one.high)]
    if not seen or test not in measures():
        return np.zeros((len(fit.members.number), 0)), np.zeros(0)
    course = population.columns(fit.course, [test])[test]
    at = [fit.course.place(one.time) for one in seen]
    value = np.log([(one.low + one.high) / 2 for one in seen])
    return value - np.log(course[:, at]), np.array([one.time - LENGTH for one in seen])


def missed_again(times: Numbers, hours: float, *, alike: float, memory: float) -> tuple[Numbers, float]:
    """Return which share of each error before is expected again, and which share of the spread is left.

    Parameters
    ----------
    times : array [result]
        [h] Of the results before.
    hours : float
        [h] Of what is foretold, on the same clock.
    alike : float
        [1] How much of an error is the same in a result at the same time.
    memory : float
        [h] In so long that part falls to 37 %.

    >>> gain, left = missed_again(np.array([0.0]), 0.0, alike=0.5, memory=24.0)
    >>> gain.round(3).tolist(), round(left, 3)
    ([0.5], 0.866)
    """
    together = alike * np.exp(-np.abs(times[:, None] - times) / memory) + (1 - alike) * np.eye(len(times))
    with_next = alike * np.exp(-np.abs(hours - times) / memory)
    gain: Numbers = np.asarray(np.linalg.solve(together, with_next), np.float64)
    return gain, float(np.sqrt(1 - with_next @ gain))
