"""Read tables as spreadsheets and learning platforms write them: any encoding, any separator."""

import codecs
import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tinybert_l.errors import InvalidInput

SEPARATORS = (",", ";", "\t")
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_OTHER_FILES = (
    (b"PK\x03\x04", "an Excel workbook (.xlsx)"),
    (b"\xd0\xcf\x11\xe0", "an Excel workbook (.xls)"),
    (b"%PDF", "a PDF file"),
)
LINES_BEFORE_HEADER = 5  # such as a title


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
        return None

    def cell(self, row: Sequence[str], column: int | None) -> str:
        """Return a cell's text without blanks around; empty where the row has no such cell."""
        if column is None or column >= len(row):
            return ""
        return row[column].strip()

    def text(self, rows: Sequence[Sequence[str]]) -> bytes:
        """Return the file with other rows, in its encoding, with its separator and title."""
        buffer = io.StringIO()
        buffer.write("".join(f"{line}\r\n" for line in self.above))
        writer = csv.writer(buffer, delimiter=self.separator, lineterminator="\r\n")
        writer.writerow(self.header)
        writer.writerows(rows)
        return buffer.getvalue().encode(self.encoding)


def tidy(name: str) -> str:
    """Return a column's name as it is compared: without case, blanks and underscores.

    >>> tidy(" First_Name")
    'first name'
    """
    return " ".join(name.replace("_", " ").replace("\ufeff", "").split()).casefold()


def read_table(path: Path, key_columns: Sequence[str] = ()) -> Table:
    """Read a CSV file.

    Args:
        key_columns: the header is the first line that has one of these; the first line if empty.
    Raises:
        InvalidInput: it is no text, or has no such header; names the cause.
    """
    raw = path.read_bytes()
    for signature, what in _OTHER_FILES:
        if raw.startswith(signature):
            raise InvalidInput(f"{path} is {what}: save it as 'CSV UTF-8'. 请另存为CSV UTF-8格式。")
    text, encoding = _decoded(raw, path)
    lines = text.splitlines()
    first = 0
    separator = ""
    if lines and lines[0].strip().strip('"').lower().startswith("sep="):
        separator = lines[0].strip().strip('"')[4:] or "\t"
        first = 1
    last_start = min(first + LINES_BEFORE_HEADER, len(lines))
    wanted = set(map(tidy, key_columns))
    for start in range(first, last_start):
        for candidate in [separator] if separator else SEPARATORS:
            header = next(csv.reader([lines[start]], delimiter=candidate), [])
            if wanted & set(map(tidy, header)) or (not wanted and len(header) > 1):
                return _table(path, lines, start, encoding, candidate)
    if wanted and lines:
        separators = [separator] if separator else SEPARATORS
        best = max(separators, key=lines[first].count) if first < len(lines) else ","
        columns = ", ".join(next(csv.reader([lines[first]], delimiter=best), [])) if lines else ""
        raise InvalidInput(
            f"{path}: columns {columns or 'none'}; needed: {key_columns[0]} "
            f"(or {', '.join(key_columns[1:])}). 缺少{key_columns[0]}列。"
        )
    return _table(path, lines, first, encoding, separator or ",")


def _decoded(raw: bytes, path: Path) -> tuple[str, str]:
    for mark, encoding in _BYTE_ORDER_MARKS:
        if raw.startswith(mark):
            try:
                return raw.decode(encoding), encoding
            except UnicodeDecodeError as error:
                raise _not_text(path, error) from None
    try:
        return raw.decode("utf-8"), "utf-8"
    except UnicodeDecodeError as error:
        raise _not_text(path, error) from None


def _not_text(path: Path, error: UnicodeDecodeError) -> InvalidInput:
    return InvalidInput(
        f"{path}: not UTF-8 (byte {error.start}); save it as 'CSV UTF-8'. 请另存为UTF-8。"
    )


def _table(path: Path, lines: list[str], start: int, encoding: str, separator: str) -> Table:
    """Read the rows below a header.

    Args:
        start: index of the header's line.
    """
    reader = csv.reader(io.StringIO("\n".join(lines[start:]) + "\n"), delimiter=separator)
    rows = []
    numbers = []
    header: list[str] = []
    try:
        for row in reader:
            if not header:
                header = [name.replace("\ufeff", "") for name in row]
            elif any(cell.strip() for cell in row):
                rows.append(row)
                numbers.append(start + reader.line_num)
    except csv.Error as error:
        raise InvalidInput(f"{path}, after line {start + reader.line_num}: {error}.") from None
    return Table(path, header, rows, numbers, encoding, separator, lines[:start])
