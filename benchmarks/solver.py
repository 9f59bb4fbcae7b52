#!/usr/bin/env python3
"""How fast the body is solved, at an error that is measured, beside other engines on the same equations.

Every engine gets the loosest tolerance of a ladder at which all people stay within 1e-4 of a solution at 1e-10, over
all hours and states. Times are of the processor, one thread, the best and the median of several runs. Engines whose
package is missing are skipped; ``CARNALLITE_JAX`` names an interpreter that has diffrax. ``--full`` also solves
100,000 people for the memory that takes; ``--markdown`` renews the figures of ``docs/reference/performance.md``.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import operations
import peak
import people
from compare import report
from engines.job import Job
from figures import renewed
from people import Workload, errors

from carnallite.physiology.generate import Solution, Status
from carnallite.physiology.simulate import ATOL, RTOL, simulate

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "reference" / "performance.md"
WITHIN = 1e-4
EXACT = 1e-10
LADDER = (1e-3, 3e-4, 1e-4, 7e-5, 5e-5, 3e-5, 2e-5, 1e-5, 5e-6, 3e-6, 1e-6, 3e-7, 1e-7, 3e-8, 1e-8)
OTHERS = {"lsoda": (2, 1e-5), "libroadrunner": (8, 1e-5), "diffrax_tsit5": (32, 1e-4)}  # people, loosest tolerance
BLOCK = 1024  # people at once, where memory matters
COLD = """
from people import one
from carnallite.physiology.simulate import simulate
simulate(one())
"""


class Row(NamedTuple):
    """One engine at the tolerance that it needs."""

    name: str
    rtol: float
    error: float
    best: float  # [1/s]
    median: float  # [1/s]
    steps: float = float("nan")


def timed(work: Callable[[], Any], repeats: int) -> list[float]:
    """Return seconds of processor time of each run."""
    spent = []
    for _ in range(repeats):
        began = time.process_time()
        work()
        spent.append(time.process_time() - began)
    return spent


def loosest(attempt: Callable[[float], np.ndarray], start: float = LADDER[0]) -> tuple[float, float] | None:
    """Return the first tolerance at which everybody is exact enough, and the error there."""
    for rtol in (rung for rung in LADDER if rung <= start):
        error = float(attempt(rtol).max())
        if error <= WITHIN:
            return rtol, error
    return None


def ours(work: Workload, reference: np.ndarray, method: str, repeats: int) -> Row | None:
    """Return the row of a method of the kernel."""
    found = loosest(lambda rtol: errors(work.solve(rtol, method).states, reference))
    if found is None:
        return None
    rtol, error = found
    spent = timed(lambda: work.solve(rtol, method), repeats)
    steps = float(work.solve(rtol, method).steps.mean())
    return Row(f"kernel, {method}", rtol, error, len(work) / min(spent), len(work) / statistics.median(spent), steps)


def theirs(name: str, job: Job, reference: np.ndarray, repeats: int) -> Row | str:
    """Return the row of another engine, or why there is none."""
    interpreter = os.environ.get("CARNALLITE_JAX", sys.executable) if "diffrax" in name else sys.executable
    with tempfile.TemporaryDirectory() as folder:
        given, result = Path(folder) / "job.npz", Path(folder) / "result.npy"
        job.save(given)
        command = [interpreter, "-m", "engines", name, str(given), str(result)]
        pipe = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with subprocess.Popen(command, cwd=HERE, text=True, **pipe) as process:  # type: ignore[call-overload]
            try:
                return _asked(process, result, reference[: len(job.initial)], OTHERS[name][1], repeats)
            except (OSError, ValueError):
                process.stdin.close()
                return f"{name}: {next(reversed(process.stderr.read().splitlines()), 'ended early')}"


def _asked(process: Any, result: Path, reference: np.ndarray, start: float, repeats: int) -> Row | str:
    """Return the row of an engine in another process, which solves once for each tolerance that is written to it."""

    def ask(rtol: float) -> dict[str, Any]:
        process.stdin.write(f"{rtol!r}\n")
        process.stdin.flush()
        told: dict[str, Any] = json.loads(process.stdout.readline())
        return told

    told: dict[str, Any] = {}

    def attempt(rtol: float) -> np.ndarray:
        told.update(ask(rtol))
        return errors(np.load(result), reference)

    found = loosest(attempt, start)
    if found is None:
        return f"{told['version']}: nowhere within {WITHIN:g}"
    rates = [len(reference) / ask(found[0])["seconds"] for _ in range(repeats)]
    return Row(told["version"], *found, max(rates), statistics.median(rates))


def forecast(repeats: int) -> dict[str, float]:
    """Return how long one patient takes [ms]: warm, and in a process of its own."""
    scenario = people.one()
    simulate(scenario)
    warm = timed(lambda: simulate(scenario), 5 * repeats)
    cold = []
    for _ in range(repeats):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", COLD], cwd=HERE, check=True)
        cold.append(time.perf_counter() - began)
    return {"warm_ms": 1e3 * statistics.median(warm), "cold_ms": 1e3 * statistics.median(cold)}


def memory(count: int) -> float:
    """Return the most memory [MB] that a process takes in which so many people are solved in blocks."""
    code = f"import solver; print(solver.blocks({count}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=HERE, capture_output=True, text=True, check=True)
    return float(done.stdout)


def blocks(count: int) -> float:
    """Draw and solve people in blocks, daily seen, and return the most memory [MB] of this process."""
    for first in range(0, count, BLOCK):
        work = people.some(first, BLOCK)
        work.solve(RTOL, samples=work.given.samples[::24])
    status = Path("/proc/self/status")
    if status.exists():  # what `getrusage` says may be that of the process that began this one
        told = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return float(told.split()[1]) / 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def reference(work: Workload) -> tuple[Workload, np.ndarray]:
    """Return whom the kernel solves as exactly as it can, and their states [person, sample, state]."""
    found: Solution = work.solve(EXACT)
    sound = np.flatnonzero(found.status == Status.OK)
    return work.of(sound), found.states[sound]


def table(title: str, rows: list[Row], base: float) -> list[str]:
    """Return a table in Markdown; the last column is relative to `base`."""
    lines = [f"**{title}**", "", "| engine | rtol | error | steps | patients /cpu-s, best | median | ratio |",
             "| --- | --- | --- | --- | --- | --- | --- |"]  # fmt: skip
    for row in rows:
        steps = "" if np.isnan(row.steps) else f"{row.steps:.0f}"
        lines.append(f"| {row.name} | {row.rtol:.0e} | {row.error:.1e} | {steps} | {row.best:.3g} | {row.median:.3g} "
                     f"| {row.best / base:.3g} |")  # fmt: skip
    return [*lines, ""]


def main() -> int:
    """Measure everything, print it, and compare it with the budget."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--alone", action="store_true", help="no other engines")
    parser.add_argument("--full", action="store_true", help="100,000 people instead of 5,000 for the memory")
    parser.add_argument("--markdown", action="store_true", help="renew the figures of the page")
    options = parser.parse_args()
    measured: dict[str, float] = {}
    lines = _months(options, measured) + _rest(options, measured)
    print("\n".join(lines))
    if options.markdown:
        PAGE.write_text(renewed(PAGE.read_text("utf-8"), "\n".join(lines) + "\n"), "utf-8")
    return report("solver", measured)


