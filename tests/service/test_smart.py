"""SMART App Launch: the report of the right patient in the right browser once, and nothing of it left behind."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from html import escape
from itertools import zip_longest
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from msgspec.structs import replace

import callers
import listeners
from carnallite import __version__
from carnallite.errors import SettingError
from carnallite.plan import advise
from carnallite.record import read_record
from carnallite.surfaces.overdue import dated, this_day
from carnallite.surfaces.report import render_html
from carnallite.surfaces.service import smart
from carnallite.surfaces.service.application import add
from carnallite.surfaces.service.apps import App
from carnallite.surfaces.service.refusal import Refusal
from carnallite.surfaces.service.smart import Smart
from carnallite.surfaces.service.store import Store
from ehr import CLIENT, Ehr
from hooked import CASES, RECORD, WELL, Client, resources
from injected import PAYLOADS, Tags, hostile

COOKIE = re.compile(r"(__Host-launch-[0-9a-f]{16})=([\w=-]*); Max-Age=(\d+); Path=/; Secure; HttpOnly; SameSite=(.*)")


class Launch:
    """A browser in front of the service and an EHR."""

    def __init__(self, client: Client, ehr: Ehr) -> None:
        self.client, self.ehr, self.jar = client, ehr, dict[str, str]()

    def begin(self, path: str = smart.LAUNCH, **query: str) -> httpx.Response:
        given = {"iss": self.ehr.base} | ({"launch": "chart-1"} if path == smart.LAUNCH else {}) | query
        response = self.client.get(path, params=given, follow_redirects=False)
        for one in response.headers.get_list("set-cookie"):
            found = COOKIE.fullmatch(one)
            assert found, one
            self.jar[found[1]] = found[2]
        self.client._http.cookies.clear()
        return response

    def back(self, **query: str) -> httpx.Response:
        cookie = "; ".join(f"{name}={value}" for name, value in self.jar.items())
        return self.client.get(smart.BACK, params=query, headers={"cookie": cookie} if cookie else {})

    def whole(self, **query: str) -> httpx.Response:
        to = self.begin(**query).headers["location"]
        return self.back(code=self.ehr.authorized(to), state=parse_qs(urlsplit(to).query)["state"][0])


@contextmanager
def launching(tmp_path: Path, ehr: Ehr, clock: Any = None, **app: Any) -> Iterator[Launch]:
    with listeners.listening(ehr) as (url, _):
        ehr.url = url
        settings = replace(RECORD, loopback=True, intended_use="the tests", public_url="https://cds.example")
        store = Store.open(f"sqlite:///{tmp_path / 'audit.db'}")
        with Client(settings, store=store, **({"clock": clock} if clock else {})) as client:
            add(client.app, Smart(settings, (App(issuer=ehr.base, client=CLIENT, **app),)).answers())
            quick(client)
            yield Launch(client, ehr)
        store.close()


def quick(client: Client) -> None:
    """Let the lane of individual fits be full: the report is then that of cards."""

    async def full(*_: Any) -> Any:
        raise Refusal(503, "throttled", "", "full.")

    client.house.lanes["fits"].run = full  # type: ignore[method-assign]


def rows(launch: Launch) -> list[dict[str, Any]]:
    return [row.facts for row in launch.client.store.rows() if row.action == "launch"]


def code(launch: Launch, response: httpx.Response, status: int) -> str:
    """Return why a launch went no further; it is audited, and the page has no more than words."""
    assert response.status_code == status
    assert response.headers["content-type"].startswith("text/html")
    assert response.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert rows(launch)[-1]["outcome"] == "refused"
    return rows(launch)[-1]["code"]


def differences(one: str, other: str) -> int:
    """Return how many lines of two pages differ."""
    return sum(a != b for a, b in zip_longest(one.splitlines(), other.splitlines()))


def test_the_report_of_the_open_chart(tmp_path: Path) -> None:
    ehr = Ehr(resources(CASES[0]))
    with launching(tmp_path, ehr) as launch:
        to = launch.begin().headers["location"]
        asked = {name: values[0] for name, values in parse_qs(urlsplit(to).query).items()}
        assert to.startswith(f"{ehr.url}/authorize?")
        assert asked["aud"] == ehr.base
        assert asked["launch"] == "chart-1"
        assert asked["redirect_uri"] == "https://cds.example/smart/callback"
        assert {"launch", "openid", "fhirUser", "patient/Patient.rs", "patient/Observation.rs"} <= set(
            asked["scope"].split()
        )
        response = launch.back(code=ehr.authorized(to), state=asked["state"])
        assert response.status_code == 200
        reading = read_record(CASES[0])
        made = dated(advise(reading, version=__version__, depth="library"), this_day())
        assert differences(response.text, render_html(made, reading.timeline, units="si")) <= 2, "its digest alone"
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["referrer-policy"] == "no-referrer"
        policy = response.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:;")
        assert policy.endswith("frame-ancestors 'none'; sandbox")
        assert COOKIE.fullmatch(response.headers["set-cookie"])[3] == "0"
        (row,) = rows(launch)
        assert (row["outcome"], row["user"], row["server"]) == ("shown", "Practitioner/example", ehr.base)
        assert len(row["patient"]) == 32


def test_h56_no_token_and_no_name_is_left_behind(tmp_path: Path) -> None:
    well = json.loads(json.dumps(WELL))
    well[0] |= {"name": [{"text": "Canary Anna"}], "identifier": [{"value": "MRN-CANARY"}], "birthDate": "1951-02-03"}
    ehr = Ehr(well)
    with launching(tmp_path, ehr) as launch:
        page = launch.whole().text
        ehr.forbidden.add("Observation")
        refused = launch.whole().text
        told = launch.client.said.getvalue()
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    for canary in ("Canary", "MRN-CANARY", "1951-02-03", *ehr.tokens, *launch.jar.values()):
        if canary:
            assert canary not in told
            assert canary.encode() not in written
            assert canary not in page
            assert canary not in refused
    assert len(ehr.tokens) == 2


@pytest.mark.parametrize("needed", [True, None])
def test_who_the_patient_is_stands_on_the_page_where_no_ehr_shows_it(tmp_path: Path, needed: bool | None) -> None:
    well = json.loads(json.dumps(WELL))
    well[0]["name"] = [{"given": ["Anna"], "family": "Ex<b>ample"}]
    with launching(tmp_path, Ehr(well, need_patient_banner=needed)) as launch:
        assert "Anna Ex&lt;b&gt;ample, born 1970-01-01, female" in launch.whole().text


def test_h59_no_text_of_a_record_becomes_part_of_the_page(tmp_path: Path) -> None:
    assert len(PAYLOADS) >= 60
    with launching(tmp_path, Ehr(hostile(), need_patient_banner=True)) as launch:
        response = launch.whole()
    assert response.status_code == 200
    assert not Tags(response.text).found
    assert "sandbox" in response.headers["content-security-policy"]
    assert "&lt;script&gt;" in response.text, "the payloads are on the page, as text"
    assert Tags("<img src=x onerror=alert(1)>").found  # or nothing would be found at all


@pytest.mark.parametrize(
    ("change", "why"),
    [({"state": "x" * 43}, "state"), ({"state": ""}, "state"), ({"state": "../../x"}, "state"),
     ({"code": ""}, "denied"), ({"error": "access_denied"}, "denied"), ({"code": "made-up"}, "token")],
)  # fmt: skip
def test_a_browser_that_comes_back_with_something_else(tmp_path: Path, change: dict[str, str], why: str) -> None:
    with launching(tmp_path, Ehr(WELL)) as launch:
        to = launch.begin().headers["location"]
        given = {"code": launch.ehr.authorized(to), "state": parse_qs(urlsplit(to).query)["state"][0]}
        status = {"state": 400, "denied": 403, "token": 502}[why]
        assert code(launch, launch.back(**given | change), status) == why


def test_another_browser_a_second_time_and_too_late(tmp_path: Path) -> None:
    now = [datetime(2026, 11, 23, 12, tzinfo=UTC)]
    with launching(tmp_path, Ehr(WELL), clock=lambda: now[0]) as launch:
        to = launch.begin().headers["location"]
        given = {"code": launch.ehr.authorized(to), "state": parse_qs(urlsplit(to).query)["state"][0]}
        own, launch.jar = launch.jar, {}
        assert code(launch, launch.back(**given), 400) == "state"
        launch.jar = {name: value[:-4] + "AAAA" for name, value in own.items()}
        assert code(launch, launch.back(**given), 400) == "state"
        launch.jar = own
        assert launch.back(**given).status_code == 200
        assert code(launch, launch.back(**given), 400) == "state"
        to = launch.begin().headers["location"]
        given = {"code": launch.ehr.authorized(to), "state": parse_qs(urlsplit(to).query)["state"][0]}
        now[0] += timedelta(minutes=11)
        assert code(launch, launch.back(**given), 400) == "state"


def test_two_launches_in_one_browser_do_not_meet(tmp_path: Path) -> None:
    with launching(tmp_path, Ehr(WELL)) as launch:
        both = [launch.begin().headers["location"] for _ in range(2)]
        states = [parse_qs(urlsplit(to).query)["state"][0] for to in both]
        codes = [launch.ehr.authorized(to) for to in both]
        assert code(launch, launch.back(code=codes[1], state=states[0]), 502) == "token"
        assert launch.ehr.refused == ["verifier"]
        assert launch.back(code=launch.ehr.authorized(both[1]), state=states[1]).status_code == 200


@pytest.mark.parametrize(
    ("query", "why"),
    [({"iss": "https://evil.example"}, "issuer"), ({"iss": ""}, "issuer"), ({"launch": ""}, "launch"),
     ({"iss": "http://169.254.169.254/latest"}, "issuer")],
)  # fmt: skip
def test_h57_a_launch_from_elsewhere_goes_nowhere(tmp_path: Path, query: dict[str, str], why: str) -> None:
    with launching(tmp_path, Ehr(WELL)) as launch:
        response = launch.begin(**query)
        assert code(launch, response, 400) == why
        assert "location" not in response.headers


@pytest.mark.parametrize(
    "configured",
    [{"token_endpoint": "https://evil.example/token"}, {"authorization_endpoint": "javascript:alert(1)"},
     {"authorization_endpoint": "https://evil.example/"}, {"code_challenge_methods_supported": ["plain"]},
     {"token_endpoint": None}],
)  # fmt: skip
def test_h57_a_server_that_sends_us_elsewhere_is_refused(tmp_path: Path, configured: dict[str, Any]) -> None:
    with launching(tmp_path, Ehr(WELL)) as launch:
        launch.ehr.configured = configured
        assert code(launch, launch.begin(), 502) == "configuration"


@pytest.mark.parametrize(
    ("told", "why"),
    [({"patient": ""}, "patient"), ({"patient": "../x"}, "patient"), ({"token_type": "mac"}, "patient"),
     ({"id_token": "x.y.z"}, "id_token"), ({"access_token": None}, "token"), ({"patient": "somebody"}, "record")],
)  # fmt: skip
def test_tokens_that_are_not_what_they_should_be(tmp_path: Path, told: dict[str, Any], why: str) -> None:
    with launching(tmp_path, Ehr(WELL, **told)) as launch:
        assert code(launch, launch.whole(), 502) == why


def test_a_record_that_cannot_be_read_whole_is_never_shown(tmp_path: Path) -> None:
    with launching(tmp_path, Ehr(WELL)) as launch:
        launch.ehr.forbidden.add("MedicationRequest")
        response = launch.whole()
        assert code(launch, response, 502) == "record"
        assert "Not evaluated" in response.text


def test_scopes_of_version_one_where_the_server_knows_no_other(tmp_path: Path) -> None:
    with launching(tmp_path, Ehr(WELL)) as launch:
        launch.ehr.capabilities = ["launch-ehr", "permission-patient"]
        scope = parse_qs(urlsplit(launch.begin().headers["location"]).query)["scope"][0].split()
        assert "patient/Observation.read" in scope
        assert not [one for one in scope if one.endswith(".rs")]


def test_standalone_launch(tmp_path: Path) -> None:
    with launching(tmp_path, Ehr(WELL)) as launch:
        query = parse_qs(urlsplit(launch.begin(smart.STANDALONE).headers["location"]).query)
        assert "launch/patient" in query["scope"][0].split()
        assert "launch" not in query
        assert launch.whole(path=smart.STANDALONE).status_code == 200


def test_a_frame_of_the_ehr_gets_a_cookie_of_its_own(tmp_path: Path) -> None:
    with launching(tmp_path, Ehr(WELL), embedded=True) as launch:
        assert launch.begin().headers["set-cookie"].endswith("SameSite=None; Partitioned")
        assert f"frame-ancestors {launch.ehr.url};" in launch.whole().headers["content-security-policy"]
    with launching(tmp_path, Ehr(WELL)) as launch:
        assert launch.begin().headers["set-cookie"].endswith("SameSite=Lax")


def test_a_confidential_client_shows_its_key(tmp_path: Path) -> None:
    key = tmp_path / "own.jwk"
    key.write_text(json.dumps(callers.private(callers.ec_key(), "own")))
    key.chmod(0o600)
    ehr = Ehr(WELL)
    ehr.public = callers.ec_key().public_key()
    with launching(tmp_path, ehr, key=str(key)) as launch:
        assert launch.whole().status_code == 200


def test_a_launch_from_a_server_with_a_long_address_is_audited(tmp_path: Path) -> None:
    ehr = Ehr(resources(CASES[0]))
    ehr.more = "/" + "x" * 1000  # as the SMART launcher has them: all its options stand in its address
    with launching(tmp_path, ehr) as launch:
        assert launch.whole().status_code == 200
        assert rows(launch)[-1]["server"] == ehr.base


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    key = tmp_path / "own.jwk"
    key.write_text(json.dumps(callers.private(callers.ec_key(), "own")))
    key.chmod(0o644)
    app = App(issuer="https://ehr.example/r4", client="x", key=str(key))
    with pytest.raises(SettingError, match="others may read it"):
        Smart(RECORD, (app,))
    with pytest.raises(SettingError, match="same issuer"):
        Smart(RECORD, (replace(app, key=""), replace(app, key="", issuer="https://ehr.example/r4/")))


def test_with_time_the_report_has_an_individual_fit(tmp_path: Path) -> None:
    ehr = Ehr(resources(CASES[0]))
    with launching(tmp_path, ehr) as launch:
        without = launch.whole().text
        del launch.client.house.lanes["fits"].run
        whole = launch.whole().text
    reading = read_record(CASES[0])
    made = advise(reading, version=__version__, depth="fit")
    assert [plan.name for plan in made.plans if escape(plan.name) not in whole] == []
    assert len(whole) > len(without)
