"""Any id, explained: what it means, where it stands, what it is worth."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import msgspec

from carnallite.knowledge import Comparison, find, find_all, knowledge
from carnallite.quantity import Cited, analytes

if TYPE_CHECKING:
    from collections.abc import Iterator

_SINGULAR = {
    "causes": "cause",
    "factors": "factor",
    "links": "link",
    "drugs": "drug class",
    "treatments": "treatment",
    "comparisons": "comparison",
    "statements": "statement",
    "thresholds": "threshold",
    "formulas": "formula",
    "findings": "finding",
    "rules": "rule",
    "investigations": "test",
    "conditions": "condition",
    "references": "reference",
    "analytes": "analyte",
}
_WARNING = {
    "contested": "CONTESTED: sources disagree; not advice.",
    "contradicted": "CONTRADICTED by the evidence; never advice.",
    "unverifiable": "UNVERIFIABLE: no evidence was found; not advice.",
    "partly supported": "PARTLY SUPPORTED.",
    "supported": "SUPPORTED.",
}


def listed() -> str:
    """Return all ids by kind."""
    known = knowledge()
    lines = []
    for kind in _SINGULAR:
        if kind == "analytes":
            continue
        lines += [
            f"{kind}:",
            textwrap.fill(" ".join(getattr(known, kind)), 100, initial_indent="  ", subsequent_indent="  "),
        ]
    lines += [
        "analytes:",
        textwrap.fill(" ".join(analytes()), 100, initial_indent="  ", subsequent_indent="  "),
    ]
    return "\n".join(lines) + "\n"


def explained(id: str, *, width: int) -> str:
    """Return an item as a page of text.

    Raises
    ------
    UnknownIdError
        Nothing has that id.
    """
    kind, item = find(id)
    title = getattr(item, "name", "") or getattr(item, "claim", "") or getattr(item, "citation", "")
    lines = [f"{item.id} ({_SINGULAR[kind]})", title, ""]
    if kind == "statements":
        lines += _statement(item, id)
    elif kind == "comparisons":
        lines += list(_comparison(item))
    else:
        lines += list(_fields(item, skip={"id", "name", "claim", "citation"}))
        lines += list(_named_in(kind, item.id))
    others = [other for other, same in find_all(id) if same is not item and "/" not in id]
    lines += (
        ["", *(f"Also a {_SINGULAR[other]}: carnallite explain {other}/{item.id}" for other in others)]
        if others
        else []
    )
    return "\n".join(_wrapped(lines, width)) + "\n"


def _statement(item: Any, asked: str) -> list[str]:
    known = knowledge()
    places = ", ".join((item.id, *item.also_at))
    lines = [
        _WARNING[item.status],
        f"Why: {item.why}",
        "",
        f"Document {item.seed}, line {item.line} ({item.section}).",
    ]
    if len(item.also_at):
        lines.append(
            f"The same is said at: {places}." + (f" You asked for {asked.upper()}." if asked.upper() != item.id else "")
        )
    lines += ["", "Evidence:"] if item.evidence else ["", "Evidence: none was found."]
    for piece in item.evidence:
        reference = known.references[piece.source]
        lines += [f"  - {piece.finding}", f"    {reference.citation} [{piece.at}; read: {reference.read}]"]
    for other in item.opposes:
        against = known.statements[other]
        lines += ["", f"The contrary is said at {other} ({against.status}): {against.claim}"]
    return [*lines, "", f"What the program does with it: {item.role}"]


def _comparison(item: Comparison) -> Iterator[str]:
    """Yield what is said of each side, feature by feature, with the status of the evidence."""
    yield item.about
    for row in item.rows:
        yield ""
        yield f"{row.feature.upper()}"
        for side, place in zip(item.sides, row.statements, strict=True):
            if place:
                told = knowledge().statements[place]
                yield f"  - {side}: {told.claim} [{place}, {told.status.upper()}]"
                yield f"      {told.why}"


def _fields(item: Any, *, skip: set[str], indent: str = "") -> Iterator[str]:
    """Yield the fields of an item; numbers are followed by their source and status."""
    references = knowledge().references
    for field in msgspec.structs.fields(item):
        value = getattr(item, field.name)
        if field.name in skip | {"source", "at", "status"} or value in ("", (), None, {}, False):
            continue
        label = field.name.replace("_", " ")
        if isinstance(value, msgspec.Struct):
            yield f"{indent}{label}:"
            yield from _fields(value, skip=set(), indent=f"{indent}  ")
        elif isinstance(value, tuple) and value and isinstance(value[0], msgspec.Struct):
            yield f"{indent}{label}:"
            for part in value:
                inner = list(_fields(part, skip=set(), indent=f"{indent}    "))
                if inner:
                    yield f"{indent}  - {inner[0].strip()}"
                    yield from inner[1:]
        elif isinstance(value, tuple):
            yield f"{indent}{label}: {', '.join(map(str, value))}"
        elif isinstance(value, dict):
            yield f"{indent}{label}: {', '.join(f'{key} {inner}' for key, inner in value.items())}"
        else:
            yield f"{indent}{label}: {value}"
    if isinstance(item, Cited):
        where = "our own judgement" if item.source == "assumption" else references[item.source].citation
        yield f"{indent}source: {where} [{item.at}] status: {item.status}"


def _named_in(kind: str, id: str) -> Iterator[str]:
    """Yield the statements that an item rests on, told in words."""
    item = getattr(knowledge(), kind, {}).get(id)
    for statement in getattr(item, "statements", ()):
        told = knowledge().statements[statement]
        yield ""
        yield f"{statement} ({told.status}): {told.claim}"


def _wrapped(lines: list[str], width: int) -> Iterator[str]:
    for line in lines:
        margin = line[: len(line) - len(line.lstrip())]
        hang = margin + ("  " if line.lstrip().startswith("- ") else "")
        yield from textwrap.wrap(line, width, subsequent_indent=hang) or [""]
