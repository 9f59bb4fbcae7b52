"""Timelines go to rows and back unchanged."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carnallite.assessment import survey_of
from carnallite.errors import ExtraMissing, RecordRefused
from carnallite.record import (
    Condition,
    Encounter,
    Exposure,
    Observation,
    Patient,
    Procedure,
    Timeline,
    Unread,
    keys_of,
    read_record,
    rows,
    rows_of,
    timelines_of,
)
from carnallite.record.timeline import ConditionStatus, ExposureStatus, Sex
from sketched import sketched

PUBLISHED = sorted((Path(__file__).parents[2] / "published").glob("*.json"))

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
words = st.sampled_from(["serum_magnesium", "furosemide", "diarrhea", "ppi"])
numbers = st.none() | st.floats(allow_nan=False)
days = st.datetimes(datetime(1700, 1, 1), datetime(2300, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
moments = st.none() | days
remarks = st.lists(st.sampled_from(["preliminary", "hemolysed", "unsteady"]), max_size=2).map(tuple)
timelines = st.builds(
    Timeline,
    patient=st.builds(
        Patient, sex=st.sampled_from([None, *get_args(Sex)]), birth=st.none() | st.dates(), age_at_least=numbers
    ),
    index=days,
    observations=st.lists(
        st.builds(
            Observation, quantity=words, low=numbers, high=numbers, time=moments, where=text, printed=text,
            basis=st.sampled_from(["number", "censored", "words", "derived"]), reference_low=numbers,
            reference_high=numbers, remarks=remarks,
        ), max_size=3,
    ).map(tuple),
    exposures=st.lists(
        st.builds(
            Exposure, ingredient=words, status=st.sampled_from(get_args(ExposureStatus)), where=text, start=moments,
            stop=moments, given=st.lists(days, max_size=2).map(tuple),
            route=st.sampled_from([None, "oral", "intravenous"]), dose=numbers, dose_unit=text, per_day=numbers,
            elemental_mmol=numbers, matched=text,
        ), max_size=3,
    ).map(tuple),
    conditions=st.lists(
        st.builds(
            Condition, condition=words, status=st.sampled_from(get_args(ConditionStatus)), where=text, onset=moments,
            abatement=moments, matched=text,
        ), max_size=2,
    ).map(tuple),
    procedures=st.lists(
        st.builds(Procedure, condition=words, where=text, time=moments, end=moments, matched=text), max_size=2
    ).map(tuple),
    encounters=st.lists(
        st.builds(
            Encounter, setting=st.sampled_from(["ward", "unknown"]), where=text, start=moments, end=moments
        ), max_size=2,
    ).map(tuple),
    allergies=st.lists(words, max_size=2).map(tuple),
    unread=st.lists(st.builds(Unread, where=text, code=text), max_size=2).map(tuple),
    unreadable=st.lists(words, max_size=2).map(tuple),
    digest=text,
)  # fmt: skip


@settings(deadline=None)
@given(st.dictionaries(text, timelines, max_size=3))
def test_drawn_timelines_come_back(drawn: dict[str, Timeline]) -> None:
    table = rows_of(drawn.items())
    assert list(timelines_of(table)) == sorted(drawn.items())
    assert keys_of(table) == sorted(drawn)


def test_published_cases_come_back() -> None:
    cases = [(case.stem, read_record(case).timeline) for case in PUBLISHED]
    assert len(cases) == 45
    assert list(timelines_of(rows_of(reversed(cases)))) == cases


def test_a_moment_in_another_zone_comes_back_in_utc() -> None:
    index = datetime(2020, 6, 1, 12, tzinfo=timezone(timedelta(hours=5)))
    [(_, found)] = timelines_of(rows_of([("a", Timeline(patient=Patient(birth=date(1960, 2, 29)), index=index))]))
    assert (found.index, found.index.tzinfo) == (index, UTC)


def test_rows_survive_parquet(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    people = [("a", sketched("furosemide; serum_magnesium 0.4").timeline), ("b", sketched("diarrhea").timeline)]
    table = rows_of(people)
    parquet.write_table(table, tmp_path / "rows.parquet")
    again = parquet.read_table(tmp_path / "rows.parquet")
    assert again.schema.equals(table.schema, check_metadata=True)
    assert list(timelines_of(again)) == people


def test_nobody_is_an_empty_table() -> None:
    assert rows_of([]).num_rows == 0
    assert list(timelines_of(rows_of([]))) == []


def test_two_patients_of_one_key_are_refused() -> None:
    one = sketched("diarrhea").timeline
    with pytest.raises(RecordRefused, match="two patients have one key"):
        rows_of([("a", one), ("a", one)])


def test_a_table_of_something_else_is_refused() -> None:
    table = rows_of([("a", sketched("diarrhea").timeline)])
    with pytest.raises(RecordRefused, match=r"not 'carnallite.rows/1'"):
        list(timelines_of(table.replace_schema_metadata({})))


def test_rows_that_are_not_sorted_by_patient_are_refused() -> None:
    table = rows_of((key, sketched("diarrhea").timeline) for key in "ab")
    with pytest.raises(RecordRefused, match="not sorted by patient"):
        list(timelines_of(table.take([5, *range(table.num_rows)])))
    with pytest.raises(RecordRefused, match="not sorted by patient"):
        list(timelines_of(table.take(list(reversed(range(table.num_rows))))))


def test_rows_that_do_not_say_who_it_is_are_refused() -> None:
    table = rows_of([("a", sketched("diarrhea").timeline)])
    with pytest.raises(RecordRefused, match="0 rows of one patient say who it is"):
        list(timelines_of(table.slice(1)))


def test_another_writer_may_name_types_otherwise() -> None:
    arrow = pytest.importorskip("pyarrow")
    people = [("a", sketched("furosemide; serum_magnesium 0.4").timeline), ("b", sketched("diarrhea").timeline)]
    table = rows_of(people)
    for name, type in (
        ("patient", arrow.dictionary(arrow.int32(), arrow.string())),
        ("kind", arrow.large_string()),
        ("name", arrow.string()),
        ("time", arrow.timestamp("us", tz="Etc/UTC")),
        ("given", arrow.list_(arrow.timestamp("us", tz="Etc/UTC"))),
    ):
        place = table.schema.get_field_index(name)
        column = table.column(name)
        text = arrow.types.is_dictionary(column.type) or arrow.types.is_dictionary(type)
        column = column.cast(arrow.string()).dictionary_encode() if arrow.types.is_dictionary(type) else (
            column.cast(arrow.string()).cast(type) if text else column.cast(type)
        )  # fmt: skip
        table = table.set_column(place, name, column)
    assert list(timelines_of(table)) == people
    assert keys_of(table) == ["a", "b"]
    assert survey_of(table).states["magnesium"].tolist() == ["low", "normal"]


def test_a_column_of_another_type_is_refused() -> None:
    arrow = pytest.importorskip("pyarrow")
    table = rows_of([("a", sketched("diarrhea").timeline)])
    place = table.schema.get_field_index("time")
    for type in (arrow.timestamp("ms", tz="UTC"), arrow.timestamp("us")):
        with pytest.raises(RecordRefused, match="column 'time' is timestamp"):
            keys_of(table.set_column(place, "time", table.column("time").cast(type)))


def test_rows_of_nobody_are_refused() -> None:
    arrow = pytest.importorskip("pyarrow")
    table = rows_of([("a", sketched("diarrhea").timeline)])
    keys = arrow.array([None, *table.column("patient").to_pylist()[1:]])
    with pytest.raises(RecordRefused, match="column 'patient' has gaps"):
        keys_of(table.set_column(0, "patient", keys))


def test_without_arrow_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    for remembered in (rows._module, rows.schema):
        remembered.cache_clear()
    with pytest.raises(ExtraMissing, match=r"carnallite\[screen\]"):
        rows_of([])
