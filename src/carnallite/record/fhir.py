"""FHIR R4 -> entries: a Bundle (collection, searchset, transaction) or a folder of NDJSON, gzipped or not.

One struct names the fields that we use of every resource type; msgspec skips all others without building them.
A resource that cannot be decoded is an Issue and costs nobody else anything.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec

from carnallite.errors import RecordRefused
from carnallite.quantity import units_agree
from carnallite.record.codes import SYSTEMS
from carnallite.record.entry import Entry, Loaded, Person
from carnallite.record.moments import first_instant, last_instant
from carnallite.record.resources import (
    Bounds,
    Bundle,
    Coding,
    Component,
    Concept,
    Dosage,
    Link,
    Period,
    Quantity,
    Repeat,
    Resource,
    Text,
)
from carnallite.record.timeline import Issue

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime
    from pathlib import Path


class _Head(msgspec.Struct, frozen=True, rename="camel"):
    resource_type: Text = None


FHIR_TYPES = frozenset({
    "Patient", "Observation", "Condition", "Procedure", "Encounter", "MedicationStatement", "MedicationRequest",
    "MedicationAdministration", "MedicationDispense", "Medication", "Specimen",
    "AllergyIntolerance", "FamilyMemberHistory",
})  # fmt: skip
_TYPE = re.compile(rb'"resourceType"\s*:\s*"([A-Za-z]+)"')
_decode = msgspec.json.Decoder(Resource)
_decode_head = msgspec.json.Decoder(_Head)
_decode_bundle = msgspec.json.Decoder(Bundle)
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
    except (OSError, EOFError, zlib.error):
        raise RecordRefused("record", "the gzip data are broken or cut.", "Export it again.") from None


def read_bundle(data: bytes) -> Loaded:
    """Return the people and entries of a Bundle.

    Raises
    ------
    RecordRefused
        It is not JSON, or not a FHIR Bundle.
    """
    return _load((resource, url, "") for resource, url in resources_of(data))


def resources_of(data: bytes) -> list[tuple[bytes, str]]:
    """Return the resources of a Bundle as they stand there, each with its address; what is none is empty.

    Raises
    ------
    RecordRefused
        As `read_bundle`.
    """
    try:
        bundle = _decode_bundle.decode(data.removeprefix(b"\xef\xbb\xbf"))
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise RecordRefused("record", f"not a FHIR Bundle: {_reason(error)}.", "Export it again as JSON.") from None
    if bundle.resource_type != "Bundle":
        what = f"the resource is '{bundle.resource_type or 'not named'}', not a Bundle."
        raise RecordRefused("record", what, "Send a Bundle with the Patient and what is known of them.")
    return [(bytes(entry.resource), entry.full_url or "") for entry in bundle.entry]


def draft_lines(drafts: Sequence[bytes]) -> list[tuple[str, Entry, Dosage]]:
    """Return the drug orders among draft resources: id, the line of a record, and the dosage that it came from.

    Raises
    ------
    RecordRefused
        One of them is not a resource.
    """
    resources = []
    for number, raw in enumerate(drafts, 1):
        try:
            resources.append(_decode.decode(raw))
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
            what = f"it is not a FHIR resource: {_reason(error)}."
            raise RecordRefused(f"draft order {number}", what, "Send it as JSON.") from None
    drugs = {
        f"Medication/{one.id}": one.code
        for one in resources
        if one.resource_type == "Medication" and one.code and one.id
    }
    return [
        (one.id or "", _drug(one.resource_type, one, drugs), _dosage(one))
        for one in resources
        if one.resource_type == "MedicationRequest" and not one.do_not_perform
    ]


def read_folder(folder: Path) -> Loaded:
    """Return the people and entries of every ``*.ndjson`` and ``*.ndjson.gz`` of a folder."""

    def lines() -> Iterator[tuple[bytes, str, str]]:
        for path in sorted((*folder.glob("*.ndjson"), *folder.glob("*.ndjson.gz"))):
            for line in unpacked(path.read_bytes()).split(b"\n"):
                if line.strip():
                    yield line, "", ""

    return _load(lines())


def read_lines(lines: Iterable[tuple[bytes, str]]) -> Loaded:
    """Return the people and entries of lines of NDJSON, each with its place in its source."""
    return _load((line, "", place) for line, place in lines)


def who(line: bytes) -> Person | None:
    """Return whom a line with a Patient describes; None where it cannot be read."""
    try:
        resource = _decode.decode(line)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return None
    return Person(sex=resource.gender or "", birth=resource.birth_date or "")


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if not isinstance(error, msgspec.MsgspecError):
        return "not readable"
    text = str(error).split(" - at ")[0]
    return text.removeprefix("JSON is malformed: ") if text else "not readable"


def _load(raws: Iterator[tuple[bytes, str, str]]) -> Loaded:
    """Decode every resource that we use; the rest is counted, not built. Raw, URL, and its place if not by counting."""
    issues: list[Issue] = []
    counts: Counter[str] = Counter()
    skipped: Counter[str] = Counter()
    resources: list[tuple[str, Resource]] = []
    drugs: dict[str, Concept] = {}  # what Medications and Specimens are, by their names
    known = _Known({}, {})
    for raw, url, place in raws:
        kind = _type_of(raw)
        counts[kind] += 1
        where = f"{kind or 'Resource'} {place or counts[kind]}"
        if kind not in FHIR_TYPES:
            skipped[kind or "nameless"] += 1
            continue
        try:
            resource = _decode.decode(raw)
            is_doubled = _has_double_key(raw)
        except (msgspec.MsgspecError, RecursionError, ValueError) as error:
            issues.append(Issue("resource_not_read", where, f"It is not valid: {_reason(error)}.", "Correct it."))
            continue
        if is_doubled:
            issues.append(Issue("duplicate_key", where, "A key stands twice in it.", "Correct it; it is not used."))
            continue
        names = [name for name in (url, f"{kind}/{resource.id}" if resource.id else "") if name]
        if kind == "Patient":
            _add_person(Person(sex=resource.gender or "", birth=resource.birth_date or ""), names or [where], known)
        elif kind == "Medication" and resource.code is not None:
            drugs |= dict.fromkeys(names, resource.code)
        elif kind == "Specimen":
            drugs |= dict.fromkeys(names, _concept(resource.type))
        else:
            resources.append((where, resource))
    loaded = Loaded(people=known.people, issues=issues)
    is_alone = counts["Patient"] == 1
    for where, resource in resources:
        owner = _owner(resource, known.names, is_alone=is_alone)
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


class _Known(msgspec.Struct):
    """Everybody by their one key, and the key by every name that they have in the source."""

    people: dict[str, Person]
    names: dict[str, str]


def _add_person(person: Person, names: list[str], known: _Known) -> None:
    """Add somebody, or further names of somebody who is already known by one of them.

    Raises
    ------
    RecordRefused
        Two different people have one name.
    """
    key = next((known.names[name] for name in names if name in known.names), names[-1])
    if known.people.setdefault(key, person) != person:
        raise RecordRefused("record", "two different patients have the same id.", "Export them apart.")
    known.names |= dict.fromkeys(names, key)


def _owner(resource: Resource, names: dict[str, str], *, is_alone: bool) -> str | None:
    """Return the key of whom a resource is about, or None; an absolute reference never means another server's."""
    link = resource.subject or resource.patient
    if link is None or (link.reference or "").startswith("#"):
        return next(iter(names.values()), None) if is_alone else None
    reference = (link.reference or "").split("/_history/")[0]
    if reference in names:
        return names[reference]
    is_absolute = "://" in reference
    if is_absolute and any("://" in name for name in names):
        return None
    return names.get("/".join(reference.split("/")[-2:]))


