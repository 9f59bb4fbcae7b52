"""The safety table: what may not be given to whom. Everything passes it last; nothing switches it off.

A ceiling holds unless what it asks is known not to hold; so does a contraindication that bars while unknown. Doses of
one plan count together as if they ran at once, which is never less than they come to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from carnallite import datafile
from carnallite.assessment import ABSENT, PRESENT, UNKNOWN, evaluate
from carnallite.errors import DataFileError
from carnallite.knowledge import Ceiling, Contraindication, Safety, knowledge
from carnallite.physiology.timing import DAY
from carnallite.plan.amounts import CARRIER
from carnallite.plan.values import Objection

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from carnallite.assessment import Columns
    from carnallite.plan.amounts import Given

    Mask = NDArray[np.bool_]
    Numbers = NDArray[np.float64]

EVERYTHING = "all"
TOGETHER = {
    "dose": 0.0,
    "rate": 0.0,
    "day": DAY,
    "two_days": 2 * DAY,
    "before_level": DAY,
}  # [h] apart, and they count together
ROUNDING = 1e-9  # [1] relative; 20 mmol in 2 h are not more than 10 mmol/h


class Line(NamedTuple):
    """What one line of the table says against a dose: of whom, and of whom because something is not known."""

    limit: Ceiling | Contraindication
    thing: str
    holds: Mask
    unknown: Mask


class Verdict(NamedTuple):
    """What the table says of a dose, for everybody.

    Attributes
    ----------
    barred : array [patient]
        Whom it must not be given.
    spared : array [patient]
        Who gets it whatever else the table says.
    lines : tuple of Line
        Every line that speaks against it for somebody, cautions and questions as well.
    """

    barred: Mask
    spared: Mask
    lines: tuple[Line, ...]


def tables(local: Path | None = None) -> dict[str, Safety]:
    """Return the table, with the lines of a hospital's own file added: it can forbid more, and allow nothing.

    Raises
    ------
    DataFileError
        The file is not of this form, or it would allow something.
    """
    found = dict(knowledge().safety)
    if local is not None:
        own = datafile.read(local, Safety)
        if own.spared is not None:
            raise DataFileError(local.name, "`spared` would allow what the table forbids.", "Remove it.")
        if own.id not in found:
            near = ", ".join(found)
            raise DataFileError(local.name, f"`id` '{own.id}' is nothing that is limited.", f"Use one of {near}.")
        common = found[own.id]
        found[own.id] = msgspec.structs.replace(
            common,
            ceilings=(*common.ceilings, *own.ceilings),
            contraindications=(*common.contraindications, *own.contraindications),
        )
    return found


class Guard:
    """The safety table for some patients, and what they were given of so far in one plan."""

    def __init__(self, columns: Columns, table: Mapping[str, Safety] | None = None) -> None:
        self.columns = columns
        self.table = tables() if table is None else table
        self.taken: list[tuple[Given, Mask, Mask]] = []  # dose, who gets it, whom it was spared

    def judge(self, dose: Given | None, *, grades: Iterable[str] = ("hard", "everyday")) -> Verdict:
        """Return what the table says of a dose after those that were taken; without a dose only who may have any."""
        stops = frozenset(grades)
        spared = self._spared(dose)
        lines = list(self._lines(dose))
        barred = np.zeros(self.columns.size, bool)
        for line in lines:
            if line.limit.grade in stops and not only_asks(line.limit):
                barred |= line.holds
            elif line.limit.grade in stops:
                barred |= line.holds & ~line.unknown
        return Verdict(barred & ~spared, spared, tuple(lines))

    def take(self, dose: Given, whom: Mask) -> None:
        """Count a dose that is given to some."""
        self.taken.append((dose, whom, self._spared(dose)))

    def everybody(self) -> Mask:
        """Return all patients."""
        return np.ones(self.columns.size, bool)

    def measured(self, thing: str, ceiling: Ceiling, dose: Given) -> Numbers:
        """Return what a dose comes to with those before it, in the measure of a ceiling, for everybody."""
        return self._before(thing, ceiling, dose) + dose.measure(thing, ceiling)

    def _before(self, thing: str, ceiling: Ceiling, dose: Given) -> Numbers:
        """Return what earlier doses come to: rates of what runs at the same time, all of what adds up."""
        total = np.zeros(self.columns.size)
        for earlier, whom, spared in self.taken:
            size = earlier.measure(thing, ceiling)
            if not size or ceiling.what not in TOGETHER or not earlier.meets(dose, TOGETHER[ceiling.what]):
                continue
            counted = whom & ~spared if ceiling.what in {"dose", "rate"} else whom
            total = total + np.where(counted, size, 0.0)
        return total

    def _spared(self, dose: Given | None) -> Mask:
        """Return who gets a dose whatever the table says: a single one that brings nothing else, the first of all."""
        none = np.zeros(self.columns.size, bool)
        if dose is None or len(dose.times) > 1 or len(dose.what) != 1:
            return none
        thing = next(iter(dose.what))
        rule = self.table[thing].spared if thing in self.table else None
        if rule is None or dose.route not in rule.routes or dose.what[thing] > rule.at_most * (1 + ROUNDING):
            return none
        first = np.ones(self.columns.size, bool)
        for earlier, whom, _ in self.taken:
            first &= ~whom | (thing not in earlier.what)
        when, unless = self._truth(rule.when, empty=PRESENT), self._truth(rule.unless, empty=ABSENT)
        spared: Mask = (when == PRESENT) & (unless != PRESENT) & first
        return spared

    def _lines(self, dose: Given | None) -> Iterator[Line]:
        yield from self._bars(EVERYTHING, "")
        if dose is None:
            return
        for thing in dict.fromkeys((*dose.what, CARRIER)):
            if thing in self.table:
                yield from self._ceilings(thing, dose)
            if thing in self.table and thing in dose.what:
                yield from self._ways(thing, dose.route)
                yield from self._bars(thing, dose.route)

    def _ways(self, thing: str, route: str) -> Iterator[Line]:
        table = self.table[thing]
        if table.routes and route not in table.routes:
            yield Line(_no_way(thing, table), thing, self.everybody(), ~self.everybody())

    def _ceilings(self, thing: str, dose: Given) -> Iterator[Line]:
        for ceiling in self.table[thing].ceilings:
            if not dose.measure(thing, ceiling):
                continue
            over = self.measured(thing, ceiling, dose) > ceiling.at_most * (1 + ROUNDING)
            when = self._truth(ceiling.when, empty=PRESENT)
            unless = self._truth(ceiling.unless, empty=ABSENT)
            applies = (when != ABSENT) & (unless != PRESENT)
            if (over & applies).any():
                known = (when == PRESENT) & ((unless == ABSENT) | ceiling.sure)
                yield Line(ceiling, thing, over & applies, over & applies & ~known)

    def _bars(self, thing: str, route: str) -> Iterator[Line]:
        for bar in self.table[thing].contraindications:
            if bar.routes and route not in bar.routes:
                continue
            state = self._truth(bar.when, empty=PRESENT)
            unknown = (state == UNKNOWN) & (bar.unknown != "passes")
            holds = (state == PRESENT) | unknown
            if holds.any():
                yield Line(bar, thing, holds, unknown)

    def _truth(self, text: str, *, empty: int) -> NDArray[np.int8]:
        return evaluate(text, self.columns) if text else np.full(self.columns.size, empty, np.int8)


def _no_way(thing: str, table: Safety) -> Contraindication:
    """Return the line that bars every route that the table does not name."""
    return Contraindication(
        id=f"{thing}_route", grade="hard", when="", unknown="bars", source="assumption", at="the routes of the table",
        status="assumed", because=f"{table.name} is given by these routes only: {', '.join(table.routes)}.",
    )  # fmt: skip


def only_asks(limit: Ceiling | Contraindication) -> bool:
    """Return whether a line only asks where it is not known to hold."""
    return limit.sure if isinstance(limit, Ceiling) else limit.unknown == "asks"


def objections(verdict: Verdict, row: int, *, cautions: bool) -> tuple[Objection, ...]:
    """Return what stands against a dose for one patient: what bars it, or what only warns and asks."""
    found = []
    for line in verdict.lines:
        if not line.holds[row]:
            continue
        asks = only_asks(line.limit) and bool(line.unknown[row])
        warns = line.limit.grade == "caution" or asks or bool(verdict.spared[row])
        if warns == cautions:
            found.append(told(line, row))
    return tuple(found)


def told(line: Line, row: int) -> Objection:
    """Return a line of the table as one patient is told it."""
    limit = line.limit
    return Objection(
        id=limit.id, grade=limit.grade, because=limit.because, source=limit.source, status=limit.status,
        unknown=bool(line.unknown[row]), ask=limit.ask, limit=_limit(limit) if isinstance(limit, Ceiling) else "",
    )  # fmt: skip


def _limit(ceiling: Ceiling) -> str:
    printed = f" ({ceiling.printed})" if ceiling.printed else ""
    return f"{_MEASURES[ceiling.what]} {ceiling.at_most:g} {ceiling.unit}{printed}"


_MEASURES = {
    "dose": "in one dose at most", "rate": "at most", "day": "in 24 h at most", "two_days": "in 48 h at most",
    "before_level": "before the next level at most", "concentration": "at most",
}  # fmt: skip
