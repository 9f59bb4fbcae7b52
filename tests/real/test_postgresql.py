"""OMOP in a real PostgreSQL server, started for the test and stopped after it. Skipped where there is none."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest

from carnallite.errors import RecordRefused
from carnallite.record import omop
from carnallite.surfaces.cli import OK, main
from screened import answers

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin")) or [Path("/usr/local/bin")]
INITDB = shutil.which("initdb", path=os.pathsep.join([os.environ.get("PATH", ""), str(BINARIES[-1])]))
psycopg = pytest.importorskip("psycopg")
pytestmark = pytest.mark.skipif(INITDB is None, reason="no PostgreSQL server is installed")

STATEMENTS = """
    CREATE SCHEMA "my cdm";
    SET search_path = "my cdm";
    CREATE TABLE person (person_id bigint, gender_concept_id int, year_of_birth int);
    INSERT INTO person VALUES (1, 8532, 1950), (20, 8507, 1960);
    CREATE TABLE measurement (measurement_id bigint, person_id bigint, measurement_concept_id int,
        measurement_date date, measurement_datetime timestamptz, value_as_number numeric, unit_concept_id int,
        measurement_source_value text, unit_source_value text);
    INSERT INTO measurement VALUES
        (2, 1, 3001420, '2020-06-01', '2020-06-01 10:00+02', 1.20, 8840, NULL, NULL),
        (1, 20, 0, '2020-06-01', NULL, 'NaN', 0, '2601-3', 'mg/dL');
    CREATE SCHEMA vocabulary;
    CREATE TABLE vocabulary.concept (concept_id int, concept_name text, vocabulary_id text, concept_code text);
    INSERT INTO vocabulary.concept VALUES (3001420, 'Magnesium', 'LOINC', '19123-9');
"""


@pytest.fixture(scope="module")
def url():
    """Start a server on a free port of this machine, by a user who is not root."""
    account = [] if os.getuid() else ["runuser", "-u", "postgres", "--"]
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    if account:
        shutil.chown(folder, "postgres")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    control = str(Path(INITDB).resolve().with_name("pg_ctl"))
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    try:
        subprocess.run([*account, INITDB, "-D", folder / "data", "-A", "trust", "-U", "me"], check=True,
                       capture_output=True, cwd="/")  # fmt: skip
        subprocess.run([*account, control, "-D", folder / "data", "-o", options, "-l", folder / "log", "-w", "start"],
                       check=True, capture_output=True, cwd="/")  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        shutil.rmtree(folder, ignore_errors=True)
        pytest.skip("the PostgreSQL server does not start here")
    try:
        address = f"postgresql://me@127.0.0.1:{port}/postgres"
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(STATEMENTS)
        yield address
    finally:
        subprocess.run([*account, control, "-D", folder / "data", "-m", "immediate", "stop"], check=False,
                       capture_output=True, cwd="/")  # fmt: skip
        shutil.rmtree(folder, ignore_errors=True)


def test_people_and_results(url: str):
    loaded = omop.read(url, None)
    assert list(loaded.people) == ["1", "20"]
    (first,), (second,) = loaded.entries["1"], loaded.entries["20"]
    assert first.codes == (("loinc", "19123-9"),)
    assert (first.value, first.unit_code) == (1.2, "mg/dL")
    assert first.time.isoformat() == "2020-06-01T08:00:00+00:00"
    assert (second.value, second.codes) == (None, (("loinc", "2601-3"),))


def test_one_person_and_nobody(url: str):
    assert list(omop.read(url, "20").entries) == ["20"]
    with pytest.raises(RecordRefused, match="#1"):
        omop.read(url, "1; DROP TABLE person")
    assert len(omop.read(url, None).people) == 2


def test_it_is_screened_and_read_again_when_it_has_changed(url: str, tmp_path: Path):
    options = ["--out", str(tmp_path / "out"), "--workers", "1", "--depth", "findings"]
    assert main(["screen", url, *options]) == OK
    before = answers(tmp_path / "out")
    assert {name: row["magnesium"] for name, row in before.items()} == {("1", "now"): "low", ("20", "now"): "unknown"}
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute('UPDATE "my cdm".measurement SET value_as_number = 2.0 WHERE measurement_id = 2')
    assert main(["screen", url, *options]) == OK
    assert answers(tmp_path / "out")["1", "now"]["magnesium"] == "normal"
    assert not [file for file in tmp_path.rglob("*.json") if "postgres" in file.read_text()]


def test_several_schemas_need_a_choice(url: str):
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA other; CREATE TABLE other.person (person_id bigint)")
    with pytest.raises(RecordRefused, match="search_path"):
        omop.read(url, None)
    assert omop.read(f"{url}?options=-csearch_path%3Dother", None).people == {}
    assert len(omop.read(f'{url}?options=-csearch_path%3D"my%5C%20cdm"', None).people) == 2


def test_a_wrong_password_is_never_shown(url: str):
    with pytest.raises(RecordRefused) as refused:
        omop.read(url.replace("me@", "nobody:secret@"), None)
    assert "secret" not in str(refused.value)
