"""Key sets (JWKS) of clients: public keys of the two algorithms that are allowed, and nothing else."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jwt import PyJWK

LEAST_RSA = 2048  # bits
_CURVES = {"ES384": "P-384"}
_PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}


def keys(data: bytes) -> Mapping[str, PyJWK]:
    """Return the keys of a JWKS by their ids: public ones that ES384 and RS384 can use.

    Raises
    ------
    ValueError
        It is no JWKS, holds a private or a symmetric key, or one id twice.
    """
    held = strict_object(data)
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


def strict_object(data: bytes) -> dict[str, Any]:
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
