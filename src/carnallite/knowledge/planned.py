"""What plans are made of: steps, strategies and the safety table, refused where they name what does not exist."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from carnallite.datafile import resolve
from carnallite.errors import DataFileError
from carnallite.knowledge import plan_schema, schema
from carnallite.quantity import analytes

if TYPE_CHECKING:
    from collections.abc import Iterable

UNITS = {"rate": "/h", "concentration": "/L"}  # after the unit of the thing itself


def check_plans(
    file: str, item: plan_schema.Safety | plan_schema.Step | plan_schema.Strategy, known: schema.Knowledge
) -> None:
    """Refuse a step, strategy or table of limits that names nothing or says something twice.

    Raises
    ------
    DataFileError
        As said.
    """
    match item:
        case plan_schema.Safety():
            _check_table(file, item)
        case plan_schema.Step():
            _all(file, "causes", item.causes, known.causes)
            _all(file, "after", (*item.after, *item.beside), known.steps)
            _all(file, "indications", item.indications, known.conditions)
            _all(file, "treatment", filter(None, [item.treatment]), known.treatments)
            for place, one in enumerate(item.regimens):
                _check_regimen(file, f"regimens[{place}]", one, known)
        case plan_schema.Strategy():
            _all(file, "steps", item.steps, known.steps)
            _all(file, "key", item.key, item.steps)
            _all(file, "causes", (*item.causes, *item.unless_causes), known.causes)
            for note in item.notes:
                _all(file, "notes.causes", note.causes, known.causes)


def _check_table(file: str, table: plan_schema.Safety) -> None:
    ids = Counter([*(one.id for one in table.ceilings), *(one.id for one in table.contraindications)])
    for id, times in ids.items():
        if times > 1:
            raise DataFileError(file, f"`id` '{id}' stands {times} times.", "Give each its own.")
    for ceiling in table.ceilings:
        if ceiling.at_most <= 0:
            raise DataFileError(file, f"`{ceiling.id}` allows {ceiling.at_most:g}.", "Write a contraindication.")
        _all(file, f"{ceiling.id}.ask", ceiling.ask, analytes())
        if not ceiling.unit.endswith(UNITS.get(ceiling.what, "")):
            raise DataFileError(file, f"`{ceiling.id}`: a {ceiling.what} in '{ceiling.unit}'.", "Mend the unit.")
    for bar in table.contraindications:
        _all(file, f"{bar.id}.ask", bar.ask, analytes())
        if bar.unknown == "asks" and not bar.ask:
            raise DataFileError(file, f"`{bar.id}` asks for nothing.", "Name the test that decides.")


def _check_regimen(file: str, path: str, one: plan_schema.Regimen, known: schema.Knowledge) -> None:
    if bool(one.what) == bool(one.acts):
        raise DataFileError(file, f"`{path}` needs either `what` or `acts`.", "Give one of them.")
    if one.what and not (one.amount and one.route):
        raise DataFileError(file, f"`{path}` is a dose without amount or route.", "Give both.")
    if one.acts and one.acts != "review":
        resolve(file, f"{path}.acts", one.acts.partition("/")[0], known.treatments)


def _all(file: str, key: str, names: Iterable[str], pool: Iterable[str]) -> None:
    for name in names:
        resolve(file, key, name, pool)
