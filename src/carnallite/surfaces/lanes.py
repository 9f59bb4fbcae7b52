"""One lane for each drug that moves magnesium, potassium or calcium: when it was taken, what it does."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

import msgspec

from carnallite.knowledge import ingredients, knowledge
from carnallite.record import membership
from carnallite.surfaces import svg, words

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from carnallite.record import Exposure, Timeline
    from carnallite.surfaces.axis import TimeScale

LANE = 24
MOST = 12
NONE = 99  # the rank of a drug that does not matter here
_BAR, _NAME = 15, 24  # [px] height; longest name
_ROLES = (  # the first ones keep their place when there are too many lanes
    ("magnesium_wasting", "wastes", "Mg"),
    ("magnesium_source", "gives", "Mg"),
    ("potassium_wasting", "wastes", "K"),
    ("potassium_source", "gives", "K"),
    ("potassium_raising", "raises", "K"),
    ("potassium_lowering", "lowers", "K"),
    ("magnesium_sparing", "spares", "Mg"),
    ("calcium_source", "gives", "Ca"),
    ("calcium_lowering", "lowers", "Ca"),
    ("calcium_raising", "raises", "Ca"),
    ("acid_suppressant", "less", "acid"),
    ("diuretic", "diuretic", ""),
)
_SAID_BY = {  # a stronger word makes a weaker one needless
    "potassium_lowering": "potassium_wasting", "potassium_raising": "potassium_source",
    "calcium_raising": "calcium_source", "acid_suppressant": "magnesium_wasting",
}  # fmt: skip
_COLORS = {"wastes": svg.VERMILION, "raises": svg.PURPLE, "gives": svg.BLUE, "spares": svg.GREEN}
_UNIT = re.compile(r"[A-Za-zµ%]{1,8}(/[A-Za-z]{1,5})?")


class Lane(msgspec.Struct, frozen=True):
    """One ingredient with all its exposures."""

    id: str
    name: str
    role: str
    color: str
    rank: int
    exposures: tuple[Exposure, ...]


class Lanes(msgspec.Struct, frozen=True):
    """The lanes that are drawn, and the drugs that are not, by the reason why."""

    drawn: tuple[Lane, ...]
    left_out: dict[str, tuple[str, ...]]


@cache
def name_of(ingredient: str) -> str:
    """Return the printed name of an ingredient or class."""
    entry = ingredients(knowledge()).get(ingredient)
    if entry:
        return entry[1].names[0]
    known = knowledge().drugs.get(ingredient)
    return known.name.lower() if known else ingredient.replace("_", " ")


@cache
def role_of(ingredient: str) -> tuple[str, str, int]:
    """Return what a drug does to the ions, its color, and its rank; `NONE` where it does nothing to them."""
    groups = membership().get(ingredient, frozenset())
    acting = [role for role in _ROLES if role[0] in groups and _SAID_BY.get(role[0]) not in groups]
    said: dict[str, list[str]] = {}
    for _, verb, ion in acting:
        said.setdefault(verb, []).append(ion)
    if len(said) > 1:
        said.pop("diuretic", None)
    text = "; ".join(f"{verb} {', '.join(found)}".strip() for verb, found in list(said.items())[:2])
    rank = _ROLES.index(acting[0]) if acting else NONE
    return text, _COLORS.get(next(iter(said), ""), svg.MUTED), rank


def lanes(timeline: Timeline, time: TimeScale) -> Lanes:
    """Return a lane for each drug that matters, wasters first, at most a dozen."""
    grouped: dict[str, list[Exposure]] = {}
    for one in timeline.exposures:
        if one.status not in {"denied", "planned"} and role_of(one.ingredient)[2] < NONE:
            grouped.setdefault(one.ingredient, []).append(one)
    found: list[Lane] = []
    left_out: dict[str, list[str]] = {}
    for id, exposures in grouped.items():
        inside = tuple(one for one in exposures if one.status != "mentioned" and _span(one, timeline.index, time))
        if inside:
            text, color, rank = role_of(id)
            found.append(Lane(id, name_of(id), text, color, rank, inside))
        elif all(one.status == "mentioned" for one in exposures):
            left_out.setdefault("Named in text only, not drawn", []).append(name_of(id))
        elif all(_is_undated(one) for one in exposures if one.status != "mentioned"):
            left_out.setdefault("Stopped without a date, not drawn", []).append(name_of(id))
        else:
            left_out.setdefault("Taken outside this window, not drawn", []).append(name_of(id))
    by_weight = sorted(found, key=lambda lane: (not _goes_on(lane.exposures), lane.rank, lane.id))
    left_out |= {"No room, not drawn": [lane.name for lane in by_weight[MOST:]]} if by_weight[MOST:] else {}
    drawn = sorted(by_weight[:MOST], key=lambda lane: (lane.rank, lane.id))
    return Lanes(tuple(drawn), {why: tuple(sorted(names)) for why, names in left_out.items()})


def _goes_on(exposures: Iterable[Exposure]) -> bool:
    return any(one.status == "current" and one.stop is None for one in exposures)


def _is_undated(one: Exposure) -> bool:
    return one.status == "stopped" and one.start is None and one.stop is None and not one.given


def _span(one: Exposure, index: datetime, time: TimeScale) -> tuple[datetime, datetime] | None:
    """Return the part of an exposure that lies inside the window, or None."""
    if _is_undated(one):
        return None
    moments = [words.utc(moment) for moment in one.given]
    start = words.utc(one.start) if one.start else min(moments, default=time.first)
    stop = words.utc(one.stop) if one.stop else max([*moments, start]) if moments else words.utc(index)
    if stop < time.first or start > time.last:
        return None
    return max(start, time.first), min(stop, time.last)


def draw(lane: Lane, timeline: Timeline, time: TimeScale, top: float, right: float) -> str:
    """Return one lane: name, bars or single doses, and what the drug does."""
    middle = top + LANE / 2
    name = lane.name if len(lane.name) <= _NAME else f"{lane.name[: _NAME - 1]}…"
    parts = [
        svg.line((time.start, top + LANE), (time.end, top + LANE), stroke=svg.GRID),
        svg.text((8, middle + 4), name, size=12.5),
        svg.text((right + 4, middle + 4), lane.role, size=11.5, tone="muted"),
    ]
    spans = [(one, span) for one in lane.exposures if (span := _span(one, timeline.index, time))]
    for one, span in spans:
        overlapping = [other for _, other in spans if other[0] < span[1] and span[0] < other[1]]
        if one.given and one.ran() is None:
            parts += [_dose(moment, time, middle, lane.color) for moment in map(words.utc, one.given)]
        else:
            parts.append(_bar(one, span, time, middle, lane.color))
            if len(overlapping) <= 1:
                parts.append(_label(one, span, time, middle))
    return "".join(parts)


def _dose(moment: datetime, time: TimeScale, middle: float, color: str) -> str:
    if not time.first <= moment <= time.last:
        return ""
    x = time(moment)
    return svg.line((x, middle - _BAR / 2), (x, middle + _BAR / 2), stroke=color, width=2.4)


def _bar(one: Exposure, span: tuple[datetime, datetime], time: TimeScale, middle: float, color: str) -> str:
    """Return a bar, dashed where an end is not known, with an arrow where it goes on beyond the window."""
    left, right = time(span[0]), time(span[1])
    is_unsure = one.start is None or (one.status == "stopped" and one.stop is None)
    fill, dash = ("#ffffff", "4 3") if is_unsure else (f"{color}2e", "")
    size = (right - left, float(_BAR))
    parts = [svg.rect((left, middle - _BAR / 2), size, fill=fill, stroke=color, dash=dash)]
    if one.start is not None and words.utc(one.start) < time.first:
        parts.append(_arrow(left, middle, -1, color))
    if one.status == "current" and one.stop is None:
        parts.append(_arrow(right, middle, 1, color))
    return "".join(parts)


def _arrow(x: float, middle: float, sign: int, color: str) -> str:
    return svg.polygon([(x + 8 * sign, middle), (x, middle - 6), (x, middle + 6)], fill=color)


def _label(one: Exposure, span: tuple[datetime, datetime], time: TimeScale, middle: float) -> str:
    """Return the fullest text that fits into a bar."""
    room = time(span[1]) - time(span[0]) - 10
    told = next((text for text in _labels(one, time) if svg.width_of(text, 11) < room), "")
    return svg.text((time(span[0]) + 6, middle + 4), told, size=11) if told else ""


def _labels(one: Exposure, time: TimeScale) -> list[str]:
    """Return what may stand in a bar, the fullest first."""
    dose = dose_text(one)
    if one.start is None:
        since = "start not recorded"
    elif one.status == "stopped" and one.stop is None:
        since = "stopped, date not recorded"
    else:
        since = f"since {words.at(one.start)[:10]}" if words.utc(one.start) < time.first else ""
    return [text for text in (", ".join(part for part in (dose, since) if part), since, dose) if text]


def dose_text(one: Exposure) -> str:
    """Return dose and times a day, where the unit is one that we can print."""
    if one.dose is None or not _UNIT.fullmatch(one.dose_unit):
        return ""
    often = f" × {one.per_day:g}/day" if one.per_day else ""
    return f"{one.dose:g}{words.JOIN}{one.dose_unit}{often}"
