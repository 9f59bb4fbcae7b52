"""The mean chance of results over members of sets of causes, in compiled code; members of a set stand side by side."""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from carnallite.assessment.cloud.weigh import errors, limits
from carnallite.physiology import engine

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from carnallite.assessment.cloud.evidence import Results

    Numbers = NDArray[np.float64]
    Whole = NDArray[np.int64]
    Texts = frozenset[str]


Look = tuple[str, bool]  # a test, and whether its result was taken under treatment


class Sums(NamedTuple):
    """What members of each set come to, for each choice of tests.

    Attributes
    ----------
    weights : array [choice, set]
        Weights of the members who lived to show these results, summed.
    likely : array [choice, set]
        The same times the chance of these results.
    """

    weights: Numbers
    likely: Numbers


class Question(NamedTuple):
    """Results of one patient, and choices of tests of which the chance is asked.

    Attributes
    ----------
    looks : tuple of Look
    low, high : array [test]
        Between which values each result lies, as `weigh.limits` says it.
    choices : array [choice]
        A bit for each test that counts.
    """

    looks: tuple[Look, ...]
    low: Numbers
    high: Numbers
    choices: Whole


def question(results: Results, treated: Texts, choices: Sequence[Texts]) -> Question:
    """Return what is asked about some results (between which values they lie, in canonical units)."""
    low, high = (np.array(ends) for ends in zip(*(limits(test, *ends) for test, ends in results.items()), strict=True))
    bit = {test: 1 << place for place, test in enumerate(results)}
    chosen = np.array([sum(bit[test] for test in tests) for tests in choices], np.int64)
    return Question(tuple((test, test in treated) for test in results), low, high, chosen)


class Shelf:
    """Members, those of a set side by side, and what they show in units of the error of each test.

    Parameters
    ----------
    rows : array [member]
        Their rows in a library.
    shown, treated : mapping of test to array [row]
        What the members of the library show, without treatment and under it.
    form : array [row, place], optional
        Numbers of the forms that act; without it all members weigh one.
    """

    def __init__(
        self,
        rows: Whole,
        shown: Mapping[str, NDArray[np.float32]],
        treated: Mapping[str, NDArray[np.float32]],
        form: Whole | None = None,
    ) -> None:
        self.rows = rows
        self._looks = {False: shown, True: treated}
        self._form = np.zeros((0, 0), np.int16) if form is None else form[rows].T.astype(np.int16, order="C")
        self._centres: dict[Look, tuple[Numbers, int]] = {}

    def _centre(self, look: Look) -> tuple[Numbers, int]:
        """Return what members show of a test: logarithm, in units of the spread of its error; NaN in the dead.

        With it comes where it lies in memory.
        """
        found = self._centres.get(look)
        if found is None:
            test, treated = look
            with np.errstate(divide="ignore"):
                centre = np.log(self._looks[treated][test][self.rows].astype(float)) / errors()[test].spread
            found = self._centres[look] = centre, _at(centre)
        return found

    def alive(self, looks: Sequence[Look]) -> NDArray[np.bool_]:
        """Return who lived to show all results."""
        return np.asarray(np.all([~np.isnan(self._centre(look)[0]) for look in looks], axis=0))

    def sums(self, asked: Question, first: Whole, size: Whole, often: Numbers) -> Sums:
        """Return what the members of each set come to.

        Parameters
        ----------
        first, size : array [set]
            Where its members begin, and how many there are.
        often : array [form]
            How often a member has each form; the last is for none. Without forms all members weigh one.
        """
        found = Sums(*np.empty((2, len(asked.choices), len(first))))
        centres = [self._centre(look)[1] for look in asked.looks]
        _compiled().mean_chances(
            len(centres), (ctypes.c_void_p * len(centres))(*centres), _at(asked.low), _at(asked.high),
            len(first), _at(first), _at(size), len(self._form), _at(self._form), len(self.rows), _at(often),
            len(asked.choices), _at(asked.choices), _at(found.weights), _at(found.likely),
        )  # fmt: skip
        return found


def lean_on_parts(weights: Numbers, likely: Numbers, *, lean: float, least: float) -> Numbers:
    """Return the mean chance of each of all sets by number, which leans on those that lack one cause.

    Parameters
    ----------
    weights, likely : array [number]
        As in `Sums`; zero for sets of which there are no members.
    lean : float
        As how many members the best of the sets that lack one cause counts.
    least : float
        Weight that the empty set has at least.
    """
    found = likely.copy()
    _compiled().lean_on_parts(
        len(found).bit_length() - 1, ctypes.c_double(lean), ctypes.c_double(least), _at(weights), _at(found)
    )
    return found


def _at(array: NDArray[Any]) -> int:
    """Return where an array lies in memory."""
    return int(array.__array_interface__["data"][0])


@cache
def _compiled() -> ctypes.CDLL:
    found = engine.library(Path(__file__).with_suffix(".c"))
    whole, there, number = ctypes.c_int64, ctypes.c_void_p, ctypes.c_double
    found.mean_chances.argtypes = (
        whole, there, there, there, whole, there, there, whole, there, whole, there, whole, there, there, there,
    )  # fmt: skip
    found.lean_on_parts.argtypes = (whole, number, number, there, there)
    found.mean_chances.restype = found.lean_on_parts.restype = None
    return found
