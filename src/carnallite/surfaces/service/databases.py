"""Two databases behind one small interface: SQLite in a file of ours, PostgreSQL by address."""

from __future__ import annotations

import os
import sqlite3
from abc import ABC, abstractmethod
from contextlib import contextmanager, suppress
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from carnallite.errors import ExtraMissing, SettingError, StoreFailed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PATIENCE = 10  # [s] to wait for another process that writes
KEPT = ("audit", "feedback")  # tables whose rows nobody changes


def database(url: str) -> Database:
    """Return the database of an address; nothing is opened yet."""
    if url.startswith("sqlite:///"):
        return Sqlite(Path(url.removeprefix("sqlite:///")))
    if url.startswith(("postgresql://", "postgres://")):
        return Postgresql(url)
    raise SettingError("store", "the address is no database.", "Write sqlite:///FILE or postgresql://HOST/NAME.")


class Database(ABC):
    """A connection that is made when it is needed, and again after it broke."""

    def __init__(self) -> None:
        self.connection: Any = None

    @abstractmethod
    def connect(self) -> Any:
        """Return a connection that writes through to the disk."""

    @abstractmethod
    def is_there(self) -> bool:
        """Return whether there are tables of ours."""

    @abstractmethod
    def prepare(self) -> None:
        """Make tables and their guards."""

    @abstractmethod
    def run(self, statement: str, values: Sequence[object] = ()) -> int:
        """Run a statement and return how many rows it touched."""

    @abstractmethod
    def rows(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a question."""

    @abstractmethod
    def walk(self, statement: str) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a question that may have millions."""

    @abstractmethod
    def unguarded(self) -> list[str]:
        """Return the guards of rows that are missing."""

    @abstractmethod
    def begin(self, *, writes: bool) -> None:
        """Begin: to write, once nobody else does, or to read one state of everything."""

    @property
    @abstractmethod
    def failures(self) -> tuple[type[Exception], ...]:
        """What the database raises where it cannot."""

    @contextmanager
    def transaction(self, *, writes: bool) -> Iterator[None]:
        """Do all of it or nothing; on disk at the end. A failure is a `StoreFailed`, and the next try connects anew."""
        try:
            if self.connection is None:
                self.connection = self.connect()
            self.begin(writes=writes)
            yield
            self.connection.commit()
        except self.failures as error:
            self.close()
            name = type(error).__name__
            raise StoreFailed("store", f"nothing was written ({name}).", "Check the disk and the database.") from None
        except BaseException:
            with suppress(*self.failures):
                self.connection.rollback()
            raise

    def close(self) -> None:
        """Let go of the connection."""
        connection, self.connection = self.connection, None
        if connection is not None:
            with suppress(*self.failures):
                connection.close()


class Sqlite(Database):
    """One file, which several processes may write; every commit reaches the disk before it returns."""

    failures = (sqlite3.Error, OSError)

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    def connect(self) -> sqlite3.Connection:
        """Open the file; only its owner may read it."""
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
        self.path.chmod(0o600)
        connection = sqlite3.connect(self.path, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA trusted_schema = OFF")
        return connection

    def is_there(self) -> bool:
        """Return whether there are tables of ours."""
        return bool(self.rows("SELECT 1 FROM sqlite_master WHERE name = 'audit'"))

    def prepare(self) -> None:
        """Make tables and their guards."""
        for statement in _statements("sqlite"):
            self.connection.execute(statement)

    def begin(self, *, writes: bool) -> None:
        """Begin: to write, once nobody else does, or to read one state of everything."""
        self.connection.execute("BEGIN IMMEDIATE" if writes else "BEGIN")

    def run(self, statement: str, values: Sequence[object] = ()) -> int:
        """Run a statement and return how many rows it touched."""
        return int(self.connection.execute(statement, values).rowcount)

    def rows(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a question."""
        return list(self.connection.execute(statement, values))

    def walk(self, statement: str) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a question that may have millions."""
        yield from self.connection.execute(statement)

    def unguarded(self) -> list[str]:
        """Return the guards of rows that are missing."""
        there = {name for (name,) in self.rows("SELECT name FROM sqlite_master WHERE type = 'trigger'")}
        return [f"{table}_{what}" for table in KEPT for what in ("update", "delete") if f"{table}_{what}" not in there]


class Postgresql(Database):
    """A database of the hospital."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url

    @property
    def failures(self) -> tuple[type[Exception], ...]:
        """What the database raises where it cannot."""
        return (_psycopg().Error,)

    def connect(self) -> Any:
        """Connect; whoever waits for somebody else who writes does so for a while, not for ever."""
        connection = _psycopg().connect(self.url, connect_timeout=PATIENCE)
        connection.execute(f"SET synchronous_commit = on; SET lock_timeout = '{PATIENCE}s'")
        connection.execute(f"SET statement_timeout = '{PATIENCE * 6}s'")
        connection.commit()
        return connection

    def is_there(self) -> bool:
        """Return whether there are tables of ours."""
        return self.rows("SELECT to_regclass('audit')") != [(None,)]

    def prepare(self) -> None:
        """Make tables and their guards."""
        for statement in _statements("postgresql"):
            self.connection.execute(statement)

    def begin(self, *, writes: bool) -> None:
        """Begin: to write, once nobody else does, or to read one state of everything."""
        alone = "SELECT pg_advisory_xact_lock(hashtext('carnallite'))"
        self.connection.execute(alone if writes else "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")

    def run(self, statement: str, values: Sequence[object] = ()) -> int:
        """Run a statement and return how many rows it touched."""
        return int(self.connection.execute(statement.replace("?", "%s"), values).rowcount)

    def rows(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a question."""
        return list(self.connection.execute(statement.replace("?", "%s"), values))

    def walk(self, statement: str) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a question that may have millions."""
        with self.connection.cursor("walk") as cursor:
            yield from cursor.execute(statement)

    def unguarded(self) -> list[str]:
        """Return the guards of rows that are missing or switched off."""
        there = {name for (name,) in self.rows("SELECT tgname FROM pg_trigger WHERE tgenabled IN ('O', 'A')")}
        return [f"{table}_{what}" for table in KEPT for what in ("kept", "emptied") if f"{table}_{what}" not in there]


def _statements(name: str) -> list[str]:
    text = files("carnallite.surfaces.service").joinpath(f"{name}.sql").read_text("utf-8")
    return [one for one in text.split("\n\n") if one.strip()]


def _psycopg() -> Any:
    try:
        import psycopg  # noqa: PLC0415  (an extra)
    except ImportError:
        raise ExtraMissing("PostgreSQL", "the package psycopg is not installed.",
                           "Install it: pip install 'carnallite[postgresql]'.") from None  # fmt: skip
    return psycopg
