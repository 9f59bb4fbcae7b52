"""What the cloud says, as values of an answer: bands, balance, shares, and in words how well it fits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from carnallite.assessment.cloud.history import LENGTH
from carnallite.assessment.cloud.weigh import numbers
from carnallite.assessment.cloud.why import DAYS, MOST_LIVE, corrections
from carnallite.assessment.values import Balance, Band, Beside, Correction, IndividualFit, Share
from carnallite.knowledge import knowledge
from carnallite.physiology.timing import DAY
from carnallite.quantity import analyte

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from carnallite.assessment.cloud.fit import Fit
    from carnallite.assessment.cloud.judge import Cloud
    from carnallite.assessment.cloud.why import Change, Why

    Numbers = NDArray[np.float64]

RANGE = (0.05, 0.5, 0.95)
WHOLE = (-1.0, 1.5)  # a share of a disorder is shown within
FEW = 12.0  # effective members, below which only words are given
WEEK = DAYS[0]
MOST = 0.5  # [1] of the members
APART = 0.4  # [1] by so much must members and the ranking differ about a cause before it is told


def band(values: Numbers) -> Band:
    """Return the middle of the members and the range of 90 % of them."""
    low, middle, high = (round(float(one), 4) + 0.0 for one in np.nanquantile(values, RANGE))
    return Band(value=middle, low=low, high=high)


def balance_of(why: Why) -> Balance:
    """Return the balance of a day."""
    return Balance(unit="mmol/d", **{way: band(values) for way, values in why.balance.items()})


def fit_of(
    cloud: Cloud,
    fit: Fit,
    why: Why | None,
    *,
    likely: Mapping[str, float],
    disordered: tuple[bool, bool],
    magnesium_low: bool,
) -> IndividualFit:
    """Return the fit as a value.

    Parameters
    ----------
    why : Why or None
        None where the members do not fit.
    likely : mapping of cause to float
        [1] As it is told.
    disordered : (bool, bool)
        Whether potassium and calcium are out of range.
    """
    parts = [
        _part(why.corrected[ion]) if why is not None and is_off and magnesium_low else None
        for ion, is_off in zip(("potassium", "calcium"), disordered, strict=True)
    ]
    return IndividualFit(
        holds=holds(cloud, fit, likely),
        words=_told(cloud, fit, likely),
        describes=round(cloud.describes, 4),
        members=len(fit.members.number),
        effective=round(fit.effective, 1),
        results=tuple(_beside(fit)),
        corrections=tuple(_correction(one) for one in _ordered(why.changes)) if why is not None else (),
        potassium_by_magnesium=parts[0],
        calcium_by_magnesium=parts[1],
        assumptions=fit.history.notes,
    )


def _part(values: Numbers) -> dict[str, Band] | None:
    """Return the share of a disorder by days; none where hardly a member has it."""
    if (np.isfinite(values).mean(axis=0) <= MOST_LIVE).any():
        return None
    return {str(day): band(np.clip(values[:, column], *WHOLE)) for column, day in enumerate(DAYS)}


def share_of(change: Change) -> Share:
    """Return the magnesium that a correction keeps in the body."""
    one = band(change.retained)
    return Share(value=one.value, low=one.low, high=one.high, unit="mmol/d", horizon_days=WEEK)


def _ordered(changes: tuple[Change, ...]) -> list[Change]:
    """Return the corrections, those first that bring most magnesium or potassium."""
    kinds = {"causes_together": 0, "cause": 1, "factor": 2}
    return sorted(changes, key=lambda one: (kinds[one.kind], -_worth(one), one.id))


def _worth(one: Change) -> float:
    return float(abs(np.nanmedian(one.magnesium[:, 0])) / 0.1 + abs(np.nanmedian(one.potassium[:, 0])) / 0.3)


def _correction(one: Change) -> Correction:
    known = corrections().get(one.id) if one.kind == "factor" else None
    name = "All of these causes"
    if one.kind == "cause":
        name = knowledge().causes[one.id].name
    elif one.kind == "factor":
        name = knowledge().factors[one.id].name
    return Correction(
        id=one.id,
        name=name,
        kind=one.kind,
        what=known.about if known else "",
        acting=round(one.acting, 3),
        retained=band(one.retained),
        magnesium=_by_days(one.magnesium),
        potassium=_by_days(one.potassium),
        status=str(known.status) if known else "",
    )


def _by_days(values: Numbers) -> dict[str, Band]:
    """Return a change by days, for as long as most members live."""
    live = np.isfinite(values).mean(axis=0) > MOST_LIVE
    return {str(day): band(values[:, column]) for column, day in enumerate(DAYS) if live[column]}


def _beside(fit: Fit) -> list[Beside]:
    found = []
    for one in fit.residuals:
        found.append(Beside(
            test=one.seen.test,
            days_ago=round((LENGTH - one.seen.time) / DAY, 2),
            low=one.seen.low if one.seen.low > 0 else None,
            high=one.seen.high if np.isfinite(one.seen.high) else None,
            shown=Band(value=round(one.middle, 4), low=round(one.low, 4), high=round(one.high, 4)),
            explained=one.off <= 1,
        ))  # fmt: skip
    return found


def _rests_on(fit: Fit, likely: Mapping[str, float]) -> str:
    """Return which causes fitted members have far more or less often than they are likely; empty if none.

    Parameters
    ----------
    likely : mapping of cause to float
        [1] As it is told.
    """
    having = fit.members.having()
    none = np.zeros(1)
    share = {id: float(having.get(id, none).mean()) for id in {*having, *likely} if id in knowledge().causes}
    apart = sorted((id for id in share if abs(share[id] - likely.get(id, 0.0)) >= APART), key=lambda id: -share[id])
    told = [
        f"{knowledge().causes[id].name} acts in {100 * share[id]:.0f} % of them and is {100 * likely.get(id, 0):.0f} % "
        "likely"
        for id in apart
    ]
    return f" What is simulated rests on that: {'; '.join(told)}." if told else ""


def doubted(fit: Fit, likely: Mapping[str, float]) -> list[str]:
    """Return causes that most fitted members have and that are hardly likely: they are somebody else."""
    having = fit.members.having()
    found = [id for id, has in having.items() if has.mean() > MOST and likely.get(id, 0.0) < numbers()["believed"]]
    return sorted(found, key=lambda id: likely.get(id, 0.0))


def holds(cloud: Cloud, fit: Fit, likely: Mapping[str, float]) -> bool:
    """Return whether numbers may be given.

    The body describes the patient, the newest results are explained, and not by causes that are hardly likely.
    """
    return fit.holds() and cloud.describes >= numbers()["trusted"] and not doubted(fit, likely)


def _told(cloud: Cloud, fit: Fit, likely: Mapping[str, float]) -> str:
    """Return in a sentence how far the members explain the patient."""
    count = len(fit.residuals)
    if not count:
        return "No dated result could be compared."
    explained = sum(one.off <= 1 for one in fit.residuals)
    if cloud.describes < numbers()["trusted"]:
        return "The model hardly describes what the laboratory found in this patient. No shares are given."
    if fit.holds():
        told = f"Virtual patients with this history show {explained} of {count} results as they were measured."
    else:
        newest = {one.seen.test: one for one in fit.residuals}
        names = [analyte(test).name for test, one in newest.items() if not one.off <= 3]
        told = f"The model does not fit this patient: it cannot show {' and '.join(names)}. No shares are given."
    strange = doubted(fit, likely)
    if fit.holds() and strange:
        names = [f"{knowledge().causes[id].name} ({100 * likely.get(id, 0.0):.0f} % likely)" for id in strange]
        return f"Only virtual patients with {' and '.join(names)} show what was measured. No shares are given."
    if fit.holds():
        told += _rests_on(fit, likely)
    if fit.effective < FEW:
        told += " Few virtual patients came near the history; take the numbers as rough."
    return told
