#!/usr/bin/env python3
"""Whether what a person reads is safe: plans of drawn patients as text, their doses read back and judged again.

    python benchmarks/rendered.py [-n 1000000] [--seed 1]

Drawn patients go through drafts, the safety table, plans and their texts, for a terminal and for the chart. From the
texts alone doses are read back by `read_back.py`, which has its own chemistry: everything that one dose is called must
agree, it must be the dose that was judged, and no dose of a plan may be beyond the safety table for this patient. A run
that was stopped goes on where it was. Figures stand in docs/reference/safety-figures.md.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
import time
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np
import read_back
from drawn import Drawn
from safety import likely_of

from carnallite.assessment import ABSENT, PRESENT, finding
from carnallite.assessment.panel import DISORDERS
from carnallite.assessment.values import Explained, Provenance, States
from carnallite.plan import Advice, Guard
from carnallite.plan.amounts import Given
from carnallite.plan.propose import amounts, chosen_of, drafts, offered_to
from carnallite.plan.words import plan_of
from carnallite.surfaces import plans as printed
from carnallite.surfaces import words
from carnallite.surfaces.console import Page
from carnallite.surfaces.note import note

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from carnallite.plan import Plan
    from carnallite.plan.propose import Draft

ROOT = Path(__file__).resolve().parents[1]
BLOCK = 2_000
MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
SWALLOWED = 0.25  # [h] of a dose whose text tells no time, by mouth or nebulizer
SCREENS = tuple((width, units, plain) for width in (40, 80, 110) for units in ("si", "us") for plain in (False, True))


class Count(NamedTuple):
    """What was counted; what must be 0 stands last."""

    patients: int = 0
    with_plans: int = 0
    plans: int = 0
    doses: int = 0
    again: int = 0
    spared: int = 0
    blocked: int = 0
    blocked_doses: int = 0
    notes: int = 0
    noted_doses: int = 0
    unreadable: int = 0
    disagreeing: int = 0
    other: int = 0
    without_reason: int = 0
    hard: int = 0
    everyday: int = 0

    def plus(self, other: Count) -> Count:
        """Return both together."""
        return Count(*(one + more for one, more in zip(self, other, strict=True)))


LABELS = {
    "patients": "drawn patients, their plans written out", "with_plans": "of these with a plan that can be done",
    "plans": "plans in these texts", "doses": "doses of plans, read back from the text",
    "again": "of these told in an earlier plan of the same text",
    "spared": "first magnesium doses in torsades or arrest that nothing may block",
    "blocked": "steps shown as blocked", "blocked_doses": "doses of blocked steps, read back from the text",
    "notes": "texts for the chart in which the plan stands", "noted_doses": "doses read back from these",
    "unreadable": "texts that could not be read back",
    "disagreeing": "doses whose mmol, g, mEq, mg, rate or concentration disagree",
    "other": "texts that tell another dose than was judged, or leave one out",
    "without_reason": "steps shown as blocked without a reason",
    "hard": "doses beyond a hard limit or contraindication", "everyday": "doses beyond an everyday one",
}  # fmt: skip
MUST_BE_ZERO = ("unreadable", "disagreeing", "other", "without_reason", "hard", "everyday")


class KeptPage(Page):
    """A page that remembers how a paragraph was broken into lines."""

    def __init__(self, width: int, kept: dict[tuple[str, int, int | None], list[str]], *, ascii_only: bool) -> None:
        super().__init__(width, color=False, ascii_only=ascii_only)
        self.kept = kept

    def write(self, text: str, *, indent: int = 0, hang: int | None = None, style: str = "") -> None:
        """Add a paragraph."""
        key = (text, indent, hang)
        if key not in self.kept:
            begin = len(self.lines)
            super().write(text, indent=indent, hang=hang, style=style)
            self.kept[key] = self.lines[begin:]
        else:
            self.lines += self.kept[key]


class Block:
    """Some drawn patients, who read their plans on the same screen."""

    def __init__(self, seed: int, size: int, said: Callable[[str], object]) -> None:
        self.columns, self.said = Drawn(seed, size), said
        likely = likely_of(self.columns)
        chance = np.random.default_rng([seed, 17])
        self.probable = {id: np.where(whom, chance.uniform(0.1, 1.0, size), 0.0) for id, whom in likely.items()}
        self.drafts = drafts(self.columns, likely)
        self.width, self.units, self.plain = SCREENS[seed % len(SCREENS)]
        self.kept: dict[tuple[str, int, int | None], list[str]] = {}
        self.given: dict[tuple[read_back.Dose, ...], list[int]] = {}  # doses of a plan, and who reads them
        self.total = Count()

    def count(self, **more: int) -> None:
        """Count something."""
        self.total = self.total.plus(Count(**more))

    def wrong(self, what: str, text: object) -> None:
        """Count something that must not be, and tell of it."""
        self.count(**{what: 1})
        self.said(f"{what}: {text}\n")

    def run(self) -> Count:
        """Return what was counted in everybody's texts."""
        for row in range(self.columns.size):
            self.count(patients=1)
            found = offered_to(self.drafts, row)
            if found:
                self._patient(row, found)
        for doses, rows in self.given.items():
            self._judge(doses, rows)
        return self.total

    def _patient(self, row: int, found: Sequence[Draft]) -> None:
        probable = {id: float(one[row]) for id, one in self.probable.items() if one[row] > 0}
        answer = self._answer(row, tuple(plan_of(one, self.columns, row, probable) for one in found))
        text = self.text_of(answer)
        try:
            read = read_back.plans(text)
            short = read_back.noted(note(answer, self.units))
        except read_back.Unreadable as error:
            self.wrong("unreadable", error)
            return
        if len(read) != len(found):
            self.wrong("other", f"{len(found)} plans in\n{text}")
            return
        for draft, plan, one in zip(found, answer.plans, read, strict=True):
            self._plan(row, draft, plan, one)
        first = read[0].doses()
        self.count(with_plans=int(bool(read[0].letter)))
        if short is not None:
            self.count(notes=1, noted_doses=len(short))
            if len(short) != len(first) or not all(one.agrees(two) for one, two in zip(short, first, strict=True)):
                self.wrong("other", note(answer, self.units))

    def text_of(self, answer: Advice) -> str:
        """Return the plans of an answer as a terminal prints them."""
        page = KeptPage(self.width, self.kept, ascii_only=self.plain)
        printed.write(page, answer, words.speaker(answer, self.units), self.units)
        return "\n".join(page.lines)

    def _answer(self, row: int, plans: tuple[Plan, ...]) -> Advice:
        states = {ion: self._state(*names, row) for ion, names in DISORDERS.items()}
        return msgspec.structs.replace(EMPTY, states=States(**states), plans=plans)

    def _state(self, low: str, high: str, row: int) -> str:
        lower, higher = (int(finding(one, self.columns)[row]) for one in (low, high))
        if PRESENT in (lower, higher):
            return "low" if lower == PRESENT else "high"
        return "normal" if lower == higher == ABSENT else "unknown"

    def _plan(self, row: int, draft: Draft, plan: Plan, read: read_back.Plan) -> None:
        """Count what one plan tells, beside what the table judged."""
        judged = [amounts(regimen) for _, regimen in chosen_of(draft, row) if regimen is not None and regimen.what]
        doses = read.doses() if plan.possible else ()
        told = [one for one in judged if one is not None] if plan.possible else []
        if len(doses) != len(told) or not all(map(_is_same, doses, told)) or len(read.steps) != len(plan.steps):
            self.wrong("other", f"{read} of {told}")
        shown = [one.dose for one in read.blocked if one.dose is not None]
        self.count(
            plans=1, doses=len(doses), again=len(doses) - read.told, blocked=len(read.blocked), blocked_doses=len(shown)
        )
        named = [one.name for one in plan.blocked if one.dosing is not None]
        if len(read.blocked) != len(plan.blocked) or len(shown) != len(named):
            self.wrong("other", f"{read.blocked} of {plan.blocked}")
        for one in (*doses, *shown):
            if one.wrong:
                self.wrong("disagreeing", one)
        for one in read.blocked:
            if not one.because:
                self.wrong("without_reason", one)
        if doses:
            self.given.setdefault(doses, []).append(row)

    def _judge(self, doses: tuple[read_back.Dose, ...], rows: list[int]) -> None:
        """Judge the doses of one plan, as they were read, for everybody who read them."""
        guard = Guard(self.columns)
        whom = np.bincount(rows, minlength=self.columns.size)
        for one in doses:
            dose = given(one)
            verdict = guard.judge(dose)
            hard = guard.judge(dose, grades=("hard",)).barred
            self.count(
                hard=int(whom[hard].sum()), everyday=int(whom[verdict.barred].sum()),
                spared=int(whom[verdict.spared].sum()),
            )  # fmt: skip
            if whom[verdict.barred].any():
                barring = [line.limit.id for line in verdict.lines if (line.holds & (whom > 0)).any()]
                self.said(f"{barring}: {one}\n")
            guard.take(dose, whom > 0)


