"""Lines of a source -> one Timeline. The only place where a record is understood, whatever its form was."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from carnallite.errors import RecordRefused
from carnallite.quantity import analyte
from carnallite.record.derive import derive
from carnallite.record.entry import ran_in
from carnallite.record.interpret import READ, Gathered
from carnallite.record.moments import first_instant
from carnallite.record.timeline import Condition, Exposure, Issue, Observation, Patient, Reading, Timeline, Unread

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from carnallite.record.entry import Entry, Person

_USED = frozenset({"", "final", "amended", "corrected", "appended", "preliminary", "unknown"})
_ERROR = frozenset({"entered-in-error", "error"})
_OVER = frozenset({"completed", "stopped", "ended", "discontinued", "resolved", "inactive", "remission"})
_CLOCK_SKEW = timedelta(minutes=5)
_OLDEST_PRINTED_AGE = 120  # [a] beyond it a birth date is a disguise for "over 89"


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
    last = _latest(usable)
    index = now.astimezone(UTC) if now else _dated(last)
    usable = [_in_order(entry, found) for entry in usable if not _in_future(entry, index, found)]
    usable = [_so_far(entry, index, last) for entry in usable]
    patient = _patient(person, index, found)
    gathered = Gathered(found, Timeline(patient=patient, index=index), local or {})
    for entry in usable:
        READ[entry.kind](entry, gathered)
    observations = _without_duplicates(gathered.observations, found)
    if gathered.unread:
        found.append(_unread_issue(gathered.unread))
    timeline = Timeline(
        patient=patient,
        index=index,
        observations=tuple(
            sorted([*observations, *derive(observations, patient=patient, age=gathered.age)], key=_order)
        ),
        exposures=tuple(sorted(dict.fromkeys(gathered.exposures), key=_exposure_order)),
        conditions=tuple(sorted(dict.fromkeys(gathered.conditions), key=_condition_order)),
        procedures=tuple(sorted(dict.fromkeys(gathered.procedures), key=lambda p: (p.condition, str(p.time), p.where))),
        encounters=tuple(sorted(gathered.encounters, key=lambda e: (str(e.start), e.setting))),
        allergies=tuple(sorted(dict.fromkeys(gathered.allergies))),
        unread=tuple(gathered.unread),
        unreadable=_unreadable(gathered.failed, observations),
        digest=digest,
    )
    return Reading(timeline, tuple(found))


def _withdrawn(entry: Entry, issues: list[Issue]) -> bool:
    if entry.status in _ERROR or entry.certainty in _ERROR:
        issues.append(Issue("entered_in_error", entry.where, "It was entered in error.", "Nothing; it is not used."))
        return True
    if entry.kind == "observation" and entry.status not in _USED:
        what = f"Its status is '{entry.status}'."
        issues.append(Issue("status_not_used", entry.where, what, "Wait for the final result."))
        return True
    if entry.status == "cancelled" or (entry.kind == "procedure" and entry.status in {"not-done", "planned"}):
        issues.append(Issue("status_not_used", entry.where, "It was cancelled.", "Nothing; it is not used."))
        return True
    return False


def _latest(entries: list[Entry]) -> datetime | None:
    """Return the last moment of which a record tells; none where nothing is dated."""
    times = [entry.time for entry in entries if entry.time is not None and entry.status != "planned"]
    times += [entry.end for entry in entries if entry.end is not None and entry.kind == "encounter"]
    return max(times, default=None)


def _dated(last: datetime | None) -> datetime:
    if last is None:
        do = "Give the time of the assessment with --now."
        raise RecordRefused("record", "no observation, drug, diagnosis or encounter has a date.", do)
    return last


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


def _so_far(entry: Entry, index: datetime, last: datetime | None) -> Entry:
    """Return an entry as it stood at the index: what ended later in the record had not ended yet.

    An end beyond all that the record tells was planned, and says nothing of what was so at the index. Of an infusion
    that still ran there is what had run in.
    """
    if entry.single:
        return ran_in(entry, index)
    if entry.end is None or last is None or not index < entry.end <= last:
        return entry
    return msgspec.structs.replace(entry, end=None, status="active" if entry.status in _OVER else entry.status)


def _patient(person: Person, index: datetime, issues: list[Issue]) -> Patient:
    sexes = {"f": "female", "female": "female", "8532": "female", "m": "male", "male": "male", "8507": "male"}
    sex = sexes.get(person.sex.strip().casefold())
    if person.sex and sex is None and person.sex.casefold() not in {"other", "unknown", "u"}:
        issues.append(Issue("person_not_read", "Patient", "The sex could not be read.", "Write female or male."))
    birth = first_instant(person.birth)
    floor = re.fullmatch(r"\s*(?:>|>=|over)?\s*(\d{1,3}(?:\.\d+)?)\s*", person.age)
    if (person.birth and birth is None) or (person.age and (floor is None or float(floor[1]) > _OLDEST_PRINTED_AGE)):
        floor = None
        issues.append(Issue("person_not_read", "Patient", "The age could not be read.", "Write a date, or years."))
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


def _without_duplicates(observations: list[Observation], issues: list[Issue]) -> list[Observation]:
    """Return each result once; two feeds of one result are the same quantity, time and value."""
    kept: dict[tuple[object, ...], Observation] = {}
    corrected = {(one.quantity, one.time) for one in observations if "corrected" in one.remarks and one.time}
    doubled = 0
    for one in sorted(observations, key=lambda one: "preliminary" in one.remarks):  # final ones first
        if (one.quantity, one.time) in corrected and "corrected" not in one.remarks:
            continue
        key = (one.quantity, one.time, one.low, one.high, None if one.time else one.where)
        if key in kept:
            doubled += 1
            kept[key] = _merged(kept[key], one)
        else:
            kept[key] = one
    if doubled:
        issues.append(Issue("duplicate", "record", f"{doubled} results stand twice.", "Nothing; each counts once."))
    issues += _conflicts(kept.values())
    return list(kept.values())


def _merged(first: Observation, second: Observation) -> Observation:
    """Return one result with the remarks of both; it is preliminary only if both are."""
    remarks = tuple(dict.fromkeys((*first.remarks, *second.remarks)))
    if "preliminary" not in first.remarks:
        remarks = tuple(remark for remark in remarks if remark != "preliminary")
    return msgspec.structs.replace(first, remarks=remarks)


def _conflicts(observations: Iterable[Observation]) -> Iterator[Issue]:
    """Yield an Issue for every two final numbers of one quantity and time that differ."""
    seen: dict[tuple[str, datetime], Observation] = {}
    for one in observations:
        if one.time is None or one.basis != "number" or "preliminary" in one.remarks:
            continue
        if seen.setdefault((one.quantity, one.time), one) is not one:
            what = f"{analyte(one.quantity).name}: two results of one time disagree."
            yield Issue("conflict", one.where, what, "Find out which holds; the worse one raises alarms.")


def _unreadable(failed: list[tuple[str, datetime | None]], observations: list[Observation]) -> tuple[str, ...]:
    """Return the quantities of which a result that may be the newest could not be read."""
    newest: dict[str, datetime] = {}
    for one in observations:
        if one.time is not None:
            newest[one.quantity] = max(one.time, newest.get(one.quantity, one.time))
    return tuple(sorted({id for id, time in failed if time is None or id not in newest or time >= newest[id]}))


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
    return (
        exposure.ingredient,
        exposure.start or _FIRST,
        exposure.stop or _FIRST,
        exposure.status,
        exposure.where,
    )


def _condition_order(condition: Condition) -> tuple[object, ...]:
    return condition.condition, condition.onset or _FIRST, condition.status, condition.where
