"""The rules of scoring: how near one simulated number comes to one observation.

The rules are those of the file of targets; their figures are in `scoring.toml`.
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from functools import cache
from math import sqrt
from pathlib import Path
from re import findall
from typing import Literal

import msgspec

from carnallite.datafile import read
from carnallite.physiology.validation.targets import Observation, Target

Colour = Literal["green", "amber", "red"]
NOISE = 1e-9  # a change smaller than this is none


class ValueRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How wide a mean may be missed."""

    spread: float
    least: float
    most: float
    without_sd: float


class ProportionRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How wide a share may be missed."""

    spread: float
    good: float
    accept: float
    doubling: float


class Floor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The least tolerance of a quantity: an `amount` in `unit`, or a `share` of the level."""

    quantity: str
    unit: str = ""
    amount: float | None = None
    share: float = 0


class Sign(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an expectation in words means."""

    expect: str
    sign: Literal["+", "-"]
    about: str
    little: bool = False


class Rules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of `scoring.toml`."""

    unscored_uses: list[str]
    unscored_certainties: list[str]
    inputs: list[str]
    changes: list[str]
    value: ValueRule
    proportion: ProportionRule
    margin: dict[Literal["range", "bound", "null"], float]
    colours: dict[Literal["green", "amber"], float]
    floors: list[Floor]
    signs: list[Sign]


@cache
def rules() -> Rules:
    """Return the rules of scoring."""
    return read(Path(__file__).with_name("scoring.toml"), Rules)


def colour(score: float) -> Colour:
    """Return the colour of a score.

    >>> colour(0.95), colour(0.7), colour(0.1)
    ('green', 'amber', 'red')
    """
    limits = rules().colours
    if score >= limits["green"]:
        return "green"
    return "amber" if score >= limits["amber"] else "red"


def observation_score(row: Observation, simulated: float, *, start: float | None = None) -> float | None:
    """Return the score of one simulated number [1], or None where the file does not say in numbers what it expects.

    >>> row = Observation("null", "delta_plasma_K", "mmol/L", threshold=0.25)
    >>> observation_score(row, 0.1), observation_score(row, -0.375), observation_score(row, 0.5)
    (1.0, 0.5, 0.0)
    """
    margin = rules().margin
    match row.kind:
        case "value" | "proportion" if row.value is not None:
            good, accept = tolerances(row)
            return _falling(abs(simulated - row.value), good, accept)
        case "range" if row.low is not None and row.high is not None:
            beyond = max(row.low - simulated, simulated - row.high)
            return _falling(beyond, 0, margin["range"] * (row.high - row.low))
        case "sign":
            return _sign_score(row, simulated, start)
        case "null" if row.threshold is not None:
            return _falling(abs(simulated), row.threshold, (1 + margin["null"]) * row.threshold)
        case "le" | "ge":
            limit = bound(row)
            if limit is not None:
                beyond = simulated - limit if row.kind == "le" else limit - simulated
                return _falling(beyond, 0, margin["bound"] * abs(limit))
    return None


def tolerances(row: Observation) -> tuple[float, float]:
    """Return tol_good and tol_accept of a value or a proportion: those of the file, else derived from its spread."""
    good, accept = _share_tolerances(row) if row.kind == "proportion" else _value_tolerances(row)
    return good, max(good, accept)


def bound(row: Observation) -> float | None:
    """Return the bound of a `le` or `ge`: its threshold, else its value."""
    return row.value if row.threshold is None else row.threshold


def floor(row: Observation, *, start: float | None = None) -> float | None:
    """Return the least tolerance of a quantity, in its unit; None where it is a share of an unknown level.

    >>> floor(Observation("value", "plasma_Mg_total", "mmol/L", value=0.8))
    0.03
    """
    for line in rules().floors:
        if fnmatchcase(row.quantity, line.quantity) and (not line.unit or row.unit in {line.unit, ""}):
            level = row.value if start is None else start
            return line.amount if line.amount is not None else None if level is None else line.share * abs(level)
    return None


def expected_sign(row: Observation) -> Sign | None:
    """Return the direction that a `sign` expects, or None where its words are not understood."""
    for sign in rules().signs:
        if row.expect.strip() == sign.expect:
            return sign
    match row.expect.strip()[:1]:
        case "+":
            return Sign(row.expect, "+", "The change is a rise.")
        case "-" | "−":
            return Sign(row.expect, "-", "The change is a fall.")
    return None


def unchanged(target: Target, row: Observation) -> float | None:
    """Return what a body that does not change would give for a value, or None where that is not defined.

    A change is 0 then; a level is that of the start of the same arm.
    """
    if row.kind != "value" or is_input(row):
        return None
    if any(fnmatchcase(row.quantity, pattern) for pattern in rules().changes):
        return 0.0
    if row.time_h is not None and row.time_h <= 0:
        return None
    for first in target.observations:
        is_same = (first.kind, first.quantity, first.arm) == (row.kind, row.quantity, row.arm)
        if is_same and first.time_h is not None and first.time_h <= 0:
            return first.value
    return None


def no_change(target: Target) -> tuple[float, int] | None:
    """Return the score [1] of a body that does not change, and over how many observations; None where over none."""
    scores = [
        observation_score(row, guess) for row in target.observations if (guess := unchanged(target, row)) is not None
    ]
    value = mean((one, 1) for one in scores if one is not None)
    return None if value is None else (value, len(scores))


def is_input(row: Observation) -> bool:
    """Return whether the file marks an observation as given to the simulation."""
    return bool(set(rules().inputs) & set(findall(r"\w+", f"{row.tol_reason} {row.note}")))


def _value_tolerances(row: Observation) -> tuple[float, float]:
    rule, least = rules().value, floor(row) or 0
    sampling = rule.spread * row.sd / sqrt(row.n) if row.sd is not None and row.n else 0
    good = max(sampling, least) if row.tol_good is None else row.tol_good
    if row.tol_accept is not None:
        return good, row.tol_accept
    if row.sd is None:
        return good, rule.without_sd * good
    return good, min(max(row.sd, rule.least * good), rule.most * good)


def _share_tolerances(row: Observation) -> tuple[float, float]:
    rule, share = rules().proportion, row.value or 0
    sampling = rule.spread * sqrt(share * (1 - share) / row.n) if row.n else 0
    good = max(sampling, rule.good) if row.tol_good is None else row.tol_good
    accept = max(rule.doubling * sampling, rule.accept) if row.tol_accept is None else row.tol_accept
    return good, accept


def _falling(miss: float, good: float, accept: float) -> float:
    """Return 1 up to `good`, 0 from `accept` on, a straight line between."""
    if miss <= good:
        return 1.0
    return 0.0 if miss >= accept else (accept - miss) / (accept - good)


def _sign_score(row: Observation, simulated: float, start: float | None) -> float | None:
    expected = expected_sign(row)
    if expected is None:
        return None
    change, least = simulated if expected.sign == "+" else -simulated, floor(row, start=start) or 0
    return float(change > max(least, NOISE) or (expected.little and change >= -least))


def mean(weighed: Iterable[tuple[float, float]]) -> float | None:
    """Return the weighted mean, or None of nothing.

    >>> mean([(1.0, 3), (0.0, 1)])
    0.75
    """
    pairs = list(weighed)
    total = sum(weight for _, weight in pairs)
    return sum(value * weight for value, weight in pairs) / total if total else None
