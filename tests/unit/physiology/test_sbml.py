"""The SBML export: libSBML finds nothing wrong, and libRoadRunner moves the body as our own right-hand side does."""

from __future__ import annotations

import re
import sys
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from carnallite.errors import ExtraMissing, UnknownIdError
from carnallite.physiology.body import healthy
from carnallite.physiology.generate import python
from carnallite.physiology.generate.sbml import sbml
from carnallite.physiology.load import model
from carnallite.surfaces.cli import main

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from carnallite.physiology.generate.sbml import Change

    Numbers = NDArray[np.float64]

MONTH = 30 * 24.0
STEP = 6.0
KCL, MG = "treatment.intravenous_potassium", "treatment.intravenous_magnesium"
DRIP: list[Change] = [
    (0, {KCL: 10}, {}),
    (8, {KCL: 0}, {}),
    (24, {KCL: 10, MG: 4}, {}),
    (30, {KCL: 0, MG: 0}, {}),
    (50, {}, {"magnesium.depot": 8, "potassium.insulin": 1}),
]
PEOPLE: dict[str, tuple[dict[str, float], list[Change]]] = {
    "healthy": ({}, []),
    "severe acid suppression": ({"gut.transporter_target": 0, "gut.paracellular": 0.4}, []),
    "Gitelman": ({"kidney.ncc": 0.02}, []),
    "kidney disease": ({"kidney.nephrons": 0.08}, []),
    "infusions": ({}, DRIP),
}


@pytest.fixture(scope="module")
def libsbml() -> Any:
    return pytest.importorskip("libsbml")


def person(own: Mapping[str, float]) -> tuple[Numbers, Numbers]:
    """Return a healthy person's constants, some of them changed, and states."""
    people = healthy()
    constants = people.constants[:, 0].copy()
    for name, value in own.items():
        constants[model().constants.index(name)] = value
    return constants, people.states[:, 0]


def findings(libsbml: Any, text: str) -> list[str]:
    document = libsbml.readSBMLFromString(text)
    document.checkInternalConsistency()
    document.checkConsistency()
    return [document.getError(i).getMessage() for i in range(document.getNumErrors())]


@pytest.mark.parametrize("changes", [[], DRIP], ids=["plain", "events"])
def test_libsbml_finds_neither_error_nor_warning(libsbml: Any, changes: list[Change]) -> None:
    assert findings(libsbml, sbml(model(), *person({}), changes=changes)) == []


def test_the_check_of_units_is_alive(libsbml: Any) -> None:
    text = sbml(model(), *person({}))
    spoilt = re.sub(r'(id="normal__gfr"[^>]*units=")L_per_h', r"\1mmol_per_L", text)
    assert spoilt != text
    assert any("units" in said for said in findings(libsbml, spoilt))


def test_every_item_stands_in_it_with_unit_meaning_and_source(libsbml: Any) -> None:
    document = libsbml.readSBMLFromString(sbml(model(), *person({})))
    body = document.getModel()
    for item in (*model().parameters, *model().solved, *model().states, *model().equations):
        element = body.getElementBySId(python.identifier(item.name))
        assert element.getName() == item.name
        assert element.getAnnotationString().count("source=") == 1
        assert item.status in element.getNotesString()
    assert body.getNumReactions() == sum(flux.origin != "" and flux.unit == "mmol/h" for flux in model().equations)


def test_same_body_same_bytes(libsbml: Any) -> None:
    del libsbml
    assert sbml(model(), *person({}), changes=DRIP) == sbml(model(), *person({}), changes=DRIP)


def test_changes_of_one_hour_are_one_event(libsbml: Any) -> None:
    changes: list[Change] = [(3, {KCL: 1}, {"magnesium.depot": 2}), (1, {}, {}), (3, {KCL: 4}, {"magnesium.depot": 5})]
    document = libsbml.readSBMLFromString(sbml(model(), *person({}), changes=changes))
    last = document.getModel().getEvent(document.getModel().getNumEvents() - 1)
    set_to = {a.getVariable(): libsbml.formulaToL3String(a.getMath()) for a in last.getListOfEventAssignments()}
    assert set_to == {python.identifier(KCL): "4 mmol_per_h", "magnesium__depot": "magnesium__depot + 7 mmol"}


