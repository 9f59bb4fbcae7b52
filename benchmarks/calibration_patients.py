"""Simulated patients whose causes are known: the record of a published case, a true set of causes, and their results.

Three laws, from what the engine believes to what it does not:

own      the inference holds word for word: with chance `unlike` the findings and not the body bring the results
body     the body describes everybody; results scatter as ``weights.toml`` says
altered  another body: severity, disputed parameters, structure, diet, time and laboratory are not those of the engine

A patient is told by law and number alone. Numbers here that are not the engine's are assumptions of this suite.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec
import numpy as np

from carnallite.assessment.cloud.around import anything
from carnallite.assessment.cloud.asked import person_of, shares_of
from carnallite.assessment.cloud.history import LENGTH
from carnallite.assessment.cloud.members import NONE, TIMES, Members, causes, chosen_form, strengths
from carnallite.assessment.cloud.shown import BODY, CLOSE, TESTS, estimated, part, scene, seen, staged
from carnallite.assessment.cloud.under import under_at
from carnallite.assessment.cloud.weigh import TAILS, errors, numbers, weights
from carnallite.assessment.facts import PRESENT
from carnallite.assessment.network import network, told, told_of
from carnallite.assessment.panel import panel
from carnallite.knowledge import knowledge
from carnallite.physiology import population
from carnallite.physiology.body import People
from carnallite.physiology.load import model
from carnallite.physiology.scenario import Change, Sampling, Scenario
from carnallite.physiology.simulate import run
from carnallite.record import Observation, Timeline, read_record

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from carnallite.assessment import Later
    from carnallite.assessment.cloud.shown import Part
    from carnallite.assessment.cloud.under import Under
    from carnallite.assessment.panel import Panel
    from carnallite.physiology.scenario import Person

    Numbers = NDArray[np.float64]
    Shown = dict[str, float]

Law = Literal["own", "body", "altered", "each"]
But = Literal["", "noisy", "ppi"]
LAWS: dict[Law, str] = {
    "own": "as the engine believes",
    "body": "the body describes everybody",
    "altered": "altered body",
    "each": "altered body, as many patients for every cause",
}
PUBLISHED = Path(__file__).parents[1] / "tests" / "published"
BASIC = ("serum_magnesium", "serum_potassium", "serum_calcium", "egfr")
DECISIVE = (*BASIC, "urine_magnesium_24h", "urine_potassium_24h", "urine_calcium_24h", "pth", "serum_phosphate",
            "serum_aldosterone")  # fmt: skip
PANELS = {"basic": BASIC, "decisive": DECISIVE}
ALONE = 0.5  # a record in which a cause that no body can have is likelier than this is no template
ADULT = 18.0
KEPT = {"body_weight", "body_height", "body_mass_index", "systolic_pressure", "diastolic_pressure", "heart_rate"}
TOLD_BY_RESULTS = {"metabolic_acidosis", "metabolic_alkalosis", "hypercalciuria", "ecg_hypokalemia", "ecg_hyperkalemia"}
DIGITS = {"serum_magnesium": 2, "serum_potassium": 1, "serum_calcium": 2, "egfr": 0}  # decimals as a laboratory prints
FIGURES = 2  # of other results
POOL = 240  # people with any causes, from whom results are drawn where the body does not describe a patient
TURN = 4  # patients in a row with the same record

# The altered body and laboratory. All are assumptions, of the size that the literature gives.
SEVERITY = 0.6  # SD of the log of how strongly a cause acts; the engine's is in weights.toml
STRUCTURE, DISTURBED = 0.15, 8  # so many parameters without a spread of their own are off by this share
INTAKE = 0.3  # SD of the log of what is eaten of each mineral
ONSET = (48.0, 8760.0)  # [h] log-uniform, in place of the four times of the engine
FAR_STRONGER = 2.5  # times as strong as believed, where an effect is wrong
WAXING = 0.6  # share of the strength in the first half of the time, in every second patient
COLLECTED = (0.75, 1.05)  # share of a day's urine that is in the bottle, the same for all its results
NOISE = {
    "serum_magnesium": 0.04,
    "serum_potassium": 0.03,
    "serum_calcium": 0.025,
    "egfr": 0.15,
    "serum_phosphate": 0.10,
    "pth": 0.20,
    "serum_aldosterone": 0.35,
    "urine_magnesium_24h": 0.25,
    "urine_potassium_24h": 0.20,
    "urine_calcium_24h": 0.25,
}  # fmt: skip  (SD of the log: assay and within the person)
EATEN = ("magnesium", "sodium", "potassium", "calcium", "phosphate")
ORGANS = ("acid_base", "aldosterone", "calcium", "calcium_hormones", "gut", "kidney", "kidney_magnesium",
          "kidney_potassium", "magnesium", "phosphate", "potassium", "water")  # fmt: skip


class Template(NamedTuple):
    """A published record without its results, and what the engine holds of it.

    Attributes
    ----------
    under : Under or None
        Treatment that goes on.
    candidates : tuple of str
        Causes that are weighed jointly.
    sets : array [set, candidate]
    chance : array [set]
        [1] Of each set of causes that the body can have, before any result.
    others : dict of cause to float
        [1] The same of causes that the body can have and that are not among the candidates.
    """

    id: str
    timeline: Timeline
    person: Person
    under: Under | None
    share: Numbers
    candidates: tuple[str, ...]
    sets: NDArray[np.bool_]
    chance: Numbers
    others: dict[str, float]

    def marginal(self, cause: str) -> float:
        """Return the chance [1] of a cause before any result."""
        if cause in self.others:
            return self.others[cause]
        if cause not in self.candidates:
            return 0.0
        return float(self.chance[self.sets[:, self.candidates.index(cause)]].sum())


class Altered(NamedTuple):
    """An altered body and what acts on it: its scenario until the index, the forms of causes, and its state then."""

    scenario: Scenario
    members: Members
    parts: list[Part]
    states: Numbers


class Patient(NamedTuple):
    """A simulated patient; `shown` is empty where it died, `results` hold what each panel is given."""

    law: Law
    number: int
    template: Template
    causes: tuple[str, ...]
    hours: float
    described: bool
    shown: Shown
    results: dict[str, Shown]
    body: Altered | None = None


# records ------------------------------------------------------------------------------------------------------------
@cache
def templates() -> tuple[Template, ...]:
    """Return the records of adults that the body can stand for, without results."""
    paths = sorted(PUBLISHED.glob("*.json")) + sorted((PUBLISHED / "further").glob("*.json"))
    known = {path.stem: stripped(read_record(path).timeline) for path in paths}
    everybody = panel(known.values())
    found = [_template(id, everybody, row) for row, id in enumerate(known)]
    return tuple(one for one in found if one is not None)


def stripped(timeline: Timeline) -> Timeline:
    """Return a record without laboratory results, and without diagnoses that only say what a result was."""
    return msgspec.structs.replace(
        timeline,
        observations=tuple(one for one in timeline.observations if one.quantity in KEPT),
        conditions=tuple(
            one
            for one in timeline.conditions
            if one.status == "family"
            or not (one.condition in TOLD_BY_RESULTS or one.condition.endswith("emia_diagnosis"))
        ),
        unreadable=(),
        digest="",
    )


def _template(id: str, everybody: Panel, row: int) -> Template | None:
    columns, posterior = everybody.columns, everybody.posterior
    facts = columns.people[row]
    if facts.age is None or facts.age < ADULT or PRESENT in (facts.recorded("pregnancy"), facts.recorded("dialysis")):
        return None
    candidates = tuple(network().causes[number] for number in posterior.candidates[row])
    by_hand = np.array([not knowledge().findings[finding].tests for finding in network().findings])
    score = posterior.odds[row] + told(posterior.candidates[[row]], posterior.state[[row]], by_hand[None])[0]
    chance = np.exp(score - score.max())
    outside = posterior.sets[:, [cause not in causes() for cause in candidates]].any(axis=1)
    if chance[outside].sum() > ALONE * chance.sum():
        return None
    chance[outside] = 0
    others = {
        cause: float(posterior.marginal[row, network().causes.index(cause)])
        for cause in causes()
        if cause not in candidates
    }
    return Template(
        id, facts.timeline, person_of(facts), under_at(facts, LENGTH, frozenset(errors())), shares_of(columns, row),
        candidates, posterior.sets, chance / chance.sum(), others,
    )  # fmt: skip


def with_results(template: Template, results: Mapping[str, float]) -> Timeline:
    """Return the record of a template with results of the index."""
    timeline = template.timeline
    new = tuple(
        Observation(quantity=test, low=value, high=value, time=timeline.index - timedelta(minutes=5), where="simulated")
        for test, value in results.items()
    )
    return msgspec.structs.replace(timeline, observations=(*timeline.observations, *new))


# who it is ----------------------------------------------------------------------------------------------------------
def patient(law: Law, number: int, *, seed: int = 1, but: But = "") -> Patient:
    """Return a simulated patient.

    Parameters
    ----------
    law : "own", "body", "altered" or "each"
        "each" is "altered" with the causes in turn, each in records that make it likely, as many patients for each.
    but : "", "noisy" or "ppi"
        What else is otherwise than the engine believes: errors of the laboratory twice as large, or everybody takes a
        proton-pump inhibitor that acts far more strongly.
    """
    chance = np.random.default_rng([seed, list(LAWS).index(law), number])
    if law == "each":
        template, true = _having("ppi" if but == "ppi" else causes()[number % len(causes())], chance)
    else:
        template = templates()[number // TURN % len(templates())]
        true = _true(template, chance)
    members = _member(template, true, number, chance, seed)
    if but == "ppi":
        is_it = members.acting() == causes().index("ppi")
        members = members._replace(strength=np.where(is_it, FAR_STRONGER, 1) * members.strength)
    body = None
    if law in {"altered", "each"}:
        hours, shown, body = _altered(template, members, chance, seed)
    else:
        hours, shown = _usual(template, members, seed)
    described = law != "own" or bool(chance.random() >= numbers()["unlike"])
    wide = 2.0 if but == "noisy" else 1.0
    results = _results(law, template, true, shown, chance, described=described, seed=seed, wide=wide) if shown else {}
    return Patient(law, number, template, true, hours, described, shown, results, body)


def _true(template: Template, chance: np.random.Generator) -> tuple[str, ...]:
    """Return a set of causes as probable as the engine holds it before any result."""
    row = int(chance.choice(len(template.chance), p=template.chance))
    inside = {id for id, has in zip(template.candidates, template.sets[row], strict=True) if has}
    return _sorted(inside | {id for id, probability in template.others.items() if chance.random() < probability})


def _having(cause: str, chance: np.random.Generator) -> tuple[Template, tuple[str, ...]]:
    """Return a record in which a cause is likely, and a set that holds the cause."""
    likely = np.array([one.marginal(cause) for one in templates()])
    template = templates()[int(chance.choice(len(likely), p=likely / likely.sum()))]
    if cause in template.others:
        return template, _sorted({cause, *_true(template, chance)})
    having = np.where(template.sets[:, template.candidates.index(cause)], template.chance, 0)
    return template, _true(template._replace(chance=having / having.sum()), chance)


def _sorted(true: set[str]) -> tuple[str, ...]:
    return tuple(id for id in causes() if id in true)


def _member(template: Template, true: tuple[str, ...], number: int, chance: np.random.Generator, seed: int) -> Members:
    """Return one virtual patient with these causes."""
    alone = np.array([number])
    form = np.array([[*(int(chosen_form(id, chance.random(1), template.share)[0]) for id in true), NONE]])
    return Members(alone, form, strengths(_other(seed), alone, form), np.array([chance.choice(TIMES)]))


def _other(seed: int) -> int:
    """Return a seed whose people the engine does not draw."""
    return 1_000_000 + seed


# what the body shows ------------------------------------------------------------------------------------------------
def _usual(template: Template, members: Members, seed: int) -> tuple[float, Shown]:
    hours = float(members.since[0])
    shown = seen(scene(hours, template.person, template.under), members, seed=_other(seed)).after
    return hours, _alive({name: float(values[0]) for name, values in shown.items()})


def _altered(
    template: Template, members: Members, chance: np.random.Generator, seed: int
) -> tuple[float, Shown, Altered]:
    hours = float(np.round(np.exp(chance.uniform(*np.log(ONSET)))))
    ends = {id: chance.choice([one.low, one.high]) for id, one in sorted(weights().disputed.items())}
    scenario = msgspec.structs.replace(
        scene(hours, template.person, template.under),
        own={id: str(end) for id, end in ends.items()},
        change=_disturbed(chance),
    )
    strong = members._replace(strength=members.strength ** (SEVERITY / numbers()["severity"]))
    acting = np.unique(members.form[members.form != NONE])
    parts = last = [part(strong, row) for row in acting]
    if chance.random() < 0.5:
        half = f"{hours / 2:.6f} h"
        mild = strong._replace(strength=WAXING * strong.strength)
        last = [part(strong, row, start=half) for row in acting]
        parts = [part(mild, row, until=half) for row in acting] + last
    given = staged(scenario, strong, parts, seed=_other(seed))
    names, states = (*TESTS, *BODY), tuple(state.name for state in model().states)
    course = run(given, tuple(dict.fromkeys((*population.needed(names), *states))), rtol=CLOSE)
    shown = {name: values[:, -1] for name, values in population.columns(course, names).items()}
    shown["egfr"] = estimated(shown["kidney.gfr"], given.people)
    body = Altered(scenario, strong, last, np.stack([course[name][:, -1] for name in states]))
    return hours, _alive({name: float(values[0]) for name, values in shown.items()}), body


def goes_on(
    body: Altered, later: Later, names: Sequence[str], hours: Sequence[float], *, seed: int = 1
) -> dict[str, Numbers]:
    """Return what an altered body shows [time] so many hours after the index; NaN once it is dead.

    Parameters
    ----------
    later : Later
        What is given from the index on, and which causes end.
    """
    scenario = msgspec.structs.replace(
        body.scenario, length=f"{max(hours):.6f} h", clock=later.clock, dose=later.doses, treatment=later.treatments,
        sampling=Sampling(at=tuple(f"{time:.6f} h" for time in np.unique([0.0, *hours]))),
    )  # fmt: skip
    parts = [
        (msgspec.structs.replace(act, start=""), strength) for act, strength in body.parts if act.id not in later.ended
    ]
    given = staged(scenario, body.members, parts, seed=_other(seed))
    course = run(
        replace(given, people=People(given.people.constants, body.states)), population.needed(names), rtol=CLOSE
    )
    at = np.abs(course.time[:, None] - np.asarray(hours)).argmin(axis=0)
    return {name: values[0, at] for name, values in population.columns(course, names).items()}


def _disturbed(chance: np.random.Generator) -> tuple[Change, ...]:
    """Return what is other in this body all the time: some of its structure, and what is eaten."""
    chosen = chance.choice(structure(), DISTURBED, replace=False)
    off = {str(name): 1 + STRUCTURE * chance.choice([-1, 1]) for name in chosen}
    eaten = {f"diet.{name}": np.exp(INTAKE * chance.standard_normal()) for name in EATEN}
    return tuple(Change(parameter=name, factor=float(factor)) for name, factor in (off | eaten).items())


@cache
def structure() -> tuple[str, ...]:
    """Return the parameters of the organs that are the same in everybody and that no illness acts on."""
    return tuple(
        one.name
        for one in model().parameters
        if one.name.partition(".")[0] in ORGANS
        and one.status in {"fitted", "assumed"}
        and not one.spread
        and one.low is None
        and one.high is None
        and one.name not in weights().disputed
        and not (1 / (1 + STRUCTURE) <= one.value < 1)  # a share of one cannot be raised
    )


def _alive(shown: Shown) -> Shown:
    return shown if all(np.isfinite(list(shown.values()))) else {}


# what the laboratory says -------------------------------------------------------------------------------------------
def _results(  # noqa: PLR0913  (each is something else)
    law: Law,
    template: Template,
    true: tuple[str, ...],
    shown: Shown,
    chance: np.random.Generator,
    *,
    described: bool,
    seed: int,
    wide: float,
) -> dict[str, Shown]:
    if not described:
        draw = float(chance.random())
        return {name: _found(template, true, name, draw, seed) for name in PANELS}
    if law in {"altered", "each"}:
        bottle = chance.uniform(*COLLECTED)
        off = {test: float(np.exp(wide * NOISE[test] * chance.standard_normal())) for test in DECISIVE}
        off |= {test: off[test] * bottle for test in DECISIVE if test.startswith("urine_")}
    else:
        off = {test: float(np.exp(errors()[test].spread * chance.standard_t(TAILS))) for test in DECISIVE}
    return {name: {test: printed(test, shown[test] * off[test]) for test in tests} for name, tests in PANELS.items()}


def printed(test: str, value: float) -> float:
    """Return a result as a laboratory prints it.

    >>> printed("serum_potassium", 3.4721), printed("urine_calcium_24h", 0.04321)
    (3.5, 0.043)
    """
    if test in DIGITS:
        return round(value, DIGITS[test])
    return float(f"{value:.{FIGURES}g}")


class Pool(NamedTuple):
    """What the laboratory may find in anybody of a kind, and how readily the findings come without any body.

    Attributes
    ----------
    results : list of dict
    state : array [person, finding]
    usual : array [person]
        [log] Chance of these findings in anybody.
    """

    results: list[Shown]
    state: NDArray[np.int8]
    same: NDArray[np.bool_]
    usual: Numbers


@cache
def _pool(id: str, name: str, seed: int) -> Pool:
    template = next(one for one in templates() if one.id == id)
    chance = np.random.default_rng([seed, 99, sorted(one.id for one in templates()).index(id)])
    members, shown = anything(template.person, POOL, seed=_other(seed))
    alive = ~np.isnan(shown["serum_magnesium"])
    tests = PANELS[name]
    off = {test: np.exp(errors()[test].spread * chance.standard_t(TAILS, POOL)) for test in tests}
    results = [
        {test: printed(test, float(shown[test][row] * off[test][row])) for test in tests}
        for row in np.flatnonzero(alive)
    ]
    state = panel(with_results(template, one) for one in results).posterior.state
    same = np.array([bool(set(knowledge().findings[finding].tests) & set(tests)) for finding in network().findings])
    acting = np.zeros((POOL, len(network().causes) + 1), bool)
    column = np.array([*(network().causes.index(cause) for cause in causes()), -1])
    np.put_along_axis(acting, column[members.acting()], True, axis=1)
    likely = [np.logaddexp.reduce(told_of(acting[alive, :-1], one, same)) - np.log(alive.sum()) for one in state]
    return Pool(results, state, same, np.array(likely))


def _found(template: Template, true: tuple[str, ...], name: str, draw: float, seed: int) -> Shown:
    """Return the results of somebody in whom the findings come as cited, whatever the body does."""
    pool = _pool(template.id, name, seed)
    has = np.array([[id in true for id in network().causes]])
    log = np.array([told_of(has, one, pool.same)[0] for one in pool.state]) - pool.usual
    weight = np.cumsum(np.exp(log - log.max()))
    return pool.results[int(np.searchsorted(weight, draw * weight[-1]))]
