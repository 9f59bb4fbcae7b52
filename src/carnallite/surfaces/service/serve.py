"""`carnallite serve`: settings, store and callers put together, then calls are taken until somebody ends it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from carnallite.errors import ExtraMissing
from carnallite.surfaces.service import feedback, settings

if TYPE_CHECKING:
    import argparse

    from starlette.applications import Starlette

    from carnallite.surfaces.service.settings import Settings
    from carnallite.surfaces.service.store import Store

OK = 0
GRACE_S = 8  # [s] in which calls that have begun are answered after SIGTERM


def command(options: argparse.Namespace) -> int:
    """Serve, or print what clinicians did with cards, and return the exit code."""
    chosen = settings.read(options.config, {"host": options.host, "port": options.port})
    store = opened(chosen)
    try:
        if options.feedback_summary:
            told = feedback.summary(row for _, row in store.feedbacks())
            sys.stdout.write(msgspec.json.format(msgspec.json.encode(told), indent=1).decode() + "\n")
        else:
            _serve(built(chosen, store), chosen)
    finally:
        store.close()
    return OK


def opened(chosen: Settings) -> Store:
    """Return the store of some settings."""
    from carnallite.surfaces.service.store import Store  # noqa: PLC0415

    return Store.open(chosen.store, Path(chosen.secret) if chosen.secret else None)


def built(chosen: Settings, store: Store) -> Starlette:
    """Return the service of some settings."""
    try:
        from carnallite.surfaces.service.application import application  # noqa: PLC0415
    except ImportError as error:
        what = f"'{error.name}' is not installed."
        raise ExtraMissing("carnallite serve", what, "pip install 'carnallite[service]'") from None
    from carnallite.surfaces.service.tokens import Tokens  # noqa: PLC0415

    tokens = Tokens(chosen.clients, store.remember) if chosen.clients else None
    return application(chosen, store, tokens=tokens)


def _serve(app: Starlette, chosen: Settings) -> None:
    import uvicorn  # noqa: PLC0415

    sys.stderr.write(_welcome(chosen))
    uvicorn.run(
        app, host=chosen.host, port=chosen.port, access_log=False, log_level="warning", server_header=False,
        date_header=False, timeout_graceful_shutdown=GRACE_S, ssl_certfile=chosen.tls_certificate or None,
        ssl_keyfile=chosen.tls_key or None,
    )  # fmt: skip


def _welcome(chosen: Settings) -> str:
    lines = [f"carnallite: serving {chosen.base}/cds-services"]
    if chosen.is_demonstration:
        lines.append("Everything is marked as demonstration: `intended_use` is not set. Not for care.")
    if not chosen.clients:
        lines.append("No client is set: whoever reaches this address may call.")
    return "\n".join(lines) + "\n"
