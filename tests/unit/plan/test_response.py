"""What a response teaches: what was expected, what happened, and what that says of the causes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from carnallite.assessment import Examined, Facts, Fit, examine, onward, relative, seen_of
from carnallite.assessment.cloud.history import LENGTH, Seen, given_since
from carnallite.assessment.cloud.onward import Later
from carnallite.errors import ScenarioError
from carnallite.physiology import engine, population
from carnallite.physiology.scenario import Dose
from carnallite.plan import advise
from carnallite.plan.response import FILTRATION, Since, explained, responded, since_of
from records import DAY, condition, drug, given, observation, read

if engine.kernel() is None:
    pytest.skip("no compiled kernel", allow_module_level=True)

if TYPE_CHECKING:
    from carnallite.plan import Response

START = datetime(2020, 6, 1, 9, tzinfo=UTC)
HOURS = 72.0
NOW = START + timedelta(hours=HOURS)
INFUSED = Dose(what="magnesium sulfate", amount="16 mmol", route="intravenous", at=("1 h", "25 h", "49 h"), over="4 h")


def later(loinc: str, value: float, unit: str, hours: float = HOURS) -> dict[str, Any]:
    return observation(loinc, value, unit, effectiveDateTime=f"{START + timedelta(hours=hours):%Y-%m-%dT%H:%M:00Z}")


def infusion(hours: float) -> dict[str, Any]:
    return given("magnesium sulfate", 16, "mmol", f"{START + timedelta(hours=hours):%Y-%m-%dT%H:%M:00Z}")


THEN = (
    observation("2601-3", 0.45, "mmol/L"), observation("2823-3", 3.0, "mmol/L"), observation("14682-9", 80, "umol/L"),
    condition("chronic diarrhea", onsetDateTime="2020-04-01"),
    drug("hydrochlorothiazide", effectivePeriod={"start": "2020-01-01"}),
)  # fmt: skip
GIVEN = tuple(infusion(hours) for hours in (1, 25, 49))


@pytest.fixture(scope="module")
def before() -> Examined:
    return examine(read(*THEN, now=START))


@pytest.fixture(scope="module")
def fit(before: Examined) -> Fit:
    assert before.fit is not None
    return before.fit


def response(before: Examined, *resources: dict[str, Any], now: datetime = NOW) -> Response:
    examined = examine(read(*THEN, *resources, now=now), depth="findings")
    return responded(before, examined.columns.people[0], examined.assessment)


def foretold(fit: Fit, doses: tuple[Dose, ...]) -> dict[str, np.ndarray]:
    tests = ("serum_magnesium", "serum_potassium", "urine_magnesium_24h")
    course = onward(fit, population.needed(tests), (HOURS - 24, HOURS), Later(doses=doses))
    return {test: values[:, -1] for test, values in population.columns(course, tests).items()}


def test_what_virtual_patients_show_is_as_expected(before: Examined, fit: Fit) -> None:
    middle = float(np.median(foretold(fit, (INFUSED,))["serum_magnesium"]))
    told = response(before, *GIVEN, later("2601-3", round(middle, 2), "mmol/L"))
    (reply,) = told.replies
    assert reply.verdict == reply.fits == "as_expected"
    assert reply.expected.low < middle < reply.expected.high
    assert told.given["magnesium"] == 48.0
    assert "expected" in told.words[0]


def test_a_level_that_stays_low_is_told_as_such_and_never_as_fitting(before: Examined) -> None:
    told = response(before, *GIVEN, later("2601-3", 0.3, "mmol/L"))
    (reply,) = told.replies
    assert reply.verdict == reply.fits == "lower"
    assert any("not thought of" in sentence for sentence in told.words)


def test_members_learn_what_is_true_of_them(fit: Fit) -> None:
    """Whoever of the members is the patient: on average their own causes become likelier by their own results."""
    course = foretold(fit, (INFUSED,))
    having = fit.members.having()
    gain = []
    since = Since(HOURS, (INFUSED,), (), {})
    trajectory = onward(
        fit, (*population.needed(tuple(course)), FILTRATION), (HOURS - 24, HOURS), Later(doses=(INFUSED,))
    )
    for row in range(0, len(fit.members.number), 3):
        seen = tuple(Seen(test, HOURS, values[row], values[row], 1.0) for test, values in course.items())
        now = relative(explained(fit, trajectory, since._replace(seen=seen)))
        for has in having.values():
            share, after = has.mean(), now[has].sum()
            gain.append(np.log(after / share) if has[row] else np.log((1 - after) / (1 - share)) if share < 1 else 0.0)
    assert np.mean(gain) > 0


def test_doses_by_mouth_that_did_not_arrive(before: Examined, fit: Fit) -> None:
    tablets = drug(
        "magnesium citrate", effectivePeriod={"start": "2020-06-01T10:00:00Z"},
        dosage=[{"timing": {"repeat": {"frequency": 3, "period": 1, "periodUnit": "d"}},
                 "doseAndRate": [{"doseQuantity": {"value": 12, "unit": "mmol"}}], "route": {"text": "oral"}}],
    )  # fmt: skip
    now = START + timedelta(days=14)
    dose = given_since(Facts.of(read(*THEN, tablets, later("2601-3", 0.6, "mmol/L", 336), now=now).timeline), 336.0)
    assert len(dose) == pytest.approx(42, abs=1)
    shown = {
        name: onward(fit, population.needed(["serum_magnesium"]), (336.0,), Later(doses=doses))
        for name, doses in (("taken", dose), ("not", ()))
    }
    level = {
        name: round(float(np.nanmedian(population.columns(course, ["serum_magnesium"])["serum_magnesium"][:, -1])), 2)
        for name, course in shown.items()
    }
    assert level["taken"] > level["not"]
    odds = {
        name: response(before, tablets, later("2601-3", value, "mmol/L", 336), now=now).not_arrived
        for name, value in level.items()
    }
    assert odds["taken"] is not None
    assert odds["not"] is not None
    assert odds["taken"] < 1 < odds["not"]


def test_a_drug_that_was_stopped_since_ends_then(before: Examined, fit: Fit) -> None:
    assert "thiazide" in fit.history.windows
    stopped = drug(
        "hydrochlorothiazide", status="stopped", effectivePeriod={"start": "2020-01-01", "end": "2020-06-02T09:00:00Z"}
    )
    reading = read(*THEN[:-1], stopped, later("2601-3", 0.6, "mmol/L"), now=NOW)
    since = since_of(fit, Facts.of(reading.timeline), HOURS)
    assert since.ended["thiazide"] == pytest.approx(24.0)
    then = read(*THEN[:-1], stopped, later("2601-3", 0.6, "mmol/L"), now=START)
    assert [one.status for one in then.timeline.exposures] == ["current"]


def test_nothing_is_told_without_grounds(before: Examined) -> None:
    assert "measured since" in response(before, *GIVEN).why_not
    late = START + timedelta(days=40)
    assert "days ago" in response(before, later("2601-3", 0.6, "mmol/L", 960), now=late).why_not
    normal = examine(read(observation("2601-3", 0.85, "mmol/L"), now=START))
    assert response(normal, later("2601-3", 0.6, "mmol/L")).why_not
    assert not response(normal, later("2601-3", 0.6, "mmol/L")).words


def test_results_of_then_are_not_evidence_twice(fit: Fit) -> None:
    reading = read(*THEN, later("2601-3", 0.6, "mmol/L"), now=NOW)
    facts = Facts.of(reading.timeline)
    assert {one.time for one in seen_of(facts)} > {LENGTH}
    assert [(one.test, one.time) for one in since_of(fit, facts, HOURS).seen] == [("serum_magnesium", HOURS)]


def test_what_was_begun_since_is_named(before: Examined) -> None:
    amiloride = drug("amiloride", effectivePeriod={"start": f"{DAY}T12:00:00Z"})
    told = response(before, amiloride, later("2601-3", 0.6, "mmol/L"))
    assert told.not_simulated == ("amiloride",)


def test_the_answer_holds_the_response_only_where_it_is_asked_for() -> None:
    reading = read(*THEN, *GIVEN, later("2601-3", 0.6, "mmol/L"), now=NOW)
    before = read(*THEN, *GIVEN, later("2601-3", 0.6, "mmol/L"), now=START)
    assert advise(reading, depth="findings").response is None
    told = advise(reading, before=before, depth="findings").response
    assert told is not None
    assert told.since == START
    assert told.replies


@pytest.mark.parametrize("error", [LookupError(), ValueError(), FloatingPointError(), ScenarioError("x", "y", "z")])
def test_a_failed_simulation_leaves_the_rest_of_the_answer(
    before: Examined, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fails(*_args: object, **_keys: object) -> None:
        raise error

    monkeypatch.setattr("carnallite.plan.response.onward", fails)
    told = response(before, *GIVEN, later("2601-3", 0.6, "mmol/L"))
    assert told.why_not.startswith("The simulation failed (")
    assert not told.replies and told.retained is None


def test_causes_move_by_the_whole_inference(before: Examined) -> None:
    told = response(before, *GIVEN, later("2601-3", 1.4, "mmol/L"))
    then = {one.id: one.probability for one in before.assessment.causes}
    assert told.causes  # of a low level that has become a high one
    assert all(one.before == then.get(one.id, 0.0) for one in told.causes)
    assert [abs(one.after - one.before) for one in told.causes] == sorted(
        (abs(one.after - one.before) for one in told.causes), reverse=True
    )
