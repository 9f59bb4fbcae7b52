"""What the service is at each EHR that opens its report."""

from __future__ import annotations

from msgspec import Struct


class App(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What we are at one EHR: the server that launches us, the name that it gave us, and how we show that it is us."""

    issuer: str  # base of its FHIR server
    client: str  # client_id
    key: str = ""  # file of a private JWK; without it we are a public client, and PKCE alone protects the code
    authorization: tuple[str, ...] = ()  # addresses of its authorization server, where that is another host
    embedded: bool = False  # whether the report opens in a frame of the EHR
