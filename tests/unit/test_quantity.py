"""Analytes and units: every file is consistent, every conversion holds, and nothing is guessed."""

from __future__ import annotations

import math
from collections import defaultdict
from pathlib import Path

import pytest

import carnallite.quantity
from carnallite.errors import DataFileError, UnitError, UnknownIdError
from carnallite.quantity import Analyte, analyte, analytes, fold, printed_unit, units
from carnallite.quantity.analyte import Example, Range, Validity
from carnallite.record.understand import label_words

ALL = sorted(analytes().values(), key=lambda one: one.id)
EXAMPLES = [(one.id, example) for one in ALL for example in one.examples]
REFERENCES = Path(carnallite.quantity.__file__).parents[1] / "knowledge" / "references"
URINE_WORDS = ("urin", "orin", "harn", "uria", "úria", "urie", "sammel")
IONS = ["magnesium", "potassium", "calcium", "sodium", "chloride", "phosphate", "creatinine"]


def _names(one: Analyte) -> list[str]:
    return [label_words(name) for name in one.names]


# --- files


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.id)
def test_a_file_is_consistent(one: Analyte) -> None:
    assert one.plausible.low < one.plausible.high
    assert one.validity.current_h > 0
    assert one.validity.informative_d > 0
    assert math.isclose(one.factor(one.unit), 1.0, rel_tol=1e-12)
    assert one.names
    assert one.coded or len(one.examples) > 1
    for cited in (one.plausible, one.validity, *one.reference_intervals):
        assert (REFERENCES / f"{cited.source}.toml").exists()
        assert (cited.source == "assumption") == (cited.status == "assumed")
        assert cited.at


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.id)
def test_reference_intervals_are_ordered_and_plausible(one: Analyte) -> None:
    for interval in one.reference_intervals:
        ends = [end for end in (interval.low, interval.high) if end is not None]
        assert ends == sorted(ends)
        assert ends
        assert all(one.plausible.low <= end <= one.plausible.high for end in ends)
        assert (interval.age_from or 0) < (interval.age_to or 200)


def test_a_code_belongs_to_one_analyte() -> None:
    owners = defaultdict(list)
    for one in ALL:
        for code in one.loinc:
            owners[code.code].append(one.id)
            assert code.display
    assert {code: ids for code, ids in owners.items() if len(ids) > 1} == {}


def test_codes_have_the_form_and_check_digit_of_loinc() -> None:
    for one in ALL:
        for code in one.loinc:
            body, _, check = code.code.partition("-")
            digits = [int(digit) for digit in reversed(body)]
            doubled = [sum(divmod(2 * digit, 10)) for digit in digits[::2]]
            assert (sum(doubled) + sum(digits[1::2]) + int(check)) % 10 == 0, code.code


def test_a_name_belongs_to_one_analyte() -> None:
    owners = defaultdict(set)
    for one in ALL:
        for name in _names(one):
            assert name
            owners[name].add(one.id)
    assert {name: ids for name, ids in owners.items() if len(ids) > 1} == {}


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.id)
def test_a_name_stands_once(one: Analyte) -> None:
    assert len(_names(one)) == len(set(_names(one)))


def test_a_bare_name_means_blood() -> None:
    owner = {name: one for one in ALL for name in _names(one)}
    for bare in (
        "magnesium",
        "mg",
        "potassium",
        "k",
        "k+",
        "kalium",
        "potasio",
        "calcium",
        "ca",
        "calcio",
        "sodium",
    ):
        assert owner[bare].id.startswith("serum_")
    for symbol in IONS:
        assert owner[f"{symbol} urine"].id == f"urine_{symbol}"
        assert owner[f"24 h urine {symbol}"].id == f"urine_{symbol}_24h"


@pytest.mark.parametrize("ion", IONS)
@pytest.mark.parametrize("form", ["urine_{}", "urine_{}_24h"])
def test_names_of_urine_tests_carry_a_urine_word(ion: str, form: str) -> None:
    for name in analyte(form.format(ion)).names:
        short = label_words(name)
        found = any(word in name for word in URINE_WORDS)
        assert found or short.startswith("u") or short.endswith(" ur"), name


