"""The individual fit: members that explain a patient are taken through this patient's own history and weighed again.

Sequential Monte Carlo: members are drawn by their weights, simulated through the history, weighed by every result
there is, and moved (how strongly their causes act, since when, who they are) by Metropolis steps, which leave the
posterior as it is. What is left stands for the patient with equal weights. In between, step by step, the newest result
of each test loses the heavy tails of its errors: who stands for the patient must show what was measured last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.optimize import brentq

from carnallite.assessment.cloud.history import LENGTH, history_of
from carnallite.assessment.cloud.judge import SEED, acting_in
from carnallite.assessment.cloud.members import NONE, TIMES, Members, causes
from carnallite.assessment.cloud.shown import CLOSE, estimated, part, staged
from carnallite.assessment.cloud.weigh import chance, errors, numbers, relative, worth
from carnallite.physiology import population
from carnallite.physiology.body import People
from carnallite.physiology.chance import normal, uniform
from carnallite.physiology.load import model
from carnallite.physiology.simulate import Trajectories, run
from carnallite.physiology.timing import DAY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from carnallite.assessment.cloud.history import History, Seen
    from carnallite.assessment.cloud.judge import Cloud
    from carnallite.assessment.cloud.shown import Part
    from carnallite.assessment.facts import Facts
    from carnallite.physiology.protocol import Protocol

    Numbers = NDArray[np.float64]

PARTICLES = 96
MOVES, MOST_MOVES = 5, 14
SETTLED = 3  # moves, at least, with what was measured last shown
KEPT = 0.5  # [1] share of effective members that one step leaves
STEP = 0.25  # [log] of a strength
ANOTHER_TIME, ANOTHER_PERSON = 0.3, 0.25  # chances in a move
NEW_PEOPLE = 1_000_000  # from this number on members are drawn in moves
FAR = 3.0  # spreads off the expected, beyond which a result is not explained


class Residual(NamedTuple):
    """One result beside what the fitted members show: the middle and 90 % of them.

    `off` says by how many spreads of the test it lies outside of the middle half of them: a few members who come near
    do not make a fit.
    """

    seen: Seen
    middle: float
    low: float
    high: float
    off: float


class Fit(NamedTuple):
    """Members that stand for a patient, with equal weights.

    Attributes
    ----------
    history : History
    members : Members
    people : People
        Their constants, and their states at the index.
    course : Trajectories
        All states at the times of the history.
    residuals : tuple of Residual
    effective : float
        How many equally weighted members the drawn ones were worth, before they were moved.
    reached : float
        [1] How far the newest results lost the heavy tails of their errors.
    moved : float
        [1] Share of the proposed moves that were taken.
    """

    history: History
    members: Members
    people: People
    course: Trajectories
    residuals: tuple[Residual, ...]
    effective: float
    moved: float
    reached: float

    def holds(self) -> bool:
        """Return whether the members explain the newest results of the patient."""
        newest = {one.seen.test: one for one in self.residuals}
        return all(one.off <= FAR for one in newest.values())


class _State(NamedTuple):
    """Members, and how well they explain the results: as they were drawn, and with what was measured last shown."""

    members: Members
    easy: Numbers
    strict: Numbers
    course: Trajectories
    given: Protocol
    shown: dict[str, Numbers]


def fitted(cloud: Cloud, facts: Facts, likely: Mapping[str, float] | None = None) -> Fit | None:
    """Return the fit of a patient; none where no member lives through the history.

    Parameters
    ----------
    cloud : Cloud
        From `judge`.
    likely : mapping of cause to float, optional
        [1] As it is told. Members with a cause that is hardly likely do not stand for the patient.
    """
    if not cloud.effective():
        return None
    history = history_of(facts, cloud.person, tuple(acting_in(cloud)))
    rows = systematic(cloud.weight * _believed(cloud, likely), PARTICLES)
    state = _through(history, cloud.members.some(rows), cloud.power)
    log = state.easy - cloud.log[rows]  # they were drawn by what they explain without the history
    log = np.where(np.isfinite(state.easy) & np.isfinite(log), log, -np.inf)
    if not np.isfinite(log).any():
        return None
    weight = relative(log)
    effective = cloud.effective() * worth(weight) / PARTICLES
    state = _some(state, systematic(weight, PARTICLES))
    taken: list[float] = []
    share, settled = 0.0, 0
    while len(taken) < MOVES or (settled < SETTLED and len(taken) < MOST_MOVES):
        turn, before = len(taken), share
        share = _further(state, before)
        settled += share == 1
        state = _some(state, systematic(relative((share - before) * (state.strict - state.easy)), PARTICLES))
        proposed = _proposed(state.members, history, turn)
        new = _through(history, proposed, cloud.power)
        ratio = _explain(new, share) - _explain(state, share) + _prior(proposed) - _prior(state.members)
        yes = np.log(uniform(SEED, f"fit.accept.{turn}", np.arange(PARTICLES))) < np.where(
            np.isnan(ratio), -np.inf, ratio
        )
        taken.append(float(yes.mean()))
        state = _mixed(yes, new, state)
    return _told(history, state, effective, float(np.mean(taken)), share)


def _explain(state: _State, share: float) -> Numbers:
    """Return how well members explain the results, some share of the way to what was measured last being shown."""
    found: Numbers = (1 - share) * state.easy + share * state.strict
    return found


def _further(state: _State, share: float) -> float:
    """Return how far to go at once, so that enough members are left; all the way if that can be done."""
    gain = state.strict - state.easy

    def left(end: float) -> float:
        return worth(relative((end - share) * gain))

    if share == 1 or left(1.0) >= KEPT * PARTICLES:
        return 1.0
    return float(brentq(lambda end: left(end) - KEPT * PARTICLES, share, 1.0, xtol=1e-4))


def _believed(cloud: Cloud, likely: Mapping[str, float] | None) -> Numbers:
    """Return 1 for members all of whose causes are likely enough, else 0; 1 for everybody where nobody is left."""
    found = np.ones(len(cloud.weight))
    if likely is not None:
        for id, has in cloud.members.having().items():
            if likely.get(id, 0.0) < numbers()["believed"]:
                found[has] = 0
    return found if (cloud.weight * found).any() else np.ones(len(cloud.weight))


def systematic(weight: Numbers, count: int) -> NDArray[np.int64]:
    """Return rows drawn by weight, at even steps.

    >>> systematic(np.array([0.5, 0.0, 0.5]), 4).tolist()
    [0, 0, 2, 2]
    """
    edges = np.cumsum(weight)
    found: NDArray[np.int64] = np.searchsorted(edges, (np.arange(count) + 0.5) / count * edges[-1], side="left")
    return found


def parts_of(members: Members, history: History, *, ends: bool = True) -> list[Part]:
    """Return what acts on members when: drugs as recorded, other causes since a time of each member."""
    return list(_parts(members, history, ends=ends))


def _parts(members: Members, history: History, *, ends: bool) -> Iterator[Part]:
    acting = members.acting()
    for row in np.unique(members.form[members.form != NONE]):
        cause = causes()[acting[members.form == row][0]]
        window = history.windows.get(cause)
        if window is not None:
            begin, until = window
            is_over = ends and until < LENGTH
            yield part(
                members, row, start=f"{begin:.6f} h" if begin > 0 else "", until=f"{until:.6f} h" if is_over else ""
            )
            continue
        for since in np.unique(members.since[(members.form == row).any(axis=1)]):
            start = "" if since >= LENGTH else f"{LENGTH - since:.6f} h"
            yield part(members, row, start=start, whom=members.since == since)


def _through(history: History, members: Members, power: float) -> _State:
    given = staged(history.scenario, members, parts_of(members, history), seed=SEED)
    tests = tuple(dict.fromkeys(one.test for one in history.seen if one.test != "egfr"))
    states = tuple(state.name for state in model().states)
    course = run(given, tuple(dict.fromkeys((*states, "kidney.gfr", *population.needed(tests)))), rtol=CLOSE)
    shown = population.columns(course, tests)
    shown["egfr"] = estimated(course["kidney.gfr"], given.people)
    easy, strict = np.zeros(len(members.number)), np.zeros(len(members.number))
    newest = {one.test: one for one in sorted(history.seen, key=lambda one: one.time)}
    for one in history.seen:
        of_it = _at(course, one, shown)
        heavy = one.weight * chance(one.test, one.low, one.high, of_it)
        easy = easy + power * heavy
        strict = strict + (_shown_last(one, of_it) if newest[one.test] is one else heavy)
    easy, strict = (np.where(course.ended_early, np.nan, one) for one in (easy, strict))
    return _State(members, easy, strict, course, given, shown)


def _shown_last(one: Seen, shown: Numbers) -> Numbers:
    """Return how well members show the newest result of a test; it counts whole, the less the older it is."""
    fresh = np.exp((one.time - LENGTH) / DAY / numbers()["memory"])
    found: Numbers = fresh * chance(one.test, one.low, one.high, shown, heavy=False)
    return found


def _at(course: Trajectories, one: Seen, shown: dict[str, Numbers]) -> Numbers:
    found: Numbers = shown[one.test][:, course.place(one.time)]
    return found


def _proposed(members: Members, history: History, turn: int) -> Members:
    row = np.arange(PARTICLES)

    def chance_of(purpose: str) -> Numbers:
        return uniform(SEED, f"fit.{purpose}.{turn}", row)

    steps = np.stack([normal(SEED, f"fit.step.{place}.{turn}", row) for place in range(members.form.shape[1])], axis=1)
    strength = members.strength * np.exp(STEP * steps)
    times = np.array(TIMES)[(chance_of("since") * len(TIMES)).astype(int)]
    since = np.where(chance_of("time") < ANOTHER_TIME, times, members.since)
    another = chance_of("person") < ANOTHER_PERSON
    number = np.where(another, NEW_PEOPLE + turn * PARTICLES + row, members.number)
    return Members(number, members.form, strength, since)


def _prior(members: Members) -> Numbers:
    """Return the log density of the strengths, up to a constant."""
    acts = members.form != NONE
    logs = np.log(np.where(acts, members.strength, 1.0))
    density: Numbers = -0.5 * ((logs / numbers()["severity"]) ** 2).sum(axis=1)
    return density


def _some(state: _State, rows: NDArray[np.int64]) -> _State:
    return _mixed(np.ones(len(rows), bool), _State(
        state.members.some(rows), state.easy[rows], state.strict[rows], _rows(state.course, rows),
        _given(state.given, rows),
        {name: values[rows] for name, values in state.shown.items()},
    ), None)  # fmt: skip


def _mixed(yes: NDArray[np.bool_], new: _State, old: _State | None) -> _State:
    """Return the new state of who moved and the old one of the others."""
    if old is None:
        return new
    members = Members(*(
        np.where(yes if one.ndim == 1 else yes[:, None], one, other)
        for one, other in zip(new.members, old.members, strict=True)
    ))  # fmt: skip
    course = _replace(old.course, np.where(yes[:, None, None], new.course.values, old.course.values))
    people = People(
        np.where(yes, new.given.people.constants, old.given.people.constants),
        np.where(yes, new.given.people.states, old.given.people.states),
    )
    shown = {name: np.where(yes[:, None], new.shown[name], old.shown[name]) for name in new.shown}
    easy, strict = np.where(yes, new.easy, old.easy), np.where(yes, new.strict, old.strict)
    return _State(members, easy, strict, course, _replaced(old.given, people), shown)


def _rows(course: Trajectories, rows: NDArray[np.int64]) -> Trajectories:
    return Trajectories(
        course.time, course.outputs, course.values[rows], course.status[rows], course.engine, course.notes
    )


def _replace(course: Trajectories, values: Numbers) -> Trajectories:
    status = np.zeros(len(values), np.int64)  # nobody who moved died
    return Trajectories(course.time, course.outputs, values, status, course.engine, course.notes)


def _given(given: Protocol, rows: NDArray[np.int64]) -> Protocol:
    return _replaced(given, People(given.people.constants[:, rows], given.people.states[:, rows]))


def _replaced(given: Protocol, people: People) -> Protocol:
    from dataclasses import replace  # noqa: PLC0415

    return replace(given, people=people)


def _beyond(more: float, less: float) -> float:
    """Return by how much [log] one number lies above another; 0 where it does not."""
    if more <= less:
        return 0.0
    return float(np.log(more / less)) if less > 0 else np.inf


def _told(history: History, state: _State, effective: float, moved: float, reached: float) -> Fit:
    residuals = []
    for one in sorted(history.seen, key=lambda one: one.time):
        shown = _at(state.course, one, state.shown)
        if np.isfinite(shown).all():
            low, lower, middle, upper, high = np.quantile(shown, (0.05, 0.25, 0.5, 0.75, 0.95))
            off = max(_beyond(lower, one.high), _beyond(one.low, upper)) / errors()[one.test].spread
            residuals.append(Residual(one, float(middle), float(low), float(high), off))
    names = [state_.name for state_ in model().states]
    last = state.course.place(LENGTH)
    at_index = np.stack([state.course[name][:, last] for name in names])
    people = People(state.given.people.constants, at_index)
    return Fit(history, state.members, people, state.course, tuple(residuals), effective, moved, reached)
