"""Small synthetic records for tests."""

from __future__ import annotations

import json
from typing import Any

from carnallite.assessment import Assessment, assess
from carnallite.record import Reading, fhir_reading

DAY = "2020-06-01"


def patient(**fields: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": "p1", "gender": "female", "birthDate": "1970-05-05"} | fields


def observation(loinc: str, value: float | str, unit: str = "", **fields: Any) -> dict[str, Any]:
    resource: dict[str, Any] = {
        "resourceType": "Observation", "status": "final", "subject": {"reference": "Patient/p1"},
        "code": {"coding": [{"system": "http://loinc.org", "code": loinc}]},
        "effectiveDateTime": f"{DAY}T08:00:00Z",
    }  # fmt: skip
    if isinstance(value, str):
        resource["valueString"] = value
    else:
        resource["valueQuantity"] = {"value": value} | ({"unit": unit} if unit else {})
    return resource | fields


def condition(text: str, **fields: Any) -> dict[str, Any]:
    return {
        "resourceType": "Condition", "subject": {"reference": "Patient/p1"}, "code": {"text": text},
        "clinicalStatus": {"coding": [{"code": "active"}]},
    } | fields  # fmt: skip


def drug(text: str, **fields: Any) -> dict[str, Any]:
    return {
        "resourceType": "MedicationStatement", "status": "active", "subject": {"reference": "Patient/p1"},
        "medicationCodeableConcept": {"text": text},
    } | fields  # fmt: skip


def given(text: str, value: float, unit: str, time: str) -> dict[str, Any]:
    """Return one dose by vein."""
    return {
        "resourceType": "MedicationAdministration", "status": "completed", "subject": {"reference": "Patient/p1"},
        "medicationCodeableConcept": {"text": text}, "effectiveDateTime": time,
        "dosage": {"dose": {"value": value, "unit": unit}, "route": {"text": "intravenous"}},
    }  # fmt: skip


def bundle(*resources: dict[str, Any], who: dict[str, Any] | None = None) -> bytes:
    entries = [{"resource": one} for one in (who or patient(), *resources)]
    return json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}).encode()


def read(*resources: dict[str, Any], who: dict[str, Any] | None = None, **options: Any) -> Reading:
    return fhir_reading(bundle(*resources, who=who), **options)


def answer(*resources: dict[str, Any], who: dict[str, Any] | None = None, **options: Any) -> Assessment:
    return assess(read(*resources, who=who, **options), depth="cloud")
