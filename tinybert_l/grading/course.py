"""A course directory and what nbgrader does in it: release, autograde, feedback, export."""

import logging
import os
import re
import sys
import warnings
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from sqlalchemy.exc import SAWarning
from tqdm.auto import tqdm
from traitlets.config import Config, PyFileConfigLoader

from tinybert_l.cache import write_atomically
from tinybert_l.exercise import NOTEBOOKS
from tinybert_l.grading.execute import demo_sources, execute, make_plan, ready, sanitise
from tinybert_l.grading.sandbox import require

SUBMISSION_LIMIT = 20 * 10**6  # bytes
CHECKOUT = Path(__file__).resolve().parents[2]
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


@dataclass(frozen=True)
class Course:
    """Where sources are read and where releases, submissions, grades and feedback are kept.

    Args:
        folder: release/, submitted/, autograded/, feedback/ and gradebook.db lie here.
        unsafe: grade without isolation, for submissions that are trusted.
    """

    folder: Path
    sources: Path = CHECKOUT / "notebooks"
    solutions: Path = CHECKOUT / "solutions"
    unsafe: bool = False

    def config(self) -> Config:
        """The checkout's nbgrader_config.py, with this course's folders."""
        config = PyFileConfigLoader("nbgrader_config.py", path=str(CHECKOUT)).load_config()
        folder = self.folder.resolve()
        config.CourseDirectory.root = str(folder)
        config.CourseDirectory.source_directory = str(self.sources.resolve())
        for step in ("release", "submitted", "autograded", "feedback"):
            config.CourseDirectory[f"{step}_directory"] = str(folder / step)
        config.CourseDirectory.db_url = f"sqlite:///{(folder / 'gradebook.db').as_posix()}"
        config.Exchange.root = str(folder / "exchange")
        config.NbGrader.logfile = ""
        config.TrustedExecute.unsafe = self.unsafe
        return config

    def api(self) -> Any:
        from nbgrader.apps import NbGraderAPI
        from nbgrader.coursedir import CourseDirectory

        (self.folder / "exchange").mkdir(parents=True, exist_ok=True)
        _find_alembic()
        config = self.config()
        logger = logging.getLogger("tinybert_l.nbgrader")
        logger.setLevel(logging.ERROR)
        return NbGraderAPI(CourseDirectory(config=config, log=logger), config=config, log=logger)

    def submission(self, student: str, lecture: int) -> Path:
        name = NOTEBOOKS[lecture]
        return self.folder / "submitted" / student / name / f"{name}.ipynb"

    def students(self, lecture: int) -> list[str]:
        """Who handed in."""
        return sorted(
            p.name for p in (self.folder / "submitted").glob("*") if self.submission(p.name, lecture).is_file()
        )

    def maximum(self, lecture: int) -> dict[str, float]:
        """{test cell: points} of the source notebook."""
        name = NOTEBOOKS[lecture]
        cells = nbformat.read(self.sources / name / f"{name}.ipynb", as_version=4).cells
        settings = [cell.metadata.get("nbgrader", {}) for cell in cells]
        return {s["grade_id"]: float(s["points"]) for s in settings if s.get("grade") and not s.get("solution")}


def _cause(log: str) -> str:
    """The first exception that nbgrader's log names; what follows it only says that there was one."""
    found = re.search(r"^\s*([\w.]+(?:Error|Exception): .+)$", log, re.M)
    return found.group(1) if found else "nbgrader gave no reason"


def _find_alembic() -> None:
    """nbgrader starts `alembic` by name, which fails when this environment was not activated."""
    scripts = str(Path(sys.executable).parent)
    if scripts not in os.environ.get("PATH", "").split(os.pathsep):
        os.environ["PATH"] = os.pathsep.join((scripts, os.environ.get("PATH", "")))


def grade(course: Course, lecture: int, students: Iterable[str] | None = None, workers: int | None = None) -> Grading:
    """Autograde, write feedback, export. A submission that cannot be graded is an error, never a zero.

    Submissions are executed `workers` at a time (as many as cores when None); one writer then owns the gradebook.
    Writes grades.csv (a row per student and cell, with reasons) and nbgrader's own export, gradebook.csv.

    Raises:
        SandboxMissing: submissions cannot be isolated here, and the course is not marked unsafe.
    """
    require(course.unsafe)
    name, api = NOTEBOOKS[lecture], course.api()
    if not (course.folder / "release" / name).is_dir():
        raise FileNotFoundError(f"grade: {course.folder} has no release of lecture {lecture}; run release first.")
    everyone = list(students) if students is not None else course.students(lecture)
    errors: dict[str, str] = {}
    bar = tqdm(total=2 * len(everyone), desc="grade 评分", unit="step")
    with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        for student, outcome in zip(
            everyone, pool.map(lambda s: _ahead(course, lecture, s, api), everyone), strict=True
        ):
            bar.update()
            if isinstance(outcome, str):
                errors[student] = outcome
    for student in everyone:
        bar.update()
        if student in errors:
            continue
        result = api.autograde(name, student, force=True, create=True)
        if result["success"]:
            result = api.generate_feedback(name, student, force=True)
        if not result["success"]:
            errors[student] = _cause(f"{result.get('log') or ''}\n{result.get('error') or ''}")
    bar.close()
    ready.clear()
    grades = [g for student in everyone if student not in errors for g in read_grades(course, lecture, student)]
    write_csv(grades, errors, course.folder / "grades.csv")
    export(course)
    return Grading(grades, errors)


