"""Simulated courses as one figure: small panels above, what is given and what acts below, the same time axis."""

from __future__ import annotations

import math
import textwrap
from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from carnallite.physiology.measured import measured, measures
from carnallite.physiology.scenario import Person
from carnallite.physiology.timing import DAY
from carnallite.quantity import analyte
from carnallite.surfaces import svg, words
from carnallite.surfaces.axis import Scale, number_ticks
from carnallite.surfaces.table import Column, column, flag, sentence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from carnallite.physiology.population import Summary
    from carnallite.physiology.protocol import Happening, Protocol
    from carnallite.physiology.simulate import Trajectories

    Numbers = NDArray[np.float64]

WIDTH = 860
_LEFT, _RIGHT = 176, 690  # [px] between them lies the time axis
_TOP, _PANEL, _GAP, _AXIS, _LANE = 52, 84, 10, 46, 36
_LANES = 12
_NAME, _DETAIL = 26, 28  # [characters]
_COLUMNS = 118
_PANELS: tuple[tuple[str, str, str], ...] = (
    ("serum_magnesium", "Magnesium", svg.BLUE),
    ("serum_potassium", "Potassium", svg.VERMILION),
    ("ionized_calcium", "Calcium, ionized", svg.GREEN),
    ("serum_phosphate", "Phosphate", svg.PURPLE),
    ("serum_sodium", "Sodium", svg.INK),
    ("serum_bicarbonate", "Bicarbonate", svg.MUTED),
    ("pth", "Parathyroid hormone", svg.GREEN),
    ("serum_aldosterone", "Aldosterone", svg.PURPLE),
    ("urine_magnesium_24h", "Urine magnesium", svg.BLUE),
    ("urine_potassium_24h", "Urine potassium", svg.VERMILION),
    ("urine_phosphate_24h", "Urine phosphate", svg.PURPLE),
)
_QUIET = 0.04  # a panel whose values move less than this share of their size is left out, the ions aside
_ALWAYS = ("serum_magnesium", "serum_potassium", "ionized_calcium")
_COLORS = {"dose": svg.BLUE, "treatment": svg.BLUE, "crrt": svg.GREEN, "clamp": svg.GREEN, "intake": svg.GREEN}


class Curve(msgspec.Struct, frozen=True, kw_only=True):
    """One test over time, in its printed unit: a line, and around it bands of the people."""

    test: str
    title: str
    color: str
    column: Column
    middle: Numbers
    bands: tuple[tuple[Numbers, Numbers], ...] = ()  # the wider first


def figure(course: Trajectories, *, title: str = "", person: Person | None = None, units: words.Units = "si") -> str:
    """Return courses as SVG: one person as a line, several as median and bands of 50 and 90 % of them.

    Parameters
    ----------
    course : Trajectories
        Of `carnallite.physiology.simulate`; panels are drawn for the outputs that it has.
    title : str
        Stands above the figure.
    person : Person, optional
        Whose usual intervals are drawn.
    units : {"si", "us"}
        In which numbers are printed.
    """
    shown = [(test, measured(course, test)) for test in measures() if measures()[test].output in course.outputs]
    quantiles = {test: _quantiles(values) for test, values in shown if np.isfinite(values).any()}
    count = len(course.status)
    known = f"{int(course.ended_early.sum()):,} of {count:,} people have no whole course." if (
        course.ended_early.any()) else ""  # fmt: skip
    curves = _curves(quantiles, person or Person(), units, has_bands=count > 1)
    return _drawn(course.time, curves, course.happenings, title, [known] if known else [])


def figure_of_many(
    found: Summary, given: Protocol, *, title: str = "", person: Person | None = None, units: words.Units = "si"
) -> str:
    """Return a population as SVG: the median, and bands of 50 and 90 % of the people."""
    quantiles = {name: rows[2:] for name, rows in found.columns.items() if name in measures()}
    notes = [f"{found.count:,} people. Line: median. Bands: 50 % and 90 % of them."]
    if found.failed:
        notes.append(f"{found.failed:,} people have no whole course and are left out.")
    curves = _curves(quantiles, person or Person(), units, has_bands=True)
    return _drawn(found.time, curves, given.happenings, title, notes)


