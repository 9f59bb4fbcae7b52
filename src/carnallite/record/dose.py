"""What a record says about a dose, and how much of the element it holds where that is beyond doubt."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

import msgspec

from carnallite.knowledge import Route, knowledge
from carnallite.quantity import analyte
from carnallite.record.codes import membership
from carnallite.record.timeline import Issue
from carnallite.record.understand import label_words

if TYPE_CHECKING:
    from carnallite.record.entry import Entry

_DOSE = re.compile(
    r"(?<![\d.,])(?P<value>\d+(?:\.\d+)?)(?:\s*-\s*\d+(?:\.\d+)?)?\s*(?P<unit>mmol|meq|mg|grams?|gm|g|ug|mcg|µg|units?|iu|ml)\b"
    r"(?:\s*(?:/|per|a)\s*(?P<per>d|day|24\s*h|h|hour|week|wk)\b)?",
    re.IGNORECASE,
)
_TIMES = re.compile(
    r"\b(?:every|q)\s*(?P<hours>\d{1,2})\s*h|\b(?P<word>once|twice|three times|four times|five times|six times"
    r"|od|qd|bd|bid|tds|tid|qds|qid|daily|nightly|qhs|weekly)\b",
    re.IGNORECASE,
)
_PER_DAY = {
    "once": 1, "od": 1, "qd": 1, "daily": 1, "nightly": 1, "qhs": 1, "twice": 2, "bd": 2, "bid": 2,
    "three times": 3, "tds": 3, "tid": 3, "four times": 4, "qds": 4, "qid": 4, "five times": 5, "six times": 6,
    "weekly": 1 / 7,
}  # fmt: skip
_COUNTED = re.compile(r"\{?(?:tab(?:let)?s?|tbl|pills?|cap(?:sule|let)?s?|packets?|sachets?)\}?", re.IGNORECASE)
_STRENGTH = re.compile(
    r"(?<![\d.,])(?P<value>\d+(?:\.\d+)?)\s*(?P<unit>mmol|meq|mg|gm|g|ug|mcg|µg)\b(?P<per>\s*/)?",
    re.IGNORECASE,
)
_GRAMS = frozenset({"g", "gm", "gram", "grams"})
_INJECTED = frozenset({"intravenous", "intramuscular", "subcutaneous"})
_PERIODS = {"d": 1, "day": 1, "24h": 1, "h": 24, "hour": 24, "week": 1 / 7, "wk": 1 / 7}


class Dose(msgspec.Struct, frozen=True):
    """One dose, how often a day, and the element in it [mmol] where the record leaves no doubt."""

    value: float | None = None
    unit: str = ""
    per_day: float | None = None
    elemental_mmol: float | None = None


def dose_of(entry: Entry, ingredient: str, issues: list[Issue]) -> Dose:
    """Return the dose of a drug entry.

    Magnesium "400 mg" may be the element or the salt, a difference of up to tenfold; such a dose is an Issue and
    its element stays unknown. Grams of a sulfate given by vein, muscle or skin always mean the salt.
    """
    value, unit, per_day = entry.dose, entry.dose_unit, entry.per_day
    match = _DOSE.search(entry.dose_text)
    if value is None and match is not None:
        value, unit = float(match["value"]), match["unit"].casefold()
        if match["per"]:
            per_day = _PERIODS[re.sub(r"\s", "", match["per"].casefold())]
    often = _TIMES.search(entry.dose_text)
    if per_day is None and often is not None:
        hours = often["hours"]
        per_day = 24 / int(hours) if hours and int(hours) else _PER_DAY.get((often["word"] or "").casefold())
    if value is None:
        return Dose()
    value, unit = _by_strength(value, unit, entry.text)
    elemental = _elemental(entry, ingredient, value, unit.casefold(), issues)
    return Dose(value, unit, per_day, elemental)


def _by_strength(value: float, unit: str, name: str) -> tuple[float, str]:
    """Return a dose in pieces by the one strength that the name of the product has; otherwise as it was.

    >>> _by_strength(3, "{pill}", "Potassium Chloride 20 MEQ Extended Release Oral Tablet")
    (60.0, 'meq')
    >>> _by_strength(1, "tablet", "Hydrochlorothiazide 25 MG / Spironolactone 25 MG Oral Tablet")
    (1, 'tablet')
    """
    found = list(_STRENGTH.finditer(name)) if _COUNTED.fullmatch(unit) else []
    if len(found) != 1 or found[0]["per"]:
        return value, unit
    return value * float(found[0]["value"]), found[0]["unit"].casefold()


def _elemental(entry: Entry, ingredient: str, value: float, unit: str, issues: list[Issue]) -> float | None:
    if "magnesium" not in membership().get(ingredient, frozenset()):
        return None
    if unit == "mmol":
        return value
    if unit == "meq":
        return value / 2
    if unit not in {"mg", *_GRAMS}:
        return None
    grams = value / 1000 if unit == "mg" else value
    said = f"{entry.dose_text} {entry.text}".casefold()
    content = _mmol_per_g().get(ingredient)
    if "elemental" in said:
        return grams * 1000 / (analyte("serum_magnesium").molar_mass or 1.0)
    injected = route_of(entry.route) in _INJECTED
    if content is not None and ("salt" in said or (injected and unit in _GRAMS)):
        return grams * content
    what = "A magnesium dose in mass does not say whether it is the element or the salt."
    issues.append(Issue("magnesium_dose_unclear", entry.where, what, "Give it in mmol, or write 'elemental'."))
    return None


@cache
def route_of(text: str) -> Route | None:
    """Return the route that a text names, or None where it does not say.

    >>> route_of("IV DRIP"), route_of("02-Fluids (Crystalloids)"), route_of("PO/NG"), route_of("")
    ('intravenous', 'intravenous', 'oral', None)
    """
    said = f" {label_words(text)} "
    for route, names in knowledge().lexicon["language"].routes.items():
        if any(f" {label_words(name)} " in said for name in names):
            return route  # type: ignore[return-value]
    return None


@cache
def _mmol_per_g() -> dict[str, float]:
    return {
        salt.ingredient: salt.mmol_per_g for treatment in knowledge().treatments.values() for salt in treatment.salts
    }
