"""A small application behind the door: it answers, works for long, reads bodies, and writes much."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

from carnallite.surfaces.service.door import Limits
from carnallite.surfaces.service.listen import Listening, serve

MOST = 5_000_000


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Answer by path: /sleep, /much, /fail, /pid, or the length of the body, of which no more than the cap is read."""
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    status, size, more = 200, 0, True
    while more and size <= MOST:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size, more = size + len(message.get("body", b"")), message.get("more_body", False)
    body = str(size).encode()
    match scope["path"]:
        case "/sleep":
            await asyncio.sleep(float(scope["query_string"] or 1))
        case "/much":
            body = b"x" * int(scope["query_string"])
        case "/pid":
            body = str(os.getpid()).encode()
        case "/fail":
            raise ValueError("Anna Example, born 1950")
    status = 413 if size > MOST else 200
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


def build() -> Any:
    return application


if __name__ == "__main__":
    limits = {name: type(getattr(Limits(), name))(value) for name, value in (one.split("=") for one in sys.argv[3:])}
    files = {"certificate": os.environ["PEM"], "key": os.environ["KEY"]} if "PEM" in os.environ else {}
    files |= {"client_authority": os.environ["CA"], "client_needed": True} if "CA" in os.environ else {}
    import tiny  # so that other processes find it by its name

    serve(tiny.build, Listening(port=int(sys.argv[1]), limits=Limits(**limits), **files), int(sys.argv[2]))
