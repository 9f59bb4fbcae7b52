"""Our CSV timeline with many patients: one file, or a folder of them, gzipped or not."""

from __future__ import annotations

import gzip
import io
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from carnallite.errors import RecordRefused
from carnallite.record import tabular
from carnallite.record.entry import Loaded
from carnallite.record.warehouse.delivery import Delivery, Sorter, Taken, arrow, file_of, part_of
from carnallite.record.warehouse.ndjson import delivery_of

if TYPE_CHECKING:
    from datetime import datetime

_TABLE = "rows"
_APART = "\x1f"  # between cells, in which it cannot stand: NUL and its like are refused as no text


def deliveries(source: Path) -> list[Delivery]:
    """Return the CSV files of a folder, or one file."""
    kinds = ("*.csv", "*.csv.gz", "*.tsv", "*.tsv.gz")
    files = [source] if source.is_file() else sorted(file for kind in kinds for file in source.glob(kind))
    return [delivery_of(file) for file in files]


def take(delivery: Delivery, folder: Path, taken: Taken, since: datetime | None) -> None:
    """Sort the rows of a table by patient.

    Raises
    ------
    RecordRefused
        It is no table of this form.
    """
    del since  # a row does not say when it was written; files that have not changed are not read again
    try:
        with _opened(delivery.place) as lines, Sorter(folder, _TABLE, ("where", "cells"), taken.count) as sorter:
            taken.header, rows, issues = tabular.stream(lines)
            if "patient" not in taken.header:
                do = "Add a column `patient`, with a key for each."
                raise RecordRefused(delivery.name, "the table has no column `patient`.", do)
            column = taken.header.index("patient")
            for where, cells in rows:
                taken.rows += 1
                key = cells[column] if len(cells) == len(taken.header) else ""
                if key:
                    told = _APART.join(cells)
                    sorter.add(part_of(key, taken.count), (where, told), len(told) + 100)
                elif len(cells) == len(taken.header):
                    taken.strays += 1
                else:
                    what, do = "The row has too many or too few cells.", "Quote cells that hold the delimiter."
                    taken.complain("row_not_read", f"{delivery.name} {where}", what, do)
            for issue in issues:
                taken.complain(issue.code, f"{delivery.name} {issue.where}", issue.what, issue.do)
    except UnicodeDecodeError:
        raise RecordRefused(delivery.name, "it is not UTF-8.", "Save it as 'CSV UTF-8'.") from None
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise RecordRefused(delivery.name, "the gzip data are broken or cut.", "Export it again.") from None


def _opened(place: str) -> io.TextIOWrapper:
    file = Path(place).open("rb")  # noqa: SIM115  (closed with the wrapper)
    packed = file.read(2) == b"\x1f\x8b"
    file.seek(0)
    raw = gzip.GzipFile(fileobj=file) if packed else file
    return io.TextIOWrapper(raw, encoding="utf-8-sig", newline="")


def load(folders: list[Path], part: int, headers: list[list[str]]) -> Loaded:
    """Return people and entries of one part of all tables, the earliest first."""
    found = Loaded()
    for folder, header in zip(folders, headers, strict=True):
        file = file_of(folder, _TABLE, part)
        if not file.exists():
            continue
        table = arrow("pyarrow.parquet").read_table(file)
        where, cells = (column.to_pylist() for column in table.columns)
        loaded = tabular.read_rows(header, [(at, told.split(_APART)) for at, told in zip(where, cells, strict=True)])
        found.people |= loaded.people
        found.issues += loaded.issues
        for key, entries in loaded.entries.items():
            found.entries.setdefault(key, []).extend(entries)
    return found
