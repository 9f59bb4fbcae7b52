"""The rows of the specification as data: read, run and judged."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np

from carnallite.physiology import Scenario, model, protocol, run, simulate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from carnallite.physiology import Trajectories

    Numbers = NDArray[np.float64]

HERE = Path(__file__).parent
FOLDER = HERE / "model"
PRECISE = 1e-6  # of a step; so that a row differs by the model and not by the solver
Weights = str | dict[str, float]  # one output, or outputs times weights; "1" is the constant one


class Measure(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"start": "from"}):
    """One number that is read off a course: ``offset + scale x reading / per``."""

    what: str
    of: Weights
    how: Literal["at", "change", "mean", "highest", "lowest", "rise"] = "at"
    at: str = ""
    start: str = ""
    until: str = ""
    over: dict[str, float] = {}  # what the reading is divided by, for a mean
    scale: float = 1.0
    per: float = 1.0
    offset: float = 0.0
    control: bool = False  # less what the control run shows
    model: float  # the column of that name
    printed_to: float = 0.0  # the last printed digit, where that is coarser than the tolerance
    unit: str
    kind: str  # of quantity, in floors.toml


class Row(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One scenario of a row of the table in section 10."""

    id: str
    row: str
    published: str = ""
    made: str = ""  # F fitted, P predicted
    stated: bool  # whether the table and section 9 state the protocol fully
    assumption: str = ""  # if not, what we took
    differs: str = ""  # why it does not agree, if it does not
    scenario: Scenario
    control: Scenario | None = None
    measure: tuple[Measure, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """A measure, what we get, and how far that may be from the model column."""

    measure: Measure
    ours: float
    tolerance: float

    @property
    def within(self) -> bool:
        """Return whether we agree."""
        return bool(abs(self.ours - self.measure.model) <= self.tolerance)


@cache
def rows() -> dict[str, Row]:
    """Return every row by its id, in the order of the files."""
    found = {
        path: msgspec.convert(tomllib.loads(path.read_text("utf-8")), Row) for path in sorted(FOLDER.glob("*.toml"))
    }
    astray = [path.name for path, row in found.items() if path.stem != row.id]
    if astray:
        raise ValueError(f"{', '.join(astray)}: the id must be the stem of the file.")
    return {row.id: row for row in found.values()}


@cache
def _floors() -> dict[str, Any]:
    return tomllib.loads((HERE / "floors.toml").read_text("utf-8"))


def tolerance(measure: Measure) -> float:
    """Return the largest of 5 %, the floor of the kind of quantity and half of the last printed digit."""
    least = floor(measure.kind, measure.model)
    return max(float(_floors()["tolerance"]) * abs(measure.model), least, measure.printed_to / 2)


def floor(kind: str, value: float) -> float:
    """Return the least difference from a value that counts, by the kind of quantity."""
    known = _floors()
    if kind in known["absolute"]:
        return float(known["absolute"][kind])
    return float(known["relative"][kind]) * abs(value)


@cache
def specification() -> dict[str, str]:
    """Return what to set so that the body is the specified one, without what was improved since."""
    return {key: str(value) for key, value in tomllib.loads((HERE / "as_specified.toml").read_text("utf-8")).items()}


def as_specified(scenario: Scenario) -> Scenario:
    """Return a scenario of the specified body; what it says of its person itself stays.

    >>> "kidney.sodium_retention" in as_specified(Scenario(title="Rest")).own
    True
    """
    return msgspec.structs.replace(scenario, own={**specification(), **scenario.own})


def read(row: Row, *, improved: bool = False) -> list[Reading]:
    """Run a row and its control, and return every reading, of the specified body or of the improved one."""
    of = (lambda scenario: scenario) if improved else as_specified
    course = simulated(of(row.scenario), row)
    control = None if row.control is None else simulated(of(row.control), row)
    found = []
    for measure in row.measure:
        value = reading(measure, course)
        if measure.control:
            value -= reading(measure, control or course)
        found.append(Reading(measure, measure.offset + measure.scale * value / measure.per, tolerance(measure)))
    return found


def simulated(scenario: Scenario, row: Row) -> Trajectories:
    """Return the course of one person, seen whenever a measure of the row needs it."""
    named = [text for m in row.measure for text in (m.at, m.start, m.until) if text]
    times = tuple(dict.fromkeys([*scenario.sampling.at, *named]))
    sampled = seen(scenario, times)
    outputs = {name for m in row.measure for name in (*_weights(m.of), *m.over) if name != "1"}
    course = simulate(sampled, outputs=sorted(outputs), rtol=PRECISE)
    if course.status[0]:
        raise ArithmeticError(f"{row.id}, {scenario.title}: the course ended early, status {course.status[0]}.")
    return course


def seen(scenario: Scenario, times: tuple[str, ...]) -> Scenario:
    """Return a scenario that is looked at at these times, besides what it says itself."""
    return msgspec.structs.replace(scenario, sampling=msgspec.structs.replace(scenario.sampling, at=times))


def reading(measure: Measure, course: Trajectories) -> float:
    """Return a measure of a course, before scale and offset."""
    series = _combined(_weights(measure.of), course)
    if measure.how == "at":
        return float(series[_index(course, measure.at)])
    first, last = _index(course, measure.start), _index(course, measure.until)
    part = slice(first, last + 1)
    match measure.how:
        case "change":
            return float(series[last] - series[first])
        case "highest":
            return float(series[part].max())
        case "lowest":
            return float(series[part].min())
        case "rise":
            return float(series[part].max() - series[first])
    below = _combined(measure.over, course)[part].mean() if measure.over else 1.0
    return float(series[first:last].mean() / below)


def _weights(of: Weights) -> dict[str, float]:
    return {of: 1.0} if isinstance(of, str) else of


def _combined(weights: dict[str, float], course: Trajectories) -> Numbers:
    parts = [
        weight * (np.ones(len(course.time)) if name == "1" else course[name][0]) for name, weight in weights.items()
    ]
    return np.sum(parts, axis=0)  # type: ignore[no-any-return]


def _index(course: Trajectories, text: str) -> int:
    number, unit = text.split()
    hours = float(number) * {"d": 24.0, "h": 1.0, "min": 1 / 60}[unit]
    found = int(np.abs(course.time - hours).argmin())
    if abs(course.time[found] - hours) > 1e-6:
        raise ValueError(f"'{text}' was not sampled.")
    return found


POOLS = ("magnesium", "potassium", "sodium", "calcium", "phosphate", "base", "water")


def balance(scenario: Scenario) -> dict[str, float]:
    """Return how far the balance of each pool is from closing, over the pool at the start."""
    given = protocol(seen(scenario, (scenario.length,)))
    states = model().states
    course = run(given, [state.name for state in states])
    result = {}
    for pool in POOLS:
        signs = [
            (i, -1.0 if state.outside == "source" else 1.0) for i, state in enumerate(states) if state.pool == pool
        ]
        start = sum(sign * float(given.people.states[i, 0]) for i, sign in signs)
        end = sum(sign * float(course.values[0, -1, i]) for i, sign in signs)
        result[pool] = abs(end - start) / start
    return result
