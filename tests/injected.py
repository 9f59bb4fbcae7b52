"""A record in which every text tries to become part of a page, and what a browser would run of a page."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from hooked import WELL

PAYLOADS = (Path(__file__).parent / "payloads.txt").read_text("utf-8").splitlines()


class Tags(HTMLParser):
    """Collects what a browser would run or fetch."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in {"script", "iframe", "object", "embed", "base", "link", "form", "img", "image", "foreignobject"}:
            self.found.append(tag)
        for name, value in attrs:
            if name.startswith("on") or (
                name.endswith(("href", "src", "action")) and not (value or "").startswith("#")
            ):
                self.found.append(f"{tag} {name}={value}")
            if name == "style" and re.search(r"url|expression|@import", value or "", re.IGNORECASE):
                self.found.append(f"{tag} {value}")
            if name == "http-equiv":
                self.found.append(f"{tag} {name}")


def hostile() -> list[dict[str, Any]]:
    """Return a record in which every text is a payload."""
    text = {one["resourceType"]: one for one in json.loads(json.dumps(WELL[:1]))}
    patient = text["Patient"] | {"name": [{"text": " ".join(PAYLOADS)}], "identifier": [{"value": PAYLOADS[0]}]}
    patient |= {"text": {"status": "generated", "div": f"<div>{PAYLOADS[0]}</div>"}, "gender": PAYLOADS[14]}
    found = [patient]
    for number, payload in enumerate(PAYLOADS):
        about = {"subject": {"reference": "Patient/well"}, "id": f"x{number}", "status": "active"}
        note = {"note": [{"text": payload}]}
        drug = {"text": f"furosemide {payload}", "coding": [{"system": payload, "code": payload, "display": payload}]}
        found += [
            {"resourceType": "Condition", "code": {"text": payload}, **note, **about},
            {"resourceType": "MedicationRequest", "intent": "order", "medicationCodeableConcept": drug, **about},
            {"resourceType": "Observation", "code": {"text": payload}, "valueString": payload, **note, **about,
             "status": "final", "effectiveDateTime": "2020-06-01T07:00:00Z"},
            {"resourceType": "Observation", **note, **about, "id": f"y{number}", "status": "final",
             "code": {"coding": [{"system": "http://loinc.org", "code": "2601-3", "display": payload}]},
             "valueQuantity": {"value": 0.5, "unit": payload}, "effectiveDateTime": "2020-06-01T07:00:00Z"},
        ]  # fmt: skip
    low = json.loads(json.dumps(WELL[1:]))
    for one, payload in zip(low, PAYLOADS, strict=False):
        one["code"]["text"] = payload
    low[0]["valueQuantity"]["value"], low[1]["valueQuantity"]["value"] = 0.4, 2.3  # so that there is much to say
    return [*found, *low]
