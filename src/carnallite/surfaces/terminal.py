"""The answer on a terminal: the most urgent first, read in ten seconds, legible without color or UTF-8."""

from __future__ import annotations

from typing import TYPE_CHECKING

from carnallite.knowledge import knowledge
from carnallite.plan import Advice
from carnallite.surfaces import plans, response, words
from carnallite.surfaces.console import Page
from carnallite.surfaces.printed import share
from carnallite.surfaces.why import write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from carnallite.assessment import Alert, Assessment, NextTest, RankedCause, Reason

_SHOWN_CAUSES, _SHOWN_OTHERS, _SHOWN_FOR, _SHOWN_AGAINST, _SHOWN_ISSUES, _BEST_TESTS, _SHOWN_FACTS = (
    4,
    5,
    3,
    1,
    3,
    3,
    4,
)
_NOT_LISTED = 0.1  # a cause less probable than this is named in one line with the others
_BAR = 10


def render(  # noqa: PLR0913  (each is one choice of the caller)
    assessment: Assessment,
    *,
    units: words.Units,
    width: int,
    color: bool,
    unread: bool = False,
    both: bool = False,
    ascii_only: bool = False,
) -> str:
    """Return the answer as text.

    Parameters
    ----------
    assessment : Assessment
        The answer.
    units : {"si", "us"}
        In which numbers are printed; `both` adds the other system in brackets.
    width : int
        Columns. A number and its unit stay on one line.
    color : bool
        Without it no escape sequence is written. Color repeats what words say.
    unread : bool
        List every issue instead of the first few.
    ascii_only : bool
        For terminals without UTF-8.
    """
    page = Page(width, color=color, ascii_only=ascii_only)
    tell = words.speaker(assessment, units, both=both)
    for label, style, alerts in (
        ("EMERGENCY", "emergency", assessment.emergencies),
        ("UNSAFE NOW", "unsafe", assessment.unsafe),
        ("DOUBT ABOUT THE SAMPLE", "sample", assessment.samples),
    ):
        _alerts(page, label, style, alerts, tell)
    _overdue(page, assessment)
    page.gap()
    page.write(words.headline(assessment, units, both=both), style="strong")
    page.write(f"{words.sample_times(assessment)}. Times are UTC.", indent=2, style="faint")
    _causes(page, assessment, tell, units)
    if isinstance(assessment, Advice):
        if assessment.response is not None:
            response.write(page, assessment.response, units)
        plans.write(page, assessment, tell, units)
    _why(page, assessment, tell, units)
    _explained(page, assessment)
    _tests(page, assessment, units)
    _missing(page, assessment)
    _issues(page, assessment, listed=unread)
    _foot(page, assessment)
    return "\n".join(page.lines) + "\n"


def render_plans(advice: Advice, *, units: words.Units, width: int, color: bool, ascii_only: bool = False) -> str:
    """Return plans alone, with what is urgent before them."""
    page = Page(width, color=color, ascii_only=ascii_only)
    tell = words.speaker(advice, units)
    _alerts(page, "EMERGENCY", "emergency", advice.emergencies, tell)
    _overdue(page, advice)
    page.gap()
    page.write(words.headline(advice, units), style="strong")
    plans.write(page, advice, tell, units)
    _foot(page, advice)
    return "\n".join(page.lines) + "\n"


def _alerts(page: Page, label: str, style: str, alerts: Iterable[Alert], tell: Callable[[str], str]) -> None:
    for alert in alerts:
        page.gap()
        page.write(f"{label}: {alert.summary}", hang=2, style=style)
        page.write(f"Do:  {tell(alert.do)}", indent=2, hang=7)
        if alert.why:
            page.write(f"Why: {tell('; '.join(alert.why[:_SHOWN_FACTS]))}", indent=2, hang=7)
        _disputes(page, alert.statements, indent=2)


def _overdue(page: Page, assessment: Assessment) -> None:
    if assessment.overdue:
        page.gap()
        page.write(words.overdue(assessment.overdue), hang=2, style="sample")


def _causes(page: Page, assessment: Assessment, tell: Callable[[str], str], units: words.Units) -> None:
    causes = assessment.causes
    withheld = next((one for one in assessment.issues if one.code == "ranking_withheld"), None)
    if assessment.cannot_tell:
        page.title("LIKELY CAUSES: CANNOT TELL YET")
        page.write(withheld.what if withheld else words.cannot_tell(assessment), indent=2)
        _list_tests(page, assessment.next_tests[:_BEST_TESTS], units)
    else:
        page.title("LIKELY CAUSES")
    if causes and causes[0].id == "none" and not assessment.cannot_tell:
        page.write("None is sought: no ion that was measured is out of range.", indent=2)
        return
    known = [one for one in causes if one.id != "none"]
    listed = [one for one in known if one.probability >= _NOT_LISTED][:_SHOWN_CAUSES] or known[:1]
    if assessment.cannot_tell and listed:
        page.gap()
        page.write("Still possible:", indent=2)
    for number, cause in enumerate(listed, 1):
        _cause(page, number, cause, tell, units)
    others = [one for one in known if one not in listed]
    if others:
        names = [f"{one.name} {words.percent(one.probability)}" for one in others[:_SHOWN_OTHERS]]
        more = f" and {len(others) - _SHOWN_OTHERS} more" if len(others) > _SHOWN_OTHERS else ""
        page.write(f"Further: {', '.join(names)}{more}", indent=2, hang=4, style="faint")
    if words.together(assessment):
        page.write(f"Together: {words.together(assessment)}", indent=2, hang=4)


