"""Which test comes next, and what each answer would mean."""

from __future__ import annotations

import pytest

from carnallite.assessment import assess
from carnallite.assessment.values import NextTest
from carnallite.physiology import engine
from carnallite.record.sketch import read_sketch

HEAD = "day | what | value | unit\n0 | age | 55 |\n"
LOW = "0 | serum_magnesium | 0.55 | mmol/L\n0 | serum_potassium | 3.1 | mmol/L\n0 | serum_creatinine | 80 | umol/L\n"


def offered(lines: str, depth: str = "findings") -> dict[str, NextTest]:
    found = assess(read_sketch(HEAD + LOW + lines), depth=depth)  # type: ignore[arg-type]
    return {one.id: one for one in found.next_tests}


def test_answers_of_a_test_exclude_each_other_and_leave_nothing_out() -> None:
    for one in offered("-400 | omeprazole | |").values():
        if one.answers:
            assert sum(answer.chance for answer in one.answers) == pytest.approx(1, abs=0.01)
            assert all(0 <= answer.probability <= 1 for answer in one.answers)


def test_information_is_never_negative() -> None:
    assert all(one.information >= 0 for one in offered("-400 | omeprazole | |").values())


def test_a_trial_without_the_drug_is_offered_to_who_takes_it_and_may() -> None:
    assert "ppi_pause" in offered("-400 | omeprazole | |")
    assert "ppi_pause" not in offered("")
    assert "ppi_pause" not in offered("-400 | omeprazole | |\n-2 | gi_bleeding | |")


def test_a_positive_trial_speaks_for_its_cause() -> None:
    positive, negative = offered("-400 | omeprazole | |")["ppi_pause"].answers
    assert positive.cause == "ppi"
    assert positive.probability > 0.5
    assert negative.cause != "ppi" or negative.probability < positive.probability


def test_a_slow_test_must_tell_more() -> None:
    slow = offered("-400 | omeprazole | |")["ppi_pause"]
    assert slow.delay_h == 336
    assert slow.information > 0.01 * 14


@pytest.mark.skipif(engine.kernel() is None, reason="no compiled kernel")
def test_the_body_says_what_urine_may_show() -> None:
    found = offered("-90 | jejunostomy | |", depth="cloud")["urine_magnesium"]
    assert {answer.quantity for answer in found.answers} == {"urine_magnesium_24h"}
    below = found.answers[0]
    assert below.low is None
    assert below.high is not None
    assert below.chance > 0.5
