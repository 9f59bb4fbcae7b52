"""Tests and doses of a plan as draft FHIR resources, each valid alone; a person signs them or not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from carnallite.knowledge import ingredients, knowledge
from carnallite.quantity import analytes
from carnallite.surfaces import words
from carnallite.surfaces.plans import ROUTES, dose_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from carnallite.plan import Dosing, Plan

LOINC, RXNORM, UCUM = "http://loinc.org", "http://www.nlm.nih.gov/research/umls/rxnorm", "http://unitsofmeasure.org"
_UCUM = {"mmol": "mmol", "L": "L", "mg": "mg", "U": "[iU]"}


def tests(ids: Iterable[str], patient: str) -> list[tuple[str, dict[str, Any]]]:
    """Return what each test is called and a ServiceRequest that asks for it."""
    known = [analytes()[id] for id in dict.fromkeys(ids) if id in analytes()]
    return [(f"Draft: measure {one.name[0].lower()}{one.name[1:]}", _asked(one.id, patient)) for one in known]


def _asked(id: str, patient: str) -> dict[str, Any]:
    item = analytes()[id]
    coding = [{"system": LOINC, "code": code.code, "display": code.display or item.name} for code in item.loinc[:1]]
    code: dict[str, Any] = {"coding": coding} if coding else {}
    return {
        "resourceType": "ServiceRequest",
        "status": "draft",
        "intent": "proposal",
        "code": code | {"text": item.name},
        "subject": {"reference": f"Patient/{patient}"},
    }


def doses(plan: Plan, patient: str) -> list[tuple[str, dict[str, Any]]]:
    """Return what each dose of a plan is called and a MedicationRequest that proposes it, in the order of the plan."""
    return [
        (f"Draft: {_plain(dose_text(step.dosing, brief=True))}", _ordered(step.dosing, patient))
        for step in plan.steps
        if step.dosing is not None
    ]


def _ordered(dose: Dosing, patient: str) -> dict[str, Any]:
    size = {"value": dose.amount, "unit": dose.unit, "system": UCUM, "code": _UCUM[dose.unit]}
    return {
        "resourceType": "MedicationRequest",
        "status": "draft",
        "intent": "proposal",
        "medicationCodeableConcept": _drug(dose.what),
        "subject": {"reference": f"Patient/{patient}"},
        "dosageInstruction": [
            {
                "text": _plain(dose_text(dose)),
                "route": {"text": ROUTES.get(dose.route, dose.route)},
                "doseAndRate": [{"doseQuantity": size}],
            }
        ],
    }


def _drug(name: str) -> dict[str, Any]:
    found = ingredients(knowledge()).get(name.lower().replace(" ", "_"))
    codes = found[1].rxnorm[:1] if found is not None else ()
    coding = [{"system": RXNORM, "code": code, "display": name} for code in codes]
    return ({"coding": coding} if coding else {}) | {"text": name}


def _plain(text: str) -> str:
    return words.printable(text).replace(words.JOIN, " ")
