"""One submission: a job directory in, a result directory out. The same on this machine, on a cluster, anywhere.

A job directory holds `job.json`, `assignment.json` and the submission's bytes; a result directory `result.json` (the
verdicts), `graded.ipynb`, `feedback.html` and `timing.json`. A result directory is whole or absent.
"""

import hashlib
import json
import os
import shutil
import socket
import time
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from tinybert_l.cache import write_atomically
from tinybert_l.grading.assignment import (
    NOT_REACHED,
    Assignment,
    UnreadableSubmission,
    defuse,
    exercise_of,
    is_test,
    read_submission,
    sanitise,
)
from tinybert_l.grading.outside.execute import CELL_SECONDS, TEST_SECONDS, Outcome, Plan, execute
from tinybert_l.grading.outside.forker import door
from tinybert_l.grading.results.feedback import render

FORMAT = 1
TRIES = 2


@dataclass(frozen=True)
class Job:
    """What is to be done.

    Args:
        student: whose submission it is, as the intake says.
        submission: sha256 of its bytes.
        assignment: `Assignment.fingerprint`.
        exercise: judge only this one's tests; all when empty.
        program: `program_hash()` of whoever asked.
    """

    student: str
    name: str
    submission: str
    assignment: str
    program: str
    exercise: str = ""
    unsafe: bool = False
    cell_seconds: int = CELL_SECONDS
    test_seconds: int = TEST_SECONDS
    format: int = FORMAT

    @property
    def key(self) -> str:
        """Changes with everything that the result depends on."""
        return hashlib.sha256(json.dumps(vars(self), sort_keys=True).encode()).hexdigest()[:20]


@dataclass(frozen=True)
class Verdict:
    """What one graded cell earned: points, or None where a person has to decide."""

    cell: str
    points: float | None
    max_points: float
    reason: str = ""
    answered: bool = True


@dataclass(frozen=True)
class Result:
    """What came out of a job. `error`: why it could not be graded; then there are no verdicts."""

    job: Job
    verdicts: list[Verdict] = field(default_factory=list)
    repairs: list[str] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    error: str = ""

    def to_json(self) -> str:
        tree = {**vars(self), "job": vars(self.job), "verdicts": [vars(v) for v in self.verdicts]}
        return json.dumps(tree, indent=1, sort_keys=True, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "Result":
        tree = json.loads(text)
        tree |= {"job": Job(**tree["job"]), "verdicts": [Verdict(**v) for v in tree["verdicts"]]}
        return cls(**tree)


@cache
def program_hash() -> str:
    """Of the library and the grading, so that a result says what made it."""
    folder = Path(__file__).resolve().parents[1]
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:20]


def write_job(folder: Path, job: Job, assignment: Path, submission: Path) -> Path:
    """Make a job directory, whole or not at all; returns it.

    Args:
        folder: where job directories lie.
        assignment: a file with `Assignment.to_json()`.
        submission: the original. Both are linked where the file system can, else copied.
    """
    target = folder / job.key
    if target.is_dir():
        return target
    work = folder / f".{job.key}.{os.getpid()}"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        for source, name in ((submission, "submission.ipynb"), (assignment, "assignment.json")):
            try:
                os.link(source, work / name)
            except OSError:
                shutil.copy(source, work / name)
        write_atomically(work / "job.json", json.dumps(vars(job), indent=1))
        os.replace(work, target)
    except OSError:
        shutil.rmtree(work, ignore_errors=True)
        raise
    return target