def _quantiles(values: Numbers) -> Numbers:
    """Return 5, 25, 50, 75 and 95 % of people at each sample; NaN where nobody has a value."""
    if len(values) == 1:
        return np.repeat(values, 5, axis=0)
    found = np.full((5, values.shape[1]), np.nan)
    there = np.isfinite(values).any(axis=0)
    found[:, there] = np.nanquantile(values[:, there], (0.05, 0.25, 0.5, 0.75, 0.95), axis=0)
    return found


def _curves(quantiles: dict[str, Numbers], person: Person, units: words.Units, *, has_bands: bool) -> list[Curve]:
    curves = []
    for test, title, color in _PANELS:
        if test not in quantiles or not np.isfinite(quantiles[test]).any():
            continue
        shown = column(test, person, units)
        rows = quantiles[test] / shown.factor
        if test not in _ALWAYS and _is_quiet(rows[2]):
            continue
        bands = ((rows[0], rows[4]), (rows[1], rows[3])) if has_bands else ()
        curves.append(Curve(test=test, title=title, color=color, column=shown, middle=rows[2], bands=bands))
    return curves


def _is_quiet(values: Numbers) -> bool:
    known = values[np.isfinite(values)]
    return bool(np.ptp(known) <= _QUIET * np.abs(known).max())


def _drawn(
    time: Numbers, curves: Sequence[Curve], happenings: Sequence[Happening], title: str, notes: list[str]
) -> str:
    across = Scale(float(time[0]), float(time[-1]), _LEFT, _RIGHT)
    panels, top = [], float(_TOP)
    for curve in curves:
        panels.append(_panel(curve, time, across, top))
        top += _PANEL + _GAP
    axis = top - _GAP
    lanes, bottom = [], axis + _AXIS
    for happening in happenings[:_LANES]:
        lanes.append(_lane(happening, across, bottom))
        bottom += _LANE
    if len(happenings) > _LANES:
        notes = [*notes, f"Not drawn: {'; '.join(sentence(one) for one in happenings[_LANES:])}."]
    rows = [row for note in notes for row in textwrap.wrap(note, _COLUMNS)]
    below = bottom + (4 if happenings else 0)
    told = [svg.text((8, below + 14 + 16 * row), text, size=11.5, tone="muted") for row, text in enumerate(rows)]
    height = below + 8 + 16 * len(rows)
    content = "".join((
        svg.text((8, 22), title, size=15, tone="strong"), _legend(has_bands=any(curve.bands for curve in curves)),
        _grid(across, axis, bottom if happenings else axis), *panels, *lanes, *told,
    ))  # fmt: skip
    return _sheet(title or "Simulated course", _described(curves, happenings), height, content)


def _legend(*, has_bands: bool) -> str:
    parts = [
        svg.rect((_LEFT, 32), (22, 11), fill=svg.BAND, stroke=svg.EDGE, dash="2 3"),
        svg.text((_LEFT + 28, 42), "usual interval", size=11.5, tone="muted"),
    ]
    if has_bands:
        parts += [
            _faint(svg.rect((_LEFT + 120, 32), (22, 11), fill=svg.BLUE), 0.16),
            svg.text((_LEFT + 148, 42), "90 % of people", size=11.5, tone="muted"),
            _faint(svg.rect((_LEFT + 246, 32), (22, 11), fill=svg.BLUE), 0.36),
            svg.text((_LEFT + 274, 42), "50 %", size=11.5, tone="muted"),
        ]
    return "".join(parts)


def _faint(shape: str, opacity: float) -> str:
    return f'<g fill-opacity="{opacity:g}">{shape}</g>'


# panels -------------------------------------------------------------------------------------------------------------
def _panel(curve: Curve, time: Numbers, across: Scale, top: float) -> str:
    scale = _scale(curve, top)
    parts = [_head(curve, top), _usual(curve, scale, across)]
    for opacity, (low, high) in zip((0.16, 0.36), curve.bands, strict=False):
        there = np.isfinite(low)
        upper = _places(time[there], high[there], across, scale)
        lower = _places(time[there], low[there], across, scale)
        parts.append(_faint(svg.polygon([*upper, *reversed(lower)], fill=curve.color), opacity))
    there = np.isfinite(curve.middle)
    parts += [
        _ticks(scale, across),
        svg.polyline(_places(time[there], curve.middle[there], across, scale), stroke=curve.color),
        _last(curve, top),
    ]
    return "".join(parts)


