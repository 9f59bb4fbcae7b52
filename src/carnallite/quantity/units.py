"""UCUM codes and the spellings of real laboratories <-> the canonical unit of a quantity.

A unit is never guessed: a text that is not in ``units.toml`` is an error. General UCUM engines treat an
equivalent as a mole, which is wrong for Mg and Ca by a factor of two; here the analyte's own molar mass and
valence decide.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from pathlib import Path

import msgspec

from carnallite import datafile
from carnallite.errors import UnitError, did_you_mean


class Atom(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Spellings of one base unit, by the number of base units that each stands for."""

    base: str
    spellings: dict[str, tuple[str, ...]]


class Spellings(datafile.Item, frozen=True, kw_only=True):
    """The content of ``units.toml``."""

    atoms: dict[str, Atom]
    whole: dict[str, str]
    notes: tuple[str, ...] = ()


class Unit(msgspec.Struct, frozen=True):
    """A unit as a scale times base units above and below the line; nothing is cancelled.

    >>> parse("mg/dL")
    Unit(scale=0.01, above=('g',), below=('L',))
    """

    scale: float
    above: tuple[str, ...]
    below: tuple[str, ...]


@cache
def _atoms() -> dict[str, tuple[str, float]]:
    table = datafile.read(Path(__file__).with_name("units.toml"), Spellings)
    return {
        spelling: (atom.base, float(scale))
        for atom in table.atoms.values()
        for scale, spellings in atom.spellings.items()
        for spelling in spellings
    }


@cache
def _whole() -> dict[str, str]:
    return datafile.read(Path(__file__).with_name("units.toml"), Spellings).whole


@cache
def _note() -> re.Pattern[str]:
    words = "|".join(map(re.escape, datafile.read(Path(__file__).with_name("units.toml"), Spellings).notes))
    return re.compile(rf"(?:\{{[^{{}}]*\}}|\s*(?:of )?(?:{words})|\.)+$")


def _atom(part: str) -> tuple[str, float] | None:
    """Return base and size of one spelling, with or without a note such as `{creat}` after it."""
    return _atoms().get(part) or _atoms().get(_note().sub("", part))


_SIGNS = str.maketrans(
    {"\u00b5": "u", "\u03bc": "u", "·": ".", "⁻": "-", "¹": "1", "²": "2", "³": "^3", "⁶": "^6", "⁹": "^9"}
)


def fold(text: str) -> str:
    """Return the spelling under which a printed unit is looked up.

    >>> fold(" µmol / L "), fold("mmol·L⁻¹"), fold("ng/(mL.h)")
    ('umol/l', 'mmol/l', 'ng/ml/h')
    """
    folded = text.strip().translate(_SIGNS).casefold()
    folded = re.sub(r"\s*(/|\bper\b(?! cent))\s*", "/", folded)
    folded = re.sub(r"(?<=[a-z\]])[ .]([a-z]+)\^?-1\b", r"/\1", folded)
    folded = re.sub(r"\b24[ -]?(?:h|hr|hrs|hours?|std|u)\b", "24h", folded)
    folded = re.sub(r"1[.,]73\s*(m2|m\^2|m\*2|sq\.? ?m|qm|m)\b", "1.73m2", folded)
    folded = re.sub(r"/\(([a-z]+)[.*]([a-z]+)\)", r"/\1/\2", folded)
    return re.sub(r"\s+", " ", folded)


@lru_cache(maxsize=4096)
def parse(text: str) -> Unit:
    """Return the unit that a text stands for.

    Raises
    ------
    UnitError
        The text is empty or holds a spelling that ``units.toml`` does not know.
    """
    folded = fold(text)
    if not folded:
        raise UnitError("unit", "is missing.", "A number without a unit is not used.")
    folded = _whole().get(folded, folded)
    scale, above, below = 1.0, list[str](), list[str]()
    for position, part in enumerate(folded.split("/")):
        atom = _atom(part)
        if atom is None:
            near = did_you_mean(part, _atoms())
            raise UnitError(f"unit '{text[:24]}'", "is not known.", near or "Use a UCUM code such as 'mmol/L'.")
        base, size = atom
        scale = scale / size if position else scale * size
        (below if position else above).append(base)
    return Unit(scale, tuple(sorted(above)), tuple(sorted(below)))


class Substance(msgspec.Struct, frozen=True):
    """What links grams, moles and equivalents of one substance."""

    molar_mass: float | None = None  # [g/mol]
    valence: int | None = None

    def moles_in(self, base: str) -> float | None:
        """Return the moles in one base unit of mass, amount or equivalents; None where nothing links them."""
        if base == "mol":
            return 1.0
        if base == "g":
            return 1 / self.molar_mass if self.molar_mass else None
        return 1 / self.valence if base == "eq" and self.valence else None


def factor(unit: str, canonical: str, *, substance: Substance, per: Substance) -> float:
    """Return what a number in `unit` is multiplied by to stand in `canonical`.

    Parameters
    ----------
    unit, canonical : str
        As printed, and the unit used inside.
    substance, per : Substance
        What stands above and below the line; without a molar mass, mass and amount are different things.

    Raises
    ------
    UnitError
        Not known, or not a unit of this quantity.

    Examples
    --------
    >>> magnesium, creatinine, nothing = Substance(24.305, 2), Substance(113.12), Substance()
    >>> round(factor("mg/dL", "mmol/L", substance=magnesium, per=nothing), 4)
    0.4114
    >>> factor("mEq/L", "mmol/L", substance=magnesium, per=nothing)
    0.5
    >>> round(factor("mg/mg", "mmol/mmol", substance=magnesium, per=creatinine), 3)
    4.654
    """
    given, wanted = parse(unit), parse(canonical)
    above = _exchange(given.above, wanted.above, substance)
    below = _exchange(given.below, wanted.below, per)
    if above is None or below is None:
        raise UnitError(f"unit '{unit[:24]}'", "does not measure this quantity.", f"Expected one like '{canonical}'.")
    return given.scale / wanted.scale * above / below


def _exchange(given: tuple[str, ...], wanted: tuple[str, ...], substance: Substance) -> float | None:
    """Return the factor that turns the base units of one side of the line into the wanted ones."""
    if given == wanted:
        return 1.0
    have, want = (
        [base for base in given if base not in wanted],
        [base for base in wanted if base not in given],
    )
    if len(have) != 1 or len(want) != 1 or len(given) != len(wanted):
        return None
    got, needed = substance.moles_in(have[0]), substance.moles_in(want[0])
    return got / needed if got and needed else None


def units_agree(first: str, second: str) -> bool:
    """Return whether two spellings mean the same unit.

    >>> units_agree("mmol/L", "mM"), units_agree("mg/dL", "mmol/L"), units_agree("d", "a")
    (True, False, False)
    """
    if fold(first) == fold(second):
        return True
    try:
        return parse(first) == parse(second)
    except UnitError:
        return False


def is_unit(text: str) -> bool:
    """Return whether a text is a unit at all.

    >>> is_unit("mmol/L"), is_unit("per Dr X")
    (True, False)
    """
    try:
        parse(text)
    except UnitError:
        return False
    return True


def is_mass(text: str) -> bool:
    """Return whether a unit counts mass above its line.

    >>> is_mass("mg/dL"), is_mass("mmol/L")
    (True, False)
    """
    return is_unit(text) and "g" in parse(text).above
