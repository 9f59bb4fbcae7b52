"""What was observed in people, read from a file of validation targets, and what was simulated beside it.

The published file is `published.json`; any other file of the same form is read in the same way.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

import msgspec

from carnallite.errors import DataFileError, did_you_mean

PUBLISHED = Path(__file__).with_name("published.json")
SCHEMA = "carnallite-validation/1"

Kind = Literal["value", "proportion", "range", "sign", "null", "le", "ge"]
Use = Literal["fit", "check", "report only"]
Positive = Annotated[float, msgspec.Meta(ge=0)]
Scalar = str | float | bool | list[str | float] | None
T = TypeVar("T")


class Population(msgspec.Struct, frozen=True):
    """Who was studied."""

    description: str
    n: int | None = None
    renal: str = ""
    mg_status: str = ""


class Protocol(msgspec.Struct, frozen=True):
    """What was done to them; `events` are read by those who simulate it, times [h] from the first one."""

    text: str
    simulable_without_guessing: bool
    events: tuple[dict[str, Scalar], ...] = ()


class Baseline(msgspec.Struct, frozen=True):
    """The score [1] of a predictor for which nothing changes."""

    score: float
    n_obs: int


class Observation(msgspec.Struct, frozen=True):
    """One number, or one direction, that a simulation has to reproduce; numbers are in `unit`."""

    kind: Kind
    quantity: str
    unit: str
    value: float | None = None
    stat: str = "mean"
    sd: Positive | None = None
    n: Annotated[int, msgspec.Meta(ge=1)] | None = None
    time_h: float | None = None
    when: str = ""
    arm: str = ""
    expect: str = ""
    threshold: float | None = None
    low: float | None = None
    high: float | None = None
    weight: Positive = 1
    tol_good: Positive | None = None
    tol_accept: Positive | None = None
    tol_reason: str = ""
    sd_source: str | None = None
    iqr: tuple[float, float] | None = None
    ci95: tuple[float, float] | None = None
    range: tuple[float, float] | None = None
    scoring: str = "default"
    note: str = ""


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """One study: who, what was done, what was seen, and how much it is trusted."""

    id: str
    topic: str
    title: str
    use: Use
    certainty: str
    population: Population
    protocol: Protocol
    observations: tuple[Observation, ...] = ()
    no_change_baseline: Baseline | None = None
    source: str = ""
    scoring: str = "default"
    discriminates: str = ""
    caveats: str = ""


class TargetFile(msgspec.Struct, frozen=True):
    """All targets of one file; `remarks` say what in the file was not read or does not add up."""

    name: str
    title: str
    targets: tuple[Target, ...]
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a simulation gave for one observation, in the observation's unit.

    Parameters
    ----------
    value : float, optional
        None where it was not simulated; `why_not` then says why.
    start : float, optional
        The level before a change. A floor that is a share of a level (PTH, urine Mg) is taken from it.
    imposed : bool
        The number was given to the simulation, so it earns nothing.
    interval : tuple of float, optional
        The stated 90 % interval of a forecast.
    """

    value: float | None = None
    why_not: str = ""
    start: float | None = None
    imposed: bool = False
    interval: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Simulated:
    """What the simulation of one target gave: an outcome per observation, or why there is none.

    `who` says who was simulated, `assumptions` what an incomplete protocol left to choose.
    """

    outcomes: tuple[Outcome, ...] = ()
    why_not: str = ""
    who: str = ""
    assumptions: tuple[str, ...] = ()

    @classmethod
    def of(cls, *results: float | str | Outcome, who: str = "", assumptions: tuple[str, ...] = ()) -> Simulated:
        """Return numbers, or reasons why there is no number, in the order of the observations.

        >>> Simulated.of(0.8, "the body has no red cells").outcomes[1].why_not
        'the body has no red cells'
        """
        return cls(tuple(_outcome(result) for result in results), who=who, assumptions=assumptions)

    @classmethod
    def missing(cls, why_not: str) -> Simulated:
        """Return the reason why a whole target was not simulated."""
        return cls(why_not=why_not)


def _outcome(result: float | str | Outcome) -> Outcome:
    match result:
        case Outcome():
            return result
        case str():
            return Outcome(why_not=result)
    return Outcome(float(result))


def published() -> TargetFile:
    """Return the published targets.

    >>> len(published().targets)
    73
    """
    return read_targets(PUBLISHED)


