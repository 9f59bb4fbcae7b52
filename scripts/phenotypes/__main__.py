"""Run the experiment of the two phenotypes; write its table, its figure and its page.

    python scripts/phenotypes [--check | --signs]

Writes docs/explanation/two-phenotypes.csv, .svg and .md, the page from page.template. With --check nothing is written:
it fails where a number of the CSV is no longer what the body does, or where the page is not that of the CSV. With
--signs only the specified body is run. The exit code is 1 in every case if a sign of the specified body differs from
the specification, and, but for --signs, if a sentence of page.template is no longer true.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import claims
import panels
import table
import tables
import told
from runs import experiment

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "explanation" / "two-phenotypes.md"
TEMPLATE = Path(__file__).with_name("page.template")


def page(numbers: table.Table) -> str:
    """Return the page."""
    listed = sum(f"`{name}`" in tables.improvements(numbers) for name in tables.effects(numbers))
    return TEMPLATE.read_text("utf-8").format(
        **told.lookups(numbers),
        furthest=f"{claims.furthest(numbers):.2f}",
        others=len(tables.effects(numbers)) - listed,
        least=experiment().improvement.least,
        differences=tables.differences(numbers, "main"),
        comparison=tables.differences(numbers, "specified"),
        checks=tables.checks(numbers),
        ranges=tables.ranges(numbers),
        insulin=tables.insulins(numbers),
        improvements=tables.improvements(numbers),
    )


def checked(numbers: table.Table) -> list[str]:
    """Return what of the files that are there is stale."""
    data = PAGE.with_suffix(".csv")
    old = table.read(data.read_text("utf-8")) if data.exists() else {}
    found = table.stale(old, numbers)
    if found or not PAGE.exists() or PAGE.read_text("utf-8") != page(old):
        found = [*found[:3], f"{PAGE.relative_to(ROOT)} is stale: run scripts/docs"]
    return found


def main() -> int:
    """Run everything."""
    parser = argparse.ArgumentParser(description="Run the experiment of the two phenotypes.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail where the page is stale")
    parser.add_argument("--signs", action="store_true", help="only compare the specified body with the specification")
    options = parser.parse_args()
    numbers = table.compared() if options.signs else table.gathered()
    said = [f"sign differs: {one}" for one in table.astray(numbers)]
    if not options.signs:
        said += [f"page.template says what is no longer true, rewrite it: {one}" for one in claims.untrue(numbers)]
        if options.check:
            said += checked(numbers)
        else:
            written = table.written(numbers)
            PAGE.with_suffix(".csv").write_text(written, "utf-8")
            PAGE.with_suffix(".svg").write_text(panels.drawn(numbers), "utf-8")
            PAGE.write_text(page(table.read(written)), "utf-8")
    sys.stderr.writelines(f"{one}\n" for one in said)
    return int(bool(said))


if __name__ == "__main__":
    sys.exit(main())
