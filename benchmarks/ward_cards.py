#!/usr/bin/env python3
"""How often a synthetic ward is interrupted: benchmarks/ward_cards.py [--stays 300]. What is true there is known."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from ward import told


def main() -> int:
    """Print cards in 100 patient-days, and fail where a limit is not kept."""
    parser = argparse.ArgumentParser(description="Count the cards of a synthetic ward.")
    parser.add_argument("--stays", type=int, default=300)
    found = told(parser.parse_args().stays)
    rate = 100 * found.cards["critical"] / found.days
    every = 100 * sum(found.cards.values()) / found.days
    print(f"{found.days} patient-days: {every:.1f} cards in 100, {rate:.2f} of them interrupt, of which")
    print(f"{found.true} of {found.cards['critical']} are true; {found.twice} came twice in a day.")
    print(f"By kind: {dict(found.cards)}")
    is_kept = rate <= 2 and not found.twice and 2 * found.true >= found.cards["critical"]
    return 0 if is_kept else 1


if __name__ == "__main__":
    raise SystemExit(main())
