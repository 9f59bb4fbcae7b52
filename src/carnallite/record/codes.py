"""Codes and labels of sources -> our ids."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from carnallite.knowledge import ingredients, knowledge
from carnallite.quantity import analytes
from carnallite.record.understand import label_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SYSTEMS = {
    "http://loinc.org": "loinc",
    "http://www.nlm.nih.gov/research/umls/rxnorm": "rxnorm",
    "http://www.whocc.no/atc": "atc",
    "http://snomed.info/sct": "snomed",
    "http://hl7.org/fhir/sid/icd-10-cm": "icd10",
    "http://hl7.org/fhir/sid/icd-10": "icd10",
    "http://fhir.de/CodeSystem/bfarm/icd-10-gm": "icd10",
    "http://hl7.org/fhir/sid/icd-9-cm": "icd9",
    "http://hl7.org/fhir/sid/icd-9-cm/diagnosis": "icd9",
    "http://hl7.org/fhir/sid/icd-9-cm/procedure": "icd9p",
    "http://hl7.org/fhir/sid/ndc": "ndc",
}


@cache
def _by_loinc() -> dict[str, str]:
    return {code.code: analyte.id for analyte in analytes().values() for code in analyte.loinc}


@cache
def _by_name() -> dict[str, str]:
    return {label_words(name): analyte.id for analyte in analytes().values() for name in analyte.names}


@cache
def _specimens() -> dict[str, str]:
    table = knowledge().lexicon["language"].specimen_words
    return {label_words(word): specimen for specimen, names in table.items() for word in names}


def is_contradictory(codes: Iterable[tuple[str, str]]) -> bool:
    """Return whether the codes of one result mean different analytes."""
    return len({_by_loinc()[code] for system, code in codes if system == "loinc" and code in _by_loinc()}) > 1


def quantity_of(codes: Iterable[tuple[str, str]], text: str, specimen: str, local: Mapping[str, str]) -> str | None:
    """Return the analyte that a result measures, or None where no data file knows it.

    A code wins over the text; the site's own map wins over both. A label without specimen means blood, unless the
    result itself names another specimen.
    """
    for system, code in codes:
        mapped = local.get(f"{system}:{code}") or local.get(code)
        if mapped:
            return mapped
    if text in local:
        return local[text]
    for system, code in codes:
        if system == "id" and code in analytes():
            return code
        if system == "loinc" and code in _by_loinc():
            return _by_loinc()[code]
    if any(system == "loinc" for system, _ in codes):
        return None  # a test with a code that we do not know is another test, whatever its label says
    name = label_words(text)
    found = _by_name().get(name)
    stated = _specimens().get(label_words(specimen), "") if specimen else ""
    if stated.startswith("urine"):
        timed = (
            _by_name().get(f"{name} urine 24 h") or _by_name().get(f"{name} 24 h urine")
            if stated == "urine_24h"
            else None
        )
        return timed or _by_name().get(f"{name} urine") or (found if found and found.startswith("urine") else None)
    if stated in {"stool", "other"}:
        return None
    return found


@cache
def _icd(system: str) -> tuple[dict[str, list[str]], int]:
    """Return prefixes without dots and the conditions they mean, and the longest prefix."""
    table: dict[str, list[str]] = {}
    for condition in knowledge().conditions.values():
        for prefix in condition.icd10 if system == "icd10" else condition.icd9:
            table.setdefault(prefix.replace(".", "").upper(), []).append(condition.id)
    return table, max(map(len, table), default=0)


@cache
def _snomed() -> dict[str, list[str]]:
    table: dict[str, list[str]] = {}
    for condition in knowledge().conditions.values():
        for code in condition.snomed:
            table.setdefault(code, []).append(condition.id)
    return table


_ICD9 = re.compile(r"\d{3}\.?\d{0,2}|V\d\d(\.?\d{1,2})?|E\d{3}\.\d")
_ICD10 = re.compile(r"[A-Z]\d[\dA-Z](\.?[\dA-Z]{1,4})?")


def icd_system(code: str) -> str:
    """Return whether a diagnosis code without a named system is ICD-9 or ICD-10, or an empty text.

    A V code is taken as ICD-9: the traffic accidents that ICD-10 keeps there are longer.

    >>> icd_system("276.8"), icd_system("E87.6"), icd_system("V58.61"), icd_system("hypokalemia")
    ('icd9', 'icd10', 'icd9', '')
    """
    if _ICD9.fullmatch(code):
        return "icd9"
    return "icd10" if _ICD10.fullmatch(code) else ""


_HISTORY = {"icd9": ("V10", "V11", "V12", "V13"), "icd10": ("Z85", "Z86", "Z87")}


def is_history(system: str, code: str) -> bool:
    """Return whether a diagnosis code means that the person once had something.

    >>> is_history("icd10", "Z87.442"), is_history("icd10", "N20.0")
    (True, False)
    """
    return code.startswith(_HISTORY.get(system, ()))


def conditions_of(codes: Iterable[tuple[str, str]]) -> list[str]:
    """Return the conditions that diagnosis or procedure codes mean; a prefix means all codes below it."""
    found: list[str] = []
    for system, code in codes:
        if system in {"icd10", "icd9", "icd9p"}:
            table, longest = _icd("icd10" if system == "icd10" else "icd9")
            bare = ("P" if system == "icd9p" else "") + code.replace(".", "").upper()
            for size in range(min(longest, len(bare)), 2, -1):
                found += table.get(bare[:size], [])
        elif system == "snomed":
            found += _snomed().get(code, [])
    return list(dict.fromkeys(found))


@cache
def _drug_codes() -> dict[tuple[str, str], list[str]]:
    table: dict[tuple[str, str], list[str]] = {}
    for id, (_, part) in ingredients(knowledge()).items():
        for code in (*(("rxnorm", code) for code in part.rxnorm), *(("atc", code) for code in part.atc)):
            table.setdefault(code, []).append(id)
    return table


@cache
def _atc_classes() -> dict[str, list[str]]:
    table: dict[str, list[str]] = {}
    for drug in knowledge().drugs.values():
        for prefix in drug.atc:
            table.setdefault(prefix, []).append(drug.id)
    return table


def drugs_of(codes: Iterable[tuple[str, str]]) -> list[str]:
    """Return the ingredients that drug codes mean, all of a combination; a code of a class means the class."""
    found: list[str] = []
    for system, code in codes:
        exact = _drug_codes().get((system, code), [])
        found += exact
        if not exact and system == "atc":
            sizes = (size for size in range(len(code), 0, -1) if code[:size] in _atc_classes())
            found += _atc_classes().get(code[: next(sizes, 0)], [])
    return list(dict.fromkeys(found))


def is_result_name(text: str) -> bool:
    """Return whether a folded text is the name of a laboratory test, so that it names no drug in a sentence."""
    return text in _by_name()


@cache
def membership() -> dict[str, frozenset[str]]:
    """Return, for every ingredient and class id, the classes and groups that it belongs to, itself included."""
    table: dict[str, set[str]] = {}
    for drug in knowledge().drugs.values():
        table.setdefault(drug.id, set()).update({drug.id, *drug.groups})
        for part in drug.ingredients:
            table.setdefault(part.id, set()).update({part.id, drug.id, *drug.groups, *part.groups})
    return {id: frozenset(groups) for id, groups in table.items()}


@cache
def implied() -> dict[str, frozenset[str]]:
    """Return, for every condition, itself and all that it implies."""
    known = knowledge().conditions
    table: dict[str, frozenset[str]] = {}
    for id in known:
        reached, pending = {id}, [id]
        while pending:
            for further in known[pending.pop()].implies:
                if further not in reached:
                    reached.add(further)
                    pending.append(further)
        table[id] = frozenset(reached)
    return table
