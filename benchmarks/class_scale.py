"""Does a notebook cost more where a class is large, and how quick is what an instructor waits for?

`python benchmarks/class_scale.py [CLASS] [GRADED]` makes the record of a class of CLASS students
(3,000 by default): what they handed in, the audit, the gradebook. It is stopped at the second tenth
and at the last one, where GRADED submissions (a tenth by default) are graded. A tenth is graded in
one run, as a class is when its time is up. Then `course init` and `release`, and two workers beside
one. Counts processor seconds of all processes, for other programs do not change these; only the
workers are compared by the clock. Prints a table and writes outputs/benchmarks/class_scale.json;
with `--record`, also results/benchmarks/.
"""

import json
import multiprocessing
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
from contest import keep, print_rows

from tinybert_l.course import captions
from tinybert_l.course.rows import ClassScaleRow
from tinybert_l.exercises.registry import NOTEBOOKS
from tinybert_l.grading.course import Course
from tinybert_l.grading.outside import forker
from tinybert_l.grading.release import release
from tinybert_l.grading.results.audit import Audit
from tinybert_l.grading.run import Options, grade
from tinybert_l.grading.sample_class import LECTURE, hand_in

ASSIGNMENT = NOTEBOOKS[LECTURE]
TENTHS = 10
TEMPLATE = "s0000"  # the student whose record all others get, with names of their own
COMMAND_ROUNDS = 3


def cpu_seconds() -> float:
    """Return the processor seconds of this process and of all that it has started."""
    total = sum(os.times()[:4])
    for process in psutil.Process().children(recursive=True):
        try:
            total += sum(process.cpu_times()[:4])
        except psutil.Error:  # it has ended; its parent has its seconds
            continue
    return total


def prepared() -> Course:
    """Return a course in which one student handed in a perfect notebook and was graded."""
    course = Course(Path(tempfile.mkdtemp()) / "course")
    hand_in(course, release(course, LECTURE), ["perfect"])
    (course.folder / "submitted" / "perfect").rename(course.folder / "submitted" / TEMPLATE)
    grade(course, LECTURE, options=Options(workers=1))
    return course


def submit(course: Course, numbers: range) -> list[str]:
    """Hand in for so many students; returns their names."""
    students = [f"s{number:04d}" for number in numbers]
    for student in students:
        source = course.folder / "submitted" / TEMPLATE
        shutil.copytree(source, course.folder / "submitted" / student)
    return students


def enlarge(course: Course, numbers: range) -> None:
    """Give students the record that the first one has: files, lines of the audit, grades."""
    students = submit(course, numbers)
    audit = Audit(course.folder)
    of_template = [entry for entry in audit.entries() if entry.get("student") == TEMPLATE]
    kept = next((course.folder / "received" / ASSIGNMENT / TEMPLATE).iterdir())
    for student in students:
        folder = course.folder / "received" / ASSIGNMENT / student
        folder.mkdir()
        shutil.copy(kept, folder)
        for entry in of_template:
            facts = json.loads(json.dumps(entry).replace(TEMPLATE, student))
            facts = {key: facts[key] for key in facts if key not in ("n", "at", "previous")}
            audit.append(facts.pop("event"), **facts)
    with sqlite3.connect(course.database) as book:
        book.row_factory = sqlite3.Row
        for student in students:
            copy_grades(book, student)


def copy_grades(book: sqlite3.Connection, student: str) -> None:
    """Copy the first student's rows in the gradebook for another."""
    submission = book.execute(
        "SELECT * FROM submitted_assignment WHERE student_id = ?", (TEMPLATE,)
    ).fetchone()
    notebook = book.execute(
        "SELECT * FROM submitted_notebook WHERE assignment_id = ?", (submission["id"],)
    ).fetchone()
    insert(book, "student", {"id": student})
    insert(
        book,
        "submitted_assignment",
        {**submission, "id": submission["id"] + student, "student_id": student},
    )
    own = {"id": notebook["id"] + student, "assignment_id": submission["id"] + student}
    insert(book, "submitted_notebook", {**notebook, **own})
    for table in ("grade", "comment"):
        query = f"SELECT * FROM {table} WHERE notebook_id = ?"
        for row in book.execute(query, (notebook["id"],)).fetchall():
            insert(book, table, {**row, "id": row["id"] + student, "notebook_id": own["id"]})


def insert(book: sqlite3.Connection, table: str, values: dict[str, Any]) -> None:
    """Insert one row."""
    names, marks = ", ".join(values), ", ".join("?" * len(values))
    book.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", list(values.values()))


