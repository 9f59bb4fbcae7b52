"""What doses bring and how they are measured, worked out by hand."""

from __future__ import annotations

import pytest

from carnallite.errors import PlanError
from carnallite.knowledge import Ceiling
from carnallite.physiology.scenario import Dose
from carnallite.plan.amounts import Given, given, thing_of

ONE = Given({"magnesium": 10.0}, "intravenous", (0.0,), 2.0, None, 0)


def ceiling(what: str, *routes: str) -> Ceiling:
    return Ceiling(
        id="x", what=what, at_most=1.0, unit="mmol", grade="hard", routes=routes, because="x", source="x", at="x",
        status="measured",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("keys", "what", "size"),
    [
        ({}, "dose", 10.0), ({}, "rate", 5.0), ({}, "day", 10.0), ({}, "two_days", 10.0), ({}, "before_level", 10.0),
        ({}, "concentration", 10000.0), ({"volume": 0.25}, "concentration", 40.0),
        ({"times": (0.0, 1.0, 1.5)}, "dose", 30.0), ({"times": (0.0, 1.0, 1.5)}, "rate", 15.0),
        ({"times": (0.0, 1.0, 2.5)}, "dose", 20.0), ({"times": (0.0, 2.0)}, "dose", 10.0),
        ({"times": (0.0, 2.0)}, "rate", 5.0),
        ({"times": (0.0, 24.0, 48.0)}, "day", 10.0), ({"times": (0.0, 23.0, 48.0)}, "day", 15.0),
        ({"times": (0.0, 12.0, 24.0)}, "day", 20.0), ({"times": (0.0, 24.0, 48.0)}, "two_days", 20.0),
        ({"times": (0.0, 24.0, 47.0)}, "two_days", 25.0), ({"over": 48.0}, "day", 5.0),
        ({"over": 48.0}, "two_days", 10.0),
        ({"over": 96.0}, "two_days", 5.0), ({"times": (0.0, 12.0, 24.0), "level_after": 1}, "before_level", 10.0),
        ({"times": (0.0, 12.0, 24.0), "level_after": 2}, "before_level", 20.0),
        ({"times": (0.0, 12.0, 24.0), "level_after": 9}, "before_level", 30.0),
        ({"times": (0.0, 12.0, 24.0), "level_after": 0}, "before_level", 20.0),
        ({"times": (0.0, 1.0, 9.0), "level_after": 1}, "before_level", 20.0),
        ({"times": (30.0, 31.0, 90.0), "over": 0.5}, "day", 20.0),
    ],
)  # fmt: skip
def test_measures(keys: dict, what: str, size: float) -> None:
    assert ONE._replace(**keys).measure("magnesium", ceiling(what)) == pytest.approx(size, rel=1e-12)


def test_only_what_is_limited_is_measured() -> None:
    assert ONE.measure("potassium", ceiling("dose")) == 0.0
    assert ONE.measure("magnesium", ceiling("dose", "oral")) == 0.0
    assert ONE.measure("magnesium", ceiling("dose", "oral", "intravenous")) == 10.0


@pytest.mark.parametrize(
    ("what", "route", "size"),
    [
        ("day", "intravenous", 0.5), ("two_days", "intravenous", 0.5), ("day", "subcutaneous", 0.5),
        ("day", "oral", 0.0),
        ("rate", "intravenous", 0.0), ("dose", "intravenous", 0.0), ("before_level", "intravenous", 0.0),
    ],
)  # fmt: skip
def test_what_carries_a_dose_is_water_of_a_day(what: str, route: str, size: float) -> None:
    drip = ONE._replace(volume=0.5, route=route)
    assert drip.measure("water", ceiling(what)) == size
    assert drip._replace(what={"water": 1.0}).measure("water", ceiling(what)) > 0
    assert drip.measure("sodium", ceiling(what)) == 0.0
    both = drip._replace(what={"water": 1.0}).measure("water", ceiling("day"))
    assert both == (1.5 if route != "oral" else 1.0)


