"""Write and read the gradebook: a result is recorded whole, in one transaction, or not at all.

Writes nbgrader's own tables, so that Formgrader, manual grading and nbgrader's exporters see what
they expect.
"""

import errno
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from nbgrader import api
from sqlalchemy.exc import OperationalError

from tinybert_l.errors import InvalidInput
from tinybert_l.grading.job import Result
from tinybert_l.grading.policy import LatePolicy
from tinybert_l.grading.results.lms import StudentTotal
from tinybert_l.grading.settings import database_url
from tinybert_l.grading.verdicts import Verdict

BUSY_SECONDS = 120  # how long to wait while another process holds the database
TRIES = 3  # to record one result in a database that is still held then
NO_RESPONSE = "No response."  # nbgrader's comment on a cell that was left as released
STUDENTS = api.Student.__table__
ASSIGNMENTS = api.Assignment.__table__
SUBMISSIONS = api.SubmittedAssignment.__table__
NOTEBOOKS = api.SubmittedNotebook.__table__
GRADES = api.Grade.__table__
COMMENTS = api.Comment.__table__
CELLS = api.BaseCell.__table__
# nbgrader looks grades up by submission without an index: a class of 3,000 would slow down
INDEXES = ("grade(notebook_id)", "comment(notebook_id)", "submitted_notebook(assignment_id)")


@dataclass(frozen=True)
class SubmissionGrades:
    """The state of one submission in the gradebook, as feedback shows it.

    Args:
        scores: {graded cell: points}; a person's score goes before the automatic one.
        comments: {cell: comment}.
        penalty: points that lateness costs.
        seconds_late: after the due date and the student's extension.
        has_manual_scores: whether a person gave any points.
        waiting: cells that a person has still to look at.
    """

    scores: dict[str, float | None]
    comments: dict[str, str]
    penalty: float
    seconds_late: float
    has_manual_scores: bool
    waiting: frozenset[str] = frozenset()


