"""Keep the append-only record of a course: what came in, what was decided, by which program.

`audit.jsonl` holds one JSON object a line. `previous` is the SHA-256 of the line before, so that a
line that is changed, moved or taken out shows. The record proves the gradebook (see `prove`); it
does not replace it.
"""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock

from tinybert_l.errors import InvalidInput
from tinybert_l.grading.job import Result, program_hash
from tinybert_l.grading.verdicts import Verdict

FILE_NAME = "audit.jsonl"
NO_LINE = "0" * 64  # stands for the SHA-256 of the line before the first
BLOCK = 2**16  # bytes that are read from the end of the file at first
REASON_LIMIT = 600  # characters of a verdict's reason
NOT_ON_RECORD = "no grading on record 没有评分记录"
Entry = dict[str, Any]  # a line of the file; which keys it has depends on its event
PointsByCell = dict[str, float | None]  # None: a person has to decide


@dataclass(frozen=True)
class _End:
    """The end of the last whole line: its offset in bytes, its number, its SHA-256."""

    size: int
    number: int
    digest: str


@dataclass
class _Verdicts:
    """The last entry of each student, as far as the file has been read.

    Args:
        size: bytes of the lines that were read.
    """

    size: int = 0
    entries: dict[str, Entry] = field(default_factory=dict)


