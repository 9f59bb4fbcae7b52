"""Tables of an open data set -> rows of text.

Names of tables and columns come from the code or from the data set's own catalogue, and are quoted; keys of
people are parameters; so nothing that a user types becomes SQL.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from carnallite.errors import RecordRefused
from carnallite.record.timeline import Issue

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

Row = dict[str, str]

_NOTHING = frozenset({"", "nan", "null", "none", "nat", "\\n", "inf", "-inf"})  # "na" is sodium
_WHOLE = re.compile(r"-?\d{1,18}")
_SUFFIX = re.compile(r"\.(csv|tsv|parquet)(\.gz)?$", re.IGNORECASE)
_CHUNK = 5000  # ids in one query


class AbstractConnection(Protocol):
    """What DuckDB, SQLite and PostgreSQL connections have in common."""

    def execute(self, sql: str, parameters: Sequence[object], /) -> AbstractCursor:
        """Run one statement."""

    def close(self) -> object:
        """Let go of it."""


class AbstractCursor(Protocol):
    """An answer that is being read."""

    def fetchall(self) -> list[tuple[str | None, ...]]:
        """Return all rows."""


@dataclass(frozen=True, slots=True)
class Table:
    """Where one table lies in SQL, and its columns: name in lower case -> quoted as it is."""

    place: str
    columns: dict[str, str]


@dataclass(frozen=True, slots=True)
class Tables:
    """An open data set.

    Attributes
    ----------
    tables
        The tables that it has, by name in lower case.
    typed
        Whether ids are numbers; in CSV everything is text.
    repeated
        Rows of each table that stood there twice, and were returned once.
    """

    connection: AbstractConnection
    tables: dict[str, Table]
    engine: Literal["folder", "duckdb", "sqlite", "postgresql"]
    repeated: Counter[str] = field(default_factory=Counter)

    def rows(self, name: str, columns: Iterable[str], *, only: tuple[str, str] | None = None) -> list[Row]:
        """Return rows as text, with an empty text for what is missing, not a number, or not a column at all.

        Parameters
        ----------
        name, columns : str, iterable of str
            In lower case; a table that does not exist has no rows.
        only : pair of str, optional
            A column and the value that it must have.
        """
        if only is None:
            return self._select(name, list(columns), "", ())
        column = self.tables[name].columns.get(only[0]) if name in self.tables else None
        if column is None:
            return []
        mark = "%s" if self.engine == "postgresql" else "?"
        if self.engine == "folder":
            return self._select(name, list(columns), f"WHERE CAST({column} AS VARCHAR) = {mark}", (only[1],))
        if not _WHOLE.fullmatch(only[1]):
            return []
        return self._select(name, list(columns), f"WHERE {column} = {mark}", (int(only[1]),))

    def by_ids(self, name: str, columns: Iterable[str], column: str, ids: Collection[int]) -> list[Row]:
        """Return the rows whose id is one of the given whole numbers."""
        table, wanted, found = self.tables.get(name), list(columns), list[Row]()
        if table is None or column not in table.columns:
            return []
        ordered = sorted(ids)
        kind = "VARCHAR" if self.engine == "folder" else "BIGINT"
        for start in range(0, len(ordered), _CHUNK):
            part = ordered[start : start + _CHUNK]
            listed = ", ".join(f"'{id}'" if kind == "VARCHAR" else str(id) for id in part)
            where = f"WHERE CAST({table.columns[column]} AS {kind}) IN ({listed})"
            found += self._select(name, wanted, where, ())
        return found

    def _select(self, name: str, columns: list[str], where: str, parameters: Sequence[object]) -> list[Row]:
        table = self.tables.get(name)
        present = [column for column in columns if table and column in table.columns]
        if table is None or not present:
            return []
        text = "TEXT" if self.engine in {"sqlite", "postgresql"} else "VARCHAR"
        listed = ", ".join(f"CAST({table.columns[column]} AS {text})" for column in present)
        order = "" if self.engine == "folder" else "ORDER BY 1"  # a file has its own order
        answer = self._run(f"SELECT {listed} FROM {table.place} {where} {order}", parameters, name)  # noqa: S608
        once = dict.fromkeys(answer)
        self.repeated[name] += len(answer) - len(once)
        nothing = dict.fromkeys(columns, "")
        return [nothing | dict(zip(present, map(_cell, line), strict=True)) for line in once]

    def _run(self, sql: str, parameters: Sequence[object], name: str) -> list[tuple[str | None, ...]]:
        try:
            return self.connection.execute(sql, parameters).fetchall()
        except Exception as error:  # each engine has errors of its own; none may carry a row into a message
            what = f"its table '{name}' cannot be read ({type(error).__name__})."
            raise RecordRefused("record", what, "Check the file, or export the table again.") from None

    def issues(self) -> list[Issue]:
        """Return what was wrong so far: rows that could not be parsed, and rows that stood twice."""
        found = [
            Issue("duplicate", name, f"{count} rows stand twice.", "Nothing; each counts once.")
            for name, count in sorted(self.repeated.items())
            if count
        ]
        if self.engine == "folder":
            found += _rejected(self.connection)
        return found


def _cell(value: str | None) -> str:
    text = (value or "").strip()
    return "" if text.casefold() in _NOTHING else text


def _rejected(connection: AbstractConnection) -> list[Issue]:
    """Return the tables that hold rows with too many, too few or unreadable cells."""
    listed = "SELECT table_name FROM duckdb_tables() WHERE table_name = 'reject_errors'"
    if not connection.execute(listed, ()).fetchall():
        return []
    counted = """
        SELECT s.file_path, CAST(count(DISTINCT e.line) AS VARCHAR)
        FROM reject_errors e JOIN reject_scans s USING (scan_id, file_id) GROUP BY ALL ORDER BY ALL"""
    counts = connection.execute(counted, ()).fetchall()
    what = "rows have too few or too many cells, or are not UTF-8."
    return [
        Issue("row_not_read", stem(Path(path or "")), f"{count} {what}", "Export the table again.")
        for path, count in counts
    ]


def stem(path: Path) -> str:
    """Return the name of the table that a file holds.

    >>> stem(Path("MEASUREMENT.csv.gz"))
    'measurement'
    """
    return _SUFFIX.sub("", path.name).lower()
