"""Invented records for measuring: nobody's data, the same for the same seed."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from carnallite.record import Reading

INDEX = datetime(2020, 6, 1, 12, tzinfo=UTC)
_YEARS = 12
# LOINC, name, unit, middle, spread: what a practice measures again and again, of which we use a few.
_LABS = (
    ("2823-3", "Potassium", "mmol/L", 4.1, 0.6), ("2951-2", "Sodium", "mmol/L", 139, 3),
    ("2075-0", "Chloride", "mmol/L", 103, 3), ("17861-6", "Calcium", "mg/dL", 9.3, 0.6),
    ("19123-9", "Magnesium", "mg/dL", 1.8, 0.35), ("2160-0", "Creatinine", "mg/dL", 1.0, 0.3),
    ("1751-7", "Albumin", "g/dL", 4.1, 0.4), ("2339-0", "Glucose", "mg/dL", 110, 25),
    ("6299-2", "Urea Nitrogen", "mg/dL", 15, 5), ("20565-8", "Carbon Dioxide", "mmol/L", 25, 3),
    ("8302-2", "Body Height", "cm", 170, 1), ("29463-7", "Body Weight", "kg", 78, 4),
    ("2093-3", "Total Cholesterol", "mg/dL", 190, 30), ("2571-8", "Triglycerides", "mg/dL", 140, 40),
    ("18262-6", "LDL Cholesterol", "mg/dL", 110, 25), ("6690-2", "Leukocytes", "10*3/uL", 7, 2),
    ("789-8", "Erythrocytes", "10*6/uL", 4.8, 0.4), ("718-7", "Hemoglobin", "g/dL", 14, 1.2),
    ("777-3", "Platelets", "10*3/uL", 250, 60), ("4548-4", "Hemoglobin A1c", "%", 6, 0.8),
)  # fmt: skip
_CONDITIONS = (
    ("59621000", "Hypertension"), ("44054006", "Diabetes mellitus type 2"), ("62315008", "Diarrhea"),
    ("195662009", "Acute viral pharyngitis"), ("88805009", "Chronic congestive heart failure"),
    ("10509002", "Acute bronchitis"), ("431855005", "Chronic kidney disease stage 1"),
    ("40055000", "Chronic sinusitis"), ("444814009", "Viral sinusitis"), ("72892002", "Normal pregnancy"),
)  # fmt: skip
_DRUGS = (
    ("310429", "Furosemide 20 MG Oral Tablet"), ("310798", "Hydrochlorothiazide 25 MG Oral Tablet"),
    ("198053", "Omeprazole 20 MG Oral Capsule"), ("314076", "Lisinopril 10 MG Oral Tablet"),
    ("860975", "Metformin 500 MG Oral Tablet"), ("197604", "Digoxin 0.125 MG Oral Tablet"),
    ("313782", "Acetaminophen 325 MG Oral Tablet"), ("314231", "Simvastatin 10 MG Oral Tablet"),
)  # fmt: skip


def bundle(megabytes: float, seed: int) -> bytes:
    """Return a transaction Bundle of one patient, of about that size, in the proportions of generated charts.

    Half of it is Observations; a third is claims and their explanations, which a reader has to skip.
    """
    draw = random.Random(seed)
    name = [{"family": "Invented"}]
    entries = [_entry(draw, "Patient", {"gender": "female", "birthDate": "1951-03-05", "name": name})]
    who = {"reference": entries[0]["fullUrl"]}
    size = 0
    while size < megabytes * 1e6:
        when = INDEX - timedelta(minutes=draw.randrange(_YEARS * 365 * 24 * 60))
        made = _visit(draw, who, when)
        entries += made
        text = json.dumps(made, indent=2)
        size += len(text) + 2 * text.count("\n")  # it stands one level deeper in the bundle
    return json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries}, indent=2).encode()


def _entry(draw: random.Random, kind: str, fields: dict[str, Any]) -> dict[str, Any]:
    id = f"{draw.getrandbits(128):032x}"
    resource = {"resourceType": kind, "id": id} | fields | {"meta": {"tag": [{"code": "benchmark"}]}}
    return {"fullUrl": f"urn:uuid:{id}", "resource": resource, "request": {"method": "POST", "url": kind}}


def _coded(system: str, code: str, text: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code, "display": text}], "text": text}


def _visit(draw: random.Random, who: dict[str, str], when: datetime) -> list[dict[str, Any]]:
    """Return one visit: an encounter, results, sometimes a diagnosis or a drug, and the claims for them."""
    time = when.isoformat()
    period = {"start": time, "end": (when + timedelta(minutes=30)).isoformat()}
    fields = {"status": "finished", "class": {"code": "AMB"}, "subject": who, "period": period}
    made = [_entry(draw, "Encounter", fields)]
    about = {"subject": who, "encounter": {"reference": made[0]["fullUrl"]}}
    made += [_result(draw, about, time, lab) for lab in draw.sample(_LABS, 10)]
    if draw.random() < 0.3:
        code, text = draw.choice(_CONDITIONS)
        clinical = {"coding": [{"code": "active"}]}
        what = {"code": _coded("http://snomed.info/sct", code, text), "clinicalStatus": clinical}
        made.append(_entry(draw, "Condition", about | what | {"onsetDateTime": time}))
    if draw.random() < 0.3:
        code, text = draw.choice(_DRUGS)
        drug = _coded("http://www.nlm.nih.gov/research/umls/rxnorm", code, text)
        what = {"status": draw.choice(["active", "stopped", "completed"]), "medicationCodeableConcept": drug}
        made.append(_entry(draw, "MedicationRequest", about | what | {"intent": "order", "authoredOn": time}))
    service = _coded("http://snomed.info/sct", "185347001", "Encounter for problem")
    items = [
        {
            "sequence": number,
            "productOrService": service,
            "net": {"value": draw.randrange(900), "currency": "USD"},
        }
        for number in range(1, 16)
    ]
    claim = {"status": "active", "use": "claim", "patient": who, "created": time, "item": items}
    return [*made, _entry(draw, "Claim", claim), _entry(draw, "ExplanationOfBenefit", claim)]


def _result(
    draw: random.Random, about: dict[str, Any], time: str, lab: tuple[str, str, str, float, float]
) -> dict[str, Any]:
    loinc, name, unit, middle, spread = lab
    value = max(draw.gauss(middle, spread), middle / 3)
    kind = _coded("http://terminology.hl7.org/CodeSystem/observation-category", "laboratory", "laboratory")
    what = {
        "status": "final", "category": [kind], "code": _coded("http://loinc.org", loinc, name),
        "effectiveDateTime": time, "issued": time,
        "valueQuantity": {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit},
    }  # fmt: skip
    return _entry(draw, "Observation", about | what)


def readings(count: int, seed: int) -> list[Reading]:
    """Return parsed records of patients with some disorder, each with a few results, drugs and conditions."""
    from carnallite.record.sketch import read_sketch  # noqa: PLC0415  (the other benchmark measures start-up)

    draw = random.Random(seed)
    return [read_sketch(_sketch(draw)) for _ in range(count)]


_RESULTS = (
    ("serum_magnesium", 0.75, 0.2, 2, "mmol/L"), ("serum_potassium", 3.8, 0.9, 1, "mmol/L"),
    ("serum_calcium", 2.25, 0.25, 2, "mmol/L"), ("serum_creatinine", 110, 60, 0, "umol/L"),
    ("serum_albumin", 36, 6, 0, "g/L"), ("serum_sodium", 138, 5, 0, "mmol/L"),
    ("serum_bicarbonate", 25, 5, 0, "mmol/L"), ("urine_magnesium", 2.5, 1.5, 1, "mmol/L"),
    ("urine_creatinine", 7, 3, 1, "mmol/L"), ("urine_potassium", 40, 20, 0, "mmol/L"),
)  # fmt: skip
_TAKEN = (
    "furosemide", "hydrochlorothiazide", "omeprazole", "cisplatin", "digoxin", "spironolactone",
    "potassium_chloride", "magnesium_oxide",
)  # fmt: skip
_ILL = ("diarrhea", "vomiting", "ileostomy", "alcohol_use", "ckd", "heart_failure", "seizure", "tetany")


def _sketch(draw: random.Random) -> str:
    sex = draw.choice(["female", "male"])
    lines = ["day | what | value | unit", f"0 | age | {draw.randrange(20, 95)} |", f"0 | sex | {sex} |"]
    for what, middle, spread, places, unit in _RESULTS:
        if draw.random() < 0.75:
            day = round(-draw.random() * 3, 2)
            lines.append(f"{day} | {what} | {max(draw.gauss(middle, spread), middle / 4):.{places}f} | {unit}")
    lines += [f"-{draw.randrange(10, 900)} | {drug} | 1 | mg/d" for drug in _TAKEN if draw.random() < 0.25]
    lines += [f"-{draw.randrange(1, 60)} | {illness} | |" for illness in _ILL if draw.random() < 0.15]
    return "\n".join(lines)


def year(seed: int = 1) -> str:
    """Return a CSV timeline of a year: weekly results of six tests, two drugs, and tablets since a month."""
    draw = random.Random(seed)
    lines = [
        "time,kind,name,value,unit,code,end,status,dose,dose_unit,per_day,route,specimen,note",
        ",person,sex,female,,,,,,,,,,", ",person,birth_date,1955,,,,,,,,,,",
        "2018-05-01,drug,omeprazole,,,,,active,20,mg,1,oral,,",
        "2019-06-15,drug,furosemide,,,,,active,40,mg,1,oral,,",
        "2020-05-01,drug,magnesium oxide,,,,,active,10,mmol,2,oral,,",
        "2020-03-01,condition,diarrhea,,,,,active,,,,,,",
    ]  # fmt: skip
    for week in range(52, -1, -1):
        time = f"{INDEX - timedelta(weeks=week):%Y-%m-%dT%H:%MZ}"
        fall = 1 - 0.35 * (52 - week) / 52
        for name, unit, middle, digits in _WEEKLY:
            low = fall if name == "magnesium" else 0.85 if name == "potassium" else 1.0
            lines.append(
                f"{time},observation,{name},{middle * low * draw.gauss(1, 0.03):.{digits}f},{unit},,,final,,,,,,"
            )
    return "\n".join(lines) + "\n"


_WEEKLY = (
    ("magnesium", "mmol/L", 0.8, 2), ("potassium", "mmol/L", 4.0, 1), ("calcium", "mmol/L", 2.3, 2),
    ("creatinine", "umol/L", 85.0, 0), ("sodium", "mmol/L", 139.0, 0), ("phosphate", "mmol/L", 1.1, 2),
)  # fmt: skip
