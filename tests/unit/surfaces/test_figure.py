"""The figure: well-formed, honest about bounds and gaps, legible without color, whatever the record holds."""

from __future__ import annotations

import itertools
import math
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree import ElementTree as ET

import made
import msgspec
import pytest
from made import INDEX, observed, taken

from carnallite.record import Patient, Timeline
from carnallite.surfaces import axis, panels, svg
from carnallite.surfaces.figure import WIDTH, timeline_svg, window

SVG = "{http://www.w3.org/2000/svg}"


def course(*observations: Any, exposures: tuple[Any, ...] = (), **patient: Any) -> Timeline:
    return Timeline(patient=Patient(**patient), index=INDEX, observations=observations, exposures=exposures)


def drawn(timeline: Timeline, **choices: Any) -> ET.Element:
    return ET.fromstring(timeline_svg(timeline, **({"units": "si"} | choices)))  # noqa: S314  (our own text)


def texts(root: ET.Element) -> list[str]:
    return [(one.text or "").replace("\xa0", " ") for one in root.iter(f"{SVG}text")]


def dense(quantity: str, count: int) -> list[Any]:
    return [observed(quantity, 0.7 + 0.2 * math.sin(number), number) for number in range(count)]


MANY_DRUGS = (
    "omeprazole", "furosemide", "hydrochlorothiazide", "spironolactone", "cisplatin", "tacrolimus", "gentamicin",
    "magnesium_oxide", "magnesium_citrate", "potassium_chloride", "potassium_citrate", "lisinopril", "losartan",
    "trimethoprim", "insulin", "calcium_carbonate",
)  # fmt: skip
SHAPES: dict[str, Timeline] = {
    "nothing": course(),
    "two years": made.history(),
    "one result": course(observed("serum_potassium", 6.8, 0.5)),
    "one result now": course(observed("serum_magnesium", 0.4, 0)),
    "a single day": course(*(observed("serum_magnesium", 0.4 + hour / 50, hour / 24) for hour in range(8))),
    "undated only": course(*(observed("serum_magnesium", 0.4, None) for _ in range(9))),
    "500 results": course(*dense("serum_magnesium", 500)),
    "ten years": course(observed("serum_magnesium", 0.5, 3650), observed("serum_magnesium", 0.6, 1)),
    "equal results": course(*(observed("serum_creatinine", 80, day) for day in range(5))),
    "zero": course(observed("serum_creatinine", 0, 3), observed("serum_creatinine", 0, 1)),
    "bounds": course(
        observed("serum_magnesium", 0.2, 3, low=0.0, basis="censored"),
        observed("serum_magnesium", 0.2, 2, low=None, basis="censored"),
        observed("serum_magnesium", 2.0, 1, high=None, basis="censored"),
        observed("serum_magnesium", 0.5, 1, low=0.4, high=0.6, basis="derived"),
        observed("serum_magnesium", 0.5, 1, low=None, high=None, basis="words"),
    ),
    "infinite ends": course(observed("serum_potassium", 2, 1, low=-math.inf, high=2.0, basis="words")),
    "far out": course(observed("serum_potassium", 99, 3), observed("serum_potassium", 3, 1)),
    "a newborn": course(observed("serum_calcium", 1.7, 0.1), birth=INDEX.date(), sex="male"),
    "many drugs": course(exposures=tuple(taken(id, 400 - 20 * number) for number, id in enumerate(MANY_DRUGS))),
    "odd drugs": course(
        exposures=(
            taken("furosemide", None), taken("furosemide", 5, 2), taken("furosemide", 3),
            taken("omeprazole", None, status="stopped"),
            taken("omeprazole", 30, status="stopped"), taken("omeprazole", 1, 1), taken("cisplatin", 5000, 4000),
            taken("magnesium_sulfate", None, given=(INDEX,)), taken("tacrolimus", 10, status="denied"),
            taken("tacrolimus", 10, status="planned"), taken("thiazide", 10, dose=1.0, dose_unit=made.HOSTILE),
            taken("no_such_drug", 10),
        )
    ),
}  # fmt: skip


@pytest.mark.parametrize("units", ["si", "us"])
@pytest.mark.parametrize("days", [None, 0.5, 30, 4000])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_is_well_formed_and_inside_the_sheet(shape: str, days: float | None, units: str) -> None:
    root = drawn(SHAPES[shape], days=days, units=units)
    height = float(root.attrib["height"])
    for mark in root.iter():
        for name, limit in (("x", WIDTH), ("x1", WIDTH), ("x2", WIDTH), ("cx", WIDTH), ("y", height), ("cy", height)):
            if name in mark.attrib:
                assert 0 <= float(mark.attrib[name]) <= limit, (mark.tag, mark.attrib)


