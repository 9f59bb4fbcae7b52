"""What the knowledge says is done to the body can be done to it, and every row of the specification has its item."""

from __future__ import annotations

import pytest

from carnallite import datafile
from carnallite.knowledge import Acting, Effect, effects, find_all, knowledge
from carnallite.physiology import dimension
from carnallite.physiology.load import FOLDER, model
from carnallite.physiology.schema import Component

ACTING = ("causes", "factors", "drugs", "treatments")
PARAMETERS = {parameter.name: parameter for parameter in model().parameters}
ITEMS = [(f"{kind}/{id}", item) for kind in ACTING for id, item in getattr(knowledge(), kind).items()]
EFFECTS = [
    pytest.param(effect, id=f"{name}-{effect.phenotype}-{effect.target}")
    for name, item in ITEMS
    for effect in item.effects
]

# Rows of model.md section 9: the statements of the documents and the items that carry them. An item in brackets
# does something by itself: it follows from the others, or is given as a dose.
ROWS = {
    "short bowel, colon kept; end jejunostomy": ("A01 A02 A03 A04 A05", "causes/short_bowel"),
    "enterocutaneous fistula": ("A06", "causes/enterocutaneous_fistula"),
    "proton-pump inhibitor": ("A07 A08 A20", "causes/ppi drugs/ppi"),
    "malabsorption": ("A09", "causes/malabsorption"),
    "chronic diarrhoea": ("A10", "causes/chronic_diarrhea"),
    "Bartter syndrome": ("A11 A12 A13", "causes/bartter"),
    "Gitelman syndrome": ("A14 A15", "causes/gitelman"),
    "familial wasting": ("A16", "causes/familial_renal_wasting"),
    "drug tubulopathy": ("A17", "causes/aminoglycoside causes/amphotericin causes/other_nephrotoxic_drug "
                         "drugs/foscarnet"),
    "loop diuretic": ("A18 B29", "causes/loop_diuretic"),
    "thiazide": ("A19", "causes/thiazide"),
    "cisplatin and anti-EGFR": ("A21 A22", "causes/platinum causes/anti_egfr"),
    "calcineurin inhibitor": ("A23", "causes/calcineurin_inhibitor"),
    "secondary hyperaldosteronism": ("A24 A25 A36", "(factors/volume_depletion)"),
    "primary aldosteronism": ("A25", "causes/hyperaldosteronism"),
    "diabetes": ("A26", "causes/diabetes"),
    "hypercalcaemia": ("A27", "causes/hypercalcemia"),
    "22q11.2": ("A28 A29", "causes/hypoparathyroidism_22q11"),
    "sepsis": ("A30", "causes/sepsis"),
    "renal replacement and citrate": ("A31 A32", "causes/crrt_citrate treatments/crrt_fluid_magnesium"),
    "burns": ("A33", "causes/burns"),
    "refractory potassium": ("A34 A35 A44", "(factors/refractory_hypokalemia)"),
    "salt form": ("A37 A38", "(factors/poor_salt_form) treatments/oral_magnesium"),
    "dose and night": ("A39 A40", "(factors/inadequate_dose) factors/timing"),
    "serum against stores, calcium": ("A41 A42 A43", "(factors/hypocalcemia_secondary)"),
    "rehydration": ("A45 A36", "(treatments/saline_rehydration) (treatments/oral_rehydration_solution) "
                    "treatments/hypotonic_fluid_restriction"),
    "bolus, infusion, under the skin": ("A46 A47 A03 A05 B37", "(treatments/intravenous_magnesium) "
                                        "(treatments/subcutaneous_magnesium) (treatments/intramuscular_magnesium)"),
    "pump and channel": ("B07 B08 B09 B10 B11 B17 B18 B19 B20 B21 B22 B23 B24 B25 B60 B61",
                         "(factors/refractory_hypokalemia) (factors/refractory_hyperkalemia)"),
    "excess magnesium": ("B16 B20 B26 B38 B44 B72", "(causes/hyperkalemia_mg_infusion) "
                         "(causes/hypermagnesemia_iatrogenic) (causes/hypermagnesemia_ingestion)"),
    "heart failure with diuretics": ("B30 B67", "causes/heart_failure"),
    "kidney disease": ("B31 B66 B52", "causes/ckd causes/ckd_hyperkalemia"),
    "alcohol": ("B32 B70", "causes/alcohol"),
    "digoxin": ("B33 B69", "causes/digoxin drugs/digitalis drugs/digoxin_antibody"),
    "calcium": ("B40 B42 B45 B49 B50 B51", "(treatments/intravenous_calcium)"),
    "insulin, beta-2, bicarbonate, binder, dialysis": (
        "B03 B14", "(treatments/insulin_dextrose) (treatments/salbutamol) (treatments/sodium_bicarbonate) "
        "treatments/potassium_binder_treatment drugs/potassium_binder treatments/dialysis"),
    "spironolactone, ACE inhibitor, amiloride, fludrocortisone": (
        "B27", "drugs/mra drugs/ace_inhibitor drugs/arb drugs/enac_blocker drugs/mineralocorticoid"),
    "loperamide, alfacalcidol": ("A03", "drugs/antimotility treatments/alfacalcidol drugs/vitamin_d"),
}  # fmt: skip


