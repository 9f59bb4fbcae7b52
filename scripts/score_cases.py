#!/usr/bin/env python3
"""Score `carnallite assess --json` against a folder of published cases.

    python scripts/score_cases.py [FOLDER] [--cli COMMAND] [--out FILE] [--jobs N] [--quiet]

FOLDER holds bundles ``<id>.json`` and ``labels.tsv``; without it ``tests/published`` is scored. Every case is
run as a user runs it: a process of its own, its answer read from stdout. The last line printed is JSON:

top1              the cause that is ranked first is labelled or also acceptable (cases with a labelled cause)
recall3           share of the labelled causes among the first three (same cases)
controls          magnesium is not blamed, below one half, for potassium or calcium (controls)
blames_mg         it is blamed where it is low and the label says that potassium or calcium rides on it
no_false          no wrong cause reaches one half (cases whose label is `none`)
asks_mg           serum magnesium is among the first three tests (magnesium unknown)
mg_state, k_state the state equals the label
factor_recall     share of the labelled factors that reach one half, and
factor_precision  share of the factors that reach one half which are labelled
brier             mean squared error over all causes of the vocabulary; lower is better
broken            cases without an answer: wrong everywhere

Only causes of the vocabulary count; further ones, reasons of the potassium or calcium disorder, do neither
good nor harm.
"""

from __future__ import annotations

import argparse
import csv
import json
import shlex
import statistics
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

VOCABULARY = frozenset({
    "alcohol", "aminoglycoside", "amphotericin", "anti_egfr", "bartter", "burns",
    "calcineurin_inhibitor", "chronic_diarrhea", "ckd_hyperkalemia", "crrt_citrate", "diabetes",
    "digoxin", "enterocutaneous_fistula", "familial_renal_wasting", "gitelman", "hungry_bone",
    "hyperaldosteronism", "hypercalcemia", "hyperkalemia_mg_infusion", "hypermagnesemia_iatrogenic",
    "hypermagnesemia_ingestion", "hypoparathyroidism_22q11", "hypoparathyroidism_other",
    "loop_diuretic", "malabsorption", "metformin", "other_nephrotoxic_drug", "platinum", "poor_intake",
    "ppi", "refeeding", "sepsis", "short_bowel", "thiazide",
})  # fmt: skip
MEASURES = (
    "top1", "recall3", "controls", "blames_mg", "no_false", "asks_mg", "mg_state", "k_state", "factor_recall",
    "factor_precision", "brier",
)  # fmt: skip
RIDES = {"potassium": "refractory_hypokalemia", "calcium": "hypocalcemia_secondary"}
STATES = {"mg_state": "magnesium", "k_state": "potassium"}
LIKELY = 0.5
ROOT = Path(__file__).resolve().parents[1]
PROGRAM = Path(sys.executable).with_name("carnallite")  # of this virtual environment
Answer = dict[str, Any]


class Label(NamedTuple):
    """What the right answer to a case is."""

    id: str
    causes: frozenset[str]
    is_none: bool
    acceptable: frozenset[str]
    factors: frozenset[str]
    is_control: bool
    states: dict[str, str]


def read_labels(folder: Path) -> list[Label]:
    """Return the labels of a folder of cases."""
    with (folder / "labels.tsv").open(encoding="utf-8", newline="") as lines:
        return [_label(row) for row in csv.DictReader(lines, delimiter="\t")]


def _label(row: dict[str, str]) -> Label:
    causes = _listed(row["causes"])
    return Label(
        id=row["id"],
        causes=causes - {"none", "other"},
        is_none="none" in causes,
        acceptable=_listed(row.get("also_acceptable")),
        factors=_listed(row["factors"]),
        is_control=row["is_control"] == "1",
        states={column: row.get(column) or "" for column in STATES},
    )


def _listed(cell: str | None) -> frozenset[str]:
    return frozenset(part.strip() for part in (cell or "").split(";") if part.strip())


def measure(label: Label, answer: Answer) -> dict[str, float]:
    """Return what one case contributes to each measure that applies to it.

    An empty answer is wrong everywhere.

    >>> label = Label("x", frozenset({"ppi"}), False, frozenset(), frozenset(), False, {})
    >>> measure(label, {"causes": [{"id": "ppi", "probability": 0.9}]})["top1"]
    1.0
    """
    chances = {
        cause["id"]: float(cause["probability"]) for cause in answer.get("causes", []) if cause["id"] in VOCABULARY
    }
    ranked = sorted(chances, key=lambda id: -chances[id])
    scored = VOCABULARY - label.acceptable
    errors = sum((chances.get(id, 0.0) - (id in label.causes)) ** 2 for id in scored)
    found = {"brier": errors / len(scored) if answer else 1.0}
    if label.causes:
        found["top1"] = float(bool(ranked) and ranked[0] in label.causes | label.acceptable)
        found["recall3"] = len(label.causes.intersection(ranked[:3])) / len(label.causes)
    elif label.is_none:
        false = [id for id, chance in chances.items() if chance >= LIKELY and id not in label.acceptable]
        found["no_false"] = float(bool(answer) and not false)
    return found | _about_magnesium(label, answer) | _about_factors(label, answer)


