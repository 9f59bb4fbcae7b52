"""What came out of foretelling, as tables: how many records the members stand for, and who foretells best."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
from figures import markdown, renewed
from foretell import Foretold, Look, Outcome
from foretell_score import Forecast, Numbers, Score, Whole, crossed, interval, left_out_width, likeliest, scored
from foretell_stays import TESTS

from carnallite.assessment.cloud.weigh import errors, numbers
from carnallite.physiology.timing import DAY
from carnallite.quantity import analyte

NAMES = {"physionet": "PhysioNet 2012, set a", "mimic": "MIMIC-III, part", "eicu": "eICU, part"}
METHODS = {
    "carried": "last value carried forward",
    "shrunk": "last value drawn to the mean",
    "members": "members",
    "again": "members, and what they missed",
    "moved": "last value, moved as members move",
    "both": "drawn to the mean, with members",
}
SHORT = ("carried", "shrunk", "members", "again")
BINS = ((2.0, 8.0), (8.0, 16.0), (16.0, 30.0), (30.0, 72.0))  # [h] after the cut
FEW = 20  # values, with fewer of which nothing is scored
AGE = 60.0  # [a] of the reference interval by which values are sorted
DESCRIBES = (0.1, 0.5)
Keep = Callable[[Foretold, Look, int], bool]


class Table(NamedTuple):
    """Forecasts of one test in one source: what was measured, by whom, and how each method did."""

    rows: tuple[tuple[Foretold, Look, int], ...]
    stay: Whole
    scores: dict[str, Score]

    def some(self, keep: NDBools) -> Table:
        """Return some of the values."""
        rows = tuple(row for row, yes in zip(self.rows, keep, strict=True) if yes)
        scores = {id: Score(*(column[keep] for column in one)) for id, one in self.scores.items()}
        return Table(rows, self.stay[keep], scores)

    def which(self, keep: Keep) -> Table:
        """Return the values for which a condition holds: of the forecast, the look behind it and the later doses."""
        return self.some(np.array([keep(*row) for row in self.rows], bool))


NDBools = np.ndarray[tuple[int], np.dtype[np.bool_]]


# scores -------------------------------------------------------------------------------------------------------------
def tabled(outcomes: Sequence[Outcome], test: str) -> Table:
    """Return the scores of all methods for all held-back values of a test."""
    found = [
        (outcome.number, (one, cut.look, cut.later_doses))
        for outcome in outcomes
        for cut in outcome.cuts
        for one in cut.foretold
        if one.test == test and one.shown
    ]
    stay: Whole = np.array([number for number, _ in found], np.int64)
    rows = tuple(row for _, row in found)
    if len(rows) < FEW:
        return Table((), stay[:0], {})
    told = [row[0] for row in rows]
    value = np.array([one.value for one in told])
    made = forecasts(told, value, stay)
    return Table(rows, stay, {id: scored(forecast, value) for id, forecast in made.items()})


def forecasts(told: Sequence[Foretold], value: Numbers, stay: Whole) -> dict[str, Forecast]:
    """Return what each method foretells; widths of members are those of the inference, others are from the data."""
    last = np.log([one.last for one in told])
    shown, change, again = (_filled([getattr(one, name) for one in told]) for name in ("shown", "change", "again"))
    middle, moved = np.nanmedian(shown, axis=1), np.nanmedian(change, axis=1)
    half = stay % 2 == 0
    centres = {
        "carried": last[:, None],
        "shrunk": crossed(last[:, None], np.log(value), half)[:, None],
        "moved": last[:, None] + change,
        "both": crossed(np.column_stack([last, middle, moved]), np.log(value), half)[:, None],
    }
    found = {id: Forecast(one, left_out_width(one, value, stay)) for id, one in centres.items()}
    spread = errors()[told[0].test].spread
    found["members"] = Forecast(shown, np.full(len(value), spread))
    found["again"] = Forecast(again, spread * np.array([one.left for one in told]))
    return {id: found[id] for id in METHODS}


def _filled(rows: Sequence[Sequence[float]]) -> Numbers:
    found = np.full((len(rows), max(map(len, rows))), np.nan)
    for row, values in enumerate(rows):
        found[row, : len(values)] = values
    return found


# tables -------------------------------------------------------------------------------------------------------------
def as_tables(found: dict[str, list[Outcome]], *, seed: int) -> str:
    """Return everything that is computed."""
    parts = [_records(found), _reasons(found)]
    tables = {(source, test): tabled(outcomes, test) for source, outcomes in found.items() for test in TESTS}
    tables = {key: table for key, table in tables.items() if table.rows}
    first = {key: table.which(lambda one, _, __: one.is_next) for key, table in tables.items()}
    for (source, test), table in first.items():
        parts.append(_methods(source, test, table, seed))
    parts += [_by_horizon(tables, seed), _by_kind(first, seed), _errors(first, seed)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _records(found: dict[str, list[Outcome]]) -> str:
    head = ("records", "all", "simulated", "describes >= 0.1", ">= 0.5", "fit holds", "effective members",
            "Mg or K out of range", "seconds")  # fmt: skip
    rows = [_record(NAMES[source], [one.whole for one in outcomes]) for source, outcomes in found.items()]
    rows += [
        _record(f"{NAMES[source]}, cut", [cut.look for one in outcomes for cut in one.cuts])
        for source, outcomes in found.items()
    ]
    return f"### Records inside the cloud\n\n{markdown(head, rows)}"


def _record(name: str, looks: Sequence[Look]) -> list[str]:
    done = [one for one in looks if one.describes is not None]
    if not done:
        return [name, str(len(looks)), "0", *[""] * 6]
    chances = [one.describes or 0.0 for one in done]
    shares = [_share(chance >= least for chance in chances) for least in DESCRIBES]
    low, middle, high = np.quantile([one.effective for one in done], (0.1, 0.5, 0.9))
    return [
        name, str(len(looks)), f"{len(done)} ({_share(not one.why_not for one in looks)})", *shares,
        _share(one.holds for one in done), f"{middle:.0f} ({low:.0f} to {high:.0f})",
        _share(one.disordered for one in done), f"{np.median([one.seconds for one in done]):.2f}",
    ]  # fmt: skip


def _share(what: Iterable[bool]) -> str:
    return f"{100 * np.mean(list(what)):.1f} %"


def _reasons(found: dict[str, list[Outcome]]) -> str:
    counts = Counter(
        (NAMES[source], kind, look.why_not)
        for source, outcomes in found.items()
        for one in outcomes
        for kind, look in (("whole", one.whole), *(("cut", cut.look) for cut in one.cuts))
        if look.why_not
    )
    rows = [[source, kind, why, str(count)] for (source, kind, why), count in sorted(counts.items())]
    return f"Not simulated:\n\n{markdown(('source', 'record', 'why', 'records'), rows)}" if rows else ""


def _methods(source: str, test: str, table: Table, seed: int) -> str:
    hours = np.quantile([row[0].hours for row in table.rows], (0.1, 0.5, 0.9))
    head = ("foretold by", "error [mmol/L]", "less than carried by", "log score", "more than carried by", "within 90 %",
            "too high by [mmol/L]")  # fmt: skip
    base = table.scores["carried"]
    rows = []
    for id, name in METHODS.items():
        one = table.scores[id]
        better = (base.error - one.error, one.log - base.log)
        rows.append([
            name, _sure(one.error, table, seed), "" if one is base else _sure(better[0], table, seed, "+.3f"),
            _sure(one.log, table, seed), "" if one is base else _sure(better[1], table, seed, "+.3f"),
            f"{100 * one.within.mean():.0f} %", _sure(one.above, table, seed, "+.3f"),
        ])  # fmt: skip
    title = f"### {analyte(test).short} next, {NAMES[source]}"
    told = (
        f"{len(table.rows)} values of {len(set(table.stay.tolist()))} stays, {hours[1]:.0f} h after the cut "
        f"({hours[0]:.0f} to {hours[2]:.0f} h in 80 %)."
    )
    mean, both = table.scores["shrunk"], table.scores["both"]
    error, log = _sure(mean.error - both.error, table, seed, "+.4f"), _sure(both.log - mean.log, table, seed, "+.3f")
    beyond = f"Members beside the mean of the stays, over the mean alone: {error} in error, {log} in log score."
    return f"{title}\n\n{told}\n\n{markdown(head, rows)}\n\n{beyond}"


def _sure(values: Numbers, table: Table, seed: int, form: str = ".3f") -> str:
    mean, low, high = interval(values, table.stay, seed=seed)
    return f"{mean:{form}} ({low:{form}} to {high:{form}})"


def _by_horizon(tables: dict[tuple[str, str], Table], seed: int) -> str:
    rows = []
    for (source, test), table in tables.items():
        hours = np.array([row[0].hours for row in table.rows])
        for low, high in BINS:
            some = table.some((hours >= low) & (hours < high))
            rows += _line([NAMES[source], analyte(test).short, f"{low:g} to {high:g} h"], some, seed)
    return f"### All held-back values, by time since the cut\n\n{markdown(_heads('time'), rows)}" if rows else ""


def _by_kind(tables: dict[tuple[str, str], Table], seed: int) -> str:
    rows = []
    for (source, test), table in tables.items():
        for name, keep in _kinds(test).items():
            rows += _line([NAMES[source], analyte(test).short, name], table.which(keep), seed)
    return f"### The next value, by what was known at the cut\n\n{markdown(_heads('where'), rows)}" if rows else ""


def _kinds(test: str) -> dict[str, Keep]:
    usual = analyte(test).reference(sex=None, age=AGE)
    if usual is None or usual.low is None or usual.high is None:
        return {}
    low, high = usual.low, usual.high
    return {
        "last value low": lambda one, _, __: one.last < low,
        "last value in range": lambda one, _, __: low <= one.last <= high,
        "last value high": lambda one, _, __: one.last > high,
        "the fit holds": lambda _, look, __: look.holds,
        "the fit does not hold": lambda _, look, __: not look.holds,
        "doses are known after the cut": lambda _, __, doses: doses > 0,
    }


def _errors(tables: dict[tuple[str, str], Table], seed: int) -> str:
    given = numbers()
    rows = []
    for (source, test), table in tables.items():
        told = [row[0] for row in table.rows]
        missed = [np.array(one.missed, float).reshape(-1, 2) for one in told]
        value, hours = np.array([one.value for one in told]), np.array([one.hours for one in told])
        best = likeliest(missed, hours, np.array([np.median(one.shown) for one in told]), value)
        more = _sure(best.log - table.scores["again"].log, table, seed, "+.3f")
        more_than_carried = _sure(best.log - table.scores["carried"].log, table, seed, "+.3f")
        rows.append([
            NAMES[source], analyte(test).short, str(len(told)), f"{best.alike:g}", f"{best.memory / DAY:g} d",
            f"{best.spread:.3f}", more, more_than_carried,
        ])  # fmt: skip
    spreads = ", ".join(f"{analyte(test).short} {errors()[test].spread:g}" for test in TESTS)
    told_of = (
        f"The weights say: alike {given['alike']:g}, memory {given['memory']:g} d, spread {spreads}. "
        "Here are the numbers under which the next values were likeliest, about the middle of the members."
    )
    head = ("source", "test", "values", "alike", "memory", "spread", "log score over members, and what they missed",
            "over carried")  # fmt: skip
    return f"### How errors go together\n\n{told_of}\n\n{markdown(head, rows)}" if rows else ""


def _heads(third: str) -> tuple[str, ...]:
    columns = [
        f"{METHODS[id]}: {what}"
        for id in SHORT
        for what in ("error", *(() if id == "carried" else ("log score over carried",)))
    ]
    return ("source", "test", third, "values", *columns)


def _line(names: list[str], table: Table, seed: int) -> list[list[str]]:
    """Return one row of a table of the four main methods; none where there are few values."""
    if len(table.rows) < FEW:
        return []
    base = table.scores["carried"]
    cells = []
    for id in SHORT:
        one = table.scores[id]
        cells.append(f"{one.error.mean():.3f}")
        if one is not base:
            cells.append(_sure(one.log - base.log, table, seed, "+.2f"))
    return [[*names, str(len(table.rows)), *cells]]


# page ---------------------------------------------------------------------------------------------------------------
def put_into(page: str, tables: str, made: str) -> str:
    """Return a page with the figures between its marks written anew.

    >>> put_into("a\\n<!-- figures -->\\nold\\n<!-- end of figures -->\\nb", "new\\n", "By us.").splitlines()
    ['a', '<!-- figures -->', 'By us.', '', 'new', '<!-- end of figures -->', 'b']
    """
    return renewed(page, f"{made}\n\n{tables}")
