#!/usr/bin/env python3
"""Screen a folder as a command of its own, and tell how fast, with how much memory, and with which bytes.

    python benchmarks/warehouse_run.py DIR --engine dask --kill

With ``--kill`` one worker is killed in the middle of the answering. ``scan`` is how fast the same columns are read from
Parquet and nothing is done with them. Figures: docs/reference/screening.md.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pyarrow.parquet as pq

SCANNED = ["patient", "kind", "name", "low"]
_TICK = 0.1  # [s]


def processes(of: int) -> dict[int, int]:
    """Return a process and all below it, with the memory of each [bytes]."""
    parents, room = {}, {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                pages = int((entry / "statm").read_text().split()[1])
            except (OSError, IndexError):
                continue
            parents[int(entry.name)], room[int(entry.name)] = int(stat[1]), pages * resource.getpagesize()
    found = {of}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return {pid: room[pid] for pid in found if pid in room}


class Watch(threading.Thread):
    """Looks at the memory of a run, and kills one of its workers when it is told to."""

    def __init__(self, run: subprocess.Popen[bytes], out: Path, parts: int, *, kill: bool) -> None:
        super().__init__(daemon=True)
        self.run_, self.out, self.parts, self.kill = run, out, parts, kill
        self.largest = self.together = 0
        self.killed = 0

    def run(self) -> None:
        """Look until the run ends."""
        while self.run_.poll() is None:
            rooms = processes(self.run_.pid)
            self.largest = max([self.largest, *rooms.values()])
            self.together = max(self.together, sum(rooms.values()))
            if self.kill and not self.killed and len(list(self.out.glob("answers/part-*"))) >= self.parts // 3:
                self.killed = self._kill(rooms)
            time.sleep(_TICK)

    def _kill(self, rooms: dict[int, int]) -> int:
        """Kill the largest process below the run, which is a worker."""
        workers = {pid: room for pid, room in rooms.items() if pid != self.run_.pid}
        victim = max(workers, key=lambda pid: workers[pid], default=0)
        if victim:
            os.kill(victim, signal.SIGKILL)
        return victim


def digest(out: Path) -> str:
    """Return a digest of every byte that others read."""
    told = hashlib.sha256()
    for file in sorted(out.rglob("*")):
        if file.is_file() and not file.name.startswith(".") and "taken" not in file.parts:
            told.update(str(file.relative_to(out)).encode() + hashlib.sha256(file.read_bytes()).digest())
    return told.hexdigest()[:16]


def scan(folder: Path) -> float:
    """Return how long it takes one thread to read some columns of all parts [s]."""
    began = time.process_time()
    for file in sorted(folder.glob("part-*.parquet")):
        pq.read_table(file, columns=SCANNED, use_threads=False)
    return time.process_time() - began


def main() -> int:
    """Run the command once, from nothing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("--out", type=Path, help="by default beside the source")
    parser.add_argument("--engine", default="local")
    parser.add_argument("--workers", default="2")
    parser.add_argument("--depth", default="findings")
    parser.add_argument("--kill", action="store_true")
    options = parser.parse_args()
    options.out = options.out or options.source.with_name(f"{options.source.name}-out")
    shutil.rmtree(options.out, ignore_errors=True)
    command = [sys.executable, "-m", "carnallite", "screen", str(options.source), "--out", str(options.out)]
    command += ["--engine", options.engine, "--workers", options.workers, "--depth", options.depth]
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    run = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    parts = len(list(options.source.glob("part-*.parquet"))) or 4
    watch = Watch(run, options.out, parts, kill=options.kill)
    watch.start()
    code = run.wait()
    watch.join()
    took, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    end = json.loads((options.out / "end.json").read_text())
    measured = {
        "engine": options.engine, "workers": int(options.workers), "depth": end["depth"], "library": end["library"],
        "exit": code, "patients": end["answered"], "listed": end["listed"], "seconds": round(took, 1),
        "patients_per_second": round(end["answered"] / took), "cpu_seconds": round(cpu, 1),
        "patients_per_cpu_second": round(end["answered"] / cpu) if cpu else None,
        "largest_process_mb": watch.largest // 2**20, "all_processes_mb": watch.together // 2**20,
        "killed": watch.killed, "digest": digest(options.out), "load": os.getloadavg()[0],
    }  # fmt: skip
    if any(options.source.glob("part-*.parquet")):
        measured["scan_patients_per_cpu_second"] = round(end["answered"] / scan(options.source))
    print(json.dumps(measured))
    return code


if __name__ == "__main__":
    sys.exit(main())
