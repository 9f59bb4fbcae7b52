"""Calls to other servers go where a site says and nowhere else, and end in time."""

from __future__ import annotations

import gzip
import socket
import ssl
import time
from pathlib import Path
from typing import Any

import pytest

import listeners
from carnallite.errors import FetchFailed, SettingError
from carnallite.surfaces.service import outward
from carnallite.surfaces.service.outward import Outward

BASE = "https://fhir.hospital.example/r4"
JSON = {"Content-Type": "application/fhir+json"}
HOSTILE = [
    "", " ", "fhir.hospital.example/r4", "//fhir.hospital.example/r4/Patient/1", "/r4/Patient/1", "r4",
    "http://fhir.hospital.example/r4/Patient/1", "ftp://fhir.hospital.example/r4/Patient/1", "file:///etc/passwd",
    "gopher://fhir.hospital.example/r4", "javascript:alert(1)", "data:application/json,{}",
    "HTTPS://fhir.hospital.example/r4", "https://fhir.hospital.example/",
    "https://fhir.hospital.example/r4x/Patient/1", "https://fhir.hospital.example/R4/Patient/1",
    "https://fhir.hospital.example:8443/r4/Patient/1", "https://fhir.hospital.example:0443/r4",
    "https://fhir.hospital.example:99999/r4", "https://fhir.hospital.example:/r4",
    "https://fhir.hospital.example./r4/Patient/1", "https://FHIR.hospital.example/r4/Patient/1",
    "https://fhir.hospital.example.evil.example/r4/Patient/1",
    "https://evil.example/https://fhir.hospital.example/r4", "https://evil.example/r4/Patient/1",
    "https://evil.example#fhir.hospital.example/r4", "https://evil.example?fhir.hospital.example/r4",
    "https://fhir.hospital.example@evil.example/r4/Patient/1", "https://user:word@fhir.hospital.example/r4/Patient/1",
    "https://fhir.hospital.example%2f@evil.example/r4", "https://fhir.hospital.example\\@evil.example/r4",
    "https://evil.example\\.fhir.hospital.example/r4", "https://fhir.hospital.example/r4/../admin",
    "https://fhir.hospital.example/r4/./../admin", "https://fhir.hospital.example/r4/%2e%2e/admin",
    "https://fhir.hospital.example/r4/%2E%2e/admin", "https://fhir.hospital.example/r4/..%2fadmin",
    "https://fhir.hospital.example/r4/..%5cadmin", "https://fhir.hospital.example/r4/%252e%252e/admin",
    "https://fhir.hospital.example/r4//admin", "https://fhir.hospital.example//r4/Patient/1",
    "https://fhir.hospital.example/r4/Patient/1#x", "https://fhir.hospital.example/r4/Patient/%00",
    "https://fhir.hospital.example/r4/Patient/1\r\nX-Header: 1", "https://fhir.hospital.example/r4/Patient/%0d%0aX",
    "https://fhir.hospital.example/r4/Patient/1 ", "https://fhir.hospital.example\t/r4/Patient/1",
    "https://fhir.hospital.example/r4/Pat\u2028ient", "https://fhir.hospit\u0430l.example/r4",
    "https://fhir\u3002hospital.example/r4", "https://fhir.hospital.example/r4/" + "x" * 9000,
    "https:fhir.hospital.example/r4", "https:///r4/Patient/1", "https://127.0.0.1/r4", "https://127.1/r4",
    "https://2130706433/r4", "https://0x7f000001/r4", "https://0177.0.0.1/r4", "https://0/r4", "https://localhost/r4",
    "https://[::1]/r4", "https://[::ffff:127.0.0.1]/r4", "https://[fe80::1%25eth0]/r4",
    "https://169.254.169.254/latest/meta-data", "https://[::ffff:a9fe:a9fe]/latest", "https://10.0.0.1/r4",
    "https://metadata.google.internal/", "https://fhir.hospital.example/r4/Patient?x=%zz",
]  # fmt: skip
INSIDE = [
    "127.0.0.1", "127.9.9.9", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
    "192.0.0.8", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0",
    "fc00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:7f00:1::", "2001:0:7f00:1::",
    "::127.0.0.1", "2001:db8::1",
]  # fmt: skip