@pytest.mark.parametrize("effect", EFFECTS)
def test_an_effect_moves_a_parameter_of_the_body_within_what_the_model_means(effect: Effect) -> None:
    assert effect.target in PARAMETERS
    parameter = PARAMETERS[effect.target]
    if effect.factor is None:
        assert effect.unit or parameter.unit == "1", "a unit is needed"
    unit = dimension.parse(effect.unit or "1")
    assert effect.factor is not None or str(unit.dimension) == parameter.unit
    value = _moved(effect, parameter.value)
    assert parameter.low is None or value >= parameter.low - 1e-12
    assert parameter.high is None or value <= parameter.high + 1e-12


def _moved(effect: Effect, value: float) -> float:
    """Return what an effect makes of a value, both canonical."""
    scale = dimension.parse(effect.unit or "1").scale
    if effect.factor is not None:
        return value * effect.factor
    return effect.set * scale if effect.set is not None else value + (effect.add or 0.0) * scale


@pytest.mark.parametrize(("name", "item"), ITEMS)
def test_what_matters_to_the_body_says_one_thing_of_it(name: str, item: Acting) -> None:
    said = sum(bool(word) for word in (item.effects, item.acts_as, item.emerges, item.not_simulated))
    assert said <= 1
    assert said == 1 or name.startswith("drugs/")
    if name.startswith("drugs/"):
        matters = {"magnesium_wasting", "magnesium_sparing", "potassium_wasting", "potassium_raising", "diuretic",
                   "potassium_lowering", "calcium_raising", "calcium_lowering"}  # fmt: skip
        assert said == 1 or not matters & set(knowledge().drugs[name.removeprefix("drugs/")].groups)


@pytest.mark.parametrize("row", ROWS)
def test_every_row_of_the_specification_has_its_items(row: str) -> None:
    places, named = ROWS[row]
    for place in places.split():
        assert any(kind == "statements" for kind, _ in find_all(place)), place
    for word in named.split():
        found = find_all(word.strip("()"))
        assert len(found) == 1, word
        item = found[0][1]
        assert bool(effects(item)) != word.startswith("("), word
        assert item.emerges or not word.startswith("("), word


def test_every_source_of_the_body_is_a_reference() -> None:
    body = model()
    cited = {part.source for group in (body.parameters, body.states, body.equations, body.solved) for part in group}
    cited |= {component.source for component in datafile.read_folder(FOLDER, Component).values()}
    assert cited <= set(knowledge().references)


def test_every_magnesium_salt_says_whether_it_must_dissolve() -> None:
    salts = [salt for item in knowledge().treatments.values() for salt in item.salts]
    magnesium = [salt for salt in salts if salt.ingredient.startswith("magnesium")]
    assert {salt.ingredient for salt in magnesium if salt.soluble is False} == {
        "magnesium_oxide", "magnesium_hydroxide", "magnesium_carbonate",
    }  # fmt: skip
    assert all(salt.soluble is not None for salt in magnesium)


@pytest.mark.parametrize(
    ("name", "target", "highest"),
    [
        ("drugs/mra", "aldosterone.receptor_blockade", 0.8),
        ("drugs/ace_inhibitor", "aldosterone.ace_inhibition", 0.9),
    ],
)
def test_blockers_stay_where_the_model_holds(name: str, target: str, highest: float) -> None:
    sizes = [effect.set or 0.0 for effect in find_all(name)[0][1].effects if effect.target == target]
    assert sizes
    assert max(sizes) <= highest


@pytest.mark.parametrize("cause", ["loop_diuretic", "ppi"])
def test_what_is_contested_says_so(cause: str) -> None:
    assert {effect.status for effect in knowledge().causes[cause].effects} == {"disputed"}
