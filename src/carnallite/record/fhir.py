"""FHIR R4 -> entries: a Bundle (collection, searchset, transaction) or a folder of NDJSON, gzipped or not.

One struct names the fields that we use of every resource type; msgspec skips all others without building them.
A resource that cannot be decoded is an Issue and costs nobody else anything.
"""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec

from carnallite.errors import RecordRefused
from carnallite.record.codes import SYSTEMS
from carnallite.record.entry import Entry, Loaded, Person
from carnallite.record.moments import first_instant, last_instant
from carnallite.record.resources import Bounds, Coding, Component, Concept, Dosage, Period, Repeat, Resource, Text
from carnallite.record.timeline import Issue

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path


class _Head(msgspec.Struct, frozen=True, rename="camel"):
    resource_type: Text = None


class _BundleEntry(msgspec.Struct, frozen=True):
    resource: msgspec.Raw = msgspec.Raw(b"")
    fullUrl: Text = None  # noqa: N815


class _Bundle(msgspec.Struct, frozen=True, rename="camel"):
    resource_type: Text = None
    type: Text = None
    entry: list[_BundleEntry] = []


_READ = frozenset({
    "Patient", "Observation", "Condition", "Procedure", "Encounter", "MedicationStatement", "MedicationRequest",
    "MedicationAdministration", "MedicationDispense", "Medication", "AllergyIntolerance", "FamilyMemberHistory",
})  # fmt: skip
_TYPE = re.compile(rb'"resourceType"\s*:\s*"([A-Za-z]+)"')
_decode = msgspec.json.Decoder(Resource)
_decode_head = msgspec.json.Decoder(_Head)
_decode_bundle = msgspec.json.Decoder(_Bundle)
_GZIP = b"\x1f\x8b"


def unpacked(data: bytes) -> bytes:
    """Return bytes, ungzipped where they are gzip.

    Raises
    ------
    RecordRefused
        The gzip data are cut or broken.
    """
    if not data.startswith(_GZIP):
        return data
    try:
        return gzip.decompress(data)
    except (OSError, EOFError):
        raise RecordRefused("record", "the gzip data are broken or cut.", "Export it again.") from None


def read_bundle(data: bytes) -> Loaded:
    """Return the people and entries of a Bundle, or of one resource.

    Raises
    ------
    RecordRefused
        It is not JSON, or not a FHIR Bundle.
    """
    try:
        bundle = _decode_bundle.decode(data)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise RecordRefused("record", f"not a FHIR Bundle: {_reason(error)}.", "Export it again as JSON.") from None
    if bundle.resource_type != "Bundle":
        what = f"the resource is '{bundle.resource_type or 'not named'}', not a Bundle."
        raise RecordRefused("record", what, "Send a Bundle with the Patient and what is known of them.")
    return _load((bytes(entry.resource), entry.fullUrl or "") for entry in bundle.entry)


def read_folder(folder: Path) -> Loaded:
    """Return the people and entries of every ``*.ndjson`` and ``*.ndjson.gz`` of a folder."""

    def lines() -> Iterator[tuple[bytes, str]]:
        for path in sorted((*folder.glob("*.ndjson"), *folder.glob("*.ndjson.gz"))):
            for line in unpacked(path.read_bytes()).split(b"\n"):
                if line.strip():
                    yield line, ""

    return _load(lines())


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "nested too deeply"
    text = str(error).split(" - at ")[0]
    return text.removeprefix("JSON is malformed: ") if text else "not readable"


def _load(raws: Iterator[tuple[bytes, str]]) -> Loaded:
    """Decode every resource that we use; the rest is counted, not built."""
    issues: list[Issue] = []
    counts: Counter[str] = Counter()
    skipped: Counter[str] = Counter()
    resources: list[tuple[str, Resource]] = []
    drugs: dict[str, Concept] = {}
    people: dict[str, Person] = {}
    for raw, url in raws:
        kind = _type_of(raw)
        counts[kind] += 1
        where = f"{kind or 'Resource'} {counts[kind]}"
        if kind not in _READ:
            skipped[kind or "nameless"] += 1
            continue
        try:
            resource = _decode.decode(raw)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
            issues.append(Issue("resource_not_read", where, f"It is not valid: {_reason(error)}.", "Correct it."))
            continue
        if _has_double_key(raw):
            issues.append(Issue("duplicate_key", where, "A key stands twice in it.", "Correct it; it is not used."))
            continue
        names = [name for name in (url, f"{kind}/{resource.id}" if resource.id else "") if name]
        if kind == "Patient":
            key = names[-1] if names else where
            people[key] = Person(sex=resource.gender or "", birth=resource.birth_date or "")
            for name in names:
                people.setdefault(name, people[key])
        elif kind == "Medication" and resource.code is not None:
            drugs |= dict.fromkeys(names, resource.code)
        else:
            resources.append((where, resource))
    aliases = _aliases(people)
    loaded = Loaded(people={key: people[key] for key in dict.fromkeys(aliases.values())}, issues=issues)
    for where, resource in resources:
        owner = _owner(resource, aliases)
        if owner is None:
            loaded.strays.append(where)
            continue
        loaded.entries.setdefault(owner, []).extend(_entries(where, resource, drugs))
    if skipped:
        listed = ", ".join(f"{count} {kind}" for kind, count in sorted(skipped.items()))
        issues.append(Issue("type_not_used", "record", f"Resources of types that we do not use: {listed}.", "Nothing."))
    return loaded


