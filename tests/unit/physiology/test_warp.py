"""The kernel by NVIDIA Warp, on its CPU target, against the compiled kernel."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest

sympy = pytest.importorskip("sympy")
sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks"))

from people import errors  # noqa: E402

from carnallite.physiology import engine, parse, protocol  # noqa: E402
from carnallite.physiology.generate import Course, Event, KernelUnusable, Schedules, Status, load, schedules  # noqa: E402
from carnallite.physiology.generate import one_lane as one_lane_module  # noqa: E402
from carnallite.physiology.generate.assemble import system  # noqa: E402
from carnallite.physiology.generate.build import build  # noqa: E402
from carnallite.physiology.generate.c import tableaux  # noqa: E402
from carnallite.physiology.generate.one_lane import one_lane  # noqa: E402
from carnallite.physiology.generate.system import System, SystemInvalid  # noqa: E402
from carnallite.physiology.generate.warp import WarpKernel, WarpMissing, compile_warp  # noqa: E402
from carnallite.physiology.load import model  # noqa: E402
from carnallite.physiology.simulate import ATOL, LONGEST, RTOL, program, scales  # noqa: E402

if TYPE_CHECKING:
    from carnallite.physiology.generate import Kernel, Solution

PEOPLE = 16
SCENARIO = """
title  = "Meals, tablets and infusions"
length = "10 d"

[diet]
meals = ["08:00", "13:00", "19:00"]

[[dose]]
what   = "KCl"
amount = "30 mmol"
route  = "oral"
daily  = ["08:00", "20:00"]

