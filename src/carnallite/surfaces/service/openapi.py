"""OpenAPI 3.1 of the service, made from the values that it takes and gives: units and examples stand beside fields."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec

from carnallite import __version__
from carnallite.plan import Advice
from carnallite.surfaces import words
from carnallite.surfaces.service.feedback import Summary
from carnallite.surfaces.service.hooks import HOOKS
from carnallite.surfaces.service.issued import Standing
from carnallite.surfaces.service.operations import Parameters
from carnallite.surfaces.service.refusal import FHIR_JSON
from carnallite.surfaces.service.values import Call, Cards, Feedbacks, Services

if TYPE_CHECKING:
    from collections.abc import Iterable

    from carnallite.surfaces.service.settings import Settings

JSON, TEXT, HTML = "application/json", "text/plain", "text/html"
REFUSALS = {
    400: "It is not what the schema says; `diagnostics` begins with a JSON pointer.",
    403: "For clinicians only.",
    404: "There is no such thing.",
    406: "The answer has no such form.",
    412: "Not evaluated: data are missing and cannot be fetched.",
    413: "The body is larger than its cap.",
    415: "The body is not JSON, or packed in an unknown way.",
    422: "Not evaluated: the record is refused, or a hard limit of the safety table bars a step of a written plan.",
    500: "Not evaluated: a fault of ours, told by its request id alone.",
    503: "Not evaluated: too many calls, or it took too long; ask again after `Retry-After` seconds.",
}
_HOOK = (400, 403, 404, 412, 413, 415, 422, 500, 503)
_OPERATION = (400, 406, 412, 413, 415, 422, 500, 503)
_TYPES = (Services, Call, Cards, Feedbacks, Summary, Standing, Parameters, Advice)
_EXAMPLE = {
    "hook": "patient-view", "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
    "fhirServer": "https://ehr.example.org/fhir",
    "fhirAuthorization": {"access_token": "some-opaque-token", "token_type": "Bearer", "expires_in": 300,
                          "scope": "patient/*.rs", "subject": "carnallite"},
    "context": {"userId": "Practitioner/example", "patientId": "1288992"},
    "prefetch": {"patient": {"resourceType": "Patient", "id": "1288992"}, "family": None},
}  # fmt: skip
_PARAMETERS = {
    "resourceType": "Parameters",
    "parameter": [{"name": "patient", "valueReference": {"reference": "Patient/1288992"}},
                  {"name": "depth", "valueCode": "library"}],
}  # fmt: skip
_PLAN = """title = "Magnesium by vein"

