"""Kinetic models fitted to simulated courses, as the studies fitted them to measured ones, and tracers."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

FIRST_GUESS = np.log([5.0, 20.0, 20.0, 5.0])  # [L/h, L, L, L/h] where the search begins; it ends where it must


@dataclass(frozen=True, slots=True)
class Compartments:
    """Clearance [L/h], central and peripheral volume [L], exchange between them [L/h]."""

    clearance: float
    central: float
    peripheral: float
    exchange: float


@dataclass(frozen=True, slots=True)
class Infusion:
    """A rate [mmol/h] that holds from each time [h] on."""

    times: Numbers
    rates: Numbers


def concentrations(model: Compartments, infusion: Infusion, times: Numbers) -> Numbers:
    """Return the rise of plasma concentration [mmol/L] at some times [h] after nothing.

    Examples
    --------
    >>> one = Compartments(5.0, 20.0, 20.0, 0.0)
    >>> steady = Infusion(np.array([0.0]), np.array([10.0]))
    >>> round(float(concentrations(one, steady, np.array([200.0]))[0]), 6)
    2.0
    """
    out, exchange = model.clearance / model.central, model.exchange / model.central
    matrix = np.array([[-out - exchange, model.exchange / model.peripheral],
                       [exchange, -model.exchange / model.peripheral]])  # fmt: skip
    values, vectors = np.linalg.eig(matrix)
    inverse = np.linalg.inv(vectors)
    result = np.zeros(len(times))
    amounts = np.zeros(2)
    edges = np.unique(np.r_[infusion.times, times, 0.0])
    for begin, until in pairwise(edges):
        rate = _at(infusion, begin)
        step = until - begin
        grown = np.array([step if abs(v) < 1e-12 else np.expm1(v * step) / v for v in values])
        entering = inverse @ np.array([rate, 0.0])
        amounts = (vectors @ (np.exp(values * step) * (inverse @ amounts) + grown * entering)).real
        result[times == until] = amounts[0] / model.central
    return result


def _at(infusion: Infusion, time: float) -> float:
    place = int(np.searchsorted(infusion.times, time, side="right")) - 1
    return float(infusion.rates[place]) if place >= 0 else 0.0


def compartments(times: Numbers, rises: Numbers, infusion: Infusion, *, number: int = 2) -> Compartments:
    """Return the compartments that fit rises of plasma concentration [mmol/L] best, by least squares."""
    from scipy.optimize import least_squares  # noqa: PLC0415  (heavy, and only needed here)

    def of(logs: Numbers) -> Compartments:
        full = np.exp(logs)
        return Compartments(*(full if number == 2 else [full[0], full[1], 1.0, 0.0]))

    def misses(logs: Numbers) -> Numbers:
        return concentrations(of(logs), infusion, times) - rises

    found = least_squares(misses, FIRST_GUESS[: 2 * number], xtol=1e-9, ftol=1e-9)
    return of(found.x)


def saturable(given: Numbers, absorbed: Numbers) -> tuple[float, float, float]:
    """Return maximum, half-saturation and linear share of absorption, by least squares.

    >>> x = np.array([1.0, 5.0, 10.0, 20.0, 40.0])
    >>> [round(one, 3) for one in saturable(x, 1.7 * x / (2.5 + x) + 0.07 * x)]
    [1.7, 2.5, 0.07]
    """
    from scipy.optimize import least_squares  # noqa: PLC0415

    def misses(p: Numbers) -> Numbers:
        curve: Numbers = p[0] * given / (p[1] + given) + p[2] * given - absorbed
        return curve

    scale = float(np.max(absorbed))
    found = least_squares(misses, [scale, float(np.median(given)), 0.0], bounds=([0, 1e-6, 0], np.inf))
    return float(found.x[0]), float(found.x[1]), float(found.x[2])


def tracer(
    times: Numbers, flows: Sequence[tuple[str, str, Callable[[float], float]]], *, until: float
) -> dict[str, float]:
    """Return where a tracer is at the end, as shares of what entered at the first time where the first flow begins.

    `flows` are origin, goal and rate [1/h] at a time. It follows the bulk, so it is linear; every step is exact for
    the rates at its middle.
    """
    from scipy.linalg import expm  # noqa: PLC0415

    places = list(dict.fromkeys(place for origin, to, _ in flows for place in (origin, to)))
    amounts = np.zeros(len(places))
    amounts[places.index(flows[0][0])] = 1.0
    edges = np.unique(np.append(times[times < until], until))
    for begin, end in pairwise(edges):
        matrix = np.zeros((len(places), len(places)))
        for origin, to, rate in flows:
            a, b, k = places.index(origin), places.index(to), rate((begin + end) / 2)
            matrix[a, a] -= k
            matrix[b, a] += k
        amounts = expm(matrix * (end - begin)) @ amounts
    return dict(zip(places, amounts.tolist(), strict=True))
