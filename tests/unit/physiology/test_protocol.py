"""What a scenario means: windows, doses, people, and what each parameter is from when on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carnallite.errors import ScenarioError
from carnallite.physiology.convention import conventions
from carnallite.physiology.load import model
from carnallite.physiology.protocol import Protocol, protocol
from carnallite.physiology.scenario import Scenario, parse

ROWS = {name: row for row, name in enumerate(model().constants)}


def meant(text: str = "", **how: int) -> Protocol:
    return protocol(parse(f'title = "a"\n{text}'), **how)


def held(given_: Protocol, name: str, time: float, person: int = 0) -> float:
    """Return what a parameter is at a time."""
    if name not in given_.changes:
        return float(given_.people.constants[ROWS[name], person])
    times, values = given_.changes[name]
    return float(values[np.searchsorted(times, time, side="right") - 1, person])


def given_in_all(given_: Protocol, name: str) -> float:
    """Return the integral of an input over the scenario."""
    times, values = given_.changes[name]
    edges = np.r_[times, given_.end]
    return float((values[:, 0] * np.diff(edges)).sum())


def test_nothing_acts_at_rest() -> None:
    rest = meant()
    assert not rest.changes
    assert (rest.start, rest.end) == (0, 720)
    assert rest.samples[0] == 0
    assert rest.samples[-1] == 720


def test_an_act_holds_from_until() -> None:
    found = meant('[[drug]]\nid = "thiazide"\nfrom = "2 d"\nuntil = "5 d"\n')
    own = held(found, "kidney.ncc", 0)
    assert held(found, "kidney.ncc", 48) < own
    assert held(found, "kidney.ncc", 119.9) < own
    assert held(found, "kidney.ncc", 120) == own


def test_half_the_strength_is_the_square_root_of_a_factor() -> None:
    whole, half = (meant(f'[[drug]]\nid = "thiazide"\nstrength = {size}\n') for size in (1, 0.5))
    own = held(meant(), "kidney.ncc", 0)
    assert held(half, "kidney.ncc", 1) / own == pytest.approx((held(whole, "kidney.ncc", 1) / own) ** 0.5)
    assert "kidney.ncc" not in {n for n, (t, v) in meant('[[drug]]\nid = "thiazide"\nstrength = 0\n').changes.items()
                                if (v != own).any()}  # fmt: skip


def test_of_two_that_set_a_parameter_the_later_holds() -> None:
    text = '[[cause]]\nid = "short_bowel"\nphenotype = "colon_kept"\n'
    once, twice = meant(text), meant(text + text)
    assert held(once, "gut.jejunum", 1) == held(twice, "gut.jejunum", 1) == 0.6


def test_the_night_goes_over_midnight() -> None:
    found = meant(
        'length = "2 d"\nclock = "12:00"\n[[change]]\nparameter = "gut.slowing"\nfactor = 2\ndaily = ["22:00", "06:00"]'
    )
    assert [held(found, "gut.slowing", time) for time in (9.9, 10, 17.9, 18, 34)] == [1, 2, 2, 1, 2]


def test_meals_bring_the_whole_diet() -> None:
    found = meant('length = "4 d"\n[diet]\nmeals = ["08:00", "13:00", "19:00"]\n')
    assert held(found, "diet.pace", 7.9) == 0
    assert held(found, "diet.pace", 8.1) == pytest.approx(16)
    assert given_in_all(found, "diet.pace") == pytest.approx(96)


def test_diet_by_weight_and_restriction() -> None:
    found = meant(
        '[person]\nweight = "60 kg"\n[diet]\nmagnesium = "0.2 mmol/kg/d"\nsodium = "100 mmol/d"\n'
        '[[intake]]\nshare = 0.25\nfrom = "3 d"\nuntil = "6 d"\n[[intake]]\nwater = "0.5 L/d"\nfrom = "4 d"\n'
    )
    assert held(found, "diet.magnesium", 0) * 24 == pytest.approx(12)
    assert held(found, "diet.magnesium", 80) * 24 == pytest.approx(3)
    assert held(found, "diet.sodium", 80) * 24 == pytest.approx(25)
    assert held(found, "diet.magnesium", 150) * 24 == pytest.approx(12)
    assert held(found, "diet.water", 100) * 24 == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("gfr", 36 / 1000 * 60 / 7.2),
        ("egfr", 36 / 1000 * 60 / 7.2),  # the reference person is of the reference size
    ],
)
def test_filtration_is_a_share_of_nephrons(key: str, expected: float) -> None:
    found = meant(f'[person]\n{key} = "36 mL/min"\n')
    assert held(found, "kidney.nephrons", 0) == pytest.approx(expected)


def test_filtration_per_surface_follows_the_size_of_the_body() -> None:
    text = '[person]\nsex = "female"\nweight = "45 kg"\negfr = "36 mL/min/1.73m2"\n'
    found = meant(text)
    absolute = held(found, "kidney.nephrons", 0) * held(found, "normal.gfr", 0)
    assert absolute == pytest.approx(2.16 * held(found, "person.size", 0))


def test_renal_replacement_in_words() -> None:
    found = meant(
        '[person]\nweight = "80 kg"\n[[crrt]]\nfrom = "1 d"\nuntil = "3 d"\ndialysate = "25 mL/kg/h"\n'
        'replacement = "0.5 L/h"\nremoval = "100 mL/h"\nmagnesium = "1 mmol/L"\ncitrate = true\n'
        'calcium_return = "2 mmol/h"\n'
    )
    assert held(found, "losses.dialysate", 30) == pytest.approx(2.5)
    assert held(found, "losses.effluent", 30) == pytest.approx(2.6)
    assert held(found, "losses.fluid_magnesium", 30) == 1
    assert held(found, "losses.calcium_return", 30) == 2
    assert held(found, "losses.sieving_magnesium", 30) == conventions()["citrate_sieving"]
    assert held(found, "losses.sieving_magnesium", 80) == held(meant(), "losses.sieving_magnesium", 0)
    assert held(found, "losses.effluent", 80) == 0


def test_a_clamp_holds_while_it_lasts() -> None:
    found = meant('[[clamp]]\nwhat = "magnesium"\nto = "0.4 mmol/L"\nfrom = "2 d"\n')
    assert held(found, "magnesium.clamp_gain", 0) == 0
    assert held(found, "magnesium.clamp_gain", 50) == conventions()["clamp"]
    assert held(found, "magnesium.clamp_target", 50) == 0.4


DOSE = '[[dose]]\nwhat = "KCl"\namount = "20 mmol"\nroute = "oral"\n'


@pytest.mark.parametrize(
    ("when", "count"),
    [
        ("", 1),
        ('at = "3 d"', 1),
        ('at = ["1 d", "2 d", "5 d"]', 3),
        ('every = "8 h"', 90),
        ('every = "8 h"\ncount = 4', 4),
        ('every = "1 d"\nfrom = "10 d"\nuntil = "12 d"', 2),
        ('daily = ["08:00", "20:00"]', 60),
        ('daily = ["08:00", "20:00"]\ncount = 5', 5),
        ('daily = ["08:00"]\nfrom = "1 d"\nuntil = "4 d"', 3),
    ],
)
def test_when_doses_are_given(when: str, count: int) -> None:
    found = meant(DOSE + when)
    assert len(found.happenings[0].windows) == count
    assert given_in_all(found, "treatment.oral_potassium") == pytest.approx(20 * count)


def test_doses_by_weight_differ_between_people() -> None:
    found = meant(
        '[person]\nweight = { mean = "70 kg", sd = "10 kg" }\n' + DOSE.replace("20 mmol", "1 mmol/kg"), count=5, seed=1
    )
    weight = found.people.constants[ROWS["person.weight"]]
    assert len(set(weight)) == 5
    amount = found.changes["treatment.oral_potassium"][1][0] * conventions()["oral"]
    assert amount == pytest.approx(weight)


def test_a_fluid_is_a_dose_of_salt_and_water() -> None:
    found = meant('[[dose]]\nwhat = "saline"\namount = "1 L"\nroute = "intravenous"\nover = "6 h"\n')
    assert given_in_all(found, "treatment.intravenous_water") == pytest.approx(1)
    assert given_in_all(found, "treatment.intravenous_sodium") == pytest.approx(154)


@given(st.integers(0, 50), st.integers(1, 40), st.integers(0, 2**63))
@settings(max_examples=20, deadline=None)
def test_a_person_is_the_same_in_any_company(first: int, count: int, seed: int) -> None:
    text = (
        '[person]\nwomen = 0.5\nage = { mean = "60 a", sd = "15 a", low = "20 a", high = "95 a" }\n'
        'weight = { mean = "70 kg", sd = "10 kg", low = "40 kg" }\n[[drug]]\nid = "thiazide"\nshare = 0.5\n'
        'strength = { mean = "1", sd = "0.3", low = "0" }\nfrom = "5 d"\n'
    )
    scenario = parse(f'title = "a"\n{text}')
    many = protocol(scenario, count=count, seed=seed, first=first)
    one = protocol(scenario, count=1, seed=seed, first=first + count - 1)
    assert np.array_equal(many.people.constants[:, -1:], one.people.constants, equal_nan=True)
    assert np.array_equal(many.people.states[:, -1:], one.people.states, equal_nan=True)  # who cannot be in balance
    for name in many.changes:
        for time in many.changes[name][0]:
            assert held(many, name, time, count - 1) == held(one, name, time)


def test_people_who_are_drawn_are_held_at_the_limits_of_the_model() -> None:
    found = meant('[person]\nage = { mean = "20 a", sd = "5 a" }\n', count=100, seed=1)
    assert found.people.constants[ROWS["person.age"]].min() == 18
    assert 20 < found.held.sum() < 50


def test_shares_and_spreads_are_as_asked() -> None:
    found = meant(
        '[person]\nwomen = 0.3\nweight = { mean = "70 kg", sd = "10 kg" }\n[[drug]]\nid = "thiazide"\nshare = 0.25\n',
        count=4000, seed=5,
    )  # fmt: skip
    people = found.people.constants
    assert people[ROWS["person.male"]].mean() == pytest.approx(0.7, abs=0.03)
    assert people[ROWS["person.weight"]].mean() == pytest.approx(70, abs=0.6)
    assert people[ROWS["person.weight"]].std() == pytest.approx(10, abs=0.4)
    takes = found.changes["kidney.ncc"][1][0] != people[ROWS["kidney.ncc"]]
    assert takes.mean() == pytest.approx(0.25, abs=0.03)


def test_without_a_seed_a_spread_is_its_mean_and_a_share_is_everybody() -> None:
    found = meant(
        '[person]\nweight = { mean = "80 kg", sd = "10 kg" }\n[[drug]]\nid = "thiazide"\nshare = 0.1\n', count=3
    )
    assert (found.people.constants[ROWS["person.weight"]] == 80).all()
    assert held(found, "kidney.ncc", 1, 2) < 1
    assert any("share" in note for note in found.notes)


def test_somebody_who_cannot_be_is_lost_alone() -> None:
    text = '[own]\n"normal.magnesium_in_urine" = "10 mmol/d"\n'
    found = meant(text, count=200, seed=1)
    lost = ~np.isfinite(found.people.states).all(axis=0)
    assert 0 < lost.sum() < 100


def test_too_much_is_a_slip_of_the_pen() -> None:
    with pytest.raises(ScenarioError, match="too often"):
        protocol(Scenario(title="a", length="1000000000 d"))
