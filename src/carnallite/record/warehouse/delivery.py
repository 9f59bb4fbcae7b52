"""What a source delivered, sorted into parts by patient: a part fits into memory, and a patient is never in two.

A delivery is a file, or a whole data set of tables. It is taken once, into a folder of its own that appears whole or
not at all; `taken.json` in it says what it was.
"""

from __future__ import annotations

import os
from contextlib import suppress
from hashlib import md5, sha256
from importlib import import_module
from typing import TYPE_CHECKING, Any, Self

import msgspec

from carnallite.errors import ExtraMissing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path
    from types import ModuleType

    import pyarrow as pa

TAKEN = "taken.json"
SHARED = -1  # the part of what concerns everybody: dictionaries, medications by name
APART = -2  # the part of what is about a few, and does not say about whom: deletions
_PARTS = {SHARED: "shared", APART: "apart"}
ROOM = 48_000_000  # [bytes] of rows that wait to be written
HEX = 8  # digits of a hash that choose a part
EXAMPLES = 5  # places that are told of each kind of unusable row


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a source, or a data set of tables as a whole.

    Attributes
    ----------
    name
        What it is called in reports; never a password, never a name of a patient.
    place
        Path or address.
    mark
        Changes when the content changes; empty where the source does not say.
    size
        [bytes] As it lies there.
    order
        When it was written; of two versions of a resource that say nothing else, the later delivery holds.
    """

    name: str
    place: str
    mark: str
    size: int
    order: int = 0


class Unusable(msgspec.Struct, kw_only=True):
    """Rows that could not be used: how many, and where the first of them stand."""

    count: int = 0
    what: str = ""
    do: str = ""
    where: list[str] = []


class Taken(msgspec.Struct, kw_only=True):
    """What a delivery held; `parts` are the digests of the files of each part."""

    schema: str = "carnallite.delivery/1"
    name: str
    mark: str
    order: int
    count: int  # parts into which it was sorted
    rows: int = 0
    strays: int = 0  # rows that name nobody
    deletions: int = 0  # resources that it says are deleted
    unusable: dict[str, Unusable] = {}
    header: list[str] = []
    parts: dict[str, str] = {}

    def complain(self, code: str, where: str, what: str, do: str) -> None:
        """Count a row that cannot be used."""
        found = self.unusable.setdefault(code, Unusable(what=what, do=do))
        found.count += 1
        if len(found.where) < EXAMPLES:
            found.where.append(where)


def part_of(key: str, count: int) -> int:
    """Return the part in which a patient lies, the same on every machine.

    >>> part_of("Patient/1", 8) == part_of("Patient/1", 8)
    True
    """
    return int(md5(key.encode(), usedforsecurity=False).hexdigest()[:HEX], 16) % count


def file_of(folder: Path, table: str, part: int) -> Path:
    """Return where the rows of a table lie that belong to one part of a delivery."""
    return folder / f"{table}-{_PARTS.get(part) or f'{part:05d}'}.parquet"


def arrow(name: str = "pyarrow") -> ModuleType:
    """Return Arrow, which is an extra.

    Raises
    ------
    ExtraMissing
        It is not installed.
    """
    try:
        return import_module(name)
    except ImportError:
        raise ExtraMissing("screen", "Arrow is not installed.", "Run: pip install 'carnallite[screen]'") from None


class Sorter:
    """Writes the rows of one table into a file for each part; memory stays bounded, the order of rows is kept."""

    def __init__(self, folder: Path, table: str, columns: Mapping[str, str] | Sequence[str], count: int) -> None:
        kinds = columns if isinstance(columns, dict) else dict.fromkeys(columns, "string")
        library = arrow()
        self.schema: pa.Schema = library.schema([(name, getattr(library, kind)()) for name, kind in kinds.items()])
        self.folder, self.table, self.count = folder, table, count
        self._waiting: dict[int, list[Any]] = {}
        self._room = 0
        self._writers: dict[int, tuple[Any, Any]] = {}

    def add(self, part: int, row: tuple[Any, ...], size: int) -> None:
        """Add one row of about so many bytes."""
        self._waiting.setdefault(part, []).append(row)
        self._room += size
        if self._room > ROOM:
            self._flush()

    def add_batch(self, batch: pa.RecordBatch, parts: Iterable[int]) -> None:
        """Add many rows at once, whose part is given for each."""
        import numpy as np  # noqa: PLC0415

        each = np.asarray(parts)
        order = np.argsort(each, kind="stable")
        edges = np.flatnonzero(np.diff(each[order])) + 1
        for rows in np.split(order, edges) if len(order) else ():
            self._waiting.setdefault(int(each[rows[0]]), []).append(batch.take(arrow().array(rows)))
        self._room += batch.nbytes
        if self._room > ROOM:
            self._flush()

    def _flush(self) -> None:
        library = arrow()
        for part, rows in sorted(self._waiting.items()):
            if isinstance(rows[0], tuple):
                columns = [
                    library.array(column, field.type)
                    for column, field in zip(zip(*rows, strict=True), self.schema, strict=True)
                ]
                table = library.Table.from_arrays(columns, schema=self.schema)
            else:
                table = library.Table.from_batches(rows).cast(self.schema)
            self._writer(part).write_table(table)
        self._waiting.clear()
        self._room = 0

    def _writer(self, part: int) -> Any:
        if part not in self._writers:
            file = file_of(self.folder, self.table, part).open("wb")
            writer = arrow("pyarrow.parquet").ParquetWriter(file, self.schema, compression="zstd")
            self._writers[part] = (writer, file)
        return self._writers[part][0]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                self._flush()
                self._finish()
        finally:
            for writer, file in self._writers.values():
                writer.is_open = False  # or it would try to end its file when it is forgotten
                with suppress(OSError):
                    file.close()

    def _finish(self) -> None:
        """End all files, so that they are on the disk."""
        for writer, file in self._writers.values():
            writer.close()
            file.flush()
            os.fsync(file.fileno())


def digests(folder: Path) -> dict[str, str]:
    """Return for each part of a delivery the digest of all its files; of everybody `shared`, of deletions `apart`."""
    found: dict[str, Any] = {}
    for file in sorted(folder.glob("*.parquet")):
        part = file.stem.rsplit("-", 1)[1]
        with file.open("rb") as content:
            told = found.setdefault(part, sha256())
            told.update(file.name.encode())
            while block := content.read(1 << 20):
                told.update(block)
    return {part: told.hexdigest()[:32] for part, told in sorted(found.items())}
