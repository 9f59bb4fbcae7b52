"""FHIR operations: `$assess` and `$forecast` on a posted record, or on a patient of a server that we may ask."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import Meta

from carnallite.surfaces.service import body, prefetch, work
from carnallite.surfaces.service.hooks import decoded
from carnallite.surfaces.service.refusal import FHIR_JSON, Refusal

if TYPE_CHECKING:
    from starlette.requests import Request

    from carnallite.surfaces.service.house import House

JSON = "application/json"
Depth = Literal["findings", "library", "cloud", "fit"]
SLOW = frozenset({"cloud", "fit"})
FORMS = {FHIR_JSON: "fhir", JSON: "assessment", "application/*": "fhir", "*/*": "fhir"}


class Link(msgspec.Struct, frozen=True):
    """A Reference."""

    reference: Annotated[str, Meta(examples=["Patient/1288992"])] = ""


class Parameter(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One parameter of an operation."""

    name: Literal["record", "patient", "server", "now", "depth"]
    resource: msgspec.Raw = msgspec.field(default_factory=msgspec.Raw)
    value_string: str | None = None
    value_code: str | None = None
    value_id: str | None = None
    value_uri: str | None = None
    value_url: str | None = None
    value_date_time: datetime | None = None
    value_instant: datetime | None = None
    value_reference: Link | None = None

    def text(self) -> str:
        """Return the value of a parameter that is a text."""
        told = (self.value_string, self.value_code, self.value_id, self.value_uri, self.value_url)
        return next((one for one in told if one is not None), "")


class Parameters(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What an operation is asked: a record, or a patient of a server; when, and how deep."""

    resource_type: Literal["Parameters"]
    parameter: Annotated[tuple[Parameter, ...], Meta(max_length=8)] = ()


class _Head(msgspec.Struct, frozen=True, rename="camel"):
    resource_type: str = ""


class _Asked(NamedTuple):
    record: bytes | None
    patient: str
    server: str
    now: datetime | None
    depth: Depth | None


_head, _parameters = msgspec.json.Decoder(_Head), msgspec.json.Decoder(Parameters)


def form_of(request: Request) -> str:
    """Return in which form an answer is wanted: FHIR resources, or `carnallite.assessment/1`.

    Raises
    ------
    Refusal
        406, it is neither.
    """
    wanted = [part.split(";")[0].strip().lower() for part in request.headers.get("accept", "*/*").split(",")]
    for one in wanted:
        if one in FORMS:
            return FORMS[one]
    do = f"Accept {FHIR_JSON} or {JSON}."
    raise Refusal(406, "not-supported", "Accept", "the answer has no such form.", do)


async def answered(request: Request, house: House, depth: Depth) -> tuple[bytes, str]:
    """Return the answer of an operation with its media type, after it was written into the audit log.

    Parameters
    ----------
    depth : str
        What it rests on unless it is asked otherwise.
    """
    form = form_of(request)
    asked = _asked(await body.read(request))
    bundle, patient = (asked.record, "") if asked.record else await _fetched(house, asked)
    if bundle is None:
        raise Refusal(400, "required", "/parameter", "there is neither a record nor a patient.", "Send one of them.")
    deep = asked.depth or depth
    task = msgspec.structs.replace(
        house.task(bundle, now=house.clock(), patient=patient), depth=deep,
        now=asked.now or (house.clock() if patient and house.settings.clock == "wall" else None),
    )  # fmt: skip
    lane = "fits" if deep in SLOW else "answers"
    found = await house.compute(lane, work.answered, task, form, house.settings.is_demonstration)
    if isinstance(found, work.NotRead):
        raise Refusal(412 if patient else 422, "invalid", found.where, f"Not evaluated: {found.what}", found.do)
    operation = request.url.path.rpartition("$")[2]
    await house.audit(
        request,
        "operation",
        {"operation": operation, "kind": deep, "key": found.record},
        patient=patient or found.record,
    )
    return found.body, FHIR_JSON if form == "fhir" else JSON


def _asked(data: bytes) -> _Asked:
    kind = decoded(_head, data).resource_type
    if kind == "Bundle":
        return _Asked(data, "", "", None, None)
    if kind != "Parameters":
        raise Refusal(400, "value", "/resourceType", "it is neither a Bundle nor Parameters.", "Send one of them.")
    told: dict[str, Any] = {}
    for number, one in enumerate(decoded(_parameters, data).parameter):
        where = f"/parameter/{number}"
        if one.name in told:
            raise Refusal(400, "value", where, "it stands twice.", "Send it once.")
        told[one.name] = _value(one, where)
    return _Asked(*(told.get(name, default) for name, default in _DEFAULTS.items()))


_DEFAULTS: dict[str, Any] = {"record": None, "patient": "", "server": "", "now": None, "depth": None}


def _value(one: Parameter, where: str) -> Any:
    if one.name == "record":
        found: Any = bytes(one.resource) or None
    elif one.name == "now":
        found = one.value_date_time or one.value_instant
        found = None if found is not None and found.tzinfo is None else found
    elif one.name == "patient":
        found = one.value_reference.reference.removeprefix("Patient/") if one.value_reference else one.text()
        found = found if prefetch.ID.fullmatch(found) else None
    elif one.name == "depth":
        found = one.text() if one.text() in {"findings", "library", *SLOW} else None
    else:
        found = one.text()
    if not found:
        raise Refusal(400, "value", where, "its value is missing or wrong.", "See /openapi.json.")
    return found


async def _fetched(house: House, asked: _Asked) -> tuple[bytes | None, str]:
    """Return the record of a patient of a server that we may ask."""
    if not asked.patient:
        return None, ""
    servers = house.settings.fhir_servers
    server = asked.server or (servers[0] if len(servers) == 1 else "")
    source = prefetch.source_of(house.settings, server, None, house.fetch)
    found = await prefetch.gather(house.settings, asked.patient, {}, source)
    return found.bundle, asked.patient
