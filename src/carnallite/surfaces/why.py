"""Why it stays so, as a report shows it: the balance of magnesium, and what correcting each cause would bring."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from carnallite.surfaces import balance, shares, words
from carnallite.surfaces.printed import in_a_day, printed

if TYPE_CHECKING:
    from markupsafe import Markup

    from carnallite.assessment import Assessment
    from carnallite.assessment.values import Correction, IndividualFit
    from carnallite.surfaces.console import Page

_SHOWN = 5  # corrections on a terminal


class Why(msgspec.Struct, frozen=True, kw_only=True):
    """What the section shows; without pictures it is the words alone."""

    words: str
    first: Markup | None = None  # for the first page, and what it does not draw
    undrawn: str = ""
    pictures: tuple[Markup, ...] = ()
    key: tuple[tuple[str, str], ...] = ()
    sentences: tuple[str, ...] = ()
    balance: tuple[tuple[str, str, str], ...] = ()
    balance_units: tuple[str, str] = ("", "")
    rows: tuple[shares.Row, ...] = ()
    units: tuple[str, ...] = ()  # magnesium in a day, magnesium, potassium
    assumptions: tuple[str, ...] = ()


def why(assessment: Assessment, *, units: words.Units) -> Why | None:
    """Return what the section shows; None where nothing was simulated."""
    from markupsafe import Markup  # noqa: PLC0415  (comes with Jinja2)

    fit, day = assessment.fit, assessment.balance
    if fit is None:
        return None
    if not fit.holds:
        return Why(words=fit.words, assumptions=fit.assumptions)
    drawn = [balance.drawn(day, units=units)] if day is not None else []
    drawn += [shares.drawn(assessment, ion, units=units) for ion in shares.IONS]
    key = [balance.told(day, units=units)] if day is not None else []
    other: words.Units = "us" if units == "si" else "si"
    first, undrawn = shares.first(assessment, units=units)
    return Why(
        words=_trust(fit),
        first=Markup(first) if first else None,  # noqa: S704  (escaped where it is drawn)
        undrawn=undrawn,
        pictures=tuple(Markup(one) for one in drawn if one),  # noqa: S704  (escaped where it is drawn)
        key=tuple(pair for pair in (*key, shares.together(fit, units=units)) if any(pair)),
        sentences=shares.sentences(assessment, fit, units=units),
        balance=balance.rows(day, units=units) if day is not None else (),
        balance_units=(in_a_day(units).unit, in_a_day(other).unit),
        rows=shares.rows(fit, units=units),
        units=(in_a_day(units).unit, *(printed(f"serum_{ion}", units).unit for ion in shares.IONS)),
        assumptions=fit.assumptions,
    )


def _trust(fit: IndividualFit) -> str:
    """Return how well the virtual patients fit, and whether their body is this patient's at all."""
    chance = words.chance(fit.describes)
    doubt = ": read all numbers here with doubt" if chance == "unlikely" else ""
    told = f"That this simulated body describes the patient at all is {chance}, {words.percent(fit.describes)}{doubt}."
    return f"{fit.words} {told}"


def write(page: Page, assessment: Assessment, *, units: words.Units) -> None:
    """Write on a terminal: the fit, the balance in a line, and what the first corrections would bring."""
    fit, day = assessment.fit, assessment.balance
    if fit is None:
        return
    page.gap()
    if not fit.holds:
        page.write(fit.words, indent=2)
        return
    page.write(f"Simulated, not measured. {_trust(fit)}", indent=2)
    if day is not None:
        page.write(balance.line(day, units=units), indent=2, hang=4)
    _corrections(page, shares.told(fit), units)


def _corrections(page: Page, known: tuple[Correction, ...], units: words.Units) -> None:
    """Write corrections as columns, or each below its name where the terminal is narrow."""
    if not known:
        return
    names = [", ".join(filter(None, (one.name, shares.tag(one)))) for one in known[:_SHOWN]]
    cells = [[shares.change(one, ion, shares.SOON, units) for ion in shares.IONS] for one in known[:_SHOWN]]
    heads = [f"{ion.capitalize()} {printed(f'serum_{ion}', units).unit}" for ion in shares.IONS]
    wide = [max(len(head), *(len(row[place]) for row in cells)) for place, head in enumerate(heads)]
    title = f"If corrected, change after {shares.SOON}{words.JOIN}days"
    first = max(len(one) for one in (title, *names))
    if first + sum(wide) + 6 <= page.width:
        for name, row in zip((title, *names), (heads, *cells), strict=True):
            told = f"{name:<{first}}  {row[0]:<{wide[0]}}  {row[1]}"
            page.write(told, indent=2, style="faint" if row is heads else "")
    else:
        page.write(f"{title} ({', '.join(heads)}):", indent=2, hang=4)
        for name, row in zip(names, cells, strict=True):
            page.write(f"{name}: Mg{words.JOIN}{row[0]}, K{words.JOIN}{row[1]}", indent=2, hang=4)
    if len(known) > _SHOWN:
        page.write(f"and {len(known) - _SHOWN} more in the report", indent=2, style="faint")
