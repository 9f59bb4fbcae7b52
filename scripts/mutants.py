"""Mutants: small wrong changes of Python code and of the expressions and numbers of data files, one at a time.

The logic of rules lives in data, so both are changed in the same way: an expression of a data file is Python's own
syntax. What only words say (messages, docstrings) and what declares types is left alone.
"""

from __future__ import annotations

import ast
import copy
import json
import re
import tomllib
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Values = Callable[[Any], list[Any]]

_FLIPS: dict[type[Any], tuple[type[Any], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE), ast.LtE: (ast.Lt, ast.Gt), ast.Gt: (ast.GtE, ast.LtE), ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.In: (ast.NotIn,), ast.NotIn: (ast.In,), ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,), ast.And: (ast.Or,), ast.Or: (ast.And,), ast.Add: (ast.Sub,), ast.Sub: (ast.Add,),
    ast.Mult: (ast.Div,), ast.Div: (ast.Mult,), ast.Pow: (ast.Mult,), ast.BitAnd: (ast.BitOr,),
    ast.BitOr: (ast.BitAnd,),
}  # fmt: skip
_NAMES = {
    "PRESENT": "UNKNOWN", "ABSENT": "UNKNOWN", "UNKNOWN": "ABSENT", "min": "max", "max": "min", "any": "all",
    "all": "any", "minimum": "maximum", "maximum": "minimum",
}  # fmt: skip
_WORDS = {
    "acute": "recorded", "just": "acute", "recorded": "acute", "past": "recorded", "taking": "ever",
    "highest": "lowest", "lowest": "highest", "high": "low", "low": "high", "normal": "high",
    "may_exceed": "may_fall_below", "may_fall_below": "may_exceed",
    "hypomagnesemia": "hypermagnesemia", "hypermagnesemia": "hypomagnesemia", "hypokalemia": "hyperkalemia",
    "hyperkalemia": "hypokalemia", "hypocalcemia": "hypercalcemia", "hypercalcemia": "hypocalcemia",
}  # fmt: skip
_SILENT = frozenset({"annotation", "returns", "decorator_list", "bases"})
_SLIGHTLY = 0.02  # [1] by which a number of a data file is moved, up and down


class Variant(NamedTuple):
    """One change of a tree: where it is, what it was and became, and the whole text after it."""

    line: int
    place: str
    before: str
    after: str
    text: str


class Mutant(NamedTuple):
    """One changed file: its path below the package, where and what was changed, and its text."""

    target: str
    file: str
    line: int
    place: str
    change: str
    text: str

    @property
    def key(self) -> str:
        """Return what stays the same while lines move."""
        return f"{self.file} | {self.place} | {self.change}"


def of_expression(text: str) -> list[Variant]:
    """Return the changes of one expression of a data file.

    >>> [one.after for one in of_expression("age < 18 and acute(aki)")]
    ['age < 18 or acute(aki)', 'acute(aki)', 'age < 18', 'age <= 18', 'age >= 18', '19', 'recorded']
    """
    tree = ast.parse(text, mode="eval")
    same = ast.unparse(tree)
    return [one for one in _variants(tree, _WORDS) if one.text != same]


def of_code(path: Path, file: str, target: str, within: tuple[str, ...] = ()) -> list[Mutant]:
    """Return the mutants of a Python file, or of some of its functions and classes."""
    tree = ast.parse(path.read_text("utf-8"))
    return [
        Mutant(target, file, one.line, one.place, f"{one.before} → {one.after}", one.text)
        for one in _variants(tree, _NAMES)
        if not within or one.place.split(".")[0] in within
    ]


def _variants(tree: ast.AST, names: dict[str, str]) -> Iterator[Variant]:
    """Yield every variant of a tree, which is itself changed and mended again."""
    for parent, field, position, node, place in list(_nodes(tree, "")):
        for other in _others(node, field, names):
            before, after = _told(node), _told(other)
            _put(parent, field, position, other)
            text = ast.unparse(tree)
            yield Variant(getattr(node, "lineno", 0), place, before, after, text)
            _put(parent, field, position, node)


