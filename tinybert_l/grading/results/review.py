"""Ask that a person looks at an answer again."""

from collections.abc import Iterable

import sqlalchemy as sa

from tinybert_l.grading.results.book import GRADES, NOTEBOOKS, SUBMISSIONS, Book


def ask_person(book: Book, student: str, cells: Iterable[str]) -> bool:
    """Mark a student's graded cells for another look; points and comments stay as they are.

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
    with book.engine.begin() as db:
        return (
            db.execute(sa.update(GRADES).where(mine).values(needs_manual_grade=True)).rowcount > 0
        )
