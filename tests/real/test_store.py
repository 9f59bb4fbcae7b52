"""What the service keeps, in SQLite and in a real PostgreSQL server: nothing is lost, changed unseen, or told."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest

import servers
from carnallite.errors import SettingError, StoreFailed
from carnallite.surfaces.service.store import Store

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
FACTS = {"client": "https://ehr.example", "outcome": "ok", "count": 1}
NUMBERS = count()
WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from carnallite.surfaces.service.store import Store
store = Store.open(sys.argv[1], Path(sys.argv[2]))
for number in range(int(sys.argv[3])):
    digest = store.append("hook", {"count": number}, datetime.now(UTC))
    sys.stdout.write(f"{digest}\\n")
    sys.stdout.flush()
    if sys.argv[4:]:
        store.feedback({"card": f"{sys.argv[4]}-{number}"})
        sys.stdout.write(f"{sys.argv[4]}-{number}\\n")
        sys.stdout.flush()
"""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    pytest.importorskip("psycopg")
    with servers.postgresql() as url:
        yield url


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.write_bytes(os.urandom(32).hex().encode())
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: Any, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'audit.db'}"
    psycopg = pytest.importorskip("psycopg")

    server, name = request.getfixturevalue("server"), f"test{next(NUMBERS)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return server.replace("/postgres", f"/{name}")


@pytest.fixture
def store(url: str, secret: Path) -> Iterator[Store]:
    opened = Store.open(url, secret)
    yield opened
    opened.close()


