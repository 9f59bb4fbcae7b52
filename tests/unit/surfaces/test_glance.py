"""The plans side by side: every dose, in the order of every plan, with what is blocked and when to look."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from carnallite.plan import advise
from carnallite.record import read_record
from carnallite.surfaces import plans
from carnallite.surfaces.glance import Cell, glance

if TYPE_CHECKING:
    from collections.abc import Iterator

    from carnallite.plan import Advice
    from carnallite.surfaces.glance import Row

CASES = Path(__file__).parents[2] / "published"
SEVERAL, BLOCKED, DIALYSIS = "015-*", "018-*", "027-*"


def case(name: str) -> Advice:
    return advise(read_record(next(CASES.glob(f"{name}.json"))), depth="findings")


def columns(row: Row) -> Iterator[Cell]:
    """Return the cell of each plan, with those that several share for each of them."""
    for cell in row.cells:
        yield from [cell] * cell.span


@pytest.mark.parametrize("path", sorted(CASES.glob("*.json")), ids=lambda path: path.stem[:3])
def test_every_dose_of_every_plan_stands_in_its_column_and_in_its_order(path: Path) -> None:
    found = advise(read_record(path), depth="findings")
    table = glance(found, "si")
    possible = [plan for _, plan in plans.lettered(found) if plan.possible]
    assert len(table.heads) == len(possible)
    rows = [tuple(columns(row)) for row in table.steps if row.phase]
    assert all(len(row) == len(possible) for row in rows)
    for place, plan in enumerate(possible):
        shown = [
            (row[place].dose, row[place].text) for row in rows if row[place] != Cell(text="–", span=row[place].span)
        ]
        wanted = [
            (f"{plans.dose_text(one.dosing, brief=True)}.", "") if one.dosing else ("", one.do) for one in plan.steps
        ]
        assert shown == wanted


def test_plans_that_take_each_others_place_stand_beside_each_other_by_name() -> None:
    table = glance(case(SEVERAL), "si")
    row = next(row for row in table.steps if not row.name)
    assert row.phase == "keep"
    assert all(cell.name for cell in columns(row) if cell.dose)
    assert all(one != two for one, two in pairwise(row.cells))


def test_what_is_blocked_and_what_to_measure_is_named_with_its_reason() -> None:
    rows = {row.name: row.cells[0].text for row in glance(case(BLOCKED), "si").steps if not row.phase}
    assert rows["Blocked"].startswith("Potassium by mouth: ")
    assert "creatinine" in rows["Measure now"]


def test_where_no_plan_is_possible_none_has_a_column() -> None:
    table = glance(case(DIALYSIS), "si")
    assert not table.heads
    assert not table.steps
    ((name, why),) = table.impossible
    assert name == "High potassium"
    assert why.count("ask nephrology") == 1


def test_a_look_that_is_due_at_once_hides_no_later_one() -> None:
    table = glance(case(BLOCKED), "si")
    assert [(row.name, row.cells[0].text.replace("\xa0", " ")) for row in table.brought] == [("Next look", "in 4 h")]


def test_the_next_sample_is_never_later_than_the_steps_ask_for() -> None:
    pytest.importorskip("scipy")
    found = advise(read_record(next(CASES.glob("023-*.json"))), depth="fit")
    assert found.forecast is not None
    if not found.forecast.outlooks:
        pytest.skip(found.forecast.why_not)
    now, first = found.forecast.outlooks[:2]
    assert plans.next_sample(found, now) is None
    assert plans.next_sample(found, first) == found.plans[0].next_look_h
    assert first.next_sample_h > found.plans[0].next_look_h
    row = glance(found, "si").brought[-1]
    assert [cell.text.replace("\xa0", " ") for cell in row.cells] == ["in 15 min", "not planned"]


def test_a_plan_that_is_not_foretold_says_so_and_keeps_its_column() -> None:
    pytest.importorskip("scipy")
    found = advise(read_record(next(CASES.glob("022-*.json"))), depth="fit")
    if found.forecast is None or not found.forecast.outlooks:
        pytest.skip("nothing is foretold here")
    kept = tuple(one for one in found.forecast.outlooks if one.plan == found.plans[1].id)
    table = glance(
        msgspec.structs.replace(found, forecast=msgspec.structs.replace(found.forecast, outlooks=kept)), "si"
    )
    assert not table.as_now
    assert all(row.cells[0].text == "not foretold" for row in table.brought)
    assert all(len(row.cells) == len(table.heads) == 2 for row in table.brought)
    assert table.brought[-1].cells[1].text.startswith("in ")


def test_a_brief_dose_keeps_element_salt_route_volume_and_rate() -> None:
    dose = next(step.dosing for step in case(BLOCKED).plans[0].steps if step.dosing)
    brief = plans.dose_text(dose, brief=True).replace("\xa0", " ")
    assert brief == (
        "magnesium sulfate 8.11 mmol (2 g of magnesium sulfate heptahydrate) by vein, in 250 mL, over 2 h "
        "(4.05 mmol/h; 0.999 g/h), once"
    )
    bare = msgspec.structs.replace(dose, equivalents=(), volume_l=None)
    assert plans.dose_text(bare, brief=True) == plans.dose_text(bare)
