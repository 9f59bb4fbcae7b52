"""What each plan brings as one figure: a column for each plan, a row for each ion, results before now, bands after."""

from __future__ import annotations

import math
import textwrap
from datetime import timedelta
from html import escape
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from carnallite.quantity import analyte
from carnallite.surfaces import svg, words
from carnallite.surfaces.axis import Scale, number_ticks
from carnallite.surfaces.plans import IONS, lettered, next_sample, table
from carnallite.surfaces.printed import Printed, printed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from carnallite.plan import Advice, Course, Outlook
    from carnallite.record import Timeline

WIDTH = 760  # [px] on paper its letters are those of the text around it
_LEFT, _RIGHT, _TOP, _PANEL, _GAP, _ACROSS, _AXIS = 114, 12, 80, 136, 14, 10, 40  # [px]
_BEFORE, _AFTER = 7.0, 30.0  # [d] around now
_COLORS = {"serum_magnesium": svg.BLUE, "serum_potassium": svg.VERMILION}
_NAMES = {"serum_magnesium": "Magnesium", "serum_potassium": "Potassium"}
_BANDS = ((0.16, "low90", "high90"), (0.36, "low50", "high50"))
_TICKS = (0, 7, 14, 21, 28)
_NARROW = 130  # [px] a narrower column has a date every second week
_NAMED = 3  # lines of the name of a plan above its column


class _Seen(NamedTuple):
    """A result before now, in the printed unit; its ends may be infinite."""

    day: float
    low: float
    high: float


def figure(advice: Advice, timeline: Timeline, *, units: words.Units) -> str:
    """Return the figure as SVG; an empty text where nothing is foretold.

    Parameters
    ----------
    timeline : Timeline
        Whose results of the last week are drawn.
    units : {"si", "us"}
        In which numbers are printed.
    """
    told = advice.forecast
    if told is None or not told.outlooks:
        return ""
    count = len(told.outlooks)
    each = (WIDTH - _LEFT - _RIGHT - _ACROSS * (count - 1)) / count
    parts, top = [_legend()], float(_TOP)
    for number, one in enumerate(told.outlooks):
        left = _LEFT + number * (each + _ACROSS)
        parts += _title(advice, one, left, each)
    for ion in IONS:
        shown = printed(ion, units)
        usual = _usual(ion, units)
        seen = _seen(timeline, ion, shown)
        courses = [next(course for course in one.courses if course.quantity == ion) for one in told.outlooks]
        scale = _scale(courses, seen, usual, shown, top)
        parts += _head(ion, shown, usual, scale, top)
        for number, (course, one) in enumerate(zip(courses, told.outlooks, strict=True)):
            left = _LEFT + number * (each + _ACROSS)
            across = Scale(-_BEFORE, _AFTER, left, left + each)
            parts.append(
                _panel(course, one, seen, usual, shown, across=across, down=scale, look=next_sample(advice, one))
            )
        top += _PANEL + _GAP
    for number in range(count):
        left = _LEFT + number * (each + _ACROSS)
        parts.append(
            _days(_TICKS[:: 2 if each < _NARROW else 1], Scale(-_BEFORE, _AFTER, left, left + each), top - _GAP)
        )
    parts.append(svg.text((8, top - _GAP + 18), "Days from now", size=11.5, tone="muted"))
    return _sheet(advice, top + _AXIS, "".join(parts), units)


def _title(advice: Advice, one: Outlook, left: float, room: float) -> list[str]:
    names = {plan.id: (letter, plan.name) for letter, plan in lettered(advice)}
    letter, name = names.get(one.plan, ("", "As now"))
    lines = textwrap.wrap(f"{letter} {name}".strip(), int(room / svg.width_of("n", 11.5)), max_lines=_NAMED,
                          placeholder="…")  # fmt: skip
    first = _TOP - 8 - 14 * (len(lines) - 1)
    return [svg.text((left, first + 14 * row), line, size=12, tone="strong") for row, line in enumerate(lines)]


def _usual(ion: str, units: words.Units) -> tuple[float, float]:
    factor = printed(ion, units).factor
    usual = analyte(ion).reference(sex=None, age=None)
    if usual is None or usual.low is None or usual.high is None:
        return math.nan, math.nan
    return usual.low / factor, usual.high / factor


def _seen(timeline: Timeline, ion: str, shown: Printed) -> list[_Seen]:
    found = []
    for one in timeline.observations:
        if one.quantity != ion or one.time is None or one.time > timeline.index:
            continue
        day = (one.time - timeline.index) / timedelta(days=1)
        if day >= -_BEFORE:
            low = -math.inf if one.low is None else one.low / shown.factor
            high = math.inf if one.high is None else one.high / shown.factor
            found.append(_Seen(day, low, high))
    return found


def _scale(
    courses: Sequence[Course], seen: Sequence[_Seen], usual: tuple[float, float], shown: Printed, top: float
) -> Scale:
    ends = [value / shown.factor for one in courses for row in (one.low90, one.high90) for value in row]
    ends += [end for one in seen for end in one[1:] if math.isfinite(end)]
    low, high = min(*ends, usual[0]), max(*ends, usual[1])
    room = 0.06 * (high - low)
    return Scale(max(0.0, low - room), high + room, top + _PANEL - 4, top + 4)


