"""The door: slow, greedy and broken clients are ended; whoever behaves is answered meanwhile."""

from __future__ import annotations

import http.client
import os
import resource
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

import listeners
import servers
import tiny
from carnallite.errors import SettingError
from carnallite.surfaces.service import door
from carnallite.surfaces.service.door import Door, Limits
from carnallite.surfaces.service.listen import Listening, bind, tls

TINY = Path(tiny.__file__)
QUICK = ("header_s=0.4", "body_s=0.5", "idle_s=0.6", "reading_s=0.5", "connections=40", "of_one_client=20")


class Serving:
    """The small application in a process of its own."""

    def __init__(self, *limits: str, processes: int = 1, files: int = 0, **environment: str) -> None:
        self.port = servers.free_port()
        limit = ["bash", "-c", f'ulimit -n {files} && exec "$@"', "-"] if files else []
        self.process = subprocess.Popen(
            [*limit, sys.executable, TINY, str(self.port), str(processes), *limits],
            env=os.environ | environment | {"PYTHONPATH": str(TINY.parent)}, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def line(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=5)

    def ask(self, path: str = "/", timeout: float = 5, **more: Any) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request("POST" if "body" in more else "GET", path, **more)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


@contextmanager
def serving(*limits: str, **more: Any) -> Iterator[Serving]:
    here = Serving(*limits, **more)
    try:
        for _ in range(200):
            with suppress(OSError), here.line() as line:
                line.sendall(b"GET / HTTP/1.0\r\n\r\n")
                line.recv(99)
                break
            time.sleep(0.05)
        yield here
    finally:
        here.process.kill()
        here.process.wait()
        here.process.stderr.close()


@pytest.fixture(scope="module")
def quick() -> Iterator[Serving]:
    with serving(*QUICK) as here:
        yield here


def ended(line: socket.socket, within: float) -> bool:
    """Return whether the other side ends a line in time."""
    line.settimeout(within)
    try:
        while line.recv(65536):
            pass
    except TimeoutError:
        return False
    except OSError:
        pass
    return True


@pytest.mark.parametrize(
    "sent",
    [b"\r\n", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nX: ",
     b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n",
     b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
     b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HT"],
)  # fmt: skip
def test_h58_lines_that_only_wait_are_ended(quick: Serving, sent: bytes) -> None:
    with quick.line() as line:
        line.sendall(sent)
        began = time.monotonic()
        assert ended(line, 3)
        assert time.monotonic() - began < 1.4
    assert quick.ask()[0] == 200


@pytest.mark.skipif(not hasattr(socket, "TCP_DEFER_ACCEPT"), reason="the kernel of this system keeps no lines")
def test_h58_lines_of_which_nothing_is_heard_cost_next_to_nothing(quick: Serving) -> None:
    held = [quick.line() for _ in range(30)]
    open_files = len(list(Path(f"/proc/{quick.process.pid}/fd").iterdir()))
    assert open_files < 30, "the kernel keeps them"
    assert quick.ask()[0] == 200
    assert ended(held[0], 8), "and hands them over in the end"
    for line in held:
        line.close()


@pytest.mark.parametrize(
    "start", [b"GET / HTTP/1.1\r\nX: ", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 999\r\n\r\n"]
)
def test_h58_lines_that_trickle_are_ended(quick: Serving, start: bytes) -> None:
    with quick.line() as line:
        line.sendall(start)
        began = time.monotonic()
        with suppress(OSError):
            for _ in range(100):
                line.sendall(b"x")
                time.sleep(0.03)
        assert time.monotonic() - began < 1.5


def test_h58_who_does_not_read_is_ended(quick: Serving) -> None:
    with quick.line() as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.sendall(b"GET /much?4000000 HTTP/1.1\r\nHost: x\r\n\r\n")
        began, taken = time.monotonic(), 0
        with suppress(OSError):
            while part := line.recv(4096):
                taken += len(part)
                time.sleep(0.02)
        assert time.monotonic() - began < 10
        assert taken < 3_900_000


def test_h58_what_nobody_reads_is_bounded_in_all() -> None:
    with serving("unsent_bytes=9000000") as here:
        lines = [here.line() for _ in range(12)]
        for line in lines:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            line.sendall(b"GET /much?4000000 HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(0.5)
        assert here.ask() == (200, b"0")
        whole = [len(taken(line)) > 4_000_000 for line in lines]
        assert 1 <= sum(whole) <= 4, "those who came last"
        assert whole[-1]


def taken(line: socket.socket) -> bytes:
    line.settimeout(0.5)
    found = b""
    with suppress(OSError), line:
        while part := line.recv(1 << 20):
            found += part
    return found


def test_our_own_work_has_no_deadline_here(quick: Serving) -> None:
    assert quick.ask("/sleep?1.5") == (200, b"0")


def test_a_line_that_is_used_again_and_again_stays(quick: Serving) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", quick.port, timeout=5)
    for _ in range(12):
        connection.request("GET", "/")
        line = connection.sock
        assert connection.getresponse().read() == b"0"
        assert connection.sock is line
        time.sleep(0.15)
    connection.close()


def test_h58_headers_have_a_size(quick: Serving) -> None:
    assert quick.ask(headers={"X": "a" * 8000})[0] == 200
    with pytest.raises((http.client.HTTPException, OSError)), quick.line() as line:
        line.sendall(b"GET / HTTP/1.1\r\nX: " + b"a" * 200_000)
        assert line.recv(99).startswith(b"HTTP/1.1 400")
        raise http.client.HTTPException


def test_h58_a_body_that_is_too_large_gets_its_answer_and_then_the_end(quick: Serving) -> None:
    assert quick.ask(body=b"x" * 5_500_000)[0] == 413
    with quick.line() as line:
        line.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 200000000\r\n\r\n")
        sent = 0
        with suppress(OSError):
            while sent < 200_000_000:
                sent += line.send(b"x" * 65536)
        assert sent < 40_000_000
    assert quick.ask()[0] == 200


def test_h58_whoever_holds_many_lines_holds_out_nobody(quick: Serving) -> None:
    held = [quick.line() for _ in range(60)]
    for line in held:
        line.sendall(b"GET / HTTP/1.1\r\n")
    began = time.monotonic()
    assert quick.ask()[0] == 200
    assert time.monotonic() - began < 1
    for line in held:
        line.close()


def test_what_is_being_worked_on_never_gives_way(quick: Serving) -> None:
    working = [quick.line() for _ in range(20)]
    for line in working:
        line.sendall(b"GET /sleep?1 HTTP/1.1\r\nHost: x\r\n\r\n")
    time.sleep(0.2)
    with quick.line() as late:
        late.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert late.recv(999).startswith(b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1")
    for line in working:
        assert line.recv(999).startswith(b"HTTP/1.1 200")
        line.close()


def test_h58_few_file_descriptors_are_enough() -> None:
    with serving(files=128) as here:
        held = [here.line() for _ in range(150)]
        for line in held:
            line.sendall(b"GET / HTTP/1.1\r\n")
        began = time.monotonic()
        assert here.ask()[0] == 200
        assert time.monotonic() - began < 1
        for line in held:
            line.close()


def test_as_many_files_as_one_likes_are_no_hindrance(monkeypatch: Any) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert Door(Limits(), lambda: None, None)._most == Limits().connections  # type: ignore[arg-type, return-value]
    monkeypatch.setattr(resource, "getrlimit", lambda _: (64, 64))
    assert Door(Limits(), lambda: None, None)._most == door.LEAST  # type: ignore[arg-type, return-value]


def test_noise_fills_no_log() -> None:
    with serving() as here:
        for _ in range(20):
            with here.line() as line:
                line.sendall(b"\x16\x03\x01 noise\r\n\r\n")
                assert line.recv(99).startswith(b"HTTP/1.1 400")
        here.process.send_signal(signal.SIGTERM)
        here.process.wait(10)
        assert here.process.stderr.read() == ""


@pytest.mark.parametrize("processes", [1, 2])
def test_sigterm_answers_what_is_being_answered(processes: int) -> None:
    with serving(*QUICK, processes=processes) as here, here.line() as line, here.line() as idle:
        idle.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert idle.recv(999).startswith(b"HTTP/1.1 200")
        line.sendall(b"GET /sleep?1 HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(0.3)
        here.process.send_signal(signal.SIGTERM)
        assert line.recv(999).startswith(b"HTTP/1.1 200")
        assert ended(idle, 3)
        assert here.process.wait(10) == 0
        with pytest.raises(OSError, match="refused"):
            here.line()


def test_sigterm_does_not_wait_for_ever() -> None:
    with serving("stopping_s=1") as here, here.line() as line:
        line.sendall(b"GET /sleep?60 HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(0.2)
        here.process.send_signal(signal.SIGTERM)
        assert here.process.wait(10) == 0


def test_a_process_that_dies_is_begun_again() -> None:
    with serving(processes=2) as here:
        first = int(here.ask("/pid")[1])
        os.kill(first, signal.SIGKILL)
        time.sleep(2.5)
        pids = {int(here.ask("/pid")[1]) for _ in range(40)}
        assert first not in pids
        assert here.process.poll() is None


def test_a_failure_is_told_without_what_it_was_about() -> None:
    with serving() as here:
        assert here.ask("/fail") == (500, b"Internal Server Error")
        here.process.send_signal(signal.SIGTERM)
        here.process.wait(10)
        told = here.process.stderr.read()
    assert "Anna" not in told


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_tls_is_of_today(tmp_path: Path) -> None:
    own, key = map(str, listeners.certificate(tmp_path))
    with serving("header_s=0.5", "of_one_client=20", PEM=own, KEY=key) as here:
        good = ssl.create_default_context(cafile=own)
        with here.line() as line, good.wrap_socket(line, server_hostname="127.0.0.1") as secure:
            assert secure.version() == "TLSv1.3"
            secure.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert secure.recv(99).startswith(b"HTTP/1.1 200")
        for change in ({"maximum_version": ssl.TLSVersion.TLSv1_1}, {"ciphers": "AES128-SHA:AES256-GCM-SHA384"}):
            with here.line() as line, pytest.raises(OSError):
                old(own, **change).wrap_socket(line, server_hostname="127.0.0.1")
        held = [here.line() for _ in range(40)]  # nobody shakes hands to the end
        for line in held:
            line.sendall(b"\x16\x03\x01")
        with here.line() as line, good.wrap_socket(line, server_hostname="127.0.0.1") as secure:
            secure.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert secure.recv(99).startswith(b"HTTP/1.1 200")
        assert all(ended(line, 2) for line in held)
        for line in held:
            line.close()


def old(own: str, maximum_version: Any = ssl.TLSVersion.TLSv1_2, ciphers: str = "ALL:@SECLEVEL=0") -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=own)
    context.set_ciphers(ciphers)
    with suppress(ValueError):
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.maximum_version = maximum_version
    return context


def test_a_client_shows_a_certificate_where_it_must(tmp_path: Path) -> None:
    own, key = map(str, listeners.certificate(tmp_path))
    mine, my_key = map(str, listeners.certificate(tmp_path, "client.example"))
    with serving(PEM=own, KEY=key, CA=mine) as here:
        context = ssl.create_default_context(cafile=own)
        with (
            pytest.raises(OSError),
            here.line() as line,
            context.wrap_socket(line, server_hostname="127.0.0.1") as bare,
        ):
            bare.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert bare.recv(99) == b"", "TLS 1.3 tells it at the first read"
            raise OSError
        context.load_cert_chain(mine, my_key)
        with here.line() as line, context.wrap_socket(line, server_hostname="127.0.0.1") as known:
            known.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert known.recv(99).startswith(b"HTTP/1.1 200")


def test_wrong_settings_are_told_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="tls"):
        tls(Listening(certificate=str(tmp_path / "none")))
    (taken,) = bind(Listening(port=0))
    with pytest.raises(SettingError, match="cannot be listened on"):
        bind(Listening(port=taken.getsockname()[1]))
    taken.close()
