"""The repository holds what a stranger needs and nothing of the machine on which it was made."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SKIPPED = {".git", ".venv", "__pycache__", ".hypothesis", "demo", "dist"}
LARGEST = 2_000_000  # bytes

# Written in pieces, so that this file does not hold what it forbids.
FORBIDDEN = {
    "an index of packages": "|".join(["index" + "-url", "--extra" + "-index", "find" + "-links"]),
    "the host of a registry": r"pypi\." + r"org|python" + r"hosted|npm" + r"js\.|deb\." + "debian",
    "a path of one machine": r"(?<![\w.~-])/(?:" + "|".join(["work", "root", "home", "farm", "Users"]) + r")/",
    "unfinished work": r"\b(?:" + "|".join(["TO" + "DO", "FIX" + "ME", "HA" + "CK"]) + r")\b",
}


@cache
def files() -> list[Path]:
    """Return all files of the repository, tracked or about to be."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode == 0 and (ROOT / ".git").exists():
        return sorted(path for line in listed.stdout.splitlines() if (path := ROOT / line).is_file())
    found: list[Path] = []
    for folder, inner, names in os.walk(ROOT):
        inner[:] = [name for name in inner if name not in SKIPPED and not name.endswith("_cache")]
        found += [Path(folder, name) for name in names if not name.endswith(".pyc")]
    return sorted(found)


@cache
def text(path: Path) -> str:
    return path.read_text("utf-8", errors="replace")


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_holds(what: str) -> None:
    pattern = re.compile(FORBIDDEN[what])
    found = [f"{path.relative_to(ROOT)}: {hit[0]}" for path in files() if (hit := pattern.search(text(path)))]
    assert not found


def test_no_file_is_large() -> None:
    assert not [path.name for path in files() if path.stat().st_size > LARGEST]


def test_no_file_is_a_database_or_a_key() -> None:
    kept = {".db", ".key", ".pem", ".sqlite", ".parquet", ".gz", ".zip"}
    assert not [path.name for path in files() if path.suffix in kept]


def test_links_of_pages_lead_somewhere() -> None:
    lost = []
    for page in (path for path in files() if path.suffix == ".md"):
        for target in re.findall(r"\]\(([^)\s]+)\)", text(page)):
            if not re.match(r"[a-z]+:|#", target) and not (page.parent / target.split("#")[0]).exists():
                lost.append(f"{page.relative_to(ROOT)}: {target}")
    assert not lost


def test_every_dependency_says_what_for() -> None:
    project, said = tomllib.loads(text(ROOT / "pyproject.toml")), text(ROOT / "pyproject.toml")
    groups = [project["project"]["dependencies"], *project["project"]["optional-dependencies"].values()]
    listed = [one for group in (*groups, *project["dependency-groups"].values()) for one in group]
    silent = [one for one in listed if isinstance(one, str) and not re.search(rf'"{re.escape(one)}",\s+# \w+', said)]
    assert len(listed) >= 10
    assert not silent


@pytest.mark.parametrize("lock", ["run", "dev"])
def test_locks_hold_every_dependency_with_hashes(lock: str) -> None:
    project = tomllib.loads(text(ROOT / "pyproject.toml"))
    groups = project["dependency-groups"]
    wanted = [
        *project["project"]["dependencies"],
        *groups["build"],
        *(groups["dev"] if lock == "dev" else []),
    ]
    names = {re.split(r"[^A-Za-z0-9._-]", one)[0].lower() for one in wanted if isinstance(one, str)}
    blocks = re.split(r"\n(?=[a-z0-9])", text(ROOT / "requirements" / f"{lock}.lock"))
    assert names <= {block.split("==")[0] for block in blocks}
    assert all("--hash=sha256:" in block for block in blocks)
    pinned = {one for one in wanted if isinstance(one, str) and "==" in one}
    assert pinned <= {block.split()[0] for block in blocks}


def test_both_locks_agree() -> None:
    run, dev = (
        set(re.findall(r"^(\S+==\S+)", text(ROOT / "requirements" / f"{lock}.lock"), re.MULTILINE))
        for lock in ("run", "dev")
    )
    assert run <= dev


def test_the_page_of_hazards_is_complete_and_fresh() -> None:
    command = [sys.executable, ROOT / "scripts" / "hazards", "--check"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def test_the_example_is_a_published_case() -> None:
    for example in (ROOT / "examples").glob("*.json"):
        assert example.read_bytes() == (ROOT / "tests" / "published" / example.name).read_bytes()


@pytest.mark.parametrize("folder", [".", "further"])
def test_every_published_case_has_a_label(folder: str) -> None:
    home = ROOT / "tests" / "published" / folder
    labels = {line.split("\t")[0] for line in text(home / "labels.tsv").splitlines()[1:]}
    assert labels == {path.stem for path in home.glob("*.json")}
