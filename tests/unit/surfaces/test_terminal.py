"""The terminal: the urgent first, numbers with units, legible everywhere."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Any

import made
import msgspec
import pytest

from carnallite.assessment import Explained, JointCauses, RankedCause, RankedFactor, States
from carnallite.record import Issue
from carnallite.surfaces import words
from carnallite.surfaces.terminal import render

if TYPE_CHECKING:
    from carnallite.assessment import Assessment

IN_ORDER = (
    "EMERGENCY:",
    "UNSAFE NOW:",
    "DOUBT ABOUT THE SAMPLE:",
    "Magnesium low 0.42 mmol/L",
    "LIKELY CAUSES",
    "WHY IT STAYS SO",
    "DOES MAGNESIUM EXPLAIN IT?",
    "NEXT TESTS",
    "MISSING",
    "NOT USED FROM THE RECORD (5)",
    "Research software, not a medical device",
)


def printed(assessment: Assessment, **choices: Any) -> str:
    choices = {"units": "si", "width": 80, "color": False} | choices
    return render(assessment, **choices)


def flowing(text: str) -> str:
    """Return text without its line ends."""
    return re.sub(r"\s+", " ", text)


def test_sections_stand_in_order_of_urgency(assessment: Assessment) -> None:
    text = printed(assessment)
    places = [text.index(part) for part in IN_ORDER]
    assert places == sorted(places)
    assert text.startswith("EMERGENCY:")


def test_an_emergency_says_what_to_do_and_why(assessment: Assessment) -> None:
    text = flowing(printed(assessment))
    assert "EMERGENCY: Ventricular arrhythmia or long QT" in text
    assert "Do: ECG monitoring; magnesium sulfate by vein" in text
    assert "Why: QTc interval 520 ms (2020-06-01); Magnesium, serum or plasma 0.42 mmol/L (2020-06-01)" in text


@pytest.mark.parametrize("width", [30, 40, 60, 80, 110])
@pytest.mark.parametrize("units", ["si", "us"])
@pytest.mark.parametrize("ascii_only", [False, True])
def test_lines_fit_and_no_number_loses_its_unit(width: int, units: str, *, ascii_only: bool) -> None:
    text = printed(made.full(), width=width, units=units, both=True, ascii_only=ascii_only)
    lines = text.splitlines()
    assert max(map(len, lines)) <= width
    units_of_results = ("mmol/L", "mg/dL", "meq/L", "%", "ms", "h old", "days old")
    for before, after in itertools.pairwise(lines):
        assert not (re.search(r"\d$", before) and after.strip().startswith(units_of_results)), (before, after)


def test_units_are_one_switch(assessment: Assessment) -> None:
    si, us = flowing(printed(assessment)), flowing(printed(assessment, units="us"))
    assert "mg/dL" not in si
    assert "Magnesium low 1.02 mg/dL, potassium low 2.7 meq/L, corrected calcium low 8.5 mg/dL" in us
    assert "Magnesium, serum or plasma 1.34 mg/dL (2020-04-20)" in us  # an older result, not in the list
    assert "0.42 mmol/L" not in us


def test_both_systems_on_request(assessment: Assessment) -> None:
    assert "Magnesium low 0.42 mmol/L (1.02 mg/dL)" in flowing(printed(assessment, both=True))
    assert "Magnesium low 1.02 mg/dL (0.42 mmol/L)" in flowing(printed(assessment, both=True, units="us"))


def test_no_escape_sequence_without_color(assessment: Assessment) -> None:
    assert "\x1b" not in printed(assessment)


def test_color_only_repeats_what_words_say(assessment: Assessment) -> None:
    colored = printed(assessment, color=True)
    assert "\x1b[" in colored
    assert re.sub(r"\x1b\[[\d;]*m", "", colored) == printed(assessment)


def test_without_utf8_everything_is_ascii(assessment: Assessment) -> None:
    text = printed(assessment, ascii_only=True)
    assert text.isascii()
    assert "[########..]" in text


def test_ascii_keeps_signs_and_units() -> None:
    creatinine = msgspec.structs.replace(made.result("serum_creatinine", 96, "H"), id="serum_magnesium")
    text = printed(made.changed(results=(creatinine,)), ascii_only=True)
    assert "96 umol/L" in text


def test_hostile_text_cannot_steer_the_terminal() -> None:
    issue = Issue("x", made.HOSTILE, made.HOSTILE, "\x07\x1b]0;title\x07")
    text = printed(made.changed(issues=(issue,)))
    assert "\x1b" not in text
    assert "\x07" not in text


def test_a_cause_has_words_number_basis_and_the_strongest_reasons(assessment: Assessment) -> None:
    text = printed(assessment)
    assert re.search(r"1 Proton-pump inhibitor +likely, 83 % █+░+", text)
    assert "Recorded. The bowel absorbs less" in text
    assert "Inferred. Intake is poor" in text
    body = flowing(text)
    assert "+ Omeprazole since 2016-02-10; Furosemide since 2019-11-04 [assumed]" in body
    assert "[LR 6.2, assumed]" in body
    assert "- against: Not: parathyroid hormone low [LR 0.35, assumed]" in body
    assert "+ Hypocalcemia [LR 2.2" not in body  # the fourth reason waits for the report
    assert "Further: None of the causes that we know 3 %" in body


def test_a_doubted_statement_says_so_once_in_full() -> None:
    factor = RankedFactor(id="refractory_hyperkalemia", name="Potassium stays high", probability=0.3)
    states = States(magnesium="low", potassium="high", calcium="normal")
    text = flowing(
        printed(made.changed(factors=(factor,), states=states, magnesium_explains=Explained(potassium=0.02)))
    )
    assert "[assumed, A18 contested]" in text
    assert "! CONTESTED: Loop diuretics" in text
    assert text.count("! CONTRADICTED:") == 1
    assert "The contrary:" in text
    assert "! B12 is contradicted, see above." in text


def test_cannot_tell_names_the_three_best_tests_first() -> None:
    causes = tuple(
        msgspec.structs.replace(one, probability=number)
        for one, number in zip(made.full().causes, (0.31, 0.27, 0.2, 0.1), strict=True)
    )
    text = printed(made.changed(cannot_tell=True, causes=causes))
    body = flowing(text)
    assert "LIKELY CAUSES: CANNOT TELL YET" in text
    assert "No cause stands out (the first is Proton-pump inhibitor, 31 %)" in body
    order = ["CANNOT TELL", "Urine magnesium", "Urine potassium", "Parathyroid hormone:", "Still possible:"]
    places = [text.index(part) for part in order]
    assert places == sorted(places)
    assert text.index("FURTHER TESTS") < text.index("> Bicarbonate")


def test_two_causes_that_coincide_are_named() -> None:
    first, second = made.full().causes[:2]
    body = flowing(printed(made.changed(cannot_tell=True, either=(first.id, second.id))))
    assert f"One of two, and nothing here tells which: {first.name} (" in body
    assert f") or {second.name} (" in body


def test_a_withheld_ranking_gives_its_reason() -> None:
    issue = Issue("ranking_withheld", "assessment", "The causes are not ranked while in doubt.", "Repeat.")
    text = printed(made.changed(cannot_tell=True, causes=(), issues=(issue,)))
    assert "The causes are not ranked while in doubt." in text
    assert "NOT USED" not in text
    assert "Still possible" not in text


def test_nothing_out_of_range_needs_no_cause() -> None:
    none = RankedCause(id="none", name="No cause: nothing is out of range", probability=0.97, basis="inferred")
    states = States(magnesium="normal", potassium="normal", calcium="normal")
    text = printed(made.changed(causes=(none,), states=states, magnesium_explains=Explained()))
    assert "no ion that was measured is out of range" in text
    assert "97 %" not in text


def test_an_empty_record_claims_nothing() -> None:
    none = RankedCause(id="none", name="No cause: nothing is out of range", probability=0.95, basis="inferred")
    states = States(magnesium="unknown", potassium="unknown", calcium="unknown")
    text = printed(
        made.changed(
            causes=(none,), states=states, results=(), emergencies=(), unsafe=(), samples=(), factors=(),
            cannot_tell=True, issues=(), magnesium_explains=Explained(), next_tests=(), missing=(),
        )
    )  # fmt: skip
    assert text.startswith("Magnesium not known, potassium not known, calcium not known")
    assert "No magnesium, potassium or calcium result" in text
    assert "nothing is out of range" not in text


def test_issues_are_counted_and_listed_on_request(assessment: Assessment) -> None:
    assert "and 2 more" in printed(assessment)
    listed = printed(assessment, unread=True)
    assert "Observation 5, serum_sodium" in listed
    assert "more" not in listed.split("NOT USED")[1].split("Research")[0]


def test_causes_that_act_together_are_named() -> None:
    joint = JointCauses(causes=("loop_diuretic", "ppi"), probability=0.41)
    assert "Together: Loop diuretic with Proton-pump inhibitor, 41 %" in printed(made.changed(joint=(joint,)))


def test_the_foot_names_versions_and_record(assessment: Assessment) -> None:
    text = flowing(printed(assessment))
    assert text.rstrip().endswith(
        "Research software, not a medical device: decision support for clinicians. carnallite 0.1.0; "
        "52 causes, 84 statements; record ab12cd34ab12; index 2020-06-01 11:00 UTC"
    )


def test_the_same_answer_is_the_same_text(assessment: Assessment) -> None:
    assert printed(assessment) == printed(made.full())


@pytest.mark.parametrize(("id", "number", "told"), [
    ("ionized_calcium", 0.98, "ionized calcium low 0.98 mmol/L"),
    ("corrected_calcium", 2.1, "corrected calcium low 2.10 mmol/L"),
    ("serum_calcium", 1.9, ", calcium low 1.90 mmol/L"),
])  # fmt: skip
def test_the_headline_says_which_calcium(id: str, number: float, told: str) -> None:
    normal = made.result("serum_calcium", 2.3, "")
    results = tuple({one.id: one for one in (normal, made.result(id, number, "L"))}.values())
    assert told in words.headline(made.changed(results=results), "si").replace(words.JOIN, " ")


def test_samples_of_different_times_are_told_apart() -> None:
    results = (made.result("serum_magnesium", 0.4, "L", hours=3), made.result("serum_potassium", 2.7, "L", hours=80))
    text = words.sample_times(made.changed(results=results)).replace(words.JOIN, " ")
    assert text == "Magnesium 2020-06-01 08:00, 3 h old; potassium 2020-05-29 03:00, 3 days old"


def test_a_result_in_doubt_is_called_so() -> None:
    result = made.result("serum_magnesium", 0.7, "?", sign="<")
    states = States(magnesium="unknown", potassium="unknown", calcium="unknown")
    text = words.headline(made.changed(results=(result,), states=states), "si").replace(words.JOIN, " ")
    assert text.startswith("Magnesium not known (last <0.70 mmol/L), perhaps out of range")
