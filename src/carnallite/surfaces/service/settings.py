"""What a hospital may set: one frozen value from a TOML file and the environment; without either it is safe."""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from carnallite import datafile
from carnallite.errors import SettingError, did_you_mean
from carnallite.surfaces.service.apps import App
from carnallite.surfaces.service.door import Limits
from carnallite.surfaces.service.store import is_code
from carnallite.surfaces.service.tokens import Client

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "CARNALLITE_"


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every key of `carnallite serve --config FILE`, with what holds where it is not given."""

    host: Annotated[str, Meta(description="Address on which calls are taken.")] = "127.0.0.1"
    port: Annotated[int, Meta(description="Port.", ge=0, le=65535)] = 8080
    public_url: Annotated[
        str, Meta(description="Address under which clients know the service; `aud` of tokens begins with it.")
    ] = ""
    tls_certificate: Annotated[str, Meta(description="File of the certificate chain, PEM.")] = ""
    tls_key: Annotated[str, Meta(description="File of the private key, PEM, readable by the service alone.")] = ""
    clients: Annotated[
        tuple[Client, ...], Meta(description="Who may call. Without any, no token is asked, on loopback alone.")
    ] = ()
    origins: Annotated[
        tuple[str, ...], Meta(description="Web pages that may call from a browser (CORS), such as a CDS sandbox.")
    ] = ()
    intended_use: Annotated[
        str,
        Meta(
            description="Who has read the intended use and takes charge of it; until then everything is marked as "
            "demonstration and only loopback is served."
        ),
    ] = ""
    store: Annotated[
        str,
        Meta(
            description="Where audit log, shown cards and feedback are kept: sqlite:///FILE, or postgresql://…; one "
            "with a password comes from CARNALLITE_STORE or CARNALLITE_STORE_FILE. By default carnallite.db in "
            "$XDG_STATE_HOME/carnallite or ~/.local/state/carnallite, a folder for you alone."
        ),
    ] = ""
    secret: Annotated[
        str, Meta(description="File with at least 32 bytes that key the audit log; by default made beside the store.")
    ] = ""
    workers: Annotated[
        Annotated[int, Meta(ge=0)] | None,
        Meta(description="Processes that compute; none given: one for each core; 0: threads of the one process."),
    ] = None
    waiting: Annotated[int, Meta(description="Calls that may wait for a worker; further ones get 503.", ge=0)] = 16
    patience_s: Annotated[
        float, Meta(description="[s] For which a call for cards waits at most for a worker; then it gets 503.")
    ] = 1.0
    deadline_s: Annotated[float, Meta(description="[s] After which a worker is stopped and the call gets 503.")] = 10.0
    fit_deadline_s: Annotated[float, Meta(description="[s] The same for an individual fit.")] = 120.0
    depth: Annotated[
        Literal["findings", "library"], Meta(description="What cards rest on: cited findings, or also the library.")
    ] = "library"
    clock: Annotated[
        Literal["wall", "record"],
        Meta(description="Time of an assessment for cards: now, or (test systems with old data) the latest in it."),
    ] = "wall"
    units: Annotated[Literal["si", "us"], Meta(description="mmol/L first, or mg/dL.")] = "si"
    limits: Annotated[str, Meta(description="TOML file of the hospital's stricter limits of doses.")] = ""
    local_codes: Annotated[str, Meta(description="CSV of local codes or labels and our analyte ids.")] = ""
    observations: Annotated[
        Literal["codes", "category", "all"],
        Meta(
            description="How results are asked for, of clients and servers: by LOINC, by category, or all (where "
            "labels are local). A server that refuses such a search is asked for all."
        ),
    ] = "codes"
    not_available: Annotated[
        tuple[str, ...],
        Meta(description="Prefetch keys that this site cannot give (such as `family`): said in each card."),
    ] = ()
    pages: Annotated[int, Meta(description="Pages of one search that are followed; more is 412.", ge=1)] = 10
    cards: Annotated[int, Meta(description="Cards in one answer at most.", ge=1, le=5)] = 1
    again_h: Annotated[float, Meta(description="[h] In which a fact is not shown again unless it is worse.")] = 24.0
    valid_h: Annotated[float, Meta(description="[h] For which a card holds at most; results may end it earlier.")] = (
        24.0
    )
    launch_url: Annotated[str, Meta(description="SMART launch address that cards link to.")] = ""
    fhir_servers: Annotated[
        tuple[str, ...], Meta(description="FHIR servers that may be asked; no other address ever is.")
    ] = ()
    smart: Annotated[
        tuple[App, ...],
        Meta(description="EHRs that open the report by SMART App Launch: tables, see `[[smart]]` below."),
    ] = ()
    networks: Annotated[
        tuple[str, ...], Meta(description="Networks of the house in which they may lie, such as 10.20.0.0/16.")
    ] = ()
    loopback: Annotated[bool, Meta(description="Whether they may lie on this machine, and without TLS there.")] = False
    authority: Annotated[str, Meta(description="File with certificates of the house's own authority, PEM.")] = ""
    tls_client_authority: Annotated[
        str, Meta(description="File with the authority of client certificates, PEM; given, a client needs one.")
    ] = ""
    connections: Annotated[
        Limits, Meta(description="Deadlines and caps at the socket: a table, see `[connections]` below.")
    ] = Limits()

    @property
    def base(self) -> str:
        """Return the address under which clients know the service, without a slash at its end."""
        scheme = "https" if self.tls_certificate else "http"
        return (self.public_url or f"{scheme}://{self.host}:{self.port}").rstrip("/")

    @property
    def kept(self) -> str:
        """Return the address of the store: the one that is set, or a file of the user's state."""
        return self.store or f"sqlite:///{state_folder() / 'carnallite.db'}"

    @property
    def is_demonstration(self) -> bool:
        """Return whether nobody has taken charge of the intended use."""
        return not self.intended_use


