"""What the body shows of each cause, factor, drug and treatment: scenarios with their expectations as data."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec
import numpy as np

from carnallite.physiology import Scenario, simulate
from carnallite.physiology.timing import hours
from golden import rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from carnallite.physiology import Trajectories

    Numbers = NDArray[np.float64]

HERE = Path(__file__).parent
PRECISE = 1e-6  # of a step
DENSE = 200  # samples of a window whose highest or lowest value is asked for
ACTING = {"causes": "cause", "factors": "factor", "drugs": "drug", "treatments": "treatment"}
KIND = {  # of quantity, in floors.toml; everything else is "other"
    "magnesium.plasma": "plasma_magnesium",
    "potassium.plasma": "plasma_potassium",
    "calcium.plasma": "plasma_calcium",
    "calcium.ionized": "ionized_calcium",
    "kidney_magnesium.fractional_excretion": "femg",
    "calcium_hormones.pth": "pth",
    "calcium_hormones.calcitriol": "calcitriol",
    "aldosterone.plasma": "aldosterone",
    "outside.magnesium_urine": "urine_magnesium",
    "outside.potassium_urine": "urine_potassium",
    "outside.sodium_urine": "urine_sodium",
}
IN_PERCENT = {"femg"}
SHOWN = ("potassium.plasma", "magnesium.plasma", "calcium.plasma")


class Expectation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"start": "from"}):
    """One thing that must be seen: a reading that is lower or higher than another one, unchanged, or in a range."""

    of: str
    how: Literal["at", "gain", "highest", "lowest"] = "at"  # all but the first between `from` and `at`
    at: str = ""  # the end, if not given
    start: str = "0 d"
    than: Literal["start", "control"] = "start"
    by: float | None = None  # canonical unit; if not given the least difference that counts, of floors.toml
    between: tuple[float, float] | None = None  # instead of `is`
    becomes: Literal["lower", "higher", "unchanged"] | None = msgspec.field(default=None, name="is")
    because: str = ""
    known_miss: str = ""  # why the body does not show it although it should


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A scenario of the body and what it must show."""

    name: str
    scenario: Scenario
    control: Scenario
    shows: tuple[str, ...]  # kind/id, or kind/id/form
    statements: tuple[str, ...] = ()  # places in the documents, A01 to B76
    sources: tuple[str, ...] = ()  # of what no statement says
    expect: tuple[Expectation, ...]


class NotShown(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the documents say and the body cannot show, and why."""

    what: str
    statements: tuple[str, ...]
    why: str


@dataclass(frozen=True, slots=True)
class Seen:
    """What an expectation found."""

    value: float
    reference: float
    least: float
    holds: bool


@cache
def shown() -> dict[str, Shown]:
    """Return every scenario by its name, which is the stem of its file."""
    return {path.stem: _read(path) for path in sorted(HERE.glob("*-*.toml"))}


@cache
def not_shown() -> list[NotShown]:
    """Return what is knowledge only."""
    raw = tomllib.loads((HERE / "not_shown.toml").read_text("utf-8"))
    return msgspec.convert(raw["not_shown"], list[NotShown])


def _read(path: Path) -> Shown:
    raw = tomllib.loads(path.read_text("utf-8"))
    own = {key: raw.pop(key) for key in ("shows", "statements", "sources", "expect") if key in raw}
    other = raw.pop("control", None)
    usual = {key: raw[key] for key in ("length", "run_in", "clock", "person", "own", "diet") if key in raw}
    control = {**usual, "title": "Nothing acts"} if other is None else {**raw, **other}
    return msgspec.convert({**own, "name": path.stem, "scenario": raw, "control": control}, Shown)


@cache
def courses(name: str) -> tuple[Trajectories, Trajectories]:
    """Return the courses of a scenario and of its control."""
    one = shown()[name]
    times = {"0 d": 0.0, one.scenario.length: hours(one.scenario.length, "length")}
    for expected in one.expect:
        start, end = hours(expected.start, "from"), hours(expected.at or one.scenario.length, "at")
        inner = np.linspace(start, end, DENSE if expected.how in {"highest", "lowest"} else 2)
        times |= {f"{time:.9g} h": float(time) for time in inner}
    asked = tuple(sorted(times, key=times.__getitem__))
    outputs = sorted({*SHOWN, *(expected.of for expected in one.expect)})
    found = [
        simulate(
            msgspec.structs.replace(given, sampling=msgspec.structs.replace(given.sampling, every="", at=asked)),
            outputs=outputs,
            rtol=PRECISE,
        )
        for given in (one.scenario, one.control)
    ]
    return found[0], found[1]


def seen(name: str, expected: Expectation) -> Seen:
    """Return what is seen of an expectation, and whether it holds."""
    course, control = courses(name)
    end = hours(expected.at or shown()[name].scenario.length, "at")
    value = _reading(course, expected, end)
    if expected.between is not None:
        low, high = expected.between
        return Seen(value, (low + high) / 2, (high - low) / 2, low <= value <= high)
    reference = (
        _reading(control, expected, end) if expected.than == "control" else float(course.at(0.0, expected.of)[0])
    )
    least = floor(expected.of, reference) if expected.by is None else expected.by
    change = value - reference
    holds = {"lower": change <= -least, "higher": change >= least, "unchanged": abs(change) < least}
    return Seen(value, reference, least, holds[str(expected.becomes)])


def _reading(course: Trajectories, expected: Expectation, end: float) -> float:
    series, start = course[expected.of][0], hours(expected.start, "from")
    if expected.how == "at":
        return float(course.at(end, expected.of)[0])
    if expected.how == "gain":
        return float((course.at(end, expected.of) - course.at(start, expected.of))[0])
    window = series[(course.time >= start - 1e-9) & (course.time <= end + 1e-9)]
    return float(window.max() if expected.how == "highest" else window.min())


def floor(output: str, reference: float) -> float:
    """Return the least difference of an output that counts."""
    kind = KIND.get(output, "other")
    return rows.floor(kind, reference) * (0.01 if kind in IN_PERCENT else 1.0)
