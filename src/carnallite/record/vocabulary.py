"""What OMOP calls things: concept ids and source values -> codes, names and units.

A concept id is read through the vocabulary of the data set, or through ``omop.toml`` where it has none; where
both are silent the source value stands, as it does at sites that never mapped their codes.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from carnallite import datafile
from carnallite.record.codes import icd_system

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from carnallite.record.entry import Entry
    from carnallite.record.tables import Row, Tables

Codes = tuple[tuple[str, str], ...]


class Concept(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A concept id, what it stands for, and how we know."""

    concept: int
    code: str
    display: str
    verified: Literal["vocabulary", "mapping", "recalled"]


class Concepts(datafile.Item, frozen=True, kw_only=True):
    """The content of ``omop.toml``."""

    labs: tuple[Concept, ...]
    units: tuple[Concept, ...]
    operators: tuple[Concept, ...]


class Meaning(msgspec.Struct, frozen=True):
    """What the vocabulary says of one concept id."""

    system: str = ""
    code: str = ""
    name: str = ""


Vocabulary = dict[str, Meaning]

_CONCEPT = ("concept_id", "concept_name", "vocabulary_id", "concept_code")
_SYSTEMS = {
    "LOINC": "loinc", "RxNorm": "rxnorm", "ATC": "atc", "SNOMED": "snomed", "NDC": "ndc",
    "ICD10CM": "icd10", "ICD10": "icd10", "ICD10GM": "icd10", "ICD9CM": "icd9", "ICD9Proc": "icd9p",
}  # fmt: skip
_LOINC = re.compile(r"\d{1,5}-\d")
_ATC = re.compile(r"[A-Z]\d\d[A-Z]{2}\d\d")
_SNOMED = re.compile(r"\d{3,15}[01]0\d")
_BOTH = re.compile(r"E\d{3,4}")  # ICD-9 and ICD-10 could both write it so
_ICD9_PROCEDURE = re.compile(r"\d\d\.\d{1,2}")
_LETTER = re.compile(r"[^\W\d_]")


@cache
def _known() -> Concepts:
    return datafile.read(Path(__file__).with_name("omop.toml"), Concepts)


@cache
def _known_codes() -> Vocabulary:
    """Return what our own file says of concept ids."""
    found = {str(c.concept): Meaning("loinc", c.code, c.display) for c in _known().labs}
    found |= {str(c.concept): Meaning("unit", c.code, c.display) for c in _known().units}
    return found | {str(c.concept): Meaning("operator", c.code, c.display) for c in _known().operators}


def vocabulary(data: Tables, rows: Iterable[list[Row]]) -> Vocabulary:
    """Return the meaning of every concept id that the rows name."""
    ids: set[int] = set()
    for table in rows:
        for column in [name for name in (table[0] if table else {}) if name.endswith("_concept_id")]:
            ids |= {int(row[column]) for row in table if row[column].isascii() and row[column].isdigit()}
    ids -= {0}
    found = data.by_ids("concept", _CONCEPT, "concept_id", ids)
    given = {
        row["concept_id"]: Meaning(
            _SYSTEMS.get(row["vocabulary_id"], row["vocabulary_id"]), row["concept_code"], row["concept_name"]
        )
        for row in found
    }
    return given | _known_codes()


def codes_of(row: Row, name: str, words: Vocabulary, guess: Callable[[str], Codes]) -> tuple[Codes, str]:
    """Return codes and text of an event: what the source wrote first, then what it was mapped to."""
    said = row[f"{name}_source_value"]
    codes = list(guess(said))
    names = [said] if _LETTER.search(said) and not codes else []
    for column in (f"{name}_source_concept_id", f"{name}_concept_id"):
        meaning = words.get(row[column])
        if meaning is not None:
            if meaning.system in _SYSTEMS.values():
                codes.append((meaning.system, meaning.code))
            names.append(meaning.name)
    if said and not codes:
        codes.append(("local", said))
    return tuple(dict.fromkeys(codes)), ". ".join(dict.fromkeys(filter(None, names)))


def lab_code(text: str) -> Codes:
    """Return LOINC where the source wrote it."""
    return (("loinc", text),) if _LOINC.fullmatch(text) else ()


def drug_code(text: str) -> Codes:
    """Return ATC where the source wrote it; other drug codes are not guessed."""
    return (("atc", text),) if _ATC.fullmatch(text) else ()


def procedure_code(text: str) -> Codes:
    """Return ICD-9 procedure or SNOMED CT codes where the source wrote them."""
    if _ICD9_PROCEDURE.fullmatch(text):
        return (("icd9p", text),)
    return (("snomed", text),) if _SNOMED.fullmatch(text) else ()


def diagnosis_code(text: str) -> Codes:
    """Return ICD or SNOMED CT codes where the source wrote them."""
    system = icd_system(text)
    if system:
        return ((system, text),)
    return (("snomed", text),) if _SNOMED.fullmatch(text) else ()


def editions(rows: list[Row]) -> dict[str, str]:
    """Return the people whose unmistakable diagnosis codes are all ICD-9, which settles their E codes."""
    systems: dict[str, set[str]] = {}
    for row in rows:
        text = row["condition_source_value"]
        for system, _ in diagnosis_code(text):
            if system in {"icd9", "icd10"} and not _BOTH.fullmatch(text):
                systems.setdefault(row["person_id"], set()).add(system)
    return {owner: "icd9" for owner, found in systems.items() if found == {"icd9"}}


def in_edition(entry: Entry, edition: str) -> Entry:
    """Return a diagnosis with its E codes in the edition that the person's other codes are in."""
    if edition != "icd9":
        return entry
    codes = tuple(("icd9", code) if system == "icd10" and _BOTH.fullmatch(code) else (system, code)
                  for system, code in entry.codes)  # fmt: skip
    return msgspec.structs.replace(entry, codes=codes)