@pytest.mark.parametrize(
    ("label", "id"),
    [
        ("Potassium, Serum", "serum_potassium"),
        ("K+", "serum_potassium"),
        ("Potassium, Whole Blood", "blood_potassium"),
        ("Serum K", "serum_potassium"),
        ("Potasio sérico", "serum_potassium"),
        ("Kaliämie", "serum_potassium"),
        ("Magnésium plasmatique", "serum_magnesium"),
        ("Free Calcium", "ionized_calcium"),
        ("ionized calcium", "ionized_calcium"),
        ("Calcium, Total", "serum_calcium"),
        ("Urea Nitrogen", "serum_urea_nitrogen"),
        ("BUN", "serum_urea_nitrogen"),
        ("Blood urea", "serum_urea"),
        ("urinary sodium", "urine_sodium"),
        ("24 hr Calcium Urine", "urine_calcium_24h"),
        ("24 h urine protein", "urine_protein_24h"),
        ("platelets x 1000", "platelets"),
        ("WBC x 1000", "white_cells"),
        ("bedside glucose", "blood_glucose"),
        ("paCO2", "blood_pco2"),
        ("HCO3", "serum_bicarbonate"),
        ("Total CO2", "serum_bicarbonate"),
        ("SysABP", "systolic_pressure"),
        ("NIDiasABP", "diastolic_pressure"),
        ("NIMAP", "mean_arterial_pressure"),
        ("Arterial BP [Systolic]", "systolic_pressure"),
        ("tacroFK", "tacrolimus_level"),
        ("Tacrolimus-FK506", "tacrolimus_level"),
        ("Microalbumin Creatinine Ratio", "urine_albumin_creatinine_ratio"),
        ("FE(Mg)", "fractional_excretion_magnesium"),
        ("Urine Ca/Cr", "urine_calcium_creatinine_ratio"),
    ],
)  # fmt: skip
def test_labels_of_real_laboratories(label: str, id: str) -> None:
    owner = {name: one.id for one in ALL for name in _names(one)}
    assert owner[label_words(label)] == id


def test_what_is_ambiguous_is_nobodys_name() -> None:
    owner = {name: one.id for one in ALL for name in _names(one)}
    for label in ("Ca2+", "PCR", "P", "UA", "Urine", "Base deficit", "AG"):
        assert label_words(label) not in owner


# --- conversions


