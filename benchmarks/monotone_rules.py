"""The monotone rules of the body: two courses of the same drawn patients that differ in one thing.

Patients have up to three causes of any kind and some drugs, for days to half a year, any size, age and filtration.
Numbers here say how patients and doses are drawn; they are assumptions of this suite.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeVar

import msgspec
import numpy as np

from carnallite.assessment.cloud.members import NONE, PEOPLE_ALIKE, draw
from carnallite.assessment.cloud.people import anybody
from carnallite.assessment.cloud.shown import part, staged
from carnallite.assessment.cloud.weigh import disputed
from carnallite.knowledge import effects, knowledge
from carnallite.physiology import People, Protocol, run
from carnallite.physiology.crowd import constant, parameter
from carnallite.physiology.load import model
from carnallite.physiology.scenario import Act, Change, Diet, Dose, Filter, Sampling, Scenario, Spread
from carnallite.physiology.simulate import RTOL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from carnallite.assessment.cloud.members import Members
    from carnallite.physiology import Trajectories

    Numbers = NDArray[np.float64]
    Truth = NDArray[np.bool_]

EXACT = RTOL / 100  # of a step
DRUG = 0.04  # chance of each drug
IMPAIRED = 0.5  # share of batches with fewer nephrons, whatever else they have
EATEN = {"magnesium": (12, 4, 2), "potassium": (75, 25, 20), "sodium": (150, 60, 20), "calcium": (22, 8, 5)}
EATING = ("07:00", "12:30", "19:00")
MAGNESIUM, POTASSIUM, CALCIUM = "magnesium.plasma", "potassium.plasma", "calcium.plasma"
FRACTION = "kidney_magnesium.fractional_excretion"
URINE = "outside.magnesium_urine"
ABSORBED = ("outside.magnesium_given", "outside.magnesium_stool", "gut.magnesium_undissolved",
            "gut.magnesium_jejunum", "gut.magnesium_ileum", "gut.magnesium_colon")  # fmt: skip
SALTS = (("magnesium sulfate", "intravenous"), ("magnesium sulfate", "intramuscular"),
         ("magnesium sulfate", "subcutaneous"), ("magnesium citrate", "oral"), ("magnesium oxide", "oral"))  # fmt: skip
Some = TypeVar("Some")
STATES = tuple(state.name for state in model().states)


class Pair(NamedTuple):
    """One quantity of the same patients in two courses: what must not be higher, and than what.

    Attributes
    ----------
    low, high : array [patient, look]
    gone : array [course, patient]
        Whose course ended early.
    asked : array [patient]
        Who is asked at all.
    turned : array [patient]
        In whom what is given does, as it was drawn, the contrary of what it is named for.
    """

    name: str
    low: Numbers
    high: Numbers
    gone: Truth
    asked: Truth
    turned: Truth


class Batch(NamedTuple):
    """Patients who are ill for the same time, and what chance decides for all of them."""

    seed: int
    number: int
    members: Members
    chance: np.random.Generator

    def between(self, low: float, high: float) -> float:
        """Return a number, as often of one size as of another."""
        return float(np.exp(self.chance.uniform(np.log(low), np.log(high))))

    def one_of(self, *each: Some) -> Some:
        """Return one of several."""
        return each[int(self.chance.integers(len(each)))]

    def scene(self, length: str, every: str) -> Scenario:
        """Return what all of them have in common, before anything is compared."""
        few = self.chance.random() < IMPAIRED
        eaten = {name: Spread(mean=f"{mean} mmol/d", sd=f"{sd} mmol/d", low=f"{low} mmol/d")
                 for name, (mean, sd, low) in EATEN.items()}  # fmt: skip
        return Scenario(
            title="Monotone",
            run_in=f"{self.members.since[0]:g} h",
            length=length,
            person=anybody(),
            own=disputed(),
            diet=Diet(meals=self.one_of(EATING, ()), **eaten),
            drug=tuple(Act(id=id, phenotype=str(self.chance.choice(sorted(forms))), share=DRUG)
                       for id, drug in knowledge().drugs.items() if (forms := effects(drug))),
            change=(nephrons(self.between(0.08, 1)),) if few else (),
            sampling=Sampling(every=every),
        )  # fmt: skip

    def cast(self, scenario: Scenario) -> Protocol:
        """Return a scenario with these patients."""
        rows = np.unique(self.members.form[self.members.form != NONE])
        return staged(scenario, self.members, [part(self.members, row) for row in rows], seed=self.seed)

    def courses(self, *arms: Scenario, outputs: tuple[str, ...]) -> tuple[Trajectories, ...]:
        """Return what these patients show in each of some scenarios."""
        return tuple(seen(self.cast(arm), outputs) for arm in arms)


def batch(rule: str, number: int, seed: int = 1, size: int = PEOPLE_ALIKE) -> Batch:
    """Return some patients for a rule; patient 300 is in batch 1, and the same whatever the size."""
    members = draw(seed, number * PEOPLE_ALIKE + np.arange(size))
    return Batch(seed, number, members, np.random.default_rng([seed, sorted(RULES).index(rule), number]))


def nephrons(share: float, start: str = "") -> Change:
    """Return that of the nephrons a share is left."""
    return Change(parameter="kidney.nephrons", factor=share, start=start)


def with_(scenario: Scenario, **more: tuple[object, ...]) -> Scenario:
    """Return a scenario with more acts, changes or doses."""
    return msgspec.structs.replace(scenario, **{key: (*getattr(scenario, key), *one) for key, one in more.items()})


def seen(given: Protocol, outputs: tuple[str, ...]) -> Trajectories:
    """Return the courses of patients."""
    return run(given, outputs, rtol=EXACT)


def turned(less: Protocol, more: Protocol, *names: str) -> Truth:
    """Return in whom more of something raises a parameter [patient] that it is there to lower."""
    found = np.zeros(len(less.people), bool)
    for name in names:
        found |= more.changes[name][1][-1] > less.changes[name][1][-1]
    return found


def pair(
    name: str,
    low: Numbers,
    high: Numbers,
    courses: tuple[Trajectories, ...],
    *,
    asked: Truth | None = None,
    turned: Truth | None = None,
) -> Pair:
    """Return a quantity of two courses, in any order, of which one must not be higher."""
    gone = np.array([course.ended_early for course in courses])
    patients = gone.shape[1]
    return Pair(
        name, low.reshape(patients, -1), high.reshape(patients, -1), gone,
        asked=np.ones(patients, bool) if asked is None else asked,
        turned=np.zeros(patients, bool) if turned is None else turned,
    )  # fmt: skip


def area(values: Numbers, hours: Numbers) -> Numbers:
    """Return the mean over time [patient] of values [patient, look]."""
    found: Numbers = np.trapezoid(values, hours, axis=1) / (hours[-1] - hours[0])
    return found


# the rules ----------------------------------------------------------------------------------------------------------
def more_magnesium(some: Batch) -> Iterator[Pair]:
    """O1: more magnesium given, plasma magnesium and magnesium in urine are not lower."""
    base = some.scene("7 d", "1 h")
    what, route = some.one_of(*SALTS)
    over = f"{some.between(0.25, 12):.3f} h" if route == "intravenous" else ""
    every = some.one_of("", "12 h", "24 h")
    less = some.between(2, 40)
    arms = [
        with_(base, dose=(Dose(what=what, amount=f"{amount!r} mmol", route=route, every=every, over=over),))
        for amount in (less, less * some.between(1.05, 3))
    ]
    courses = one, more = some.courses(*arms, outputs=(MAGNESIUM, URINE))
    yield pair("plasma magnesium, area in 7 d", *(area(each[MAGNESIUM], each.time) for each in (one, more)), courses)
    yield pair("magnesium in urine of 7 d", one[URINE][:, -1], more[URINE][:, -1], courses)


def less_filtration(some: Batch) -> Iterator[Pair]:
    """O2: less filtration, the same dose brings no lower peak and no lower mean of a day."""
    base = some.scene("1 d", "0.25 h")
    for of, soluble in (("magnesium", "magnesium citrate"), ("potassium", "KCl")):
        route = some.one_of("intravenous", "oral")
        what = "magnesium sulfate" if of == "magnesium" and route == "intravenous" else soluble
        over = f"{some.between(1, 12):.3f} h" if route == "intravenous" else ""
        better = with_(base, dose=(Dose(what=what, amount=f"{some.between(5, 40)!r} mmol", route=route, over=over),))
        looks = (f"{of}.plasma", f"{of}.extracellular")
        good = some.courses(better, outputs=looks)[0]
        for start, told in (("0 h", "from the dose on"), ("", "since the illness began")):
            worse = with_(better, change=(nephrons(some.between(0.1, 0.97), start),))
            courses = good, some.courses(worse, outputs=looks)[0]
            (high, low), (much, little) = ([one[look] for one in courses] for look in looks)
            name = f"{of}, filtration lower {told}"
            yield pair(f"{name}: peak", high.max(axis=1), low.max(axis=1), courses)
            yield pair(f"{name}: mean of 24 h", area(high, good.time), area(low, good.time), courses)
            yield pair(f"{name}: outside cells, mean", area(much, good.time), area(little, good.time), courses)


def more_diuretic(some: Batch) -> Iterator[Pair]:
    """O3: more diuretic, loop for a day or thiazide for 60 d, FEMg not lower; a PPI, less absorbed."""
    first, chronic = some.scene("24 h", "1 h"), some.scene("60 d", "24 h")
    courses, against = _doses(some, first, "loop_diuretic", (FRACTION,), "kidney.nkcc2")
    less, more = (one[FRACTION] for one in courses)
    yield pair("loop diuretic: fractional excretion, each hour of 24", less, more, courses, turned=against)
    courses, against = _doses(some, chronic, "thiazide", (FRACTION,), "kidney.ncc")
    less, more = (one[FRACTION][:, -1] for one in courses)
    yield pair("thiazide: fractional excretion after 60 d", less, more, courses, turned=against)
    courses, against = _doses(some, chronic, "ppi", ABSORBED, "gut.transporter_target")
    less, more = (absorbed(one) for one in courses)
    yield pair("acid suppression: magnesium absorbed in 60 d", more, less, courses, turned=against)


def _doses(
    some: Batch, base: Scenario, id: str, outputs: tuple[str, ...], target: str
) -> tuple[tuple[Trajectories, ...], Truth]:
    """Return the courses under less and more of a drug, and in whom more of it raises what it should lower."""
    form = some.one_of(*sorted(effects(knowledge().drugs[id])))
    less = some.one_of(0.0, some.between(0.2, 1))
    strengths = less, less * some.between(1.05, 3) if less else some.between(0.2, 2)
    arms = [some.cast(with_(base, drug=(Act(id=id, phenotype=form, strength=strength, start="0 h"),)))
            for strength in strengths]  # fmt: skip
    return tuple(seen(arm, outputs) for arm in arms), turned(arms[0], arms[1], target)


def absorbed(course: Trajectories) -> Numbers:
    """Return what the gut took up [patient], less what was secreted into it."""
    given, *elsewhere = (course[name][:, -1] - course[name][:, 0] for name in ABSORBED)
    found: Numbers = given - np.sum(elsewhere, axis=0)
    return found


def cell_and_aldosterone(some: Batch) -> Iterator[Pair]:
    """O4: less magnesium in cells, no less secretion; more aldosterone, no less potassium in urine."""
    base = some.scene("24 h", "24 h")
    given = some.cast(base)
    now = seen(given, STATES)
    secreted, excreted = "kidney_potassium.secreted", "kidney_potassium.excreted"
    looks = [_touched(given, now, "magnesium.soft_tissue", factor) for factor in (1.0, some.between(0.3, 0.99))]
    courses = full, poor = tuple(seen(one, (secreted,)) for one in looks)
    yield pair("less cell magnesium: secretion at that moment", full[secreted], poor[secreted], courses)
    looks = [_touched(given, now, "aldosterone.genomic", factor) for factor in (1.0, some.between(1.01, 4))]
    courses = less, more = tuple(seen(one, (excreted,)) for one in looks)
    yield pair("more aldosterone: excretion at that moment", less[excreted], more[excreted], courses)
    urine = "outside.potassium_urine"
    added = Change(parameter="aldosterone.exogenous", add=f"{some.between(0.05, 5)!r}", start="0 h")
    courses = less, more = some.courses(base, with_(base, change=(added,)), outputs=(urine,))
    yield pair("mineralocorticoid given: potassium in urine of 24 h", *(one[urine][:, -1] for one in courses), courses)


def _touched(given: Protocol, now: Trajectories, state: str, factor: float) -> Protocol:
    """Return patients as they are at time zero, one state of whom has just been multiplied."""
    states = now.values[:, 0].T.copy()
    states[STATES.index(state)] *= factor
    held = {name: (np.zeros(1), values[[np.searchsorted(times, 0.0, side="right") - 1]])
            for name, (times, values) in given.changes.items()}  # fmt: skip
    return Protocol(people=People(given.people.constants, states), start=0.0, end=1.0, samples=np.zeros(1),
                    changes=held)  # fmt: skip


def saline(some: Batch) -> Iterator[Pair]:
    """O5: saline for who lacks salt and water, aldosterone is not higher."""
    lost = some.between(0.3, 3)
    base = with_(some.scene("24 h", "1 h"), change=some.one_of(
        (Change(parameter="losses.stoma_flow", add=f"{lost!r} L/d"),),
        (Change(parameter="kidney.nkcc2", factor=0.5), Change(parameter="diet.sodium", factor=0.3)),
        (Change(parameter="diet.sodium", factor=0.1), Change(parameter="kidney.ncc", factor=0.4)),
    ))  # fmt: skip
    litre = Dose(what="saline", amount=f"{some.between(0.25, 3)!r} L", route="intravenous",
                 over=f"{some.between(1, 24)!r} h")  # fmt: skip
    outputs = ("aldosterone.plasma", "water.extracellular", "aldosterone.angiotensin")
    arms = [some.cast(arm) for arm in (base, with_(base, dose=(litre,)))]
    courses = dry, wet = tuple(seen(arm, outputs) for arm in arms)
    missing = 1 - dry[outputs[1]][:, 0] / constant(arms[0].people, "normal.extracellular")
    depleted = missing > parameter("kidney.vasopressin_threshold").value
    yield pair("aldosterone, each hour of 24", wet[outputs[0]], dry[outputs[0]], courses, asked=depleted)
    yield pair("angiotensin, each hour of 24", wet[outputs[2]], dry[outputs[2]], courses, asked=depleted)


def more_citrate(some: Batch) -> Iterator[Pair]:
    """O6: more citrate in renal replacement, ionized magnesium and calcium are not higher, nor the ratio lower."""
    machine = Filter(
        dialysate=f"{some.between(0.5, 4)!r} L/h", removal=f"{some.between(0.01, 0.3)!r} L/h", start="0 h",
        magnesium=some.one_of("0.5 mmol/L", "0.75 mmol/L", "1.5 mmol/L"),
        calcium=some.one_of("0 mmol/L", "1.25 mmol/L"), calcium_return=f"{some.between(0.5, 6)!r} mmol/h",
    )  # fmt: skip
    base, less = some.scene("3 d", "1 h"), some.one_of(0.0, some.between(0.1, 1))
    strengths = less, less * some.between(1.05, 3) if less else some.between(0.1, 2)
    arms = [
        some.cast(with_(base, crrt=(msgspec.structs.replace(machine, citrate=strength > 0),),
                        cause=(Act(id="citrate_transfusion", strength=strength, start="0 h"),)))
        for strength in strengths
    ]  # fmt: skip
    ionized = ("magnesium.ionized", "calcium.ionized")
    courses = one, more = tuple(seen(arm, (*ionized, CALCIUM)) for arm in arms)
    against = turned(arms[0], arms[1], "normal.ionized_magnesium", "normal.ionized_calcium")
    for name in ionized:
        told = name.replace(".", ", ")
        yield pair(f"{told}, each hour of 3 d", more[name], one[name], courses, turned=against)
    ratios = [each[CALCIUM] / each["calcium.ionized"] for each in courses]
    yield pair("calcium, total over ionized, each hour of 3 d", *ratios, courses, turned=against)


RULES: dict[str, Callable[[Batch], Iterator[Pair]]] = {
    "O1": more_magnesium,
    "O2": less_filtration,
    "O3": more_diuretic,
    "O4": cell_and_aldosterone,
    "O5": saline,
    "O6": more_citrate,
}
