"""The posterior over sets of causes where virtual patients weigh the results."""

from __future__ import annotations

import numpy as np
import pytest

from carnallite.assessment import RankedCause
from carnallite.assessment.cloud.asked import Asked, asked_of
from carnallite.assessment.cloud.judge import judge
from carnallite.assessment.cloud.sets import replaced
from carnallite.assessment.columns import results_in
from carnallite.assessment.individual import either
from carnallite.assessment.network import network
from carnallite.assessment.panel import panel
from carnallite.physiology import engine
from carnallite.record.sketch import read_sketch

if engine.kernel() is None:
    pytest.skip("no compiled kernel", allow_module_level=True)


def asked(lines: str) -> Asked:
    found = panel([read_sketch(f"day|what|value|unit\n{lines}").timeline])
    return asked_of(found.columns, found.posterior, 0)[1]


def probability(lines: str, cause: str) -> tuple[float, float]:
    """Return prior and posterior of a cause."""
    found = panel([read_sketch(f"day|what|value|unit\n{lines}").timeline])
    posterior, _ = judge(found.columns, found.posterior, 0)
    column = network().causes.index(cause)
    return found.posterior.prior[0, column], posterior.marginal[0, column]


@pytest.mark.parametrize("calcium", [2.9, 3.3])
def test_a_result_that_the_prior_has_read_tells_no_more(calcium: float) -> None:
    prior, found = probability(f"0|serum_calcium|{calcium}|mmol/L", "hypercalcemia")
    assert prior > 0.1
    assert found == pytest.approx(prior, abs=0.02)


def test_another_result_goes_on_telling() -> None:
    prior, found = probability(
        "0|serum_calcium|2.9|mmol/L\n0|serum_magnesium|0.5|mmol/L\n0|pth|20|pmol/L", "hypercalcemia"
    )
    assert found > 1.5 * prior


def test_only_entries_until_the_one_that_held_were_read() -> None:
    known = asked("-1|esrd||\n0|egfr|9|mL/min/{1.73_m2}\n0|serum_potassium|6.4|mmol/L")
    assert not known.read
    read = asked("0|egfr|25|mL/min/{1.73_m2}\n0|serum_potassium|6.4|mmol/L").read
    assert [list(one.results) for one in read] == [["egfr"]]


def test_what_an_expression_rests_on_is_found_through_findings_and_formulas() -> None:
    assert {"serum_calcium", "ionized_calcium", "serum_albumin"} <= results_in("hypercalcemia")
    assert not results_in("recorded(hypercalciuria) and taking(thiazide)")


def test_a_likely_cause_that_a_result_denies_is_still_weighed() -> None:
    lines = "-30|ramipril|5|mg/d\n-60|hydrochlorothiazide|25|mg/d\n0|serum_potassium|2.8|mmol/L"
    found = panel([read_sketch(f"day|what|value|unit\n{lines}").timeline])
    column = network().causes.index("raas_inhibitor")
    assert found.posterior.prior[0, column] > 0.1
    assert column in asked_of(found.columns, found.posterior, 0)[0].candidates[0]


@pytest.mark.parametrize(
    ("first", "second", "both", "is_said"),
    [(0.5, 0.4, 0.1, True), (0.7, 0.2, 0.1, False), (0.3, 0.25, 0.45, False), (0.2, 0.2, 0.0, False)],
)
def test_two_causes_that_coincide_are_said_to(first: float, second: float, both: float, is_said: bool) -> None:
    found = panel([read_sketch("day|what|value|unit\n0|serum_potassium|2.8|mmol/L").timeline]).posterior
    score = np.full(len(found.sets), -np.inf)
    size = found.sets.sum(axis=1)
    of = [np.flatnonzero((size == 1) & found.sets[:, column])[0] for column in (0, 1)]
    pair = np.flatnonzero((size == 2) & found.sets[:, 0] & found.sets[:, 1])[0]
    with np.errstate(divide="ignore"):
        score[[0, *of, pair]] = np.log([max(0.0, 1 - first - second - both), first, second, both])
    changed = replaced(found, score[None])
    names = tuple(network().causes[number] for number in changed.candidates[0][:2])
    ranked = tuple(RankedCause(id=id, name=id, probability=0.5, basis="inferred") for id in names)
    assert either(changed, 0, ranked) == (names if is_said else ())
