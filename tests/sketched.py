"""Records in one line for tests of rules: "serum_potassium 6.5; paralysis @-2; digoxin; ventricular_fibrillation past".

Facts are parted by semicolons; a number stands in the analyte's own unit, "@" is the day, and "-" takes a result away.
What a line does not mention is as in `USUAL`.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from carnallite.assessment import Columns
from carnallite.quantity import analytes
from carnallite.record.sketch import read_sketch

if TYPE_CHECKING:
    from carnallite.record import Reading

USUAL = ("age 50", "sex female", "serum_magnesium 0.85", "serum_potassium 4.2", "serum_calcium 2.4")


def sketched(line: str, usual: tuple[str, ...] = USUAL) -> Reading:
    """Return the reading of a line."""
    facts = [one.strip() for one in line.split(";") if one.strip()]
    named = {one.split()[0] for one in facts}
    facts += [one for one in usual if one.split()[0] not in named]
    return read_sketch("\n".join(_row(one) for one in facts if one.split()[1:] != ["-"]))


def _row(fact: str) -> str:
    told, _, day = fact.partition("@")
    what, *words = told.split()
    unit = "" if what not in analytes() or len(words) > 1 else analytes()[what].unit
    if len(words) > 1 and words[0] != "until":
        words, unit = words[:1], words[1]
    return f"{day.strip() or 0} | {what} | {' '.join(words)} | {unit}"


@cache
def columns_of(*lines: str) -> Columns:
    """Return the columns of some lines, one patient each."""
    return Columns.of(sketched(line).timeline for line in lines)
