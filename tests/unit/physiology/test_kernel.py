"""The compiled kernel against SciPy, against itself, and against what its page promises."""

from __future__ import annotations

import math
import shutil
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest

sympy = pytest.importorskip("sympy")
integrate = pytest.importorskip("scipy.integrate")

from carnallite.datafile import DataFileError  # noqa: E402
from carnallite.physiology.generate.build import build  # noqa: E402
from carnallite.physiology.generate.c import source, tableaux  # noqa: E402
from carnallite.physiology.generate.compiler import CompilerMissing, find_compiler, variants  # noqa: E402
from carnallite.physiology.generate.native import (  # noqa: E402
    Course,
    Event,
    Kernel,
    KernelUnusable,
    Status,
    load,
    schedules,
)
from carnallite.physiology.generate.symbolic import Graph, compile_system, eliminate  # noqa: E402
from carnallite.physiology.generate.system import System, SystemInvalid  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

try:
    find_compiler()
except CompilerMissing:
    pytest.skip("no C compiler", allow_module_level=True)


def symbols(names: str) -> list[sympy.Symbol]:
    return [sympy.Symbol(name, real=True) for name in names.split()]


def robertson() -> System:
    a, b, c, slow, fast, back = symbols("acid base salt rate.slow rate.fast rate.back")
    loss = sympy.Symbol("loss", real=True)
    return System(
        states=("acid", "base", "salt", "made"),
        parameters=("rate.slow", "rate.fast", "rate.back"),
        assignments=(("loss", fast * b**2),),
        rates=(-slow * a + back * b * c, slow * a - back * b * c - loss, loss, loss),
        outputs=("loss", "salt"),
    )


def gut() -> System:
    """Use every function of the language, two pools, one accumulator, and a kink."""
    gut, blood, intake, v, k, n, target = symbols("gut blood intake v k n target")
    uptake, load, spill = symbols("uptake load spill")
    gate = sympy.Piecewise((1.0, blood < target), (target / blood, blood < 2 * target), (0.5, True))
    return System(
        states=("gut", "blood", "lost", "clock"),
        parameters=("intake", "v", "k", "n", "target"),
        assignments=(
            ("uptake", v * gut / (k + gut) + 0.1 * sympy.sqrt(1 + gut)),
            ("load", (blood / target) ** n),
            ("spill", sympy.Max(0, sympy.Min(sympy.Symbol("load", real=True), 3) - 0.5) * sympy.exp(-0.1 * gut)),
        ),
        rates=(
            intake - uptake * gate,
            uptake * gate - spill * sympy.tanh(blood) - 0.1 * sympy.log(1 + blood**2),
            spill * sympy.tanh(blood),
            -20 * (sympy.Symbol("clock", real=True) - load) + 0 * uptake,
        ),
        outputs=("uptake", "spill", "blood"),
    )


GUT_PARAMETERS = np.array([1.0, 2.0, 0.3, 1.7, 1.5])
GUT_INITIAL = np.array([0.5, 1.0, 0.0, 0.5])
ROBERTSON = (np.array([[0.04, 3e7, 1e4]]), np.array([[1.0, 0.0, 0.0, 0.0]]))


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kernels")


@pytest.fixture(scope="session", params=sorted(variants()))
def gut_kernel(folder: Path, request: pytest.FixtureRequest) -> Kernel:
    try:
        return load(build(gut(), folder), request.param)
    except KernelUnusable:
        pytest.skip(f"this processor cannot run {request.param}")


@pytest.fixture(scope="session")
def robertson_kernel(folder: Path) -> Kernel:
    return load(build(robertson(), folder))


def gut_rates(_: float, y: np.ndarray, p: np.ndarray = GUT_PARAMETERS) -> np.ndarray:
    (gut, blood, _, clock), (intake, v, k, n, target) = y, p
    uptake = v * gut / (k + gut) + 0.1 * math.sqrt(1 + gut)
    load = (blood / target) ** n
    spill = max(0.0, min(load, 3.0) - 0.5) * math.exp(-0.1 * gut)
    gate = 1.0 if blood < target else target / blood if blood < 2 * target else 0.5
    lost = spill * math.tanh(blood)
    return np.array(
        [intake - uptake * gate, uptake * gate - lost - 0.1 * math.log(1 + blood**2), lost, -20 * (clock - load)]
    )


