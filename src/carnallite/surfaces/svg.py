"""The few shapes that our figures are made of. All text is escaped here and nowhere else."""

from __future__ import annotations

from html import escape
from typing import Literal

from carnallite.surfaces import words

INK, MUTED, RULE, GRID, BAND, EDGE = "#1a1a1a", "#555555", "#d5d5d5", "#ececec", "#e3ebf2", "#8fa3b5"
# Okabe and Ito: told apart with every kind of color vision; a shape or a line style always says the same
BLUE, VERMILION, GREEN, PURPLE = "#0072b2", "#d55e00", "#009e73", "#cc79a7"
Shape = Literal["circle", "square", "triangle", "diamond"]
Place = tuple[float, float]  # [px] from the left, from the top
_TONES = {
    "plain": f'fill="{INK}"',
    "muted": f'fill="{MUTED}"',
    "strong": f'fill="{INK}" font-weight="600"',
}
_CORNERS = {
    "square": ((-1, -1), (1, -1), (1, 1), (-1, 1)),
    "triangle": ((0, -1.2), (1.1, 0.9), (-1.1, 0.9)),
    "diamond": ((0, -1.3), (1.3, 0), (0, 1.3), (-1.3, 0)),
}


def text(
    place: Place,
    content: str,
    *,
    size: float = 12,
    anchor: Literal["start", "middle", "end"] = "start",
    tone: Literal["plain", "muted", "strong"] = "plain",
) -> str:
    """Return a line of text; `place` is on its baseline."""
    where = f'x="{place[0]:g}" y="{place[1]:g}" font-size="{size:g}" text-anchor="{anchor}"'
    return f"<text {where} {_TONES[tone]}>{escape(words.printable(content))}</text>"


def line(start: Place, end: Place, *, stroke: str = INK, width: float = 1, dash: str = "") -> str:
    """Return a straight line."""
    where = f'x1="{start[0]:g}" y1="{start[1]:g}" x2="{end[0]:g}" y2="{end[1]:g}"'
    return f'<line {where} stroke="{stroke}" stroke-width="{width:g}"{_dashed(dash)}/>'


def rect(place: Place, size: Place, *, fill: str, stroke: str = "none", dash: str = "") -> str:
    """Return a box; `place` is its upper left corner."""
    where = f'x="{place[0]:g}" y="{place[1]:g}" width="{max(size[0], 0.5):g}" height="{size[1]:g}"'
    return f'<rect {where} fill="{fill}" stroke="{stroke}"{_dashed(dash)}/>'


def polyline(points: list[Place], *, stroke: str, dash: str = "") -> str:
    """Return a line through points."""
    places = " ".join(f"{x:g},{y:g}" for x, y in points)
    style = f'fill="none" stroke="{stroke}" stroke-width="1.4" stroke-linejoin="round"{_dashed(dash)}'
    return f'<polyline points="{places}" {style}/>'


def polygon(points: list[Place], *, fill: str, stroke: str = "none") -> str:
    """Return an area between corners."""
    places = " ".join(f"{x:g},{y:g}" for x, y in points)
    return f'<polygon points="{places}" fill="{fill}" stroke="{stroke}" stroke-width="1.4"/>'


def marker(shape: Shape, place: Place, radius: float, *, color: str, filled: bool) -> str:
    """Return a mark: filled or hollow, so that it can be read without color."""
    x, y = place
    fill = color if filled else "#ffffff"
    if shape == "circle":
        where = f'cx="{x:g}" cy="{y:g}" r="{radius:g}"'
        return f'<circle {where} fill="{fill}" stroke="{color}" stroke-width="1.4"/>'
    corners = [(x + dx * radius, y + dy * radius) for dx, dy in _CORNERS[shape]]
    return polygon(corners, fill=fill, stroke=color)


def beyond(place: Place, *, color: str, down: bool) -> str:
    """Return the mark of a bound: a bar where the bound lies, and an arrow to where the true value is."""
    x, y = place
    sign = 1 if down else -1
    tip = y + 13 * sign
    bar = line((x - 5, y), (x + 5, y), stroke=color, width=2)
    stem = line((x, y), (x, tip - 4 * sign), stroke=color, width=1.4)
    return bar + stem + polygon([(x, tip), (x - 3.2, tip - 5 * sign), (x + 3.2, tip - 5 * sign)], fill=color)


def width_of(content: str, size: float) -> float:
    """Return a safe estimate of how wide a text is in a common sans-serif face [px]."""
    return len(content) * size * 0.6


def _dashed(dash: str) -> str:
    return f' stroke-dasharray="{dash}"' if dash else ""