[[dose]]
what   = "magnesium sulfate"
amount = "4 g"
route  = "intravenous"
over   = "4 h"
daily  = ["10:00"]
count  = 3
"""


class Given(NamedTuple):
    parameters: np.ndarray
    initial: np.ndarray
    course: Course
    schedules: Schedules
    schedule: np.ndarray


def tank() -> System:
    """Return a system that compiles at once: a tank that fills and runs out."""
    level, inflow, drain = (sympy.Symbol(name, real=True) for name in ("level", "inflow", "drain"))
    return System(("clock", "level"), ("inflow", "drain"), (), (sympy.Integer(1), inflow - drain * level), ("level",))


@pytest.fixture(scope="module")
def kernel() -> Kernel:
    found = engine.kernel()
    return found or pytest.skip("no C compiler")


@pytest.fixture(scope="module")
def body() -> WarpKernel:
    pytest.importorskip("warp")
    return compile_warp(system(model()))


@pytest.fixture(scope="module")
def small() -> WarpKernel:
    pytest.importorskip("warp")
    return compile_warp(tank(), at_once=3)


@pytest.fixture(scope="module")
def given(kernel: Kernel) -> Given:
    people = protocol(parse(SCENARIO), count=PEOPLE, seed=3)
    parameters, events, whose = program(people, kernel.parameters)
    course = Course(
        people.start, people.end, people.samples, rtol=RTOL, atol=ATOL * scales(), longest_step=LONGEST
    )  # fmt: skip
    return Given(parameters, people.people.states.T, course, events, whose)


@pytest.fixture(scope="module")
def expected(kernel: Kernel, given: Given) -> Solution:
    return solve(kernel, given)


def solve(kernel: Any, given: Given, **more: Any) -> Solution:
    return kernel.solve(*given[:3], **{"schedules": given.schedules, "schedule": given.schedule} | more)


def test_courses_are_those_of_the_compiled_kernel(body: WarpKernel, given: Given, expected: Solution) -> None:
    found = solve(body, given)
    assert found.status.tolist() == expected.status.tolist() == [Status.OK] * PEOPLE
    assert found.reached.tolist() == expected.reached.tolist()
    assert errors(found.states, expected.states).max() < 1e-4
    assert errors(found.end.states[:, None], expected.end.states[:, None]).max() < 1e-4
    assert found.end.parameters == pytest.approx(expected.end.parameters, rel=0, abs=0)
    assert found.steps == pytest.approx(expected.steps, rel=0.01)


def test_one_person_is_the_same_in_company(body: WarpKernel, given: Given) -> None:
    everybody = solve(body, given)
    alone = solve(body, Given(given.parameters[5:6], given.initial[5:6], *given[2:4], given.schedule[5:6]))
    assert np.array_equal(alone.states[0], everybody.states[5])
    assert np.array_equal(alone.end.memory[0], everybody.end.memory[5])


def test_every_kind_of_event_and_landing_are_those_of_the_compiled_kernel(
    body: WarpKernel, kernel: Kernel, given: Given
) -> None:
    pools = [kernel.states.index(name) for name in ("magnesium.extracellular", "potassium.extracellular")]
    drip = kernel.parameters.index("treatment.intravenous_potassium")
    nephrons = kernel.parameters.index("kidney.nephrons")
    events = schedules(
        [Event(0.0, "scale", nephrons, 0.5), Event(5.0, "set", drip, 10.0), Event(9.5, "set", drip, 0.0)],
        [Event(2.0, "add", pools[0], 1.0), Event(2.0, "add", pools[1], 5.0), Event(3.3, "mark")],
    )
    mine = given._replace(
        course=replace(given.course, start=0.0, end=30.0, samples=np.linspace(0, 30, 13), land=True),
        schedules=events,
        schedule=np.arange(PEOPLE) % 2,
    )
    columns = pools[::-1]
    found, expected = solve(body, mine, keep=columns), solve(kernel, mine, keep=columns)
    assert found.states.shape == (PEOPLE, 13, 2)
    assert found.states == pytest.approx(expected.states, rel=1e-4)


def test_a_course_goes_on_where_it_ended(body: WarpKernel, given: Given) -> None:
    pair = [Event(24.0, "mark")]
    mine = given._replace(schedules=schedules(pair), schedule=np.zeros(PEOPLE, int))

    def part(start: float, end: float, **more: Any) -> Solution:
        return solve(body, mine._replace(course=replace(given.course, start=start, end=end, samples=(end,))), **more)

    whole, first = part(0.0, 48.0), part(0.0, 24.0)
    assert np.array_equal(part(24.0, 48.0, begin=first.end).states, whole.states)


def test_float32_is_as_exact_as_it_says(given: Given, expected: Solution) -> None:
    pytest.importorskip("warp")
    kernel = compile_warp(system(model()), precision="float32")
    found = solve(kernel, given)
    assert found.status.tolist() == expected.status.tolist()
    assert errors(found.states, expected.states).max() < 1e-4


@pytest.mark.parametrize("method", sorted(tableaux()))
def test_every_method_has_a_kernel(method: str) -> None:
    pytest.importorskip("warp")
    for precision, exact in (("float64", 1e-8), ("float32", 1e-5)):
        kernel = compile_warp(tank(), method=method, precision=precision)  # type: ignore[arg-type]
        course = Course(0.0, 5.0, (0.0, 1.3, 5.0), rtol=1e-9 if exact < 1e-6 else 1e-6, method=method, atol=1e-9)
        found = kernel.solve([[2.0, 0.5]], [[0.0, 1.0]], course)
        times = np.array(course.samples)
        assert found.states[0, :, 1] == pytest.approx(4 - 3 * np.exp(-0.5 * times), rel=exact)
        assert found.states[0, :, 0] == pytest.approx(times, rel=exact)


def test_statuses_are_those_of_the_compiled_kernel(small: WarpKernel, tmp_path: Path) -> None:
    compiled = load(build(tank(), tmp_path))
    persons = np.array([[2.0, 0.5], [100.0, 0.5], [np.nan, 0.5], [0.5, 0.5], [2.0, 0.5], [2.0, 1.0], [2.0, 0.1]])
    initial, whose = np.tile([0.0, 1.0], (7, 1)), np.array([0, 0, 0, 0, 7, 1, 1])
    course = Course(
        0.0, 900.0, (10.0, 40.0), steady=1e-5, may_drift=[True, False], low=[-np.inf, -9.0], high=[np.inf, 10.0],
        longest_step=10.0,
    )  # fmt: skip
    events = schedules([], [Event(10.0, "add", 1, -50.0), Event(49.0, "mark")])
    seen: set[int] = set()
    for more in ({}, {"steps": 3}):
        asked = (persons, initial, replace(course, **more))
        found, expected = (each.solve(*asked, schedules=events, schedule=whose) for each in (small, compiled))
        assert found.status.tolist() == expected.status.tolist()
        assert found.reached == pytest.approx(expected.reached, rel=1e-3)
        assert np.array_equal(np.isnan(found.states), np.isnan(expected.states))
        seen |= set(found.status.tolist())
    assert seen >= set(Status) - {Status.OK, Status.STEP_TOO_SMALL}


def test_people_who_take_turns_are_the_same_as_together(small: WarpKernel) -> None:
    together, course = compile_warp(tank()), Course(0.0, 9.0, (4.5,))
    persons, initial = np.linspace(0.1, 2, 16).reshape(8, 2), np.ones((8, 2))
    each, all_ = small.solve(persons, initial, course), together.solve(persons, initial, course)
    assert np.array_equal(each.states, all_.states)
    assert np.array_equal(each.end.parameters, persons)


def test_the_assembly_for_a_graphics_processor_can_be_made_without_one(small: WarpKernel, tmp_path: Path) -> None:
    assert ".target sm_90" in small.compile_ahead(tmp_path).read_text("latin-1")


def test_what_is_not_there_is_named(small: WarpKernel) -> None:
    with pytest.raises(KernelUnusable, match="rodas4p2"):
        compile_warp(tank(), method="rodas4p")
    with pytest.raises(KernelUnusable, match="grk4t"):
        small.solve([[1.0, 1.0]], [[0.0, 1.0]], Course(0.0, 1.0, method="grk4t"))
    with pytest.raises(WarpMissing, match="Use cpu"):
        compile_warp(tank(), device="cuda:99")


def test_without_warp_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "warp", None)
    with pytest.raises(WarpMissing, match=r"carnallite\[warp\]"):
        compile_warp(tank())


def test_a_core_that_has_changed_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(one_lane_module, "_CHANGES", (("what was there once", ""),))
    with pytest.raises(SystemInvalid, match="what was there once"):
        one_lane(tank(), tableaux()["rodas4p2"])