def _scale(curve: Curve, top: float) -> Scale:
    shown = np.concatenate([curve.middle, *(edge for band in curve.bands for edge in band)])
    ends = [float(np.nanmin(shown)), float(np.nanmax(shown))]
    usual = [end / curve.column.factor for end in (curve.column.low, curve.column.high) if math.isfinite(end)]
    low, high = min([*ends, *usual]), max([*ends, *usual])
    room = 0.12 * (high - low) or abs(high) * 0.1 or 1.0
    floor = low - room if low - room > 0 or low < 0 else 0.0
    return Scale(floor, high + room, top + _PANEL - 6, top + 6)


def _places(time: Numbers, values: Numbers, across: Scale, down: Scale) -> list[svg.Place]:
    """Return points of a line; where there are several for a pixel, the first, lowest, highest and last of them."""
    pixels = [across(float(moment)) for moment in time]
    if len(time) <= 2 * (_RIGHT - _LEFT):
        return [(x, down(float(value))) for x, value in zip(pixels, values, strict=True)]
    found: list[svg.Place] = []
    column = np.floor(pixels)
    for start, end in _runs(column):
        part = values[start:end]
        kept = sorted({start, start + int(part.argmin()), start + int(part.argmax()), end - 1})
        found += [(pixels[one], down(float(values[one]))) for one in kept]
    return found


def _runs(column: Numbers) -> list[tuple[int, int]]:
    edges = [0, *(np.flatnonzero(np.diff(column)) + 1).tolist(), len(column)]
    return list(pairwise(edges))


def _head(curve: Curve, top: float) -> str:
    shown = curve.column
    usual = _interval(shown)
    return (
        svg.text((8, top + 22), curve.title, size=13, tone="strong")
        + svg.text((8, top + 39), shown.unit, tone="muted")
        + (svg.text((8, top + 55), f"usual {usual}", size=11.5, tone="muted") if usual else "")
    )


def _interval(shown: Column) -> str:
    low, high = (f"{end / shown.factor:.{shown.decimals}f}" for end in (shown.low, shown.high))
    if math.isfinite(shown.low) and math.isfinite(shown.high):
        return f"{low} to {high}"
    return f">{low}" if math.isfinite(shown.low) else f"<{high}" if math.isfinite(shown.high) else ""


def _usual(curve: Curve, scale: Scale, across: Scale) -> str:
    ends = (curve.column.low / curve.column.factor, curve.column.high / curve.column.factor)
    low, high = (scale(end) for end in ends)
    parts = []
    if any(map(math.isfinite, ends)):
        parts.append(svg.rect((across.start, high), (across.end - across.start, low - high), fill=svg.BAND))
    for end, place in zip(ends, (low, high), strict=True):
        if math.isfinite(end):
            parts.append(svg.line((across.start, place), (across.end, place), stroke=svg.EDGE, dash="2 3"))
    return "".join(parts)


def _ticks(scale: Scale, across: Scale) -> str:
    ticks, decimals = number_ticks(scale.low, scale.high, 3)
    parts = [svg.line((across.start, scale.start), (across.start, scale.end), stroke=svg.MUTED)]
    for tick in ticks:
        place = scale(tick)
        parts.append(svg.line((across.start - 4, place), (across.start, place), stroke=svg.MUTED))
        told = f"{tick:.{decimals}f}"
        parts.append(svg.text((across.start - 7, place + 4), told, size=11.5, anchor="end", tone="muted"))
    return "".join(parts)


def _last(curve: Curve, top: float) -> str:
    """Return the column of latest values, and the lowest and highest of the line."""
    known = curve.middle[np.isfinite(curve.middle)]
    shown = curve.column
    last, low, high = (f"{number:.{shown.decimals}f}" for number in (known[-1], known.min(), known.max()))
    said = {"L": " low", "H": " high"}.get(flag(float(known[-1]) * shown.factor, shown), "")
    whose = "median at the end" if curve.bands else "at the end"
    return (
        svg.text((_RIGHT + 12, top + 22), f"{last}{words.JOIN}{shown.unit}{said}", size=12.5, tone="strong")
        + svg.text((_RIGHT + 12, top + 38), whose, size=11.5, tone="muted")
        + svg.text((_RIGHT + 12, top + 54), f"between {low} and {high}", size=11.5, tone="muted")
    )


