"""Fill grades into the table that a teacher downloaded from a learning platform.

The file goes back as it came: its columns, order, language, separator and encoding. Moodle's
worksheet is known by its "Identifier" (Participant 123) and fixed order, Canvas's gradebook by its
row "Points Possible", any other table by a column of ids. What cannot be matched is listed, and
nothing is written half.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tinybert_l.errors import InvalidInput
from tinybert_l.grading.csv_files import Table, read_table, spoilt, tidy, without_decimal
from tinybert_l.grading.results.column_names import (
    CAN_BE_CHANGED,
    FEEDBACK_COLUMNS,
    GRADE_COLUMNS,
    MAXIMUM_COLUMNS,
    MAXIMUM_ROWS,
    SCALE_COLUMNS,
)
from tinybert_l.grading.results.lms import StudentTotal, defused
from tinybert_l.grading.rosters import EMAIL_COLUMNS, ID_COLUMNS, is_canvas_table, is_nobody

CANVAS_FIXED = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section", "Integration ID")
_PARTICIPANT = re.compile(r"\D{2,40}?(\d+)")
_LOCKED = ("no", "nein", "non", "否", "いいえ", "нет", "não")  # the grade cannot be changed
_GRADE = re.compile(r"-?\d+(?:[.,]\d+)?\s*%?|-|n/a|=.*", re.IGNORECASE)  # what may be replaced
_EXCUSED = "EX"  # stands in Canvas's cell of who need not hand in
# Blackboard: Lecture 3 [Total Pts: 25 Score] |123; Brightspace: Lecture 3 Points Grade <Numeric …>;
# Moodle's gradebook: Assignment: Lecture 3 (Real)
_TITLE_DETAILS = re.compile(
    r"\s*(?:\[.*\]|\|[\d_]+|Points Grade|<.*>|^\w+ ?[:：](?=.*\([^()]+\)$)"
    r"|\((?:Real|实际|實際|Punkte|Wert|Brut|Brute|Valore)\)$)\s*",
    re.IGNORECASE,
)
_PLATFORMS_TITLE = re.compile(r"\[Total Pts: [^\]]*\]|<Numeric [^>]*>")
_TITLES_MAXIMUM = re.compile(r"(?:Total Pts: (?:up to )?|MaxPoints:)(?P<points>\d+(?:[.,]\d+)?)")
_IN_PERCENT = re.compile(r"\[[^\]]*Percentage\]|\((?:Percentage|百分比|Prozent)\)$", re.IGNORECASE)
_MAXIMUM = re.compile(r"\d+[.,]\d\d")  # as Moodle writes it
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
    locked: int | None = None


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
    columns = _columns(table, title, totals)
    sheet = _Sheet(table, columns, totals, remarks or {})
    for row in table.rows:
        sheet.fill(row)
    if not sheet.met:
        raise InvalidInput(
            f"{path}: none of its rows is a student of this course"
            f" ({_listed(sheet.unknown)}). 无法对应任何学生。"
        )
    if columns.grade == len(table.header):
        table.header.append("Grade")
    return Filled(table.text(sheet.rows), len(sheet.met), sheet.problems())


class _Sheet:
    """Fills a table row by row.

    Attributes:
        rows: with grades.
        met: {student: rows that got the grade}.
    """

    def __init__(
        self,
        table: Table,
        columns: "_Columns",
        totals: Sequence[StudentTotal],
        remarks: Mapping[str, str],
    ) -> None:
        self.table = table
        self.columns = columns
        self.totals = totals
        self.remarks = remarks
        self.by_key = _by_key(totals, columns.kind)
        self.width = max(len(table.header), columns.grade + 1)
        self.rows: list[list[str]] = []
        self.met: Counter[str] = Counter()
        self.unknown: list[str] = []
        self.kept: list[str] = []  # who keeps what the platform says
        # that the column's title or a row of the file's own names
        self.maximum: float | None = _maximum_in_title(table, columns)
        self.has_commas = table.has_decimal_commas
        self.by_short_key = _by_short_key(totals)
        self.zeros_lost: list[str] = []  # ids that stand in the file without their first zeros

    def fill(self, row: Sequence[str]) -> None:
        """Take a row over, with the student's grade where it is a student's."""
        columns = self.columns
        new_row = [*row, *[""] * (self.width - len(row))]
        self.rows.append(new_row)
        if self._is_maximum(row):
            maximum = _number(new_row[columns.grade])
            self.maximum = maximum if maximum is not None else self.maximum
            return
        total = self._total_of(row)
        if total is None:
            self.unknown.append(self._shown(row))
            return
        self.met[total.student] += 1
        if self._keeps_its_own(new_row):
            self.kept.append(total.student)
            return
        self._require_below_maximum(new_row, total)
        score = f"{total.score:g}"
        new_row[columns.grade] = score.replace(".", ",") if self.has_commas else score
        if columns.feedback is not None and total.student in self.remarks:
            new_row[columns.feedback] = defused(self.remarks[total.student])

    def _is_maximum(self, row: Sequence[str]) -> bool:
        """Tell a row of the file's own, such as the maximum, from a person's."""
        if self.columns.kind == "canvas":
            return is_nobody(self.table, list(row))
        keys = {self.table.key(row, index).casefold() for index in self.columns.keys}
        return not MAXIMUM_ROWS.isdisjoint(keys)

    def _total_of(self, row: Sequence[str]) -> StudentTotal | None:
        for place, index in enumerate(self.columns.keys):
            text = self.table.key(row, index)
            if self.columns.kind == "moodle" and place == 0:
                match = _PARTICIPANT.fullmatch(text)
                text = f"number {match[1]}" if match else text
            elif self.columns.kind == "canvas" and place == 0:
                text = f"number {without_decimal(text)}"
            total = self.by_key.get(_folded_key(text))
            if text and total is not None:
                return total
        return self._without_zeros(row)

    def _without_zeros(self, row: Sequence[str]) -> StudentTotal | None:
        """Find whose id a spreadsheet has written as a number, where that is one person's alone."""
        if self.columns.kind != "plain":
            return None
        text = self.table.key(row, self.columns.keys[0])
        total = self.by_short_key.get(text) if text.isdigit() else None
        if total is not None:
            self.zeros_lost.append(f"{text} → {total.student}")
        return total

    def _keeps_its_own(self, row: Sequence[str]) -> bool:
        """Tell whether the platform takes no grade for a row, or a person was excused."""
        if self.columns.locked is not None and row[self.columns.locked].casefold() in _LOCKED:
            return True
        return self.columns.kind == "canvas" and row[self.columns.grade].strip() == _EXCUSED

    def _require_below_maximum(self, row: Sequence[str], total: StudentTotal) -> None:
        maximum = self.maximum
        if self.columns.maximum is not None:
            maximum = _number(row[self.columns.maximum])
        if maximum is not None and total.score > maximum:
            raise InvalidInput(
                f"{self.table.path}: {total.student} has {total.score:g} points, the file's "
                f"maximum is {maximum:g}: set the assignment's maximum to {total.max_score:g} in "
                "the LMS, and download the file again. 得分超过平台满分。"
            )

    def _shown(self, row: Sequence[str]) -> str:
        texts = [self.table.key(row, index) for index in self.columns.keys]
        return " ".join(spoilt(text) or text for text in texts if text) or "(a row without an id)"

    def problems(self) -> list[str]:
        """Say whom the file or the gradebook lacks, and what was left as it was."""
        problems = [self.table.notice] if self.table.notice else []
        if self.unknown:
            problems.append(f"in the file, without a grade here 无成绩: {_listed(self.unknown)}")
        absent = [total.student for total in self.totals if total.student not in self.met]
        if absent:
            problems.append(f"graded here, not in the file 文件中没有: {_listed(absent)}")
        if self.zeros_lost:
            problems.append(
                f"ids that have lost their first zeros 学号丢失前导零: {_listed(self.zeros_lost)}"
            )
        twice = [student for student, count in self.met.items() if count > 1]
        if twice:
            problems.append(f"several rows of the file have this id 重复: {_listed(twice)}")
        if self.kept:
            problems.append(
                "left as they are, excused or locked in the LMS 平台已免除或锁定，未填: "
                f"{_listed(self.kept)}"
            )
        return problems


