"""Take in submissions from folders and learning platforms' zip files: refused or kept, never lost.

Accepted are Moodle's zip ("Jane Doe_123_assignsubmission_file_/x.ipynb"), Canvas's
("doejane_LATE_12_345_x.ipynb"), plain ones ("jane/x.ipynb" or "jane.ipynb"), each also with a
student's own zip in the notebook's place, the inbound folder of nbgrader's exchange, and folders of
the same shapes. Whose a file is says `owners`, which of several counts `versions`, when it came
`arrivals`.
"""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, tzinfo
from functools import partial
from hashlib import sha256
from pathlib import Path

from tinybert_l.cache import write_atomically
from tinybert_l.errors import InvalidInput, printable
from tinybert_l.exercises.notebook_files import UnreadableNotebook
from tinybert_l.exercises.registry import NOTEBOOKS
from tinybert_l.grading.archives import IncomingFile, incoming_files
from tinybert_l.grading.arrivals import Arrival, read_times, with_times
from tinybert_l.grading.beside import Beside
from tinybert_l.grading.course import Course
from tinybert_l.grading.file_names import is_called, is_desktop_file, may_be_notebook
from tinybert_l.grading.instead import instead_of_notebook
from tinybert_l.grading.identities import Identities
from tinybert_l.grading.owners import (
    Owner,
    folded,
    is_online_text,
    is_receipt,
    names_person,
    names_somebody,
    owner_of,
    why_nobody,
)
from tinybert_l.grading.policy import read_calendar
from tinybert_l.grading.results.audit import Audit
from tinybert_l.grading.results.book import Book
from tinybert_l.grading.variants import Variants
from tinybert_l.grading.versions import Candidate, choose, texts_of

PATH_LIMIT = 300  # characters of a path that the audit keeps
KEPT_DIGITS = 16  # of the sha256 in the name of a kept original
ONLINE_TEXT = (
    "a text or an address was typed in, no notebook handed in: ask for the file. "
    "提交的是在线文本或网址，没有笔记本"
)
# lists and times that platforms write beside what was handed in
OF_PLATFORMS = ("index.html", "timestamp.txt", "grades.csv", "submission_metadata.yml")
OTHERS_LOOKED_AT = 5  # files of a student who sent no notebook
NOT_CLEAR = "it is not clear whose it is 无法判断属于谁"


@dataclass(frozen=True)
class Refusal:
    """A file that was not taken in, and the reason."""

    origin: str
    reason: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "origin", printable(self.origin))
        object.__setattr__(self, "reason", printable(self.reason))


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


@dataclass
class _Upload:
    """All files of one student: what may be notebooks, and the others."""

    notebooks: list[Candidate] = field(default_factory=list)
    others: list[Candidate] = field(default_factory=list)

    @property
    def other_names(self) -> list[str]:
        return [candidate.file_name for candidate in self.others]


@dataclass(frozen=True)
class Reading:
    """How to read an archive.

    Args:
        encoding: of names that are not UTF-8; empty: it is found out.
        zone: of times that have none; None: this machine's.
        released: texts of the cells of the release, by which an untouched copy is known.
        cell_names: nbgrader's names of its cells, by which another lecture's notebook is known.
    """

    encoding: str = ""
    zone: tzinfo | None = None
    released: tuple[str, ...] = ()
    cell_names: frozenset[str] = frozenset()


def collect_archive(
    course: Course,
    lecture: int,
    path: Path,
    encoding: str = "",
    handed_in: Path | None = None,
) -> list[IntakeResult]:
    """Take in a lecture's submissions from a zip file or a folder.

    Names and ids that the learning platform gave are written into the gradebook.

    Args:
        encoding: of names in a zip file that are not UTF-8; empty: it is found out.
        handed_in: a CSV file that says when students handed in (see `arrivals.read_times`).
    Returns:
        A result for each student, then one for each refused file.
    Raises:
        FileNotFoundError: the lecture was not released.
        InvalidInput: `path` is neither a zip file nor a folder, or has too many files.
    """
    name = NOTEBOOKS[lecture]
    assignment = course.assignment(lecture)  # raises when it was not released
    calendar = read_calendar(course.folder)
    told = read_times(handed_in, calendar.zone) if handed_in else {}
    variants = Variants.of(course, lecture)
    released = _released_texts(course, name)
    if variants is not None:
        released = (*released, *variants.released_texts())
    cell_names = frozenset(cell.name for cell in assignment.cells)
    reading = Reading(encoding, calendar.zone, released, cell_names)
    arrivals, refusals = read_archive(path, name, reading)
    arrivals = Identities.of(course.folder).applied(arrivals)
    arrivals = _as_in_gradebook(arrivals, course, name)
    if variants is not None:
        arrivals = [with_remark(arrival, variants) for arrival in arrivals]
    arrivals = with_times(arrivals, calendar.due.get(lecture), told)
    outcomes = take_in(course, name, arrivals, refusals)
    with Book(course.database, name) as book:
        book.set_due(calendar.due.get(lecture))  # so that Formgrader shows it
        for arrival in arrivals:
            if arrival.student not in outcomes:
                continue
            if arrival.known:
                book.introduce(arrival.student, **arrival.known)
            if arrival.is_told:
                book.hand_in_at(arrival.student, arrival.when, calendar.late)
    results = [IntakeResult(student, printable(text)) for student, text in outcomes.items()]
    for refusal in refusals:
        results.append(IntakeResult(refusal.origin, refusal.reason, refused=True))
    return results


