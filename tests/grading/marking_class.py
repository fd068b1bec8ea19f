"""A small class whose answers are to be marked by hand, made without sandbox and release."""

from pathlib import Path
from unittest.mock import patch

import nbformat
from nbgrader.api import Gradebook

from tinybert_l.grading.assignment import grade_id
from tinybert_l.grading.course import MATERIAL, Course
from tinybert_l.grading.job import Job, Result
from tinybert_l.grading.policy import LatePolicy
from tinybert_l.grading.results.audit import Audit
from tinybert_l.grading.results.book import Book
from tinybert_l.grading.showing import defuse
from tinybert_l.grading.submission import sanitise
from tinybert_l.grading.verdicts import verdicts_of

QUESTION = "essay"
Cells = list[nbformat.NotebookNode]


def make_class(
    folder: Path, answers: dict[str, str | Cells], name: str = "03-architecture"
) -> Course:
    """Make a course in which everybody has handed in and was graded.

    Args:
        answers: {student: Markdown of the essay, or the cells that stand in its place}.
        name: of the lecture's notebook; its cells for essays alone are set.
    """
    course = Course(folder)
    source = nbformat.read(MATERIAL / "notebooks" / name / f"{name}.ipynb", as_version=4)
    (folder / "release" / name).mkdir(parents=True)
    _enter(course, name, source)
    assignment = course.assignment(int(name[:2]))
    audit = Audit(folder)
    with Book(course.database, name) as book:
        for student, answer in answers.items():
            notebook = _handed_in(source, answer)
            repairs = sanitise(notebook, assignment)
            verdicts = verdicts_of(notebook, assignment)
            defuse(notebook, assignment)
            result = Result(Job(student, name, "", "", ""), verdicts, repairs)
            book.record(result, None, LatePolicy())
            audit.graded(result)
            for kind in ("submitted", "autograded"):
                path = folder / kind / student / name / f"{name}.ipynb"
                path.parent.mkdir(parents=True)
                nbformat.write(notebook, path)
    return course


def _enter(course: Course, name: str, source: nbformat.NotebookNode) -> None:
    """Enter a lecture's essays into the gradebook, as nbgrader does when it releases."""
    from nbgrader.utils import compute_checksum

    # asking alembic for the version of nbgrader's tables takes seconds; here nothing is upgraded
    with (
        patch("nbgrader.api.get_alembic_version", return_value="0"),
        Gradebook(course.database_url) as book,
    ):
        book.add_assignment(name)
        book.add_notebook(name, name)
        for cell in source.cells:
            settings = cell.metadata.get("nbgrader", {})
            if not (settings.get("grade") and settings.get("solution")):
                continue
            place = (settings["grade_id"], name, name)
            points = settings["points"]
            book.add_grade_cell(*place, max_score=points, cell_type="markdown")
            book.add_solution_cell(*place)
            facts = {"cell_type": "markdown", "source": cell.source, "locked": False}
            book.add_source_cell(*place, checksum=compute_checksum(cell), **facts)


def _handed_in(source: nbformat.NotebookNode, answer: str | Cells) -> nbformat.NotebookNode:
    cells: Cells = []
    for cell in source.cells:
        if grade_id(cell) == QUESTION:
            if isinstance(answer, str):
                answer = [nbformat.from_dict({**cell, "source": answer})]
            cells += answer
        elif cell.cell_type == "markdown":
            cells.append(nbformat.from_dict(cell))
    return nbformat.v4.new_notebook(cells=cells)
