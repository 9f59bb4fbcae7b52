"""Our CSV timeline -> entries: one row is one fact, so that a person can write a record by hand.

The first row names the columns; their order does not matter, and rows that begin with ``#`` are remarks.

==================================  ==================================================================
column                              holds
==================================  ==================================================================
``time`` *                          ISO 8601: 2020, 2020-06, 2020-06-01, 2020-06-01T08:30+02:00
``kind`` *                          person observation drug condition procedure encounter allergy family note
``name`` *                          the test, drug, diagnosis ...; of a person: sex, birth_date or age
``patient``                         whose row it is, where the table holds several
``value``, ``unit``                 a number, ``<0.3``, or words such as "low"; of a person row, what is named
``code``                            system:code, several parted by ``;``
``end``                             when a drug, condition, procedure or encounter ended
``status``                          as in FHIR; of a drug also ``given`` (one dose, at ``time``)
``dose``, ``dose_unit``             one dose; words such as "1-2 tablets" may stand in ``dose``
``per_day``, ``route``              doses a day; how it is given
``reference_low``                   the laboratory's own interval, in ``unit``
``reference_high``
``specimen``, ``note``              serum, urine ...; free text
==================================  ==================================================================

The starred columns are required. Commas, semicolons or tabs part the cells; the text is UTF-8. Numbers have a
decimal point and no thousands mark: anything else could be read in two ways and is refused.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from carnallite.errors import RecordRefused, did_you_mean
from carnallite.record.codes import SYSTEMS
from carnallite.record.entry import Entry, Kind, Loaded, Person
from carnallite.record.moments import first_instant, last_instant
from carnallite.record.result import read_number
from carnallite.record.timeline import Issue

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime
    from typing import TextIO

_REQUIRED = ("time", "kind", "name")
_COLUMNS = (
    "patient", *_REQUIRED, "value", "unit", "code", "end", "status", "dose", "dose_unit", "per_day", "route",
    "reference_low", "reference_high", "specimen", "note",
)  # fmt: skip
_KINDS: dict[str, Kind] = {
    "observation": "observation", "drug": "drug", "condition": "condition", "procedure": "procedure",
    "encounter": "encounter", "allergy": "allergy", "family": "family", "note": "text",
}  # fmt: skip
_WITHDRAWN = ("cancelled", "entered-in-error")
_STATUSES: dict[Kind, tuple[str, ...]] = {
    "observation": ("final", "preliminary", "amended", "corrected", "appended", *_WITHDRAWN),
    "drug": ("active", "completed", "stopped", "on-hold", "not-taken", "planned", "given", *_WITHDRAWN),
    "condition": ("active", "recurrence", "relapse", "inactive", "remission", "resolved", "confirmed",
                  "refuted", "provisional", "differential", "unconfirmed", *_WITHDRAWN),
    "procedure": ("completed", "in-progress", *_WITHDRAWN),
}  # fmt: skip
_CERTAINTIES = frozenset({"confirmed", "refuted", "provisional", "differential", "unconfirmed"})
_SETTINGS = {
    "outpatient": "AMB", "ambulatory": "AMB", "emergency": "EMER", "ward": "IMP", "inpatient": "IMP",
    "intensive care": "ICU", "icu": "ICU",
}  # fmt: skip
_PERSON = {"sex": "sex", "birth_date": "birth", "age": "age"}
_MOMENT = re.compile(r"\d{4}(-\d\d(-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?\s*(?P<zone>Z|[+-]\d\d:?\d\d)?)?)?)?")
_LOCAL_DATE = re.compile(r"\d{1,4}([/.-])\d{1,2}\1\d{1,4}(\D.*)?", re.DOTALL)
_AMBIGUOUS = re.compile(r"[<>=≤≥\s]*[+-]?(\d[\d.]*,\d|\d{1,3}([ '’\u00a0\u202f]\d{3})+(?!\d)|\d{1,3}(\.\d{3}){2,})")
_TYPOGRAPHY = str.maketrans({"\u2212": "-", "\u00a0": " ", "\u202f": " "})


class _Reader:
    """What one table has given so far."""

    def __init__(self) -> None:
        self.loaded = Loaded()
        self.naive = 0
        self.repeated = 0

    def complain(self, code: str, where: str, what: str, do: str) -> None:
        self.loaded.issues.append(Issue(code, where, what, do))


def read(data: bytes) -> Loaded:
    """Return the people and entries of a CSV timeline.

    Raises
    ------
    RecordRefused
        It is not UTF-8 text, has no rows, lacks a required column or names one twice.

    Examples
    --------
    >>> table = b"time,kind,name,value,unit\\n2020-06-01,observation,magnesium,<0.3,mmol/L\\n"
    >>> read(table).entries["patient"][0].comparator
    '<'
    """
    text = _decoded(data)
    reader = _Reader()
    rows = _rows(io.StringIO(text, newline=""), _delimiter(text.splitlines()), reader)
    _read(_header(next(rows, None), reader), rows, reader)
    return reader.loaded


def stream(lines: TextIO) -> tuple[list[str], Iterator[tuple[str, list[str]]], list[Issue]]:
    """Return the header of a table, its rows with their places as they are read, and what is wrong with them so far.

    Parameters
    ----------
    lines : TextIO
        Can be read twice; opened with ``newline=""``.

    Raises
    ------
    RecordRefused
        As `read`.
    """
    mark = _delimiter(lines)
    lines.seek(0)
    reader = _Reader()
    rows = _rows(lines, mark, reader)
    return _header(next(rows, None), reader), rows, reader.loaded.issues


def read_rows(header: list[str], rows: Iterable[tuple[str, list[str]]]) -> Loaded:
    """Return the people and entries of rows that were parted from their table, each with its place in it."""
    reader = _Reader()
    _read(header, rows, reader)
    return reader.loaded


def _read(header: list[str], rows: Iterable[tuple[str, list[str]]], reader: _Reader) -> None:
    has_keys = "patient" in header
    seen: set[tuple[str, ...]] = set()
    for where, cells in rows:
        if len(cells) != len(header):
            what = f"It has {len(cells)} cells, the header has {len(header)}."
            do = "Quote cells that hold the delimiter; use a decimal point."
            reader.complain("row_not_read", where, what, do)
        elif tuple(cells) in seen:
            reader.repeated += 1
        else:
            seen.add(tuple(cells))
            _row(where, dict(zip(header, cells, strict=True)), reader, has_keys=has_keys)
    _sum_up(reader)


def _decoded(data: bytes) -> str:
    """Return the text of a file, or refuse one that is not UTF-8."""
    do = "Save it as 'CSV UTF-8'."
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise RecordRefused("record", "the table is UTF-16.", do)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise RecordRefused("record", f"line {line} is not UTF-8.", do) from None
    if "\0" in text:
        raise RecordRefused("record", "it holds NUL bytes, so it is not a text table.", do)
    return text


def _rows(lines: Iterable[str], mark: str, reader: _Reader) -> Iterator[tuple[str, list[str]]]:
    """Yield every row with its number as a spreadsheet counts it; blank rows and remarks are passed over."""
    table = csv.reader(lines, delimiter=mark, strict=True)
    number = 0
    while True:
        number += 1
        try:
            cells = next(table)
        except StopIteration:
            return
        except csv.Error:
            what = "A quotation mark is not closed, or a cell is too long; rows after it may be lost."
            do = "Close it, and double marks inside a cell."
            reader.complain("row_not_read", f"row {number}", what, do)
            continue
        cells = [cell.translate(_TYPOGRAPHY).strip() for cell in cells]
        if any(cells) and not cells[0].startswith("#"):
            yield f"row {number}", cells


def _delimiter(lines: Iterable[str]) -> str:
    """Return the mark that parts the header into most of our columns."""
    header = next((line for line in lines if line.strip() and not line.lstrip().startswith("#")), "").rstrip("\r\n")
    return max(",;\t", key=lambda mark: sum(_column(cell) in _COLUMNS for cell in header.split(mark)))


def _column(cell: str) -> str:
    return re.sub(r"[\s-]+", "_", cell.strip().strip('"').strip().casefold())


def _header(row: tuple[str, list[str]] | None, reader: _Reader) -> list[str]:
    if row is None:
        raise RecordRefused("record", "the table is empty.", "See 'carnallite template'.")
    header = [_column(cell) for cell in row[1]]
    missing = [name for name in _REQUIRED if name not in header]
    if missing:
        what = f"the table has no column {' and no column '.join(missing)}."
        raise RecordRefused("record", what, "Name the columns in the first row; see 'carnallite template'.")
    twice = [name for name, count in Counter(header).items() if count > 1 and name]
    if twice:
        raise RecordRefused("record", f"the column '{twice[0][:24]}' stands twice.", "Keep one.")
    for name in header:
        if name and name not in _COLUMNS:
            what = f"The column '{name[:24]}' is not known and not read."
            reader.complain("column_not_known", "header", what, did_you_mean(name, _COLUMNS) or "Remove it.")
    return header


def _row(where: str, cells: dict[str, str], reader: _Reader, *, has_keys: bool) -> None:
    key = cells.get("patient", "") if has_keys else "patient"
    kind = cells["kind"].casefold()
    if not key:
        reader.loaded.strays.append(where)
    elif kind == "person":
        _person(where, key, cells, reader)
    elif kind in _KINDS:
        reader.loaded.people.setdefault(key, Person())
        entry = _entry(where, _KINDS[kind], cells, reader)
        if entry is not None:
            reader.loaded.entries.setdefault(key, []).append(entry)
    else:
        near = did_you_mean(kind, ("person", *_KINDS)) or f"Use person, {', '.join(_KINDS)}."
        reader.complain("kind_not_known", where, "Its kind is not known.", near)


def _person(where: str, key: str, cells: dict[str, str], reader: _Reader) -> None:
    name, value = _column(cells["name"]), cells.get("value", "")
    person = reader.loaded.people.setdefault(key, Person())
    field = _PERSON.get(name)
    if field is None:
        near = did_you_mean(name, _PERSON) or f"Use {', '.join(_PERSON)}."
        reader.complain("person_not_read", where, "What it says of the person is not known.", near)
    elif (name == "birth_date" and not _MOMENT.fullmatch(value)) or not value:
        do = "Write it as 1950-06-01, or the year alone." if name == "birth_date" else "Fill in `value`."
        reader.complain("person_not_read", where, f"The {name.replace('_', ' ')} is not readable.", do)
    else:
        reader.loaded.people[key] = msgspec.structs.replace(person, **{field: value})


def _entry(where: str, kind: Kind, cells: dict[str, str], reader: _Reader) -> Entry | None:
    times = _times(where, kind, cells, reader)
    if times is None:
        return None
    entry = Entry(
        kind=kind, where=where, codes=_codes(where, cells.get("code", ""), reader), text=cells["name"],
        time=times[0], end=times[1], specimen=cells.get("specimen", ""), notes=cells.get("note", ""),
    )  # fmt: skip
    status = _status(where, kind, cells.get("status", "").casefold(), reader)
    match kind:
        case "observation":
            return _observation(entry, status, cells, reader)
        case "drug":
            return _drug(entry, status, cells, reader)
        case "condition":
            named = {"certainty" if status in _CERTAINTIES else "status": status}
            return msgspec.structs.replace(entry, **named)
        case "encounter" | "text":
            setting = _SETTINGS.get(entry.text.casefold(), "") if kind == "encounter" else ""
            text = ". ".join(filter(None, ("" if setting else entry.text, entry.notes)))
            return msgspec.structs.replace(entry, setting=setting, text=text, notes="")
        case _:
            done = {"completed", "in-progress"}
            return msgspec.structs.replace(entry, status="" if status in done else status)


def _times(
    where: str, kind: Kind, cells: dict[str, str], reader: _Reader
) -> tuple[datetime | None, datetime | None] | None:
    """Return start and end of a row, or None where its time cannot be read without guessing."""
    start = _moment(where, cells["time"], reader)
    if cells["time"] and start is None:
        return None
    last = cells.get("end", "")
    if not last or _moment(where, last, reader) is None:
        return start, None
    # As in FHIR: a drug given until a day was given on it; a condition that abated on a day is over.
    return start, first_instant(last) if kind == "condition" else last_instant(last)


def _moment(where: str, text: str, reader: _Reader) -> datetime | None:
    match = _MOMENT.fullmatch(text)
    moment = first_instant(text.replace(" ", "T", 1).replace(" ", "")) if match else None
    if moment is None:
        if text:
            local = bool(_LOCAL_DATE.fullmatch(text))
            code = "date_ambiguous" if local else "date_not_read"
            what = "Its date can be read in two ways." if local else "Its time is not a date."
            reader.complain(code, where, what, "Write it as 2020-02-01.")
    elif ":" in text and match and not match["zone"]:
        reader.naive += 1
    return moment


def _codes(where: str, text: str, reader: _Reader) -> tuple[tuple[str, str], ...]:
    known = {*SYSTEMS.values(), "local"}
    found: list[tuple[str, str]] = []
    for part in filter(None, (part.strip() for part in text.split(";"))):
        system, colon, code = part.partition(":")
        name = system.strip().casefold().replace("-", "").removesuffix("cm")
        if not colon:
            found.append(("local", part))
        elif name in known:
            found.append((name, code.strip()))
        else:
            near = did_you_mean(name, known) or f"Use {', '.join(sorted(known))}."
            reader.complain("code_system_not_known", where, "The system of its code is not known.", near)
    return tuple(found)


def _status(where: str, kind: Kind, status: str, reader: _Reader) -> str:
    allowed = _STATUSES.get(kind, ())
    if status and allowed and status not in allowed:
        near = did_you_mean(status, allowed) or f"Use {', '.join(allowed)}."
        reader.complain("status_not_known", where, "Its status is not known and not used.", near)
        return ""
    return status


def _observation(entry: Entry, status: str, cells: dict[str, str], reader: _Reader) -> Entry | None:
    cell = cells.get("value", "")
    if _AMBIGUOUS.match(cell):
        what = "The number has a decimal comma or a thousands mark."
        reader.complain("decimal_comma", entry.where, what, "Write 1.5 or 1500; the value is not used.")
        return None
    number = read_number(cell)
    bounds = [_number(entry.where, cells, name, reader) for name in ("reference_low", "reference_high")]
    entry = msgspec.structs.replace(
        entry, status=status, unit=cells.get("unit", ""), reference_low=bounds[0], reference_high=bounds[1]
    )
    if number is None or number[2]:
        return msgspec.structs.replace(entry, words=cell)
    return msgspec.structs.replace(entry, comparator=number[0], value=number[1])


def _drug(entry: Entry, status: str, cells: dict[str, str], reader: _Reader) -> Entry:
    if cells.get("value") and not cells.get("dose"):
        do = "Write one dose in `dose` and `dose_unit`."
        reader.complain("value_not_used", entry.where, "The value of a drug is not read.", do)
    dose = cells.get("dose", "")
    number = read_number(dose)
    words = dose if (number is None or number[2]) and not _AMBIGUOUS.match(dose) else ""
    return msgspec.structs.replace(
        entry, single=status == "given", status="completed" if status == "given" else status,
        dose=None if words else _number(entry.where, cells, "dose", reader),
        dose_unit=cells.get("dose_unit", ""), dose_text=words,
        per_day=_number(entry.where, cells, "per_day", reader), route=cells.get("route", ""),
    )  # fmt: skip


def _number(where: str, cells: dict[str, str], name: str, reader: _Reader) -> float | None:
    """Return the plain number of a cell; anything else is an Issue and unknown."""
    cell = cells.get(name, "")
    number = None if _AMBIGUOUS.match(cell) else read_number(cell)
    if number and not number[0] and not number[2] and math.isfinite(number[1]):
        return number[1]
    if cell:
        do = "Write it as 1.5 or 1500, without a unit or a thousands mark."
        reader.complain("number_not_read", where, f"`{name}` is not a plain number.", do)
    return None


def _sum_up(reader: _Reader) -> None:
    """Say once what holds for many rows."""
    if reader.naive:
        what = f"{reader.naive} times have no zone and are taken as UTC."
        reader.complain("time_zone", "record", what, "Add an offset such as +02:00 where it matters.")
    if reader.repeated:
        what = f"{reader.repeated} rows stand twice."
        reader.complain("duplicate", "record", what, "Nothing; each counts once.")


def template() -> str:
    """Return an empty table with an example of every kind, each as a remark that is not read.

    >>> read(template().encode()).entries
    {}
    """
    return Path(__file__).with_name("template.csv").read_text("utf-8")
