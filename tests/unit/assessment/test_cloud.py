"""Virtual patients: who is drawn, what a library holds, and how results weigh them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest

from carnallite.assessment.cloud import LibraryMismatch, anybody, build, draw, find, forms
from carnallite.assessment.cloud.around import around
from carnallite.assessment.cloud.library import simulated
from carnallite.assessment.cloud.members import MOST, NONE, OF_SIZE, causes, drawn_chance
from carnallite.assessment.cloud.weigh import chance, errors, likelihood
from carnallite.physiology import engine, population

if TYPE_CHECKING:
    from pathlib import Path

if engine.kernel() is None:
    pytest.skip("no compiled kernel", allow_module_level=True)

COUNT = 300


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("library")
    build(path, COUNT)
    return path


def test_members_depend_on_seed_and_number_alone() -> None:
    alone, company = draw(1, [700]), draw(1, range(1000))
    for mine, ours in zip(alone, company, strict=True):
        assert np.array_equal(mine[0], ours[700])
    assert not np.array_equal(draw(2, range(1000)).form, company.form)


def test_causes_are_different_and_each_has_a_form_of_its_own() -> None:
    members = draw(1, range(5000))
    for acting, form in zip(members.acting(), members.form, strict=True):
        known = acting[acting != NONE]
        assert len(set(known)) == len(known)
        assert [causes()[one] for one in known] == [forms()[one].cause for one in form[form != NONE]]
    assert set(np.unique(members.form)) == {NONE, *range(len(forms()))}


def test_sets_are_drawn_as_often_as_their_chance_says() -> None:
    members = draw(1, range(20_000))
    sizes = np.bincount((members.form != NONE).sum(axis=1), minlength=MOST + 1) / len(members.number)
    assert sizes == pytest.approx(OF_SIZE, abs=0.02)
    ways = [1, len(causes()), len(causes()) * (len(causes()) - 1) / 2]
    assert [drawn_chance(size) * count for size, count in enumerate(ways)] == pytest.approx(OF_SIZE[:3])


def test_a_library_is_the_same_in_one_go_and_in_parts(folder: Path) -> None:
    library = find(folder)
    assert len(library) == COUNT
    last = draw(1, range(290, 300))
    assert np.array_equal(library.members.form[290:], last.form)
    shown = simulated(last, 1).before
    assert library.shown["serum_magnesium"][290:] == pytest.approx(shown["serum_magnesium"], rel=1e-6, nan_ok=True)


def test_a_build_goes_on_where_it_was_stopped(tmp_path: Path, folder: Path) -> None:
    seen: list[population.Progress] = []

    def stop(progress: population.Progress) -> None:
        seen.append(progress)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(tmp_path, COUNT, report=stop)
    assert len(seen) == 1
    build(tmp_path, COUNT)
    again, whole = find(tmp_path), find(folder)
    assert np.array_equal(again.shown["serum_potassium"], whole.shown["serum_potassium"], equal_nan=True)


def test_libraries_are_not_mixed(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(population.PopulationMismatch):
        build(folder, COUNT, seed=2)
    with pytest.raises(LibraryMismatch, match="no library"):
        find(tmp_path)
    build(tmp_path, 20)
    told = (tmp_path / population.MANIFEST).read_text("utf-8")
    made = population.manifest_in(tmp_path)
    assert made is not None
    (tmp_path / population.MANIFEST).write_text(told.replace(made.body, "0" * 16), "utf-8")
    with pytest.raises(LibraryMismatch, match="another model"):
        find(tmp_path)


def test_members_around_a_patient_have_the_causes_that_are_asked_about() -> None:
    woman = msgspec.structs.replace(anybody(), women=1.0, age=60.0, weight="55 kg")
    found = around(woman, [(), ("gitelman",)], each=8)
    healthy, sick = (np.nanmedian(found.shown["serum_potassium"][found.of == number]) for number in (0, 1))
    assert healthy == pytest.approx(4.2, abs=0.2)
    assert sick < 3.6
    again = around(woman, [(), ("gitelman",)], each=8)
    assert np.array_equal(found.shown["serum_potassium"], again.shown["serum_potassium"], equal_nan=True)


def test_results_weigh_members_and_missing_ones_drop_out() -> None:
    shown = {test: np.array([1.0, 0.5, np.nan]) for test in errors()}
    assert likelihood({}, shown) == pytest.approx([0, 0, 0])
    one = likelihood({"serum_magnesium": (0.5, 0.5)}, shown)
    assert one[1] > one[0]
    assert np.isnan(one[2])
    both = likelihood({"serum_magnesium": (0.5, 0.5), "serum_potassium": (1.0, 1.0)}, shown)
    assert both[0] - one[0] > both[1] - one[1]


@pytest.mark.parametrize("value", [0.01, 0.3, 1.0, 4.0, 80.0])
def test_a_result_below_or_above_a_limit_is_an_interval(value: float) -> None:
    member = np.array([1.0])
    below = np.exp(chance("serum_potassium", 0.0, value, member))[0]
    above = np.exp(chance("serum_potassium", value, np.inf, member))[0]
    assert below + above == pytest.approx(1.0, abs=0.1)
    assert below >= 0
    assert above >= 0


def test_no_result_is_ever_impossible() -> None:
    far = chance("serum_potassium", 9.0, 9.0, np.array([3.0]))[0]
    assert np.isfinite(far)
    assert far > np.log(1e-6)
