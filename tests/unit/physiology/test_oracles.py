"""Scenarios of all kinds at the default tolerance, against the kernel at a tight one and against libRoadRunner.

`benchmarks/variety.py` does the same for hundreds.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from varied import scenarios

pytest.importorskip("sympy")
sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks"))

from people import errors
from variety import drawn, theirs

from carnallite.physiology import engine
from carnallite.physiology.simulate import RTOL

if TYPE_CHECKING:
    from people import Workload

if engine.kernel() is None:
    pytest.skip("no compiled kernel", allow_module_level=True)

COUNT = 20
CHECKED_ELSEWHERE = 4  # by libRoadRunner, which takes a second each
WITHIN = 1e-4


@pytest.fixture(scope="module")
def works() -> list[Workload]:
    return [work for numbered in enumerate(scenarios(COUNT, seed=1)) if (work := drawn(numbered)) is not None]


def test_default_tolerance_keeps_every_state_within_what_is_promised(works: list[Workload]) -> None:
    found = [errors(work.solve(RTOL).states, work.solve(1e-9).states).max() for work in works]
    assert len(found) > COUNT // 2
    assert np.max(found) <= WITHIN


def test_libroadrunner_agrees_with_the_kernel(works: list[Workload]) -> None:
    pytest.importorskip("roadrunner")
    pytest.importorskip("libsbml")
    for work in works[:CHECKED_ELSEWHERE]:
        found = theirs(work)
        assert found is not None
        assert errors(found, work.solve(1e-9).states).max() <= WITHIN
