"""What is sent: read and inflated no further than its caps, and refused where two readers could read it differently."""

from __future__ import annotations

import gzip
import json
import random
import time
from collections.abc import Iterator
from typing import Any

import pytest

from carnallite.surfaces.service import body, strict
from carnallite.surfaces.service.refusal import Refusal
from hooked import WELL, Client, call
from service.test_hooks import outcome

GOOD = json.dumps(call(WELL)).encode()
URL = "/cds-services/carnallite-patient-view"


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with Client() as one:
        yield one


def sent(client: Client, data: bytes, **headers: str) -> Any:
    return client.post(URL, content=data, headers={"content-type": "application/json", **headers})


BAD = {
    "mark": (b"\xef\xbb\xbf{}", "/"), "utf-16": (b"\xff\xfe{\x00}\x00", "/"), "utf-8": (b'{"a":"\xff"}', "/"),
    "nan": (b'{"a":[1,{"b":NaN}]}', "/a/1/b"), "infinity": (b'{"a":-Infinity}', "/a"),
    "double": (b'{"a":{"b":1,"c":2,"b":3}}', "/a/b"), "escaped double": (b'{"a":1,"\\u0061":2}', "/a"),
    "half": (b'{"a":["\\ud800"]}', "/a/0"), "other half": (b'{"a":"\\udc00x"}', "/a"),
    "half key": (b'{"\\ud83d":1}', "/"),
    "deep": (b'{"a":' * 65 + b"1" + b"}" * 65, "/a/a"), "deep list": (b"[" * 100_000, "/0/0"),
    "long": (b'{"a":0.' + b"1" * 32 + b"}", "/a"), "digits": (b'{"a":[' + b"9" * 4000 + b"]}", "/a/0"),
    "comma": (b'{"a":[1,]}', "/a"), "two": (b'{"a":1} {"b":2}', "/"), "cut": (b'{"a":', "/"), "empty": (b"", "/"),
    "text": (b'{"a":"\x01"}', "/a"), "single": (b"{'a':1}", "/"), "zero": (b'{"a":01}', "/a"),
    "word": (b'{"a":nul}', "/a"),
    "colon": (b'{"a" 1}', "/a"), "comment": (b'{"a":1/*x*/}', "/"), "no key": (b'{1:2}', "/"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_is_not_plain_json_is_400_with_a_pointer(client: Client, name: str) -> None:
    data, pointer = BAD[name]
    begun = time.perf_counter()
    answer = sent(client, data)
    assert time.perf_counter() - begun < 2
    assert answer.status_code == 400
    assert outcome(answer)["issue"][0]["diagnostics"].startswith(f"{pointer}")


@pytest.mark.parametrize("text", ["\\ud83d\\ude00", "\\\\ud800", "ü", "\\u00e9", "a\\/b", "\\\\\\\\u"])
def test_what_is_plain_json_is_taken(text: str) -> None:
    strict.check(f'{{"a":"{text}","b":[1,-0.5e-3,true,null,{{}}]}}'.encode())


def test_fast_and_slow_readers_agree() -> None:
    """What the fast check refuses the slow one finds too, and the other way round, for thousands of small changes."""
    chance = random.Random(6)  # noqa: S311
    plain = json.dumps({"a": [1, -2.5e3, "x\u00e9\\", {"b": None, "c": [True, {}]}], "d": "\ud83d\ude00"}).encode()
    pieces = [
        b'"',
        b"\\",
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b"1",
        b"-",
        b".",
        b"e",
        b"NaN",
        b"\\ud800",
        b" ",
        b"u",
        b"",
    ]
    counts = {True: 0, False: 0}
    for _ in range(4000):
        data = bytearray(plain)
        for _ in range(chance.randint(0, 2)):
            place = chance.randrange(len(data))
            data[place : place + chance.randint(0, 2)] = chance.choice(pieces)
        slow = _is_taken(lambda data=data: strict.read_slowly(bytes(data)))  # type: ignore[misc]
        assert _is_taken(lambda data=data: strict.check(bytes(data))) == slow, bytes(data)  # type: ignore[misc]
        counts[slow] += 1
    assert min(counts.values()) > 500


def _is_taken(check: Any) -> bool:
    try:
        check()
    except Refusal:
        return False
    return True


def test_too_many_values_are_refused_before_they_are_read() -> None:
    begun = time.perf_counter()
    with pytest.raises(Refusal, match="values"):
        strict.check(b"[" + b"0," * 2_400_000 + b"0]")
    assert time.perf_counter() - begun < 2


def test_a_body_is_not_read_beyond_its_cap(client: Client) -> None:
    assert sent(client, b"x", **{"content-length": "6000000"}).status_code == 413
    read = 0

    async def stream() -> Any:
        nonlocal read
        for _ in range(400):
            read += 100_000
            yield b" " * 100_000

    answer = client.post(URL, content=stream(), headers={"content-type": "application/json"})
    assert answer.status_code == 413
    assert read <= body.MOST + 200_000


def test_gzip_is_inflated_within_its_caps(client: Client) -> None:
    packed = {"content-encoding": "gzip"}
    assert sent(client, gzip.compress(GOOD), **packed).status_code == 200
    assert sent(client, gzip.compress(b" " * 30_000_000), **packed).status_code == 413
    assert sent(client, gzip.compress(b'{"a":"' + b"a" * 1_000_000 + b'"}'), **packed).status_code == 413
    assert sent(client, gzip.compress(GOOD)[:-9], **packed).status_code == 400
    assert sent(client, gzip.compress(GOOD) + b"more", **packed).status_code == 400
    assert sent(client, GOOD, **packed).status_code == 400
    assert sent(client, GOOD, **{"content-encoding": "br"}).status_code == 415
    assert sent(client, GOOD, **{"content-type": "text/plain"}).status_code == 415
