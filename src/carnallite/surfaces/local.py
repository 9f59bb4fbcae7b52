"""A site's own codes or labels for tests, as it writes them down."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

from carnallite.errors import RecordRefused, did_you_mean
from carnallite.quantity import analytes

if TYPE_CHECKING:
    from pathlib import Path


def local_map(path: Path) -> dict[str, str]:
    """Return the site's own codes or labels -> analyte ids, from a CSV of two columns."""
    if not path.is_file():
        raise RecordRefused("--map", "there is no such file.", "Check the path.")
    table: dict[str, str] = {}
    with path.open(encoding="utf-8-sig", newline="") as lines:
        for number, row in enumerate(csv.reader(lines), 1):
            if not row or row[0].startswith("#") or row[:2] == ["code", "analyte"]:
                continue
            if len(row) < 2 or row[1].strip() not in analytes():
                near = did_you_mean(row[1].strip(), analytes()) if len(row) > 1 else ""
                raise RecordRefused(
                    f"--map line {number}", "it does not name an analyte.", near or "Write code,analyte."
                )
            table[row[0].strip()] = row[1].strip()
    return table
