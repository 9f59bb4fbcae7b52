"""One line of JSON on stderr for each call: id, route, status, duration, counts. Nothing of a patient, no address."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import TextIO


class Log:
    """Writes lines; only these fields exist, so nothing else can be in one."""

    def __init__(self, into: TextIO | None = None) -> None:
        self._into = into

    def call(self, *, request: str, route: str, method: str, status: int, duration_ms: float, sent: int) -> None:
        """Tell of a call: the route as it is written in the code, never the address that was called."""
        self._write(
            event="call", request=request, route=route, method=method, status=status, duration_ms=round(duration_ms, 1),
            sent=sent,
        )  # fmt: skip

    def fault(self, *, request: str, route: str, kind: str) -> None:
        """Tell of an error of ours by its kind; its words may hold a record."""
        self._write(event="fault", request=request, route=route, kind=kind)

    def note(self, what: str) -> None:
        """Tell something of the service itself."""
        self._write(event="note", what=what)

    def _write(self, **fields: str | float) -> None:
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        into = self._into or sys.stderr
        into.write(json.dumps({"at": at, **fields}) + "\n")
        into.flush()