def found(*addresses: str) -> Any:
    """Return a resolver that finds these addresses."""
    return lambda *_, **__: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, 443)) for one in addresses]


def code(out: Outward, url: str, *rest: str) -> str:
    with pytest.raises(FetchFailed) as failed:
        out.get(url, *rest)
    assert "Patient" not in str(failed.value)
    return failed.value.code


@pytest.mark.parametrize("url", HOSTILE)
def test_h57_hostile_addresses_are_refused_before_anything_is_asked(url: str) -> None:
    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("a name was resolved")

    out = Outward([BASE], resolve=never)
    assert code(out, url) in {"url", "plain", "not_listed"}
    assert not out.within(url)


def test_there_are_enough_of_them() -> None:
    assert len(HOSTILE) >= 60


@pytest.mark.parametrize("address", INSIDE)
def test_h57_a_listed_name_that_leads_inside_is_refused(address: str) -> None:
    assert code(Outward([BASE], resolve=found(address)), f"{BASE}/Patient/1") == "address"
    assert code(Outward([BASE], resolve=found("93.184.216.34", address)), f"{BASE}/Patient/1") == "address"


@pytest.mark.parametrize(
    "end", ["", "/", "/Patient/1", "?_getpages=1", "/Observation?code=http%3A%2F%2Floinc.org%7C1,2"]
)
def test_listed_addresses_are_within(end: str) -> None:
    assert Outward([BASE]).within(BASE + end)


@pytest.mark.parametrize("base", ["https://x.example/a?b=1", "x.example", "https://x.example/a/../b"])
def test_a_wrong_list_is_refused_at_the_start(base: str) -> None:
    with pytest.raises(SettingError):
        Outward([base])
    with pytest.raises(SettingError):
        Outward([BASE], networks=["10.0.0.0/99"])
    with pytest.raises(SettingError):
        Outward([BASE], authority="/none")


def test_an_answer_comes_back_and_the_token_goes_along() -> None:
    with listeners.listening(lambda _: (200, JSON, b'{"resourceType":"Patient"}')) as (url, seen):
        out = Outward([url], loopback=True)
        assert out.get(f"{url}/Patient/1?x=a%7Cb", "secret") == b'{"resourceType":"Patient"}'
        assert seen[0].path == "/Patient/1?x=a%7Cb"
        assert seen[0].headers["Authorization"] == "Bearer secret"
        assert seen[0].headers["Accept-Encoding"] == "identity"


def test_a_form_is_sent() -> None:
    with listeners.listening(lambda _: (200, {"Content-Type": "application/json"}, b"{}")) as (url, seen):
        assert Outward([url], loopback=True).post(f"{url}/token", {"a": "b c", "d": "&"}) == b"{}"
        assert (seen[0].command, seen[0].sent) == ("POST", b"a=b+c&d=%26")


def test_loopback_is_refused_unless_it_is_allowed() -> None:
    with listeners.listening(lambda _: (200, JSON, b"{}")) as (url, seen):
        assert code(Outward([url]), url) == "plain"
        outside = Outward(["http://name.example"], loopback=True, resolve=found("93.184.216.34"))
        assert code(outside, "http://name.example/") == "address"
        assert not seen


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ((302, {"Location": "http://169.254.169.254/"}, b""), "redirect"),
        ((307, {"Location": "/other"}, b""), "redirect"),
        ((404, JSON, b"{}"), "status_404"),
        ((500, JSON, b"{}"), "status_500"),
        ((200, {"Content-Type": "text/html"}, b"<html>"), "kind"),
        ((200, {}, b"{}"), "kind"),
        ((200, JSON | {"Content-Encoding": "gzip"}, gzip.compress(b"{}")), "kind"),
        ((200, JSON, b"x" * (outward.MOST_BYTES + 1)), "size"),
        ((200, JSON | {"Content-Length": ""}, b"x" * (outward.MOST_BYTES + 1)), "size"),
        ((200, JSON | {"Content-Length": "9"}, b"{}"), "broken"),
    ],
)
def test_answers_that_are_not_what_was_asked_for_are_refused(answer: Any, expected: str) -> None:
    with listeners.listening(lambda _: answer) as (url, seen):
        assert code(Outward([url], loopback=True), f"{url}/Patient/1") == expected
        assert len(seen) == 1


