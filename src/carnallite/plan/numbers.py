"""Numbers of the room of plans that are neither doses nor limits, as data with their source."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from carnallite import datafile
from carnallite.quantity import Numbers


@cache
def numbers() -> dict[str, float]:
    """Return every number by its name, in its own unit."""
    known = datafile.read(Path(__file__).with_name("numbers.toml"), Numbers).numbers
    return {id: one.value for id, one in known.items()}
