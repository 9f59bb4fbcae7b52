"""The answer as FHIR R4: risks, issues, what is missing, plans to choose from, what made them; never an Observation.

Causes and forecasts are RiskAssessments, alerts DetectedIssues, plans one CarePlan with one RequestGroup of which at
most one action is chosen, tests worth doing a GuidanceResponse that asks for data. Everything is a draft or a proposal.
"""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from carnallite.knowledge import knowledge
from carnallite.quantity import analyte, analytes
from carnallite.surfaces import plans as told
from carnallite.surfaces import words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from carnallite.assessment import Alert, NextTest, RankedCause
    from carnallite.plan import Advice, Dosing, Outlook, Plan, PlannedStep

Resource = dict[str, Any]

ORIGIN = "urn:carnallite"  # of our codes: causes, rules, steps
NAMESPACE = uuid.UUID("6a1d3c1e-0f3b-5c4e-9a57-2f6f5b1f6c10")  # of names that are made from what was read
UCUM, LOINC, SNOMED = "http://unitsofmeasure.org", "http://loinc.org", "http://snomed.info/sct"
INTENDED = "Research software, not a medical device: it supports a clinician who decides; nothing here is an order."
_ROUTE_CODES = {
    "intravenous": "47625008", "oral": "26643006", "subcutaneous": "34206005", "intramuscular": "78421000",
}  # fmt: skip
_UNIT_CODES = {"mmol": "mmol", "L": "L", "mg": "mg", "U": "[iU]"}
_CLOCK = re.compile(r"\b([01]\d|2[0-3]):[0-5]\d\b")
_PRIORITY = {"rescue": "stat", "replace": "urgent"}
_SEVERITY = {"emergency": "high", "unsafe": "moderate", "sample": "moderate"}


def bundle(advice: Advice, subject: str, *, recorded: datetime) -> Resource:
    """Return the answer as one Bundle of type collection.

    Parameters
    ----------
    subject : str
        Reference to the patient, such as ``Patient/1``.
    recorded : datetime
        When the answer was made.
    """
    entries = []
    for one in resources(advice, subject, recorded=recorded):
        entries.append({"fullUrl": f"urn:uuid:{one['id']}", "resource": one})
    return {"resourceType": "Bundle", "type": "collection", "timestamp": _instant(recorded), "entry": entries}


def resources(advice: Advice, subject: str, *, recorded: datetime) -> list[Resource]:
    """Return every resource of the answer, the Device first and the Provenance of all last."""
    writer = _Writer(advice, subject)
    device = writer.device()
    found = [device, *writer.issues(), *writer.causes(), *writer.outlooks(), *writer.plans(), writer.guidance()]
    return [*found, writer.provenance(found[1:], recorded)]


def service_request(test: str, subject: str, *, when: datetime, because: str = "") -> Resource:
    """Return a draft order of a laboratory test, valid alone."""
    return _clean({
        "resourceType": "ServiceRequest",
        "status": "draft",
        "intent": "proposal",
        "code": _test_code(test),
        "subject": {"reference": subject},
        "authoredOn": _instant(when),
        "note": [{"text": because}] if because else [],
    })  # fmt: skip


def medication_request(step: PlannedStep, subject: str, *, when: datetime) -> Resource | None:
    """Return a draft order of what a step gives, valid alone; none where it gives nothing."""
    if step.dosing is None:
        return None
    return _clean({
        "resourceType": "MedicationRequest",
        "status": "draft",
        "intent": "proposal",
        "medicationCodeableConcept": {"text": step.dosing.what},
        "subject": {"reference": subject},
        "authoredOn": _instant(when),
        "dosageInstruction": [_dosage(step.dosing)],
        "note": [{"text": " ".join([step.do, *(f"Stop: {one}" for one in step.stop)])}],
    })  # fmt: skip


