"""Why it stays so: pictures, tables and words say what the value says, in either unit system, and nothing overlaps."""

from __future__ import annotations

import re
from html import unescape
from typing import Any
from xml.etree import ElementTree as ET

import made
import msgspec
import pytest

from carnallite.assessment import Assessment
from carnallite.assessment.values import Balance, Band, Beside, Correction, IndividualFit
from carnallite.quantity import analyte
from carnallite.surfaces import bars, shares, svg, words
from carnallite.surfaces.balance import drawn as balance_drawn
from carnallite.surfaces.printed import in_a_day, printed
from carnallite.surfaces.report import render_html
from carnallite.surfaces.terminal import render
from carnallite.surfaces.why import why

NOTHING = Band(value=0.0, low=0.0, high=0.0)
UNITS: tuple[words.Units, ...] = ("si", "us")
DAY = Balance(
    unit="mmol/d", by_mouth=Band(value=10.8, low=5.3, high=17.3), injected=NOTHING,
    absorbed=Band(value=0.46, low=-2.7, high=2.9), stool=Band(value=10.6, low=4.8, high=17.5),
    urine=Band(value=0.64, low=0.15, high=2.8), dialysis=NOTHING, skin=Band(value=0.31, low=0.2, high=0.4),
    net=Band(value=-0.52, low=-3.4, high=-0.01),
)  # fmt: skip


def correction(id: str, name: str, kind: Any, magnesium: float, potassium: float, **parts: Any) -> Correction:
    around = lambda value: Band(value=value, low=value - 0.06, high=value + 0.2)  # noqa: E731
    return Correction(
        id=id, name=name, kind=kind, what=parts.pop("what", ""), acting=parts.pop("acting", 1.0), retained=around(2.0),
        magnesium={"7": around(magnesium), "30": around(magnesium + 0.1)},
        potassium={"7": around(potassium), "30": around(potassium + 0.3)}, **parts,
    )  # fmt: skip


CORRECTIONS = (
    correction("causes", "All of these causes", "causes_together", 0.41, 0.9),
    correction("hyperaldosteronism", "Aldosterone or mineralocorticoid excess", "cause", 0.06, 0.7, acting=0.25),
    correction("ppi", "Proton-pump inhibitor", "cause", 0.3, 0.1, acting=0.83),
    correction("poor_salt_form", "A salt that dissolves poorly", "factor", 0.07, 0.0, what="The same magnesium."),
    correction("timing", "Not taken at night", "factor", 0.04, 0.0, status="disputed", what="Once, at night."),
    correction("volume_depletion", "Volume depletion", "factor", -0.001, -0.02, what="Two litres of saline."),
    correction("nonadherence", "Doses missed", "factor", 0.004, 0.01),
)
FIT = IndividualFit(
    holds=True, words="Virtual patients with this history show 1 of 2 results as they were measured.", describes=0.7,
    members=96, effective=40.0,
    results=(Beside(test="serum_calcium", days_ago=4.0, low=1.52, high=1.52, shown=Band(value=1.98, low=1.8, high=2.2),
                    explained=False),),
    corrections=CORRECTIONS,
    potassium_by_magnesium={"7": Band(value=0.004, low=-0.13, high=0.23), "30": Band(value=0.49, low=-0.03, high=0.5)},
    calcium_by_magnesium=None, assumptions=("Calcium was given and is not simulated.",),
)  # fmt: skip


def answer(**parts: Any) -> Assessment:
    return made.changed(balance=DAY, fit=msgspec.structs.replace(FIT, **parts))


def html(assessment: Assessment, units: words.Units = "si") -> str:
    return render_html(assessment, made.history(), units=units)


def pictures(assessment: Assessment, units: words.Units = "si") -> list[ET.Element]:
    told = why(assessment, units=units)
    return [ET.fromstring(picture) for picture in told.pictures] if told else []  # noqa: S314  (our own)


def texts(picture: ET.Element) -> list[str]:
    return [(one.text or "").replace(words.JOIN, " ") for one in picture.iter() if one.tag.endswith("}text")]


def plain(text: str) -> str:
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", text))).replace(words.JOIN, " ")


@pytest.mark.parametrize("units", UNITS)
def test_the_pictures_show_the_numbers_of_the_value(units: words.Units) -> None:
    balance, magnesium, potassium = (texts(one) for one in pictures(answer(), units))
    day = in_a_day(units)
    for way in ("by_mouth", "stool", "urine", "skin"):
        band = getattr(DAY, way)
        place = balance.index(day.number(band.value))
        assert balance[place + 1] == day.range_of(band).replace(words.JOIN, " ")
    assert day.number(DAY.net.value, signed=True) in balance
    for ion, told in (("magnesium", magnesium), ("potassium", potassium)):
        shown = printed(f"serum_{ion}", units)
        for one in CORRECTIONS[:5]:
            band = getattr(one, ion)["7"]
            pair = [shown.number(band.value, signed=True), shown.range_of(band).replace(words.JOIN, " ")]
            assert pair in [told[place : place + 2] for place in range(len(told))]


