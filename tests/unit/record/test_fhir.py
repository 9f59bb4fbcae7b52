"""Messy FHIR: whose a resource is, what it means, and what is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from carnallite.errors import RecordRefused
from carnallite.record import fhir_reading
from records import answer, bundle, condition, drug, observation, patient, read

K, MG, CA = "2823-3", "2601-3", "2000-8"


def about(reference: str, value: float = 7.7) -> dict[str, Any]:
    return observation(K, value, "mmol/L") | {"subject": {"reference": reference}}


def of(*entries: dict[str, Any]) -> bytes:
    return json.dumps({"resourceType": "Bundle", "entry": list(entries)}).encode()


def test_a_bare_number_is_a_key_and_never_a_place() -> None:
    data = bundle(patient(id="2"), about("Patient/2"), who=patient(id="1"))
    assert fhir_reading(data, patient="2").timeline.observations
    assert not fhir_reading(data, patient="1", now=fhir_reading(data, patient="2").timeline.index).timeline.observations
    with pytest.raises(RecordRefused):
        fhir_reading(data, patient="3")
    assert fhir_reading(data, patient="#2").timeline.observations


def test_a_line_without_subject_belongs_to_nobody_while_another_patient_is_declared() -> None:
    nobodys = {key: value for key, value in about("").items() if key != "subject"}
    with pytest.raises(RecordRefused, match="somebody else"):
        fhir_reading(bundle(patient(id="b", gender=1), nobodys))
    assert fhir_reading(bundle(nobodys)).timeline.observations


def test_references_do_not_cross_servers() -> None:
    one = {"fullUrl": "http://s1/Patient/a", "resource": patient(id="a")}
    with pytest.raises(RecordRefused, match="somebody else"):
        fhir_reading(of(one, {"resource": about("http://s2/fhir/Patient/a")}))
    for reference in ("http://s1/Patient/a", "Patient/a", "Patient/a/_history/2"):
        assert fhir_reading(of(one, {"resource": about(reference)})).timeline.observations


def test_one_patient_twice_is_one_and_two_of_one_id_are_refused() -> None:
    first = {"fullUrl": "urn:uuid:1", "resource": patient(id="a")}
    again = {"resource": patient(id="a")}
    data = of(first, again, {"resource": about("urn:uuid:1")}, {"resource": about("Patient/a", 4.0)})
    assert len(fhir_reading(data).timeline.observations) == 2
    other = {"resource": patient(id="a", birthDate="1999-01-01")}
    with pytest.raises(RecordRefused, match="same id"):
        fhir_reading(of(first, other, {"resource": about("Patient/a")}))


def test_contained_and_referenced_medications_are_found() -> None:
    inner = drug("x") | {
        "contained": [{"resourceType": "Medication", "id": "m", "code": {"text": "furosemide"}}],
        "medicationReference": {"reference": "#m"},
    }
    del inner["medicationCodeableConcept"]
    assert [one.ingredient for one in read(inner, observation(K, 4.0, "mmol/L")).timeline.exposures] == ["furosemide"]


def test_an_order_not_to_give_is_a_denial() -> None:
    order = drug("spironolactone", resourceType="MedicationRequest", intent="order", doNotPerform=True)
    (found,) = read(order, observation(K, 4.0, "mmol/L")).timeline.exposures
    assert found.status == "denied"


def test_only_a_normal_range_in_the_unit_of_the_value_is_used() -> None:
    treatment = {"type": {"coding": [{"code": "treatment"}]}, "low": {"value": 2.5}, "high": {"value": 6.5}}
    assert answer(observation(K, 3.0, "mmol/L", referenceRange=[treatment])).states.potassium == "low"
    other = {"low": {"value": 2.1, "unit": "mmol/L"}, "high": {"value": 2.6, "unit": "mmol/L"}}
    assert answer(observation("17861-6", 9.0, "mg/dL", referenceRange=[other])).states.calcium == "normal"


@pytest.mark.parametrize("comparator", ["ad", "=", "~"])
def test_an_unknown_comparator_is_an_issue(comparator: str) -> None:
    resource = observation(K, 0.0) | {"valueQuantity": {"value": 5.0, "unit": "mmol/L", "comparator": comparator}}
    assert "implausible" in [issue.code for issue in answer(resource).issues]


@pytest.mark.parametrize("text", ["<-1 mmol/L", "<0 mmol/L", ">60 mmol/L"])
def test_bounds_must_be_plausible_as_well(text: str) -> None:
    found = answer(observation(K, text))
    assert found.states.potassium == "unknown"
    assert "result_not_readable" in [alert.id for alert in found.samples]


def test_a_range_is_an_interval_and_never_runs_backwards() -> None:
    def ranged(low: float, high: float) -> dict[str, Any]:
        ends = {"low": {"value": low, "unit": "mmol/L"}, "high": {"value": high, "unit": "mmol/L"}}
        return {key: value for key, value in observation(K, 0.0).items() if key != "valueQuantity"} | {
            "valueRange": ends
        }

    assert answer(ranged(2.3, 2.5)).states.potassium == "low"
    assert answer(ranged(5, 3)).states.potassium == "unknown"


def test_text_and_code_of_a_unit_must_both_measure_this() -> None:
    value = {"value": 3, "unit": "mmol/L", "code": "g/dL", "system": "http://unitsofmeasure.org"}
    found = answer(observation("1751-7", 0.0) | {"valueQuantity": value}, observation(K, 4.0, "mmol/L"))
    assert "unit_conflict" in [issue.code for issue in found.issues]


def test_another_test_is_not_read_by_its_label() -> None:
    fluid = observation("2821-7", 7.0, "mmol/L") | {
        "code": {"coding": [{"system": "http://loinc.org", "code": "2821-7"}], "text": "Potassium"}
    }
    assert answer(fluid, condition("ascites")).states.potassium == "unknown"


def test_codes_that_contradict_each_other_are_refused() -> None:
    codes = [{"system": "http://loinc.org", "code": code} for code in (K, MG)]
    found = answer(observation(K, 1.9, "mmol/L") | {"code": {"coding": codes}})
    assert found.states.potassium == found.states.magnesium == "unknown"
    assert "code_conflict" in [issue.code for issue in found.issues]


def test_a_specimen_resource_says_what_was_measured() -> None:
    urine = {"resourceType": "Specimen", "id": "s", "type": {"text": "urine"}, "subject": {"reference": "Patient/p1"}}
    found = observation(K, 60, "mmol/L") | {"code": {"text": "Potassium"}, "specimen": {"reference": "Specimen/s"}}
    assert [one.quantity for one in read(urine, found).timeline.observations] == ["urine_potassium"]


def test_the_final_result_stays_where_a_preliminary_equals_it() -> None:
    both = [observation(K, 2.4, "mmol/L", status=status) for status in ("preliminary", "final")]
    assert answer(*both).states.potassium == answer(*both[::-1]).states.potassium == "low"


def test_a_corrected_result_replaces_the_one_of_its_time() -> None:
    found = answer(observation(MG, 0.3, "mmol/L"), observation(MG, 0.8, "mmol/L", status="corrected"))
    assert found.states.magnesium == "normal"


def test_results_of_one_time_that_disagree_are_told_and_the_worse_alarms() -> None:
    found = answer(observation(K, 7.0, "mmol/L"), observation(K, 4.2, "mmol/L"))
    assert "conflict" in [issue.code for issue in found.issues]
    assert "severe_hyperkalemia_emergency" in [alert.id for alert in found.emergencies]


def test_a_preliminary_result_never_calms_a_final_one() -> None:
    final = observation(K, 6.8, "mmol/L", effectiveDateTime="2020-06-01T06:00:00Z")
    calm = observation(K, 4.4, "mmol/L", status="preliminary", effectiveDateTime="2020-06-01T07:00:00Z")
    assert "severe_hyperkalemia_emergency" in [alert.id for alert in answer(final, calm).emergencies]


def test_an_old_serum_potassium_never_calms_a_blood_gas() -> None:
    old = observation(K, 4.2, "mmol/L", effectiveDateTime="2020-05-12T08:00:00Z")
    gas = observation("6298-4", 5.9, "mmol/L")
    assert answer(old, gas).states.potassium == "high"


def test_planned_contacts_do_not_move_the_present() -> None:
    later = {"resourceType": "Encounter", "status": "planned", "subject": {"reference": "Patient/p1"},
             "period": {"start": "2021-01-01"}}  # fmt: skip
    assert answer(observation(K, 2.9, "mmol/L"), later).states.potassium == "low"


@pytest.mark.parametrize("raw", [b'"note": [{"text": "\xe4"}]', b'"note": [{"x": ' + b"9" * 5000 + b"}]"])
def test_bytes_that_are_no_text_cost_one_resource(raw: bytes) -> None:
    extra = b', {"resource": {"resourceType": "Observation", "status": "final", ' + raw + b"}}]}"
    found = fhir_reading(bundle(observation(K, 2.9, "mmol/L"))[:-2] + extra)
    assert [one.quantity for one in found.timeline.observations] == ["serum_potassium"]


def test_an_end_that_cannot_be_read_is_still_an_end() -> None:
    taken = {"effectivePeriod": {"start": "2018-01-01", "end": "2019-02-30"}}
    found = answer(observation(MG, 0.3, "mmol/L"), drug("omeprazole", **taken))
    assert all(cause.probability < 0.5 for cause in found.causes if cause.id == "ppi")


@pytest.mark.parametrize(
    ("start", "end", "hours"),
    [("2020-05-31T08:00:00Z", "2020-05-31T10:00:00Z", 2.0), ("2020-05-30", "2020-05-31", None)],
)
def test_an_administration_between_two_times_is_one_infusion(start: str, end: str, hours: float | None) -> None:
    infusion = {
        "resourceType": "MedicationAdministration", "status": "completed", "subject": {"reference": "Patient/p1"},
        "medicationCodeableConcept": {"text": "magnesium sulfate"}, "effectivePeriod": {"start": start, "end": end},
        "dosage": {"route": {"text": "IV"}, "dose": {"value": 2, "unit": "g"}},
    }  # fmt: skip
    (one,) = read(observation(MG, 0.5, "mmol/L"), infusion).timeline.exposures
    assert (one.ran(), len(one.given)) == (hours, 0 if hours is None else 1)
    assert one.elemental_mmol == pytest.approx(8.12)
    assert one.stop is not None
    if hours is not None:  # half-way through, half of it has run in
        (one,) = read(infusion, now=datetime(2020, 5, 31, 9, tzinfo=UTC)).timeline.exposures
        assert (one.ran(), one.elemental_mmol) == (1.0, pytest.approx(4.06))


@pytest.mark.parametrize(("born", "age"), [("2002-06-01", 18.0), ("2002-06-02", 17.0), ("2004-02-29", 16.0)])
def test_ages_turn_on_the_birthday(born: str, age: float) -> None:
    found = read(observation(K, 4.0, "mmol/L"), who=patient(birthDate=born)).timeline.age()
    assert found is not None
    assert int(found) == age


def test_looking_back_nothing_that_ended_later_has_ended() -> None:
    drugs = (
        drug("omeprazole", status="stopped", effectivePeriod={"start": "2020-01-01", "end": "2020-06-03"}),
        drug("furosemide", status="active", effectivePeriod={"start": "2020-01-01", "end": "2021-01-01"}),
        drug("amiloride", status="stopped", effectivePeriod={"start": "2020-01-01", "end": "2021-01-01"}),
    )
    last = observation("2601-3", 0.6, "mmol/L", effectiveDateTime="2020-06-10T08:00:00Z")
    now = datetime(2020, 6, 1, 12, tzinfo=UTC)
    then = {one.ingredient: one for one in read(*drugs, last, now=now).timeline.exposures}
    assert (then["omeprazole"].status, then["omeprazole"].stop) == ("current", None)
    assert then["furosemide"].status == "current"
    assert then["amiloride"].status == "stopped"  # an end beyond all that the record tells was only planned
    today = {one.ingredient: one.status for one in read(*drugs, last).timeline.exposures}
    assert today == {"omeprazole": "stopped", "furosemide": "current", "amiloride": "stopped"}
