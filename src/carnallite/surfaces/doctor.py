"""Check the installation, and say what to paste into an issue. Nothing of any patient is in it."""

from __future__ import annotations

import locale
import platform
import shutil
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from carnallite import __version__
from carnallite.assessment.check import faults
from carnallite.errors import CarnalliteError
from carnallite.knowledge import knowledge, overdue, reviews
from carnallite.quantity import analytes
from carnallite.record import Patient, Timeline
from carnallite.surfaces import words

if TYPE_CHECKING:
    from datetime import date


def examined(today: date) -> tuple[str, bool]:
    """Return what was found, and whether everything is well."""
    lines = [
        f"carnallite  {__version__}",
        f"python      {platform.python_version()} on {platform.system()} {platform.machine()}",
        f"locale      {locale.getlocale()[1] or 'unknown'}; stdout {sys.stdout.encoding}",
        f"disk        {shutil.disk_usage('.').free / 1e9:.0f} GB free here",
    ]
    problems: list[str] = []
    for package in ("msgspec", "numpy", "scipy", "duckdb", "jinja2"):
        try:
            lines.append(f"{package:<11} {__import__(package).__version__}")
        except ImportError:
            problems.append(f"{package} is missing. Install the package again.")
    try:
        known = knowledge()
        lines.append(
            f"knowledge   {len(known.statements)} statements, {len(known.causes)} causes, {len(known.drugs)} classes, "
            f"{len(known.conditions)} conditions, {len(analytes())} analytes, {len(known.references)} references"
        )
        due = min(one.due for one in reviews())
        lines.append(f"review      {words.overdue(overdue(today)) or f'nothing is overdue; next due {due}'}")
        empty = Timeline(patient=Patient(), index=datetime(2020, 1, 1, tzinfo=UTC))
        problems += faults(empty)
        lines += _body()
    except CarnalliteError as error:
        problems.append(str(error))
    lines += [f"problem     {problem}" for problem in problems] or ["all is well"]
    return "\n".join(lines) + "\n", not problems


def _body() -> list[str]:
    """Return the size of the body and what computes it."""
    from carnallite.physiology import model  # noqa: PLC0415  (start-up stays fast)
    from carnallite.physiology.engine import kernel  # noqa: PLC0415

    body = model()
    size = f"body        {len(body.states)} states, {len(body.parameters)} parameters; model {body.hash}"
    found = kernel()
    if found is not None:
        return [size, f"engine      kernel {found.variant}, {found.lanes} people at once"]
    return [
        size,
        "engine      SciPy: there is no compiled kernel, so simulations take about a hundred times as long.",
        "            Install a C compiler (on Debian and Ubuntu: apt-get install gcc libc6-dev), then make clean demo.",
    ]
