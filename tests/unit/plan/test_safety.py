"""The safety table line by line: how much, by which routes, in whom; written out once more, beside the data."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from carnallite.assessment import Columns
from carnallite.knowledge import Contraindication, knowledge
from carnallite.plan import advise
from carnallite.plan.amounts import Given
from carnallite.plan.safety import Guard, Line, objections, only_asks
from carnallite.record import read_record
from records import condition, observation, read
from sketched import columns_of

VEIN = frozenset({"intravenous"})
INJECTED = frozenset({"intravenous", "intramuscular", "subcutaneous"})
MOUTH = frozenset({"oral", "enteral"})
DRIPPED = frozenset({"intravenous", "subcutaneous"})
EVERY = frozenset({"oral", "enteral", "intravenous", "intramuscular", "subcutaneous", "inhaled"})
SHAPES = {
    "rate": ({"times": (0.0,), "over": 1.0}, 1.0),
    "dose": ({"times": (0.0, 2.0), "over": 0.5}, 1.0),
    "day": ({"times": (0.0, 24.0), "over": 1.0}, 1.0),
    "two_days": ({"times": (0.0, 24.0), "over": 1.0}, 0.5),
    "before_level": ({"times": (0.0, 2.0), "over": 1.0, "level_after": 1}, 1.0),
    "concentration": ({"times": (0.0,), "over": 1.0, "volume": 0.1}, 0.1),
}  # what makes a dose whose measure is the number itself, and no other measure is


class Limit(NamedTuple):
    """A ceiling as it should be: for whom it holds, for whom not, and for whom because something is not known."""

    thing: str
    what: str
    at_most: float
    grade: str
    routes: frozenset[str] = EVERY
    ask: tuple[str, ...] = ()
    holds: tuple[str, ...] = ("",)
    not_for: tuple[str, ...] = ()
    not_known: tuple[str, ...] = ()


class Bar(NamedTuple):
    """A contraindication as it should be."""

    thing: str
    grade: str
    unknown: str
    routes: frozenset[str] = EVERY
    ask: tuple[str, ...] = ()
    holds: tuple[str, ...] = ("",)
    not_for: tuple[str, ...] = ()
    not_known: tuple[str, ...] = ()


KIDNEY = {
    "ask": ("serum_creatinine",),
    "holds": ("egfr 29.9", "egfr 90; aki", "egfr 90; aki @-7"),
    "not_for": ("egfr 30", "egfr 90; aki @-7.01"),
    "not_known": ("",),
}
FAST = {
    "holds": (
        "serum_potassium 2.0; paralysis", "serum_potassium 1.99", "serum_potassium 1.99; paralysis @-7.01",
        "serum_potassium 1.99; ecg_hypokalemia @-7.01", "serum_potassium -; paralysis",
        "serum_potassium 1.99; blood_potassium 2.0; paralysis", "serum_potassium 2.0; blood_potassium 1.99; paralysis",
        "serum_potassium -; blood_potassium 2.0; paralysis",
    ),
    "not_for": (
        "serum_potassium 1.99; ecg_hypokalemia", "serum_potassium 1.99; paralysis",
        "serum_potassium 1.99; paralysis @-7",
        "serum_potassium 1.99; ecg_hypokalemia @-7", "serum_potassium -; blood_potassium 1.99; paralysis",
        "serum_potassium 1.99; blood_potassium 1.99; paralysis",
    ),
}  # fmt: skip


def _allergy(thing: str, drug: str) -> Bar:
    told = ("", drug, "omeprazole allergic")
    return Bar(thing, "caution", "passes", holds=(f"{drug} allergic",), not_for=told)


SHOCK = {"holds": ("", "shock @-7.01"), "not_for": ("shock", "shock @-7")}
SPARING = {
    "holds": ("spironolactone", "spironolactone until -1 @-9"),
    "not_for": ("omeprazole", "spironolactone until -3 @-9"),
    "not_known": ("",),
}
WET = (
    "heart_failure @-900",
    "fluid_overload @-7",
    "edema @-7",
    "ascites @-900",
    "cirrhosis @-900",
    "oliguria @-7",
    "anuria @-7",
)
CEILINGS = {
    "calcium_dose": Limit("calcium", "dose", 6.9, "hard", VEIN),
    "calcium_rate": Limit(
        "calcium", "rate", 82.0, "hard", VEIN, holds=("", "cardiac_arrest @-1.01"),
        not_for=("cardiac_arrest", "cardiac_arrest @-1"),
    ),
    "calcium_rate_digitalis": Limit(
        "calcium", "rate", 13.8, "everyday", VEIN,
        holds=("digoxin_toxicity @-30", "digoxin", "digoxin; cardiac_arrest @-1.01"),
        not_for=("omeprazole", "digoxin until -3 @-9", "digoxin; cardiac_arrest"), not_known=("",),
    ),
    "insulin_dose": Limit("insulin", "dose", 10.0, "hard"),
    "insulin_day": Limit("insulin", "day", 20.0, "everyday"),
    "magnesium_rate_label": Limit("magnesium", "rate", 36.6, "hard", VEIN),
    "magnesium_rate_everyday": Limit("magnesium", "rate", 8.2, "everyday", VEIN),
    "magnesium_rate_kidney": Limit("magnesium", "rate", 4.1, "everyday", INJECTED, **KIDNEY),
    "magnesium_day_label": Limit("magnesium", "day", 122.0, "hard", INJECTED),
    "magnesium_day_everyday": Limit("magnesium", "day", 50.0, "everyday", INJECTED),
    "magnesium_two_days_kidney": Limit("magnesium", "two_days", 81.5, "hard", INJECTED, **KIDNEY),
    "magnesium_level_kidney": Limit("magnesium", "before_level", 8.2, "everyday", INJECTED, **KIDNEY),
    "magnesium_level_unknown": Limit(
        "magnesium", "before_level", 8.2, "everyday", INJECTED, ("serum_magnesium",),
        not_for=("serum_magnesium 0.69",), not_known=("serum_magnesium -",),
    ),
    "magnesium_by_mouth": Limit("magnesium", "day", 30.0, "everyday", MOUTH),
    "magnesium_by_mouth_kidney": Limit("magnesium", "day", 12.5, "everyday", MOUTH, **KIDNEY),
    "phosphate_dose": Limit("phosphate", "dose", 45.0, "hard", VEIN),
    "phosphate_rate": Limit("phosphate", "rate", 15.0, "hard", VEIN),
    "phosphate_rate_everyday": Limit("phosphate", "rate", 6.8, "everyday", VEIN),
    "phosphate_level": Limit("phosphate", "before_level", 20.0, "everyday", VEIN),
    "potassium_rate_outer": Limit("potassium", "rate", 40.0, "hard", VEIN),
    "potassium_rate_usual": Limit("potassium", "rate", 20.0, "hard", VEIN, **FAST),
    "potassium_rate_label": Limit(
        "potassium", "rate", 10.0, "hard", VEIN, ("blood_potassium",),
        holds=("serum_potassium 2.51", "serum_potassium -", "serum_potassium 2.5; blood_potassium 2.51",
               "serum_potassium 2.51; blood_potassium 2.5", "serum_potassium -; blood_potassium 2.51"),
        not_for=("serum_potassium 2.5", "serum_potassium -; blood_potassium 2.5",
                 "serum_potassium 2.5; blood_potassium 2.5"),
    ),
    "potassium_rate_everyday": Limit("potassium", "rate", 10.0, "everyday", VEIN, **FAST),
    "potassium_rate_fast_everyday": Limit("potassium", "rate", 20.0, "everyday", VEIN),
    "potassium_day_outer": Limit("potassium", "day", 400.0, "hard"),
    "potassium_day_label": Limit("potassium", "day", 200.0, "hard", **FAST),
    "potassium_dose_by_mouth": Limit("potassium", "dose", 40.0, "hard", MOUTH),
    "potassium_level": Limit("potassium", "before_level", 80.0, "everyday"),
    "potassium_level_by_vein": Limit("potassium", "before_level", 40.0, "everyday", VEIN),
    "potassium_level_kidney": Limit(
        "potassium", "before_level", 20.0, "everyday", EVERY, ("serum_creatinine",),
        holds=("egfr 44.9", "egfr 90; aki", "egfr 90; aki @-7", "egfr 90; esrd @-900"),
        not_for=("egfr 45", "egfr 90; aki @-7.01"), not_known=("",),
    ),
    "potassium_level_sparing": Limit("potassium", "before_level", 40.0, "everyday", **SPARING),
    "potassium_level_kidney_and_sparing": Limit(
        "potassium", "before_level", 10.0, "everyday", EVERY, ("serum_creatinine",),
        holds=("egfr 44.9; spironolactone", "egfr 90; aki @-7; spironolactone", "egfr 90; esrd; spironolactone"),
        not_for=("egfr 45; spironolactone", "egfr 44.9; omeprazole", "egfr 90; aki; omeprazole",
                 "egfr 90; esrd; omeprazole",
                 "egfr 44.9; spironolactone until -3 @-9", "egfr 90; aki @-7.01; spironolactone"),
        not_known=("spironolactone", "egfr 44.9"),
    ),
    "potassium_level_anuria": Limit(
        "potassium", "before_level", 10.0, "everyday", EVERY, ("urine_volume_24h",),
        holds=("anuria @-7", "oliguria @-7", "esrd @-900", "urine_volume_24h 0.399"),
        not_for=("urine_volume_24h 0.4", "urine_volume_24h 1; anuria @-7.01", "urine_volume_24h 1; oliguria @-7.01"),
        not_known=("",),
    ),
    "potassium_concentration_outer": Limit("potassium", "concentration", 400.0, "hard", VEIN),
    "potassium_concentration_everyday": Limit("potassium", "concentration", 40.0, "everyday", VEIN),
    "salbutamol_dose": Limit("salbutamol", "dose", 20.0, "hard"),
    "salbutamol_dose_heart": Limit(
        "salbutamol", "dose", 10.0, "hard", holds=("ischemic_heart_disease @-900", "myocardial_infarction @-900"),
        not_for=("",),
    ),
    "salbutamol_day": Limit("salbutamol", "day", 40.0, "everyday"),
    "water_day": Limit("water", "day", 4.0, "hard", DRIPPED, **SHOCK),
    "water_rate": Limit("water", "rate", 0.5, "everyday", DRIPPED, **SHOCK),
    "water_day_overload": Limit(
        "water", "day", 0.5, "everyday", DRIPPED, holds=WET,
        not_for=("", "fluid_overload @-7.01", "edema @-7.01", "oliguria @-7.01", "anuria @-7.01", "edema; shock"),
    ),
    "water_day_kidney": Limit(
        "water", "day", 1.0, "everyday", DRIPPED, ("serum_creatinine",), KIDNEY["holds"],
        (*KIDNEY["not_for"], "egfr 20; shock"), KIDNEY["not_known"],
    ),
    "water_day_hyponatremia": Limit(
        "water", "day", 1.0, "everyday", DRIPPED, ("serum_sodium",), ("serum_sodium 129.9",), ("serum_sodium 130",),
        ("",)
    ),
}  # fmt: skip
SURE = {"calcium_rate_digitalis", "potassium_level_anuria"}  # they only ask where nobody knows
NO_LEVEL = {
    "ask": ("blood_potassium",),
    "holds": ("serum_potassium -", "serum_potassium 4.2 @-1", "serum_potassium -; blood_potassium 4.2 @-1"),
    "not_for": ("", "serum_potassium -; blood_potassium 4.2"),
}
NOT_HIGH = {
    "ask": ("blood_potassium",), "holds": ("",), "not_for": ("serum_potassium 5.1",),
    "not_known": ("serum_potassium -",),
}  # fmt: skip


def _taken(drug: str) -> dict[str, tuple[str, ...]]:
    """Return what a line asks that speaks of one drug and passes where nobody knows."""
    return {
        "holds": (drug, f"{drug} until -1 @-9"),
        "not_for": ("omeprazole", f"{drug} until -3 @-9"),
        "not_known": ("",),
    }


def _acute(*ids: str) -> dict[str, tuple[str, ...]]:
    return {"holds": tuple(f"{id} @-7" for id in ids), "not_for": ("", *(f"{id} @-7.01" for id in ids))}


BARS = {
    "child": Bar("all", "hard", "bars", holds=("age 17.9",), not_for=("age 18.1",), not_known=("age -",)),
    "pregnancy": Bar(
        "all", "hard", "bars", holds=("pregnancy @-100", "pregnancy @-299", "preeclampsia @-7", "preterm_labor @-7"),
        not_for=("", "pregnancy @-300", "pregnancy not", "preeclampsia @-301", "preterm_labor @-301"),
    ),
    "replacement": Bar("all", "hard", "bars", holds=("dialysis @-900", "ecmo @-1"), not_for=("",)),
    "extreme_weight": Bar(
        "all", "everyday", "passes", holds=("body_weight 39.9", "body_weight 150.1"),
        not_for=("body_weight 40", "body_weight 150"), not_known=("",),
    ),
    "calcium_high": Bar(
        "calcium", "hard", "asks", ask=("ionized_calcium",), holds=("serum_calcium 2.61",), not_for=("",),
        not_known=("serum_calcium -",),
    ),
    "calcium_digitalis": Bar(
        "calcium", "caution", "passes", VEIN, holds=("digoxin", "digoxin_toxicity @-30"),
        not_for=("omeprazole", "digoxin until -3 @-9"), not_known=("",),
    ),
    "calcium_mixes": Bar(
        "calcium", "caution", "passes", VEIN, holds=("bicarbonate", "phosphate"),
        not_for=("omeprazole", "bicarbonate until -3 @-9", "phosphate until -3 @-9"), not_known=("",),
    ),
    "insulin_low_potassium": Bar(
        "insulin", "hard", "asks", ask=("blood_potassium",),
        holds=("serum_potassium 3.4; blood_potassium 4.2", "serum_potassium 3.29 @-1; blood_potassium 4.2",
               "blood_potassium 3.29 @-1"),
        not_for=("blood_potassium 4.2", "serum_potassium 3.3 @-1; blood_potassium 4.2", "blood_potassium 3.3 @-1", "",
                 "serum_potassium -; blood_potassium 4.2"),
        not_known=("serum_potassium -",),
    ),
    "insulin_without_hyperkalemia": Bar("insulin", "everyday", "bars", **NOT_HIGH),
    "insulin_low_glucose": Bar(
        "insulin", "everyday", "asks", ask=("blood_glucose",), holds=("serum_glucose 3.99", "blood_glucose 3.99"),
        not_for=("serum_glucose 4; blood_glucose 4", "serum_glucose 4", "blood_glucose 4"), not_known=("",),
    ),
    "insulin_unknown_potassium": Bar("insulin", "everyday", "bars", **NO_LEVEL),
    "magnesium_high": Bar(
        "magnesium", "hard", "asks", ask=("serum_magnesium",), holds=("serum_magnesium 1.2",), not_for=("",),
        not_known=("serum_magnesium -",),
    ),
    "magnesium_replete_hyperkalemia": Bar(
        "magnesium", "hard", "asks", ask=("serum_magnesium", "serum_potassium"), holds=("serum_potassium 5.5",),
        not_for=("", "serum_potassium 5.5; serum_magnesium 0.69", "serum_potassium -; serum_magnesium 0.69"),
        not_known=("serum_potassium 5.5; serum_magnesium -", "serum_potassium -"),
    ),
    "magnesium_not_low": Bar(
        "magnesium", "everyday", "asks", INJECTED, ("qtc_interval", "serum_potassium"), ("qtc_interval 499",),
        ("qtc_interval 500", "qtc_interval 400; serum_potassium 3.4", "qtc_interval 400; serum_magnesium 0.69",
         "qtc_interval 400; serum_magnesium 1.2"),
        ("", "qtc_interval 400; serum_magnesium -", "qtc_interval 400; serum_potassium -"),
    ),
    "magnesium_level_held": Bar(
        "magnesium", "everyday", "passes", INJECTED, holds=("serum_magnesium 1.151",),
        not_for=("serum_magnesium 1.15",),
        not_known=("serum_magnesium -",),
    ),
    "magnesium_heart_block": Bar(
        "magnesium", "hard", "asks", INJECTED, ("ecg_finding",), ("av_block_high_degree @-900",), ("",)
    ),
    "magnesium_slow_heart": Bar(
        "magnesium", "everyday", "asks", INJECTED, ("heart_rate", "ecg_finding"),
        ("heart_rate 49.9", "heart_rate 60; bradycardia @-7"), ("heart_rate 50", "heart_rate 60; bradycardia @-7.01"),
        ("",),
    ),
    "magnesium_low_pressure": Bar(
        "magnesium", "everyday", "asks", INJECTED, ("systolic_pressure",),
        ("systolic_pressure 94.9", "systolic_pressure 120; shock @-7"),
        ("systolic_pressure 95", "systolic_pressure 120; shock @-7.01"), ("",),
    ),
    "magnesium_myasthenia": Bar(
        "magnesium", "hard", "passes", INJECTED, holds=("myasthenia_gravis @-900", "lambert_eaton @-900"), not_for=("",)
    ),
    "magnesium_muscle_relaxant": Bar("magnesium", "caution", "passes", INJECTED, **_taken("neuromuscular_blocker")),
    "magnesium_nifedipine": Bar("magnesium", "caution", "passes", INJECTED, **_taken("nifedipine")),
    "magnesium_aminoglycoside": Bar("magnesium", "caution", "passes", INJECTED, **_taken("aminoglycoside")),
    "magnesium_digitalis": Bar("magnesium", "caution", "passes", INJECTED, **_taken("digoxin")),
    "magnesium_muscle_bleeding": Bar(
        "magnesium", "everyday", "asks", frozenset({"intramuscular"}), ("platelets",),
        holds=("bleeding_tendency", "heparin; platelets 200", "warfarin; platelets 200", "platelets 149"),
        not_for=("omeprazole; platelets 200",), not_known=("omeprazole",),
    ),
    "magnesium_anuria": Bar("magnesium", "hard", "passes", INJECTED, **_acute("anuria")),
    "magnesium_bound_drugs": Bar("magnesium", "caution", "passes", MOUTH, **_taken("ciprofloxacin")),
    "magnesium_ileus": Bar("magnesium", "everyday", "passes", MOUTH, **_acute("bowel_obstruction")),
    "potassium_high": Bar(
        "potassium", "hard", "asks", ask=("blood_potassium",),
        holds=("serum_potassium 5.1; blood_potassium 4.2", "serum_potassium 5.5 @-1; blood_potassium 4.2",
               "blood_potassium 5.5 @-1"),
        not_for=("blood_potassium 4.2", "serum_potassium 5.49 @-1; blood_potassium 4.2", "blood_potassium 5.49 @-1", "",
                 "serum_potassium -; blood_potassium 4.2"),
        not_known=("serum_potassium -",),
    ),
    "potassium_unknown_by_vein": Bar("potassium", "hard", "bars", VEIN, **NO_LEVEL),
    "potassium_unknown": Bar(
        "potassium", "everyday", "bars", ask=("serum_potassium",), holds=("serum_potassium -",),
        not_for=("", "serum_potassium -; blood_potassium 4.2", "serum_potassium 4.2 @-2"),
    ),
    "potassium_replete": Bar(
        "potassium", "everyday", "asks", ask=("blood_potassium",), holds=("serum_potassium 5.0", "blood_potassium 5.0"),
        not_for=("serum_potassium 4.99; blood_potassium 4.99", "", "serum_potassium -; blood_potassium 4.99"),
        not_known=("serum_potassium -",),
    ),
    "potassium_with_sparing_drug": Bar(
        "potassium", "everyday", "asks", ask=("blood_potassium",),
        holds=("spironolactone; serum_potassium 4.51", "spironolactone; blood_potassium 4.51"),
        not_for=("spironolactone; serum_potassium 4.5; blood_potassium 4.5", "omeprazole; serum_potassium 4.51",
                 "spironolactone until -3 @-9; serum_potassium 4.51", "spironolactone",
                 "spironolactone; serum_potassium -; blood_potassium 4.5"),
        not_known=("spironolactone; serum_potassium -", "serum_potassium 4.51"),
    ),
    "potassium_not_low_by_vein": Bar(
        "potassium", "everyday", "bars", VEIN, ("blood_potassium",), ("",), ("serum_potassium 3.4",),
        ("serum_potassium -",)
    ),
    "potassium_ileus": Bar("potassium", "everyday", "passes", MOUTH, **_acute("bowel_obstruction")),
    "potassium_sodium_rise": Bar(
        "potassium", "caution", "passes", holds=("serum_sodium 129.9",), not_for=("serum_sodium 130",), not_known=("",)
    ),
    "phosphate_kidney": Bar("phosphate", "hard", "bars", VEIN, **KIDNEY),
    "phosphate_not_low": Bar(
        "phosphate", "hard", "bars", VEIN, ("serum_phosphate",), ("serum_phosphate 1.1",), ("serum_phosphate 0.4",),
        ("",),
    ),
    "phosphate_low_calcium": Bar(
        "phosphate", "hard", "asks", VEIN, ("ionized_calcium",), ("ionized_calcium 0.9",), ("", "ionized_calcium 1.2"),
        ("serum_calcium -",),
    ),
    "phosphate_high_calcium": Bar(
        "phosphate", "hard", "passes", VEIN, holds=("ionized_calcium 1.6",), not_for=("ionized_calcium 1.2",),
        not_known=("serum_calcium -",),
    ),
    "phosphate_high_sodium": Bar(
        "phosphate", "everyday", "asks", VEIN, ("serum_sodium",), ("serum_sodium 150",), ("serum_sodium 140",), ("",),
    ),
    "phosphate_mixes": Bar(
        "phosphate", "caution", "passes", VEIN, holds=("calcium_carbonate",),
        not_for=("omeprazole", "calcium_carbonate until -3 @-9"), not_known=("",),
    ),
    "salbutamol_without_hyperkalemia": Bar("salbutamol", "everyday", "bars", **NOT_HIGH),
    "salbutamol_tachycardia": Bar(
        "salbutamol", "everyday", "passes",
        holds=("ventricular_tachycardia @-7", "torsades past", "ventricular_fibrillation past", "torsades past @-1"),
        not_for=("", "ventricular_tachycardia @-7.01", "torsades past @-1.01", "ventricular_fibrillation past @-1.01"),
    ),
    "salbutamol_unknown_potassium": Bar("salbutamol", "everyday", "bars", **NO_LEVEL),
    "magnesium_allergy": _allergy("magnesium", "magnesium_oxide"),
    "potassium_allergy": _allergy("potassium", "potassium_chloride"),
    "calcium_allergy": _allergy("calcium", "calcium_gluconate"),
    "phosphate_allergy": _allergy("phosphate", "phosphate"),
    "insulin_allergy": _allergy("insulin", "insulin_regular"),
    "salbutamol_allergy": _allergy("salbutamol", "salbutamol"),
    "water_overload": Bar("water", "hard", "passes", DRIPPED, **_acute("fluid_overload")),
}  # fmt: skip
ROUTES = {
    "calcium": MOUTH | VEIN, "insulin": VEIN, "magnesium": MOUTH | INJECTED, "phosphate": MOUTH | VEIN,
    "potassium": MOUTH | VEIN, "salbutamol": frozenset({"inhaled"}), "water": MOUTH | DRIPPED,
}  # fmt: skip


def shaped(thing: str, what: str, size: float, route: str) -> Given:
    """Return a dose whose measure is a number."""
    keys, share = SHAPES[what]
    return Given(**({"what": {thing: size * share}, "route": route, "volume": None, "level_after": 0} | keys))


def line_of(id: str, dose: Given | None, *lines: str) -> Line | None:
    """Return what one line of the table says of a dose in some patients; None if it says nothing of anybody."""
    said = Guard(columns_of(*lines)).judge(dose).lines
    return next((one for one in said if one.limit.id == id), None)


def test_every_line_of_the_table_stands_here() -> None:
    table = knowledge().safety.values()
    assert [one.id for each in table for one in each.ceilings] == list(CEILINGS)
    assert {one.id for each in table for one in each.contraindications} == set(BARS)
    assert {one.id: frozenset(one.routes) for one in table if one.id != "all"} == ROUTES


@pytest.mark.parametrize("id", CEILINGS)
def test_a_ceiling_bars_more_than_its_number_and_nothing_else(id: str) -> None:
    limit = CEILINGS[id]
    for route in EVERY:
        just, over = (shaped(limit.thing, limit.what, limit.at_most * more, route) for more in (1.0, 1.001))
        assert line_of(id, just, *limit.holds) is None
        assert (line_of(id, over, *limit.holds) is not None) is (route in limit.routes), route


@pytest.mark.parametrize("id", CEILINGS)
def test_a_ceiling_holds_for_whom_it_should(id: str) -> None:
    limit = CEILINGS[id]
    dose = shaped(limit.thing, limit.what, limit.at_most * 1.001, min(limit.routes & ROUTES[limit.thing]))
    lines = (*limit.holds, *limit.not_for, *limit.not_known)
    found = line_of(id, dose, *lines)
    assert found is not None
    assert (found.limit.grade, found.limit.ask) == (limit.grade, limit.ask)
    assert only_asks(found.limit) is (id in SURE)
    assert [line for line, one in zip(lines, found.holds, strict=True) if one] == [*limit.holds, *limit.not_known]
    assert [line for line, one in zip(lines, found.unknown, strict=True) if one] == list(limit.not_known)


@pytest.mark.parametrize("id", BARS)
def test_a_contraindication_holds_for_whom_it_should(id: str) -> None:
    bar = BARS[id]
    lines = (*bar.holds, *bar.not_for, *bar.not_known)
    told = () if bar.unknown == "passes" else bar.not_known
    for route in EVERY:
        dose = Given({"magnesium" if bar.thing == "all" else bar.thing: 1e-3}, route, (0.0,), 1.0, None, 1)
        found = line_of(id, dose, *lines)
        assert (found is not None) is (route in bar.routes), route
        if found is None:
            continue
        assert (found.limit.grade, found.limit.ask) == (bar.grade, bar.ask)
        assert [line for line, one in zip(lines, found.holds, strict=True) if one] == [*bar.holds, *told]
        assert [line for line, one in zip(lines, found.unknown, strict=True) if one] == list(told)
        assert isinstance(found.limit, Contraindication) and found.limit.unknown == bar.unknown
        assert only_asks(found.limit) is (bar.unknown == "asks")


@pytest.mark.parametrize("id", [id for id, one in BARS.items() if one.thing == "all"])
def test_what_holds_for_everything_needs_no_dose(id: str) -> None:
    assert line_of(id, None, *BARS[id].holds) is not None


def test_pregnancy_without_a_date_bars() -> None:
    found = Guard(Columns.of([read(condition("pregnant"), observation("2823-3", 4.2, "mmol/L")).timeline])).judge(None)
    (line,) = (one for one in found.lines if one.limit.id == "pregnancy")
    assert found.barred[0] and line.holds[0] and not line.unknown[0]


@pytest.mark.parametrize("thing", ROUTES)
def test_a_thing_is_given_by_its_routes_only(thing: str) -> None:
    for route in EVERY:
        found = line_of(f"{thing}_route", Given({thing: 1e-3}, route, (0.0,), 1.0, None, 1), "", "age 80")
        assert (found is None) is (route in ROUTES[thing]), route
        if found is not None:
            assert found.holds.all() and not found.unknown.any() and found.limit.grade == "hard"
            assert not only_asks(found.limit)
            assert all(one in found.limit.because for one in ROUTES[thing])


# the dose that nothing bars ------------------------------------------------------------------------------------------
SPARED = (
    "torsades", "torsades past @-1", "cardiac_arrest; serum_magnesium 0.69", "cardiac_arrest @-1; serum_magnesium -",
    "cardiac_arrest; serum_magnesium 0.85 @-2", "cardiac_arrest; long_qt @-900", "cardiac_arrest; qtc_interval 500",
    "ventricular_fibrillation; serum_magnesium 0.69", "ventricular_fibrillation @-1; serum_magnesium -",
    "ventricular_fibrillation; serum_magnesium 0.85 @-2", "ventricular_fibrillation; long_qt @-900",
    "ventricular_fibrillation; qtc_interval 500", "torsades; age -", "torsades; serum_magnesium -",
)  # fmt: skip
NOT_SPARED = (
    "", "torsades past @-1.01", "cardiac_arrest", "ventricular_fibrillation", "cardiac_arrest; qtc_interval 499",
    "ventricular_fibrillation; qtc_interval 499", "cardiac_arrest @-1.01; serum_magnesium 0.69",
    "ventricular_fibrillation @-1.01; serum_magnesium 0.69", "torsades; serum_magnesium 1.2", "torsades; age 17.9",
    "serum_magnesium 0.69; long_qt; qtc_interval 520", "serum_magnesium -",
)  # fmt: skip
FIRST = Given({"magnesium": 8.2}, "intravenous", (0.0,), 0.25, None, 1)


def spared(dose: Given, *lines: str) -> list[bool]:
    return list(Guard(columns_of(*lines)).judge(dose).spared)


def test_who_gets_the_first_magnesium_whatever_else_is_said() -> None:
    assert spared(FIRST, *SPARED) == [True] * len(SPARED)
    assert spared(FIRST, *NOT_SPARED) == [False] * len(NOT_SPARED)
    found = Guard(columns_of(*SPARED)).judge(FIRST)
    assert not found.barred.any()
    assert found.lines  # what is said of it is told all the same


@pytest.mark.parametrize(
    "dose",
    [
        FIRST._replace(what={"magnesium": 8.21}), FIRST._replace(times=(0.0, 24.0)), FIRST._replace(route="oral"),
        FIRST._replace(what={"magnesium": 8.0, "potassium": 1.0}), FIRST._replace(route="intramuscular"),
        FIRST._replace(what={"potassium": 8.0}), FIRST._replace(what={"oxygen": 8.0}),
    ],
)  # fmt: skip
def test_no_other_dose_is_spared(dose: Given) -> None:
    assert spared(dose, *SPARED) == [False] * len(SPARED)
    assert not Guard(columns_of("torsades")).judge(None).spared.any()


def test_only_the_first_dose_is_spared_of_those_who_got_one() -> None:
    guard = Guard(columns_of("torsades", "torsades; age 80"))
    guard.take(FIRST._replace(what={"potassium": 1.0}), np.array([True, True]))
    assert list(guard.judge(FIRST).spared) == [True, True]
    guard.take(FIRST, np.array([True, False]))
    assert list(guard.judge(FIRST).spared) == [False, True]


def test_a_spared_dose_does_not_count_as_rate_of_the_next_but_in_its_day() -> None:
    whom = np.ones(1, bool)
    after = shaped("magnesium", "rate", 8.2, "intravenous")
    for first, of_rate in ((FIRST, False), (FIRST._replace(times=(0.0, 48.0)), True)):
        guard = Guard(columns_of("torsades; serum_magnesium 0.5; egfr 90"))
        guard.take(first, whom)
        said = {one.limit.id for one in guard.judge(after).lines}
        assert ("magnesium_rate_everyday" in said) is of_rate
    guard = Guard(columns_of("torsades; egfr 90"))
    guard.take(FIRST, whom)
    assert "magnesium_level_unknown" in {one.limit.id for one in guard.judge(after).lines}


# what a verdict is ---------------------------------------------------------------------------------------------------
WELL = (
    "egfr 90; heart_rate 70; systolic_pressure 120; qtc_interval 400; omeprazole; blood_potassium 4.2; "
    "serum_magnesium 0.6"
)
SMALL = Given({"magnesium": 4.0}, "intravenous", (0.0,), 4.0, None, 1)


def test_what_bars_what_asks_and_what_only_warns() -> None:
    lines = (
        WELL, f"{WELL}; myasthenia_gravis", f"{WELL}; nifedipine", WELL.replace("heart_rate 70", "heart_rate 40"),
        WELL.replace("heart_rate 70; ", ""), WELL.replace("0.6", "0.6; serum_magnesium 1.3"),
    )  # fmt: skip
    found = Guard(columns_of(*lines)).judge(SMALL)
    assert list(found.barred) == [False, True, False, True, False, True]
    hard = Guard(columns_of(*lines)).judge(SMALL, grades=("hard",))
    assert list(hard.barred) == [False, True, False, False, False, True]
    told = [[one.id for one in objections(found, row, cautions=False)] for row in range(5)]
    assert told == [[], ["magnesium_myasthenia"], [], ["magnesium_slow_heart"], []]
    asked = [[one.id for one in objections(found, row, cautions=True)] for row in range(5)]
    assert asked == [[], [], ["magnesium_nifedipine"], [], ["magnesium_slow_heart"]]


def test_what_is_not_known_bars_where_the_table_does_not_only_ask() -> None:
    line = WELL.replace("egfr 90; ", "")
    fast = SMALL._replace(over=0.9)
    found = Guard(columns_of(line)).judge(fast)
    (told,) = objections(found, 0, cautions=False)
    assert found.barred[0] and told.unknown and told.id == "magnesium_rate_kidney" and told.ask == ("serum_creatinine",)
    assert told.limit == "at most 4.1 mmol/h (1 g of magnesium sulfate an hour)"
    assert (told.grade, told.source, told.status) == ("everyday", "assumption", "assumed")


def test_a_ceiling_that_is_sure_only_asks() -> None:
    dose = Given({"potassium": 10.1}, "oral", (0.0,), 1.0, None, 1)
    record = "egfr 90; omeprazole; serum_potassium 3.0; blood_potassium 3.0"
    found = Guard(columns_of(record, f"{record}; anuria", f"{record}; urine_volume_24h 1")).judge(dose)
    assert list(found.barred) == [False, True, False]
    assert [one.id for one in objections(found, 0, cautions=True)] == ["potassium_level_anuria"]
    assert objections(found, 0, cautions=False) == objections(found, 2, cautions=True) == ()


def test_of_a_spared_dose_everything_is_only_told() -> None:
    found = Guard(columns_of(f"{WELL}; torsades; myasthenia_gravis")).judge(FIRST)
    assert "magnesium_myasthenia" in {one.id for one in objections(found, 0, cautions=True)}
    assert objections(found, 0, cautions=False) == ()


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("calcium_dose", "in one dose at most 6.9 mmol (30 mL of calcium gluconate 10 %)"),
        ("water_rate", "at most 0.5 L/h"),
        ("insulin_day", "in 24 h at most 20 U"),
        ("magnesium_two_days_kidney", "in 48 h at most 81.5 mmol (20 g of magnesium sulfate in 48 h)"),
        ("potassium_level", "before the next level at most 80 mmol"),
        ("potassium_concentration_everyday", "at most 40 mmol/L"),
    ],
)  # fmt: skip
def test_a_limit_is_told_with_its_unit_and_as_its_source_prints_it(what: str, told: str) -> None:
    limit = CEILINGS[what]
    dose = shaped(limit.thing, limit.what, limit.at_most * 1.01, min(limit.routes & ROUTES[limit.thing]))
    found = Guard(columns_of("")).judge(dose)
    assert told in {one.limit for row in (True, False) for one in objections(found, 0, cautions=row)}


# doses that come before ----------------------------------------------------------------------------------------------
def said(earlier: Given, later: Given, whom: bool = True) -> set[str]:
    """Return the lines that hold against a dose after another."""
    guard = Guard(columns_of("egfr 90; omeprazole; serum_magnesium 0.6"))
    guard.take(earlier, np.array([whom]))
    return {one.limit.id for one in guard.judge(later).lines}


@pytest.mark.parametrize(
    ("id", "share", "start", "counts"),
    [
        ("magnesium_rate_everyday", 0.6, 0.5, True), ("magnesium_rate_everyday", 0.6, 1.0, False),
        ("magnesium_day_everyday", 0.6, 24.9, True), ("magnesium_day_everyday", 0.6, 25.0, False),
        ("potassium_level_by_vein", 0.6, 24.9, True), ("potassium_level_by_vein", 0.6, 25.0, False),
        ("calcium_dose", 0.6, 0.9, True), ("calcium_dose", 0.6, 1.0, False),
        ("potassium_concentration_everyday", 0.6, 0.0, False),
    ],
)  # fmt: skip
def test_which_doses_count_together(id: str, share: float, start: float, counts: bool) -> None:
    limit = CEILINGS[id]
    size = limit.at_most * share * SHAPES[limit.what][1]
    volume = SHAPES[limit.what][0].get("volume")
    one = Given({limit.thing: size}, "intravenous", (0.0,), 1.0, volume, 1)
    assert (id in said(one, one._replace(times=(start,)))) is counts
    assert (id in said(one._replace(times=(start,)), one)) is counts
    assert id not in said(one, one, whom=False)
    assert id not in said(one._replace(what={"sodium": size}), one)
    assert id not in said(one._replace(what={limit.thing: 3 * size}), one._replace(route="oral"))


def test_two_days_count_together_in_kidney_failure() -> None:
    one = Given({"magnesium": 50.0}, "intravenous", (0.0,), 1.0, None, 1)
    for start, counts in ((48.9, True), (49.0, False)):
        guard = Guard(columns_of("egfr 20"))
        guard.take(one, np.array([True]))
        lines = {each.limit.id for each in guard.judge(one._replace(times=(start,))).lines}
        assert ("magnesium_two_days_kidney" in lines) is counts


def test_the_water_of_a_drip_counts_as_water() -> None:
    drip = Given({"magnesium": 4.0}, "intravenous", (0.0,), 4.0, 0.6, 1)
    for route, counts in (("intravenous", True), ("subcutaneous", True), ("intramuscular", False)):
        found = Guard(columns_of("edema")).judge(drip._replace(route=route))
        assert ("water_day_overload" in {one.limit.id for one in found.lines}) is counts
    assert "water_overload" not in {one.limit.id for one in Guard(columns_of("fluid_overload")).judge(drip).lines}


def test_nobody_is_asked_for_a_blood_gas_where_serum_tells() -> None:
    steps = list(published())
    assert len(steps) > 100
    for has_serum, asked in steps:
        assert not (has_serum and {"blood_potassium", "blood_glucose"} & set(asked))


def published() -> Iterator[tuple[bool, tuple[str, ...]]]:
    """Yield what each step of the published cases asks first, and whether serum potassium was measured."""
    for path in sorted((Path(__file__).parents[2] / "published").glob("*.json")):
        found = advise(read_record(path), depth="findings")
        has_serum = found.states.potassium != "unknown"
        yield from ((has_serum, step.ask_first) for plan in found.plans for step in plan.steps)
