"""The test whose answer would tell most about the set of causes comes first, with what each answer would mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from carnallite.assessment.cloud import ask
from carnallite.assessment.cloud.weigh import numbers
from carnallite.assessment.columns import evaluate
from carnallite.assessment.facts import PRESENT, UNKNOWN
from carnallite.assessment.infer import unexplained
from carnallite.assessment.network import network
from carnallite.assessment.values import Answer, NextTest
from carnallite.knowledge import knowledge

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from carnallite.assessment.cloud.judge import Cloud
    from carnallite.assessment.columns import Columns
    from carnallite.assessment.infer import Posterior
    from carnallite.knowledge import Investigation

    Numbers = NDArray[np.float64]

_DAY = 24.0
_SHOWN = 5
_LEAST = 0.005  # [bit]
_URGENCY = {"serum_magnesium": 0, "serum_potassium": 1, "serum_creatinine": 2}


class _Option(NamedTuple):
    """One answer of a test, in words or as an interval, and its chance under each set of causes: "set"."""

    told: str
    chance: Numbers
    low: float | None = None
    high: float | None = None


def next_tests(columns: Columns, posterior: Posterior, row: int, cloud: Cloud | None = None) -> tuple[NextTest, ...]:
    """Return the tests worth doing next: what is needed for any decision first, then by information.

    `information` is the expected reduction of uncertainty about the set of causes [bit]: by the body as far as it
    describes the patient, by cited findings for the rest. Trouble and delay count against a test; one that is not safe
    now is not offered.
    """
    first: list[NextTest] = []
    others: list[tuple[float, NextTest]] = []
    for test in knowledge().investigations.values():
        if test.useless_when and evaluate(test.useless_when, columns)[row] == PRESENT:
            continue
        bits = _information(test, posterior, row, cloud)
        worth = bits - test.burden - numbers()["waiting"] * test.delay.hours / _DAY
        is_first = bool(test.first_when) and evaluate(test.first_when, columns)[row] == PRESENT
        if is_first or worth >= _LEAST:
            found = NextTest(
                id=test.id,
                name=test.name,
                information=round(max(bits, 0.0), 3),
                why=test.why,
                delay_h=test.delay.hours,
                answers=_answers(_options(test, columns, posterior, row, cloud), posterior, row),
            )
            if is_first:
                first.append(found)
            else:
                others.append((worth, found))
    first.sort(key=lambda one: _URGENCY.get(one.id, len(_URGENCY)))
    others.sort(key=lambda pair: (-pair[0], pair[1].id))
    return (*first, *(found for _, found in others))[:_SHOWN]


# information --------------------------------------------------------------------------------------------------------
def _information(test: Investigation, posterior: Posterior, row: int, cloud: Cloud | None) -> float:
    """Return the bits that the answers are expected to bring."""
    joint = posterior.joint[row]
    if test.is_trial:
        chance = _positive(test, posterior, row)
        return float(_entropy(joint @ chance) - joint @ _entropy(chance))
    by_findings = max((_settled(id, posterior, row) for id in test.settles), default=0.0)
    if cloud is None or not _is_new(test, cloud):
        return by_findings
    return cloud.describes * ask.bits(cloud, test.shows, joint) + (1 - cloud.describes) * by_findings


def _is_new(test: Investigation, cloud: Cloud) -> bool:
    return bool(test.shows) and test.shows not in cloud.results


def _settled(finding: str, posterior: Posterior, row: int) -> float:
    net, joint = network(), posterior.joint[row]
    if finding not in net.findings or posterior.state[row, net.findings.index(finding)] != UNKNOWN:
        return 0.0  # no cause is known by it, or it is known itself
    chance = 1 - unexplained(posterior, row, finding)
    return float(_entropy(joint @ chance) - joint @ _entropy(chance))


def _positive(test: Investigation, posterior: Posterior, row: int) -> Numbers:
    """Return the chance that a trial is positive under each set."""
    names = [network().causes[number] for number in posterior.candidates[row]]
    missed: Numbers = np.full(len(posterior.sets), 1 - (test.otherwise.probability if test.otherwise else 0.0))
    for reveal in test.reveals:
        if reveal.cause in names:
            has = posterior.sets[:, names.index(reveal.cause)]
            missed = missed * np.where(has, 1 - reveal.probability, 1.0)
    return 1 - missed


def _entropy(chance: Numbers | float) -> Numbers:
    held = np.clip(chance, 1e-12, 1 - 1e-12)
    return np.asarray(-(held * np.log2(held) + (1 - held) * np.log2(1 - held)))


# answers ------------------------------------------------------------------------------------------------------------
def _options(
    test: Investigation, columns: Columns, posterior: Posterior, row: int, cloud: Cloud | None
) -> list[_Option]:
    """Return what the test may say."""
    if test.is_trial:
        chance = _positive(test, posterior, row)
        return [_Option(test.positive, chance), _Option(f"not: {test.positive}", 1 - chance)]
    if cloud is not None and cloud.describes >= numbers()["trusted"] and _is_new(test, cloud):
        return _of_body(test, columns, posterior, row, cloud)
    return _of_findings(test, posterior, row)


def _of_body(test: Investigation, columns: Columns, posterior: Posterior, row: int, cloud: Cloud) -> list[_Option]:
    person = columns.people[row]
    ends = ask.limits(test.shows, sex=person.sex, age=person.age)
    if not ends:
        return _of_findings(test, posterior, row)
    chance = ask.outcomes(cloud, test.shows, np.array(ends), len(posterior.joint[row]))
    edges = [None, *ends, None]
    return [_Option(test.shows, chance[:, column], low, edges[column + 1]) for column, low in enumerate(edges[:-1])]


def _of_findings(test: Investigation, posterior: Posterior, row: int) -> list[_Option]:
    net = network()
    found, spared = [], np.ones(len(posterior.sets))
    for id in test.settles:
        if id in net.findings and posterior.state[row, net.findings.index(id)] == UNKNOWN:
            chance = 1 - unexplained(posterior, row, id)
            found.append(_Option(knowledge().findings[id].name, chance))
            spared = spared * (1 - chance)
    if found:
        found.append(_Option("not so" if len(found) == 1 else "neither", spared))
    return found


def _answers(options: list[_Option], posterior: Posterior, row: int) -> tuple[Answer, ...]:
    """Return each answer with the cause that would lead, where that can be said."""
    joint, sets = posterior.joint[row], posterior.sets
    found = []
    total = sum(float(np.nansum(joint * option.chance)) for option in options)
    for option in options:
        weight = np.nan_to_num(joint * option.chance)
        if weight.sum() <= 0 or total <= 0:
            continue
        marginal = weight @ sets.astype(float) / weight.sum()
        none = float(weight[~sets.any(axis=1)].sum() / weight.sum())
        best = int(marginal.argmax())
        cause = network().causes[posterior.candidates[row, best]]
        is_none = none > marginal[best]
        is_result = option.low is not None or option.high is not None
        found.append(Answer(
            when="" if is_result else option.told,
            quantity=option.told if is_result else "",
            low=option.low,
            high=option.high,
            chance=round(float(weight.sum() / total), 4),
            cause="other" if is_none else cause,
            name="None of the causes that we know" if is_none else knowledge().causes[cause].name,
            probability=round(none if is_none else float(marginal[best]), 4),
        ))  # fmt: skip
    return tuple(found)
