"""Read tar archives, and what gzip, bzip2 and xz have packed: with limits, and nothing extracted.

Python's own reader of tar files believes sizes below zero and reads headers of any length; this one
goes forward only, and hands out ordinary files and links' names.
"""

import bz2
import lzma
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from tinybert_l.errors import InvalidInput

BLOCK = 512  # bytes: headers and contents begin at multiples of it
XZ_MEMORY = 100 * 10**6  # bytes that unpacking may take; xz's own highest level takes 65 MB
_ORDINARY = b"0\x007"  # kinds of members
_LINKS = b"12"
_LONG_NAME = b"L"  # GNU's member whose contents are the name of the next one
_PAX = b"x"  # POSIX's member whose contents are facts of the next one
_NAME_LIMIT = 10_000  # bytes of such members


class _Unpacker(Protocol):
    @property
    def eof(self) -> bool: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


@dataclass(frozen=True)
class TarMember:
    """A file of a tar archive; what is a link has no contents."""

    path: str
    raw: bytes
    is_link: bool = False


def unpacked(raw: bytes, limit: int) -> bytes:
    """Undo gzip, bzip2 or xz; returns what is packed in none of these ways as it is.

    Raises:
        InvalidInput: damaged, incomplete, or more than `limit` bytes.
    """
    unpacker = _unpacker_of(raw)
    if unpacker is None:
        return raw
    try:
        content = unpacker.decompress(raw, limit + 1)
    except (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError) as error:
        raise InvalidInput(f"damaged 已损坏: {error}"[:200]) from None
    if len(content) > limit:
        raise InvalidInput(f"more than {limit // 10**6} MB unpacked 解压后过大")
    if not unpacker.eof:
        raise InvalidInput("incomplete: load it down again 不完整，请重新下载")
    return content


def _unpacker_of(raw: bytes) -> _Unpacker | None:
    if raw.startswith(b"\x1f\x8b"):
        return zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    if raw.startswith(b"BZh"):
        return bz2.BZ2Decompressor()
    if raw.startswith(b"\xfd7zXZ\0"):
        return lzma.LZMADecompressor(memlimit=XZ_MEMORY)
    return None


def is_packed(raw: bytes) -> bool:
    """Tell whether it is packed by gzip, bzip2 or xz."""
    return _unpacker_of(raw) is not None


def is_tar(raw: bytes) -> bool:
    """Tell whether a file begins as a tar archive does: the checksum of its first header is right.

    >>> is_tar(b"{}" * 512)
    False
    """
    header = raw[:BLOCK]
    if len(header) < BLOCK or not any(header):
        return False
    without_checksum = sum(header) - sum(header[148:156]) + 8 * ord(" ")
    return _number(header[148:156]) == without_checksum


def tar_members(raw: bytes) -> Iterator[TarMember]:
    """Read the files of a tar archive.

    Raises:
        InvalidInput: a header is damaged, or the archive was cut off.
    """
    position = 0
    long_name = b""
    while any(raw[position : position + BLOCK]):
        header = raw[position : position + BLOCK]
        if not is_tar(header):
            raise InvalidInput("a tar archive with a damaged header 压缩包（tar）已损坏")
        kind = header[156:157]
        start = position + BLOCK
        end = start + (0 if kind in _LINKS else _number(header[124:136]))
        if not start <= end <= len(raw):
            raise InvalidInput("a tar archive that is incomplete 压缩包（tar）不完整")
        if kind == _LONG_NAME:
            long_name = raw[start : min(end, start + _NAME_LIMIT)].partition(b"\0")[0]
        elif kind == _PAX:
            long_name = _path_of_facts(raw[start : min(end, start + _NAME_LIMIT)]) or long_name
        else:
            if kind in _ORDINARY or kind in _LINKS:
                name = (long_name or _short_name(header)).decode("utf-8", errors="replace")
                yield TarMember(name, raw[start:end], kind in _LINKS)
            long_name = b""
        position = end + -end % BLOCK


def _number(field: bytes) -> int:
    """Read a number in octal digits; -1 for what is none."""
    digits = field.strip(b" \0")
    return int(digits, 8) if digits and not digits.strip(b"01234567") else -1


def _short_name(header: bytes) -> bytes:
    """Return the name in a header; the folders may stand in a field of their own."""
    name = header[:100].partition(b"\0")[0]
    before = header[345:500].partition(b"\0")[0] if header[257:263] == b"ustar\0" else b""
    return before + b"/" + name if before else name


def _path_of_facts(facts: bytes) -> bytes:
    """Return the path in POSIX's facts, each a line such as "24 path=work/notebook"."""
    for line in facts.split(b"\n"):
        key, _, value = line.partition(b" ")[2].partition(b"=")
        if key == b"path":
            return value
    return b""
