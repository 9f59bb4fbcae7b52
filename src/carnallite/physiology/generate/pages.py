"""Write the body as a page: every state, parameter and equation, typeset, with what it means and whence it is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeVar

from carnallite.physiology.generate import latex

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from carnallite.knowledge import Reference
    from carnallite.physiology.schema import Component, Equation, Item, Model, Parameter, Solved, State

T = TypeVar("T", bound="Item")

HEAD = """# The equations of the body
Everything the model of the body computes, written by `scripts/docs` from the files in
`src/carnallite/physiology/model/`; do not edit. The same files are compiled to what runs and exported as SBML.

Time is in hours, amounts are in mmol (hormones in pmol), volumes in L; d is a day, a is a year. A number stands as its
file has it, for the reference person; what scales is multiplied by the size of the person. A name such as `kidney.gfr`
is how causes, drugs and treatments reach a parameter. Of the status of a number, *measured* says that the source gives
it, *fitted* that it was set so that the model meets what the source reports, *assumed* that it is our judgement, and
*disputed* that sources disagree. What the model means nothing beyond stands under a number as its range.

A pool changes by fluxes alone, and each flux leaves one pool and enters another, so that nothing is lost. What came
from outside and what left is counted in pools too, named $\\Sigma$.
"""


def equations(model: Model, components: Mapping[str, Component], references: Mapping[str, Reference]) -> str:
    """Return the page in Markdown with mathematics as GitHub renders it.

    Parameters
    ----------
    model : Model
        The checked body.
    components : mapping of str to Component
        Its files, which give headings and the order of reading.
    references : mapping of str to Reference
        What the page cites; a source that is not among them is named by its id.
    """
    symbols = {item.name: latex.symbol(item.symbol) for item in items(model)}
    contents = "\n".join(f"- [{part.name}](#{_anchor(part.name)})" for part in components.values())
    body = "\n".join(_Section(model, part, symbols).page() for part in components.values())
    return f"{HEAD}\n{contents}\n\n{body}\n{_cited(model, components, references)}"


def items(model: Model) -> tuple[Item, ...]:
    """Return everything named in the model."""
    return (*model.parameters, *model.solved, *model.states, *model.equations)


def ambiguous(model: Model) -> dict[str, list[str]]:
    """Return symbols that stand for different things, with their names; one thing may have two names."""
    by_symbol: dict[str, list[Item]] = {}
    for item in items(model):
        by_symbol.setdefault(latex.symbol(item.symbol), []).append(item)
    return {symbol: [item.name for item in group] for symbol, group in by_symbol.items() if not _is_one_thing(group)}


def _is_one_thing(group: Sequence[Item]) -> bool:
    names = {item.name for item in group}
    return sum(getattr(item, "expr", "") not in names for item in group) == 1


class _Section:
    """One component of the body."""

    def __init__(self, model: Model, file: Component, symbols: Mapping[str, str]) -> None:
        self.file, self.symbols = file, symbols
        self.parameters = self._own(model.parameters, file.parameters)
        self.states = self._own(model.states, file.states)
        self.solved = self._own(model.solved, file.solved)
        self.equations = self._own(model.equations, file.equations)
        self.fluxes = self._own(model.equations, file.fluxes)

    def _own(self, items: Iterable[T], names: Iterable[str]) -> list[T]:
        by_name = {item.name: item for item in items}
        return [by_name[f"{self.file.id}.{name}"] for name in names]

    def page(self) -> str:
        parts = [
            f"## {self.file.name}\n{self.file.about}\n",
            f"Form of the equations: {_source(self.file)}; {self.file.status}.\n",
            _table("States", ("", "meaning", "unit", "at the start"), map(self._state, self.states)),
            self._balance(),
            _table(
                "Parameters",
                ("", "meaning", "value", "source", "status"),
                map(self._parameter, self.parameters),
            ),
            self._solved(),
            self._equations(),
            self._fluxes(),
        ]
        return "\n".join(part for part in parts if part)

    def _state(self, state: State) -> tuple[str, ...]:
        start = f"${latex.inline(state.initial, self.symbols)}$"
        return (self._symbol(state), _meaning(state), _unit(state.unit), start)

    def _symbol(self, item: Item) -> str:
        return f"${self.symbols[item.name]}$"

    def _balance(self) -> str:
        if not self.states:
            return ""
        rows = [(rf"\frac{{d{self.symbols[s.name]}}}{{dt}}", latex.lines(s.rate, self.symbols)) for s in self.states]
        return _display(latex.aligned(rows))

    def _parameter(self, item: Parameter) -> tuple[str, ...]:
        number, _, unit = item.written.partition(" ")
        value = f"${self.symbols[item.equals]}$" if item.equals else _quantity(number, unit)
        scaled = f" Scales with {item.scales}." if item.scales else ""
        return (self._symbol(item), _meaning(item, scaled), value + _range(item), _source(item), item.status)

    def _equations(self) -> str:
        shown = [f"{self._title(e)}\n{self._shown(e)}" for e in self.equations]
        return "\n".join(["**Equations**\n", *shown]) if shown else ""

    def _solved(self) -> str:
        shown = [f"{self._title(e)}\n{self._zero(e) if e.between else self._shown(e)}" for e in self.solved]
        return "\n".join(["**Solved for the healthy person**\n", *shown]) if shown else ""

    def _shown(self, item: Equation | Solved) -> str:
        return _display(latex.equation(self.symbols[item.name], item.expr, self.symbols))

    def _zero(self, item: Solved) -> str:
        low, high = item.between or (0, 0)
        where = f"The value of {self._symbol(item)} between {low:g} and {high:g} at which this holds:\n\n"
        return where + _display(latex.equation("0", item.expr, self.symbols))

    def _fluxes(self) -> str:
        return "\n".join(["**Fluxes**\n", *map(self._flux, self.fluxes)]) if self.fluxes else ""

    def _title(self, item: Item) -> str:
        own = "" if _source(item) == _source(self.file) else f"{_source(item)}; {item.status}"
        return ", ".join(part for part in (f"{item.about} `{item.name}`", _unit(item.unit), own) if part) + "\n"

    def _flux(self, flux: Equation) -> str:
        """Return a flux; where it is another quantity under its own symbol there is nothing to compute."""
        ends = f"${self.symbols[flux.origin]} \\to {self.symbols[flux.to]}$"
        head = f"{self._title(flux).rstrip()}, {ends}"
        if self.symbols.get(flux.expr) == self.symbols[flux.name]:
            return f"{head}: {self._symbol(flux)} is `{flux.expr}`.\n"
        return f"{head}\n\n{self._shown(flux)}"


def _source(item: Item | Component) -> str:
    return f"[{item.source}](#{item.source}), {item.at}"


def _display(text: str) -> str:
    return f"```math\n{text}\n```\n"


def _table(title: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in rows]
    if not lines:
        return ""
    return "\n".join([f"**{title}**\n", f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}", *lines, ""])


def _meaning(item: Item, more: str = "") -> str:
    return f"{item.about}{more}<br>`{item.name}`"


def _quantity(number: str, unit: str) -> str:
    number = re.sub(r"^1e-0*(\d+)$", r"10<sup>-\1</sup>", number).replace("-", "−")
    return "&nbsp;".join(part for part in (number, _unit(unit)) if part)


def _range(item: Parameter) -> str:
    low, high = ("" if edge is None else _quantity(f"{edge / item.factor:g}", "1") for edge in (item.low, item.high))
    if low and high:
        return f"<br>{low}&nbsp;to&nbsp;{high}"
    return f"<br>from&nbsp;{low}" if low else f"<br>to&nbsp;{high}" if high else ""


def _unit(text: str) -> str:
    """Return a unit for print.

    >>> _unit("L2/mmol/h"), _unit("1/h"), _unit("1")
    ('L²/mmol/h', 'h⁻¹', '')
    """
    text = re.sub(r"^1/(\w+)$", r"\1⁻¹", text)
    return "" if text == "1" else text.replace("2", "²").replace("3", "³")


def _anchor(title: str) -> str:
    """Return the anchor that GitHub gives a heading.

    >>> _anchor("Kidney: filtration, sodium and water")
    'kidney-filtration-sodium-and-water'
    """
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def _cited(model: Model, components: Mapping[str, Component], references: Mapping[str, Reference]) -> str:
    lines = ["## Sources"]
    for id in sorted({item.source for item in items(model)} | {part.source for part in components.values()}):
        reference = references.get(id)
        lines.append(f'- <a id="{id}"></a>**{id}** {reference.citation if reference else ""}'.rstrip())
    return "\n".join(lines) + "\n"