class _Writer:
    """The resources of one answer, each with a name that is made from record, kind and number."""

    def __init__(self, advice: Advice, subject: str) -> None:
        self.advice = advice
        self.subject = {"reference": subject}
        self.when = _instant(advice.index)
        self.marks = [*filter(None, (words.overdue(advice.overdue),)), INTENDED]
        self.maker = {"reference": f"urn:uuid:{self._name('Device', 'carnallite')}", "display": "carnallite"}

    def _name(self, kind: str, id: str) -> str:
        of = self.advice.provenance.version if kind == "Device" else f"{self.subject}{self.advice.provenance.record}"
        return str(uuid.uuid5(NAMESPACE, f"{of}|{self.when}|{kind}|{id}"))

    def _made(self, kind: str, id: str, content: Resource) -> Resource:
        return _clean({"resourceType": kind, "id": self._name(kind, id)} | content)

    def device(self) -> Resource:
        """Return the program that made the answer, with the versions of what it rests on."""
        made = self.advice.provenance
        parts = {"program": made.version, "knowledge": made.knowledge, "model": made.model, "library": made.library}
        return self._made("Device", "carnallite", {
            "status": "active",
            "deviceName": [{"name": "carnallite", "type": "model-name"}],
            "version": [{"type": {"text": name}, "value": value} for name, value in parts.items() if value],
            "note": _notes(self.marks),
        })  # fmt: skip

    def issues(self) -> Iterator[Resource]:
        """Yield an issue for each alert, emergencies first."""
        kinds = {"emergency": self.advice.emergencies, "unsafe": self.advice.unsafe, "sample": self.advice.samples}
        for kind, alerts in kinds.items():
            for alert in alerts:
                yield self._issue(alert, _SEVERITY[kind])

    def _issue(self, alert: Alert, severity: str) -> Resource:
        source = knowledge().references.get(alert.source)
        return self._made("DetectedIssue", alert.id, {
            "status": "preliminary",
            "code": _code("rule", alert.id, alert.summary),
            "severity": severity,
            "patient": self.subject,
            "identifiedDateTime": self.when,
            "author": self.maker,
            "detail": f"{alert.summary}: {'; '.join(alert.why)}" if alert.why else alert.summary,
            "evidence": [{"code": [{"text": one}]} for one in alert.why],
            "mitigation": [{"action": {"text": alert.do}}] if alert.do else [],
            "reference": f"https://doi.org/{source.doi}" if source is not None and source.doi else None,
        })  # fmt: skip

    def causes(self) -> Iterator[Resource]:
        """Yield what the causes are, as one assessment of risk."""
        if self.advice.causes:
            yield self._made("RiskAssessment", "causes", self._risk("Which causes act now") | {
                "prediction": [self._cause(one) for one in self.advice.causes],
                "note": _notes(self._cannot_tell()),
            })  # fmt: skip

    def _cannot_tell(self) -> Iterator[str]:
        if self.advice.cannot_tell:
            yield "The causes cannot be told apart by what the record holds."
        yield from self.marks

    def _risk(self, about: str) -> Resource:
        return {
            "status": "preliminary", "method": _code("method", "virtual_patients", f"{about}; virtual patients"),
            "code": {"text": about}, "subject": self.subject, "occurrenceDateTime": self.when,
            "performer": self.maker, "basis": [{"display": f"{one.name} {one.value}"} for one in self.advice.results],
        }  # fmt: skip

    def _cause(self, one: RankedCause) -> Resource:
        reasons = [f"for: {reason.fact}{_standing(reason.status)}" for reason in one.for_]
        reasons += [f"against: {reason.fact}{_standing(reason.status)}" for reason in one.against]
        return {
            "outcome": _code("cause", one.id, one.name),
            "probabilityDecimal": one.probability,
            "rationale": "; ".join([f"{one.basis} by the record", *reasons]),
        }

    def outlooks(self) -> Iterator[Resource]:
        """Yield what each plan brings, as the chance of levels that are too high or still low."""
        forecast = self.advice.forecast
        if forecast is None:
            return
        names = {one.id: one.name for one in self.advice.plans} | {"as_now": told.AS_NOW}
        for one in forecast.outlooks:
            name = names.get(one.plan, one.plan)
            yield self._made("RiskAssessment", f"outlook/{one.plan}", self._risk(f"What this brings: {name}") | {
                "prediction": list(self._chances(one)),
                "note": _notes([*forecast.assumptions, *self.marks]),
            })  # fmt: skip

    def _chances(self, one: Outlook) -> Iterator[Resource]:
        end = _instant(self.advice.index + timedelta(hours=one.hours[-1]))
        period = {"start": self.when, "end": end}
        for what, chances in (
            ("ever dangerously high", one.too_high),
            ("below its interval at the end", one.still_low),
        ):
            for test, chance in chances.items():
                yield {
                    "outcome": {"text": f"{analyte(test).name} {what}"},
                    "probabilityDecimal": round(chance, 4),
                    "whenPeriod": period,
                }

    def plans(self) -> Iterator[Resource]:
        """Yield one care plan, and the group of plans of which at most one is chosen."""
        possible = list(zip(told.LETTERS, (one for one in self.advice.plans if one.possible), strict=False))
        if not possible:
            return
        for letter, plan in possible:
            for step in plan.steps:
                yield self._order(step, _id(letter, step.id))
        group = self._made("RequestGroup", "plans", {
            "status": "draft",
            "intent": "proposal",
            "subject": self.subject,
            "authoredOn": self.when,
            "author": self.maker,
            "action": [{
                "title": "Plans to choose from",
                "selectionBehavior": "at-most-one",
                "groupingBehavior": "logical-group",
                "action": [self._plan(one, letter) for letter, one in possible],
            }],
            "note": _notes(self.marks),
        })  # fmt: skip
        yield self._made("CarePlan", "plans", {
            "status": "draft",
            "intent": "proposal",
            "title": "What to do about magnesium and potassium",
            "description": words.headline(self.advice, "si"),
            "subject": self.subject,
            "created": self.when,
            "author": self.maker,
            "activity": [{"reference": {"reference": f"urn:uuid:{group['id']}"}}],
            "note": _notes(self.marks),
        })  # fmt: skip
        yield group

    def _order(self, step: PlannedStep, id: str) -> Resource:
        """Return what a step would order, as a draft: what is given, or else what is to be done."""
        given = medication_request(step, self.subject["reference"], when=self.advice.index)
        if given is not None:
            return self._made("MedicationRequest", id, given)
        return self._made("Task", id, {
            "status": "draft", "intent": "proposal", "code": _code("step", step.id, step.name), "description": step.do,
            "for": self.subject, "authoredOn": self.when,
        })  # fmt: skip

    def _plan(self, plan: Plan, letter: str) -> Resource:
        there = {step.id: _id(letter, step.id) for step in plan.steps}
        blocked = [f"Blocked: {one.name}: {' '.join(o.because for o in one.objections)}" for one in plan.blocked]
        return {
            "id": _id(letter, plan.id),
            "prefix": letter,
            "title": plan.name,
            "description": plan.about,
            "code": [_code("strategy", plan.id, plan.name)],
            "groupingBehavior": "logical-group",
            "documentation": _documents([*(note.says for note in plan.notes), *blocked]),
            "action": [self._step(step, plan.steps, there) for step in plan.steps],
        }

    def _step(self, step: PlannedStep, steps: Sequence[PlannedStep], there: dict[str, str]) -> Resource:
        related = [(there[other.id], "before-start") for other in steps if step.id in other.after]
        related += [(there[other], "concurrent") for other in step.beside if other in there]
        source = knowledge().references.get(step.source)
        cited = [f"{source.citation} ({step.at}; {step.status})"] if source is not None else []
        cautions = [f"Caution: {told.objection(one)}" for one in (*step.cautions, *step.beyond)]
        ask = [f"Measure first: {told.names(step.ask_first)}"] if step.ask_first else []
        return {
            "id": there[step.id],
            "title": step.name,
            "description": told.dose_text(step.dosing) if step.dosing else step.do,
            "textEquivalent": step.do,
            "priority": _PRIORITY.get(step.phase, "routine"),
            "code": [_code("step", step.id, step.name)],
            "documentation": _documents([*cited, *ask, *cautions, *(f"Stop: {one}" for one in step.stop)]),
            "relatedAction": [{"actionId": id, "relationship": how} for id, how in related],
            "timingTiming": _timing(step.dosing) if step.dosing else None,
            "resource": {"reference": f"urn:uuid:{self._name(_kind_of(step), there[step.id])}"},
        }

    def guidance(self) -> Resource:
        """Return what is needed to say more, or that nothing is."""
        asked = [_requirement(one) for one in self.advice.next_tests]
        needed = bool(asked) and (self.advice.cannot_tell or bool(self.advice.missing))
        why = [f"{one.name}: {one.why}" for one in self.advice.next_tests]
        missing = [f"Missing: {one}" for one in self.advice.missing]
        return self._made("GuidanceResponse", "assess", {
            "moduleUri": f"{ORIGIN}:assess",
            "status": "data-required" if needed else "success",
            "subject": self.subject,
            "occurrenceDateTime": self.when,
            "performer": self.maker,
            "dataRequirement": asked,
            "note": _notes([*missing, *why, *self.marks]),
        })  # fmt: skip

    def provenance(self, made: Sequence[Resource], recorded: datetime) -> Resource:
        """Return who made all of it, when, and from which record."""
        digest = self.advice.provenance.record
        return self._made("Provenance", "answer", {
            "target": [{"reference": f"urn:uuid:{one['id']}"} for one in made],
            "occurredDateTime": self.when,
            "recorded": _instant(recorded),
            "agent": [{"type": {"text": "assembler"}, "who": self.maker}],
            "entity": [{"role": "source", "what": {"identifier": {"system": "urn:ietf:rfc:6920", "value": digest}}}]
            if digest else [],
        })  # fmt: skip


