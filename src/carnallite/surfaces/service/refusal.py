"""Every answer that is no answer: an HTTP status, and a FHIR OperationOutcome that says where, what and what to do."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from carnallite.errors import CarnalliteError

IssueType = Literal[
    "invalid", "structure", "required", "value", "login", "forbidden", "too-long", "not-found", "not-supported",
    "throttled", "timeout", "incomplete", "exception", "processing", "transient", "business-rule",
]  # fmt: skip
FHIR_JSON = "application/fhir+json"


class Refusal(CarnalliteError):
    """A request that is not answered, and why; `where` is a JSON pointer where there is one."""

    def __init__(self, status: int, code: IssueType, where: str, what: str, do: str = "", *, retry_s: int = 0) -> None:
        super().__init__(where, what, do)
        self.status, self.code, self.retry_s = status, code, retry_s


def outcome(refusal: Refusal) -> dict[str, Any]:
    """Return the OperationOutcome of a refusal; it holds nothing of a record that was sent."""
    issue = {"severity": "error", "code": refusal.code, "details": {"text": refusal.what}}
    diagnostics = " ".join(part for part in (f"{refusal.where}:" if refusal.where else "", refusal.do) if part)
    if diagnostics:
        issue["diagnostics"] = diagnostics
    return {"resourceType": "OperationOutcome", "issue": [issue]}


def encoded(refusal: Refusal) -> bytes:
    """Return the OperationOutcome as JSON."""
    return msgspec.json.encode(outcome(refusal))