def _nodes(tree: ast.AST, place: str) -> Iterator[tuple[ast.AST, str, int | None, ast.AST, str]]:
    """Yield each node that may change with its parent, the field in which it stands, and its function."""
    for field, value in ast.iter_fields(tree):
        if field in _SILENT or (field == "keywords" and isinstance(tree, ast.ClassDef)):
            continue
        for position, node in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if not isinstance(node, ast.AST) or _is_words(node):
                continue
            inner = f"{place}.{node.name}".lstrip(".") if isinstance(node, ast.FunctionDef | ast.ClassDef) else place
            yield tree, field, position, node, inner
            if not isinstance(node, ast.Raise):
                yield from _nodes(node, inner)


def _is_words(node: ast.AST) -> bool:
    """Return whether a node is only read by people or by the type checker."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return True
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id.endswith("Error"):
        return True
    typing = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    named = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    return typing or named or isinstance(node, ast.JoinedStr | ast.Import | ast.ImportFrom | ast.arg)


def _put(parent: ast.AST, field: str, position: int | None, node: ast.AST) -> None:
    if position is None:
        setattr(parent, field, node)
    else:
        getattr(parent, field)[position] = node


def _told(node: ast.AST) -> str:
    return " ".join(ast.unparse(node).split())[:160] if not isinstance(node, ast.match_case) else "case"


def _others(node: ast.AST, field: str, names: dict[str, str]) -> Iterator[ast.AST]:
    """Yield what may stand in the place of a node."""
    if field in {"test", "ifs", "guard"} and not isinstance(node, ast.UnaryOp):
        yield ast.UnaryOp(ast.Not(), node)
    match node:
        case ast.Compare(ops=ops):
            for position, op in enumerate(ops):
                for flipped in _FLIPS.get(type(op), ()):
                    yield _with(node, ops=[*ops[:position], flipped(), *ops[position + 1 :]])
        case ast.BoolOp(op=op, values=values):
            yield _with(node, op=_FLIPS[type(op)][0]())
            for position in range(len(values)):
                rest = values[:position] + values[position + 1 :]
                yield rest[0] if len(rest) == 1 else _with(node, values=rest)
        case ast.BinOp(op=op) | ast.AugAssign(op=op):
            yield from (_with(node, op=flipped()) for flipped in _FLIPS.get(type(op), ()))
        case ast.UnaryOp(operand=operand):
            yield operand
        case ast.Constant(value=value):
            yield from (ast.Constant(other) for other in _other_constants(value))
        case ast.Name(id=name, ctx=ast.Load()) if name in names:
            yield ast.Name(names[name], ast.Load())
        case ast.Attribute(attr=name) if name in names:
            yield _with(node, attr=names[name])
        case _:
            yield from _other_ways(node)


def _other_ways(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what may stand in the place of a call, a choice or a statement."""
    match node:
        case ast.Call(func=ast.Name(id=name), args=[only]) if name in {"current", "highest", "lowest", "reported"}:
            yield only
        case ast.Call(func=ast.Attribute(attr="where"), args=[test, yes, no]):
            yield _with(node, args=[test, no, yes])
        case ast.IfExp(test=test, body=yes, orelse=no):
            yield ast.IfExp(test, no, yes)
        case ast.Raise() | ast.Continue() | ast.Expr(value=ast.Call()):
            yield ast.Pass()
        case ast.Return(value=ast.AST() as value) if ast.unparse(value) != "None":
            yield ast.Return(ast.Constant(None))
        case ast.match_case():
            yield _with(node, guard=ast.Constant(False))


def _with(node: Any, **fields: Any) -> Any:
    other = copy.copy(node)
    for name, value in fields.items():
        setattr(other, name, value)
    return other


