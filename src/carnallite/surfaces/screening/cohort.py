"""What the cohort report needs to know of each patient: questions of ``cohort.toml``, and how an episode went."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from carnallite import datafile
from carnallite.assessment import ABSENT, PRESENT, UNKNOWN, Columns, evaluate
from carnallite.record import membership
from carnallite.surfaces.panels import dated, flag
from carnallite.surfaces.screening.episodes import window

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from numpy.typing import NDArray

    from carnallite.record import Exposure, Observation, Timeline

NOBODY = -1  # the question does not concern this patient


class Small(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The least count that is shown, and why."""

    least: int
    reason: str


class Question(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of whom something is asked, and what; both are expressions over one record."""

    id: str
    title: str
    among: str
    holds: str
    note: str


class Cohort(datafile.Item, frozen=True, kw_only=True):
    """The content of ``cohort.toml``."""

    source: str
    at: str
    status: str
    left_out: tuple[str, ...]
    small: Small
    questions: tuple[Question, ...]


@cache
def cohort() -> Cohort:
    """Return the questions, and the least count that is shown."""
    return datafile.read(Path(__file__).with_name("cohort.toml"), Cohort)


def asked(columns: Columns) -> NDArray[np.int8]:
    """Return the answers of everybody to every question [patient, question]: no 0, not known 1, yes 2, not asked -1.

    Whom a question only may concern is not asked.
    """
    answers = []
    for one in cohort().questions:
        truth = evaluate(one.holds, columns)
        answers.append(np.where(evaluate(one.among, columns) == PRESENT, truth, NOBODY))
    return np.stack(answers, axis=1).astype(np.int8)


class Course(msgspec.Struct, frozen=True, kw_only=True):
    """How an episode of a low ion went: times [h] since its first low result, null where it did not happen.

    Attributes
    ----------
    seen_h
        Until the index.
    normal_h
        Until a result that is not low.
    magnesium_h
        Until magnesium was measured.
    given
        Whether the ion was given until it was normal, or until the index.
    magnesium
        Of magnesium meanwhile: low, not low, or not measured.
    """

    seen_h: float
    normal_h: float | None
    magnesium_h: float | None
    given: bool
    magnesium: str


def course(timeline: Timeline, quantity: str, group: str) -> dict[str, Any] | None:
    """Return how the low potassium or magnesium of this episode went; None where it was not low in it."""
    results = dated(timeline, quantity)
    low = [one.time for one in results if one.time and flag(one, timeline) == "L"]
    first = _first_of_the_last(low)
    if first is None or timeline.index - low[-1] > window():
        return None
    normal = next((one.time for one in results if one.time and one.time > first and flag(one, timeline) != "L"), None)
    until = normal or timeline.index
    magnesium = [one for one in dated(timeline, "serum_magnesium") if one.time and first <= one.time <= until]
    return msgspec.structs.asdict(Course(
        seen_h=_hours(timeline.index - first),
        normal_h=None if normal is None else _hours(normal - first),
        magnesium_h=_hours_to(timeline, "serum_magnesium", first),
        given=any(_given(one, first, until) for one in timeline.exposures if group in _groups(one)),
        magnesium=_told(magnesium, timeline),
    ))  # fmt: skip


def _first_of_the_last(times: Sequence[datetime]) -> datetime | None:
    """Return when the run of results began that the last of them ends."""
    first = times[-1] if times else None
    for time in reversed(times):
        if first is None or first - time > window():
            break
        first = time
    return first


def _told(results: Sequence[Observation], timeline: Timeline) -> str:
    if not results:
        return "not measured"
    return "low" if any(flag(one, timeline) == "L" for one in results) else "not low"


def _hours_to(timeline: Timeline, quantity: str, first: datetime) -> float | None:
    time = next((one.time for one in dated(timeline, quantity) if one.time and one.time >= first), None)
    return None if time is None else _hours(time - first)


def _groups(one: Exposure) -> frozenset[str]:
    return membership().get(one.ingredient, frozenset())


def _given(one: Exposure, first: datetime, until: datetime) -> bool:
    """Return whether something was given or taken between two moments."""
    if one.status not in {"current", "stopped"}:
        return False
    if one.given:
        return any(first <= time <= until for time in one.given)
    return one.start is not None and one.start <= until and (one.stop is None or one.stop >= first)


def _hours(span: timedelta) -> float:
    return round(span.total_seconds() / 3600, 2)


__all__ = ["ABSENT", "NOBODY", "PRESENT", "UNKNOWN", "Course", "asked", "cohort", "course"]
