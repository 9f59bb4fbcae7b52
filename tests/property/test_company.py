"""Facts of everybody at once: company, order of rows and form of the source change nobody's answers."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from typing import get_args

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from carnallite.assessment import Columns, evaluate
from carnallite.assessment.check import expressions
from carnallite.assessment.sources import Table, Timelines
from carnallite.record import (
    Condition,
    Encounter,
    Exposure,
    Observation,
    Patient,
    Procedure,
    Timeline,
    membership,
    rows_of,
)
from carnallite.record.timeline import ConditionStatus, ExposureStatus

INDEX = datetime(2020, 6, 1, 12, tzinfo=UTC)
HOURS = (-0.05, 0, 1, 5.9999, 6, 6.0001, 23, 24, 24.001, 47, 48, 48.01, 72, 167, 168, 168.01, 336, 336.01, 500, 720,
         721, 2000, 9000, 20000, 2e6)  # fmt: skip
EXPRESSIONS = sorted({text for _, text in expressions() if text})
ILL = ("diarrhea", "ileostomy", "seizure", "torsades", "ckd", "kidney_transplant")
TAKEN = ("omeprazole", "pantoprazole", "ppi", "furosemide", "magnesium_sulfate", "potassium_chloride", "digoxin")
TESTS = ("serum_magnesium", "serum_potassium", "egfr", "serum_calcium")

moments = st.none() | st.sampled_from(HOURS).map(lambda hours: INDEX - timedelta(hours=hours))
levels = st.none() | st.sampled_from([0.3, 0.5, 1.1, 2.4, 3.1, 4.2, 5.5, 7.0])
wheres = st.sampled_from("ab")
observations = st.builds(
    Observation, quantity=st.sampled_from(TESTS), low=levels, high=levels, time=moments, where=wheres,
    remarks=st.lists(st.sampled_from(["preliminary", "hemolysed"]), max_size=2, unique=True).map(tuple),
    reference_low=st.none() | st.just(0.7), reference_high=st.none() | st.just(4.5),
).filter(lambda one: one.low is None or one.high is None or one.low <= one.high)  # fmt: skip
exposures = st.builds(
    Exposure, ingredient=st.sampled_from(TAKEN), status=st.sampled_from(get_args(ExposureStatus)), where=wheres,
    start=moments, stop=moments, route=st.sampled_from([None, "oral", "intravenous"]),
    dose=st.none() | st.sampled_from([0.0, 0.1, 0.2, 0.7, 20.0]), dose_unit=st.sampled_from(["mg", "G", "", "mmol"]),
    per_day=st.none() | st.sampled_from([0.0, 1.0, 3.0]),
)  # fmt: skip
conditions = st.builds(
    Condition, condition=st.sampled_from(ILL), status=st.sampled_from(get_args(ConditionStatus)), where=wheres,
    onset=moments, abatement=moments,
)  # fmt: skip
procedures = st.builds(Procedure, condition=st.sampled_from(ILL), where=wheres, time=moments, end=moments)
encounters = st.builds(
    Encounter, setting=st.sampled_from(["ward", "outpatient", "unknown"]), where=wheres, start=moments, end=moments
)
patients = st.builds(
    Patient, sex=st.sampled_from([None, "female", "male"]), age_at_least=st.none() | st.just(90.0),
    birth=st.none() | st.sampled_from([date(1960, 2, 29), date(2020, 5, 1), date(1970, 6, 1), date(1970, 6, 2)]),
)  # fmt: skip


def some(facts: st.SearchStrategy[object], most: int) -> st.SearchStrategy[tuple[object, ...]]:
    return st.lists(facts, max_size=most, unique_by=once).map(tuple)


def once(fact: object) -> object:
    """Return what stands once in a timeline: a result of one quantity, time and value; of all else the whole."""
    is_result = isinstance(fact, Observation)
    return (fact.quantity, fact.time, fact.low, fact.high) if is_result else fact


timelines = st.builds(
    Timeline, patient=patients, index=st.just(INDEX), observations=some(observations, 8),
    exposures=some(exposures, 7), conditions=some(conditions, 5), procedures=some(procedures, 2),
    encounters=some(encounters, 3), unreadable=some(st.sampled_from(TESTS), 2),
    allergies=some(st.sampled_from(TAKEN), 2),
)  # fmt: skip


def answers(columns: Columns) -> list[np.ndarray]:
    """Return every truth and number that the data files ask for."""
    truths = [evaluate(text, columns) for text in EXPRESSIONS]
    names = {(kind, name) for kind, name in columns.everyone._numbers if kind != "value" or name != "age"}
    return [*truths, *(end for key in sorted(names) for end in columns.numbers(*key))]


def same(one: list[np.ndarray], other: list[np.ndarray]) -> None:
    for mine, theirs in zip(one, other, strict=True):
        np.testing.assert_array_equal(mine, theirs)


@settings(max_examples=40, deadline=None)
@given(st.lists(timelines, min_size=2, max_size=5))
def test_company_changes_nobodys_answers(people: list[Timeline]) -> None:
    together = answers(Columns.of(people))
    for row, timeline in enumerate(people):
        same([found[[row]] for found in together], answers(Columns.of([timeline])))


@settings(max_examples=40, deadline=None)
@given(st.lists(timelines, min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_no_answer(people: list[Timeline], chance: random.Random) -> None:
    table = rows_of((f"p{number}", timeline) for number, timeline in enumerate(people))
    keys = table.column("patient").to_pylist()
    order = list(range(len(keys)))
    chance.shuffle(order)
    mixed = table.take(sorted(order, key=lambda row: keys[row]))  # patients stay together, their rows are mixed
    same(answers(Columns(Table(mixed))), answers(Columns(Table(table))))


@settings(max_examples=40, deadline=None)
@given(st.lists(timelines, min_size=1, max_size=4))
def test_rows_answer_as_timelines_do(people: list[Timeline]) -> None:
    table = rows_of((f"p{number}", timeline) for number, timeline in enumerate(people))
    same(answers(Columns(Table(table))), answers(Columns(Timelines(people))))


births = st.none() | st.dates(date(1700, 1, 1), date(2030, 1, 1))
indices = st.datetimes(datetime(1900, 1, 1), datetime(2030, 1, 1))  # noqa: DTZ001


@settings(deadline=None)
@given(births, indices, st.none() | st.just(90.0))
def test_ages_of_rows_are_those_of_timelines(birth: date | None, index: datetime, least: float | None) -> None:
    timeline = Timeline(patient=Patient(birth=birth, age_at_least=least), index=index.replace(tzinfo=UTC))
    [found] = Table(rows_of([("a", timeline)])).ages
    age = timeline.age()
    assert (np.isnan(found) and age is None) or found == age


def test_the_drawn_drugs_are_of_one_class() -> None:
    assert "ppi" in membership()["omeprazole"] & membership()["pantoprazole"]
