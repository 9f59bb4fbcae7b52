"""Cases worked out by hand from the printed table."""

import re
from pathlib import Path

import pytest

from .checker import FALSE, MISSING, TRUE, UNKNOWN, Checker, Dose, Session, expression_of, line_of, most

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "safety.md").read_text(encoding="utf-8")
CHECKER = Checker(PAGE)
LINES = CHECKER.ceilings + CHECKER.contraindications + CHECKER.spared
QUICK = 0.01  # [h] how long it takes to swallow a dose

HEALTHY: dict[str, object] = {
    "age": (60.0, 60.0),
    "body_weight": (70.0, 70.0),
    "days_with(pregnancy)": MISSING,
    "egfr": (90.0, 90.0),
    "heart_rate": (70.0, 70.0),
    "qtc_interval": (420.0, 420.0),
    "blood_glucose": MISSING,
    "serum_glucose": (6.0, 6.0),
    "serum_magnesium": (0.8, 0.8),
    "current(serum_magnesium)": (0.8, 0.8),
    "serum_potassium": (4.0, 4.0),
    "current(serum_potassium)": (4.0, 4.0),
    "blood_potassium": MISSING,
    "current(blood_potassium)": MISSING,
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
        "hypokalemia": TRUE if serum < 3.5 else FALSE,
    }


def dose(
    thing: str, amount: float, over: float, *times: float, route: str = "intravenous", volume: float | None = None
) -> Dose:
    """Give a dose of one thing, once if no times are told, with a level after each dose where it is only one."""
    return Dose({thing: amount}, route, times or (0.0,), over, volume, 0 if times else 1)


def test_whole_page_is_read() -> None:
    """Every line of the page is in the table under its heading, and nothing else is."""
    numbers = re.findall(r"^\| ([0-9.]+) \|", PAGE, flags=re.MULTILINE)
    assert [line.name for line in CHECKER.spared] == numbers
    names = re.findall(r"^\| `(\w+)` \|", PAGE, flags=re.MULTILINE)
    read = [line.name for line in LINES if line.name not in numbers] + list(CHECKER.thresholds)
    assert sorted(read) == sorted(names)
    assert len({line.name for line in LINES}) == len(LINES)
    for line in LINES:
        section = PAGE.split(f"\n## {line.thing}\n")[1].split("\n## ")[0]
        assert f"\n| `{line.name}` |" in section or f"\n| {line.name} |" in section
        assert "Routes: " + ", ".join(CHECKER.routes.get(line.thing, ())) + ".\n" in section or line.thing == "all"
    assert PAGE.count("\nRoutes: ") == len(CHECKER.routes)
    assert PAGE.count("` (sure) |") == sum(line.sure for line in LINES)


def test_page_fits_together() -> None:
    """Every unit is that of its measure, and no line is for a route that its thing does not go by."""
    per = {"rate": "/h", "concentration": "/L"}
    for line in CHECKER.ceilings:
        assert line.unit.removesuffix("/h").removesuffix("/L") + per.get(line.measure, "") == line.unit
    for line in LINES:
        assert line.routes == ("all",) or set(line.routes) <= set(CHECKER.routes[line.thing])


def test_unreadable_pages() -> None:
    """What the rules do not speak of is refused rather than passed over."""
    assert expression_of("`a or b` (sure)") == ("a or b", True)
    with pytest.raises(ValueError, match="not an expression"):
        expression_of("`a` (perhaps)")
    with pytest.raises(ValueError, match="no such ceiling"):
        Checker(PAGE.replace("| 48 h |", "| 72 h |"))
    with pytest.raises(ValueError, match="no such mark"):
        line_of("water", "x", {"routes": "all", "when": "`a` (sure)", "unknown": "bars"})
    with pytest.raises(ValueError, match="has no routes"):
        Checker(PAGE.replace("Routes: inhaled.", ""))


@pytest.mark.parametrize(("over", "amount"), [(0.0, 1.0), (1.0, 0.0), (1.0, -1.0), (1.0, float("nan"))])
def test_every_dose_takes_time_and_is_something(over: float, amount: float) -> None:
    """A dose that is none is not judged."""
    with pytest.raises(ValueError, match="takes time"):
        session().judge(dose("potassium", amount, over, volume=0.1))


