"""The marker's desk: the questions of a lecture, everybody's answers, and each step of marking."""

import contextlib
import hashlib
import hmac
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tinybert_l.cache import short_digest
from tinybert_l.errors import CourseError, InvalidInput
from tinybert_l.exercises.registry import NOTEBOOKS
from tinybert_l.grading.assignment import Assignment
from tinybert_l.grading.course import Course
from tinybert_l.grading.marking.answers import Answer, Shower, read_answer
from tinybert_l.grading.marking.grouping import Group, groups_of
from tinybert_l.grading.marking.marks import GradebookMarks, Mark, Marks
from tinybert_l.grading.marking.notices import Record, read_record
from tinybert_l.grading.marking.scheme import Question, read_questions
from tinybert_l.grading.marking.second import Agreement, SecondMarks, agreement
from tinybert_l.grading.marking.store import (
    COMMENT_LIMIT,
    FOLDER,
    Journal,
    Phrases,
    clean_text,
    only_here,
    safe_name,
    seed,
)
from tinybert_l.grading.results.audit import Audit
from tinybert_l.grading.results.book import Book
from tinybert_l.grading.variants import Variants

_ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"  # nothing that is read as something else
CODE_LENGTH = 5


class NotSeen(CourseError):
    """A step is refused: it was meant for an answer or a mark that has changed since."""


@dataclass(frozen=True)
class Options:
    """How a desk is set up.

    Args:
        names: show who wrote which answer.
        reader: name of a second reader; empty: the first marks, in the gradebook.
        sample: answers that a second reader marks.
    """

    names: bool = False
    reader: str = ""
    sample: int = 20


class Desk:
    """Holds a lecture's gradebook open while somebody marks. Use as a context manager."""

    def __init__(self, course: Course, lecture: int, options: Options = Options()) -> None:
        if options.reader:
            safe_name(options.reader, "--second-reader")
        self.course = course
        self.lecture = lecture
        self.options = options
        self.name = NOTEBOOKS[lecture]
        self.folder = course.folder / FOLDER / self.name
        self.assignment = course.assignment(lecture)
        self.variants = Variants.of(course, lecture)
        self.book = Book(course.database, self.name)
        source = course.sources / self.name / f"{self.name}.ipynb"
        self.questions = {question.cell: question for question in read_questions(source, lecture)}
        self.sheets: dict[str, Sheet] = {}

    def alone(self) -> contextlib.AbstractContextManager[None]:
        """Keep other programs from marking as the same reader meanwhile."""
        return only_here(self.folder / f"open{self._reader}.lock")

    @property
    def _reader(self) -> str:
        return f"-{self.options.reader}" if self.options.reader else ""

    def __enter__(self) -> "Desk":
        self.book.__enter__()
        self.record = read_record(Audit(self.course.folder), self.name)
        self.full_names = {}
        if self.options.names:
            self.full_names = {person.student: person.full_name for person in self.book.students()}
        return self

    def __exit__(self, *_: object) -> None:
        self.book.__exit__()

    def sheet(self, cell: str) -> "Sheet":
        """Return a question's sheet, with the marks as they are now.

        Raises:
            InvalidInput: the lecture has no such question.
        """
        if cell not in self.questions:
            raise InvalidInput(f"question {cell[:80]!r}; allowed: {', '.join(self.questions)}.")
        if cell not in self.sheets:
            self.sheets[cell] = Sheet(self, self.questions[cell])
        sheet = self.sheets[cell]
        sheet.refresh()
        return sheet

    def assignment_of(self, student: str) -> Assignment:
        """Return the assignment as it was released for a student."""
        if self.variants is None or student not in self.variants.students:
            return self.assignment
        return self.variants.assignment(self.assignment, student)

    def path(self, cell: str, kind: str, suffix: str = ".json") -> Path:
        """Return where a question's file of some kind lies; a second reader has files apart."""
        return self.folder / f"{safe_name(cell, 'question')}-{kind}{self._reader}{suffix}"

    def agreement(self, cell: str) -> Agreement:
        """Compare the second reader's marks on a question with the first ones."""
        first = GradebookMarks(self.course, self.book, cell).read()
        return agreement(first, self.sheet(cell).marks)


