"""Why it stays so: fitted members are simulated on with one cause or factor corrected, and with none.

Causes share what their correction brings by Shapley's rule: over all orders in which they could be corrected. A factor
is corrected alone. The balance of a day says by which way magnesium comes and goes.
"""

from __future__ import annotations

from functools import cache
from itertools import combinations
from math import factorial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec
import numpy as np

from carnallite import datafile
from carnallite.assessment.cloud.history import INSOLUBLE, LENGTH, SOLUBLE
from carnallite.assessment.cloud.members import NONE, Members, causes
from carnallite.assessment.cloud.onward import LOST, OUTSIDE, Later, gained, going_on, kept, onward
from carnallite.knowledge import knowledge
from carnallite.physiology.crowd import constant
from carnallite.physiology.scenario import Act, Clamp, Dose
from carnallite.physiology.timing import DAY
from carnallite.quantity import Cited

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from carnallite.assessment.cloud.fit import Fit

    Numbers = NDArray[np.float64]
    Kind = Literal["cause", "factor", "causes_together"]

DAYS = (7, 30)
PLAYERS = 4  # causes of a member that share
WAYS = ("given", *LOST)
SHOWN = ("magnesium.plasma", "potassium.plasma", "calcium.plasma", *OUTSIDE)
OFF = 0.05  # [1] of the normal level; who is nearer to it has no disorder to share
MOST_LIVE = 0.5  # [1] share of the members that must live on, or nothing is said
ACTS = 0.05  # [1] share of the members a cause must act on


class Correction(Cited, frozen=True, kw_only=True):
    """What is changed for one factor."""

    about: str
    doses: tuple[Dose, ...] = ()
    salt: Literal["", "soluble", "none", "night", "missed"] = ""
    groups: tuple[str, ...] = ()
    causes: tuple[str, ...] = ()


class Corrections(datafile.Item, frozen=True, kw_only=True):
    """The content of ``corrections.toml``."""

    about: str
    factors: dict[str, Correction]


@cache
def corrections() -> dict[str, Correction]:
    """Return what is changed for each factor, by its id."""
    return datafile.read(Path(__file__).with_name("corrections.toml"), Corrections).factors


class Change(NamedTuple):
    """What a correction brings, by member: magnesium kept [mmol/d over 7 d], levels [mmol/L] after each of DAYS.

    A cause is told of the members on whom it acts: `acting` is their share.
    """

    kind: Kind
    id: str
    acting: float
    retained: Numbers
    magnesium: Numbers
    potassium: Numbers


class Why(NamedTuple):
    """The balance of the last day [mmol/d by way, member], the corrections, and what magnesium alone does.

    Attributes
    ----------
    corrected : dict of "potassium" or "calcium" to array [member, day]
        [1] Share of the distance to health that is gone after each of DAYS with magnesium held in the middle of its
        range.
    """

    balance: dict[str, Numbers]
    changes: tuple[Change, ...]
    corrected: dict[str, Numbers]


class _Outcome(NamedTuple):
    retained: Numbers  # [member]
    levels: dict[str, Numbers]  # [member, day]


def reasons(fit: Fit, factors: Sequence[str]) -> Why:
    """Return what each cause and factor makes of the disorder of a fitted patient.

    Parameters
    ----------
    factors : sequence of str
        Factors that are likely in this patient; what nothing can be said of is left out.
    """
    as_is = _simulated(fit, fit.members, going_on(fit))
    changes = [*_by_cause(fit, as_is), *_by_factor(fit, as_is, factors)]
    known = tuple(one for one in changes if np.isfinite(one.potassium[:, 0]).mean() > MOST_LIVE)
    return Why(_balance(fit), known, _corrected(fit, as_is))


