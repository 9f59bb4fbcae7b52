"""Two patients with timed magnesium infusions are foretold from result to result. Skipped without the data."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pytest

from carnallite.physiology import engine

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from foretell_stays import DATA, PLACES, stays, whole
from infusions import SOURCE, asked_of, found_in, infusions
from infusions_page import as_tables, results_of

pytestmark = [
    pytest.mark.skipif(engine.kernel() is None, reason="no compiled kernel"),
    pytest.mark.skipif(not (DATA / PLACES[SOURCE]).exists(), reason="the open data are not there"),
]
ASKED = (15, 17)  # places of two patients


def test_infusions_have_begin_end_and_amount() -> None:
    timelines = [whole(one).timeline for one in stays(SOURCE)]
    ran = [one for timeline in timelines for one in infusions(timeline) if one.element == "magnesium"]
    grams = [
        (one.dose, one.elemental_mmol, one.ran())
        for timeline in timelines
        for one in timeline.exposures
        if one.ingredient == "magnesium_sulfate" and one.dose_unit == "grams" and "inputevents_mv" in one.where
    ]
    assert len(ran) == len(grams) == 8
    assert all(amount == pytest.approx(4.06 * dose) and 0.5 <= hours <= 1 for dose, amount, hours in grams)


def test_the_next_results_are_foretold() -> None:
    found = found_in(numbers=ASKED)
    asked = sum(len(some) for number in ASKED for some in asked_of(whole(stays(SOURCE)[number]).timeline).values())
    assert len(found.pairs) + len(found.left) == asked > 0
    assert {one.stay for one in found.pairs} <= set(ASKED)
    for one in found.pairs:
        assert all(math.isfinite(value) for value in (*one.told.shown, *one.at_cut, *one.without))
        if any(amount > 0 for *_, amount in one.given):
            assert sorted(one.told.shown)[48] > sorted(one.without)[48]
        assert all(begin < one.told.hours and begin < end for begin, end, _ in one.given)
    assert as_tables(found, seed=1).count("fewer than 5 values or patients") == 2
    assert results_of(found.pairs, "serum_magnesium").is_few()
