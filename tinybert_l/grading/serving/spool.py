"""Keep hand-ins on disk until they are judged: a restart loses none and judges none twice."""

import hashlib
import json
import secrets
import sqlite3
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tinybert_l.errors import CourseError
from tinybert_l.grading.serving.tokens import private_folder

QUEUED, TAKEN_IN, DONE = "queued", "taken in", "done"
BUSY_SECONDS = 30
TABLE = """
CREATE TABLE IF NOT EXISTS handins (
    number TEXT PRIMARY KEY, student TEXT NOT NULL, lecture INTEGER NOT NULL,
    sha256 TEXT NOT NULL, received TEXT NOT NULL, notebook TEXT NOT NULL, notes TEXT NOT NULL,
    state TEXT NOT NULL, answer TEXT NOT NULL DEFAULT '', size INTEGER NOT NULL, raw BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS by_student ON handins(student, received);
CREATE INDEX IF NOT EXISTS by_state ON handins(state, received);
"""
COLUMNS = "number, student, lecture, sha256, received, notebook, notes, state, answer"
DAILY_LIMIT = 100 * 2**20  # bytes of all hand-ins of a student within 24 hours
SUPERSEDED = (
    "A later hand-in of yours came before this one's tests were run: see that one's. "
    "在运行测试之前又收到了你更新的提交，请查看后者。"
)


class TooMany(CourseError):
    """A student has handed in too often, or too much."""


@dataclass(frozen=True)
class HandIn:
    """One notebook that was handed in.

    Args:
        sha256: of what was sent, which the receipt names.
        notebook: SHA-256 of the notebook in it.
        notes: what intake had to say about it.
        state: QUEUED, then TAKEN_IN among the submissions, then DONE.
        answer: what the visible tests said; empty before that.
    """

    number: str
    student: str
    lecture: int
    sha256: str
    received: datetime
    notebook: str
    notes: tuple[str, ...]
    state: str
    answer: dict[str, Any]


