"""What must never break, whatever the record."""

from __future__ import annotations

import random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carnallite.assessment import Assessment, assess, assess_all
from carnallite.record import Timeline, fhir_reading
from records import answer, bundle, condition, drug, observation

LABS = (
    ("2601-3", "mmol/L", 0.1, 4.0), ("2823-3", "mmol/L", 1.5, 8.0), ("2000-8", "mmol/L", 1.2, 3.8),
    ("14682-9", "umol/L", 30, 900), ("1963-8", "mmol/L", 8, 45), ("2951-2", "mmol/L", 110, 160),
    ("2777-1", "mg/dL", 0.6, 9), ("1751-7", "g/L", 15, 50),
)  # fmt: skip
TEXTS = ("high output ileostomy", "vomiting", "seizure", "complete heart block", "myasthenia gravis", "heart failure",
         "chronic diarrhea", "alcohol dependence", "pre-eclampsia", "type 2 diabetes")  # fmt: skip
DRUGS = ("omeprazole", "furosemide", "spironolactone", "potassium chloride", "magnesium oxide", "cisplatin",
         "tacrolimus", "digoxin", "lisinopril", "sotalol")  # fmt: skip


@st.composite
def records(draw: st.DrawFn) -> list[dict[str, object]]:
    labs = draw(st.lists(st.sampled_from(LABS), unique=True, max_size=8))
    values = [draw(st.floats(low, high)) for _, _, low, high in labs]
    found = [observation(code, round(value, 2), unit) for (code, unit, _, _), value in zip(labs, values, strict=True)]
    found += [condition(text) for text in draw(st.lists(st.sampled_from(TEXTS), unique=True, max_size=4))]
    found += [drug(text) for text in draw(st.lists(st.sampled_from(DRUGS), unique=True, max_size=5))]
    return [*found, observation("8867-4", 80, "/min")]


def told(found: Assessment) -> bytes:
    kept = (found.states, found.emergencies, found.unsafe, found.causes, found.factors, found.next_tests)
    return msgspec.json.encode(kept)


@settings(max_examples=20, deadline=None)
@given(records(), st.randoms())
def test_the_order_of_lines_is_irrelevant(record: list[dict[str, object]], chance: random.Random) -> None:
    shuffled = list(record)
    chance.shuffle(shuffled)
    kept = [one.id for one in answer(*record).causes]
    assert kept == [one.id for one in answer(*shuffled).causes]
    assert answer(*record).states == answer(*shuffled).states


@settings(max_examples=10, deadline=None)
@given(st.lists(records(), min_size=2, max_size=4))
def test_one_patient_is_a_population_of_one(many: list[list[dict[str, object]]]) -> None:
    readings = [fhir_reading(bundle(*record)) for record in many]
    alone = [told(assess(reading, depth="cloud")) for reading in readings]
    assert [told(found) for found in reversed(assess_all(readings[::-1], depth="cloud"))] == alone


@settings(max_examples=20, deadline=None)
@given(records())
def test_values_go_to_json_and_back_unchanged(record: list[dict[str, object]]) -> None:
    reading = fhir_reading(bundle(*record))
    assert msgspec.json.decode(msgspec.json.encode(reading.timeline), type=Timeline) == reading.timeline
    found = assess(reading)
    assert msgspec.json.decode(msgspec.json.encode(found), type=Assessment) == found


@settings(max_examples=20, deadline=None)
@given(records(), st.sampled_from(["14682-9", "2823-3"]))
def test_a_result_that_becomes_unknown_never_removes_a_warning_about_a_dose(
    record: list[dict[str, object]], code: str
) -> None:
    def is_it(resource: dict[str, object]) -> bool:
        return resource.get("code") == {"coding": [{"system": "http://loinc.org", "code": code}]}

    before = {alert.id for alert in answer(*record).unsafe}
    after = {alert.id for alert in answer(*[one for one in record if not is_it(one)]).unsafe}
    assert "magnesium_by_vein_kidney" in after or "magnesium_by_vein_kidney" not in before
    potassium = {"potassium_with_sparing_drug_unsafe", "potassium_without_recent_level"}
    assert after & potassium or "potassium_with_sparing_drug_unsafe" not in before


@settings(max_examples=20, deadline=None)
@given(records())
def test_probabilities_are_probabilities_and_sorted(record: list[dict[str, object]]) -> None:
    causes = answer(*record).causes
    chances = [cause.probability for cause in causes]
    assert all(0 <= chance <= 1 for chance in chances)
    assert chances == sorted(chances, reverse=True)


@pytest.mark.parametrize("drug_name", ["omeprazole", "furosemide"])
def test_without_a_disorder_a_drug_is_no_likely_cause(drug_name: str) -> None:
    normal = [
        observation("2601-3", 0.85, "mmol/L"),
        observation("2823-3", 4.2, "mmol/L"),
        observation("2000-8", 2.35, "mmol/L"),
    ]
    found = answer(*normal, drug(drug_name))
    assert found.causes[0].id == "none"
    assert all(cause.probability < 0.2 for cause in found.causes[1:])
