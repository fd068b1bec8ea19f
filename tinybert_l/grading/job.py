"""Grade one submission: a job directory in, a result directory out, on this machine or elsewhere.

A job directory holds `job.json`, `assignment.json` and `submission.ipynb`, the submission's bytes.
A result directory holds `result.json` (the verdicts), `graded.ipynb`, `feedback.html` and
`timing.json`. A result directory is whole or absent.
"""

import copy
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
from tinybert_l.exercises.notebook_files import UnreadableNotebook
from tinybert_l.grading.assignment import NOT_REACHED, Assignment, exercise_of, is_test
from tinybert_l.grading.outside.execute import (
    CELL_SECONDS,
    TEST_SECONDS,
    CellReply,
    Outcome,
    Plan,
    execute,
)
from tinybert_l.grading.outside.forker import socket_path
from tinybert_l.grading.results.feedback import render
from tinybert_l.grading.showing import defuse, show_as_plain_text
from tinybert_l.grading.submission import needs_person, read_submission, sanitise

FORMAT = 1
TRIES = 2
# In files these three fields keep the names that they have had since format 1.
KEYS_IN_FILES = {
    "assignment_name": "name",
    "assignment_sha256": "assignment",
    "library_sha256": "program",
}


@dataclass(frozen=True)
class Job:
    """One submission that is to be graded.

    Args:
        student: whose submission it is, as the intake says.
        assignment_name: the notebook's name.
        submission: SHA-256 of the submission's bytes.
        assignment_sha256: `Assignment.fingerprint`.
        library_sha256: `program_hash()` of whoever wrote the job.
        exercise: judge the tests of this exercise alone; all tests when empty.
        unsafe: grade without isolation.
        cell_seconds: how long one cell of the submission may take.
        test_seconds: how long one test may take.
        format: of the files.
    """

    student: str
    assignment_name: str
    submission: str
    assignment_sha256: str
    library_sha256: str
    exercise: str = ""
    unsafe: bool = False
    cell_seconds: int = CELL_SECONDS
    test_seconds: int = TEST_SECONDS
    format: int = FORMAT

    @property
    def key(self) -> str:
        """A hash of 20 digits that changes with everything that the result depends on."""
        text = json.dumps(self.to_tree(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:20]

    def to_tree(self) -> dict[str, Any]:
        """Return the fields as a file has them."""
        tree = {}
        for name, value in vars(self).items():
            tree[KEYS_IN_FILES.get(name, name)] = value
        return tree

    @classmethod
    def from_tree(cls, tree: dict[str, Any]) -> "Job":
        """Return the job of a file's fields; the inverse of `to_tree`."""
        fields = dict(tree)
        for name, key in KEYS_IN_FILES.items():
            fields[name] = fields.pop(key)
        return cls(**fields)


@dataclass(frozen=True)
class Verdict:
    """What one graded cell earned.

    Args:
        cell: its `grade_id`.
        points: None where a person has to decide.
        max_points: what it can earn.
        reason: why points are missing, in one line.
        answered: whether the student changed the cell; always true of a test.
    """

    cell: str
    points: float | None
    max_points: float
    reason: str = ""
    answered: bool = True


@dataclass(frozen=True)
class Result:
    """What came out of a job.

    Args:
        job: the job.
        verdicts: of all graded cells, in the assignment's order.
        repairs: what had to be put right in the submission.
        files: SHA-256 of the other files of the result directory, by name.
        error: why the submission could not be graded; then there are no verdicts.
    """

    job: Job
    verdicts: list[Verdict] = field(default_factory=list)
    repairs: list[str] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    error: str = ""

    def to_json(self) -> str:
        """Return the text of `result.json`."""
        verdicts = list(map(vars, self.verdicts))
        tree = {**vars(self), "job": self.job.to_tree(), "verdicts": verdicts}
        return json.dumps(tree, indent=1, sort_keys=True, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "Result":
        """Return the result of a `result.json`; the inverse of `to_json`."""
        tree = json.loads(text)
        tree["job"] = Job.from_tree(tree["job"])
        tree["verdicts"] = [Verdict(**verdict) for verdict in tree["verdicts"]]
        return cls(**tree)


@cache
def program_hash() -> str:
    """SHA-256 (20 digits) of all library sources; stored with each result."""
    folder = Path(__file__).resolve().parents[1]
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:20]


def write_job(folder: Path, job: Job, assignment: Path, submission: Path) -> Path:
    """Make a job directory, whole or not at all, and return it.

    Args:
        folder: where job directories lie.
        job: what `job.json` says.
        assignment: a file with `Assignment.to_json()`.
        submission: the original. Both files are linked where the file system can, else copied.
    """
    target = folder / job.key
    if target.is_dir():
        return target
    work = folder / f".{job.key}.{os.getpid()}"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        _link_or_copy(submission, work / "submission.ipynb")
        _link_or_copy(assignment, work / "assignment.json")
        write_atomically(work / "job.json", json.dumps(job.to_tree(), indent=1))
        os.replace(work, target)
    except OSError:
        shutil.rmtree(work, ignore_errors=True)
        raise
    return target


def read_result(folder: Path) -> Result | None:
    """Return the result in a directory; None when the job is not finished."""
    try:
        return Result.from_json((folder / "result.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None


def run_job(job_folder: str, result_folder: str, socket_path: str | None = None) -> str:
    """Grade a submission; the result directory appears when it is whole.

    A failure of the grader itself (not of the submission) is tried again once, and leaves no
    result.

    Args:
        job_folder: a job directory.
        result_folder: the result directory.
        socket_path: where a forking process listens; None: start one in this process.
    Returns:
        Why the grader failed, or an empty text.
    """
    source = Path(job_folder)
    target = Path(result_folder)
    failure = ""
    for _ in range(TRIES):
        if (target / "result.json").is_file():
            return ""
        work = target.with_name(f".{target.name}.{socket.gethostname()}.{os.getpid()}")
        shutil.rmtree(work, ignore_errors=True)
        try:
            work.mkdir(parents=True)
            _grade(source, work, socket_path)
            os.replace(work, target)
            return ""
        except Exception as error:
            failure = f"the grader failed 评分程序出错: {type(error).__name__}: {str(error)[:300]}"
        finally:
            shutil.rmtree(work, ignore_errors=True)
    if (target / "result.json").is_file():  # of another worker, meanwhile
        return ""
    return failure


def _grade(source: Path, work: Path, path: str | None) -> None:
    """Grade the submission of a job directory; write all files of a result directory."""
    stopwatch = _Stopwatch()
    job = Job.from_tree(json.loads((source / "job.json").read_text(encoding="utf-8")))
    assignment = _assignment((source / "assignment.json").read_text(encoding="utf-8"))
    if job.library_sha256 != program_hash():
        raise RuntimeError("this worker has another version of the library than the one that asked")
    submission = (source / "submission.ipynb").read_bytes()
    try:
        nb, repairs = read_submission(submission, f"{job.assignment_name}.ipynb")
    except UnreadableNotebook as error:
        write_atomically(work / "result.json", Result(job, error=str(error)).to_json())
        return
    repairs += sanitise(nb, assignment)
    plan, cells, tests = make_plan(nb, assignment, job.exercise)
    stopwatch.note("read")
    path = path or socket_path(assignment.lecture, job.unsafe)
    outcome = execute(plan, path, job.cell_seconds, job.test_seconds)
    stopwatch.note("execute and judge")
    fill_in(outcome, cells, tests)
    verdicts = verdicts_of(nb, assignment, job.exercise)
    defuse(nb, assignment)
    notebook = nbformat.writes(nb)
    write_atomically(work / "graded.ipynb", notebook)
    stopwatch.note("write")
    points = {verdict.cell: verdict.points for verdict in verdicts}
    feedback = _rendered(nb, assignment, points)
    write_atomically(work / "feedback.html", feedback)
    stopwatch.note("feedback")
    files = {"graded.ipynb": _sha256(notebook), "feedback.html": _sha256(feedback)}
    write_atomically(work / "result.json", Result(job, verdicts, repairs, files).to_json())
    worker = f"{socket.gethostname()}:{os.getpid()}"
    write_atomically(work / "timing.json", json.dumps({**stopwatch.seconds, "worker": worker}))


def _rendered(nb: NotebookNode, assignment: Assignment, points: dict[str, float | None]) -> str:
    """Return the feedback's page; with the student's texts as typed where rendering fails."""
    try:
        return render(nb, assignment.name, points)
    except Exception:  # whatever a student's text has done to the renderer is no fault of grading
        plain = copy.deepcopy(nb)
        show_as_plain_text(plain, assignment)
        return render(plain, assignment.name, points)


class _Stopwatch:
    """Notes how long each stage took, in seconds."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.last = time.perf_counter()

    def note(self, stage: str) -> None:
        """Note the time since the stage before ended."""
        now = time.perf_counter()
        self.seconds[stage] = now - self.last
        self.last = now


@cache
def _assignment(text: str) -> Assignment:
    return Assignment.from_json(text)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy(source, target)


def make_plan(
    nb: NotebookNode, assignment: Assignment, exercise: str = ""
) -> tuple[Plan, list[NotebookNode], list[NotebookNode]]:
    """Decide which cells of a sanitised submission to run.

    Args:
        nb: the submission.
        assignment: of the submission.
        exercise: run the tests of this exercise alone; all tests when empty.
    Returns:
        The plan, and the notebook's cells that stand for the plan's cells and for its tests.
    """
    setup = []
    known = {}
    for cell in assignment.cells:
        known[cell.name] = cell
        if cell.locked and cell.cell_type == "code" and not cell.grade:
            setup.append(cell)
    tests = []
    cells = []
    for cell in nb.cells:
        name = _grade_id(cell)
        if is_test(cell):
            if not exercise or exercise_of(name) == exercise:
                tests.append(cell)
            continue
        runs = cell.cell_type == "code" and not assignment.is_demo(cell.source)
        if runs and known.get(name) not in setup:
            cells.append(cell)
    plan = Plan(
        assignment.lecture,
        tuple(cell.source for cell in setup),
        tuple(cell.source for cell in cells),
        tuple(known[_grade_id(cell)].source for cell in tests),
    )
    return plan, cells, tests


def fill_in(outcome: Outcome, cells: list[NotebookNode], tests: list[NotebookNode]) -> None:
    """Write an outcome into the notebook's cells.

    Args:
        outcome: of the plan.
        cells: those of the plan (see `make_plan`).
        tests: likewise.
    """
    for cell, reply in zip(cells, outcome.cells, strict=True):
        _write_outputs(cell, reply)
    for cell, error in zip(tests, outcome.tests, strict=True):
        _write_outputs(cell, {"output": "", "error": error})


def _write_outputs(cell: NotebookNode, reply: CellReply) -> None:
    cell.execution_count = 1
    cell.outputs = []
    if reply["output"]:
        cell.outputs.append(NotebookNode(output_type="stream", name="stdout", text=reply["output"]))
    error = reply["error"]
    if error is None:
        return
    name = error["ename"]
    text = error["evalue"]
    lines = error["traceback"] or [f"{name}: {text}"]
    cell.outputs.append(NotebookNode(output_type="error", ename=name, evalue=text, traceback=lines))


def verdicts_of(nb: NotebookNode, assignment: Assignment, exercise: str = "") -> list[Verdict]:
    """Return what each graded cell earned, in the assignment's order.

    A test that was not run earns nothing.

    Args:
        nb: the submission, with the outcome filled in.
        assignment: of the submission.
        exercise: return the verdicts on this exercise's tests alone; all when empty.
    """
    from nbgrader.utils import compute_checksum

    cells = {}
    errors = {}
    for cell in nb.cells:
        if "nbgrader" in cell.metadata:
            name = cell.metadata.nbgrader.grade_id
            cells[name] = cell
            errors[name] = first_error(cell)
    verdicts = []
    for known in assignment.cells:
        cell = cells.get(known.name)
        if exercise and not (known.is_test and exercise_of(known.name) == exercise):
            continue
        if known.is_test:
            assert cell is not None
            reason = "" if cell.execution_count is not None else NOT_REACHED
            if errors[known.name]:  # where the answer's own cell failed, that is the reason
                reason = errors.get(exercise_of(known.name)) or errors[known.name]
            points = 0.0 if reason else known.points
            verdicts.append(Verdict(known.name, points, known.points, reason))
        elif known.grade or known.task or known.solution:
            doubt = needs_person(cell) if cell is not None else ""
            answered = cell is not None and compute_checksum(cell) != known.checksum
            answered = answered or bool(doubt)
            if answered or known.task:  # a person decides
                verdicts.append(Verdict(known.name, None, known.points, doubt, answered))
            else:
                verdicts.append(Verdict(known.name, 0.0, known.points, "", answered))
    return verdicts


def first_error(cell: NotebookNode) -> str:
    """Return the first line of a cell's error; an empty text when it has none."""
    for output in cell.get("outputs", []):
        if output.output_type == "error":
            lines = [line for line in output.evalue.splitlines() if line.strip()]
            return f"{output.ename}: {lines[0]}" if lines else output.ename
    return ""


def _grade_id(cell: NotebookNode) -> str:
    """Return a cell's name in the gradebook; an empty text when it has none."""
    return cell.metadata.get("nbgrader", {}).get("grade_id") or ""
