"""What a laboratory would report of a simulated person."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from carnallite import datafile
from carnallite.physiology.timing import DAY
from carnallite.quantity import Cited, analyte

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from carnallite.physiology.simulate import Trajectories

    Numbers = NDArray[np.float64]


class Measure(Cited, frozen=True, kw_only=True):
    """Which quantity of the body a test measures."""

    output: str
    unit: str  # of the test
    one: float = 1.0  # of the test, in `unit`, for each one of the quantity
    per_day: bool = False  # collected over 24 hours; the quantity is a counter


class Measures(datafile.Item, frozen=True, kw_only=True):
    """The content of ``measured.toml``."""

    about: str
    measures: dict[str, Measure]


@cache
def measures() -> dict[str, Measure]:
    """Return every test that the body can be asked for, by the id of its analyte.

    >>> measures()["serum_magnesium"].output
    'magnesium.plasma'
    """
    return datafile.read(Path(__file__).with_name("measured.toml"), Measures).measures


def measured(course: Trajectories, test: str) -> Numbers:
    """Return what a test would show [person, sample], in the canonical unit of its analyte.

    A collection over 24 hours ends at the sample; it is NaN on the first day.
    """
    measure = measures()[test]
    shown = course[measure.output] * (measure.one * analyte(test).factor(measure.unit))
    return collected(course.time, shown) if measure.per_day else shown


def collected(time: Numbers, counter: Numbers) -> Numbers:
    """Return by how much a counter [person, sample] rose in the 24 hours before each time [h]; NaN on the first day.

    >>> collected(np.array([0.0, 24.0, 36.0]), np.array([[0.0, 4.0, 6.0]]))
    array([[nan,  4.,  4.]])
    """
    before = time - DAY
    upper = np.clip(np.searchsorted(time, before), 1, max(len(time) - 1, 1))
    if len(time) < 2:
        return np.full_like(counter, np.nan)
    part = (before - time[upper - 1]) / (time[upper] - time[upper - 1])
    earlier = counter[:, upper - 1] * (1 - part) + counter[:, upper] * part
    return np.where(before >= time[0] - 1e-9, counter - earlier, np.nan)
