"""Scenarios of all kinds, drawn: people, diseases, drugs, tablets, infusions and meals, for tests of solvers."""

from __future__ import annotations

import random

from carnallite.knowledge import effects, knowledge
from carnallite.physiology.scenario import Act, Diet, Dose, Person, Scenario

DAYS = 10
CLOCKS = ("06:30", "08:00", "12:00", "12:30", "18:15", "22:00")
TABLETS = (("magnesium citrate", "10 mmol"), ("magnesium oxide", "20 mmol"), ("KCl", "40 mmol"))
INFUSIONS = (("magnesium sulfate", "16 mmol", "4 h"), ("magnesium sulfate", "8 mmol", "15 min"),
             ("KCl", "40 mmol", "6 h"), ("calcium gluconate", "4.5 mmol", "30 min"))  # fmt: skip


def scenarios(count: int, seed: int) -> list[Scenario]:
    """Return scenarios of one person each; the first of a seed are the same however many are drawn."""
    return [scenario(random.Random(f"{seed}-{number}")) for number in range(count)]  # noqa: S311 (not a secret)


def scenario(draw: random.Random) -> Scenario:
    """Return one scenario."""
    length = draw.choice([DAYS, 3 * DAYS])
    person = Person(
        sex=draw.choice(["female", "male"]),
        age=draw.randint(20, 90),
        weight=f"{draw.randint(45, 120)} kg",
        egfr=draw.choice(["", "", f"{draw.randint(12, 60)} mL/min"]),
    )
    return Scenario(
        title="Drawn",
        length=f"{length} d",
        person=person,
        diet=Diet(meals=tuple(sorted(draw.sample(CLOCKS, 3))) if draw.random() < 0.8 else ()),
        cause=_acts(draw, "causes", draw.randint(0, 2), length),
        drug=_acts(draw, "drugs", draw.randint(0, 3), length),
        dose=(*_tablets(draw), *_infusions(draw, length)),
    )


def _acts(draw: random.Random, folder: str, count: int, length: int) -> tuple[Act, ...]:
    items = {id: effects(item) for id, item in getattr(knowledge(), folder).items()}
    ids = draw.sample(sorted(id for id, forms in items.items() if forms), count)
    return tuple(
        Act(
            id=id,
            phenotype=draw.choice(sorted(items[id])),
            strength=round(draw.uniform(0.3, 1.0), 2),
            start=draw.choice(["", f"{draw.randint(1, length // 2)} d"]),
        )
        for id in ids
    )


def _tablets(draw: random.Random) -> list[Dose]:
    chosen = draw.sample(TABLETS, draw.randint(0, 2))
    return [
        Dose(what=what, amount=amount, route="oral", daily=tuple(sorted(draw.sample(CLOCKS, draw.randint(1, 3)))))
        for what, amount in chosen
    ]


def _infusions(draw: random.Random, length: int) -> list[Dose]:
    chosen = draw.sample(INFUSIONS, draw.randint(0, 2))
    return [
        Dose(what=what, amount=amount, route="intravenous", over=over,
             at=tuple(f"{24 * day + draw.randint(0, 20)} h" for day in sorted(draw.sample(range(length), 3))))
        for what, amount, over in chosen
    ]  # fmt: skip
