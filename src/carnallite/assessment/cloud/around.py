"""Members drawn around one patient: their sex, age and size, and the sets of causes that are asked about."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from carnallite.assessment.cloud.library import scene, seen
from carnallite.assessment.cloud.members import TIMES, forms
from carnallite.physiology.chance import uniform
from carnallite.physiology.crowd import parameter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]


class Person(NamedTuple):
    """What is known of the patient's size; None is unknown."""

    is_male: bool | None = None
    age: float | None = None  # [a]
    weight: float | None = None  # [kg]


class Around(NamedTuple):
    """Members for sets of causes: `of` [member] is the number of the set, `shown` what they show [member]."""

    of: NDArray[np.int64]
    since: Numbers
    form: NDArray[np.int64]
    shown: dict[str, Numbers]


def around(person: Person, sets: Sequence[tuple[str, ...]], *, each: int, seed: int = 0) -> Around:
    """Simulate members of each set, as many for every time since the causes began."""
    per_time = max(1, each // len(TIMES))
    count = per_time * len(sets)
    of = np.repeat(np.arange(len(sets)), per_time)
    of_cause: dict[str, list[int]] = {}
    for row, form in enumerate(forms()):
        of_cause.setdefault(form.cause, []).append(row)
    parts: list[dict[str, Numbers]] = []
    chosen: list[NDArray[np.int64]] = []
    for turn, hours in enumerate(TIMES):
        first = turn * count
        having = np.zeros((len(forms()), count))
        drawn = np.full((count, max(map(len, sets), default=0) or 1), -1)
        for cause, rows in of_cause.items():
            has = np.array([cause in one for one in sets])[of]
            if has.any():
                form = np.array(rows)[
                    (uniform(seed, f"around.{cause}", first=first, count=count) * len(rows)).astype(int)
                ]
                having[form[has], np.flatnonzero(has)] = 1.0
                place = (drawn >= 0).sum(axis=1)
                drawn[has, place[has]] = form[has]
        scenario = scene(hours, *_own(person))
        strengths = {int(row): having[row] for row in np.flatnonzero(having.any(axis=1))}
        parts.append(seen(scenario, strengths, count=count, seed=seed, first=first)[1])
        chosen.append(drawn)
    shown = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return Around(np.tile(of, len(TIMES)), np.repeat(TIMES, count), np.concatenate(chosen), shown)


def _own(person: Person) -> tuple[bool | None, float | None, float | None]:
    return person.is_male, _held(person.age, "person.age"), _held(person.weight, "person.weight")


def _held(value: float | None, name: str) -> float | None:
    """Return a size within what the body holds for."""
    known = parameter(name)
    low, high = known.low or -np.inf, known.high or np.inf
    return None if value is None else float(min(max(value, low), high))
