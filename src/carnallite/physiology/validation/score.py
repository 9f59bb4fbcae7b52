"""How near the simulated numbers come to the observed ones: rows, targets, topics, gates.

One observation is scored by `rules`; here they are put together. What was not simulated is never scored: it is
counted apart, with its reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import isfinite, sqrt

from carnallite.errors import DataFileError, UnknownIdError, did_you_mean
from carnallite.physiology.validation.gates import GateResult, gates, tested
from carnallite.physiology.validation.rules import (
    colour,
    is_input,
    mean,
    observation_score,
    rules,
    tolerances,
    unchanged,
)
from carnallite.physiology.validation.scored import Division, Row, Summary, TargetScore, Topic, skill
from carnallite.physiology.validation.targets import Observation, Outcome, Simulated, Target, TargetFile


@dataclass(frozen=True, slots=True)
class Validation:
    """The scored file of targets."""

    file: TargetFile
    targets: tuple[TargetScore, ...]
    fit: Division
    check: Division
    topics: dict[str, Topic]
    gates: tuple[GateResult, ...]


def score(
    file: TargetFile, simulated: Mapping[str, Simulated], *, measures: Mapping[str, float | None] | None = None
) -> Validation:
    """Score what was simulated against a file of targets.

    Parameters
    ----------
    file : TargetFile
        From `published` or `read_targets`.
    simulated : mapping
        By id of target. A target that is not there counts as not simulated.
    measures : mapping, optional
        Numbers that gates need and no observation holds: `mass_balance` [1], the worst over every protocol.

    Raises
    ------
    UnknownIdError
        A simulated target is not in the file.
    DataFileError
        A simulated target has not as many outcomes as observations.
    """
    known = {target.id for target in file.targets}
    for id in simulated:
        if id not in known:
            raise UnknownIdError(file.name, f"has no target '{id}'.", did_you_mean(id, known))
    nothing = Simulated.missing("no protocol was run")
    targets = tuple(score_target(target, simulated.get(target.id, nothing)) for target in file.targets)
    return Validation(
        file=file,
        targets=targets,
        fit=_division(_of_use(targets, "fit")),
        check=_division(_of_use(targets, "check")),
        topics=_topics(targets),
        gates=tuple(tested(gate, targets, measures or {}) for gate in gates()),
    )


def score_target(target: Target, simulated: Simulated) -> TargetScore:
    """Score one target: the weighted mean of those of its observations that were simulated."""
    outcomes = simulated.outcomes or (Outcome(why_not=simulated.why_not),) * len(target.observations)
    if len(outcomes) != len(target.observations):
        what = f"{len(outcomes)} outcomes for {len(target.observations)} observations."
        raise DataFileError(f"target {target.id}", what, "Give one for each, in their order.")
    why_not = _unscored(target)
    rows = tuple(
        _row(target, row, outcome, unscored=why_not) for row, outcome in zip(target.observations, outcomes, strict=True)
    )
    weighed = [(row.score, row.observation.weight) for row in rows if row.score is not None]
    moving = [(row.score, row.unchanged) for row in rows if row.score is not None and row.unchanged is not None]
    value = mean(weighed)
    base = target.no_change_baseline
    return TargetScore(
        target=target,
        rows=rows,
        is_scored=not why_not,
        score=value,
        skill=skill(value, base.score if base else None),
        dynamic_score=mean((one, 1) for one, _ in moving),
        dynamic_baseline=mean((one, 1) for _, one in moving),
        why_not=why_not or ("" if value is not None else simulated.why_not or _reasons(rows)),
        who=simulated.who,
        assumptions=simulated.assumptions,
    )


def _unscored(target: Target) -> str:
    """Return why the file itself does not want a target scored, or nothing."""
    if target.use in rules().unscored_uses:
        return f"{target.use}: the file does not score it"
    if target.certainty in rules().unscored_certainties:
        return f"certainty {target.certainty}: from memory, not verified"
    return ""


def _row(target: Target, row: Observation, outcome: Outcome, *, unscored: str) -> Row:
    value = outcome.value
    if value is None or not isfinite(value):
        reason = outcome.why_not or ("no reason given" if value is None else f"the simulation gave {value}")
        return Row(row, None, None, "not simulated", reason)
    if unscored:
        return Row(row, value, None, "not scored", unscored)
    if outcome.imposed or is_input(row):
        return Row(row, value, None, "input", "given to the simulation, so it earns nothing")
    points = observation_score(row, value, start=outcome.start)
    if points is None:
        return Row(row, value, None, "not scored", f"the file says '{row.expect}', which no rule reads as a number")
    guess = unchanged(target, row)
    still = None if guess is None else observation_score(row, guess)
    within = None if outcome.interval is None else _is_inside(row, outcome.interval)
    return Row(row, value, points, colour(points), error=_error(row, value), is_inside=within, unchanged=still)


def _error(row: Observation, simulated: float) -> float | None:
    good, _ = tolerances(row) if row.kind == "value" else (0, 0)
    return (simulated - row.value) / good if good and row.value is not None else None


def _is_inside(row: Observation, interval: tuple[float, float]) -> bool | None:
    return None if row.value is None else interval[0] <= row.value <= interval[1]


def _reasons(rows: tuple[Row, ...]) -> str:
    return "; ".join(dict.fromkeys(row.why_not for row in rows if row.why_not))


def _of_use(targets: Iterable[TargetScore], use: str) -> tuple[TargetScore, ...]:
    return tuple(one for one in targets if one.is_scored and one.target.use == use)


def _division(targets: tuple[TargetScore, ...]) -> Division:
    needs_none = {one.target.id for one in targets if one.target.protocol.simulable_without_guessing}
    return Division(
        all=summary(targets),
        without_guessing=summary(one for one in targets if one.target.id in needs_none),
        with_guessing=summary(one for one in targets if one.target.id not in needs_none),
    )


def _topics(targets: tuple[TargetScore, ...]) -> dict[str, Topic]:
    scored = [one for one in targets if one.is_scored]
    grouped = {one.target.topic: [each for each in scored if each.target.topic == one.target.topic] for one in scored}
    return {
        name: Topic(summary(members), summary(_of_use(members, "fit")), summary(_of_use(members, "check")))
        for name, members in grouped.items()
    }


def summary(targets: Iterable[TargetScore]) -> Summary:
    """Return mean of topics, skill, misses and counts of some targets."""
    members = [one for one in targets if one.is_scored]
    rows = [row for one in members for row in one.rows]
    based = [one for one in members if one.baseline is not None]
    errors = [row.error for row in rows if row.error is not None]
    insides = [row.is_inside for row in rows if row.is_inside is not None]
    square = mean((error**2, 1) for error in errors)
    return Summary(
        score=_by_topic(members, lambda one: one.score),
        skill=skill(_by_topic(based, lambda one: one.score), _by_topic(based, lambda one: one.baseline)),
        dynamic_skill=skill(
            _by_topic(members, lambda one: one.dynamic_score), _by_topic(members, lambda one: one.dynamic_baseline)
        ),
        n=sum(one.score is not None for one in members),
        n_total=len(members),
        n_rows=sum(row.simulated is not None for row in rows),
        n_rows_total=len(rows),
        rmse=None if square is None else sqrt(square),
        bias=mean((error, 1) for error in errors),
        inside=mean((float(inside), 1) for inside in insides),
    )


def _by_topic(targets: list[TargetScore], value: Callable[[TargetScore], float | None]) -> float | None:
    """Return the mean over topics of the mean over targets, of those that were simulated."""
    topics: dict[str, list[float]] = {}
    for one in targets:
        number = value(one)
        if number is not None and one.score is not None:
            topics.setdefault(one.target.topic, []).append(number)
    return mean((sum(numbers) / len(numbers), 1) for numbers in topics.values())
