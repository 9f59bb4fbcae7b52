"""Both implementations of the safety table say the same; and plans of drawn patients never break it.

`python benchmarks/safety.py -n 10000000 --beside 150000` asks as many as a release needs.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from carnallite.knowledge import knowledge

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
from safety import beside, counted


def test_no_plan_of_a_drawn_patient_breaks_the_table() -> None:
    found = counted(5, 4000)
    assert found.doses > 1000 and found.spared > 100 and found.blocked > 1000
    assert (found.hard, found.everyday) == (0, 0)


def test_both_implementations_agree() -> None:
    said: list[object] = []
    judged, differing = beside(3, 40, said.append)
    assert judged > 150 and differing == 0, said


def test_they_differ_where_the_table_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checker that could not disagree would prove nothing."""
    import msgspec  # noqa: PLC0415

    table = dict(knowledge().safety)
    looser = tuple(msgspec.structs.replace(one, at_most=one.at_most * 1.5) for one in table["potassium"].ceilings)
    table["potassium"] = msgspec.structs.replace(table["potassium"], ceilings=looser)
    monkeypatch.setattr("carnallite.plan.safety.tables", lambda local=None: table)
    _, differing = beside(3, 200, lambda told: None)
    assert differing > 0
