"""A page of lines for a terminal, of a width, with or without color and UTF-8."""

from __future__ import annotations

import textwrap
import unicodedata

from carnallite.surfaces import words

_STYLES = {
    "emergency": "1;97;41",
    "unsafe": "1;30;43",
    "sample": "1;30;46",
    "title": "1",
    "strong": "1",
    "faint": "2",
}
_ASCII = str.maketrans({
    "µ": "u", "≥": ">=", "≤": "<=", "·": "*", "×": "x", "–": "-", "—": "-", "→": "->", "−": "-", "’": "'",
    "█": "#", "░": ".", "•": "*", words.JOIN: " ",
})  # fmt: skip


class Page:
    """Lines of at most `width` columns; styles are added after wrapping, so that they never count as text."""

    def __init__(self, width: int, *, color: bool, ascii_only: bool) -> None:
        self.width, self.color, self.ascii_only = max(width, 24), color, ascii_only
        self.lines: list[str] = []
        self.told: set[str] = set()  # doubted statements

    def write(self, text: str, *, indent: int = 0, hang: int | None = None, style: str = "") -> None:
        """Add a paragraph; `hang` is the indent of its further lines."""
        first = " " * indent
        rest = " " * (indent if hang is None else hang)
        whole = words.bound(self.encode(text, keep_joins=True))
        wrapped = textwrap.wrap(whole, self.width, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False)
        self.lines += [self.styled(self.encode(line), style) for line in wrapped]

    def pair(self, left: str, right: str, *, indent: int = 0, style: str = "") -> None:
        """Add two texts at either end of a line, or below each other where they do not fit."""
        gap = self.width - indent - len(self.encode(left)) - len(self.encode(right))
        if gap >= 2:
            whole = " " * indent + self.encode(left) + " " * gap + self.encode(right)
            self.lines.append(self.styled(whole, style))
        else:
            self.write(left, indent=indent, hang=indent + 2, style=style)
            self.write(right, indent=indent + 2, style=style)

    def title(self, text: str) -> None:
        """Add a blank line and a heading."""
        self.gap()
        self.write(text, style="title")

    def gap(self) -> None:
        """Add a blank line, unless the page begins or the last line is one."""
        if self.lines and self.lines[-1]:
            self.lines.append("")

    def encode(self, text: str, *, keep_joins: bool = False) -> str:
        """Return text in the characters that the terminal knows, without control characters."""
        clean = words.printable(text)
        if not keep_joins:
            clean = clean.replace(words.JOIN, " ")
        if not self.ascii_only:
            return clean
        parts = (part.translate(_ASCII) for part in clean.split(words.JOIN))
        plain = (unicodedata.normalize("NFKD", part).encode("ascii", "ignore").decode() for part in parts)
        return words.JOIN.join(plain)

    def styled(self, line: str, style: str) -> str:
        """Return a line with its style, where there is color."""
        return f"\x1b[{_STYLES[style]}m{line}\x1b[0m" if self.color and style else line