def attack(url: str, *statements: str) -> None:
    """Do to the database what its owner can do: guards off, change, guards on."""
    if url.startswith("sqlite"):
        with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
            guards = [one for (one,) in connection.execute("SELECT sql FROM sqlite_master WHERE type = 'trigger'")]
            names = [one for (one,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")]
            for statement in (*(f"DROP TRIGGER {name}" for name in names), *statements, *guards):
                connection.execute(statement)
        connection.close()
        return
    psycopg = pytest.importorskip("psycopg")

    off, on = ("SET session_replication_role = replica", "SET session_replication_role = origin")
    with psycopg.connect(url) as connection:
        for statement in (off, *statements, on):
            connection.execute(statement)


def filled(store: Store, rows: int = 9) -> list[str]:
    return [store.append("hook", FACTS | {"count": number}, NOW + timedelta(seconds=number)) for number in range(rows)]


def test_rows_come_back_as_they_were_written(store: Store) -> None:
    digests = filled(store)
    rows = store.rows()
    assert [row.digest for row in rows] == digests
    assert [row.number for row in rows] == list(range(1, 10))
    assert (rows[3].at, rows[3].action, rows[3].facts) == (NOW + timedelta(seconds=3), "hook", FACTS | {"count": 3})
    assert [row.number for row in store.rows(NOW + timedelta(seconds=7))] == [8, 9]
    assert store.verify().broken is None
    assert store.verify(store.head()).rows == 9


@pytest.mark.parametrize(
    ("statements", "broken"),
    [
        (["UPDATE audit SET facts = '{}' WHERE number = 4"], 4),
        (["UPDATE audit SET at = '2026-01-01' WHERE number = 4"], 4),
        (["UPDATE audit SET action = 'other' WHERE number = 4"], 4),
        (["UPDATE audit SET digest = previous WHERE number = 4"], 4),
        (["UPDATE audit SET facts = substr(facts, 1, 9) WHERE number = 9"], 9),
        (["DELETE FROM audit WHERE number = 4"], 4),
        (["DELETE FROM audit WHERE number = 4", "UPDATE audit SET number = number - 1 WHERE number > 4"], 4),
        (["UPDATE audit SET number = 99 WHERE number = 4", "UPDATE audit SET number = 4 WHERE number = 5",
          "UPDATE audit SET number = 5 WHERE number = 99"], 4),
        (["INSERT INTO audit SELECT 10, at, action, facts, previous, digest FROM audit WHERE number = 9"], 10),
        (["DELETE FROM audit WHERE number = 1"], 1),
        (["DELETE FROM audit WHERE number > 7"], 8),
        (["DELETE FROM audit WHERE number > 7",
          "UPDATE head SET number = 7, digest = (SELECT digest FROM audit WHERE number = 7)"], 7),
        (["DELETE FROM audit"], 1),
        (["UPDATE head SET seal = digest"], 9),
    ],
)  # fmt: skip
def test_h57_whoever_changes_the_log_is_found(store: Store, url: str, statements: list[str], broken: int) -> None:
    filled(store)
    attack(url, *statements)
    assert store.verify().broken == broken
    assert store.verify().why


def test_a_lost_head_is_found_and_nothing_more_is_written(store: Store, url: str, secret: Path) -> None:
    filled(store)
    attack(url, "DELETE FROM head")
    with pytest.raises(StoreFailed, match="head"):
        store.verify()
    again = Store.open(url, secret)
    with pytest.raises(StoreFailed, match="head"):
        again.append("hook", FACTS, NOW)
    again.close()


def test_a_log_put_back_to_an_earlier_day_is_found_by_a_head_kept_elsewhere(store: Store, url: str) -> None:
    filled(store, 3)
    number, digest = store.head()
    seal = store._database.rows("SELECT seal FROM head")[0][0]
    filled(store, 3)
    kept = store.head()
    back = f"UPDATE head SET number = 3, digest = '{digest}', seal = '{seal}'"  # noqa: S608  (ours)
    attack(url, "DELETE FROM audit WHERE number > 3", back)
    assert number == 3
    assert store.verify().broken is None  # nothing inside the database can tell
    assert store.verify(kept).broken == 4


def test_the_database_itself_keeps_rows(store: Store) -> None:
    filled(store, 1)
    store.feedback({"card": "1"}, NOW)
    for statement in ("UPDATE audit SET facts = '{}'", "DELETE FROM audit", "UPDATE feedback SET told = '{}'",
                      "DELETE FROM feedback"):  # fmt: skip
        with pytest.raises(StoreFailed), store._transaction() as database:
            database.run(statement)
    assert len(store.rows()) == len(store.feedbacks()) == 1


def test_guards_that_are_gone_are_found(store: Store, url: str) -> None:
    filled(store, 2)
    is_file = url.startswith("sqlite")
    with store._transaction() as database:
        database.run("DROP TRIGGER audit_delete" if is_file else "ALTER TABLE audit DISABLE TRIGGER audit_emptied")
    assert "audit_" in store.verify().why


def test_another_key_does_not_verify(store: Store, url: str, tmp_path: Path) -> None:
    filled(store, 2)
    (tmp_path / "other").write_bytes(os.urandom(32).hex().encode())
    other = Store.open(url, tmp_path / "other")
    assert other.verify().broken == 1
    other.close()


def test_only_codes_enter_the_log(store: Store) -> None:
    for facts in ({"client": "Anna Example"}, {"name": "x"}, {"client": "a" * 2001}, {"code": "a\nb"}, {"count": 1.5}):
        with pytest.raises(ValueError, match="audit log"):
            store.append("hook", facts, NOW)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="code"):
        store.append("an action of words", {}, NOW)
    assert store.rows() == []


def test_a_patient_has_another_key_each_month(store: Store) -> None:
    key = store.patient_key("https://fhir.example/r4/Patient/1", NOW)
    assert key == store.patient_key("https://fhir.example/r4/Patient/1", NOW + timedelta(days=7))
    assert key != store.patient_key("https://fhir.example/r4/Patient/1", NOW + timedelta(days=8))
    assert key != store.patient_key("https://fhir.example/r4/Patient/2", NOW)
    assert "Patient" not in key
    store.append("hook", {"patient": key}, NOW)


def test_what_was_shown_is_known(store: Store, url: str) -> None:
    assert store.last_shown("Anna", "low") is None
    store.shown("Anna", "low", NOW)
    store.shown("Anna", "low", NOW + timedelta(hours=1))
    assert store.last_shown("Anna", "low") == NOW + timedelta(hours=1)
    assert store.last_shown("Anna", "lower") is store.last_shown("Berta", "low") is None
    assert store.forget_shown(NOW + timedelta(hours=2)) == 1
    assert store.last_shown("Anna", "low") is None


def test_feedback_comes_back(store: Store) -> None:
    store.feedback({"card": "1", "outcome": "accepted"}, NOW)
    store.feedback({"card": "2", "outcome": "overridden"}, NOW + timedelta(days=1))
    assert [row["card"] for _, row in store.feedbacks()] == ["1", "2"]
    assert [row["card"] for _, row in store.feedbacks(NOW + timedelta(hours=1))] == ["2"]
    with pytest.raises(ValueError, match="JSON"):
        store.feedback({"card": float("nan")})
    assert len(store.feedbacks()) == 2


def test_a_token_is_new_once_whoever_asks(url: str, secret: Path, store: Store) -> None:
    stores = [Store.open(url, secret) for _ in range(3)]
    with ThreadPoolExecutor(12) as threads:
        told = list(threads.map(lambda n: stores[n % 3].remember("ehr", f"{n // 12}", NOW), range(120)))
    assert sum(told) == 10
    assert store.remember("other", "0", NOW)
    assert store.remember("ehr", "later", NOW + timedelta(hours=2))
    assert store.remember("ehr", "0", NOW), "what ended long ago is forgotten, or the table would grow for ever"
    for one in stores:
        one.close()


def test_threads_and_processes_write_one_chain(url: str, secret: Path, store: Store) -> None:
    command = [sys.executable, "-c", WRITER, url, str(secret), "20"]
    running = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(2)]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda n: store.append("hook", {"count": n}, NOW), range(40)))
    assert [one.wait() for one in running] == [0, 0]
    found = store.verify()
    assert (found.rows, found.broken) == (80, None)


