"""The individual fit: a patient's own history, what is behind the disorder, and what it must not pretend."""

from __future__ import annotations

import numpy as np
import pytest

from carnallite.assessment import Assessment, assess
from carnallite.assessment.cloud.asked import why_not
from carnallite.assessment.cloud.fit import Fit, fitted, systematic
from carnallite.assessment.cloud.history import LENGTH, history_of
from carnallite.assessment.cloud.judge import Cloud, judge
from carnallite.assessment.cloud.people import anybody
from carnallite.assessment.cloud.why import Why, reasons
from carnallite.assessment.cloud.words import _rests_on as rests_on
from carnallite.assessment.cloud.words import doubted, holds
from carnallite.assessment.columns import Columns
from carnallite.assessment.facts import Facts
from carnallite.assessment.panel import panel
from carnallite.knowledge import knowledge
from carnallite.physiology import engine
from carnallite.record.sketch import read_sketch
from records import condition, drug, given, observation, read

if engine.kernel() is None:
    pytest.skip("no compiled kernel", allow_module_level=True)

STOMA = """
  day | what             | value  | unit
  --- | ---------------- | ------ | ------
  0   | age              | 55     |
  0   | sex              | female |
  -90 | jejunostomy      |        |
  -60 | high_output_stoma |       |
  0   | serum_magnesium  | 0.45   | mmol/L
  0   | serum_potassium  | 3.0    | mmol/L
  0   | serum_creatinine | 90     | umol/L
"""


def facts_of(sketch: str) -> Facts:
    return Facts.of(read_sketch(sketch).timeline)


@pytest.fixture(scope="module")
def cloud() -> tuple[Cloud, Facts]:
    everybody = panel([read_sketch(STOMA).timeline])
    return judge(everybody.columns, everybody.posterior, 0)[1], everybody.columns.people[0]


@pytest.fixture(scope="module")
def fit(cloud: tuple[Cloud, Facts]) -> Fit:
    found = fitted(*cloud)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def why(fit: Fit) -> Why:
    return reasons(fit, ["volume_depletion", "continued_offender", "poor_salt_form"])


@pytest.fixture(scope="module")
def answer() -> Assessment:
    return assess(read_sketch(STOMA))


def test_weights_sum_to_one_and_the_dead_have_none(cloud: tuple[Cloud, Facts]) -> None:
    members = cloud[0]
    assert members.weight.sum() == pytest.approx(1)
    assert not members.weight[np.isnan(members.log)].any()
    assert 0 < members.describes < 1


def test_members_are_people_like_the_patient(cloud: tuple[Cloud, Facts]) -> None:
    assert cloud[0].person.sex == "female"
    assert cloud[0].person.age == 55


@pytest.mark.parametrize(("end", "over"), [("2020-06-01T07:30:00Z", "1.500000 h"), ("", "4 h")])
def test_an_infusion_runs_as_long_as_the_record_says(end: str, over: str) -> None:
    begin = "2020-06-01T06:00:00Z"
    when = {"effectivePeriod": {"start": begin, "end": end}} if end else {"effectiveDateTime": begin}
    infusion = drug("magnesium sulfate", **when, resourceType="MedicationAdministration", status="completed")
    infusion["dosage"] = {"route": {"text": "IV"}, "dose": {"value": 2, "unit": "g"}}
    history = history_of(Facts.of(read(observation("2601-3", 0.5, "mmol/L"), infusion).timeline), anybody(), ())
    (dose,) = (one.dose for one in history.treatments)
    assert (dose.amount, dose.over, dose.at) == ("8.12 mmol", over, (f"{LENGTH - 2:.6f} h",))
    assert any("taken to have run over" in note for note in history.notes) == (not end)


def test_systematic_draws_keep_the_share_of_each() -> None:
    weight = np.array([0.1, 0.0, 0.6, 0.3])
    assert np.bincount(systematic(weight, 1000), minlength=4) / 1000 == pytest.approx(weight, abs=0.002)


def test_the_fit_shows_the_results(fit: Fit) -> None:
    assert fit.holds()
    shown = {one.seen.test: one for one in fit.residuals}
    assert shown["serum_magnesium"].low < 0.5
    assert shown["serum_magnesium"].middle < 0.65


