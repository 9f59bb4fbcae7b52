"""FHIR operations: `$assess` and `$forecast` on a posted record, or on a patient of a server that we may ask.

`$forecast` also takes plans written by hand, as `carnallite forecast --plan` does.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import msgspec
from anyio import to_thread
from msgspec import Meta

from carnallite.errors import PlanError
from carnallite.plan import MOST_PLANS, Written, parse_plan
from carnallite.surfaces.service import body, prefetch, work
from carnallite.surfaces.service.hooks import decoded
from carnallite.surfaces.service.refusal import FHIR_JSON, Refusal

if TYPE_CHECKING:
    from starlette.requests import Request

    from carnallite.surfaces.service.house import House

JSON = "application/json"
Depth = Literal["findings", "library", "cloud", "fit"]
SLOW = frozenset({"cloud", "fit"})
PLAN_LENGTH = 20_000  # characters of one written plan
FORMS = {FHIR_JSON: "fhir", JSON: "assessment", "application/*": "fhir", "*/*": "fhir"}


class Link(msgspec.Struct, frozen=True):
    """A Reference."""

    reference: Annotated[str, Meta(examples=["Patient/1288992"])] = ""


class Parameter(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One parameter of an operation.

    `$forecast` alone takes `plan`, at most four: the text of a plan in TOML (docs/reference/plan.md) in which each
    amount names its unit (mmol of the element, mEq, g, mg, L, mL, U) and each time (min, h, d); and `days` [d].
    """

    name: Literal["record", "patient", "server", "now", "depth", "plan", "days"]
    resource: msgspec.Raw = msgspec.field(default_factory=msgspec.Raw)
    value_string: str | None = None
    value_code: str | None = None
    value_id: str | None = None
    value_uri: str | None = None
    value_url: str | None = None
    value_date_time: datetime | None = None
    value_instant: datetime | None = None
    value_reference: Link | None = None
    value_integer: Annotated[int, Meta(ge=2, le=30, examples=[7], description="[d]")] | None = None

    def text(self) -> str:
        """Return the value of a parameter that is a text."""
        told = (self.value_string, self.value_code, self.value_id, self.value_uri, self.value_url)
        return next((one for one in told if one is not None), "")


class Parameters(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What an operation is asked: a record, or a patient of a server; when, how deep, and under which plans."""

    resource_type: Literal["Parameters"]
    parameter: Annotated[tuple[Parameter, ...], Meta(max_length=12)] = ()


class _Head(msgspec.Struct, frozen=True, rename="camel"):
    resource_type: str = ""


class _Asked(NamedTuple):
    plans: dict[str, _Sent]
    record: bytes | None = None
    patient: str = ""
    server: str = ""
    now: datetime | None = None
    depth: Depth | None = None
    days: int | None = None


class _Sent(NamedTuple):
    where: str
    text: str


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
    operation = request.url.path.rpartition("$")[2]
    asked = _asked(await body.read(request))
    _refuse_idle(asked, operation)
    plans = await to_thread.run_sync(_written, asked.plans)
    bundle, patient = (asked.record, "") if asked.record else await _fetched(house, asked)
    if bundle is None:
        raise Refusal(400, "required", "/parameter", "there is neither a record nor a patient.", "Send one of them.")
    deep = asked.depth or depth
    task = msgspec.structs.replace(
        house.task(bundle, now=house.clock(), patient=patient), depth=deep, plans=plans, days=asked.days or 30,
        now=asked.now or (house.clock() if patient and house.settings.clock == "wall" else None),
    )  # fmt: skip
    lane = "fits" if deep in SLOW else "answers"
    found = await house.compute(lane, work.answered, task, form, house.settings.is_demonstration)
    if isinstance(found, work.NotRead):
        raise Refusal(412 if patient else 422, "invalid", found.where, f"Not evaluated: {found.what}", found.do)
    await house.audit(
        request,
        "operation",
        {"operation": operation, "kind": deep, "key": found.record},
        patient=patient or found.record,
    )
    if isinstance(found, work.Barred):
        where, do = f"{asked.plans[found.plan].where}, step {found.step}", "Change the step, or leave it out."
        raise Refusal(422, "business-rule", where, f"not foretold: a hard limit bars it: {found.why}", do)
    return found.body, FHIR_JSON if form == "fhir" else JSON


def _asked(data: bytes) -> _Asked:
    kind = decoded(_head, data).resource_type
    if kind == "Bundle":
        return _Asked({}, data)
    if kind != "Parameters":
        raise Refusal(400, "value", "/resourceType", "it is neither a Bundle nor Parameters.", "Send one of them.")
    told: dict[str, Any] = {}
    plans = dict[str, _Sent]()
    for number, one in enumerate(decoded(_parameters, data).parameter):
        where = f"/parameter/{number}"
        if one.name in told:
            raise Refusal(400, "value", where, "it stands twice.", "Send it once.")
        if one.name != "plan":
            told[one.name] = _value(one, where)
        elif len(plans) == MOST_PLANS:
            raise Refusal(400, "value", where, f"there are more than {MOST_PLANS} plans.", "Send fewer.")
        else:
            plans[f"plan{len(plans) + 1}"] = _Sent(where, _value(one, where))
    return _Asked(plans, **told)


def _refuse_idle(asked: _Asked, operation: str) -> None:
    """Refuse what would do nothing: plans of `$assess`, days without plans, plans without a fit."""
    if asked.plans and operation != "forecast":
        raise Refusal(400, "value", next(iter(asked.plans.values())).where, "plans are foretold.", "Ask /$forecast.")
    if asked.days and not asked.plans:
        raise Refusal(400, "value", "/parameter", "`days` is for plans of your own.", "Send a `plan`, or no `days`.")
    if asked.plans and asked.depth not in {None, "fit"}:
        raise Refusal(400, "value", "/parameter", "plans are foretold by a fit alone.", "Leave `depth` out.")


def _written(plans: dict[str, _Sent]) -> dict[str, Written]:
    """Return plans as they are understood."""
    try:
        return {id: parse_plan(one.text, one.where) for id, one in plans.items()}
    except PlanError as error:
        raise Refusal(400, "value", error.where, error.what, error.do) from None


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
    elif one.name == "days":
        found = one.value_integer
    elif one.name == "plan":
        found = one.value_string if len(one.value_string or "") <= PLAN_LENGTH else None
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
    source = prefetch.source_of(house, server, None)
    found = await prefetch.gather(house.settings, asked.patient, {}, source)
    return found.bundle, asked.patient
