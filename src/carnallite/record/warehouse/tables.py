"""OMOP, MIMIC-III, MIMIC-IV and eICU of any size: tables sorted by patient, then read by their own readers.

Rows go as text, as the readers want them, and in the order of the source.
"""

from __future__ import annotations

from contextlib import contextmanager
from hashlib import md5
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from carnallite.errors import RecordRefused
from carnallite.record import eicu, mimic, omop
from carnallite.record.entry import Loaded
from carnallite.record.opening import memory, opened, quoted
from carnallite.record.tables import Table, Tables
from carnallite.record.warehouse.delivery import SHARED, Delivery, Sorter, Taken, arrow, file_of, part_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

AT_ONCE = 50_000  # rows


class Kind(NamedTuple):
    """What makes a data set of tables: whose rows they are, which table names the people, how it is read."""

    owner: str
    anchor: str
    tables: frozenset[str]
    read: Callable[[Tables], Loaded]


KINDS = {
    "omop": Kind("person_id", "person", omop.TABLES, omop.read_tables),
    "mimic": Kind("subject_id", "patients", mimic.TABLES, mimic.read_tables),
    "eicu": Kind("patientunitstayid", "patient", eicu.TABLES, eicu.read_tables),
}


def deliveries(source: str) -> list[Delivery]:
    """Return a folder, a file or a database as one delivery; a database does not say whether it has changed."""
    if "://" in source:
        return [Delivery(name="database", place=source, mark="", size=0)]
    path, mark, size, order = Path(source), md5(usedforsecurity=False), 0, 0
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.is_file():
            said = file.stat()
            mark.update(f"{file.name} {said.st_size} {said.st_mtime_ns}\n".encode())
            size, order = size + said.st_size, max(order, said.st_mtime_ns)
    return [Delivery(name=path.name, place=source, mark=mark.hexdigest(), size=size, order=order)]


def take(form: str, delivery: Delivery, folder: Path, taken: Taken, since: datetime | None) -> None:
    """Sort the rows of every table by patient; tables that are about nobody are shared by all parts.

    Raises
    ------
    RecordRefused
        It cannot be opened, or holds no people.
    """
    del since
    kind = KINDS[form]
    with opened(delivery.place, kind.tables, anchor=kind.anchor) as data:
        for name, table in sorted(data.tables.items()):
            columns = list(table.columns)
            owner = columns.index(kind.owner) if kind.owner in columns else None
            with Sorter(folder, name, columns, taken.count) as sorter:
                for batch in _batches(data, table, name):
                    taken.rows += batch.num_rows
                    if owner is None:
                        sorter.add_batch(batch, [SHARED] * batch.num_rows)
                    else:
                        keys = batch.column(owner).to_pylist()
                        sorter.add_batch(batch, [part_of((key or "").strip(), taken.count) for key in keys])
        for issue in data.issues():
            taken.complain(issue.code, issue.where, issue.what, issue.do)


def _batches(data: Tables, table: Table, name: str) -> Iterator[Any]:
    """Yield the rows of a table as Arrow, all of it as text."""
    kind = "VARCHAR" if data.engine in {"folder", "duckdb"} else "TEXT"
    listed = ", ".join(f"CAST({column} AS {kind}) AS {quoted(name)}" for name, column in table.columns.items())
    sql = f"SELECT {listed} FROM {table.place}"  # noqa: S608  (names of the source's own catalogue, quoted)
    try:
        if data.engine in {"folder", "duckdb"}:
            yield from cast("Any", data.connection).sql(sql).to_arrow_reader(AT_ONCE)
            return
        cursor = cast("Any", data.connection).cursor(**({"name": "carnallite"} if data.engine == "postgresql" else {}))
        cursor.execute(sql)
        library = arrow()
        while rows := cursor.fetchmany(AT_ONCE):
            columns = [library.array(column, library.string()) for column in zip(*rows, strict=True)]
            yield library.RecordBatch.from_arrays(columns, list(table.columns))
        cursor.close()
    except MemoryError:
        raise
    except OSError:
        raise
    except Exception as error:  # each engine has errors of its own; none may carry a row into a message
        what = f"its table '{name}' cannot be read ({type(error).__name__})."
        raise RecordRefused("record", what, "Check the file, or export the table again.") from None


def load(form: str, folders: list[Path], part: int) -> Loaded:
    """Return people and entries of one part, read as the whole data set would be; the last delivery holds."""
    loaded = Loaded()
    for folder in folders:
        with _part(folder, part) as data:
            if KINDS[form].anchor in data.tables:
                found = KINDS[form].read(data)
                loaded.people |= found.people
                loaded.entries |= {key: found.entries.get(key, []) for key in found.people}
                loaded.issues += found.issues
                loaded.strays += found.strays
    return loaded


@contextmanager
def _part(folder: Path, part: int) -> Iterator[Tables]:
    """Open the tables of one part."""
    connection = memory()
    try:
        found: dict[str, Table] = {}
        names = {file.stem.rsplit("-", 1)[0] for file in folder.glob("*.parquet")}
        for name in sorted(names):
            file = next((f for f in (file_of(folder, name, part), file_of(folder, name, SHARED)) if f.exists()), None)
            if file is not None:
                columns = arrow("pyarrow.parquet").read_schema(file).names
                place = f"read_parquet('{str(file).replace(chr(39), chr(39) * 2)}')"
                found[name] = Table(place, {column: quoted(column) for column in columns})
        yield Tables(connection, found, "folder")
    finally:
        connection.close()