class Audit:
    """The audit file of a course folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / FILE_NAME
        self._last_seen: _End | None = None  # what this process wrote last
        self._verdicts: dict[str, _Verdicts] = {}  # by assignment

    def append(self, event: str, **facts: Any) -> Entry:
        """Write one entry, whole and on disk before this returns.

        Raises:
            OSError: the disk is full; nothing is half-written for a later reader.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{self.path}.lock"):
            end = self._end()
            entry = {
                "n": end.number + 1,
                "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "event": event,
                **facts,
                "previous": end.digest,
            }
            line = json.dumps(entry, sort_keys=True, ensure_ascii=False).encode() + b"\n"
            with open(self.path, "r+b" if self.path.exists() else "wb") as file:
                file.seek(end.size)  # over a line that a killed process left unfinished
                file.truncate()
                try:
                    file.write(line)
                    file.flush()
                    os.fsync(file.fileno())
                except OSError:
                    file.truncate(end.size)
                    raise
            self._last_seen = _End(end.size + len(line), end.number + 1, _sha256(line))
        return entry

    def _end(self) -> _End:
        if not self.path.exists():
            return _End(0, 0, NO_LINE)
        if self._last_seen is not None and self.path.stat().st_size == self._last_seen.size:
            return self._last_seen
        size, line = _last_line(self.path)
        if size == 0:
            return _End(0, 0, NO_LINE)
        return _End(size, int(json.loads(line)["n"]), _sha256(line))

    def entries(self) -> Iterator[Entry]:
        """Yield all whole entries, oldest first."""
        if self.path.exists():
            with open(self.path, "rb") as file:
                for line in file:
                    if line.endswith(b"\n"):
                        yield self._entry(line)

    def _entry(self, line: bytes) -> Entry:
        try:
            return json.loads(line)
        except ValueError:
            raise InvalidInput(
                f"{self.path}: a line is damaged: {line[:60]!r}. Restore the file from a backup; "
                "`tinybert-l audit` names the line. 审计记录已损坏，请从备份恢复。"
            ) from None

    def gradings(self, name: str) -> Iterator[Entry]:
        """Yield the entries that graded a submission of an assignment, oldest first."""
        for entry in self.entries():
            if entry["event"] == "graded" and entry["assignment"] == name:
                yield entry

    def broken(self) -> list[str]:
        """List the lines that do not hold the SHA-256 of the line before."""
        if not self.path.exists():
            return []
        problems = []
        digest = NO_LINE
        for number, line in enumerate(self.path.read_bytes().splitlines(keepends=True), 1):
            if not line.endswith(b"\n"):
                break  # an unfinished last line counts as not written
            try:
                entry = json.loads(line)
                sound = entry["previous"] == digest and entry["n"] == number
            except (ValueError, KeyError, TypeError):
                sound = False
            if not sound:
                problems.append(
                    f"{FILE_NAME} line {number}: changed, moved or taken out 记录被改动"
                )
            digest = _sha256(line)
        return problems

    def verdicts(self, name: str) -> dict[str, Entry]:
        """Return {student: the last entry that graded them or says why not} of an assignment.

        Asked again, this reads only what was appended since.
        """
        known = self._verdicts.setdefault(name, _Verdicts())
        if not self.path.exists() or self.path.stat().st_size < known.size:
            known = self._verdicts[name] = _Verdicts()
        if self.path.exists():
            with open(self.path, "rb") as file:
                file.seek(known.size)
                for line in file:
                    if not line.endswith(b"\n"):
                        break
                    known.size += len(line)
                    entry = self._entry(line)
                    if entry["event"] in ("graded", "error") and entry.get("assignment") == name:
                        known.entries[entry["student"]] = entry
        return dict(known.entries)

    def graded(self, result: Result, **facts: Any) -> Entry:
        """Record a result, or the error that stands in its place."""
        job = result.job
        limits = {
            "cell_seconds": job.cell_seconds,
            "test_seconds": job.test_seconds,
            "isolated": not job.unsafe,
        }
        common = {
            "student": job.student,
            "assignment": job.assignment_name,
            "submission": job.submission,
            "source": job.assignment_sha256,
            "program": job.library_sha256,
            "key": job.key,
            "limits": limits,
            **facts,
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
        """Record what `nbgrader autograde` or Formgrader's button has saved.

        Args:
            name: of the assignment.
            submission: the submitted file.
            source: `Assignment.fingerprint`.
        """
        self.append(
            "graded",
            student=student,
            assignment=name,
            submission=_sha256(submission),
            source=source,
            program=program_hash(),
            key="nbgrader",
            via="nbgrader",
            verdicts=_plain(verdicts),
        )


@dataclass(frozen=True)
class Change:
    """A cell whose points differ between a student's last two gradings.

    Args:
        why: which inputs differed: "other submission, program", or "same inputs".
    """

    student: str
    cell: str
    before: float | None
    after: float | None
    why: str


def changes(audit: Audit, name: str) -> list[Change]:
    """List what changed between the last two gradings of each student of an assignment."""
    gradings: dict[str, list[Entry]] = {}
    for entry in audit.gradings(name):
        gradings.setdefault(entry["student"], []).append(entry)
    all_changes: list[Change] = []
    for _, entries in sorted(gradings.items()):
        if len(entries) >= 2:
            all_changes += _changes_between(entries[-2], entries[-1])
    return all_changes


def _changes_between(old: Entry, new: Entry) -> Iterator[Change]:
    """Yield the cells of one student that have other points in the newer of two gradings."""
    inputs = [key for key in ("submission", "source", "program") if old.get(key) != new.get(key)]
    why = "same inputs"
    if inputs:
        why = f"other {', '.join(inputs)}"
    before = {verdict["cell"]: verdict["points"] for verdict in old["verdicts"]}
    for verdict in new["verdicts"]:
        cell = verdict["cell"]
        if cell in before and before[cell] != verdict["points"]:
            yield Change(new["student"], cell, before[cell], verdict["points"], why)


def programs(audit: Audit, name: str) -> Counter[str]:
    """Count the students whose last grading was done by each program; {program hash: students}."""
    counts: Counter[str] = Counter()
    for entry in audit.verdicts(name).values():
        if entry["event"] == "graded":
            counts[entry["program"]] += 1
    return counts


def prove(
    audit: Audit,
    name: str,
    gradebook: dict[str, PointsByCell],
    submissions: dict[str, str],
) -> list[str]:
    """List what keeps an assignment's grades from being believed; empty when nothing does.

    Args:
        gradebook: {student: {cell: automatic points}}.
        submissions: {student: SHA-256 of what has been handed in}; empty for an unreadable file.
    """
    problems = audit.broken()
    if problems:
        return problems  # nothing that follows could be believed
    problems = _lost_originals(audit, name)
    last = audit.verdicts(name)
    recorded = _points_on_record(audit, name)
    for student in sorted({*gradebook, *submissions}):
        verdict = last.get(student)
        if verdict is None:
            problems.append(f"{student}: {NOT_ON_RECORD}")
        elif verdict["event"] == "error":
            problems.append(f"{student}: not graded 未评分: {verdict['reason']}")
        elif student in submissions and submissions[student] != verdict["submission"]:
            problems.append(f"{student}: handed in again since it was graded 评分后又重新提交")
        elif student not in gradebook:
            problems.append(f"{student}: graded, but not in the gradebook 成绩册中缺失")
        else:
            problems += _disagreements(student, gradebook[student], recorded[student])
    return problems


def _lost_originals(audit: Audit, name: str) -> list[str]:
    """List submissions whose kept originals are gone or were changed."""
    problems = []
    for entry in audit.entries():
        if entry["event"] != "received" or entry["assignment"] != name:
            continue
        original = audit.folder / entry["kept"]
        if not original.is_file() or _sha256(original.read_bytes()) != entry["submission"]:
            problems.append(
                f"{entry['student']}: the original {entry['kept']} is gone or was changed "
                "原件缺失或被改动"
            )
    return problems


def _disagreements(student: str, in_gradebook: PointsByCell, on_record: PointsByCell) -> list[str]:
    """List the cells whose points in the gradebook are not those on record."""
    problems = []
    for cell, points in on_record.items():
        if in_gradebook.get(cell) != points:
            problems.append(
                f"{student}: {cell} has {in_gradebook.get(cell)} points in the gradebook, "
                f"{points} on record 不符"
            )
    return problems


def _points_on_record(audit: Audit, name: str) -> dict[str, PointsByCell]:
    """Return {student: {cell: points}} by the last verdict on each cell.

    Regrading one exercise records that exercise's cells alone; the verdicts on all others stand.
    """
    points: dict[str, PointsByCell] = {}
    for entry in audit.gradings(name):
        by_cell = points.setdefault(entry["student"], {})
        for verdict in entry["verdicts"]:
            if verdict["max"] > 0:
                by_cell[verdict["cell"]] = verdict["points"]
    return points


def _last_line(path: Path) -> tuple[int, bytes]:
    """Return where the last whole line of a file ends, and the line; 0 where there is none.

    Reads from the end, as much as the line needs: the file of a large class has many megabytes.
    """
    with open(path, "rb") as file:
        length = file.seek(0, os.SEEK_END)
        block = BLOCK
        while True:
            start = max(0, length - block)
            file.seek(start)
            raw = file.read(length - start)
            end = raw.rfind(b"\n") + 1
            begin = raw.rfind(b"\n", 0, max(0, end - 1)) + 1
            if start == 0 or begin > 0:
                return (start + end if end else 0), raw[begin:end]
            block *= 4


def _plain(verdicts: list[Verdict]) -> list[dict[str, Any]]:
    """Return verdicts as the audit writes them."""
    plain = []
    for verdict in verdicts:
        plain.append(
            {
                "cell": verdict.cell,
                "points": verdict.points,
                "max": verdict.max_points,
                "reason": verdict.reason[:REASON_LIMIT],
                "answered": verdict.answered,
            }
        )
    return plain


def _sha256(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()
