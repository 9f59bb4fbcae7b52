"""Any id, explained: what it means, where it stands, what it is worth."""

from __future__ import annotations

import textwrap
from itertools import groupby
from math import exp
from typing import TYPE_CHECKING, Any

import msgspec

from carnallite.knowledge import Acting, Cause, Comparison, effects, find, find_all, knowledge, reviewed
from carnallite.quantity import Cited, analytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from carnallite.knowledge import Effect, Safety

_SINGULAR = {
    "causes": "cause",
    "factors": "factor",
    "settings": "setting",
    "pairs": "pair",
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
    "steps": "step of plans",
    "strategies": "plan in outline",
    "safety": "table of limits",
    "limits": "line of the table of limits",
    "references": "reference",
    "analytes": "analyte",
}
_TITLE = {"id", "name", "claim", "citation"}
_ON_BODY = (set(Acting.__struct_fields__) | {"severity"}) - _TITLE
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
        if kind in {"analytes", "limits"}:
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
        lines += list(_item(item))
        lines += list(_named_in(kind, item.id))
    lines += ["", _checked(kind, item.id)]
    others = [other for other, same in find_all(id) if same is not item and "/" not in id]
    lines += (
        ["", *(f"Also a {_SINGULAR[other]}: carnallite explain {other}/{item.id}" for other in others)]
        if others
        else []
    )
    return "\n".join(_wrapped(lines, width)) + "\n"


def _checked(kind: str, id: str) -> str:
    """Return when the file of an item was held against its sources, and until when that counts."""
    home = "quantity" if kind == "analytes" else "knowledge"
    if kind == "limits":
        kind, id = "safety", next(one.id for one in knowledge().safety.values() if id in _limits(one))
    found = reviewed(f"{home}/{kind}/{id}.toml")
    return f"Checked {found.checked}, due again {found.due}; owner: {found.owner}." if found else ""


def _limits(table: Safety) -> set[str]:
    return {one.id for one in table.ceilings} | {one.id for one in table.contraindications}


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


def _item(item: Any) -> Iterator[str]:
    """Yield the fields of an item; what it does to the body stands before its lists."""
    if not isinstance(item, Acting):
        yield from _fields(item, skip=_TITLE)
        return
    lists = {name for name in item.__struct_fields__ if _is_list(getattr(item, name))} - _ON_BODY
    yield from _fields(item, skip=_TITLE | _ON_BODY | lists)
    yield from _on_body(item)
    yield from _severity(item)
    yield from _fields(item, skip=set(item.__struct_fields__) - lists)


def _is_list(value: Any) -> bool:
    return isinstance(value, tuple) and bool(value) and isinstance(value[0], msgspec.Struct)


def _on_body(item: Acting) -> Iterator[str]:
    """Yield what an item does to the body, form by form, or why it does nothing there."""
    if item.not_simulated:
        yield f"not simulated: {item.not_simulated}"
    elif item.emerges:
        yield f"in the body: {item.emerges}"
    elif item.effects or item.acts_as:
        kind, _, id = item.acts_as.partition("/")
        yield "on the body:" if item.effects else f"on the body, as the {_SINGULAR[kind]} {id.replace('/', ', ')}:"
        told = item.phenotypes
        if item.acts_as:
            told = getattr(knowledge(), kind)[id.partition("/")[0]].phenotypes
        for form, parts in effects(item).items():
            yield f"  {form}: {told[form]}" if form in told else f"  {form}"
            for effect in parts:
                yield from _effect(effect)


def _severity(item: Acting) -> Iterator[str]:
    """Yield how often each form acts, for every group of patients that is told apart."""
    entries = item.severity if isinstance(item, Cause) else ()
    if entries:
        yield "how often each form acts:"
    for when, group in groupby(entries, key=lambda entry: entry.when):
        told = list(group)
        yield f"  - {when or 'otherwise'}: {', '.join(f'{one.phenotype} {one.share:g}' for one in told)}"
        yield from dict.fromkeys(f"    {_source(one)}" for one in told)


def _effect(effect: Effect) -> Iterator[str]:
    """Yield one effect: how much, on what in plain words, and how sure."""
    from carnallite.physiology import model  # noqa: PLC0415  (start-up stays fast)

    parameter = next(one for one in model().parameters if one.name == effect.target)
    yield f"    - {_size(effect)}: {parameter.about} [{effect.target}]"
    if effect.about:
        yield f"      {effect.about}"
    yield f"      {_source(effect)}"


def _size(effect: Effect) -> str:
    """Return what is done to the number, and between which bounds it lies in two of three people.

    >>> one = effects(knowledge().causes["thiazide"])["typical"][0]
    >>> _size(one)
    'times 0.6 (0.516 to 0.697 in two of three people)'
    """
    word, value = next(
        (word, value)
        for word, value in (("times", effect.factor), ("plus", effect.add), ("becomes", effect.set))
        if value is not None
    )
    unit = f" {effect.unit}" if effect.unit else ""
    text = f"{word} {value:.3g}{unit}"
    if not effect.spread or not value:
        return text
    if effect.factor is not None:
        low, high = value * exp(-effect.spread), value * exp(effect.spread)
    else:
        low, high = value - effect.spread, value + effect.spread
    return f"{text} ({low:.3g} to {high:.3g}{unit} in two of three people)"


def _source(item: Cited) -> str:
    where = "our own judgement" if item.source == "assumption" else knowledge().references[item.source].citation
    return f"source: {where} [{item.at}] status: {item.status}"


def _fields(item: Any, *, skip: set[str], indent: str = "") -> Iterator[str]:
    """Yield the fields of an item; numbers are followed by their source and status."""
    for field in msgspec.structs.fields(item):
        value = getattr(item, field.name)
        if field.name in skip | {"source", "at", "status"} or value in ("", (), None, {}, False):
            continue
        label = field.name.replace("_", " ")
        if isinstance(value, msgspec.Struct):
            yield f"{indent}{label}:"
            yield from _fields(value, skip=set(), indent=f"{indent}  ")
        elif _is_list(value):
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
        yield f"{indent}{_source(item)}"


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
