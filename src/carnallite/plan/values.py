"""What a plan says: frozen values, which are also their JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from carnallite.assessment import Assessment, Band, Reason, Value

Verdict = Literal["lower", "as_expected", "higher"]
Phase = Literal["rescue", "replace", "volume", "source", "keep"]


class Objection(Value, frozen=True):
    """What the safety table says against something: which line of it, why, and on what evidence.

    `unknown` is true where the line holds because something has not been measured; `ask` names what would decide.
    """

    id: str
    grade: Literal["hard", "everyday", "caution"]
    because: str
    source: str
    status: str
    unknown: bool = False
    ask: tuple[str, ...] = ()
    limit: str = ""


class Dosing(Value, frozen=True):
    """What is given: elemental mmol first, what else the same dose is called, and how it is given.

    Attributes
    ----------
    amount : float
        In `unit`: mmol of the element, L, U or mg.
    equivalents : tuple of str
        The same dose in g, mEq and mg, with the salt's full name.
    over_h, rate, per_h : float and str
        [h] How long one dose takes, and what that is in an hour.
    volume_l, concentration : float
        [L], [unit/L] What it is dissolved in.
    """

    what: str
    amount: float
    unit: str
    equivalents: tuple[str, ...]
    route: str
    times: str
    over_h: float | None = None
    rate: float | None = None
    per_h: tuple[str, ...] = ()
    volume_l: float | None = None
    concentration: float | None = None


class Watch(Value, frozen=True):
    """What to look at, when and why; hours after the step began where a number says it."""

    what: str
    when: str
    why: str = ""
    hours: float | None = None


class PlannedStep(Value, frozen=True):
    """One step of a plan, in the regimen that the safety table allows."""

    id: str
    name: str
    phase: Phase
    do: str
    because: tuple[Reason, ...]
    dosing: Dosing | None
    regimen: str
    source: str
    at: str
    status: str
    acts: str = ""
    cautions: tuple[Objection, ...] = ()
    held_back: tuple[Objection, ...] = ()  # why it is not a larger regimen
    beyond: tuple[Objection, ...] = ()  # everyday limits that a plan written by hand exceeds
    ask_first: tuple[str, ...] = ()
    watch: tuple[Watch, ...] = ()
    stop: tuple[str, ...] = ()
    alternatives: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    indications: tuple[str, ...] = ()
    statements: tuple[str, ...] = ()


class BlockedStep(Value, frozen=True):
    """A step that would belong here and that the safety table does not allow, and why."""

    id: str
    name: str
    dosing: Dosing | None
    objections: tuple[Objection, ...]


class PlanNote(Value, frozen=True):
    """Something that must be said beside a plan."""

    says: str
    statement: str = ""
    status: str = ""


class Plan(Value, frozen=True):
    """Ordered steps; `replaces` names what the record lists now and the plan gives anew.

    Where what it is about is blocked it is not `possible`: then it says only what is blocked and why.
    """

    id: str
    name: str
    about: str
    steps: tuple[PlannedStep, ...]
    blocked: tuple[BlockedStep, ...] = ()
    notes: tuple[PlanNote, ...] = ()
    replaces: tuple[str, ...] = ()
    possible: bool = True
    next_look_h: float | None = None


class Course(Value, frozen=True):
    """One quantity of the fitted members over time: bands that hold 50 % and 90 % of them."""

    quantity: str
    name: str
    unit: str
    low90: tuple[float, ...]
    low50: tuple[float, ...]
    middle: tuple[float, ...]
    high50: tuple[float, ...]
    high90: tuple[float, ...]


class Outlook(Value, frozen=True):
    """What one plan brings in the fitted members.

    Attributes
    ----------
    plan : str
        Its id; `as_now` goes on with what the record gives.
    hours : tuple of float
        [h] After the index.
    in_range : dict of str to float
        [1] Share of the time that magnesium and potassium lie in their interval, over all members.
    too_high, still_low : dict of str to float
        [1] Share of the members that ever reach a dangerous level, and that are below the interval at the end.
    retained : Band
        [mmol] Magnesium kept in the body by the end.
    lost : dict of str to Band
        [mmol] Magnesium lost by each way by the end.
    next_sample_h : float
        [h] When members differ most or are most at risk, early; the next sample tells most then.
    next_sample_why : str
    ended : float
        [1] Share of the members who leave the range in which the body holds; bands are those of the others.
    """

    plan: str
    hours: tuple[float, ...]
    courses: tuple[Course, ...]
    in_range: dict[str, float]
    too_high: dict[str, float]
    still_low: dict[str, float]
    retained: Band
    given: Band
    lost: dict[str, Band]
    next_sample_h: float
    next_sample_why: str
    ended: float = 0.0


class Forecast(Value, frozen=True):
    """What each plan brings; without a reliable fit there is none, and `why_not` says why.

    `not_foretold` are plans under which most members leave the range in which the body holds.
    """

    days: int
    members: int
    outlooks: tuple[Outlook, ...]
    why_not: str = ""
    assumptions: tuple[str, ...] = ()
    not_foretold: tuple[str, ...] = ()


class Reply(Value, frozen=True):
    """A result since a plan began, beside what was expected: the range of 90 % that a laboratory would have printed.

    `low` and `high` are in the canonical unit; null is an open end. `hours` count from the beginning of the plan.
    `fitting` is what virtual patients show once they are weighed by the response, and `fits` whether that is enough.
    """

    test: str
    hours: float
    low: float | None
    high: float | None
    expected: Band
    verdict: Verdict
    fitting: Band
    fits: Verdict


class CauseMoved(Value, frozen=True):
    """How likely [1] a cause was by the record of then, and is by all that the record holds now."""

    id: str
    name: str
    before: float
    after: float


class Response(Value, frozen=True):
    """What the response since a plan began tells; without a fit of then it tells nothing, and `why_not` says why.

    Attributes
    ----------
    since : datetime
    hours : float
        [h] Since then.
    words : tuple of str
        What it means.
    replies : tuple of Reply
    given : dict of str to float
        [mmol] What doses since brought: magnesium, potassium and others, without food.
    retained, retained_now : Band
        [mmol] Magnesium that the body gained: as expected then, and as the results have it.
    lost, lost_now : dict of str to Band
        [mmol] Magnesium lost by each way, likewise.
    causes : tuple of CauseMoved
    members : int
    effective : float
        Virtual patients who still fit, in equally weighted ones.
    not_arrived : float, optional
        [1] How many times better the results fit doses by mouth that did not arrive; none without such doses.
    not_simulated : tuple of str
        Drugs that were begun since and have no part in it.
    """

    since: datetime
    why_not: str = ""
    hours: float = 0.0
    words: tuple[str, ...] = ()
    replies: tuple[Reply, ...] = ()
    given: dict[str, float] = {}
    retained: Band | None = None
    retained_now: Band | None = None
    lost: dict[str, Band] = {}
    lost_now: dict[str, Band] = {}
    causes: tuple[CauseMoved, ...] = ()
    members: int = 0
    effective: float = 0.0
    not_arrived: float | None = None
    not_simulated: tuple[str, ...] = ()


class Advice(Assessment, frozen=True, kw_only=True):
    """The whole answer: the assessment with plans, what each of them brings, and what the response to one tells."""

    plans: tuple[Plan, ...] = ()
    forecast: Forecast | None = None
    response: Response | None = None
