"""Load a compiled kernel and run it over NumPy arrays; needs neither SymPy nor a compiler."""

from __future__ import annotations

import ctypes
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from carnallite.errors import CarnalliteError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

_LEVELS = {4: "x86-64-v4", 3: "x86-64-v3", 1: "baseline"}
_NARROW = "-narrow"  # the same, bit for bit, a third faster for as few as it has lanes


class KernelUnusable(CarnalliteError):
    """A kernel is not there, or arrays do not fit it."""


class Status(IntEnum):
    """How the course of one person ended."""

    OK = 0
    STEADY = 1
    OUT_OF_RANGE = 2
    TOO_MANY_STEPS = 3
    STEP_TOO_SMALL = 4
    NOT_FINITE = 5
    BAD_SCHEDULE = 6


_KINDS = {"set": 0, "scale": 1, "add": 2, "mark": 3}


@dataclass(frozen=True, slots=True)
class Event:
    """One change at one time.

    ``set`` gives parameter `index` the value, ``scale`` gives it the person's own value times this, ``add`` adds to
    state `index`; ``mark`` changes nothing but lets a step end here.
    """

    time: float
    kind: Literal["set", "scale", "add", "mark"]
    index: int = 0
    value: float = 0.0


@dataclass(frozen=True, slots=True)
class Schedules:
    """Hold schedules that persons share; schedule i is events ``first[i]`` to ``first[i + 1]``, sorted by time [h]."""

    first: Integers
    time: Floats
    kind: Integers
    index: Integers
    value: Floats


def schedules(*each: Sequence[Event]) -> Schedules:
    """Return schedules in the form that a kernel reads; events of one time keep their order.

    >>> schedules([Event(2.0, "mark"), Event(1.0, "set", 0, 3.0)]).time.tolist()
    [1.0, 2.0]
    """
    events = [event for schedule in each for event in sorted(schedule, key=lambda event: event.time)]
    return Schedules(
        first=np.cumsum([0, *map(len, each)], dtype=np.int64),
        time=np.array([event.time for event in events], dtype=np.float64),
        kind=np.array([_KINDS[event.kind] for event in events], dtype=np.int64),
        index=np.array([event.index for event in events], dtype=np.int64),
        value=np.array([event.value for event in events], dtype=np.float64),
    )


@dataclass(frozen=True, slots=True)
class Restart:
    """Hold all that a course needs to go on as if it had never stopped.

    Parameters
    ----------
    states, parameters : array [person, state] and [person, parameter]
        As they were at the end, before events of that time.
    memory : array [person, m]
        [h] The next step, and first steps that served after earlier events, by their kind.
    """

    states: Floats
    parameters: Floats
    memory: Floats


@dataclass(frozen=True, slots=True)
class Course:
    """Say what to integrate and how closely.

    Parameters
    ----------
    start, end : float
        [h] Events at `start` and before `end` are applied; those at `end` belong to what follows.
    samples : array [sample]
        [h] Sorted, within start and end. A sample at the time of an event is the state before the event.
    rtol : float
        [1] Allowed error of a step, relative to the state.
    atol : float or array [state]
        [unit of the state] Allowed error of a step where the state is near zero.
    method : str
        One of `Kernel.methods`. ``rodas4p2`` does well everywhere; ``grk4t`` is a tenth faster where events follow
        each other within hours, but not reliable over long quiet courses; ``rodas4`` and ``tsit5`` are for comparison.
    land : bool
        End a step at each sample, instead of interpolating within steps.
    steps : int
        Steps, accepted or not, after which a person is given up.
    longest_step : float
        [h] No step is longer.
    steady : float
        [1/h] Stop when nothing more is scheduled and no state changes faster, relative to its size; 0 never stops.
    may_drift : array [state] of bool, optional
        States that do not count for `steady`, such as amounts excreted so far.
    low, high : array [state], optional
        Stop when a state leaves this range at the end of a step.
    """

    start: float
    end: float
    samples: ArrayLike = ()
    rtol: float = 1e-4
    atol: ArrayLike = 1e-7
    method: str = "rodas4p2"
    land: bool = False
    steps: int = 1_000_000
    longest_step: float = float("inf")
    steady: float = 0.0
    may_drift: ArrayLike | None = None
    low: ArrayLike | None = None
    high: ArrayLike | None = None


@dataclass(frozen=True, slots=True)
class Solution:
    """Hold what happened to each person.

    Parameters
    ----------
    states : array [person, sample, kept state]
        NaN after a person's course has ended early.
    status : array [person]
        A `Status`.
    reached : array [person]
        [h] The time of the end.
    steps, rejected : array [person]
        Steps tried, and how many of them were too inexact to keep.
    end : Restart
        For going on.
    """

    states: Floats
    status: Integers
    reached: Floats
    steps: Integers
    rejected: Integers
    end: Restart


