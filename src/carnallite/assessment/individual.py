"""Readings -> assessments: rules first, then causes. One patient is a population of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec
import numpy as np

from carnallite.assessment.cloud.asked import why_not
from carnallite.assessment.cloud.fit import fitted
from carnallite.assessment.cloud.judge import judge
from carnallite.assessment.cloud.library import at_hand
from carnallite.assessment.cloud.sift import sift
from carnallite.assessment.cloud.why import reasons
from carnallite.assessment.cloud.words import balance_of, fit_of, holds, share_of
from carnallite.assessment.columns import Columns, evaluate, finding
from carnallite.assessment.facts import ABSENT, PRESENT, UNKNOWN, Facts
from carnallite.assessment.infer import among, some, to_disorders, unexplained
from carnallite.assessment.investigate import next_tests
from carnallite.assessment.network import network
from carnallite.assessment.panel import DISORDERS, MEASURES, Panel, Survey, panel, survey
from carnallite.assessment.results import results
from carnallite.assessment.tell import facts_for, facts_of_finding
from carnallite.assessment.values import (
    Alert,
    Assessment,
    Explained,
    JointCauses,
    Provenance,
    RankedCause,
    RankedFactor,
    Reason,
    State,
    States,
)
from carnallite.errors import CarnalliteError
from carnallite.knowledge import edition, knowledge
from carnallite.physiology import engine
from carnallite.physiology.load import model
from carnallite.quantity import analyte
from carnallite.record import Issue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from carnallite.assessment.cloud.fit import Fit
    from carnallite.assessment.cloud.judge import Cloud
    from carnallite.assessment.cloud.library import Library
    from carnallite.assessment.infer import Posterior
    from carnallite.assessment.values import Balance, IndividualFit
    from carnallite.knowledge import Clue, Factor
    from carnallite.record import Reading, Timeline

Depth = Literal["findings", "library", "cloud", "fit"]
_UNSTEADY = "eGFR cannot be computed or is not steady: treat the kidney as failing until that is checked."
FAILED = (CarnalliteError, ArithmeticError, LookupError, ValueError)  # of a simulation; rules stand without it
SCHEMA = "carnallite.assessment/1"
_LISTED = 0.01  # a cause less probable than this is not listed
_CLEAR = 0.5
_APART = 1.5  # the first cause must be this many times as probable as the second to be told apart


def assess(reading: Reading, *, version: str = "", depth: Depth = "fit") -> Assessment:
    """Return what is wrong, unsafe, likely, and worth measuring, for one patient.

    Parameters
    ----------
    depth : "findings", "library", "cloud" or "fit"
        What the answer rests on: cited findings alone; also virtual patients, of a library at hand or drawn for this
        patient; or these and the patient's own history, with the share of each cause and factor. The probabilities of
        "cloud" and "fit" are the same.

    Examples
    --------
    >>> from carnallite.record import read_record  # doctest: +SKIP
    >>> assess(read_record("bundle.json")).states.magnesium  # doctest: +SKIP
    'low'
    """
    return assess_all([reading], version=version, depth=depth)[0]


def assess_all(readings: Sequence[Reading], *, version: str = "", depth: Depth = "fit") -> list[Assessment]:
    """Return the assessment of every reading; nobody's depends on the others.

    Raises
    ------
    DataFileError
        An expression of a data file is wrong.
    """
    found = _examined(readings, version, depth, silent)
    return [one.assessment for one in found]


class Examined(NamedTuple):
    """An assessment, and what it rests on: what the record says, and members that fit where there are any."""

    assessment: Assessment
    columns: Columns
    fit: Fit | None


def silent(stage: str) -> None:
    """Say nothing of how far it is."""


def examine(
    reading: Reading, *, version: str = "", depth: Depth = "fit", said: Callable[[str], None] = silent
) -> Examined:
    """Return the assessment of one patient with what others may build on.

    Parameters
    ----------
    said : callable
        Is told what begins, of what takes long.

    Raises
    ------
    DataFileError
        An expression of a data file is wrong.
    """
    return _examined([reading], version, depth, said)[0]


class _Case(NamedTuple):
    """One patient of a panel, and why no virtual patients are asked; empty if they are."""

    row: int
    states: dict[str, State]
    alerts: dict[str, tuple[Alert, ...]]
    is_disordered: bool
    withheld: bool
    why_not: str


class _Sifted(NamedTuple):
    """What a library says of the causes of those who are weighed by it, and why not of whom it failed."""

    library: Library
    listed: Posterior
    failed: dict[int, str]


def _examined(readings: Sequence[Reading], version: str, depth: Depth, said: Callable[[str], None]) -> list[Examined]:
    everybody = panel(reading.timeline for reading in readings)
    cases = [_case(everybody, row, depth) for row in range(len(readings))]
    sifted = _sifted(everybody, cases, said) if depth == "library" and engine.kernel() is not None else None
    return [
        _answer(reading, everybody, case, version=version, depth=depth, sifted=sifted, said=said)
        for reading, case in zip(readings, cases, strict=True)
    ]


def _case(everybody: Panel, row: int, depth: Depth) -> _Case:
    columns, alerts = everybody.columns, _alerts(everybody, row)
    states: dict[str, State] = {ion: str(found[row]) for ion, found in everybody.states.items()}  # type: ignore[misc]
    is_disordered = any(state in {"low", "high"} for state in states.values())
    withheld = _is_withheld(alerts, columns, row)
    reason = _why_not(columns, row, depth, is_disordered=is_disordered, withheld=withheld)
    return _Case(row, states, alerts, is_disordered, withheld, reason)


def _sifted(everybody: Panel, cases: Iterable[_Case], said: Callable[[str], None]) -> _Sifted:
    """Return what a library says of everybody of whom it is asked: all at once, or each alone where that fails."""
    library, columns = at_hand(), everybody.columns
    rows, failed, listed = [case.row for case in cases if not case.why_not], {}, everybody.listed
    said("weighing virtual patients")
    try:
        acting = sift(columns, everybody.posterior, rows, library).posterior
    except FAILED:
        acting = everybody.posterior
        for row in rows:
            try:
                acting = sift(columns, acting, [row], library).posterior
            except FAILED as error:
                failed[row] = _failed(error)
    weighed = [row for row in rows if row not in failed]
    mine = some(to_disorders(columns, acting, weighed), weighed)
    return _Sifted(library, among(listed, [(weighed, mine)]), failed)


def _answer(  # noqa: PLR0913  (each is something else)
    reading: Reading,
    everybody: Panel,
    case: _Case,
    *,
    version: str,
    depth: Depth,
    sifted: _Sifted | None,
    said: Callable[[str], None],
) -> Examined:
    timeline, columns = reading.timeline, everybody.columns
    row, states, alerts, is_disordered, withheld, why_not = case
    posterior, cloud, library = everybody.listed, None, None
    if sifted is not None:
        library, posterior, why_not = sifted.library, sifted.listed, why_not or sifted.failed.get(row, "")
    elif not why_not:
        said("weighing virtual patients")
        try:
            acting, cloud = judge(columns, everybody.posterior, row)
        except FAILED as error:
            why_not = _failed(error)
        else:
            posterior = to_disorders(columns, acting, [row])
    everybody = msgspec.structs.replace(everybody, posterior=posterior)
    causes = () if withheld else _with_none(_causes(columns, posterior, row), float(posterior.joint[row, 0]), states)
    issues = list(reading.issues)
    if withheld:
        what = "The causes are not ranked while the sample is in doubt."
        issues.append(Issue("ranking_withheld", "assessment", what, "Repeat the sample."))
    elif library is not None and library.is_small():
        what = f"A small library of {len(library):,} virtual patients was used."
        issues.append(Issue("small_library", "assessment", what, "Build the whole one: carnallite library build"))
    elif why_not and is_disordered and depth != "findings":
        what = f"Not simulated: {why_not}."
        issues.append(Issue("not_simulated", "assessment", what, "Read the causes as what cited findings say."))
    tests = next_tests(columns, posterior, row, cloud)
    factors = _factors(everybody, row)
    coincide = either(posterior, row, causes) if is_disordered else ()
    balance, fit, members = None, None, None
    if cloud is not None and depth == "fit":
        said("taking them through the patient's history")
        try:
            likely = {one.id: one.probability for one in causes}
            members = fitted(cloud, columns.people[row], likely)
            if members is not None:
                balance, fit, causes, factors = _fitted(cloud, members, likely, states, causes, factors)
        except FAILED as error:
            members = None
            what = f"The history was not simulated: {_failed(error)}."
            issues.append(
                Issue("not_simulated", "assessment", what, "Read causes without shares; no plan is foretold.")
            )
    answer = Assessment(
        schema=SCHEMA,
        index=timeline.index,
        states=States(**states),
        emergencies=alerts["emergency"],
        unsafe=alerts["unsafe"],
        samples=alerts["sample"],
        causes=causes,
        factors=factors,
        joint=() if withheld else _joint(posterior, row),
        balance=balance,
        fit=fit,
        magnesium_explains=_explained(everybody, row, states),
        next_tests=tests,
        cannot_tell=bool(coincide) or _cannot_tell(causes, states, is_disordered=is_disordered),
        either=coincide,
        missing=_missing(columns, row, states),
        issues=tuple(issues),
        results=results(columns, row),
        provenance=Provenance(
            version=version, model=None if why_not else model().hash, library=None if library is None else library.name,
            record=f"sha256:{timeline.digest}" if timeline.digest else "",
            knowledge=f"{edition()} ({len(knowledge().causes)} causes, {len(knowledge().statements)} statements)",
        ),
    )  # fmt: skip
    return Examined(answer, columns, members)


def _failed(error: Exception) -> str:
    """Return that a simulation failed; what it was about is no part of it."""
    return f"the simulation failed ({type(error).__name__})"


def _why_not(columns: Columns, row: int, depth: Depth, *, is_disordered: bool, withheld: bool) -> str:
    """Return why nothing is simulated; empty if it is."""
    if depth == "findings":
        return "it was not asked for"
    if withheld:
        return "the sample is in doubt"
    return why_not(columns, row) if is_disordered else "nothing is out of range"


def _fitted(
    cloud: Cloud,
    fit: Fit,
    likely: dict[str, float],
    states: dict[str, State],
    causes: tuple[RankedCause, ...],
    factors: tuple[RankedFactor, ...],
) -> tuple[Balance | None, IndividualFit, tuple[RankedCause, ...], tuple[RankedFactor, ...]]:
    """Return balance, fit, and causes and factors with their shares."""
    why = reasons(fit, [one.id for one in factors]) if holds(cloud, fit, likely) else None
    off = (states["potassium"] in {"low", "high"}, states["calcium"] in {"low", "high"})
    low = states["magnesium"] == "low"
    value = fit_of(cloud, fit, why, likely=likely, disordered=off, magnesium_low=low)
    if why is None:
        return None, value, causes, factors
    share = {(one.kind, one.id): share_of(one) for one in why.changes}
    with_share = tuple(msgspec.structs.replace(one, share=share.get(("cause", one.id))) for one in causes)
    also = tuple(msgspec.structs.replace(one, share=share.get(("factor", one.id))) for one in factors)
    return balance_of(why), value, with_share, also


def unsafe(timeline: Timeline) -> tuple[Alert, ...]:
    """Return what is unsafe for one patient, as `assess` says it, in a fraction of its time: no cause is needed for it.

    Raises
    ------
    DataFileError
        An expression of a data file is wrong.
    """
    return _alerts(survey([timeline]), 0)["unsafe"]


def _alerts(everybody: Survey, row: int) -> dict[str, tuple[Alert, ...]]:
    """Return the rules that hold, and those that cannot be decided although they matter."""
    found: dict[str, list[tuple[int, Alert]]] = {"emergency": [], "unsafe": [], "sample": []}
    columns = everybody.columns
    for rule in knowledge().rules.values():
        said = everybody.alerts[rule.id][row]
        if said == PRESENT:
            summary, do, because = rule.summary, rule.do, rule.when
        elif said == UNKNOWN:
            names = " and ".join(analyte(id).name for id in rule.ask if not _is_current(columns.people[row], id))
            summary = f"Not known whether safe: {rule.summary[0].lower()}{rule.summary[1:]}"
            do, because = f"Measure {names} first." if names else _UNSTEADY, rule.asks_when
        else:
            continue
        why = facts_for(because, columns, row)
        alert = Alert(id=rule.id, summary=summary, do=do, why=why, statements=rule.statements, source=rule.source)
        found[rule.kind].append((rule.rank, alert))
    return {
        kind: tuple(alert for _, alert in sorted(pairs, key=lambda p: (p[0], p[1].id))) for kind, pairs in found.items()
    }


def _is_current(person: Facts, quantity: str) -> bool:
    low, high = person.current(quantity)
    return not (np.isinf(low) and np.isinf(high))


def _is_withheld(alerts: dict[str, tuple[Alert, ...]], columns: Columns, row: int) -> bool:
    """Return whether the sample is so doubtful that a ranking would mislead; an ECG change overrides the doubt."""
    doubtful = any(alert.id == "edta_contamination_suspected" for alert in alerts["sample"])
    return doubtful and columns.people[row].recorded("ecg_hyperkalemia") != PRESENT


def _causes(columns: Columns, posterior: Posterior, row: int) -> tuple[RankedCause, ...]:
    ranked: list[RankedCause] = []
    for number in np.argsort(-posterior.marginal[row], kind="stable"):
        probability = float(posterior.marginal[row, number])
        if probability < _LISTED:
            break
        ranked.append(_cause(int(number), columns, posterior, row))
    return tuple(ranked)


def _with_none(
    causes: tuple[RankedCause, ...], probability: float, states: dict[str, State]
) -> tuple[RankedCause, ...]:
    """Return the causes with the chance that it is none of them; nothing where nothing was measured."""
    if any(state in {"low", "high"} for state in states.values()):
        none = RankedCause(id="other", name="None of the causes that we know", probability=0, basis="inferred")
    elif all(states[ion] == "normal" for ion in ("magnesium", "potassium")):
        none = RankedCause(id="none", name="No cause: nothing is out of range", probability=0, basis="inferred")
    else:
        return causes
    none = msgspec.structs.replace(none, probability=round(probability, 4))
    listed = (*causes, none) if probability >= _LISTED else causes
    return tuple(sorted(listed, key=lambda one: (-one.probability, one.id)))


def _cause(number: int, columns: Columns, posterior: Posterior, row: int) -> RankedCause:
    net = network()
    item = knowledge().causes[net.causes[number]]
    prior = item.priors[posterior.matched[row, number]]
    reasons: list[Reason] = []
    against: list[Reason] = []
    if prior.when:
        told = "; ".join(facts_for(prior.when, columns, row)) or prior.because
        statement = item.statements[0] if item.statements else None
        reasons.append(Reason(fact=told, statement=statement, source=prior.source, status=prior.status))
    for clue in item.clues:
        column = net.findings.index(clue.finding)
        strength, background = clue.probability, float(net.background[column])
        ratio = (1 - (1 - background) * (1 - strength)) / background
        state = posterior.state[row, column]
        if state == PRESENT and ratio > 1.5:
            reasons.append(_reason(clue, round(ratio, 1), columns, row))
        elif state == ABSENT and strength > 0.4:
            against.append(_reason(clue, round(1 - strength, 2), columns, row))
    return RankedCause(
        id=item.id,
        name=item.name,
        probability=round(float(posterior.marginal[row, number]), 4),
        basis="recorded" if prior.when and prior.because else "inferred",
        because=item.mechanism, for_=tuple(reasons), against=tuple(against), statements=item.statements,
    )  # fmt: skip


def _reason(clue: Clue, ratio: float, columns: Columns, row: int) -> Reason:
    return Reason(
        fact=_as_fact(clue.finding, columns, row),
        statement=clue.statement or None,
        likelihood_ratio=ratio,
        source=clue.source,
        status=clue.status,
    )


def _as_fact(id: str, columns: Columns, row: int) -> str:
    name = knowledge().findings[id].name
    told = facts_of_finding(id, columns, row)
    is_present = columns.findings[id][row] == PRESENT
    head = name if is_present else f"Not: {name[0].lower()}{name[1:]}"
    details = [one for one in told if one != head]
    return f"{head}: {'; '.join(details[:3])}" if details else head


def _joint(posterior: Posterior, row: int) -> tuple[JointCauses, ...]:
    net = network()
    order = np.argsort(-posterior.joint[row], kind="stable")[:5]
    found = []
    for number in order:
        probability = float(posterior.joint[row, number])
        members = posterior.candidates[row][posterior.sets[number]]
        if probability >= 0.05 and len(members):
            names = tuple(sorted(net.causes[member] for member in members))
            found.append(JointCauses(causes=names, probability=round(probability, 4)))
    return tuple(found)


def _factors(everybody: Panel, row: int) -> tuple[RankedFactor, ...]:
    ranked: list[RankedFactor] = []
    for factor in knowledge().factors.values():
        chances, matched = everybody.factors[factor.id]
        probability = float(chances[row])
        prior = factor.priors[matched[row]]
        reasons: tuple[Reason, ...] = ()
        if prior.when:
            statement = factor.statements[0] if factor.statements else None
            reasons = tuple(
                Reason(fact=fact, statement=statement, source=prior.source, status=prior.status)
                for fact in facts_for(prior.when, everybody.columns, row)
            )
        by_cause, kept_by = _kept(factor, everybody, row)
        if by_cause > probability:
            probability, reasons = by_cause, kept_by
        if probability >= 0.2:
            ranked.append(RankedFactor(id=factor.id, name=factor.name, probability=round(probability, 4), for_=reasons))
    return tuple(sorted(ranked, key=lambda one: (-one.probability, one.id)))


def _kept(factor: Factor, everybody: Panel, row: int) -> tuple[float, tuple[Reason, ...]]:
    """Return how probably one of the causes acts by which a factor is kept up, and why."""
    names, posterior = network().causes, everybody.posterior
    going = [one for one in factor.kept_by if not one.when or evaluate(one.when, everybody.columns)[row] == PRESENT]
    acting = np.zeros(len(names), bool)
    acting[[names.index(one.cause) for one in going]] = True
    candidates, marginal = posterior.candidates[row], posterior.marginal[row]
    spared = posterior.joint[row][~(posterior.sets & acting[candidates]).any(axis=1)].sum()
    acting[candidates] = False  # those that are left are weighed alone
    probability = float(1 - spared * np.prod(1 - marginal[acting])) if going else 0.0
    first = max(going, key=lambda one: marginal[names.index(one.cause)], default=None)
    if first is None:
        return 0.0, ()
    cause = knowledge().causes[first.cause]
    told = "; ".join(facts_for(first.when, everybody.columns, row)) if first.when else ""
    chance = f"{100 * marginal[names.index(cause.id)]:.0f} % likely to act"
    fact = f"{cause.name}, {chance}: {told}" if told else f"{cause.name}, {chance}"
    return probability, (Reason(fact=fact, statement=cause.statements[0] if cause.statements else None),)


def _explained(everybody: Panel, row: int, states: dict[str, State]) -> Explained:
    """Return how probably the magnesium disorder is a cause of the others, given the other causes.

    A disorder of the last days counts although the level is normal again under treatment.
    While magnesium is unknown nothing may be inferred from the lack of another cause: the base rate stands.
    """
    answers: dict[str, float | None] = {"potassium": None, "calcium": None}
    for ion in answers:
        disorder = next(
            (id for id in DISORDERS[ion] if finding(f"{id}_episode", everybody.columns)[row] == PRESENT), None
        )
        if disorder is None:
            continue
        link = next((one.id for one in knowledge().links.values() if one.effect == f"{disorder}_episode"), None)
        if link is None:
            answers[ion] = 0.0
        elif states["magnesium"] == "unknown":
            answers[ion] = round(float(everybody.links[link][0][row]), 4)
        else:
            answers[ion] = _linked(link, everybody, row)
    return Explained(**answers)


def _linked(id: str, everybody: Panel, row: int) -> float:
    link = knowledge().links[id]
    alone = float(everybody.links[id][0][row])
    fired = alone / (1 - (1 - alone) * unexplained(everybody.posterior, row, link.effect))
    return round(float(everybody.posterior.joint[row] @ fired), 4)


def _cannot_tell(causes: tuple[RankedCause, ...], states: dict[str, State], *, is_disordered: bool) -> bool:
    if not is_disordered:
        return all(state == "unknown" for state in states.values())
    if not causes or causes[0].id == "other":
        return True
    second = causes[1].probability if len(causes) > 1 else 0.0
    return causes[0].probability < _CLEAR and causes[0].probability < _APART * second


def either(posterior: Posterior, row: int, causes: tuple[RankedCause, ...]) -> tuple[str, ...]:
    """Return the first cause and another, if one acts but hardly both, and nothing tells which; else nothing."""
    names = [network().causes[number] for number in posterior.candidates[row]]
    if not causes or causes[0].id not in names:
        return ()
    first = posterior.sets[:, names.index(causes[0].id)]
    for other in causes[1:]:
        if other.id in names:
            second = posterior.sets[:, names.index(other.id)]
            parts = (first & ~second, second & ~first, first & second)
            this, that, both = (float(posterior.joint[row, one].sum()) for one in parts)
            if this + that >= _CLEAR and this < _APART * that and both < min(this, that):
                return (causes[0].id, other.id)
    return ()


def _missing(columns: Columns, row: int, states: dict[str, State]) -> tuple[str, ...]:
    """Return what was not measured, or not lately, and is needed for a decision."""
    person = columns.people[row]
    wanted = [MEASURES[ion][0] for ion, state in states.items() if state == "unknown"]
    found = [analyte(id).name for id in wanted]
    for id in ("serum_magnesium", "serum_potassium", "serum_creatinine"):
        one = person.latest(id)
        if one is None and analyte(id).name not in found:
            found.append(analyte(id).name)
        elif one is not None and not _is_current(person, id):
            age = "undated" if one.time is None else f"{(person.timeline.index - one.time).days} days old"
            found.append(f"{analyte(id).name}, fresh (the last is {age})")
    return tuple(dict.fromkeys(found))
