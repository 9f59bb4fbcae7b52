"""How much of what a dose brings, by when: what the safety table measures."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from carnallite.errors import PlanError, ScenarioError, UnitError, UnknownIdError
from carnallite.physiology import substance
from carnallite.physiology.convention import conventions
from carnallite.physiology.timing import DAY, Span, hours
from carnallite.plan.numbers import numbers

if TYPE_CHECKING:
    from carnallite.knowledge import Ceiling
    from carnallite.physiology.scenario import Dose

HORIZON = 30 * DAY  # [h] over which doses are counted
CARRIER = "water"  # in which doses are dissolved
LONG = frozenset({"day", "two_days"})
INJECTED = frozenset({"intravenous", "subcutaneous"})
_FORMS = ("_soluble", "_insoluble")


class Given(NamedTuple):
    """A dose as the safety table counts it.

    Attributes
    ----------
    what : dict of str to float
        How much of each thing one dose brings: elements in mmol, water in L, other things in their own unit.
    times : tuple of float
        [h] When each dose begins.
    over : float
        [h] How long each takes.
    volume : float, optional
        [L] In which it is dissolved.
    level_after : int
        Doses before the next level; 0 are all of a day.
    """

    what: dict[str, float]
    route: str
    times: tuple[float, ...]
    over: float
    volume: float | None
    level_after: int

    def measure(self, thing: str, ceiling: Ceiling) -> float:
        """Return what a ceiling limits, of one thing; 0 where the dose has nothing to do with it."""
        each = self.what.get(thing, 0.0)
        if thing == CARRIER and ceiling.what in LONG and self.route in INJECTED:
            each += self.volume or 0.0  # what carries a dose is given too
        if not each or (ceiling.routes and self.route not in ceiling.routes):
            return 0.0
        match ceiling.what:
            case "dose":
                return each * self._most_at_once()
            case "rate":
                return each / self.over * self._most_at_once()
            case "day":
                return each * _most_within(self.times, self.over, DAY)
            case "two_days":
                return each * _most_within(self.times, self.over, 2 * DAY)
            case "before_level":
                if not self.level_after:
                    return each * _most_within(self.times, self.over, DAY)
                return each * max(min(self.level_after, len(self.times)), self._most_at_once())
            case "concentration":
                return each / (self.volume or numbers()["undiluted"])

    def _most_at_once(self) -> int:
        """Return how many doses run at the same moment."""
        return max(sum(start <= one < start + self.over for one in self.times) for start in self.times)

    def meets(self, other: Given, within: float) -> bool:
        """Return whether some dose of this and some dose of another run less than some hours apart."""
        return any(
            mine < theirs + other.over + within and theirs < mine + self.over + within
            for mine in self.times
            for theirs in other.times
        )


@lru_cache(maxsize=1024)
def _most_within(times: tuple[float, ...], over: float, length: float) -> float:
    """Return how many doses run within some hours at most; a part of one counts as a part."""
    found = 0.0
    for start in times:
        parts = (max(0.0, min(one + over, start + length) - max(one, start)) / over for one in times)
        found = max(found, sum(parts))
    return found


def given(dose: Dose, *, volume: str = "", level_after: int = 0, where: str = "dose") -> Given:
    """Return what a dose brings.

    Raises
    ------
    PlanError
        The thing, amount, route or times cannot be read.
    """
    key = "what"
    try:
        item = substance.find(dose.what)
        key = "amount"
        amount, by_weight = substance.read_amount(dose.amount, item)
        key = "volume"
        litres = substance.read_amount(volume, substance.find("water"))[0] if volume else None
        key = "over"
        over = hours(dose.over, where) if dose.over else conventions().get(dose.route, 0.0)
        key = "every"
        times = tuple(Span(0.0, HORIZON, 0.0).doses(dose, where))
    except (UnknownIdError, UnitError) as error:
        raise PlanError(f"{where}.{key}", f"{error.where} {error.what}", error.do) from None
    except ScenarioError as error:
        raise PlanError(f"{where}.{key}", error.what, error.do) from None
    if by_weight:
        raise PlanError(f"{where}.amount", f"'{dose.amount}' is for each kilogram.", "Write it for this patient.")
    if amount <= 0 or over <= 0:
        wrong = "is not more than nothing" if amount <= 0 else "takes no time"
        raise PlanError(f"{where}.amount", f"'{dose.amount}' {wrong}.", "Write amount and `over`, such as '4 h'.")
    inputs = item.routes.get(dose.route)
    if inputs is None:
        raise PlanError(f"{where}.route", f"{dose.what} is not given {dose.route}.", f"Use {' or '.join(item.routes)}.")
    things: dict[str, float] = {}
    if item.basis in {"U", "mg"}:
        things[substance.id_of(dose.what)] = amount
    for name, each in inputs.items() if not things else ():
        things[thing_of(name)] = things.get(thing_of(name), 0.0) + amount * each
    return Given(things, dose.route, times, over, litres, level_after)


def thing_of(name: str) -> str:
    """Return the element or fluid that an input of the body brings.

    >>> thing_of("treatment.oral_magnesium_soluble"), thing_of("treatment.intravenous_water")
    ('magnesium', 'water')
    """
    bare = name.partition(".")[2]
    for form in _FORMS:
        bare = bare.removesuffix(form)
    for route in ("oral_", "intravenous_", "subcutaneous_"):
        bare = bare.removeprefix(route)
    return bare
