"""Timelines <-> rows of an Arrow table: one row a fact, the rows of a patient together, many patients a table.

The map loses nothing. A table may lie on disk as Parquet, and be asked without making a `Timeline` again.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

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

    Row = dict[str, Any]

VERSION = "carnallite.rows/1"
_KEY = b"schema"
_APART = ","  # between remarks; they are ids of ours
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)


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
    for begin, end in pairwise(edges(table)):
        yield _timeline(table.slice(begin, end - begin))


def keys_of(table: pa.Table) -> list[str]:
    """Return the keys of the patients of a table of rows, in their order.

    Raises
    ------
    RecordRefused
        It is no such table, or not sorted by patient.
    """
    check(table)
    keys = table.column("patient")
    return [keys[row].as_py() for row in edges(table)[:-1]]


def check(table: pa.Table) -> None:
    """Refuse a table that does not hold rows of this version.

    Raises
    ------
    RecordRefused
        It says that it holds something else.
    """
    said = (table.schema.metadata or {}).get(_KEY, b"").decode()
    if said != VERSION:
        raise RecordRefused("rows", f"the table is '{said}', not '{VERSION}'.", "Write it anew with this version.")


def edges(table: pa.Table) -> list[int]:
    """Return at which rows the patients begin, in their order, and last how many rows there are.

    Raises
    ------
    RecordRefused
        They are not sorted by patient.
    """
    if not table.num_rows:
        return [0]
    compute = _module("pyarrow.compute")
    keys = table.column("patient").combine_chunks()
    is_new = compute.not_equal(keys.slice(1), keys.slice(0, len(keys) - 1))
    begins: list[int] = [0, *compute.add(compute.indices_nonzero(is_new), 1).to_pylist()]
    heads = keys.take(begins)
    if not compute.all(compute.greater(heads.slice(1), heads.slice(0, len(heads) - 1)), min_count=0).as_py():
        raise RecordRefused("rows", "they are not sorted by patient.", "Sort them by patient.")
    return [*begins, len(keys)]


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
    for row in _facts(timeline):
        row["patient"] = key
        yield row


def _facts(timeline: Timeline) -> Iterator[Row]:
    yield from map(_of_observation, timeline.observations)
    yield from map(_of_exposure, timeline.exposures)
    for condition in timeline.conditions:
        yield {
            "kind": "condition", "name": condition.condition, "status": condition.status, "where": condition.where,
            "time": condition.onset, "end": condition.abatement, "matched": condition.matched or None,
        }  # fmt: skip
    for procedure in timeline.procedures:
        yield {
            "kind": "procedure", "name": procedure.condition, "where": procedure.where,
            "time": procedure.time, "end": procedure.end, "matched": procedure.matched or None,
        }  # fmt: skip
    for encounter in timeline.encounters:
        yield {
            "kind": "encounter", "name": encounter.setting, "where": encounter.where,
            "time": encounter.start, "end": encounter.end,
        }  # fmt: skip
    yield from ({"kind": "allergy", "name": name} for name in timeline.allergies)
    yield from ({"kind": "unreadable", "name": name} for name in timeline.unreadable)
    yield from ({"kind": "unread", "where": one.where, "printed": one.code or None} for one in timeline.unread)


def _of_observation(one: Observation) -> Row:
    return {
        "kind": "observation", "name": one.quantity, "time": one.time, "low": one.low, "high": one.high,
        "reference_low": one.reference_low, "reference_high": one.reference_high, "basis": one.basis,
        "remarks": _APART.join(one.remarks) or None, "printed": one.printed or None, "where": one.where,
    }  # fmt: skip


def _of_exposure(one: Exposure) -> Row:
    return {
        "kind": "exposure", "name": one.ingredient, "status": one.status, "time": one.start, "end": one.stop,
        "given": one.given or None, "route": one.route, "dose": one.dose, "dose_unit": one.dose_unit or None,
        "per_day": one.per_day, "elemental_mmol": one.elemental_mmol, "matched": one.matched or None,
        "where": one.where,
    }  # fmt: skip


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
    return who[0]["patient"], Timeline(
        patient=Patient(sex=who[0]["sex"], birth=who[0]["birth"], age_at_least=who[0]["age_at_least"]),
        index=who[0]["index"],
        observations=tuple(map(_observation, by_kind.get("observation", ()))),
        exposures=tuple(map(_exposure, by_kind.get("exposure", ()))),
        conditions=tuple(map(_condition, by_kind.get("condition", ()))),
        procedures=tuple(map(_procedure, by_kind.get("procedure", ()))),
        encounters=tuple(
            Encounter(setting=row["name"], where=row["where"], start=row["time"], end=row["end"])
            for row in by_kind.get("encounter", ())
        ),
        allergies=tuple(row["name"] for row in by_kind.get("allergy", ())),
        unread=tuple(Unread(where=row["where"], code=row["printed"] or "") for row in by_kind.get("unread", ())),
        unreadable=tuple(row["name"] for row in by_kind.get("unreadable", ())),
        digest=who[0]["digest"] or "",
    )


def _values(column: pa.ChunkedArray) -> list[Any]:
    """Return a column as values of Python; a moment is in UTC, without a table of time zones."""
    arrow = _arrow()
    if column.type == schema().field("time").type:
        return [_moment(ticks) for ticks in column.cast(arrow.int64()).to_pylist()]
    if column.type == schema().field("given").type:
        lists = column.cast(arrow.list_(arrow.int64())).to_pylist()
        return [tuple(_EPOCH + ticks * _TICK for ticks in given or ()) for given in lists]
    found: list[Any] = column.to_pylist()
    return found


def _moment(ticks: int | None) -> datetime | None:
    return None if ticks is None else _EPOCH + ticks * _TICK


def _observation(row: Row) -> Observation:
    remarks = tuple(row["remarks"].split(_APART)) if row["remarks"] else ()
    return Observation(
        quantity=row["name"], low=row["low"], high=row["high"], time=row["time"], where=row["where"],
        printed=row["printed"] or "", basis=row["basis"], reference_low=row["reference_low"],
        reference_high=row["reference_high"], remarks=remarks,
    )  # fmt: skip


def _exposure(row: Row) -> Exposure:
    return Exposure(
        ingredient=row["name"], status=row["status"], where=row["where"], start=row["time"], stop=row["end"],
        given=row["given"], route=row["route"], dose=row["dose"], dose_unit=row["dose_unit"] or "",
        per_day=row["per_day"], elemental_mmol=row["elemental_mmol"], matched=row["matched"] or "",
    )  # fmt: skip


def _condition(row: Row) -> Condition:
    return Condition(
        condition=row["name"], status=row["status"], where=row["where"], onset=row["time"], abatement=row["end"],
        matched=row["matched"] or "",
    )  # fmt: skip


def _procedure(row: Row) -> Procedure:
    return Procedure(
        condition=row["name"], where=row["where"], time=row["time"], end=row["end"], matched=row["matched"] or ""
    )
