"""Numbers as the page says them: a field of page.template such as {d[main healthy,quarter 0.47 7]} is looked up here.

A key is `runs[/variant] state,... magnesium,... day,...`; several numbers are told as their range.
"""

from __future__ import annotations

from itertools import product
from math import isinf
from typing import TYPE_CHECKING

import figure
from runs import experiment
from table import FALL, HELD, LASTING, PLASMA, URINE, Key

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from table import Number, Table


def numbers(table: Table, asked: str, quantity: str = PLASMA) -> list[Number]:
    """Return the numbers that a key stands for."""
    runs, states, reached, days = asked.split()
    runs, _, variant = runs.partition("/")
    return [
        table[Key(runs, variant, state, held, int(day), quantity)]
        for state, held, day in product(states.split(","), reached.split(","), days.split(","))
    ]


def differences(table: Table, asked: str) -> list[float]:
    """Return the differences of potassium [mmol/L] that a key stands for."""
    return [number.difference for number in numbers(table, asked)]


def lasting(table: Table, runs: str, states: str, reached: str) -> list[float]:
    """Return on which day each rise is over; infinite if that is not seen."""
    return [number.low for number in numbers(table, f"{runs} {states} {reached} 0", LASTING)]


def edge(table: Table, eaten: str, day: int) -> float:
    """Return the largest share of filtration, of those mapped, up to which potassium is raised on a day."""
    raised = 0.0
    for share in sorted(experiment().map.nephrons):
        if table[Key("map", f"{eaten}={share:g}", "map", "0.27", day)].difference <= 0:
            break
        raised = share
    return raised


def between(texts: Sequence[str]) -> str:
    """Return two ends as a range, or as one number if they read the same.

    >>> between(["0.2", "0.4"]), between(["0.2", "0.2"])
    ('0.2 to 0.4', '0.2')
    """
    return texts[0] if texts[0] == texts[-1] else f"{texts[0]} to {texts[-1]}"


def ends(values: Sequence[float], told: Callable[[float], str]) -> str:
    """Return the range of some numbers."""
    return between([told(min(values)), told(max(values))])


def plain(value: float) -> str:
    """Return a size without its sign."""
    return f"{value:.2f}"


def in_days(value: float) -> str:
    """Return a count of days."""
    if isinf(value):
        return f"more than {experiment().horizon}"
    return f"{value:.0f}" if value >= 1 else "less than 1"


class Told:
    """A lookup that str.format understands."""

    def __init__(self, say: Callable[[str], str]) -> None:
        self.say = say

    def __getitem__(self, asked: str) -> str:
        """Return what is said of a key."""
        return self.say(asked)


def lookups(table: Table) -> dict[str, Told]:
    """Return every lookup of the page by the name of its field."""

    def size(asked: str) -> str:
        return ends([abs(one) for one in differences(table, asked)], plain)

    def level(asked: str) -> str:
        return ends([value for one in numbers(table, asked) for value in one[:2]], "{:.1f}".format)

    def lasts(asked: str) -> str:
        return ends(lasting(table, *asked.split()), in_days)

    def gone(asked: str) -> str:
        arm, rest = asked.split(maxsplit=1)
        left = differences(table, f"arm/{arm} {rest}")[0] / differences(table, f"main {rest}")[0]
        return f"{100 * (1 - left):.0f} %"

    def held(asked: str) -> str:
        runs, states, reached = asked.split()
        day = experiment().days[-1]
        return ends([one.low for one in numbers(table, f"{runs} {states} {reached} {day}", HELD)], plain)

    def fall(asked: str) -> str:
        exponent, state, reached = asked.split()
        found = numbers(table, f"insulin/{exponent} {state} {reached} {experiment().insulin.day}", FALL)[0]
        return f"{found.low:.2f} instead of {found.normal:.2f}"

    def urine(asked: str) -> str:
        return f"{numbers(table, f'{asked} 7', URINE)[0].normal:.1f}"

    def share(asked: str) -> str:
        eaten, day = asked.split()
        return f"{100 * edge(table, eaten, int(day)):g} %"

    return {
        "d": Told(lambda asked: ends(differences(table, asked), figure.signed)),
        "size": Told(size),
        "level": Told(level),
        "lasts": Told(lasts),
        "gone": Told(gone),
        "held": Told(held),
        "fall": Told(fall),
        "urine": Told(urine),
        "edge": Told(share),
    }
