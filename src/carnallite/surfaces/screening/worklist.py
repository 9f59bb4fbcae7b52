"""The work list: who is looked at first, and why. Keys and answers, never text of a record."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

import msgspec

from carnallite.knowledge import knowledge
from carnallite.quantity import analytes
from carnallite.record.warehouse import arrow
from carnallite.surfaces import words
from carnallite.surfaces.screening import kept, pages
from carnallite.surfaces.screening.episodes import NOW
from carnallite.surfaces.screening.priority import priority

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pyarrow as pa

    from carnallite.knowledge import Reviewed

COLUMNS = (
    "place", "patient", "priority", "why", "because", "index", "magnesium", "potassium", "calcium", "causes", "factors",
    "missing", "next_tests", "setting", "answers_rest_on",
)  # fmt: skip
_ACTIVE = ("=", "+", "-", "@", "\t", "\r")  # with these a spreadsheet begins a formula
_CAUSES, _TESTS = 3, 3  # told on the list; all of them stand in answers/
AT_ONCE = 10_000  # lines
_TOLD = 0.05  # a cause less likely is not told on the list
_IONS = {"magnesium": "serum_magnesium", "potassium": "serum_potassium", "calcium": "serum_calcium"}


class Listed(msgspec.Struct, frozen=True):
    """How many people were answered, in how many episodes, and how many are on the list."""

    people: int
    episodes: int
    listed: int


def write(out: Path, answers: Sequence[Path], *, library_name: str | None, overdue: tuple[Reviewed, ...]) -> Listed:
    """Write the work list as CSV, Parquet and a page, the most urgent first."""
    library, parquet = arrow(), arrow("pyarrow.parquet")
    compute = arrow("pyarrow.compute")
    people = episodes = 0
    urgent = []
    last = len(priority().order) - 1
    for file in answers:
        table = parquet.read_table(file)
        now = table.filter(compute.equal(table.column("episode"), NOW))
        people, episodes = people + now.num_rows, episodes + table.num_rows
        urgent.append(now.filter(compute.less(now.column("turn"), last)).replace_schema_metadata(None))
    listed = library.concat_tables(urgent) if urgent else None
    if listed is None:
        return Listed(0, 0, 0)
    listed = listed.sort_by([(name, "ascending") for name in ("turn", "rank", "patient")])
    content = io.BytesIO()
    parquet.write_table(listed, content, compression="zstd")
    kept.write(out / "worklist.parquet", content.getvalue())
    _csv(out / "worklist.csv", listed)
    counts = {one["values"]: one["counts"] for one in listed.column("priority").value_counts().to_pylist()}
    first = [_cells(number, row) for number, row in enumerate(listed.slice(0, pages.MOST).to_pylist(), 1)]
    page = pages.worklist(first, counts, library=library_name, overdue=overdue)
    kept.write(out / "worklist.html", page.encode())
    return Listed(people, episodes, listed.num_rows)


def _csv(file: Path, table: pa.Table) -> None:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\r\n")
    rows.writerow(COLUMNS)
    number = 0
    for batch in table.to_batches(AT_ONCE):
        for row in batch.to_pylist():
            number += 1
            rows.writerow([safe(cell) for cell in line(number, row).values()])
    kept.write(file, text.getvalue().encode())


def safe(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula.

    >>> safe("=1+1"), safe("Patient/7")
    ("'=1+1", 'Patient/7')
    """
    return f"'{cell}" if cell.startswith(_ACTIVE) else cell


def line(number: int, row: dict[str, Any]) -> dict[str, str]:
    """Return one line of the list in words."""
    cells = _cells(number, row)
    return dict(zip(COLUMNS, (
        str(number), row["patient"], cells["priority"], "; ".join(cells["why"]), cells["because"], cells["index"],
        *(", ".join(filter(None, cells[ion].values())) for ion in _IONS), "; ".join(cells["causes"]),
        "; ".join(_likely(one, knowledge().factors) for one in row["factors"]),
        "; ".join(row["missing"]), "; ".join(cells["tests"]), cells["setting"], row["depth"],
    ), strict=True))  # fmt: skip


def _cells(number: int, row: dict[str, Any]) -> dict[str, Any]:
    """Return one line of the list, cell by cell."""
    known, names = knowledge(), {one.id: one.name for one in priority().order}
    told = sorted((*row["emergencies"], *row["unsafe"], *row["samples"]), key=lambda id: id in row["undecided"])
    told.sort(key=lambda id: id in priority().quiet)
    rules = [_summary(id, undecided=id in row["undecided"]) for id in told]
    results = {one["id"]: one for one in row["results"]}
    tests = [_test(id) for id in row["next_tests"][:_TESTS]]
    return {
        "place": number, "patient": row["patient"], "kind": row["priority"], "priority": names[row["priority"]],
        "why": [*rules, *(known.factors[id].name for id in row["refractory"])],
        "index": f"{row['index']:%Y-%m-%d %H:%M}Z", "tests": tests,
        "measure": [*row["missing"], *(one for one in tests if not any(two.startswith(one) for two in row["missing"]))],
        "setting": ", ".join(row["places"]),
        "causes": [_likely(one, known.causes) for one in row["causes"][:_CAUSES] if one["probability"] >= _TOLD],
        "because": row["because"],
    } | {ion: _state(row[ion], results.get(quantity)) for ion, quantity in _IONS.items()}  # fmt: skip


def _summary(id: str, *, undecided: bool) -> str:
    """Return what a rule says, or that it cannot be decided, in the words of an assessment."""
    summary = knowledge().rules[id].summary
    return f"Not known whether safe: {summary[0].lower()}{summary[1:]}" if undecided else summary


def _state(state: str, result: dict[str, Any] | None) -> dict[str, str]:
    """Return where an ion stands, its newest result, and how old that is."""
    if result is None:
        return {"state": state, "value": "", "age": ""}
    return {
        "state": state,
        "value": result["value"],
        "age": "undated" if result["age_h"] is None else f"{words.ago(result['age_h'])} ago",
    }


def _likely(one: dict[str, Any], names: dict[str, Any]) -> str:
    name = names[one["id"]].name if one["id"] in names else "None that we know"
    return f"{name}{words.JOIN}{100 * one['probability']:.0f}{words.JOIN}%"


def _test(id: str) -> str:
    return analytes()[id].name if id in analytes() else knowledge().investigations[id].name
