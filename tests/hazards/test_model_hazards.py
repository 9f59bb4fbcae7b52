"""One test, at least, for every hazard of area "model"; its name begins with the hazard's id."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest

from carnallite.assessment import Examined, examine, onward
from carnallite.assessment import individual as asked
from carnallite.errors import CarnalliteError, DataFileError
from carnallite.physiology import engine, load
from carnallite.physiology.generate import Status
from carnallite.physiology.load import FOLDER, model
from carnallite.physiology.simulate import SimulationFailed
from carnallite.plan import advise, forecast
from carnallite.quantity import analytes
from carnallite.surfaces import words
from carnallite.surfaces.outlook import figure
from carnallite.surfaces.plans import TOLD
from carnallite.surfaces.terminal import render
from records import condition, drug, observation, patient, read

if TYPE_CHECKING:
    from collections.abc import Callable

    from carnallite.assessment import Fit
    from carnallite.plan import Advice
    from carnallite.record import Reading

needs_kernel = pytest.mark.skipif(engine.kernel() is None, reason="no compiled kernel")
INJECTED = 50
LOW = (
    observation("2601-3", 0.45, "mmol/L"), observation("2823-3", 3.0, "mmol/L"), observation("14682-9", 80, "umol/L"),
    drug("omeprazole", effectivePeriod={"start": "2019-01-01"}), condition("torsades de pointes"),
)  # fmt: skip


@pytest.fixture(scope="module")
def reading() -> Reading:
    return read(*LOW)


@pytest.fixture(scope="module")
def examined(reading: Reading) -> Examined:
    return examine(reading)


@pytest.fixture(scope="module")
def answer(reading: Reading) -> Advice:
    return advise(reading)


# H46 over-confident forecasts -----------------------------------------------------------------------------------------
@needs_kernel
def test_h46_every_level_that_is_foretold_has_a_band(answer: Advice, reading: Reading) -> None:
    assert answer.forecast is not None
    assert len(answer.forecast.outlooks) > 1
    tests = set(analytes())
    for one in answer.forecast.outlooks:
        for course in one.courses:
            rows = np.array([course.low90, course.low50, course.middle, course.high50, course.high90])
            assert (np.diff(rows, axis=0) >= 0).all()
            if course.quantity in tests:  # a laboratory is never exact
                assert (rows[-1] > rows[0]).all()
    text = render(answer, units="si", width=100, color=False).replace(words.JOIN, " ")
    told = text[text.index("WHAT EACH PLAN BRINGS") :]
    levels = re.findall(r"day \d+ [\d.]+ (\([\d.]+ to [\d.]+\))?", re.sub(r"\s+", " ", told))
    assert len(levels) == 2 * (len(TOLD) + 1) * len(answer.forecast.outlooks)
    assert all(levels)
    drawn = figure(answer, reading.timeline, units="si")
    panels = 2 * len(answer.forecast.outlooks)
    assert drawn.count("<polygon") + drawn.count("fill-opacity") >= panels


@needs_kernel
def test_h46_nothing_is_foretold_of_who_is_not_described(monkeypatch: pytest.MonkeyPatch, reading: Reading) -> None:
    monkeypatch.setattr(asked, "holds", lambda *_: False)
    monkeypatch.setattr("carnallite.assessment.cloud.words.holds", lambda *_: False)
    told = advise(reading).forecast
    assert told is not None
    assert told.why_not
    assert not told.outlooks


# H47 failures of the solver -------------------------------------------------------------------------------------------
@needs_kernel
@pytest.mark.parametrize("seed", range(INJECTED))
def test_h47_a_failed_course_is_never_a_number(seed: int, examined: Examined, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = np.random.default_rng(seed)
    share = chance.choice([0.02, 0.2, 0.45, 0.55, 1.0])

    def broken(fit: Fit, *given: Any, **how: Any) -> Any:
        course = onward(fit, *given, **how)
        values, status = course.values.copy(), course.status.copy()
        lost = chance.permutation(len(values))[: round(share * len(values))]
        first = int(chance.integers(1, len(course.time)))
        values[lost, first:] = np.nan
        status[lost] = chance.choice([Status.OUT_OF_RANGE, Status.TOO_MANY_STEPS, Status.NOT_FINITE], len(lost))
        return (
            msgspec.structs.replace(course)
            if False
            else type(course)(course.time, course.outputs, values, status, course.engine, course.notes)
        )

    monkeypatch.setattr("carnallite.plan.forecast.onward", broken)
    fit = examined.fit
    assert fit is not None
    index = examined.assessment.index
    told = forecast.forecast(fit, [forecast.as_now(fit)], examined.columns.people[0], index, days=3)
    if share > 0.5:
        assert not told.outlooks
        assert told.why_not
        return
    (one,) = told.outlooks
    assert one.ended == pytest.approx(share, abs=0.02)
    shown = msgspec.to_builtins(told)
    numbers = [number for course in shown["outlooks"][0]["courses"] for row in course.values()
               if isinstance(row, (list, tuple)) for number in row]  # fmt: skip
    assert numbers
    assert np.isfinite(numbers).all()


FAILURES: dict[str, Callable[[], Exception]] = {
    "solver": lambda: SimulationFailed("kernel", "is not compiled.", "Install a C compiler."),
    "number": lambda: FloatingPointError("overflow"),
    "empty": lambda: IndexError("no member"),
    "value": lambda: ValueError("NaN"),
    "ours": lambda: CarnalliteError("body", "is wrong.", "Report it."),
}


@needs_kernel
@pytest.mark.parametrize("what", FAILURES)
@pytest.mark.parametrize("place", ["judge", "fitted", "reasons", "forecast"])
def test_h47_rules_stand_when_the_simulation_fails(
    what: str, place: str, reading: Reading, answer: Advice, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise FAILURES[what]()

    room = "carnallite.plan.advise" if place == "forecast" else "carnallite.assessment.individual"
    monkeypatch.setattr(sys.modules[room], place, fails)
    told = advise(reading)
    assert [one.id for one in told.emergencies] == [one.id for one in answer.emergencies] != []
    assert [one.id for one in told.unsafe] == [one.id for one in answer.unsafe]
    assert told.plans
    assert told.forecast is None or (told.forecast.why_not and not told.forecast.outlooks)
    if place != "forecast":
        assert "not_simulated" in {one.code for one in told.issues}


# H48 wrong equations -------------------------------------------------------------------------------------------------
def volumes() -> list[tuple[str, int]]:
    """Return where the model has a parameter of flow: its file and line."""
    found = []
    for path in sorted(FOLDER.glob("*.toml")):
        for number, line in enumerate(path.read_text("utf-8").splitlines()):
            if 'unit = "L/h"' in line and "value = " in line:
                found.append((path.name, number))
    return found


@pytest.mark.parametrize(("file", "number"), volumes())
def test_h48_a_wrong_unit_is_refused_by_the_model(file: str, number: int, tmp_path: Path) -> None:
    """A flow that claims to be a volume: somewhere something is added that cannot be."""
    folder = tmp_path / "model"
    shutil.copytree(FOLDER, folder)
    lines = (folder / file).read_text("utf-8").splitlines()
    lines[number] = lines[number].replace('unit = "L/h"', 'unit = "L"')
    (folder / file).write_text("\n".join(lines) + "\n", "utf-8")
    with pytest.raises(DataFileError):
        load.read(folder)


# H49 answers that change ----------------------------------------------------------------------------------------------
@needs_kernel
def test_h49_every_answer_names_what_made_it_and_comes_again(reading: Reading, answer: Advice) -> None:
    made = answer.provenance
    assert made.model == model().hash
    assert re.match(r"[0-9a-f]{12} ", made.knowledge)
    assert made.record.startswith("sha256:")
    again = advise(reading)
    assert msgspec.json.encode(again) == msgspec.json.encode(answer)


# H50 unequal answers --------------------------------------------------------------------------------------------------
def test_h50_filtration_knows_no_race_and_both_sexes() -> None:
    values = {}
    for sex in ("female", "male"):
        timeline = read(observation("14682-9", 90, "umol/L"), who=patient(gender=sex)).timeline
        (values[sex],) = [one.low for one in timeline.observations if one.quantity == "egfr"]
    assert values["male"] > values["female"]
    source = Path(asked.__file__).parents[1] / "record" / "derive.py"
    assert not re.search(r"race|ethnic|black", source.read_text("utf-8"), re.IGNORECASE)


@needs_kernel
@pytest.mark.parametrize("age", [25, 50, 85])
@pytest.mark.parametrize("sex", ["female", "male"])
def test_h50_everybody_gets_an_answer_of_the_same_kind(sex: str, age: int) -> None:
    birth = f"{2020 - age}-05-05"
    told = advise(read(*LOW[:4], who=patient(gender=sex, birthDate=birth)))
    assert told.fit is not None
    assert told.plans
    assert told.forecast is not None
