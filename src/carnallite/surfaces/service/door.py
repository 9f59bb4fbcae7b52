"""Who may come in, and for how long: deadlines and caps that hold at the socket, before any of our code is asked.

Every connection is in one phase: shaking hands, sending a header, idle, sending a body, waiting for us, reading what we
wrote. Each phase but our own work has a deadline. Where there are too many connections, of one client or of all, the
oldest that makes us wait gives way to the new one: whoever holds a thousand lines open holds out nobody else.
"""

from __future__ import annotations

import asyncio
import gc
import math
import socket
import struct
import time
from contextlib import suppress
from functools import partial
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING, Any, Literal

import h11
from msgspec import Struct
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable

Phase = Literal["hands", "header", "idle", "body", "work", "reading"]
_BUSY = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
RESERVED = 96  # file descriptors for everything that is no connection: files, database, calls to other servers
GARBAGE = 300  # connections that ended before what they left is collected: with TLS half a megabyte each
LEAST = 8  # connections, however few files may be opened
SWEEP = 0.25  # [s] between two looks at all connections
UNSENT = 262_144  # bytes that the kernel holds for a client who does not read
UNHEARD = 1_000_000  # bytes of a body that are read after it was answered, so that the answer is seen


class Limits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long each phase of a connection may last, and how many there may be."""

    header_s: float = 10.0  # from its first byte to the end of a header; and to shake hands
    body_s: float = 30.0  # from the end of the header to the end of the body
    idle_s: float = 30.0  # between two requests
    reading_s: float = 30.0  # until a client has read what was written
    stopping_s: float = 8.0  # for what is being answered when the service is told to stop
    header_bytes: int = 16_384
    connections: int = 1000  # in all; fewer where the process may open fewer files
    of_one_client: int = 250  # from one address; behind a proxy set it to `connections`
    unsent_bytes: int = 64_000_000  # of all answers that clients have not read yet
    waiting: int = 1024  # that the kernel keeps until we take them


class Line:
    """One connection: whose it is, and since when it is in its phase."""

    def __init__(self, client: str, sock: socket.socket) -> None:
        self.client, self.sock = client, sock
        self.task: asyncio.Task[None] | None = None
        self.protocol: Guarded | None = None
        self.phase: Phase = "hands"
        self.since = time.monotonic()
        self._cycle: object = None

    def look(self) -> Phase:
        """Return the phase, and take note of when it began."""
        phase, cycle = self._now(), self.protocol.cycle if self.protocol else None
        if phase != self.phase or cycle is not self._cycle:
            self.phase, self._cycle, self.since = phase, cycle, time.monotonic()
        return phase

    @property
    def unsent(self) -> int:
        """Return how many bytes wait for a client who does not read them."""
        return self.protocol.transport.get_write_buffer_size() if self.protocol else 0

    def _now(self) -> Phase:
        protocol = self.protocol
        if protocol is None:
            return "hands"
        if self.unsent or protocol.transport.is_closing():
            return "reading"
        cycle, theirs = protocol.cycle, protocol.conn.their_state
        if theirs is h11.SEND_BODY:
            return "work" if protocol.flow.read_paused else "body"
        if cycle is not None and not cycle.response_complete:
            return "work"
        return "header" if cycle is None or protocol.conn.trailing_data[0] else "idle"

    def drop(self) -> None:
        """End it at once; what the kernel still holds for a slow reader is thrown away."""
        with suppress(OSError):
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if self.protocol is not None:
            self.protocol.transport.abort()
        elif self.task is not None:
            self.task.cancel()


class Guarded(H11Protocol):
    """HTTP of one connection, known to the door."""

    door: Door
    line: Line

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin."""
        super().connection_made(transport)
        self.line.protocol = self
        self.unheard = 0

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self.door.ended(self.line)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Wait for a client who does not read."""
        super().pause_writing()
        self.line.look()
        self.door.relieve()

    def data_received(self, data: bytes) -> None:
        """Take what came; a body that goes on after it was answered is heard for a while only."""
        super().data_received(data)
        is_answered = self.cycle is not None and self.cycle.response_complete
        self.unheard = self.unheard + len(data) if is_answered and self.conn.their_state is h11.SEND_BODY else 0
        if self.unheard > UNHEARD:
            self.transport.close()


class Door:
    """Takes connections, and ends those that last too long."""

    def __init__(self, limits: Limits, protocol: Callable[[], Guarded], tls: ssl.SSLContext | None) -> None:
        self._limits, self._protocol, self._tls = limits, protocol, tls
        self._most = min(limits.connections, max(LEAST, _files() - RESERVED))
        self._until = {
            "hands": limits.header_s, "header": limits.header_s, "idle": limits.idle_s, "body": limits.body_s,
            "reading": limits.reading_s,
        }  # fmt: skip
        self.lines: set[Line] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._over = 0

    def open(self, sockets: Iterable[socket.socket]) -> None:
        """Begin to take connections."""
        gc.freeze()  # what was loaded by now stays, and need not be looked at again
        loop = asyncio.get_running_loop()
        self._tasks |= {loop.create_task(self._take(one)) for one in sockets} | {loop.create_task(self._sweep())}

    async def close(self) -> None:
        """Take no more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _take(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        listener.setblocking(False)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, UNSENT)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else a body waits 40 ms behind its header
        if hasattr(socket, "TCP_DEFER_ACCEPT"):  # the kernel keeps lines of which nothing was heard
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, math.ceil(self._limits.header_s))
        listener.listen(self._limits.waiting)
        while True:
            try:
                sock, address = await loop.sock_accept(listener)
            except OSError:  # hung up meanwhile, or no file descriptor is left
                await asyncio.sleep(SWEEP)
                continue
            line = Line(_client(address), sock)
            if not self._has_room(line.client):
                self._refuse(sock)
                continue
            self.lines.add(line)
            line.task = loop.create_task(self._connect(line))
            line.task.add_done_callback(partial(self._connected, line))
            await asyncio.sleep(0)  # let those who gave way go, before the next one needs a file descriptor

    async def _connect(self, line: Line) -> None:
        loop = asyncio.get_running_loop()

        def protocol() -> Guarded:
            made = self._protocol()
            made.door, made.line = self, line
            return made

        patience = {"ssl_handshake_timeout": self._limits.header_s, "ssl_shutdown_timeout": 2.0} if self._tls else {}
        with suppress(OSError):
            await loop.connect_accepted_socket(protocol, line.sock, ssl=self._tls, **patience)

    def _connected(self, line: Line, _: asyncio.Task[None]) -> None:
        if line.protocol is None:  # no hands were shaken, or it gave way before it was looked at
            self.ended(line)
            line.sock.close()

    def _has_room(self, client: str) -> bool:
        """Return whether one more may come in, once those who keep us waiting have given way."""
        own = [line for line in self.lines if line.client == client]
        if len(own) >= self._limits.of_one_client and not self._give_way(own):
            return False
        return len(self.lines) < self._most or self._give_way(self.lines)

    def _give_way(self, lines: Iterable[Line]) -> bool:
        waiting = sorted((line for line in lines if line.look() != "work"), key=lambda line: line.since)
        for line in waiting[: 1 + len(waiting) // 16]:  # several at once: a flood is paid for once
            self._end(line)
        return bool(waiting)

    def ended(self, line: Line) -> None:
        """Take note that a connection is over; what it held is given back soon, although it lies in circles."""
        self.lines.discard(line)
        self._over += 1
        if self._over >= GARBAGE:
            self._over = 0
            gc.collect()

    def _end(self, line: Line) -> None:
        self.lines.discard(line)
        line.drop()

    def _refuse(self, sock: socket.socket) -> None:
        with suppress(OSError):
            if self._tls is None:
                sock.send(_BUSY)
        sock.close()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP)
            now = time.monotonic()
            for line in list(self.lines):
                phase = line.look()
                if phase != "work" and now - line.since > self._until[phase]:
                    self._end(line)

    def relieve(self) -> None:
        """End who reads slowest, where all that was not read together is too much to hold."""
        unsent = 0
        for line in sorted(self.lines, key=lambda line: -line.since):  # who has read for longest is the last
            unsent += line.unsent
            if line.unsent and unsent > self._limits.unsent_bytes:
                self._end(line)


def _files() -> float:
    """Return how many files this process may open."""
    try:
        import resource  # noqa: PLC0415  (not on every system)
    except ImportError:
        return math.inf
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return math.inf if most == resource.RLIM_INFINITY else most


def _client(address: Any) -> str:
    """Return the address of a client; in IPv6 its network, which one client has whole."""
    found = ip_address(str(address[0]).partition("%")[0])
    return str(IPv6Address(int(found) >> 64 << 64)) if found.version == 6 and not found.ipv4_mapped else str(found)
