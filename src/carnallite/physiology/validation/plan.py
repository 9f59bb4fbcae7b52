"""How a target is simulated, as data: who is simulated, what is done, and how each observation is read off.

One file in `protocols/` for each target. What several targets share stands in `shared.toml`, what a quantity of the
targets is in the body in `quantities.toml`.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from carnallite import datafile

if TYPE_CHECKING:
    from carnallite.physiology.validation.targets import Observation

PROTOCOLS = Path(__file__).with_name("protocols")

Take = Literal[
    "at", "change", "ratio", "mean", "max", "min", "time_of_max", "time_of_min", "slope", "first_below", "first_above",
    "tracer", "one_compartment", "two_compartment",
]  # fmt: skip


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A piece of a plan."""


class Flow(Part, frozen=True, kw_only=True, rename={"origin": "from"}):
    """Where a tracer goes; `rate` [1/h] is an expression over names of the body."""

    origin: str
    to: str
    rate: str


class Readout(Part, frozen=True, kw_only=True, rename={"start": "from"}):
    """One number for each person, read off a course.

    `take` says how: the value `at` a time; `change`, `ratio`, `mean`, `max`, `min` or `slope` [1/h] over the window
    `from` to `until`; the time [h] in the window at which it is highest, lowest, or first beyond a `level`; the
    share of a tracer, or the constants of a kinetic model of infused magnesium.
    """

    output: str = ""  # an expression over names of the body
    run: str = ""  # by default the run named like the observation's arm, else the first
    take: Take = "at"
    at: str | tuple[str, ...] = ""  # by default when it was observed
    start: str = "0 h"
    until: str = ""
    back: str = ""  # how long before its end the window begins, in place of `from`
    every: str = ""  # how finely a window is looked at
    level: str = ""  # an expression over readouts
    flows: tuple[Flow, ...] = ()  # of a tracer; it enters where the first begins


class Curve(Part, frozen=True, kw_only=True):
    """Saturable and linear absorption fitted to amounts given and absorbed: `maximum`, `half` and `share`."""

    given: tuple[float, ...]
    absorbed: tuple[str, ...]


class Measure(Part, frozen=True, kw_only=True):
    """How the observations of one quantity follow from readouts; patterns may have `*`."""

    quantity: str
    arm: str | None = None
    time_h: float | None = None
    unit: str = ""
    readout: Readout | None = None  # is called `readout` in `value`
    readouts: dict[str, Readout] = {}  # further ones by their names
    value: str = "readout"
    start: str = ""  # the level before a change, for tolerances that are a share of it
    imposed: bool = False  # it was given to the simulation
    why_not: str = ""

    def every(self) -> dict[str, Readout]:
        """Return every readout by its name in `value`."""
        return {**({"readout": self.readout} if self.readout else {}), **self.readouts}

    def is_for(self, row: Observation) -> bool:
        """Return whether it is meant for an observation."""
        return (
            fnmatchcase(row.quantity, self.quantity)
            and (self.arm is None or fnmatchcase(row.arm, self.arm))
            and (self.time_h is None or self.time_h == row.time_h)
            and (not self.unit or row.unit == self.unit)
        )


class Plan(Part, frozen=True, kw_only=True):
    """How one target is simulated; `why_not` says why a whole target is not.

    A run is a scenario: `base`, with what the pieces of `shared.toml` that it is `like` add, and what `runs` add to
    that. Tables are merged, lists are joined, and anything else is replaced.
    """

    id: str
    why_not: str = ""
    who: str = ""
    assumptions: tuple[str, ...] = ()
    people: int = 1  # more than one are drawn
    end_h: float | None = None  # [h] when an observation without a time was made; the start if not given
    base: dict[str, Any] = {}
    runs: dict[str, dict[str, Any]] = {}
    readouts: dict[str, Readout] = {}
    curves: dict[str, Curve] = {}
    measures: tuple[Measure, ...] = ()


class Start(Part, frozen=True, kw_only=True):
    """A plasma level before the start: part of health from `low` to `high`, else held for `run_in`."""

    quantity: str
    own: str
    clamp: str
    piece: str
    unit: str
    low: float
    high: float
    run_in: str


class Described(Part, frozen=True, kw_only=True):
    """A word of a target that names a cause of the knowledge base."""

    words: tuple[str, ...]
    cause: str
    phenotype: str = "typical"


class Events(Part, frozen=True, kw_only=True):
    """What the events and words of a file of targets mean, for targets without a plan."""

    renal: dict[str, str]  # what a file says of the kidneys -> a piece
    depleted: dict[str, str]  # what it says of magnesium -> a level [mmol/L], where none was measured
    drugs: dict[str, str]  # a name -> an id of the knowledge base, where its own names lack it
    ignored: dict[str, str]  # what is given and does nothing -> why
    salts: dict[str, str]  # species -> what can be given by vein
    swallowed: dict[str, str]  # species -> what can be given by mouth
    food: dict[str, str]  # species -> what is eaten
    started: tuple[Start, ...]
    described: tuple[Described, ...]
    run_in: str  # for what is described
    bolus: str
    people: int
    meal: dict[str, Any]
    adrenaline_per_unit: float  # [µg/kg/min] for one unit of beta-2 effect an hour
    stoma_sodium: float  # [mmol/L]
    citrate_flow: float  # share of the fluid


class Shared(Part, frozen=True, kw_only=True):
    """The content of `shared.toml`."""

    about: str
    pieces: dict[str, dict[str, Any]]
    events: Events


class Quantities(Part, frozen=True, kw_only=True):
    """The content of `quantities.toml`."""

    about: str
    quantities: tuple[Measure, ...]


@cache
def shared() -> Shared:
    """Return what protocols share."""
    return datafile.read(Path(__file__).with_name("shared.toml"), Shared)


@cache
def quantities() -> tuple[Measure, ...]:
    """Return what each quantity is in the body."""
    return datafile.read(Path(__file__).with_name("quantities.toml"), Quantities).quantities


@cache
def plans() -> dict[str, Plan]:
    """Return the plans of the published targets by their id.

    >>> plans()["IVPK-01"].id
    'IVPK-01'
    """
    return datafile.read_folder(PROTOCOLS, Plan)


def merged(*tables: dict[str, Any]) -> dict[str, Any]:
    """Return tables laid over one another: tables are merged, lists joined, anything else is replaced.

    >>> merged({"own": {"a": "1"}, "dose": [1]}, {"own": {"b": "2"}, "dose": [2]})
    {'own': {'a': '1', 'b': '2'}, 'dose': [1, 2]}
    """
    result: dict[str, Any] = {}
    for table in tables:
        for key, value in table.items():
            old = result.get(key)
            if isinstance(old, dict) and isinstance(value, dict):
                result[key] = merged(old, value)
            elif isinstance(old, list) and isinstance(value, list):
                result[key] = [*old, *value]
            else:
                result[key] = value
    return result
