"""The audit log read: checked, and as FHIR AuditEvents for the hospital's own audit repository (after IHE BALP)."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from carnallite.errors import StoreFailed

if TYPE_CHECKING:
    import argparse

    from carnallite.surfaces.service.store import Row, Verified

_DICOM = "http://dicom.nema.org/resources/ontology/DCM"
_CODES = "http://terminology.hl7.org/CodeSystem"
_INTERACTIONS = "http://hl7.org/fhir/restful-interaction"
_BALP = "https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType"
_REFUSED, _DONE = "8", "0"  # serious failure, success: of the value set of outcomes
_OURS = "urn:carnallite:audit"


def event(row: Row) -> dict[str, Any]:
    """Return a row as FHIR R4 AuditEvent; a patient is the keyed digest that stands in the row."""
    told = row.facts
    refused = row.action == "refused" or told.get("outcome") == "refused"
    agents = [
        _agent("110153", "Source Role ID", str(told.get("client") or "anonymous"), is_requestor="user" not in told),
        _agent("110152", "Destination Role ID", "carnallite", is_requestor=False),
    ]
    if "user" in told:
        agents.append(_agent("110150", "Application", str(told["user"]), is_requestor=True))
    entities: list[dict[str, Any]] = []
    if "patient" in told:
        who = {"identifier": {"system": f"{_OURS}:patient", "value": told["patient"]}}
        person = {"system": f"{_CODES}/audit-entity-type", "code": "1", "display": "Person"}
        role = {"system": f"{_CODES}/object-role", "code": "1", "display": "Patient"}
        entities.append({"what": who, "type": person, "role": role})
    if "request" in told:
        kind = {"system": _BALP, "code": "XrequestId"}
        entities.append({"what": {"identifier": {"value": told["request"]}}, "type": kind})
    rest = sorted((name, value) for name, value in told.items() if name not in {"client", "user", "patient", "request"})
    detail = [{"type": name, "valueString": str(value)} for name, value in (*rest, ("digest", row.digest))]
    entities.append({"what": {"identifier": {"system": _OURS, "value": str(row.number)}}, "detail": detail})
    return {
        "resourceType": "AuditEvent",
        "type": {"system": f"{_CODES}/audit-event-type", "code": "rest", "display": "Restful Operation"},
        "subtype": [
            {"system": _INTERACTIONS, "code": "operation", "display": "operation"},
            {"system": f"{_OURS}:action", "code": row.action},
        ],
        "action": "E",
        "recorded": row.at.isoformat().replace("+00:00", "Z"),
        "outcome": _REFUSED if refused else _DONE,
        "agent": agents,
        "source": {"observer": {"display": "carnallite"}},
        "entity": entities,
    }


def command(options: argparse.Namespace) -> int:
    """Print the log as AuditEvents, or check it; exit code 4 where it does not hold."""
    from carnallite.surfaces.service import settings  # noqa: PLC0415
    from carnallite.surfaces.service.store import Store  # noqa: PLC0415

    chosen = settings.read(options.config)
    store = Store.open(chosen.kept, Path(chosen.secret) if chosen.secret else None, make=False)
    try:
        if not options.verify:
            for row in store.rows(options.since):
                sys.stdout.write(msgspec.json.encode(event(row)).decode() + "\n")
            return 0
        number, _, digest = options.head.partition(":")
        found = store.verify((int(number), digest) if options.head else None)
        sys.stdout.write(_told(found, store.head()))
    finally:
        store.close()
    if found.broken is not None:
        raise StoreFailed(f"row {found.broken}", f"{found.why}.", "Keep everything as it is, and find out who did it.")
    return 0


def _told(found: Verified, head: tuple[int, str]) -> str:
    return f"rows that hold\t{found.rows}\nhead\t{head[0]}:{head[1]}\n"


def _agent(code: str, display: str, who: str, *, is_requestor: bool) -> dict[str, Any]:
    return {
        "type": {"coding": [{"system": _DICOM, "code": code, "display": display}]},
        "who": {"display": who},
        "requestor": is_requestor,
    }
