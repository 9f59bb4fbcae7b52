"""What a scored target is made of: its rows, its summary, and what it earns over no change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from carnallite.physiology.validation.targets import Observation, Target

Verdict = Literal["green", "amber", "red", "input", "not scored", "not simulated"]


@dataclass(frozen=True, slots=True)
class Row:
    """One observation and what was simulated for it; `error` is the miss in units of tol_good [1], signed."""

    observation: Observation
    simulated: float | None
    score: float | None
    verdict: Verdict
    why_not: str = ""
    error: float | None = None
    is_inside: bool | None = None
    unchanged: float | None = None


@dataclass(frozen=True, slots=True)
class TargetScore:
    """One target: score and skill [1], or why it has none.

    `baseline` is that of the file; `skill` is (score - baseline) / (1 - baseline). `dynamic_skill` compares like
    with like: only the simulated observations that move, for the model and for the baseline.
    """

    target: Target
    rows: tuple[Row, ...]
    is_scored: bool
    score: float | None = None
    skill: float | None = None
    dynamic_score: float | None = None
    dynamic_baseline: float | None = None
    why_not: str = ""
    who: str = ""
    assumptions: tuple[str, ...] = ()

    @property
    def dynamic_skill(self) -> float | None:
        """[1] Skill over the simulated observations that move."""
        return skill(self.dynamic_score, self.dynamic_baseline)

    @property
    def baseline(self) -> float | None:
        """[1] The score of a body that does not change, as the file states it."""
        return self.target.no_change_baseline.score if self.target.no_change_baseline else None


@dataclass(frozen=True, slots=True)
class Summary:
    """Some targets together: mean of topics, each the mean of its targets [1].

    `n` of `n_total` targets and `n_rows` of `n_rows_total` observations were simulated; `rmse` and `bias` are in
    units of tol_good, over simulated values; `inside` is the share inside stated 90 % intervals.
    """

    score: float | None
    skill: float | None
    dynamic_skill: float | None
    n: int
    n_total: int
    n_rows: int
    n_rows_total: int
    rmse: float | None
    bias: float | None
    inside: float | None


@dataclass(frozen=True, slots=True)
class Division:
    """All targets of one use, and apart those whose protocol needs no guessing and those whose protocol does."""

    all: Summary
    without_guessing: Summary
    with_guessing: Summary


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic over both uses, and each use by itself."""

    all: Summary
    fit: Summary
    check: Summary


def skill(score: float | None, baseline: float | None) -> float | None:
    """Return the share of what a body that does not change leaves to be earned [1].

    >>> skill(0.9, 0.5)
    0.8
    """
    if score is None or baseline is None or baseline >= 1:
        return None
    return (score - baseline) / (1 - baseline)
