"""Members drawn around one patient: their sex, age and size, and the sets of causes that are asked about."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from carnallite.assessment.cloud.library import scene, seen
from carnallite.assessment.cloud.members import NONE, TIMES, causes, chosen_form
from carnallite.physiology.chance import uniform

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from carnallite.physiology.scenario import Person

    Numbers = NDArray[np.float64]


class Around(NamedTuple):
    """Members for sets of causes: `of` [member] is the number of the set, `shown` what they show [member]."""

    of: NDArray[np.int64]
    since: Numbers
    form: NDArray[np.int64]
    shown: dict[str, Numbers]


def around(person: Person, sets: Sequence[tuple[str, ...]], *, each: int, seed: int = 0) -> Around:
    """Simulate members of each set, as many for every time since the causes began.

    Parameters
    ----------
    person : Person
        `ANYBODY` with what is known of the patient; a size for which the body does not hold is held at its limit.
    """
    per_time = max(1, each // len(TIMES))
    count = per_time * len(sets)
    of = np.repeat(np.arange(len(sets)), per_time)
    parts: list[dict[str, Numbers]] = []
    forms: list[NDArray[np.int64]] = []
    for turn, hours in enumerate(TIMES):
        first = turn * count
        form = np.full((count, max(map(len, sets), default=1)), NONE)
        for cause in causes():
            has = np.array([cause in one for one in sets])[of]
            if has.any():
                chosen = chosen_form(cause, uniform(seed, f"around.{cause}", first=first, count=count))
                place = (form != NONE).sum(axis=1)
                form[has, place[has]] = chosen[has]
        parts.append(seen(scene(hours, person), form, seed=seed, first=first)[1])
        forms.append(form)
    shown = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return Around(np.tile(of, len(TIMES)), np.repeat(TIMES, count), np.concatenate(forms), shown)
