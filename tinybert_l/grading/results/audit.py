"""The append-only record of a course: what came in, what was decided and by what, each entry sealed by the one before.

`audit.jsonl` holds one JSON object a line; `previous` is the sha256 of the line before, so that a line that is changed,
moved or taken out shows. It proves the gradebook (see `prove`), it does not replace it.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock

from tinybert_l.grading.job import Result, Verdict, program_hash

NAME = "audit.jsonl"
START = "0" * 64
REASON_LIMIT = 600
Entry = dict[str, Any]


class Audit:
    """The audit file of a course folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.path = folder, folder / NAME
        self._end: tuple[int, int, str] | None = (
            None  # size, number and seal of what this process saw last
        )

    def append(self, event: str, **what: Any) -> Entry:
        """Write one entry, whole and on disk before this returns.

        Raises:
            OSError: the disk is full; nothing is half-written for a later reader.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{self.path}.lock"):
            size, number, seal = self._last()
            entry = {
                "n": number + 1,
                "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "event": event,
            }
            entry |= {**what, "previous": seal}
            line = json.dumps(entry, sort_keys=True, ensure_ascii=False).encode() + b"\n"
            with open(self.path, "r+b" if self.path.exists() else "wb") as file:
                file.seek(size)  # over a line that a killed process left unfinished
                file.truncate()
                try:
                    file.write(line)
                    file.flush()
                    os.fsync(file.fileno())
                except OSError:
                    file.truncate(size)
                    raise
            self._end = (size + len(line), number + 1, _sha(line))
        return entry

    def _last(self) -> tuple[int, int, str]:
        """Size, number and seal of the whole lines."""
        if not self.path.exists():
            return 0, 0, START
        if self._end is not None and self.path.stat().st_size == self._end[0]:
            return self._end
        raw = self.path.read_bytes()
        size = raw.rfind(b"\n") + 1
        if size == 0:
            return 0, 0, START
        line = raw[raw.rfind(b"\n", 0, size - 1) + 1 : size]
        return size, int(json.loads(line)["n"]), _sha(line)

    def entries(self) -> Iterator[Entry]:
        """All whole entries, oldest first."""
        if self.path.exists():
            with open(self.path, "rb") as file:
                for line in file:
                    if line.endswith(b"\n"):
                        yield json.loads(line)

    def broken(self) -> list[str]:
        """Where the chain of seals does not hold."""
        problems, seal = [], START
        if self.path.exists():
            for number, line in enumerate(self.path.read_bytes().splitlines(keepends=True), 1):
                if not line.endswith(b"\n"):
                    break  # an unfinished last line counts as not written
                try:
                    entry = json.loads(line)
                    sound = entry["previous"] == seal and entry["n"] == number
                except (ValueError, KeyError, TypeError):
                    sound = False
                if not sound:
                    problems.append(f"{NAME} line {number}: changed, moved or taken out 记录被改动")
                seal = _sha(line)
        return problems

    def verdicts(self, name: str) -> dict[str, Entry]:
        """{student: the last entry that graded them or says why not}, for an assignment."""
        return {
            e["student"]: e
            for e in self.entries()
            if e["event"] in ("graded", "error") and e.get("assignment") == name
        }

    def graded(self, result: Result, **more: Any) -> Entry:
        """Record a result, or the error that stands in its place."""
        job = result.job
        made_from = {
            "submission": job.submission,
            "source": job.assignment_sha256,
            "program": job.library_sha256,
            "key": job.key,
        }
        limits = {
            "cell_seconds": job.cell_seconds,
            "test_seconds": job.test_seconds,
            "isolated": not job.unsafe,
        }
        common = {
            "student": job.student,
            "assignment": job.assignment_name,
            **made_from,
            "limits": limits,
            **more,
        }
        if result.error:
            return self.append("error", **common, reason=result.error[:REASON_LIMIT])
        return self.append(
            "graded",
            **common,
            seed=0,
            repairs=result.repairs,
            files=result.files,
            verdicts=_plain(result.verdicts),
        )

    def graded_by_nbgrader(
        self, student: str, name: str, submission: bytes, source: str, verdicts: list[Verdict]
    ) -> None:
        """Record what `nbgrader autograde` or Formgrader's button has saved."""
        self.append(
            "graded", student=student, assignment=name, submission=hashlib.sha256(submission).hexdigest(),
            source=source, program=program_hash(), key="nbgrader", via="nbgrader", verdicts=_plain(verdicts),
        )  # fmt: skip


