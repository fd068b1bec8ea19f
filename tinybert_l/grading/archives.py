"""Files of zip archives and folders that others filled: each is listed, none is trusted.

Nothing is extracted. Links, encrypted members, archive bombs and paths that leave their folder are
listed with a problem and are never read; of any other file at most one byte more than a submission
may have is read. Each member, and each zip file inside, is tried alone: no fault of one keeps the
others out.
"""

import contextlib
import io
import os
import re
import stat
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from pathlib import Path, PurePosixPath

from tinybert_l.errors import InvalidInput
from tinybert_l.grading.assignment import SUBMISSION_LIMIT
from tinybert_l.grading.owners import CANVAS_NAME
from tinybert_l.grading.zip_members import names_of, open_zip, reader_of, time_of

MEMBER_LIMIT = 50_000  # files in an archive
INNER_MEMBER_LIMIT = 20  # files in a student's own zip; further ones are not looked at
COMPRESSION_LIMIT = 500  # bytes that one compressed byte may stand for
_ENCRYPTED = 0x1  # the zip flag of a member that needs a password


@dataclass(frozen=True)
class IncomingFile:
    """A file of an archive or a folder, not read yet.

    Args:
        path: relative to the archive or folder, with "/" on every system.
        modified: when the file was changed last, in UTC.
        read: returns at most SUBMISSION_LIMIT + 1 bytes, while the archive is open; raises
            InvalidInput for what cannot be read.
        problem: why the file must not be read; empty when it may.
        note: what was assumed to read its name.
    """

    path: str
    modified: datetime
    read: Callable[[], bytes]
    problem: str = ""
    note: str = ""


@contextlib.contextmanager
def incoming_files(
    path: Path, assignment: str, encoding: str = "", zone: tzinfo | None = None
) -> Iterator[list[IncomingFile]]:
    """Open a zip file or a folder and list its files.

    A student's zip file is replaced by its members, under the name that the learning platform or
    the folder gave.

    Args:
        assignment: name of the assignment, which `tinybert-l submit` adds to a zip file's name.
        encoding: of names in a zip file that are not UTF-8; empty: it is found out.
        zone: of the times in a zip file; None: this machine's.
    Raises:
        InvalidInput: `path` is neither a zip file nor a folder, or has too many files.
    """
    if path.is_dir():
        yield list(_with_zips_opened(_folder_files(path), assignment))
        return
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(open(path, "rb"))
            archive = stack.enter_context(open_zip(file))
        except (zipfile.BadZipFile, NotImplementedError, OSError) as error:
            raise InvalidInput(
                f"{path}: a zip file or a folder is needed ({error}). 需要zip文件或文件夹。"
            ) from None
        files = _zip_files(archive, None, encoding, zone)
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
        except InvalidInput as error:
            yield replace(file, problem=str(error))
            continue
        except Exception as error:  # a zip file may be broken in ways that zipfile does not know
            reason = f"{type(error).__name__}: {error}"[:200]
            yield replace(file, problem=f"a zip file that cannot be read 压缩包无法读取: {reason}")
            continue
        for member in members:
            path = _path_of_inner(file.path, member.path, assignment)
            yield replace(member, path=path, modified=file.modified)


def _inner_files(file: IncomingFile) -> list[IncomingFile]:
    """Read the members of a student's zip file, while it is open; zip files in it stay closed."""
    raw = file.read()[: SUBMISSION_LIMIT + 1]
    members = []
    with open_zip(io.BytesIO(raw)) as archive:
        for member in _zip_files(archive, INNER_MEMBER_LIMIT):
            if member.problem or member.path.lower().endswith(".zip"):
                members.append(member)
            else:
                members.append(_already_read(member))
    return members


def _already_read(member: IncomingFile) -> IncomingFile:
    try:
        raw = member.read()
    except InvalidInput as error:
        return replace(member, problem=str(error))
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


def _zip_files(
    archive: zipfile.ZipFile,
    limit: int | None = None,
    encoding: str = "",
    zone: tzinfo | None = None,
) -> list[IncomingFile]:
    members = archive.infolist()
    names, guessed = names_of(members, encoding)
    note = ""
    if guessed == "?":
        note = "names in an unknown encoding; --names says which 文件名编码未知"
    elif guessed:
        note = f"names read as {guessed} 文件名按{guessed}读取"
    files = []
    for member, name in zip(members, names, strict=True):
        path = _with_slashes(name)
        if not path.endswith("/"):
            file = IncomingFile(
                path,
                time_of(member, zone),
                reader_of(archive, member, SUBMISSION_LIMIT + 1),
                _member_problem(member, path),
                note,
            )
            files.append(file)
        if limit is not None and len(files) == limit:
            break
    return files


def _with_slashes(name: str) -> str:
    """Return a name with single "/" between folders, where a Windows program wrote a backslash."""
    if "/" not in name:
        name = name.replace("\\", "/")
    if name.startswith("/"):
        return name  # it is refused
    return re.sub(r"/(?:\.?/)+", "/", name.removeprefix("./"))


def _member_problem(member: zipfile.ZipInfo, path: str) -> str:
    """Say why a member must not be read; empty when it may."""
    if stat.S_ISLNK(member.external_attr >> 16):
        return "a symbolic link 符号链接"
    if member.flag_bits & _ENCRYPTED:
        return "encrypted 已加密"
    if member.file_size > max(member.compress_size, 1) * COMPRESSION_LIMIT:
        return "compressed beyond reason (an archive bomb?) 压缩比异常"
    return _path_problem(path)


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
