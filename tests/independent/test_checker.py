"""Cases worked out by hand from the printed table."""

from pathlib import Path

import pytest

from .checker import FALSE, MISSING, TRUE, UNKNOWN, Checker, Dose, Session, most

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "safety.md").read_text(encoding="utf-8")
CHECKER = Checker(PAGE)

HEALTHY: dict[str, object] = {
    "age": (60.0, 60.0),
    "body_weight": (70.0, 70.0),
    "days_with(pregnancy)": MISSING,
    "egfr": (90.0, 90.0),
    "heart_rate": (70.0, 70.0),
    "qtc_interval": (420.0, 420.0),
    "serum_magnesium": (0.8, 0.8),
    "current(serum_magnesium)": (0.8, 0.8),
    "serum_potassium": (4.0, 4.0),
    "current(serum_potassium)": (4.0, 4.0),
    "highest(serum_potassium)": (4.0, 4.0),
    "blood_potassium": MISSING,
    "current(blood_potassium)": MISSING,
    "highest(blood_potassium)": MISSING,
    "serum_sodium": (140.0, 140.0),
    "systolic_pressure": (120.0, 120.0),
    "urine_volume_24h": (1.5, 1.5),
}


def session(**changes: object) -> Session:
    """Begin a plan for a healthy adult with some changes; what is not named is false. A function is written f__x."""
    changed = {(f"{name.replace('__', '(')})" if "__" in name else name): value for name, value in changes.items()}
    facts = HEALTHY | changed
    return CHECKER.patient(lambda text: facts.get(text, FALSE))


def potassium(serum: float) -> dict[str, object]:
    """Give what a present result of potassium makes true."""
    result = (serum, serum)
    return {
        "serum_potassium": result,
        "current__serum_potassium": result,
        "highest__serum_potassium": result,
        "hypokalemia": TRUE if serum < 3.5 else FALSE,
    }


def dose(
    thing: str, amount: float, over: float, *times: float, route: str = "intravenous", volume: float = 1.0
) -> Dose:
    """Give a dose of one thing, once if no times are told, with a level after each dose where it is only one."""
    return Dose({thing: amount}, route, times or (0.0,), over, volume, 0 if times else 1)


def test_whole_page_is_read() -> None:
    """Every line of the page is in the table, and every unit is that of its measure."""
    assert len(CHECKER.ceilings) == 3 + 1 + 10 + 16 + 2 + 4
    assert len(CHECKER.contraindications) == 4 + 3 + 2 + 15 + 8 + 1 + 1
    assert len(CHECKER.spared) == 1
    assert len(CHECKER.thresholds) == 17
    named = len(CHECKER.ceilings) + len(CHECKER.contraindications) + len(CHECKER.thresholds)
    assert sum(line.startswith("| `") for line in PAGE.splitlines()) == named
    per = {"one dose / its duration": "/h", "one dose / its volume": "/L"}
    for line in CHECKER.ceilings:
        assert line.unit.removesuffix("/h").removesuffix("/L") + per.get(line.measure, "") == line.unit


def test_potassium_by_vein_while_unknown() -> None:
    """Without a result 10 mmol an hour and nothing by vein; 20 mmol in a litre are not too strong."""
    unknown = dict.fromkeys(("serum_potassium", "current__serum_potassium", "highest__serum_potassium"), MISSING)
    found = session(**unknown, hypokalemia=UNKNOWN, hyperkalemia=UNKNOWN).judge(dose("potassium", 20, 1))
    assert found.barred and not found.spared
    assert found.barring == {
        "potassium_rate_label",  # 20 mmol/h, unless is unknown
        "potassium_rate_everyday",
        "potassium_unknown_by_vein",
        "potassium_unknown",
        "potassium_not_low_by_vein",
    }
    assert not found.asking and not found.cautions


