"""What a test that is not known would tell: the chance of each answer under each set of causes, by the body."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from carnallite.assessment.cloud.weigh import errors, student
from carnallite.quantity import analyte

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from carnallite.assessment.cloud.judge import Cloud

    Numbers = NDArray[np.float64]

BINS = 12  # of a result, for the information in it
LIVE = 3  # members with weight that a set needs


def outcomes(cloud: Cloud, test: str, edges: Numbers, count: int) -> Numbers:
    """Return the chance that a result lies between edges under each set: "set interval"; NaN where nothing is drawn.

    Parameters
    ----------
    edges : array [edge]
        In the canonical unit, rising; the intervals below the first and above the last are open.
    count : int
        Sets of the posterior.
    """
    spread = errors()[test].spread
    with np.errstate(divide="ignore", invalid="ignore"):
        below = student((np.log(edges)[None, :] - np.log(cloud.shown[test])[:, None]) / spread)
    each = np.diff(below, axis=1, prepend=0.0, append=1.0)
    found: Numbers = np.full((count, len(edges) + 1), np.nan)
    for row in np.unique(cloud.of):
        mine = (cloud.of == row) & (cloud.weight > 0) & np.isfinite(each).all(axis=1)
        if mine.sum() >= LIVE:
            found[cloud.alike == row] = np.average(each[mine], axis=0, weights=cloud.weight[mine])
    return found


def bits(cloud: Cloud, test: str, joint: Numbers) -> float:
    """Return the information [bit] that a test is expected to bring about the set of causes, by the body."""
    live = np.isfinite(cloud.shown[test]) & (cloud.weight > 0)
    if live.sum() < LIVE:
        return 0.0
    order = np.argsort(cloud.shown[test][live])
    reached = np.cumsum(cloud.weight[live][order])
    rows = np.searchsorted(reached, np.linspace(0, reached[-1], BINS + 1)[1:-1])
    edges = np.unique(cloud.shown[test][live][order][rows])
    chance = outcomes(cloud, test, edges, len(joint))
    known = np.isfinite(chance).all(axis=1) & (joint > 0)
    if not known.any():
        return 0.0
    weight = joint[known] / joint[known].sum()
    mixed = weight @ chance[known]
    with np.errstate(divide="ignore", invalid="ignore"):
        each = np.where(chance[known] > 0, chance[known] * np.log2(chance[known] / mixed), 0.0)
    return float(weight @ each.sum(axis=1))


def limits(test: str, *, sex: str | None, age: float | None) -> list[float]:
    """Return the ends of the reference interval of a test that are finite, rising."""
    usual = analyte(test).reference(sex=sex, age=age)
    ends = () if usual is None else (usual.low, usual.high)
    return [end for end in ends if end is not None and np.isfinite(end) and end > 0]
