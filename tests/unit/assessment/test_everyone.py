"""Numbers of a record, each worked out by hand; in company of somebody else, whose answers are not theirs."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest

from carnallite.assessment.everyone import Everyone
from carnallite.assessment.sources import Table, Timelines
from carnallite.record import Exposure, Observation, Patient, Timeline, rows_of

INDEX = datetime(2020, 6, 1, 12, tzinfo=UTC)
NOTHING = (-math.inf, math.inf)
SOMEBODY = Timeline(
    patient=Patient(sex="male"),
    index=INDEX,
    observations=(Observation(quantity="serum_potassium", low=9.0, high=9.0, time=INDEX, where="a"),),
    exposures=(Exposure(ingredient="furosemide", status="current", where="a", start=INDEX - timedelta(days=999)),),
)


def ago(days: float | None) -> datetime | None:
    return None if days is None else INDEX - timedelta(days=days)


def took(drug: str, start: float, stop: float | None = None, **more: object) -> Exposure:
    status = "current" if stop is None else "stopped"
    return Exposure(ingredient=drug, status=status, where="a", start=ago(start), stop=ago(stop), **more)


def potassium(value: float, days: float | None, *remarks: str) -> Observation:
    return Observation(quantity="serum_potassium", low=value, high=value, time=ago(days), where="a", remarks=remarks)


def answer(kind: str, name: str, *facts: Exposure | Observation) -> tuple[float, float]:
    """Return the bounds of a number, the same from timelines and from rows."""
    timeline = Timeline(
        patient=Patient(sex="female"),
        index=INDEX,
        observations=tuple(one for one in facts if isinstance(one, Observation)),
        exposures=tuple(one for one in facts if isinstance(one, Exposure)),
    )
    everybody = [("a", SOMEBODY), ("b", timeline), ("c", SOMEBODY)]
    sources = Timelines([one for _, one in everybody]), Table(rows_of(everybody))
    found = [tuple(float(end[1]) for end in Everyone(source).numbers(kind, name)) for source in sources]
    assert found[0] == found[1]
    return found[0]


@pytest.mark.parametrize(
    ("days", "facts"),
    [
        (NOTHING, []),
        ((30, 30), [took("omeprazole", 30)]),
        ((90, 90), [took("omeprazole", 30), took("omeprazole", 90)]),
        ((90, 90), [took("omeprazole", 30), took("pantoprazole", 90, 40)]),  # a change within the class
        ((400, 400), [took("omeprazole", 30), took("pantoprazole", 90, 40), took("lansoprazole", 400, 100)]),
        ((30, 30), [took("omeprazole", 30), took("pantoprazole", 90, 60)]),  # a month between them
        ((90, 90), [took("omeprazole", 30), took("pantoprazole", 90, 40), took("lansoprazole", 400, 200)]),
        ((30, 30), [took("omeprazole", 30), took("furosemide", 90, 31)]),
        (NOTHING, [took("omeprazole", 90, 40)]),
    ],
)
def test_days_on_a_class_go_on_through_changes(days: tuple[float, float], facts: list[Exposure]) -> None:
    assert answer("days_on", "ppi", *facts) == days


@pytest.mark.parametrize(
    ("dose", "facts"),
    [
        (NOTHING, [took("furosemide", 3)]),
        ((40, math.inf), [took("furosemide", 3, dose=40.0, dose_unit="mg")]),
        ((120, 120), [took("furosemide", 3, dose=40.0, dose_unit="mg", per_day=3.0)]),
        ((1040, 1040), [took("furosemide", 3, dose=40.0, dose_unit="MG", per_day=1.0),
                        took("furosemide", 2, dose=0.5, dose_unit="g", per_day=2.0)]),
        (NOTHING, [took("furosemide", 3, dose=40.0, dose_unit="mL", per_day=1.0)]),
        (NOTHING, [took("furosemide", 30, 20, dose=40.0, dose_unit="mg", per_day=1.0)]),
    ],
)  # fmt: skip
def test_daily_doses_add_up(dose: tuple[float, float], facts: list[Exposure]) -> None:
    assert answer("dose_of", "furosemide", *facts) == dose


@pytest.mark.parametrize(
    ("kind", "value", "facts"),
    [
        ("value", (4.0, 4.0), [potassium(6.0, None), potassium(5.0, 2), potassium(4.0, 1)]),
        ("value", (6.0, 6.0), [potassium(6.0, None), potassium(5.0, 4000)]),
        ("value", (5.0, 5.0), [potassium(5.0, 2), potassium(7.0, 1, "preliminary")]),
        ("reported", (7.0, 7.0), [potassium(5.0, 2), potassium(7.0, 1, "preliminary")]),
        ("highest", (7.0, 7.0), [potassium(5.0, 2), potassium(7.0, 1.1), potassium(4.0, 1)]),
        ("highest", (4.0, 4.0), [potassium(5.0, 2), potassium(7.0, 1.5), potassium(4.0, 1)]),
        ("highest", (6.0, 6.0), [potassium(6.0, None), potassium(4.0, 1)]),
        ("lowest", (5.0, 5.0), [potassium(5.0, 2), potassium(7.0, 1, "preliminary")]),
        ("lowest", (2.0, 2.0), [potassium(2.0, None), potassium(3.0, None), potassium(1.0, 4000)]),
        ("rise", (1.5, 1.5), [potassium(1.0, 3), potassium(4.0, 0.9), potassium(5.5, 0.1)]),
        ("rise", NOTHING, [potassium(4.0, 3), potassium(5.5, 0.1)]),
        ("current", (4.0, 4.0), [potassium(4.0, 0)]),
        ("current", NOTHING, [potassium(4.0, None)]),
    ],
)
def test_results_that_count(kind: str, value: tuple[float, float], facts: list[Observation]) -> None:
    assert answer(kind, "serum_potassium", *facts) == value