# causes -------------------------------------------------------------------------------------------------------------
def _by_cause(fit: Fit, as_is: _Outcome) -> list[Change]:
    """Return what each cause makes, and all together."""
    acting = fit.members.acting()
    own = [
        [place for place in range(acting.shape[1]) if acting[row, place] != NONE][:PLAYERS]
        for row in range(len(acting))
    ]
    rows, gone = [], []
    for row, places in enumerate(own):
        for size in range(1, len(places) + 1):
            for some in combinations(places, size):
                rows.append(row)
                gone.append(some)
    if not rows:
        return []
    members = fit.members.some(np.array(rows))
    strength = members.strength.copy()
    for copy, some in enumerate(gone):
        strength[copy, list(some)] = 0
    outcome = _simulated(fit, members._replace(strength=strength), going_on(fit), np.array(rows))
    value = _stacked(outcome) - _stacked(as_is)[rows]
    worth = {(row, frozenset(some)): value[copy] for copy, (row, some) in enumerate(zip(rows, gone, strict=True))}
    shares = _shapley(own, worth, value.shape[1])
    found = [_change("causes_together", "causes", np.array([
        worth.get((row, frozenset(places)), np.zeros(value.shape[1])) for row, places in enumerate(own)
    ]))]  # fmt: skip
    for number in np.unique(acting[acting != NONE]):
        where = np.flatnonzero((acting == number).any(axis=1))
        if len(where) >= ACTS * len(acting):
            mine = [
                shares.get((row, int((acting[row] == number).argmax())), np.zeros(value.shape[1]))
                for row in where.tolist()
            ]
            found.append(_change("cause", causes()[number], np.array(mine), len(where) / len(acting)))
    return found


def _shapley(
    own: Sequence[Sequence[int]], worth: dict[tuple[int, frozenset[int]], Numbers], width: int
) -> dict[tuple[int, int], Numbers]:
    found: dict[tuple[int, int], Numbers] = {}
    nothing = np.zeros(width)
    for row, places in enumerate(own):
        count = len(places)
        for place in places:
            total = np.zeros(width)
            others = [one for one in places if one != place]
            for size in range(count):
                chance = factorial(size) * factorial(count - size - 1) / factorial(count)
                for before in combinations(others, size):
                    with_it = worth[row, frozenset((*before, place))]
                    total = total + chance * (with_it - worth.get((row, frozenset(before)), nothing))
            found[row, place] = total
    return found


# factors ------------------------------------------------------------------------------------------------------------
def _by_factor(fit: Fit, as_is: _Outcome, factors: Sequence[str]) -> list[Change]:
    found = []
    for id in factors:
        correction = corrections().get(id)
        outcome = None if correction is None else _factor(fit, correction)
        if outcome is not None:
            missed = correction is not None and correction.salt == "missed"
            value = _stacked(as_is) - _stacked(outcome) if missed else _stacked(outcome) - _stacked(as_is)
            found.append(_change("factor", id, value))
    return found


def _factor(fit: Fit, correction: Correction) -> _Outcome | None:
    """Return how members fare with a correction; none where there is nothing to correct."""
    doses, members, acts = going_on(fit), fit.members, []
    if correction.salt:
        oral = [one for one in doses if one.route == "oral" and one.what in {SOLUBLE, INSOLUBLE}]
        if not oral or (correction.salt == "soluble" and all(one.what == SOLUBLE for one in oral)):
            return None
        doses = tuple(one for one in doses if one not in oral)
        if correction.salt == "soluble":
            doses += tuple(msgspec.structs.replace(one, what=SOLUBLE) for one in oral)
        if correction.salt == "night":
            doses += tuple(_nightly(one) for one in oral)
            acts = [Act(id="timing", phenotype="night", daily=("22:00", "06:00"))]
    if correction.groups or correction.causes:
        gone = [
            number
            for number, id in enumerate(causes())
            if knowledge().causes[id].group in correction.groups or id in correction.causes
        ]
        strength = np.where(np.isin(members.acting(), gone), 0, members.strength)
        if (strength == members.strength).all():
            return None
        members = members._replace(strength=strength)
    return _simulated(fit, members, (*doses, *correction.doses), factors=tuple(acts))


