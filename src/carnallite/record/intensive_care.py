"""MIMIC-III and eICU, the two open intensive care data sets, as they are downloaded."""

from carnallite.record.eicu import read_eicu
from carnallite.record.mimic import read_mimic

__all__ = ["read_eicu", "read_mimic"]
