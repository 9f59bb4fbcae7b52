"""Rows of many patients -> one row of answers for each patient and episode. Arrow in, Arrow out; it decides nothing."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from carnallite import __version__
from carnallite.assessment import ABSENT, PRESENT, assess_all, finding, survey_of
from carnallite.knowledge import knowledge
from carnallite.record import Reading, keys_of, timelines_of
from carnallite.record.rows import edges as edges_of
from carnallite.record.warehouse import arrow
from carnallite.surfaces.screening.cohort import asked, course
from carnallite.surfaces.screening.episodes import parted
from carnallite.surfaces.screening.priority import is_undecided, place, priority, refractory

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from carnallite.assessment import Alert, Assessment, Columns, Depth, Survey
    from carnallite.record import Timeline

VERSION = "carnallite.answers/1"
AT_ONCE = 4000  # patients whose answers are put together at a time
PLACES = ("outpatient", "emergency", "ward", "intensive care")
_LOW = ("hypomagnesemia_episode", "hypokalemia_episode")


@cache
def schema() -> pa.Schema:
    """Return the columns of the answers.

    `episode` is ``now``, or when an earlier one ended; `priority` is a line of ``priority.toml``, and `because` the
    facts of the first alert in our words. `undecided` are alerts that only ask for a test. Causes and factors are
    sorted, most probable first, with their probability [1]. `asked` holds the answers to the questions of
    ``cohort.toml`` in their order: 0 no, 1 not known, 2 yes, -1 not asked. `low_potassium` and `low_magnesium` tell how
    a low ion of this episode went, in the fields of `cohort.Course`. Of whom nothing is out of range and no rule says
    anything, causes, factors, tests and results are null: nothing was asked of them.
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
        "emergencies": names, "unsafe": names, "samples": names, "undecided": names,
        "refractory": names, "causes": likely, "factors": likely,
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
    edges = edges_of(rows).tolist()
    parts = [_answered(rows.slice(begin, end - begin), depth) for begin, end in _spans(edges)]
    return arrow().Table.from_pylist([row for part in parts for row in part], schema=schema())


def _spans(edges: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Yield from where to where the rows of so many patients stand."""
    for first in range(0, len(edges) - 1, AT_ONCE):
        yield int(edges[first]), int(edges[min(first + AT_ONCE, len(edges) - 1)])


def _answered(rows: pa.Table, depth: Depth) -> list[dict[str, Any]]:
    """Return the answers of some people: who has something is assessed, of the others their states are told."""
    everybody, keys = survey_of(rows), keys_of(rows)
    concerned, low = _concerned(everybody), _has_low(everybody.columns)
    told = dict(_timelines(rows, np.flatnonzero(concerned | low)))
    chosen = np.flatnonzero(concerned).tolist()
    readings = [Reading(told[turn]) for turn in chosen]
    answers = assess_all(readings, version=__version__, depth=depth) if readings else []
    found = _plain(everybody, keys, rows)
    for turn, answer in zip(chosen, answers, strict=True):
        found[turn] |= _row(answer)
    for turn in np.flatnonzero(low).tolist():
        found[turn]["low_potassium"] = course(told[turn], "serum_potassium", "potassium")
        found[turn]["low_magnesium"] = course(told[turn], "serum_magnesium", "magnesium")
    return found


def _timelines(rows: pa.Table, turns: NDArray[np.int64]) -> Iterator[tuple[int, Timeline]]:
    edges = edges_of(rows).tolist()
    for turn in turns.tolist():
        ((_, timeline),) = timelines_of(rows.slice(edges[turn], edges[turn + 1] - edges[turn]))
        yield turn, timeline


def _concerned(everybody: Survey) -> NDArray[np.bool_]:
    """Return who has an ion out of range, or of whom a rule says something that asks for something."""
    parts = [np.isin(state, ("low", "high")) for state in everybody.states.values()]
    loud = [said != ABSENT for id, said in everybody.alerts.items() if id not in priority().quiet]
    return np.asarray(np.any([*parts, *loud], axis=0))


def _has_low(columns: Columns) -> NDArray[np.bool_]:
    """Return whose magnesium or potassium was low in this episode."""
    return np.asarray(np.any([finding(id, columns) == PRESENT for id in _LOW], axis=0))


def _plain(everybody: Survey, keys: Sequence[str], rows: pa.Table) -> list[dict[str, Any]]:
    """Return what is told of everybody."""
    columns, last = everybody.columns, len(priority().order) - 1
    heads = rows.filter(arrow("pyarrow.compute").equal(rows.column("kind"), "patient"))
    indexes = heads.column("index").to_pylist()
    states = {ion: state.tolist() for ion, state in everybody.states.items()}
    questions, places, drugs = asked(columns).tolist(), _places(columns), _drugs(columns)
    samples = _quiet(everybody)
    found = []
    for turn, (key, index) in enumerate(zip(keys, indexes, strict=True)):
        patient, episode = parted(key)
        found.append({
            "patient": patient, "episode": episode, "index": index, "priority": priority().order[last].id,
            "turn": last, "rank": 0, "asked": questions[turn], "places": places[turn], "drugs": drugs[turn],
        } | samples[turn] | {ion: state[turn] for ion, state in states.items()})  # fmt: skip
    return found


def _listed(truths: Mapping[str, NDArray[np.bool_]], size: int) -> list[list[str]]:
    """Return for everybody the names of what holds, in the order of the names."""
    found: list[list[str]] = [[] for _ in range(size)]
    for name, holds in sorted(truths.items()):
        for turn in np.flatnonzero(holds).tolist():
            found[turn].append(name)
    return found


def _places(columns: Columns) -> list[list[str]]:
    return _listed({place: columns.everyone.illness.is_seen((place,)) for place in PLACES}, columns.size)


def _drugs(columns: Columns) -> list[list[str]]:
    """Return the classes of drugs that are taken."""
    taken = {id: columns.truth("taking", id) == PRESENT for id in knowledge().drugs}
    return _listed(taken, columns.size)


def _quiet(everybody: Survey) -> list[dict[str, Any]]:
    """Return the alerts that place nobody on the list, for those of whom there are no others."""
    found: list[dict[str, Any]] = [
        {"emergencies": [], "unsafe": [], "samples": []} for _ in range(everybody.columns.size)
    ]
    names = {"emergency": "emergencies", "unsafe": "unsafe", "sample": "samples"}
    rules = [knowledge().rules[id] for id in priority().quiet]
    for rule in sorted(rules, key=lambda rule: (rule.rank, rule.id)):
        for turn in np.flatnonzero(everybody.alerts[rule.id] != ABSENT).tolist():
            found[turn][names[rule.kind]].append(rule.id)
    return found


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
        "undecided": _ids(filter(is_undecided, (*answer.emergencies, *answer.unsafe, *answer.samples))),
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
    """Return the facts behind the alert that places a patient on the list; those that are decided come first."""
    alerts = sorted((*answer.emergencies, *answer.unsafe), key=is_undecided)
    return next(("; ".join(alert.why) for alert in alerts if alert.id not in priority().quiet), "")


def _ids(alerts: Iterable[Alert]) -> list[str]:
    return [one.id for one in alerts]
