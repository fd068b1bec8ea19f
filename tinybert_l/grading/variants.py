"""Give every student numbers of their own, and grade by them.

A student's numbers are drawn from the course's secret, the student's id and the question, and never
stored: whoever has the secret draws them again. The secret lies in `variants/` of the course's
folder, which no release takes anything from. Beside it stands, for each lecture that was released
in this way, for whom it was, and of which declarations.

Whose numbers count is said by the intake, never by a notebook.
"""

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from tinybert_l.cache import read_json, write_atomically
from tinybert_l.course.authoring import cell_in_language
from tinybert_l.course.markers import without_hidden_tests
from tinybert_l.course.quiz_cells import cells_of
from tinybert_l.course.quiz_questions import Question, read_questions
from tinybert_l.errors import CourseError, InvalidInput
from tinybert_l.exercises.notebook_files import UnreadableNotebook, read_notebook
from tinybert_l.exercises.registry import NOTEBOOKS
from tinybert_l.grading.arrivals import RELEASED_FOR
from tinybert_l.grading.assignment import Assignment, Cell, normalised, text_digest
from tinybert_l.grading.course import Course
from tinybert_l.grading.owners import folded

FOLDER = "variants"
SECRET = "secret"
SECRET_BYTES = 32
ATTEMPTS = 2000  # at numbers that meet a question's condition
NAMES_SHOWN = 3  # students in a remark
# changes with the way in which numbers are drawn: what was released by another is not graded
RULE = "numbers meet the condition, and each known mistake shows"
NO_RELEASE = "no release with own numbers was made for this name"
Numbers = dict[str, Any]


class NotReleasedFor(CourseError, LookupError):
    """A student has no release with own numbers; the message says what to do."""


def draw(secret: bytes, student: str, question: Question) -> Numbers:
    """Draw a student's numbers in a question; the same ones whenever it is called.

    Args:
        secret: of the course.
        student: the roster's id.

    Raises:
        InvalidInput: hardly any numbers meet the question's condition.
    """
    for attempt in range(ATTEMPTS):
        stream = _Stream(secret, f"{folded(student)}\n{question.name}\n{attempt}")
        numbers = {}
        for parameter in question.parameters:
            numbers[parameter.name] = parameter.draw(stream.below)
        if question.may_have(numbers):
            return numbers
    raise InvalidInput(f"{question.name}: no numbers in {ATTEMPTS} draws meet {question.where!r}.")


class _Stream:
    """Random numbers that follow from a secret and a text, by HMAC-SHA256."""

    def __init__(self, secret: bytes, text: str) -> None:
        self.secret = secret
        self.text = text
        self.count = 0

    def below(self, end: int) -> int:
        """Return a number from 0 to one less than `end`."""
        message = f"{self.text}\n{self.count}".encode()
        self.count += 1
        digest = hmac.digest(self.secret, message, hashlib.sha256)
        return int.from_bytes(digest[:16], "big") % end


@dataclass(frozen=True)
class Change:
    """A cell of a notebook in which a student's numbers stand.

    Args:
        cell: its id in the notebook.
        name: nbgrader's name of it; empty where it has none.
        before, after: its text with the defaults and with the student's numbers; of an answer's
            cell the lines alone that give the numbers.
        is_part: whether they are a part of the cell.
    """

    cell: str
    name: str
    before: str
    after: str
    is_part: bool = False

    def released(self, language: str | None) -> tuple[str, str]:
        """Return both texts as a release holds them, of a code cell in one language."""
        texts = [self.before, self.after]
        if self.name:
            texts = list(map(without_hidden_tests, texts))
            if language is not None:
                texts = [cell_in_language(text, language) for text in texts]
        return texts[0], texts[1]

    def applied(self, source: str, language: str | None = None) -> str:
        """Return a released cell's text with the student's numbers.

        Raises:
            InvalidInput: the cell does not hold the defaults.
        """
        before, after = self.released(language)
        if self.is_part and before in source:
            return source.replace(before, after)
        if not self.is_part and normalised(source) == normalised(before):
            return after
        raise InvalidInput(
            f"{self.cell}: the notebook does not hold what solutions/quizzes says; write it with "
            "'tinybert-l answers', then release again. 笔记本与题目文件不一致。"
        )