# pieces --------------------------------------------------------------------------------------------------------------
def _id(letter: str, name: str) -> str:
    """Return a name as FHIR allows one: letters, digits, hyphens and points, at most 64.

    >>> _id("A", "magnesium_now")
    'A-magnesium-now'
    """
    return re.sub(r"[^A-Za-z0-9.-]", "-", f"{letter}-{name}")[:64]


def _kind_of(step: PlannedStep) -> str:
    return "Task" if step.dosing is None else "MedicationRequest"


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _code(kind: str, id: str, text: str) -> Resource:
    return {"coding": [{"system": f"{ORIGIN}:{kind}", "code": id, "display": text}], "text": text}


def _test_code(test: str) -> Resource:
    item = analyte(test)
    coding = [{"system": LOINC, "code": one.code, "display": one.display} for one in item.loinc[:1]]
    return {"coding": coding, "text": item.name}


def _requirement(test: NextTest) -> Resource:
    coding = _test_code(test.id)["coding"] if test.id in analytes() else []
    own = [{"system": f"{ORIGIN}:test", "code": test.id, "display": test.name}]
    return {"type": "Observation", "codeFilter": [{"path": "code", "code": coding or own}]}


def _documents(texts: Iterable[str]) -> list[Resource]:
    return [{"type": "documentation", "display": one} for one in texts if one]


