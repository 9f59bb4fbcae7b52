"""What is asked of one patient before any member is looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from carnallite.assessment.cloud.evidence import results_of
from carnallite.assessment.cloud.history import is_given
from carnallite.assessment.cloud.members import causes, forms, forms_of
from carnallite.assessment.cloud.people import HEAVIEST, LIGHTEST, anybody
from carnallite.assessment.cloud.under import under_of
from carnallite.assessment.columns import evaluate, results_in
from carnallite.assessment.facts import PRESENT
from carnallite.assessment.infer import network, reconsidered, reduced, told
from carnallite.knowledge import knowledge
from carnallite.physiology import engine

if TYPE_CHECKING:
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
    posterior : Posterior
        Of this patient alone, by findings, among the causes that are promising with or without what they say of
        results.
    person : Person
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
    alike : array [set]
        For each set the first one that is the same for the body.
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

    posterior: Posterior
    person: Person
    results: Results
    under: Under | None
    share: Numbers
    names: tuple[str, ...]
    bodily: NDArray[np.bool_]
    has: NDArray[np.bool_]
    alike: NDArray[np.int64]
    before: Numbers
    findings: Numbers
    state: NDArray[np.int8]
    same: NDArray[np.bool_]
    read: list[Read]


def asked_of(columns: Columns, posterior: Posterior, row: int) -> Asked:
    """Return what is asked of one patient."""
    facts = columns.people[row]
    results = results_of(facts)
    same = np.array([bool(set(knowledge().findings[id].tests) & results.keys()) for id in network().findings])
    posterior = reconsidered(columns, posterior, row, same)
    names = tuple(network().causes[number] for number in posterior.candidates[0])
    bodily = np.array([id in causes() for id in names])
    return Asked(
        posterior=posterior,
        person=person_of(facts),
        results=results,
        under=under_of(facts) if is_given(facts) else None,
        share=shares_of(columns, row),
        names=names,
        bodily=bodily,
        has=posterior.sets,
        alike=reduced(posterior.sets, bodily),
        before=posterior.odds[0] + told(posterior, 0, ~same),
        findings=told(posterior, 0, same),
        state=posterior.state[0],
        same=same,
        read=_read(results, posterior, bodily),
    )


def _read(results: Results, posterior: Posterior, bodily: NDArray[np.bool_]) -> list[Read]:
    """Return which results the prior odds of which sets have read: those named by an entry until the one that held."""
    own = []
    for number in posterior.candidates[0]:
        cause = knowledge().causes[network().causes[number]]
        entries = cause.priors[: posterior.matched[0, number] + 1] if cause.id in causes() else ()
        own.append(frozenset[str]().union(*(results_in(one.when) for one in entries if one.when)) & results.keys())
    conditional = np.array([bool(tests) for tests in own])
    if not conditional.any():
        return []
    without = reduced(posterior.sets, bodily & ~conditional)
    rows: dict[frozenset[str], list[NDArray[np.int64]]] = {}
    acting, which = np.unique(posterior.sets[:, conditional], axis=0, return_inverse=True)
    for place, has in enumerate(acting):
        tests = frozenset[str]().union(*(own[column] for column in np.flatnonzero(conditional)[has]))
        rows.setdefault(tests, []).append(np.flatnonzero(which == place))
    found = []
    for tests, parts in rows.items():
        sets = np.sort(np.concatenate(parts))
        if tests:
            found.append(Read({test: results[test] for test in sorted(tests)}, sets, without[sets]))
    return found


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
