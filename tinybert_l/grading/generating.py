"""Let nbgrader make a lecture's student version; what was there before stays where that fails."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import nbformat

from tinybert_l.course.home import HOME
from tinybert_l.errors import CourseError, InvalidInput, gradebook_problem
from tinybert_l.grading.course import Course


class ReleaseFailed(CourseError, RuntimeError):
    """nbgrader could not make the student version."""


def require_ready(course: Course, name: str) -> None:
    """Raise an error unless an assignment can be made, before anything is written.

    Raises:
        FileNotFoundError: there is no source notebook.
        InvalidInput: the source notebook cannot be read.
        ReleaseFailed: the gradebook cannot be used.
    """
    _require_notebook(course.sources / name / f"{name}.ipynb")
    _require_gradebook(course.database)


def generate(course: Course, name: str) -> Path:
    """Make an assignment's student version and enter it into the gradebook; returns its folder.

    Raises:
        ReleaseFailed: nbgrader failed.
    """
    folder = course.folder / "release" / name
    result = course.api().generate_assignment(name, force=True, create=True)
    if not result["success"]:
        log = str(result.get("error") or result.get("log"))
        reason = gradebook_problem(log)
        raise ReleaseFailed(reason or f"nbgrader generate_assignment failed:\n{log}")
    return folder


def _require_notebook(source: Path) -> None:
    """Raise an error unless the source notebook is there and can be read."""
    if not source.is_file():
        raise FileNotFoundError(f"release: {source} is missing.")
    home = source.with_name(HOME)
    if home.is_file():  # nbgrader would take it for a second notebook of the lecture
        raise InvalidInput(
            f"release: {home} was made by 'tinybert-l lab' there; delete it, and open notebooks of "
            "a course with 'jupyter lab'. 请删除该文件。"
        )
    try:
        nbformat.read(source, as_version=4)
    except Exception as error:  # of many kinds: JSON, fields, versions
        reason = str(error).partition("\n")[0][:100]
        raise InvalidInput(
            f"release: {source} is no notebook that can be read ({reason}): put it back, or save "
            "it in JupyterLab again. 源笔记本无法读取。"
        ) from None


def _require_gradebook(path: Path) -> None:
    """Raise an error where there is a gradebook that cannot be read, or is held."""
    if not path.is_file():
        return
    try:
        with closing(sqlite3.connect(path)) as database:
            database.execute("PRAGMA schema_version")
    except sqlite3.DatabaseError as error:
        raise ReleaseFailed(gradebook_problem(str(error)) or f"{path}: {error}") from None


@contextmanager
def restored_on_failure(folder: Path) -> Iterator[None]:
    """Keep what a folder holds until it was made anew; put it back where that fails."""
    before = folder.with_name(f".{folder.name}.before")
    shutil.rmtree(before, ignore_errors=True)
    if folder.is_dir():
        folder.rename(before)
    try:
        yield
    except BaseException:
        if before.is_dir():
            shutil.rmtree(folder, ignore_errors=True)
            before.rename(folder)
        raise
    shutil.rmtree(before, ignore_errors=True)
