"""The few shapes that our figures are made of. All text is escaped here and nowhere else."""

from __future__ import annotations

from html import escape
from typing import Literal

INK, MUTED, RULE, BAND = "#1a1a1a", "#555555", "#d5d5d5", "#e3ebf2"
# Okabe and Ito: told apart with every kind of color vision; a shape or a line style always says the same
BLUE, VERMILION, GREEN, PURPLE, SKY, ORANGE = "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00"
Shape = Literal["circle", "square", "triangle", "diamond"]
Anchor = Literal["start", "middle", "end"]


def text(
    x: float,
    y: float,
    content: str,
    *,
    size: float = 12,
    anchor: Anchor = "start",
    bold: bool = False,
    fill: str = INK,
) -> str:
    """Return a line of text; `y` is its baseline."""
    weight = ' font-weight="600"' if bold else ""
    return f'<text x="{x:g}" y="{y:g}" font-size="{size:g}" text-anchor="{anchor}" fill="{fill}"{weight}>{escape(content)}</text>'


def line(
    x1: float, y1: float, x2: float, y2: float, *, stroke: str = INK, width: float = 1, dash: str = ""
) -> str:
    """Return a straight line."""
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    return f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" stroke="{stroke}" stroke-width="{width:g}"{dashes}/>'


def rect(
    x: float, y: float, width: float, height: float, *, fill: str, stroke: str = "none", dash: str = ""
) -> str:
    """Return a box."""
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    return f'<rect x="{x:g}" y="{y:g}" width="{max(width, 0.5):g}" height="{height:g}" fill="{fill}" stroke="{stroke}"{dashes}/>'


def polyline(points: list[tuple[float, float]], *, stroke: str, width: float = 1.4, dash: str = "") -> str:
    """Return a line through points."""
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    places = " ".join(f"{x:g},{y:g}" for x, y in points)
    return (
        f'<polyline points="{places}" fill="none" stroke="{stroke}" stroke-width="{width:g}" '
        f'stroke-linejoin="round"{dashes}/>'
    )


def marker(shape: Shape, x: float, y: float, radius: float, *, color: str, filled: bool) -> str:
    """Return a mark: filled or hollow, so that it can be read without color."""
    style = f'fill="{color if filled else "#ffffff"}" stroke="{color}" stroke-width="1.4"'
    if shape == "circle":
        return f'<circle cx="{x:g}" cy="{y:g}" r="{radius:g}" {style}/>'
    corners = {
        "square": ((-1, -1), (1, -1), (1, 1), (-1, 1)),
        "triangle": ((0, -1.2), (1.1, 0.9), (-1.1, 0.9)),
        "diamond": ((0, -1.3), (1.3, 0), (0, 1.3), (-1.3, 0)),
    }[shape]
    places = " ".join(f"{x + dx * radius:g},{y + dy * radius:g}" for dx, dy in corners)
    return f'<polygon points="{places}" {style}/>'


def beyond(x: float, y: float, *, color: str, down: bool) -> str:
    """Return the mark of a bound: a bar where the bound lies, and an arrow to where the true value is."""
    sign = 1 if down else -1
    tip = y + 13 * sign
    head = f"{x:g},{tip:g} {x - 3.2:g},{tip - 5 * sign:g} {x + 3.2:g},{tip - 5 * sign:g}"
    bar = line(x - 5, y, x + 5, y, stroke=color, width=2)
    stem = line(x, y, x, tip - 4 * sign, stroke=color, width=1.4)
    return f'{bar}{stem}<polygon points="{head}" fill="{color}"/>'


def width_of(content: str, size: float) -> float:
    """Return a safe estimate of how wide a text is in a common sans-serif face [px]."""
    return len(content) * size * 0.6
