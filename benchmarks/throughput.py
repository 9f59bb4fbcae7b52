#!/usr/bin/env python3
"""How many patients a second one core assesses, from timelines that are already parsed.

`rules`: findings and rules alone; `panel`: with causes, factors and links; `assess`: put into words as well. Nothing is
simulated; inference.py measures that.
Start it with OMP_NUM_THREADS=1, as scripts/bench does, so that one core is measured.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from typing import Any

from compare import report
from synthetic import readings

from carnallite.assessment import assess_all
from carnallite.assessment.columns import Columns, evaluate
from carnallite.assessment.panel import panel
from carnallite.knowledge import knowledge
from carnallite.record import Timeline

SEED = 2


def rate(work: Callable[[], Any], count: int, *, least: float) -> float:
    """Return patients per second of processor time: the best run of those within `least` seconds."""
    best, spent = float("inf"), 0.0
    while spent < least:
        began = time.process_time()
        work()
        taken = time.process_time() - began
        best, spent = min(best, taken), spent + taken
    return count / best


def rules(timelines: list[Timeline]) -> None:
    """Fill the columns and evaluate every rule, without causes."""
    columns = Columns.of(timelines)
    for rule in knowledge().rules.values():
        evaluate(rule.when, columns)


def main() -> int:
    """Measure one patient, a ward, and a hospital."""
    parser = argparse.ArgumentParser(description="Patients per second of one core.")
    parser.add_argument("--counts", type=int, nargs="+", default=[1, 100, 5000])
    parser.add_argument("--seconds", type=float, default=1.0, help="least time for each measurement")
    options = parser.parse_args()
    everybody = readings(max(options.counts), SEED)
    assess_all(everybody[:1], depth="findings")  # data files and tables are loaded once, not measured
    measured: dict[str, float] = {}
    for count in options.counts:
        some = everybody[:count]
        timelines = [reading.timeline for reading in some]
        works = {
            "rules": lambda: rules(timelines),  # noqa: B023
            "panel": lambda: panel(timelines),  # noqa: B023
            "assess": lambda: assess_all(some, depth="findings"),  # noqa: B023
        }
        for name, work in works.items():
            measured[f"{name}_{count}"] = rate(work, count, least=options.seconds)
        told = (f"{name} {measured[f'{name}_{count}']:>7.0f}/s" for name in works)
        print(f"{count:>6} patients: {'  '.join(told)}")
    measured["single_ms"] = 1000 / measured.get("assess_1", float("nan"))
    return report("throughput", measured)


if __name__ == "__main__":
    sys.exit(main())
