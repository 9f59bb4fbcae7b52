"""What members missed before is missed again: the more recent, the more of it."""

from __future__ import annotations

import numpy as np
import pytest

from carnallite.assessment import examine
from carnallite.assessment.cloud.again import again, missed_again
from carnallite.assessment.cloud.history import LENGTH
from carnallite.assessment.cloud.weigh import errors, numbers
from carnallite.physiology import engine, population
from carnallite.record.sketch import read_sketch

if engine.kernel() is None:
    pytest.skip("no compiled kernel", allow_module_level=True)

SKETCH = """
  day | what             | value | unit
  --- | ---------------- | ----- | ------
  0   | age              | 60    |
  0   | sex              | male  |
  0   | serum_magnesium  | 0.40  | mmol/L
  0   | serum_potassium  | 3.4   | mmol/L
  0   | serum_creatinine | 90    | umol/L
"""
HOURS = (0.0, 24.0, 240.0)


@pytest.fixture(scope="module")
def fit():
    found = examine(read_sketch(SKETCH)).fit
    assert found is not None
    return found


def shown(fit, test: str) -> np.ndarray:
    last = int(np.abs(fit.course.time - LENGTH).argmin())
    return np.repeat(population.columns(fit.course, [test])[test][:, last : last + 1], len(HOURS), axis=1)


def test_members_are_drawn_to_what_was_measured_and_come_back_to_themselves(fit) -> None:
    own = shown(fit, "serum_magnesium")
    told = again(fit, "serum_magnesium", own, HOURS)
    off = np.abs(np.log(told.centre / 0.40))
    before = np.abs(np.log(own / 0.40))
    alike = numbers()["missed_alike"]
    assert off[:, 0] == pytest.approx((1 - alike) * before[:, 0])
    assert (off[:, 1] <= before[:, 1] + 1e-12).all()
    assert told.centre[:, 2] == pytest.approx(own[:, 2], rel=1e-3)


def test_less_error_is_left_soon_after_a_result(fit) -> None:
    told = again(fit, "serum_magnesium", shown(fit, "serum_magnesium"), HOURS)
    assert (np.diff(told.spread) > 0).all()
    assert told.spread[2] == pytest.approx(errors()["serum_magnesium"].spread, rel=1e-3)


def test_a_test_without_results_is_left_alone(fit) -> None:
    own = shown(fit, "serum_aldosterone")
    told = again(fit, "serum_aldosterone", own, HOURS)
    assert (told.centre == own).all()
    assert told.spread == pytest.approx(errors()["serum_aldosterone"].spread)


def test_a_laboratory_finds_ninety_percent_within_the_tails_of_the_weights(fit) -> None:
    told = again(fit, "serum_aldosterone", np.ones((len(fit.members.number), 1)), (0.0,))
    spread = errors()["serum_aldosterone"].spread
    low, high = np.quantile(np.log(told.measured()), (0.05, 0.95))
    assert (low, high) == pytest.approx((-2.1318 * spread, 2.1318 * spread), rel=1e-4)  # t of 4 degrees of freedom


def test_gain_and_rest_are_those_of_one_result() -> None:
    gain, left = missed_again(np.array([-24.0]), 0.0, alike=0.6, memory=24.0)
    assert gain[0] == pytest.approx(0.6 * np.exp(-1))
    assert left == pytest.approx(np.sqrt(1 - (0.6 * np.exp(-1)) ** 2))
