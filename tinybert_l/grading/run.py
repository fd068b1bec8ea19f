"""Grade a lecture: find what is to be done, have it done, record what came out."""

import json
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import nbformat
from tqdm.auto import tqdm

from tinybert_l import __version__
from tinybert_l.cache import write_atomically
from tinybert_l.errors import CourseError, InvalidInput
from tinybert_l.exercises.registry import NOTEBOOKS
from tinybert_l.grading.archives import read_plain_file
from tinybert_l.grading.arrivals import Arrival
from tinybert_l.grading.assignment import Assignment, exercise_of, grade_id, is_test
from tinybert_l.grading.course import Course
from tinybert_l.grading.intake import keep_original, submitted_at, with_remark
from tinybert_l.grading.job import Job, Result, program_hash, read_result, write_job
from tinybert_l.grading.outcome import (
    NotProved,
    export,
    feedback,
    fill_worksheet,
    other_programs,
    prove,
    summarise,
)
from tinybert_l.grading.outside.execute import CELL_SECONDS, TEST_SECONDS
from tinybert_l.grading.outside.sandbox import require
from tinybert_l.grading.policy import read_calendar
from tinybert_l.grading.results.audit import Audit, Entry
from tinybert_l.grading.results.book import Book
from tinybert_l.grading.results.grades import CellGrade, Grading
from tinybert_l.grading.results.review import ask_about_new_answers
from tinybert_l.grading.schedule import run_here, run_on_cluster
from tinybert_l.grading.variants import NotReleasedFor, Variants

__all__ = [
    "CellGrade",
    "Grading",
    "NotProved",
    "Options",
    "WrongVersion",
    "export",
    "feedback",
    "fill_worksheet",
    "grade",
    "other_programs",
    "prepare_jobs",
    "prove",
    "summarise",
]

SOURCE_DIGITS = 20  # of the assignment's fingerprint in the name of a work file
NAMES_SHOWN = 5  # students in a message


class WrongVersion(CourseError, RuntimeError):
    """A lecture was released with another version of the library than is to grade it."""


@dataclass(frozen=True)
class Options:
    """Settings of a grading run.

    Args:
        workers: submissions at a time on this machine; None: as many as cores and memory allow.
        scheduler: address of a Dask cluster that does the jobs instead.
        exercise: judge this exercise alone, and leave the points of all others as they are.
        again: grade unchanged submissions too.
        cell_seconds: how long one cell of a submission may take.
        test_seconds: how long one test may take.
    """

    workers: int | None = None
    scheduler: str = ""
    exercise: str = ""
    again: bool = False
    cell_seconds: int = CELL_SECONDS
    test_seconds: int = TEST_SECONDS


def grade(
    course: Course,
    lecture: int,
    students: Iterable[str] | None = None,
    options: Options = Options(),
) -> Grading:
    """Autograde a lecture; write feedback, tables and the report of the class.

    Submissions that have been graded and have not changed are not graded again; a run that was
    killed goes on where it stopped. A submission that cannot be graded is an error, never a zero.

    Args:
        students: whose submissions to grade and return; all who handed in when None.
    Raises:
        SandboxMissing: submissions cannot be isolated here, and the course is not marked unsafe.
        WrongVersion: the lecture was released with another version of the library.
        FileNotFoundError: the lecture was not released.
        CourseBusy: another run is grading this course.
        InvalidInput: `options.exercise` is not in the lecture.
    """
    if not options.scheduler:
        require(course.unsafe)
    chosen = None if students is None else list(students)
    with course.alone():
        run = _Run(course, lecture, options)
        with run.book, tqdm(desc="grade 评分", unit="submission") as bar:
            # looks again after each round, for submissions that came in meanwhile
            while jobs := run.open_jobs(course.students(lecture) if chosen is None else chosen):
                bar.total = (bar.total or 0) + len(jobs)
                bar.refresh()
                for _ in run.do(jobs):
                    bar.update()
            grading = summarise(course, run.book, run.assignment)
    return grading if chosen is None else grading.of(chosen)


_State = tuple[int, ...]  # of a file: changes whenever its content does


def _state_of(path: Path) -> _State:
    """Return what tells a file from the same file at another time; a link is not followed."""
    facts = path.lstat()
    return facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns


@dataclass(frozen=True)
class _OpenJob:
    """A submission that is to be graded.

    Args:
        assignment: with the student's own numbers, where the lecture has such.
        original: the kept bytes of the submission.
    """

    job: Job
    assignment: Assignment
    original: Path