def persons(count: int) -> np.ndarray:
    return GUT_PARAMETERS * np.exp(0.2 * np.random.default_rng(4).standard_normal((count, 5)))


def meals() -> list[Event]:
    edges = [(8.0, 6.0), (8.5, 0.0), (13.0, 9.0), (13.5, 0.2)]
    events = [Event(24 * day + hour, "scale", 0, value) for day in range(3) for hour, value in edges]
    return [*events, Event(0.0, "scale", 0, 0.5), Event(30.0, "add", 1, 0.7), Event(30.0, "set", 1, 1.1)]


DAY = Course(0.0, 72.0, np.arange(0.0, 73.0), rtol=1e-5, atol=1e-8)


def solve_gut(kernel: Kernel, p: np.ndarray, course: Course = DAY, **more: object) -> object:
    return kernel.solve(p, np.tile(GUT_INITIAL, (len(p), 1)), course, schedules=schedules(meals(), []), **more)


# Mathematics

_random = np.random.default_rng(1)
_FUNCTIONS = {
    "exp": (np.exp, np.r_[_random.uniform(-700, 700, 20_000), _random.normal(0, 1, 20_000)]),
    "log": (np.log, np.r_[np.exp(_random.uniform(-700, 700, 20_000)), _random.uniform(0.4, 2.2, 40_000)]),
    "tanh": (np.tanh, np.r_[_random.normal(0, 3, 20_000), _random.normal(0, 1e-6, 20_000)]),
    "sqrt": (np.sqrt, _random.uniform(0, 1e6, 1_000)),
    "reciprocal": (lambda x: 1 / x, _random.normal(0, 10, 1_000)),
}


@pytest.mark.parametrize("name", _FUNCTIONS)
def test_functions_are_exact_to_a_few_units_in_the_last_place(gut_kernel: Kernel, name: str) -> None:
    function, x = _FUNCTIONS[name]
    exact = function(x.astype(np.longdouble))
    error = np.abs(gut_kernel.function(name, x) - exact) / np.spacing(np.abs(exact.astype(float)))
    assert error.max() <= (3 if name == "tanh" else 2)


@pytest.mark.parametrize("name", ["exp", "log", "tanh", "sqrt"])
def test_functions_of_what_is_no_number_or_infinite(gut_kernel: Kernel, name: str) -> None:
    x = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, -1.0, 1.0, 750.0, -750.0])
    with np.errstate(all="ignore"):
        exact = getattr(np, name)(x)
    assert gut_kernel.function(name, x) == pytest.approx(exact, rel=1e-15, abs=1e-300, nan_ok=True)


# Equations


def test_rates_are_those_of_the_equations(gut_kernel: Kernel) -> None:
    p = persons(21)
    y = np.abs(np.random.default_rng(2).standard_normal((21, 4))) * 2
    expected = [gut_rates(0.0, *pair) for pair in zip(y, p, strict=True)]
    assert gut_kernel.rates(y, p) == pytest.approx(np.array(expected), rel=1e-13, abs=1e-14)


def test_the_jacobian_is_that_of_finite_differences(gut_kernel: Kernel) -> None:
    p, h = persons(21), 1e-6
    y = np.abs(np.random.default_rng(2).standard_normal((21, 4))) * 2 + 0.1
    jacobian = gut_kernel.jacobian(y, p)
    for state in range(4):
        step = h * np.eye(4)[state]
        difference = (gut_kernel.rates(y + step, p) - gut_kernel.rates(y - step, p)) / (2 * h)
        assert jacobian[:, :, state] == pytest.approx(difference, rel=1e-6, abs=1e-7)


