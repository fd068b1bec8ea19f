"""The folder of a course: where its files lie, how nbgrader is set up for it, who works on it."""

import contextlib
import json
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
from filelock import FileLock, Timeout
from traitlets.config import Config

from tinybert_l.cache import read_json, write_atomically
from tinybert_l.course.lab import settle_server
from tinybert_l.errors import CourseError
from tinybert_l.exercises.registry import NOTEBOOKS
from tinybert_l.grading.assignment import Assignment, is_test
from tinybert_l.grading.policy import FILE_NAME as CALENDAR
from tinybert_l.grading.policy import read_calendar
from tinybert_l.grading.results.edited import write_page
from tinybert_l.grading.results.feedback import render
from tinybert_l.grading.results.requests import read_requests
from tinybert_l.grading.settings import database_url, nbgrader_settings, prepare_gradebook

if TYPE_CHECKING:
    from nbgrader.apps import NbGraderAPI

    from tinybert_l.grading.results.book import SubmissionGrades


def _find_material() -> Path:
    """Find the folder that holds notebooks/ and solutions/.

    In the checkout that is its root; the instructor's wheel has them beside this module.
    """
    checkout = Path(__file__).resolve().parents[2]
    if (checkout / "notebooks").is_dir():
        return checkout
    return Path(__file__).resolve().parent / "material"


MATERIAL = _find_material()
RELEASES = "releases.json"  # {assignment: version of the library that it was released with}


class CourseBusy(CourseError, RuntimeError):
    """Another run is grading this course."""


@dataclass(frozen=True)
class Course:
    """The places where a course's sources, releases, submissions, grades and feedback are kept.

    Args:
        folder: release/, submitted/, autograded/, feedback/ and gradebook.db lie here.
        sources: the notebooks with answers and hidden tests.
        solutions: the reference answers.
        unsafe: grade without isolation, for submissions that are trusted.
    """

    folder: Path
    sources: Path = MATERIAL / "notebooks"
    solutions: Path = MATERIAL / "solutions"
    unsafe: bool = False

    @classmethod
    def at(cls, folder: Path) -> "Course":
        """Return the course of a folder.

        Notebooks and answers are those in the folder, where it has its own, else the project's.
        """
        return cls(
            folder, _own_or_project(folder, "notebooks"), _own_or_project(folder, "solutions")
        )

    @classmethod
    def around(cls, start: Path) -> "Course | None":
        """Return the course that a folder lies in, told by its course.toml; None without one."""
        start = start.resolve()
        for place in (start, *start.parents):
            if (place / CALENDAR).is_file():
                return cls.at(place)
        return None

    def config(self) -> Config:
        """Return nbgrader's configuration for this course; settles a server that asks for it."""
        settle_server()
        calendar = read_calendar(self.folder)
        config = nbgrader_settings(self.folder, self.sources, calendar.course_id)
        config.TrustedExecute.unsafe = self.unsafe
        config.LatePenalty.policy = calendar.late.penalty_settings()
        return config

    def released_with(self, lecture: int) -> str | None:
        """Return the version of the library that a lecture was released with.

        None for a lecture that was released before versions were noted, or never.
        """
        return self._releases().get(NOTEBOOKS[lecture])

    def note_release(self, lecture: int, version: str) -> None:
        """Note the version of the library that a lecture is released with."""
        releases = self._releases() | {NOTEBOOKS[lecture]: version}
        text = json.dumps(releases, indent=1, sort_keys=True) + "\n"
        write_atomically(self.folder / RELEASES, text)

    def _releases(self) -> dict[str, str]:
        path = self.folder / RELEASES
        if not path.is_file():
            return {}
        return read_json(path)

    def api(self) -> "NbGraderAPI":
        """Return nbgrader's interface to this course."""
        from nbgrader.apps import NbGraderAPI
        from nbgrader.coursedir import CourseDirectory

        (self.folder / "exchange").mkdir(parents=True, exist_ok=True)
        prepare_gradebook(self.database)
        config = self.config()
        logger = logging.getLogger("tinybert_l.nbgrader")
        logger.setLevel(logging.ERROR)
        return NbGraderAPI(CourseDirectory(config=config, log=logger), config=config, log=logger)

    def submission(self, student: str, lecture: int) -> Path:
        """Return the path of a submitted notebook."""
        name = NOTEBOOKS[lecture]
        return self.folder / "submitted" / student / name / f"{name}.ipynb"

    def graded(self, student: str, lecture: int) -> Path:
        """Return the path of a graded notebook."""
        name = NOTEBOOKS[lecture]
        return self.folder / "autograded" / student / name / f"{name}.ipynb"

    @property
    def database(self) -> Path:
        return self.folder / "gradebook.db"

    @property
    def database_url(self) -> str:
        """SQLAlchemy's address of the gradebook."""
        return database_url(self.database)

    def assignment(self, lecture: int) -> Assignment:
        """Read a lecture's assignment as it was released.

        Raises:
            FileNotFoundError: it was not released, or the gradebook is gone.
        """
        name = NOTEBOOKS[lecture]
        if not (self.folder / "release" / name).is_dir():
            raise FileNotFoundError(
                f"{self.folder} has no release of lecture {lecture}: release it first. 请先发布。"
            )
        if not self.database.is_file():
            raise FileNotFoundError(
                f"{self.database} is missing: put it back from a backup; without one, "
                f"'tinybert-l release {lecture}' and 'tinybert-l grade {lecture} --again' make it "
                "anew, without what people gave by hand. 成绩册缺失。"
            )
        return Assignment.read(self.database_url, self.sources / name, name)

    def write_feedback(
        self,
        student: str,
        lecture: int,
        grades: "SubmissionGrades",
        page: str | None = None,
    ) -> None:
        """Write a student's feedback.

        Args:
            grades: what the gradebook says of the submission.
            page: the feedback, where it has been rendered already.
        """
        name = NOTEBOOKS[lecture]
        kept = read_requests(self.folder, name, student)
        requests = [request.as_now(grades.scores, grades.waiting) for request in kept]
        if page is None or requests:
            notebook = nbformat.read(self.graded(student, lecture), as_version=4)
            page = render(notebook, name, grades.scores, grades.comments, grades.penalty, requests)
        write_page(self.folder / "feedback" / student / name / f"{name}.html", page)

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the course, so that one run at a time grades it.

        Raises:
            CourseBusy: another run holds it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(str(self.folder / "grading.lock"), timeout=0):
                yield
        except Timeout:
            raise CourseBusy(
                f"Another run is grading {self.folder}; wait for it to end. 另一评分进程正在运行。"
            ) from None

    def students(self, lecture: int) -> list[str]:
        """Return the names of the students who handed a lecture in."""
        students = []
        for folder in (self.folder / "submitted").glob("*"):
            if os.path.lexists(self.submission(folder.name, lecture)):
                students.append(folder.name)
        return sorted(students)

    def maximum(self, lecture: int) -> dict[str, float]:
        """Return {test cell: points} of a lecture's source notebook."""
        name = NOTEBOOKS[lecture]
        notebook = nbformat.read(self.sources / name / f"{name}.ipynb", as_version=4)
        points = {}
        for cell in notebook.cells:
            if is_test(cell):
                settings = cell.metadata["nbgrader"]
                points[settings["grade_id"]] = float(settings["points"])
        return points


def _own_or_project(folder: Path, part: str) -> Path:
    """Return a course's own folder of notebooks or solutions, or the project's."""
    in_course = folder / part
    return in_course if in_course.is_dir() else MATERIAL / part
