"""Figures in a page of the documentation: what stands between two marks, and rows as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MARKS = ("<!-- figures -->", "<!-- end of figures -->")


def renewed(page: str, figures: str) -> str:
    """Return a page with what stands between its marks written anew.

    >>> renewed("a\\n<!-- figures -->\\nold\\n<!-- end of figures -->\\nb", "new\\n").splitlines()
    ['a', '<!-- figures -->', 'new', '<!-- end of figures -->', 'b']
    """
    before, rest = page.split(MARKS[0])
    return f"{before}{MARKS[0]}\n{figures}{MARKS[1]}{rest.split(MARKS[1])[1]}"


def markdown(head: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    """Return rows as a table of Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)
