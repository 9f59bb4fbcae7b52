"""Small panels of results against time, each with its unit, its usual interval and its latest value."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec

from carnallite.quantity import analyte, printed_unit
from carnallite.surfaces import svg, words
from carnallite.surfaces.axis import Scale, TimeScale, number_ticks

if TYPE_CHECKING:
    from collections.abc import Iterable

    from carnallite.record import Observation, Timeline

HEIGHT, EMPTY_HEIGHT = 96, 34
_MANY, _VERY_MANY = 60, 200  # results in a panel, beyond which marks get smaller


class Series(msgspec.Struct, frozen=True):
    """One quantity of a panel and how it is drawn."""

    quantity: str
    label: str
    shape: svg.Shape
    color: str
    dash: str = ""


class Panel(msgspec.Struct, frozen=True):
    """Quantities that share an axis."""

    title: str
    series: tuple[Series, ...]
    is_optional: bool = False  # left out where nothing was measured


PANELS = (
    Panel("Magnesium", (Series("serum_magnesium", "serum", "circle", svg.BLUE),)),
    Panel("Magnesium, ionized", (Series("ionized_magnesium", "ionized", "triangle", svg.BLUE, "5 3"),), True),
    Panel(
        "Potassium",
        (
            Series("serum_potassium", "serum", "square", svg.VERMILION),
            Series("blood_potassium", "whole blood", "triangle", svg.PURPLE, "5 3"),
        ),
    ),
    Panel(
        "Calcium",
        (
            Series("serum_calcium", "total", "circle", svg.GREEN),
            Series("corrected_calcium", "corrected", "diamond", svg.PURPLE, "5 3"),
        ),
    ),
    Panel("Calcium, ionized", (Series("ionized_calcium", "ionized", "triangle", svg.GREEN, "2 2"),), True),
    Panel("Creatinine", (Series("serum_creatinine", "serum", "circle", svg.INK),)),
)
PLOTTED = frozenset(series.quantity for panel in PANELS for series in panel.series)


class Drawing(msgspec.Struct, frozen=True, kw_only=True):
    """What every panel needs to know."""

    timeline: Timeline
    time: TimeScale
    units: words.Units
    right: float  # [px] where the column of latest values begins


class Mark(msgspec.Struct, frozen=True):
    """A result as it is drawn: bounds in the printed unit, and whether it lies outside its interval."""

    x: float
    low: float
    high: float
    is_outside: bool

    @property
    def shown(self) -> float:
        """Return the finite bound, or the middle."""
        if math.isinf(self.low) or math.isinf(self.high):
            return self.high if math.isinf(self.low) else self.low
        return (self.low + self.high) / 2


def bounds(one: Observation) -> tuple[float, float]:
    """Return the bounds of a result in the canonical unit; an open end and a floor of zero are infinite."""
    low = -math.inf if one.low is None or (one.low <= 0 and one.high != one.low) else one.low
    return low, math.inf if one.high is None else one.high


def interval(one: Observation | None, quantity: str, timeline: Timeline) -> tuple[float, float]:
    """Return the laboratory's own interval, or ours for this sex and age."""
    ours = analyte(quantity).reference(sex=timeline.patient.sex, age=timeline.age())
    low = one.reference_low if one and one.reference_low is not None else ours.low if ours else None
    high = one.reference_high if one and one.reference_high is not None else ours.high if ours else None
    return -math.inf if low is None else low, math.inf if high is None else high


def dated(timeline: Timeline, quantity: str) -> list[Observation]:
    """Return the dated results of a quantity that hold a number, oldest first."""
    known = [
        one for one in timeline.observations
        if one.quantity == quantity and one.time is not None and any(map(math.isfinite, bounds(one)))
    ]  # fmt: skip
    return sorted(known, key=lambda one: words.utc(one.time))  # type: ignore[arg-type]


def within(timeline: Timeline, quantity: str, time: TimeScale) -> list[Observation]:
    """Return the dated results of a quantity inside the window."""
    return [one for one in dated(timeline, quantity) if one.time and time.first <= words.utc(one.time) <= time.last]


def flag(one: Observation, timeline: Timeline) -> str:
    """Return L, H, or nothing; a result that only may be out of range gets no flag."""
    low, high = bounds(one)
    least, most = interval(one, one.quantity, timeline)
    return "L" if high < least else "H" if low > most else ""


def show(one: Observation, units: words.Units) -> str:
    """Return a result with its unit, bounded where it is bounded."""
    if one.basis == "words":
        return f"{one.printed} (no number)"
    low, high = bounds(one)
    item = analyte(one.quantity)
    if low == high:
        return item.show(low, units)
    if math.isinf(low):
        return f"<{item.show(high, units)}" if one.basis == "censored" else f"≤{item.show(high, units)}"
    return f">{item.show(low, units)}" if math.isinf(high) else f"{item.show(low, units)} to {item.show(high, units)}"


def draw(panel: Panel, drawing: Drawing, top: float) -> tuple[str, float]:
    """Return a panel and its height; one without results is a single line that says so."""
    known = {series: within(drawing.timeline, series.quantity, drawing.time) for series in panel.series}
    lead = panel.series[0].quantity
    if not any(known.values()):
        if panel.is_optional:
            return "", 0
        said = svg.text((drawing.time.start + 8, top + 21), "no dated result in this window", tone="muted")
        return svg.text((8, top + 21), panel.title, size=13, tone="strong") + said, EMPTY_HEIGHT
    latest = next(results[-1] for results in known.values() if results)
    span = interval(latest, latest.quantity, drawing.timeline)
    factor = _factor(lead, drawing.units)
    marks = {series: [_mark(one, factor, drawing) for one in results] for series, results in known.items()}
    usual = (span[0] / factor, span[1] / factor)
    scale = _scale([*(mark for group in marks.values() for mark in group)], usual, top)
    parts = [
        _head(panel, usual, drawing.units, top),
        _frame(scale, usual, drawing.time),
        *(_series(series, group, scale) for series, group in marks.items()),
        _latest(known, drawing, top, has_many=sum(map(bool, known.values())) > 1),
    ]
    return "".join(parts), HEIGHT


