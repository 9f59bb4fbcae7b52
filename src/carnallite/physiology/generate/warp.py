"""Run the kernel of a system by NVIDIA Warp, one thread for each person, on a graphics processor or on this one.

Optional: needs ``pip install 'carnallite[warp]'``, and SymPy to generate. What runs is the source of the compiled
kernel (`one_lane`), so that results, events and statuses are its own. The first use on a machine compiles for some
seconds; Warp keeps the result.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from carnallite.errors import CarnalliteError, did_you_mean
from carnallite.physiology.generate.c import tableaux
from carnallite.physiology.generate.native import Kernel, KernelUnusable
from carnallite.physiology.generate.one_lane import memory_size, one_lane

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import ArrayLike, NDArray

    from carnallite.physiology.generate.native import Course, Restart, Schedules, Solution
    from carnallite.physiology.generate.one_lane import Precision
    from carnallite.physiology.generate.system import System

SHARE = 0.5  # of the device's free memory that arrays of persons may take; the threads' own memory needs some, too


class WarpMissing(CarnalliteError):
    """Warp is not installed, or has no such device."""


@dataclass(frozen=True, slots=True)
class WarpKernel:
    """Integrate any number of persons as `Kernel` does; `compile_warp` makes one.

    Parameters
    ----------
    states, parameters : tuple of str
        Names, in the order of the columns of all arrays.
    method : str
        The only one that it offers.
    """

    states: tuple[str, ...]
    parameters: tuple[str, ...]
    method: str
    device: str
    precision: Precision
    _kernel: Kernel
    _launcher: _Launcher

    def solve(  # noqa: PLR0913
        self,
        parameters: ArrayLike,
        initial: ArrayLike,
        course: Course,
        *,
        schedules: Schedules | None = None,
        schedule: ArrayLike | None = None,
        begin: Restart | None = None,
        first_step: ArrayLike | None = None,
        keep: ArrayLike | None = None,
    ) -> Solution:
        """Return the course of each person; arguments are those of `Kernel.solve`.

        Persons whose arrays do not fit into the memory of the device together go there in turns.

        Raises
        ------
        KernelUnusable
            As `Kernel.solve`, or the method is not that of this kernel.
        """
        return self._kernel.solve(
            parameters,
            initial,
            course,
            schedules=schedules,
            schedule=schedule,
            begin=begin,
            first_step=first_step,
            keep=keep,
        )

    def compile_ahead(self, folder: Path, architecture: int = 90) -> Path:
        """Return the file of assembly (PTX) for CUDA processors of an architecture; needs no such processor."""
        launcher = self._launcher
        launcher.warp.compile_aot_module(launcher.entry.module, arch=architecture, module_dir=str(folder), use_ptx=True)
        return next(folder.glob(f"*.sm{architecture}.ptx"))


def compile_warp(
    system: System,
    *,
    device: str = "cpu",
    method: str = "rodas4p2",
    precision: Precision = "float64",
    threads: int = 64,
    at_once: int | None = None,
) -> WarpKernel:
    """Return the kernel of a system on a device.

    Parameters
    ----------
    device : str
        ``cpu``, or ``cuda:0`` for the first graphics processor.
    method : str
        As `Course.method`; each needs a kernel of its own.
    precision : str
        What equations and stages are computed in; states and times are float64 in both. ``float64`` agrees
        with the compiled kernel as two sequences of steps of one tolerance do. ``float32`` does not keep the 1e-4 of
        the other targets: over 30 days of meals, doses and infusions all but ``calcium.bone`` stay within 3e-4 of
        it (the worst are totals that have just begun; concentrations and hormones within 1e-4), and
        ``calcium.bone``, which passes through zero, within 2e-4 mmol, which was up to 8e-3 of it. It is for
        exploring large populations, not for results that others compare.
    threads : int
        In a block; for graphics processors.
    at_once : int, optional
        Persons that go to the device together; as many as its memory allows by default.

    Raises
    ------
    WarpMissing
        Warp is not installed, or has no such device.
    KernelUnusable
        The method is unknown.
    """
    warp = _warp()
    methods = tableaux()
    if method not in methods:
        raise KernelUnusable("method", f"'{method}' is unknown.", did_you_mean(method, methods))
    if device not in (known := [str(each) for each in warp.get_devices()]):
        raise WarpMissing(device, "is no device that Warp finds here.", f"Use {' or '.join(known)}.")
    entry = _entry(warp, one_lane(system, methods[method], precision))
    sizes = _Sizes(len(system.states), len(system.parameters), memory_size())
    launcher = _Launcher(warp, entry, device, sizes, threads, at_once)
    kernel = Kernel(
        states=system.states,
        parameters=system.parameters,
        outputs=(),
        methods=(method,),
        variant=f"warp, {device}, {precision}",
        lanes=1,
        memory=sizes.memory,
        _library=launcher,
    )
    return WarpKernel(system.states, system.parameters, method, device, precision, kernel, launcher)


def _warp() -> Any:
    try:
        warp: Any = import_module("warp")
    except ImportError:
        raise WarpMissing("warp", "is not installed.", "Install it: pip install 'carnallite[warp]'.") from None
    warp.config.log_level = warp.LOG_WARNING  # else it announces itself where results are printed
    return warp


def _entry(warp: Any, text: str) -> Any:
    """Return the function that Warp starts in every thread."""

    def person(number: Any, problem: Any) -> None:
        """Be replaced by the text."""

    words = warp.array(dtype=warp.uint64)
    person.__annotations__ = {"number": warp.int32, "problem": words}
    integrate = warp.func_native(text)(person)

    def solve(problem: Any) -> None:
        integrate(warp.tid(), problem)

    solve.__annotations__ = {"problem": words}
    return warp.kernel(solve, enable_backward=False, module="unique")


class _Sizes(NamedTuple):
    states: int
    parameters: int
    memory: int


class _Launcher(NamedTuple):
    """Stand where `Kernel` expects its library, and do the same on the device."""

    warp: Any
    entry: Any
    device: str
    sizes: _Sizes
    threads: int
    at_once: int | None

    def kernel_solve(self, reference: Any) -> int:
        """Solve a problem that is laid out as in ``core.h``; 0, as there is no other outcome."""
        problem = reference._obj  # what ctypes.byref refers to
        arrays = list(_arrays(problem, self.sizes))
        for first, count in self._turns(problem.persons, arrays):
            self._solve(problem, arrays, first, count)
        return 0

    def _turns(self, persons: int, arrays: list[_Array]) -> Iterator[tuple[int, int]]:
        each = sum(array.row * array.kind.itemsize for array in arrays if array.is_personal)
        device = self.warp.get_device(self.device)
        room = int(device.free_memory * SHARE) // each if device.is_cuda else persons
        most = max(1, min(persons, self.at_once or room))
        for first in range(0, persons, most):
            yield first, min(most, persons - first)

    def _solve(self, problem: Any, arrays: list[_Array], first: int, count: int) -> None:
        """Copy a part of the persons to the device, start a thread for each, and copy back what is new."""
        mine = type(problem).from_buffer_copy(problem)
        mine.persons, moved = count, []
        for array in arrays:
            here = array.part(first, count)
            if array.is_output:
                kind = self.warp.dtype_from_numpy(here.dtype)
                there = self.warp.empty(here.shape, dtype=kind, device=self.device)
            else:
                there = self.warp.array(here, device=self.device)
            moved.append((array, here, there))
            setattr(mine, array.name, there.ptr)
        words = self.warp.array(np.frombuffer(mine, np.uint64), device=self.device)
        self.warp.launch(self.entry, count, [words], device=self.device, block_dim=self.threads)
        for array, here, there in moved:
            if array.is_output:
                here[:] = there.numpy()


class _Array(NamedTuple):
    """One array that a problem points to; of a personal one, `row` is the share of one person."""

    name: str
    address: int
    kind: np.dtype[Any]
    row: int
    is_personal: bool
    is_output: bool

    def part(self, first: int, count: int) -> NDArray[Any]:
        """Return what concerns some persons, in place."""
        begin, size = (first * self.row, count * self.row) if self.is_personal else (0, self.row)
        memory = (ctypes.c_uint8 * (size * self.kind.itemsize)).from_address(self.address + begin * self.kind.itemsize)
        return np.ctypeslib.as_array(memory).view(self.kind)


_OUTPUTS = {"states", "final", "final_parameters", "final_memory", "reached", "status", "steps", "rejected"}
_INTEGERS = {"schedule", "first", "kind", "index", "keep", "status", "steps", "rejected"}


def _arrays(problem: Any, sizes: _Sizes) -> Iterator[_Array]:
    """Yield the arrays of a problem that are there and not empty."""
    for name, row in _personal(problem, sizes).items():
        yield from _array(problem, name, row, is_personal=True)
    for name, row in _shared(problem, sizes).items():
        yield from _array(problem, name, row, is_personal=False)


def _array(problem: Any, name: str, row: int, *, is_personal: bool) -> Iterator[_Array]:
    address = getattr(problem, name)
    if address and row:
        kind = np.dtype(np.uint8 if name == "may_drift" else np.int64 if name in _INTEGERS else np.float64)
        yield _Array(name, address, kind, row, is_personal, name in _OUTPUTS)


def _personal(problem: Any, sizes: _Sizes) -> dict[str, int]:
    """Return how many numbers one person has in each array."""
    wide = {
        "states": problem.samples * problem.kept,
        "initial": sizes.states,
        "final": sizes.states,
        "memory": sizes.memory,
        "final_memory": sizes.memory,
    }
    for name in ("parameters", "current", "final_parameters"):
        wide[name] = sizes.parameters
    return wide | dict.fromkeys(("schedule", "reached", "status", "steps", "rejected"), 1)


def _shared(problem: Any, sizes: _Sizes) -> dict[str, int]:
    events = int(ctypes.c_int64.from_address(problem.first + 8 * problem.schedules).value)
    return (
        {"first": problem.schedules + 1, "sample": problem.samples, "keep": problem.kept}
        | dict.fromkeys(("kind", "index", "time", "value"), events)
        | dict.fromkeys(("absolute", "low", "high", "may_drift"), sizes.states)
    )