def _about_magnesium(label: Label, answer: Answer) -> dict[str, float]:
    given = answer.get("magnesium_explains") or {}
    blamed = {ion: (given.get(ion) or 0.0) >= LIKELY for ion in RIDES}
    found: dict[str, float] = {}
    if label.is_control:
        found["controls"] = float(bool(answer) and not any(blamed.values()))
    if label.states.get("mg_state") == "unknown":
        found["asks_mg"] = float("serum_magnesium" in [test["id"] for test in answer.get("next_tests", [])[:3]])
    for column, ion in STATES.items():
        if label.states.get(column) in {"low", "normal", "high", "unknown"}:
            found[column] = float((answer.get("states") or {}).get(ion) == label.states[column])
    rides = [blamed[ion] for ion, factor in RIDES.items() if factor in label.factors]
    if rides and not label.is_control and label.states.get("mg_state") == "low":
        found["blames_mg"] = sum(rides)
        found["blames_mg_of"] = len(rides)
    return found


def _about_factors(label: Label, answer: Answer) -> dict[str, float]:
    given = {factor["id"] for factor in answer.get("factors", []) if factor["probability"] >= LIKELY}
    hits = len(label.factors & given)
    found = {"factor_recall": hits / len(label.factors)} if label.factors else {}
    return found | ({"factor_precision": hits / len(given)} if given else {})


def totals(measured: list[dict[str, float]]) -> dict[str, dict[str, float | int | None]]:
    """Return the mean of each measure and over how many cases (of `blames_mg`: disorders) it was taken."""
    found: dict[str, dict[str, float | int | None]] = {}
    for name in MEASURES:
        rows = [row for row in measured if name in row]
        count = sum(int(row.get(f"{name}_of", 1)) for row in rows)
        score = round(sum(row[name] for row in rows) / count, 3) if count else None
        found[name] = {"score": score, "n": count}
    return found


def ask(cli: list[str], case: Path) -> tuple[Answer, str, float]:
    """Return the answer to a case, why there is none, and the seconds it took."""
    began = time.perf_counter()
    try:
        run = subprocess.run(
            [*cli, "assess", str(case), "--json"], check=False, capture_output=True, text=True, timeout=300
        )
        answer = json.loads(run.stdout)
    except subprocess.TimeoutExpired:
        return {}, "no answer within 300 s", time.perf_counter() - began
    except ValueError:
        said = (run.stderr or run.stdout).strip()[-160:]
        return {}, f"exit code {run.returncode}: {said}", time.perf_counter() - began
    return answer, "", time.perf_counter() - began


def main() -> int:
    """Run all cases, print what was missed, and the totals as JSON."""
    parser = argparse.ArgumentParser(description="Score carnallite against published cases.")
    parser.add_argument("folder", type=Path, nargs="?", default=ROOT / "tests" / "published")
    parser.add_argument("--cli", default=shlex.quote(str(PROGRAM)), help="the program to run")
    parser.add_argument("--out", type=Path, help="write totals and every case as JSON")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--quiet", action="store_true", help="print the totals only")
    options = parser.parse_args()
    labels, cli = read_labels(options.folder), shlex.split(options.cli)
    with ThreadPoolExecutor(options.jobs) as pool:
        asked = list(pool.map(lambda label: ask(cli, options.folder / f"{label.id}.json"), labels))
    measured = [measure(label, answer) for label, (answer, _, _) in zip(labels, asked, strict=True)]
    broken = [f"{label.id}: {why}" for label, (_, why, _) in zip(labels, asked, strict=True) if why]
    total: dict[str, Any] = {
        **totals(measured),
        "broken": len(broken),
        "seconds_median": round(statistics.median_high(seconds for _, _, seconds in asked), 2) if asked else None,
    }
    rows = [_row(label, answer, found) for label, (answer, _, _), found in zip(labels, asked, measured, strict=True)]
    if options.out:
        options.out.write_text(json.dumps({"total": total, "rows": rows, "broken": broken}, indent=1), "utf-8")
    if not options.quiet:
        for row in rows:
            if row["missed"]:
                print(f"{row['id']}: {', '.join(row['missed'])}; wanted {row['want']}, got {row['got']}")
        for line in broken:
            print(f"broken {line}")
        behind = Counter(cause for label in labels for cause in label.causes)
        print("cases behind each cause:", ", ".join(f"{cause} {count}" for cause, count in behind.most_common()))
    print(json.dumps(total))
    return 0


def _row(label: Label, answer: Answer, found: dict[str, float]) -> dict[str, Any]:
    got = [cause["id"] for cause in answer.get("causes", []) if cause["id"] in VOCABULARY][:3]
    missed = [name for name in MEASURES if name != "brier" and found.get(name, 1) < found.get(f"{name}_of", 1)]
    return {"id": label.id, "want": sorted(label.causes), "got": got, "missed": missed, "measured": found}


if __name__ == "__main__":
    sys.exit(main())
