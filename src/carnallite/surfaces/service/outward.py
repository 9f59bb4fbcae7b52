"""Every call that the service makes to another server: only to addresses that a site has listed, and never further.

An address is compared letter by letter with the list. Its host is resolved once, every address found must be a public
one or lie in a network that the site names, and the connection goes to the very address that was checked: a name that
changes its meaning meanwhile changes nothing. There are no redirects, no proxies and no compression; size and time of
an answer are bounded as a whole.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from contextlib import closing, contextmanager, suppress
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from queue import Empty, SimpleQueue
from threading import Thread, Timer
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from msgspec import Struct

from carnallite.errors import FetchFailed, SettingError
from carnallite.surfaces.service.addresses import Target, base, target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    Address = IPv4Address | IPv6Address
    Network = IPv4Network | IPv6Network

DEADLINE = 2.0  # [s] for the whole of a call
MOST_BYTES = 5_000_000
_FHIR = ("application/fhir+json", "application/json")
_JSON = ("application/json", "application/jwk-set+json")

_LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
_NEVER = tuple(  # tunnels into other networks, and what some versions of Python call public
    ip_network(one) for one in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::/96", "192.0.0.0/24")
)


class Answer(Struct, frozen=True):
    """What another server answered."""

    status: int
    body: bytes
    headers: dict[str, str]  # names in small letters


class Outward:
    """Calls other servers.

    Parameters
    ----------
    bases : iterable of str
        The addresses that may be called, and all below them.
    networks : iterable of str, optional
        Networks of the house (``10.20.0.0/16``) in which they may lie; without it only public addresses are called.
    loopback : bool, optional
        Whether they may lie on this machine, and be called without TLS there: for tests and a proxy on the machine.
    authority : str, optional
        File with the certificates of the house's own authority.
    deadline : float, optional
        [s] For the whole of a call.
    resolve : callable, optional
        Finds the addresses of a host, as `socket.getaddrinfo`.

    Raises
    ------
    SettingError
        An address of the list, a network or a file cannot be used.
    """

    def __init__(
        self,
        bases: Iterable[str],
        *,
        networks: Iterable[str] = (),
        loopback: bool = False,
        authority: str = "",
        deadline: float = DEADLINE,
        resolve: Callable[..., list[Any]] = socket.getaddrinfo,
    ) -> None:
        self._loopback, self._deadline, self._resolve = loopback, deadline, resolve
        try:
            self._networks = (*map(ip_network, networks), *(_LOOPBACK * loopback))
            self._bases = tuple(base(one) for one in bases)
            self._tls = ssl.create_default_context(cafile=authority or None)
        except FetchFailed:
            raise SettingError(
                "addresses", "one of the list is no plain address.", "Write https://host/path."
            ) from None
        except ValueError:
            raise SettingError("networks", "one is no network.", "Write it like 10.20.0.0/16.") from None
        except OSError:
            raise SettingError("authority", f"'{authority}' cannot be read.", "Give certificates as PEM.") from None
        self._tls.minimum_version = ssl.TLSVersion.TLSv1_2

    def within(self, url: str) -> bool:
        """Return whether an address may be called, as far as it can be known before its host is resolved."""
        try:
            self._listed(url)
        except FetchFailed:
            return False
        return True

    def get(self, url: str, token: str = "") -> bytes:
        """Return a FHIR resource.

        Parameters
        ----------
        token : str
            Access token for the server, shown to nobody else.

        Raises
        ------
        FetchFailed
            With a code: ``url``, ``not_listed``, ``plain``, ``address``, ``late``, ``redirect``, ``kind``, ``size``,
            ``broken``, or ``status_404``.
        """
        return self.ask("GET", url, token=token, kinds=_FHIR).body

    def keys(self, url: str) -> bytes:
        """Return a published set of keys, as `get` does."""
        return self.ask("GET", url, kinds=_JSON).body

    def post(self, url: str, form: Mapping[str, str]) -> bytes:
        """Send a form and return the JSON that comes back, as `get` does."""
        return self.ask("POST", url, body=urlencode(form).encode(), kinds=_JSON).body

    def ask(
        self,
        method: str,
        url: str,
        *,
        token: str = "",
        body: bytes | None = None,
        kinds: tuple[str, ...] = (),
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Make one call and return its answer, as `get` does."""
        sent = dict(headers or {})
        if body is not None:
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        with self.open(method, url, token=token, body=body, kinds=kinds, headers=sent) as answer:
            if (answer.length or 0) > MOST_BYTES:
                raise _failed("size")
            data = answer.read(MOST_BYTES + 1)
            if len(data) > MOST_BYTES:
                raise _failed("size")
            if answer.length:
                raise _failed("broken")
            return Answer(answer.status, data, {name.lower(): value for name, value in answer.getheaders()})

    @contextmanager
    def open(
        self,
        method: str,
        url: str,
        *,
        token: str = "",
        body: bytes | None = None,
        kinds: tuple[str, ...] = (),
        headers: Mapping[str, str],
    ) -> Iterator[http.client.HTTPResponse]:
        """Make one call and hand over its answer to be read; the deadline holds until the end of the block."""
        to, ends = self._listed(url), time.monotonic() + self._deadline
        sent = {"Accept": ", ".join(kinds or _FHIR), "Accept-Encoding": "identity", "User-Agent": "carnallite"}
        sent |= {"Authorization": f"Bearer {token}"} if token else {}
        try:
            with self._connected(to, ends) as connection:
                connection.request(method, (to.path or "/") + to.query, body=body, headers=sent | dict(headers))
                with closing(connection.getresponse()) as answer:
                    _accepted(answer, kinds)
                    yield answer
                if time.monotonic() >= ends:  # what has no length could have been cut unseen
                    raise _failed("late")
        except FetchFailed as failed:
            raise _failed("late" if time.monotonic() >= ends else failed.code) from None
        except (OSError, http.client.HTTPException, ValueError):  # ValueError: what is closed while it is read
            raise _failed("late" if time.monotonic() >= ends else "broken") from None

    def _listed(self, url: str) -> Target:
        to = target(url)
        if to.scheme == "http" and not self._loopback:
            raise _failed("plain")
        for one in self._bases:
            same = (to.scheme, to.host, to.port) == (one.scheme, one.host, one.port)
            if same and (to.path == one.path or to.path.startswith(f"{one.path}/")):
                return to
        raise _failed("not_listed")

    @contextmanager
    def _connected(self, to: Target, ends: float) -> Iterator[http.client.HTTPConnection]:
        """Connect to a checked address; at the deadline the line is cut, whatever is being waited for."""
        line = self._line(to, ends)
        watch = Timer(max(0.0, ends - time.monotonic()), _cut, (line,))
        watch.daemon = True
        watch.start()
        try:
            if to.scheme == "https":
                line = self._tls.wrap_socket(line, server_hostname=to.host, do_handshake_on_connect=False,
                                             suppress_ragged_eofs=False)  # fmt: skip
                watch.args = (line,)
                line.do_handshake()
            connection = http.client.HTTPConnection(to.host, to.port)
            if (to.scheme, to.port) == ("https", 443):
                connection.default_port = 443  # so that the Host header holds no port
            connection.sock = line
            yield connection
        finally:
            watch.cancel()
            line.close()

    def _line(self, to: Target, ends: float) -> socket.socket:
        for address in self._addresses(to, ends):
            with suppress(ConnectionError):
                line = socket.create_connection((str(address), to.port), timeout=max(0.001, ends - time.monotonic()))
                line.settimeout(max(0.001, ends - time.monotonic()))
                return line
        raise _failed("broken")

    def _addresses(self, to: Target, ends: float) -> list[Address]:
        """Return the addresses of a host, if every one of them may be called."""
        told: SimpleQueue[list[Any] | None] = SimpleQueue()
        Thread(target=self._look_up, args=(to, told), daemon=True).start()  # it may hang, and then nobody waits for it
        try:
            looked = told.get(timeout=max(0.0, ends - time.monotonic()))
        except Empty:
            raise _failed("late") from None
        found = [ip_address(str(one[4][0]).partition("%")[0]) for one in looked or ()]
        if looked is None:
            raise _failed("broken")
        if not found or not all(self._may(address, to.scheme) for address in found):
            raise _failed("address")
        return list(dict.fromkeys(found))

    def _look_up(self, to: Target, told: SimpleQueue[list[Any] | None]) -> None:
        try:
            told.put(self._resolve(to.host, to.port, type=socket.SOCK_STREAM))
        except (OSError, ValueError):
            told.put(None)

    def _may(self, address: Address, scheme: str) -> bool:
        plain = getattr(address, "ipv4_mapped", None) or address
        if scheme == "http":
            return self._loopback and plain.is_loopback
        if any(plain in network for network in self._networks):
            return True
        return plain.is_global and not plain.is_multicast and not any(plain in network for network in _NEVER)


def _accepted(answer: http.client.HTTPResponse, kinds: tuple[str, ...]) -> None:
    """Raise unless an answer is one that can be read: no redirect, no failure, of a kind that was asked for."""
    if 300 <= answer.status < 400:
        raise _failed("redirect")
    if answer.status >= 400 or answer.status < 200:
        raise _failed(f"status_{answer.status}")
    if answer.getheader("Content-Encoding", "identity").lower() != "identity":
        raise _failed("kind")
    if kinds and answer.getheader("Content-Type", "").partition(";")[0].strip().lower() not in kinds:
        raise _failed("kind")


def _cut(line: socket.socket) -> None:
    with suppress(OSError):
        socket.socket.shutdown(line, socket.SHUT_RDWR)  # past TLS, which would wait for the other side


def _failed(code: str) -> FetchFailed:
    return FetchFailed("fetch", code)
