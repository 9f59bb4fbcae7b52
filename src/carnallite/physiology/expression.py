"""Equations of the body in the closed language of the house, with names such as `kidney.gfr`.

One tree is parsed once; its names are resolved, its units checked, and it is written for every target.
"""

from __future__ import annotations

import ast
import re
from fractions import Fraction
from typing import TYPE_CHECKING

from carnallite.errors import DataFileError, did_you_mean
from carnallite.knowledge import expression as language
from carnallite.physiology.dimension import NONE, Dimension

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

FUNCTIONS = ("min", "max", "exp", "log", "tanh", "sqrt", "where")
_DOTTED = re.compile(r"\b([a-z]\w*)\.([a-z]\w*)\b")


def parse(text: str) -> ast.expr:
    """Return the tree of an equation; a dotted name becomes one name with two underscores.

    >>> ast.unparse(parse("kidney.gfr * free"))
    'kidney__gfr * free'
    """
    return language.parse(_DOTTED.sub(r"\1__\2", text))


def resolve(tree: ast.expr, component: str, known: Collection[str]) -> ast.expr:
    """Return the tree with every name in full; a bare name belongs to its own component.

    Raises
    ------
    DataFileError
        No such name, or a function that the language lacks.
    """

    class Full(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.Name:
            name = node.id.replace("__", ".") if "__" in node.id else f"{component}.{node.id}"
            if name not in known:
                raise DataFileError(f"{component}.toml", f"`{name}` does not exist.", did_you_mean(name, known))
            return ast.Name(name.replace(".", "__"), ast.Load())

        def visit_Call(self, node: ast.Call) -> ast.Call:
            function = node.func.id if isinstance(node.func, ast.Name) else ""
            if function not in FUNCTIONS:
                near = did_you_mean(function, FUNCTIONS)
                raise DataFileError(f"{component}.toml", f"`{function}` is no function of the language.", near)
            return ast.Call(node.func, [self.visit(argument) for argument in node.args], [])

    full: ast.expr = Full().visit(ast.parse(ast.unparse(tree), mode="eval").body)
    return full


def names(tree: ast.expr) -> Iterator[str]:
    """Yield every dotted name that a resolved tree reads."""
    for name in language.names(tree):
        yield name.replace("__", ".")
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield from (argument.id.replace("__", ".") for argument in node.args if isinstance(argument, ast.Name))


def dimension_of(  # noqa: PLR0912  (one branch for each form of the language)
    tree: ast.expr, dimensions: Mapping[str, Dimension], where: str
) -> Dimension:
    """Return the dimension of a resolved tree.

    Raises
    ------
    DataFileError
        It adds, compares or takes the logarithm of what cannot be.
    """

    def of(node: ast.expr) -> Dimension:
        return dimension_of(node, dimensions, where)

    def same(parts: list[ast.expr], verb: str) -> Dimension:
        given = [(part, of(part)) for part in parts if not _is_zero(part)]
        for part, found in given[1:]:
            if found != given[0][1]:
                raise _mismatch(where, f"{verb} {found} to {given[0][1]} in `{show(tree)}`", show(part))
        return given[0][1] if given else NONE

    match tree:
        case ast.Constant():
            return NONE
        case ast.Name(id=name):
            return dimensions[name.replace("__", ".")]
        case ast.UnaryOp(operand=operand):
            return of(operand)
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub(), right=right):
            return same([left, right], "adds")
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            return of(left) * of(right)
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            return of(left) / of(right)
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            return _power(of(left), right, of(right), where, show(tree))
        case ast.Compare(left=left, comparators=[right]):
            same([left, right], "compares")
            return NONE
        case ast.Call(func=ast.Name(id="min" | "max"), args=parts):
            return same(parts, "compares")
        case ast.Call(func=ast.Name(id="where"), args=[test, yes, no]):
            of(test)
            return same([yes, no], "chooses")
        case ast.Call(func=ast.Name(id="sqrt"), args=[part]):
            return of(part) ** Fraction(1, 2)
        case ast.Call(func=ast.Name(id=function), args=[part]):
            if of(part) != NONE:
                raise _mismatch(where, f"takes {function} of {of(part)} in `{show(tree)}`", show(part))
            return NONE
    raise DataFileError(where, f"`{show(tree)}` is no equation.", "Use numbers, names and functions.")


def _is_zero(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value == 0


def _power(base: Dimension, exponent: ast.expr, dimension: Dimension, where: str, text: str) -> Dimension:
    if dimension != NONE:
        raise _mismatch(where, f"raises to a power that has the unit {dimension} in `{text}`", text)
    if base == NONE:
        return NONE
    if isinstance(exponent, ast.Constant):
        return base ** Fraction(str(exponent.value))
    raise _mismatch(where, f"raises {base} to a power that is no plain number in `{text}`", text)


def _mismatch(where: str, what: str, part: str) -> DataFileError:
    return DataFileError(where, f"{what}.", f"Mend `{part}`: convert it, or divide by a reference value.")


def show(tree: ast.expr) -> str:
    """Return the equation as it is written in the files.

    >>> show(parse("kidney.gfr * 2"))
    'kidney.gfr * 2'
    """
    return ast.unparse(tree).replace("__", ".")


def rename(tree: ast.expr, name_of: Callable[[str], str]) -> str:
    """Return source text of a resolved tree with every name as `name_of` gives it."""

    class Other(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.Name:
            return ast.Name(name_of(node.id.replace("__", ".")), ast.Load())

        def visit_Call(self, node: ast.Call) -> ast.expr:
            arguments = [self.visit(argument) for argument in node.args]
            function = node.func
            while isinstance(function, ast.Name) and function.id in {"min", "max"} and len(arguments) > 2:
                arguments = [*arguments[:-2], ast.Call(function, arguments[-2:], [])]
            return ast.Call(function, arguments, [])

    return ast.unparse(Other().visit(ast.parse(ast.unparse(tree), mode="eval").body))
