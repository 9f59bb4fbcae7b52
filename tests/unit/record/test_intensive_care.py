"""MIMIC-III and eICU on small tables: which columns are read, and what is left where it stands."""

from __future__ import annotations

import csv
import gzip
from datetime import UTC, datetime
from pathlib import Path

import pytest

from carnallite.errors import RecordRefused
from carnallite.record import read_record
from carnallite.record.intensive_care import read_eicu, read_mimic

Rows = list[dict[str, object]]
DAY = datetime(2140, 5, 1, tzinfo=UTC)
UNIT = datetime(2020, 6, 1, tzinfo=UTC)


def folder(path: Path, **tables: Rows) -> Path:
    for position, (name, rows) in enumerate(tables.items()):
        columns = list(dict.fromkeys(column for row in rows for column in row))
        zipped = position % 2
        file = path / f"{name}.csv{'.gz' if zipped else ''}"
        with gzip.open(file, "wt", newline="") if zipped else file.open("w", newline="") as out:
            writer = csv.DictWriter(out, columns, restval="")
            writer.writeheader()
            writer.writerows(rows)
    return path


def numbered(*rows: dict[str, object]) -> Rows:
    return [{"row_id": number, "subject_id": 7} | row for number, row in enumerate(rows, 1)]


def mimic(path: Path, **tables: Rows):
    people = [{"row_id": 1, "subject_id": 7, "gender": "F", "dob": "2080-01-02 00:00:00"}]
    stays = [{"row_id": 1, "subject_id": 7, "hadm_id": 70, "admittime": "2140-05-01 10:00:00",
              "dischtime": "2140-05-09 12:00:00", "diagnosis": "SEPSIS"}]  # fmt: skip
    return read_mimic(folder(path, **({"PATIENTS": people, "ADMISSIONS": stays} | tables)))


def kinds(loaded, kind: str, key: str = "7"):
    return [entry for entry in loaded.entries[key] if entry.kind == kind]


def test_mimic_people_and_stays(tmp_path: Path):
    loaded = mimic(tmp_path)
    assert (loaded.people["7"].sex, loaded.people["7"].birth) == ("F", "2080-01-02")
    (stay,) = kinds(loaded, "encounter")
    assert (stay.text, stay.setting) == ("SEPSIS", "IMP")
    assert stay.end == datetime(2140, 5, 9, 12, tzinfo=UTC)


def test_mimic_results(tmp_path: Path):
    tests = [
        {"itemid": 50960, "label": "Magnesium", "fluid": "Blood", "loinc_code": "2601-3"},
        {"itemid": 51100, "label": "Sodium, Urine", "fluid": "Urine", "loinc_code": ""},
    ]
    noon = {"charttime": "2140-05-01 12:00:00"}
    events = numbered(
        noon | {"itemid": 50960, "value": "1.2", "valuenum": 1.2, "valueuom": "mg/dL"},
        noon | {"itemid": 51100, "value": "LESS THAN 10", "valuenum": "NaN", "valueuom": "mEq/L"},
        {"itemid": 99999, "charttime": "", "value": "", "valuenum": "", "valueuom": ""},
    )  # fmt: skip
    number, words, nothing = kinds(mimic(tmp_path, d_labitems=tests, labevents=events), "observation")
    assert number.codes == (("loinc", "2601-3"), ("local", "50960"))
    assert (number.value, number.unit, number.text, number.specimen) == (1.2, "mg/dL", "Magnesium", "Blood")
    assert number.time == DAY.replace(hour=12)
    assert (words.value, words.words, words.codes) == (None, "LESS THAN 10", (("local", "51100"),))
    assert (nothing.value, nothing.words, nothing.time) == (None, "", None)


def test_mimic_orders(tmp_path: Path):
    order = {
        "drug": "Magnesium Sulfate", "prod_strength": "2 g / 50 mL", "dose_val_rx": "4", "dose_unit_rx": "gm",
        "route": "IV", "ndc": "0", "startdate": "2140-05-01 00:00:00", "enddate": "2140-05-02 00:00:00",
    }  # fmt: skip
    rows = numbered(order, order, order | {"dose_val_rx": "2-4", "ndc": "00338170940", "enddate": ""})
    first, second, third = kinds(mimic(tmp_path, prescriptions=rows), "drug")
    assert (first.text, first.dose, first.dose_unit, first.route) == ("Magnesium Sulfate 2 g / 50 mL", 4, "gm", "IV")
    assert (first.time, first.end, first.status) == (DAY, DAY.replace(day=3), "completed")
    assert second.where == "prescriptions 2"
    assert (third.dose, third.dose_text, third.codes) == (None, "2-4 gm", (("ndc", "00338170940"),))
    assert (third.end, third.status) == (None, "")


