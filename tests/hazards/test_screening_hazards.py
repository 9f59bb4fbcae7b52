"""A screening loses nobody, repeats nobody and tells nothing that it should not; tests are named after their hazard."""

from __future__ import annotations

import csv
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from carnallite.errors import CarnalliteError
from carnallite.surfaces.cli import FAILED, OK, REFUSED, main
from carnallite.surfaces.screening import engines, kept
from screened import export, files, people, screen

FEW = dict(list(people().items())[:12])
CANARIES = ("Quetzalcoatlus", "1931-07-19", "999-42-1111", "Nightjar Lane 7", "whispered that he drinks")


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clean")
    assert screen(export(folder / "source", FEW), folder / "out", "--depth", "findings") == OK
    return folder


def command(source: Path, out: Path, *more: str) -> list[str]:
    run = [sys.executable, "-m", "carnallite", "screen", str(source), "--out", str(out)]
    return [*run, "--depth", "findings", "--workers", "2", *more]


@pytest.mark.parametrize("stage", ["taken", "rows", "answers"])
def test_h55_a_run_that_is_killed_goes_on_and_ends_the_same(clean: Path, tmp_path: Path, stage: str) -> None:
    out = tmp_path / "out"
    run = subprocess.Popen(command(clean / "source", out), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    while run.poll() is None:
        if (out / stage).is_dir() and any(not file.name.startswith(".") for file in (out / stage).iterdir()):
            run.send_signal(signal.SIGKILL)
            run.wait()
    assert run.returncode in {-signal.SIGKILL, OK}
    assert screen(clean / "source", out, "--depth", "findings") == OK
    assert files(out) == files(clean / "out")
    assert not list(out.rglob(".*.tmp"))


class Dies:
    """A job that takes its worker with it, the first time."""

    def __init__(self, mark: Path, *, always: bool = False) -> None:
        self.mark, self.name, self.always = mark, mark.name, always

    def work(self) -> int:
        if self.always or not self.mark.exists():
            self.mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return 1


def test_h55_a_worker_that_is_killed_loses_nothing_and_repeats_nothing(tmp_path: Path) -> None:
    jobs = [Dies(tmp_path / f"{number}") for number in range(3)]
    with engines.local(2) as work:
        done = [one.name for one in work(jobs)]  # type: ignore[arg-type]
    assert sorted(done) == ["0", "1", "2"]


def test_h55_a_job_that_kills_every_worker_ends_the_run(tmp_path: Path) -> None:
    with engines.local(2) as work, pytest.raises(engines.WorkersDie):
        list(work([Dies(tmp_path / "never", always=True)]))  # type: ignore[arg-type]


def test_h55_two_runs_in_one_folder_refuse_each_other(clean: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = files(clean / "out")
    with kept.locked(clean / "out"):
        assert screen(clean / "source", clean / "out", "--force") == FAILED
    assert "another run writes to this folder" in capsys.readouterr().err
    assert files(clean / "out") == before


def test_h55_another_source_does_not_mix_with_the_first(clean: Path, tmp_path: Path) -> None:
    other = export(tmp_path / "other", dict(list(people().items())[12:14]))
    before = files(clean / "out")
    assert screen(other, clean / "out", "--depth", "findings") == FAILED
    assert files(clean / "out") == before


def _no_room(most: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))


@pytest.mark.parametrize("most", [200, 4_000, 14_000])
def test_h55_a_full_disk_is_named_and_leaves_nothing_half_written(clean: Path, tmp_path: Path, most: int) -> None:
    out = tmp_path / "out"
    run = subprocess.run(
        command(clean / "source", out), capture_output=True, text=True, check=False, preexec_fn=_no_room(most)
    )
    assert run.returncode == FAILED, run.stderr
    assert "Traceback" not in run.stderr
    assert "File too large" in run.stderr
    for file in (file for file in out.rglob("*") if file.is_file() and ".tmp" not in str(file)):
        assert file.stat().st_size < most or file.suffix != ".parquet"
    assert not (out / "end.json").exists()
    assert screen(clean / "source", out, "--depth", "findings") == OK
    assert files(out) == files(clean / "out")


def test_h55_a_full_device_does_not_end_well(clean: Path) -> None:
    with Path("/dev/full").open("w") as full:
        run = subprocess.run(
            command(clean / "source", clean / "out"), stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert run.returncode == FAILED
    assert "Traceback" not in run.stderr


def test_h55_files_that_cannot_be_read_are_told_and_the_others_screened(tmp_path: Path) -> None:
    source = export(tmp_path / "source", FEW, packed=True)
    (source / "Procedure.ndjson.gz").write_bytes(b"\x1f\x8b no gzip")
    assert screen(source, tmp_path / "out", "--depth", "findings") == REFUSED
    end = json.loads((tmp_path / "out" / "end.json").read_text())
    assert [one["where"] for one in end["left"]] == ["Procedure.ndjson.gz"]
    assert end["people"] == end["answered"] == len(FEW)


def test_h59_cells_of_the_work_list_are_no_formulas_and_no_markup(tmp_path: Path) -> None:
    keys = ("=HYPERLINK(1)", "+1+1", "-2", "@SUM(A1)", "<script>alert(1)</script>", '"><img src=x onerror=1>')
    rows = ["patient,time,kind,name,value,unit"]
    for key in keys:
        quoted = '"' + key.replace('"', '""') + '"'
        rows.append(f"{quoted},2020-06-01T08:00Z,observation,potassium,2.1,mmol/L")
    (tmp_path / "all.csv").write_text("\n".join(rows) + "\n")
    assert screen(tmp_path / "all.csv", tmp_path / "out", "--depth", "findings") == OK
    with (tmp_path / "out" / "worklist.csv").open(newline="") as lines:
        told = list(csv.reader(lines))[1:]
    assert len(told) == len(keys)
    assert {row[1].removeprefix("'") for row in told} == set(keys)
    assert not [cell for row in told for cell in row if cell.startswith(("=", "+", "-", "@"))]
    page = (tmp_path / "out" / "worklist.html").read_text()
    assert "<script" not in page
    assert "<img" not in page


def test_h59_nothing_of_a_person_leaves_by_cohort_messages_or_counts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = {key: json.loads(json.dumps(bundle)) for key, bundle in FEW.items()}
    for bundle in secret.values():
        for entry in bundle["entry"]:
            resource_of = entry["resource"]
            if resource_of["resourceType"] == "Patient":
                name, born, number, street, _ = CANARIES
                resource_of |= {"name": [{"family": name}], "identifier": [{"value": number}], "birthDate": born}
                resource_of |= {"address": [{"line": [street]}]}
            else:
                resource_of["note"] = [{"text": CANARIES[4]}]
                if "code" in resource_of and resource_of["resourceType"] == "Condition":
                    resource_of["code"]["text"] = f"{resource_of['code'].get('text', '')} {CANARIES[0]}"
    source = export(tmp_path / "source", secret)
    with (source / "Observation.0.ndjson").open("a") as file:
        file.write(f'{{"resourceType": "Observation", "id": "{CANARIES[0]}", torn {CANARIES[3]}\n')
    out = tmp_path / "out"
    assert screen(source, out, "--depth", "findings") == OK
    said = "".join(capsys.readouterr())
    told = {name: content for name, content in files(out).items() if not name.startswith("rows")}
    for canary in CANARIES:
        assert canary not in said
        assert not [name for name, content in told.items() if canary.encode() in content]
    for key in FEW:
        stem = key.removeprefix("Patient/").encode()
        shared = [name for name, content in told.items() if name.startswith(("cohort", "quality", "end", "manifest"))
                  and stem in content]  # fmt: skip
        assert not shared


def test_h55_people_who_went_in_and_did_not_come_out_end_the_run_badly(
    clean: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from carnallite.surfaces.screening import run, worklist  # noqa: PLC0415

    honest = worklist.write

    def lost(*told: object, **more: object) -> worklist.Listed:
        found = honest(*told, **more)  # type: ignore[arg-type]
        return worklist.Listed(found.people - 1, found.episodes, found.listed)

    monkeypatch.setattr(worklist, "write", lost)
    assert issubclass(run.DoesNotReconcile, CarnalliteError)
    arguments = ["screen", str(clean / "source"), "--out", str(tmp_path / "out"), "--workers", "1"]
    assert main([*arguments, "--depth", "findings"]) == FAILED
