"""The plans side by side in one table, short enough for the first page: a row for each step, a column for each plan."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

import msgspec

from carnallite.plan import AS_NOW
from carnallite.surfaces import plans, words
from carnallite.surfaces.printed import printed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from carnallite.plan import Advice, Plan, PlannedStep

_DAY = 7  # [d] of which the first page tells; the others stand in the table of the forecast


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """What one plan has in a row, or several plans that stand side by side and have the same."""

    name: str = ""  # of the step, where the row holds several
    dose: str = ""
    standing: str = ""
    text: str = ""
    looks: str = ""
    ends: str = ""
    span: int = 1


class Row(msgspec.Struct, frozen=True):
    """One step, several that take each other's place in different plans, or one thing to know of each plan."""

    name: str
    phase: str
    cells: tuple[Cell, ...]


class Glance(msgspec.Struct, frozen=True, kw_only=True):
    """The table; `brought` has one more column, for what comes if nothing changes, where there is a forecast."""

    heads: tuple[tuple[str, str], ...]  # letter and name
    steps: tuple[Row, ...]
    brought: tuple[Row, ...]
    as_now: bool
    too_high: str
    fit: str  # how well the virtual patients show what was measured
    impossible: tuple[tuple[str, str], ...]  # name of the plan, what of it is blocked and why


def glance(advice: Advice, units: words.Units) -> Glance:
    """Return the plans side by side: doses, what to look at, what is blocked, what each brings in a week."""
    possible = [(letter, plan) for letter, plan in plans.lettered(advice) if plan.possible]
    shown = [plan for _, plan in possible]
    foretold = dict(_lines(advice, units))
    return Glance(
        heads=tuple((letter, plan.name) for letter, plan in possible),
        steps=(
            *_row("Measure now", list(map(_asked, shown))),
            *_steps(shown),
            *_row("Blocked", list(map(_barred, shown))),
        ),
        brought=_brought(advice, foretold, units) if foretold else _looked(shown),
        as_now=AS_NOW in foretold,
        too_high=_too_high(units) if foretold else "",
        fit=advice.fit.words if foretold and advice.fit is not None else "",
        impossible=tuple((plan.name, _barred(plan)) for plan in advice.plans if not plan.possible),
    )


def _steps(shown: Sequence[Plan]) -> tuple[Row, ...]:
    """Return a row for each step, in an order that is that of every plan; what takes its place stands beside it."""
    rows: list[list[PlannedStep | None]] = []
    for id in _in_order(shown):
        found = [next((one for one in plan.steps if one.id == id), None) for plan in shown]
        if rows and _are_alternatives(rows[-1], found):
            rows[-1] = [one or other for one, other in zip(rows[-1], found, strict=True)]
        else:
            rows.append(found)
    return tuple(map(_step_row, rows))


def _are_alternatives(row: Sequence[PlannedStep | None], other: Sequence[PlannedStep | None]) -> bool:
    """Return whether no plan has both, and all are of one phase."""
    phases = {one.phase for one in (*row, *other) if one is not None}
    return len(phases) == 1 and not any(one and two for one, two in zip(row, other, strict=True))


def _step_row(found: Sequence[PlannedStep | None]) -> Row:
    names = dict.fromkeys(one.name for one in found if one is not None)
    phase = next(plans.PHASES[one.phase] for one in found if one is not None)
    cells = _joined(_cell(one, is_named=len(names) > 1) for one in found)
    return Row(name="" if len(names) > 1 else next(iter(names)), phase=phase, cells=cells)


def _in_order(shown: Sequence[Plan]) -> tuple[str, ...]:
    """Return every step once; what only a later plan has stands behind the step that it follows there."""
    order: list[str] = []
    for plan in shown:
        place = 0
        for step in plan.steps:
            if step.id not in order:
                order.insert(place, step.id)
            place = order.index(step.id) + 1
    return tuple(order)