def test_mimic_infusions_that_ran(tmp_path: Path):
    items = [{"itemid": 222011, "label": "Magnesium Sulfate"}, {"itemid": 30026, "label": "KCL"}]
    late = {"itemid": 222011, "starttime": "2140-05-01 10:00:00", "endtime": "2140-05-01 12:00:00", "amount": 4,
            "amountuom": "grams", "ordercategoryname": "02-Fluids (Crystalloids)",
            "statusdescription": "FinishedRunning"}  # fmt: skip
    early = {
        "itemid": 30026,
        "charttime": "2140-05-01 10:00:00",
        "amount": 20,
        "amountuom": "mEq",
        "originalroute": "Oral",
    }
    loaded = mimic(
        tmp_path, d_items=items, inputevents_mv=numbered(late, late | {"statusdescription": "Rewritten"}),
        inputevents_cv=numbered(early, early | {"amount": 0}, early | {"amount": ""}),
    )  # fmt: skip
    running, single = kinds(loaded, "drug")
    assert (running.text, running.dose, running.dose_unit, running.single) == ("Magnesium Sulfate", 4, "grams", True)
    assert (running.end, running.status) == (DAY.replace(hour=12), "completed")
    assert running.route == "02-Fluids (Crystalloids)"
    assert (single.text, single.dose, single.route, single.single) == ("KCL", 20, "Oral", True)


def test_mimic_diagnoses_and_operations_get_dots_titles_and_times(tmp_path: Path):
    loaded = mimic(
        tmp_path,
        diagnoses_icd=numbered({"hadm_id": 70, "icd9_code": "2752"}, {"hadm_id": 70, "icd9_code": "E8791"},
                               {"hadm_id": 1, "icd9_code": "486"}),
        d_icd_diagnoses=[{"icd9_code": "2752", "long_title": "Disorders of magnesium metabolism"}],
        procedures_icd=numbered({"hadm_id": 70, "icd9_code": "9604"}),
        procedureevents_mv=numbered({"itemid": 5, "starttime": "2140-05-01 10:00:00", "endtime": "",
                                     "statusdescription": "FinishedRunning"}),
        d_items=[{"itemid": 5, "label": "Dialysis - CRRT"}],
    )  # fmt: skip
    magnesium, dialysis, pneumonia = kinds(loaded, "condition")
    assert magnesium.codes == (("icd9", "275.2"),)
    assert magnesium.text == "Disorders of magnesium metabolism"
    assert magnesium.time == DAY.replace(hour=10)
    assert dialysis.codes == (("icd9", "E879.1"),)
    assert (pneumonia.codes, pneumonia.time) == ((("icd9", "486"),), None)
    coded, charted = kinds(loaded, "procedure")
    assert coded.codes == (("icd9p", "96.04"),)
    assert charted.text == "Dialysis - CRRT"


def test_mimic_chart_keeps_known_labels_and_changes_of_words(tmp_path: Path):
    names = ("Daily Weight", "Heart Rhythm", "Magnesium")
    items = [{"itemid": number, "label": label} for number, label in enumerate(names, 1)]

    def charted(itemid: int, hour: int, value: object, error: object = 0) -> dict[str, object]:
        number = value if isinstance(value, (int, float)) else ""
        return {"itemid": itemid, "charttime": f"2140-05-01 {hour:02}:00:00", "value": value, "valuenum": number,
                "error": error}  # fmt: skip

    events = numbered(
        charted(1, 8, 70.5), charted(1, 9, 0), charted(1, 10, 700, 1), charted(2, 8, "AF"), charted(2, 9, "AF"),
        charted(2, 10, "SR"), charted(3, 8, 1.2),
    )  # fmt: skip
    loaded = mimic(tmp_path, d_items=items, chartevents=events)
    weight, first, second = kinds(loaded, "observation")
    assert (weight.text, weight.value, weight.unit) == ("body weight", 70.5, "kg")
    assert [first.words, second.words] == ["AF", "SR"]
    assert [issue.code for issue in loaded.issues] == ["not_used"]


