#!/usr/bin/env python3
"""Whether forecasts are as sure as they say: simulated patients of another body, foretold and then simulated on.

    python benchmarks/coverage.py [-n 1000] [--but noisy ppi no_urine] [--jobs 1] [--markdown]

A patient of the altered law (``calibration_patients.py``) with each cause in turn is shown to the engine, which weighs,
fits and foretells under one of the plans that it proposes, or under none; the patient's own body is then taken through
the same plan. A forecast is right if what the laboratory measures lies in its bands as often as they say. Answers are
kept: a run that was stopped goes on. Figures stand in docs/reference/forecasts.md.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from calibration_asked import NOTHING_OFF
from calibration_patients import NOISE, Patient, goes_on, patient, printed, with_results
from coverage_page import page
from figures import renewed
from kept import ROOT, go_on, read, stamp

from carnallite.assessment import again
from carnallite.assessment.cloud.asked import why_not
from carnallite.assessment.cloud.fit import fitted
from carnallite.assessment.cloud.history import Seen
from carnallite.assessment.cloud.judge import judge
from carnallite.assessment.cloud.members import causes
from carnallite.assessment.cloud.onward import onward
from carnallite.assessment.cloud.weigh import numbers, relative
from carnallite.assessment.cloud.words import holds
from carnallite.assessment.infer import likely_in
from carnallite.assessment.panel import panel
from carnallite.physiology import population
from carnallite.physiology.load import model
from carnallite.plan.advise import drafted, probable
from carnallite.plan.forecast import as_now, later, option
from carnallite.plan.propose import chosen_of, is_possible
from carnallite.plan.response import FILTRATION, Since, explained

if TYPE_CHECKING:
    from collections.abc import Iterator

    from calibration_patients import But
    from numpy.typing import NDArray

    from carnallite.assessment import Again, Columns, Fit
    from carnallite.physiology.simulate import Trajectories
    from carnallite.plan.forecast import Option

    Numbers = NDArray[np.float64]

PAGE = ROOT / "docs" / "reference" / "forecasts.md"
BUTS: dict[str, tuple[But, str]] = {  # what else is otherwise, and which tests the engine is shown
    "": ("", "decisive"), "no_urine": ("", "basic"), "noisy": ("noisy", "decisive"), "ppi": ("ppi", "decisive"),
}  # fmt: skip
HOURS = (24.0, 72.0, 168.0, 720.0)
TESTS = ("serum_magnesium", "serum_potassium", "serum_calcium")
MEASURED = (*TESTS, "urine_magnesium_24h")
LOOKS = sorted({*HOURS, *(hours - 24.0 for hours in HOURS)})  # urine is collected over a day
RESPONSE = (72.0, 168.0)  # [h] of the results that members are weighed by again
ROOMS = ("assessment", "plan", "record", "physiology")
OWN = ("calibration_patients", "coverage")


class Foretold(msgspec.Struct, frozen=True):
    """One value beside its forecast.

    Attributes
    ----------
    below : float
        [1] Share of what was foretold that lies below what was measured.
    off : float
        [log] What was measured above the middle of the members.
    spread : float
        [log] SD of the members.
    """

    test: str
    hours: float
    below: float
    off: float
    spread: float


class Learned(msgspec.Struct, frozen=True):
    """How often [1] a cause acts on members before and after the response, and whether it acts in truth."""

    cause: str
    before: float
    after: float
    acts: bool


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One simulated patient, what was foretold of it, or why nothing was."""

    number: int
    cause: str
    causes: list[str]
    sex: str
    age: float
    why_not: str = ""
    plan: str = ""
    foretold: list[Foretold] = []
    learned: list[Learned] = []