def changes_of(question: Question, numbers: Numbers) -> list[Change]:
    """List the cells of a question that differ where it has these numbers."""
    own = question.with_numbers(numbers)
    changes = []
    for before, after in zip(cells_of(question), cells_of(own), strict=True):
        old, new = "".join(before["source"]), "".join(after["source"])
        settings = before["metadata"].get("nbgrader", {})
        name = settings.get("grade_id", "")
        if settings.get("solution"):
            old, new = question.number_lines, own.number_lines
        if old != new:
            changes.append(Change(before["id"], name, old, new, bool(settings.get("solution"))))
    return changes


@dataclass(frozen=True)
class Variants:
    """A lecture's own numbers in a course.

    Args:
        secret: of the course.
        questions: those that have numbers.
        students: for whom the lecture was released.
    """

    lecture: int
    secret: bytes
    questions: tuple[Question, ...]
    students: tuple[str, ...]
    _kept: dict[str, list[Change]] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(cls, course: Course, lecture: int) -> "Variants | None":
        """Return the variants of a lecture; None where it was released alike for everybody.

        Raises:
            InvalidInput: the secret or the declarations are others than at the release.
        """
        path = record_path(course, lecture)
        if not path.is_file():
            return None
        record = read_json(path)
        secret_path = course.folder / FOLDER / SECRET
        if not secret_path.is_file():
            raise InvalidInput(
                f"{secret_path} is missing: the students' numbers follow from it. Restore it from "
                "a backup. 课程密钥缺失，请从备份恢复。"
            )
        secret = bytes.fromhex(secret_path.read_text(encoding="ascii"))
        new = cls(lecture, secret, _questions(course, lecture), tuple(record["students"]))
        for key, value in new._record().items():
            if key != "students" and record[key] != value:
                raise InvalidInput(
                    f"{path}: the {key} of lecture {lecture} is not that of the release: students "
                    f"have other numbers. Restore it, or run 'tinybert-l release {lecture} "
                    "--per-student' again. 与发布时不同，学生的数已对不上。"
                )
        return new

    @classmethod
    def new(cls, course: Course, lecture: int, students: Sequence[str]) -> "Variants":
        """Return the variants of a lecture that is to be released for these students.

        Raises:
            InvalidInput: the lecture has no numbers to draw, or two students draw the same ones.
        """
        questions = _questions(course, lecture)
        if not questions:
            raise InvalidInput(f"release {lecture} --per-student: no question has own numbers.")
        if not students:
            raise InvalidInput(
                "release --per-student: nobody is in the gradebook; enter the people with "
                "'tinybert-l course roster FILE'. 名单为空。"
            )
        variants = cls(lecture, _secret(course), questions, tuple(sorted(students)))
        variants._require_different()
        return variants

    def write(self, course: Course) -> None:
        """Note for whom the lecture is released, so that it is graded by their numbers."""
        text = json.dumps(self._record(), indent=1, ensure_ascii=False) + "\n"
        write_atomically(record_path(course, self.lecture), text)

    def _record(self) -> Mapping[str, Any]:
        """Return what the course keeps: nothing that tells a number."""
        texts = [RULE]
        for question in self.questions:
            texts += ["".join(cell["source"]) for cell in cells_of(question)]
            texts.append(repr((question.parameters, question.where)))
        declarations = hashlib.sha256("\n".join(texts).encode()).hexdigest()
        key = hmac.new(self.secret, b"which secret", hashlib.sha256).hexdigest()
        return {"declarations": declarations, "secret": key, "students": list(self.students)}

    def _require_different(self) -> None:
        """Raise where two students share all numbers, which should never happen by chance."""
        owners: dict[str, str] = {}
        for student in self.students:
            numbers = json.dumps(self.numbers(student), sort_keys=True)
            other = owners.setdefault(numbers, student)
            if other != student:
                raise InvalidInput(
                    f"release {self.lecture} --per-student: {other} and {student} draw the same "
                    "numbers; give the questions wider ranges. 两人的数全部相同。"
                )

    def numbers(self, student: str) -> dict[str, Numbers]:
        """Return {question: the student's numbers}."""
        drawn = {}
        for question in self.questions:
            drawn[question.name] = draw(self.secret, student, question)
        return drawn

    def changes(self, student: str) -> list[Change]:
        """List the cells of the lecture in which the student's numbers stand.

        Raises:
            NotReleasedFor: the lecture was not released for this student.
        """
        if student not in self._known:
            raise NotReleasedFor(
                f"no release with own numbers was made for {student}: put submissions under the "
                "roster's ids ('tinybert-l course roster --match', then collect again), or enter "
                f"{student} and run 'tinybert-l release {self.lecture} --per-student' again. "
                "没有为该学生发布过。"
            )
        if student not in self._kept:
            self._kept[student] = []
            for question in self.questions:
                numbers = draw(self.secret, student, question)
                self._kept[student] += changes_of(question, numbers)
        return self._kept[student]

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(self.students)

    def assignment(self, common: Assignment, student: str) -> Assignment:
        """Return a lecture's assignment with a student's numbers in texts and tests."""
        return with_changes(common, self.changes(student))

    def released_texts(self) -> set[str]:
        """Return the texts of cells, normalised, that stand in some student's release alone."""
        texts = set()
        for student in self.students:
            for change in self.changes(student):
                texts.add(normalised(change.after))
        return texts

    @cached_property
    def owners(self) -> dict[str, str]:
        """{text of a cell: whose release holds it}, for texts that a single student has."""
        owners: dict[str, str] = {}
        shared = set()
        for student in self.students:
            for change in self.changes(student):
                if change.name:
                    continue  # texts in words tell; answers are rewritten by students
                text = normalised(change.after)
                if owners.setdefault(text, student) != student:
                    shared.add(text)
        return {text: student for text, student in owners.items() if text not in shared}

    def remark(self, student: str, raw: bytes) -> str:
        """Say what a person has to know of a student's notebook; empty where there is nothing.

        Args:
            raw: its bytes. For whom it was released is told by its texts, which differ.
        """
        if student not in self._known:
            return f"{NO_RELEASE} ({student}) 没有为其发布过"
        try:
            tree, _ = read_notebook(raw, "notebook")
        except UnreadableNotebook:
            return ""
        texts = (normalised(cell["source"]) for cell in tree["cells"])
        others = {self.owners[text] for text in texts if text in self.owners} - {student}
        if not others:
            return ""
        return (
            f"{RELEASED_FOR} {', '.join(sorted(others)[:NAMES_SHOWN])}: look 文件原属他人，请查看"
        )


