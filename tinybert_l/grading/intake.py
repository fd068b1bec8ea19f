"""Take in submissions from folders and learning platforms' zip files: refused or kept, never lost.

Accepted are Moodle's zip ("Jane Doe_123_assignsubmission_file_/x.ipynb"), Canvas's
("doejane_LATE_12_345_x.ipynb"), plain ones ("jane/x.ipynb" or "jane.ipynb"), each also with a
student's own zip in the notebook's place, the inbound folder of nbgrader's exchange, and folders of
the same shapes. The owner of a submission is told by the name that the platform or the instructor
gave, never by a name that the student chose.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path, PurePosixPath

from tinybert_l.cache import write_atomically
from tinybert_l.errors import InvalidInput
from tinybert_l.exercises.registry import NOTEBOOKS
from tinybert_l.grading.archives import CANVAS_NAME, IncomingFile, incoming_files
from tinybert_l.grading.assignment import SUBMISSION_LIMIT
from tinybert_l.grading.course import Course
from tinybert_l.grading.results.audit import Audit
from tinybert_l.grading.results.book import Book

PATH_LIMIT = 300  # characters of a path that the audit keeps
KEPT_DIGITS = 16  # of the sha256 in the name of a kept original
_MOODLE_NAME = re.compile(
    r"(?P<name>[^/]+?)_(?P<lms>\d+)_assignsubmission_(?:file|onlinetext)_?/?(?P<rest>.*)"
)
_EXCHANGE_NAME = re.compile(
    r"(?P<name>[^+/]+)\+(?P<assignment>[^+/]+)\+(?P<when>[^+/]+)(?:\+[^/]*)?/(?P<rest>.+)"
)
_PLAIN_NAME = re.compile(r"(?P<name>[^/]+?)(?:/(?P<rest>.+)|\.ipynb)")
_STUDENT = re.compile(r"(?!\.)[\w.@-]{1,64}")


@dataclass(frozen=True)
class Arrival:
    """One student's notebook as it came.

    Args:
        origin: the file's path in the archive or folder.
        notes: what the student should know, such as a corrected file name.
        known: facts that the platform gave, by column of the gradebook: lms_user_id, last_name.
    """

    student: str
    raw: bytes
    when: datetime
    origin: str
    notes: list[str] = field(default_factory=list)
    known: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Refusal:
    """A file that was not taken in, and the reason."""

    origin: str
    reason: str


@dataclass(frozen=True)
class IntakeResult:
    """The outcome for one student, or for one refused file.

    Args:
        who: the student; the path of a refused file.
        outcome: what happened, or why the file was refused.
    """

    who: str
    outcome: str
    refused: bool = False


@dataclass(frozen=True)
class _Owner:
    """What a path says: whose file it is, under which name, for which assignment (if it says)."""

    student: str
    file_name: str
    assignment: str | None = None
    known: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Candidate:
    """A notebook that may be a student's submission."""

    file: IncomingFile
    owner: _Owner

    @property
    def file_name(self) -> str:
        return self.owner.file_name


@dataclass
class _Upload:
    """All files of one student: notebooks, and the names of the others."""

    notebooks: list[_Candidate] = field(default_factory=list)
    other_names: list[str] = field(default_factory=list)


def collect_archive(course: Course, lecture: int, path: Path) -> list[IntakeResult]:
    """Take in a lecture's submissions from a zip file or a folder.

    Names and ids that the learning platform gave are written into the gradebook.

    Returns:
        A result for each student, then one for each refused file.
    Raises:
        FileNotFoundError: the lecture was not released.
        InvalidInput: `path` is neither a zip file nor a folder, or has too many files.
    """
    name = NOTEBOOKS[lecture]
    course.assignment(lecture)  # raises when it was not released
    arrivals, refusals = read_archive(path, name)
    outcomes = take_in(course, name, arrivals, refusals)
    with Book(course.database, name) as book:
        for arrival in arrivals:
            if arrival.known and arrival.student in outcomes:
                book.introduce(arrival.student, **arrival.known)
    results = [IntakeResult(student, outcome) for student, outcome in outcomes.items()]
    for refusal in refusals:
        results.append(IntakeResult(refusal.origin, refusal.reason, refused=True))
    return results


