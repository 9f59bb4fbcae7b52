"""Why an expression holds for one patient, told as facts of the record."""

from __future__ import annotations

import ast
from functools import cache
from typing import TYPE_CHECKING

from carnallite.assessment.columns import evaluate
from carnallite.assessment.facts import ABSENT, PRESENT
from carnallite.knowledge import ingredients, knowledge
from carnallite.knowledge.expression import parse
from carnallite.quantity import analytes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from carnallite.assessment.columns import Columns
    from carnallite.assessment.facts import Facts
    from carnallite.knowledge import DrugClass, Ingredient
    from carnallite.record import Observation

_CONDITIONS = frozenset({"recorded", "acute", "recent", "just", "past", "denied", "family", "days_with"})
_DRUGS = frozenset(
    {"taking", "exposed", "drawn_under", "taking_by", "ever", "mentioned", "stopped_recently", "days_on", "dose_of"}
)

_WORST = {"highest": "high", "lowest": "low"}
_UNMEASURED = " not measured"
_text = cache(ast.unparse)  # trees are parsed once and kept, so their texts are as well


def facts_for(text: str, columns: Columns, row: int) -> tuple[str, ...]:
    """Return the facts that make an expression true (or, where it is false, false) for one patient."""
    if not text:
        return ()
    told = dict.fromkeys(_walk(parse(text), columns, row))
    return tuple(fact for fact in told if not fact.endswith(_UNMEASURED)) or tuple(told)


def facts_of_finding(id: str, columns: Columns, row: int) -> tuple[str, ...]:
    """Return the facts behind a finding that is present or absent."""
    item = knowledge().findings[id]
    is_present = columns.findings[id][row] == PRESENT
    told = facts_for(item.present if is_present or not item.absent else item.absent, columns, row)
    return told or (item.name if is_present else f"Not: {item.name.lower()}",)


def _walk(tree: ast.expr, columns: Columns, row: int) -> Iterator[str]:
    truth = evaluate(_text(tree), columns)[row]
    match tree:
        case ast.BoolOp(values=parts):
            for part in parts:
                if evaluate(_text(part), columns)[row] == truth:
                    yield from _walk(part, columns, row)
        case ast.UnaryOp(op=ast.Not(), operand=part):
            yield from _walk(part, columns, row)
        case ast.Name(id=name):
            yield from facts_of_finding(name, columns, row)
        case ast.Call(func=ast.Name(id=function), args=[ast.Name(id=name)]) if function.startswith("lately_"):
            yield from _lately(function.removeprefix("lately_"), name, columns.people[row], is_true=truth == PRESENT)
        case ast.Compare() | ast.Call():
            yield from _leaf(tree, columns.people[row], is_true=truth == PRESENT, is_false=truth == ABSENT)


def _lately(level: str, quantity: str, person: Facts, *, is_true: bool) -> Iterator[str]:
    """Yield the most extreme result of the last days, where it is not the newest one."""
    one = person.extreme(quantity, level) if is_true else None
    if one is not None and one is not person.latest(quantity):
        yield result_text(one)


def _leaf(tree: ast.expr, person: Facts, *, is_true: bool, is_false: bool) -> Iterator[str]:
    if not (is_true or is_false):
        return
    for node in _nodes(tree):
        match node:
            case ast.Call(func=ast.Name(id=function), args=[ast.Name(id=name)]) if function in _WORST:
                told = result_text(person.worst(name, _WORST[function]))
                if told:
                    yield told
            case ast.Call(func=ast.Name(id=function), args=[ast.Name(id=name), *_]) if function in _CONDITIONS:
                yield from _condition(function, name, person, is_true=is_true)
            case ast.Call(func=ast.Name(id=function), args=[ast.Name(id=name), *_]) if function in _DRUGS:
                yield from _drugs(name, person, is_true=is_true)
            case ast.Call(func=ast.Name(id="known"), args=[ast.Name(id=name)]) if not is_true and name in analytes():
                yield f"{analytes()[name].name}{_UNMEASURED}"
            case ast.Name(id="age") if person.age is not None:
                yield f"Age {age_text(person.age)}"
            case ast.Name(id=name) if name in analytes():
                told = result_text(person.latest(name, preliminary=True))
                if told:
                    yield told


def _nodes(tree: ast.expr) -> Iterator[ast.AST]:
    """Yield the parts of an expression, the arguments of the worst of several results aside."""
    yield tree
    if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name) and tree.func.id in _WORST:
        return
    for part in ast.iter_child_nodes(tree):
        yield from _nodes(part)  # type: ignore[arg-type]


def age_text(age: float) -> str:
    """Return an age as people say it.

    >>> age_text(0.01), age_text(0.5), age_text(44.2)
    ('4 days', '6 months', '44 years')
    """
    if age < 0.08:
        return f"{round(age * 365.25)} days"
    return f"{round(age * 12)} months" if age < 2 else f"{int(age)} years"


def result_text(one: Observation | None) -> str:
    """Return a result with name, value, unit and date."""
    if one is None:
        return ""
    analyte = analytes()[one.quantity]
    when = f" ({one.time:%Y-%m-%d})" if one.time else " (undated)"
    return f"{analyte.name} {shown(one)}{when}"


def shown(one: Observation, system: str = "si") -> str:
    """Return the value of a result, bounded where it is bounded."""
    analyte = analytes()[one.quantity]

    def show(value: float) -> str:
        return analyte.show(value, "us" if system == "us" else "si")

    if one.basis == "words":
        return one.printed
    if one.low is not None and one.low == one.high:
        return show(one.low)
    if one.high is not None and (one.low is None or one.low <= 0):
        return f"<{show(one.high)}" if one.basis == "censored" else f"≤{show(one.high)}"
    if one.high is None and one.low is not None:
        return f">{show(one.low)}"
    if one.low is not None and one.high is not None:
        return f"{show(one.low)} to {show(one.high)}"
    return "not known"


def _condition(function: str, id: str, person: Facts, *, is_true: bool) -> Iterator[str]:
    name = knowledge().conditions[id].name
    if not is_true:
        return
    for one in person.conditions(id):
        if one.status in {"present", "past", "family"}:
            label = knowledge().conditions[one.condition].name
            since = f" since {one.onset:%Y-%m-%d}" if one.onset and one.status == "present" else ""
            of_whom = {"past": " in the past", "family": " in a relative"}.get(one.status, "")
            yield f"{label}{of_whom}{since}"
            return
    yield name if function != "denied" else f"No {name.lower()}"


@cache
def _ingredients() -> dict[str, tuple[DrugClass, Ingredient]]:
    return ingredients(knowledge())


def _drugs(group: str, person: Facts, *, is_true: bool) -> Iterator[str]:
    if not is_true:
        return
    names = _ingredients()
    for one in person.exposures(group):
        if one.status == "denied":
            continue
        entry = names.get(one.ingredient)
        name = entry[1].names[0] if entry else knowledge().drugs[one.ingredient].name.lower()
        yield f"{name[0].upper()}{name[1:]}{_taken(one.start, one.stop, person.timeline.index, one.status)}"


def _taken(start: datetime | None, stop: datetime | None, index: datetime, status: str) -> str:
    if status == "mentioned":
        return " (mentioned, not confirmed)"
    told = f" since {start:%Y-%m-%d}" if start and start < index else ""
    if status == "stopped" or (stop is not None and stop < index):
        return f"{told} until {stop:%Y-%m-%d}" if stop else f"{told}, stopped"
    return told
