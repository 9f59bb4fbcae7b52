"""The PhysioNet 2012 form: a folder of text files, or that packed; each stay as `stay` reads it."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path

import pytest

from carnallite.errors import RecordRefused
from carnallite.record.physionet import Line, stay
from carnallite.record.warehouse import deliveries, form_of, load, readings, take

HEAD = (
    "Time,Parameter,Value\n00:00,RecordID,{key}\n00:00,Age,54\n00:00,Gender,{sex}\n00:00,Height,-1\n00:00,Weight,70\n"
)
ROWS = "00:07,HR,73\n01:10,K,2.9\n01:10,Mg,1.2\n09:00,K,3.3\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    source = tmp_path / "set-x"
    source.mkdir()
    for key, sex in (("100001", 0), ("100002", 1), ("100003", -1)):
        (source / f"{key}.txt").write_text(HEAD.format(key=key, sex=sex) + ROWS)
    (source / "Outcomes-x.txt").write_text("RecordID,SAPS-I\n100001,6\n")
    return source


def everybody(source: Path, into: Path, count: int = 3):
    form = form_of(str(source))
    assert form == "physionet"
    (delivery,) = deliveries(form, str(source))
    taken = take(form, delivery, into, count=count)
    found = {}
    for part in range(count):
        found |= dict(readings(load(form, [into], part)))
    return taken, found


def test_a_stay_has_its_results_in_their_units(folder: Path, tmp_path: Path):
    _, found = everybody(folder, tmp_path / "taken")
    timeline = found["100001"].timeline
    assert timeline.patient.sex == "female"
    assert timeline.patient.age_at_least == 54
    values = {(one.quantity, one.low) for one in timeline.observations}
    assert ("serum_potassium", 2.9) in values
    assert ("body_weight", 70.0) in values
    assert not [one for one in timeline.observations if one.quantity == "body_height"]
    (magnesium,) = [one for one in timeline.observations if one.quantity == "serum_magnesium"]
    assert magnesium.printed == "1.2 mg/dL"
    assert found["100003"].timeline.patient.sex is None


def test_folder_zip_and_tar_give_the_same(folder: Path, tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "set-x.zip", "w") as packed:
        for file in folder.iterdir():
            packed.write(file, f"set-x/{file.name}")
    with tarfile.open(tmp_path / "set-x.tar.gz", "w:gz") as archive:
        archive.add(folder, "set-x")
    _, plain = everybody(folder, tmp_path / "1")
    assert everybody(tmp_path / "set-x.zip", tmp_path / "2")[1] == plain
    assert everybody(tmp_path / "set-x.tar.gz", tmp_path / "3", count=1)[1] == plain


def test_a_bad_line_is_counted_and_a_broken_archive_refused(folder: Path, tmp_path: Path):
    with (folder / "100002.txt").open("a") as file:
        file.write("half a line\n")
    taken, found = everybody(folder, tmp_path / "taken")
    assert taken.unusable["line_not_read"].where == ["100002.txt line 11"]
    assert len(found) == 3
    broken = tmp_path / "set-y.tar.gz"
    broken.write_bytes(b"\x1f\x8b\x08 broken")
    with pytest.raises(RecordRefused):
        everybody(broken, tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_negative_values_stand_for_nothing():
    person, entries = stay([Line(0, "Age", "80"), Line(0, "Gender", "1"), Line(5, "K", "-1"), Line(6, "K", "4.0")])
    assert person.sex == "male"
    assert [entry.value for entry in entries if entry.kind == "observation"] == [4.0]