@pytest.mark.parametrize(
    ("serum", "rate", "barring"),
    [
        (3.0, 10.0, set[str]()),
        (3.0, 10.001, {"potassium_rate_label", "potassium_rate_everyday"}),
        (2.5, 20.0, set[str]()),
        (1.9, 20.0, set[str]()),
        (1.9, 20.001, {"potassium_rate_fast_everyday"}),
        (1.9, 40.001, {"potassium_rate_fast_everyday", "potassium_rate_outer", "potassium_level_by_vein"}),
    ],
)
def test_potassium_rates(serum: float, rate: float, barring: set[str]) -> None:
    """The rates of potassium with paralysis: 10, from 2.5 mmol/L on by the label 20, below 2.0 up to 40 mmol/h."""
    expected = barring | ({"potassium_rate_everyday"} if serum == 2.5 else set())
    patient = session(**potassium(serum), acute__paralysis=TRUE)
    assert patient.judge(dose("potassium", rate, 1, volume=2.0)).barring == expected


def test_magnesium_in_torsades() -> None:
    """The first 2 g are spared, do not count in the rate of the second, but count in everything else."""
    patient = session(just__torsades=TRUE, hypomagnesemia=UNKNOWN, recorded__av_block_high_degree=TRUE)
    first = patient.judge(dose("magnesium", 8.11, 0.25))  # 32.44 mmol/h
    assert first.spared and not first.barred
    assert first.barring == {"magnesium_rate_everyday", "magnesium_heart_block"}
    patient.take(dose("magnesium", 8.11, 0.25))
    second = patient.judge(dose("magnesium", 8.11, 0.25))
    assert second.barred and not second.spared
    assert second.barring == {"magnesium_rate_everyday", "magnesium_heart_block", "magnesium_level_unknown"}
    patient.take(dose("magnesium", 8.11, 0.25))
    assert "magnesium_rate_label" in patient.judge(dose("magnesium", 8.11, 0.25)).barring  # 64.88 mmol/h of two


@pytest.mark.parametrize(
    ("given", "changes"),
    [
        (dose("magnesium", 8.3, 0.25), {"just__torsades": TRUE}),
        (dose("magnesium", 8.11, 0.25, 0.0, 12.0), {"just__torsades": TRUE}),
        (dose("magnesium", 8.11, 0.25, route="intramuscular"), {"just__torsades": TRUE}),
        (dose("magnesium", 8.11, 0.25), {"just__torsades": UNKNOWN}),
        (dose("magnesium", 8.11, 0.25), {"just__torsades": TRUE, "hypermagnesemia": TRUE}),
        (dose("magnesium", 8.11, 0.25), {"just__cardiac_arrest": TRUE}),
    ],
)
def test_not_spared(given: Dose, changes: dict[str, object]) -> None:
    """Too much, more than one, another route, torsades not sure, magnesium high, or an arrest with known magnesium."""
    assert not session(**changes).judge(given).spared


def test_magnesium_while_filtration_is_unknown() -> None:
    """20 mmol over 3 h are 6.7 mmol/h: within 8.2, but above the 4.1 of a kidney that is not known."""
    low: dict[str, object] = {"serum_magnesium": (0.5, 0.5), "hypomagnesemia": TRUE}
    given = dose("magnesium", 20, 3)
    assert not session(**low).judge(given).barring
    found = session(**low, egfr=MISSING, kidney_failure=UNKNOWN).judge(given)
    assert found.barring == {"magnesium_rate_kidney", "magnesium_level_kidney"}


def test_magnesium_asks() -> None:
    """What is not known of the ECG and the heart rate is asked for; drugs are only told where they are known."""
    patient = session(
        hypomagnesemia=TRUE,
        recorded__av_block_high_degree=UNKNOWN,
        heart_rate=(45.0, 55.0),
        taking__nifedipine=TRUE,
        taking__digitalis=UNKNOWN,
    )
    found = patient.judge(dose("magnesium", 8, 1))
    assert not found.barred and not found.barring
    assert found.asking == {"magnesium_heart_block", "magnesium_slow_heart"}
    assert found.cautions == {"magnesium_nifedipine"}


