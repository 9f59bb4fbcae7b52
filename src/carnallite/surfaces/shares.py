"""What correcting each cause and factor would bring, in pictures, tables and words; simulated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from carnallite.quantity import analyte
from carnallite.surfaces import svg, words
from carnallite.surfaces.bars import Bar, picture
from carnallite.surfaces.printed import MINUS, in_a_day, printed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from carnallite.assessment import Assessment
    from carnallite.assessment.values import Band, Beside, Correction, IndividualFit
    from carnallite.surfaces.printed import Printed

Ion = Literal["magnesium", "potassium"]
IONS: tuple[Ion, ...] = ("magnesium", "potassium")
SOON, LATE = "7", "30"  # [d]
# [mmol/L] a smaller change after a week is told in a line, not drawn: what a clinician would not see in a result
_LEAST = {"magnesium": 0.02, "potassium": 0.05}
_COLORS = {"magnesium": svg.BLUE, "potassium": svg.VERMILION}
_OFTEN = 0.5  # of the virtual patients; the bar of a cause that acts in fewer is pale
_TOLD = 0.1  # a less probable cause is not missed, nor drawn on the first page
_KINDS = ("causes_together", "cause", "factor")
_VOLUME = "volume_depletion"


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One correction as a row of the table."""

    name: str
    tag: str
    what: str
    kept: str
    changes: tuple[str, ...]  # by ion, then by days


def told(fit: IndividualFit) -> tuple[Correction, ...]:
    """Return the corrections that bring something, in order."""
    return tuple(one for one in ordered(fit) if not _is_small(one))


def ordered(fit: IndividualFit) -> tuple[Correction, ...]:
    """Return all causes together, then each cause, that which acts in most virtual patients first, then factors."""
    return tuple(sorted(fit.corrections, key=lambda one: (_KINDS.index(one.kind), -one.acting)))


def drawn(assessment: Assessment, ion: Ion, *, units: words.Units) -> str:
    """Return what correcting each would bring in a week as SVG; an empty text where nothing brings anything."""
    known = told(assessment.fit) if assessment.fit is not None else ()
    if not known:
        return ""
    shown = printed(f"serum_{ion}", units)
    bars = [_bar(one, ion, before, units) for one, before in zip(known, _before(known), strict=True)]
    return picture(
        ion, bars, title=f"{ion.capitalize()} after {SOON} days, if corrected",
        below=f"change, {shown.unit}; {_now(assessment, ion, units)}", unit=shown.unit,
    )  # fmt: skip


def first(assessment: Assessment, *, units: words.Units) -> tuple[str, str]:
    """Return the picture for the first page, and in words what is not drawn; empty texts where nothing is drawn.

    It is the magnesium that each correction would keep in a day; where magnesium is normal and potassium is not, it is
    what each would change in potassium.
    """
    fit, states = assessment.fit, assessment.states
    known = ordered(fit) if fit is not None and fit.holds else ()
    often = [one for one in known if one.kind != "cause" or one.acting >= _TOLD]
    if states.magnesium == "normal" and states.potassium != "normal":
        shown = [one for one in often if not _is_hardly(one, "potassium")]
        bars = [_bar(one, "potassium", before, units) for one, before in zip(shown, _before(shown), strict=True)]
        title, told = f"Potassium after {SOON} days, if corrected", f"change, {printed('serum_potassium', units).unit}"
        unit = printed("serum_potassium", units).unit
    else:
        day = in_a_day(units)
        shown = [one for one in often if day.number(one.retained.value) != day.number(0.0)]
        bars = [
            _drawn_as(one, one.retained, before, day, color=svg.BLUE)
            for one, before in zip(shown, _before(shown), strict=True)
        ]
        title, told, unit = "Magnesium kept each day, if corrected", f"{day.unit}, over {SOON} days", day.unit
    if not shown:
        return "", ""
    rest = [one.name for one in known if one not in shown and one.kind != "causes_together"]
    drawn = picture("first", bars, title=title, below=f"{told}; simulated", unit=unit)
    return drawn, f"Not drawn, because they bring hardly anything or seldom act: {'; '.join(rest)}." if rest else ""