def test_outputs_count_by_whole_days_only(tmp_path: Path):
    items = [
        {"itemid": 1, "label": "Foley"},
        {"itemid": 2, "label": "Stool Out Ileostomy"},
        {"itemid": 3, "label": "Chest Tube #1"},
    ]

    def row(itemid: int, time: str, value: object) -> dict[str, object]:
        return {"itemid": itemid, "charttime": f"2140-05-{time}:00", "value": value, "iserror": ""}

    rows = numbered(
        row(1, "01 20:00", 500),
        row(1, "02 02:00", 400), row(1, "02 10:00", 300), row(1, "02 20:00", 300), row(2, "02 09:00", 900),
        row(3, "02 09:00", 50), row(1, "03 01:00", 200), row(1, "03 09:00", "NaN"),
    )  # fmt: skip
    urine, stoma = kinds(mimic(tmp_path, d_items=items, outputevents=rows), "observation")
    assert (urine.text, urine.value, urine.unit, urine.time) == ("24 h urine volume", 1000, "mL/d", DAY.replace(day=3))
    assert (stoma.text, stoma.value) == ("24 h stool volume", 900)


def test_mimic_selects_one_person(tmp_path: Path):
    people = [{"row_id": n, "subject_id": n, "gender": "M", "dob": "1840-01-01"} for n in (3, 20, 100)]
    rows = [{"row_id": n, "subject_id": n, "itemid": 1, "charttime": "2140-01-01", "valuenum": 1} for n in (3, 20, 99)]
    source = folder(tmp_path, patients=people, labevents=rows, admissions=[])
    everybody = read_mimic(source)
    assert list(everybody.people) == ["3", "20", "100"]
    assert everybody.strays == ["labevents 1"]
    assert list(read_mimic(source, "20").entries) == ["20"]
    assert list(read_mimic(source, "#2").entries) == ["20"]
    assert read_mimic(source, alone=True).entries == {}
    with pytest.raises(RecordRefused):
        read_mimic(source, "4")
    with pytest.raises(RecordRefused):
        read_eicu(source)


STAY = {
    "patientunitstayid": 5, "gender": "Female", "age": "> 89", "apacheadmissiondx": "Sepsis, renal/UTI",
    "admissionheight": "160", "admissionweight": "", "hospitaladmitoffset": -600, "unitdischargeoffset": 2880,
}  # fmt: skip


def eicu(path: Path, **tables: Rows):
    named = {
        name: [{f"{name}id": n, "patientunitstayid": 5} | row for n, row in enumerate(rows)]
        for name, rows in tables.items()
    }
    return read_eicu(folder(path, **({"patient": [STAY]} | named)))


def test_eicu_stay(tmp_path: Path):
    loaded = eicu(tmp_path)
    assert (loaded.people["5"].sex, loaded.people["5"].age) == ("Female", "> 89")
    unit, hospital = kinds(loaded, "encounter", "5")
    assert (unit.setting, unit.time, unit.end) == ("ICU", UNIT, UNIT.replace(day=3))
    assert (hospital.setting, hospital.time) == ("IMP", datetime(2020, 5, 31, 14, tzinfo=UTC))
    assert kinds(loaded, "condition", "5")[0].text.startswith("Sepsis")
    assert [entry.value for entry in kinds(loaded, "observation", "5")] == [160]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (("magnesium", "1.4", "1.40", "mg/dL", "meq/L"), (1.4, "", "meq/L", "")),
        (("magnesium", "1.4", "1.40", "mg/dL", ""), (1.4, "", "mg/dL", "")),
        (("magnesium", "1.4", "1.40", "mg/dL", "furlong"), (1.4, "", "mg/dL", "")),
        (("ionized calcium", "4.6092", "1.15", "mg/dL", "mmol/L"), (1.15, "", "mmol/L", "")),
        (("glucose", "", ">800", "mg/dL", "mg/dL"), (800, ">", "mg/dL", "")),
        (("glucose", "NaN", "hemolyzed", "mg/dL", "mg/dL"), (None, "", "mg/dL", "hemolyzed")),
        (("nothing known", "3", "3", "x", "y"), (3, "", "x", "")),
    ],
)
def test_eicu_results(tmp_path: Path, cells: tuple[str, ...], expected: tuple[object, ...]):
    columns = ("labname", "labresult", "labresulttext", "labmeasurenamesystem", "labmeasurenameinterface")
    row = dict(zip(columns, cells, strict=True)) | {"labresultoffset": -30}
    entry = kinds(eicu(tmp_path, lab=[row]), "observation", "5")[1]
    assert (entry.value, entry.comparator, entry.unit, entry.words) == expected
    assert entry.time == datetime(2020, 5, 31, 23, 30, tzinfo=UTC)