def timed(run: Callable[[], Any], clock: Callable[[], float]) -> float:
    """Return what a run takes by a clock."""
    begin = clock()
    run()
    return clock() - begin


def tenth_seconds(course: Course, first: int, count: int, tenth: int) -> dict[str, float]:
    """Grade so many notebooks of a tenth that begins with a student.

    Returns:
        Seconds of a run that finds nothing new, of a notebook in it, and of a notebook when a tenth
        is graded in one run.
    """

    def run() -> None:
        if grade(course, LECTURE, options=Options(workers=1)).errors:
            sys.exit("a notebook could not be graded")

    idle = timed(run, cpu_seconds)
    submit(course, range(first, first + count))
    own = (timed(run, cpu_seconds) - idle) / count
    return {"idle_run": idle, "own": own, "notebook": own + idle / tenth}


def growth(size: int, count: int) -> dict[str, dict[str, float]]:
    """Compare a notebook of the last tenth with one of the second."""
    course = prepared()
    tenth = size // TENTHS
    grade(course, LECTURE, options=Options(workers=1))  # all is loaded
    enlarge(course, range(1, tenth))
    second = tenth_seconds(course, tenth, count, tenth)
    enlarge(course, range(tenth + count, size - tenth))
    last = tenth_seconds(course, size - tenth, count, tenth)
    shutil.rmtree(course.folder.parent)
    return {"second": second, "last": last}


def two_workers(count: int) -> dict[str, float]:
    """Grade the same notebooks by one worker and by two, by the clock."""
    course = prepared()
    submit(course, range(1, count + 1))
    seconds = []
    for workers in (1, 2):
        options = Options(workers=workers, again=True)

        def run(options: Options = options) -> None:
            grade(course, LECTURE, options=options)

        seconds.append(timed(run, time.perf_counter))
    with multiprocessing.Pool(2) as pool:
        pool.map(busy_loop, range(2), chunksize=1)
        alone = timed(lambda: pool.apply(busy_loop, (0,)), time.perf_counter)
        both = timed(lambda: pool.map(busy_loop, range(2), chunksize=1), time.perf_counter)
    return {
        "one": seconds[0],
        "two": seconds[1],
        "speedup": seconds[0] / seconds[1],
        "machine": 2 * alone / both,
    }


def busy_loop(_: int) -> int:
    """Work that needs a core and nothing else."""
    return sum(number * number % 7 for number in range(5_000_000))


def command_seconds() -> dict[str, float]:
    """Return the processor seconds of `course init` and of `release`, the least of some rounds."""
    seconds: dict[str, float] = {}
    program = [sys.executable, "-m", "tinybert_l.cli"]
    for _ in range(COMMAND_ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            course = Path(folder) / "course"
            for name, words, place in (
                ("course init", ("course", "init", str(course)), folder),
                ("release", ("release", str(LECTURE), "--yes"), str(course)),
            ):
                before = resource.getrusage(resource.RUSAGE_CHILDREN)
                subprocess.run([*program, *words], cwd=place, check=True, capture_output=True)
                after = resource.getrusage(resource.RUSAGE_CHILDREN)
                used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
                seconds[name] = min(used, seconds.get(name, used))
    return seconds


def main() -> None:
    given = [int(word) for word in sys.argv[1:] if word != "--record"]
    size = given[0] if given else 3000
    count = given[1] if len(given) > 1 else size // TENTHS
    if size < 3 * TENTHS or not 1 <= count <= size // TENTHS:
        sys.exit(f"CLASS={size}, GRADED={count}; allowed: 30 or more, and 1 to a tenth of it.")
    commands = command_seconds()
    grown = growth(size, count)
    workers = two_workers(max(8, count // 3))
    forker.close_all()
    row = ClassScaleRow(
        students=size,
        init_seconds=commands["course init"],
        release_seconds=commands["release"],
        second_tenth_seconds=grown["second"]["notebook"],
        last_tenth_seconds=grown["last"]["notebook"],
        growth=grown["last"]["notebook"] / grown["second"]["notebook"],
        two_workers=workers["speedup"],
        two_loops=workers["machine"],
        load_average=os.getloadavg()[0],
    )
    print_rows(captions.benchmark_title("class_scale", {}), [row])
    keep("class_scale", "class_scale", [row], graded=count, tenths=grown, workers=workers)


if __name__ == "__main__":
    main()
