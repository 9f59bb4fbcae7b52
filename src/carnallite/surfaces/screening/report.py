"""The cohort in numbers: counts and shares alone, with nobody's key; small cells are held back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import msgspec
import numpy as np

from carnallite.knowledge import Reviewed, edition, knowledge
from carnallite.surfaces.screening.cohort import cohort
from carnallite.surfaces.screening.episodes import window
from carnallite.surfaces.screening.shares import Curve, Share, curve, is_small, parted, share, shown

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from carnallite.surfaces.screening.jobs import Quality

_PLACES = ("intensive care", "emergency", "ward", "outpatient")  # the first that holds is where a patient is
_IONS = ("magnesium", "potassium")
DISORDERS = (("magnesium", "low"), ("potassium", "low"), ("potassium", "high"))
_LEADING = 12  # causes and classes of drugs that are told, the most frequent


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """People with something in common, and how many of those measured have each disorder."""

    id: str
    name: str
    people: int | None
    low_magnesium: Share
    low_potassium: Share
    high_potassium: Share


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A question and its answer."""

    id: str
    title: str
    note: str
    answer: Share


class Leading(msgspec.Struct, frozen=True, kw_only=True):
    """A cause and how often it comes first."""

    id: str
    name: str
    first: Share


class Cohort(msgspec.Struct, frozen=True, kw_only=True):
    """The content of ``cohort.json``."""

    schema: str = "carnallite.cohort/1"
    people: int
    episodes: int
    depth: str
    library: str | None
    knowledge: str
    overdue: tuple[Reviewed, ...]
    least: int
    everybody: Group
    places: tuple[Group, ...]
    drugs: tuple[Group, ...]
    questions: tuple[Asked, ...]
    causes: tuple[Leading, ...]
    first_magnesium: Curve
    potassium_given: tuple[Curve, ...]
    magnesium_given: tuple[Curve, ...]
    within_h: float
    results: dict[str, int]
    lines: dict[str, int]
    issues: dict[str, int]
    unmapped: dict[str, int]
    deleted: dict[str, int]  # resources that the source deleted, by type
    deleted_unknown: int | None  # deletions of what was never delivered
    held_back: dict[str, int]  # how many kinds of issue and code were too rare to be told


def report(
    answers: Sequence[Path], quality: Quality, *, depth: str, library: str | None, overdue: tuple[Reviewed, ...]
) -> Cohort:
    """Return the cohort of all answers; they are read column by column, never as a whole."""
    import duckdb  # noqa: PLC0415  (only where a cohort is told)

    with duckdb.connect(config={"threads": 1}) as database:
        database.execute("CREATE VIEW every AS SELECT * FROM read_parquet(?)".replace("?", _listed(answers)))
        database.execute(f"CREATE VIEW now AS SELECT *, {_PLACE} AS place FROM every WHERE episode = 'now'")  # noqa: S608
        ask = _Asker(database)
        issues, unmapped, rare = _told(quality)
        return Cohort(
            people=ask.number("SELECT count(*) FROM now"),
            episodes=ask.number("SELECT count(*) FROM every"),
            depth=depth, library=library, knowledge=edition(), overdue=overdue, least=cohort().small.least,
            everybody=_group("all", "Everybody", ask.rows(f"SELECT {_COUNTS} FROM now")[0]),  # noqa: S608
            places=_places(ask), drugs=_drugs(ask), questions=_questions(ask), causes=_causes(ask),
            first_magnesium=_first_magnesium(ask), potassium_given=_potassium(ask), magnesium_given=_magnesium(ask),
            within_h=window().total_seconds() / 3600,
            results={id: count for id, count in sorted(quality.results.items()) if not is_small(count)},
            lines={id: count for id, count in sorted(quality.lines.items()) if not is_small(count)},
            issues=issues, unmapped=unmapped,
            deleted={kind: count for kind, count in sorted(quality.deleted.items()) if not is_small(count)},
            deleted_unknown=shown(quality.deleted_unknown), held_back=rare,
        )  # fmt: skip


class _Asker:
    """Asks the answers."""

    def __init__(self, database: Any) -> None:
        self.database = database

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return cast("list[tuple[Any, ...]]", self.database.execute(sql).fetchall())

    def number(self, sql: str) -> int:
        return int(self.rows(sql)[0][0])

    def columns(self, sql: str) -> dict[str, NDArray[Any]]:
        found = self.database.execute(sql).fetchnumpy()
        return {name: np.ma.filled(np.ma.asarray(column, dtype=float), np.nan) for name, column in found.items()}


def _listed(files: Sequence[Path]) -> str:
    return "[" + ", ".join("'" + str(file).replace("'", "''") + "'" for file in files) + "]"


_PLACE = (
    "CASE " + " ".join(f"WHEN list_contains(places, '{place}') THEN '{place}'" for place in _PLACES)
    + " ELSE 'not known' END"
)  # fmt: skip
_COUNTS = "count(*), " + ", ".join(
    f"count(*) FILTER (WHERE {ion} = '{state}'), count(*) FILTER (WHERE {ion} <> 'unknown')" for ion, state in DISORDERS
)