def test_bars_are_as_long_as_their_numbers() -> None:
    for picture, color in zip(pictures(answer())[1:], (svg.BLUE, svg.VERMILION), strict=True):
        ion = "magnesium" if color == svg.BLUE else "potassium"
        filled = [one for one in picture.iter() if one.tag.endswith("}rect") and color in (one.get("fill"),)]
        drawn = shares.told(FIT)
        lengths = [float(one.get("width", 0)) for one in filled]
        values = [getattr(one, ion)["7"].value for one in drawn if one.kind != "factor"]
        assert [length / lengths[0] for length in lengths] == pytest.approx(
            [one / values[0] for one in values], rel=0.02
        )


def test_us_units_convert_as_the_rest_of_the_report() -> None:
    balance, magnesium, potassium = (texts(one) for one in pictures(answer(), "us"))
    assert analyte("serum_magnesium").show(0.41, "us") == f"1.00{words.JOIN}mg/dL"
    assert "+1.00" in magnesium
    assert "+0.9" in potassium
    assert analyte("urine_magnesium_24h").show(10.8, "us").startswith(balance[balance.index("By mouth") + 1])
    told = plain(html(answer(), "us"))
    assert "Net magnesium −13 mg/d (−83 to 0): the body loses. In: 262 by mouth." in told
    assert "magnesium +1.00 mg/dL (0.85 to 1.48), potassium +0.9 meq/L" in told


def test_each_picture_speaks_to_screen_readers() -> None:
    for picture in pictures(answer()):
        assert picture.get("role") == "img"
        known = {one.get("id"): one.text for one in picture if one.get("id")}
        title, description = (picture.get("aria-labelledby") or "").split()
        assert "simulated, not measured" in (known[title] or "")
        assert "mmol/" in (known[description] or "")
    ids = re.findall(r'\bid="([^"]+)"', html(answer()))
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("units", UNITS)
def test_nothing_overlaps_and_nothing_is_cut_off(units: words.Units) -> None:
    for picture in pictures(answer(), units):
        boxes = [_box(one) for one in picture.iter() if one.tag.endswith("}text") and one.text]
        drawn = [_shape(one) for one in picture.iter() if one.tag.endswith(("}rect", "}line"))][1:]  # the ground first
        height = float(picture.get("height", 0))
        for place, box in enumerate(boxes):
            assert box[0] >= 0
            assert box[2] <= bars.WIDTH
            assert box[3] <= height
            for other in (*boxes[place + 1 :], *drawn):
                assert not _overlap(box, other), (box, other)


def _box(one: ET.Element) -> tuple[float, float, float, float]:
    size = float(one.get("font-size", 0))
    wide = svg.width_of(one.text or "", size) * 0.9
    x, y = float(one.get("x", 0)), float(one.get("y", 0))
    left = {"start": x, "middle": x - wide / 2, "end": x - wide}[one.get("text-anchor", "start")]
    return left, y - 0.75 * size, left + wide, y + 0.2 * size


def _shape(one: ET.Element) -> tuple[float, float, float, float]:
    if one.tag.endswith("}line"):
        return tuple(float(one.get(key, 0)) for key in ("x1", "y1", "x2", "y2"))  # type: ignore[return-value]
    x, y = float(one.get("x", 0)), float(one.get("y", 0))
    return x, y, x + float(one.get("width", 0)), y + float(one.get("height", 0))


