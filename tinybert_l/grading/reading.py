"""Read a class's submissions from an archive or a folder: whose each is, and which file counts.

Nothing is written here. Whose a file is say `owners` and `beside`, of which lecture `contents`,
which of several counts `versions`.
"""

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, tzinfo
from functools import partial
from pathlib import Path

from tinybert_l.errors import InvalidInput, printable
from tinybert_l.exercises.registry import NOTEBOOKS
from tinybert_l.grading.archives import IncomingFile, incoming_files
from tinybert_l.grading.arrivals import WITH_TIMES, Arrival
from tinybert_l.grading.beside import Beside
from tinybert_l.grading.file_names import (
    has_ending,
    is_called,
    is_desktop_file,
    is_folder_of_nobody,
    may_be_notebook,
)
from tinybert_l.grading.instead import instead_of_notebook
from tinybert_l.grading.owners import (
    CANVAS_NAME,
    Owner,
    folded,
    is_online_text,
    is_receipt,
    names_person,
    names_somebody,
    owner_of,
    why_nobody,
)
from tinybert_l.grading.versions import Candidate, choose

ONLINE_TEXT = (
    "a text or an address was typed in, no notebook handed in: ask for the file. "
    "提交的是在线文本或网址，没有笔记本"
)
# lists and times that platforms write beside what was handed in
OF_PLATFORMS = ("index.html", "timestamp.txt", "grades.csv", "submission_metadata.yml")
_PEOPLES_NUMBER = re.compile(r"\d{6,}")
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
                outcome = impostor(upload.notebooks[0].file.path, namesake)
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
        kinds.append(_what_came(other.file))
    said = "; ".join(dict.fromkeys(filter(None, kinds)))
    return f"no notebook among {names} 没有笔记本" + (f": {said}" if said else "")


def _what_came(file: IncomingFile) -> str:
    """Say what a file is that is no notebook; empty where nobody can tell."""
    with suppress(InvalidInput):
        return instead_of_notebook(file.path, file.read())
    return ""


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
                why = why_nobody(file.path, name) or _what_came(file)
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
    if owner.platform not in WITH_TIMES or owner.when is None:
        return file
    moment = owner.when
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone) if zone else moment.astimezone()
    return replace(file, modified=moment.astimezone(UTC))


def _arrival(student: str, upload: _Upload, name: str, reading: Reading) -> Arrival | Refusal:
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
    # Moodle's folders in a folder for each group; Canvas's files in one for each marker
    if _lie_one_deeper(files) or _are_shared_out(files):
        return [replace(file, path=file.path.partition("/")[2] or file.path) for file in files]
    top_folders = {file.path.split("/")[0] for file in files}
    if len(top_folders) != 1:
        return files
    top = top_folders.pop()
    if names_person(top):
        return files
    below = [replace(file, path=file.path.partition("/")[2]) for file in files]
    if is_folder_of_nobody(top) or _are_several_peoples(below, name):
        kept = [file for file in below if file.path]
        tops = {file.path.split("/")[0] for file in kept if "/" in file.path}
        is_again = len(tops) == 1 and is_folder_of_nobody(*tops)  # Lecture_3/Abgaben/…
        return _without_common_folder(kept, name) if is_again else kept
    for file in files:
        parts = file.path.split("/")
        if (
            len(parts) < 2
            or parts[1] in NOTEBOOKS.values()
            or (is_folder_of_nobody(parts[1]) and not is_folder_of_nobody(top))
        ):
            return files
        if len(parts) == 2 and parts[1] in OF_PLATFORMS:
            continue
        if len(parts) < 3 and not names_somebody(parts[-1], name):
            return files
    return below


def _are_several_peoples(files: list[IncomingFile], name: str) -> bool:
    """Tell whether files in one folder are numbered by people: 2023001-李雷.ipynb and so on.

    Args:
        name: of the assignment, whose copies may be numbered by the time.
    """
    numbers = set()
    for file in files:
        is_flat = "/" not in file.path and has_ending(file.path)
        if is_flat and not file.path.casefold().startswith(name):
            numbers.update(_PEOPLES_NUMBER.findall(file.path))
    return len(numbers) > 1


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


def _are_shared_out(files: list[IncomingFile]) -> bool:
    """Tell whether all are Canvas's files in folders that hold several people's each.

    A student who names two files so, in a folder of their own, lies among others' own folders.
    """
    people: dict[str, set[str]] = {}
    for file in files:
        folder, _, file_name = file.path.partition("/")
        match = CANVAS_NAME.fullmatch(file_name)
        if match is None or names_person(folder):
            return False
        people.setdefault(folder, set()).add(match["lms"] or match["anonymous"])
    return bool(people) and all(len(numbers) > 1 for numbers in people.values())


def impostor(origin: str, student: str) -> Refusal:
    return Refusal(origin, f"claims to be {student} 冒充其他学生")
