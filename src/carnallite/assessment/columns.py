"""Expressions of the data files, compiled to columns over patients. One patient is a column of length one.

The logic is Kleene's: absent 0, unknown 1, present 2; *and* is the minimum, *or* the maximum, *not* 2 minus.
"""

from __future__ import annotations

import ast
from functools import cache, partial, reduce
from typing import TYPE_CHECKING

import numpy as np

from carnallite.assessment.events import ABSENT, PRESENT, UNKNOWN, truth
from carnallite.assessment.everyone import NAMED, NUMBERS, Everyone
from carnallite.assessment.facts import Facts
from carnallite.assessment.sources import Timelines
from carnallite.errors import DataFileError, did_you_mean
from carnallite.knowledge import knowledge
from carnallite.knowledge.expression import names, parse
from carnallite.quantity import analytes, units_agree
from carnallite.record import membership

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from carnallite.assessment.events import Bounds, Truth, Yes
    from carnallite.assessment.sources import Source
    from carnallite.record import Timeline

_OF_QUANTITIES = frozenset(
    {"reported", "current", "rise", "highest", "lowest", "lately_low", "lately_high", "unreadable", "recent_level"}
)
_UNITS = {"days_on": "d", "days_with": "d", "dose_of": "mg/d"}
_LEVELS = frozenset({"low", "normal", "high"})
_OF_DRUGS = frozenset(
    {
        "taking",
        "taking_by",
        "ever",
        "mentioned",
        "exposed",
        "stopped_recently",
        "drawn_under",
        "days_on",
        "dose_of",
        "allergic",
    }
)
_OF_CONDITIONS = frozenset({"recorded", "acute", "recent", "just", "past", "denied", "family", "days_with"})
_OPEN = frozenset({"may_exceed", "may_fall_below"})


class Columns:
    """Every column that a set of expressions needs, filled once.

    Attributes
    ----------
    everyone : Everyone
        What the records say.
    people : People
        The same, one patient at a time.
    """

    def __init__(self, source: Source) -> None:
        self.everyone = Everyone(source)
        self.size = source.size
        self.people = People(self.everyone)
        self.findings: dict[str, Truth] = {}
        self.memo: dict[str, Truth] = {}

    @classmethod
    def of(cls, timelines: Iterable[Timeline]) -> Columns:
        """Return the columns of some timelines."""
        return cls(Timelines(tuple(timelines)))

    def numbers(self, kind: str, name: str) -> Bounds:
        """Return the bounds of a number for everybody."""
        return self.everyone.numbers(kind, name)

    def truth(self, *key: str) -> Truth:
        """Return a fact for everybody."""
        return self.everyone.truth(*key)


class People:
    """Everybody, one at a time: looked at when somebody asks for words."""

    def __init__(self, everyone: Everyone) -> None:
        self._everyone = everyone
        self._known: dict[int, Facts] = {}

    def __getitem__(self, row: int) -> Facts:
        """Return what the record of one patient says."""
        found = self._known.get(row)
        if found is None:
            found = self._known[row] = Facts(self._everyone, row)
        return found


def evaluate(text: str, columns: Columns) -> Truth:
    """Return for everybody whether an expression holds; what it shares with other expressions is found once.

    Raises
    ------
    DataFileError
        It names something that does not exist, or compares different units.
    """
    found = columns.memo.get(text)
    if found is None:
        found = columns.memo[text] = _compiled(text)(columns)
    return found


@cache
def _compiled(text: str) -> Callable[[Columns], Truth]:
    """Return what an expression asks, its names and units checked."""
    tree = parse(text)
    match tree:
        case ast.BoolOp(op=op, values=parts):
            texts = [ast.unparse(part) for part in parts]
            join = np.minimum if isinstance(op, ast.And) else np.maximum
            return lambda columns: reduce(join, [evaluate(part, columns) for part in texts])
        case ast.UnaryOp(op=ast.Not(), operand=part):
            denied = ast.unparse(part)
            return lambda columns: PRESENT - evaluate(denied, columns)
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            return _compared(left, op, right)
        case ast.Name(id=name):
            return partial(finding, name)
        case ast.Call(func=ast.Name(id=function), args=arguments):
            return _called(function, arguments)
    raise DataFileError("expression", f"`{ast.unparse(tree)}` is neither true nor false.", "Compare it.")


def finding(id: str, columns: Columns) -> Truth:
    """Return for everybody whether a finding is present.

    Raises
    ------
    DataFileError
        There is no such finding.
    """
    found = columns.findings.get(id)
    if found is not None:
        return found
    item = knowledge().findings.get(id)
    if item is None:
        raise DataFileError("expression", f"`{id}` is no finding.", did_you_mean(id, knowledge().findings))
    present = evaluate(item.present, columns)
    if item.absent:
        absent = evaluate(item.absent, columns)
        answer = np.where(present == PRESENT, PRESENT, np.where(absent == PRESENT, ABSENT, UNKNOWN)).astype(np.int8)
    else:
        answer = present
    columns.findings[id] = answer
    return answer


@cache
def results_in(text: str) -> frozenset[str]:
    """Return the analytes that an expression rests on, through findings and formulas as well.

    >>> sorted(results_in("taking(digitalis) and high(serum_potassium)"))
    ['serum_potassium']
    """
    known, found, left = knowledge(), set[str](), [text]
    while left:
        tree = parse(left.pop())
        bare = set(names(tree))
        for name in {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} - found:
            if name in bare and name in known.findings:
                left += [one for one in (known.findings[name].present, known.findings[name].absent) if one]
            elif name in analytes():
                found.add(name)
                left += known.formulas[name].inputs if name in known.formulas else ()
    return frozenset(found)


