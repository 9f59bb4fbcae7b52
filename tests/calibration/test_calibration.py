"""A hundred simulated patients whose causes are known: what a probability is worth, and what must hold exactly.

The whole suite is `scripts/calibrate`, its figures are in docs/reference/calibration.md.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from carnallite.physiology import engine

if engine.kernel() is None:
    pytest.skip("no compiled kernel", allow_module_level=True)

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import calibration_scores as scores  # benchmarks are not installed
from calibration_asked import asked
from calibration_patients import DECISIVE, patient, templates
from calibration_prior import without_results

if TYPE_CHECKING:
    from calibration_asked import Record
    from calibration_patients import Law

FITS = 50  # of each law
EVERY = 3  # patients that are looked at: four in a row have the same record


@pytest.mark.parametrize("law", ["body", "altered"])
def test_fifty_fits(law: Law) -> None:  # one test for each law: workers share nothing that was asked
    one = fits(law)
    assert len(one.records) == FITS
    probabilities_come_true(one)
    if law == "body":
        sums_are_right(one)
    results_teach_something(one)
    true_causes_stand_high(one)
    the_truth_lies_in_the_posterior(one)
    it_is_righter_where_it_tells(one)


def fits(law: Law) -> scores.Asked:
    found: list[Record] = []
    for number in range(0, 10 * FITS, EVERY):
        one = asked(law, number, panels=["decisive"])
        found += [one] if one.lived and not one.answers["decisive"].why_not else []
        if len(found) == FITS:
            break
    return scores.of(found, "decisive")


def probabilities_come_true(one: scores.Asked) -> None:
    worth = one.told >= scores.WORTH
    told, acts = one.told[worth], one.acts[worth]
    assert scores.calibration_error(told, acts) <= 1.25 * scores.by_chance(told)[1]
    assert 0.5 < scores.slope(told, acts) < 2


def sums_are_right(one: scores.Asked) -> None:
    """Hold where the body is as believed; on another one causes are told too seldom (docs/reference/calibration.md)."""
    assert abs(one.told.sum() - one.acts.sum()) <= 3 * np.sqrt((one.told * (1 - one.told)).sum())


def results_teach_something(one: scores.Asked) -> None:
    ours, findings, before = (scores.brier(told, one.acts) for told in (one.told, one.findings, one.before))
    assert ours < findings
    assert ours < 0.9 * before


def true_causes_stand_high(one: scores.Asked) -> None:
    place = scores.ranking(one.answers)
    assert place is not None
    assert place.one_of_three >= 0.9
    assert place.first >= 0.75


def the_truth_lies_in_the_posterior(one: scores.Asked) -> None:
    found = scores.ranks(one)
    assert found.weighed >= 0.75
    assert found.within[scores.LEVELS.index(0.9)] >= 0.65
    for name in ("ionized_magnesium", "magnesium.deficit", "kidney.gfr"):
        assert scores.coverage(one, name).most >= 0.65


def it_is_righter_where_it_tells(one: scores.Asked) -> None:
    told = scores.told_apart(one)
    assert told.right_if_told >= 0.75
    assert np.isnan(told.right_if_not) or told.right_if_told > told.right_if_not


@pytest.mark.parametrize("number", [0, 20, 40])
def test_without_results_the_posterior_is_the_prior(number: int) -> None:
    one = without_results(number)
    assert one.by_findings < 1e-12
    assert one.by_pairs < 1e-3
    assert one.by_body <= one.beyond + 1e-12  # sets that are not simulated must not matter more than they hold


def test_a_patient_is_told_by_law_and_number_alone() -> None:
    one, _, again = patient("altered", 6), patient("altered", 7), patient("altered", 6)
    assert one.causes == again.causes
    assert one.results == again.results
    assert set(one.results["decisive"]) == set(DECISIVE)
    assert one.results != patient("altered", 6, seed=2).results


def test_templates_hold_no_result_that_the_body_shows() -> None:
    assert len(templates()) >= 50
    shown = {one.quantity for template in templates() for one in template.timeline.observations}
    assert not shown & set(DECISIVE)
    for template in templates():
        assert template.chance.sum() == pytest.approx(1)


def test_scores_know_right_from_wrong() -> None:
    chance = np.random.default_rng(3)
    told = chance.random(4000)
    right = chance.random(4000) < told
    error, (_, bound) = scores.calibration_error(told, right), scores.by_chance(told)
    assert error <= bound < 0.05
    sharper = told**2 / (told**2 + (1 - told) ** 2)
    assert scores.calibration_error(sharper, right) > 2 * bound
    assert scores.slope(sharper, right) == pytest.approx(0.5, abs=0.06)
    assert scores.slope(told, right) == pytest.approx(1, abs=0.1)