def test_eicu_drugs(tmp_path: Path):
    order = {"drugname": "MILK OF MAGNESIA", "drugordercancelled": "No", "drugstartoffset": 0, "drugstopoffset": 1440,
             "dosage": "2,400 MG", "frequency": "BID", "routeadmin": "PO"}  # fmt: skip
    loaded = eicu(
        tmp_path,
        medication=[order, order | {"drugordercancelled": "Yes"}, order | {"drugname": ""},
                    order | {"drugstartoffset": 60, "drugstopoffset": 0}],
        infusiondrug=[{"drugname": "Magnesium (ml/hr)", "drugrate": "10", "infusionoffset": 5},
                      {"drugname": "Heparin (Unknown)", "drugrate": "ERROR", "infusionoffset": 5},
                      {"drugname": "Heparin", "drugrate": "0", "infusionoffset": 5}],
        admissiondrug=[{"drugname": "LASIX"}],
    )  # fmt: skip
    timed, open_end, infusion, home = kinds(loaded, "drug", "5")
    assert (timed.dose_text, timed.route, timed.end) == ("2400 MG BID", "PO", UNIT.replace(day=2))
    assert (open_end.end, open_end.status) == (None, "")
    assert (infusion.text, infusion.single) == ("Magnesium", True)
    assert (home.text, home.time, home.status) == ("LASIX", None, "active")


def test_eicu_diagnoses_history_allergies_treatments(tmp_path: Path):
    past = "notes/Progress Notes/Past History/Organ Systems/Renal  (R)/Renal Failure/renal failure - hemodialysis"
    loaded = eicu(
        tmp_path,
        diagnosis=[{"diagnosisstring": "renal|electrolyte imbalance|hypokalemia|severe", "diagnosisoffset": 10,
                    "icd9code": "276.8, E87.6"}],
        pasthistory=[{"pasthistorypath": past, "pasthistoryvalue": "renal failure - hemodialysis"},
                     {"pasthistorypath": "notes/Obtain Options/Performed", "pasthistoryvalue": "Performed"}],
        allergy=[{"allergyname": "ASPIRIN", "drugname": ""}],
        treatment=[{"treatmentstring": "renal|dialysis|CVVH", "treatmentoffset": 30}],
    )  # fmt: skip
    _, diagnosis, history = kinds(loaded, "condition", "5")
    assert (diagnosis.text, diagnosis.codes) == ("hypokalemia, severe", (("icd9", "276.8"), ("icd10", "E87.6")))
    assert (history.text, history.time) == ("Renal Failure. renal failure - hemodialysis", None)
    assert [entry.text for entry in kinds(loaded, "allergy", "5")] == ["ASPIRIN"]
    assert [entry.text for entry in kinds(loaded, "procedure", "5")] == ["CVVH"]


def test_eicu_intake_and_output(tmp_path: Path):
    def cell(path: str, label: str, minutes: int, value: object) -> dict[str, object]:
        return {"cellpath": f"flowsheet|Flowsheet Cell Labels|I&O|{path}|{label}", "celllabel": label,
                "cellvaluenumeric": value, "intakeoutputoffset": minutes}  # fmt: skip

    output = "Output (ml)"
    rows = [
        cell(output, "Urine", 60, 500), cell(output, "Urine", 600, 300), cell(output, "Urine", 1300, 200),
        cell("Weight", "Bodyweight (kg)", 60, 70), cell("Weight", "Bodyweight (lb)", 60, 154),
        cell("Intake (ml)", "Oral Intake", 60, 900),
    ]  # fmt: skip
    _, weight, urine = kinds(eicu(tmp_path, intakeoutput=rows), "observation", "5")
    assert (weight.text, weight.value) == ("body weight", 70)
    assert (urine.value, urine.unit, urine.time) == (1000, "mL/d", UNIT.replace(day=2))


def test_a_stay_is_understood(tmp_path: Path):
    row = {"labid": 1, "patientunitstayid": 5, "labname": "potassium", "labresult": 2.9, "labresulttext": "2.9",
           "labmeasurenamesystem": "mmol/L", "labmeasurenameinterface": "mmol/L", "labresultoffset": 60}  # fmt: skip
    reading = read_record(folder(tmp_path, patient=[STAY], lab=[row]))
    assert reading.timeline.age() == 89
    assert "serum_potassium" in {one.quantity for one in reading.timeline.observations}
