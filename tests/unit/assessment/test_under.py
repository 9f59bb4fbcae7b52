"""Treatment under which results were taken is known to virtual patients."""

from __future__ import annotations

import pytest

from carnallite.assessment.cloud.around import around
from carnallite.assessment.cloud.history import LENGTH, Treatment
from carnallite.assessment.cloud.people import anybody
from carnallite.assessment.cloud.under import Given, Under, given_before, under_of, usual
from carnallite.assessment.facts import Facts
from carnallite.knowledge import knowledge
from carnallite.physiology import engine
from carnallite.physiology.scenario import Dose
from carnallite.record.sketch import read_sketch

LOW = "0|serum_magnesium|0.5|mmol/L\n0|serum_potassium|3.1|mmol/L"


def under(lines: str) -> Under | None:
    return under_of(Facts.of(read_sketch(f"day|what|value|unit\n{lines}").timeline))


def test_dosesgiven_before_a_result_are_averaged() -> None:
    found = under(f"-10|potassium_chloride|6|g/d\n{LOW}")
    assert found is not None
    (given,) = found.given
    assert given == Given("potassium chloride", "oral", pytest.approx(6.0), "g")
    assert found.hours == 240
    assert found.tests == {"serum_magnesium", "serum_potassium"}


def test_single_doses_are_one_course() -> None:
    days = (-2.5, -1.5, -0.5)
    doses = [
        Dose(what="potassium chloride", amount="40 mmol", route="oral", at=(f"{LENGTH + 24 * day} h",)) for day in days
    ]
    treatments = [Treatment("potassium_chloride", dose, goes_on=False) for dose in doses]
    ((given, begin),) = given_before(treatments, LENGTH, frozenset())
    assert begin == LENGTH - 60
    assert given.amount == pytest.approx(3 * 40 * 24 / 60)


def test_a_resultgiven_before_the_treatment_is_untreated() -> None:
    lines = "-10|potassium_chloride|6|g/d\n-20|serum_magnesium|0.4|mmol/L\n0|serum_potassium|3.1|mmol/L"
    found = under(lines)
    assert found is not None
    assert found.tests == {"serum_potassium"}


@pytest.mark.parametrize(
    "lines",
    [
        LOW,
        f"-0.2|potassium_chloride|6|g/d\n{LOW}",  # it has hardly begun
        "-10|potassium_chloride|6|g/d\n0|serum_potassium|6.1|mmol/L",  # a cause there, no treatment
    ],
)
def test_what_is_no_treatment_of_a_lack_counts_as_none(lines: str) -> None:
    assert under(lines) is None


@pytest.mark.skipif(engine.kernel() is None, reason="no compiled kernel")
@pytest.mark.parametrize("name", usual())
def test_members_under_treatment_hold_more(name: str) -> None:
    one = usual()[name]
    tests = frozenset({"serum_magnesium", "serum_potassium"})
    plain, treated = (
        around(anybody(), [("ppi", "loop_diuretic")], each=40, seed=1, under=given).shown
        for given in (None, one._replace(tests=tests))
    )
    ions = {given.what.split()[0] for given in one.given}
    for ion in ions:
        assert (treated[f"serum_{ion}"] > plain[f"serum_{ion}"]).mean() > 0.9
    assert treated["serum_calcium"] == pytest.approx(plain["serum_calcium"], rel=1e-3)  # was taken before


def test_usual_doses_are_those_of_the_knowledge() -> None:
    oral = [dose.high_mmol for dose in knowledge().treatments["oral_magnesium"].doses if dose.source == "sps"]
    assert [given.amount for given in usual()["magnesium_by_mouth"].given] == oral
