"""What a hook asks for, and what came: prefetch in each of its forms, further pages, and what is fetched instead.

A server that refuses to search results by code or category is asked for all of them, from then on at once.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

import msgspec
from anyio import create_task_group, to_thread

from carnallite.errors import FetchFailed
from carnallite.quantity import analytes
from carnallite.record import FHIR_TYPES
from carnallite.surfaces.service import strict
from carnallite.surfaces.service.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from carnallite.surfaces.service.house import House
    from carnallite.surfaces.service.settings import Settings
    from carnallite.surfaces.service.values import Authorization

    Fetch = Callable[[str, str], bytes]

ABOUT = "patient={{context.patientId}}"
PATIENT = "patient"
_PAGE = 200  # resources of one page
_BLOOD, _OTHER = frozenset({"serum", "blood"}), frozenset({"urine", "urine_24h", "stool", "body", "ecg"})
KEYS = {
    "Condition": "conditions", "Procedure": "procedures", "Encounter": "encounters",
    "MedicationStatement": "statements", "MedicationRequest": "orders", "MedicationAdministration": "given",
    "MedicationDispense": "dispensed", "AllergyIntolerance": "allergies", "FamilyMemberHistory": "family",
}  # fmt: skip
WITHIN = frozenset({"Medication", "Specimen"})  # are referred to by others and come with them, or are fetched
_UNSEARCHED = frozenset({  # said of a search that a server does not know, or of an address that is too long for it
    "status_400", "status_404", "status_405", "status_413", "status_414", "status_422", "status_431", "status_501",
})  # fmt: skip
ID = re.compile(r"[A-Za-z0-9.-]{1,64}")


def templates(settings: Settings) -> dict[str, str]:
    """Return the FHIR searches that ask for all that an assessment reads, one for each prefetch key."""
    found = {PATIENT: "Patient/{{context.patientId}}", **_results(settings)}
    found |= {key: f"{type}?{ABOUT}&_count={_PAGE}" for type, key in KEYS.items() if type in FHIR_TYPES}
    return {key: query for key, query in found.items() if key not in settings.not_available}


def _results(settings: Settings) -> dict[str, str]:
    if settings.observations == "all":
        return {"results": f"Observation?{ABOUT}&_sort=-date&_count={_PAGE}"}
    if settings.observations == "category":
        names = {"laboratory": "results", "vital-signs": "signs"}
        return {key: f"Observation?{ABOUT}&category={name}&_sort=-date&_count={_PAGE}" for name, key in names.items()}
    return {
        key: f"Observation?{ABOUT}&code={','.join(_codes(specimens))}&_sort=-date&_count={_PAGE}"
        for key, specimens in (("blood", _BLOOD), ("urine_and_signs", _OTHER))
    }


@cache
def _codes(specimens: frozenset[str]) -> tuple[str, ...]:
    """Return every LOINC code that the record room reads as a result of these specimens."""
    return tuple(sorted({code.code for one in analytes().values() if one.specimen in specimens for code in one.loinc}))


class Named(NamedTuple):
    """A resource, and the address under which others may refer to it."""

    raw: bytes
    url: str = ""


class Part(NamedTuple):
    """The resources of one key."""

    resources: tuple[Named, ...]
    next: str = ""  # address of the next page


class Learned:
    """Which servers do not search results by code or category: found out once, told once, known until the end."""

    def __init__(self, note: Callable[[str], None]) -> None:
        self._note, self._servers = note, set[str]()

    def is_plain(self, server: str) -> bool:
        """Return whether a server is known to give all results or none."""
        return server in self._servers

    def add(self, server: str) -> None:
        """Take note of one."""
        if server not in self._servers:
            self._servers.add(server)
            self._note(f"{server} does not search results by code or category: it is asked for all of them")


class Source(NamedTuple):
    """Where more can be had."""

    fetch: Fetch | None
    server: str
    token: str
    learned: Learned


class Gathered(NamedTuple):
    """All that there is about one patient as a Bundle, and whether some of it was fetched."""

    bundle: bytes
    fetched: int


class _Entry(msgspec.Struct, frozen=True, rename="camel"):
    resource: msgspec.Raw = msgspec.Raw(b"")
    full_url: str = ""


class _Link(msgspec.Struct, frozen=True):
    relation: str = ""
    url: str = ""


class _Head(msgspec.Struct, frozen=True, rename="camel"):
    resource_type: str = ""
    id: str = ""
    entry: tuple[_Entry, ...] = ()
    link: tuple[_Link, ...] = ()


_head = msgspec.json.Decoder(_Head)


class _Medicated(msgspec.Struct, frozen=True, rename="camel"):
    """What shows that a drug is named elsewhere."""

    resource_type: str = ""
    medication_reference: dict[str, object] | None = None


_medicated = msgspec.json.Decoder(_Medicated)


class _Unsearched(Refusal):
    """A server does not search results in this way."""


async def gather(settings: Settings, patient: str, given: Mapping[str, msgspec.Raw], source: Source) -> Gathered:
    """Return all that was given or can be had about a patient.

    Raises
    ------
    Refusal
        412: something that is needed was neither given nor can be had; nothing is answered from a part.
    """
    if not source.learned.is_plain(source.server):
        try:
            return await _gathered(settings, patient, given, source)
        except _Unsearched:
            pass
    others = {key: one for key, one in given.items() if key not in _results(settings)}  # results of a part are none
    found = await _gathered(msgspec.structs.replace(settings, observations="all"), patient, others, source)
    source.learned.add(source.server)  # only now: a server that gives nothing at all searches as it may
    return found


async def _gathered(settings: Settings, patient: str, given: Mapping[str, msgspec.Raw], source: Source) -> Gathered:
    wanted = templates(settings)
    narrow = frozenset(_results(settings)) if settings.observations != "all" else frozenset[str]()
    parts: dict[str, Part | None] = {key: _given(key, given[key], patient) if key in given else None for key in wanted}
    whole = dict.fromkeys(wanted, Part(()))
    fetched = 0

    async def fill(key: str) -> None:
        nonlocal fetched
        part = parts[key]
        if part is None:
            url = f"{source.server}/{filled(wanted[key], patient)}"
            part = await _fetched(key, url, patient, source, is_narrow=key in narrow)
            fetched += 1
        resources = [*part.resources]
        for _ in range(settings.pages - 1):
            if not part.next:
                break
            part = await _fetched(key, part.next, patient, source)
            fetched += 1
            resources += part.resources
        if part.next:
            raise _missing(key, f"it has more than {settings.pages} pages")
        whole[key] = Part(tuple(resources))

    await _together(fill, wanted)
    everything = [resource for part in whole.values() for resource in part.resources]
    drugs = await medications(everything, source)
    return Gathered(bundle([*everything, *drugs]), fetched + len(drugs))


async def _together(fill: Callable[[str], object], keys: Iterable[str]) -> None:
    """Fill all keys at once, and tell the first refusal as it is."""
    try:
        async with create_task_group() as group:
            for key in keys:
                group.start_soon(fill, key)  # type: ignore[arg-type]
    except BaseExceptionGroup as several:
        refused = several.subgroup(Refusal)
        if refused is None:
            raise
        first: BaseException = refused
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        raise first from None


def filled(template: str, patient: str) -> str:
    """Return a template as the address that it asks for.

    >>> filled("Patient/{{context.patientId}}", "17")
    'Patient/17'
    """
    return template.replace("{{context.patientId}}", quote(patient, safe="")).replace(" ", "%20")


def bundle(resources: Sequence[Named]) -> bytes:
    """Return resources as one Bundle."""
    entries = b",".join(_entry(one) for one in resources)
    return b'{"resourceType":"Bundle","type":"collection","entry":[' + entries + b"]}"


def _entry(one: Named) -> bytes:
    url = b'"fullUrl":' + msgspec.json.encode(one.url) + b"," if one.url else b""
    return b"{" + url + b'"resource":' + one.raw + b"}"


def _given(key: str, raw: msgspec.Raw, patient: str) -> Part | None:
    """Return what a client gave for a key; None is to be fetched, although the key is there."""
    data = bytes(raw)
    if data == b"null":  # the client looked and has nothing
        return None if key == PATIENT else Part(())
    return _part(key, data, patient, "the client could not get it")


def _part(key: str, data: bytes, patient: str, failed: str) -> Part:
    try:
        head = _head.decode(data)
    except msgspec.MsgspecError:
        raise _missing(key, "it is no FHIR resource") from None
    if head.resource_type == "OperationOutcome":
        raise _missing(key, failed)
    if key == PATIENT:
        if head.resource_type == "Bundle" and len(head.entry) == 1:
            return _part(key, bytes(head.entry[0].resource), patient, failed)
        if head.resource_type != "Patient" or head.id != patient:
            raise _missing(key, "it is not the patient of the context")
        return Part((Named(data),))
    if head.resource_type != "Bundle":
        raise _missing(key, "it is no Bundle")
    resources = tuple(Named(bytes(one.resource), one.full_url) for one in head.entry if one.resource)
    kinds = [_headed(one.raw).resource_type for one in resources]
    if kinds and all(kind == "OperationOutcome" for kind in kinds):
        raise _missing(key, failed)
    following = next((one.url for one in head.link if one.relation == "next"), "")
    kept = tuple(one for one, kind in zip(resources, kinds, strict=True) if kind != "OperationOutcome")
    return Part(kept, following)


async def _fetched(key: str, url: str, patient: str, source: Source, *, is_narrow: bool = False) -> Part:
    if source.fetch is None or not source.server:
        raise _missing(key, "it was not given, and no FHIR server and token to fetch it")
    if not url.startswith(f"{source.server}/") and not url.startswith(f"{source.server}?"):
        raise _missing(key, "its next page lies on another server")
    try:
        data = await to_thread.run_sync(source.fetch, url, source.token)
        await to_thread.run_sync(strict.check, data)
    except FetchFailed as failed:
        missing = _missing(key, "the FHIR server did not give it")
        if is_narrow and failed.code in _UNSEARCHED:
            raise _Unsearched(missing.status, missing.code, missing.where, missing.what, missing.do) from None
        raise missing from None
    except Refusal:
        raise _missing(key, "the FHIR server answered with what is not JSON") from None
    return _part(key, data, patient, "the FHIR server did not give it")


async def medications(resources: Sequence[Named], source: Source) -> list[Named]:
    """Return the Medications that others refer to without naming them; they are needed to know what is taken."""
    there, wanted = set[str](), dict[str, None]()
    for resource in resources:
        head = _headed(resource.raw)
        there |= {f"{head.resource_type}/{head.id}", resource.url}
        is_drug = head.resource_type.startswith("Medication") and b'"medicationReference"' in resource.raw
        if is_drug and (reference := _unnamed(resource.raw)):
            wanted[reference] = None
    names = dict.fromkeys("/".join(one.split("/")[-2:]) for one in wanted if one not in there)
    missing = [name for name in names if name not in there]
    found: dict[str, Named] = {}

    async def fill(name: str) -> None:
        kind, _, id = name.partition("/")
        if kind != "Medication" or not ID.fullmatch(id):
            raise _missing("orders", "a drug is named by what is no Medication")
        found[name] = Named(await _medication(f"{source.server}/{name}", source))

    await _together(fill, missing)
    return [found[name] for name in missing]


def _headed(raw: bytes) -> _Head:
    """Return type and id of a resource; of what is none, nothing: the reader of records says so."""
    try:
        return _head.decode(raw)
    except msgspec.MsgspecError:
        return _Head()


def _unnamed(raw: bytes) -> str:
    """Return the reference by which alone a drug is named, or an empty text."""
    try:
        link = _medicated.decode(raw).medication_reference or {}
    except msgspec.MsgspecError:
        return ""
    reference = str(link.get("reference") or "")
    return "" if reference.startswith("#") or link.get("display") else reference


async def _medication(url: str, source: Source) -> bytes:
    if source.fetch is None or not source.server:
        raise _missing("orders", "a Medication that they refer to was not given")
    try:
        data = await to_thread.run_sync(source.fetch, url, source.token)
        await to_thread.run_sync(strict.check, data)
        kind = _head.decode(data).resource_type
    except (FetchFailed, Refusal, msgspec.MsgspecError):
        kind = ""
    if kind != "Medication":
        raise _missing("orders", "the FHIR server did not give a Medication that they refer to")
    return data


def _missing(key: str, why: str) -> Refusal:
    what = f"Not evaluated: '{key}' is missing: {why}."
    do = "Give it as prefetch, null where there is nothing, or fhirServer and fhirAuthorization."
    return Refusal(412, "incomplete", f"/prefetch/{key}", what, do)


def source_of(house: House, server: str | None, authorization: Authorization | None) -> Source:
    """Return where more can be had: only from a FHIR server that is allowed."""
    base = (server or "").rstrip("/")
    allowed = {one.rstrip("/") for one in house.settings.fhir_servers}
    if base not in allowed:
        return Source(None, "", "", house.learned)
    return Source(house.fetch, base, authorization.access_token if authorization else "", house.learned)
