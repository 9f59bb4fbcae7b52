from __future__ import annotations

import math
from typing import Any

import pytest

from carnallite.record.dose import dose_of
from carnallite.record.entry import Entry
from carnallite.record.moments import began, first_instant
from carnallite.record.sketch import INDEX, read_sketch
from records import drug, observation, patient, read

HEAD = "day|what|value|unit\n"


def value(text: str, quantity: str) -> float | None:
    found = [one for one in read_sketch(HEAD + text).timeline.observations if one.quantity == quantity]
    return found[0].high if found else None


@pytest.mark.parametrize(
    ("age", "sex", "creatinine", "expected"),
    [(55, "female", 0.9, 75.5), (50, "male", 1.0, 91.7), (70, "male", 2.0, 35.2), (30, "female", 0.6, 123.8)],
)
def test_egfr_gives_the_published_examples(age: float, sex: str, creatinine: float, expected: float) -> None:
    text = f"0|age|{age}|\n0|sex|{sex}|\n0|serum_creatinine|{creatinine}|mg/dL"
    assert value(text, "egfr") == pytest.approx(expected, abs=0.2)


def test_egfr_is_not_given_for_children_or_unknown_sex() -> None:
    assert value("0|age|9|\n0|sex|male|\n0|serum_creatinine|0.5|mg/dL", "egfr") is None
    assert value("0|age|40|\n0|serum_creatinine|0.9|mg/dL", "egfr") is None


FEMG = (
    "0|age|50|\n0|sex|male|\n0|serum_magnesium|0.45|mmol/L\n0|urine_magnesium|2.1|mmol/L\n0|urine_creatinine|6|mmol/L\n"
)


def test_fractional_excretion_of_magnesium() -> None:
    assert value(FEMG + "0|serum_creatinine|80|umol/L", "fractional_excretion_magnesium") == pytest.approx(
        0.0889, rel=1e-3
    )


def test_fractional_excretion_is_withheld_below_an_egfr_of_30() -> None:
    assert value(FEMG + "0|serum_creatinine|400|umol/L", "fractional_excretion_magnesium") is None


def test_a_bounded_input_gives_a_bounded_answer() -> None:
    text = FEMG.replace("urine_magnesium|2.1", "urine_magnesium|<0.2") + "0|serum_creatinine|80|umol/L"
    (found,) = [
        one
        for one in read_sketch(HEAD + text).timeline.observations
        if one.quantity == "fractional_excretion_magnesium"
    ]
    assert found.low == 0
    assert found.high == pytest.approx(0.00847, rel=1e-2)


@pytest.mark.parametrize(
    ("text", "quantity", "expected"),
    [
        ("0|serum_calcium|2.0|mmol/L\n0|serum_albumin|20|g/L", "corrected_calcium", 2.4),
        ("0|serum_magnesium|0.6|mmol/L\n0|serum_albumin|2.0|g/dL", "corrected_magnesium", 0.7),
        ("0|serum_sodium|140|mmol/L\n0|serum_chloride|100|mmol/L\n0|serum_bicarbonate|24|mmol/L", "anion_gap", 16),
        ("0|urine_calcium|1.2|mmol/L\n0|urine_creatinine|6|mmol/L", "urine_calcium_creatinine_ratio", 0.2),
    ],
)
def test_derived_quantities(text: str, quantity: str, expected: float) -> None:
    assert value(text, quantity) == pytest.approx(expected)


def test_ttkg_needs_concentrated_urine_with_sodium() -> None:
    base = (
        "0|serum_potassium|3|mmol/L\n0|urine_potassium|60|mmol/L\n0|serum_osmolality|290|mosm/kg\n"
        "0|urine_osmolality|{}|mosm/kg\n0|urine_sodium|{}|mmol/L"
    )
    assert value(base.format(580, 60), "transtubular_potassium_gradient") == pytest.approx(10)
    assert value(base.format(200, 60), "transtubular_potassium_gradient") is None
    assert value(base.format(580, 10), "transtubular_potassium_gradient") is None


