"""FHIR Bulk Data: NDJSON of one type a file, gzipped or not, several files of a type, exported again since some day.

A folder may also hold Bundles, one a file: their resources are taken as if each stood in a line.

A resource that was exported again replaces its earlier version; the newest `meta.lastUpdated` holds. One that a line
with a Bundle of DELETE requests names (the `deleted` files of a manifest) counts no more: as of the manifest's
`transactionTime` where that lies beside it, or the Bundle's `lastUpdated`; without either, of what came before it.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from carnallite.errors import RecordRefused
from carnallite.record import fhir
from carnallite.record.entry import Loaded
from carnallite.record.moments import first_instant
from carnallite.record.resources import Link, Text
from carnallite.record.timeline import Issue
from carnallite.record.warehouse.delivery import APART, SHARED, Delivery, Sorter, Taken, arrow, file_of, part_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from io import BufferedReader

    import pyarrow as pa

_COLUMNS = {"line": "binary", "number": "int64", "kind": "string", "id": "string", "updated": "string"}
_TABLE = "lines"
_GONE, _GONE_COLUMNS = "gone", {"name": "string", "as_of": "string"}
_EXPORT = frozenset({"manifest.json", "export.json"})  # about an export, and no part of it
FORMS = (".ndjson", ".ndjson.gz", ".json", ".json.gz")
_NAMED = frozenset({"Patient", "Medication", "Specimen"})  # what other resources of a Bundle point at
_DELETE = "DELETE"
_EVERYBODYS = frozenset({"Medication"})  # lie in no patient's part
_LONGEST = 64_000_000  # [bytes] of one line; more is no resource


class _Meta(msgspec.Struct, frozen=True, rename="camel"):
    last_updated: Text = None


class _Head(msgspec.Struct, frozen=True, rename="camel"):
    resource_type: Text = None
    id: Text = None
    meta: _Meta | None = None
    subject: Link | None = None
    patient: Link | None = None


class _Request(msgspec.Struct, frozen=True):
    method: Text = None
    url: Text = None


class _Entry(msgspec.Struct, frozen=True):
    request: _Request | None = None


class _Deletions(msgspec.Struct, frozen=True):
    meta: _Meta | None = None
    entry: tuple[_Entry, ...] = ()


class _Export(msgspec.Struct, frozen=True, rename="camel"):
    transaction_time: Text = None


class Deletion(NamedTuple):
    """What a source deleted: its name, as of when where that is told, and the turn of the delivery that says so."""

    name: str
    as_of: str
    turn: int


_decode = msgspec.json.Decoder(_Head)
_decode_deletions = msgspec.json.Decoder(_Deletions)


def deliveries(source: Path) -> list[Delivery]:
    """Return the files of NDJSON and the Bundles of a folder, or one file."""
    files = [source] if source.is_file() else sorted(one for form in FORMS for one in source.glob(f"*{form}"))
    return [delivery_of(file) for file in files if file.name not in _EXPORT]


def delivery_of(file: Path) -> Delivery:
    """Return a file as a delivery, marked by its size and the time at which it was written."""
    said = file.stat()
    mark = f"{said.st_size} {said.st_mtime_ns}"
    return Delivery(name=file.name, place=str(file), mark=mark, size=said.st_size, order=said.st_mtime_ns)


def take(delivery: Delivery, folder: Path, taken: Taken, since: datetime | None) -> None:
    """Sort the lines of a file by patient; of types that are not read nothing is kept.

    Raises
    ------
    RecordRefused
        It is cut or broken.
    """
    is_bundle = ".ndjson" not in delivery.name
    as_of = "" if is_bundle else _exported(delivery)
    with (
        Sorter(folder, _TABLE, _COLUMNS, taken.count) as sorter,
        Sorter(folder, _GONE, _GONE_COLUMNS, taken.count) as gone,
    ):
        for number, line in _entries(delivery) if is_bundle else _lines(delivery):
            taken.rows += 1
            head = _head(line, number, taken)
            if head is not None and head.resource_type == "Bundle" and not is_bundle:
                _delete(line, number, gone, taken, as_of)
            elif head is not None and not _is_older(head, since):
                _sort(line, number, head, sorter, taken, of=delivery.name if is_bundle else "")


def _exported(delivery: Delivery) -> str:
    """Return as of when a file was exported, if a manifest beside it says so."""
    try:
        told = (Path(delivery.place).parent / "manifest.json").read_bytes()
        return msgspec.json.decode(told, type=_Export).transaction_time or ""
    except (OSError, msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return ""


@contextmanager
def _opened(delivery: Delivery) -> Iterator[gzip.GzipFile | BufferedReader]:
    """Open a file, unpacked where it is gzip."""
    try:
        with open(delivery.place, "rb") as file:  # noqa: PTH123
            is_packed = file.read(2) == b"\x1f\x8b"
        opened = gzip.open if is_packed else open
        with opened(delivery.place, "rb") as file:
            yield file
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise RecordRefused(delivery.name, "the gzip data are broken or cut.", "Export it again.") from None


def _lines(delivery: Delivery) -> Iterator[tuple[int, bytes]]:
    """Yield the lines of a file with their numbers."""
    with _opened(delivery) as lines:
        number = 0
        while line := lines.readline(_LONGEST):
            number += 1
            if line.strip():
                yield number, line.strip().removeprefix(b"\xef\xbb\xbf")


def _entries(delivery: Delivery) -> Iterator[tuple[int, bytes]]:
    """Yield the resources of a Bundle with their numbers; they name each other as in an export, by type and id."""
    with _opened(delivery) as file:
        text = file.read(_LONGEST + 1)
    if len(text) > _LONGEST:
        raise RecordRefused(delivery.name, "it is too large for a Bundle of one patient.", "Export it as NDJSON.")
    try:
        resources = fhir.resources_of(text)
        names = list(_names(resources))
    except RecordRefused as error:
        raise RecordRefused(delivery.name, error.what, error.do) from None
    except (msgspec.MsgspecError, RecursionError):
        raise RecordRefused(delivery.name, "one of its resources cannot be read.", "Export it again.") from None
    for number, (resource, _) in enumerate(resources, 1):
        line = resource
        for url, name in names:
            line = line.replace(url, name)
        if line:
            yield number, line


def _names(resources: list[tuple[bytes, str]]) -> Iterator[tuple[bytes, bytes]]:
    """Yield how a Bundle names those whom others point at, and how an export does, both as JSON."""
    for resource, url in resources:
        if url and resource:
            head = _decode.decode(resource)
            if head.resource_type in _NAMED and head.id:
                yield json.dumps(url).encode(), json.dumps(f"{head.resource_type}/{head.id}").encode()


def _head(line: bytes, number: int, taken: Taken) -> _Head | None:
    try:
        return _decode.decode(line)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        taken.complain(
            "line_not_read", f"{taken.name} line {number}", "The line is no FHIR resource.", "Export it again."
        )
        return None


def _delete(line: bytes, number: int, gone: Sorter, taken: Taken, as_of: str) -> None:
    """Take note of what a Bundle deletes; of types that are not read nothing."""
    try:
        bundle = _decode_deletions.decode(line)
    except (msgspec.MsgspecError, RecursionError):
        bundle = _Deletions(entry=(_Entry(_Request(_DELETE)),))  # that deletes nobody knows what
    when = as_of or (bundle.meta.last_updated if bundle.meta else None) or ""
    for request in (one.request for one in bundle.entry if one.request is not None):
        if request.method != _DELETE:
            continue
        kind, id = _named(request.url or "")
        if not id:
            what = "It does not say what is deleted as Type/id."
            taken.complain("deletion_not_read", f"{taken.name} line {number}", what, "Export it again.")
        elif kind in fhir.FHIR_TYPES:
            taken.deletions += 1
            gone.add(APART, (f"{kind}/{id}", when), len(id) + 100)


def _named(url: str) -> tuple[str, str]:
    """Return type and id at the end of an address; two empty words where it names no single resource.

    >>> _named("https://ehr.example.org/fhir/Patient/123/_history/2"), _named("Patient?active=no")
    (('Patient', '123'), ('', ''))
    """
    found = url.split("/_history/", maxsplit=1)[0].split("/")[-2:]
    is_one = len(found) == 2 and found[0] and found[1] and "?" not in url
    return (found[0], found[1]) if is_one else ("", "")


def _is_older(head: _Head, since: datetime | None) -> bool:
    moment = first_instant((head.meta.last_updated if head.meta else None) or "") if since is not None else None
    return since is not None and moment is not None and moment < since


def _sort(line: bytes, number: int, head: _Head, sorter: Sorter, taken: Taken, *, of: str) -> None:
    """Put a line where it belongs; ids of a Bundle tell its resources apart in it alone, but for those of people."""
    kind = head.resource_type or ""
    if kind not in fhir.FHIR_TYPES:
        return
    updated = (head.meta.last_updated if head.meta else None) or ""
    part = _part(head, kind, taken)
    if part is not None:
        id = f"{of}#{head.id or number}" if of and kind not in _NAMED else head.id or ""
        sorter.add(part, (line, number, kind, id, updated), len(line) + 100)


def _part(head: _Head, kind: str, taken: Taken) -> int | None:
    if kind in _EVERYBODYS:
        return SHARED
    if kind == "Patient":
        return part_of(f"Patient/{head.id}", taken.count) if head.id else None
    key = _about(head)
    if not key:
        taken.strays += 1
        return None
    return part_of(key, taken.count)


def _about(head: _Head) -> str:
    """Return the name of whom a resource is about; empty where it names nobody."""
    link = head.subject or head.patient
    reference = (link.reference if link else None) or ""
    return "" if reference.startswith("#") else "/".join(reference.split("/_history/")[0].split("/")[-2:])


class _Version(msgspec.Struct):
    """The newest version of a resource; several lines where one delivery holds it several times."""

    updated: str
    turn: int
    lines: list[tuple[bytes, str]]  # and the place of each


def load(folders: list[Path], part: int) -> Loaded:
    """Return people and entries of one part of all deliveries, the earliest first."""
    newest: dict[tuple[str, str], _Version] = {}
    loose: list[tuple[bytes, str]] = []
    for turn, folder in enumerate(folders):
        for file in (file_of(folder, _TABLE, SHARED), file_of(folder, _TABLE, part)):
            for line, number, kind, id, updated in _rows(file):
                placed = (line, f"{number} of delivery {turn + 1}")
                if id:
                    _replace(newest, (kind, id), _Version(updated, turn, [placed]))
                else:
                    loose.append(placed)
    deleted = _delete_from(newest, deletions(folders, part))
    if gone := {f"Patient/{id}" for kind, id in deleted if kind == "Patient"}:
        deleted += _leave(newest, gone)
        loose = [placed for placed in loose if _about(_decode.decode(placed[0])) not in gone]
    people, issues = _people([version.lines for (kind, _), version in newest.items() if kind == "Patient"])
    others = (line for (kind, _), version in newest.items() if kind != "Patient" for line in version.lines)
    loaded = fhir.read_lines([*people, *others, *loose])
    loaded.issues += issues
    loaded.deleted = dict(Counter(kind for kind, _ in deleted if kind not in _EVERYBODYS or part == 0))
    return loaded


def _delete_from(newest: dict[tuple[str, str], _Version], deleted: list[Deletion]) -> list[tuple[str, str]]:
    """Remove what was deleted after its newest version, and return its names."""
    gone = []
    for one in deleted:
        kind, _, id = one.name.partition("/")
        version = newest.get((kind, id))
        if version is not None and _is_over(version, one):
            del newest[kind, id]
            gone.append((kind, id))
    return gone


def _is_over(version: _Version, deletion: Deletion) -> bool:
    updated, as_of = first_instant(version.updated), first_instant(deletion.as_of)
    if updated is not None and as_of is not None:
        return updated <= as_of
    return version.turn <= deletion.turn


def _leave(newest: dict[tuple[str, str], _Version], gone: set[str]) -> list[tuple[str, str]]:
    """Remove what is about people who were deleted, and return its names."""
    found = [name for name, version in newest.items() if _about(_decode.decode(version.lines[0][0])) in gone]
    for name in found:
        del newest[name]
    return found


def deletions(folders: Sequence[Path], part: int | None = None) -> list[Deletion]:
    """Return what deliveries delete of what one part of all of them holds, or everything that they delete."""
    told = [(turn, file_of(folder, _GONE, APART)) for turn, folder in enumerate(folders)]
    tables = [(turn, _read(file)) for turn, file in told if file.exists()]
    if not tables:
        return []
    if part is not None:
        compute = arrow("pyarrow.compute")
        files = (file_of(folder, _TABLE, one) for folder in folders for one in (SHARED, part))
        there = [_read(file, ["kind", "id"]) for file in files if file.exists()]
        names = arrow().concat_tables(there).combine_chunks() if there else None
        if names is None:
            return []
        known = compute.binary_join_element_wise(names.column("kind"), names.column("id"), "/")
        tables = [(turn, one.filter(compute.is_in(one.column("name"), value_set=known))) for turn, one in tables]
    found = {
        Deletion(name, as_of, turn)
        for turn, one in tables
        for name, as_of in zip(*(column.to_pylist() for column in one.columns), strict=True)
    }
    return sorted(found)


def _read(file: Path, columns: list[str] | None = None) -> pa.Table:
    return arrow("pyarrow.parquet").read_table(file, columns=columns)


def _rows(file: Path) -> Iterator[tuple[bytes, int, str, str, str]]:
    if file.exists():
        yield from zip(*(column.to_pylist() for column in _read(file).columns), strict=True)


def _replace(newest: dict[tuple[str, str], _Version], name: tuple[str, str], one: _Version) -> None:
    known = newest.get(name)
    if known is None or (one.updated, one.turn) > (known.updated, known.turn):
        newest[name] = one
    elif (one.updated, one.turn) == (known.updated, known.turn):
        there = {line for line, _ in known.lines}
        known.lines += [placed for placed in one.lines if placed[0] not in there]


def _people(versions: list[list[tuple[bytes, str]]]) -> tuple[list[tuple[bytes, str]], list[Issue]]:
    """Return one line for each person; of an id that two different people have, none."""
    kept: list[tuple[bytes, str]] = []
    issues: list[Issue] = []
    for lines in versions:
        if len({fhir.who(line) for line, _ in lines}) > 1:
            what = "Two different people have one id; neither is screened."
            issues.append(Issue("two_people_one_id", "Patient", what, "Export them apart."))
        else:
            kept.append(lines[0])
    return kept, issues