def _months(options: argparse.Namespace, measured: dict[str, float]) -> list[str]:
    """Measure a month, as it is and stiff, by the kernel and by others."""
    work, exact = reference(people.month(options.people))
    rows = [row for method in work.kernel.methods if (row := ours(work, exact, method, options.repeats))]
    fastest = max(row.best for row in rows)
    usual = next(row for row in rows if row.name.endswith("rodas4p2"))
    at_default = float(errors(work.solve(RTOL).states, exact).max())
    skipped = []
    for name, (count, _) in {} if options.alone else OTHERS.items():
        row = theirs(name, work.job(count, with_sbml=name == "libroadrunner"), exact, options.repeats)
        if isinstance(row, str):
            skipped.append(f"Skipped: {row}")
            continue
        rows.append(row)
        measured[f"times_{name}"] = usual.best / row.best
    lines = table("A month: 30 days, three meals and a dose a day, three infusions, hourly", rows, usual.best) + skipped
    stiff, exact_stiff = reference(people.month(options.people, factors=people.FAST))
    stiff_rows = [row for method in work.kernel.methods
                  if (row := ours(stiff, exact_stiff, method, options.repeats))]  # fmt: skip
    lines += table("The same, fast rates times 30", stiff_rows, usual.best)
    count = operations.of_step(work.kernel, "rodas4p2")
    share = usual.best * usual.steps * count / peak.flops(work.kernel.variant)
    measured |= {
        "month": fastest,
        "month_default": usual.best,
        "stiff": max(row.best for row in stiff_rows),
        "percent_of_peak": 100 * share,
    }
    told = (
        f"Kernel variant {work.kernel.variant}, {options.people} people. At the default tolerance "
        f"({RTOL:g}, {ATOL:g}) the error is {at_default:.1e}. A step of rodas4p2 has {count} operations a person; "
        f"the kernel does {100 * share:.0f} % of what a loop of nothing but products and sums does."
    )
    return [*lines, told, ""]


def _rest(options: argparse.Namespace, measured: dict[str, float]) -> list[str]:
    """Measure half a year, one forecast, and memory."""
    long, exact = reference(people.half_year(options.people))
    row = ours(long, exact, "rodas4p2", options.repeats)
    assert row is not None
    alone = forecast(options.repeats)
    count = 100_000 if options.full else 5_000
    used = memory(count)
    measured |= alone | {"half_year": row.best, "memory_mb": used}
    return [*table("Half a year of constant intake, every six hours", [row], row.best),
            f"One forecast of 30 days with meals and doses: {alone['warm_ms']:.1f} ms warm (from the scenario to the "
            f"outputs, processor time), {alone['cold_ms']:.0f} ms as a process of its own (wall).",
            f"{count:,} people, in blocks of {BLOCK}: {used:.0f} MB at most."]  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
