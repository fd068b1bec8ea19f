"""Read what a zip archive says of its members: their names, in whatever encoding, and their times.

A zip file marks a name as UTF-8 or says nothing; then it is in the encoding of the machine that
packed it. One machine packed the whole archive, so the encoding is decided for all names together.
"""

import binascii
import struct
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta, tzinfo
from io import BytesIO
from typing import IO

from tinybert_l.errors import InvalidInput
from tinybert_l.grading.encodings import encoding_of

UTF8_NAME = 0x800  # the flag of a member whose name is UTF-8
UNICODE_PATH = 0x7075  # Info-ZIP's field with a name in UTF-8
UNIX_TIMES = (0x5455, 0x5855)  # Info-ZIP's fields with times in UTC
NTFS_TIMES = 0x000A  # PKWARE's field with times in UTC
_OLDEST_YEAR = 1980  # what a zip says when no time was given
_NTFS_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
_END = b"PK\x05\x06"  # begins the record at the end of an archive
_ENTRY = b"PK\x01\x02"  # begins an entry of its directory


def open_zip(file: IO[bytes]) -> zipfile.ZipFile:
    """Open an archive; one whose names are marked as UTF-8 and are none is opened all the same.

    Raises:
        zipfile.BadZipFile: it is no archive, or its directory cannot be read.
    """
    try:
        return zipfile.ZipFile(file)
    except UnicodeDecodeError:
        file.seek(0)
        return zipfile.ZipFile(BytesIO(_without_utf8_marks(file.read())))


def _without_utf8_marks(raw: bytes) -> bytes:
    """Return an archive that no longer says that its names are UTF-8."""
    end = raw.rfind(_END)
    if end < 0 or end + 22 > len(raw):
        raise zipfile.BadZipFile("the end of the archive is missing")
    size, offset = struct.unpack("<II", raw[end + 12 : end + 20])
    shift = end - size - offset  # bytes before the archive proper
    position = offset + shift
    patched = bytearray(raw)
    while position >= 0 and raw[position : position + 4] == _ENTRY:
        header = struct.unpack("<I", raw[position + 42 : position + 46])[0] + shift
        for flags_at in (position + 8, header + 6):
            if flags_at + 2 <= len(raw):
                patched[flags_at + 1] &= ~(UTF8_NAME >> 8)
        lengths = struct.unpack("<HHH", raw[position + 28 : position + 34])
        position += 46 + sum(lengths)
    return bytes(patched)


def names_of(members: Sequence[zipfile.ZipInfo], encoding: str = "") -> tuple[list[str], str]:
    """Return the members' names, and the encoding that was guessed for them.

    Args:
        encoding: of the names that are not marked as UTF-8; empty: it is decided here.
    Returns:
        The names, and the encoding if it is another than UTF-8; "?" where none fits.
    Raises:
        InvalidInput: there is no such encoding.
    """
    unmarked = [_raw_name(member) for member in members if not member.flag_bits & UTF8_NAME]
    chosen = encoding or encoding_of([raw for raw in unmarked if not raw.isascii()])
    names = []
    try:
        for member in members:
            names.append(_name(member, chosen))
    except LookupError:
        raise InvalidInput(
            f"--names {encoding!r}; allowed: an encoding such as gb18030, big5, shift_jis, cp850."
        ) from None
    return names, "" if chosen == "utf-8" else chosen


def _name(member: zipfile.ZipInfo, encoding: str) -> str:
    if member.flag_bits & UTF8_NAME:
        return member.orig_filename
    raw = _raw_name(member)
    unicode_path = _unicode_path(member, raw)
    if unicode_path:
        return unicode_path
    if encoding == "?":
        return member.orig_filename
    return raw.decode(encoding, errors="replace")


def _raw_name(member: zipfile.ZipInfo) -> bytes:
    """Return the bytes of a name that is not marked as UTF-8."""
    return member.orig_filename.encode("cp437", errors="replace")


def _unicode_path(member: zipfile.ZipInfo, raw: bytes) -> str:
    """Return the name that Info-ZIP added in UTF-8, if it belongs to this one; else empty."""
    for kind, data in _fields(member):
        is_of_this_name = data[1:5] == struct.pack("<I", binascii.crc32(raw))
        if kind == UNICODE_PATH and data[:1] == b"\x01" and is_of_this_name:
            with suppress(UnicodeDecodeError):
                return data[5:].decode("utf-8")
    return ""


def _fields(member: zipfile.ZipInfo) -> Iterator[tuple[int, bytes]]:
    """Yield the extra fields of a member."""
    extra = member.extra
    while len(extra) >= 4:
        kind, size = struct.unpack("<HH", extra[:4])
        yield kind, extra[4 : 4 + size]
        extra = extra[4 + size :]


def time_of(member: zipfile.ZipInfo, zone: tzinfo | None) -> datetime:
    """Return when a member was changed last, in UTC; now where it does not say.

    Args:
        zone: of the plain times, which have none; None: this machine's.
    """
    for kind, data in _fields(member):
        with suppress(struct.error, ValueError, OverflowError, OSError):
            if kind == UNIX_TIMES[0] and data and data[0] & 1:
                return datetime.fromtimestamp(struct.unpack("<i", data[1:5])[0], UTC)
            if kind == UNIX_TIMES[1]:
                return datetime.fromtimestamp(struct.unpack("<i", data[4:8])[0], UTC)
            if kind == NTFS_TIMES:
                ticks = struct.unpack("<Q", data[8:16])[0]
                return _NTFS_EPOCH + timedelta(microseconds=ticks // 10)
    if member.date_time[0] > _OLDEST_YEAR:
        with suppress(ValueError, OverflowError):  # such as a 13th month
            return datetime(*member.date_time, tzinfo=zone).astimezone(UTC)
    return datetime.now(UTC)


def reader_of(archive: zipfile.ZipFile, member: zipfile.ZipInfo, limit: int) -> Callable[[], bytes]:
    """Return what reads a member, at most `limit` bytes of it.

    It raises InvalidInput for whatever is wrong with that member: no fault of one is another's.
    """

    def read() -> bytes:
        try:
            with archive.open(member) as file:
                return file.read(limit)  # the size in the header may be a lie
        except NotImplementedError as error:
            raise InvalidInput(
                f"packed in a way that is not read here 压缩方式不支持: {error}"
            ) from None
        except Exception as error:  # each way to pack has errors of its own
            reason = f"{type(error).__name__}: {error}"[:200]
            raise InvalidInput(f"damaged in the zip file 压缩包中已损坏: {reason}") from None

    return read
