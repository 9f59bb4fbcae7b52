"""Numbers of the room of plans that are neither doses nor limits, as data with their source."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from carnallite import datafile
from carnallite.quantity import Cited


class Number(Cited, frozen=True, kw_only=True):
    """One number in its unit."""

    value: float
    unit: str
    about: str


class Numbers(datafile.Item, frozen=True, kw_only=True):
    """The content of ``numbers.toml``."""

    about: str
    numbers: dict[str, Number]


@cache
def numbers() -> dict[str, float]:
    """Return every number by its name, in its own unit."""
    known = datafile.read(Path(__file__).with_name("numbers.toml"), Numbers).numbers
    return {id: one.value for id, one in known.items()}
