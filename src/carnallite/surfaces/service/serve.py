"""`carnallite serve`: settings, store and callers put together, then calls are taken until somebody ends it."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from carnallite.errors import ExtraMissing, SettingError

if TYPE_CHECKING:
    import argparse

    from starlette.applications import Starlette

    from carnallite.surfaces.service.settings import Settings
    from carnallite.surfaces.service.store import Store

OK = 0


def command(options: argparse.Namespace) -> int:
    """Serve, or print what clinicians did with cards, and return the exit code.

    Raises
    ------
    ExtraMissing
        A package of the extra `service` is not installed.
    """
    try:
        from carnallite.surfaces.service import settings  # noqa: PLC0415
        from carnallite.surfaces.service.application import add, application  # noqa: F401, PLC0415
    except ImportError as error:
        what = f"'{error.name}' is not installed."
        raise ExtraMissing("carnallite serve", what, "pip install 'carnallite[service]'") from None
    chosen = settings.read(options.config, {"host": options.host, "port": options.port})
    store = opened(chosen)
    try:
        if options.feedback_summary:
            from carnallite.surfaces.service import feedback  # noqa: PLC0415

            told = feedback.summary(row for _, row in store.feedbacks())
            sys.stdout.write(msgspec.json.format(msgspec.json.encode(told), indent=1).decode() + "\n")
        else:
            _listen(chosen, store)
    finally:
        store.close()
    return OK


def opened(chosen: Settings) -> Store:
    """Return the store of some settings; the folder of one that is not set is made for its user alone.

    Raises
    ------
    SettingError
        The folder cannot be made.
    """
    from carnallite.surfaces.service.settings import state_folder  # noqa: PLC0415
    from carnallite.surfaces.service.store import Store  # noqa: PLC0415

    if not chosen.store:
        try:
            state_folder().mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            what = f"the folder '{state_folder()}' cannot be made ({error.strerror})."
            raise SettingError("store", what, "Set `store`.") from None
    return Store.open(chosen.kept, Path(chosen.secret) if chosen.secret else None)


def built(chosen: Settings, store: Store) -> Starlette:
    """Return the service of some settings: who may call is known by tokens, who is asked stands in a list."""
    from carnallite.surfaces.service.application import add, application  # noqa: PLC0415
    from carnallite.surfaces.service.outward import Outward  # noqa: PLC0415
    from carnallite.surfaces.service.smart import Smart  # noqa: PLC0415
    from carnallite.surfaces.service.tokens import Tokens  # noqa: PLC0415

    keys = [url for client in chosen.clients for url in client.jku]
    outward = Outward(
        [*chosen.fhir_servers, *keys], networks=chosen.networks, loopback=chosen.loopback, authority=chosen.authority
    )
    tokens = Tokens(chosen.clients, store.remember, outward.keys) if chosen.clients else None
    fetch = outward.get if chosen.fhir_servers else None
    app = application(chosen, store, tokens=tokens, fetch=fetch)
    if chosen.smart:
        add(app, Smart(chosen, chosen.smart).answers())
    return app


def _listen(chosen: Settings, store: Store) -> None:
    app = built(chosen, store)
    from carnallite.surfaces.service.listen import Listening, serve  # noqa: PLC0415

    _as_json()
    sys.stderr.write(_welcome(chosen))
    sys.stderr.flush()
    where = Listening(
        host=chosen.host, port=chosen.port, certificate=chosen.tls_certificate, key=chosen.tls_key,
        client_authority=chosen.tls_client_authority, client_needed=bool(chosen.tls_client_authority),
        limits=chosen.connections,
    )  # fmt: skip
    serve(lambda: app, where)


def _as_json() -> None:
    """Let the server below us tell its faults as lines of our log, without their words: they may hold a record."""
    from carnallite.surfaces.service.logs import Log  # noqa: PLC0415

    class Bare(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            Log().fault(request="", route="", kind=f"{record.name} {record.levelname.lower()}")

    for name in ("uvicorn.error", "asyncio"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [Bare(logging.WARNING)], False


def _welcome(chosen: Settings) -> str:
    where = chosen.kept.removeprefix("sqlite:///") if chosen.kept.startswith("sqlite:///") else "PostgreSQL"
    lines = [f"carnallite: serving {chosen.base}/cds-services; audit log, shown cards and feedback in {where}"]
    if chosen.is_demonstration:
        lines.append("Everything is marked as demonstration: `intended_use` is not set. Not for care.")
    if not chosen.clients:
        lines.append("No client is set: whoever reaches this address may call.")
    return "\n".join(lines) + "\n"
