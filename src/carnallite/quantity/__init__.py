"""Quantities: what can be measured, in which units, and what is usual."""

from carnallite.quantity.analyte import (
    Analyte,
    Cited,
    Code,
    ReferenceInterval,
    Specimen,
    Status,
    analyte,
    analytes,
    printed_unit,
)
from carnallite.quantity.number import Number, Numbers
from carnallite.quantity.units import fold, is_mass, is_unit, units_agree

__all__ = [
    "Analyte",
    "Cited",
    "Code",
    "Number",
    "Numbers",
    "ReferenceInterval",
    "Specimen",
    "Status",
    "analyte",
    "analytes",
    "fold",
    "is_mass",
    "is_unit",
    "printed_unit",
    "units_agree",
]
