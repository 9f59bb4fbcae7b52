"""A second reading of the safety table, from its printed form alone.

It knows nothing but the page: one patient, one line, one dose after the other. Where the page leaves a choice open, the
remark at that place says what was chosen.
"""

import ast
import math
import re
from collections.abc import Callable, Iterator
from functools import cache, lru_cache
from typing import NamedTuple

FALSE, UNKNOWN, TRUE = 0, 1, 2
BILLIONTH = 1e-9
MILLILITRE = 0.001
MISSING = (-math.inf, math.inf)
DISSOLVED = ("intravenous", "subcutaneous")  # the routes by which the volume of a dose counts as water
MEASURES = ("one dose", "rate", "24 h", "48 h", "until the next level", "concentration")
# How near earlier doses must run to count [h]: 0 is at the same moment; of a measure that is not here none counts.
NEAR = {"one dose": 0.0, "rate": 0.0, "24 h": 24.0, "48 h": 48.0, "until the next level": 24.0}

Interval = tuple[float, float]
Fact = Callable[[str], object]


class Dose(NamedTuple):
    """What is given, and when."""

    brings: dict[str, float]  # thing -> amount of one dose, without the volume in which it is dissolved
    route: str
    times: tuple[float, ...]  # [h] when each dose begins
    over: float  # [h] how long each takes
    volume: float | None  # [L] in which one dose is dissolved
    level_after: int  # doses until the next level; 0 if not stated


class Judgement(NamedTuple):
    """What the table says of a dose."""

    barred: bool
    spared: bool
    barring: frozenset[str]  # lines that bar it, or that would if it were not spared
    asking: frozenset[str]  # lines that only ask for a test
    cautions: frozenset[str]


class Line(NamedTuple):
    """A line of a table: a ceiling, a contraindication or a spared dose. What it has no column for is empty."""

    thing: str
    name: str
    routes: tuple[str, ...]
    when: str
    sure: bool
    unless: str
    number: float
    unit: str
    measure: str
    grade: str
    unknown: str


def exceeds(value: float, number: float) -> bool:
    """Tell whether a value is more than a number by more than one in a billion; a value that is none counts as more."""
    return not value <= number * (1 + BILLIONTH)


def goes_by(routes: tuple[str, ...], route: str) -> bool:
    """Tell whether a line is for a route."""
    return "all" in routes or route in routes


def amount_of(dose: Dose, thing: str, measure: str) -> float:
    """Give how much of a thing one dose counts with in ceilings of a measure.

    A dose without a volume is taken for 1 mL in its concentration only: it adds no water. Saline that is told as
    dissolved in a volume is both: the page adds the one to the other.
    """
    amount = dose.brings.get(thing, 0.0)
    dissolved = thing == "water" and measure in ("24 h", "48 h") and dose.route in DISSOLVED
    return amount + dose.volume if dissolved and dose.volume is not None else amount


def brings(dose: Dose, thing: str) -> bool:
    """Tell whether a table is for a dose, ceilings apart. Nothing of a thing is taken for not bringing it."""
    return thing == "all" or dose.brings.get(thing, 0.0) > 0


def refuse_nothing(dose: Dose) -> None:
    """Refuse what the page excludes: a dose that takes no time or is nothing."""
    amounts = (*dose.brings.values(), dose.volume or 0.0)  # a volume of nothing is no dose
    something = any(amount > 0 for amount in dose.brings.values()) and all(amount >= 0 for amount in amounts)
    if not (dose.times and dose.over > 0 and something):
        raise ValueError(f"every dose takes time and is more than nothing: {dose}")


def share(begin: float, over: float, start: float, end: float) -> float:
    """Give the part of one dose that runs within a window."""
    whole = start <= begin and begin + over <= end
    return 1.0 if whole else max(min(begin + over, end) - max(begin, start), 0.0) / over


def most(dose: Dose, amount: float, window: float) -> float:
    """Give the most of a thing that a dose brings within any window of so many hours."""
    return amount * most_doses(dose.times, dose.over, window)


@lru_cache(maxsize=1000)
def most_doses(times: tuple[float, ...], over: float, window: float) -> float:
    """Give the most doses within any window of so many hours."""
    edges = [time + shift for time in times for shift in (0.0, over)]
    starts = edges + [edge - window for edge in edges]
    return max(sum(share(time, over, start, start + window) for time in times) for start in starts)


def at_once(dose: Dose) -> int:
    """Give the most doses that run at the same moment; one that begins where another ends does not run with it."""
    return most_at_once(dose.times, dose.over)


@lru_cache(maxsize=1000)
def most_at_once(times: tuple[float, ...], over: float) -> int:
    """Give the same of times and a duration."""
    lasts = over - min(BILLIONTH, over / 2)
    return max(sum(time <= moment < time + lasts for time in times) for moment in times)


def runs_near(before: Dose, dose: Dose, hours: float) -> bool:
    """Tell whether some dose of the one runs less than so many hours from some dose of the other; 0: at one moment."""
    return least_gap(before.times, before.over, dose.times, dose.over) < hours - min(
        BILLIONTH, before.over / 2, dose.over / 2
    )


