"""Virtual patients: which causes act on a member, in which form, how strongly and for how long; by seed and number.

Sets of causes are not drawn as often as they occur, or rare ones would never be seen: the prior of a patient meets
the chance with which a set was drawn in the weights.
"""

from __future__ import annotations

from functools import cache
from math import comb
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from carnallite.assessment.cloud.weigh import numbers
from carnallite.knowledge import effects, knowledge
from carnallite.physiology.chance import in_blocks, normal, uniform

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]
    Whole = NDArray[np.int64]

MOST = 3  # causes at once
OF_SIZE = (0.06, 0.34, 0.36, 0.24)  # chance of none, one, two, three
PEOPLE_ALIKE = 256  # numbers in a row that are looked at after the same time
TIMES = (72.0, 336.0, 1440.0, 4320.0)  # [h] since the causes began
OF_TIME = (2, 2, 3, 3)  # rows of people for each of them
NONE = -1
FURTHEST = 3.0  # standard deviations of a strength


class Form(NamedTuple):
    """One form of a cause."""

    cause: str
    phenotype: str


class Members(NamedTuple):
    """Virtual patients.

    Attributes
    ----------
    number : array [member]
        By which a member is drawn: the same number is the same person.
    form : array [member, place]
        Numbers of the `forms` that act; NONE at the end.
    strength : array [member, place]
        [1] How strongly each of them acts; 1 is what the data file says.
    since : array [member]
        [h] How long they have acted.
    """

    number: Whole
    form: Whole
    strength: Numbers
    since: Numbers

    def some(self, rows: Whole | NDArray[np.bool_]) -> Members:
        """Return members by their rows."""
        return Members(self.number[rows], self.form[rows], self.strength[rows], self.since[rows])

    def acting(self) -> Whole:
        """Return the numbers of the `causes` that act [member, place]."""
        found: Whole = np.array([*cause_of(), NONE])[self.form]
        return found

    def having(self) -> dict[str, NDArray[np.bool_]]:
        """Return on whom each cause acts [member], of causes that act on somebody."""
        acting = self.acting()
        return {causes()[number]: (acting == number).any(axis=1) for number in np.unique(acting[acting != NONE])}


@cache
def forms() -> tuple[Form, ...]:
    """Return every form of every cause that the body can have."""
    return tuple(Form(id, form) for id, cause in knowledge().causes.items() for form in effects(cause))


@cache
def causes() -> tuple[str, ...]:
    """Return the causes that the body can have."""
    return tuple(dict.fromkeys(form.cause for form in forms()))


@cache
def cause_of() -> tuple[int, ...]:
    """Return for each form the number of its cause."""
    return tuple(causes().index(form.cause) for form in forms())


@cache
def forms_of(cause: str) -> Whole:
    """Return the numbers of the forms of a cause."""
    return np.array([row for row, form in enumerate(forms()) if form.cause == cause])


def draw(seed: int, number: Sequence[int] | Whole) -> Members:
    """Return members of the library by their numbers.

    >>> bool((draw(1, range(5, 8)).form == draw(1, range(8)).form[5:]).all())
    True
    """
    number = np.asarray(number)

    def chance(purpose: str) -> Numbers:
        return uniform(seed, f"cloud.{purpose}", number)

    size = np.searchsorted(np.cumsum(OF_SIZE), chance("size"), side="right").clip(max=MOST)
    order = np.argsort([chance(f"{id}.turn") for id in causes()], axis=0, kind="stable")[:MOST].T
    acting = np.where(np.arange(MOST) < size[:, None], order, len(causes()))
    acting = np.sort(acting, axis=1)
    acting[acting == len(causes())] = NONE
    form = np.full_like(acting, NONE)
    for row, id in enumerate(causes()):
        form = np.where(acting == row, chosen_form(id, chance(f"{id}.form"))[:, None], form)
    return Members(number, form, strengths(seed, number, form), since(number))


def strengths(seed: int, number: Whole, form: Whole, purpose: str = "cloud.strength") -> Numbers:
    """Return how strongly each form acts on each member; 0 where none does."""
    found: Numbers = np.zeros(form.shape)
    cause = np.array([*cause_of(), NONE])[form]
    for row in np.unique(cause[cause != NONE]):
        drawn = normal(seed, f"{purpose}.{causes()[row]}", number).clip(-FURTHEST, FURTHEST)
        found = np.where(cause == row, in_blocks(np.exp, numbers()["severity"] * drawn)[:, None], found)
    return found


def chosen_form(cause: str, chance: Numbers, share: Numbers | None = None) -> Whole:
    """Return the number of a form of a cause for each of some chances.

    Parameters
    ----------
    share : array [form], optional
        How often each form acts when its cause does; without it each is as likely as any other.
    """
    own = forms_of(cause)
    edges = np.cumsum(np.ones(len(own)) if share is None else share[own])
    chosen: Whole = own[np.searchsorted(edges, chance * edges[-1], side="right").clip(max=len(own) - 1)]
    return chosen


def since(number: Whole) -> Numbers:
    """Return after which time [h] members are looked at."""
    turn = np.repeat(np.arange(len(TIMES)), OF_TIME)
    found: Numbers = np.array(TIMES)[turn[number // PEOPLE_ALIKE % len(turn)]]
    return found


def drawn_chance(size: int) -> float:
    """Return the chance that a given set of so many causes was drawn.

    >>> round(drawn_chance(0), 2)
    0.06
    """
    return OF_SIZE[size] / comb(len(causes()), size)
