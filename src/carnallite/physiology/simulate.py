"""Run people through a protocol: by the compiled kernel, or by SciPy on the generated Python."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import numpy as np

from carnallite.errors import CarnalliteError, UnknownIdError, did_you_mean
from carnallite.physiology import engine
from carnallite.physiology.generate import Course, Event, Schedules, Status, python, schedules
from carnallite.physiology.load import model
from carnallite.physiology.protocol import protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from carnallite.physiology.generate import Kernel
    from carnallite.physiology.protocol import Protocol
    from carnallite.physiology.scenario import Scenario

    Numbers = NDArray[np.float64]

RTOL = 1e-5  # of a step; whole courses stay within 1e-4 (benchmarks/solver.py)
ATOL = 1e-7  # of a step, in typical sizes of the state
LONGEST = 24.0  # [h]
OUTPUTS = (
    "magnesium.plasma", "potassium.plasma", "calcium.plasma", "calcium.ionized", "water.plasma_sodium",
    "acid_base.bicarbonate", "calcium_hormones.pth", "calcium_hormones.calcitriol", "aldosterone.plasma",
    "aldosterone.renin", "kidney.gfr", "water.extracellular", "magnesium.deficit", "potassium.deficit",
    "kidney_magnesium.excreted", "kidney_potassium.excreted", "kidney_magnesium.fractional_excretion",
)  # fmt: skip

Engine = Literal["auto", "kernel", "python"]


class SimulationFailed(CarnalliteError):
    """The body could not be simulated at all."""


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
    """

    time: Numbers
    outputs: tuple[str, ...]
    values: Numbers
    status: NDArray[np.int64]
    engine: str
    notes: tuple[str, ...] = ()

    def __getitem__(self, output: str) -> Numbers:
        """Return one output [person, sample]."""
        return self.values[:, :, self.outputs.index(output)]

    def at(self, time: float, output: str) -> Numbers:
        """Return one output of all persons at the sample nearest to a time [h]."""
        return self[output][:, int(np.abs(self.time - time).argmin())]


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
    return Trajectories(given.samples, outputs, values, solution.status, f"kernel, {kernel.variant}", given.notes)


def program(given: Protocol, names: Sequence[str]) -> tuple[Numbers, Schedules, NDArray[np.int64]]:
    """Return a protocol as the kernel reads it: constants [person, constant], schedules, and whose is which.

    Changes that are alike for all persons, in value or in proportion to their own, make one schedule.
    """
    index = {name: i for i, name in enumerate(model().constants)}
    parameters = given.people.constants[[index[name] for name in names]].T.copy()
    shared: list[Event] = []
    own: list[tuple[int, Numbers, Numbers]] = []
    for name, (times, values) in given.changes.items():
        if name not in names:
            continue
        column = list(names).index(name)
        parameters[:, column] = values[0]
        for time, value in zip(times[1:], values[1:], strict=True):
            if np.all(value == value[0]):
                shared.append(Event(float(time), "set", column, float(value[0])))
            else:
                own.append((column, time, value))
    count = len(parameters)
    if not own:
        return parameters, schedules(shared), np.zeros(count, np.int64)
    each = [[*shared, *(Event(float(t), "set", c, float(v[i])) for c, t, v in own)] for i in range(count)]
    return parameters, schedules(*each), np.arange(count)


def _by_scipy(given: Protocol, outputs: tuple[str, ...], rtol: float) -> Trajectories:
    note = "Simulated by SciPy, about a hundred times slower: no compiled kernel (see `carnallite doctor`)."
    people = range(len(given.people))
    rates = python.compiled(python.rates(model()), "rates", python.NUMBERS)
    observe = python.compiled(python.observe(model(), outputs), "observe", python.NUMBERS)
    values = np.full((len(people), len(given.samples), len(outputs)), np.nan)
    status = np.zeros(len(people), np.int64)
    for person in people:
        status[person] = _one_by_scipy(given, person, rates, observe, values[person], rtol)
    return Trajectories(given.samples, outputs, values, status, "python, SciPy LSODA", (*given.notes, note))


def _one_by_scipy(given: Protocol, person: int, rates, observe, out: Numbers, rtol: float) -> int:  # type: ignore[no-untyped-def]
    """Fill in what is seen of one person; return the status."""
    from scipy.integrate import solve_ivp  # noqa: PLC0415  (heavy, and not needed with a kernel)

    index = {name: i for i, name in enumerate(model().constants)}
    constants = given.people.constants[:, person].tolist()
    states = given.people.states[:, person]
    edges = sorted({given.start, given.end, *(float(t) for times, _ in given.changes.values() for t in times)})
    for begin, until in pairwise(edges):
        for name, (times, values) in given.changes.items():
            constants[index[name]] = float(values[np.searchsorted(times, begin, side="right") - 1, person])
        here = np.flatnonzero((given.samples > begin) & (given.samples <= until))
        if begin == given.start and given.samples.size and given.samples[0] == begin:
            out[0] = observe(states.tolist(), constants)
        wanted = np.unique(np.r_[given.samples[here], until])
        solved = solve_ivp(
            lambda _, y: rates(y.tolist(), constants), (begin, until), states, method="LSODA", t_eval=wanted,
            rtol=rtol / 10, atol=ATOL * scales(), max_step=LONGEST,
        )  # fmt: skip
        if not solved.success:
            return int(Status.STEP_TOO_SMALL)
        for row, sample in enumerate(here):
            out[sample] = observe(solved.y[:, row].tolist(), constants)
        states = solved.y[:, -1]
    return int(Status.OK)
