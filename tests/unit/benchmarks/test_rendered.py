"""Doses read back from the texts of plans: what is read, what is noticed, and a run that goes on."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks"))

import read_back
import rendered

from carnallite.knowledge import knowledge
from carnallite.plan.propose import drafts
from carnallite.surfaces import plans as printed

if TYPE_CHECKING:
    from collections.abc import Callable

BY_VEIN = (
    "magnesium sulfate 20 mmol (4.93 g of magnesium sulfate heptahydrate; 40 mEq; 486 mg of magnesium) by vein, in"
    " 250 mL (80 mmol/L), over 3 h (6.67 mmol/h; 1.64 g/h), 3 times, every 12 h"
)
PAGE = f"""\
WHAT TO DO: 2 PLANS TO CHOOSE FROM

 A  Both by vein, which is a long
    name
    About it, 1 line and another.
    1 Magnesium by vein, now that it is
      low [replace]
      Dose: {BY_VEIN.replace(" (4.93", chr(10) + " " * 12 + "(4.93")}. [our judgement]
      How: 20 mmol in 250 mL over 3 h, three times at intervals of 12 h.
      As it runs.
    2 Ask again [keep]
      Whatever it is.
    x BLOCKED: Potassium by vein. potassium chloride 40 mmol (2.98 g of potassium chloride; 40 mEq;
      1560 mg of potassium) by mouth, twice a day, at 08:00, 18:00.
      Potassium is not low.
    ! A note.

 B  The other
    About the other.
    1 Magnesium by vein, now that it is low: as in A.
