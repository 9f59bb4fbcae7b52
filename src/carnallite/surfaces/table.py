"""A simulated course as a table on a terminal: who, what happens, at most fifteen rows, and what it rests on."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from carnallite.physiology.measured import measured
from carnallite.physiology.scenario import Spread
from carnallite.physiology.timing import DAY
from carnallite.quantity import analyte, printed_unit
from carnallite.surfaces import words
from carnallite.surfaces.console import Page

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from carnallite.knowledge import Cause, DrugClass, Factor, Treatment
    from carnallite.physiology.population import Summary
    from carnallite.physiology.protocol import Happening, Protocol
    from carnallite.physiology.scenario import Person, Scenario
    from carnallite.physiology.simulate import Trajectories

    Numbers = NDArray[np.float64]

TESTS = (
    "serum_magnesium", "serum_potassium", "serum_calcium", "ionized_calcium", "serum_sodium", "serum_bicarbonate",
    "pth", "serum_aldosterone", "urine_magnesium_24h", "urine_potassium_24h", "serum_phosphate", "urine_phosphate_24h",
)  # fmt: skip
# the first ones keep their column where the terminal is narrow
_RANK = (0, 1, 3, 8, 9, 10, 5, 7, 6, 2, 4, 11)
_ROWS = 15
_STEPS = (1, 2, 3, 4, 6, 8, 12, 24, 48, 72, 96, 120, 168, 336, 672, 1344)  # [h]
_ROUTES = {
    "oral": "by mouth", "intravenous": "by vein", "subcutaneous": "under the skin", "intramuscular": "into muscle",
    "inhaled": "inhaled",
}  # fmt: skip
_KINDS = {"dose": "Given", "crrt": "Machine", "clamp": "Held", "change": "Changed", "intake": "Intake"}
_QUANTILES = ("mean", "SD", "5 %", "50 %", "95 %")
_STATEMENTS = 3
_MANY = ("serum_magnesium", "serum_potassium", "urine_magnesium_24h", "urine_potassium_24h", "ionized_calcium")


class Column(NamedTuple):
    """One test in the unit that is printed."""

    name: str
    unit: str
    decimals: int
    factor: float  # canonical for each one printed
    low: float
    high: float


def column(test: str, person: Person, units: words.Units) -> Column:
    """Return how a test is printed, and its usual interval for a person."""
    item = analyte(test)
    is_us = units == "us" and bool(item.us_unit)
    usual = item.reference(sex=person.sex, age=_mean_age(person))
    low = usual.low if usual and usual.low is not None else -math.inf
    high = usual.high if usual and usual.high is not None else math.inf
    factor = item.factor(item.us_unit) if is_us else 1.0
    unit = printed_unit(item.us_unit if is_us else item.unit)
    return Column(item.short, unit, item.us_decimals if is_us else item.decimals, factor, low, high)


def _mean_age(person: Person) -> float | None:
    if isinstance(person.age, Spread):
        return float(person.age.mean.split()[0])
    return person.age


def told(  # noqa: PLR0913  (each is one choice of the caller)
    scenario: Scenario,
    given: Protocol,
    course: Trajectories,
    errors: Mapping[str, float],
    *,
    units: words.Units,
    width: int,
    color: bool,
    ascii_only: bool,
) -> str:
    """Return one person's course as text."""
    page = Page(width, color=color, ascii_only=ascii_only)
    _head(page, scenario, given, who(scenario, given))
    if course.ended_early.any():
        page.gap()
        page.write("The course could not be computed to its end; what is missing is left out.", style="unsafe")
    chosen = _fitting([column(test, scenario.person, units) for test in TESTS], width)
    values = {number: measured(course, TESTS[number])[0] for number in chosen}
    _table(page, scenario, course.time, {chosen[number]: values[number] for number in chosen})
    page.gap()
    _extremes(page, scenario, course, units)
    _foot(page, given, course.notes)
    worst = max(errors, key=lambda name: errors[name])
    page.write(f"Engine: {course.engine}. Mass balance: error at most {errors[worst]:.0e} of a pool ({worst}).",
               style="faint")  # fmt: skip
    page.write(words.INTENDED_USE, style="faint")
    return "\n".join(page.lines) + "\n"


