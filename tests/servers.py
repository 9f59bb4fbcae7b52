"""A real PostgreSQL server, started for a test and stopped after it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin")) or [Path("/usr/local/bin")]
INITDB = shutil.which("initdb", path=os.pathsep.join([os.environ.get("PATH", ""), str(BINARIES[-1])]))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def postgresql() -> Iterator[str]:
    """Yield the address of a server on a free port of this machine, run by a user who is not root."""
    if INITDB is None:
        pytest.skip("no PostgreSQL server is installed")
    account = [] if os.getuid() else ["runuser", "-u", "postgres", "--"]
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    if account:
        shutil.chown(folder, "postgres")
    port, control = free_port(), str(Path(INITDB).resolve().with_name("pg_ctl"))
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1"
    data = ["-D", str(folder / "data")]
    begin = [*account, control, *data, "-o", options, "-l", str(folder / "log"), "-w", "start"]
    try:
        subprocess.run([*account, INITDB, *data, "-A", "trust", "-U", "me"], check=True, capture_output=True, cwd="/")
        subprocess.run(begin, check=True, capture_output=True, cwd="/")
    except (OSError, subprocess.CalledProcessError):
        shutil.rmtree(folder, ignore_errors=True)
        pytest.skip("the PostgreSQL server does not start here")
    try:
        yield f"postgresql://me@127.0.0.1:{port}/postgres"
    finally:
        stop = [*account, control, *data, "-m", "immediate", "stop"]
        subprocess.run(stop, check=False, capture_output=True, cwd="/")
        shutil.rmtree(folder, ignore_errors=True)