def _nightly(dose: Dose) -> Dose:
    """Return what a dose by mouth brings in a day, at ten in the evening."""
    size, unit = dose.amount.split()
    per_day = DAY / float(dose.every.split()[0])
    return msgspec.structs.replace(dose, amount=f"{float(size) * per_day:.6g} {unit}", every="", daily=("22:00",))


# simulation ---------------------------------------------------------------------------------------------------------
def _simulated(
    fit: Fit,
    members: Members,
    doses: tuple[Dose, ...],
    rows: NDArray[np.int64] | None = None,
    *,
    factors: tuple[Act, ...] = (),
    clamps: tuple[Clamp, ...] = (),
) -> _Outcome:
    """Return how members fare from the index on."""
    later = Later(doses=doses, factors=factors, clamps=clamps)
    course = onward(fit, SHOWN, [day * DAY for day in DAYS], later, members=members, rows=rows)
    levels = {ion: course[f"{ion}.plasma"][:, 1:] for ion in ("magnesium", "potassium", "calcium")}
    return _Outcome(kept(course, 0, 1) / DAYS[0], levels)


def _stacked(outcome: _Outcome) -> Numbers:
    """Return an outcome as one table [member, column]."""
    return np.column_stack([outcome.retained, outcome.levels["magnesium"], outcome.levels["potassium"]])


def _change(kind: Kind, id: str, table: Numbers, acting: float = 1.0) -> Change:
    count = len(DAYS)
    return Change(kind, id, acting, table[:, 0], table[:, 1 : 1 + count], table[:, 1 + count :])


def _balance(fit: Fit) -> dict[str, Numbers]:
    """Return what came and went by each way on the last day before the index [mmol/d by member]."""
    course = fit.course
    last, first = course.place(LENGTH), course.place(LENGTH - DAY)
    rise = {way: gained(course, way, first, last) for way in WAYS}
    injected = np.full(len(course.values), _injected(fit))
    by_mouth = rise["given"] - injected
    return {
        "by_mouth": by_mouth,
        "injected": injected,
        "absorbed": by_mouth - rise["stool"],
        "stool": rise["stool"],
        "urine": rise["urine"],
        "dialysis": rise["extracorporeal"],
        "skin": rise["skin"],
        "net": rise["given"] - rise["stool"] - rise["urine"] - rise["extracorporeal"] - rise["skin"],
    }


def _injected(fit: Fit) -> float:
    """Return the magnesium injected on the last day [mmol]."""
    total = 0.0
    for one in fit.history.treatments:
        if one.dose.what == "magnesium sulfate" and one.dose.route != "oral":
            amount = float(one.dose.amount.split()[0])
            times = [float(text.split()[0]) for text in one.dose.at]
            if one.dose.every:
                begin, until, step = (
                    float(text.split()[0]) for text in (one.dose.start, one.dose.until, one.dose.every)
                )
                times = np.arange(begin, until, step).tolist()
            total += amount * sum(LENGTH - DAY <= time < LENGTH for time in times)
    return total


def _corrected(fit: Fit, as_is: _Outcome) -> dict[str, Numbers]:
    """Return how much of the other disorders goes with magnesium alone."""
    middle = float(np.median(constant(fit.people, "normal.magnesium")))
    held = _simulated(fit, fit.members, going_on(fit), clamps=(Clamp(what="magnesium", to=f"{middle:g} mmol/L"),))
    found = {}
    for ion in ("potassium", "calcium"):
        normal = constant(fit.people, f"normal.{ion}")[:, None]
        away = normal - as_is.levels[ion]
        gain = held.levels[ion] - as_is.levels[ion]
        found[ion] = np.where(np.abs(away) > OFF * normal, gain / np.where(away == 0, 1, away), np.nan)
    return found
