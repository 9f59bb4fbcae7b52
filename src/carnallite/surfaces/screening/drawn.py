"""Figures of the cohort: shares with their intervals as dots and lines, and what happened over time as steps."""

from __future__ import annotations

from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING

from carnallite.surfaces import svg
from carnallite.surfaces.axis import Scale, number_ticks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from carnallite.surfaces.screening.report import Group
    from carnallite.surfaces.screening.shares import Curve, Share

WIDTH = 860
_LEFT, _RIGHT = 300, 760  # [px] between them lies the axis
_ROW, _TOP = 46, 58
_DAY = 24.0
STYLES: tuple[tuple[str, str, svg.Shape], ...] = (
    (svg.BLUE, "", "circle"), (svg.VERMILION, "6 3", "square"), (svg.PURPLE, "2 3", "triangle"),
)  # fmt: skip
_KEYS = ("Magnesium low", "Potassium low", "Potassium high")


def prevalence(groups: Sequence[Group], title: str) -> str:
    """Return a figure of how frequent each disorder is in each group, with its interval."""
    known = [one for group in groups for one in _shares(group) if one.high is not None]
    most = max((one.high or 0.0 for one in known), default=0.1)
    scale = Scale(0.0, min(1.0, most * 1.05), _LEFT, _RIGHT)
    height = _TOP + _ROW * len(groups) + 44
    parts = [_key(_KEYS), *_axis(scale, _TOP - 10, height - 38)]
    for number, group in enumerate(groups):
        top = _TOP + _ROW * number
        parts.append(svg.text((8, top + 18), _cut(group.name), size=13))
        people = "fewer people than are shown" if group.people is None else f"{group.people:,} people"
        parts.append(svg.text((8, top + 33), people, size=11.5, tone="muted"))
        for turn, one in enumerate(_shares(group)):
            parts.append(_dot(one, scale, top + 9 + 11 * turn, turn))
    return _figure(parts, height, title)


def _shares(group: Group) -> tuple[Share, ...]:
    return group.low_magnesium, group.low_potassium, group.high_potassium


def _cut(name: str, most: int = 42) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"


def _dot(one: Share, scale: Scale, y: float, turn: int) -> str:
    color, _, shape = STYLES[turn]
    if one.share is None or one.low is None or one.high is None:
        told = "not measured" if one.of == 0 else "not shown"
        return svg.text((_RIGHT + 8, y + 4), told, size=10.5, tone="muted")
    bar = svg.line((scale(one.low), y), (scale(one.high), y), stroke=color, width=1.6)
    told = svg.text((_RIGHT + 8, y + 4), f"{100 * one.share:.1f} % of {one.of:,}", size=10.5, tone="muted")
    return bar + svg.marker(shape, (scale(one.share), y), 3.6, color=color, filled=True) + told


def _key(names: Sequence[str]) -> str:
    parts, x = [], float(_LEFT)
    for turn, name in enumerate(names):
        color, _, shape = STYLES[turn]
        parts.append(svg.marker(shape, (x + 5, 20), 4.2, color=color, filled=True))
        parts.append(svg.text((x + 15, 24), name, size=12.5))
        x += 34 + svg.width_of(name, 12.5)
    return "".join(parts)


def _axis(scale: Scale, top: float, bottom: float) -> list[str]:
    ticks, decimals = number_ticks(100 * scale.low, 100 * scale.high, 5)
    parts = []
    for tick in ticks:
        x = scale(tick / 100)
        parts.append(svg.line((x, top), (x, bottom), stroke=svg.GRID))
        parts.append(svg.text((x, bottom + 17), f"{tick:.{decimals}f} %", size=11.5, anchor="middle", tone="muted"))
    parts.append(svg.line((scale.start, bottom), (scale.end, bottom), stroke=svg.MUTED))
    return parts


_PLOT = (70.0, 560.0, 26.0, 250.0)  # left, right, top, bottom [px]


def steps(curves: Sequence[Curve], title: str, until: float) -> str:
    """Return a figure of how many it has happened to by each time, with the interval as a band."""
    left, right, top, bottom = _PLOT
    across, up = Scale(0.0, until, left, right), Scale(0.0, 1.0, bottom, top)
    parts = [*_grid(across, up, until)]
    for turn, one in enumerate(curves):
        if one.points:
            parts.append(_band(one, across, up, turn))
    for turn, one in enumerate(curves):
        parts += _course(one, across, up, turn)
    return _figure(parts, 302, title)


def _grid(across: Scale, up: Scale, until: float) -> list[str]:
    parts = []
    for percent in (0, 25, 50, 75, 100):
        y = up(percent / 100)
        parts.append(svg.line((across.start, y), (across.end, y), stroke=svg.GRID))
        parts.append(svg.text((across.start - 8, y + 4), f"{percent} %", size=11.5, anchor="end", tone="muted"))
    for day in range(int(until // _DAY) + 1):
        x = across(day * _DAY)
        parts.append(svg.line((x, up.start), (x, up.start + 4), stroke=svg.MUTED))
        parts.append(svg.text((x, up.start + 18), f"{day}", size=11.5, anchor="middle", tone="muted"))
    middle = (across.start + across.end) / 2
    parts.append(svg.text((middle, up.start + 38), "days since the first low result", anchor="middle", tone="muted"))
    parts.append(svg.line((across.start, up.start), (across.end, up.start), stroke=svg.MUTED))
    return parts


def _band(one: Curve, across: Scale, up: Scale, turn: int) -> str:
    upper, lower = [], []
    for point, then in pairwise(one.points):
        for hours in (point.hours, then.hours):
            upper.append((across(hours), up(point.high)))
            lower.append((across(hours), up(point.low)))
    fill = f"{STYLES[turn][0]}22"
    return svg.polygon([*upper, *reversed(lower)], fill=fill)


def _course(one: Curve, across: Scale, up: Scale, turn: int) -> list[str]:
    color, dash, shape = STYLES[turn]
    y = 44.0 + 58 * turn
    head = svg.marker(shape, (592, y - 4), 4.2, color=color, filled=True)
    parts = [head, svg.text((604, y), one.name, size=12.5, tone="strong")]
    if not one.points:
        parts.append(svg.text((604, y + 16), "too few episodes to be shown", size=11.5, tone="muted"))
        return parts
    places = []
    for point, then in pairwise(one.points):
        places += [(across(point.hours), up(point.share)), (across(then.hours), up(point.share))]
    last = one.points[-1]
    places.append((across(last.hours), up(last.share)))
    parts.append(svg.polyline(places, stroke=color, dash=dash))
    parts.append(svg.marker(shape, places[-1], 4.2, color=color, filled=True))
    parts.append(svg.text((604, y + 16), f"{one.happened:,} of {one.of:,} episodes", size=11.5, tone="muted"))
    told = f"{100 * last.share:.0f} % by day {last.hours / _DAY:.0f}, {last.watched:,} still watched"
    parts.append(svg.text((604, y + 31), told, size=11.5, tone="muted"))
    return parts


def _figure(parts: Sequence[str], height: float, title: str) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" role="img"'
    return f'{head} font-family="sans-serif"><title>{escape(title)}</title>{"".join(parts)}</svg>'
