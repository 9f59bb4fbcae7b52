"""Who is simulated: typical people, or people who are drawn, with every quantity of a scenario that may differ."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from carnallite.errors import DataFileError, ScenarioError, UnitError, UnknownIdError, did_you_mean
from carnallite.physiology import dimension
from carnallite.physiology.body import People, healthy, typical
from carnallite.physiology.chance import in_blocks, normal, uniform
from carnallite.physiology.load import model
from carnallite.physiology.scenario import Spread

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from carnallite.physiology.scenario import Scenario
    from carnallite.physiology.schema import Parameter

    Numbers = NDArray[np.float64]


@dataclass
class Crowd:
    """People of a scenario, by their numbers; without a seed all are the typical person."""

    scenario: Scenario
    numbers: NDArray[np.int64]
    seed: int | None
    given: Mapping[str, Numbers] = field(default_factory=dict)  # by parameter [person], in place of the scenario's
    count: int = field(init=False)
    held: NDArray[np.bool_] = field(init=False)  # whose values were held at a limit of the model

    def __post_init__(self) -> None:
        self.count = len(self.numbers)
        self.held = np.zeros(self.count, bool)

    def people(self) -> People:
        """Return them in health and balance."""
        given = self.scenario.person
        own: dict[str, Numbers] = {"person.male": self.men()}
        if given.age is not None:
            own["person.age"] = self.drawn(given.age, "a", "person.age")
        if given.weight:
            own["person.weight"] = self.drawn(given.weight, "kg", "person.weight")
        for name, text in self.scenario.own.items():
            own[name] = self.drawn(text, self.known(name, f"own.{name}").unit, f"own.{name}")
        for name, value in (own | dict(self.given)).items():
            own[name] = np.array(value)
            self.inside(name, own[name], f"own.{name}" if name in self.scenario.own else name)
        if self.seed is None:
            try:
                return healthy(own, count=self.count)
            except DataFileError as error:
                key = "own" if self.scenario.own else "person"
                raise ScenarioError(key, f"cannot be in balance: {error.where} does not exist.", error.do) from None
        return healthy(own | self.differences(own), count=self.count, strict=False)

    def men(self) -> Numbers:
        """Return 1 for each man, else 0."""
        person = self.scenario.person
        if person.women is None or self.seed is None:
            return np.full(self.count, float(person.sex == "male"))
        if not 0 <= person.women <= 1:
            raise ScenarioError("person.women", f"{person.women:g} is no share.", "Write a number from 0 to 1.")
        return (self.uniform("person.male") >= person.women).astype(float)

    def drawn(self, given: str | float | Spread, unit: str, where: str, weight: Numbers | None = None) -> Numbers:
        """Return a quantity of each person: as it is written, or drawn from its spread."""
        if not isinstance(given, Spread):
            text = f"{given:g} {unit}" if isinstance(given, float | int) else given
            return np.broadcast_to(self.number(text, unit, where, weight), self.count)
        mean = self.number(given.mean, unit, f"{where}.mean", weight)
        sd = self.number(given.sd, unit, f"{where}.sd", weight)
        low = self.number(given.low, unit, f"{where}.low", weight) if given.low else -np.inf
        high = self.number(given.high, unit, f"{where}.high", weight) if given.high else np.inf
        if np.any(np.asarray(sd) < 0) or np.any(np.asarray(low) > np.asarray(high)):
            raise ScenarioError(where, "is no spread.", "`sd` must not be negative, nor `low` above `high`.")
        value = np.broadcast_to(mean, self.count)
        return np.clip(value + sd * self.normal(where), low, high) if self.seed is not None else value

    def differences(self, own: Mapping[str, Numbers]) -> dict[str, Numbers]:
        """Return what of the healthy body differs between people, each by its own spread."""
        usual = typical(own, count=self.count)
        return {
            parameter.name: usual[row] * in_blocks(np.exp, parameter.spread * self.normal(parameter.name))
            for row, parameter in enumerate(model().parameters)
            if parameter.spread and parameter.name not in own
        }

    def normal(self, what: str) -> Numbers:
        """Return a standard normal number of each person for a purpose."""
        return normal(self.seed or 0, what, self.numbers)

    def uniform(self, what: str) -> Numbers:
        """Return a number between 0 and 1 of each person for a purpose."""
        return uniform(self.seed or 0, what, self.numbers)

    def inside(self, name: str, values: Numbers, where: str) -> None:
        """Refuse what the model does not hold for; of people who are drawn, hold it at the limit and say so."""
        known = parameter(name)
        low = -np.inf if known.low is None else known.low
        high = np.inf if known.high is None else known.high
        beyond = (values < low - 1e-12) | (values > high + 1e-12)
        if not beyond.any():
            return
        if self.seed is None:
            unit = known.written.partition(" ")[2].removeprefix("1")
            worst, least, most = (f"{number / known.factor:.4g}" for number in (values[beyond].flat[0], low, high))
            what = f"{name} becomes {f'{worst} {unit}'.strip()}; the model holds from {least} to {most}."
            raise ScenarioError(where, what, "Choose something milder.")
        self.held |= np.atleast_2d(beyond).any(axis=0)
        np.clip(values, low, high, out=values)

    def known(self, name: str, where: str) -> Parameter:
        """Return a parameter that a scenario names."""
        try:
            return parameter(name)
        except UnknownIdError as error:
            raise ScenarioError(where, f"'{name}' is no parameter of the body.", error.do) from None

    def quantity(self, text: str, name: str, where: str) -> float:
        """Return a quantity in the canonical unit of a parameter."""
        return float(self.number(text, self.known(name, where).unit, where))

    def number(self, text: str, unit: str, where: str, weight: Numbers | None = None) -> Numbers:
        """Return a quantity in the canonical unit; where the weight is known it may be written for each kg."""
        try:
            if weight is not None and "/kg" in text:
                return weight * dimension.number(text, f"{unit}/kg")
            return np.asarray(dimension.number(text, unit))
        except UnitError as error:
            raise ScenarioError(where, f"{error.where} {error.what}", error.do) from None


@cache
def parameters() -> dict[str, Parameter]:
    """Return the parameters of the body by name."""
    return {parameter.name: parameter for parameter in model().parameters}


def parameter(name: str) -> Parameter:
    """Return a parameter of the body."""
    found = parameters().get(name)
    if found is None:
        raise UnknownIdError(name, "is no parameter of the body.", did_you_mean(name, parameters()))
    return found


@cache
def _rows() -> dict[str, int]:
    return {name: row for row, name in enumerate(model().constants)}


def constant(people: People, name: str) -> Numbers:
    """Return a constant of each person."""
    found: Numbers = people.constants[_rows()[name]]
    return found
