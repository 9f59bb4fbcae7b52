"""libRoadRunner (CVODE) on the exported SBML, with what changes as its events; loading is not counted."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import roadrunner

from engines.job import Job

VERSION = f"libRoadRunner {roadrunner.__version__}"


def prepare(job: Job) -> Callable[[float], tuple[np.ndarray, float]]:
    """Return what solves at a tolerance."""
    runners = [roadrunner.RoadRunner(text) for text in job.sbml]
    for runner in runners:
        runner.timeCourseSelections = ["time", *(name.replace(".", "__") for name in job.states)]

    def solve(rtol: float) -> tuple[np.ndarray, float]:
        spent, found = 0.0, []
        for runner in runners:
            runner.resetToOrigin()  # constants that events changed, too
            runner.getIntegrator().setValue("relative_tolerance", rtol)
            runner.getIntegrator().setValue("absolute_tolerance", 1e-2 * rtol)
            runner.getIntegrator().setValue("maximum_time_step", 24.0)
            began = time.process_time()
            table = runner.simulate(times=job.samples.tolist())
            spent += time.process_time() - began
            found.append(np.array(table)[:, 1:])
        return np.array(found), spent

    return solve
