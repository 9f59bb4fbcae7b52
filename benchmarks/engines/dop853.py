"""SciPy's DOP853 on the generated Python: an explicit method of order 8, as a reference of its own."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy

from engines import lsoda
from engines.job import Job

VERSION = f"SciPy {scipy.__version__} DOP853"


def prepare(job: Job) -> Callable[[float], tuple[np.ndarray, float]]:
    """Return what solves at a tolerance."""
    return lsoda.prepare(job, "DOP853")