def test_the_balance_of_a_day_adds_up(why: Why) -> None:
    balance = why.balance
    out = balance["stool"] + balance["urine"] + balance["dialysis"] + balance["skin"]
    assert balance["by_mouth"] + balance["injected"] - out == pytest.approx(balance["net"])
    assert balance["absorbed"] == pytest.approx(balance["by_mouth"] - balance["stool"])
    assert np.median(balance["stool"]) > np.median(balance["urine"])


def test_shares_of_causes_add_up_in_every_member(fit: Fit, why: Why) -> None:
    total = next(one for one in why.changes if one.kind == "causes_together").retained
    acting = fit.members.acting()
    summed = np.zeros(len(total))
    from carnallite.assessment.cloud.members import causes  # noqa: PLC0415

    for one in why.changes:
        if one.kind == "cause":
            summed[(acting == causes().index(one.id)).any(axis=1)] += one.retained
    rare = np.abs(summed - total) > 1e-6 * np.abs(total).max()
    assert rare.mean() < 0.2  # only in who has a cause that acts on too few to be told of


def test_rehydration_restores_potassium_more_than_magnesium(why: Why) -> None:
    one = next(change for change in why.changes if change.id == "volume_depletion")
    assert abs(np.nanmedian(one.magnesium[:, 0])) < 0.05


def test_what_is_not_there_is_not_corrected(why: Why) -> None:
    assert "poor_salt_form" not in {one.id for one in why.changes}  # no magnesium by mouth is recorded


def test_the_answer_carries_shares_and_balance(answer: Assessment) -> None:
    first = answer.causes[0]
    assert first.id == "short_bowel"
    assert first.share is not None
    assert first.share.low <= first.share.value <= first.share.high
    assert first.share.unit == "mmol/d"
    assert answer.balance is not None
    assert answer.fit is not None
    assert "7" in answer.fit.corrections[0].magnesium  # most would not live for 30 days without treatment


def test_shares_reach_a_month_where_members_live_so_long() -> None:
    found = assess(read_sketch("day|what|value|unit\n-900|omeprazole|40|mg/d\n0|age|60|\n0|serum_magnesium|0.5|mmol/L"))
    assert found.fit is not None
    assert {frozenset(one.magnesium) for one in found.fit.corrections} == {frozenset({"7", "30"})}


def test_the_fit_does_not_change_probabilities(answer: Assessment) -> None:
    shallow = assess(read_sketch(STOMA), depth="cloud")
    assert [(one.id, one.probability) for one in shallow.causes] == [(one.id, one.probability) for one in answer.causes]
    assert shallow.fit is None


def test_the_same_record_gives_the_same_answer(answer: Assessment) -> None:
    assert assess(read_sketch(STOMA)) == answer


@pytest.mark.parametrize(
    ("line", "reason"),
    [("0 | age | 4 |", "adult"), ("-1 | dialysis | |", "dialysis"), ("-20 | pregnancy | |", "pregnant")],
)
def test_nobody_is_simulated_for_whom_the_body_does_not_hold(line: str, reason: str) -> None:
    sketch = f"day | what | value | unit\n0 | serum_magnesium | 0.4 | mmol/L\n{line}\n"
    assert reason in why_not(Columns.of([facts_of(sketch).timeline]), 0)
    found = assess(read_sketch(sketch))
    assert found.fit is None
    assert "not_simulated" in {issue.code for issue in found.issues}


def test_the_model_may_not_fit() -> None:
    found = assess(read_sketch(STOMA.replace("0.45", "6.5")))
    assert found.balance is None
    assert all(cause.share is None for cause in found.causes)
    assert found.fit is None or not found.fit.holds
    assert found.fit is None or "No shares are given" in found.fit.words


def test_a_history_has_doses_and_windows_of_drugs() -> None:
    facts = facts_of("""
      day | what               | value | unit
      -40 | omeprazole         |       |
      -5  | magnesium_sulfate  |       |
      0   | serum_magnesium    | 0.5   | mmol/L
      -3  | serum_magnesium    | 0.6   | mmol/L
      -50 | serum_magnesium    | 0.7   | mmol/L
    """)
    history = history_of(facts, anybody(), ("ppi", "chronic_diarrhea"))
    assert history.windows == {"ppi": (LENGTH - 40 * 24, np.inf)}
    assert [(one.time, one.low) for one in history.seen] == [(LENGTH - 72, 0.6), (LENGTH, 0.5)]
    assert history.seen[0].weight < history.seen[1].weight


