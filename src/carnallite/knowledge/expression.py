"""The small closed language in which rules, findings and formulas are written in data files.

Names, numbers, ``+ - * / **``, comparisons, ``and or not``, and calls of the functions that the reader offers.
An expression is parsed once; nothing in it can do anything but compute.
"""

from __future__ import annotations

import ast
import math
from functools import cache
from typing import TYPE_CHECKING

from carnallite.errors import DataFileError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_ALLOWED = (
    ast.Expression, ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.USub, ast.BinOp, ast.Add, ast.Sub,
    ast.Mult, ast.Div, ast.Pow, ast.Compare, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Name, ast.Load, ast.Call,
    ast.Constant,
)  # fmt: skip


@cache
def parse(text: str) -> ast.expr:
    """Return the tree of an expression.

    Raises
    ------
    DataFileError
        It is not an expression of this language.

    Examples
    --------
    >>> ast.unparse(parse("serum_potassium < hypokalemia and not taking(insulin)"))
    'serum_potassium < hypokalemia and (not taking(insulin))'
    """
    try:
        tree = ast.parse(" ".join(text.split()), mode="eval")
    except SyntaxError:
        raise DataFileError("expression", f"`{text}` cannot be parsed.", "Check brackets and operators.") from None
    for node in ast.walk(tree):
        if not isinstance(node, _ALLOWED):
            kind = type(node).__name__
            raise DataFileError("expression", f"`{text}`: {kind} is not allowed.", "Use names, numbers and functions.")
        if isinstance(node, ast.Constant) and not isinstance(node.value, int | float):
            raise DataFileError("expression", f"`{text}`: only numbers may stand there.", "Use a name.")
        if isinstance(node, ast.Call) and (node.keywords or not isinstance(node.func, ast.Name)):
            raise DataFileError("expression", f"`{text}`: only plain calls.", "Write function(name).")
    return tree.body


def names(tree: ast.expr) -> Iterator[str]:
    """Yield every name that an expression reads outside of calls."""
    if isinstance(tree, ast.Name):
        yield tree.id
    elif not isinstance(tree, ast.Call):
        for child in ast.iter_child_nodes(tree):
            if isinstance(child, ast.expr):
                yield from names(child)
    else:
        for argument in tree.args:
            if not isinstance(argument, ast.Name):
                yield from names(argument)


def evaluate(tree: ast.expr, values: Mapping[str, float]) -> float:
    """Return the number that an arithmetic expression gives.

    Division by zero gives infinity with its sign or, of zero by zero, not-a-number.

    >>> evaluate(parse("a * max(b, 2) - 1"), {"a": 3.0, "b": 1.0})
    5.0
    """
    match tree:
        case ast.Constant(value=value):
            return float(str(value))
        case ast.Name(id=name):
            return values[name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -evaluate(operand, values)
        case ast.BinOp(left=left, op=op, right=right):
            return _arithmetic(op, evaluate(left, values), evaluate(right, values))
        case ast.Call(func=ast.Name(id="min"), args=parts):
            return min(evaluate(part, values) for part in parts)
        case ast.Call(func=ast.Name(id="max"), args=parts):
            return max(evaluate(part, values) for part in parts)
        case ast.Call(func=ast.Name(id="where"), args=[test, yes, no]):
            return evaluate(yes if evaluate(test, values) else no, values)
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            return float(_compare(op, evaluate(left, values), evaluate(right, values)))
        case ast.BoolOp(op=op, values=parts):
            answers = [evaluate(part, values) for part in parts]
            return min(answers) if isinstance(op, ast.And) else max(answers)
    raise DataFileError("expression", f"`{ast.unparse(tree)}` is not arithmetic.", "Use numbers and names.")


def _arithmetic(op: ast.operator, left: float, right: float) -> float:
    match op:
        case ast.Add():
            return left + right
        case ast.Sub():
            return left - right
        case ast.Mult():
            return left * right
        case ast.Pow():
            return _power(left, right)
    if right == 0:
        return math.nan if left == 0 else math.copysign(math.inf, left)
    return left / right


def _power(left: float, right: float) -> float:
    if left == 0 and right < 0:
        return math.inf
    try:
        return math.pow(left, right)
    except OverflowError:
        return math.inf
    except ValueError:  # a broken power of a negative number
        return math.nan


def _compare(op: ast.cmpop, left: float, right: float) -> bool:
    match op:
        case ast.Lt():
            return left < right
        case ast.LtE():
            return left <= right
        case ast.Gt():
            return left > right
    return left >= right
