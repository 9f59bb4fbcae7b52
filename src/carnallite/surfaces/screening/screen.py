"""Rows of many patients -> one row of answers for each patient and episode. Arrow in, Arrow out; it decides nothing."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from carnallite import __version__
from carnallite.assessment import Columns, Facts, assess_all
from carnallite.knowledge import knowledge
from carnallite.record import Reading, membership, timelines_of
from carnallite.record.warehouse import arrow
from carnallite.surfaces.screening.cohort import asked, course
from carnallite.surfaces.screening.episodes import parted
from carnallite.surfaces.screening.priority import place, priority, refractory

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pyarrow as pa

    from carnallite.assessment import Alert, Assessment, Depth
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
    `cohort.Course`.
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
    if not some:
        return
    answers = assess_all([Reading(timeline) for _, timeline in some], version=__version__, depth=depth)
    columns = Columns([Facts(timeline) for _, timeline in some])
    questions = asked(columns)
    for row, ((key, timeline), answer) in enumerate(zip(some, answers, strict=True)):
        yield _row(key, answer) | {
            "places": sorted(columns.people[row].places()),
            "drugs": _drugs(columns.people[row]),
            "asked": questions[row].tolist(),
            "low_potassium": course(timeline, "serum_potassium", "potassium"),
            "low_magnesium": course(timeline, "serum_magnesium", "magnesium"),
        }


def _row(key: str, answer: Assessment) -> dict[str, Any]:
    patient, episode = parted(key)
    patterns = refractory(answer)
    turn, rank, more = place(answer, patterns)
    return {
        "patient": patient,
        "episode": episode,
        "index": answer.index,
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