def _before(shown: Sequence[Correction]) -> list[str]:
    """Return the kind of the correction before each one; of the first its own."""
    kinds = [one.kind for one in shown]
    return [*kinds[:1], *kinds[:-1]]


def tag(one: Correction) -> str:
    """Return how many virtual patients a cause acts on, or that it is a factor and whether that is disputed."""
    if one.kind == "causes_together":
        return ""
    if one.kind == "cause":
        return f"acts in {words.percent(one.acting)}"
    return "factor, disputed" if one.status == "disputed" else "factor"


def change(one: Correction, ion: Ion, days: str, units: words.Units) -> str:
    """Return a change with its range, without the unit."""
    by_days = one.magnesium if ion == "magnesium" else one.potassium
    return printed(f"serum_{ion}", units).band(by_days[days], signed=True) if days in by_days else "not shown"


def rows(fit: IndividualFit, *, units: words.Units) -> tuple[Row, ...]:
    """Return every correction, the small ones too, as rows of a table."""
    return tuple(
        Row(
            name=one.name, tag=tag(one), what=one.what, kept=in_a_day(units).band(one.retained, signed=True),
            changes=tuple(change(one, ion, days, units) for ion in IONS for days in (SOON, LATE)),
        )
        for one in ordered(fit)
    )  # fmt: skip


def together(fit: IndividualFit, *, units: words.Units) -> tuple[str, str]:
    """Return what correcting all causes would bring, in words."""
    one = next((one for one in fit.corrections if one.kind == "causes_together"), None)
    if one is None:
        return "", ""
    lead = f"All of these causes corrected, after {SOON}{words.JOIN}days:"
    changes = ", ".join(f"{ion} {_with_unit(one, ion, units)}" for ion in IONS)
    return lead, "hardly any change in most virtual patients." if _is_small(one) else f"{changes}."


def sentences(assessment: Assessment, fit: IndividualFit, *, units: words.Units) -> tuple[str, ...]:
    """Return what the pictures do not say: small changes, volume, magnesium alone, and results that do not fit."""
    volume = next((_volume(one, units) for one in fit.corrections if one.id == _VOLUME), "")
    return tuple(
        filter(
            None,
            (
                _small(fit),
                volume,
                _magnesium_alone(assessment, fit),
                _without(assessment, fit),
                _not_shown(fit, units),
            ),
        )
    )


def _band(one: Correction, ion: Ion) -> Band:
    return (one.magnesium if ion == "magnesium" else one.potassium)[SOON]


def _is_small(one: Correction) -> bool:
    return all(_is_hardly(one, ion) for ion in IONS)


def _is_hardly(one: Correction, ion: Ion) -> bool:
    return abs(_band(one, ion).value) < _LEAST[ion]


def _bar(one: Correction, ion: Ion, before: str, units: words.Units) -> Bar:
    return _drawn_as(one, _band(one, ion), before, printed(f"serum_{ion}", units), color=_COLORS[ion])


def _drawn_as(one: Correction, band: Band, before: str, shown: Printed, *, color: str) -> Bar:
    return Bar(
        name=one.name, tag=tag(one), value=band.value / shown.factor, low=band.low / shown.factor,
        high=band.high / shown.factor, number=shown.number(band.value, signed=True), range=shown.range_of(band),
        color=color, look=_look(one), is_apart=one.kind != before, is_strong=one.kind == "causes_together",
    )  # fmt: skip


def _look(one: Correction) -> Literal["solid", "pale", "open", "dashed"]:
    if one.kind == "factor":
        return "dashed" if one.status == "disputed" else "open"
    return "solid" if one.acting >= _OFTEN else "pale"