def test_potassium_by_vein_while_unknown() -> None:
    """Without a result 10 mmol an hour and nothing by vein; 20 mmol in half a litre are not too strong."""
    unknown = dict.fromkeys(("serum_potassium", "current__serum_potassium"), MISSING)
    patient = session(**unknown, hypokalemia=UNKNOWN, hyperkalemia=UNKNOWN)
    found = patient.judge(dose("potassium", 20, 1, volume=0.5))
    assert found.barred and not found.spared
    assert found.barring == {
        "potassium_rate_label",  # 20 mmol/h, unless is unknown
        "potassium_rate_everyday",
        "potassium_unknown_by_vein",
        "potassium_unknown",
        "potassium_not_low_by_vein",
    }
    assert found.asking == {"potassium_high", "potassium_replete"} and not found.cautions


@pytest.mark.parametrize(
    ("serum", "rate", "barring"),
    [
        (3.0, 10.0, set[str]()),
        (3.0, 10.001, {"potassium_rate_label", "potassium_rate_everyday"}),
        (2.5, 20.0, {"potassium_rate_everyday"}),
        (1.9, 20.0, set[str]()),
        (1.9, 20.001, {"potassium_rate_fast_everyday"}),
        (1.9, 40.001, {"potassium_rate_fast_everyday", "potassium_rate_outer"}),
    ],
)
def test_potassium_rates(serum: float, rate: float, barring: set[str]) -> None:
    """The rates of potassium with paralysis: 10, from 2.5 mmol/L on by the label 20, below 2.0 up to 40 mmol/h."""
    patient = session(**potassium(serum), acute__paralysis=TRUE)
    found = patient.judge(dose("potassium", rate / 2, 0.5, volume=0.25))  # half a litre an hour
    assert found.barring - {"potassium_concentration_everyday"} == barring


def test_magnesium_in_torsades() -> None:
    """The first 2 g are spared, do not count in the rate of the second, but count in everything else."""
    patient = session(just__torsades=TRUE, hypomagnesemia=UNKNOWN, recorded__av_block_high_degree=TRUE)
    given = dose("magnesium", 8.11, 0.25, volume=0.1)  # 32.44 mmol/h, 0.4 L/h
    first = patient.judge(given)
    assert first.spared and not first.barred
    assert first.barring == {"magnesium_rate_everyday", "magnesium_heart_block"}
    patient.take(given)
    second = patient.judge(given)
    assert second.barred and not second.spared
    assert second.barring == {"magnesium_rate_everyday", "magnesium_heart_block", "magnesium_level_unknown"}
    patient.take(given)
    third = second.barring | {"magnesium_rate_label"}  # 64.88 mmol/h of two; their 0.8 L/h are no rate of water
    assert patient.judge(given).barring == third
    assert patient.judge(given._replace(times=(0.25,))).barring == second.barring  # just after them


def test_spared_brings_nothing_else() -> None:
    """The water that dissolves it may be, saline or potassium with it may not; nor an earlier dose by mouth."""
    given = dose("magnesium", 8.11, 0.25, volume=0.5)
    patient = session(just__torsades=TRUE, acute__fluid_overload=TRUE)
    found = patient.judge(given)
    assert found.spared and not found.barred
    assert found.barring == {"magnesium_rate_everyday"}
    for other in ("water", "potassium"):
        assert not patient.judge(given._replace(brings={"magnesium": 8.11, other: 0.1})).spared
    patient.take(dose("potassium", 5, QUICK, route="oral"))
    assert patient.judge(given).spared
    patient.take(dose("magnesium", 5, QUICK, route="oral"))
    assert not patient.judge(given).spared
    page = PAGE.replace("| 8.2 | mmol | intravenous | `just(torsades)", "| 8.2 | L | intravenous | `just(torsades)")
    page = page.replace("## water\n", "## fluid\n").replace("## magnesium\n", "## water\n")
    patient = Checker(page).patient(session(just__torsades=TRUE).fact)
    patient.take(dose("potassium", 5, 1, volume=0.5))
    assert patient.judge(dose("water", 8, 1)).spared  # a volume is not the first of its thing


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
    by_mouth = dose("magnesium", 6.25, QUICK, 0.0, 8.0, 16.0, route="oral")  # 18.75 mmol a day
    assert not session(**low).judge(by_mouth).barring
    assert session(**low, kidney_failure=UNKNOWN).judge(by_mouth).barring == {"magnesium_by_mouth_kidney"}


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
    """1 L over 2 h is 0.5 L/h; with heart failure half a litre a day, unless in shock."""
    saline = dose("water", 1, 2)
    assert not session().judge(saline).barring
    assert session(recorded__heart_failure=TRUE).judge(saline).barring == {"water_day_overload"}
    assert session(recorded__heart_failure=TRUE, acute__shock=UNKNOWN).judge(saline).barred
    assert not session(recorded__heart_failure=TRUE, acute__shock=TRUE).judge(saline).barred
    assert session(kidney_failure=UNKNOWN).judge(dose("water", 1.001, 4)).barring == {"water_day_kidney"}
    assert not session(serum_sodium=MISSING).judge(saline).barred  # 1 L is not more than 1 L


