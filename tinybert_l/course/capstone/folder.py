"""Take an entry in: its files are read once, as plain bytes, and everything else uses that copy.

Nothing is opened here but `entry.json`, which is small. Links, pipes, devices, unknown files and
files beyond the limits are refused before a byte of them is read. An entry that is changed later on
is judged as it was.
"""

import hashlib
import os
import stat
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tinybert_l.course.capstone.description import Description, read_description
from tinybert_l.course.capstone.rules import (
    DESCRIPTION,
    FILE_LIMITS,
    FILE_SETS,
    SIZE_LIMIT,
    VOCABULARY,
    EntryRefused,
)
from tinybert_l.errors import printable

ZIP_LIMIT = 2 * SIZE_LIMIT  # bytes of a packed entry
MEMBER_LIMIT = 30  # files that are looked at
ENCRYPTED = 0x1
SYSTEM_FILES = ("thumbs.db", "desktop.ini")
HINTS = {
    ".bin": "pickles are code; save as safetensors",
    ".pt": "pickles are code; save as safetensors",
    ".pth": "pickles are code; save as safetensors",
    ".pkl": "pickles are code; save as safetensors",
    ".pickle": "pickles are code; save as safetensors",
    ".py": "an entry holds no code",
    ".data": "save the ONNX model as one file, with its weights inside",
    "tokenizer.json": f"write the word pieces into {VOCABULARY}, one a line",
}
KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}


@dataclass(frozen=True)
class Entry:
    """An entry as it was handed in.

    Args:
        description: what `entry.json` says.
        files: the bytes of each file, by name.
        source: name of the folder or zip file, which says who handed it in.
    """

    description: Description
    files: dict[str, bytes]
    source: str

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(map(len, self.files.values()))

    @property
    def sha256(self) -> str:
        """A hash of all files and their names."""
        digest = hashlib.sha256()
        for name in sorted(self.files):
            digest.update(f"{name}\0{len(self.files[name])}\0".encode() + self.files[name])
        return digest.hexdigest()

    def write(self, folder: Path) -> None:
        """Write the files into a new folder."""
        folder.mkdir(parents=True)
        for name, content in self.files.items():
            (folder / name).write_bytes(content)


def source_of(path: Path) -> str:
    """Return the name of a folder or file, which says who handed it in; `.` has its folder's."""
    return printable(os.path.basename(os.path.abspath(path)))


def read_entry(path: Path) -> Entry:
    """Read an entry from a folder or a zip file.

    Raises:
        EntryRefused: it breaks a rule; the message says which.
    """
    source = source_of(path)
    if not os.path.lexists(path):
        raise EntryRefused(f"{source}: not found; allowed: a folder or a zip file. 找不到。")
    kind = stat.S_IFMT(os.lstat(path).st_mode)
    if kind == stat.S_IFDIR:
        files = dict(_files_of_folder(path))
    elif kind == stat.S_IFREG and path.suffix.lower() == ".zip":
        files = _files_of_zip(path)
    else:
        what = KINDS.get(kind, "a file")
        raise EntryRefused(f"{source}: {what}; allowed: a folder or a zip file. 应为文件夹或zip。")
    if frozenset(files) not in FILE_SETS:
        sets = " or ".join(", ".join(sorted(allowed)) for allowed in FILE_SETS)
        given = ", ".join(sorted(files)) or "nothing"
        raise EntryRefused(f"it holds {given}; allowed: {sets}. 文件不齐或多余。")
    entry = Entry(read_description(files[DESCRIPTION]), files, source)
    if entry.size > SIZE_LIMIT:
        raise EntryRefused(_too_large("the entry", entry.size, SIZE_LIMIT))
    return entry


