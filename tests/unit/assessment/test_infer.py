"""The posterior against brute force, and what it must never do."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from carnallite.assessment.columns import Columns, evaluate
from carnallite.assessment.facts import ABSENT, PRESENT, Facts
from carnallite.assessment.infer import infer, network
from carnallite.knowledge import knowledge
from records import answer, condition, drug, observation, read


def brute_force(columns: Columns, causes: list[int]) -> np.ndarray:
    """Return the marginals over all subsets of some causes, one subset at a time."""
    net, found = network(), infer(columns)
    prior, state = found.prior[0], found.state[0]
    total, marginal = 0.0, np.zeros(len(causes))
    for chosen in product([False, True], repeat=len(causes)):
        weight = 1.0
        for cause, acts in zip(causes, chosen, strict=True):
            weight *= prior[cause] if acts else 1 - prior[cause]
        weight *= together(
            {net.causes[cause] for cause, acts in zip(causes, chosen, strict=True) if acts}, columns, causes
        )
        for finding in range(len(net.findings)):
            missed = 1 - net.background[finding]
            for cause, acts in zip(causes, chosen, strict=True):
                missed *= 1 - net.strength[cause, finding] if acts else 1
            if state[finding] == PRESENT:
                weight *= 1 - missed
            elif state[finding] == ABSENT:
                weight *= missed
        total += weight
        marginal += weight * np.array(chosen)
    return marginal / total


def together(acting: set[str], columns: Columns, causes: list[int]) -> float:
    """Return what causes that go together add to the odds of a set, without making one of them commoner."""
    net, prior, odds = network(), infer(columns).prior[0], 1.0
    candidates = {net.causes[cause] for cause in causes}
    for pair in knowledge().pairs.values():
        if not set(pair.causes) <= candidates or (pair.told_when and evaluate(pair.told_when, columns)[0] == PRESENT):
            continue
        odds *= pair.odds_ratio if set(pair.causes) <= acting else 1
        if len(pair.causes) == 2:
            for one, other in (pair.causes, pair.causes[::-1]):
                if one in acting:
                    odds /= 1 + prior[net.causes.index(other)] * (pair.odds_ratio - 1)
    return odds


def test_the_candidates_are_weighed_exactly() -> None:
    reading = read(
        observation("2601-3", 0.4, "mmol/L"), observation("2823-3", 2.8, "mmol/L"), drug("omeprazole"),
        drug("furosemide"), condition("chronic diarrhea"), condition("alcohol dependence"),
    )  # fmt: skip
    columns = Columns([Facts(reading.timeline)])
    found = infer(columns)
    candidates = [int(cause) for cause in found.candidates[0]]
    assert np.allclose(found.marginal[0, candidates], brute_force(columns, candidates), atol=1e-9)


def test_a_recorded_cause_is_never_dropped_among_many() -> None:
    texts = ("high output ileostomy", "vomiting", "alcohol dependence", "chronic diarrhea", "sepsis", "burns",
             "ketoacidosis", "malnutrition", "celiac disease", "heart failure")  # fmt: skip
    drugs = (
        "omeprazole",
        "furosemide",
        "hydrochlorothiazide",
        "cisplatin",
        "tacrolimus",
        "gentamicin",
        "amphotericin b",
    )
    found = answer(
        observation("2601-3", 0.4, "mmol/L"), observation("2823-3", 2.8, "mmol/L"),
        *(condition(text) for text in texts), *(drug(text) for text in drugs),
    )  # fmt: skip
    listed = {cause.id for cause in found.causes}
    assert {"ppi", "loop_diuretic", "thiazide", "vomiting", "calcineurin_inhibitor", "platinum"} <= listed


@pytest.mark.parametrize("magnesium", [0.3, 0.8])
def test_low_or_normal_magnesium_never_explains_high_potassium(magnesium: float) -> None:
    found = answer(observation("2601-3", magnesium, "mmol/L"), observation("2823-3", 7.1, "mmol/L"))
    assert found.magnesium_explains.potassium == 0
