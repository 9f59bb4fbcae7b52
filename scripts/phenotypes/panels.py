"""What the figure shows of the runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import figure
from runs import experiment, pair
from table import Key, maps, people
from told import differences, edge

from carnallite.surfaces import svg

if TYPE_CHECKING:
    from table import Table


LOOKS = {
    "healthy": (svg.INK, ""),
    "salt_losing": (svg.BLUE, "6 3"),
    "quarter": (svg.GREEN, ""),
    "stage_5": (svg.BLUE, ""),
    "three_percent": (svg.PURPLE, ""),
    "one_percent": (svg.VERMILION, ""),
    "none": (svg.VERMILION, "6 3"),
}
SHORT = {"all": "all arms", "no_pump": "no pump", "no_channel": "no channel", "no_aldosterone": "no adrenal"}
SHOWN = (("healthy", 30), ("salt_losing", 30), ("one_percent", 7))  # in the panel of arms


def drawn(table: Table) -> str:
    """Return the figure."""
    design = experiment()
    states = people()
    lines = [figure.Line(states[id].name, look, dash, pair(states[id], "0.47")) for id, (look, dash) in LOOKS.items()]
    groups = []
    for id, day in SHOWN:
        keys = [Key("arm" if arm.own else "main", arm.id if arm.own else "", id, "0.27", day) for arm in design.arm]
        values = [(SHORT[arm.id], table[key].difference) for arm, key in zip(design.arm, keys, strict=True)]
        groups.append(figure.Bars(f"{states[id].name.split(',')[0]}, day {day}", values))
    days = [float(day) for day in range(1, design.days[-1] + 1)]
    fields = []
    for potassium, found in maps().items():
        each = [[low - normal for low, normal in (one.at(day) for day in days)] for one in found]
        fields.append(figure.Field(f"On {potassium.split()[0]} mmol potassium a day", days, design.map.nephrons, each))
    return figure.sheet(design.title, described(table), figure.content(lines, groups, fields))


def described(table: Table) -> str:
    """Return the figure in words."""
    (at30,), (at7,) = differences(table, "main healthy 0.47 30"), differences(table, "main one_percent 0.47 7")
    few, usual = (f"{100 * edge(table, eaten, 14):g} %" for eaten in ("30", "78"))
    return (
        "With a healthy kidney, magnesium held at 0.47 instead of 0.85 mmol/L changes potassium by "
        f"{figure.signed(at30)} mmol/L after 30 days; with 1 % of filtration, no dialysis and little potassium in the "
        f"diet by {figure.signed(at7)} after 7 days. Taking away the pump arm removes the rise; taking away the "
        "channel or the adrenal arm weakens the fall. Maps of filtration and days show that after two weeks potassium "
        f"is raised up to {few} of filtration when 30 mmol are eaten a day, up to {usual} when 78 mmol are."
    )
