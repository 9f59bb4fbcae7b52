"""Emergencies, condition by condition: what each alone brings about, and that nothing does which is not one."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import pytest

from carnallite.assessment import assess, assess_all, finding
from carnallite.knowledge import knowledge
from records import drug, observation, read
from sketched import columns_of, sketched

if TYPE_CHECKING:
    from carnallite.assessment import Assessment

CALM = "egfr 90; respiratory_rate 12; systolic_pressure 95; heart_rate 50"
DRIP = "magnesium_sulfate 4 intravenous"
OBSTETRIC = f"{DRIP}; preeclampsia"
SIGNS = (
    "hyporeflexia",
    "respiratory_failure",
    "hypotension",
    "bradycardia",
    "av_block_high_degree",
    "confusion",
    "coma",
)
WEAK = ("paralysis", "sudden_weakness", "respiratory_failure", "ecg_hypokalemia", "ventricular_tachycardia")

HOLDS = {
    "torsades_or_arrest": (
        "torsades", "torsades @-1", "cardiac_arrest; serum_magnesium 0.69", "cardiac_arrest; serum_magnesium -",
        "cardiac_arrest; serum_magnesium 0.85 @-2", "cardiac_arrest; long_qt", "cardiac_arrest; long_qt @-900",
        "cardiac_arrest; qtc_interval 500", "ventricular_fibrillation; serum_magnesium 0.69",
        "ventricular_fibrillation; serum_magnesium -", "cardiac_arrest @-1; serum_magnesium -",
    ),
    "arrhythmia_low_magnesium": (
        "ventricular_tachycardia; serum_magnesium 0.69", "ventricular_fibrillation; serum_magnesium 0.69",
        "ventricular_tachycardia @-7; serum_magnesium 0.69", "qtc_interval 500; serum_magnesium 0.69",
        "long_qt @-900; serum_magnesium 0.69", "torsades past @-30; serum_magnesium 0.69",
        "long_qt @-7; serum_magnesium -", "long_qt; serum_potassium -",
        "ventricular_tachycardia; serum_potassium 3.4", "ventricular_tachycardia; serum_calcium 2.1",
        "ventricular_tachycardia; serum_magnesium -", "ventricular_tachycardia; serum_magnesium 0.85 @-2",
        "ventricular_tachycardia; serum_potassium -", "ventricular_tachycardia; serum_potassium 4.2 @-1",
        "ventricular_tachycardia; serum_potassium -; blood_potassium 4.2 @-1",
    ),
    "dangerous_hypermagnesemia": (
        f"serum_magnesium 2.4; {CALM}", f"serum_magnesium 2.4; {DRIP}; {CALM}",
        f"serum_magnesium 2.4; omeprazole; preeclampsia; {CALM}",
        f"serum_magnesium 2.4; omeprazole; preterm_labor; {CALM}",
        f"serum_magnesium 2.4 @-0.2; serum_magnesium 1.2; {CALM}", f"serum_magnesium 3.5; {OBSTETRIC}; {CALM}",
        f"serum_magnesium 3.5 @-0.2; serum_magnesium 1.2; {OBSTETRIC}; {CALM}",
        f"serum_magnesium 2.4; {OBSTETRIC} @-9; {CALM}", f"serum_magnesium 2.4; {DRIP}; preterm_labor @-9; {CALM}",
        *(f"serum_magnesium 1.75; {CALM}; {sign}" for sign in SIGNS),
        *(f"serum_magnesium 1.75; {CALM}; {sign} @-7" for sign in SIGNS),
        f"serum_magnesium 1.75 @-0.2; serum_magnesium 1.2; coma; {CALM}",
        f"serum_magnesium 1.75; {CALM}; cardiac_arrest @-1", f"serum_magnesium 1.75; {CALM}; aki",
        f"serum_magnesium 1.75; {CALM}; esrd", f"serum_magnesium 1.75; {CALM.replace('rate 12', 'rate 11.9')}",
        f"serum_magnesium 1.75; {CALM.replace('95', '94')}", f"serum_magnesium 1.75; {CALM.replace('50', '49.9')}",
        f"serum_magnesium 1.75; {CALM.replace('90', '29.9')}",
    ),
    "dangerous_level_not_excluded": (
        "serum_potassium -; hyperkalemia_diagnosis", "serum_potassium 4.2 @-1; hyperkalemia_diagnosis",
        "serum_potassium -; blood_potassium 4.2 @-1; hyperkalemia_diagnosis",
        "serum_potassium >5.0", "serum_potassium <3.5", "serum_potassium -; blood_potassium >4.8",
        "serum_potassium -; blood_potassium <3.4", "blood_potassium >4.8", "blood_potassium <3.4",
        "serum_potassium >6.44", "serum_potassium <=2.5", "serum_potassium -; blood_potassium <=2.5",
    ),
    "digoxin_arrhythmia": (
        "digoxin_toxicity; serum_potassium 5.6", "digoxin_toxicity; serum_potassium 3.4",
        "digoxin_toxicity; serum_magnesium 0.69", "digoxin_toxicity @-30; serum_magnesium 0.69",
        "digoxin; serum_potassium 5.95",
        "digoxin; serum_potassium 5.95 @-0.2; serum_potassium 4.2", "digoxin until -2 @-9; serum_potassium 5.95",
    ),
    "hyperkalemia_with_ecg": (
        "ecg_hyperkalemia; serum_potassium 5.2", "ecg_hyperkalemia @-7; serum_potassium 5.2",
        "ecg_hyperkalemia; serum_potassium 5.5 @-0.2; serum_potassium 4.2", "ecg_hyperkalemia; serum_potassium -",
        "ecg_hyperkalemia; serum_potassium 4.2 @-1", "ecg_hyperkalemia; serum_potassium -; blood_potassium 4.2 @-1",
        "serum_potassium 5.5; serum_potassium 4.5 @-0.9", "serum_potassium 5.5; serum_potassium 4.5 @-1",
        "serum_potassium -; blood_potassium 5.5; blood_potassium 4.5 @-0.9",
    ),
    "moderate_hyperkalemia_ecg": (
        "serum_potassium 5.95", "serum_potassium -; blood_potassium 5.95", "blood_potassium 5.95",
        "serum_potassium 5.95 @-0.2; serum_potassium 4.2",
        "serum_potassium -; blood_potassium 5.95 @-0.2; blood_potassium 4.2",
    ),
    "severe_hyperkalemia_emergency": (
        "serum_potassium 6.45", "blood_potassium 6.45", "serum_potassium -; blood_potassium 6.45",
        "serum_potassium 6.45 @-0.25; serum_potassium 4.2",
        "serum_potassium -; blood_potassium 6.45 @-0.2; blood_potassium 4.2", "serum_potassium >6.45",
    ),
    "severe_hypokalemia_emergency": (
        "serum_potassium 2.49", "blood_potassium 2.49", "serum_potassium -; blood_potassium 2.49",
        "serum_potassium 2.49 @-0.2; serum_potassium 4.2",
        "serum_potassium -; blood_potassium 2.49 @-0.2; blood_potassium 4.2",
        *(f"serum_potassium 3.4; {sign}" for sign in WEAK), *(f"serum_potassium 3.4; {sign} @-7" for sign in WEAK),
        "serum_potassium 3.4; torsades", "serum_potassium 3.4; torsades past @-1",
    ),
    "severe_hypomagnesemia_urgent": (
        "serum_magnesium 0.399", "serum_magnesium 0.39 @-0.2; serum_magnesium 0.8", "serum_magnesium <0.4",
    ),
    "severe_hypophosphatemia_urgent": ("serum_phosphate 0.319",),
    "severe_calcium": (
        "ionized_calcium 0.899", "corrected_calcium 1.899", "serum_calcium 1.899",
        "corrected_calcium 3.501; serum_calcium 2.4", "serum_calcium 3.501",
        "corrected_calcium 2.4; serum_calcium 3.501",
    ),
    "seizure_or_tetany_low": (
        "tetany", "carpopedal_spasm", "trousseau_sign", "tetany @-7", "carpopedal_spasm @-7", "trousseau_sign @-7",
        "seizure; serum_magnesium 0.69", "seizure @-7; serum_magnesium 0.69", "seizure; serum_calcium 2.1",
        "seizure; serum_magnesium -", "seizure; serum_magnesium 0.85 @-2", "seizure; serum_calcium -",
        "seizure; serum_calcium 2.4 @-2", "seizure; serum_calcium -; ionized_calcium 1.2 @-2",
    ),
}  # fmt: skip
SILENT = {
    "torsades_or_arrest": (
        "torsades @-1.01", "cardiac_arrest", "ventricular_fibrillation", "cardiac_arrest; qtc_interval 499",
        "cardiac_arrest @-1.01; serum_magnesium 0.69", "ventricular_fibrillation @-1.01; serum_magnesium 0.69",
        "serum_magnesium 0.69; long_qt; qtc_interval 510", "cardiac_arrest; serum_magnesium 0.7",
    ),
    "arrhythmia_low_magnesium": (
        "ventricular_tachycardia", "ventricular_fibrillation", "qtc_interval 520", "long_qt", "torsades past @-30",
        "long_qt @-7.01; serum_magnesium -", "long_qt @-900; serum_potassium -",
        "torsades past @-30; serum_magnesium -",
        "serum_magnesium 0.69; serum_potassium 3.4", "serum_magnesium -; serum_potassium -",
        "qtc_interval 499; serum_magnesium 0.69", "ventricular_tachycardia @-7.01; serum_magnesium 0.69",
        "ventricular_fibrillation @-7.01; serum_magnesium 0.69", "torsades @-30; serum_magnesium 0.69",
        "ventricular_tachycardia; serum_potassium -; blood_potassium 4.2",
        "ventricular_tachycardia; blood_potassium 4.2",
    ),
    "dangerous_hypermagnesemia": (
        f"serum_magnesium 2.39; {CALM}", f"serum_magnesium 2.4; {OBSTETRIC}; {CALM}",
        f"serum_magnesium 2.4 @-31; {CALM}",
        f"serum_magnesium 2.4; {DRIP}; preterm_labor; {CALM}", f"serum_magnesium 3.49; {OBSTETRIC}; {CALM}",
        f"serum_magnesium 1.74; coma; {CALM}", f"serum_magnesium 2.3; {CALM}; hypomagnesemia_diagnosis",
        *(f"serum_magnesium 1.75; {CALM}; {sign} @-7.01" for sign in SIGNS),
        f"serum_magnesium 1.75; {CALM}; cardiac_arrest @-1.01", f"serum_magnesium 1.75; {CALM}; aki @-7.01",
        f"serum_magnesium 1.75; {CALM.replace('90', '30')}", "serum_magnesium 1.74",
    ),
    "dangerous_level_not_excluded": (
        "serum_potassium -; hyperkalemia_diagnosis @-7.01", "hyperkalemia_diagnosis", "serum_potassium -",
        "serum_potassium -; blood_potassium 4.2; hyperkalemia_diagnosis", "serum_potassium 6.0", "serum_potassium 3.0",
        "serum_potassium >=5.0", "serum_potassium <=3.5", "serum_potassium >6.45", "serum_potassium <2.5",
        "blood_potassium >=4.8", "blood_potassium <=3.4", "serum_magnesium <0.5", "serum_magnesium >2.0",
        "serum_potassium >5.1; blood_potassium 6.5", "serum_potassium >5.1; ecg_hyperkalemia",
        "serum_potassium <3.4; paralysis",
    ),
    "digoxin_arrhythmia": (
        "digoxin_toxicity", "serum_potassium 5.6", "serum_potassium 3.4", "digoxin", "digoxin; digoxin_level 1 ug/L",
        "digoxin; serum_potassium 5.94", "omeprazole; serum_potassium 5.95", "omeprazole; digoxin_level 3.5 ug/L",
        "digoxin until -2.02 @-9; serum_potassium 5.95", "digoxin; serum_potassium 3.4",
    ),
    "hyperkalemia_with_ecg": (
        "serum_potassium 5.2", "ecg_hyperkalemia", "ecg_hyperkalemia @-7.01; serum_potassium 5.2",
        "ecg_hyperkalemia; serum_potassium 5.49 @-0.2; serum_potassium 4.2", "serum_potassium -",
        "ecg_hyperkalemia; serum_potassium -; blood_potassium 4.2", "ecg_hyperkalemia; blood_potassium 4.2",
        "serum_potassium 5.5; serum_potassium 4.51 @-0.9", "serum_potassium 4.9; serum_potassium 3.6 @-0.9",
        "serum_potassium 5.5; serum_potassium 4.5 @-1.01", "ecg_hyperkalemia; serum_potassium 6.45",
        "serum_potassium -; blood_potassium 4.7; blood_potassium 3.5 @-0.9",
        "serum_potassium -; blood_potassium 5.5; blood_potassium 4.51 @-0.9", "ecg_hypokalemia; serum_potassium 5.2",
    ),
    "moderate_hyperkalemia_ecg": (
        "serum_potassium 5.94", "blood_potassium 5.94", "serum_potassium 6.45",
        "ecg_hyperkalemia; serum_potassium 5.95",
        "serum_potassium 5.95 @-0.2; serum_potassium 4.2 @-0.21; serum_potassium 6.5",
    ),
    "severe_hyperkalemia_emergency": (
        "serum_potassium 6.44", "blood_potassium 6.44", "serum_potassium 6.45 @-0.253; serum_potassium 4.2",
    ),
    "severe_hypokalemia_emergency": (
        "serum_potassium 2.5", "blood_potassium 2.5", *WEAK, "serum_potassium 3.4", "torsades",
        *(f"serum_potassium 3.4; {sign} @-7.01" for sign in WEAK), "serum_potassium 3.4; torsades @-7.01",
        "serum_potassium 3.4; torsades past @-1.01",
        "serum_potassium 5.5; paralysis",
    ),
    "severe_hypomagnesemia_urgent": ("serum_magnesium 0.4", "serum_magnesium 0.69"),
    "severe_hypophosphatemia_urgent": ("serum_phosphate 0.32", ""),
    "severe_calcium": (
        "ionized_calcium 0.9", "corrected_calcium 1.9", "serum_calcium 1.9", "corrected_calcium 3.5",
        "serum_calcium 3.5",
        "ionized_calcium 1.2; serum_calcium 1.899", "corrected_calcium 2.3; serum_calcium 1.899",
    ),
    "seizure_or_tetany_low": (
        "seizure", "tetany @-7.01", "carpopedal_spasm @-7.01", "trousseau_sign @-7.01",
        "seizure @-7.01; serum_magnesium 0.69", "serum_magnesium 0.69; serum_calcium 2.1",
        "seizure; serum_calcium -; ionized_calcium 1.2", "seizure; ionized_calcium 1.2", "serum_magnesium -",
        "seizure; serum_potassium 3.4",
    ),
}  # fmt: skip
ASKS = {"dangerous_hypermagnesemia": ("serum_magnesium 1.75", "serum_magnesium 1.75 @-0.2; serum_magnesium 1.2")}
PRESENT = {
    "hypomagnesemia": (
        "serum_magnesium 0.69", "serum_magnesium -; ionized_magnesium 0.44",
        "serum_magnesium -; hypomagnesemia_diagnosis",
        "serum_magnesium -; hypomagnesemia_diagnosis @-900",
    ),
    "hypokalemia": (
        "serum_potassium 3.4", "serum_potassium 3.4 @-1", "serum_potassium 3.4; blood_potassium 4.2",
        "serum_potassium -; blood_potassium 3.3", "serum_potassium -; blood_potassium 3.3 @-1",
        "blood_potassium 3.3", "serum_potassium 4.2 @-2; blood_potassium 3.3",
        "serum_potassium -; hypokalemia_diagnosis",
        "serum_potassium -; hypokalemia_diagnosis @-900", "serum_potassium 3.4 @-1; blood_potassium 4.2 @-1",
    ),
    "hyperkalemia": (
        "serum_potassium 5.1", "serum_potassium 5.1 @-1", "serum_potassium 5.1; blood_potassium 4.2",
        "serum_potassium -; blood_potassium 4.9", "serum_potassium -; blood_potassium 4.9 @-1",
        "blood_potassium 4.9", "serum_potassium 4.2 @-2; blood_potassium 4.9",
        "serum_potassium -; hyperkalemia_diagnosis", "serum_potassium -; hyperkalemia_diagnosis @-900",
        "serum_potassium 5.1 @-1; blood_potassium 4.2 @-1",
    ),
    "hypocalcemia": (
        "ionized_calcium 1.14", "ionized_calcium 1.14; corrected_calcium 2.4", "corrected_calcium 2.19",
        "serum_calcium 2.19", "serum_calcium -; hypocalcemia_diagnosis",
        "serum_calcium -; hypocalcemia_diagnosis @-900",
    ),
    "severe_hypomagnesemia": ("serum_magnesium 0.399",),
    "kidney_failure": (
        "egfr 29.9", "egfr 90; serum_creatinine 355", "egfr 90; esrd @-900", "egfr 90; dialysis @-900",
        "egfr 90; ckd_stage_4 @-900", "egfr 90; ckd_stage_5 @-900", "egfr 90; anuria", "egfr 90; anuria @-7",
        "egfr 90; oliguria", "egfr 90; oliguria @-7",
    ),
}  # fmt: skip
ABSENT = {
    "hypomagnesemia": (
        "serum_magnesium 0.7", "serum_magnesium 0.85; ionized_magnesium 0.44",
        "serum_magnesium 0.85; hypomagnesemia_diagnosis",
    ),
    "hypokalemia": (
        "serum_potassium 3.5", "serum_potassium 3.4 @-1; blood_potassium 4.2", "blood_potassium 3.3 @-1",
        "serum_potassium 4.2; hypokalemia_diagnosis", "serum_potassium -; blood_potassium 4.2; hypokalemia_diagnosis",
        "serum_potassium 4.2 @-1; blood_potassium 3.3 @-1", "serum_potassium 5.5; blood_potassium 5.5",
    ),
    "hyperkalemia": (
        "serum_potassium 5.0", "serum_potassium 5.1 @-1; blood_potassium 4.2", "blood_potassium 4.9 @-1",
        "serum_potassium 4.2; hyperkalemia_diagnosis", "serum_potassium -; blood_potassium 4.2; hyperkalemia_diagnosis",
        "serum_potassium 4.2 @-1; blood_potassium 4.9 @-1", "serum_potassium 3.0; blood_potassium 3.0",
    ),
    "hypocalcemia": (
        "ionized_calcium 1.15", "ionized_calcium 1.2; corrected_calcium 2.19", "corrected_calcium 2.2",
        "corrected_calcium 2.4; serum_calcium 2.19", "ionized_calcium 1.2; serum_calcium 2.19", "serum_calcium 2.2",
        "hypocalcemia_diagnosis", "serum_calcium -; ionized_calcium 1.2; hypocalcemia_diagnosis",
        "serum_calcium 2.7; ionized_calcium 1.4; corrected_calcium 2.7",
    ),
    "severe_hypomagnesemia": ("serum_magnesium 0.4", "serum_magnesium 0.69"),
    "kidney_failure": ("egfr 30", "egfr 90; anuria @-7.01", "egfr 90; oliguria @-7.01", "egfr 90; ckd_stage_3"),
}  # fmt: skip
NOT_KNOWN = {
    "hypomagnesemia": ("serum_magnesium -",),
    "hypokalemia": ("serum_potassium -",),
    "hyperkalemia": ("serum_potassium -",),
    "hypocalcemia": ("serum_calcium -",),
    "severe_hypomagnesemia": ("serum_magnesium -", "serum_magnesium <0.5"),
    "kidney_failure": ("", "serum_creatinine 80; age -"),
}
EVERY = {id: (*HOLDS[id], *SILENT[id], *ASKS.get(id, ())) for id in HOLDS}


@cache
def alerts() -> dict[str, tuple]:
    """Return the emergencies of every line of the tables, asked at once."""
    lines = sorted({line for lines in EVERY.values() for line in lines})
    found = assess_all([sketched(line) for line in lines], depth="findings")
    return {line: one.emergencies for line, one in zip(lines, found, strict=True)}


def summaries(line: str) -> dict[str, str]:
    return {one.id: one.summary for one in alerts()[line]}


def test_every_emergency_is_in_the_tables() -> None:
    emergencies = {one.id for one in knowledge().rules.values() if one.kind == "emergency"}
    assert emergencies == set(HOLDS) == set(SILENT)


@pytest.mark.parametrize("id", HOLDS)
def test_each_condition_alone_brings_the_emergency(id: str) -> None:
    assert [line for line in HOLDS[id] if summaries(line).get(id) != knowledge().rules[id].summary] == []


@pytest.mark.parametrize("id", SILENT)
def test_nothing_else_brings_it(id: str) -> None:
    assert [line for line in SILENT[id] if id in summaries(line)] == []


@pytest.mark.parametrize("id", ASKS)
def test_what_cannot_be_decided_and_matters_is_asked(id: str) -> None:
    for line in ASKS[id]:
        told = next(one for one in alerts()[line] if one.id == id)
        assert told.summary.startswith("Not known whether safe: dangerously")
        assert told.do == "Measure Creatinine, serum or plasma first."
        assert told.why


def test_why_an_emergency_holds_is_told_by_what_brought_it() -> None:
    told = next(one for one in alerts()["serum_magnesium 0.399"] if one.id == "severe_hypomagnesemia_urgent")
    rule = knowledge().rules[told.id]
    assert told.why == ("Magnesium, serum or plasma 0.40\N{NO-BREAK SPACE}mmol/L (2020-06-01)",)
    assert (told.summary, told.do, told.source) == (rule.summary, rule.do, rule.source)
    assert told.statements == rule.statements


@pytest.mark.parametrize("id", PRESENT)
def test_findings_on_which_emergencies_rest(id: str) -> None:
    for state, lines in enumerate((ABSENT[id], NOT_KNOWN[id], PRESENT[id])):
        found = finding(id, columns_of(*lines))
        assert [line for line, one in zip(lines, found, strict=True) if one != state] == []


MANY = (
    "torsades; serum_potassium 1.9; blood_potassium 6.9; serum_magnesium 0.3; serum_calcium 1.5; serum_phosphate 0.2; "
    "seizure; long_qt; digoxin_toxicity"
)  # no body is like that: only the order is asked


ORDER = (
    "torsades_or_arrest", "severe_hyperkalemia_emergency", "dangerous_hypermagnesemia", "digoxin_arrhythmia",
    "hyperkalemia_with_ecg", "dangerous_level_not_excluded", "severe_hypokalemia_emergency", "arrhythmia_low_magnesium",
    "seizure_or_tetany_low", "moderate_hyperkalemia_ecg", "severe_calcium", "severe_hypomagnesemia_urgent",
    "severe_hypophosphatemia_urgent",
)  # fmt: skip


def test_the_order_of_emergencies() -> None:
    rules = [one for one in knowledge().rules.values() if one.kind == "emergency"]
    assert tuple(one.id for one in sorted(rules, key=lambda one: (one.rank, one.id))) == ORDER
    found = [one.id for one in assess_all([sketched(MANY)], depth="findings")[0].emergencies]
    assert len(found) == 9
    assert found == [one for one in ORDER if one in found]


@pytest.mark.parametrize(("level", "expected"), [(2.1, True), (2.0, False)])
def test_a_high_level_of_digoxin_is_an_emergency(level: float, expected: bool) -> None:
    """The laboratory says what is high: there is no interval of ours."""
    interval = [{"low": {"value": 0.8}, "high": {"value": 2.0}}]
    record = read(drug("digoxin"), observation("10535-3", level, "ng/mL", referenceRange=interval))
    found = assess_all([record], depth="findings")[0].emergencies
    assert ("digoxin_arrhythmia" in [one.id for one in found]) is expected


# what is asked, and what is withheld ---------------------------------------------------------------------------------
def answer_of(line: str) -> Assessment:
    return assess_all([sketched(line)], depth="findings")[0]


@pytest.mark.parametrize(
    ("line", "do"),
    [
        ("serum_magnesium 1.75; serum_creatinine 80; age -", "eGFR cannot be computed or is not steady"),
        ("serum_magnesium 1.75; serum_creatinine <400; age -", "eGFR cannot be computed"),
        ("serum_magnesium 1.75; serum_creatinine 80 @-9; age -", "Measure Creatinine, serum or plasma first."),
    ],
)
def test_what_was_measured_is_not_asked_again(line: str, do: str) -> None:
    told = next(one for one in answer_of(line).emergencies if one.id == "dangerous_hypermagnesemia")
    assert told.do.startswith(do)


def test_two_tests_are_asked_together_and_only_those_that_are_missing() -> None:
    drugs = "potassium_chloride; spironolactone"
    for line, do in (
        (f"{drugs}; serum_potassium -", "Measure Potassium, serum or plasma and Creatinine, serum or plasma first."),
        (f"{drugs}; serum_potassium 4.0", "Measure Creatinine, serum or plasma first."),
    ):
        told = next(one for one in answer_of(line).unsafe if one.id == "potassium_with_sparing_drug_unsafe")
        assert told.summary.startswith("Not known whether safe: ") and told.do == do
    assert "potassium_with_sparing_drug_unsafe" not in [one.id for one in answer_of("serum_potassium 4.0").unsafe]


def test_a_doubtful_sample_withholds_causes_unless_the_heart_shows_it() -> None:
    doubtful = "serum_potassium 6.0; serum_calcium 1.5"
    for line, withheld in (
        (doubtful, True),
        (f"{doubtful}; ecg_hyperkalemia @-30", False),
        ("serum_calcium 1.5", False),
    ):
        found = answer_of(line)
        assert ("ranking_withheld" in [one.code for one in found.issues]) is withheld
        assert bool(found.causes) is not withheld
    assert answer_of(doubtful).samples[0].id == "edta_contamination_suspected"


def test_an_alarm_is_told_with_the_result_on_which_it_rests() -> None:
    found = assess(sketched("serum_potassium 6.7 @-0.1; serum_potassium 4.7"), depth="findings")
    alarm = next(one for one in found.emergencies if one.id == "severe_hyperkalemia_emergency")
    assert any("6.7" in why for why in alarm.why) and not any("4.7" in why for why in alarm.why)
