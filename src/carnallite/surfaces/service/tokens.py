"""Who calls: the signed token of a client, checked before anything else is done.

CDS clients and those who call our FHIR operations show the same kind of token: one that they sign with a key of their
own, for one URL, for minutes, for one use. There are no passwords and no static keys: nothing that leaks works twice.
"""

from __future__ import annotations

import math
import re
import threading
import time
from base64 import urlsafe_b64decode
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from carnallite.errors import FetchFailed, Refused, SettingError
from carnallite.surfaces.service.keysets import keys, strict_object

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from jwt import PyJWK

MOST_BYTES = 8192  # of a token
MOST_LIFE = 300  # [s] from its making to its end
SKEW = 10  # [s] by which clocks may differ
MOST_JTI = 256  # characters
FRESH = 600.0  # [s] a fetched set of keys is used before it is fetched again
PATIENCE = 30.0  # [s] between two attempts to fetch one set

_FAR = 1e11  # [s] since 1970: year 5138
_SHAPE = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_HEADER = {"alg", "kid", "typ", "jku", "x5t", "x5t#S256"}  # neither crit nor b64 nor keys inside a token


class Client(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One who may call, as a site sets it up: name, keys given out of band, addresses of published keys."""

    issuer: str
    keys: str = ""  # path of a JWKS file with public keys
    jku: tuple[str, ...] = ()  # the only addresses at which keys are fetched


class Caller(Struct, frozen=True):
    """Who called: a client, and the key with which it signed."""

    issuer: str
    key: str


class Tokens:
    """Checks tokens.

    Parameters
    ----------
    clients : iterable of Client
        Who may call.
    remember : callable
        `Store.remember`: takes issuer, token id and until when it could be used; false where it was used before.
    fetch : callable, optional
        Returns the body of an allow-listed address (`Outward.keys`); without it only keys from files are known.
    """

    def __init__(
        self,
        clients: Iterable[Client],
        remember: Callable[[str, str, datetime], bool],
        fetch: Callable[[str], bytes] | None = None,
    ) -> None:
        self._clients: dict[str, Client] = {}
        for client in clients:
            if client.issuer in self._clients:
                raise SettingError("clients", f"two have the issuer '{client.issuer}'.", "Make it one.")
            self._clients[client.issuer] = client
        self._remember, self._fetch = remember, fetch
        self._files: dict[str, tuple[tuple[int, int], Mapping[str, PyJWK]]] = {}
        self._sets: dict[str, tuple[float, Mapping[str, PyJWK]]] = {}
        self._tried: dict[str, float] = {}
        self._lock = threading.Lock()
        for client in self._clients.values():
            if client.keys:
                self._filed(client.keys)

    def verify(self, authorizations: Sequence[str], url: str, now: datetime) -> Caller:
        """Return who calls, or raise.

        Parameters
        ----------
        authorizations : sequence of str
            Every Authorization header of the call; there must be exactly one.
        url : str
            The URL that was called, as callers know it: that is whom the token must be made for, letter by letter.
        now : datetime
            The time, aware.

        Raises
        ------
        Refused
            With a code for the audit log. The caller is told nothing but 401.
        StoreFailed
            It cannot be known whether the token was used before.
        """
        token = _bearer(authorizations)
        header = _json(_decoded(token.split(".")[0]))
        algorithm, kid = _header(header)
        said = _json(_decoded(token.split(".")[1]))
        client = self._clients.get(said["iss"]) if isinstance(said.get("iss"), str) else None
        if client is None:
            raise _refused("issuer")
        key = self._key(client, kid, header.get("jku"))
        if key.algorithm_name != algorithm:
            raise _refused("algorithm")
        said = _signed(token, key, algorithm)
        until = _claims(said, url, now)
        if not self._remember(client.issuer, said["jti"], until):
            raise _refused("replayed")
        return Caller(client.issuer, kid)

    def _key(self, client: Client, kid: str, jku: object) -> PyJWK:
        if jku is not None and jku not in client.jku:
            raise _refused("jku")
        try:
            found = self._filed(client.keys).get(kid) if client.keys else None
        except SettingError:
            raise _refused("keys_unreadable") from None
        if found:
            return found
        for url in (str(jku),) if jku is not None else client.jku:
            if found := self._fetched(url, kid):
                return found
        raise _refused("key")

    def _filed(self, path: str) -> Mapping[str, PyJWK]:
        """Return the keys of a file, read again when it has changed: a key is withdrawn at once."""
        try:
            state = Path(path).stat()
            stamp = (state.st_mtime_ns, state.st_size)
            known = self._files.get(path)
            if known is None or known[0] != stamp:
                known = self._files[path] = (stamp, keys(Path(path).read_bytes()))
        except OSError:
            raise SettingError(
                "clients", f"the file of keys '{path}' cannot be read.", "Check path and rights."
            ) from None
        except ValueError as error:
            raise SettingError("clients", f"the file of keys '{path}' cannot be used: {error}.", "") from None
        return known[1]

    def _fetched(self, url: str, kid: str) -> PyJWK | None:
        """Return a published key; a set is fetched at most every half minute, whatever is asked."""
        with self._lock:
            at, known = self._sets.get(url, (-math.inf, {}))
            age, waited = time.monotonic() - at, time.monotonic() - self._tried.get(url, -math.inf)
            if (age > FRESH or kid not in known) and waited > PATIENCE and self._fetch is not None:
                self._tried[url] = time.monotonic()
                try:
                    known = keys(self._fetch(url))
                    self._sets[url] = (time.monotonic(), known)
                except (FetchFailed, ValueError):
                    known = known if age <= FRESH else {}
            return known.get(kid)


def _bearer(authorizations: Sequence[str]) -> str:
    if len(authorizations) != 1:
        raise _refused("two_tokens" if authorizations else "no_token")
    scheme, _, token = authorizations[0].partition(" ")
    if scheme.lower() != "bearer":
        raise _refused("not_bearer")
    if len(token) > MOST_BYTES:
        raise _refused("too_long")
    if not _SHAPE.fullmatch(token):
        raise _refused("malformed")
    return token


def _header(header: dict[str, Any]) -> tuple[str, str]:
    """Return algorithm and key id of a header that holds nothing which we do not know."""
    algorithm, kid = header.get("alg"), header.get("kid")
    if algorithm not in ("ES384", "RS384"):
        raise _refused("algorithm")
    if header.keys() - _HEADER or str(header.get("typ", "")).upper() != "JWT":
        raise _refused("header")
    if not isinstance(kid, str) or not kid:
        raise _refused("kid")
    return algorithm, kid


def _signed(token: str, key: PyJWK, algorithm: str) -> dict[str, Any]:
    """Return what a token says, once its signature holds."""
    from jwt import PyJWS, PyJWTError  # noqa: PLC0415

    try:
        return _json(PyJWS().decode(token, key.key, algorithms=[algorithm]))
    except (PyJWTError, ValueError, TypeError):
        raise _refused("signature") from None


def _claims(said: dict[str, Any], url: str, now: datetime) -> datetime:
    """Return until when a token could be used, if it is for this URL and this time."""
    if said.get("aud") != url:
        raise _refused("audience")
    jti = said.get("jti")
    if not isinstance(jti, str) or not 1 <= len(jti) <= MOST_JTI:
        raise _refused("claims")
    ends, made, starts = (_moment(said.get(name)) for name in ("exp", "iat", "nbf"))
    if ends is None or made is None or (starts is None and "nbf" in said):
        raise _refused("claims")
    moment = now.timestamp()
    if ends <= moment:
        raise _refused("expired")
    if max(made, starts or made) > moment + SKEW:
        raise _refused("early")
    if not 0 < ends - made <= MOST_LIFE:
        raise _refused("lifetime")
    return datetime.fromtimestamp(ends, UTC)


def _moment(value: object) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < _FAR
    return float(value) if is_number else None  # type: ignore[arg-type]


def _decoded(part: str) -> bytes:
    try:
        return urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except ValueError:
        raise _refused("malformed") from None


def _json(data: bytes) -> dict[str, Any]:
    try:
        return strict_object(data)
    except ValueError:
        raise _refused("malformed") from None


def _refused(code: str) -> Refused:
    return Refused("token", code)
