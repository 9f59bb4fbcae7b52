"""What an engine gets: equations as Python and as SBML, people, and what changes when."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True)
class Job:
    """Hold one workload; all people have their changes at the same times.

    Parameters
    ----------
    rates : str
        Source of ``rates(y, p)``; exp, log, tanh, sqrt, min, max and where must be in its globals.
    states, sbml : tuple of str
        Names of states; a document for each person, or none.
    initial, constants : array [person, state], [person, constant]
        At time 0, after what changes then.
    time, index, value : array [change], [change], [change, person]
        From time [h] on the constant of this number has the value.
    samples, scale : array [sample], [state]
        [h] When states are wanted, from 0 to the end; typical sizes of states.
    """

    rates: str
    states: tuple[str, ...]
    sbml: tuple[str, ...]
    initial: np.ndarray
    constants: np.ndarray
    time: np.ndarray
    index: np.ndarray
    value: np.ndarray
    samples: np.ndarray
    scale: np.ndarray

    def segments(self) -> Iterator[tuple[float, float, np.ndarray]]:
        """Yield begin, end and the constants [person, constant] between two changes."""
        constants, end = self.constants.copy(), float(self.samples[-1])
        edges = np.unique(np.r_[0.0, self.time, end])
        for begin, until in pairwise(edges):
            for change in np.flatnonzero(self.time == begin):
                constants[:, self.index[change]] = self.value[change]
            yield float(begin), float(until), constants

    def save(self, path: Path) -> None:
        """Write to one file."""
        texts = {name: getattr(self, name) for name in ("rates", "states", "sbml")}
        arrays = {field.name: getattr(self, field.name) for field in fields(self) if field.name not in texts}
        np.savez(path, texts=np.array(json.dumps(texts)), **arrays)

    @classmethod
    def load(cls, path: Path) -> Job:
        """Read what `save` has written."""
        with np.load(path) as file:
            texts = json.loads(str(file["texts"]))
            arrays = {name: file[name] for name in file.files if name != "texts"}
        return cls(texts["rates"], tuple(texts["states"]), tuple(texts["sbml"]), **arrays)
