"""One answer in full, and small ones for each awkward shape; all patients are invented."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec

from carnallite.assessment import (
    Alert,
    Assessment,
    Explained,
    NextTest,
    Provenance,
    RankedCause,
    RankedFactor,
    Reason,
    Result,
    States,
)
from carnallite.quantity import analyte
from carnallite.record import Exposure, Issue, Observation, Patient, Timeline, Unread

INDEX = datetime(2020, 6, 1, 11, tzinfo=UTC)
HOSTILE = "<script>alert('x')</script>\x1b[31m & \"quotes\""
ALERT_SOURCE = "royalcornwall2021"


def result(id: str, number: float, flag: Any, *, hours: float = 3, reference: str = "", sign: str = "") -> Result:
    item = analyte(id)
    return Result(
        id=id, name=item.name, short=item.short, value=f"{sign}{item.show(number)}",
        us=f"{sign}{item.show(number, 'us')}",
        flag=flag, time=INDEX - timedelta(hours=hours), age_h=hours, reference=reference,
    )  # fmt: skip


def reason(fact: str, number: float | None = None, *, statement: str | None = None, status: str = "assumed") -> Reason:
    return Reason(fact=fact, likelihood_ratio=number, statement=statement, source="assumption", status=status)


MAGNESIUM = f"{analyte('serum_magnesium').name} {analyte('serum_magnesium').show(0.42)} (2020-06-01)"
OLDER = f"{analyte('serum_magnesium').name} {analyte('serum_magnesium').show(0.55)} (2020-04-20)"


def _causes() -> tuple[RankedCause, ...]:
    ppi = RankedCause(
        id="ppi", name="Proton-pump inhibitor", probability=0.83, basis="recorded",
        because="The bowel absorbs less magnesium while stomach acid is suppressed; how is not settled.",
        for_=(
            Reason(fact="Omeprazole since 2016-02-10; Furosemide since 2019-11-04", statement="A07",
                   source="kieboom2015", status="assumed"),
            reason(f"Magnesium falls again after it was replaced: {MAGNESIUM}; {OLDER}", 6.2),
            reason("Low urine magnesium for a low serum level", 3.1),
            reason("Hypocalcemia", 2.2),
        ),
        against=(reason("Not: parathyroid hormone low", 0.35),),
        statements=("A07", "A08"),
    )  # fmt: skip
    loop = RankedCause(
        id="loop_diuretic", name="Loop diuretic", probability=0.44, basis="recorded",
        because="The thick limb loses its voltage, so magnesium, calcium and potassium are lost.",
        for_=(reason("Furosemide since 2019-11-04", statement="A18"), reason("Hypokalemia", 4.0, status="measured")),
        against=(reason("Not: urine magnesium high for a low serum level", 0.3),),
        statements=("A18",),
    )  # fmt: skip
    alcohol = RankedCause(
        id="alcohol", name="Alcohol", probability=0.12, basis="inferred",
        because="Intake is poor and the tubule loses magnesium.", for_=(reason("Hypophosphatemia", 2.4),),
    )  # fmt: skip
    rest = RankedCause(id="other", name="None of the causes that we know", probability=0.03, basis="inferred")
    return ppi, loop, alcohol, rest


def _results() -> tuple[Result, ...]:
    return (
        result("serum_magnesium", 0.42, "L", reference="0.70 mmol/L to 1.00 mmol/L".replace(" m", "\xa0m")),
        result("serum_potassium", 2.7, "L", reference="3.5 mmol/L to 5.1 mmol/L".replace(" m", "\xa0m")),
        result("serum_calcium", 1.95, "L", reference="2.20 mmol/L to 2.60 mmol/L".replace(" m", "\xa0m")),
        result("corrected_calcium", 2.11, "L", reference="2.20 mmol/L to 2.60 mmol/L".replace(" m", "\xa0m")),
        result("serum_phosphate", 0.7, "L"),
        result("serum_creatinine", 96, "H", hours=27, reference="45 µmol/L to 84 µmol/L".replace(" µ", "\xa0µ")),
        result("egfr", 52, "L", hours=27),
        result("serum_albumin", 32, "L", hours=27),
        result("pth", 4.1, "", hours=75),
    )


def full() -> Assessment:
    """Return an answer in which every part is filled."""
    arrhythmia = Alert(
        id="arrhythmia_low_magnesium",
        summary="Ventricular arrhythmia or long QT with low magnesium, potassium or calcium",
        do="ECG monitoring; magnesium sulfate by vein is indicated if magnesium is low or unknown and the rhythm is "
        "dangerous; replace potassium alongside; review drugs that lengthen QT.",
        why=("QTc interval 520\xa0ms (2020-06-01)", MAGNESIUM), statements=("A46", "B13"), source=ALERT_SOURCE,
    )  # fmt: skip
    digoxin = Alert(
        id="digoxin_with_low_ions", summary="Digitalis with low potassium or magnesium",
        do="ECG and digoxin level; correct both ions; low magnesium makes the heart sensitive at usual levels.",
        why=("Digoxin since 2018-05-01", MAGNESIUM), statements=("B13", "B33"), source="young1991",
    )  # fmt: skip
    infusion = Alert(
        id="infusion_arm_suspected", summary="The sample may come from an arm with an infusion",
        do="Repeat from the other arm.", why=("Glucose 31\xa0mmol/L",), source="assumption",
    )  # fmt: skip
    return Assessment(
        schema="carnallite.assessment/1", index=INDEX, states=States(magnesium="low", potassium="low", calcium="low"),
        emergencies=(arrhythmia,), unsafe=(digoxin,), samples=(infusion,), causes=_causes(),
        factors=(
            RankedFactor(id="continued_offender", name="The offending drug goes on", probability=0.9,
                         for_=(reason("Omeprazole since 2016-02-10", statement="A17"),)),
            RankedFactor(id="volume_depletion", name="Volume depletion", probability=0.55,
                         for_=(reason("Diarrhea since 2020-05-20", statement="A24"),)),
        ),
        joint=(), balance=None, fit=None, plans=(), forecast=None,
        magnesium_explains=Explained(potassium=0.88, calcium=0.71),
        next_tests=(
            NextTest(id="urine_magnesium", name="Urine magnesium with creatinine, spot or 24 h", information=0.42,
                     why="It tells whether the kidney or the bowel loses magnesium."),
            NextTest(id="urine_potassium", name="Urine potassium with creatinine, spot or 24 h", information=0.31,
                     why="It tells whether the kidney loses potassium."),
            NextTest(id="pth", name="Parathyroid hormone", information=0.12,
                     why="Low magnesium silences it; high speaks for lack of vitamin D."),
            NextTest(id="serum_bicarbonate", name="Bicarbonate", information=0.08, why="Alkalosis or acidosis."),
        ),
        cannot_tell=False, either=(), missing=("Bicarbonate", "Digoxin level, fresh (the last is 12 days old)"),
        issues=tuple(
            Issue("unit_unknown", f"Observation {number}, serum_sodium", "The unit is missing.", "Give the unit.")
            for number in range(1, 6)
        ),
        results=_results(),
        provenance=Provenance(version="0.1.0", model=None, library=None, record="sha256:" + "ab12cd34" * 8,
                              knowledge="52 causes, 84 statements"),
    )  # fmt: skip


def changed(**parts: Any) -> Assessment:
    """Return the full answer with some parts replaced."""
    return msgspec.structs.replace(full(), **parts)


def observed(quantity: str, number: float, days: float | None, **parts: Any) -> Observation:
    """Return one result, so many days before the index."""
    time = None if days is None else INDEX - timedelta(days=days)
    parts = {"low": number, "high": number, "where": "Observation 1"} | parts
    return Observation(quantity=quantity, time=time, **parts)


def taken(ingredient: str, start: float | None, stop: float | None = None, **parts: Any) -> Exposure:
    """Return one drug from so many days before the index."""
    moment = lambda days: None if days is None else INDEX - timedelta(days=days)  # noqa: E731
    parts = {"status": "current", "where": "MedicationRequest 1"} | parts
    return Exposure(ingredient=ingredient, start=moment(start), stop=moment(stop), **parts)


def history() -> Timeline:
    """Return two years of a patient: results of every panel, drugs of every form."""
    series = {
        "serum_magnesium": [(610, 0.66), (430, 0.61), (260, 0.58), (120, 0.55), (42, 0.55),
                            (30, 0.74), (9, 0.5), (0.125, 0.42)],
        "serum_potassium": [(610, 3.9), (430, 3.6), (260, 3.4), (120, 3.3), (42, 3.2),
                            (30, 3.5), (9, 3.0), (0.125, 2.7)],
        "serum_calcium": [(610, 2.3), (260, 2.2), (42, 2.1), (0.125, 1.95)],
        "corrected_calcium": [(260, 2.28), (42, 2.2), (0.125, 2.11)],
        "ionized_calcium": [(42, 1.08), (0.125, 0.98)],
        "serum_creatinine": [(610, 72), (430, 75), (260, 79), (120, 84), (42, 88), (1.125, 96)],
    }  # fmt: skip
    results = [observed(id, number, days) for id, pairs in series.items() for days, number in pairs]
    results.append(observed("serum_magnesium", 0.3, 75, low=0.0, basis="censored", printed="<0.3"))
    results.append(observed("serum_magnesium", 0.6, None))
    return Timeline(
        patient=Patient(sex="female", birth=date(1953, 3, 2)), index=INDEX, observations=tuple(results),
        exposures=(
            taken("omeprazole", 1573, dose=20.0, dose_unit="mg", per_day=1.0),
            taken("furosemide", 210, dose=40.0, dose_unit="mg", per_day=1.0),
            taken("magnesium_oxide", 110, 40),
            taken("magnesium_sulfate", 30, 29.9, given=tuple(INDEX - timedelta(days=days) for days in (31, 30, 29))),
            taken("potassium_chloride", 20),
            taken("spironolactone", 400, 300, status="stopped"),
            taken("digoxin", None),
            taken("hydrochlorothiazide", None, status="mentioned"),
            taken("metformin", 900),
        ),
        unread=(Unread("Observation 14", "loinc 9999-9"), Unread("Procedure 2")), digest="ab12cd34" * 8,
    )  # fmt: skip
