#!/usr/bin/env python3
"""Kill a screening at random moments, again and again, and compare what it ends with, byte for byte.

    python benchmarks/warehouse_kills.py SOURCE --kills 200

Each round begins in an empty folder; the run, or one of its workers, is killed after a random time, and the same
command is given again, until it has been killed three times and ends. Moments come from the seed and from how long an
undisturbed run takes.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from warehouse_run import digest, processes

EACH = 3  # kills in a round


def started(source: Path, out: Path) -> subprocess.Popen[bytes]:
    """Begin a run."""
    command = [sys.executable, "-m", "carnallite", "screen", str(source), "--out", str(out)]
    return subprocess.Popen(
        [*command, "--depth", "findings", "--workers", "2"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def killed(run: subprocess.Popen[bytes], draw: random.Random, after: float) -> str:
    """Kill a run or one of its workers after some time, and return which; nothing where it has ended before."""
    try:
        run.wait(after)
    except subprocess.TimeoutExpired:
        workers = [pid for pid in processes(run.pid) if pid != run.pid]
        victim = draw.choice(workers) if workers and draw.random() < 0.5 else run.pid
        os.kill(victim, signal.SIGKILL)
        if victim != run.pid:
            return "worker"
        run.wait()
        return "run"
    return ""


def main() -> int:
    """Kill as often as is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("--out", type=Path, default=Path("warehouse-killed"))
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    draw, counts, differ, rounds = random.Random(options.seed), {"run": 0, "worker": 0}, 0, 0
    shutil.rmtree(options.out, ignore_errors=True)
    began = time.monotonic()
    started(options.source, options.out).wait()
    whole, clean = time.monotonic() - began, digest(options.out)
    while sum(counts.values()) < options.kills:
        rounds += 1
        shutil.rmtree(options.out)
        for _ in range(EACH):
            run = started(options.source, options.out)
            victim = killed(run, draw, draw.uniform(0.2, 1.0) * whole)
            if victim:
                counts[victim] += 1
            run.wait()
        if started(options.source, options.out).wait() or digest(options.out) != clean:
            differ += 1
    print(f"{counts['run']} runs and {counts['worker']} workers killed in {rounds} rounds; {differ} ended otherwise")
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