def _called(function: str, arguments: list[ast.expr]) -> Callable[[Columns], Truth]:
    if function == "known":
        number = _number(arguments[0])
        return lambda columns: truth(~_is_unknown(number(columns)))
    named = tuple(ast.unparse(argument) for argument in arguments)
    if function in _OPEN:
        return _may_cross(function, arguments)
    if function in _LEVELS:
        return _level(function, named[0])
    _check_call(function, named)
    return lambda columns: columns.truth(function, *named)


def _may_cross(function: str, arguments: list[ast.expr]) -> Callable[[Columns], Truth]:
    """Return whether a result that is only bounded may lie beyond a threshold although it is not known to."""
    quantity, limit = arguments
    _check_units(quantity, limit)
    number, threshold, name = _number(quantity), _number(limit), ast.unparse(quantity)

    def crosses(columns: Columns) -> Truth:
        bounds, (edge, _) = number(columns), threshold(columns)
        low, high = bounds
        below, above = columns.numbers("reference", name)
        beyond = low > above if function == "may_exceed" else high < below
        return truth(~_is_unknown(bounds) & (low < edge) & (high >= edge) & beyond)

    return crosses


def _level(level: str, quantity: str) -> Callable[[Columns], Truth]:
    """Return whether the newest result lies below, within or above its interval."""
    if quantity not in analytes():
        raise DataFileError("expression", f"`{quantity}` is no analyte.", did_you_mean(quantity, analytes()))
    if level == "normal":
        low, high = f"low({quantity})", f"high({quantity})"
        return lambda columns: PRESENT - np.maximum(evaluate(low, columns), evaluate(high, columns))
    end, compare = (0, np.less) if level == "low" else (1, np.greater)

    def beyond(columns: Columns) -> Truth:
        bounds, usual = columns.numbers("value", quantity), columns.numbers("reference", quantity)
        found = _either(compare(bounds[1 - end], usual[end]), compare(bounds[end], usual[end]))
        found[_is_unknown(bounds) | _is_unknown(usual)] = UNKNOWN
        return found

    return beyond


def _compared(left: ast.expr, op: ast.cmpop, right: ast.expr) -> Callable[[Columns], Truth]:
    _check_units(left, right)
    one, other, compare = _number(left), _number(right), _COMPARISONS[type(op)]
    end = 0 if isinstance(op, ast.Lt | ast.LtE) else 1
    is_finite = isinstance(right, ast.Name) and right.id in knowledge().thresholds

    def answer(columns: Columns) -> Truth:
        bounds, limits = one(columns), other(columns)
        found = _either(compare(bounds[1 - end], limits[end]), compare(bounds[end], limits[1 - end]))
        if not is_finite:  # what is unknown lies on neither side of a finite limit
            found[_is_unknown(bounds)] = UNKNOWN
        return found

    return answer


_COMPARISONS = {ast.Lt: np.less, ast.LtE: np.less_equal, ast.Gt: np.greater, ast.GtE: np.greater_equal}


def _either(surely: Yes, perhaps: Yes) -> Truth:
    """Return present what is sure, unknown what may be, absent what cannot be."""
    found: Truth = np.maximum(surely.view(np.int8) << 1, perhaps.view(np.int8))
    return found


def _is_unknown(bounds: Bounds) -> Yes:
    low, high = bounds
    unknown: Yes = np.isinf(low) & np.isinf(high)
    return unknown


def _number(tree: ast.expr) -> Callable[[Columns], Bounds]:
    match tree:
        case ast.Name(id=name) if name == "age" or name in analytes():
            return lambda columns: columns.numbers("value", name)
        case ast.Name(id=name) if name in knowledge().thresholds:
            constant = np.array(knowledge().thresholds[name].value)
            return lambda _: (constant, constant)
        case ast.Call(func=ast.Name(id=function), args=[ast.Name(id=name)]) if function in NUMBERS:
            _check_call(function, (name,))
            return lambda columns: columns.numbers(function, name)
    text = ast.unparse(tree)
    near = did_you_mean(text, [*analytes(), *knowledge().thresholds])
    raise DataFileError("expression", f"`{text}` is no number.", near)


def _unit(tree: ast.expr) -> str:
    match tree:
        case ast.Name(id="age"):
            return "a"
        case ast.Name(id=name) if name in analytes():
            return analytes()[name].unit
        case ast.Name(id=name) if name in knowledge().thresholds:
            return knowledge().thresholds[name].unit
        case ast.Call(func=ast.Name(id=function), args=[ast.Name(id=name)]):
            return _UNITS.get(function) or (analytes()[name].unit if name in analytes() else "")
    return ""


def _check_units(left: ast.expr, right: ast.expr) -> None:
    """Refuse to compare numbers of different units; thresholds stand in the canonical unit of what they bound."""
    first, second = _unit(left), _unit(right)
    if first and second and not units_agree(first, second):
        what = f"`{ast.unparse(left)}` is in {first}, `{ast.unparse(right)}` in {second}."
        raise DataFileError("expression", what, "Give the threshold in the canonical unit.")


@cache
def _groups() -> frozenset[str]:
    """Return every ingredient, class and group of drugs."""
    return frozenset(group for groups in membership().values() for group in groups)


def _check_call(function: str, named: tuple[str, ...]) -> None:
    if function in _OF_QUANTITIES or function.startswith("remark_"):
        pool: object = analytes()
    elif function in _OF_DRUGS:
        pool = _groups()
    elif function in _OF_CONDITIONS:
        pool = knowledge().conditions
    else:
        raise DataFileError("expression", f"`{function}` is no function.", did_you_mean(function, [*NAMED, *NUMBERS]))
    if named[0] not in pool:  # type: ignore[operator]
        near = did_you_mean(named[0], pool)  # type: ignore[arg-type]
        raise DataFileError("expression", f"`{function}({named[0]})`: no such name.", near)
