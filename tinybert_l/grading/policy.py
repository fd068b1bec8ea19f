"""A term in one readable file: when each lecture is due, and what lateness costs.

`course.toml` in the course's folder:

    [due]
    3 = 2026-12-01T23:59:00+08:00

    [late]
    percent_per_day = 10     # of the score, for each day begun
    grace_minutes = 30
    maximum_percent = 50
"""

import math
import tomllib
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path

NAME = "course.toml"
TEMPLATE = """# When each lecture is due, and what lateness costs. 各讲截止时间与迟交规则。
[due]
# 3 = 2026-12-01T23:59:00+08:00

[late]
percent_per_day = 0      # of the score, for each day begun 每迟一天扣除得分的百分比
grace_minutes = 0        # not counted 宽限分钟数
maximum_percent = 100    # never more than this 最多扣除百分比
"""


@dataclass(frozen=True)
class LatePolicy:
    """What lateness costs. The default costs nothing.

    Args:
        percent_per_day: of the score, for each day begun.
        grace_minutes: lateness that is not counted.
        maximum_percent: of the score.
    """

    percent_per_day: float = 0.0
    grace_minutes: float = 0.0
    maximum_percent: float = 100.0

    def __post_init__(self) -> None:
        for name, top in (("percent_per_day", 100), ("grace_minutes", math.inf), ("maximum_percent", 100)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= top:
                raise ValueError(f"{NAME}: [late] {name} = {value!r}; allowed: a number from 0 to {top}.")

    def penalty(self, score: float, seconds_late: float) -> float:
        """Points that lateness costs.

        >>> LatePolicy(percent_per_day=10).penalty(20, 90_000)
        4.0
        """
        late = seconds_late - 60 * self.grace_minutes
        if late <= 0:
            return 0.0
        return score * min(self.percent_per_day * math.ceil(late / 86_400), self.maximum_percent) / 100


@dataclass(frozen=True)
class Calendar:
    """What `course.toml` says. `due`: times in UTC, by lecture."""

    due: dict[int, datetime] = field(default_factory=dict)
    late: LatePolicy = field(default_factory=LatePolicy)


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
    unknown = set(tree) - {"due", "late"} or set(tree.get("late", {})) - {f.name for f in fields(LatePolicy)}
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
    return Calendar(due, LatePolicy(**tree.get("late", {})))
