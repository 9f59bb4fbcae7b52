"""The service as one ASGI application: what is asked where; every call is let in, answered, logged and counted."""

from __future__ import annotations

import time
import uuid
from contextlib import asynccontextmanager
from html import escape
from typing import TYPE_CHECKING, Any

import msgspec
from anyio import to_thread
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import Route

from carnallite.errors import StoreFailed
from carnallite.knowledge import overdue
from carnallite.surfaces.service import feedback, hooks, metrics, openapi, operations, probes
from carnallite.surfaces.service.house import House
from carnallite.surfaces.service.logs import Log
from carnallite.surfaces.service.refusal import FHIR_JSON, Refusal, encoded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
    from datetime import datetime

    from starlette.requests import Request

    from carnallite.surfaces.service.prefetch import Fetch
    from carnallite.surfaces.service.settings import Settings
    from carnallite.surfaces.service.store import Store
    from carnallite.surfaces.service.tokens import Tokens

    Answer = Callable[[Request, House], Awaitable[Response]]

JSON = "application/json"
OTHER = "other"  # the route of what no route is for
_HEADERS = {
    "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}  # fmt: skip


def application(
    settings: Settings,
    store: Store,
    *,
    tokens: Tokens | None = None,
    fetch: Fetch | None = None,
    clock: Callable[[], datetime] = hooks.wall,
    log: Log | None = None,
) -> Starlette:
    """Return the service; its workers start and stop with it.

    Parameters
    ----------
    tokens : Tokens, optional
        Who may call; without it everybody who reaches the address may.
    fetch : callable, optional
        Returns the body of an allowed address, given a token; without it nothing is ever fetched.
    """
    house = House(settings, store, tokens=tokens, fetch=fetch, clock=clock, log=log or Log())

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        del app
        await to_thread.run_sync(house.open)
        try:
            yield
        finally:
            await to_thread.run_sync(house.close)

    routes = [
        _route(house, "/cds-services", "GET", _discovery),
        _route(house, "/cds-services/{id}", "POST", _hook, guarded=True),
        _route(house, "/cds-services/{id}/feedback", "POST", _feedback, guarded=True),
        _route(house, "/$assess", "POST", _assess, guarded=True),
        _route(house, "/$forecast", "POST", _forecast, guarded=True),
        _route(house, "/feedback", "GET", _feedback_summary, guarded=True),
        _route(house, "/cards/{card}", "GET", _card),
        _route(house, "/healthz", "GET", _alive),
        _route(house, "/readyz", "GET", _ready),
        _route(house, "/version", "GET", _version),
        _route(house, "/metrics", "GET", _metrics),
        _route(house, "/openapi.json", "GET", _openapi),
    ]
    cors = Middleware(
        CORSMiddleware, allow_origins=list(settings.origins), allow_methods=["GET", "POST"],
        allow_headers=["authorization", "content-type"], allow_private_network=bool(settings.origins),
    )  # fmt: skip
    app = Starlette(
        routes=routes, middleware=[cors] if settings.origins else [], lifespan=lifespan,
        exception_handlers={404: _nowhere(house), 405: _nowhere(house)},
    )  # fmt: skip
    app.router.redirect_slashes = False
    app.state.house = house
    return app


def add(app: Starlette, answers: Mapping[str, Answer]) -> None:
    """Let the service answer at further paths, as `Smart.answers` names them."""
    app.router.routes.extend(_route(app.state.house, path, "GET", answer) for path, answer in answers.items())


def _route(house: House, path: str, method: str, answer: Answer, *, guarded: bool = False) -> Route:
    async def endpoint(request: Request) -> Response:
        request.state.id = uuid.uuid4().hex
        begun = time.perf_counter()
        try:
            response = await (_guarded(house, request, answer) if guarded else answer(request, house))
        except Refusal as error:
            response = refused(error)
        except StoreFailed:
            what = "refused: the audit log cannot be written."
            response = refused(Refusal(503, "transient", "service", what, "Tell who runs the service."))
        except ClientDisconnect:
            response = Response(status_code=400)
        except Exception as error:
            house.log.fault(request=request.state.id, route=path, kind=type(error).__name__)
            response = refused(Refusal(500, "exception", "service", "not evaluated.", "Tell who runs the service."))
        return _told(house, response, request, path, begun)

    return Route(path, endpoint, methods=[method])


async def _guarded(house: House, request: Request, answer: Answer) -> Response:
    """Answer one who may call, unless there is no room: then the body is not even read."""
    house.admit()
    house.entered += 1
    try:
        await house.verify(request)
        return await answer(request, house)
    finally:
        house.entered -= 1


def _told(house: House, response: Response, request: Request, route: str, begun: float) -> Response:
    """Return a response with its headers, logged and counted."""
    seconds = time.perf_counter() - begun
    house.metrics.calls.labels(route, str(response.status_code)).observe(seconds)
    house.log.call(
        request=request.state.id, route=route, method=request.method if route != OTHER else "",
        status=response.status_code, duration_ms=1000 * seconds, sent=len(response.body),
    )  # fmt: skip
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers["X-Request-Id"] = request.state.id
    return response


def _nowhere(house: House) -> Callable[[Request, Exception], Awaitable[Response]]:
    """Return what answers where nothing is: the address is not logged, it may hold anything."""

    async def endpoint(request: Request, error: Exception) -> Response:
        request.state.id = uuid.uuid4().hex
        status = getattr(error, "status_code", 404)
        what = "there is nothing here." if status == 404 else "this method does nothing here."
        response = refused(Refusal(status, "not-found", "service", what, "See /openapi.json."))
        if allowed := (getattr(error, "headers", None) or {}).get("Allow"):
            response.headers["Allow"] = allowed
        return _told(house, response, request, OTHER, time.perf_counter())

    return endpoint


def refused(refusal: Refusal) -> Response:
    """Return a refusal as a response."""
    headers = {"Retry-After": str(refusal.retry_s)} if refusal.retry_s else {}
    if refusal.status == 401:
        return Response(status_code=401, headers={"WWW-Authenticate": "Bearer"})
    return Response(encoded(refusal), refusal.status, headers, FHIR_JSON)


def json(value: Any, status: int = 200, kind: str = JSON) -> Response:
    """Return a value as a response."""
    return Response(msgspec.json.encode(value), status, media_type=kind)


async def _discovery(request: Request, house: House) -> Response:
    del request
    return json(hooks.services(house.settings))


async def _hook(request: Request, house: House) -> Response:
    return json(await hooks.answered(request, house))


async def _feedback(request: Request, house: House) -> Response:
    await hooks.fed_back(request, house)
    return Response(status_code=200)


async def _assess(request: Request, house: House) -> Response:
    content, kind = await operations.answered(request, house, house.settings.depth)
    return Response(content, media_type=kind)


async def _forecast(request: Request, house: House) -> Response:
    content, kind = await operations.answered(request, house, "fit")
    return Response(content, media_type=kind)


async def _feedback_summary(request: Request, house: House) -> Response:
    del request
    kept = await to_thread.run_sync(house.store.feedbacks)
    return json(feedback.summary(row for _, row in kept))


async def _card(request: Request, house: House) -> Response:
    found = house.issued.standing(request.path_params["card"], house.clock())
    if "text/html" not in request.headers.get("accept", ""):
        return json(found)
    page = f"<!doctype html><html lang=en><title>carnallite: card</title><h1>{escape(found.state.upper())}</h1>"
    return Response(f"{page}<p>{escape(found.says)}</p></html>", media_type="text/html")


async def _alive(request: Request, house: House) -> Response:
    del request, house
    return json({"status": "alive"})


async def _ready(request: Request, house: House) -> Response:
    del request
    is_ready, checks = await probes.ready(house)
    return json({"ready": is_ready, "checks": checks}, 200 if is_ready else 503)


async def _version(request: Request, house: House) -> Response:
    del request
    told = probes.version() | {"cds_hooks": hooks.VERSION, "overdue": overdue(house.today())}
    return json(told | {"demonstration": house.settings.is_demonstration})


async def _openapi(request: Request, house: House) -> Response:
    del request
    return json(openapi.document(house.settings))


async def _metrics(request: Request, house: House) -> Response:
    del request
    return Response(house.metrics.text(), media_type=metrics.KIND)
