"""Plans: which are offered, how doses count, what a hospital may add, the language, and what is foretold."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import msgspec
import numpy as np
import pytest

from carnallite.assessment import Columns
from carnallite.errors import DataFileError, PlanError
from carnallite.knowledge import knowledge
from carnallite.physiology import engine
from carnallite.physiology.scenario import Dose
from carnallite.plan import Advice, advise, foretell, parse_plan, read_plan
from carnallite.plan.amounts import given as brought
from carnallite.plan.propose import amounts, dose_of
from carnallite.plan.safety import Guard, tables
from carnallite.plan.written import checked
from planned import KIDNEY, SODIUM, advice, blocked, given, magnesium, potassium, steps
from records import condition, drug, observation, read

ROOT = Path(__file__).parents[3]
WELL = (KIDNEY, SODIUM, observation("8867-4", 75.0, "/min"))
PLATELETS = observation("777-3", 250.0, "10*9/L")
DRIP = """
title = "Drip"
[[step]]
name   = "Magnesium"
what   = "magnesium sulfate"
amount = "20 mmol"
route  = "intravenous"
over   = "4 h"
volume = "250 mL"
"""


def columns(*resources) -> Columns:
    return Columns.of([read(*resources).timeline])


# which plans ---------------------------------------------------------------------------------------------------------
def test_nothing_out_of_range_needs_no_plan() -> None:
    assert not advice(*WELL, magnesium(0.85), potassium(4.2)).plans


@pytest.mark.parametrize(
    ("record", "plan", "step"),
    [
        ((magnesium(0.3), potassium(2.2)), "dangerous_now", "magnesium_now"),
        ((magnesium(0.62), potassium(3.3), drug("omeprazole 40 mg since 2015")), "by_mouth", "review_ppi"),
        ((magnesium(0.6), condition("Gitelman syndrome")), "salt_losing_tubule", "magnesium_for_tubulopathy"),
        ((magnesium(0.5), potassium(3.8), drug("cetuximab")), "loss_that_goes_on", "magnesium_weekly"),
        ((potassium(6.8), magnesium(0.8)), "high_potassium", "calcium_for_the_heart"),
        ((magnesium(0.6), PLATELETS, condition("no venous access")), "into_muscle", "magnesium_into_muscle"),
        ((magnesium(3.2), potassium(4.8)), "high_magnesium", "calcium_against_magnesium"),
        ((magnesium(0.6), condition("jejunostomy"), condition("high output stoma")), "bowel_night_oxide", "saline"),
    ],
)  # fmt: skip
def test_the_plan_that_a_record_asks_for(record, plan: str, step: str) -> None:
    found = advice(*WELL, *record)
    assert plan in {one.id for one in found.plans}
    assert step in {one.id for one in steps(found)}


@pytest.mark.parametrize(("level", "amount"), [(0.4, 20.0), (0.6, 10.0), (0.75, None)])
def test_phosphate_by_vein_follows_its_level_while_feeding_goes_on(level: float, amount: float | None) -> None:
    record = (*WELL, magnesium(0.6), observation("2777-1", level, "mmol/L"), observation("1995-0", 1.2, "mmol/L"))
    found = advice(*record, condition("refeeding syndrome"))
    doses = {one.dosing.amount for one in steps(found) if one.id == "phosphate_by_vein" and one.dosing is not None}
    assert doses == ({amount} if amount else set())
    low = advice(*record[:-1], observation("1995-0", 0.9, "mmol/L"), condition("refeeding syndrome"))
    assert "phosphate_by_vein" not in {one.id for one in steps(low)}


def test_who_bleeds_gets_no_injection_into_muscle() -> None:
    found = advice(*WELL, magnesium(0.6), PLATELETS, condition("no venous access"), drug("warfarin"))
    blocked = next(one for plan in found.plans for one in plan.blocked if one.id == "magnesium_into_muscle")
    assert any("magnesium_muscle_bleeding" in one.id for one in blocked.objections)


def test_low_magnesium_with_high_potassium_gets_magnesium_by_mouth_and_no_potassium() -> None:
    found = advice(*WELL, magnesium(0.5), potassium(5.8), drug("tacrolimus"))
    assert not given(found, "potassium")
    assert "high_potassium" in {one.id for one in found.plans}


def test_at_most_four_plans_and_what_is_blocked_after_them() -> None:
    found = advice(magnesium(0.5), potassium(3.4), drug("cetuximab"), condition("jejunostomy"))
    order = [one.possible for one in found.plans]
    assert sum(order) <= 4
    assert order == sorted(order, reverse=True)
    for plan in found.plans:
        if not plan.possible:
            assert not plan.steps and all(one.objections for one in plan.blocked)


def test_a_smaller_dose_says_why_and_what_would_allow_more() -> None:
    step = next(one for one in steps(advice(magnesium(0.3), potassium(3.8))) if one.id == "magnesium_now")
    assert any(one.unknown and "serum_creatinine" in one.ask for one in step.held_back)
    assert "serum_creatinine" in step.ask_first
    whole = next(one for one in steps(advice(*WELL, magnesium(0.3), potassium(3.8))) if one.id == "magnesium_now")
    assert whole.dosing.amount > step.dosing.amount and not whole.held_back


def test_steps_name_only_steps_that_are_in_the_plan() -> None:
    for plan in advice(*WELL, magnesium(0.3), potassium(2.2), condition("jejunostomy")).plans:
        there = {one.id for one in plan.steps}
        assert all({*one.after, *one.beside} <= there for one in plan.steps)


def test_an_answer_with_plans_goes_to_json_and_back() -> None:
    found = advise(read(*WELL, magnesium(0.5), potassium(3.1)), depth="fit")
    assert msgspec.json.decode(msgspec.json.encode(found), type=Advice) == found


# how doses count -----------------------------------------------------------------------------------------------------
def dose(**keys) -> Dose:
    return Dose(**{"what": "magnesium sulfate", "amount": "20 mmol", "route": "intravenous", "over": "3 h"} | keys)


@pytest.mark.parametrize(
    ("keys", "what", "most"),
    [
        ({}, "day", 20.0),
        ({"every": "12 h", "count": 3}, "day", 40.0),
        ({"every": "12 h", "count": 3}, "two_days", 60.0),
        ({"over": "48 h", "amount": "48 mmol"}, "day", 24.0),
        ({"every": "8 h"}, "day", 60.0),
        ({"over": "3 h"}, "rate", 20 / 3),
        ({"at": ("0 h", "1 h")}, "rate", 40 / 3),
        ({"at": ("0 h", "1 h")}, "dose", 40.0),
        ({"at": ("0 h", "3 h")}, "rate", 20 / 3),
    ],
)  # fmt: skip
def test_measures_worked_out_by_hand(keys, what: str, most: float) -> None:
    ceiling = msgspec.structs.replace(knowledge().safety["magnesium"].ceilings[0], what=what, routes=())
    assert brought(dose(**keys)).measure("magnesium", ceiling) == pytest.approx(most)


def test_a_level_is_asked_after_so_many_doses() -> None:
    ceiling = msgspec.structs.replace(knowledge().safety["magnesium"].ceilings[0], what="before_level", routes=())
    every = dose(every="12 h", count=3)
    assert brought(every, level_after=1).measure("magnesium", ceiling) == 20
    assert brought(every).measure("magnesium", ceiling) == 40


def test_doses_of_a_plan_count_together_where_they_are_near() -> None:
    everybody = np.ones(1, bool)
    small = brought(dose(amount="8 mmol", over="4 h"))
    for later, barred in ((0.0, True), (20.0, True), (27.0, True), (29.0, False)):
        guard = Guard(columns(KIDNEY, potassium(3.8)))  # magnesium is not known: 8.2 mmol before a level
        assert not guard.judge(small).barred[0]
        guard.take(small, everybody)
        assert guard.judge(small._replace(times=(later,))).barred[0] == barred


def test_a_hospital_can_forbid_more_and_allow_nothing(tmp_path: Path) -> None:
    own = tmp_path / "potassium.toml"
    own.write_text(
        'id = "potassium"\nname = "Ours"\nabout = "Ours"\n[[ceilings]]\nid = "ours"\nwhat = "rate"\nat_most = 5.0\n'
        'unit = "mmol/h"\ngrade = "hard"\nbecause = "Our rule."\nsource = "assumption"\nat = "us"\nstatus = "assumed"\n'
    )
    record = (*WELL, potassium(2.8), magnesium(0.8), drug("omeprazole"))
    slow = brought(dose(what="potassium chloride", amount="20 mmol", over="2 h"), volume="500 mL", level_after=1)
    assert not Guard(columns(*record)).judge(slow).barred[0]
    assert Guard(columns(*record), tables(own)).judge(slow).barred[0]
    own.write_text(own.read_text() + '[spared]\nwhen = ""\nat_most = 99.0\nunit = "mmol"\nroutes = ["intravenous"]\n'
                   'because = "x"\nsource = "assumption"\nat = "us"\nstatus = "assumed"\n')  # fmt: skip
    with pytest.raises(DataFileError, match="would allow"):
        tables(own)


@pytest.mark.parametrize("step", knowledge().steps.values(), ids=lambda one: one.id)
def test_every_regimen_can_be_given_and_passes_the_table_in_somebody(step) -> None:
    """A well adult with the level that the step is for; what nobody may have is no regimen."""
    level = {"insulin": (potassium(6.8),), "salbutamol": (potassium(6.8),), "calcium": (potassium(6.8), magnesium(3.0))}
    for regimen in step.regimens:
        found = amounts(regimen)
        if found is None:
            continue
        assert dose_of(regimen).what == regimen.what
        thing = next(iter(found.what))
        record = (*WELL, *level.get(thing, (potassium(2.3), magnesium(0.3))), drug("omeprazole"))
        if thing == "phosphate":
            record = (*record, observation("2777-1", 0.4, "mmol/L"), observation("1995-0", 1.2, "mmol/L"))
        record = (*record, condition("torsades de pointes")) if step.id == "magnesium_first_bolus" else record
        assert not Guard(columns(*record)).judge(found).barred[0], regimen.label


# the language --------------------------------------------------------------------------------------------------------
MISTAKES = [
    ("magnesium sulfate", "magnesium sulphate", r"line 4: 'magnesium sulphate' is nothing that can be given. Did you"),
    ('"20 mmol"', '"20"', r"line 5: '20' has no unit"),
    ("20 mmol", "0 mmol", r"line 5: '0 mmol' is not more than nothing"),
    ('over   = "4 h"', "", r"line \d: .*takes no time"),
    ("volume", "volum", r"line 8: `volum` is no key of a plan. Did you mean 'volume'"),
    ('"20 mmol"', '"0.1 mmol/kg"', r"line 5: .*each kilogram"),
    ('"intravenous"', '"inhaled"', r"line \d: .*is not given inhaled"),
    ('name   = "Magnesium"\n', "", r"line \d: `name` is missing"),
    ("[[step]]", "[[step]", "not TOML"),
    ('volume = "250 mL"', 'acts = "antimotility"', "what and acts"),
    ('volume = "250 mL"', 'after = ["x"]', "no step before it"),
    ('volume = "250 mL"', 'every = "43 min"', "line 8: the plan has more than 1000 doses by here"),
]


@pytest.mark.parametrize(("old", "new", "told"), MISTAKES)
def test_mistakes_are_told_with_line_and_remedy(old: str, new: str, told: str) -> None:
    with pytest.raises(PlanError, match=told) as error:
        parse_plan(DRIP.strip().replace(old, new), "plan.toml") if old != "title" else parse_plan(
            DRIP.replace(old, new), "plan.toml"
        )
    assert str(error.value).startswith("plan.toml, line ") and error.value.do


def test_a_written_plan_is_blocked_by_hard_lines_and_marked_by_everyday_ones() -> None:
    record = columns(*WELL, magnesium(0.6), potassium(3.0))
    fast = checked(parse_plan(DRIP.replace('"4 h"', '"10 min"')), record, "fast")
    assert not fast.plan.steps and {one.id for one in fast.plan.blocked[0].objections} == {"magnesium_rate_label"}
    assert not fast.done
    quick = checked(parse_plan(DRIP.replace('"4 h"', '"1 h"')), record, "quick")
    assert {one.id for one in quick.plan.steps[0].beyond} == {"magnesium_rate_everyday"}
    slow = checked(parse_plan(DRIP), record, "slow")
    assert not slow.plan.steps[0].beyond and not slow.plan.blocked


def test_the_example_of_a_plan_can_be_read() -> None:
    for path in (ROOT / "examples" / "plans").glob("*.toml"):
        assert parse_plan(path.read_text("utf-8"), path.name).step


# what is foretold ----------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def outlooks(tmp_path_factory: pytest.TempPathFactory):
    if engine.kernel() is None:
        pytest.skip("nothing is fitted without the compiled kernel")
    folder = tmp_path_factory.mktemp("plans")
    for size in (8, 16):
        (folder / f"drip{size}.toml").write_text(DRIP.replace("20 mmol", f"{size} mmol"), "utf-8")
    record = read(*WELL, magnesium(0.5), potassium(3.1), drug("omeprazole", effectivePeriod={"start": "2019-01-01"}))
    plans = {path.stem: read_plan(path) for path in (folder / "drip8.toml", folder / "drip16.toml")}
    found = foretell(record, plans, days=7)
    assert found.forecast is not None and not found.forecast.why_not
    return {one.plan: one for one in found.forecast.outlooks}


def course(outlook, quantity: str):
    return next(one for one in outlook.courses if one.quantity == quantity)


def test_bands_hold_each_other_and_begin_at_now(outlooks) -> None:
    for one in outlooks.values():
        assert one.hours[0] == 0 and one.hours[-1] == 168
        for each in one.courses:
            rows = np.array([each.low90, each.low50, each.middle, each.high50, each.high90])
            assert (np.diff(rows, axis=0) >= 0).all() and np.isfinite(rows).all()


def test_more_magnesium_never_foretells_less(outlooks) -> None:
    order = [outlooks[one] for one in ("as_now", "drip8", "drip16")]
    for less, more in pairwise(order):
        assert more.given.value > less.given.value
        assert more.lost["urine"].value >= less.lost["urine"].value
        assert more.retained.value > less.retained.value
        low, high = (np.array(course(one, "serum_magnesium").middle) for one in (less, more))
        assert (high >= low - 1e-3).all()


def test_what_is_given_is_kept_or_lost(outlooks) -> None:
    base, drip = outlooks["as_now"], outlooks["drip16"]
    assert drip.given.value - base.given.value == pytest.approx(16, abs=0.2)


def test_the_next_sample_is_not_drawn_under_an_infusion(outlooks) -> None:
    for one in outlooks.values():
        assert 0 < one.next_sample_h <= 168 and one.next_sample_why
    assert outlooks["drip16"].next_sample_h >= 4 + 6


def test_no_forecast_says_why() -> None:
    found = advise(read(*WELL, magnesium(0.5), potassium(3.1)), depth="findings")
    assert found.plans and found.forecast is not None and found.forecast.why_not
    assert not found.forecast.outlooks


def test_no_forecast_of_a_child() -> None:
    from records import patient  # noqa: PLC0415

    found = advise(read(magnesium(0.5), potassium(3.1), who=patient(birthDate="2012-01-01")), depth="fit")
    assert found.forecast is None or found.forecast.why_not
    assert not [one for one in steps(found) if one.dosing]


def test_blocked_steps_are_named_with_their_reason() -> None:
    found = blocked(advice(*WELL, magnesium(0.3), potassium(3.8), condition("complete heart block")))
    assert found["magnesium_now"] == {"magnesium_heart_block"}
    assert all(re.fullmatch(r"[a-z_]+", one) for lines in found.values() for one in lines)
