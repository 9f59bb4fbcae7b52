"""A handful of stays of each open data set is cut, fitted and foretold. Skipped where the data are not there."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pytest

from carnallite.physiology import engine

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from foretell import outcome_of
from foretell_page import as_tables
from foretell_run import chosen, go_on, read
from foretell_stays import CUTS, DATA, PLACES, SOURCES, cuts, held_back, known_at, stays, whole

STAYS = {"physionet": (0, 2, 5), "mimic": (3,), "eicu": (13, 33)}
pytestmark = pytest.mark.skipif(engine.kernel() is None, reason="no compiled kernel")


@pytest.fixture(params=SOURCES)
def source(request: pytest.FixtureRequest) -> str:
    if not (DATA / PLACES[request.param]).exists():
        pytest.skip("the open data are not there")
    return request.param


def test_stays_are_read(source: str) -> None:
    counts = {"physionet": 4000, "mimic": 25, "eicu": 56}
    assert len(stays(source)) == counts[source]
    assert chosen(source, 3, 1) == chosen(source, 5, 1)[:3]


def test_nothing_of_the_future_is_known(source: str) -> None:
    for number in STAYS[source]:
        stay = stays(source)[number]
        timeline = whole(stay).timeline
        for moment in cuts(timeline, CUTS[source]):
            known = known_at(stay, moment).timeline
            assert max(one.time for one in known.observations if one.time) <= moment
            assert all(one.start is None or one.start <= moment for one in known.exposures)
            assert all(one.stop is None or one.stop <= moment for one in known.exposures)
            assert all(time <= moment for one in known.exposures for time in one.given)
            assert not any(one.where.startswith(("diagnoses_icd", "procedures_icd")) for one in known.conditions)
            assert held_back(timeline, moment)


def test_stays_are_foretold(source: str) -> None:
    for number in STAYS[source]:
        found = outcome_of(source, number)
        assert found.whole.why_not or 0 <= found.whole.describes <= 1
        assert found.cuts
        for one in (one for cut in found.cuts for one in cut.foretold):
            assert len(one.shown) == len(one.change) == len(one.again) > 0
            assert all(math.isfinite(value) for value in (*one.shown, *one.change, *one.again))
            assert 0 < one.left <= 1
        assert [cut.foretold for cut in outcome_of(source, number).cuts] == [cut.foretold for cut in found.cuts]


def test_a_run_that_was_stopped_goes_on(tmp_path: Path) -> None:
    if not (DATA / PLACES["physionet"]).exists():
        pytest.skip("the open data are not there")
    path, numbers = tmp_path / "physionet.jsonl", chosen("physionet", 2, 1)
    first = go_on(path, "physionet", numbers[:1], jobs=1, seconds=600)
    both = go_on(path, "physionet", numbers, jobs=1, seconds=600)
    assert both[numbers[0]] == first[numbers[0]]
    assert read(path, "physionet") == both
    path.write_bytes(path.read_bytes()[:-20])  # the machine stopped while it wrote
    assert list(read(path, "physionet")) == numbers[:1]
    assert "Records inside the cloud" in as_tables({"physionet": list(both.values())}, seed=1)
