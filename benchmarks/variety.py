#!/usr/bin/env python3
"""How exact the default tolerance is over people and scenarios of all kinds, and whether libRoadRunner agrees.

Each scenario has one person who was drawn, with diseases, drugs, doses, infusions and meals that were drawn. Compared
are all hours and all states with the kernel at 1e-10, and with libRoadRunner on the exported SBML at 1e-9.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from people import Workload, errors

from carnallite.errors import CarnalliteError
from carnallite.physiology.generate import Status
from carnallite.physiology.load import model
from carnallite.physiology.protocol import protocol
from carnallite.physiology.simulate import RTOL

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from varied import scenarios

WITHIN = 1e-4
EXACT = 1e-10
THEIRS = 1e-9


def main() -> int:
    """Print a line for each comparison; fail where one is beyond 1e-4."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rtol", type=float, nargs="+", default=[RTOL])
    parser.add_argument("--method", default="rodas4p2")
    parser.add_argument("--roadrunner", action="store_true")
    options = parser.parse_args()
    works = [work for work in map(drawn, enumerate(scenarios(options.count, options.seed))) if work]
    whole = [(work, found.states) for work in works if ((found := work.solve(EXACT)).status == Status.OK).all()]
    print(f"{options.count} drawn, {len(works)} exist, {len(whole)} of them live to the end")
    failed = False
    for rtol in options.rtol:
        found = np.array([errors(work.solve(rtol, options.method).states, exact)[0] for work, exact in whole])
        failed |= _told(f"kernel, {options.method} {rtol:g}", found)
    if options.roadrunner:
        courses = [(theirs(work), exact) for work, exact in whole]
        found = np.array([errors(course, exact)[0] for course, exact in courses if course is not None])
        failed |= _told(f"libRoadRunner, which gave up {sum(course is None for course, _ in courses)} times", found)
    return int(failed)


def drawn(numbered: tuple[int, object]) -> Workload | None:
    number, scenario = numbered
    try:
        given = protocol(scenario, count=1, seed=number)  # type: ignore[arg-type]
    except CarnalliteError:  # two acts may together be more than the model holds for
        return None
    work = Workload(given, {}, land=False)  # as `simulate` has it
    return work if np.isfinite(np.r_[given.people.constants, given.people.states]).all() else None


def theirs(work: Workload) -> np.ndarray | None:
    """Return what libRoadRunner finds; None where CVODE finds no step at this tolerance nor at ten times it."""
    from engines.libroadrunner import prepare  # noqa: PLC0415  (optional)

    solve = prepare(work.job(1, with_sbml=True))
    for rtol in (THEIRS, 10 * THEIRS):
        try:
            return solve(rtol)[0]
        except RuntimeError:
            continue
    return None


def _told(name: str, found: np.ndarray) -> bool:
    names = [state.name for state in model().states]
    worst = np.argsort(-found.max(axis=0))[:4]
    told = ", ".join(f"{names[state]} {found[:, state].max():.1e} (case {found[:, state].argmax()})" for state in worst)
    most = found.max(axis=1)
    shares = " ".join(f"{share}% {np.quantile(most, share / 100):.1e}" for share in (50, 90, 99))
    print(f"{name}: at most {most.max():.1e}; {shares}; beyond: {(most > WITHIN).sum()}; {told}")
    return bool(most.max() > WITHIN)


if __name__ == "__main__":
    sys.exit(main())
