"""Read and write what people gave, in nbgrader's gradebook: points, comments, who is still to do.

A mark is written as Formgrader writes it, into the same columns, so that both stay in step. Every
write is one transaction, made while this process holds the course (`Course.alone`).
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import sqlalchemy as sa
from nbgrader import api

from tinybert_l.errors import CourseError
from tinybert_l.grading.course import Course, CourseBusy
from tinybert_l.grading.results.book import (
    COMMENTS,
    GRADES,
    NOTEBOOKS,
    STUDENTS,
    SUBMISSIONS,
    Book,
)

PATIENCE = 3.0  # seconds to wait while another run holds the course


@dataclass(frozen=True)
class Mark:
    """What a person gave an answer.

    Args:
        points: None: not given yet.
        comment: for the student; empty: none.
        needs_person: whether the gradebook waits for a person.
        items: numbers of the rubric's items that were ticked, from 0.
        automatic: points that stand without a person; None: a person has to give them.
    """

    points: float | None = None
    comment: str = ""
    needs_person: bool = True
    items: tuple[int, ...] = ()
    automatic: float | None = None

    def is_as(self, other: "Mark") -> bool:
        """Tell whether two marks say the same to the student."""
        mine = (self.points, self.comment, self.needs_person)
        return mine == (other.points, other.comment, other.needs_person)

    def with_points(self, points: float | None, items: tuple[int, ...]) -> "Mark":
        """Return the mark with other points; whoever gives points has looked at the answer."""
        needs_person = points is None and self.automatic is None
        return replace(self, points=points, items=items, needs_person=needs_person)


class Marks(Protocol):
    """Where the marks of one question are kept."""

    def read(self) -> dict[str, Mark]:
        """Return {student: mark} of everybody who handed in."""
        ...

    def write(self, changes: Mapping[str, Mark]) -> None:
        """Write the marks of some students, all or none."""
        ...


class GradebookMarks:
    """The marks of one question in the gradebook.

    Args:
        book: of the lecture, open.
        cell: name of the question's cell.
    """

    def __init__(self, course: Course, book: Book, cell: str) -> None:
        self.course = course
        self.book = book
        grade = book.cells.get((cell, "GradeCell"))
        task = book.cells.get((cell, "TaskCell"))
        if grade is None and task is None:
            raise CourseError(
                f"{cell} of {book.name} is not in the gradebook: release the lecture again. "
                "请重新发布该讲。"
            )
        self.grade_cell = grade or task
        self.comment_cell = book.cells.get((cell, "SolutionCell")) or task

    def read(self) -> dict[str, Mark]:
        """Return {student: mark}, in one look at the gradebook; ticked items are not in it."""
        joined = (
            sa.join(NOTEBOOKS, SUBMISSIONS, NOTEBOOKS.c.assignment_id == SUBMISSIONS.c.id)
            .join(STUDENTS, SUBMISSIONS.c.student_id == STUDENTS.c.id)
            .join(
                GRADES,
                (GRADES.c.notebook_id == NOTEBOOKS.c.id) & (GRADES.c.cell_id == self.grade_cell),
            )
            .outerjoin(
                COMMENTS,
                (COMMENTS.c.notebook_id == NOTEBOOKS.c.id)
                & (COMMENTS.c.cell_id == self.comment_cell),
            )
        )
        columns = (
            STUDENTS.c.id.label("student"),
            GRADES.c.auto_score,
            GRADES.c.manual_score,
            GRADES.c.needs_manual_grade,
            COMMENTS.c.manual_comment,
        )
        query = sa.select(*columns).select_from(joined).order_by(STUDENTS.c.id)
        query = query.where(SUBMISSIONS.c.assignment_id == self.book.assignment_id)
        marks = {}
        with self.book.engine.connect() as db:
            for row in db.execute(query):
                marks[row.student] = Mark(
                    row.manual_score,
                    row.manual_comment or "",
                    bool(row.needs_manual_grade),
                    automatic=row.auto_score,
                )
        return marks

    def write(self, changes: Mapping[str, Mark]) -> None:
        """Write marks in one transaction.

        Raises:
            CourseBusy: a grading run holds the course; nothing was written.
        """
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                with self.course.alone(), self.book.engine.begin() as db:
                    for student, mark in changes.items():
                        self._write(db, student, mark)
                return
            except CourseBusy:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def _write(self, db: sa.Connection, student: str, mark: Mark) -> None:
        of_student = sa.select(NOTEBOOKS.c.id).join(
            SUBMISSIONS, NOTEBOOKS.c.assignment_id == SUBMISSIONS.c.id
        )
        of_student = of_student.where(
            SUBMISSIONS.c.student_id == student,
            SUBMISSIONS.c.assignment_id == self.book.assignment_id,
        )
        notebook = db.scalar(of_student)
        grade = (GRADES.c.notebook_id == notebook) & (GRADES.c.cell_id == self.grade_cell)
        values = {"manual_score": mark.points, "needs_manual_grade": mark.needs_person}
        if db.execute(sa.update(GRADES).where(grade).values(values)).rowcount == 0:
            raise CourseError(f"{student} has no grade for this question any more.")
        comment = (COMMENTS.c.notebook_id == notebook) & (COMMENTS.c.cell_id == self.comment_cell)
        text = mark.comment or None
        updated = db.execute(sa.update(COMMENTS).where(comment).values(manual_comment=text))
        if updated.rowcount == 0 and text:
            row = {
                "id": api.new_uuid(),
                "cell_id": self.comment_cell,
                "notebook_id": notebook,
                "manual_comment": text,
            }
            db.execute(sa.insert(COMMENTS).values(row))
