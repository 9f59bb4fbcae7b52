"""How far a long run is, told on stderr."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from carnallite.physiology.population import Progress

PATIENCE = 2.0  # [s] before progress is told
EVERY = 0.5  # [s]


class Stages:
    """Tells on a terminal what begins, of an answer that takes seconds; where nobody watches it is silent."""

    def __init__(self) -> None:
        self.is_watched = sys.stderr.isatty()
        self.is_told = False

    def say(self, stage: str) -> None:
        """Tell what begins, in place of what was told before."""
        if self.is_watched:
            sys.stderr.write(f"\r{stage} …\x1b[K")
            sys.stderr.flush()
            self.is_told = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.is_told:  # leave no trace
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


class Teller:
    """Tells how a long run goes: after two seconds, with rate and remaining time."""

    def __init__(self) -> None:
        self.began = self.last = time.monotonic()
        self.done = 0
        self.is_told = False

    def tell(self, progress: Progress) -> None:
        """Take note of how far it is."""
        self.done = progress.done
        now = time.monotonic()
        if now - self.began < PATIENCE or (now - self.last < EVERY and progress.done < progress.total):
            return
        self.last = now
        rate = (progress.done - progress.resumed) / (now - self.began)
        left = (progress.total - progress.done) / rate if rate else 0.0
        line = f"{progress.done:,} of {progress.total:,} people, {rate:,.0f}/s, {left:.0f} s left"
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{line}\x1b[K")
        else:
            sys.stderr.write(f"{line}\n")
        self.is_told = True
        sys.stderr.flush()

    def end(self) -> None:
        """Leave a clean line."""
        if self.is_told and sys.stderr.isatty():
            with suppress(OSError):
                sys.stderr.write("\n")
