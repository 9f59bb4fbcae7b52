"""CDS Hooks as values: what clients send and what they get; no member of an answer is null or empty."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

Indicator = Literal["info", "warning", "critical"]
Text = Annotated[str, Meta(min_length=1)]


class _Answer(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A part of an answer; what is not there is left out."""


class Coding(_Answer, frozen=True):
    """A code with its system and display."""

    system: Annotated[str, Meta(examples=["http://terminology.hl7.org/CodeSystem/non-adherence-reason-codes"])]
    code: Annotated[str, Meta(examples=["action-completed"])]
    display: Annotated[str, Meta(examples=["Recommended action was already completed"])]


class Source(_Answer, frozen=True):
    """Who says it."""

    label: str
    topic: Coding
    url: str | None = None


class Action(_Answer, frozen=True):
    """A draft resource for a person to sign; nothing is ever applied without one."""

    type: Literal["create"]
    description: str
    resource: dict[str, Any]


class Suggestion(_Answer, frozen=True):
    """Drafts that belong together."""

    label: str
    uuid: str
    actions: tuple[Action, ...]


class Link(_Answer, frozen=True):
    """Where more stands."""

    label: str
    url: str
    type: Literal["absolute", "smart"]
    app_context: str | None = None


class Card(_Answer, frozen=True):
    """What a clinician sees."""

    uuid: str
    summary: Annotated[
        str, Meta(max_length=139, examples=["Measure magnesium now: potassium 2.9 mmol/L (low), magnesium not known"])
    ]
    indicator: Indicator
    source: Source
    detail: Annotated[str, Meta(description="GitHub Flavored Markdown without HTML, at most five lines.")]
    suggestions: tuple[Suggestion, ...] = ()
    selection_behavior: Literal["at-most-one"] | None = None
    override_reasons: tuple[Coding, ...] = ()
    links: tuple[Link, ...] = ()


class Cards(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The answer to a hook: no cards mean that everything was evaluated and nothing new is wrong."""

    cards: tuple[Card, ...]
    extension: dict[str, Any]


class Service(_Answer, frozen=True):
    """A service as discovery lists it."""

    hook: str
    title: str
    description: str
    id: str
    prefetch: Annotated[dict[str, str], Meta(description="FHIR searches, one for each key.")]
    usage_requirements: str
    version: Annotated[str, Meta(description="Of CDS Hooks.", examples=["2.0.1"])]
    hook_version: str


class Services(_Answer, frozen=True):
    """What `GET /cds-services` lists."""

    services: tuple[Service, ...]


class Authorization(msgspec.Struct, frozen=True, kw_only=True):
    """How the FHIR server of a client may be asked."""

    access_token: Text
    token_type: Literal["Bearer", "bearer"] = "Bearer"
    expires_in: float | None = None
    scope: str = ""
    subject: str = ""
    patient: str | None = None


class Call(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a client sends to a hook."""

    hook: Annotated[str, Meta(examples=["patient-view"], min_length=1)]
    hook_instance: Annotated[
        str, Meta(examples=["d1577c69-dfbe-44ad-ba6d-3e05e953b2ea"], pattern=r"^[A-Za-z0-9._:-]{1,128}$")
    ]
    context: Context
    fhir_server: Annotated[str | None, Meta(examples=["https://ehr.example.org/fhir"])] = None
    fhir_authorization: Authorization | None = None
    prefetch: dict[str, msgspec.Raw] = {}


class Context(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Whom a hook is about, who looks, and which orders are drafted."""

    user_id: Annotated[str, Meta(examples=["Practitioner/example"], pattern=r"^[A-Za-z]+/[A-Za-z0-9.-]{1,64}$")]
    patient_id: Annotated[str, Meta(examples=["1288992"], pattern=r"^[A-Za-z0-9.-]{1,64}$")]
    encounter_id: str | None = None
    draft_orders: msgspec.Raw = msgspec.field(default_factory=msgspec.Raw)
    selections: tuple[str, ...] = ()


class Reason(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Why a card was overridden; comments are not kept, they may name somebody."""

    reason: dict[str, Any] | None = None
    user_comment: str | None = None


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """A suggestion that was accepted."""

    id: Text


class Feedback(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What was done with a card."""

    card: Annotated[str, Meta(min_length=1, max_length=64)]
    outcome: Literal["accepted", "overridden"]
    outcome_timestamp: Annotated[str, Meta(examples=["2026-05-01T09:30:00Z"], max_length=40)]
    accepted_suggestions: tuple[Accepted, ...] = ()
    override_reason: Reason | None = None


class Feedbacks(msgspec.Struct, frozen=True, kw_only=True):
    """What `POST /cds-services/{id}/feedback` takes."""

    feedback: Annotated[tuple[Feedback, ...], Meta(min_length=1, max_length=100)]
