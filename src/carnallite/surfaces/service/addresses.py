"""Addresses of other servers, in the one form that is accepted: what can be read in two ways is refused."""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from msgspec import Struct

from carnallite.errors import FetchFailed

LONGEST = 8192  # characters: one search names every code that is read
_FORM = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9a-f:.]+\]|[a-z0-9]+(?:(?:\.|-+)[a-z0-9]+)*)(?::(?P<port>[1-9][0-9]{0,4}))?"
    r"(?P<path>/(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2}|/)*)?"
    r"(?P<query>\?(?:[A-Za-z0-9._~!$&'()*+,;=:@/?|-]|%[0-9A-Fa-f]{2})*)?",
    re.ASCII,
)


class Target(Struct, frozen=True):
    """An address in its parts."""

    scheme: str
    host: str
    port: int
    path: str
    query: str


def target(url: str) -> Target:
    """Return the parts of an address that is written plainly.

    Raises
    ------
    FetchFailed
        It is not: a user, a fragment, capitals in the host, dots or empty parts in the path, anything encoded twice …
    """
    found = _FORM.fullmatch(url) if len(url) <= LONGEST else None
    if found is None:
        raise FetchFailed("fetch", "url")
    scheme, path = found["scheme"], found["path"] or ""
    parts = path.split("/")[1:]
    decoded = [unquote_to_bytes(part) for part in parts]
    if any(part in (b".", b"..") or re.search(rb"[/\\%\x00-\x1f\x7f]", part) for part in decoded) or "" in parts[:-1]:
        raise FetchFailed("fetch", "url")
    port = int(found["port"] or (443 if scheme == "https" else 80))
    if port > 65535:
        raise FetchFailed("fetch", "url")
    return Target(scheme, found["host"].strip("[]"), port, path, found["query"] or "")


def base(url: str) -> Target:
    """Return the parts of an address below which everything may be called."""
    found = target(url.rstrip("/"))
    if found.query:
        raise FetchFailed("fetch", "url")
    return found
