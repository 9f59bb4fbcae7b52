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
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from calibration_asked import Record, asked
from calibration_page import page
from calibration_patients import LAWS, TURN, templates
from figures import renewed
from kept import ROOT, go_on, read, stamp

from carnallite.physiology.load import model

if TYPE_CHECKING:
    from calibration_patients import Law

PAGE = ROOT / "docs" / "reference" / "calibration.md"
SHARES: dict[Law, float] = {"altered": 1.0, "each": 0.46, "own": 0.4, "body": 0.4}  # of the patients that are asked for
ROOMS = ("assessment", "record", "physiology")
OWN = ("calibration_patients", "calibration_asked")


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
    mark = stamp(options.seed, rooms=ROOMS, beside=OWN)
    folder = options.folder / mark
    folder.mkdir(parents=True, exist_ok=True)
    count = {law: round(SHARES[law] * options.n) for law in SHARES}
    for law in options.law:
        ask = partial(asked, law, seed=options.seed)
        go_on(folder / f"{law}.jsonl", Record, count[law], ask, jobs=options.jobs, turn=TURN)
    found = {law: read(folder / f"{law}.jsonl", Record, count[law]) for law in SHARES}
    text = page(found, f"Model `{model().hash}`, state `{mark}`, seed {options.seed}, {len(templates())} records.")
    print(text)
    if options.markdown:
        PAGE.write_text(renewed(PAGE.read_text("utf-8"), text + "\n"), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
