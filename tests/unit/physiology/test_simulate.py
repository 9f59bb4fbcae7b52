"""Courses: mass is kept, people do not disturb each other, and time has no origin."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carnallite.errors import UnknownIdError
from carnallite.physiology import engine
from carnallite.physiology.generate import Status, python
from carnallite.physiology.load import model
from carnallite.physiology.measured import collected, measured, measures
from carnallite.physiology.protocol import protocol
from carnallite.physiology.scenario import Scenario, parse
from carnallite.physiology.simulate import MissingExtra, Trajectories, balance_error, pools, run, simulate
from carnallite.quantity import analyte

IONS = ("magnesium.plasma", "potassium.plasma", "calcium.ionized", "water.plasma_sodium")
EXACT = 1e-4  # of the values: what whole courses are held to
needs_kernel = pytest.mark.skipif(engine.kernel() is None, reason="no compiled kernel")
PEOPLE = """
title  = "people"
length = "6 d"
[person]
women  = 0.5
age    = { mean = "60 a", sd = "15 a", low = "20 a", high = "95 a" }
weight = { mean = "70 kg", sd = "12 kg", low = "40 kg" }
[diet]
meals     = ["08:00", "19:00"]
magnesium = { mean = "12 mmol/d", sd = "3 mmol/d", low = "2 mmol/d" }
[[drug]]
id    = "thiazide"
share = 0.5
from  = "2 d"
[[cause]]
id       = "short_bowel"
phenotype = "end_jejunostomy"
strength = { mean = "0.5", sd = "0.2", low = "0", high = "1" }
from     = "1 d"
[[dose]]
what   = "MgSO4"
amount = "0.2 mmol/kg"
route  = "intravenous"
over   = "2 h"
at     = "3 d"
"""


def course(text: str, outputs: tuple[str, ...] = IONS, **how: int) -> Trajectories:
    return simulate(parse(f'title = "a"\n{text}'), outputs=outputs, **how)


def near(one: Trajectories, other: Trajectories, exact: float = EXACT) -> bool:
    return bool(np.allclose(one.values, other.values, rtol=exact, atol=exact))


def test_health_stays_as_it_is() -> None:
    rest = course('length = "60 d"\n', outputs=(*IONS, "outside.magnesium_urine"))
    assert np.ptp(rest.values[..., :4], axis=1).max() < 1e-8  # the bar, for either engine
    assert balance_error(simulate(Scenario(title="a"), outputs=pools()))["magnesium"] < 1e-9


def test_nothing_is_made_or_lost() -> None:
    people = simulate(parse(PEOPLE), count=5, seed=3, outputs=pools())
    assert not people.ended_early.any()
    errors = balance_error(people)
    assert set(errors) == {"magnesium", "potassium", "calcium", "sodium", "phosphate", "base", "water"}
    assert max(errors.values()) < 1e-9


@needs_kernel
@pytest.mark.parametrize("first", [0, 1, 8, 19])
def test_a_person_is_the_same_alone_and_in_company(first: int) -> None:
    scenario = parse(PEOPLE)
    many = simulate(scenario, count=20, seed=7, outputs=IONS)
    alone = run(protocol(scenario, seed=7, first=first), IONS)
    seven = run(protocol(scenario, seed=7, first=max(0, first - 3), count=7), IONS)
    assert (alone.values[0] == many.values[first]).all()
    assert (seven.values[first - max(0, first - 3)] == many.values[first]).all()


@needs_kernel
def test_both_engines_agree() -> None:
    text = (
        'length = "2 d"\n[diet]\nmeals = ["08:00", "19:00"]\n[[dose]]\nwhat = "KCl"\namount = "40 mmol"\n'
        'route = "oral"\nat = "1 d"\n[sampling]\nat = ["0 d", "30 h", "2 d"]\n'
    )
    scenario = parse(f'title = "a"\n{text}')
    kernel, python = (simulate(scenario, outputs=IONS, engine=name) for name in ("kernel", "python"))
    assert near(kernel, python)
    assert any("SciPy" in note for note in python.notes)


@given(st.floats(2, 40), st.floats(0.5, 12), st.floats(0.1, 0.9))
@settings(max_examples=12, deadline=None)
def test_a_split_dose_is_the_whole_dose(amount: float, hours: float, share: float) -> None:
    def dose(size: float, at: float, over: float) -> str:
        return (
            f'[[dose]]\nwhat = "MgSO4"\namount = "{size!r} mmol"\nroute = "intravenous"\n'
            f'at = "{at!r} h"\nover = "{over!r} h"\n'
        )

    head = 'length = "3 d"\n[sampling]\nat = ["26 h", "40 h", "3 d"]\n'
    whole = course(head + dose(amount, 24.0, hours))
    one_after_the_other = course(
        head + dose(amount * share, 24.0, hours * share) + dose(amount * (1 - share), 24 + hours * share,
                                                                  hours * (1 - share))
    )  # fmt: skip
    together = course(head + dose(amount * share, 24.0, hours) + dose(amount * (1 - share), 24.0, hours))
    assert near(whole, one_after_the_other)
    assert near(whole, together)


@given(st.floats(0.25, 20))
@settings(max_examples=8, deadline=None)
def test_time_has_no_origin(days: float) -> None:
    # at rest with continuous feeding it does not matter when something begins
    def begun(at: float) -> Trajectories:
        return course(
            f'length = "25 d"\n[[drug]]\nid = "loop_diuretic"\nfrom = "{at!r} h"\n'
            f'[[dose]]\nwhat = "KCl"\namount = "40 mmol"\nroute = "oral"\nat = "{at + 5!r} h"\n'
            f'[sampling]\nat = ["{at!r} h", "{at + 6!r} h", "{at + 48!r} h", "{at + 100!r} h"]\n'
        )

    assert near(begun(0.0), begun(days * 24))


@given(st.floats(1, 30))
@settings(max_examples=8, deadline=None)
def test_a_run_in_of_rest_changes_nothing(days: float) -> None:
    text = '[sampling]\nat = ["0 d", "30 h", "4 d"]\n[[drug]]\nid = "loop_diuretic"\nfrom = "1 d"\n'
    assert near(course(f'length = "4 d"\n{text}'), course(f'length = "4 d"\nrun_in = "{days!r} d"\n{text}'))


def test_a_course_that_began_before_is_the_same_course() -> None:
    drug = '[[drug]]\nid = "loop_diuretic"\n'
    later = course(f'length = "20 d"\n{drug}[sampling]\nat = ["15 d", "20 d"]\n')
    restart = course(f'length = "10 d"\nrun_in = "10 d"\n{drug}[sampling]\nat = ["5 d", "10 d"]\n')
    assert near(later, restart)


@needs_kernel
def test_a_clamp_holds_the_level() -> None:
    for what, to in (("magnesium", 0.5), ("potassium", 3.0)):
        held = course(f'length = "4 d"\n[[clamp]]\nwhat = "{what}"\nto = "{to} mmol/L"\nfrom = "1 d"\n')
        assert held.at(96, f"{what}.plasma")[0] == pytest.approx(to, rel=0.02)


@needs_kernel
def test_citrate_takes_more_magnesium() -> None:
    text = 'length = "3 d"\n[[crrt]]\ndialysate = "2 L/h"\nmagnesium = "0.5 mmol/L"\nfrom = "1 d"\n'
    plain, citrate = (course(text + more).at(72, "magnesium.plasma")[0] for more in ("", "citrate = true\n"))
    assert citrate < plain < 0.85


def test_who_cannot_be_ends_early_and_the_others_do_not() -> None:
    people = course('length = "2 d"\n[own]\n"normal.magnesium_in_urine" = "10 mmol/d"\n', count=40, seed=1)
    assert 0 < people.ended_early.sum() < 40
    assert np.isfinite(people.values[~people.ended_early]).all()
    assert np.isnan(people.values[people.ended_early][:, 1:]).all()


def test_an_unknown_output_is_refused() -> None:
    with pytest.raises(UnknownIdError, match=r"magnesium\.plasma"):
        course("", outputs=("magnesium.plasm",))


def test_every_test_measures_something_of_the_body() -> None:
    known = {item.name for item in (*model().states, *model().equations)}
    for id, measure in measures().items():
        assert measure.output in known
        assert analyte(id).factor(measure.unit) > 0
        assert measure.per_day == measure.output.startswith("outside.")


def test_tests_of_a_healthy_person_are_usual() -> None:
    outputs = tuple({measure.output for measure in measures().values()})
    rest = simulate(Scenario(title="a", length="3 d"), outputs=outputs)
    for id in measures():
        usual = analyte(id).reference(sex="male", age=40)
        value = measured(rest, id)[0, -1]
        assert usual is None or (usual.low or 0) <= value <= (usual.high or np.inf), id


def test_a_collection_needs_a_day() -> None:
    found = collected(np.array([0.0, 12.0, 24.0, 30.0, 48.0]), np.array([[0.0, 6.0, 10.0, 12.0, 18.0]]))
    assert np.isnan(found[0, :2]).all()
    assert found[0, 2:].tolist() == [10.0, 9.0, 8.0]
    assert np.isnan(collected(np.array([0.0]), np.array([[1.0]]))).all()


def test_a_frame_has_a_row_for_each_person_and_sample() -> None:
    people = course('length = "2 d"\n', count=3, seed=1)
    frame = people.frame()
    assert len(frame) == 3 * len(people.time)
    assert frame.index.names == ["person", "time_h"]
    assert frame.loc[(2, 24.0), "potassium.plasma"] == people["potassium.plasma"][2, 24]


def test_a_data_set_knows_its_units() -> None:
    data = course('length = "2 d"\n', count=3, seed=1).dataset()
    assert data["potassium.plasma"].attrs["units"] == "mmol/L"
    assert data["potassium.plasma"].sel(person=1, time=24.0).item() > 2
    assert data.sizes == {"person": 3, "time": 49}


@pytest.mark.parametrize("how", ["frame", "dataset"])
def test_what_is_not_installed_is_named(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pandas", "xarray"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtra, match=r"pip install 'carnallite\[frames\]'"):
        getattr(course('length = "2 h"\n'), how)()


def test_the_slow_engine_tells_a_course_that_cannot_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(source: str, name: str, library: dict[str, object]) -> object:
        def rates(*_: object) -> None:
            raise ValueError("a logarithm of what fell below zero")

        return rates if name == "rates" else compiled(source, name, library)

    compiled = python.compiled
    monkeypatch.setattr(python, "compiled", broken)
    ended = simulate(Scenario(title="a", length="2 d"), engine="python")
    assert ended.status[0] == Status.NOT_FINITE
    assert np.isnan(ended.values[0, -1]).all()
