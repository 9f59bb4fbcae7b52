#!/usr/bin/env python3
"""Whether the probabilities of causes are honest: simulated patients whose causes are known, asked one after the other.

Draws patients by four laws (``calibration_patients.py``), asks the engine about each with two panels of tests, and
prints what a probability was worth. ``--markdown`` renews the figures of ``docs/reference/calibration.md``. Answers are
kept in a folder: a run that was stopped goes on where it was, and a larger one asks only who is new. They are those of
one state of body, knowledge and inference; after a change all are asked again.

It stands here and not in the tests, for it takes minutes to hours; ``tests/calibration`` asks a hundred patients.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from calibration_asked import Record, asked
from calibration_page import page
from calibration_patients import LAWS, TURN, templates

import carnallite
from carnallite.knowledge import edition
from carnallite.physiology.load import model

if TYPE_CHECKING:
    from collections.abc import Iterator

    from calibration_patients import Law

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reference" / "calibration.md"
MARKS = ("<!-- figures -->\n", "<!-- end of figures -->\n")
HOME = Path(carnallite.__file__).parent
SHARES: dict[Law, float] = {"altered": 1.0, "each": 0.46, "own": 0.4, "body": 0.4}  # of the patients that are asked for
SAID_EVERY = 10.0  # [s]


def stamp(seed: int) -> str:
    """Return what the answers rest on: body, knowledge, inference, this suite, the records and the seed."""
    digest = sha256(f"{model().hash} {edition()} {seed}".encode())
    rooms = [HOME / "assessment", HOME / "record", HOME / "physiology", ROOT / "tests" / "published"]
    files = [path for room in rooms for path in room.rglob("*") if path.suffix in {".py", ".toml", ".json"}]
    here = [Path(__file__).with_name(f"calibration_{name}.py") for name in ("patients", "asked")]
    for path in sorted(path for path in files if "built" not in path.parts) + here:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def read(folder: Path, law: Law, count: int) -> list[Record]:
    """Return the answers that a folder holds of the first patients of a law, in their order."""
    path = folder / f"{law}.jsonl"
    lines = path.read_bytes().splitlines() if path.exists() else []
    known = {one.number: one for one in _whole(lines)}
    return [known[number] for number in sorted(known) if number < count]


def _whole(lines: list[bytes]) -> Iterator[Record]:
    """Yield records; the last line of a run that was killed may be a part of one."""
    for line in lines:
        try:
            yield msgspec.json.decode(line, type=Record)
        except msgspec.MsgspecError:
            continue


def ask(folder: Path, law: Law, count: int, *, seed: int, jobs: int) -> None:
    """Ask about all patients of a law who are not in the folder; say on stderr how far it is."""
    known = {one.number for one in read(folder, law, count)}
    missing = [number for number in range(count) if number not in known]
    turns = [missing[first : first + TURN] for first in range(0, len(missing), TURN)]
    began = said = time.monotonic()
    done = 0
    with ProcessPoolExecutor(jobs) as pool, (folder / f"{law}.jsonl").open("ab") as file:
        for future in as_completed([pool.submit(_turn, law, turn, seed) for turn in turns]):
            file.write(future.result())
            file.flush()
            done += TURN
            if time.monotonic() - said > SAID_EVERY:
                said = time.monotonic()
                sys.stderr.write(f"{law}: {len(known) + done} of {count}, {said - began:.0f} s\n")


def _turn(law: Law, numbers: list[int], seed: int) -> bytes:
    return b"".join(msgspec.json.encode(one) + b"\n" for one in map(partial(asked, law, seed=seed), numbers))


def main() -> int:
    """Ask, print the figures, and renew the page if that is wanted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "-n", type=int, default=2000, help="patients of the altered body, and about 0.4 as many of each other law"
    )
    parser.add_argument("--law", choices=list(LAWS), nargs="+", default=list(SHARES), help="ask only about these")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "carnallite-calibration")
    parser.add_argument("--markdown", action="store_true", help="renew the figures of the page")
    options = parser.parse_args()
    mark = stamp(options.seed)
    folder = options.folder / mark
    folder.mkdir(parents=True, exist_ok=True)
    for law in options.law:
        ask(folder, law, round(SHARES[law] * options.n), seed=options.seed, jobs=options.jobs)
    found = {law: read(folder, law, round(SHARES[law] * options.n)) for law in SHARES}
    text = page(found, f"Model `{model().hash}`, state `{mark}`, seed {options.seed}, {len(templates())} records.")
    print(text)
    if options.markdown:
        before, _, after = PAGE.read_text("utf-8").partition(MARKS[0])
        PAGE.write_text(before + MARKS[0] + text + "\n" + MARKS[1] + after.partition(MARKS[1])[2], "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
