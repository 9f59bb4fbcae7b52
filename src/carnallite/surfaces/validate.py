"""`carnallite validate`: the body against published observations, as text, Markdown and JSON."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import msgspec

from carnallite.errors import UnknownIdError, did_you_mean
from carnallite.physiology.validation import (
    Validation,
    as_json,
    as_markdown,
    as_text,
    published,
    read_targets,
    score,
    simulations,
)
from carnallite.surfaces.progress import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

NAMES = ("validation.md", "validation.json")


class Progress:
    """Tell on a terminal's stderr how far it is, if it takes long."""

    def __init__(self) -> None:
        self.start = time.monotonic()
        self.told = False

    def __call__(self, done: int, total: int, id: str) -> None:
        """Take note of the target that is simulated now."""
        if sys.stderr.isatty() and time.monotonic() - self.start > PATIENCE:
            sys.stderr.write(f"\r{done} of {total} targets, {id:<12}")
            sys.stderr.flush()
            self.told = True

    def end(self) -> None:
        """Leave a clean line."""
        if self.told:
            sys.stderr.write(f"\r{'':<40}\r")


def validated(file: Path | None, *, only: Collection[str] = (), use: str = "", seed: int = 1) -> Validation:
    """Return the scored targets of a file, by default the published ones."""
    targets = published() if file is None else read_targets(file)
    progress = Progress()
    unused = {one.id for one in targets.targets if use and one.use != use}
    chosen = [id for id in only or [one.id for one in targets.targets] if id not in unused]
    known = [one.id for one in targets.targets]
    for id in chosen:
        if id not in known:
            raise UnknownIdError(targets.name, f"has no target '{id}'.", did_you_mean(id, known))
    kept = tuple(one for one in targets.targets if one.id in chosen)
    narrowed = msgspec.structs.replace(targets, targets=kept)
    found = simulations(narrowed, seed=seed, progress=progress)
    progress.end()
    return score(narrowed, found.targets, measures={"mass_balance": found.mass_balance})


def render(result: Validation, *, json: bool) -> str:
    """Return what is printed."""
    return told_json(result) if json else as_text(result)


def told_json(result: Validation) -> str:
    """Return the JSON for programs."""
    return msgspec.json.format(msgspec.json.encode(as_json(result)), indent=1).decode() + "\n"


def write(result: Validation, folder: Path) -> list[Path]:
    """Write Markdown and JSON into a folder; return both files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / name for name in NAMES]
    for file, text in zip(files, (as_markdown(result), told_json(result)), strict=True):
        file.write_text(text, "utf-8")
    return files
