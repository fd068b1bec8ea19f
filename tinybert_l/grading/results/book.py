"""The one writer of the gradebook: a result is recorded whole, in one transaction, or not at all.

Writes nbgrader's own tables, so that Formgrader, manual grading and nbgrader's exporters see what they expect.
"""

import errno
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from nbgrader import api
from sqlalchemy.exc import OperationalError

from tinybert_l.grading.job import Result, Verdict
from tinybert_l.grading.policy import LatePolicy

BUSY_SECONDS = 120  # how long another process may hold the database
STUDENTS, ASSIGNMENTS, NOTEBOOKS = (
    api.Student.__table__,
    api.SubmittedAssignment.__table__,
    api.SubmittedNotebook.__table__,
)
GRADES, COMMENTS, CELLS = api.Grade.__table__, api.Comment.__table__, api.BaseCell.__table__
# nbgrader looks grades up by submission, and has no index for it: without these a class of 3,000 slows down
INDEXES = ("grade(notebook_id)", "comment(notebook_id)", "submitted_notebook(assignment_id)")


class Book:
    """An assignment's part of the gradebook. Use as a context manager.

    Args:
        path: gradebook.db.
        name: the assignment; its notebook has the same name.
    """

    def __init__(self, path: Path, name: str) -> None:
        self.path, self.name = path, name

    def __enter__(self) -> "Book":
        address = f"sqlite:///{self.path.resolve().as_posix()}"
        with api.Gradebook(address) as book:  # makes or checks the tables
            assignment = book.find_assignment(self.name)
            self.assignment_id = assignment.id
            self.notebook_id = book.find_notebook(self.name, self.name).id
        self.engine = sa.create_engine(f"{address}?timeout={BUSY_SECONDS}")
        with self.engine.begin() as db:
            for column in INDEXES:
                table = column.partition("(")[0]
                db.execute(sa.text(f"CREATE INDEX IF NOT EXISTS tinybert_l_{table} ON {column}"))
            rows = db.execute(
                sa.select(CELLS.c.id, CELLS.c.name, CELLS.c.type).where(
                    CELLS.c.notebook_id == self.notebook_id
                )
            )
            self.cells = {(row.name, row.type): row.id for row in rows}
        return self

    def __exit__(self, *_: Any) -> None:
        self.engine.dispose()

    def set_due(self, due: datetime | None) -> None:
        """Write the date that the calendar gives."""
        table = api.Assignment.__table__
        when = due.astimezone(UTC).replace(tzinfo=None) if due else None
        with self.engine.begin() as db:
            db.execute(
                sa.update(table).where(table.c.id == self.assignment_id).values(duedate=when)
            )

    def record(
        self, result: Result, handed_in: datetime | None, policy: LatePolicy
    ) -> dict[str, Any]:
        """Record verdicts; returns {"scores", "comments", "penalty", "manual"} as feedback shows them.

        Scores that a person gave stay, and are marked for review where the automatic ones have changed.
        """
        for last in (False, False, True):
            try:
                with self.engine.begin() as db:
                    submitted = self._submission(db, result.job.student, handed_in)
                    for verdict in result.verdicts:
                        self._grade(db, submitted, verdict)
                    return self._settle(db, submitted, result.job.student, policy)
            except OperationalError as error:
                if "disk is full" in str(
                    error
                ):  # as the system calls it, and everything else that writes
                    raise OSError(
                        errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.engine.url.database)
                    ) from error
                if last or "locked" not in str(error):
                    raise
                time.sleep(1)
        raise AssertionError

    def settle(self, student: str, policy: LatePolicy) -> dict[str, Any]:
        """The same dictionary for a submission that is in the gradebook already."""
        with self.engine.begin() as db:
            return self._settle(db, self._submission(db, student, None), student, policy)

    def _submission(self, db: Any, student: str, handed_in: datetime | None) -> str:
        """The id of the student's submitted notebook, made where it is missing."""
        if db.scalar(sa.select(STUDENTS.c.id).where(STUDENTS.c.id == student)) is None:
            db.execute(sa.insert(STUDENTS).values(id=student))
        mine = (ASSIGNMENTS.c.assignment_id == self.assignment_id) & (
            ASSIGNMENTS.c.student_id == student
        )
        submission = db.scalar(sa.select(ASSIGNMENTS.c.id).where(mine))
        if submission is None:
            submission = api.new_uuid()
            values = {"id": submission, "assignment_id": self.assignment_id, "student_id": student}
            db.execute(sa.insert(ASSIGNMENTS).values(values))
        if handed_in is not None:
            when = handed_in.astimezone(UTC).replace(tzinfo=None)
            db.execute(
                sa.update(ASSIGNMENTS).where(ASSIGNMENTS.c.id == submission).values(timestamp=when)
            )
        notebook = db.scalar(
            sa.select(NOTEBOOKS.c.id).where(NOTEBOOKS.c.assignment_id == submission)
        )
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

    def _grade(self, db: Any, submitted: str, verdict: Verdict) -> None:
        for kind in ("GradeCell", "TaskCell"):
            cell = self.cells.get((verdict.cell, kind))
            if cell is None:
                continue
            mine = (GRADES.c.notebook_id == submitted) & (GRADES.c.cell_id == cell)
            old = db.execute(
                sa.select(
                    GRADES.c.auto_score, GRADES.c.manual_score, GRADES.c.needs_manual_grade
                ).where(mine)
            ).first()
            review = verdict.points is None
            if old is None:
                values = {
                    "id": api.new_uuid(),
                    "cell_id": cell,
                    "notebook_id": submitted,
                    "auto_score": verdict.points,
                }
                db.execute(sa.insert(GRADES).values(values | {"needs_manual_grade": review}))
            else:
                if old.manual_score is not None:
                    review = old.needs_manual_grade or old.auto_score != verdict.points
                db.execute(
                    sa.update(GRADES)
                    .where(mine)
                    .values(auto_score=verdict.points, needs_manual_grade=review)
                )
        for kind in ("SolutionCell", "TaskCell"):
            cell = self.cells.get((verdict.cell, kind))
            if cell is None:
                continue
            text = None if verdict.answered else "No response."
            mine = (COMMENTS.c.notebook_id == submitted) & (COMMENTS.c.cell_id == cell)
            if db.execute(sa.update(COMMENTS).where(mine).values(auto_comment=text)).rowcount == 0:
                values = {
                    "id": api.new_uuid(),
                    "cell_id": cell,
                    "notebook_id": submitted,
                    "auto_comment": text,
                }
                db.execute(sa.insert(COMMENTS).values(values))

    def _settle(self, db: Any, submitted: str, student: str, policy: LatePolicy) -> dict[str, Any]:
        joined = sa.join(GRADES, CELLS, GRADES.c.cell_id == CELLS.c.id)
        columns = (CELLS.c.name, GRADES.c.auto_score, GRADES.c.manual_score, GRADES.c.extra_credit)
        rows = db.execute(
            sa.select(*columns).select_from(joined).where(GRADES.c.notebook_id == submitted)
        ).all()
        scores = {r.name: _score(r) for r in rows}
        joined = sa.join(COMMENTS, CELLS, COMMENTS.c.cell_id == CELLS.c.id)
        texts = (CELLS.c.name, COMMENTS.c.auto_comment, COMMENTS.c.manual_comment)
        said = db.execute(
            sa.select(*texts).select_from(joined).where(COMMENTS.c.notebook_id == submitted)
        ).all()
        comments = {
            r.name: r.manual_comment or r.auto_comment
            for r in said
            if r.manual_comment or r.auto_comment
        }
        late = self._seconds_late(db, student)
        penalty = min(max(policy.penalty(sum(scores.values()), late), 0.0), sum(scores.values()))
        values = {"late_submission_penalty": penalty if late > 0 else None}
        db.execute(sa.update(NOTEBOOKS).where(NOTEBOOKS.c.id == submitted).values(values))
        manual = any(r.manual_score is not None or r.extra_credit is not None for r in rows)
        return {
            "scores": scores,
            "comments": comments,
            "penalty": penalty,
            "manual": manual,
            "seconds_late": late,
        }

    def _seconds_late(self, db: Any, student: str) -> float:
        due = db.scalar(
            sa.select(api.Assignment.__table__.c.duedate).where(
                api.Assignment.__table__.c.id == self.assignment_id
            )
        )
        mine = (ASSIGNMENTS.c.assignment_id == self.assignment_id) & (
            ASSIGNMENTS.c.student_id == student
        )
        row = db.execute(
            sa.select(ASSIGNMENTS.c.timestamp, ASSIGNMENTS.c.extension).where(mine)
        ).first()
        if due is None or row is None or row.timestamp is None:
            return 0.0
        extension = row.extension.total_seconds() if row.extension else 0.0
        return max(0.0, (row.timestamp - due).total_seconds() - extension)

    def introduce(self, student: str, **known: str) -> None:
        """Write what an LMS says of a student: first_name, last_name, email, lms_user_id."""
        with self.engine.begin() as db:
            if (
                db.execute(
                    sa.update(STUDENTS).where(STUDENTS.c.id == student).values(**known)
                ).rowcount
                == 0
            ):
                db.execute(sa.insert(STUDENTS).values(id=student, **known))

    def automatic(self) -> dict[str, dict[str, float | None]]:
        """{student: {cell: automatic points}} of everyone in the gradebook."""
        found: dict[str, dict[str, float | None]] = {}
        for row in self._rows():
            found.setdefault(row.student, {})[row.cell] = row.auto_score
        return found

    def totals(self) -> list[dict[str, Any]]:
        """One row a student: identity, raw score, penalty, score, maximum, cells that a person still has to grade."""
        maximum = self.maximum()
        totals: dict[str, dict[str, Any]] = {}
        for row in self._rows():
            one = totals.setdefault(row.student, {
                "student": row.student, "last_name": row.last_name or "", "first_name": row.first_name or "",
                "email": row.email or "", "lms_user_id": row.lms_user_id or "", "timestamp": row.timestamp or "",
                "raw_score": 0.0, "late_penalty": row.penalty or 0.0, "max_score": maximum, "to_grade_by_hand": 0,
            })  # fmt: skip
            one["raw_score"] += _score(row)
            one["to_grade_by_hand"] += int(row.needs_manual_grade)
        for one in totals.values():
            one["score"] = max(0.0, one["raw_score"] - one["late_penalty"])
        return [totals[student] for student in sorted(totals)]

    def maximum(self) -> float:
        """Points of the whole assignment, manual ones included."""
        grade, task = api.GradeCell.__table__, api.TaskCell.__table__
        with self.engine.connect() as db:
            total = 0.0
            for table in (grade, task):
                joined = sa.join(table, CELLS, table.c.id == CELLS.c.id)
                query = sa.select(sa.func.sum(table.c.max_score)).select_from(joined)
                total += float(
                    db.scalar(query.where(CELLS.c.notebook_id == self.notebook_id)) or 0.0
                )
        return total

    def _rows(self) -> Iterator[Any]:
        joined = (
            sa.join(GRADES, CELLS, GRADES.c.cell_id == CELLS.c.id)
            .join(NOTEBOOKS, GRADES.c.notebook_id == NOTEBOOKS.c.id)
            .join(ASSIGNMENTS, NOTEBOOKS.c.assignment_id == ASSIGNMENTS.c.id)
            .join(STUDENTS, ASSIGNMENTS.c.student_id == STUDENTS.c.id)
        )
        query = (
            sa.select(
                STUDENTS.c.id.label("student"), STUDENTS.c.first_name, STUDENTS.c.last_name, STUDENTS.c.email,
                STUDENTS.c.lms_user_id, ASSIGNMENTS.c.timestamp, CELLS.c.name.label("cell"), GRADES.c.auto_score,
                GRADES.c.manual_score, GRADES.c.extra_credit, GRADES.c.needs_manual_grade,
                NOTEBOOKS.c.late_submission_penalty.label("penalty"),
            )
            .select_from(joined)
            .where(ASSIGNMENTS.c.assignment_id == self.assignment_id)
            .order_by(STUDENTS.c.id)
        )  # fmt: skip
        with self.engine.connect() as db:
            yield from db.execute(query)


def _score(row: Any) -> float:
    """As nbgrader has it: a person's score goes before the automatic one."""
    base = row.manual_score if row.manual_score is not None else row.auto_score
    return float(base) + float(row.extra_credit or 0.0) if base is not None else 0.0
