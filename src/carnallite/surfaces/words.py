"""How a surface says things: chances in words, times, both unit systems, and what the evidence is worth."""

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime
from functools import cache
from typing import TYPE_CHECKING, Literal

import msgspec

from carnallite.knowledge import knowledge
from carnallite.quantity import analyte, analytes, printed_unit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from carnallite.assessment import Assessment, Reason, Result
    from carnallite.assessment.values import Answer, NextTest, State
    from carnallite.knowledge import Reviewed, Statement
    from carnallite.quantity import Analyte

Units = Literal["si", "us"]
JOIN = "\N{NO-BREAK SPACE}"  # between a number and its unit
INTENDED_USE = "Research software, not a medical device: decision support for clinicians."
NO_CAUSE = frozenset({"other", "none"})  # entries of the ranking that are not causes

# A scale of words for readers, not a clinical cut-off: the number always stands beside the word.
_CHANCES = (
    (0.9, "very likely"),
    (0.66, "likely"),
    (0.33, "possible"),
    (0.1, "less likely"),
    (0.0, "unlikely"),
)
DOUBTED = frozenset({"contested", "contradicted", "unverifiable"})
_IONS: dict[str, tuple[str, ...]] = {
    "magnesium": ("serum_magnesium", "ionized_magnesium"),
    "potassium": ("serum_potassium", "blood_potassium"),
    "calcium": ("ionized_calcium", "corrected_calcium", "serum_calcium"),
}
_EFFECTS = {
    ("potassium", "low"): "hypokalemia",
    ("potassium", "high"): "hyperkalemia",
    ("calcium", "low"): "hypocalcemia",
}
_KINDS = {
    "ionized_magnesium": "ionized",
    "blood_potassium": "whole-blood",
    "ionized_calcium": "ionized",
    "corrected_calcium": "corrected",
}
_FLAGS = {"low": "L", "high": "H"}


# a number and the word after it stay together; a date is not a number with a unit
_UNIT_AFTER = re.compile(r"(?<=\d) (?=[^\W\d]|%)(?<!\d{4}-\d\d-\d\d )")


class Ion(msgspec.Struct, frozen=True, kw_only=True):
    """Where an ion stands and the result that shows it."""

    name: str
    state: State
    result: Result | None
    kind: str = ""  # "ionized", "corrected" ...; empty for the total in serum


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """Another disorder, how probably that of magnesium causes it, and the statements that this rests on."""

    disorder: str
    probability: float
    statements: tuple[str, ...]


class Dispute(msgspec.Struct, frozen=True, kw_only=True):
    """A statement that the evidence does not carry, with what is said on either side."""

    statement: Statement
    contrary: tuple[Statement, ...]


def chance(probability: float) -> str:
    """Return a probability in words.

    >>> [chance(p) for p in (0.95, 0.7, 0.5, 0.2, 0.01)]
    ['very likely', 'likely', 'possible', 'less likely', 'unlikely']
    """
    return next(word for least, word in _CHANCES if probability >= least)


def percent(probability: float) -> str:
    """Return a probability as a percentage that never claims certainty.

    >>> percent(0.834), percent(0.999), percent(0.001)
    ('83\\xa0%', '>99\\xa0%', '<1\\xa0%')
    """
    if probability > 0.99:
        return f">99{JOIN}%"
    return f"<1{JOIN}%" if probability < 0.01 else f"{probability:.0%}".replace("%", f"{JOIN}%")


def bound(text: str) -> str:
    """Return a text in which no line ends between a number and its unit.

    >>> bound("10 mmol of KCl on 2020-06-01 by vein")
    '10\\xa0mmol of KCl on 2020-06-01 by vein'
    """
    return _UNIT_AFTER.sub(JOIN, text)


def printable(text: str) -> str:
    """Return a text without control characters, which could steer a terminal or break a document.

    >>> printable("a\\x1b[31m b\\xa0c")
    'a[31m b\\xa0c'
    """
    return "".join(char for char in text if char.isprintable() or char == JOIN)


def plain(text: str) -> str:
    """Return a printable text with usual spaces alone: for a chart, a card, or another program.

    >>> plain("8\\xa0mmol\\x07")
    '8 mmol'
    """
    return printable(text).replace(JOIN, " ")


def utc(time: datetime) -> datetime:
    """Return a moment in UTC; one without a zone is taken as UTC, as the readers do."""
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def at(time: datetime | None) -> str:
    """Return a moment to the minute, or the day where the record gives no time of day."""
    if time is None:
        return "undated"
    time = utc(time)
    return f"{time:%Y-%m-%d}" if time.hour == time.minute == 0 else f"{time:%Y-%m-%d}{JOIN}{time:%H:%M}"


