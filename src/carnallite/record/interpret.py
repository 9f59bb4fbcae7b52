"""One line of a source -> what it says, in our ids. Nothing is guessed; what is not known is listed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from carnallite.knowledge import knowledge
from carnallite.quantity import analytes
from carnallite.record import codes as coding
from carnallite.record.dose import dose_of, route_of
from carnallite.record.moments import began
from carnallite.record.result import result
from carnallite.record.timeline import (
    Condition,
    ConditionStatus,
    Encounter,
    Exposure,
    ExposureStatus,
    Issue,
    Observation,
    Procedure,
    Timeline,
    Unread,
)
from carnallite.record.understand import Mention, is_denial, mentions

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from carnallite.record.entry import Entry

_DRUG_STATUS: dict[str, ExposureStatus] = {
    "active": "current", "in-progress": "current", "completed": "stopped", "stopped": "stopped", "on-hold": "stopped",
    "not-taken": "denied", "not-done": "denied", "intended": "planned", "draft": "planned", "planned": "planned",
    "proposal": "planned",
    "discontinued": "stopped", "unknown": "mentioned", "mentioned": "mentioned", "": "current", "ended": "stopped",
}  # fmt: skip
_CONDITION_STATUS: dict[str, ConditionStatus] = {
    "active": "present", "recurrence": "present", "relapse": "present", "": "present", "inactive": "past",
    "remission": "past", "resolved": "past", "ruled-out": "absent", "refuted": "absent",
}  # fmt: skip
_SETTINGS = {
    "EMER": "emergency", "IMP": "ward", "ACUTE": "ward", "NONAC": "ward", "OBSENC": "ward", "AMB": "outpatient",
    "HH": "outpatient", "VR": "outpatient", "ICU": "intensive care", "9201": "ward", "9202": "outpatient",
    "9203": "emergency", "262": "emergency", "32037": "intensive care",
}  # fmt: skip


class Gathered:
    """What the entries of one patient gave so far, and what is needed to understand the next."""

    def __init__(self, issues: list[Issue], draft: Timeline, local: Mapping[str, str]) -> None:
        self.issues = issues
        self.patient, self.index, self.age, self.local = draft.patient, draft.index, draft.age(), local
        self.observations: list[Observation] = []
        self.exposures: list[Exposure] = []
        self.conditions: list[Condition] = []
        self.procedures: list[Procedure] = []
        self.encounters: list[Encounter] = []
        self.allergies: list[str] = []
        self.unread: list[Unread] = []
        self.failed: list[tuple[str, datetime | None]] = []  # quantity and time of results that could not be read


def _observation(entry: Entry, into: Gathered) -> None:
    id = coding.quantity_of(entry.codes, entry.text, entry.specimen, into.local)
    analyte = analytes().get(id) if id else None
    if coding.is_contradictory(entry.codes):
        what = "Its codes mean different tests."
        into.issues.append(Issue("code_conflict", entry.where, what, "Correct it at its source; it is not used."))
        into.failed.append((id or "", entry.time))
        return
    if analyte is not None and not analyte.coded:
        found = result(entry, analyte, patient=into.patient, age=into.age)
        if isinstance(found, Observation):
            into.observations.append(found)
            _remember_text(entry, entry.notes, into)
            return
        if found.code != "result_not_read" or not mentions(entry.words):
            into.issues.append(found)
            into.failed.append((analyte.id, entry.time))
            return
    understood = _remember_text(entry, _answered(entry), into)
    understood |= _remember_text(entry, entry.notes, into)
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


def _not_read(entry: Entry, into: Gathered) -> None:
    known = next((f"{system} {code}" for system, code in entry.codes if system != "local"), "")
    into.unread.append(Unread(entry.where, known))


def _remember_text(entry: Entry, text: str, into: Gathered) -> bool:
    """Keep every condition and drug that a free text names; drugs only as mentioned, never as taken."""
    named = mentions(text) if text else ()
    onset = began(text, entry.time or into.index) if named else None
    for mention in named:
        if mention.kind == "condition":
            into.conditions.append(_condition_from(mention, entry, "present", onset or entry.time))
        elif not coding.is_result_name(mention.matched):
            status: ExposureStatus = "denied" if mention.sense == "absent" else "mentioned"
            if mention.sense != "family":
                into.exposures.append(Exposure(mention.id, status, entry.where, start=onset, matched=mention.matched))
    return bool(named)


def _condition_from(mention: Mention, entry: Entry, base: ConditionStatus, onset: datetime | None) -> Condition:
    status: ConditionStatus = base if mention.sense == "present" else mention.sense
    if status == "past" and knowledge().conditions[mention.id].lasting:
        status = "present"
    return Condition(mention.id, status, entry.where, onset=onset, abatement=entry.end, matched=mention.matched)


def _condition(entry: Entry, into: Gathered) -> None:
    base: ConditionStatus = _CONDITION_STATUS.get(entry.status, "present")
    if entry.certainty == "refuted":
        base = "absent"
    elif entry.certainty in {"provisional", "differential", "unconfirmed"}:
        base = "uncertain"
    if entry.kind == "family":
        base = "family"
    text = f"{entry.text}. {entry.notes}" if entry.notes else entry.text
    named = mentions(text)
    starts = (began(text, entry.time or into.index), entry.time)
    onset = min((moment for moment in starts if moment is not None), default=None)
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


def _drug(entry: Entry, into: Gathered) -> None:
    named = [mention for mention in mentions(entry.text) if mention.kind != "condition" and mention.sense != "family"]
    ids = dict.fromkeys(coding.drugs_of(entry.codes), "code")
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
                id,
                status,
                entry.where,
                start=entry.time,
                stop=entry.end or (entry.time if entry.single else None),
                given=(entry.time,) if entry.single and entry.time else (),
                route=route_of(entry.route) or route_of(f"{entry.text} {entry.dose_text}"),
                dose=dose.value,
                dose_unit=dose.unit,
                per_day=dose.per_day,
                elemental_mmol=dose.elemental_mmol,
                matched=matched,
            )
        )
    _remember_text(entry, entry.notes, into)


def _encounter(entry: Entry, into: Gathered) -> None:
    setting = _SETTINGS.get(entry.setting, "unknown")
    into.encounters.append(Encounter(setting, entry.where, entry.time, entry.end))  # type: ignore[arg-type]
    _remember_text(entry, entry.text, into)


def _allergy(entry: Entry, into: Gathered) -> None:
    named = [*coding.drugs_of(entry.codes), *(m.id for m in mentions(entry.text) if m.kind != "condition")]
    into.allergies += named
    if not named:
        _not_read(entry, into)


def _text(entry: Entry, into: Gathered) -> None:
    if not _remember_text(entry, entry.text, into):
        _not_read(entry, into)


READ = {
    "observation": _observation,
    "drug": _drug,
    "condition": _condition,
    "procedure": _condition,
    "family": _condition,
    "encounter": _encounter,
    "allergy": _allergy,
    "text": _text,
}
