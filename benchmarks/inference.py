#!/usr/bin/env python3
"""What it costs to stand virtual patients beside a patient: the library, its weights, the drawn cloud, fit and shares.

One patient is the middle of the published cases in tests/published: each is measured, the median is told. Processor
time of one core, warm, unless a whole process is meant. Beside each figure stands what the machine could do at best.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import operations
import peak
from compare import report
from synthetic import readings

from carnallite.assessment.cloud import Library, build, find
from carnallite.assessment.cloud.asked import why_not
from carnallite.assessment.cloud.fit import fitted
from carnallite.assessment.cloud.judge import judge
from carnallite.assessment.cloud.sift import sift
from carnallite.assessment.cloud.why import reasons
from carnallite.assessment.panel import panel
from carnallite.physiology import engine
from carnallite.physiology.generate import Kernel
from carnallite.physiology.generate.native import Course
from carnallite.record import read_record

ROOT = Path(__file__).parents[1]
CASES = sorted((ROOT / "tests" / "published").glob("*.json"))
PROGRAM = Path(sys.executable).with_name("carnallite")
FACTORS = ("volume_depletion", "continued_offender")
RUNS = 5
PATIENTS, SEED = 300, 2


def taken(work: Callable[[], Any], clock: Callable[[], float] = time.process_time) -> float:
    """Return the least time [s] of a few runs, after one that warms up."""
    work()
    times = []
    for _ in range(RUNS):
        began = clock()
        work()
        times.append(clock() - began)
    return min(times)


class Steps:
    """How many steps of the solver some work takes, over all people."""

    def __init__(self) -> None:
        self.count = 0
        self._solve = Kernel.solve

    def __enter__(self) -> Steps:
        def counting(kernel: Kernel, *given: Any, **options: Any) -> Any:
            solution = self._solve(kernel, *given, **options)
            self.count += int(solution.steps.sum())
            return solution

        Kernel.solve = counting  # type: ignore[method-assign]
        return self

    def __exit__(self, *_: object) -> None:
        Kernel.solve = self._solve  # type: ignore[method-assign]


def steps_of(work: Callable[[], Any]) -> int:
    """Return the steps of some work."""
    with Steps() as steps:
        work()
    return steps.count


def bandwidth() -> float:
    """Return how fast memory is copied [B/s]."""
    block = np.zeros(50_000_000)
    return 2 * block.nbytes / taken(block.copy, time.perf_counter)


def together(library: Library) -> float:
    """Return how many drawn patients are weighed by a library in a second [1/s]."""
    everybody = panel(reading.timeline for reading in readings(PATIENTS, SEED))
    rows = [row for row in range(PATIENTS) if not why_not(everybody.columns, row)]
    return len(rows) / taken(lambda: sift(everybody.columns, everybody.posterior, rows, library))


def main() -> int:
    """Measure and compare with the budget."""
    parser = argparse.ArgumentParser(description="Time the inference.")
    parser.add_argument("--members", type=int, default=100_000)
    parser.add_argument("--cases", type=int, default=15, help="published cases that are measured")
    options = parser.parse_args()
    measured: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "library"
        began = time.perf_counter()
        built = steps_of(lambda: build(place, options.members))
        measured["library_s"] = time.perf_counter() - began
        measured["library_mb"] = sum(file.stat().st_size for file in place.iterdir()) / 1e6
        library = find(place)
    measured["sift_together"] = together(library)
    times: dict[str, list[float]] = {"sift": [], "judge": [], "fit": [], "shares": []}
    taken_steps: dict[str, list[int]] = {"judge": [], "fit": [], "shares": []}
    bytes_read = []
    for case in CASES[:: max(1, len(CASES) // options.cases)]:
        everybody = panel([read_record(case).timeline])
        columns, posterior = everybody.columns, everybody.posterior
        if why_not(columns, 0):
            continue
        cloud = judge(columns, posterior, 0)[1]
        fit = fitted(cloud, columns.people[0])
        looked_at = int(sift(columns, posterior, [0], library).looked_at[0])
        bytes_read.append(looked_at * len(cloud.results) * 4)
        times["sift"].append(taken(lambda: sift(columns, posterior, [0], library)))  # noqa: B023
        times["judge"].append(taken(lambda: judge(columns, posterior, 0)))  # noqa: B023
        taken_steps["judge"].append(steps_of(lambda: judge(columns, posterior, 0)))  # noqa: B023
        if fit is not None and fit.holds():
            taken_steps["fit"].append(steps_of(lambda: fitted(cloud, columns.people[0])))  # noqa: B023
            taken_steps["shares"].append(steps_of(lambda: reasons(fit, FACTORS)))  # noqa: B023
            times["fit"].append(taken(lambda: fitted(cloud, columns.people[0])))  # noqa: B023
            times["shares"].append(taken(lambda: reasons(fit, FACTORS)))  # noqa: B023
    for name, seconds in times.items():
        measured[f"{name}_ms"] = 1000 * statistics.median(seconds)
    measured["whole_fit_ms"] = sum(measured[f"{name}_ms"] for name in ("judge", "fit", "shares"))
    for depth in ("library", "cloud", "fit"):
        command = [str(PROGRAM), "assess", str(CASES[0]), "--json", "--depth", depth]
        cold = taken(lambda: subprocess.run(command, capture_output=True, check=True), time.perf_counter)  # noqa: B023
        measured[f"cold_{depth}_ms"] = 1000 * cold
    least = 1000 * statistics.median(bytes_read) / bandwidth()
    kernel = engine.kernel()
    assert kernel is not None
    step = operations.of_step(kernel, Course(0.0, 1.0).method) / peak.flops(kernel.variant)
    cores = os.process_cpu_count() if hasattr(os, "process_cpu_count") else os.cpu_count()
    print(
        f"library of {options.members:,}: {measured['library_s']:.1f} s, {measured['library_mb']:.1f} MB; arithmetic "
        f"alone would take {built * step / (cores or 1):.1f} s of {cores} cores"
    )
    print(f"weights by the library: {measured['sift_ms']:.1f} ms; memory alone would take {least:.3f} ms")
    print(f"weights by the library, many: {measured['sift_together']:.0f} patients a second")
    for name, counts in taken_steps.items():
        alone = 1000 * statistics.median(counts) * step
        print(f"{name}: {measured[f'{name}_ms']:.0f} ms of one core; arithmetic alone would take {alone:.0f} ms")
    print(f"whole fit: {measured['whole_fit_ms']:.0f} ms of one core")
    for depth in ("library", "cloud", "fit"):
        print(f"a process of its own, --depth {depth}: {measured[f'cold_{depth}_ms']:.0f} ms")
    return report("inference", measured)


if __name__ == "__main__":
    sys.exit(main())
