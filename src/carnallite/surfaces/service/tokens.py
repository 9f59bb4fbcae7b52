"""Who calls: the signed token of a client, checked before anything else is done.

CDS clients and those who call our FHIR operations show the same kind of token: one that they sign with a key of their
own, for one URL, for minutes, for one use. There are no passwords and no static keys: nothing that leaks works twice.
"""

from __future__ import annotations

import json
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

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from jwt import PyJWK

MOST_BYTES = 8192  # of a token
MOST_LIFE = 300  # [s] from its making to its end
SKEW = 10  # [s] by which clocks may differ
MOST_JTI = 256  # characters
FRESH = 600.0  # [s] a fetched set of keys is used before it is fetched again
PATIENCE = 30.0  # [s] between two attempts to fetch one set
LEAST_RSA = 2048  # bits

_FAR = 1e11  # [s] since 1970: year 5138
_CURVES = {"ES384": "P-384"}
_SHAPE = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_HEADER = {"alg", "kid", "typ", "jku", "x5t", "x5t#S256"}  # neither crit nor b64 nor keys inside a token
_PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}


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


def keys(data: bytes) -> Mapping[str, PyJWK]:
    """Return the keys of a JWKS by their ids: public ones that ES384 and RS384 can use.

    Raises
    ------
    ValueError
        It is no JWKS, holds a private or a symmetric key, or one id twice.
    """
    held = _plain(data)
    listed = held.get("keys")
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise ValueError("it is no JWKS: there is no list of keys")
    found: dict[str, PyJWK] = {}
    for one in listed:
        if one.keys() & _PRIVATE or one.get("kty") == "oct":
            raise ValueError("it holds a private or symmetric key")
        kid = one.get("kid")
        if not isinstance(kid, str) or (key := _usable(one)) is None:
            continue
        if kid in found:
            raise ValueError("it holds one key id twice")
        found[kid] = key
    return found


def _usable(one: dict[str, Any]) -> PyJWK | None:
    """Return a key with the one algorithm that it is for; None for keys of other kinds."""
    from jwt import PyJWK, PyJWTError  # noqa: PLC0415  (an extra; start-up stays fast)

    algorithm = {"EC": "ES384", "RSA": "RS384"}.get(str(one.get("kty")))
    is_ours = one.get("use", "sig") == "sig" and one.get("alg", algorithm) == algorithm
    if algorithm is None or not is_ours or "verify" not in one.get("key_ops", ["verify"]):
        return None
    if algorithm in _CURVES and one.get("crv") != _CURVES[algorithm]:
        return None
    try:
        key = PyJWK(one, algorithm)
    except PyJWTError:
        raise ValueError("a key cannot be read") from None
    return None if algorithm == "RS384" and key.key.key_size < LEAST_RSA else key


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
        return _plain(data)
    except ValueError:
        raise _refused("malformed") from None


def _plain(data: bytes) -> dict[str, Any]:
    """Return one JSON object in which no name stands twice and every number is one."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) != len(pairs):
            raise ValueError("a name stands twice")
        return dict(pairs)

    def no_number(_: str) -> None:
        raise ValueError("it holds what is no number")

    try:
        held = json.loads(data.decode("utf-8"), object_pairs_hook=once, parse_constant=no_number)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    if not isinstance(held, dict):
        raise ValueError("it is no object")  # noqa: TRY004  (one kind of failure)
    return held


def _refused(code: str) -> Refused:
    return Refused("token", code)
