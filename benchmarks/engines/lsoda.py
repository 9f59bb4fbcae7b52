"""SciPy's LSODA on the generated Python."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np
import scipy
from scipy.integrate import solve_ivp

from engines.job import Job

VERSION = f"SciPy {scipy.__version__} LSODA"
METHOD = "LSODA"
NUMBERS = {
    "exp": math.exp, "log": math.log, "tanh": math.tanh, "sqrt": math.sqrt, "min": min, "max": max,
    "where": lambda test, yes, no: yes if test else no,
}  # fmt: skip


def prepare(job: Job, method: str = METHOD) -> Callable[[float], tuple[np.ndarray, float]]:
    """Return what solves at a tolerance, giving states [person, sample, state] and processor seconds."""
    space = dict(NUMBERS)
    exec(compile(job.rates, "<rates>", "exec"), space)
    segments = [(begin, end, constants.copy()) for begin, end, constants in job.segments()]

    def solve(rtol: float) -> tuple[np.ndarray, float]:
        out = np.empty((len(job.initial), len(job.samples), len(job.states)))
        began = time.process_time()
        for person in range(len(job.initial)):
            one(person, rtol, out[person])
        return out, time.process_time() - began

    def one(person: int, rtol: float, out: np.ndarray) -> None:
        states = out[0] = job.initial[person]
        for begin, end, constants in segments:
            own = constants[person].tolist()
            here = np.flatnonzero((job.samples > begin) & (job.samples <= end))
            run = solve_ivp(
                lambda _, y, p=own: space["rates"](y.tolist(), p), (begin, end), states, method=method,
                t_eval=np.unique(np.r_[job.samples[here], end]), rtol=rtol, atol=1e-2 * rtol * job.scale,
            )  # fmt: skip
            out[here] = run.y.T[: len(here)]
            states = run.y[:, -1]

    return solve