def test_what_is_equal_is_one_node() -> None:
    graph = Graph()
    x, y = graph.make("state", value=0), graph.make("state", value=1)
    assert graph.multiply(x, y) == graph.multiply(y, x)
    assert graph.subtract(x, x) == graph.constant(0)
    assert graph.negative(graph.negative(x)) == x


def test_states_that_nobody_reads_cost_nothing_to_eliminate() -> None:
    program = compile_system(robertson())
    plan = eliminate(4, program.jacobian)
    assert plan.order[0] == 3
    assert not plan.below[0]


# Methods


def smooth() -> System:
    prey, hunter, scent = symbols("prey hunter scent")
    rates = (prey * (1 - hunter), hunter * (prey - 1.5), sympy.tanh(prey) - scent * sympy.exp(-hunter))
    return System(("prey", "hunter", "scent"), (), (), rates, ("prey",))


@pytest.mark.parametrize("method", sorted(tableaux()))
def test_the_error_falls_with_the_order_of_the_method(folder: Path, method: str) -> None:
    """Steps of one length on a system without kinks: the measured order checks every coefficient."""
    kernel = load(build(smooth(), folder))

    def end(steps: int, rtol: float = 1e6) -> list[np.ndarray]:
        course = Course(0.0, 2.0, (0.777, 1.111), rtol, rtol, method, longest_step=2.0 / steps)
        solution = kernel.solve(np.empty((1, 0)), [[1.0, 2.0, 0.5]], course, first_step=[2.0 / steps])
        return [solution.end.states[0], solution.states[0]]

    exact, order = end(1, 1e-13), tableaux()[method].order
    errors = np.array([[np.abs(a - b).max() for a, b in zip(end(n), exact, strict=True)] for n in (32, 64, 128)])
    assert np.log2(errors[0, 0] / errors[2, 0]) / 2 > order - 0.3
    assert np.log2(errors[0, 1] / errors[2, 1]) / 2 > 3


def test_a_very_stiff_system_agrees_with_radau(robertson_kernel: Kernel) -> None:
    times = np.array([0.4, 4.0, 40.0, 400.0, 4e3, 1e4])

    def rates(_: float, y: np.ndarray) -> list[float]:
        loss, turn = 3e7 * y[1] ** 2, -0.04 * y[0] + 1e4 * y[1] * y[2]
        return [turn, -turn - loss, loss, loss]

    reference = integrate.solve_ivp(
        rates, (0, 1e4), ROBERTSON[1][0], method="Radau", rtol=1e-11, atol=1e-15, t_eval=times
    )
    course = Course(0.0, 1e4, times, rtol=1e-9, atol=1e-15)
    solution = robertson_kernel.solve(*ROBERTSON, course)
    assert solution.status.tolist() == [Status.OK]
    assert solution.states[0] == pytest.approx(reference.y.T, rel=1e-7, abs=1e-12)
    assert solution.states[0, :, :3].sum(axis=1) == pytest.approx(1.0, abs=1e-12)
    assert solution.states[0, :, 3] == pytest.approx(solution.states[0, :, 2], rel=1e-12)


@pytest.mark.parametrize("method", sorted(tableaux()))
def test_segments_between_events_agree_with_dop853(gut_kernel: Kernel, method: str) -> None:
    course = replace(DAY, rtol=1e-10, atol=1e-12, method=method)
    solution = solve_gut(gut_kernel, GUT_PARAMETERS[None], course)
    y, p, reference = GUT_INITIAL.copy(), GUT_PARAMETERS.copy(), [GUT_INITIAL]
    events = sorted(meals(), key=lambda event: event.time)
    stops = sorted({0.0, 72.0, *(event.time for event in events)})
    for begin, end in pairwise(stops):
        for event in (event for event in events if event.time == begin):
            if event.kind == "add":
                y[event.index] += event.value
            else:
                p[event.index] = event.value * (GUT_PARAMETERS[event.index] if event.kind == "scale" else 1)
        hours = [hour for hour in range(73) if begin < hour <= end]
        part = integrate.solve_ivp(
            partial(gut_rates, p=p),
            (begin, end), y, "DOP853", sorted({*hours, end}), rtol=1e-11, atol=1e-13, max_step=0.02,
        )  # fmt: skip
        reference += list(part.y.T[: len(hours)])
        y = part.y[:, -1].copy()
    assert solution.states[0] == pytest.approx(np.array(reference), rel=3e-7, abs=1e-8)
    assert solution.end.parameters[0] == pytest.approx(p)


