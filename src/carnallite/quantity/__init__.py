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
from carnallite.quantity.units import fold, units_agree

__all__ = [
    "Analyte",
    "Cited",
    "Code",
    "ReferenceInterval",
    "Specimen",
    "Status",
    "analyte",
    "analytes",
    "fold",
    "printed_unit",
    "units_agree",
]
