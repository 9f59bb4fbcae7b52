"""The posterior against brute force, and what it must never do."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from carnallite.assessment.columns import Columns
from carnallite.assessment.facts import ABSENT, PRESENT
from carnallite.assessment.infer import Posterior, infer
from carnallite.assessment.network import network
from carnallite.assessment.panel import panel
from carnallite.knowledge import knowledge
from records import answer, condition, drug, observation, read


def brute_force(found: Posterior) -> np.ndarray:
    """Return the marginals over all sets of the candidates, one set at a time."""
    net, causes, state = network(), found.candidates[0], found.state[0]
    total, marginal = 0.0, np.zeros(len(causes))
    for chosen, odds in zip(found.sets, found.odds[0], strict=True):
        weight = np.exp(odds)
        for finding in range(len(net.findings)):
            missed = 1 - net.background[finding]
            for cause, acts in zip(causes, chosen, strict=True):
                missed *= 1 - net.strength[cause, finding] if acts else 1
            if state[finding] == PRESENT:
                weight *= 1 - missed
            elif state[finding] == ABSENT:
                weight *= missed
        total += weight
        marginal += weight * chosen
    return marginal / total


def paired() -> Posterior:
    reading = read(
        observation("2601-3", 0.4, "mmol/L"), observation("2823-3", 2.8, "mmol/L"), drug("omeprazole"),
        drug("furosemide"), condition("chronic diarrhea"), condition("alcohol dependence"),
    )  # fmt: skip
    return infer(Columns.of([reading.timeline]))


def test_no_cause_is_commoner_because_it_goes_with_another() -> None:
    found = paired()
    chance = np.exp(found.odds[0])
    assert chance @ found.sets / chance.sum() == pytest.approx(found.prior[0, found.candidates[0]], abs=1e-3)


def test_pairs_go_together_as_often_as_their_files_say() -> None:
    found = paired()
    names = [network().causes[number] for number in found.candidates[0]]
    pairs = [pair for pair in knowledge().pairs.values() if len(pair.causes) == 2 and not pair.told_when]
    known = {frozenset(pair.causes): pair for pair in pairs}
    told = {frozenset(pair.causes) for pair in knowledge().pairs.values()} - known.keys()
    number = {tuple(np.flatnonzero(one)): row for row, one in enumerate(found.sets)}
    seen = 0
    for first, second in combinations(range(len(names)), 2):
        both = frozenset({names[first], names[second]})
        if both in told:  # the prior of one has read the other
            continue
        odds = found.odds[0]
        more = odds[number[first, second]] - odds[number[first,]] - odds[number[second,]] + odds[0]
        pair = known.get(both)
        assert np.exp(more) == pytest.approx(1 if pair is None else pair.odds_ratio)
        seen += pair is not None
    assert seen > 1


def test_the_candidates_are_weighed_exactly() -> None:
    found = paired()
    assert found.marginal[0, found.candidates[0]] == pytest.approx(brute_force(found), abs=1e-9)


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


def test_a_cause_of_a_disorder_that_is_not_there_is_not_listed() -> None:
    low = answer(observation("2823-3", 2.8, "mmol/L"), drug("ramipril"), drug("hydrochlorothiazide"))
    high = answer(observation("2823-3", 6.4, "mmol/L"), drug("ramipril"), drug("hydrochlorothiazide"))
    unknown = answer(observation("2601-3", 0.5, "mmol/L"), drug("ramipril"))
    for found, is_listed in ((low, False), (high, True), (unknown, True)):
        assert any(one.id == "raas_inhibitor" for one in found.causes) == is_listed
    assert sum(one.probability for one in low.joint) <= 1


def test_a_factor_is_as_common_as_where_the_patient_is_seen() -> None:
    known, chances = knowledge(), {}
    for place, code in (("ambulatory", "AMB"), ("inpatient", "IMP")):
        stay = {"resourceType": "Encounter", "status": "in-progress", "class": {"code": code}}
        stay |= {"subject": {"reference": "Patient/p1"}, "period": {"start": "2020-05-31"}}
        found = panel([read(stay, observation("2601-3", 0.5, "mmol/L")).timeline])
        chances[place] = float(found.factors["nonadherence"][0][0])
    expected = {
        place: next(one.probability for one in known.settings[name].factors if one.factor == "nonadherence")
        for place, name in (("ambulatory", "outpatient"), ("inpatient", "ward"))
    }
    assert chances == expected


def test_high_calcium_is_brought_by_what_is_named_after_it() -> None:
    found = answer(
        observation("2000-8", 3.2, "mmol/L"),
        observation("2601-3", 0.85, "mmol/L"),
        observation("2823-3", 4.2, "mmol/L"),
    )
    assert any(one.id == "hypercalcemia" for one in found.causes)


@pytest.mark.parametrize("magnesium", [0.3, 0.8])
def test_low_or_normal_magnesium_never_explains_high_potassium(magnesium: float) -> None:
    found = answer(observation("2601-3", magnesium, "mmol/L"), observation("2823-3", 7.1, "mmol/L"))
    assert found.magnesium_explains.potassium == 0
