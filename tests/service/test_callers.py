"""Whoever cannot show who they are is told nothing by any address, and stands in the audit log."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from msgspec.structs import replace

import callers
from callers import ISSUER, JKU, said, token
from carnallite.surfaces.service import tokens
from carnallite.surfaces.service.store import Store
from carnallite.surfaces.service.tokens import Tokens
from hooked import RECORD, WELL, Client, call
from hostile import AT, HOSTILE, NOW

PATH = urlsplit(callers.URL).path
GUARDED = [PATH, f"{PATH}/feedback", "/$assess", "/$forecast"]


@pytest.fixture(scope="module")
def client(tmp_path_factory: Any) -> Iterator[Client]:
    folder: Path = tmp_path_factory.mktemp("callers")
    (folder / "ehr.jwks").write_bytes(callers.public())
    known = tokens.Client(issuer=ISSUER, keys=str(folder / "ehr.jwks"), jku=(JKU,))
    settings = replace(RECORD, public_url="https://cds.example", clients=(known,))
    store = Store.open(f"sqlite:///{folder / 'audit.db'}")
    with Client(settings, store=store, tokens=Tokens([known], store.remember), clock=lambda: NOW) as one:
        yield one
    store.close()


def post(client: Client, path: str, authorizations: list[str], body: Any = None) -> Any:
    headers = [("content-type", "application/json"), *(("authorization", one) for one in authorizations)]
    return client.post(path, content=json.dumps(body or {}).encode(), headers=headers)


def bearer(path: str, **claims: Any) -> list[str]:
    return [f"Bearer {token(said(AT, aud=f'https://cds.example{path}', **claims))}"]


@pytest.mark.parametrize("what", HOSTILE)
def test_h57_who_shows_a_hostile_token_is_told_nothing_and_audited(client: Client, what: str) -> None:
    made, expected = HOSTILE[what]
    before = len(client.store.rows())
    answer = post(client, PATH, made() if callable(made) else made, call(WELL))
    assert (answer.status_code, answer.content) == (401, b"")
    (row,) = client.store.rows()[before:]
    assert (row.action, row.facts["code"]) == ("refused", expected)
    assert "client" not in row.facts, "what a refused token says of itself is not believed"


@pytest.mark.parametrize("path", GUARDED)
def test_h57_every_address_asks_and_none_takes_a_token_of_another(client: Client, path: str) -> None:
    other = next(one for one in GUARDED if one != path)
    assert post(client, path, []).status_code == 401
    assert post(client, path, bearer(other, jti=f"other {path}")).status_code == 401
    good = bearer(path, jti=f"own {path}")
    assert post(client, path, good).status_code not in {401, 403}
    assert post(client, path, good).status_code == 401, "a second time"
    codes = [row.facts.get("code") for row in client.store.rows() if row.action == "refused"][-3:]
    assert codes == ["no_token", "audience", "replayed"]


def test_a_known_caller_gets_cards_and_stands_in_the_log(client: Client) -> None:
    answer = post(client, PATH, bearer(PATH, jti="good"), call(WELL))
    assert answer.status_code == 200
    assert client.store.rows()[-1].facts["client"] == ISSUER
    assert client.store.rows()[-1].at - NOW < timedelta(seconds=1)
    assert client.store.verify().broken is None


def test_no_token_is_ever_written(client: Client) -> None:
    good = bearer(PATH, jti="unwritten")
    post(client, PATH, good, call(WELL))
    hostile = [made() if callable(made) else made for made, _ in HOSTILE.values()]
    for one in hostile:
        post(client, PATH, one)
    folder = Path(client.store._database.path).parent
    written = client.said.getvalue() + "".join(path.read_bytes().decode("latin-1") for path in folder.glob("audit*"))
    for one in (*good, *(part for made in hostile for part in made)):
        for part in one.removeprefix("Bearer ").split("."):
            assert len(part) < 20 or part not in written
