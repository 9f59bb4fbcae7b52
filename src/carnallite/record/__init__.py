"""Records: FHIR R4, CSV, OMOP and others -> one Timeline and its Issues."""

from carnallite.record.codes import implied, membership
from carnallite.record.fhir import FHIR_TYPES, resources_of
from carnallite.record.order import Order, read_orders
from carnallite.record.rows import APART, KINDS, NEVER, Rows, keys_of, rows_of, some_of, timelines_of
from carnallite.record.source import Format, fhir_reading, read_all, read_record
from carnallite.record.timeline import (
    Condition,
    Encounter,
    Exposure,
    Issue,
    Observation,
    Patient,
    Procedure,
    Reading,
    Sex,
    Timeline,
    Unread,
)

__all__ = [
    "APART",
    "FHIR_TYPES",
    "KINDS",
    "NEVER",
    "Condition",
    "Encounter",
    "Exposure",
    "Format",
    "Issue",
    "Observation",
    "Order",
    "Patient",
    "Procedure",
    "Reading",
    "Rows",
    "Sex",
    "Timeline",
    "Unread",
    "fhir_reading",
    "implied",
    "keys_of",
    "membership",
    "read_all",
    "read_orders",
    "read_record",
    "resources_of",
    "rows_of",
    "some_of",
    "timelines_of",
]