def _type_of(raw: bytes) -> str:
    """Return the type of a resource; the first one named is its own unless a contained one precedes it."""
    match = _TYPE.search(raw)
    if match is None:
        return ""
    if b'"contained"' in raw[: match.start()]:
        try:
            return _decode_head.decode(raw).resource_type or ""
        except (msgspec.MsgspecError, RecursionError):
            return ""
    return match[1].decode()


def _has_double_key(raw: bytes) -> bool:
    doubled = False

    def check(pairs: list[tuple[str, Any]]) -> None:
        nonlocal doubled
        if len({key for key, _ in pairs}) != len(pairs):
            doubled = True

    json.loads(raw, object_pairs_hook=check)
    return doubled


def _aliases(people: dict[str, Person]) -> dict[str, str]:
    """Return every name of a patient -> the one name that we keep."""
    kept: dict[int, str] = {}
    return {name: kept.setdefault(id(person), name) for name, person in people.items()}


def _owner(resource: Resource, aliases: dict[str, str]) -> str | None:
    link = resource.subject or resource.patient
    if link is None or not link.reference:
        return next(iter(aliases.values())) if len(set(aliases.values())) == 1 and link is None else None
    reference = link.reference
    if reference in aliases:
        return aliases[reference]
    short = "/".join(reference.split("/")[-2:])
    return aliases.get(short)


def _entries(where: str, resource: Resource, drugs: dict[str, Concept]) -> Iterator[Entry]:
    match resource.resource_type:
        case "Observation":
            yield from _observations(where, resource)
        case "Condition":
            yield _condition(where, resource)
        case "Procedure":
            start, end = _times(resource.performed_date_time, resource.performed_period)
            codes, text = _names(resource.code)
            codes = tuple(("icd9p" if system == "icd9" else system, code) for system, code in codes)
            status = "" if resource.status in {"completed", "in-progress", None} else resource.status or ""
            status = {"not-done": "cancelled", "preparation": "cancelled"}.get(status, status)
            yield Entry(kind="procedure", where=where, codes=codes, text=text, time=start, end=end, status=status,
                        notes=_notes(resource))  # fmt: skip
        case "Encounter":
            yield _encounter(where, resource)
        case "AllergyIntolerance":
            codes, text = _names(resource.code)
            yield Entry(
                kind="allergy",
                where=where,
                codes=codes,
                text=text,
                certainty=_first(resource.verification_status),
            )
        case "FamilyMemberHistory":
            for concept in _family(resource):
                codes, text = _names(concept)
                yield Entry(kind="family", where=where, codes=codes, text=text)
        case _:
            yield _drug(where, resource, drugs)


def _names(concept: Concept | None) -> tuple[tuple[tuple[str, str], ...], str]:
    """Return codes by system, and the text; without a text the displays stand for it."""
    if concept is None:
        return (), ""
    codes = tuple((SYSTEMS.get(coding.system or "", "local"), coding.code) for coding in concept.coding if coding.code)
    displays = ". ".join(coding.display for coding in concept.coding if coding.display)
    return codes, concept.text or displays


def _first(concept: Concept | None) -> str:
    """Return the code of a status, or its text."""
    if concept is None:
        return ""
    return next((coding.code for coding in concept.coding if coding.code), concept.text or "")


def _notes(resource: Resource) -> str:
    return ". ".join(note.text for note in resource.note if note.text)


def _times(instant: Text, period: Period | None) -> tuple[datetime | None, datetime | None]:
    if instant:
        return first_instant(instant), None
    if period is None:
        return None, None
    start = first_instant(period.start) if period.start else None
    return start, last_instant(period.end) if period.end else None


def _observations(where: str, resource: Resource) -> Iterator[Entry]:
    time, _ = _times(resource.effective_date_time or resource.effective_instant, resource.effective_period)
    common: dict[str, Any] = {
        "kind": "observation",
        "time": time,
        "status": resource.status or "",
        "notes": _notes(resource),
        "specimen": (resource.specimen.display or "") if resource.specimen else "",
    }
    said = (resource.value_quantity, resource.value_range, resource.value_string, resource.value_codeable_concept)
    has_value = any(said) or resource.value_integer is not None
    if has_value or not resource.component:
        yield Entry(where=where, **common, **_named(resource.code), **_value(resource))
    for number, component in enumerate(resource.component, 1):
        yield Entry(where=f"{where} part {number}", **common, **_named(component.code), **_value(component))


