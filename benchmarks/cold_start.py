#!/usr/bin/env python3
"""How long a person waits: whole processes, from start to answer, in starts of a bare interpreter."""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from compare import report
from synthetic import bundle

PROGRAM = Path(sys.executable).with_name("carnallite")
SEED = 1


def seconds(command: list[str]) -> float:
    """Return how long one process took.

    Raises
    ------
    CalledProcessError
        It failed.
    """
    began = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def main() -> int:
    """Measure every command in turn, several times, so that all see the same machine."""
    parser = argparse.ArgumentParser(description="Time whole processes.")
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--megabytes", type=float, default=5.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        record = Path(folder) / "record.json"
        record.write_bytes(bundle(options.megabytes, SEED))
        commands = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "carnallite --help": [str(PROGRAM), "--help"],
            f"carnallite assess ({record.stat().st_size / 1e6:.1f} MB)": [
                str(PROGRAM),
                "assess",
                str(record),
                "--json",
                "--depth",
                "findings",
            ],
        }
        taken: dict[str, list[float]] = {name: [] for name in commands}
        for command in commands.values():  # byte code and compiled knowledge are made once, not measured
            seconds(command)
        for _ in range(options.runs):
            for name, command in commands.items():
                taken[name].append(seconds(command))
    medians = [statistics.median(times) for times in taken.values()]
    for name, median in zip(taken, medians, strict=True):
        print(f"{name:<30} median {median * 1000:>7.1f} ms  {median / medians[0]:>6.1f} x python -c pass")
    return report("cold_start", {"help_ratio": medians[1] / medians[0], "assess_ratio": medians[2] / medians[0]})


if __name__ == "__main__":
    sys.exit(main())
