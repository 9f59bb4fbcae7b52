"""What a worker does: bytes of a record in, an answer out. All of it is what the command line calls."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Literal

import msgspec

from carnallite import __version__
from carnallite.errors import RecordRefused
from carnallite.plan import advise
from carnallite.record import fhir_reading
from carnallite.surfaces.service import cards


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """One record and how it is asked.

    Attributes
    ----------
    bundle : bytes
        A FHIR Bundle with one patient.
    now : datetime, optional
        Time of the assessment; otherwise the latest clinical time of the record.
    patient : str
        Its id on the server of the client.
    """

    bundle: bytes
    now: datetime | None = None
    patient: str = ""
    depth: Literal["findings", "library", "cloud", "fit"] = "library"
    units: Literal["si", "us"] = "si"
    limits: str = ""
    local: dict[str, str] = {}
    valid_h: float = 24.0


class NotRead(msgspec.Struct, frozen=True):
    """A record that was refused: where, what, and what to do."""

    where: str
    what: str
    do: str


def warm() -> None:
    """Load all that the first call would otherwise wait for: knowledge, body and library."""
    from carnallite.assessment.cloud import at_hand  # noqa: PLC0415
    from carnallite.knowledge import knowledge  # noqa: PLC0415
    from carnallite.physiology import engine  # noqa: PLC0415

    knowledge()
    if engine.kernel() is not None:
        at_hand()


def hooked(task: Task) -> cards.Found | NotRead:
    """Return what cards say of one patient."""
    try:
        reading = fhir_reading(task.bundle, now=task.now, local=task.local)
        limits = Path(task.limits) if task.limits else None
        advice = advise(reading, version=__version__, depth=task.depth, limits=limits)
    except RecordRefused as error:
        return NotRead(error.where, error.what, error.do)
    return cards.found(advice, reading.timeline, task.patient, units=task.units, valid_h=task.valid_h)
