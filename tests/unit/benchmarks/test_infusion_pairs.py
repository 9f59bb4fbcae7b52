"""Which results an infusion has to do with, the compartment that others fit, and what is told of few."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import numpy as np
import pytest
from scipy.special import stdtrit

sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks"))

from compartment import RATES, Compartment, Step, fitted_to, left_of, left_out
from foretell import Foretold, Look
from foretell_stays import Stay, whole
from infusions import Pair, asked_of, infusions
from infusions_page import METHODS, results_of

from carnallite.record.entry import Entry, Person

NOON = datetime(2020, 6, 1, 12, tzinfo=UTC)
TRUE = Compartment(volume=0.4, rate=float(RATES[30]), usual=0.9)


def hour(count: float) -> datetime:
    return NOON + timedelta(hours=count)


def result(name: str, value: float, time: float) -> Entry:
    return Entry(kind="observation", where="lab 1", text=name, value=value, unit="mmol/L", time=hour(time))


def infusion(text: str, dose: float, unit: str, begin: float, end: float, **more: str) -> Entry:
    return Entry(
        kind="drug", where="given 1", text=text, time=hour(begin), end=hour(end), single=True, dose=dose,
        dose_unit=unit, route="IV", status="completed", **more,
    )  # fmt: skip


def stay(*entries: Entry) -> Stay:
    return Stay(Person(sex="female", age="60"), entries)


LEVELS = (
    *(result("magnesium", 0.6 + time / 100, time) for time in (0, 5, 5.5, 20, 40)),
    *(result("potassium", 3.0 + time / 100, time) for time in (0, 5, 20, 100)),
)


# which results ------------------------------------------------------------------------------------------------------
def test_results_around_an_infusion_are_asked() -> None:
    timeline = whole(stay(*LEVELS, infusion("magnesium sulfate", 2, "g", 1, 3))).timeline
    asked = asked_of(timeline)
    told = [(moment, one.held.test, one.held.last, one.held.value) for moment in asked for one in asked[moment]]
    assert sorted(told) == [
        (hour(0), "serum_magnesium", 0.6, 0.65),
        (hour(0), "serum_potassium", 3.0, 3.05),
        (hour(5), "serum_potassium", 3.05, 3.2),  # it ended 2 h before; magnesium was measured twice within an hour
        (hour(5.5), "serum_magnesium", 0.655, 0.8),
    ]
    assert asked[hour(5.5)][0].ran == (("magnesium", -4.5, -2.5),)


def test_nothing_is_asked_without_magnesium_of_known_time_and_amount() -> None:
    potassium = infusion("potassium chloride", 20, "meq", 1, 3)
    carrier = infusion("magnesium sulfate", 50, "ml", 1, 3)
    untimed = msgspec.structs.replace(infusion("magnesium sulfate", 2, "g", 1, 3), end=None)
    assert not asked_of(whole(stay(*LEVELS, potassium, carrier, untimed)).timeline)
    assert [one.element for one in infusions(whole(stay(*LEVELS, potassium, carrier, untimed)).timeline)] == [
        "potassium"
    ]


# one compartment ----------------------------------------------------------------------------------------------------
def test_doses_that_are_left_follow_the_exponential() -> None:
    step = Step(hours=10.0, last=0.5, weight=70.0, given=((0.0, 1e-3, 8.0), (9.0, 11.0, 8.0)))
    assert left_of(step, 1e-9) == pytest.approx(8 + 4, rel=1e-6)
    assert left_of(step._replace(given=step.given[:1]), 0.1) == pytest.approx(8 * np.exp(-1.0), rel=1e-4)


def test_a_true_compartment_is_found_again_and_nobody_sees_his_own_values() -> None:
    steps = [Step(h, 0.5 + h / 99, 70.0, ((1.0, 2.0, 8.0 + h),)) for h in (3.0, 6.0, 12.0, 24.0, 30.0)]
    value = np.array([TRUE.level(step) for step in steps])
    assert fitted_to(steps, value) == pytest.approx(TRUE)
    value[0] = 9.0
    levels, made = left_out(steps, value, np.arange(5))
    assert levels[0] == pytest.approx(TRUE.level(steps[0]))
    assert made[0] == pytest.approx(TRUE)
    assert made[1] != pytest.approx(TRUE)


# what is told -------------------------------------------------------------------------------------------------------
def pair(number: int, value: float) -> Pair:
    told = Foretold(
        test="serum_magnesium", hours=6.0, age=0.0, is_next=True, value=value, last=0.7, shown=(np.log(0.8),) * 9,
        change=(np.log(0.8 / 0.7),) * 9, again=(np.log(0.75),) * 9, left=1.0, missed=(),
    )  # fmt: skip
    return Pair(
        stay=number, look=Look(holds=True), told=told, at_cut=(np.log(0.7),) * 9, without=(np.log(0.7),) * 9,
        given=((1.0, 2.0, 8.0),), ran=(("magnesium", 1.0, 2.0),), weight=70.0, egfr=50.0,
    )  # fmt: skip


def test_methods_stand_side_by_side() -> None:
    found = results_of([pair(number, 0.8 + number / 100) for number in range(6)], "serum_magnesium")
    middles = {id: found.told[id].middle[0] for id in METHODS}
    assert middles["carried"] == pytest.approx(0.7)
    assert (middles["members"], middles["again"]) == pytest.approx((0.8, 0.75), rel=1e-4)
    assert middles["moved"] == pytest.approx(0.8)
    assert found.error("members") == pytest.approx(np.arange(6) / 100, abs=1e-4)
    assert found.within("members").all()
    assert found.told["members"].high[0] == pytest.approx(0.8 * np.exp(0.1 * stdtrit(4, 0.95)))  # 95 % of noise alone


def test_few_are_not_told() -> None:
    found = results_of([pair(number % 4, 0.8 + number / 100) for number in range(9)], "serum_magnesium")
    assert found.is_few()
    assert not results_of([pair(number, 0.8) for number in range(5)], "serum_magnesium").is_few()
