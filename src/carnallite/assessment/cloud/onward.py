"""Fitted members simulated on from the index: what their causes go on doing, and what is given from then on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from carnallite.assessment.cloud.history import LENGTH
from carnallite.assessment.cloud.judge import SEED
from carnallite.assessment.cloud.members import NONE, causes
from carnallite.assessment.cloud.shown import CLOSE, part, staged
from carnallite.assessment.cloud.weigh import disputed
from carnallite.physiology.body import People
from carnallite.physiology.scenario import Act, Clamp, Dose, Sampling, Scenario
from carnallite.physiology.simulate import run

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from carnallite.assessment.cloud.fit import Fit
    from carnallite.assessment.cloud.members import Members
    from carnallite.assessment.cloud.shown import Part
    from carnallite.physiology.simulate import Trajectories

    Numbers = NDArray[np.float64]


LOST = ("stool", "urine", "extracorporeal", "skin")  # ways by which magnesium leaves the body
OUTSIDE = tuple(f"outside.magnesium_{way}" for way in ("given", *LOST))


class Later(NamedTuple):
    """What happens after the index, besides the causes that go on: of doses only these are given.

    Attributes
    ----------
    ended : mapping of cause to float
        [h] Causes that end so long after the index, such as a drug that is stopped; 0 is at the index, where those
        that the record ends do so anyway.
    clock : str
        The time of day at the index.
    """

    doses: tuple[Dose, ...] = ()
    factors: tuple[Act, ...] = ()
    treatments: tuple[Act, ...] = ()
    clamps: tuple[Clamp, ...] = ()
    ended: Mapping[str, float] = {}
    clock: str = "00:00"


def going_on(fit: Fit) -> tuple[Dose, ...]:
    """Return the doses that go on after the index, as the record has them."""
    return tuple(
        msgspec.structs.replace(one.dose, start="", until="", at=()) for one in fit.history.treatments if one.goes_on
    )


def onward(
    fit: Fit,
    outputs: Sequence[str],
    hours: Sequence[float],
    later: Later,
    *,
    members: Members | None = None,
    rows: NDArray[np.int64] | None = None,
) -> Trajectories:
    """Return how members fare from the index on.

    Parameters
    ----------
    hours : sequence of float
        [h] After the index at which they are looked at; zero is added.
    members, rows : Members and array
        Other members in place of those of the fit, and from whose state at the index each begins.
    """
    members = fit.members if members is None else members
    whose = np.arange(len(members.number)) if rows is None else rows
    times = np.unique([0.0, *hours])
    scenario = Scenario(
        title="Onward", length=f"{times[-1]:.6f} h", clock=later.clock, person=fit.history.scenario.person,
        own=disputed(),
        dose=later.doses, factor=later.factors, treatment=later.treatments, clamp=later.clamps,
        sampling=Sampling(at=tuple(f"{time:.6f} h" for time in times)),
    )  # fmt: skip
    forms = np.unique(members.form[members.form != NONE])
    given = staged(scenario, members, list(_parts(fit, members, forms, later.ended)), seed=SEED)
    begun = People(given.people.constants, fit.people.states[:, whose])
    return run(replace(given, people=begun), tuple(outputs), rtol=CLOSE)


def gained(course: Trajectories, way: str, first: int = 0, last: int = -1) -> Numbers:
    """Return the magnesium that came or left by one way between two samples [mmol by member]."""
    values = course[f"outside.magnesium_{way}"]
    found: Numbers = values[:, last] - values[:, first]
    return found


def kept(course: Trajectories, first: int = 0, last: int = -1) -> Numbers:
    """Return the magnesium that stayed in the body between two samples [mmol by member]."""
    found: Numbers = gained(course, "given", first, last) - sum(gained(course, way, first, last) for way in LOST)
    return found


def _parts(fit: Fit, members: Members, forms: NDArray[np.int64], ended: Mapping[str, float]) -> Iterator[Part]:
    """Yield what goes on to act after the index, and for how long."""
    for row in forms:
        cause = causes()[members.acting()[members.form == row][0]]
        hours = ended.get(cause, np.inf)
        if hours > 0 and fit.history.windows.get(cause, (0.0, np.inf))[1] > LENGTH:
            yield part(members, row, until="" if np.isinf(hours) else f"{hours:.6f} h")
