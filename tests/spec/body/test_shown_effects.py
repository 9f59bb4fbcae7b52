"""Does the body show what physiology says of all that acts on it? And does it say what it cannot show?"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from carnallite.knowledge import effects, find_all, knowledge
from carnallite.physiology import ScenarioError, parse, protocol
from spec.body.shown import ACTING, HERE, courses, not_shown, seen, shown

ITEMS = {f"{kind}/{id}": item for kind in ACTING for id, item in getattr(knowledge(), kind).items()}
FORMS = {f"{name}/{form}" for name, item in ITEMS.items() for form in effects(item)}
EMERGING = {name for name, item in ITEMS.items() if item.emerges}
REFUSED = [name for name, item in ITEMS.items() if item.emerges or item.not_simulated]
# The statements that section 9 of the specification maps to the body.
NAMED = {f"A{number:02}" for number in range(1, 48)} | {
    f"B{number:02}"
    for number in (
        *(3, 7, 8, 9, 10, 11, 13, 14, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 29, 30, 31, 32, 33, 37, 38, 40, 42),
        *(44, 45, 49, 50, 51, 52, 60, 61, 66, 67, 69, 70, 72),
    )
}


@pytest.mark.parametrize("name", shown())
def test_the_body_shows_it(name: str) -> None:
    assert not any(course.status.any() for course in courses(name)), "a course ended early"
    wrong = []
    for expected in shown()[name].expect:
        found = seen(name, expected)
        wanted = expected.between or f"{expected.becomes} than {expected.than} by {found.least:.3g}"
        told = f"{expected.of} {expected.at}: {found.value:.4g} against {found.reference:.4g}, wanted {wanted}"
        if expected.known_miss and found.holds:
            wrong.append(f"{told}: it is shown now, remove `known_miss`")
        if not (expected.known_miss or found.holds):
            wrong.append(told)
    assert not wrong


@pytest.mark.parametrize("name", shown())
def test_a_scenario_is_what_its_file_says_and_is_cited(name: str) -> None:
    one = shown()[name]
    kind, id, *form = one.shows[0].split("/")
    stem = "-".join([ACTING[kind], id, *(word for word in form if word != "typical")])
    assert name == stem or name.startswith(f"{stem}-")
    for item in one.shows:
        kind, id, *form = item.split("/")
        assert item in FORMS | EMERGING
        acting = [(act.id, act.phenotype) for act in getattr(one.scenario, ACTING[kind])]
        assert not form or (id, form[0]) in acting
    assert one.scenario.about.endswith(".")
    assert one.expect
    assert all((expected.becomes is None) != (expected.between is None) for expected in one.expect)
    assert one.statements or one.sources
    assert set(one.sources) <= set(knowledge().references)
    assert all([kind for kind, _ in find_all(place)] == ["statements"] for place in one.statements)


def test_every_form_and_all_that_emerges_has_a_scenario() -> None:
    there = {item for one in shown().values() for item in one.shows}
    assert not (FORMS | EMERGING) - there


def test_every_statement_of_the_specification_is_shown_or_says_why_not() -> None:
    told = [one.statements for one in (*shown().values(), *not_shown())]
    assert not NAMED - {place for places in told for place in places}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_effect_says_why_when_it_is_asked_for(name: str) -> None:
    kind, id = name.split("/")
    with pytest.raises(ScenarioError) as caught:
        protocol(parse(f'title = "asked"\n[[{ACTING[kind]}]]\nid = "{id}"'))
    why = ITEMS[name].not_simulated or ITEMS[name].emerges
    assert f"'{id}' is not simulated. {why}" in str(caught.value)


def test_no_file_is_left_out() -> None:
    assert {path.stem for path in HERE.glob("*.toml")} == {*shown(), "not_shown"}


def test_the_page_of_effects_is_fresh() -> None:
    script = Path(__file__).parents[3] / "scripts" / "effects"
    run = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
