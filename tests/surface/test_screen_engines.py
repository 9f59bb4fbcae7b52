"""Whoever computes, the files are the same. Dask and Spark are skipped where they are not installed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from carnallite.surfaces.cli import OK
from screened import export, files, people, screen


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("engines")
    some = dict(list(people().items())[:10])
    assert screen(export(folder / "source", some), folder / "out", "--depth", "findings") == OK
    return folder


@pytest.mark.parametrize("engine", ["local", "dask", "spark"])
def test_the_same_bytes(clean: Path, tmp_path: Path, engine: str):
    needs = {"dask": "distributed", "spark": "pyspark"}.get(engine)
    if needs and find_spec(needs) is None:
        pytest.skip(f"{needs} is not installed")
    if engine == "spark" and shutil.which("java") is None:
        pytest.skip("Spark needs Java")
    command = [sys.executable, "-m", "carnallite", "screen", str(clean / "source"), "--out", str(tmp_path / "out")]
    run = subprocess.run(
        [*command, "--depth", "findings", "--engine", engine, "--workers", "2"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == OK, run.stderr
    assert files(tmp_path / "out") == files(clean / "out")
