"""`$assess` and `$forecast`: the same answer as the command line, as FHIR or as our own JSON, and nothing simulated."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from carnallite.assessment import Assessment
from carnallite.physiology import engine
from carnallite.plan import Advice, advise
from carnallite.record import read_record
from carnallite.surfaces.overdue import dated, this_day
from hooked import CASES, RECORD, Client, resources
from service.test_hooks import ASKING, FIRST, Server, outcome

JSON = {"accept": "application/json"}
ROOT = Path(__file__).parents[2]
FORETOLD = CASES[10]  # a case in which the fit holds


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with Client(replace(RECORD, intended_use="the tests")) as one:
        yield one


def posted(client: Client, path: str, data: bytes, **headers: str) -> Any:
    return client.post(path, content=data, headers={"content-type": "application/fhir+json", **headers})


def parameters(*given: dict[str, Any]) -> bytes:
    return json.dumps({"resourceType": "Parameters", "parameter": list(given)}).encode()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem[:3])
def test_the_service_says_what_the_command_line_says(client: Client, case: Path) -> None:
    """States, safety findings and the unfitted posterior of every published case, from one library."""
    answer = posted(client, "/$assess", case.read_bytes(), **JSON)
    assert answer.status_code == 200
    told = msgspec.json.decode(answer.content, type=Assessment)
    own = advise(read_record(case), version=told.provenance.version, depth="library")
    for field in ("states", "emergencies", "unsafe", "samples", "causes", "joint", "factors", "next_tests", "missing"):
        assert getattr(told, field) == getattr(own, field), field
    assert told.provenance == own.provenance
    assert json.loads(answer.content) == json.loads(msgspec.json.encode(dated(own, this_day())))


def test_the_command_line_itself_prints_the_same(client: Client) -> None:
    command = [sys.executable, "-m", "carnallite", "assess", str(CASES[1]), "--json", "--depth", "library"]
    printed = subprocess.run(command, capture_output=True, check=True).stdout
    assert json.loads(posted(client, "/$assess", CASES[1].read_bytes(), **JSON).content) == json.loads(printed)


def types(bundle: dict[str, Any]) -> set[str]:
    return {entry["resource"]["resourceType"] for entry in bundle["entry"]}


def test_an_answer_is_a_bundle_without_observations(client: Client) -> None:
    answer = posted(client, "/$assess", CASES[0].read_bytes())
    assert answer.headers["content-type"].startswith("application/fhir+json")
    told = answer.json()
    assert {"RiskAssessment", "DetectedIssue", "GuidanceResponse", "Provenance", "Device"} <= types(told)
    assert "Observation" not in types(told)
    assert b'"Observation"' not in answer.content.replace(b'"type":"Observation"', b"")  # what is asked for may be one
    assert "meta" not in told


@pytest.mark.skipif(engine.kernel() is None, reason="no compiled kernel")
def test_a_forecast_rests_on_a_fit(client: Client) -> None:
    answer = posted(client, "/$forecast", CASES[0].read_bytes(), **JSON)
    told = msgspec.json.decode(answer.content, type=Advice)
    assert told.fit is not None or told.forecast is not None
    assert told.forecast is not None


DRIP = """title = "Drip"
[[step]]
name = "Magnesium"
what = "magnesium sulfate"
amount = "16 mmol"
route = "intravenous"
over = "4 h"
volume = "500 mL"
"""
WRITTEN = (ROOT / "examples" / "plans" / "infusion.toml").read_text("utf-8")


def planning(*plans: str, case: Path = FORETOLD, **more: Any) -> bytes:
    """Return what asks for the forecast of plans for a published case."""
    record = {"name": "record", "resource": json.loads(case.read_bytes())}
    others = [{"name": name, **value} for name, value in more.items()]
    return parameters(record, *({"name": "plan", "valueString": one} for one in plans), *others)


@pytest.mark.skipif(engine.kernel() is None, reason="no compiled kernel")
def test_plans_of_ones_own_are_foretold_as_on_the_command_line(client: Client, tmp_path: Path) -> None:
    files = [tmp_path / "plan1.toml", tmp_path / "plan2.toml"]
    for path, text in zip(files, (WRITTEN, DRIP), strict=True):
        path.write_text(text, "utf-8")
    record = tmp_path / "record.json"
    record.write_text(json.dumps(json.loads(FORETOLD.read_bytes())), "utf-8")  # as it is sent
    command = [sys.executable, "-m", "carnallite", "forecast", str(record), "--json", "--days", "7", "--plan", *files]
    printed = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    asked = planning(WRITTEN, DRIP, days={"valueInteger": 7})
    told = posted(client, "/$forecast", asked, **JSON).json()
    assert {name: told[name] for name in printed} == printed
    assert {one["plan"] for one in printed["forecast"]["outlooks"]} == {"as_now", "plan1", "plan2"}
    whole = posted(client, "/$forecast", asked).json()
    group = next(one["resource"] for one in whole["entry"] if one["resource"]["resourceType"] == "RequestGroup")
    assert [one["title"] for one in group["action"][0]["action"]] == ["Magnesium infusion, then tablets", "Drip"]


@pytest.mark.skipif(engine.kernel() is None, reason="no compiled kernel")
def test_an_everyday_limit_is_marked_and_a_hard_one_refuses(client: Client) -> None:
    quick = posted(client, "/$forecast", planning(DRIP.replace("4 h", "1 h"), days={"valueInteger": 2}), **JSON).json()
    assert "magnesium_rate_everyday" in {one["id"] for one in quick["plans"][0]["steps"][0]["beyond"]}
    answer = posted(client, "/$forecast", planning(DRIP, DRIP.replace("4 h", "10 min")))
    assert answer.status_code == 422
    issue = outcome(answer)["issue"][0]
    assert issue["code"] == "business-rule" and "magnesium_rate_label" in issue["details"]["text"]
    assert issue["diagnostics"].startswith("/parameter/2, step 1:")
    assert client.store.audited[-1][0] == "operation"


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        (DRIP.replace("sulfate", "sulphate"), 4, "Did you mean 'magnesium sulfate'"),
        (DRIP.replace("title", "tilte"), 1, "title"), (DRIP.replace("16 mmol", "16"), 5, ""),
        (DRIP + "x = " + "[" * 9000, 9, "Mend"), (DRIP + "count = " + "9" * 5000, 9, "Mend"),
        (DRIP + 'every = "1 min"', 9, "over"), ("[[step]]", 1, "Add it"), (" " * 30_000, None, ""), ("", None, ""),
    ],
)  # fmt: skip
def test_a_plan_that_cannot_be_understood_is_refused_by_its_line(
    client: Client, text: str, line: int | None, told: str
) -> None:
    answer = posted(client, "/$forecast", planning(DRIP, text))
    assert answer.status_code == 400
    place = "/parameter/2:" if line is None else f"/parameter/2, line {line}:"
    assert outcome(answer)["issue"][0]["diagnostics"].startswith(place)
    assert told in answer.text


def test_a_plan_that_would_do_nothing_is_refused(client: Client) -> None:
    assert posted(client, "/$assess", planning(DRIP)).status_code == 400
    assert posted(client, "/$forecast", planning(*5 * [DRIP])).status_code == 400
    assert posted(client, "/$forecast", planning(days={"valueInteger": 7})).status_code == 400
    assert posted(client, "/$forecast", planning(DRIP, days={"valueInteger": 31})).status_code == 400
    assert posted(client, "/$forecast", planning(DRIP, depth={"valueCode": "library"})).status_code == 400


def test_parameters_name_record_time_and_depth(client: Client) -> None:
    record = {"name": "record", "resource": json.loads(CASES[0].read_bytes())}
    now = {"name": "now", "valueDateTime": "2020-06-02T00:00:00Z"}
    depth = {"name": "depth", "valueCode": "findings"}
    told = posted(client, "/$assess", parameters(record, now, depth), **JSON).json()
    assert told["index"] == "2020-06-02T00:00:00Z"
    assert told["provenance"]["library"] is None


def test_a_patient_of_a_server_is_assessed() -> None:
    server = Server(FIRST)
    with Client(ASKING, fetch=server) as client:
        patient = {"name": "patient", "valueReference": {"reference": "Patient/p-001"}}
        answer = posted(client, "/$assess", parameters(patient))
        other = posted(client, "/$assess", parameters(patient, {"name": "server", "valueUrl": "https://evil.example"}))
        assert [action for action, *_ in client.store.audited] == ["operation"]
    assert answer.status_code == 200
    assert '"Patient/p-001"' in answer.text
    assert other.status_code == 412


@pytest.mark.parametrize(
    ("given", "status"),
    [
        (b'{"resourceType":"Patient"}', 400), (b"[]", 400), (b"{}", 400), (parameters(), 400),
        (parameters({"name": "patient", "valueString": "../1"}), 400), (parameters({"name": "other"}), 400),
        (parameters({"name": "patient", "valueString": "1"}), 412), (parameters({"name": "record"}), 400),
        (parameters({"name": "depth", "valueCode": "deep"}), 400), (b'{"resourceType":"Bundle"}', 422),
        (parameters({"name": "now", "valueDateTime": "2020-06-02T00:00:00"}), 400), (b"", 400),
        (parameters({"name": "patient", "valueString": "1"}, {"name": "patient", "valueString": "2"}), 400),
        (json.dumps({"resourceType": "Bundle", "entry": [{"resource": 5}]}).encode(), 422),
    ],
)  # fmt: skip
def test_what_cannot_be_answered_is_refused_in_words(client: Client, given: bytes, status: int) -> None:
    answer = posted(client, "/$assess", given)
    assert answer.status_code == status
    outcome(answer)


def test_other_forms_are_refused(client: Client) -> None:
    data = json.dumps({"resourceType": "Bundle", "entry": [{"resource": one} for one in resources(CASES[0])]}).encode()
    assert posted(client, "/$assess", data, accept="text/html").status_code == 406
    assert client.post("/$assess", content=data, headers={"content-type": "text/plain"}).status_code == 415
    assert client.get("/$assess").status_code == 405