def asked(number: int, *, but: str, seed: int = 1) -> Record:
    """Simulate a patient, foretell, and simulate on."""
    otherwise, tests = BUTS[but]
    one = patient("each", number, seed=seed, but=otherwise)
    cause = "ppi" if otherwise == "ppi" else causes()[number % len(causes())]
    age = one.template.timeline.age() or np.nan  # a template is an adult's
    sex = one.template.timeline.patient.sex or "unknown"
    record = Record(number=number, cause=cause, causes=list(one.causes), sex=sex, age=round(age, 1))
    if not one.shown or one.body is None:
        return msgspec.structs.replace(record, why_not="died")
    everybody = panel([with_results(one.template, one.results[tests])])
    columns = everybody.columns
    disordered = any(states[0] in {"low", "high"} for states in everybody.states.values())
    why = why_not(columns, 0) or ("" if disordered else NOTHING_OFF)
    if why:
        return msgspec.structs.replace(record, why_not=why)
    posterior, cloud = judge(columns, everybody.posterior, 0)
    chances = likely_in(columns, posterior, 0)
    fit = fitted(cloud, columns.people[0], chances)
    if fit is None or not holds(cloud, fit, chances):
        return msgspec.structs.replace(record, why_not="the fit does not hold")
    chosen = _chosen(columns, chances, fit, number)
    chance = np.random.default_rng([seed, 5, number])
    what = later(chosen, columns.people[0].timeline.index)
    course = onward(fit, (*population.needed(MEASURED), FILTRATION), LOOKS, what)
    truth = goes_on(one.body, what, MEASURED, LOOKS, seed=seed)
    found = {
        test: [_result(test, float(truth[test][LOOKS.index(hours)]), chance) for hours in HOURS] for test in MEASURED
    }
    foretold = list(_foretold(found, fit, course))
    return msgspec.structs.replace(record, plan=chosen.id, foretold=foretold, learned=_learned(one, found, fit, course))


def _chosen(columns: Columns, chances: dict[str, float], fit: Fit, number: int) -> Option:
    """Return one of the plans that are proposed, or that nothing changes, in turn."""
    likely = probable(chances)
    options = [as_now(fit)]
    for draft in drafted(columns, likely):
        if is_possible(draft, 0):
            done = [(choice.step, regimen) for choice, regimen in chosen_of(draft, 0)]
            options.append(option(draft.strategy.id, done, fit))
    return options[number // len(causes()) % len(options)]


def _result(test: str, value: float, chance: np.random.Generator) -> float:
    result = value * float(np.exp(NOISE[test] * chance.standard_normal()))
    return printed(test, result) if np.isfinite(result) else np.nan


def _foretold(found: dict[str, list[float]], fit: Fit, course: Trajectories) -> Iterator[Foretold]:
    shown = population.columns(course, TESTS)
    alive = ~course.ended_early
    for test in TESTS:
        told = again(fit, test, shown[test], course.time).of(alive)
        for hours, result in zip(HOURS, found[test], strict=True):
            if np.isfinite(result) and alive.any():
                yield _beside(test, hours, result, told.at(course.place(hours)))


def _learned(one: Patient, found: dict[str, list[float]], fit: Fit, course: Trajectories) -> list[Learned]:
    """Weigh members by the results of three and seven days, as the answer about a response does."""
    shared = 1 + numbers()["alike"]
    seen = tuple(
        Seen(test, hours, result, result, 1 / shared)
        for test in MEASURED
        for hours, result in zip(HOURS, found[test], strict=True)
        if hours in RESPONSE and np.isfinite(result) and result > 0
    )
    log = explained(fit, course, Since(max(RESPONSE), (), seen, {}))
    if not np.isfinite(log).any():
        return []
    then, now = relative(np.where(np.isfinite(log), 0.0, -np.inf)), relative(log)
    having = fit.members.having()
    none = np.zeros(len(now), bool)
    return [
        Learned(id, round(float(then[has].sum()), 4), round(float(now[has].sum()), 4), id in one.causes)
        for id in sorted({*having, *one.causes})
        for has in [having.get(id, none)]
    ]


def _beside(test: str, hours: float, value: float, told: Again) -> Foretold:
    log = np.log(told.centre[:, 0])
    below = float((told.measured() < value).mean())
    return Foretold(test, hours, round(below, 4), round(float(np.log(value) - np.median(log)), 4),
                    round(float(log.std()), 4))  # fmt: skip


def main() -> int:
    """Ask, print the figures, and renew the page if that is wanted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=1000, help="patients, with each cause in turn")
    parser.add_argument("--but", nargs="*", choices=[one for one in BUTS if one], default=[],
                        help="what else is otherwise; a quarter as many of each")  # fmt: skip
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "carnallite-coverage")
    parser.add_argument("--markdown", action="store_true", help="renew the figures of the page")
    options = parser.parse_args()
    mark = stamp(options.seed, rooms=ROOMS, beside=OWN)
    folder = options.folder / mark
    folder.mkdir(parents=True, exist_ok=True)
    found = {}
    for but in ("", *options.but):
        path, count = folder / f"{but or 'altered'}.jsonl", options.n if not but else options.n // 4
        go_on(path, Record, count, partial(asked, but=but, seed=options.seed), jobs=options.jobs)
        found[but] = read(path, Record, count)
    text = page(found, f"Model `{model().hash}`, state `{mark}`, seed {options.seed}.")
    sys.stdout.write(text)
    if options.markdown:
        PAGE.write_text(renewed(PAGE.read_text("utf-8"), text), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
