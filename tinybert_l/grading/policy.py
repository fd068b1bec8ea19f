"""Read a term from one file: when each lecture is due, and what lateness costs.

`course.toml` in the course's folder:

    course = "tinybert-l"

    [due]
    3 = 2026-12-01T23:59:00+08:00

    [late]
    percent_per_day = 10     # of the score, for each day begun
    grace_minutes = 30
    maximum_percent = 50
    answers_after_days = 7   # reference answers go out with a later lecture after so many days
    count = "24h"            # a day is 24 hours, or "calendar": it ends at midnight in the zone

and above these tables

    zone = "Asia/Shanghai"   # of a learning platform's times, which do not say theirs
"""

import math
import re
import tomllib
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from tinybert_l.errors import InvalidInput
from tinybert_l.exercises.registry import NOTEBOOKS

FILE_NAME = "course.toml"
DAY = 86_400  # seconds
COUNTS = ("24h", "calendar")
TEMPLATE = """\
# The term: when each lecture is due, and what lateness costs. 学期日历：各讲截止时间与迟交规则。
course = "{course}"      # nbgrader's name of the course
# zone = "Asia/Shanghai"  # of the times in an LMS's zip 教学平台所在时区

[due]
# 3 = 2026-12-01T23:59:00+08:00

[late]
percent_per_day = 0      # of the score, for each day begun 每迟一天扣除得分的百分比
grace_minutes = 0        # not counted 宽限分钟数
maximum_percent = 100    # never more than this 最多扣除百分比
answers_after_days = 0   # days from a due date until the answers go out 截止多少天后公布答案
count = "24h"            # how days are counted; "calendar": they end at midnight 迟交天数的算法
"""


@dataclass(frozen=True)
class LatePolicy:
    """The price of lateness. The default costs nothing.

    Args:
        percent_per_day: of the score, for each day begun.
        grace_minutes: lateness that is not counted.
        maximum_percent: of the score.
        answers_after_days: how long after the due date work may still come in, and answers stay
            closed.
        count: one of `COUNTS`: whether a day late is 24 hours or ends at midnight in the zone.
        zone: name of the zone; empty: this machine's.
    """

    percent_per_day: float = 0.0
    grace_minutes: float = 0.0
    maximum_percent: float = 100.0
    answers_after_days: float = 0.0
    count: str = COUNTS[0]
    zone: str = ""

    def __post_init__(self) -> None:
        self._check("percent_per_day", 100)
        self._check("grace_minutes", math.inf)
        self._check("maximum_percent", 100)
        self._check("answers_after_days", 366)
        if self.count not in COUNTS:
            raise InvalidInput(
                f"{FILE_NAME}: [late] count = {self.count!r}; allowed: {', '.join(COUNTS)}."
            )

    def _check(self, name: str, largest: float) -> None:
        value = getattr(self, name)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not 0 <= value <= largest:
            raise InvalidInput(
                f"{FILE_NAME}: [late] {name} = {value!r}; allowed: a number from 0 to {largest}."
            )

    def penalty_settings(self) -> dict[str, Any]:
        """Return the settings as nbgrader's late penalty needs them."""
        return asdict(self)

    def penalty(self, score: float, seconds_late: float, due: datetime | None = None) -> float:
        """Return the points that lateness costs.

        Args:
            due: until when it was not late, by which calendar days are counted; None: a day is 24
                hours.

        >>> LatePolicy(percent_per_day=10).penalty(20, 90_000)
        4.0
        """
        counted_seconds = seconds_late - 60 * self.grace_minutes
        if counted_seconds <= 0:
            return 0.0
        days = math.ceil(counted_seconds / DAY)
        if self.count == "calendar" and due is not None:
            zone = zone_of(self.zone)
            last = due + timedelta(seconds=counted_seconds)
            in_time = due - timedelta(microseconds=1)  # due at midnight: the day before ends
            days = max(1, (last.astimezone(zone).date() - in_time.astimezone(zone).date()).days)
        return score * min(self.percent_per_day * days, self.maximum_percent) / 100


