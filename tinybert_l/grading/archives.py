"""Files of zip archives and folders that others filled: each is listed, none is trusted.

Nothing is extracted. Links, encrypted members, archive bombs and paths that leave their folder are
listed with a problem and are never read; of any other file at most one byte more than a submission
may have is read.
"""

import contextlib
import io
import os
import re
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from tinybert_l.errors import InvalidInput
from tinybert_l.grading.assignment import SUBMISSION_LIMIT

MEMBER_LIMIT = 50_000  # files in an archive
INNER_MEMBER_LIMIT = 20  # files in a student's own zip; further ones are not looked at
COMPRESSION_LIMIT = 500  # bytes that one compressed byte may stand for
_UTF8_NAME = 0x800  # the zip flag that says that a member's name is UTF-8
_ENCRYPTED = 0x1  # the zip flag of a member that needs a password
_OLDEST_YEAR = 1980  # what a zip says when no time was given
_ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, RuntimeError)
# Canvas: doejane_LATE_12_345_notebook.ipynb
CANVAS_NAME = re.compile(
    r"(?P<name>[^_/]+)_(?:LATE_)?(?P<lms>\d+)_(?P<submission>\d+)_(?P<rest>[^/]+)"
)


@dataclass(frozen=True)
class IncomingFile:
    """A file of an archive or a folder, not read yet.

    Args:
        path: relative to the archive or folder, with "/" on every system.
        modified: when the file was changed last, in UTC.
        read: returns at most SUBMISSION_LIMIT + 1 bytes, while the archive is open; raises
            InvalidInput for what cannot be read.
        problem: why the file must not be read; empty when it may.
    """

    path: str
    modified: datetime
    read: Callable[[], bytes]
    problem: str = ""


@contextlib.contextmanager
def incoming_files(path: Path, assignment: str) -> Iterator[list[IncomingFile]]:
    """Open a zip file or a folder and list its files.

    A student's zip file is replaced by its members, under the name that the learning platform or
    the folder gave.

    Args:
        assignment: name of the assignment, which `tinybert-l submit` adds to a zip file's name.
    Raises:
        InvalidInput: `path` is neither a zip file nor a folder, or has too many files.
    """
    if path.is_dir():
        yield list(_with_zips_opened(_folder_files(path), assignment))
        return
    if not path.is_file() or not zipfile.is_zipfile(path):
        raise InvalidInput(f"{path}: a zip file or a folder is needed. 需要zip文件或文件夹。")
    with zipfile.ZipFile(path) as archive:
        files = _zip_files(archive)
        if len(files) > MEMBER_LIMIT:
            raise InvalidInput(
                f"{path} has {len(files)} files; allowed: {MEMBER_LIMIT}. 文件过多。"
            )
        yield list(_with_zips_opened(files, assignment))


def read_plain_file(path: Path) -> bytes:
    """Read an ordinary file, at most SUBMISSION_LIMIT + 1 bytes of it.

    Raises:
        InvalidInput: it is a link or no ordinary file.
    """
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        descriptor = os.open(path, flags)
    except OSError as error:
        raise InvalidInput(
            f"{path.name} is no ordinary file 不是普通文件: {error.strerror}"
        ) from None
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
            raise InvalidInput(f"{path.name} is no ordinary file 不是普通文件")
        return file.read(SUBMISSION_LIMIT + 1)


def _with_zips_opened(files: Iterable[IncomingFile], assignment: str) -> Iterator[IncomingFile]:
    for file in files:
        if file.problem or not file.path.lower().endswith(".zip"):
            yield file
            continue
        try:
            members = _inner_files(file)
        except _ZIP_ERRORS as error:
            problem = f"a zip file that cannot be read 压缩包无法读取: {error}"
            yield replace(file, problem=problem)
            continue
        for member in members:
            path = _path_of_inner(file.path, member.path, assignment)
            yield replace(member, path=path, modified=file.modified)


