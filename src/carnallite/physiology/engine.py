"""The compiled kernel of the body where there is one, and the generated Python with SciPy where there is none."""

from __future__ import annotations

import os
import shutil
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

from carnallite.errors import CarnalliteError
from carnallite.physiology.generate import Kernel, load
from carnallite.physiology.load import model

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
BUILT = HERE / "built"
CACHE = Path.home() / ".cache" / "carnallite"


@cache
def kernel() -> Kernel | None:
    """Return the kernel of the body, made now if need be and possible; None without a compiler."""
    for folder in _folders():
        pointer = folder / f"{fingerprint()}.txt"
        if pointer.exists():
            return load(folder / pointer.read_text("utf-8").strip())
    try:
        return load(make())
    except (CarnalliteError, ImportError, OSError):
        return None


def make() -> Path:
    """Generate and compile the kernel of the body; return its folder.

    Raises
    ------
    CarnalliteError
        No compiler, or it failed.
    ImportError
        SymPy is not installed.
    """
    from carnallite.physiology.generate.assemble import system  # noqa: PLC0415  (SymPy is heavy)
    from carnallite.physiology.generate.build import build  # noqa: PLC0415

    folder = next(folder for folder in _folders() if _writable(folder))
    place = build(system(model()), folder)
    part = folder / f"{fingerprint()}.part"
    part.write_text(place.name, "utf-8")
    part.replace(folder / f"{fingerprint()}.txt")
    for old in folder.glob("*"):
        if old.name not in {place.name, f"{fingerprint()}.txt"}:
            shutil.rmtree(old, ignore_errors=True) if old.is_dir() else old.unlink(missing_ok=True)
    return place


@cache
def fingerprint() -> str:
    """Return what a kernel is made from: the model and the generator."""
    digest = blake2b(model().hash.encode(), digest_size=8)
    for path in sorted((HERE / "generate").rglob("*")):
        if path.suffix in {".py", ".h", ".toml"}:
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _folders() -> Iterator[Path]:
    yield BUILT
    yield CACHE / "kernel"


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)
