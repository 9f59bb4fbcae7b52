"""In which order patients stand on the work list. The order is data."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from carnallite import datafile
from carnallite.knowledge import knowledge

if TYPE_CHECKING:
    from carnallite.assessment import Alert, Assessment


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One place in the order, and why it stands there."""

    id: str
    name: str
    reason: str


class Priority(datafile.Item, frozen=True, kw_only=True):
    """The content of ``priority.toml``."""

    source: str
    at: str
    status: str
    present: float
    refractory: tuple[str, ...]
    quiet: tuple[str, ...]
    order: tuple[Line, ...]


@cache
def priority() -> Priority:
    """Return the order of the work list."""
    return datafile.read(Path(__file__).with_name("priority.toml"), Priority)


def refractory(answer: Assessment) -> tuple[str, ...]:
    """Return the patterns that are more likely than not and do not answer to replacing the ion alone."""
    told = priority()
    return tuple(one.id for one in answer.factors if one.id in told.refractory and one.probability >= told.present)


def place(answer: Assessment, patterns: tuple[str, ...]) -> tuple[int, int, int]:
    """Return the place of a patient in the order, the rank of the first rule that holds, and less the more hold."""
    told = priority()
    is_disordered = any(getattr(answer.states, ion) in {"low", "high"} for ion in answer.states.__struct_fields__)
    emergencies, unsafe, samples = (
        [one for one in alerts if one.id not in told.quiet and not is_undecided(one)]
        for alerts in (answer.emergencies, answer.unsafe, answer.samples)
    )
    asking = [one for one in (*answer.emergencies, *answer.unsafe) if is_undecided(one)]
    holds = {
        "emergency": bool(emergencies), "unsafe": bool(unsafe), "refractory": bool(patterns), "check": bool(asking),
        "disorder": is_disordered, "doubt": bool(samples), "none": True,
    }  # fmt: skip
    turn = next(number for number, line in enumerate(told.order) if holds[line.id])
    alerts = emergencies or unsafe or asking or samples
    return turn, min((knowledge().rules[one.id].rank for one in alerts), default=0), -len(alerts)


def is_undecided(alert: Alert) -> bool:
    """Return whether an alert only asks for a test, because its rule cannot be decided."""
    return alert.summary != knowledge().rules[alert.id].summary
