#!/usr/bin/env python3
"""Write an invented hospital as rows of Parquet: as many patients as are asked for, the same for the same seed.

Rows are what `carnallite screen` itself makes of any source (`record/rows.py`), so that what is measured is the
screening and not the reading; `carnallite screen DIR --out OUT` takes the folder as it is. A patient of a seed is the
same whatever their number. Nobody in it exists.
"""

from __future__ import annotations

import argparse
import io
import sys
import time
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from carnallite.record.rows import schema
from carnallite.surfaces.screening.kept import write

EACH = 4000  # patients in a part
YEARS = 2
_DAY = 86_400_000_000  # [us]
_INDEX = int(datetime(2020, 6, 1, 8, tzinfo=UTC).timestamp()) * 1_000_000
_BORN = (date(1926, 1, 1).toordinal(), date(2000, 1, 1).toordinal())
_EPOCH = date(1970, 1, 1).toordinal()
_VISITS = 9  # at most


class Test(NamedTuple):
    """A test of the invented hospital: middle and spread in people, how often it is taken, steps of its print."""

    name: str
    middle: float
    spread: float
    taken: float
    digits: int


TESTS = (
    Test("egfr", 78, 18, 0.9, 0), Test("serum_albumin", 40, 4, 0.4, 0), Test("serum_bicarbonate", 25, 2.5, 0.7, 0),
    Test("serum_calcium", 2.35, 0.09, 0.7, 2), Test("serum_chloride", 103, 3, 0.7, 0),
    Test("serum_creatinine", 82, 18, 0.9, 0), Test("serum_glucose", 5.8, 1.2, 0.6, 1),
    Test("serum_magnesium", 0.85, 0.05, 0.45, 2), Test("serum_phosphate", 1.1, 0.15, 0.3, 2),
    Test("serum_potassium", 4.2, 0.25, 0.95, 1), Test("serum_sodium", 140, 2.2, 0.95, 0),
    Test("serum_urea_nitrogen", 5.5, 1.4, 0.6, 1),
)  # fmt: skip
DRUGS = {  # share of people who take it
    "amlodipine": 0.15, "atorvastatin": 0.25, "ciprofloxacin": 0.02, "digoxin": 0.02, "furosemide": 0.1,
    "hydrochlorothiazide": 0.1, "insulin": 0.06, "lisinopril": 0.2, "magnesium_oxide": 0.02, "metformin": 0.1,
    "omeprazole": 0.2, "potassium_chloride": 0.04, "prednisolone": 0.04, "spironolactone": 0.03, "tacrolimus": 0.01,
}  # fmt: skip
ILL = {
    "alcohol_use": 0.05, "ckd": 0.06, "diabetes": 0.12, "diarrhea": 0.03, "heart_failure": 0.06, "hypertension": 0.3,
    "seizure": 0.01, "vomiting": 0.02,
}  # fmt: skip
PLACES = ("outpatient", "emergency", "ward", "intensive care")
SICK = 0.08  # of them have a disorder that lasts: their magnesium and potassium lie lower, some potassiums higher

Numbers = NDArray[Any]


def part(seed: int, number: int, size: int) -> pa.Table:
    """Return the rows of one part."""
    draw = np.random.default_rng([seed, number])
    blocks = [_people(draw, size), _results(draw, size), *_facts(draw, size), _places(draw, size)]
    names = [field.name for field in schema()]
    lengths = [len(block["patient"]) for block in blocks]
    columns = {
        name: np.concatenate(
            [block.get(name, np.full(n, None, object)) for block, n in zip(blocks, lengths, strict=True)]
        )
        for name in names
    }
    kinds = np.repeat(np.arange(len(blocks)), lengths)
    order = np.lexsort((_ranked(columns["time"]), columns["name"].astype(str), kinds, columns["patient"]))
    keys = np.char.add("P", np.char.zfill((columns["patient"] + number * EACH).astype(str), 9))
    columns["patient"] = keys.astype(object)
    arrays = [_array(columns[field.name][order], field.type) for field in schema()]
    return pa.Table.from_arrays(arrays, schema=schema())


def _ranked(times: Numbers) -> Numbers:
    return np.array([-1 if time is None else time for time in times], np.int64)


def _array(values: Numbers, kind: pa.DataType) -> pa.Array:
    listed = values.tolist()
    if pa.types.is_dictionary(kind):
        return pa.array(listed, pa.string()).dictionary_encode().cast(kind)
    if pa.types.is_timestamp(kind):
        return pa.array(listed, pa.int64()).cast(kind)
    if pa.types.is_date(kind):
        return pa.array(listed, pa.int32()).cast(kind)
    return pa.array(listed, kind)


