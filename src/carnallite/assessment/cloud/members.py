"""Who is in the library: which causes act on a member, in which form and for how long; by seed and number alone.

Sets of causes are not drawn as often as they occur, or rare ones would never be seen: the prior of a patient meets
the chance with which a set was drawn in the weights.
"""

from __future__ import annotations

from functools import cache
from math import comb
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from carnallite.knowledge import effects, knowledge
from carnallite.physiology.chance import uniform

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

MOST = 3  # causes at once
OF_SIZE = (0.06, 0.34, 0.36, 0.24)  # chance of none, one, two, three
PEOPLE_ALIKE = 256  # numbers in a row that are looked at after the same time
TIMES = (72.0, 336.0, 1440.0, 4320.0)  # [h] since the causes began
OF_TIME = (2, 2, 3, 3)  # rows of people for each of them
NONE = -1


class Form(NamedTuple):
    """One form of a cause."""

    cause: str
    phenotype: str


class Members(NamedTuple):
    """Members of the library by number.

    Attributes
    ----------
    number : array [member]
    acting : array [member, MOST]
        Numbers of `causes`, ascending; NONE at the end.
    form : array [member, MOST]
        Numbers of `forms` of the same causes.
    since : array [member]
        [h] How long the causes have acted when the member is looked at.
    """

    number: NDArray[np.int64]
    acting: NDArray[np.int64]
    form: NDArray[np.int64]
    since: Numbers

    def some(self, rows: NDArray[np.int64]) -> Members:
        """Return members by their rows."""
        return Members(self.number[rows], self.acting[rows], self.form[rows], self.since[rows])


@cache
def forms() -> tuple[Form, ...]:
    """Return every form of every cause that the body can have."""
    return tuple(Form(id, form) for id, cause in knowledge().causes.items() for form in effects(cause))


@cache
def causes() -> tuple[str, ...]:
    """Return the causes that the body can have."""
    return tuple(dict.fromkeys(form.cause for form in forms()))


@cache
def forms_of(cause: str) -> NDArray[np.int64]:
    """Return the numbers of the forms of a cause."""
    return np.array([row for row, form in enumerate(forms()) if form.cause == cause])


def draw(seed: int, first: int, count: int) -> Members:
    """Return members by their numbers, from `first` on.

    >>> bool((draw(1, 5, 3).form == draw(1, 0, 8).form[5:]).all())
    True
    """
    number = np.arange(first, first + count)

    def chance(purpose: str) -> Numbers:
        return uniform(seed, f"cloud.{purpose}", first=first, count=count)

    size = np.searchsorted(np.cumsum(OF_SIZE), chance("size"), side="right").clip(max=MOST)
    order = np.argsort([chance(f"{id}.turn") for id in causes()], axis=0, kind="stable")[:MOST].T
    acting = np.where(np.arange(MOST) < size[:, None], order, len(causes()))
    acting = np.sort(acting, axis=1)
    acting[acting == len(causes())] = NONE
    form = np.full_like(acting, NONE)
    for row, id in enumerate(causes()):
        form = np.where(acting == row, chosen_form(id, chance(f"{id}.form"))[:, None], form)
    return Members(number, acting, form, since(number))


def chosen_form(cause: str, chance: Numbers) -> NDArray[np.int64]:
    """Return the number of a form of a cause for each of some chances; each form is as likely as any other."""
    own = forms_of(cause)
    chosen: NDArray[np.int64] = own[(chance * len(own)).astype(int)]
    return chosen


def since(number: NDArray[np.int64]) -> Numbers:
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