class _Problem(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int64) for name in ("persons", "schedules", "samples", "kept", "steps_allowed")),
        *((name, ctypes.c_int64) for name in ("method", "landing")),
        *((name, ctypes.c_double) for name in ("start", "end", "relative", "longest_step", "steady")),
        *((name, ctypes.c_void_p) for name in ("parameters", "current", "initial", "memory")),
        *((name, ctypes.c_void_p) for name in ("schedule", "first", "kind", "index", "time", "value", "sample")),
        *((name, ctypes.c_void_p) for name in ("keep", "absolute", "low", "high", "may_drift")),
        *((name, ctypes.c_void_p) for name in ("states", "final", "final_parameters", "final_memory", "reached")),
        *((name, ctypes.c_void_p) for name in ("status", "steps", "rejected")),
        ("next", ctypes.c_int64),
    )


@dataclass(frozen=True, slots=True)
class Kernel:
    """Integrate any number of persons; what each gets does not depend on the others, or on threads.

    `load` makes one. Names are those of the system, in the order of the columns of all arrays.
    """

    states: tuple[str, ...]
    parameters: tuple[str, ...]
    outputs: tuple[str, ...]
    methods: tuple[str, ...]
    variant: str
    lanes: int
    memory: int
    _library: Any
    _narrow: Kernel | None = None

    def solve(  # noqa: PLR0913
        self,
        parameters: ArrayLike,
        initial: ArrayLike,
        course: Course,
        *,
        schedules: Schedules | None = None,
        schedule: ArrayLike | None = None,
        begin: Restart | None = None,
        first_step: ArrayLike | None = None,
        keep: ArrayLike | None = None,
        threads: int = 1,
    ) -> Solution:
        """Return the course of each person.

        Parameters
        ----------
        parameters : array [person, parameter]
            Each person's own values, which ``scale`` refers to.
        initial : array [person, state]
            States at the start, before its events. Not read where `begin` is given.
        schedules, schedule : Schedules and array [person]
            What happens, and which schedule is whose; without `schedule` the first is everybody's.
        begin : Restart, optional
            `Solution.end` of a course that ended here. If the schedule has an event or a mark here, the two courses
            together are, bit for bit, one course.
        first_step : array [person], optional
            [h] A first step to try, where `begin` does not say.
        keep : array [kept], optional
            Columns of the states to report at samples; all by default.

        Raises
        ------
        KernelUnusable
            An array does not fit, the method is unknown, samples are not in order, or memory is short.
        """
        problem, held = self._problem(parameters, course, schedules, schedule, begin)
        persons, samples = problem.persons, problem.samples
        start = begin.states if begin is not None else initial
        problem.initial = held.input("initial", start, (persons, len(self.states)))
        memory = begin.memory if begin is not None else self._memory(persons, first_step)
        problem.memory = held.input("memory", memory, (persons, self.memory))
        columns = np.arange(len(self.states)) if keep is None else np.asarray(keep, np.int64)
        if columns.ndim != 1 or ((columns < 0) | (columns >= len(self.states))).any():
            raise KernelUnusable("keep", "is not a list of columns of the states.", "Give numbers of states.")
        problem.kept, problem.keep = len(columns), held.integers("keep", columns, (len(columns),))
        solution = Solution(
            states=held.output("states", (persons, samples, len(columns))),
            status=held.output("status", (persons,), np.int64),
            reached=held.output("reached", (persons,)),
            steps=held.output("steps", (persons,), np.int64),
            rejected=held.output("rejected", (persons,), np.int64),
            end=Restart(
                states=held.output("final", (persons, len(self.states))),
                parameters=held.output("final_parameters", (persons, len(self.parameters))),
                memory=held.output("final_memory", (persons, self.memory)),
            ),
        )
        library = self._narrow._library if self._narrow and persons <= self._narrow.lanes else self._library
        _run(lambda: library.kernel_solve(ctypes.byref(problem)), threads, persons)
        return solution

    def observe(  # noqa: PLR0913
        self,
        parameters: ArrayLike,
        states: ArrayLike,
        course: Course,
        *,
        schedules: Schedules | None = None,
        schedule: ArrayLike | None = None,
        begin: Restart | None = None,
        outputs: ArrayLike | None = None,
        threads: int = 1,
    ) -> Floats:
        """Return outputs [person, sample, output] for states [person, sample, state] of a solution.

        Parameters are as the schedule has them just before the time of each sample. Arguments are those of `solve`;
        `outputs` are numbers of outputs, all by default.

        Raises
        ------
        KernelUnusable
            An array does not fit.
        """
        problem, held = self._problem(parameters, course, schedules, schedule, begin)
        shape = (problem.persons, problem.samples)
        given = held.input("states", states, (*shape, len(self.states)))
        columns = np.arange(len(self.outputs)) if outputs is None else np.asarray(outputs, np.int64)
        if columns.ndim != 1 or ((columns < 0) | (columns >= len(self.outputs))).any():
            raise KernelUnusable("outputs", "is not a list of outputs.", "Give numbers of outputs.")
        wanted, out = held.integers("wanted", columns, (len(columns),)), np.empty((*shape, len(columns)))
        call = self._library.kernel_observe
        _run(
            lambda: call(ctypes.byref(problem), given, wanted, ctypes.c_int64(len(columns)), _address(out)),
            threads,
            problem.persons,
        )
        return out

    def rates(self, states: ArrayLike, parameters: ArrayLike) -> Floats:
        """Return the rates of change [person, state] for states and parameters of each person."""
        return self._rates(states, parameters, None)

    def jacobian(self, states: ArrayLike, parameters: ArrayLike) -> Floats:
        """Return the derivative of each rate by each state [person, rate, state]."""
        size = len(self.states)
        jacobian = np.zeros((len(np.atleast_2d(np.asarray(states))), size, size))
        self._rates(states, parameters, jacobian)
        return jacobian

    def function(self, name: Literal["exp", "log", "tanh", "sqrt", "reciprocal"], x: ArrayLike) -> Floats:
        """Return what the kernel computes for a function; for tests of its exactness."""
        given = np.ascontiguousarray(x, np.float64)
        out = np.empty_like(given)
        number = ("exp", "log", "tanh", "sqrt", "reciprocal").index(name)
        self._library.kernel_function(number, ctypes.c_int64(given.size), _address(given), _address(out))
        return out

    def _rates(self, states: ArrayLike, parameters: ArrayLike, jacobian: Floats | None) -> Floats:
        held = _Held(None)
        persons = len(np.atleast_2d(np.asarray(states)))
        y = held.input("states", states, (persons, len(self.states)))
        p = held.input("parameters", parameters, (persons, len(self.parameters)))
        out = np.empty((persons, len(self.states)))
        target = ctypes.c_void_p() if jacobian is None else _address(jacobian)
        self._library.kernel_rates(ctypes.c_int64(persons), y, p, _address(out), target)
        return out

    def _memory(self, persons: int, first_step: ArrayLike | None) -> Floats:
        memory = np.zeros((persons, self.memory))
        if first_step is not None:
            memory[:, 0] = first_step
        return memory

    def _problem(
        self,
        parameters: ArrayLike,
        course: Course,
        schedules: Schedules | None,
        schedule: ArrayLike | None,
        begin: Restart | None,
    ) -> tuple[_Problem, _Held]:
        """Return the problem without its outputs, and what keeps its arrays alive."""
        if course.method not in self.methods:
            do = did_you_mean(course.method, self.methods) or f"Use {' or '.join(self.methods)}."
            raise KernelUnusable("method", f"'{course.method}' is unknown.", do)
        problem = _Problem()
        held = _Held(problem)
        persons = len(np.atleast_2d(np.asarray(parameters)))
        problem.persons, size = persons, len(self.states)
        problem.parameters = held.input("parameters", parameters, (persons, len(self.parameters)))
        if begin is not None:
            problem.current = held.input("parameters", begin.parameters, (persons, len(self.parameters)))
        samples = np.asarray(course.samples, np.float64)
        if not _fits(samples, course):
            raise KernelUnusable(
                "samples", "are not sorted times within start and end.", "Sort them, leave others out."
            )
        problem.samples, problem.sample = len(samples), held.input("samples", samples, samples.shape)
        problem.start, problem.end, problem.relative = course.start, course.end, course.rtol
        problem.longest_step, problem.steady = course.longest_step, course.steady
        problem.steps_allowed, problem.landing = course.steps, course.land
        problem.method = self.methods.index(course.method)
        problem.absolute = held.input("atol", np.broadcast_to(course.atol, (size,)), (size,))
        for name, bound, default in (("low", course.low, -np.inf), ("high", course.high, np.inf)):
            if course.low is not None or course.high is not None:
                limit = np.broadcast_to(default if bound is None else bound, (size,))
                setattr(problem, name, held.input(name, limit, (size,)))
        drift = np.zeros(size, np.uint8) if course.may_drift is None else np.asarray(course.may_drift, np.uint8)
        problem.may_drift = held.keep("may_drift", drift, (size,))
        held.events(schedules if schedules is not None else _NOTHING, schedule, persons)
        return problem, held


