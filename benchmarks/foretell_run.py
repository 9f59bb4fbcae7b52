"""Foretell many stays on several cores, and keep each answer in a file, so that a broken run goes on where it was."""

from __future__ import annotations

import multiprocessing
import sys
import time
from functools import cache
from hashlib import sha256
from pathlib import Path

import msgspec
import numpy as np
from foretell import Outcome, outcome_of
from foretell_stays import CUTS, DATA, stays

import carnallite
from carnallite.knowledge import edition
from carnallite.physiology.load import model

HOME = Path(carnallite.__file__).parent
MADE_BY = ("assessment", "record")  # rooms whose code and data decide what is foretold, beside model and knowledge
DECIDE = frozenset({"foretell", "foretell_score", "foretell_stays"})  # modules here that decide it
EVERY = 25  # stays between two lines of progress


class Made(msgspec.Struct, frozen=True):
    """By what the answers of a file were made; another file is not gone on with."""

    model: str
    knowledge: str
    code: str
    source: str
    cuts: int


@cache
def made(source: str) -> Made:
    """Return what makes the answers here."""
    code = sha256()
    own = sorted(Path(__file__).parent.glob("foretell*.py"))
    inner = [path for room in MADE_BY for path in sorted((HOME / room).rglob("*")) if path.suffix in {".py", ".toml"}]
    for path in [*(path for path in own if path.stem in DECIDE), *inner]:
        code.update(path.read_bytes())
    return Made(model().hash, edition(), code.hexdigest()[:16], source, CUTS[source])


def chosen(source: str, count: int | None, seed: int, data: Path = DATA) -> list[int]:
    """Return the places of the stays that are looked at; more of them hold the fewer."""
    order: list[int] = np.random.default_rng(seed).permutation(len(stays(source, data))).tolist()
    return order if count is None else order[:count]


def read(path: Path, source: str) -> dict[int, Outcome]:
    """Return the answers of a file by the place of the stay; none where another state of the house made them."""
    if not path.exists():
        return {}
    first, *lines = path.read_bytes().splitlines() or [b""]
    try:
        if msgspec.json.decode(first, type=Made) != made(source):
            sys.stderr.write(f"{path.name}: made by another model, knowledge or code; begun anew\n")
            return {}
        found = [msgspec.json.decode(line, type=Outcome) for line in lines]
    except msgspec.DecodeError:  # the last line was cut off
        found = [one for line in lines if (one := _whole(line)) is not None]
    return {one.number: one for one in found}


def _whole(line: bytes) -> Outcome | None:
    try:
        return msgspec.json.decode(line, type=Outcome)
    except msgspec.DecodeError:
        return None


def go_on(
    path: Path, source: str, numbers: list[int], *, jobs: int, seconds: float, data: Path = DATA
) -> dict[int, Outcome]:
    """Return the answers for some stays; what is missing in the file is made and added until the time is over."""
    found = read(path, source)
    missing = [number for number in numbers if number not in found]
    began = time.monotonic()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(msgspec.json.encode(made(source)) + b"\n")
        for one in found.values():
            file.write(msgspec.json.encode(one) + b"\n")
        file.flush()
        with multiprocessing.get_context("spawn").Pool(jobs) as pool:
            answers = pool.imap_unordered(_asked, [(source, number, data) for number in missing])
            for count in range(1, len(missing) + 1):
                one = next(answers)
                found[one.number] = one
                file.write(msgspec.json.encode(one) + b"\n")
                file.flush()
                _tell(source, count, len(missing), began)
                if time.monotonic() - began > seconds:
                    pool.terminate()
                    sys.stderr.write(f"{source}: the time is over, {len(missing) - count} are left\n")
                    break
    return {number: found[number] for number in numbers if number in found}


def _asked(question: tuple[str, int, Path]) -> Outcome:
    return outcome_of(*question)


def _tell(source: str, count: int, total: int, began: float) -> None:
    if count % EVERY == 0 or count == total:
        left = (time.monotonic() - began) / count * (total - count)
        sys.stderr.write(f"{source}: {count} of {total}, {left / 60:.0f} min left\n")
