"""Answers about numbered patients, kept in a file by lines: a run that was stopped goes on where it was."""

from __future__ import annotations

import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

import msgspec

import carnallite
from carnallite.knowledge import edition
from carnallite.physiology.load import model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

ROOT = Path(__file__).resolve().parents[1]
HOME = Path(carnallite.__file__).parent
SAID_EVERY = 10.0  # [s]


class Numbered(Protocol):
    """An answer about one patient."""

    @property
    def number(self) -> int:
        """The patient."""


One = TypeVar("One", bound=Numbered)


def stamp(seed: int, *, rooms: Sequence[str], beside: Sequence[str]) -> str:
    """Return what answers rest on: body, knowledge, some rooms of the house, modules here, records and the seed."""
    digest = sha256(f"{model().hash} {edition()} {seed}".encode())
    folders = [*(HOME / room for room in rooms), ROOT / "tests" / "published"]
    files = [path for one in folders for path in one.rglob("*") if path.suffix in {".py", ".toml", ".json"}]
    here = [Path(__file__).with_name(f"{name}.py") for name in beside]
    for path in sorted(path for path in files if "built" not in path.parts) + here:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def read(path: Path, kind: type[One], count: int) -> list[One]:
    """Return the answers that a file holds of the first patients, in their order."""
    lines = path.read_bytes().splitlines() if path.exists() else []
    known = {one.number: one for one in _whole(lines, kind)}
    return [known[number] for number in sorted(known) if number < count]


def _whole(lines: list[bytes], kind: type[One]) -> Iterator[One]:
    """Yield answers; the last line of a run that was killed may be a part of one."""
    for line in lines:
        try:
            yield msgspec.json.decode(line, type=kind)
        except msgspec.MsgspecError:
            continue


def go_on(path: Path, kind: type[One], count: int, ask: Callable[[int], One], *, jobs: int, turn: int = 1) -> None:
    """Ask about all of the first patients who are not in the file; say on stderr how far it is.

    Parameters
    ----------
    ask : callable
        A function of a module, with which arguments may be bound.
    turn : int
        So many patients in a row share what was computed for one.
    """
    known = {one.number for one in read(path, kind, count)}
    missing = [number for number in range(count) if number not in known]
    turns = [missing[first : first + turn] for first in range(0, len(missing), turn)]
    began = said = time.monotonic()
    done = 0
    with ProcessPoolExecutor(jobs) as pool, path.open("ab") as file:
        for future in as_completed([pool.submit(_turn, ask, numbers) for numbers in turns]):
            file.write(future.result())
            file.flush()
            done += turn
            if time.monotonic() - said > SAID_EVERY:
                said = time.monotonic()
                left = (said - began) / done * (len(missing) - done)
                sys.stderr.write(f"{path.stem}: {len(known) + done} of {count}, {left / 60:.0f} min left\n")


def _turn(ask: Callable[[int], object], numbers: list[int]) -> bytes:
    return b"".join(msgspec.json.encode(ask(number)) + b"\n" for number in numbers)