def read_targets(path: Path) -> TargetFile:
    """Return the targets of one file.

    Raises
    ------
    DataFileError
        The file cannot be read or is not of the published form; the message names file, target, observation and
        what to do.
    """
    raw = _read_json(path)
    listed = raw["targets"]
    targets = tuple(_target(item, f"{path.name}, target {place}") for place, item in enumerate(listed, 1))
    seen: set[str] = set()
    for target in targets:
        if target.id in seen:
            raise DataFileError(f"{path.name}, target {target.id}", "the id is there twice.", "Rename one of them.")
        seen.add(target.id)
    remarks = (*_counts(raw, targets), *_unread(listed))
    return TargetFile(path.name, str(raw.get("title", path.stem)), targets, remarks)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        raw = msgspec.json.decode(path.read_bytes())
    except OSError as error:
        raise DataFileError(path.name, f"cannot be read: {error.strerror}.", "Give the path of a file.") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DataFileError(path.name, f"not JSON: {error}.", "Mend it there.") from None
    if not isinstance(raw, dict) or not isinstance(raw.get("targets"), list):
        raise DataFileError(path.name, "has no list `targets`.", "Give a file of validation targets.")
    if raw.get("schema", SCHEMA) != SCHEMA:
        raise DataFileError(path.name, f"`schema` is '{raw['schema']}'.", f"Only '{SCHEMA}' can be read.")
    return raw


def _target(raw: Any, where: str) -> Target:
    if not isinstance(raw, dict):
        raise DataFileError(where, "is no object.", "Give its id, topic, protocol and observations.")
    where = f"{where.rpartition(' ')[0]} {raw['id']}" if raw.get("id") else where
    observations = raw.get("observations")
    if not isinstance(observations, list) or not observations:
        raise DataFileError(where, "has no observations.", "Give at least one, or remove the target.")
    bare = _convert({key: value for key, value in raw.items() if key != "observations"}, Target, where)
    rows = tuple(_observation(row, f"{where}, observation {place}") for place, row in enumerate(observations, 1))
    return msgspec.structs.replace(bare, observations=rows)


def _observation(raw: Any, where: str) -> Observation:
    if isinstance(raw, dict) and raw.get("quantity"):
        where = f"{where} ({raw['quantity']})"
    row = _convert(raw, Observation, where)
    for wrong, what, do in _faults(row):
        if wrong:
            raise DataFileError(where, what, do)
    return row


def _faults(row: Observation) -> tuple[tuple[bool, str, str], ...]:
    low, high, good, accept = row.low, row.high, row.tol_good, row.tol_accept
    needs_value, is_range = row.kind in {"value", "proportion"}, row.kind == "range"
    shares = row.kind == "proportion" and row.value is not None and not 0 <= row.value <= 1
    return (
        (needs_value and row.value is None, f"a {row.kind} without `value`.", "Give the observed value."),
        (shares, f"a proportion of {row.value}.", "Give a share from 0 to 1."),
        (is_range and (low is None or high is None), "a range without `low` and `high`.", "Give both."),
        (
            low is not None and high is not None and low > high,
            f"`low` {low} is above `high` {high} {row.unit}.",
            "Exchange them.",
        ),
        (
            good is not None and accept is not None and good > accept,
            f"`tol_good` {good} is above `tol_accept` {accept} {row.unit}.",
            "Give a `tol_accept` at least as wide.",
        ),
    )


def _convert(raw: Any, kind: type[T], where: str) -> T:
    given = {key: value for key, value in raw.items() if value is not None} if isinstance(raw, dict) else raw
    try:
        return msgspec.convert(given, kind)
    except msgspec.ValidationError as error:
        text, _, place = str(error).partition(" - at ")
        key = place.strip("`").removeprefix("$").removeprefix(".")
        what = f"{f'`{key}`: ' if key else ''}{text[0].lower()}{text[1:]}."
        raise DataFileError(where, what, _remedy(raw, key, text)) from None


def _remedy(raw: Any, key: str, text: str) -> str:
    if "missing required field" in text:
        name = text.rpartition("field ")[2].strip("`")
        known = {*Target.__struct_fields__, *Observation.__struct_fields__}
        near = did_you_mean(name, set(raw) - known) if isinstance(raw, dict) else ""
        return f"{near} Give `{name}`.".strip()
    choices = {"kind": Kind, "use": Use}.get(key)
    return f"Use one of {', '.join(get_args(choices))}." if choices else "Give a value of that kind."


def _counts(raw: dict[str, Any], targets: tuple[Target, ...]) -> tuple[str, ...]:
    held = {"targets": len(targets), "observations": sum(len(target.observations) for target in targets)}
    said = {name: raw.get(f"n_{name}", n) for name, n in held.items()}
    return tuple(f"the file says {said[name]} {name} and holds {n}" for name, n in held.items() if said[name] != n)


def _unread(listed: list[dict[str, Any]]) -> tuple[str, ...]:
    """Name the keys that this version does not know, once each: they are passed over, never in silence."""
    unknown: dict[str, None] = {}
    for raw in listed:
        unknown |= dict.fromkeys(f"target.{key}" for key in raw if key not in Target.__struct_fields__)
        for row in raw["observations"]:
            unknown |= dict.fromkeys(f"observation.{key}" for key in row if key not in Observation.__struct_fields__)
    return tuple(f"`{key}` is not read" for key in unknown)