def read_archive(path: Path, name: str) -> tuple[list[Arrival], list[Refusal]]:
    """Read an assignment's submissions from a zip file or a folder.

    Raises:
        InvalidInput: `path` is neither, or has too many files.
    """
    with incoming_files(path, name) as files:
        uploads, refusals = _by_student(_without_common_folder(files), name)
        arrivals = []
        students_by_folded_name: dict[str, str] = {}
        for student, upload in sorted(uploads.items()):
            if not upload.notebooks:
                continue
            namesake = students_by_folded_name.setdefault(_folded(student), student)
            if namesake == student:
                outcome = _arrival(student, upload, name)
            else:
                outcome = _impostor(upload.notebooks[0].file.path, namesake)
            if isinstance(outcome, Refusal):
                refusals.append(outcome)
            else:
                arrivals.append(outcome)
    for student, upload in sorted(uploads.items()):
        if not upload.notebooks:
            names = ", ".join(upload.other_names)[:200]
            refusals.append(Refusal(student, f"no notebook among {names} 没有笔记本"))
    return arrivals, refusals


def _by_student(
    files: Iterable[IncomingFile], name: str
) -> tuple[dict[str, _Upload], list[Refusal]]:
    """Group files by owner; files of other assignments are left out."""
    uploads: dict[str, _Upload] = {}
    refusals = []
    for file in files:
        if file.problem:
            refusals.append(Refusal(file.path, file.problem))
            continue
        owner = _owner(file.path)
        if owner is None:
            refusals.append(Refusal(file.path, "it is not clear whose it is 无法判断属于谁"))
            continue
        if owner.assignment not in (None, name):
            continue
        upload = uploads.setdefault(owner.student, _Upload())
        if _may_be_submission(owner.file_name):
            upload.notebooks.append(_Candidate(file, owner))
        else:
            upload.other_names.append(owner.file_name)
    return uploads, refusals


def _may_be_submission(file_name: str) -> bool:
    hidden_or_deeper = file_name.startswith(".") or "/" in file_name
    return file_name.endswith(".ipynb") and not hidden_or_deeper


def _arrival(student: str, upload: _Upload, name: str) -> Arrival | Refusal:
    """Read the notebook that counts among a student's files."""
    candidates = _named_for(name, upload.notebooks) or upload.notebooks
    candidate = _last_version(candidates)
    if candidate is None:
        reason = f"{len(candidates)} notebooks, and none is {name}.ipynb 笔记本不唯一"
        return Refusal(upload.notebooks[0].file.path, reason)
    file = candidate.file
    try:
        raw = file.read()
    except InvalidInput as error:
        return Refusal(file.path, str(error))
    if len(raw) > SUBMISSION_LIMIT:
        megabytes = SUBMISSION_LIMIT // 10**6
        return Refusal(file.path, f"more than {megabytes} MB 文件过大")
    notes = []
    for other in upload.other_names:
        if other != "timestamp.txt":
            notes.append(f"not taken in: {other} 未接收")
    if _stem(candidate.file_name) != name:
        notes.append(f"was called {candidate.file_name} 文件名已改正")
    return Arrival(student, raw, file.modified, file.path, notes, candidate.owner.known)


def _without_common_folder(files: list[IncomingFile]) -> list[IncomingFile]:
    """Drop a Mac's own files, and the folder that holds everything where there is one.

    A single top folder is kept where it names a student: as Moodle or nbgrader's exchange write it,
    or with an assignment's folder below, as in nbgrader's `submitted`.
    """
    files = [file for file in files if not _is_desktop_file(file.path)]
    top_folders = {file.path.split("/")[0] for file in files}
    if len(top_folders) != 1:
        return files
    top = top_folders.pop()
    if _MOODLE_NAME.match(top) or "+" in top:
        return files
    for file in files:
        parts = file.path.split("/")
        if len(parts) < 3 or parts[1] in NOTEBOOKS.values():
            return files
    return [replace(file, path=file.path.partition("/")[2]) for file in files]


def _is_desktop_file(path: str) -> bool:
    """Recognise the files that macOS and Windows add to folders."""
    return path.startswith("__MACOSX/") or path.endswith((".DS_Store", "/Thumbs.db"))


def _owner(path: str) -> _Owner | None:
    """Read the owner from a path; None when it does not say whose the file is."""
    for pattern in (_MOODLE_NAME, CANVAS_NAME, _EXCHANGE_NAME, _PLAIN_NAME):
        match = pattern.fullmatch(path)
        if match:
            break
    else:
        return None
    parts = match.groupdict()
    student = unicodedata.normalize("NFKC", parts["name"]).strip()
    file_name = parts.get("rest") or PurePosixPath(path).name
    assignment = parts.get("assignment")
    known = {}
    lms_id = parts.get("lms")
    if lms_id:
        known = {"lms_user_id": lms_id, "last_name": student}
        student = re.sub(r"[^\w.@-]+", "_", student) + "-" + lms_id
    if pattern is _PLAIN_NAME and "/" in file_name:  # student/assignment/x.ipynb, as in `submitted`
        assignment, _, file_name = file_name.partition("/")
    if not _STUDENT.fullmatch(student):
        return None
    return _Owner(student, file_name, assignment, known)


