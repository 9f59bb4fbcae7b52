"""Doses read back from what a person reads: the text of plans on a terminal, and the short one for the chart.

It knows nothing of the program but its texts, and chemistry of its own. Every number is an interval, as wide as its
printed figures leave open: texts give three of them, and more where they print more.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

# Standard atomic weights [g/mol], IUPAC Commission on Isotopic Abundances and Atomic Weights 2021, abridged.
_H, _C, _O, _S, _CL = 1.008, 12.011, 15.999, 32.06, 35.45
_ELEMENTS = {"magnesium": (24.305, 2), "potassium": (39.098, 1), "calcium": (40.078, 2)}  # [g/mol], charges
_WATER = 2 * _H + _O
_SALTS = {  # [g/mol] by formula, each with one of its element
    "magnesium sulfate heptahydrate": _ELEMENTS["magnesium"][0] + _S + 4 * _O + 7 * _WATER,
    "magnesium oxide": _ELEMENTS["magnesium"][0] + _O,
    "potassium chloride": _ELEMENTS["potassium"][0] + _CL,
    "calcium gluconate monohydrate": _ELEMENTS["calcium"][0] + 12 * _C + 22 * _H + 14 * _O + _WATER,
}
_WEIGHED = {  # what is ordered, and the salt that a gram of it is
    "magnesium sulfate": "magnesium sulfate heptahydrate", "magnesium oxide": "magnesium oxide",
    "magnesium citrate": "",  # salts of many kinds: no gram of it is told
    "potassium chloride": "potassium chloride", "calcium gluconate": "calcium gluconate monohydrate",
}  # fmt: skip
_OTHERS = {
    "saline": ("water", "L"), "oral rehydration solution": ("water", "L"), "insulin with glucose": ("insulin", "U"),
    "salbutamol": ("salbutamol", "mg"), "sodium phosphate": ("phosphate", "mmol"),
}  # fmt: skip
_ROUTES = {
    "by vein": "intravenous", "by mouth": "oral", "under the skin": "subcutaneous", "into muscle": "intramuscular",
    "by nebulizer": "inhaled", "by tube": "enteral",
}  # fmt: skip
_A_DAY = {"once a day": 1, "twice a day": 2, "three times a day": 3}
_NUMBER = r"\d+(?:\.\d+)?"
_DAILY = r"(?:once|twice|three times|\d+ times) a day, at \d\d:\d\d(?:, \d\d:\d\d)*"
_OFTEN = rf"{_DAILY}|(?:\d+ times, )?every {_NUMBER} [hd](?:, from {_NUMBER} [hd] on)?|once"
_OVER = rf"{_NUMBER} (?:min|h|days)"
_DOSE = re.compile(
    rf"(?P<what>[a-z][a-z ]*?) (?P<amount>{_NUMBER}) (?P<unit>mmol|mL|L|U|mg)(?: \((?P<same>[^()]*)\))?"
    rf" (?P<route>{'|'.join(_ROUTES)})(?:, in (?P<volume>{_NUMBER} m?L) \((?P<strength>{_NUMBER} \w+/L)\))?"
    rf"(?:, over (?P<over>{_OVER})(?: \((?P<rate>[^()]*)\))?)?, (?P<often>{_OFTEN})"
)
_SHORT = re.compile(
    rf"(?P<what>[a-z][a-z ]*?) (?P<amount>{_NUMBER}) (?P<unit>mmol|mL|L|U|mg)(?: \((?P<grams>{_NUMBER} g)\))?"
    rf" (?P<route>{'|'.join(_ROUTES)})(?: over (?P<over>{_OVER}))?(?:, (?P<often>{_OFTEN}))?"
)
_PLAN = re.compile(r" (?:(?P<letter>[A-D])  |Not possible now: )(?P<name>\S.*)")
_BEGINS = re.compile(r"    (?:1 |x BLOCKED: |! )")  # what comes after the head of a plan
_STEP = re.compile(
    r"(?P<number>\d+) (?P<name>.+?)(?: \[(?:now|replace|volume|cause|keep)\]|: as in (?P<as_in>[A-D])\.)"
)
_BLOCKED = re.compile(r"x BLOCKED: (?P<name>[^.]+)\.(?: (?P<rest>.*))?")
_HOW = (  # what a regimen is called says in part what its dose says: of that, here is what
    (re.compile(rf"({_NUMBER}) mmol(?! an hour)"), lambda one: one.amount),
    (re.compile(rf"({_NUMBER}) mmol an hour"), lambda one: one.over and one.amount.per(one.over)),
    (re.compile(rf"({_NUMBER}) g\b"), lambda one: _grams(one.what, one.amount)),
    (re.compile(rf"over ({_NUMBER}) h\b"), lambda one: one.over),
    (re.compile(rf"in ({_NUMBER}) mL"), lambda one: one.volume and one.volume.times(1000)),
    (re.compile(rf"in ({_NUMBER}) L\b"), lambda one: one.volume),
)
_NOTED = re.compile(r"Plan: (.*?)\.(?= (?:Measure now:|Look again in|Unsafe:|Research software))")
_WHOLE_DAYS, _DAY = 30, 24  # for how long repeats are counted, [h]


class Unreadable(ValueError):
    """A text that is no dose where one should stand."""


class Number(NamedTuple):
    """A printed number, and between what its figures leave it."""

    value: float
    low: float
    high: float

    def times(self, other: Number | float) -> Number:
        """Return the product, as wide as both leave it."""
        if isinstance(other, Number):
            return Number(self.value * other.value, self.low * other.low, self.high * other.high)
        return Number(self.value * other, self.low * other, self.high * other)

    def per(self, other: Number) -> Number:
        """Return the ratio, as wide as both leave it."""
        return Number(self.value / other.value, self.low / other.high, self.high / other.low)

    def agrees(self, other: Number) -> bool:
        """Return whether both can be the same."""
        return self.low <= other.high and other.low <= self.high


@lru_cache(maxsize=10_000)
def number(text: str) -> Number:
    """Return a printed number; half a unit of the third figure is open, or of a later one that is printed.

    >>> number("8.11"), number("20")[1:]
    (Number(value=8.11, low=8.105, high=8.115), (19.95, 20.05))
    """
    digits = text.replace(".", "").lstrip("0")
    whole = text.partition(".")[0].lstrip("0")
    leading = len(whole) if whole else len(digits) - len(text.partition(".")[2])  # of the first figure: 8.11 has 1
    figures = max(3, len(digits.rstrip("0")))
    half = 0.5 * 10.0 ** (leading - figures)
    value = float(text)
    return Number(value, round(value - half, 12), round(value + half, 12))


class Dose(NamedTuple):
    """What one text says of a dose: amounts in mmol, L, U or mg; hours, litres."""

    what: str
    thing: str
    amount: Number
    route: str
    over: Number | None
    volume: Number | None
    times: tuple[float, ...]
    wrong: tuple[str, ...]  # numbers of the same text that disagree


class Blocked(NamedTuple):
    """A step that is shown as blocked: its dose, if one is named, and the reason."""

    name: str
    dose: Dose | None
    because: str


class Plan(NamedTuple):
    """One plan: its steps with their doses, those told in an earlier plan as well."""

    letter: str
    name: str
    steps: tuple[tuple[str, Dose | None], ...]
    blocked: tuple[Blocked, ...]
    told: int  # doses that this plan prints itself

    def doses(self) -> tuple[Dose, ...]:
        """Return the doses in their order."""
        return tuple(dose for _, dose in self.steps if dose is not None)


# a dose -------------------------------------------------------------------------------------------------------------
@lru_cache(maxsize=10_000)
def dose(text: str) -> tuple[Dose, str]:
    """Return the dose with which a text begins, and what comes after it.

    Raises
    ------
    Unreadable
        It begins with none, or names something that is not known.
    """
    found = _DOSE.match(text)
    if found is None or (text[found.end() :] and text[found.end()] not in " ."):
        raise Unreadable(text)
    what, unit = found["what"], found["unit"]
    amount = _litres(found["amount"], unit) if unit in {"L", "mL"} else number(found["amount"])
    basis = "L" if unit == "mL" else unit
    over = _hours(found["over"]) if found["over"] else None
    volume = _litres(*found["volume"].split()) if found["volume"] else None
    wrong = [*_unlike(what, amount, found["same"]), *_slow(what, amount, basis, over, found["rate"])]
    if volume is not None:
        strength, per = found["strength"].split()
        if per != f"{basis}/L" or not number(strength).agrees(amount.per(volume)):
            wrong.append(f"strength {found['strength']}")
    read = Dose(
        what, _thing(what, basis), amount, _ROUTES[found["route"]], over, volume, _times(found["often"]), tuple(wrong)
    )
    return read, text[found.end() :]


def _thing(what: str, unit: str) -> str:
    """Return what a dose brings, if it is measured in this unit."""
    thing, basis = _OTHERS.get(what, (what.partition(" ")[0], "mmol"))
    if unit != basis or (what not in _OTHERS and what not in _WEIGHED):
        raise Unreadable(f"{what} in {unit}")
    return thing


def _litres(size: str, unit: str) -> Number:
    return number(size).times(0.001 if unit == "mL" else 1.0)


def _hours(text: str) -> Number:
    size, unit = text.split()
    return number(size).times({"min": 1 / 60, "h": 1.0, "days": float(_DAY)}[unit])


def _unlike(what: str, amount: Number, same: str | None) -> Iterator[str]:
    """Yield what a dose is also called and is not, and what it should be called and is not."""
    if what not in _WEIGHED:
        if same:
            yield f"called {same}"
        return
    expected = dict(_called(what, amount))
    for one in (same or "").split("; "):
        size, _, unit = one.partition(" ")
        if unit not in expected or not number(size).agrees(expected.pop(unit)):
            yield f"called {one}"
    for unit in expected:
        yield f"not called in {unit}"


def _called(what: str, amount: Number) -> Iterator[tuple[str, Number]]:
    """Yield the other units of so many mmol, with how many they are."""
    element = what.partition(" ")[0]
    mass, charges = _ELEMENTS[element]
    if grams := _grams(what, amount):
        yield f"g of {_WEIGHED[what]}", grams
    yield "mEq", amount.times(float(charges))
    yield f"mg of {element}", amount.times(mass)


def _grams(what: str, amount: Number) -> Number | None:
    """Return how many grams of a salt so many mmol are; none of what is not weighed."""
    salt = _WEIGHED.get(what)
    return amount.times(_SALTS[salt] / 1000) if salt else None


def _slow(what: str, amount: Number, basis: str, over: Number | None, rate: str | None) -> Iterator[str]:
    """Yield what is printed as the amount in an hour and is not."""
    if over is None:
        return
    per_hour = amount.per(over)
    expected = {"mL/h": per_hour.times(1000)} if basis == "L" else {f"{basis}/h": per_hour}
    if grams := _grams(what, per_hour):
        expected["g/h"] = grams
    for one in rate.split("; ") if rate else ():
        size, unit = one.split()
        if unit not in expected or not number(size).agrees(expected.pop(unit)):
            yield f"rate {one}"
    if rate is not None and expected:
        yield f"no rate in {', '.join(expected)}"


def _times(often: str) -> tuple[float, ...]:
    """Return when doses begin [h]: from now on, or by the clock from midnight on."""
    if often == "once":
        return (0.0,)
    words, _, clocks = often.partition(", at ")
    if clocks:
        each = [int(one[:2]) + int(one[3:]) / 60 for one in clocks.split(", ")]
        if len(each) != _A_DAY.get(words, int(words.split()[0]) if words[0].isdigit() else 0):
            raise Unreadable(often)
        return tuple(_DAY * day + one for day in range(_WHOLE_DAYS) for one in sorted(each))
    count, _, every = often.rpartition("every ")
    every, _, begin = every.partition(", from ")
    step, first = _long(every), _long(begin.removesuffix(" on")) if begin else 0.0
    most = math.ceil((_WHOLE_DAYS * _DAY - first) / step)
    return tuple(first + step * one for one in range(int(count.split()[0]) if count else most))


def _long(text: str) -> float:
    size, unit = text.split()
    return float(size) * (_DAY if unit == "d" else 1)


# a text -------------------------------------------------------------------------------------------------------------
def plans(text: str) -> tuple[Plan, ...]:
    """Return the plans of a text for a terminal, lines of which end wherever the screen does.

    Raises
    ------
    Unreadable
        A dose, step or plan is not of the form that it should have.
    """
    found: list[Plan] = []
    for chunk in text.split("\n\n"):
        if _PLAN.match(chunk):
            found.append(_plan(chunk, found))
    return tuple(found)


def _plan(chunk: str, earlier: list[Plan]) -> Plan:
    head, *rest = _paragraphs(chunk)
    named = _PLAN.fullmatch(head)
    if named is None:
        raise Unreadable(head)
    steps: list[tuple[str, Dose | None]] = []
    blocked = []
    told = 0
    for paragraph in rest:
        line = paragraph.strip()
        if line.startswith("x BLOCKED"):
            blocked.append(_blocked(line))
        elif line.startswith("Dose: "):
            read, after = dose(line.removeprefix("Dose: "))
            if not steps or steps[-1][1] is not None or not re.fullmatch(r"\.(?: \[[a-z ,]+\])?", after):
                raise Unreadable(line)
            steps[-1] = (steps[-1][0], read)
            told += 1
        elif line.startswith("How: ") and steps and steps[-1][1] is not None:
            steps[-1] = (steps[-1][0], _beside(steps[-1][1], line))
        elif step := _STEP.fullmatch(line):
            if int(step["number"]) != len(steps) + 1:
                raise Unreadable(line)
            steps.append((step["name"], _told(earlier, step["as_in"], step["name"])))
    return Plan(named["letter"] or "", named["name"], tuple(steps), tuple(blocked), told)


@lru_cache(maxsize=10_000)
def _beside(read: Dose, line: str) -> Dose:
    """Return a dose with what its regimen is called, where that says something else."""
    wrong = []
    for pattern, part in _HOW:
        same = part(read)
        for text in pattern.findall(line):
            half = 0.5 * 10.0 ** -len(text.partition(".")[2])  # rounded more than a dose: 8 mmol are 8.11
            if same is None or not Number(float(text), float(text) - half, float(text) + half).agrees(same):
                wrong.append(f"{text} in {line}")
    return read._replace(wrong=(*read.wrong, *wrong))


def _told(earlier: list[Plan], letter: str | None, name: str) -> Dose | None:
    """Return the dose of a step that an earlier plan tells."""
    if letter is None:
        return None
    same = [dose for plan in earlier if plan.letter == letter for named, dose in plan.steps if named == name]
    if len(same) != 1:
        raise Unreadable(f"{name}: as in {letter}")
    return same[0]


@lru_cache(maxsize=10_000)
def _blocked(line: str) -> Blocked:
    found = _BLOCKED.fullmatch(line)
    if found is None:
        raise Unreadable(line)
    because = found["rest"] or ""
    if because[:1].islower():  # a reason begins with a capital letter, the name of what is given does not
        read, after = dose(because)
        return Blocked(found["name"], read, after.removeprefix(".").strip())
    return Blocked(found["name"], None, because)


def _paragraphs(chunk: str) -> list[str]:
    """Return the paragraphs of a plan, each on one line: a step and what is blocked end where the next begins."""
    found: list[str] = []
    for line in chunk.split("\n"):
        depth = len(line) - len(line.lstrip(" "))
        if found and (
            depth > 6 or (depth == 6 and _is_open(found[-1])) or (len(found) == 1 and not _BEGINS.match(line))
        ):
            found[-1] += f" {line.strip()}"
        else:
            found.append(line)
    return found


def _is_open(paragraph: str) -> bool:
    """Return whether a deeper line still belongs to it: a step until its phase is told, what is blocked and noted."""
    if paragraph.startswith(("    x BLOCKED", "    ! ")):
        return True
    return re.match(r"    \d+ ", paragraph) is not None and _STEP.fullmatch(paragraph.strip()) is None


class Noted(NamedTuple):
    """A dose in few words."""

    what: str
    amount: Number
    grams: Number | None
    route: str
    over: Number | None
    times: tuple[float, ...]

    def agrees(self, other: Dose) -> bool:
        """Return whether it says the same as a dose told in full."""
        same = (self.what, self.amount, self.route, self.over, self.times) == (
            other.what, other.amount, other.route, other.over, other.times
        )  # fmt: skip
        grams = _grams(other.what, other.amount)
        if self.grams is None or grams is None:
            return same and self.grams is grams
        return same and self.grams.agrees(grams)


def noted(text: str) -> tuple[Noted, ...] | None:
    """Return the doses in a text for the chart; none where no plan stands in it, which is not the same as no dose.

    Raises
    ------
    Unreadable
        A dose is not of the form that it should have.
    """
    found = _NOTED.search(text)
    if found is None:
        return None
    return tuple(map(_noted, found[1].split("; "))) if found[1][0].islower() else ()


@lru_cache(maxsize=10_000)
def _noted(text: str) -> Noted:
    found = _SHORT.fullmatch(text)
    if found is None:
        raise Unreadable(text)
    size, unit = found["amount"], found["unit"]
    return Noted(
        what=found["what"],
        amount=_litres(size, unit) if unit in {"L", "mL"} else number(size),
        grams=number(found["grams"].split()[0]) if found["grams"] else None,
        route=_ROUTES[found["route"]],
        over=_hours(found["over"]) if found["over"] else None,
        times=_times(found["often"] or "once"),
    )
