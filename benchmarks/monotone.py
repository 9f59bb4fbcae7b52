#!/usr/bin/env python3
"""Whether the body keeps the directions that physiology knows: each drawn patient goes through two courses.

    python benchmarks/monotone.py [-n 10000] [--only O1 O2 ...] [--seed 1]

Both courses have the same patient and differ in one thing (monotone_rules.py). Counted is where a quantity goes the
wrong way by more than the solver may err. Figures stand in docs/reference/monotone.md.
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from monotone_rules import EXACT, RULES, batch
from people import FLOOR
from variety import WITHIN

from carnallite.assessment.cloud.people import anybody
from carnallite.assessment.cloud.shown import staged
from carnallite.assessment.cloud.weigh import disputed
from carnallite.physiology.crowd import constant
from carnallite.physiology.scenario import Scenario
from carnallite.physiology.simulate import RTOL

if TYPE_CHECKING:
    from collections.abc import Callable

    from monotone_rules import Batch, Pair
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]
    Truth = NDArray[np.bool_]

TOLERANCE = 2 * WITHIN * EXACT / RTOL  # relative: at RTOL a course is exact WITHIN (variety.py); two are compared
POSITIVE = ("reference.distal_magnesium", "reference.potassium_secretion")  # solved for the healthy person


class Count(NamedTuple):
    """What was counted of one quantity; `excess` is the largest step the wrong way [1], `worst` whose that is."""

    compared: int = 0
    violations: int = 0
    turned: int = 0  # of the violations, in whom the drug or the citrate was drawn the other way
    impossible: int = 0  # of the violations, in bodies that cannot be
    excess: float = 0.0
    worst: int = -1
    gone_both: int = 0
    gone_one: int = 0

    def plus(self, other: Count) -> Count:
        """Return both together."""
        far = max(self, other, key=lambda one: one.excess)
        sums = Count(*(one + more for one, more in zip(self, other, strict=True)))
        return sums._replace(excess=far.excess, worst=far.worst)


def excess(one: Pair) -> Numbers:
    """Return by how much each patient goes the wrong way, relative to the value [patient]; NaN where a course ended."""
    size = np.maximum(np.abs(one.low), np.abs(one.high))
    allowed = np.maximum(size, FLOOR * size.max(axis=1, keepdims=True))
    found: Numbers = ((one.low - one.high) / np.where(allowed > 0, allowed, 1)).max(axis=1)
    return np.where(one.gone.any(axis=0), np.nan, found)


def impossible(some: Batch) -> Truth:
    """Return whose balance in health is met by transport in the wrong direction alone [patient]."""
    people = staged(Scenario(title="Health", length="1 h", person=anybody(), own=disputed()), some.members, [],
                    seed=some.seed).people  # fmt: skip
    found: Truth = np.any([constant(people, name) < 0 for name in POSITIVE], axis=0)
    return found


def counted(one: Pair, some: Batch, wrong: Truth) -> Count:
    """Return what comes out for the patients of a batch, of whom some have bodies that cannot be."""
    found = np.where(one.asked, excess(one), np.nan)
    compared, violated = ~np.isnan(found), found > TOLERANCE
    whose = int(np.nanargmax(found)) if compared.any() else 0
    return Count(
        compared=int(compared.sum()),
        violations=int(violated.sum()),
        turned=int((violated & one.turned).sum()),
        impossible=int((violated & wrong & ~one.turned).sum()),
        excess=max(0.0, float(found[whose])) if compared.any() else 0.0,
        worst=int(some.members.number[whose]),
        gone_both=int(one.gone.all(axis=0).sum()),
        gone_one=int((one.gone[0] != one.gone[1]).sum()),
    )


def counts(rule: str, wanted: int, seed: int, tell: Callable[[str], object] = sys.stderr.write) -> dict[str, Count]:
    """Return what comes out of a rule, by quantity, when each was compared in so many patients."""
    total: dict[str, Count] = {}
    began, number = time.perf_counter(), 0
    while not total or min(one.compared for one in total.values()) < wanted:
        some = batch(rule, number, seed)
        wrong = impossible(some)
        for one in RULES[rule](some):
            total[one.name] = total.get(one.name, Count()).plus(counted(one, some, wrong))
        number += 1
        tell(f"{rule}: {min(one.compared for one in total.values())} of {wanted} patients after "
             f"{time.perf_counter() - began:.0f} s\n")  # fmt: skip
    return total


def told(one: Count) -> str:
    """Return a row of the table."""
    cells = [one.compared, one.violations, one.turned, one.impossible]
    worst = [f"{one.excess:.1e}", str(one.worst)] if one.violations else ["none", ""]
    return " | ".join([*(f"{cell:,}" for cell in cells), *worst, f"{one.gone_both:,}", f"{one.gone_one:,}"])


def main() -> int:
    """Count and print a row for each quantity; fail where one went the wrong way."""
    parser = argparse.ArgumentParser(description="Whether the body keeps the directions that physiology knows.")
    parser.add_argument("-n", type=int, default=10_000, help="patients in whom each quantity is compared, at least")
    parser.add_argument("--only", nargs="+", choices=sorted(RULES), default=sorted(RULES))
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(f"a step the wrong way counts beyond {TOLERANCE:.0e} of the value\n")
    print(
        "| rule | quantity | patients | violations | other way | impossible | largest | patient | ended, both | one |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    failed = False
    for rule in options.only:
        for name, one in counts(rule, options.n, options.seed).items():
            failed |= one.violations > 0
            print(f"| {rule} | {name} | {told(one)} |", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
