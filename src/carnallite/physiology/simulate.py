"""Run people through a protocol: by the compiled kernel, or by SciPy on the generated Python."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from carnallite.errors import CarnalliteError, UnknownIdError, did_you_mean
from carnallite.physiology import engine
from carnallite.physiology.generate import Course, Schedules, Status, python
from carnallite.physiology.load import model
from carnallite.physiology.protocol import protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas
    import xarray
    from numpy.typing import ArrayLike, NDArray

    from carnallite.physiology.generate import Kernel
    from carnallite.physiology.protocol import Happening, Protocol
    from carnallite.physiology.scenario import Scenario

    Numbers = NDArray[np.float64]

RTOL = 7e-6  # of a step; whole courses stay within 1e-4 (benchmarks/variety.py)
ATOL = 7e-8  # of a step, in typical sizes of the state
LONGEST = 24.0  # [h]
OUTPUTS = (
    "magnesium.plasma", "potassium.plasma", "calcium.plasma", "calcium.ionized", "phosphate.plasma",
    "water.plasma_sodium", "acid_base.bicarbonate", "calcium_hormones.pth", "calcium_hormones.calcitriol",
    "aldosterone.plasma", "aldosterone.renin", "kidney.gfr", "water.extracellular", "magnesium.deficit",
    "potassium.deficit", "kidney_magnesium.excreted", "kidney_potassium.excreted",
    "kidney_magnesium.fractional_excretion", "outside.magnesium_urine", "outside.potassium_urine",
)  # fmt: skip

Engine = Literal["auto", "kernel", "python"]


class SimulationFailed(CarnalliteError):
    """The body could not be simulated at all."""


class MissingExtra(CarnalliteError):
    """Something optional is not installed."""


@dataclass(frozen=True, slots=True)
class Trajectories:
    """What was seen of people over time.

    Parameters
    ----------
    time : array [sample]
        [h]
    outputs : tuple of str
        Names of the body.
    values : array [person, sample, output]
        In canonical units; NaN after a course that ended early.
    status : array [person]
        `carnallite.physiology.generate.Status`; 0 is a whole course.
    engine : str
        What computed it.
    notes : tuple of str
        What a reader should know, such as why the slow engine was used.
    happenings : tuple of Happening
        What acted and what was given.
    """

    time: Numbers
    outputs: tuple[str, ...]
    values: Numbers
    status: NDArray[np.int64]
    engine: str
    notes: tuple[str, ...] = ()
    happenings: tuple[Happening, ...] = ()

    def __getitem__(self, output: str) -> Numbers:
        """Return one output [person, sample]."""
        return self.values[:, :, self.outputs.index(output)]

    def at(self, time: float, output: str) -> Numbers:
        """Return one output of all persons at the sample nearest to a time [h]."""
        return self[output][:, self.place(time)]

    def place(self, time: float) -> int:
        """Return the number of the sample nearest to a time [h]."""
        return int(np.abs(self.time - time).argmin())

    @property
    def ended_early(self) -> NDArray[np.bool_]:
        """Return who has no whole course [person]."""
        return self.status > Status.STEADY

    def frame(self) -> pandas.DataFrame:
        """Return a table with a row for each person and sample, and a column for each output.

        Raises
        ------
        MissingExtra
            pandas is not installed.
        """
        frames = _extra("pandas")
        persons, samples, outputs = self.values.shape
        index = frames.MultiIndex.from_product([range(persons), self.time], names=["person", "time_h"])
        return frames.DataFrame(self.values.reshape(persons * samples, outputs), index, list(self.outputs))

    def dataset(self) -> xarray.Dataset:
        """Return arrays over person and time [h] that know their units and what they are.

        Raises
        ------
        MissingExtra
            xarray is not installed.
        """
        frames = _extra("xarray")
        items = {item.name: item for item in (*model().states, *model().equations)}
        told = {name: {"units": items[name].unit, "long_name": items[name].about} for name in self.outputs}
        arrays = {name: (("person", "time"), self[name], told[name]) for name in self.outputs}
        data: xarray.Dataset = frames.Dataset(
            arrays | {"status": (("person",), self.status, {"long_name": "0 is a whole course"})},
            coords={"person": np.arange(len(self.status)), "time": ("time", self.time, {"units": "h"})},
            attrs={"engine": self.engine, "model": model().hash, "notes": "\n".join(self.notes)},
        )
        return data


def simulate(
    scenario: Scenario,
    *,
    count: int = 1,
    seed: int | None = None,
    outputs: Sequence[str] = (),
    engine: Engine = "auto",
    rtol: float = RTOL,
) -> Trajectories:
    """Return the courses of the people of a scenario.

    Parameters
    ----------
    count, seed : int
        How many, and with which seed they are drawn; without a seed all are the typical person.
    outputs : sequence of str
        Names of the body; by default those of the scenario, or the usual ones.

    Raises
    ------
    ScenarioError
        Something in the scenario means nothing.
    UnknownIdError
        An output does not exist.

    Examples
    --------
    >>> from carnallite.physiology.scenario import Scenario
    >>> rest = simulate(Scenario(title="Rest", length="2 d"))
    >>> round(float(rest.at(48, "potassium.plasma")[0]), 6)
    4.2
    """
    return run(
        protocol(scenario, count=count, seed=seed), outputs or scenario.outputs or OUTPUTS, engine=engine, rtol=rtol
    )


def run(
    given: Protocol, outputs: Sequence[str] = OUTPUTS, *, engine: Engine = "auto", rtol: float = RTOL
) -> Trajectories:
    """Return the courses of a protocol."""
    known = (*(state.name for state in model().states), *(equation.name for equation in model().equations))
    for name in outputs:
        if name not in known:
            raise UnknownIdError(f"output '{name}'", "is nothing that the body has.", did_you_mean(name, known))
    kernel = _kernel(engine)
    if kernel is None:
        return _by_scipy(given, tuple(outputs), rtol)
    return _by_kernel(kernel, given, tuple(outputs), rtol)


def _kernel(wanted: Engine) -> Kernel | None:
    found = None if wanted == "python" else engine.kernel()
    if wanted == "kernel" and found is None:
        raise SimulationFailed("kernel", "is not compiled and cannot be made here.", "Install a C compiler and SymPy.")
    return found


@cache
def scales() -> Numbers:
    """Return the typical size of each state."""
    return np.array([state.scale for state in model().states])


def pools() -> tuple[str, ...]:
    """Return the names of all pools, those outside of the body included."""
    return tuple(state.name for state in model().states if state.pool)


def balance_error(course: Trajectories) -> dict[str, float]:
    """Return how far each substance is from being neither made nor lost, relative to what the body holds.

    `course` must show all `pools`; people whose course ended early do not count.
    """
    whole = ~course.ended_early
    found = {}
    for substance in dict.fromkeys(state.pool for state in model().states if state.pool):
        states = [state for state in model().states if state.pool == substance]
        signs = [-1.0 if state.outside == "source" else 1.0 for state in states]
        total = np.sum([sign * course[state.name][whole] for sign, state in zip(signs, states, strict=True)], axis=0)
        held = sum(state.scale for state in states if not state.outside)
        found[substance] = float(np.max(np.abs(total - total[:, :1]), initial=0.0) / held)
    return found


def _by_kernel(kernel: Kernel, given: Protocol, outputs: tuple[str, ...], rtol: float) -> Trajectories:
    parameters, events, whose = program(given, kernel.parameters)
    course = Course(
        given.start, given.end, given.samples, rtol=rtol, atol=ATOL * scales() * rtol / RTOL, longest_step=LONGEST
    )
    threads = os.cpu_count() or 1
    solution = kernel.solve(
        parameters, given.people.states.T, course, schedules=events, schedule=whose, threads=threads
    )
    columns = [kernel.outputs.index(name) for name in outputs]
    values = kernel.observe(
        parameters, solution.states, course, schedules=events, schedule=whose, outputs=columns, threads=threads
    )
    return Trajectories(given.samples, outputs, values, solution.status, f"kernel, {kernel.variant}", given.notes,
                        given.happenings)  # fmt: skip


def program(given: Protocol, names: Sequence[str]) -> tuple[Numbers, Schedules, NDArray[np.int64]]:
    """Return a protocol as the kernel reads it: constants [person, constant], schedules, and whose is which.

    Nobody's schedule holds what changes for others alone: a step that ends there would round differently.
    """
    rows = _rows()
    parameters = given.people.constants[[rows[name] for name in names]].T.copy()
    column = {name: number for number, name in enumerate(names)}
    count = len(parameters)
    times, columns, values, changed = [np.zeros(0)], [np.zeros(0, np.int64)], [np.zeros((0, count))], [_nothing(count)]
    for name, (time, value) in given.changes.items():
        if name in column:
            parameters[:, column[name]] = value[0]
            times.append(time[1:])
            columns.append(np.full(len(time) - 1, column[name]))
            values.append(value[1:])
            changed.append(value[1:] != value[:-1])
    order = np.argsort(np.concatenate(times), kind="stable")
    time, index = np.concatenate(times)[order], np.concatenate(columns)[order]
    value, changes = np.concatenate(values)[order], np.concatenate(changed)[order]
    if changes.all() and (value == value[:, :1]).all():
        return parameters, _schedules([len(time)], time, index, value[:, 0]), np.zeros(count, np.int64)
    mine = changes.T
    times_of, index_of = np.broadcast_to(time, mine.shape)[mine], np.broadcast_to(index, mine.shape)[mine]
    return parameters, _schedules(mine.sum(axis=1), times_of, index_of, value.T[mine]), np.arange(count)


def _nothing(count: int) -> NDArray[np.bool_]:
    return np.zeros((0, count), bool)


def _schedules(counts: ArrayLike, time: Numbers, index: NDArray[np.int64], value: Numbers) -> Schedules:
    first = np.concatenate([[0], np.cumsum(counts)])
    return Schedules(first=first, time=time, kind=np.zeros(len(time), np.int64), index=index, value=value)


@cache
def _rows() -> dict[str, int]:
    return {name: row for row, name in enumerate(model().constants)}


def _extra(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        raise MissingExtra(name, "is not installed.", "Install it: pip install 'carnallite[frames]'.") from None


def _by_scipy(given: Protocol, outputs: tuple[str, ...], rtol: float) -> Trajectories:
    note = "Simulated by SciPy, about a hundred times slower: no compiled kernel (see `carnallite doctor`)."
    people = range(len(given.people))
    rates = python.compiled(python.rates(model()), "rates", python.NUMBERS)
    observe = python.compiled(python.observe(model(), outputs), "observe", python.NUMBERS)
    values = np.full((len(people), len(given.samples), len(outputs)), np.nan)
    status = np.zeros(len(people), np.int64)
    for person in people:
        status[person] = _one_by_scipy(given, person, rates, observe, values[person], rtol)
    return Trajectories(given.samples, outputs, values, status, "python, SciPy LSODA", (*given.notes, note),
                        given.happenings)  # fmt: skip


def _one_by_scipy(given: Protocol, person: int, rates, observe, out: Numbers, rtol: float) -> int:  # type: ignore[no-untyped-def]
    """Fill in what is seen of one person; return the status."""
    from scipy.integrate import solve_ivp  # noqa: PLC0415  (heavy, and not needed with a kernel)

    index = {name: i for i, name in enumerate(model().constants)}
    constants = given.people.constants[:, person].tolist()
    states = given.people.states[:, person]
    if not (np.isfinite(constants).all() and np.isfinite(states).all()):
        return int(Status.NOT_FINITE)
    edges = sorted({given.start, given.end, *(float(t) for times, _ in given.changes.values() for t in times)})
    for begin, until in pairwise(edges):
        for name, (times, values) in given.changes.items():
            constants[index[name]] = float(values[np.searchsorted(times, begin, side="right") - 1, person])
        here = np.flatnonzero((given.samples > begin) & (given.samples <= until))
        if begin == given.start and given.samples.size and given.samples[0] == begin:
            out[0] = observe(states.tolist(), constants)
        wanted = np.unique(np.r_[given.samples[here], until])
        try:
            solved = solve_ivp(
                lambda _, y: rates(y.tolist(), constants), (begin, until), states, method="LSODA", t_eval=wanted,
                rtol=rtol / 10, atol=ATOL * scales(), max_step=LONGEST,
            )  # fmt: skip
        except (ArithmeticError, TypeError, ValueError):  # a broken power or logarithm of what fell below zero
            return int(Status.NOT_FINITE)
        if not solved.success:
            return int(Status.STEP_TOO_SMALL)
        for row, sample in enumerate(here):
            out[sample] = observe(solved.y[:, row].tolist(), constants)
        states = solved.y[:, -1]
    return int(Status.OK)
