"""SMART App Launch: the report of the patient whose chart is open, or of one who is chosen.

A launch leaves nothing behind: what must be remembered until the browser comes back lies sealed in a cookie of that
browser for minutes, and works once. The access token is used to read the record and forgotten with the answer.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from base64 import urlsafe_b64encode
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

import msgspec
from anyio import to_thread
from msgspec import Struct
from starlette.responses import RedirectResponse, Response

from carnallite.errors import FetchFailed, SettingError
from carnallite.record import FHIR_TYPES
from carnallite.surfaces.service import beside, work
from carnallite.surfaces.service.outward import Outward
from carnallite.surfaces.service.prefetch import WITHIN, Source, gather
from carnallite.surfaces.service.refusal import Refusal
from carnallite.surfaces.service.signing import Signer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from datetime import datetime

    from starlette.requests import Request

    from carnallite.surfaces.service.apps import App
    from carnallite.surfaces.service.house import House
    from carnallite.surfaces.service.settings import Settings

    Answer = Callable[[Request, House], Awaitable[Response]]

LAUNCH, STANDALONE, BACK = "/smart/launch", "/smart/start", "/smart/callback"
MINUTES = 10  # between the first page of a launch and the last
_COOKIE = "__Host-launch-"
_PATIENT = re.compile(r"[A-Za-z0-9.-]{1,64}")
_STATE = re.compile(r"[A-Za-z0-9_-]{43}")


class _Ends(Struct, frozen=True):
    """What a server publishes of itself."""

    authorization_endpoint: str
    token_endpoint: str
    capabilities: tuple[str, ...] = ()
    code_challenge_methods_supported: tuple[str, ...] = ()


class _Begun(Struct, frozen=True):
    """A launch, as the cookie holds it until the browser comes back."""

    state: str
    issuer: str
    verifier: str
    nonce: str
    token_endpoint: str


class _Granted(Struct, frozen=True):
    """What a token endpoint gives."""

    access_token: str
    token_type: str
    scope: str = ""
    patient: str = ""
    need_patient_banner: bool = True
    id_token: str = ""


class _Failed(Exception):
    """A launch that goes no further: status, what the person reads, and a code for the audit log."""

    def __init__(self, status: int, code: str, told: str) -> None:
        super().__init__(code)
        self.status, self.code, self.told = status, code, told


_AGAIN = "Open the report again from the chart."


class Smart:
    """The apps of one service.

    Raises
    ------
    SettingError
        Two apps have one server, or a file or an address cannot be used.
    """

    def __init__(self, settings: Settings, apps: tuple[App, ...]) -> None:
        from cryptography.fernet import Fernet  # noqa: PLC0415  (an extra; start-up stays fast)

        self._fernet = Fernet
        self._apps = {app.issuer.rstrip("/"): app for app in apps}
        if len(self._apps) != len(apps):
            raise SettingError("smart", "two apps have the same issuer.", "Make it one.")
        self._signers = {app.issuer: Signer(app.key) for app in apps if app.key}
        house = {"networks": settings.networks, "loopback": settings.loopback, "authority": settings.authority}
        self._outward = {app.issuer: Outward(_asked(app), **house) for app in apps}  # type: ignore[arg-type]
        self._back = settings.base + BACK

    def answers(self) -> dict[str, Answer]:
        """Return what answers at which path."""
        return {LAUNCH: self._caught(self._launch), STANDALONE: self._caught(self._launch),
                BACK: self._caught(self._called_back)}  # fmt: skip

    def _caught(self, answer: Answer) -> Answer:
        async def caught(request: Request, house: House) -> Response:
            request.state.issuer = ""
            try:
                return await answer(request, house)
            except _Failed as failed:
                await house.audit(request, "launch", {"outcome": "refused", "code": failed.code})
                return Response(beside.no_page(failed.told), failed.status, media_type="text/html")

        return caught

    async def _launch(self, request: Request, house: House) -> Response:
        """Send the browser to the authorization server of the EHR that launched us."""
        asked = request.query_params
        app = self._apps.get(asked.get("iss", "").rstrip("/"))
        if app is None or len(asked.getlist("iss")) != 1:
            raise _Failed(400, "issuer", "This EHR is not known here.")
        launch = asked.get("launch", "")
        if bool(launch) == (request.url.path == STANDALONE):
            raise _Failed(400, "launch", _AGAIN)
        ends = await to_thread.run_sync(self._published, app)
        begun = _Begun(
            state=secrets.token_urlsafe(32), issuer=app.issuer, verifier=secrets.token_urlsafe(48),
            nonce=secrets.token_urlsafe(16), token_endpoint=ends.token_endpoint,
        )  # fmt: skip
        digest = hashlib.sha256(begun.verifier.encode()).digest()
        query = {
            "response_type": "code", "client_id": app.client, "redirect_uri": self._back, "state": begun.state,
            "scope": _scope(ends, bool(launch)), "aud": asked["iss"], "nonce": begun.nonce,
            "code_challenge": urlsafe_b64encode(digest).rstrip(b"=").decode(), "code_challenge_method": "S256",
        } | ({"launch": launch} if launch else {})  # fmt: skip
        to = ends.authorization_endpoint
        response = RedirectResponse(f"{to}{'&' if '?' in to else '?'}{urlencode(query)}", 303)
        sealed = self._sealed(house).encrypt_at_time(msgspec.json.encode(begun), int(house.clock().timestamp()))
        self._cookie(response, app, begun.state, sealed.decode())
        return response

    async def _called_back(self, request: Request, house: House) -> Response:
        """Exchange the code, read the record, and answer with the report."""
        begun = await self._begun(request, house)
        app = self._apps[begun.issuer.rstrip("/")]
        code = request.query_params.get("code", "")
        if not code or "error" in request.query_params:
            raise _Failed(403, "denied", "The EHR did not permit it.")
        granted, user = await to_thread.run_sync(self._exchanged, app, begun, code, house.clock())
        outward, base = self._outward[app.issuer], app.issuer.rstrip("/")
        source = Source(outward.get, base, granted.access_token, house.learned)
        try:
            bundle = (await gather(house.settings, granted.patient, {}, source)).bundle
        except Refusal as refusal:
            raise _Failed(502, "record", f"Not evaluated: the record could not be read whole. {refusal.what}") from None
        html = await _written(house, bundle, granted.patient)
        facts = {"outcome": "shown", "server": base}
        await house.audit(request, "launch", facts, patient=f"{base} {granted.patient}", user=user)
        named = bundle if granted.need_patient_banner else b""
        response = Response(beside.page(html, named, house.settings.is_demonstration), media_type="text/html")
        response.headers["Content-Security-Policy"] = beside.policy(_asked(app) if app.embedded else ["'none'"])
        self._cookie(response, app, begun.state, "")
        return response

    async def _begun(self, request: Request, house: House) -> _Begun:
        """Return the launch that this browser began, once."""
        from cryptography.fernet import InvalidToken  # noqa: PLC0415

        state, now = request.query_params.get("state", ""), house.clock()
        sealed = request.cookies.get(_name(state), "") if _STATE.fullmatch(state) else ""
        try:
            opened = self._sealed(house).decrypt_at_time(sealed.encode(), MINUTES * 60, int(now.timestamp()))
            begun = msgspec.json.decode(opened, type=_Begun)
        except (InvalidToken, msgspec.MsgspecError):
            raise _Failed(400, "state", _AGAIN) from None
        is_known = hmac.compare_digest(begun.state, state) and begun.issuer.rstrip("/") in self._apps
        until = now + timedelta(minutes=MINUTES)
        if not is_known or not await to_thread.run_sync(house.store.remember, "smart", state, until):
            raise _Failed(400, "state", _AGAIN)
        return begun

    def _published(self, app: App) -> _Ends:
        outward = self._outward[app.issuer]
        try:
            told = outward.ask("GET", f"{app.issuer.rstrip('/')}/.well-known/smart-configuration", kinds=_JSON).body
            ends = msgspec.json.decode(told, type=_Ends)
        except (FetchFailed, msgspec.MsgspecError):
            raise _Failed(502, "configuration", "The EHR does not answer.") from None
        is_listed = outward.within(ends.authorization_endpoint) and outward.within(ends.token_endpoint)
        methods = ends.code_challenge_methods_supported
        if not is_listed or (methods and "S256" not in methods):
            raise _Failed(502, "configuration", "The EHR does not answer as it should.")
        return ends

    def _exchanged(self, app: App, begun: _Begun, code: str, now: datetime) -> tuple[_Granted, str]:
        form = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": self._back, "client_id": app.client,
            "code_verifier": begun.verifier,
        }  # fmt: skip
        if app.issuer in self._signers:
            form |= self._signers[app.issuer].assertion(app.client, begun.token_endpoint, now)
        try:
            granted = msgspec.json.decode(self._outward[app.issuer].post(begun.token_endpoint, form), type=_Granted)
        except (FetchFailed, msgspec.MsgspecError):
            raise _Failed(502, "token", "The EHR did not permit it.") from None
        if granted.token_type.lower() != "bearer" or not _PATIENT.fullmatch(granted.patient):
            raise _Failed(502, "patient", "The EHR did not say whose chart is open.")
        return granted, _user(granted.id_token, app, begun, now) if granted.id_token else ""

    def _sealed(self, house: House) -> Any:
        return self._fernet(urlsafe_b64encode(house.store.derived("launch")))

    def _cookie(self, response: Response, app: App, state: str, value: str) -> None:
        """Set what the browser keeps, or take it away; a frame of another site needs a cookie of its own."""
        kind = "None; Partitioned" if app.embedded else "Lax"
        age = MINUTES * 60 if value else 0
        cookie = f"{_name(state)}={value}; Max-Age={age}; Path=/; Secure; HttpOnly; SameSite={kind}"
        response.headers.append("Set-Cookie", cookie)


_JSON = ("application/json",)


async def _written(house: House, bundle: bytes, patient: str) -> str:
    """Return the report with an individual fit; without one where too many wait for theirs."""
    task = house.task(bundle, now=house.clock(), patient=patient)
    demonstration = house.settings.is_demonstration
    try:
        told = await house.compute("fits", beside.written, msgspec.structs.replace(task, depth="fit"), demonstration)
    except Refusal:
        told = await house.compute("answers", beside.written, task, demonstration)
    if isinstance(told, work.NotRead):
        raise _Failed(502, "record", f"Not evaluated: {told.what} {told.do}")
    return told


def _asked(app: App) -> list[str]:
    """Return the addresses that may be asked for an app: its own server, and where that lets people in."""
    parts = urlsplit(app.issuer)
    return [f"{parts.scheme}://{parts.netloc}", *app.authorization]


def _name(state: str) -> str:
    return _COOKIE + hashlib.sha256(state.encode()).hexdigest()[:16]


def _scope(ends: _Ends, is_launched: bool) -> str:
    """Return what we ask to read: in the words of version 2 where the server knows them."""
    read = "rs" if "permission-v2" in ends.capabilities else "read"
    types = [f"patient/{kind}.{read}" for kind in sorted(FHIR_TYPES - WITHIN | {"Medication"})]
    return " ".join(["launch" if is_launched else "launch/patient", "openid", "fhirUser", *types])


def _user(token: str, app: App, begun: _Begun, now: datetime) -> str:
    """Return who uses the app, for the audit log. The token came straight from its maker by TLS (OIDC Core 3.1.3.7)."""
    from jwt import PyJWTError, decode  # noqa: PLC0415

    try:
        said: Mapping[str, Any] = decode(token, options={"verify_signature": False})
    except PyJWTError:
        raise _Failed(502, "id_token", "The EHR did not say who asks.") from None
    audience, ends = said.get("aud"), said.get("exp")
    meant = app.client in audience if isinstance(audience, list) else audience == app.client
    if not meant or not isinstance(ends, int | float) or ends <= now.timestamp() or said.get("nonce") != begun.nonce:
        raise _Failed(502, "id_token", "The EHR did not say who asks.")
    user = str(said.get("fhirUser") or said.get("profile") or said.get("sub") or "")
    return user if re.fullmatch(r"[\w.:/-]{1,200}", user, re.ASCII) else ""
