"""Scenarios are read, and every slip of the pen is told with its line, what is wrong, and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from carnallite.errors import ScenarioError
from carnallite.physiology.protocol import protocol
from carnallite.physiology.scenario import Scenario, known_keys, line_of, parse, read, refined

EXAMPLES = sorted((Path(__file__).parents[3] / "examples" / "scenarios").glob("*.toml"))
DOSE = '[[dose]]\nwhat = "KCl"\namount = "20 mmol"\nroute = "oral"\n'


def told(text: str) -> str:
    """Return what is said of the first mistake in a scenario."""
    try:
        protocol(parse(text, "s.toml"))
    except ScenarioError as error:
        return str(error if error.where.startswith("s.toml") else refined(error, text, "s.toml"))
    return ""


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_are_scenarios(path: Path) -> None:
    assert protocol(read(path)).end > 0
    assert read(path).about


MISTAKES = {
    "length = 30 d": (2, "is not TOML", "Mend that line."),
    'lenght = "30 d"': (2, "`lenght` is no key", "Did you mean 'length'?"),
    'length = "30 days"': (2, "'30 days' is no time", "'3 d'"),
    'length = "0 d"': (2, "no time at all", "'30 d'"),
    'run_in = "-3 d"': (2, "negative", "'30 d'"),
    "[person]\nage = 12": (3, "person.age becomes 12 a; the model holds from 18 to 110", "milder"),
    "[person]\nweight = 70": (3, "`weight` is a number, where a text", "texts with a unit"),
    '[person]\nweight = "70"': (3, "has no unit", "kg"),
    '[person]\nweight = "400 kg"': (3, "holds from 25 to 300", "milder"),
    '[person]\nsex = "men"': (3, "`sex` cannot be 'men'", "male or female"),
    '[person]\ngfr = "90 mmol/L"': (3, "is not in L/h", "L/h"),
    '[person]\ngfr = "90 mL/min"\negfr = "90 mL/min"': (4, "beside `gfr`", "one of them"),
    "[person]\nwomen = 2": (0, "", ""),  # only read where people are drawn
    '[person]\nage = "sixty"': (3, "`age` is a text, where a number", "without quotes"),
    "[[person]]\nage = 30": (2, "is a list, where a table belongs", "[person] with one bracket"),
    '[[drug]]\nid = "pppi"': (3, "no drug 'pppi'", "Did you mean 'ppi'?"),
    '[[drug]]\nid = "ppi"\nphenotype = "sever"': (4, "no form 'sever'", "severe"),
    '[[drug]]\nid = "ppi"\nstrength = -1.0': (4, "negative", "0 is nothing"),
    '[[drug]]\nid = "ppi"\nshare = 1.5': (4, "no share", "0 to 1"),
    '[[drug]]\nid = "ppi"\nfrom = "5 d"\nuntil = "2 d"': (5, "is not after `from`", "Mend"),
    '[[drug]]\nid = "ppi"\nfrom = "50 d"': (4, "after the end of the scenario", "Mend"),
    '[[drug]]\nid = "ppi"\nfrom = "-5 d"': (4, "before the scenario", "run_in"),
    '[[drug]]\nid = "ppi"\ndaily = ["22:00"]': (4, "two clock times", "'22:00'"),
    '[[cause]]\nid = "acute_pancreatitis_cause"': (3, "is not simulated", "Leave it out"),
    DOSE.replace("mmol", "mmol/d"): (4, "no unit that is an amount", "'16 mmol'"),
    DOSE.replace("20 mmol", "20 U"): (4, "is no amount of potassium chloride", "mmol"),
    DOSE.replace("20 mmol", "-20 mmol"): (4, "is negative", "taken back"),
    DOSE.replace("KCl", "KCll"): (3, "nothing that can be given", "kcl"),
    DOSE.replace("oral", "orl"): (5, "`route` cannot be 'orl'", "oral"),
    DOSE.replace("oral", "inhaled"): (5, "is not given inhaled", "oral or intravenous"),
    DOSE.replace("oral", "intravenous"): (2, "`over` is missing", "'4 h'"),
    DOSE + 'over = "0 h"': (6, "longer than nothing", "'5 min'"),
    DOSE + 'at = "40 d"': (6, "lies outside of the scenario", "Mend"),
    DOSE + 'every = "0 h"': (6, "too often", "'8 h'"),
    DOSE + 'every = "8 h"\nat = "1 d"': (2, "more than one of", "one of them"),
    DOSE + "count = 3": (6, "counts doses", "no count"),
    DOSE + 'daily = ["25:00"]': (6, "no clock time", "'22:00'"),
    DOSE.replace("[[dose]]", "[dose]"): (2, "is a table, where a list belongs", "[[dose]]"),
    '[[dose]]\nwhat = "KCl"': (2, "`amount` is missing", "Add it"),
    DOSE + DOSE.replace("KCl", "MgO2"): (7, "'MgO2' is nothing", ""),
    '[[change]]\nparameter = "gut.jejunm"\nvalue = "1"': (3, "no parameter", "gut.jejunum"),
    '[[change]]\nparameter = "gut.jejunum"\nvalue = "1.5"': (4, "becomes 1.5; the model holds from 0 to 1", "milder"),
    '[[change]]\nparameter = "gut.jejunum"': (2, "needs one of value, factor and add", "exactly one"),
    '[own]\n"normal.magnesium" = "0.8"': (3, "has no unit", "mmol/L"),
    '[own]\n"normal.magnesum" = "0.8 mmol/L"': (3, "no parameter", "normal.magnesium"),
    '[own]\n"normal.magnesium_in_urine" = "40 mmol/d"': (2, "cannot be in balance", "Check"),
    '[diet]\nmeals = ["8"]': (3, "no clock time", "'22:00'"),
    '[diet]\nmeals = ["08:00"]\nmeal = "0 min"': (4, "longer than nothing", "'30 min'"),
    '[diet]\nmagnesium = "-2 mmol/d"': (3, "negative", ""),
    '[diet]\nmagnesium = { men = "3 mmol/d" }': (3, "`men` is no key", "mean"),
    '[diet]\nmagnesium = { mean = "3 mmol/d", sd = "-1 mmol/d" }': (3, "is no spread", "sd"),
    '[[intake]]\nfrom = "2 d"': (2, "changes nothing", "share"),
    "[[crrt]]\ncitrate = true": (2, "has no flow", "'2 L/h'"),
    '[[crrt]]\ndialysate = "2 L/h"\neffluent = "3 L/h"\nremoval = "1 L/h"': (5, "beside `effluent`", "one of them"),
    '[[crrt]]\ndialysate = "-2 L/h"': (3, "negative", "'2 L/h'"),
    '[[clamp]]\nwhat = "calcium"\nto = "1 mmol/L"': (3, "cannot be 'calcium'", "magnesium or potassium"),
    '[sampling]\nevery = "0 h"': (3, "too often", "'1 h'"),
    '[sampling]\nat = ["31 d"]': (3, "lies outside", "Mend"),
}  # fmt: skip


@pytest.mark.parametrize("text", MISTAKES)
def test_a_mistake_is_told_with_line_reason_and_remedy(text: str) -> None:
    line, what, do = MISTAKES[text]
    said = told(f'title = "a"\n{text}\n')
    if not line:
        assert not said
        return
    assert said.startswith(f"s.toml, line {line}: ")
    assert what in said
    assert do in said
    assert "\n" not in said


def test_a_scenario_without_a_title_is_refused() -> None:
    assert told("") == "s.toml, line 1: `title` is missing. Add it."


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="no such file"):
        read(tmp_path / "none.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ScenarioError, match="cannot be read"):
        read(tmp_path / "binary.toml")


def test_dotted_names_may_stand_without_quotes() -> None:
    plain = parse('title = "a"\n[own]\nnormal.magnesium = "0.8 mmol/L"\n')
    assert plain == parse('title = "a"\n[own]\n"normal.magnesium" = "0.8 mmol/L"\n')


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_bytes(b'\xef\xbb\xbftitle = "a"\r\nlength = "2 d"\r\n')
    assert read(tmp_path / "s.toml") == Scenario(title="a", length="2 d")


@pytest.mark.parametrize(
    ("path", "line"),
    [("title", 1), ("person.age", 3), ("dose[0].amount", 7), ("dose[1]", 9), ("dose[1].what", 9), ("clock", 1)],
)
def test_lines(path: str, line: int) -> None:
    text = (
        'title = "a"\n[person]\nage = 40\n\n[[dose]]\nwhat = "KCl"\namount = "1 mmol"\n[[dose]] # again\nwhat = "b"\n'
    )
    found = line_of(text, path)
    assert found == (8 if path == "dose[1]" else line)


def test_every_key_has_its_place_in_the_reference() -> None:
    page = (Path(__file__).parents[3] / "docs" / "reference" / "scenario.md").read_text("utf-8")
    parts = ("", "person", "diet", "intake", "cause", "change", "clamp", "crrt", "dose", "sampling", "diet.magnesium")
    for part in parts:
        for key in known_keys(part):
            assert f"`{key}`" in page or f"[{key}]" in page, f"{part}: {key}"
