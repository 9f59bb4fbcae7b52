"""The monotone rules of the body in a few dozen drawn patients, by the functions that count them in ten thousand."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from monotone import TOLERANCE, Count, counted, excess, impossible
from monotone_rules import EXACT, RULES, Batch, Pair, batch, seen

from carnallite.physiology import run

BATCHES = (0, 2, 5)  # ill for three days, two weeks, two months
EACH = 16
KEPT = {  # in every body that can be; where others are not, and why, is told in docs/reference/monotone.md
    "plasma magnesium, area in 7 d",
    "magnesium in urine of 7 d",
    "acid suppression: magnesium absorbed in 60 d",
    "less cell magnesium: secretion at that moment",
    "more aldosterone: excretion at that moment",
    "calcium, total over ionized, each hour of 3 d",
}


def few(rule: str) -> list[Batch]:
    return [batch(rule, number, size=EACH) for number in BATCHES]


@pytest.mark.parametrize("rule", sorted(RULES))
def test_a_rule_holds_in_patients_of_all_kinds(rule: str) -> None:
    total: dict[str, Count] = {}
    for some in few(rule):
        for one in RULES[rule](some):
            total[one.name] = total.get(one.name, Count()).plus(counted(one, some, impossible(some)))
    for name, one in total.items():
        assert one.compared >= EACH, name
        wrong = one.violations - one.turned - one.impossible
        assert wrong <= (0 if name in KEPT else one.compared / 2), f"{name}: {one}"


def test_what_is_kept_by_all_is_still_asked() -> None:
    asked = {one.name for rule in RULES for one in RULES[rule](batch(rule, 0, size=2))}
    assert asked >= KEPT


def two(low: list[float], high: list[float], *, gone: bool = False) -> Pair:
    """Return a pair of two patients, the second of whom may have no whole course."""
    nobody = np.zeros(2, bool)
    ended = np.array([[False, gone], [False, False]])
    return Pair("made", np.array([low, low]), np.array([high, high]), ended, ~nobody, nobody)


def test_a_step_the_wrong_way_is_counted_however_small() -> None:
    some, nobody = batch("O1", 0, size=2), np.zeros(2, bool)
    just, less = 1 + 1.1 * TOLERANCE, 1 + 0.9 * TOLERANCE
    assert counted(two([1.0, just], [1.0, 1.0]), some, nobody).violations == 2
    assert counted(two([1.0, less], [1.0, 1.0]), some, nobody).violations == 0
    assert counted(two([0.5, 1.0], [1.0, 2.0]), some, nobody).excess == 0
    assert np.isclose(excess(two([3.0, 1.0], [2.0, 2.0])), 1 / 3).all()


def test_who_has_no_whole_course_is_told_and_not_compared() -> None:
    found = counted(two([2.0], [1.0], gone=True), batch("O1", 0, size=2), np.array([True, False]))
    assert (found.compared, found.violations, found.impossible, found.gone_one, found.gone_both) == (1, 1, 1, 1, 0)
    both = found.plus(Count(compared=5, excess=9.0, worst=7))
    assert (both.compared, both.excess, both.worst) == (6, 9.0, 7)


def test_the_tolerance_is_what_the_solver_may_err() -> None:
    outputs = ("magnesium.plasma", "potassium.plasma", "calcium.ionized", "aldosterone.plasma")
    for some in few("O1"):
        given = some.cast(some.scene("7 d", "1 h"))
        usual, exact = seen(given, outputs), run(given, outputs, rtol=EXACT / 1000)
        whole = ~usual.ended_early
        for name in outputs:
            off = np.abs(usual[name][whole] / exact[name][whole] - 1)
            assert off.max() < TOLERANCE / 2, name


def test_a_patient_is_the_same_in_a_small_batch() -> None:
    small, large = (next(RULES["O1"](batch("O1", 2, size=size))) for size in (3, 5))
    assert small.low.tobytes() == large.low[:3].tobytes()