@dataclass(frozen=True)
class Calendar:
    """The contents of `course.toml`.

    Args:
        due: {lecture: time in UTC}.
        course_id: nbgrader's name of the course.
        zone: of a learning platform's times; None: this machine's.
    """

    due: dict[int, datetime] = field(default_factory=dict)
    late: LatePolicy = field(default_factory=LatePolicy)
    course_id: str = "tinybert-l"
    zone: tzinfo | None = None

    def late_note(self, lecture: int, when: datetime) -> str:
        """Say that a hand-in comes after the due date; empty where it does not."""
        due = self.due.get(lecture)
        if due is None or when <= due:
            return ""
        shown = due.astimezone(self.zone).isoformat(sep=" ", timespec="minutes")
        return (
            f"late: it was due {shown}. It counts all the same, in the place of what you handed in "
            "before. 已过截止时间；此次提交仍会取代您之前的提交。"
        )

    def answers_open(self, lecture: int, now: datetime) -> bool:
        """Tell whether a lecture's answers may go out.

        They may when its late period has ended, and so never when it has no due date.
        """
        due = self.due.get(lecture)
        return due is not None and now >= due + timedelta(days=self.late.answers_after_days)


def read_calendar(folder: Path) -> Calendar:
    """Read the calendar of a course; an empty one when there is no file.

    Raises:
        InvalidInput: the file cannot be read; the message names the entry.
    """
    path = folder / FILE_NAME
    if not path.is_file():
        return Calendar()
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path}: {error}") from None
    late = _table(path, tree, "late")
    _refuse_unknown(path, tree, {"course", "zone", "due", "late"})
    _refuse_unknown(path, late, {setting.name for setting in fields(LatePolicy)} - {"zone"})
    due = {}
    for lecture, when in _table(path, tree, "due").items():
        due[_lecture(path, lecture)] = _time(path, lecture, when)
    course_id = tree.get("course", Calendar.course_id)
    if not isinstance(course_id, str) or not re.fullmatch(r"[A-Za-z0-9][\w.-]*", course_id):
        raise InvalidInput(
            f"{path}: course = {course_id!r}; allowed: letters, digits, '-', '_' and '.'."
        )
    zone = tree.get("zone", "")
    policy = LatePolicy(**{"zone": zone, **late})
    return Calendar(due, policy, course_id, _zone(path, zone))


def zone_of(name: str) -> tzinfo | None:
    """Return a zone by its name; None, this machine's, for an empty name."""
    return ZoneInfo(name) if name else None


def _zone(path: Path, name: object) -> tzinfo | None:
    try:
        if isinstance(name, str):
            return zone_of(name)
    except (KeyError, ValueError, OSError):
        pass
    raise InvalidInput(f"{path}: zone = {name!r}; allowed: a zone's name, such as Asia/Shanghai.")


def _table(path: Path, tree: dict[str, Any], name: str) -> dict[str, Any]:
    table = tree.get(name, {})
    if not isinstance(table, dict):
        raise InvalidInput(f"{path}: {name} = {table!r}; allowed: a table, [{name}].")
    return table


def _refuse_unknown(path: Path, table: dict[str, Any], known: set[str]) -> None:
    unknown = sorted(set(table) - known)
    if unknown:
        raise InvalidInput(
            f"{path}: unknown entry {', '.join(unknown)}; allowed: {', '.join(sorted(known))}."
        )


def _lecture(path: Path, text: str) -> int:
    if not text.isdigit() or int(text) not in NOTEBOOKS:
        raise InvalidInput(f"{path}: [due] {text}; allowed: a lecture from 1 to {max(NOTEBOOKS)}.")
    return int(text)


def _time(path: Path, lecture: str, when: object) -> datetime:
    if not isinstance(when, datetime) or when.tzinfo is None:
        raise InvalidInput(
            f"{path}: [due] {lecture} = {when}; "
            "allowed: a time with its zone, such as 2026-12-01T23:59:00+08:00."
        )
    return when.astimezone(UTC)