def test_methods_agree(gut_kernel: Kernel) -> None:
    p = persons(9)
    each = [solve_gut(gut_kernel, p, replace(DAY, rtol=1e-8, atol=1e-11, method=m)).states for m in gut_kernel.methods]
    for one in each[1:]:
        assert one == pytest.approx(each[0], rel=1e-5, abs=1e-6)


def test_landing_on_samples_agrees_with_interpolation(gut_kernel: Kernel) -> None:
    p = persons(9)
    inside, landed = (solve_gut(gut_kernel, p, replace(DAY, rtol=1e-8, land=land)).states for land in (False, True))
    assert inside == pytest.approx(landed, rel=1e-4, abs=1e-6)


# Persons


def test_a_person_does_not_depend_on_lane_order_company_or_threads(gut_kernel: Kernel) -> None:
    p = persons(37)
    whose = np.arange(37) % 2
    together = solve_gut(gut_kernel, p, schedule=whose)
    order = np.random.default_rng(7).permutation(37)
    shuffled = solve_gut(gut_kernel, p[order], schedule=whose[order], threads=3)
    assert shuffled.states.tobytes() == together.states[order].tobytes()
    assert shuffled.end.memory.tobytes() == together.end.memory[order].tobytes()
    for person in (0, 5, 36):
        alone = solve_gut(gut_kernel, p[[person]], schedule=whose[[person]])
        assert alone.states.tobytes() == together.states[[person]].tobytes()
        assert alone.steps[0] == together.steps[person]


def test_two_courses_that_meet_at_a_mark_are_one(gut_kernel: Kernel) -> None:
    p, initial = persons(11), np.tile(GUT_INITIAL, (11, 1))
    plan = schedules([*meals(), Event(40.0, "mark")])
    whole = gut_kernel.solve(p, initial, DAY, schedules=plan)
    first = gut_kernel.solve(p, initial, replace(DAY, end=40.0, samples=np.arange(0.0, 41.0)), schedules=plan)
    second = gut_kernel.solve(
        p, initial, replace(DAY, start=40.0, samples=np.arange(40.0, 73.0)), schedules=plan, begin=first.end
    )
    assert np.concatenate([first.states, second.states[:, 1:]], axis=1).tobytes() == whole.states.tobytes()
    assert second.states[:, 0].tobytes() == first.states[:, -1].tobytes()
    for name in ("states", "parameters", "memory"):
        assert getattr(second.end, name).tobytes() == getattr(whole.end, name).tobytes()


def test_samples_at_an_event_are_the_state_before_it(gut_kernel: Kernel) -> None:
    plan = schedules([Event(0.0, "add", 0, 5.0), Event(1.0, "add", 1, 5.0), Event(2.0, "add", 2, 5.0)])
    course = Course(0.0, 2.0, (0.0, 1.0, 1.0 + 1e-9, 2.0))
    solution = gut_kernel.solve(GUT_PARAMETERS[None], GUT_INITIAL[None], course, schedules=plan)
    assert solution.states[0, 0] == pytest.approx(GUT_INITIAL)
    assert solution.states[0, 2, 1] - solution.states[0, 1, 1] == pytest.approx(5.0)
    assert solution.end.states[0, 2] < 5.0


def test_only_kept_states_are_reported(gut_kernel: Kernel) -> None:
    p = persons(3)
    assert (solve_gut(gut_kernel, p, keep=[2, 0]).states == solve_gut(gut_kernel, p).states[:, :, [2, 0]]).all()


