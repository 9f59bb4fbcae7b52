"""Who does the jobs: processes of this machine, a Dask cluster, or Spark. Whoever does them, the files are the same.

Workers on other machines see the source, the folder of the run and the library under the same paths.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import pickle
import sys
import threading
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from importlib import import_module
from multiprocessing.connection import wait as wait_for
from typing import TYPE_CHECKING

from carnallite.errors import CarnalliteError, ExtraMissing
from carnallite.surfaces.screening.jobs import perform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from types import ModuleType

    import pyarrow as pa

    from carnallite.surfaces.screening.jobs import Done, Job

    Work = Callable[[Sequence[Job]], Iterator[Done]]

PATIENCE = 3  # times in a row that workers may die without finishing anything


class WorkersDie(CarnalliteError):
    """Workers die again and again."""


@contextmanager
def local(workers: int, address: str = "") -> Iterator[Work]:
    """Have jobs done by processes of this machine; a worker that dies is replaced, and its job is done again."""
    del address
    if workers == 1:
        yield lambda jobs: map(perform, jobs)
        return
    pools = _Pools(workers)
    try:
        yield pools.work
    finally:
        pools.end()


class _Pools:
    """The processes of a run, begun when there is something to do."""

    def __init__(self, workers: int) -> None:
        os.environ.setdefault("OMP_NUM_THREADS", "1")  # one process for each core is enough
        self.workers = workers
        self.pool: ProcessPoolExecutor | None = None

    def work(self, jobs: Sequence[Job]) -> Iterator[Done]:
        """Do jobs, and yield what became of each as it is done.

        Raises
        ------
        WorkersDie
            They die again and again, and nothing is finished.
        """
        left, deaths = dict(enumerate(jobs)), 0
        while left:
            before = len(left)
            try:
                for number, done in self._done(left):
                    del left[number]
                    yield done
            except BrokenProcessPool:
                self.end()
                deaths = deaths + 1 if len(left) == before else 0
                if deaths >= PATIENCE:
                    do = "Give it more memory or fewer --workers, then run the same command again."
                    raise WorkersDie("workers", "they die before they finish anything.", do) from None

    def _done(self, jobs: dict[int, Job]) -> Iterator[tuple[int, Done]]:
        if self.pool is None:
            context = multiprocessing.get_context("spawn")
            self.pool = ProcessPoolExecutor(self.workers, mp_context=context, initializer=_end_with_the_run)
        running = {self.pool.submit(perform, job): number for number, job in jobs.items()}
        while running:
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                yield running.pop(future), future.result()

    def end(self) -> None:
        """Let go of the processes."""
        if self.pool is not None:
            self.pool.shutdown(wait=True, cancel_futures=True)
            self.pool = None


def _end_with_the_run() -> None:
    """See to it that a worker ends when the run is killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_watch, args=(parent.sentinel,), daemon=True).start()


def _watch(sentinel: int) -> None:
    wait_for([sentinel])
    os._exit(1)


@contextmanager
def dask(workers: int, address: str = "") -> Iterator[Work]:
    """Have jobs done by a Dask cluster: that of an address, or one of this machine with so many workers.

    Raises
    ------
    ExtraMissing
        Dask is not installed.
    """
    distributed = _extra("dask.distributed", "dask")
    quiet = {"dashboard_address": None, "silence_logs": logging.CRITICAL}
    mine = None if address else distributed.LocalCluster(n_workers=workers, threads_per_worker=1, **quiet)
    try:
        with distributed.Client(address or mine) as client:

            def work(jobs: Sequence[Job]) -> Iterator[Done]:
                tasks = client.map(perform, list(jobs), pure=False, retries=PATIENCE)
                try:
                    for task in distributed.as_completed(tasks):
                        yield task.result()
                except distributed.KilledWorker:
                    do = "Give the workers more memory, then run the same command again."
                    raise WorkersDie("workers", "one job outlives none of them.", do) from None

            yield work
    finally:
        if mine is not None:
            mine.close()


@contextmanager
def spark(workers: int, address: str = "") -> Iterator[Work]:
    """Have jobs done by Spark, each as a partition of its own: on a master, or by so many threads of this machine.

    Raises
    ------
    ExtraMissing
        Spark is not installed.
    """
    sql = _extra("pyspark.sql", "spark")
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    tries = PATIENCE + 1  # with one only, the death of a worker would end the run
    session = (
        sql.SparkSession.builder.master(address or f"local[{workers},{tries}]").appName("carnallite screen")
        .config("spark.task.maxFailures", tries).config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false").getOrCreate()
    )  # fmt: skip

    def work(jobs: Sequence[Job]) -> Iterator[Done]:
        rows = [(bytearray(pickle.dumps(job)),) for job in jobs]
        frame = session.sparkContext.parallelize(rows, max(len(rows), 1)).toDF("told binary")
        for row in frame.mapInArrow(_performed, "told binary").collect():
            yield pickle.loads(row.told)  # noqa: S301  (what our own workers wrote)

    try:
        yield work
    finally:
        session.stop()


def _performed(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Do the jobs of a partition."""
    import pyarrow  # noqa: PLC0415  (on a worker)

    for batch in batches:
        done = [pickle.dumps(perform(pickle.loads(told))) for told in batch.column(0).to_pylist()]  # noqa: S301  (ours)
        yield pyarrow.RecordBatch.from_arrays([pyarrow.array(done, pyarrow.binary())], ["told"])


def _extra(module: str, name: str) -> ModuleType:
    try:
        return import_module(module)
    except ImportError:
        do = f"Run: pip install 'carnallite[{name}]'"
        raise ExtraMissing(f"--engine {name}", "it is not installed.", do) from None


ENGINES: dict[str, Callable[[int, str], AbstractContextManager[Work]]] = {"local": local, "dask": dask, "spark": spark}