class Book:
    """An assignment's part of the gradebook. Use as a context manager.

    Args:
        path: of gradebook.db.
        name: of the assignment, and of its notebook.
    """

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        self.name = name

    def __enter__(self) -> "Book":
        try:
            with api.Gradebook(database_url(self.path)) as book:  # makes or checks the tables
                self.assignment_id = book.find_assignment(self.name).id
                self.notebook_id = book.find_notebook(self.name, self.name).id
        except OperationalError:  # busy, not damaged
            raise
        except sa.exc.DatabaseError as error:
            raise InvalidInput(
                f"{self.path}: cannot be read as a gradebook ({error.orig}). Restore it from a "
                "backup. 成绩册无法读取，请从备份恢复。"
            ) from error
        waiting = {"timeout": BUSY_SECONDS}
        self.engine = sa.create_engine(database_url(self.path), connect_args=waiting)
        cells = sa.select(CELLS.c.id, CELLS.c.name, CELLS.c.type)
        with self.engine.begin() as db:
            for column in INDEXES:
                table = column.partition("(")[0]
                db.execute(sa.text(f"CREATE INDEX IF NOT EXISTS tinybert_l_{table} ON {column}"))
            rows = db.execute(cells.where(CELLS.c.notebook_id == self.notebook_id))
            self.cells = {(row.name, row.type): row.id for row in rows}
        return self

    def __exit__(self, *_: object) -> None:
        self.engine.dispose()

    def set_due(self, due: datetime | None) -> None:
        """Write the due date that the calendar gives."""
        when = _naive_utc(due) if due else None
        mine = ASSIGNMENTS.c.id == self.assignment_id
        with self.engine.begin() as db:
            db.execute(sa.update(ASSIGNMENTS).where(mine).values(duedate=when))

    def record(
        self, result: Result, handed_in: datetime | None, policy: LatePolicy
    ) -> SubmissionGrades:
        """Record a result's verdicts; returns the submission's state with them.

        Scores that a person gave stay. They are marked for review where the automatic ones have
        changed.

        Raises:
            OSError: the disk is full.
            OperationalError: another process holds the database for minutes.
        """
        for _ in range(TRIES - 1):
            try:
                return self._record(result, handed_in, policy)
            except OperationalError as error:
                if "locked" not in str(error):
                    raise
                time.sleep(1)
        return self._record(result, handed_in, policy)

    def _record(
        self, result: Result, handed_in: datetime | None, policy: LatePolicy
    ) -> SubmissionGrades:
        student = result.job.student
        try:
            with self.engine.begin() as db:
                submitted = self._submission(db, student, handed_in)
                for verdict in result.verdicts:
                    self._grade(db, submitted, verdict)
                    self._comment(db, submitted, verdict)
                return self._settle(db, submitted, student, policy)
        except OperationalError as error:
            if "disk is full" not in str(error):
                raise
            # as the system and all other writers call it
            reason = os.strerror(errno.ENOSPC)
            raise OSError(errno.ENOSPC, reason, str(self.engine.url.database)) from error

    def settle(self, student: str, policy: LatePolicy) -> SubmissionGrades:
        """Compute a recorded submission's late penalty anew; returns the submission's state."""
        with self.engine.begin() as db:
            return self._settle(db, self._submission(db, student, None), student, policy)

    def settle_late(self, due: datetime | None, policy: LatePolicy) -> None:
        """Compute late penalties anew: points by hand, extensions, dates may have come since.

        Args:
            due: as the calendar says now.
        """
        self.set_due(due)
        columns = (
            NOTEBOOKS.c.id,
            NOTEBOOKS.c.late_submission_penalty.label("penalty"),
            SUBMISSIONS.c.student_id.label("student"),
            SUBMISSIONS.c.timestamp,
        )
        joined = sa.join(NOTEBOOKS, SUBMISSIONS, NOTEBOOKS.c.assignment_id == SUBMISSIONS.c.id)
        query = sa.select(*columns).select_from(joined)
        query = query.where(SUBMISSIONS.c.assignment_id == self.assignment_id)
        with self.engine.begin() as db:
            for row in db.execute(query).all():
                came = row.timestamp.replace(tzinfo=UTC) if row.timestamp else None
                is_late = due is not None and came is not None and came > due
                if is_late or row.penalty is not None:  # most of a class is neither
                    self._settle(db, row.id, row.student, policy)

    def hand_in_at(self, student: str, when: datetime, policy: LatePolicy) -> None:
        """Write when a submission was handed in, if it is in the gradebook, and what that costs."""
        with self.engine.begin() as db:
            if db.scalar(sa.select(SUBMISSIONS.c.id).where(self._is_of(student))) is not None:
                self._settle(db, self._submission(db, student, when), student, policy)

    def students(self) -> list[StudentTotal]:
        """Return everybody in the gradebook, as if nobody had handed in, in order of their ids."""
        people = []
        with self.engine.connect() as db:
            for row in db.execute(sa.select(STUDENTS).order_by(STUDENTS.c.id)):
                person = StudentTotal(
                    row.id,
                    last_name=row.last_name or "",
                    first_name=row.first_name or "",
                    email=row.email or "",
                    lms_user_id=row.lms_user_id or "",
                    is_missing=True,
                )
                people.append(person)
        return people

    def _submission(self, db: sa.Connection, student: str, handed_in: datetime | None) -> str:
        """Return the id of the student's submitted notebook, which is made where it is missing."""
        if db.scalar(sa.select(STUDENTS.c.id).where(STUDENTS.c.id == student)) is None:
            db.execute(sa.insert(STUDENTS).values(id=student))
        submission = db.scalar(sa.select(SUBMISSIONS.c.id).where(self._is_of(student)))
        if submission is None:
            submission = api.new_uuid()
            values = {
                "id": submission,
                "assignment_id": self.assignment_id,
                "student_id": student,
            }
            db.execute(sa.insert(SUBMISSIONS).values(values))
        if handed_in is not None:
            update = sa.update(SUBMISSIONS).where(SUBMISSIONS.c.id == submission)
            db.execute(update.values(timestamp=_naive_utc(handed_in)))
        select = sa.select(NOTEBOOKS.c.id).where(NOTEBOOKS.c.assignment_id == submission)
        notebook = db.scalar(select)
        if notebook is None:
            notebook = api.new_uuid()
            values = {
                "id": notebook,
                "notebook_id": self.notebook_id,
                "assignment_id": submission,
                "flagged": False,
            }
            db.execute(sa.insert(NOTEBOOKS).values(values))
        return notebook

    def _is_of(self, student: str) -> sa.ColumnElement[bool]:
        """Return the condition on SUBMISSIONS for the student's submission."""
        of_assignment = SUBMISSIONS.c.assignment_id == self.assignment_id
        return of_assignment & (SUBMISSIONS.c.student_id == student)

    def _grade(self, db: sa.Connection, submitted: str, verdict: Verdict) -> None:
        """Write a verdict's points into the grade of its cell.

        Args:
            submitted: id of the submitted notebook.
        """
        for kind in ("GradeCell", "TaskCell"):
            cell = self.cells.get((verdict.cell, kind))
            if cell is None:
                continue
            mine = (GRADES.c.notebook_id == submitted) & (GRADES.c.cell_id == cell)
            columns = (GRADES.c.auto_score, GRADES.c.manual_score, GRADES.c.needs_manual_grade)
            old = db.execute(sa.select(*columns).where(mine)).first()
            needs_review = verdict.points is None
            if old is not None and old.manual_score is not None:
                needs_review = old.needs_manual_grade or old.auto_score != verdict.points
            values: dict[str, Any] = {
                "auto_score": verdict.points,
                "needs_manual_grade": needs_review,
            }
            if old is None:
                values |= {"id": api.new_uuid(), "cell_id": cell, "notebook_id": submitted}
                db.execute(sa.insert(GRADES).values(values))
            else:
                db.execute(sa.update(GRADES).where(mine).values(values))

    def _comment(self, db: sa.Connection, submitted: str, verdict: Verdict) -> None:
        """Write nbgrader's automatic comment on a cell that was not answered, or remove it."""
        text = None if verdict.answered else NO_RESPONSE
        for kind in ("SolutionCell", "TaskCell"):
            cell = self.cells.get((verdict.cell, kind))
            if cell is None:
                continue
            mine = (COMMENTS.c.notebook_id == submitted) & (COMMENTS.c.cell_id == cell)
            updated = db.execute(sa.update(COMMENTS).where(mine).values(auto_comment=text))
            if updated.rowcount == 0:
                values = {
                    "id": api.new_uuid(),
                    "cell_id": cell,
                    "notebook_id": submitted,
                    "auto_comment": text,
                }
                db.execute(sa.insert(COMMENTS).values(values))

    def _settle(
        self, db: sa.Connection, submitted: str, student: str, policy: LatePolicy
    ) -> SubmissionGrades:
        """Read a submission's scores and comments; compute and write its late penalty.

        Args:
            submitted: id of the submitted notebook.
        """
        scores: dict[str, float | None] = {}
        waiting = set()
        has_manual_scores = False
        for grade in self._grades_of(db, submitted):
            if grade.needs_manual_grade:
                waiting.add(grade.name)
            is_open = grade.auto_score is None and grade.manual_score is None
            scores[grade.name] = None if is_open else _score(grade)
            if grade.manual_score is not None or grade.extra_credit is not None:
                has_manual_scores = True
        comments = {}
        for comment in self._comments_of(db, submitted):
            text = comment.manual_comment or comment.auto_comment
            if text:
                comments[comment.name] = text
        score = sum(filter(None, scores.values()))
        seconds_late = self._seconds_late(db, student)
        cost = policy.penalty(score, seconds_late, self._due(db, student))
        penalty = min(max(cost, 0.0), score)
        stored = penalty if seconds_late > 0 else None
        update = sa.update(NOTEBOOKS).where(NOTEBOOKS.c.id == submitted)
        db.execute(update.values(late_submission_penalty=stored))
        seen = (has_manual_scores, frozenset(waiting))
        return SubmissionGrades(scores, comments, penalty, seconds_late, *seen)

    def _grades_of(self, db: sa.Connection, submitted: str) -> list[Any]:
        """Return a row for each graded cell: its name, points, and whether a person is needed."""
        points = (GRADES.c.auto_score, GRADES.c.manual_score, GRADES.c.extra_credit)
        columns = (CELLS.c.name, *points, GRADES.c.needs_manual_grade)
        joined = sa.join(GRADES, CELLS, GRADES.c.cell_id == CELLS.c.id)
        query = sa.select(*columns).select_from(joined).where(GRADES.c.notebook_id == submitted)
        return list(db.execute(query))

    def _comments_of(self, db: sa.Connection, submitted: str) -> list[Any]:
        """Return a row (name, auto_comment, manual_comment) for each cell with comments."""
        columns = (CELLS.c.name, COMMENTS.c.auto_comment, COMMENTS.c.manual_comment)
        joined = sa.join(COMMENTS, CELLS, COMMENTS.c.cell_id == CELLS.c.id)
        query = sa.select(*columns).select_from(joined).where(COMMENTS.c.notebook_id == submitted)
        return list(db.execute(query))

    def _seconds_late(self, db: sa.Connection, student: str) -> float:
        """Return how long after the due date and the student's extension the submission came."""
        due = self._due(db, student)
        select = sa.select(SUBMISSIONS.c.timestamp).where(self._is_of(student))
        handed_in = db.scalar(select)
        if due is None or handed_in is None:
            return 0.0
        return max(0.0, (handed_in.replace(tzinfo=UTC) - due).total_seconds())

    def _due(self, db: sa.Connection, student: str) -> datetime | None:
        """Return until when a student may hand in: the due date and the student's extension."""
        select = sa.select(ASSIGNMENTS.c.duedate).where(ASSIGNMENTS.c.id == self.assignment_id)
        due = db.scalar(select)
        if due is None:
            return None
        extension = db.scalar(sa.select(SUBMISSIONS.c.extension).where(self._is_of(student)))
        return (due + extension if extension else due).replace(tzinfo=UTC)

    def introduce(self, student: str, **known: str) -> None:
        """Write what a learning platform says of a student.

        Args:
            known: by column: first_name, last_name, email, lms_user_id.
        """
        with self.engine.begin() as db:
            update = sa.update(STUDENTS).where(STUDENTS.c.id == student)
            if db.execute(update.values(**known)).rowcount == 0:
                db.execute(sa.insert(STUDENTS).values(id=student, **known))

    def automatic(self) -> dict[str, dict[str, float | None]]:
        """Return {student: {cell: automatic points}} of everyone in the gradebook."""
        points: dict[str, dict[str, float | None]] = {}
        for row in self._rows():
            points.setdefault(row.student, {})[row.cell] = row.auto_score
        return points

    def totals(self) -> list[StudentTotal]:
        """Add up the points of each student, in the order of their ids."""
        max_score = self.max_score()
        totals: dict[str, StudentTotal] = {}
        for row in self._rows():
            if row.student not in totals:
                totals[row.student] = StudentTotal(
                    row.student,
                    last_name=row.last_name or "",
                    first_name=row.first_name or "",
                    email=row.email or "",
                    lms_user_id=row.lms_user_id or "",
                    timestamp=row.timestamp or "",
                    late_penalty=row.penalty or 0.0,
                    max_score=max_score,
                )
            total = totals[row.student]
            total.raw_score += _score(row)
            total.to_grade_by_hand += int(row.needs_manual_grade)
            total.score = max(0.0, total.raw_score - total.late_penalty)
        return [totals[student] for student in sorted(totals)]

    def max_score(self) -> float:
        """Add up the points of the whole assignment, those given by hand included."""
        total = 0.0
        with self.engine.connect() as db:
            for table in (api.GradeCell.__table__, api.TaskCell.__table__):
                joined = sa.join(table, CELLS, table.c.id == CELLS.c.id)
                query = sa.select(sa.func.sum(table.c.max_score)).select_from(joined)
                query = query.where(CELLS.c.notebook_id == self.notebook_id)
                total += float(db.scalar(query) or 0.0)
        return total

    def _rows(self) -> Iterator[Any]:
        """Yield a row for each graded cell of each student, in the order of the students' ids."""
        joined = (
            sa.join(GRADES, CELLS, GRADES.c.cell_id == CELLS.c.id)
            .join(NOTEBOOKS, GRADES.c.notebook_id == NOTEBOOKS.c.id)
            .join(SUBMISSIONS, NOTEBOOKS.c.assignment_id == SUBMISSIONS.c.id)
            .join(STUDENTS, SUBMISSIONS.c.student_id == STUDENTS.c.id)
        )
        columns = (
            STUDENTS.c.id.label("student"),
            STUDENTS.c.first_name,
            STUDENTS.c.last_name,
            STUDENTS.c.email,
            STUDENTS.c.lms_user_id,
            SUBMISSIONS.c.timestamp,
            CELLS.c.name.label("cell"),
            GRADES.c.auto_score,
            GRADES.c.manual_score,
            GRADES.c.extra_credit,
            GRADES.c.needs_manual_grade,
            NOTEBOOKS.c.late_submission_penalty.label("penalty"),
        )
        query = sa.select(*columns).select_from(joined)
        query = query.where(SUBMISSIONS.c.assignment_id == self.assignment_id)
        with self.engine.connect() as db:
            yield from db.execute(query.order_by(STUDENTS.c.id))


def _score(row: Any) -> float:
    """Return a cell's points as nbgrader counts them.

    A person's score goes before the automatic one; extra credit is added.
    """
    base = row.auto_score if row.manual_score is None else row.manual_score
    if base is None:
        return 0.0
    return float(base) + float(row.extra_credit or 0.0)


def _naive_utc(when: datetime) -> datetime:
    """Return a time as nbgrader stores it: in UTC, without a zone."""
    return when.astimezone(UTC).replace(tzinfo=None)
