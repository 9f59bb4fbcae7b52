"""Many drawn people, simulated in parts and written to Parquet: bounded memory, and a broken run goes on where it was.

Person 7 of a seed is the same whatever the size of the parts and however many there are.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from carnallite.errors import CarnalliteError, UnknownIdError, did_you_mean
from carnallite.knowledge import edition
from carnallite.physiology.generate import Status
from carnallite.physiology.load import model
from carnallite.physiology.measured import measured, measures
from carnallite.physiology.protocol import protocol
from carnallite.physiology.simulate import OUTPUTS, run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from carnallite.physiology.protocol import Protocol
    from carnallite.physiology.scenario import Scenario
    from carnallite.physiology.simulate import Engine, Trajectories

    Numbers = NDArray[np.float64]

MANIFEST = "manifest.json"
ROOM = 32_000_000  # [bytes] for the states of a part
MOST = 1024  # people in a part
AT_ONCE = 8_000_000  # values of which quantiles are taken in memory
DATA = ("conventions.toml", "measured.toml", "substances.toml")


class PopulationMismatch(CarnalliteError):
    """A folder holds another population than the one that is asked for."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What the parts of a folder are parts of."""

    schema: str = "carnallite.population/1"
    title: str
    scenario: str  # hash
    body: str  # hash of model, knowledge and conventions
    seed: int
    count: int
    chunk: int
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a population is."""

    done: int
    total: int
    resumed: int  # of those done, found in the folder


@dataclass(frozen=True, slots=True)
class Summary:
    """What a population shows at each time; people whose course ended early are left out and counted.

    Parameters
    ----------
    time : array [sample]
        [h]
    columns : mapping of name to array [measure, sample]
        Rows are mean, SD, and the quantiles 5, 25, 50, 75 and 95 %.
    count, failed, held : int
        People, those of them whose course ended early, and those who were held at a limit of the model.
    """

    time: Numbers
    columns: Mapping[str, Numbers]
    count: int
    failed: int
    held: int


def columns(course: Trajectories, names: Sequence[str]) -> dict[str, Numbers]:
    """Return quantities of the body, or tests by the id of their analyte, as arrays [person, sample]."""
    return {name: measured(course, name) if name in measures() else course[name] for name in names}


def needed(names: Sequence[str]) -> tuple[str, ...]:
    """Return the quantities of the body that some columns rest on.

    Raises
    ------
    UnknownIdError
        A name is neither a quantity of the body nor a test.
    """
    known = {*measures(), *(one.name for one in (*model().states, *model().equations))}
    for name in names:
        if name not in known:
            raise UnknownIdError(f"output '{name}'", "is nothing that the body has.", did_you_mean(name, known))
    return tuple(dict.fromkeys(measures()[name].output if name in measures() else name for name in names))


def stream(  # noqa: PLR0913  (each is one choice of the caller)
    scenario: Scenario,
    count: int,
    seed: int,
    path: Path,
    *,
    outputs: Sequence[str] = (),
    chunk: int = 0,
    engine: Engine = "auto",
    report: Callable[[Progress], None] | None = None,
) -> Manifest:
    """Simulate people into Parquet files of a folder; parts that are there already are kept.

    Parameters
    ----------
    path : Path
        The folder; ``part-00000.parquet`` and so on, and a manifest. Columns are person, time_h [h], status (0 is a
        whole course), held (at a limit of the model) and the outputs in single precision; a value that does not exist
        is null.
    outputs : sequence of str
        Quantities of the body in canonical units, or tests by the id of their analyte in its unit.
    chunk : int
        People in a part; by default as many as fit into 32 MB.
    report : callable, optional
        Is told after each part.

    Raises
    ------
    PopulationMismatch
        The folder holds parts of something else.
    """
    names = tuple(outputs or scenario.outputs or OUTPUTS)
    wanted = needed(names)
    people = chunk or _usual_chunk(scenario, count, seed)
    manifest = manifest_of(scenario, count=count, seed=seed, chunk=people, names=names)

    def made(first: int, size: int) -> dict[str, NDArray[Any]]:
        return _part(protocol(scenario, count=size, seed=seed, first=first), first, names, wanted, engine)

    write_parts(path, manifest, made, report)
    return manifest


def write_parts(
    path: Path,
    manifest: Manifest,
    made: Callable[[int, int], Mapping[str, NDArray[Any]]],
    report: Callable[[Progress], None] | None = None,
) -> None:
    """Write what is made of so many people from a number on, part by part; parts that are there already are kept.

    Raises
    ------
    PopulationMismatch
        The folder holds parts of something else.
    """
    _open(path, manifest)
    resumed = 0
    for number, first in enumerate(range(0, manifest.count, manifest.chunk)):
        size = min(manifest.chunk, manifest.count - first)
        part = path / f"part-{number:05d}.parquet"
        if part.exists():
            resumed += size
        else:
            _write(part, made(first, size))
        if report:
            report(Progress(first + size, manifest.count, resumed))


def manifest_in(path: Path) -> Manifest | None:
    """Return what the parts of a folder are parts of; None where nothing tells."""
    try:
        return msgspec.json.decode((path / MANIFEST).read_bytes(), type=Manifest)
    except (OSError, msgspec.MsgspecError):
        return None


def empty(path: Path) -> None:
    """Remove the parts of a folder and what they are parts of; nothing else."""
    for file in (*path.glob("part-*.parquet"), path / MANIFEST):
        file.unlink(missing_ok=True)


def read_parts(path: Path, manifest: Manifest) -> dict[str, NDArray[Any]]:
    """Return the columns of all parts of a folder, in order; a value that does not exist is NaN."""
    import duckdb  # noqa: PLC0415

    names = ", ".join(map(_quoted, manifest.columns))
    parts = f"read_parquet({_text(path / 'part-*.parquet')}, filename = true)"
    with duckdb.connect(config=_CALM) as connection:
        found = connection.execute(f"SELECT {names} FROM {parts} ORDER BY filename, file_row_number").fetchnumpy()  # noqa: S608
    return {name: _filled(column) for name, column in found.items()}


def _filled(column: NDArray[Any]) -> NDArray[Any]:
    """Return a column as DuckDB gives it, with NaN for numbers that do not exist."""
    known = np.ma.asarray(column)
    return known.filled(np.nan if known.dtype.kind == "f" else 0)


def _usual_chunk(scenario: Scenario, count: int, seed: int) -> int:
    samples = len(protocol(scenario, seed=seed).samples)
    fitting = ROOM // (8 * samples * len(model().states))
    return int(min(max(fitting // 8 * 8, 8), MOST, max(count, 1)))


def manifest_of(scenario: Scenario, *, count: int, seed: int, chunk: int, names: tuple[str, ...]) -> Manifest:
    """Return what the parts of such a population are parts of."""
    here = Path(__file__).parent
    body = blake2b(f"{model().hash}|{edition()}".encode(), digest_size=8)
    for name in DATA:
        body.update((here / name).read_bytes())
    told = msgspec.json.encode(scenario, order="deterministic")
    return Manifest(
        title=scenario.title,
        scenario=blake2b(told, digest_size=8).hexdigest(),
        body=body.hexdigest(),
        seed=seed,
        count=count,
        chunk=chunk,
        columns=names,
    )


def _open(path: Path, manifest: Manifest) -> None:
    file = path / MANIFEST
    path.mkdir(parents=True, exist_ok=True)
    if file.exists():
        if manifest_in(path) != manifest:
            raise PopulationMismatch(path.name, "holds another population.", "Name another folder, or give --force.")
    elif any(path.glob("part-*.parquet")):
        raise PopulationMismatch(path.name, "holds parts without a manifest.", "Name another folder, or give --force.")
    else:
        _replace(file, msgspec.json.format(msgspec.json.encode(manifest), indent=1))
    for left in path.glob("*.tmp"):
        left.unlink(missing_ok=True)


def _part(
    given: Protocol, first: int, names: tuple[str, ...], wanted: tuple[str, ...], engine: Engine
) -> dict[str, NDArray[Any]]:
    course = run(given, wanted, engine=engine)
    count, samples = len(course.status), len(course.time)
    table: dict[str, NDArray[Any]] = {
        "person": np.repeat(np.arange(first, first + count), samples),
        "time_h": np.tile(course.time, count),
        "status": np.repeat(course.status.astype(np.int8), samples),
        "held": np.repeat(given.held, samples),
    }
    return table | {name: value.ravel().astype(np.float32) for name, value in columns(course, names).items()}


def write_parquet(file: Path, table: Mapping[str, NDArray[Any]]) -> None:
    """Write columns of equal length to one Parquet file, which appears whole or not at all."""
    _write(file, table)


def _write(file: Path, table: Mapping[str, NDArray[Any]]) -> None:
    import duckdb  # noqa: PLC0415  (heavy; only where Parquet is written)

    numbers = {name for name, column in table.items() if column.dtype.kind == "f"}
    told = ", ".join(
        f"nullif({_quoted(name)}, 'nan') AS {_quoted(name)}" if name in numbers else _quoted(name) for name in table
    )
    part = file.with_suffix(".tmp")
    with duckdb.connect(config=_CALM) as connection:
        connection.register("given", dict(table))
        connection.execute(f"COPY (SELECT {told} FROM given) TO {_text(part)} (FORMAT PARQUET, COMPRESSION ZSTD)")  # noqa: S608
    part.replace(file)


def summary(path: Path) -> Summary:
    """Return what the people of a folder show over time."""
    import duckdb  # noqa: PLC0415

    manifest = msgspec.json.decode((path / MANIFEST).read_bytes(), type=Manifest)
    parts = sorted(path.glob("part-*.parquet"))
    with duckdb.connect(config=_CALM) as connection:
        samples = len(connection.execute(f"SELECT DISTINCT time_h FROM {_text(parts[0])}").fetchall())  # noqa: S608

        def read(part: Path, name: str) -> NDArray[Any]:
            """Return a column of a part [person, sample]; a value that does not exist is NaN."""
            asked = f"SELECT {_quoted(name)} AS value FROM {_text(part)}"  # noqa: S608  (rows are in order)
            return _filled(connection.execute(asked).fetchnumpy()["value"]).reshape(-1, samples)

        time = read(parts[0], "time_h")[0].astype(float)
        shown = [read(part, "status")[:, 0] <= Status.STEADY for part in parts]
        held = sum(int(read(part, "held")[:, 0].sum()) for part in parts)
        blocks = np.array_split(np.arange(samples), min(samples, 1 + samples * manifest.count // AT_ONCE))
        found: dict[str, Numbers] = {}
        for name in manifest.columns:
            rows: list[Numbers] = []
            for block in blocks:
                values = [read(part, name)[people][:, block].T for part, people in zip(parts, shown, strict=True)]
                rows += map(_measures, np.concatenate(values, axis=1))
            found[name] = np.array(rows).T
    failed = manifest.count - sum(int(people.sum()) for people in shown)
    return Summary(time, found, manifest.count, failed, held)


_SHARES = (0.05, 0.25, 0.5, 0.75, 0.95)
_CALM: dict[str, Any] = {"threads": 1, "enable_external_file_cache": False}


def _measures(values: NDArray[np.float32]) -> Numbers:
    known = values[np.isfinite(values)].astype(np.float64)
    if not known.size:
        return np.full(2 + len(_SHARES), np.nan)
    sd = known.std(ddof=1) if known.size > 1 else np.nan
    return np.array([known.mean(), sd, *np.quantile(known, _SHARES)])


def _quoted(name: str) -> str:
    return f'"{name}"'


def _text(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def _replace(file: Path, content: bytes) -> None:
    part = file.with_suffix(".tmp")
    part.write_bytes(content)
    part.replace(file)
