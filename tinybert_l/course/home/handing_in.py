"""The file to hand in: a checked notebook without outputs, in a zip file."""

import hashlib
import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import nbformat

from tinybert_l.cache import write_atomically
from tinybert_l.course.home.folder import STUDENT_NAME
from tinybert_l.course.home.notebook_rows import rows_of
from tinybert_l.course.home.states import Row
from tinybert_l.course.prediction_log import carry_into
from tinybert_l.errors import CourseError, InvalidInput
from tinybert_l.exercises.notebook_files import read_notebook
from tinybert_l.exercises.registry import NOTEBOOKS, exercises


@dataclass(frozen=True)
class HandIn:
    """A submission that `hand_in` has packed.

    Args:
        path: the zip file.
        lecture: number of the lecture.
        sha256: digest of the notebook inside, as the gradebook shows it.
        rows: the state of each exercise, question and essay.
    """

    path: Path
    lecture: int
    sha256: str
    rows: list[Row]


def hand_in(notebook: Path, student: str, folder: Path) -> HandIn:
    """Pack a notebook for handing in: without outputs, which grading makes anew, and alone.

    Args:
        notebook: the student's notebook of a lecture.
        student: the student's name at the course; it becomes a part of the file's name.
        folder: where the zip file goes.

    Raises:
        InvalidInput: the file is no notebook of the course or is damaged, or the name contains
            what a file name may not.
    """
    lecture = _lecture_of(notebook)
    if not STUDENT_NAME.fullmatch(student):
        raise InvalidInput(
            f"submit: --student {student!r}; allowed: 1 to 64 letters, digits and . _ @ -"
        )
    content = _read_submission(notebook, lecture)
    rows = rows_of(lecture, notebook)  # before anything is written
    carry_into(content.metadata, notebook)
    raw = (nbformat.writes(content) + "\n").encode("utf-8")
    path = folder / f"{student}-{notebook.stem}.zip"
    write_atomically(path, _zipped(f"{notebook.stem}.ipynb", raw))
    digest = hashlib.sha256(raw).hexdigest()
    return HandIn(path, lecture, digest, rows)


def _lecture_of(notebook: Path) -> int:
    for lecture, name in NOTEBOOKS.items():
        if name == notebook.stem:
            return lecture
    raise InvalidInput(
        f"submit: {notebook.name}; allowed: a notebook of the course under the name that it was "
        f"released with, such as {NOTEBOOKS[3]}.ipynb. 请用发布时的文件名。"
    )


def _read_submission(notebook: Path, lecture: int) -> nbformat.NotebookNode:
    """Read a student's notebook, and check that it has the tests of each exercise."""
    try:
        tree, _ = read_notebook(notebook.read_bytes(), notebook.name)
    except CourseError as error:
        raise InvalidInput(
            f"submit: {notebook} is damaged: {error} Save it in JupyterLab again. 请重新保存。"
        ) from None
    content = nbformat.from_dict(tree)
    grade_ids = set()
    for cell in content.cells:
        settings = cell.metadata.get("nbgrader")
        if isinstance(settings, dict):
            grade_ids.add(settings.get("grade_id"))
    untested = [name for name in exercises(lecture) if f"test_{name}" not in grade_ids]
    if untested:
        raise InvalidInput(
            f"submit: {notebook} lacks the tests of {', '.join(untested)}; is it the released one, "
            "with your answers in its own cells? 缺少题目的测试单元格。"
        )
    return content


def _zipped(name: str, content: bytes) -> bytes:
    """Return a zip file that holds one file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return buffer.getvalue()
