"""One printed result -> an interval in the canonical unit, or the Issue that says why not."""

from __future__ import annotations

import math
import re
from functools import cache
from typing import TYPE_CHECKING

from carnallite.errors import UnitError
from carnallite.knowledge import knowledge
from carnallite.quantity import Analyte, ReferenceInterval, fold, is_mass, is_unit
from carnallite.record.timeline import Issue, Observation
from carnallite.record.understand import label_words, level

if TYPE_CHECKING:
    from carnallite.record.entry import Entry
    from carnallite.record.timeline import Patient

_NUMBER = re.compile(r"\s*(<=|>=|<|>|≤|≥)?\s*([+-]?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d{1,2})?)\s*(\D.*)?", re.DOTALL)
_COMMA = re.compile(r"\s*(?:<=|>=|<|>|≤|≥)?\s*\d+,\d+\s*\S*\s*")
_LONGEST = 80  # letters; a longer result is a text
_KNOWN = frozenset({"", "<", "<=", ">", ">="})
_COMPARATORS = {"≤": "<=", "≥": ">="}
_SPOKEN = re.compile(r"\s*(less|lower|greater|more|higher) than(?= *\d)", re.IGNORECASE)
_FLAGS = {"L": "low", "LL": "low", "H": "high", "HH": "high", "N": "normal", "LU": "low", "HU": "high"}


def read_number(text: str) -> tuple[str, float, str] | None:
    """Return comparator, number and unit of a text that is a number, or None.

    Only plain decimal numbers are accepted: no decimal comma, no thousands mark.

    >>> read_number("<0.3 mmol/L")
    ('<', 0.3, 'mmol/L')
    >>> read_number("LESS THAN 10")
    ('<', 10.0, '')
    >>> read_number("2,1") is None
    True
    """
    spoken = _SPOKEN.match(text)
    if spoken:
        text = ("<" if spoken[1].casefold() in {"less", "lower"} else ">") + text[spoken.end() :]
    match = _NUMBER.fullmatch(text)
    if match is None or (match[3] or "").startswith((",", ".")):
        return None
    comparator = match[1] or ""
    return _COMPARATORS.get(comparator, comparator), float(match[2]), (match[3] or "").strip()


def result(entry: Entry, analyte: Analyte, *, patient: Patient, age: float | None) -> Observation | Issue:
    """Return what an entry says about one analyte as an interval, or why it cannot be used.

    A unit is never inferred: without one, or with one of another quantity, the number is not used.
    """
    remarks = _remarks(entry)
    if entry.value is not None:
        return _from_number(entry, analyte, (entry.comparator, entry.value, entry.unit), remarks)
    number = read_number(entry.words.strip()) if len(entry.words) <= _LONGEST else None
    if number is not None:
        comparator, value, unit = number
        unit = _without_flags(unit)
        if unit and not is_unit(unit):  # it may be anything, so it is not shown
            what = f"{analyte.name}: the text after the number is no unit."
            return _issue(entry, "unit_unknown", what, "Write number and unit alone.")
        return _from_number(entry, analyte, (comparator, value, unit or entry.unit), remarks)
    if _COMMA.fullmatch(entry.words.strip()[:_LONGEST]):
        return _issue(entry, "decimal_comma", "The number has a decimal comma.", "Write it with a point.")
    said = level(entry.words) or _FLAGS.get(entry.flag.upper(), "")
    if not said:
        return _issue(
            entry,
            "result_not_read",
            "The result is neither a number nor low, normal or high.",
            "Add it by hand.",
        )
    usual = analyte.reference(sex=patient.sex, age=age)
    return _from_words(entry, analyte, said, usual, remarks)


def _from_number(
    entry: Entry, analyte: Analyte, number: tuple[str, float, str], remarks: tuple[str, ...]
) -> Observation | Issue:
    comparator, value, unit = number
    where = analyte.name
    if not math.isfinite(value):
        return _issue(entry, "not_a_number", f"{where}: the value is not a number.", "Correct it at its source.")
    size = _factor(entry, analyte, unit)
    if isinstance(size, Issue):
        return size
    canonical = _steady(value * size)
    lowest = min(0.0, analyte.plausible.low) if comparator else analyte.plausible.low
    if comparator not in _KNOWN or not lowest <= canonical <= analyte.plausible.high or canonical == lowest == 0:
        usual = f"{analyte.show(analyte.plausible.low)} to {analyte.show(analyte.plausible.high)}"
        what = f"{where}: {value:g} {unit} is not plausible ({usual})."
        return _issue(entry, "implausible", what, "Check unit, decimal point and row.")
    floor = 0.0 if analyte.plausible.low >= 0 else None
    ends: dict[str, tuple[float | None, float | None]] = {
        "": (canonical, canonical),
        "<": (floor, math.nextafter(canonical, -math.inf)),
        "<=": (floor, canonical),
        ">": (math.nextafter(canonical, math.inf), None),
        ">=": (canonical, None),
    }
    low, high = ends[comparator]
    if unit and analyte.us_unit and is_unusual(unit, analyte):
        remarks = (*remarks, "unusual_unit")
    if entry.value_high is not None:
        high = _steady(entry.value_high * size)
        if high < canonical:
            return _issue(entry, "range_reversed", f"{where}: the range ends below its start.", "Correct it.")
    given = _given_reference(entry, analyte, size)
    return Observation(
        quantity=analyte.id,
        low=low,
        high=high,
        time=entry.time,
        where=entry.where,
        printed=f"{comparator}{value:g} {unit}".strip(),
        basis="censored" if comparator else "number",
        reference_low=given[0],
        reference_high=given[1],
        remarks=remarks,
    )