[[step]]
name   = "Drip"
what   = "magnesium sulfate"
amount = "16 mmol"
route  = "intravenous"
over   = "4 h"
volume = "500 mL"
"""
_PLANNED = {
    "resourceType": "Parameters",
    "parameter": [{"name": "patient", "valueReference": {"reference": "Patient/1288992"}},
                  {"name": "plan", "valueString": _PLAN}, {"name": "days", "valueInteger": 7}],
}  # fmt: skip


def document(settings: Settings) -> dict[str, Any]:
    """Return the document of a service with some settings."""
    paths, components = _made()
    secured = [{"token": list[str]()}] if settings.clients else []
    return {
        "openapi": "3.1.0",
        "info": {"title": "carnallite", "version": __version__, "description": words.INTENDED_USE,
                 "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}},
        "servers": [{"url": settings.base}],
        "security": secured,
        "paths": paths,
        "components": components,
    }  # fmt: skip


@cache
def _made() -> tuple[dict[str, Any], dict[str, Any]]:
    _, schemas = msgspec.json.schema_components(_TYPES, ref_template="#/components/schemas/{name}")
    schemas["OperationOutcome"] = _resource("OperationOutcome") | {"description": "Why a call was not answered."}
    schemas["Bundle"] = _resource("Bundle") | {"description": "FHIR R4 Bundle."}
    token = {
        "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
        "description": "Signed by the client with ES384 or RS384: iss, aud (the very address), exp, iat, jti.",
    }  # fmt: skip
    paths = {
        "/cds-services": {"get": _operation("services", "The hooks that are served", (), answer=_ref("Services"))},
        "/cds-services/{id}": {"post": _operation(
            "hook", "Cards for one patient", _HOOK, body=_body(_ref("Call"), _EXAMPLE), answer=_ref("Cards"),
            parameters=[_service()],
        )},
        "/cds-services/{id}/feedback": {"post": _operation(
            "feedback", "What was done with cards", (400, 404, 413, 415, 500, 503), body=_body(_ref("Feedbacks")),
            parameters=[_service()],
        )},
        "/$assess": {"post": _asked("assess", "The whole answer; depth `library` unless asked otherwise", _PARAMETERS)},
        "/$forecast": {"post": _asked(
            "forecast", "The same with an individual fit and what each plan brings: ours, or yours", _PLANNED,
        )},
        "/feedback": {"get": _operation("feedbackSummary", "Override rate and predictive value", (500, 503),
                                        answer=_ref("Summary"))},
        "/cards/{card}": {"get": _operation(
            "card", "Whether a card still holds", (), answer=_ref("Standing"),
            parameters=[{"name": "card", "in": "path", "required": True, "schema": {"type": "string"}}],
        )},
        "/healthz": {"get": _operation("alive", "Whether it is alive", (), answer={"type": "object"})},
        "/readyz": {"get": _ready()},
        "/version": {"get": _operation("version", "What answers rest on", (), answer={"type": "object"})},
        "/metrics": {"get": _plain("metrics", "Counts and durations as Prometheus reads them", TEXT)},
        "/openapi.json": {"get": _operation("openapi", "This document", (), answer={"type": "object"})},
    }  # fmt: skip
    card: dict[str, Any] = paths["/cards/{card}"]["get"]
    card["responses"]["200"]["content"][HTML] = {"schema": {"type": "string"}}
    return paths, {"schemas": schemas, "securitySchemes": {"token": token}}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _resource(type: str) -> dict[str, Any]:
    return {"type": "object", "required": ["resourceType"], "properties": {"resourceType": {"const": type}}}


def _body(schema: dict[str, Any], example: Any = None) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": schema} | ({"example": example} if example else {})
    return {"required": True, "content": {JSON: content}}


def _service() -> dict[str, Any]:
    return {
        "name": "id", "in": "path", "required": True,
        "schema": {"type": "string", "enum": [f"carnallite-{hook}" for hook in HOOKS]},
    }  # fmt: skip


def _operation(
    id: str, summary: str, refusals: Iterable[int], *, body: dict[str, Any] | None = None,
    answer: dict[str, Any] | None = None, parameters: Any = (),
) -> dict[str, Any]:  # fmt: skip
    content = {JSON: {"schema": answer}} if answer else {}
    found: dict[str, Any] = {
        "operationId": id, "summary": summary,
        "responses": {"200": {"description": summary} | ({"content": content} if content else {})} | _refused(refusals),
    }  # fmt: skip
    return found | ({"requestBody": body} if body else {}) | ({"parameters": list(parameters)} if parameters else {})


def _refused(refusals: Iterable[int]) -> dict[str, Any]:
    content = {FHIR_JSON: {"schema": _ref("OperationOutcome")}}
    told: dict[str, Any] = {str(one): {"description": REFUSALS[one], "content": content} for one in refusals}
    return told | ({"401": {"description": "Not let in; without a reason."}} if refusals else {})


def _asked(id: str, summary: str, example: Any) -> dict[str, Any]:
    schema = {"oneOf": [_ref("Parameters"), _ref("Bundle")]}
    content = {kind: {"schema": schema, "example": example} for kind in (FHIR_JSON, JSON)}
    found = _operation(id, summary, _OPERATION, body={"required": True, "content": content})
    found["responses"]["200"]["content"] = {
        FHIR_JSON: {"schema": _ref("Bundle")}, JSON: {"schema": _ref("Advice")},
    }  # fmt: skip
    return found


def _ready() -> dict[str, Any]:
    found = _operation("ready", "Whether it can answer, and each thing that it needs", (), answer={"type": "object"})
    content = {JSON: {"schema": {"type": "object"}}}
    found["responses"]["503"] = {"description": "Something that it needs is not there.", "content": content}
    return found


def _plain(id: str, summary: str, kind: str) -> dict[str, Any]:
    content = {kind: {"schema": {"type": "string"}}}
    return {"operationId": id, "summary": summary, "responses": {"200": {"description": summary, "content": content}}}
