"""The course as one figure: results above, drugs below, the same time axis; static SVG without any script."""

from __future__ import annotations

import textwrap
from datetime import timedelta
from html import escape
from typing import TYPE_CHECKING

from carnallite.quantity import analyte
from carnallite.surfaces import lanes, panels, svg, words
from carnallite.surfaces.axis import TimeScale, time_ticks

if TYPE_CHECKING:
    from carnallite.record import Timeline

WIDTH = 860
_LEFT, _RIGHT = 176, 680  # [px] between them lies the time axis
_TOP, _AXIS = 58, 50
_GAP = 10
_SHORTEST = timedelta(days=1)
_LONGEST = timedelta(days=730)  # older results stay in the table; `days` shows more
_NOTE_COLUMNS = 118
_SHOWN_UNDATED = 6


def timeline_svg(timeline: Timeline, *, units: words.Units, days: float | None = None) -> str:
    """Return the course as SVG.

    Parameters
    ----------
    timeline : Timeline
        The record.
    units : {"si", "us"}
        In which numbers are printed.
    days : float, optional
        [d] How far the figure looks back from the index; without it all results, at most two years.
    """
    time = window(timeline, days)
    drawing = panels.Drawing(timeline=timeline, time=time, units=units, right=_RIGHT + 8)
    parts: list[str] = []
    top: float = _TOP
    for panel in panels.PANELS:
        drawn, height = panels.draw(panel, drawing, top)
        if height:
            parts.append(drawn)
            top += height + _GAP
    axis = top
    top += _AXIS
    shown = lanes.lanes(timeline, time)
    if shown.drawn:
        parts.append(svg.text((8, top + 2), "Drugs", size=13, tone="strong"))
        top += 10
    for lane in shown.drawn:
        parts.append(lanes.draw(lane, timeline, time, top, drawing.right))
        top += lanes.LANE
    bottom = top
    notes = _notes(timeline, time, units, shown)
    parts += [svg.text((8, bottom + 24 + 16 * row), note, size=11.5, tone="muted") for row, note in enumerate(notes)]
    height = bottom + 16 + 16 * len(notes) + 4
    has_lanes = bool(shown.drawn)
    now = _now(timeline, time, axis, bottom if has_lanes else axis)
    behind = _grid(time, axis, bottom if has_lanes else axis)
    title = f"Results and drugs from {words.at(time.first)[:10]} to {words.at(timeline.index)[:10]}"
    content = "".join((_legend(), behind, *parts, now))
    return _sheet(title, described(timeline, time, units), height, content)


def window(timeline: Timeline, days: float | None) -> TimeScale:
    """Return the axis of time: from the first result, or as far back as asked for, to the index."""
    index = words.utc(timeline.index)
    known = [
        words.utc(one.time) for one in timeline.observations if one.time is not None and one.quantity in panels.PLOTTED
    ]
    last = max([index, *known])
    whole = min(max(last - min(known, default=last), _SHORTEST), _LONGEST)
    span = whole if days is None else timedelta(days=days)
    first = last - max(span, timedelta(hours=1)) * 1.03
    return TimeScale(first, last + span * 0.015, _LEFT, _RIGHT)


def _legend() -> str:
    """Return what the marks mean; each is told apart by shape, not by color alone."""
    y = 18
    return "".join(
        (
            svg.marker("circle", (14, y - 4), 4.2, color=svg.INK, filled=True),
            svg.text((24, y), "outside the usual interval"),
            svg.marker("circle", (206, y - 4), 4.2, color=svg.INK, filled=False),
            svg.text((216, y), "inside"),
            svg.rect((276, y - 11), (22, 13), fill=svg.BAND, stroke=svg.EDGE, dash="2 3"),
            svg.text((304, y), "usual interval"),
            svg.beyond((419, y - 11), color=svg.INK, down=True),
            svg.text((430, y), "bound: the true value lies beyond"),
        )
    )


