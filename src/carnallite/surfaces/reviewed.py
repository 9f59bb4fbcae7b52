"""`carnallite knowledge`: all that a clinician could dispute, when it was checked, and when that is due again."""

from __future__ import annotations

import csv
import io
from itertools import groupby
from typing import TYPE_CHECKING

import msgspec

from carnallite.knowledge import overdue, rows
from carnallite.surfaces import words

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date


COLUMNS = ("kind", "id", "name", "source", "status", "checked", "due", "owner", "content", "file")


def as_json() -> str:
    """Return every row as a JSON array."""
    return msgspec.json.format(msgspec.json.encode(list(rows())), indent=1).decode() + "\n"


def as_csv() -> str:
    """Return every row as CSV; several sources or statuses of one row are parted by a semicolon."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\r\n")
    lines.writerow(COLUMNS)
    lines.writerows([_cell(getattr(row, column)) for column in COLUMNS] for row in rows())
    return text.getvalue()


def as_table(today: date) -> str:
    """Return every row as text, below what was checked together with it."""
    told = words.overdue(overdue(today))
    return "\n".join([*filter(None, (told,)), *_lines(today)]) + "\n"


def _lines(today: date) -> Iterator[str]:
    listed = sorted(rows(), key=lambda row: (row.due, row.content))  # stable: by file within
    for content, group in groupby(listed, key=lambda row: row.content):
        found = list(group)
        late = "OVERDUE " if today > found[0].due else ""
        yield f"{content}: {late}checked {found[0].checked}, due {found[0].due}; owner: {found[0].owner}"
        wide = max(len(f"{row.kind}/{row.id}") for row in found)
        for row in found:
            yield f"  {f'{row.kind}/{row.id}':<{wide}}  {_cell(row.status)} [{_cell(row.source)}]"


def _cell(value: object) -> str:
    return "; ".join(map(str, value)) if isinstance(value, tuple) else str(value)
