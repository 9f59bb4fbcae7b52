"""Members drawn around one patient: their sex, age and size, and the sets of causes that are asked about."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from carnallite.assessment.cloud.members import NONE, TIMES, Members, causes, chosen_form, draw, strengths
from carnallite.assessment.cloud.shown import scene, seen
from carnallite.physiology.chance import uniform

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from carnallite.assessment.cloud.under import Under
    from carnallite.physiology.scenario import Person

    Numbers = NDArray[np.float64]


class Around(NamedTuple):
    """Members for sets of causes: `of` [member] is the number of the set, `shown` what they show [member]."""

    of: NDArray[np.int64]
    members: Members
    shown: dict[str, Numbers]


def around(  # noqa: PLR0913  (each is one choice of the caller)
    person: Person,
    sets: Sequence[tuple[str, ...]],
    *,
    each: int,
    share: Numbers | None = None,
    under: Under | None = None,
    seed: int = 0,
    first: int = 0,
    width: int = 1,
) -> Around:
    """Simulate members of each set, as many for every time since the causes began.

    Parameters
    ----------
    person : Person
        `anybody` with what is known of the patient; a size for which the body does not hold is held at its limit.
    sets : sequence of tuple of str
        Causes that the body can have.
    each : int
        Members of a set, over all times.
    share : array [form], optional
        How often each form acts when its cause does.
    under : Under, optional
        Treatment under which some tests are looked at.
    first : int
        Number of the first member.
    width : int
        Places for causes, at least.
    """
    per_time = max(1, each // len(TIMES))
    of = np.tile(np.repeat(np.arange(len(sets)), per_time), len(TIMES))
    number = first + np.arange(len(of))
    form = np.full((len(of), max(width, *map(len, sets))), NONE)
    for cause in causes():
        has = np.array([cause in one for one in sets])[of]
        if has.any():
            chosen = chosen_form(cause, uniform(seed, f"around.{cause}", number), share)
            place = (form != NONE).sum(axis=1)
            form[has, place[has]] = chosen[has]
    since = np.repeat(TIMES, per_time * len(sets))
    members = Members(number, form, strengths(seed, number, form), since)
    return Around(of, members, _shown(person, members, seed, under))


def anything(
    person: Person, count: int, *, under: Under | None = None, seed: int = 0, first: int = 0
) -> tuple[Members, dict[str, Numbers]]:
    """Simulate people of this kind with any causes at all: what the laboratory might find in anybody."""
    since = np.resize(TIMES, count)
    members = draw(seed, first + np.arange(count))._replace(since=np.sort(since))
    return members, _shown(person, members, seed, under)


def _shown(person: Person, members: Members, seed: int, under: Under | None) -> dict[str, Numbers]:
    """Return what members show after their time; it must not fall."""
    edges = np.flatnonzero(np.diff(members.since)) + 1
    parts = []
    for rows in np.split(np.arange(len(members.number)), edges):
        begin = float(members.since[rows[0]])
        found = seen(scene(begin, person, under), members.some(rows), seed=seed, before=begin)
        tests = under.tests if under else frozenset()
        parts.append({name: found.after[name] if name in tests else found.before[name] for name in found.after})
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
