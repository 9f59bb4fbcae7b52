"""The answer as a short text for the chart: at most 600 characters, numbers with units, nothing torn in the middle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from carnallite.surfaces import words
from carnallite.surfaces.plans import ROUTES, amount, duration, lettered, names, volume

if TYPE_CHECKING:
    from collections.abc import Iterator

    from carnallite.plan import Advice, Dosing, Plan

MOST = 600  # characters
_CAUSES = 2
_LAST = "Research software; the clinician decides."


def note(advice: Advice, units: words.Units) -> str:
    """Return what matters most; a sentence that does not fit is left out whole, the last one never.

    Doses of a plan stand all or not at all: a part of them would be another plan.

    Parameters
    ----------
    units : {"si", "us"}
        In which levels are printed.
    """
    told = ""
    for sentence in _sentences(advice, units):
        clean = words.plain(sentence)
        if len(told) + len(clean) + 1 + len(_LAST) <= MOST:
            told += f"{clean} "
    return told + _LAST


def _sentences(advice: Advice, units: words.Units) -> Iterator[str]:
    if advice.emergencies:
        more = f" (and {len(advice.emergencies) - 1} more)" if len(advice.emergencies) > 1 else ""
        yield f"EMERGENCY: {advice.emergencies[0].summary}{more}."
    yield f"{words.headline(advice, units)} ({words.at(advice.index)} UTC)."
    listed = [one for one in advice.causes if one.id not in words.NO_CAUSE][:_CAUSES]
    if advice.cannot_tell:
        yield "Cause: cannot tell yet."
    elif listed:
        yield f"Likely: {', '.join(f'{one.name} {words.percent(one.probability)}' for one in listed)}."
    for _, plan in lettered(advice)[:1]:
        if plan.possible:
            yield _plan(plan)
            first = dict.fromkeys(test for step in plan.steps for test in step.ask_first)
            if first:
                yield f"Measure now: {names(first)}."
            if plan.next_look_h:
                yield f"Look again in {duration(plan.next_look_h)}."
    for alert in advice.unsafe:
        yield f"Unsafe: {alert.summary}."
    if advice.overdue:
        yield f"Knowledge overdue for review since {min(one.due for one in advice.overdue)}."


def _plan(plan: Plan) -> str:
    doses = [_short(step.dosing) for step in plan.steps if step.dosing is not None]
    return f"Plan: {'; '.join(doses)}." if doses else f"Plan: {plan.name}."


def _short(dose: Dosing) -> str:
    """Return a dose in few words: the full name, mmol and g, the way, how long and how often."""
    size = volume(dose.amount) if dose.unit == "L" else f"{amount(dose.amount)} {dose.unit}"
    grams = next((one.partition(" of ")[0] for one in dose.equivalents if " g of " in one), "")
    over = f" over {duration(dose.over_h)}" if dose.over_h else ""
    often = "" if dose.times == "once" else f", {dose.times}"
    return f"{dose.what} {size}{f' ({grams})' if grams else ''} {ROUTES.get(dose.route, dose.route)}{over}{often}"
