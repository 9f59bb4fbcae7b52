"""Run the experiment of the two phenotypes; write its table, its figure, and the tables of its page.

    python scripts/phenotypes [--check]

Writes docs/explanation/two-phenotypes.csv and .svg and fills the tables of two-phenotypes.md. With --check nothing is
written; the exit code is 1 either way if a sign differs from the table of the specification.
"""

from __future__ import annotations

import csv
import io
import re
import sys
from math import isnan
from pathlib import Path

from carnallite.surfaces import svg

sys.path.insert(0, str(Path(__file__).parent))

import figure
from runs import MAIN, Variant, experiment, insulin, mapped, pair

HOME = Path(__file__).parents[2] / "docs" / "explanation"
NULL = 0.02  # [mmol/L] smaller differences are told as none
LOOKS = {
    "healthy": (svg.INK, ""),
    "salt_losing": (svg.BLUE, "6 3"),
    "quarter": (svg.GREEN, ""),
    "stage_5": (svg.BLUE, ""),
    "three_percent": (svg.PURPLE, ""),
    "one_percent": (svg.VERMILION, ""),
    "none": (svg.VERMILION, "6 3"),
}
FEW = ("healthy", "salt_losing", "stage_5", "one_percent")
Rows = list[tuple[str, ...]]


def courses(*, main_only: bool = False) -> Rows:
    """Return every difference of the main runs, the checks, the arms and the ranges, in long form."""
    design = experiment()
    variants = [("main", "", MAIN)]
    variants += [("check", one.id, one) for one in design.check]
    variants += [("arm", one.id, one) for one in design.arm if one.own]
    for parameter in design.parameter:
        if "response" not in parameter.name:  # the insulin response does not act without insulin
            variants += [
                (f"range {parameter.name}", value, Variant(id=value, name=value, own={parameter.name: value}))
                for value in parameter.values
            ]
    if main_only:
        variants = variants[:1]
    rows: Rows = [
        (
            "runs",
            "variant",
            "state",
            "magnesium_mmol_L",
            "day",
            "potassium_low",
            "potassium_normal",
            "difference",
            "specification",
        )
    ]
    for runs, name, variant in variants:
        for state in design.state:
            for reached in design.clamp.low:
                found = pair(state, reached, variant)
                for column, day in enumerate(design.days):
                    place = int(abs(found.days - day).argmin())
                    said = (
                        state.expected.get(reached, [float("nan")] * len(design.days))[column]
                        if runs == "main"
                        else float("nan")
                    )
                    told = "" if isnan(said) else f"{said:.2f}"
                    numbers = (found.low[place], found.normal[place], found.difference[place])
                    key = (runs, name, state.id, reached, str(day))
                    rows.append((*key, *(f"{one:.3f}" for one in numbers), told))
    return rows


def number(rows: Rows, *, runs: str, name: str, state: str, reached: str, day: int) -> float:
    """Return one difference of the long table."""
    for row in rows:
        if row[:5] == (runs, name, state, reached, str(day)):
            return float(row[7])
    raise KeyError((runs, name, state, reached, day))


def astray(rows: Rows) -> list[str]:
    """Return where our sign is not that of the specification, which prints 0.00 for none."""
    wrong = []
    for row in rows[1:]:
        if row[8] and float(row[8]) and float(row[7]) * float(row[8]) < 0:
            wrong.append(f"{row[2]}, magnesium {row[3]}, day {row[4]}: {row[7]}, not {row[8]}")
    return wrong