def _now(assessment: Assessment, ion: Ion, units: words.Units) -> str:
    """Return where an ion stands now."""
    known = next(one for one in words.ions(assessment) if one.name == ion)
    if known.result is None:
        return "not measured"
    number = words.value(known.result, units)
    if number == known.state:
        return f"now {number}"
    return f"last {number}" if known.state == "unknown" else f"now {number}, {known.state}"


def _with_unit(one: Correction, ion: Ion, units: words.Units) -> str:
    shown, band = printed(f"serum_{ion}", units), _band(one, ion)
    return f"{shown.number(band.value, signed=True)}{words.JOIN}{shown.unit} {shown.range_of(band)}"


def _small(fit: IndividualFit) -> str:
    names = [
        one.name for one in fit.corrections if _is_small(one) and one.kind != "causes_together" and one.id != _VOLUME
    ]
    return f"Not drawn, because hardly anything changes in {SOON}{words.JOIN}days: {'; '.join(names)}." if names else ""


def _without(assessment: Assessment, fit: IndividualFit) -> str:
    """Return the causes and factors that are told elsewhere and of which nothing is known here."""
    known = {one.id for one in fit.corrections} | words.NO_CAUSE
    causes = [one.name for one in assessment.causes if one.probability >= _TOLD and one.id not in known]
    factors = [one.name for one in assessment.factors if one.id not in known]
    names = "; ".join((*causes, *factors))
    return f"Without numbers of their own here: {names}." if names else ""


def _volume(one: Correction, units: words.Units) -> str:
    """Return what rehydration does and does not do."""
    parts = []
    for ion in IONS:
        verb = f"hardly changes {ion}" if _is_hardly(one, ion) else f"changes {ion}"
        parts.append(f"{verb}, {_with_unit(one, ion, units)}")
    what = one.what.rstrip(".")
    given = f" ({what[:1].lower()}{what[1:]})" if what else ""
    return (
        f"{one.name}: rehydration{given} restores volume and lets aldosterone fall; "
        f"by itself it {' and '.join(parts)}, in {SOON}{words.JOIN}days."
    )


def _magnesium_alone(assessment: Assessment, fit: IndividualFit) -> str:
    """Return how much of the other disorders goes when magnesium alone is normal."""
    parts = []
    for ion, by_days in (("potassium", fit.potassium_by_magnesium), ("calcium", fit.calcium_by_magnesium)):
        told = [f"{_part(band)} in {days}{words.JOIN}days" for days, band in (by_days or {}).items()]
        if told:
            parts.append(f"of the {getattr(assessment.states, ion)} {ion} {', '.join(told)}")
    if not parts:
        return ""
    return (
        f"Normal magnesium alone takes away: {'; '.join(parts)}. Simulated, with magnesium held in the middle of its "
        "range and nothing else changed; stores in cells refill slowly. Above 100 % is beyond normal."
    )


def _part(band: Band) -> str:
    value, low, high = (f"{100 * end:.0f}".replace("-", MINUS) for end in (band.value, band.low, band.high))
    told = f"{value}{words.JOIN}%"
    return f"{told} ({low} to {high}{words.JOIN}%)".replace(f"{MINUS}0{words.JOIN}", f"0{words.JOIN}")


def _not_shown(fit: IndividualFit, units: words.Units) -> str:
    """Return the results that the virtual patients do not show as they were measured."""
    parts = [_beside(one, units) for one in fit.results if not one.explained]
    return f"Not shown as measured: {'; '.join(parts)}." if parts else ""


def _beside(one: Beside, units: words.Units) -> str:
    item = analyte(one.test)
    ends = [item.show(end, units) for end in (one.low, one.high) if end is not None]
    sign = ">" if one.high is None else "<" if one.low is None else ""
    seen = sign + " to ".join(dict.fromkeys(ends))
    when = f"{one.days_ago:.0f}{words.JOIN}days ago" if one.days_ago >= 1 else "on the last day"
    shown = f"{item.show(one.shown.value, units)} {printed(one.test, units).range_of(one.shown)}"
    return f"{item.name} {seen} {when}, in the virtual patients {shown}"
