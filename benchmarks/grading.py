"""Compare stock nbgrader with the trusted grading.

`python benchmarks/grading.py [NOTEBOOKS] [CLASS]` measures one core against all, and whether a
large class costs more a notebook. NOTEBOOKS is 40 and CLASS 3000 by default; `make bench` takes 2
and no class, 0. Prints tables and writes outputs/benchmark-grading.json. All grade the same perfect
submission of lecture 3; warm-up counts.

- stock: nbgrader's autograde alone, one kernel, no sandbox, in a process that has imported all.
- trusted: intake, sandbox, two processes, gradebook, audit, feedback, tables and report; on one
  core (taskset), then on all.
"""

import json
import multiprocessing
import os
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
import psutil
from traitlets.config import Config

from tinybert_l.cache import provenance, write_atomically
from tinybert_l.course.tables import console, rows_table
from tinybert_l.exercises.registry import NOTEBOOKS
from tinybert_l.grading.course import Course
from tinybert_l.grading.outside import forker
from tinybert_l.grading.release import release
from tinybert_l.grading.results.audit import Audit
from tinybert_l.grading.run import grade
from tinybert_l.grading.sample_class import LECTURE, hand_in

ASSIGNMENT = NOTEBOOKS[LECTURE]
MOST_ROUNDS = 4
TENTHS = 10


class StockCourse(Course):
    """The same course with nbgrader's own Execute: one kernel, no sandbox."""

    def config(self) -> Config:
        config = super().config()
        config.Autograde.pop("sanitize_preprocessors", None)
        config.Autograde.pop("autograde_preprocessors", None)
        config.Execute.timeout = 120
        config.Execute.skip_cells_with_tag = "demo"
        return config


def prepared(kind: type[Course]) -> Course:
    """A course with a released lecture, and a perfect submission aside to be copied."""
    course = kind(Path(tempfile.mkdtemp()))
    hand_in(course, release(course, LECTURE), ["perfect"])
    shutil.move(course.folder / "submitted" / "perfect", course.folder / "perfect")
    return course


def submit(course: Course, first: int, count: int) -> list[str]:
    """Hand in the perfect submission for so many students; returns their names."""
    students = [f"s{number:04d}" for number in range(first, first + count)]
    for student in students:
        shutil.copytree(course.folder / "perfect", course.folder / "submitted" / student)
    return students


def stock_seconds(course: Course, students: list[str]) -> float:
    """Grade by nbgrader alone, and return the seconds."""
    begin = time.perf_counter()
    for student in students:
        result = course.api().autograde(ASSIGNMENT, student, force=True, create=True)
        if not result["success"]:
            sys.exit(f"stock nbgrader: {result['log']}")
    return time.perf_counter() - begin


def trusted_seconds(course: Course, cores: set[int]) -> float:
    """Grade by the trusted grading, and return the seconds; forking processes start anew."""
    forker.close_all()
    all_cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        begin = time.perf_counter()
        result = grade(course, LECTURE)
        seconds = time.perf_counter() - begin
    finally:
        os.sched_setaffinity(0, all_cores)
        forker.close_all()
    if result.errors:
        sys.exit(f"trusted: {result.errors}")
    return seconds


def mean_stage_seconds(course: Course) -> dict[str, float]:
    """Mean seconds of each stage of a job; the first job of each worker is left out."""
    by_worker: dict[str, list[dict[str, float]]] = {}
    for entry in Audit(course.folder).entries():
        if entry["event"] == "graded":
            worker = entry["timing"].pop("worker")
            by_worker.setdefault(worker, []).append(entry["timing"])
    timings: list[dict[str, float]] = []
    for worker_timings in by_worker.values():
        timings += worker_timings[1:]
    return {stage: mean(timing[stage] for timing in timings) for stage in timings[0]}


def busy_loop(_: int) -> int:
    """Work that needs a core and nothing else."""
    return sum(number * number % 7 for number in range(5_000_000))


def machine_scaling(count: int) -> float:
    """How many times faster this machine does `count` independent loops at a time than one.

    Two cores may share a unit, so that this is less than their number.
    """
    seconds = []
    for processes in (1, count):
        with multiprocessing.Pool(processes) as pool:
            pool.map(busy_loop, range(count), chunksize=1)
            begin = time.perf_counter()
            pool.map(busy_loop, range(2 * count), chunksize=1)
            seconds.append(time.perf_counter() - begin)
    return seconds[0] / seconds[1]


class MemoryWatch:
    """Watches the most private memory of a worker, and of a submission's processes."""

    def __init__(self) -> None:
        self.megabytes: dict[str, float] = {}
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()

    def watch(self) -> None:
        while not self.done.wait(0.3):
            for process in psutil.Process().children(recursive=True):
                try:
                    self.note(process)
                except psutil.Error:  # the process has ended
                    continue

    def note(self, process: psutil.Process) -> None:
        """Keep a process's private memory where it is the most of its kind."""
        command = " ".join(process.cmdline())
        if "inside.server" in command and "bwrap" not in command:
            kind = "runner"
        elif "forkserver" in command:
            kind = "worker"
        else:
            return
        name = f"{kind} at depth {len(process.parents())}"
        megabytes = process.memory_full_info().uss / 2**20
        self.megabytes[name] = max(self.megabytes.get(name, 0), megabytes)

    def stop(self) -> dict[str, float]:
        """Stop watching; return whole megabytes by kind and depth of process."""
        self.done.set()
        self.thread.join()
        return {name: round(value) for name, value in sorted(self.megabytes.items())}


