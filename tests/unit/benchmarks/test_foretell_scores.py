"""Scores of foretold values, on numbers whose answer is known, and what a cut leaves of a record."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks"))

from figures import MARKS
from foretell import Cut, Look, Outcome
from foretell_page import put_into, tabled
from foretell_score import (
    Forecast,
    crossed,
    density,
    interval,
    left_out_width,
    likeliest,
    log_t,
    missed_again,
    scored,
)
from foretell_stays import Stay, cuts, held_back, known_at, whole

from carnallite.assessment.cloud.history import after_the_cut
from carnallite.physiology.scenario import Dose
from carnallite.record.entry import Entry, Person

NOON = datetime(2020, 6, 1, 12, tzinfo=UTC)


def hour(count: float) -> datetime:
    return NOON + timedelta(hours=count)


def result(name: str, value: float, time: float) -> Entry:
    return Entry(kind="observation", where="lab 1", text=name, value=value, unit="mmol/L", time=hour(time))


STAY = Stay(
    Person(sex="female", age="60"),
    (
        *(result("potassium", value, time) for time, value in ((0, 3.0), (6, 3.2), (7, 3.3), (30, 4.0), (200, 4.4))),
        result("magnesium", 0.6, 6),
        result("magnesium", 0.9, 30),
        Entry(kind="drug", where="order 1", text="furosemide", time=hour(2), end=hour(40), status="completed"),
        Entry(kind="condition", where="diagnoses_icd 1", codes=(("icd9", "275.2"),), time=hour(-5)),
        Entry(kind="condition", where="pasthistory 1", text="hypertension"),
        Entry(kind="condition", where="note 1", text="diarrhea"),
    ),
)


# scores -------------------------------------------------------------------------------------------------------------
def test_densities_integrate_to_one() -> None:
    values = np.exp(np.linspace(-3, 5, 20001))
    forecast = Forecast(np.tile(np.log([3.0, 5.0]), (len(values), 1)), np.full(len(values), 0.1))
    assert np.trapezoid(np.exp(density(forecast, values)), values) == pytest.approx(1, abs=1e-3)


def test_a_member_that_is_missing_changes_nothing() -> None:
    two, three = np.log([[3.0, 5.0]]), np.array([[np.log(3.0), np.nan, np.log(5.0)]])
    value, width = np.array([4.0]), np.array([0.1])
    for one, other in zip(scored(Forecast(two, width), value), scored(Forecast(three, width), value), strict=True):
        assert one == pytest.approx(other)


def test_the_true_width_scores_best_and_covers() -> None:
    rng = np.random.default_rng(1)
    value = np.exp(np.log(4) + 0.12 * rng.standard_t(4, 4000))
    centres = np.full((4000, 1), np.log(4.0))
    width = left_out_width(centres, value, np.arange(4000))
    assert width == pytest.approx(0.12, rel=0.1)
    right, wide = (scored(Forecast(centres, np.full(4000, one)), value) for one in (0.12, 0.3))
    assert right.log.mean() > wide.log.mean()
    assert right.within.mean() == pytest.approx(0.9, abs=0.02)


def test_the_width_of_a_stay_comes_from_the_others() -> None:
    value = np.exp(np.array([0.0, 0.01, -0.01, 0.02, 3.0]))
    width = left_out_width(np.zeros((5, 1)), value, np.array([0, 1, 2, 3, 4]))
    assert width[4] < width[0]


def test_halves_do_not_see_themselves() -> None:
    x, half = np.arange(6.0), np.array([True, False] * 3)
    target = np.where(half, 10.0, x)
    assert crossed(x[:, None], target, half)[~half] == pytest.approx(10)


def test_intervals_draw_whole_stays() -> None:
    values, stay = np.array([0.0] * 50 + [1.0] * 50), np.repeat([0, 1], 50)
    mean, low, high = interval(values, stay, seed=1)
    assert (mean, low, high) == (0.5, 0.0, 1.0)
    assert np.isnan(interval(values[:0], stay[:0], seed=1)).all()


def test_log_t_is_a_density() -> None:
    z = np.linspace(-300, 300, 300001)
    assert np.trapezoid(np.exp(log_t(z)), z) == pytest.approx(1, abs=1e-4)


# errors that go together --------------------------------------------------------------------------------------------
def test_what_was_missed_often_is_missed_again() -> None:
    gains = [missed_again(np.zeros(count), 0.0, alike=0.5, memory=1e9) for count in (1, 3)]
    assert [round(float(gain.sum()), 6) for gain, _ in gains] == [0.5, 0.75]
    assert gains[1][1] < gains[0][1] < 1


def test_what_was_missed_long_ago_is_forgotten() -> None:
    gain, left = missed_again(np.array([-1000.0]), 0.0, alike=0.5, memory=24.0)
    assert gain[0] < 1e-9
    assert left == pytest.approx(1)


def test_the_numbers_of_errors_are_found_again() -> None:
    rng = np.random.default_rng(2)
    count, spread = 1500, 0.1
    shared = rng.standard_normal(count)
    first, second = (np.sqrt(0.8) * shared + np.sqrt(0.2) * rng.standard_normal(count) for _ in range(2))
    missed = [np.array([[-1.0, spread * one]]) for one in first]
    value = np.exp(np.log(4.0) + spread * second)
    found = likeliest(missed, np.full(count, 2.0), np.full(count, np.log(4.0)), value)
    gain = found.alike * np.exp(-3 / found.memory)
    assert gain == pytest.approx(0.8, abs=0.1)


# cuts ---------------------------------------------------------------------------------------------------------------
def test_a_stay_is_cut_where_something_is_held_back() -> None:
    timeline = whole(STAY).timeline
    assert cuts(timeline, 1) == [hour(6)]
    assert cuts(timeline, 9) == [hour(0), hour(6), hour(7)]
    held = held_back(timeline, hour(6))
    assert [(one.test, one.hours, one.value, one.last, one.is_next) for one in held] == [
        ("serum_potassium", 24.0, 4.0, 3.2, True),
        ("serum_magnesium", 24.0, 0.9, 0.6, True),
    ]


def test_nothing_of_the_future_is_known() -> None:
    known = known_at(STAY, hour(6)).timeline
    assert known.index == hour(6)
    assert max(one.time for one in known.observations) == hour(6)
    (drug,) = known.exposures
    assert (drug.status, drug.stop) == ("current", None)
    assert {one.condition for one in known.conditions} == {"hypertension"}
    assert known_at(STAY, hour(50)).timeline.exposures[0].stop == hour(40)


def test_of_an_infusion_that_runs_there_is_what_ran_in() -> None:
    infusion = Entry(
        kind="drug", where="given 1", text="magnesium sulfate", time=hour(2), end=hour(6), single=True, dose=4.0,
        dose_unit="g", route="IV", status="completed",
    )  # fmt: skip
    stay = STAY._replace(entries=(*STAY.entries[:7], infusion))
    assert not known_at(stay, hour(2)).timeline.exposures
    for moment, grams in ((3, 1.0), (6, 4.0), (9, 4.0)):
        (one,) = known_at(stay, hour(moment)).timeline.exposures
        assert (one.given, one.stop, one.dose) == ((hour(2),), hour(min(moment, 6)), grams)


@pytest.mark.parametrize(
    ("at", "shift", "given"),
    [("10 h", -4.0, [("8 mmol", "6.000000 h", "4.000000 h")]), ("3 h", -4.0, [("6 mmol", "0.000000 h", "3.000000 h")]),
     ("0 h", -4.0, [])],
)  # fmt: skip
def test_what_runs_at_the_cut_runs_on(at: str, shift: float, given: list[tuple[str, str, str]]) -> None:
    dose = Dose(what="magnesium sulfate", amount="8 mmol", route="intravenous", at=(at,), over="4 h")
    assert [(one.amount, one.at[0], one.over) for one in after_the_cut(dose, shift)] == given


def test_regular_doses_go_on() -> None:
    dose = Dose(what="potassium chloride", amount="20 mmol", route="oral", every="8 h", start="0 h", until="30 h")
    assert [one.at[0] for one in after_the_cut(dose, -10.0)] == ["6.000000 h", "14.000000 h"]


# answers ------------------------------------------------------------------------------------------------------------
def test_an_answer_is_read_as_it_was_written() -> None:
    asked = Cut(Look(why_not="the body is an adult's"), 0, ())
    one = Outcome(3, Look(describes=0.5, holds=True, seconds=1.5), (asked,))
    assert msgspec.json.decode(msgspec.json.encode(one), type=Outcome) == one


# page ---------------------------------------------------------------------------------------------------------------
def test_few_values_are_not_scored() -> None:
    assert tabled([], "serum_potassium").rows == ()


def test_only_figures_are_written_anew() -> None:
    page = put_into(f"by hand\n{MARKS[0]}\nold\n{MARKS[1]}\nmore\n", "new\n", "By us.")
    assert page == f"by hand\n{MARKS[0]}\nBy us.\n\nnew\n{MARKS[1]}\nmore\n"
