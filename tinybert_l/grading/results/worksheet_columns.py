"""Find where a table that was downloaded from a learning platform takes a grade, and for whom.

Moodle's worksheet is known by its "Identifier" (Participant 123) and fixed order, Canvas's
gradebook by its row "Points Possible", any other table by a column of ids.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tinybert_l.errors import InvalidInput
from tinybert_l.grading.csv_files import Table, tidy, without_decimal
from tinybert_l.grading.results.column_names import (
    CAN_BE_CHANGED,
    FEEDBACK_COLUMNS,
    GRADE_COLUMNS,
    MAXIMUM_COLUMNS,
    SCALE_COLUMNS,
)
from tinybert_l.grading.results.lms import StudentTotal
from tinybert_l.grading.rosters import EMAIL_COLUMNS, ID_COLUMNS, is_canvas_table

CANVAS_FIXED = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section", "Integration ID")
PARTICIPANT = re.compile(r"\D{2,40}?(\d+)")
_GRADE = re.compile(r"-?\d+(?:[.,]\d+)?\s*%?|-|n/a|=.*", re.IGNORECASE)  # what may be replaced
# Blackboard: Lecture 3 [Total Pts: 25 Score] |123; Brightspace: Lecture 3 Points Grade <Numeric …>;
# Moodle's gradebook: Assignment: Lecture 3 (Real)
_TITLE_DETAILS = re.compile(
    r"\s*(?:\[.*\]|\|[\d_]+|Points Grade|<.*>|^\w+ ?[:：](?=.*\([^()]+\)$)"
    r"|\((?:Real|实际|實際|Punkte|Wert|Brut|Brute|Valore)\)$)\s*",
    re.IGNORECASE,
)
_PLATFORMS_TITLE = re.compile(r"\[Total Pts: [^\]]*\]|<Numeric [^>]*>|\S \[\d+(?:[.,]\d+)?\]$")
_IDS = frozenset(map(tidy, ID_COLUMNS))
_TITLES_MAXIMUM = re.compile(
    r"(?:Total Pts: (?:up to )?|MaxPoints:|\[(?=[\d.,]+\]$))(?P<points>\d+(?:[.,]\d+)?)"
)
_IN_PERCENT = re.compile(r"\[[^\]]*Percentage\]|\((?:Percentage|百分比|Prozent)\)$", re.IGNORECASE)
_MAXIMUM = re.compile(r"\d+[.,]\d\d")  # as Moodle writes it
_CANVAS_TITLE = re.compile(r"(?P<title>.*) \((?P<number>\d+)\)")


@dataclass(frozen=True)
class Columns:
    """Where a worksheet has what; None where it has no such column."""

    kind: str
    keys: list[int]
    grade: int
    feedback: int | None = None
    maximum: int | None = None
    locked: int | None = None


def columns_of(table: Table, title: str, totals: Sequence[StudentTotal]) -> Columns:
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
    return Columns("plain", [key], grade, maximum=_maximum_column(table))


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
    numbers = [number_in(table.cell(row, column)) for row in table.rows]
    return None if None in numbers else column


def _key_column(table: Table, totals: Sequence[StudentTotal]) -> int:
    """Return the column of ids by which most students are found."""
    by_key = totals_by_key(totals, "plain")
    counts: dict[int, int] = {}
    for name in (*ID_COLUMNS, *EMAIL_COLUMNS):
        column = table.column(name)
        if column is not None and column not in counts:
            keys = [folded_key(table.key(row, column)) for row in table.rows]
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
    by_key = totals_by_key(totals, "plain")
    if any(folded_key(cell) in by_key for cell in cells):
        return False
    if table.column("Identifier") == 0 and any(map(PARTICIPANT.fullmatch, cells)):
        return True  # also with a row of somebody's own below, such as a total
    return bool(cells) and all(map(PARTICIPANT.fullmatch, cells))


def _columns_of_moodle(table: Table) -> Columns:
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
    ids = (i for i, name in enumerate(table.header) if i and tidy(name) in _IDS)
    keys = [0, *(key for key in (email, *ids) if key is not None)]
    locked = table.column(*CAN_BE_CHANGED)
    if locked is None and maximum is not None and maximum + 1 < len(table.header):
        locked = maximum + 1  # which is the next one where nobody else marks
    feedback = table.column(*FEEDBACK_COLUMNS)
    last = len(table.header) - 1
    if feedback is None and maximum is not None and last > maximum + 3:
        is_empty = not any(table.cell(row, last) for row in table.rows)  # a time never is
        feedback = last if is_empty else None
    return Columns("moodle", keys, grade, feedback, maximum, locked)


def _column_of_maxima(table: Table) -> int | None:
    """Return the column in which each row has the same number, with grades or nothing before it."""
    for index in range(2, len(table.header)):
        numbers = {table.cell(row, index) for row in table.rows}
        is_maximum = len(numbers) == 1 and _MAXIMUM.fullmatch(numbers.pop())
        if is_maximum and _holds_grades(table, index - 1):
            return index
    return None


def maximum_in_title(table: Table, columns: Columns) -> float | None:
    """Return the points that Blackboard's or Brightspace's title of a column allows."""
    title = table.header[columns.grade] if columns.grade < len(table.header) else ""
    match = _TITLES_MAXIMUM.search(title)
    return number_in(match["points"]) if match else None


def _columns_of_canvas(table: Table, title: str) -> Columns:
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
    return Columns("canvas", [key for key in keys if key is not None], chosen[0])


def number_in(text: str) -> float | None:
    try:
        return float(text.strip().replace(",", "."))
    except ValueError:
        return None


def folded_key(text: str) -> str:
    if text.startswith("number "):
        return text
    return without_decimal(text.removeprefix("#")).casefold()  # Brightspace puts it before


def totals_by_key(totals: Sequence[StudentTotal], kind: str) -> dict[str, StudentTotal]:
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