def _ahead(course: Course, lecture: int, student: str, api: Any) -> str | None:
    """Execute one submission ahead of nbgrader's turn; returns why it cannot be graded, or None."""
    name = NOTEBOOKS[lecture]
    try:
        notebook = read_submission(course.submission(student, lecture))
    except UnreadableSubmission as error:
        return str(error)
    place = {"assignment": name, "notebook": name, "db_url": course.config().CourseDirectory.db_url}
    plan, _, _ = make_plan(sanitise(notebook, place), place, demo_sources(api.coursedir, name))
    for last_try in (False, True):
        try:
            ready[plan.key] = execute(plan, course.unsafe)
            return None
        except Exception as error:  # of the grader, not of the submission: an error state, never a zero
            if last_try:
                return f"the grader failed 评分程序出错: {type(error).__name__}: {str(error)[:200]}"
    return None


class UnreadableSubmission(ValueError):
    """A file that cannot be graded; says why."""


def read_submission(path: Path) -> Any:
    """A submitted notebook, refused with a reason where it is none.

    Raises:
        UnreadableSubmission: a link, too large, not UTF-8, not JSON, or no notebook of format 4.
    """
    if path.is_symlink() or not path.is_file():
        raise UnreadableSubmission(f"{path.name} is no ordinary file 不是普通文件")
    if path.stat().st_size > SUBMISSION_LIMIT:
        raise UnreadableSubmission(f"{path.name} has more than {SUBMISSION_LIMIT // 10**6} MB 文件过大")
    try:
        notebook = nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)
        nbformat.validate(notebook)
    except UnicodeDecodeError:
        raise UnreadableSubmission(f"{path.name} is not UTF-8 不是UTF-8编码") from None
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError) as error:
        raise UnreadableSubmission(f"{path.name} is no notebook 不是有效的笔记本: {str(error)[:120]}") from None
    return notebook


def read_grades(course: Course, lecture: int, student: str) -> list[CellGrade]:
    """A student's grades from the gradebook, with the reason for each lost point from the executed notebook."""
    from nbgrader.api import Gradebook

    name = NOTEBOOKS[lecture]
    notebook = course.folder / "autograded" / student / name / f"{name}.ipynb"
    errors = {
        cell.metadata.nbgrader.grade_id: first_error(cell)
        for cell in nbformat.read(notebook, as_version=4).cells
        if cell.metadata.get("nbgrader", {}).get("grade_id")
    }
    maximum = course.maximum(lecture)
    with Gradebook(f"sqlite:///{(course.folder / 'gradebook.db').resolve().as_posix()}") as book:
        submission = book.find_submission_notebook(name, name, student)
        scores = {g.name: g.auto_score for g in submission.grades if g.name in maximum}
    return [
        CellGrade(student, _exercise_of(cell), cell, float(scores[cell] or 0), points, _reason(errors, cell))
        for cell, points in maximum.items()
    ]


def _reason(errors: dict[str, str], cell: str) -> str:
    """Why a test cell lost points; where the answer's own cell failed, that is the reason."""
    return (errors.get(_exercise_of(cell)) or errors[cell]) if errors.get(cell) else ""


def first_error(cell: Any) -> str:
    """The first line of a cell's error, or nothing."""
    for output in cell.get("outputs", []):
        if output.output_type == "error":
            lines = [line for line in output.evalue.splitlines() if line.strip()]
            return f"{output.ename}: {lines[0]}" if lines else output.ename
    return ""


def write_csv(grades: list[CellGrade], errors: dict[str, str], path: Path) -> None:
    """grades.csv, written whole or not at all; ungraded submissions are rows of their own."""
    import pandas as pd

    rows = [vars(g) for g in grades]
    rows += [{"student": student, "reason": f"NOT GRADED: {reason}"} for student, reason in errors.items()]
    write_atomically(path, pd.DataFrame(rows).to_csv(index=False))


def export(course: Course) -> Path:
    """nbgrader's CSV of total scores."""
    from nbgrader.api import Gradebook
    from nbgrader.plugins import CsvExportPlugin

    path = course.folder / "gradebook.csv"
    plugin = CsvExportPlugin(to=str(path))
    with Gradebook(f"sqlite:///{(course.folder / 'gradebook.db').resolve().as_posix()}") as book:
        plugin.export(book)
    return path


def _exercise_of(cell: str) -> str:
    return cell.removeprefix("test_").removesuffix("_hidden")
