"""Who does the jobs: a pool of processes on this machine, or a Dask cluster."""

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait as wait_for

from tinybert_l.grading.job import run_job
from tinybert_l.grading.outside.forker import door

MEMORY_A_WORKER = 10**9  # bytes, with the submission's process and its judge
BREAKS = 3  # of the pool, without any job done in between
Task = tuple[str, str]  # job directory, result directory


def sensible_workers() -> int:
    """As many as cores, and as memory allows."""
    import psutil

    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    return max(1, min(cores, psutil.virtual_memory().available // MEMORY_A_WORKER))


def run_here(
    tasks: list[Task], lecture: int, unsafe: bool, workers: int | None = None
) -> Iterator[tuple[int, str]]:
    """Do tasks on this machine; yields (index, why the grader failed or nothing) as they are done.

    Worker processes share one forking process. A worker that is killed is replaced, its job done again.

    Raises:
        SandboxMissing: submissions cannot be isolated here.
    """
    way = door(lecture, unsafe)
    context = multiprocessing.get_context("spawn" if sys.platform == "win32" else "forkserver")
    if context.get_start_method() == "forkserver":
        context.set_forkserver_preload(["tinybert_l.grading.schedule"])
    left, breaks = dict(enumerate(tasks)), 0
    while left:
        count = min(workers or sensible_workers(), len(left))
        with ProcessPoolExecutor(count, context, initializer=_end_with_parent) as pool:
            try:
                for index, failure in _done(pool, left, way, count):
                    del left[index]
                    breaks = 0
                    yield index, failure
            except BrokenProcessPool:
                breaks += 1
                if breaks == BREAKS:
                    yield from (
                        (index, "the grader's worker processes die 评分进程反复终止")
                        for index in left
                    )
                    return


def _done(
    pool: ProcessPoolExecutor, tasks: dict[int, Task], way: str, count: int
) -> Iterator[tuple[int, str]]:
    """Keeps a few jobs ahead of each worker, so that a class of thousands is not queued at once."""
    open_: dict[Future[str], int] = {}
    coming = iter(list(tasks.items()))
    while True:
        for index, (job, result) in coming:
            open_[pool.submit(run_job, job, result, way)] = index
            if len(open_) >= 3 * count:
                break
        if not open_:
            return
        finished, _ = wait(open_, return_when=FIRST_COMPLETED)
        for future in finished:
            yield open_.pop(future), future.result()


def _end_with_parent() -> None:
    """A worker whose coordinator was killed ends, whatever it is doing."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the coordinator decides
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(
            1, signal.SIGKILL, 0, 0, 0
        )  # with the fork server, which ends with the coordinator
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(
            target=lambda: (wait_for([parent.sentinel]), os._exit(1)), daemon=True
        ).start()


def run_on_cluster(tasks: list[Task], address: str) -> Iterator[tuple[int, str]]:
    """Do tasks on a Dask cluster whose workers see the same folders; as `run_here`.

    Start its workers with one thread each: `dask worker tcp://… --nworkers 8 --nthreads 1`.
    """
    try:
        from distributed import Client, KilledWorker, as_completed
    except ModuleNotFoundError:
        raise RuntimeError("--scheduler needs Dask: pip install 'tinybert-l[cluster]'.") from None

    with Client(address, timeout=30) as client:
        futures = {
            client.submit(run_job, *task, pure=False, retries=2): i for i, task in enumerate(tasks)
        }
        for future in as_completed(futures):
            try:
                yield futures[future], future.result()
            except (KilledWorker, OSError) as error:
                yield futures[future], f"the cluster gave up 集群放弃了该任务: {error}"
