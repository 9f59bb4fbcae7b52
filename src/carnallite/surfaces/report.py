"""The answer as one HTML file: a page to act on, then the evidence; nothing is fetched from anywhere."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

from carnallite.plan import Advice
from carnallite.quantity import analyte
from carnallite.surfaces import lanes, outlook, panels, plans, response, views, words
from carnallite.surfaces.figure import timeline_svg, window
from carnallite.surfaces.glance import glance
from carnallite.surfaces.leading import simulated
from carnallite.surfaces.page import FLAGS, Page

if TYPE_CHECKING:
    from jinja2 import Template
    from markupsafe import Markup

    from carnallite.assessment import Assessment
    from carnallite.plan import Response
    from carnallite.record import Exposure, Observation, Timeline

_SHOWN_UNREAD = 25
_OLDEST_TOLD = 90  # [a] above it the exact age could identify a person
_WHOLE = re.compile(  # a date with its time, a number with its unit, a unit in brackets
    r"\d{4}-\d\d-\d\d(?:\xa0\d\d:\d\d)?|[\d.]+\xa0[^\W\d]+/[\w.]+|\[[^\]\s]+/[^\]\s]+\]"
)
_TAKEN = {"current": "taken", "stopped": "stopped", "mentioned": "named in text only"}


def render_html(assessment: Assessment, timeline: Timeline, *, units: words.Units) -> str:
    """Return a report as one HTML file that needs neither network nor script.

    Parameters
    ----------
    assessment : Assessment
        The answer.
    timeline : Timeline
        The record behind it; only results, drugs, sex and age are shown, never text from the record.
    units : {"si", "us"}
        The unit system that comes first; tables show both.
    """
    from markupsafe import Markup  # noqa: PLC0415  (comes with Jinja2)

    page = Page(assessment, units)
    figure = Markup(timeline_svg(timeline, units=units))  # noqa: S704  (escaped where it is drawn)
    leading = simulated(assessment, timeline, units=units)
    brought = _plans(assessment, timeline, page, units)
    drawn = {"figure": figure, "leading": leading, "leading_figure": Markup(leading.svg if leading else "")}  # noqa: S704
    content = page.content() | drawn | brought | {"patient": _patient(timeline)} | _table(timeline, units)
    # the list of sources is known only when everything else has been put into words
    return _template().render(**content, sources=page.sources())


def _plans(assessment: Assessment, timeline: Timeline, page: Page, units: words.Units) -> dict[str, Any]:
    """Return plans and what they bring, in words and as a figure."""
    from markupsafe import Markup  # noqa: PLC0415

    if not isinstance(assessment, Advice):
        return {"plans": (), "no_forecast": "", "outlooks": (), "response": None}
    told, lines = assessment.forecast, plans.table(assessment, units)
    return {
        "plans": plans.shown(assessment, page.tell),
        "glance": glance(assessment, units),
        "no_forecast": told.why_not if told is not None else "",
        "outlooks": lines,
        "outlook_rows": plans.compared(lines, plans.days_of(assessment), units),
        "outlook_members": told.members if told is not None else 0,
        "outlook_figure": Markup(outlook.figure(assessment, timeline, units=units)),  # noqa: S704  (escaped there)
        "outlook_assumptions": " ".join(filter(None, (plans.lost(assessment), *told.assumptions))) if told else "",
        "response": None if assessment.response is None else _response(assessment.response, units),
    }


def _response(told: Response, units: words.Units) -> dict[str, Any]:
    return {
        "since": words.at(told.since), "why_not": told.why_not, "words": told.words,
        "rows": response.compared(told, units), "moved": response.moved(told), "notes": tuple(response.notes(told)),
    }  # fmt: skip


@cache
def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415

    house = Environment(
        loader=PackageLoader("carnallite.surfaces", "templates"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, finalize=_clean,
    )  # fmt: skip
    house.filters["kept"] = _kept
    return house.get_template("report.html")


def _clean(value: object) -> object:
    """Return plain text without control characters; what is already escaped is ours."""
    return words.printable(value) if type(value) is str else value


def _kept(text: str) -> Markup:
    """Return escaped text in which neither a date nor a number and its unit are torn apart."""
    from markupsafe import Markup, escape  # noqa: PLC0415

    safe = str(escape(words.bound(words.printable(text))))
    return Markup(_WHOLE.sub(r'<span class="nowrap">\g<0></span>', safe))  # noqa: S704  (escaped above)


def _patient(timeline: Timeline) -> str:
    """Return sex and age, as far as they are known and cannot identify anybody."""
    age = timeline.age()
    parts: list[str] = [timeline.patient.sex or "sex not recorded"]
    if age is None:
        parts.append("age not recorded")
    elif age >= _OLDEST_TOLD:
        parts.append(f"{_OLDEST_TOLD}{words.JOIN}years or over")
    else:
        least = "at least " if timeline.patient.birth is None else ""
        parts.append(f"{least}{_age(age)}")
    return ", ".join(parts).capitalize()


def _age(years: float) -> str:
    if years * 12 < 2:
        return f"{int(years * 365.25)}{words.JOIN}days"
    return f"{int(years)}{words.JOIN}years" if years >= 2 else f"{int(years * 12)}{words.JOIN}months"


def _table(timeline: Timeline, units: words.Units) -> dict[str, Any]:
    """Return what the figure shows, as rows; and the lines of the record that nobody understood."""
    time = window(timeline, None)
    drawn = [series.quantity for panel in panels.PANELS for series in panel.series]
    results = [one for quantity in drawn for one in reversed(panels.within(timeline, quantity, time))]
    taken = [
        one for one in timeline.exposures if one.status in _TAKEN and lanes.role_of(one.ingredient)[2] < lanes.NONE
    ]
    return {
        "points": [_point(one, timeline, units) for one in results],
        "taken": [_exposure(one) for one in sorted(taken, key=lambda one: lanes.name_of(one.ingredient))],
        "unread": timeline.unread[:_SHOWN_UNREAD],
        "unread_count": len(timeline.unread),
    }


def _point(one: Observation, timeline: Timeline, units: words.Units) -> views.Row:
    other: words.Units = "us" if units == "si" else "si"
    first, second = panels.show(one, units), panels.show(one, other)
    return views.Row(
        name=analyte(one.quantity).name, first=first, second=second if second != first else "same",
        flag=FLAGS[panels.flag(one, timeline)], time=words.at(one.time), age="", reference="",
        note=", ".join(one.remarks),
    )  # fmt: skip


def _exposure(one: Exposure) -> views.Taken:
    single = f"{len(one.given)} single dose{'s' * (len(one.given) > 1)}" if one.given else ""
    return views.Taken(
        name=lanes.name_of(one.ingredient),
        role=lanes.role_of(one.ingredient)[0],
        status=_TAKEN[one.status],
        start=words.at(one.start) if one.start else "not recorded",
        stop=words.at(one.stop) if one.stop else "",
        dose=", ".join(filter(None, (lanes.dose_text(one), single))),
    )
