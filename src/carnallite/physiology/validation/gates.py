"""The gates: what must hold whatever the mean score is. They stand in `gates.toml`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from math import isfinite
from pathlib import Path
from typing import Literal

import msgspec

from carnallite.datafile import read
from carnallite.physiology.validation.rules import tolerances
from carnallite.physiology.validation.scored import Row, TargetScore


class Place(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where an observation stands: the target, and whatever tells it from the others there."""

    target: str
    quantity: str
    arm: str | None = None
    time_h: float | None = None


class GateTest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One condition of a gate; the kinds are explained in `gates.toml`."""

    kind: Literal["sign", "unchanged", "not_above", "within", "same", "ratio", "measure"]
    row: Place | None = None
    other: Place | None = None
    at_least: float = 0
    at_most: float = 0
    measure: str = ""


class Gate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What must hold whatever the mean score is."""

    id: str
    about: str
    tests: list[GateTest]


class Gates(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of `gates.toml`."""

    gates: list[Gate]


@dataclass(frozen=True, slots=True)
class GateResult:
    """Whether a gate holds; None where what it needs was not simulated."""

    gate: Gate
    holds: bool | None
    why: tuple[str, ...]


@cache
def gates() -> tuple[Gate, ...]:
    """Return the gates."""
    return tuple(read(Path(__file__).with_name("gates.toml"), Gates).gates)


def tested(gate: Gate, targets: tuple[TargetScore, ...], measures: Mapping[str, float | None]) -> GateResult:
    """Return whether a gate holds for scored targets and numbers that were handed in."""
    results = [_test(test, targets, measures) for test in gate.tests]
    answers = [holds for holds, _ in results]
    holds = False if False in answers else None if None in answers else True
    return GateResult(gate, holds, tuple(why for _, why in results))


def _test(
    test: GateTest, targets: tuple[TargetScore, ...], measures: Mapping[str, float | None]
) -> tuple[bool | None, str]:
    if test.kind == "measure":
        number = measures.get(test.measure)
        if number is None or not isfinite(number):
            return None, f"{test.measure} was not measured"
        return number <= test.at_most, f"{test.measure} {number:.3g}, at most {test.at_most:.3g}"
    places = [place for place in (test.row, test.other) if place is not None]
    found = [_find(place, targets) for place in places]
    rows = [row for row in found if isinstance(row, Row)]
    lost = [row for row in found if isinstance(row, str)] + [row.why_not for row in rows if row.simulated is None]
    if lost:
        return None, f"not simulated: {lost[0]}"
    numbers = [row.simulated for row in rows if row.simulated is not None]
    told = (f"{_told(place)} {number:.4g}" for place, number in zip(places, numbers, strict=True))
    return _holds(test, rows[0], numbers), f"{test.kind.replace('_', ' ')}: {', '.join(told)}"


def _told(place: Place) -> str:
    arm = f", {place.arm}" if place.arm else ""
    return f"{place.target} {place.quantity.replace('_', ' ')}{arm}"


def _holds(test: GateTest, row: Row, numbers: list[float]) -> bool | None:
    first, last, observed = numbers[0], numbers[-1], row.observation
    good, accept = tolerances(observed)
    match test.kind:
        case "sign":
            return None if row.score is None else row.score == 1
        case "unchanged":
            return abs(first) <= (good if observed.threshold is None else observed.threshold)
        case "not_above":
            return first - (observed.value or 0) <= accept
        case "within":
            return abs(first - (observed.value or 0)) <= accept
        case "same":
            return abs(first - last) <= good
        case "ratio":
            return last > 0 and first >= test.at_least * last
    return None


def _find(place: Place, targets: tuple[TargetScore, ...]) -> Row | str:
    """Return the one row at a place, or why there is none."""
    rows = [row for one in targets if one.target.id == place.target for row in one.rows if _is_at(row, place)]
    if len(rows) != 1:
        return f"{place.target} has {len(rows) or 'no'} observations of {place.quantity} there, one is needed"
    return rows[0]


def _is_at(row: Row, place: Place) -> bool:
    seen = row.observation
    return (
        seen.quantity == place.quantity
        and (place.arm is None or seen.arm == place.arm)
        and (place.time_h is None or seen.time_h == place.time_h)
    )
