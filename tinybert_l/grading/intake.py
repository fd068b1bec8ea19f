"""Take in submissions from folders and learning platforms' zip files: refused or kept, never lost.

Accepted are Moodle's zip ("Jane Doe_123_assignsubmission_file_/x.ipynb"), Canvas's
("doejane_LATE_12_345_x.ipynb"), plain ones ("jane/x.ipynb" or "jane.ipynb"), each also with a
student's own zip in the notebook's place, the inbound folder of nbgrader's exchange, and folders of
the same shapes. Whose a file is says `owners`, which of several counts `versions`, when it came
`arrivals`.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from tinybert_l.cache import write_atomically
from tinybert_l.errors import InvalidInput, printable
from tinybert_l.exercises.notebook_files import UnreadableNotebook
from tinybert_l.exercises.registry import NOTEBOOKS
from tinybert_l.grading.arrivals import Arrival, read_times, with_times
from tinybert_l.grading.course import Course
from tinybert_l.grading.identities import Identities
from tinybert_l.grading.own_names import with_ids, without_others_numbers
from tinybert_l.grading.owners import folded
from tinybert_l.grading.policy import read_calendar
from tinybert_l.grading.reading import Reading, Refusal, impostor, read_archive
from tinybert_l.grading.results.audit import Audit
from tinybert_l.grading.results.book import Book
from tinybert_l.grading.variants import Variants
from tinybert_l.grading.versions import texts_of

__all__ = ["Reading", "Refusal", "collect_archive", "read_archive", "take_in"]

NEW = (
    "new: nobody in the gradebook has this id (course roster --match joins names) "
    "成绩册中没有此人，按新学生处理"
)
PATH_LIMIT = 300  # characters of a path that the audit keeps
KEPT_DIGITS = 16  # of the sha256 in the name of a kept original

# of a course, and of no student
OWN_FOLDERS = frozenset({
    "notebooks", "solutions", "release", "handouts", "autograded", "feedback", "work", "serve",
    "variants", "marking", "capstone",
})  # fmt: skip


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
        InvalidInput: `path` is neither a zip file nor a folder, has too many files, or is the
            course's own.
    """
    name = NOTEBOOKS[lecture]
    assignment = course.assignment(lecture)  # raises when it was not released
    _require_from_outside(course, path)
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


def _require_from_outside(course: Course, path: Path) -> None:
    """Refuse what the course itself has made: its folders would become students."""
    place, own = path.resolve(), course.folder.resolve()
    is_own = place == own or place in own.parents
    if own in place.parents:
        parts = place.relative_to(own).parts
        is_own = parts[0] in OWN_FOLDERS or (parts[0] == "exchange" and "inbound" not in parts)
    if is_own or place.is_relative_to(course.sources.resolve()):
        raise InvalidInput(
            f"collect: {path} is the course's own; name the zip file that was downloaded, or the "
            "folder with what students handed in. "
            "这是课程自己的文件夹，请指定学生提交的压缩包或文件夹。"
        )


def _as_in_gradebook(arrivals: list[Arrival], course: Course, name: str) -> list[Arrival]:
    """Return arrivals under the gradebook's ids, written otherwise or within a name."""
    people: dict[str, set[str]] = {}
    with Book(course.database, name) as book:
        everybody = book.students()
    for person in everybody:
        people.setdefault(folded(person.student), set()).add(person.student)
    arrivals = without_others_numbers(with_ids(arrivals, everybody), everybody)
    came = {arrival.student for arrival in arrivals}
    renamed = []
    for arrival in arrivals:
        known = people.get(folded(arrival.student), set())
        if len(known) == 1 and known.isdisjoint(came):
            arrival = replace(arrival, student=next(iter(known)))
        elif people and not known:  # else everybody is new
            arrival = replace(arrival, notes=[*arrival.notes, NEW])
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
            refusals.append(impostor(arrival.origin, namesake))
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