def test_volumes_are_water() -> None:
    """What dissolves a dose counts in a day of water, with the saline, and in nothing else."""
    patient = session(**potassium(3.0), serum_sodium=(125.0, 125.0))
    given = dose("potassium", 20, 2, volume=0.5)
    found = patient.judge(given)
    assert not found.barred and found.cautions == {"potassium_sodium_rise"}
    patient.take(given)
    assert not patient.judge(dose("water", 0.5, 1, 2.0)).barred
    assert patient.judge(dose("water", 0.6, 2, 2.0)).barring == {"water_day_hyponatremia"}
    both = Dose({"potassium": 10, "water": 0.4}, "intravenous", (4.0,), 1, 0.25, 1)  # 0.65 L, of them 0.4 of saline
    assert patient.judge(both).barring == {"water_day_hyponatremia"}
    assert "water_rate" in patient.judge(both._replace(brings={"potassium": 10, "water": 0.51})).barring
    patient = session(serum_sodium=(125.0, 125.0))
    by_skin = dose("magnesium", 4, 1, route="subcutaneous", volume=1.001)
    assert patient.judge(by_skin).barring == {"water_day_hyponatremia"}
    for route in ("oral", "intramuscular"):
        patient.take(by_skin._replace(route=route))
    assert not patient.judge(dose("water", 1, 2)).barred
    overload = session(hyperkalemia=TRUE, acute__fluid_overload=TRUE)
    assert not overload.judge(dose("insulin", 10, 0.5, volume=0.5)).barred
    assert overload.judge(dose("insulin", 10, 0.5, volume=0.501)).barring == {"water_day_overload"}
    assert overload.judge(dose("water", 0.1, 0.5)).barring == {"water_overload"}


def test_routes() -> None:
    """What goes by no route of its thing is barred, but not what is dissolved where water does not go."""
    assert session(**potassium(3.0)).judge(dose("potassium", 5, 1, route="subcutaneous")).barring == {"potassium_route"}
    by_muscle = dose("magnesium", 4, 0.5, route="intramuscular")
    assert not session().judge(by_muscle).barred
    assert not session().judge(by_muscle._replace(volume=0.008)).barred
    nebulized = dose("salbutamol", 10, 0.25, route="inhaled")
    assert not session(hyperkalemia=TRUE).judge(nebulized).barred
    assert session(hyperkalemia=TRUE).judge(nebulized._replace(route="oral")).barring == {"salbutamol_route"}


def test_windows() -> None:
    """What runs partly within a window counts with that part."""
    thrice = dose("potassium", 20, 3, 0.0, 12.0, 24.0, volume=0.5)
    assert most(thrice, 20, 24) == pytest.approx(40)
    assert most(thrice, 20, 27) == pytest.approx(60)
    assert most(thrice, 20, 25) == pytest.approx(20 + 20 + 20 / 3)
    assert most(dose("water", 3, 36), 3, 24) == pytest.approx(2)
    assert most(dose("water", 3, 36, 0.0, 42.0), 3, 48) == pytest.approx(3 + 0.5)
    assert most(dose("magnesium", 15, QUICK, 0.0, 12.0, 24.0), 15, 24) == pytest.approx(30)  # two tablets in any 24 h


