"""One test, at least, for every hazard of area "emergency"; its name begins with the hazard's id."""

from __future__ import annotations

import pytest

from carnallite.surfaces.terminal import render
from records import answer, condition, drug, observation

MG, K, CA = "2601-3", "2823-3", "2000-8"


@pytest.mark.parametrize("value", [6.5, 6.6, 7.2, 9.0])
@pytest.mark.parametrize(
    "calming",
    [
        (),
        (condition("normal ECG"),),
        (observation("20393-5", 500.0, "1"),),
        (observation(CA, 1.2, "mmol/L"), observation(MG, 0.3, "mmol/L")),
        (condition("thrombocytosis"),),
    ],
)
def test_h30_potassium_of_6_5_always_shows_the_emergency(value: float, calming: tuple) -> None:
    found = answer(observation(K, value, "mmol/L"), *calming)
    assert found.emergencies[0].id == "severe_hyperkalemia_emergency"
    text = render(found, units="si", width=80, color=False)
    assert "EMERGENCY" in text.splitlines()[0] + text.splitlines()[1]


@pytest.mark.parametrize(("value", "expected"), [(6.44, False), (6.45, True), (6.5, True)])
def test_h30_the_edge_is_on_the_documented_side(value: float, expected: bool) -> None:
    found = answer(observation(K, value, "mmol/L"))
    assert ("severe_hyperkalemia_emergency" in [alert.id for alert in found.emergencies]) is expected


def test_h30_six_with_ecg_change_is_an_emergency() -> None:
    found = answer(observation(K, 6.1, "mmol/L"), condition("peaked T waves on ECG"))
    assert "hyperkalemia_with_ecg" in [alert.id for alert in found.emergencies]


@pytest.mark.parametrize("level", [None, 0.3, 0.8, 1.1])
@pytest.mark.parametrize(
    "hazard",
    [(), (condition("myasthenia gravis"),), (condition("complete heart block"), condition("anuria"))],
)
def test_h31_torsades_shows_the_first_bolus_with_any_level_and_caution(level: float | None, hazard: tuple) -> None:
    levels = () if level is None else (observation(MG, level, "mmol/L"),)
    found = answer(condition("torsades de pointes"), *levels, *hazard, observation(K, 4.0, "mmol/L"))
    assert found.emergencies[0].id == "torsades_or_arrest"
    assert "2 g (8 mmol" in found.emergencies[0].do


@pytest.mark.parametrize("text", ["cardiac arrest", "torsades de pointes"])
def test_h31_arrest_with_low_magnesium(text: str) -> None:
    found = answer(condition(text), observation(MG, 0.4, "mmol/L"))
    assert "torsades_or_arrest" in [alert.id for alert in found.emergencies]


@pytest.mark.parametrize("text", ["generalized seizure", "tetany", "carpopedal spasm"])
def test_h31_seizure_or_tetany_with_low_magnesium(text: str) -> None:
    found = answer(condition(text), observation(MG, 0.3, "mmol/L"))
    assert "seizure_or_tetany_low" in [alert.id for alert in found.emergencies]


@pytest.mark.parametrize(
    ("value", "finding"),
    [(2.4, None), (2.8, "quadriparesis"), (3.2, "torsades de pointes"), (3.0, "prominent U waves")],
)
def test_h32_severe_hypokalemia_is_never_missed(value: float, finding: str | None) -> None:
    findings = (condition(finding),) if finding else ()
    found = answer(observation(K, value, "mmol/L"), *findings)
    assert "severe_hypokalemia_emergency" in [alert.id for alert in found.emergencies]


def test_h33_no_cause_stands_before_an_emergency() -> None:
    found = answer(
        observation(K, 1.9, "mmol/L"), observation(MG, 0.3, "mmol/L"), condition("high output ileostomy"),
        condition("dehydration"), drug("omeprazole"),
    )  # fmt: skip
    text = render(found, units="si", width=100, color=False)
    assert text.index("EMERGENCY") < text.lower().index("short bowel")
    assert all("rehydrate first" not in alert.do.lower() for alert in found.emergencies)
