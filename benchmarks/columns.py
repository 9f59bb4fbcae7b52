#!/usr/bin/env python3
"""How many patients a second of one core are asked for findings and rules, from a table of rows; beside reading it.

The patients are drawn: of each about a hundred rows of results, drugs, conditions, procedures and encounters in two
years, at random. `rules`: findings, rules and states; `panel`: with causes, factors and links. `scan`: reading the same
columns of the same table as Parquet, and nothing else; it is what no engine can go below.
Start it with OMP_NUM_THREADS=1, as scripts/bench does, so that one core is measured.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from compare import report
from throughput import rate

from carnallite.assessment import ASKED, panel_of, survey_of
from carnallite.knowledge import ingredients, knowledge
from carnallite.quantity import analytes
from carnallite.record.rows import schema

if TYPE_CHECKING:
    from numpy.typing import NDArray

SEED = 3
COUNTS = {"patient": 1, "observation": 78, "exposure": 10, "condition": 7, "procedure": 1, "encounter": 3}
DAYS = 730.0
INDEX = 1_591_012_800_000_000  # [us] 2020-06-01 12:00
DAY = 86_400_000_000
MEASURED = 30  # analytes that a hospital measures again and again


def drawn(people: int, seed: int) -> pa.Table:
    """Return the rows of so many patients."""
    chance = np.random.default_rng(seed)
    kinds = np.repeat(np.arange(len(COUNTS)), list(COUNTS.values()))
    each, size = len(kinds), people * len(kinds)
    kind = np.tile(kinds, people)
    names, name = _names(kind, chance)
    back = chance.uniform(0, DAYS, size) ** 1.5 / DAYS**0.5
    time = INDEX - (back * DAY).astype(np.int64)
    end = time + (chance.uniform(0, 1, size) * back * DAY).astype(np.int64)
    dated = (kind > 0) & (chance.random(size) < 0.98)
    order = np.lexsort((time, dated, name, kind, np.repeat(np.arange(people), each)))
    name, time, end, dated = name[order], time[order], end[order], dated[order]
    is_ = {id: kind == number for number, id in enumerate(COUNTS)}
    middle = np.array([_middle(id) for id in names])[name]
    value = np.round(middle * np.exp(chance.normal(0, 0.2, size)), 2)
    ends = (is_["exposure"] | is_["encounter"]) & (chance.random(size) < 0.6)
    born = np.datetime64("1920-01-01") + chance.integers(0, 36_000, size)
    columns: dict[str, Any] = {
        "patient": pa.array(np.char.add("p", np.char.zfill(np.repeat(np.arange(people), each).astype(str), 8))),
        "kind": _words(list(COUNTS), kind, np.ones(size, bool)),
        "name": _words(names, name, ~is_["patient"]),
        "status": _status(is_, chance),
        "time": _moments(time, dated),
        "end": _moments(end, ends),
        "low": _numbers(value, is_["observation"]),
        "high": _numbers(value, is_["observation"]),
        "remarks": _words(["preliminary", "hemolysed"], (chance.random(size) < 0.5).astype(int),
                          is_["observation"] & (chance.random(size) < 0.02)),
        "basis": _words(["number"], np.zeros(size, int), is_["observation"]),
        "route": _words(["oral", "intravenous"], (chance.random(size) < 0.2).astype(int), is_["exposure"]),
        "dose": _numbers(np.round(chance.uniform(1, 100, size)), is_["exposure"]),
        "dose_unit": _words(["mg"], np.zeros(size, int), is_["exposure"]),
        "per_day": _numbers(chance.integers(1, 4, size).astype(float), is_["exposure"]),
        "sex": _words(["female", "male"], (chance.random(size) < 0.5).astype(int), is_["patient"]),
        "birth": pa.array(born.astype("M8[D]"), mask=~is_["patient"]),
        "index": _moments(np.full(size, INDEX), is_["patient"]),
        "where": pa.array(np.char.add("line ", np.tile(np.arange(each), people).astype(str))),
    }  # fmt: skip
    arrays = [
        columns[field.name].cast(field.type) if field.name in columns else pa.nulls(size, field.type)
        for field in schema()
    ]
    return pa.Table.from_arrays(arrays, schema=schema())


def _names(kind: NDArray[np.int64], chance: np.random.Generator) -> tuple[list[str], NDArray[np.int64]]:
    """Return names, and one for each row of its kind; drugs and conditions of all kinds."""
    tests = [*list(analytes())[:: max(1, len(analytes()) // MEASURED)], "serum_magnesium", "serum_potassium"]
    pools = [["nobody"], tests, list(ingredients(knowledge())), list(knowledge().conditions),
             list(knowledge().conditions), ["outpatient", "emergency", "ward", "intensive care"]]  # fmt: skip
    names = list(dict.fromkeys(name for pool in pools for name in pool))
    number = {name: place for place, name in enumerate(names)}
    found = np.zeros(len(kind), np.int64)
    for code, pool in enumerate(pools):
        rows = kind == code
        found[rows] = np.array([number[name] for name in pool])[chance.integers(0, len(pool), int(rows.sum()))]
    return names, found


def _middle(name: str) -> float:
    """Return what is usual of a quantity; of anything else 1."""
    usual = analytes()[name].reference(sex=None, age=None) if name in analytes() else None
    ends = [end for end in (usual.low, usual.high) if end] if usual else []
    return float(np.mean(ends)) if ends else 1.0


def _status(is_: dict[str, NDArray[np.bool_]], chance: np.random.Generator) -> pa.Array:
    words = ["current", "stopped", "mentioned", "present", "past", "absent"]
    codes = chance.choice([0, 0, 0, 1, 1, 2], len(is_["patient"]))
    codes = np.where(is_["condition"], codes + 3, codes)
    return _words(words, codes, is_["exposure"] | is_["condition"])


def _words(words: list[str], codes: NDArray[Any], there: NDArray[np.bool_]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32), mask=~there), pa.array(words))


def _numbers(values: NDArray[np.float64], there: NDArray[np.bool_]) -> pa.Array:
    return pa.array(values, mask=~there)


def _moments(ticks: NDArray[np.int64], there: NDArray[np.bool_]) -> pa.Array:
    return pa.array(ticks, mask=~there).cast(pa.timestamp("us", tz="UTC"))


def main() -> int:
    """Measure reading, rules and panel."""
    parser = argparse.ArgumentParser(description="Patients per second of one core, from rows.")
    parser.add_argument("--people", type=int, default=60_000)
    parser.add_argument("--together", type=int, default=4_000, help="patients of a table")
    parser.add_argument("--seconds", type=float, default=2.0, help="least time for each measurement")
    options = parser.parse_args()
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    table = drawn(options.people, SEED)
    each = len(table) // options.people * options.together
    parts = [table.slice(begin, each) for begin in range(0, len(table), each)]
    measured: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rows.parquet"
        pq.write_table(table, file, compression="zstd", row_group_size=each)
        print(f"{options.people:,} patients, {len(table):,} rows, {file.stat().st_size / 1e6:.0f} MB of Parquet")

        def scan() -> None:
            for part in pq.ParquetFile(file).iter_batches(each, columns=list(ASKED), use_threads=False):
                pa.Table.from_batches([part])

        works = {
            "scan": scan,
            "rules": lambda: [survey_of(part) for part in parts],
            "panel": lambda: [panel_of(part) for part in parts[:1]],
        }
        for name, work in works.items():
            count = min(options.people, options.together) if name == "panel" else options.people
            measured[name] = rate(work, count, least=options.seconds)
            print(f"{name:>6} {measured[name]:>9,.0f}/s")
    return report("columns", measured)


if __name__ == "__main__":
    sys.exit(main())