EMPTY = Advice(
    schema="", index=MOMENT, states=States(magnesium="unknown", potassium="unknown", calcium="unknown"), emergencies=(),
    unsafe=(), samples=(), causes=(), factors=(), joint=(), balance=None, fit=None, magnesium_explains=Explained(),
    next_tests=(), cannot_tell=False, either=(), missing=(), issues=(), results=(),
    provenance=Provenance(version="", model=None, library=None, record="", knowledge=""),
)  # fmt: skip


def given(dose: read_back.Dose) -> Given:
    """Return a dose that was read as the table counts it; nothing that the text does not tell, no level in between."""
    return Given(
        what={dose.thing: dose.amount.value}, route=dose.route, times=dose.times,
        over=SWALLOWED if dose.over is None else dose.over.value,
        volume=None if dose.volume is None else dose.volume.value, level_after=0,
    )  # fmt: skip


AT_ONCE = frozenset({"oral", "inhaled", "intramuscular"})  # routes whose texts say no duration


def _is_same(read: read_back.Dose, judged: Given) -> bool:
    """Return whether a text tells the dose that was judged, within its figures."""
    volume, over = (None if one is None else one.value for one in (read.volume, read.over))
    return (
        read.amount.low <= judged.what.get(read.thing, 0.0) <= read.amount.high
        and read.route == judged.route
        and np.allclose(read.times, judged.times, atol=1e-9)
        and (read.route in AT_ONCE if over is None else math.isclose(over, judged.over, rel_tol=5e-3))
        and (judged.volume is None if volume is None else volume == judged.volume)
    )


