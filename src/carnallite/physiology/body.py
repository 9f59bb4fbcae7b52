"""The body as people: constants and initial states of healthy persons of any size, in balance."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from carnallite.errors import DataFileError, UnknownIdError, did_you_mean
from carnallite.physiology import expression
from carnallite.physiology.generate import python
from carnallite.physiology.load import model

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import ArrayLike, NDArray

    from carnallite.physiology.schema import Solved

    Numbers = NDArray[np.float64]

BISECTIONS = 200


class People:
    """Healthy persons in balance: `constants` [constant, person] and `states` [state, person]."""

    def __init__(self, constants: Numbers, states: Numbers) -> None:
        self.constants, self.states = constants, states

    def __len__(self) -> int:
        return int(self.constants.shape[1])


def healthy(own: Mapping[str, ArrayLike] | None = None, *, count: int = 1) -> People:
    """Return persons in balance.

    Parameters
    ----------
    own : mapping of parameter name to number or array [person]
        What differs from the reference person, in canonical units. Size follows from `person.*`; a parameter
        that scales with size is given as it is, not per reference person.
    count : int
        Number of persons.

    Raises
    ------
    UnknownIdError
        No such parameter.
    """
    body = model()
    given = (
        {} if own is None else {name: np.broadcast_to(np.asarray(value, float), count) for name, value in own.items()}
    )
    known = {parameter.name for parameter in body.parameters}
    for name in given:
        if name not in known:
            raise UnknownIdError(f"parameter '{name}'", "does not exist.", did_you_mean(name, known))
    values: dict[str, Numbers] = {}
    _settle(values, given, count, sized=False)
    for constant in body.solved:
        if constant.name.startswith("person."):
            values[constant.name] = _evaluate(constant.expr, values)
    _settle(values, given, count, sized=True)
    for constant in body.solved:
        if not constant.name.startswith("person."):
            values[constant.name] = _solve(constant, values) if constant.between else _evaluate(constant.expr, values)
    for state in body.states:
        values[state.name] = np.broadcast_to(_evaluate(state.initial, values), count)
    return People(
        np.array([np.broadcast_to(values[name], count) for name in body.constants]),
        np.array([values[state.name] for state in body.states]),
    )


def _settle(values: dict[str, Numbers], given: Mapping[str, Numbers], count: int, *, sized: bool) -> None:
    """Fill in the parameters: what is given, what follows another, and defaults times size."""
    pending = [p for p in model().parameters if sized or p.name.startswith(("person.", "normal.weight"))]
    for parameter in sorted(pending, key=lambda p: bool(p.equals)):
        if parameter.name in given:
            values[parameter.name] = given[parameter.name]
        elif parameter.equals:
            values[parameter.name] = values[parameter.equals]
        else:
            scale = np.ones(count)
            if sized and "size" in parameter.scales:
                scale = scale * values["person.size"]
            if sized and "age" in parameter.scales:
                scale = scale * values["person.age_factor"]
            values[parameter.name] = parameter.value * scale


@cache
def _function(source: str) -> tuple[Callable[..., Numbers], tuple[str, ...]]:
    names = tuple(dict.fromkeys(expression.names(expression.parse(source))))
    code = f"def value({', '.join(map(python.identifier, names))}):\n    return {python.text(source)}\n"
    return python.compiled(code, "value", python.ARRAYS), names


def _evaluate(source: str, values: Mapping[str, Numbers]) -> Numbers:
    function, names = _function(source)
    return np.asarray(function(*(values[name] for name in names)), float)


def _solve(constant: Solved, values: Mapping[str, Numbers]) -> Numbers:
    """Return the root of a constant's expression by bisection, for all persons at once."""
    chain = _needed(constant.expr, set(values))

    def residual(guess: Numbers) -> Numbers:
        trial = {**values, constant.name: guess}
        for step in chain:
            trial[step.name] = _evaluate(step.expr, trial)
        return _evaluate(constant.expr, trial)

    shape = np.broadcast_shapes(*(np.shape(value) for value in values.values()))
    low, high = (np.full(shape, edge) for edge in constant.between or (0.0, 0.0))
    sign = np.sign(residual(low))
    if np.any(np.sign(residual(high)) == sign):
        raise DataFileError(constant.name, f"has no root between {constant.between}.", "Check intake and absorption.")
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        below = np.sign(residual(middle)) == sign
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    found: Numbers = (low + high) / 2
    return found


def _needed(source: str, known: set[str]) -> list[Solved]:
    """Return the solved constants that an expression rests on and that are not known yet, in order."""
    solved = {step.name: step for step in model().solved if step.between is None}
    wanted: set[str] = set()
    pending = list(expression.names(expression.parse(source)))
    while pending:
        name = pending.pop()
        if name in solved and name not in known | wanted:
            wanted.add(name)
            pending += expression.names(expression.parse(solved[name].expr))
    return [step for step in solved.values() if step.name in wanted]