def test_outputs_follow_the_schedule(gut_kernel: Kernel) -> None:
    p = persons(5)
    course = replace(DAY, samples=np.array([0.0, 8.25, 13.0, 13.1, 29.0, 30.0, 31.0, 60.0, 72.0]))
    states = solve_gut(gut_kernel, p, course).states
    plan = {"schedules": schedules(meals())}
    outputs = gut_kernel.observe(p, states, course, **plan, threads=2)
    v = np.where(np.asarray(course.samples) > 30.0, 1.1, p[:, 1, None])
    gut = states[:, :, 0]
    assert outputs[:, :, 0] == pytest.approx(v * gut / (p[:, 2, None] + gut) + 0.1 * np.sqrt(1 + gut))
    assert outputs[:, :, 2] == pytest.approx(states[:, :, 1])
    assert (gut_kernel.observe(p, states, course, **plan, outputs=[2]) == outputs[:, :, [2]]).all()


# How a course can end


def test_a_course_that_is_steady_stops(gut_kernel: Kernel) -> None:
    course = Course(0.0, 1e6, (1.0, 1e6), steady=1e-7, may_drift=[0, 0, 1, 0])
    parameters = GUT_PARAMETERS * [0.3, 1, 1, 1, 1]
    solution = gut_kernel.solve(parameters[None], GUT_INITIAL[None], course)
    assert solution.status.tolist() == [Status.STEADY]
    assert solution.reached[0] < 1e6
    assert np.isnan(solution.states[0, 1]).all()
    rates = gut_kernel.rates(solution.end.states, solution.end.parameters)[0]
    assert np.abs(rates[[0, 1, 3]]).max() < 1e-5


def test_a_course_waits_for_what_is_scheduled(gut_kernel: Kernel) -> None:
    course = Course(0.0, 1e4, (), steady=1e-7, may_drift=[0, 0, 1, 0])
    parameters = GUT_PARAMETERS * [0.3, 1, 1, 1, 1]
    plan = schedules([Event(9e3, "add", 0, 1.0)])
    solution = gut_kernel.solve(parameters[None], GUT_INITIAL[None], course, schedules=plan)
    assert solution.reached[0] > 9e3


def test_a_course_that_leaves_its_range_stops(gut_kernel: Kernel) -> None:
    solution = solve_gut(gut_kernel, persons(9), replace(DAY, high=[2.0, np.inf, np.inf, np.inf]))
    assert (solution.status == Status.OUT_OF_RANGE).all()
    assert (solution.end.states[:, 0] > 2.0).all()


def test_too_many_steps(gut_kernel: Kernel) -> None:
    solution = solve_gut(gut_kernel, persons(9), replace(DAY, steps=20))
    assert (solution.status == Status.TOO_MANY_STEPS).all()
    assert (solution.steps == 20).all()


def test_a_pole_makes_steps_too_small(folder: Path) -> None:
    (x,) = symbols("x")
    kernel = load(build(System(("x",), (), (), (x**2,), ("x",)), folder))
    course = Course(0.0, 2.0, (0.5, 1.5))
    solution = kernel.solve(np.empty((1, 0)), [[1.0]], course)
    assert solution.status.tolist() == [Status.STEP_TOO_SMALL]
    assert solution.reached[0] == pytest.approx(1.0, abs=1e-4)
    assert solution.states[0, 0, 0] == pytest.approx(2.0, rel=1e-4)
    assert np.isnan(solution.states[0, 1, 0])


def test_what_cannot_be_evaluated_is_no_number_at_the_start(gut_kernel: Kernel) -> None:
    p = persons(9)
    p[4, 4] = -1.0
    initial = np.tile(GUT_INITIAL, (9, 1))
    initial[7, 0] = np.nan
    solution = gut_kernel.solve(p, initial, DAY)
    assert np.flatnonzero(solution.status == Status.NOT_FINITE).tolist() == [4, 7]
    assert (np.delete(solution.status, [4, 7]) == Status.OK).all()


