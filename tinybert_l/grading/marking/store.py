"""Keep what marking needs beside the gradebook: the journal of steps, comments to use again, seeds.

Everything lies below the course's `marking/`, and every file is whole or absent. The journal has a
line for each step with the marks before and after it, written before the gradebook is; so every
step can be undone, also after a restart.
"""

import contextlib
import json
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from tinybert_l.cache import read_json, write_atomically
from tinybert_l.errors import CourseError, InvalidInput
from tinybert_l.grading.marking.marks import Mark

FOLDER = "marking"
COMMENT_LIMIT = 4000  # characters of a comment
COMMENTS_LIMIT = 100  # comments that are kept for a question
MARKED_ELSEWHERE = (
    "Another 'tinybert-l mark' has this lecture open; go on there, or end it. "
    "该讲的评分网页已经打开。"
)
_SAFE = re.compile(r"\w[\w-]{0,63}")


def safe_name(name: str, what: str) -> str:
    """Return a name that may stand in a file's; raises `InvalidInput` for any other."""
    if not _SAFE.fullmatch(name):
        raise InvalidInput(f"{what} {name!r}; allowed: letters, figures, - and _, at most 64.")
    return name


@dataclass(frozen=True)
class Step:
    """A step of marking: the marks of some answers before and after it.

    Args:
        number: from 1.
        before, after: {student: mark}.
    """

    number: int
    before: dict[str, Mark]
    after: dict[str, Mark]


class Journal:
    """The steps of one marker on one question, on disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.steps: list[Step] = []  # those that are not undone
        self.items: dict[str, Mark] = {}  # {student: the last mark given here}
        self._count = 0
        for line in self._lines():
            self._take(line)

    def _lines(self) -> list[dict[str, Any]]:
        if not self.path.is_file():
            return []
        raw = self.path.read_bytes()
        whole = raw[: raw.rfind(b"\n") + 1]  # a killed process leaves a part of a line
        if len(whole) < len(raw):
            write_atomically(self.path, whole)
        lines = []
        for number, line in enumerate(whole.splitlines(), 1):
            try:
                lines.append(json.loads(line))
            except ValueError:
                raise InvalidInput(
                    f"{self.path} line {number} is damaged. Restore the file from a backup, or "
                    "move it away: marks stay in the gradebook, and steps before now cannot be "
                    "undone then. 批改日志已损坏。"
                ) from None
        return lines

    def _take(self, line: Mapping[str, Any]) -> None:
        self._count = line["n"]
        if "undoes" in line:
            step = next(step for step in self.steps if step.number == line["undoes"])
            self.steps.remove(step)
            self.items |= step.before
        else:
            step = Step(line["n"], _marks(line["before"]), _marks(line["after"]))
            self.steps.append(step)
            self.items |= step.after

    def add(self, before: Mapping[str, Mark], after: Mapping[str, Mark]) -> Step:
        """Note a step that is about to be made."""
        line = {"before": _plain(before), "after": _plain(after)}
        self._append(line)
        return self.steps[-1]

    def undo(self, step: Step) -> None:
        """Note that a step has been undone, or was not made after all."""
        self._append({"undoes": step.number})

    def _append(self, line: dict[str, Any]) -> None:
        entry = {
            "n": self._count + 1,
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            **line,
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "ab") as file:
            file.write(json.dumps(entry, sort_keys=True, ensure_ascii=False).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self._take(entry)


def _plain(marks: Mapping[str, Mark]) -> dict[str, Any]:
    return {student: asdict(mark) for student, mark in marks.items()}


def _marks(plain: Mapping[str, Any]) -> dict[str, Mark]:
    marks = {}
    for student, fields in plain.items():
        marks[student] = Mark(**{**fields, "items": tuple(fields["items"])})
    return marks


class Phrases:
    """Comments on one question that are kept for use again."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> list[str]:
        """Return them, the oldest first."""
        return list(read_json(self.path)) if self.path.is_file() else []

    def add(self, text: str) -> None:
        """Keep a comment; one that is kept already stays where it is."""
        phrases = self.read()
        if text and text not in phrases:
            if len(phrases) >= COMMENTS_LIMIT:
                raise InvalidInput(
                    f"{COMMENTS_LIMIT} comments are kept already; remove one first. "
                    "保存的评语已满，请先删除一条。"
                )
            self._write([*phrases, text])

    def remove(self, text: str) -> None:
        """Keep a comment no longer."""
        self._write([phrase for phrase in self.read() if phrase != text])

    def _write(self, phrases: list[str]) -> None:
        write_atomically(self.path, json.dumps(phrases, ensure_ascii=False, indent=1) + "\n")


@contextlib.contextmanager
def only_here(path: Path, open_elsewhere: str = MARKED_ELSEWHERE) -> Iterator[None]:
    """Let one program at a time do something; raises `CourseError` for a second one.

    Args:
        path: of the file that says so.
        open_elsewhere: what the second one is told.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(path, timeout=0):
            yield
    except Timeout:
        raise CourseError(open_elsewhere) from None


def seed(path: Path) -> str:
    """Return a question's secret seed, drawn when it is first asked for and kept in a file."""
    if not path.is_file():
        write_atomically(path, json.dumps(secrets.token_hex(16)) + "\n")
    return str(read_json(path))


def clean_text(text: str) -> str:
    """Return a comment without characters that no file, gradebook or page can hold.

    >>> clean_text("good\\x00\\ud800 \\n")
    'good'
    """
    printable = re.sub(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]", "", text.replace("\r\n", "\n"))
    return printable.strip()
