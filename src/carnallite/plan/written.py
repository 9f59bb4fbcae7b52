"""Plans written by hand, as TOML: read, checked by the same safety table, and ready to be foretold.

The language is told in ``docs/reference/plan.md``.
"""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from carnallite.errors import PlanError, did_you_mean
from carnallite.knowledge import Regimen, Step, knowledge
from carnallite.physiology.scenario import line_of
from carnallite.plan.propose import amounts
from carnallite.plan.safety import Guard, objections
from carnallite.plan.values import BlockedStep, Phase, Plan, PlannedStep, Watch
from carnallite.plan.words import dosing_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from carnallite.assessment import Columns
    from carnallite.knowledge import Safety
    from carnallite.plan.safety import Verdict

MOST_PLANS = 4  # side by side
MOST_DOSES = 1000  # of one plan in 30 days: beyond that it is a slip of the pen, and slow to count
_TABLES = frozenset({"step", "watch"})
_SOURCE = "assumption"  # who wrote the plan answers for it


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A piece of a written plan."""


class WrittenStep(Part, frozen=True, kw_only=True, rename={"start": "from"}):
    """One step: a dose, or a treatment that acts, or a drug whose use ends."""

    name: str
    phase: Phase = "replace"
    do: str = ""
    what: str = ""
    amount: str = ""
    route: str = ""
    over: str = ""
    every: str = ""
    daily: tuple[str, ...] = ()
    count: int = 0
    start: str = ""
    until: str = ""
    volume: str = ""
    level_after: int = 0
    acts: str = ""  # treatment whose effects it has
    ends: str = ""  # cause that ends: a drug that is given no more
    after: tuple[str, ...] = ()  # names of steps that come before it
    watch: tuple[str, ...] = ()
    stop: tuple[str, ...] = ()
    source: str = ""


class Written(Part, frozen=True, kw_only=True):
    """One file."""

    title: str
    about: str = ""
    step: tuple[WrittenStep, ...]


class Checked(NamedTuple):
    """A written plan past the safety table, and what of it is done to the body."""

    plan: Plan
    done: tuple[tuple[Step, Regimen | None], ...]


def read_plan(path: Path) -> Written:
    """Return the plan of a file.

    Raises
    ------
    PlanError
        There is no such file, or it is no plan; names the line and the remedy.
    """
    try:
        text = path.read_text("utf-8-sig")
    except OSError:
        raise PlanError(path.name, "cannot be read.", "Check the path.") from None
    except UnicodeDecodeError:
        raise PlanError(path.name, "is no text.", "Write it as UTF-8.") from None
    return parse_plan(text, path.name)


def parse_plan(text: str, name: str = "plan") -> Written:
    """Return the plan of a text; every dose in it can be given.

    Raises
    ------
    PlanError
        It is no plan; names the line and the remedy.

    Examples
    --------
    >>> parse_plan('''title = "Drip"
    ... [[step]]
    ... name = "Magnesium"
    ... what = "magnesium sulfate"
    ... amount = "20 mmol"
    ... route = "intravenous"
    ... over = "4 h"
    ... volume = "250 mL"''').step[0].amount
    '20 mmol'
    """
    try:
        raw = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        found = re.search(r"line (\d+)", str(error))
        where = f"{name}, line {found[1] if found else len(text.splitlines())}"
        raise PlanError(where, "this is not TOML.", "Mend that line.") from None
    try:
        plan = msgspec.convert(raw, Written)
    except msgspec.ValidationError as error:
        raise _explained(str(error), text, name) from None
    doses = 0
    for number, step in enumerate(plan.step):
        doses += _check(step, plan, f"step[{number}]", text, name)
        if doses > MOST_DOSES:
            where = f"{name}, line {line_of(text, f'step[{number}].every', _TABLES)}"
            raise PlanError(
                where, f"the plan has more than {MOST_DOSES} doses by here.", "Write what runs with `over`."
            )
    return plan


def _explained(message: str, text: str, name: str) -> PlanError:
    what, _, where = message.partition(" - at ")
    path = where.strip("`").removeprefix("$").removeprefix(".")
    if unknown := re.search(r"unknown field `(.+?)`", what):
        kind = WrittenStep if path.startswith("step") else Written
        keys = [field.encode_name for field in msgspec.structs.fields(kind)]
        line = line_of(text, f"{path}.{unknown[1]}".lstrip("."), _TABLES)
        near = did_you_mean(unknown[1], keys) or f"Known are {', '.join(keys)}."
        return PlanError(f"{name}, line {line}", f"`{unknown[1]}` is no key of a plan.", near)
    line = line_of(text, path, _TABLES)
    if missing := re.search(r"missing required field `(.+?)`", what):
        return PlanError(f"{name}, line {line}", f"`{missing[1]}` is missing.", "Add it.")
    return PlanError(f"{name}, line {line}", f"`{path}`: {what[:1].lower()}{what[1:]}.", "Give a value of that kind.")


def _check(step: WrittenStep, plan: Written, where: str, text: str, name: str) -> int:
    """Return how many doses a step gives; refuse one that does nothing, too much, or what cannot be done."""

    def refuse(key: str, what: str, do: str) -> PlanError:
        return PlanError(f"{name}, line {line_of(text, f'{where}.{key}', _TABLES)}", what, do)

    said = [key for key in ("what", "acts", "ends") if getattr(step, key)]
    if len(said) > 1:
        raise refuse(said[1], f"a step has {' and '.join(said)}.", "Write a step for each.")
    if step.acts and step.acts.partition("/")[0] not in knowledge().treatments:
        near = did_you_mean(step.acts, knowledge().treatments) or "See carnallite explain --list."
        raise refuse("acts", f"there is no treatment '{step.acts}'.", near)
    if step.ends and step.ends not in knowledge().causes:
        near = did_you_mean(step.ends, knowledge().causes) or "See carnallite explain --list."
        raise refuse("ends", f"there is no cause '{step.ends}'.", near)
    names = [one.name for one in plan.step[: plan.step.index(step)]]
    for one in step.after:
        if one not in names:
            near = did_you_mean(one, names) or "Steps stand in their order."
            raise refuse("after", f"no step before it is called '{one}'.", near)
    try:
        dose = amounts(regimen_of(step))
    except PlanError as error:
        key = error.where.rpartition(".")[2]
        raise refuse(key, error.what, error.do) from None
    return len(dose.times) if dose is not None else 0


def regimen_of(step: WrittenStep) -> Regimen:
    """Return what is given as the data files have it."""
    return Regimen(
        what=step.what, amount=step.amount, route=step.route, over=step.over, every=step.every, daily=step.daily,
        count=step.count, start=step.start, until=step.until, volume=step.volume, level_after=step.level_after,
        acts=step.acts or ("review" if step.ends else ""), source=_SOURCE, at=step.source or "written by hand",
        status="assumed",
    )  # fmt: skip


def checked(written: Written, columns: Columns, id: str, table: Mapping[str, Safety] | None = None) -> Checked:
    """Return a written plan past the safety table, for the one patient of some columns.

    What a hard line bars is blocked and not foretold; what only an everyday line bars stays, and says so.
    """
    guard = Guard(columns, table)
    steps, blocked, done = [], [], []
    everybody = np.ones(columns.size, bool)
    for number, step in enumerate(written.step):
        regimen = regimen_of(step)
        dose = amounts(regimen) if step.what else None
        verdict = guard.judge(dose, grades=("hard",)) if step.what or step.acts else None
        if verdict is not None and verdict.barred[0]:
            against = tuple(one for one in objections(verdict, 0, cautions=False) if one.grade == "hard")
            dosing = dosing_of(regimen) if step.what else None
            blocked.append(BlockedStep(id=f"{id}.{number + 1}", name=step.name, dosing=dosing, objections=against))
            continue
        if dose is not None:
            guard.take(dose, everybody)
        steps.append(_planned(step, regimen, f"{id}.{number + 1}", verdict))
        acted = Step(id=f"{id}.{number + 1}", name=step.name, phase=step.phase, do=step.do,
                     causes=(step.ends,) if step.ends else ())  # fmt: skip
        done.append((acted, regimen if step.what or step.acts or step.ends else None))
    plan = Plan(id=id, name=written.title, about=written.about, steps=tuple(steps), blocked=tuple(blocked))
    return Checked(plan, tuple(done))


def _planned(step: WrittenStep, regimen: Regimen, id: str, verdict: Verdict | None) -> PlannedStep:
    warned = objections(verdict, 0, cautions=True) if verdict is not None else ()
    everyday = objections(verdict, 0, cautions=False) if verdict is not None else ()
    asks = dict.fromkeys(test for one in (*warned, *everyday) if one.unknown for test in one.ask)
    return PlannedStep(
        id=id, name=step.name, phase=step.phase, do=step.do, because=(),
        dosing=dosing_of(regimen) if step.what else None, regimen="", source=regimen.source, at=regimen.at,
        status=regimen.status, acts=regimen.acts, cautions=warned, beyond=everyday, ask_first=tuple(asks),
        watch=tuple(Watch(what=one, when="") for one in step.watch), stop=step.stop,
    )  # fmt: skip
