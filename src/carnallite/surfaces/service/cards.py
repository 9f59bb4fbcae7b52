"""The whole answer as cards: the worst first, in one sentence, with reasons, options, what is missing, and until when.

Nothing is decided here: what is an emergency or unsafe, which causes and plans there are, says the answer.
"""

from __future__ import annotations

import math
import re
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from carnallite import datafile
from carnallite.knowledge import Reviewed, knowledge
from carnallite.quantity import Numbers, analyte, analytes
from carnallite.surfaces import words
from carnallite.surfaces.plans import dose_text, lettered
from carnallite.surfaces.service import drafts
from carnallite.surfaces.service.values import Indicator

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from carnallite.assessment import Alert, Assessment
    from carnallite.plan import Advice, OrderFinding, Plan
    from carnallite.record import Timeline

LONGEST = 139  # characters of a summary
LINES = 5
ALSO = 3  # further facts that a card names; of the others it tells how many
_OUT = frozenset({"low", "high"})
_MARKS = re.compile(r"([\\`*_\[\]<>|~])")
_TESTS = 3


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a card may say.

    `marks` are its parts by which it is known again, each with how far it is out of range: more is worse, 0 no level.
    What has none is said each time.
    """

    id: str
    name: str
    indicator: Indicator
    summary: str
    why: str
    do: str
    marks: tuple[tuple[str, int], ...]


class Drafts(msgspec.Struct, frozen=True, kw_only=True):
    """A suggestion before it has an id: what it is called, then each resource with what it does."""

    label: str
    actions: tuple[tuple[str, dict[str, Any]], ...]


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What was found of one patient, as far as cards say it: worst fact first.

    `mark` stands for the data on which it rests: another mark, and an older card is superseded.
    """

    index: datetime
    states: dict[str, str]
    facts: tuple[Fact, ...]
    lines: tuple[str, ...]
    missing: tuple[str, ...]
    taken: str
    valid_until: datetime
    mark: str
    suggestions: tuple[Drafts, ...] = ()
    is_partial: bool = False  # only emergencies were evaluated
    overdue: tuple[Reviewed, ...] = ()


@cache
def numbers() -> dict[str, float]:
    """Return every number of cards by its name."""
    known = datafile.read(Path(__file__).with_name("cards.toml"), Numbers).numbers
    return {id: one.value for id, one in known.items()}


def found(advice: Advice, timeline: Timeline, patient: str, *, units: words.Units, valid_h: float) -> Found:
    """Return what cards may say of an answer.

    Parameters
    ----------
    patient : str
        Its id on the server of the client: drafts refer to it.
    valid_h : float
        [h] For which a card holds at most.
    """
    return Found(
        index=advice.index,
        states={ion: getattr(advice.states, ion) for ion in ("magnesium", "potassium", "calcium")},
        facts=tuple(_facts(advice, timeline, units)),
        lines=tuple(words.plain(line) for line in _lines(advice)),
        missing=tuple(advice.missing),
        taken=words.plain(words.sample_times(advice)),
        valid_until=_until(advice, valid_h),
        mark=f"{hash_of(advice)}",
        suggestions=tuple(_suggestions(advice, patient)),
        overdue=advice.overdue,
    )


def ordered(assessment: Assessment, findings: Iterable[OrderFinding], *, valid_h: float) -> Found:
    """Return what cards may say of draft orders, each time: clients take an empty answer as all clear."""
    facts = [_objection(one) for one in findings if one.severity != "info" or one.kind in _NOT_CHECKED]
    return Found(
        index=assessment.index,
        states={ion: getattr(assessment.states, ion) for ion in ("magnesium", "potassium", "calcium")},
        facts=tuple(facts),
        lines=(f"**Levels:** {_escaped(words.plain(words.headline(assessment, 'si')))}",),
        missing=tuple(assessment.missing),
        taken=words.plain(words.sample_times(assessment)),
        valid_until=_until(assessment, valid_h),
        mark=hash_of(assessment),
        overdue=assessment.overdue,
    )


_NOT_CHECKED = frozenset({"not_read", "outside"})


