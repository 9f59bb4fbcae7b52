"""The test whose answer would tell most about the set of causes comes first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from carnallite.assessment.columns import evaluate
from carnallite.assessment.facts import PRESENT, UNKNOWN
from carnallite.assessment.infer import network, unexplained
from carnallite.assessment.values import NextTest
from carnallite.knowledge import knowledge

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from carnallite.assessment.columns import Columns
    from carnallite.assessment.infer import Posterior

_SHOWN = 5
_LEAST = 0.005  # [bit]


def next_tests(columns: Columns, posterior: Posterior, row: int) -> tuple[NextTest, ...]:
    """Return the tests worth doing next: what is needed for any decision first, then by information.

    `information` is the expected reduction of uncertainty about the set of causes [bit].
    """
    first: list[NextTest] = []
    others: list[tuple[float, NextTest]] = []
    for test in knowledge().investigations.values():
        if test.useless_when and evaluate(test.useless_when, columns)[row] == PRESENT:
            continue
        bits = _information(test.settles, posterior, row)
        found = NextTest(id=test.id, name=test.name, information=round(bits, 3), why=test.why)
        if test.first_when and evaluate(test.first_when, columns)[row] == PRESENT:
            first.append(found)
        elif bits - test.burden >= _LEAST:
            others.append((bits - test.burden, found))
    first.sort(key=lambda one: _URGENCY.get(one.id, len(_URGENCY)))
    others.sort(key=lambda pair: (-pair[0], pair[1].id))
    return (*first, *(found for _, found in others))[:_SHOWN]


_URGENCY = {"serum_magnesium": 0, "serum_potassium": 1, "serum_creatinine": 2}


def _information(findings: tuple[str, ...], posterior: Posterior, row: int) -> float:
    """Return the bits that the answers are expected to bring; answers of one test exclude one another."""
    net = network()
    joint = posterior.joint[row]
    bits = 0.0
    for id in findings:
        if id not in net.findings:
            continue  # no cause is known by it
        column = net.findings.index(id)
        if posterior.state[row, column] != UNKNOWN:
            continue
        chance = 1 - unexplained(posterior, row, id)
        bits = max(bits, float(_entropy(joint @ chance) - joint @ _entropy(chance)))
    return bits


def _entropy(chance: NDArray[np.float64] | float) -> NDArray[np.float64]:
    held = np.clip(chance, 1e-12, 1 - 1e-12)
    return np.asarray(-(held * np.log2(held) + (1 - held) * np.log2(1 - held)))
