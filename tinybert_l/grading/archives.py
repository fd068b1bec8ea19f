"""Files of zip archives and folders that others filled: each is listed, none is trusted.

Nothing is extracted. Links, encrypted members, archive bombs and paths that leave their folder are
listed with a problem and are never read; of any other file at most one byte more than a submission
may have is read. Each member, and each zip file inside, is tried alone: no fault of one keeps the
others out.
"""

import contextlib
import io
import itertools
import os
import re
import stat
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from pathlib import Path, PurePosixPath

from tinybert_l.errors import InvalidInput
from tinybert_l.exercises.file_kinds import kind_of
from tinybert_l.grading.assignment import SUBMISSION_LIMIT
from tinybert_l.grading.file_names import (
    has_ending,
    is_archive_name,
    is_desktop_file,
    named_beside,
    without_archive_ending,
    without_copy_marks,
    without_ending,
)
from tinybert_l.grading.owners import (
    BLACKBOARD_NAME,
    CANVAS_NAME,
    MOODLE_FLAT_NAME,
    names_person,
)
from tinybert_l.grading.tar_members import is_packed, is_tar, tar_members, unpacked
from tinybert_l.grading.zip_members import names_of, open_zip, reader_of, time_of

MEMBER_LIMIT = 50_000  # files in an archive
INNER_MEMBER_LIMIT = 20  # files in a student's own zip that are looked at, notebooks first
INNER_MEMBERS_LISTED = 10_000  # of these
ZIPS_WITHIN = 1  # so many zip files of a student's, one in the other, are opened in the first
TOO_MANY_ZIPS = "a zip file in a zip file in a zip file 压缩包嵌套过深"
INNER_BYTES = 100 * 10**6  # of all files that are read in a student's zip, and of a tar unpacked
ZIP_SIGNATURE = b"PK\x03\x04"
KIND_BYTES = 1000  # of a file's beginning, which tell what it is
# what may be a notebook, a request, or a zip file that holds one
_MAY_MATTER = re.compile(r"\.(?:ipynb|json|txt|zip|tar|t[gbx]z)", re.IGNORECASE)
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
    path: Path,
    assignment: str,
    encoding: str = "",
    zone: tzinfo | None = None,
    tidied: Callable[[list[IncomingFile]], list[IncomingFile]] = list,
) -> Iterator[list[IncomingFile]]:
    """Open a zip file or a folder and list its files.

    A student's zip file is replaced by its members, under the name that the learning platform or
    the folder gave.

    Args:
        assignment: name of the assignment, which `tinybert-l submit` adds to a zip file's name.
        encoding: of names in a zip file that are not UTF-8; empty: it is found out.
        zone: of the times in a zip file; None: this machine's.
        tidied: changes the list before students' zip files are opened.
    Raises:
        InvalidInput: `path` is neither a zip file nor a folder, or has too many files.
    """
    if path.is_dir():
        yield list(_with_zips_opened(tidied(list(_folder_files(path))), assignment))
        return
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(open(path, "rb"))
            archive = stack.enter_context(open_zip(file))
        except (zipfile.BadZipFile, NotImplementedError, OSError) as error:
            why = what_it_is(_beginning(path)) or str(error)
            raise InvalidInput(
                f"{path}: a zip file or a folder is needed ({why}). 需要zip文件或文件夹。"
            ) from None
        files = _zip_files(archive, None, encoding, zone)
        if len(files) > MEMBER_LIMIT:
            raise InvalidInput(
                f"{path} has {len(files)} files; allowed: {MEMBER_LIMIT}. 文件过多。"
            )
        yield list(_with_zips_opened(tidied(files), assignment))


