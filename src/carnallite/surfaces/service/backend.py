"""SMART Backend Services: a whole hospital's records by Bulk Data export, as the NDJSON files that `screen` reads.

We show the authorization server who we are with a key of our own, ask for tokens that live for minutes, and write each
file under another name until it is whole and on disk. A run that was stopped goes on with the export that it had begun.
"""

from __future__ import annotations

import os
import re
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

import msgspec
from msgspec import Struct

from carnallite.errors import FetchFailed, RecordRefused
from carnallite.record import FHIR_TYPES
from carnallite.surfaces.service.outward import Answer, Outward

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from carnallite.surfaces.service.signing import Signer

LONGEST_TOKEN = 300  # [s] that a token is used, whatever its server says
EARLY = 15  # [s] before its end at which a token is no longer used
ANSWER, FILE = 30.0, 6 * 3600.0  # [s] for one answer, and for one file
LEAST_WAIT, WAIT, MOST_WAIT = 1, 10, 120  # [s] between two questions whether it is done
_PART = 1 << 20  # bytes
_NDJSON = ("application/fhir+ndjson", "application/ndjson", "application/x-ndjson")
_JSON = ("application/json", "application/fhir+json")
_TYPE = re.compile(r"[A-Z][A-Za-z]{2,63}")
_JOB, _DONE = "export.json", "manifest.json"


class _Ends(Struct, frozen=True):
    token_endpoint: str
    capabilities: tuple[str, ...] = ()


class _Granted(Struct, frozen=True):
    access_token: str
    token_type: str
    expires_in: int = LONGEST_TOKEN


class _File(Struct, frozen=True):
    url: str
    type: str = ""
    count: int | None = None


class _Manifest(Struct, frozen=True, rename="camel"):
    transaction_time: str
    requires_access_token: bool
    output: tuple[_File, ...]
    deleted: tuple[_File, ...] = ()
    error: tuple[_File, ...] = ()
    link: tuple[Any, ...] = ()


class Fetched(Struct, frozen=True):
    """What a run brought: when the server read its data (for `--since` next time), and lines by kind of resource.

    Those of `deleted` are Bundles that name what was deleted.
    """

    at: str
    lines: dict[str, int]