_NOTHING = schedules([])


class _Held:
    """Keep arrays alive, and in the form C reads, while a problem points to them."""

    def __init__(self, problem: _Problem | None) -> None:
        self.problem, self.arrays = problem, list[Any]()

    def keep(self, name: str, array: NDArray[Any], shape: tuple[int, ...]) -> ctypes.c_void_p:
        if array.shape != shape:
            raise KernelUnusable(name, f"has shape {array.shape}, not {shape}.", "Give one row for each person.")
        array = np.ascontiguousarray(array)
        self.arrays.append(array)
        return _address(array)

    def input(self, name: str, array: ArrayLike, shape: tuple[int, ...]) -> ctypes.c_void_p:
        return self.keep(name, np.asarray(array, np.float64), shape)

    def integers(self, name: str, array: ArrayLike, shape: tuple[int, ...]) -> ctypes.c_void_p:
        return self.keep(name, np.asarray(array, np.int64), shape)

    def output(self, name: str, shape: tuple[int, ...], kind: type[np.generic] = np.float64) -> Any:
        array = np.empty(shape, kind)
        setattr(self.problem, name, self.keep(name, array, shape))
        return array

    def events(self, schedules: Schedules, schedule: ArrayLike | None, persons: int) -> None:
        problem: Any = self.problem
        count, events = len(schedules.first) - 1, len(schedules.time)
        if (
            count < 1
            or schedules.first[0] != 0
            or schedules.first[-1] != events
            or (np.diff(schedules.first) < 0).any()
        ):
            raise KernelUnusable("schedules", "`first` does not divide the events.", "Make them with `schedules`.")
        problem.schedules = count
        problem.first = self.integers("first", schedules.first, (count + 1,))
        problem.time = self.input("time", schedules.time, (events,))
        problem.value = self.input("value", schedules.value, (events,))
        problem.kind = self.integers("kind", schedules.kind, (events,))
        problem.index = self.integers("index", schedules.index, (events,))
        whose = np.zeros(persons, np.int64) if schedule is None else schedule
        problem.schedule = self.integers("schedule", whose, (persons,))


