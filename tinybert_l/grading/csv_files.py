"""Read tables as spreadsheets and learning platforms write them: any encoding, any separator."""

import codecs
import csv
import io
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tinybert_l.errors import InvalidInput
from tinybert_l.exercises.file_kinds import kind_of
from tinybert_l.grading.encodings import encoding_of_table
from tinybert_l.grading.owners import tidy_name

SEPARATORS = (",", ";", "\t", "|")
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Excel opens GB18030's longest characters wrong: a file that has them goes out as UTF-8
_ENCODING_OF_SPREADSHEETS = {"gb18030": "gbk", "big5": "cp950"}
_OTHER_FILES = (
    (b"PK\x03\x04", "an Excel workbook (.xlsx)"),
    (b"\xd0\xcf\x11\xe0", "an Excel workbook (.xls)"),
)
_OPEN_DOCUMENT = b"application/vnd.oasis.opendocument"  # stands near the beginning of such a file
COLUMNS_SHOWN = 10  # names of columns in a message
FIELD_LIMIT = 10**7  # characters of a cell
# a spreadsheet's ways to hold digits as text: ="00123", '00123
_AS_TEXT = re.compile(r"\A(?:=\"(?P<formula>[^\"]*)\"|'(?P<quoted>.+))\Z", re.DOTALL)
# what a spreadsheet makes of a long number: 2.02312E+09; what Python makes of one: 20231.0
_ROUNDED = re.compile(r"\d[.,]\d+E\+?\d+|\dE\+\d+", re.IGNORECASE)
_DECIMAL = re.compile(r"(\d+)\.0")
_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+")
_DATE = re.compile(
    r"\d{1,2}-(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)(?:-\d{2,4})?|\d{1,2}月\d{1,2}日",
    re.IGNORECASE,
)
_FORMULA_ERROR = re.compile(r"#(?:N/A|REF!|VALUE!|NAME\?|DIV/0!|NUM!|NULL!)", re.IGNORECASE)
_DECIMAL_COMMA = re.compile(r"-?\d+,\d+")
_DECIMAL_POINT = re.compile(r"-?\d+\.\d+")
_LINE_END = re.compile(r"\r\n|\n|\r")  # and no other that Python knows: they stand in cells
LINES_BEFORE_HEADER = 15  # such as a title, the school, the term
ROLE = "student"  # a column of ids, and also what people are, in rows below another header


@dataclass(frozen=True)
class Table:
    """A CSV file.

    Args:
        header: the names of the columns, as they stand in the file.
        rows: the cells below, without blank rows.
        lines: the number of each row's line in the file.
        encoding: of the file.
        separator: between cells.
        above: lines before the header, such as a title or `sep=;`.
    """

    path: Path
    header: list[str]
    rows: list[list[str]]
    lines: list[int]
    encoding: str
    separator: str
    above: list[str]

    def column(self, *names: str) -> int | None:
        """Return the index of the first of these columns that there is; None without any."""
        known = [tidy(name) for name in self.header]
        for name in names:
            if tidy(name) in known:
                return known.index(tidy(name))
        parts = [_parts(name) for name in self.header]
        for name in names:
            for index, of_header in enumerate(parts):
                if tidy(name) in of_header:
                    return index
        return None

    def cell(self, row: Sequence[str], column: int | None) -> str:
        """Return a cell's text without blanks around; empty where the row has no such cell."""
        if column is None or column >= len(row):
            return ""
        return row[column].strip()

    def key(self, row: Sequence[str], column: int | None) -> str:
        """Return a cell's text as that of an id: however a spreadsheet wrote it."""
        text = self.cell(row, column)
        match = _AS_TEXT.fullmatch(text)
        if match:
            text = match["formula"] or match["quoted"] or ""
        return tidy_name(text)

    @property
    def has_decimal_commas(self) -> bool:
        """Whether its numbers are written as 17,5, as in much of Europe."""
        cells = [cell.strip() for row in self.rows for cell in row]
        has_points = any(map(_DECIMAL_POINT.fullmatch, cells))
        return not has_points and any(map(_DECIMAL_COMMA.fullmatch, cells))

    def text(self, rows: Sequence[Sequence[str]]) -> bytes:
        """Return the file with other rows, in its encoding, with its separator and title.

        Where its encoding lacks a character of the rows, it becomes UTF-8.
        """
        buffer = io.StringIO()
        buffer.write("".join(f"{line}\r\n" for line in self.above))
        writer = csv.writer(buffer, delimiter=self.separator, lineterminator="\r\n")
        writer.writerow(self.header)
        writer.writerows(rows)
        encoding = _ENCODING_OF_SPREADSHEETS.get(self.encoding, self.encoding)
        try:
            return buffer.getvalue().encode(encoding)
        except UnicodeEncodeError:  # a remark in letters that the file's encoding lacks
            return buffer.getvalue().encode("utf-8-sig")

    @property
    def notice(self) -> str:
        """What a person has to know of how the file was read; empty without anything."""
        return _notice(self.path, self.encoding)


