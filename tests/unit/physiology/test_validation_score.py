"""The scores of `carnallite validate`, each computed by hand from the rules at the head of the targets."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from carnallite.errors import DataFileError, UnknownIdError
from carnallite.physiology.validation import (
    PUBLISHED,
    Baseline,
    Observation,
    Outcome,
    Population,
    Protocol,
    Simulated,
    Target,
    TargetFile,
    as_json,
    as_markdown,
    as_text,
    no_change,
    published,
    read_targets,
    score,
)
from carnallite.physiology.validation.rules import (
    bound,
    expected_sign,
    floor,
    is_input,
    observation_score,
    tolerances,
)
from carnallite.physiology.validation.score import score_target

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

UNSCORED = {"IVPK-06", "MGK-06"}
LARGE = 1e6


def seen(kind: str = "value", quantity: str = "thing", unit: str = "mmol", **more: Any) -> Observation:
    return Observation(kind, quantity, unit, **more)  # type: ignore[arg-type]


def target(*rows: Observation, id: str = "X-01", guessing: bool = False, **more: Any) -> Target:
    given = {"topic": "kidney", "title": "T", "use": "check", "certainty": "R2", **more}
    protocol = Protocol("what was done", simulable_without_guessing=not guessing)
    return Target(id=id, population=Population("healthy"), protocol=protocol, observations=rows, **given)


def validate(targets: Sequence[Target], simulated: dict[str, Simulated], **more: Any) -> Any:
    return score(TargetFile("some.json", "Some targets", tuple(targets)), simulated, **more)


def perfect(row: Observation) -> float:
    match row.kind:
        case "sign":
            sign = expected_sign(row)
            assert sign is not None
            return LARGE if sign.sign == "+" else -LARGE
        case "null":
            return 0.0
        case "le" | "ge":
            limit = bound(row)
            assert limit is not None
            return limit
    assert row.value is not None
    return row.value


def all_perfect() -> dict[str, Simulated]:
    return {one.id: Simulated.of(*map(perfect, one.observations)) for one in published().targets}


# One observation

VALUE = seen(value=10.0, tol_good=1.0, tol_accept=3.0)


@pytest.mark.parametrize(
    ("simulated", "expected"),
    [(10, 1), (11, 1), (9, 1), (12, 0.5), (8, 0.5), (11.5, 0.75), (13, 0), (7, 0), (100, 0)],
)
def test_a_value_falls_from_the_good_to_the_accepted_tolerance(simulated: float, expected: float) -> None:
    assert observation_score(VALUE, simulated) == pytest.approx(expected)


def test_equal_tolerances_make_a_step() -> None:
    row = seen(value=10.0, tol_good=1.0, tol_accept=1.0)
    assert [observation_score(row, value) for value in (11.0, 11.01)] == [1, 0]


def test_tolerances_are_derived_from_the_spread() -> None:
    # 1.96 * 2 / sqrt(16) = 0.98, below the floor of 10 % of 20 = 2; SD 2 is below 1.5 * 2 = 3
    assert tolerances(seen(value=20.0, sd=2.0, n=16)) == (2, 3)
    # 1.96 * 10 / sqrt(16) = 4.9; SD 10 lies between 7.35 and 14.7
    assert tolerances(seen(value=20.0, sd=10.0, n=16)) == pytest.approx((4.9, 10))
    # 1.96 * 10 / sqrt(400) = 0.98 < 2; SD 10 is above 3 * 2
    assert tolerances(seen(value=20.0, sd=10.0, n=400)) == (2, 6)
    assert tolerances(seen(value=20.0)) == (2, 4)
    assert tolerances(seen(value=20.0, sd=10.0)) == (2, 6)
    assert tolerances(seen(quantity="plasma_K", unit="mmol/L", value=4.0)) == (0.1, 0.2)


def test_tolerances_of_a_share_are_derived_from_its_number() -> None:
    # SE = sqrt(0.5 * 0.5 / 100) = 0.05; 1.96 * 0.05 = 0.098, twice that 0.196
    assert tolerances(seen("proportion", value=0.5, n=100)) == pytest.approx((0.098, 0.196))
    assert tolerances(seen("proportion", value=1.0, n=42)) == (0.05, 0.15)
    assert tolerances(seen("proportion", value=0.5)) == (0.05, 0.15)
    row = seen("proportion", value=0.5, n=100)
    assert observation_score(row, 0.647) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("simulated", "expected"), [(2, 1), (3, 1), (6, 1), (1, 0.5), (7, 0.5), (0, 0), (8, 0), (-5, 0)]
)
def test_a_range_falls_within_half_its_width(simulated: float, expected: float) -> None:
    assert observation_score(seen("range", low=2.0, high=6.0), simulated) == expected


def test_a_range_without_width_is_a_point() -> None:
    row = seen("range", low=2.0, high=2.0)
    assert [observation_score(row, value) for value in (2.0, 2.1)] == [1, 0]


def test_a_sign_needs_more_than_the_floor() -> None:
    row = seen("sign", "plasma_K_change", "", expect="+ (subnormal values normalised)")  # floor 0.10 mmol/L
    assert [observation_score(row, value) for value in (0.11, 0.1, -0.5)] == [1, 0, 0]


def test_the_floor_of_a_sign_may_be_a_share_of_the_level_before() -> None:
    row = seen("sign", "PTH_change", "ng/L", expect="-")  # 20 %
    assert [observation_score(row, -2.0, start=level) for level in (9.0, 10.0, None)] == [1, 0, 1]
    assert observation_score(row, 0.0) == 0
    told = seen("sign", "PTH_change_after_IV_Mg", "ng/L", value=-15.0, expect="-")  # 20 % of 15
    assert [observation_score(told, value) for value in (-3.1, -2.9)] == [1, 0]


def test_a_fall_or_little_forgives_what_is_below_the_floor() -> None:
    row = seen("sign", "PTH_change", "", expect="- or little")
    assert [observation_score(row, value, start=10.0) for value in (-5.0, 1.9, 2.1)] == [1, 1, 0]


def test_an_expectation_in_unknown_words_is_not_scored() -> None:
    row = seen("sign", expect="somewhat different")
    assert observation_score(row, 1.0) is None
    one = score_target(target(row, VALUE), Simulated.of(1.0, 12.0))
    assert (one.rows[0].verdict, one.score) == ("not scored", 0.5)
    assert observation_score(seen("null", expect="no change"), 0.0) is None
    assert observation_score(seen("le", expect="few"), 0.0) is None


def test_null_falls_to_nothing_at_twice_its_threshold() -> None:
    row = seen("null", threshold=0.2)
    found = [observation_score(row, value) for value in (0.0, -0.2, 0.3, -0.4, 9.0)]
    assert found == pytest.approx([1, 1, 0.5, 0, 0])


def test_a_bound_falls_within_a_quarter_of_it() -> None:
    below, above = seen("le", threshold=4.0), seen("ge", threshold=4.0)
    assert [observation_score(below, value) for value in (-9.0, 4.0, 4.5, 5.0, 9.0)] == [1, 1, 0.5, 0, 0]
    assert [observation_score(above, value) for value in (9.0, 4.0, 3.5, 3.0, 0.0)] == [1, 1, 0.5, 0, 0]
    assert observation_score(seen("le", value=4.0), 4.5) == 0.5
    assert [observation_score(seen("le", threshold=0.0), value) for value in (0.0, 0.1)] == [1, 0]


@pytest.mark.parametrize(
    ("quantity", "unit", "value", "expected"),
    [
        ("plasma_Mg_total", "mmol/L", 0.8, 0.03),
        ("delta_plasma_Mg_total", "mmol/L", -0.1, 0.02),
        ("delta_plasma_K", "mmol/L", 0.2, 0.1),
        ("plasma_Ca_ionized", "mmol/L", 1.1, 0.03),
        ("Mg_retention_pct", "%", 60.0, 8),
        ("frac_abs_Mg_pct", "%", 60.0, 3),
        ("FE_Mg_pct", "%", 4.0, 0.7),
        ("PTH", "pg/mL", 10.0, 2),
        ("aldosterone_plasma", "pg/mL", 100.0, 25),
        ("urine_Mg_24h", "mmol/24h", 4.0, 0.6),
        ("urine_K_rate", "mmol/h", 10.0, 1.5),
        ("urine_K_cumulative", "mmol", 10.0, 1),
        ("urine_Na_24h", "mmol/24h", 100.0, 20),
        ("popPK_CL", "L/h", 5.0, 0.5),
    ],
)
def test_floors(quantity: str, unit: str, value: float, expected: float) -> None:
    assert floor(seen(quantity=quantity, unit=unit, value=value)) == pytest.approx(expected)


# One target


def test_a_target_is_the_weighted_mean_of_what_was_simulated() -> None:
    heavy = msgspec.structs.replace(VALUE, weight=3)
    one = score_target(target(heavy, VALUE, VALUE), Simulated.of(10.0, 13.0, "no such pool"))
    assert one.score == 0.75
    assert [row.verdict for row in one.rows] == ["green", "red", "not simulated"]
    assert one.rows[2].why_not == "no such pool"


def test_an_input_weighs_nothing() -> None:
    marked = msgspec.structs.replace(VALUE, tol_reason="initialise")
    one = score_target(target(marked, VALUE, VALUE), Simulated.of(50.0, 12.0, Outcome(50.0, imposed=True)))
    assert one.score == 0.5
    assert [row.verdict for row in one.rows] == ["input", "amber", "input"]
    assert is_input(seen(note="clamp to the observed values"))
    assert not is_input(seen(note="no clamped value"))


def test_what_is_no_number_is_not_simulated() -> None:
    one = score_target(target(VALUE), Simulated.of(float("nan")))
    assert (one.score, one.rows[0].verdict, one.why_not) == (None, "not simulated", "the simulation gave nan")


@pytest.mark.parametrize("more", [{"use": "report only"}, {"certainty": "M"}])
def test_what_is_only_reported_is_not_scored(more: dict[str, Any]) -> None:
    result = validate([target(VALUE, **more)], {"X-01": Simulated.of(10.0)})
    assert (result.targets[0].score, result.targets[0].rows[0].simulated) == (None, 10)
    assert (result.check.all.n_total, result.fit.all.n_total, result.topics) == (0, 0, {})


def test_a_certainty_with_a_remembered_part_is_scored() -> None:
    assert score_target(target(VALUE, certainty="R3 / M"), Simulated.of(10.0)).score == 1


def test_skill_counts_only_what_is_above_no_change() -> None:
    one = target(VALUE, no_change_baseline=Baseline(0.2, 1))
    assert score_target(one, Simulated.of(12.0)).skill == pytest.approx(0.375)  # (0.5 - 0.2) / 0.8
    assert score_target(one, Simulated.of(99.0)).skill == pytest.approx(-0.25)
    certain = target(VALUE, no_change_baseline=Baseline(1.0, 1))
    assert score_target(certain, Simulated.of(10.0)).skill is None


def test_dynamic_skill_of_no_change_is_nothing() -> None:
    start = seen(quantity="a", value=10.0, time_h=0, tol_good=1.0, tol_accept=3.0)
    later = seen(quantity="a", value=12.0, time_h=5, tol_good=1.0, tol_accept=3.0)
    delta = seen(quantity="delta_a", value=-4.0, time_h=5, tol_good=1.0, tol_accept=3.0)
    study = target(start, later, delta, no_change_baseline=Baseline(0.25, 2))
    assert no_change(study) == (0.25, 2)  # 0.5 for the level, 0 for the change
    still = score_target(study, Simulated.of(10.0, 10.0, 0.0))
    assert (still.score, still.dynamic_skill) == (0.5, 0)
    assert still.skill == pytest.approx(1 / 3)  # the rule of the file credits the start as well
    assert score_target(study, Simulated.of(10.0, 12.0, -4.0)).dynamic_skill == 1
    assert score_target(study, Simulated.of(10.0, 12.0, "no")).dynamic_baseline == 0.5


def test_rows_and_outcomes_must_agree() -> None:
    with pytest.raises(DataFileError, match="target X-01: 2 outcomes for 1 observations"):
        score_target(target(VALUE), Simulated.of(1.0, 2.0))
    with pytest.raises(UnknownIdError, match=r"Did you mean 'X-01'"):
        validate([target(VALUE)], {"X-1": Simulated.of(1.0)})


# All targets


def test_overall_is_the_mean_of_topics_not_of_targets() -> None:
    studies = [target(VALUE, id=id, topic=topic) for id, topic in (("A", "one"), ("B", "one"), ("C", "two"))]
    studies.append(target(VALUE, id="D", topic="two", guessing=True))
    studies.append(target(VALUE, id="E", topic="three", use="fit"))
    given = {"A": Simulated.of(10.0), "B": Simulated.of(13.0), "C": Simulated.of(10.0), "E": Simulated.of(12.0)}
    result = validate(studies, {**given, "D": Simulated.missing("dose not stated")})
    assert result.check.all.score == 0.75  # (0.5 + 1) / 2
    assert (result.check.all.n, result.check.all.n_total, result.check.all.n_rows) == (3, 4, 3)
    assert (result.check.without_guessing.n_total, result.check.with_guessing.n_total) == (3, 1)
    assert (result.check.with_guessing.score, result.fit.all.score) == (None, 0.5)
    assert [result.topics[name].all.score for name in ("one", "two", "three")] == [0.5, 1, 0.5]
    assert (result.topics["two"].all.n, result.topics["two"].all.n_total) == (1, 2)
    # misses 0, +3, 0 in units of tol_good
    assert result.check.all.rmse == pytest.approx(3**0.5)
    assert result.check.all.bias == 1
    assert result.targets[3].why_not == "dose not stated"


def test_skill_of_many_pools_scores_and_baselines() -> None:
    low, high = Baseline(0.2, 1), Baseline(0.4, 1)
    studies = [
        target(VALUE, id="A", no_change_baseline=low),
        target(VALUE, id="B", no_change_baseline=high),
        target(VALUE, id="C"),
    ]
    given = {"A": Simulated.of(10.0), "B": Simulated.of(12.0), "C": Simulated.of(99.0)}
    skill = validate(studies, given).check.all.skill
    assert skill == pytest.approx((0.75 - 0.3) / 0.7)


def test_a_target_without_protocol_counts_apart() -> None:
    result = validate([target(VALUE, id="A"), target(VALUE, id="B")], {"A": Simulated.of(12.0)})
    assert (result.check.all.score, result.check.all.n, result.check.all.n_total) == (0.5, 1, 2)
    assert result.targets[1].why_not == "no protocol was run"


def test_intervals_of_forecasts() -> None:
    given = Simulated.of(Outcome(12.0, interval=(9.0, 14.0)), Outcome(12.0, interval=(11.0, 14.0)))
    assert validate([target(VALUE, VALUE)], {"X-01": given}).check.all.inside == 0.5


# The published file


def test_the_published_file_decodes_completely() -> None:
    file = published()
    assert (len(file.targets), sum(len(one.observations) for one in file.targets)) == (73, 316)
    assert file.remarks == ()
    raw = json.loads(PUBLISHED.read_text("utf-8"))["targets"]
    read = json.loads(msgspec.json.encode(file.targets))
    for before, after in zip(raw, read, strict=True):
        for old, new in zip(before["observations"], after["observations"], strict=True):
            assert {key: new[key] for key, value in old.items() if value is not None} == {
                key: value for key, value in old.items() if value is not None
            }


def test_every_published_observation_can_be_scored() -> None:
    rows = [row for one in published().targets for row in one.observations]
    assert [row.quantity for row in rows if observation_score(row, perfect(row)) != 1] == []


def test_perfect_numbers_score_one_everywhere() -> None:
    result = score(published(), all_perfect(), measures={"mass_balance": 1e-12})
    for division, n, complete in ((result.fit, 20, 17), (result.check, 51, 19)):
        assert division.all.score == division.all.skill == division.all.dynamic_skill == 1
        assert (division.all.n, division.all.n_total, division.without_guessing.n) == (n, n, complete)
        assert (division.all.rmse, division.all.bias) == (0, 0)
    assert {one.target.id for one in result.targets if one.score is None} == UNSCORED
    assert {one.gate.id: one.holds for one in result.gates} == dict.fromkeys(
        (
            "pth_response_reverses",
            "bicarbonate_and_calcium_leave_potassium",
            "gut_failure_urine_magnesium_low",
            "magnesium_adds_nothing_when_replete",
            "stoma_sodium_raises_aldosterone",
            "mass_is_conserved",
        ),
        True,
    )


@pytest.mark.parametrize("one", published().targets, ids=lambda one: one.id)
def test_no_change_reproduces_the_baseline_of_the_file(one: Target) -> None:
    found, said = no_change(one), one.no_change_baseline
    if said is None:
        assert found is None or one.id in UNSCORED
        return
    assert found is not None
    assert found[0] == pytest.approx(said.score, abs=0.0051)
    assert found[1] == said.n_obs


def test_tolerances_not_set_by_hand_follow_the_rule() -> None:
    by_hand = {("ONC-03", 1), ("K-04", 3), ("CRRT-01", 1), ("CRRT-01", 2), ("CRRT-01", 3)}  # not marked in the file
    wrong = set()
    for one in published().targets:
        for place, row in enumerate(one.observations):
            if row.kind not in {"value", "proportion"} or row.tol_reason or row.sd is None or row.tol_good is None:
                continue
            bare = tolerances(msgspec.structs.replace(row, tol_good=None, tol_accept=None))
            if bare != pytest.approx((row.tol_good, row.tol_accept), rel=0.01):
                wrong.add((one.id, place))
    assert wrong <= by_hand


# Gates


def without(id: str, place: int, value: float | str) -> dict[str, Simulated]:
    given = all_perfect()
    outcomes = list(given[id].outcomes)
    outcomes[place] = Simulated.of(value).outcomes[0]
    return {**given, id: replace(given[id], outcomes=tuple(outcomes))}


@pytest.mark.parametrize(
    ("gate", "id", "place", "good", "bad"),
    [
        ("pth_response_reverses", "DEP-01", 10, 5.0, -5.0),
        ("bicarbonate_and_calcium_leave_potassium", "HK-01", 3, -0.2, -0.21),
        ("bicarbonate_and_calcium_leave_potassium", "HK-05", 0, 0.1, -0.11),
        ("gut_failure_urine_magnesium_low", "SBS-02", 0, 0.1, 1.6),
        ("magnesium_adds_nothing_when_replete", "DIU-02", 2, 3.9, 3.95),
        ("stoma_sodium_raises_aldosterone", "SBS-01", 2, 700.0, 600.0),  # 600 is less than five times 124
        ("stoma_sodium_raises_aldosterone", "SBS-01", 6, 60.0, 220.0),
        ("stoma_sodium_raises_aldosterone", "SBS-01", 0, 160.0, 100.0),
    ],
)
def test_a_gate_holds_fails_or_is_not_known(gate: str, id: str, place: int, good: float, bad: float) -> None:
    for value, expected in ((good, True), (bad, False), ("not in the body", None)):
        result = score(published(), without(id, place, value))
        assert {one.gate.id: one.holds for one in result.gates}[gate] is expected


def test_the_gate_of_mass_takes_a_number() -> None:
    for worst, expected in ((1e-7, True), (1e-5, False), (None, None), (float("nan"), None)):
        assert score(published(), {}, measures={"mass_balance": worst}).gates[-1].holds is expected


def test_gates_of_another_file_are_not_known() -> None:
    assert {one.holds for one in validate([target(VALUE)], {}).gates} == {None}


# Reports


def some_result() -> Any:
    given = all_perfect()
    del given["KIN-01"]
    given["ABS-01"] = Simulated.of(
        "no meal", 50.0, 0.07, 1.7, who="one reference adult", assumptions=("a meal holds 5 mmol",)
    )
    return score(published(), given)


def test_json_keeps_the_contract() -> None:
    told = msgspec.json.decode(msgspec.json.encode(as_json(some_result())))
    for name in ("fit", "check"):
        assert {"score", "skill", "n"} <= set(told[name]) & set(told[name]["without_guessing"])
    assert {"score", "skill", "n", "fit", "check"} <= set(told["topics"]["kinetics"])
    assert told["gates"]["mass_is_conserved"] is None
    first, second = (next(one for one in told["targets"] if one["id"] == id) for id in ("KIN-01", "ABS-01"))
    assert (first["simulated"], first["score"], first["why_not"]) == (False, None, "no protocol was run")
    assert (second["simulated"], second["n"], second["n_total"], second["score"]) == (True, 3, 4, 0.6667)
    assert [row["colour"] for row in second["rows"]] == [None, "red", "green", "green"]
    assert second["rows"][1]["observed"] == 11


def test_text_is_narrow_and_hides_nothing() -> None:
    text = as_text(some_result())
    assert max(map(len, text.splitlines())) <= 112
    for one in published().targets:
        assert one.id in text
    for words in (
        "no meal",
        "no protocol was run",
        "assumed: a meal holds 5 mmol",
        "red",
        "the file does not score it",
        "2.36 ± 0.102",
    ):
        assert words in text


def test_markdown_holds_the_same_rows() -> None:
    lines = as_markdown(some_result()).splitlines()
    tables = [line for line in lines if line.startswith("|")]
    assert all(line.replace("\\|", "").count("|") in {4, 6, 9} for line in tables)
    assert sum(line.endswith(("| green |", "| red |", "| amber |", "| input |")) for line in tables) == 316 - 3 - 1 - 5
    assert "no meal" in "\n".join(lines)


# Files of targets


def good_file() -> dict[str, Any]:
    row = {"kind": "value", "quantity": "plasma_K", "unit": "mmol/L", "value": 4, "arm": None, "n": 5}
    protocol = {
        "text": "rest",
        "simulable_without_guessing": True,
        "events": [{"t_h": 0, "type": "new", "dose": [1, 2]}],
    }
    study = {"id": "A-1", "topic": "t", "title": "T", "use": "check", "certainty": "R2", "protocol": protocol}
    return {"targets": [{**study, "population": {"description": "adults"}, "observations": [row]}]}


def written(folder: Path, content: Any) -> Path:
    path = folder / "mine.json"
    path.write_text(json.dumps(content), "utf-8")
    return path


def test_another_file_of_the_form_is_read(tmp_path: Path) -> None:
    raw = good_file()
    raw["n_targets"] = 2
    raw["targets"][0]["observations"][0]["colour"] = "blue"
    file = read_targets(written(tmp_path, raw))
    assert file.targets[0].observations[0].value == 4
    assert file.remarks == ("the file says 2 targets and holds 1", "`observation.colour` is not read")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "mean"}, r"mine.json, target A-1, observation 1 \(plasma_K\): `kind`: .* Use one of value, "),
        ({"kind": "range", "low": 2}, "a range without `low` and `high`. Give both."),
        ({"kind": "range", "low": 2, "high": 1}, "`low` 2.0 is above `high` 1.0 mmol/L. Exchange them."),
        ({"kind": "proportion", "value": 19.4}, "a proportion of 19.4. Give a share from 0 to 1."),
        ({"value": None}, "a value without `value`. Give the observed value."),
        ({"tol_good": 2, "tol_accept": 1}, "`tol_good` 2.0 is above `tol_accept` 1.0 mmol/L."),
        ({"sd": -1}, "`sd`: expected `float` >= 0"),
        ({"unit": None, "units": "g"}, "missing required field `unit`. Did you mean 'units'[?] Give `unit`."),
        ({"unit": None}, "missing required field `unit`. Give `unit`."),
    ],
)
def test_a_wrong_observation_is_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    raw = good_file()
    raw["targets"][0]["observations"][0] |= change
    with pytest.raises(DataFileError, match=message.replace("`", "[`]")):
        read_targets(written(tmp_path, raw))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"use": "train"}, "mine.json, target A-1: `use`: .* Use one of fit, check, report only."),
        ({"observations": []}, "target A-1: has no observations."),
        ({"protocol": {"text": "rest"}}, "`protocol`: object missing required field `simulable_without_guessing`"),
        ({"id": None}, "mine.json, target 1: object missing required field `id`."),
    ],
)
def test_a_wrong_target_is_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    raw = good_file()
    raw["targets"][0] |= change
    with pytest.raises(DataFileError, match=message):
        read_targets(written(tmp_path, raw))


def test_a_wrong_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text("{", "utf-8")
    for path, message in (
        (tmp_path / "none.json", "none.json: cannot be read"),
        (tmp_path / "bad.json", "bad.json: not JSON"),
        (written(tmp_path, []), "has no list `targets`"),
    ):
        with pytest.raises(DataFileError, match=message):
            read_targets(path)
    with pytest.raises(DataFileError, match="Only 'carnallite-validation/1'"):
        read_targets(written(tmp_path, {**good_file(), "schema": "other/2"}))
    twice = good_file()["targets"] * 2
    with pytest.raises(DataFileError, match="the id is there twice"):
        read_targets(written(tmp_path, {"targets": twice}))
    with pytest.raises(DataFileError, match="is no object"):
        read_targets(written(tmp_path, {"targets": [1]}))