@pytest.mark.parametrize(("id", "example"), EXAMPLES, ids=lambda part: str(getattr(part, "unit", part)))
def test_examples(id: str, example: Example) -> None:
    found = example.value * analyte(id).factor(example.unit)
    assert found == pytest.approx(example.canonical, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("one", [one for one in ALL if one.us_unit], ids=lambda one: one.id)
def test_the_conventional_unit_goes_there_and_back(one: Analyte) -> None:
    substance, per = units.Substance(one.molar_mass, one.valence), units.Substance(one.per_molar_mass)
    there = units.factor(one.us_unit, one.unit, substance=substance, per=per)
    back = units.factor(one.unit, one.us_unit, substance=substance, per=per)
    assert there * back == pytest.approx(1.0, rel=1e-12)
    assert there == pytest.approx(one.factor(one.us_unit), rel=1e-12)


@pytest.mark.parametrize("unit", ["", "  ", "blorb", "mmol/L/furlong", "mg/dL?", "degF", "°F"])
@pytest.mark.parametrize("id", ["serum_magnesium", "serum_creatinine", "temperature", "egfr"])
def test_missing_and_unknown_units_are_errors(id: str, unit: str) -> None:
    with pytest.raises(UnitError):
        analyte(id).factor(unit)


@pytest.mark.parametrize(
    ("id", "unit"),
    [
        ("serum_magnesium", "mmol"),
        ("serum_magnesium", "mg"),
        ("serum_magnesium", "mmol/d"),
        ("serum_magnesium", "mmol/kg"),
        ("serum_magnesium", "%"),
        ("serum_magnesium", "U/L"),
        ("serum_phosphate", "mEq/L"),
        ("serum_creatinine", "mEq/L"),
        ("serum_creatinine", "mL/min"),
        ("serum_albumin", "mmol/L"),
        ("blood_ph", "mg/dL"),
        ("blood_ph", "%"),
        ("urine_magnesium_24h", "mg"),
        ("urine_magnesium_24h", "mg/dL"),
        ("urine_calcium_creatinine_ratio", "ratio"),
        ("urine_calcium_creatinine_ratio", ""),
        ("fractional_excretion_magnesium", ""),
        ("plasma_renin_activity", "uIU/mL"),
        ("plasma_renin_concentration", "ng/mL/h"),
        ("plasma_renin_concentration", "ng/L"),
        ("aldosterone_renin_ratio", ""),
        ("hba1c", "mmol/mol"),
        ("tsh", "U/L"),
        ("stoma_output_24h", "mL"),
        ("urine_output_rate", "mL/kg/h"),
        ("platelets", "g/dL"),
        ("body_weight", "cm"),
        ("qtc_interval", "mV"),
    ],
)
def test_a_unit_of_another_quantity_is_an_error(id: str, unit: str) -> None:
    with pytest.raises(UnitError):
        analyte(id).factor(unit)


@pytest.mark.parametrize(
    ("id", "unit", "factor"),
    [
        ("serum_potassium", "MEQ/L", 1.0),
        ("serum_potassium", "mEq/l", 1.0),
        ("serum_potassium", "mval/l", 1.0),
        ("serum_potassium", "mmol·L⁻¹", 1.0),
        ("serum_potassium", "mmol L-1", 1.0),
        ("serum_magnesium", "MG/DL", 10 / 24.305),
        ("serum_magnesium", "mg/100 ml", 10 / 24.305),
        ("serum_magnesium", "mg%", 10 / 24.305),
        ("serum_magnesium", "\u00b5mol/L", 1e-3),
        ("serum_magnesium", "\u03bcmol/L", 1e-3),
        ("serum_creatinine", "\u00b5mol / l", 1.0),
        ("serum_creatinine", "\u03bcmol/L", 1.0),
        ("serum_creatinine", "mcmol/L", 1.0),
        ("urine_magnesium_24h", "mg/24 h", 1 / 24.305),
        ("urine_magnesium_24h", "mg/24h", 1 / 24.305),
        ("urine_magnesium_24h", "mg/24 hr", 1 / 24.305),
        ("urine_magnesium_24h", "mg/24HR", 1 / 24.305),
        ("urine_magnesium_24h", "mg/24-hours", 1 / 24.305),
        ("urine_magnesium_24h", "mg/day", 1 / 24.305),
        ("urine_magnesium_24h", "mg/(24.h)", 1 / 24.305),
        ("urine_magnesium_24h", "mmol per day", 1.0),
        ("urine_magnesium_24h", "mmol/24 Std", 1.0),
        ("egfr", "mL/min/1.73m2", 1.0),
        ("egfr", "ml/min/1.73 m^2", 1.0),
        ("egfr", "mL/min/1,73 m²", 1.0),
        ("egfr", "mL/min/{1.73_m2}", 1.0),
        ("egfr", "mL/min per 1.73 m2", 1.0),
        ("egfr", "mL/min/1.73 sq m", 1.0),
        ("platelets", "10^9/L", 1.0),
        ("platelets", "10⁹/L", 1.0),
        ("platelets", "x10E3/uL", 1.0),
        ("platelets", "K/uL", 1.0),
        ("platelets", "K/MM3", 1.0),
        ("platelets", "k/mm cu", 1.0),
        ("platelets", "thou/cumm", 1.0),
        ("platelets", "TH/cmm", 1.0),
        ("platelets", "x10(3)/mcL", 1.0),
        ("platelets", "X 10 3", 1.0),
        ("platelets", "G/L", 1.0),
        ("hemoglobin", "GM/DL", 10.0),
        ("tsh", "mcU/ml", 1.0),
        ("tsh", "mcUnits/mL", 1.0),
        ("tsh", "µIU/mL", 1.0),
        ("tsh", "uU/ML", 1.0),
        ("ast", "IU/L", 1.0),
        ("ast", "Units/L", 1.0),
        ("serum_osmolality", "mOsm/kg H2O", 1.0),
        ("serum_osmolality", "mOsm/Kg", 1.0),
        ("urine_albumin_creatinine_ratio", "mg/g creat", 0.11312),
        ("urine_albumin_creatinine_ratio", "mg/g{creat}", 0.11312),
        ("urine_albumin_creatinine_ratio", "mg/g Kreatinin", 0.11312),
        ("urine_potassium_creatinine_ratio", "mmol/mmol Cr", 1.0),
        ("plasma_renin_activity", "ng/mL/hr", 1.0),
        ("plasma_renin_activity", "ng/(mL.h)", 1.0),
        ("blood_pco2", "mm/hg", 0.133322387415),
        ("blood_ph", "units", 1.0),
        ("blood_ph", "unit(s)", 1.0),
        ("blood_ph", "", 1.0),
        ("heart_rate", "beats per minute", 1.0),
        ("heart_rate", "BPM", 1.0),
        ("temperature", "Deg. C", 1.0),
        ("temperature", "Cel", 1.0),
        ("body_mass_index", "kg/m²", 1.0),
        ("body_weight", "lbs", 0.45359237),
    ],
)  # fmt: skip
def test_spellings_of_real_laboratories(id: str, unit: str, factor: float) -> None:
    assert analyte(id).factor(unit) == pytest.approx(factor, rel=1e-9)


def test_both_signs_for_micro_are_one() -> None:
    assert fold("\u00b5g/L") == fold("\u03bcg/L") == "ug/l"


def test_the_error_names_the_nearest_unit_and_no_long_text() -> None:
    with pytest.raises(UnitError, match="Did you mean 'mmol'") as caught:
        analyte("serum_magnesium").factor("mmoll/L")
    assert "not known" in str(caught.value)
    with pytest.raises(UnitError) as caught:
        analyte("serum_magnesium").factor("x" * 500)
    assert len(str(caught.value)) < 120


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("mm³", "mm^3"),
        ("10⁶/L", "10^6/l"),
        ("10⁹/L", "10^9/l"),
        ("m²", "m2"),
        ("mmol·L⁻¹", "mmol/l"),
        ("g per dL", "g/dl"),
    ],
)
def test_raised_signs_are_folded(text: str, folded: str) -> None:
    assert fold(text) == folded


