"""A client of the service for tests: records as prefetch, calls, and stores that keep nothing."""

from __future__ import annotations

import asyncio
import io
import json
import uuid
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import httpx

from carnallite.record import FHIR_TYPES
from carnallite.surfaces.service.application import application
from carnallite.surfaces.service.house import House
from carnallite.surfaces.service.logs import Log
from carnallite.surfaces.service.prefetch import KEYS, PATIENT, WITHIN, templates
from carnallite.surfaces.service.settings import Settings

PUBLISHED = Path(__file__).parent / "published"
CASES = sorted(PUBLISHED.glob("*.json"))
USER = "Practitioner/example"
RECORD = Settings(workers=0, clock="record", observations="all", waiting=64, patience_s=60)


WELL: list[dict[str, Any]] = [
    {"resourceType": "Patient", "id": "well", "gender": "female", "birthDate": "1970-01-01"},
    *(
        {
            "resourceType": "Observation", "id": f"o{number}", "status": "final",
            "subject": {"reference": "Patient/well"}, "effectiveDateTime": "2020-06-01T08:00:00Z",
            "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
            "valueQuantity": {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit},
        }
        for number, (code, value, unit) in enumerate([
            ("2601-3", 0.85, "mmol/L"), ("2823-3", 4.2, "mmol/L"), ("2000-8", 2.35, "mmol/L"),
            ("14682-9", 70, "umol/L"),
        ])
    ),
]  # fmt: skip


def resources(path: Path) -> list[dict[str, Any]]:
    """Return the resources of a published case, with references by id."""
    text = path.read_text("utf-8")
    told = json.loads(text)["entry"]
    for entry in told:
        text = text.replace(entry["fullUrl"], f"{entry['resource']['resourceType']}/{entry['resource']['id']}")
    return [entry["resource"] for entry in json.loads(text)["entry"]]


def searchset(found: list[dict[str, Any]]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": one} for one in found]}


def prefetch(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Return resources as a client would give them for the templates with all observations."""
    keys = {"Observation": "results", **KEYS}
    given: dict[str, Any] = {key: searchset([]) for key in templates(RECORD)}
    for type in FHIR_TYPES - {PATIENT.title()} - WITHIN:
        given[keys[type]] = searchset([one for one in found if one["resourceType"] == type])
    within = [one for one in found if one["resourceType"] in WITHIN]
    given["results"]["entry"] += [{"resource": one} for one in within]
    given[PATIENT] = next(one for one in found if one["resourceType"] == "Patient")
    return given


def call(found: list[dict[str, Any]], hook: str = "patient-view", **context: Any) -> dict[str, Any]:
    """Return the call of a hook with a record as prefetch."""
    given = prefetch(found)
    return {
        "hook": hook,
        "hookInstance": str(uuid.uuid4()),
        "context": {"userId": USER, "patientId": given[PATIENT]["id"], **context},
        "prefetch": given,
    }


class Forgetful:
    """A store that keeps what it is told in memory."""

    def __init__(self) -> None:
        self.audited: list[tuple[str, dict[str, Any], datetime]] = []
        self._shown: dict[tuple[str, str], datetime] = {}
        self._feedback: list[tuple[datetime, dict[str, Any]]] = []

    def append(self, action: str, facts: Mapping[str, Any], at: datetime) -> str:
        self.audited.append((action, dict(facts), at))
        return ""

    def patient_key(self, patient: str, at: datetime) -> str:
        return f"{hash((patient, at.month)):x}"

    def shown(self, key: str, fact: str, at: datetime) -> None:
        self._shown[key, fact] = at

    def last_shown(self, key: str, fact: str) -> datetime | None:
        return self._shown.get((key, fact))

    def feedback(self, row: Mapping[str, Any], at: datetime | None = None) -> None:
        self._feedback.append((at or datetime.now().astimezone(), dict(row)))

    def feedbacks(self, since: datetime | None = None) -> list[tuple[datetime, dict[str, Any]]]:
        del since
        return list(self._feedback)


class Client:
    """The service in this process, asked one call after the other."""

    def __init__(self, settings: Settings = RECORD, *, store: Any = None, **parts: Any) -> None:
        self.store = Forgetful() if store is None else store
        self.said = io.StringIO()
        self.app = application(settings, self.store, log=Log(self.said), **parts)
        self.house: House = self.app.state.house
        self._loop = asyncio.new_event_loop()
        self._http = httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url=settings.base, timeout=120)
        self.house.open()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.house.close()
        self._loop.run_until_complete(self._http.aclose())
        self._loop.close()

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self._loop.run_until_complete(self._http.get(path, **more))

    def post(self, path: str, **more: Any) -> httpx.Response:
        return self._loop.run_until_complete(self._http.post(path, **more))

    def together(self, *calls: tuple[str, dict[str, Any]]) -> list[httpx.Response]:
        """Return the answers to calls that are made at once."""

        async def every() -> list[httpx.Response]:
            return list(await asyncio.gather(*(self._http.post(path, json=given) for path, given in calls)))

        return self._loop.run_until_complete(every())

    def hook(self, told: dict[str, Any]) -> httpx.Response:
        return self.post(f"/cds-services/carnallite-{told['hook']}", json=told)
