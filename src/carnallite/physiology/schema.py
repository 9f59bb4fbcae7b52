"""The shape of the model files, and the checked model that they make together."""

from __future__ import annotations

from typing import Literal

import msgspec

from carnallite.quantity import Status

Scales = Literal["", "size", "size and age"]


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A piece of a model file."""

    unit: str
    about: str
    symbol: str  # as printed in the page of equations, in LaTeX


class ParameterEntry(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A constant or an input; exactly one of `value` and `equals`."""

    source: str  # a file in knowledge/references/
    at: str
    status: Status
    value: float | None = None
    equals: str = ""  # the parameter that it follows until somebody sets it
    low: float | None = None  # the model means nothing below
    high: float | None = None  # ... and above
    scales: Scales = ""
    spread: float = 0.0  # between healthy people: SD of the logarithm


class Entry(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A state, equation or flux; without a source of its own it has that of its file."""

    source: str = ""
    at: str = ""
    status: Status | Literal[""] = ""


class StateEntry(Entry, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What changes with time. A pool changes by fluxes alone, anything else by its `rate`."""

    initial: str
    scale: float  # typical size, for the tolerance of the solver
    rate: str = ""
    pool: str = ""  # the substance that it holds
    outside: Literal["", "source", "sink"] = ""
    signed: bool = False  # may be negative


class EquationEntry(Entry, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An algebraic equation."""

    expr: str


class FluxEntry(EquationEntry, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"origin": "from"}):
    """What leaves one pool and enters another."""

    origin: str
    to: str


class SolvedEntry(Entry, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A constant that follows from the healthy person being in balance."""

    expr: str = ""
    root: str = ""  # an expression that is zero at the wanted value
    between: tuple[float, float] | None = None
    signed: bool = False  # it may be negative; of anything else that is, nobody can be in balance


class Component(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One model file: an organ or an axis."""

    id: str
    name: str
    about: str
    source: str
    at: str
    status: Status
    parameters: dict[str, ParameterEntry] = {}
    states: dict[str, StateEntry] = {}
    equations: dict[str, EquationEntry] = {}
    fluxes: dict[str, FluxEntry] = {}
    solved: dict[str, SolvedEntry] = {}


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """What everything named in the model has; numbers are in the canonical unit."""

    name: str  # component.name
    unit: str  # canonical: mmol, pmol, L, h, kg
    symbol: str
    about: str
    source: str
    at: str
    status: str


class Parameter(Item, frozen=True, kw_only=True):
    """A constant or an input."""

    value: float
    written: str  # value and unit as the file has them
    factor: float  # canonical number of one unit as written
    equals: str
    low: float | None
    high: float | None
    scales: Scales
    spread: float


class State(Item, frozen=True, kw_only=True):
    """What changes with time."""

    initial: str
    rate: str
    scale: float
    pool: str
    outside: str
    signed: bool


class Equation(Item, frozen=True, kw_only=True):
    """An algebraic equation; a flux also has both ends."""

    expr: str
    origin: str = ""
    to: str = ""


class Solved(Item, frozen=True, kw_only=True):
    """A constant of the reference state."""

    expr: str
    between: tuple[float, float] | None = None  # given: `expr` is zero at the wanted value
    signed: bool = False


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """The whole body, checked: names in full, equations and solved constants in the order of their use."""

    components: dict[str, str]  # id -> what it is about
    parameters: tuple[Parameter, ...]
    states: tuple[State, ...]
    equations: tuple[Equation, ...]
    solved: tuple[Solved, ...]
    hash: str  # of all files

    @property
    def constants(self) -> tuple[str, ...]:
        """Return the names that a person has a number for: parameters, then solved constants."""
        return (*(p.name for p in self.parameters), *(s.name for s in self.solved))
