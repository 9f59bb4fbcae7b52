"""One test, at least, for every hazard of area "data"; its name begins with the hazard's id."""

from __future__ import annotations

import itertools
import json
import math
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carnallite.assessment import assess
from carnallite.errors import RecordRefused
from carnallite.record import fhir_reading
from carnallite.record.sketch import read_sketch
from carnallite.surfaces.terminal import render
from records import answer, bundle, condition, drug, observation, patient, read

MG, K, CA, CREATININE = "2601-3", "2823-3", "2000-8", "2160-0"
UNITS = {
    MG: (("mmol/L", 1.0), ("mg/dL", 2.4305), ("mEq/L", 2.0), ("mg/L", 24.305)),
    CA: (("mmol/L", 1.0), ("mg/dL", 4.0078), ("mEq/L", 2.0)),
    K: (("mmol/L", 1.0), ("mEq/L", 1.0), ("mg/dL", 3.9098)),
}


def comparable(found) -> bytes:
    """Return an answer without what depends on how the numbers were printed."""
    kept = {
        "states": found.states, "emergencies": found.emergencies, "unsafe": found.unsafe, "causes": found.causes,
        "factors": found.factors, "tests": found.next_tests, "explains": found.magnesium_explains,
    }  # fmt: skip
    return msgspec.json.encode(kept)


@settings(max_examples=8, deadline=None)
@given(
    magnesium=st.floats(0.2, 3.0).map(lambda v: round(v, 2)),
    potassium=st.floats(1.8, 7.5).map(lambda v: round(v, 1)),
    calcium=st.floats(1.4, 3.4).map(lambda v: round(v, 2)),
)
def test_h01_the_unit_system_changes_nothing(magnesium: float, potassium: float, calcium: float) -> None:
    values = {MG: magnesium, K: potassium, CA: calcium}
    seen = set()
    for first, second in itertools.product(range(3), repeat=2):  # every pair of units of two ions
        chosen = (UNITS[MG][first], UNITS[K][second], UNITS[CA][(first + second) % 3])
        results = [
            observation(code, values[code] * size, unit) for code, (unit, size) in zip((MG, K, CA), chosen, strict=True)
        ]
        seen.add(comparable(answer(*results)))
    assert len(seen) == 1


def test_h01_without_a_unit_there_is_no_advice() -> None:
    found = answer(observation(MG, 1.5))
    assert found.states.magnesium == "unknown"
    assert [issue.code for issue in found.issues] == ["unit_missing"]


def test_h01_text_and_code_of_a_unit_that_disagree_are_refused() -> None:
    value = {"value": 1.5, "unit": "mg/dL", "system": "http://unitsofmeasure.org", "code": "mmol/L"}
    found = answer(observation(MG, 0.0) | {"valueQuantity": value})
    assert found.states.magnesium == "unknown"
    assert "unit_conflict" in [issue.code for issue in found.issues]


@pytest.mark.parametrize("text", ["2,1 mmol/L", "1.000,5", "0,4", ".5.5", "1 000"])
def test_h03_odd_numbers_are_never_accepted_silently(text: str) -> None:
    reading = read(observation(MG, text))
    assert not reading.timeline.observations
    assert reading.issues


def test_h03_a_tenfold_slip_is_not_plausible() -> None:
    found = answer(observation(K, 41, "mmol/L"))
    assert found.states.potassium == "unknown"
    assert "implausible" in [issue.code for issue in found.issues]


def test_h04_results_of_somebody_else_are_refused() -> None:
    foreign = observation(MG, 0.4, "mmol/L") | {"subject": {"reference": "Patient/p2"}}
    with pytest.raises(RecordRefused, match="somebody else"):
        read(observation(K, 3.0, "mmol/L"), foreign)


