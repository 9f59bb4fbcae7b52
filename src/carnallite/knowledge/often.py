"""How often: what is said of settings, of the forms of a cause and of causes that go together, refused where wrong."""

from __future__ import annotations

from collections import Counter
from itertools import groupby
from typing import TYPE_CHECKING

from carnallite.datafile import resolve
from carnallite.errors import DataFileError
from carnallite.knowledge import schema

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    import msgspec

_ROUNDING = 1e-9


def check_often(file: str, item: msgspec.Struct, known: schema.Knowledge, *, forms: Collection[str]) -> None:
    """Refuse a frequency that names nothing, is named twice, or does not add up.

    Raises
    ------
    DataFileError
        As said; `forms` are the forms in which a cause acts on the body.
    """
    if isinstance(item, schema.Setting):
        _check_setting(file, item, known)
    elif isinstance(item, schema.Pair):
        _check_pair(file, item, known)
    elif isinstance(item, schema.Cause):
        _check_severity(file, item, forms)


def check_ranks(known: schema.Knowledge) -> None:
    """Refuse two settings of one rank: which of them speaks first would not be said.

    Raises
    ------
    DataFileError
        As said.
    """
    seen: dict[int, str] = {}
    for id, setting in known.settings.items():
        if setting.rank in seen:
            told = f"`rank` {setting.rank} is also that of {seen[setting.rank]}."
            raise DataFileError(f"settings/{id}.toml", told, "Say which comes first.")
        seen[setting.rank] = f"{id}.toml"


def _check_setting(file: str, item: schema.Setting, known: schema.Knowledge) -> None:
    if not item.when and not item.encounters:
        raise DataFileError(file, "does not say who is in it.", "Give `when` or `encounters`.")
    for key, names, pool in (
        ("causes.cause", [rate.cause for rate in item.causes], known.causes),
        ("factors.factor", [rate.factor for rate in item.factors], known.factors),
    ):
        for name in names:
            resolve(file, key, name, pool)
        _refuse_twice(file, key, names)


def _check_pair(file: str, item: schema.Pair, known: schema.Knowledge) -> None:
    for name in item.causes:
        resolve(file, "causes", name, known.causes)
    _refuse_twice(file, "causes", item.causes)
    if len(item.causes) not in {2, 3}:
        raise DataFileError(file, f"`causes` are {len(item.causes)}.", "Name two or three.")
    if item.id != "-".join(item.causes):
        raise DataFileError(file, f"`id` is '{item.id}'.", f"Call it '{'-'.join(item.causes)}'.")
    for other, pair in known.pairs.items():
        if other != item.id and set(pair.causes) == set(item.causes):
            raise DataFileError(file, f"`causes` are also those of {other}.toml.", "Keep one.")
    if not item.odds_ratio > 0:
        raise DataFileError(file, f"`odds_ratio` is {item.odds_ratio}.", "Give a number above 0.")


def _check_severity(file: str, item: schema.Cause, forms: Collection[str]) -> None:
    if not item.severity:
        if len(forms) > 1:
            raise DataFileError(file, f"`severity` is missing for {len(forms)} forms.", "Say how often each acts.")
        return
    groups = [(when, list(group)) for when, group in groupby(item.severity, key=lambda entry: entry.when)]
    _refuse_twice(file, "severity.when", [when or "otherwise" for when, _ in groups])
    if groups[-1][0]:
        raise DataFileError(file, "`severity` ends with a `when`.", "Let entries without `when` come last.")
    for when, group in groups:
        told = f"`severity` when {when or 'nothing else holds'}"
        for entry in group:
            resolve(file, "severity.phenotype", entry.phenotype, forms)
            if not 0 <= entry.share <= 1:
                raise DataFileError(file, f"`severity.share` is {entry.share}.", "Give a number from 0 to 1.")
        _refuse_twice(file, "severity.phenotype", [entry.phenotype for entry in group])
        whole = sum(entry.share for entry in group)
        if abs(whole - 1) > _ROUNDING:
            raise DataFileError(file, f"{told}: the shares sum to {whole:.6g}.", "Let them sum to 1.")
    silent = sorted(set(forms) - {entry.phenotype for entry in groups[-1][1]})
    if silent:
        raise DataFileError(file, f"`severity` does not say how often '{silent[0]}' acts.", "Add it; 0 is an answer.")


def _refuse_twice(file: str, key: str, names: Iterable[str]) -> None:
    for name, times in Counter(names).items():
        if times > 1:
            raise DataFileError(file, f"`{key}`: '{name}' stands there {times} times.", "Keep one.")