class _Run:
    """One grading run: finds open jobs, does them, records what came out."""

    def __init__(self, course: Course, lecture: int, options: Options) -> None:
        self.course = course
        self.lecture = lecture
        self.options = options
        self.name = NOTEBOOKS[lecture]
        self.calendar = read_calendar(course.folder)
        self.assignment = course.assignment(lecture)
        self.variants = Variants.of(course, lecture)
        self.book = Book(course.database, self.name)
        self.audit = Audit(course.folder)
        self.work = course.folder / "work" / self.name
        self.tried_keys: set[str] = set()  # of jobs; a second try would fail the same way
        self.refused_students: set[str] = set()
        self.looked_at: dict[str, _State] = {}  # by student
        self._check_version()
        self._check_exercise()

    def _check_version(self) -> None:
        released = self.course.released_with(self.lecture)
        if released not in (None, __version__):
            raise WrongVersion(
                f"Lecture {self.lecture} was released with tinybert-l {released}; "
                f"installed is {__version__}. Nothing was graded, and the grades on record stay. "
                "Grade with the version that students have "
                f"(its wheels: tinybert_l-{released}-… and tinybert_l_instructor-{released}-…), "
                f"or release the lecture again (tinybert-l release {self.lecture}). "
                "评分须用发布时的版本。"
            )

    def _check_exercise(self) -> None:
        exercises = list(dict.fromkeys(map(exercise_of, self.assignment.tests())))
        exercise = self.options.exercise
        if exercise and exercise not in exercises:
            raise InvalidInput(
                f"exercise {exercise!r} is not in lecture {self.lecture}; "
                f"allowed: {', '.join(exercises)}."
            )

    def open_jobs(self, students: list[str]) -> list[_OpenJob]:
        """Find what is to be graded now; keep the originals."""
        self.book.set_due(self.calendar.due.get(self.lecture))
        last_entries = self.audit.verdicts(self.name)
        jobs = []
        for student in students:
            path = self.course.submission(student, self.lecture)
            state = _state_of(path)
            if self.looked_at.get(student) == state:
                continue  # nothing has come since this run looked at it
            self.looked_at[student] = state
            try:
                raw = read_plain_file(path)
                assignment = self._assignment_of(student)
            except (InvalidInput, NotReleasedFor) as error:
                # a link or a pipe, which is refused before it is read; no numbers to judge by
                self._refuse(student, str(error))
                continue
            job = self._job(student, raw, last_entries.get(student), assignment)
            if job is None or job.key in self.tried_keys:
                continue
            self.tried_keys.add(job.key)
            when = submitted_at(path.parent)
            if when is None:
                when = datetime.fromtimestamp(path.stat().st_mtime, UTC)
            arrival = Arrival(student, raw, when, origin="submitted")
            arrival = with_remark(arrival, self.variants)
            original, _ = keep_original(self.audit, self.name, arrival)
            jobs.append(_OpenJob(job, assignment, original))
        return jobs

    def _assignment_of(self, student: str) -> Assignment:
        """Return the assignment with a student's own numbers; the common one without such."""
        if self.variants is None:
            return self.assignment
        return self.variants.assignment(self.assignment, student)

    def _refuse(self, student: str, reason: str) -> None:
        if student not in self.refused_students:
            self.refused_students.add(student)
            facts = {"submission": "", "key": "", "reason": reason}
            self.audit.append("error", student=student, assignment=self.name, **facts)

    def _job(
        self, student: str, raw: bytes, last: Entry | None, assignment: Assignment
    ) -> Job | None:
        """Return the job of a submission, or None when it has been done.

        It has been done when the same submission was judged by the same tests. Which program
        judged it does not matter: `other_programs` tells, and `Options.again` grades it anew.

        Args:
            last: the student's last entry in the audit.
            assignment: by which it is judged.
        """
        submission = sha256(raw).hexdigest()
        source = assignment.fingerprint
        exercise = ""  # a submission that was not graded yet is graded whole
        if last is not None and last["event"] == "graded" and last["submission"] == submission:
            if last.get("source") == source and not self.options.again:
                return None
            exercise = self.options.exercise
        return Job(
            student,
            self.name,
            submission,
            source,
            program_hash(),
            exercise,
            self.course.unsafe,
            self.options.cell_seconds,
            self.options.test_seconds,
        )

    def assignment_file(self, open_job: _OpenJob) -> Path:
        """Write the file that all jobs of an assignment share; returns its path."""
        path = self.work / f"assignment-{open_job.job.assignment_sha256[:SOURCE_DIGITS]}.json"
        if not path.is_file():
            write_atomically(path, open_job.assignment.to_json())
        return path

    def write(self, open_job: _OpenJob) -> Path:
        """Write the directory of a job; returns its path."""
        assignment = self.assignment_file(open_job)
        folder = write_job(self.work / "jobs", open_job.job, assignment, open_job.original)
        if self.variants is not None:  # nobody else's job has the same
            assignment.unlink()
        return folder

    def _result_folder(self, job: Job) -> Path:
        return self.work / "results" / job.key

    def do(self, open_jobs: list[_OpenJob]) -> Iterator[None]:
        """Do jobs and record them; yields after each.

        A job that an earlier run has finished is only recorded.
        """
        jobs = []
        tasks = []
        for open_job in open_jobs:
            folder = self._result_folder(open_job.job)
            if self.options.again:
                shutil.rmtree(folder, ignore_errors=True)
            result = read_result(folder)
            if result is not None:
                self._record(result, folder)
                yield
            else:
                jobs.append(open_job.job)
                tasks.append((str(self.write(open_job)), str(folder)))
        for index, failure in self._finished(tasks):
            job = jobs[index]
            self._record_finished(job, failure)
            yield

    def _finished(self, tasks: list[tuple[str, str]]) -> Iterator[tuple[int, str]]:
        """Do tasks; yields the index of each and why the grader failed, or an empty text."""
        if not tasks:
            return iter(())
        if self.options.scheduler:
            return run_on_cluster(tasks, self.options.scheduler)
        return run_here(tasks, self.lecture, self.course.unsafe, self.options.workers)

    def _record_finished(self, job: Job, failure: str) -> None:
        folder = self._result_folder(job)
        result = None
        if not failure:
            result = read_result(folder)
            failure = "the result is not there 缺少评分结果"
        if result is None:
            self.audit.graded(Result(job, error=failure))
        else:
            self._record(result, folder)

    def _record(self, result: Result, folder: Path) -> None:
        """Write a result into the gradebook, the course's files and the audit, in that order.

        Recording a result twice changes nothing, and the audit comes last: a run that is killed in
        between records it again.

        Args:
            folder: the result directory; removed in the end.
        """
        job = result.job
        if result.error:
            self.audit.graded(result)
        else:
            submitted = self.course.submission(job.student, self.lecture).parent
            grades = self.book.record(result, submitted_at(submitted), self.calendar.late)
            remarks = self._ask_about_new_answers(job, folder)
            self._write_notebook(job, folder, submitted)
            page = None
            if not (job.exercise or grades.penalty or grades.has_manual_scores):
                page = (folder / "feedback.html").read_text(encoding="utf-8")
            self.course.write_feedback(job.student, self.lecture, grades, page)
            self.audit.graded(
                replace(result, repairs=[*result.repairs, *remarks]),
                timing=json.loads((folder / "timing.json").read_text(encoding="utf-8")),
                exercise=job.exercise,
                seconds_late=grades.seconds_late,
                late_penalty=grades.penalty,
            )
        shutil.rmtree(self.work / "jobs" / job.key, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)

    def _ask_about_new_answers(self, job: Job, result_folder: Path) -> list[str]:
        """Let a person look where an answer that was marked is another one now; says where."""
        if job.exercise:
            return []
        before = self.course.graded(job.student, self.lecture)
        notebook = (result_folder / "graded.ipynb").read_text(encoding="utf-8")
        return ask_about_new_answers(self.book, job.student, self.assignment, before, notebook)

    def _write_notebook(self, job: Job, result_folder: Path, submitted: Path) -> None:
        """Put the graded notebook, and the time of its submission, where nbgrader looks for them.

        Args:
            submitted: the folder of the submission.
        """
        path = self.course.graded(job.student, self.lecture)
        notebook = (result_folder / "graded.ipynb").read_text(encoding="utf-8")
        if job.exercise:
            notebook = _merged(path, notebook, job.exercise)
        write_atomically(path, notebook)
        timestamp = submitted / "timestamp.txt"
        if timestamp.is_file():
            shutil.copy(timestamp, path.parent)


def _merged(path: Path, new: str, exercise: str) -> str:
    """Put the outputs of one exercise's tests into a notebook that was graded before.

    Args:
        path: of the notebook as graded before.
        new: text of the notebook in which the exercise was judged.
    """
    cells = {grade_id(cell): cell for cell in nbformat.reads(new, as_version=4).cells}
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        name = grade_id(cell)
        if name and name in cells and is_test(cell) and exercise_of(name) == exercise:
            cell.outputs = cells[name].outputs
            cell.source = cells[name].source
    return nbformat.writes(notebook)


def prepare_jobs(course: Course, lecture: int, options: Options = Options()) -> list[Path]:
    """Write the job directories of all open submissions, to be done elsewhere or by hand.

    `run_job` does one of them; `grade` records what it has left in the result directories beside
    them.

    Returns:
        The job directories.
    """
    with course.alone():
        run = _Run(course, lecture, options)
        with run.book:
            return list(map(run.write, run.open_jobs(course.students(lecture))))
