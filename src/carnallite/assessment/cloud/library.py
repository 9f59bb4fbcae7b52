"""The library of virtual patients: simulated once, kept as Parquet, known by the hash of all that made it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from carnallite.assessment.cloud.members import MOST, NONE, TIMES, Members, causes, draw
from carnallite.assessment.cloud.people import anybody, creatinine
from carnallite.assessment.cloud.shown import BODY, SIZE, TESTS, Seen, scene, seen
from carnallite.assessment.cloud.under import usual
from carnallite.assessment.cloud.weigh import errors
from carnallite.errors import CarnalliteError
from carnallite.physiology import engine, population

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from carnallite.physiology.population import Progress

    Numbers = NDArray[np.float64]

CHUNK = 2560  # members in a part: one turn of all times
SEED = 1
SMALL = 10_000  # members of a library that is built when none is there
FORMS = tuple(f"form_{place}" for place in range(MOST))
DESIGN = (
    "members.py", "shown.py", "people.py", "under.py", "library.py", "weights.toml", "people.toml", "treatments.toml",
)  # fmt: skip
TREATED = "treated."
STRENGTHS = tuple(f"strength_{place}" for place in range(MOST))


class LibraryMismatch(CarnalliteError):
    """A library was made by another model, other knowledge or another seed."""


@dataclass(frozen=True, slots=True, eq=False)
class Library:
    """What the members show. It equals itself alone.

    Parameters
    ----------
    members : Members
    people : mapping of str to array [member]
        ``male``, ``age`` [a], ``weight`` [kg].
    shown : mapping of str to array [member]
        Tests by analyte in canonical units, quantities of the body by name; NaN in who did not live that long.
    treated : mapping of str to array [member]
        Tests that members are weighed by, after days of their treatment.
    treatment : array [member]
        Which of the `treatments` that is.
    by_set : mapping of tuple of int to array
        The members on whom exactly these `causes` act.
    name : str
        What it is known by: number of members, seed, hash of model and knowledge.
    """

    members: Members
    people: dict[str, NDArray[np.float32]]
    shown: dict[str, NDArray[np.float32]]
    treated: dict[str, NDArray[np.float32]]
    treatment: NDArray[np.int64]
    by_set: dict[tuple[int, ...], NDArray[np.int64]]
    name: str

    def is_small(self) -> bool:
        """Return whether it is one that was built in a hurry."""
        return len(self) <= SMALL

    def __len__(self) -> int:
        return len(self.members.number)


def simulated(members: Members, seed: int) -> Seen:
    """Return people and what they show without and under treatment; they must share one time and one treatment."""
    begin = float(members.since[0])
    under = usual()[treatments()[treatment_of(members.number[:1])[0]]]
    found = seen(scene(begin, anybody(), under), members, seed=seed, before=begin)
    return found._replace(before=found.before | {"serum_creatinine": creatinine(found.before["egfr"], found.people)})


def treatments() -> tuple[str, ...]:
    """Return the names of the treatments that members are under at their second look."""
    return tuple(usual())


def treatment_of(number: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return which of the `treatments` members have by their number: a part shares one."""
    found: NDArray[np.int64] = number // CHUNK % len(treatments())
    return found


@cache
def columns() -> tuple[str, ...]:
    """Return the columns of the file."""
    treated = (f"{TREATED}{test}" for test in errors())
    return ("since_h", *FORMS, *STRENGTHS, *SIZE, *TESTS, *BODY, "egfr", "serum_creatinine", *treated)


def manifest(count: int, seed: int) -> population.Manifest:
    """Return what a library is known by: model, knowledge, how its members are drawn and looked at, and the seed."""
    design = blake2b(digest_size=8)
    for name in DESIGN:
        design.update(Path(__file__).with_name(name).read_bytes())
    drawn = msgspec.structs.replace(scene(TIMES[-1], anybody()), about=design.hexdigest())
    return population.manifest_of(drawn, count=count, seed=seed, chunk=CHUNK, names=columns())


