"""`carnallite simulate`: a scenario file in, a table for people, and files for programs."""

from __future__ import annotations

import csv
import os
import shutil
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from carnallite import __version__
from carnallite.errors import ScenarioError, UnknownIdError
from carnallite.physiology import population
from carnallite.physiology.load import model
from carnallite.physiology.measured import measures
from carnallite.physiology.protocol import protocol
from carnallite.physiology.scenario import parse, refined, text_of
from carnallite.physiology.simulate import OUTPUTS, balance_error, pools, run
from carnallite.quantity import analyte
from carnallite.surfaces.progress import Teller
from carnallite.surfaces.table import TESTS, told, told_of_many

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from carnallite.physiology.protocol import Protocol
    from carnallite.physiology.scenario import Scenario
    from carnallite.physiology.simulate import Trajectories

OK, USAGE, STOPPED = 0, 2, 130


def command(options: argparse.Namespace) -> int:
    """Run `carnallite simulate` and return its exit code."""
    text = text_of(options.scenario)
    scenario = parse(text, options.scenario.name)
    for file in (options.plot, options.csv, options.parquet):
        if file and file.exists() and not options.force and not _is_population(file, options):
            sys.stderr.write(f"carnallite: {file} exists. Give --force to overwrite it.\n")
            return USAGE
    with _named(text, options.scenario.name):
        _refuse_outputs(scenario)
        if options.people > 1 or options.seed is not None:
            given = protocol(scenario, seed=options.seed or 0)
            return _many(options, scenario, given)
        given = protocol(scenario)
    return _one(options, scenario, given)


@contextmanager
def _named(text: str, name: str) -> Iterator[None]:
    """Tell the file and the line of what is wrong in a scenario."""
    try:
        yield
    except ScenarioError as error:
        raise refined(error, text, name) from None


def _refuse_outputs(scenario: Scenario) -> None:
    try:
        population.needed(scenario.outputs)
    except UnknownIdError as error:
        raise ScenarioError("outputs", f"{error.where} {error.what}", error.do) from None


def _is_population(file: Path, options: argparse.Namespace) -> bool:
    return file == options.parquet and file.is_dir() and options.people > 1


# one person ---------------------------------------------------------------------------------------------------------
def _one(options: argparse.Namespace, scenario: Scenario, given: Protocol) -> int:
    names = _outputs(options, scenario) or OUTPUTS
    wanted = dict.fromkeys((*population.needed(names), *population.needed(TESTS), *pools()))
    course = run(given, tuple(wanted), engine=options.engine)
    _write_files(options, course, names)
    if options.plot:
        from carnallite.surfaces.trajectory import figure  # noqa: PLC0415  (only where it is drawn)

        _write(options.plot, figure(course, title=scenario.title, person=scenario.person, units=options.units))
    if options.json:
        sys.stdout.write(_json(scenario, course, names))
        return OK
    errors = balance_error(course)
    sys.stdout.write(told(scenario, given, course, errors, units=options.units, **_terminal()))
    return OK


def _outputs(options: argparse.Namespace, scenario: Scenario) -> tuple[str, ...]:
    return tuple(options.outputs.split(",")) if options.outputs else scenario.outputs


def _terminal() -> dict[str, Any]:
    return {
        "width": max(40, min(shutil.get_terminal_size((100, 24)).columns, 110)),
        "color": sys.stdout.isatty() and "NO_COLOR" not in os.environ,
        "ascii_only": "utf" not in (sys.stdout.encoding or "").lower(),
    }


