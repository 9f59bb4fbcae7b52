"""The shapes of what plans are made of: the safety table, and strategies of steps of regimens."""

from __future__ import annotations

from typing import Literal

import msgspec

from carnallite.datafile import Item
from carnallite.quantity import Cited

Route = Literal["oral", "intravenous", "intramuscular", "subcutaneous", "enteral", "inhaled", "rectal", "topical"]
Grade = Literal["hard", "everyday", "caution"]
Measure = Literal["dose", "rate", "day", "two_days", "before_level", "concentration"]


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A piece of an item."""


class Ceiling(Cited, frozen=True, kw_only=True):
    """The most that may be given. It holds unless `when` is known not to hold or `unless` is known to hold."""

    id: str
    what: Measure  # of one dose, in an hour, in any 24 or 48 h, before the next level, in a litre of fluid
    at_most: float
    unit: str
    grade: Literal["hard", "everyday"]  # an outer limit of a label; what plans of ours keep to
    routes: tuple[Route, ...] = ()  # empty: every route
    when: str = ""
    unless: str = ""
    sure: bool = False  # it holds only where `when` is known to hold
    ask: tuple[str, ...] = ()  # tests that decide whether it holds
    because: str  # told to a person whose dose it blocks
    printed: str = ""  # as the source prints the number, where it uses another unit


class Contraindication(Cited, frozen=True, kw_only=True):
    """Who must not be given something: where `when` holds; where that is unknown `unknown` says what to do."""

    id: str
    grade: Grade
    routes: tuple[Route, ...] = ()
    when: str
    unknown: Literal["bars", "asks", "passes"]
    ask: tuple[str, ...] = ()  # tests that would decide
    because: str
    only_plans: bool = False  # it is about what we propose; an order may have reasons of its own


class Spared(Cited, frozen=True, kw_only=True):
    """A dose that nothing blocks or delays, while an expression holds; cautions are shown."""

    when: str
    unless: str = ""
    at_most: float
    unit: str
    routes: tuple[Route, ...]
    because: str


class Safety(Item, frozen=True, kw_only=True):
    """Hard limits and contraindications of one thing that is given; the file's stem is that thing.

    An element in mmol, whatever salt brings it, or a substance of the body's list in its own unit; `all` is about
    everything that has a dose.
    """

    about: str
    routes: tuple[Route, ...] = ()  # by which it may be given at all; empty: any
    ceilings: tuple[Ceiling, ...] = ()
    contraindications: tuple[Contraindication, ...] = ()
    spared: Spared | None = None


class Regimen(Cited, frozen=True, kw_only=True, rename={"start": "from"}):
    """One way to do a step: a dose as a scenario has it, or what acts on the body, or neither."""

    label: str = ""
    when: str = ""  # asked of the record; empty: anybody
    what: str = ""  # a salt, fluid or drug that is given
    amount: str = ""
    route: str = ""
    over: str = ""
    every: str = ""
    daily: tuple[str, ...] = ()
    count: int = 0
    start: str = ""
    until: str = ""
    volume: str = ""  # of fluid in which a dose is dissolved
    level_after: int = 0  # doses until the next level; 0: all of one day
    acts: str = ""  # treatment whose effects it has, as `id` or `id/phenotype`


class Look(Part, frozen=True, kw_only=True):
    """What to look at, when and why."""

    what: str
    when: str
    why: str = ""
    hours: float | None = None  # after the step began, where a number says it


class Step(Item, frozen=True, kw_only=True):
    """Something that a plan may hold: done in the first of its regimens that fits and that the safety table allows."""

    treatment: str = ""
    phase: Literal["rescue", "replace", "volume", "source", "keep"]
    when: str = ""  # asked of the record: it must hold
    unless: str = ""  # ... and this must not be known to hold
    dosed: bool = True  # its doses are those of adults; what is no drug is open to everybody
    causes: tuple[str, ...] = ()  # one of them must be likely
    drug: str = ""  # group of drugs that is reviewed
    indications: tuple[str, ...] = ()  # conditions for which it may be needed
    do: str
    regimens: tuple[Regimen, ...] = ()
    after: tuple[str, ...] = ()  # steps that come before it, where the plan has them
    beside: tuple[str, ...] = ()  # steps that go on at the same time
    look: tuple[Look, ...] = ()
    stop: tuple[str, ...] = ()
    alternatives: tuple[str, ...] = ()
    statements: tuple[str, ...] = ()


class Note(Part, frozen=True, kw_only=True):
    """Something that must be said beside a plan."""

    says: str
    when: str = ""
    causes: tuple[str, ...] = ()
    statement: str = ""


class Strategy(Item, frozen=True, kw_only=True):
    """A plan in outline: for whom, and which steps; each is taken where its own conditions hold."""

    about: str
    rank: int  # the lowest comes first
    when: str
    unless: str = ""  # it is not offered where this is known to hold
    causes: tuple[str, ...] = ()  # one of them must be likely
    unless_causes: tuple[str, ...] = ()  # none of them may be likely
    steps: tuple[str, ...]
    key: tuple[str, ...] = ()  # without one of these that can be done it is no plan
    notes: tuple[Note, ...] = ()