"""


# one text -----------------------------------------------------------------------------------------------------------
def test_everything_of_a_dose_is_read() -> None:
    dose, rest = read_back.dose(f"{BY_VEIN}. More.")
    assert rest == ". More." and not dose.wrong
    assert (dose.thing, dose.amount.value, dose.route, dose.times) == ("magnesium", 20, "intravenous", (0, 12, 24))
    assert dose.over is not None and dose.over.value == 3
    assert dose.volume is not None and dose.volume.value == 0.25


@pytest.mark.parametrize(
    ("often", "first", "count"),
    [("once", (0.0,), 1), ("every 7 d, from 3 d on", (72.0, 240.0), 4), ("every 56 h", (0.0, 56.0), 13),
     ("twice a day, at 08:00, 18:30", (8.0, 18.5, 32.0), 60)],
)  # fmt: skip
def test_when_a_dose_is_given(often: str, first: tuple[float, ...], count: int) -> None:
    times = read_back.dose(f"salbutamol 10 mg by nebulizer, {often}")[0].times
    assert times[: len(first)] == first and len(times) == count


@pytest.mark.parametrize(("text", "low", "high"), [("8.11", 8.105, 8.115), ("20", 19.95, 20.05), ("1560", 1555, 1565),
                                                   ("1563", 1562.5, 1563.5), ("0.484", 0.4835, 0.4845)])  # fmt: skip
def test_a_number_is_as_wide_as_its_figures(text: str, low: float, high: float) -> None:
    assert read_back.number(text)[1:] == pytest.approx((low, high))


@pytest.mark.parametrize(
    ("old", "new"),
    [("4.93 g", "4.39 g"), ("40 mEq", "20 mEq"), ("486 mg", "48.6 mg"), ("(80 mmol/L)", "(8 mmol/L)"),
     ("6.67 mmol/h", "6.76 mmol/h"), ("1.64 g/h", "16.4 g/h"), ("; 40 mEq", ""), ("; 1.64 g/h", ""),
     ("heptahydrate", "monohydrate"), ("20 mmol", "21 mmol"), ("over 3 h", "over 2 h"), ("250 mL", "500 mL")],
)  # fmt: skip
def test_a_number_that_disagrees_is_noticed(old: str, new: str) -> None:
    assert old in BY_VEIN
    assert read_back.dose(BY_VEIN.replace(old, new, 1))[0].wrong


@pytest.mark.parametrize(
    ("old", "new"),
    [("magnesium sulfate 20", "MgSO4 20"), ("by vein", "by pump"), (", every 12 h", ""), ("20 mmol", "20 mEq"),
     ("magnesium sulfate 20", "magnesium stearate 20"), ("over 3 h", "over three hours")],
)  # fmt: skip
def test_what_is_no_dose_is_not_read(old: str, new: str) -> None:
    assert old in BY_VEIN
    with pytest.raises(read_back.Unreadable):
        read_back.dose(BY_VEIN.replace(old, new, 1))


def test_plans_are_read_from_a_page() -> None:
    first, second = read_back.plans(PAGE)
    assert [name for name, _ in first.steps] == ["Magnesium by vein, now that it is low", "Ask again"]
    assert first.doses() == second.doses() and (first.told, second.told) == (1, 0)
    (blocked,) = first.blocked
    assert blocked.dose is not None and blocked.dose.amount.value == 40 and not blocked.dose.wrong
    assert blocked.because == "Potassium is not low."


@pytest.mark.parametrize(("old", "new"), [("as in A", "as in C"), ("Dose: ", "Dose: some "), ("    2 Ask", "    3 Ask"),
                                          ("potassium chloride 40", "potassium chloride forty")])  # fmt: skip
def test_a_page_that_is_not_whole_is_not_read(old: str, new: str) -> None:
    assert old in PAGE
    with pytest.raises(read_back.Unreadable):
        read_back.plans(PAGE.replace(old, new))


def test_a_regimen_that_is_called_something_else_is_noticed() -> None:
    first, _ = read_back.plans(PAGE.replace("How: 20 mmol in 250 mL", "How: 30 mmol in 500 mL"))
    assert len(first.doses()[0].wrong) == 2


def test_a_text_for_the_chart_is_read() -> None:
    short = "magnesium sulfate 20 mmol (4.93 g) by vein over 3 h, 3 times, every 12 h"
    (read,) = read_back.noted(f"Plan: {short}. Measure now: potassium.") or ()
    full = read_back.dose(BY_VEIN)[0]
    assert read.agrees(full)
    for old, new in (("20", "21"), ("4.93", "4.39"), (" (4.93 g)", ""), ("3 h", "2 h"), ("3 times, ", "")):
        (other,) = read_back.noted(f"Plan: {short.replace(old, new, 1)}. Research software") or ()
        assert not other.agrees(full), new
    assert read_back.noted("Plan: Ask again. Look again in 4 h.") == ()
    assert read_back.noted("Magnesium low. Research software") is None


def test_the_reader_knows_nothing_of_the_program() -> None:
    imported = [line for line in Path(read_back.__file__).read_text("utf-8").splitlines() if "import" in line]
    assert imported and not [line for line in imported if "carnallite" in line]


# drawn patients -----------------------------------------------------------------------------------------------------
def counted(seed: int, size: int) -> rendered.Count:
    return rendered.counted(seed, size, lambda told: None)


@pytest.mark.parametrize("seed", range(20, 20 + len(rendered.SCREENS)))
def test_texts_of_drawn_patients_are_read_back_and_safe(seed: int) -> None:
    said: list[object] = []
    found = rendered.counted(seed, 100, said.append)
    assert found.doses > 20 and found.noted_doses > 10 and found.blocked > 200 and found.blocked_doses > 20
    assert not any(getattr(found, name) for name in rendered.MUST_BE_ZERO), said


def test_a_text_that_tells_another_amount_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(printed, "amount", lambda value: f"{10 * value:.3g}")
    found = counted(20, 100)
    assert found.disagreeing > 0 and found.other > 0


def test_a_text_without_a_dose_or_a_reason_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(printed, "objection", lambda one: "")
    assert counted(20, 100).without_reason > 0
    monkeypatch.setattr(printed, "dose_text", lambda one: "as usual")
    assert counted(20, 100).unreadable > 0


def test_plans_past_a_looser_table_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are made by one table and judged by another."""
    looser = {id: msgspec.structs.replace(one, contraindications=()) for id, one in knowledge().safety.items()}
    monkeypatch.setattr(rendered, "drafts", lambda columns, likely: drafts(columns, likely, looser))
    found = counted(20, 200)
    assert found.hard > 0 and found.everyday > found.hard
    assert not (found.unreadable or found.disagreeing or found.other)


def test_a_run_that_was_stopped_goes_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(rendered, "BLOCK", 40)
    first = rendered.run(80, 3, tmp_path)
    asked, really = list[int](), rendered.counted

    def once(seed: int, size: int, said: Callable[[str], object]) -> rendered.Count:
        asked.append(size)
        return really(seed, size, said)

    monkeypatch.setattr(rendered, "counted", once)
    whole = rendered.run(130, 3, tmp_path)
    assert asked == [40, 10]
    assert (first.patients, whole.patients) == (80, 130)
    (tmp_path / "anew").mkdir()
    assert rendered.run(130, 3, tmp_path / "anew") == whole
