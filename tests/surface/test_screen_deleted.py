"""What a source deleted counts no more: `deleted` files of a bulk export, in one delivery and over several."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from carnallite.record.warehouse import Taken, taken_in
from carnallite.surfaces.cli import OK, main
from screened import answers, assessed, export, files, people, said, screen

FEW = dict(list(people().items())[:6])
FIRST, SECOND = list(FEW)[:2]
PATIENT = FIRST.removeprefix("Patient/")


def wrote(file: Path, *resources: dict[str, Any], at: int) -> None:
    """Write lines as if at some second; what was written later is delivered later."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(one) + "\n" for one in resources), "utf-8")
    os.utime(file, (at, at))


def bundle(*names: str, updated: str = "") -> dict[str, Any]:
    entries = [{"request": {"method": "DELETE", "url": name}} for name in names]
    meta = {"meta": {"lastUpdated": updated}} if updated else {}
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries} | meta


def first(folder: Path) -> Path:
    """Export few people as if at second 1000."""
    export(folder / "source", FEW)
    for file in (folder / "source").iterdir():
        os.utime(file, (1000, 1000))
    return folder / "source"


def run(source: Path, out: Path) -> dict[str, Any]:
    assert screen(source, out, "--depth", "findings", "--parts", "4") == OK
    told: dict[str, Any] = json.loads((out / "quality.json").read_text())
    return told


def of(key: str) -> list[dict[str, Any]]:
    """Return the results of one person."""
    resources = [entry["resource"] for entry in FEW[key]["entry"]]
    return [one for one in resources if one["resourceType"] == "Observation" and "subject" in one]


def without(key: str, *ids: str) -> dict[str, Any]:
    whole = FEW[key]
    return whole | {"entry": [one for one in whole["entry"] if one["resource"]["id"] not in ids]}


def now(out: Path, key: str) -> dict[str, Any]:
    row = answers(out)[key, "now"]
    return {name: row[name] for name in said(assessed(FEW[key]))}


def like(key: str, *ids: str) -> dict[str, Any]:
    return said(assessed(without(key, *ids)))


@pytest.fixture(scope="module")
def gone() -> str:
    """Return the id of a result without which the first person is answered otherwise."""
    whole = said(assessed(FEW[FIRST]))
    return next(one["id"] for one in of(FIRST) if like(FIRST, one["id"]) != whole)


def equal(told: dict[str, Any], expected: dict[str, Any]) -> bool:
    return all(told[name] == expected[name] for name in ("index", "magnesium", "potassium", "calcium", "missing"))


def test_a_deleted_result_counts_no_more(tmp_path: Path, gone: str) -> None:
    source, out = first(tmp_path), tmp_path / "out"
    told = run(source, out)
    assert told["deleted"] == {} and told["deleted_unknown"] == 0
    before = {file.name: file.stat().st_mtime_ns for file in (out / "rows").iterdir()}
    assert equal(now(out, FIRST), like(FIRST))
    wrote(source / "deleted.ndjson", bundle(f"Observation/{gone}", "Observation/nobody", "Immunization/1"), at=2000)
    told = run(source, out)
    assert equal(now(out, FIRST), like(FIRST, gone)) and not equal(now(out, FIRST), like(FIRST))
    assert told["deleted"] == {"Observation": 1} and told["deleted_unknown"] == 1
    changed = [file.name for file in (out / "rows").iterdir() if before[file.name] != file.stat().st_mtime_ns]
    assert len(changed) == 1, "other parts are not sorted again"
    again = files(out)
    run(source, out)
    assert files(out) == again
    run(source, tmp_path / "anew")
    assert files(tmp_path / "anew") == again


