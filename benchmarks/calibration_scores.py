"""What a probability was worth: figures from the records of simulated patients."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from calibration_asked import NOTHING_OFF
from scipy.special import expit, logit
from scipy.stats import chi2

from carnallite.assessment.cloud.members import causes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from calibration_asked import Answer, Record
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]
    Truth = NDArray[np.bool_]

BINS = 10
AGAIN = 200  # drawings of what a right probability would bring
SURE = 1e-4  # probabilities nearer to 0 or 1 are held there
WORTH = 0.02  # pairs of patient and cause of at least this probability are counted apart
FEW = 5.0  # a cause that acts, or should act, in fewer patients is not judged
APART = 2.0  # standard deviations
LEVELS = (0.5, 0.8, 0.9, 0.95)


class Asked(NamedTuple):
    """The patients of whom the engine weighed virtual patients with one panel.

    Attributes
    ----------
    records : list of Record
    answers : list of Answer
    acts : array [patient, cause]
        The truth.
    told, findings, stated, before : array [patient, cause]
        [1] Probability by the engine, by cited findings alone, as the user is told it, and before any result.
    """

    records: list[Record]
    answers: list[Answer]
    acts: Truth
    told: Numbers
    findings: Numbers
    stated: Numbers
    before: Numbers


def of(records: Sequence[Record], panel: str) -> Asked:
    """Return who was weighed with a panel."""
    pairs = [(one, one.answers[panel]) for one in records if panel in one.answers and not one.answers[panel].why_not]
    acts = np.array([[cause in one.causes for cause in causes()] for one, _ in pairs], bool)
    columns = [np.array([getattr(answer, name) for _, answer in pairs]) for name in ("told", "findings", "stated")]
    before = np.array([one.before for one, _ in pairs])
    wide = (len(pairs), len(causes()))
    return Asked([one for one, _ in pairs], [answer for _, answer in pairs], acts.reshape(wide),
                 *(column.reshape(wide) for column in (*columns, before)))  # fmt: skip


def left_out(records: Sequence[Record], panel: str) -> dict[str, int]:
    """Return how many patients were not weighed, and why."""
    why = ["died" if not one.lived else one.answers[panel].why_not for one in records]
    return {reason: why.count(reason) for reason in dict.fromkeys(["died", NOTHING_OFF, *why]) if reason}


# calibration --------------------------------------------------------------------------------------------------------
class Bin(NamedTuple):
    """Probabilities of one tenth: how many, their mean, and how often it was so."""

    size: int
    told: float
    was: float


def reliability(told: Numbers, acts: Truth) -> list[Bin]:
    """Return ten bins of equal width; empty ones are left out."""
    place = np.minimum((told * BINS).astype(int), BINS - 1)
    rows = [place == number for number in range(BINS)]
    return [Bin(int(row.sum()), float(told[row].mean()), float(acts[row].mean())) for row in rows if row.any()]


def calibration_error(told: Numbers, acts: Truth) -> float:
    """Return the expected calibration error [1]: the mean distance of probability and frequency over ten bins.

    >>> calibration_error(np.array([0.25, 0.25, 0.25, 0.25]), np.array([True, False, False, False]))
    0.0
    """
    return sum(one.size * abs(one.told - one.was) for one in reliability(told, acts)) / max(1, told.size)


def by_chance(told: Numbers) -> tuple[float, float]:
    """Return the mean and the 95 % bound of the calibration error of probabilities that are right."""
    chance = np.random.default_rng(0)
    found = [calibration_error(told, chance.random(told.shape) < told) for _ in range(AGAIN)]
    return float(np.mean(found)), float(np.quantile(found, 0.95))


def slope(told: Numbers, acts: Truth) -> float:
    """Return the slope of a logistic regression on the logit told: below 1 the probabilities are too extreme."""
    x = logit(told.clip(SURE, 1 - SURE))
    design = np.stack([np.ones_like(x), x], axis=1)
    fit = np.array([0.0, 1.0])
    for _ in range(25):
        p = expit(design @ fit)
        bend = design.T * (p * (1 - p)) @ design + 1e-9 * np.eye(2)
        fit = fit + np.linalg.solve(bend, design.T @ (acts - p)).clip(-2, 2)
    return float(fit[1])


def brier(told: Numbers, acts: Truth) -> float:
    """Return the squared error of a patient, summed over causes, in the mean."""
    return float(((told - acts) ** 2).sum(axis=1).mean())


class ByCause(NamedTuple):
    """One cause: in how many it acts and should act, its calibration error, and that of right probabilities."""

    cause: str
    acts: int
    told: float
    error: float
    bound: float
    off: float  # [SD] by which it is told too often

    def is_off(self) -> bool:
        """Return whether it is told too often or too seldom."""
        return abs(self.off) > APART

    def verdict(self) -> str:
        """Return in words whether its probabilities are right."""
        if self.off > APART:
            return "told too often"
        if self.off < -APART:
            return "told too seldom"
        return "too extreme or too vague" if self.error > self.bound else "right"


def causes_of(one: Asked) -> list[ByCause]:
    """Return every cause that acts, or should act, often enough to be judged; the worst first."""
    found = []
    for number, cause in enumerate(causes()):
        told, acts = one.told[:, number], one.acts[:, number]
        if max(told.sum(), acts.sum()) < FEW:
            continue
        spread = np.sqrt((told * (1 - told)).sum())
        off = float((told.sum() - acts.sum()) / spread) if spread else 0.0
        found.append(ByCause(cause, int(acts.sum()), float(told.sum()), calibration_error(told, acts),
                             by_chance(told)[1], off))  # fmt: skip
    return sorted(found, key=lambda row: -abs(row.off))


# ranking ------------------------------------------------------------------------------------------------------------
class Ranking(NamedTuple):
    """How high the true causes stand; shares [1] of patients with a true cause, and of true causes.

    Attributes
    ----------
    patients, causes : int
    first : float
        A true cause stands first.
    one_of_three, all_of_three : float
        One of the true causes, each of them, stands among the first three.
    recall : float
        Share of the true causes among the first three.
    alone : float
        Share of the patients with one true cause in whom it stands among the first three.
    """

    patients: int
    causes: int
    first: float
    one_of_three: float
    all_of_three: float
    recall: float
    alone: float


def ranking(answers: Sequence[Answer]) -> Ranking | None:
    """Return how high the true causes stand; None where nobody has one."""
    places = [list(one.places.values()) for one in answers if one.places]
    if not places:
        return None
    every = [place for row in places for place in row]
    return Ranking(
        len(places), len(every), _share(min(row) == 1 for row in places), _share(min(row) <= 3 for row in places),
        _share(max(row) <= 3 for row in places), _share(place <= 3 for place in every),
        _share(max(row) <= 3 for row in places if len(row) == 1),
    )  # fmt: skip


def _share(yes: Iterable[bool]) -> float:
    rows = list(yes)
    return sum(rows) / len(rows) if rows else float("nan")


class Told(NamedTuple):
    """How often it says that it cannot tell, and how often its first cause is true when it tells and when not."""

    cannot: float
    cannot_if_one: float
    cannot_if_more: float
    right_if_told: float
    right_if_not: float


def told_apart(one: Asked) -> Told:
    """Return what 'cannot tell' is worth in patients on whom a cause acts."""
    pairs = [pair for pair in zip(one.records, one.answers, strict=True) if pair[0].causes]
    right = [answer.first in record.causes for record, answer in pairs]
    cannot = [answer.cannot_tell for _, answer in pairs]
    size = [len(record.causes) for record, _ in pairs]
    return Told(
        _share(cannot),
        _share([said for said, count in zip(cannot, size, strict=True) if count == 1]),
        _share([said for said, count in zip(cannot, size, strict=True) if count > 1]),
        _share([is_right for is_right, said in zip(right, cannot, strict=True) if not said]),
        _share([is_right for is_right, said in zip(right, cannot, strict=True) if said]),
    )


def mistaken(one: Asked, most: int) -> list[tuple[str, str, int, float]]:
    """Return what stood first in place of the only true cause, how often, and how often it was said to be unclear."""
    found: dict[tuple[str, str], list[bool]] = {}
    for record, answer in zip(one.records, one.answers, strict=True):
        if len(record.causes) == 1 and answer.first != record.causes[0]:
            found.setdefault((record.causes[0], answer.first), []).append(answer.cannot_tell)
    rows = [(true, first, len(said), _share(said)) for (true, first), said in found.items()]
    return sorted(rows, key=lambda row: (-row[2], row))[:most]


# the law of the posterior -------------------------------------------------------------------------------------------
class Uniform(NamedTuple):
    """Whether the truth lies where the posterior says.

    Attributes
    ----------
    weighed : float
        [1] Share of the patients whose true set of causes was weighed.
    within : tuple of float
        [1] Share of the true sets that lie within credible sets of `LEVELS`.
    chance : float
        Chance of ranks as uneven as these if the posterior were right.
    """

    weighed: float
    within: tuple[float, ...]
    chance: float


def ranks(one: Asked) -> Uniform:
    """Return how evenly the true sets lie over the posterior; who was not weighed lies outside of every set."""
    above = np.array([answer.above for answer in one.answers])
    counts = np.histogram(above, BINS, (0, 1))[0]
    expected = len(above) / BINS
    chance = float(chi2.sf(((counts - expected) ** 2 / expected).sum(), BINS - 1)) if len(above) else 1.0
    within = tuple(float((above <= level).mean()) for level in LEVELS)
    return Uniform(_share([answer.weighed for answer in one.answers]), within, chance)


class Coverage(NamedTuple):
    """How often the truth lies in the middle half and in the middle 90 % of the members."""

    size: int
    half: float
    most: float


def coverage(one: Asked, name: str, *, effective: float = 0.0) -> Coverage:
    """Return the coverage of a test or a quantity of the body, by as many effective members at least."""
    below = np.array([answer.below[name] for answer in one.answers
                      if name in answer.below and answer.effective >= effective])  # fmt: skip
    if not len(below):
        return Coverage(0, float("nan"), float("nan"))
    half, most = ((below >= edge) & (below <= 1 - edge) for edge in (0.25, 0.05))
    return Coverage(len(below), float(half.mean()), float(most.mean()))