def record_path(course: Course, lecture: int) -> Path:
    """Return the path of the file that says for whom a lecture was released."""
    return course.folder / FOLDER / f"{NOTEBOOKS[lecture]}.json"


def assignment_of(course: Course, lecture: int, student: str) -> Assignment:
    """Return a lecture's assignment as it was released for a student.

    Raises:
        FileNotFoundError: the lecture was not released.
        NotReleasedFor: it was released per student, and not for this one.
    """
    common = course.assignment(lecture)
    variants = Variants.of(course, lecture)
    return common if variants is None else variants.assignment(common, student)


def with_changes(common: Assignment, changes: Sequence[Change]) -> Assignment:
    """Return an assignment in which these cells hold other numbers."""
    by_name = {change.name: change for change in changes if change.name}
    cells = []
    for cell in common.cells:
        cells.append(_changed(cell, by_name[cell.name]) if cell.name in by_name else cell)
    digests = {}
    for change in changes:
        if not change.name:
            digests[text_digest(change.before)] = text_digest(change.after)
    layout = []
    for place in common.layout:
        kind, _, digest = place.partition(" ")
        layout.append(f"{kind} {digests.get(digest, digest)}" if kind == "text" else place)
    texts = {digests.get(digest, digest) for digest in common.texts}
    return replace(common, cells=tuple(cells), layout=tuple(layout), texts=frozenset(texts))


def _changed(cell: Cell, change: Change) -> Cell:
    """Return a cell of the gradebook with other numbers; an answer's with its new checksum."""
    if not change.is_part:
        return replace(cell, source=change.after)
    source = change.applied(cell.source)
    return replace(cell, source=source, checksum=_checksum(cell, source))


def _checksum(cell: Cell, source: str) -> str:
    """Return nbgrader's checksum of a cell with this text."""
    from nbgrader.utils import compute_checksum

    settings = NotebookNode(cell.metadata())
    metadata = NotebookNode(nbgrader=settings)
    node = NotebookNode(cell_type=cell.cell_type, source=source, metadata=metadata)
    return compute_checksum(node)


def _questions(course: Course, lecture: int) -> tuple[Question, ...]:
    questions = read_questions(course.solutions, lecture)
    return tuple(question for question in questions if question.parameters)


def _secret(course: Course) -> bytes:
    """Return the course's secret; it is made when it is first needed."""
    path = course.folder / FOLDER / SECRET
    if not path.is_file():
        write_atomically(path, secrets.token_hex(SECRET_BYTES))
        path.chmod(0o600)
    return bytes.fromhex(path.read_text(encoding="ascii"))