@pytest.mark.parametrize("shape", SHAPES)
def test_no_text_is_small_or_on_top_of_another(shape: str) -> None:
    boxes = []
    for one in drawn(SHAPES[shape]).iter(f"{SVG}text"):
        size, told = float(one.attrib["font-size"]), one.text or ""
        assert size >= 11
        width = len(told) * size * 0.5
        left = float(one.attrib["x"]) - {"start": 0, "middle": 0.5, "end": 1}[one.attrib["text-anchor"]] * width
        boxes.append((left, left + width, float(one.attrib["y"]) - size * 0.75, float(one.attrib["y"]), told))
    for one, other in itertools.combinations([box for box in boxes if box[4]], 2):
        is_apart = one[1] <= other[0] or other[1] <= one[0] or one[3] <= other[2] or other[3] <= one[2]
        assert is_apart, (one, other)


def test_it_has_a_title_and_a_description(timeline: Timeline) -> None:
    root = drawn(timeline)
    title, description = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert root.attrib["role"] == "img"
    assert title is not None
    assert description is not None
    assert root.attrib["aria-labelledby"].split() == [title.attrib["id"], description.attrib["id"]]
    told = (description.text or "").replace("\xa0", " ")
    assert "Magnesium, serum or plasma: 9 results from 2018-09-30, the last 0.42 mmol/L on 2020-06-01, low." in told
    assert "Drugs: digoxin, furosemide, omeprazole" in told


def test_axes_carry_units_and_dates(timeline: Timeline) -> None:
    found = texts(drawn(timeline))
    assert {"Magnesium", "Potassium", "Calcium", "Calcium, ionized", "Creatinine"} <= set(found)
    assert found.count("mmol/L") == 4
    assert "µmol/L" in found
    assert "Date and time, UTC" in found
    assert {"1 Jan", "2019", "2020"} <= set(found)
    assert "now: 2020-06-01 11:00" in found


def test_units_are_one_switch(timeline: Timeline) -> None:
    text = timeline_svg(timeline, units="us")
    assert "mmol/L" not in text
    assert "1.02\xa0mg/dL low" in text


def test_kinds_of_calcium_are_told_apart_by_shape_and_line(timeline: Timeline) -> None:
    series = [one for panel in panels.PANELS for one in panel.series if "calcium" in one.quantity]
    assert len({(one.shape, one.dash) for one in series}) == len(series) == 3
    found = texts(drawn(timeline))
    assert {"total, 2020-06-01", "corrected, 2020-06-01"} <= set(found)


def test_flags_are_words_and_filled_marks() -> None:
    found = texts(drawn(course(observed("serum_potassium", 6.8, 1))))
    assert "6.8 mmol/L high" in found
    outside = timeline_svg(course(observed("serum_magnesium", 0.4, 1)), units="si")
    inside = timeline_svg(course(observed("serum_magnesium", 0.8, 1)), units="si")
    assert outside.count(f'fill="{svg.BLUE}"') == 2
    assert inside.count(f'fill="{svg.BLUE}"') == 0


def test_the_interval_of_the_laboratory_wins() -> None:
    own = observed("serum_magnesium", 0.66, 1, reference_low=0.6, reference_high=1.1)
    found = texts(drawn(course(own)))
    assert "usual 0.60 to 1.10" in found
    assert "0.66 mmol/L" in found


def test_a_bound_is_an_arrow_not_a_point() -> None:
    below = timeline_svg(course(observed("serum_magnesium", 0.3, 1, low=0.0, basis="censored")), units="si")
    assert f"&lt;0.30{chr(160)}mmol/L low" in below
    assert f'r="4.2" fill="{svg.BLUE}"' in below  # the mark in the column of latest values
    assert below.count("<circle") == 3  # that one and the two of the legend
    assert below.count("<polygon") == 2  # the arrow, and the one of the legend


def test_a_line_breaks_at_a_bound(timeline: Timeline) -> None:
    lines = [one for one in drawn(timeline).iter(f"{SVG}polyline") if one.attrib["stroke"] == svg.BLUE]
    assert [len(one.attrib["points"].split()) for one in lines] == [4, 4]


def test_what_cannot_be_drawn_is_told(timeline: Timeline) -> None:
    found = texts(drawn(timeline))
    assert "Undated, not drawn: Mg 0.60 mmol/L." in found
    assert "Named in text only, not drawn: hydrochlorothiazide." in found
    later = texts(drawn(timeline, days=60))
    assert any(re.fullmatch(r"\d+ earlier results before 2020-03-31 not drawn\.", one) for one in later)
    assert "Taken outside this window, not drawn: spironolactone." in later
    assert " and 3 more." in " ".join(texts(drawn(SHAPES["undated only"])))