def seconds_by_grader(
    count: int, rounds: int, cores: dict[str, set[int]]
) -> tuple[dict[str, list[float]], dict[str, Course]]:
    """Time the graders in turns; the trusted grading starts from nothing in each round.

    Args:
        count: notebooks that the trusted grading grades in each round.
        rounds: nbgrader grades an equal share of the notebooks in each.
        cores: the cores of the trusted grading, by the name of the grader.
    Returns:
        Seconds a notebook of each grader in each round, and the courses of the last round.
    """
    courses: dict[str, Course] = {}
    seconds: dict[str, list[float]] = {"stock nbgrader": [], **{name: [] for name in cores}}
    stock = prepared(StockCourse)
    share = count // rounds
    for number in range(rounds):
        students = submit(stock, number * share, share)
        seconds["stock nbgrader"].append(stock_seconds(stock, students) / share)
        for name, used in cores.items():
            courses[name] = prepared(Course)
            submit(courses[name], 0, count)
            seconds[name].append(trusted_seconds(courses[name], used) / count)
    return seconds, courses


def speed_of_graders(count: int) -> dict[str, Any]:
    """Compare the graders, and print the comparison."""
    all_cores = sorted(os.sched_getaffinity(0))
    one_core_name = "trusted, one core"
    all_cores_name = f"trusted, {len(all_cores)} cores"
    cores = {one_core_name: set(all_cores[:1]), all_cores_name: set(all_cores)}
    rounds = min(MOST_ROUNDS, count)
    seconds, courses = seconds_by_grader(count, rounds, cores)
    stock = mean(seconds["stock nbgrader"])
    rows = []
    for name, values in seconds.items():
        spread = f"{mean(values):.2f} ± {stdev(values):.2f}"
        rows.append((name, spread, f"{stock / mean(values):.1f}"))
    headings = ("grader", f"seconds a notebook (mean ± sd of {rounds} rounds)", "times faster")
    title = f"{count} submissions of lecture {LECTURE}, warm-up counted"
    console().print(rows_table(title, headings, rows))
    scaling = mean(seconds[one_core_name]) / mean(seconds[all_cores_name])
    possible = machine_scaling(len(all_cores))
    console().print(
        f"{len(all_cores)} cores are {scaling:.2f} times one core; "
        f"independent loops gain {possible:.2f} on this machine."
    )
    # on one core there is one worker; several workers have few jobs after their first
    stages = mean_stage_seconds(courses[one_core_name])
    milliseconds = [(stage, f"{1000 * value:.0f}") for stage, value in stages.items()]
    console().print(rows_table("Stages of a job, one core", ("stage", "ms"), milliseconds))
    return {
        "seconds": seconds,
        "speedup": stock / mean(seconds[one_core_name]),
        "scaling": scaling,
        "machine_scaling": possible,
        "stages": stages,
    }


def growing_class(size: int) -> dict[str, Any]:
    """Grade a class a tenth at a time: does a notebook cost more where there are more?"""
    course = prepared(Course)
    watch = MemoryWatch()
    tenth = size // TENTHS
    seconds, rows = [], []
    for number in range(TENTHS):
        submit(course, number * tenth, tenth)
        begin = time.perf_counter()
        grade(course, LECTURE)
        seconds.append((time.perf_counter() - begin) / tenth)
        rows.append((f"{(number + 1) * tenth}", f"{1000 * seconds[-1]:.0f}"))
    slope = np.polyfit(range(1, TENTHS), seconds[1:], 1)[0]
    growth = float(slope * (TENTHS - 1) / mean(seconds[1:]))
    console().print(rows_table("A class that grows", ("students so far", "ms a notebook"), rows))
    console().print(
        f"From the second tenth to the last a notebook's cost changes by {100 * growth:+.0f} %."
    )
    memory = watch.stop()
    lines = [(name, str(megabytes)) for name, megabytes in memory.items()]
    console().print(rows_table("Private memory", ("process", "MB at most"), lines))
    return {"class_seconds": seconds, "class_growth": growth, "memory_mb": memory}


def main() -> None:
    arguments = [*sys.argv[1:3], *("40", "3000")[len(sys.argv) - 1 :]]
    count, size = map(int, arguments)
    if count < 2 or (size and size < TENTHS):
        sys.exit(
            f"NOTEBOOKS={count}, CLASS={size}; allowed: at least 2, and 0 or at least {TENTHS}."
        )
    record: dict[str, Any] = {"command": f"python benchmarks/grading.py {count} {size}"}
    record |= {"notebooks": count, "class": size}
    record |= speed_of_graders(count)
    if size:
        record |= growing_class(size)
    path = Path("outputs/benchmark-grading.json")
    write_atomically(path, json.dumps(record | provenance(), indent=1))


if __name__ == "__main__":
    main()
