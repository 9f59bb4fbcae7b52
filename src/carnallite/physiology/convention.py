"""What a scenario means where it does not say: a few numbers that are data."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from carnallite import datafile
from carnallite.physiology import dimension
from carnallite.quantity import Numbers


@cache
def conventions() -> dict[str, float]:
    """Return every convention in the canonical unit.

    >>> conventions()["meal"]
    0.5
    """
    found = datafile.read(Path(__file__).with_name("conventions.toml"), Numbers).numbers
    return {id: one.value * dimension.parse(one.unit).scale for id, one in found.items()}
