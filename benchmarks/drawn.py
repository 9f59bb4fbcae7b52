"""Patients drawn at random as columns: every result, drug and diagnosis that an expression asks for, at its edges.

They are no people: what is asked of them is drawn on its own, missing, bounded or exact, near the thresholds as often
as far from them, so that every line of the safety table meets every other.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np

from carnallite.assessment import Columns
from carnallite.assessment.sources import Timelines
from carnallite.knowledge import knowledge
from carnallite.quantity import analytes
from carnallite.record import Observation

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]
    Bounds = tuple[Numbers, Numbers]
    Truth = NDArray[np.int8]

MISSING, BOUNDED, AT_AN_EDGE = 0.25, 0.1, 0.4  # chances of a result
PRESENT, UNKNOWN = 0.08, 0.1  # chances of a fact; only whether a drug is taken can be unknown
OF_DRUGS = frozenset({"taking", "taking_by", "exposed"})
FLAT = {"days_on": (0.0, 2000.0), "days_with": (0.0, 400.0), "dose_of": (0.0, 200.0), "rise": (-3.0, 3.0)}


class Drawn(Columns):
    """So many patients; the same seed and name give the same column, whatever was asked before."""

    def __init__(self, seed: int, count: int) -> None:
        super().__init__(Timelines([]))
        self.seed, self.size = seed, count
        self.people = People(self)  # type: ignore[assignment]
        self._numbers: dict[tuple[str, str], Bounds] = {}
        self._truths: dict[tuple[str, ...], Truth] = {}

    def numbers(self, kind: str, name: str) -> Bounds:
        if (kind, name) not in self._numbers:
            self._numbers[kind, name] = self._fill(kind, name)
        return self._numbers[kind, name]

    def truth(self, *key: str) -> Truth:
        if key not in self._truths:
            self._truths[key] = self._ask(*key)
        return self._truths[key]

    def _chance(self, *key: str) -> np.random.Generator:
        digest = blake2b("|".join(key).encode(), digest_size=8).digest()
        return np.random.default_rng([self.seed, int.from_bytes(digest)])

    def _fill(self, kind: str, name: str) -> Bounds:
        if kind == "reference":
            usual = analytes()[name].reference(sex=None, age=None)
            low = -np.inf if usual is None or usual.low is None else usual.low
            high = np.inf if usual is None or usual.high is None else usual.high
            return np.full(self.size, low), np.full(self.size, high)
        if kind in {"current", "highest", "lowest", "reported"}:
            return self._related(kind, name)
        chance = self._chance(kind, name)
        if name == "age":
            years = chance.uniform(0, 100, self.size)
            return self._with_gaps(years, years, chance, missing=0.05)
        low, high = FLAT.get(kind) or _range(name)
        values = np.exp(chance.uniform(np.log(max(low, 1e-6)), np.log(max(high, 2e-6)), self.size))
        if kind in FLAT:
            values = chance.uniform(low, high, self.size)
        edges = _edges(name) if kind == "value" else []
        if edges:
            near = chance.choice(edges, self.size) * chance.choice([1 - 1e-9, 1.0, 1 + 1e-9, 0.98, 1.02], self.size)
            values = np.where(chance.random(self.size) < AT_AN_EDGE, near, values)
        return self._with_gaps(values, values, chance)

    def _with_gaps(self, low: Numbers, high: Numbers, chance: np.random.Generator, missing: float = MISSING) -> Bounds:
        kind = chance.random(self.size)
        gone = kind < missing
        below = (kind >= missing) & (kind < missing + BOUNDED / 2)
        above = (kind >= missing + BOUNDED / 2) & (kind < missing + BOUNDED)
        return np.where(gone | below, -np.inf, low), np.where(gone | above, np.inf, high)

    def _related(self, kind: str, name: str) -> Bounds:
        """Return what a function of the newest result gives: itself, nothing, or one beside it that is worse."""
        low, high = self.numbers("value", name)
        chance = self._chance(kind, name)
        if kind == "current":
            old = chance.random(self.size) < 0.2
            return np.where(old, -np.inf, low), np.where(old, np.inf, high)
        other = chance.random(self.size) < 0.1
        shift = {"highest": chance.uniform(1.0, 1.5, self.size), "lowest": chance.uniform(0.6, 1.0, self.size)}.get(
            kind
        )
        if shift is None:
            return low, high
        return np.where(other, low * shift, low), np.where(other, high * shift, high)

    def _ask(self, function: str, *names: str) -> Truth:
        chance = self._chance(function, *names).random(self.size)
        unknown = UNKNOWN if function in OF_DRUGS else 0.0
        return np.where(chance < PRESENT, 2, np.where(chance < PRESENT + unknown, 1, 0)).astype(np.int8)


class People:
    """Who the columns are of, one by one."""

    def __init__(self, columns: Drawn) -> None:
        self.columns = columns

    def __len__(self) -> int:
        return self.columns.size

    def __getitem__(self, row: int) -> Person:
        return Person(self.columns, row)


class Person:
    """What plans ask of one record, answered by the columns: results without a date, no history of anything."""

    def __init__(self, columns: Drawn, row: int) -> None:
        self.columns, self.row = columns, row

    @property
    def age(self) -> float | None:
        low, high = (float(one[self.row]) for one in self.columns.numbers("value", "age"))
        return low if low == high else None

    def latest(self, quantity: str, *, preliminary: bool = False) -> Observation | None:
        return self._drawn("value", quantity)

    def worst(self, quantity: str, level: str) -> Observation | None:
        return self._drawn("highest" if level == "high" else "lowest", quantity)

    def _drawn(self, kind: str, quantity: str) -> Observation | None:
        low, high = (float(one[self.row]) for one in self.columns.numbers(kind, quantity))
        if np.isinf(low) and np.isinf(high):
            return None
        ends = {"low": None if np.isinf(low) else low, "high": None if np.isinf(high) else high}
        return Observation(
            quantity=quantity, time=None, where="drawn", basis="number" if low == high else "censored", **ends
        )

    def extreme(self, quantity: str, level: str) -> None:
        """No result of the last days lies beyond the newest."""

    def conditions(self, id: str) -> tuple[()]:
        return ()

    exposures = conditions

    def taking(self, group: str) -> int:
        return int(self.columns.truth("taking", group)[self.row])


def _range(name: str) -> tuple[float, float]:
    usual = analytes()[name].reference(sex=None, age=None)
    low = usual.low if usual is not None and usual.low else None
    high = usual.high if usual is not None and usual.high else None
    if low is None and high is None:
        return 1e-2, 1e3
    return (low or (high or 1.0) / 10) / 4, (high or (low or 1.0) * 10) * 4


def _edges(name: str) -> list[float]:
    """Return the thresholds in the unit of a quantity that may be meant for it: all of them."""
    unit = analytes()[name].unit
    low, high = _range(name)
    return [one.value for one in knowledge().thresholds.values() if one.unit == unit and low <= one.value <= high]
