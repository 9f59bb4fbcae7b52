"""Kill the service's store again and again while it writes, and count acknowledged rows that are gone; then time rows.

::

    python benchmarks/durable.py [--kills 60] [--postgresql]

Two processes write at once; each row is acknowledged on a pipe after `append`, `feedback` or `remember` returned. What
is printed are rows of docs/reference/security.md.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

import servers  # noqa: E402  (of the tests)
from carnallite.surfaces.service.store import Store  # noqa: E402

WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from carnallite.surfaces.service.store import Store  # noqa: E402
store, life = Store.open(sys.argv[1], Path(sys.argv[2])), sys.argv[3]
for number in range(1_000_000):
    now = datetime.now(UTC)
    print(store.append("hook", {"count": number}, now), flush=True)
    store.feedback({"card": f"{life}-{number}"}, now)
    print(f"{life}-{number}", flush=True)
"""


def killed(url: str, key: Path, kills: int) -> str:
    """Return a row: how many rows were acknowledged, and how many of them are gone."""
    told: list[str] = []
    for life in range(0, kills, 2):
        command = [sys.executable, "-c", WRITER, url, str(key)]
        both = [subprocess.Popen([*command, f"{life}.{n}"], stdout=subprocess.PIPE, text=True) for n in (0, 1)]
        time.sleep(0.4 + random.random() * 0.6)
        for one in both:
            one.send_signal(signal.SIGKILL)
        for one in both:
            told += [line.strip() for line in one.stdout or () if line.endswith("\n")]
            one.wait()
    store = Store.open(url, key)
    found, kept = store.verify(), {row.digest for row in store.rows()} | {row["card"] for _, row in store.feedbacks()}
    store.close()
    gone = len(set(told) - kept)
    return f"{kills} | {len(told)} | {gone} | {'holds' if found.broken is None else found.why}"


def timed(url: str, key: Path) -> str:
    """Return a row: time of one audit row alone and with eight threads, and of the check of the whole log."""
    store, now = Store.open(url, key), datetime.now(UTC)

    def one(number: int) -> float:
        begun = time.perf_counter()
        store.append("hook", {"count": number}, now)
        return 1000 * (time.perf_counter() - begun)

    alone = sorted(one(number) for number in range(1000))
    begun = time.perf_counter()
    with ThreadPoolExecutor(8) as threads:
        crowd = sorted(threads.map(one, range(2000)))
    rate = 2000 / (time.perf_counter() - begun)
    begun = time.perf_counter()
    rows = store.verify().rows
    check = rows / (time.perf_counter() - begun)
    store.close()
    return f"{statistics.median(alone):.2f} | {alone[990]:.2f} | {crowd[1980]:.1f} | {rate:.0f} | {check:.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Kill a store that is being written.")
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--postgresql", action="store_true", help="a server of its own, instead of SQLite")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, servers.postgresql() if options.postgresql else nullcontext() as server:
        key = Path(name) / "key"
        key.write_text(os.urandom(32).hex())
        url = server or f"sqlite:///{name}/audit.db"
        print("| kills | rows acknowledged | gone | chain |\n|---|---|---|---|")
        print(f"| {killed(url, key, options.kills)} |", flush=True)
        print("\n| row alone, median [ms] | 99 % | of eight threads, 99 % | rows a second | checked a second |")
        print(f"|---|---|---|---|---|\n| {timed(url, key)} |")


if __name__ == "__main__":
    main()
