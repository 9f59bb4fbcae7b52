"""Numbers of a simulation as they are printed: in one unit system, with sign and range."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from carnallite.quantity import analyte
from carnallite.surfaces import words

if TYPE_CHECKING:
    from carnallite.assessment.values import Band, Share

MINUS = "\N{MINUS SIGN}"
A_DAY = "urine_magnesium_24h"  # the test whose units are those of magnesium in a day
_A_DAY_DECIMALS = {"si": 1, "us": 0}  # a simulation is not more exact


class Printed(msgspec.Struct, frozen=True, kw_only=True):
    """How numbers of one kind are printed."""

    unit: str
    decimals: int
    factor: float  # canonical for each one printed

    def number(self, value: float, *, signed: bool = False) -> str:
        """Return a number without its unit; what rounds to nothing has no sign.

        >>> one = Printed(unit="mmol/L", decimals=2, factor=1)
        >>> one.number(0.514, signed=True), one.number(-0.05), one.number(-0.001, signed=True)
        ('+0.51', '−0.05', '0.00')
        """
        text = f"{abs(value) / self.factor:.{self.decimals}f}"
        if not float(text):
            return text
        return f"{MINUS}{text}" if value < 0 else f"+{text}" if signed else text

    def range_of(self, band: Band) -> str:
        """Return the range of 90 % in brackets, which no line end tears apart."""
        return f"({self.number(band.low)} to {self.number(band.high)})".replace(" ", words.JOIN)

    def band(self, band: Band, *, signed: bool = False) -> str:
        """Return a number and its range, without the unit."""
        return f"{self.number(band.value, signed=signed)} {self.range_of(band)}"


def printed(test: str, units: words.Units) -> Printed:
    """Return how a test is printed."""
    item = analyte(test)
    if units == "us" and item.us_unit:
        return Printed(unit=item.us_unit, decimals=item.us_decimals, factor=item.factor(item.us_unit))
    return Printed(unit=item.unit, decimals=item.decimals, factor=1.0)


def in_a_day(units: words.Units) -> Printed:
    """Return how magnesium in a day is printed."""
    return msgspec.structs.replace(printed(A_DAY, units), decimals=_A_DAY_DECIMALS[units])


def share(one: Share | None, units: words.Units) -> str:
    """Return in words how much magnesium a correction would keep in a day, with its range, or an empty text."""
    if one is None:
        return ""
    shown = in_a_day(units)
    number = f"{shown.number(one.value)}{words.JOIN}{shown.unit}"
    ends = f"{shown.number(one.low)} to {shown.number(one.high)}"
    return f"Corrected, it would keep {number} of magnesium ({ends}; simulated, {one.horizon_days}{words.JOIN}days)"