def test_h04_two_patients_are_refused_unless_one_is_selected() -> None:
    other = patient(id="p2", gender="male")
    foreign = observation(MG, 0.4, "mmol/L") | {"subject": {"reference": "Patient/p2"}}
    data = bundle(other, observation(MG, 0.9, "mmol/L"), foreign)
    with pytest.raises(RecordRefused, match="2 patients"):
        fhir_reading(data)
    assert assess(fhir_reading(data, patient="p1")).states.magnesium == "normal"
    assert assess(fhir_reading(data, patient="p2")).states.magnesium == "low"


@pytest.mark.parametrize(("days", "is_stale"), [(0.2, False), (5.0, True)])
def test_h05_an_old_potassium_is_asked_for_again(days: float, is_stale: bool) -> None:
    found = assess(
        read_sketch(f"day|what|value|unit\n-{days}|serum_potassium|2.9|mmol/L\n0|serum_magnesium|0.8|mmol/L")
    )
    assert ("stale_potassium" in [alert.id for alert in found.samples]) is is_stale


def test_h05_a_result_of_years_ago_is_no_state() -> None:
    found = assess(read_sketch("day|what|value|unit\n-900|serum_magnesium|0.4|mmol/L\n0|serum_potassium|4|mmol/L"))
    assert found.states.magnesium == "unknown"


def test_h06_time_zones_order_results_and_future_ones_are_not_used() -> None:
    early = observation(K, 6.0, "mmol/L", effectiveDateTime="2020-06-01T09:00:00+05:00")  # 04:00 UTC
    late = observation(K, 4.0, "mmol/L", effectiveDateTime="2020-06-01T05:00:00Z")
    assert answer(early, late).states.potassium == "normal"
    future = observation(K, 7.5, "mmol/L", effectiveDateTime="2031-01-01T00:00:00Z")
    found = answer(late, future, now=datetime(2020, 6, 1, 12, tzinfo=UTC))
    assert found.states.potassium == "normal"
    assert "future" in [issue.code for issue in found.issues]


@pytest.mark.parametrize("status", ["entered-in-error", "cancelled", "registered", "banana"])
def test_h07_only_results_that_hold_are_used(status: str) -> None:
    found = answer(observation(MG, 0.3, "mmol/L", status=status), observation(K, 4.0, "mmol/L"))
    assert found.states.magnesium == "unknown"
    assert found.issues


def test_h07_preliminary_results_only_raise_alarms() -> None:
    found = answer(observation(K, 7.1, "mmol/L", status="preliminary"))
    assert found.states.potassium == "unknown"
    assert "severe_hyperkalemia_emergency" in [alert.id for alert in found.emergencies]


def test_h07_duplicates_change_nothing() -> None:
    results = [observation(MG, 0.4, "mmol/L"), observation(K, 2.8, "mmol/L"), drug("omeprazole")]
    assert comparable(answer(*results)) == comparable(answer(*results, *results))


@pytest.mark.parametrize("share", [0.05, 0.10, 0.20, 0.40])
def test_h08_edta_in_the_tube_is_suspected(share: float) -> None:
    # EDTA brings potassium and binds calcium and magnesium (and the enzyme's zinc) of a healthy person.
    potassium, left = 4.2 + 60 * share, max(1 - 6 * share, 0.2)
    found = answer(
        observation(K, min(potassium, 13.0), "mmol/L"), observation(CA, 2.35 * left, "mmol/L"),
        observation(MG, 0.85 * left, "mmol/L"),
    )  # fmt: skip
    assert "edta_contamination_suspected" in [alert.id for alert in found.samples]
    assert not found.causes
    if potassium >= 6.5:
        assert "severe_hyperkalemia_emergency" in [alert.id for alert in found.emergencies]


def test_h08_an_ecg_change_keeps_emergency_and_causes() -> None:
    found = answer(
        observation(K, 7.0, "mmol/L"), observation(CA, 1.6, "mmol/L"), observation(MG, 0.5, "mmol/L"),
        condition("peaked T waves"),
    )  # fmt: skip
    assert found.emergencies[0].id in {"severe_hyperkalemia_emergency", "hyperkalemia_with_ecg"}
    assert found.causes