def test_treatment_of_the_record_is_given_to_the_members() -> None:
    tablets = drug(
        "magnesium oxide", effectivePeriod={"start": "2020-05-01"},
        dosage=[{"text": "4 mmol three times daily", "route": {"text": "oral"}}],
    )  # fmt: skip
    record = [
        observation("2601-3", 0.35, "mmol/L", effectiveDateTime="2020-06-01T07:00:00Z"),
        observation("2601-3", 0.75, "mmol/L", effectiveDateTime="2020-06-03T07:00:00Z"),
        observation("2601-3", 0.5, "mmol/L", effectiveDateTime="2020-06-08T07:00:00Z"),
        *(given("magnesium sulfate", 4, "g", f"2020-06-0{day}T08:00:00Z") for day in (1, 2, 7)),
        tablets, condition("jejunostomy"),
    ]  # fmt: skip
    found = assess(read(*record))
    assert found.balance is not None
    assert found.fit is not None
    assert found.balance.injected.value == pytest.approx(4 * 4.06)  # the gram holds 4.06 mmol; one dose on the last day
    assert any("taken to have run" in one for one in found.fit.assumptions)
    assert {one.id for one in found.fit.corrections} >= {"poor_salt_form", "inadequate_dose"}


EXTREME = """
  day | what             | value | unit
  --- | ---------------- | ----- | ------
  0   | age              | 46    |
  0   | sex              | female |
  0   | chronic_diarrhea |       |
  0   | serum_potassium  | 1.4   | mmol/L
  0   | serum_magnesium  | 0.35  | mmol/L
  0   | serum_creatinine | 80    | umol/L
"""


def test_who_stands_for_a_patient_shows_what_was_measured_last() -> None:
    everybody = panel([read_sketch(EXTREME).timeline])
    found = fitted(judge(everybody.columns, everybody.posterior, 0)[1], everybody.columns.people[0])
    assert found is not None
    assert found.reached == 1
    middle = {one.seen.test: one.middle for one in found.residuals}
    assert middle["serum_potassium"] == pytest.approx(1.4, rel=0.25)
    assert middle["serum_magnesium"] == pytest.approx(0.35, rel=0.25)
    assert found.holds()


def test_a_few_members_who_come_near_are_no_fit(fit: Fit) -> None:
    few = [one._replace(off=3.5) for one in fit.residuals]
    assert not fit._replace(residuals=tuple(few)).holds()
    assert fit.holds()


def test_it_is_told_where_members_and_the_ranking_differ(fit: Fit) -> None:
    share = {id: float(has.mean()) for id, has in fit.members.having().items()}
    assert rests_on(fit, share) == ""
    leading = max(share, key=lambda id: share[id])
    told = rests_on(fit, share | {leading: share[leading] - 0.5})
    assert knowledge().causes[leading].name in told
    assert f"{100 * share[leading]:.0f} %" in told
    assert "Gitelman" in rests_on(fit, share | {"gitelman": 0.9})


def test_a_fit_by_causes_that_are_hardly_likely_does_not_hold(cloud: tuple[Cloud, Facts], fit: Fit) -> None:
    share = {id: float(has.mean()) for id, has in fit.members.having().items()}
    leading = max(share, key=lambda id: share[id])
    assert share[leading] > 0.5
    assert holds(cloud[0], fit, share)
    assert doubted(fit, share | {leading: 0.05}) == [leading]
    assert not holds(cloud[0], fit, share | {leading: 0.05})


def test_members_with_a_cause_that_is_hardly_likely_do_not_stand_for_the_patient(cloud: tuple[Cloud, Facts]) -> None:
    having = cloud[0].members.having()
    others = {id: 1.0 for id in having if id != "short_bowel"}
    found = fitted(*cloud, others)
    assert found is not None
    assert "short_bowel" not in found.members.having()
    assert "short_bowel" in fitted(*cloud, others | {"short_bowel": 1.0}).members.having()
    assert fitted(*cloud, {}) is not None  # nobody is left: everybody stands
