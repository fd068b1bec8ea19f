"""Stock nbgrader against the trusted grading, one core against two, and whether a large class costs more a notebook.

`python benchmarks/grading.py [NOTEBOOKS] [CLASS]` (default 40 and 3000; `make bench` takes 2 and no class, 0) prints
tables and writes outputs/benchmark-grading.json. All grade the same perfect submission of lecture 3; warm-up counts.

- stock: nbgrader's autograde alone, one kernel, no sandbox, in one process that has already imported everything.
- trusted: intake, sandbox, two processes, gradebook, audit, feedback, tables and report; one core (taskset), then all.
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

NAME, MOST_ROUNDS, TENTHS = NOTEBOOKS[LECTURE], 4, 10


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
    course = kind(Path(tempfile.mkdtemp()))
    hand_in(course, release(course, LECTURE), ["perfect"])
    shutil.move(course.folder / "submitted" / "perfect", course.folder / "perfect")
    return course


def arrive(course: Course, first: int, count: int) -> list[str]:
    students = [f"s{i:04d}" for i in range(first, first + count)]
    for student in students:
        shutil.copytree(course.folder / "perfect", course.folder / "submitted" / student)
    return students


def stock_seconds(course: Course, students: list[str]) -> float:
    begin = time.perf_counter()
    for student in students:
        result = course.api().autograde(NAME, student, force=True, create=True)
        if not result["success"]:
            sys.exit(f"stock nbgrader: {result['log']}")
    return time.perf_counter() - begin


def our_seconds(course: Course, cores: set[int]) -> float:
    """A whole run from nothing: the forking processes are started anew."""
    forker.close_all()
    everything = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        begin = time.perf_counter()
        result = grade(course, LECTURE)
        seconds = time.perf_counter() - begin
    finally:
        os.sched_setaffinity(0, everything)
        forker.close_all()
    if result.errors:
        sys.exit(f"trusted: {result.errors}")
    return seconds


def stages(course: Course) -> dict[str, float]:
    """Mean seconds of each stage of a job, the first of each worker left out."""
    timings: dict[str, list[dict[str, float]]] = {}
    for entry in Audit(course.folder).entries():
        if entry["event"] == "graded":
            timings.setdefault(entry["timing"].pop("worker"), []).append(entry["timing"])
    later = [t for one in timings.values() for t in one[1:]]
    return {stage: mean(t[stage] for t in later) for stage in later[0]}


def spin(_: int) -> int:
    return sum(i * i % 7 for i in range(5_000_000))


def machine_scaling(count: int) -> float:
    """How many times faster this machine does two independent loops at a time: two cores may share a unit."""
    seconds = []
    for processes in (1, count):
        with multiprocessing.Pool(processes) as pool:
            pool.map(spin, range(count), chunksize=1)
            begin = time.perf_counter()
            pool.map(spin, range(2 * count), chunksize=1)
            seconds.append(time.perf_counter() - begin)
    return seconds[0] / seconds[1]


class Memory:
    """The most private memory of one worker, and of one submission's processes, while it watches."""

    def __init__(self) -> None:
        self.most: dict[str, float] = {}
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()

    def watch(self) -> None:
        while not self.done.wait(0.3):
            for process in psutil.Process().children(recursive=True):
                try:
                    words, depth = " ".join(process.cmdline()), len(process.parents())
                    kind = "runner" if "inside.server" in words and "bwrap" not in words else None
                    kind = kind or ("worker" if "forkserver" in words else None)
                    if kind:
                        key = f"{kind} at depth {depth}"
                        self.most[key] = max(
                            self.most.get(key, 0), process.memory_full_info().uss / 2**20
                        )
                except psutil.Error:
                    continue

    def stop(self) -> dict[str, float]:
        self.done.set()
        self.thread.join()
        return {k: round(v) for k, v in sorted(self.most.items())}


def speed_of_graders(count: int) -> dict[str, Any]:
    """Alternating; ours starts from nothing each time, and grades the whole count."""
    cores, rounds = sorted(os.sched_getaffinity(0)), min(MOST_ROUNDS, count)
    ours = {"trusted, one core": set(cores[:1]), f"trusted, {len(cores)} cores": set(cores)}
    seconds: dict[str, list[float]] = {"stock nbgrader": [], **{name: [] for name in ours}}
    stock, each = prepared(StockCourse), count // rounds
    for turn in range(rounds):
        seconds["stock nbgrader"].append(
            stock_seconds(stock, arrive(stock, turn * each, each)) / each
        )
        courses = {name: prepared(Course) for name in ours}
        for name, course in courses.items():
            arrive(course, 0, count)
            seconds[name].append(our_seconds(course, ours[name]) / count)
    base, (one, several) = mean(seconds["stock nbgrader"]), (mean(seconds[name]) for name in ours)
    rows = [
        (n, f"{mean(s):.2f} ± {stdev(s):.2f}", f"{base / mean(s):.1f}") for n, s in seconds.items()
    ]
    headings = ("grader", f"seconds a notebook (mean ± sd of {rounds} rounds)", "times faster")
    console().print(
        rows_table(f"{count} submissions of lecture {LECTURE}, warm-up counted", headings, rows)
    )
    possible = machine_scaling(len(cores))
    console().print(
        f"{len(cores)} cores are {one / several:.2f} times one core; "
        f"independent loops gain {possible:.2f} on this machine."
    )
    parts = stages(courses["trusted, one core"])  # one worker: more have few jobs after their first
    milliseconds = [(k, f"{1000 * v:.0f}") for k, v in parts.items()]
    console().print(rows_table("Stages of a job, one core", ("stage", "ms"), milliseconds))
    return {
        "seconds": seconds,
        "speedup": base / one,
        "scaling": one / several,
        "machine_scaling": possible,
        "stages": parts,
    }


def growing_class(size: int) -> dict[str, Any]:
    """A class handed in and graded a tenth at a time: does a notebook cost more where there are more?"""
    course, memory = prepared(Course), Memory()
    tenth, large = size // TENTHS, []
    for turn in range(TENTHS):
        arrive(course, turn * tenth, tenth)
        begin = time.perf_counter()
        grade(course, LECTURE)
        large.append((time.perf_counter() - begin) / tenth)
    slope = float(np.polyfit(range(1, TENTHS), large[1:], 1)[0] * (TENTHS - 1) / mean(large[1:]))
    rows = [(f"{(i + 1) * tenth}", f"{1000 * s:.0f}") for i, s in enumerate(large)]
    console().print(rows_table("A class that grows", ("students so far", "ms a notebook"), rows))
    console().print(
        f"From the second tenth to the last a notebook's cost changes by {100 * slope:+.0f} %."
    )
    used = memory.stop()
    console().print(
        rows_table(
            "Private memory", ("process", "MB at most"), [(k, str(v)) for k, v in used.items()]
        )
    )
    return {"class_seconds": large, "class_growth": slope, "memory_mb": used}


def main() -> None:
    count, size = (int(a) for a in (*sys.argv[1:3], *("40", "3000")[len(sys.argv) - 1 :]))
    if count < 2 or (size and size < TENTHS):
        sys.exit(
            f"NOTEBOOKS={count}, CLASS={size}; allowed: at least 2, and 0 or at least {TENTHS}."
        )
    record: dict[str, Any] = {"command": f"python benchmarks/grading.py {count} {size}"}
    record |= {
        "notebooks": count,
        "class": size,
        **speed_of_graders(count),
        **(growing_class(size) if size else {}),
    }
    write_atomically(
        Path("outputs/benchmark-grading.json"), json.dumps(record | provenance(), indent=1)
    )


if __name__ == "__main__":
    main()
