"""A synthetic ward: potassium and magnesium each morning, and charts that are opened again and again."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from msgspec.structs import replace

from hooked import RECORD, WELL, Client, call


def ward(stays: int) -> Iterator[tuple[datetime, list[dict[str, Any]]]]:
    """Yield the openings of charts on a ward: potassium and magnesium each morning, two to six openings a day.

    One stay in eight tends to low potassium and magnesium, one in thirty to high potassium.
    """
    chance = random.Random(51)  # noqa: S311
    for stay in range(stays):
        usual = chance.choices([(4.1, 0.82), (3.3, 0.62), (5.4, 0.9)], [0.84, 0.125, 0.035])[0]
        potassium, magnesium = chance.gauss(usual[0], 0.4), chance.gauss(usual[1], 0.08)
        for day in range(chance.randint(1, 8)):
            potassium += chance.gauss(0, 0.15) + 0.2 * (usual[0] - potassium)
            magnesium += chance.gauss(0, 0.03) + 0.2 * (usual[1] - magnesium)
            found = json.loads(json.dumps(WELL).replace("well", f"stay-{stay}"))
            begun = datetime(2020, 6, 1, 6, tzinfo=UTC) + timedelta(days=day)
            found[1]["valueQuantity"]["value"] = round(magnesium, 2)
            found[2]["valueQuantity"]["value"] = round(potassium, 1)
            for one in found[1:]:
                one["effectiveDateTime"] = begun.isoformat()
            for opening in range(chance.randint(2, 6)):
                yield begun + timedelta(hours=1 + 2 * opening), found


class Told(NamedTuple):
    """What a ward was told: patient-days, cards by indicator, those that came twice a day, and true interruptions."""

    days: int
    cards: Counter[str]
    twice: int
    true: int


def told(stays: int) -> Told:
    """Return what a ward is told by the service, with the findings alone; levels are known, so is what is true."""
    clock, shown, days = Moment(), dict[tuple[str, str], datetime](), set[tuple[str, int]]()
    cards, twice, true = Counter[str](), 0, 0
    with Client(replace(RECORD, clock="wall", depth="findings"), clock=clock) as client:
        for clock.now, found in ward(stays):
            patient = found[0]["id"]
            magnesium, potassium = (found[place]["valueQuantity"]["value"] for place in (1, 2))
            days.add((patient, clock.now.day))
            for card in client.hook(call(found)).json()["cards"]:
                fact = (patient, card["detail"].split(" **Do:**")[0])
                twice += fact in shown and clock.now - shown[fact] < timedelta(hours=24)
                shown[fact] = clock.now
                cards[card["indicator"]] += 1
                is_true = potassium < 2.5 or potassium >= 6 or magnesium < 0.4
                true += card["indicator"] == "critical" and is_true
    return Told(len(days), cards, twice, true)


class Moment:
    """A clock that is set."""

    def __init__(self) -> None:
        self.now = datetime(2020, 6, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now
