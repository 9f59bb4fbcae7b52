"""The targets that are generated from one system of equations.

``build`` needs SymPy and a C compiler; ``load`` and what it returns need neither, so they are what a run imports.
"""

from carnallite.physiology.generate.native import (
    Course,
    Event,
    Kernel,
    KernelUnusable,
    Restart,
    Schedules,
    Solution,
    Status,
    load,
    schedules,
)

__all__ = [
    "Course",
    "Event",
    "Kernel",
    "KernelUnusable",
    "Restart",
    "Schedules",
    "Solution",
    "Status",
    "load",
    "schedules",
]
