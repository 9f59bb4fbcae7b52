"""Draft orders past the rules and the safety table of our own plans: what is wrong with them, before they act.

An order is held against the table alone, and with what the record lists as running; against the rules by what they say
with it and did not say without it. What could not be read of a dose is told, never passed in silence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec

from carnallite.assessment import (
    Columns,
    Facts,
    Value,
    amount_of,
    dose_route,
    substance_of,
    treatments_of,
    unsafe,
)
from carnallite.errors import PlanError
from carnallite.knowledge import Ceiling, Contraindication, knowledge
from carnallite.physiology.scenario import Dose
from carnallite.physiology.timing import DAY
from carnallite.plan.amounts import Given, given
from carnallite.plan.numbers import numbers
from carnallite.plan.safety import EVERYTHING, Guard, only_asks, tables, told
from carnallite.quantity import analyte
from carnallite.record import membership

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from carnallite.assessment import Alert
    from carnallite.knowledge import Safety
    from carnallite.plan.safety import Line
    from carnallite.record import Exposure, Order, Reading

CHECKED = ("magnesium", "potassium", "calcium")  # what orders bring that the table limits whatever they are for
Kind = Literal["limit", "contraindication", "rule", "not_read", "outside"]
Severity = Literal["critical", "warning", "info"]
_WHOLE = 1000  # from here on no number has three figures
_ORDER = ("critical", "warning", "info")


class OrderFinding(Value, frozen=True):
    """What is wrong with a draft order, or what of it was not checked.

    Attributes
    ----------
    order : str
        Its place among the drafts.
    kind : str
        A ceiling or contraindication of the safety table, a rule, a dose that could not be read, or
        somebody for whom doses are outside of what this program covers.
    severity : "critical", "warning" or "info"
        A hard line that is known to hold; whatever else should be looked at before signing; what is only told.
    id : str
        Of the line or rule.
    drug : str
        Which of its drugs it is about; empty where it is about the order with what else is taken.
    measure : str
        What of it is limited: dose, rate, day, two_days, before_level or concentration.
    ordered : str
        What the order comes to, in the measure that `limit` limits.
    together : bool
        It holds only together with what the record lists as given now.
    unknown : bool
        It holds because something was not measured; `ask` names what would decide.
    """

    order: str
    kind: Kind
    severity: Severity
    id: str
    summary: str
    do: str = ""
    why: tuple[str, ...] = ()
    drug: str = ""
    measure: str = ""
    ordered: str = ""
    limit: str = ""
    source: str = ""
    status: str = ""
    statements: tuple[str, ...] = ()
    ask: tuple[str, ...] = ()
    together: bool = False
    unknown: bool = False


class _Part(NamedTuple):
    """What an order brings of one drug, as the table counts it; what of its measures is not known.

    Where `unread` says what could not be read, the dose brings nothing: no ceiling is checked, contraindications are.
    """

    exposure: Exposure
    dose: Given
    rate_known: bool
    fluid_known: bool
    unread: str = ""


def review(reading: Reading, orders: Sequence[Order], *, limits: Path | None = None) -> tuple[OrderFinding, ...]:
    """Return what is wrong with draft orders for one patient, the gravest first.

    Parameters
    ----------
    reading : Reading
        The record without the drafts.
    orders : sequence of Order
        In the order in which they would be given; earlier ones count with later ones.
    limits : Path, optional
        A hospital's own stricter lines of the safety table.

    Raises
    ------
    DataFileError
        The hospital's own file is wrong.
    """
    table = tables(limits)
    columns = Columns.of([reading.timeline])
    facts = columns.people[0]
    alone, together = Guard(columns, table), Guard(columns, table)
    for running in _running(facts):
        together.take(running, alone.everybody())
    found: list[OrderFinding] = []
    for order in orders:
        for exposure in order.exposures:
            part = _part(order, exposure)
            if part is not None:
                found += _judged(order, part, alone, together)
        found += _ruled(order, reading)
    found.sort(key=lambda one: (_ORDER.index(one.severity), one.unknown, one.order, one.id))
    told_of: dict[tuple[str, ...], OrderFinding] = {}
    for one in found:  # of several limits of one measure the gravest is told
        key = (one.order, one.drug, one.measure) if one.measure else (one.order, one.kind, one.id)
        told_of.setdefault(key, one)
    return tuple(told_of.values())


# against the table ---------------------------------------------------------------------------------------------------
def _running(facts: Facts) -> Iterator[Given]:
    """Yield what the record lists as given now and going on."""
    for one in treatments_of(facts):
        if not one.goes_on or not set(CHECKED) & set(membership().get(one.ingredient, ())):
            continue
        plain = msgspec.structs.replace(one.dose, start="", until="", at=())
        try:
            yield given(plain)
        except PlanError:  # it is told by the assessment; a draft is judged without it
            continue


def _part(order: Order, exposure: Exposure) -> _Part | None:
    """Return what an order brings of one drug; nothing if the table has no part in it."""
    groups = membership().get(exposure.ingredient, frozenset({exposure.ingredient}))
    things = [thing for thing in CHECKED if thing in groups]
    if not things:
        return None
    what = substance_of(exposure)
    amount = amount_of(exposure, what) if what is not None else ""
    if what is None or not amount:
        return _unread(exposure, things, "what it holds of the element")
    over = order.over_h or (numbers()["push"] if order.push else None)
    injected = exposure.route not in {None, "oral", "enteral"}
    each = DAY / exposure.per_day if exposure.per_day else DAY
    dose = Dose(
        what=what, amount=amount, route=dose_route(exposure), over=f"{over or each:.6f} h" if injected else "",
        every=f"{each:.6f} h" if exposure.per_day else "",
    )  # fmt: skip
    try:
        brought = given(dose, volume=f"{order.volume_l:.6f} L" if order.volume_l else "")
    except PlanError:
        return _unread(exposure, things, "dose and route")
    return _Part(exposure, brought, over is not None or not injected, order.volume_l is not None or not injected)


def _unread(exposure: Exposure, things: Sequence[str], what: str) -> _Part:
    brings = Given(dict.fromkeys(things, 0.0), dose_route(exposure), (0.0,), DAY, None, 0)
    return _Part(exposure, brings, rate_known=False, fluid_known=False, unread=what)


def _not_read(order: Order, part: _Part) -> OrderFinding:
    return OrderFinding(
        order=order.where, kind="not_read", severity="info", id=f"{part.exposure.ingredient}_not_read",
        summary=f"{_name(part.exposure)}: {part.unread} could not be read, so the dose was not checked",
        do="Write the dose in mmol of the element, with its route.",
    )  # fmt: skip


def _name(exposure: Exposure) -> str:
    return exposure.ingredient.replace("_", " ").capitalize()


def _judged(order: Order, part: _Part, alone: Guard, together: Guard) -> Iterator[OrderFinding]:
    """Yield what the table says of a part of an order, by itself and with what is given now; then count it."""
    by_itself = alone.judge(part.dose)
    own = {line.limit.id for line in by_itself.lines if line.holds[0]}
    verdict = together.judge(part.dose)
    lacks_fluid = False
    asked: dict[str, None] = {}
    for line in verdict.lines:
        if not line.holds[0] or _for_plans(line.limit):
            continue
        measure = _measure(line.limit)
        if measure == "rate" and not part.rate_known:
            continue
        if measure == "concentration" and not part.fluid_known:
            lacks_fluid = True
            continue
        if only_asks(line.limit) and line.unknown[0]:
            asked.update(dict.fromkeys(line.limit.ask))
            continue
        added = line.limit.id not in own  # the order keeps the limit, and does not with what is given now
        ordered = _ordered(part, line, together if added else alone)
        spared = bool(verdict.spared[0]) and not part.unread  # what is spared is known to be small
        yield _of_line(order, part, line, ordered, spared=spared, together=added)
    if asked:
        yield _asked(order, part, tuple(asked))
    if part.unread:
        yield _not_read(order, part)
        return
    yield from _not_measured(order, part, alone.table, lacks_fluid=lacks_fluid)
    everybody = alone.everybody()
    alone.take(part.dose, everybody)
    together.take(part.dose, everybody)


def _measure(limit: Ceiling | Contraindication) -> str:
    return limit.what if isinstance(limit, Ceiling) else ""


def _for_plans(limit: Ceiling | Contraindication) -> bool:
    """Return whether a line is about what we propose, not about what others order for reasons of their own."""
    return isinstance(limit, Contraindication) and limit.only_plans


def _not_measured(
    order: Order, part: _Part, table: Mapping[str, Safety], *, lacks_fluid: bool
) -> Iterator[OrderFinding]:
    """Yield that a rate was not checked, since the order does not say over how long it runs; fluids likewise."""
    limited = {one.what for thing in part.dose.what if thing in table for one in table[thing].ceilings
               if not one.routes or part.dose.route in one.routes}  # fmt: skip
    if not part.rate_known and "rate" in limited:
        yield OrderFinding(
            order=order.where, kind="not_read", severity="warning", id="rate_not_given",
            summary=f"{_name(part.exposure)} by injection: without a time or rate the order was not checked for speed",
            do="Add the time or the rate.",
        )  # fmt: skip
    if lacks_fluid:
        yield OrderFinding(
            order=order.where, kind="not_read", severity="info", id="fluid_not_given",
            summary=f"{_name(part.exposure)} by injection: the order does not say in how much fluid",
            do="Add the volume.",
        )  # fmt: skip


def _asked(order: Order, part: _Part, ask: tuple[str, ...]) -> OrderFinding:
    names = ", ".join(analyte(one).name for one in ask)
    return OrderFinding(
        order=order.where, kind="not_read", severity="info", id=f"{part.exposure.ingredient}_not_measured",
        summary=f"{_name(part.exposure)}: not known is {names}", do="Measure it before the next dose.", ask=ask,
        unknown=True,
    )  # fmt: skip


def _of_line(order: Order, part: _Part, line: Line, ordered: str, *, spared: bool, together: bool) -> OrderFinding:
    limit, said, name = line.limit, told(line, 0), _name(part.exposure)
    kind: Kind = "outside" if line.thing == EVERYTHING else "limit" if said.limit else "contraindication"
    severity: Severity = "info" if limit.grade == "caution" or spared or kind == "outside" else "warning"
    if limit.grade == "hard" and not said.unknown and not spared and kind != "outside":
        severity = "critical"
    now = " with what is given now" if together else ""
    summary = f"{name}: {ordered} ordered{now}, {said.limit}" if ordered else f"{name}: {limit.because}"
    unknown = ("Not known, so it counts as if it held.",) if said.unknown else ()
    return OrderFinding(
        order=order.where, kind=kind, severity=severity, id=limit.id, summary=summary, drug=name, ordered=ordered,
        measure=_measure(limit),
        why=((limit.because,) if ordered else ()) + unknown, limit=said.limit, source=limit.source,
        status=limit.status, ask=said.ask, together=together, unknown=said.unknown,
    )  # fmt: skip


def _ordered(part: _Part, line: Line, guard: Guard) -> str:
    """Return what an order comes to, with what a guard has counted before it, in the measure of a ceiling."""
    limit = line.limit
    if not isinstance(limit, Ceiling):
        return ""
    size = float(guard.measured(line.thing, limit, part.dose)[0])
    return f"{size:.3g} {limit.unit}" if size < _WHOLE else f"{size:.0f} {limit.unit}"


# against rules -----------------------------------------------------------------------------------------
def _ruled(order: Order, reading: Reading) -> Iterator[OrderFinding]:
    """Yield the rules of what is unsafe that hold with an order, and would not if nothing of it were taken."""
    if not order.exposures:
        return
    timeline = reading.timeline
    ordered = {one.ingredient for one in order.exposures}
    before = tuple(one for one in timeline.exposures if one.ingredient not in ordered)
    without = _unsafe(reading, before)
    for alert in _unsafe(reading, (*timeline.exposures, *order.exposures)).values():
        if alert.id in _OUTSIDE or without.get(alert.id) == alert:
            continue
        asks = alert.summary != knowledge().rules[alert.id].summary
        yield OrderFinding(
            order=order.where, kind="rule", severity="warning", id=alert.id, summary=alert.summary, do=alert.do,
            why=alert.why, source=alert.source, status=knowledge().rules[alert.id].status,
            statements=alert.statements, ask=knowledge().rules[alert.id].ask if asks else (), unknown=asks,
        )  # fmt: skip


_OUTSIDE = frozenset({"outside_domain"})  # the table says it of every dose


def _unsafe(reading: Reading, exposures: Sequence[Exposure]) -> dict[str, Alert]:
    timeline = msgspec.structs.replace(reading.timeline, exposures=tuple(exposures))
    return {one.id: one for one in unsafe(timeline)}
