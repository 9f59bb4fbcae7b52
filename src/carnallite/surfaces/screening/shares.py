"""Counts of a cohort that may leave the house: shares with intervals, times until something, small cells held back."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from carnallite.surfaces.screening.cohort import cohort

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

LEVEL = 0.95  # of every interval
_Z = NormalDist().inv_cdf((1 + LEVEL) / 2)


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """So many of so many, with a 95 % interval; what is held back is null.

    `unknown` are those of whom it is not known; they are not in `of`.
    """

    of: int | None
    count: int | None
    share: float | None
    low: float | None
    high: float | None
    unknown: int | None = None

    @property
    def is_held_back(self) -> bool:
        """Return whether the count is too small to be shown."""
        return self.count is None


def is_small(count: int) -> bool:
    """Return whether a count could point at people."""
    return 0 < count < cohort().small.least


def shown(count: int) -> int | None:
    """Return a count, or nothing where it is too small."""
    return None if is_small(count) else count


def share(count: int, of: int, unknown: int = 0) -> Share:
    """Return a share with Wilson's interval; held back where it, or what it leaves, is a small count."""
    if is_small(of):
        return Share(of=None, count=None, share=None, low=None, high=None, unknown=shown(unknown))
    if is_small(count) or is_small(of - count) or not of:
        return Share(of=of, count=None if of else 0, share=None, low=None, high=None, unknown=shown(unknown))
    low, high = wilson(count, of)
    return Share(of=of, count=count, share=count / of, low=low, high=high, unknown=shown(unknown))


def wilson(count: int, of: int) -> tuple[float, float]:
    """Return the interval of a share, after Wilson (1927).

    >>> [round(end, 3) for end in wilson(10, 50)]
    [0.112, 0.33]
    """
    middle = (count + _Z * _Z / 2) / (of + _Z * _Z)
    half = _Z / (of + _Z * _Z) * math.sqrt(count * (of - count) / of + _Z * _Z / 4)
    return max(middle - half, 0.0), min(middle + half, 1.0)


def parted(counts: Sequence[tuple[int, int]]) -> list[Share]:
    """Return shares of groups that make up a whole; one that is held back takes a second one with it.

    Otherwise it would follow from the whole and the others.
    """
    found = [share(count, of) for count, of in counts]
    hidden = [number for number, one in enumerate(found) if one.is_held_back and counts[number][1]]
    if len(hidden) == 1:
        open_ones = [number for number, one in enumerate(found) if not one.is_held_back]
        if open_ones:
            second = min(open_ones, key=lambda number: (counts[number][1], number))
            found[second] = Share(of=found[second].of, count=None, share=None, low=None, high=None)
    return found


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """How many it had happened to by a time, of those who were watched so long."""

    hours: float
    share: float
    low: float
    high: float
    watched: int


class Curve(msgspec.Struct, frozen=True, kw_only=True):
    """To how many something happened, over time, after Kaplan and Meier (1958); it ends while enough are watched."""

    id: str
    name: str
    of: int | None  # episodes
    happened: int | None
    points: tuple[Point, ...] = ()

    def at(self, hours: float) -> Point | None:
        """Return the last point before a time; None where the curve has ended by then."""
        if not self.points or self.points[-1].hours < hours:
            return None
        return next(point for point in reversed(self.points) if point.hours <= hours)


def curve(id: str, name: str, happened: NDArray[np.float64], seen: NDArray[np.float64], until: float) -> Curve:
    """Return to how many something happened by each time up to `until` [h].

    Parameters
    ----------
    happened : array
        [h] When; NaN where it did not.
    seen : array
        [h] Until when each was watched.
    """
    did = np.isfinite(happened)
    total, events = len(seen), int(did.sum())
    if is_small(total) or is_small(events) or is_small(total - events) or not total:
        return Curve(id=id, name=name, of=shown(total), happened=None if total else 0)
    least = cohort().small.least
    end = np.ceil(np.where(did, happened, np.maximum(seen, 0.0)))  # whole hours, so that no single time is told
    points = [Point(hours=0.0, share=0.0, low=0.0, high=0.0, watched=total)]
    left, spread, waiting = 1.0, 0.0, 0
    for hour in np.unique(end[did & (end <= until)]):
        watched, here = int((end >= hour).sum()), int((did & (end == hour)).sum())
        if watched - here < least:
            break
        left *= 1 - here / watched
        spread += here / (watched * (watched - here))
        waiting += here
        if waiting >= least:  # a step stands for enough of them
            low, high = _log_log(left, spread)
            points.append(Point(hours=float(hour), share=1 - left, low=low, high=high, watched=watched))
            waiting = 0
    if len(points) == 1:
        return Curve(id=id, name=name, of=total, happened=None)
    last = min(until, float(np.sort(end)[-least]))
    if points[-1].hours < last:
        points.append(msgspec.structs.replace(points[-1], hours=last, watched=int((end >= last).sum())))
    return Curve(id=id, name=name, of=total, happened=events, points=tuple(points))


def _log_log(left: float, spread: float) -> tuple[float, float]:
    """Return the interval of what has happened, by Greenwood's spread on the scale of log(-log)."""
    if not 0 < left < 1:
        return 1 - left, 1 - left
    width = _Z * math.sqrt(spread) / abs(math.log(left))
    return 1 - left ** math.exp(-width), 1 - left ** math.exp(width)
