"""A course directory: where its files lie, how nbgrader is set up for it, who works on it."""

import contextlib
import json
import logging
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from filelock import FileLock, Timeout
from traitlets.config import Config

from tinybert_l.cache import write_atomically
from tinybert_l.exercises.registry import NOTEBOOKS
from tinybert_l.grading.assignment import Assignment
from tinybert_l.grading.policy import NAME as CALENDAR
from tinybert_l.grading.policy import read_calendar
from tinybert_l.grading.results.feedback import render
from tinybert_l.grading.settings import nbgrader_settings

_CHECKOUT = Path(__file__).resolve().parents[2]
# in the instructor's wheel, notebooks and answers lie beside this module
MATERIAL = (
    _CHECKOUT
    if (_CHECKOUT / "notebooks").is_dir()
    else Path(__file__).resolve().parent / "material"
)
RELEASES = "releases.json"  # which version of the library each lecture was released with


class CourseBusy(RuntimeError):
    """Another run is grading this course."""


@dataclass(frozen=True)
class Course:
    """Where sources are read and where releases, submissions, grades and feedback are kept.

    Args:
        folder: release/, submitted/, autograded/, feedback/ and gradebook.db lie here.
        unsafe: grade without isolation, for submissions that are trusted.
    """

    folder: Path
    sources: Path = MATERIAL / "notebooks"
    solutions: Path = MATERIAL / "solutions"
    unsafe: bool = False

    @classmethod
    def at(cls, folder: Path) -> "Course":
        """The course of a folder, with the notebooks and answers that it has of its own, else the project's."""
        sources, solutions = (
            own if (own := folder / part).is_dir() else MATERIAL / part
            for part in ("notebooks", "solutions")
        )
        return cls(folder, sources, solutions)

    @classmethod
    def around(cls, start: Path) -> "Course | None":
        """The course that a folder lies in, told by its course.toml; None: it lies in none."""
        start = start.resolve()
        return next(
            (cls.at(place) for place in (start, *start.parents) if (place / CALENDAR).is_file()),
            None,
        )

    def config(self) -> Config:
        """How nbgrader is set up for this course."""
        calendar = read_calendar(self.folder)
        config = nbgrader_settings(self.folder, self.sources, calendar.course_id)
        config.TrustedExecute.unsafe = self.unsafe
        config.LatePenalty.policy = calendar.late.penalty_settings()
        return config

    def released_with(self, lecture: int) -> str | None:
        """The library's version that a lecture was released with; None: before versions were noted."""
        return _read_json(self.folder / RELEASES).get(NOTEBOOKS[lecture])

    def note_release(self, lecture: int, version: str) -> None:
        noted = _read_json(self.folder / RELEASES) | {NOTEBOOKS[lecture]: version}
        write_atomically(self.folder / RELEASES, json.dumps(noted, indent=1, sort_keys=True) + "\n")

    def api(self) -> Any:
        from nbgrader.apps import NbGraderAPI
        from nbgrader.coursedir import CourseDirectory

        (self.folder / "exchange").mkdir(parents=True, exist_ok=True)
        find_alembic()
        config = self.config()
        logger = logging.getLogger("tinybert_l.nbgrader")
        logger.setLevel(logging.ERROR)
        return NbGraderAPI(CourseDirectory(config=config, log=logger), config=config, log=logger)

    def submission(self, student: str, lecture: int) -> Path:
        name = NOTEBOOKS[lecture]
        return self.folder / "submitted" / student / name / f"{name}.ipynb"

    def graded(self, student: str, lecture: int) -> Path:
        name = NOTEBOOKS[lecture]
        return self.folder / "autograded" / student / name / f"{name}.ipynb"

    @property
    def database(self) -> Path:
        return self.folder / "gradebook.db"

    def assignment(self, lecture: int) -> Assignment:
        """As it was released.

        Raises:
            FileNotFoundError: it was not.
        """
        name = NOTEBOOKS[lecture]
        if not (self.folder / "release" / name).is_dir():
            raise FileNotFoundError(
                f"{self.folder} has no release of lecture {lecture}: release it first. 请先发布。"
            )
        return Assignment.read(
            f"sqlite:///{self.database.resolve().as_posix()}", self.sources / name, name
        )

    def write_feedback(
        self, student: str, lecture: int, told: dict[str, Any], page: str | None = None
    ) -> None:
        """Write a student's feedback; `page` where it has been made already, `told` as `Book.record` gives it."""
        name = NOTEBOOKS[lecture]
        if page is None:
            nb = nbformat.read(self.graded(student, lecture), as_version=4)
            page = render(nb, name, told["scores"], told["comments"], told["penalty"])
        write_atomically(self.folder / "feedback" / student / name / f"{name}.html", page)

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """One run at a time owns the course."""
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(str(self.folder / "grading.lock"), timeout=0):
                yield
        except Timeout:
            raise CourseBusy(
                f"Another run is grading {self.folder}; wait for it to end. 另一评分进程正在运行。"
            ) from None

    def students(self, lecture: int) -> list[str]:
        """Who handed in."""
        return sorted(
            p.name
            for p in (self.folder / "submitted").glob("*")
            if os.path.lexists(self.submission(p.name, lecture))
        )

    def maximum(self, lecture: int) -> dict[str, float]:
        """{test cell: points} of the source notebook."""
        name = NOTEBOOKS[lecture]
        cells = nbformat.read(self.sources / name / f"{name}.ipynb", as_version=4).cells
        settings = [cell.metadata.get("nbgrader", {}) for cell in cells]
        return {
            s["grade_id"]: float(s["points"])
            for s in settings
            if s.get("grade") and not s.get("solution")
        }


def _read_json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def find_alembic() -> None:
    """nbgrader starts `alembic` by name, which fails when this environment was not activated."""
    scripts = str(Path(sys.executable).parent)
    if scripts not in os.environ.get("PATH", "").split(os.pathsep):
        os.environ["PATH"] = os.pathsep.join((scripts, os.environ.get("PATH", "")))
