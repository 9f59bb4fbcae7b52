"""The whole answer for one patient: assessment, plans past the safety table, and what each of them brings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from carnallite.assessment import FAILED, examine, silent
from carnallite.knowledge import knowledge
from carnallite.plan.forecast import DAYS, as_now, forecast, none, option
from carnallite.plan.numbers import numbers
from carnallite.plan.propose import chosen_of, drafts, offered_to
from carnallite.plan.response import responded
from carnallite.plan.safety import tables
from carnallite.plan.values import Advice
from carnallite.plan.words import plan_of
from carnallite.plan.written import checked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from carnallite.assessment import Assessment, Columns, Depth, Examined, Fit
    from carnallite.plan.forecast import Option
    from carnallite.plan.propose import Draft
    from carnallite.plan.values import Forecast, Plan
    from carnallite.plan.written import Written
    from carnallite.record import Reading


def advise(
    reading: Reading,
    *,
    before: Reading | None = None,
    version: str = "",
    depth: Depth = "fit",
    limits: Path | None = None,
    said: Callable[[str], None] = silent,
) -> Advice:
    """Return what is wrong with one patient, what to do in which order, and what each plan brings.

    Parameters
    ----------
    before : Reading, optional
        The same record as it stood when a plan began: then the answer also says what the response tells.
    depth : "findings", "library", "cloud" or "fit"
        As of `assess`; only a fit is simulated on under each plan.
    limits : Path, optional
        A hospital's own stricter lines of the safety table.
    said : callable
        Is told what begins, of what takes long.

    Raises
    ------
    DataFileError
        The hospital's own file is wrong.
    """
    examined = examine(reading, version=version, depth=depth, said=said)
    assessment, columns = examined.assessment, examined.columns
    likely = probable({one.id: one.probability for one in assessment.causes})
    found = drafted(columns, likely, limits)
    plans = tuple(plan_of(one, columns, 0, likely) for one in found)

    def options(fit: Fit) -> Iterator[Option]:
        for draft, plan in zip(found, plans, strict=True):
            if plan.possible:
                done = [(choice.step, regimen) for choice, regimen in chosen_of(draft, 0)]
                yield option(plan.id, done, fit, plan.replaces)

    possible = any(plan.possible for plan in plans)
    answer = _with(assessment, plans, _foretold(examined, options, said=said) if possible else None)
    if before is None:
        return answer
    said("going back to when the plan began")
    response = responded(examine(before, depth="fit"), columns.people[0], assessment)
    return msgspec.structs.replace(answer, response=response)


def foretell(
    reading: Reading,
    plans: Mapping[str, Written],
    *,
    days: int = DAYS,
    version: str = "",
    limits: Path | None = None,
    said: Callable[[str], None] = silent,
) -> Advice:
    """Return the answer for one patient with plans written by hand, by their ids, in place of those proposed."""
    examined = examine(reading, version=version, depth="fit", said=said)
    table = tables(limits)
    checks = [checked(one, examined.columns, id, table) for id, one in plans.items()]

    def options(fit: Fit) -> Iterator[Option]:
        for one in checks:
            yield option(one.plan.id, one.done, fit)

    foretold = _foretold(examined, options, days, said=said)
    return _with(examined.assessment, tuple(one.plan for one in checks), foretold)


def _with(assessment: Assessment, plans: tuple[Plan, ...], foretold: Forecast | None) -> Advice:
    parts = {field: getattr(assessment, field) for field in assessment.__struct_fields__}
    return Advice(**{**parts, "plans": plans, "forecast": foretold})


def _foretold(
    examined: Examined,
    options: Callable[[Fit], Iterable[Option]],
    days: int = DAYS,
    *,
    said: Callable[[str], None],
) -> Forecast:
    """Return what options bring beside what is given now, or why nothing can be foretold."""
    fit, told = examined.fit, examined.assessment.fit
    if fit is None or told is None:
        return none("No virtual patients were fitted to this record.")
    if not told.holds:
        return none(told.words)
    said("taking virtual patients through each plan")
    every = [as_now(fit), *options(fit)]
    try:
        return forecast(fit, every, examined.columns.people[0], examined.assessment.index, days)
    except FAILED as error:
        return none(f"The simulation failed ({type(error).__name__}).")


def drafted(columns: Columns, likely: Mapping[str, float], limits: Path | None = None) -> list[Draft]:
    """Return the drafts that make sense for the one patient of some columns: at most four, then what is blocked."""
    everybody = {id: np.array([True]) for id in likely}
    return offered_to(drafts(columns, everybody, tables(limits)), 0)


def probable(chances: Mapping[str, float]) -> dict[str, float]:
    """Return the causes that are acted on, of causes and their probabilities [1]."""
    return {id: one for id, one in chances.items() if id in knowledge().causes and one >= numbers()["likely"]}
