"""Everybody of a source, with the answers that each has alone; nothing lost, nothing twice, whatever happens."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from carnallite.surfaces.cli import OK, REFUSED
from screened import answers, assessed, export, files, people, said, screen


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    assert screen(export(folder / "source"), folder / "out", "--depth", "findings") == OK
    return folder


def test_everybody_is_answered_as_alone(run: Path):
    found = answers(run / "out")
    for key, bundle in people().items():
        alone = said(assessed(bundle))
        together = found[key, "now"]
        assert {name: together[name] for name in alone} == alone, key


def test_counts_add_up(run: Path):
    end = json.loads((run / "out" / "end.json").read_text())
    assert end["people"] == len(people())
    assert end["answered"] + end["undated"] == end["people"]
    assert end["left"] == []
    lines = sum(len(file.read_text().splitlines()) for file in (run / "source").iterdir())
    assert end["rows"] == lines


def test_a_second_run_does_nothing_and_changes_nothing(run: Path):
    before = files(run / "out")
    times = {file: file.stat().st_mtime_ns for file in (run / "out" / "answers").iterdir()}
    assert screen(run / "source", run / "out", "--depth", "findings") == OK
    assert files(run / "out") == before
    assert times == {file: file.stat().st_mtime_ns for file in (run / "out" / "answers").iterdir()}


@pytest.mark.parametrize("parts", ["1", "7"])
def test_neither_parts_nor_packing_change_an_answer(run: Path, tmp_path: Path, parts: str):
    source = export(tmp_path / "source", packed=True)
    assert screen(source, tmp_path / "out", "--parts", parts, "--depth", "findings") == OK
    assert answers(tmp_path / "out") == answers(run / "out")
    assert (tmp_path / "out" / "worklist.csv").read_bytes() == (run / "out" / "worklist.csv").read_bytes()


def test_a_folder_of_bundles_is_answered_as_an_export(run: Path, tmp_path: Path):
    """The bundled cases name their patient by an address, and use the same ids for the results of different people."""
    out = tmp_path / "out"
    published = Path(__file__).parents[1] / "published"
    assert screen(published, out, "--depth", "findings") == OK
    found, wanted = (
        sorted(str({name: value for name, value in row.items() if name != "patient"}) for row in answers(of).values())
        for of in (out, run / "out")
    )
    assert found == wanted


def test_what_is_no_bundle_is_named_and_left_out(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    source = export(tmp_path / "source")
    (source / "notes.json").write_text('{"resourceType": "Patient", "id": "x"}')
    (source / "broken.json").write_text("{")
    assert screen(source, tmp_path / "out", "--depth", "findings") == REFUSED
    told = capsys.readouterr().err
    assert "notes.json" in told and "broken.json" in told
    assert answers(tmp_path / "out") == answers(run / "out")


def test_company_does_not_change_an_answer(run: Path, tmp_path: Path):
    some = dict(list(people().items())[::5])
    assert screen(export(tmp_path / "source", some), tmp_path / "out", "--depth", "findings") == OK
    whole = answers(run / "out")
    assert answers(tmp_path / "out") == {name: row for name, row in whole.items() if name[0] in some}


def test_the_work_list_holds_the_most_urgent_first(run: Path):
    with (run / "out" / "worklist.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    order = [row["priority"] for row in rows]
    names = ["Emergency", "Unsafe now", "Will not hold", "Not known whether safe", "Out of range", "Sample in doubt"]
    assert order == sorted(order, key=names.index)
    assert {row["patient"] for row in rows} <= set(people())
    assert rows[0]["why"]


def test_a_rule_that_cannot_be_decided_is_not_told_as_if_it_held(tmp_path: Path):
    rows = ["patient,time,kind,name,value,unit", "a,2020-06-01T08:00Z,observation,magnesium,0.4,mmol/L"]
    (tmp_path / "one.csv").write_text("\n".join(rows) + "\n")
    assert screen(tmp_path / "one.csv", tmp_path / "out", "--depth", "findings") == OK
    row = answers(tmp_path / "out")["a", "now"]
    assert "magnesium_by_vein_kidney" in row["undecided"]
    with (tmp_path / "out" / "worklist.csv").open(newline="") as lines:
        (told,) = csv.DictReader(lines)
    assert "Not known whether safe: magnesium by vein" in told["why"]
    assert told["priority"] != "Unsafe now"


def test_what_is_new_is_added_and_nothing_else_is_read_again(run: Path, tmp_path: Path):
    keys = list(people())
    source = export(tmp_path / "source", {key: people()[key] for key in keys[:30]})
    assert screen(source, tmp_path / "out", "--depth", "findings", "--parts", "4") == OK
    later = export(tmp_path / "later", {key: people()[key] for key in keys[30:]})
    for file in later.iterdir():
        file.rename(source / f"later-{file.name}")
    assert screen(source, tmp_path / "out", "--depth", "findings") == OK
    assert answers(tmp_path / "out") == answers(run / "out")


def test_a_broken_file_is_named_and_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    source = export(tmp_path / "source", dict(list(people().items())[:4]), packed=True)
    broken = source / "Condition.ndjson.gz"
    broken.write_bytes(broken.read_bytes()[:-20])
    assert screen(source, tmp_path / "out", "--depth", "findings") == REFUSED
    told = capsys.readouterr().err
    assert "Condition.ndjson.gz" in told
    assert "Traceback" not in told
    end = json.loads((tmp_path / "out" / "end.json").read_text())
    assert [one["where"] for one in end["left"]] == ["Condition.ndjson.gz"]
    assert end["answered"] == 4


def test_one_bad_line_of_many_costs_nobody_anything(run: Path, tmp_path: Path):
    source = export(tmp_path / "source")
    file = source / "Observation.0.ndjson"
    lines = file.read_text().splitlines()
    lines.insert(len(lines) // 2, '{"resourceType": "Observation", "id": "torn')
    file.write_text("\n".join(lines) + "\n")
    assert screen(source, tmp_path / "out", "--depth", "findings") == OK
    assert answers(tmp_path / "out") == answers(run / "out")
    end = json.loads((tmp_path / "out" / "end.json").read_text())
    assert end["unusable"] == {"line_not_read": 1}
