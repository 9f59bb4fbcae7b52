"""A scenario for many people -> constants, initial states, and what changes when.

Everything that acts in time is a parameter of the body that is constant between two events.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, Literal

import numpy as np

from carnallite.errors import CarnalliteError, UnitError, UnknownIdError, did_you_mean
from carnallite.knowledge import knowledge
from carnallite.physiology import dimension, substance
from carnallite.physiology.body import People, healthy
from carnallite.physiology.load import model
from carnallite.physiology.scenario import ScenarioError, Spread

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from carnallite.knowledge.schema import Cause, DrugClass, Effect, Factor, Treatment
    from carnallite.physiology.scenario import Act, Change, Dose, Period, Scenario

    Actor = Cause | Factor | DrugClass | Treatment
    Numbers = NDArray[np.float64]

DAY = 24.0
MASK = 0xFFFFFFFFFFFFFFFF
USUAL_DURATION = {"oral": "15 min", "subcutaneous": "15 min", "intramuscular": "15 min", "inhaled": "15 min"}
DIETS = ("magnesium", "sodium", "potassium", "calcium", "water")
ORDER = {"set": 0, "factor": 1, "add": 2}
Operation = Literal["set", "factor", "add"]


@dataclass(frozen=True, slots=True)
class Modification:
    """What is done to one parameter while it lasts; `value` is one number or one for each person."""

    parameter: str
    operation: Operation
    value: Numbers
    windows: tuple[tuple[float, float], ...]  # [h] from, until


@dataclass(frozen=True, slots=True)
class Protocol:
    """People and what happens to them; times in hours, canonical units.

    Parameters
    ----------
    people : People
        Constants and states before anything acts.
    start, end : float
        [h] The run-in begins at `start`; results are wanted from 0 to `end`.
    samples : array [sample]
        [h]
    changes : mapping of parameter to (times [change], values [change, person])
        From each time on the parameter has the value; the first time is `start`.
    """

    people: People
    start: float
    end: float
    samples: Numbers
    changes: Mapping[str, tuple[Numbers, Numbers]]
    notes: tuple[str, ...] = ()


def protocol(scenario: Scenario, *, count: int = 1, seed: int | None = None, first: int = 0) -> Protocol:
    """Return what a scenario means for a number of people.

    Parameters
    ----------
    count : int
        Number of people.
    seed : int, optional
        Draw people who differ; without it all are the typical person.
    first : int
        Number of the first person: person 7 is the same whoever else is drawn.

    Raises
    ------
    ScenarioError
        A name, a unit or a time in it means nothing; says where.
    """
    return _Compiler(scenario, count, seed, first).protocol()


@dataclass
class _Compiler:
    scenario: Scenario
    count: int
    seed: int | None
    first: int
    notes: list[str] = field(default_factory=list)

    def protocol(self) -> Protocol:
        start = -self.hours(self.scenario.run_in, "run_in")
        end = self.hours(self.scenario.length, "length")
        if end <= 0 or start > 0:
            raise ScenarioError("length and run_in", "must not be negative.", "Write them like '30 d'.")
        people = self.people()
        weight = people.constants[model().constants.index("person.weight")]
        modifications = [*self.anatomy(people), *self.acts(start, end), *self.doses(start, end, weight)]
        return Protocol(
            people=people,
            start=start,
            end=end,
            samples=self.samples(end),
            changes=self.changes(people, modifications, start, end),
            notes=tuple(self.notes),
        )

    # who ------------------------------------------------------------------------------------------------------------
    def people(self) -> People:
        person = self.scenario.person
        own: dict[str, Numbers] = {
            "person.male": self.men(),
            "person.age": self.drawn(person.age, "a", "person.age"),
            "person.weight": self.drawn(person.weight, "kg", "person.weight"),
        }
        for name, text in self.scenario.own.items():
            own[name] = np.full(self.count, self.quantity(text, name, f"own.{name}"))
        if self.seed is not None:
            own |= self.differences(own)
        return healthy(own, count=self.count)

    def men(self) -> Numbers:
        person = self.scenario.person
        if person.women is not None and self.seed is not None:
            return (self.uniform("person.male") >= person.women).astype(float)
        return np.full(self.count, float(person.sex == "male"))

    def drawn(self, given: str | float | Spread, unit: str, where: str) -> Numbers:
        if not isinstance(given, Spread):
            text = f"{given:g} {unit}" if isinstance(given, float) else given
            return np.full(self.count, self.number(text, unit, where))
        mean = self.number(given.mean, unit, f"{where}.mean")
        if self.seed is None:
            return np.full(self.count, mean)
        value = mean + self.number(given.sd, unit, f"{where}.sd") * self.normal(where)
        low = self.number(given.low, unit, f"{where}.low") if given.low else -np.inf
        high = self.number(given.high, unit, f"{where}.high") if given.high else np.inf
        return np.clip(value, low, high)

    def differences(self, own: Mapping[str, Numbers]) -> dict[str, Numbers]:
        """Return what of the healthy body differs between people, each by its own spread."""
        differing = [p for p in model().parameters if p.spread and p.name not in own]
        typical = healthy(own, count=self.count).constants
        index = {name: i for i, name in enumerate(model().constants)}
        return {p.name: typical[index[p.name]] * np.exp(p.spread * self.normal(p.name)) for p in differing}

    def normal(self, what: str) -> Numbers:
        from scipy.special import ndtri  # noqa: PLC0415  (only where people are drawn)

        drawn: Numbers = ndtri(self.uniform(what))
        return drawn

    def uniform(self, what: str) -> Numbers:
        """Return one number for each person that depends on seed, person and purpose alone."""
        key = int.from_bytes(blake2b(what.encode(), digest_size=8).digest(), "little")
        stream = np.random.Philox(key=np.array([(self.seed or 0) & MASK, key], np.uint64))
        stream.advance(self.first)  # one block of four numbers for each person, of which the first is used
        return np.random.Generator(stream).random(4 * self.count)[::4]

    # what acts ------------------------------------------------------------------------------------------------------
    def anatomy(self, people: People) -> Iterator[Modification]:
        """Yield filtration and diet, which hold from the start."""
        always = ((-np.inf, np.inf),)
        given = self.scenario.person.gfr
        if given:
            gfr = self.drawn(given, "L/h", "person.gfr")
            normal = people.constants[model().constants.index("normal.gfr")]
            yield Modification("kidney.nephrons", "set", gfr / normal, always)
        for name in DIETS:
            text = getattr(self.scenario.diet, name)
            if text:
                value = np.asarray(self.quantity(text, f"diet.{name}", f"diet.{name}"))
                yield Modification(f"diet.{name}", "set", value, always)
        yield from self.meals()

    def meals(self) -> Iterator[Modification]:
        diet = self.scenario.diet
        if diet.meals:
            length = self.hours(diet.meal, "diet.meal")
            end = self.hours(self.scenario.length, "length")
            windows = [window for clock in diet.meals for window in self.each_day(clock, length, 0.0, end)]
            yield Modification("diet.pace", "set", np.asarray(0.0), ((0.0, np.inf),))
            pace = np.asarray(DAY / (length * len(diet.meals)))
            yield Modification("diet.pace", "add", pace, tuple(sorted(windows)))

    def acts(self, start: float, end: float) -> Iterator[Modification]:
        known = knowledge()
        kinds: dict[str, Mapping[str, Actor]] = {
            "cause": known.causes, "factor": known.factors, "drug": known.drugs, "treatment": known.treatments,
        }  # fmt: skip
        for kind, items in kinds.items():
            for number, act in enumerate(getattr(self.scenario, kind)):
                where = f"{kind}[{number}]"
                if act.id not in items:
                    near = did_you_mean(act.id, items)
                    raise ScenarioError(f"{where}.id", f"there is no {kind} '{act.id}'.", near or "See explain --list.")
                yield from self.act(act, items[act.id], where, start, end)
        for number, change in enumerate(self.scenario.change):
            yield self.change(change, f"change[{number}]", start, end)

    def act(self, act: Act, item: Actor, where: str, start: float, end: float) -> Iterator[Modification]:
        effects = item.effects
        reason = item.not_simulated or item.emerges
        if not effects:
            raise ScenarioError(
                f"{where}.id", f"'{act.id}' is not simulated: {reason or 'it has no effects'}", "Leave it out."
            )
        chosen = [effect for effect in effects if effect.phenotype == act.phenotype]
        if not chosen:
            forms = sorted({effect.phenotype for effect in effects})
            raise ScenarioError(
                f"{where}.phenotype", f"'{act.id}' has no form '{act.phenotype}'.", f"Use {', '.join(forms)}."
            )
        strength = act.strength * self.has(act)
        for effect in chosen:
            yield from self.effect(effect, strength, self.windows(act, where, start, end), act.id)

    def has(self, act: Act) -> Numbers:
        """Return 1 for each person who has it, else 0."""
        if act.share >= 1 or self.seed is None:
            return np.ones(())
        return (self.uniform(f"{act.id}.share") < act.share).astype(float)

    def effect(
        self, effect: Effect, strength: Numbers, windows: tuple[tuple[float, float], ...], id: str
    ) -> Iterator[Modification]:
        deviation = effect.spread * self.normal(f"{id}.{effect.target}") if self.seed is not None else np.zeros(())
        if effect.factor is not None:
            size = max(effect.factor, 1e-9)
            yield Modification(effect.target, "factor", (size * np.exp(deviation)) ** strength, windows)
            return
        scale = self.scale(effect.target, effect.unit)
        if effect.add is not None:
            yield Modification(effect.target, "add", (effect.add + deviation) * scale * strength, windows)
        elif effect.set is not None:
            # part of the way from the person's own value to the new one: (1 - s) x own + s x new
            yield Modification(effect.target, "factor", 1 - strength, windows)
            yield Modification(effect.target, "add", (effect.set + deviation) * scale * strength, windows)

    def scale(self, target: str, unit: str) -> float:
        parameter = next((p for p in model().parameters if p.name == target), None)
        if parameter is None:
            raise UnknownIdError(target, "is no parameter of the body.", did_you_mean(target, model().constants))
        return dimension.parse(unit).scale if unit else parameter.factor

    def change(self, change: Change, where: str, start: float, end: float) -> Modification:
        known = {p.name for p in model().parameters}
        if change.parameter not in known:
            near = did_you_mean(change.parameter, known)
            raise ScenarioError(f"{where}.parameter", f"'{change.parameter}' is no parameter of the body.", near)
        if sum([bool(change.value), change.factor is not None, bool(change.add)]) != 1:
            raise ScenarioError(where, "needs one of value, factor and add.", "Give exactly one.")
        windows = self.windows(change, where, start, end)
        if change.factor is not None:
            return Modification(change.parameter, "factor", np.asarray(change.factor), windows)
        text, operation = (change.value, "set") if change.value else (change.add, "add")
        value = np.asarray(self.quantity(text, change.parameter, f"{where}.{'value' if change.value else 'add'}"))
        return Modification(change.parameter, operation, value, windows)  # type: ignore[arg-type]

    def doses(self, start: float, end: float, weight: Numbers) -> Iterator[Modification]:
        for number, dose in enumerate(self.scenario.dose):
            where = f"dose[{number}]"
            try:
                given = substance.find(dose.what)
                amount = np.array([substance.amount(dose.amount, given, weight=float(w)) for w in np.unique(weight)])
            except (UnknownIdError, UnitError) as error:
                key = "what" if isinstance(error, UnknownIdError) else "amount"
                raise ScenarioError(f"{where}.{key}", f"{error.where} {error.what}", error.do) from None
            inputs = given.routes.get(dose.route)
            if inputs is None:
                ways = ", ".join(given.routes)
                raise ScenarioError(f"{where}.route", f"{dose.what} is not given {dose.route}.", f"Use {ways}.")
            over = self.over(dose, where)
            windows = tuple((time, time + over) for time in self.times(dose, where, start, end))
            each = amount[np.searchsorted(np.unique(weight), weight)] if amount.size > 1 else amount[0]
            for parameter, per_unit in inputs.items():
                yield Modification(parameter, "add", np.asarray(each * per_unit / over), windows)

    def over(self, dose: Dose, where: str) -> float:
        text = dose.over or USUAL_DURATION.get(dose.route, "")
        if not text:
            raise ScenarioError(f"{where}.over", "is missing: an infusion takes time.", "Write it like '4 h'.")
        hours = self.hours(text, f"{where}.over")
        if hours <= 0:
            raise ScenarioError(f"{where}.over", "must be longer than nothing.", "Write it like '5 min'.")
        return hours

    # when -----------------------------------------------------------------------------------------------------------
    def times(self, dose: Dose, where: str, start: float, end: float) -> list[float]:
        """Return when each dose begins [h]."""
        ways = [bool(dose.at), bool(dose.every), bool(dose.daily)]
        if sum(ways) > 1:
            raise ScenarioError(where, "has more than one of at, every and daily.", "Give one of them.")
        begin = self.hours(dose.start, f"{where}.from") if dose.start else max(start, 0.0)
        until = self.hours(dose.until, f"{where}.until") if dose.until else end
        if dose.every:
            step = self.hours(dose.every, f"{where}.every")
            number = dose.count or max(0, int(np.ceil((until - begin) / step - 1e-9)))
            return [begin + i * step for i in range(number)]
        if dose.daily:
            times = [t for clock in dose.daily for t, _ in self.each_day(clock, 0.0, begin, until)]
            return sorted(times)
        given = (dose.at,) if isinstance(dose.at, str) else dose.at
        return [self.hours(text, f"{where}.at") for text in given] or [begin]

    def windows(self, period: Period, where: str, start: float, end: float) -> tuple[tuple[float, float], ...]:
        begin = self.hours(period.start, f"{where}.from") if period.start else -np.inf
        until = self.hours(period.until, f"{where}.until") if period.until else np.inf
        if begin >= until:
            raise ScenarioError(f"{where}.until", "is not after `from`.", "Mend one of them.")
        if not period.daily:
            return ((begin, until),)
        if len(period.daily) != 2:
            raise ScenarioError(f"{where}.daily", "needs two clock times.", "Write it like ['22:00', '06:00'].")
        first, last = (self.clock(text, f"{where}.daily") for text in period.daily)
        length = (last - first) % DAY or DAY
        days = self.each_day(period.daily[0], length, max(begin, start) - DAY, min(until, end))
        return tuple((max(a, begin), min(b, until)) for a, b in days if b > begin)

    def each_day(self, clock: str, length: float, begin: float, end: float) -> list[tuple[float, float]]:
        """Return the windows of one clock time on each day that begin from `begin` and before `end`."""
        first = self.clock(clock, "clock time") - self.clock(self.scenario.clock, "clock")
        day = np.ceil((begin - first) / DAY - 1e-9)
        found = []
        while (time := first + DAY * float(day)) < end:
            found.append((time, time + length))
            day += 1
        return found

    def clock(self, text: str, where: str) -> float:
        hours, _, minutes = text.partition(":")
        if not (hours.isdigit() and minutes.isdigit() and int(hours) < DAY and int(minutes) < 60):
            raise ScenarioError(where, f"'{text}' is no clock time.", "Write it like '22:00'.")
        return int(hours) + int(minutes) / 60

    def samples(self, end: float) -> Numbers:
        sampling = self.scenario.sampling
        times = [self.hours(text, "sampling.at") for text in sampling.at]
        if sampling.every or not times:
            step = self.hours(sampling.every, "sampling.every") if sampling.every else _usual_step(end)
            times += (np.arange(int(end / step + 1e-9) + 1) * step).tolist()
        if min(times) < 0 or max(times) > end + 1e-9:
            raise ScenarioError("sampling.at", "lies outside of the scenario.", "Sample between 0 and its length.")
        return np.unique(np.minimum(np.round(times, 9), end))

    # all together ---------------------------------------------------------------------------------------------------
    def changes(
        self, people: People, modifications: Sequence[Modification], start: float, end: float
    ) -> dict[str, tuple[Numbers, Numbers]]:
        """Return what each touched parameter is from when on."""
        by_parameter: dict[str, list[Modification]] = {}
        for modification in modifications:
            by_parameter.setdefault(modification.parameter, []).append(modification)
        index = {name: i for i, name in enumerate(model().constants)}
        limits = {p.name: (p.low, p.high) for p in model().parameters}
        result = {}
        for name, parts in by_parameter.items():
            own = people.constants[index[name]]
            times, values = _pieces(own, sorted(parts, key=lambda part: ORDER[part.operation]), start, end)
            self.inside(name, values, limits[name])
            result[name] = times, values
        return result

    def inside(self, name: str, values: Numbers, limits: tuple[float | None, float | None]) -> None:
        low, high = (-np.inf if limits[0] is None else limits[0], np.inf if limits[1] is None else limits[1])
        if np.any(values < low - 1e-12) or np.any(values > high + 1e-12):
            worst = values[(values < low) | (values > high)].flat[0]
            if self.seed is None:
                raise ScenarioError(
                    name,
                    f"becomes {worst:.4g}; the model holds from {low:.4g} to {high:.4g}.",
                    "Choose a milder change.",
                )
            np.clip(values, low, high, out=values)

    # texts ----------------------------------------------------------------------------------------------------------
    def quantity(self, text: str, parameter: str, where: str) -> float:
        unit = next((p.unit for p in model().parameters if p.name == parameter), None)
        if unit is None:
            near = did_you_mean(parameter, [p.name for p in model().parameters])
            raise ScenarioError(where, f"'{parameter}' is no parameter of the body.", near)
        return self.number(text, unit, where)

    def hours(self, text: str, where: str) -> float:
        return self.number(text, "h", where)

    def number(self, text: str, unit: str, where: str) -> float:
        try:
            return dimension.number(text, unit)
        except UnitError as error:
            raise ScenarioError(where, f"{error.where} {error.what}", error.do) from None


def _usual_step(end: float) -> float:
    """Return how often to look [h]: hourly to three days, every four hours to a month, then daily."""
    return 1.0 if end <= 3 * DAY else 4.0 if end <= 31 * DAY else DAY


def _pieces(own: Numbers, parts: Sequence[Modification], start: float, end: float) -> tuple[Numbers, Numbers]:
    """Return from when on a parameter has which value [change, person], the first at `start`."""
    edges = {start}
    for part in parts:
        edges |= {float(edge) for window in part.windows for edge in window if start < edge < end}
    times = np.array(sorted(edges))
    values = np.tile(own, (len(times), 1)).astype(float)
    for part in parts:
        on = np.zeros(len(times))
        for begin, until in part.windows:
            first, last = np.searchsorted(times, [begin, until])
            on[first:last] += 1
        where = on[:, None] > 0
        if part.operation == "set":
            values = np.where(where, part.value, values)
        elif part.operation == "factor":
            values = np.where(where, values * part.value, values)
        else:
            values = values + on[:, None] * part.value
    kept = np.r_[True, np.any(values[1:] != values[:-1], axis=1)]
    return times[kept], values[kept]


def refine(error: CarnalliteError, text: str, name: str) -> ScenarioError:
    """Return the error of a scenario's content with its file and line."""
    from carnallite.physiology.scenario import line_of  # noqa: PLC0415

    line = line_of(text, error.where)
    return ScenarioError(f"{name}, line {line}", f"`{error.where}`: {error.what}", error.do)