def _objection(one: OrderFinding) -> Fact:
    summary, do = words.plain(one.summary), words.plain(one.do) or "Review this order before it is signed."
    return Fact(
        id=one.id, name=summary.rstrip("."), indicator=one.severity, do=do,
        summary=_fitting(summary, words.plain(f"{one.drug}: {one.limit}"), "Review this order before it is signed"),
        why="; ".join([f"{one.order}: {summary.rstrip('.')}", *(words.plain(why).rstrip(".") for why in one.why[:4])]),
        marks=(),
    )  # fmt: skip


def hash_of(advice: Assessment) -> str:
    """Return what stands for the results and alerts of an answer."""
    from hashlib import blake2b  # noqa: PLC0415

    rests_on = ([(one.id, one.value, one.time) for one in advice.results], _ids(advice))
    return blake2b(msgspec.json.encode(rests_on), digest_size=12).hexdigest()


def _ids(advice: Assessment) -> list[str]:
    return [one.id for one in (*advice.emergencies, *advice.unsafe, *advice.samples)]


def _facts(advice: Advice, timeline: Timeline, units: words.Units) -> list[Fact]:
    """Return what may be said, worst first: emergencies, then by the rank that the data files give to rules."""
    rules = knowledge().rules
    ranked: list[tuple[float, Fact]] = [
        (rules[one.id].rank, _alert(one, "warning")) for one in (*advice.samples, *advice.unsafe)
    ]
    ranked += [(numbers()["disorder"], fact) for fact in _disorder(advice, timeline, units)]
    ranked.sort(key=lambda pair: pair[0])
    facts = [_alert(one, "critical") for one in advice.emergencies] + [fact for _, fact in ranked]
    is_note = bool(ranked) and not advice.emergencies and ranked[0][0] > numbers()["note"]
    return [] if is_note else facts


def _disorder(advice: Advice, timeline: Timeline, units: words.Units) -> Iterator[Fact]:
    out = [ion for ion in words.ions(advice) if ion.state in _OUT]
    if out:
        head, told = words.plain(words.headline(advice, units)), ", ".join(f"{ion.name} {ion.state}" for ion in out)
        is_ours = any(ion.name in {"magnesium", "potassium"} for ion in out)
        yield Fact(
            id="_".join(f"{ion.name}_{ion.state}" for ion in out), name=told,
            indicator="warning" if is_ours else "info", summary=_fitting(f"{_first_do(advice)}: {head}", head, told),
            why=head, do=_first_do(advice),
            marks=tuple((f"{ion.name}_{ion.state}", _steps(ion, timeline)) for ion in out),
        )  # fmt: skip


def _alert(alert: Alert, indicator: Indicator) -> Fact:
    summary, do = words.plain(alert.summary), words.plain(alert.do)
    first = re.split(r"(?<=[.;]) ", do)[0].rstrip(".;")
    return Fact(
        id=alert.id, name=summary, indicator=indicator, summary=_fitting(f"{first}: {summary}", summary),
        why="; ".join(words.plain(one) for one in alert.why[:4]), marks=((alert.id, 0),), do=do,
    )  # fmt: skip


def _fitting(*texts: str) -> str:
    """Return the first text that fits a summary whole."""
    return next((text for text in texts if len(text) <= LONGEST), texts[-1][:LONGEST])


def _first_do(advice: Advice) -> str:
    """Return in a few words what comes first: a test where an ion of ours is not known, else that there are plans."""
    if advice.missing and "unknown" in {advice.states.magnesium, advice.states.potassium}:
        return f"Measure {_name(advice.missing[0])}"
    possible = [plan for plan in advice.plans if plan.possible]
    if possible:
        return "Compare the plans" if len(possible) > 1 else "See the plan"
    return f"Measure {_name(advice.next_tests[0].name)}" if advice.next_tests else "Review"


def _name(text: str) -> str:
    return f"{text[0].lower()}{text[1:]}".split(",")[0]


def _steps(ion: words.Ion, timeline: Timeline) -> int:
    """Return a count that grows as a level moves further out of range; 0 where there is no number."""
    of = [one for one in timeline.observations if ion.result and (one.quantity, one.time) == _named(ion)]
    value = next((end for one in of for end in (one.low, one.high) if end is not None and 0 < end < math.inf), None)
    if value is None:
        return 0
    size = math.floor(math.log(value) / numbers()["worse"])
    return 1000 + (size if ion.state == "high" else -size)