def test_which_earlier_doses_count() -> None:
    """In a rate what runs at the same moment; until the level what runs less than 24 h before or after."""
    thrice = dose("potassium", 20, 3, 0.0, 12.0, 24.0, volume=0.5)  # the last ends at 27 h
    patient = session(**potassium(3.0))
    assert not patient.judge(thrice).barring  # 6.7 mmol/h, 40 mmol/L, 40 mmol until the level
    patient.take(thrice)
    until = {"potassium_level_by_vein"}
    rates = {"potassium_rate_label", "potassium_rate_everyday"}
    for time, barring in (
        (0.0, until | rates),
        (2.9, until | rates),
        (3.0, until),
        (26.9, until | rates),
        (27.0, until),
    ):
        assert patient.judge(thrice._replace(times=(time,))).barring == barring, time
    assert patient.judge(thrice._replace(times=(50.9,))).barring == until
    assert not patient.judge(thrice._replace(times=(51.0,))).barring
    assert patient.judge(thrice._replace(times=(90.0, 100.0, 50.9))).barring == until  # one of them is near
    assert patient.judge(thrice._replace(times=(-26.9,))).barring == until  # earlier in time, later in the plan
    assert not patient.judge(thrice._replace(times=(-27.0,))).barring


def test_all_of_a_near_dose_counts() -> None:
    """1 L of 3 L over 72 h touches the day of another, but its worst day counts; two days reach further."""
    patient = session()
    patient.take(dose("water", 3, 72))
    assert patient.judge(dose("water", 3.1, 24, 95.0)).barring == {"water_day"}
    assert not patient.judge(dose("water", 3.0, 24, 95.0)).barring
    assert not patient.judge(dose("water", 3.1, 24, 96.0)).barring
    magnesium = dose("magnesium", 41, 24)
    patient = session(kidney_failure=TRUE)
    patient.take(magnesium)
    assert "magnesium_two_days_kidney" in patient.judge(magnesium._replace(times=(71.0,))).barring
    assert "magnesium_two_days_kidney" not in patient.judge(magnesium._replace(times=(72.0,))).barring


def test_rate_of_doses_at_once() -> None:
    """A rate is that of all doses of one line that run at the same moment."""
    patient = session(**potassium(3.0))
    barring = {"potassium_rate_label", "potassium_rate_everyday"}
    assert not patient.judge(dose("potassium", 8, 1, 0.0, 1.0, 2.0, volume=0.2)).barring
    assert patient.judge(dose("potassium", 8, 1, 0.0, 0.5, 1.0, volume=0.2)).barring == barring
    assert not patient.judge(dose("potassium", 5, 1, 0.0, 0.5, 1.0, volume=0.2)).barring
    assert patient.judge(dose("potassium", 5, 1, 0.0, 0.5, 0.9, volume=0.125)).barring == barring


def test_doses_at_the_same_moment_are_one() -> None:
    """A dose that is split into several at once is the sum of them; one after the other it is not."""
    given = dose("calcium", 3.5, 0.5)
    patient = session()
    assert patient.judge(given._replace(times=(0.0, 0.4))).barring == {"calcium_dose"}
    assert not patient.judge(given._replace(times=(0.0, 0.5))).barring
    patient.take(given)
    assert patient.judge(given).barring == {"calcium_dose"}
    assert not patient.judge(given._replace(times=(0.5,))).barring
    assert not patient.judge(given._replace(brings={"calcium": 3.4}, times=(0.4,))).barring
    assert not patient.judge(given._replace(brings={"calcium": 6.9}, route="oral")).barring  # another line
    both = dose("potassium", 15, 0.5, 0.0, 0.4, 8.0, route="oral")._replace(level_after=1)
    kidney = session(**potassium(3.0), egfr=MISSING)
    assert kidney.judge(both).barring == {"potassium_level_kidney"}  # 30 mmol before any level
    assert not kidney.judge(both._replace(times=(0.0, 0.5, 8.0))).barring


