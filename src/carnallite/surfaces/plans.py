"""Plans in words, the same for a terminal and a report: doses, what was held back and why, what each plan brings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from carnallite.knowledge import knowledge
from carnallite.quantity import analyte
from carnallite.surfaces import words
from carnallite.surfaces.printed import Printed, printed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from carnallite.plan import (
        Advice,
        BlockedStep,
        Course,
        Dosing,
        Objection,
        Outlook,
        Plan,
        PlannedStep,
        PlanNote,
        Watch,
    )
    from carnallite.surfaces.console import Page

ROUTES = {
    "intravenous": "by vein", "oral": "by mouth", "subcutaneous": "under the skin", "intramuscular": "into muscle",
    "inhaled": "by nebulizer", "enteral": "by tube",
}  # fmt: skip
PHASES = {
    "rescue": "now", "replace": "replace", "volume": "volume", "source": "cause", "keep": "keep",
}  # fmt: skip
IONS = ("serum_magnesium", "serum_potassium")
TOLD = (1, 7)  # [d] of which the table tells, beside the last
LETTERS = "ABCD"
BEYOND = "BEYOND AN EVERYDAY LIMIT"
AS_NOW = "As now, nothing changed"
_KEPT = Printed(unit="mmol", decimals=0, factor=1)
_ASSUMED = "our judgement, no source"


class Line(msgspec.Struct, frozen=True):
    """One row of the table of plans: a name, then magnesium and potassium on each of TOLD, and chances."""

    name: str
    levels: tuple[tuple[str, ...], ...]  # ion, day
    in_range: tuple[str, ...]  # ion
    risks: tuple[str, ...]  # too high, still low: magnesium, potassium
    kept: str
    look: str
    ended: str


def dose_text(dose: Dosing, *, brief: bool = False) -> str:
    """Return a dose as it is ordered: the full name, the element first, what else it is called, and how fast.

    A brief one names of its equivalents the mass of the salt alone, and no concentration.

    >>> from carnallite.plan import Dosing
    >>> dose_text(Dosing(what="saline", amount=1.0, unit="L", equivalents=(), route="intravenous", times="once",
    ...                  over_h=6.0, rate=0.1667)).replace(words.JOIN, " ")
    'saline 1 L by vein, over 6 h (167 mL/h), once'
    """
    size = volume(dose.amount) if dose.unit == "L" else f"{amount(dose.amount)}{words.JOIN}{dose.unit}"
    parts = [f"{dose.what} {size}"]
    if dose.equivalents:
        parts[0] += f" ({'; '.join(dose.equivalents[:1] if brief else dose.equivalents)})"
    parts[0] += f" {ROUTES.get(dose.route, dose.route)}"
    if dose.volume_l:
        strength = "" if brief else f" ({amount(dose.concentration or 0)}{words.JOIN}{dose.unit}/L)"
        parts.append(f"in {volume(dose.volume_l)}{strength}")
    if dose.over_h:
        parts.append(f"over {duration(dose.over_h)}{_rate(dose)}")
    parts.append(dose.times)
    return ", ".join(parts)


def _rate(dose: Dosing) -> str:
    if dose.rate is None or dose.route == "oral":
        return ""
    if dose.unit == "L":
        return f" ({1000 * dose.rate:.3g}{words.JOIN}mL/h)"
    grams = next((one.partition(" of ")[0] for one in dose.per_h if " g of " in one), "")
    also = f"; {grams}/h" if grams else ""
    return f" ({amount(dose.rate)}{words.JOIN}{dose.unit}/h{also})"


def amount(value: float) -> str:
    """Return a number without a trailing zero: 8, 8.11, 0.5."""
    return f"{value:.3g}" if value < 1000 else f"{value:.0f}"


def volume(litres: float) -> str:
    """Return a volume as it is ordered.

    >>> volume(0.25).replace(words.JOIN, " "), volume(1).replace(words.JOIN, " ")
    ('250 mL', '1 L')
    """
    return f"{litres:g}{words.JOIN}L" if litres >= 1 else f"{1000 * litres:g}{words.JOIN}mL"


def duration(hours: float) -> str:
    """Return a time as people say it.

    >>> duration(0.25).replace(words.JOIN, " "), duration(3).replace(words.JOIN, " ")
    ('15 min', '3 h')
    """
    if hours < 1:
        return f"{round(60 * hours)}{words.JOIN}min"
    return f"{hours:g}{words.JOIN}h" if hours < 48 or hours % 24 else f"{hours / 24:g}{words.JOIN}days"


def standing(step: PlannedStep) -> str:
    """Return on what evidence a regimen stands; nothing where it was measured."""
    if step.source == "assumption":
        return _ASSUMED
    return {"disputed": "sources disagree", "assumed": _ASSUMED, "fitted": "fitted"}.get(step.status, "")


def objection(one: Objection) -> str:
    """Return why the table holds something back, and what would decide."""
    limit = f" {one.limit[0].upper()}{one.limit[1:]}." if one.limit else ""
    grade = {"hard": "Outer limit.", "everyday": "", "caution": ""}[one.grade]
    unknown = " Not known is not taken for normal." if one.unknown else ""
    ask = f" Measure: {names(one.ask)}." if one.unknown and one.ask else ""
    worth = " [our judgement]" if one.source == "assumption" else ""
    return f"{one.because}{limit}{' ' + grade if grade else ''}{unknown}{ask}{worth}"


def names(tests: Iterable[str]) -> str:
    """Return the names of tests."""
    return "; ".join(analyte(one).name[0].lower() + analyte(one).name[1:] for one in tests)


def reasons(step: PlannedStep, tell: Callable[[str], str]) -> str:
    """Return why a step is there."""
    return "; ".join(tell(one.fact) for one in step.because[:3])


def lettered(advice: Advice) -> list[tuple[str, Plan]]:
    """Return the plans with their letters; what is not possible comes last and has none."""
    letters = iter(LETTERS)
    return [(next(letters, "") if plan.possible else "", plan) for plan in advice.plans]


# what each plan brings ----------------------------------------------------------------------------------------------
def table(advice: Advice, units: words.Units) -> tuple[Line, ...]:
    """Return what each plan brings, beside what comes if nothing changes."""
    if advice.forecast is None:
        return ()
    title = {plan.id: f"{letter} {plan.name}" for letter, plan in lettered(advice)}
    days = days_of(advice)
    return tuple(
        _line(one, title.get(one.plan, AS_NOW), days, units, look=next_sample(advice, one))
        for one in advice.forecast.outlooks
    )


def next_sample(advice: Advice, outlook: Outlook) -> float | None:
    """Return when to sample next [h]: what the steps ask for or what the simulation finds, whichever is sooner.

    Where nothing is planned there is no answer: when members differ most says nothing of what is urgent now.
    """
    plan = next((one for one in advice.plans if one.id == outlook.plan), None)
    if plan is None:
        return None
    return min([outlook.next_sample_h, *(one.hours for step in plan.steps for one in step.watch if one.hours)])


def days_of(advice: Advice) -> tuple[int, ...]:
    """Return the days of which the table tells."""
    last = advice.forecast.days if advice.forecast is not None else 0
    return (*(day for day in TOLD if day < last), last)


def _line(one: Outlook, name: str, days: Sequence[int], units: words.Units, *, look: float | None) -> Line:
    course = {each.quantity: each for each in one.courses}
    return Line(
        name=name,
        levels=tuple(tuple(level(course[ion], one.hours, 24 * day, units) for day in days) for ion in IONS),
        in_range=tuple(words.percent(one.in_range[ion]) for ion in IONS),
        risks=tuple(words.percent(each[ion]) for each in (one.too_high, one.still_low) for ion in IONS),
        kept=_KEPT.band(one.retained),
        look="not planned" if look is None else f"in {duration(look)}",
        ended=words.percent(one.ended) if one.ended else "none",
    )


def lost(advice: Advice) -> str:
    """Return what is not foretold because most virtual patients do not live through it; empty if all is."""
    told = advice.forecast
    if told is None or not told.not_foretold or told.why_not:
        return ""
    title = {plan.id: f"{letter} {plan.name}" for letter, plan in lettered(advice)}
    names_ = [title.get(id, AS_NOW) for id in told.not_foretold]
    return f"Not foretold, most virtual patients leave the range in which the body holds: {'; '.join(names_)}."


def compared(lines: Sequence[Line], days: Sequence[int], units: words.Units) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return the same with a row for each thing and a column for each plan."""
    rows: list[tuple[str, tuple[str, ...]]] = []
    for place, (ion, name) in enumerate(zip(IONS, ("Mg", "K"), strict=True)):
        unit = printed(ion, units).unit
        rows += [
            (f"{name} on day {day} [{unit}]", tuple(one.levels[place][which] for one in lines))
            for which, day in enumerate(days)
        ]
        rows.append((f"{name} in range, share of the time", tuple(one.in_range[place] for one in lines)))
        rows.append((f"{name} ever {dangerous(ion, units)}", tuple(one.risks[place] for one in lines)))
        rows.append((f"{name} low on day {days[-1]}", tuple(one.risks[place + 2] for one in lines)))
    rows.append((f"Mg kept in the body by day {days[-1]} [mmol]", tuple(one.kept for one in lines)))
    if any(one.ended != "none" for one in lines):
        rows.append(("Leave the range in which the body holds", tuple(one.ended for one in lines)))
    rows.append(("Next sample", tuple(one.look for one in lines)))
    return tuple(rows)


