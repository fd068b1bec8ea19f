"""Ask that a person looks at an answer again."""

from collections.abc import Iterable
from pathlib import Path

import nbformat
import sqlalchemy as sa

from tinybert_l.grading.assignment import Assignment, grade_id
from tinybert_l.grading.results.book import GRADES, NOTEBOOKS, SUBMISSIONS, Book

ANSWERED_ANEW = (
    "answered anew since it was marked: points and comment are those of the answer before "
    "评分后重新作答，现有分数和评语属于此前的回答"
)


def ask_person(book: Book, student: str, cells: Iterable[str], only_marked: bool = False) -> bool:
    """Mark a student's graded cells for another look; points and comments stay as they are.

    Args:
        only_marked: those alone to which a person gave points.
    Returns:
        Whether there was anything to mark: nothing is before the first grading.
    """
    ids = [
        book.cells[cell, kind]
        for cell in cells
        for kind in ("GradeCell", "TaskCell")
        if (cell, kind) in book.cells
    ]
    joined = sa.join(NOTEBOOKS, SUBMISSIONS, NOTEBOOKS.c.assignment_id == SUBMISSIONS.c.id)
    of_student = (SUBMISSIONS.c.assignment_id == book.assignment_id) & (
        SUBMISSIONS.c.student_id == student
    )
    notebooks = sa.select(NOTEBOOKS.c.id).select_from(joined).where(of_student)
    mine = GRADES.c.notebook_id.in_(notebooks) & GRADES.c.cell_id.in_(ids)
    if only_marked:
        mine &= GRADES.c.manual_score.is_not(None)
    with book.engine.begin() as db:
        update = sa.update(GRADES).where(mine).values(needs_manual_grade=True)
        return db.execute(update).rowcount > 0


def ask_about_new_answers(
    book: Book, student: str, assignment: Assignment, before: Path, new: str
) -> list[str]:
    """Mark for another look what a student answered anew after a person had marked it.

    Args:
        before: the notebook as it was graded before; it may be missing.
        new: the text of the one that takes its place.
    Returns:
        A sentence for each such cell.
    """
    if not before.is_file():
        return []
    old, changed = _sources(before.read_text(encoding="utf-8")), _sources(new)
    remarks = []
    for cell in assignment.cells:
        if not (cell.task or (cell.grade and cell.solution)):
            continue
        is_new = old.get(cell.name) != changed.get(cell.name)
        if is_new and ask_person(book, student, [cell.name], only_marked=True):
            remarks.append(f"{cell.name}: {ANSWERED_ANEW}")
    return remarks


def _sources(notebook: str) -> dict[str | None, str]:
    return {grade_id(cell): cell.source for cell in nbformat.reads(notebook, as_version=4).cells}
