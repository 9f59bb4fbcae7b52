"""OMOP: the same rows from every engine, concept ids with and without a vocabulary, and nothing but reading."""

from __future__ import annotations

import csv
import gzip
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from carnallite.errors import RecordRefused
from carnallite.record import omop, read_record

Tables = dict[str, list[dict[str, object]]]

PEOPLE = [
    {"person_id": 1, "gender_concept_id": 8532, "year_of_birth": 1950, "month_of_birth": 2, "day_of_birth": 3},
    {"person_id": 20, "gender_concept_id": 0, "year_of_birth": 1850, "gender_source_value": "M"},
]
STAY = {
    "visit_occurrence_id": 7, "person_id": 1, "visit_concept_id": 9201, "visit_start_date": "2020-06-01",
    "visit_start_datetime": "2020-06-01 08:00:00", "visit_end_date": "2020-06-03",
}  # fmt: skip


def result(id: int, **cells: object) -> dict[str, object]:
    return {
        "measurement_id": id, "person_id": 1, "measurement_concept_id": 0, "measurement_source_value": "2601-3",
        "measurement_date": "2020-06-01", "measurement_datetime": "2020-06-01 09:00:00", "value_as_number": None,
        "value_source_value": None, "unit_concept_id": 0, "unit_source_value": "mg/dL", "operator_concept_id": 0,
    } | cells  # fmt: skip


def drug(id: int, **cells: object) -> dict[str, object]:
    return {
        "drug_exposure_id": id, "person_id": 1, "drug_concept_id": 0, "drug_source_value": "Furosemide",
        "drug_exposure_start_date": "2020-06-01", "drug_exposure_start_datetime": None,
        "drug_exposure_end_date": "2020-06-03", "drug_exposure_end_datetime": None, "drug_type_concept_id": 32838,
        "quantity": 2, "sig": "40 mg", "dose_unit_source_value": "mg", "route_source_value": "PO",
    } | cells  # fmt: skip


def diagnosis(id: int, **cells: object) -> dict[str, object]:
    return {
        "condition_occurrence_id": id, "person_id": 1, "condition_concept_id": 0, "condition_source_value": "E87.6",
        "condition_start_date": "2020-06-01", "condition_start_datetime": None, "visit_occurrence_id": 7,
    } | cells  # fmt: skip


BASIC: Tables = {
    "person": PEOPLE,
    "visit_occurrence": [STAY],
    "measurement": [
        result(1, value_as_number=1.2),
        result(2, value_source_value="<0.5"),
        result(3, person_id=20, value_as_number="NaN", value_source_value="low"),
    ],
    "drug_exposure": [drug(1)],
    "condition_occurrence": [diagnosis(1)],
}


