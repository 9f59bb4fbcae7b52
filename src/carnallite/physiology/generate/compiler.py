"""Compile C to a folder with one library for each level of processor; needs no SymPy.

Flags: ``-O2`` because the generated code is straight lines of vector operations, where more costs time to compile and
gains nothing; no ``errno`` and no traps, which nobody reads; products and sums may fuse, which is faster and more
exact. ``-ffast-math`` is not used: it would let the compiler assume that there is no NaN, and steps into the impossible
are recognised by their NaN.
"""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from typing import TYPE_CHECKING

from carnallite.errors import CarnalliteError

if TYPE_CHECKING:
    from pathlib import Path

FLAGS = (
    "-std=gnu11",
    "-O2",
    "-fPIC",
    "-shared",
    "-fvisibility=hidden",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-fno-strict-aliasing",
    "-ffp-contract=fast",
    "-Wno-psabi",
)
BASELINE = "baseline"
_X86: dict[str, tuple[str, ...]] = {
    "x86-64-v4": ("-march=x86-64-v4", "-mprefer-vector-width=512", "-DLANES=8"),
    "x86-64-v4-narrow": ("-march=x86-64-v4", "-DLANES=2"),
    "x86-64-v3": ("-march=x86-64-v3", "-DLANES=4"),
    BASELINE: ("-DLANES=2",),
}
_OTHER: dict[str, tuple[str, ...]] = {BASELINE: ("-DLANES=2",)}


class CompilerMissing(CarnalliteError):
    """There is no C compiler on this machine."""


class CompilationFailed(CarnalliteError):
    """The C compiler refused a kernel."""


def compiled(text: str, where: Path) -> Path:
    """Compile C for each level of processor, unless this very text is there already; return the folder.

    The folder is named after the text, so nothing ever meets an old library. Files appear there whole or not at all:
    processes that compile the same at the same time do not disturb each other.

    Parameters
    ----------
    where : Path
        What the name of the folder begins with.

    Raises
    ------
    CompilerMissing
        Neither ``CC`` nor cc, gcc or clang can be run.
    CompilationFailed
        The compiler reports an error.
    """
    place = place_of(text, where)
    place.mkdir(parents=True, exist_ok=True)
    code = place / f"{where.name}.c"
    if not code.exists():
        part = place / f"{where.name}.{os.getpid()}.part"
        part.write_text(text, "utf-8")
        part.replace(code)
    missing = [name for name in variants() if not (place / f"{name}.so").exists()]
    if missing:
        compiler = find_compiler()
        with ThreadPoolExecutor(os.cpu_count()) as threads:
            list(threads.map(lambda name: _compile(compiler, code, name), missing))
    return place


def place_of(text: str, where: Path) -> Path:
    """Return the folder in which some C is compiled."""
    digest = blake2b("\n".join([text, *FLAGS, repr(variants())]).encode(), digest_size=8).hexdigest()
    return where.with_name(f"{where.name}-{digest}")


def is_compiled(place: Path) -> bool:
    """Return whether the libraries of a folder are there."""
    return all((place / f"{name}.so").exists() for name in variants())


def variants() -> dict[str, tuple[str, ...]]:
    """Return the flags of each library that this machine's compiler makes, by its name."""
    return _X86 if platform.machine().lower() in ("x86_64", "amd64") else _OTHER


def find_compiler() -> tuple[str, ...]:
    """Return the command of a C compiler.

    Raises
    ------
    CompilerMissing
        Neither ``CC`` nor cc, gcc or clang can be run.
    """
    for command in (os.environ.get("CC", ""), "cc", "gcc", "clang"):
        words = tuple(shlex.split(command))
        if words and shutil.which(words[0]):
            return words
    do = "Install gcc or clang, or name one in the environment variable CC."
    raise CompilerMissing("compiler", "none of CC, cc, gcc and clang can be run.", do)


def _compile(compiler: tuple[str, ...], code: Path, name: str) -> None:
    part, done = code.with_name(f"{name}.{os.getpid()}.part"), code.with_name(f"{name}.so")
    command = [*compiler, *FLAGS, *variants()[name], "-o", str(part), str(code), "-lm"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if result.returncode:
        first = next(iter(result.stderr.splitlines()), "no message")
        raise CompilationFailed(f"{compiler[0]}, {name}", first, f"Its source is {code}.")
    part.replace(done)
