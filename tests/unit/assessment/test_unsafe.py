"""What is unsafe is the same whether causes are asked for or not."""

from __future__ import annotations

from pathlib import Path

import pytest

from carnallite.assessment import assess, unsafe
from carnallite.record import read_record
from hooked import CASES


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem[:3])
def test_it_is_what_an_assessment_says(case: Path) -> None:
    reading = read_record(case)
    assert unsafe(reading.timeline) == assess(reading, depth="findings").unsafe