def counted(seed: int, size: int, said: Callable[[str], object] = print) -> Count:
    """Return what was counted in the texts of a block of drawn patients."""
    return Block(seed, size, said).run()


# a run that can be stopped --------------------------------------------------------------------------------------------
def kept_at(folder: Path, seed: int) -> Path:
    """Return where the counts of a run are kept: of another state of the program they are others."""
    digest = blake2b(digest_size=8)
    for path in sorted(
        [*(ROOT / "src").rglob("*.py"), *(ROOT / "src").rglob("*.toml"), *Path(__file__).parent.glob("*.py")]
    ):
        digest.update(path.read_bytes())
    return folder / f"carnallite-rendered-{seed}-{BLOCK}-{digest.hexdigest()}.jsonl"


def run(count: int, seed: int, folder: Path) -> Count:
    """Return what was counted in so many patients, those of an earlier run that was stopped included."""
    kept = kept_at(folder, seed)
    known = (
        [json.loads(line) for line in kept.read_text("utf-8").splitlines() if line.endswith("}}")]
        if kept.exists()
        else []
    )
    blocks = {one["block"]: Count(**one["count"]) for one in known if one["size"] == min(BLOCK, count - one["block"])}
    total = Count()
    for one in blocks.values():
        total = total.plus(one)
    began, told, before = time.perf_counter(), 0.0, total.patients
    for start in range(0, count, BLOCK):
        if start in blocks:
            continue
        size = min(BLOCK, count - start)
        found = counted(seed * 1_000_000 + start // BLOCK, size, sys.stderr.write)
        with kept.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"block": start, "size": size, "count": found._asdict()}) + "\n")
        total = total.plus(found)
        now = time.perf_counter()
        if now - told > 10:
            told = now
            left = (now - began) / (total.patients - before) * (count - total.patients)
            sys.stderr.write(f"{total.patients:,} of {count:,}, {left / 60:.0f} min left\n")
    return total


def main() -> int:
    """Count and print."""
    parser = argparse.ArgumentParser(description="Whether what a person reads is safe.")
    parser.add_argument("-n", type=int, default=20_000, help="drawn patients")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, default=Path(tempfile.gettempdir()), help="where a stopped run goes on")
    options = parser.parse_args()
    total = run(options.n, options.seed, options.keep)
    lines = [f"| {LABELS[name]} | {value:,} |" for name, value in total._asdict().items()]
    sys.stdout.write("\n".join(["| what | count |", "| --- | --- |", *lines]) + "\n")
    return 1 if any(getattr(total, name) for name in MUST_BE_ZERO) else 0


if __name__ == "__main__":
    sys.exit(main())
