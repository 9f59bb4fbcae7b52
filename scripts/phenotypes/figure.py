"""The figure: courses, arms, and the map of where low magnesium raises potassium; one self-contained SVG."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from itertools import groupby, pairwise
from math import ceil, floor, log10
from typing import TYPE_CHECKING

from carnallite.surfaces import svg

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from runs import Pair

    from carnallite.surfaces.svg import Place

WIDTH, HEIGHT = 900, 830
RAISES, LOWERS, NOTHING = (213, 94, 0), (0, 114, 178), (255, 255, 255)  # vermilion and blue of svg.py
STEP = 0.05  # [mmol/L] of a color
TICK = 0.1  # [mmol/L]
ROOM = 0.06  # [mmol/L] between the courses and the words in their corners
MINUS = "\N{MINUS SIGN}"
CAUTION = (
    "Simulated. The pump and adrenal arms are disputed, the size of the channel arm is assumed: "
    "a hypothesis, not a finding in patients."
)
DELTA = "\N{GREEK CAPITAL LETTER DELTA}"


@dataclass(frozen=True, slots=True)
class Box:
    """A panel: its place in the figure and what its axes hold."""

    x: float
    y: float
    width: float
    height: float
    across: tuple[float, float]
    up: tuple[float, float]

    def at(self, across: float, up: float) -> Place:
        """Return the place of a point."""
        return (
            self.x + (across - self.across[0]) / (self.across[1] - self.across[0]) * self.width,
            self.y + self.height - (up - self.up[0]) / (self.up[1] - self.up[0]) * self.height,
        )


@dataclass(frozen=True, slots=True)
class Line:
    """A course with its label."""

    label: str
    color: str
    dash: str
    pair: Pair


@dataclass(frozen=True, slots=True)
class Bars:
    """The arms of one state."""

    title: str
    values: Sequence[tuple[str, float]]


@dataclass(frozen=True, slots=True)
class Field:
    """A map of one diet."""

    title: str
    days: Sequence[float]
    nephrons: Sequence[float]
    values: Sequence[Sequence[float]]


def signed(value: float) -> str:
    """Return a difference with its sign, such as +0.12.

    >>> signed(0.123), signed(0.001)
    ('+0.12', '0.00')
    """
    rounded = f"{value:+.2f}".replace("-", MINUS)
    return rounded[1:] if rounded[1:] == "0.00" else rounded


def printed(tick: float) -> str:
    """Return the label of a tick.

    >>> printed(0.2), printed(0.0)
    ('+0.2', '0')
    """
    return "0" if abs(tick) < TICK / 2 else f"{tick:+.1f}".replace("-", MINUS)


def limit(values: Iterable[float]) -> float:
    """Return the next even tick beyond every value [mmol/L], so that axes and colors fit any body.

    >>> limit([0.31, -0.12]), limit([-0.61])
    (0.4, 0.8)
    """
    return round(ceil(max(abs(one) for one in values) / (2 * TICK)) * 2 * TICK, 1)


def ticks(low: float, high: float, step: float = TICK) -> list[float]:
    """Return the ticks from one value to another; a step divides both.

    >>> ticks(-0.2, 0.1)
    [-0.2, -0.1, 0.0, 0.1]
    """
    return [round(i * step, 1) for i in range(round(low / step), round(high / step) + 1)]


def color(value: float, full: float) -> str:
    """Return the color of a difference, in steps so that a contour can be followed."""
    share = min(1.0, abs(round(value / STEP)) * STEP / full)
    end = RAISES if value > 0 else LOWERS
    mixed = (round(a + (b - a) * share) for a, b in zip(NOTHING, end, strict=True))
    return "#" + "".join(f"{part:02x}" for part in mixed)


def panel_title(place: Place, letter: str, title: str, below: str) -> str:
    """Return the head of a panel."""
    x, y = place
    return "".join(
        (
            svg.text((x, y), letter, size=15, tone="strong"),
            svg.text((x + 20, y), title, size=13.5, tone="strong"),
            svg.text((x + 20, y + 16), below, size=11.5, tone="muted"),
        )
    )


def courses(lines: Sequence[Line]) -> str:
    """Return the panel of courses over a month."""
    values = [value for line in lines for value in line.pair.difference]
    low, high = floor((min(values) - ROOM) / TICK) * TICK, ceil((max(values) + ROOM) / TICK) * TICK
    box = Box(62, 112, 292, 268, (0, 30), (low, high))
    zero = box.at(0, 0)[1]
    parts = [
        svg.rect((box.x, box.y), (box.width, zero - box.y), fill="#fdf1e7"),
        svg.rect((box.x, zero), (box.width, box.y + box.height - zero), fill="#eaf3f9"),
        svg.text(
            (box.x + box.width - 8, box.y + 17), "low magnesium raises potassium", size=11.5, anchor="end", tone="muted"
        ),
        svg.text((box.x + 8, box.y + box.height - 9), "low magnesium lowers potassium", size=11.5, tone="muted"),
    ]
    for tick in ticks(low, high):
        y = box.at(0, tick)[1]
        strong = abs(tick) < TICK / 2
        parts.append(svg.line((box.x, y), (box.x + box.width, y), stroke=svg.INK if strong else "#ffffff", width=1.2))
        parts.append(svg.text((box.x - 8, y + 4), printed(tick), size=11.5, anchor="end"))
    parts += days_axis(box, (0, 7, 14, 21, 30))
    ends = spread([box.at(30, line.pair.difference[-1])[1] for line in lines], 15)
    for line, label in zip(lines, ends, strict=True):
        places = [box.at(day, value) for day, value in zip(line.pair.days, line.pair.difference, strict=True)]
        parts.append(svg.polyline([(round(x, 1), round(y, 1)) for x, y in places], stroke=line.color, dash=line.dash))
        parts.append(svg.line(places[-1], (box.x + box.width + 12, label), stroke=line.color))
        parts.append(svg.text((box.x + box.width + 16, label + 4), line.label, size=12))
    head = panel_title(
        (14, 76),
        "A",
        "The same fall of magnesium, seven kidneys",
        f"{DELTA} plasma potassium [mmol/L], magnesium held at 0.47 less at 0.85 mmol/L",
    )
    return head + "".join(parts)


def spread(places: Sequence[float], least: float) -> list[float]:
    """Return label places that keep their order and a least distance.

    >>> spread([10, 11, 40], 5)
    [8.0, 13.0, 40.0]
    """
    order = sorted(range(len(places)), key=places.__getitem__)
    found = [float(places[i]) for i in order]
    for _ in range(200):
        for i in range(len(found) - 1):
            short = least - (found[i + 1] - found[i])
            if short > 0:
                found[i], found[i + 1] = found[i] - short / 2, found[i + 1] + short / 2
    back = dict(zip(order, found, strict=True))
    return [round(back[i], 1) for i in range(len(places))]


def days_axis(box: Box, days: Sequence[int]) -> list[str]:
    """Return the axis of days below a panel."""
    base = box.y + box.height
    parts = [svg.line((box.x, base), (box.x + box.width, base), stroke=svg.MUTED)]
    for day in days:
        x = box.at(day, box.up[0])[0]
        parts.append(svg.line((x, base), (x, base + 4), stroke=svg.MUTED))
        parts.append(svg.text((x, base + 17), str(day), size=11.5, anchor="middle"))
    middle = box.x + box.width / 2
    parts.append(svg.text((middle, base + 33), "days of low magnesium", size=11.5, anchor="middle", tone="muted"))
    return parts


def arms(groups: Sequence[Bars]) -> str:
    """Return the panel of what each arm carries."""
    most = limit(value for group in groups for _, value in group.values)
    box = Box(660, 112, 220, 268, (-most - 2 * TICK, most + 2 * TICK), (0, 1))
    base, names = box.y + box.height, 568
    parts = [svg.line((box.x, base), (box.x + box.width, base), stroke=svg.MUTED)]
    for tick in ticks(-most, most, (2 if most < 8 * TICK else 4) * TICK):
        x = box.at(tick, 0)[0]
        parts.append(svg.line((x, box.y), (x, base), stroke=svg.INK if abs(tick) < TICK / 2 else svg.GRID))
        parts.append(svg.text((x, base + 17), printed(tick), size=11.5, anchor="middle"))
    unit = f"{DELTA} plasma potassium [mmol/L]"
    parts.append(svg.text((box.x + box.width / 2, base + 33), unit, size=11.5, anchor="middle", tone="muted"))
    y = box.y + 10.0
    for group in groups:
        parts.append(svg.text((names, y), group.title, size=12, tone="strong"))
        for label, value in group.values:
            y += 17
            parts.append(bar(box, y, value))
            parts.append(svg.text((names, y), label, size=12))
        y += 23
    head = panel_title((548, 76), "B", "Which arm carries it", "one arm taken away at a time; magnesium 0.27 less 0.85")
    return head + "".join(parts)


def bar(box: Box, y: float, value: float) -> str:
    """Return one bar with its number; `y` is the baseline of its text."""
    zero, end = box.at(0, 0)[0], box.at(value, 0)[0]
    shape = svg.rect((min(zero, end), y - 10), (abs(end - zero), 12), fill=svg.VERMILION if value > 0 else svg.BLUE)
    if value > 0:
        return shape + svg.text((end + 4, y), signed(value), size=11.5)
    return shape + svg.text((end - 4, y), signed(value), size=11.5, anchor="end")


def field(shown: Field, place: Place, letter: str, full: float) -> str:
    """Return a map of filtration and days, whose full color is that of so large a difference."""
    low, high = log10(shown.nephrons[0]), log10(shown.nephrons[-1])
    margin = (high - low) / (len(shown.nephrons) - 1) / 2
    box = Box(place[0], place[1], 348, 226, (0.5, shown.days[-1] + 0.5), (low - margin, high + margin))
    edges = borders([log10(share) for share in shown.nephrons], margin)
    parts = []
    for row, values in enumerate(shown.values):
        cells = zip(shown.days, (color(value, full) for value in values), strict=True)
        for fill, run in groupby(cells, key=lambda cell: cell[1]):
            days = [day for day, _ in run]
            left, bottom = box.at(days[0] - 0.5, edges[row])
            right, top = box.at(days[-1] + 0.5, edges[row + 1])
            size = (round(right - left + 0.3, 1), round(bottom - top + 0.3, 1))
            parts.append(svg.rect((round(left, 1), round(top, 1)), size, fill=fill))
    parts += contour(shown, box, edges)
    for share in (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0):
        y = box.at(1, log10(share))[1]
        parts.append(svg.line((box.x - 4, y), (box.x, y), stroke=svg.MUTED))
        parts.append(svg.text((box.x - 8, y + 4), f"{share * 100:g} %", size=11.5, anchor="end"))
    parts += days_axis(box, (1, 7, 14, 21, 30))
    below = "filtration, share of normal; magnesium 0.27 less 0.85 mmol/L"
    return panel_title((box.x - 48, place[1] - 36), letter, shown.title, below) + "".join(parts)


def borders(centers: Sequence[float], margin: float) -> list[float]:
    """Return the edges between rows."""
    between = [(a + b) / 2 for a, b in pairwise(centers)]
    return [centers[0] - margin, *between, centers[-1] + margin]


def contour(shown: Field, box: Box, edges: Sequence[float]) -> list[str]:
    """Return the line between raising and lowering, along the cells."""
    parts = []
    for row, values in enumerate(shown.values):
        for column, value in enumerate(values):
            day = shown.days[column]
            if column + 1 < len(values) and (value > 0) != (values[column + 1] > 0):
                parts.append(svg.line(box.at(day + 0.5, edges[row]), box.at(day + 0.5, edges[row + 1]), width=1.4))
            if row + 1 < len(shown.values) and (value > 0) != (shown.values[row + 1][column] > 0):
                parts.append(svg.line(box.at(day - 0.5, edges[row + 1]), box.at(day + 0.5, edges[row + 1]), width=1.4))
    return parts


def scale(y: float, full: float) -> str:
    """Return the key of the colors."""
    count, left = round(full / STEP), 110
    wide = round(400 / (2 * count + 1), 1)
    parts = [svg.text((left - 10, y + 10), "lowers", size=12, anchor="end")]
    for i in range(-count, count + 1):
        parts.append(svg.rect((left + wide * (i + count), y), (wide + 0.3, 12), fill=color(i * STEP, full)))
    for tick in ticks(-full, full, 2 * TICK):
        x = left + wide * (tick / STEP + count + 0.5)
        parts.append(svg.text((x, y + 27), printed(tick), size=11.5, anchor="middle"))
    end = left + wide * (2 * count + 1)
    told = "raises plasma potassium [mmol/L]; black: where the sign turns"
    parts.append(svg.text((end + 10, y + 10), told, size=12))
    return "".join(parts)


def content(lines: Sequence[Line], groups: Sequence[Bars], fields: Sequence[Field]) -> str:
    """Return all panels."""
    full = limit(value for one in fields for values in one.values for value in values)
    places = zip(fields, ((62, 496), (532, 496)), "CD", strict=True)
    maps = (field(one, place, letter, full) for one, place, letter in places)
    return "".join((courses(lines), arms(groups), *maps, scale(HEIGHT - 46, full)))


def sheet(title: str, description: str, content: str) -> str:
    """Return the whole figure."""
    size = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="phenotypes-title phenotypes-desc" '
        'font-family="Helvetica Neue, Helvetica, Arial, Liberation Sans, sans-serif">'
        f'<title id="phenotypes-title">{escape(title)}</title><desc id="phenotypes-desc">{escape(description)}</desc>'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>'
        f"{svg.text((14, 28), title, size=17, tone='strong')}"
        f"{svg.text((14, 47), CAUTION, size=12, tone='muted')}"
        f"{content}</svg>\n"
    )
