"""Files that appear whole or not at all, and one run at a time in a folder."""

from __future__ import annotations

import fcntl
import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from carnallite.errors import CarnalliteError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOCK = ".lock"
_WAITING = ".tmp"


class FolderInUse(CarnalliteError):
    """Another run writes to the folder."""


class FolderHoldsAnother(CarnalliteError):
    """The folder holds the results of another run."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder for one run; the system lets go of it when the run ends, however it ends.

    Raises
    ------
    FolderInUse
        Another run holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            do = "Wait for it, or name another folder."
            raise FolderInUse(folder.name, "another run writes to this folder.", do) from None
        yield


def write(file: Path, content: bytes) -> None:
    """Write a file that appears whole, is on the disk when this returns, and replaces what was there.

    Raises
    ------
    OSError
        The disk is full, or may not be written; what was there before is untouched.
    """
    part = waiting_for(file)
    try:
        with part.open("wb") as waiting:
            waiting.write(content)
            waiting.flush()
            os.fsync(waiting.fileno())
        part.replace(file)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    settle(file.parent)


def waiting_for(file: Path) -> Path:
    """Return where a file or folder is written before it appears under its name; `sweep` knows it."""
    return file.with_name(f".{file.name}.{os.getpid()}{_WAITING}")


def settle(folder: Path) -> None:
    """See to it that the names of a folder are on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sweep(folder: Path) -> None:
    """Remove what an earlier run left half written."""
    for left in folder.glob(f".*{_WAITING}"):
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)
