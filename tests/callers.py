"""Clients of the service as tests need them: keys, key sets, and tokens of every kind, good and hostile."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

ISSUER = "https://ehr.example"
URL = "https://cds.example/cds-services/carnallite-patient-view"
JKU = "https://ehr.example/jwks.json"
LIFE = 300
HASH = hashes.SHA384()


@cache
def ec_key(name: str = "own", curve: type[ec.EllipticCurve] = ec.SECP384R1) -> ec.EllipticCurvePrivateKey:
    """Return a key, the same for the same name."""
    return ec.generate_private_key(curve())


@cache
def rsa_key(size: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, size)


def jwk(key: Any, kid: str) -> dict[str, Any]:
    """Return the public half of a key as a member of a JWKS."""
    kind = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
    return json.loads(kind.to_jwk(key.public_key())) | {"kid": kid, "use": "sig"}


def private(key: Any, kid: str) -> dict[str, Any]:
    """Return a whole key as a JWK."""
    kind = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
    return json.loads(kind.to_jwk(key)) | {"kid": kid}


def jwks(*members: dict[str, Any]) -> bytes:
    return json.dumps({"keys": members}).encode()


def public() -> bytes:
    """Return the key set of the one client whom tests allow."""
    return jwks(jwk(ec_key(), "ec"), jwk(rsa_key(), "rsa"))


def said(now: float, **other: Any) -> dict[str, Any]:
    """Return the claims of a good token; None leaves one out."""
    good = {"iss": ISSUER, "aud": URL, "iat": int(now), "exp": int(now) + LIFE, "jti": f"{now!r}-{len(other)}"}
    return {name: value for name, value in (good | other).items() if value is not None}


def token(claims: dict[str, Any], *, key: Any = None, alg: str = "ES384", **header: Any) -> str:
    """Return a signed token; a key id of None is left out."""
    kept = {name: value for name, value in ({"kid": "ec"} | header).items() if value is not None}
    return jwt.encode(claims, key or ec_key(), algorithm=alg, headers=kept)


def signature(data: bytes, key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return what ES384 signs, as a token holds it."""
    return ECAlgorithm(hashes.SHA384).sign(data, key)


def raw(header: Any, claims: Any, signature: bytes = b"x" * 96) -> str:
    """Return a token as somebody writes it by hand."""
    parts = (part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, claims))
    return ".".join(urlsafe_b64encode(part).rstrip(b"=").decode() for part in (*parts, signature))


def pem(key: Any) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