def _grid(time: TimeScale, axis: float, bottom: float) -> str:
    """Return the lines of the time axis through panels and lanes, and the dates between them."""
    parts = [
        svg.line((time.start, axis), (time.end, axis), stroke=svg.MUTED),
        svg.text((8, axis + 18), "Date and time, UTC", size=11.5, tone="muted"),
    ]
    for tick in time_ticks(time.first, time.last):
        x = time(tick.time)
        parts += [svg.line((x, top), (x, end), stroke=svg.GRID) for top, end in _stretches(axis, bottom)]
        parts.append(svg.line((x, axis), (x, axis + 5), stroke=svg.MUTED))
        parts.append(svg.text((x, axis + 18), tick.label, size=11.5, anchor="middle"))
        parts.append(svg.text((x, axis + 32), tick.below, size=11.5, anchor="middle", tone="muted"))
    return "".join(parts)


def _now(timeline: Timeline, time: TimeScale, axis: float, bottom: float) -> str:
    """Return the line at the index, which is in front of everything."""
    x = time(words.utc(timeline.index))
    label = svg.text((x, _TOP - 14), f"now: {words.at(timeline.index)}", anchor="middle", tone="strong")
    stretches = _stretches(axis, bottom)
    return label + "".join(svg.line((x, top - 6), (x, end), width=1.4, dash="6 3") for top, end in stretches)


def _stretches(axis: float, bottom: float) -> list[tuple[float, float]]:
    """Return from where to where vertical lines run: through the panels, and the lanes if there are any."""
    below = axis + _AXIS
    return [(_TOP, axis), (below, bottom)] if bottom > below else [(_TOP, axis)]


def _notes(timeline: Timeline, time: TimeScale, units: words.Units, shown: lanes.Lanes) -> list[str]:
    """Return what the figure could not draw, in lines."""
    plotted = [one for one in timeline.observations if one.quantity in panels.PLOTTED]
    undated = [one for one in plotted if one.time is None]
    earlier = sum(words.utc(one.time) < time.first for one in plotted if one.time is not None)
    notes = []
    if undated:
        told = [f"{analyte(one.quantity).short} {panels.show(one, units)}" for one in undated[:_SHOWN_UNDATED]]
        more = f" and {len(undated) - _SHOWN_UNDATED} more" if len(undated) > _SHOWN_UNDATED else ""
        notes.append(f"Undated, not drawn: {', '.join(told)}{more}.")
    if earlier:
        notes.append(f"{earlier} earlier result{'s' * (earlier > 1)} before {words.at(time.first)[:10]} not drawn.")
    notes += [f"{why}: {', '.join(names)}." for why, names in shown.left_out.items()]
    return [row for note in notes for row in textwrap.wrap(note, _NOTE_COLUMNS, break_on_hyphens=False)]


def described(timeline: Timeline, time: TimeScale, units: words.Units) -> str:
    """Return the figure in words, for those who cannot see it."""
    told = []
    for panel in panels.PANELS:
        for series in panel.series:
            results = panels.within(timeline, series.quantity, time)
            if results:
                last = results[-1]
                mark = {"L": ", low", "H": ", high"}.get(panels.flag(last, timeline), "")
                count = f"{len(results)} result{'s' * (len(results) > 1)}"
                told.append(
                    f"{analyte(series.quantity).name}: {count} from {words.at(results[0].time)[:10]}, "
                    f"the last {panels.show(last, units)} on {words.at(last.time)[:10]}{mark}."
                )
    drugs = [lane.name for lane in lanes.lanes(timeline, time).drawn]
    told.append(f"Drugs: {', '.join(drugs)}." if drugs else "No drug that matters here is dated.")
    return " ".join(told)


def _sheet(title: str, description: str, height: float, content: str) -> str:
    size = f'viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}" height="{height:g}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" '
        'aria-labelledby="course-title course-desc" '
        'font-family="Helvetica Neue, Helvetica, Arial, Liberation Sans, sans-serif">'
        f'<title id="course-title">{escape(title)}</title><desc id="course-desc">{escape(description)}</desc>'
        f'<rect width="{WIDTH}" height="{height:g}" fill="#ffffff"/>{content}</svg>\n'
    )