class Sheet:
    """One question: its answers in an order that tells nothing, their groups, their marks.

    Args:
        desk: that it lies on.
    """

    def __init__(self, desk: Desk, question: Question) -> None:
        self.desk = desk
        self.question = question
        self.seed = seed(desk.path(question.cell, "seed"))
        self.journal = Journal(desk.path(question.cell, "journal", ".jsonl"))
        self.phrases = Phrases(desk.path(question.cell, "comments"))
        self.shower = Shower()
        self.answers: dict[str, Answer] = {}
        self._read_at: dict[str, int] = {}
        self._gradebook = GradebookMarks(desk.course, desk.book, question.cell)
        self.store: Marks = self._gradebook
        if desk.options.reader:
            self._read_answers(list(self._gradebook.read()))
            candidates = [name for name, answer in self.answers.items() if not answer.is_blank]
            path = desk.path(question.cell, "second")
            self.store = SecondMarks(path, desk.options.sample, candidates)

    @property
    def record(self) -> Record:
        return self.desk.record

    def refresh(self) -> None:
        """Take in what has changed on disk: marks given elsewhere, new answers."""
        self.marks = self._with_items(self.store.read())
        if self._read_answers(list(self.marks)) or not hasattr(self, "order"):
            self._arrange()

    def _with_items(self, marks: Mapping[str, Mark]) -> dict[str, Mark]:
        """Return marks with the ticked items, where the points are still those given here."""
        complete = {}
        for student, mark in marks.items():
            given = self.journal.items.get(student)
            if given is not None and given.points == mark.points:
                mark = replace(mark, items=given.items)
            complete[student] = mark
        return complete

    def _read_answers(self, students: Sequence[str]) -> bool:
        """Read the answers that are new or have changed; tells whether there were any."""
        changed = False
        for student in students:
            path = self.desk.course.graded(student, self.desk.lecture)
            stamp = path.stat().st_mtime_ns if path.is_file() else 0
            if self._read_at.get(student) != stamp:
                self._read_at[student] = stamp
                self.answers[student] = read_answer(
                    path, self.question, self.desk.assignment_of(student)
                )
                changed = True
        return changed

    def _arrange(self) -> None:
        """Draw the order and the pseudonyms; bring together what is alike."""
        by_digest = sorted(self.marks, key=self._digest)
        self.codes: dict[str, str] = {}
        self.students: dict[str, str] = {}
        for student in by_digest:
            code = self._code(student)
            self.codes[student] = code
            self.students[code] = student
        texts = {}
        for student in by_digest:
            answer = self.answers[student]
            if not (answer.is_blank or answer.problem or answer.beside):
                texts[student] = answer.text
        self.groups = groups_of(texts)
        blank = [name for name in by_digest if self.answers[name].is_blank]
        if len(blank) > 1:
            self.groups.append(Group(tuple(blank), equal=True))
        self.group_of = {name: group for group in self.groups for name in group.members}
        self.order: list[str] = []
        for student in by_digest:
            group = self.group_of.get(student)
            if group is None:
                self.order.append(student)
            elif group.members[0] == student:
                self.order.extend(group.members)

    def _digest(self, student: str) -> bytes:
        return hmac.new(self.seed.encode(), student.encode(), hashlib.sha256).digest()

    def _code(self, student: str) -> str:
        """Return a pseudonym that no other student has."""
        digits = [_ALPHABET[byte % len(_ALPHABET)] for byte in self._digest(student)]
        length = CODE_LENGTH
        while "".join(digits[:length]) in self.students:
            length += 1
        return "".join(digits[:length])

    def student(self, code: object) -> str:
        """Return who is behind a pseudonym; raises `InvalidInput` for an unknown one."""
        student = self.students.get(code) if isinstance(code, str) else None
        if student is None:
            raise InvalidInput(f"answer {str(code)[:40]!r} is not known; load the page anew.")
        return student

    def notices(self, student: str) -> list[str]:
        """Return what has to be known beside an answer, each once."""
        notices = [*self.answers[student].notices]
        notices += self.record.notices(student, self.question.cell)
        return list(dict.fromkeys(notices))

    def html_of(self, student: str) -> str:
        """Return an answer as harmless HTML."""
        answer = self.answers[student]
        return self.shower.html_of(answer, f"/pictures/{self.question.cell}/{self.codes[student]}")

    # --- steps -------------------------------------------------------------------------------

    def give(self, code: object, whole_group: object, points: object, items: object) -> list[str]:
        """Give points to an answer, or to all of its group; returns whose marks changed.

        Whoever has other points of their own keeps them (see `keep_their_own`).

        Args:
            points: a number from 0 to the question's points; None takes the mark away.
            items: numbers of the ticked items of the rubric.
        """
        checked_points = self._points(points)
        checked_items = self._items(items)
        keep = self.keep_their_own(code, whole_group, "points")
        after = {}
        for student in self._targets(code, whole_group):
            if student not in keep:
                after[student] = self.marks[student].with_points(checked_points, checked_items)
        return self._step(after)

    def comment(self, code: object, whole_group: object, text: object) -> list[str]:
        """Write the comment on an answer, or on its group, likewise; returns whose changed."""
        cleaned = self._text(text)
        keep = self.keep_their_own(code, whole_group, "comment")
        after = {}
        for student in self._targets(code, whole_group):
            if student not in keep:
                after[student] = replace(self.marks[student], comment=cleaned)
        return self._step(after)

    def keep_their_own(self, code: object, whole_group: object, what: str) -> list[str]:
        """Return who keeps what a step for the whole group would replace: points, or a comment.

        Theirs are other than those of the answer that the step was made on: somebody decided so.
        """
        mine = getattr(self.marks[self.student(code)], what)
        targets = self._targets(code, whole_group)
        return [x for x in targets if getattr(self.marks[x], what) not in (None, "", mine)]

    def undo(self) -> tuple[list[str], int]:
        """Undo the last step that is not undone yet.

        Returns:
            Whose marks changed, and how many stay because they were changed elsewhere since.
        Raises:
            InvalidInput: there is no step.
        """
        if not self.journal.steps:
            raise InvalidInput("There is no step to undo. 没有可撤销的操作。")
        step = self.journal.steps[-1]
        before = {}
        for student, mark in step.before.items():
            if student in self.marks and self.marks[student].is_as(step.after[student]):
                before[student] = replace(mark, automatic=self.marks[student].automatic)
        self.store.write(before)
        self.journal.undo(step)
        self.marks |= before
        return list(before), len(step.before) - len(before)

    @property
    def last_step(self) -> int:
        """The number of the step that `undo` takes back; 0 where there is none."""
        return self.journal.steps[-1].number if self.journal.steps else 0

    def require_last(self, step: object) -> None:
        """Raise `NotSeen` unless a page knows of the last step: `undo` takes back no other's."""
        if step != self.last_step:
            raise NotSeen(
                "another page made a step since; it is shown now, and undo again takes it back. "
                "另一页面刚有新的操作，现已显示；再次撤销将撤销它。"
            )

    def require_seen(self, code: object, whole_group: object, seen: object) -> None:
        """Raise an error unless a page shows the answers and marks of a step as they are now.

        Args:
            seen: {pseudonym: [fingerprint of the answer that is shown, of its mark]}.
        Raises:
            NotSeen: an answer or a mark has changed since.
        """
        shown = seen if isinstance(seen, dict) else {}
        for student in self._targets(code, whole_group):
            pair = shown.get(self.codes[student])
            answer, mark = pair if isinstance(pair, list) and len(pair) == 2 else ("", "")
            if answer != self.version(student):
                raise NotSeen(
                    "an answer has come or changed since; load the page anew. "
                    "答案已更新，请重新载入本页。"
                )
            if mark != self._fingerprint(student):
                raise NotSeen(
                    "it was marked elsewhere since; what was given is shown now. "
                    "该答案刚在别处评过，现已显示其评分。"
                )

    def version(self, student: str) -> str:
        """Return what changes when the student answers anew."""
        return short_digest(repr(self.answers[student]), 12)

    def _fingerprint(self, student: str) -> str:
        """Return what changes when somebody marks the answer."""
        mark = self.marks[student]
        points = None if mark.points is None else float(mark.points)
        return short_digest(repr((points, mark.comment, mark.needs_person)), 12)

    def _targets(self, code: object, whole_group: object) -> tuple[str, ...]:
        student = self.student(code)
        if whole_group is True and student in self.group_of:
            return self.group_of[student].members
        return (student,)

    def _step(self, after: dict[str, Mark]) -> list[str]:
        """Note a step in the journal, then make it."""
        changed = {}
        for student, mark in after.items():
            if mark != self.marks[student]:
                changed[student] = mark
        if not changed:
            return []
        step = self.journal.add({name: self.marks[name] for name in changed}, changed)
        try:
            self.store.write(changed)
        except BaseException:
            self.journal.undo(step)
            raise
        self.marks |= changed
        return list(changed)

    def _points(self, points: object) -> float | None:
        if points is None:
            return None
        value = math.nan
        if isinstance(points, int | float) and not isinstance(points, bool):
            value = points
        if not 0 <= value <= self.question.points:  # never true of what is no number
            raise InvalidInput(
                f"points {str(points)[:40]}; allowed: 0 to {self.question.points:g}. 分数超出范围。"
            )
        return round(value, 2)

    def _items(self, items: object) -> tuple[int, ...]:
        known = range(len(self.question.rubric))
        numbers = items if isinstance(items, list) else [None]
        checked = set()
        for number in numbers:
            if not isinstance(number, int) or isinstance(number, bool) or number not in known:
                raise InvalidInput(f"items {str(items)[:80]}; allowed: numbers below {len(known)}.")
            checked.add(number)
        return tuple(sorted(checked))

    @staticmethod
    def _text(text: object) -> str:
        if not isinstance(text, str) or len(text) > COMMENT_LIMIT:
            raise InvalidInput(f"A comment has at most {COMMENT_LIMIT} characters. 评语过长。")
        return clean_text(text)

    def keep(self, text: object) -> None:
        """Keep a comment for use again."""
        self.phrases.add(self._text(text))

    def forget(self, text: object) -> None:
        """Keep a comment no longer."""
        self.phrases.remove(self._text(text))

    # --- what the page shows -----------------------------------------------------------------

    def state_of(self, student: str) -> dict[str, Any]:
        """Return an answer's mark as plain data, for the page."""
        mark = self.marks[student]
        group = self.group_of.get(student)
        return {
            "points": mark.points if mark.points is not None else mark.automatic,
            "by_person": mark.points is not None,
            "comment": mark.comment,
            "done": not mark.needs_person,
            "items": list(mark.items),
            "group": self.groups.index(group) if group else None,
            "seen": self._fingerprint(student),
        }

    def states(self, students: Sequence[str]) -> dict[str, Any]:
        """Return {pseudonym: mark} of some answers."""
        return {self.codes[student]: self.state_of(student) for student in students}

    def progress(self) -> tuple[int, int]:
        """Return how many answers are done, of how many."""
        return sum(not mark.needs_person for mark in self.marks.values()), len(self.marks)


def open_desk(course: Course, lecture: int, options: Options) -> Desk:
    """Return the desk of a lecture.

    Raises:
        CourseError: nothing of the lecture has been graded yet.
    """
    desk = Desk(course, lecture, options)
    if not course.database.is_file() or not any(
        course.graded(student, lecture).is_file() for student in course.students(lecture)
    ):
        raise CourseError(
            f"Nothing of lecture {lecture} is graded yet: run 'tinybert-l grade {lecture}' first. "
            "请先自动评分。"
        )
    return desk
