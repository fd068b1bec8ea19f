"""Hand jobs to workers: a pool of processes on this machine, or a Dask cluster."""

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import wait as wait_for

from tinybert_l.errors import CourseError, InvalidInput
from tinybert_l.grading.job import run_job
from tinybert_l.grading.outside.forker import socket_path

MEMORY_A_WORKER = 10**9  # bytes, with the submission's process and its judge
BREAKS_LIMIT = 3  # how often the pool may break without any job done in between
QUEUED_A_WORKER = 3  # jobs
PRELOADED = ["tinybert_l.course.quick_imports", "tinybert_l.grading.schedule"]  # in this order
PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
WORKERS_DIE = "the grader's worker processes die 评分进程反复终止"
Task = tuple[str, str]  # job directory, result directory


class DaskMissing(CourseError, RuntimeError):
    """A cluster was asked for where Dask is not installed."""


def sensible_workers() -> int:
    """Return as many workers as there are cores, or fewer where memory is short."""
    import psutil

    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    return max(1, min(cores, psutil.virtual_memory().available // MEMORY_A_WORKER))


def run_here(
    tasks: list[Task], lecture: int, unsafe: bool, workers: int | None = None
) -> Iterator[tuple[int, str]]:
    """Do tasks on this machine; yields (index, why the grader failed or nothing) as they are done.

    Worker processes share one forking process. A worker that is killed is replaced, its job done
    again.

    Args:
        tasks: jobs of one lecture.
        lecture: its number.
        unsafe: grade without isolation.
        workers: number of worker processes; None: `sensible_workers()`.
    Raises:
        SandboxMissing: submissions cannot be isolated here.
    """
    path = socket_path(lecture, unsafe)
    open_tasks = dict(enumerate(tasks))
    breaks = 0
    while open_tasks:
        count = min(workers or sensible_workers(), len(open_tasks))
        with _pool(count) as pool:
            try:
                for index, failure in _results(pool, open_tasks, path, count):
                    del open_tasks[index]
                    breaks = 0
                    yield index, failure
            except BrokenProcessPool:
                breaks += 1
            except BaseException:  # stopped, or what asks has failed: no job is waited for
                _kill_workers()
                raise
        if breaks == BREAKS_LIMIT:
            for index in open_tasks:
                yield index, WORKERS_DIE
            return


class Workers:
    """Worker processes that live on from one job to the next, for jobs that come one by one.

    Args:
        count: of processes.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._lock = threading.Lock()
        self._processes = _pool(count)

    def run(self, task: Task, lecture: int, unsafe: bool) -> str:
        """Do a job, which may be called from several threads; returns why the grader failed."""
        path = socket_path(lecture, unsafe)
        for _ in range(BREAKS_LIMIT):
            processes = self._processes
            try:
                return processes.submit(run_job, *task, path).result()
            except BrokenProcessPool:
                self._replace(processes)
        return WORKERS_DIE

    def close(self) -> None:
        """End the processes, after the jobs that they are doing."""
        self._processes.shutdown()

    def _replace(self, broken: ProcessPoolExecutor) -> None:
        with self._lock:
            if self._processes is broken:  # or another thread has replaced it
                broken.shutdown(wait=False)
                self._processes = _pool(self.count)


def _pool(count: int) -> ProcessPoolExecutor:
    context = multiprocessing.get_context("spawn" if sys.platform == "win32" else "forkserver")
    if context.get_start_method() == "forkserver":
        context.set_forkserver_preload(PRELOADED)
        _start_fork_server()
    return ProcessPoolExecutor(count, context, initializer=_end_with_parent)


def _start_fork_server() -> None:
    """Start the process that the workers are forked from; Ctrl+C while it imports is not for it."""
    resource_tracker.ensure_running()  # which would let the signal through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _stopped_later() -> Iterator[None]:
    """Let Ctrl+C and SIGTERM wait: a worker that is only half started could not be ended."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = {}
    for number in (signal.SIGINT, signal.SIGTERM):
        before[number] = signal.signal(number, lambda which, _: came.append(which))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])


def _kill_workers() -> None:
    """End the worker processes in the middle of their jobs, which leave no result."""
    for process in multiprocessing.active_children():
        process.kill()


def _results(
    pool: ProcessPoolExecutor, tasks: dict[int, Task], path: str, count: int
) -> Iterator[tuple[int, str]]:
    """Yield results of a pool as they come, a few jobs ahead of each worker.

    A class of thousands is thus not queued at once.

    Args:
        path: of the socket where the forking process listens.
        count: number of workers.
    """
    running: dict[Future[str], int] = {}
    waiting = iter(list(tasks.items()))
    while True:
        with _stopped_later():
            for index, (job, result) in waiting:
                running[pool.submit(run_job, job, result, path)] = index
                if len(running) >= QUEUED_A_WORKER * count:
                    break
        if not running:
            return
        finished, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in finished:
            yield running.pop(future), future.result()


def _end_with_parent() -> None:
    """End this worker, whatever it is doing, when its coordinator is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the coordinator decides
    if sys.platform == "linux":
        # with the fork server, which ends with the coordinator
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_wait_and_exit, args=(parent.sentinel,), daemon=True).start()


def _wait_and_exit(sentinel: int) -> None:
    wait_for([sentinel])
    os._exit(1)


def run_on_cluster(tasks: list[Task], address: str) -> Iterator[tuple[int, str]]:
    """Do tasks on a Dask cluster whose workers see the same folders; yields as `run_here` does.

    Start its workers with one thread each: `dask worker tcp://… --nworkers 8 --nthreads 1`.

    Args:
        address: of the scheduler.
    Raises:
        DaskMissing: Dask is not installed.
    """
    try:
        from distributed import Client, KilledWorker, as_completed
    except ModuleNotFoundError:
        raise DaskMissing("--scheduler needs Dask: pip install 'tinybert-l[cluster]'.") from None

    try:
        client = Client(address, timeout=30)
    except ValueError as error:
        raise InvalidInput(
            f"--scheduler {address!r}: {error}; allowed: an address such as tcp://host:8786."
        ) from None
    with client:
        futures = {}
        for index, task in enumerate(tasks):
            futures[client.submit(run_job, *task, pure=False, retries=2)] = index
        for future in as_completed(futures):
            try:
                yield futures[future], future.result()
            except (KilledWorker, OSError) as error:
                yield futures[future], f"the cluster gave up 集群放弃了该任务: {error}"
