"""Tokens: the good ones are known, every hostile one is refused, and nothing of a token is told."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

import callers
from callers import ISSUER, JKU, URL, ec_key, jwk, jwks, rsa_key, said, token
from carnallite.errors import FetchFailed, Refused, SettingError
from carnallite.surfaces.service.keysets import keys
from carnallite.surfaces.service.store import Store
from carnallite.surfaces.service.tokens import Client, Tokens
from hostile import AT, HOSTILE, NOW, raw_signed, shown

P256 = ec_key("p256", ec.SECP256R1)


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