def state_folder() -> Path:
    """Return the folder in which a program keeps what must outlive it, after the XDG Base Directory specification."""
    given = os.environ.get("XDG_STATE_HOME", "")
    home = Path(given) if given.startswith("/") else Path("~/.local/state").expanduser()
    return home / "carnallite"


def read(path: Path | None = None, given: Mapping[str, Any] | None = None) -> Settings:
    """Return settings from a file, the environment over it, and what was given on the command line over both.

    `CARNALLITE_PORT=8081` sets `port`; `CARNALLITE_SECRET_FILE=PATH` reads a secret from a file.

    Raises
    ------
    DataFileError
        The file is wrong; names key and remedy.
    SettingError
        A value is wrong, a secret stands in the file, or the whole is not safe.
    """
    found = datafile.read(path, Settings) if path else Settings()
    if urlsplit(found.store).password:
        do = f"Give {PREFIX}STORE or {PREFIX}STORE_FILE, and change it: it was written down."
        raise SettingError("store", "a password stands in the file.", do)
    values = msgspec.to_builtins(found) | _environment() | {k: v for k, v in (given or {}).items() if v is not None}
    try:
        settings = msgspec.convert(values, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise SettingError("settings", f"{error}.", "See docs/how-to/serve.md.") from None
    check(settings)
    return settings


def _environment() -> dict[str, Any]:
    """Return what the environment sets; lists are separated by commas."""
    known = {field.name for field in msgspec.structs.fields(Settings)}
    found: dict[str, Any] = {}
    for key, text in os.environ.items():
        name = key.removeprefix(PREFIX).lower()
        if not key.startswith(PREFIX) or name in _OTHERS:
            continue
        if name == "store_file":
            found["store"] = _from_file(key, text)
        elif name not in known or name in _TABLES:
            raise SettingError(key, "there is no such setting.", did_you_mean(name, known))
        else:
            is_list = isinstance(getattr(Settings(), name), tuple)
            found[name] = [part.strip() for part in text.split(",") if part.strip()] if is_list else text
    return found


_TABLES = frozenset({"clients", "connections"})  # of the file alone
_OTHERS = frozenset({"data", "config", "cache"})  # of the environment, and read elsewhere


def _from_file(key: str, path: str) -> str:
    try:
        return Path(path).read_text("utf-8").strip()
    except OSError as error:
        what = f"the file cannot be read ({error.strerror})."
        raise SettingError(key, what, "Check path and rights.") from None


def check(settings: Settings) -> None:
    """Refuse what is not safe or cannot be audited; another address than loopback needs TLS, callers, intended use.

    Raises
    ------
    SettingError
    """
    if bool(settings.tls_certificate) != bool(settings.tls_key):
        raise SettingError("tls_key", "certificate and key go together.", "Give both or none.")
    if settings.public_url and urlsplit(settings.public_url).scheme not in {"http", "https"}:
        raise SettingError("public_url", "it is no web address.", "Write https://cds.example.org.")
    for table in ("clients", "smart"):
        if not all(is_code(one.issuer) for one in getattr(settings, table)):
            what = "an issuer is no plain address, or has more than 2,000 letters."
            raise SettingError(table, what, "Write it as the EHR does; each call is audited under it.")
    if _is_loopback(settings.host):
        return
    needs = {
        "tls_certificate and tls_key": settings.tls_certificate,
        "clients": settings.clients,
        "intended_use": settings.intended_use,
    }
    missing = [name for name, value in needs.items() if not value]
    if missing:
        what = f"{settings.host} can be reached from outside and no {', no '.join(missing)} set."
        raise SettingError("host", what, "Set it, or stay on 127.0.0.1 behind a proxy on the same machine.")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
