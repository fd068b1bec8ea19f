"""Grading runs of a course: grade, prove, prepare jobs, export, write feedback anew."""

import hashlib
import json
import shutil
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nbformat
from sqlalchemy.exc import SAWarning
from tqdm.auto import tqdm

from tinybert_l import __version__
from tinybert_l.cache import write_atomically
from tinybert_l.course.fonts import FONT
from tinybert_l.exercises.registry import NOTEBOOKS
from tinybert_l.grading.archives import read_plain_file
from tinybert_l.grading.assignment import Assignment, exercise_of, is_test
from tinybert_l.grading.course import Course
from tinybert_l.grading.intake import Arrival, keep_original, submitted_at
from tinybert_l.grading.job import Job, Result, program_hash, read_result, write_job
from tinybert_l.grading.outside.execute import CELL_SECONDS, TEST_SECONDS
from tinybert_l.grading.outside.sandbox import require
from tinybert_l.grading.policy import read_calendar
from tinybert_l.grading.results import audit as audit_module
from tinybert_l.grading.results import lms, report
from tinybert_l.grading.results.audit import Audit
from tinybert_l.grading.results.book import Book
from tinybert_l.grading.schedule import run_here, run_on_cluster

warnings.filterwarnings("ignore", category=SAWarning)  # nbgrader's own, of no use to its users


@dataclass(frozen=True)
class CellGrade:
    """One auto-graded cell of one submission."""

    student: str
    exercise: str
    cell: str
    points: float
    max_points: float
    reason: str


@dataclass(frozen=True)
class Grading:
    """The outcome of a grading run: grades, and the submissions that could not be graded, with reasons."""

    grades: list[CellGrade]
    errors: dict[str, str]


class WrongVersion(RuntimeError):
    """A lecture was released with another version of the library than is to grade it."""


class NotProved(RuntimeError):
    """Grades that are not to be exported; says why."""