def _number(text: str) -> float | None:
    try:
        return float(text.strip().replace(",", "."))
    except ValueError:
        return None


def _folded_key(text: str) -> str:
    if text.startswith("number "):
        return text
    return without_decimal(text.removeprefix("#")).casefold()  # Brightspace puts it before


def _columns(table: Table, title: str, totals: Sequence[StudentTotal]) -> _Columns:
    is_moodle = _is_moodle(table, totals)
    if is_moodle and is_canvas_table(table):
        raise InvalidInput(
            f"{table.path} mixes columns of Canvas and of Moodle. 文件混合了两个平台的列。"
        )
    if is_canvas_table(table):
        return _columns_of_canvas(table, title)
    if is_moodle:
        return _columns_of_moodle(table)
    key = _key_column(table, totals)
    grade: int | None
    platforms = [i for i, name in enumerate(table.header) if _PLATFORMS_TITLE.search(name)]
    if title:
        grade = _titled_column(table, title)
    elif platforms:
        if len(platforms) > 1:
            raise InvalidInput(
                f"{table.path}: which assignment? --title; allowed: "
                f"{', '.join(table.header[i] for i in platforms)}. 请用--title指明作业。"
            )
        grade = platforms[0]
    else:
        found = (table.column(name) for name in GRADE_COLUMNS)
        grade = next((i for i in found if i is not None and _holds_grades(table, i)), None)
        _require_one_of_its_name(table, grade)
    grade = len(table.header) if grade is None else grade
    if any(table.cell(row, grade).endswith("%") for row in table.rows):
        raise _takes_per_cent(table, grade)
    return _Columns("plain", [key], grade, maximum=_maximum_column(table))


