"""Everybody at once: from timelines or from rows, the same answers; alerts and states as columns."""

from __future__ import annotations

import numpy as np

from carnallite.assessment import PRESENT, Panel, panel, panel_of, survey_of
from carnallite.knowledge import knowledge
from carnallite.record import keys_of, rows_of, some_of
from sketched import sketched

LINES = (
    "serum_magnesium 0.4; omeprazole @-200; furosemide @-30; diarrhea @-3",
    "serum_potassium 7.1; digoxin; ckd; amphotericin",
    "serum_calcium 3.4 @-400; serum_potassium -; vomiting @-2",
    "hypoparathyroidism; serum_calcium 1.7; potassium_chloride",
)


def people() -> list[tuple[str, object]]:
    return [(f"p{number}", sketched(line).timeline) for number, line in enumerate(LINES)]


def same(one: Panel, other: Panel) -> None:
    for field in ("rules", "alerts", "states"):
        for id, found in getattr(one, field).items():
            np.testing.assert_array_equal(found, getattr(other, field)[id])
    for field in ("factors", "links"):
        for id, found in getattr(one, field).items():
            np.testing.assert_array_equal(found, getattr(other, field)[id])
    for posterior, theirs in ((one.posterior, other.posterior), (one.listed, other.listed)):
        for name in posterior.__struct_fields__:
            np.testing.assert_array_equal(getattr(posterior, name), getattr(theirs, name))


def test_rows_answer_as_timelines_do() -> None:
    same(panel_of(rows_of(people())), panel(timeline for _, timeline in people()))


def test_a_survey_is_a_panel_without_causes() -> None:
    survey, everything = survey_of(rows_of(people())), panel_of(rows_of(people()))
    for field in ("rules", "alerts", "states"):
        for id, found in getattr(survey, field).items():
            np.testing.assert_array_equal(found, getattr(everything, field)[id])


def test_nobody_is_surveyed() -> None:
    survey = survey_of(rows_of([]))
    assert survey.columns.size == 0
    assert all(found.shape == (0,) for found in survey.rules.values())


def test_some_patients_of_a_table_are_answered_as_among_all() -> None:
    table = rows_of(people())
    some, every = survey_of(some_of(table, np.array([1, 3]))), survey_of(table)
    assert keys_of(some_of(table, np.array([1, 3]))) == ["p1", "p3"]
    for id, found in some.alerts.items():
        np.testing.assert_array_equal(found, every.alerts[id][[1, 3]])


def test_states_are_said_for_everybody() -> None:
    states = panel(timeline for _, timeline in people()).states
    assert states["magnesium"].tolist() == ["low", "normal", "normal", "normal"]
    assert states["potassium"].tolist() == ["normal", "high", "unknown", "normal"]
    assert states["calcium"].tolist() == ["normal", "normal", "unknown", "low"]


def test_a_rule_is_not_said_beside_one_that_stands_for_it() -> None:
    found, hidden = panel(timeline for _, timeline in people()), 0
    for rule in knowledge().rules.values():
        stands = np.any([found.rules[other] == PRESENT for other in rule.unless], axis=0) if rule.unless else False
        hidden += int(((found.rules[rule.id] == PRESENT) & stands).sum())
        assert not found.alerts[rule.id][np.broadcast_to(stands, len(LINES))].any()
        assert (found.alerts[rule.id] == PRESENT).sum() == ((found.rules[rule.id] == PRESENT) & ~stands).sum()
    assert hidden
