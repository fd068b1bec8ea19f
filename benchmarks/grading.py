"""Stock nbgrader against the trusted grading, one core against two, and whether a large class costs more a notebook.

`python benchmarks/grading.py [NOTEBOOKS] [CLASS]` (default 40 and 3000; `make bench` takes 8 and 60) prints tables and
writes outputs/benchmark-grading.json. All grade the same perfect submission of lecture 3; warm-up is counted.

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

import numpy as np
import psutil

from tinybert_l.cache import provenance, write_atomically
from tinybert_l.exercise import NOTEBOOKS
from tinybert_l.grading import forker
from tinybert_l.grading.audit import Audit
from tinybert_l.grading.course import Course, grade
from tinybert_l.grading.release import release
from tinybert_l.grading.sample_class import LECTURE, hand_in
from tinybert_l.tables import console, rows_table

NAME, ROUNDS = NOTEBOOKS[LECTURE], 4


class StockCourse(Course):
    """The same course with nbgrader's own Execute: one kernel, no sandbox."""

    def config(self):
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
                    kind = "runner" if "/runner.py" in words and "bwrap" not in words else None
                    kind = kind or ("worker" if "forkserver" in words else None)
                    if kind:
                        key = f"{kind} at depth {depth}"
                        self.most[key] = max(self.most.get(key, 0), process.memory_full_info().uss / 2**20)
                except psutil.Error:
                    continue

    def stop(self) -> dict[str, float]:
        self.done.set()
        self.thread.join()
        return {k: round(v) for k, v in sorted(self.most.items())}


def main() -> None:
    count, size = (int(a) for a in (*sys.argv[1:3], *("40", "3000")[len(sys.argv) - 1 :]))
    cores = sorted(os.sched_getaffinity(0))
    seconds: dict[str, list[float]] = {
        "stock nbgrader": [],
        "trusted, one core": [],
        f"trusted, {len(cores)} cores": [],
    }
    one, two = set(cores[:1]), set(cores)
    stock = prepared(StockCourse)
    each = max(1, count // ROUNDS)
    for turn in range(ROUNDS):  # alternating; ours starts from nothing each time, and grades the whole count
        seconds["stock nbgrader"].append(stock_seconds(stock, arrive(stock, turn * each, each)) / each)
        for name, chosen in (("trusted, one core", one), (f"trusted, {len(cores)} cores", two)):
            course = prepared(Course)
            arrive(course, 0, count)
            seconds[name].append(our_seconds(course, chosen) / count)
    base = mean(seconds["stock nbgrader"])
    rows = [(n, f"{mean(s):.2f} ± {stdev(s):.2f}", f"{base / mean(s):.1f}") for n, s in seconds.items()]
    headings = ("grader", "seconds a notebook (mean ± sd of 4 rounds)", "times faster")
    console().print(rows_table(f"{count} submissions of lecture {LECTURE}, warm-up counted", headings, rows))
    scaling = mean(seconds["trusted, one core"]) / mean(seconds[f"trusted, {len(cores)} cores"])
    possible = machine_scaling(len(cores))
    console().print(
        f"{len(cores)} cores are {scaling:.2f} times one core; independent loops gain {possible:.2f} on this machine."
    )
    parts = stages(course)
    console().print(rows_table("Stages of a job", ("stage", "ms"), [(k, f"{1000 * v:.0f}") for k, v in parts.items()]))

    course, memory = prepared(Course), Memory()
    tenth, large = max(1, size // 10), []
    for turn in range(10):
        arrive(course, turn * tenth, tenth)
        begin = time.perf_counter()
        grade(course, LECTURE)
        large.append((time.perf_counter() - begin) / tenth)
    slope = float(np.polyfit(range(1, 10), large[1:], 1)[0] * 9 / mean(large[1:]))
    rows = [(f"{(i + 1) * tenth}", f"{1000 * s:.0f}") for i, s in enumerate(large)]
    console().print(rows_table("A class that grows", ("students so far", "ms a notebook"), rows))
    console().print(f"From the second tenth to the last a notebook's cost changes by {100 * slope:+.0f} %.")
    used = memory.stop()
    console().print(rows_table("Private memory", ("process", "MB at most"), [(k, str(v)) for k, v in used.items()]))
    record = {"notebooks": count, "seconds": seconds, "speedup": base / mean(seconds["trusted, one core"])}
    record |= {"command": f"python benchmarks/grading.py {count} {size}"}
    record |= {
        "scaling": scaling,
        "machine_scaling": possible,
        "stages": parts,
        "class": size,
        "class_seconds": large,
        "class_growth": slope,
    }
    write_atomically(
        Path("outputs/benchmark-grading.json"), json.dumps(record | {"memory_mb": used, **provenance()}, indent=1)
    )


if __name__ == "__main__":
    main()