_BLANK_IN_CHINESE = re.compile(r"(?<=[\u3400-\u9fff]) (?=[\u3400-\u9fff])")  # 学 号


def spoilt(key: str) -> str:
    """Say what a program has made of an id; empty where it may be one.

    >>> spoilt("20231") or "it may be one"
    'it may be one'
    """
    if _ROUNDED.fullmatch(key):
        return (
            f"{key} was rounded by a spreadsheet: format the column as text before the ids are put "
            "in 学号被表格软件取整，先把该列设为文本格式"
        )
    if _DECIMAL.fullmatch(key):
        return f"{key} was read as a decimal number: write it without .0 学号被当作小数"
    if _THOUSANDS.fullmatch(key):
        return (
            f"{key} was written as a number by a spreadsheet: without commas 学号被加上千位分隔符"
        )
    if _DATE.fullmatch(key):
        return f"{key} was made a date by a spreadsheet: format the column as text 学号被当作日期"
    if _FORMULA_ERROR.fullmatch(key):
        return f"{key} is a spreadsheet's error: correct its formula 表格公式出错"
    return ""


def without_decimal(key: str) -> str:
    """Return an id without the .0 that a program has put behind it."""
    match = _DECIMAL.fullmatch(key)
    return match[1] if match else key


def tidy(name: str) -> str:
    """Return a column's name as it is compared: without case, blanks and underscores.

    >>> tidy(" First_Name")
    'first name'
    """
    name = re.sub("[’‘`´]", "'", name).strip('\ufeff \t"“”*#')
    name = " ".join(name.replace("_", " ").replace("\ufeff", "").split()).casefold()
    return _BLANK_IN_CHINESE.sub("", name)


def _parts(name: str) -> set[str]:
    """Return what a column's name says besides: 学号/工号, 学号（必填）, Student ID (required).

    What stands in brackets is left out where it asks for the column alone: others change it.
    """
    name = re.sub(r"[(（](?:必填|required|optional|选填)[)）]", "", name, flags=re.IGNORECASE)
    return {tidy(name), *map(tidy, re.split("[/／]", name))}


def read_table(path: Path, key_columns: Sequence[str] = (), encoding: str = "") -> Table:
    """Read a CSV file.

    Args:
        key_columns: the header is the first line that has one of these; the first line if empty.
        encoding: of the file; empty: it is found out.
    Raises:
        InvalidInput: it is no text, or has no such header; names the cause.
    """
    raw = path.read_bytes()
    for signature, what in _OTHER_FILES:
        if raw.startswith(signature):
            what = "a workbook of LibreOffice (.ods)" if _OPEN_DOCUMENT in raw[:200] else what
            raise InvalidInput(f"{path} is {what}: save it as 'CSV UTF-8'. 请另存为CSV UTF-8格式。")
    if raw and kind_of(raw):
        raise InvalidInput(f"{path} is no table: it is {kind_of(raw)}. 不是CSV文件。")
    text, encoding = _decoded_as(raw, path, encoding) if encoding else _decoded(raw, path)
    lines = _LINE_END.split(text.removesuffix("\n").removesuffix("\r"))
    first = 0
    separator = ""
    if lines and lines[0].strip().strip('"').lower().startswith("sep="):
        separator = lines[0].strip().strip('"')[4:] or "\t"
        first = 1
    last_start = min(first + LINES_BEFORE_HEADER, len(lines))
    wanted = set(map(tidy, key_columns))
    width = 0  # of the widest line above, in cells
    for start in range(first, last_start):
        headers = {}
        for candidate in [separator] if separator else SEPARATORS:
            headers[candidate] = next(csv.reader([lines[start]], delimiter=candidate), [])
        for candidate, header in headers.items():
            is_widest = len(header) == max(map(len, headers.values())) > 1
            named = {part for name in header for part in _parts(name)}
            found = wanted & named
            if found == {ROLE} and len(header) <= width:
                found = set()
            if found or (not wanted and is_widest):
                return _table(path, lines, start, encoding, candidate)
        width = max(width, *map(len, headers.values()))
    if wanted and lines:
        separators = [separator] if separator else SEPARATORS
        best = max(separators, key=lines[first].count) if first < len(lines) else ","
        columns = ", ".join(next(csv.reader([lines[first]], delimiter=best), [])) if lines else ""
        raise InvalidInput(
            f"{path}: columns {columns or 'none'}; needed: {key_columns[0]} "
            f"(or {', '.join(key_columns[1:COLUMNS_SHOWN])}, …). 缺少{key_columns[0]}列。"
        )
    return _table(path, lines, first, encoding, separator or ",")


