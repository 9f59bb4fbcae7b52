"""Read the model files, resolve every name, check every unit, and put the equations in order."""

from __future__ import annotations

from functools import cache
from graphlib import CycleError, TopologicalSorter
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from carnallite import datafile
from carnallite.errors import DataFileError, UnitError, did_you_mean
from carnallite.physiology import dimension, expression
from carnallite.physiology.schema import Component, Equation, Model, Parameter, Solved, State

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterable, Mapping

    from carnallite.physiology.schema import Entry, ParameterEntry, Part, SolvedEntry, StateEntry

T = TypeVar("T", Equation, Solved)

FOLDER = Path(__file__).with_name("model")


@cache
def model() -> Model:
    """Return the body that comes with the package.

    >>> len(model().states) > 30
    True
    """
    return datafile.compiled(FOLDER, Model, read)


def read(folder: Path) -> Model:
    """Return the checked model of a folder of model files.

    Raises
    ------
    DataFileError
        A file is malformed, a name does not exist, an equation adds what cannot be added, equations go round in
        a circle, or a pool has a rate of its own.
    """
    return _Reader(folder).model()


class _Reader:
    def __init__(self, folder: Path) -> None:
        self.components = datafile.read_folder(folder, Component)
        self.hash = sha256(b"".join(path.read_bytes() for path in sorted(folder.glob("*.toml")))).hexdigest()[:16]
        self.dimensions: dict[str, dimension.Dimension] = {}
        for id, component in self.components.items():
            for group in (component.parameters, component.states, component.equations, component.fluxes,
                          component.solved):  # fmt: skip
                self._declare(id, group)

    def _declare(self, id: str, group: Mapping[str, Part]) -> None:
        for name, part in group.items():
            full = f"{id}.{name}"
            if full in self.dimensions:
                raise DataFileError(f"{id}.toml", f"`{name}` stands there twice.", "Give one another name.")
            self.dimensions[full] = self._unit(id, name, part.unit).dimension

    def _unit(self, id: str, name: str, unit: str) -> dimension.Unit:
        try:
            return dimension.parse(unit)
        except UnitError as error:
            raise DataFileError(f"{id}.toml, `{name}`", f"{error.where}: {error.what}", error.do) from None

    def model(self) -> Model:
        equations = self._sorted(list(self._equations()), "equation")
        solved = self._sorted(list(self._solved()), "solved constant")
        return Model(
            components={id: component.about for id, component in self.components.items()},
            parameters=tuple(self._parameters()),
            states=tuple(self._states()),
            equations=tuple(equations),
            solved=tuple(solved),
            hash=self.hash,
        )

    def _parameters(self) -> Iterable[Parameter]:
        for id, component in self.components.items():
            for name, entry in component.parameters.items():
                yield self._parameter(id, name, entry)

    def _parameter(self, id: str, name: str, entry: ParameterEntry) -> Parameter:
        where = f"{id}.toml, `{name}`"
        if (entry.value is None) == (not entry.equals):
            raise DataFileError(where, "needs either `value` or `equals`.", "Give one of them.")
        if entry.equals and self.dimensions.get(entry.equals) != self.dimensions[f"{id}.{name}"]:
            near = did_you_mean(entry.equals, self.dimensions)
            raise DataFileError(where, f"follows `{entry.equals}`, which is not there or has another unit.", near)
        factor = self._unit(id, name, entry.unit).scale
        value = self._default(entry) * factor
        return Parameter(
            name=f"{id}.{name}",
            unit=str(self.dimensions[f"{id}.{name}"]),
            symbol=entry.symbol,
            about=entry.about,
            source=entry.source,
            at=entry.at,
            status=entry.status,
            value=value,
            written=f"{value / factor:g} {entry.unit}",
            factor=factor,
            equals=entry.equals,
            low=None if entry.low is None else entry.low * factor,
            high=None if entry.high is None else entry.high * factor,
            scales=entry.scales,
            spread=entry.spread,
        )

    def _default(self, entry: ParameterEntry) -> float:
        if entry.value is not None:
            return entry.value
        component, _, name = entry.equals.partition(".")
        return self._default(self.components[component].parameters[name])

    def _states(self) -> Iterable[State]:
        for id, component in self.components.items():
            for name, entry in component.states.items():
                if bool(entry.pool) == bool(entry.rate):
                    raise DataFileError(
                        f"{id}.toml, `{name}`", "needs either `pool` (fluxes change it) or `rate`.", "Give one."
                    )
                unit = self.dimensions[f"{id}.{name}"]
                per_hour = unit / dimension.parse("h").dimension
                yield State(
                    **self._common(id, name, entry),
                    initial=self._checked(id, name, entry.initial, unit),
                    rate=self._checked(id, name, entry.rate, per_hour) if entry.rate else self._net(f"{id}.{name}"),
                    scale=entry.scale,
                    pool=entry.pool,
                    outside=entry.outside,
                    signed=entry.signed,
                )

    def _net(self, pool: str) -> str:
        """Return the sum of the fluxes of a pool; a source counts what has left the outside world."""
        terms = ""
        counts_out = self._state(pool).outside == "source"
        for id, component in self.components.items():
            for name, flux in component.fluxes.items():
                ends = [self._end(id, name, flux.origin), self._end(id, name, flux.to)]
                if pool in ends:
                    terms += f" {'+' if counts_out or ends[1] == pool else '-'} {id}.{name}"
        return terms.strip().removeprefix("+ ") or "0"

    def _end(self, id: str, name: str, end: str) -> str:
        full = end if "." in end else f"{id}.{end}"
        component, _, state = full.partition(".")
        if component not in self.components or state not in self.components[component].states:
            raise DataFileError(f"{id}.toml, `{name}`", f"`{end}` is no pool.", did_you_mean(end, self.dimensions))
        return full

    def _state(self, full: str) -> StateEntry:
        component, _, name = full.partition(".")
        return self.components[component].states[name]

    def _equations(self) -> Iterable[Equation]:
        for id, component in self.components.items():
            for name, entry in component.equations.items():
                expr = self._checked(id, name, entry.expr, self.dimensions[f"{id}.{name}"])
                yield Equation(**self._common(id, name, entry), expr=expr)
            for name, flux in component.fluxes.items():
                origin, to = self._end(id, name, flux.origin), self._end(id, name, flux.to)
                held = {self._state(origin).pool, self._state(to).pool}
                if len(held) != 1:
                    raise DataFileError(
                        f"{id}.toml, `{name}`", f"joins {' and '.join(sorted(held))}.", "A flux carries one substance."
                    )
                expr = self._checked(id, name, flux.expr, self.dimensions[f"{id}.{name}"])
                yield Equation(**self._common(id, name, flux), expr=expr, origin=origin, to=to)

    def _solved(self) -> Iterable[Solved]:
        for id, component in self.components.items():
            for name, entry in component.solved.items():
                if (bool(entry.root), entry.between is not None) not in {(True, True), (False, False)}:
                    raise DataFileError(f"{id}.toml, `{name}`", "needs `root` with `between`, or `expr`.", "Mend it.")
                expr = self._checked(id, name, entry.root or entry.expr, self._wanted(id, name, entry))
                yield Solved(**self._common(id, name, entry), expr=expr, between=entry.between, signed=entry.signed)

    def _wanted(self, id: str, name: str, entry: SolvedEntry) -> dimension.Dimension | None:
        return None if entry.root else self.dimensions[f"{id}.{name}"]

    def _common(self, id: str, name: str, entry: Entry) -> dict[str, str]:
        home = self.components[id]
        own = bool(entry.source)
        return {
            "name": f"{id}.{name}",
            "unit": str(self.dimensions[f"{id}.{name}"]),
            "symbol": entry.symbol,
            "about": entry.about,
            "source": entry.source if own else home.source,
            "at": entry.at if own else home.at,
            "status": entry.status or home.status,
        }

    def _checked(self, id: str, name: str, text: str, wanted: dimension.Dimension | None) -> str:
        where = f"{id}.toml, `{name}`"
        try:
            tree = expression.resolve(expression.parse(text), id, self.dimensions)
        except DataFileError as error:
            raise DataFileError(where, error.what, error.do) from None
        found = expression.dimension_of(tree, self.dimensions, where)
        zero = expression.show(tree) == "0"
        if wanted is not None and found != wanted and not zero:
            raise DataFileError(where, f"is declared in {wanted}, but its equation gives {found}.", "Mend one of them.")
        return expression.show(tree)

    def _sorted(self, items: list[T], kind: str) -> list[T]:
        by_name = {item.name: item for item in items}
        graph = {
            item.name: [] if getattr(item, "between", None) else [n for n in _names(item.expr) if n in by_name]
            for item in items
        }
        try:
            return [by_name[name] for name in TopologicalSorter(graph).static_order()]
        except CycleError as error:
            ring = " → ".join(f"`{name}`" for name in error.args[1])
            raise DataFileError("model", f"{kind}s go round in a circle: {ring}.", "Break it with a state.") from None


def _names(text: str) -> list[str]:
    return list(dict.fromkeys(expression.names(_tree(text))))


def _tree(text: str) -> ast.expr:
    return expression.parse(text)