def test_a_change_of_nothing_is_refused() -> None:
    with pytest.raises(UnknownIdError, match=re.escape("'kidney.ncc'")):
        sbml(model(), *person({}), changes=[(0, {"kidney.nccc": 1}, {})])
    with pytest.raises(UnknownIdError, match=re.escape("'magnesium.depot'")):
        sbml(model(), *person({}), changes=[(0, {}, {"magnesium.depott": 1})])


def test_without_the_extra_it_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "libsbml", None)
    with pytest.raises(ExtraMissing, match=re.escape("carnallite[sbml]")):
        sbml(model(), *person({}))


def test_command_writes_once(libsbml: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "new" / "body.xml"
    assert main(["export", "sbml", str(file)]) == 0
    assert findings(libsbml, file.read_text("utf-8")) == []
    assert main(["export", "sbml", str(file)]) == 2
    assert "--force" in capsys.readouterr().err
    assert main(["export", "sbml", str(file), "--force"]) == 0


@pytest.mark.parametrize("name", PEOPLE)
def test_libroadrunner_agrees(name: str) -> None:
    roadrunner = pytest.importorskip("roadrunner")
    pytest.importorskip("scipy")
    own, changes = PEOPLE[name]
    constants, start = person(own)
    times = np.arange(0.0, MONTH + 1, STEP)
    ours = course(constants, start, changes, times)
    theirs = simulated(roadrunner, sbml(model(), constants, start, changes=changes), times)
    largest = np.abs(ours).max(axis=0)
    least = 1e-9 * np.array([state.scale for state in model().states])  # for what stays at nought
    allowed = 1e-4 * np.maximum(np.abs(ours), 1e-3 * largest) + least
    assert np.argwhere(np.abs(theirs - ours) > allowed).tolist() == []


def simulated(roadrunner: Any, text: str, times: Numbers) -> Numbers:
    """Return states over time from libRoadRunner."""
    runner = roadrunner.RoadRunner(text)
    settings = {"relative_tolerance": 1e-9, "absolute_tolerance": 1e-11, "maximum_time_step": 12.0}
    for key, value in settings.items():
        runner.getIntegrator().setValue(key, value)
    runner.timeCourseSelections = ["time", *(python.identifier(state.name) for state in model().states)]
    table = np.array(runner.simulate(times=list(times)))
    assert np.allclose(table[:, 0], times)
    return table[:, 1:]


def course(constants: Numbers, start: Numbers, changes: Sequence[Change], times: Numbers) -> Numbers:
    """Return states over time from our right-hand side in SciPy, which starts anew at every change."""
    solve_ivp = pytest.importorskip("scipy.integrate").solve_ivp
    rates = python.compiled(python.rates(model()), "rates", python.NUMBERS)
    tolerance = 1e-12 * np.array([state.scale for state in model().states])
    states, constants = start.copy(), constants.copy()
    shown = np.empty((len(times), len(states)))
    for begin, end in pairwise(sorted({0.0, times[-1], *(hour for hour, _, _ in changes)})):
        for hour, values, amounts in changes:
            if hour == begin:
                apply(constants, states, values, amounts)
        own = constants.tolist()
        run = solve_ivp(
            lambda _, y, p=own: rates(y, p), (begin, end), states,
            method="LSODA", rtol=1e-10, atol=tolerance, max_step=24.0, dense_output=True,
        )  # fmt: skip
        within = (times >= begin) & (times <= end)
        shown[within] = run.sol(times[within]).T
        states = run.y[:, -1].copy()
    return shown


def apply(constants: Numbers, states: Numbers, values: Mapping[str, float], amounts: Mapping[str, float]) -> None:
    names = [state.name for state in model().states]
    for name, value in values.items():
        constants[model().constants.index(name)] = value
    for name, amount in amounts.items():
        states[names.index(name)] += amount
