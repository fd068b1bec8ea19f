"""Fill grades into the table that a teacher downloaded from a learning platform.

The file goes back as it came: its columns, order, language, separator and encoding. Moodle's
worksheet is known by its "Identifier" (Participant 123) and fixed order, Canvas's gradebook by its
row "Points Possible", any other table by a column of ids. What cannot be matched is listed, and
nothing is written half.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tinybert_l.errors import InvalidInput
from tinybert_l.grading.csv_files import Table, read_table, tidy
from tinybert_l.grading.results.lms import StudentTotal, defused
from tinybert_l.grading.rosters import EMAIL_COLUMNS, ID_COLUMNS, is_nobody

# Moodle's "Grade" and "Feedback comments" in the languages of its largest sites.
GRADE_COLUMNS = (
    "Grade", "成绩", "成績", "分数", "分數", "Bewertung", "Note", "Calificación", "Nota",
    "Valutazione", "Оценка", "評点", "Cijfer", "Ocena", "score", "mark", "points",
)  # fmt: skip
MAXIMUM_COLUMNS = (
    "Maximum Grade", "最高成绩", "最高分", "滿分", "满分", "Bestwertung", "Note maximale",
    "Calificación máxima", "Nota máxima", "Valutazione massima", "Максимальная оценка", "最高評点",
    "Maximumcijfer", "Maksymalna ocena",
)  # fmt: skip
FEEDBACK_COLUMNS = (
    "Feedback comments", "反馈评论", "评语", "反馈意见", "回饋評論", "Feedback als Kommentar",
    "Feedback par commentaires", "Comentarios de retroalimentación", "Commenti",
    "フィードバックコメント",
)  # fmt: skip
CANVAS_FIXED = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section", "Integration ID")
_PARTICIPANT = re.compile(r"\D{2,40}?(\d+)")
_CANVAS_TITLE = re.compile(r"(?P<title>.*) \((?P<number>\d+)\)")
NAMES_SHOWN = 10


@dataclass(frozen=True)
class Filled:
    """A worksheet with grades.

    Args:
        content: of the file to upload.
        count: rows that got a grade.
        problems: whom the file or the gradebook lacks, a line each.
    """

    content: bytes
    count: int
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Columns:
    """Where a worksheet has what; None where it has no such column."""

    kind: str
    keys: list[int]
    grade: int
    feedback: int | None = None
    maximum: int | None = None


def fill(
    path: Path,
    totals: Sequence[StudentTotal],
    title: str = "",
    remarks: Mapping[str, str] | None = None,
) -> Filled:
    """Fill the totals of a class into a downloaded worksheet.

    Args:
        title: of the assignment, where the file has several.
        remarks: {student: feedback}, for a column of feedback.
    Raises:
        InvalidInput: the file has no column for the grade or for whom it belongs to, or a grade is
            above the maximum that it names.
    """
    table = read_table(path)
    columns = _columns(table, title)
    header_length = max(len(table.header), columns.grade + 1)
    by_key = _by_key(totals, columns.kind)
    rows = []
    met = set()
    unknown = []
    for row in table.rows:
        new_row = [*row, *[""] * (header_length - len(row))]
        rows.append(new_row)
        if columns.kind == "canvas" and is_nobody(table, row):
            continue
        total = _total_of(row, columns, by_key)
        if total is None:
            unknown.append(_shown(row, columns))
            continue
        met.add(total.student)
        new_row[columns.grade] = f"{total.score:g}"
        _require_below_maximum(path, row, columns, total)
        if columns.feedback is not None and remarks and total.student in remarks:
            new_row[columns.feedback] = defused(remarks[total.student])
    problems = []
    if unknown:
        problems.append(f"in the file, without a grade here 无成绩: {_listed(unknown)}")
    absent = [total.student for total in totals if total.student not in met]
    if absent:
        problems.append(f"graded here, not in the file 文件中没有: {_listed(absent)}")
    if not met:
        raise InvalidInput(
            f"{path}: none of its rows is a student of this course. 无法对应任何学生。"
        )
    if columns.grade == len(table.header):
        table.header.append("Grade")
    return Filled(table.text(rows), len(met), problems)


def _columns(table: Table, title: str) -> _Columns:
    if table.column("SIS Login ID", "SIS User ID") is not None and table.column("ID") is not None:
        return _columns_of_canvas(table, title)
    if _is_moodle(table):
        return _columns_of_moodle(table)
    key = table.column(*ID_COLUMNS, *EMAIL_COLUMNS)
    if key is None:
        columns = ", ".join(table.header)
        raise InvalidInput(
            f"{table.path}: columns {columns}; needed: id, or an LMS's own. 缺少id列。"
        )
    grade = table.column(title, *GRADE_COLUMNS) if title else table.column(*GRADE_COLUMNS)
    return _Columns("plain", [key], len(table.header) if grade is None else grade)


def _is_moodle(table: Table) -> bool:
    """Tell whether the first column names participants by number, in whatever language."""
    cells = [table.cell(row, 0) for row in table.rows]
    return bool(cells) and all(_PARTICIPANT.fullmatch(cell) for cell in cells)


def _columns_of_moodle(table: Table) -> _Columns:
    maximum = table.column(*MAXIMUM_COLUMNS)
    grade = table.column(*GRADE_COLUMNS)
    if maximum is not None and maximum > 0:
        grade = maximum - 1  # Moodle writes it there, whatever it is called
    if grade is None:
        raise InvalidInput(
            f"{table.path}: no column for the grade among {', '.join(table.header)}; download the "
            "grading worksheet in English, or with the column Grade. 找不到成绩列。"
        )
    email = next((i for i, name in enumerate(table.header) if "mail" in name.casefold()), None)
    keys = [0] if email is None else [0, email]
    return _Columns("moodle", keys, grade, table.column(*FEEDBACK_COLUMNS), maximum)


def _columns_of_canvas(table: Table, title: str) -> _Columns:
    fixed = set(map(tidy, CANVAS_FIXED))
    found = {}
    for index, name in enumerate(table.header):
        match = _CANVAS_TITLE.fullmatch(name.strip())
        if tidy(name) not in fixed and match:
            found[index] = match["title"]
    chosen = []
    for index, name in found.items():
        if not title or tidy(title) in (tidy(name), tidy(table.header[index])):
            chosen.append(index)
    if len(chosen) != 1:
        raise InvalidInput(
            f"{table.path}: which assignment? --title {title!r}; allowed: "
            f"{', '.join(found.values()) or 'none'}. 请用--title指明作业。"
        )
    keys = [table.column(name) for name in ("ID", "SIS Login ID", "SIS User ID")]
    return _Columns("canvas", [key for key in keys if key is not None], chosen[0])


def _by_key(totals: Sequence[StudentTotal], kind: str) -> dict[str, StudentTotal]:
    """Return totals by what a row may call a student: number in the platform, id, address."""
    by_key: dict[str, StudentTotal] = {}
    for total in totals:
        for key in (total.student, total.email):
            if key:
                by_key.setdefault(key.casefold(), total)
    for total in totals:
        if total.lms_user_id and kind != "plain":
            by_key[f"number {total.lms_user_id}"] = total
    return by_key


def _total_of(
    row: Sequence[str], columns: _Columns, by_key: Mapping[str, StudentTotal]
) -> StudentTotal | None:
    for place, index in enumerate(columns.keys):
        text = row[index].strip() if index < len(row) else ""
        if columns.kind == "moodle" and place == 0:
            match = _PARTICIPANT.fullmatch(text)
            text = f"number {match[1]}" if match else text
        elif columns.kind == "canvas" and place == 0:
            text = f"number {text}"
        total = by_key.get(text if text.startswith("number ") else text.casefold())
        if text and total is not None:
            return total
    return None


def _require_below_maximum(
    path: Path, row: Sequence[str], columns: _Columns, total: StudentTotal
) -> None:
    if columns.maximum is None:
        return
    try:
        maximum = float(row[columns.maximum].replace(",", "."))
    except (ValueError, IndexError):
        return
    if total.score > maximum:
        raise InvalidInput(
            f"{path}: {total.student} has {total.score:g} points, the file's maximum is "
            f"{maximum:g}: set the assignment's maximum to {total.max_score:g} in the LMS, and "
            "download the file again. 得分超过平台满分。"
        )


def _shown(row: Sequence[str], columns: _Columns) -> str:
    return " ".join(row[index].strip() for index in columns.keys if index < len(row))


def _listed(names: Sequence[str]) -> str:
    text = ", ".join(names[:NAMES_SHOWN])
    more = len(names) - NAMES_SHOWN
    return f"{text} and {more} more" if more > 0 else text
