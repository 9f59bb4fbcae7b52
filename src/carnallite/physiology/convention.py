"""What a scenario means where it does not say: a few numbers that are data."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from carnallite import datafile
from carnallite.physiology import dimension
from carnallite.quantity import Cited


class Convention(Cited, frozen=True, kw_only=True):
    """One number that holds unless a scenario gives another."""

    value: float
    unit: str
    about: str


class Conventions(datafile.Item, frozen=True, kw_only=True):
    """The content of ``conventions.toml``."""

    about: str
    conventions: dict[str, Convention]


@cache
def conventions() -> dict[str, float]:
    """Return every convention in the canonical unit.

    >>> conventions()["meal"]
    0.5
    """
    found = datafile.read(Path(__file__).with_name("conventions.toml"), Conventions).conventions
    return {id: one.value * dimension.parse(one.unit).scale for id, one in found.items()}
