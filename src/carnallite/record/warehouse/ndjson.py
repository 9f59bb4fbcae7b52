"""FHIR Bulk Data: NDJSON of one type a file, gzipped or not, several files of a type, exported again since some day.

A folder may also hold Bundles, one a file: their resources are taken as if each stood in a line.

A resource that was exported again replaces its earlier version; the newest `meta.lastUpdated` holds.
"""

from __future__ import annotations

import gzip
import json
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from carnallite.errors import RecordRefused
from carnallite.record import fhir
from carnallite.record.entry import Loaded
from carnallite.record.moments import first_instant
from carnallite.record.resources import Link, Text
from carnallite.record.timeline import Issue
from carnallite.record.warehouse.delivery import SHARED, Delivery, Sorter, Taken, arrow, file_of, part_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from io import BufferedReader
    from pathlib import Path

_COLUMNS = {"line": "binary", "number": "int64", "kind": "string", "id": "string", "updated": "string"}
_TABLE = "lines"
FORMS = (".ndjson", ".ndjson.gz", ".json", ".json.gz")
_NAMED = frozenset({"Patient", "Medication", "Specimen"})  # what other resources of a Bundle point at
_LONGEST = 64_000_000  # [bytes] of one line; more is no resource


class _Meta(msgspec.Struct, frozen=True, rename="camel"):
    last_updated: Text = None


class _Head(msgspec.Struct, frozen=True, rename="camel"):
    resource_type: Text = None
    id: Text = None
    meta: _Meta | None = None
    subject: Link | None = None
    patient: Link | None = None


_decode = msgspec.json.Decoder(_Head)


def deliveries(source: Path) -> list[Delivery]:
    """Return the files of NDJSON and the Bundles of a folder, or one file."""
    files = [source] if source.is_file() else sorted(one for form in FORMS for one in source.glob(f"*{form}"))
    return [delivery_of(file) for file in files]


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
    with Sorter(folder, _TABLE, _COLUMNS, taken.count) as sorter:
        is_bundle = ".ndjson" not in delivery.name
        for number, line in _entries(delivery) if is_bundle else _lines(delivery):
            taken.rows += 1
            _sort(line, number, sorter, taken, since, of=delivery.name if is_bundle else "")


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


def _sort(line: bytes, number: int, sorter: Sorter, taken: Taken, since: datetime | None, *, of: str) -> None:
    """Put a line where it belongs; ids of a Bundle tell its resources apart in it alone, but for those of people."""
    try:
        head = _decode.decode(line)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        taken.complain(
            "line_not_read", f"{taken.name} line {number}", "The line is no FHIR resource.", "Export it again."
        )
        return
    kind = head.resource_type or ""
    if kind not in fhir.FHIR_TYPES:
        return
    updated = (head.meta.last_updated if head.meta else None) or ""
    if since is not None and updated:
        moment = first_instant(updated)
        if moment is not None and moment < since:
            return
    part = _part(head, kind, taken)
    if part is not None:
        id = f"{of}#{head.id or number}" if of and kind not in _NAMED else head.id or ""
        sorter.add(part, (line, number, kind, id, updated), len(line) + 100)


def _part(head: _Head, kind: str, taken: Taken) -> int | None:
    if kind == "Medication":
        return SHARED
    if kind == "Patient":
        return part_of(f"Patient/{head.id}", taken.count) if head.id else None
    link = head.subject or head.patient
    reference = (link.reference if link else None) or ""
    key = "/".join(reference.split("/_history/")[0].split("/")[-2:])
    if not key or reference.startswith("#"):
        taken.strays += 1
        return None
    return part_of(key, taken.count)


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
    people, issues = _people([version.lines for (kind, _), version in newest.items() if kind == "Patient"])
    others = (line for (kind, _), version in newest.items() if kind != "Patient" for line in version.lines)
    loaded = fhir.read_lines([*people, *others, *loose])
    loaded.issues += issues
    return loaded


def _rows(file: Path) -> Iterator[tuple[bytes, int, str, str, str]]:
    if file.exists():
        table = arrow("pyarrow.parquet").read_table(file)
        yield from zip(*(column.to_pylist() for column in table.columns), strict=True)


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