def ago(hours: float | None) -> str:
    """Return an age as people say it.

    >>> ago(0.2), ago(5.4), ago(72), ago(24 * 100)
    ('<1\\xa0h', '5\\xa0h', '3\\xa0days', '14\\xa0weeks')
    """
    if hours is None:
        return "age unknown"
    if hours < 1:
        return f"<1{JOIN}h"
    if hours < 48:
        return f"{hours:.0f}{JOIN}h"
    days = hours / 24
    if days < 60:
        return f"{days:.0f}{JOIN}days"
    return f"{days / 7:.0f}{JOIN}weeks" if days < 365 else f"{days / 365.25:.1f}{JOIN}years"


def ions(assessment: Assessment) -> tuple[Ion, ...]:
    """Return each ion with the result that shows its state: one out of range before one within it."""
    results = {result.id: result for result in assessment.results}
    found = []
    for name, ids in _IONS.items():
        state: State = getattr(assessment.states, name)
        known = [results[id] for id in ids if id in results]
        shows = [result for result in known if result.flag == _FLAGS.get(state, "")]
        chosen = next(iter(shows or known), None)
        found.append(Ion(name=name, state=state, result=chosen, kind=_KINDS.get(chosen.id, "") if chosen else ""))
    return tuple(found)


def value(result: Result, units: Units, *, both: bool = False) -> str:
    """Return a result in one unit system, the other one in brackets where asked for and different."""
    first, second = (result.us, result.value) if units == "us" else (result.value, result.us)
    return f"{first} ({second})" if both and first != second else first


def reference(result: Result, units: Units) -> str:
    """Return the reference interval of a result."""
    analyte = _convertible().get(result.id)
    return result.reference if units == "si" or analyte is None else _in_us(result.reference, analyte)


def speaker(assessment: Assessment, units: Units, *, both: bool = False) -> Callable[[str], str]:
    """Return a function that puts the results inside a fact into a unit system.

    A result that the assessment lists is printed exactly as listed; an older one is converted.
    """
    listed = {(result.name, result.value): result.us for result in assessment.results}

    def convert(match: re.Match[str]) -> str:
        name, first = match["name"], match["value"]
        second = listed.get((name, first)) or _in_us(first, _by_name()[name])
        if second == first:
            return match[0]
        if both:
            return f"{name} {second} ({first})" if units == "us" else f"{name} {first} ({second})"
        return f"{name} {second}"

    return (lambda text: text) if units == "si" and not both else (lambda text: _measured().sub(convert, text))


def _in_us(text: str, analyte: Analyte) -> str:
    unit = re.escape(f"{JOIN}{printed_unit(analyte.unit)}")
    return re.sub(rf"(\d+(?:\.\d+)?){unit}", lambda match: analyte.show(float(match[1]), "us"), text)


@cache
def _convertible() -> dict[str, Analyte]:
    return {one.id: one for one in analytes().values() if one.us_unit and one.us_unit != one.unit}


@cache
def _by_name() -> dict[str, Analyte]:
    return {one.name: one for one in _convertible().values()}


@cache
def _measured() -> re.Pattern[str]:
    """Return the pattern of a result as a fact tells it: name, value with unit, or a range of two."""
    names = "|".join(re.escape(name) for name in sorted(_by_name(), key=len, reverse=True))
    units = {printed_unit(one.unit) for one in _convertible().values()}
    unit = "|".join(re.escape(one) for one in sorted(units, key=len, reverse=True))
    number = rf"[<>≤≥]?\d+(?:\.\d+)?{JOIN}(?:{unit})"
    return re.compile(rf"(?P<name>{names}) (?P<value>{number}(?: to {number})?)(?![\w/])")


def answers(test: NextTest, units: Units) -> tuple[str, ...]:
    """Return what each answer of a test would mean, one text each; one text where all mean the same."""
    if len({one.cause for one in test.answers}) == 1:
        chances = sorted(one.probability for one in test.answers)
        return (f"Whatever it shows, the first stays {test.answers[0].name}, {_from_to(*chances)}",)
    return tuple(
        f"{_answer(one, units)} ({percent(one.chance)}): {one.name}, {percent(one.probability)}" for one in test.answers
    )


def _from_to(*chances: float) -> str:
    low, high = percent(chances[0]), percent(chances[-1])
    return low if low == high else f"{low} to {high}"


def _answer(one: Answer, units: Units) -> str:
    if not one.quantity:
        return one.when if one.when[1:2].isupper() else one.when[0].upper() + one.when[1:]
    item = analyte(one.quantity)
    ends = ["" if end is None else item.show(end, "us" if units == "us" else "si") for end in (one.low, one.high)]
    if not all(ends):
        return f"{item.short} above {ends[0]}" if ends[0] else f"{item.short} below {ends[1]}"
    return f"{item.short} {ends[0].split(JOIN)[0]} to {ends[1]}"


def delay(test: NextTest) -> str:
    """Return how long the answer of a test takes, in words."""
    return "" if test.delay_h is None else f"Answer in about {ago(test.delay_h)}."


