"""Scenarios: a person, what they eat, what is wrong, what is given and what is measured, as a TOML file.

Quantities are texts with units ("16 mmol", "1.5 L/d", "90 mL/min", "0.2 mmol/kg/d"); times are texts ("3 d",
"30 min") from time zero, which may be negative for what began before. The language is told in
``docs/reference/scenario.md``.
"""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any, Literal, get_args

import msgspec

from carnallite.errors import ScenarioError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from carnallite.errors import CarnalliteError

__all__ = ["Scenario", "ScenarioError", "line_of", "parse", "read", "refined"]

Route = Literal["oral", "intravenous", "subcutaneous", "intramuscular", "inhaled"]
Sex = Literal["male", "female"]
Held = Literal["magnesium", "potassium"]
_CHOICES = {"route": get_args(Route), "sex": get_args(Sex), "what": get_args(Held)}
_KINDS = {"str": "a text", "int": "a number", "float": "a number", "array": "a list", "object": "a table",
          "bool": "true or false"}  # fmt: skip


_VERBS = {"is", "cannot", "lies", "must", "stands", "needs", "has", "changes", "counts"}


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A piece of a scenario."""


class Spread(Part, frozen=True, kw_only=True):
    """How a number differs between people: a normal law, cut at both ends; without a seed it is its mean."""

    mean: str
    sd: str
    low: str = ""
    high: str = ""


class Person(Part, frozen=True, kw_only=True):
    """Who is simulated; what is empty is that of the reference person, filtration that of this size and age."""

    sex: Sex = "male"
    age: float | Spread | None = None  # [a]
    weight: str | Spread = ""
    gfr: str | Spread = ""  # absolute
    egfr: str | Spread = ""  # per 1.73 m², taken back to this person by the size of the body
    women: float | None = None  # share of women, where many are drawn


class Diet(Part, frozen=True, kw_only=True):
    """What is eaten; empty is the habitual intake of a person of this size."""

    magnesium: str | Spread = ""
    sodium: str | Spread = ""
    potassium: str | Spread = ""
    calcium: str | Spread = ""
    phosphate: str | Spread = ""
    water: str | Spread = ""
    meals: tuple[str, ...] = ()  # clock times from time zero on; empty is continuous feeding
    meal: str = ""  # how long each takes


class Period(Part, frozen=True, kw_only=True, rename={"start": "from"}):
    """When something holds: always, from or until a time, and perhaps only between two clock times each day."""

    start: str = ""
    until: str = ""
    daily: tuple[str, ...] = ()  # two clock times


class Act(Period, frozen=True, kw_only=True):
    """A cause, factor, drug or treatment of the knowledge base, in one of its forms."""

    id: str
    phenotype: str = "typical"
    strength: float | Spread = 1.0  # 0 is nothing, 1 what the data file says
    share: float = 1.0  # of the people who have it, where many are drawn


class Intake(Period, frozen=True, kw_only=True):
    """What is eaten for a time instead of the diet: a share of its minerals, or amounts."""

    share: float | None = None
    magnesium: str = ""
    sodium: str = ""
    potassium: str = ""
    calcium: str = ""
    phosphate: str = ""
    water: str = ""


class Filter(Period, frozen=True, kw_only=True):
    """Continuous renal replacement; the effluent is fluid plus removal unless it is given."""

    dialysate: str = ""
    replacement: str = ""
    removal: str = ""  # net
    effluent: str = ""
    magnesium: str = ""  # of the fluid
    potassium: str = ""
    calcium: str = ""
    sodium: str = ""
    phosphate: str = ""
    bicarbonate: str = ""
    citrate: bool = False
    calcium_return: str = ""


class Clamp(Period, frozen=True, kw_only=True):
    """A plasma level that an experimenter holds."""

    what: Held
    to: str


class Change(Period, frozen=True, kw_only=True):
    """A parameter of the body changed directly: exactly one of the three."""

    parameter: str
    value: str = ""
    factor: float | None = None
    add: str = ""


class Dose(Part, frozen=True, kw_only=True, rename={"start": "from"}):
    """Something given: once, at given times, every so often, or at clock times each day."""

    what: str
    amount: str  # mmol, mEq, g, mg, L, mL, U; mmol/kg and the like
    route: Route
    at: str | tuple[str, ...] = ()
    every: str = ""
    count: int = 0  # doses; 0 is until the end
    daily: tuple[str, ...] = ()  # clock times
    start: str = ""
    until: str = ""
    over: str = ""  # how long each takes


class Sampling(Part, frozen=True, kw_only=True):
    """When the body is looked at."""

    every: str = ""
    at: tuple[str, ...] = ()


class Scenario(Part, frozen=True, kw_only=True):
    """One file."""

    title: str
    about: str = ""
    length: str = "30 d"
    run_in: str = "0 d"  # what began before time zero, with continuous feeding
    clock: str = "00:00"  # at time zero
    person: Person = Person()
    own: dict[str, str | Spread] = {}  # parameters of the healthy person, before its balance is solved
    diet: Diet = Diet()
    intake: tuple[Intake, ...] = ()
    cause: tuple[Act, ...] = ()
    factor: tuple[Act, ...] = ()
    drug: tuple[Act, ...] = ()
    treatment: tuple[Act, ...] = ()
    change: tuple[Change, ...] = ()
    clamp: tuple[Clamp, ...] = ()
    crrt: tuple[Filter, ...] = ()
    dose: tuple[Dose, ...] = ()
    sampling: Sampling = Sampling()
    outputs: tuple[str, ...] = ()


_PARTS: dict[str, type[msgspec.Struct]] = {
    "person": Person, "diet": Diet, "intake": Intake, "cause": Act, "factor": Act, "drug": Act, "treatment": Act,
    "change": Change, "clamp": Clamp, "crrt": Filter, "dose": Dose, "sampling": Sampling,
}  # fmt: skip


def read(path: Path) -> Scenario:
    """Return the scenario of a file.

    Raises
    ------
    ScenarioError
        There is no such file, or it is not a scenario; names the line.
    """
    return parse(text_of(path), path.name)


def text_of(path: Path) -> str:
    """Return the text of a scenario file.

    Raises
    ------
    ScenarioError
        It cannot be read.
    """
    try:
        return path.read_text("utf-8-sig")
    except FileNotFoundError:
        raise ScenarioError(path.name, "there is no such file.", "Check the path.") from None
    except (OSError, UnicodeDecodeError):
        raise ScenarioError(path.name, "cannot be read.", "Check path and rights; it must be a text file.") from None


def parse(text: str, name: str = "scenario") -> Scenario:
    """Return the scenario of a text.

    Raises
    ------
    ScenarioError
        It is not a scenario; names the line.

    Examples
    --------
    >>> parse('title = "Rest"').length
    '30 d'
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _not_toml(str(error), text, name) from None
    if isinstance(raw.get("own"), dict):
        raw["own"] = dict(_flat(raw["own"]))
    try:
        return msgspec.convert(raw, Scenario)
    except msgspec.ValidationError as error:
        raise _explained(str(error), text, name) from None


