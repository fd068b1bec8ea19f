"""What students hand in, from folders and an LMS's zip files: refused or taken in, never lost.

Read are: Moodle's zip ("Jane Doe_123_assignsubmission_file_/x.ipynb"), Canvas's ("doejane_LATE_12_345_x.ipynb"),
plain ones ("jane/x.ipynb" or "jane.ipynb"), each also with a student's own zip in the notebook's place, the inbound
folder of nbgrader's exchange, and folders of the same shapes. Who a submission belongs to is told by what the LMS or
the instructor named, never by what the student did.
"""

import contextlib
import hashlib
import io
import os
import re
import stat
import unicodedata
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from tinybert_l.cache import write_atomically
from tinybert_l.exercises.registry import NOTEBOOKS
from tinybert_l.grading.assignment import SUBMISSION_LIMIT
from tinybert_l.grading.results.audit import Audit

MEMBERS, RATIO = 50_000, 500  # of an archive: how many, and how far one may be compressed
MEMBERS_INSIDE = 20  # of a student's own zip
_MOODLE = re.compile(
    r"(?P<name>[^/]+?)_(?P<lms>\d+)_assignsubmission_(?:file|onlinetext)_?/?(?P<rest>.*)"
)
_CANVAS = re.compile(r"(?P<name>[^_/]+)_(?:LATE_)?(?P<lms>\d+)_(?P<submission>\d+)_(?P<rest>[^/]+)")
_EXCHANGE = re.compile(
    r"(?P<name>[^+/]+)\+(?P<assignment>[^+/]+)\+(?P<when>[^+/]+)(?:\+[^/]*)?/(?P<rest>.+)"
)
_PLAIN = re.compile(r"(?P<name>[^/]+?)(?:/(?P<rest>.+)|\.ipynb)")
_STUDENT = re.compile(r"[\w.@-]{1,64}")


@dataclass(frozen=True)
class Arrival:
    """One student's notebook as it came."""

    student: str
    raw: bytes
    when: datetime
    origin: str
    notes: list[str] = field(default_factory=list)
    known: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Refusal:
    """A file that was not taken in, and why."""

    origin: str
    reason: str


@dataclass(frozen=True)
class _File:
    """A file of an archive or a folder, not read yet."""

    path: str
    when: datetime
    read: Any
    problem: str = ""


def read_archive(path: Path, name: str) -> tuple[list[Arrival], list[Refusal]]:
    """The submissions of an assignment in a zip file or a folder.

    Raises:
        ValueError: it is neither, or has too many files.
    """
    if path.is_dir():
        return _sort(list(_opened(_folder_files(path), name)), name)
    if not path.is_file() or not zipfile.is_zipfile(path):
        raise ValueError(f"{path}: a zip file or a folder is needed. 需要zip文件或文件夹。")
    with zipfile.ZipFile(path) as archive:
        members = [m for m in archive.infolist() if not m.is_dir()]
        if len(members) > MEMBERS:
            raise ValueError(f"{path} has {len(members)} files; allowed: {MEMBERS}. 文件过多。")
        return _sort(list(_opened((_zip_file(archive, m) for m in members), name)), name)


def _opened(files: Iterable[_File], name: str) -> Iterator[_File]:
    """The files, and instead of a student's zip what is in it, under the name that the LMS or the folder gave."""
    for file in files:
        if file.problem or not file.path.lower().endswith(".zip"):
            yield file
            continue
        raw = file.read()
        try:
            with zipfile.ZipFile(io.BytesIO(raw[: SUBMISSION_LIMIT + 1])) as archive:
                members = [m for m in archive.infolist() if not m.is_dir()][:MEMBERS_INSIDE]
                inside = [_held(_zip_file(archive, m)) for m in members]
        except (
            zipfile.BadZipFile,
            OSError,
            ValueError,
            RuntimeError,
            NotImplementedError,
            zlib.error,
        ) as error:
            yield replace(file, problem=f"a zip file that cannot be read 压缩包无法读取: {error}")
            continue
        folder, _, last = file.path.rpartition("/")
        stem = last[: -len(".zip")]
        for member in inside:
            place = PurePosixPath(member.path).name
            if folder:
                path = f"{folder}/{place}"
            elif canvas := _CANVAS.fullmatch(last):
                path = last[: canvas.start("rest")] + place
            else:
                path = f"{stem.removesuffix(f'-{name}')}/{place}"
            yield replace(member, path=path, when=file.when)


def _held(member: _File) -> _File:
    """A member whose bytes are read now, while its archive is open; never more than a submission may have."""
    if member.problem or member.path.lower().endswith(".zip"):
        return member
    raw = member.read()
    return replace(member, read=lambda: raw)


