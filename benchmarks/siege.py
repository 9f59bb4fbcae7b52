"""Lay siege to a server: half-open calls, slow bodies, slow readers, huge bodies, bombs; and call it every second.

::

    python benchmarks/siege.py                      # our door, before a small application
    python benchmarks/siege.py --server uvicorn     # another server before the same application
    python benchmarks/siege.py --url http://127.0.0.1:8080/healthz --pid 4711   # a service that runs already

The server under siege may open 512 files. Each attack lasts some seconds and begins again whatever it loses; meanwhile
a well-behaved call goes out every half second. What is printed is a row of docs/reference/security.md.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import os
import random
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[1]
FILES = 512
SERVERS = {
    "door": [sys.executable, str(ROOT / "tests" / "tiny.py"), "{port}", "1"],
    "uvicorn": [sys.executable, "-m", "uvicorn", "tiny:application", "--port", "{port}", "--log-level", "critical"],
    "hypercorn": [sys.executable, "-m", "hypercorn", "tiny:application", "-b", "127.0.0.1:{port}"],
    "granian": [sys.executable, "-m", "granian", "--interface", "asgi", "--port", "{port}", "tiny:application"],
}
BOMB = gzip.compress(bytes(100 * 2**20), 9)
Attack = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def post(path: str, size: int, more: str = "") -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{more}Content-Length: {size}\r\n\r\n"
    ).encode()


async def half_open(_: asyncio.StreamReader, out: asyncio.StreamWriter) -> None:
    out.write(b"GET / HTTP/1.1\r\nHost: x\r\n")
    while not out.is_closing():
        out.write(b"X-A: b\r\n")
        await out.drain()
        await asyncio.sleep(2)


async def silent(back: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await back.read(1)


async def slow_body(_: asyncio.StreamReader, out: asyncio.StreamWriter) -> None:
    out.write(post("/", 100_000))
    while not out.is_closing():
        out.write(b" ")
        await out.drain()
        await asyncio.sleep(1)


async def slow_reader(back: asyncio.StreamReader, out: asyncio.StreamWriter) -> None:
    out.write(b"GET /much?1000000 HTTP/1.1\r\nHost: x\r\n\r\n")
    while await back.read(64):
        await asyncio.sleep(1)


async def huge_body(_: asyncio.StreamReader, out: asyncio.StreamWriter) -> None:
    out.write(post("/", 200_000_000))
    for _ in range(200):
        out.write(b" " * 1_000_000)
        await out.drain()


async def huge_chunks(_: asyncio.StreamReader, out: asyncio.StreamWriter) -> None:
    out.write(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(200):
        out.write(b"f4240\r\n" + b" " * 1_000_000 + b"\r\n")
        await out.drain()


async def bomb(back: asyncio.StreamReader, out: asyncio.StreamWriter) -> None:
    out.write(post(PATHS["bomb"], len(BOMB), "Content-Encoding: gzip\r\n") + BOMB)
    await out.drain()
    await back.read(999)
    await asyncio.sleep(0.1)


async def long_header(back: asyncio.StreamReader, out: asyncio.StreamWriter) -> None:
    out.write(b"GET / HTTP/1.1\r\nX: ")
    for _ in range(100):
        out.write(b"a" * 100_000)
        await out.drain()
    await back.read(1)


async def garbage(back: asyncio.StreamReader, out: asyncio.StreamWriter) -> None:
    out.write(random.randbytes(4096))
    await out.drain()
    await back.read(999)
    await asyncio.sleep(0.05)


PATHS = {"bomb": "/"}
TLS: dict[str, ssl.SSLContext] = {}
ATTACKS: dict[str, tuple[int, Attack]] = {
    "nobody": (0, silent),
    "700 half-open headers": (700, half_open),
    "700 silent lines": (700, silent),
    "700 slow bodies": (700, slow_body),
    "300 slow readers of 1 MB": (300, slow_reader),
    "8 bodies of 200 MB": (8, huge_body),
    "8 endless chunked bodies": (8, huge_chunks),
    "16 gzip bombs at a time": (16, bomb),
    "50 endless headers": (50, long_header),
    "50 senders of noise": (50, garbage),
}


async def attack(host: str, port: int, how: Attack, gone: list[int]) -> None:
    while True:
        with suppress(OSError):
            back, out = await asyncio.open_connection(host, port)
            out.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            with suppress(OSError):
                await how(back, out)
            gone[0] += 1
            out.transport.abort()
        await asyncio.sleep(0.1)


async def call(host: str, port: int, path: str) -> float:
    """Return how long a well-behaved call took [s]; five where it was not answered."""
    began = time.monotonic()
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(5):
            back, out = await asyncio.open_connection(host, port, ssl=TLS.get("client"))
            out.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            answer = await back.read()
            out.transport.abort()
            if answer.startswith(b"HTTP/1.1 200"):
                return time.monotonic() - began
    return 5.0


def memory(pid: int) -> float:
    """Return what a process and its children hold [MB]."""
    total = 0
    for status in Path("/proc").glob("[0-9]*/status"):
        with suppress(OSError, KeyError):
            told = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
            if int(told["PPid"]) == pid or int(told["Pid"]) == pid:
                total += int(told.get("VmRSS", "0").split()[0])
    return total / 1000


async def siege(host: str, port: int, path: str, pid: int, seconds: float) -> list[tuple[str, str]]:
    rows = []
    for name, (count, how) in ATTACKS.items():
        gone, took, most = [0], [], memory(pid)
        running = [asyncio.create_task(attack(host, port, how, gone)) for _ in range(count)]
        ends = time.monotonic() + seconds
        await asyncio.sleep(1)
        while time.monotonic() < ends:
            took.append(await call(host, port, path))
            most = max(most, memory(pid))
            await asyncio.sleep(0.5)
        for one in running:
            one.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        failed = sum(one >= 5 for one in took)
        told = f"{1000 * max(took):.0f} | {failed} of {len(took)} | {most:.0f} | {gone[0]}"
        print(f"| {name} | {told} |", flush=True)
        rows.append((name, told))
        await asyncio.sleep(1)
    return rows


def secured(folder: Path) -> dict[str, str]:
    """Make a certificate for the server, and let the well-behaved calls trust it; attackers shake no hands."""
    sys.path.insert(0, str(ROOT / "tests"))
    import listeners  # noqa: PLC0415

    own, key = listeners.certificate(folder)
    TLS["client"] = ssl.create_default_context(cafile=str(own))
    return {"PEM": str(own), "KEY": str(key)}


def begun(server: str, port: int, more: dict[str, str]) -> subprocess.Popen[bytes]:
    command = [part.format(port=port) for part in SERVERS[server]]
    return subprocess.Popen(
        ["bash", "-c", f'ulimit -n {FILES} && exec "$@"', "-", *command],
        env=os.environ | more | {"PYTHONPATH": str(ROOT / "tests")}, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description="Lay siege to a server.")
    parser.add_argument("--server", choices=SERVERS, default="door", help="which, before a small application")
    parser.add_argument("--url", help="what a well-behaved client asks for, of a service that runs already")
    parser.add_argument("--pid", type=int, default=0, help="its process, so that its memory is told")
    parser.add_argument("--bomb", default="/", help="path to which gzip bombs are sent")
    parser.add_argument("--tls", action="store_true", help="with TLS, which attackers do not speak (door alone)")
    parser.add_argument("--only", default="", help="attacks whose names hold this")
    parser.add_argument("--seconds", type=float, default=15, help="of each attack; 15")
    options = parser.parse_args()
    PATHS["bomb"] = options.bomb
    for name in [name for name in ATTACKS if options.only not in name]:
        del ATTACKS[name]
    print(f"Load of the machine before: {os.getloadavg()[0]:.1f}.\n")
    print("| attack | slowest call [ms] | not answered | memory [MB] | lines ended |\n|---|---|---|---|---|")
    if options.url:
        to = urlsplit(options.url)
        asyncio.run(siege(to.hostname or "", to.port or 80, to.path or "/", options.pid, options.seconds))
        return
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        run(options, port, secured(Path(folder)) if options.tls else {})


def run(options: argparse.Namespace, port: int, more: dict[str, str]) -> None:
    server = begun(options.server, port, more)
    try:
        time.sleep(3)
        asyncio.run(siege("127.0.0.1", port, "/", server.pid, options.seconds))
    finally:
        server.kill()
        server.wait()


if __name__ == "__main__":
    main()
