"""When the content of the data files was checked, who answers for it, what is overdue, and all of it as rows.

The dates stand in ``review.toml``, apart from what they are about: checking again changes no answer and no edition.
"""

from __future__ import annotations

import json
import tomllib
from datetime import date, timedelta
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from carnallite import datafile
from carnallite.datafile import resolve
from carnallite.errors import DataFileError
from carnallite.knowledge.plan_schema import Part
from carnallite.quantity import Number

if TYPE_CHECKING:
    from collections.abc import Iterator

HOME = Path(__file__).parents[1]
_FILE = Path(__file__).with_name("review.toml")
_DATA = frozenset({".toml", ".json", ".csv"})
_MADE = frozenset({"__pycache__", "built"})  # folders of what is made from data
_TITLES = ("name", "claim", "citation", "title")


class Kind(Part, frozen=True, kw_only=True):
    """Data files that are checked together."""

    name: str
    files: tuple[str, ...]  # patterns of paths within the package; `*` stands for anything
    checked: date
    every: str  # an interval of the file
    owner: str = ""  # where it is not that of the file


class Without(Part, frozen=True, kw_only=True):
    """Data files that have no clinical content."""

    files: tuple[str, ...]
    why: str


class Review(datafile.Item, frozen=True, kw_only=True):
    """The content of ``review.toml``."""

    owner: str
    every: dict[str, Number]
    kinds: tuple[Kind, ...]
    without: tuple[Without, ...]


class Reviewed(msgspec.Struct, frozen=True, kw_only=True):
    """When content was checked, the last day on which that counts, and who answers for it."""

    content: str
    checked: date
    due: date
    owner: str


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a clinician could dispute: where it stands, on what it rests, and when that was checked."""

    kind: str
    id: str
    name: str
    source: tuple[str, ...]
    status: tuple[str, ...]
    checked: date
    due: date
    owner: str
    content: str
    file: str


@cache
def review() -> Review:
    """Return what ``review.toml`` says.

    Raises
    ------
    DataFileError
        It is wrong; the message names key and remedy.
    """
    found = datafile.read(_FILE, Review)
    for kind in found.kinds:
        resolve(_FILE.name, "every", kind.every, found.every)
    for name, every in found.every.items():
        if every.unit != "d" or every.value <= 0:
            what = f"`every.{name}` is {every.value:g} {every.unit}."
            raise DataFileError(_FILE.name, what, "Give a number of days, in `d`.")
    return found


@cache
def reviews() -> tuple[Reviewed, ...]:
    """Return when each kind of content was checked, in the order of ``review.toml``."""
    known = review()
    return tuple(
        Reviewed(
            content=kind.name, checked=kind.checked, owner=kind.owner or known.owner,
            due=kind.checked + timedelta(days=known.every[kind.every].value),
        )
        for kind in known.kinds
    )  # fmt: skip


def reviewed(file: str) -> Reviewed | None:
    """Return when a data file was checked, by its path within the package; none for what has no clinical content.

    >>> reviewed("knowledge/safety/potassium.toml").content
    'limits of doses'

    Raises
    ------
    DataFileError
        No pattern fits it.
    """
    if any(fnmatchcase(file, pattern) for one in review().without for pattern in one.files):
        return None
    for kind, found in zip(review().kinds, reviews(), strict=True):
        if any(fnmatchcase(file, pattern) for pattern in kind.files):
            return found
    raise DataFileError(file, "has no date of review.", "Give it a kind in knowledge/review.toml.")


def overdue(today: date) -> tuple[Reviewed, ...]:
    """Return what should have been checked again before a day.

    >>> overdue(reviews()[0].due)
    ()
    """
    return tuple(one for one in reviews() if today > one.due)


def files() -> list[str]:
    """Return every data file of the package by its path in it."""
    found = (path.relative_to(HOME) for path in HOME.rglob("*") if path.suffix in _DATA)
    return sorted(path.as_posix() for path in found if not _MADE & set(path.parts))


def rows() -> Iterator[Row]:
    """Yield one row for each file, and one for each part of it that has a name and a source of its own.

    The row of a file has the sources of all that has no row of its own.
    """
    for file in files():
        checked = reviewed(file)
        if checked is None:
            continue
        path = HOME / file
        text = path.read_text("utf-8")
        raw = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
        parts = list(_parts(raw))
        for id, part in [(path.stem, raw), *((f"{path.stem}/{name}", part) for name, part in parts)]:
            inner = [one for _, one in parts] if part is raw else []
            yield Row(
                kind=path.parent.name, id=id, name=_name(part),
                source=_gathered(part, "source", inner),
                status=_gathered(part, "status", inner) or _gathered(part, "read", inner),
                checked=checked.checked, due=checked.due, owner=checked.owner, content=checked.content, file=file,
            )  # fmt: skip


def _parts(raw: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what is cited under a name: entries of a table of tables, and those of a list that have an id."""
    for value in raw.values():
        if isinstance(value, dict) and "source" not in value:
            yield from ((name, one) for name, one in value.items() if isinstance(one, dict) and "source" in one)
        elif isinstance(value, list):
            yield from ((one["id"], one) for one in value if isinstance(one, dict) and {"id", "source"} <= one.keys())


def _name(raw: dict[str, Any]) -> str:
    return next((str(raw[title]) for title in (*_TITLES, "because", "about") if title in raw), "")


def _gathered(raw: Any, key: str, inner: list[dict[str, Any]]) -> tuple[str, ...]:
    """Return every value of a key within a value, each once, without what lies in inner parts."""
    found: dict[str, None] = {}
    pending = [raw]
    while pending:
        one = pending.pop(0)
        if isinstance(one, dict):
            found |= {one[key]: None} if isinstance(one.get(key), str) else {}
        children = one.values() if isinstance(one, dict) else one if isinstance(one, list) else ()
        pending += [child for child in children if not any(child is part for part in inner)]
    return tuple(found)
