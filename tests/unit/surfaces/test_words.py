"""How things are said."""

from __future__ import annotations

import msgspec

from carnallite.assessment import NextTest
from carnallite.assessment.values import Answer
from carnallite.surfaces import words


def test_answers_of_a_test_are_told_in_both_unit_systems() -> None:
    def answer(cause: str, low: float | None, high: float | None) -> Answer:
        return Answer(
            chance=0.5, cause=cause, name=cause, probability=0.6, quantity="serum_magnesium", low=low, high=high
        )

    test = NextTest(id="serum_magnesium", name="Serum magnesium", information=0.2, why="",
                    answers=(answer("ppi", None, 0.7), answer("ckd", 0.7, 1.0)))  # fmt: skip
    told = [one.replace(words.JOIN, " ") for one in words.answers(test, "si")]
    assert told == ["Mg below 0.70 mmol/L (50 %): ppi, 60 %", "Mg 0.70 to 1.00 mmol/L (50 %): ckd, 60 %"]
    assert "1.70 mg/dL" in words.answers(test, "us")[0].replace(words.JOIN, " ")
    same = msgspec.structs.replace(test, answers=(answer("ppi", None, 0.7), answer("ppi", 0.7, 1.0)))
    assert len(words.answers(same, "si")) == 1
