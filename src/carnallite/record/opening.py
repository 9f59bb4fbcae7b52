"""A folder of CSV or Parquet, a DuckDB or SQLite file, or a PostgreSQL database -> tables to read from."""

from __future__ import annotations

import csv
import glob
import gzip
import re
import sqlite3
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast
from urllib.parse import quote

from carnallite.errors import RecordRefused
from carnallite.record.tables import AbstractConnection, Table, Tables, stem

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_INNER = ("hosp", "icu")  # the folders of MIMIC-IV
_CSV = re.compile(r"\.(csv|tsv)(\.gz)?$", re.IGNORECASE)
_OFFLINE: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": "false", "autoload_known_extensions": "false",
}  # fmt: skip


@contextmanager
def opened(source: str, names: Collection[str], *, anchor: str) -> Iterator[Tables]:
    """Open a data set for reading.

    Parameters
    ----------
    source : str
        A folder, a DuckDB or SQLite file, or a PostgreSQL URL.
    names : collection of str
        The tables that are wanted, in lower case; all others are left alone.
    anchor : str
        The table that decides which schema is meant, where a database has several.

    Raises
    ------
    RecordRefused
        It cannot be opened, or has no table named `anchor`.
    """
    if re.match(r"postgres(ql)?://", source):
        tables = _postgresql(source, names, anchor)
    elif "://" in source:
        do = "Use postgresql://, a file or a folder."
        raise RecordRefused("record", "this kind of address is not read.", do)
    elif Path(source).is_dir():
        tables = _folder(Path(source), names)
    else:
        tables = _file(Path(source), names, anchor)
    try:
        if anchor not in tables.tables:
            do = "Check that this is the right source."
            raise RecordRefused("record", f"it has no table '{anchor}'.", do)
        yield tables
    finally:
        tables.connection.close()


def memory() -> AbstractConnection:
    """Return a database that holds nothing, for reading files."""
    import duckdb  # noqa: PLC0415  (loaded only where tables are read)

    return cast("AbstractConnection", duckdb.connect(":memory:", config=_OFFLINE))


def _folder(folder: Path, names: Collection[str]) -> Tables:
    connection = memory()
    found: dict[str, Table] = {}
    inner = [folder / name for name in _INNER if (folder / name).is_dir()]
    for path in sorted(file for home in (folder, *inner) for file in home.iterdir()):
        name = stem(path)
        if name in names and name not in found:
            table = _parquet(path, connection) if _is_parquet(path) else _csv(path)
            if table is not None:
                found[name] = table
    return Tables(connection, found, "folder")


def _is_parquet(path: Path) -> bool:
    return path.suffix.lower() == ".parquet" or (path.is_dir() and any(path.glob("*.parquet")))


def _literal(path: str) -> str:
    """Return a path as a SQL text in which nothing is a wildcard."""
    return "'" + glob.escape(path).replace("'", "''") + "'"


def quoted(name: str) -> str:
    """Return the name of a table or column as SQL."""
    return '"' + name.replace('"', '""') + '"'


def _parquet(path: Path, connection: AbstractConnection) -> Table:
    place = f"read_parquet({_literal(str(path))})"
    if path.is_dir():
        place = f"read_parquet({_literal(str(path))[:-1]}/*.parquet')"
    try:
        described = connection.execute(f"DESCRIBE SELECT * FROM {place}", ()).fetchall()  # noqa: S608
    except Exception:  # whatever DuckDB says of a broken file
        what = f"its table '{stem(path)}' is not Parquet."
        raise RecordRefused("record", what, "Export the table again.") from None
    return Table(place, {str(line[0]).lower(): quoted(str(line[0])) for line in described})


def _csv(path: Path) -> Table | None:
    """Return a CSV file as a table of text, after its own first line; an empty file is no table."""
    if not _CSV.search(path.name) or not path.is_file():
        return None
    opened = gzip.open if path.suffix.lower() == ".gz" else Path.open
    try:
        with opened(path, mode="rt", encoding="utf-8-sig", errors="replace") as file:
            line = file.readline()
    except (OSError, EOFError):
        what = f"its table '{stem(path)}' is cut or broken."
        raise RecordRefused("record", what, "Export it again.") from None
    if not line.strip():
        return None
    mark = max(",\t;|", key=line.count)
    names = _distinct(next(csv.reader([line], delimiter=mark)))
    columns = ", ".join(f"'{name.replace(chr(39), chr(39) * 2)}': 'VARCHAR'" for name in names)
    # Vocabularies come tab-separated with bare quotation marks in their names.
    marks = "quote='', escape=''" if mark == "\t" else "quote='\"', escape='\"'"
    place = (
        f"read_csv({_literal(str(path))}, auto_detect=false, header=true, delim='{mark}', {marks}, "
        f"columns={{{columns}}}, store_rejects=true)"
    )
    return Table(place, {name.lower(): quoted(name) for name in names})