def dangerous(ion: str, units: words.Units) -> str:
    """Return the level from which an ion is dangerously high, as printed."""
    limit = knowledge().thresholds[{"serum_magnesium": "magnesium_alarm", "serum_potassium": "mild_hyperkalemia"}[ion]]
    shown = printed(ion, units)
    return f"{shown.number(limit.value)}{words.JOIN}{shown.unit} or more"


def level(course: Course, hours: Sequence[float], when: float, units: words.Units) -> str:
    """Return the middle and the range of 90 % at a time, without the unit."""
    place = min(range(len(hours)), key=lambda index: abs(hours[index] - when))
    shown = printed(course.quantity, units)
    ends = f"{shown.number(course.low90[place])} to {shown.number(course.high90[place])}"
    return f"{shown.number(course.middle[place])} ({ends})".replace(" ", words.JOIN)


# in a report ---------------------------------------------------------------------------------------------------------
class ShownStep(msgspec.Struct, frozen=True, kw_only=True):
    """A step in words; what an earlier plan told in full is told by name and dose."""

    name: str
    phase: str
    told_in: str
    dose: str
    how: str
    standing: str
    do: str
    why: str
    beside: str
    first: str
    indications: tuple[str, ...]
    held: tuple[str, ...]
    beyond: tuple[str, ...]  # everyday limits that a plan written by hand exceeds
    cautions: tuple[str, ...]
    looks: tuple[str, ...]
    stop: tuple[str, ...]
    alternatives: tuple[str, ...]


