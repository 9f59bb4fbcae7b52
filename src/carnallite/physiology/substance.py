"""What can be given, and which inputs of the body it feeds."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Literal

from carnallite import datafile
from carnallite.errors import UnitError, UnknownIdError, did_you_mean
from carnallite.physiology import dimension
from carnallite.quantity import Cited

MASSES = {"g": 1.0, "mg": 0.001, "kg": 1000.0}  # [g]
AMOUNTS = {"mmol": 1.0, "mol": 1000.0, "umol": 0.001}  # [mmol]


class Substance(Cited, frozen=True, kw_only=True):
    """A salt, fluid or drug that is given as a dose."""

    names: tuple[str, ...]
    basis: Literal["mmol", "L", "U", "mg"] = "mmol"
    salt: str = ""  # of knowledge/treatments, for what a gram holds
    valence: int | None = None
    routes: dict[str, dict[str, float]]  # route -> input of the body -> its amount for each unit of the basis


class Substances(datafile.Item, frozen=True, kw_only=True):
    """The content of ``substances.toml``."""

    about: str
    substances: dict[str, Substance]


@cache
def substances() -> dict[str, Substance]:
    """Return everything that can be given, by its id."""
    return datafile.read(Path(__file__).with_name("substances.toml"), Substances).substances


def find(name: str) -> Substance:
    """Return the substance of a name in any spelling.

    Raises
    ------
    UnknownIdError
        Nothing of that name can be given.

    Examples
    --------
    >>> find("MgSO4").valence
    2
    """
    return substances()[id_of(name)]


def id_of(name: str) -> str:
    """Return the id of a substance by its name in any spelling.

    Raises
    ------
    UnknownIdError
        As `find`.
    """
    found = _spellings().get(name.casefold().strip())
    if found is None:
        near = did_you_mean(name.casefold(), _spellings()) or f"Known are {', '.join(substances())}."
        raise UnknownIdError(f"'{name}'", "is nothing that can be given.", near)
    return found


@cache
def _spellings() -> dict[str, str]:
    return {spelling.casefold(): id for id, item in substances().items() for spelling in (id, *item.names)}


def amount(text: str, substance: Substance, *, weight: float) -> float:
    """Return a written amount in the basis of a substance.

    Parameters
    ----------
    text : str
        Such as "16 mmol", "4 g" of the salt, "40 mEq", "0.1 mmol/kg", "1 L", "10 U".
    weight : float
        [kg] Of the person, for amounts by weight.

    Raises
    ------
    UnitError
        No unit, or one in which this substance cannot be measured.

    Examples
    --------
    >>> round(amount("4 g", find("MgSO4"), weight=70), 2), amount("40 mEq", find("KCl"), weight=70)
    (16.24, 40.0)
    """
    size, is_by_weight = read_amount(text, substance)
    return size * weight if is_by_weight else size


def read_amount(text: str, substance: Substance) -> tuple[float, bool]:
    """Return a written amount in the basis of a substance, and whether it is for each kilogram.

    >>> read_amount("0.1 mmol/kg", find("KCl"))
    (0.1, True)
    """
    found = re.fullmatch(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*([A-Za-zµ]+)(/kg)?\s*", text)
    if not found:
        do = f"Write it like '{_example(substance)}'."
        has_number = re.match(r"\s*[-+]?\.?\d", text)
        raise UnitError(f"'{text}'", "has no unit that is an amount." if has_number else "is no amount.", do)
    return float(found[1]) * _basis(found[2].replace("µ", "u"), text, substance), bool(found[3])


def _basis(unit: str, text: str, substance: Substance) -> float:
    if substance.basis == "mmol":
        if unit in AMOUNTS:
            return AMOUNTS[unit]
        if unit == "mEq" and substance.valence:
            return 1 / substance.valence
        if unit in MASSES and substance.salt:
            return MASSES[unit] * mmol_per_gram(substance.salt)
    elif substance.basis == "L" and unit in {"L", "mL"}:
        return dimension.parse(unit).scale
    elif substance.basis == unit:
        return 1.0
    elif substance.basis == "mg" and unit in MASSES:
        return MASSES[unit] / MASSES["mg"]
    raise UnitError(f"'{text}'", f"is no amount of {substance.names[0]}.", f"Give it in {_units(substance)}.")


def _example(substance: Substance) -> str:
    return {"L": "500 mL", "U": "10 U", "mg": "10 mg"}.get(substance.basis, "16 mmol")


def _units(substance: Substance) -> str:
    if substance.basis != "mmol":
        return {"L": "L or mL"}.get(substance.basis, substance.basis)
    return ", ".join(
        ["mmol", *(["mEq"] if substance.valence else []), *(["g or mg of the salt"] if substance.salt else [])]
    )


@cache
def mmol_per_gram(salt: str) -> float:
    """Return how many mmol of the element a gram of a salt holds, as the treatments have it."""
    from carnallite.knowledge import knowledge  # noqa: PLC0415  (not needed where amounts are in mmol)

    for treatment in knowledge().treatments.values():
        for known in treatment.salts:
            if known.salt == salt:
                return known.mmol_per_g
    raise UnknownIdError(f"salt '{salt}'", "stands with no treatment.", "Add it to knowledge/treatments.")
