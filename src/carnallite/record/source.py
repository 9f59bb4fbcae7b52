"""Whatever holds a record -> one patient's Reading. The edge of the room: here files are opened."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from carnallite.errors import RecordRefused
from carnallite.record import fhir
from carnallite.record.build import build
from carnallite.record.entry import chosen

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from carnallite.record.entry import Loaded
    from carnallite.record.timeline import Reading

Format = Literal["fhir", "csv", "omop", "mimic", "eicu"]


def read_record(
    source: str | Path,
    *,
    format: Format | None = None,
    patient: str | None = None,
    now: datetime | None = None,
    local: Mapping[str, str] | None = None,
) -> Reading:
    """Return one patient's timeline and what had to be left out of it.

    Parameters
    ----------
    source : str or Path
        A FHIR R4 Bundle, a folder of FHIR NDJSON, a CSV timeline, an OMOP CDM 5.4 database (folder, DuckDB or
        SQLite file, PostgreSQL URL), or a MIMIC-III or eICU folder.
    format : str, optional
        Which of them; found out from name and content if not given.
    patient : str, optional
        Key of the patient, or `#1` for the first, where the source holds several.
    now : datetime, optional
        Time of the assessment; otherwise the latest clinical time of the record.
    local : mapping, optional
        The site's own codes or labels -> analyte ids.

    Raises
    ------
    RecordRefused
        It cannot be read, holds nobody, or holds several people and none was selected.
    """
    loaded, digest = load(source, format=format, patient=patient, alone=True)
    return choose(loaded, digest=digest, patient=patient, now=now, local=local)


def fhir_reading(
    data: bytes,
    *,
    patient: str | None = None,
    now: datetime | None = None,
    local: Mapping[str, str] | None = None,
) -> Reading:
    """Return the reading of a FHIR R4 Bundle that is already in memory.

    Raises
    ------
    RecordRefused
        As `read_record`.
    """
    digest = hashlib.sha256(data).hexdigest()
    return choose(fhir.read_bundle(fhir.unpacked(data)), digest=digest, patient=patient, now=now, local=local)


def read_all(
    source: str | Path,
    *,
    format: Format | None = None,
    now: datetime | None = None,
    local: Mapping[str, str] | None = None,
) -> Iterator[tuple[str, Reading]]:
    """Yield every patient of a source with their key.

    Raises
    ------
    RecordRefused
        The source cannot be read.
    """
    loaded, digest = load(source, format=format)
    for key, person in loaded.people.items():
        yield key, build(person, loaded.entries.get(key, []), issues=loaded.issues, now=now, local=local, digest=digest)


def choose(
    loaded: Loaded,
    *,
    digest: str,
    patient: str | None = None,
    now: datetime | None = None,
    local: Mapping[str, str] | None = None,
) -> Reading:
    """Return the reading of the one patient of a source, or of the selected one.

    Raises
    ------
    RecordRefused
        Nobody, several without a choice, a choice that does not exist, or lines about somebody else.
    """
    keys = list(loaded.people)
    if not keys:
        raise RecordRefused("record", "it holds no patient.", "Add the Patient, or the person's rows.")
    if patient is None:
        if len(keys) > 1:
            what = f"it holds {len(keys)} patients."
            raise RecordRefused("record", what, f"Select one by key, or with --patient '#1' to '#{len(keys)}'.")
        if loaded.strays:
            what = f"{len(loaded.strays)} lines are about somebody else, the first is {loaded.strays[0]}."
            raise RecordRefused("record", what, "Remove them; nobody's results may be mixed.")
        key = keys[0]
    else:
        key = chosen(patient, keys)
    return build(
        loaded.people[key],
        loaded.entries.get(key, []),
        issues=loaded.issues,
        now=now,
        local=local,
        digest=digest,
    )


def load(
    source: str | Path, *, format: Format | None = None, patient: str | None = None, alone: bool = False
) -> tuple[Loaded, str]:
    """Return everything in a source, or about one patient, and the SHA-256 of what was read.

    With `alone`, a database of several people is not read until one of them is selected.

    Raises
    ------
    RecordRefused
        It does not exist or cannot be read.
    """
    if "://" in str(source):
        return _load_tables(str(source), "omop", patient, alone=alone)
    path = Path(source)
    if not path.exists():
        raise RecordRefused("record", "there is no such file or folder.", "Check the path.")
    form = format or _form_of(path)
    if form in {"omop", "mimic", "eicu"}:
        return _load_tables(str(path), form, patient, alone=alone)
    if path.is_dir():
        return _load_folder(path)
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    text = fhir.unpacked(data)
    if not text.strip():
        raise RecordRefused("record", "it is empty.", "Send a FHIR Bundle or a CSV timeline.")
    if form == "csv":
        from carnallite.record import tabular  # noqa: PLC0415

        return tabular.read(text), digest
    return fhir.read_bundle(text), digest


def _load_tables(source: str, form: Format, patient: str | None, *, alone: bool) -> tuple[Loaded, str]:
    """Read a data set of tables, which may be far larger than what is read of it."""
    from carnallite.record import intensive_care, omop  # noqa: PLC0415  (DuckDB is loaded only where it is used)

    if form == "omop":
        loaded = omop.read(source, patient, alone=alone)
    elif form == "mimic":
        loaded = intensive_care.read_mimic(Path(source), patient, alone=alone)
    else:
        loaded = intensive_care.read_eicu(Path(source), patient, alone=alone)
    return loaded, hashlib.sha256(msgspec.json.encode((loaded.people, loaded.entries))).hexdigest()


def _load_folder(path: Path) -> tuple[Loaded, str]:
    digest = hashlib.sha256()
    for file in sorted(path.iterdir()):
        if file.is_file():
            digest.update(f"{file.name}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    return fhir.read_folder(path), digest.hexdigest()


def form_of_tables(folder: Path) -> Literal["omop", "mimic", "eicu"] | None:
    """Return the data set whose tables a folder holds, by their names."""
    names = {file.name.split(".")[0].lower() for file in folder.iterdir()}
    if "person" in names and ("measurement" in names or "drug_exposure" in names):
        return "omop"
    if {"labevents", "patients"} <= names or "hosp" in names:
        return "mimic"
    return "eicu" if {"lab", "patient"} <= names else None


def _form_of(path: Path) -> Format:
    """Return the form that name and content show."""
    if path.is_dir():
        return form_of_tables(path) or "fhir"
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"]
    if suffixes[-1:] in ([".db"], [".duckdb"], [".sqlite"], [".sqlite3"]):
        return "omop"
    return "csv" if suffixes[-1:] in ([".csv"], [".tsv"]) else "fhir"
