"""Answer students' requests for another judgement: check each file, judge anew, tell and record.

A request decides nothing. Points change by judging alone, through the same sandbox, tests and
record as ever; what a person grades is put before a person.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from pathlib import Path, PurePosixPath

import nbformat

from tinybert_l.course.disputes import ENDING, FILE_LIMIT, Dispute
from tinybert_l.course.items import Item, items_of
from tinybert_l.errors import InvalidInput, printable
from tinybert_l.exercises.registry import NOTEBOOKS
from tinybert_l.grading.archives import IncomingFile, incoming_files, read_plain_file
from tinybert_l.grading.arrivals import Arrival
from tinybert_l.grading.course import Course
from tinybert_l.grading.file_names import is_desktop_file
from tinybert_l.grading.identities import Identities
from tinybert_l.grading.owners import Owner, folded, owner_of
from tinybert_l.grading.policy import read_calendar
from tinybert_l.grading.results.audit import Audit
from tinybert_l.grading.results.book import Book
from tinybert_l.grading.results.requests import Request, keep_request, read_requests
from tinybert_l.grading.results.review import ask_person
from tinybert_l.grading.run import Options, grade
from tinybert_l.grading.variants import Variants

FILES_LIMIT = 20_000  # in a folder of requests
REFUSALS_RECORDED = 50  # in one entry of the audit
_MOODLE_NUMBER = re.compile(r"-\d+$")  # how the name ends that `collect` gives, without a roster
DEFAULT = Options()
PATH_LIMIT = 120  # characters of a file's path in a message


@dataclass(frozen=True)
class Answers:
    """What became of the files of a folder.

    Args:
        requests: that were answered now.
        earlier: {file: when it was answered before}.
        copies: {file: the file whose request it repeats}; what is asked twice is answered once.
        refused: {file: why}.
        failed: {file: why it could not be judged}; it can be tried again.
    """

    requests: list[Request] = field(default_factory=list)
    earlier: dict[str, str] = field(default_factory=dict)
    copies: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


def answer_disputes(
    course: Course, lecture: int, folder: Path, options: Options = DEFAULT
) -> Answers:
    """Answer all requests in a folder, in a zip file of a learning platform, or in one file.

    Args:
        options: workers and limits of judging; its exercise is each request's.
    Raises:
        InvalidInput: the folder has too many files, or `folder` is neither folder nor zip file.
    """
    desk = _Desk(course, lecture)
    open_disputes = desk.read(folder)
    by_exercise: dict[str, dict[str, Dispute]] = {}
    for path, dispute in open_disputes.items():
        by_exercise.setdefault(dispute.exercise, {})[path] = dispute
    for exercise, disputes in by_exercise.items():
        if desk.items[exercise].by_hand:
            desk.put_before_person(disputes)
        else:
            desk.judge(disputes, replace(options, exercise=exercise, again=True))
    desk.record_refusals()
    return desk.answers


@contextmanager
def _files_of(folder: Path, name: str) -> Iterator[list[IncomingFile]]:
    """Open a folder or a zip file of requests, or a single request."""
    if not folder.is_file() or not folder.name.lower().endswith((".json", ".json.txt")):
        with incoming_files(folder, name) as files:
            yield files
        return
    modified = datetime.fromtimestamp(folder.stat().st_mtime, UTC)
    yield [IncomingFile(folder.name, modified, partial(read_plain_file, folder))]


class _Desk:
    """Checks and answers the requests for one lecture."""

    def __init__(self, course: Course, lecture: int) -> None:
        self.course = course
        self.lecture = lecture
        self.name = NOTEBOOKS[lecture]
        self.assignment = course.assignment(lecture)
        self.variants = Variants.of(course, lecture)
        self.audit = Audit(course.folder)
        self.identities = Identities.of(course.folder)
        source = course.sources / self.name / f"{self.name}.ipynb"
        self.items: dict[str, Item] = {}
        for item in items_of(lecture, nbformat.read(source, as_version=4).cells):
            self.items[item.name] = item
        self.students = set(course.students(lecture))
        self.late = read_calendar(course.folder).late
        self.hashes: dict[str, str] = {}  # of hand-ins that were read
        self.answers = Answers()

    def read(self, folder: Path) -> dict[str, Dispute]:
        """Read and check all files; returns {file: request} of those that are to be answered."""
        accepted: dict[str, Dispute] = {}
        seen: dict[tuple[str, str], tuple[str, str]] = {}  # {whose and what: (file, because)}
        with _files_of(folder, self.name) as files:
            if len(files) > FILES_LIMIT:
                raise InvalidInput(
                    f"--disputes: {len(files)} files; allowed: {FILES_LIMIT}. 文件过多。"
                )
            for file in sorted(files, key=lambda file: file.path):
                if is_desktop_file(file.path):
                    continue
                path = printable(file.path)[:PATH_LIMIT]
                try:
                    dispute = self._checked(file)
                    key = (dispute.student, dispute.exercise)
                    first, because = seen.setdefault(key, (path, dispute.because))
                    if because != dispute.because:
                        raise InvalidInput(
                            f"a second request for the same exercise, beside {first} 重复的申请"
                        )
                except InvalidInput as error:
                    self.answers.refused[path] = printable(str(error))
                    continue
                when = self._answered_at(dispute)
                if first != path:
                    self.answers.copies[path] = first
                elif when:
                    self.answers.earlier[path] = when
                else:
                    accepted[path] = dispute
        return accepted

    def _checked(self, file: IncomingFile) -> Dispute:
        """Read a request and check what it says; raises InvalidInput with the reason against it."""
        if file.problem:
            raise InvalidInput(file.problem)
        if not PurePosixPath(file.path).name.lower().endswith((".json", ".json.txt")):
            raise InvalidInput(f"no request (*{ENDING}) 不是复核申请文件")
        dispute = Dispute.from_bytes(file.read()[: FILE_LIMIT + 1])
        if dispute.assignment != self.name:
            raise InvalidInput(f"it is for {dispute.assignment!r}; this is {self.name} 不是本讲")
        if dispute.exercise not in self.items:
            allowed = ", ".join(self.items)
            raise InvalidInput(f"exercise {dispute.exercise!r}; allowed: {allowed} 没有此题")
        return replace(dispute, student=self._student(dispute, file.path))

    def _student(self, dispute: Dispute, path: str) -> str:
        """Return whose request it is; raises InvalidInput where file, name and hash disagree.

        Students name themselves as they like; the platform that the file came from, or the folder
        that it lies in, goes before. The hash shows that the hand-in was at hand.
        """
        owner = self._owner(path)
        spelt = {folded(student): student for student in self.students}
        student = spelt.get(folded(dispute.student), dispute.student)
        if student not in self.students:
            student = next(filter(partial(_is_of, owner), sorted(self.students)), "")
            if not student:
                raise InvalidInput(
                    f"nobody called {dispute.student!r} has handed in 没有此人的提交"
                )
        elif owner is not None and not _is_of(owner, student):
            raise InvalidInput(
                f"handed in by {owner.student}, in the name of {student} 冒用他人名义"
            )
        if student not in self.hashes:
            handed_in = read_plain_file(self.course.submission(student, self.lecture))
            self.hashes[student] = sha256(handed_in).hexdigest()
        if self.hashes[student] != dispute.submission:
            raise InvalidInput(
                "the hash is not that of this student's hand-in, as it was graded 提交的哈希不符"
            )
        return student

    def _owner(self, path: str) -> Owner | None:
        """Return who handed a file in, by the platform or a folder; None where neither says."""
        owner = owner_of(path, self.name)
        if owner is None:
            return None
        if owner.platform not in ("canvas", "moodle"):
            return owner if owner.student in self.students else None
        epoch = datetime.fromtimestamp(0, UTC)
        arrival = Arrival(
            owner.student, b"", epoch, path, known=owner.known, platform=owner.platform
        )
        return replace(owner, student=self.identities.student(arrival) or owner.student)

    def _answered_at(self, dispute: Dispute) -> str:
        """Return when the same request was answered before; empty where it was not.

        A new hand-in, new tests, or other words, make it a new request.
        """
        for request in read_requests(self.course.folder, self.name, dispute.student):
            same = request.exercise == dispute.exercise
            same = same and request.submission == dispute.submission
            same = same and request.because == dispute.because
            if same and request.source == self._source(dispute.student):
                return request.at
        return ""

    def _source(self, student: str) -> str:
        """Return the fingerprint of the tests by which a student is judged."""
        if self.variants is None or student not in self.variants.students:
            return self.assignment.fingerprint
        return self.variants.assignment(self.assignment, student).fingerprint

    def judge(self, disputes: dict[str, Dispute], options: Options) -> None:
        """Judge one exercise of these students anew, by the ordinary way, and answer."""
        students = [dispute.student for dispute in disputes.values()]
        before = self._points(students, options.exercise)
        grading = grade(self.course, self.lecture, students, options)
        after = self._points(students, options.exercise)
        for path, dispute in disputes.items():
            if dispute.student in grading.errors:
                self.answers.failed[path] = printable(grading.errors[dispute.student])
                continue
            student = dispute.student
            self._answer(path, dispute, before[student], after[student], by_hand=False)

    def put_before_person(self, disputes: dict[str, Dispute]) -> None:
        """Mark answers that a person grades for another look."""
        for path, dispute in disputes.items():
            student = dispute.student
            points = self._points([student], dispute.exercise)[student]
            with Book(self.course.database, self.name) as book:
                found = ask_person(book, student, self.items[dispute.exercise].cells)
            if found:
                self._answer(path, dispute, points, points, by_hand=True)
            else:
                self.answers.failed[path] = "it has not been graded yet 尚未评分"

    def _points(self, students: Iterable[str], exercise: str) -> dict[str, float | None]:
        """Return {student: points for an exercise} as they count now."""
        cells = self.items[exercise].cells
        points: dict[str, float | None] = {}
        with Book(self.course.database, self.name) as book:
            for student in students:
                scores = book.settle(student, self.late).scores
                known = [scores[cell] for cell in cells if scores.get(cell) is not None]
                points[student] = sum(filter(None, known)) if known else None
        return points

    def _answer(
        self,
        path: str,
        dispute: Dispute,
        before: float | None,
        after: float | None,
        by_hand: bool,
    ) -> None:
        """Record an answer, and write it into the student's feedback."""
        request = Request(
            dispute.student,
            dispute.exercise,
            dispute.because,
            before,
            after,
            by_hand,
            dispute.submission,
            self._source(dispute.student),
            datetime.now(UTC).isoformat(timespec="seconds"),
        )
        self.audit.append("dispute", assignment=self.name, file=path, **vars(request))
        keep_request(self.course.folder, self.name, request)
        if self.course.graded(dispute.student, self.lecture).is_file():
            with Book(self.course.database, self.name) as book:
                grades = book.settle(dispute.student, self.late)
            self.course.write_feedback(dispute.student, self.lecture, grades)
        self.answers.requests.append(request)

    def record_refusals(self) -> None:
        """Note in the audit what was refused and why; one entry, whatever there was."""
        refused = self.answers.refused
        if refused:
            first = dict(list(refused.items())[:REFUSALS_RECORDED])
            self.audit.append(
                "disputes refused", assignment=self.name, count=len(refused), files=first
            )


def _is_of(owner: Owner | None, student: str) -> bool:
    """Tell whether a file's owner is this student; Moodle numbers people anew each time."""
    if owner is None:
        return False
    if owner.platform == "moodle" and _MOODLE_NUMBER.search(student):
        return _MOODLE_NUMBER.sub("", owner.student) == _MOODLE_NUMBER.sub("", student)
    return owner.student == student