def _group(id: str, name: str, row: tuple[Any, ...], shares: Sequence[Share] | None = None) -> Group:
    counts = [(row[1 + 2 * number], row[2 + 2 * number]) for number in range(len(DISORDERS))]
    magnesium, potassium, high = shares or [share(*one) for one in counts]
    return Group(
        id=id, name=name, people=shown(row[0]), low_magnesium=magnesium, low_potassium=potassium, high_potassium=high
    )


def _places(ask: _Asker) -> tuple[Group, ...]:
    """Return the places, which together are everybody, so that what one hides another must not show."""
    found = {row[0]: row[1:] for row in ask.rows(f"SELECT place, {_COUNTS} FROM now GROUP BY ALL")}  # noqa: S608
    names = [name for name in (*_PLACES, "not known") if name in found]
    each = [
        parted([(found[name][1 + 2 * number], found[name][2 + 2 * number]) for name in names])
        for number in range(len(DISORDERS))
    ]
    return tuple(
        _group(name, name.capitalize(), found[name], [shares[turn] for shares in each])
        for turn, name in enumerate(names)
    )


def _drugs(ask: _Asker) -> tuple[Group, ...]:
    """Return the classes that most people take; a person may take several."""
    sql = f"SELECT drug, {_COUNTS} FROM (SELECT *, unnest(drugs) AS drug FROM now) GROUP BY ALL ORDER BY 2 DESC, 1"  # noqa: S608
    rows = [row for row in ask.rows(sql) if not is_small(row[1]) and row[0] not in cohort().left_out][:_LEADING]
    groups = [_group(row[0], knowledge().drugs[row[0]].name, row[1:]) for row in rows]
    return tuple(sorted(groups, key=lambda one: (-(one.low_magnesium.share or 0.0), one.name)))


def _questions(ask: _Asker) -> tuple[Asked, ...]:
    found = []
    for number, one in enumerate(cohort().questions, 1):
        counted = ", ".join(f"count(*) FILTER (WHERE asked[{number}] = {answer})" for answer in (2, 0, 1))
        yes, no, unknown = ask.rows(f"SELECT {counted} FROM now")[0]  # noqa: S608
        answer = share(yes, yes + no, unknown)
        found.append(Asked(id=one.id, title=one.title, note=one.note, answer=answer))
    return tuple(found)


def _causes(ask: _Asker) -> tuple[Leading, ...]:
    """Return which causes come first among everybody with a disorder of magnesium or potassium."""
    disordered = " OR ".join(f"{ion} IN ('low', 'high')" for ion in _IONS)
    of = ask.number(f"SELECT count(*) FROM now WHERE {disordered}")  # noqa: S608
    sql = f"SELECT causes[1].id AS cause, count(*) FROM now WHERE {disordered} GROUP BY ALL ORDER BY 2 DESC, 1"  # noqa: S608
    known = knowledge().causes
    told = [(id, count) for id, count in ask.rows(sql) if id is not None and not is_small(count)][:_LEADING]
    names = {"other": "None of the causes that we know", "none": "No cause: nothing is out of range"}
    return tuple(
        Leading(id=id, name=known[id].name if id in known else names[id], first=share(count, of)) for id, count in told
    )


def _first_magnesium(ask: _Asker) -> Curve:
    fields = "low_potassium.magnesium_h AS did, low_potassium.seen_h AS seen"
    sql = f"SELECT {fields} FROM every WHERE low_potassium IS NOT NULL"  # noqa: S608
    return _curve(ask, "first_magnesium", "Magnesium measured", sql)


def _potassium(ask: _Asker) -> tuple[Curve, ...]:
    """Return how soon potassium was no longer low where it was given, by magnesium meanwhile."""
    base = (
        "SELECT low_potassium.normal_h AS did, low_potassium.seen_h AS seen FROM every "
        "WHERE low_potassium.given AND low_potassium.magnesium = "
    )
    return tuple(
        _curve(ask, f"potassium_{said.replace(' ', '_')}", f"Magnesium {said}", f"{base}'{said}'")
        for said in ("not low", "low", "not measured")
    )


def _magnesium(ask: _Asker) -> tuple[Curve, ...]:
    """Return how soon magnesium was no longer low, where it was given and where it was not."""
    base = "SELECT low_magnesium.normal_h AS did, low_magnesium.seen_h AS seen FROM every WHERE "
    return (
        _curve(ask, "magnesium_given", "Magnesium given", f"{base}low_magnesium.given"),
        _curve(ask, "magnesium_not_given", "No magnesium recorded as given", f"{base}NOT low_magnesium.given"),
    )


def _curve(ask: _Asker, id: str, name: str, sql: str) -> Curve:
    found = ask.columns(sql)
    return curve(id, name, found["did"], found["seen"], window().total_seconds() / 3600)


def _told(quality: Quality) -> tuple[dict[str, int], dict[str, int], dict[str, int]]:
    """Return issues and unmapped codes that are frequent enough, and how many kinds are not."""
    kept, rare = [], {}
    for name, counts in (("issues", quality.issues), ("unmapped", quality.unmapped)):
        told = {id: count for id, count in counts.items() if not is_small(count)}
        rare[name] = len(counts) - len(told)
        kept.append(dict(sorted(told.items(), key=lambda one: (-one[1], one[0]))))
    return kept[0], kept[1], rare