@dataclass(frozen=True)
class Options:
    """How to grade.

    Args:
        workers: submissions at a time on this machine; as many as cores and memory allow when None.
        scheduler: address of a Dask cluster that does the jobs instead.
        exercise: judge this one alone, and leave the points of all others as they are.
        again: also what has been graded already.
        cell_seconds, test_seconds: how long a cell of a submission, and one test, may take.
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
    """Autograde, write feedback, tables and the report of the class.

    What has been graded and has not changed is not graded again; a run that was killed goes on where it stopped. A
    submission that cannot be graded is an error, never a zero.

    Raises:
        SandboxMissing: submissions cannot be isolated here, and the course is not marked unsafe.
        WrongVersion: the lecture was released with another version of the library.
        FileNotFoundError: the lecture was not released.
        CourseBusy: another run is grading this course.
    """
    if not options.scheduler:
        require(course.unsafe)
    chosen = None if students is None else list(students)
    with course.alone():
        run = _Run(course, lecture, options)
        with run.book, tqdm(desc="grade 评分", unit="submission") as bar:
            while jobs := run.open_jobs(course.students(lecture) if chosen is None else chosen):
                bar.total = (bar.total or 0) + len(jobs)
                bar.refresh()
                for _ in run.do(jobs):  # and once more, for what came in meanwhile
                    bar.update()
            return summarise(course, lecture, run.book, run.assignment, chosen)


class _Run:
    """One grading run: which jobs are open, doing them, recording what came out."""

    def __init__(self, course: Course, lecture: int, options: Options) -> None:
        self.course, self.lecture, self.options = course, lecture, options
        self.name = NOTEBOOKS[lecture]
        self.calendar = read_calendar(course.folder)
        self.assignment = course.assignment(lecture)
        needed = course.released_with(lecture)
        if needed not in (None, __version__):
            raise WrongVersion(
                f"Lecture {lecture} was released with tinybert-l {needed}; installed is {__version__}. Grade with the "
                f"version that students have (pip install tinybert-l-instructor=={needed}), or release it again. "
                "评分须用发布时的版本。"
            )
        self.book = Book(course.database, self.name)
        self.audit = Audit(course.folder)
        self.work = course.folder / "work" / self.name
        self.tried: set[str] = set()
        if options.exercise and options.exercise not in {
            exercise_of(t) for t in self.assignment.tests()
        }:
            known = ", ".join(dict.fromkeys(exercise_of(t) for t in self.assignment.tests()))
            raise ValueError(
                f"exercise {options.exercise!r} is not in lecture {lecture}; allowed: {known}."
            )

    def open_jobs(self, students: list[str]) -> list[tuple[Job, Path]]:
        """What is to be graded now, with the originals."""
        self.book.set_due(self.calendar.due.get(self.lecture))
        graded = self.audit.verdicts(self.name)
        jobs = []
        for student in students:
            path = self.course.submission(student, self.lecture)
            try:
                raw = read_plain_file(path)
            except ValueError as error:  # a link, a pipe: refused before it is read
                self._refuse(student, str(error))
                continue
            job = self._job(student, raw, graded.get(student))
            if job is None or job.key in self.tried:
                continue
            self.tried.add(job.key)
            when = submitted_at(path.parent) or datetime.fromtimestamp(path.stat().st_mtime, UTC)
            original, _ = keep_original(
                self.audit, self.name, Arrival(student, raw, when, "submitted")
            )
            jobs.append((job, original))
        return jobs

    def _refuse(self, student: str, reason: str) -> None:
        if student not in self.tried:
            self.tried.add(student)
            self.audit.append(
                "error", student=student, assignment=self.name, submission="", key="", reason=reason
            )

    def _job(self, student: str, raw: bytes, last: dict[str, Any] | None) -> Job | None:
        """None when it has been done: the same submission, judged by the same tests."""
        o, submission = self.options, hashlib.sha256(raw).hexdigest()
        graded = last is not None and last["event"] == "graded" and last["submission"] == submission
        job = Job(
            student, self.name, submission, self.assignment.fingerprint, program_hash(),
            o.exercise if graded else "",  # whoever was not graded yet is graded whole
            self.course.unsafe, o.cell_seconds, o.test_seconds,
        )  # fmt: skip
        done = graded and last is not None and last.get("source") == self.assignment.fingerprint
        return None if done and not o.again else job

    def assignment_file(self) -> Path:
        """What all jobs of the assignment share."""
        path = self.work / f"assignment-{self.assignment.fingerprint[:20]}.json"
        if not path.is_file():
            write_atomically(path, self.assignment.to_json())
        return path

    def do(self, jobs: list[tuple[Job, Path]]) -> Iterator[None]:
        """Do and record them; what an earlier run has finished is only recorded."""
        source = self.assignment_file()
        open_ = []
        for job, original in jobs:
            if self.options.again:
                shutil.rmtree(self.work / "results" / job.key, ignore_errors=True)
            result = self.work / "results" / job.key
            if (result / "result.json").is_file():
                self._record(job, result)
                yield
            else:
                open_.append((job, write_job(self.work / "jobs", job, source, original), result))
        tasks = [(str(folder), str(result)) for _, folder, result in open_]
        if not tasks:
            return
        if self.options.scheduler:
            finished = run_on_cluster(tasks, self.options.scheduler)
        else:
            finished = run_here(tasks, self.lecture, self.course.unsafe, self.options.workers)
        for index, failure in finished:
            job, _, place = open_[index]
            if failure:
                self.audit.graded(Result(job, error=failure))
            else:
                self._record(job, place)
            yield

    def _record(self, job: Job, folder: Path) -> None:
        """Gradebook, files, audit, in that order: recording twice does no harm, and the audit comes last."""
        result = read_result(folder)
        assert result is not None
        if result.error:
            self.audit.graded(result)
        else:
            submitted = self.course.submission(job.student, self.lecture).parent
            told = self.book.record(result, submitted_at(submitted), self.calendar.late)
            notebook = (folder / "graded.ipynb").read_text(encoding="utf-8")
            page = None
            if job.exercise:
                notebook = self._merged(job, notebook)
            elif not (told["penalty"] or told["manual"]):
                page = (folder / "feedback.html").read_text(encoding="utf-8")
            write_atomically(self.course.graded(job.student, self.lecture), notebook)
            if (submitted / "timestamp.txt").is_file():
                shutil.copy(
                    submitted / "timestamp.txt",
                    self.course.graded(job.student, self.lecture).parent,
                )
            self.course.write_feedback(job.student, self.lecture, told, page)
            timing = json.loads((folder / "timing.json").read_text(encoding="utf-8"))
            late = {"seconds_late": told["seconds_late"], "late_penalty": told["penalty"]}
            self.audit.graded(result, timing=timing, exercise=job.exercise, **late)
        shutil.rmtree(self.work / "jobs" / job.key, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)

    def _merged(self, job: Job, notebook: str) -> str:
        """The notebook as graded before, with the outputs of this exercise's tests."""
        before = nbformat.read(self.course.graded(job.student, self.lecture), as_version=4)
        new = {
            c.metadata.get("nbgrader", {}).get("grade_id"): c
            for c in nbformat.reads(notebook, as_version=4).cells
        }
        for cell in before.cells:
            name = cell.metadata.get("nbgrader", {}).get("grade_id")
            if name in new and is_test(cell) and exercise_of(name) == job.exercise:
                cell.outputs, cell.source = new[name].outputs, new[name].source
        return nbformat.writes(before)


