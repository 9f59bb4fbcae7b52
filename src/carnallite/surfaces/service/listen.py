"""The service listens: one process or several, on loopback unless told, with TLS as it should be, and stops in time."""

from __future__ import annotations

import ctypes
import logging
import multiprocessing
import multiprocessing.connection
import signal
import socket
import ssl
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import uvicorn
from msgspec import Struct

from carnallite.errors import SettingError
from carnallite.surfaces.service.door import Door, Guarded, Limits

if TYPE_CHECKING:
    from collections.abc import Callable

AGAIN = 1.0  # [s] before a process that died is begun again
_MMAP_THRESHOLD = -3  # of mallopt
CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"


class Listening(Struct, frozen=True, kw_only=True):
    """Where and how to listen."""

    host: str = "127.0.0.1"
    port: int = 8080
    certificate: str = ""  # PEM with the whole chain
    key: str = ""
    client_authority: str = ""  # PEM; given, a client may show a certificate, and then one of these
    client_needed: bool = False  # whether it must
    limits: Limits = Limits()


def serve(build: Callable[[], Any], listening: Listening, processes: int = 1) -> None:
    """Listen until SIGTERM or SIGINT, then answer what is being answered, and return within ten seconds.

    Parameters
    ----------
    build : callable
        Makes the ASGI application, once in each process; with several it must be importable by its name.
    processes : int
        How many take calls. One that dies is begun again.

    Raises
    ------
    SettingError
        The address is taken, or a file of TLS cannot be used.
    """
    tls(listening)  # whatever is wrong is told before anything begins
    sockets = bind(listening)
    try:
        if processes == 1:
            _work(build, listening, sockets)
        else:
            _watch(build, listening, sockets, processes)
    finally:
        for one in sockets:
            one.close()


def bind(listening: Listening) -> list[socket.socket]:
    """Return the sockets of an address."""
    sockets: list[socket.socket] = []
    try:
        found = socket.getaddrinfo(listening.host, listening.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, *_, address in found:
            sockets.append(socket.create_server(address[:2], family=family, reuse_port=False))
    except OSError as error:
        for one in sockets:
            one.close()
        what = f"{listening.host}:{listening.port} cannot be listened on ({error.strerror})."
        raise SettingError("host", what, "Choose another port, or end what listens there.") from None
    return sockets


def tls(listening: Listening) -> ssl.SSLContext | None:
    """Return how to speak TLS: 1.2 or newer, forward secrecy always; None without a certificate."""
    if not listening.certificate:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(listening.certificate, listening.key or None)
        if listening.client_authority:
            context.load_verify_locations(listening.client_authority)
            context.verify_mode = ssl.CERT_REQUIRED if listening.client_needed else ssl.CERT_OPTIONAL
    except OSError:
        raise SettingError("tls", "a file cannot be used.", "Give chain, key and authority as PEM.") from None
    return context


class _Server(uvicorn.Server):
    """Uvicorn behind our door."""

    def __init__(self, config: uvicorn.Config, listening: Listening) -> None:
        super().__init__(config)
        self._listening = listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin: first the application, then the door."""
        await self.lifespan.startup()
        if self.lifespan.should_exit:
            raise SystemExit(uvicorn.config.STARTUP_FAILURE)
        self.servers = []
        self._door = Door(self._listening.limits, self._protocol, tls(self._listening))
        self._door.open(sockets or [])
        self.started = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more, then end what there is."""
        await self._door.close()
        await super().shutdown(sockets)

    def _protocol(self) -> Guarded:
        return Guarded(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)


def _work(build: Callable[[], Any], listening: Listening, sockets: list[socket.socket]) -> None:
    _hide_traces()
    _give_back()
    limits = listening.limits
    config = uvicorn.Config(
        build(), http=Guarded, ws="none", lifespan="on", loop="asyncio", log_config=None, access_log=False,
        proxy_headers=False, server_header=False, timeout_keep_alive=int(limits.idle_s) + 1,
        timeout_graceful_shutdown=limits.stopping_s,  # type: ignore[arg-type]  # a float serves as well
        h11_max_incomplete_event_size=limits.header_bytes,
    )  # fmt: skip
    for name in (signal.SIGTERM, signal.SIGINT):  # uvicorn stops at them, then hands them to whoever was there before
        signal.signal(name, lambda *_: None)
    _Server(config, listening).run(sockets)


def _watch(build: Callable[[], Any], listening: Listening, sockets: list[socket.socket], processes: int) -> None:
    """Keep processes alive that share one address, until told to stop."""
    context = multiprocessing.get_context("spawn")
    told, tell = socket.socketpair()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: tell.send(b"x"))

    def begun() -> Any:
        one = context.Process(target=_work, args=(build, listening, sockets))
        one.start()
        return one

    running = [begun() for _ in range(processes)]
    while told not in multiprocessing.connection.wait([told, *(one.sentinel for one in running)]):
        if told in multiprocessing.connection.wait([told], AGAIN):
            break
        running = [one if one.is_alive() else begun() for one in running]
    for one in running:
        one.terminate()
    for one in running:
        one.join(listening.limits.stopping_s + 1)
        one.kill()
        one.join()
    told.close()
    tell.close()


def _give_back() -> None:
    """Let large blocks go back to the system when they are free; glibc would keep them, 1.2 GB under slow readers."""
    with suppress(OSError, AttributeError):  # other systems have no such thing
        ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, 1 << 17)


def _hide_traces() -> None:
    """Let no failure write what it was working on into a log: kind and place of it are enough; and no noise at all."""

    def bare(record: logging.LogRecord) -> bool:
        if record.exc_info and record.exc_info[1] is not None:
            places = traceback.extract_tb(record.exc_info[2])
            place = f" in {places[-1].name}, line {places[-1].lineno}" if places else ""
            record.msg, record.args = f"{type(record.exc_info[1]).__name__}{place}", ()
            record.exc_info = record.exc_text = None
        return True

    for name in ("uvicorn.error", "asyncio"):
        logging.getLogger(name).addFilter(bare)
        logging.getLogger(name).setLevel(logging.ERROR)  # a line for each broken call would fill the disk