def _distinct(names: list[str]) -> list[str]:
    """Return column names of which none is empty and no two are alike."""
    found: list[str] = []
    for position, name in enumerate(map(str.strip, names)):
        taken = not name or name.lower() in {other.lower() for other in found}
        found.append(f"column {position}" if taken else name)
    return found


def _file(path: Path, names: Collection[str], anchor: str) -> Tables:
    with path.open("rb") as file:
        head = file.read(16)
    if head.startswith(b"SQLite format 3"):
        return _sqlite(path, names)
    if head[8:12] == b"DUCK":
        import duckdb  # noqa: PLC0415

        try:
            opened = duckdb.connect(str(path), read_only=True, config=_OFFLINE)
        except duckdb.Error:
            do = "Close the program that writes to it, or export it with this DuckDB version."
            raise RecordRefused("record", "the DuckDB file cannot be opened.", do) from None
        connection = cast("AbstractConnection", opened)
        return Tables(connection, _catalogue(connection, names, anchor), "duckdb")
    do = "Use a folder of CSV or Parquet."
    raise RecordRefused("record", "it is neither a DuckDB nor a SQLite file.", do)


def _sqlite(path: Path, names: Collection[str]) -> Tables:
    connection = sqlite3.connect(f"file:{quote(str(path.resolve()))}?mode=ro", uri=True)
    connection.text_factory = lambda data: data.decode("utf-8", "replace")
    found: dict[str, Table] = {}
    try:
        listed = connection.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")
        for (name,) in listed.fetchall():
            if name.lower() in names:
                columns = connection.execute("SELECT name FROM pragma_table_info(?)", (name,)).fetchall()
                found[name.lower()] = Table(quoted(name), {c.lower(): quoted(c) for (c,) in columns})
    except sqlite3.Error:
        connection.close()
        raise RecordRefused("record", "the SQLite file is broken.", "Export it again.") from None
    return Tables(cast("AbstractConnection", connection), found, "sqlite")


def _postgresql(url: str, names: Collection[str], anchor: str) -> Tables:
    try:
        import psycopg  # noqa: PLC0415  (optional; only a PostgreSQL source needs it)
    except ImportError:
        do = "Run: pip install 'carnallite[postgresql]'; or export the tables to a folder of Parquet."
        raise RecordRefused("record", "reading PostgreSQL needs the package psycopg.", do) from None
    try:
        opened = psycopg.connect(url, autocommit=False, connect_timeout=10)
        opened.read_only = True
        opened.execute("SET TIME ZONE 'UTC'")
        connection = cast("AbstractConnection", opened)
        return Tables(connection, _catalogue(connection, names, anchor), "postgresql")
    except psycopg.Error as error:
        what = f"the database cannot be opened ({type(error).__name__})."
        raise RecordRefused("record", what, "Check host, name, user and password of the URL.") from None


def _catalogue(connection: AbstractConnection, names: Collection[str], anchor: str) -> dict[str, Table]:
    """Return the wanted tables of the schema that is meant; a vocabulary may lie in another one."""
    schemas: dict[str, dict[str, Table]] = {}
    listed = "SELECT table_schema, table_name, column_name FROM information_schema.columns"
    for schema, name, column in connection.execute(listed, ()).fetchall():
        if schema and name and column and name.lower() in names:
            tables = schemas.setdefault(schema, {})
            table = tables.setdefault(name.lower(), Table(f"{quoted(schema)}.{quoted(name)}", {}))
            table.columns[column.lower()] = quoted(column)
    holding = [schema for schema, tables in schemas.items() if anchor in tables]
    current = connection.execute("SELECT CAST(current_schema() AS VARCHAR)", ()).fetchall()[0][0]
    chosen = current if current in holding else holding[0] if len(holding) == 1 else None
    if len(holding) > 1 and chosen is None:
        connection.close()
        what = f"{len(holding)} schemas hold a table '{anchor}'."
        raise RecordRefused("record", what, "Name one: add ?options=-csearch_path%3DNAME to the URL.")
    found = dict(schemas.get(chosen or "", {}))
    for tables in schemas.values():
        for name, table in tables.items():
            if sum(name in others for others in schemas.values()) == 1:
                found.setdefault(name, table)
    return found
