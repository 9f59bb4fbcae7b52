"""A second reading of the safety table, from its printed form alone.

It knows nothing but the page: one patient, one line, one dose after the other. Where the page leaves a choice open, the
remark at that place says what was chosen.
"""

import ast
import math
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

FALSE, UNKNOWN, TRUE = 0, 1, 2
BILLIONTH = 1e-9
MILLILITRE = 0.001
MISSING = (-math.inf, math.inf)

Interval = tuple[float, float]
Fact = Callable[[str], object]


class Dose(NamedTuple):
    """What is given, and when."""

    brings: dict[str, float]  # thing -> amount of one dose
    route: str
    times: tuple[float, ...]  # [h] when each dose begins
    over: float  # [h] how long each takes
    volume: float | None  # [L]
    level_after: int  # doses until the next level; 0 if not stated


class Judgement(NamedTuple):
    """What the table says of a dose."""

    barred: bool
    spared: bool
    barring: frozenset[str]  # lines that bar it, or that would if it were not spared
    asking: frozenset[str]  # lines that only ask for a test
    cautions: frozenset[str]


class Ceiling(NamedTuple):
    """A line with a number that must not be exceeded."""

    thing: str
    name: str
    routes: tuple[str, ...]
    measure: str
    number: float
    unit: str
    when: str
    unless: str


class Contraindication(NamedTuple):
    """A line with a condition that bars."""

    thing: str
    name: str
    grade: str
    routes: tuple[str, ...]
    when: str
    unknown: str


class Spared(NamedTuple):
    """A line with a dose that nothing bars."""

    thing: str
    number: float
    routes: tuple[str, ...]
    when: str
    unless: str


def exceeds(value: float, number: float) -> bool:
    """Tell whether a value is more than a number by more than one in a billion; a value that is none counts as more."""
    return not value <= number * (1 + BILLIONTH)


def goes_by(routes: tuple[str, ...], route: str) -> bool:
    """Tell whether a line is for a route."""
    return "all" in routes or route in routes


def brings(dose: Dose, thing: str) -> bool:
    """Tell whether a line under a heading is for a dose. Nothing of a thing is taken for not bringing it."""
    return thing == "all" or dose.brings.get(thing, 0.0) != 0


def share(begin: float, over: float, start: float, window: float) -> float:
    """Give the part of one dose that runs within a window. A dose of no duration at its end is outside of it."""
    if over <= 0:
        return 1.0 if start <= begin < start + window - BILLIONTH else 0.0
    if start <= begin and begin + over <= start + window:
        return 1.0
    inside = min(begin + over, start + window) - max(begin, start)
    return min(max(inside, 0.0) / over, 1.0)


def most(dose: Dose, amount: float, window: float) -> float:
    """Give the most of a thing that a dose brings within any window of so many hours."""
    edges = [time + shift for time in dose.times for shift in (0.0, dose.over)]
    starts = edges + [edge - window for edge in edges]
    parts = (sum(share(time, dose.over, start, window) for time in dose.times) for start in starts)
    return amount * max(parts, default=0.0)


def amount_measured(measure: str, dose: Dose, thing: str) -> float:
    """Measure one dose of a plan as a ceiling asks for it."""
    amount = dose.brings[thing]
    if measure == "one dose":
        return amount
    if measure == "one dose / its duration":
        return amount / dose.over if dose.over > 0 else math.inf
    if measure == "one dose / its volume":
        volume = MILLILITRE if dose.volume is None else dose.volume
        return amount / volume if volume > 0 else math.inf
    if measure == "until the next level":
        # To the letter: the stated number of doses, even where the plan has fewer of them.
        return amount * dose.level_after if dose.level_after > 0 else most(dose, amount, 24.0)
    window = re.fullmatch(r"the most in any (\d+) h", measure)
    if window is None:
        raise ValueError(f"no such measure: {measure}")
    return most(dose, amount, float(window[1]))


def compare(operator: ast.cmpop, left: Interval, right: Interval) -> int:
    """Compare two intervals."""
    (a, b), (c, d) = left, right
    if left == MISSING:
        return UNKNOWN
    if isinstance(operator, ast.Lt):
        true, false = b < c, a >= d
    elif isinstance(operator, ast.LtE):
        true, false = b <= c, a > d
    elif isinstance(operator, ast.Gt):
        true, false = a > d, b <= c
    elif isinstance(operator, ast.GtE):
        true, false = a >= d, b < c
    else:
        raise TypeError(f"no such comparison: {ast.dump(operator)}")
    return TRUE if true else FALSE if false else UNKNOWN


