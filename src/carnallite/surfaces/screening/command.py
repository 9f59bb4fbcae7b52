"""`carnallite screen`: everybody of a source, into a folder."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from carnallite.surfaces import words
from carnallite.surfaces.progress import EVERY, PATIENCE
from carnallite.surfaces.screening import engines
from carnallite.surfaces.screening.run import END, Options, screened

if TYPE_CHECKING:
    import argparse

    from carnallite.surfaces.screening.run import End

OK, REFUSED, STOPPED = 0, 3, 130


class Teller:
    """Tells how far a run is, after two seconds."""

    def __init__(self) -> None:
        self.began = self.last = time.monotonic()
        self.stage, self.since = "", self.began
        self.is_told = False

    def tell(self, stage: str, done: int, total: int, people: int) -> None:
        """Take note of how far a stage is."""
        now = time.monotonic()
        if stage != self.stage:
            self.stage, self.since = stage, now
        if now - self.began < PATIENCE or (now - self.last < EVERY and done < total):
            return
        self.last = now
        spent = max(now - self.since, 1e-3)
        left = f", {spent / done * (total - done):.0f} s left" if done > 1 or done == total else ""
        rate = f", {people:,} patients, {people / spent:,.0f}/s" if people else ""
        line = f"{stage}: {done:,} of {total:,}{rate}{left}"
        sys.stderr.write(f"\r{line}\x1b[K" if sys.stderr.isatty() else f"{line}\n")
        sys.stderr.flush()
        self.is_told = True

    def end(self) -> None:
        """Leave a clean line."""
        if self.is_told and sys.stderr.isatty():
            sys.stderr.write("\r\x1b[K")


def command(options: argparse.Namespace, local: dict[str, str]) -> int:
    """Screen a source and return the exit code."""
    asked = Options(
        sources=[one if "://" in one else str(Path(one).absolute()) for one in options.source],
        out=options.out.absolute(), form=options.format, parts=options.parts, now=options.now,
        since=options.since, local=local, episodes=options.episodes, depth=options.depth, force=options.force,
        today=options.today,
    )  # fmt: skip
    workers = options.workers or os.cpu_count() or 1
    teller = Teller()
    try:
        with engines.ENGINES[options.engine](workers, options.address or "") as work:
            end = screened(asked, work, teller.tell)
    except KeyboardInterrupt:
        teller.end()
        sys.stderr.write("carnallite: stopped. The same command goes on from there.\n")
        return STOPPED
    teller.end()
    for one in end.left:
        sys.stderr.write(f"left out: {one['where']}: {one['what']} {one['do']}\n")
    sys.stdout.write(told(end))
    sys.stderr.write(f"written: {options.out}\n")
    return REFUSED if end.left else OK


def told(end: End) -> str:
    """Return how a run ended, for people."""
    rest = f"a library of virtual patients ({end.library})" if end.library else "cited findings alone"
    lines = [
        f"{end.people:,} patients, {end.undated:,} of them without any date",
        f"{end.answered:,} answered, in {end.episodes:,} episodes",
        f"{end.listed:,} on the work list",
        f"{end.rows:,} rows read, {sum(end.unusable.values()):,} unusable, {end.strays:,} about nobody",
        f"answers rest on {rest}; counts are in {END}",
    ]
    return "\n".join([*lines, *filter(None, (words.overdue(end.overdue),))]) + "\n"