def _write_files(options: argparse.Namespace, course: Trajectories, names: tuple[str, ...]) -> None:
    if not (options.csv or options.parquet):
        return
    table = population.columns(course, names)
    if options.parquet:
        whole = {"time_h": course.time, **{name: value[0] for name, value in table.items()}}
        options.parquet.parent.mkdir(parents=True, exist_ok=True)
        population.write_parquet(options.parquet, whole)
        sys.stderr.write(f"Parquet: {options.parquet}\n")
    if options.csv:
        options.csv.parent.mkdir(parents=True, exist_ok=True)
        with options.csv.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["time [h]", *(f"{name} [{unit_of(name)}]" for name in names)])
            for row, moment in enumerate(course.time):
                values = [table[name][0, row] for name in names]
                writer.writerow([f"{moment:.10g}", *("" if np.isnan(value) else f"{value:.10g}" for value in values)])
        sys.stderr.write(f"CSV: {options.csv}\n")


def unit_of(name: str) -> str:
    """Return the unit of a quantity of the body or of a test."""
    if name in measures():
        return analyte(name).unit
    return next(item.unit for item in (*model().states, *model().equations) if item.name == name)


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, "utf-8")
    sys.stderr.write(f"figure: {file}\n")


def _json(scenario: Scenario, course: Trajectories, names: tuple[str, ...]) -> str:
    table = population.columns(course, names)
    answer = {
        "schema": "carnallite.trajectory/1",
        "title": scenario.title,
        "time_h": course.time.tolist(),
        "outputs": {
            name: {"unit": unit_of(name), "values": [None if np.isnan(v) else float(v) for v in table[name][0]]}
            for name in names
        },
        "status": course.status.tolist(),
        "balance_error": balance_error(course),
        "engine": course.engine,
        "notes": course.notes,
        "provenance": {"version": __version__, "model": model().hash},
    }
    return msgspec.json.format(msgspec.json.encode(answer), indent=1).decode() + "\n"


# many people --------------------------------------------------------------------------------------------------------
def _many(options: argparse.Namespace, scenario: Scenario, given: Protocol) -> int:
    if options.csv:
        sys.stderr.write("carnallite: --csv is for one person. Write people to a folder with --parquet.\n")
        return USAGE
    with tempfile.TemporaryDirectory(prefix="carnallite-") as spare:
        folder = options.parquet or Path(spare)
        if options.parquet and options.force and folder.is_dir():
            population.empty(folder)
        names = tuple(dict.fromkeys((*(_outputs(options, scenario) or ()), *TESTS)))
        teller = Teller()
        try:
            manifest = population.stream(
                scenario, options.people, options.seed or 0, folder, outputs=names, engine=options.engine,
                report=teller.tell,
            )  # fmt: skip
        except KeyboardInterrupt:
            teller.end()
            more = "The same command goes on from there." if options.parquet else "With --parquet it could go on."
            sys.stderr.write(f"carnallite: stopped after {teller.done} people. {more}\n")
            return STOPPED
        teller.end()
        found = population.summary(folder)
        if options.parquet:
            sys.stderr.write(f"Parquet: {folder} ({-(-manifest.count // manifest.chunk)} parts)\n")
    if options.plot:
        from carnallite.surfaces.trajectory import figure_of_many  # noqa: PLC0415

        _write(options.plot, figure_of_many(found, given, title=scenario.title, person=scenario.person,
                                            units=options.units))  # fmt: skip
    if options.json:
        answer = {
            "schema": "carnallite.population-summary/1",
            "title": scenario.title,
            "count": found.count,
            "failed": found.failed,
            "seed": options.seed or 0,
            "time_h": found.time.tolist(),
            "outputs": {name: _summary_rows(name, rows) for name, rows in found.columns.items()},
            "notes": given.notes,
            "provenance": {"version": __version__, "model": manifest.body},
        }
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(answer), indent=1).decode() + "\n")
        return OK
    sys.stdout.write(told_of_many(scenario, given, found, seed=options.seed or 0, units=options.units, **_terminal()))
    return OK


def _summary_rows(name: str, rows: Any) -> dict[str, Any]:
    keys = ("mean", "sd", "p5", "p25", "p50", "p75", "p95")
    numbers = {key: [None if np.isnan(v) else float(v) for v in row] for key, row in zip(keys, rows, strict=True)}
    return {"unit": unit_of(name), **numbers}
