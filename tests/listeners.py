"""Small servers of tests, on this machine: what they answer, and what they were asked."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Answer = Callable[["Asked"], tuple[int, dict[str, str], bytes]]


class Asked(BaseHTTPRequestHandler):
    """One request; the answer of a test decides."""

    protocol_version = "HTTP/1.1"
    answer: Any
    seen: list[Asked]

    def do_GET(self) -> None:
        self.sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.seen.append(self)
        status, headers, body = type(self).answer(self)
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            if value:
                self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    do_POST = do_DELETE = do_GET  # noqa: N815  (names of the library)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def listening(answer: Answer, tls: ssl.SSLContext | None = None) -> Iterator[tuple[str, list[Asked]]]:
    """Yield address and requests of a server on loopback."""
    kind = type("Asked", (Asked,), {"answer": staticmethod(answer), "seen": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # who hangs up is part of the tests
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}", kind.seen  # type: ignore[attr-defined]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def saying(talk: Callable[[socket.socket], None]) -> Iterator[str]:
    """Yield the address of a server that says whatever a test wants, in whatever way."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            line, _ = server.accept()
            with line, suppress(OSError):
                talk(line)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        thread.join(5)


def certificate(folder: Path, name: str = "127.0.0.1") -> tuple[Path, Path]:
    """Write a certificate for a name, signed by itself, and its key; return both paths."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    alternative = x509.IPAddress(ipaddress.ip_address(name)) if name[0].isdigit() else x509.DNSName(name)
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder().subject_name(who).issuer_name(who).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1)).add_extension(x509.SubjectAlternativeName([alternative]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True).sign(key, hashes.SHA256())
    )  # fmt: skip
    paths = folder / f"{name}.pem", folder / f"{name}.key"
    paths[0].write_bytes(made.public_bytes(Encoding.PEM))
    paths[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return paths
