"""What the response to a plan tells, in words, the same for a terminal and a report."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from carnallite.quantity import analyte, printed_unit
from carnallite.surfaces import words
from carnallite.surfaces.plans import duration
from carnallite.surfaces.printed import printed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from carnallite.plan import Reply, Response
    from carnallite.surfaces.console import Page

VERDICTS = {"lower": "lower than expected", "as_expected": "as expected", "higher": "higher than expected"}
_HOURLY = 48.0  # [h] from which on whole days are told
_ASSUMED = "Simulated: virtual patients who fitted the record of then, taken on with what was given since."


class Compared(msgspec.Struct, frozen=True):
    """One result with its unit beside 90 % of what was expected, and of what those show who now fit best."""

    name: str
    when: str
    measured: str
    expected: str
    verdict: str
    fitting: str


class Moved(msgspec.Struct, frozen=True):
    """How likely a cause was then, and is now."""

    name: str
    before: str
    after: str


def compared(response: Response, units: words.Units) -> tuple[Compared, ...]:
    """Return every result since then beside what was expected."""
    return tuple(_compared(one, units) for one in response.replies)


def _compared(one: Reply, units: words.Units) -> Compared:
    shown = printed(one.test, units)
    low = -np.inf if one.low is None else one.low
    high = np.inf if one.high is None else one.high
    ends = {round(end / shown.factor, shown.decimals) for end in (low, high) if np.isfinite(end)}
    if len(ends) == 1 and np.isfinite(low) and np.isfinite(high):
        measured = shown.number(high)
    elif np.isfinite(low) and np.isfinite(high):
        measured = f"{shown.number(low)} to {shown.number(high)}"
    else:
        measured = f"<{shown.number(high)}" if np.isfinite(high) else f">{shown.number(low)}"
    return Compared(
        name=f"{analyte(one.test).name} [{printed_unit(shown.unit)}]", when=f"after {_since(one.hours)}",
        measured=measured, expected=shown.band(one.expected), verdict=VERDICTS[one.verdict],
        fitting=shown.band(one.fitting),
    )  # fmt: skip


def _since(hours: float) -> str:
    return duration(round(hours)) if hours < _HOURLY else f"{hours / 24:.1f}{words.JOIN}days"


def moved(response: Response) -> tuple[Moved, ...]:
    """Return the causes that are more or less likely now than they were then."""
    return tuple(Moved(one.name, words.percent(one.before), words.percent(one.after)) for one in response.causes)


def notes(response: Response) -> Iterator[str]:
    """Yield what must be known beside it."""
    if response.not_simulated:
        yield f"Begun since and not simulated: {', '.join(response.not_simulated)}."
    if all(one.fits == "as_expected" for one in response.replies):
        yield f"{_ASSUMED} {response.effective:.0f} of {response.members} of them fit the response."
    else:
        yield f"{_ASSUMED} None of the {response.members} fits the response."


def write(page: Page, response: Response, units: words.Units) -> None:
    """Write it on a terminal."""
    page.title(f"WHAT THE RESPONSE SINCE {words.at(response.since)} TELLS (SIMULATED)")
    if response.why_not:
        page.write(f"Nothing: {response.why_not}", indent=2)
        return
    for sentence in response.words:
        page.write(sentence, indent=2)
    for one in compared(response, units):
        page.write(f"{one.name} {one.when}: {one.measured}, expected {one.expected}: {one.verdict}", indent=4, hang=6)
    for cause in moved(response):
        page.write(f"{cause.name}: {cause.after} likely now, {cause.before} then", indent=4, hang=6)
    for note in notes(response):
        page.write(note, indent=2, style="faint")
