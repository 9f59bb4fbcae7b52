"""Compile a system of equations to a kernel: its C is generated, and compiled for each level of processor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from carnallite.physiology.generate.c import source
from carnallite.physiology.generate.compiler import compiled

if TYPE_CHECKING:
    from pathlib import Path

    from carnallite.physiology.generate.c import Tableau
    from carnallite.physiology.generate.system import System

KERNEL = "kernel"


def build(system: System, folder: Path, *, methods: dict[str, Tableau] | None = None) -> Path:
    """Compile the kernel of a system, unless this very kernel is there already; return the folder to `load`.

    Raises
    ------
    SystemInvalid
        The system is not complete.
    CompilerMissing
        Neither ``CC`` nor cc, gcc or clang can be run.
    CompilationFailed
        The compiler reports an error.
    """
    return compiled(source(system, methods), folder / KERNEL)