# lanes --------------------------------------------------------------------------------------------------------------
def _lane(happening: Happening, across: Scale, top: float) -> str:
    """Return what is given or acts: bars for what lasts, ticks for what is short."""
    color = _COLORS.get(happening.kind, svg.VERMILION)
    name = sentence(happening).partition(": ")[2] if happening.kind != "change" else happening.name
    name, _, detail = name.partition(", ")
    parts = [
        svg.text((8, top + 12), _cut(name[:1].upper() + name[1:], _NAME), size=12, tone="strong"),
        svg.text((8, top + 25), _cut(detail or happening.kind, _DETAIL), size=11, tone="muted"),
    ]
    seen = [window for window in happening.windows if window[1] > across.low and window[0] < across.high]
    y, height = top + 6, 13
    for begin, end in seen:
        left, right = across(begin), across(end)
        if happening.kind == "dose" and right - left < 2:
            parts.append(svg.line((left, y), (left, y + height), stroke=color, width=1.2))
        else:
            parts.append(_faint(svg.rect((left, y), (max(right - left, 1.2), height), fill=color), 0.55))
    if not seen:
        parts.append(svg.text((across.start + 6, top + 17), "before time zero", size=11, tone="muted"))
    if happening.kind == "dose" and seen:
        parts.append(svg.text((_RIGHT + 12, top + 17), f"{len(seen)} time{'s' * (len(seen) > 1)}", size=11.5,
                              tone="muted"))  # fmt: skip
    return "".join(parts)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip(" ,") + "…"


# axis and sheet -----------------------------------------------------------------------------------------------------
def _grid(across: Scale, axis: float, bottom: float) -> str:
    """Return the time axis in hours or days, and its lines through panels and lanes."""
    is_by_hour = across.high <= 3 * DAY
    one = 1.0 if is_by_hour else DAY
    ticks = _hours(across.high) if is_by_hour else number_ticks(0, across.high / DAY, 8)[0]
    parts = [
        svg.line((across.start, axis), (across.end, axis), stroke=svg.MUTED),
        svg.text((8, axis + 18), "Hours" if is_by_hour else "Days", size=11.5, tone="muted"),
    ]
    for tick in ticks:
        x = across(tick * one)
        parts.append(svg.line((x, _TOP), (x, axis), stroke=svg.GRID))
        if bottom > axis:
            parts.append(svg.line((x, axis + _AXIS - 6), (x, bottom), stroke=svg.GRID))
        parts.append(svg.line((x, axis), (x, axis + 5), stroke=svg.MUTED))
        parts.append(svg.text((x, axis + 18), f"{tick:g}", size=11.5, anchor="middle"))
    return "".join(parts)


def _hours(end: float) -> list[float]:
    step = next(step for step in (0.5, 1, 2, 3, 6, 12) if end / step <= 12)
    return [step * number for number in range(int(end / step + 1e-9) + 1)]


def _described(curves: Sequence[Curve], happenings: Sequence[Happening]) -> str:
    """Return the figure in words, for those who cannot see it."""
    told = []
    for curve in curves:
        known, item = curve.middle[np.isfinite(curve.middle)], curve.column
        first, last, low, high = (
            f"{number:.{item.decimals}f}" for number in (known[0], known[-1], known.min(), known.max())
        )
        ends = f"from {first} to {last}{words.JOIN}{item.unit}"
        told.append(f"{analyte(curve.test).name}: {ends}, between {low} and {high}.")
    return " ".join([*told, *(f"{sentence(one)}." for one in happenings)])


def _sheet(title: str, description: str, height: float, content: str) -> str:
    size = f'viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}" height="{height:g}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="body-title body-desc" '
        'font-family="Helvetica Neue, Helvetica, Arial, Liberation Sans, sans-serif">'
        f'<title id="body-title">{escape(title)}</title><desc id="body-desc">{escape(words.bound(description))}</desc>'
        f'<rect width="{WIDTH}" height="{height:g}" fill="#ffffff"/>{content}</svg>\n'
    )
