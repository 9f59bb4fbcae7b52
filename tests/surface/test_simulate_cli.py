"""`carnallite simulate`: what is printed, what is written, and what is refused."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from xml.etree import ElementTree

import duckdb
import pytest

from carnallite.errors import CarnalliteError
from carnallite.physiology import parse
from carnallite.physiology import simulate as simulated
from carnallite.physiology.population import Progress
from carnallite.surfaces import progress
from carnallite.surfaces import simulate as surface
from carnallite.surfaces.cli import main
from carnallite.surfaces.trajectory import figure

EXAMPLES = sorted((Path(__file__).parents[2] / "examples" / "scenarios").glob("*.toml"))
SHORT = """
title = "Potassium by mouth"
about = "Two days."
length = "2 d"
clock = "06:00"

[person]
sex = "female"
age = 62
weight = "60 kg"

[[drug]]
id = "loop_diuretic"
from = "12 h"

[[dose]]
what = "KCl"
amount = "20 mmol"
route = "oral"
daily = ["08:00", "20:00"]
"""


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    path = tmp_path / "short.toml"
    path.write_text(SHORT, "utf-8")
    return path


def simulate(*arguments: object) -> int:
    return main(["simulate", *map(str, arguments)])


def test_one_person_is_told(scenario: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert simulate(scenario) == 0
    out, err = capsys.readouterr()
    assert not err
    lines = out.splitlines()
    assert lines[0] == "Potassium by mouth"
    assert "Woman of 62, 60 kg, filtration" in out
    assert "Drug: Loop diuretic: from day 0 18:00" in out
    assert "Given: KCl, 20 mmol by mouth: 4 times, first day 0 08:00, last day 1 20:00" in out
    assert "Rests on disputed effects: Loop diuretic." in out
    assert "CONTESTED" in out
    assert "Mass balance: error at most" in out
    table = [line for line in lines if line[4:5].isdigit() and line[6:7] == ":"]
    assert 5 <= len(table) <= 15
    assert table[0].startswith("  0 06:00")
    assert table[-1].startswith("  2 06:00")
    assert max(map(len, lines)) <= 100


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_run(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert simulate(path) == 0
    out = capsys.readouterr().out
    assert "no whole course" not in out
    assert "could not be computed" not in out


def test_american_units(scenario: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert simulate(scenario, "--units", "us") == 0
    out = capsys.readouterr().out
    assert "mg/dL" in out
    assert "2.07" in out  # 0.85 mmol/L


@pytest.mark.parametrize("columns", [40, 60, 80, 100, 200])
def test_narrow_terminals(
    scenario: Path, columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    assert simulate(scenario) == 0
    assert simulate(scenario, "--people", 2) == 0
    out = capsys.readouterr().out
    # a block of five measures is never cut
    assert max(len(line) for line in out.splitlines()) <= max(columns, 47)
    assert "Mg" in out


def test_files(scenario: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table, parquet, figure = (tmp_path / "new" / name for name in ("a.csv", "a.parquet", "a.svg"))
    outputs = "magnesium.plasma,serum_aldosterone,urine_potassium_24h"
    asked = (scenario, "--csv", table, "--parquet", parquet, "--plot", figure, "--outputs", outputs)
    assert simulate(*asked) == 0
    err = capsys.readouterr().err
    assert all(str(path) in err for path in (table, parquet, figure))
    with table.open(encoding="utf-8", newline="") as lines:
        head, first, *rest = csv.reader(lines)
    assert head == ["time [h]", "magnesium.plasma [mmol/L]", "serum_aldosterone [pmol/L]",
                    "urine_potassium_24h [mmol/d]"]  # fmt: skip
    assert [float(first[0]), float(first[1]), first[3]] == [0, 0.85, ""]
    assert len(rest) == 48
    found = duckdb.sql(f"SELECT count(*), max(time_h) FROM '{parquet}'").fetchall()  # noqa: S608
    assert found == [(49, 48.0)]
    drawn = ElementTree.parse(figure).getroot()  # noqa: S314  (our own file)
    texts = [element.text or "" for element in drawn.iter()]
    assert "Potassium by mouth" in texts
    assert "Magnesium" in texts
    assert "KCl" in texts
    assert any("Magnesium, serum or plasma: from 0.85" in text for text in texts)
    assert simulate(*asked) == 2
    assert "--force" in capsys.readouterr().err
    assert simulate(*asked, "--force") == 0


def test_a_figure_without_a_name_takes_that_of_the_scenario(
    scenario: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert simulate(scenario, "--plot") == 0
    assert (tmp_path / "here" / "short.svg").exists()


def test_json(scenario: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert simulate(scenario, "--json", "--outputs", "magnesium.plasma,urine_magnesium_24h") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["schema"] == "carnallite.trajectory/1"
    assert found["outputs"]["magnesium.plasma"]["unit"] == "mmol/L"
    assert len(found["outputs"]["magnesium.plasma"]["values"]) == len(found["time_h"]) == 49
    assert found["outputs"]["urine_magnesium_24h"]["values"][0] is None
    assert max(found["balance_error"].values()) < 1e-9


def test_people(scenario: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, figure = tmp_path / "people", tmp_path / "people.svg"
    asked = (scenario, "--people", 20, "--seed", 3, "--parquet", folder)
    assert simulate(*asked, "--plot", figure) == 0
    out, err = capsys.readouterr()
    assert "20 people drawn with seed 3" in out
    assert "mean" in out
    assert str(folder) in err
    assert "90 % of people" in figure.read_text("utf-8")
    assert simulate(*asked, "--json") == 0  # goes on where it was: nothing to do
    summary = json.loads(capsys.readouterr().out)
    assert summary["count"] == 20
    assert summary["outputs"]["serum_magnesium"]["p50"][0] == pytest.approx(0.85, abs=0.05)
    assert simulate(scenario, "--people", 20, "--seed", 4, "--parquet", folder) == 4
    assert "another population" in capsys.readouterr().err
    assert simulate(scenario, "--people", 20, "--seed", 4, "--parquet", folder, "--force") == 0
    assert simulate(scenario, "--people", 20, "--csv", tmp_path / "a.csv") == 2
    assert "--parquet" in capsys.readouterr().err


def test_a_run_that_is_stopped_says_how_to_go_on(
    scenario: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(self: object, done: Progress) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(progress.Teller, "tell", stop)
    assert simulate(scenario, "--people", 5, "--parquet", tmp_path / "people") == 130
    assert "goes on from there" in capsys.readouterr().err


def test_progress_is_told_after_two_seconds(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = iter([0.0, 1.0, 2.5, 2.6, 4.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(now))
    teller = progress.Teller()
    for done in (10, 25, 26, 40):
        teller.tell(Progress(done, 40, 0))
    teller.end()
    assert capsys.readouterr().err.splitlines() == [
        "25 of 40 people, 10/s, 2 s left",
        "40 of 40 people, 10/s, 0 s left",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("length = 30 d", "bad.toml, line 2: this is not TOML: expected newline or end of document after a statement."),
        ('[[drug]]\nid = "pppi"', "bad.toml, line 3: `id`: there is no drug 'pppi'. Did you mean 'ppi'?"),
        ('outputs = ["magnesium.plasm"]', "bad.toml, line 2: `outputs`: output 'magnesium.plasm' is nothing that"),
    ],
)
def test_a_mistake_is_one_line(tmp_path: Path, text: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(f'title = "a"\n{text}\n', "utf-8")
    assert simulate(path) == 2
    out, err = capsys.readouterr()
    assert not out
    assert err.startswith(f"carnallite: {said}")
    assert err.count("\n") == 1


def test_mistakes_on_the_command_line(scenario: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert simulate(tmp_path / "none.toml") == 2
    assert "there is no such file" in capsys.readouterr().err
    assert simulate(scenario, "--outputs", "serum_magnesum") == 2
    assert "Did you mean 'serum_magnesium'?" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        simulate(scenario, "--people", "many")


def test_without_a_compiled_kernel_it_says_so(scenario: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert simulate(scenario, "--engine", "python") == 0
    assert "Simulated by SciPy" in capsys.readouterr().out


def test_a_figure_of_several_has_bands_and_says_who_is_lost() -> None:
    given = parse('title = "a"\nlength = "2 d"\n[own]\n"normal.magnesium_in_urine" = "10 mmol/d"\n')
    drawn = figure(simulated(given, count=40, seed=1), title="Drawn <people>")
    texts = [element.text or "" for element in ElementTree.fromstring(drawn).iter()]  # noqa: S314  (our own text)
    assert "Drawn <people>" in texts
    assert "median at the end" in texts
    assert any("have no whole course" in text for text in texts)
    assert figure(simulated(given.__class__(title="a"), outputs=("magnesium.plasma",))).count("<polyline") == 1


def test_errors_are_ours() -> None:
    assert issubclass(surface.ScenarioError, CarnalliteError)
