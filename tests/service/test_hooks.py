"""Discovery and the hooks: what the CRD kit checks of discovery, cards and suggestions, and every form of prefetch."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from msgspec.structs import replace

from carnallite.errors import FetchFailed
from carnallite.knowledge import knowledge
from carnallite.quantity import analytes
from carnallite.record import FHIR_TYPES
from carnallite.surfaces.service import cards, hooks
from carnallite.surfaces.service.prefetch import KEYS, WITHIN, templates
from carnallite.surfaces.service.settings import Settings
from hooked import CASES, RECORD, WELL, Client, call, prefetch, resources, searchset

FIRST = resources(CASES[0])


@pytest.fixture
def client() -> Iterator[Client]:
    with Client() as one:
        yield one


def empty_members(value: Any, path: str = "") -> list[str]:
    """Return where a value is null, an empty text, list or object."""
    if isinstance(value, dict):
        found = [place for key, one in value.items() for place in empty_members(one, f"{path}/{key}")]
    elif isinstance(value, list):
        found = [place for number, one in enumerate(value) for place in empty_members(one, f"{path}/{number}")]
    else:
        found = []
    return found + ([path] if value is None or value in ("", [], {}) else [])


def test_discovery_lists_the_hooks_with_nothing_empty(client: Client) -> None:
    answer = client.get("/cds-services")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/json")
    listed = answer.json()["services"]
    assert [one["hook"] for one in listed] == ["patient-view", "order-select", "order-sign"]
    assert not empty_members(answer.json())
    for one in listed:
        assert {"hook", "title", "description", "id", "prefetch", "version", "hookVersion"} <= one.keys()
        assert re.fullmatch(r"\d+\.\d+\.\d+", one["version"])


LEGAL = re.compile(r"\{\{context\.patientId\}\}")
SEARCHES = {"patient", "code", "category", "_sort", "_count"}


@pytest.mark.parametrize("observations", ["codes", "category", "all"])
def test_prefetch_uses_legal_tokens_and_plain_searches_only(observations: Any) -> None:
    for template in templates(replace(RECORD, observations=observations)).values():
        assert len(LEGAL.findall(template)) == 1
        assert "{{" not in LEGAL.sub("", template)
        assert len(template) < 4000
        address = urlsplit(LEGAL.sub("1", template))
        asked = parse_qs(address.query, strict_parsing=True) if address.query else {}
        assert asked.keys() <= SEARCHES
        assert address.path == "Patient/1" or set(asked) >= {"patient"}


def test_prefetch_asks_for_all_that_an_assessment_reads() -> None:
    asked = templates(Settings())
    types = {template.split("?")[0].split("/")[0] for template in asked.values()}
    assert types | WITHIN == FHIR_TYPES
    assert set(KEYS) | WITHIN | {"Patient", "Observation"} == FHIR_TYPES
    codes = {
        code for one in asked.values() for code in parse_qs(urlsplit(one).query).get("code", [""])[0].split(",") if code
    }
    assert codes == {code.code for one in analytes().values() for code in one.loinc}


def check_card(card: dict[str, Any]) -> None:
    """Check a card as the CRD kit does, and as our own promises say."""
    assert uuid.UUID(card["uuid"])
    assert 0 < len(card["summary"]) < 140
    assert card["indicator"] in {"info", "warning", "critical"}
    assert card["source"]["label"]
    assert {"system", "code", "display"} == card["source"]["topic"].keys()
    assert not empty_members(card)
    assert not re.search(r"(?<!\\)<[A-Za-z/!]", card["detail"])
    assert len(card["detail"].split("\n\n")) <= 5
    assert "Valid until" in card["detail"]
    assert "**Because:**" in card["detail"]
    missing = card["detail"].partition("**Not known:** ")[2].split("\n\n")[0]
    for id, test in knowledge().investigations.items():
        assert id not in analytes() or not (test.name in missing and analytes()[id].name in missing), missing
    for reason in card["overrideReasons"]:
        assert {"system", "code", "display"} == reason.keys()
    for link in card["links"]:
        assert {"label", "url", "type"} <= link.keys()
        assert link["type"] in {"absolute", "smart"}
        assert "appContext" not in link or link["type"] == "smart"
    if "suggestions" in card:
        assert card["selectionBehavior"] in {"at-most-one", "any"}
    for suggestion in card.get("suggestions", ()):
        check_suggestion(suggestion)


def check_suggestion(suggestion: dict[str, Any]) -> None:
    assert suggestion["label"]
    assert uuid.UUID(suggestion["uuid"])
    assert suggestion["actions"]
    for action in suggestion["actions"]:
        assert action["type"] == "create"
        assert action["description"]
        resource = action["resource"]
        assert resource["status"] == "draft"
        assert resource["intent"] == "proposal"
        assert "id" not in resource


def test_every_published_case_gets_an_answer_that_the_kit_accepts(client: Client) -> None:
    for case in CASES:
        answer = client.hook(call(resources(case)))
        assert answer.status_code == 200, case.name
        told = answer.json()
        assert len(told["cards"]) <= 1
        assert "systemActions" not in told
        for card in told["cards"]:
            check_card(card)
            rule = card["source"]["topic"]["code"]
            kind = knowledge().rules[rule].kind if rule in knowledge().rules else "state"
            assert (card["indicator"] == "critical") == (kind == "emergency"), case.name
    assert client.house.metrics.text().count(b"carnallite_cards_total{") >= 2


def test_every_rule_fits_a_summary_whole() -> None:
    for rule in knowledge().rules.values():
        for summary in (rule.summary, f"Not known whether safe: {rule.summary}"):
            assert len(summary) <= cards.LONGEST, rule.id


def test_who_is_well_gets_no_card_but_what_was_evaluated(client: Client) -> None:
    told = client.hook(call(WELL)).json()
    assert told["cards"] == []
    assert told["extension"][hooks.EXTENSION]["states"] == {
        "magnesium": "normal", "potassium": "normal", "calcium": "normal",
    }  # fmt: skip


def test_more_cards_than_one_only_where_a_site_wants_them() -> None:
    with Client(replace(RECORD, cards=3)) as client:
        told = client.hook(call(FIRST)).json()
    assert len(told["cards"]) == 3
    assert len({card["uuid"] for card in told["cards"]}) == 3
    assert [card["indicator"] for card in told["cards"]] == ["critical"] * 3


# every form of prefetch --------------------------------------------------------------------------------------------
def outcome(answer: Any) -> dict[str, Any]:
    told: dict[str, Any] = answer.json()
    assert told["resourceType"] == "OperationOutcome"
    assert told["issue"][0]["severity"] == "error"
    assert not empty_members(told)
    return told


def with_prefetch(key: str, value: Any) -> dict[str, Any]:
    told = call(FIRST)
    if value is None:
        del told["prefetch"][key]
    else:
        told["prefetch"][key] = value
    return told


FAILED = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "processing"}]}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("results", None), ("patient", None), ("results", FAILED), ("results", searchset([FAILED])),
        ("patient", FAILED),
        ("results", 5), ("results", {"resourceType": "Patient", "id": "p-001"}),
        ("patient", {"resourceType": "Patient", "id": "somebody-else"}),
        ("results", searchset([]) | {"link": [{"relation": "next", "url": "https://ehr.example.org/fhir?page=2"}]}),
    ],
)  # fmt: skip
def test_what_is_missing_and_cannot_be_fetched_is_412(client: Client, key: str, value: Any) -> None:
    answer = client.hook(with_prefetch(key, value))
    assert answer.status_code == 412
    assert key in outcome(answer)["issue"][0]["diagnostics"]


def test_null_and_an_empty_bundle_say_that_there_is_nothing(client: Client) -> None:
    for nothing in (None, searchset([]), {"resourceType": "Bundle", "type": "searchset", "total": 0}):
        told = call(WELL)
        told["prefetch"]["family"] = told["prefetch"]["procedures"] = nothing
        assert client.hook(told).status_code == 200


def test_a_patient_that_is_null_is_no_patient(client: Client) -> None:
    told = call(FIRST)
    told["prefetch"]["patient"] = None
    assert client.hook(told).status_code == 412


class Server:
    """A FHIR server that holds one record, in pages of some size."""

    BASE = "https://ehr.example.org/fhir"

    def __init__(self, found: list[dict[str, Any]], page: int = 1000) -> None:
        self.given, self.page, self.asked = prefetch(found), page, list[tuple[str, str]]()

    def __call__(self, url: str, token: str) -> bytes:
        self.asked.append((url, token))
        path = url.removeprefix(f"{self.BASE}/")
        if path.startswith("Patient/"):
            return json.dumps(self.given["patient"]).encode()
        address = urlsplit(path)
        keys = {"Observation": "results", **KEYS}
        entries = self.given[keys[address.path]].get("entry", [])
        start = int(parse_qs(address.query).get("from", ["0"])[0])
        told = {"resourceType": "Bundle", "type": "searchset", "entry": entries[start : start + self.page]}
        if start + self.page < len(entries):
            told["link"] = [{"relation": "next", "url": f"{self.BASE}/{address.path}?from={start + self.page}"}]
        return json.dumps(told).encode()


class Unsearching(Server):
    """A FHIR server that does not search results by code or category, in its own words."""

    def __init__(self, found: list[dict[str, Any]], code: str) -> None:
        super().__init__(found)
        self.code = code

    def __call__(self, url: str, token: str) -> bytes:
        if "code=" in url or "category=" in url:
            self.asked.append((url, token))
            raise FetchFailed("fetch", self.code)
        return super().__call__(url, token)

    def narrow(self) -> int:
        """Return how often results were asked for in a way that it does not know."""
        return sum("code=" in url or "category=" in url for url, _ in self.asked)


ASKING = replace(RECORD, fhir_servers=(Server.BASE,))


def without_prefetch(found: list[dict[str, Any]]) -> dict[str, Any]:
    told = call(found) | {
        "fhirServer": Server.BASE,
        "fhirAuthorization": {
            "access_token": "opaque", "token_type": "Bearer", "expires_in": 300, "scope": "patient/*.rs",
            "subject": "us",
        },
    }  # fmt: skip
    del told["prefetch"]
    return told


def same(card: dict[str, Any]) -> dict[str, Any]:
    return {key: card[key] for key in ("summary", "indicator", "detail")}


@pytest.mark.parametrize("page", [1000, 3])
def test_what_is_not_given_is_fetched_with_the_token_and_all_pages(page: int) -> None:
    server = Server(FIRST, page)
    with Client(ASKING, fetch=server) as client:
        fetched = client.hook(without_prefetch(FIRST))
    with Client() as other:
        given = other.hook(call(FIRST))
    assert fetched.status_code == 200
    assert same(fetched.json()["cards"][0]) == same(given.json()["cards"][0])
    assert {token for _, token in server.asked} == {"opaque"}
    assert len(server.asked) >= len(templates(RECORD))


def test_only_what_is_missing_is_fetched_and_a_first_page_is_followed() -> None:
    server = Server(FIRST, 3)
    told = without_prefetch(FIRST) | {"prefetch": prefetch(FIRST)}
    told["prefetch"]["results"] = json.loads(server(f"{Server.BASE}/Observation?x=1", ""))
    server.asked.clear()
    del told["prefetch"]["conditions"]
    with Client(ASKING, fetch=server) as client:
        answer = client.hook(told)
    assert answer.status_code == 200
    paths = {urlsplit(url).path.rpartition("/")[2] for url, _ in server.asked}
    assert paths == {"Observation", "Condition"}


def test_more_pages_than_allowed_are_412() -> None:
    with Client(replace(ASKING, pages=2), fetch=Server(FIRST, 1)) as client:
        assert client.hook(without_prefetch(FIRST)).status_code == 412


def test_a_next_page_on_another_server_is_not_asked_for() -> None:
    asked = list[str]()

    def fetch(url: str, token: str) -> bytes:
        asked.append(url + token)
        return b"{}"

    told = without_prefetch(FIRST) | {"prefetch": prefetch(FIRST)}
    told["prefetch"]["results"]["link"] = [{"relation": "next", "url": "https://ehr.example.org.evil.example/fhir?p=2"}]
    with Client(ASKING, fetch=fetch) as client:
        assert client.hook(told).status_code == 412
    assert not asked
    with Client(RECORD, fetch=fetch) as client:  # the server itself is not allowed
        assert client.hook(without_prefetch(FIRST)).status_code == 412
    assert not asked


# what is not a call ------------------------------------------------------------------------------------------------
def test_a_wrong_hook_is_400(client: Client) -> None:
    for hook in ("patient-view", "encounter-start"):
        answer = client.post("/cds-services/carnallite-order-select", json=call(FIRST) | {"hook": hook})
        assert answer.status_code == 400
        assert "/hook" in outcome(answer)["issue"][0]["diagnostics"]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"hookInstance": ""}, "/hookInstance"), ({"context": {"userId": "Practitioner/1"}}, "/context"),
        ({"context": {"userId": "x", "patientId": "1"}}, "/context/userId"), ({"hook": 5}, "/hook"),
        ({"context": {"userId": "Practitioner/1", "patientId": "../1"}}, "/context/patientId"),
        ({"fhirAuthorization": {"access_token": ""}}, "/fhirAuthorization"),
        ({"fhirAuthorization": {"access_token": "x", "patient": "other"}}, "/fhirAuthorization/patient"),
        ({"hookInstance": "of Mrs Doe"}, "/hookInstance"), ({"prefetch": []}, "/prefetch"),
    ],
)  # fmt: skip
def test_a_call_that_is_not_whole_is_400_with_a_pointer(client: Client, change: dict[str, Any], pointer: str) -> None:
    answer = client.post("/cds-services/carnallite-patient-view", json=call(FIRST) | change)
    assert answer.status_code == 400
    assert pointer in outcome(answer)["issue"][0]["diagnostics"]


def test_no_service_of_that_name_is_404(client: Client) -> None:
    for name in ("patient-view", "carnallite-", "other"):
        answer = client.post(f"/cds-services/{name}", json=call(FIRST))
        assert answer.status_code == 404
        outcome(answer)


def test_results_of_somebody_else_in_the_prefetch_refuse_the_whole(client: Client) -> None:
    told = call(FIRST)
    other = WELL[1] | {"subject": {"reference": "Patient/other"}}
    told["prefetch"]["results"]["entry"].append({"resource": other})
    answer = client.hook(told)
    assert answer.status_code == 422
    assert "somebody else" in outcome(answer)["issue"][0]["details"]["text"]


# again, worse, superseded -------------------------------------------------------------------------------------------
def at(value: float, hour: int = 8) -> list[dict[str, Any]]:
    """Return the record of who is well with another potassium."""
    told: list[dict[str, Any]] = json.loads(json.dumps(WELL))
    told[2]["valueQuantity"]["value"] = value
    for one in told[1:]:
        one["effectiveDateTime"] = f"2020-06-01T{hour:02}:00:00Z"
    return told


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = datetime(2020, 6, 1, 9, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def test_a_fact_is_shown_again_after_a_day_or_when_it_is_worse() -> None:
    clock = Clock()
    with Client(replace(RECORD, clock="wall"), clock=clock) as client:
        assert len(client.hook(call(at(3.3))).json()["cards"]) == 1
        clock.now += timedelta(hours=1)
        silent = client.hook(call(at(3.3))).json()
        assert silent["cards"] == []
        assert silent["extension"][hooks.EXTENSION]["shown_before"] == 2
        assert silent["extension"][hooks.EXTENSION]["states"]["potassium"] == "low"
        assert client.hook(call(at(3.4))).json()["cards"] == []
        assert len(client.hook(call(at(2.7, 9))).json()["cards"]) == 1
        assert client.hook(call(at(2.9, 9))).json()["cards"] == []
        clock.now += timedelta(hours=24)
        assert len(client.hook(call(at(3.3, 9))).json()["cards"]) == 1


def test_an_emergency_is_shown_to_each_who_opens_the_chart(client: Client) -> None:
    assert client.hook(call(FIRST)).json()["cards"][0]["indicator"] == "critical"
    assert client.hook(call(FIRST)).json()["cards"] == []
    again = client.hook(call(FIRST, userId="Practitioner/other")).json()["cards"]
    assert again[0]["indicator"] == "critical"


# orders --------------------------------------------------------------------------------------------------------------
def order(text: str, id: str = "draft-1", patient: str = "well") -> dict[str, Any]:
    return {
        "resourceType": "MedicationRequest", "id": id, "status": "draft", "intent": "order",
        "medicationCodeableConcept": {"text": text.split(",", maxsplit=1)[0]},
        "subject": {"reference": f"Patient/{patient}"},
        "dosageInstruction": [{"text": text.partition(", ")[2]}],
    }  # fmt: skip


def ordering(hook: str, *drafts: dict[str, Any], found: Any = None, **context: Any) -> dict[str, Any]:
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": one} for one in drafts]}
    return call(WELL if found is None else found, hook, draftOrders=bundle, **context)


FAST = order("potassium chloride, 40 mmol IV push")
PLAIN = order("amoxicillin, 500 mg by mouth three times a day", "draft-2")


def test_an_unsafe_order_is_stopped_at_each_signing(client: Client) -> None:
    for _ in range(2):
        told = client.hook(ordering("order-sign", FAST)).json()
        assert [card["indicator"] for card in told["cards"]] == ["critical"]
        check_card(told["cards"][0])
        assert told["cards"][0]["summary"].startswith("Potassium chloride: ")
        assert "MedicationRequest 1: " in told["cards"][0]["detail"]


def test_h54_an_objection_stands_from_choosing_to_signing_however_often_it_is_asked_for(client: Client) -> None:
    draft = order("spironolactone, 25 mg by mouth daily")
    more = order("spironolactone, 75 mg by mouth daily")
    asked = [("order-select", draft), ("order-select", draft), ("order-select", more), ("order-sign", more)]
    told = [client.hook(ordering(hook, one, found=at(5.6))).json() for hook, one in asked]
    assert [card["source"]["topic"]["code"] for one in told for card in one["cards"]] == ["raas_in_hyperkalemia"] * 4
    assert [one["extension"][hooks.EXTENSION]["shown_before"] for one in told] == [0] * 4


def test_tablets_of_an_order_are_counted_against_the_limits(client: Client) -> None:
    draft = order("Potassium Chloride 20 MEQ Extended Release Oral Tablet")
    draft["dosageInstruction"] = [{"timing": {"repeat": {"frequency": 4, "period": 1, "periodUnit": "d"}},
                                   "doseAndRate": [{"doseQuantity": {"value": 5, "code": "{pill}"}}]}]  # fmt: skip
    (card,) = client.hook(ordering("order-sign", draft)).json()["cards"]
    assert "400 mmol" in card["summary"] + card["detail"]


def test_an_order_that_says_nothing_of_ours_is_silent(client: Client) -> None:
    for hook in ("order-select", "order-sign"):
        answer = client.hook(ordering(hook, PLAIN))
        assert answer.status_code == 200
        assert answer.json()["cards"] == []
        assert hooks.EXTENSION in answer.json()["extension"]


def test_only_selected_orders_are_told_of(client: Client) -> None:
    drafts = (PLAIN, FAST)
    plain = client.hook(ordering("order-select", *drafts, selections=["MedicationRequest/draft-2"]))
    fast = client.hook(ordering("order-select", *drafts, selections=["MedicationRequest/draft-1"]))
    assert plain.json()["cards"] == []
    assert "MedicationRequest 2: " in fast.json()["cards"][0]["detail"]


@pytest.mark.parametrize(
    ("drafts", "status"),
    [
        ({"draftOrders": 5}, 400), ({"draftOrders": {"resourceType": "Patient"}}, 400), ({}, 400),
        ({"draftOrders": {"resourceType": "Bundle", "entry": [{"resource": 5}]}}, 400),
        ({"draftOrders": {"resourceType": "Bundle", "entry": [{"resource": order("x, 1", patient="other")}]}}, 400),
        ({"draftOrders": {"resourceType": "Bundle", "entry": [{"resource": PLAIN}] * 31}}, 413),
    ],
)  # fmt: skip
def test_drafts_that_are_none_or_for_somebody_else_are_refused(
    client: Client, drafts: dict[str, Any], status: int
) -> None:
    answer = client.hook(call(WELL, "order-sign", **drafts))
    assert answer.status_code == status
    assert "draftOrders" in outcome(answer)["issue"][0]["diagnostics"]


def test_a_drug_that_is_named_elsewhere_is_fetched_or_refused() -> None:
    draft = {key: value for key, value in FAST.items() if key != "medicationCodeableConcept"}
    draft["medicationReference"] = {"reference": "Medication/m1"}
    told = ordering("order-sign", draft)
    with Client() as client:
        answer = client.hook(told)
    assert answer.status_code == 412
    drug = {"resourceType": "Medication", "id": "m1", "code": {"text": "potassium chloride"}}
    asked = list[str]()

    def fetch(url: str, token: str) -> bytes:
        asked.append(url)
        return json.dumps(drug).encode()

    with Client(ASKING, fetch=fetch) as client:
        card = client.hook(told | {"fhirServer": Server.BASE}).json()["cards"][0]
    assert card["indicator"] == "critical"
    assert asked == [f"{Server.BASE}/Medication/m1"]


@pytest.mark.parametrize(("observations", "code"), [("codes", "status_414"), ("category", "status_400")])
def test_a_server_that_does_not_search_by_code_is_asked_for_all_once_and_for_good(observations: Any, code: str) -> None:
    server = Unsearching(FIRST, code)
    with Client(replace(ASKING, observations=observations), fetch=server) as client, Client() as other:
        asked = []
        for _ in range(3):
            found = client.hook(without_prefetch(FIRST))
            assert found.status_code == 200
            asked.append(server.narrow())
        given = other.hook(call(FIRST))
        notes = [one for one in map(json.loads, client.said.getvalue().splitlines()) if one["event"] == "note"]
    assert (
        found.json()["extension"]["org.carnallite.evaluated"]["states"]
        == (given.json()["extension"]["org.carnallite.evaluated"]["states"])
    )
    assert 1 <= asked[0] <= 2 and asked == 3 * asked[:1], "once for a key, at the first call"
    assert [one["what"].split(" ")[0] for one in notes] == [Server.BASE]


@pytest.mark.parametrize("code", ["status_401", "status_403", "status_500", "late", "broken"])
def test_other_failures_of_a_search_are_not_taken_for_that(code: str) -> None:
    server = Unsearching(FIRST, code)
    with Client(replace(ASKING, observations="codes"), fetch=server) as client:
        for _ in range(2):
            assert client.hook(without_prefetch(FIRST)).status_code == 412
        assert server.narrow() >= 2
        assert not client.house.learned.is_plain(Server.BASE)


def test_results_that_a_client_gave_in_part_are_asked_for_as_a_whole() -> None:
    server = Unsearching(FIRST, "status_400")
    told = without_prefetch(FIRST)
    given = call(FIRST)["prefetch"]
    told["prefetch"] = {key: one for key, one in given.items() if key != "results"} | {"results": searchset([])}
    with Client(replace(ASKING, observations="category"), fetch=server) as client, Client() as other:
        found, whole = client.hook(told), other.hook(call(FIRST))
    states = [one.json()["extension"]["org.carnallite.evaluated"]["states"] for one in (found, whole)]
    assert states[0] == states[1]


def test_a_server_that_gives_nothing_is_not_taken_for_that() -> None:
    def nothing(url: str, token: str) -> bytes:
        raise FetchFailed("fetch", "status_404")

    with Client(replace(ASKING, observations="codes"), fetch=nothing) as client:
        assert client.hook(without_prefetch(FIRST)).status_code == 412
        assert not client.house.learned.is_plain(Server.BASE)
