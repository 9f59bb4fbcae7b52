"""CDS Hooks: discovery, the hooks themselves, feedback, and whether a card still holds."""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from anyio import to_thread
from starlette.requests import ClientDisconnect

from carnallite.surfaces import words
from carnallite.surfaces.service import body, feedback, issued, prefetch, work
from carnallite.surfaces.service.cards import Drafts, Fact, Found, detail
from carnallite.surfaces.service.lanes import Busy
from carnallite.surfaces.service.refusal import Refusal
from carnallite.surfaces.service.values import (
    Action,
    Call,
    Card,
    Cards,
    Coding,
    Feedbacks,
    Link,
    Service,
    Services,
    Source,
    Suggestion,
)

if TYPE_CHECKING:
    from starlette.requests import Request

    from carnallite.surfaces.service.house import House
    from carnallite.surfaces.service.settings import Settings

T = TypeVar("T")
HOOKS = {"patient-view": "1.0", "order-select": "1.0", "order-sign": "1.1.1"}  # of which version
VERSION = "2.0.1"
ORDERS = frozenset({"order-select", "order-sign"})
MOST_DRAFTS = 30
TITLES = {
    "patient-view": "Magnesium and potassium: emergencies, causes and plans",
    "order-select": "Magnesium and potassium: the orders that are being chosen",
    "order-sign": "Magnesium and potassium: the orders that are being signed",
}
EXTENSION = "org.carnallite.evaluated"
DEMONSTRATION = "DEMONSTRATION, not for care. "
TOPICS = "urn:carnallite:facts"
_CLINICIANS = frozenset({"Practitioner", "PractitionerRole"})
_call = msgspec.json.Decoder(Call)
_feedbacks = msgspec.json.Decoder(Feedbacks)


def services(settings: Settings) -> Services:
    """Return what discovery lists."""
    needs = (
        "For clinicians; not for patients and not for automatic orders. All prefetch keys are needed, or fhirServer "
        "and a token; otherwise 412. A client that knows a key to be empty sends null."
    )
    return Services(
        services=tuple(
            Service(
                hook=hook, title=TITLES[hook], id=f"carnallite-{hook}", prefetch=prefetch.templates(settings),
                description=f"{TITLES[hook]}. At most {settings.cards} card{'s' * (settings.cards > 1)}; silent when "
                "everything was evaluated and nothing new is wrong.",
                usage_requirements=needs, version=VERSION, hook_version=version,
            )
            for hook, version in HOOKS.items()
        )
    )  # fmt: skip


def hook_of(id: str) -> str:
    """Return the hook of a service.

    Raises
    ------
    Refusal
        404, there is no such service.
    """
    hook = id.removeprefix("carnallite-")
    if hook not in HOOKS or id == hook:
        raise Refusal(404, "not-found", "service", "there is no such service.", "See /cds-services.")
    return hook


async def answered(request: Request, house: House) -> Cards:
    """Return the cards of one call, after it was written into the audit log.

    Raises
    ------
    Refusal
        Whatever keeps it from being evaluated as a whole.
    ClientDisconnect
        The client did not wait: what it has not seen does not count as shown.
    """
    call = _asked(hook_of(request.path_params["id"]), decoded(_call, await body.read(request)))
    now = house.clock()
    found, fetched = await _found(house, call, now)
    patient = f"{(call.fhir_server or '').rstrip('/')} {call.context.patient_id}"
    keys = (patient, f"{patient} {call.context.user_id}")
    house.issued.evaluated(patient, found)
    new = await to_thread.run_sync(issued.fresh, house.store, keys, found.facts, now, house.settings.again_h)
    if found.is_partial and not new:
        raise Busy  # silence would say that all was evaluated
    shown = new[: house.settings.cards]
    cards = tuple(_card(house.settings, found, fact, new[len(shown) :] if not place else []) for place, fact in
                  enumerate(shown))  # fmt: skip
    facts: dict[str, str | int] = {
        "hook": call.hook, "instance": call.hook_instance, "count": len(cards), "resource": fetched,
    }  # fmt: skip
    await house.audit(request, "hook", facts, patient=patient, user=call.context.user_id)
    if await request.is_disconnected():
        raise ClientDisconnect
    told = new if len(shown) == 1 else shown  # one card names all the others
    await to_thread.run_sync(issued.remember, house.store, keys, told, now)
    for card, fact in zip(cards, shown, strict=True):
        house.issued.add(card.uuid, patient, found, fact.id)
        house.metrics.cards.labels(call.hook, card.indicator).inc()
    return Cards(cards=cards, extension={EXTENSION: _evaluated(house.settings, found, len(found.facts) - len(new))})