def summarise(
    course: Course,
    lecture: int,
    book: Book,
    assignment: Assignment,
    students: Iterable[str] | None = None,
) -> Grading:
    """Grades on record; writes grades.csv (a row for each student and cell), gradebook.csv and the report."""
    points: dict[str, dict[str, CellGrade]] = {}
    errors: dict[str, str] = {}
    for entry in Audit(course.folder).entries():
        if entry.get("assignment") != assignment.name:
            continue
        student = entry.get("student", "")
        if entry["event"] == "error":
            errors[student] = entry["reason"]
        elif entry["event"] == "graded":
            errors.pop(student, None)
            for v in entry["verdicts"]:
                grade_ = CellGrade(
                    student,
                    exercise_of(v["cell"]),
                    v["cell"],
                    v["points"] or 0.0,
                    v["max"],
                    v["reason"],
                )
                points.setdefault(student, {})[v["cell"]] = grade_
    tests = assignment.tests()
    grades = [
        points[s][t] for s in sorted(points) if s not in errors for t in tests if t in points[s]
    ]
    rows: list[dict[str, Any]] = [vars(g) for g in grades]
    rows += [
        {"student": s, "reason": f"NOT GRADED: {reason}"} for s, reason in sorted(errors.items())
    ]
    write_atomically(course.folder / "grades.csv", lms.to_csv(rows))
    write_atomically(
        course.folder / "gradebook.csv", lms.table(book.totals(), assignment.name, "csv")
    )
    write_atomically(
        course.folder / f"report-{assignment.name}.html",
        report.page(assignment.name, grades, errors, FONT.name),
    )
    if not (course.folder / FONT.name).is_file():
        shutil.copy(FONT, course.folder / FONT.name)
    if students is not None:
        wanted = list(students)
        grades = [g for s in wanted for g in grades if g.student == s]
        errors = {s: errors[s] for s in wanted if s in errors}
    return Grading(grades, errors)


def prove(course: Course, lecture: int) -> list[str]:
    """What keeps a lecture's grades from being believed (see `audit.prove`)."""
    name = NOTEBOOKS[lecture]
    waiting = {}
    for student in course.students(lecture):
        try:
            waiting[student] = hashlib.sha256(
                read_plain_file(course.submission(student, lecture))
            ).hexdigest()
        except ValueError:
            waiting[student] = ""
    with Book(course.database, name) as book:
        return audit_module.prove(Audit(course.folder), name, book.automatic(), waiting)


def prepare_jobs(course: Course, lecture: int, options: Options = Options()) -> list[Path]:
    """Write the job directories of all open submissions and do none: for Slurm, Kubernetes, or by hand.

    `grade` takes what `run_job` has left in the result directories beside them.
    """
    with course.alone():
        run = _Run(course, lecture, options)
        with run.book:
            source = run.assignment_file()
            return [
                write_job(run.work / "jobs", job, source, original)
                for job, original in run.open_jobs(course.students(lecture))
            ]


def export(
    course: Course,
    lecture: int,
    kind: str,
    title: str = "",
    without: Iterable[str] = (),
    provisional: bool = False,
) -> str:
    """Grades as CSV for an LMS.

    Args:
        kind: one of `lms.FORMATS`.
        without: students who are left out on purpose, graded or not.
        provisional: although answers are still to be graded by hand.
    Raises:
        NotProved: a submission is not graded, or the gradebook is not what was recorded; says which.
    """
    name, left_out = NOTEBOOKS[lecture], set(without)
    problems = [p for p in prove(course, lecture) if p.partition(":")[0] not in left_out]
    with Book(course.database, name) as book:
        rows = [row for row in book.totals() if row["student"] not in left_out]
    by_hand = [row["student"] for row in rows if row["to_grade_by_hand"]]
    if by_hand and not provisional:
        problems.append(
            f"to be graded by hand: {len(by_hand)} students ({', '.join(by_hand[:5])} …); "
            "Formgrader shows their answers; --provisional exports all the same 仍有手动评分题待评"
        )
    if problems:
        raise NotProved("Nothing was exported 未导出:\n" + "\n".join(problems))
    Audit(course.folder).append(
        "exported", assignment=name, format=kind, students=len(rows), without=sorted(left_out)
    )
    return lms.table(rows, title or name, kind)


def feedback(course: Course, lecture: int) -> int:
    """Write everybody's feedback anew, with the scores and comments that people gave; returns how many."""
    calendar, count = read_calendar(course.folder), 0
    with course.alone(), Book(course.database, NOTEBOOKS[lecture]) as book:
        for student in tqdm(course.students(lecture), desc="feedback 反馈", unit="page"):
            if course.graded(student, lecture).is_file():
                course.write_feedback(student, lecture, book.settle(student, calendar.late))
                count += 1
    return count
