"""Episodes of a disorder of magnesium or potassium: when each ended, by the windows that the knowledge has.

Results that lie out of their interval belong to one episode as long as each follows the one before within
`thresholds/acute_window`, the time within which findings count a disorder as one of now.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from carnallite.knowledge import knowledge
from carnallite.surfaces.panels import dated, flag

if TYPE_CHECKING:
    from carnallite.record import Timeline

IONS = ("serum_magnesium", "serum_potassium", "blood_potassium")
NOW = "now"
_APART = "\t"  # between the key of a patient and the end of an episode; no key holds it


def window() -> timedelta:
    """Return how far two results of one episode may lie apart."""
    return timedelta(days=knowledge().thresholds["acute_window"].value)


def earlier(timeline: Timeline) -> list[datetime]:
    """Return when each episode ended that is over at the index, the first one first."""
    disordered = (one.time for ion in IONS for one in dated(timeline, ion) if one.time and flag(one, timeline))
    times = sorted(set(disordered))
    ends = [first for first, then in pairwise(times) if then - first > window()]
    return [*ends, *(time for time in times[-1:] if timeline.index - time > window())]


def named(key: str, end: datetime) -> str:
    """Return the key under which a patient at the end of an earlier episode stands among rows."""
    return f"{key}{_APART}{end:%Y-%m-%dT%H:%M:%SZ}"


def parted(key: str) -> tuple[str, str]:
    """Return patient and episode of a key among rows.

    >>> parted("7"), parted("7\\t2020-06-01T00:00:00Z")
    (('7', 'now'), ('7', '2020-06-01T00:00:00Z'))
    """
    patient, apart, end = key.partition(_APART)
    return patient, end if apart else NOW