def _decoded_as(raw: bytes, path: Path, encoding: str) -> tuple[str, str]:
    try:
        return raw.decode(encoding), encoding
    except (LookupError, UnicodeError):
        raise InvalidInput(
            f"--encoding {encoding!r}: {path} cannot be read so; allowed: its encoding, such as "
            "gb18030, big5, shift_jis, cp1252. 无法按该编码读取。"
        ) from None


def _decoded(raw: bytes, path: Path) -> tuple[str, str]:
    for mark, encoding in _BYTE_ORDER_MARKS:
        if raw.startswith(mark):
            try:
                return raw.decode(encoding), encoding
            except UnicodeDecodeError as error:
                raise _not_text(path, error) from None
    for encoding, nul_at in (("utf-16-le", 1), ("utf-16-be", 0)):  # without a mark
        if len(raw) > 4 and raw[nul_at] == raw[nul_at + 2] == 0:
            with suppress(UnicodeDecodeError):
                return raw.decode(encoding), encoding
    try:
        return raw.decode("utf-8"), "utf-8"
    except UnicodeDecodeError as error:
        encoding = encoding_of_table(raw)
        if not encoding:
            raise _not_text(path, error) from None
        return raw.decode(encoding), encoding


def _not_text(path: Path, error: UnicodeDecodeError) -> InvalidInput:
    return InvalidInput(
        f"{path}: not UTF-8 (byte {error.start}), and it is not clear what else; save it as "
        "'CSV UTF-8', or say which (--encoding, where the command has it). "
        "无法确定编码，请另存为UTF-8，或用--encoding指明。"
    )


def encoding_notice(path: Path) -> str:
    """Say in which encoding a table was read that does not say it; empty where it is Unicode."""
    return _notice(path, _decoded(path.read_bytes(), path)[1])


def _notice(path: Path, encoding: str) -> str:
    if encoding.startswith("utf"):
        return ""
    return (
        f"{path.name} is not UTF-8: it was read as {encoding.upper()}; are the names right? "
        f"已按{encoding.upper()}编码读取，请核对姓名。"
    )


def _table(path: Path, lines: list[str], start: int, encoding: str, separator: str) -> Table:
    """Read the rows below a header.

    Args:
        start: index of the header's line.
    """
    limit = csv.field_size_limit(FIELD_LIMIT)  # of the whole program: it is put back below
    text = io.StringIO("\n".join(lines[start:]) + "\n", newline="")
    reader = csv.reader(text, delimiter=separator)
    rows = []
    numbers = []
    header: list[str] = []
    before = after = start  # lines that end above and with the last row
    try:
        for row in reader:
            before, after = after, start + reader.line_num
            if not header:
                header = [name.replace("\ufeff", "") for name in row]
            elif any(cell.strip() for cell in row):
                rows.append(row)
                numbers.append(start + reader.line_num)
    except csv.Error as error:
        raise InvalidInput(f"{path}, after line {start + reader.line_num}: {error}.") from None
    finally:
        csv.field_size_limit(limit)
    is_open = text.getvalue().count('"') % 2 and rows and "\n" in rows[-1][-1]
    if is_open:  # everything below has become one cell
        raise InvalidInput(
            f"{path}, line {before + 1}: a quotation mark is not closed. 引号未配对。"
        )
    return Table(path, header, rows, numbers, encoding, separator, lines[:start])
