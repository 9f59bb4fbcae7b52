"""Scenarios: a person, what they eat, what is wrong, what is given and what is measured, as a TOML file.

Quantities are texts with units ("16 mmol", "1.5 L/d", "90 mL/min"); times are texts ("3 d", "30 min") from time zero,
which may be negative for what began before.
"""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Literal

import msgspec

from carnallite.errors import CarnalliteError, did_you_mean

if TYPE_CHECKING:
    from pathlib import Path

Route = Literal["oral", "intravenous", "subcutaneous", "intramuscular", "inhaled"]


class ScenarioError(CarnalliteError):
    """A scenario cannot be understood; says the line, what is wrong, and what to do."""


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A piece of a scenario."""


class Spread(Part, frozen=True, kw_only=True):
    """How a number differs between people: a normal law, cut at both ends."""

    mean: str
    sd: str
    low: str = ""
    high: str = ""


class Person(Part, frozen=True, kw_only=True):
    """Who is simulated; texts have units, `gfr` is absolute, not per body surface."""

    sex: Literal["male", "female"] = "male"
    age: float | Spread = 40.0  # [a]
    weight: str | Spread = "70 kg"
    gfr: str | Spread = ""  # the normal one of this size and age if empty
    women: float | None = None  # share of women, where many are simulated


class Diet(Part, frozen=True, kw_only=True):
    """What is eaten; empty is the habitual intake of a person of this size."""

    magnesium: str = ""
    sodium: str = ""
    potassium: str = ""
    calcium: str = ""
    water: str = ""
    meals: tuple[str, ...] = ()  # clock times; empty is continuous feeding
    meal: str = "30 min"


class Period(Part, frozen=True, kw_only=True, rename={"start": "from"}):
    """When something holds: always, from or until a time, and perhaps only between two clock times each day."""

    start: str = ""
    until: str = ""
    daily: tuple[str, ...] = ()  # two clock times


class Act(Period, frozen=True, kw_only=True):
    """A cause, factor, drug or treatment of the knowledge base, in one of its forms."""

    id: str
    phenotype: str = "typical"
    strength: float = 1.0  # 0 is nothing, 1 what the data file says
    share: float = 1.0  # of the people who have it, where many are simulated


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
    count: int = 0  # doses; 0 with `every` is until the end
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
    own: dict[str, str] = {}  # parameters of the healthy person, before its balance is solved
    diet: Diet = Diet()
    cause: tuple[Act, ...] = ()
    factor: tuple[Act, ...] = ()
    drug: tuple[Act, ...] = ()
    treatment: tuple[Act, ...] = ()
    change: tuple[Change, ...] = ()
    dose: tuple[Dose, ...] = ()
    sampling: Sampling = Sampling()
    outputs: tuple[str, ...] = ()


def read(path: Path) -> Scenario:
    """Return the scenario of a file.

    Raises
    ------
    ScenarioError
        There is no such file, or it is not a scenario; names the line.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        raise ScenarioError(path.name, "cannot be read.", "Check path and rights; it must be a text file.") from None
    return parse(text, path.name)


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
        raise ScenarioError(name, f"is not TOML: {error}.", "Mend that line.") from None
    try:
        return msgspec.convert(raw, Scenario)
    except msgspec.ValidationError as error:
        raise _explained(str(error), text, name) from None


def _explained(message: str, text: str, name: str) -> ScenarioError:
    what, _, where = message.partition(" - at ")
    path = where.strip("`").removeprefix("$").removeprefix(".")
    unknown = re.search(r"unknown field `(.+?)`", what)
    missing = re.search(r"missing required field `(.+?)`", what)
    at = f"{name}, line {line_of(text, f'{path}.{unknown[1]}'.lstrip('.') if unknown else path)}"
    if unknown:
        near = did_you_mean(unknown[1], known_keys(path))
        return ScenarioError(at, f"`{unknown[1]}` is no key here.", near or f"Known: {', '.join(known_keys(path))}.")
    if missing:
        return ScenarioError(at, f"`{missing[1]}` is missing.", "Add it.")
    return ScenarioError(at, f"{what[0].lower()}{what[1:]}.", 'Quantities are texts with a unit, such as "16 mmol".')


_PARTS: dict[str, type[msgspec.Struct]] = {
    "person": Person, "diet": Diet, "cause": Act, "factor": Act, "drug": Act, "treatment": Act, "change": Change,
    "dose": Dose, "sampling": Sampling,
}  # fmt: skip


def known_keys(path: str) -> list[str]:
    """Return the keys that may stand in a part of a scenario.

    >>> "amount" in known_keys("dose[0]")
    True
    """
    kind = _PARTS.get(re.split(r"[.\[]", path)[0], Scenario)
    return [field.encode_name for field in msgspec.structs.fields(kind)]


def line_of(text: str, path: str) -> int:
    """Return the line on which a key of a scenario stands; that of its table if the key is not there.

    >>> line_of('title = "a"\\n[[dose]]\\nwhat = "b"\\n[[dose]]\\nwhat = "c"', "dose[1].what")
    5
    """
    table, number, key = _split(path)
    lines = text.splitlines()
    seen, inside, header = -1, not table, 1
    for index, line in enumerate(lines, 1):
        found = re.match(r"\s*\[{1,2}\s*([\w.]+)\s*\]{1,2}", line)
        if found:
            seen += found[1] == table
            inside = found[1] == table and seen == number
            header = index if inside else header
        elif inside and key and re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*=", line):
            return index
    return header


def _split(path: str) -> tuple[str, int, str]:
    """Return table, number and key of a path such as ``dose[1].what``."""
    found = re.fullmatch(r"(\w+)(?:\[(\d+)\])?(?:\.(.+))?", path)
    if not found or (found[2] is None and found[3] is None and found[1] not in _PARTS):
        return "", 0, path
    return found[1], int(found[2] or 0), (found[3] or "").split("[")[0]
