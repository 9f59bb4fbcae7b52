"""Write the model as plain Python: the right-hand side for SciPy, the reference state, and whatever is observed.

The same source runs on numbers (with `math`) and on arrays, one column for each person (with NumPy).
"""

from __future__ import annotations

import math
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np

from carnallite.physiology import expression

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from carnallite.physiology.schema import Model

NUMBERS: dict[str, Any] = {
    "exp": math.exp, "log": math.log, "tanh": math.tanh, "sqrt": math.sqrt, "min": min, "max": max,
    "where": lambda test, yes, no: yes if test else no,
}  # fmt: skip
ARRAYS: dict[str, Any] = {
    "exp": np.exp, "log": np.log, "tanh": np.tanh, "sqrt": np.sqrt, "where": np.where,
    "min": lambda *parts: reduce(np.minimum, parts), "max": lambda *parts: reduce(np.maximum, parts),
}  # fmt: skip


def identifier(name: str) -> str:
    """Return the Python name of a name of the model.

    >>> identifier("kidney.gfr")
    'kidney__gfr'
    """
    return name.replace(".", "__")


def text(source: str) -> str:
    """Return an expression of the model as Python source."""
    return expression.rename(expression.parse(source), identifier)


def function(
    title: str, inputs: dict[str, Sequence[str]], body: Iterable[tuple[str, str]], result: Sequence[str]
) -> str:
    """Return the source of a function that unpacks sequences, assigns, and returns a tuple."""
    body = list(body)
    read = {name for _, source in body for name in expression.names(expression.parse(source))} | set(result)
    lines = [f"def {title}({', '.join(inputs)}):"]
    for argument, columns in inputs.items():
        lines += [f"    {identifier(name)} = {argument}[{i}]" for i, name in enumerate(columns) if name in read]
    lines += [f"    {identifier(name)} = {text(source)}" for name, source in body]
    lines.append(f"    return ({', '.join(identifier(name) for name in result)},)")
    return "\n".join(lines) + "\n"


def rates(model: Model) -> str:
    """Return the source of ``rates(y, p)``: states and constants in the order of the model."""
    body = [(equation.name, equation.expr) for equation in needed(model, [state.rate for state in model.states])]
    body += [(f"d.{state.name.replace('.', '__')}", state.rate) for state in model.states]
    names = [f"d.{state.name.replace('.', '__')}" for state in model.states]
    return function("rates", {"y": [s.name for s in model.states], "p": model.constants}, body, names)


def observe(model: Model, outputs: Sequence[str]) -> str:
    """Return the source of ``observe(y, p)``: the named quantities."""
    body = [(equation.name, equation.expr) for equation in needed(model, outputs)]
    return function("observe", {"y": [s.name for s in model.states], "p": model.constants}, body, outputs)


def needed(model: Model, sources: Iterable[str]) -> list[Any]:
    """Return the equations that some expressions rest on, in the order of their use."""
    by_name = {equation.name: equation for equation in model.equations}
    wanted: set[str] = set()
    pending = [name for source in sources for name in expression.names(expression.parse(source))]
    while pending:
        name = pending.pop()
        if name in by_name and name not in wanted:
            wanted.add(name)
            pending += expression.names(expression.parse(by_name[name].expr))
    return [equation for equation in model.equations if equation.name in wanted]


def compiled(source: str, name: str, library: dict[str, Any]) -> Callable[..., Any]:
    """Return the function of a generated source over numbers or arrays."""
    space = dict(library)
    exec(compile(source, f"<generated {name}>", "exec"), space)  # noqa: S102 - our own source from checked expressions
    made: Callable[..., Any] = space[name]
    return made
