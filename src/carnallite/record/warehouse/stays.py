"""The PhysioNet/CinC Challenge 2012 as it is downloaded: a folder of one text file a stay, or that packed."""

from __future__ import annotations

import re
import tarfile
import zipfile
from hashlib import md5
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from carnallite.errors import RecordRefused
from carnallite.record import physionet
from carnallite.record.entry import Loaded
from carnallite.record.warehouse.delivery import Delivery, Sorter, Taken, arrow, file_of, part_of
from carnallite.record.warehouse.ndjson import delivery_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

_STAY = re.compile(r"(\d{4,9})\.txt")
_COLUMNS = {"stay": "string", "minute": "int32", "name": "string", "value": "string"}
_TABLE = "stays"
_LARGEST = 10_000_000  # [bytes] of one stay; more is none


def is_stays(source: Path) -> bool:
    """Return whether a folder, or an archive by its name, holds stays of the challenge."""
    if source.is_dir():
        return any(_STAY.fullmatch(file.name) for file in source.iterdir())
    return source.name.endswith((".zip", ".tar.gz", ".tgz", ".tar"))


def deliveries(source: Path) -> list[Delivery]:
    """Return a folder or an archive as one delivery."""
    if source.is_file():
        return [delivery_of(source)]
    mark, size, order = md5(usedforsecurity=False), 0, 0
    for file in _files(source):
        said = file.stat()
        mark.update(f"{file.name} {said.st_size} {said.st_mtime_ns}\n".encode())
        size, order = size + said.st_size, max(order, said.st_mtime_ns)
    return [Delivery(name=source.name, place=str(source), mark=mark.hexdigest(), size=size, order=order)]


def _files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if _STAY.fullmatch(file.name))


def take(delivery: Delivery, folder: Path, taken: Taken, since: datetime | None) -> None:
    """Sort the lines of all stays.

    Raises
    ------
    RecordRefused
        The archive is broken.
    """
    del since  # a stay of the challenge is never continued
    with Sorter(folder, _TABLE, _COLUMNS, taken.count) as sorter:
        for name, data in _stays(Path(delivery.place)):
            key = name.removesuffix(".txt")
            part = part_of(key, taken.count)
            for number, text in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
                taken.rows += 1
                line = physionet.line_of(text)
                if line is not None:
                    sorter.add(part, (key, line.minute, line.name, line.value), 80)
                elif text.strip() not in {"", physionet.HEAD}:
                    what = "The line is no time, name and value."
                    taken.complain("line_not_read", f"{name} line {number}", what, "Download it again.")


def _stays(source: Path) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of every stay."""
    if source.is_dir():
        for file in _files(source):
            yield file.name, file.read_bytes()
        return
    try:
        if source.suffix == ".zip":
            with zipfile.ZipFile(source) as packed:
                for info in packed.infolist():
                    if _is_stay(info.filename, info.file_size):
                        yield PurePosixPath(info.filename).name, packed.read(info)
        else:
            with tarfile.open(source) as archive:
                for member in archive:
                    content = archive.extractfile(member) if _is_stay(member.name, member.size) else None
                    if content is not None:
                        yield PurePosixPath(member.name).name, content.read()
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise RecordRefused(source.name, "the archive is broken or cut.", "Download it again.") from None


def _is_stay(path: str, size: int) -> bool:
    return bool(_STAY.fullmatch(PurePosixPath(path).name)) and size <= _LARGEST


def load(folders: list[Path], part: int) -> Loaded:
    """Return people and entries of one part; of a stay that was delivered twice the later one."""
    loaded = Loaded()
    for folder in folders:
        file = file_of(folder, _TABLE, part)
        if not file.exists():
            continue
        table = arrow("pyarrow.parquet").read_table(file)
        said: dict[str, list[physionet.Line]] = {}
        for key, minute, name, value in zip(*(column.to_pylist() for column in table.columns), strict=True):
            said.setdefault(key, []).append(physionet.Line(minute, name, value))
        for key, lines in said.items():
            loaded.people[key], loaded.entries[key] = physionet.stay(lines)
    return loaded