def _head(ion: str, shown: Printed, usual: tuple[float, float], scale: Scale, top: float) -> list[str]:
    ticks, decimals = number_ticks(scale.low, scale.high, 4)
    low, high = (f"{end:.{shown.decimals}f}" for end in usual)
    return [
        svg.text((8, top + 18), _NAMES[ion], size=13, tone="strong"),
        svg.text((8, top + 34), shown.unit, tone="muted"),
        svg.text((8, top + 52), "usual", size=11, tone="muted"),
        svg.text((8, top + 66), f"{low} to {high}", size=11, tone="muted"),
        *(svg.text((_LEFT - 6, scale(tick) + 4), f"{tick:.{decimals}f}", size=11, anchor="end", tone="muted")
          for tick in ticks),
    ]  # fmt: skip


def _panel(  # noqa: PLR0913  (what is drawn, and where)
    course: Course, one: Outlook, seen: Sequence[_Seen], usual: tuple[float, float], shown: Printed,
    *, across: Scale, down: Scale, look: float | None,
) -> str:  # fmt: skip
    color = _COLORS[course.quantity]
    days = [hour / 24 for hour in one.hours]
    parts = [svg.rect((across.start, down(usual[1])), (across.end - across.start, down(usual[0]) - down(usual[1])),
                      fill=svg.BAND)]  # fmt: skip
    for end in usual:
        parts.append(svg.line((across.start, down(end)), (across.end, down(end)), stroke=svg.EDGE, dash="2 3"))
    for opacity, low, high in _BANDS:
        upper = [
            (across(day), down(value / shown.factor)) for day, value in zip(days, getattr(course, high), strict=True)
        ]
        lower = [
            (across(day), down(value / shown.factor)) for day, value in zip(days, getattr(course, low), strict=True)
        ]
        area = svg.polygon([*upper, *reversed(lower)], fill=color)
        parts.append(f'<g fill-opacity="{opacity:g}">{area}</g>')
    for edge in (course.low90, course.high90):  # seen without color, too
        ends = [(across(day), down(value / shown.factor)) for day, value in zip(days, edge, strict=True)]
        parts.append(f'<g stroke-opacity="0.55">{svg.polyline(ends, stroke=color)}</g>')
    middle = [(across(day), down(value / shown.factor)) for day, value in zip(days, course.middle, strict=True)]
    parts.append(svg.polyline(middle, stroke=color))
    now = across(0.0)
    parts.append(svg.line((now, down.end), (now, down.start), stroke=svg.INK, width=1.2))
    if look is not None:
        x = across(look / 24)
        parts.append(svg.line((x, down.end), (x, down.start), stroke=svg.MUTED, dash="4 3"))
    parts += [_point(each, across, down, color) for each in seen]
    parts.append(svg.line((across.start, down.start), (across.end, down.start), stroke=svg.MUTED))
    return "".join(parts)


def _point(one: _Seen, across: Scale, down: Scale, color: str) -> str:
    x = across(one.day)
    if math.isinf(one.low) or math.isinf(one.high):
        edge = one.high if math.isinf(one.low) else one.low
        return svg.beyond((x, down(edge)), color=color, down=math.isinf(one.low))
    if one.high > one.low * 1.1:
        return svg.line((x, down(one.low)), (x, down(one.high)), stroke=color, width=3)
    return svg.marker("circle", (x, down(float(np.sqrt(one.low * one.high)))), 3.4, color=color, filled=True)


def _days(ticks: Sequence[int], across: Scale, axis: float) -> str:
    parts = []
    for day in ticks:
        x = across(float(day))
        parts.append(svg.line((x, axis), (x, axis + 4), stroke=svg.MUTED))
        parts.append(svg.text((x, axis + 17), "now" if day == 0 else f"{day:+d}".replace("-", "\N{MINUS SIGN}"),
                              size=11, anchor="middle"))  # fmt: skip
    return "".join(parts)


def _legend() -> str:
    parts = []
    place = 8.0
    for label, shape in (
        ("usual interval", svg.rect((0, 8), (20, 11), fill=svg.BAND, stroke=svg.EDGE, dash="2 3")),
        ("90 % of virtual patients", f'<g fill-opacity="0.16">{svg.rect((0, 8), (20, 11), fill=svg.BLUE)}</g>'),
        ("50 %", f'<g fill-opacity="0.42">{svg.rect((0, 8), (20, 11), fill=svg.BLUE)}</g>'),
        ("measured", svg.marker("circle", (10, 13.5), 3.4, color=svg.INK, filled=True)),
        ("now", svg.line((10, 7), (10, 20), stroke=svg.INK, width=1.2)),
        ("next sample", svg.line((10, 7), (10, 20), stroke=svg.MUTED, dash="4 3")),
    ):
        parts.append(f'<g transform="translate({place:g},0)">{shape}</g>')
        parts.append(svg.text((place + 26, 18), label, size=11.5, tone="muted"))
        place += 46 + svg.width_of(label, 10.5)
    return "".join(parts)


def _sheet(advice: Advice, height: float, content: str, units: words.Units) -> str:
    told = []
    for line in table(advice, units):
        for ion, levels in zip(IONS, line.levels, strict=True):
            told.append(f"{line.name}: {_NAMES[ion].lower()} {levels[-1]} {printed(ion, units).unit} at day 30.")
    size = f'viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}" height="{height:g}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="outlook-title outlook-desc" '
        'font-family="Helvetica Neue, Helvetica, Arial, Liberation Sans, sans-serif">'
        '<title id="outlook-title">What each plan brings</title>'
        f'<desc id="outlook-desc">{escape(words.bound(" ".join(told)))}</desc>'
        f'<rect width="{WIDTH}" height="{height:g}" fill="#ffffff"/>{content}</svg>\n'
    )