def read_result(folder: Path) -> Result | None:
    """A finished result, or None."""
    try:
        return Result.from_json((folder / "result.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None


def run_job(job_folder: str, result_folder: str, way: str | None = None) -> str:
    """Do a job; the result directory appears when it is whole. Returns why the grader failed, or nothing.

    A failure of the grader itself (not of the submission) is tried again once, and leaves no result.

    Args:
        way: the door of a forking process; this process's own when None.
    """
    source, target = Path(job_folder), Path(result_folder)
    failure = ""
    for _ in range(TRIES):
        if (target / "result.json").is_file():
            return ""
        work = target.with_name(f".{target.name}.{socket.gethostname()}.{os.getpid()}")
        shutil.rmtree(work, ignore_errors=True)
        try:
            work.mkdir(parents=True)
            _do(source, work, way)
            os.replace(work, target)
            return ""
        except Exception as error:
            failure = f"the grader failed 评分程序出错: {type(error).__name__}: {str(error)[:300]}"
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return "" if (target / "result.json").is_file() else failure


def _do(source: Path, work: Path, way: str | None) -> None:
    clock = _Clock()
    job = Job(**json.loads((source / "job.json").read_text(encoding="utf-8")))
    assignment = _assignment((source / "assignment.json").read_text(encoding="utf-8"))
    if job.program != program_hash():
        raise RuntimeError("this worker has another version of the library than the one that asked")
    try:
        nb, repairs = read_submission(
            (source / "submission.ipynb").read_bytes(), f"{job.name}.ipynb"
        )
    except UnreadableSubmission as error:
        write_atomically(work / "result.json", Result(job, error=str(error)).to_json())
        return
    repairs += sanitise(nb, assignment)
    plan, cells, tests = make_plan(nb, assignment, job.exercise)
    clock("read")
    outcome = execute(
        plan, way or door(assignment.lecture, job.unsafe), job.cell_seconds, job.test_seconds
    )
    clock("execute and judge")
    fill_in(outcome, cells, tests)
    verdicts = verdicts_of(nb, assignment, job.exercise)
    defuse(nb, assignment)
    notebook = nbformat.writes(nb)
    write_atomically(work / "graded.ipynb", notebook)
    clock("write")
    feedback = render(nb, job.name, {v.cell: v.points or 0.0 for v in verdicts})
    write_atomically(work / "feedback.html", feedback)
    clock("feedback")
    files = {"graded.ipynb": _sha(notebook), "feedback.html": _sha(feedback)}
    write_atomically(work / "result.json", Result(job, verdicts, repairs, files).to_json())
    write_atomically(
        work / "timing.json",
        json.dumps(clock.seconds | {"worker": f"{socket.gethostname()}:{os.getpid()}"}),
    )


class _Clock:
    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.last = time.perf_counter()

    def __call__(self, stage: str) -> None:
        now = time.perf_counter()
        self.seconds[stage], self.last = now - self.last, now


@cache
def _assignment(text: str) -> Assignment:
    return Assignment.from_json(text)


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def make_plan(
    nb: NotebookNode, assignment: Assignment, exercise: str = ""
) -> tuple[Plan, list[NotebookNode], list[NotebookNode]]:
    """What to run of a sanitised submission, and the cells and tests that stand for it.

    Args:
        exercise: only this one's tests; all when empty.
    """
    setup = [c for c in assignment.cells if c.locked and c.cell_type == "code" and not c.grade]
    known = {c.name: c for c in assignment.cells}
    ids = [c.metadata.get("nbgrader", {}).get("grade_id") for c in nb.cells]
    tests, cells = [], []
    for name, cell in zip(ids, nb.cells, strict=True):
        if is_test(cell):
            if not exercise or exercise_of(name) == exercise:
                tests.append(cell)
        elif (
            cell.cell_type == "code"
            and cell.source not in assignment.demos
            and known.get(name) not in setup
        ):
            cells.append(cell)
    plan = Plan(
        assignment.lecture,
        tuple(c.source for c in setup),
        tuple(c.source for c in cells),
        tuple(known[c.metadata.nbgrader.grade_id].source for c in tests),
    )
    return plan, cells, tests


def fill_in(outcome: Outcome, cells: list[NotebookNode], tests: list[NotebookNode]) -> None:
    """Write an outcome into the notebook's cells."""
    for cell, reply in zip(cells, outcome.cells, strict=True):
        _write(cell, reply)
    for cell, error in zip(tests, outcome.tests, strict=True):
        _write(cell, {"output": "", "error": error})


def _write(cell: NotebookNode, reply: dict[str, Any]) -> None:
    cell.execution_count, cell.outputs = 1, []
    if reply["output"]:
        cell.outputs.append(NotebookNode(output_type="stream", name="stdout", text=reply["output"]))
    if reply["error"] is not None:
        error = reply["error"]
        ename, evalue = str(error.get("ename"))[:100], str(error.get("evalue"))[:4000]
        lines = [str(line)[:2000] for line in error.get("traceback") or []][:30] or [
            f"{ename}: {evalue}"
        ]
        cell.outputs.append(
            NotebookNode(output_type="error", ename=ename, evalue=evalue, traceback=lines)
        )


def verdicts_of(nb: NotebookNode, assignment: Assignment, exercise: str = "") -> list[Verdict]:
    """What each graded cell earned, in the assignment's order. A test that was not run earns nothing.

    Args:
        exercise: only this one's test cells.
    """
    from nbgrader.utils import compute_checksum

    found = {c.metadata.nbgrader.grade_id: c for c in nb.cells if "nbgrader" in c.metadata}
    errors = {name: first_error(cell) for name, cell in found.items()}
    verdicts = []
    for known in assignment.cells:
        cell = found.get(known.name)
        if exercise and not (known.is_test and exercise_of(known.name) == exercise):
            continue
        if known.is_test:
            assert cell is not None
            reached = cell.execution_count is not None
            reason = "" if reached else NOT_REACHED
            if errors[known.name]:  # where the answer's own cell failed, that is the reason
                reason = errors.get(exercise_of(known.name)) or errors[known.name]
            verdicts.append(
                Verdict(known.name, 0.0 if reason else known.points, known.points, reason)
            )
        elif known.grade or known.task or known.solution:
            answered = cell is not None and compute_checksum(cell) != known.checksum
            points = None if (answered or known.task) else 0.0
            verdicts.append(Verdict(known.name, points, known.points, "", answered))
    return verdicts


def first_error(cell: NotebookNode) -> str:
    """The first line of a cell's error, or nothing."""
    for output in cell.get("outputs", []):
        if output.output_type == "error":
            lines = [line for line in output.evalue.splitlines() if line.strip()]
            return f"{output.ename}: {lines[0]}" if lines else output.ename
    return ""