def _other_constants(value: object) -> list[object]:
    match value:
        case bool():
            return [not value]
        case int():
            return [value + 1]
        case float():
            return [value * (1 + _SLIGHTLY) if value else 1.0]
        case str():
            return ["" if value else "x"]
    return []


# data files ----------------------------------------------------------------------------------------------------------
def moved(value: float) -> list[float]:
    """Return a number moved a little, down and up.

    >>> moved(2.5)
    [2.45, 2.55]
    """
    return [float(f"{value * (1 + change):.12g}") for change in (-_SLIGHTLY, _SLIGHTLY)]


def without_one(value: list[Any]) -> list[list[Any]]:
    """Return a list without each of its items in turn."""
    return [value[:position] + value[position + 1 :] for position in range(len(value))]


def others(*words: str) -> Values:
    """Return what gives each of some words but the one that stands."""
    return lambda value: [word for word in words if word != value]


def expression(value: str) -> list[str]:
    """Return the changed texts of an expression."""
    return list(dict.fromkeys(one.text for one in of_expression(value) if value))


def of_data(
    path: Path, file: str, target: str, changes: dict[str, Values], *, drop: tuple[str, ...] = ()
) -> list[Mutant]:
    """Return the mutants of a TOML file: each key in turn changed as said, each table of a name left out.

    What other sources say (`alternatives`) is told, never computed with, and stays.
    """
    text = path.read_text("utf-8")
    lines, found, table = text.split("\n"), list[Mutant](), ""
    for number, line in enumerate(lines):
        if line.startswith("["):
            table = line.strip("[] ")
            table += f" {_id_after(lines, number)}" if line.startswith("[[") else ""
        key = line.partition("=")[0].strip()
        if key not in changes or table.startswith("alternatives") or not re.match(r"\w+ *= ", line):
            continue
        value = tomllib.loads(line)[key]
        for other in changes[key](value):
            change = f"{key} = {_shown(value, other)} → {_shown(other, value)}"
            changed = "\n".join([*lines[:number], f"{key} = {_toml(other)}", *lines[number + 1 :]])
            found.append(Mutant(target, file, number + 1, table, change, changed))
    return found + _without_tables(text, file, target, drop)


def _id_after(lines: list[str], number: int) -> str:
    named = (line for line in lines[number + 1 :] if line.startswith("id "))
    return str(tomllib.loads(next(named, 'id = ""'))["id"])


def _without_tables(text: str, file: str, target: str, names: tuple[str, ...]) -> list[Mutant]:
    found = []
    for name in names:
        for block in re.finditer(rf"^\[\[?{name}\]\]?\n(?:(?!\[).*\n?)*", text, re.MULTILINE):
            line = text[: block.start()].count("\n") + 1
            table = f"{name} {_id_after(block[0].splitlines(), 0)}".strip()
            rest = text[: block.start()] + text[block.end() :]
            found.append(Mutant(target, file, line, table, "the whole table → nothing", rest))
    return found


def _toml(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _plain(value: object) -> object:
    """Return a text as its changed forms are spelled, brackets and all, if it is an expression."""
    try:
        return ast.unparse(ast.parse(value, mode="eval")) if isinstance(value, str) and value else value
    except SyntaxError:
        return value


def _shown(value: object, other: object) -> str:
    """Return a value; of two long texts only where they differ, with a little around it."""
    value, other = _plain(value), _plain(other)
    told = str(value)
    if not (isinstance(value, str) and isinstance(other, str) and len(value) > 80):
        return told
    ahead = next((i for i, (a, b) in enumerate(zip(value, other, strict=False)) if a != b), min(len(value), len(other)))
    behind = next(
        (i for i, (a, b) in enumerate(zip(value[::-1], other[::-1], strict=False)) if a != b),
        min(len(value), len(other)),
    )
    behind = min(behind, min(len(value), len(other)) - ahead)
    return f"… {value[max(0, ahead - 40) : len(value) - behind + 20]} …"