def _fits(samples: Floats, course: Course) -> bool:
    inside = bool(((samples >= course.start) & (samples <= course.end)).all())
    return samples.ndim == 1 and inside and not bool((np.diff(samples) < 0).any()) and course.start < course.end


def _address(array: NDArray[Any]) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def _run(call: Callable[[], int], threads: int, persons: int) -> None:
    """Let threads take persons from one problem; ctypes gives up the interpreter lock meanwhile."""
    count = max(1, min(threads, persons))
    if count == 1:
        results = [call()]
    else:
        with ThreadPoolExecutor(count) as pool:
            results = [future.result() for future in [pool.submit(call) for _ in range(count)]]
    if any(results):
        raise KernelUnusable("memory", "there is not enough for the lanes of a thread.", "Use fewer threads.")


def load(folder: Path, variant: str | None = None) -> Kernel:
    """Return the kernel of a folder that `build` made, in the best variant for this processor.

    Raises
    ------
    KernelUnusable
        The folder holds no library of a kernel, or one of another version.
    """
    baseline = folder / "baseline.so"
    if not baseline.exists():
        raise KernelUnusable(folder.name, "holds no compiled kernel.", "Make one with `build`.")
    level = int(ctypes.CDLL(str(baseline)).kernel_level())
    wide = [name for key, name in _LEVELS.items() if key <= level]
    usable = [name for name in (*wide, *(name + _NARROW for name in wide)) if (folder / f"{name}.so").exists()]
    chosen = variant or usable[0]
    if chosen not in usable:
        raise KernelUnusable(folder.name, f"'{chosen}' cannot run here.", f"Use {' or '.join(usable)}.")
    return _kernel(folder, chosen, _kernel(folder, chosen + _NARROW) if chosen + _NARROW in usable else None)


def _kernel(folder: Path, variant: str, narrow: Kernel | None = None) -> Kernel:
    library = ctypes.CDLL(str(folder / f"{variant}.so"))
    sizes = (ctypes.c_int64 * 7).in_dll(library, "kernel_sizes")
    if sizes[6] != ctypes.sizeof(_Problem):
        raise KernelUnusable(folder.name, "is a kernel of another version.", "Make it again with `build`.")
    names = {kind: _names(library, kind) for kind in ("states", "parameters", "outputs", "methods")}
    return Kernel(**names, variant=variant, lanes=sizes[5], memory=sizes[4], _library=library, _narrow=narrow)


def _names(library: ctypes.CDLL, kind: str) -> tuple[str, ...]:
    address = ctypes.addressof(ctypes.c_char.in_dll(library, f"kernel_{kind}"))
    return tuple(ctypes.string_at(address).decode().split())
