"""Workloads for solvers: who is simulated, what happens to them, and how far an answer is from another."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from engines.job import Job

from carnallite.physiology import engine, scenario
from carnallite.physiology.generate import Course, Kernel, Solution, Status, python, sbml
from carnallite.physiology.load import model
from carnallite.physiology.protocol import Protocol, protocol
from carnallite.physiology.simulate import LONGEST, RTOL, program, scales

SEED = 3
ATOL = 1e-2  # of the relative tolerance, in typical sizes of the state
FLOOR = 1e-3  # of the largest value or the typical size: smaller ones are compared with that
STIFF = 30.0
FAST = {
    "calcium_hormones.pth_time": 1 / STIFF,
    "aldosterone.renin_time": 1 / STIFF,
    "aldosterone.synthesis_time": 1 / STIFF,
    "potassium.insulin_time": 1 / STIFF,
    "potassium.beta_time": 1 / STIFF,
    "potassium.exchange": STIFF,
}
EATING = 'meals = ["07:00", "12:30", "19:00"]'
DOSES = """
[[dose]]
what   = "magnesium citrate"
amount = "10 mmol"
route  = "oral"
daily  = ["22:00"]
[[dose]]
what   = "magnesium sulfate"
amount = "16 mmol"
route  = "intravenous"
over   = "4 h"
at     = ["3 d", "4 d", "5 d"]
"""
DRAWN = """
[person]
women  = 0.5
age    = { mean = "60 a", sd = "15 a", low = "20 a", high = "90 a" }
weight = { mean = "75 kg", sd = "14 kg", low = "45 kg", high = "130 kg" }
"""
ACTS = (
    ("cause", "chronic_diarrhea", "typical", 0.1, ""),
    ("cause", "gitelman", "typical", 0.05, ""),
    ("cause", "ckd", "stage_3", 0.15, ""),
    ("cause", "short_bowel", "colon_kept", 0.03, ""),
    ("cause", "hyperaldosteronism", "primary", 0.05, ""),
    ("drug", "loop_diuretic", "typical", 0.2, "5 d"),
    ("drug", "thiazide", "typical", 0.2, ""),
    ("drug", "ppi", "typical", 0.4, ""),
    ("drug", "ace_inhibitor", "typical", 0.3, ""),
    ("drug", "mra", "typical", 0.1, "10 d"),
)


@dataclass(frozen=True)
class Workload:
    """People, what happens to them, and when they are looked at."""

    given: Protocol
    factors: dict[str, float]
    land: bool = True  # steps end at samples, which is cheaper than to interpolate where something happens all day

    @cached_property
    def kernel(self) -> Kernel:
        found = engine.kernel()
        assert found is not None, "no compiled kernel"
        return found

    @cached_property
    def programmed(self) -> tuple[np.ndarray, Any, np.ndarray]:
        parameters, events, whose = program(self.given, self.kernel.parameters)
        for name, factor in self.factors.items():
            parameters[:, self.kernel.parameters.index(name)] *= factor
        return parameters, events, whose

    def __len__(self) -> int:
        return len(self.given.people)

    def course(self, rtol: float, method: str, samples: np.ndarray | None = None) -> Course:
        """Return what the kernel is told."""
        wanted = self.given.samples if samples is None else samples
        return Course(self.given.start, self.given.end, wanted, rtol=rtol, atol=ATOL * rtol * scales(), method=method,
                      land=self.land, longest_step=LONGEST)  # fmt: skip

    def solve(self, rtol: float, method: str = "rodas4p2", samples: np.ndarray | None = None) -> Solution:
        """Return the courses by the compiled kernel, in one thread."""
        parameters, events, whose = self.programmed
        states = self.given.people.states.T
        return self.kernel.solve(
            parameters, states, self.course(rtol, method, samples), schedules=events, schedule=whose
        )

    def of(self, chosen: np.ndarray) -> Workload:
        """Return some of the people."""
        given, count = self.given, len(self)
        people = type(given.people)(given.people.constants[:, chosen], given.people.states[:, chosen])
        changes = {name: (times, np.broadcast_to(values, (len(times), count))[:, chosen])
                   for name, (times, values) in given.changes.items()}  # fmt: skip
        return replace(self, given=replace(given, people=people, changes=changes))

    def job(self, count: int, *, with_sbml: bool = False) -> Job:
        """Return the first people as other engines read them."""
        body, constants = model(), self.given.people.constants.T[:count].copy()
        number = {name: column for column, name in enumerate(body.constants)}
        for name, factor in self.factors.items():
            constants[:, number[name]] *= factor
        time, index, value = [], [], []
        for name, (times, values) in self.given.changes.items():
            constants[:, number[name]] = values[0, :count]
            time += times[1:].tolist()
            index += [number[name]] * (len(times) - 1)
            value += list(np.broadcast_to(values, (len(times), len(self)))[1:, :count])
        order = np.argsort(np.array(time), kind="stable")
        made = Job(
            rates=python.rates(body), states=tuple(state.name for state in body.states), sbml=(),
            initial=self.given.people.states.T[:count].copy(), constants=constants, time=np.array(time)[order],
            index=np.array(index)[order], value=np.array(value)[order], samples=self.given.samples, scale=scales(),
        )  # fmt: skip
        return replace(made, sbml=tuple(_document(made, person) for person in range(count))) if with_sbml else made


def _document(job: Job, person: int) -> str:
    names = model().constants
    changes = [
        (float(time), {names[index]: float(value[person])}, {})
        for time, index, value in zip(job.time, job.index, job.value, strict=True)
    ]
    return sbml.sbml(model(), job.constants[person], job.initial[person], changes=changes)


def month(count: int, *, factors: dict[str, float] | None = None) -> Workload:
    """Return people of all kinds over 30 days of three meals and a dose a day, and three infusions, seen hourly."""
    return _sound(_month(), count, factors or {})


def some(first: int, count: int) -> Workload:
    """Return such people from a number on, whether they live that long or not."""
    return Workload(protocol(_month(), count=count, seed=SEED, first=first), {})


def _month() -> scenario.Scenario:
    acts = "".join(
        f'[[{kind}]]\nid = "{id}"\nphenotype = "{form}"\nshare = {share}\n' + (f'from = "{start}"\n' if start else "")
        for kind, id, form, share, start in ACTS
    )
    text = f'title = "A month"\nlength = "30 d"\n[diet]\n{EATING}\n{DRAWN}{acts}{DOSES}'
    return scenario.parse(text)


def half_year(count: int) -> Workload:
    """Return people over 180 days of constant intake, in whom something begins on the first day."""
    acts = "".join(f'[[{kind}]]\nid = "{id}"\nphenotype = "{form}"\nshare = {share}\nfrom = "1 d"\n'
                   for kind, id, form, share, _ in ACTS)  # fmt: skip
    made = _sound(scenario.parse(f'title = "Half a year"\nlength = "180 d"\n{DRAWN}{acts}'), count, {})
    return replace(made, land=False)


def one() -> scenario.Scenario:
    """Return one ordinary forecast: a patient over 30 days of meals and doses."""
    acts = '[[cause]]\nid = "ckd"\nphenotype = "stage_3"\n[[drug]]\nid = "ppi"\n'
    return scenario.parse(f'title = "A forecast"\nlength = "30 d"\n[diet]\n{EATING}\n{acts}{DOSES}')


def _sound(wanted: scenario.Scenario, count: int, factors: dict[str, float]) -> Workload:
    """Draw some more people than wanted, and leave out who cannot be in balance or does not live that long."""
    drawn = protocol(wanted, count=count + count // 20 + 4, seed=SEED)
    whole = np.isfinite(np.r_[drawn.people.constants, drawn.people.states]).all(axis=0)
    made = Workload(drawn, factors).of(np.flatnonzero(whole))
    alive = made.solve(RTOL, samples=np.zeros(0)).status == Status.OK
    return made.of(np.flatnonzero(alive)[:count])


def errors(states: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Return the largest error over time [person, state], relative to the value.

    A value below a thousandth of its largest or of the typical size of its state is compared with that thousandth. A
    balance that may be negative is compared with its largest value or the typical size, for zero is nothing special.
    """
    largest = np.maximum(np.abs(reference).max(axis=1, keepdims=True), scales())
    signed = np.array([state.signed for state in model().states])
    allowed = np.where(signed, largest, np.maximum(np.abs(reference), FLOOR * largest))
    found: np.ndarray = (np.abs(states - reference) / allowed).max(axis=1)
    return np.where(np.isnan(found), np.inf, found)