def _entries(where: str, resource: Resource, drugs: dict[str, Concept]) -> Iterator[Entry]:
    match resource.resource_type:
        case "Observation":
            yield from _observations(where, resource, drugs)
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
                yield Entry(kind="family", where=where, codes=codes, text=text, status=resource.status or "")
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
    end = last_instant(period.end) if period.end else None
    if period.end and end is None and not period.end.startswith("9999"):
        end = start  # it ended, nobody can read when: it does not go on for ever
    return start, end


def _is_timed(period: Period | None) -> bool:
    """Return whether a period has two times, not dates: it is one infusion then, not a course of doses."""
    return period is not None and all("T" in (text or "") for text in (period.start, period.end))


def _observations(where: str, resource: Resource, named: dict[str, Concept]) -> Iterator[Entry]:
    time, _ = _times(resource.effective_date_time or resource.effective_instant, resource.effective_period)
    time = time or (first_instant(resource.issued) if resource.issued else None)
    common: dict[str, Any] = {
        "kind": "observation",
        "time": time,
        "status": resource.status or "",
        "notes": _notes(resource),
        "specimen": _names(_linked(resource.specimen, resource, named))[1],
    }
    said = (resource.value_quantity, resource.value_range, resource.value_string, resource.value_codeable_concept)
    has_value = any(said) or resource.value_integer is not None
    if has_value or not resource.component:
        yield Entry(where=where, **common, **_named(resource.code), **_value(resource))
    for number, component in enumerate(resource.component, 1):
        yield Entry(where=f"{where} part {number}", **common, **_named(component.code), **_value(component))


