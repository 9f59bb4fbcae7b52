"""Tests and doses of a plan as draft FHIR resources, with what each does in words; a person signs them or not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from carnallite.quantity import analytes
from carnallite.surfaces import words
from carnallite.surfaces.plans import dose_text
from carnallite.surfaces.resources import medication_request, service_request

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from carnallite.plan import Plan

    Draft = tuple[str, dict[str, Any]]


def tests(ids: Iterable[str], patient: str, when: datetime) -> list[Draft]:
    """Return what each test is called and a ServiceRequest that asks for it."""
    known = [analytes()[id] for id in dict.fromkeys(ids) if id in analytes()]
    return [
        (
            f"Draft: measure {one.name[0].lower()}{one.name[1:]}",
            service_request(one.id, f"Patient/{patient}", when=when),
        )
        for one in known
    ]


def doses(plan: Plan, patient: str, when: datetime) -> list[Draft]:
    """Return what each dose of a plan is called and a MedicationRequest that proposes it, in the order of the plan."""
    found = [(step.dosing, medication_request(step, f"Patient/{patient}", when=when)) for step in plan.steps]
    return [
        (f"Draft: {words.plain(dose_text(dose, brief=True))}", draft)
        for dose, draft in found
        if dose is not None and draft is not None
    ]
