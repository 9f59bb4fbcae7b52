"""Which form a source has, and the same four steps for each: list deliveries, take one, load a part, read it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import msgspec

from carnallite.errors import RecordRefused
from carnallite.record.build import build
from carnallite.record.source import form_of_tables
from carnallite.record.warehouse import ndjson, sheets, stays, tables
from carnallite.record.warehouse.delivery import TAKEN, Delivery, Taken, digests

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from carnallite.record.entry import Loaded
    from carnallite.record.timeline import Reading

Form = Literal["fhir", "csv", "omop", "mimic", "eicu", "physionet"]
FORMS: tuple[Form, ...] = get_args(Form)
WHOLE: frozenset[Form] = frozenset({"omop", "mimic", "eicu", "physionet"})  # a new delivery replaces the one before


def form_of(source: str) -> Form:
    """Return the form that name and content of a source show.

    Raises
    ------
    RecordRefused
        It does not exist, or is nothing that is known.
    """
    if "://" in source:
        return "omop"
    path = Path(source)
    if not path.exists():
        raise RecordRefused("source", "there is no such file or folder.", "Check the path.")
    found = _form_of_folder(path) if path.is_dir() else _form_of_file(path)
    if found is None:
        raise RecordRefused("source", "nothing in it is known.", f"Name its form with --format: {', '.join(FORMS)}.")
    return found


def _form_of_folder(folder: Path) -> Form | None:
    tables = form_of_tables(folder)
    if tables is not None:
        return tables
    if ndjson.deliveries(folder):
        return "fhir"
    if stays.is_stays(folder):
        return "physionet"
    return "csv" if sheets.deliveries(folder) else None


def _form_of_file(file: Path) -> Form | None:
    suffixes = [suffix.lower() for suffix in file.suffixes if suffix.lower() != ".gz"][-1:]
    if suffixes in ([".db"], [".duckdb"], [".sqlite"], [".sqlite3"]):
        return "omop"
    if suffixes in ([".csv"], [".tsv"]):
        return "csv"
    if suffixes == [".ndjson"]:
        return "fhir"
    return "physionet" if stays.is_stays(file) else None


def deliveries(form: Form, source: str) -> list[Delivery]:
    """Return what a source delivers, in the order of names.

    Raises
    ------
    RecordRefused
        It does not exist or holds nothing of this form.
    """
    if "://" not in source and not Path(source).exists():
        raise RecordRefused("source", "there is no such file or folder.", "Check the path.")
    match form:
        case "fhir":
            found = ndjson.deliveries(Path(source))
        case "csv":
            found = sheets.deliveries(Path(source))
        case "physionet":
            found = stays.deliveries(Path(source))
        case _:
            found = tables.deliveries(source)
    if not found:
        raise RecordRefused("source", f"it holds no files of the form {form}.", "Check the path, or --format.")
    return found


def take(form: Form, delivery: Delivery, into: Path, *, count: int, since: datetime | None = None) -> Taken:
    """Sort one delivery into a new folder, so many parts; it holds what was taken, or does not exist.

    Raises
    ------
    RecordRefused
        It cannot be read.
    """
    taken = Taken(name=delivery.name, mark=delivery.mark, order=delivery.order, count=count)
    into.mkdir(parents=True)
    try:
        match form:
            case "fhir":
                ndjson.take(delivery, into, taken, since)
            case "csv":
                sheets.take(delivery, into, taken, since)
            case "physionet":
                stays.take(delivery, into, taken, since)
            case _:
                tables.take(form, delivery, into, taken, since)
        taken.parts = digests(into)
        (into / TAKEN).write_bytes(msgspec.json.format(msgspec.json.encode(taken), indent=1))
    except BaseException:
        shutil.rmtree(into, ignore_errors=True)
        raise
    return taken


def load(form: Form, folders: Sequence[Path], part: int) -> Loaded:
    """Return people and entries of one part of all deliveries, the earliest first.

    Raises
    ------
    RecordRefused
        What was taken cannot be read any more.
    """
    there = list(folders)
    match form:
        case "fhir":
            return ndjson.load(there, part)
        case "csv":
            return sheets.load(there, part, [taken_in(folder).header for folder in there])
        case "physionet":
            return stays.load(there, part)
        case _:
            return tables.load(form, there, part)


def taken_in(folder: Path) -> Taken:
    """Return what a folder says that it holds."""
    return msgspec.json.decode((folder / TAKEN).read_bytes(), type=Taken)


def readings(
    loaded: Loaded, *, now: datetime | None = None, local: Mapping[str, str] | None = None
) -> Iterator[tuple[str, Reading | RecordRefused]]:
    """Yield everybody by their keys, sorted; of whom nothing can be dated, why not."""
    for key in sorted(loaded.people):
        try:
            yield key, build(loaded.people[key], loaded.entries.get(key, []), now=now, local=local)
        except RecordRefused as why:
            yield key, why
