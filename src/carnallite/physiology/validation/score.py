"""How near the simulated numbers come to the observed ones: rows, targets, topics, gates.

The rules are those of the file of targets; their figures are in `scoring.toml`, the gates in `gates.toml`. What was
not simulated is never scored: it is counted apart, with its reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from math import isfinite, sqrt
from pathlib import Path
from re import findall
from typing import Literal

import msgspec

from carnallite.datafile import read
from carnallite.errors import DataFileError, UnknownIdError, did_you_mean
from carnallite.physiology.validation.targets import Observation, Outcome, Simulated, Target, TargetFile

Colour = Literal["green", "amber", "red"]
Verdict = Literal["green", "amber", "red", "input", "not scored", "not simulated"]
NOISE = 1e-9  # a change smaller than this is none


class ValueRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How wide a mean may be missed."""

    spread: float
    least: float
    most: float
    without_sd: float


class ProportionRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How wide a share may be missed."""

    spread: float
    good: float
    accept: float
    doubling: float


class Floor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The least tolerance of a quantity: an `amount` in `unit`, or a `share` of the level."""

    quantity: str
    unit: str = ""
    amount: float | None = None
    share: float = 0


class Sign(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an expectation in words means."""

    expect: str
    sign: Literal["+", "-"]
    about: str
    little: bool = False


class Rules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of `scoring.toml`."""

    unscored_uses: list[str]
    unscored_certainties: list[str]
    inputs: list[str]
    changes: list[str]
    value: ValueRule
    proportion: ProportionRule
    margin: dict[Literal["range", "bound", "null"], float]
    colours: dict[Literal["green", "amber"], float]
    floors: list[Floor]
    signs: list[Sign]


class Place(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where an observation stands: the target, and whatever tells it from the others there."""

    target: str
    quantity: str
    arm: str | None = None
    time_h: float | None = None


class GateTest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One condition of a gate; the kinds are explained in `gates.toml`."""

    kind: Literal["sign", "unchanged", "not_above", "within", "same", "ratio", "measure"]
    row: Place | None = None
    other: Place | None = None
    at_least: float = 0
    at_most: float = 0
    measure: str = ""


class Gate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What must hold whatever the mean score is."""

    id: str
    about: str
    tests: list[GateTest]


class Gates(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of `gates.toml`."""

    gates: list[Gate]


@dataclass(frozen=True, slots=True)
class Row:
    """One observation and what was simulated for it; `error` is the miss in units of tol_good [1], signed."""

    observation: Observation
    simulated: float | None
    score: float | None
    verdict: Verdict
    why_not: str = ""
    error: float | None = None
    is_inside: bool | None = None
    unchanged: float | None = None


@dataclass(frozen=True, slots=True)
class TargetScore:
    """One target: score and skill [1], or why it has none.

    `baseline` is that of the file; `skill` is (score - baseline) / (1 - baseline). `dynamic_skill` compares like
    with like: only the simulated observations that move, for the model and for the baseline.
    """

    target: Target
    rows: tuple[Row, ...]
    is_scored: bool
    score: float | None = None
    skill: float | None = None
    dynamic_score: float | None = None
    dynamic_baseline: float | None = None
    why_not: str = ""
    who: str = ""
    assumptions: tuple[str, ...] = ()

    @property
    def dynamic_skill(self) -> float | None:
        """[1] Skill over the simulated observations that move."""
        return skill(self.dynamic_score, self.dynamic_baseline)

    @property
    def baseline(self) -> float | None:
        """[1] The score of a body that does not change, as the file states it."""
        return self.target.no_change_baseline.score if self.target.no_change_baseline else None


@dataclass(frozen=True, slots=True)
class Summary:
    """Some targets together: mean of topics, each the mean of its targets [1].

    `n` of `n_total` targets and `n_rows` of `n_rows_total` observations were simulated; `rmse` and `bias` are in
    units of tol_good, over simulated values; `inside` is the share inside stated 90 % intervals.
    """

    score: float | None
    skill: float | None
    dynamic_skill: float | None
    n: int
    n_total: int
    n_rows: int
    n_rows_total: int
    rmse: float | None
    bias: float | None
    inside: float | None


@dataclass(frozen=True, slots=True)
class Division:
    """All targets of one use, and apart those whose protocol needs no guessing and those whose protocol does."""

    all: Summary
    without_guessing: Summary
    with_guessing: Summary


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic over both uses, and each use by itself."""

    all: Summary
    fit: Summary
    check: Summary


@dataclass(frozen=True, slots=True)
class GateResult:
    """Whether a gate holds; None where what it needs was not simulated."""

    gate: Gate
    holds: bool | None
    why: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Validation:
    """The scored file of targets."""

    file: TargetFile
    targets: tuple[TargetScore, ...]
    fit: Division
    check: Division
    topics: dict[str, Topic]
    gates: tuple[GateResult, ...]


@cache
def rules() -> Rules:
    """Return the rules of scoring."""
    return read(Path(__file__).with_name("scoring.toml"), Rules)


@cache
def gates() -> tuple[Gate, ...]:
    """Return the gates."""
    return tuple(read(Path(__file__).with_name("gates.toml"), Gates).gates)


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
        gates=tuple(_gate(gate, targets, measures or {}) for gate in gates()),
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
    value = _mean(weighed)
    base = target.no_change_baseline
    return TargetScore(
        target=target,
        rows=rows,
        is_scored=not why_not,
        score=value,
        skill=skill(value, base.score if base else None),
        dynamic_score=_mean((one, 1) for one, _ in moving),
        dynamic_baseline=_mean((one, 1) for _, one in moving),
        why_not=why_not or ("" if value is not None else simulated.why_not or _reasons(rows)),
        who=simulated.who,
        assumptions=simulated.assumptions,
    )


def skill(score: float | None, baseline: float | None) -> float | None:
    """Return the share of what a body that does not change leaves to be earned [1].

    >>> skill(0.9, 0.5)
    0.8
    """
    if score is None or baseline is None or baseline >= 1:
        return None
    return (score - baseline) / (1 - baseline)


def colour(score: float) -> Colour:
    """Return the colour of a score.

    >>> colour(0.95), colour(0.7), colour(0.1)
    ('green', 'amber', 'red')
    """
    limits = rules().colours
    if score >= limits["green"]:
        return "green"
    return "amber" if score >= limits["amber"] else "red"


def observation_score(row: Observation, simulated: float, *, start: float | None = None) -> float | None:
    """Return the score of one simulated number [1], or None where the file does not say in numbers what it expects.

    >>> row = Observation("null", "delta_plasma_K", "mmol/L", threshold=0.25)
    >>> observation_score(row, 0.1), observation_score(row, -0.375), observation_score(row, 0.5)
    (1.0, 0.5, 0.0)
    """
    margin = rules().margin
    match row.kind:
        case "value" | "proportion" if row.value is not None:
            good, accept = tolerances(row)
            return _falling(abs(simulated - row.value), good, accept)
        case "range" if row.low is not None and row.high is not None:
            beyond = max(row.low - simulated, simulated - row.high)
            return _falling(beyond, 0, margin["range"] * (row.high - row.low))
        case "sign":
            return _sign_score(row, simulated, start)
        case "null" if row.threshold is not None:
            return _falling(abs(simulated), row.threshold, (1 + margin["null"]) * row.threshold)
        case "le" | "ge":
            limit = bound(row)
            if limit is not None:
                beyond = simulated - limit if row.kind == "le" else limit - simulated
                return _falling(beyond, 0, margin["bound"] * abs(limit))
    return None


def tolerances(row: Observation) -> tuple[float, float]:
    """Return tol_good and tol_accept of a value or a proportion: those of the file, else derived from its spread."""
    good, accept = _share_tolerances(row) if row.kind == "proportion" else _value_tolerances(row)
    return good, max(good, accept)


def bound(row: Observation) -> float | None:
    """Return the bound of a `le` or `ge`: its threshold, else its value."""
    return row.value if row.threshold is None else row.threshold


def floor(row: Observation, *, start: float | None = None) -> float | None:
    """Return the least tolerance of a quantity, in its unit; None where it is a share of an unknown level.

    >>> floor(Observation("value", "plasma_Mg_total", "mmol/L", value=0.8))
    0.03
    """
    for line in rules().floors:
        if fnmatchcase(row.quantity, line.quantity) and (not line.unit or row.unit in {line.unit, ""}):
            level = row.value if start is None else start
            return line.amount if line.amount is not None else None if level is None else line.share * abs(level)
    return None


def expected_sign(row: Observation) -> Sign | None:
    """Return the direction that a `sign` expects, or None where its words are not understood."""
    for sign in rules().signs:
        if row.expect.strip() == sign.expect:
            return sign
    match row.expect.strip()[:1]:
        case "+":
            return Sign(row.expect, "+", "The change is a rise.")
        case "-" | "−":
            return Sign(row.expect, "-", "The change is a fall.")
    return None


def unchanged(target: Target, row: Observation) -> float | None:
    """Return what a body that does not change would give for a value, or None where that is not defined.

    A change is 0 then; a level is that of the start of the same arm.
    """
    if row.kind != "value" or is_input(row):
        return None
    if any(fnmatchcase(row.quantity, pattern) for pattern in rules().changes):
        return 0.0
    if row.time_h is not None and row.time_h <= 0:
        return None
    for first in target.observations:
        is_same = (first.kind, first.quantity, first.arm) == (row.kind, row.quantity, row.arm)
        if is_same and first.time_h is not None and first.time_h <= 0:
            return first.value
    return None


def no_change(target: Target) -> tuple[float, int] | None:
    """Return the score [1] of a body that does not change, and over how many observations; None where over none."""
    scores = [
        observation_score(row, guess) for row in target.observations if (guess := unchanged(target, row)) is not None
    ]
    value = _mean((one, 1) for one in scores if one is not None)
    return None if value is None else (value, len(scores))


def is_input(row: Observation) -> bool:
    """Return whether the file marks an observation as given to the simulation."""
    return bool(set(rules().inputs) & set(findall(r"\w+", f"{row.tol_reason} {row.note}")))


def _value_tolerances(row: Observation) -> tuple[float, float]:
    rule, least = rules().value, floor(row) or 0
    sampling = rule.spread * row.sd / sqrt(row.n) if row.sd is not None and row.n else 0
    good = max(sampling, least) if row.tol_good is None else row.tol_good
    if row.tol_accept is not None:
        return good, row.tol_accept
    if row.sd is None:
        return good, rule.without_sd * good
    return good, min(max(row.sd, rule.least * good), rule.most * good)


def _share_tolerances(row: Observation) -> tuple[float, float]:
    rule, share = rules().proportion, row.value or 0
    sampling = rule.spread * sqrt(share * (1 - share) / row.n) if row.n else 0
    good = max(sampling, rule.good) if row.tol_good is None else row.tol_good
    accept = max(rule.doubling * sampling, rule.accept) if row.tol_accept is None else row.tol_accept
    return good, accept


def _falling(miss: float, good: float, accept: float) -> float:
    """Return 1 up to `good`, 0 from `accept` on, a straight line between."""
    if miss <= good:
        return 1.0
    return 0.0 if miss >= accept else (accept - miss) / (accept - good)


def _sign_score(row: Observation, simulated: float, start: float | None) -> float | None:
    expected = expected_sign(row)
    if expected is None:
        return None
    change, least = simulated if expected.sign == "+" else -simulated, floor(row, start=start) or 0
    return float(change > max(least, NOISE) or (expected.little and change >= -least))


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


def _mean(weighed: Iterable[tuple[float, float]]) -> float | None:
    """Return the weighted mean, or None of nothing.

    >>> _mean([(1.0, 3), (0.0, 1)])
    0.75
    """
    pairs = list(weighed)
    total = sum(weight for _, weight in pairs)
    return sum(value * weight for value, weight in pairs) / total if total else None


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
    square = _mean((error**2, 1) for error in errors)
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
        bias=_mean((error, 1) for error in errors),
        inside=_mean((float(inside), 1) for inside in insides),
    )


def _by_topic(targets: list[TargetScore], value: Callable[[TargetScore], float | None]) -> float | None:
    """Return the mean over topics of the mean over targets, of those that were simulated."""
    topics: dict[str, list[float]] = {}
    for one in targets:
        number = value(one)
        if number is not None and one.score is not None:
            topics.setdefault(one.target.topic, []).append(number)
    return _mean((sum(numbers) / len(numbers), 1) for numbers in topics.values())


def _gate(gate: Gate, targets: tuple[TargetScore, ...], measures: Mapping[str, float | None]) -> GateResult:
    results = [_test(test, targets, measures) for test in gate.tests]
    answers = [holds for holds, _ in results]
    holds = False if False in answers else None if None in answers else True
    return GateResult(gate, holds, tuple(why for _, why in results))


def _test(
    test: GateTest, targets: tuple[TargetScore, ...], measures: Mapping[str, float | None]
) -> tuple[bool | None, str]:
    if test.kind == "measure":
        number = measures.get(test.measure)
        if number is None or not isfinite(number):
            return None, f"{test.measure} was not measured"
        return number <= test.at_most, f"{test.measure} {number:.3g}, at most {test.at_most:.3g}"
    places = [place for place in (test.row, test.other) if place is not None]
    found = [_find(place, targets) for place in places]
    rows = [row for row in found if isinstance(row, Row)]
    lost = [row for row in found if isinstance(row, str)] + [row.why_not for row in rows if row.simulated is None]
    if lost:
        return None, f"not simulated: {lost[0]}"
    numbers = [row.simulated for row in rows if row.simulated is not None]
    told = (f"{_told(place)} {number:.4g}" for place, number in zip(places, numbers, strict=True))
    return _holds(test, rows[0], numbers), f"{test.kind.replace('_', ' ')}: {', '.join(told)}"


def _told(place: Place) -> str:
    arm = f", {place.arm}" if place.arm else ""
    return f"{place.target} {place.quantity.replace('_', ' ')}{arm}"


def _holds(test: GateTest, row: Row, numbers: list[float]) -> bool | None:
    first, last, observed = numbers[0], numbers[-1], row.observation
    good, accept = tolerances(observed)
    match test.kind:
        case "sign":
            return None if row.score is None else row.score == 1
        case "unchanged":
            return abs(first) <= (good if observed.threshold is None else observed.threshold)
        case "not_above":
            return first - (observed.value or 0) <= accept
        case "within":
            return abs(first - (observed.value or 0)) <= accept
        case "same":
            return abs(first - last) <= good
        case "ratio":
            return last > 0 and first >= test.at_least * last
    return None


def _find(place: Place, targets: tuple[TargetScore, ...]) -> Row | str:
    """Return the one row at a place, or why there is none."""
    rows = [row for one in targets if one.target.id == place.target for row in one.rows if _is_at(row, place)]
    if len(rows) != 1:
        return f"{place.target} has {len(rows) or 'no'} observations of {place.quantity} there, one is needed"
    return rows[0]


def _is_at(row: Row, place: Place) -> bool:
    seen = row.observation
    return (
        seen.quantity == place.quantity
        and (place.arm is None or seen.arm == place.arm)
        and (place.time_h is None or seen.time_h == place.time_h)
    )
