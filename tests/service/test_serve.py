"""`carnallite serve` as a process, and what may be set."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from carnallite.errors import DataFileError, SettingError
from carnallite.physiology import engine
from carnallite.surfaces.cli import main
from carnallite.surfaces.service import settings
from carnallite.surfaces.service.settings import Settings
from hooked import CASES, call, resources
from servers import free_port

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "serve.md"


class Process:
    """The service as somebody starts it."""

    def __init__(self, folder: Path, **more: str) -> None:
        self.port, self.log = free_port(), folder / "log"
        environment = os.environ | {
            "CARNALLITE_STORE": f"sqlite:///{folder}/kept.db",
            "CARNALLITE_WORKERS": "0",
            **more,
        }
        command = [sys.executable, "-m", "carnallite", "serve", "--port", str(self.port)]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, env=environment, stderr=log, cwd=folder)
        self.url = f"http://127.0.0.1:{self.port}"
        for _ in range(300):
            try:
                httpx.get(f"{self.url}/healthz")
                break
            except httpx.TransportError:
                time.sleep(0.1)

    def end(self) -> float:
        """Tell it to stop, and return how long that took [s]."""
        begun = time.perf_counter()
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(20) == 0
        return time.perf_counter() - begun


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Process]:
    one = Process(tmp_path)
    yield one
    if one.process.poll() is None:
        one.process.kill()
        one.process.wait()


def test_it_answers_logs_json_and_stops_in_time(served: Process, tmp_path: Path) -> None:
    answer = httpx.post(
        f"{served.url}/cds-services/carnallite-patient-view", json=call(resources(CASES[0])), timeout=60
    )
    assert answer.status_code == 412  # results are asked for by code, which this client does not give
    assert httpx.get(f"{served.url}/readyz", timeout=60).json()["ready"] is True
    assert served.end() < 10
    lines = [json.loads(line) for line in served.log.read_text().splitlines() if line.startswith("{")]
    assert {line["event"] for line in lines} == {"call"}
    assert {line["route"] for line in lines} >= {"/cds-services/{id}", "/readyz"}
    assert all(re.fullmatch(r"[0-9a-f]{32}", line["request"]) for line in lines)
    assert (tmp_path / "kept.db").stat().st_mode & 0o077 == 0


@pytest.mark.skipif(engine.kernel() is None, reason="no compiled kernel")
def test_what_has_begun_is_answered_when_it_is_told_to_stop(served: Process) -> None:
    got: list[httpx.Response] = []

    def ask() -> None:
        headers = {"content-type": "application/fhir+json", "accept": "application/json"}
        got.append(httpx.post(f"{served.url}/$forecast", content=CASES[0].read_bytes(), headers=headers, timeout=60))

    asking = threading.Thread(target=ask)
    asking.start()
    while 'carnallite_inside{lane="fits"} 1.0' not in httpx.get(f"{served.url}/metrics").text:
        time.sleep(0.02)
    assert served.end() < 10
    asking.join()
    assert got[0].status_code == 200
    assert got[0].json()["forecast"] is not None


def test_without_a_store_it_keeps_it_in_the_state_of_its_user(tmp_path: Path) -> None:
    started, folder = tmp_path / "started", tmp_path / "state" / "carnallite"
    started.mkdir()
    one = Process(started, CARNALLITE_STORE="", XDG_STATE_HOME=str(folder.parent))
    one.end()
    assert {path.name for path in folder.iterdir()} >= {"carnallite.db", "carnallite.db.key"}
    assert folder.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in started.iterdir()] == ["log"]
    assert f" in {folder}/carnallite.db" in one.log.read_text().splitlines()[0]


@pytest.mark.parametrize("state", ["", "relative"])
def test_state_lies_at_home_where_nothing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", state)
    assert Settings().kept == f"sqlite:///{tmp_path}/.local/state/carnallite/carnallite.db"
    assert Settings(store="sqlite:///own.db").kept == "sqlite:///own.db"


def test_a_folder_of_state_that_cannot_be_made_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    (tmp_path / "state").write_text("a file")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert main(["serve", "--feedback-summary"]) == 2
    assert f"'{tmp_path}/state/carnallite' cannot be made" in capsys.readouterr().err


def test_feedback_is_summed_up_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setenv("CARNALLITE_STORE", f"sqlite:///{tmp_path}/kept.db")
    assert main(["serve", "--feedback-summary"]) == 0
    assert json.loads(capsys.readouterr().out)["all"]["answered"] == 0


# settings ------------------------------------------------------------------------------------------------------------
def given(tmp_path: Path, text: str) -> Settings:
    file = tmp_path / "serve.toml"
    file.write_text(text)
    return settings.read(file)


def test_without_settings_it_stays_on_this_machine_and_is_a_demonstration() -> None:
    plain = settings.read()
    assert plain.host == "127.0.0.1"
    assert plain.is_demonstration
    assert plain.fhir_servers == ()


SAFE = """
host = "0.0.0.0"
tls_certificate = "chain.pem"
tls_key = "key.pem"
intended_use = "Head of pharmacy"
[[clients]]
issuer = "https://ehr.example.org"
keys = "keys.json"
"""


@pytest.mark.parametrize("without", ["tls_certificate", "tls_key", "intended_use", "clients"])
def test_another_address_needs_tls_callers_and_somebody_in_charge(tmp_path: Path, without: str) -> None:
    assert given(tmp_path, SAFE).host == "0.0.0.0"
    if without == "clients":
        text = SAFE.partition("[[")[0]
    else:
        text = "\n".join(line for line in SAFE.splitlines() if not line.startswith(without))
    with pytest.raises(SettingError, match=r"clients|intended_use|certificate"):
        given(tmp_path, text)


def test_h62_nobody_outside_is_served_before_the_intended_use_is_taken_charge_of(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="intended_use"):
        given(tmp_path, SAFE.replace('intended_use = "Head of pharmacy"', ""))


@pytest.mark.parametrize(
    ("text", "says"),
    [("prot = 1", "port"), ("port = 'x'", "port"), ("port = 99999", "port"), ("cards = 9", "cards"), ("x", "TOML")],
)
def test_a_wrong_key_or_value_is_told(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises((DataFileError, SettingError), match=says):
        given(tmp_path, text)


@pytest.mark.parametrize("table", ["clients", "smart"])
@pytest.mark.parametrize("issuer", ["Our own EHR", f"https://ehr.example/{'x' * 2000}"])
def test_an_issuer_under_which_nothing_could_be_audited_is_told_at_the_start(
    tmp_path: Path, table: str, issuer: str
) -> None:
    file = tmp_path / "serve.toml"
    more = 'client = "x"' if table == "smart" else ""
    file.write_text(f'[[{table}]]\nissuer = "{issuer}"\n{more}\n')
    with pytest.raises(SettingError, match="issuer"):
        settings.read(file)
    file.write_text(file.read_text().replace(issuer, f"https://ehr.example/{'x' * 1000}"))
    assert len(getattr(settings.read(file), table)) == 1


def test_a_password_never_stands_in_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingError, match="password") as told:
        given(tmp_path, 'store = "postgresql://user:hunter2@db/kept"')
    assert "hunter2" not in str(told.value)
    file = tmp_path / "store"
    file.write_text("postgresql://user:hunter2@db/kept\n")
    monkeypatch.setenv("CARNALLITE_STORE_FILE", str(file))
    assert settings.read().store == "postgresql://user:hunter2@db/kept"
    monkeypatch.setenv("CARNALLITE_STORE_FILE", str(tmp_path / "none"))
    with pytest.raises(SettingError, match="cannot be read"):
        settings.read()


def test_the_environment_wins_over_the_file_and_the_command_line_over_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CARNALLITE_PORT", "9001")
    monkeypatch.setenv("CARNALLITE_ORIGINS", "https://a.example, https://b.example")
    found = given(tmp_path, "port = 9000\ncards = 2")
    assert (found.port, found.cards, found.origins) == (9001, 2, ("https://a.example", "https://b.example"))
    assert settings.read(tmp_path / "serve.toml", {"port": 9002, "host": None}).port == 9002
    monkeypatch.setenv("CARNALLITE_PROT", "1")
    with pytest.raises(SettingError, match="port"):
        settings.read()


def test_every_key_is_documented() -> None:
    page = PAGE.read_text("utf-8")
    for field in msgspec.structs.fields(Settings):
        assert f"`{field.name}`" in page, field.name