def comparison(rows: Rows) -> str:
    """Return the main table, ours over the specification's."""
    design = experiment()
    lines = [
        "| person | magnesium | " + " | ".join(f"day {day}" for day in design.days) + " |",
        "|---|---|" + "---|" * len(design.days),
    ]
    for state in design.state:
        for reached in design.clamp.low:
            cells = []
            for row in (r for r in rows if r[0] == "main" and r[2] == state.id and r[3] == reached):
                said = f" ({figure.signed(float(row[8]))})" if row[8] else ""
                cells.append(figure.signed(float(row[7])) + said)
            lines.append(f"| {state.name} | {reached} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def checks(rows: Rows) -> str:
    """Return what changes when an unstated choice is made otherwise."""
    design = experiment()
    shown = [
        ("healthy", 30),
        ("stage_5", 30),
        ("three_percent", 1),
        ("one_percent", 1),
        ("one_percent", 7),
        ("one_percent", 30),
    ]
    names = {state.id: state.name for state in design.state}
    lines = [
        "| choice | " + " | ".join(f"{names[state]}, day {day}" for state, day in shown) + " |",
        "|---|" + "---|" * len(shown),
    ]
    for runs, name, told in [("main", "", "As above"), *(("check", one.id, one.name) for one in design.check)]:
        cells = [figure.signed(number(rows, runs=runs, name=name, state=s, reached="0.27", day=d)) for s, d in shown]
        lines.append(f"| {told} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def ranges(rows: Rows) -> str:
    """Return what each disputed or assumed number does."""
    design = experiment()
    names = {state.id: state.name for state in design.state}
    days = {"healthy": 30, "salt_losing": 30, "stage_5": 30, "one_percent": 7}
    head = " | ".join(f"{names[state]}, day {days[state]}" for state in FEW)
    lines = [f"| number | status | value | {head} |", "|---|---|---|" + "---|" * len(FEW)]
    for parameter in design.parameter:
        if "response" in parameter.name:
            continue
        for value in parameter.values:
            cells = [
                figure.signed(
                    number(rows, runs=f"range {parameter.name}", name=value, state=s, reached="0.47", day=days[s])
                )
                for s in FEW
            ]
            lines.append(
                f"| {parameter.label} ({parameter.symbol}) | {parameter.status} | {value} | " + " | ".join(cells) + " |"
            )
    return "\n".join(lines)


def insulins() -> str:
    """Return the fall of potassium after insulin."""
    design = experiment()
    exponents = next(p.values for p in design.parameter if "response" in p.name)
    lines = [
        "| person | response exponent (nRef) | magnesium 0.85 | 0.47 | 0.27 |",
        "|---|---|---|---|---|",
    ]
    for state in (one for one in design.state if one.id in design.insulin.states):
        for exponent in exponents:
            found = insulin(state, exponent)
            falls = " | ".join(f"{fall:.2f}" for fall in (found.normal, *found.low.values()))
            lines.append(f"| {state.name} | {exponent} | {falls} |")
    return "\n".join(lines)


def drawn(rows: Rows) -> str:
    """Return the figure."""
    design = experiment()
    states = {state.id: state for state in design.state}
    lines = [figure.Line(states[id].name, look, dash, pair(states[id], "0.47")) for id, (look, dash) in LOOKS.items()]
    short = {"all": "all arms", "no_pump": "no pump", "no_channel": "no channel", "no_aldosterone": "no adrenal"}
    groups = []
    for id, day in (("healthy", 30), ("salt_losing", 30), ("one_percent", 7)):
        values = []
        for arm in design.arm:
            runs, name = ("arm", arm.id) if arm.own else ("main", "")
            values.append((short[arm.id], number(rows, runs=runs, name=name, state=id, reached="0.27", day=day)))
        groups.append(figure.Bars(f"{states[id].name.split(',')[0]}, day {day}", values))
    fields = []
    for potassium, title in zip(
        design.map.potassium, ("On 30 mmol potassium a day", "On 78 mmol potassium a day"), strict=True
    ):
        days, found = mapped(potassium, "0.27")
        fields.append(figure.Field(title, days.tolist(), design.map.nephrons, found.tolist()))
    content = "".join(
        (
            figure.courses(lines),
            figure.arms(groups),
            figure.field(fields[0], (LEFT_MAP, TOP_MAP), "C", ticks=True),
            figure.field(fields[1], (RIGHT_MAP, TOP_MAP), "D", ticks=True),
            figure.scale((150, figure.HEIGHT - 42)),
        )
    )
    return figure.sheet(design.title, described(rows), content)


LEFT_MAP, RIGHT_MAP, TOP_MAP = 74, 532, 496


def described(rows: Rows) -> str:
    """Return the figure in words."""
    at30 = number(rows, runs="main", name="", state="healthy", reached="0.47", day=30)
    at7 = number(rows, runs="main", name="", state="one_percent", reached="0.47", day=7)
    return (
        "With a healthy kidney, magnesium held at 0.47 instead of 0.85 mmol/L changes potassium by "
        f"{figure.signed(at30)} mmol/L after 30 days; with 1 % of filtration, no dialysis and little potassium in the "
        f"diet by {figure.signed(at7)} after 7 days. Taking away the pump arm removes the rise; taking away the "
        "channel or the adrenal arm weakens the fall. Maps of filtration and days show that the rise is confined to "
        "the lowest filtration, and to the first days or weeks when potassium is eaten as usual."
    )


def page(text: str, tables: dict[str, str]) -> str:
    """Return the page with its tables filled in between their marks."""
    for name, table in tables.items():
        mark = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        if not mark.search(text):
            raise ValueError(f"two-phenotypes.md has no place for '{name}'.")
        head, tail = f"<!-- {name} -->\n", "<!-- end -->"
        text = mark.sub(lambda _, filled=f"{head}{table}\n{tail}": filled, text)  # type: ignore[misc]
    return text


def main(arguments: list[str]) -> int:
    """Run everything."""
    checking = "--check" in arguments
    rows = courses(main_only=checking)
    wrong = astray(rows)
    for one in wrong:
        print(f"sign differs: {one}", file=sys.stderr)
    if not checking:
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows(rows)
        HOME.joinpath("two-phenotypes.csv").write_text(out.getvalue(), "utf-8")
        HOME.joinpath("two-phenotypes.svg").write_text(drawn(rows), "utf-8")
        told = HOME / "two-phenotypes.md"
        tables = {"comparison": comparison(rows), "checks": checks(rows), "ranges": ranges(rows), "insulin": insulins()}
        told.write_text(page(told.read_text("utf-8"), tables), "utf-8")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
