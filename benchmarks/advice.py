#!/usr/bin/env python3
"""What the whole answer costs for a record of a year: causes, plans past the safety table, and what each plan brings.

Wall time on all cores, as a person waits: of one answer in a warm process, and of a process of its own.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from compare import report
from synthetic import year

from carnallite.plan import advise
from carnallite.record import read_record

PROGRAM = Path(sys.executable).with_name("carnallite")
RUNS = 5


def main() -> int:
    """Measure and compare with the budget."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "year.csv"
        path.write_text(year(), "utf-8")
        answer = advise(read_record(str(path)))
        assert answer.forecast is not None
        assert answer.forecast.outlooks
        warm, cold = [], []
        for _ in range(RUNS):
            began = time.perf_counter()
            advise(read_record(str(path)))
            warm.append(time.perf_counter() - began)
        for _ in range(RUNS):
            began = time.perf_counter()
            subprocess.run([str(PROGRAM), "assess", str(path)], capture_output=True, check=True)
            cold.append(time.perf_counter() - began)
    print(f"{len(answer.forecast.outlooks)} courses of {answer.forecast.members} virtual patients over 30 days")
    return report("advice", {
        "warm_ms": 1000 * statistics.median(warm), "cold_ms": 1000 * statistics.median(cold),
    })  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
