"""The runs of the experiment: plasma magnesium held low or normal in the same person."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from carnallite.physiology import Scenario, simulate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

Texts = dict[str, str]
PRECISE = 1e-6  # of a step
POTASSIUM, MAGNESIUM, EXCRETED = "potassium.plasma", "magnesium.plasma", "kidney_potassium.excreted"
SPECIFIED = Path(__file__).parents[2] / "tests" / "golden" / "as_specified.toml"


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of experiment.toml."""


class Clamp(Part, frozen=True, kw_only=True):
    """How magnesium is held."""

    gain: str
    run_in: str
    normal: str
    low: Texts  # reached -> target


class State(Part, frozen=True, kw_only=True):
    """A person, and what the specification says of them."""

    id: str
    name: str
    set: Texts = {}
    diet: Texts = {}
    expected: dict[str, list[float]] = {}


class Variant(Part, frozen=True, kw_only=True):
    """What is done otherwise than in the main runs."""

    id: str
    name: str
    gain: str = ""
    run_in: str = ""
    low: Texts = {}
    diet: Texts = {}
    own: Texts = {}


class Parameter(Part, frozen=True, kw_only=True):
    """A number that is disputed or assumed, and its range."""

    name: str
    symbol: str
    label: str
    status: str
    values: list[str]


class Map(Part, frozen=True, kw_only=True):
    """The grid of the map."""

    nephrons: list[float]
    potassium: list[str]
    diet: Texts


class Insulin(Part, frozen=True, kw_only=True):
    """The test of the insulin response."""

    dose: str
    over: str
    states: list[str]
    day: int


class Improvement(Part, frozen=True, kw_only=True):
    """How the improvements of the body are taken back, and where that is looked at."""

    reached: str
    lasting: str
    leading: str
    columns: list[tuple[str, int]]
    least: float


class Experiment(Part, frozen=True, kw_only=True):
    """The content of experiment.toml."""

    title: str
    days: list[int]
    horizon: int
    clamp: Clamp
    state: list[State]
    check: list[Variant]
    arm: list[Variant]
    parameter: list[Parameter]
    map: Map
    insulin: Insulin
    improvement: Improvement


@cache
def experiment() -> Experiment:
    """Return the design."""
    text = Path(__file__).with_name("experiment.toml").read_text("utf-8")
    return msgspec.toml.decode(text, type=Experiment)


@cache
def specified() -> Texts:
    """Return what to set so that the body is the specified one."""
    return {key: str(value) for key, value in tomllib.loads(SPECIFIED.read_text("utf-8")).items()}


MAIN = Variant(id="main", name="As in the main table")


@dataclass(frozen=True, slots=True)
class Pair:
    """What lowering magnesium did to one person."""

    days: Numbers
    outputs: Mapping[str, tuple[Numbers, Numbers]]  # with low magnesium, and with normal

    @property
    def difference(self) -> Numbers:
        """Return potassium with low less that with normal magnesium [mmol/L]."""
        low, normal = self.outputs[POTASSIUM]
        return low - normal

    def at(self, day: float, output: str = POTASSIUM) -> tuple[float, float]:
        """Return an output on a day, with low and with normal magnesium."""
        place = np.abs(self.days - day).argmin()
        low, normal = self.outputs[output]
        return float(low[place]), float(normal[place])

    @property
    def lasting(self) -> float:
        """Return the day on which potassium is first no longer raised; infinite if that is never seen."""
        rise = self.difference
        for before, here in pairwise(range(1, len(rise))):
            if rise[here] <= 0:
                share = rise[before] / (rise[before] - rise[here]) if rise[before] > 0 else 0.0
                return float(self.days[before] + share * (self.days[here] - self.days[before]))
        return inf


def pair(state: State, reached: str, variant: Variant = MAIN, *, days: int = 0) -> Pair:
    """Return the courses with magnesium held low and held normal, over the days of the experiment or so many."""
    clamp = experiment().clamp
    target = (variant.low or clamp.low)[reached]
    names = (POTASSIUM, MAGNESIUM, EXCRETED)
    length = f"{days or experiment().days[-1]} d"
    low, normal = (
        simulate(held(state, goal, variant, length), outputs=names, rtol=PRECISE) for goal in (target, clamp.normal)
    )
    for course in (low, normal):
        if course.status[0]:
            raise ArithmeticError(f"{state.name}, {variant.name}: the course ended early, status {course.status[0]}.")
    return Pair(low.time / 24, {name: (low[name][0], normal[name][0]) for name in names})


def held(
    state: State, target: str, variant: Variant, length: str, extra: Mapping[str, object] | None = None
) -> Scenario:
    """Return the scenario of a state in which magnesium is held, from time zero at the target."""
    clamp = experiment().clamp
    changes: list[dict[str, str]] = [
        *({"parameter": name, "value": value} for name, value in state.set.items()),
        {"parameter": "magnesium.clamp_gain", "value": variant.gain or clamp.gain},
        {"parameter": "magnesium.clamp_target", "value": clamp.normal, "until": "0 d"},
        {"parameter": "magnesium.clamp_target", "value": target, "from": "0 d"},
    ]
    raw = {
        "title": f"{state.name}, magnesium {target}",
        "length": length,
        "run_in": variant.run_in or clamp.run_in,
        "own": variant.own,
        "diet": {**state.diet, **variant.diet},
        "change": changes,
        "sampling": {"every": "6 h"},
        **(extra or {}),
    }
    return msgspec.convert(raw, Scenario)


@dataclass(frozen=True, slots=True)
class Response:
    """The fall of potassium [mmol/L] after insulin."""

    normal: float
    low: dict[str, float]  # reached magnesium -> fall


def insulin(state: State, variant: Variant) -> Response:
    """Return the fall of potassium in the hour after insulin with magnesium normal and low."""
    design = experiment()
    falls = {goal: _fall(state, goal, variant) for goal in (design.clamp.normal, *design.clamp.low.values())}
    low = {reached: falls[target] for reached, target in design.clamp.low.items()}
    return Response(falls[design.clamp.normal], low)


def _fall(state: State, target: str, variant: Variant) -> float:
    test = experiment().insulin
    dose = {
        "what": "insulin", "amount": test.dose, "route": "intravenous", "over": test.over, "at": f"{test.day} d",
    }  # fmt: skip
    times = [f"{test.day} d", f"{test.day * 24 + 1} h"]
    extra = {"dose": [dose], "sampling": {"at": times}}
    course = simulate(held(state, target, variant, f"{test.day + 1} d", extra), outputs=[POTASSIUM], rtol=PRECISE)
    before, after = course[POTASSIUM][0]
    return float(before - after)


def mapped(potassium: str, reached: str) -> list[Pair]:
    """Return the courses on a diet, one for each share of filtration of the map."""
    design = experiment()
    habitual = potassium == design.map.potassium[-1]
    diet = {"potassium": potassium, **({} if habitual else design.map.diet)}
    people = (
        State(id="map", name=f"{share:g} of filtration", set={"kidney.nephrons": f"{share:g}"}, diet=diet)
        for share in design.map.nephrons
    )
    return [pair(person, reached) for person in people]
