"""The document of the service: made from the values, whole, and what the service answers is what it says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
from starlette.routing import Route

from carnallite.surfaces.service.openapi import document
from hooked import CASES, RECORD, WELL, Client, call, resources
from service.test_hooks import FAST, ordering

DOCUMENT = json.loads(json.dumps(document(RECORD)))


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with Client() as one:
        yield one


def checker(name: str) -> Any:
    schema = {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}
    return jsonschema_rs.Draft202012Validator(schema)


def test_every_route_is_described(client: Client) -> None:
    served = {(one.path, method) for one in client.app.routes if isinstance(one, Route) for method in one.methods or ()}
    told = {(path, method.upper()) for path, item in DOCUMENT["paths"].items() for method in item}
    assert {pair for pair in served if pair[1] != "HEAD"} == told
    assert client.get("/openapi.json").json() == DOCUMENT


def test_every_reference_leads_somewhere_and_examples_hold() -> None:
    text = json.dumps(DOCUMENT)
    for name in {part.split('"')[0] for part in text.split('"#/components/schemas/')[1:]}:
        assert name in DOCUMENT["components"]["schemas"]
    for item in DOCUMENT["paths"].values():
        for content in item.get("post", {}).get("requestBody", {}).get("content", {}).values():
            if "example" in content:
                schema = content["schema"] | {"components": DOCUMENT["components"]}
                jsonschema_rs.Draft202012Validator(schema).validate(content["example"])


def test_answers_are_what_the_document_says(client: Client) -> None:
    checker("Services").validate(client.get("/cds-services").json())
    for told in (call(WELL), *(call(resources(case)) for case in CASES[:10]), ordering("order-sign", FAST)):
        checker("Call").validate(told)
        checker("Cards").validate(client.hook(told).json())
    checker("OperationOutcome").validate(client.hook(call(WELL) | {"prefetch": {}}).json())
    checker("Summary").validate(client.get("/feedback").json())
    checker("Standing").validate(client.get("/cards/1").json())
    headers = {"content-type": "application/json", "accept": "application/json"}
    checker("Advice").validate(client.post("/$assess", content=CASES[0].read_bytes(), headers=headers).json())
    headers["accept"] = "application/fhir+json"
    checker("Bundle").validate(client.post("/$assess", content=CASES[0].read_bytes(), headers=headers).json())