@dataclass(frozen=True)
class Change:
    """A cell whose points differ between a student's last two gradings."""

    student: str
    cell: str
    before: float | None
    after: float | None
    why: str


def changes(audit: Audit, name: str) -> list[Change]:
    """What changed between the last two gradings of each student."""
    history: dict[str, list[Entry]] = {}
    for entry in audit.entries():
        if entry["event"] == "graded" and entry["assignment"] == name:
            history.setdefault(entry["student"], []).append(entry)
    found = []
    for student, entries in sorted(history.items()):
        if len(entries) < 2:
            continue
        old, new = entries[-2], entries[-1]
        before = {v["cell"]: v["points"] for v in old["verdicts"]}
        why = ", ".join(
            part for part in ("submission", "source", "program") if old.get(part) != new.get(part)
        )
        found += [
            Change(
                student,
                v["cell"],
                before[v["cell"]],
                v["points"],
                f"other {why}" if why else "same inputs",
            )
            for v in new["verdicts"]
            if v["cell"] in before and before[v["cell"]] != v["points"]
        ]
    return found


def prove(
    audit: Audit, name: str, scores: dict[str, dict[str, float | None]], waiting: dict[str, str]
) -> list[str]:
    """What keeps an assignment's grades from being believed; an empty list when nothing does.

    Args:
        scores: {student: {cell: automatic points}} from the gradebook.
        waiting: {student: sha256} of what has been handed in.
    """
    problems = audit.broken()
    if problems:
        return problems  # nothing that follows could be believed
    last, points = audit.verdicts(name), _points(audit, name)
    for entry in audit.entries():
        if entry["event"] == "received" and entry["assignment"] == name:
            kept = audit.folder / entry["kept"]
            if (
                not kept.is_file()
                or hashlib.sha256(kept.read_bytes()).hexdigest() != entry["submission"]
            ):
                problems.append(
                    f"{entry['student']}: the original {entry['kept']} is gone or was changed 原件缺失或被改动"
                )
    for student in sorted({*scores, *waiting}):
        verdict = last.get(student)
        if verdict is None:
            problems.append(f"{student}: no grading on record 没有评分记录")
        elif verdict["event"] == "error":
            problems.append(f"{student}: not graded 未评分: {verdict['reason']}")
        elif student in waiting and waiting[student] != verdict["submission"]:
            problems.append(f"{student}: handed in again since it was graded 评分后又重新提交")
        elif student not in scores:
            problems.append(f"{student}: graded, but not in the gradebook 成绩册中缺失")
        else:
            problems += [
                f"{student}: {cell} has {scores[student].get(cell)} points in the gradebook, {proved} on record 不符"
                for cell, proved in points[student].items()
                if scores[student].get(cell) != proved
            ]
    return problems


def _points(audit: Audit, name: str) -> dict[str, dict[str, float | None]]:
    """{student: {cell: points}} by the last verdict of each cell: regrading one exercise leaves the others alone."""
    points: dict[str, dict[str, float | None]] = {}
    for entry in audit.entries():
        if entry["event"] == "graded" and entry["assignment"] == name:
            points.setdefault(entry["student"], {}).update(
                {v["cell"]: v["points"] for v in entry["verdicts"] if v["max"] > 0}
            )
    return points


def _plain(verdicts: list[Verdict]) -> list[dict[str, Any]]:
    return [
        {
            "cell": v.cell,
            "points": v.points,
            "max": v.max_points,
            "reason": v.reason[:REASON_LIMIT],
            "answered": v.answered,
        }
        for v in verdicts
    ]


def _sha(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()
