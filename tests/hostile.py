"""Tokens that must be refused, each with the code under which it is audited; made for `callers.URL` at `NOW`."""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import urlsafe_b64encode
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

import callers
from callers import ISSUER, JKU, URL, ec_key, jwk, raw, rsa_key, said, token
from carnallite.surfaces.service.tokens import MOST_BYTES

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
AT = NOW.timestamp()
HEADER = {"alg": "ES384", "typ": "JWT", "kid": "ec"}


def shown(text: str) -> list[str]:
    return [f"Bearer {text}"]


def by_public_key() -> str:
    """Return a token with an HMAC whose key is the public key: what a careless verifier accepts."""
    head, body, _ = raw({"alg": "HS256", "typ": "JWT", "kid": "ec"}, said(AT)).split(".")
    made = hmac.new(callers.pem(ec_key()), f"{head}.{body}".encode(), hashlib.sha256).digest()
    return f"{head}.{body}.{urlsafe_b64encode(made).rstrip(b'=').decode()}"


def other_body(text: str) -> str:
    """Return a token whose claims were exchanged after it was signed."""
    head, _, signature = text.split(".")
    return f"{head}.{raw({}, said(AT, jti='other')).split('.')[1]}.{signature}"


P256 = ec_key("p256", ec.SECP256R1)
HOSTILE: dict[str, tuple[Any, str]] = {
    "no header at all": ([], "no_token"),
    "two headers": (lambda: shown(token(said(AT))) * 2, "two_tokens"),
    "two tokens in one header": (lambda: [f"Bearer {token(said(AT))}, Bearer {token(said(AT))}"], "malformed"),
    "password": (["Basic dXNlcjpwYXNz"], "not_bearer"),
    "nothing behind bearer": (["Bearer "], "malformed"),
    "no token": (["Bearer hello"], "malformed"),
    "none": (lambda: shown(raw(HEADER | {"alg": "none"}, said(AT))), "algorithm"),
    "none without signature": (lambda: shown(raw(HEADER | {"alg": "none"}, said(AT), b"")), "malformed"),
    "nOnE": (lambda: shown(raw(HEADER | {"alg": "nOnE"}, said(AT))), "algorithm"),
    "no algorithm": (lambda: shown(raw({"typ": "JWT", "kid": "ec"}, said(AT))), "algorithm"),
    "algorithm is a list": (lambda: shown(raw(HEADER | {"alg": ["ES384"]}, said(AT))), "algorithm"),
    "hmac with the public key": (lambda: shown(by_public_key()), "algorithm"),
    "rs256": (lambda: shown(token(said(AT), key=rsa_key(), alg="RS256", kid="rsa")), "algorithm"),
    "ps384": (lambda: shown(token(said(AT), key=rsa_key(), alg="PS384", kid="rsa")), "algorithm"),
    "es256": (lambda: shown(token(said(AT), key=P256, alg="ES256")), "algorithm"),
    "algorithm of the other key": (lambda: shown(token(said(AT), key=rsa_key(), alg="RS384")), "algorithm"),
    "wrong curve": (lambda: shown(raw(HEADER, said(AT), P256.sign(b"x", ec.ECDSA(callers.HASH)))), "signature"),
    "somebody else's key": (lambda: shown(token(said(AT), key=ec_key("other"))), "signature"),
    "signature cut": (lambda: shown(token(said(AT))[:-8]), "signature"),
    "signature of zeros": (lambda: shown(raw(HEADER, said(AT), bytes(96))), "signature"),
    "signature as der": (lambda: shown(raw(HEADER, said(AT), b"\x30\x06\x02\x01\x01\x02\x01\x01")), "signature"),
    "claims exchanged": (lambda: shown(other_body(token(said(AT)))), "signature"),
    "no key id": (lambda: shown(token(said(AT), kid=None)), "kid"),
    "unknown key id": (lambda: shown(token(said(AT), kid="none of ours")), "key"),
    "key id is a path": (lambda: shown(token(said(AT), kid="../../dev/null")), "key"),
    "unknown issuer": (lambda: shown(token(said(AT, iss="https://evil.example"))), "issuer"),
    "issuer with a slash": (lambda: shown(token(said(AT, iss=f"{ISSUER}/"))), "issuer"),
    "issuer is a list": (lambda: shown(raw(HEADER, said(AT) | {"iss": [ISSUER]})), "issuer"),
    "no issuer": (lambda: shown(token(said(AT, iss=None))), "issuer"),
    "foreign jku": (lambda: shown(token(said(AT), jku="https://evil.example/jwks.json")), "jku"),
    "jku with a prefix of ours": (lambda: shown(token(said(AT), jku=f"{JKU}.evil.example")), "jku"),
    "jku to loopback": (lambda: shown(token(said(AT), jku="http://127.0.0.1/jwks.json")), "jku"),
    "jku to link-local": (lambda: shown(token(said(AT), jku="http://169.254.169.254/latest")), "jku"),
    "jku is a list": (lambda: shown(raw(HEADER | {"jku": [JKU]}, said(AT))), "jku"),
    "wrong audience": (lambda: shown(token(said(AT, aud="https://cds.example/cds-services/other"))), "audience"),
    "audience in an array": (lambda: shown(token(said(AT, aud=[URL]))), "audience"),
    "audience is a prefix": (lambda: shown(token(said(AT, aud="https://cds.example/"))), "audience"),
    "audience is longer": (lambda: shown(token(said(AT, aud=f"{URL}/feedback"))), "audience"),
    "audience in capitals": (lambda: shown(token(said(AT, aud=URL.upper()))), "audience"),
    "no audience": (lambda: shown(token(said(AT, aud=None))), "audience"),
    "expired": (lambda: shown(token(said(AT - 301))), "expired"),
    "ends this second": (lambda: shown(token(said(AT - 300))), "expired"),
    "ends years ahead": (lambda: shown(token(said(AT, exp=int(AT) + 10**8))), "lifetime"),
    "ends in six minutes": (lambda: shown(token(said(AT, exp=int(AT) + 360))), "lifetime"),
    "ends before it was made": (lambda: shown(token(said(AT, iat=int(AT) + 9, exp=int(AT) + 5))), "lifetime"),
    "made in the future": (lambda: shown(token(said(AT, iat=int(AT) + 60))), "early"),
    "made later and long": (lambda: shown(token(said(AT + 3600))), "early"),
    "begins later": (lambda: shown(token(said(AT, nbf=int(AT) + 60))), "early"),
    "begin is a text": (lambda: shown(raw_signed(said(AT) | {"nbf": "now"})), "claims"),
    "no end": (lambda: shown(token(said(AT, exp=None))), "claims"),
    "no making": (lambda: shown(token(said(AT, iat=None))), "claims"),
    "no id": (lambda: shown(token(said(AT, jti=None))), "claims"),
    "empty id": (lambda: shown(token(said(AT, jti=""))), "claims"),
    "id of a thousand letters": (lambda: shown(token(said(AT, jti="x" * 1000))), "claims"),
    "id is a number": (lambda: shown(raw_signed(said(AT) | {"jti": 7})), "claims"),
    "end is a text": (lambda: shown(raw_signed(said(AT) | {"exp": str(int(AT) + 60)})), "claims"),
    "end is true": (lambda: shown(raw_signed(said(AT) | {"exp": True})), "claims"),
    "end without end": (lambda: shown(raw_signed(said(AT) | {"exp": 10**400})), "claims"),
    "end is no number": (lambda: shown(raw_signed(json.dumps(said(AT) | {"exp": float("nan")}).encode())), "malformed"),
    "end stands twice": (
        lambda: shown(raw_signed(json.dumps(said(AT)).encode()[:-1] + b', "exp": 99999999999}')), "malformed"),
    "critical header": (lambda: shown(raw_signed(said(AT), crit=["exp"])), "header"),
    "payload not encoded": (lambda: shown(raw_signed(said(AT), b64=False)), "header"),
    "nested": (lambda: shown(raw_signed(said(AT), cty="JWT")), "header"),
    "encrypted": (["Bearer a.b.c.d.e"], "malformed"),
    "brings its own key": (lambda: shown(raw_signed(said(AT), jwk=jwk(ec_key("other"), "ec"))), "header"),
    "brings a chain": (lambda: shown(raw_signed(said(AT), x5u="https://evil.example/chain.pem")), "header"),
    "another type": (lambda: shown(raw_signed(said(AT), typ="at+jwt")), "header"),
    "no type": (lambda: shown(raw({"alg": "ES384", "kid": "ec"}, said(AT))), "header"),
    "oversized": (lambda: shown(token(said(AT, pad="x" * MOST_BYTES))), "too_long"),
    "nested deep": (lambda: shown(raw(b"[" * 4000, said(AT))), "malformed"),
    "header is a list": (lambda: shown(raw([], said(AT))), "malformed"),
    "claims are a text": (lambda: shown(raw(HEADER, "hello")), "malformed"),
    "not base64": ([f"Bearer A.{'B' * 8}.C"], "malformed"),
    "not utf-8": (lambda: shown(raw(b"\xff\xfe", said(AT))), "malformed"),
}  # fmt: skip


def raw_signed(claims: Any, **header: Any) -> str:
    """Return a token with whatever claims and header, truly signed."""
    head, body, _ = raw(HEADER | header, claims).split(".")
    made = callers.signature(f"{head}.{body}".encode(), ec_key())
    return f"{head}.{body}.{urlsafe_b64encode(made).rstrip(b'=').decode()}"
