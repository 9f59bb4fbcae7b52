"""A scenario for many people -> constants, initial states, and what changes when.

Everything that acts in time is a parameter of the body that is constant between two events.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from carnallite.errors import ScenarioError, UnitError, UnknownIdError, did_you_mean
from carnallite.physiology import dimension, substance
from carnallite.physiology.chance import in_blocks
from carnallite.physiology.convention import conventions
from carnallite.physiology.crowd import Crowd, constant, parameter
from carnallite.physiology.scenario import Spread
from carnallite.physiology.timing import DAY, Span, Windows, hours, span

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from carnallite.knowledge import Acting, Effect
    from carnallite.physiology.body import People
    from carnallite.physiology.scenario import Act, Change, Clamp, Dose, Filter, Intake, Scenario

    Numbers = NDArray[np.float64]

DIETS = ("magnesium", "sodium", "potassium", "calcium", "phosphate", "water")
FOOD = ("magnesium", "sodium", "potassium", "calcium", "phosphate")
FLOWS = ("dialysate", "replacement", "removal", "effluent")
FLUID = ("magnesium", "potassium", "calcium", "sodium", "phosphate", "bicarbonate")
KINDS = {"cause": "causes", "factor": "factors", "drug": "drugs", "treatment": "treatments"}
ORDER = {"set": 0, "add": 1, "factor": 2}  # a drug that halves a loss halves what a cause has added
ALWAYS: Windows = ((-np.inf, np.inf),)
Operation = Literal["set", "factor", "add"]


@dataclass(frozen=True, slots=True)
class Modification:
    """What is done to one parameter while it lasts; `value` is one number or one for each person."""

    parameter: str
    operation: Operation
    value: Numbers
    windows: Windows  # [h] from, until
    where: str = ""  # in the scenario
    way: Numbers | None = None  # of `set`: how far from the value before to the new one; all of it if not given


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happens to the people, as a reader is told of it.

    Parameters
    ----------
    kind : str
        The table of the scenario: cause, drug, dose, crrt ...
    id, name, detail : str
        Of the knowledge base or the scenario; what it is called; how much or which form.
    windows : tuple of (float, float)
        [h] From, until.
    statuses : tuple of str
        Of what the effects rest on: measured, fitted, assumed, disputed.
    """

    kind: str
    id: str
    name: str
    detail: str
    windows: Windows
    statuses: tuple[str, ...] = ()


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
    notes : tuple of str
        What a reader of the result should know.
    happenings : tuple of Happening
        What acts and what is given, in the order of the scenario.
    held : array [person]
        Whether something of a drawn person was held at the limit of the model.
    """

    people: People
    start: float
    end: float
    samples: Numbers
    changes: Mapping[str, tuple[Numbers, Numbers]]
    notes: tuple[str, ...] = ()
    happenings: tuple[Happening, ...] = ()
    held: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))


def protocol(  # noqa: PLR0913  (each is one choice of the caller)
    scenario: Scenario,
    *,
    count: int = 1,
    seed: int | None = None,
    first: int = 0,
    numbers: NDArray[np.int64] | None = None,
    having: Mapping[str, Numbers] | None = None,
    own: Mapping[str, Numbers] | None = None,
) -> Protocol:
    """Return what a scenario means for a number of people.

    Parameters
    ----------
    count : int
        Number of people.
    seed : int, optional
        Draw people who differ; without it all are the typical person.
    first : int
        Number of the first person: person 7 is the same whoever else is drawn.
    numbers : array [person], optional
        The number of each person, in place of `count` and `first`.
    having : mapping of str to array [person], optional
        How strongly each person has an act of the scenario, by its place such as ``cause[3]``: 0 is not at all. It is
        then not drawn by its share.
    own : mapping of parameter to array [person], optional
        Parameters of each person in canonical units, in place of what the scenario says of them.

    Raises
    ------
    ScenarioError
        A name, a unit or a time in it means nothing; says where.
    """
    whom = np.arange(first, first + count) if numbers is None else numbers
    return _Compiler(scenario, Crowd(scenario, whom, seed, own or {}), span(scenario), having or {}).protocol()


@dataclass
class _Compiler:
    scenario: Scenario
    crowd: Crowd
    span: Span
    having: Mapping[str, Numbers]
    notes: list[str] = field(default_factory=list)
    happenings: list[Happening] = field(default_factory=list)

    def protocol(self) -> Protocol:
        people = self.crowd.people()
        modifications = [
            *self.kidney(people), *self.diet(people), *self.acts(), *self.instruments(people), *self.doses(people),
        ]  # fmt: skip
        return Protocol(
            people=people,
            start=self.span.start,
            end=self.span.end,
            samples=self.span.samples(self.scenario.sampling),
            changes=self.changes(people, modifications),
            notes=tuple(self.notes),
            happenings=tuple(self.happenings),
            held=self.crowd.held,
        )

    # what is always so ----------------------------------------------------------------------------------------------
    def kidney(self, people: People) -> Iterator[Modification]:
        """Yield filtration, which holds from the start."""
        person = self.scenario.person
        if person.gfr and person.egfr:
            raise ScenarioError("person.egfr", "stands beside `gfr`.", "Give one of them.")
        usual = constant(people, "normal.gfr")
        if person.gfr:
            gfr = self.crowd.drawn(person.gfr, "L/h", "person.gfr")
            yield Modification("kidney.nephrons", "set", gfr / usual, ALWAYS, "person.gfr")
        if person.egfr:
            gfr = self.crowd.drawn(_without_surface(person.egfr), "L/h", "person.egfr")
            gfr = gfr * constant(people, "person.size")
            yield Modification("kidney.nephrons", "set", gfr / usual, ALWAYS, "person.egfr")

    def diet(self, people: People) -> Iterator[Modification]:
        """Yield what is eaten, and when."""
        diet, weight = self.scenario.diet, constant(people, "person.weight")
        for name in DIETS:
            given = getattr(diet, name)
            if given:
                value = self.crowd.drawn(given, parameter(f"diet.{name}").unit, f"diet.{name}", weight)
                yield self.eaten(name, "set", value, ALWAYS, f"diet.{name}")
        for number, intake in enumerate(self.scenario.intake):
            yield from self.intake(intake, f"intake[{number}]", weight)
        if diet.meals:
            length = hours(diet.meal, "diet.meal") if diet.meal else conventions()["meal"]
            if length <= 0:
                raise ScenarioError("diet.meal", "must be longer than nothing.", "Write it like '30 min'.")
            days = (self.span.each_day(clock, "diet.meals", length, 0.0, self.span.end) for clock in diet.meals)
            windows = [window for day in days for window in day]
            yield Modification("diet.pace", "set", np.asarray(0.0), ((0.0, np.inf),), "diet.meals")
            pace = np.asarray(DAY / (length * len(diet.meals)))
            yield Modification("diet.pace", "add", pace, tuple(sorted(windows)), "diet.meals")

    def intake(self, intake: Intake, where: str, weight: Numbers) -> Iterator[Modification]:
        windows = self.span.windows(intake, where)
        told = [f"{name} {getattr(intake, name)}" for name in DIETS if getattr(intake, name)]
        told += [f"{100 * intake.share:.0f} % of the minerals"] if intake.share is not None else []
        self.happenings.append(Happening("intake", "intake", "Food", ", ".join(told), windows))
        if intake.share is not None:
            for name in FOOD:
                yield self.eaten(name, "factor", np.asarray(intake.share), windows, f"{where}.share")
        for name in DIETS:
            text = getattr(intake, name)
            if text:
                value = self.crowd.number(text, parameter(f"diet.{name}").unit, f"{where}.{name}", weight)
                yield self.eaten(name, "set", np.asarray(value), windows, f"{where}.{name}")
        if intake.share is None and not any(getattr(intake, name) for name in DIETS):
            raise ScenarioError(where, "changes nothing.", f"Give `share`, or one of {', '.join(DIETS)}.")

    def eaten(self, name: str, operation: Operation, value: Numbers, windows: Windows, where: str) -> Modification:
        if np.any(value < 0):
            raise ScenarioError(where, "is negative.", "Nobody eats less than nothing.")
        return Modification(f"diet.{name}", operation, value, windows, where)

    # what acts ------------------------------------------------------------------------------------------------------
    def acts(self) -> Iterator[Modification]:
        for kind, folder in KINDS.items():
            for number, act in enumerate(getattr(self.scenario, kind)):
                yield from self.act(act, kind, folder, f"{kind}[{number}]")
        for number, change in enumerate(self.scenario.change):
            yield self.change(change, f"change[{number}]")

    def act(self, act: Act, kind: str, folder: str, where: str) -> Iterator[Modification]:
        from carnallite.knowledge import effects, knowledge  # noqa: PLC0415  (not needed by a body that is left alone)

        items: Mapping[str, Acting] = getattr(knowledge(), folder)
        if act.id not in items:
            near = did_you_mean(act.id, items) or "See `carnallite explain --list`."
            raise ScenarioError(f"{where}.id", f"there is no {kind} '{act.id}'.", near)
        item = items[act.id]
        forms = effects(item)
        if not forms:
            why = item.not_simulated or item.emerges or "The model has no effect of it."
            raise ScenarioError(f"{where}.id", f"'{act.id}' is not simulated. {why}", "Leave it out.")
        if act.phenotype not in forms:
            raise ScenarioError(
                f"{where}.phenotype", f"'{act.id}' has no form '{act.phenotype}'.", f"Use {' or '.join(sorted(forms))}."
            )
        strength = self.crowd.drawn(act.strength, "1", f"{where}.strength") * self.has(act, where)
        if np.any(strength < 0):
            raise ScenarioError(f"{where}.strength", "is negative.", "0 is nothing, 1 what the data file says.")
        windows = self.span.windows(act, where)
        statuses = tuple(sorted({str(effect.status) for effect in forms[act.phenotype]}))
        self.happenings.append(Happening(kind, act.id, item.name, _form(act), windows, statuses))
        for effect in forms[act.phenotype]:
            yield from self.effect(effect, strength, windows, act.id, where)

    def has(self, act: Act, where: str) -> Numbers:
        """Return 1 for each person who has it, else 0."""
        if where in self.having:
            return self.having[where]
        if not 0 <= act.share <= 1:
            raise ScenarioError(f"{where}.share", f"{act.share:g} is no share.", "Write a number from 0 to 1.")
        if act.share < 1 and self.crowd.seed is None:
            self.notes.append(
                f"'{act.id}' acts here; its share of {100 * act.share:.0f} % is for people who are drawn."
            )
        if act.share == 1 or self.crowd.seed is None:
            return np.ones(self.crowd.count)
        return (self.crowd.uniform(f"{act.id}.share") < act.share).astype(float)

    def effect(
        self, effect: Effect, strength: Numbers, windows: Windows, id: str, where: str
    ) -> Iterator[Modification]:
        is_drawn = self.crowd.seed is not None
        deviation = effect.spread * self.crowd.normal(f"{id}.{effect.target}") if is_drawn else np.zeros(1)
        if effect.factor is not None:
            size = max(effect.factor, 1e-9) * in_blocks(np.exp, deviation)
            size = np.minimum(size, 1) if effect.factor < 1 else np.maximum(size, 1)  # nobody has the contrary effect
            factor = in_blocks(np.power, np.broadcast_to(size, self.crowd.count), strength)
            yield Modification(effect.target, "factor", factor, windows, where)
            return
        scale = self.scale(effect.target, effect.unit)
        if effect.add is not None:
            yield Modification(effect.target, "add", (effect.add + deviation) * scale * strength, windows, where)
        elif effect.set is not None:
            new = (effect.set + deviation) * scale
            yield Modification(effect.target, "set", new, windows, where, np.minimum(strength, 1))

    def scale(self, target: str, unit: str) -> float:
        return dimension.parse(unit).scale if unit else parameter(target).factor

    def change(self, change: Change, where: str) -> Modification:
        if sum([bool(change.value), change.factor is not None, bool(change.add)]) != 1:
            raise ScenarioError(where, "needs one of value, factor and add.", "Give exactly one.")
        windows = self.span.windows(change, where)
        self.crowd.known(change.parameter, f"{where}.parameter")
        told = change.value or (f"x {change.factor:g}" if change.factor is not None else f"plus {change.add}")
        self.happenings.append(Happening("change", change.parameter, change.parameter, told, windows))
        if change.factor is not None:
            return Modification(change.parameter, "factor", np.asarray(change.factor), windows, f"{where}.factor")
        text, operation = (change.value, "set") if change.value else (change.add, "add")
        key = f"{where}.{'value' if change.value else 'add'}"
        value = np.asarray(self.crowd.quantity(text, change.parameter, key))
        return Modification(change.parameter, operation, value, windows, key)  # type: ignore[arg-type]

    # instruments ----------------------------------------------------------------------------------------------------
    def instruments(self, people: People) -> Iterator[Modification]:
        """Yield clamps and renal replacement."""
        weight = constant(people, "person.weight")
        for number, clamp in enumerate(self.scenario.clamp):
            yield from self.clamp(clamp, f"clamp[{number}]")
        for number, given in enumerate(self.scenario.crrt):
            yield from self.filter(given, f"crrt[{number}]", weight)

    def clamp(self, clamp: Clamp, where: str) -> Iterator[Modification]:
        windows = self.span.windows(clamp, where)
        self.happenings.append(Happening("clamp", clamp.what, f"Plasma {clamp.what} held", f"at {clamp.to}", windows))
        target = np.asarray(self.crowd.number(clamp.to, "mmol/L", f"{where}.to"))
        yield Modification(f"{clamp.what}.clamp_target", "set", target, windows, f"{where}.to")
        yield Modification(f"{clamp.what}.clamp_gain", "set", np.asarray(conventions()["clamp"]), windows, where)

    def filter(self, given: Filter, where: str, weight: Numbers) -> Iterator[Modification]:
        windows = self.span.windows(given, where)

        def flow(key: str) -> Numbers:
            text = getattr(given, key)
            value = np.asarray(self.crowd.number(text, "L/h", f"{where}.{key}", weight) if text else 0.0)
            if np.any(value < 0):
                raise ScenarioError(f"{where}.{key}", "is negative.", "Write a flow like '2 L/h'.")
            return value

        if given.effluent and given.removal:
            raise ScenarioError(f"{where}.removal", "stands beside `effluent`.", "Give one of them.")
        fluid = flow("dialysate") + flow("replacement")
        effluent = flow("effluent") if given.effluent else fluid + flow("removal")
        if not np.any(effluent > 0):
            raise ScenarioError(where, "has no flow.", "Give `dialysate`, `replacement` or `effluent`, like '2 L/h'.")
        told = ", ".join(f"{key} {getattr(given, key)}" for key in FLOWS if getattr(given, key))
        told += ", citrate" if given.citrate else ""
        self.happenings.append(Happening("crrt", "crrt", "Renal replacement", told, windows))
        yield Modification("losses.dialysate", "set", fluid, windows, where)
        yield Modification("losses.effluent", "set", effluent, windows, where)
        for name in FLUID:
            text = getattr(given, name)
            if text:
                value = np.asarray(self.crowd.number(text, "mmol/L", f"{where}.{name}"))
                yield Modification(f"losses.fluid_{name}", "set", value, windows, f"{where}.{name}")
        if given.citrate:
            sieving = np.asarray(conventions()["citrate_sieving"])
            yield Modification("losses.sieving_magnesium", "set", sieving, windows, f"{where}.citrate")
        if given.calcium_return:
            value = np.asarray(self.crowd.number(given.calcium_return, "mmol/h", f"{where}.calcium_return", weight))
            yield Modification("losses.calcium_return", "set", value, windows, f"{where}.calcium_return")

    # doses ----------------------------------------------------------------------------------------------------------
    def doses(self, people: People) -> Iterator[Modification]:
        weight = constant(people, "person.weight")
        for number, dose in enumerate(self.scenario.dose):
            where = f"dose[{number}]"
            given, amount = self.amount(dose, where, weight)
            inputs = given.routes.get(dose.route)
            if inputs is None:
                ways = " or ".join(given.routes)
                raise ScenarioError(f"{where}.route", f"{dose.what} is not given {dose.route} here.", f"Use {ways}.")
            over = self.over(dose, where)
            windows = tuple((time, time + over) for time in self.span.doses(dose, where))
            told = f"{dose.amount} {dose.route}" + (f" over {dose.over}" if dose.over else "")
            self.happenings.append(Happening("dose", dose.what, dose.what, told, windows))
            for target, per_unit in inputs.items():
                yield Modification(target, "add", amount * per_unit / over, windows, f"{where}.amount")

    def amount(self, dose: Dose, where: str, weight: Numbers) -> tuple[substance.Substance, Numbers]:
        try:
            given = substance.find(dose.what)
        except UnknownIdError as error:
            raise ScenarioError(f"{where}.what", f"{error.where} {error.what}", error.do) from None
        try:
            amount, by_weight = substance.read_amount(dose.amount, given)
        except UnitError as error:
            raise ScenarioError(f"{where}.amount", f"{error.where} {error.what}", error.do) from None
        if amount < 0:
            raise ScenarioError(f"{where}.amount", f"'{dose.amount}' is negative.", "Nothing can be taken back.")
        return given, amount * weight if by_weight else np.asarray(amount)

    def over(self, dose: Dose, where: str) -> float:
        if not dose.over and dose.route not in conventions():
            raise ScenarioError(f"{where}.over", "is missing: an infusion takes time.", "Write it like '4 h'.")
        length = hours(dose.over, f"{where}.over") if dose.over else conventions()[dose.route]
        if length <= 0:
            raise ScenarioError(f"{where}.over", "must be longer than nothing.", "Write it like '5 min'.")
        return length

    # all together ---------------------------------------------------------------------------------------------------
    def changes(self, people: People, modifications: Sequence[Modification]) -> dict[str, tuple[Numbers, Numbers]]:
        """Return what each touched parameter is from when on."""
        by_parameter: dict[str, list[Modification]] = {}
        for modification in modifications:
            by_parameter.setdefault(modification.parameter, []).append(modification)
        result = {}
        for name, parts in by_parameter.items():
            ordered = sorted(parts, key=lambda part: ORDER[part.operation])
            times, values = _pieces(constant(people, name), ordered, self.span.start, self.span.end)
            self.crowd.inside(name, values, parts[-1].where)
            result[name] = times, values
        return result


def _form(act: Act) -> str:
    form = "" if act.phenotype == "typical" else act.phenotype.replace("_", " ")
    strength = "" if act.strength == 1 or isinstance(act.strength, Spread) else f"strength {act.strength:g}"
    share = f"{100 * act.share:.0f} % of the people" if act.share < 1 else ""
    return ", ".join(part for part in (form, strength, share) if part)


def _without_surface(given: str | Spread) -> str | Spread:
    """Return filtration without the "/1.73m2" that everybody writes and means."""
    if isinstance(given, str):
        return re.sub(r"/1\.73 ?m[2²]$", "", given.strip())
    parts = {key: re.sub(r"/1\.73 ?m[2²]$", "", getattr(given, key).strip()) for key in ("mean", "sd", "low", "high")}
    return Spread(**parts)


def _pieces(own: Numbers, parts: Sequence[Modification], start: float, end: float) -> tuple[Numbers, Numbers]:
    """Return from when on a parameter has which value [change, person], the first at `start`."""
    edges = np.array([edge for part in parts for window in part.windows for edge in window])
    times = np.unique(np.r_[start, edges[(edges > start) & (edges < end)]])
    values = np.tile(own, (len(times), 1))
    for part in parts:
        begins, ends = np.array(part.windows).reshape(-1, 2).T
        on = np.zeros(len(times) + 1)
        np.add.at(on, np.searchsorted(times, begins), 1)
        np.add.at(on, np.searchsorted(times, ends), -1)
        times_on = np.cumsum(on[:-1])[:, None]
        if part.operation == "set":
            new = part.value if part.way is None else (1 - part.way) * values + part.way * part.value
            values = np.where(times_on > 0, new, values)
        elif part.operation == "factor":
            values = np.where(times_on > 0, values * part.value, values)
        else:
            values = values + times_on * part.value
    kept = np.r_[True, np.any(values[1:] != values[:-1], axis=1)]
    return times[kept], values[kept]