def _as_in_gradebook(arrivals: list[Arrival], course: Course, name: str) -> list[Arrival]:
    """Return arrivals under the gradebook's spelling, where capital letters alone differ."""
    people: dict[str, set[str]] = {}
    with Book(course.database, name) as book:
        for person in book.students():
            people.setdefault(folded(person.student), set()).add(person.student)
    came = {arrival.student for arrival in arrivals}
    renamed = []
    for arrival in arrivals:
        known = people.get(folded(arrival.student), set())
        if len(known) == 1 and known.isdisjoint(came):
            arrival = replace(arrival, student=next(iter(known)))
        renamed.append(arrival)
    return renamed


def with_remark(arrival: Arrival, variants: Variants | None) -> Arrival:
    """Return an arrival with a note where the notebook was released for somebody else."""
    remark = "" if variants is None else variants.remark(arrival.student, arrival.raw)
    return replace(arrival, notes=[*arrival.notes, remark]) if remark else arrival


def _released_texts(course: Course, name: str) -> tuple[str, ...]:
    """Return the texts of the cells of a release; empty where it cannot be read."""
    try:
        return texts_of((course.folder / "release" / name / f"{name}.ipynb").read_bytes())
    except (OSError, UnreadableNotebook):
        return ()


def read_archive(
    path: Path, name: str, reading: Reading = Reading()
) -> tuple[list[Arrival], list[Refusal]]:
    """Read an assignment's submissions from a zip file or a folder.

    Raises:
        InvalidInput: `path` is neither, or has too many files.
    """
    tidied = partial(_without_common_folder, name=name)
    with incoming_files(path, name, reading.encoding, reading.zone, tidied) as files:
        uploads, refusals = _by_student(files, name, reading.zone)
        arrivals = []
        students_by_folded_name: dict[str, str] = {}
        for student, upload in sorted(uploads.items()):
            if not upload.notebooks:
                refusals.append(Refusal(student, _why_nothing(upload)))
                continue
            namesake = students_by_folded_name.setdefault(folded(student), student)
            if namesake == student:
                outcome = _arrival(student, upload, name, reading)
            else:
                outcome = _impostor(upload.notebooks[0].file.path, namesake)
            if isinstance(outcome, Refusal):
                refusals.append(outcome)
            else:
                arrivals.append(outcome)
    return arrivals, refusals


def _why_nothing(upload: _Upload) -> str:
    if any(is_online_text(name) or is_receipt(name) for name in upload.other_names):
        return ONLINE_TEXT
    names = ", ".join(upload.other_names)[:200]
    kinds = []
    for other in upload.others[:OTHERS_LOOKED_AT]:
        with suppress(InvalidInput):
            kinds.append(instead_of_notebook(other.file_name, other.file.read()))
    said = "; ".join(dict.fromkeys(filter(None, kinds)))
    return f"no notebook among {names} 没有笔记本" + (f": {said}" if said else "")


def _by_student(
    files: Iterable[IncomingFile], name: str, zone: tzinfo | None
) -> tuple[dict[str, _Upload], list[Refusal]]:
    """Group files by owner; files of other assignments are left out.

    Args:
        zone: of times in paths that have none; None: this machine's.
    """
    uploads: dict[str, _Upload] = {}
    refusals = []
    files = list(files)
    beside = Beside(files)
    for file in files:
        if file.problem:
            refusals.append(Refusal(file.path, file.problem))
            continue
        owner = owner_of(file.path, name)
        if owner is None:
            if file.path not in OF_PLATFORMS:
                why = why_nobody(file.path, name)
                refusals.append(Refusal(file.path, f"{NOT_CLEAR}: {why}" if why else NOT_CLEAR))
            continue
        told = beside.applied(owner, file.path)
        if isinstance(told, str):
            refusals.append(Refusal(file.path, f"{NOT_CLEAR}: {told}"))
            continue
        owner = told
        file = _with_platforms_time(file, owner, zone)
        if owner.assignment not in (None, name):
            continue
        upload = uploads.setdefault(owner.student, _Upload())
        if may_be_notebook(owner.file_name, name):
            upload.notebooks.append(Candidate(file, owner))
        else:
            upload.others.append(Candidate(file, owner))
    return uploads, refusals


def _with_platforms_time(file: IncomingFile, owner: Owner, zone: tzinfo | None) -> IncomingFile:
    """Return a file with the time that a platform wrote into its path, or beside it."""
    platforms = ("blackboard", "brightspace", "gradescope")
    if owner.platform not in platforms or owner.when is None:
        return file
    moment = owner.when
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone) if zone else moment.astimezone()
    return replace(file, modified=moment.astimezone(UTC))


