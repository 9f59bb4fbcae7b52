"""Lines of a source -> one Timeline. The only place where a record is understood, whatever its form was."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING

import msgspec

from carnallite.errors import RecordRefused
from carnallite.knowledge import Route, knowledge
from carnallite.quantity import analytes
from carnallite.record import codes as coding
from carnallite.record.derive import derive
from carnallite.record.dose import dose_of
from carnallite.record.result import result
from carnallite.record.timeline import (
    Condition,
    ConditionStatus,
    Encounter,
    Exposure,
    ExposureStatus,
    Issue,
    Observation,
    Patient,
    Procedure,
    Reading,
    Timeline,
    Unread,
)
from carnallite.record.understand import Mention, is_denial, label_words, mentions

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from carnallite.record.entry import Entry, Person

_USED = frozenset({"", "final", "amended", "corrected", "appended", "preliminary", "unknown"})
_ERROR = frozenset({"entered-in-error", "error"})
_CLOCK_SKEW = timedelta(minutes=5)
_NO_END = 9999  # the year in which a record ends what goes on
_DATE_LENGTH = len("2020-06-01")
_OLDEST_PRINTED_AGE = 120  # [a] beyond it a birth date is a disguise for "over 89"
_DRUG_STATUS: dict[str, ExposureStatus] = {
    "active": "current", "in-progress": "current", "completed": "stopped", "stopped": "stopped", "on-hold": "stopped",
    "not-taken": "denied", "not-done": "denied", "intended": "planned", "draft": "planned", "planned": "planned",
    "proposal": "planned", "unknown": "mentioned", "mentioned": "mentioned", "": "current", "ended": "stopped",
}  # fmt: skip
_CONDITION_STATUS: dict[str, ConditionStatus] = {
    "active": "present", "recurrence": "present", "relapse": "present", "": "present", "inactive": "past",
    "remission": "past", "resolved": "past",
}  # fmt: skip
_SETTINGS = {
    "EMER": "emergency", "IMP": "ward", "ACUTE": "ward", "NONAC": "ward", "OBSENC": "ward", "AMB": "outpatient",
    "HH": "outpatient", "VR": "outpatient", "ICU": "intensive care", "9201": "ward", "9202": "outpatient",
    "9203": "emergency", "262": "emergency", "32037": "intensive care",
}  # fmt: skip
_LASTED = re.compile(
    r"\b(?:for|since|over|during|last|past|x|desde hace|seit|depuis|da)\s+(?:the\s+|about\s+|last\s+|past\s+)*"
    r"(\d{1,3}|a|an|one|two|three|four|five|six|several)\s*[- ]?\s*(hour|day|week|month|year)s?\b"
    r"|\b(\d{1,3}|one|two|three|four|five|six)\s*[- ]?\s*(hour|day|week|month|year)s?\s+(?:ago|history|of)\b"
)
_COUNTS = {"a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "several": 3}
_HOURS = {"hour": 1, "day": 24, "week": 168, "month": 730, "year": 8766}


def build(
    person: Person,
    entries: Iterable[Entry],
    *,
    issues: Iterable[Issue] = (),
    now: datetime | None = None,
    local: Mapping[str, str] | None = None,
    digest: str = "",
) -> Reading:
    """Return the timeline of one patient and what had to be left out of it.

    Parameters
    ----------
    person, entries : Person, iterable of Entry
        As a reader found them.
    issues : iterable of Issue
        What the reader itself could not use.
    now : datetime, optional
        The index; without it the latest clinical time of the record.
    local : mapping, optional
        The site's own codes or labels -> analyte ids.
    digest : str
        SHA-256 of the source.

    Raises
    ------
    RecordRefused
        No entry has a time and `now` was not given, so that nothing can be dated.
    """
    found = list(issues)
    usable = [entry for entry in entries if not _withdrawn(entry, found)]
    index = now or _latest(usable)
    usable = [_in_order(entry, found) for entry in usable if not _in_future(entry, index, found)]
    patient = _patient(person, index, found)
    draft = Timeline(patient=patient, index=index)
    age = draft.age()
    gathered = _Gathered(found)
    for entry in usable:
        _READ[entry.kind](entry, gathered, patient, age, local or {}, index)
    observations = _without_duplicates(gathered.observations, found)
    if gathered.unread:
        found.append(_unread_issue(gathered.unread))
    timeline = Timeline(
        patient=patient,
        index=index,
        observations=tuple(sorted([*observations, *derive(observations, patient=patient, age=age)], key=_order)),
        exposures=tuple(sorted(set(gathered.exposures), key=_exposure_order)),
        conditions=tuple(sorted(set(gathered.conditions), key=_condition_order)),
        procedures=tuple(sorted(set(gathered.procedures), key=lambda p: (p.condition, str(p.time), p.where))),
        encounters=tuple(sorted(gathered.encounters, key=lambda e: (str(e.start), e.setting))),
        allergies=tuple(sorted(set(gathered.allergies))),
        unread=tuple(gathered.unread),
        digest=digest,
    )
    return Reading(timeline, tuple(found))


class _Gathered:
    """What the entries gave so far."""

    def __init__(self, issues: list[Issue]) -> None:
        self.issues = issues
        self.observations: list[Observation] = []
        self.exposures: list[Exposure] = []
        self.conditions: list[Condition] = []
        self.procedures: list[Procedure] = []
        self.encounters: list[Encounter] = []
        self.allergies: list[str] = []
        self.unread: list[Unread] = []


def _withdrawn(entry: Entry, issues: list[Issue]) -> bool:
    if entry.status in _ERROR or entry.certainty in _ERROR:
        issues.append(Issue("entered_in_error", entry.where, "It was entered in error.", "Nothing; it is not used."))
        return True
    if entry.kind == "observation" and entry.status not in _USED:
        what = f"Its status is '{entry.status}'."
        issues.append(Issue("status_not_used", entry.where, what, "Wait for the final result."))
        return True
    if entry.status == "cancelled":
        issues.append(Issue("status_not_used", entry.where, "It was cancelled.", "Nothing; it is not used."))
        return True
    return False


def _latest(entries: list[Entry]) -> datetime:
    times = [entry.time for entry in entries if entry.time is not None]
    times += [entry.end for entry in entries if entry.end is not None and entry.kind == "encounter"]
    if not times:
        do = "Give the time of the assessment with --now."
        raise RecordRefused("record", "no observation, drug, diagnosis or encounter has a date.", do)
    return max(times)


def _in_future(entry: Entry, index: datetime, issues: list[Issue]) -> bool:
    if entry.time is None or entry.time <= index + _CLOCK_SKEW:
        return False
    issues.append(Issue("future", entry.where, "It lies after the time of the assessment.", "Correct date or zone."))
    return True


def _in_order(entry: Entry, issues: list[Issue]) -> Entry:
    """Return an entry without its end where that lies before its start."""
    if entry.time is None or entry.end is None or entry.end >= entry.time:
        return entry
    issues.append(Issue("end_before_start", entry.where, "Its end lies before its start.", "Correct one of them."))
    return msgspec.structs.replace(entry, end=None)


def _patient(person: Person, index: datetime, issues: list[Issue]) -> Patient:
    sexes = {"f": "female", "female": "female", "8532": "female", "m": "male", "male": "male", "8507": "male"}
    sex = sexes.get(person.sex.strip().casefold())
    birth = first_instant(person.birth)
    floor = re.fullmatch(r"\s*(?:>|>=|over)?\s*(\d{1,3}(?:\.\d+)?)\s*", person.age)
    if birth is not None and birth.date() > index.date():
        issues.append(Issue("birth_in_future", "Patient", "The birth date lies after the record.", "Correct it."))
        birth = None
    if birth is not None and index.year - birth.year > _OLDEST_PRINTED_AGE:
        return Patient(sex=sex, age_at_least=90.0)  # type: ignore[arg-type]
    if birth is None:
        return Patient(sex=sex, age_at_least=float(floor[1]) if floor else None)  # type: ignore[arg-type]
    # A birth date with the year only lies in its middle, so that the age is off by half a year at most.
    exact = birth.date() if len(person.birth) > 4 else date(birth.year, 7, 1)
    return Patient(sex=sex, birth=min(exact, index.date()))  # type: ignore[arg-type]


def first_instant(text: str) -> datetime | None:
    """Return the first instant that a FHIR or ISO date, possibly partial, covers, in UTC.

    >>> first_instant("2020-06")
    datetime.datetime(2020, 6, 1, 0, 0, tzinfo=datetime.timezone.utc)
    >>> first_instant("2020-06-01T02:00:00+02:00").hour
    0
    """
    text = text.strip()
    if re.fullmatch(r"\d{4}(-\d{2})?", text):
        text = f"{text}-01-01"[:10] if len(text) == 4 else f"{text}-01"
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def last_instant(text: str) -> datetime | None:
    """Return the end of the day that a date without time names, or the instant itself.

    A date that stands for "no end" (the year 9999) is no end.

    >>> last_instant("2020-06-01")
    datetime.datetime(2020, 6, 2, 0, 0, tzinfo=datetime.timezone.utc)
    >>> last_instant("9999-12-31") is None
    True
    """
    text = text.strip()
    moment = first_instant(text)
    if moment is None or moment.year == _NO_END:
        return None
    return moment + timedelta(days=1) if len(text) == _DATE_LENGTH else moment


def _observation(
    entry: Entry, into: _Gathered, patient: Patient, age: float | None, local: Mapping[str, str], index: datetime
) -> None:
    id = coding.quantity_of(entry.codes, entry.text, entry.specimen, local)
    analyte = analytes().get(id) if id else None
    if analyte is not None and not analyte.coded:
        found = result(entry, analyte, patient=patient, age=age)
        if isinstance(found, Observation):
            into.observations.append(found)
            _remember_text(entry, entry.notes, into, index)
            return
        if found.code != "result_not_read" or not mentions(entry.words):
            into.issues.append(found)
            return
    understood = _remember_text(entry, _answered(entry), into, index)
    understood |= _remember_text(entry, entry.notes, into, index)
    if not understood:
        _not_read(entry, into)


def _answered(entry: Entry) -> str:
    """Return what the question of a form and its answer say together.

    "Screen for opiates: negative" denies them, and an answer that names something itself ("Intubated: not
    intubated") stands alone.
    """
    if not entry.words or (mentions(entry.text) and mentions(entry.words)):
        return entry.words
    return f"no {entry.text}" if is_denial(entry.words) else f"{entry.text}: {entry.words}"


def _not_read(entry: Entry, into: _Gathered) -> None:
    known = next((f"{system} {code}" for system, code in entry.codes if system != "local"), "")
    into.unread.append(Unread(entry.where, known))


def _remember_text(entry: Entry, text: str, into: _Gathered, index: datetime) -> bool:
    """Keep every condition and drug that a free text names; drugs only as mentioned, never as taken."""
    named = mentions(text) if text else ()
    onset = _began(text, entry.time or index) if named else None
    for mention in named:
        if mention.kind == "condition":
            into.conditions.append(_condition_from(mention, entry, "present", onset or entry.time))
        elif not coding.is_result_name(mention.matched):
            status: ExposureStatus = "denied" if mention.sense == "absent" else "mentioned"
            if mention.sense != "family":
                into.exposures.append(
                    Exposure(mention.id, status, entry.where, start=onset, matched=mention.matched)
                )
    return bool(named)


def _condition_from(mention: Mention, entry: Entry, base: ConditionStatus, onset: datetime | None) -> Condition:
    status: ConditionStatus = base if mention.sense == "present" else mention.sense
    if status == "past" and knowledge().conditions[mention.id].lasting:
        status = "present"
    return Condition(mention.id, status, entry.where, onset=onset, abatement=entry.end, matched=mention.matched)


def _condition(
    entry: Entry, into: _Gathered, patient: Patient, age: float | None, local: Mapping[str, str], index: datetime
) -> None:
    del patient, age, local
    base: ConditionStatus = _CONDITION_STATUS.get(entry.status, "present")
    if entry.certainty == "refuted":
        base = "absent"
    elif entry.certainty in {"provisional", "differential", "unconfirmed"}:
        base = "uncertain"
    if entry.kind == "family":
        base = "family"
    text = f"{entry.text}. {entry.notes}" if entry.notes else entry.text
    named = mentions(text)
    began = _began(text, entry.time or index)
    onset = min((moment for moment in (began, entry.time) if moment is not None), default=None)
    by_text = {mention.id for mention in named if mention.kind == "condition"}
    coded = [
        Mention("condition", id, "past" if coding.is_history(*code) else "present", "code")
        for code in entry.codes
        for id in coding.conditions_of((code,))
        if id not in by_text
    ]
    for mention in (*named, *dict.fromkeys(coded)):
        if mention.kind == "condition":
            found = _condition_from(mention, entry, base, onset)
            if entry.kind == "procedure" and found.status == "present":
                into.procedures.append(Procedure(found.condition, entry.where, entry.time, entry.end, found.matched))
            else:
                into.conditions.append(found)
        elif "family" not in {entry.kind, mention.sense} and not coding.is_result_name(mention.matched):
            status: ExposureStatus = "denied" if mention.sense == "absent" else "mentioned"
            into.exposures.append(Exposure(mention.id, status, entry.where, start=onset, matched=mention.matched))
    if not named and not coded:
        _not_read(entry, into)


def _drug(
    entry: Entry, into: _Gathered, patient: Patient, age: float | None, local: Mapping[str, str], index: datetime
) -> None:
    del patient, age, local, index
    named = [mention for mention in mentions(entry.text) if mention.kind != "condition" and mention.sense != "family"]
    ids = {id: "code" for id in coding.drugs_of(entry.codes)}
    ids |= {mention.id: mention.matched for mention in named if mention.id not in ids}
    if not ids:
        _not_read(entry, into)
        return
    narrower = {group for id in ids for group in coding.membership()[id] if group != id}
    base = _DRUG_STATUS.get(entry.status, "mentioned")
    if base == "stopped" and entry.status == "completed" and (entry.end is not None or entry.single):
        base = "current"  # it was taken from start to stop; the times decide whether that is over
    senses = {mention.id: mention.sense for mention in named}
    for id, matched in ids.items():
        if id in narrower:
            continue
        sense = senses.get(id, "present")
        status: ExposureStatus = "denied" if sense == "absent" else "stopped" if sense == "past" else base
        dose = dose_of(entry, id, into.issues)
        into.exposures.append(
            Exposure(
                id, status, entry.where,
                start=entry.time, stop=entry.time if entry.single else entry.end,
                given=(entry.time,) if entry.single and entry.time else (),
                route=route_of(entry.route), dose=dose.value, dose_unit=dose.unit, per_day=dose.per_day,
                elemental_mmol=dose.elemental_mmol, matched=matched,
            )  # fmt: skip
        )
    _remember_text(entry, entry.notes, into, entry.time or datetime.max.replace(tzinfo=UTC))


@cache
def route_of(text: str) -> Route | None:
    """Return the route that a text names, or None where it does not say."""
    said = f" {label_words(text)} "
    for route, names in knowledge().lexicon["language"].routes.items():
        if any(f" {label_words(name)} " in said for name in names):
            return route  # type: ignore[return-value]
    return None


def _began(text: str, moment: datetime) -> datetime | None:
    """Return when something began, where a text says how long it has lasted."""
    match = _LASTED.search(text.casefold())
    if match is None:
        return None
    count, unit = (match[1], match[2]) if match[1] else (match[3], match[4])
    number = int(count) if count.isdigit() else _COUNTS[count]
    try:
        return moment - timedelta(hours=number * _HOURS[unit])
    except OverflowError:
        return None


def _encounter(
    entry: Entry, into: _Gathered, patient: Patient, age: float | None, local: Mapping[str, str], index: datetime
) -> None:
    del patient, age, local
    setting = _SETTINGS.get(entry.setting, "unknown")
    into.encounters.append(Encounter(setting, entry.where, entry.time, entry.end))  # type: ignore[arg-type]
    _remember_text(entry, entry.text, into, index)


def _allergy(
    entry: Entry, into: _Gathered, patient: Patient, age: float | None, local: Mapping[str, str], index: datetime
) -> None:
    del patient, age, local, index
    named = [*coding.drugs_of(entry.codes), *(m.id for m in mentions(entry.text) if m.kind != "condition")]
    into.allergies += named
    if not named:
        _not_read(entry, into)


def _text(
    entry: Entry, into: _Gathered, patient: Patient, age: float | None, local: Mapping[str, str], index: datetime
) -> None:
    del patient, age, local
    if not _remember_text(entry, entry.text, into, index):
        _not_read(entry, into)


_READ = {
    "observation": _observation,
    "drug": _drug,
    "condition": _condition,
    "procedure": _condition,
    "family": _condition,
    "encounter": _encounter,
    "allergy": _allergy,
    "text": _text,
}


def _without_duplicates(observations: list[Observation], issues: list[Issue]) -> list[Observation]:
    """Return each result once; two feeds of one result are the same quantity, time and value."""
    kept: dict[tuple[object, ...], Observation] = {}
    doubled = 0
    for observation in observations:
        key = (observation.quantity, observation.time, observation.low, observation.high)
        if key in kept and observation.time is not None:
            doubled += 1
        kept.setdefault(key if observation.time is not None else (*key, observation.where), observation)
    if doubled:
        issues.append(Issue("duplicate", "record", f"{doubled} results stand twice.", "Nothing; each counts once."))
    return list(kept.values())


def _unread_issue(unread: list[Unread]) -> Issue:
    kinds = Counter(line.where.split(" ")[0] for line in unread)
    listed = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    what = f"{len(unread)} lines hold nothing that we know ({listed})."
    return Issue("not_read", "record", what, "See --unread; add local codes with --map if one of them matters.")


_FIRST = datetime.min.replace(tzinfo=UTC)


def _order(observation: Observation) -> tuple[str, datetime, float, float, str]:
    low = -1.0 if observation.low is None else observation.low
    high = 1e300 if observation.high is None else observation.high
    return observation.quantity, observation.time or _FIRST, low, high, observation.where


def _exposure_order(exposure: Exposure) -> tuple[object, ...]:
    return exposure.ingredient, exposure.start or _FIRST, exposure.stop or _FIRST, exposure.status, exposure.where


def _condition_order(condition: Condition) -> tuple[object, ...]:
    return condition.condition, condition.onset or _FIRST, condition.status, condition.where