def test_spared_dose_is_no_part_of_one_dose() -> None:
    """A spared dose does not count in one dose of a later one, but one that is not spared does."""
    page = PAGE.replace("| rate | 36.6 | mmol/h |", "| one dose | 10 | mmol |")
    assert page != PAGE
    given = dose("magnesium", 6, 0.25)
    for torsades, barred in ((TRUE, False), (FALSE, True)):
        patient = Checker(page).patient(session(just__torsades=torsades).fact)
        patient.take(given)
        assert ("magnesium_rate_label" in patient.judge(given).barring) is barred


def test_sure_ceiling() -> None:
    """Calcium over half an hour only where digitalis is sure; over five minutes elsewhere."""
    given = dose("calcium", 6.8, 1 / 12)  # 81.6 mmol/h
    assert not session(taking__digitalis=UNKNOWN).judge(given).barring
    found = session(taking__digitalis=TRUE).judge(given)
    assert found.barring == {"calcium_rate_digitalis"} and found.cautions == {"calcium_digitalis"}
    assert not session(taking__digitalis=TRUE).judge(dose("calcium", 6.8, 0.5)).barred
    assert session().judge(dose("calcium", 6.9, 1 / 12)).barring == {"calcium_rate"}  # 82.8 mmol/h
    assert not session(just__cardiac_arrest=TRUE).judge(dose("calcium", 6.9, 1 / 12)).barring


@pytest.mark.parametrize(
    ("glucose", "barring", "asking"),
    [
        ({"blood_glucose": MISSING}, set[str](), set[str]()),  # normal in serum: that is enough
        ({"serum_glucose": MISSING, "blood_glucose": (5.0, 5.0)}, set[str](), set[str]()),
        ({"serum_glucose": MISSING, "blood_glucose": MISSING}, set[str](), {"insulin_low_glucose"}),
        ({"serum_glucose": (3.0, 5.0), "blood_glucose": MISSING}, set[str](), {"insulin_low_glucose"}),
        ({"blood_glucose": (3.9, 3.9)}, {"insulin_low_glucose"}, set[str]()),
        ({"serum_glucose": (3.9, 3.9), "blood_glucose": MISSING}, {"insulin_low_glucose"}, set[str]()),
    ],
)
def test_insulin_and_glucose(glucose: dict[str, object], barring: set[str], asking: set[str]) -> None:
    """Of serum and blood that counts which was measured; where neither was, or one lies on both sides, it asks."""
    found = session(hyperkalemia=TRUE, **glucose).judge(dose("insulin", 10, 0.5, volume=0.05))
    assert found.barring == barring and found.asking == asking


def test_level_and_kidney_of_potassium() -> None:
    """By mouth 20 mmol three times a day: 60 mmol until the level, or 20 if it is after each."""
    by_mouth = dose("potassium", 20, QUICK, 0.0, 8.0, 16.0, route="oral")
    low = potassium(3.0)
    assert not session(**low).judge(by_mouth).barring
    assert session(**low, egfr=MISSING).judge(by_mouth).barring == {"potassium_level_kidney"}
    assert not session(**low, egfr=MISSING).judge(by_mouth._replace(level_after=1)).barring
    both = session(**low, egfr=MISSING, taking__potassium_raising=UNKNOWN).judge(by_mouth._replace(level_after=1))
    assert both.barring == {"potassium_level_kidney_and_sparing"}
    assert session(**low).judge(dose("potassium", 41, QUICK, route="oral")).barring == {"potassium_dose_by_mouth"}
    sparing = session(**low, taking__potassium_raising=TRUE)
    assert not sparing.judge(by_mouth._replace(times=(0.0, 8.0), level_after=9)).barring  # there are only two
    assert sparing.judge(by_mouth._replace(level_after=9)).barring == {"potassium_level_sparing"}


def test_concentration_without_a_volume() -> None:
    """10 mmol in 1 mL are 10 mol/L; an earlier dose does not count."""
    patient = session(**potassium(3.0))
    undiluted = dose("potassium", 10, 2)
    both = {"potassium_concentration_outer", "potassium_concentration_everyday"}
    assert patient.judge(undiluted).barring == both
    patient.take(undiluted)
    assert not patient.judge(dose("potassium", 10, 2, volume=0.25)).barring