def number_of(node: ast.expr, thresholds: dict[str, float], fact: Fact) -> Interval:
    """Give the interval of a number in an expression."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
        return float(node.value), float(node.value)
    if isinstance(node, ast.Name) and node.id in thresholds:
        return thresholds[node.id], thresholds[node.id]
    if not isinstance(node, ast.Name | ast.Call):
        raise TypeError(f"not a number: {ast.unparse(node)}")
    value = fact(ast.unparse(node))
    if not isinstance(value, tuple) or len(value) != 2:
        raise TypeError(f"{ast.unparse(node)} should be an interval, but is {value!r}")
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
    if not isinstance(node, ast.Name | ast.Call) or ast.unparse(node) in thresholds:
        raise ValueError(f"neither true nor false: {ast.unparse(node)}")
    value = fact(ast.unparse(node))
    if not isinstance(value, int) or isinstance(value, bool) or value not in (FALSE, UNKNOWN, TRUE):
        raise TypeError(f"{ast.unparse(node)} should be 0, 1 or 2, but is {value!r}")
    return value


def rows(page: str) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Give every row of every table: its heading, the first title of its table, and its cells by their titles."""
    heading, titles = "", list[str]()
    for line in page.splitlines():
        if line.startswith("#"):
            heading = line.lstrip("#").strip()
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


class Checker:
    """The whole table."""

    def __init__(self, page: str) -> None:
        """Read the table from its page."""
        self.ceilings: list[Ceiling] = []
        self.contraindications: list[Contraindication] = []
        self.spared: list[Spared] = []
        self.thresholds: dict[str, float] = {}
        for thing, kind, row in rows(page):
            bare = {title: cell.strip("`") for title, cell in row.items()}
            if kind == "name":
                self.thresholds[bare["name"]] = float(bare["value"])
                continue
            routes = tuple(route.strip() for route in bare["routes"].split(","))
            when, unless = bare["when"], bare.get("unless", "")
            if kind == "ceiling":
                if thing == "all":
                    raise ValueError("a ceiling for everything has no meaning")
                name, measure, number, unit = bare["ceiling"], bare["measure"], float(bare["at most"]), bare["unit"]
                self.ceilings.append(Ceiling(thing, name, routes, measure, number, unit, when, unless))
            elif kind == "contraindication":
                name, grade, unknown = bare["contraindication"], bare["grade"], bare["unknown"]
                if unknown not in ("bars", "asks", "passes"):
                    raise ValueError(f"{name}: no such way with the unknown: {unknown}")
                self.contraindications.append(Contraindication(thing, name, grade, routes, when, unknown))
            elif kind == "spared at most":
                self.spared.append(Spared(thing, float(bare["spared at most"]), routes, when, unless))
            else:
                raise ValueError(f"no such table: {kind}")

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
        return truth_of(ast.parse(expression, mode="eval").body, self.checker.thresholds, self.fact)

    def bars(self, line: Ceiling, dose: Dose) -> bool:
        """Tell whether a ceiling bars a dose, after those taken so far."""
        if not brings(dose, line.thing) or not goes_by(line.routes, dose.route):
            return False
        total = amount_measured(line.measure, dose, line.thing)
        if line.measure not in ("one dose", "one dose / its volume"):
            for before, spared in self.taken:
                counts = brings(before, line.thing) and goes_by(line.routes, before.route)
                if counts and not (spared and line.measure == "one dose / its duration"):
                    total += amount_measured(line.measure, before, line.thing)
        if not exceeds(total, line.number):
            return False
        return self.truth(line.when, TRUE) != FALSE and self.truth(line.unless, FALSE) != TRUE

    def spares(self, line: Spared, dose: Dose) -> bool:
        """Tell whether a dose is one that nothing bars."""
        return (
            brings(dose, line.thing)
            and goes_by(line.routes, dose.route)
            and len(dose.times) == 1
            and not any(brings(before, line.thing) for before, _ in self.taken)
            and not exceeds(dose.brings[line.thing], line.number)
            and self.truth(line.when, TRUE) == TRUE
            and self.truth(line.unless, FALSE) != TRUE
        )

    def judge(self, dose: Dose) -> Judgement:
        """Judge a dose against those taken so far, and change nothing."""
        spared = any(self.spares(line, dose) for line in self.checker.spared)
        barring = {line.name for line in self.checker.ceilings if self.bars(line, dose)}
        asking, cautions = set[str](), set[str]()
        for line in self.checker.contraindications:
            if not brings(dose, line.thing) or not goes_by(line.routes, dose.route):
                continue
            truth = self.truth(line.when, TRUE)
            if truth == FALSE or (truth == UNKNOWN and line.unknown == "passes"):
                continue
            if line.grade == "caution":
                cautions.add(line.name)
            elif truth == UNKNOWN and line.unknown == "asks":
                asking.add(line.name)
            else:
                barring.add(line.name)
        barred = bool(barring) and not spared
        return Judgement(barred, spared, frozenset(barring), frozenset(asking), frozenset(cautions))

    def take(self, dose: Dose) -> None:
        """Count a dose that is given."""
        self.taken.append((dose, self.judge(dose).spared))