def _require_one_of_its_name(table: Table, column: int | None) -> None:
    """Refuse a table in which another column is called like that of the grade."""
    names = list(map(tidy, table.header))
    if column is not None and names.count(name := names[column]) > 1:
        raise InvalidInput(
            f"{table.path}: several columns are called {name}; give the one for this lecture a "
            "name of its own, and say it: --title. 有多个同名的成绩列，请改名后用--title指明。"
        )


def _maximum_column(table: Table) -> int | None:
    """Return the column of a plain table that says the maximum in each row."""
    column = table.column(*MAXIMUM_COLUMNS)
    numbers = [_number(table.cell(row, column)) for row in table.rows]
    return None if None in numbers else column


def _key_column(table: Table, totals: Sequence[StudentTotal]) -> int:
    """Return the column of ids by which most students are found."""
    by_key = _by_key(totals, "plain")
    counts: dict[int, int] = {}
    for name in (*ID_COLUMNS, *EMAIL_COLUMNS):
        column = table.column(name)
        if column is not None and column not in counts:
            keys = [_folded_key(table.key(row, column)) for row in table.rows]
            counts[column] = sum(key in by_key for key in keys)
    if not counts:
        columns = ", ".join(table.header)
        raise InvalidInput(
            f"{table.path}: columns {columns}; needed: id, or an LMS's own. 缺少id列。"
        )
    return max(counts, key=lambda column: counts[column])


def _titled_column(table: Table, title: str) -> int:
    """Return the column of an assignment; raises InvalidInput where none, or several, are it."""
    wanted = tidy(title)
    found = [i for i, name in enumerate(table.header) if tidy(name) == wanted]
    if not found:
        names = [tidy(_TITLE_DETAILS.sub(" ", name)) for name in table.header]
        found = [i for i, name in enumerate(names) if name == wanted]
    if len(found) == 1 and _IN_PERCENT.search(table.header[found[0]].strip()):
        raise _takes_per_cent(table, found[0])
    if len(found) != 1:
        raise InvalidInput(
            f"{table.path}: --title {title!r}; allowed: {', '.join(table.header)}. "
            "请用--title指明一列。"
        )
    return found[0]


def _takes_per_cent(table: Table, column: int) -> InvalidInput:
    return InvalidInput(
        f"{table.path}: {table.header[column]} takes per cent; download the file with points "
        "该列为百分比，请下载分数列"
    )