def _concept(value: Concept | list[Concept] | str | None) -> Concept:
    first = value[0] if isinstance(value, list) and value else value
    return first if isinstance(first, Concept) else Concept()


def _linked(link: Link | None, resource: Resource, named: dict[str, Concept]) -> Concept:
    """Return what a reference points at, in the resource itself or beside it; its own words otherwise."""
    if link is None:
        return Concept()
    reference = link.reference or ""
    for raw in resource.contained if reference.startswith("#") else ():
        inner = _decode.decode(raw)
        if inner.id == reference[1:]:
            return inner.code or _concept(inner.type)
    return named.get(reference) or named.get("/".join(reference.split("/")[-2:])) or Concept(text=link.display)


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
            "unit_code": (high.unit or high.code or "") if high else "",
        }
    elif source.value_string:
        values = {"words": source.value_string}
    elif source.value_codeable_concept is not None:
        values = {"words": _names(source.value_codeable_concept)[1]}
    elif isinstance(source, Resource) and source.value_integer is not None:
        values = {"value": source.value_integer}
    flag = _first(source.interpretation[0]) if source.interpretation else ""
    usual = [one for one in source.reference_range if one.type is None or _first(one.type) in {"normal", ""}]
    bounds = usual[0] if usual else Bounds()
    unit = str(values.get("unit") or values.get("unit_code") or "")
    return values | {
        "flag": flag,
        "reference_low": _bound(bounds.low, unit),
        "reference_high": _bound(bounds.high, unit),
    }


def _bound(quantity: Quantity | None, unit: str) -> float | None:
    """Return one end of a reference range, unless it stands in another unit than the value."""
    if quantity is None:
        return None
    own = [name for name in (quantity.unit, quantity.code) if name]
    return quantity.value if not own or any(units_agree(name, unit) for name in own) else None


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
    status = {"planned": "cancelled"}.get(resource.status or "", resource.status or "")
    return Entry(kind="encounter", where=where, time=start, end=end, setting=code or "", text=reasons, status=status)


def _drug(where: str, resource: Resource, drugs: dict[str, Concept]) -> Entry:
    concept = resource.medication_codeable_concept
    if concept is None and resource.medication_reference is not None:
        concept = _linked(resource.medication_reference, resource, drugs)
    codes, text = _names(concept)
    dosage = _dosage(resource)
    start, end = _times(resource.effective_date_time, resource.effective_period)
    repeat = dosage.timing.repeat if dosage.timing else None
    if repeat and repeat.bounds_period:
        bounded = _times(None, repeat.bounds_period)
        start, end = start or bounded[0], end or bounded[1]
    given = resource.resource_type == "MedicationAdministration"
    single = given and bool(resource.effective_date_time or _is_timed(resource.effective_period))
    ordered = resource.authored_on or resource.when_handed_over
    start = start or (first_instant(ordered) if ordered else None)
    quantity = dosage.dose or next((part.dose_quantity for part in dosage.dose_and_rate if part.dose_quantity), None)
    cut_short = given and resource.status == "stopped" and end is not None  # it was given until then
    planned = resource.resource_type == "MedicationRequest" and resource.intent in {"proposal", "plan"}
    status = "planned" if planned else "completed" if cut_short else resource.status or ""
    return Entry(
        kind="drug", where=where, codes=codes, text=text, time=start, end=end, single=single,
        status="not-taken" if resource.do_not_perform else status, notes=_notes(resource),
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
