"""Where answers are computed: never on the event loop, by workers with a bounded queue, each call with a deadline.

A lane has workers of its own: processes that are started again when they die or take too long, or threads. What finds
a lane full is told so at once.
"""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import os
import queue
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from carnallite.surfaces.service.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

T = TypeVar("T")
RETRY_S = 2  # [s] after which a client may ask again
_START = 60.0  # [s] a new process may take until it is ready


class Busy(Refusal):
    """A lane is full."""

    def __init__(self) -> None:
        do = f"Ask again in {RETRY_S} s."
        super().__init__(503, "throttled", "service", "not evaluated: too many calls.", do, retry_s=RETRY_S)


class Lane:
    """Workers of one kind, and those who wait for them.

    Parameters
    ----------
    workers : int
        How many compute at once.
    waiting : int
        How many calls may wait besides.
    deadline_s : float
        [s] From the beginning of a computation to its end; a process that takes longer is stopped.
    patience_s : float
        [s] That a call waits for a worker at most; by then a client has gone on without the answer.
    processes : bool
        Whether workers are processes; otherwise threads, which cannot be stopped.
    warm : callable, optional
        Is called once in each process before it takes work.
    """

    def __init__(
        self, workers: int, waiting: int, deadline_s: float, *, processes: bool, patience_s: float = _START,
        warm: Callable[[], None] | None = None,
    ) -> None:  # fmt: skip
        self.workers, self.most, self.deadline_s = workers, workers + waiting, deadline_s
        self.patience_s = patience_s
        self.inside = 0  # calls that compute or wait
        self._threads = ThreadPoolExecutor(workers)
        self._idle: queue.SimpleQueue[_Process] | None = queue.SimpleQueue() if processes else None
        self._all = [_Process(warm) for _ in range(workers)] if processes else []
        for one in self._all:
            one.start()
            assert self._idle is not None  # noqa: S101
            self._idle.put(one)

    async def run(self, work: Callable[..., T], *given: Any) -> T:
        """Return what work returns for what is given.

        Raises
        ------
        Busy
            The lane is full.
        Refusal
            503, the worker took too long or died.
        """
        if self.inside >= self.most:
            raise Busy
        self.inside += 1
        try:
            entered = time.monotonic()
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._do, entered, work, *given)
        finally:
            self.inside -= 1

    def _do(self, entered: float, work: Callable[..., T], *given: Any) -> T:
        if time.monotonic() - entered > self.patience_s:
            raise Busy
        if self._idle is None:
            return work(*given)
        process = self._idle.get()
        try:
            found: T = process.call(work, given, self.deadline_s)
            return found
        finally:
            self._idle.put(process)

    def is_ready(self) -> bool:
        """Return whether every worker can take work."""
        return all(one.is_alive() for one in self._all)

    def close(self) -> None:
        """Stop the workers, after what they are at."""
        self._threads.shutdown(wait=True)
        for one in self._all:
            one.stop()


class _Process:
    """A process that does one thing after the other."""

    def __init__(self, warm: Callable[[], None] | None) -> None:
        self._warm = warm
        self._process: BaseProcess | None = None
        self._line: Connection | None = None

    def start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._line, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, self._warm), daemon=True)
        self._process.start()
        theirs.close()
        self._is_warm = False

    def is_alive(self) -> bool:
        return self._process is not None and self._process.is_alive()

    def call(self, work: Callable[..., T], given: tuple[Any, ...], deadline_s: float) -> T:
        if not self.is_alive():
            self.start()
        line = self._line
        assert line is not None  # noqa: S101
        try:
            self._wait(line)
            line.send((work, given))
            if not line.poll(deadline_s):
                self._again()
                what = f"not evaluated: it took longer than {deadline_s:g} s."
                raise Refusal(503, "timeout", "service", what, "Ask again, or ask for less.", retry_s=RETRY_S)
            is_well, found = line.recv()
        except (EOFError, OSError):
            self._again()
            what = "not evaluated: the computation ended unexpectedly."
            raise Refusal(503, "transient", "service", what, "Ask again.", retry_s=RETRY_S) from None
        if not is_well:
            raise Refusal(500, "exception", "service", f"not evaluated: {found}.", "Tell who runs the service.")
        return found  # type: ignore[no-any-return]

    def _wait(self, line: Connection) -> None:
        if not self._is_warm:
            if not line.poll(_START):
                raise EOFError
            line.recv()
            self._is_warm = True

    def _again(self) -> None:
        self.stop()
        self.start()

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
        if self._line is not None:
            self._line.close()


def _serve(line: Connection, warm: Callable[[], None] | None) -> None:
    """Do what is sent, one after the other, until nobody sends any more."""
    import signal  # noqa: PLC0415

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started us ends us
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if warm is not None:
        warm()
    gc.collect()
    gc.freeze()  # what stays for ever is not looked through again and again
    line.send("ready")
    while True:
        try:
            work, given = line.recv()
        except (EOFError, OSError):
            return
        try:
            answer = (True, work(*given))
        except Exception as error:
            answer = (False, f"{type(error).__name__}")
        line.send(answer)


def cores() -> int:
    """Return how many processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
