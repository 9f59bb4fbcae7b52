"""Typeset equations of the body in LaTeX: fractions as they were written, and lines that fit a page."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, NamedTuple

from carnallite.errors import DataFileError
from carnallite.physiology import expression

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

WIDTH = 54  # symbols in a line: what fits the text column of a page on GitHub
SMALL = 14  # the widest exponent of e; beyond it is exp( )
COMPARISONS = {ast.Lt: "<", ast.LtE: r"\le", ast.Gt: ">", ast.GtE: r"\ge"}
WORDS = {"min": r"\min", "max": r"\max", "log": r"\ln", "tanh": r"\tanh", "exp": r"\exp"}
SUM, NEGATIVE, PRODUCT, POWER, ATOM = range(5)  # what binds how strongly


class Box(NamedTuple):
    """A piece of LaTeX, its width in symbols, how strongly it binds, and whether it is more than one line high."""

    text: str
    width: float
    binds: int = ATOM
    is_tall: bool = False


def symbol(text: str) -> str:
    r"""Return a symbol of the model files as LaTeX: words and subscripts upright, single letters in italics.

    No subscript follows a brace, and nothing is escaped, so that Markdown leaves it alone.

    >>> symbol("K_{min}"), symbol("HC_0"), symbol("\\tau_R"), symbol("v_+")
    ('K_{\\mathrm{min}}', '\\mathrm{HC_{0}}', '\\tau_{\\mathrm{R}}', 'v_{+}')
    """
    base, _, below = text.partition("_")
    below = below.removeprefix("{").removesuffix("}")
    is_word = len(base) > 1 and not base.startswith("\\")
    if is_word:
        return f"\\mathrm{{{base}{f'_{{{below}}}' if below else ''}}}"
    if not below:
        return base
    upright = below if re.fullmatch(r"[-+0-9]+", below) else rf"\mathrm{{{below}}}"
    return f"{base}_{{{upright}}}"


def equation(left: str, source: str, symbols: Mapping[str, str]) -> str:
    """Return one equation, in as many lines as it needs."""
    return aligned([(left, lines(source, symbols))])


def aligned(rows: Sequence[tuple[str, Sequence[str]]]) -> str:
    """Return equations below each other."""
    shown = [f"{left} ={{}}& " + " \\\\\n&\\quad ".join(parts) for left, parts in rows]
    if len(rows) == 1 and len(rows[0][1]) == 1:
        return shown[0].replace("={}& ", "= ")
    return "\\begin{aligned}\n" + " \\\\[4pt]\n".join(shown) + "\n\\end{aligned}"


def inline(source: str, symbols: Mapping[str, str]) -> str:
    """Return an expression for running text: there a backslash before a sign would be taken by Markdown."""
    return _box(expression.parse(source), symbols).text.replace(r"\,", r"\cdot ")


def lines(source: str, symbols: Mapping[str, str]) -> list[str]:
    """Return an expression broken into lines."""
    return _lines(expression.parse(source), symbols)


def _lines(node: ast.expr, symbols: Mapping[str, str]) -> list[str]:
    whole = _box(node, symbols)
    if whole.width <= WIDTH:
        return [whole.text]
    match node:
        case ast.BinOp(op=ast.Add() | ast.Sub()):
            return _packed([(sign, _lines(term, symbols), _box(term, symbols)) for sign, term in _terms(node)])
        case ast.BinOp(op=ast.Mult() | ast.Div()):
            factors = _bracketed(_factors(node, symbols))
            return _packed([(r"\cdot", [box.text], box) for box in factors])
        case ast.Call(func=ast.Name(id="min" | "max" as function), args=[first, *rest]):
            size = "Bigg" if whole.is_tall else "big"
            inner = [line for part in rest for line in _lines(part, symbols)]
            inner[0] = f"{WORDS[function]}\\{size}l({_box(first, symbols).text},\\; {inner[0]}"
            inner[-1] += f"\\{size}r)"
            return [inner[0], *(rf"\quad {line}" for line in inner[1:])]
    return [whole.text]


def _packed(parts: Sequence[tuple[str, list[str], Box]]) -> list[str]:
    """Put signed parts into lines, as many in each as fit; one that is too wide itself has lines of its own."""
    made: list[str] = []
    used = 0.0
    for sign, own, box in parts:
        lead = f"{sign} " if made or sign == "-" else ""
        if made and used + box.width <= WIDTH and len(own) == 1:
            made[-1] += f" {lead}{own[0]}"
            used += box.width + 2
        else:
            made += [f"{lead}{own[0]}", *(rf"\quad {line}" for line in own[1:])]
            used = box.width + 2 if len(own) == 1 else WIDTH
    return made


def _box(node: ast.expr, symbols: Mapping[str, str]) -> Box:
    match node:
        case ast.Constant(value=int() | float() as value):
            return Box(f"{value:g}", len(f"{value:g}"))
        case ast.Name(id=name):
            text = symbols[name.replace("__", ".")]
            return Box(text, _length(text))
        case ast.UnaryOp(operand=operand):
            inner = _parted(_box(operand, symbols), NEGATIVE)
            return Box(f"-{inner.text}", inner.width + 1, NEGATIVE, inner.is_tall)
        case ast.BinOp(op=ast.Pow()):
            return _power(node, symbols)
        case ast.BinOp(op=ast.Add() | ast.Sub()):
            return _sum(node, symbols)
        case ast.BinOp():
            return _product(_factors(node, symbols))
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            return _joined([_box(left, symbols), _box(right, symbols)], f" {COMPARISONS[type(op)]} ")
        case ast.Call(func=ast.Name(id=function), args=parts):
            return _call(function, parts, symbols)
    raise DataFileError("LaTeX", f"`{expression.show(node)}` has no form.", "Mend the generator.")


def _length(text: str) -> float:
    """Return about how many letters wide a symbol is; below the line they are smaller."""
    base, _, below = re.sub(r"\\(?:mathrm|left|right)", "", re.sub(r"\\[a-zA-Z]{3,}(?=[_}]|$)", "x", text)).partition(
        "_"
    )
    return len(re.sub(r"[{}]", "", base)) + 0.7 * len(re.sub(r"[{}]", "", below))


def _joined(boxes: Sequence[Box], between: str) -> Box:
    width = sum(box.width + 2 for box in boxes) - 2
    return Box(between.join(box.text for box in boxes), width, SUM, any(box.is_tall for box in boxes))


def _parted(box: Box, weakest: int) -> Box:
    """Return a box in brackets if it binds no more strongly than `weakest`."""
    if box.binds > weakest:
        return box
    text = rf"\left({box.text}\right)" if box.is_tall else f"({box.text})"
    return Box(text, box.width + 2, ATOM, box.is_tall)


def _terms(node: ast.expr, sign: str = "+") -> list[tuple[str, ast.expr]]:
    """Return the terms of a sum with their signs."""
    match node:
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return [*_terms(left, sign), (sign, right)]
        case ast.BinOp(left=left, op=ast.Sub(), right=right):
            return [*_terms(left, sign), ("-", right)]
        case ast.UnaryOp(operand=operand):
            return [("-", operand)]
    return [(sign, node)]


def _sum(node: ast.expr, symbols: Mapping[str, str]) -> Box:
    (sign, first), *rest = [(sign, _box(term, symbols)) for sign, term in _terms(node)]
    parts = [(sign, _parted(first, NEGATIVE if sign == "-" else SUM - 1))]
    parts += [(sign, _parted(box, NEGATIVE)) for sign, box in rest]
    text = " ".join(f"{sign} {box.text}" for sign, box in parts).removeprefix("+ ")
    return Box(text, sum(box.width + 2 for _, box in parts) - 2, SUM, any(box.is_tall for _, box in parts))


def _factors(node: ast.expr, symbols: Mapping[str, str]) -> list[Box]:
    """Return the factors of a product; what stands right before a stroke goes above the line, as in V s / (K + s)."""
    boxes: list[Box] = []
    below: list[Box] = []
    for op, part in [*_chain(node), ("*", None)]:
        if op == "*" and below:
            boxes[-1] = _fraction(boxes[-1], _product(below))
            below = []
        if part is not None:
            (boxes if op == "*" else below).append(_box(part, symbols))
    return boxes


def _chain(node: ast.expr) -> list[tuple[str, ast.expr | None]]:
    """Return what is multiplied and divided, in order; dividing by a quotient is multiplying by its inverse."""
    match node:
        case ast.BinOp(left=left, op=ast.Div(), right=ast.BinOp(left=above, op=ast.Div(), right=below)):
            return [*_chain(left), ("*", ast.BinOp(below, ast.Div(), above))]
        case ast.BinOp(left=left, op=ast.Mult() | ast.Div() as op, right=right):
            return [*_chain(left), ("*" if isinstance(op, ast.Mult) else "/", right)]
    return [("*", node)]


def _fraction(above: Box, below: Box) -> Box:
    return Box(rf"\frac{{{above.text}}}{{{below.text}}}", max(above.width, below.width) + 0.5, POWER, True)


def _bracketed(factors: Sequence[Box]) -> list[Box]:
    """Return factors with the brackets that they need; a minus may lead."""
    return [_parted(box, NEGATIVE if place else SUM) for place, box in enumerate(factors)]


def _product(factors: Sequence[Box]) -> Box:
    if len(factors) == 1:
        return factors[0]
    parts = _bracketed(factors)
    has_words = any(part.text.removeprefix("-").startswith(r"\mathrm") for part in parts)
    text = parts[0].text
    for part in parts[1:]:
        text += _between(part.text, has_words) + part.text
    binds = NEGATIVE if parts[0].binds == NEGATIVE else PRODUCT
    return Box(text, sum(part.width + 1 for part in parts) - 1, binds, any(part.is_tall for part in parts))


def _between(right: str, has_words: bool) -> str:
    """Return what stands before a factor: a dot where numbers or words would run together."""
    if right[0].isdigit() or (has_words and re.match(r"\w|\\(?:mathrm|[a-z]+_|frac)", right)):
        return r" \cdot "
    return "" if right.startswith(r"\left") else r"\,"


def _power(node: ast.BinOp, symbols: Mapping[str, str]) -> Box:
    base, exponent = _parted(_box(node.left, symbols), POWER), _box(node.right, symbols)
    return Box(f"{base.text}^{{{exponent.text}}}", base.width + 0.7 * exponent.width, POWER, base.is_tall)


def _call(function: str, parts: list[ast.expr], symbols: Mapping[str, str]) -> Box:
    boxes = [_box(part, symbols) for part in parts]
    if function == "sqrt":
        return Box(rf"\sqrt{{{boxes[0].text}}}", boxes[0].width + 1, POWER, boxes[0].is_tall)
    if function == "where":
        test, yes, no = boxes
        text = rf"\begin{{cases}}{yes.text} & \text{{if }} {test.text} \\ {no.text} & \text{{else}}\end{{cases}}"
        return Box(text, max(yes.width + test.width, no.width) + 6, ATOM, True)
    if function == "exp" and boxes[0].width <= SMALL and not boxes[0].is_tall:
        return Box(f"e^{{{boxes[0].text}}}", 1 + 0.7 * boxes[0].width, ATOM)
    inner = _joined(boxes, r",\; ")
    text = rf"\left({inner.text}\right)" if inner.is_tall else f"({inner.text})"
    return Box(f"{WORDS[function]}{text}", inner.width + 5, POWER, inner.is_tall)