def _named_for(name: str, candidates: list[_Candidate]) -> list[_Candidate]:
    return [candidate for candidate in candidates if _stem(candidate.file_name) == name]


def _last_version(candidates: list[_Candidate]) -> _Candidate | None:
    """Choose the last upload of one notebook; None when there are several notebooks.

    Canvas numbers later uploads: x.ipynb, x-1.ipynb, x-2.ipynb.
    """
    if len(candidates) == 1:
        return candidates[0]
    file_names = [candidate.file_name for candidate in candidates]
    if len(set(map(_stem, file_names))) > 1 or len(set(file_names)) < len(file_names):
        return None
    return max(candidates, key=lambda candidate: (len(candidate.file_name), candidate.file_name))


def _stem(file_name: str) -> str:
    """Drop the ending, and the number that Canvas and browsers add to a second upload."""
    return re.sub(r"(?:-\d+| ?\(\d+\))$", "", file_name.removesuffix(".ipynb"))


def _folded(student: str) -> str:
    """Fold what file systems may hold equal: capital and small letters, forms of one character."""
    return unicodedata.normalize("NFKC", student).casefold()


def _impostor(origin: str, student: str) -> Refusal:
    return Refusal(origin, f"claims to be {student} 冒充其他学生")


def take_in(
    course: Course, name: str, arrivals: list[Arrival], refusals: list[Refusal]
) -> dict[str, str]:
    """Put arrivals among the submissions; nothing that came earlier is deleted.

    Args:
        refusals: written to the audit; extended by arrivals that claim another student's name.
    Returns:
        {student: what happened}.
    """
    audit = Audit(course.folder)
    present = {_folded(path.name): path.name for path in (course.folder / "submitted").glob("*")}
    outcomes = {}
    for arrival in arrivals:
        namesake = present.get(_folded(arrival.student), arrival.student)
        if namesake != arrival.student:
            refusals.append(_impostor(arrival.origin, namesake))
            continue
        outcomes[arrival.student] = _submit(audit, name, arrival)
    for refusal in refusals:
        origin = refusal.origin[:PATH_LIMIT]
        audit.append("refused", assignment=name, origin=origin, reason=refusal.reason)
    return outcomes


def _submit(audit: Audit, name: str, arrival: Arrival) -> str:
    """Keep an arrival, and make it the student's submission unless a later one is there."""
    folder = audit.folder / "submitted" / arrival.student / name
    notebook = folder / f"{name}.ipynb"
    _, is_new = keep_original(audit, name, arrival)
    if not is_new and notebook.is_file():
        return "known already 已有相同提交"
    current = submitted_at(folder)
    if current is not None and current > arrival.when:
        return "kept; a later one counts 已存档，以较晚的提交为准"
    write_atomically(notebook, arrival.raw)
    timestamp = arrival.when.strftime("%Y-%m-%d %H:%M:%S.%f UTC")
    write_atomically(folder / "timestamp.txt", timestamp)
    return "; ".join(["taken in 已接收", *arrival.notes])


def keep_original(audit: Audit, name: str, arrival: Arrival) -> tuple[Path, bool]:
    """Keep a submission's bytes for good, under `received/`.

    Returns:
        The path of the kept file, and whether its bytes were new.
    """
    digest = sha256(arrival.raw).hexdigest()
    ending = f"-{digest[:KEPT_DIGITS]}.ipynb"
    folder = audit.folder / "received" / name / arrival.student
    for kept in folder.glob(f"*{ending}"):
        return kept, False
    path = folder / (arrival.when.strftime("%Y%m%dT%H%M%SZ") + ending)
    write_atomically(path, arrival.raw)
    audit.append(
        "received",
        student=arrival.student,
        assignment=name,
        submission=digest,
        bytes=len(arrival.raw),
        origin=arrival.origin[:PATH_LIMIT],
        handed_in=arrival.when.isoformat(timespec="seconds"),
        kept=path.relative_to(audit.folder).as_posix(),
        notes=arrival.notes,
    )
    return path, True


def submitted_at(folder: Path) -> datetime | None:
    """Read from nbgrader's timestamp.txt when a submission was handed in; None without one."""
    from nbgrader.utils import parse_utc

    try:
        text = (folder / "timestamp.txt").read_text(encoding="utf-8")
        return parse_utc(text.strip()).replace(tzinfo=UTC)
    except (OSError, ValueError):
        return None
