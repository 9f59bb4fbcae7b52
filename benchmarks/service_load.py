#!/usr/bin/env python3
"""How fast the service answers, and what it does with more than it can: real records of about 40 KB each.

    benchmarks/service_load.py --data ../shared/data [--rate 50] [--seconds 20]

Calls begin at fixed times whether earlier ones were answered or not, and are timed from when they should have begun;
fits take seconds and are asked for one after the other. Every answer is checked against its own patient: the states,
and the patient to whom every draft refers.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter, defaultdict
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import URLError
from urllib.request import urlopen

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))
from hooked import call  # noqa: E402

SIZE = 40_000  # bytes of a call
OLD = "PATIENT-ID-TO-BE-SET"
ORDER = {
    "resourceType": "MedicationRequest", "id": "1", "status": "draft", "intent": "order",
    "medicationCodeableConcept": {"text": "potassium chloride"},
    "dosageInstruction": [{"text": "20 mmol by mouth twice a day"}],
}  # fmt: skip
SLOW = "$forecast"  # a fit of some seconds, for which there is one worker
_DONE = "2026-11-23T12:00:00Z"
PROBE = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


class Kind(NamedTuple):
    """One kind of call: its path, and the bodies of it by patient."""

    name: str
    path: str
    bodies: list[bytes]


class Answer(NamedTuple):
    """One answer: how long it took from when it should have begun [s], and whether it is about its own patient."""

    kind: str
    seconds: float
    status: int
    is_own: bool


def records(data: Path) -> list[list[dict[str, Any]]]:
    """Return real patients, each cut to its newest results so that a call is about 40 KB."""
    folder = data / "mimic3demo" / "fhir_r4_ndjson"
    people: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for file in sorted(folder.glob("*.ndjson.gz")):
        with gzip.open(file, "rt") as lines:
            for line in lines:
                one = json.loads(line)
                link = one.get("subject") or one.get("patient") or {}
                key = one["id"] if one["resourceType"] == "Patient" else link.get("reference", "").split("/")[-1]
                people[key].append(one)
    return [_cut(key, found) for key, found in sorted(people.items())]


def _cut(key: str, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    text = json.dumps(sorted(found, key=_time, reverse=True)).replace(f"Patient/{key}", f"Patient/{OLD}")
    newest: list[dict[str, Any]] = json.loads(text)
    patient = next(one for one in newest if one["resourceType"] == "Patient")
    patient["id"] = OLD
    kept, size = [patient], 2000
    for one in newest:
        if one is not patient and size + len(json.dumps(one)) < SIZE:
            kept.append(one)
            size += len(json.dumps(one)) + 14
    return kept


def _time(one: dict[str, Any]) -> str:
    return str(one.get("effectiveDateTime") or one.get("authoredOn") or one.get("effectivePeriod", {}).get("start", ""))


def kinds(people: list[list[dict[str, Any]]]) -> list[Kind]:
    """Return every kind of call over all patients."""
    drafts = {"resourceType": "Bundle", "type": "collection", "entry": [
        {"resource": ORDER | {"subject": {"reference": f"Patient/{OLD}"}}}]}  # fmt: skip
    view = [json.dumps(call(one), separators=(",", ":")).encode() for one in people]
    chosen = {"draftOrders": drafts, "selections": ["MedicationRequest/1"]}
    select = [json.dumps(call(one, "order-select", **chosen), separators=(",", ":")).encode() for one in people]
    sign = [json.dumps(call(one, "order-sign", draftOrders=drafts), separators=(",", ":")).encode() for one in people]
    done = [
        json.dumps(
            {"feedback": [{"card": str(uuid.uuid4()), "outcome": "accepted", "outcomeTimestamp": _DONE}]}
        ).encode()
        for _ in people
    ]
    plain = [
        json.dumps(
            {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": each} for each in one]}
        ).encode()
        for one in people
    ]
    hook = "/cds-services/carnallite-"
    return [
        Kind("patient-view", f"{hook}patient-view", view), Kind("order-select", f"{hook}order-select", select),
        Kind("order-sign", f"{hook}order-sign", sign), Kind("feedback", f"{hook}patient-view/feedback", done),
        Kind("$assess", "/$assess", plain), Kind("$forecast", "/$forecast", plain),
    ]  # fmt: skip


def told(answer: dict[str, Any]) -> str:
    """Return what an answer says of a patient, without what differs between two calls about the same one."""
    text = json.dumps({key: value for key, value in answer.items() if key not in {"timestamp"}}, sort_keys=True)
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "", text)
    return re.sub(r"sha256:[0-9a-f]{64}|\"recorded\": \"[^\"]*\"", "", text)


class Line:
    """One connection to the service, kept alive."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.ends: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Return status and body; a line that the service closed meanwhile, as it does after `idle_s`, is made anew."""
        if self.ends is not None and (self.ends[0].at_eof() or self.ends[0].exception() is not None):
            self.close()
        if self.ends is None:
            self.ends = await asyncio.open_connection("127.0.0.1", self.port)
        reader, writer = self.ends
        try:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
            body = await reader.readexactly(int(length[1]) if length else 0)
        except (OSError, asyncio.IncompleteReadError):
            self.close()
            return 0, b""
        if b"connection: close" in head.lower():
            self.close()
        return int(head.split(b" ")[1]), body

    def close(self) -> None:
        """Let go of the connection."""
        if self.ends is not None:
            self.ends[1].close()
            self.ends = None