def _zip_file(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> _File:
    path = member.filename
    if not member.flag_bits & 0x800:  # not marked as UTF-8, which many archivers forget
        with contextlib.suppress(UnicodeError):
            path = path.encode("cp437").decode("utf-8")
    problem = _unsafe_path(path if path != member.filename else member.orig_filename)
    if stat.S_ISLNK(member.external_attr >> 16):
        problem = "a symbolic link 符号链接"
    elif member.flag_bits & 1:
        problem = "encrypted 已加密"
    elif member.file_size > max(member.compress_size, 1) * RATIO:
        problem = "compressed beyond reason (an archive bomb?) 压缩比异常"
    when = (
        datetime(*member.date_time).astimezone(UTC)
        if member.date_time[0] > 1980
        else datetime.now(UTC)
    )

    def read() -> bytes:
        with archive.open(member) as file:
            return file.read(SUBMISSION_LIMIT + 1)  # what the header says of the size may be a lie

    return _File(path, when, read, problem)


def _folder_files(root: Path) -> Iterator[_File]:
    for folder, folders, files in os.walk(root, followlinks=False):
        links = [d for d in folders if os.path.islink(os.path.join(folder, d))]
        for file in sorted([*files, *links]):
            place = Path(folder, file)
            status = place.lstat()
            problem = ""
            if stat.S_ISLNK(status.st_mode):
                problem = "a symbolic link 符号链接"
            elif not stat.S_ISREG(status.st_mode):
                problem = "no ordinary file 不是普通文件"
            elif status.st_nlink > 1:
                problem = "a hard link 硬链接"
            path = place.relative_to(root).as_posix()
            when = datetime.fromtimestamp(status.st_mtime, UTC)
            yield _File(
                path,
                when,
                lambda place=place: read_plain_file(place),
                problem or _unsafe_path(path),
            )


def read_plain_file(path: Path) -> bytes:
    """The bytes of an ordinary file, at most one more than allowed.

    Raises:
        ValueError: a link or no ordinary file.
    """
    try:
        descriptor = os.open(
            path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        )
    except OSError as error:
        raise ValueError(
            f"{path.name} is no ordinary file 不是普通文件: {error.strerror}"
        ) from None
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
            raise ValueError(f"{path.name} is no ordinary file 不是普通文件")
        return file.read(SUBMISSION_LIMIT + 1)


def _unsafe_path(path: str) -> str:
    if (
        path.startswith("/")
        or "\\" in path
        or "\0" in path
        or re.match(r"[A-Za-z]:", path)
        or ".." in path.split("/")
    ):
        return "a path that leaves its folder 路径越界"
    return ""


def _sort(files: list[_File], name: str) -> tuple[list[Arrival], list[Refusal]]:
    """Whose each file is; the notebook of each student."""
    refusals: list[Refusal] = []
    notebooks: dict[str, list[tuple[_File, str, dict[str, str]]]] = {}
    extra: dict[str, list[str]] = {}
    for file in _without_common_folder(files):
        if file.problem:
            refusals.append(Refusal(file.path, file.problem))
            continue
        student, rest, known = _owner(file.path)
        if student is None:
            refusals.append(Refusal(file.path, "it is not clear whose it is 无法判断属于谁"))
        elif known.pop("assignment", name) != name:
            continue  # of another lecture
        elif rest.endswith(".ipynb") and "/" not in rest and not rest.startswith("."):
            notebooks.setdefault(student, []).append((file, rest, known))
        else:
            extra.setdefault(student, []).append(rest)
    arrivals: list[Arrival] = []
    taken: dict[str, str] = {}
    for student in sorted(notebooks):
        same = taken.setdefault(_folded(student), student)
        if same != student:
            refusals.append(
                Refusal(notebooks[student][0][0].path, f"claims to be {same} 冒充其他学生")
            )
            continue
        chosen = _choose(notebooks[student], name)
        if isinstance(chosen, str):
            refusals.append(Refusal(notebooks[student][0][0].path, chosen))
            continue
        file, rest, known = chosen
        raw = file.read()
        if len(raw) > SUBMISSION_LIMIT:
            refusals.append(
                Refusal(file.path, f"more than {SUBMISSION_LIMIT // 10**6} MB 文件过大")
            )
            continue
        notes = [
            f"not taken in: {other} 未接收"
            for other in extra.get(student, [])
            if other != "timestamp.txt"
        ]
        if _bare(rest) != name:
            notes.append(f"was called {rest} 文件名已改正")
        arrivals.append(Arrival(student, raw, file.when, file.path, notes, known))
    missing = set(extra) - set(notebooks)
    refusals += [
        Refusal(s, f"no notebook among {', '.join(extra[s])[:200]} 没有笔记本")
        for s in sorted(missing)
    ]
    return arrivals, refusals


def _without_common_folder(files: list[_File]) -> list[_File]:
    """An archive is often one folder that holds everything; a Mac adds files of its own."""
    files = [
        f
        for f in files
        if not f.path.startswith("__MACOSX/") and not f.path.endswith((".DS_Store", "/Thumbs.db"))
    ]
    tops = {f.path.split("/")[0] for f in files}
    deep = all(f.path.count("/") >= 2 for f in files) and len(tops) == 1
    submitted = any(
        f.path.split("/")[1] in NOTEBOOKS.values() for f in files if f.path.count("/") > 1
    )
    if not deep or submitted or _MOODLE.match(next(iter(tops))) or "+" in next(iter(tops)):
        return files
    return [_File(f.path.partition("/")[2], f.when, f.read, f.problem) for f in files]


def _owner(path: str) -> tuple[str | None, str, dict[str, str]]:
    """Student, what the student named, and what the LMS says of them."""
    for pattern in (_MOODLE, _CANVAS, _EXCHANGE, _PLAIN):
        match = pattern.fullmatch(path)
        if not match:
            continue
        parts = match.groupdict()
        student, rest = (
            unicodedata.normalize("NFKC", parts["name"]).strip(),
            parts.get("rest") or PurePosixPath(path).name,
        )
        known = {key: parts[key] for key in ("assignment",) if parts.get(key)}
        if parts.get("lms"):
            known |= {"lms_user_id": parts["lms"], "last_name": student}
            student = re.sub(r"[^\w.@-]+", "_", student) + "-" + parts["lms"]
        if (
            pattern is _PLAIN and "/" in rest
        ):  # student/assignment/notebook, as in nbgrader's `submitted`
            known["assignment"], _, rest = rest.partition("/")
        return (
            (student if _STUDENT.fullmatch(student) and not student.startswith(".") else None),
            rest,
            known,
        )
    return None, path, {}


def _choose(candidates: list[Any], name: str) -> Any:
    """The notebook that counts among one student's, or why there is none."""
    named = [c for c in candidates if _bare(c[1]) == name] or candidates
    if len(named) == 1:
        return named[0]
    if len({_bare(c[1]) for c in named}) == 1 and len({c[1] for c in named}) == len(named):
        return max(
            named, key=lambda c: (len(c[1]), c[1])
        )  # Canvas: x.ipynb, x-1.ipynb, x-2.ipynb; the last counts
    return f"{len(named)} notebooks, and none is {name}.ipynb 笔记本不唯一"


def _bare(file: str) -> str:
    """Without the ending, and without the number that Canvas and browsers add to a second upload."""
    return re.sub(r"(?:-\d+| ?\(\d+\))$", "", file.removesuffix(".ipynb"))


def _folded(student: str) -> str:
    return unicodedata.normalize("NFKC", student).casefold()


def take_in(
    course: Any, name: str, arrivals: list[Arrival], refusals: list[Refusal]
) -> dict[str, str]:
    """Put arrivals among the submissions; returns {student: what happened}. Nothing that came earlier is deleted."""
    audit, done = Audit(course.folder), {}
    present = {_folded(p.name): p.name for p in (course.folder / "submitted").glob("*")}
    for one in arrivals:
        other = present.get(_folded(one.student), one.student)
        if other != one.student:
            refusals.append(Refusal(one.origin, f"claims to be {other} 冒充其他学生"))
            continue
        folder = course.folder / "submitted" / one.student / name
        _, new = keep_original(audit, name, one)
        current = submitted_at(folder)
        if not new and (folder / f"{name}.ipynb").is_file():
            done[one.student] = "known already 已有相同提交"
        elif current is not None and current > one.when:
            done[one.student] = "kept; a later one counts 已存档，以较晚的提交为准"
        else:
            _write_bytes(folder / f"{name}.ipynb", one.raw)
            write_atomically(
                folder / "timestamp.txt", one.when.strftime("%Y-%m-%d %H:%M:%S.%f UTC")
            )
            done[one.student] = "; ".join(["taken in 已接收", *one.notes])
    for refusal in refusals:
        audit.append("refused", assignment=name, origin=refusal.origin[:300], reason=refusal.reason)
    return done


def keep_original(audit: Audit, name: str, one: Arrival) -> tuple[Path, bool]:
    """Keep the bytes for good, under `received/`; returns where, and whether they were new."""
    seal = hashlib.sha256(one.raw).hexdigest()
    folder = audit.folder / "received" / name / one.student
    for kept in folder.glob(f"*-{seal[:16]}.ipynb"):
        return kept, False
    path = folder / f"{one.when.strftime('%Y%m%dT%H%M%SZ')}-{seal[:16]}.ipynb"
    _write_bytes(path, one.raw)
    audit.append(
        "received", student=one.student, assignment=name, submission=seal, bytes=len(one.raw), origin=one.origin[:300],
        handed_in=one.when.isoformat(timespec="seconds"), kept=path.relative_to(audit.folder).as_posix(),
        notes=one.notes,
    )  # fmt: skip
    return path, True


def submitted_at(folder: Path) -> datetime | None:
    """When a submission was handed in, by nbgrader's timestamp.txt; None when nobody says."""
    try:
        from nbgrader.utils import parse_utc

        return parse_utc((folder / "timestamp.txt").read_text(encoding="utf-8").strip()).replace(
            tzinfo=UTC
        )
    except (OSError, ValueError):
        return None


def _write_bytes(path: Path, raw: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    partial.write_bytes(raw)
    os.replace(partial, path)