@pytest.mark.parametrize(
    ("changes", "barring"),
    [
        ({"age": (17.0, 17.9)}, {"child"}),
        ({"age": MISSING}, {"child"}),
        ({"age": (18.0, 18.0)}, set[str]()),
        ({"body_weight": (39.0, 41.0)}, set[str]()),
        ({"body_weight": (151.0, 151.0)}, {"extreme_weight"}),
        ({"recorded__pregnancy": TRUE}, {"pregnancy"}),
        ({"recorded__pregnancy": TRUE, "days_with__pregnancy": (250.0, 350.0)}, {"pregnancy"}),
        ({"recorded__pregnancy": TRUE, "days_with__pregnancy": (300.0, 350.0)}, set[str]()),
        ({"recorded__dialysis": TRUE, "recorded__ecmo": UNKNOWN}, {"replacement"}),
    ],
)
def test_lines_for_everything(changes: dict[str, object], barring: set[str]) -> None:
    """Even a thing with no table of its own has the lines of all."""
    assert session(**changes).judge(dose("thiamine", 100, 1)).barring == barring


def test_saline_with_heart_failure() -> None:
    """1 L over 2 h is 0.5 L/h; with heart failure a quarter of a litre, unless in shock."""
    saline = dose("water", 1, 2)
    assert not session().judge(saline).barring
    assert session(recorded__heart_failure=TRUE).judge(saline).barring == {"water_day_overload"}
    assert session(recorded__heart_failure=TRUE, acute__shock=UNKNOWN).judge(saline).barred
    assert not session(recorded__heart_failure=TRUE, acute__shock=TRUE).judge(saline).barred
    assert not session(serum_sodium=MISSING).judge(saline).barred  # 1 L is not more than 1 L
    patient = session(serum_sodium=MISSING)
    patient.take(dose("water", 0.1, 2, 48.0))
    assert patient.judge(saline).barring == {"water_rate", "water_day_hyponatremia"}  # as if all ran at once


def test_windows() -> None:
    """What runs partly within a window counts with that part."""
    twelve = dose("potassium", 20, 3, 0.0, 12.0, 24.0)
    assert most(twelve, 20, 24) == pytest.approx(40)
    assert most(twelve, 20, 27) == pytest.approx(60)
    assert most(twelve, 20, 25) == pytest.approx(20 + 20 + 20 / 3)
    assert most(dose("water", 3, 36), 3, 24) == pytest.approx(2)
    assert most(dose("water", 3, 36, 0.0, 42.0), 3, 48) == pytest.approx(3 + 0.5)
    assert most(dose("magnesium", 15, 0, 0.0, 12.0, 24.0), 15, 24) == 30  # two tablets in any 24 h
    patient = session(**potassium(3.0))
    assert not patient.judge(twelve).barring  # 6.7 mmol/h, 20 mmol/L, 40 mmol until the level
    patient.take(twelve)
    again = patient.judge(twelve)
    assert again.barring == {"potassium_rate_label", "potassium_rate_everyday", "potassium_level_by_vein"}


def test_level_and_kidney_of_potassium() -> None:
    """By mouth 20 mmol three times a day: 60 mmol until the level, or 20 if it is after each."""
    by_mouth = dose("potassium", 20, 0, 0.0, 8.0, 16.0, route="oral")
    low = potassium(3.0)
    assert not session(**low).judge(by_mouth).barring
    assert session(**low, egfr=MISSING).judge(by_mouth).barring == {"potassium_level_kidney"}
    assert not session(**low, egfr=MISSING).judge(by_mouth._replace(level_after=1)).barring
    both = session(**low, egfr=MISSING, taking__potassium_raising=UNKNOWN).judge(by_mouth._replace(level_after=1))
    assert both.barring == {"potassium_level_kidney_and_sparing"}
    assert session(**low).judge(dose("potassium", 41, 0, route="oral")).barring == {"potassium_dose_by_mouth"}


def test_concentration_without_a_volume() -> None:
    """10 mmol in 1 mL are 10 mol/L; an earlier dose does not count."""
    patient = session(**potassium(3.0))
    undiluted = dose("potassium", 10, 2)._replace(volume=None)
    both = {"potassium_concentration_outer", "potassium_concentration_everyday"}
    assert patient.judge(undiluted).barring == both
    patient.take(undiluted)
    assert not patient.judge(dose("potassium", 10, 2, volume=0.25)).barring
