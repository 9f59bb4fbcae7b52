"""Draft orders as an order entry sends them: what would be given, how much of it, how fast, in how much fluid."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from carnallite.record import fhir
from carnallite.record.interpret import READ, Gathered
from carnallite.record.timeline import Exposure, Issue, Patient, Timeline, Value

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from carnallite.record.entry import Entry
    from carnallite.record.resources import Dosage, Quantity, Repeat

_NUMBER = r"(\d+(?:[.,]\d+)?)"
_MASS = r"(mmol|meq|mg|g|gm|grams?|units?|ml|l)"
_OVER = re.compile(
    rf"\bover\s+{_NUMBER}(?:\s*(?:-|to)\s*\d+(?:[.,]\d+)?)?\s*(minutes?|mins?|hours?|hrs?|h|days?|d)\b", re.I
)
_RATE = re.compile(rf"{_NUMBER}\s*{_MASS}\s*(?:/|\s+per\s+|\s+an?\s+)(minute|min|hour|hr|h)\b", re.I)
_IN = re.compile(rf"\bin\s+{_NUMBER}\s*(ml|l|liters?|litres?)\b", re.I)
_PUSH = re.compile(r"\b(?:push|bolus|stat|rapid(?:ly)?)\b", re.I)
_HOURS = {"s": 1 / 3600, "min": 1 / 60, "minute": 1 / 60, "h": 1.0, "hr": 1.0, "hour": 1.0, "d": 24.0, "day": 24.0}
_LITRES = {"ml": 0.001, "l": 1.0, "liter": 1.0, "litre": 1.0}
_GRAMS = frozenset({"g", "gm", "gram"})
DAY = 24.0


class Order(Value, frozen=True):
    """One draft order.

    Attributes
    ----------
    where : str
        Its place among the drafts, such as ``MedicationRequest 2``: for messages, never an identifier.
    id : str
        By which whoever asks knows it; no message holds it.
    exposures : tuple of Exposure
        What would be taken; empty where nothing that we know is ordered.
    over_h : float, optional
        [h] How long each dose takes, or None where the order does not say.
    volume_l : float, optional
        [L] In how much fluid each dose is dissolved.
    push : bool
        It is to be given at once.
    issues : tuple of Issue
        What of it could not be read.
    """

    where: str
    id: str = ""
    exposures: tuple[Exposure, ...] = ()
    over_h: float | None = None
    volume_l: float | None = None
    push: bool = False
    issues: tuple[Issue, ...] = ()


def read_orders(drafts: Sequence[bytes], *, index: datetime) -> tuple[Order, ...]:
    """Return the drug orders among draft resources; what is no drug, or says that it is not to be given, is left out.

    Parameters
    ----------
    drafts : sequence of bytes
        FHIR R4 resources as JSON, in the order of the caller; a MedicationRequest may refer to a Medication beside it.
    index : datetime
        Time of the assessment; words such as "since last week" count from it.

    Raises
    ------
    RecordRefused
        One of them is not a resource.
    """
    found = []
    for number, (id, entry, dosage) in enumerate(fhir.draft_lines(drafts), 1):
        ordered = msgspec.structs.replace(
            entry, where=f"MedicationRequest {number}", status="active", time=None, end=None, single=False
        )
        found.append(_order(id, ordered, dosage, index))
    return tuple(found)


def _order(id: str, entry: Entry, dosage: Dosage, index: datetime) -> Order:
    repeat = dosage.timing.repeat if dosage.timing else None
    text = f"{entry.text} {entry.dose_text}"
    coded = _rate(dosage)
    rate = coded or _rate_in(text)
    over = _duration(repeat) or _over_in(text)
    volume = _volume_in(text)
    if coded is not None and entry.dose is None and not entry.dose_text and not _is_fluid(coded):
        entry = msgspec.structs.replace(entry, dose=coded[0] * DAY, dose_unit=coded[1], per_day=1.0)
        over = DAY  # a rate without an end counts as that of a day
    into = Gathered([], Timeline(patient=Patient(), index=index), {})
    READ["drug"](entry, into)
    if over is None and rate is not None:
        over = _by_rate(entry, into.exposures, rate, volume)
    return Order(
        where=entry.where, id=id, exposures=tuple(into.exposures), over_h=over, volume_l=volume,
        push=over is None and bool(_PUSH.search(text)), issues=tuple(into.issues),
    )  # fmt: skip


def _by_rate(entry: Entry, exposures: list[Exposure], rate: tuple[float, str], volume: float | None) -> float | None:
    """Return how long a dose takes at a rate [per hour], where both are in one unit or the fluid is known."""
    if _is_fluid(rate):
        return volume / (rate[0] * _LITRES[rate[1]]) if volume else None
    for one in exposures:
        if one.dose is not None and _unit(one.dose_unit) == rate[1]:
            return one.dose / rate[0]
        if rate[1] == "mmol" and one.elemental_mmol is not None:
            return one.elemental_mmol / rate[0]
    return entry.dose / rate[0] if entry.dose is not None and _unit(entry.dose_unit) == rate[1] else None


def _is_fluid(rate: tuple[float, str]) -> bool:
    return rate[1] in _LITRES


def _unit(text: str) -> str:
    word = text.casefold().strip()
    return "g" if word.removesuffix("s") in _GRAMS else word


def _rate(dosage: Dosage) -> tuple[float, str] | None:
    """Return the coded rate [per hour] and its unit."""
    for part in dosage.dose_and_rate:
        if part.rate_quantity is not None and part.rate_quantity.value:
            amount, _, per = _unit_of(part.rate_quantity).partition("/")
            hours = _HOURS.get(per.strip().casefold())
            if hours:
                return part.rate_quantity.value / hours, _unit(amount)
        ratio = part.rate_ratio
        if ratio is None or ratio.numerator is None or ratio.denominator is None:
            continue
        hours = _HOURS.get(_unit_of(ratio.denominator).casefold().removesuffix("s"))
        if hours and ratio.numerator.value and ratio.denominator.value:
            return ratio.numerator.value / (ratio.denominator.value * hours), _unit(_unit_of(ratio.numerator))
    return None


def _unit_of(quantity: Quantity) -> str:
    return quantity.unit or quantity.code or ""


def _duration(repeat: Repeat | None) -> float | None:
    """Return the coded time that each dose takes [h]."""
    if repeat is None or not repeat.duration:
        return None
    hours = _HOURS.get(repeat.duration_unit or "")
    return repeat.duration * hours if hours else None


def _rate_in(text: str) -> tuple[float, str] | None:
    found = _RATE.search(text)
    if found is None:
        return None
    return _float(found[1]) / _HOURS[found[3].casefold()], _unit(found[2])


def _over_in(text: str) -> float | None:
    """Return how long a dose takes [h] by the words of an order; of a range the shorter.

    >>> _over_in("2 g IV over 15-30 min"), _over_in("20 mmol over 3 hours"), _over_in("daily")
    (0.25, 3.0, None)
    """
    found = _OVER.search(text)
    if found is None:
        return None
    unit = found[2].casefold()
    return _float(found[1]) * (_HOURS.get(unit) or _HOURS.get(unit.removesuffix("s")) or _HOURS["min"])


def _volume_in(text: str) -> float | None:
    """Return the fluid of a dose [L] by the words of an order.

    >>> _volume_in("4 g in 250 mL saline"), _volume_in("in 1 L"), _volume_in("4 g")
    (0.25, 1.0, None)
    """
    found = _IN.search(text)
    return _float(found[1]) * _LITRES[found[2].casefold().removesuffix("s")] if found else None


def _float(text: str) -> float:
    return float(text.replace(",", "."))