def _notes(texts: Iterable[str]) -> list[Resource]:
    return [{"text": one} for one in texts]


def _standing(status: str) -> str:
    return f" [{status}]" if status and status != "measured" else ""


def _dosage(dose: Dosing) -> Resource:
    quantity = {"value": dose.amount, "unit": dose.unit, "system": UCUM, "code": _UNIT_CODES[dose.unit]}
    rate = None
    if dose.rate is not None and dose.route != "oral":
        unit = f"{dose.unit}/h"
        rate = {"value": round(dose.rate, 6), "unit": unit, "system": UCUM, "code": f"{_UNIT_CODES[dose.unit]}/h"}
    code = _ROUTE_CODES.get(dose.route)
    route: Resource = {"text": told.ROUTES.get(dose.route, dose.route)}
    if code:
        route["coding"] = [{"system": SNOMED, "code": code}]
    return {
        "text": told.dose_text(dose),
        "timing": _timing(dose),
        "route": route,
        "doseAndRate": [{"doseQuantity": quantity, "rateQuantity": rate}],
    }


def _timing(dose: Dosing) -> Resource | None:
    """Return the times of the clock at which doses are given, where the plan names them."""
    times = [f"{found[0]}:00" for found in _CLOCK.finditer(dose.times)]
    if not times:
        return None
    return {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d", "timeOfDay": times}}


def _clean(resource: Resource) -> Resource:
    """Return a resource without null and empty members, which FHIR does not allow."""
    kept = {key: _whole(one) for key, one in resource.items()}
    return {key: one for key, one in kept.items() if one not in _EMPTY}


def _whole(value: Any) -> Any:
    if isinstance(value, dict):
        return _clean(value)
    if isinstance(value, list):
        return [one for one in map(_whole, value) if one not in _EMPTY]
    return value.replace(words.JOIN, " ") if isinstance(value, str) else value  # FHIR knows no such space


_EMPTY: tuple[Any, ...] = (None, "", [], {})