def _asked(hook: str, call: Call) -> Call:
    """Return a call that is for a hook, of a clinician, with a token for no other patient."""
    if call.hook != hook:
        raise Refusal(400, "value", "/hook", "the hook is not that of this service.", f"Send {hook} here.")
    if call.context.user_id.partition("/")[0] not in _CLINICIANS:
        what = "it is for clinicians, not for patients or those who care for them."
        raise Refusal(403, "forbidden", "/context/userId", what, "Let a clinician ask.")
    bound = call.fhir_authorization.patient if call.fhir_authorization else None
    if bound and bound.removeprefix("Patient/") != call.context.patient_id:
        where = "/fhirAuthorization/patient"
        raise Refusal(400, "value", where, "the token is for another patient.", "Send a token for this one.")
    return call


async def _found(house: House, call: Call, now: datetime) -> tuple[Found, int]:
    source = prefetch.source_of(house, call.fhir_server, call.fhir_authorization)
    gathered = await prefetch.gather(house.settings, call.context.patient_id, call.prefetch, source)
    task = house.task(gathered.bundle, now=now, patient=call.context.patient_id)
    if call.hook in ORDERS:
        task = msgspec.structs.replace(task, drafts=await _drafts(call, source), chosen=call.context.selections)
    found = await house.evaluate(work.ordered if call.hook in ORDERS else work.hooked, task)
    if isinstance(found, work.NotRead):
        status, do = (412, "Ask again.") if gathered.fetched else (422, found.do)
        raise Refusal(status, "invalid", found.where, f"Not evaluated: {found.what}", do)
    return found, gathered.fetched


async def _drafts(call: Call, source: prefetch.Source) -> tuple[bytes, ...]:
    """Return the draft orders, and the Medications that they refer to.

    Raises
    ------
    Refusal
        400: there are none, or one is for somebody else; 412: a drug that is ordered is not known.
    """
    where = "/context/draftOrders"
    try:
        bundle = _bundle.decode(call.context.draft_orders)
    except msgspec.MsgspecError:
        raise Refusal(400, "value", where, "it is no Bundle of draft orders.", "Send a Bundle.") from None
    if bundle.resource_type != "Bundle":
        raise Refusal(400, "value", where, "it is no Bundle of draft orders.", "Send a Bundle.")
    drafts = [prefetch.Named(bytes(entry.resource)) for entry in bundle.entry]
    if len(drafts) > MOST_DRAFTS:
        raise Refusal(413, "too-long", where, f"it has more than {MOST_DRAFTS} orders.", "Send fewer.")
    for number, draft in enumerate(drafts):
        try:
            whose = _draft.decode(draft.raw).subject.reference
        except msgspec.MsgspecError:
            raise Refusal(400, "value", f"{where}/entry/{number}", "it is no order.", "Send a resource.") from None
        if whose and whose.split("/")[-1] != call.context.patient_id:
            raise Refusal(400, "value", f"{where}/entry/{number}", "it is for somebody else.", "Send it with them.")
    return tuple(one.raw for one in (*drafts, *await prefetch.medications(drafts, source)))


class _Subject(msgspec.Struct, frozen=True):
    reference: str = ""


class _Draft(msgspec.Struct, frozen=True):
    subject: _Subject = _Subject()


class _Entry(msgspec.Struct, frozen=True):
    resource: msgspec.Raw


class _Bundle(msgspec.Struct, frozen=True, rename="camel"):
    resource_type: str = ""
    entry: tuple[_Entry, ...] = ()


_draft = msgspec.json.Decoder(_Draft)
_bundle = msgspec.json.Decoder(_Bundle)


