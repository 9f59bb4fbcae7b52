"""What the response to a plan means, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from carnallite.plan.numbers import numbers
from carnallite.quantity import analyte

if TYPE_CHECKING:
    from collections.abc import Iterator

    from carnallite.assessment import Band
    from carnallite.plan.values import Response

FEW = (
    "Hardly any virtual patient of then shows this. Something acts that was not thought of, or a dose, a sample or a "
    "date is not as recorded: what follows is what comes nearest, and the new assessment counts more."
)
NOT_ARRIVED = (
    "The results fit doses by mouth that did not arrive {times:.0f} times better than doses that did: ask whether they "
    "were taken and kept, and look for what binds them."
)
KEPT = "With {dose:.3g} mmol of magnesium given, the body was expected to gain {then} mmol; {whom} gain {now}."


def words(one: Response) -> Iterator[str]:
    """Yield what a response means, sentence by sentence."""
    off = dict.fromkeys(
        f"{analyte(reply.test).name} {reply.verdict}" for reply in one.replies if reply.verdict != "as_expected"
    )
    if off:
        yield f"Not as expected: {', '.join(off)} than a laboratory would find in 90 % of the virtual patients of then."
    else:
        yield "All results lie where they were expected."
    if _is_missed(one):
        yield FEW
    yield from _kept_words(one)
    if one.not_arrived is not None and one.not_arrived >= numbers()["not_arrived"]:
        yield NOT_ARRIVED.format(times=one.not_arrived)


def _is_missed(one: Response) -> bool:
    return one.effective < numbers()["few_left"] or any(reply.fits != "as_expected" for reply in one.replies)


def _kept_words(one: Response) -> Iterator[str]:
    dose = one.given.get("magnesium", 0.0)
    if not dose or one.retained is None or one.retained_now is None:
        return
    whom = "those who come nearest" if _is_missed(one) else "those whom the results fit"
    yield KEPT.format(dose=dose, then=_ranged(one.retained), now=_ranged(one.retained_now), whom=whom)
    less = one.retained.value - one.retained_now.value
    if less >= numbers()["less_kept"] * dose:
        ways = [f"by {way} {one.lost_now[way].value:.0f} mmol where {one.lost[way].value:.0f} were expected"
                for way in ("urine", "stool")]  # fmt: skip
        yield f"Less stayed than expected, the loss goes on: {', '.join(ways)}."
    elif less <= -numbers()["less_kept"] * dose:
        yield "More stayed than expected: the deficit is larger, or the loss smaller, than was thought."


def _ranged(one: Band) -> str:
    return f"{one.value:.0f} ({one.low:.0f} to {one.high:.0f})"
