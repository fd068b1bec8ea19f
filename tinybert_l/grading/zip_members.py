"""Read what a zip archive says of its members: their names, in whatever encoding, and their times.

A zip file marks a name as UTF-8 or says nothing; then it is in the encoding of the machine that
packed it. One machine packed the whole archive, so the encoding is decided for all names together.
"""

import binascii
import struct
import unicodedata
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache
from io import BytesIO
from typing import IO

from tinybert_l.errors import InvalidInput

UTF8_NAME = 0x800  # the flag of a member whose name is UTF-8
# that are considered
ENCODINGS = ("gb18030", "big5", "cp932", "cp949", "cp850", "cp1252", "cp866", "cp1251", "cp737")
_SCRIPTS = {"cp866": "CYRILLIC", "cp1251": "CYRILLIC", "cp737": "GREEK"}
SURE = 0.6  # share of a name's characters that must be usual in an encoding
UNICODE_PATH = 0x7075  # Info-ZIP's field with a name in UTF-8
UNIX_TIMES = (0x5455, 0x5855)  # Info-ZIP's fields with times in UTC
NTFS_TIMES = 0x000A  # PKWARE's field with times in UTC
_OLDEST_YEAR = 1980  # what a zip says when no time was given
_NTFS_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
_END = b"PK\x05\x06"  # begins the record at the end of an archive
_ENTRY = b"PK\x01\x02"  # begins an entry of its directory
_SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许韩邓冯曹彭曾肖田董潘袁蔡蒋余于杜"
_SURNAMES += "叶程魏苏吕丁任卢姚沈钟姜崔谭陆范汪廖石金韦贾夏付方邹熊白孟秦邱侯江尹薛闫段雷龙黎史陶"
_SURNAMES += "贺毛郝顾龚邵万钱覃武戴孔汤庞樊兰殷施洪翟安倪严牛温芦季俞章鲁葛伍申尤毕聂柴焦向柳邢岳"
_KOREAN_SURNAMES = "김이박최정강조윤장임한오서신권황안송류전홍고문양손배백허유남심노하곽성차주"
_SURNAMES += "張劉陳楊黃趙吳孫馬鄭謝許韓鄧馮蕭葉蘇呂盧鐘譚陸範賈鄒閻龍賀顧錢湯龐蘭歐阳陽欧"


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
    chosen = encoding or _encoding_of([raw for raw in unmarked if not raw.isascii()])
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


def _encoding_of(names: list[bytes]) -> str:
    """Decide in which encoding names were written that are not ASCII; "?" where none fits."""
    if not names:
        return "utf-8"
    with suppress(UnicodeDecodeError):
        for name in names:
            name.decode("utf-8")
        return "utf-8"
    scores = {}
    for encoding in ENCODINGS:
        with suppress(UnicodeDecodeError):
            texts = [name.decode(encoding) for name in names]
            scores[encoding] = _usual_share(texts, encoding)
    best = max(scores, key=lambda encoding: scores[encoding], default="?")
    return best if scores.get(best, 0) >= SURE else "?"


def _usual_share(names: list[str], encoding: str) -> float:
    """Return which share of names' characters is usual where this encoding is used.

    A name that begins with a common Chinese or Korean surname counts as more.
    """
    usual = 0.0
    total = 0
    for name in names:
        person = name.split("/")[0].split("_")[0]
        for index, character in enumerate(name):
            if character.isascii():
                continue
            total += 1
            usual += _is_usual(character, name[max(0, index - 2) : index], encoding)
        if person and person[0] in _SURNAMES and encoding in ("gb18030", "big5"):
            usual += 0.5
        if person and person[0] in _KOREAN_SURNAMES and encoding == "cp949":
            usual += 0.5
    return usual / max(total, 1)


def _is_usual(character: str, before: str, encoding: str) -> bool:
    """Tell whether a character is usual in an encoding.

    Args:
        before: the two characters before it, where there are so many.
    """
    # a capital letter inside a word is a sign of the wrong encoding
    is_inside = before[-1:].islower() and character.isupper()
    if encoding in ("cp850", "cp1252"):
        is_row = len(before) == 2 and not any(map(str.isascii, before))  # of accented letters
        return character.isalpha() and not is_inside and not is_row
    if encoding in _SCRIPTS:  # words are of one script
        is_of_script = unicodedata.name(character, "").startswith(_SCRIPTS[encoding])
        is_mixed = before[-1:].isascii() and before[-1:].isalpha()
        return is_of_script and not is_mixed and not is_inside
    return character in _usual_characters(encoding)


@cache
def _usual_characters(encoding: str) -> frozenset[str]:
    """Return the common characters of an encoding: its first level, kana, syllables."""
    ranges: dict[str, list[tuple[int, int]]] = {
        "gb18030": [(0xB0A1, 0xD7F9)],
        "big5": [(0xA440, 0xC67E)],
        "cp932": [(0x829F, 0x82F1), (0x8340, 0x8396), (0x889F, 0x9872), (0x815B, 0x815B)],
        "cp949": [(0xB0A1, 0xC8FE)],
    }
    characters = set("·（）")
    for first, last in ranges[encoding]:
        for code in range(first, last + 1):
            with suppress(UnicodeDecodeError):
                characters.update(code.to_bytes(2, "big").decode(encoding))
    return frozenset(characters)


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
