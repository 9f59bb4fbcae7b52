#!/usr/bin/env python3
"""How many people a second NVIDIA Warp takes through a month of meals, tablets and infusions on a device.

On a machine with a graphics processor one command measures everything and checks it against the compiled kernel::

    python benchmarks/gpu.py --device cuda:0 --people 100000

People have regimens of their own clock times. Threads that step together should have events together, so people are
measured in the order of their schedules and, where that differs, in an order of chance. The result also goes to a file.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from carnallite.physiology import engine, parse, protocol
from carnallite.physiology.generate import Course, Event, Schedules, schedules
from carnallite.physiology.generate.assemble import system
from carnallite.physiology.generate.warp import compile_warp
from carnallite.physiology.load import model
from carnallite.physiology.simulate import ATOL, LONGEST, RTOL, program, scales

SEED = 5
CHECKED = 16  # people that the compiled kernel solves, too
DRAWN = 5000  # people that differ; more are the same again
KINDS = ("set", "scale", "add", "mark")
SCENARIO = """
title  = "Meals, tablets and infusions"
length = "{days:g} d"

[diet]
meals = ["{breakfast:02d}:00", "{lunch:02d}:30", "{supper:02d}:00"]

[[dose]]
what   = "KCl"
amount = "30 mmol"
route  = "oral"
daily  = ["{breakfast:02d}:00", "{supper:02d}:00"]

[[dose]]
what   = "magnesium sulfate"
amount = "4 g"
route  = "intravenous"
over   = "4 h"
daily  = ["{drip:02d}:15"]
count  = 3
"""


class Company(NamedTuple):
    parameters: np.ndarray
    initial: np.ndarray
    schedules: Schedules
    schedule: np.ndarray

    def some(self, who: Any) -> Company:
        return self._replace(parameters=self.parameters[who], initial=self.initial[who], schedule=self.schedule[who])


def company(people: int, regimens: int, days: float, names: tuple[str, ...]) -> Company:
    """Draw people, the first in the first regimen, the next in the next."""
    drawn = min(people, DRAWN)
    every, each, events = [], [], []
    for number in range(regimens):
        clock = {"breakfast": 6 + number % 4, "lunch": 11 + number % 3, "supper": 17 + number % 5}
        text = SCENARIO.format(days=days, drip=8 + number % 11, **clock)
        given = protocol(parse(text), count=len(range(number, drawn, regimens)) or 1, seed=SEED, first=number * DRAWN)
        parameters, mine, _ = program(given, names)
        every.append(parameters)
        each.append(given.people.states.T)
        rows = zip(mine.time, mine.kind, mine.index, mine.value, strict=True)
        events.append([Event(t, KINDS[kind], index, value) for t, kind, index, value in rows])
    schedule = np.repeat(np.arange(regimens), [len(part) for part in every])
    whole = Company(np.concatenate(every), np.concatenate(each), schedules(*events), schedule)
    return whole.some(np.resize(np.arange(len(schedule)), people))


def timed(kernel: Any, given: Company, course: Course, **more: Any) -> tuple[Any, float]:
    began = time.perf_counter()
    solution = kernel.solve(
        given.parameters, given.initial, course, schedules=given.schedules, schedule=given.schedule, **more
    )
    return solution, time.perf_counter() - began


def difference(found: Any, expected: Any) -> dict[str, float]:
    """Return the worst state, and the worst of those that are never negative."""
    size = np.maximum(np.abs(expected), 1e-3 * np.abs(expected).max(axis=(0, 1)))
    error = (np.abs(found - expected) / np.where(size > 0, size, 1)).max(axis=(0, 1))
    signed = np.array([state.signed for state in model().states])
    return {"difference": float(error.max()), "difference_unsigned": float(error[~signed].max())}


def measure(options: argparse.Namespace, precision: str, given: Company, course: Course) -> list[dict[str, Any]]:
    """Return the rows of one precision: people sorted by schedule, then shuffled."""
    began = time.perf_counter()
    kernel = compile_warp(
        system(model()), device=options.device, precision=precision, threads=options.threads  # type: ignore[arg-type]
    )  # fmt: skip
    found, _ = timed(kernel, given.some(slice(0, CHECKED)), course)
    compiled = time.perf_counter() - began
    reference = engine.kernel()
    checked: dict[str, float] = {}
    if reference:
        checked = difference(found.states, timed(reference, given.some(slice(0, CHECKED)), course)[0].states)
    ordered = np.argsort(given.schedule, kind="stable")
    shuffled = np.random.default_rng(SEED).permutation(len(ordered))
    rows = []
    for order, who in (("by schedule", ordered), ("by chance", shuffled)):
        solution, taken = timed(kernel, given.some(who), course)
        row = {"device": options.device, "precision": precision, "order": order, "people": len(who)}
        row |= {"compile_s": compiled, "solve_s": taken, "people_per_s": len(who) / taken}
        row |= {"steps": float(solution.steps.mean()), "failed": int((solution.status > 1).sum())} | checked
        rows.append(row)
    return rows


def compiled_row(given: Company, course: Course, threads: int) -> list[dict[str, Any]]:
    """Return the compiled kernel on the same people, for comparison."""
    kernel = engine.kernel()
    if not kernel:
        return []
    solution, taken = timed(kernel, given, course, threads=threads)
    row = {"device": f"C, {kernel.variant}, {threads} threads", "precision": "float64", "order": "by chance"}
    row |= {
        "people": len(given.schedule),
        "compile_s": 0.0,
        "solve_s": taken,
        "people_per_s": len(given.schedule) / taken,
    }
    return [row | {"steps": float(solution.steps.mean()), "failed": int((solution.status > 1).sum())}]


def told(row: dict[str, Any]) -> str:
    error = f"{row['difference']:.1e} {row['difference_unsigned']:.1e}" if "difference" in row else ""
    return (
        f"{row['device']:<27} {row['precision']:<9} {row['order']:<12} {row['people']:>8} {row['compile_s']:>9.1f} "
        f"{row['solve_s']:>9.2f} {row['people_per_s']:>10.1f} {row['steps']:>7.0f} {row['failed']:>7}  {error}"
    )


def main() -> int:
    """Measure both precisions on a device, and the compiled kernel on a part of the people."""
    parser = argparse.ArgumentParser(description="People per second by NVIDIA Warp.")
    parser.add_argument("--device", default="cpu", help="cpu, or cuda:0")
    parser.add_argument("--people", type=int, default=200)
    parser.add_argument("--days", type=float, default=30)
    parser.add_argument("--regimens", type=int, default=16, help="schedules that people share")
    parser.add_argument("--threads", type=int, default=64, help="in a block of a graphics processor")
    parser.add_argument("--precisions", nargs="+", default=["float64", "float32"])
    parser.add_argument("--json", type=Path, default=Path("gpu.json"), help="where the result goes")
    options = parser.parse_args()
    names = system(model()).parameters
    given = company(options.people, options.regimens, options.days, names)
    end = 24 * options.days
    course = Course(
        0.0, end, np.arange(0, end + 1, 24), rtol=RTOL, atol=ATOL * scales(), longest_step=LONGEST
    )  # fmt: skip
    print("device                      precision order          people compile_s   solve_s   people/s   steps  failed")
    rows = compiled_row(given.some(slice(0, 1000)), course, threads=1)
    for precision in options.precisions:
        rows += measure(options, precision, given, course)
    for row in rows:
        print(told(row))
    about = {"machine": platform.platform(), "model": model().hash, "days": options.days, "regimens": options.regimens}
    options.json.write_text(json.dumps(about | {"rows": rows}, indent=1) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
