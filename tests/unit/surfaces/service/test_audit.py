"""The audit log is read as FHIR, and checked from the command line."""

from __future__ import annotations

import json
import re
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from carnallite.surfaces.cli import FAILED, OK, main
from carnallite.surfaces.service.store import Store

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    store = Store.open(f"sqlite:///{tmp_path / 'audit.db'}")
    patient = store.patient_key("https://fhir.example/Patient/1", NOW)
    facts = {"client": "https://ehr.example", "user": "Practitioner/1", "patient": patient, "request": "r1", "count": 1}
    store.append("hook", facts, NOW)
    store.append("refused", {"code": "replayed", "request": "r2"}, NOW + timedelta(minutes=1))
    store.close()
    path = tmp_path / "serve.toml"
    path.write_text(f'store = "sqlite:///{tmp_path / "audit.db"}"\n')
    return path


def test_rows_as_audit_events(config: Path, capsys: Any) -> None:
    assert main(["audit", "--config", str(config)]) == OK
    shown, refused = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (shown["outcome"], refused["outcome"]) == ("0", "8")
    assert shown["recorded"] == "2026-11-23T12:00:00Z"
    assert [one["who"]["display"] for one in shown["agent"]] == ["https://ehr.example", "carnallite", "Practitioner/1"]
    assert [one["requestor"] for one in shown["agent"]] == [False, False, True]
    assert [one["requestor"] for one in refused["agent"]] == [True, False]
    assert re.fullmatch("[0-9a-f]{32}", shown["entity"][0]["what"]["identifier"]["value"])
    assert {"type": "code", "valueString": "replayed"} in refused["entity"][-1]["detail"]
    for one in (shown, refused):
        assert {"type", "recorded", "agent", "source"} <= one.keys()
    assert main(["audit", "--config", str(config), "--since", "2026-11-23T12:00:30"]) == OK
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_the_log_is_checked(config: Path, tmp_path: Path, capsys: Any) -> None:
    command = ["audit", "--config", str(config), "--verify"]
    assert main(command) == OK
    told = capsys.readouterr().out
    head = re.fullmatch("rows that hold\t2\nhead\t(2:[0-9a-f]{64})\n", told)[1]
    assert main([*command, "--head", head]) == OK
    assert main([*command, "--head", f"3:{'0' * 64}"]) == FAILED
    with sqlite3.connect(tmp_path / "audit.db") as connection:
        connection.execute("DROP TRIGGER audit_update")
        connection.execute("UPDATE audit SET facts = '{}' WHERE number = 1")
    connection.close()
    assert main(command) == FAILED
    assert "no longer guards" in capsys.readouterr().err
    Store.open(f"sqlite:///{tmp_path / 'audit.db'}").close()  # a start of the service puts the guards back, and says it
    assert main(command) == FAILED
    assert "row 1: the row is not as it was written" in capsys.readouterr().err
    assert main(command[:-1]) == OK
    assert '"guards_lost"' in capsys.readouterr().out
