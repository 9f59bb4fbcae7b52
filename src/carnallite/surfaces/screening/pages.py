"""The work list and the cohort as pages that need neither network nor script."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from carnallite import __version__
from carnallite.quantity import analytes
from carnallite.surfaces import words
from carnallite.surfaces.screening import drawn
from carnallite.surfaces.screening.cohort import cohort as questions
from carnallite.surfaces.screening.priority import priority

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jinja2 import Template

    from carnallite.knowledge import Reviewed
    from carnallite.surfaces.screening.report import Cohort
    from carnallite.surfaces.screening.shares import Curve

MOST = 1000  # lines of the page; the files hold all
_CODES = 60  # unmapped codes on the page
_ISSUES = {
    "implausible": "Value that no living person has", "unit_missing": "Unit missing", "unit_unknown": "Unit not known",
    "unit_conflict": "Text and code of the unit disagree", "decimal_comma": "Decimal comma",
    "duplicate": "Stands twice", "conflict": "Two results of one time disagree", "not_read": "Line not known",
    "result_not_read": "Result not readable", "future": "After the time of the assessment",
    "entered_in_error": "Entered in error", "status_not_used": "Not final, or cancelled",
    "end_before_start": "Ends before it starts", "not_a_number": "Not a number", "range_reversed": "Range reversed",
    "no_reference": "In words, without a reference interval", "person_not_read": "Sex or age not readable",
    "birth_in_future": "Born after the record", "not_used": "Charted, not used here",
}  # fmt: skip


@cache
def _template(name: str) -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415

    house = Environment(
        loader=PackageLoader("carnallite.surfaces", "templates"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, finalize=_clean,
    )  # fmt: skip
    return house.get_template(name)


def _clean(value: object) -> object:
    return words.printable(value) if type(value) is str else value


def _rest(library: str | None) -> str:
    if library is None:
        return "Answers rest on cited findings alone: no library of virtual patients was at hand."
    return f"Answers rest on cited findings and the library of virtual patients {library}."


def worklist(
    rows: Sequence[dict[str, Any]], counts: dict[str, int], *, library: str | None, overdue: tuple[Reviewed, ...]
) -> str:
    """Return the work list as one HTML file: its first lines, and how many there are of each priority."""
    told = priority()
    total = sum(counts.values())
    caption = f"{total:,} patients, the most urgent first."
    if total > len(rows):
        caption = f"The first {len(rows):,} of {total:,} patients; worklist.csv and worklist.parquet hold all."
    return _template("worklist.html").render(
        use=words.INTENDED_USE, overdue=words.overdue(overdue),
        rows=rows, order=told.order[:-1], caption=caption, rest=_rest(library),
        totals=[{"name": line.name, "count": counts.get(line.id, 0)} for line in told.order[:-1]],
        judgement="The first line that holds places a patient; within it the rank of the rules decides. "
        "This order is our judgement, and a data file.",
        foot=f"carnallite {__version__}. Keys are those of the source; no text of a record stands here.",
    )  # fmt: skip


def cohort(found: Cohort) -> str:
    """Return the cohort as one HTML file, without anybody's key."""
    from markupsafe import Markup  # noqa: PLC0415  (comes with Jinja2)

    days = [day for day in (1, 2, 3, 7) if day * 24 <= found.within_h]
    figures = {
        "places": Markup(drawn.prevalence([found.everybody, *found.places], "Disorders by where patients are")),  # noqa: S704
        "drugs": Markup(drawn.prevalence([found.everybody, *found.drugs], "Disorders by drugs that are taken")),  # noqa: S704
    }
    courses = [_course(*one, within=found.within_h) for one in (
        ("first", "From low potassium to the first magnesium", _FIRST, (found.first_magnesium,)),
        ("potassium", "Low potassium, given potassium: until it is no longer low", _GIVEN, found.potassium_given),
        ("magnesium", "Low magnesium: until it is no longer low", _GIVEN, found.magnesium_given),
    )]  # fmt: skip
    small = questions().small
    return _template("cohort.html").render(
        use=words.INTENDED_USE, overdue=words.overdue(found.overdue),
        cohort=found, least=found.least, figures=figures, courses=courses, days=days,
        totals=_totals(found), rest=_rest(found.library), issues=_issues(found),
        unmapped=list(found.unmapped.items())[:_CODES], read=_read(found), held=small.reason,
        foot=f"carnallite {__version__}, knowledge {found.knowledge}. Counts alone; nobody's key or text stands here.",
    )  # fmt: skip


_FIRST = (
    "All episodes of low potassium, earlier ones as well; at 0 magnesium was measured with the first low potassium. "
    "After Kaplan and Meier: whoever was watched for a shorter time counts as long as watched. "
    "Bands are 95 % intervals."
)
_GIVEN = (
    "After Kaplan and Meier, with 95 % intervals. Groups are formed by what happened meanwhile, and differ in who is "
    "in them: this shows how it went, not what the treatment did."
)


def _course(id: str, title: str, note: str, curves: tuple[Curve, ...], *, within: float) -> dict[str, Any]:
    from markupsafe import Markup  # noqa: PLC0415

    svg = Markup(drawn.steps(curves, title, within))  # noqa: S704  (escaped where it is drawn)
    is_empty = not any(one.points for one in curves)
    return {"id": id, "title": title, "note": note, "curves": curves, "svg": svg, "is_empty": is_empty}


def _totals(found: Cohort) -> list[dict[str, str]]:
    everybody = found.everybody
    parts = [("patients", f"{found.people:,}"), ("episodes, earlier ones included", f"{found.episodes:,}")]
    for name, one in (
        ("magnesium low, of those measured", everybody.low_magnesium),
        ("potassium low, of those measured", everybody.low_potassium),
        ("potassium high, of those measured", everybody.high_potassium),
    ):
        parts.append((name, "not shown" if one.share is None else f"{100 * one.share:.1f} %"))
    return [{"name": name, "said": said} for name, said in parts]


def _read(found: Cohort) -> str:
    if not found.lines:
        return "The source was rows already; what could not be used was told when they were made."
    lines = ", ".join(f"{count:,} {kind}" for kind, count in found.lines.items())
    rare = sum(found.held_back.values())
    held = f" {rare} kinds of issue or code were rarer than is told." if rare else ""
    return f"Lines read: {lines}.{_deleted(found)}{held} Counts, with how many results of the quantity were used."


def _deleted(found: Cohort) -> str:
    """Return what the source deleted, where it did."""
    parts = [f"{count:,} {kind}" for kind, count in found.deleted.items()]
    told = f" Deleted by the source, and not counted: {', '.join(parts)}." if parts else ""
    lost = f" {found.deleted_unknown:,} deletions name nothing that was delivered." if found.deleted_unknown else ""
    return told + lost


def _issues(found: Cohort) -> list[dict[str, Any]]:
    told = []
    for name, count in found.issues.items():
        code, _, about = name.partition(" ")
        quantity = analytes()[about].name if about in analytes() else ""
        what = _ISSUES.get(code, code.replace("_", " ").capitalize())
        told.append({"what": what, "about": quantity, "count": count, "of": found.results.get(about, 0)})
    return told
