"""Fill grades into the table that a teacher downloaded from a learning platform.

The file goes back as it came: its columns, order, language, separator and encoding. What cannot be
matched is listed, and nothing is written half.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tinybert_l.errors import InvalidInput
from tinybert_l.grading.csv_files import Table, read_table, spoilt, without_decimal
from tinybert_l.grading.results.column_names import MAXIMUM_ROWS
from tinybert_l.grading.results.lms import StudentTotal, defused
from tinybert_l.grading.results.worksheet_columns import (
    PARTICIPANT,
    Columns,
    columns_of,
    folded_key,
    maximum_in_title,
    number_in,
    totals_by_key,
)
from tinybert_l.grading.rosters import is_nobody

_LOCKED = ("no", "nein", "non", "否", "いいえ", "нет", "não")  # the grade cannot be changed
_EXCUSED = "EX"  # stands in Canvas's cell of who need not hand in
NAMES_SHOWN = 10
SHOWN_DIFFERENCE = 0.01  # points; platforms round to so many


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


def fill(
    path: Path,
    totals: Sequence[StudentTotal],
    title: str = "",
    remarks: Mapping[str, str] | None = None,
    encoding: str = "",
) -> Filled:
    """Fill the totals of a class into a downloaded worksheet.

    Args:
        title: of the assignment, where the file has several.
        remarks: {student: feedback}, for a column of feedback.
        encoding: of the file; empty: it is found out.
    Raises:
        InvalidInput: the file has no column for the grade or for whom it belongs to, or a grade is
            above the maximum that it names.
    """
    table = read_table(path, encoding=encoding)
    columns = columns_of(table, title, totals)
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
        columns: "Columns",
        totals: Sequence[StudentTotal],
        remarks: Mapping[str, str],
    ) -> None:
        self.table = table
        self.columns = columns
        self.totals = totals
        self.remarks = remarks
        self.by_key = totals_by_key(totals, columns.kind)
        self.width = max(len(table.header), columns.grade + 1)
        self.rows: list[list[str]] = []
        self.met: Counter[str] = Counter()
        self.unknown: list[str] = []
        self.kept: list[str] = []  # who keeps what the platform says
        self.replaced: list[str] = []  # other grades that stood in the file
        # that the column's title or a row of the file's own names
        self.maximum: float | None = maximum_in_title(table, columns)
        self.has_commas = table.has_decimal_commas
        self.by_short_key = _by_short_key(totals)
        self.zeros_lost: list[str] = []  # ids that stand in the file without their first zeros

    def fill(self, row: Sequence[str]) -> None:
        """Take a row over, with the student's grade where it is a student's."""
        columns = self.columns
        new_row = [*row, *[""] * (self.width - len(row))]
        self.rows.append(new_row)
        if self._is_maximum(row):
            maximum = number_in(new_row[columns.grade])
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
        self._note_replaced(new_row, total)
        score = f"{total.score:g}"
        new_row[columns.grade] = score.replace(".", ",") if self.has_commas else score
        if columns.feedback is not None and total.student in self.remarks:
            new_row[columns.feedback] = defused(self.remarks[total.student])

    def _note_replaced(self, row: Sequence[str], total: StudentTotal) -> None:
        """Note another grade that stands in the file: somebody may have given it there by hand."""
        before = number_in(row[self.columns.grade])
        if before is not None and abs(before - total.score) >= SHOWN_DIFFERENCE:
            self.replaced.append(f"{total.student} {before:g} → {total.score:g}")

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
                match = PARTICIPANT.fullmatch(text)
                text = f"number {match[1]}" if match else text
            elif self.columns.kind == "canvas" and place == 0:
                text = f"number {without_decimal(text)}"
            total = self.by_key.get(folded_key(text))
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
            maximum = number_in(row[self.columns.maximum])
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
        if self.replaced:
            problems.append(
                "other grades stood in the file and were replaced; was one given there by hand? "
                f"文件中原有的不同成绩已被替换: {_listed(self.replaced)}"
            )
        if self.kept:
            problems.append(
                "left as they are, excused or locked in the LMS 平台已免除或锁定，未填: "
                f"{_listed(self.kept)}"
            )
        return problems


def _by_short_key(totals: Sequence[StudentTotal]) -> dict[str, StudentTotal]:
    """Return {id without its first zeros: total}, for ids that no other is like."""
    short: dict[str, list[StudentTotal]] = {}
    for total in totals:
        if total.student.isdigit():
            short.setdefault(total.student.lstrip("0"), []).append(total)
    return {key: found[0] for key, found in short.items() if len(found) == 1}


def _listed(names: Sequence[str]) -> str:
    text = ", ".join(names[:NAMES_SHOWN])
    more = len(names) - NAMES_SHOWN
    return f"{text} and {more} more" if more > 0 else text
