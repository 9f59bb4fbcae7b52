"""What came out of foretelling through infusions, as tables: errors, bands, and where the errors come from."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from compartment import Step, left_out
from figures import markdown
from foretell_page import AGE
from foretell_score import TAILS, interval, left_out_width
from foretell_stays import TESTS
from infusions import ELEMENTS
from scipy.special import stdtrit

from carnallite.assessment import Again
from carnallite.assessment.cloud.weigh import errors, numbers
from carnallite.plan.forecast import BANDS
from carnallite.quantity import analyte

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from compartment import Compartment
    from foretell_score import Numbers, Whole
    from infusions import Found, Pair

    Some = np.ndarray[tuple[int], np.dtype[np.bool_]]

FEW = 5  # values or patients, with fewer of which nothing is told
METHODS = {
    "carried": "last value carried forward",
    "compartment": "one compartment",
    "members": "members",
    "again": "members, and what they missed",
    "moved": "last value, moved as members move",
}
SINCE = ((0.0, 2.0), (2.0, 6.0), (6.0, 12.0), (12.0, 24.0), (24.0, np.inf))  # [h] after the end of the last infusion
BEFORE = ((1, 4), (4, 16), (16, np.inf))  # results of the test in the history
EGFR = ((0.0, 30.0), (30.0, 60.0), (60.0, 90.0), (90.0, np.inf))  # [mL/min/1.73 m²]
DRAWS = 2000


class Told(NamedTuple):
    """What one method foretells: the middle and the middle 90 % [mmol/L], by value."""

    middle: Numbers
    low: Numbers
    high: Numbers


class Results(NamedTuple):
    """The pairs of one test, whose they are, what was measured, and what each method foretold."""

    test: str
    pairs: tuple[Pair, ...]
    stay: Whole
    value: Numbers
    told: dict[str, Told]
    compartments: tuple[Compartment, ...]

    def error(self, method: str) -> Numbers:
        """Return the absolute error [mmol/L] of each value."""
        return np.abs(self.above(method))

    def above(self, method: str) -> Numbers:
        """Return by how much each value was foretold too high [mmol/L]."""
        return self.told[method].middle - self.value

    def within(self, method: str) -> Some:
        """Return whether each value lies in the middle 90 %."""
        return (self.told[method].low <= self.value) & (self.value <= self.told[method].high)

    def some(self, keep: Some) -> Results:
        """Return some of the values; what was fitted stays."""
        pairs = tuple(one for one, yes in zip(self.pairs, keep, strict=True) if yes)
        told = {id: Told(*(column[keep] for column in one)) for id, one in self.told.items()}
        return Results(self.test, pairs, self.stay[keep], self.value[keep], told, self.compartments)

    def is_few(self) -> bool:
        """Return whether there is too little to tell."""
        return len(self.value) < FEW or len(set(self.stay.tolist())) < FEW

    def counts(self) -> list[str]:
        """Return how many values of how many patients there are."""
        return [str(len(self.value)), str(len(set(self.stay.tolist())))]

    def sure(self, values: Numbers, seed: int, form: str = ".3f") -> str:
        """Return a mean with 95 % of bootstraps over patients."""
        mean, low, high = interval(values, self.stay, seed=seed, draws=DRAWS)
        return f"{mean:{form}} ({low:{form}} to {high:{form}})"


# what is foretold ---------------------------------------------------------------------------------------------------
def results_of(pairs: Sequence[Pair], test: str) -> Results:
    """Return what each method foretells of all values of a test."""
    own = tuple(one for one in pairs if one.told.test == test)
    stay = np.array([one.stay for one in own], np.int64)
    value = np.array([one.told.value for one in own])
    last = np.array([one.told.last for one in own])
    steps = [Step(one.told.hours, one.told.last, one.weight, one.given) for one in own]
    level, compartments = left_out(steps, value, stay)
    moved = last * np.exp([np.median(one.told.change) for one in own])
    spread = np.array([errors()[test].spread])
    shown = [Again(np.exp(one.told.shown)[:, None], spread).measured()[:, 0] for one in own]
    again = [Again(np.exp(one.told.again)[:, None], spread * one.told.left).measured()[:, 0] for one in own]
    told = {id: _widened(middle, value, stay) for id, middle in
            (("carried", last), ("compartment", level), ("moved", moved))}  # fmt: skip
    told |= {"members": _banded(shown), "again": _banded(again)}
    return Results(test, own, stay, value, {id: told[id] for id in METHODS}, tuple(compartments))


def _widened(middle: Numbers, value: Numbers, stay: Whole) -> Told:
    """Return a band about a level that is as wide as was likeliest in the other patients."""
    centres = np.log(middle)[:, None]
    half = stdtrit(TAILS, BANDS[-1]) * left_out_width(centres, value, stay)
    return Told(middle, middle * np.exp(-half), middle * np.exp(half))


def _banded(values: Sequence[Numbers]) -> Told:
    low, middle, high = np.array([np.quantile(one, (BANDS[0], BANDS[2], BANDS[-1])) for one in values]).T
    return Told(middle, low, high)


# tables -------------------------------------------------------------------------------------------------------------
def as_tables(found: Found, *, seed: int) -> str:
    """Return everything that is computed."""
    parts = [_left_out(found)]
    for test in TESTS[::-1]:
        one = results_of(found.pairs, test)
        if one.is_few():
            parts.append(f"{analyte(test).short}: fewer than {FEW} values or patients; nothing is told.")
        else:
            name = f"{analyte(test).short} after infusions"
            parts += [_methods(name, one, seed), _fitted(one), _by_time(one, seed), _sources(one, seed)]
            parts += [_by_kind(one, seed), _printed(name, one, seed)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _left_out(found: Found) -> str:
    counts = Counter((analyte(one.test).short, one.why) for one in found.left)
    rows = [[test, why, str(count)] for (test, why), count in sorted(counts.items()) if count >= FEW]
    return f"Not foretold by anybody:\n\n{markdown(('test', 'why', 'values'), rows)}" if rows else ""


def _printed(name: str, one: Results, seed: int) -> str:
    """Return the methods for what the program prints: the fit holds, and the body may describe the patient."""
    least = numbers()["trusted"]
    holds = [pair.look.holds and (pair.look.describes or 0.0) >= least for pair in one.pairs]
    some = one.some(np.array(holds, bool))
    return "" if some.is_few() else _methods(f"{name}, where the program prints a forecast", some, seed)


def _methods(name: str, one: Results, seed: int) -> str:
    head = ("foretold by", "error [mmol/L]", "less than carried by", "less than one compartment by",
            "error where each patient counts once", "within 90 %", "width of 90 % [mmol/L]",
            "too high by [mmol/L]")  # fmt: skip
    rows = []
    for id, method in METHODS.items():
        less = [
            "" if id == base else one.sure(one.error(base) - one.error(id), seed, "+.3f")
            for base in ("carried", "compartment")
        ]
        inside, told = one.within(id), one.told[id]
        rows.append([
            method, one.sure(one.error(id), seed), *less, f"{_by_patient(one.error(id), one.stay):.3f}",
            f"{inside.sum()} ({100 * inside.mean():.0f} %)", f"{(told.high - told.low).mean():.2f}",
            one.sure(one.above(id), seed, "+.3f"),
        ])  # fmt: skip
    hours = np.quantile([pair.told.hours for pair in one.pairs], (0.1, 0.5, 0.9))
    values, patients = one.counts()
    range_of = f"{hours[1]:.0f} h after the last ({hours[0]:.0f} to {hours[2]:.0f} h in 80 %)"
    told_of = f"{values} values of {patients} patients, {range_of}."
    return f"### {name}\n\n{told_of}\n\n{markdown(head, rows)}"


def _by_patient(values: Numbers, stay: Whole) -> float:
    return float(np.mean([values[stay == one].mean() for one in np.unique(stay)]))


def _fitted(one: Results) -> str:
    volume, rate, usual = np.array(one.compartments).T
    ranges = [f"{low:.3g} to {high:.3g}" for low, high in
              ((found.min(), found.max()) for found in (volume, np.log(2) / rate, usual))]  # fmt: skip
    return (
        f"The compartments of the others: volume {ranges[0]} L/kg, half-life {ranges[1]} h, "
        f"usual level {ranges[2]} mmol/L."
    )


def _by_time(one: Results, seed: int) -> str:
    head = ("last infusion", "values", "patients", *(f"{name}: error" for name in METHODS.values()),
            "seen change", "change of members", "of it by what was given", "members too high by")  # fmt: skip
    last = np.array([pair.told.last for pair in one.pairs])
    moved, by_given = _change(one)
    columns = {"seen": one.value - last, "moved": moved, "given": by_given, "above": one.above("members")}
    rows = []
    for name, keep in _times(one):
        some = one.some(keep)
        if some.is_few():
            continue
        rows.append([
            name, *some.counts(), *(f"{some.error(id).mean():.3f}" for id in METHODS),
            *(f"{columns[id][keep].mean():+.3f}" for id in ("seen", "moved", "given")),
            some.sure(columns["above"][keep], seed, "+.3f"),
        ])  # fmt: skip
    told = "By time from the end of the last infusion to the value; changes in mmol/L from the last value on:"
    return f"{told}\n\n{markdown(head, rows)}"


def _times(one: Results) -> Iterator[tuple[str, Some]]:
    """Yield which values came how long after the end of the last infusion of the element, or after magnesium alone."""
    element = ELEMENTS[one.test]
    ends = [[end for what, _, end in pair.ran if what == element] for pair in one.pairs]
    hours = np.array([pair.told.hours for pair in one.pairs])
    since = np.array([hour - max(end) if end else np.nan for hour, end in zip(hours, ends, strict=True)])
    yield f"{element} still running", since < 0
    for low, high in SINCE:
        yield f"{element}, {_between(low, high)} h ago", (since >= low) & (since < high)
    yield f"no {element}", np.isnan(since)


def _change(one: Results) -> tuple[Numbers, Numbers]:
    """Return how far the middle member moves from the cut to the value, and how far by what was given [mmol/L]."""
    begun, shown, without = (
        np.array([np.exp(np.median(log)) for log in logs])
        for logs in zip(*((pair.at_cut, pair.told.shown, pair.without) for pair in one.pairs), strict=True)
    )
    return shown - begun, shown - without


def _sources(one: Results, seed: int) -> str:
    """Return where the error of members comes from: the level that they begin at, or the way they move."""
    last = np.array([pair.told.last for pair in one.pairs])
    begun = np.array([np.exp(np.median(pair.at_cut)) for pair in one.pairs])
    moved, by_given = _change(one)
    missed = one.value - last - (moved - by_given)  # the seen change less what members do untreated
    off, shown = np.log(last / begun), begun + moved
    followed = [np.log(level) - np.log(level).mean() for level in (last, begun)]
    rows = [
        ["members at the cut, above the last value [mmol/L]", one.sure(begun - last, seed, "+.3f")],
        ["the same, without its sign [mmol/L]", one.sure(np.abs(begun - last), seed)],
        ["of a difference between last values, members at the cut show [1]", _slope(*followed, one.stay, seed)],
        ["change foretold, above the change seen [mmol/L]", one.sure(moved - (one.value - last), seed, "+.3f")],
        ["the same, without its sign [mmol/L]", one.sure(np.abs(moved - (one.value - last)), seed)],
        ["rise that is foretold by what was given [mmol/L]", one.sure(by_given, seed, "+.3f")],
        ["rise seen for each mmol/L of it", _slope(by_given, missed, one.stay, seed)],
        ["of what members missed at the cut, missed again [1]", _slope(off, np.log(one.value / shown), one.stay, seed)],
    ]
    return f"Where the error of members comes from:\n\n{markdown(('what', 'mean'), rows)}"


def _slope(foretold: Numbers, seen: Numbers, stay: Whole, seed: int) -> str:
    """Return the slope through zero, with 95 % of bootstraps over patients."""
    own, place = np.unique(stay, return_inverse=True)
    both, square = np.bincount(place, foretold * seen), np.bincount(place, foretold**2)
    chosen = np.random.default_rng(seed).multinomial(len(own), np.full(len(own), 1 / len(own)), size=DRAWS)
    low, high = np.nanquantile((chosen @ both) / (chosen @ square), (0.025, 0.975))
    return f"{both.sum() / square.sum():.2f} ({low:.2f} to {high:.2f})"


def _by_kind(one: Results, seed: int) -> str:
    head = ("where", "values", "patients", *(f"{name}: error" for name in METHODS.values()), "members too high by",
            "members at the cut, above the last value", "within 90 % of members")  # fmt: skip
    last = np.array([pair.told.last for pair in one.pairs])
    begun = np.array([np.exp(np.median(pair.at_cut)) for pair in one.pairs])
    rows = []
    for name, holds in _kinds(one.test):
        keep = np.array([holds(pair) for pair in one.pairs], bool)
        some = one.some(keep)
        if some.is_few():
            continue
        rows.append([
            name, *some.counts(), *(f"{some.error(id).mean():.3f}" for id in METHODS),
            some.sure(some.above("members"), seed, "+.3f"), some.sure((begun - last)[keep], seed, "+.3f"),
            f"{100 * some.within('members').mean():.0f} %",
        ])  # fmt: skip
    return f"By what was known at the cut:\n\n{markdown(head, rows)}"


def _kinds(test: str) -> Iterator[tuple[str, Callable[[Pair], bool]]]:
    usual = analyte(test).reference(sex=None, age=AGE)
    low = usual.low if usual is not None and usual.low is not None else 0.0
    yield "last value low", lambda pair: pair.told.last < low
    yield "last value not low", lambda pair: pair.told.last >= low
    yield "the fit holds", lambda pair: pair.look.holds
    yield "the fit does not hold", lambda pair: not pair.look.holds
    for few, many in BEFORE:
        yield (
            f"{_between(few, many - 1)} results before",
            lambda pair, few=few, many=many: few <= len(pair.told.missed) < many,
        )
    for least, most in EGFR:
        yield (
            f"eGFR {_between(least, most)}",
            lambda pair, least=least, most=most: pair.egfr is not None and least <= pair.egfr < most,
        )


def _between(low: float, high: float) -> str:
    return f"{low:g} to {high:g}" if np.isfinite(high) else f"{low:g} and more"