@pytest.mark.parametrize(
    ("start", "within", "meets"),
    [
        (0.0, 0.0, True),
        (1.9, 0.0, True),
        (2.0, 0.0, False),
        (25.9, 24.0, True),
        (26.0, 24.0, False),
        (50.0, 24.0, False),
    ],
)
def test_which_doses_run_near_each_other(start: float, within: float, meets: bool) -> None:
    later = ONE._replace(times=(start,))
    assert ONE.meets(later, within) is later.meets(ONE, within) is meets
    twice = later._replace(times=(200.0, start))
    assert ONE.meets(twice, within) is twice.meets(ONE, within) is meets
    long = ONE._replace(over=4.0, times=(start - 2,))
    assert ONE.meets(long, within) is long.meets(ONE, within) is (start - 2 < 2 + within)


def dose(**keys: object) -> Dose:
    return Dose(**{"what": "magnesium sulfate", "amount": "20 mmol", "route": "intravenous", "over": "3 h"} | keys)


def test_what_a_dose_brings() -> None:
    assert given(dose()) == Given({"magnesium": 20.0}, "intravenous", (0.0,), 3.0, None, 0)
    drip = given(dose(every="12 h", count=3), volume="250 mL", level_after=2)
    assert drip == Given({"magnesium": 20.0}, "intravenous", (0.0, 12.0, 24.0), 3.0, 0.25, 2)
    assert given(dose(every="24 h")).times == tuple(24.0 * day for day in range(30))
    assert given(dose(daily=("08:00", "20:00"))).times[:3] == (8.0, 20.0, 32.0)
    tablet = given(dose(what="magnesium oxide", route="oral", over=""))
    assert tablet.what == {"magnesium": 20.0} and 0 < tablet.over < 1


@pytest.mark.parametrize(
    ("what", "amount", "route", "brings"),
    [
        ("insulin", "10 U", "intravenous", {"insulin": 10.0}), ("salbutamol", "10 mg", "inhaled", {"salbutamol": 10.0}),
        ("KCl", "20 mmol", "oral", {"potassium": 20.0}),
        ("potassium phosphate", "10 mmol", "intravenous", {"potassium", "phosphate"}),
        ("saline", "1 L", "intravenous", {"water", "sodium"}),
    ],
)  # fmt: skip
def test_things_that_a_dose_brings(what: str, amount: str, route: str, brings: object) -> None:
    found = given(dose(what=what, amount=amount, route=route)).what
    assert found == brings if isinstance(brings, dict) else brings <= set(found)


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"what": "magnesium sulfat"}, r"plan.what: .*is nothing that can be given"),
        ({"amount": "20"}, r"plan.amount: .*has no unit"),
        ({"amount": "0 mmol"}, r"plan.amount: '0 mmol' is not more than nothing. Write amount and `over`"),
        ({"amount": "-1 mmol"}, "is not more than nothing"), ({"over": "0 h"}, r"plan.amount: '20 mmol' takes no time"),
        ({"over": ""}, "takes no time"), ({"over": "soon"}, r"plan.over: 'soon' is no time"),
        ({"amount": "0.1 mmol/kg"}, r"plan.amount: .*each kilogram"),
        ({"every": "often"}, r"plan.every: 'often' is no time"),
        ({"route": "inhaled"}, r"plan.route: magnesium sulfate is not given inhaled. Use .*intravenous or "),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_told_with_its_place(keys: dict[str, str], told: str) -> None:
    with pytest.raises(PlanError, match=told):
        given(dose(**keys), where="plan")


def test_a_volume_that_cannot_be_read_is_told_with_its_place() -> None:
    with pytest.raises(PlanError, match=r"dose.volume: '3 miles'"):
        given(dose(), volume="3 miles")
    assert given(dose(amount="1e-9 mmol", over="1 min")).over == pytest.approx(1 / 60)


@pytest.mark.parametrize(
    ("name", "thing"),
    [
        ("treatment.oral_magnesium_insoluble", "magnesium"), ("treatment.subcutaneous_magnesium", "magnesium"),
        ("treatment.oral_magnesium_soluble", "magnesium"), ("treatment.intravenous_water", "water"),
        ("drug.insulin", "insulin"),
    ],
)  # fmt: skip
def test_the_thing_of_an_input(name: str, thing: str) -> None:
    assert thing_of(name) == thing