def build(
    path: Path, count: int, *, seed: int = SEED, report: Callable[[Progress], None] | None = None
) -> population.Manifest:
    """Simulate a library into a folder; parts that are there already are kept.

    Raises
    ------
    PopulationMismatch
        The folder holds another library, or something else.
    """
    made = manifest(count, seed)
    population.write_parts(path, made, lambda first, size: _part(seed, first, size), report)
    return made


def _part(seed: int, first: int, size: int) -> dict[str, NDArray[np.generic]]:
    members = draw(seed, np.arange(first, first + size))
    edges = np.flatnonzero(np.diff(members.since)) + 1
    tables = []
    for rows in np.split(np.arange(size), edges):
        people, before, after = simulated(members.some(rows), seed)
        tables.append(people | before | {f"{TREATED}{test}": after[test] for test in errors()})
    table: dict[str, NDArray[np.generic]] = {"since_h": members.since.astype(np.float32)}
    table |= {name: members.form[:, place].astype(np.int16) for place, name in enumerate(FORMS)}
    table |= {name: members.strength[:, place].astype(np.float32) for place, name in enumerate(STRENGTHS)}
    return table | {name: np.concatenate([one[name] for one in tables]).astype(np.float32) for name in tables[0]}


def find(path: Path) -> Library:
    """Return a library that was built.

    Raises
    ------
    LibraryMismatch
        It was made by another model, other knowledge or other conventions than are installed, or is not whole.
    """
    there = population.manifest_in(path)
    if there is None:
        raise LibraryMismatch(path.name, "holds no library.", "Build one with `carnallite library build`.")
    if there != manifest(there.count, there.seed):
        raise LibraryMismatch(path.name, "was made by another model or other knowledge.", "Build it again.")
    table = population.read_parts(path, there)
    number = np.arange(len(table["since_h"]))
    if len(number) != there.count:
        raise LibraryMismatch(path.name, f"has {len(number)} of {there.count} members.", "Go on with the build.")
    form = np.stack([table.pop(name) for name in FORMS], axis=1).astype(np.int64)
    strength = np.stack([table.pop(name) for name in STRENGTHS], axis=1).astype(float)
    members = Members(number, form, strength, table.pop("since_h").astype(float))
    people = {name: table.pop(name) for name in SIZE}
    treated = {test: table.pop(f"{TREATED}{test}") for test in errors()}
    name = f"{there.count}-{there.seed}-{_hash(there)}"
    return Library(members, people, table, treated, treatment_of(number), _by_set(members), name)


def place(*, small: bool = False) -> Path:
    """Return the folder of the cache for libraries of this model and knowledge: others are never in the way."""
    return engine.CACHE / "library" / (f"{_current()}-small" if small else _current())


@cache
def _current() -> str:
    """Return what libraries of this model and knowledge are known by; neither changes while a program runs."""
    return _hash(manifest(0, SEED))


def _hash(made: population.Manifest) -> str:
    """Return what model, knowledge and drawing make, whatever the number of members."""
    return blake2b(f"{made.scenario} {made.body}".encode(), digest_size=8).hexdigest()


def at_hand() -> Library:
    """Return the library of the cache, or a small one, which is built in seconds where there is none.

    Raises
    ------
    LibraryMismatch
        The one that is there is not whole.
    """
    there = population.manifest_in(place())
    if there is not None:
        return _kept(place(), there)
    small = place(small=True)
    return _kept(small, population.manifest_in(small) or build(small, SMALL))


@lru_cache(maxsize=1)
def _kept(path: Path, made: population.Manifest) -> Library:
    """Return a library that was read once, for as long as nobody builds another in its place."""
    del made
    return find(path)


def _by_set(members: Members) -> dict[tuple[int, ...], NDArray[np.int64]]:
    acting = np.sort(np.where(members.form == NONE, len(causes()), members.acting()), axis=1)
    order = np.lexsort(acting.T[::-1])
    groups = np.split(order, np.flatnonzero(np.diff(acting[order], axis=0).any(axis=1)) + 1)
    return {tuple(one for one in acting[group[0]].tolist() if one < len(causes())): np.sort(group) for group in groups}