def test_kill_9_loses_no_row_that_was_acknowledged(url: str, secret: Path, store: Store) -> None:
    acknowledged: list[str] = []
    for life in range(4):
        command = [sys.executable, "-c", WRITER, url, str(secret), "1000000", f"life{life}"]
        writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        acknowledged.append(writer.stdout.readline().strip())
        time.sleep(0.05 + 0.07 * life)
        writer.send_signal(signal.SIGKILL)
        acknowledged += [line.strip() for line in writer.stdout if line.endswith("\n")]
        writer.stdout.close()
        writer.wait()
    assert len(acknowledged) > 8
    assert store.verify().broken is None
    kept = {row.digest for row in store.rows()} | {row["card"] for _, row in store.feedbacks()}
    assert not set(acknowledged) - kept


def test_files_belong_to_their_owner_alone(tmp_path: Path) -> None:
    loose = tmp_path / "audit.db"
    loose.touch(0o644)
    store = Store.open(f"sqlite:///{loose}")
    store.append("hook", FACTS, NOW)
    files = sorted(path for path in tmp_path.iterdir())
    assert [path.name for path in files] == ["audit.db", "audit.db-shm", "audit.db-wal", "audit.db.key"]
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    store.close()


FULL = """
import resource, sys
from datetime import UTC, datetime
from carnallite.errors import StoreFailed
from carnallite.surfaces.service.store import Store
now = datetime(2026, 11, 23, tzinfo=UTC)
store = Store.open(sys.argv[1])
written = [store.append("hook", {}, now) for _ in range(3)]
resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, resource.RLIM_INFINITY))
try:
    for _ in range(10_000):
        written.append(store.append("hook", {"code": "x" * 200}, now))
except StoreFailed as failed:
    refused = str(failed)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
written.append(store.append("hook", {}, now))
found = store.verify()
assert found.broken is None, found
assert [row.digest for row in store.rows()] == written
print(len(written), refused)
"""


def test_a_full_disk_is_an_error_and_loses_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FULL, f"sqlite:///{tmp_path / 'audit.db'}"]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    number, _, why = run.stdout.partition(" ")
    assert int(number) > 10
    assert "nothing was written" in why


def test_a_database_that_is_away_is_an_error(tmp_path: Path, secret: Path) -> None:
    with pytest.raises(StoreFailed):
        Store.open(f"sqlite:///{tmp_path / 'none' / 'audit.db'}", secret)
    pytest.importorskip("psycopg")
    with pytest.raises(StoreFailed) as failed:
        Store.open(f"postgresql://me:hunter2@127.0.0.1:{servers.free_port()}/none", secret)
    assert "hunter2" not in str(failed.value)


@pytest.mark.parametrize("url", ["mysql://x", "audit.db", "sqlite:audit.db"])
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(SettingError, match="database"):
        Store.open(url)


def test_a_key_is_needed(tmp_path: Path) -> None:
    (tmp_path / "short").write_bytes(b"secret")
    with pytest.raises(SettingError, match="too short"):
        Store.open(f"sqlite:///{tmp_path / 'audit.db'}", tmp_path / "short")
    with pytest.raises(SettingError, match="cannot be read"):
        Store.open(f"sqlite:///{tmp_path / 'audit.db'}", tmp_path / "none")
    with pytest.raises(SettingError, match="needs a file"):
        Store.open("postgresql://127.0.0.1/none")


def test_processes_that_begin_at_once_share_one_key(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-c",
        WRITER.replace(", Path(sys.argv[2])", ""),
        f"sqlite:///{tmp_path / 'a.db'}",
        "",
        "5",
    ]
    running = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(3)]
    assert [one.wait() for one in running] == [0, 0, 0]
    store = Store.open(f"sqlite:///{tmp_path / 'a.db'}")
    assert (store.verify().rows, store.verify().broken) == (15, None)
    store.close()
