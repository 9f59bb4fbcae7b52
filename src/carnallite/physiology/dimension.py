"""Units of the body: a scale and whole or broken powers of five bases, so that every equation can be checked."""

from __future__ import annotations

import re
from fractions import Fraction
from functools import cache

import msgspec

from carnallite.errors import UnitError, did_you_mean

# An amount in mmol and one in pmol are different bases on purpose: adding them is a mistake, not a conversion.
BASES = ("mmol", "pmol", "L", "h", "kg", "a")
SCALED = {  # what may be written, and what it is inside
    "d": (24, "h"), "wk": (168, "h"), "min": (1 / 60, "h"), "mL": (0.001, "L"), "umol": (0.001, "mmol"),
}  # fmt: skip


class Dimension(msgspec.Struct, frozen=True):
    """Powers of the bases in the order of `BASES`.

    >>> parse("mmol/L").dimension * parse("L/h").dimension == parse("mmol/h").dimension
    True
    """

    powers: tuple[Fraction, ...]

    def __mul__(self, other: Dimension) -> Dimension:
        return Dimension(tuple(a + b for a, b in zip(self.powers, other.powers, strict=True)))

    def __truediv__(self, other: Dimension) -> Dimension:
        return Dimension(tuple(a - b for a, b in zip(self.powers, other.powers, strict=True)))

    def __pow__(self, power: Fraction) -> Dimension:
        return Dimension(tuple(a * power for a in self.powers))

    def __str__(self) -> str:
        above = [_power(base, power) for base, power in zip(BASES, self.powers, strict=True) if power > 0]
        below = [_power(base, -power) for base, power in zip(BASES, self.powers, strict=True) if power < 0]
        return "/".join([".".join(above) or "1", *below])


def _power(base: str, power: Fraction) -> str:
    return base if power == 1 else f"{base}{power}"


NONE = Dimension((Fraction(0),) * len(BASES))


class Unit(msgspec.Struct, frozen=True):
    """What one written unit is: a number times a dimension in the bases."""

    scale: float
    dimension: Dimension


@cache
def parse(text: str) -> Unit:
    """Return the unit that a text in UCUM form stands for.

    Raises
    ------
    UnitError
        A part of it is no base of the body.

    Examples
    --------
    >>> parse("mmol/d").scale * 24, str(parse("L2/mmol/h").dimension)
    (1.0, 'L2/mmol/h')
    """
    scale, dimension = 1.0, NONE
    for position, part in enumerate(text.split("/")):
        for factor in part.split("."):
            found = re.fullmatch(r"([A-Za-z]+|1)(\d*)", factor)
            known = {*BASES, *SCALED, "1"}
            if not found or found[1] not in known:
                raise UnitError(f"unit '{text}'", f"'{factor}' is no unit of the body.", did_you_mean(factor, known))
            size, base = SCALED.get(found[1], (1, found[1]))
            power = int(found[2] or 1) * (-1 if position else 1)
            scale *= float(size) ** power
            dimension = dimension * _base(base) ** Fraction(power)
    return Unit(scale, dimension)


def _base(name: str) -> Dimension:
    return Dimension(tuple(Fraction(int(base == name)) for base in BASES))


def number(text: str, unit: str) -> float:
    """Return a written quantity in the canonical form of a unit.

    Raises
    ------
    UnitError
        The text has no number, no unit, or the unit of something else.

    Examples
    --------
    >>> number("100 mL/min", "L/h"), number("2 d", "h"), number("0.5", "1")
    (6.0, 48.0, 0.5)
    """
    found = re.fullmatch(r"\s*([-+]?[\d.]+(?:[eE][-+]?\d+)?)\s*([A-Za-z0-9/.]*)\s*", text)
    if not found:
        raise UnitError(f"'{text}'", "is no number with a unit.", f"Write it like '1 {unit}'.")
    given, wanted = parse(found[2] or "1"), parse(unit)
    if given.dimension != wanted.dimension:
        raise UnitError(f"'{text}'", f"is not in {unit}." if found[2] else "has no unit.", f"Write it in {unit}.")
    return float(found[1]) * given.scale
