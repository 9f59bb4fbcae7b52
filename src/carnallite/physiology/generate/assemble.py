"""The checked model -> a system of SymPy expressions, with the constants that it reads and no others."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

import sympy

from carnallite.physiology import expression
from carnallite.physiology.generate.system import System

if TYPE_CHECKING:
    from collections.abc import Callable

    from carnallite.physiology.schema import Model

_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "min": sympy.Min, "max": sympy.Max, "exp": sympy.exp, "log": sympy.log, "tanh": sympy.tanh, "sqrt": sympy.sqrt,
    "where": lambda test, yes, no: sympy.Piecewise((yes, test), (no, True)),
}  # fmt: skip
_RELATIONS: dict[type[ast.cmpop], Callable[..., Any]] = {
    ast.Lt: sympy.StrictLessThan, ast.LtE: sympy.LessThan, ast.Gt: sympy.StrictGreaterThan, ast.GtE: sympy.GreaterThan,
}  # fmt: skip


def system(model: Model) -> System:
    """Return the system of a model; every equation can be observed, whether a rate reads it or not."""
    assignments = tuple((equation.name, symbolic(equation.expr)) for equation in model.equations)
    rates = tuple(symbolic(state.rate) for state in model.states)
    read = {str(symbol) for part in (*rates, *(right for _, right in assignments)) for symbol in part.free_symbols}
    states = tuple(state.name for state in model.states)
    return System(
        states=states,
        parameters=tuple(name for name in model.constants if name in read),
        assignments=assignments,
        rates=rates,
        outputs=(*states, *(name for name, _ in assignments)),
    )


def symbolic(text: str) -> sympy.Expr:
    """Return an expression of the model in SymPy.

    >>> symbolic("kidney.gfr * 2")
    2*kidney.gfr
    """
    return _convert(expression.parse(text))


def _convert(node: ast.expr) -> Any:
    match node:
        case ast.Constant(value=value):
            return sympy.Integer(value) if isinstance(value, int) else sympy.Float(str(value))
        case ast.Name(id=name):
            return sympy.Symbol(name.replace("__", "."), real=True)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_convert(operand)
        case ast.BinOp(left=left, op=op, right=right):
            return _operate(op, _convert(left), _convert(right))
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            return _RELATIONS[type(op)](_convert(left), _convert(right))
        case ast.Call(func=ast.Name(id=function), args=parts):
            return _FUNCTIONS[function](*map(_convert, parts))
    raise TypeError(ast.unparse(node))


def _operate(op: ast.operator, left: Any, right: Any) -> Any:
    match op:
        case ast.Add():
            return left + right
        case ast.Sub():
            return left - right
        case ast.Mult():
            return left * right
        case ast.Div():
            return left / right
    return left**right
