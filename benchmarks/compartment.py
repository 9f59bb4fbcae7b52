"""One compartment: what is infused spreads in a volume for each kilogram, and a level returns to a usual one.

.. math:: dC/dt = R(t) / (v w) - k (C - B)

From the last value on, with volume `v` [L/kg], rate `k` [1/h] and usual level `B` [mmol/L] the same in all patients:
those of least squares on the pairs of all other patients, with `k` from a fixed list and a volume that is not negative.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.optimize import nnls

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

RATES = np.geomspace(0.001, 1.0, 61)  # [1/h] that are tried


class Step(NamedTuple):
    """From one result to the next: time, first value, weight, and doses as begin, end and amount."""

    hours: float
    last: float
    weight: float
    given: tuple[tuple[float, float, float], ...]


class Compartment(NamedTuple):
    """What is the same in all patients: volume [L/kg], rate [1/h], usual level [mmol/L]."""

    volume: float
    rate: float
    usual: float

    def level(self, step: Step) -> float:
        """Return the level at the next result [mmol/L].

        >>> one = Compartment(volume=0.5, rate=1e-9, usual=0.9)
        >>> round(one.level(Step(10.0, 0.6, 80.0, ((0.0, 1.0, 8.0),))), 6)
        0.8
        """
        stays = np.exp(-self.rate * step.hours)
        rise = left_of(step, self.rate) / (self.volume * step.weight)
        return float(self.usual + (step.last - self.usual) * stays + rise)


def left_of(step: Step, rate: float) -> float:
    """Return what is left of all doses at the next result [mmol]; a dose that still runs counts as far as it ran in."""
    total = 0.0
    for begin, end, amount in step.given:
        until = min(end, step.hours)
        speed = amount / (end - begin)
        ran_in = -np.expm1(-rate * (until - begin)) / rate  # [h] of it is left when it ends
        total += speed * float(ran_in * np.exp(-rate * (step.hours - until)))
    return total


def fitted_to(steps: Sequence[Step], value: Numbers) -> Compartment:
    """Return the compartment that foretells values with least squared error.

    >>> one = Compartment(volume=0.4, rate=float(RATES[30]), usual=0.9)
    >>> some = [Step(h, 0.5 + h / 99, 70.0, ((1.0, 2.0, 8.0 + h),)) for h in (3.0, 6.0, 12.0, 24.0)]
    >>> again = fitted_to(some, np.array([one.level(step) for step in some]))
    >>> [round(number, 6) for number in again] == [round(number, 6) for number in one]
    True
    """
    found: list[tuple[float, Compartment]] = []
    for rate in RATES:
        stays = np.array([np.exp(-rate * step.hours) for step in steps])
        last = np.array([step.last for step in steps])
        rise = np.array([left_of(step, rate) / step.weight for step in steps])
        (usual, share), missed = nnls(np.column_stack([1 - stays, rise]), value - last * stays)
        found.append((missed, Compartment(1 / share if share > 0 else np.inf, float(rate), float(usual))))
    return min(found, key=lambda one: one[0])[1]


def left_out(steps: Sequence[Step], value: Numbers, stay: NDArray[np.int64]) -> tuple[Numbers, list[Compartment]]:
    """Return what is foretold of each value by the compartment of all other patients, and these compartments."""
    levels, made = np.full(len(value), np.nan), []
    for one in np.unique(stay):
        others = stay != one
        made.append(fitted_to([step for step, use in zip(steps, others, strict=True) if use], value[others]))
        for row in np.flatnonzero(~others):
            levels[row] = made[-1].level(steps[row])
    return levels, made