@pytest.mark.parametrize(
    "event",
    [
        Event(np.nan, "mark"),
        Event(1.0, "set", 5),
        Event(1.0, "scale", -1),
        Event(1.0, "add", 4),
    ],
)
def test_a_bad_schedule_harms_only_its_owner(gut_kernel: Kernel, event: Event) -> None:
    plan = schedules([], [event])
    initial = np.tile(GUT_INITIAL, (3, 1))
    solution = gut_kernel.solve(persons(3), initial, DAY, schedules=plan, schedule=[0, 1, 7])
    assert solution.status.tolist() == [Status.OK, Status.BAD_SCHEDULE, Status.BAD_SCHEDULE]


def test_times_out_of_order_are_a_bad_schedule(gut_kernel: Kernel) -> None:
    plan = replace(schedules([Event(1.0, "mark"), Event(2.0, "mark")]), time=np.array([2.0, 1.0]))
    solution = gut_kernel.solve(persons(1), GUT_INITIAL[None], DAY, schedules=plan)
    assert solution.status.tolist() == [Status.BAD_SCHEDULE]


# What is refused


def test_arrays_that_do_not_fit_are_refused(gut_kernel: Kernel) -> None:
    with pytest.raises(KernelUnusable, match="has shape"):
        gut_kernel.solve(persons(3), GUT_INITIAL[None], DAY)
    with pytest.raises(KernelUnusable, match="Did you mean 'rodas4'"):
        gut_kernel.solve(persons(1), GUT_INITIAL[None], replace(DAY, method="rodas"))
    with pytest.raises(KernelUnusable, match="not sorted"):
        gut_kernel.solve(persons(1), GUT_INITIAL[None], replace(DAY, samples=(2.0, 1.0)))
    with pytest.raises(KernelUnusable, match="columns"):
        gut_kernel.solve(persons(1), GUT_INITIAL[None], DAY, keep=[4])


def test_systems_that_do_not_fit_are_refused() -> None:
    a, b = symbols("a b")
    with pytest.raises(SystemInvalid, match="not known here"):
        compile_system(System(("a",), (), (), (b,), ()))
    with pytest.raises(SystemInvalid, match="twice"):
        compile_system(System(("a",), ("a",), (), (a,), ()))
    with pytest.raises(SystemInvalid, match="rates"):
        compile_system(System(("a",), (), (), (), ()))
    with pytest.raises(SystemInvalid, match="cannot be computed"):
        compile_system(System(("a",), (), (), (sympy.sin(a),), ()))
    with pytest.raises(SystemInvalid, match="no last case"):
        compile_system(System(("a",), (), (), (sympy.Piecewise((a, a > 0)),), ()))


def test_a_method_whose_rows_do_not_fit_is_refused(tmp_path: Path) -> None:
    text = (tableaux.__defaults__[0] / "rodas4.toml").read_text("utf-8")
    (tmp_path / "rodas4.toml").write_text(text.replace("  [1.544],\n", "  [1.544, 2.0],\n"), "utf-8")
    with pytest.raises(DataFileError, match="rows do not fit"):
        tableaux(tmp_path)


def test_no_compiler_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(CompilerMissing, match="CC"):
        find_compiler()


def test_no_kernel_is_said(tmp_path: Path) -> None:
    with pytest.raises(KernelUnusable, match="no compiled kernel"):
        load(tmp_path)


def test_equal_systems_have_equal_sources() -> None:
    assert source(gut()) == source(gut())


def test_no_number_is_not_forgotten_behind_a_finite_state(folder: Path) -> None:
    level, clock, inflow = symbols("level clock inflow")
    rates = (inflow - level, 1 - clock)
    kernel = load(build(System(("level", "clock"), ("inflow",), (), rates, ("level",)), folder))
    broken = schedules([Event(1.0, "set", 0, float("nan"))])
    solution = kernel.solve([[1.0]], [[0.0, 0.0]], Course(0.0, 2.0, (2.0,)), schedules=broken)
    assert solution.status[0] != Status.OK
    assert np.isnan(solution.states[0, -1]).all()
