"""Timelines <-> rows of an Arrow table: one row a fact, the rows of a patient together, many patients a table.

The map loses nothing. A table may lie on disk as Parquet, and be asked without making a `Timeline` again.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np

from carnallite.errors import ExtraMissing, RecordRefused
from carnallite.record.timeline import (
    Condition,
    Encounter,
    Exposure,
    Observation,
    Patient,
    Procedure,
    Timeline,
    Unread,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import ModuleType

    import pyarrow as pa
    from numpy.typing import NDArray

    Whole = NDArray[np.int64]
    Row = dict[str, Any]

VERSION = "carnallite.rows/1"
_KEY = b"schema"
APART = ","  # between remarks; they are ids of ours
KINDS: dict[str, tuple[str, Any, dict[str, str]]] = {  # of facts: field of a timeline, type, attribute by column
    "observation": ("observations", Observation, {
        "name": "quantity", "time": "time", "low": "low", "high": "high", "reference_low": "reference_low",
        "reference_high": "reference_high", "remarks": "remarks", "basis": "basis", "printed": "printed",
        "where": "where",
    }),
    "exposure": ("exposures", Exposure, {
        "name": "ingredient", "status": "status", "time": "start", "end": "stop", "given": "given", "route": "route",
        "dose": "dose", "dose_unit": "dose_unit", "per_day": "per_day", "elemental_mmol": "elemental_mmol",
        "matched": "matched", "where": "where",
    }),
    "condition": ("conditions", Condition, {
        "name": "condition", "status": "status", "time": "onset", "end": "abatement", "matched": "matched",
        "where": "where",
    }),
    "procedure": ("procedures", Procedure, {
        "name": "condition", "time": "time", "end": "end", "matched": "matched", "where": "where",
    }),
    "encounter": ("encounters", Encounter, {"name": "setting", "time": "start", "end": "end", "where": "where"}),
    "unread": ("unread", Unread, {"where": "where", "printed": "code"}),
}  # fmt: skip
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)
NEVER = -(2**63)  # which is what NumPy holds for no time


@cache
def schema() -> pa.Schema:
    """Return the columns of a table of rows; its metadata name their version.

    Every row has `patient`, the key, and `kind`: patient, observation, exposure, condition, procedure, encounter,
    allergy, unreadable, unread. There is one row of kind patient for each, and only it has `sex` to `digest`.
    `name` is what the fact is about: a quantity, an ingredient, a condition, a setting. `time` and `end` are start and
    stop, onset and abatement. Values are in canonical units; what is null is not known.
    """
    arrow = _arrow()
    moment, number, text = arrow.timestamp("us", tz="UTC"), arrow.float64(), arrow.string()
    word = arrow.dictionary(arrow.int32(), text)
    many = arrow.list_(arrow.field("element", moment))  # as Parquet names it
    fields = {
        "patient": text, "kind": word, "name": word, "status": word, "time": moment, "end": moment,
        "low": number, "high": number, "reference_low": number, "reference_high": number, "remarks": word,
        "basis": word, "printed": text, "route": word, "dose": number, "dose_unit": word, "per_day": number,
        "elemental_mmol": number, "given": many, "matched": text, "where": text,
        "sex": word, "birth": arrow.date32(), "age_at_least": number, "index": moment, "digest": text,
    }  # fmt: skip
    return arrow.schema(fields.items(), metadata={_KEY: VERSION})


def rows_of(timelines: Iterable[tuple[str, Timeline]]) -> pa.Table:
    """Return the rows of many patients, by their keys.

    Raises
    ------
    RecordRefused
        Two of them have one key.
    ExtraMissing
        Arrow is not installed.
    """
    everybody = sorted(timelines, key=lambda pair: pair[0])
    if len({key for key, _ in everybody}) < len(everybody):
        raise RecordRefused("rows", "two patients have one key.", "Give each a key of their own.")
    rows = [row for key, timeline in everybody for row in _rows(key, timeline)]
    return _arrow().Table.from_pylist(rows, schema=schema())


def timelines_of(table: pa.Table) -> Iterator[tuple[str, Timeline]]:
    """Yield key and timeline of every patient of a table of rows.

    Raises
    ------
    RecordRefused
        It is no such table, or not sorted by patient.
    """
    check(table)
    for begin, end in pairwise(edges(table).tolist()):
        yield _timeline(table.slice(begin, end - begin))


class Rows:
    """A table of rows, column by column as arrays; nothing is converted before somebody asks.

    Attributes
    ----------
    edges : array [patient + 1]
        At which rows the patients begin, in their order, and last how many rows there are.

    Raises
    ------
    RecordRefused
        It is no such table, or not sorted by patient.
    """

    def __init__(self, table: pa.Table) -> None:
        check(table)
        self._table = table
        self._known: dict[str, _Cells] = {}
        self.edges = edges(table)

    def __len__(self) -> int:
        """Return how many patients there are."""
        return len(self.edges) - 1

    def numbers(self, column: str, rows: Whole) -> NDArray[np.float64]:
        """Return the numbers of some rows, NaN where there is none."""
        return self._cells(column).at(rows, np.nan)

    def moments(self, column: str, rows: Whole) -> Whole:
        """Return the times of some rows after 1970 [us], or `NEVER`."""
        return self._cells(column).at(rows, NEVER)

    def days(self, column: str, rows: Whole) -> Whole:
        """Return the days of some rows after 1970-01-01 [d], or `NEVER`."""
        cells = self._cells(column)
        return cells._replace(values=cells.values.astype(np.int64)).at(rows, NEVER)

    def words(self, column: str, rows: Whole | slice = slice(None)) -> tuple[tuple[str, ...], Whole]:
        """Return words, and for some rows which of them each holds; the last is the empty one, where none stands."""
        cells = self._cells(column)
        return cells.words, cells.at(rows, len(cells.words) - 1)

    def timeline(self, row: int) -> Timeline:
        """Return the timeline of one patient."""
        begin, end = self.edges[row : row + 2].tolist()
        return _timeline(self._table.slice(begin, end - begin))[1]

    def _cells(self, column: str) -> _Cells:
        found = self._known.get(column)
        if found is None:
            found = self._known[column] = _cells(self._table.column(column))
        return found


class _Cells(NamedTuple):
    """A column: its values, which of them are there (if not all), and what they mean if they are words."""

    values: NDArray[Any]
    there: NDArray[np.bool_] | None
    words: tuple[str, ...]

    def at(self, rows: Whole | slice, missing: float) -> NDArray[Any]:
        """Return the values of some rows, and something else for what is missing."""
        values = self.values[rows]
        return values if self.there is None else np.where(self.there[rows], values, values.dtype.type(missing))


def _cells(column: pa.ChunkedArray) -> _Cells:
    arrow = _arrow()
    array, words = _in_one(column), ("",)
    if arrow.types.is_string(array.type) or arrow.types.is_large_string(array.type):
        array = array.dictionary_encode()
    if arrow.types.is_dictionary(array.type):
        array, words = array.indices, (*array.dictionary.to_pylist(), "")
    width, size, begin = array.type.bit_width // 8, len(array), array.offset
    bits, cells = array.buffers() if size else (None, b"")
    values = np.frombuffer(cells, f"{'f' if arrow.types.is_floating(array.type) else 'i'}{width}", size, begin * width)
    if bits is None or not array.null_count:
        return _Cells(values, None, words)
    there = np.unpackbits(np.frombuffer(bits, np.uint8), count=begin + size, bitorder="little")[begin:]
    return _Cells(values, there.view(np.bool_), words)


def _in_one(column: pa.ChunkedArray) -> pa.Array:
    """Return a column in one piece, without a copy where it is one."""
    if column.num_chunks == 1:
        return column.chunk(0)
    is_words = _arrow().types.is_dictionary(column.type)
    return (column.unify_dictionaries() if is_words else column).combine_chunks()


def keys_of(table: pa.Table) -> list[str]:
    """Return the keys of the patients of a table of rows, in their order.

    Raises
    ------
    RecordRefused
        It is no such table, or not sorted by patient.
    """
    check(table)
    keys = table.column("patient")
    return [keys[row].as_py() for row in edges(table)[:-1].tolist()]


def some_of(table: pa.Table, numbers: Whole) -> pa.Table:
    """Return the rows of some patients, by their numbers in a table of rows, in its order.

    Raises
    ------
    RecordRefused
        It is no such table, or not sorted by patient.
    """
    check(table)
    found = edges(table)
    chosen = np.zeros(len(found) - 1, bool)
    chosen[numbers] = True
    return table.filter(_arrow().array(np.repeat(chosen, np.diff(found))))


def check(table: pa.Table) -> None:
    """Refuse a table that does not hold rows of this version; it may lack columns that nobody asks for.

    Raises
    ------
    RecordRefused
        It says that it holds something else, or a column is of another type.
    """
    said = (table.schema.metadata or {}).get(_KEY, b"").decode()
    if said != VERSION:
        raise RecordRefused("rows", f"the table is '{said}', not '{VERSION}'.", "Write it anew with this version.")
    for field in table.schema:
        ours = schema().field(field.name).type if field.name in schema().names else field.type
        if _meaning(field.type) != _meaning(ours):
            what = f"column '{field.name}' is {field.type}, not {ours}."
            raise RecordRefused("rows", what, "Write it anew with this version.")
    for name in ("patient", "kind"):
        if table.column(name).null_count:
            raise RecordRefused("rows", f"column '{name}' has gaps.", "Give every row its patient and its kind.")


def _meaning(type: pa.DataType) -> str:
    """Return what a column holds, whatever the writer: text may be words of a dictionary, and UTC has several names."""
    types = _arrow().types
    if types.is_dictionary(type) or types.is_list(type):
        inner = _meaning(type.value_type)
        return inner if types.is_dictionary(type) else f"many {inner}"
    if types.is_string(type) or types.is_large_string(type):
        return "text"
    return f"moments in {type.unit}" if types.is_timestamp(type) and type.tz else str(type)


def edges(table: pa.Table) -> Whole:
    """Return at which rows the patients begin, in their order, and last how many rows there are.

    Raises
    ------
    RecordRefused
        They are not sorted by patient.
    """
    compute = _module("pyarrow.compute")
    if not table.num_rows:
        return np.zeros(1, np.int64)
    keys = _in_one(table.column("patient"))
    compared = keys.indices if _arrow().types.is_dictionary(keys.type) else keys
    is_new = compute.not_equal(compared.slice(1), compared.slice(0, len(keys) - 1)).to_numpy(zero_copy_only=False)
    begins = np.flatnonzero(np.concatenate([[True], is_new]))
    heads = keys.take(_arrow().array(begins)).cast(_arrow().string())
    if not compute.all(compute.greater(heads.slice(1), heads.slice(0, len(heads) - 1)), min_count=0).as_py():
        raise RecordRefused("rows", "they are not sorted by patient.", "Sort them by patient.")
    return np.append(begins, len(keys))


def _arrow() -> ModuleType:
    return _module("pyarrow")


@cache
def _module(name: str) -> ModuleType:
    from importlib import import_module  # noqa: PLC0415  (optional, and slow to import)

    try:
        return import_module(name)
    except ImportError as error:
        raise ExtraMissing("rows", "Arrow is not installed.", "Install carnallite[screen].") from error


# timeline -> rows -------------------------------------------------------------------------------------------------


def _rows(key: str, timeline: Timeline) -> Iterator[Row]:
    who = timeline.patient
    told: Row = {"sex": who.sex, "birth": who.birth, "age_at_least": who.age_at_least}
    yield {"patient": key, "kind": "patient", "index": timeline.index, "digest": timeline.digest or None} | told
    for kind, (field, _, columns) in KINDS.items():
        for one in getattr(timeline, field):
            yield {"patient": key, "kind": kind} | {name: _cell(getattr(one, of)) for name, of in columns.items()}
    yield from ({"patient": key, "kind": "allergy", "name": name} for name in timeline.allergies)
    yield from ({"patient": key, "kind": "unreadable", "name": name} for name in timeline.unreadable)


def _cell(value: Any) -> Any:
    """Return what stands in a cell; remarks are one word, and what is empty is not known."""
    if isinstance(value, tuple) and value and isinstance(value[0], str):
        return APART.join(value)
    return None if value in ("", ()) else value


# rows -> timeline -------------------------------------------------------------------------------------------------


def _timeline(table: pa.Table) -> tuple[str, Timeline]:
    """Return key and timeline of the one patient of some rows."""
    columns = {name: _values(table.column(name)) for name in table.column_names}
    by_kind: dict[str, list[Row]] = {}
    for values in zip(*columns.values(), strict=True):
        row = dict(zip(columns, values, strict=True))
        by_kind.setdefault(row["kind"], []).append(row)
    who = by_kind.get("patient", [])
    if len(who) != 1:
        what = f"{len(who)} rows of one patient say who it is."
        raise RecordRefused("rows", what, "Give each patient one row of the kind patient.")
    facts = {
        field: tuple(_value(type, names, row) for row in by_kind.get(kind, ()))
        for kind, (field, type, names) in KINDS.items()
    }
    return who[0]["patient"], Timeline(
        patient=Patient(sex=who[0]["sex"], birth=who[0]["birth"], age_at_least=who[0]["age_at_least"]),
        index=who[0]["index"],
        allergies=tuple(row["name"] for row in by_kind.get("allergy", ())),
        unreadable=tuple(row["name"] for row in by_kind.get("unreadable", ())),
        digest=who[0]["digest"] or "",
        **facts,
    )


def _values(column: pa.ChunkedArray) -> list[Any]:
    """Return a column as values of Python; a moment is in UTC, without a table of time zones."""
    arrow = _arrow()
    if arrow.types.is_timestamp(column.type):
        return [_moment(ticks) for ticks in column.cast(arrow.int64()).to_pylist()]
    if arrow.types.is_list(column.type):
        lists = column.cast(arrow.list_(arrow.int64())).to_pylist()
        return [tuple(_EPOCH + ticks * _TICK for ticks in given or ()) for given in lists]
    found: list[Any] = column.to_pylist()
    return found


def _moment(ticks: int | None) -> datetime | None:
    return None if ticks is None else _EPOCH + ticks * _TICK


def _value(type: Any, names: dict[str, str], row: Row) -> Any:
    """Return a fact; what is null is the default of its field."""
    given = {of: row[name] for name, of in names.items() if row[name] is not None}
    if "remarks" in given:
        given["remarks"] = tuple(given["remarks"].split(APART))
    return type(**dict.fromkeys(_needed(type)) | {"where": ""} | given)


@cache
def _needed(type: Any) -> tuple[str, ...]:
    return tuple(field.name for field in msgspec.structs.fields(type) if field.required)
