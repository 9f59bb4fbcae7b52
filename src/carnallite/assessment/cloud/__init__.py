"""The cloud: virtual patients, drawn and simulated once, who stand for a patient as far as they explain the record."""

from carnallite.assessment.cloud.library import Library, LibraryMismatch, at_hand, build, find, place
from carnallite.assessment.cloud.members import Form, Members, causes, draw, forms
from carnallite.assessment.cloud.people import anybody

__all__ = [
    "Form",
    "Library",
    "LibraryMismatch",
    "Members",
    "anybody",
    "at_hand",
    "build",
    "causes",
    "draw",
    "find",
    "forms",
    "place",
]
