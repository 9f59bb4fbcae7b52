"""Simulate the targets of a file: those that have a plan by it, others from the events that the file states."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from carnallite.errors import CarnalliteError, DataFileError, UnknownIdError, did_you_mean
from carnallite.physiology.load import model
from carnallite.physiology.protocol import protocol
from carnallite.physiology.scenario import Scenario
from carnallite.physiology.simulate import pools
from carnallite.physiology.simulate import run as simulate
from carnallite.physiology.validation import measure
from carnallite.physiology.validation.events import planned, share_of
from carnallite.physiology.validation.measure import Course, evaluate
from carnallite.physiology.validation.plan import Plan, Readout, merged, plans, quantities, shared
from carnallite.physiology.validation.targets import PUBLISHED, Outcome, Simulated, read_targets

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from carnallite.physiology.validation.plan import Measure
    from carnallite.physiology.validation.targets import Observation, Target, TargetFile

    Numbers = NDArray[np.float64]

SEED = 1
SHORTEST = 1.0  # [h] a course takes some time even where only its start is looked at
ALL = "all"  # the one run of a plan that names none

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Simulations:
    """What was simulated, by id of target, and the worst error of any balance of mass [1] over every run."""

    targets: dict[str, Simulated]
    mass_balance: float | None


def simulate_targets(
    file: TargetFile, *, only: Collection[str] = (), seed: int = SEED, progress: Progress | None = None
) -> dict[str, Simulated]:
    """Return what the simulation of each target gives, by its id.

    Parameters
    ----------
    file : TargetFile
        From `published` or `read_targets`.
    only : collection of str, optional
        Ids; all targets if empty.
    seed : int
        Of the people who are drawn.

    Raises
    ------
    UnknownIdError
        A target is not in the file.
    """
    return simulations(file, only=only, seed=seed, progress=progress).targets


def simulations(
    file: TargetFile, *, only: Collection[str] = (), seed: int = SEED, progress: Progress | None = None
) -> Simulations:
    """Return the same with the balance of mass over every run."""
    known = {target.id for target in file.targets}
    for id in only:
        if id not in known:
            raise UnknownIdError(file.name, f"has no target '{id}'.", did_you_mean(id, known))
    chosen = [target for target in file.targets if not only or target.id in only]
    results: dict[str, Simulated] = {}
    balances: list[float] = []
    for number, target in enumerate(chosen):
        if progress:
            progress(number, len(chosen), target.id)
        plan = _plan(target)
        try:
            job = _Job(target, plan, seed)
            results[target.id] = job.simulated()
            balances += job.balances
        except CarnalliteError as error:
            results[target.id] = Simulated.missing(f"the simulation failed: {error}")
    return Simulations(results, max(balances, default=None))


def _plan(target: Target) -> Plan:
    """Return the plan of a published target, or of the events that another states."""
    own, known = plans().get(target.id), _published().get(target.id)
    return own if own is not None and known is not None and _alike(target, known) else planned(target)


def _alike(target: Target, known: Target) -> bool:
    """Return whether a target of any file asks what the published one does: the same done, the same measured."""
    asked = [[(row.quantity, row.arm, row.time_h, row.unit) for row in one.observations] for one in (target, known)]
    return target.protocol.text == known.protocol.text and asked[0] == asked[1]


_KNOWN: dict[str, Target] = {}


def _published() -> dict[str, Target]:
    if not _KNOWN:
        _KNOWN.update({target.id: target for target in read_targets(PUBLISHED).targets})
    return _KNOWN


@dataclass
class _Job:
    """One target."""

    target: Target
    plan: Plan
    seed: int
    balances: list[float] = field(default_factory=list)
    kept: str = ""

    def simulated(self) -> Simulated:
        if self.plan.why_not:
            return Simulated.missing(self.plan.why_not)
        measures = [self.measure_of(row) for row in self.target.observations]
        readouts = self.readouts(measures)
        courses = self.courses(readouts)
        lost = [name for name, course in courses.items() if not course.kept.any()]
        if lost:
            return Simulated.missing(f"nobody comes to the end of the course: {', '.join(lost)}")
        values = self.values(readouts, courses)
        pairs = enumerate(zip(measures, self.target.observations, strict=True))
        outcomes = tuple(self.outcome(i, measure, row, values) for i, (measure, row) in pairs)
        who = self.plan.who or "the reference person"
        return Simulated(outcomes, who=f"{who}{self.kept}", assumptions=self.plan.assumptions)

    def measure_of(self, row: Observation) -> Measure | str:
        """Return how an observation is measured, or why it is not."""
        for one in (*self.plan.measures, *quantities()):
            if one.is_for(row):
                return one.why_not or one
        share = share_of(row)
        if share:
            return share
        return f"nothing in the body is {row.quantity.replace('_', ' ')}"

    # what has to be looked at ---------------------------------------------------------------------------------------
    def readouts(self, measures: list[Measure | str]) -> dict[str, tuple[Readout, str, Numbers]]:
        """Return every readout with its run and when it looks [h], by name; that of an observation by its number."""
        found = {}
        for name, readout in self.plan.readouts.items():
            found[name] = readout, self.run_of(readout, ""), measure.times(readout, observed=None)
        for i, (one, row) in enumerate(zip(measures, self.target.observations, strict=True)):
            when = self.plan.end_h if row.time_h is None else row.time_h
            for name, readout in () if isinstance(one, str) else one.every().items():
                looked = measure.times(readout, observed=when)
                found[f"{i}:{name}"] = readout, self.run_of(readout, row.arm), looked
        return found

    def run_of(self, readout: Readout, arm: str) -> str:
        runs = self.plan.runs or {ALL: {}}
        name = readout.run or (arm if arm in runs else next(iter(runs)))
        if name not in runs:
            raise DataFileError(f"{self.plan.id}.toml", f"there is no run '{name}'.", did_you_mean(name, runs))
        return name

    def courses(self, readouts: dict[str, tuple[Readout, str, Numbers]]) -> dict[str, Course]:
        courses = {}
        for name, raw in (self.plan.runs or {ALL: {}}).items():
            mine = [(readout, looked) for readout, run, looked in readouts.values() if run == name]
            if mine:
                courses[name] = self.course(name, raw, mine)
        return self.whole(courses)

    def course(self, name: str, raw: dict[str, Any], readouts: list[tuple[Readout, Numbers]]) -> Course:
        looked = np.unique(np.concatenate([times for _, times in readouts]))
        outputs = sorted({*pools(), *(output for readout, _ in readouts for output in measure.wanted(readout))})
        people, scenario = self.scenario(name, raw, looked)
        given = protocol(scenario, count=people, seed=self.seed if people > 1 else None)
        seen = simulate(given, outputs)
        course = Course(given, seen, ~seen.ended_early)
        self.balances.append(imbalance(course))
        return course

    def scenario(self, name: str, raw: dict[str, Any], looked: Numbers) -> tuple[int, Scenario]:
        table = merged(self.plan.base, raw)
        pieces = [shared().pieces[piece] for piece in table.pop("like", [])]
        table = merged(*pieces, table)
        people = int(table.pop("people", self.plan.people))
        table.setdefault("title", f"{self.plan.id}, {name}")
        table.setdefault("length", f"{max(looked[-1], SHORTEST):.9f} h")
        table["sampling"] = {"at": [f"{time:.9f} h" for time in looked]}
        try:
            return people, msgspec.convert(table, Scenario)
        except msgspec.ValidationError as error:
            raise DataFileError(f"{self.plan.id}.toml, run {name}", f"{error}.", "Mend it there.") from None

    def whole(self, courses: dict[str, Course]) -> dict[str, Course]:
        """Return the courses with only those people who came to the end of every run of the plan."""
        many = [course.kept for course in courses.values() if len(course.kept) > 1]
        if not many:
            return courses
        kept = np.logical_and.reduce(many)
        lost = int((~kept).sum())
        self.kept = f"; {len(kept)} drawn with seed {self.seed}"
        self.kept += f", of whom {lost} did not come to the end of their course and are left out" if lost else ""
        return {
            name: Course(course.protocol, course.seen, kept) if len(course.kept) > 1 else course
            for name, course in courses.items()
        }

    # what is seen ---------------------------------------------------------------------------------------------------
    def values(
        self, readouts: dict[str, tuple[Readout, str, Numbers]], courses: dict[str, Course]
    ) -> dict[str, Numbers]:
        values: dict[str, Numbers] = {}
        for name, (readout, run, looked) in readouts.items():
            level = evaluate(readout.level, values) if readout.level else None
            found = measure.taken(readout, courses[run], looked, level)
            parts = found if isinstance(found, dict) else {"": found}
            values |= {f"{name}.{part}" if part else name: value for part, value in parts.items()}
        for name, curve in self.plan.curves.items():
            values |= {f"{name}.{part}": value for part, value in measure.fitted(curve, values).items()}
        return values

    def outcome(self, number: int, one: Measure | str, row: Observation, values: dict[str, Numbers]) -> Outcome:
        if isinstance(one, str):
            return Outcome(why_not=one)
        mine = f"{number}:"
        known = {
            key.removeprefix(mine): value for key, value in values.items() if key.startswith(mine) or ":" not in key
        }
        value = float(np.mean(evaluate(one.value, known)))
        start = float(np.mean(evaluate(one.start, known))) if one.start else None
        if not np.isfinite(value):
            return Outcome(why_not=f"nobody of the simulated is {row.arm or 'so'}")
        return Outcome(value, start=start, imposed=one.imposed)


# balance ------------------------------------------------------------------------------------------------------------
def imbalance(course: Course) -> float:
    """Return the worst error of any balance in a run, relative to what the body held of the substance [1].

    What is in the pools and what has left them, less what was given, is what was there at the start.
    """
    index = {state.name: i for i, state in enumerate(model().states)}
    worst = 0.0
    for substance in {state.pool for state in model().states if state.pool}:
        parts = [(state, -1.0 if state.outside == "source" else 1.0) for state in model().states]
        held = [(state, sign) for state, sign in parts if state.pool == substance]
        start = course.protocol.people.states
        first = sum(sign * start[index[state.name]] for state, sign in held)
        total = sum(sign * course.seen[state.name] for state, sign in held)
        pool = sum(start[index[state.name]] for state, _ in held if not state.outside)
        error = np.abs(total - np.asarray(first)[:, None]) / np.abs(np.asarray(pool))[:, None]
        worst = max(worst, float(np.max(error[course.kept], initial=0.0)))
    return worst