def _factor(quantity: str, units: words.Units) -> float:
    item = analyte(quantity)
    return item.factor(item.us_unit) if units == "us" and item.us_unit else 1.0


def _unit(quantity: str, units: words.Units) -> str:
    item = analyte(quantity)
    return printed_unit(item.us_unit if units == "us" and item.us_unit else item.unit)


def _mark(one: Observation, factor: float, drawing: Drawing) -> Mark:
    low, high = bounds(one)
    place = drawing.time(words.utc(one.time)) if one.time else drawing.time.end
    return Mark(place, low / factor, high / factor, bool(flag(one, drawing.timeline)))


def _scale(marks: Iterable[Mark], usual: tuple[float, float], top: float) -> Scale:
    ends = [end for mark in marks for end in (mark.low, mark.high)] + list(usual)
    finite = [end for end in ends if math.isfinite(end)]
    low, high = min(finite), max(finite)
    room = 0.18 * (high - low) or abs(high) * 0.1 or 1.0
    floor = low - room if low - room > 0 or low < 0 else 0.0
    return Scale(floor, high + room, top + HEIGHT - 8, top + 8)


def _head(panel: Panel, usual: tuple[float, float], units: words.Units, top: float) -> str:
    lead = panel.series[0].quantity
    said = _usual(lead, usual, units)
    return (
        svg.text((8, top + 24), panel.title, size=13, tone="strong")
        + svg.text((8, top + 41), _unit(lead, units), tone="muted")
        + (svg.text((8, top + 58), f"usual {said}", size=11.5, tone="muted") if said else "")
    )


def _usual(quantity: str, usual: tuple[float, float], units: words.Units) -> str:
    item = analyte(quantity)
    places = item.us_decimals if units == "us" and item.us_unit else item.decimals
    low, high = (f"{end:.{places}f}" if math.isfinite(end) else "" for end in usual)
    if low and high:
        return f"{low} to {high}"
    return f">{low}" if low else f"<{high}" if high else ""


def _frame(scale: Scale, usual: tuple[float, float], time: TimeScale) -> str:
    """Return the usual interval as a band, and the axis with its numbers."""
    low, high = (scale(end) for end in usual)
    parts = []
    if any(map(math.isfinite, usual)):
        parts.append(svg.rect((time.start, high), (time.end - time.start, low - high), fill=svg.BAND))
    for end, place in zip(usual, (low, high), strict=True):
        if math.isfinite(end):
            parts.append(svg.line((time.start, place), (time.end, place), stroke=svg.EDGE, dash="2 3"))
    ticks, decimals = number_ticks(scale.low, scale.high, 3)
    for tick in ticks:
        place = scale(tick)
        told = f"{tick:.{decimals}f}"
        parts.append(svg.line((time.start - 4, place), (time.start, place), stroke=svg.MUTED))
        parts.append(svg.text((time.start - 7, place + 4), told, size=11.5, anchor="end", tone="muted"))
    parts.append(svg.line((time.start, scale.start), (time.start, scale.end), stroke=svg.MUTED))
    return "".join(parts)


def _series(series: Series, marks: list[Mark], scale: Scale) -> str:
    """Return the line through results that are numbers, broken at bounds, and a mark for each."""
    radius = 4.2 if len(marks) <= _MANY else 2.6 if len(marks) <= _VERY_MANY else 1.7
    color = series.color
    runs: list[list[svg.Place]] = [[]]
    drawn = []
    for mark in marks:
        place = (mark.x, scale(mark.shown))
        if math.isinf(mark.low) or math.isinf(mark.high):
            runs.append([])
            drawn.append(svg.beyond(place, color=color, down=math.isinf(mark.low)))
            continue
        runs[-1].append(place)
        if mark.low != mark.high:
            ends = (mark.x, scale(mark.low)), (mark.x, scale(mark.high))
            drawn.append(svg.line(*ends, stroke=color, width=2))
        drawn.append(svg.marker(series.shape, place, radius, color=color, filled=mark.is_outside))
    lines = [svg.polyline(run, stroke=color, dash=series.dash) for run in runs if len(run) > 1]
    return "".join((*lines, *drawn))


def _latest(known: dict[Series, list[Observation]], drawing: Drawing, top: float, *, has_many: bool) -> str:
    """Return the column of latest values: mark, value with unit, flag, and when."""
    parts = []
    y = top + 24
    for series, results in known.items():
        if not results:
            continue
        mark = flag(results[-1], drawing.timeline)
        value = show(results[-1], drawing.units)
        told = " ".join(part for part in (value, {"L": "low", "H": "high"}.get(mark, "")) if part)
        when = words.at(results[-1].time)[:10]
        below = f"{series.label}, {when}" if has_many else when
        parts += [
            svg.marker(series.shape, (drawing.right + 6, y - 4), 4.2, color=series.color, filled=bool(mark)),
            svg.text((drawing.right + 16, y), told, size=12.5, tone="strong"),
            svg.text((drawing.right + 16, y + 15), below, size=11.5, tone="muted"),
        ]
        y += 35
    return "".join(parts)
