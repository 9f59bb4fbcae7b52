"""Compiled sums over members are those that NumPy would make."""

from __future__ import annotations

import numpy as np
import pytest

from carnallite.assessment.cloud.means import Shelf, lean_on_parts, question
from carnallite.assessment.cloud.weigh import likelihood
from carnallite.physiology import engine

if engine.kernel() is None:
    pytest.skip("no compiled kernel", allow_module_level=True)

MEMBERS = 6000
RESULTS = {
    "serum_magnesium": (0.4, 0.42),
    "serum_potassium": (0.0, 2.9),
    "pth": (0.2, np.inf),
    "egfr": (55.0, 60.0),
}
TESTS = frozenset(RESULTS)
CHOICES = (TESTS, frozenset({"serum_magnesium"}), frozenset({"pth", "egfr"}))


@pytest.fixture(scope="module")
def shown() -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    draw = np.random.default_rng(7)
    looks = []
    for _ in range(2):
        look = {test: draw.lognormal(0.0, 2.0, MEMBERS).astype(np.float32) for test in RESULTS}
        for column in look.values():
            column[draw.random(MEMBERS) < 0.02] = np.nan
        looks.append(look)
    return looks[0], looks[1]


@pytest.fixture(scope="module")
def form() -> np.ndarray:
    return np.random.default_rng(8).integers(0, 6, (MEMBERS, 3))


@pytest.mark.parametrize("treated", [frozenset(), frozenset({"serum_potassium", "egfr"}), TESTS])
@pytest.mark.parametrize("by_form", [True, False])
def test_sums_are_those_of_each_member(shown, form, treated: frozenset[str], by_form: bool) -> None:
    draw = np.random.default_rng(9)
    rows = draw.permutation(MEMBERS)[:5000]
    size = np.array([0, 1, 2600, 3, 0, 1024, 1, 700, 0, 400])  # more than are taken at once, and none
    first = np.concatenate([[0], np.cumsum(size[:-1])])
    often = np.array([0.5, 0.0, 1.5, 2.0, 0.1, 1.0])
    found = Shelf(rows, *shown, form if by_form else None).sums(question(RESULTS, treated, CHOICES), first, size, often)
    for place, tests in enumerate(CHOICES):
        some = {test: ends for test, ends in RESULTS.items() if test in tests}
        log = likelihood(some, {test: shown[test in treated][test][rows].astype(float) for test in some})
        weight = np.where(np.isnan(log), 0.0, often[form[rows]].prod(axis=1) if by_form else 1.0)
        likely = weight * np.exp(np.nan_to_num(log, nan=-800.0))
        for number, (begin, count) in enumerate(zip(first, size, strict=True)):
            mine = slice(begin, begin + count)
            assert found.weights[place, number] == pytest.approx(weight[mine].sum(), rel=1e-12)
            assert found.likely[place, number] == pytest.approx(likely[mine].sum(), rel=1e-10)


def test_who_did_not_live_to_show_a_result_is_known(shown) -> None:
    shelf = Shelf(np.arange(MEMBERS), *shown)
    alive = shelf.alive([(test, test == "pth") for test in RESULTS])
    dead = [np.isnan(shown[test == "pth"][test]) for test in RESULTS]
    assert (alive == ~np.any(dead, axis=0)).all()


@pytest.mark.parametrize("causes", [0, 1, 4, 10])
def test_a_set_leans_on_the_best_of_those_that_lack_a_cause(causes: int) -> None:
    draw = np.random.default_rng(causes)
    weights = draw.random(1 << causes) * (draw.random(1 << causes) < 0.3)
    likely = weights * draw.random(1 << causes)
    found = lean_on_parts(weights, likely, lean=8.0, least=1e-9)
    expected = {0: likely[0] / max(weights[0], 1e-9)}
    for number in range(1, 1 << causes):
        parts = max(expected[number ^ (1 << bit)] for bit in range(causes) if number >> bit & 1)
        expected[number] = (likely[number] + 8.0 * parts) / (weights[number] + 8.0)
    np.testing.assert_allclose(found, [expected[number] for number in range(1 << causes)], rtol=1e-14)
