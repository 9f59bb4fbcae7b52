"""Expressions of the data files over patients: absent 0, unknown 1, present 2; and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest

from carnallite.assessment import evaluate, finding
from carnallite.assessment.columns import results_in
from carnallite.errors import DataFileError
from carnallite.knowledge import knowledge
from carnallite.knowledge.expression import evaluate as arithmetic
from carnallite.knowledge.expression import names, parse
from sketched import columns_of

STATES = {0: "serum_magnesium 0.85; omeprazole", 1: "serum_magnesium -", 2: "serum_magnesium 0.6; digoxin"}


def state(text: str, line: str) -> int:
    return int(evaluate(text, columns_of(line))[0])


LOW, DIGITALIS = "low(serum_magnesium)", "taking(digitalis)"


@pytest.mark.parametrize("first", STATES)
@pytest.mark.parametrize("second", STATES)
def test_logic_is_that_of_kleene(first: int, second: int) -> None:
    magnesium = STATES[first].partition(";")[0]
    drug = ("omeprazole", "", "digoxin")[second]
    line = f"{magnesium}; {drug}"
    assert (state(LOW, line), state(DIGITALIS, line)) == (first, second)
    assert state(f"{LOW} and {DIGITALIS}", line) == state(f"{DIGITALIS} and {LOW}", line) == min(first, second)
    assert state(f"{LOW} or {DIGITALIS}", line) == state(f"{DIGITALIS} or {LOW}", line) == max(first, second)
    assert state(f"not {LOW}", line) == 2 - first
    assert state(f"{LOW} and {DIGITALIS} and known(age)", line) == min(first, second)
    assert state(f"known(serum_sodium) or {LOW} or {DIGITALIS}", line) == max(first, second)


@pytest.mark.parametrize(
    ("text", "states"),
    [
        ("serum_potassium < severe_hypokalemia", {"2.49": 2, "2.5": 0, "2.51": 0, "<2.5": 2, "<=2.5": 1, ">=2.5": 0,
                                                  ">2": 1, "-": 1}),
        ("serum_potassium <= severe_hypokalemia", {"2.49": 2, "2.5": 2, "2.51": 0, "<=2.5": 2, "<2.6": 1, ">2.5": 0,
                                                   ">=2.5": 1, "-": 1}),
        ("serum_potassium > severe_hypokalemia", {"2.49": 0, "2.5": 0, "2.51": 2, "<=2.5": 0, "<2.6": 1, ">2.5": 2,
                                                  ">=2.5": 1, "-": 1}),
        ("serum_potassium >= severe_hypokalemia", {"2.49": 0, "2.5": 2, "2.51": 2, "<2.5": 0, "<=2.5": 1, ">=2.5": 2,
                                                   ">2": 1, "-": 1}),
        ("severe_hypokalemia > serum_potassium", {"2.49": 2, "2.5": 0, "<=2.5": 1, "<2.5": 2, ">=2.5": 0}),
        ("severe_hypokalemia < serum_potassium", {"2.51": 2, "2.5": 0, ">=2.5": 1, ">2.5": 2, "<=2.5": 0}),
        ("severe_hypokalemia <= serum_potassium", {"2.5": 2, "2.49": 0, ">=2.5": 2, "<=2.5": 1, "<2.5": 0}),
        ("severe_hypokalemia >= serum_potassium", {"2.5": 2, "2.51": 0, "<=2.5": 2, ">=2.5": 1, ">2.5": 0}),
        ("low(serum_potassium)", {"3.49": 2, "3.5": 0, "<3.5": 2, "<=3.5": 1, ">=3.5": 0, ">3": 1, "-": 1, "9": 0}),
        ("high(serum_potassium)", {"5.01": 2, "5.0": 0, ">5.0": 2, ">=5.0": 1, "<=5.0": 0, "<6": 1, "-": 1, "2": 0}),
        ("normal(serum_potassium)", {"3.5": 2, "5.0": 2, "3.49": 0, "5.01": 0, "<3.5": 0, ">5.0": 0, "<4": 1, ">4": 1,
                                     "-": 1}),
        ("known(serum_potassium)", {"4.2": 2, "<4": 2, ">4": 2, "-": 0}),
        ("may_exceed(serum_potassium, severe_hyperkalemia)",
         {">5.0": 2, ">=5.0": 0, ">6.44": 2, ">6.45": 0, ">=6.45": 0, "9": 0, "6": 0, "<7": 0, "-": 0}),
        ("may_fall_below(serum_potassium, severe_hypokalemia)",
         {"<3.5": 2, "<=3.5": 0, "<=2.5": 2, "<2.5": 0, "1": 0, "3": 0, ">2": 0, "-": 0}),
    ],
)  # fmt: skip
def test_a_result_is_an_interval(text: str, states: dict[str, int]) -> None:
    found = {value: state(text, f"serum_potassium {value}") for value in states}
    assert found == states


@pytest.mark.parametrize(
    ("text", "line", "expected"),
    [
        ("age >= adult_age", "age 18.1", 2), ("age >= adult_age", "age 17.9", 0), ("age >= adult_age", "age -", 1),
        ("high(digoxin_level)", "digoxin_level 9", 1), ("low(digoxin_level)", "digoxin_level 9", 1),
        ("normal(digoxin_level)", "digoxin_level 9", 1), ("low(digoxin_level)", "", 1),
        ("low(egfr)", "egfr 89", 2),
        ("low(egfr)", "egfr 90", 0), ("high(egfr)", "egfr 200", 0), ("normal(egfr)", "egfr 90", 2),
        ("high(urine_cortisol_24h)", "urine_cortisol_24h 141", 2),
        ("low(urine_cortisol_24h)", "urine_cortisol_24h 1", 0),
        ("days_on(omeprazole) >= ppi_long_use", "omeprazole @-90", 2),
        ("days_on(omeprazole) >= ppi_long_use", "omeprazole @-89", 0), ("days_on(omeprazole) > ppi_long_use", "", 1),
        ("days_with(pregnancy) < pregnancy_length", "pregnancy @-10", 2),
        ("dose_of(loperamide) > loperamide_high_dose", "loperamide 17 mg/d", 2),
        ("dose_of(loperamide) > loperamide_high_dose", "loperamide 16 mg/d", 0),
        ("taking_by(magnesium, intravenous)", "magnesium_sulfate 4 intravenous", 2),
        ("taking_by(magnesium, oral)", "magnesium_sulfate 4 intravenous", 0),
        ("taking_by(magnesium, intravenous)", "omeprazole", 0), ("remark_hemolysed(serum_potassium)", "", 0),
        ("rise(serum_potassium) >= potassium_rapid_rise", "serum_potassium 5.5; serum_potassium 4.5 @-0.5", 2),
        ("known(current(serum_potassium))", "serum_potassium 4.2 @-1", 0), ("known(rise(serum_potassium))", "", 0),
        ("recent_level(serum_potassium)", "", 2), ("unreadable(serum_potassium)", "", 0),
        ("lately_low(serum_potassium)", "serum_potassium 3.0 @-2", 2), ("lately_high(serum_potassium)", "", 0),
        ("exposed(digitalis)", "digoxin", 2), ("mentioned(digitalis)", "digoxin", 0),
        ("denied(seizure)", "seizure not", 2),
        ("stopped_recently(digitalis)", "digoxin until -3 @-9", 2), ("family(seizure)", "seizure", 0),
        ("drawn_under(magnesium)", "", 0), ("recent(seizure)", "seizure @-20", 2), ("past(seizure)", "seizure past", 2),
        ("reported(serum_potassium) >= mild_hyperkalemia", "serum_potassium 5.5", 2),
    ],
)  # fmt: skip
def test_what_can_be_asked(text: str, line: str, expected: int) -> None:
    assert state(text, line) == expected


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("hypokalemi", r"`hypokalemi` is no finding. Did you mean 'hypokalemia'"),
        ("serum_potassium", "`serum_potassium` is no finding"), ("low(potassium)", "`potassium` is no analyte"),
        ("low(serum_potasium)", "no analyte. Did you mean 'serum_potassium'"),
        ("taking(digtalis)", "Did you mean 'digitalis'"),
        ("taking(serum_potassium)", "no such name"), ("acute(digitalis)", "no such name"),
        ("rise(seizure) > two_days", "no such name"),
        ("remark_x(seizure)", "no such name"), ("recently(seizure)",
                                                "`recently` is no function. Did you mean 'recent'"),
        ("days_with(digitalis) > two_days", "no such name"),
        ("dose_of(seizure) > loperamide_high_dose", "no such name"),
        ("serum_potassium < severe_hypocalcemi", "is no number. Did you mean 'severe_hypocalcemia'"),
        ("serum_potassium < 2.5", "`2.5` is no number"), ("serum_potassium + 1", "neither true nor false"),
        ("serum_potassium < adult_age", "`serum_potassium` is in mmol/L, `adult_age` in a. Give the threshold"),
        ("age < severe_hypokalemia", "`age` is in a"), ("days_on(omeprazole) < adult_age", "is in d"),
        ("days_with(pregnancy) < adult_age", "is in d"),
        ("dose_of(loperamide) > two_days", "is in mg/d"), ("highest(serum_potassium) > adult_age", "is in mmol/L"),
        ("may_exceed(serum_potassium, adult_age)", "is in mmol/L"), ("1 < age < adult_age", "neither true nor false"),
    ],
)  # fmt: skip
def test_what_does_not_exist_or_does_not_compare_is_refused(text: str, told: str) -> None:
    with pytest.raises(DataFileError, match=told):
        evaluate(text, columns_of(""))


def test_a_finding_is_absent_only_where_its_file_says_so() -> None:
    assert knowledge().findings["kidney_failure"].absent
    lines = ("egfr 20", "egfr 90", "", "egfr 90; anuria")
    assert list(finding("kidney_failure", columns_of(*lines))) == [2, 0, 1, 2]
    assert list(finding("hypokalemia", columns_of("serum_potassium 3", "", "serum_potassium -"))) == [2, 0, 1]


def test_everybody_is_answered_alone_and_once() -> None:
    lines = ("serum_potassium 2", "serum_potassium 9; age 90", "serum_potassium -; age -")
    columns = columns_of(*lines)
    for text in ("hypokalemia", "low(serum_potassium)", "age < adult_age", "known(serum_potassium)", "acute(seizure)"):
        together = evaluate(text, columns)
        assert together.dtype == np.int8 and together.shape == (3,)
        assert list(together) == [state(text, line) for line in lines]
        assert evaluate(text, columns) is together
    assert columns.truth("acute", "seizure") is columns.truth("acute", "seizure")
    assert columns.numbers("value", "age") is columns.numbers("value", "age")
    assert finding("hypokalemia", columns) is finding("hypokalemia", columns)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("taking(digitalis) and high(serum_potassium)", {"serum_potassium"}),
        ("severe_hypokalemia_finding", {"serum_potassium", "blood_potassium"}),
        ("age < adult_age and not acute(seizure)", set()),
        ("known(current(serum_sodium))", {"serum_sodium"}),
    ],
)
def test_on_which_results_an_expression_rests(text: str, found: set[str]) -> None:
    assert results_in(text) == found


def test_results_behind_a_formula() -> None:
    assert results_in("corrected_calcium < severe_hypocalcemia") >= {
        "corrected_calcium",
        "serum_calcium",
        "serum_albumin",
    }


# arithmetic ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a + b", 5.0), ("a - b", 1.0), ("a * b", 6.0), ("a / b", 1.5), ("a ** b", 9.0), ("-a", -3.0), ("2.5", 2.5),
        ("min(a, b, 1)", 1.0), ("max(a, b, 1)", 3.0), ("where(a > b, 7, 8)", 7.0), ("where(a < b, 7, 8)", 8.0),
        ("a < b", 0.0), ("b < a", 1.0), ("a < a", 0.0), ("a <= a", 1.0), ("a <= b", 0.0), ("a > b", 1.0),
        ("a > a", 0.0),
        ("a >= a", 1.0), ("b >= a", 0.0), ("a >= b", 1.0), ("b > a", 0.0), ("b <= a", 1.0),
        ("a > b and b > a", 0.0), ("a > b or b > a", 1.0), ("a > b and a > 1 and b > 1", 1.0),
        ("b > a or a > 9 or 0", 0.0),
        ("a / zero", math.inf), ("-a / zero", -math.inf), ("zero ** -1", math.inf), ("10 ** 999", math.inf),
        ("zero ** 0", 1.0), ("zero ** 2", 0.0), ("zero / a", 0.0), ("a ** -1", 1 / 3),
    ],
)  # fmt: skip
def test_arithmetic(text: str, value: float) -> None:
    found = arithmetic(parse(text), {"a": 3.0, "b": 2.0, "zero": 0.0})
    assert isinstance(found, float) and found == pytest.approx(value)


@pytest.mark.parametrize("text", ["zero / zero", "(-a) ** 0.5"])
def test_what_has_no_value_is_not_a_number(text: str) -> None:
    assert math.isnan(arithmetic(parse(text), {"a": 3.0, "zero": 0.0}))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a <", "cannot be parsed. Check brackets"), ("a.b", "Attribute is not allowed"),
        ("[a]", "List is not allowed"),
        ("'a'", "only numbers may stand there"), ("None", "only numbers"), ("f(x=1)", "only plain calls"),
        ("f(1)(2)", "only plain calls"),
        ("a if b else c", "IfExp is not allowed"), ("a == b", "Eq is not allowed"), ("a % b", "Mod is not allowed"),
    ],
)  # fmt: skip
def test_what_is_not_of_the_language_is_refused(text: str, told: str) -> None:
    with pytest.raises(DataFileError, match=told):
        parse(text)


@pytest.mark.parametrize("text", ["not a", "f(a)", "median(a, b)"])
def test_what_is_no_arithmetic_is_refused(text: str) -> None:
    with pytest.raises(DataFileError, match="is not arithmetic"):
        arithmetic(parse(text), {"a": 1.0, "b": 2.0})


def test_lines_may_be_broken_anywhere() -> None:
    assert arithmetic(parse("a\n  + 1"), {"a": 1.0}) == 2.0


def test_names_outside_of_calls() -> None:
    assert list(names(parse("a + f(b) * max(c * d, e) and not g"))) == ["a", "c", "d", "g"]
