"""The results behind an answer, as a person reads them: value, unit, flag, age, reference interval."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from carnallite.assessment.tell import shown
from carnallite.assessment.values import Result
from carnallite.quantity import analyte, analytes

if TYPE_CHECKING:
    from carnallite.assessment.columns import Columns
    from carnallite.assessment.facts import Facts
    from carnallite.record import Observation

_KEY_RESULTS = (
    "serum_magnesium", "ionized_magnesium", "serum_potassium", "blood_potassium", "serum_calcium", "ionized_calcium",
    "corrected_calcium", "serum_phosphate", "serum_sodium", "serum_chloride", "serum_bicarbonate",
    "serum_creatinine", "egfr", "serum_albumin", "fractional_excretion_magnesium", "urine_magnesium",
    "urine_magnesium_24h", "urine_potassium", "urine_potassium_creatinine_ratio", "urine_calcium_24h",
    "urine_calcium_creatinine_ratio", "urine_chloride", "urine_sodium", "pth", "vitamin_d_25",
    "plasma_renin_activity", "plasma_renin_concentration", "serum_aldosterone", "serum_glucose", "anion_gap",
    "blood_ph", "qtc_interval", "stoma_output_24h", "body_weight",
)  # fmt: skip


def results(columns: Columns, row: int) -> tuple[Result, ...]:
    """Return the results that matter for magnesium, potassium and calcium, in the order of a chart."""
    person = columns.people[row]
    found = []
    for id in _KEY_RESULTS:
        one = person.latest(id, preliminary=True) if id in analytes() else None
        if one is not None:
            found.append(_result(one, person))
    return tuple(found)


def _result(one: Observation, person: Facts) -> Result:
    item = analyte(one.quantity)
    low, high = person.reference(one.quantity)
    value_low = -np.inf if one.low is None else one.low
    value_high = np.inf if one.high is None else one.high
    flag: Literal["L", "H", "", "?"] = "L" if value_high < low else "H" if value_low > high else ""
    if not flag and (value_low < low or value_high > high) and not (np.isinf(low) and np.isinf(high)):
        flag = "?"
    age = None if one.time is None else round((person.timeline.index - one.time).total_seconds() / 3600, 1)
    ends = [item.show(end) for end in (low, high) if np.isfinite(end)]
    reference = (
        " to ".join(ends)
        if len(ends) == 2
        else (f"< {ends[0]}" if ends and np.isfinite(high) else "".join(f"> {e}" for e in ends))
    )
    return Result(
        id=one.quantity, name=item.name, short=item.short, value=shown(one), us=shown(one, "us"), flag=flag,
        time=one.time, age_h=age, reference=reference, note=", ".join(one.remarks),
    )  # fmt: skip
