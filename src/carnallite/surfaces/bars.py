"""Bars across with a range each, as one small picture; names and numbers stand beside the bars, never on them."""

from __future__ import annotations

import textwrap
from html import escape
from typing import TYPE_CHECKING, Literal

import msgspec

from carnallite.surfaces import svg, words
from carnallite.surfaces.axis import Scale, number_ticks

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH = 372  # [px] a telephone shows it in full size
_LEFT, _RIGHT = 10, 212  # [px] between them lie the bars
_VALUE, _RANGE = 258, 263  # [px] where numbers end, and where ranges begin
_SIZE, _SMALL = 12.5, 11.5  # [px] of letters
_LINE, _BAR, _ROW = 16, 14, 29  # [px] height of a line of a name, of a bar, and of the bar with its room
_APART = 12
_PER_LETTER = 0.56  # of the size; a name is broken before it gets wider
_HALO, _PALE = "#ffffff", 0.3


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """One bar with the range of 90 %, in the printed unit; below zero it goes to the left."""

    name: str
    tag: str = ""
    value: float
    low: float
    high: float
    number: str  # as printed
    range: str
    color: str
    look: Literal["solid", "pale", "open", "dashed"] = "solid"
    is_apart: bool = False  # from those above, by a rule
    is_strong: bool = False


def picture(
    id: str, bars: Sequence[Bar], *, title: str, below: str, unit: str, ends: tuple[str, str] = ("", "")
) -> str:
    """Return bars as SVG.

    Parameters
    ----------
    id : str
        Begins the ids of title and description.
    title, below : str
        Two lines above the bars.
    ends : (str, str)
        What it means that a bar goes to the left, and to the right.
    """
    across = _scale(bars)
    parts = [
        svg.text((_LEFT, 20), title, size=14.5, tone="strong"),
        svg.text((_LEFT, 38), below, size=_SMALL, tone="muted"),
    ]
    top = 52.0
    if any(ends):
        parts.append(svg.text((_LEFT, 56), ends[0], size=_SMALL))
        parts.append(svg.text((_RIGHT, 56), ends[1], size=_SMALL, anchor="end"))
        top = 68.0
    for bar in bars:
        drawn, height = _row(bar, across, top)
        parts.append(drawn)
        top += height
    parts.append(_axis(across, top, unit))
    told = " ".join(_sentence(bar, unit) for bar in bars)
    return _sheet(id, f"{title}: simulated, not measured", told, top + 24, "".join(parts))


def _scale(bars: Sequence[Bar]) -> Scale:
    ends = [0.0, *(end for bar in bars for end in (bar.value, bar.low, bar.high))]
    low, high = min(ends), max(ends)
    return Scale(low, high if high > low else low + 1.0, _LEFT, _RIGHT)


def _row(bar: Bar, across: Scale, top: float) -> tuple[str, float]:
    """Return a bar below its name, and how high both are."""
    parts: list[str] = []
    if bar.is_apart:
        parts.append(svg.line((_LEFT, top + 2), (WIDTH - 8, top + 2), stroke=svg.EDGE))
        top += _APART
    names = _broken(bar)
    for line, name in enumerate(names):
        tone: Literal["plain", "strong"] = "strong" if bar.is_strong else "plain"
        parts.append(svg.text((_LEFT, top + 12 + _LINE * line), name, size=_SIZE, tone=tone))
    parts.append(svg.text((WIDTH - 8, top + 12), bar.tag, size=_SMALL, anchor="end", tone="muted"))
    y = top + _LINE * len(names) + 4
    parts += [_grid(across, y), _body(bar, across, y), _whisker(bar, across, y + _BAR / 2)]
    parts.append(svg.text((_VALUE, y + 11), bar.number, size=_SIZE, anchor="end", tone="strong"))
    parts.append(svg.text((_RANGE, y + 11), bar.range, size=_SMALL, tone="muted"))
    return "".join(parts), _LINE * len(names) + _ROW + (_APART if bar.is_apart else 0)


def _broken(bar: Bar) -> list[str]:
    """Return a name in lines that leave room for the tag."""
    room = WIDTH - _LEFT - 8 - (len(bar.tag) + 2) * _SMALL * _PER_LETTER
    return textwrap.wrap(bar.name, int(room / (_SIZE * _PER_LETTER)), break_on_hyphens=False) or [""]


def _grid(across: Scale, y: float) -> str:
    ticks, _ = _ticks(across)
    lines = [svg.line((across(tick), y - 3), (across(tick), y + _BAR + 3), stroke=svg.RULE) for tick in ticks]
    return "".join(lines) + svg.line((across(0), y - 3), (across(0), y + _BAR + 3), stroke=svg.MUTED)


def _ticks(across: Scale) -> tuple[list[float], int]:
    return number_ticks(across.low, across.high, 3)


def _body(bar: Bar, across: Scale, y: float) -> str:
    left, right = sorted((across(0), across(bar.value)))
    size = (right - left, float(_BAR))
    if bar.look == "solid":
        return svg.rect((left, y), size, fill=bar.color)
    if bar.look == "pale":
        return f'<g fill-opacity="{_PALE}">{svg.rect((left, y), size, fill=bar.color, stroke=bar.color)}</g>'
    return svg.rect((left, y), size, fill=_HALO, stroke=bar.color, dash="4 2" if bar.look == "dashed" else "")


def _whisker(bar: Bar, across: Scale, y: float) -> str:
    """Return the range as a line with two ends, legible on a bar and beside it."""
    low, high = across(bar.low), across(bar.high)
    strokes = (((low, y), (high, y)), ((low, y - 4), (low, y + 4)), ((high, y - 4), (high, y + 4)))
    around = "".join(svg.line(*ends, stroke=_HALO, width=3.4) for ends in strokes)
    return around + "".join(svg.line(*ends, width=1.3) for ends in strokes)


def _axis(across: Scale, top: float, unit: str) -> str:
    ticks, decimals = _ticks(across)
    parts = [svg.line((_LEFT, top), (_RIGHT, top), stroke=svg.MUTED)]
    for tick in ticks:
        told = f"{tick:.{decimals}f}".replace("-", "−")
        parts.append(svg.line((across(tick), top), (across(tick), top + 4), stroke=svg.MUTED))
        parts.append(svg.text((across(tick), top + 17), told, size=_SMALL, anchor="middle", tone="muted"))
    parts.append(svg.text((WIDTH - 8, top + 17), unit, size=_SMALL, anchor="end", tone="muted"))
    return "".join(parts)


def _sentence(bar: Bar, unit: str) -> str:
    tag = f", {bar.tag}" if bar.tag else ""
    return f"{bar.name}{tag}: {bar.number} {bar.range} {unit}."


def _sheet(id: str, title: str, description: str, height: float, content: str) -> str:
    size = f'viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}" height="{height:g}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="{id}-title {id}-desc" '
        'font-family="Helvetica Neue, Helvetica, Arial, Liberation Sans, sans-serif">'
        f'<title id="{id}-title">{escape(words.printable(title))}</title>'
        f'<desc id="{id}-desc">{escape(words.bound(words.printable(description)))}</desc>'
        f'<rect width="{WIDTH}" height="{height:g}" fill="#ffffff"/>{content}</svg>\n'
    )