def test_a_missing_unit_is_told_as_missing() -> None:
    with pytest.raises(UnitError, match=r"unit: is missing\. A number without a unit is not used\."):
        units.parse(" ")


@pytest.mark.parametrize(
    ("unit", "canonical"), [("g/g/g", "g/g/L"), ("g/g/L", "g/g/g"), ("g/mol/L", "g/L/L/g"), ("g/L", "g"), ("g", "g/L")]
)
def test_sides_of_another_shape_measure_something_else(unit: str, canonical: str) -> None:
    water = units.Substance(18.0, 1)
    with pytest.raises(UnitError, match="does not measure this quantity"):
        units.factor(unit, canonical, substance=water, per=water)


def test_what_is_no_unit_agrees_with_itself_alone_and_is_no_mass() -> None:
    assert units.units_agree("blorb", " Blorb")
    assert not units.units_agree("blorb", "mmol/L")
    assert not units.is_mass("blorb") and units.is_mass("g") is True


ATOMS = {"magnesium": 24.305, "potassium": 39.098, "calcium": 40.078, "sodium": 22.990, "chloride": 35.453}


@pytest.mark.parametrize("ion", ATOMS)
def test_the_mass_of_an_ion_is_the_same_in_every_specimen(ion: str) -> None:
    found = [one for one in ALL if ion in one.id.split("_") and one.molar_mass and not one.id.endswith("ratio")]
    assert len(found) > 2
    assert [one.molar_mass for one in found] == pytest.approx([ATOMS[ion]] * len(found), rel=1e-4)


