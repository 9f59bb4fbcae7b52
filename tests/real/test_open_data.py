"""Open data sets are read to the end, whatever stands in them. Skipped where they are not there."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from carnallite.record import read_all, read_record

DATA = Path(__file__).parents[3] / "shared" / "data"
BUNDLES = sorted((DATA / "synthea_r4").glob("synthea*.json.gz"))


@pytest.mark.parametrize("path", BUNDLES or [None], ids=lambda path: path.stem if path else "none")
def test_synthea_bundles(path: Path | None):
    if path is None:
        pytest.skip("the open data are not there")
    ((_, reading),) = read_all(path)
    assert reading.timeline.observations
    assert any(observation.quantity == "body_weight" for observation in reading.timeline.observations)
    assert {issue.code for issue in reading.issues} <= {
        "type_not_used", "not_read", "implausible", "unit_unknown", "duplicate", "result_not_read",
        "unit_missing", "magnesium_dose_unclear", "end_before_start", "conflict",
    }  # fmt: skip


@pytest.mark.skipif(not (DATA / "omop_synthea27nj").is_dir(), reason="the open data are not there")
def test_omop_with_vocabulary(tmp_path: Path):
    with zipfile.ZipFile(DATA / "omop_synthea27nj" / "Synthea27Nj_5.4.zip") as archive:
        archive.extractall(tmp_path, [name for name in archive.namelist() if "MACOSX" not in name])
    readings = dict(read_all(tmp_path))
    assert len(readings) == 28
    quantities = {one.quantity for reading in readings.values() for one in reading.timeline.observations}
    assert {"body_weight", "serum_potassium", "serum_creatinine", "systolic_pressure"} <= quantities
    assert any(reading.timeline.exposures for reading in readings.values())
    assert any(reading.timeline.conditions for reading in readings.values())
    alone = read_record(tmp_path, patient="#3")
    assert alone.timeline.observations == readings["3"].timeline.observations


@pytest.mark.skipif(not (DATA / "eicu_demo").is_dir(), reason="the open data are not there")
def test_eicu_stays():
    readings = dict(read_all(DATA / "eicu_demo"))
    assert len(readings) == 56
    results = [one for reading in readings.values() for one in reading.timeline.observations]
    magnesium = [one for one in results if one.quantity == "serum_magnesium"]
    assert len(magnesium) == 95
    assert [one.low for one in magnesium if one.printed == "1.4 meq/L"] == [0.7]
    calcium = [one for one in results if one.quantity == "ionized_calcium"]
    assert all(one.low is not None and one.low > 0.5 for one in calcium)
    assert {"urine_volume_24h", "blood_glucose", "body_height"} <= {one.quantity for one in results}


@pytest.mark.skipif(not (DATA / "eicu_demo").is_dir(), reason="the open data are not there")
def test_one_stay_is_the_same_alone_and_among_all():
    key, reading = next(iter(read_all(DATA / "eicu_demo")))
    alone = read_record(DATA / "eicu_demo", patient=key)
    assert alone.timeline.observations == reading.timeline.observations
    assert alone.timeline.exposures == reading.timeline.exposures