def test_h09_hemolysis_is_told_and_never_calms() -> None:
    noted = {"note": [{"text": "sample haemolysed"}]}
    high = answer(observation(K, 6.8, "mmol/L", **noted))
    assert "hemolysed_high_potassium" in [alert.id for alert in high.samples]
    assert "severe_hyperkalemia_emergency" in [alert.id for alert in high.emergencies]
    hidden = answer(observation(K, 3.9, "mmol/L", **noted), condition("high output ileostomy"))
    assert "hemolysed_high_potassium" in [alert.id for alert in hidden.samples]


@pytest.mark.parametrize("text", ["hemolyzed", "hämolytisch", "hémolysé", "hemolizada", "emolizzato"])
def test_h09_hemolysis_is_read_in_five_languages(text: str) -> None:
    found = answer(observation(K, 5.9, "mmol/L", note=[{"text": text}]))
    assert "hemolysed_high_potassium" in [alert.id for alert in found.samples]


@pytest.mark.parametrize(
    ("platelets", "white_cells", "is_doubtful"), [(300, 8, False), (900, 8, True), (250, 120, True)]
)
def test_h10_many_cells_make_potassium_doubtful(platelets: float, white_cells: float, is_doubtful: bool) -> None:
    found = answer(
        observation(K, 5.9, "mmol/L"), observation("777-3", platelets, "10*9/L"),
        observation("6690-2", white_cells, "10*9/L"),
    )  # fmt: skip
    assert ("pseudohyperkalemia_suspected" in [alert.id for alert in found.samples]) is is_doubtful


def test_h11_a_drip_arm_is_suspected() -> None:
    found = answer(observation("2345-7", 55, "mmol/L"), observation(K, 2.4, "mmol/L"), drug("dextrose 5%"))
    assert "infusion_arm_suspected" in [alert.id for alert in found.samples]


def test_h12_ionized_calcium_wins_over_total_at_low_albumin() -> None:
    found = answer(
        observation(CA, 1.9, "mmol/L"),
        observation("1751-7", 18, "g/L"),
        observation("1994-3", 1.21, "mmol/L"),
    )
    assert found.states.calcium == "normal"


def test_h13_gadolinium_lowers_measured_calcium_falsely() -> None:
    contrast = drug("gadodiamide", effectiveDateTime="2020-06-01T06:00:00Z")
    found = answer(observation(CA, 1.7, "mmol/L"), contrast)
    assert "gadolinium_calcium" in [alert.id for alert in found.samples]


def test_h15_removing_a_result_never_removes_a_warning() -> None:
    full = [
        observation(MG, 0.45, "mmol/L"),
        observation(CREATININE, 5.0, "mg/dL"),
        observation(K, 2.3, "mmol/L"),
    ]
    whole = {alert.id for alert in answer(*full).unsafe}
    assert "magnesium_by_vein_kidney" in whole
    without = answer(full[0], full[2])
    assert "magnesium_by_vein_kidney" in {alert.id for alert in without.unsafe}  # unknown: ask, never pass
    assert any("Creatinine" in missing for missing in without.missing)


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("<0.3 mmol/L", "low"),
        ("undetectable", "low"),
        (">2.0 mmol/L", "high"),
        ("very low", "low"),
        ("normal", "normal"),
    ],
)
def test_h16_comparators_and_words_are_kept(text: str, state: str) -> None:
    assert answer(observation(MG, text)).states.magnesium == state


def test_h16_a_bound_is_never_a_point() -> None:
    (found,) = read(observation(MG, "<0.3 mmol/L")).timeline.observations
    assert found.low == 0.0
    assert found.high == pytest.approx(0.3)
    assert found.high < 0.3
    assert found.basis == "censored"


