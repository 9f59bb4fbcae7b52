"""What many records say: the numbers and yes-no facts that expressions in data files ask for, for everybody at once.

A number is an interval (low, high); unknown is (-inf, inf). A fact is 0 absent, 1 unknown, 2 present.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from carnallite.assessment import illness, measured, treated
from carnallite.assessment.events import limit
from carnallite.assessment.illness import Illness
from carnallite.assessment.measured import Measured
from carnallite.assessment.treated import Treated

if TYPE_CHECKING:
    from collections.abc import Callable

    from carnallite.assessment.events import Bounds, Numbers, Truth
    from carnallite.assessment.sources import Source

T = TypeVar("T")
_RECENT = (  # how old a level may be [h], by where patients are seen; the first that fits
    (("ward", "emergency", "intensive care"), "recent_level_ward"),
    (("outpatient",), "recent_level_outpatient"),
)
_OF_RESULTS = frozenset({"unreadable", "recent_level", "lately_low", "lately_high"})
NUMBERS = frozenset({*measured.NUMBERS, *treated.NUMBERS, *illness.NUMBERS})
NAMED = frozenset({*treated.NAMED, *illness.NAMED, *_OF_RESULTS, "drawn_under"})


class Everyone:
    """What the records of some patients say, asked by the functions of the expression language."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.size = source.size
        self.measured = Measured(source)
        self.treated = Treated(source)
        self.illness = Illness(source)
        self._numbers: dict[tuple[str, str], Bounds] = {}
        self._truths: dict[tuple[str, ...], Truth] = {}
        self._kept: dict[str, Any] = {}

    def kept(self, name: str, make: Callable[[], T]) -> T:
        """Return what is made of these records once, and kept under a name."""
        if name not in self._kept:
            self._kept[name] = make()
        found: T = self._kept[name]
        return found

    def numbers(self, kind: str, name: str) -> Bounds:
        """Return the bounds of a number for everybody."""
        found = self._numbers.get((kind, name))
        if found is None:
            found = self._numbers[kind, name] = self._bounds(kind, name)
        return found

    def truth(self, *key: str) -> Truth:
        """Return a fact for everybody."""
        found = self._truths.get(key)
        if found is None:
            found = self._truths[key] = self._fact(*key)
        return found

    def _bounds(self, kind: str, name: str) -> Bounds:
        if name == "age":
            ages, unknown = self.source.ages, np.isnan(self.source.ages)
            return np.where(unknown, -np.inf, ages), np.where(unknown, np.inf, ages)
        if kind in measured.NUMBERS:
            return measured.NUMBERS[kind](self.measured, name)
        if kind in treated.NUMBERS:
            return treated.NUMBERS[kind](self.treated, name)
        return illness.NUMBERS[kind](self.illness, name)

    def _fact(self, function: str, name: str, *more: str) -> Truth:
        if function == "taking_by":
            return self.treated.taking(name, *more)
        if function in treated.NAMED:
            return treated.NAMED[function](self.treated, name)
        if function in illness.NAMED:
            return illness.NAMED[function](self.illness, name)
        if function == "drawn_under":
            one = self.measured.latest("serum_magnesium")
            return self.treated.drawn_under(name, one, self.measured.events.time[one.which])
        return self._of_results(function, name)

    def _of_results(self, function: str, name: str) -> Truth:
        if function == "unreadable":
            return self.measured.unreadable(name)
        if function == "recent_level":
            return self.measured.recent_level(name, self._level_counts)
        if function.startswith("lately_"):
            return self.measured.lately(name, function.removeprefix("lately_"))
        return self.measured.is_remarked(name, function.removeprefix("remark_"))

    @cached_property
    def _level_counts(self) -> Numbers:
        """Return for how long a level counts for a drug on a steady dose, by where everybody is seen [h]."""
        seen = [self.illness.is_seen(settings) for settings, _ in _RECENT]
        return np.select(seen, [limit(id) for _, id in _RECENT], limit("recent_level_unknown"))
