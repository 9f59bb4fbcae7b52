"""What tests ask of plans: those of a small record, and the doses in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from carnallite.plan import advise
from records import observation, read

if TYPE_CHECKING:
    from collections.abc import Iterator

    from carnallite.plan import Advice, PlannedStep

MG, K, CA, NA, CREATININE = "2601-3", "2823-3", "2000-8", "2951-2", "14682-9"
KIDNEY = observation(CREATININE, 70.0, "umol/L")
SODIUM = observation(NA, 140.0, "mmol/L")


def magnesium(value: float) -> dict[str, Any]:
    return observation(MG, value, "mmol/L")


def potassium(value: float) -> dict[str, Any]:
    return observation(K, value, "mmol/L")


def advice(*resources: dict[str, Any], **options: Any) -> Advice:
    return advise(read(*resources, **options), depth="findings")


def steps(found: Advice) -> Iterator[PlannedStep]:
    for plan in found.plans:
        yield from plan.steps


def given(found: Advice, thing: str, route: str = "") -> list[PlannedStep]:
    """Return the steps that give something, by one route if it is named."""
    return [
        one for one in steps(found)
        if one.dosing is not None and thing in one.dosing.what and (not route or one.dosing.route == route)
    ]  # fmt: skip


def blocked(found: Advice) -> dict[str, set[str]]:
    """Return which lines of the table block which steps."""
    return {one.id: {each.id for each in one.objections} for plan in found.plans for one in plan.blocked}
