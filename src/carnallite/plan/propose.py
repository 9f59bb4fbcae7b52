"""Which plans make sense for whom: strategies of the data files, step by step, each past the safety table.

A step is done in the first of its regimens that fits the patient and that the table allows after the steps before it.
Everything is computed columnwise: one patient is a column of length one.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from carnallite.assessment import PRESENT, evaluate
from carnallite.knowledge import knowledge
from carnallite.physiology.scenario import Dose
from carnallite.plan.amounts import Given, given
from carnallite.plan.safety import Guard, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from carnallite.assessment import Columns
    from carnallite.knowledge import Regimen, Safety, Step, Strategy

    Mask = NDArray[np.bool_]

OFFERED = 4  # plans at most
PHASES = ("rescue", "replace", "volume", "source", "keep")


class Choice(NamedTuple):
    """A step of a strategy: for whom it is, in which regimen it is done, and what stood against each.

    Attributes
    ----------
    wanted : array [patient]
    chosen : array [patient]
        Number of the regimen; -1 where none is allowed or the step has none.
    verdicts : tuple of (regimen, whom, verdict)
        What the table said of those that were tried, with whom they fit.
    """

    step: Step
    wanted: Mask
    chosen: NDArray[np.int64]
    verdicts: tuple[tuple[int, Mask, Verdict], ...]

    def done(self) -> Mask:
        """Return for whom the step is part of the plan."""
        return self.wanted & ((self.chosen >= 0) | (not self.step.regimens))

    def done_by(self, row: int) -> bool:
        """Return whether the step is part of one patient's plan."""
        return bool(self.wanted[row]) and (bool(self.chosen[row] >= 0) or not self.step.regimens)


class Draft(NamedTuple):
    """A strategy for everybody."""

    strategy: Strategy
    offered: Mask
    choices: tuple[Choice, ...]


def drafts(columns: Columns, likely: Mapping[str, Mask], table: Mapping[str, Safety] | None = None) -> list[Draft]:
    """Return every strategy with its steps, for everybody.

    Parameters
    ----------
    likely : mapping of cause to array [patient]
        Who probably has it; a cause that is not there is nobody's.
    table : mapping, optional
        The safety table; without one that of the house.
    """
    return [_draft(one, columns, likely, table) for one in _ordered()]


@cache
def _ordered() -> tuple[Strategy, ...]:
    return tuple(sorted(knowledge().strategies.values(), key=lambda one: (one.rank, one.id)))


def _draft(
    strategy: Strategy, columns: Columns, likely: Mapping[str, Mask], table: Mapping[str, Safety] | None
) -> Draft:
    offered = evaluate(strategy.when, columns) == PRESENT
    if strategy.unless:
        offered &= evaluate(strategy.unless, columns) != PRESENT
    if strategy.causes:
        offered &= _any(strategy.causes, likely, columns.size)
    offered &= ~_any(strategy.unless_causes, likely, columns.size)
    guard = Guard(columns, table)
    found = []
    for step in in_order(strategy):
        choice = _choice(step, guard, offered, likely, columns)
        if choice.wanted.any():
            found.append(choice)
    return Draft(strategy, offered, tuple(found))


def in_order(strategy: Strategy) -> list[Step]:
    """Return the steps of a strategy: danger to life first, then ions, volume, the source, and what keeps it so.

    Within a phase they stand as the strategy has them.
    """
    steps = [knowledge().steps[id] for id in strategy.steps]
    return sorted(steps, key=lambda one: PHASES.index(one.phase))


def _any(causes: tuple[str, ...], likely: Mapping[str, Mask], size: int) -> Mask:
    found = np.zeros(size, bool)
    for id in causes:
        if id in likely:
            found |= likely[id]
    return found


def _choice(step: Step, guard: Guard, offered: Mask, likely: Mapping[str, Mask], columns: Columns) -> Choice:
    wanted = offered.copy()
    if step.when:
        wanted &= evaluate(step.when, columns) == PRESENT
    if step.unless:
        wanted &= evaluate(step.unless, columns) != PRESENT
    if step.causes:
        wanted &= _any(step.causes, likely, columns.size)
    chosen = np.full(columns.size, -1, np.int64)
    verdicts = []
    for number, regimen in enumerate(step.regimens):
        fits = wanted & (chosen < 0)
        if regimen.when:
            fits &= evaluate(regimen.when, columns) == PRESENT
        if not fits.any():
            continue
        dose = amounts(regimen)
        verdict = guard.judge(dose) if step.dosed else _nothing(columns.size)
        allowed = fits & ~verdict.barred
        chosen[allowed] = number
        verdicts.append((number, fits, verdict))
        if dose is not None:
            guard.take(dose, allowed)
    return Choice(step, wanted, chosen, tuple(verdicts))


def _nothing(size: int) -> Verdict:
    none = np.zeros(size, bool)
    return Verdict(none, none, ())


@lru_cache(maxsize=1024)
def amounts(regimen: Regimen) -> Given | None:
    """Return what a regimen brings; none if it gives nothing that is counted."""
    if not regimen.what:
        return None
    return given(dose_of(regimen), volume=regimen.volume, level_after=regimen.level_after)


def dose_of(regimen: Regimen) -> Dose:
    """Return a regimen as a dose of a scenario."""
    keys = [one.encode_name for one in msgspec.structs.fields(Dose) if one.name != "at"]  # that of a regimen is a place
    told = msgspec.to_builtins(regimen)
    return msgspec.convert({key: told[key] for key in keys if told.get(key)}, Dose)


def chosen_of(draft: Draft, row: int) -> Iterator[tuple[Choice, Regimen | None]]:
    """Yield the steps that are part of one patient's plan, with their regimens."""
    for choice in draft.choices:
        if choice.done_by(row):
            number = int(choice.chosen[row])
            yield choice, choice.step.regimens[number] if number >= 0 else None


def is_offered(draft: Draft, row: int) -> bool:
    """Return whether one patient is offered a strategy, and something in it can be done or is blocked."""
    return bool(draft.offered[row]) and any(choice.wanted[row] for choice in draft.choices)


def is_possible(draft: Draft, row: int) -> bool:
    """Return whether what a strategy is about can be done."""
    done = {choice.step.id for choice, _ in chosen_of(draft, row)}
    key = set(draft.strategy.key)
    wanted = {choice.step.id for choice in draft.choices if choice.wanted[row]}
    return bool(done & key) if key & wanted else bool(done) and not key


def offered_to(everything: Iterable[Draft], row: int) -> list[Draft]:
    """Return the drafts that make sense for one patient: at most four, then what is blocked."""
    found: dict[frozenset[tuple[str, str]], Draft] = {}
    impossible = []
    for one in everything:
        if not is_offered(one, row):
            continue
        if not is_possible(one, row):
            impossible.append(one)
            continue
        done = frozenset((choice.step.id, regimen.label if regimen else "") for choice, regimen in chosen_of(one, row))
        found.setdefault(done, one)  # two that come to the same are one
    return [*list(found.values())[:OFFERED], *impossible]
