"""Open data in all their forms: a screening gives everybody the answer that they have alone.

Skipped where the open data are not there.
"""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import duckdb
import pytest

from carnallite.assessment import assess_all
from carnallite.record import read_all
from carnallite.surfaces.cli import OK
from screened import answers, said, screen

DATA = Path(__file__).parents[3] / "shared" / "data"
MIMIC = DATA / "mimic3demo"
pytestmark = pytest.mark.skipif(not MIMIC.is_dir(), reason="the open data are not there")
NOTHING = ("causes", "factors", "missing", "next_tests", "cannot_tell", "explains_potassium", "explains_calcium")


def same_as_alone(source: Path, out: Path, *, alone: Path | None = None) -> None:
    """Screen a source, and compare everybody with `assess`; who has nothing is told no causes."""
    assert screen(source, out, "--depth", "findings", "--episodes", "now", "--parts", "3") == OK
    read = dict(read_all(alone or source))
    single = {key: said(one) for key, one in zip(read, assess_all(list(read.values()), depth="findings"), strict=True)}
    together = {patient: row for (patient, _), row in answers(out).items()}
    assert together.keys() == single.keys()
    for key, answer in single.items():
        found = together[key]
        left = NOTHING if found["causes"] is None else ()
        told = {name: value for name, value in answer.items() if name not in left}
        assert {name: found[name] for name in told} == told, key


@pytest.mark.parametrize("source", [MIMIC / "fhir_r4_ndjson", MIMIC / "omop54_csv", MIMIC / "csv", DATA / "eicu_demo"])
def test_every_form_as_it_lies_there(source: Path, tmp_path: Path):
    same_as_alone(source, tmp_path / "out")


def test_omop_as_parquet_duckdb_and_sqlite(tmp_path: Path):
    source, parquet = MIMIC / "omop54_csv", tmp_path / "parquet"
    parquet.mkdir()
    with duckdb.connect(str(tmp_path / "omop.duckdb")) as database:
        for file in sorted(source.glob("*.csv.gz")):
            name = file.name.split(".")[0]
            database.read_csv(str(file)).create(name)
            database.table(name).write_parquet(f"{parquet / name}.parquet")
        tables = {name: database.table(name).fetchall() for name in _tables(database)}
        columns = {name: database.table(name).columns for name in tables}
    with sqlite3.connect(tmp_path / "omop.sqlite") as database:
        for name, rows in tables.items():
            database.execute(f"CREATE TABLE {name} ({', '.join(columns[name])})")
            marks = ", ".join("?" for _ in columns[name])
            told = [tuple(None if cell is None else str(cell) for cell in row) for row in rows]
            database.executemany(f"INSERT INTO {name} VALUES ({marks})", told)  # noqa: S608  (our own names)
    same_as_alone(parquet, tmp_path / "1")
    same_as_alone(tmp_path / "omop.duckdb", tmp_path / "2")
    same_as_alone(tmp_path / "omop.sqlite", tmp_path / "3")


def _tables(database: duckdb.DuckDBPyConnection) -> list[str]:
    return [line[0] for line in database.execute("SHOW TABLES").fetchall()]


def test_an_earlier_episode_is_answered_as_of_its_end(tmp_path: Path):
    source = MIMIC / "fhir_r4_ndjson"
    assert screen(source, tmp_path / "out", "--depth", "findings") == OK
    found = {name: row for name, row in answers(tmp_path / "out").items() if name[1] != "now"}
    assert len(found) > 10
    for (patient, episode), row in list(found.items())[:6]:
        then = dict(read_all(source, now=row["index"]))[patient]
        (answer,) = assess_all([then], depth="findings")
        told = said(answer)
        assert {name: row[name] for name in told} == told, episode


def test_a_file_that_changed_is_taken_anew(tmp_path: Path):
    source = tmp_path / "source"
    shutil.copytree(MIMIC / "fhir_r4_ndjson", source)
    assert screen(source, tmp_path / "out", "--depth", "findings", "--episodes", "now") == OK
    before = answers(tmp_path / "out")
    file = source / "Observation.ndjson.gz"
    file.chmod(0o644)
    file.unlink()
    assert screen(source, tmp_path / "out", "--depth", "findings", "--episodes", "now") == OK
    assert answers(tmp_path / "out") == before  # what was delivered once is kept
