"""Who virtual patients are: sex, age, weight and filtration of adults, as far as a record does not say them."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from carnallite import datafile
from carnallite.knowledge import knowledge
from carnallite.physiology.body import size
from carnallite.physiology.chance import in_blocks
from carnallite.physiology.crowd import Crowd
from carnallite.physiology.generate import python
from carnallite.physiology.scenario import Person, Scenario, Spread
from carnallite.quantity import Cited, Number, analyte

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

LIGHTEST, HEAVIEST = 40.0, 140.0  # [kg] for whom members are simulated
LEAST_GFR = 60.0  # [mL/min per 1.73 m²] of the healthy; less is kidney disease, which is a cause
LITER_PER_HOUR = 0.06  # of one mL/min
HALVINGS = 40


class Age(Cited, frozen=True, kw_only=True):
    """How people differ in age."""

    mean: float
    sd: float
    low: float
    high: float
    unit: str
    about: str


class Band(Cited, frozen=True, kw_only=True):
    """Adults of one sex and about one age: below which numbers 16, 50 and 84 % of them lie."""

    sex: Literal["male", "female"]
    age: float  # [a] mean
    weight: tuple[float, float, float]  # [kg]
    egfr: tuple[float, float, float]  # [mL/min per 1.73 m²]


class Population(datafile.Item, frozen=True, kw_only=True):
    """The content of ``people.toml``."""

    about: str
    women: Number
    age: Age
    bands: tuple[Band, ...]


@cache
def population() -> Population:
    """Return how people differ."""
    return datafile.read(Path(__file__).with_name("people.toml"), Population)


@cache
def anybody() -> Person:
    """Return a person of whom neither sex, age nor size is known."""
    age = population().age
    mean, sd, low, high = (f"{number:g} {age.unit}" for number in (age.mean, age.sd, age.low, age.high))
    return Person(women=population().women.value, age=Spread(mean=mean, sd=sd, low=low, high=high))


def drawn(person: Person, numbers: NDArray[np.int64], seed: int) -> dict[str, Numbers]:
    """Return sex, age [a], weight [kg] and normal filtration [L/h] of people by their numbers.

    Parameters
    ----------
    person : Person
        What is known of all of them; an empty weight is drawn by sex and age.
    """
    crowd = Crowd(Scenario(title="People", length="1 h", person=person), numbers, seed)
    male = crowd.men()
    age = np.array(crowd.drawn(person.age if person.age is not None else anybody().age or "", "a", "person.age"))
    if person.weight:
        weight = np.array(crowd.drawn(person.weight, "kg", "person.weight"))
    else:
        weight = _between("weight", male, age, crowd.normal("person.weight")).clip(LIGHTEST, HEAVIEST)
    egfr = np.maximum(_between("egfr", male, age, crowd.normal("person.egfr")), LEAST_GFR)
    own = {"person.male": male, "person.age": age, "person.weight": weight}
    return own | {"normal.gfr": egfr * LITER_PER_HOUR * size(own, count=len(numbers))}


def _between(what: Literal["weight", "egfr"], male: Numbers, age: Numbers, normal: Numbers) -> Numbers:
    """Return a quantity of people of this sex and age who lie so many standard deviations from the middle."""
    found = np.zeros(len(male))
    for sex, whom in (("male", male > 0), ("female", male <= 0)):
        bands = [band for band in population().bands if band.sex == sex]
        at = [band.age for band in bands]
        low, middle, high = (
            np.interp(age[whom], at, [float(getattr(band, what)[part]) for band in bands]) for part in range(3)
        )
        ratio = np.where(normal[whom] < 0, middle / low, high / middle)
        found[whom] = middle * in_blocks(np.exp, np.log(ratio) * normal[whom])
    return found


def creatinine(egfr: Numbers, people: dict[str, Numbers]) -> Numbers:
    """Return the creatinine in serum of which a laboratory estimates a filtration, in its canonical unit [person].

    Parameters
    ----------
    egfr : array [person]
        [mL/min per 1.73 m²]
    people : mapping of str to array [person]
        ``male`` and ``age``.
    """
    estimate, (name, unit) = _estimate()
    factor = analyte(name).factor(unit)
    plausible = analyte(name).plausible
    low, high = (np.full(len(egfr), np.log(limit / factor)) for limit in (plausible.low, plausible.high))
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        (found,) = estimate(np.array([np.exp(middle), people["age"], 1 - people["male"]]))
        low, high = np.where(found > egfr, middle, low), np.where(found > egfr, high, middle)
    return np.where(np.isnan(egfr), np.nan, factor * np.exp((low + high) / 2))


@cache
def _estimate() -> tuple[Callable[[Numbers], tuple[Numbers, ...]], tuple[str, str]]:
    """Return the formula of filtration as a function of arrays, and the result and unit that it reads."""
    formula = knowledge().formulas["egfr"]
    (result,) = formula.inputs.items()
    source = python.function("estimate", {"p": [result[0], "age", "female"]}, [("egfr", formula.expr)], ("egfr",))
    return python.compiled(source, "estimate", python.ARRAYS), result
