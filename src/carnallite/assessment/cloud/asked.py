"""What is asked of one patient before any member is looked at."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from carnallite.assessment.cloud.evidence import results_of
from carnallite.assessment.cloud.history import is_given
from carnallite.assessment.cloud.members import causes, forms, forms_of
from carnallite.assessment.cloud.people import HEAVIEST, LIGHTEST, anybody
from carnallite.assessment.cloud.under import under_of
from carnallite.assessment.cloud.weigh import errors
from carnallite.assessment.columns import evaluate, results_in
from carnallite.assessment.facts import PRESENT
from carnallite.assessment.infer import reconsidered
from carnallite.assessment.network import network
from carnallite.assessment.subsets import reduced, united
from carnallite.knowledge import knowledge
from carnallite.physiology import engine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from carnallite.assessment.cloud.evidence import Results
    from carnallite.assessment.cloud.under import Under
    from carnallite.assessment.columns import Columns
    from carnallite.assessment.facts import Facts
    from carnallite.assessment.infer import Posterior
    from carnallite.physiology.scenario import Person

    Numbers = NDArray[np.float64]

OLDEST, YOUNGEST = 95.0, 18.0  # [a] for whom the body holds


def why_not(columns: Columns, row: int) -> str:
    """Return why no member can stand for a patient; empty if some can."""
    person = columns.people[row]
    if person.age is not None and person.age < YOUNGEST:
        return "the body is an adult's"
    if person.recorded("pregnancy") == PRESENT:
        return "the body is not pregnant"
    if person.recorded("dialysis") == PRESENT:
        return "dialysis sessions are not simulated"
    if not results_of(person):
        return "nothing was measured that the body shows"
    if engine.kernel() is None:
        return "the fast engine is not installed: see `carnallite doctor`"
    return ""


class Read(NamedTuple):
    """Results that the prior odds of some sets have read already, and that must not count for them again.

    Attributes
    ----------
    results : dict of test to (low, high)
    sets : array
        Numbers of the sets.
    without : array
        For each of them the set that lacks the causes whose prior odds read the results.
    """

    results: Results
    sets: NDArray[np.int64]
    without: NDArray[np.int64]


class Asked(NamedTuple):
    """What is asked of one patient before any member is looked at.

    Attributes
    ----------
    results : dict of test to (low, high)
    under : Under or None
        Treatment under which some of them were taken.
    share : array [form]
        How often each form acts when its cause does.
    names : tuple of str
        The causes that are weighed jointly.
    bodily : array [cause]
        Which of them the body can have.
    has : array [set, cause]
        Which of them each set of the posterior holds.
    before : array [set]
        [log] What speaks for each set before the results.
    findings : array [set]
        [log] What cited findings say of the results.
    state : array [finding]
    same : array [finding]
        Which findings say the same as the results.
    read : list of Read
        Which results the prior odds have read already.
    """

    results: Results
    under: Under | None
    share: Numbers
    names: tuple[str, ...]
    bodily: NDArray[np.bool_]
    has: NDArray[np.bool_]
    before: Numbers
    findings: Numbers
    state: NDArray[np.int8]
    same: NDArray[np.bool_]
    read: list[Read]


def asked_of(columns: Columns, posterior: Posterior, row: int) -> tuple[Posterior, Asked]:
    """Return the posterior of one patient alone, by findings, and what is asked."""
    posterior, (asked,) = asked_all(columns, posterior, [row])
    return posterior, asked


def asked_all(columns: Columns, posterior: Posterior, rows: Sequence[int]) -> tuple[Posterior, list[Asked]]:
    """Return the posterior of some patients and what is asked of each; nobody's depends on the others.

    The causes that are weighed are those that are promising with or without what findings say of results.
    """
    people = [columns.people[row] for row in rows]
    results = [results_of(person) for person in people]
    has = np.array([[test in own for test in errors()] for own in results]).reshape(len(rows), len(errors()))
    same = np.any(has[:, None] & _shown_by(), axis=2)
    posterior, sure, findings = reconsidered(columns, posterior, rows, same)
    before: Numbers = posterior.odds + sure
    bodily = np.array([id in causes() for id in network().causes])[posterior.candidates]
    return posterior, [
        Asked(
            results=results[number],
            under=under_of(person) if is_given(person) else None,
            share=shares_of(columns, row),
            names=tuple(network().causes[cause] for cause in posterior.candidates[number]),
            bodily=bodily[number],
            has=posterior.sets,
            before=before[number],
            findings=findings[number],
            state=posterior.state[number],
            same=same[number],
            read=_read(results[number], posterior, number, bodily[number]),
        )
        for number, (row, person) in enumerate(zip(rows, people, strict=True))
    ]


@cache
def _shown_by() -> NDArray[np.bool_]:
    """Return which findings say something of the result of each test: "finding test"."""
    return np.array([[test in knowledge().findings[id].tests for test in errors()] for id in network().findings])


def _read(results: Results, posterior: Posterior, row: int, bodily: NDArray[np.bool_]) -> list[Read]:
    """Return which results the prior odds of which sets have read: those named by an entry until the one that held."""
    entries = zip(posterior.candidates[row].tolist(), posterior.matched[row, posterior.candidates[row]], strict=True)
    own = [_asks(cause, int(matched)).intersection(results) for cause, matched in entries]
    choices: dict[frozenset[str], None] = {}
    for tests in filter(None, dict.fromkeys(own)):
        choices |= dict.fromkeys((tests, *(tests | other for other in choices)))
    if not choices:
        return []
    bit = {test: 1 << place for place, test in enumerate(results)}
    masks = united(tuple(sum(bit[test] for test in tests) for tests in own))
    without = reduced(posterior.sets, bodily & ~np.array([bool(tests) for tests in own]))
    found = []
    for tests in choices:
        sets = np.flatnonzero(masks == sum(bit[test] for test in tests))
        found.append(Read({test: results[test] for test in sorted(tests)}, sets, without[sets]))
    return found


@cache
def _asks(cause: int, matched: int) -> frozenset[str]:
    """Return the tests of which the prior odds of a cause have asked, until the entry that held."""
    known = knowledge().causes[network().causes[cause]]
    entries = known.priors[: matched + 1] if known.id in causes() else ()
    return frozenset[str]().union(*(results_in(one.when) for one in entries if one.when))


def person_of(facts: Facts) -> Person:
    """Return people like a patient, as far as sex, age and weight are known."""
    person = anybody()
    if facts.sex is not None:
        person = msgspec.structs.replace(person, women=None, sex=facts.sex)
    if facts.age is not None:
        person = msgspec.structs.replace(person, age=min(max(facts.age, YOUNGEST), OLDEST))
    low, high = (float(end[facts.row]) for end in facts.everyone.numbers("value", "body_weight"))
    if low == high:
        person = msgspec.structs.replace(person, weight=f"{min(max(low, LIGHTEST), HEAVIEST):g} kg")
    return person


def shares_of(columns: Columns, row: int) -> Numbers:
    """Return how often each form acts in this patient when its cause does: "form"."""
    share: Numbers = columns.everyone.kept("shares", lambda: _shares(columns))[row]
    return share


def _shares(columns: Columns) -> Numbers:
    """Return the same for everybody ("patient form"): by the first description of severity that holds."""
    share = np.zeros((columns.size, len(forms())))
    for id in causes():
        own, severity = forms_of(id), knowledge().causes[id].severity
        share[:, own] = 1 / len(own)
        is_open = np.ones(columns.size, bool)
        for when in dict.fromkeys(one.when for one in severity):
            holds = is_open & (evaluate(when, columns) == PRESENT) if when else is_open
            said = {one.phenotype: one.share for one in severity if one.when == when}
            share[np.ix_(holds, own)] = [said.get(forms()[form].phenotype, 0.0) for form in own]
            is_open = is_open & ~holds
    return share
