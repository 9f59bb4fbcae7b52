"""The body of a request: read no further than its limits, inflated no further than its limits, and strict JSON."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from anyio import to_thread

from carnallite.surfaces.service import strict
from carnallite.surfaces.service.refusal import Refusal

if TYPE_CHECKING:
    from starlette.requests import Request

MOST = 5_000_000  # bytes that are read
INFLATED = 20_000_000  # bytes after inflation
RATIO = 20
_KINDS = frozenset({"application/json", "application/fhir+json"})


async def read(request: Request) -> bytes:
    """Return a body as plain JSON.

    Raises
    ------
    Refusal
        413 before more than the cap is read, 415 for another form, 400 for what is not strict JSON.
    """
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind not in _KINDS:
        raise Refusal(415, "not-supported", "Content-Type", "it is not JSON.", "Send application/json.")
    packing = request.headers.get("content-encoding", "identity").strip().lower()
    if packing not in {"identity", "gzip"}:
        raise Refusal(415, "not-supported", "Content-Encoding", "it is not known.", "Send it plain or as gzip.")
    data = await _all(request)
    return await to_thread.run_sync(_opened, data, packing == "gzip")


async def _all(request: Request) -> bytes:
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > MOST:
        raise _too_long(MOST)
    parts, size = list[bytes](), 0
    async for part in request.stream():
        size += len(part)
        if size > MOST:
            raise _too_long(MOST)
        parts.append(part)
    return b"".join(parts)


def _opened(data: bytes, packed: bool) -> bytes:
    text = inflated(data) if packed else data
    strict.check(text)
    return text


def inflated(data: bytes) -> bytes:
    """Return gzip data inflated.

    Raises
    ------
    Refusal
        They are broken, or grow beyond the caps.
    """
    most = min(INFLATED, RATIO * len(data))
    stream = zlib.decompressobj(wbits=31)
    try:
        text = stream.decompress(data, most + 1)
    except zlib.error:
        raise Refusal(400, "structure", "/", "the gzip data are broken.", "Send them again.") from None
    if len(text) > most:
        raise _too_long(most)
    if not stream.eof or stream.unused_data:
        raise Refusal(400, "structure", "/", "the gzip data are cut, or something follows.", "Send them again.")
    return text


def _too_long(most: int) -> Refusal:
    return Refusal(413, "too-long", "/", f"the body is larger than {most} bytes.", "Send the newest results only.")
