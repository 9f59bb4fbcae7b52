"""Figures of docs/reference/forecasts.md: how often results lie in the bands, and what a response teaches."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from figures import markdown
from foretell_score import interval
from scipy.stats import binom

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from coverage import Foretold, Record
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

WANTED = (0.88, 0.92)  # of the band of 90 %
LEAST_OTHERWISE = 0.80  # where more is otherwise
SURE = 0.999  # of the binomial interval of each cause
EDGES = {90: (0.05, 0.95), 50: (0.25, 0.75)}
NAMES = {"serum_magnesium": "Mg", "serum_potassium": "K", "serum_calcium": "Ca"}
LAWS = {
    "": "altered body",
    "noisy": "altered body, errors of the laboratory twice as large",
    "no_urine": "altered body, no urine and no hormone measured",
    "ppi": "altered body, a proton-pump inhibitor 2.5 times as strong as believed",
}
AGES = ((18, 50), (50, 70), (70, 120))  # [a]
TINY = 1e-3  # [1] nearer to never or always no probability is scored


class Values(NamedTuple):
    """Values beside their forecasts, and whose they are."""

    each: list[Foretold]
    whose: NDArray[np.int64]

    def of(self, test: Callable[[Foretold], bool]) -> Values:
        """Return some of them."""
        keep = [place for place, one in enumerate(self.each) if test(one)]
        return Values([self.each[place] for place in keep], self.whose[keep])

    def within(self, band: int) -> Numbers:
        """Return whether each lies in a band."""
        low, high = EDGES[band]
        return np.array([low <= one.below <= high for one in self.each], float)


def values_of(records: Sequence[Record]) -> Values:
    """Return every value that was foretold."""
    pairs = [(one, record.number) for record in records for one in record.foretold]
    return Values([one for one, _ in pairs], np.array([number for _, number in pairs], np.int64))


def page(found: Mapping[str, Sequence[Record]], mark: str) -> str:
    """Return all figures as Markdown."""
    own = found[""]
    parts = [mark, *_patients(found), *_pooled(found), *_by_time(own), *_by_whom(own), *_by_cause(own), *_learned(own)]
    return "\n".join(parts) + "\n"


def _percent(values: Numbers, whose: NDArray[np.int64]) -> str:
    mean, low, high = interval(values, whose, seed=1)
    return f"{100 * mean:.1f} % ({100 * low:.1f} to {100 * high:.1f})"


def _patients(found: Mapping[str, Sequence[Record]]) -> Iterator[str]:
    yield "\n### Patients"
    rows = []
    for law, records in found.items():
        why = [one.why_not for one in records]
        rows.append((
            LAWS[law], len(records), sum(not one for one in why), why.count("died"),
            why.count("nothing is out of range"), why.count("the fit does not hold"),
        ))  # fmt: skip
    head = ("law", "simulated", "foretold", "died before", "nothing out of range", "no forecast: no fit")
    yield f"\n{markdown(head, rows)}"


def _pooled(found: Mapping[str, Sequence[Record]]) -> Iterator[str]:
    yield "\n### Within the bands, all tests and times together"
    rows = []
    for law, records in found.items():
        values = values_of(records)
        if not values.each:
            continue
        inside = values.within(90)
        met = WANTED[0] <= inside.mean() <= WANTED[1] if not law else inside.mean() >= LEAST_OTHERWISE
        bar = "88 to 92 %" if not law else "80 % or more"
        rows.append((
            LAWS[law], len(values.each), len(set(values.whose.tolist())), _percent(inside, values.whose),
            _percent(values.within(50), values.whose), bar, "met" if met else "MISSED",
        ))  # fmt: skip
    yield f"\n{markdown(('law', 'values', 'patients', 'within 90 %', 'within 50 %', 'wanted of 90 %', 'bar'), rows)}"


def _by_time(records: Sequence[Record]) -> Iterator[str]:
    yield "\n### By test and time, altered body"
    values, rows = values_of(records), []
    keys = sorted({(list(NAMES).index(one.test), one.hours, one.test) for one in values.each})
    for _, hours, test in keys:
        some = values.of(lambda one, test=test, hours=hours: (one.test, one.hours) == (test, hours))  # type: ignore[misc]
        below = np.array([one.below for one in some.each])
        rows.append((
            NAMES[test], f"{hours / 24:g} d", len(some.each), _percent(some.within(90), some.whose),
            f"{100 * some.within(50).mean():.0f} %", f"{100 * (below < 0.05).mean():.1f} %",
            f"{100 * (below > 0.95).mean():.1f} %", f"{100 * np.median([one.off for one in some.each]):+.1f} %",
        ))  # fmt: skip
    head = (
        "test",
        "after",
        "values",
        "within 90 %",
        "within 50 %",
        "below the band",
        "above it",
        "measured above the middle by",
    )
    yield f"\n{markdown(head, rows)}"


def _by_cause(records: Sequence[Record]) -> Iterator[str]:
    yield "\n### By cause, altered body"
    rows, outside = [], 0
    for cause in sorted({one.cause for one in records}):
        values = values_of([one for one in records if one.cause == cause])
        count = len(values.each)
        if not count:
            continue
        inside = int(values.within(90).sum())
        low, high = binom.interval(SURE, count, 0.9)
        is_out = not low <= inside <= high
        outside += is_out
        patients, ends = len(set(values.whose.tolist())), f"{100 * low / count:.0f} to {100 * high / count:.0f} %"
        rows.append((cause, patients, count, f"{100 * inside / count:.0f} %", ends, "OUTSIDE" if is_out else "inside"))
    yield f"\n{outside} of {len(rows)} causes lie outside of the binomial interval of {100 * SURE:.1f} % about 90 %."
    yield f"\n{markdown(('cause', 'patients', 'values', 'within 90 %', 'interval', 'it is'), rows)}"


def _by_whom(records: Sequence[Record]) -> Iterator[str]:
    yield "\n### By sex and age, altered body"
    rows = []
    for sex in sorted({one.sex for one in records}):
        for low, high in AGES:
            values = values_of([one for one in records if one.sex == sex and low <= one.age < high])
            if values.each:
                patients, inside = len(set(values.whose.tolist())), _percent(values.within(90), values.whose)
                rows.append((f"{sex}, {low} to {high - 1} years", patients, len(values.each), inside))
    yield f"\n{markdown(('who', 'patients', 'values', 'within 90 %'), rows)}"


def _learned(records: Sequence[Record]) -> Iterator[str]:
    yield "\n### What a response teaches of the causes"
    told = [(record.number, one) for record in records for one in record.learned]
    if not told:
        return
    whose = np.array([number for number, _ in told])
    acts = np.array([one.acts for _, one in told])
    before, after = (np.array([getattr(one, name) for _, one in told]) for name in ("before", "after"))
    score = {name: _score(chance, acts) for name, chance in (("before", before), ("after", after))}
    brier = {name: (chance - acts) ** 2 for name, chance in (("before", before), ("after", after))}
    gain, low, high = interval(score["after"] - score["before"], whose, seed=1)
    less, least, most = interval(brier["before"] - brier["after"], whose, seed=1)
    rose, other = (
        f"from {100 * before[some].mean():.1f} % to {100 * after[some].mean():.1f} %" for some in (acts, ~acts)
    )
    yield (
        f"\n{len(set(whose.tolist()))} patients, {len(told)} causes that act on members or in truth. A cause that acts "
        f"went {rose} of the members, one that does not {other}. Log score per cause {gain:+.3f} ({low:+.3f} to "
        f"{high:+.3f}) nat, Brier score better by {less:+.4f} ({least:+.4f} to {most:+.4f})."
    )


def _score(chance: Numbers, acts: NDArray[np.bool_]) -> Numbers:
    kept = np.clip(chance, TINY, 1 - TINY)
    found: Numbers = np.log(np.where(acts, kept, 1 - kept))
    return found