def _overlap(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def test_causes_come_first_and_those_that_act_most_often() -> None:
    order = [one for one in texts(pictures(answer())[1]) if one in {each.name for each in CORRECTIONS}]
    assert order == [
        "All of these causes",
        "Proton-pump inhibitor",
        "A salt that dissolves poorly",
        "Not taken at night",
    ]
    assert [one.id for one in shares.ordered(FIT)][:3] == ["causes", "ppi", "hyperaldosteronism"]


def test_factors_are_open_and_a_disputed_one_is_dashed_and_called_so() -> None:
    picture = pictures(answer())[1]
    hollow = [one for one in picture.iter() if one.get("stroke") == svg.BLUE and one.get("fill") == "#ffffff"]
    assert [bool(one.get("stroke-dasharray")) for one in hollow] == [False, True]
    told = texts(picture)
    assert told[told.index("Not taken at night") + 1] == "factor, disputed"
    assert "factor, disputed" in plain(html(answer()))


def test_small_changes_are_told_and_stay_in_the_table() -> None:
    told = html(answer())
    assert "Doses missed" not in "".join(texts(pictures(answer())[1]))
    assert "Not drawn, because hardly anything changes in 7 days: Doses missed." in plain(told)
    assert "Doses missed" in told[told.index('aria-label="What correcting each would bring"') :]


def test_rehydration_is_told_by_its_numbers() -> None:
    assert (
        "Volume depletion: rehydration (two litres of saline) restores volume and lets aldosterone fall; by itself it "
        "hardly changes magnesium, 0.00 mmol/L (−0.06 to 0.20) and hardly changes potassium"
    ) in plain(html(answer()))
    much = correction("volume_depletion", "Volume depletion", "factor", 0.2, 0.01, what="Two litres of saline.")
    assert "by itself it changes magnesium, +0.20 mmol/L" in plain(html(answer(corrections=(much,))))


def test_magnesium_alone_is_told_by_days_as_simulated() -> None:
    told = plain(html(answer()))
    assert "of the low potassium 0 % (−13 to 23 %) in 7 days, 49 % (−3 to 50 %) in 30 days. Simulated" in told
    assert "stores in cells refill slowly" in told
    assert "of the low calcium" not in told


def test_the_section_says_what_it_is_and_what_it_could_not_do() -> None:
    told = plain(html(answer()))
    assert "Simulated, not measured. Virtual patients with this history show 1 of 2 results" in told
    assert "describes the patient at all is likely, 70 %." in told
    assert "Not shown as measured: Calcium, serum or plasma, total 1.52 mmol/L 4 days ago" in told
    assert "Without numbers of their own here: Loop diuretic; Alcohol; The offending drug goes on." in told
    assert "Calcium was given and is not simulated." in told
    assert "unlikely, <1 %: read all numbers here with doubt" in plain(html(answer(describes=0.004)))


def test_the_tables_hold_the_numbers_of_both_times_and_every_way() -> None:
    told = plain(html(answer()))
    for number in ("+0.41 (0.35 to 0.61)", "+0.51 (0.45 to 0.71)", "+0.9 (0.8 to 1.1)", "+1.2 (1.1 to 1.4)"):
        assert number in told
    assert "By mouth10.8 (5.3 to 17.3)262 (129 to 420)" in told
    assert "Dialysis0.0 (0.0 to 0.0)0 (0 to 0)" in told
    assert "Dialysis" not in "".join(texts(pictures(answer())[0]))


def test_without_a_fit_there_is_no_section_and_without_a_good_one_no_picture() -> None:
    assert 'id="why"' not in html(made.full())
    refused = made.changed(fit=msgspec.structs.replace(FIT, holds=False, corrections=(), words="It does not fit."))
    told = html(refused)
    section = told[told.index('id="why"') : told.index("</section>", told.index('id="why"'))]
    assert "It does not fit." in section
    assert "<svg" not in section
    assert "<table" not in section
    assert 'href="#why"' not in told


def test_where_nothing_changes_no_axes_are_drawn() -> None:
    small = answer(corrections=(correction("nonadherence", "Doses missed", "factor", 0.0, 0.0),))
    assert len(pictures(small)) == 1
    assert len(pictures(made.changed(balance=DAY, fit=msgspec.structs.replace(FIT, corrections=())))) == 1


def test_a_balance_of_nothing_is_still_a_picture() -> None:
    empty = Balance(unit="mmol/d", **dict.fromkeys(
        ("by_mouth", "injected", "absorbed", "stool", "urine", "dialysis", "skin", "net"), NOTHING
    ))  # fmt: skip
    assert "NaN" not in balance_drawn(empty, units="si")
    assert balance_drawn(empty, units="si").startswith("<svg")


def terminal(assessment: Assessment, **parts: Any) -> str:
    chosen = {"units": "si", "width": 100, "color": False} | parts
    return render(assessment, **chosen)


def test_the_terminal_tells_balance_and_corrections_in_columns() -> None:
    told = terminal(answer()).replace(words.JOIN, " ")
    flowing = " ".join(told.split())
    assert "Magnesium a day, mmol/d: in 10.8 by mouth; out 10.6 with stool or stoma, 0.6 with urine, 0.3 by" in flowing
    assert re.search(r"If corrected, change after 7 days +Magnesium mmol/L +Potassium mmol/L", told)
    assert re.search(
        r"\n  Proton-pump inhibitor, acts in 83 % +\+0\.30 \(0\.24 to 0\.50\) +\+0\.1 \(0\.0 to 0\.3\)\n", told
    )
    assert "Simulated, not measured." in told
    assert told.index("WHY IT STAYS SO") < told.index("The offending drug") < told.index("Magnesium a day")


@pytest.mark.parametrize("width", [40, 60, 80, 110])
def test_the_terminal_fits_and_needs_no_letters_beyond_ascii(width: int) -> None:
    told = terminal(answer(), width=width, ascii_only=True, units="us")
    assert told.isascii()
    assert max(map(len, told.splitlines())) <= width
    flowing = " ".join(told.split())
    assert "+1.00 (0.85 to 1.48)" in flowing
    assert "net -13 (-83 to 0)" in flowing


def test_the_terminal_gives_words_alone_where_the_fit_does_not_hold() -> None:
    refused = made.changed(factors=(), fit=msgspec.structs.replace(FIT, holds=False, words="It does not fit."))
    told = terminal(refused)
    assert "WHY IT STAYS SO\n\n  It does not fit.\n" in told or "WHY IT STAYS SO\n  It does not fit.\n" in told
    assert "If corrected" not in told
