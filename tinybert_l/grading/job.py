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
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from tinybert_l.cache import write_atomically
from tinybert_l.exercises.notebook_files import UnreadableNotebook
from tinybert_l.grading.assignment import Assignment
from tinybert_l.grading.outside.execute import (
    CELL_SECONDS,
    TEST_SECONDS,
    execute,
)
from tinybert_l.grading.outside.forker import socket_path
from tinybert_l.grading.results.feedback import render
from tinybert_l.grading.showing import defuse, show_as_plain_text
from tinybert_l.grading.submission import read_submission, sanitise
from tinybert_l.grading.verdicts import Verdict, fill_in, make_plan, verdicts_of

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


@lru_cache(maxsize=8)  # with own numbers every student has one
def _assignment(text: str) -> Assignment:
    return Assignment.from_json(text)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy(source, target)
