"""Write docs/reference/specification-rows.md: every row of the body's specification, its model column and ours.

    python scripts/specification_rows.py

The rows are the files of tests/golden/model; the tests hold each of them to the same tolerance.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reference" / "specification-rows.md"
sys.path.insert(0, str(ROOT / "tests"))

from golden.rows import read, rows  # noqa: E402  (the tests are not installed)

if TYPE_CHECKING:
    from golden.rows import Reading, Row

LEAST = 1e-3  # smaller numbers are printed as 0

HEAD = """# The rows of the specification
Written by `python scripts/specification_rows.py` from the files of `tests/golden/model`; edit those.

The body was specified with a prototype, and the specification's section 10 prints what the prototype gave. Each line
runs the same protocol here. *Within* is the larger of 5 % and the least difference that counts for that quantity
(`tests/golden/floors.toml`), or half of the last digit that was printed. *Now* is the same protocol
with what was improved or added since (decisions [011](../../decisions/011-improvements-to-the-body.md),
[012](../../decisions/012-phosphate-and-acid.md) and [013](../../decisions/013-potassium-and-conservation.md));
it is bold where it left the tolerance, which is on purpose.
The specification had bicarbonate as a curve of potassium and aldosterone; it is a balance now, and no numbers bring the
curve back. No row had to be given up for it: the two that read bicarbonate (Gitelman, kidney disease) agree as before,
and the 3 mmol/L by which the curve was lowered in a jejunostomy are bicarbonate of stoma fluid. F: the published number
was used to fit the model; P: it was predicted. A number in brackets points to what we assumed where the protocol is not
fully stated; agreement of such a row says that the assumption is possible, not that it was the one made.
"""


def printed(value: float) -> str:
    """Return a number to three digits.

    >>> printed(0.61946), printed(12.679), printed(0.00021)
    ('0.619', '12.7', '0')
    """
    return "0" if abs(value) < LEAST else f"{value:.3g}"


def line(row: Row, one: Reading, now: Reading | None, number: int) -> str:
    """Return one line of the table; what holds for the whole scenario stands on its first line."""
    measure = one.measure
    first = measure == row.measure[0]
    title = f"{row.scenario.title}{f' ({number})' if number else ''}" if first else ""
    unit = "" if measure.unit == "1" else measure.unit
    difference = f"{one.ours - measure.model:+.2g}" if abs(one.ours - measure.model) >= LEAST else "0"
    agrees = "yes" if one.within else "**no**"
    later = "ends early" if now is None else printed(now.ours) if now.within else f"**{printed(now.ours)}**"
    numbers = (printed(measure.model), printed(one.ours), difference)
    cells = (title, measure.what, unit, *numbers, agrees, later, *((row.made, row.published) if first else ("", "")))
    return "| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |"


def read_improved(row: Row) -> list[Reading] | list[None]:
    """Return the readings of the improved body, or nothing where its course ends early."""
    try:
        return read(row, improved=True)
    except ArithmeticError:
        return [None] * len(row.measure)


def main() -> None:
    """Write the page."""
    found = {row.id: read(row) for row in rows().values()}
    improved = {row.id: read_improved(row) for row in rows().values()}
    notes: list[str] = []
    lines = []
    for id, readings in found.items():
        row = rows()[id]
        told = " ".join(part for part in (row.assumption, row.differs and f"Differs: {row.differs}") if part)
        if told and told not in notes:
            notes.append(told)
        number = notes.index(told) + 1 if told else 0
        lines += [line(row, *pair, number) for pair in zip(readings, improved[id], strict=True)]
    every = [one for readings in found.values() for one in readings]
    stated = [one for id, readings in found.items() if rows()[id].stated for one in readings]
    moved = sum(now is None or not now.within for each in improved.values() for now in each)
    summary = (
        f"{len(found)} scenarios, {len(every)} numbers: {sum(one.within for one in every)} agree; of the {len(stated)} "
        f"numbers whose protocol is fully stated, {sum(one.within for one in stated)}. "
        f"The improvements moved {moved} numbers by more than the tolerance."
    )
    table = [
        "| scenario | quantity | unit | specification | here | difference | within | now | | published |",
        "|---|---|---|---|---|---|---|---|---|---|",
        *lines,
    ]
    assumed = [
        "## Assumed where the protocol is not fully stated",
        *(f"{i}. {note}" for i, note in enumerate(notes, 1)),
    ]
    PAGE.write_text("\n".join([HEAD, summary, "", *table, "", *assumed]) + "\n", "utf-8")


if __name__ == "__main__":
    main()
