"""A small EHR of tests: a FHIR server with an authorization server that checks what SMART asks it to check."""

from __future__ import annotations

import hashlib
import json
import secrets
from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import jwt

if TYPE_CHECKING:
    from listeners import Asked

CLIENT = "carnallite-app"
FHIR = "application/fhir+json"


class Ehr:
    """What one EHR holds, permits and has seen."""

    def __init__(self, resources: list[dict[str, Any]], **told: Any) -> None:
        self.resources = resources
        self.patient = next(one["id"] for one in resources if one["resourceType"] == "Patient")
        self.url, self.more = "", ""
        self.told = told  # what the token endpoint says besides
        self.configured: dict[str, Any] = {}
        self.capabilities = ["launch-ehr", "permission-v2"]
        self.codes: dict[str, dict[str, str]] = {}
        self.tokens: set[str] = set()
        self.refused: list[str] = []
        self.user = "Practitioner/example"
        self.public: Any = None  # key of a client that shows an assertion
        self.forbidden: set[str] = set()

    @property
    def base(self) -> str:
        return f"{self.url}{self.more}/fhir"

    def authorized(self, location: str) -> str:
        """Return the code for which a browser would come back after somebody agreed."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
        assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
        code = secrets.token_urlsafe()
        self.codes[code] = asked
        return code

    def __call__(self, asked: Asked) -> tuple[int, dict[str, str], bytes]:
        path = urlsplit(asked.path).path.removeprefix(self.more)
        if path == "/fhir/.well-known/smart-configuration":
            ends = {"authorization_endpoint": f"{self.url}/authorize", "token_endpoint": f"{self.url}/token",
                    "capabilities": self.capabilities, "code_challenge_methods_supported": ["S256"]}  # fmt: skip
            return said(200, ends | self.configured, "application/json")
        if path == "/token":
            return self._token(asked)
        if asked.headers.get("Authorization", "").removeprefix("Bearer ") not in self.tokens:
            return said(401, {"resourceType": "OperationOutcome"})
        return self._read(path.removeprefix("/fhir/"), parse_qs(urlsplit(asked.path).query))

    def _token(self, asked: Asked) -> tuple[int, dict[str, str], bytes]:
        form = {name: values[0] for name, values in parse_qs(asked.sent.decode()).items()}
        begun = self.codes.pop(form.get("code", ""), None)
        why = self._wrong(form, begun)
        if why:
            self.refused.append(why)
            return said(400, {"error": "invalid_grant"}, "application/json")
        token = secrets.token_urlsafe()
        self.tokens.add(token)
        assert begun is not None
        claims = {"iss": self.url, "sub": "u1", "aud": CLIENT, "exp": 4102444800, "nonce": begun["nonce"]}
        given = {
            "access_token": token, "token_type": "Bearer", "expires_in": 300, "scope": begun["scope"],
            "patient": self.patient, "need_patient_banner": False,
            "id_token": jwt.encode(claims | {"fhirUser": self.user}, "long enough, and not checked by us", "HS256"),
        }  # fmt: skip
        told = {name: value for name, value in (given | self.told).items() if value is not None}
        return said(200, told, "application/json")

    def _wrong(self, form: dict[str, str], begun: dict[str, str] | None) -> str:
        if begun is None:
            return "code"
        challenge = urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest()).rstrip(b"=")
        if challenge.decode() != begun["code_challenge"]:
            return "verifier"
        if (form.get("client_id"), form.get("redirect_uri")) != (CLIENT, begun["redirect_uri"]):
            return "client"
        if self.public is not None:
            shown = jwt.decode(form["client_assertion"], self.public, ["ES384"], audience=f"{self.url}/token")
            return "" if shown["sub"] == shown["iss"] == CLIENT and shown["exp"] - shown["iat"] <= 300 else "assertion"
        return ""

    def _read(self, path: str, query: dict[str, list[str]]) -> tuple[int, dict[str, str], bytes]:
        kind, _, id = path.partition("/")
        if kind in self.forbidden:
            return said(403, {"resourceType": "OperationOutcome"})
        of_kind = [one for one in self.resources if one["resourceType"] == kind]
        if id:
            found = [one for one in of_kind if one["id"] == id]
            return said(200, found[0]) if found else said(404, {"resourceType": "OperationOutcome"})
        assert query["patient"] == [self.patient]
        entries = [{"resource": one} for one in of_kind]
        return said(200, {"resourceType": "Bundle", "type": "searchset", "entry": entries})


def said(status: int, body: Any, kind: str = FHIR) -> tuple[int, dict[str, str], bytes]:
    return status, {"Content-Type": kind}, json.dumps(body).encode()
