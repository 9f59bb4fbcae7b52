"""The published cases as one bulk export, and runs of `carnallite screen` over them."""

from __future__ import annotations

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq

from carnallite.assessment import Assessment, assess
from carnallite.record import fhir_reading
from carnallite.surfaces.cli import main

CASES = sorted((Path(__file__).parent / "published").glob("*.json"))


@cache
def people(count: int = len(CASES)) -> dict[str, dict[str, Any]]:
    """Return the cases by a key of their own, each a Bundle in which nobody has the id of another."""
    return {f"Patient/case-{path.stem[:3]}": _renamed(path) for path in CASES[:count]}


def _renamed(path: Path) -> dict[str, Any]:
    stem, bundle = path.stem[:3], json.loads(path.read_text("utf-8"))
    names = {}
    for number, entry in enumerate(bundle["entry"]):
        resource = entry["resource"]
        id = f"case-{stem}" if resource["resourceType"] == "Patient" else f"r{stem}-{number}"
        new = f"{resource['resourceType']}/{id}"
        names |= {entry.get("fullUrl", new): new, f"{resource['resourceType']}/{resource.get('id')}": new}
        resource["id"] = id
        entry.pop("fullUrl", None)
    return _references(bundle, names)


def _references(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, list):
        return [_references(one, names) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        key: names.get(one, one) if key == "reference" and isinstance(one, str) else _references(one, names)
        for key, one in value.items()
    }


def export(folder: Path, some: dict[str, dict[str, Any]] | None = None, *, packed: bool = False) -> Path:
    """Write people as NDJSON, a file for each type, two of observations, as a bulk export does."""
    folder.mkdir(parents=True, exist_ok=True)
    lines: dict[str, list[str]] = {}
    for number, bundle in enumerate((people() if some is None else some).values()):
        for entry in bundle["entry"]:
            kind = entry["resource"]["resourceType"]
            file = f"{kind}.{number % 2}" if kind == "Observation" else kind
            lines.setdefault(file, []).append(json.dumps(entry["resource"]))
    for file, content in lines.items():
        data = ("\n".join(content) + "\n").encode()
        if packed:
            (folder / f"{file}.ndjson.gz").write_bytes(gzip.compress(data, mtime=0))
        else:
            (folder / f"{file}.ndjson").write_bytes(data)
    return folder


def screen(source: Path, out: Path, *more: str) -> int:
    """Run the command without processes of its own."""
    return main(["screen", str(source), "--out", str(out), "--workers", "1", *more])


def answers(out: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the answers of a run by patient and episode."""
    rows = pq.read_table(out / "answers").to_pylist()
    found = {(row["patient"], row["episode"]): row for row in rows}
    assert len(found) == len(rows)
    return found


def assessed(bundle: dict[str, Any], depth: str = "findings") -> Assessment:
    """Return what `assess` says of one person."""
    return assess(fhir_reading(msgspec.json.encode(bundle)), depth=depth)


def said(answer: Assessment) -> dict[str, Any]:
    """Return what a screening and an assessment have in common: states, findings of safety, the posterior."""
    return {
        "index": answer.index,
        "magnesium": answer.states.magnesium,
        "potassium": answer.states.potassium,
        "calcium": answer.states.calcium,
        "emergencies": [one.id for one in answer.emergencies],
        "unsafe": [one.id for one in answer.unsafe],
        "samples": [one.id for one in answer.samples],
        "causes": [{"id": one.id, "probability": one.probability} for one in answer.causes],
        "factors": [{"id": one.id, "probability": one.probability} for one in answer.factors],
        "missing": list(answer.missing),
        "next_tests": [one.id for one in answer.next_tests],
        "cannot_tell": answer.cannot_tell,
        "explains_potassium": answer.magnesium_explains.potassium,
        "explains_calcium": answer.magnesium_explains.calcium,
    }


def files(out: Path) -> dict[str, bytes]:
    """Return every byte that a run leaves to others."""
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file() and not path.name.startswith(".") and "taken" not in path.parts
    }
