"""What a worker does: bytes of a record in, an answer out. All of it is what the command line calls."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec
from msgspec import field

from carnallite import __version__
from carnallite.assessment import assess
from carnallite.errors import RecordRefused
from carnallite.plan import Written, advise, foretell, review
from carnallite.record import Issue, fhir_reading, read_orders, resources_of
from carnallite.surfaces import plans as told_of
from carnallite.surfaces.overdue import dated, this_day
from carnallite.surfaces.resources import bundle
from carnallite.surfaces.service import cards

if TYPE_CHECKING:
    from collections.abc import Iterator

    from carnallite.plan import Advice
    from carnallite.record import Reading


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """One record and how it is asked.

    Attributes
    ----------
    bundle : bytes
        A FHIR Bundle with one patient.
    now : datetime, optional
        Time of the assessment; otherwise the latest clinical time of the record.
    patient : str
        Its id on the server of the client.
    drafts : tuple of bytes
        Draft orders, as FHIR resources.
    chosen : tuple of str
        Ids of the drafts that are asked about, such as ``MedicationRequest/1``; empty for all.
    today : date
        On which knowledge may be overdue, whatever the time of the assessment.
    plans : dict of str to Written
        Plans written by hand, by their ids.
    days : int
        [d] For which they are foretold.
    """

    bundle: bytes
    now: datetime | None = None
    patient: str = ""
    depth: Literal["findings", "library", "cloud", "fit"] = "library"
    units: Literal["si", "us"] = "si"
    limits: str = ""
    local: dict[str, str] = {}
    valid_h: float = 24.0
    today: date = field(default_factory=this_day)
    drafts: tuple[bytes, ...] = ()
    chosen: tuple[str, ...] = ()
    plans: dict[str, Written] = {}
    days: int = 30


class Answer(msgspec.Struct, frozen=True):
    """An answer as it goes out, and the digest of the record that it is about."""

    body: bytes
    record: str


class NotRead(msgspec.Struct, frozen=True):
    """A record that was refused: where, what, and what to do."""

    where: str
    what: str
    do: str


class Barred(msgspec.Struct, frozen=True):
    """What a hard line of the safety table bars: which step of which written plan, why, and for which record."""

    plan: str
    step: str
    why: str
    record: str


def warm() -> None:
    """Load all that the first call would otherwise wait for: knowledge, body and library."""
    from carnallite.assessment.cloud import at_hand  # noqa: PLC0415
    from carnallite.knowledge import knowledge  # noqa: PLC0415
    from carnallite.physiology import engine  # noqa: PLC0415

    knowledge()
    if engine.kernel() is not None:
        at_hand()


def hooked(task: Task) -> cards.Found | NotRead:
    """Return what cards say of one patient."""
    try:
        reading = _reading(task)
        advice = _advised(reading, task)
    except RecordRefused as error:
        return NotRead(error.where, error.what, error.do)
    return cards.found(advice, reading.timeline, task.patient, units=task.units, valid_h=task.valid_h)


def ordered(task: Task) -> cards.Found | NotRead:
    """Return what cards say of draft orders for one patient."""
    try:
        reading = _reading(task)
        orders = read_orders(task.drafts, index=reading.timeline.index)
        found = review(reading, orders, limits=_limits(task))
        known = dated(assess(reading, version=__version__, depth="findings"), task.today)
    except RecordRefused as error:
        return NotRead(error.where, error.what, error.do)
    chosen = {one.where for one in orders if not task.chosen or f"MedicationRequest/{one.id}" in task.chosen}
    return cards.ordered(known, [one for one in found if one.order in chosen], valid_h=task.valid_h)


def answered(task: Task, form: str, demonstration: bool) -> Answer | NotRead | Barred:
    """Return the whole answer for one patient: `carnallite.assessment/1`, or FHIR resources."""
    try:
        advice = _advised(_reading(task), task)
    except RecordRefused as error:
        return NotRead(error.where, error.what, error.do)
    if task.plans and (barred := next(_barred(advice), None)):
        return barred
    if demonstration:
        advice = msgspec.structs.replace(advice, issues=(*advice.issues, DEMONSTRATION))
    if form == "assessment":
        return Answer(msgspec.json.encode(advice), advice.provenance.record)
    told = bundle(advice, _subject(task), recorded=datetime.now(UTC))
    if demonstration:
        told["meta"] = {"security": [TEST]}
    return Answer(msgspec.json.encode(told), advice.provenance.record)


def _barred(advice: Advice) -> Iterator[Barred]:
    for plan in advice.plans:
        for one in plan.blocked:
            why = " ".join(f"{each.id}: {told_of.objection(each)}" for each in one.objections)
            yield Barred(plan.id, one.id.rpartition(".")[2], why, advice.provenance.record)


def _subject(task: Task) -> str:
    """Return the reference to the patient of a record: as it was asked, or as the record names them."""
    if task.patient:
        return f"Patient/{task.patient}"
    for raw, url in resources_of(task.bundle):
        if b'"Patient"' in raw and (head := _head.decode(raw)).resource_type == "Patient":
            return f"Patient/{head.id}" if head.id else url or _NOBODY
    return _NOBODY


_NOBODY = "urn:carnallite:patient"  # of a record that does not name its patient


DEMONSTRATION = Issue("demonstration", "service", "This is a demonstration, not for care.", "Set `intended_use`.")
TEST = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HTEST", "display": "test health data"}


class _Head(msgspec.Struct, frozen=True, rename="camel"):
    resource_type: str = ""
    id: str = ""


_head = msgspec.json.Decoder(_Head)


def _advised(reading: Reading, task: Task) -> Advice:
    if task.plans:
        advice = foretell(reading, task.plans, days=task.days, version=__version__, limits=_limits(task))
    else:
        advice = advise(reading, version=__version__, depth=task.depth, limits=_limits(task))
    return dated(advice, task.today)


def _reading(task: Task) -> Reading:
    return fhir_reading(task.bundle, now=task.now, local=task.local)


def _limits(task: Task) -> Path | None:
    return Path(task.limits) if task.limits else None