def headline(assessment: Assessment, units: Units, *, both: bool = False) -> str:
    """Return the states of the three ions with their numbers, in one sentence."""
    parts = []
    for ion in ions(assessment):
        is_known = ion.state != "unknown"
        state = ion.state if is_known else "not known"
        shown = value(ion.result, units, both=both) if ion.result else ""
        shown = "(no number)" if shown in {"low", "normal", "high"} else shown
        number = f" {shown}" if is_known and shown else f" (last {shown})" if shown else ""
        doubt = ", perhaps out of range" if ion.result and ion.result.flag == "?" else ""
        parts.append(f"{ion.kind} {ion.name} {state}{number}{doubt}".strip())
    text = ", ".join(parts)
    return text[0].upper() + text[1:]


def statement(id: str | None) -> Statement | None:
    """Return a statement by its id or by another place where the documents say the same."""
    if not id:
        return None
    known = knowledge().statements
    return known.get(id) or next((one for one in known.values() if id in one.also_at), None)


def worth(reason: Reason) -> str:
    """Return what the evidence for a reason is worth: how its number arose, and a doubted statement."""
    told = statement(reason.statement)
    doubted = told is not None and told.status in DOUBTED
    parts = [reason.status, f"{told.id} {told.status}" if told and doubted else ""]
    return ", ".join(part for part in parts if part)


def strongest(reasons: Iterable[Reason], count: int) -> tuple[Reason, ...]:
    """Return the reasons that weigh most; a recorded exposure, which has no ratio, comes first."""
    return tuple(sorted(reasons, key=_weight, reverse=True)[:count])


def _weight(reason: Reason) -> float:
    number = reason.likelihood_ratio
    return math.inf if number is None else abs(math.log(max(number, 1e-9)))


def ratio(number: float | None) -> str:
    """Return a likelihood ratio to two figures.

    >>> ratio(12.34), ratio(0.3), ratio(None)
    ('12', '0.3', '')
    """
    return "" if number is None else f"{number:.2g}" if number < 100 else f"{number:.0f}"


def disputes(ids: Iterable[str | None]) -> tuple[Dispute, ...]:
    """Return the doubted statements among ids, each once, with what opposes them."""
    found: dict[str, Dispute] = {}
    for id in ids:
        one = statement(id)
        if one is not None and one.status in DOUBTED:
            contrary = tuple(other for other in map(statement, one.opposes) if other is not None)
            found[one.id] = Dispute(statement=one, contrary=contrary)
    return tuple(found.values())


def sample_times(assessment: Assessment) -> str:
    """Return when the results of the headline were taken."""
    known = [ion for ion in ions(assessment) if ion.result is not None]
    told = {ion.name: f"{at(ion.result.time)}, {ago(ion.result.age_h)} old" for ion in known if ion.result}
    if not told:
        return "No magnesium, potassium or calcium result"
    if len(set(told.values())) == 1:
        return f"Taken {next(iter(told.values()))}"
    return "; ".join(f"{name} {moment}" for name, moment in told.items()).capitalize()


def overdue(found: Iterable[Reviewed]) -> str:
    """Return which knowledge is overdue, when it was checked and since when; nothing where nothing is."""
    dates: dict[tuple[date, date], list[str]] = {}
    for one in found:
        dates.setdefault((one.checked, one.due), []).append(one.content)
    told = [f"{', '.join(names)} (checked {checked}, due {due})" for (checked, due), names in sorted(dates.items())]
    return f"Knowledge overdue for review, perhaps out of date: {'; '.join(told)}." if told else ""


def together(assessment: Assessment) -> str:
    """Return the most probable set of two or more causes that act together, or an empty text."""
    names = {cause.id: cause.name for cause in assessment.causes}
    for joint in assessment.joint:
        if len(joint.causes) > 1:
            return f"{' with '.join(names.get(id, id) for id in joint.causes)}, {percent(joint.probability)}"
    return ""


def cannot_tell(assessment: Assessment) -> str:
    """Return why no cause is named, in a sentence."""
    named = [one for one in assessment.causes if one.id not in NO_CAUSE]
    if not named:
        return "The record holds too little to name a cause. These tests would tell most:"
    if assessment.either:
        pair = " or ".join(f"{one.name} ({percent(one.probability)})" for one in named if one.id in assessment.either)
        return f"One of two, and nothing here tells which: {pair}. These tests would tell most:"
    first = f"{named[0].name}, {percent(named[0].probability)}"
    return f"No cause stands out (the first is {first}). These tests would tell most:"


def explained(assessment: Assessment) -> tuple[Link, ...]:
    """Return the other disorders and how probably the magnesium disorder is a cause of each."""
    found = []
    for ion in ("potassium", "calcium"):
        state, probability = getattr(assessment.states, ion), getattr(assessment.magnesium_explains, ion)
        if probability is not None:
            effect = _EFFECTS.get((ion, state), " ")
            links = [one for one in knowledge().links.values() if one.effect.startswith(effect)]
            statements = tuple(id for link in links for id in link.statements)
            found.append(Link(disorder=f"{state} {ion}".capitalize(), probability=probability, statements=statements))
    return tuple(found)