def is_unusual(unit: str, analyte: Analyte) -> bool:
    """Return whether a unit weighs what everybody counts, as milligrams of potassium do.

    >>> from carnallite.quantity import analyte
    >>> is_unusual("mg/dL", analyte("serum_potassium")), is_unusual("mg/dL", analyte("serum_magnesium"))
    (True, False)
    """
    return is_mass(unit) and not is_mass(analyte.unit) and not is_mass(analyte.us_unit)


def _steady(value: float) -> float:
    """Return a converted number without the noise of its last digits, so that no unit crosses a threshold.

    >>> _steady(2.4305 * 0.41143797572516)
    1.0
    """
    return float(f"{value:.10g}")


def _factor(entry: Entry, analyte: Analyte, unit: str) -> float | Issue:
    """Return the factor to the canonical unit; text and code of a unit must agree."""
    sizes: list[float] = []
    complaints: list[UnitError] = []
    for spelling in dict.fromkeys((unit, entry.unit, entry.unit_code)):
        if spelling or not (unit or entry.unit_code):
            try:
                sizes.append(analyte.factor(spelling))
            except UnitError as error:
                complaints.append(error)
                if is_unit(spelling):  # a unit, but of something else
                    sizes.append(math.nan)
    sizes = sizes if any(math.isfinite(size) for size in sizes) else []
    if not sizes:
        missing = not (unit or entry.unit_code)
        code = "unit_missing" if missing else "unit_unknown"
        # A text that is no unit may be anything, so it is never shown.
        what = f"'{fold(unit)}' does not measure this" if is_unit(unit) else "the unit is missing or not known"
        return _issue(entry, code, f"{analyte.name}: {what}.", complaints[0].do)
    if not all(math.isclose(size, sizes[0], rel_tol=1e-9) for size in sizes):
        what = f"{analyte.name}: the unit's text and code disagree."
        return _issue(entry, "unit_conflict", what, "Correct it at its source; the value is not used.")
    return sizes[0]


def _given_reference(entry: Entry, analyte: Analyte, size: float) -> tuple[float | None, float | None]:
    """Return the laboratory's own interval, unless it cannot be one."""
    low, high = entry.reference_low, entry.reference_high
    if low is not None and high is not None and low >= high:
        return None, None
    ends = tuple(None if end is None or not math.isfinite(end) else _steady(end * size) for end in (low, high))
    if any(end is not None and end > analyte.plausible.high for end in ends):
        return None, None
    return ends[0], ends[1]


def _from_words(
    entry: Entry,
    analyte: Analyte,
    said: str,
    usual: ReferenceInterval | None,
    remarks: tuple[str, ...],
) -> Observation | Issue:
    if usual is None:
        what = f"{analyte.name}: '{said}' has no reference interval here."
        return _issue(entry, "no_reference", what, "Add the number.")
    below, above = usual.low, usual.high
    open_low: float | None = 0.0 if analyte.plausible.low >= 0 else None
    spans: dict[str, tuple[float | None, float | None]] = {
        "undetectable": (open_low, _just_below(below)),
        "low": (open_low, _just_below(below)),
        "normal": (below if below is not None else open_low, above),
        "high": (None if above is None else math.nextafter(above, math.inf), None),
    }
    low, high = spans[said]
    return Observation(
        quantity=analyte.id, low=low, high=high, time=entry.time, where=entry.where, printed=said, basis="words",
        remarks=remarks,
    )  # fmt: skip


def _just_below(value: float | None) -> float | None:
    return None if value is None else math.nextafter(value, -math.inf)


@cache
def _hemolysed() -> tuple[str, ...]:
    return tuple(label_words(word) for word in knowledge().lexicon["language"].hemolysed)


def _without_flags(text: str) -> str:
    """Return what stands after a number without a laboratory's own marks ("6.9 H", "6.9 *", "7.1 hemolysed")."""
    kept = [word for word in text.split() if word.upper().strip("*!()") not in {*_FLAGS, "", "C", "CRIT"}]
    return " ".join(word for word in kept if label_words(word) not in _hemolysed())


def _remarks(entry: Entry) -> tuple[str, ...]:
    remarks: list[str] = []
    said = f" {label_words(f'{entry.notes} {entry.words}')} "
    if any(f" {word} " in said and f"not {word} " not in said and f"non {word} " not in said for word in _hemolysed()):
        remarks.append("hemolysed")
    if entry.status == "preliminary":
        remarks.append("preliminary")
    if entry.status in {"amended", "corrected"}:
        remarks.append("corrected")
    if entry.time is None:
        remarks.append("undated")
    return tuple(remarks)


def _issue(entry: Entry, code: str, what: str, do: str) -> Issue:
    return Issue(code, entry.where, what, do)
