"""Stock nbgrader against the trusted grading: seconds a notebook, alternating, in one run.

`python benchmarks/grading.py [NOTEBOOKS]` (default 8) prints a table, and writes outputs/benchmark-grading.json.
Both autograde the same perfect submissions of lecture 3, one at a time, without feedback; warm-up is counted.
"""

import json
import shutil
import sys
import tempfile
import time
from pathlib import Path
from statistics import mean, stdev

from tinybert_l.cache import provenance, write_atomically
from tinybert_l.exercise import NOTEBOOKS
from tinybert_l.grading.course import Course
from tinybert_l.grading.release import release
from tinybert_l.grading.sample_class import LECTURE, hand_in
from tinybert_l.tables import console, rows_table


class StockCourse(Course):
    """The same course with nbgrader's own Execute: one kernel, no sandbox."""

    def config(self):
        config = super().config()
        config.Autograde.pop("sanitize_preprocessors", None)
        config.Autograde.pop("autograde_preprocessors", None)
        config.Execute.timeout = 120
        config.Execute.skip_cells_with_tag = "demo"
        return config


def prepared(kind: type[Course], count: int) -> Course:
    course = kind(Path(tempfile.mkdtemp()))
    hand_in(course, release(course, LECTURE), ["perfect"])
    first = course.submission("perfect", LECTURE).parent
    for i in range(count):
        shutil.copytree(first, course.folder / "submitted" / f"s{i:03d}" / NOTEBOOKS[LECTURE])
    return course


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 8
    courses = {"stock nbgrader": prepared(StockCourse, count), "trusted": prepared(Course, count)}
    seconds: dict[str, list[float]] = {name: [] for name in courses}
    for i in range(count):
        for name, course in courses.items():
            begin = time.perf_counter()
            result = course.api().autograde(NOTEBOOKS[LECTURE], f"s{i:03d}", force=True, create=True)
            seconds[name].append(time.perf_counter() - begin)
            if not result["success"]:
                sys.exit(f"{name}: {result['log']}")
    base = mean(seconds["stock nbgrader"])
    rows = [(n, f"{mean(s):.2f} ± {stdev(s):.2f}", f"{s[0]:.2f}", f"{base / mean(s):.1f}") for n, s in seconds.items()]
    headings = ("grader", "seconds a notebook (mean ± sd)", "first (with warm-up)", "times faster")
    console().print(rows_table(f"{count} submissions of lecture {LECTURE}, one at a time", headings, rows))
    record = {"seconds": seconds, "speedup": base / mean(seconds["trusted"]), **provenance()}
    write_atomically(Path("outputs/benchmark-grading.json"), json.dumps(record, indent=1))


if __name__ == "__main__":
    main()
