"""Axes: which numbers and dates stand at the ticks, and where a value lies on paper."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_STEPS = (
    *((count * _HOUR) for count in (1, 2, 3, 6, 12)),
    *((count * _DAY) for count in (1, 2, 4, 7, 14)),
)
_NAMES = (
    "Jan",
    "Feb",
    "Mar",
    "Apr",
    "May",
    "Jun",
    "Jul",
    "Aug",
    "Sep",
    "Oct",
    "Nov",
    "Dec",
)  # whatever the locale
_MONTHS = (1, 2, 3, 6, 12, 24, 60, 120)


class Scale(msgspec.Struct, frozen=True):
    """A straight line from values to places: `low` lies at `start`, `high` at `end` [px]."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return the place of a value, held inside the axis."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)


class TimeScale(msgspec.Struct, frozen=True):
    """A straight line from moments to places [px]."""

    first: datetime
    last: datetime
    start: float
    end: float

    def __call__(self, time: datetime) -> float:
        """Return the place of a moment, held inside the axis."""
        share = (min(max(time, self.first), self.last) - self.first) / (self.last - self.first)
        return round(self.start + share * (self.end - self.start), 1)


class Tick(msgspec.Struct, frozen=True):
    """A mark on the axis of time: where, and what stands below it in two lines."""

    time: datetime
    label: str
    below: str


def number_ticks(low: float, high: float, count: int = 4) -> tuple[list[float], int]:
    """Return round numbers between two ends, about `count` of them, and the decimals that they need.

    >>> number_ticks(0.28, 1.05)
    ([0.4, 0.6, 0.8, 1.0], 1)
    >>> number_ticks(45, 190)
    ([50.0, 100.0, 150.0], 0)
    """
    raw = (high - low) / count
    size = 10.0 ** math.floor(math.log10(raw))
    step = min((factor * size for factor in (1, 2, 5, 10)), key=lambda one: abs(math.log(one / raw)))
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(number * step, 10) for number in range(first, last + 1)], decimals


def time_ticks(first: datetime, last: datetime, count: int = 8) -> list[Tick]:
    """Return at most `count` ticks at round moments; the year stands below where it changes."""
    moments = next(
        (found for found in _candidates(first, last) if len(found) <= count),
        [first],
    )
    ticks: list[Tick] = []
    is_by_hour = len(moments) > 1 and moments[1] - moments[0] < _DAY
    for moment in moments:
        day = f"{moment.day} {_NAMES[moment.month - 1]}"
        label = f"{moment:%H:%M}" if is_by_hour else day
        below = f"{day} {moment.year}" if is_by_hour else f"{moment.year}"
        ticks.append(Tick(moment, label, below if not ticks or below != _below(ticks) else ""))
    return ticks


def _below(ticks: list[Tick]) -> str:
    return next((tick.below for tick in reversed(ticks) if tick.below), "")


def _candidates(first: datetime, last: datetime) -> Iterator[list[datetime]]:
    """Yield the ticks of ever longer steps."""
    for step in _STEPS:
        if (last - first) / step < 50:
            yield _regular(first, last, step)
    for months in _MONTHS:
        yield _monthly(first, last, months)


def _regular(first: datetime, last: datetime, step: timedelta) -> list[datetime]:
    origin = datetime(1970, 1, 5, tzinfo=UTC)  # a Monday
    number = math.ceil((first - origin) / step)
    found = []
    while origin + number * step <= last:
        found.append(origin + number * step)
        number += 1
    return found


def _monthly(first: datetime, last: datetime, months: int) -> list[datetime]:
    found = []
    for number in range(first.year * 12 // months, (last.year * 12 + 12) // months + 1):
        year, month = divmod(number * months, 12)
        moment = datetime(year, month + 1, 1, tzinfo=UTC)
        if first <= moment <= last:
            found.append(moment)
    return found
