"""Answers with what is overdue on the day on which they are read: the one place where the clock meets the knowledge."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TypeVar

from msgspec.structs import replace

from carnallite.assessment import Assessment
from carnallite.knowledge import overdue

A = TypeVar("A", bound=Assessment)


def this_day() -> date:
    """Return the day by the clock, in UTC."""
    return datetime.now(UTC).date()


def dated(answer: A, today: date) -> A:
    """Return an answer that also tells which of its knowledge is overdue on a day; nothing else of it changes."""
    return replace(answer, overdue=overdue(today))