# --- reading an analyte


def test_every_analyte_is_shown_in_both_systems() -> None:
    for one in ALL:
        places = one.us_decimals if one.us_unit else one.decimals
        assert one.show(2.0, "us").startswith(f"{2.0 / one.factor(one.us_unit or one.unit):.{places}f}")
        assert one.show(2.0).startswith(f"{2.0:.{one.decimals}f}")
        assert (one.show(2.0) == f"{2.0:.{one.decimals}f}") is (one.unit in {"1", "[pH]"})


def test_what_a_file_does_not_say() -> None:
    cited = {"source": "assumption", "at": "test", "status": "assumed"}
    validity = Validity(current_h=1.0, informative_d=1.0, **cited)
    bare = Analyte(
        id="x", name="X", short="X", specimen="serum", unit="mmol/L", plausible=Range(low=0, high=1, **cited),
        validity=validity
    )  # fmt: skip
    assert (bare.us_unit, bare.decimals, bare.us_decimals) == ("", 2, 1)
    assert not bare.derived and not bare.coded


@pytest.mark.parametrize(
    ("age", "low"),
    [(0.0, 3.7), (0.079, 3.7), (0.08, 4.1), (0.5, 4.1), (1.0, 3.4), (17.9, 3.4), (18.0, 3.5), (None, 3.5)],
)
def test_an_interval_begins_with_its_age_and_ends_before_the_next(age: float | None, low: float) -> None:
    found = analyte("serum_potassium").reference(sex=None, age=age)
    assert found is not None and found.low == low


def test_the_interval_of_a_person() -> None:
    potassium, creatinine = analyte("serum_potassium"), analyte("serum_creatinine")
    adult = potassium.reference(sex=None, age=None)
    newborn = potassium.reference(sex="female", age=0.02)
    assert adult is not None
    assert newborn is not None
    assert (adult.low, adult.high) == (3.5, 5.0)
    assert newborn.high == 5.9
    ends = {sex: creatinine.reference(sex=sex, age=50) for sex in ("female", "male", None)}
    assert all(ends.values())
    assert ends["female"].high < ends["male"].high == ends[None].high  # type: ignore[union-attr]
    assert analyte("urine_magnesium").reference(sex=None, age=None) is None


@pytest.mark.parametrize("age", [0.01, 0.5, 3.0, 10.0, 16.0, 40.0, 90.0])
@pytest.mark.parametrize("sex", ["female", "male", None])
@pytest.mark.parametrize(
    "id",
    [f"serum_{ion}" for ion in (*IONS, "bicarbonate", "albumin")] + ["alkaline_phosphatase"],
)  # fmt: skip
def test_every_age_has_an_interval_of_the_main_tests(id: str, sex: str | None, age: float) -> None:
    assert analyte(id).reference(sex=sex, age=age) is not None


def test_a_value_is_shown_with_its_unit() -> None:
    magnesium = analyte("serum_magnesium")
    assert magnesium.show(0.617157) == "0.62\N{NO-BREAK SPACE}mmol/L"
    assert magnesium.show(0.617157, "us") == "1.50\N{NO-BREAK SPACE}mg/dL"
    assert analyte("blood_ph").show(7.4) == "7.40"
    assert printed_unit("umol/L") == "µmol/L"


def test_an_unknown_id_suggests_the_nearest() -> None:
    with pytest.raises(UnknownIdError, match="Did you mean 'serum_magnesium'"):
        analyte("serum_magnesum")


def test_a_wrong_file_is_named(tmp_path: Path) -> None:
    from carnallite import datafile  # noqa: PLC0415

    wrong = tmp_path / "serum_x.toml"
    source = Path(carnallite.quantity.__file__).with_name("analytes") / "serum_zinc.toml"
    text = source.read_text("utf-8").replace("serum_zinc", "serum_x")
    wrong.write_text(text.replace("molar_mass", "molar_mas"), "utf-8")
    with pytest.raises(DataFileError, match=r"serum_x.toml.*molar_mas.*Did you mean 'molar_mass'"):
        datafile.read(wrong, Analyte)
