"""The tables of the page."""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING

import figure
from runs import experiment, specified
from table import FALL, LASTING, Key, people
from told import in_days

from carnallite.physiology import model

if TYPE_CHECKING:
    from collections.abc import Iterable

    from table import Table

FEW = {"healthy": 30, "salt_losing": 30, "stage_5": 30, "three_percent": 7, "one_percent": 7}  # and the day shown
CHECKED = [
    ("healthy", 30), ("stage_5", 30), ("three_percent", 1), ("three_percent", 7), ("one_percent", 1),
    ("one_percent", 7), ("one_percent", 30),
]  # fmt: skip


def drawn(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table."""
    head = list(head)
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))


def short(state: str) -> str:
    """Return the name of a person without what the first table already says of them."""
    return people()[state].name.split(",")[0]


def differences(table: Table, runs: str) -> str:
    """Return every difference of a body, and in brackets what is expected of it."""
    design = experiment()
    rows = []
    for state in design.state:
        for reached in design.clamp.low:
            found = [table[Key(runs, "", state.id, reached, day)] for day in design.days]
            said = ["" if isnan(one.expected) else f" ({figure.signed(one.expected)})" for one in found]
            cells = [figure.signed(one.difference) + told for one, told in zip(found, said, strict=True)]
            over = [in_days(table[Key(runs, "", state.id, reached, 0, LASTING)].low)]
            rows.append((state.name, reached, *cells, *(over if runs == "main" else [])))
    last = ["rise over, day"] if runs == "main" else []
    return drawn(("person", "magnesium", *(f"day {day}" for day in design.days), *last), rows)


def checks(table: Table) -> str:
    """Return what changes when an unstated choice is made otherwise."""
    rows = []
    for runs, name, told in [("main", "", "As above"), *(("check", one.id, one.name) for one in experiment().check)]:
        found = [table[Key(runs, name, state, "0.27", day)] for state, day in CHECKED]
        rows.append((told, *(figure.signed(one.difference) for one in found)))
    return drawn(("choice", *(f"{short(state)}, day {day}" for state, day in CHECKED)), rows)


def ranges(table: Table) -> str:
    """Return what each disputed or assumed number does."""
    rows = []
    for one in (one for one in experiment().parameter if "response" not in one.name):
        for value in one.values:
            keys = [Key("range", f"{one.name}={value}", state, "0.47", day) for state, day in FEW.items()]
            cells = (figure.signed(table[key].difference) for key in keys)
            rows.append((f"{one.label} ({one.symbol})", one.status, value, *cells))
    return drawn(("number", "status", "value", *(f"{short(state)}, day {day}" for state, day in FEW.items())), rows)


def insulins(table: Table) -> str:
    """Return the fall of potassium after insulin."""
    design = experiment()
    rows = []
    for state in design.insulin.states:
        for exponent in next(one.values for one in design.parameter if "response" in one.name):
            keys = [Key("insulin", exponent, state, reached, design.insulin.day, FALL) for reached in design.clamp.low]
            falls = (table[keys[0]].normal, *(table[key].low for key in keys))
            rows.append((people()[state].name, exponent, *(f"{fall:.2f}" for fall in falls)))
    return drawn(("person", "response exponent (nRef)", "magnesium 0.85", *design.clamp.low), rows)


def effects(table: Table) -> dict[str, list[float]]:
    """Return what each improvement adds to each column [mmol/L], the strongest first."""
    asked = experiment().improvement
    found = {}
    for name in specified():
        keys = [(state, asked.reached, day) for state, day in asked.columns]
        found[name] = [
            table[Key("main", "", *key)].difference - table[Key("restored", name, *key)].difference for key in keys
        ]
    return dict(sorted(found.items(), key=lambda one: -max(map(abs, one[1]))))


def improvements(table: Table) -> str:
    """Return what each improvement adds, down to the least that is listed."""
    asked = experiment().improvement
    known = {one.name: one for one in model().parameters}
    timed = (asked.lasting, asked.reached, 0, LASTING)
    rows = []
    for runs, told in (("main", "**This body**"), ("specified", "**The specified body**")):
        found = [table[Key(runs, "", state, asked.reached, day)] for state, day in asked.columns]
        over = in_days(table[Key(runs, "", *timed)].low)
        rows.append((told, "", *(figure.signed(one.difference) for one in found), over))
    for name, sizes in effects(table).items():
        if max(map(abs, sizes)) >= asked.least:
            now, before = known[name].value, specified()[name].split()[0]
            over = in_days(table[Key("restored", name, *timed)].low)
            label = f"{known[name].about.removesuffix('.')} (`{name}`)"
            rows.append((label, f"{before} → {now:g}", *map(figure.signed, sizes), f"{over} without it"))
    columns = (f"{short(state)}, day {day}" for state, day in asked.columns)
    return drawn(("", "number", *columns, f"{short(asked.lasting)}: rise over, day"), rows)
