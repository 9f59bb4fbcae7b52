"""What is said of the body is refused where it is wrong, with file, key and remedy."""

from __future__ import annotations

from typing import Any

import pytest

from carnallite.errors import DataFileError
from carnallite.knowledge import Effect, Factor, effects, knowledge
from carnallite.knowledge.load import _check


def effect(**given: Any) -> Effect:
    usual = {"target": "gut.slowing", "factor": 1.5, "source": "assumption", "at": "our judgement", "status": "assumed"}
    return Effect(**usual | given)


def factor(*parts: Effect, **given: Any) -> Factor:
    return Factor(id="made", name="Made", mechanism="None.", priors=(), effects=parts, **given)


@pytest.mark.parametrize(
    ("item", "told"),
    [
        (factor(), "does not say what it does to the body"),
        (factor(effect(), emerges="It follows."), "has `effects` and `emerges`. Keep one"),
        (factor(not_simulated="No path.", emerges="It follows."), "has `emerges` and `not_simulated`"),
        (factor(effect(factor=None)), "has none of `factor`, `add` and `set`. Give exactly one"),
        (factor(effect(add=1.0)), "has `factor` and `add`. Give exactly one"),
        (factor(effect(factor=-1.0)), "`effects[0].factor` is -1.0"),
        (factor(effect(unit="mmol/L")), "`effects[0].unit` is 'mmol/L', but a factor has none"),
        (factor(effect(spread=-0.1)), "`effects[0].spread` is -0.1"),
        (factor(effect(target="slowing")), "Write component.parameter"),
        (factor(effect(source="nowhere")), "'nowhere' does not exist"),
        (factor(effect(), effect(factor=2.0)), "2 of them move 'gut.slowing' in 'typical'"),
        (factor(effect(phenotype="severe")), "`phenotypes.severe` is missing"),
        (factor(effect(), phenotypes={"sever": "Bad."}), "`phenotypes.sever`: no effect is of that form"),
        (factor(acts_as="ppi"), "names no kind"),
        (factor(acts_as="causes/ppj"), "Did you mean 'ppi'?"),
        (factor(acts_as="drugs/ppi"), "has no effects of its own"),
        (factor(acts_as="causes/ppi/severer"), "Did you mean 'severe'?"),
    ],
)
def test_a_wrong_word_about_the_body_is_refused(item: Factor, told: str) -> None:
    with pytest.raises(DataFileError) as raised:
        _check("factors/made.toml", item, knowledge())
    assert told in str(raised.value)
    assert str(raised.value).startswith("factors/made.toml: ")


@pytest.mark.parametrize(
    "item",
    [
        factor(effect(), effect(phenotype="severe", factor=2.0), phenotypes={"severe": "Worse."}),
        factor(effect(factor=None, add=1.0, unit="mmol/L", spread=0.2)),
        factor(emerges="It follows."),
        factor(acts_as="causes/ppi/severe"),
    ],
)
def test_a_right_word_about_the_body_passes(item: Factor) -> None:
    _check("factors/made.toml", item, knowledge())


def test_effects_are_told_by_form_and_borrowed_where_one_acts_as_another() -> None:
    known = knowledge()
    assert set(effects(known.causes["ppi"])) == {"moderate", "severe", "typical"}
    assert effects(known.drugs["pcab"]) == effects(known.causes["ppi"])
    assert effects(known.drugs["metformin"]) == {"typical": effects(known.causes["chronic_diarrhea"])["mild"]}
    assert effects(known.factors["nonadherence"]) == {}
