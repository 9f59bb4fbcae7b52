"""What the service keeps: an audit log that nobody can change unseen, used tokens, what was shown, feedback.

Every row of the audit log carries a keyed digest of itself and of the row before it; a head, signed with the same key,
says which row is the last. The database refuses to change or delete rows; whoever gets around that is found by
`Store.verify`, unless they have the key. A row is on disk before `append` returns: what cannot be audited is refused.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import threading
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from msgspec import Struct

from carnallite.errors import SettingError, StoreFailed
from carnallite.surfaces.service import databases

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LEAST_SECRET = 32  # bytes
FACTS = frozenset({
    "client", "code", "count", "hook", "instance", "key", "kind", "operation", "outcome", "patient", "reason",
    "request", "resource", "server", "service", "status", "user",
})  # fmt: skip
_PLAIN = re.compile(r"[\w.:/@+$~%=-]{0,2000}", re.ASCII)  # codes and addresses; no sentence, no name with a space
_START = "0" * 64
_LONG_OVER = timedelta(hours=1)  # after which a used token is forgotten: it ended minutes after it was shown


class Row(Struct, frozen=True):
    """A row of the audit log."""

    number: int
    at: datetime
    action: str
    facts: dict[str, str | int | bool | None]
    digest: str


class Verified(Struct, frozen=True):
    """What `verify` found: how many rows hold, and the first that does not."""

    rows: int
    broken: int | None = None  # number of the first row that does not hold
    why: str = ""


class Store:
    """What the service keeps, in SQLite or PostgreSQL; one for each process, for all of its threads."""

    def __init__(self, database: databases.Database, secret: bytes) -> None:
        self._database, self._secret, self._lock = database, secret, threading.Lock()

    @classmethod
    def open(cls, url: str, secret: Path | None = None, *, make: bool = True) -> Self:
        """Open, and make what is not there yet; guards that somebody took away are put back, and that is written down.

        Parameters
        ----------
        url : str
            ``sqlite:///relative.db``, ``sqlite:////absolute.db`` or ``postgresql://…``.
        secret : Path, optional
            File with the key of the chain, at least 32 bytes. With SQLite it is made beside the database where it is
            not given; keep it elsewhere, and whoever can write the database alone cannot forge the log.
        make : bool, optional
            False to look only: nothing is made or put back.

        Raises
        ------
        SettingError
            The address cannot be understood, or there is no key.
        StoreFailed
            The database cannot be reached or written.
        """
        database = databases.database(url)
        if secret is None and isinstance(database, databases.Sqlite):
            secret = database.path.with_suffix(database.path.suffix + ".key")
            if make:
                _make_secret(secret)
        if secret is None:
            raise SettingError("store", "a log in PostgreSQL needs a file with a key.", "Set `secret`.")
        try:
            key = secret.read_bytes().strip()
        except OSError:
            raise SettingError("store", f"the key '{secret}' cannot be read.", "Check path and rights.") from None
        if len(key) < LEAST_SECRET:
            raise SettingError("store", f"the key '{secret}' is too short.", f"It needs {LEAST_SECRET} bytes.")
        store = cls(database, key)
        if not make:
            return store
        with store._transaction():
            lost = database.unguarded() if database.is_there() else []
            database.prepare()
            if not database.rows("SELECT 1 FROM audit LIMIT 1"):  # a head that is lost later is not made anew
                seal = store._digest("head", 0, _START)
                database.run("INSERT INTO head VALUES (1, 0, ?, ?) ON CONFLICT DO NOTHING", (_START, seal))
        if lost:
            store.append("guards_lost", {"count": len(lost)}, datetime.now(UTC))
        return store

    def close(self) -> None:
        """Let go of the database."""
        with self._lock:
            self._database.close()

    def append(self, action: str, facts: Mapping[str, str | int | bool | None], at: datetime) -> str:
        """Add a row to the audit log and return its digest once it is on disk.

        Parameters
        ----------
        action : str
            What was done: ``hook``, ``assess``, ``refused`` …
        facts : mapping
            Names of `FACTS`; values are codes, addresses, counts: never a text of a record. A patient is given as
            `patient_key`.
        at : datetime
            When, aware.

        Raises
        ------
        StoreFailed
            It is not on disk: whatever was asked must be refused.
        """
        told = _canonical(facts)
        if not is_code(action):
            raise ValueError("an action is a code")
        with self._transaction() as database:
            number, previous, _ = self._head()
            row = (number + 1, _time(at), action, told, previous)
            digest = self._digest("row", *row)
            database.run("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?)", (*row, digest))
            sealed = (number + 1, digest, self._digest("head", number + 1, digest))
            database.run("UPDATE head SET number = ?, digest = ?, seal = ?", sealed)
        return digest

    def rows(self, since: datetime | None = None) -> list[Row]:
        """Return the rows of the audit log since a time, in their order."""
        with self._transaction(writes=False) as database:
            found = database.rows("SELECT * FROM audit WHERE at >= ? ORDER BY number", (_time(since),))
        return [Row(one[0], datetime.fromisoformat(one[1]), one[2], json.loads(one[3]), one[5]) for one in found]

    def head(self) -> tuple[int, str]:
        """Return number and digest of the last row: kept elsewhere, they show a log put back to an earlier day."""
        with self._transaction(writes=False):
            return self._head()[:2]

    def verify(self, head: tuple[int, str] | None = None) -> Verified:
        """Return whether every row stands where and as it was written, with the first that does not.

        Parameters
        ----------
        head : tuple, optional
            A head that was written down elsewhere and must still be part of the log.
        """
        with self._transaction(writes=False) as database:
            if lost := database.unguarded():
                return Verified(0, 0, f"the database no longer guards its rows: {', '.join(lost)}")
            number, previous = 0, _START
            for row in database.walk("SELECT * FROM audit ORDER BY number"):
                if row[0] != number + 1:
                    return Verified(number, number + 1, "the row is missing")
                if row[4] != previous or not hmac.compare_digest(row[5], self._digest("row", *row[:5])):
                    return Verified(number, number + 1, "the row is not as it was written")
                number, previous = number + 1, row[5]
                if head is not None and head[0] == number and head[1] != previous:
                    return Verified(number - 1, number, "the row is not the one that was written down elsewhere")
            last, digest, seal = self._head()
        if not hmac.compare_digest(seal, self._digest("head", last, digest)):
            return Verified(number, number, "the head is not as it was written")
        if (last, digest) != (number, previous) or (head is not None and head[0] > number):
            return Verified(number, number + 1, "the rows after it are missing")
        return Verified(number)

    def remember(self, issuer: str, jti: str, until: datetime) -> bool:
        """Return true the first time that a token is shown, false every other time, in whatever process."""
        name = self._digest("token", issuer, jti)
        with self._transaction() as database:
            database.run("DELETE FROM used WHERE until < ?", (_time(until - _LONG_OVER),))
            return database.run("INSERT INTO used VALUES (?, ?) ON CONFLICT DO NOTHING", (name, _time(until))) == 1

    def patient_key(self, patient: str, at: datetime) -> str:
        """Return what stands for a patient in the audit log: a keyed digest, with another key each month.

        Parameters
        ----------
        patient : str
            Address of the server and id of the patient in it.
        """
        return self._digest("patient", f"{at.astimezone(UTC):%Y-%m}", patient)[:32]

    def derived(self, purpose: str) -> bytes:
        """Return 32 bytes for another purpose, the same in every process; they tell nothing of the key."""
        return bytes.fromhex(self._digest("derived", purpose))

    def shown(self, key: str, fact: str, at: datetime) -> None:
        """Take note that a fact was shown for a patient; only digests of both are kept, for a while.

        Parameters
        ----------
        key : str
            Whatever names the patient, the same on every call.
        fact : str
            What was shown, and how bad it was.
        """
        name = self._digest("shown", key, fact)
        with self._transaction() as database:
            database.run(
                "INSERT INTO shown VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET at = excluded.at", (name, _time(at))
            )

    def last_shown(self, key: str, fact: str) -> datetime | None:
        """Return when a fact was last shown for a patient."""
        with self._transaction(writes=False) as database:
            found = database.rows("SELECT at FROM shown WHERE name = ?", (self._digest("shown", key, fact),))
        return datetime.fromisoformat(found[0][0]) if found else None

    def forget_shown(self, before: datetime) -> int:
        """Forget what was shown before a time, and return how many facts that were."""
        with self._transaction() as database:
            return database.run("DELETE FROM shown WHERE at < ?", (_time(before),))

    def feedback(self, row: Mapping[str, Any], at: datetime | None = None) -> None:
        """Keep what a clinician did with a card; it is on disk when this returns, and cannot be changed."""
        moment = _time(at if at is not None else datetime.now(UTC))
        with self._transaction() as database:
            told = json.dumps(dict(row), ensure_ascii=True, sort_keys=True, allow_nan=False)
            database.run("INSERT INTO feedback (at, told) VALUES (?, ?)", (moment, told))

    def feedbacks(self, since: datetime | None = None) -> list[tuple[datetime, dict[str, Any]]]:
        """Return what was kept since a time, in its order."""
        with self._transaction(writes=False) as database:
            found = database.rows("SELECT at, told FROM feedback WHERE at >= ? ORDER BY number", (_time(since),))
        return [(datetime.fromisoformat(at), json.loads(told)) for at, told in found]

    def _head(self) -> tuple[int, str, str]:
        found = self._database.rows("SELECT number, digest, seal FROM head")
        if not found:
            raise StoreFailed("store", "the audit log has lost its head.", "Put back the database of the last backup.")
        return found[0][0], found[0][1], found[0][2]

    def _digest(self, *parts: str | int) -> str:
        return hmac.new(self._secret, json.dumps(parts).encode(), hashlib.sha256).hexdigest()

    @contextmanager
    def _transaction(self, *, writes: bool = True) -> Iterator[databases.Database]:
        with self._lock, self._database.transaction(writes=writes):
            yield self._database


def is_code(text: str) -> bool:
    """Return whether a text has a place in the audit log: codes and addresses do, sentences do not."""
    return _PLAIN.fullmatch(text) is not None


def _canonical(facts: Mapping[str, str | int | bool | None]) -> str:
    """Return facts as JSON, if they hold nothing but codes."""
    for name, value in facts.items():
        if name not in FACTS or not isinstance(value, str | int | None):
            raise ValueError(f"the audit log has no place for '{name}'")
        if isinstance(value, str) and not is_code(value):
            raise ValueError(f"the audit log takes codes, and '{name}' is none")
    return json.dumps(dict(facts), sort_keys=True, ensure_ascii=True)


def _time(at: datetime | None) -> str:
    """Return a time as text that sorts by time."""
    return "" if at is None else at.astimezone(UTC).isoformat(timespec="microseconds")


def _make_secret(path: Path) -> None:
    """Make a key of our own where there is none; of several processes that begin at once all use the first one's."""
    if path.exists():
        return
    fresh = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(os.urandom(LEAST_SECRET).hex().encode())
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(fresh, path)
        fresh.unlink()
    except OSError:
        raise SettingError("store", f"no key can be written beside '{path.stem}'.", "Check path and rights.") from None