def refined(error: CarnalliteError, text: str, name: str) -> ScenarioError:
    """Return the error of a scenario's content with its file and line."""
    key = re.sub(r"\[\d+\]", "", error.where.rpartition(".")[2])
    link = " " if error.what.partition(" ")[0] in _VERBS else ": "
    told = f"`{key}`{link}{error.what}" if re.fullmatch(r"\w+", key) else f"{error.where} {error.what}"
    return ScenarioError(f"{name}, line {line_of(text, error.where)}", told, error.do)


# mistakes -----------------------------------------------------------------------------------------------------------
def _flat(table: dict[str, Any], before: str = "") -> list[tuple[str, Any]]:
    """Return ``normal.magnesium = ...`` and ``"normal.magnesium" = ...`` alike."""
    found: list[tuple[str, Any]] = []
    for key, value in table.items():
        is_table = isinstance(value, dict) and "mean" not in value  # a spread stays whole
        found += _flat(value, f"{before}{key}.") if is_table else [(f"{before}{key}", value)]
    return found


def _not_toml(message: str, text: str, name: str) -> ScenarioError:
    what, _, place = message.partition(" (at ")
    found = re.search(r"line (\d+)", place)
    line = int(found[1]) if found else len(text.splitlines())
    return ScenarioError(f"{name}, line {line}", f"this is not TOML: {what[0].lower()}{what[1:]}.",
                         "Mend that line.")  # fmt: skip