class ShownBlocked(msgspec.Struct, frozen=True):
    """A step that is blocked, in words."""

    name: str
    dose: str
    why: tuple[str, ...]


class ShownPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A plan in words."""

    id: str
    letter: str
    name: str
    about: str
    replaces: tuple[str, ...]
    possible: bool
    steps: tuple[ShownStep, ...]
    blocked: tuple[ShownBlocked, ...]
    notes: tuple[str, ...]


def shown(advice: Advice, tell: Callable[[str], str]) -> tuple[ShownPlan, ...]:
    """Return the plans in words."""
    told: dict[tuple[str, str], str] = {}
    found = []
    for letter, plan in lettered(advice):
        steps = []
        for step in plan.steps:
            steps.append(_shown(step, told.get((step.id, step.regimen), ""), tell))
            told.setdefault((step.id, step.regimen), letter)
        found.append(
            ShownPlan(
                id=plan.id,
                letter=letter,
                name=plan.name,
                about=plan.about,
                replaces=plan.replaces,
                possible=plan.possible,
                steps=tuple(steps),
                blocked=tuple(map(_blocked_of, plan.blocked)),
                notes=tuple(map(noted, plan.notes)),
            )
        )
    return tuple(found)


def _blocked_of(one: BlockedStep) -> ShownBlocked:
    dose = dose_text(one.dosing) if one.dosing is not None else ""
    return ShownBlocked(one.name, dose, tuple(map(objection, one.objections)))


def noted(note: PlanNote) -> str:
    """Return a note, with the status of what it rests on where that is in doubt."""
    return f"{note.status.upper()}: {note.says}" if note.status in {"contested", "contradicted"} else note.says


def _shown(step: PlannedStep, told_in: str, tell: Callable[[str], str]) -> ShownStep:
    return ShownStep(
        name=step.name, phase=PHASES[step.phase], told_in=told_in,
        dose=f"{dose_text(step.dosing)}." if step.dosing else "", how=step.regimen, standing=standing(step), do=step.do,
        why=reasons(step, tell), beside=_steps(step.beside), first=names(step.ask_first), indications=step.indications,
        held=tuple(map(objection, step.held_back)), beyond=tuple(map(objection, step.beyond)),
        cautions=tuple(map(objection, cautions(step))),
        looks=tuple(looked(one) for one in step.watch), stop=step.stop, alternatives=step.alternatives,
    )  # fmt: skip


def cautions(step: PlannedStep) -> list[Objection]:
    """Return what is warned of; what is only asked for stands with what comes first."""
    return [one for one in step.cautions if one.grade == "caution" or not one.unknown]


def looked(watch: Watch) -> str:
    """Return what to look at, when and why."""
    return f"{', '.join(filter(None, (watch.what, watch.when)))}.{f' {watch.why}' if watch.why else ''}"


# on a terminal ------------------------------------------------------------------------------------------------------
def write(page: Page, advice: Advice, tell: Callable[[str], str], units: words.Units) -> None:
    """Write the plans, each step once in full, and what each plan brings."""
    if not advice.plans:
        return
    count = sum(plan.possible for plan in advice.plans)
    page.title(f"WHAT TO DO: {count} PLANS TO CHOOSE FROM" if count > 1 else "WHAT TO DO")
    for plan in shown(advice, tell):
        page.gap()
        if not plan.possible:
            page.write(f"Not possible now: {plan.name}", indent=1, hang=4, style="strong")
        else:
            page.write(f"{plan.letter}  {plan.name}", indent=1, hang=4, style="strong")
            page.write(plan.about, indent=4)
        if plan.replaces and plan.possible:
            page.write(f"In place of the {' and '.join(plan.replaces)} that the record lists now.", indent=4)
        for number, step in enumerate(plan.steps, 1):
            if step.told_in:
                page.write(f"{number} {step.name}: as in {step.told_in}.", indent=4, hang=6)
            else:
                _step(page, number, step)
        for blocked in plan.blocked:
            _blocked(page, blocked)
        for note in plan.notes:
            page.write(f"! {note}", indent=4, hang=6)
    _foretold(page, advice, units)


def _step(page: Page, number: int, step: ShownStep) -> None:
    page.write(f"{number} {step.name} [{step.phase}]", indent=4, hang=6, style="strong")
    if step.dose:
        page.write(f"Dose: {step.dose}{f' [{step.standing}]' if step.standing else ''}", indent=6, hang=12)
    if step.how:
        page.write(f"How: {step.how}.", indent=6, hang=11)
    page.write(step.do, indent=6)
    if step.why:
        page.write(f"Why: {step.why}", indent=6, hang=11)
    if step.indications:
        page.write(f"The record names what it may be needed for: {', '.join(step.indications)}.", indent=6, hang=8)
    if step.beside:
        page.write(f"At the same time as: {step.beside}.", indent=6, hang=8)
    for one in step.held:
        page.write(f"Not more: {one}", indent=6, hang=8)
    for one in step.beyond:
        page.write(f"! {BEYOND}: {one}", indent=6, hang=8, style="unsafe")
    if step.first:
        page.write(f"Measure now: {step.first}.", indent=6, hang=8)
    for one in step.cautions:
        page.write(f"! {one}", indent=6, hang=8)
    for look in step.looks:
        page.write(f"Look: {look}", indent=6, hang=12)
    for stop in step.stop:
        page.write(f"Stop: {stop}", indent=6, hang=12)
    for other in step.alternatives:
        page.write(f"Or: {other}", indent=6, hang=10)


def _steps(ids: Iterable[str]) -> str:
    return ", ".join(knowledge().steps[id].name.lower() for id in ids)


def _blocked(page: Page, blocked: ShownBlocked) -> None:
    page.write(
        f"x BLOCKED: {blocked.name}.{f' {blocked.dose}.' if blocked.dose else ''}", indent=4, hang=6, style="unsafe"
    )
    for why in blocked.why:
        page.write(why, indent=6, hang=8)


def _foretold(page: Page, advice: Advice, units: words.Units) -> None:
    told = advice.forecast
    if told is None:
        return
    page.title("WHAT EACH PLAN BRINGS (SIMULATED)")
    if told.why_not:
        page.write(f"No forecast: {told.why_not}", indent=2)
        return
    ion_names, days = ("Mg", "K"), days_of(advice)
    for line in table(advice, units):
        page.write(line.name, indent=2, style="strong")
        for place, ion in enumerate(IONS):
            unit = printed(ion, units).unit
            levels = "; ".join(f"day {day} {text}" for day, text in zip(days, line.levels[place], strict=True))
            page.write(
                f"{ion_names[place]} [{unit}]: {levels}; in range {line.in_range[place]} of the time", indent=4, hang=8
            )
        risks = ", ".join(
            f"{name} {dangerous(ion, units)} {risk}"
            for name, ion, risk in zip(ion_names, IONS, line.risks[:2], strict=True)
        )
        still = f"Low on day {days[-1]}: Mg {line.risks[2]}, K {line.risks[3]}"
        page.write(f"Ever {risks}. {still}. Next sample: {line.look}.", indent=4, hang=8)
        if line.ended != "none":
            page.write(f"{line.ended} of them leave the range in which the body holds: the numbers are those of the "
                       "others.", indent=4, hang=8)  # fmt: skip
    if lost(advice):
        page.write(lost(advice), indent=2, hang=4)
    page.write(f"Middle and range of 90 % of {told.members} virtual patients who fit. {' '.join(told.assumptions)}",
               indent=2, style="faint")  # fmt: skip
