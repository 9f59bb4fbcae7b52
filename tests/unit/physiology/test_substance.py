"""What can be given, and how much of the element an amount holds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carnallite.errors import UnitError, UnknownIdError
from carnallite.knowledge import knowledge
from carnallite.physiology.load import model
from carnallite.physiology.substance import amount, find, mmol_per_gram, read_amount, substances


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
    ],
)
def test_amounts(what: str, text: str, expected: float) -> None:
    assert amount(text, find(what), weight=70) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["16", "mmol", "16 mmol/d", "16 L", "16 U", "", "a lot", "1,5 mmol", "16 mmol mmol"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(UnitError, match=r"Write it like|Give it in"):
        amount(text, find("KCl"), weight=70)


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
