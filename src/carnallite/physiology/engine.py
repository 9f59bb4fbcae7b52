"""The compiled kernel of the body where there is one, and the generated Python with SciPy where there is none.

C that is no part of the model is compiled beside it, by the same flags and for the same processors.
"""

from __future__ import annotations

import ctypes
import os
import shutil
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

from carnallite.errors import CarnalliteError
from carnallite.physiology.generate import Kernel, load
from carnallite.physiology.generate.compiler import BASELINE, compiled, is_compiled, place_of
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
    from carnallite.physiology.generate.build import KERNEL, build  # noqa: PLC0415

    folder = _folder()
    place = build(system(model()), folder)
    part = folder / f"{fingerprint()}.part"
    part.write_text(place.name, "utf-8")
    part.replace(folder / f"{fingerprint()}.txt")
    _sweep(folder, f"{KERNEL}-*", place.name)
    _sweep(folder, "*.txt", f"{fingerprint()}.txt")
    return place


@cache
def library(source: Path) -> ctypes.CDLL:
    """Return C that is no part of the model as a library for this processor, compiled now if need be.

    Raises
    ------
    CompilerMissing, CompilationFailed
        It is not there yet, and cannot be made.
    """
    text, name = source.read_text("utf-8"), source.stem
    places = (place_of(text, folder / name) for folder in _folders())
    place = next((place for place in places if is_compiled(place)), None) or _compiled(text, name)
    chosen = kernel()
    return ctypes.CDLL(str(place / f"{chosen.variant if chosen is not None else BASELINE}.so"))


def _compiled(text: str, name: str) -> Path:
    folder = _folder()
    place = compiled(text, folder / name)
    _sweep(folder, f"{name}-*", place.name)
    return place


def sources() -> list[Path]:
    """Return the C that is compiled beside the kernel when the package is built."""
    return sorted(path for path in HERE.parent.rglob("*.c") if BUILT not in path.parents)


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


def _folder() -> Path:
    """Return where is compiled to."""
    return next(folder for folder in _folders() if _writable(folder))


def _sweep(folder: Path, pattern: str, kept: str) -> None:
    """Remove what was compiled of earlier states."""
    for old in folder.glob(pattern):
        if old.name != kept:
            shutil.rmtree(old, ignore_errors=True) if old.is_dir() else old.unlink(missing_ok=True)


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)
