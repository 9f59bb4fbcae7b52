"""A synthetic ward: potassium and magnesium each morning, and charts that are opened again and again."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from hooked import WELL


def ward(stays: int) -> Iterator[tuple[datetime, list[dict[str, Any]]]]:
    """Yield the openings of charts on a ward: potassium and magnesium each morning, as wards have them."""
    chance = random.Random(51)  # noqa: S311
    for stay in range(stays):
        potassium, magnesium = chance.gauss(4.1, 0.45), chance.gauss(0.82, 0.09)
        for day in range(chance.randint(1, 8)):
            potassium += chance.gauss(0, 0.15) + 0.3 * (4.1 - potassium)
            magnesium += chance.gauss(0, 0.03) + 0.2 * (0.82 - magnesium)
            found = json.loads(json.dumps(WELL).replace("well", f"stay-{stay}"))
            begun = datetime(2020, 6, 1, 6, tzinfo=UTC) + timedelta(days=day)
            found[1]["valueQuantity"]["value"] = round(magnesium, 2)
            found[2]["valueQuantity"]["value"] = round(potassium, 1)
            for one in found[1:]:
                one["effectiveDateTime"] = begun.isoformat()
            for opening in range(chance.randint(2, 6)):
                yield begun + timedelta(hours=1 + 2 * opening), found