def test_a_deleted_patient_disappears_with_all_that_is_about_them(tmp_path: Path) -> None:
    source, out = first(tmp_path), tmp_path / "out"
    run(source, out)
    wrote(source / "deleted.ndjson", bundle(FIRST), at=2000)
    told = run(source, out)
    assert {key for key, _ in answers(out)} == set(FEW) - {FIRST}
    assert told["people"] == len(FEW) - 1 and told["strays"] == 0
    kinds = [one["resource"]["resourceType"] for one in FEW[FIRST]["entry"]]
    assert told["deleted"]["Patient"] == 1 and told["deleted"]["Observation"] == kinds.count("Observation")
    assert PATIENT not in (out / "worklist.csv").read_text()


def again(id: str, updated: str = "") -> dict[str, Any]:
    meta = {"meta": {"lastUpdated": updated}} if updated else {}
    return next(one for one in of(FIRST) if one["id"] == id) | meta


@pytest.mark.parametrize(
    ("as_of", "came", "updated", "counts"),
    [
        ("", 3000, "", True), ("", 1500, "", False),  # without times the order of deliveries tells
        ("2026-01-02T00:00:00Z", 1500, "2026-01-03T00:00:00Z", True),  # with them it does not
        ("2026-01-02T00:00:00Z", 3000, "2026-01-01T00:00:00Z", False),
        ("2026-01-02T00:00:00+02:00", 3000, "2026-01-01T23:00:00Z", True),
        ("2026-01-02T00:00:00Z", 3000, "", True),
    ],
)  # fmt: skip
def test_what_came_again_after_it_was_deleted_counts(
    tmp_path: Path, gone: str, as_of: str, came: int, updated: str, counts: bool
) -> None:
    source, out = first(tmp_path), tmp_path / "out"
    wrote(source / "deleted.ndjson", bundle(f"Observation/{gone}", updated=as_of), at=2000)
    wrote(source / "again.ndjson", again(gone, updated), at=came)
    told = run(source, out)
    assert equal(now(out, FIRST), like(FIRST, *(() if counts else (gone,))))
    assert told["deleted"] == ({} if counts else {"Observation": 1}) and told["deleted_unknown"] == 0


def test_the_time_of_an_export_is_that_of_its_deletions(tmp_path: Path, gone: str) -> None:
    source, out = first(tmp_path), tmp_path / "out"
    wrote(source / "again.ndjson", again(gone, "2026-01-01T00:00:00Z"), at=3000)
    later = tmp_path / "later"
    wrote(later / "deleted.00000.ndjson", bundle(f"Observation/{gone}"), at=2000)  # copied without its time
    (later / "manifest.json").write_text('{"transactionTime": "2026-01-02T00:00:00Z"}')
    assert main(["screen", str(later), str(source), "--out", str(out), "--workers", "1", "--depth", "findings"]) == OK
    assert equal(now(out, FIRST), like(FIRST, gone))


def test_a_deletion_that_names_nothing_is_told_by_its_line(tmp_path: Path) -> None:
    source, out = first(tmp_path), tmp_path / "out"
    broken = {"resourceType": "Bundle", "entry": 5}
    wrote(source / "deleted.ndjson", bundle("Patient?active=no"), broken, bundle(), at=2000)
    run(source, out)
    assert json.loads((out / "end.json").read_text())["unusable"] == {"deletion_not_read": 2}
    taken: list[Taken] = [taken_in(folder) for folder in (out / "taken").iterdir()]
    told = next(one for one in taken if one.name == "deleted.ndjson").unusable["deletion_not_read"]
    assert told.where == ["deleted.ndjson line 1", "deleted.ndjson line 2"]


def test_a_run_that_was_stopped_before_the_deletion_was_applied_goes_on(tmp_path: Path, gone: str) -> None:
    source, out = first(tmp_path), tmp_path / "out"
    run(source, out)
    wrote(source / "deleted.ndjson", bundle(f"Observation/{gone}", SECOND), at=2000)
    run(source, tmp_path / "whole")
    shutil.rmtree(out / "taken")
    shutil.copytree(tmp_path / "whole" / "taken", out / "taken")  # taken, and killed
    run(source, out)
    assert files(out) == files(tmp_path / "whole")