def test_samples_of_different_days_do_not_belong_together() -> None:
    assert value("-9|serum_calcium|2.0|mmol/L\n0|serum_albumin|20|g/L", "corrected_calcium") is None


@pytest.mark.parametrize(
    ("text", "unit", "route", "expected"),
    [
        ("24 mmol/d", "magnesium_citrate", "oral", 24.0),
        ("16 mEq", "magnesium_sulfate", "iv", 8.0),
        ("2 g", "magnesium_sulfate", "intravenous", 8.12),
        ("2 g", "magnesium_sulfate", "02-Fluids (Crystalloids)", 8.12),
        ("243 mg elemental", "magnesium_oxide", "oral", 10.0),
    ],
)
def test_the_element_in_a_magnesium_dose(text: str, unit: str, route: str, expected: float) -> None:
    issues: list[Any] = []
    dose = dose_of(Entry(kind="drug", where="x", dose_text=text, route=route), unit, issues)
    assert dose.elemental_mmol == pytest.approx(expected, rel=0.01)
    assert not issues


@pytest.mark.parametrize(
    ("name", "count", "unit", "expected"),
    [
        ("Potassium Chloride 20 MEQ Extended Release Oral Tablet", 3, "{pill}", (60, "meq")),
        ("Potassium Chloride 10mEq ER Capsule", 2, "CAP", (20, "meq")),
        ("Spironolactone 100 MG Oral Tablet", 0.5, "tablet", (50, "mg")),
        ("Hydrochlorothiazide 25 MG / Spironolactone 25 MG Oral Tablet", 2, "tablet", (2, "tablet")),
        ("Potassium Chloride 1.33 MEQ/ML Oral Solution", 2, "packet", (2, "packet")),
        ("potassium chloride", 2, "tablet", (2, "tablet")),
        ("Potassium Chloride 20 MEQ Oral Tablet", 15, "mL", (15, "mL")),
        ("Potassium Chloride 20 MEQ Oral Tablet", 40, "mmol", (40, "mmol")),
    ],
)
def test_pieces_count_by_the_strength_in_the_name(
    name: str, count: float, unit: str, expected: tuple[float, str]
) -> None:
    dose = dose_of(Entry(kind="drug", where="x", text=name, dose=count, dose_unit=unit), "potassium_chloride", [])
    assert (dose.value, dose.unit) == expected


def test_a_magnesium_dose_in_mg_alone_is_an_issue() -> None:
    reading = read(
        drug("magnesium oxide", dosage=[{"text": "400 mg twice daily"}]), observation("2823-3", 4.0, "mmol/L")
    )
    assert "magnesium_dose_unclear" in [issue.code for issue in reading.issues]
    (exposure,) = [one for one in reading.timeline.exposures if one.ingredient == "magnesium_oxide"]
    assert exposure.elemental_mmol is None
    assert (exposure.dose, exposure.per_day) == (400, 2)


def test_times() -> None:
    assert first_instant("no date") is None
    assert first_instant("2020") == first_instant("2020-01-01T00:00:00Z")
    started = began("diarrhea for 3 weeks", INDEX)
    assert started is not None
    assert (INDEX - started).days == 21
    assert began("diarrhea", INDEX) is None


def test_ages_beyond_all_ages_count_as_over_89() -> None:
    reading = read(observation("2823-3", 4.0, "mmol/L"), who=patient(birthDate="1720-01-01"))
    assert reading.timeline.age() == 90
    assert math.isclose(read(observation("2823-3", 4.0, "mmol/L")).timeline.age() or 0, 50.07, abs_tol=0.1)


def test_a_known_broken_limit_is_enough_to_withhold_a_formula() -> None:
    text = (
        "0|serum_potassium|3|mmol/L\n0|urine_potassium|60|mmol/L\n0|serum_osmolality|290|mosm/kg\n"
        "0|urine_osmolality|150|mosm/kg"
    )
    assert value(text, "transtubular_potassium_gradient") is None
    assert value("0|age|5|\n0|sex|male|\n0|serum_creatinine|>3|mg/dL", "egfr") is None
