"""What can go wrong around the program: alert fatigue, old cards, silence, people it is not for, leaks."""

from __future__ import annotations

import asyncio
import json
import os
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from carnallite.errors import FetchFailed, StoreFailed
from carnallite.surfaces.service import hooks, work
from carnallite.surfaces.service.lanes import Lane
from carnallite.surfaces.service.refusal import Refusal
from carnallite.surfaces.service.store import Store
from hooked import CASES, RECORD, WELL, Client, Forgetful, call, resources
from service.test_hooks import ASKING, FAST, Clock, Server, at, ordering, outcome, without_prefetch
from ward import told as of_a_ward

FIRST = resources(CASES[0])
WALL = replace(RECORD, clock="wall")


@pytest.fixture
def client() -> Iterator[Client]:
    with Client() as one:
        yield one


# H53 a card outlives its data ----------------------------------------------------------------------------------------
def test_h53_an_old_card_says_that_it_is_superseded_or_expired() -> None:
    clock = Clock()
    with Client(WALL, clock=clock) as client:
        card = client.hook(call(at(3.3))).json()["cards"][0]
        link = next(one["url"] for one in card["links"] if one["type"] == "absolute")
        path = link.removeprefix(WALL.base)
        assert f"Valid until {datetime(2020, 6, 1, 20, tzinfo=UTC):%Y-%m-%d}" in card["detail"]
        assert client.get(path).json()["state"] == "current"
        client.hook(call(at(3.3)))
        assert client.get(path).json()["state"] == "current"
        client.hook(call(at(3.9, 9)))
        assert client.get(path).json()["state"] == "superseded"
        assert "SUPERSEDED" in client.get(path, headers={"accept": "text/html"}).text
        newer = client.hook(call(at(2.9, 9))).json()["cards"][0]
        clock.now += timedelta(hours=25)
        assert client.get(f"/cards/{newer['uuid']}").json()["state"] == "expired"
        assert client.get(f"/cards/{uuid.uuid4()}").json()["state"] == "unknown"


def test_h53_a_smart_link_carries_on_which_data_the_card_rests() -> None:
    with Client(replace(RECORD, launch_url="https://cds.example.org/launch")) as client:
        card = client.hook(call(FIRST)).json()["cards"][0]
    link = next(one for one in card["links"] if one["type"] == "smart")
    assert json.loads(link["appContext"]).keys() == {"card", "mark", "valid_until"}


