#!/usr/bin/env python3
"""How often a plan breaks the safety table: drawn patients through the columnwise path, and beside a second checker.

    python benchmarks/safety.py [-n 10000000] [--beside 150000] [--seed 1]

Every regimen that a plan takes is judged again, after the fact, against all that the plan gives to this patient;
`--beside` asks the independent checker of ``tests/independent``, which knows the table by its printed page alone, about
so many of them and about random doses. Figures stand in docs/reference/safety-figures.md.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from drawn import Drawn

from carnallite.assessment import evaluate, finding
from carnallite.knowledge import knowledge
from carnallite.plan.amounts import Given
from carnallite.plan.propose import amounts, drafts
from carnallite.plan.safety import Guard, only_asks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from carnallite.plan.propose import Draft

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "docs" / "reference" / "safety.md"
BLOCK = 50_000
TOGETHER = 20  # drawn patients who are asked about the same doses
EVERY_CAUSE = tuple(knowledge().causes)


class Count(NamedTuple):
    """What was counted: patients, plans, doses in them, those that break a line, and those that were blocked."""

    patients: int = 0
    plans: int = 0
    doses: int = 0
    hard: int = 0
    everyday: int = 0
    spared: int = 0
    blocked: int = 0

    def plus(self, other: Count) -> Count:
        """Return both together."""
        return Count(*(one + more for one, more in zip(self, other, strict=True)))


def likely_of(columns: Drawn) -> dict[str, NDArray[np.bool_]]:
    """Return who probably has which cause; half of the patients have one of each five."""
    chance = np.random.default_rng([columns.seed, 7])
    return {id: chance.random(columns.size) < 0.15 for id in EVERY_CAUSE}


def counted(seed: int, size: int) -> Count:
    """Return what plans give to a block of drawn patients, each dose judged again beside the others."""
    columns = Drawn(seed, size)
    total = Count(patients=size)
    for draft in drafts(columns, likely_of(columns)):
        total = total.plus(_of_draft(draft, columns))
    return total


def _of_draft(draft: Draft, columns: Drawn) -> Count:
    guard, found = Guard(columns), Count(plans=int(draft.offered.sum()))
    for choice in draft.choices:
        blocked = choice.wanted & ~choice.done()
        found = found.plus(Count(blocked=int(blocked.sum())))
        for number, regimen in enumerate(choice.step.regimens):
            dose, whom = amounts(regimen), choice.chosen == number
            if not whom.any() or not choice.step.dosed:
                continue
            verdict = guard.judge(dose)
            hard = guard.judge(dose, grades=("hard",)).barred & whom
            found = found.plus(Count(
                doses=int(whom.sum()) if dose is not None else 0, hard=int(hard.sum()),
                everyday=int((verdict.barred & whom).sum()), spared=int((verdict.spared & whom).sum()),
            ))  # fmt: skip
            if dose is not None:
                guard.take(dose, whom)
    return found


# beside the second checker ------------------------------------------------------------------------------------------
def fact_of(columns: Drawn, row: int) -> Callable[[str], object]:
    """Return what the second checker asks of one patient."""

    def fact(text: str) -> object:
        function, called, _ = text.partition("(")
        if not called:
            if text in knowledge().findings:
                return int(finding(text, columns)[row])
            low, high = columns.numbers("value", text)
            return float(low[row]), float(high[row])
        if function in {"current", "highest", "lowest", "reported", "days_with", "days_on", "dose_of", "rise"}:
            low, high = columns.numbers(function, text.partition("(")[2].rstrip(")"))
            return float(low[row]), float(high[row])
        return int(evaluate(text, columns)[row])

    return fact


def doses_for(seed: int) -> Iterator[Given]:
    """Yield some doses that have nothing to do with a plan: any thing, amount, route, times, duration and volume."""
    chance = np.random.default_rng([seed, 11])
    things = [*knowledge().safety, "sodium", "phosphate"]
    routes = ["intravenous", "oral", "subcutaneous", "intramuscular", "inhaled", "enteral"]
    for _ in range(int(chance.integers(1, 4))):
        some = chance.choice([one for one in things if one != "all"], int(chance.integers(1, 3)), replace=False)
        count = int(chance.choice([1, 1, 2, 3, 8]))
        step = float(chance.choice([0.0, 0.25, 1.0, 6.0, 8.0, 12.0, 24.0]))
        begin = float(chance.choice([0.0, 0.0, 12.0, 30.0, 72.0]))
        yield Given(
            what={str(one): float(np.round(10 ** chance.uniform(-1, 2.3), 3)) for one in some},
            route=str(chance.choice(routes)),
            times=tuple(begin + step * number for number in range(count)),
            over=float(chance.choice([0.05, 0.25, 1.0, 2.0, 4.0, 12.0, 24.0])),
            volume=None if chance.random() < 0.4 else float(chance.choice([0.05, 0.1, 0.25, 0.5, 1.0])),
            level_after=int(chance.choice([0, 1, 2, 5])),
        )


def beside(seed: int, count: int, said: Callable[[str], object] = print) -> tuple[int, int]:
    """Return how many doses both implementations judged, and in how many they differ."""
    sys.path.insert(0, str(ROOT / "tests"))
    from independent.checker import Checker, Dose  # noqa: PLC0415  (only where it is asked)

    checker: Any = Checker(TABLE.read_text("utf-8"))
    judged = differing = 0
    for start in range(0, count, TOGETHER):
        columns = Drawn(seed * 1_000_000 + start, min(TOGETHER, count - start))
        each = [_plan_doses(columns), list(doses_for(columns.seed))]
        for doses in each:
            guards = Guard(columns)
            sessions = [checker.patient(fact_of(columns, row)) for row in range(columns.size)]
            for dose in doses:
                verdict = guards.judge(dose)
                other = Dose(dose.what, dose.route, dose.times, dose.over, dose.volume, dose.level_after)
                for row, session in enumerate(sessions):
                    second = session.judge(other)
                    mine = {
                        line.limit.id for line in verdict.lines
                        if line.holds[row] and line.limit.grade != "caution"
                        and not (only_asks(line.limit) and line.unknown[row])
                    }  # fmt: skip
                    same = (
                        bool(verdict.barred[row]) == second.barred
                        and bool(verdict.spared[row]) == second.spared
                        and mine == set(second.barring)
                    )
                    judged += 1
                    if not same:
                        differing += 1
                        if differing <= 5:
                            said(f"differ: {dose} mine {sorted(mine)} {verdict.spared[row]} second {second}")
                    session.take(other)
                guards.take(dose, np.ones(columns.size, bool))
    return judged, differing


def _plan_doses(columns: Drawn) -> list[Given]:
    """Return the doses of one strategy, each step in one of its regimens: the second checker sees them all."""
    chance = np.random.default_rng([columns.seed, 13])
    strategy = knowledge().strategies[str(chance.choice(sorted(knowledge().strategies)))]
    steps = [knowledge().steps[id] for id in strategy.steps]
    found = [amounts(step.regimens[chance.integers(len(step.regimens))]) for step in steps if step.regimens]
    return [one for one in found if one is not None]


def main() -> int:
    """Count, compare, and write or print what came out."""
    parser = argparse.ArgumentParser(description="How often a plan breaks the safety table.")
    parser.add_argument("-n", type=int, default=100_000, help="drawn patients through the columnwise path")
    parser.add_argument("--beside", type=int, default=400, help="drawn patients beside the second checker")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    began, told = time.perf_counter(), 0.0
    total = Count()
    for number, start in enumerate(range(0, options.n, BLOCK)):
        total = total.plus(counted(options.seed * 100_000 + number, min(BLOCK, options.n - start)))
        if time.perf_counter() - told > 10 and options.n > BLOCK:
            told = time.perf_counter()
            left = (told - began) / total.patients * (options.n - total.patients)
            sys.stderr.write(f"{total.patients:,} of {options.n:,}, {left / 60:.0f} min left\n")
    judged, differing = beside(options.seed, options.beside, sys.stderr.write)
    lines = [
        "| what | count |", "| --- | --- |",
        f"| drawn patients, columnwise path | {total.patients:,} |", f"| plans offered to them | {total.plans:,} |",
        f"| doses in these plans | {total.doses:,} |",
        f"| doses beyond a hard limit or contraindication | {total.hard:,} |",
        f"| doses beyond an everyday one | {total.everyday:,} |",
        f"| first magnesium doses in torsades or arrest that nothing may block | {total.spared:,} |",
        f"| steps that were blocked and shown as blocked | {total.blocked:,} |",
        f"| doses judged by both implementations | {judged:,} |", f"| of these judged differently | {differing:,} |",
    ]  # fmt: skip
    text = "\n".join(lines) + "\n"
    sys.stdout.write(text)
    return 1 if total.hard or total.everyday or differing else 0


if __name__ == "__main__":
    sys.exit(main())