@pytest.mark.parametrize("loinc", ["19124-7", "24447-5", "26746-8", "13474-2"])
def test_h17_other_specimens_are_no_serum_magnesium(loinc: str) -> None:
    unit = "mmol/mmol" if loinc == "13474-2" else "mmol/d" if loinc == "24447-5" else "mmol/L"
    assert answer(observation(loinc, 0.3, unit), observation(K, 4.0, "mmol/L")).states.magnesium == "unknown"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Dyazide", {"hydrochlorothiazide", "triamterene"}),
        ("Bactrim DS", {"trimethoprim"}),
        ("HCTZ 25 mg tab", {"hydrochlorothiazide"}),
        ("esomeprazole magnesium 40 mg", {"esomeprazole"}),
        ("omeprazol 20 mg", {"omeprazole"}),
        ("Furosemid", {"furosemide"}),
    ],
)
def test_h18_combinations_brands_and_salts_map_to_ingredients(text: str, expected: set[str]) -> None:
    found = {one.ingredient for one in read(drug(text), observation(K, 4.0, "mmol/L")).timeline.exposures}
    assert expected <= found
    assert ("magnesium" in " ".join(found)) is False


@pytest.mark.parametrize(
    ("status", "taken"), [("active", True), ("stopped", False), ("not-taken", False), ("intended", False)]
)
def test_h19_a_drug_that_is_not_taken_is_no_current_cause(status: str, taken: bool) -> None:
    found = answer(drug("omeprazole", status=status), observation(MG, 0.3, "mmol/L"))
    inhibitor = next((cause.probability for cause in found.causes if cause.id == "ppi"), 0.0)
    assert (inhibitor > 0.5) is taken


def test_h19_a_drug_that_a_text_mentions_stays_possible_only() -> None:
    told = observation("x", "patient says she once used omeprazole") | {"code": {"text": "History"}}
    found = answer(told, observation(MG, 0.4, "mmol/L"))
    assert all(cause.basis == "inferred" or cause.probability < 0.9 for cause in found.causes if cause.id == "ppi")


@pytest.mark.parametrize("born", ["2015-01-01", "2020-05-20"])
def test_h20_children_get_states_and_no_doses(born: str) -> None:
    found = answer(observation(MG, 0.4, "mmol/L"), who=patient(birthDate=born))
    assert "outside_domain" in [alert.id for alert in found.unsafe]
    assert not found.plans


def test_h21_rising_creatinine_makes_egfr_an_upper_bound() -> None:
    first = observation(CREATININE, 0.9, "mg/dL", effectiveDateTime="2020-05-30T08:00:00Z")
    last = observation(CREATININE, 2.2, "mg/dL")
    found = [one for one in read(first, last).timeline.observations if one.quantity == "egfr"]
    assert found[-1].low == 0.0
    assert "unsteady" in found[-1].remarks


def test_h21_creatinine_in_either_unit_gives_one_egfr() -> None:
    values = []
    for value, unit in ((1.0, "mg/dL"), (88.42, "umol/L")):
        found = read(observation(CREATININE, value, unit)).timeline.observations
        values += [one.high for one in found if one.quantity == "egfr"]
    assert math.isclose(values[0], values[1], rel_tol=1e-3)


def test_h14_a_normal_serum_magnesium_is_no_proof_of_normal_stores() -> None:
    found = answer(observation(MG, 0.8, "mmol/L"), observation(K, 2.6, "mmol/L"), drug("furosemide"))
    text = " ".join(render(found, units="si", width=100, color=False).split())
    assert "does not exclude" in text


def test_a_hostile_bundle_is_refused_with_place_and_remedy() -> None:
    nobody = {"resourceType": "Bundle", "entry": [{"resource": 3}]}
    hostile = (
        b"",
        b"{",
        b'{"resourceType":"Patient"}',
        b'{"resourceType":"Bundle","entry":[]}',
        b'{"value": NaN}',
        b"[" * 100_000,
        b"\x1f\x8bbroken",
        b"\xff\xfe",
        json.dumps(nobody).encode(),
    )
    for data in hostile:
        with pytest.raises(RecordRefused):
            fhir_reading(data)