def _evaluated(settings: Settings, found: Found, before: int) -> dict[str, Any]:
    """Return what tells silence from no answer: what was evaluated, when, and how much of it was shown before."""
    told: dict[str, Any] = {"index": found.index, "states": found.states, "shown_before": before}
    if found.missing:
        told["missing"] = found.missing
    if found.is_partial:
        told["only"] = "emergencies"
    if settings.not_available:
        told["not_available"] = settings.not_available
    if found.overdue:
        told["overdue"] = found.overdue
    if settings.is_demonstration:
        told["demonstration"] = True
    return told


def _card(settings: Settings, found: Found, fact: Fact, rest: list[Fact]) -> Card:
    name = str(uuid.uuid4())
    marked = DEMONSTRATION if settings.is_demonstration else ""
    if found.is_partial:
        marked += "Too many calls: only emergencies were evaluated. "
    if settings.not_available:
        marked += f"Not available here: {', '.join(settings.not_available)}. "
    if found.overdue:
        marked += f"{words.overdue(found.overdue)} "
    suggestions = tuple(_suggestion(one) for one in found.suggestions)
    return Card(
        uuid=name, summary=fact.summary, indicator=fact.indicator,
        source=Source(
            label="carnallite (demonstration)" if marked.startswith(DEMONSTRATION) else "carnallite",
            topic=Coding(system=TOPICS, code=fact.id, display=fact.name),
        ),
        detail=detail((fact,), found, rest, marked=marked), suggestions=suggestions,
        selection_behavior="at-most-one" if suggestions else None,
        override_reasons=feedback.reasons(), links=_links(settings, found, name),
    )  # fmt: skip


def _suggestion(one: Drafts) -> Suggestion:
    actions = tuple(Action(type="create", description=what, resource=draft) for what, draft in one.actions)
    return Suggestion(label=one.label, uuid=str(uuid.uuid4()), actions=actions)


def _links(settings: Settings, found: Found, name: str) -> tuple[Link, ...]:
    links = [Link(label="Does this card still hold?", url=f"{settings.base}/cards/{name}", type="absolute")]
    if settings.launch_url:
        context = {"card": name, "mark": found.mark, "valid_until": found.valid_until}
        told = msgspec.json.encode(context).decode()
        links.insert(0, Link(label="Open the report", url=settings.launch_url, type="smart", app_context=told))
    return tuple(links)


async def fed_back(request: Request, house: House) -> None:
    """Keep what was done with cards."""
    id = request.path_params["id"]
    hook_of(id)
    told = decoded(_feedbacks, await body.read(request))
    for number, one in enumerate(told.feedback):
        _check(one.card, one.outcome_timestamp, number)
    rows = [feedback.row(id, house.issued.fact(one.card) or "unknown", one) for one in told.feedback]
    await house.audit(request, "feedback", {"service": id, "count": len(rows)})
    for row in rows:
        await to_thread.run_sync(house.store.feedback, row)
        house.metrics.feedback.labels(row["outcome"]).inc()


def _check(card: str, moment: str, number: int) -> None:
    try:
        uuid.UUID(card)
    except ValueError:
        where = f"/feedback/{number}/card"
        raise Refusal(400, "value", where, "it is no id of a card.", "Send the uuid of the card.") from None
    try:
        datetime.fromisoformat(moment)
    except ValueError:
        where = f"/feedback/{number}/outcomeTimestamp"
        raise Refusal(400, "value", where, "it is no time.", "Write 2026-05-01T09:30:00Z.") from None


def decoded(decoder: msgspec.json.Decoder[T], data: bytes) -> T:
    """Return a body as a value.

    Raises
    ------
    Refusal
        400, with the JSON pointer of what is wrong.
    """
    try:
        return decoder.decode(data)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at ")
        pointer = "/" + where.strip("`").removeprefix("$").lstrip(".").replace("[", ".").replace("]", "").replace(
            ".", "/"
        )
        raise Refusal(400, "value", pointer, f"{_without_words(what)}.", "Correct it.") from None


def _without_words(what: str) -> str:
    """Return what is wrong without any word that was sent."""
    plain = re.sub(r"'[^']*'", "that", what)
    return f"{plain[0].lower()}{plain[1:]}"


def wall() -> datetime:
    """Return the time now."""
    return datetime.now(UTC)
