"""The same 25 MIMIC-III patients as FHIR, OMOP and CSV: one timeline, but for what a form does not carry.

Skipped where the open data are not there. ``scripts/compare_forms.py`` prints every difference by name.
"""

from __future__ import annotations

import importlib.util
from collections import Counter
from pathlib import Path

import pytest

from carnallite.assessment import assess
from carnallite.record import Reading

ROOT = Path(__file__).parents[2]
FOLDER = ROOT.parent / "shared" / "data" / "mimic3demo"
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the open data are not there")

_spec = importlib.util.spec_from_file_location("compare_forms", ROOT / "scripts" / "compare_forms.py")
compare = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(compare)


@pytest.fixture(scope="module")
def timelines():
    """Every patient in every form, at the index of the FHIR form; `shared` is the CSV cut to common rows."""
    forms = compare.loaded(FOLDER)
    found = {}
    for key in forms["fhir"].people:
        index = compare.reading(forms, "fhir", key).timeline.index
        found[key] = {
            form: compare.reading(forms, form, key, index).timeline for form in ("fhir", "omop", "csv", "shared")
        }
    return found


@pytest.fixture(scope="module")
def contents(timelines):
    return {
        key: {form: compare.content(timeline) for form, timeline in forms.items()} for key, forms in timelines.items()
    }


def only(contents, section: str, one: str, other: str) -> Counter:
    """Return the facts of a section that stand in one form alone, over all patients."""
    return sum((forms[one][section] - forms[other][section] for forms in contents.values()), Counter())


def test_all_people_are_in_all_forms(timelines):
    assert len(timelines) == 25


@pytest.mark.parametrize("section", ["patient", "encounters"])
@pytest.mark.parametrize("other", ["omop", "shared", "csv"])
def test_people_and_stays_are_the_same(contents, section: str, other: str):
    assert not only(contents, section, "fhir", other)
    assert not only(contents, section, other, "fhir")


@pytest.mark.parametrize("section", ["observations", "derived"])
def test_omop_and_csv_give_the_same_results(contents, section: str):
    assert not only(contents, section, "omop", "shared")
    assert not only(contents, section, "shared", "omop")
    assert sum(forms["omop"][section].total() for forms in contents.values()) > 1000


def test_fhir_lacks_only_bounds_whose_unit_its_value_strings_lost(contents):
    assert not only(contents, "observations", "fhir", "shared")
    lost = only(contents, "observations", "shared", "fhir")
    assert {basis for *_, basis in lost} <= {"censored"}
    times = {time for _, _, _, time, _ in lost}
    assert {time for *_, time in only(contents, "derived", "shared", "fhir")} <= times


def test_csv_holds_every_result_of_the_other_forms_and_more(contents):
    assert not only(contents, "observations", "fhir", "csv")
    assert not only(contents, "observations", "omop", "csv")


def test_fhir_and_csv_give_the_same_exposures(contents):
    assert not only(contents, "exposures", "fhir", "shared")
    assert not only(contents, "exposures", "shared", "fhir")


def test_routes_differ_only_where_fhir_lost_them(timelines):
    for forms in timelines.values():
        known = {(e.ingredient, e.where) for e in forms["shared"].exposures if "inputevents_cv" in e.where}
        lost = sum(e.route is None for e in forms["fhir"].exposures)
        kept = sum(e.route is None for e in forms["shared"].exposures)
        assert 0 <= lost - kept <= len(known)


def test_omop_differs_only_in_single_doses_strengths_and_titles(timelines):
    """OMOP has no CareVue doses, no strengths (23.4 % saline is saline there), no titles that name drugs."""

    def facts(timeline) -> Counter:
        return Counter(
            (e.ingredient, e.start, e.stop, e.dose, e.dose_unit, e.route)
            for e in timeline.exposures
            if e.status != "mentioned" and "inputevents_cv" not in e.where
        )

    csv, omop = Counter(), Counter()
    for forms in timelines.values():
        csv += facts(forms["shared"]) - facts(forms["omop"])
        omop += facts(forms["omop"]) - facts(forms["shared"])
    assert {name for name, *_ in csv} <= {"hypertonic_saline", "heparin"}
    assert {name for name, *_ in omop} <= {"sodium_chloride"}


def test_omop_names_no_condition_that_fhir_does_not(contents):
    assert not only(contents, "conditions", "omop", "fhir")


def test_omop_lacks_only_conditions_that_words_name(timelines):
    for forms in timelines.values():
        coded = {(c.condition, c.status) for c in forms["fhir"].conditions if c.matched == "code"}
        assert coded <= {(c.condition, c.status) for c in forms["omop"].conditions}


@pytest.mark.parametrize("section", ["conditions", "procedures"])
def test_fhir_and_csv_give_the_same_diagnoses_and_procedures(contents, section: str):
    assert not only(contents, section, "fhir", "shared")
    assert not only(contents, section, "shared", "fhir")


def test_people_of_three_hundred_years_are_over_89(timelines):
    old = [forms for forms in timelines.values() if forms["fhir"].patient.age_at_least == 90]
    assert len(old) == 3
    assert all(forms[form].age() == 90 for forms in old for form in forms)


def answers(timeline) -> dict[str, object]:
    found = assess(Reading(timeline))
    return {
        "states": found.states,
        "emergencies": [alert.id for alert in found.emergencies],
        "unsafe": [alert.id for alert in found.unsafe],
        "samples": [alert.id for alert in found.samples],
        "causes": {cause.id: cause.probability for cause in found.causes[:3]},
    }


def differing(timelines, one: str, other: str) -> dict[str, set[str]]:
    """Return for every patient whose answers differ which parts of them do.

    A probability may differ by 0.001: routes and bounds that one form lost move what is simulated by less.
    """
    found = {}
    for key, forms in timelines.items():
        left, right = answers(forms[one]), answers(forms[other])
        left["causes"] = pytest.approx(left["causes"], abs=1e-3)
        parts = {part for part in left if left[part] != right[part]}
        if parts:
            found[key.split("-")[-1]] = parts
    return found


def test_fhir_and_csv_give_the_same_answer(timelines):
    assert not differing(timelines, "fhir", "shared")


def test_omop_answers_differ_only_by_what_it_does_not_carry(timelines):
    """Titles and admission reasons that name a disease, and CareVue doses, are not in the OMOP tables."""
    found = differing(timelines, "fhir", "omop")
    assert all(parts <= {"causes", "unsafe"} for parts in found.values())
    assert len(found) <= 8
