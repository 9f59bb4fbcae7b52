"""The text for the chart: short, whole, with units, the most urgent first."""

from __future__ import annotations

from pathlib import Path

import pytest

from carnallite.plan import advise
from carnallite.record import read_record
from carnallite.surfaces.note import MOST, note
from planned import KIDNEY, SODIUM, advice, magnesium, potassium
from records import condition

CASES = sorted((Path(__file__).parents[2] / "published").glob("*.json"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem[:3])
@pytest.mark.parametrize("units", ["si", "us"])
def test_a_note_is_short_and_whole(path: Path, units: str) -> None:
    told = note(advise(read_record(str(path)), depth="findings"), units)
    assert len(told) <= MOST
    assert told.endswith("the clinician decides.")
    assert "\n" not in told and "  " not in told


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem[:3])
def test_a_note_has_every_dose_of_its_plan_or_none(path: Path) -> None:
    found = advise(read_record(str(path)), depth="findings")
    told = note(found, "si")
    doses = [one.dosing.what for one in found.plans[0].steps if one.dosing] if found.plans else []
    assert len({one in told for one in doses}) <= 1


def test_the_emergency_comes_first_and_doses_have_units() -> None:
    told = note(advice(KIDNEY, SODIUM, magnesium(0.3), potassium(2.2), condition("torsades de pointes")), "si")
    assert told.startswith("EMERGENCY: ")
    assert "magnesium sulfate 8.11 mmol (2 g) by vein over 15 min" in told


def test_without_a_disorder_it_says_so() -> None:
    told = note(advice(KIDNEY, SODIUM, magnesium(0.85), potassium(4.2)), "si")
    assert "Plan" not in told and "normal" in told