def trickle(line: socket.socket, first: bytes) -> None:
    line.recv(4096)
    line.sendall(first)
    for _ in range(200):
        time.sleep(0.02)
        line.sendall(b"x")


@pytest.mark.parametrize(
    "first",
    [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n",
     b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9999\r\n\r\n"],
)  # fmt: skip
def test_an_answer_that_trickles_ends_at_the_deadline(first: bytes) -> None:
    with listeners.saying(lambda line: trickle(line, first)) as url:
        began = time.monotonic()
        assert code(Outward([url], loopback=True, deadline=0.3), url) == "late"
        assert time.monotonic() - began < 1


def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
    assert code(Outward([url], loopback=True), url) == "broken"


def test_a_name_that_is_looked_up_for_long_is_late() -> None:
    out = Outward([BASE], deadline=0.1, resolve=lambda *_, **__: time.sleep(0.5))
    assert code(out, BASE) == "late"


def test_a_name_that_changes_its_meaning_is_resolved_once() -> None:
    asked: list[str] = []

    def changing(host: str, *_: Any, **__: Any) -> Any:
        asked.append(host)
        return found("127.0.0.1")() if len(asked) == 1 else found("169.254.169.254")()

    with listeners.listening(lambda _: (200, JSON, b"{}")) as (url, seen):
        port = url.rpartition(":")[2]
        out = Outward([f"http://rebinding.example:{port}"], loopback=True, resolve=changing)
        assert out.get(f"http://rebinding.example:{port}/x") == b"{}"
        assert asked == ["rebinding.example"]
        assert seen[0].headers["Host"] == f"rebinding.example:{port}"


def test_tls_is_checked(tmp_path: Path) -> None:
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own, key = listeners.certificate(tmp_path)
    served.load_cert_chain(own, key)
    with listeners.listening(lambda _: (200, JSON, b"{}"), served) as (url, seen):
        networks = ["127.0.0.0/8"]
        assert Outward([url], networks=networks, authority=str(own)).get(f"{url}/metadata") == b"{}"
        assert code(Outward([url], networks=networks), url) == "broken"
        other, _ = listeners.certificate(tmp_path, "other.example")
        assert code(Outward([url], networks=networks, authority=str(other)), url) == "broken"
        named = url.replace("127.0.0.1", "other.example")
        here = Outward([named], networks=networks, authority=str(own), resolve=found("127.0.0.1"))
        assert code(here, named) == "broken", "the certificate is for another name"
        assert len(seen) == 1


def test_a_server_of_the_house_is_called_in_its_named_network(tmp_path: Path) -> None:
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(*listeners.certificate(tmp_path, "fhir.hospital.example"))
    with listeners.listening(lambda _: (200, JSON, b"{}"), served) as (url, seen):
        base = f"https://fhir.hospital.example:{url.rpartition(':')[2]}/r4"
        made = {"authority": str(tmp_path / "fhir.hospital.example.pem"), "resolve": found("127.0.0.1")}
        assert Outward([base], networks=["127.0.0.0/8"], **made).get(f"{base}/Patient/1") == b"{}"
        assert code(Outward([base], networks=["10.0.0.0/8"], **made), f"{base}/Patient/1") == "address"
        assert len(seen) == 1


@pytest.mark.parametrize("host", ["xn--fhir-5qa.example", "ehr-1.a-b.example", "[2001:db8::1]", "10.1.2.3"])
def test_hosts_of_every_plain_kind_can_be_listed(host: str) -> None:
    assert Outward([f"https://{host}:8443/r4"]).within(f"https://{host}:8443/r4/Patient/1")
