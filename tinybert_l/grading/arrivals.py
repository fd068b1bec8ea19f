"""Say when submissions were handed in, and say so where nobody can tell.

Canvas's zip gives every member the moment of the download; so does whoever copies a folder. Such
times make nobody late: Canvas says LATE in the name, and of others a person has to say.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, tzinfo
from pathlib import Path

from tinybert_l.errors import InvalidInput
from tinybert_l.grading.csv_files import read_table
from tinybert_l.grading.owners import CANVAS_IN_FOLDERS, folded, tidy_name

ONE_MOMENT_SECONDS = 120  # in which a download or a copy is made
ID_COLUMNS = ("id", "student", "username", "name", "学号", "姓名", "Identifier")
_TIME = re.compile(
    r"(?:(?P<year>\d{4})[-/.年](?P<month>\d{1,2})[-/.月](?P<day>\d{1,2})日?"
    r"|(?P<german_day>\d{1,2})\.(?P<german_month>\d{1,2})\.(?P<german_year>\d{4}))"
    r"(?:T|,? )(?P<hour>\d{1,2}):(?P<minute>\d\d)(?P<second>:\d\d(?:\.\d+)?)?"
    r"(?P<zone> ?(?:Z|UTC|[+-]\d\d:?\d\d))?"
)
TIME_COLUMNS = ("handed_in", "handed in", "time", "when", "submitted", "提交时间", "时间")
UNSURE = (
    "late or not? its time is that of the download; --handed-in FILE says when. "
    "文件时间是下载时间，无法判断是否迟交"
)
LATE_AT_UNKNOWN_HOUR = (
    "LATE, says Canvas, not by how much: --handed-in FILE says when; until then it costs nothing. "
    "迟交但时间未知"
)
IN_TIME = "in time, says Canvas 按时提交"
UNREAD_TIME = (
    "late or not? Its time in {path} cannot be read; --handed-in FILE says when. "
    "路径中的提交时间无法读取，无法判断是否迟交"
)
WITH_TIMES = ("blackboard", "brightspace", "gradescope")  # platforms that write a time beside
RELEASED_FOR = "the notebook was released for"  # begins a note: it has another student's numbers
TOLD = "handed in when the teacher's file says 提交时间取自教师文件"


@dataclass(frozen=True)
class Arrival:
    """One student's notebook as it came.

    Args:
        origin: the file's path in the archive or folder.
        notes: what the student should know, such as a corrected file name.
        known: facts that the platform gave, by column of the gradebook: lms_user_id, last_name.
        others: path and bytes of the student's other notebooks, which are kept and do not count.
        platform: where it comes from, as `owners.Owner` says.
        is_late: what Canvas says.
        has_own_time: whether the path itself says when it was handed in.
        is_told: whether the teacher said when it was handed in.
        is_unsure: whether nobody can tell if it was late.
        other_names: what the platform calls the student, where the roster says otherwise.
    """

    student: str
    raw: bytes
    when: datetime
    origin: str
    notes: list[str] = field(default_factory=list)
    known: dict[str, str] = field(default_factory=dict)
    others: list[tuple[str, bytes]] = field(default_factory=list)
    platform: str = ""
    is_late: bool = False
    has_own_time: bool = False
    is_told: bool = False
    is_unsure: bool = False
    other_names: tuple[str, ...] = ()


def with_times(
    arrivals: Sequence[Arrival], due: datetime | None, told: Mapping[str, datetime] | None = None
) -> list[Arrival]:
    """Return arrivals with the times that can be believed.

    Args:
        due: when the assignment was due; None: nobody is late.
        told: {student, number in the platform, or name: time} by the teacher.
    """
    by_name = {folded(tidy_name(name)): when for name, when in (told or {}).items()}
    file_times = [x.when for x in arrivals if not _is_canvas(x) and not x.has_own_time]
    same_moment = _are_one_moment(file_times)
    return [_with_time(arrival, due, by_name, same_moment) for arrival in arrivals]


def _with_time(
    arrival: Arrival, due: datetime | None, told: Mapping[str, datetime], same_moment: bool
) -> Arrival:
    for name in (arrival.student, *arrival.known.values(), *arrival.other_names):
        when = told.get(folded(name))
        if when is not None:
            return replace(arrival, when=when, is_told=True, notes=[*arrival.notes, TOLD])
    if due is None or arrival.has_own_time:
        return arrival
    if arrival.platform in WITH_TIMES:  # the file's own is the download's, or the student's choice
        notes = [*arrival.notes, UNREAD_TIME.format(path=arrival.origin)]
        return replace(arrival, when=min(arrival.when, due), is_unsure=True, notes=notes)
    if _is_canvas(arrival):
        if arrival.is_late:
            notes = [*arrival.notes, LATE_AT_UNKNOWN_HOUR]
            return replace(arrival, when=due, is_unsure=True, notes=notes)
        if arrival.when <= due:
            return arrival
        return replace(arrival, when=due, notes=[*arrival.notes, IN_TIME])
    if same_moment and arrival.when > due:
        return replace(arrival, when=due, is_unsure=True, notes=[*arrival.notes, UNSURE])
    return arrival


def _is_canvas(arrival: Arrival) -> bool:
    return arrival.platform in ("canvas", CANVAS_IN_FOLDERS)


def _are_one_moment(times: Sequence[datetime]) -> bool:
    """Tell whether files got their times from one download or one copy."""
    if len(times) < 2:
        return False
    return (max(times) - min(times)).total_seconds() <= ONE_MOMENT_SECONDS


def read_times(path: Path, zone: tzinfo | None) -> dict[str, datetime]:
    """Read when students handed in from a CSV file; returns {student: time}.

    The file has a column id (or name) and a column handed_in with times such as
    2026-12-01 23:59.

    Args:
        zone: of times without one; None: this machine's.
    Raises:
        InvalidInput: a column is missing, or a time cannot be read; names the line.
    """
    table = read_table(path, ID_COLUMNS)
    column = table.column(*TIME_COLUMNS)
    if column is None:
        raise InvalidInput(f"{path}: needed: a column {TIME_COLUMNS[0]}. 缺少时间列。")
    times: dict[str, datetime] = {}
    for row, line in zip(table.rows, table.lines, strict=True):
        text = table.cell(row, column)
        if not text:
            continue
        moment = _moment(text)
        if moment is None:
            raise InvalidInput(
                f"{path}, line {line}: {text!r}; allowed: a time such as 2026-12-01 23:59."
            )
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=zone) if zone else moment.astimezone()
        # in UTC: in the hour that a clock shows twice, Python holds no two zones' times for equal
        moment = moment.astimezone(UTC)
        student = table.key(row, table.column(*ID_COLUMNS))
        if times.setdefault(student, moment) != moment:
            raise InvalidInput(f"{path}, line {line}: {student} stands there twice. 重复。")
    return times


def _moment(text: str) -> datetime | None:
    """Read a time as a person or a spreadsheet writes it; None where two readings are possible."""
    match = _TIME.fullmatch(tidy_name(text))
    if match is None:
        return None
    year, month, day = match["year"], match["month"], match["day"]
    if match["german_year"]:
        year, month, day = match["german_year"], match["german_month"], match["german_day"]
    zone = (match["zone"] or "").strip().upper().replace("UTC", "Z")
    clock = f"{int(match['hour']):02}:{match['minute']}{match['second'] or ''}"
    try:
        return datetime.fromisoformat(f"{year}-{int(month):02}-{int(day):02}T{clock}{zone}")
    except ValueError:
        return None
