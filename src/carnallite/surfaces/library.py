"""`carnallite library`: the virtual patients that stand for a patient, built once and kept."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np

from carnallite.assessment.cloud import build, causes, find, forms, place
from carnallite.assessment.cloud.members import MOST
from carnallite.physiology import population
from carnallite.surfaces.progress import Teller

if TYPE_CHECKING:
    import argparse

    from carnallite.assessment.cloud import Library

OK, STOPPED = 0, 130
SHOWN = ("serum_magnesium", "serum_potassium", "serum_calcium", "serum_bicarbonate", "egfr")


def built(options: argparse.Namespace) -> int:
    """Build a library, or go on with one that was begun, and return the exit code."""
    folder = options.at or place()
    if options.force:
        population.empty(folder)
    teller = Teller()
    try:
        build(folder, options.count, seed=options.seed, report=teller.tell)
    except KeyboardInterrupt:
        teller.end()
        sys.stderr.write(f"carnallite: stopped after {teller.done} members. The same command goes on from there.\n")
        return STOPPED
    teller.end()
    sys.stderr.write(f"library: {folder}\n")
    sys.stdout.write(told(find(folder)))
    return OK


def informed(options: argparse.Namespace) -> int:
    """Tell what a library holds and return the exit code."""
    sys.stdout.write(told(find(options.at or place())))
    return OK


def told(library: Library) -> str:
    """Return what a library holds, for people."""
    of_size = np.bincount((library.members.form >= 0).sum(axis=1), minlength=MOST + 1)
    dead = np.isnan(library.shown["serum_magnesium"])
    sizes = ", ".join(f"{count:,} with {size or 'no'}" for size, count in enumerate(of_size))
    lines = [
        f"{len(library):,} virtual patients; {len(causes())} causes in {len(forms())} forms",
        f"causes at once: {sizes}",
        f"{dead.sum():,} did not live to the time at which they are looked at, and explain nothing",
        "",
        f"{'what they show':<20}{'5 %':>8}{'50 %':>8}{'95 %':>8}",
    ]
    for name in SHOWN:
        low, middle, high = np.nanquantile(library.shown[name], (0.05, 0.5, 0.95))
        lines.append(f"{name:<20}{low:>8.3g}{middle:>8.3g}{high:>8.3g}")
    return "\n".join(lines) + "\n"
