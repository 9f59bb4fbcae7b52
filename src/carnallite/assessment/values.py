"""What an assessment says: one frozen value, which is also its JSON (`carnallite.assessment/1`)."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from carnallite.knowledge import Reviewed
from carnallite.record import Issue

State = Literal["low", "normal", "high", "unknown"]


class Value(msgspec.Struct, frozen=True, kw_only=True):
    """A frozen value that goes to JSON and back unchanged."""


class Alert(Value, frozen=True):
    """An emergency, something unsafe now, or a doubt about a sample."""

    id: str
    summary: str
    do: str
    why: tuple[str, ...]
    statements: tuple[str, ...] = ()
    source: str = ""


class Reason(Value, frozen=True):
    """A fact of the record that speaks for or against something, and the statement that says why."""

    fact: str
    statement: str | None = None
    likelihood_ratio: float | None = None
    source: str = ""
    status: str = ""


class Share(Value, frozen=True):
    """How much of the disorder one cause or factor makes; supplied by the simulation."""

    value: float
    low: float
    high: float
    unit: str
    horizon_days: int


class Band(Value, frozen=True):
    """A number of the fitted members: the middle one, and the range that holds 90 % of them."""

    value: float
    low: float
    high: float


class Balance(Value, frozen=True):
    """By which way magnesium comes and goes on the last day before the index, in the fitted members."""

    unit: str
    by_mouth: Band
    injected: Band
    absorbed: Band  # by mouth less what leaves by stool or stoma
    stool: Band
    urine: Band
    dialysis: Band
    skin: Band
    net: Band


class Correction(Value, frozen=True):
    """What comes of it when a cause or factor is corrected in the fitted members, and nothing else.

    Causes share by Shapley's rule: in each member their shares add up to what all of them make (`causes_together`).
    """

    id: str
    name: str
    kind: Literal["cause", "factor", "causes_together"]
    what: str  # is changed, for a factor
    acting: float  # share of the fitted members on whom it acts; the numbers are those of these members
    retained: Band  # [mmol/d] of magnesium, over seven days
    magnesium: dict[str, Band]  # [mmol/L] by days, for as long as most virtual patients live
    potassium: dict[str, Band]  # [mmol/L] by days
    status: str = ""  # of what it rests on, where that is disputed


class Beside(Value, frozen=True):
    """A result beside what the fitted members show."""

    test: str
    days_ago: float
    low: float | None
    high: float | None
    shown: Band
    explained: bool


class IndividualFit(Value, frozen=True):
    """Virtual patients that were taken through this patient's own history, and how well they explain it."""

    holds: bool
    words: str
    describes: float  # chance that the body describes this patient, by the results without their history
    members: int
    effective: float
    results: tuple[Beside, ...]
    corrections: tuple[Correction, ...]
    potassium_by_magnesium: dict[str, Band] | None  # share of the disorder that goes with magnesium alone, by days
    calcium_by_magnesium: dict[str, Band] | None
    assumptions: tuple[str, ...]


class RankedCause(Value, frozen=True):
    """A cause with its probability and its reasons."""

    id: str
    name: str
    probability: float
    basis: Literal["recorded", "inferred"]
    share: Share | None = None
    because: str = ""
    for_: tuple[Reason, ...] = msgspec.field(name="for", default=())
    against: tuple[Reason, ...] = ()
    statements: tuple[str, ...] = ()


class RankedFactor(Value, frozen=True):
    """A factor that keeps it intractable."""

    id: str
    name: str
    probability: float
    share: Share | None = None
    for_: tuple[Reason, ...] = msgspec.field(name="for", default=())


class JointCauses(Value, frozen=True):
    """A set of causes that act together, and its probability."""

    causes: tuple[str, ...]
    probability: float


class Answer(Value, frozen=True):
    """One answer that a test may give: how likely it is, and which cause would then lead.

    A result is told by its analyte and the ends of an interval, in the canonical unit; anything else in words.
    """

    chance: float
    cause: str
    name: str
    probability: float
    when: str = ""
    quantity: str = ""
    low: float | None = None
    high: float | None = None


class NextTest(Value, frozen=True):
    """A test worth doing next. `information` is in bits about the set of causes."""

    id: str
    name: str
    information: float
    why: str
    delay_h: float | None = None
    answers: tuple[Answer, ...] = ()


class Explained(Value, frozen=True):
    """Probability that the magnesium disorder is a cause of the other one; null where there is none."""

    potassium: float | None = None
    calcium: float | None = None


class States(Value, frozen=True):
    """Where each ion stands now."""

    magnesium: State
    potassium: State
    calcium: State


class Provenance(Value, frozen=True):
    """What made the answer."""

    version: str
    model: str | None
    library: str | None
    record: str
    knowledge: str


class Result(Value, frozen=True):
    """A result behind the answer, as a person reads it."""

    id: str
    name: str
    short: str
    value: str
    us: str
    flag: Literal["L", "H", "", "?"]
    time: datetime | None
    age_h: float | None
    reference: str
    note: str = ""


class Assessment(Value, frozen=True, kw_only=True):
    """The whole answer.

    `cannot_tell` is true where no cause stands out; `either` holds two causes of which one acts, none knows which.
    """

    schema: str
    index: datetime
    states: States
    emergencies: tuple[Alert, ...]
    unsafe: tuple[Alert, ...]
    samples: tuple[Alert, ...]
    causes: tuple[RankedCause, ...]
    factors: tuple[RankedFactor, ...]
    joint: tuple[JointCauses, ...]
    balance: Balance | None
    fit: IndividualFit | None
    plans: tuple[Value, ...] = ()  # supplied by the room of plans
    forecast: Value | None = None
    magnesium_explains: Explained
    next_tests: tuple[NextTest, ...]
    cannot_tell: bool
    either: tuple[str, ...]
    missing: tuple[str, ...]
    issues: tuple[Issue, ...]
    results: tuple[Result, ...]
    overdue: tuple[Reviewed, ...] = ()  # supplied by the surfaces, which have a clock
    provenance: Provenance
