"""Tokens: the good ones are known, every hostile one is refused, and nothing of a token is told."""

from __future__ import annotations

import hashlib
import hmac
import json
import subprocess
import sys
from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

import callers
from callers import ISSUER, JKU, URL, ec_key, jwk, jwks, raw, rsa_key, said, token
from carnallite.errors import FetchFailed, Refused, SettingError
from carnallite.surfaces.service.keysets import keys
from carnallite.surfaces.service.store import Store
from carnallite.surfaces.service.tokens import MOST_BYTES, Client, Tokens

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
AT = NOW.timestamp()
HEADER = {"alg": "ES384", "typ": "JWT", "kid": "ec"}


@pytest.fixture
def store(tmp_path: Path):
    with_key = Store.open(f"sqlite:///{tmp_path / 'audit.db'}")
    yield with_key
    with_key.close()


@pytest.fixture
def tokens(tmp_path: Path, store: Store) -> Tokens:
    held = tmp_path / "ehr.jwks"
    held.write_bytes(callers.public())
    return Tokens([Client(issuer=ISSUER, keys=str(held), jku=(JKU,))], store.remember)


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


def code(tokens: Tokens, authorizations: list[str], now: datetime = NOW) -> str:
    with pytest.raises(Refused) as refused:
        tokens.verify(authorizations, URL, now)
    assert not any(len(part) > 8 and part in str(refused.value) for one in authorizations for part in one.split("."))
    assert refused.value.__cause__ is None
    return refused.value.code


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_tokens_are_refused(tokens: Tokens, what: str) -> None:
    made, expected = HOSTILE[what]
    assert code(tokens, made() if callable(made) else made) == expected


def test_there_are_enough_of_them() -> None:
    assert len(HOSTILE) >= 60


@pytest.mark.parametrize(("kid", "alg", "key"), [("ec", "ES384", ec_key()), ("rsa", "RS384", rsa_key())])
def test_good_tokens_are_known(tokens: Tokens, kid: str, alg: str, key: Any) -> None:
    caller = tokens.verify(shown(token(said(AT), key=key, alg=alg, kid=kid)), URL, NOW)
    assert (caller.issuer, caller.key) == (ISSUER, kid)


def test_raw_signed_tokens_are_good_unless_something_is_wrong(tokens: Tokens) -> None:
    assert tokens.verify(shown(raw_signed(said(AT))), URL, NOW).key == "ec"  # or the tests above would prove nothing


def test_clocks_may_differ_a_little(tokens: Tokens) -> None:
    assert tokens.verify(shown(token(said(AT + 9, nbf=int(AT) + 9))), URL, NOW)


def test_a_token_works_once(tokens: Tokens) -> None:
    good = shown(token(said(AT)))
    tokens.verify(good, URL, NOW)
    assert code(tokens, good) == "replayed"
    assert code(tokens, good, NOW + timedelta(seconds=200)) == "replayed"


def test_a_refused_token_uses_up_no_id(tokens: Tokens) -> None:
    assert code(tokens, shown(token(said(AT), key=ec_key("other")))) == "signature"
    assert tokens.verify(shown(token(said(AT))), URL, NOW)


def test_a_token_works_once_in_all_processes(tokens: Tokens, tmp_path: Path) -> None:
    good = token(said(AT))
    tokens.verify(shown(good), URL, NOW)
    program = f"""
import sys
from datetime import datetime
from carnallite.errors import Refused
from carnallite.surfaces.service.store import Store
from carnallite.surfaces.service.tokens import Client, Tokens
store = Store.open("sqlite:///{tmp_path / "audit.db"}")
clients = [Client(issuer="{ISSUER}", keys="{tmp_path / "ehr.jwks"}")]
try:
    Tokens(clients, store.remember).verify(["Bearer " + sys.stdin.read()], "{URL}", datetime.fromisoformat("{NOW}"))
except Refused as refused:
    print(refused.code)
"""
    run = subprocess.run([sys.executable, "-c", program], input=good, capture_output=True, text=True, check=True)
    assert run.stdout == "replayed\n"


def test_published_keys_are_fetched_seldom_and_only_where_allowed(store: Store) -> None:
    asked: list[str] = []

    def fetch(url: str) -> bytes:
        asked.append(url)
        return callers.public()

    tokens = Tokens([Client(issuer=ISSUER, jku=(JKU,))], store.remember, fetch)
    assert tokens.verify(shown(token(said(AT, jti="1"), jku=JKU)), URL, NOW)
    assert tokens.verify(shown(token(said(AT, jti="2"))), URL, NOW)
    for number in range(20):
        assert code(tokens, shown(token(said(AT), kid=f"k{number}"))) == "key"
    assert code(tokens, shown(token(said(AT), jku="https://evil.example/jwks.json"))) == "jku"
    assert asked == [JKU]


def test_keys_that_cannot_be_fetched_refuse(store: Store) -> None:
    def fetch(_: str) -> bytes:
        raise FetchFailed("fetch", "timeout")

    assert code(Tokens([Client(issuer=ISSUER, jku=(JKU,))], store.remember, fetch), shown(token(said(AT)))) == "key"


def test_a_key_that_was_withdrawn_is_refused_at_once(tokens: Tokens, tmp_path: Path) -> None:
    assert tokens.verify(shown(token(said(AT, jti="1"))), URL, NOW)
    (tmp_path / "ehr.jwks").write_bytes(jwks(jwk(rsa_key(), "rsa")))
    assert code(tokens, shown(token(said(AT, jti="2")))) == "key"
    (tmp_path / "ehr.jwks").unlink()
    assert code(tokens, shown(token(said(AT, jti="3")))) == "keys_unreadable"


@pytest.mark.parametrize(
    ("held", "what"),
    [
        (jwks({"kty": "oct", "k": "c2VjcmV0", "kid": "a"}), "private or symmetric"),
        (jwks(jwk(ec_key(), "a") | {"d": "c2VjcmV0"}), "private or symmetric"),
        (jwks(jwk(ec_key(), "a"), jwk(rsa_key(), "a")), "twice"),
        (jwks(jwk(ec_key(), "a") | {"x": "AAAA"}), "cannot be read"),
        (b"{}", "no JWKS"),
        (b'{"keys": 7}', "no JWKS"),
        (b'{"keys": [], "keys": []}', "stands twice"),
        (b"[]", "no object"),
    ],
)
def test_key_sets_that_are_wrong_are_refused_at_the_start(tmp_path: Path, store: Store, held: bytes, what: str) -> None:
    (tmp_path / "bad.jwks").write_bytes(held)
    with pytest.raises(SettingError, match=what):
        Tokens([Client(issuer=ISSUER, keys=str(tmp_path / "bad.jwks"))], store.remember)


def test_keys_for_other_things_are_left_out() -> None:
    others = [
        jwk(ec_key(), "a") | {"use": "enc"}, jwk(ec_key(), "b") | {"alg": "ES256"}, jwk(P256, "c"),
        jwk(rsa_key(1024), "d"), jwk(ec_key(), "e") | {"key_ops": ["sign"]}, {"kty": "OKP", "kid": "f"},
    ]  # fmt: skip
    assert keys(jwks(*others)) == {}


def test_two_clients_of_one_name_are_refused(store: Store) -> None:
    with pytest.raises(SettingError, match="issuer"):
        Tokens([Client(issuer=ISSUER), Client(issuer=ISSUER)], store.remember)
