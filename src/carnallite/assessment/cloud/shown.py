"""What members show: each is simulated, and looked at as a laboratory would."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from carnallite.assessment.cloud.members import NONE, forms
from carnallite.assessment.cloud.people import drawn
from carnallite.assessment.cloud.weigh import disputed
from carnallite.physiology import population
from carnallite.physiology.crowd import constant
from carnallite.physiology.protocol import protocol
from carnallite.physiology.scenario import Act, Sampling, Scenario
from carnallite.physiology.simulate import run
from carnallite.physiology.timing import DAY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from carnallite.assessment.cloud.members import Members
    from carnallite.assessment.cloud.under import Under
    from carnallite.physiology.body import People
    from carnallite.physiology.protocol import Protocol
    from carnallite.physiology.scenario import Person

    Numbers = NDArray[np.float64]
    Part = tuple[Act, Numbers]  # what acts, and how strongly on each member

CLOSE = 1e-4  # relative error of a step: what members show is off by less than 0.1 %, and results by 5 % or more
TESTS = (
    "serum_magnesium", "ionized_magnesium", "serum_potassium", "serum_calcium", "ionized_calcium", "serum_sodium",
    "serum_bicarbonate", "serum_phosphate", "pth", "calcitriol", "serum_aldosterone", "urine_magnesium_24h",
    "urine_potassium_24h", "urine_calcium_24h", "urine_sodium_24h", "urine_volume_24h",
)  # fmt: skip
BODY = (
    "kidney.gfr", "aldosterone.renin", "water.extracellular", "magnesium.deficit", "potassium.deficit",
    "kidney_magnesium.fractional_excretion", "kidney_potassium.fractional_excretion",
)  # fmt: skip
SIZE = ("male", "age", "weight")


@lru_cache(maxsize=256)
def scene(hours: float, person: Person, under: Under | None = None) -> Scenario:
    """Return what all members have in common who are looked at after so many hours, and perhaps after treatment."""
    end = hours + (under.hours if under else 0)
    looks = sorted({hours - DAY, hours, end - DAY, end})
    return Scenario(
        title="Library",
        length=f"{end:g} h",
        person=person,
        own=disputed(),
        dose=under.doses(hours) if under else (),
        sampling=Sampling(at=tuple(f"{time:g} h" for time in looks)),
    )


class Seen(NamedTuple):
    """People, and what they show [person] before a treatment and at the end."""

    people: dict[str, Numbers]
    before: dict[str, Numbers]
    after: dict[str, Numbers]


def seen(scenario: Scenario, members: Members, *, seed: int, before: float | None = None) -> Seen:
    """Return people on whom causes act all the time, and what they show.

    Parameters
    ----------
    before : float, optional
        [h] When a treatment begins; without one both looks are at the end.
    """
    rows = np.unique(members.form[members.form != NONE])
    given = staged(scenario, members, [part(members, row) for row in rows], seed=seed)
    names = (*TESTS, *BODY)
    course = run(given, population.needed(names), rtol=CLOSE)
    shown = population.columns(course, names)
    shown["egfr"] = estimated(shown["kidney.gfr"], given.people)
    first = -1 if before is None else int(np.searchsorted(course.time, before - 1e-6))
    people = {name: constant(given.people, f"person.{name}") for name in SIZE}
    return Seen(people, *({name: values[:, look] for name, values in shown.items()} for look in (first, -1)))


def estimated(gfr: Numbers, people: People) -> Numbers:
    """Return filtration [mL/min] per size of the body, of an absolute one [L/h] of each person."""
    size = constant(people, "person.size").reshape(-1, *[1] * (gfr.ndim - 1))
    found: Numbers = gfr / size * (1000 / 60)
    return found


def part(
    members: Members, row: int, *, start: str = "", until: str = "", whom: NDArray[np.bool_] | None = None
) -> Part:
    """Return one form of a cause as an act of a scenario, and how strongly each member has it."""
    form = forms()[row]
    strength = np.where(members.form == row, members.strength, 0).sum(axis=1)
    return Act(id=form.cause, phenotype=form.phenotype, start=start, until=until), (
        strength if whom is None else np.where(whom, strength, 0)
    )


def staged(scenario: Scenario, members: Members, parts: Sequence[Part], *, seed: int) -> Protocol:
    """Return a scenario with members as its people, and what acts on whom."""
    acting = msgspec.structs.replace(scenario, cause=(*scenario.cause, *(act for act, _ in parts)))
    first = len(scenario.cause)
    having = {f"cause[{first + place}]": strength for place, (_, strength) in enumerate(parts)}
    own = drawn(scenario.person, members.number, seed)
    return protocol(acting, seed=seed, numbers=members.number, having=having, own=own)
