"""Without a compiled kernel the body is a hundred times slower: what simulates much is left out, and it is said."""

from __future__ import annotations

from pathlib import Path

from carnallite.physiology.engine import kernel

HERE = Path(__file__).parent
SLOW = (
    "golden",
    "spec/body",
    "property/test_body.py",
    "house/test_pages.py",
    "unit/physiology/test_kernel.py",
    "unit/physiology/test_population.py",
    "unit/physiology/test_sbml.py",
    "unit/physiology/test_oracles.py",
    "unit/physiology/test_validation_run.py",
    "unit/physiology/test_warp.py",
)
collect_ignore = [] if kernel() else [str(HERE / path) for path in SLOW]


def pytest_report_header() -> str | None:
    """Say what is left out."""
    if kernel():
        return None
    return f"no compiled kernel (no C compiler?): left out are {', '.join(SLOW)}"