def post(path: str, body: bytes) -> bytes:
    """Return a request."""
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


class Load:
    """Asks the service, and remembers what it answered."""

    def __init__(self, port: int) -> None:
        self.port, self.idle, self.answers = port, list[Line](), list[Answer]()
        self.known: dict[tuple[str, int], str] = {}

    async def once(self, kind: Kind, number: int, due: float) -> None:
        """Make one call about a patient whose name nobody else has, and check that the answer is theirs."""
        name = uuid.uuid4().hex[: len(OLD)]
        body = kind.bodies[number].replace(OLD.encode(), name.encode())
        line = self.idle.pop() if self.idle else Line(self.port)
        status, content = await line.ask(post(kind.path, body))
        seconds = time.perf_counter() - due
        self.idle.append(line)
        is_own = status != 200
        if status == 200:
            answer = json.loads(content or b"{}")  # feedback is answered by a status alone
            is_part = "only" in answer.get("extension", {}).get("org.carnallite.evaluated", {})
            plain = told(answer).replace(f"Patient/{name}", f"Patient/{OLD}")
            known = plain if is_part else self.known.setdefault((kind.name, number), plain)
            is_own = name not in plain and known == plain
        self.answers.append(Answer(kind.name, seconds, status, is_own))

    async def learn(self, kind: Kind) -> None:
        """Ask about everybody once, one after the other."""
        for number in range(len(kind.bodies)):
            await self.once(kind, number, time.perf_counter())

    async def at_rate(self, kind: Kind, rate: float, seconds: float) -> list[Answer]:
        """Return the answers to calls at a rate [1/s]."""
        self.answers, begun = [], time.perf_counter()
        tasks = []
        for count in range(int(rate * seconds)):
            due = begun + count / rate
            if (wait := due - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            tasks.append(asyncio.create_task(self.once(kind, count % len(kind.bodies), due)))
        await asyncio.gather(*tasks)
        return self.answers

    async def in_turn(self, kind: Kind, seconds: float) -> list[Answer]:
        """Return the answers to calls of which each begins when the one before was answered."""
        self.answers, begun = [], time.perf_counter()
        while (due := time.perf_counter()) - begun < seconds:
            await self.once(kind, len(self.answers) % len(kind.bodies), due)
        return self.answers

    async def probe(self, seconds: float, every: float = 0.25) -> list[float]:
        """Return how long health took to answer [s], asked again and again."""
        taken, line, begun = [], Line(self.port), time.perf_counter()
        while time.perf_counter() - begun < seconds:
            asked = time.perf_counter()
            await line.ask(PROBE)
            taken.append(time.perf_counter() - asked)
            await asyncio.sleep(every)
        line.close()
        return taken


def spent(pid: int) -> float:
    """Return the processor time of a process and all that it started [s]."""
    ticks, parents = {}, {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            ticks[int(path.parent.name)] = int(fields[11]) + int(fields[12])
            parents[int(path.parent.name)] = int(fields[1])
    ours = {pid}
    for _ in range(3):
        ours |= {one for one, parent in parents.items() if parent in ours}
    return sum(ticks.get(one, 0) for one in ours) / os.sysconf("SC_CLK_TCK")


def row(name: str, rate: float, answers: list[Answer], seconds: float = 0.0) -> str:
    """Return one line of the table; `seconds` of processor time went into it."""
    well = sorted(1000 * one.seconds for one in answers if one.status == 200)
    counts = Counter(one.status for one in answers)
    others = ", ".join(f"{count} × {status}" for status, count in sorted(counts.items()) if status != 200)
    p50, p95, p99 = (f"{well[min(len(well) - 1, int(len(well) * at))]:.0f}" if well else "" for at in (0.5, 0.95, 0.99))
    wrong = sum(not one.is_own for one in answers)
    each = f"{1000 * seconds / len(well):.0f}" if seconds and well else ""
    return f"| {name} | {rate:g} | {len(answers)} | {p50} | {p95} | {p99} | {each} | {others or 'none'} | {wrong} |"


async def measure(port: int, options: argparse.Namespace) -> list[str]:
    """Return the table."""
    people = records(options.data)
    every, load, lines = kinds(people), Load(port), []
    sizes = [len(body) for body in every[0].bodies]
    print(f"{len(people)} patients, calls of {statistics.median(sizes) / 1000:.0f} KB (median)", file=sys.stderr)
    for kind in every:
        if kind.name != SLOW:
            await load.learn(kind)
    for kind in every:
        before, begun = spent(options.pid), time.perf_counter()
        is_slow = kind.name == SLOW
        work = load.in_turn(kind, options.seconds) if is_slow else load.at_rate(kind, options.rate, options.seconds)
        answers = await work
        rate = round(len(answers) / (time.perf_counter() - begun), 2) if is_slow else options.rate
        lines.append(row(kind.name, rate, answers, spent(options.pid) - before))
        print(lines[-1], os.getloadavg(), file=sys.stderr)
    taken = await load.probe(5, 0.02)
    lines.append(row("/healthz, idle", 50, [Answer("", one, 200, True) for one in taken]))
    above, health = await asyncio.gather(
        load.at_rate(every[0], 10 * options.rate, options.seconds / 2), load.probe(options.seconds / 2)
    )
    lines.append(row("patient-view, ten times as many", 10 * options.rate, above))
    lines.append(row("/healthz meanwhile", 4, [Answer("", one, 200, True) for one in health]))
    back = await load.at_rate(every[0], options.rate, 5)
    lines.append(row("patient-view, right after it", options.rate, back))
    for line in load.idle:
        line.close()
    return lines


def main() -> int:
    """Start the service, measure, and end it."""
    parser = argparse.ArgumentParser(description="Measure the service under load.")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="folder of open data")
    parser.add_argument("--rate", type=float, default=50.0, help="[1/s]")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--port", type=int, default=8731)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    if not options.data.exists():
        sys.stderr.write("There are no open data there.\n")
        return 2
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "serve.toml"
        config.write_text(
            f'clock = "record"\nobservations = "all"\nworkers = {options.workers}\nport = {options.port}\n'
            f'store = "sqlite:///{folder}/kept.db"\n[connections]\nof_one_client = 900\n'
        )
        command = [Path(sys.executable).with_name("carnallite"), "serve", "--config", config]
        with Path(folder, "log").open("w") as log, subprocess.Popen(command, stderr=log) as service:
            _until_ready(options.port)
            options.pid = service.pid
            load = os.getloadavg()[0]
            lines = asyncio.run(measure(options.port, options))
            begun = time.perf_counter()
            service.send_signal(signal.SIGTERM)
            service.wait(20)
    print(f"Load of the machine before: {load:.1f}. Stopped in {time.perf_counter() - begun:.1f} s.\n")
    heads = ["call", "a second", "calls", "p50 [ms]", "p95", "p99", "CPU [ms]", "not answered", "wrong"]
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    print("\n".join(lines))
    return 0


def _until_ready(port: int) -> None:
    for _ in range(600):
        try:
            with urlopen(f"http://127.0.0.1:{port}/readyz", timeout=60) as answer:
                if answer.status == 200:
                    return
        except (URLError, OSError):
            time.sleep(0.2)
    raise SystemExit("the service does not become ready")


if __name__ == "__main__":
    raise SystemExit(main())
