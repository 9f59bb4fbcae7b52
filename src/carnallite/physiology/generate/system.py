"""A system of ordinary differential equations as a value: what every target is generated from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from carnallite.errors import CarnalliteError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable

    import sympy


class SystemInvalid(CarnalliteError):
    """A system of equations is not complete, or uses what no target can compute."""


@dataclass(frozen=True, slots=True)
class System:
    """Hold names and right-hand sides; time is in hours and does not appear in any expression.

    Symbols are real and carry the dotted name of a state, a parameter or an earlier assignment. Expressions use
    ``+ - * / **``, ``exp log tanh sqrt``, ``Min``, ``Max`` and ``Piecewise`` over relations.

    Parameters
    ----------
    states, parameters : tuple of str
        Dotted names, such as ``magnesium.extracellular``; their order is the order of columns in every array.
    assignments : tuple of (str, sympy.Expr)
        In the order in which they can be computed.
    rates : tuple of sympy.Expr
        [unit of the state / h] One for each state, in the same order.
    outputs : tuple of str
        Names of assignments or states that can be observed.
    """

    states: tuple[str, ...]
    parameters: tuple[str, ...]
    assignments: tuple[tuple[str, sympy.Expr], ...]
    rates: tuple[sympy.Expr, ...]
    outputs: tuple[str, ...]


def check(system: System) -> None:
    """Refuse a system whose names do not fit together.

    Raises
    ------
    SystemInvalid
        A name is used twice, or before it is known; states and rates differ in number; an output is nothing.
    """
    if len(system.rates) != len(system.states):
        what = f"{len(system.states)} states, but {len(system.rates)} rates."
        raise SystemInvalid("system", what, "Give one rate for each state.")
    known: set[str] = set()
    for name in (*system.states, *system.parameters):
        _enter(name, known)
    for name, expression in system.assignments:
        _resolve(name, expression, known)
        _enter(name, known)
    for state, rate in zip(system.states, system.rates, strict=True):
        _resolve(f"rate of {state}", rate, known)
    observable = known - set(system.parameters)
    for output in system.outputs:
        _find(output, "outputs", observable)


def _enter(name: str, known: set[str]) -> None:
    if name in known:
        raise SystemInvalid(name, "this name is used twice.", "Rename one of them.")
    known.add(name)


def _resolve(where: str, expression: sympy.Expr, known: set[str]) -> None:
    for symbol in sorted(str(symbol) for symbol in expression.free_symbols):
        _find(symbol, where, known)


def _find(name: str, where: str, known: Iterable[str]) -> None:
    if name not in known:
        do = did_you_mean(name, known) or "Define it before it is used."
        raise SystemInvalid(where, f"'{name}' is not known here.", do)
