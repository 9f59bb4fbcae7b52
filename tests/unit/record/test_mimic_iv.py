"""MIMIC-IV as it is downloaded, by tables of invented people; the reader is that of MIMIC-III."""

from __future__ import annotations

from pathlib import Path

import pytest

from carnallite.record import read_all
from carnallite.surfaces.cli import OK
from screened import answers, screen

HOSP = {
    "patients": (
        "subject_id,gender,anchor_age,anchor_year,anchor_year_group,dod\n7,F,61,2180,2014 - 2016,\n8,M,91,2180,,\n"
    ),
    "admissions": (
        "subject_id,hadm_id,admittime,dischtime,admission_type\n7,70,2180-03-01 08:00:00,2180-03-09 12:00:00,URGENT\n"
    ),
    "d_labitems": "itemid,label,fluid,category\n50960,Magnesium,Blood,Chemistry\n50971,Potassium,Blood,Chemistry\n",
    "labevents": (
        "labevent_id,subject_id,hadm_id,itemid,charttime,value,valuenum,valueuom,ref_range_lower,ref_range_upper,"
        "comments\n"
        "1,7,70,50960,2180-03-02 06:00:00,1.1,1.1,mg/dL,1.6,2.6,\n"
        "2,7,70,50971,2180-03-02 06:00:00,2.8,2.8,mEq/L,3.3,5.1,HEMOLYSIS FALSELY ELEVATES THIS RESULT.\n"
        "3,8,,50971,2180-05-02 06:00:00,4.1,4.1,mEq/L,3.3,5.1,\n"
    ),
    "prescriptions": (
        "subject_id,hadm_id,starttime,stoptime,drug,prod_strength,ndc,dose_val_rx,dose_unit_rx,route\n"
        "7,70,2180-03-01 10:00:00,2180-03-02 00:00:00,Furosemide,40mg Tablet,0,40,mg,PO\n"
        "7,70,2180-03-01 10:00:00,2180-03-08 10:00:00,Omeprazole,20mg Cap,0,20,mg,PO\n"
    ),
    "d_icd_diagnoses": (
        "icd_code,icd_version,long_title\nE8342,10,Hypomagnesemia\n2752,9,Disorders of magnesium metabolism\n"
    ),
    "diagnoses_icd": "subject_id,hadm_id,seq_num,icd_code,icd_version\n7,70,1,E8342,10\n",
}
ICU = {
    "d_items": "itemid,label,abbreviation\n222011,Magnesium Sulfate,Mag Sulf\n",
    "inputevents": (
        "subject_id,starttime,endtime,itemid,amount,amountuom,ordercategoryname,statusdescription\n"
        "7,2180-03-02 07:00:00,2180-03-02 09:00:00,222011,2,grams,04-Fluids (Colloids),FinishedRunning\n"
        "7,2180-03-02 07:00:00,2180-03-02 09:00:00,222011,9,grams,04-Fluids (Colloids),Rewritten\n"
    ),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, tables in (("hosp", HOSP), ("icu", ICU)):
        (tmp_path / "iv" / name).mkdir(parents=True)
        for table, text in tables.items():
            (tmp_path / "iv" / name / f"{table}.csv").write_text(text)
    return tmp_path / "iv"


def test_results_drugs_and_diagnoses_are_read(folder: Path):
    read = dict(read_all(folder))
    timeline = read["7"].timeline
    values = {one.quantity: one for one in timeline.observations}
    assert values["serum_magnesium"].printed == "1.1 mg/dL"
    assert values["serum_potassium"].low == 2.8
    assert values["serum_potassium"].reference_low == 3.3
    assert "hemolysed" in values["serum_potassium"].remarks
    assert timeline.patient.birth.year == 2119
    furosemide = next(one for one in timeline.exposures if one.ingredient == "furosemide")
    assert furosemide.stop.isoformat() == "2180-03-02T00:00:00+00:00"
    given = [one for one in timeline.exposures if one.ingredient == "magnesium_sulfate"]
    assert [one.elemental_mmol for one in given] == [pytest.approx(8.11, abs=0.01)]
    assert any(one.condition == "hypomagnesemia_diagnosis" for one in timeline.conditions)
    assert read["8"].timeline.patient.age_at_least == 89


def test_they_are_screened(folder: Path, tmp_path: Path):
    assert screen(folder, tmp_path / "out", "--depth", "findings", "--now", "2180-03-02T08:00") == OK
    found = answers(tmp_path / "out")
    assert found["7", "now"]["magnesium"] == "low"
    assert found["7", "now"]["potassium"] == "low"
