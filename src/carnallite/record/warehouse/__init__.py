"""Sources of any size: taken once, sorted into parts by patient, and read part by part with bounded memory."""

from carnallite.record.warehouse.delivery import Delivery, Taken, Unusable, arrow, part_of
from carnallite.record.warehouse.ndjson import deletions
from carnallite.record.warehouse.sources import FORMS, WHOLE, Form, deliveries, form_of, load, readings, take, taken_in

__all__ = [
    "FORMS",
    "WHOLE",
    "Delivery",
    "Form",
    "Taken",
    "Unusable",
    "arrow",
    "deletions",
    "deliveries",
    "form_of",
    "load",
    "part_of",
    "readings",
    "take",
    "taken_in",
]
