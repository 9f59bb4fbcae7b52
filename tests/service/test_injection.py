"""No text of a record becomes part of a card, an answer or a line of the log."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import replace

from hooked import RECORD, Client, call
from injected import PAYLOADS, Tags, hostile


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with Client(replace(RECORD, cards=5)) as one:
        yield one


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from texts(one)


def test_h59_no_text_of_a_record_becomes_part_of_a_card(client: Client) -> None:
    answer = client.hook(call(hostile()))
    assert answer.status_code == 200
    cards = answer.json()["cards"]
    assert cards, "there is a low magnesium to speak of"
    for text in texts(cards):
        assert not Tags(text).found
        assert not re.search(r"\]\(\s*(javascript|data):", text, re.IGNORECASE), "Markdown is rendered by clients"


def test_h59_answers_are_json_and_never_a_page(client: Client) -> None:
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": one} for one in hostile()]}
    sent = json.dumps(bundle).encode()
    for accept in ("application/json", "application/fhir+json"):
        headers = {"content-type": "application/fhir+json", "accept": accept}
        answer = client.post("/$assess", content=sent, headers=headers)
        assert answer.status_code == 200
        assert answer.headers["content-type"].split(";")[0] == accept
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_h59_an_address_is_no_part_of_a_page_or_of_the_log(client: Client) -> None:
    for payload in PAYLOADS:
        answer = client.get(f"/cards/{payload.replace('/', '%2F')}", headers={"accept": "text/html"})
        assert "alert(1)" not in answer.text
        assert not set(Tags(answer.text).found)
    said = client.said.getvalue()
    assert "alert" not in said
    assert all(isinstance(json.loads(line), dict) for line in said.splitlines()), "every line is one whole line"
