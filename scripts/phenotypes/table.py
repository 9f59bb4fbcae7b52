"""Every number of the experiment in long form: what two-phenotypes.csv holds, and what the page is written from."""

from __future__ import annotations

import csv
import io
from functools import cache
from math import inf, isnan, nan
from typing import TYPE_CHECKING, NamedTuple

from runs import EXCRETED, MAGNESIUM, MAIN, Pair, Variant, experiment, insulin, mapped, pair, specified

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runs import State

# quantities
PLASMA, HELD, URINE = "plasma potassium [mmol/L]", "plasma magnesium [mmol/L]", "urine potassium [mmol/d]"
FALL, LASTING = "fall of potassium an hour after insulin [mmol/L]", "days until the rise is over"
NEAR = 0.006  # another machine may round the third digit otherwise
NEAR_DAYS = 0.3
HEAD = ("runs", "variant", "state", "magnesium_mmol_L", "day", "quantity", "low", "normal", "difference", "expected")


class Key(NamedTuple):
    """What a number is of."""

    runs: str
    variant: str
    state: str
    reached: str
    day: int
    quantity: str = PLASMA


class Number(NamedTuple):
    """A number with low and with normal magnesium, and the difference that the specification prints."""

    low: float
    normal: float = nan
    expected: float = nan

    @property
    def difference(self) -> float:
        """Return low less normal."""
        return self.low - self.normal


Table = dict[Key, Number]


def gathered() -> Table:
    """Run everything."""
    return {key: number for part in (_main, _varied, _restored, _mapped, _insulin) for key, number in part()}


def compared() -> Table:
    """Run the specified body only."""
    return dict(_body("specified", _specified()))


def _specified() -> Variant:
    return Variant(id="specified", name="As it was specified", own=specified())


def _main() -> Iterator[tuple[Key, Number]]:
    yield from _body("main", MAIN)
    yield from compared().items()


def _body(runs: str, variant: Variant) -> Iterator[tuple[Key, Number]]:
    design = experiment()
    for state in design.state:
        for reached in design.clamp.low:
            found = pair(state, reached, variant, days=design.horizon)
            said = state.expected.get(reached, [nan] * len(design.days)) if runs == "specified" else [nan] * 9
            for day, expected in zip(design.days, said, strict=False):
                yield Key(runs, "", state.id, reached, day), Number(*found.at(day), expected)
            last = design.days[-1]
            yield Key(runs, "", state.id, reached, last, HELD), Number(*found.at(last, MAGNESIUM))
            yield _urine(Key(runs, "", state.id, reached, 7, URINE), found)
            yield Key(runs, "", state.id, reached, 0, LASTING), Number(found.lasting)


def _urine(key: Key, found: Pair) -> tuple[Key, Number]:
    low, normal = found.at(key.day, EXCRETED)
    return key, Number(24 * low, 24 * normal)


def _varied() -> Iterator[tuple[Key, Number]]:
    design = experiment()
    variants = [("check", one.id, one) for one in design.check]
    variants += [("arm", one.id, one) for one in design.arm if one.own]
    for parameter in design.parameter:
        if "response" not in parameter.name:  # the insulin response does not act without insulin
            for value in parameter.values:
                name = f"{parameter.name}={value}"
                variants.append(("range", name, Variant(id=name, name=name, own={parameter.name: value})))
    for runs, name, variant in variants:
        for state in design.state:
            for reached in design.clamp.low:
                found = pair(state, reached, variant, days=design.horizon)
                for day in design.days:
                    yield Key(runs, name, state.id, reached, day), Number(*found.at(day))
                if runs == "check":
                    yield Key(runs, name, state.id, reached, 0, LASTING), Number(found.lasting)


def _restored() -> Iterator[tuple[Key, Number]]:
    asked = experiment().improvement
    for name, value in specified().items():
        variant = Variant(id=name, name=name, own={name: value})
        for state in (one for one in experiment().state if one.id in dict(asked.columns)):
            found = pair(state, asked.reached, variant, days=experiment().horizon)
            for day in (day for id, day in asked.columns if id == state.id):
                yield Key("restored", name, state.id, asked.reached, day), Number(*found.at(day))
            if state.id == asked.lasting:
                yield Key("restored", name, state.id, asked.reached, 0, LASTING), Number(found.lasting)
            if name == asked.leading:
                yield _urine(Key("restored", name, state.id, asked.reached, 7, URINE), found)


@cache
def maps() -> dict[str, list[Pair]]:
    """Return the courses of the map by diet."""
    design = experiment()
    return {potassium: mapped(potassium, "0.27") for potassium in design.map.potassium}


def _mapped() -> Iterator[tuple[Key, Number]]:
    design = experiment()
    for potassium, found in maps().items():
        for share, one in zip(design.map.nephrons, found, strict=True):
            for day in design.days:
                yield Key("map", f"{potassium.split()[0]}={share:g}", "map", "0.27", day), Number(*one.at(day))


def _insulin() -> Iterator[tuple[Key, Number]]:
    design = experiment()
    response = next(one for one in design.parameter if "response" in one.name)
    variants = [Variant(id=value, name=value, own={response.name: value}) for value in response.values]
    for variant in (*variants, _specified()):
        for state in (one for one in design.state if one.id in design.insulin.states):
            found = insulin(state, variant)
            for reached, fall in found.low.items():
                key = Key("insulin", variant.id, state.id, reached, design.insulin.day, FALL)
                yield key, Number(fall, found.normal)


def written(table: Table) -> str:
    """Return the table as CSV."""
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(HEAD)
    for key, number in table.items():
        told = ["" if isnan(one) else f"{one:.3f}" for one in (number.low, number.normal, number.difference)]
        rows.writerow([*key, *told, "" if isnan(number.expected) else f"{number.expected:.2f}"])
    return out.getvalue()


def read(text: str) -> Table:
    """Return the table of a CSV.

    >>> table = {Key("main", "", "healthy", "0.47", 1): Number(4.2, 4.1), Key("main", "", "x", "", 0): Number(inf)}
    >>> stale(read(written(table)), table)
    []
    """
    rows = list(csv.reader(io.StringIO(text)))
    if not rows or tuple(rows[0]) != HEAD:
        return {}
    return {
        Key(runs, variant, state, reached, int(day), quantity): Number(*(float(one) if one else nan for one in told))
        for runs, variant, state, reached, day, quantity, *told in ((*row[:8], row[9]) for row in rows[1:])
    }


def stale(old: Table, new: Table) -> list[str]:
    """Return what of an old table no longer holds."""
    if old.keys() != new.keys():
        return [f"{len(old.keys() ^ new.keys())} numbers are missing or no longer asked for"]
    return [
        f"{' '.join(map(str, key))}: {old[key].low:.3f}, now {number.low:.3f}"
        for key, number in new.items()
        if not all(_near(*two, key.quantity) for two in zip(old[key][:2], number[:2], strict=True))
    ]


def _near(old: float, new: float, quantity: str) -> bool:
    if isnan(old) or isnan(new) or inf in {old, new}:
        return str(old) == str(new)
    return abs(old - new) <= (NEAR_DAYS if quantity == LASTING else NEAR)


def astray(table: Table) -> list[str]:
    """Return where the specified body's sign is not that of the specification, which prints 0.00 for none."""
    return [
        f"{key.state}, magnesium {key.reached}, day {key.day}: {number.difference:+.3f}, not {number.expected:+.2f}"
        for key, number in table.items()
        if not isnan(number.expected) and number.difference * number.expected < 0
    ]


def people() -> dict[str, State]:
    """Return the states by id."""
    return {state.id: state for state in experiment().state}