@lru_cache(maxsize=1000)
def least_gap(earlier: tuple[float, ...], lasts: float, later: tuple[float, ...], over: float) -> float:
    """Give how many hours lie between some dose of the one and some dose of the other; below 0 they overlap."""
    return min(max(late - early - lasts, early - late - over) for early in earlier for late in later)


@cache
def tree_of(expression: str) -> ast.expr:
    """Read an expression; each is read once."""
    return ast.parse(expression, mode="eval").body


@cache
def text_of(node: ast.expr) -> str:
    """Write a part of an expression; each is written once."""
    return ast.unparse(node)


def amount_measured(measure: str, dose: Dose, thing: str) -> float:
    """Measure one entry of a plan as a ceiling asks for it."""
    amount = amount_of(dose, thing, measure)
    if measure == "one dose":
        return amount * at_once(dose)
    if measure == "rate":
        return amount / dose.over * at_once(dose)
    if measure == "concentration":
        volume = MILLILITRE if dose.volume is None else dose.volume
        return amount / volume if volume > 0 else math.inf
    if measure == "until the next level" and dose.level_after > 0:
        return amount * max(min(dose.level_after, len(dose.times)), at_once(dose))
    return most(dose, amount, 48.0 if measure == "48 h" else 24.0)


def compare(operator: ast.cmpop, left: Interval, right: Interval) -> int:
    """Compare two intervals."""
    if MISSING in (left, right):
        return UNKNOWN
    if not isinstance(operator, ast.Lt | ast.LtE | ast.Gt | ast.GtE):
        raise TypeError(f"no such comparison: {ast.dump(operator)}")
    (a, b), (c, d) = (left, right) if isinstance(operator, ast.Lt | ast.LtE) else (right, left)
    true, false = (b < c, a >= d) if isinstance(operator, ast.Lt | ast.Gt) else (b <= c, a > d)
    return TRUE if true else FALSE if false else UNKNOWN


def number_of(node: ast.expr, thresholds: dict[str, float], fact: Fact) -> Interval:
    """Give the interval of a number in an expression."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
        return float(node.value), float(node.value)
    if isinstance(node, ast.Name) and node.id in thresholds:
        return thresholds[node.id], thresholds[node.id]
    if not isinstance(node, ast.Name | ast.Call):
        raise TypeError(f"not a number: {text_of(node)}")
    value = fact(text_of(node))
    if not isinstance(value, tuple) or len(value) != 2:
        raise TypeError(f"{text_of(node)} should be an interval, but is {value!r}")
    return float(value[0]), float(value[1])


def truth_of(node: ast.expr, thresholds: dict[str, float], fact: Fact) -> int:
    """Tell whether an expression is true, false or unknown."""
    if isinstance(node, ast.BoolOp):
        parts = [truth_of(part, thresholds, fact) for part in node.values]
        return min(parts) if isinstance(node.op, ast.And) else max(parts)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return TRUE - truth_of(node.operand, thresholds, fact)
    if isinstance(node, ast.Compare):
        sides = [number_of(side, thresholds, fact) for side in (node.left, *node.comparators)]
        return min(compare(*three) for three in zip(node.ops, sides[:-1], sides[1:], strict=True))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "known":
        return FALSE if number_of(node.args[0], thresholds, fact) == MISSING else TRUE
    if not isinstance(node, ast.Name | ast.Call) or text_of(node) in thresholds:
        raise ValueError(f"neither true nor false: {text_of(node)}")
    value = fact(text_of(node))
    if not isinstance(value, int) or isinstance(value, bool) or value not in (FALSE, UNKNOWN, TRUE):
        raise TypeError(f"{text_of(node)} should be 0, 1 or 2, but is {value!r}")
    return value


def rows(page: str) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Give every row of every table: its heading, the first title of its table, and its cells by their titles.

    A line of routes below a heading is given as a row of one cell.
    """
    heading, titles = "", list[str]()
    for line in page.splitlines():
        if line.startswith("#"):
            heading = line.lstrip("#").strip()
        if line.startswith("Routes:"):
            yield heading, "Routes", {"Routes": line.removeprefix("Routes:").strip().removesuffix(".")}
        if not line.startswith("|"):
            titles = []
            continue
        cells = [cell.strip() for cell in line.strip().removeprefix("|").removesuffix("|").split("|")]
        if not titles:
            titles = cells
        elif len(cells) != len(titles):
            raise ValueError(f"{len(cells)} cells under {len(titles)} titles: {line}")
        elif not all(re.fullmatch(r":?-+:?", cell) for cell in cells):
            yield heading, titles[0], dict(zip(titles, cells, strict=True))


def expression_of(cell: str) -> tuple[str, bool]:
    """Give the expression of a cell, and whether it is marked sure."""
    found = re.fullmatch(r"`([^`]+)`( \(sure\))?", cell)
    if cell and found is None:
        raise ValueError(f"not an expression: {cell}")
    return (found[1], found[2] is not None) if found else ("", False)