def _cell(step: PlannedStep | None, *, is_named: bool) -> Cell:
    if step is None:
        return Cell(text="–")
    return Cell(
        name=step.name if is_named else "",
        dose=f"{plans.dose_text(step.dosing, brief=True)}." if step.dosing else "",
        standing=plans.standing(step) if step.dosing else "",
        text="" if step.dosing else step.do,
        looks="; ".join(", ".join(filter(None, (one.what, one.when))) for one in step.watch) if step.dosing else "",
        ends=" ".join(step.stop) if step.dosing else "",
    )


def _row(name: str, told: Sequence[str]) -> tuple[Row, ...]:
    """Return a row of words, or none where no plan has any."""
    return (Row(name, "", _joined(Cell(text=one or "–") for one in told)),) if any(told) else ()


def _asked(plan: Plan) -> str:
    return plans.names(dict.fromkeys(test for step in plan.steps for test in step.ask_first))


def _barred(plan: Plan) -> str:
    """Return what is blocked, and the first reason for it; what has the same reason is told together."""
    by_reason: dict[str, list[str]] = {}
    for one in plan.blocked:
        by_reason.setdefault(one.objections[0].because if one.objections else "", []).append(one.name)
    return " ".join(f"{'; '.join(names)}: {because}" for because, names in by_reason.items())


def _brought(advice: Advice, by_id: Mapping[str, plans.Line], units: words.Units) -> tuple[Row, ...]:
    """Return what each plan brings, and what comes if nothing changes, which is put last."""
    wanted = [*(plan.id for plan in advice.plans if plan.possible), *([AS_NOW] if AS_NOW in by_id else [])]
    told, days = [by_id.get(id) for id in wanted], plans.days_of(advice)
    which = days.index(_DAY) if _DAY in days else len(days) - 1
    magnesium, potassium = (f"{name} on day {days[which]} [{printed(ion, units).unit}]"
                            for ion, name in zip(plans.IONS, ("Mg", "K"), strict=True))  # fmt: skip
    rows: list[tuple[str, Callable[[plans.Line], str]]] = [
        (magnesium, lambda line: line.levels[0][which]),
        (potassium, lambda line: line.levels[1][which]),
        ("Time in range", lambda line: _both(line.in_range)),
        ("Ever dangerously high", lambda line: _both(line.risks[:2])),
    ]
    if any(line.ended != "none" for line in by_id.values()):
        rows.append(("Leave the range in which the body holds", lambda line: line.ended))
    rows.append(("Next sample", lambda line: line.look))
    return tuple(
        Row(name, "", tuple(Cell(text=tell(line) if line else "not foretold") for line in told)) for name, tell in rows
    )


def _lines(advice: Advice, units: words.Units) -> Iterable[tuple[str, plans.Line]]:
    """Return what is foretold, by the id of the plan; what most virtual patients do not live through is not."""
    outlooks = advice.forecast.outlooks if advice.forecast is not None else ()
    return zip((one.plan for one in outlooks), plans.table(advice, units), strict=True)


def _both(shares: Sequence[str]) -> str:
    magnesium, potassium = shares
    return f"Mg {magnesium}, K {potassium}"


def _too_high(units: words.Units) -> str:
    magnesium, potassium = (plans.dangerous(ion, units) for ion in plans.IONS)
    return f"Mg {magnesium}, K {potassium}"


def _looked(shown: Sequence[Plan]) -> tuple[Row, ...]:
    """Return when to look next, where nothing is foretold."""
    hours = [[one.hours for step in plan.steps for one in step.watch if one.hours] for plan in shown]
    return _row("Next look", [f"in {plans.duration(min(each))}" if each else "" for each in hours])


def _joined(cells: Iterable[Cell]) -> tuple[Cell, ...]:
    """Return cells of which neighbours that are the same are one."""
    return tuple(msgspec.structs.replace(one, span=len(list(same))) for one, same in groupby(cells))