def _holds_grades(table: Table, column: int) -> bool:
    """Tell whether nothing but grades stands in a column: words would be lost."""
    cells = [table.cell(row, column) for row in table.rows]
    return all(not cell or _GRADE.fullmatch(cell) for cell in cells)


def _is_moodle(table: Table, totals: Sequence[StudentTotal]) -> bool:
    """Tell whether the first column names participants by number, in whatever language.

    Ids such as "cs101" look like that, too.
    """
    cells = [table.key(row, 0) for row in table.rows]
    by_key = _by_key(totals, "plain")
    if any(_folded_key(cell) in by_key for cell in cells):
        return False
    if table.column("Identifier") == 0 and any(map(_PARTICIPANT.fullmatch, cells)):
        return True  # also with a row of somebody's own below, such as a total
    return bool(cells) and all(map(_PARTICIPANT.fullmatch, cells))


def _columns_of_moodle(table: Table) -> _Columns:
    if table.column(*SCALE_COLUMNS) is not None:
        raise InvalidInput(
            f"{table.path}: the assignment is graded by a scale, not by points: set its grade type "
            "to Point in Moodle. 该作业使用等级评分，请改为分数。"
        )
    grade = table.column(*GRADE_COLUMNS)
    maximum = table.column(*MAXIMUM_COLUMNS)
    if maximum is None and grade is None:  # a language that is not known here
        maximum = _column_of_maxima(table)
    if maximum is not None and maximum > 0:
        grade = maximum - 1  # Moodle writes it there, whatever it is called
    if grade is None:
        raise InvalidInput(
            f"{table.path}: no column for the grade among {', '.join(table.header)}; download the "
            "grading worksheet in English, or with the column Grade. 找不到成绩列。"
        )
    email = next((i for i, name in enumerate(table.header) if "mail" in name.casefold()), None)
    keys = [0] if email is None else [0, email]
    locked = table.column(*CAN_BE_CHANGED)
    if locked is None and maximum is not None and maximum + 1 < len(table.header):
        locked = maximum + 1  # which is the next one where nobody else marks
    feedback = table.column(*FEEDBACK_COLUMNS)
    last = len(table.header) - 1
    if feedback is None and maximum is not None and last > maximum + 3:
        is_empty = not any(table.cell(row, last) for row in table.rows)  # a time never is
        feedback = last if is_empty else None
    return _Columns("moodle", keys, grade, feedback, maximum, locked)


def _column_of_maxima(table: Table) -> int | None:
    """Return the column in which each row has the same number, with grades or nothing before it."""
    for index in range(2, len(table.header)):
        numbers = {table.cell(row, index) for row in table.rows}
        is_maximum = len(numbers) == 1 and _MAXIMUM.fullmatch(numbers.pop())
        if is_maximum and _holds_grades(table, index - 1):
            return index
    return None


def _maximum_in_title(table: Table, columns: _Columns) -> float | None:
    """Return the points that Blackboard's or Brightspace's title of a column allows."""
    title = table.header[columns.grade] if columns.grade < len(table.header) else ""
    match = _TITLES_MAXIMUM.search(title)
    return _number(match["points"]) if match else None


def _by_short_key(totals: Sequence[StudentTotal]) -> dict[str, StudentTotal]:
    """Return {id without its first zeros: total}, for ids that no other is like."""
    short: dict[str, list[StudentTotal]] = {}
    for total in totals:
        if total.student.isdigit():
            short.setdefault(total.student.lstrip("0"), []).append(total)
    return {key: found[0] for key, found in short.items() if len(found) == 1}


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
        counts = Counter(found.values())  # with its number where two have one title
        titles = [name if counts[name] == 1 else table.header[i] for i, name in found.items()]
        raise InvalidInput(
            f"{table.path}: which assignment? --title {title!r}; allowed: "
            f"{', '.join(titles) or 'none'}. 请用--title指明作业。"
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


def _listed(names: Sequence[str]) -> str:
    text = ", ".join(names[:NAMES_SHOWN])
    more = len(names) - NAMES_SHOWN
    return f"{text} and {more} more" if more > 0 else text
