"""What a laboratory or a bedside can measure: one data file per analyte."""

from __future__ import annotations

from functools import cache, cached_property
from pathlib import Path
from typing import Literal

import msgspec

from carnallite import datafile
from carnallite.errors import UnknownIdError, did_you_mean
from carnallite.quantity import units

Status = Literal["measured", "fitted", "assumed", "disputed"]
Specimen = Literal["serum", "blood", "urine", "urine_24h", "stool", "body", "ecg"]


class Cited(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A number that a clinician could dispute: where it stands and how sure it is."""

    source: str  # a file in knowledge/references/
    at: str  # table, page, section, abstract ...
    status: Status


class Code(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A code of a terminology, and whether it was seen in a published source or recalled."""

    code: str
    display: str = ""
    verified: bool = True


class Range(Cited, frozen=True, kw_only=True):
    """Lowest and highest value, in the canonical unit."""

    low: float
    high: float


class ReferenceInterval(Cited, frozen=True, kw_only=True):
    """Where 95 in 100 healthy people of a population lie, in the canonical unit; either end may be open."""

    low: float | None = None
    high: float | None = None
    population: str
    sex: Literal["female", "male"] | None = None
    age_from: float | None = None  # [a]
    age_to: float | None = None  # [a]


class Validity(Cited, frozen=True, kw_only=True):
    """How long a result may be used."""

    current_h: float  # [h] for safety checks and doses
    informative_d: float  # [d] for reasoning about causes


class Example(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A conversion that must hold; it is a test."""

    value: float
    unit: str
    canonical: float


class Analyte(datafile.Item, frozen=True, kw_only=True, dict=True):
    """A measurable quantity with its codes, units, intervals and names."""

    short: str
    specimen: Specimen
    unit: str  # canonical, UCUM
    us_unit: str = ""  # conventional unit of the United States; empty where it is the same
    molar_mass: float | None = None  # [g/mol]
    valence: int | None = None
    per_molar_mass: float | None = None  # [g/mol] of what stands below the line in a ratio
    also_in: dict[str, float] = {}  # further units of this quantity and their factor to the canonical one
    decimals: int = 2
    us_decimals: int = 1
    plausible: Range
    validity: Validity
    loinc: tuple[Code, ...] = ()
    names: tuple[str, ...] = ()  # whole labels as laboratories write them, specimen words included
    reference_intervals: tuple[ReferenceInterval, ...] = ()
    examples: tuple[Example, ...] = ()
    derived: bool = False  # computed from other results unless the laboratory reports it
    coded: bool = False  # a finding in words (ECG, smear), not a number

    @cached_property
    def _factors(self) -> dict[str, float]:
        return {units.fold(unit): size for unit, size in self.also_in.items()}

    def factor(self, unit: str) -> float:
        """Return what a number in `unit` is multiplied by to stand in the canonical unit.

        Raises
        ------
        UnitError
            Missing, unknown, or not a unit of this quantity.
        """
        spelling = units.fold(unit)
        if spelling not in self._factors:
            same = (size for further, size in self.also_in.items() if units.units_agree(further, unit))
            known = next(same, None)
            self._factors[spelling] = known if known is not None else self._computed_factor(unit)
        return self._factors[spelling]

    def _computed_factor(self, unit: str) -> float:
        return units.factor(
            unit,
            self.unit,
            substance=units.Substance(self.molar_mass, self.valence),
            per=units.Substance(self.per_molar_mass),
        )

    def show(self, value: float, system: Literal["si", "us"] = "si") -> str:
        """Return a value with its unit, as a clinician reads it.

        A no-break space joins number and unit, so that they never part at the end of a line.
        """
        unit, places = self.unit, self.decimals
        if system == "us" and self.us_unit:
            value, unit, places = value / self.factor(self.us_unit), self.us_unit, self.us_decimals
        if unit in {"1", "[pH]"}:
            return f"{value:.{places}f}"
        return f"{value:.{places}f}\N{NO-BREAK SPACE}{printed_unit(unit)}"

    def reference(self, *, sex: str | None, age: float | None) -> ReferenceInterval | None:
        """Return the first interval whose population includes this person, unknown age counting as adult."""
        years = 40.0 if age is None else age
        for interval in self.reference_intervals:
            fits_sex = interval.sex is None or interval.sex == sex
            if fits_sex and (interval.age_from or 0) <= years < (interval.age_to or 200):
                return interval
        return None


_PRINTED = (
    ("{1.73_m2}", "1.73 m²"), ("10*9/L", "×10⁹/L"), ("[IU]", "IU"), ("[Hg]", "Hg"), ("Cel", "°C"), ("umol", "µmol"),
    ("ug", "µg"), ("(24.h)", "24 h"), ("m2", "m²"),
)  # fmt: skip


def printed_unit(unit: str) -> str:
    """Return a UCUM code as people print it.

    >>> printed_unit("umol/L"), printed_unit("mm[Hg]"), printed_unit("mmol/d"), printed_unit("mL/min/{1.73_m2}")
    ('µmol/L', 'mmHg', 'mmol/24 h', 'mL/min/1.73 m²')
    """
    for code, spelled in _PRINTED:
        unit = unit.replace(code, spelled)
    return unit.replace("/d", "/24 h") if unit.endswith("/d") else unit


class Analytes(msgspec.Struct, frozen=True):
    """All analytes by id."""

    by_id: dict[str, Analyte]


_FOLDER = Path(__file__).with_name("analytes")


@cache
def analytes() -> dict[str, Analyte]:
    """Return every analyte by its id.

    Raises
    ------
    DataFileError
        A file of ``quantity/analytes/`` is wrong.
    """
    build = lambda folder: Analytes(datafile.read_folder(folder, Analyte))  # noqa: E731
    return datafile.compiled(_FOLDER, Analytes, build).by_id


def analyte(id: str) -> Analyte:
    """Return one analyte.

    Raises
    ------
    UnknownIdError
        There is no such file.
    """
    try:
        return analytes()[id]
    except KeyError:
        near = did_you_mean(id, analytes())
        raise UnknownIdError(f"analyte '{id}'", "is not in quantity/analytes/.", near) from None
