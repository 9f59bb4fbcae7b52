"""Measurements against their budget."""

from __future__ import annotations

import tomllib
from pathlib import Path

_TOLERATED = 1.2  # worse by a fifth fails


def report(section: str, measured: dict[str, float]) -> int:
    """Print every measurement beside its budget, and return 1 where one is too far from it; some may be missing."""
    budgets = tomllib.loads(Path(__file__).with_name("budget.toml").read_text("utf-8"))[section]
    failed = False
    for name, budget in budgets.items():
        if name not in measured:
            print(f"{section}.{name:<13} {'skipped':>10}")
            continue
        is_rate = not name.endswith(("_ratio", "_ms", "_mb", "_s"))
        excess = budget / measured[name] if is_rate else measured[name] / budget
        failed |= excess > _TOLERATED
        bound = "at least" if is_rate else "at most"
        verdict = "TOO SLOW" if excess > _TOLERATED else "ok"
        print(f"{section}.{name:<13} {measured[name]:>10.1f}  budget {bound:<8} {budget:<6g} {verdict}")
    return int(failed)
