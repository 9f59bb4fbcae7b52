"""The answer as FHIR R4: valid, nothing empty, nothing simulated as an Observation, doses as they are told."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fhirclient.models import fhirabstractbase
from fhirclient.models.bundle import Bundle
from fhirclient.models.servicerequest import ServiceRequest

from carnallite import read_record
from carnallite.plan import Advice, advise
from carnallite.quantity import analyte
from carnallite.surfaces.resources import INTENDED, bundle, service_request
from planned import KIDNEY, SODIUM, advice, magnesium, potassium
from records import condition, drug

PUBLISHED = sorted(Path(__file__).parents[2].joinpath("published").glob("*.json"))
THEN = datetime(2020, 6, 2, tzinfo=UTC)


def answer(*resources: dict[str, Any], **options: Any) -> dict[str, Any]:
    return bundle(advice(*resources, **options), "Patient/p1", recorded=THEN)


def of(found: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [one["resource"] for one in found["entry"] if one["resource"]["resourceType"] == kind]


def members(value: Any) -> Iterator[Any]:
    yield value
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from members(one)


def actions(group: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for one in group.get("action", []):
        yield one
        yield from actions(one)


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.stem)
def test_every_answer_is_valid(path: Path) -> None:
    found = bundle(advise(read_record(path), depth="findings"), "Patient/p1", recorded=THEN)
    Bundle(found, strict=True)
    assert not [one for one in members(found) if one in (None, "", [], {})]
    assert not [one for one in members(found) if isinstance(one, str) and "\N{NO-BREAK SPACE}" in one]
    ids = [one["id"] for one in members(found) if isinstance(one, dict) and "id" in one]
    assert all(re.fullmatch(r"[A-Za-z0-9.-]{1,64}", id) for id in ids)
    assert not of(found, "Observation")
    text = json.dumps(found)
    names = {one["fullUrl"] for one in found["entry"]}
    pointed = [one["reference"] for one in members(found) if isinstance(one, dict) and "reference" in one]
    assert {one for one in pointed if isinstance(one, str) and one.startswith("urn:uuid:")} <= names
    assert len(names) == len(found["entry"])
    assert INTENDED in text


def test_a_wrong_resource_would_be_noticed() -> None:
    found = answer(magnesium(0.5), potassium(3.0))
    of(found, "GuidanceResponse")[0]["status"] = 3
    with pytest.raises(fhirabstractbase.FHIRValidationError):
        Bundle(found, strict=True)


def test_every_action_does_one_thing() -> None:
    """Of a group (invariant rqg-1): an action has a resource or further actions, never both nor neither."""
    found = answer(KIDNEY, SODIUM, magnesium(0.3), potassium(2.2), condition("jejunostomy"))
    (group,) = of(found, "RequestGroup")
    every = list(actions(group))
    assert every and all(("resource" in one) != ("action" in one) for one in every)
    ids = [one["id"] for one in every if "id" in one]
    assert len(ids) == len(set(ids))
    related = {one["actionId"] for action in every for one in action.get("relatedAction", [])}
    assert related <= set(ids)


def test_volume_comes_before_magnesium_by_mouth() -> None:
    found = answer(KIDNEY, SODIUM, magnesium(0.6), condition("jejunostomy"), condition("high output stoma"))
    (group,) = of(found, "RequestGroup")
    (choice,) = group["action"]
    assert choice["selectionBehavior"] == "at-most-one"
    saline = next(one for one in actions(group) if one.get("id") == "A-saline")
    assert {"actionId": "A-magnesium-oxide-at-night", "relationship": "before-start"} in saline["relatedAction"]
    night = next(one for one in actions(group) if one.get("id") == "A-magnesium-oxide-at-night")
    assert night["timingTiming"]["repeat"]["timeOfDay"]


def test_doses_of_drafts_are_those_of_the_plan() -> None:
    said = advice(KIDNEY, SODIUM, magnesium(0.3), potassium(2.2))
    drafts = of(bundle(said, "Patient/p1", recorded=THEN), "MedicationRequest")
    doses = [step.dosing for plan in said.plans if plan.possible for step in plan.steps if step.dosing is not None]
    shown = [one["dosageInstruction"][0]["doseAndRate"][0]["doseQuantity"] for one in drafts]
    assert doses and [(one.amount, one.unit) for one in doses] == [(one["value"], one["unit"]) for one in shown]
    assert {(one["status"], one["intent"]) for one in drafts} == {("draft", "proposal")}


def test_alerts_are_issues_with_their_severity() -> None:
    issues = of(answer(potassium(6.9), drug("ramipril 5 mg")), "DetectedIssue")
    assert issues[0]["severity"] == "high"
    assert "moderate" in {one["severity"] for one in issues}


def test_what_is_needed_is_asked_for() -> None:
    (guidance,) = of(answer(potassium(2.9)), "GuidanceResponse")
    assert guidance["status"] == "data-required"
    codes = {code["code"] for one in guidance["dataRequirement"] for code in one["codeFilter"][0]["code"]}
    assert analyte("serum_magnesium").loinc[0].code in codes


def test_chances_are_those_of_the_answer() -> None:
    said = advice(magnesium(0.5), potassium(3.0), drug("omeprazole 40 mg since 2015"))
    (risk,) = of(bundle(said, "Patient/p1", recorded=THEN), "RiskAssessment")
    shown = {one["outcome"]["coding"][0]["code"]: one["probabilityDecimal"] for one in risk["prediction"]}
    assert shown == {one.id: one.probability for one in said.causes}


def test_the_same_answer_has_the_same_names(tmp_path: Path) -> None:
    said: Advice = advice(magnesium(0.5), potassium(3.0))
    first, second = (bundle(said, "Patient/p1", recorded=THEN) for _ in range(2))
    other = bundle(said, "Patient/p2", recorded=THEN)
    assert first == second
    assert not {one["fullUrl"] for one in first["entry"][1:]} & {one["fullUrl"] for one in other["entry"][1:]}


def test_a_test_is_ordered_alone() -> None:
    order = service_request("serum_magnesium", "Patient/p1", when=THEN, because="Potassium does not hold.")
    ServiceRequest(order, strict=True)
    assert order["status"] == "draft"
