"""Backend Services: an export comes whole, line by line, or it is said that it did not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest

import callers
import listeners
from carnallite.errors import FetchFailed, RecordRefused, SettingError
from carnallite.surfaces.cli import OK, main
from carnallite.surfaces.service import backend
from carnallite.surfaces.service.backend import Backend
from carnallite.surfaces.service.signing import Signer
from ehr import said

JSON = "application/json"
FILES = {
    "/files/1": ("Patient", b'{"resourceType":"Patient","id":"1"}\n{"resourceType":"Patient","id":"2"}'),
    "/files/2": ("Observation", b'{"resourceType":"Observation","id":"1"}\n' * 3000),
    "/files/3": ("Observation", b""),
}
DELETED = b'{"resourceType":"Bundle","type":"transaction","entry":[{"request":{"method":"DELETE","url":"Patient/2"}}]}'


class Hospital:
    """A server with Bulk Data export."""

    def __init__(self) -> None:
        self.url, self.asked, self.waits, self.life = "", list[str](), 2, 300
        self.tokens: list[str] = []
        self.changed: dict[str, Any] = {}
        self.counts = {"/files/1": 2, "/files/2": 3000}
        self.broken = ""

    def __call__(self, asked: listeners.Asked) -> tuple[int, dict[str, str], bytes]:
        path = urlsplit(asked.path).path
        self.asked.append(f"{asked.command} {asked.path}")
        if path == "/fhir/.well-known/smart-configuration":
            return said(200, {"token_endpoint": f"{self.url}/token", "capabilities": ["permission-v2"]}, JSON)
        if path == "/token":
            return self._token(parse_qs(asked.sent.decode()))
        if asked.headers.get("Authorization") != f"Bearer {self.tokens[-1]}":
            return said(401, {})
        if path.endswith("/$export"):
            assert asked.headers["Prefer"] == "respond-async"
            return 202, {"Content-Location": self.changed.get("status", f"{self.url}/status/7")}, b""
        if path == "/status/7":
            return self._status(asked.command)
        data = DELETED if path == "/files/4" else FILES[path][1]
        length = {"Content-Length": str(len(data) + 5)} if path == self.broken else {}
        return 200, {"Content-Type": "application/fhir+ndjson"} | length, data

    def _token(self, form: dict[str, list[str]]) -> tuple[int, dict[str, str], bytes]:
        shown = jwt.decode(
            form["client_assertion"][0], callers.ec_key().public_key(), ["ES384"], audience=f"{self.url}/token"
        )
        assert (shown["iss"], shown["sub"], form["scope"]) == ("us", "us", ["system/*.rs"])
        assert shown["exp"] - shown["iat"] <= 300
        assert jwt.get_unverified_header(form["client_assertion"][0])["kid"] == "own"
        self.tokens.append(f"token-{shown['jti']}")
        return said(200, {"access_token": self.tokens[-1], "token_type": "bearer", "expires_in": self.life}, JSON)

    def _status(self, command: str) -> tuple[int, dict[str, str], bytes]:
        if command == "DELETE":
            return 202, {}, b""
        self.waits -= 1
        if self.waits == 1:
            return said(429, {})
        if self.waits >= 0:
            return 202, {"Retry-After": "3", "X-Progress": "half"}, b""
        output = [
            {"type": kind, "url": self.url + path} | ({"count": self.counts[path]} if path in self.counts else {})
            for path, (kind, _) in FILES.items()
        ]
        told = {"transactionTime": "2026-11-23T12:00:00Z", "request": "x", "requiresAccessToken": True,
                "output": output, "error": []}  # fmt: skip
        return said(200, told | self.changed, JSON)


@pytest.fixture
def hospital():
    one = Hospital()
    with listeners.listening(one) as (url, _):
        one.url = url
        yield one


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "own.jwk"
    path.write_text(json.dumps(callers.private(callers.ec_key(), "own")))
    path.chmod(0o600)
    return path


def of(hospital: Hospital, key: Path, waited: list[float] | None = None) -> Backend:
    sleep = (waited if waited is not None else []).append
    return Backend(f"{hospital.url}/fhir", "us", Signer(str(key)), loopback=True, sleep=sleep)


def test_an_export_comes_whole(hospital: Hospital, key: Path, tmp_path: Path) -> None:
    waited: list[float] = []
    out = tmp_path / "bulk"
    found = of(hospital, key, waited).fetch(out, ("Patient", "Observation"), since="2026-01-01T00:00:00+00:00")
    assert found.lines == {"Patient": 2, "Observation": 3000}
    assert found.at == "2026-11-23T12:00:00Z"
    assert waited == [backend.WAIT, 3]
    assert sorted(path.name for path in out.iterdir()) == [
        "Observation.00001.ndjson", "Observation.00002.ndjson", "Patient.00000.ndjson", "manifest.json",
    ]  # fmt: skip
    assert (out / "Observation.00001.ndjson").read_bytes() == FILES["/files/2"][1]
    assert {path.stat().st_mode & 0o777 for path in out.iterdir()} == {0o600}
    assert out.stat().st_mode & 0o777 == 0o700
    begun = next(one for one in hospital.asked if "$export" in one)
    assert begun == (
        "GET /fhir/Patient/$export?_type=Patient,Observation&_outputFormat=application%2Ffhir%2Bndjson"
        "&_since=2026-01-01T00:00:00%2B00:00"
    )
    assert hospital.asked[-1] == "DELETE /status/7"
    assert len(hospital.tokens) == 1


def test_what_was_deleted_comes_too_and_is_screened(hospital: Hospital, key: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    hospital.changed = {"deleted": [{"type": "Bundle", "url": f"{hospital.url}/files/4", "count": 1}]}
    out = tmp_path / "bulk"
    assert of(hospital, key).fetch(out).lines == {"Patient": 2, "Observation": 3000, "deleted": 1}
    assert (out / "deleted.00000.ndjson").read_bytes() == DELETED
    assert main(["screen", str(out), "--out", str(tmp_path / "out"), "--workers", "1", "--depth", "findings"]) == OK
    assert json.loads((tmp_path / "out" / "quality.json").read_text())["deleted"] == {"Patient": 1}
    assert json.loads((tmp_path / "out" / "end.json").read_text())["people"] == 1


def test_other_counts_of_deletions_than_announced_are_refused(hospital: Hospital, key: Path, tmp_path: Path) -> None:
    hospital.changed = {"deleted": [{"url": f"{hospital.url}/files/4", "count": 2}]}
    with pytest.raises(RecordRefused, match="of deletions has 1 lines, and 2"):
        of(hospital, key).fetch(tmp_path / "bulk")


def test_a_token_is_used_for_five_minutes_at_most(hospital: Hospital, key: Path, tmp_path: Path) -> None:
    hospital.life = backend.EARLY  # used up at once
    of(hospital, key).fetch(tmp_path / "bulk")
    assert len(hospital.tokens) == len([one for one in hospital.asked if "/fhir/P" in one or "/status" in one]) + 3
    hospital.life = 86_400
    mine = of(hospital, key)
    mine._bearer()
    assert mine._until <= backend.time.monotonic() + backend.LONGEST_TOKEN


def test_a_run_that_was_stopped_goes_on(hospital: Hospital, key: Path, tmp_path: Path) -> None:
    out = tmp_path / "bulk"
    hospital.broken = "/files/2"
    with pytest.raises(FetchFailed):
        of(hospital, key).fetch(out)
    assert (out / "Patient.00000.ndjson").exists()
    assert not list(out.glob("Observation*.ndjson"))
    hospital.broken = ""
    assert of(hospital, key).fetch(out).lines == {"Patient": 2, "Observation": 3000}
    assert len([one for one in hospital.asked if "$export" in one]) == 1
    assert len([one for one in hospital.asked if "/files/1" in one]) == 1
    with pytest.raises(RecordRefused, match="holds an export"):
        of(hospital, key).fetch(out)


def test_other_counts_than_announced_are_refused(hospital: Hospital, key: Path, tmp_path: Path) -> None:
    hospital.counts["/files/2"] = 3001
    with pytest.raises(RecordRefused, match="3000 lines, and 3001 were announced"):
        of(hospital, key).fetch(tmp_path / "bulk")
    assert not list((tmp_path / "bulk").glob("Observation*"))


@pytest.mark.parametrize(
    "changed",
    [{"output": [{"type": "Patient", "url": "https://evil.example/1"}]}, {"status": "https://evil.example/status"},
     {"status": ""}, {"output": "none"}, {"link": [{"relation": "next", "url": "x"}]}],
)  # fmt: skip
def test_h57_an_export_that_leads_elsewhere_is_refused(
    hospital: Hospital, key: Path, tmp_path: Path, changed: dict[str, Any]
) -> None:
    hospital.changed = changed
    with pytest.raises(FetchFailed):
        of(hospital, key).fetch(tmp_path / "bulk")
    assert not list((tmp_path / "bulk").glob("*.ndjson"))


@pytest.mark.parametrize("kind", ["../../etc/passwd", "patient", "P", "Patient/1", ""])
def test_h57_a_kind_is_no_path(hospital: Hospital, key: Path, tmp_path: Path, kind: str) -> None:
    hospital.changed = {"output": [{"type": kind, "url": f"{hospital.url}/files/1"}]}
    with pytest.raises(RecordRefused, match="kind of resource"):
        of(hospital, key).fetch(tmp_path / "bulk")


def test_the_command_line(hospital: Hospital, key: Path, tmp_path: Path, capsys: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(backend, "WAIT", 0)
    hospital.waits = 0
    command = ["fetch", f"{hospital.url}/fhir", "--client", "us", "--key", str(key), "--loopback"]
    assert main([*command, "--out", str(tmp_path / "bulk"), "--group", "ward"]) == OK
    told = capsys.readouterr()
    assert told.out == "Observation\t3000\nPatient\t2\n"
    assert "--since 2026-11-23T12:00:00Z" in told.err
    assert any("/fhir/Group/ward/$export" in one for one in hospital.asked)


def test_keys_of_other_kinds_are_refused(tmp_path: Path) -> None:
    wrong = [callers.jwk(callers.ec_key(), "a"), callers.private(callers.rsa_key(1024), "a"), {"kty": "oct", "k": "eA"}]
    for held in ("{}", "x", *map(json.dumps, wrong)):
        (tmp_path / "key").write_text(held)
        (tmp_path / "key").chmod(0o600)
        with pytest.raises(SettingError):
            Signer(str(tmp_path / "key"))
    with pytest.raises(SettingError, match="cannot be read"):
        Signer(str(tmp_path / "none"))
