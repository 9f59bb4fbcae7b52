"""Magnesium of a day: what comes in, what leaves and by which way, what is left; simulated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from carnallite.surfaces import svg, words
from carnallite.surfaces.bars import Bar, picture
from carnallite.surfaces.printed import in_a_day

if TYPE_CHECKING:
    from carnallite.assessment.values import Balance, Band
    from carnallite.surfaces.printed import Printed

Side = Literal["in", "out", "left"]
WAYS: tuple[tuple[str, str, Side], ...] = (
    ("by_mouth", "By mouth", "in"),
    ("stool", "Stool or stoma", "out"),
    ("absorbed", "Absorbed: by mouth less stool", "left"),
    ("injected", "By vein or muscle", "in"),
    ("urine", "Urine", "out"),
    ("dialysis", "Dialysis", "out"),
    ("skin", "Skin", "out"),
    ("net", "Net", "left"),
)
_COLORS: dict[Side, str] = {"in": svg.BLUE, "out": svg.PURPLE, "left": svg.INK}
_NOUNS = {
    "by_mouth": "by mouth",
    "injected": "by vein or muscle",
    "stool": "with stool or stoma",
    "urine": "with urine",
    "dialysis": "by dialysis",
    "skin": "by the skin",
}


def drawn(balance: Balance, *, units: words.Units) -> str:
    """Return the balance as SVG: to the right what comes in, to the left what leaves."""
    shown = in_a_day(units)
    bars = [_bar(way, name, side, balance, shown) for way, name, side in WAYS if _is_told(balance, way)]
    return picture("balance", bars, title="Magnesium in a day", below=f"last day of the record, {shown.unit}",
                   unit=shown.unit, ends=("← leaves", "comes in →"))  # fmt: skip


def rows(balance: Balance, *, units: words.Units) -> tuple[tuple[str, str, str], ...]:
    """Return each way with its number and range, in the unit system asked for and in the other."""
    first, second = in_a_day(units), in_a_day("us" if units == "si" else "si")
    found = []
    for way, name, side in WAYS:
        band, signed = _band(balance, way), side == "left"
        found.append((name, first.band(band, signed=signed), second.band(band, signed=signed)))
    return tuple(found)


def told(balance: Balance, *, units: words.Units) -> tuple[str, str]:
    """Return the balance in words: the net, then what comes in and leaves."""
    shown = in_a_day(units)
    comes, leaves = (_listed(balance, side, shown) for side in ("in", "out"))
    net = f"{shown.number(balance.net.value, signed=True)}{words.JOIN}{shown.unit} {shown.range_of(balance.net)}"
    return f"Net magnesium {net}{_meaning(balance.net)}.", f"In: {comes}. Out: {leaves}."


def line(balance: Balance, *, units: words.Units) -> str:
    """Return the balance in one line of a terminal."""
    shown = in_a_day(units)
    comes, leaves = (_listed(balance, side, shown) for side in ("in", "out"))
    return f"Magnesium a day, {shown.unit}: in {comes}; out {leaves}; net {shown.band(balance.net, signed=True)}"


def _bar(way: str, name: str, side: Side, balance: Balance, shown: Printed) -> Bar:
    band = _band(balance, way)
    sign = -1 if side == "out" else 1
    low, high = sorted((sign * band.low / shown.factor, sign * band.high / shown.factor))
    return Bar(
        name=f"Net{_meaning(band)}" if way == "net" else name,
        value=sign * band.value / shown.factor, low=low, high=high,
        number=shown.number(band.value, signed=side == "left"), range=shown.range_of(band),
        color=_COLORS[side], look="open" if way == "absorbed" else "solid",
        is_apart=way == "net", is_strong=way == "net",
    )  # fmt: skip


def _meaning(net: Band) -> str:
    """Return what a net means, where 90 % of the virtual patients agree."""
    return ": the body loses" if net.high < 0 else ": the body gains" if net.low > 0 else ""


def _listed(balance: Balance, side: str, shown: Printed) -> str:
    known = [way for way, _, of in WAYS if of == side and _is_told(balance, way)]
    return ", ".join(f"{shown.number(_band(balance, way).value)} {_NOUNS[way]}" for way in known)


def _band(balance: Balance, way: str) -> Band:
    band: Band = getattr(balance, way)
    return band


def _is_told(balance: Balance, way: str) -> bool:
    """Return whether anything goes this way; food, urine and the net are told even where it is nothing."""
    band = _band(balance, way)
    return way in {"by_mouth", "urine", "net"} or bool(band.low or band.value or band.high)