def _cause(page: Page, number: int, cause: RankedCause, tell: Callable[[str], str], units: words.Units) -> None:
    page.pair(f"{number} {cause.name}", _probability(cause, page), indent=1, style="strong")
    if cause.id in words.NO_CAUSE:
        return
    told = f"{cause.basis.capitalize()}. {cause.because}".strip()
    page.write(told, indent=3)
    if cause.share:
        page.write(f"{share(cause.share, units)}.", indent=3)
    for reason in words.strongest(cause.for_, _SHOWN_FOR):
        page.write(f"+ {_reason(reason, tell)}", indent=3, hang=5)
    for reason in words.strongest(cause.against, _SHOWN_AGAINST):
        page.write(f"- against: {_reason(reason, tell)}", indent=3, hang=5)
    _disputes(page, cause.statements, indent=3)


def _probability(cause: RankedCause, page: Page) -> str:
    filled = round(cause.probability * _BAR)
    bar = "█" * filled + "░" * (_BAR - filled)
    told = f"{words.chance(cause.probability)}, {words.percent(cause.probability)}"
    return f"{told:>16} {f'[{page.encode(bar)}]' if page.ascii_only else bar}"


def _reason(reason: Reason, tell: Callable[[str], str]) -> str:
    number = f"LR{words.JOIN}{words.ratio(reason.likelihood_ratio)}" if reason.likelihood_ratio is not None else ""
    marks = ", ".join(part for part in (number, words.worth(reason)) if part)
    return f"{tell(reason.fact)} [{marks}]" if marks else tell(reason.fact)


def _disputes(page: Page, ids: Iterable[str | None], *, indent: int) -> None:
    """Write the doubted statements among ids; each is told in full once."""
    for dispute in words.disputes(ids):
        one = dispute.statement
        if one.id in page.told:
            page.write(f"! {one.id} is {one.status}, see above.", indent=indent, hang=indent + 2)
            continue
        page.told.add(one.id)
        contrary = f" The contrary: {dispute.contrary[0].claim} ({dispute.contrary[0].id})" if dispute.contrary else ""
        told = f"! {one.status.upper()}: {one.claim} (see: carnallite explain {one.id}){contrary}"
        page.write(told, indent=indent, hang=indent + 2)


def _why(page: Page, assessment: Assessment, tell: Callable[[str], str], units: words.Units) -> None:
    if assessment.factors or assessment.fit:
        page.title("WHY IT STAYS SO")
    _factors(page, assessment, tell)
    write(page, assessment, units=units)


def _factors(page: Page, assessment: Assessment, tell: Callable[[str], str]) -> None:
    for factor in assessment.factors:
        reasons = words.strongest(factor.for_, _SHOWN_FOR)
        why = f": {'; '.join(tell(reason.fact) for reason in reasons)}" if reasons else ""
        marks = sorted({words.worth(reason) for reason in reasons} - {""})
        worth = f" [{'; '.join(marks)}]" if marks else ""
        told = f"{words.chance(factor.probability)}, {words.percent(factor.probability)}"
        page.write(f"{factor.name} ({told}){why}{worth}", indent=2, hang=4)
        known = knowledge().factors.get(factor.id)
        _disputes(page, known.statements if known else (), indent=4)


def _explained(page: Page, assessment: Assessment) -> None:
    links = words.explained(assessment)
    if links:
        page.title("DOES MAGNESIUM EXPLAIN IT?")
    for link in links:
        told = f"{words.chance(link.probability)}, {words.percent(link.probability)}"
        page.write(f"{link.disorder}: {told}", indent=2, hang=4)
        _disputes(page, link.statements, indent=4)


def _tests(page: Page, assessment: Assessment, units: words.Units) -> None:
    tests = assessment.next_tests[_BEST_TESTS if assessment.cannot_tell else 0 :]
    if tests:
        page.title("FURTHER TESTS" if assessment.cannot_tell else "NEXT TESTS")
        _list_tests(page, tests, units)


def _list_tests(page: Page, tests: Iterable[NextTest], units: words.Units) -> None:
    for number, test in enumerate(tests):
        page.write(" ".join(filter(None, (f"> {test.name}: {test.why}", words.delay(test)))), indent=2, hang=4)
        for told in words.answers(test, units) if number < _BEST_TESTS else ():
            page.write(told, indent=6, hang=8, style="faint")


def _missing(page: Page, assessment: Assessment) -> None:
    if assessment.missing:
        page.title("MISSING")
        page.write("; ".join(assessment.missing), indent=2)


def _issues(page: Page, assessment: Assessment, *, listed: bool) -> None:
    issues = [one for one in assessment.issues if one.code != "ranking_withheld"]
    if not issues:
        return
    page.title(f"NOT USED FROM THE RECORD ({len(issues)})")
    shown = issues if listed else issues[:_SHOWN_ISSUES]
    for issue in shown:
        page.write(f"{issue.where}: {issue.what} {issue.do}", indent=2, hang=4)
    if len(shown) < len(issues):
        page.write(f"and {len(issues) - len(shown)} more", indent=2, style="faint")


def _foot(page: Page, assessment: Assessment) -> None:
    made = assessment.provenance
    versions = [
        f"carnallite {made.version}".strip(), made.knowledge, f"model {made.model}" if made.model else "",
        f"library {made.library}" if made.library else "",
        f"record {made.record.removeprefix('sha256:')[:12]}" if made.record else "",
        f"index {words.at(assessment.index)} UTC",
    ]  # fmt: skip
    page.gap()
    page.write(f"{words.INTENDED_USE} {'; '.join(one for one in versions if one)}", style="faint")