def _inner_files(file: IncomingFile) -> list[IncomingFile]:
    """Read the members of a student's zip file, while it is open; zip files in it stay closed."""
    raw = file.read()[: SUBMISSION_LIMIT + 1]
    members = []
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        for member in _zip_files(archive, INNER_MEMBER_LIMIT):
            if member.problem or member.path.lower().endswith(".zip"):
                members.append(member)
            else:
                members.append(_already_read(member))
    return members


def _already_read(member: IncomingFile) -> IncomingFile:
    raw = member.read()
    return replace(member, read=lambda: raw)


def _path_of_inner(zip_path: str, member_path: str, assignment: str) -> str:
    """Give a member of a student's zip file the path that says whose it is."""
    member_name = PurePosixPath(member_path).name
    folder, _, zip_name = zip_path.rpartition("/")
    if folder:
        return f"{folder}/{member_name}"
    canvas = CANVAS_NAME.fullmatch(zip_name)
    if canvas:
        return zip_name[: canvas.start("rest")] + member_name
    student = zip_name[: -len(".zip")].removesuffix(f"-{assignment}")
    return f"{student}/{member_name}"


def _zip_files(archive: zipfile.ZipFile, limit: int | None = None) -> list[IncomingFile]:
    files = []
    for member in archive.infolist():
        if not member.is_dir():
            files.append(_zip_file(archive, member))
        if limit is not None and len(files) == limit:
            break
    return files


def _zip_file(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> IncomingFile:
    path = member.filename
    if not member.flag_bits & _UTF8_NAME:  # many archivers write UTF-8 and forget to say so
        with contextlib.suppress(UnicodeError):
            path = path.encode("cp437").decode("utf-8")
    if path == member.filename:
        problem = _path_problem(member.orig_filename)  # before zipfile replaced "\\" and "\0"
    else:
        problem = _path_problem(path)
    if stat.S_ISLNK(member.external_attr >> 16):
        problem = "a symbolic link 符号链接"
    elif member.flag_bits & _ENCRYPTED:
        problem = "encrypted 已加密"
    elif member.file_size > max(member.compress_size, 1) * COMPRESSION_LIMIT:
        problem = "compressed beyond reason (an archive bomb?) 压缩比异常"

    def read() -> bytes:
        try:
            with archive.open(member) as file:
                return file.read(SUBMISSION_LIMIT + 1)  # the size in the header may be a lie
        except _ZIP_ERRORS as error:
            raise InvalidInput(f"damaged in the zip file 压缩包中已损坏: {error}") from None

    return IncomingFile(path, _modified(member), read, problem)


def _modified(member: zipfile.ZipInfo) -> datetime:
    """Read the time of a member, which has no zone, as local time; now where it says nothing."""
    if member.date_time[0] > _OLDEST_YEAR:
        with contextlib.suppress(ValueError, OverflowError):  # such as a 13th month
            return datetime(*member.date_time).astimezone(UTC)
    return datetime.now(UTC)


def _folder_files(root: Path) -> Iterator[IncomingFile]:
    for folder, subfolders, names in os.walk(root, followlinks=False):
        linked = [name for name in subfolders if Path(folder, name).is_symlink()]
        for name in sorted([*names, *linked]):
            yield _folder_file(root, Path(folder, name))


def _folder_file(root: Path, path: Path) -> IncomingFile:
    status = path.lstat()
    relative = path.relative_to(root).as_posix()
    if stat.S_ISLNK(status.st_mode):
        problem = "a symbolic link 符号链接"
    elif not stat.S_ISREG(status.st_mode):
        problem = "no ordinary file 不是普通文件"
    elif status.st_nlink > 1:
        problem = "a hard link 硬链接"
    else:
        problem = _path_problem(relative)
    modified = datetime.fromtimestamp(status.st_mtime, UTC)
    return IncomingFile(relative, modified, lambda: read_plain_file(path), problem)


def _path_problem(path: str) -> str:
    """Say why a path may not be used; empty for one that stays in its folder on every system."""
    absolute = path.startswith("/") or re.match(r"[A-Za-z]:", path)
    if absolute or "\\" in path or "\0" in path or ".." in path.split("/"):
        return "a path that leaves its folder 路径越界"
    return ""
