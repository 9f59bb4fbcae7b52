"""The library of virtual patients: simulated once, kept as Parquet, known by the hash of all that made it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from carnallite.assessment.cloud.members import MOST, NONE, TIMES, Members, causes, draw, forms
from carnallite.errors import CarnalliteError
from carnallite.physiology import population
from carnallite.physiology.crowd import constant
from carnallite.physiology.protocol import protocol
from carnallite.physiology.scenario import Act, Person, Sampling, Scenario, Spread
from carnallite.physiology.simulate import run

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from carnallite.physiology.population import Progress

    Numbers = NDArray[np.float64]

DAY = 24.0
CHUNK = 2560  # members in a part: one turn of all times
SEED = 1
TESTS = (
    "serum_magnesium", "ionized_magnesium", "serum_potassium", "serum_calcium", "ionized_calcium", "serum_sodium",
    "serum_bicarbonate", "serum_phosphate", "pth", "calcitriol", "serum_aldosterone", "urine_magnesium_24h",
    "urine_potassium_24h", "urine_calcium_24h", "urine_sodium_24h", "urine_volume_24h",
)  # fmt: skip
BODY = ("kidney.gfr", "aldosterone.renin", "water.extracellular", "magnesium.deficit", "potassium.deficit")
SIZE = ("male", "age", "weight")
FORMS = tuple(f"form_{place}" for place in range(MOST))
COLUMNS = ("since_h", *FORMS, *SIZE, *TESTS, *BODY, "egfr")
ANYBODY = Person(
    women=0.5,
    age=Spread(mean="60 a", sd="18 a", low="18 a", high="95 a"),
    weight=Spread(mean="75 kg", sd="16 kg", low="40 kg", high="140 kg"),
)


class LibraryMismatch(CarnalliteError):
    """A library was made by another model, other knowledge or another seed."""


@dataclass(frozen=True, slots=True)
class Library:
    """What the members show.

    Parameters
    ----------
    members : Members
    people : mapping of str to array [member]
        ``male``, ``age`` [a], ``weight`` [kg].
    shown : mapping of str to array [member]
        Tests by analyte in canonical units, quantities of the body by name; NaN in who did not live that long.
    """

    members: Members
    people: dict[str, NDArray[np.float32]]
    shown: dict[str, NDArray[np.float32]]

    def __len__(self) -> int:
        return len(self.members.number)


@cache
def scene(hours: float, person: Person = ANYBODY) -> Scenario:
    """Return what all members have in common who are looked at after so many hours."""
    return Scenario(
        title="Library",
        length=f"{hours:g} h",
        person=person,
        sampling=Sampling(at=(f"{hours - DAY:g} h", f"{hours:g} h")),
    )


def seen(
    scenario: Scenario, form: NDArray[np.int64], *, seed: int, first: int
) -> tuple[dict[str, Numbers], dict[str, Numbers]]:
    """Return people with some forms of causes, and what they show at the end.

    Parameters
    ----------
    form : array [member, place]
        Numbers of forms; NONE is none.
    first : int
        Number of the first member; the others follow.
    """
    rows = np.unique(form[form != NONE])
    acts = tuple(Act(id=forms()[row].cause, phenotype=forms()[row].phenotype) for row in rows)
    having = {f"cause[{place}]": (form == row).any(axis=1).astype(float) for place, row in enumerate(rows)}
    acting = msgspec.structs.replace(scenario, cause=acts)
    given = protocol(acting, count=len(form), seed=seed, first=first, having=having)
    names = (*TESTS, *BODY)
    course = run(given, population.needed(names))
    shown = {name: values[:, -1] for name, values in population.columns(course, names).items()}
    per_size = shown["kidney.gfr"] / constant(given.people, "person.size")  # [L/h] of the reference person
    shown["egfr"] = per_size * (1000 / 60)  # [mL/min]
    people = {name: constant(given.people, f"person.{name}") for name in SIZE}
    return people, shown


def simulated(members: Members, seed: int) -> tuple[dict[str, Numbers], dict[str, Numbers]]:
    """Return people and what they show; the numbers must follow each other and share one time."""
    return seen(scene(float(members.since[0])), members.form, seed=seed, first=int(members.number[0]))


def manifest(count: int, seed: int) -> population.Manifest:
    """Return what a library is known by: model, knowledge, how its members are drawn and looked at, and the seed."""
    design = blake2b(digest_size=8)
    for name in ("members.py", "library.py"):
        design.update(Path(__file__).with_name(name).read_bytes())
    drawn = msgspec.structs.replace(scene(TIMES[-1]), about=design.hexdigest())
    return population.manifest_of(drawn, count=count, seed=seed, chunk=CHUNK, names=COLUMNS)


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
    members = draw(seed, first, size)
    edges = np.flatnonzero(np.diff(members.since)) + 1
    tables = []
    for rows in np.split(np.arange(size), edges):
        people, shown = simulated(members.some(rows), seed)
        tables.append(people | shown)
    table: dict[str, NDArray[np.generic]] = {"since_h": members.since.astype(np.float32)}
    table |= {name: members.form[:, place].astype(np.int16) for place, name in enumerate(FORMS)}
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
    cause = np.array([*(causes().index(one.cause) for one in forms()), NONE])
    members = Members(number, cause[form], form, table.pop("since_h").astype(float))
    people = {name: table.pop(name) for name in SIZE}
    return Library(members, people, table)