def told_of_many(  # noqa: PLR0913
    scenario: Scenario,
    given: Protocol,
    found: Summary,
    *,
    seed: int,
    units: words.Units,
    width: int,
    color: bool,
    ascii_only: bool,
) -> str:
    """Return what many people show as text."""
    page = Page(width, color=color, ascii_only=ascii_only)
    _head(page, scenario, given, f"{found.count:,} people drawn with seed {seed}; {_how_long(scenario, given)}.")
    if found.failed:
        page.gap()
        share = f"{100 * found.failed / found.count:.2f} %"
        page.write(f"{found.failed:,} of {found.count:,} people ({share}) have no whole course and are left out.",
                   style="unsafe")  # fmt: skip
    shown = [name for name in _MANY if name in found.columns]
    blocks = [(column(name, scenario.person, units), found.columns[name][[0, 1, 2, 4, 6]]) for name in shown]
    across = max(1, (width - 9) // 38)
    for start in range(0, min(len(blocks), 2 * max(across, 1)), across):
        _blocks(page, scenario, found.time, blocks[start : start + across])
    page.gap()
    if found.held:
        page.write(f"{found.held:,} people ({100 * found.held / found.count:.1f} %) were held at a limit of the model.")
    _foot(page, given, given.notes)
    page.write(words.INTENDED_USE, style="faint")
    return "\n".join(page.lines) + "\n"


# head ---------------------------------------------------------------------------------------------------------------
def _head(page: Page, scenario: Scenario, given: Protocol, person: str) -> None:
    page.write(scenario.title, style="strong")
    if scenario.about:
        page.write(scenario.about)
    page.write(person, style="faint")
    for happening in given.happenings:
        page.write(f"{sentence(happening)}: {when(happening, scenario, given)}", indent=2, hang=4)


def who(scenario: Scenario, given: Protocol) -> str:
    """Return who is simulated, in words."""
    from carnallite.physiology.load import model  # noqa: PLC0415

    index = {name: row for row, name in enumerate(model().constants)}

    def own(name: str) -> float:
        if name in given.changes:
            return float(given.changes[name][1][-1, 0])
        return float(given.people.constants[index[name], 0])

    filtration = own("kidney.nephrons") * own("normal.gfr") * 1000 / 60
    sex = "Man" if own("person.male") else "Woman"
    body = f"{own('person.weight'):.0f}{words.JOIN}kg, filtration {filtration:.0f}{words.JOIN}mL/min"
    return f"{sex} of {own('person.age'):.0f}, {body}; {_how_long(scenario, given)}."


def _how_long(scenario: Scenario, given: Protocol) -> str:
    before = f" after {_span(-given.start)} of run-in" if given.start < 0 else ""
    return f"{_span(given.end)}{before}"


def _span(hours: float) -> str:
    return f"{hours / DAY:g} days" if hours >= 2 * DAY else f"{hours:g} hours"


def sentence(happening: Happening) -> str:
    """Return what happens in a few words."""
    detail = happening.detail
    for route, said in _ROUTES.items():
        detail = detail.replace(f" {route}", f" {said}")
    kind = _KINDS.get(happening.kind, happening.kind.capitalize())
    return f"{kind}: {happening.name}" + (f", {detail}" if detail else "")


def when(happening: Happening, scenario: Scenario, given: Protocol) -> str:
    """Return when something happens, in words."""
    windows = [window for window in happening.windows if window[0] < given.end and window[1] > given.start]
    if not windows:
        return "never"
    first, last = windows[0], windows[-1]
    if happening.kind == "dose":
        times = "once" if len(windows) == 1 else f"{len(windows)} times"
        more = f", last {moment(last[0], scenario)}" if len(windows) > 1 else ""
        return f"{times}, {'first ' if more else ''}{moment(first[0], scenario)}{more}"
    begin = f"from {moment(first[0], scenario)}" if first[0] > given.start else ""
    end = f"until {moment(last[1], scenario)}" if last[1] < given.end else ""
    often = f"{len(windows)} times" if len(windows) > 1 else ""
    return " ".join(part for part in (often, begin, end) if part) or "all the time"


def moment(time: float, scenario: Scenario) -> str:
    """Return a time as day and clock."""
    day, clock = _day_and_clock(time, scenario)
    return f"day{words.JOIN}{day}" + ("" if clock == "00:00" else f" {clock}")


def _day_and_clock(time: float, scenario: Scenario) -> tuple[int, str]:
    hours, _, minutes = scenario.clock.partition(":")
    total = round(time * 60) + int(hours) * 60 + int(minutes)
    day, rest = divmod(total, 24 * 60)
    return day, f"{rest // 60:02d}:{rest % 60:02d}"


# table --------------------------------------------------------------------------------------------------------------
def rows(time: Numbers, most: int = _ROWS) -> list[int]:
    """Return the samples that are printed: all of a few, else those at round times and the last.

    >>> rows(np.arange(49.0))
    [0, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 44, 48]
    """
    if len(time) <= most:
        return list(range(len(time)))
    end = float(time[-1])
    step = next((step for step in _STEPS if end / step + 1 <= most - 1), end / (most - 2))
    wanted = np.arange(int(end / step + 1e-9) + 1) * step
    near = [int(np.abs(time - one).argmin()) for one in wanted]
    return sorted({*near, len(time) - 1})


def _fitting(all_columns: Sequence[Column], width: int) -> dict[int, Column]:
    chosen: dict[int, Column] = {}
    left = width - 9
    for number in _RANK:
        need = _width(all_columns[number])
        if need > left:
            break
        chosen[number] = all_columns[number]
        left -= need
    return dict(sorted(chosen.items()))


def _width(one: Column) -> int:
    return max(len(one.name), len(one.unit), 5) + 2


def _table(page: Page, scenario: Scenario, time: Numbers, shown: Mapping[Column, Numbers]) -> None:
    page.gap()
    page.lines.append(page.styled(" day time" + "".join(f"{one.name:>{_width(one) - 1}} " for one in shown), "title"))
    page.lines.append(page.styled(page.encode(" " * 9 + "".join(f"{one.unit:>{_width(one) - 1}} " for one in shown)),
                                  "faint"))  # fmt: skip
    for row in rows(time):
        day, clock = _day_and_clock(time[row], scenario)
        cells = "".join(_cell(page, one, float(values[row])) for one, values in shown.items())
        page.lines.append(f"{day:>3} {clock}{cells}".rstrip())
    bounds = [f"{one.name} {_usual(one)}" for one in shown if _usual(one)]
    page.write(f"L, H: below or above the usual interval ({'; '.join(bounds)}).", style="faint")


def _cell(page: Page, one: Column, value: float) -> str:
    if math.isnan(value):
        return f"{'.':>{_width(one) - 1}} "
    text = f"{value / one.factor:>{_width(one) - 1}.{one.decimals}f}{flag(value, one):1}"
    return page.styled(text, "strong" if text[-1] != " " else "")


def flag(value: float, one: Column) -> str:
    """Return L or H for a canonical value outside of the usual interval as both are printed, or nothing."""
    shown, low, high = (round(number / one.factor, one.decimals) for number in (value, one.low, one.high))
    return "L" if shown < low else "H" if shown > high else ""


def _usual(one: Column) -> str:
    low, high = (f"{end / one.factor:.{one.decimals}f}" for end in (one.low, one.high))
    if math.isfinite(one.low) and math.isfinite(one.high):
        return f"{low} to {high}"
    return f">{low}" if math.isfinite(one.low) else f"<{high}" if math.isfinite(one.high) else ""


def _blocks(page: Page, scenario: Scenario, time: Numbers, blocks: Sequence[tuple[Column, Numbers]]) -> None:
    page.gap()
    titles = "".join(f"   {f'{one.name}, {one.unit}':<35}" for one, _ in blocks)
    page.lines.append(page.styled(page.encode(" " * 9 + titles).rstrip(), "title"))
    heads = "".join("   " + "".join(f"{name:>7}" for name in _QUANTILES) for _ in blocks)
    page.lines.append(page.styled(" day time" + heads, "faint"))
    for row in rows(time):
        day, clock = _day_and_clock(time[row], scenario)
        line = f"{day:>3} {clock}"
        for one, values in blocks:
            numbers = values[:, row] / one.factor
            cells = ("." if math.isnan(n) else f"{n:.{one.decimals + (k == 1)}f}" for k, n in enumerate(numbers))
            line += "   " + "".join(f"{cell:>7}" for cell in cells)
        page.lines.append(line.rstrip())


def _extremes(page: Page, scenario: Scenario, course: Trajectories, units: words.Units) -> None:
    for test in ("serum_magnesium", "serum_potassium", "ionized_calcium"):
        values = measured(course, test)[0]
        if np.isnan(values).all():
            continue
        item = analyte(test)
        low, high = int(np.nanargmin(values)), int(np.nanargmax(values))
        ends = [f"{said} {item.show(float(values[at]), units)} ({moment(course.time[at], scenario)})"
                for said, at in (("lowest", low), ("highest", high))]  # fmt: skip
        page.write(f"{item.name}: {', '.join(ends)}.", hang=2)


# foot ---------------------------------------------------------------------------------------------------------------
def _foot(page: Page, given: Protocol, notes: Sequence[str]) -> None:
    for status in ("assumed", "disputed"):
        names = dict.fromkeys(one.name for one in given.happenings if status in one.statuses)
        if names:
            page.write(f"Rests on {status} effects: {', '.join(names)}.", hang=2)
    doubted = _doubted(given)
    for id, claim in doubted[:_STATEMENTS]:
        page.write(f"! {claim} (carnallite explain {id})", hang=2)
    if len(doubted) > _STATEMENTS:
        page.write(f"! {len(doubted) - _STATEMENTS} more doubted statements: "
                   f"{', '.join(id for id, _ in doubted[_STATEMENTS:])}.", hang=2)  # fmt: skip
    for note in notes:
        page.write(note, hang=2)


def _doubted(given: Protocol) -> list[tuple[str, str]]:
    """Return the statements behind what acts that the evidence does not carry, each with its claim."""
    acting = [one for one in given.happenings if one.statuses]
    if not acting:
        return []
    from carnallite.knowledge import knowledge  # noqa: PLC0415  (not needed by a body that is left alone)

    known = knowledge()
    folders: dict[str, Mapping[str, Cause | Factor | DrugClass | Treatment]] = {
        "cause": known.causes, "factor": known.factors, "drug": known.drugs, "treatment": known.treatments,
    }  # fmt: skip
    ids = dict.fromkeys(id for one in acting for id in folders[one.kind][one.id].statements)
    stated = [words.statement(id) for id in ids]
    return [(one.id, f"{one.status.upper()}: {one.claim}") for one in stated if one and one.status in words.DOUBTED]