def _beginning(path: Path) -> bytes:
    """Return the first bytes of a file; none of what cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read(KIND_BYTES)
    except OSError:
        return b""


def what_it_is(raw: bytes) -> str:
    """Say what a file is that cannot be opened as a zip file; empty where nobody can tell."""
    kind = kind_of(raw)
    if kind.startswith("a zip file"):
        return "a zip file that is incomplete: load it down again 压缩包不完整，请重新下载"
    if is_packed(raw) or is_tar(raw):
        return "a tar or gzip archive: unpack it and name the folder 请先解压，再指定文件夹"
    if not kind and raw.lstrip().startswith(b"{"):
        return "a notebook? put it into a folder of its student's name 请放入以学生命名的文件夹"
    return f"it is {kind}" if kind else ""


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
        if file.problem or not is_archive_name(file.path):
            yield file
            continue
        try:
            raw = file.read()[: SUBMISSION_LIMIT + 1]
            members = _StudentsZip().files(raw, PurePosixPath(file.path).name, ZIPS_WITHIN)
        except InvalidInput as error:
            yield replace(file, problem=str(error))
            continue
        for member in members:
            path = _path_of_inner(file.path, member.path, assignment)
            yield replace(member, path=path, modified=file.modified)


def is_archive(raw: bytes) -> bool:
    """Tell whether a file is an archive that is opened here, whatever it is called."""
    return raw.startswith(ZIP_SIGNATURE) or is_packed(raw) or is_tar(raw)


def notebook_within(raw: bytes) -> bytes | None:
    """Return the notebook in an archive that is called a notebook; None where none is clear."""
    try:
        members = _StudentsZip().files(raw, "notebook.ipynb", zips_within=0)
    except InvalidInput:
        return None
    notebooks = [member for member in members if has_ending(member.path) and not member.problem]
    return notebooks[0].read() if len(notebooks) == 1 else None


class _StudentsZip:
    """Reads a student's zip or tar file, with those in it, up to a limit for all together."""

    def __init__(self) -> None:
        self.bytes_left = INNER_BYTES

    def files(self, raw: bytes, name: str, zips_within: int) -> list[IncomingFile]:
        """Read what may be notebooks; of the other files the names.

        Args:
            name: of the file; without its last ending it is that of a file packed alone.
            zips_within: so many archives, one in the other, are opened in this one.
        Raises:
            InvalidInput: it cannot be read.
        """
        members: list[IncomingFile] = []
        with contextlib.ExitStack() as stack:
            for member in _worth_reading(self._listed(raw, name, stack)):
                members += self._with_contents(member, zips_within)
        if not members:
            raise InvalidInput("an archive with no file in it 压缩包是空的")
        return members[:INNER_MEMBER_LIMIT]

    def _listed(self, raw: bytes, name: str, stack: contextlib.ExitStack) -> list[IncomingFile]:
        if is_packed(raw) or is_tar(raw):
            return self._unpacked(raw, name)
        try:
            archive = stack.enter_context(open_zip(io.BytesIO(raw)))
            return _zip_files(archive, INNER_MEMBERS_LISTED)
        except InvalidInput:
            raise
        except Exception as error:  # it may be broken in ways that zipfile does not know
            reason = what_it_is(raw) or f"{type(error).__name__}: {error}"[:200]
            raise InvalidInput(f"a zip file that cannot be read 压缩包无法读取: {reason}") from None

    def _unpacked(self, raw: bytes, name: str) -> list[IncomingFile]:
        """Return the files of a tar archive, or the file that gzip, bzip2 or xz has packed."""
        try:
            raw = unpacked(raw, max(self.bytes_left, 0))
            if not is_tar(raw):
                name = without_archive_ending(name)
                if raw.lstrip().startswith(b"{") and not _MAY_MATTER.search(name):
                    name += ".ipynb"  # called x.zip or x.gz: nothing in its name says what it is
                return [_kept(name, raw)]
            self.bytes_left -= len(raw)
            members = itertools.islice(tar_members(raw), INNER_MEMBERS_LISTED)
            return [_kept(x.path, x.raw, x.is_link) for x in members]
        except InvalidInput as error:
            raise InvalidInput(
                f"a tar or gzip archive that cannot be read 压缩包无法读取: {error}"
            ) from None

    def _with_contents(self, member: IncomingFile, zips_within: int) -> list[IncomingFile]:
        """Return a member as one that was read; a zip file as its members."""
        is_zip = is_archive_name(member.path)
        if member.problem or not _MAY_MATTER.search(member.path):
            return [member]
        if is_zip and not zips_within:
            return [replace(member, problem=TOO_MANY_ZIPS)]
        try:
            raw = self._read(member)
            if is_zip:
                return self.files(raw, PurePosixPath(member.path).name, zips_within - 1)
        except InvalidInput as error:
            return [replace(member, problem=str(error))]
        return [replace(member, read=lambda: raw)]

    def _read(self, member: IncomingFile) -> bytes:
        if self.bytes_left <= 0:
            raise InvalidInput(f"more than {INNER_BYTES // 10**6} MB in one zip file 压缩包过大")
        raw = member.read()
        self.bytes_left -= len(raw)
        return raw


def _kept(name: str, raw: bytes, is_link: bool = False) -> IncomingFile:
    """Return a file of a tar archive; of what is no notebook the beginning alone is kept."""
    path = _with_slashes(name)
    kept = raw[: SUBMISSION_LIMIT + 1 if _MAY_MATTER.search(path) else KIND_BYTES]
    problem = "a link 链接" if is_link else _path_problem(path)
    return IncomingFile(path, datetime.now(UTC), lambda: kept, problem)


def _worth_reading(members: Iterable[IncomingFile]) -> list[IncomingFile]:
    """Return a student's own files: notebooks first, then what may hold or be one."""
    own = [member for member in members if not is_desktop_file(member.path)]
    own.sort(key=lambda member: not _MAY_MATTER.search(member.path))
    own.sort(key=lambda member: not is_archive_name(member.path))
    own.sort(key=lambda member: not has_ending(member.path))
    return own[:INNER_MEMBER_LIMIT]


def _path_of_inner(zip_path: str, member_path: str, assignment: str) -> str:
    """Give a member of a student's zip file the path that says whose it is."""
    member_name = PurePosixPath(member_path).name
    folder, _, zip_name = zip_path.rpartition("/")
    if folder:
        match = CANVAS_NAME.fullmatch(zip_name)
        is_sorted = match and match["rest"] and not names_person(folder.partition("/")[0])
        canvas = zip_name[: match.start("rest")] if match and is_sorted else ""
        return f"{folder}/{canvas}{member_name}"
    for pattern in (CANVAS_NAME, MOODLE_FLAT_NAME, BLACKBOARD_NAME):
        match = pattern.fullmatch(zip_name)
        if match and match["rest"]:
            return zip_name[: match.start("rest")] + member_name
    name = without_copy_marks(without_ending(without_archive_ending(zip_name)))[0]
    return f"{named_beside(name, assignment) or name}/{member_name}"


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
