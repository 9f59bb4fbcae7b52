"""The body as people: constants and initial states of healthy persons of any size, in balance."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from carnallite.errors import DataFileError, UnknownIdError, did_you_mean
from carnallite.physiology import expression
from carnallite.physiology.generate import python
from carnallite.physiology.load import model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import ArrayLike, NDArray

    from carnallite.physiology.schema import Solved

    Numbers = NDArray[np.float64]

BISECTIONS = 200
BLOCK = 64  # people are computed in whole blocks, so that no vector loop has a remainder with other roundings
_SIZE = ("person.size", "person.age_factor")


class People:
    """Healthy persons in balance: `constants` [constant, person] and `states` [state, person]."""

    def __init__(self, constants: Numbers, states: Numbers) -> None:
        self.constants, self.states = constants, states

    def __len__(self) -> int:
        return int(self.constants.shape[1])


def healthy(own: Mapping[str, ArrayLike] | None = None, *, count: int = 1, strict: bool = True) -> People:
    """Return persons in balance.

    Parameters
    ----------
    own : mapping of parameter name to number or array [person]
        What differs from the reference person, in canonical units. Size follows from `person.*`; a parameter
        that scales with size is given as it is, not per reference person.
    count : int
        Number of persons. What one person gets is the same, bit for bit, in any company.
    strict : bool
        Refuse persons who cannot be in balance; otherwise they get NaN.

    Raises
    ------
    UnknownIdError
        No such parameter.
    DataFileError
        Somebody cannot be in balance, such as with more magnesium in urine than in food.
    """
    given = _given(own, count)
    if strict and all((value == value[0]).all() for value in given.values()):
        one = _one(tuple((name, float(value[0])) for name, value in sorted(given.items())))
        return People(np.repeat(one.constants, count, axis=1), np.repeat(one.states, count, axis=1))
    people = _people(given, count)
    if strict:
        _refuse_unbalanced(people)
    return people


def typical(own: Mapping[str, ArrayLike] | None = None, *, count: int = 1) -> Numbers:
    """Return every parameter of healthy persons [parameter, person], in the order of the model."""
    return _parameters(_given(own, count), count)[:, :count]


def size(own: Mapping[str, ArrayLike], *, count: int = 1) -> Numbers:
    """Return the size of persons relative to the reference person [person]."""
    parameters = _parameters(_given(own, count), count)
    found: Numbers = np.broadcast_to(_sizes()(parameters)[0], parameters.shape[1])[:count]
    return found


def _given(own: Mapping[str, ArrayLike] | None, count: int) -> dict[str, Numbers]:
    given = {name: np.broadcast_to(np.asarray(value, float), count) for name, value in (own or {}).items()}
    for name in given:
        if name not in _layout().row:
            raise UnknownIdError(f"parameter '{name}'", "does not exist.", did_you_mean(name, _layout().row))
    return given


@lru_cache(maxsize=256)
def _one(given: tuple[tuple[str, float], ...]) -> People:
    person = _people({name: np.array([value]) for name, value in given}, 1)
    _refuse_unbalanced(person)
    return person


def _refuse_unbalanced(people: People) -> None:
    lost = np.flatnonzero(~np.isfinite(people.constants).all(axis=1))
    if lost.size:
        name = model().constants[lost[0]]
        raise DataFileError(name, "does not exist for such a person.", "Check intake, filtration and absorption.")


def _people(given: Mapping[str, Numbers], count: int) -> People:
    parameters = _parameters(given, count)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):  # who cannot be has NaN
        return _balanced(parameters, count)


def _balanced(parameters: Numbers, count: int) -> People:
    solved, states = _reference()(parameters, _root)
    whole = parameters.shape[1]
    rows = [np.broadcast_to(value, whole)[:count] for value in (*solved, *states)]
    found = np.array(rows[: len(solved)])
    impossible = found < 0  # such as a tubule that would have to give back what never reached it
    impossible[[number for number, one in enumerate(model().solved) if one.signed]] = False
    found[impossible] = np.nan
    return People(np.array([*parameters[:, :count], *found]), np.array(rows[len(solved) :]))


# parameters ---------------------------------------------------------------------------------------------------------
class _Layout(NamedTuple):
    """Where each parameter stands, and what it is without being given."""

    row: Mapping[str, int]
    value: Numbers
    by_size: NDArray[np.bool_]
    by_age: NDArray[np.bool_]
    follows: tuple[tuple[str, str], ...]


@cache
def _layout() -> _Layout:
    parameters = model().parameters
    return _Layout(
        row={parameter.name: number for number, parameter in enumerate(parameters)},
        value=np.array([parameter.value for parameter in parameters]),
        by_size=np.array(["size" in parameter.scales for parameter in parameters]),
        by_age=np.array(["age" in parameter.scales for parameter in parameters]),
        follows=tuple((parameter.name, parameter.equals) for parameter in parameters if parameter.equals),
    )


def _parameters(given: Mapping[str, Numbers], count: int) -> Numbers:
    """Return the parameters [parameter, person], filled up to whole blocks with the last person."""
    whole = -(-count // BLOCK) * BLOCK
    padded = {name: np.concatenate([value, np.full(whole - count, value[-1])]) for name, value in given.items()}
    layout = _layout()
    found = np.repeat(layout.value[:, None], whole, axis=1)
    _settle(found, padded)
    size, age_factor = (np.broadcast_to(value, whole) for value in _sizes()(found))
    scale = np.ones_like(found)
    scale[layout.by_size] *= size
    scale[layout.by_age] *= age_factor
    found = layout.value[:, None] * scale
    _settle(found, padded)
    return found


def _settle(parameters: Numbers, given: Mapping[str, Numbers]) -> None:
    """Put in what is given, and let the rest follow."""
    row = _layout().row
    for name, value in given.items():
        parameters[row[name]] = value
    for name, leader in _layout().follows:
        if name not in given:
            parameters[row[name]] = parameters[row[leader]]


# what follows from balance ------------------------------------------------------------------------------------------
@cache
def _sizes() -> Callable[[Numbers], tuple[Numbers, ...]]:
    """Return the function from parameters to size and age factor."""
    body = [(step.name, step.expr) for step in model().solved if step.name.startswith("person.")]
    source = python.function("sizes", {"p": [parameter.name for parameter in model().parameters]}, body, _SIZE)
    return python.compiled(source, "sizes", python.ARRAYS)


@cache
def _reference() -> Callable[..., tuple[tuple[Numbers, ...], tuple[Numbers, ...]]]:
    """Return the function from parameters, and a finder of roots, to solved constants and initial states."""
    read = python.identifier
    lines = ["def reference(p, root):"]
    lines += [f"    {read(parameter.name)} = p[{row}]" for row, parameter in enumerate(model().parameters)]
    for step in _in_order():
        if step.between is None:
            lines.append(f"    {read(step.name)} = {python.text(step.expr)}")
            continue
        inner = [step for step in _resting_on(step) if step.between is None]
        lines.append(f"    def residual({read(step.name)}):")
        lines += [f"        {read(one.name)} = {python.text(one.expr)}" for one in inner]
        lines.append(f"        return {python.text(step.expr)}")
        lines.append(f"    {read(step.name)} = root(residual, p.shape[1], {step.between})")
    solved = ", ".join(read(step.name) for step in model().solved)
    states = ", ".join(python.text(state.initial) for state in model().states)
    lines.append(f"    return ({solved},), ({states},)")
    return python.compiled("\n".join(lines) + "\n", "reference", python.ARRAYS)


def _in_order() -> Iterator[Solved]:
    """Yield the solved constants so that a root comes after what it needs and before what needs it."""
    roots = [step for step in model().solved if step.between is not None]
    late = {step.name for root in roots for step in _depending(root)}
    yield from (step for step in model().solved if step.between is None and step.name not in late)
    yield from roots
    yield from (step for step in model().solved if step.between is None and step.name in late)


def _depending(root: Solved) -> list[Solved]:
    """Return the solved constants that rest on a root, in order."""
    late: dict[str, Solved] = {root.name: root}
    for step in model().solved:
        if step.between is None and late.keys() & set(expression.names(expression.parse(step.expr))):
            late[step.name] = step
    return [step for step in late.values() if step is not root]


def _resting_on(root: Solved) -> list[Solved]:
    """Return what must be computed anew for each guess of a root."""
    late = {step.name: step for step in _depending(root)}
    wanted: set[str] = set()
    pending = list(expression.names(expression.parse(root.expr)))
    while pending:
        name = pending.pop()
        if name in late and name not in wanted:
            wanted.add(name)
            pending += expression.names(expression.parse(late[name].expr))
    return [step for step in late.values() if step.name in wanted]


def _root(residual: Callable[[Numbers], Numbers], count: int, between: tuple[float, float]) -> Numbers:
    """Return where a function of each person is zero, by bisection to the last bit; NaN where it nowhere is.

    Who has arrived stays there, so that nobody's root depends on how long others take.
    """
    low, high = (np.full(count, edge) for edge in between)
    sign = np.sign(residual(low))
    is_lost = np.sign(residual(high)) != -sign
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        if not np.any((low < middle) & (middle < high)):
            break
        below = np.sign(residual(middle)) == sign
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return np.where(is_lost, np.nan, (low + high) / 2)