def _people(draw: np.random.Generator, size: int) -> dict[str, Numbers]:
    return {
        "patient": np.arange(size), "kind": np.full(size, "patient", object),
        "sex": np.where(draw.random(size) < 0.5, "female", "male").astype(object),
        "birth": (draw.integers(*_BORN, size) - _EPOCH).astype(object), "index": np.full(size, _INDEX, object),
        "name": np.full(size, "", object),
    }  # fmt: skip


def _results(draw: np.random.Generator, size: int) -> dict[str, Numbers]:
    """Return results of all visits; the last visit lies within the last days."""
    visits = draw.integers(2, _VISITS + 1, size)
    days = np.sort(draw.random((size, _VISITS)) * 365 * YEARS, axis=1)
    days = np.where(np.arange(_VISITS) < (_VISITS - visits)[:, None], np.nan, 365 * YEARS - days)
    days[:, -1] = draw.random(size) * 2
    sick = draw.random(size) < SICK
    way = np.where(sick, draw.choice([-1.0, -1.0, -1.0, 1.0], size), 0.0)
    found: dict[str, list[Numbers]] = {"patient": [], "name": [], "time": [], "low": [], "printed": [], "where": []}
    for test in TESTS:
        taken = ~np.isnan(days) & (draw.random(days.shape) < test.taken)
        own = test.middle + test.spread * (
            draw.standard_normal((size, 1)) * 0.8 + draw.standard_normal(days.shape) * 0.6
        )
        if test.name == "serum_magnesium":
            own += np.minimum(way, 0)[:, None] * 0.25
        elif test.name == "serum_potassium":
            own += way[:, None] * 1.1
        rows, turns = np.nonzero(taken)
        value = np.round(np.maximum(own[rows, turns], test.middle / 5), test.digits)
        found["patient"].append(rows)
        found["name"].append(np.full(len(rows), test.name, object))
        found["time"].append((_INDEX - (days[rows, turns] * 1440).astype(np.int64) * (_DAY // 1440)).astype(object))
        found["low"].append(value)
        found["printed"].append(value.astype(str).astype(object))
        found["where"].append(np.char.add("result ", turns.astype(str)).astype(object))
    made = {name: np.concatenate(parts) for name, parts in found.items()}
    length = len(made["patient"])
    basis = np.where(made["name"] == "egfr", "derived", "number").astype(object)
    return made | {"high": made["low"], "kind": np.full(length, "observation", object), "basis": basis}


def _facts(draw: np.random.Generator, size: int) -> list[dict[str, Numbers]]:
    found = []
    for kind, names, status in (("exposure", DRUGS, "current"), ("condition", ILL, "present")):
        rows, which = np.nonzero(draw.random((size, len(names))) < list(names.values()))
        start = _INDEX - draw.integers(1, 365 * YEARS, len(rows)) * _DAY
        block = {
            "patient": rows, "kind": np.full(len(rows), kind, object),
            "name": np.array(list(names), object)[which], "status": np.full(len(rows), status, object),
            "time": start.astype(object), "where": np.char.add(f"{kind} ", which.astype(str)).astype(object),
        }  # fmt: skip
        if kind == "exposure":
            block["route"] = np.full(len(rows), "oral", object)
        found.append(block)
    return found


def _places(draw: np.random.Generator, size: int) -> dict[str, Numbers]:
    place = draw.choice(len(PLACES), size, p=[0.6, 0.05, 0.3, 0.05])
    return {
        "patient": np.arange(size), "kind": np.full(size, "encounter", object),
        "name": np.array(PLACES, object)[place], "time": np.full(size, _INDEX - 3 * _DAY, object),
        "where": np.full(size, "encounter 1", object),
    }  # fmt: skip


def main() -> int:
    """Write the parts that are not there yet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--patients", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    began, rows = time.monotonic(), 0
    for number, first in enumerate(range(0, options.patients, EACH)):
        file = options.folder / f"part-{number:05d}.parquet"
        if not file.exists():
            table = part(options.seed, number, min(EACH, options.patients - first))
            content = io.BytesIO()
            pq.write_table(table, content, compression="zstd")
            write(file, content.getvalue())
            rows += table.num_rows
    print(f"{options.patients:,} patients in {options.folder}, {rows:,} new rows, {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