def test_without_results_the_panels_say_so() -> None:
    found = texts(drawn(SHAPES["nothing"]))
    assert found.count("no dated result in this window") == 4
    assert "Drugs" not in found
    assert "Calcium, ionized" not in found


def test_lanes_show_what_a_drug_does_and_how_long(timeline: Timeline) -> None:
    found = texts(drawn(timeline))
    assert "20 mg × 1/day, since 2016-02-10" in found
    assert "start not recorded" in found
    assert {"wastes Mg", "gives K", "raises K; spares Mg"} <= set(found)
    assert "metformin" not in found


def test_an_infusion_is_a_bar_and_a_moment_is_a_tick() -> None:
    begun = INDEX - timedelta(days=10)
    bars = []
    for stop in (10, 4):
        given = taken("magnesium_sulfate", 10, stop, given=(begun,))
        root = drawn(course(observed("serum_magnesium", 0.5, 12), exposures=(given,)))
        bars.append(sum(1 for _ in root.iter(f"{SVG}rect")))
    assert bars[1] == bars[0] + 1


def test_at_most_a_dozen_lanes_and_the_wasters_stay() -> None:
    found = texts(drawn(SHAPES["many drugs"]))
    lanes = [name for name in MANY_DRUGS if name.replace("_", " ") in found]
    assert len(lanes) == 12
    assert {"omeprazole", "cisplatin", "tacrolimus", "magnesium_oxide", "potassium_chloride"} <= set(lanes)
    assert any(one.startswith("No room, not drawn:") for one in found)


def test_what_is_denied_or_planned_is_not_drawn() -> None:
    text = timeline_svg(SHAPES["odd drugs"], units="si")
    assert "tacrolimus" not in text
    assert "Taken outside this window, not drawn: cisplatin." in text
    assert "script" not in text


def test_text_is_escaped() -> None:
    hostile = msgspec.structs.replace(taken("furosemide", 10), ingredient="<b>&")
    assert "<b>" not in timeline_svg(course(exposures=(hostile,)), units="si")
    assert svg.text((0, 0), "<script>\x1b\x00&") == (
        '<text x="0" y="0" font-size="12" text-anchor="start" fill="#1a1a1a">&lt;script&gt;&amp;</text>'
    )


def test_the_same_record_is_the_same_figure(timeline: Timeline) -> None:
    assert timeline_svg(timeline, units="si") == timeline_svg(made.history(), units="si")


def test_times_of_any_zone_stand_in_utc() -> None:
    moved = msgspec.structs.replace(made.history(), index=datetime.fromisoformat("2020-06-01T13:00:00+02:00"))
    assert timeline_svg(moved, units="si") == timeline_svg(made.history(), units="si")
    naive = msgspec.structs.replace(observed("serum_magnesium", 0.4, 1), time=datetime(2020, 5, 30))  # noqa: DTZ001
    assert "2020-05-30" in texts(drawn(course(naive)))


def test_the_window_ends_at_the_index_and_is_never_empty() -> None:
    for timeline in SHAPES.values():
        time = window(timeline, None)
        assert time.first < INDEX <= time.last
        assert time.last - time.first >= timedelta(days=1)
        assert time.last - time.first < timedelta(days=800)


@pytest.mark.parametrize(("low", "high"), [(0.28, 1.05), (45, 190), (0, 1e4), (2.0, 2.001), (-3, 4)])
def test_number_ticks_are_round_few_and_inside(low: float, high: float) -> None:
    ticks, decimals = axis.number_ticks(low, high)
    assert 2 <= len(ticks) <= 8
    assert low <= ticks[0] < ticks[-1] <= high
    assert all(float(f"{tick:.{decimals}f}") == pytest.approx(tick) for tick in ticks)


@pytest.mark.parametrize("days", [0.1, 0.5, 1, 2, 5, 10, 30, 60, 200, 365, 730, 4000, 20000])
def test_time_ticks_are_few_dated_and_inside(days: float) -> None:
    last = datetime(2020, 6, 1, 11, tzinfo=UTC)
    ticks = axis.time_ticks(last - timedelta(days=days), last)
    assert 1 <= len(ticks) <= 8
    assert ticks[0].below
    assert "2020" in "".join(tick.below for tick in ticks) or days > 3000
    assert all(last - timedelta(days=days) <= tick.time <= last for tick in ticks)