# H54 silence is read as no problem -----------------------------------------------------------------------------------
class Broken(Server):
    """A FHIR server that fails in one way at one type."""

    def __init__(self, how: str, at: str) -> None:
        super().__init__(WELL)
        self.how, self.at = how, at

    def __call__(self, url: str, token: str) -> bytes:
        data = super().__call__(url, token)
        if f"/{self.at}" not in url:
            return data
        if self.how == "fails":
            raise FetchFailed("outward", "status_500")
        return {
            "half": data[: len(data) // 2], "empty": b"", "html": b"<html>", "nan": b'{"resourceType":NaN}',
            "outcome": b'{"resourceType":"OperationOutcome","issue":[{"severity":"error"}]}',
            "other": data.replace(b"Patient/well", b"Patient/other").replace(b'"id": "well"', b'"id": "other"'),
            "type": b'{"resourceType":"Practitioner","id":"1"}',
        }[self.how]  # fmt: skip


FAULTS = ("fails", "half", "empty", "html", "nan", "outcome", "type")


@pytest.mark.parametrize(("how", "place"), [
    *((how, place) for how in FAULTS for place in ("Patient", "Observation", "Condition", "MedicationRequest")),
    ("other", "Patient"), ("other", "Observation"),
])  # fmt: skip
def test_h54_no_silence_when_a_server_fails(how: str, place: str) -> None:
    with Client(ASKING, fetch=Broken(how, place)) as client:
        answer = client.hook(without_prefetch(WELL))
    assert answer.status_code == 412
    outcome(answer)


class Full(Forgetful):
    """A store on a full disk."""

    def append(self, *_: Any) -> str:
        raise StoreFailed("store", "the disk is full.", "Make room.")


def test_h54_what_cannot_be_audited_is_refused() -> None:
    for told in (call(FIRST), call(WELL), ordering("order-sign", FAST)):
        with Client(store=Full()) as client:
            answer = client.hook(told)
        assert answer.status_code == 503
        assert "audit" in outcome(answer)["issue"][0]["details"]["text"]
    with Client(store=Full()) as client:
        assert client.post("/$assess", json={"resourceType": "Bundle", "entry": []}).status_code == 422
        data = CASES[0].read_bytes()
        assert client.post("/$assess", content=data, headers={"content-type": "application/json"}).status_code == 503


def test_h54_a_fault_of_ours_is_no_empty_answer(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError("Jane Doe, MRN 123")

    monkeypatch.setattr(work, "advise", fail)
    answer = client.hook(call(WELL))
    assert answer.status_code == 500
    assert "Doe" not in answer.text + client.said.getvalue()
    assert '"kind": "ZeroDivisionError"' in client.said.getvalue()


def test_h54_too_many_calls_are_told_so_and_emergencies_still_get_through() -> None:
    full = replace(RECORD, waiting=0)
    with Client(full) as client:
        client.house.lanes["answers"].most = 0
        well = client.hook(call(WELL))
        sick = client.hook(call(FIRST))
        client.house.lanes["emergencies"].most = 0
        none = client.hook(call(FIRST, userId="Practitioner/2"))
        assert client.get("/healthz").status_code == 200
        assert b'carnallite_shed_total{lane="answers"} 2.0' in client.house.metrics.text()
        assert b'carnallite_shed_total{lane="door"} 1.0' in client.house.metrics.text()
        client.house.lanes["emergencies"].most = 5
        again = client.hook(call(FIRST))  # known, and nothing else was evaluated: not silence
    for answer in (well, none, again):
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0
        outcome(answer)
    assert sick.status_code == 200
    assert sick.json()["cards"][0]["indicator"] == "critical"
    assert "only emergencies were evaluated" in sick.json()["cards"][0]["detail"]
    assert sick.json()["extension"][hooks.EXTENSION]["only"] == "emergencies"


def test_h54_what_a_client_did_not_wait_for_counts_as_not_shown(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def is_gone(_: Any) -> bool:
        return True

    with monkeypatch.context() as gone:
        gone.setattr("starlette.requests.Request.is_disconnected", is_gone)
        assert client.hook(call(FIRST)).status_code == 400
    assert client.hook(call(FIRST)).json()["cards"][0]["indicator"] == "critical"


# workers that are processes ------------------------------------------------------------------------------------------
def _sleep(seconds: float) -> str:
    time.sleep(seconds)
    return "awake"


def _die() -> None:
    os._exit(9)


def _fail() -> None:
    raise LookupError("Jane Doe")


def test_h54_a_worker_that_hangs_or_dies_is_told_and_begun_again() -> None:
    lane = Lane(1, 1, 4, processes=True)
    try:
        loop = asyncio.new_event_loop()
        assert loop.run_until_complete(lane.run(_sleep, 0)) == "awake"
        for work, given, status in ((_sleep, (30,), 503), (_die, (), 503), (_fail, (), 500)):
            with pytest.raises(Refusal) as refused:
                loop.run_until_complete(lane.run(work, *given))
            assert refused.value.status == status
            assert "Doe" not in str(refused.value)
            assert loop.run_until_complete(lane.run(_sleep, 0)) == "awake"
        assert lane.is_ready()
        loop.close()
    finally:
        lane.close()


def test_many_calls_at_once_each_get_the_answer_to_their_own_patient() -> None:
    cases = [resources(case) for case in CASES[:10]]
    with Client(replace(RECORD, waiting=100)) as client:
        alone = [client.hook(call(case)).json() for case in cases]
    with Client(replace(RECORD, waiting=100)) as client:
        calls = [("/cds-services/carnallite-patient-view", call(case)) for case in cases]
        together = [answer.json() for answer in client.together(*calls)]
    for one, other in zip(alone, together, strict=True):
        assert one["extension"] == other["extension"]
        assert [card["detail"] for card in one["cards"]] == [card["detail"] for card in other["cards"]]


# H62 people it is not for --------------------------------------------------------------------------------------------
@pytest.mark.parametrize("user", ["Patient/p-001", "RelatedPerson/1", "Device/pump", "Person/1"])
def test_h62_patients_relatives_and_devices_are_refused(client: Client, user: str) -> None:
    for told in (call(FIRST, userId=user), ordering("order-sign", FAST, userId=user)):
        answer = client.hook(told)
        assert answer.status_code == 403
        outcome(answer)


def test_h62_nothing_is_ever_applied_without_a_person(client: Client) -> None:
    listed = client.get("/cds-services").text
    assert "systemActions" not in listed
    for case in CASES[:5]:
        told = client.hook(call(resources(case))).json()
        assert "systemActions" not in told
        drafts = [action for card in told["cards"] for one in card.get("suggestions", ()) for action in one["actions"]]
        assert all(one["resource"]["status"] == "draft" for one in drafts)
        assert all(one["resource"]["intent"] == "proposal" for one in drafts)


def test_h62_without_intended_use_every_answer_says_demonstration(client: Client) -> None:
    card = client.hook(call(FIRST)).json()
    assert hooks.DEMONSTRATION.strip() in card["cards"][0]["detail"]
    assert "demonstration" in card["cards"][0]["source"]["label"]
    assert card["extension"][hooks.EXTENSION]["demonstration"] is True
    data, plain = CASES[0].read_bytes(), {"content-type": "application/json"}
    told = client.post("/$assess", content=data, headers=plain | {"accept": "application/json"}).json()
    assert "demonstration" in {one["code"] for one in told["issues"]}
    bundle = client.post("/$assess", content=data, headers=plain).json()
    assert bundle["meta"]["security"][0]["code"] == "HTEST"
    assert client.get("/version").json()["demonstration"] is True


# H52 automation bias -------------------------------------------------------------------------------------------------
def test_h52_reasons_missing_data_and_chances_stand_beside_the_advice(client: Client) -> None:
    for case in CASES[::3]:
        for card in client.hook(call(resources(case))).json()["cards"]:
            detail = card["detail"]
            assert detail.startswith("**Because:** ")
            assert len(detail.split("\n\n")[0]) > len("**Because:** . **Do:** ") + 20
            assert "The clinician decides" in detail
            if "**Likely causes:**" in detail:
                assert "%" in detail.split("**Likely causes:**")[1].split("\n")[0]
            assert not any(word in card["summary"].lower() for word in ("must", "certainly", "definitely"))
            assert card["overrideReasons"]


# H51 alert fatigue ---------------------------------------------------------------------------------------------------
def test_h51_few_cards_interrupt_and_none_comes_twice_a_day() -> None:
    found = of_a_ward(8)
    assert found.days > 20
    assert sum(found.cards.values()) > 1
    assert found.twice == 0
    assert 100 * found.cards["critical"] / found.days <= 2
    assert found.true >= 0.5 * found.cards["critical"]


# feedback ------------------------------------------------------------------------------------------------------------
def said(card: str, outcome: str = "overridden", **more: Any) -> dict[str, Any]:
    return {"card": card, "outcome": outcome, "outcomeTimestamp": "2026-05-01T09:30:00Z", **more}


def because(code: str, system: str = "http://terminology.hl7.org/CodeSystem/non-adherence-reason-codes") -> Any:
    return {"overrideReason": {"reason": {"system": system, "code": code}, "userComment": "Mrs Doe declined"}}


def test_feedback_is_kept_without_words_and_summed_up(client: Client) -> None:
    ids = [client.hook(call(resources(case))).json()["cards"][0]["uuid"] for case in CASES[:5]]
    url = "/cds-services/carnallite-patient-view/feedback"
    rows = [
        said(ids[0], "accepted", acceptedSuggestions=[{"id": "a"}]), said(ids[1], **because("action-completed")),
        said(ids[2], **because("patient-contraindication")), said(ids[3], **because("mine", "urn:mine")), said(ids[4]),
    ]  # fmt: skip
    assert client.post(url, json={"feedback": rows}).status_code == 200
    assert client.post(url, json={"feedback": [said(ids[4], "accepted")]}).status_code == 200  # the last one counts
    told = client.get("/feedback").json()
    every = told["all"]
    assert (every["answered"], every["accepted"], every["overridden"]) == (5, 2, 3)
    assert (every["override_rate"], every["right"], every["wrong"]) == (0.6, 3, 1)
    assert every["predictive_value"] == 0.75
    assert every["reasons"] == {"action-completed": 1, "other": 1, "patient-contraindication": 1}
    assert told["services"].keys() == {"carnallite-patient-view"}
    assert "severe_hypokalemia_emergency" in told["facts"]
    kept = json.dumps([row for _, row in client.store.feedbacks()])
    assert "Doe" not in kept
    assert "mine" not in kept


@pytest.mark.parametrize(
    "rows",
    [[], [said("5")], [said(str(uuid.uuid4()), "ignored")], [said(str(uuid.uuid4())) | {"outcomeTimestamp": "now"}], 5],
)
def test_feedback_that_is_none_is_400(client: Client, rows: Any) -> None:
    answer = client.post("/cds-services/carnallite-patient-view/feedback", json={"feedback": rows})
    assert answer.status_code == 400
    outcome(answer)
    assert client.post("/cds-services/none/feedback", json={"feedback": rows}).status_code == 404


# probes --------------------------------------------------------------------------------------------------------------
def test_probes_tell_how_it_is(client: Client) -> None:
    assert client.get("/healthz").json() == {"status": "alive"}
    ready = client.get("/readyz")
    assert ready.status_code == 200
    assert ready.json()["checks"]["knowledge"] is True
    assert {"version", "knowledge", "model", "cds_hooks"} <= client.get("/version").json().keys()
    client.hook(call(WELL))
    told = client.get("/metrics")
    assert told.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'route="/cds-services/{id}",status="200"' in told.text
    client.house.is_open = False
    assert client.get("/readyz").status_code == 503


class Closed(Forgetful):
    def shown(self, *_: Any) -> None:
        raise StoreFailed("store", "it is read only.", "Check rights.")


def test_a_store_that_cannot_be_written_is_not_ready() -> None:
    with Client(store=Closed()) as client:
        assert client.get("/readyz").status_code == 503
        assert client.get("/healthz").status_code == 200


def test_pages_of_other_houses_may_call_only_where_they_are_listed() -> None:
    asks = {"origin": "https://sandbox.example.org", "access-control-request-method": "POST",
            "access-control-request-headers": "authorization,content-type",
            "access-control-request-private-network": "true"}  # fmt: skip
    url = "/cds-services/carnallite-patient-view"

    def preflight(client: Client, origin: str) -> httpx.Response:
        return client._loop.run_until_complete(client._http.options(url, headers=asks | {"origin": origin}))

    with Client(replace(RECORD, origins=("https://sandbox.example.org",))) as client:
        answer = preflight(client, "https://sandbox.example.org")
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == "https://sandbox.example.org"
        assert answer.headers["access-control-allow-private-network"] == "true"
        assert "access-control-allow-origin" not in preflight(client, "https://evil.example").headers
    with Client() as client:
        assert preflight(client, "https://sandbox.example.org").status_code == 405


# H56 nothing of a patient leaks --------------------------------------------------------------------------------------
def canaries(number: int) -> list[str]:
    return [f"Zephyrine-{number:04}", f"MRN{770000 + number}", f"19{30 + number % 60}-0{1 + number % 9}-1{number % 9}"]


def test_h56_no_name_number_or_date_of_a_patient_is_written_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    store = Store.open(f"sqlite:///{tmp_path / 'kept.db'}")
    marks: list[str] = []
    said = ""
    with Client(replace(RECORD, depth="findings"), store=store) as client:
        for number in range(200):
            name, mrn, birth = canaries(number)
            marks += [name, mrn, birth]
            found = json.loads(json.dumps(FIRST).replace("p-001", f"{mrn}"))
            found[0] |= {"birthDate": birth, "name": [{"family": name}], "identifier": [{"value": mrn}]}
            for one in found[1:]:
                one["note"] = [{"text": f"{name} was seen"}]
            _through_every_route(client, found, (name, mrn, birth), number)
        said = client.said.getvalue() + client.get("/metrics").text + client.get("/feedback").text
    store.close()
    printed = capfd.readouterr()
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    everything = (said + printed.out + printed.err).encode() + written
    assert len(everything) > 100_000
    assert not [mark for mark in marks if mark.encode() in everything]


def _through_every_route(client: Client, found: list[dict[str, Any]], marks: tuple[str, str, str], number: int) -> None:
    name, mrn, birth = marks
    told = call(found)
    calls: list[Any] = [
        lambda: client.hook(told),
        lambda: client.hook(told | {"hook": "order-select"}),
        lambda: client.hook(ordering("order-sign", FAST, found=found)),
        lambda: client.hook(told | {"context": {"userId": f"Patient/{mrn}", "patientId": mrn}}),
        lambda: client.hook(told | {"context": {"userId": name, "patientId": birth}}),
        lambda: client.hook(told | {"prefetch": {name: 1}}),
        lambda: client.get(f"/cards/{mrn}"),
        lambda: client.get(f"/{name}/{mrn}?birthdate={birth}"),
        lambda: client.post(f"/cds-services/{name}", json=told),
        lambda: client.post(f"/cds-services/{mrn}/feedback?name={name}", json={"feedback": [name]}),
        lambda: client.post("/$assess", json={"resourceType": name, "parameter": mrn}),
        lambda: client.post("/$assess", json={"resourceType": "Bundle", "entry": [{"resource": one} for one in found]}),
        lambda: client.post("/$assess", content=f'{{"{name}":1,"{name}":2}}'.encode(),
                            headers={"content-type": "application/json", "x-name": name}),
        lambda: client.post("/$forecast", json={"resourceType": "Parameters", "parameter": [
            {"name": "patient", "valueString": mrn}, {"name": "now", "valueDateTime": birth}]}),
    ]  # fmt: skip
    if number % 4 == 0:
        calls[number % 3]()
    for one in calls[3:] if number < 20 else calls[3 + number % 11 :][:2]:
        one()
