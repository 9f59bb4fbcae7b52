"""Who does the jobs: processes of this machine, a Dask cluster, or Spark. Whoever does them, the files are the same."""

from __future__ import annotations

import multiprocessing
import os
import threading
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait as wait_for
from typing import TYPE_CHECKING, Literal

from carnallite.errors import CarnalliteError
from carnallite.surfaces.screening.jobs import perform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from carnallite.surfaces.screening.jobs import Done, Job

Engine = Literal["local", "dask", "spark"]
PATIENCE = 3  # times in a row that workers may die without finishing anything


class WorkersDie(CarnalliteError):
    """Workers die again and again."""


def local(jobs: Sequence[Job], *, workers: int) -> Iterator[Done]:
    """Do jobs in processes of this machine, and yield what became of each as it is done.

    A worker that dies is replaced, and what it was doing is done again.

    Raises
    ------
    WorkersDie
        They die again and again, and nothing is finished.
    """
    if workers == 1 or len(jobs) == 1:
        yield from map(perform, jobs)
        return
    left = list(jobs)
    deaths = 0
    while left:
        finished: list[Job] = []
        try:
            for job, done in _pool(left, workers):
                finished.append(job)
                yield done
        except BrokenProcessPool:
            deaths = 0 if finished else deaths + 1
            if deaths >= PATIENCE:
                do = "Give it more memory or fewer --workers, then run the same command again."
                raise WorkersDie("workers", "they die before they finish anything.", do) from None
        left = [job for job in left if job not in finished]


def _pool(jobs: Sequence[Job], workers: int) -> Iterator[tuple[Job, Done]]:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # one process for each core is enough
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(workers, len(jobs)), mp_context=context, initializer=_end_with_the_run)
    try:
        running = {pool.submit(perform, job): job for job in jobs}
        while running:
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                yield running.pop(future), future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _end_with_the_run() -> None:
    """See to it that a worker ends when the run is killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_watch, args=(parent.sentinel,), daemon=True).start()


def _watch(sentinel: int) -> None:
    wait_for([sentinel])
    os._exit(1)


ENGINES: dict[str, Callable[..., Iterator[Done]]] = {"local": local}