class Spool:
    """The hand-ins of a course, in a database of their own; may be used by several threads."""

    def __init__(self, folder: Path) -> None:
        private_folder(folder)
        self._lock = threading.Lock()
        self._database = sqlite3.connect(
            folder / "spool.db", timeout=BUSY_SECONDS, check_same_thread=False
        )
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=FULL")  # a receipt outlives a power cut
        self._database.executescript(TABLE)

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._database.close()

    def add(
        self, student: str, lecture: int, sent: bytes, raw: bytes, notes: list[str], per_hour: int
    ) -> tuple[HandIn, bool]:
        """Keep a hand-in, on disk when this returns.

        What a student sends twice in a row is one hand-in, with the time at which it first came.

        Args:
            sent: what came over the wire.
            raw: the notebook in it.
            per_hour: how many different ones a student may hand in.
        Returns:
            The hand-in, and whether it is new.
        Raises:
            TooMany: the student has handed in too often.
        """
        digest = hashlib.sha256(sent).hexdigest()
        now = datetime.now(UTC)
        with self._transaction() as database:
            last = database.execute(
                f"SELECT {COLUMNS} FROM handins WHERE student = ? AND lecture = ? "
                "ORDER BY received DESC LIMIT 1",
                (student, lecture),
            ).fetchone()
            if last is not None and last[3] == digest:
                return _hand_in(last), False
            self._check_limits(database, student, len(raw), now, per_hour)
            row = (
                secrets.token_hex(16),
                student,
                lecture,
                digest,
                now.isoformat(timespec="microseconds"),
                hashlib.sha256(raw).hexdigest(),
                json.dumps(notes),
                QUEUED,
                "",
            )
            database.execute(
                f"INSERT INTO handins ({COLUMNS}, size, raw) VALUES (?,?,?,?,?,?,?,?,?,?,?)",
                (*row, len(raw), raw),
            )
        return _hand_in(row), True

    def _check_limits(
        self, database: sqlite3.Connection, student: str, size: int, now: datetime, per_hour: int
    ) -> None:
        """Raise `TooMany` where one more hand-in of a student would be too much."""
        query = "SELECT count(*), sum(size) FROM handins WHERE student = ? AND received > ?"
        hour, day = ((now - timedelta(hours=hours)).isoformat() for hours in (1, 24))
        count, _ = database.execute(query, (student, hour)).fetchone()
        if count >= per_hour:
            raise TooMany(
                f"{count} hand-ins within an hour; allowed: {per_hour}. Wait, then send the "
                "last one. 一小时内提交次数过多，稍后再交。"
            )
        _, total = database.execute(query, (student, day)).fetchone()
        if (total or 0) + size > DAILY_LIMIT:
            raise TooMany(
                f"More than {DAILY_LIMIT // 2**20} MB within a day. Clear the notebook's outputs "
                "before you send it. 一天内提交的数据过多，请先清除输出。"
            )

    def get(self, number: str) -> HandIn | None:
        """Return a hand-in; None when there is none of this number."""
        found = self._select("number = ?", (number,))
        return found[0] if found else None

    def raw(self, number: str) -> bytes:
        """Return the notebook's bytes; empty once it is judged: then the course keeps them."""
        with self._lock:
            rows = self._database.execute("SELECT raw FROM handins WHERE number = ?", (number,))
            return bytes(rows.fetchone()[0])

    def in_state(self, state: str, limit: int = -1) -> list[HandIn]:
        """List the hand-ins of a state, oldest first.

        Args:
            limit: of how many; negative: all.
        """
        return self._select("state = ? ORDER BY received LIMIT ?", (state, limit))

    def next_to_judge(self, busy: Collection[str] = ()) -> HandIn | None:
        """Return the hand-in whose turn it is; None where nobody's is.

        The student who was served least within the hour comes first, so that nobody who hands in
        again and again makes the others wait.

        Args:
            busy: students who have one judged just now.
        """
        waiting = [one for one in self.in_state(TAKEN_IN) if one.student not in busy]
        newest = {(hand_in.student, hand_in.lecture): hand_in for hand_in in waiting}
        for hand_in in waiting:
            if newest[hand_in.student, hand_in.lecture] != hand_in:
                self.answer(hand_in.number, {"error": SUPERSEDED})
        since = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
        with self._lock:
            query = "SELECT student, count(*) FROM handins WHERE state = ? AND received > ?"
            rows = self._database.execute(f"{query} GROUP BY student", (DONE, since))
            served = dict(rows.fetchall())
        return min(
            newest.values(),
            key=lambda hand_in: (served.get(hand_in.student, 0), hand_in.received),
            default=None,
        )

    def answered_before(self, hand_in: HandIn) -> dict[str, Any]:
        """Return the answer that the same notebook of the same student got; empty without one."""
        of_the_same = "student = ? AND lecture = ? AND notebook = ? AND state = ?"
        for other in self._select(
            f"{of_the_same} ORDER BY received DESC",
            (hand_in.student, hand_in.lecture, hand_in.notebook, DONE),
        ):
            if "exercises" in other.answer:
                return other.answer
        return {}

    def taken_in(self, number: str) -> None:
        """Note that a hand-in stands among the submissions."""
        with self._transaction() as database:
            database.execute("UPDATE handins SET state = ? WHERE number = ?", (TAKEN_IN, number))

    def answer(self, number: str, answer: dict[str, Any]) -> None:
        """Keep the answer to a hand-in; the bytes of one that was taken in are in the course."""
        text = json.dumps(answer, ensure_ascii=True)
        with self._transaction() as database:
            database.execute(
                "UPDATE handins SET raw = CASE state WHEN ? THEN x'' ELSE raw END, "
                "state = ?, answer = ? WHERE number = ?",
                (TAKEN_IN, DONE, text, number),
            )

    def waiting(self) -> int:
        """Count the hand-ins that have no answer yet."""
        with self._lock:
            rows = self._database.execute("SELECT count(*) FROM handins WHERE state != ?", (DONE,))
            return int(rows.fetchone()[0])

    def _select(self, condition: str, values: tuple[Any, ...]) -> list[HandIn]:
        with self._lock:
            query = f"SELECT {COLUMNS} FROM handins WHERE {condition}"
            return list(map(_hand_in, self._database.execute(query, values).fetchall()))

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._database:
            self._database.execute("BEGIN IMMEDIATE")
            yield self._database


def _hand_in(row: tuple[Any, ...]) -> HandIn:
    number, student, lecture, digest, received, notebook, notes, state, answer = row
    when = datetime.fromisoformat(received)
    told = json.loads(answer) if answer else {}
    notes = tuple(json.loads(notes))
    return HandIn(number, student, lecture, digest, when, notebook, notes, state, told)
