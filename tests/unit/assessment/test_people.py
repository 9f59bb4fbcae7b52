"""Virtual patients are as heavy and filter as much as adults of their sex and age."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from carnallite.assessment.cloud.people import LEAST_GFR, anybody, creatinine, drawn, population
from carnallite.assessment.columns import Columns
from carnallite.physiology.body import size
from carnallite.record.sketch import read_sketch

MANY = np.arange(4000)


@pytest.mark.parametrize(("sex", "age"), [("male", 34.2), ("female", 64.0), ("female", 80.0)])
def test_people_lie_where_adults_of_their_sex_and_age_lie(sex: str, age: float) -> None:
    band = next(one for one in population().bands if one.sex == sex and one.age == age)
    known = msgspec.structs.replace(anybody(), women=None, sex=sex, age=age)
    found = drawn(known, MANY, seed=1)
    assert np.quantile(found["person.weight"], [0.16, 0.5, 0.84]) == pytest.approx(band.weight, rel=0.03)
    filtration = found["normal.gfr"] / size({name: found[name] for name in found if "person" in name}, count=len(MANY))
    egfr = filtration * 1000 / 60
    assert np.quantile(egfr, [0.5, 0.84]) == pytest.approx(band.egfr[1:], rel=0.03)
    assert egfr.min() >= LEAST_GFR - 1e-9  # less is kidney disease, which is a cause


def test_what_is_known_is_kept_and_the_rest_follows_it() -> None:
    known = msgspec.structs.replace(anybody(), weight="51 kg")
    found = drawn(known, MANY, seed=1)
    assert set(found["person.weight"]) == {51.0}
    assert found["person.male"].mean() == pytest.approx(0.5, abs=0.03)
    young, old = found["person.age"] < 45, found["person.age"] > 75
    assert found["normal.gfr"][young].mean() > 1.2 * found["normal.gfr"][old].mean()


def test_a_person_is_the_same_in_any_company() -> None:
    alone, company = drawn(anybody(), np.array([77]), seed=1), drawn(anybody(), MANY, seed=1)
    assert {name: float(value[0]) for name, value in alone.items()} == {
        name: float(value[77]) for name, value in company.items()
    }


@pytest.mark.parametrize(("sex", "age", "egfr"), [("male", 30, 118.0), ("female", 71, 62.0), ("male", 80, 14.0)])
def test_creatinine_gives_back_the_filtration(sex: str, age: int, egfr: float) -> None:
    people = {"male": np.array([float(sex == "male")]), "age": np.array([float(age)])}
    (found,) = creatinine(np.array([egfr]), people)
    lines = f"day|what|value|unit\n0|age|{age}|\n0|sex|{sex}|\n0|serum_creatinine|{found:.6f}|umol/L"
    columns = Columns.of([read_sketch(lines).timeline])
    low, high = columns.numbers("value", "egfr")
    assert (low[0] + high[0]) / 2 == pytest.approx(egfr, rel=0.02)
    assert np.isnan(creatinine(np.array([np.nan]), people)).all()
