"""Every scenario of this folder: does it do what the page says?"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from carnallite.assessment import Assessment, assess
from carnallite.knowledge import knowledge
from carnallite.record.sketch import read_sketch

HERE = Path(__file__).parent
SCENARIOS = sorted(path for path in HERE.rglob("*.toml") if path.parent.name != "body")  # those have their own test


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: str(path.relative_to(HERE))[:-5])
def test_scenario(path: Path) -> None:
    scenario = tomllib.loads(path.read_text("utf-8"))
    reading = read_sketch(scenario["record"])
    answer = assess(reading, depth="cloud")
    assert not [issue for issue in reading.issues if issue.code not in {"magnesium_dose_unclear", "decimal_comma"}]
    for expected in scenario["expect"]:
        check(expected, answer)


def check(expected: dict[str, Any], answer: Assessment) -> None:
    alerts = {"emergency": answer.emergencies, "unsafe": answer.unsafe, "sample": answer.samples}
    ranked = [cause.id for cause in answer.causes]
    match expected:
        case {"cause": cause, "rank": rank}:
            assert cause in ranked[:rank], f"{cause} is not among the first {rank} of {ranked[:5]}"
        case {"not_cause": cause, "below": below}:
            assert all(one.probability < below for one in answer.causes if one.id == cause)
        case {"factor": factor, "at_least": least}:
            found = {one.id: one.probability for one in answer.factors}
            assert found.get(factor, 0) >= least
        case {"explained": ion}:
            assert (getattr(answer.magnesium_explains, ion) or 0) >= 0.5
        case {"not_explained": ion}:
            assert (getattr(answer.magnesium_explains, ion) or 0) < 0.5
        case {"next_test": test}:
            assert test in [one.id for one in answer.next_tests[:3]]
        case {"state": ion, "is": state}:
            assert getattr(answer.states, ion) == state
        case _:
            (kind, id), *_ = expected.items()
            section = alerts[kind.removeprefix("no_")]
            assert (id in [alert.id for alert in section]) is not kind.startswith("no_")


@pytest.mark.parametrize("kind", ["causes", "factors", "rules"])
def test_everything_has_a_scenario(kind: str) -> None:
    shown = {path.stem for path in (HERE / kind).glob("*.toml")}
    assert not set(getattr(knowledge(), kind)) - shown