class Backend:
    """One server, and what we are to it.

    Parameters
    ----------
    base : str
        Base of its FHIR server.
    client : str
        The name that it gave us.
    signer : Signer
        Our key.
    addresses : tuple of str
        Where else tokens and files may be had, if not at the host of the server.
    """

    def __init__(
        self, base: str, client: str, signer: Signer, *, addresses: tuple[str, ...] = (),
        sleep: Callable[[float], None] = time.sleep, **house: Any,
    ) -> None:  # fmt: skip
        parts = urlsplit(base)
        allowed = [f"{parts.scheme}://{parts.netloc}", *addresses]
        self._base, self._client, self._signer, self._sleep = base.rstrip("/"), client, signer, sleep
        self._outward = Outward(allowed, deadline=ANSWER, **house)
        self._files = Outward(allowed, deadline=FILE, **house)
        self._ends: _Ends | None = None
        self._token, self._until = "", 0.0

    def fetch(self, out: Path, types: tuple[str, ...] = (), *, since: str = "", group: str = "") -> Fetched:
        """Export, wait, and write one NDJSON file after the other into a folder.

        Parameters
        ----------
        out : Path
            A folder that is new, or that of a run that was stopped.
        types : tuple of str
            Kinds of resources; all that are read where none are given.
        since : str
            Only what changed since this time, as FHIR writes times.
        group : str
            Only this group's patients.

        Raises
        ------
        FetchFailed
            With a code; the export can be gone on with.
        RecordRefused
            The folder holds something else, or what came is not what was announced.
        """
        out.mkdir(mode=0o700, parents=True, exist_ok=True)
        if (out / _DONE).exists():
            raise RecordRefused(str(out), "it holds an export already.", "Name another folder.")
        job = out / _JOB
        if job.exists():
            where = str(msgspec.json.decode(job.read_bytes(), type=dict[str, str])["status"])
        else:
            if any(out.iterdir()):
                raise RecordRefused(str(out), "the folder is not empty.", "Name another one.")
            where = self._begin(types or tuple(sorted(FHIR_TYPES)), since, group)
            _write(job, msgspec.json.encode({"status": where}))
        manifest = self._waited(where)
        lines: dict[str, int] = {}
        for number, one in enumerate(manifest.output):
            if not _TYPE.fullmatch(one.type):
                raise RecordRefused("manifest", "a file is of no kind of resource.", "Tell who runs the server.")
            found = self._download(one, out / f"{one.type}.{number:05}.ndjson", manifest.requires_access_token)
            lines[one.type] = lines.get(one.type, 0) + found
        for number, one in enumerate(manifest.deleted):
            found = self._download(one, out / f"deleted.{number:05}.ndjson", manifest.requires_access_token)
            lines["deleted"] = lines.get("deleted", 0) + found
        _write(out / _DONE, msgspec.json.encode({"transactionTime": manifest.transaction_time, "lines": lines}))
        with suppress(FetchFailed):  # the server would keep its files for a while
            self._ask("DELETE", where)
        job.unlink()
        return Fetched(manifest.transaction_time, lines)

    def _begin(self, types: tuple[str, ...], since: str, group: str) -> str:
        query = {"_type": ",".join(types), "_outputFormat": "application/fhir+ndjson"}
        query |= {"_since": since} if since else {}
        whose = f"Group/{group}" if group else "Patient"
        url = f"{self._base}/{whose}/$export?{urlencode(query, safe=',:')}"
        answer = self._ask("GET", url, {"Prefer": "respond-async"})
        where = answer.headers.get("content-location", "")
        if answer.status != 202 or not self._outward.within(where):
            raise FetchFailed("export", "not_begun")
        return where

    def _waited(self, where: str) -> _Manifest:
        while (answer := self._asked(where)).status != 200:
            again = answer.headers.get("retry-after", "")
            self._sleep(min(max(int(again), LEAST_WAIT), MOST_WAIT) if again.isdigit() else WAIT)
        try:
            manifest = msgspec.json.decode(answer.body, type=_Manifest)
        except msgspec.MsgspecError:
            raise FetchFailed("export", "manifest") from None
        if manifest.link:
            raise FetchFailed("export", "manifest_in_pages")
        return manifest

    def _asked(self, where: str) -> Answer:
        try:
            return self._ask("GET", where)
        except FetchFailed as failed:
            if failed.code in {"status_429", "status_503"}:  # asked too often
                return Answer(202, b"", {})
            raise

    def _ask(self, method: str, url: str, more: dict[str, str] | None = None) -> Answer:
        headers = {"Accept": ", ".join(_JSON)} | (more or {})
        return self._outward.ask(method, url, token=self._bearer(), headers=headers)

    def _download(self, one: _File, to: Path, needs_token: bool) -> int:
        """Write one file whole, and return its lines; what is there already was."""
        if to.exists():
            return _lines(to)
        part, found = to.with_suffix(".part"), 0
        token = self._bearer() if needs_token else ""
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            with self._files.open("GET", one.url, token=token, kinds=_NDJSON, headers={}) as answer:
                last = b""
                while data := answer.read(_PART):
                    file.write(data)
                    found, last = found + data.count(b"\n"), data
                if answer.length:
                    raise FetchFailed("export", "broken")
            file.flush()
            os.fsync(file.fileno())
        found += bool(last) and not last.endswith(b"\n")
        if one.count is not None and found != one.count:
            part.unlink()
            what = f"a file of {one.type or 'deletions'} has {found} lines, and {one.count} were announced."
            raise RecordRefused("export", what, "Run it again.")
        part.rename(to)
        return found

    def _bearer(self) -> str:
        """Return a token that still lives, asked for with ours."""
        if time.monotonic() < self._until:
            return self._token
        try:
            if self._ends is None:
                told = self._outward.ask("GET", f"{self._base}/.well-known/smart-configuration", kinds=_JSON).body
                self._ends = msgspec.json.decode(told, type=_Ends)
            scope = "system/*.rs" if "permission-v2" in self._ends.capabilities else "system/*.read"
            form = {"grant_type": "client_credentials", "scope": scope}
            form |= self._signer.assertion(self._client, self._ends.token_endpoint, datetime.now(UTC))
            granted = msgspec.json.decode(self._outward.post(self._ends.token_endpoint, form), type=_Granted)
        except msgspec.MsgspecError:
            raise FetchFailed("token", "broken") from None
        if granted.token_type.lower() != "bearer":
            raise FetchFailed("token", "kind")
        self._token = granted.access_token
        self._until = time.monotonic() + min(granted.expires_in, LONGEST_TOKEN) - EARLY
        return self._token


def _lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(1 for _ in file)


def _write(path: Path, data: bytes) -> None:
    part = path.with_suffix(".part")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.rename(path)
