"""The full answer and the long history; all patients are invented."""

from __future__ import annotations

from typing import TYPE_CHECKING

import made
import pytest

if TYPE_CHECKING:
    from carnallite.assessment import Assessment
    from carnallite.record import Timeline


@pytest.fixture
def assessment() -> Assessment:
    return made.full()


@pytest.fixture
def timeline() -> Timeline:
    return made.history()
