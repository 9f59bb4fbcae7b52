"""Python holds no clinical number: whatever a clinician could dispute is a data file with its source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import carnallite

HOME = Path(carnallite.__file__).parent
ROOMS = ("assessment", "plan", "record", "knowledge")
STRUCTURE = {
    0.0, 1.0, -1.0,  # nothing, the whole, a sign
    24.0, 1440.0, 365.25,  # calendar
    1000.0,  # milli
    1e-12, 1e-9, 1e-7, 1e-6, 1e300,  # guards of arithmetic
}  # fmt: skip
# What is shown and what is not: choices of presentation, not of medicine.
PRESENTATION = {
    ("individual.py", 0.01): "a cause less probable is not listed",
    ("individual.py", 0.05): "a set of causes less probable is not listed",
    ("individual.py", 0.2): "a factor less probable is not listed",
    ("individual.py", 0.4): "only a clue that a cause usually brings speaks against it when absent",
    ("individual.py", 0.5): "more likely than not",
    (
        "individual.py",
        1.5,
    ): "two causes nearer to each other than this cannot be told apart; weaker clues are not told",
    ("odds.py", 0.0002): "an error of arithmetic at which fitting ends",
    ("investigate.py", 0.005): "a test that brings fewer bits is not proposed",
    ("tell.py", 0.08): "an age below a month is told in days",
    ("order.py", 0.001): "litres of a millilitre",
    ("events.py", 1e6): "microseconds of a second",
    ("measured.py", 40.0): "any adult: intervals of who has no known age are those of adults",
    ("measured.py", 200.0): "nobody is older",
    ("build.py", 90.0): "how data sets disguise ages over 89",
}


def numbers() -> Iterator[tuple[str, int, float]]:
    for room in ROOMS:
        for path in sorted((HOME / room).glob("*.py")):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, float):
                    yield path.name, node.lineno, node.value


def test_python_holds_no_clinical_number() -> None:
    found = [
        f"{file}:{line} holds {value}: make it a threshold, or say here why it is none"
        for file, line, value in numbers()
        if value not in STRUCTURE and (file, value) not in PRESENTATION
    ]
    assert not found


def test_every_exception_is_still_needed() -> None:
    there = {(file, value) for file, _, value in numbers()}
    assert not set(PRESENTATION) - there