def line_of(thing: str, name: str, row: dict[str, str]) -> Line:
    """Read one line, and refuse what the rules do not speak of."""
    when, sure = expression_of(row["when"])
    unless, odd = expression_of(row.get("unless", ""))
    number = float(row.get("at most") or row.get("spared at most") or math.nan)
    rest = (row.get(title, "") for title in ("unit", "measure", "grade", "unknown"))
    line = Line(thing, name, tuple(row["routes"].split(", ")), when, sure, unless, number, *rest)
    if odd or (sure and "ceiling" not in row) or ("unknown" in row and line.unknown not in ("bars", "asks", "passes")):
        raise ValueError(f"no such mark or way with the unknown: {line}")
    if "ceiling" in row and (thing == "all" or line.measure not in MEASURES):
        raise ValueError(f"no such ceiling: {line}")
    return line


class Checker:
    """The whole table."""

    def __init__(self, page: str) -> None:
        """Read the table from its page."""
        self.ceilings: list[Line] = []
        self.contraindications: list[Line] = []
        self.spared: list[Line] = []
        self.routes: dict[str, tuple[str, ...]] = {}
        self.thresholds: dict[str, float] = {}
        kinds = {"ceiling": self.ceilings, "contraindication": self.contraindications, "spared at most": self.spared}
        for thing, kind, row in rows(page):
            name = row[kind].strip("`")
            if kind == "Routes":
                self.routes[thing] = tuple(name.split(", "))
            elif kind == "name":
                self.thresholds[name] = float(row["value"])
            elif kind in kinds:
                kinds[kind].append(line_of(thing, name, row))
            else:
                raise ValueError(f"no such table: {kind}")
        things = {line.thing for line in self.ceilings + self.contraindications + self.spared}
        if things - {"all"} != set(self.routes):
            raise ValueError("a thing has no routes, or routes are of no thing")

    def patient(self, fact: Fact) -> "Session":
        """Begin a plan for a patient."""
        return Session(self, fact)


class Session:
    """One patient, one plan."""

    def __init__(self, checker: Checker, fact: Fact) -> None:
        """Begin with no dose taken."""
        self.checker = checker
        self.fact = fact
        self.taken: list[tuple[Dose, bool]] = []  # each dose given, and whether it was spared

    def truth(self, expression: str, empty: int) -> int:
        """Tell whether an expression holds for the patient; an empty one is what the rules say it is."""
        if not expression:
            return empty
        return truth_of(tree_of(expression), self.checker.thresholds, self.fact)

    def bars(self, line: Line, dose: Dose) -> bool:
        """Tell whether a ceiling bars a dose, after those taken so far."""
        if not amount_of(dose, line.thing, line.measure) > 0 or not goes_by(line.routes, dose.route):
            return False
        total = amount_measured(line.measure, dose, line.thing)
        for before, spared in self.taken if line.measure in NEAR else ():
            counts = goes_by(line.routes, before.route) and not (spared and line.measure in ("one dose", "rate"))
            if counts and runs_near(before, dose, NEAR[line.measure]):
                # The whole measure of such an entry counts, however little of it is near.
                total += amount_measured(line.measure, before, line.thing)
        if not exceeds(total, line.number):
            return False
        when = self.truth(line.when, TRUE)
        return (when == TRUE if line.sure else when != FALSE) and self.truth(line.unless, FALSE) != TRUE

    def spares(self, line: Line, dose: Dose) -> bool:
        """Tell whether a dose is one that nothing bars."""
        return (
            {thing for thing, amount in dose.brings.items() if amount > 0} == {line.thing}
            and goes_by(line.routes, dose.route)
            and len(dose.times) == 1
            and not any(brings(before, line.thing) for before, _ in self.taken)
            and not exceeds(dose.brings[line.thing], line.number)
            and self.truth(line.when, TRUE) == TRUE
            and self.truth(line.unless, FALSE) != TRUE
        )

    def judge(self, dose: Dose) -> Judgement:
        """Judge a dose against those taken so far, and change nothing."""
        refuse_nothing(dose)
        spared = any(self.spares(line, dose) for line in self.checker.spared)
        barring = {line.name for line in self.checker.ceilings if self.bars(line, dose)}
        # A thing without a table has no routes that it could miss; the water that dissolves a dose misses none.
        for thing, routes in self.checker.routes.items():
            if brings(dose, thing) and dose.route not in routes:
                barring.add(f"{thing}_route")
        asking, cautions = set[str](), set[str]()
        for line in self.checker.contraindications:
            if not brings(dose, line.thing) or not goes_by(line.routes, dose.route):
                continue
            truth = self.truth(line.when, TRUE)
            if truth == FALSE or (truth == UNKNOWN and line.unknown == "passes"):
                continue
            if truth == UNKNOWN and line.unknown == "asks":
                asking.add(line.name)
            elif line.grade == "caution":
                cautions.add(line.name)
            else:
                barring.add(line.name)
        barred = bool(barring) and not spared
        return Judgement(barred, spared, frozenset(barring), frozenset(asking), frozenset(cautions))

    def take(self, dose: Dose) -> None:
        """Count a dose that is given."""
        self.taken.append((dose, self.judge(dose).spared))
