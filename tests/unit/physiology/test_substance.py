"""What can be given, and how much of the element an amount holds."""

from __future__ import annotations

from string import ascii_letters

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carnallite.errors import UnitError, UnknownIdError
from carnallite.knowledge import knowledge
from carnallite.physiology.load import model
from carnallite.physiology.substance import Substance, amount, find, id_of, mmol_per_gram, read_amount, substances


def test_every_substance_feeds_inputs_of_the_body() -> None:
    inputs = {parameter.name for parameter in model().parameters}
    for substance in substances().values():
        assert substance.routes
        for fed in substance.routes.values():
            assert set(fed) <= inputs


def test_every_substance_has_a_known_source_and_salt() -> None:
    for substance in substances().values():
        assert substance.source in knowledge().references
        if substance.salt:
            assert mmol_per_gram(substance.salt) > 0


def test_no_name_means_two_things() -> None:
    names = [name.casefold() for id, item in substances().items() for name in {id, *item.names}]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("what", "text", "expected"),
    [
        ("MgSO4", "16 mmol", 16),
        ("MgSO4", "32 mEq", 16),
        ("MgSO4", "1000 mg", 4.06),
        ("KCl", "0.5 mmol/kg", 35),
        ("saline", "500 mL", 0.5),
        ("insulin", "10 U", 10),
        ("salbutamol", "0.01 g", 10),
        ("KCl", "1e1 mmol", 10),
        ("KCl", "40mmol", 40),
        ("KCl", "40000 µmol", 40),
        ("KCl", "0.04 mol", 40),
        ("MgSO4", "0.004 kg", 16.24),
        ("saline", "0.5 L", 0.5),
        ("salbutamol", "10 mg", 10),
    ],
)
def test_amounts(what: str, text: str, expected: float) -> None:
    assert amount(text, find(what), weight=70) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["16", "mmol", "16 mmol/d", "16 L", "16 U", "", "a lot", "1,5 mmol", "16 mmol mmol"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(UnitError, match=r"Write it like|Give it in"):
        amount(text, find("KCl"), weight=70)


@pytest.mark.parametrize(
    ("what", "text", "told"),
    [
        ("KCl", "16 L", r"is no amount of potassium chloride\. Give it in mmol, mEq, g or mg of the salt\."),
        ("saline", "5 g", r"Give it in L or mL\."),
        ("saline", "5 mmol", r"Give it in L or mL\."),
        ("saline", "lots", r"'lots': is no amount\. Write it like '500 mL'\."),
        ("insulin", "1 mL", r"Give it in U\."),
        ("insulin", "1 L", r"Give it in U\."),
        ("insulin", "10 mg", r"Give it in U\."),
        ("insulin", "10", r"has no unit that is an amount\. Write it like '10 U'\."),
        ("salbutamol", "10 U", r"Give it in mg\."),
        ("salbutamol", "10 mL", r"Give it in mg\."),
        ("salbutamol", "x", r"Write it like '10 mg'\."),
        ("MgSO4", "4", r"has no unit that is an amount\. Write it like '16 mmol'\."),
    ],
)
def test_a_refused_amount_says_what_would_do(what: str, text: str, told: str) -> None:
    with pytest.raises(UnitError, match=told):
        amount(text, find(what), weight=70)


def test_without_valence_or_salt_only_moles_are_amounts() -> None:
    bare = Substance(names=("x",), routes={}, source="assumption", at="test", status="assumed")
    assert read_amount("2 mmol", bare) == (2.0, False)
    for text in ("2 mEq", "2 g", "2 mg", "2 L"):
        with pytest.raises(UnitError, match=r"Give it in mmol\."):
            read_amount(text, bare)


def test_an_amount_by_weight_is_said_to_be_one() -> None:
    assert read_amount("40 mmol", find("KCl")) == (40.0, False)
    assert amount("40 mmol", find("KCl"), weight=70) == 40


ATOMS = {
    "H": 1.008, "C": 12.011, "N": 14.007, "O": 15.999, "Mg": 24.305, "P": 30.974, "S": 32.06, "Cl": 35.45, "K": 39.098,
    "Ca": 40.078,
}  # fmt: skip
FORMULAS = {
    "magnesium sulfate heptahydrate": "Mg S O11 H14", "magnesium chloride hexahydrate": "Mg Cl2 O6 H12",
    "magnesium oxide": "Mg O", "magnesium hydroxide": "Mg O2 H2", "magnesium carbonate, anhydrous": "Mg C O3",
    "trimagnesium dicitrate, anhydrous": "Mg3 C12 H10 O14", "magnesium malate": "Mg C4 H4 O5",
    "magnesium bisglycinate": "Mg C4 H8 N2 O4", "magnesium glycerophosphate": "Mg C3 H7 O6 P",
    "magnesium lactate dihydrate": "Mg C6 H14 O8", "magnesium pidolate": "Mg C10 H12 N2 O6",
    "magnesium threonate": "Mg C8 H14 O10", "magnesium aspartate dihydrate": "Mg C8 H16 N2 O10",
    "magnesium orotate dihydrate": "Mg C10 H10 N4 O10", "magnesium gluconate dihydrate": "Mg C12 H26 O16",
    "potassium chloride": "K Cl", "potassium citrate monohydrate": "K3 C6 H7 O8", "potassium bicarbonate": "K H C O3",
    "potassium gluconate": "K C6 H11 O7", "calcium gluconate monohydrate": "Ca C12 H24 O15",
    "calcium chloride dihydrate": "Ca Cl2 O2 H4", "calcium carbonate": "Ca C O3", "calcium acetate": "Ca C4 H6 O4",
    "tricalcium dicitrate tetrahydrate": "Ca3 C12 H18 O18", "calcium lactate pentahydrate": "Ca C6 H20 O11",
}  # fmt: skip
SALTS = [one for treatment in knowledge().treatments.values() for one in treatment.salts]


def _parts(formula: str) -> list[tuple[str, int]]:
    return [(part.rstrip("0123456789"), int(part.lstrip(ascii_letters) or 1)) for part in formula.split()]


@pytest.mark.parametrize("salt", SALTS, ids=lambda one: one.salt)
def test_a_gram_of_a_salt_holds_what_its_formula_says(salt) -> None:
    """To one part in two hundred: sources round, and salts hold a little more or less water."""
    (_, ions), *_ = parts = _parts(FORMULAS[salt.salt])
    mass = sum(ATOMS[atom] * count for atom, count in parts)
    assert salt.mmol_per_g == pytest.approx(1000 * ions / mass, rel=5e-3)


VALENCES = {"magnesium": 2, "calcium": 2, "potassium": 1, "sodium": 1}


def test_an_equivalent_is_a_mole_over_the_valence_of_the_ion() -> None:
    for id, item in substances().items():
        if item.valence:
            assert item.valence == VALENCES[id.partition("_")[0]], id


def test_a_salt_without_a_treatment_is_told() -> None:
    with pytest.raises(UnknownIdError, match="stands with no treatment"):
        mmol_per_gram("sodium chloride of Mars")


def test_names_may_be_spelled_in_any_case_with_blanks_around() -> None:
    assert id_of(" mgso4 ") == id_of("MAGNESIUM SULFATE") == "magnesium_sulfate"


def test_an_unknown_substance_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UnknownIdError, match="magnesium oxide"):
        find("magnesium oxid")
    with pytest.raises(UnknownIdError, match="Known are"):
        find("zzz")


@given(st.floats(0.001, 1e4), st.sampled_from(["mmol", "g", "mg", "mEq"]))
def test_twice_as_much_is_twice_as_much(size: float, unit: str) -> None:
    one, _ = read_amount(f"{size!r} {unit}", find("MgSO4"))
    two, _ = read_amount(f"{2 * size!r} {unit}", find("MgSO4"))
    assert two == pytest.approx(2 * one)
