"""What a record says, in our words: one frozen value, the same whichever form the record had."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Literal

import msgspec

from carnallite.knowledge import Place, Route

Sex = Literal["female", "male"]
ExposureStatus = Literal["current", "stopped", "mentioned", "denied", "planned"]
ConditionStatus = Literal["present", "past", "absent", "family", "uncertain"]


class Value(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A frozen value that goes to JSON and back unchanged."""


class Issue(Value, frozen=True):
    """Something that the record holds and that we could not use, with the remedy. Never patient text."""

    code: str
    where: str
    what: str
    do: str


class Unread(Value, frozen=True):
    """A line of the record that no data file knows; listed so that nothing is lost silently."""

    where: str
    code: str = ""


class Patient(Value, frozen=True):
    """Who; unknown stays unknown."""

    sex: Sex | None = None
    birth: date | None = None
    age_at_least: float | None = None  # [a] where a source only says "over 89"


class Observation(Value, frozen=True):
    """One result. A number is an interval of one point; `<0.3` or "low" is a longer one.

    `low` and `high` are in the canonical unit of the quantity; an open end is infinite in value and null in JSON.
    """

    quantity: str
    low: float | None
    high: float | None
    time: datetime | None
    where: str
    printed: str = ""
    basis: Literal["number", "censored", "words", "derived"] = "number"
    reference_low: float | None = None
    reference_high: float | None = None
    remarks: tuple[str, ...] = ()


class Exposure(Value, frozen=True):
    """One drug that was, is or may be taken."""

    ingredient: str  # id of an ingredient, or of a class where the record names only that
    status: ExposureStatus
    where: str
    start: datetime | None = None
    stop: datetime | None = None
    given: tuple[datetime, ...] = ()  # single administrations; one that took time ran until `stop`
    route: Route | None = None
    dose: float | None = None
    dose_unit: str = ""
    per_day: float | None = None  # doses a day
    elemental_mmol: float | None = None  # per dose, where the record says so without doubt
    matched: str = ""

    def ran(self) -> float | None:
        """Return how long a single administration took [h], or None where the record does not say."""
        if len(self.given) != 1 or self.stop is None or self.stop <= self.given[0]:
            return None
        return (self.stop - self.given[0]) / timedelta(hours=1)


class Condition(Value, frozen=True):
    """A diagnosis, symptom or finding."""

    condition: str
    status: ConditionStatus
    where: str
    onset: datetime | None = None
    abatement: datetime | None = None
    matched: str = ""


class Procedure(Value, frozen=True):
    """An operation or treatment that was done, as the condition that it leaves."""

    condition: str
    where: str
    time: datetime | None = None
    end: datetime | None = None
    matched: str = ""


class Encounter(Value, frozen=True):
    """A contact with a hospital or a practice."""

    setting: Literal[Place, "unknown"]
    where: str
    start: datetime | None = None
    end: datetime | None = None


class Timeline(Value, frozen=True):
    """All that a record says about one patient, up to the index."""

    patient: Patient
    index: datetime
    observations: tuple[Observation, ...] = ()
    exposures: tuple[Exposure, ...] = ()
    conditions: tuple[Condition, ...] = ()
    procedures: tuple[Procedure, ...] = ()
    encounters: tuple[Encounter, ...] = ()
    allergies: tuple[str, ...] = ()
    unread: tuple[Unread, ...] = ()
    unreadable: tuple[str, ...] = ()  # quantities whose newest result could not be read
    digest: str = ""  # sha256 of what was read

    def age(self) -> float | None:
        """Return the age at the index [a], or None where it is unknown."""
        if self.patient.birth is None:
            return self.patient.age_at_least
        today, birth = self.index.date(), self.patient.birth
        if today < birth:
            return 0.0
        years = today.year - birth.year - ((today.month, today.day) < (birth.month, birth.day))
        leap_day = (birth.month, birth.day) == (2, 29)
        birthday = date(birth.year + years, 3, 1) if leap_day else birth.replace(year=birth.year + years)
        return years + max((today - birthday) / timedelta(days=365.25), 0.0)


class Reading(Value, frozen=True):
    """A timeline and what had to be left out of it."""

    timeline: Timeline
    issues: tuple[Issue, ...] = ()
