"""Phosphate and acid as published, or as we judged where nothing was read: each file of `courses` is one experiment."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Literal

import msgspec
import pytest

from carnallite.knowledge import knowledge
from carnallite.physiology import Scenario, simulate
from carnallite.physiology.timing import hours
from golden.rows import balance, seen

COURSES = sorted((Path(__file__).parent / "courses").glob("*.toml"))


class Expected(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"start": "from"}):
    """One number and the interval in which it must lie."""

    what: str
    of: str
    how: Literal["at", "change", "ratio"] = "at"
    start: str = ""
    at: str
    between: tuple[float, float]
    source: str
    place: str
    made: Literal["F", "P"]  # fitted or sized to it, or predicted


class Course(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A scenario and what is expected of it."""

    about: str = ""
    scenario: Scenario
    measure: tuple[Expected, ...]


def course(path: Path) -> Course:
    return msgspec.convert(tomllib.loads(path.read_text("utf-8")), Course)


@pytest.mark.parametrize("path", COURSES, ids=lambda path: path.stem)
def test_a_course_is_as_expected(path: Path) -> None:
    expected = course(path)
    times = tuple(dict.fromkeys(t for one in expected.measure for t in (one.start, one.at) if t))
    found = simulate(seen(expected.scenario, times), outputs=sorted({one.of for one in expected.measure}), rtol=1e-6)
    assert not found.status.any()
    for one in expected.measure:
        assert one.source in knowledge().references
        value = float(found.at(hours(one.at, "at"), one.of)[0])
        if one.how != "at":
            before = float(found.at(hours(one.start, "from"), one.of)[0])
            value = value - before if one.how == "change" else value / before
        low, high = one.between
        assert low <= value <= high, f"{one.what}: {value:.4g}"


@pytest.mark.parametrize("path", COURSES, ids=lambda path: path.stem)
def test_its_pools_close(path: Path) -> None:
    assert all(error <= 1e-9 for error in balance(course(path).scenario).values())


def test_tubular_disorders_differ_in_bicarbonate_and_agree_in_potassium() -> None:
    ends = {}
    for name in ("distal_acidosis", "proximal_acidosis", "gitelman"):
        scenario = course(Path(__file__).parent / "courses" / f"{name}.toml").scenario
        found = simulate(seen(scenario, ("365 d",)), outputs=("acid_base.bicarbonate", "potassium.plasma"))
        ends[name] = found.values[0, -1]
    assert ends["distal_acidosis"][0] < ends["proximal_acidosis"][0] < ends["gitelman"][0]
    assert ends["gitelman"][1] < ends["distal_acidosis"][1] < ends["proximal_acidosis"][1] < 4
