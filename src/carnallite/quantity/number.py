"""A number that is data: its value in its unit, what it is, and where it comes from."""

from __future__ import annotations

from carnallite import datafile
from carnallite.quantity.analyte import Cited


class Number(Cited, frozen=True, kw_only=True):
    """One number in its own unit."""

    value: float
    unit: str
    about: str


class Numbers(datafile.Item, frozen=True, kw_only=True):
    """A file of numbers."""

    about: str
    numbers: dict[str, Number]