def _files_of_folder(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the files of a folder, without those that systems leave behind."""
    with os.scandir(folder) as listed:
        for number, item in enumerate(listed):
            _require_few(number)
            if _is_left_behind(item.name):
                continue
            if item.is_dir(follow_symlinks=False) and item.name not in FILE_LIMITS:
                raise EntryRefused(_too_deep(item.name))
            _require_known(item.name)
            yield item.name, _read_plain_file(folder / item.name)


def _require_few(number: int) -> None:
    if number >= MEMBER_LIMIT:
        raise EntryRefused(f"more than {MEMBER_LIMIT} files; allowed: 3 or 4. 文件过多。")


def _require_known(name: str) -> None:
    if name in FILE_LIMITS:
        return
    hint = HINTS.get(name) or HINTS.get(Path(name).suffix.lower())
    known = f"allowed: {', '.join(FILE_LIMITS)}"
    why = f"{hint}; {known}" if hint else known
    raise EntryRefused(
        f"{printable(name)[:60]} does not belong into an entry ({why}). 多余的文件。"
    )


def _read_plain_file(path: Path) -> bytes:
    """Read a file that is nothing but a file, once; neither waits for a pipe nor follows a link."""
    _require_plain(path.name, os.lstat(path))
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        descriptor = os.open(path, flags | getattr(os, "O_BINARY", 0))
    except OSError as error:
        raise EntryRefused(f"{path.name}: cannot be read ({error.strerror}). 无法读取。") from None
    with os.fdopen(descriptor, "rb") as file:
        _require_plain(path.name, os.fstat(descriptor))  # it may have been replaced meanwhile
        content = file.read(FILE_LIMITS[path.name] + 1)
    return _require_small(path.name, content)


def _require_plain(name: str, status: os.stat_result) -> None:
    kind = stat.S_IFMT(status.st_mode)
    if kind != stat.S_IFREG:
        what = KINDS.get(kind, "no file")
        raise EntryRefused(f"{name} is {what}; allowed: a plain file. 不是普通文件。")
    if status.st_nlink != 1:
        raise EntryRefused(f"{name} is a hard link; allowed: a file of its own. 不允许硬链接。")
    if status.st_size > FILE_LIMITS[name]:
        raise EntryRefused(_too_large(name, status.st_size, FILE_LIMITS[name]))


def _require_small(name: str, content: bytes) -> bytes:
    if len(content) > FILE_LIMITS[name]:
        raise EntryRefused(_too_large(name, len(content), FILE_LIMITS[name]))
    return content


def _too_large(name: str, size: int, limit: int) -> str:
    return f"{name} has {size:,} bytes; allowed: at most {limit:,}. 超过大小限制。"


def _files_of_zip(path: Path) -> dict[str, bytes]:
    if os.lstat(path).st_size > ZIP_LIMIT:
        raise EntryRefused(_too_large("the zip file", os.lstat(path).st_size, ZIP_LIMIT))
    files: dict[str, bytes] = {}
    folders = set()
    try:
        with zipfile.ZipFile(path) as archive:
            for number, member in enumerate(archive.infolist()):
                _require_few(number)
                place = PurePosixPath(member.filename.replace("\\", "/"))  # of old Windows tools
                if member.is_dir() or _is_left_out(place):
                    continue
                name = _plain_name(member, place)
                if name in files:
                    raise EntryRefused(f"{name} stands in the zip file twice. 文件重复。")
                folders.add(place.parent)
                files[name] = _read_member(archive, member, name)
    except EntryRefused:
        raise
    except Exception as error:  # a damaged archive has errors of every kind
        raise EntryRefused(f"the zip file is damaged ({str(error)[:80]}). 压缩包已损坏。") from None
    if len(folders) > 1:
        raise EntryRefused("the zip file holds several folders; allowed: one. 应只有一个文件夹。")
    return files


def _is_left_out(place: PurePosixPath) -> bool:
    """Whether a member is one that a system has added."""
    return _is_left_behind(place.name) or place.parts[:1] == ("__MACOSX",)


def _is_left_behind(name: str) -> bool:
    """Whether a system leaves such files in folders: hidden ones, and those of Windows."""
    return name.startswith(".") or name.casefold() in SYSTEM_FILES


def _too_deep(name: str) -> str:
    return (
        f"{printable(name)[:60]} is a folder within the entry; allowed: no folders. Hand in the "
        f"folder in which {DESCRIPTION} lies. 应直接提交{DESCRIPTION}所在的文件夹。"
    )


def _plain_name(member: zipfile.ZipInfo, place: PurePosixPath) -> str:
    shown = printable(member.filename)[:60]
    if place.is_absolute() or ".." in place.parts:
        raise EntryRefused(f"{shown} leads out of the entry. 路径超出文件夹。")
    if len(place.parts) > 2:
        raise EntryRefused(_too_deep(str(place.parent)))
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        raise EntryRefused(f"{shown} is {KINDS.get(kind, 'no file')}. 不是普通文件。")
    if member.flag_bits & ENCRYPTED:
        raise EntryRefused(f"{shown} is encrypted. 文件已加密。")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        # others may ask for gigabytes of memory before the first byte
        raise EntryRefused(
            f"{shown} is packed by an unusual method; allowed: deflate. 压缩方式不符。"
        )
    _require_known(place.name)
    if member.file_size > FILE_LIMITS[place.name]:
        raise EntryRefused(_too_large(place.name, member.file_size, FILE_LIMITS[place.name]))
    return place.name


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> bytes:
    with archive.open(member) as file:
        return _require_small(name, file.read(FILE_LIMITS[name] + 1))  # its header may lie


def zip_entry(entry: Entry, path: Path) -> None:
    """Write an entry as a zip file, whole or not at all."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in sorted(entry.files):
                archive.writestr(name, entry.files[name])
        os.replace(partial, path)
    finally:
        with suppress(FileNotFoundError):
            partial.unlink()