def _named(concept: Concept | None) -> dict[str, Any]:
    codes, text = _names(concept)
    return {"codes": codes, "text": text}


def _value(source: Resource | Component) -> dict[str, Any]:
    values: dict[str, Any] = {}
    quantity = source.value_quantity
    if quantity is not None:
        values = {
            "value": quantity.value,
            "comparator": quantity.comparator or "",
            "unit": quantity.unit or "",
            "unit_code": quantity.code or "" if (quantity.system or "").endswith("unitsofmeasure.org") else "",
        }
    elif isinstance(source, Resource) and source.value_range is not None and source.value_range.low is not None:
        low, high = source.value_range.low, source.value_range.high
        values = {
            "value": low.value,
            "value_high": high.value if high else None,
            "unit": low.unit or low.code or "",
        }
    elif source.value_string:
        values = {"words": source.value_string}
    elif source.value_codeable_concept is not None:
        values = {"words": _names(source.value_codeable_concept)[1]}
    elif isinstance(source, Resource) and source.value_integer is not None:
        values = {"value": source.value_integer}
    flag = _first(source.interpretation[0]) if source.interpretation else ""
    bounds = source.reference_range[0] if source.reference_range else Bounds()
    return values | {
        "flag": flag,
        "reference_low": bounds.low.value if bounds.low else None,
        "reference_high": bounds.high.value if bounds.high else None,
    }


def _condition(where: str, resource: Resource) -> Entry:
    codes, text = _names(resource.code)
    onset, _ = _times(resource.onset_date_time or resource.recorded_date, resource.onset_period)
    end, end_of_period = _times(resource.abatement_date_time, resource.abatement_period)
    notes = ". ".join(part for part in (resource.onset_string or "", _notes(resource)) if part)
    return Entry(
        kind="condition", where=where, codes=codes, text=text, time=onset, end=end or end_of_period,
        status=_first(resource.clinical_status), certainty=_first(resource.verification_status), notes=notes,
    )  # fmt: skip


def _family(resource: Resource) -> Iterator[Concept]:
    return (part.code for part in resource.condition if part.code is not None)


def _encounter(where: str, resource: Resource) -> Entry:
    start, end = _times(None, resource.period)
    klass = resource.klass[0] if isinstance(resource.klass, list) and resource.klass else resource.klass
    code = klass.code if isinstance(klass, Coding) else ""
    reasons = ". ".join(text for text in (_names(reason)[1] for reason in resource.reason_code) if text)
    return Entry(kind="encounter", where=where, time=start, end=end, setting=code or "", text=reasons)


def _drug(where: str, resource: Resource, drugs: dict[str, Concept]) -> Entry:
    concept = resource.medication_codeable_concept
    if concept is None and resource.medication_reference is not None:
        link = resource.medication_reference
        concept = drugs.get(link.reference or "") or Concept(text=link.display)
    codes, text = _names(concept)
    dosage = _dosage(resource)
    start, end = _times(resource.effective_date_time, resource.effective_period)
    repeat = dosage.timing.repeat if dosage.timing else None
    if repeat and repeat.bounds_period:
        bounded = _times(None, repeat.bounds_period)
        start, end = start or bounded[0], end or bounded[1]
    given = resource.resource_type == "MedicationAdministration"
    single = given and bool(resource.effective_date_time)
    ordered = resource.authored_on or resource.when_handed_over
    start = start or (first_instant(ordered) if ordered else None)
    quantity = dosage.dose or next((part.dose_quantity for part in dosage.dose_and_rate if part.dose_quantity), None)
    cut_short = given and resource.status == "stopped" and end is not None  # it was given until then
    planned = resource.resource_type == "MedicationRequest" and resource.intent in {"proposal", "plan"}
    return Entry(
        kind="drug", where=where, codes=codes, text=text, time=start, end=end, single=single,
        status="planned" if planned else "completed" if cut_short else resource.status or "", notes=_notes(resource),
        dose=quantity.value if quantity else None, dose_unit=(quantity.unit or quantity.code or "") if quantity else "",
        dose_text=dosage.text or "", per_day=_per_day(repeat),
        route=". ".join(filter(None, (_names(dosage.route)[1], dosage.text))) if dosage.route else dosage.text or "",
    )  # fmt: skip


def _dosage(resource: Resource) -> Dosage:
    given = resource.dosage_instruction or resource.dosage
    if isinstance(given, list):
        return given[0] if given else Dosage()
    return given or Dosage()


_PER_DAY = {"h": 24.0, "d": 1.0, "wk": 1 / 7, "min": 1440.0}


def _per_day(repeat: Repeat | None) -> float | None:
    if repeat is None or not repeat.frequency or not repeat.period:
        return None
    unit = _PER_DAY.get(repeat.period_unit or "")
    return repeat.frequency / repeat.period * unit if unit else None
