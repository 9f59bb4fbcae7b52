"""The client that measures the service: what it loses itself must not count as lost by the service."""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks"))

from service_load import PROBE, Line

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.mark.parametrize("hard", [True, False])
def test_a_line_that_was_closed_meanwhile_is_made_anew(hard: bool) -> None:
    """A service ends idle connections, politely or as our door does."""

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(ANSWER)
        await writer.drain()
        if hard:
            line: socket.socket = writer.get_extra_info("socket")
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.close()
        closed.set()

    async def asked() -> list[tuple[int, bytes]]:
        async with await asyncio.start_server(once, "127.0.0.1", 0) as server:
            line, found = Line(server.sockets[0].getsockname()[1]), []
            for _ in range(3):
                found.append(await line.ask(PROBE))
                if line.ends is None:
                    break
                await closed.wait()
                closed.clear()
                while not (line.ends[0].at_eof() or line.ends[0].exception()):
                    await asyncio.sleep(0)
            line.close()
            return found

    closed = asyncio.Event()
    assert asyncio.run(asked()) == 3 * [(200, b"ok")]
