"""A library stands in for members that are drawn: the same question, answered in milliseconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.special import stdtr

from carnallite.assessment import assess
from carnallite.assessment.cloud import Library, at_hand, library, place
from carnallite.assessment.cloud.judge import judge
from carnallite.assessment.cloud.members import causes
from carnallite.assessment.cloud.sift import sift
from carnallite.assessment.cloud.weigh import TAILS, student
from carnallite.assessment.network import network
from carnallite.assessment.panel import Panel, panel
from carnallite.physiology import engine
from carnallite.record.sketch import read_sketch

if engine.kernel() is None:
    pytest.skip("no compiled kernel", allow_module_level=True)

RECORD = """
  day | what             | value  | unit
  0   | age              | 55     |
  -60 | furosemide       |        |
  -60 | omeprazole       |        |
  0   | serum_magnesium  | 0.45   | mmol/L
  0   | serum_potassium  | 3.0    | mmol/L
"""


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Library:
    folder: Path = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "CACHE", folder)
        found = at_hand()
        assert place(small=True).parent == folder / "library"
        assert at_hand().name == found.name
    return found


@pytest.fixture(scope="module")
def asked() -> Panel:
    return panel([read_sketch(RECORD).timeline])


def test_a_small_library_serves_where_there_is_none(kept: Library) -> None:
    assert kept.is_small()
    assert len(kept) == library.SMALL


def test_members_are_found_by_their_causes(kept: Library) -> None:
    one = causes().index("gitelman")
    rows = kept.by_set[one,]
    acting = kept.members.acting()[rows]
    assert (np.sort(acting, axis=1)[:, -1] == one).all()
    assert ((acting == one).sum(axis=1) == 1).all()
    assert sum(len(group) for group in kept.by_set.values()) == len(kept)


def test_a_library_says_about_what_drawn_members_say(kept: Library, asked: Panel) -> None:
    sifted = sift(asked.columns, asked.posterior, [0], kept)
    drawn, cloud = judge(asked.columns, asked.posterior, 0)
    assert sifted.posterior.joint[0].sum() == pytest.approx(1)
    assert sifted.posterior.marginal[0] == pytest.approx(drawn.marginal[0], abs=0.25)
    first = [network().causes[int(one.marginal[0].argmax())] for one in (sifted.posterior, drawn)]
    assert first[0] == first[1]
    assert 0 <= sifted.describes[0] <= 1
    assert cloud.describes > 0


def test_the_answer_names_the_library(kept: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("carnallite.assessment.individual.at_hand", lambda: kept)
    found = assess(read_sketch(RECORD), depth="library")
    assert found.provenance.library == kept.name
    assert "small_library" in {issue.code for issue in found.issues}
    assert found.fit is None


def test_many_are_weighed_as_each_alone(kept: Library) -> None:
    records = [
        RECORD,
        RECORD.replace("3.0 ", "2.4 "),
        "-20 | ileostomy | |\n" + RECORD.replace("omeprazole", "cisplatin"),
    ]
    everybody = panel(read_sketch(record).timeline for record in records)
    found, describes, _ = sift(everybody.columns, everybody.posterior, [0, 2], kept)
    for row in (0, 2):
        mine = panel([read_sketch(records[row]).timeline])
        alone = sift(mine.columns, mine.posterior, [0], kept)
        assert found.marginal[row].tolist() == alone.posterior.marginal[0].tolist()
        assert found.joint[row].tolist() == alone.posterior.joint[0].tolist()
        assert describes[row] == alone.describes[0]
    assert np.isnan(describes[1])
    assert found.joint[1].tolist() == everybody.posterior.joint[1].tolist()


def test_the_chance_under_heavy_tails_is_that_of_student() -> None:
    t = np.concatenate([-np.logspace(-6, 6, 500), [0.0], np.logspace(-6, 6, 500)])
    np.testing.assert_allclose(student(t), stdtr(TAILS, t), rtol=1e-14)
    assert student(np.array([-np.inf, np.inf])).tolist() == [0.0, 1.0]
