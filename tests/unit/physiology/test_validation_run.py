"""What is simulated for the targets, checked by hand: readouts, kinetics, balance, plans and events."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest

from carnallite.errors import DataFileError, UnknownIdError
from carnallite.physiology.protocol import protocol
from carnallite.physiology.scenario import Scenario, parse
from carnallite.physiology.simulate import Trajectories, simulate
from carnallite.physiology.validation import (
    PUBLISHED,
    Observation,
    Population,
    Protocol,
    Simulated,
    Target,
    TargetFile,
    published,
    read_targets,
    score,
    simulate_targets,
    simulations,
)
from carnallite.physiology.validation.events import planned, share_of
from carnallite.physiology.validation.kinetics import (
    Compartments,
    Infusion,
    compartments,
    concentrations,
    saturable,
    tracer,
)
from carnallite.physiology.validation.measure import Course, evaluate, taken, times
from carnallite.physiology.validation.plan import Readout, merged, plans
from carnallite.physiology.validation.run import imbalance
from carnallite.surfaces.cli import main

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def everything() -> Any:
    return simulations(published())


def seen(values: list[float], at: list[float], output: str = "magnesium.plasma") -> Course:
    given = protocol(Scenario(title="nothing", length="10 h"))
    course = Trajectories(np.array(at), (output,), np.array([[[v] for v in values]]), np.zeros(1, np.int64), "by hand")
    return Course(given, course, np.ones(1, bool))


def take(how: str, **more: Any) -> float:
    readout = Readout(output="magnesium.plasma", take=how, until="3 h", every="1 h", **more)  # type: ignore[arg-type]
    level = np.array([2.5]) if "first" in how else None
    found = taken(readout, seen([1, 3, 2, 4], [0, 1, 2, 3]), times(readout, observed=None), level)
    assert not isinstance(found, dict)
    return float(found[0])


# readouts -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("how", "value"),
    [
        ("change", 3), ("ratio", 4), ("max", 4), ("min", 1), ("time_of_max", 3), ("time_of_min", 0),
        ("mean", (2 + 2.5 + 3) / 3), ("slope", 0.8), ("first_above", 1), ("first_below", 0),
    ],
)  # fmt: skip
def test_a_reading_is_what_one_would_read(how: str, value: float) -> None:
    assert take(how) == pytest.approx(value)


def test_what_never_happens_is_given_the_end_of_the_window() -> None:
    readout = Readout(output="magnesium.plasma", take="first_above", until="3 h", every="1 h")
    found = taken(readout, seen([1, 1, 1, 1], [0, 1, 2, 3]), times(readout, observed=None), np.array([9.0]))
    assert found == pytest.approx(3.0)


def test_a_reading_looks_when_it_was_observed() -> None:
    assert times(Readout(output="x"), observed=6.0) == pytest.approx([6.0])
    assert times(Readout(output="x", take="change", back="24 h"), observed=48.0) == pytest.approx([24.0, 48.0])
    assert times(Readout(output="x", take="change", back="24 h"), observed=0.0) == pytest.approx([0.0, 24.0])


def test_a_window_without_an_end_is_refused() -> None:
    with pytest.raises(DataFileError, match="Give `until`"):
        times(Readout(output="x", take="max"), observed=None)


def test_measures_are_computed_over_people() -> None:
    people = {"k": np.array([3.0, 3.4, 4.0, 5.0]), "mg": np.array([0.6, 0.8, 0.9, 1.0])}
    assert evaluate("share(k < 3.5)", people) == pytest.approx(0.5)
    assert evaluate("share_of(mg < 0.7, k < 3.5)", people) == pytest.approx(0.5)
    assert evaluate("mean_of(mg, k > 3.5)", people) == pytest.approx(0.95)
    assert evaluate("correlation(k, mg)", people)[0] > 0.8
    assert evaluate("crossing(2, 0, a, 10, b)", {"a": np.array([1.0]), "b": np.array([3.0])}) == pytest.approx(5)


def test_a_measure_of_nothing_is_refused_by_name() -> None:
    with pytest.raises(DataFileError, match="`low` is no readout"):
        evaluate("low + 1", {"high": np.ones(1)})


# kinetics -----------------------------------------------------------------------------------------------------------
def test_two_compartments_are_found_again() -> None:
    truth = Compartments(clearance=5.0, central=24.0, peripheral=25.0, exchange=5.6)
    infusion = Infusion(np.array([0.0, 1.0, 6.0]), np.array([39.0, 7.8, 0.0]))
    at = np.array([0.0, 0.5, 1, 2, 4, 6, 7, 9, 11, 13, 15])
    found = compartments(at, concentrations(truth, infusion, at), infusion)
    for name in ("clearance", "central", "peripheral", "exchange"):
        assert getattr(found, name) == pytest.approx(getattr(truth, name), rel=1e-3)


def test_one_compartment_is_found_again_and_follows_its_formula() -> None:
    truth = Compartments(clearance=4.0, central=20.0, peripheral=1.0, exchange=0.0)
    infusion = Infusion(np.array([0.0]), np.array([8.0]))
    at = np.array([0.0, 1, 2, 5, 10])
    rises = concentrations(truth, infusion, at)
    assert rises == pytest.approx(8 / 4 * (1 - np.exp(-4 / 20 * at)))
    found = compartments(at, rises, infusion, number=1)
    assert (found.clearance, found.central) == pytest.approx((4.0, 20.0), rel=1e-4)


def test_saturable_absorption_is_found_again() -> None:
    given = np.array([1.5, 6.5, 11.5, 21.5, 41.5])
    assert saturable(given, 1.7 * given / (1.4 + given) + 0.07 * given) == pytest.approx((1.7, 1.4, 0.07), rel=1e-3)


def test_a_tracer_leaves_by_its_rates() -> None:
    flows = [("plasma", "urine", lambda _: 0.1), ("plasma", "bone", lambda _: 0.3)]
    end = tracer(np.linspace(0, 5, 11), flows, until=5.0)
    assert end["plasma"] == pytest.approx(np.exp(-2))
    assert end["urine"] == pytest.approx((1 - np.exp(-2)) / 4)
    assert sum(end.values()) == pytest.approx(1)


# the published targets ------------------------------------------------------------------------------------------------
def test_every_published_target_has_a_plan_and_every_plan_a_target() -> None:
    assert set(plans()) == {target.id for target in published().targets}


def test_what_a_protocol_leaves_open_is_stated() -> None:
    for target in published().targets:
        plan = plans()[target.id]
        assert plan.why_not or plan.assumptions, target.id
        assert plan.why_not or plan.who, target.id


def test_every_target_is_simulated_or_says_why(everything: Any) -> None:
    result = score(published(), everything.targets, measures={"mass_balance": everything.mass_balance})
    for one in result.targets:
        assert "failed" not in one.why_not, one.why_not
        for row in one.rows:
            assert row.simulated is not None or row.why_not
    assert result.fit.all.n == result.fit.all.n_total
    assert result.check.all.n >= 45


def test_mass_is_conserved_in_every_run(everything: Any) -> None:
    assert 0 < everything.mass_balance < 1e-8


def test_what_was_given_to_the_simulation_earns_nothing(everything: Any) -> None:
    start = everything.targets["IVPK-01"].outcomes[0]
    assert start.imposed
    assert start.value == pytest.approx(1.09)


def test_mass_that_is_lost_is_noticed() -> None:
    given = protocol(Scenario(title="rest", length="24 h"))
    from carnallite.physiology.simulate import pools, run  # noqa: PLC0415

    course = run(given, pools())
    assert imbalance(Course(given, course, np.ones(1, bool))) < 1e-12
    course.values[0, -1, course.outputs.index("magnesium.bone")] += 1.0
    assert imbalance(Course(given, course, np.ones(1, bool))) > 1e-3


def test_retention_is_what_the_formula_says(everything: Any) -> None:
    text = """
        title  = "load"
        length = "24 h"
        own    = { "normal.magnesium" = "0.80 mmol/L", "normal.calcium" = "2.36 mmol/L" }
    """
    load = '[[dose]]\nwhat = "MgSO4"\namount = "5.6 mmol"\nroute = "intravenous"\nat = "0 h"\nover = "4 h"'
    urine = [
        float(simulate(parse(t), outputs=["outside.magnesium_urine"]).at(24, "outside.magnesium_urine")[0])
        for t in (text, text + load)
    ]
    rows = next(one for one in published().targets if one.id == "DEP-01").observations
    place = next(i for i, row in enumerate(rows) if row.quantity == "Mg_retention_pct" and row.time_h == 0)
    simulated = everything.targets["DEP-01"].outcomes[place].value
    assert simulated == pytest.approx(100 * (1 - (urine[1] - urine[0]) / 5.6), abs=1.0)


def test_the_same_seed_gives_the_same_people() -> None:
    first, again, other = (simulate_targets(published(), only=["DIU-03"], seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_an_unknown_target_is_refused() -> None:
    with pytest.raises(UnknownIdError, match="KIN-1"):
        simulate_targets(published(), only=["KIN-1"])


def test_tables_are_laid_over_one_another() -> None:
    assert merged({"a": [1], "b": {"c": 1}}, {"a": [2], "b": {"d": 2}}) == {"a": [1, 2], "b": {"c": 1, "d": 2}}


# any other file -------------------------------------------------------------------------------------------------------
def other(*rows: Observation, events: tuple[dict[str, Any], ...] = (), **more: Any) -> Target:
    guessing = more.pop("guessing", False)
    people = Population(more.pop("who", "adults"), renal=more.pop("renal", "normal"))
    return Target(
        id="X-01", topic="t", title="T", use="check", certainty="R2", population=people, observations=rows,
        protocol=Protocol("what was done", simulable_without_guessing=not guessing, events=events), **more,
    )  # fmt: skip


def result(target: Target) -> Simulated:
    return simulate_targets(TargetFile("some.json", "some", (target,)))["X-01"]


def test_events_of_another_file_are_run() -> None:
    rows = (
        Observation("value", "plasma_K", "mmol/L", value=2.9, time_h=0),
        Observation("value", "delta_plasma_K", "mmol/L", value=0.5, time_h=1),
    )
    event = {"t_h": 0, "type": "iv_infusion", "species": "K", "amount_mmol": 20, "duration_h": 1}
    done = result(other(*rows, events=(event,)))
    assert done.outcomes[0].imposed
    assert done.outcomes[0].value == pytest.approx(2.9, abs=0.02)
    assert done.outcomes[1].value is not None
    assert 0.2 < done.outcomes[1].value < 1.2


def test_each_arm_gets_its_own_events() -> None:
    rows = tuple(
        Observation("value", "delta_plasma_K", "mmol/L", value=0, time_h=1, arm=arm) for arm in ("10 mg", "saline")
    )
    event = {"arm": "10", "t_h": 0, "type": "drug", "drug": "salbutamol_neb", "dose_mg": 10}
    given, not_given = (one.value for one in result(other(*rows, events=(event,))).outcomes)
    assert given is not None
    assert not_given == pytest.approx(0, abs=1e-6)
    assert given < -0.2


def test_retention_and_shares_of_another_file_are_measured() -> None:
    rows = (
        Observation("value", "Mg_retention_pct", "%", value=0, time_h=24),
        Observation("proportion", "fraction_Mg_below_0.66", "fraction", value=0.2, time_h=24),
    )
    event = {"t_h": 0, "type": "iv_infusion", "species": "Mg", "amount_mmol": 30, "duration_h": 8}
    retention, share = (one.value for one in result(other(*rows, events=(event,))).outcomes)
    assert retention is not None
    assert share is not None
    assert -30 < retention < 60
    assert 0 <= share < 0.1


@pytest.mark.parametrize(
    ("event", "why"),
    [
        ({"type": "plasmapheresis"}, "how 'plasmapheresis' is run"),
        ({"type": "iv_infusion", "species": "Li", "amount_mmol": 1}, "what Li is"),
        ({"type": "iv_bolus", "species": "K"}, "how much is given"),
        ({"type": "drug", "drug": "snake oil"}, "what 'snake oil' does"),
        ({"type": "diet", "species": "Fe"}, "how much Fe is eaten"),
    ],
)
def test_an_event_that_leaves_something_open_is_told(event: dict[str, Any], why: str) -> None:
    row = Observation("value", "plasma_K", "mmol/L", value=4, time_h=1)
    assert why in planned(other(row, events=({"t_h": 0, **event},))).why_not


def test_a_quantity_that_the_body_lacks_is_told() -> None:
    row = Observation("value", "bone_density", "g/cm2", value=1, time_h=1)
    assert "nothing in the body is bone density" in result(other(row)).outcomes[0].why_not


def test_a_threshold_in_the_name_of_a_share_is_read() -> None:
    one = share_of(Observation("proportion", "fraction_Mg_le_0.74_mmolL", "fraction", value=0.2))
    assert one is not None
    assert one.value == "share(readout <= 0.74)"
    assert share_of(Observation("proportion", "fraction_of_cats", "fraction", value=0.2)) is None


def test_a_published_protocol_is_used_whatever_was_observed(tmp_path: Path) -> None:
    raw = json.loads(PUBLISHED.read_text("utf-8"))
    raw["targets"] = [one for one in raw["targets"] if one["id"] == "LOAD-01"]
    raw["targets"][0]["observations"][0]["value"] = 10
    (tmp_path / "mine.json").write_text(json.dumps(raw), "utf-8")
    done = simulate_targets(read_targets(tmp_path / "mine.json"))["LOAD-01"]
    assert "82 years" in done.who


# the command ----------------------------------------------------------------------------------------------------------
def test_the_command_prints_the_contract(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "--only", "KIN-02", "HK-05", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    for use in ("fit", "check"):
        assert set(answer[use]) >= {"score", "skill", "n"}
    assert all(set(topic) >= {"score", "skill", "n"} for topic in answer["topics"].values())
    assert answer["gates"]["mass_is_conserved"] is True
    assert [one["id"] for one in answer["targets"]] == ["KIN-02", "HK-05"]
    for one in answer["targets"]:
        assert set(one) >= {"id", "use", "score", "rows", "simulated", "why_not"}
        assert all(set(row) >= {"observed", "simulated", "score"} for row in one["rows"])


def test_the_command_writes_both_forms_and_overwrites_only_when_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["validate", "--only", "KIN-02", "--out", str(tmp_path / "out")]
    assert main(command) == 0
    assert "total body Mg" in capsys.readouterr().out
    assert (tmp_path / "out" / "validation.md").read_text("utf-8").startswith("# ")
    msgspec.json.decode((tmp_path / "out" / "validation.json").read_bytes())
    assert main(command) == 2
    assert main([*command, "--force"]) == 0


def test_an_unknown_target_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "--only", "KIN-99"]) == 2
    assert "KIN-" in capsys.readouterr().err


def test_a_use_is_scored_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", str(PUBLISHED), "--only", "K-04", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["check"]["n"] == 0