def _arrival(
    student: str, upload: _Upload, name: str, reading: Reading
) -> Arrival | Refusal:
    """Read the notebook that counts among a student's files."""
    try:
        choice = choose(upload.notebooks, name, reading.released, reading.cell_names)
    except InvalidInput as error:
        return Refusal(upload.notebooks[0].file.path, str(error))
    file = choice.candidate.file
    owner = choice.candidate.owner
    notes = [*choice.notes]
    if file.note:
        notes.append(file.note)
    for other in upload.other_names:
        if other not in OF_PLATFORMS and not is_receipt(other):
            notes.append(f"not taken in: {other} 未接收")
    if not is_called(owner.file_name, name):
        notes.append(f"was called {owner.file_name} 文件名已改正")
    when = file.modified
    has_own_time = owner.platform == "exchange" or owner.when is not None
    if owner.platform == "exchange":  # a student sets a file's own time with `touch`
        when = owner.when or datetime.now(UTC)
    return Arrival(
        student,
        choice.raw,
        when,
        file.path,
        notes,
        owner.known,
        choice.others,
        owner.platform,
        owner.is_late,
        has_own_time=has_own_time,
    )


def _without_common_folder(files: list[IncomingFile], name: str) -> list[IncomingFile]:
    """Drop a Mac's own files, and the folder that holds everything where there is one.

    A single top folder is kept where it names a student: as Moodle or nbgrader's exchange write it,
    or with an assignment's folder below, as in nbgrader's `submitted`, or with files that name
    nobody.
    """
    files = [file for file in files if not is_desktop_file(file.path)]
    if _lie_one_deeper(files):  # Moodle's folders in a folder for each group
        return [replace(file, path=file.path.partition("/")[2] or file.path) for file in files]
    top_folders = {file.path.split("/")[0] for file in files}
    if len(top_folders) != 1:
        return files
    if names_person(top_folders.pop()):
        return files
    for file in files:
        parts = file.path.split("/")
        if len(parts) < 2 or parts[1] in NOTEBOOKS.values():
            return files
        if len(parts) == 2 and parts[1] in OF_PLATFORMS:
            continue
        if len(parts) < 3 and not names_somebody(parts[-1], name):
            return files
    return [replace(file, path=file.path.partition("/")[2]) for file in files]


def _lie_one_deeper(files: list[IncomingFile]) -> bool:
    """Tell whether all files lie in folders of people which lie in folders of nobody.

    Several people must lie there: one student names what is in their own folder.
    """
    people = set()
    for file in files:
        parts = file.path.split("/")
        if parts[-1] in OF_PLATFORMS and len(parts) <= 2:
            continue
        if len(parts) < 3 or names_person(parts[0]) or not names_person(parts[1]):
            return False
        people.add((parts[0], parts[1]))
    return len({person for _, person in people}) > 1


def _impostor(origin: str, student: str) -> Refusal:
    return Refusal(origin, f"claims to be {student} 冒充其他学生")


def take_in(
    course: Course, name: str, arrivals: list[Arrival], refusals: list[Refusal]
) -> dict[str, str]:
    """Put arrivals among the submissions; nothing that came earlier is deleted.

    Args:
        refusals: written to the audit; extended by arrivals that claim another student's name, or
            that could not be written.
    Returns:
        {student: what happened}.
    """
    audit = Audit(course.folder)
    present = {folded(path.name): path.name for path in (course.folder / "submitted").glob("*")}
    outcomes = {}
    for arrival in arrivals:
        namesake = present.get(folded(arrival.student), arrival.student)
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
    for origin, raw in arrival.others:
        note = "kept, does not count 存档，不计分"
        keep_original(audit, name, replace(arrival, raw=raw, origin=origin, notes=[note]))
    _, is_new = keep_original(audit, name, arrival)
    if not is_new and notebook.is_file() and notebook.read_bytes() == arrival.raw:
        if not arrival.is_told:
            return "known already 已有相同提交"
        _write_time(folder, arrival.when)
        return "known already; " + "; ".join(arrival.notes)
    current = submitted_at(folder)
    when = arrival.when
    if current is not None and arrival.is_unsure:
        when = max(when, current)  # what a platform gives later came later
    if current is not None and current > when:
        return "kept; a later one counts 已存档，以较晚的提交为准"
    write_atomically(notebook, arrival.raw)
    _write_time(folder, when)
    return "; ".join(["taken in 已接收", *arrival.notes])


def _write_time(folder: Path, when: datetime) -> None:
    """Write when a submission was handed in, where nbgrader looks for it."""
    write_atomically(folder / "timestamp.txt", when.strftime("%Y-%m-%d %H:%M:%S.%f UTC"))


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
        origin=printable(arrival.origin)[:PATH_LIMIT],
        handed_in=arrival.when.isoformat(timespec="seconds"),
        kept=path.relative_to(audit.folder).as_posix(),
        notes=[printable(note) for note in arrival.notes],
        **({"time_unsure": True} if arrival.is_unsure else {}),
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
