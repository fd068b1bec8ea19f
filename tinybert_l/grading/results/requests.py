"""The answers to requests for another judgement, kept for a student's feedback."""

import json
from collections.abc import Mapping, Sequence, Set
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from tinybert_l.cache import read_json, write_atomically

FOLDER = "disputes"


@dataclass(frozen=True)
class Request:
    """What a student asked, and what came out.

    Args:
        because: the student's words.
        before, after: points for the exercise; None where a person has still to give them.
        by_hand: whether a person grades it, so that nothing was judged anew.
        submission: SHA-256 of what was handed in.
        source: `Assignment.fingerprint` of the tests by which it was judged.
        at: when it was answered.
        is_decided: whether a person has looked at it since.
    """

    student: str
    exercise: str
    because: str
    before: float | None
    after: float | None
    by_hand: bool
    submission: str
    source: str
    at: str
    is_decided: bool = False

    def as_now(self, scores: Mapping[str, float | None], waiting: Set[str]) -> "Request":
        """Return it with what a person has decided since.

        Args:
            scores: {cell: points}; an answer that a person grades is called as its cell.
            waiting: cells that a person has still to look at.
        """
        if not self.by_hand or self.exercise in waiting or self.exercise not in scores:
            return self
        return replace(self, after=scores[self.exercise], is_decided=True)

    @property
    def outcome(self) -> str:
        """What came out, in both languages."""
        if self.by_hand and self.is_decided:
            if self.before == self.after:
                points = _points(self.after)
                return (
                    f"a person has looked at it again; the points stay {points} "
                    f"已由人重新评阅，分数不变：{points}"
                )
            change = f"{_points(self.before)} → {_points(self.after)}"
            return (
                f"a person has looked at it again; the points changed: {change} "
                f"已由人重新评阅，分数变动：{change}"
            )
        if self.by_hand:
            return "a person looks at it again 将由人重新评阅"
        if self.before == self.after:
            return (
                "judged anew by the same rules; the points stay "
                f"{_points(self.after)} 已重新评判，分数不变：{_points(self.after)}"
            )
        change = f"{_points(self.before)} → {_points(self.after)}"
        return f"judged anew; the points changed: {change} 已重新评判，分数变动：{change}"


def _points(points: float | None) -> str:
    return "?" if points is None else f"{points:g}"


def read_requests(course: Path, name: str, student: str) -> list[Request]:
    """Return the answered requests of a student for an assignment, oldest first."""
    path = _path(course, name, student)
    if not path.is_file():
        return []
    return [Request(**fields) for fields in read_json(path)["requests"]]


def keep_request(course: Path, name: str, request: Request) -> None:
    """Keep an answered request for the student's feedback."""
    requests: Sequence[Request] = [*read_requests(course, name, request.student), request]
    tree = {"requests": [asdict(kept) for kept in requests]}
    text = json.dumps(tree, indent=1, ensure_ascii=False)
    write_atomically(_path(course, name, request.student), text + "\n")


def _path(course: Path, name: str, student: str) -> Path:
    return course / FOLDER / name / f"{student}.json"
