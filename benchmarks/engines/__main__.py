"""Solve a job by one engine, at a tolerance for each line of the input; see the docstring of the package."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import numpy as np

from engines.job import Job


def main() -> None:
    """Print a line for each tolerance, and write the states beside it."""
    name, job, result = sys.argv[1:]
    engine = importlib.import_module(f"engines.{name}")
    solve = engine.prepare(Job.load(Path(job)))
    for line in sys.stdin:
        states, seconds = solve(float(line))
        np.save(result, states)
        print(json.dumps({"version": engine.VERSION, "seconds": seconds}), flush=True)


main()
