"""Drafts put into words: doses with everything else they are called, why each step, what to look at and when."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import msgspec

from carnallite.assessment import PRESENT, Reason, evaluate, facts_for
from carnallite.knowledge import knowledge
from carnallite.physiology import substance
from carnallite.physiology.timing import DAY, hours
from carnallite.plan.propose import chosen_of, is_possible
from carnallite.plan.safety import EVERYTHING, objections
from carnallite.plan.values import BlockedStep, Dosing, Plan, PlannedStep, PlanNote, Watch
from carnallite.quantity import analyte

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from carnallite.assessment import Columns
    from carnallite.knowledge import Regimen, Step
    from carnallite.plan.propose import Choice, Draft

_ELEMENTS = ("magnesium", "potassium", "calcium")


def plan_of(draft: Draft, columns: Columns, row: int, probable: Mapping[str, float]) -> Plan:
    """Return what a draft says to one patient.

    Parameters
    ----------
    probable : mapping of cause to float
        [1] How probable each is.
    """
    possible = is_possible(draft, row)
    done = list(chosen_of(draft, row)) if possible else []
    present = {choice.step.id for choice, _ in done}
    steps = tuple(
        msgspec.structs.replace(
            _step(choice, regimen, columns, row, probable),
            after=tuple(id for id in choice.step.after if id in present),
            beside=tuple(id for id in choice.step.beside if id in present),
        )
        for choice, regimen in done
    )
    key = set(draft.strategy.key)
    barred = [one for one in draft.choices if one.wanted[row] and not one.done_by(row)]
    blocked = tuple(_blocked(one, row) for one in barred if possible or not key or one.step.id in key)
    looks = [look.hours for one in steps for look in one.watch if look.hours is not None]
    return Plan(
        id=draft.strategy.id,
        name=draft.strategy.name,
        about=draft.strategy.about,
        steps=steps,
        blocked=blocked,
        notes=tuple(_notes(draft, columns, row, probable)) if possible else (),
        replaces=_replaced(steps, columns, row),
        possible=possible,
        next_look_h=min(looks, default=None),
    )


def _step(
    choice: Choice, regimen: Regimen | None, columns: Columns, row: int, probable: Mapping[str, float]
) -> PlannedStep:
    step = choice.step
    number = int(choice.chosen[row])
    verdict = next((one for place, _, one in choice.verdicts if place == number), None)
    cautions = objections(verdict, row, cautions=True) if verdict is not None else ()
    tried = [one for place, fits, one in choice.verdicts if fits[row] and place < number]
    held = {one.id: one for verdict in tried for one in objections(verdict, row, cautions=False)}
    asks = dict.fromkeys(test for one in (*cautions, *held.values()) if one.unknown for test in one.ask)
    return PlannedStep(
        id=step.id, name=step.name, phase=step.phase, do=step.do,
        because=tuple(_reasons(step, columns, row, probable)),
        dosing=dosing_of(regimen) if regimen is not None and regimen.what else None,
        regimen=regimen.label if regimen is not None else "",
        source=regimen.source if regimen is not None else "", at=regimen.at if regimen is not None else "",
        status=regimen.status if regimen is not None else "", acts=regimen.acts if regimen is not None else "",
        cautions=cautions, held_back=tuple(held.values()), ask_first=tuple(asks),
        watch=tuple(Watch(what=one.what, when=one.when, why=one.why, hours=one.hours) for one in step.look),
        stop=step.stop, alternatives=step.alternatives,
        indications=tuple(_indications(step, columns, row)), statements=step.statements,
    )  # fmt: skip


def _reasons(step: Step, columns: Columns, row: int, probable: Mapping[str, float]) -> Iterable[Reason]:
    for id in step.causes:
        if probable.get(id, 0) > 0:
            yield Reason(fact=f"{knowledge().causes[id].name}, {100 * probable[id]:.0f} % likely")
    for fact in facts_for(step.when, columns, row) if step.when else ():
        yield Reason(fact=fact)


def _indications(step: Step, columns: Columns, row: int) -> Iterable[str]:
    for id in step.indications:
        if evaluate(f"recorded({id})", columns)[row] == PRESENT:
            yield knowledge().conditions[id].name


def _blocked(choice: Choice, row: int) -> BlockedStep:
    tried = [(number, verdict) for number, fits, verdict in choice.verdicts if fits[row]]
    number, verdict = tried[-1] if tried else (-1, None)
    regimen = choice.step.regimens[number] if number >= 0 else None
    against = objections(verdict, row, cautions=False) if verdict is not None else ()
    outside = {line.id for line in knowledge().safety[EVERYTHING].contraindications}
    barred = [one for one in against if one.id in outside]
    if barred:  # whom no dose is for, none is shown
        return BlockedStep(id=choice.step.id, name=choice.step.name, dosing=None, objections=tuple(barred))
    return BlockedStep(
        id=choice.step.id, name=choice.step.name,
        dosing=dosing_of(regimen) if regimen is not None and regimen.what else None, objections=against,
    )  # fmt: skip


def _notes(draft: Draft, columns: Columns, row: int, probable: Mapping[str, float]) -> Iterable[PlanNote]:
    for note in draft.strategy.notes:
        holds = not note.when or evaluate(note.when, columns)[row] == PRESENT
        likely = not note.causes or any(probable.get(id, 0) > 0 for id in note.causes)
        if holds and likely:
            status = knowledge().statements[note.statement].status if note.statement else ""
            yield PlanNote(says=note.says, statement=note.statement, status=status)


def _replaced(steps: tuple[PlannedStep, ...], columns: Columns, row: int) -> tuple[str, ...]:
    """Return what the record lists now of what a plan gives anew: it is given instead, not besides."""
    anew = [one for one in ("magnesium", "potassium") if any(_brings(step, one) for step in steps)]
    return tuple(id for id in anew if columns.people[row].taking(id) == PRESENT)


def _brings(step: PlannedStep, thing: str) -> bool:
    return step.dosing is not None and thing in step.dosing.what


# doses --------------------------------------------------------------------------------------------------------------
@cache
def dosing_of(regimen: Regimen) -> Dosing:
    """Return a dose as it is printed: the element in mmol, and what the same dose is in g, mEq and mg."""
    item = substance.find(regimen.what)
    amount, _ = substance.read_amount(regimen.amount, item)
    over = hours(regimen.over, "over") if regimen.over else None
    per_hour = amount / over if over else None
    name = _full(regimen.what)
    volume = substance.read_amount(regimen.volume, substance.find("water"))[0] if regimen.volume else None
    return Dosing(
        what=name, amount=amount, unit=item.basis, equivalents=tuple(_equivalents(regimen.what, amount)),
        route=regimen.route, times=_times(regimen), over_h=over,
        rate=None if per_hour is None else float(f"{per_hour:.4g}"),
        per_h=tuple(_equivalents(regimen.what, per_hour)) if per_hour else (),
        volume_l=volume, concentration=float(f"{amount / volume:.4g}") if volume else None,
    )  # fmt: skip


def _full(what: str) -> str:
    """Return the full name of what is given: no formula and no abbreviation.

    >>> _full("KCl"), _full("magnesium citrate")
    ('potassium chloride', 'magnesium citrate')
    """
    item = substance.find(what)
    short = [one for one in item.names if one != one.lower()]  # formulas have capitals
    return item.names[0] if what in short else what


def _equivalents(what: str, amount: float) -> Iterable[str]:
    """Yield the same dose in other units; the name of the salt in full.

    >>> list(_equivalents("magnesium sulfate", 8.11))
    ['2 g of magnesium sulfate heptahydrate', '16.2 mEq', '197 mg of magnesium']
    """
    item = substance.find(what)
    if item.basis != "mmol":
        return
    if item.salt:
        yield f"{_number(amount / substance.mmol_per_gram(item.salt))} g of {item.salt}"
    if item.valence:
        yield f"{_number(amount * item.valence)} mEq"
    element = next((one for one in _ELEMENTS if any(one in name for way in item.routes.values() for name in way)), "")
    if element:
        yield f"{_number(amount * (analyte(f'serum_{element}').molar_mass or 0))} mg of {element}"


def _number(value: float) -> str:
    """Return three figures, never as a power of ten.

    >>> _number(1563.9), _number(0.4837)
    ('1560', '0.484')
    """
    return f"{float(f'{value:.3g}'):.10g}"


def _times(regimen: Regimen) -> str:
    """Return how often a dose is given, in words.

    >>> from carnallite.knowledge import knowledge
    >>> _times(knowledge().steps["magnesium_now"].regimens[0])
    '3 times, every 12 h'
    """
    if regimen.daily:
        each = {1: "once a day", 2: "twice a day", 3: "three times a day"}.get(len(regimen.daily), "")
        return f"{each or f'{len(regimen.daily)} times a day'}, at {', '.join(regimen.daily)}"
    if regimen.every:
        step = hours(regimen.every, "every")
        every = f"every {step / DAY:g} d" if step >= 2 * DAY and step % DAY == 0 else f"every {step:g} h"
        start = f", from {regimen.start} on" if regimen.start else ""
        return (f"{regimen.count} times, {every}" if regimen.count else every) + start
    return "once"
