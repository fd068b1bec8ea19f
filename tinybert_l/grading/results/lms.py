"""Write grades as CSV: for a person, for Canvas, for Moodle."""

import csv
import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from tinybert_l.errors import InvalidInput

NOT_HANDED_IN = "not handed in 未提交"
FORMATS = ("csv", "canvas", "moodle")
# A spreadsheet computes a cell that begins like this, also with full-width signs. It may split a
# cell at separators of its own, so a part that follows one counts as a beginning.
_FORMULA = re.compile(r"(^|[;,|\t\r\n])(\s*[=+\-@\uFF1D\uFF0B\uFF0D\uFF20\t\r])")
Row = dict[str, object]  # {column: value}


@dataclass
class StudentTotal:
    """A student's row in the gradebook.

    Args:
        timestamp: when the submission was handed in; empty when it is not known.
        raw_score: points, those that people gave included, before the late penalty.
        max_score: of the whole assignment.
        to_grade_by_hand: number of cells that a person still has to grade.
        score: `raw_score` less the late penalty.
        is_missing: nothing was handed in, so there is no score.
    """

    student: str
    last_name: str = ""
    first_name: str = ""
    email: str = ""
    lms_user_id: str = ""
    timestamp: datetime | str = ""
    raw_score: float = 0.0
    late_penalty: float = 0.0
    max_score: float = 0.0
    to_grade_by_hand: int = 0
    score: float = 0.0
    is_missing: bool = False

    @property
    def shown_score(self) -> float | str:
        """The score; empty where nothing was handed in."""
        return "" if self.is_missing else self.score

    @property
    def full_name(self) -> str:
        return f"{self.first_name} {self.last_name}".strip() or self.student


def table(totals: Sequence[StudentTotal], title: str, kind: str) -> str:
    """Return totals as the text of a CSV file.

    Args:
        title: the column's or the assignment's name in the learning platform.
        kind: one of `FORMATS`.
    Raises:
        InvalidInput: there is no such format.
    """
    formats: dict[str, Callable[[Sequence[StudentTotal], str], list[Row]]]
    formats = {"csv": _plain, "canvas": _canvas, "moodle": _moodle}
    if kind not in formats:
        raise InvalidInput(f"format={kind!r}; allowed: {', '.join(FORMATS)}.")
    return to_csv(formats[kind](totals, title))


def to_csv(
    rows: Sequence[Mapping[str, object]],
    columns: Sequence[str] = (),
    quote_formulas: bool = True,
) -> str:
    """Return rows as the text of a CSV file.

    Args:
        columns: the header; all keys of the rows, in order of their first use, when empty.
        quote_formulas: put an apostrophe before text that a spreadsheet would compute. Not for
            files that this program reads again.
    """
    if not columns:
        columns = list(dict.fromkeys(column for row in rows for column in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({column: _cell(value, quote_formulas) for column, value in row.items()})
    return text.getvalue()


def _cell(value: object, quote_formulas: bool) -> object:
    if isinstance(value, float):
        return f"{value:g}"
    if quote_formulas and isinstance(value, str):
        return defused(value)
    return value


def defused(text: str) -> str:
    """Return a text of which no spreadsheet computes any part.

    >>> defused("=1+1;=cmd")
    "'=1+1;'=cmd"
    """
    return _FORMULA.sub(r"\1'\2", text)


def _plain(totals: Sequence[StudentTotal], title: str) -> list[Row]:
    rows: list[Row] = []
    for total in totals:
        row: Row = {"assignment": title, **asdict(total)}
        if row.pop("is_missing"):
            row |= {"timestamp": NOT_HANDED_IN, "raw_score": "", "max_score": "", "score": ""}
        rows.append(row)
    return rows


def _canvas(totals: Sequence[StudentTotal], title: str) -> list[Row]:
    """Return rows as Canvas's gradebook imports them.

    Canvas finds students by the ID that its own zip of submissions gave, else by their login. The
    first row holds the points possible.
    """
    if not totals:
        return []
    rows: list[Row] = [
        {
            "Student": "    Points Possible",
            "ID": "",
            "SIS Login ID": "",
            "Section": "",
            title: max(total.max_score for total in totals),
        }
    ]
    for total in totals:
        rows.append(
            {
                "Student": total.full_name,
                "ID": total.lms_user_id,
                "SIS Login ID": "" if total.lms_user_id else total.student,
                "Section": "",
                title: total.shown_score,
            }
        )
    return rows


def _moodle(totals: Sequence[StudentTotal], title: str) -> list[Row]:
    """Return rows as Moodle's grading worksheet imports them."""
    rows: list[Row] = []
    for total in totals:
        identifier = total.student
        if total.lms_user_id:
            identifier = f"Participant {total.lms_user_id}"
        rows.append(
            {
                "Identifier": identifier,
                "Full name": total.full_name,
                "Email address": total.email,
                "Grade": total.shown_score,
                "Maximum Grade": total.max_score,
            }
        )
    return rows
