"""One line of a source before anybody tried to understand it. All readers make these; one builder reads them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import msgspec

from carnallite.errors import RecordRefused
from carnallite.record.timeline import Issue

Kind = Literal["observation", "drug", "condition", "procedure", "encounter", "family", "allergy", "text"]


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """What a source holds at one place: codes and text as they stand there, times in UTC.

    Attributes
    ----------
    where
        Resource or table, and its position: ``Observation 14``. Never an identifier.
    codes
        Pairs of system and code. Systems: loinc rxnorm atc snomed icd10 icd9 ndc omop local.
    text
        The label: of the test, the drug, the diagnosis.
    value, comparator, unit, unit_code
        A number with its unit as printed and as coded; `comparator` is one of ``< <= >= >`` or empty.
    words
        A result in words, or a number that stood in a text.
    time, end
        When it was true: of a drug, from start to stop; None where the source does not say.
    status
        The word of the source: final, preliminary, active, stopped, entered-in-error ...
    """

    kind: Kind
    where: str
    codes: tuple[tuple[str, str], ...] = ()
    text: str = ""
    value: float | None = None
    value_high: float | None = None  # where the source gives a range
    comparator: str = ""
    unit: str = ""
    unit_code: str = ""
    words: str = ""
    flag: str = ""  # the laboratory's own L, H, N ...
    reference_low: float | None = None
    reference_high: float | None = None
    specimen: str = ""
    time: datetime | None = None
    end: datetime | None = None
    single: bool = False  # a drug given once, at `time` or from then to `end`, not taken from then on
    status: str = ""
    certainty: str = ""  # of a diagnosis: confirmed, refuted, provisional ...
    dose: float | None = None
    dose_unit: str = ""
    dose_text: str = ""
    per_day: float | None = None
    route: str = ""
    notes: str = ""
    setting: str = ""


def ran_in(entry: Entry, moment: datetime) -> Entry:
    """Return of a single dose that still runs at a moment what has run in by then; any other entry as it is."""
    if not entry.single or entry.dose is None or entry.time is None or entry.end is None:
        return entry
    if not entry.time < moment < entry.end:
        return entry
    return msgspec.structs.replace(
        entry, end=moment, dose=entry.dose * ((moment - entry.time) / (entry.end - entry.time))
    )


class Loaded(msgspec.Struct, kw_only=True):
    """What a source held, before one patient was chosen.

    Attributes
    ----------
    people
        Everybody in the source, by whatever names them there; the key never leaves the reader.
    entries
        The lines about each of them, by the same key.
    strays
        Lines that belong to nobody in the source.
    deleted
        How many resources of each type do not count, for the source deleted them or whom they are about.
    """

    people: dict[str, Person] = {}
    entries: dict[str, list[Entry]] = {}
    issues: list[Issue] = []
    strays: list[str] = []
    deleted: dict[str, int] = {}


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Who, as the source says it."""

    sex: str = ""
    birth: str = ""
    age: str = ""


def chosen(patient: str, keys: Sequence[str]) -> str:
    """Return the key that somebody meant: the key itself, the end of one, or `#2` for the second.

    A bare number is a key, never a place in a list, so that nobody is answered for somebody else.

    Raises
    ------
    RecordRefused
        Nobody is meant by it.

    Examples
    --------
    >>> chosen("#2", ["Patient/a", "Patient/b"])
    'Patient/b'
    """
    if patient in keys:
        return patient
    ends = [key for key in keys if key.endswith(f"/{patient}")]
    if len(ends) == 1:
        return ends[0]
    number = patient.removeprefix("#")
    is_place = patient.startswith("#") and number.isascii() and number.isdigit() and len(number) < 10
    if is_place and 1 <= int(number) <= len(keys):
        return keys[int(number) - 1]
    do = f"It holds {len(keys)}; use a key, or '#1' to '#{len(keys)}'."
    raise RecordRefused("record", "the selected patient is not in it.", do)