def _named(ion: words.Ion) -> tuple[str, datetime | None]:
    return (ion.result.id, ion.result.time) if ion.result else ("", None)


def _lines(advice: Advice) -> Iterator[str]:
    """Return what stands below the reasons: causes, options, and what to measure."""
    named = [one for one in advice.causes if one.id not in words.NO_CAUSE]
    causes = [one for one in named if one.probability >= numbers()["named"]][:3] or named[:1]
    if advice.cannot_tell:
        yield f"**Cause:** {_escaped(words.cannot_tell(advice).split(' These tests')[0])}"
    elif causes:
        told = (f"{_escaped(one.name)} ({words.chance(one.probability)}, {words.percent(one.probability)})"
                for one in causes)  # fmt: skip
        yield f"**Likely causes:** {', '.join(told)}"
    plans = [_plan(letter, plan) for letter, plan in lettered(advice) if plan.possible]
    if plans:
        yield f"**Options:** {'; or '.join(plans[:2])}"
    further = (one.name for one in advice.next_tests[:_TESTS] if not _is_missing(one.id, advice))
    asked = dict.fromkeys([*advice.missing, *further])
    if asked:
        yield f"**Not known:** {_escaped('; '.join(list(asked)[: _TESTS + 1]))}"


def _is_missing(test: str, advice: Advice) -> bool:
    """Return whether a test is among what is missing, under the name of what it measures."""
    return test in analytes() and any(name.startswith(analyte(test).name) for name in advice.missing)


def _plan(letter: str, plan: Plan) -> str:
    """Return a plan by its doses, all or none."""
    given = [dose_text(step.dosing, brief=True) for step in plan.steps if step.dosing is not None]
    return _escaped(f"{letter}: {' + '.join(given) if given else plan.name}")


def _suggestions(advice: Advice, patient: str) -> Iterator[Drafts]:
    for letter, plan in lettered(advice)[:2]:
        if plan.possible:
            first = [test for step in plan.steps for test in step.ask_first]
            actions = (*drafts.tests(first, patient, advice.index), *drafts.doses(plan, patient, advice.index))
            if actions:
                yield Drafts(label=f"Draft plan {letter} for review: {plan.name}", actions=actions)
    asked = drafts.tests([one.id for one in advice.next_tests[:_TESTS]], patient, advice.index)
    if asked:
        yield Drafts(label="Draft the tests that would tell most", actions=tuple(asked))


def _until(advice: Assessment, valid_h: float) -> datetime:
    """Return when the first of the results that an answer rests on is too old to act on, at most hours from now."""
    latest = words.utc(advice.index) + timedelta(hours=valid_h)
    ends = [
        words.utc(ion.result.time) + timedelta(hours=analyte(ion.result.id).validity.current_h)
        for ion in words.ions(advice)
        if ion.result is not None and ion.result.time is not None
    ]
    return min([end for end in ends if end > words.utc(advice.index)] + [latest])


def detail(facts: tuple[Fact, ...], found: Found, rest: Iterable[Fact], *, marked: str) -> str:
    """Return the detail of a card as Markdown: at most five lines."""
    first = facts[0]
    others = [fact.name for fact in rest]
    also = "; ".join(others[:ALSO]) + (f"; and {len(others) - ALSO} more" if len(others) > ALSO else "")
    lines = [f"**Because:** {_escaped(first.why)}. **Do:** {_escaped(first.do)}"]
    if also:
        lines[0] += f" **Also:** {_escaped(also)}."
    lines += found.lines
    until = f"{found.valid_until:%Y-%m-%d %H:%M} UTC"
    kept = lines[: LINES - 1]
    kept.append(f"{_escaped(found.taken)}. Valid until {until}, or a newer result. {marked}{words.INTENDED_USE} "
                "The clinician decides.")  # fmt: skip
    return "\n\n".join(kept)


def _escaped(text: str) -> str:
    """Return a text in which nothing is Markdown or HTML."""
    return _MARKS.sub(r"\\\1", text)
