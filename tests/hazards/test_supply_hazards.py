"""What is installed is what was locked, byte for byte, and nothing is fetched while the program runs."""

from __future__ import annotations

import ast
import hashlib
import re
import subprocess
import sys
import zipfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = ("run", "service", "dev")
NETWORK = {"socket", "ssl", "http", "urllib", "ftplib", "smtplib", "requests", "httpx", "aiohttp", "urllib3"}
ASKS = {"outward.py"}  # the only module that calls others
LISTENS = {"door.py", "listen.py"}
HARMLESS = {"urllib.parse"}


@pytest.mark.parametrize("lock", LOCKS)
def test_h63_every_version_is_pinned_with_its_hashes(lock: str) -> None:
    blocks = re.split(r"\n(?=[a-z0-9])", (ROOT / "requirements" / f"{lock}.lock").read_text("utf-8").strip())
    assert len(blocks) > 5
    for block in blocks:
        assert re.match(r"[a-z0-9._-]+(\[[a-z,]+\])?==\S+", block)
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", block)


def test_h63_what_is_installed_is_what_is_locked() -> None:
    lines = re.findall(r"^([a-z0-9._-]+)==(\S+)", (ROOT / "requirements" / "dev.lock").read_text(), re.MULTILINE)
    pinned: dict[str, set[str]] = {}
    for name, wanted in lines:  # some have one version for each version of Python
        pinned.setdefault(name, set()).add(wanted)
    there = {name for name in pinned if _version(name)}
    assert len(there) > 30
    assert {name for name in there if _version(name) not in pinned[name]} == set()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:  # of another platform
        return ""


def wheel(folder: Path, text: str) -> Path:
    """Write a small package as pip installs it."""
    path = folder / "harmless-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("harmless.py", text)
        file.writestr("harmless-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: harmless\nVersion: 1.0\n")
        file.writestr("harmless-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr("harmless-1.0.dist-info/RECORD", "")
    return path


def installed(folder: Path, lock: Path) -> subprocess.CompletedProcess[str]:
    """Install as scripts/setup does, from a folder in place of an index."""
    source = ["--no-index", "--find" + "-links", str(folder), "--target", str(folder / "there")]
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
    return subprocess.run([*command, *source, "-r", lock], capture_output=True, text=True, check=False)


def test_h63_a_package_that_was_changed_is_not_installed(tmp_path: Path) -> None:
    digest = hashlib.sha256(wheel(tmp_path, "kind = True").read_bytes()).hexdigest()
    lock = tmp_path / "own.lock"
    lock.write_text(f"harmless==1.0 --hash=sha256:{digest}\n")
    wheel(tmp_path, "kind = False")
    run = installed(tmp_path, lock)
    assert run.returncode != 0
    assert "DO NOT MATCH THE HASHES" in run.stderr
    assert not (tmp_path / "there" / "harmless.py").exists()
    wheel_again = wheel(tmp_path, "kind = True")
    lock.write_text(f"harmless==1.0 --hash=sha256:{hashlib.sha256(wheel_again.read_bytes()).hexdigest()}\n")
    assert installed(tmp_path, lock).returncode == 0
    assert (tmp_path / "there" / "harmless.py").exists()


def test_h63_nothing_but_one_module_calls_other_machines() -> None:
    found = set()
    for path in sorted((ROOT / "src" / "carnallite").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            if any(name.split(".")[0] in NETWORK and name not in HARMLESS for name in names):
                found.add(path.name)
    assert found <= ASKS | LISTENS
    assert found >= ASKS, "or the list above has grown stale"
