"""Rows of many patients -> one row of answers for each patient and episode. Arrow in, Arrow out; it decides nothing."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from carnallite import __version__
from carnallite.assessment import ABSENT, Facts, assess_all, panel
from carnallite.knowledge import knowledge
from carnallite.record import Reading, membership, timelines_of
from carnallite.record.warehouse import arrow
from carnallite.surfaces.screening.cohort import asked, course
from carnallite.surfaces.screening.episodes import parted
from carnallite.surfaces.screening.priority import place, priority, refractory

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pyarrow as pa
    from numpy.typing import NDArray

    from carnallite.assessment import Alert, Assessment, Depth, Panel
    from carnallite.record import Timeline

VERSION = "carnallite.answers/1"
AT_ONCE = 500  # patients whose answers are put together at a time


@cache
def schema() -> pa.Schema:
    """Return the columns of the answers.

    `episode` is ``now``, or when an earlier one ended; `priority` is a line of ``priority.toml``, and `because` the
    facts of the first alert in our words. Causes and factors are sorted, most probable first, with their probability
    [1]. `asked` holds the answers to the questions of ``cohort.toml`` in their order: 0 no, 1 not known, 2 yes, -1 not
    asked. `low_potassium` and `low_magnesium` tell how a low ion of this episode went, in the fields of
    `cohort.Course`. Of whom nothing is out of range and no rule says anything, causes, factors, tests and results are
    null: nothing was asked of them.
    """
    library = arrow()
    text, number, names = library.string(), library.float64(), library.list_(library.string())
    likely = library.list_(library.struct([("id", text), ("probability", number)]))
    run = library.struct([
        ("seen_h", number), ("normal_h", number), ("magnesium_h", number), ("given", library.bool_()),
        ("magnesium", text),
    ])  # fmt: skip
    fields = {
        "patient": text, "episode": text, "index": library.timestamp("us", tz="UTC"), "priority": text,
        "because": text,
        "turn": library.int16(), "rank": library.int32(), "magnesium": text, "potassium": text, "calcium": text,
        "emergencies": names, "unsafe": names, "samples": names, "refractory": names, "causes": likely,
        "factors": likely,
        "explains_potassium": number, "explains_calcium": number, "cannot_tell": library.bool_(), "either": names,
        "missing": names, "next_tests": names, "results": library.list_(library.struct([
            ("id", text), ("value", text), ("flag", text), ("age_h", number)])),
        "places": names, "drugs": names, "asked": library.list_(library.int8()),
        "low_potassium": run, "low_magnesium": run, "depth": text, "library": text,
    }  # fmt: skip
    return library.schema(fields.items(), metadata={"schema": VERSION})


def screen(rows: pa.Table, *, depth: Depth = "findings") -> pa.Table:
    """Return what is wrong, unsafe, likely and missing, for each patient and episode of a table of rows.

    Parameters
    ----------
    rows : Table
        As ``carnallite.record.rows_of`` makes them.
    depth : "findings" or "library"
        As in `assess`. The answers are the same as there, and nobody's depends on the others.

    Raises
    ------
    RecordRefused
        It is no table of rows.
    """
    found: list[dict[str, Any]] = []
    some: list[tuple[str, Timeline]] = []
    for pair in timelines_of(rows):
        some.append(pair)
        if len(some) == AT_ONCE:
            found += _answered(some, depth)
            some = []
    found += _answered(some, depth)
    return arrow().Table.from_pylist(found, schema=schema())


def _answered(some: list[tuple[str, Timeline]], depth: Depth) -> Iterable[dict[str, Any]]:
    """Yield the rows of some people: who has something is assessed, of the others their states are told."""
    if not some:
        return
    everybody = panel(timeline for _, timeline in some)
    questions, concerned = asked(everybody.columns), _concerned(everybody)
    chosen = [Reading(timeline) for (_, timeline), has in zip(some, concerned, strict=True) if has]
    answers = iter(assess_all(chosen, version=__version__, depth=depth))
    for row, ((key, timeline), has) in enumerate(zip(some, concerned, strict=True)):
        person = everybody.columns.people[row]
        yield (_row(next(answers)) if has else _nothing(everybody, row)) | _who(key, timeline) | {
            "places": sorted(person.places()),
            "drugs": _drugs(person),
            "asked": questions[row].tolist(),
            "low_potassium": course(timeline, "serum_potassium", "potassium"),
            "low_magnesium": course(timeline, "serum_magnesium", "magnesium"),
        }  # fmt: skip


def _concerned(everybody: Panel) -> NDArray[np.bool_]:
    """Return who has an ion out of range, or of whom a rule says something."""
    parts = [np.isin(state, ("low", "high")) for state in everybody.states.values()]
    return np.asarray(np.any([*parts, *(said != ABSENT for said in everybody.alerts.values())], axis=0))


def _who(key: str, timeline: Timeline) -> dict[str, Any]:
    patient, episode = parted(key)
    return {"patient": patient, "episode": episode, "index": timeline.index}


def _nothing(everybody: Panel, row: int) -> dict[str, Any]:
    """Return the row of somebody of whom nothing is to be said."""
    states = {ion: str(state[row]) for ion, state in everybody.states.items()}
    last = len(priority().order) - 1
    return {"priority": priority().order[last].id, "turn": last, "rank": 0} | states


def _row(answer: Assessment) -> dict[str, Any]:
    patterns = refractory(answer)
    turn, rank, more = place(answer, patterns)
    return {
        "priority": priority().order[turn].id,
        "turn": turn,
        "rank": rank * 100 + more,
        "because": _because(answer),
        "magnesium": answer.states.magnesium,
        "potassium": answer.states.potassium,
        "calcium": answer.states.calcium,
        "emergencies": _ids(answer.emergencies),
        "unsafe": _ids(answer.unsafe),
        "samples": _ids(answer.samples),
        "refractory": patterns,
        "causes": [{"id": one.id, "probability": one.probability} for one in answer.causes],
        "factors": [{"id": one.id, "probability": one.probability} for one in answer.factors],
        "explains_potassium": answer.magnesium_explains.potassium,
        "explains_calcium": answer.magnesium_explains.calcium,
        "cannot_tell": answer.cannot_tell,
        "either": answer.either,
        "missing": answer.missing,
        "next_tests": [one.id for one in answer.next_tests],
        "results": [{"id": one.id, "value": one.value, "flag": one.flag, "age_h": one.age_h} for one in answer.results],
        "depth": "library" if answer.provenance.library else "findings",
        "library": answer.provenance.library,
    }


def _because(answer: Assessment) -> str:
    """Return the facts behind the alert that places a patient on the list."""
    return next(("; ".join(alert.why) for alert in (*answer.emergencies, *answer.unsafe)), "")


def _ids(alerts: Iterable[Alert]) -> list[str]:
    return [one.id for one in alerts]


def _drugs(person: Facts) -> list[str]:
    """Return the classes of drugs that are taken."""
    taken = {one.ingredient for one in person.timeline.exposures if person.is_taken(one)}
    return sorted(
        {
            group
            for ingredient in taken
            for group in membership().get(ingredient, (ingredient,))
            if group in knowledge().drugs
        }
    )
