"""When something happens in a scenario: texts of times and clocks -> hours from time zero."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from carnallite.errors import ScenarioError, UnitError
from carnallite.physiology import dimension

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from carnallite.physiology.scenario import Dose, Period, Sampling, Scenario

    Numbers = NDArray[np.float64]

Windows = tuple[tuple[float, float], ...]
DAY = 24.0
MOST = 100_000  # repeats of one dose, or samples: beyond that it is a slip of the pen


def hours(text: str, where: str) -> float:
    """Return a written time [h].

    >>> hours("3 d", "length"), hours("-30 min", "at")
    (72.0, -0.5)
    """
    try:
        return dimension.number(text, "h")
    except UnitError:
        raise ScenarioError(where, f"'{text}' is no time.", "Write it like '3 d', '8 h' or '30 min'.") from None


def clock(text: str, where: str) -> float:
    """Return a clock time as hours after midnight.

    >>> clock("22:30", "daily")
    22.5
    """
    found = re.fullmatch(r"(\d{1,2}):(\d\d)", text)
    if not found or int(found[1]) >= DAY or int(found[2]) >= 60:
        raise ScenarioError(where, f"'{text}' is no clock time.", "Write it like '22:00'.")
    return int(found[1]) + int(found[2]) / 60


@dataclass(frozen=True, slots=True)
class Span:
    """The time that a scenario takes [h]: from `start` (not after zero) to `end`, and the clock at time zero."""

    start: float
    end: float
    clock: float

    def __str__(self) -> str:
        return f"which runs from {self.start / DAY + 0.0:g} d to {self.end / DAY:g} d"

    def doses(self, dose: Dose, where: str) -> list[float]:
        """Return when each dose begins."""
        if sum([bool(dose.at), bool(dose.every), bool(dose.daily)]) > 1:
            raise ScenarioError(where, "has more than one of at, every and daily.", "Give one of them.")
        if dose.count < 0 or (dose.count and not (dose.every or dose.daily)):
            raise ScenarioError(f"{where}.count", "counts doses of `every` or `daily`.", "Give one, or no count.")
        begin = hours(dose.start, f"{where}.from") if dose.start else 0.0
        until = hours(dose.until, f"{where}.until") if dose.until else self.end
        if dose.start or dose.until:
            self._refuse_unseen(begin, until, where)
        if dose.every:
            found = _regular(dose, where, begin, until)
        elif dose.daily:
            each = (self.each_day(clock, f"{where}.daily", 0.0, begin, until) for clock in dose.daily)
            found = sorted(time for windows in each for time, _ in windows)
        else:
            given = (dose.at,) if isinstance(dose.at, str) else dose.at
            found = [hours(text, f"{where}.at") for text in given] or [begin]
            if min(found) < self.start or max(found) >= self.end:
                raise ScenarioError(f"{where}.at", f"lies outside of the scenario, {self}.", "Mend it.")
        return found[: dose.count] if dose.count else found

    def windows(self, period: Period, where: str) -> Windows:
        """Return from when until when a period holds; either end may be infinite."""
        begin = hours(period.start, f"{where}.from") if period.start else -np.inf
        until = hours(period.until, f"{where}.until") if period.until else np.inf
        self._refuse_unseen(begin, until, where)
        if not period.daily:
            return ((begin, until),)
        if len(period.daily) != 2:
            raise ScenarioError(f"{where}.daily", "needs two clock times.", "Write it like ['22:00', '06:00'].")
        first, last = (clock(text, f"{where}.daily") for text in period.daily)
        length = (last - first) % DAY or DAY
        earliest, latest = max(begin, self.start), min(until, self.end)
        days = self.each_day(period.daily[0], f"{where}.daily", length, earliest - DAY, latest)
        return tuple((max(a, begin), min(b, until)) for a, b in days if b > begin)

    def each_day(self, text: str, where: str, length: float, begin: float, end: float) -> list[tuple[float, float]]:
        """Return the windows of one clock time on each day that begin from `begin` and before `end`."""
        first = clock(text, where) - self.clock
        if (end - begin) / DAY > MOST:
            raise ScenarioError("length", "is too long for what happens daily.", "Shorten it.")
        day = np.ceil((begin - first) / DAY - 1e-9)
        starts = first + DAY * np.arange(day, np.ceil((end - first) / DAY - 1e-9))
        return [(time, time + length) for time in starts.tolist()]

    def samples(self, sampling: Sampling) -> Numbers:
        """Return when the body is looked at."""
        times = [hours(text, "sampling.at") for text in sampling.at]
        if times and (min(times) < 0 or max(times) > self.end + 1e-9):
            raise ScenarioError("sampling.at", f"lies outside of 0 to {self.end / DAY:g} d.", "Mend it.")
        if sampling.every or not times:
            step = hours(sampling.every, "sampling.every") if sampling.every else _usual_step(self.end)
            if step <= 0 or self.end / step > MOST:
                raise ScenarioError("sampling.every", f"'{sampling.every}' is too often.", "Write it like '1 h'.")
            times += (np.arange(int(self.end / step + 1e-9) + 1) * step).tolist()
        found: Numbers = np.unique(np.minimum(np.round(times, 9), self.end))
        return found

    def _refuse_unseen(self, begin: float, until: float, where: str) -> None:
        """Refuse a period that ends before it begins, or that nobody will see."""
        if begin >= until:
            raise ScenarioError(f"{where}.until", "is not after `from`.", "Mend one of them.")
        if begin >= self.end:
            raise ScenarioError(f"{where}.from", f"lies after the end of the scenario, {self}.", "Mend it.")
        if until <= self.start:
            raise ScenarioError(f"{where}.until", f"lies before the scenario, {self}.", "Lengthen `run_in`.")
        if -np.inf < begin < self.start:
            raise ScenarioError(f"{where}.from", f"lies before the scenario, {self}.", "Lengthen `run_in`.")


def span(scenario: Scenario) -> Span:
    """Return the time that a scenario takes."""
    start, end = -hours(scenario.run_in, "run_in"), hours(scenario.length, "length")
    if start > 0:
        raise ScenarioError("run_in", f"'{scenario.run_in}' is negative.", "Write how long it lasts: '30 d'.")
    if end <= 0:
        raise ScenarioError("length", f"'{scenario.length}' is no time at all.", "Write it like '30 d'.")
    return Span(start, end, clock(scenario.clock, "clock"))


def _regular(dose: Dose, where: str, begin: float, until: float) -> list[float]:
    step = hours(dose.every, f"{where}.every")
    if step <= 0 or (until - begin) / step > MOST:
        raise ScenarioError(f"{where}.every", f"'{dose.every}' is too often.", "Write it like '8 h'.")
    number = max(0, int(np.ceil((until - begin) / step - 1e-9)))
    return [begin + i * step for i in range(min(number, dose.count or number))]


def _usual_step(end: float) -> float:
    """Return how often to look [h]: hourly to a month, every six hours to a year, then daily."""
    return 1.0 if end <= 31 * DAY else 6.0 if end <= 366 * DAY else DAY