def _explained(message: str, text: str, name: str) -> ScenarioError:
    what, _, where = message.partition(" - at ")
    path = where.strip("`").removeprefix("$").removeprefix(".")
    key = re.split(r"[.\[]", path.rstrip("]0123456789["))[-1]
    unknown = re.search(r"unknown field `(.+?)`", what)
    at = f"{name}, line {line_of(text, f'{path}.{unknown[1]}'.lstrip('.') if unknown else path)}"
    if unknown:
        known = known_keys(path)
        near = did_you_mean(unknown[1], known) or f"Known are {', '.join(known)}."
        return ScenarioError(at, f"`{unknown[1]}` is no key {'of ' + key if key else 'of a scenario'}.", near)
    if missing := re.search(r"missing required field `(.+?)`", what):
        return ScenarioError(at, f"`{missing[1]}` is missing.", "Add it.")
    if wrong := re.search(r"Invalid enum value '(.*)'", what):
        choices = _CHOICES[key]
        near = did_you_mean(wrong[1], choices) or f"Use {' or '.join(choices)}."
        return ScenarioError(at, f"`{key}` cannot be '{wrong[1]}'.", near)
    expected, _, got = what.partition(", got ")
    return ScenarioError(
        at, f"`{key}` is {_named(got)}, where {_named(expected)} belongs.", _remedy(expected, got, key)
    )


def _named(types: str) -> str:
    found = [_KINDS[word] for word in re.findall(r"\w+", types) if word in _KINDS]
    return " or ".join(dict.fromkeys(found)) or "something else"


def _remedy(expected: str, got: str, key: str) -> str:
    if "object" in got and "array" in expected:
        return f"Write [[{key}]] with two brackets."
    if "array" in got and "object" in expected:
        return f"Write [{key}] with one bracket."
    if "str" in expected:
        return 'Quantities and times are texts with a unit, such as "16 mmol" or "3 d".'
    return "Write it without quotes." if "str" in got else "Mend it."


def known_keys(path: str) -> list[str]:
    """Return the keys that may stand in a part of a scenario.

    >>> "amount" in known_keys("dose[0]"), known_keys("person.weight")
    (True, ['mean', 'sd', 'low', 'high'])
    """
    first, *rest = re.sub(r"\[.*?\]", "", path).split(".")
    kind = Spread if rest else _PARTS.get(first, Scenario)
    return [field.encode_name for field in msgspec.structs.fields(kind)]


def line_of(text: str, path: str, tables: Collection[str] = ()) -> int:
    """Return the line on which a key of a scenario stands; that of its table if the key is not there.

    >>> line_of('title = "a"\\n[[dose]]\\nwhat = "b"\\n[[dose]]\\nwhat = "c"', "dose[1].what")
    5
    """
    table, number, key = _split(path, tables)
    keys = [key, key.partition(".")[0]] if "." in key else [key] if key else []
    lines = text.splitlines()
    first, last = _extent(lines, table, number)
    for wanted in keys:
        named = re.compile(rf"[\s{{,]*[\"']?{re.escape(wanted)}[\"']?\s*=")
        for index in range(first, last):
            if named.match(lines[index]):
                return index + 1
    return max(first if table else 1, 1)


def _extent(lines: list[str], table: str, number: int) -> tuple[int, int]:
    """Return where the content of a table begins and ends, counted in lines from 0."""
    headers = [(index, found[1]) for index, line in enumerate(lines)
               if (found := re.match(r"\s*\[{1,2}\s*([\w.]+)\s*\]{1,2}", line))]  # fmt: skip
    ends = [index for index, _ in headers[1:]] + [len(lines)]
    if not table:
        return 0, headers[0][0] if headers else len(lines)
    mine = [(index + 1, end) for (index, name), end in zip(headers, ends, strict=True) if name == table]
    if number < len(mine):
        return mine[number]
    inline = next((index for index, line in enumerate(lines) if re.match(rf"\s*{re.escape(table)}\s*[.=]", line)), None)
    return (0, len(lines)) if inline is None else (inline + 1, inline + 1)


def _split(path: str, tables: Collection[str]) -> tuple[str, int, str]:
    """Return table, number and key of a path such as ``dose[1].what``."""
    found = re.fullmatch(r"(\w+)(?:\[(\d+)\])?(?:\.(.+))?", path)
    if not found or found[1] not in {*_PARTS, "own", *tables}:
        return "", 0, path.partition("[")[0]
    return found[1], int(found[2] or 0), (found[3] or "").partition("[")[0]