def columns(rows: list[dict[str, object]]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def folder(path: Path, tables: Tables, *, zipped: bool = False, upper: bool = False, mark: str = ",") -> Path:
    path.mkdir(exist_ok=True)
    for name, rows in tables.items():
        file = path / f"{name.upper() if upper else name}.csv{'.gz' if zipped else ''}"
        with gzip.open(file, "wt") if zipped else file.open("w", newline="") as out:
            writer = csv.DictWriter(out, columns(rows), delimiter=mark, restval="")
            writer.writeheader()
            writer.writerows(rows)
    return path


def kind(name: str) -> str:
    if name.endswith("_id"):
        return "BIGINT"
    if name.endswith("_datetime"):
        return "TIMESTAMP"
    return "DATE" if name.endswith("_date") else "DOUBLE" if name == "value_as_number" else "VARCHAR"


def fill(connection: duckdb.DuckDBPyConnection | sqlite3.Connection, tables: Tables, schema: str = "") -> None:
    for name, rows in tables.items():
        names = columns(rows)
        listed = ", ".join(f'"{column}" {kind(column)}' for column in names)
        connection.execute(f'CREATE TABLE {schema}"{name}" ({listed})')
        marks = ", ".join("?" for _ in names)
        for row in rows:
            values = [row.get(column) for column in names]
            connection.execute(f'INSERT INTO {schema}"{name}" VALUES ({marks})', values)  # noqa: S608


def duckdb_file(path: Path, tables: Tables, schema: str = "") -> Path:
    with duckdb.connect(str(path)) as connection:
        if schema:
            connection.execute(f'CREATE SCHEMA "{schema}"')
        fill(connection, tables, f'"{schema}".' if schema else "")
    return path


def entries(path: Path, tables: Tables, person: str = "1"):
    return omop.read(str(folder(path, tables)), person).entries[person]


@pytest.mark.parametrize("form", ["csv", "gz", "upper", "tab", "parquet", "parts", "duckdb", "schema", "sqlite"])
def test_every_engine_gives_the_same_rows(tmp_path: Path, form: str):
    expected = omop.read(str(folder(tmp_path / "plain", BASIC)), None)
    source = tmp_path / "it's [one]"
    match form:
        case "csv" | "gz" | "upper" | "tab":
            folder(source, BASIC, zipped=form == "gz", upper=form == "upper", mark="\t" if form == "tab" else ",")
        case "parquet" | "parts":
            source.mkdir()
            duckdb_file(tmp_path / "x.duckdb", BASIC)
            with duckdb.connect(str(tmp_path / "x.duckdb")) as connection:
                for name in BASIC:
                    target = tmp_path / f"{name}.parquet"
                    connection.execute(f"COPY {name} TO '{target}' (FORMAT parquet)")
                    if form == "parts":
                        (source / name).mkdir()
                    target.rename(source / name / "part-0.parquet" if form == "parts" else source / target.name)
        case "duckdb" | "schema":
            source = duckdb_file(tmp_path / "cdm.duckdb", BASIC, "my cdm" if form == "schema" else "")
        case "sqlite":
            source = tmp_path / "cdm.sqlite"
            with sqlite3.connect(source) as connection:
                fill(connection, BASIC)
            connection.close()
    found = omop.read(str(source), None)
    assert found.people == expected.people
    assert found.entries == expected.entries
    assert found.issues == []
    assert omop.read(str(source), "20").entries == {"20": expected.entries["20"]}


def test_person(tmp_path: Path):
    loaded = omop.read(str(folder(tmp_path, BASIC)), None)
    assert (loaded.people["1"].sex, loaded.people["1"].birth) == ("8532", "1950-02-03")
    assert (loaded.people["20"].sex, loaded.people["20"].birth) == ("M", "1850")


@pytest.mark.parametrize("person", ["3", "0", "-1", "1; DROP TABLE person", "1' OR '1'='1", "١", "9" * 30, "x"])
def test_person_who_does_not_exist(tmp_path: Path, person: str):
    source = folder(tmp_path, BASIC)
    with pytest.raises(RecordRefused, match="#1"):
        omop.read(str(source), person)
    assert (source / "person.csv").exists()


def test_ordinal_number_where_no_key_is_that(tmp_path: Path):
    assert list(omop.read(str(folder(tmp_path, BASIC)), "#2").entries) == ["20"]


def test_without_a_choice_nothing_is_read_of_several_people(tmp_path: Path):
    source = folder(tmp_path, BASIC)
    loaded = omop.read(str(source), None, alone=True)
    assert len(loaded.people) == 2
    assert loaded.entries == {}
    with pytest.raises(RecordRefused, match="2 patients"):
        read_record(source)


def test_numbers_words_bounds_and_nan(tmp_path: Path):
    rows = [
        result(1, value_as_number=1.5, range_low=1.6, range_high=2.6), result(2, value_source_value="<0.5"),
        result(3, value_as_number=0.5, value_source_value="<0.5"),
        result(4, value_as_number=0.5, operator_concept_id=4171756),
        result(5, value_as_number="nan", value_source_value="NotDone"),
        result(6, value_as_number=2, unit_source_value=None, unit_concept_id=9557),
    ]  # fmt: skip
    found = [e for e in entries(tmp_path, BASIC | {"measurement": rows}) if e.kind == "observation"]
    assert [(e.value, e.comparator, e.words) for e in found] == [
        (1.5, "", ""), (None, "", "<0.5"), (0.5, "<", ""), (0.5, "<", ""), (None, "", "NotDone"), (2.0, "", ""),
    ]  # fmt: skip
    assert (found[0].reference_low, found[0].reference_high) == (1.6, 2.6)
    assert (found[5].unit, found[5].unit_code) == ("", "meq/L")


def test_codes_without_vocabulary(tmp_path: Path):
    rows = [
        result(1, value_as_number=1),
        result(2, value_as_number=1, measurement_source_value="Mg", measurement_concept_id=3001420),
        result(3, value_as_number=1, measurement_source_value="50960"),
    ]  # fmt: skip
    loinc, both, local = entries(tmp_path, {"person": PEOPLE, "measurement": rows})
    assert loinc.codes == (("loinc", "2601-3"),)
    assert both.codes == (("loinc", "19123-9"),)
    assert both.text.startswith("Mg. Magnesium")
    assert local.codes == (("local", "50960"),)


def test_codes_with_vocabulary(tmp_path: Path):
    named = [
        (956874, 'furosemide 40 MG "Oral" Tablet', "RxNorm", "313988"),
        (4276511, "Hypokalemia", "SNOMED", "43339004"),
        (45756824, "Ileostomy", "SNOMED", "76915002"),
    ]
    keys = ("concept_id", "concept_name", "vocabulary_id", "concept_code")
    concepts = [dict(zip(keys, concept, strict=True)) for concept in named]
    found = entries(tmp_path, {
        "person": PEOPLE, "concept": concepts,
        "drug_exposure": [drug(1, drug_concept_id=956874, drug_source_value="X1")],
        "condition_occurrence": [diagnosis(1, condition_concept_id=4276511, condition_source_value="276.8")],
        "procedure_occurrence": [{"procedure_occurrence_id": 1, "person_id": 1, "procedure_concept_id": 45756824,
                                  "procedure_date": "2019-01-01", "procedure_source_value": "46.20"}],
    })  # fmt: skip
    by_kind = {entry.kind: entry for entry in found}
    assert by_kind["drug"].codes == (("rxnorm", "313988"),)
    assert 'furosemide 40 MG "Oral" Tablet' in by_kind["drug"].text
    assert by_kind["condition"].codes == (("icd9", "276.8"), ("snomed", "43339004"))
    assert by_kind["condition"].text == "Hypokalemia"
    assert by_kind["procedure"].codes == (("icd9p", "46.20"), ("snomed", "76915002"))


def test_doses_and_times_of_drugs(tmp_path: Path):
    dated, timed, given, text, open_end = entries(tmp_path, {"person": PEOPLE, "drug_exposure": [
        drug(1, drug_exposure_start_datetime="2020-06-01 00:00:00", drug_exposure_end_datetime="2020-06-03 00:00:00"),
        drug(2, drug_exposure_start_datetime="2020-06-01 08:00:00", drug_exposure_end_datetime="2020-06-01 09:00:00"),
        drug(3, sig=None, drug_type_concept_id=32818, quantity=4, dose_unit_source_value="gm"),
        drug(4, sig="1-2 TAB", dose_unit_source_value="TAB"),
        drug(5, sig="0", drug_exposure_end_date="9999-12-31"),
    ]})  # fmt: skip
    assert (dated.time, dated.end) == (datetime(2020, 6, 1, tzinfo=UTC), datetime(2020, 6, 4, tzinfo=UTC))
    assert (dated.dose, dated.dose_unit, dated.route, dated.status) == (40, "mg", "PO", "completed")
    assert timed.end == datetime(2020, 6, 1, 9, tzinfo=UTC)
    assert (given.dose, given.dose_unit) == (4, "gm")
    assert (text.dose, text.dose_text) == (None, "1-2 TAB")
    assert (open_end.dose, open_end.dose_text, open_end.end, open_end.status) == (None, "", None, "")


def test_an_administration_between_two_times_was_given_once(tmp_path: Path):
    timed = {"drug_exposure_start_datetime": "2020-06-01 08:00:00", "drug_exposure_end_datetime": "2020-06-01 09:00:00"}
    given, ordered, dated = entries(tmp_path, {"person": PEOPLE, "drug_exposure": [
        drug(1, drug_type_concept_id=32818, **timed), drug(2, **timed), drug(3, drug_type_concept_id=32818),
    ]})  # fmt: skip
    assert (given.single, given.end) == (True, datetime(2020, 6, 1, 9, tzinfo=UTC))
    assert not ordered.single
    assert not dated.single


def test_short_drug_names_are_text(tmp_path: Path):
    (entry,) = entries(tmp_path, {"person": PEOPLE, "drug_exposure": [drug(1, drug_source_value="NS")]})
    assert entry.text == "NS"


def test_diagnosis_of_the_day_of_admission_has_its_time(tmp_path: Path):
    found = entries(tmp_path, BASIC | {"condition_occurrence": [diagnosis(1), diagnosis(2, visit_occurrence_id=None)]})
    times = [entry.time for entry in found if entry.kind == "condition"]
    assert times == [datetime(2020, 6, 1, 8, tzinfo=UTC), datetime(2020, 6, 1, tzinfo=UTC)]


@pytest.mark.parametrize(("others", "system"), [(["4280", "5849"], "icd9"), (["I50.9"], "icd10"), ([], "icd10")])
def test_other_codes_settle_which_edition_an_e_code_is_in(tmp_path: Path, others: list[str], system: str):
    rows = [diagnosis(n, condition_source_value=code) for n, code in enumerate(["E8766", *others])]
    found = entries(tmp_path, {"person": PEOPLE, "condition_occurrence": rows})
    assert found[0].codes == ((system, "E8766"),)


def test_seconds_since_1970_as_ohdsi_writes_them_to_sqlite(tmp_path: Path):
    source = tmp_path / "cdm.db"
    tables = BASIC | {
        "measurement": [result(1, value_as_number=1, measurement_datetime=1591002000.0, measurement_date=1590969600.0)]
    }
    with sqlite3.connect(source) as connection:
        fill(connection, tables)
    connection.close()
    times = [e.time for e in omop.read(str(source), "1").entries["1"] if e.kind == "observation"]
    assert times == [datetime(2020, 6, 1, 9, tzinfo=UTC)]


def test_history_allergies_and_family_in_the_table_observation(tmp_path: Path):
    def seen(id: int, name: str, **cells: object) -> dict[str, object]:
        return {"observation_id": id, "person_id": 1, "observation_concept_id": 0, "observation_source_value": name,
                "observation_date": "2020-06-01"} | cells  # fmt: skip

    allergy, family, text, words = entries(tmp_path, {"person": PEOPLE, "observation": [
        seen(1, "Allergy to penicillin"), seen(2, "Family history of", value_as_string="gout"),
        seen(3, "Never smoked"), seen(4, "Diet", value_as_string="low salt"),
    ]})  # fmt: skip
    assert (allergy.kind, family.kind, text.kind, words.kind) == ("allergy", "family", "text", "observation")
    assert "gout" in family.text
    assert words.words == "low salt"


def test_bad_and_repeated_rows_are_issues_and_lose_nothing_else(tmp_path: Path):
    source = folder(tmp_path, BASIC)
    table = source / "measurement.csv"
    rows = table.read_bytes()
    first = rows.splitlines(keepends=True)[1]
    table.write_bytes(rows + b"9,1,too,few\r\n" + first + b"7," + first)
    loaded = omop.read(str(source), None)
    assert {(issue.code, issue.where) for issue in loaded.issues} == {
        ("duplicate", "measurement"), ("row_not_read", "measurement"),
    }  # fmt: skip
    assert "2 rows" in next(issue.what for issue in loaded.issues if issue.code == "row_not_read")
    assert len([e for e in loaded.entries["1"] if e.kind == "observation"]) == 2


def test_rows_of_nobody_are_strays(tmp_path: Path):
    loaded = omop.read(str(folder(tmp_path, BASIC | {"drug_exposure": [drug(1, person_id=99)]})), None)
    assert loaded.strays == ["drug_exposure 1"]


def test_nothing_is_written(tmp_path: Path):
    source = duckdb_file(tmp_path / "cdm.duckdb", BASIC)
    before = source.read_bytes()
    read_record(source, patient="1")
    assert source.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cdm.duckdb"]


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\0 broken", b"12345678DUCK broken file", b"text"])
def test_files_that_are_no_database_are_refused(tmp_path: Path, content: bytes):
    path = tmp_path / "cdm.db"
    path.write_bytes(content)
    with pytest.raises(RecordRefused):
        omop.read(str(path), None)


def test_broken_gzip_and_missing_person_are_refused(tmp_path: Path):
    (tmp_path / "person.csv.gz").write_bytes(b"\x1f\x8b broken")
    with pytest.raises(RecordRefused):
        omop.read(str(tmp_path), None)
    (tmp_path / "person.csv.gz").unlink()
    with pytest.raises(RecordRefused, match="no table 'person'"):
        omop.read(str(tmp_path), None)


@pytest.mark.parametrize("url", ["postgresql://u:secret@127.0.0.1:1/x", "mysql://u:secret@h/x", "s3://bucket/x"])
def test_addresses_that_do_not_answer_are_refused_without_their_password(url: str):
    with pytest.raises(RecordRefused) as refused:
        omop.read(url, None)
    assert "secret" not in str(refused.value)


def test_concept_ids_are_each_named_once():
    from carnallite.record.vocabulary import _known  # noqa: PLC0415

    known = _known()
    ids = [one.concept for one in (*known.labs, *known.units, *known.operators)]
    assert len(ids) == len(set(ids))
