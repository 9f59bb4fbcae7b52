"""Many people: reproducible, in parts, resumable, and what is lost is counted."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import numpy as np
import pytest

from carnallite.errors import UnknownIdError
from carnallite.physiology import population
from carnallite.physiology.population import PopulationMismatch, Progress, stream, summary
from carnallite.physiology.scenario import Scenario, parse
from carnallite.physiology.simulate import simulate

SCENARIO = parse(
    'title = "a"\nlength = "3 d"\n[person]\nweight = { mean = "70 kg", sd = "10 kg", low = "45 kg" }\n'
    '[[drug]]\nid = "thiazide"\nshare = 0.5\nfrom = "1 d"\n[sampling]\nevery = "1 d"\n'
)
OUTPUTS = ("serum_magnesium", "potassium.plasma", "urine_magnesium_24h")
LOST = parse(
    'title = "a"\nlength = "1 d"\n[own]\n"normal.magnesium_in_urine" = "10 mmol/d"\n[sampling]\nevery = "1 d"\n'
)


def rows(path: Path) -> list[tuple[float, ...]]:
    return duckdb.sql(f"SELECT * FROM '{path}/part-*.parquet' ORDER BY person, time_h").fetchall()  # noqa: S608


def test_the_size_of_the_parts_does_not_matter(tmp_path: Path) -> None:
    for chunk in (3, 7, 20):
        stream(SCENARIO, 20, 5, tmp_path / str(chunk), outputs=OUTPUTS, chunk=chunk)
    assert rows(tmp_path / "3") == rows(tmp_path / "7") == rows(tmp_path / "20")
    assert len(rows(tmp_path / "3")) == 20 * 4


def test_what_is_written_is_what_was_simulated(tmp_path: Path) -> None:
    stream(SCENARIO, 5, 5, tmp_path, outputs=("potassium.plasma",))
    direct = simulate(SCENARIO, count=5, seed=5, outputs=("potassium.plasma",))
    written = np.array([row[-1] for row in rows(tmp_path)])
    assert (written == direct["potassium.plasma"].ravel().astype(np.float32)).all()


def test_a_broken_run_goes_on(tmp_path: Path) -> None:
    told: list[Progress] = []

    def stop(progress: Progress) -> None:
        told.append(progress)
        if progress.done == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stream(SCENARIO, 20, 5, tmp_path / "a", outputs=OUTPUTS, chunk=4, report=stop)
    (tmp_path / "a" / "part-00002.tmp").write_text("half a file")
    before = {part: part.stat().st_mtime_ns for part in (tmp_path / "a").glob("part-*.parquet")}
    assert len(before) == 2
    stream(SCENARIO, 20, 5, tmp_path / "a", outputs=OUTPUTS, chunk=4, report=told.append)
    assert told[-1] == Progress(20, 20, 8)
    assert all(part.stat().st_mtime_ns == at for part, at in before.items())
    assert not list((tmp_path / "a").glob("*.tmp"))
    stream(SCENARIO, 20, 5, tmp_path / "b", outputs=OUTPUTS, chunk=4)
    assert rows(tmp_path / "a") == rows(tmp_path / "b")


def test_another_population_is_not_mixed_in(tmp_path: Path) -> None:
    stream(SCENARIO, 4, 5, tmp_path, outputs=OUTPUTS)
    for scenario, count, seed in ((SCENARIO, 4, 6), (SCENARIO, 5, 5), (Scenario(title="b", length="3 d"), 4, 5)):
        with pytest.raises(PopulationMismatch, match="another population"):
            stream(scenario, count, seed, tmp_path, outputs=OUTPUTS)
    manifest = tmp_path / population.MANIFEST
    assert json.loads(manifest.read_text())["seed"] == 5
    manifest.write_text("{}")
    with pytest.raises(PopulationMismatch, match="another population"):
        stream(SCENARIO, 4, 5, tmp_path, outputs=OUTPUTS)
    manifest.unlink()
    with pytest.raises(PopulationMismatch, match="without a manifest"):
        stream(SCENARIO, 4, 5, tmp_path, outputs=OUTPUTS)


def test_the_summary_is_that_of_the_people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stream(SCENARIO, 30, 5, tmp_path, outputs=OUTPUTS)
    whole = summary(tmp_path)
    monkeypatch.setattr(population, "AT_ONCE", 30)  # one time at once
    found = summary(tmp_path)
    values = simulate(SCENARIO, count=30, seed=5, outputs=("potassium.plasma",))["potassium.plasma"]
    assert found.time.tolist() == [0, 24, 48, 72]
    shown = found.columns["potassium.plasma"]
    assert shown[0] == pytest.approx(values.mean(axis=0))
    assert shown[1] == pytest.approx(values.std(axis=0, ddof=1), rel=1e-4)
    assert shown[2:] == pytest.approx(np.quantile(values, (0.05, 0.25, 0.5, 0.75, 0.95), axis=0))
    assert np.isnan(found.columns["urine_magnesium_24h"][:, 0]).all()
    assert np.isfinite(found.columns["urine_magnesium_24h"][:, 1:]).all()
    for name in OUTPUTS:
        assert np.array_equal(whole.columns[name], found.columns[name], equal_nan=True)


def test_who_has_no_whole_course_is_counted_and_left_out(tmp_path: Path) -> None:
    stream(LOST, 40, 1, tmp_path, outputs=("magnesium.plasma",))
    found = summary(tmp_path)
    assert 0 < found.failed < 40
    assert np.isfinite(found.columns["magnesium.plasma"]).all()
    assert len({row[0] for row in rows(tmp_path)}) == 40


def test_who_was_held_at_a_limit_is_counted(tmp_path: Path) -> None:
    young = parse('title = "a"\nlength = "1 d"\n[person]\nage = { mean = "20 a", sd = "5 a" }\n')
    stream(young, 40, 1, tmp_path, outputs=("magnesium.plasma",))
    assert 5 < summary(tmp_path).held < 30


def test_an_unknown_output_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(UnknownIdError, match=r"serum_magnesium"):
        stream(SCENARIO, 4, 5, tmp_path / "new", outputs=("serum_magnesum",))
    assert not (tmp_path / "new").exists()
