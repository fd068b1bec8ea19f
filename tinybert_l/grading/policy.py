"""A term in one readable file: when each lecture is due, and what lateness costs.

`course.toml` in the course's folder:

    course = "tinybert-l"

    [due]
    3 = 2026-12-01T23:59:00+08:00

    [late]
    percent_per_day = 10     # of the score, for each day begun
    grace_minutes = 30
    maximum_percent = 50
    answers_after_days = 7   # the reference answers go out with a later lecture once so many days have passed
"""

import math
import re
import tomllib
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path

NAME = "course.toml"
TEMPLATE = """# The term: when each lecture is due, and what lateness costs. 学期日历：各讲截止时间与迟交规则。
course = "{course}"      # nbgrader's name of the course

[due]
# 3 = 2026-12-01T23:59:00+08:00

[late]
percent_per_day = 0      # of the score, for each day begun 每迟一天扣除得分的百分比
grace_minutes = 0        # not counted 宽限分钟数
maximum_percent = 100    # never more than this 最多扣除百分比
answers_after_days = 0   # answers go out with a later lecture so many days after it was due 截止多少天后公布答案
"""


@dataclass(frozen=True)
class LatePolicy:
    """What lateness costs. The default costs nothing.

    Args:
        percent_per_day: of the score, for each day begun.
        grace_minutes: lateness that is not counted.
        maximum_percent: of the score.
        answers_after_days: how long after the due date work may still come in, and answers stay closed.
    """

    percent_per_day: float = 0.0
    grace_minutes: float = 0.0
    maximum_percent: float = 100.0
    answers_after_days: float = 0.0

    def __post_init__(self) -> None:
        tops = {"percent_per_day": 100, "grace_minutes": math.inf, "maximum_percent": 100}
        for name, top in (tops | {"answers_after_days": 366}).items():
            value = getattr(self, name)
            if (
                isinstance(value, bool)
                or not isinstance(value, int | float)
                or not 0 <= value <= top
            ):
                raise ValueError(
                    f"{NAME}: [late] {name} = {value!r}; allowed: a number from 0 to {top}."
                )

    def penalty_settings(self) -> dict[str, float]:
        """What nbgrader's late penalty needs to know."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def penalty(self, score: float, seconds_late: float) -> float:
        """Points that lateness costs.

        >>> LatePolicy(percent_per_day=10).penalty(20, 90_000)
        4.0
        """
        late = seconds_late - 60 * self.grace_minutes
        if late <= 0:
            return 0.0
        return (
            score * min(self.percent_per_day * math.ceil(late / 86_400), self.maximum_percent) / 100
        )


@dataclass(frozen=True)
class Calendar:
    """What `course.toml` says. `due`: times in UTC, by lecture."""

    due: dict[int, datetime] = field(default_factory=dict)
    late: LatePolicy = field(default_factory=LatePolicy)
    course_id: str = "tinybert-l"

    def answers_open(self, lecture: int, now: datetime) -> bool:
        """Whether a lecture's answers may go out: its late period has ended, or it has no due date."""
        due = self.due.get(lecture)
        return due is None or now >= due + timedelta(days=self.late.answers_after_days)


def read_calendar(folder: Path) -> Calendar:
    """The calendar of a course; an empty one when there is no file.

    Raises:
        ValueError: it cannot be read; says which entry.
    """
    path = folder / NAME
    if not path.is_file():
        return Calendar()
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: {error}") from None
    unknown = set(tree) - {"course", "due", "late"} or set(tree.get("late", {})) - {
        f.name for f in fields(LatePolicy)
    }
    if unknown:
        raise ValueError(f"{path}: unknown entry {', '.join(sorted(unknown))}.")
    due = {}
    for lecture, when in tree.get("due", {}).items():
        if not lecture.isdigit() or not 1 <= int(lecture) <= 11:
            raise ValueError(f"{path}: [due] {lecture}; allowed: a lecture from 1 to 11.")
        if not isinstance(when, datetime) or when.tzinfo is None:
            raise ValueError(
                f"{path}: [due] {lecture} = {when}; allowed: a time with its zone, such as 2026-12-01T23:59:00+08:00."
            )
        due[int(lecture)] = when.astimezone(UTC)
    course_id = tree.get("course", Calendar.course_id)
    if not isinstance(course_id, str) or not re.fullmatch(r"[A-Za-z0-9][\w.-]*", course_id):
        raise ValueError(
            f"{path}: course = {course_id!r}; allowed: letters, digits, '-', '_' and '.'."
        )
    return Calendar(due, LatePolicy(**tree.get("late", {})), course_id)
