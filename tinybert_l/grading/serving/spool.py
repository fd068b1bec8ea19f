"""Keep hand-ins on disk until they are judged: a restart loses none and judges none twice."""

import hashlib
import json
import secrets
import sqlite3
import threading
from collections.abc import Iterator
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
    sha256 TEXT NOT NULL, received TEXT NOT NULL, raw BLOB NOT NULL,
    notes TEXT NOT NULL, state TEXT NOT NULL, answer TEXT NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS by_student ON handins(student, received);
CREATE INDEX IF NOT EXISTS by_state ON handins(state, received);
"""
COLUMNS = "number, student, lecture, sha256, received, raw, notes, state, answer"


class TooMany(CourseError):
    """A student has handed in too often."""


@dataclass(frozen=True)
class HandIn:
    """One notebook that was handed in.

    Args:
        sha256: of what was sent, which the receipt names.
        raw: the notebook's bytes.
        notes: what intake had to say about it.
        state: QUEUED, then TAKEN_IN among the submissions, then DONE.
        answer: what the visible tests said; empty before that.
    """

    number: str
    student: str
    lecture: int
    sha256: str
    received: datetime
    raw: bytes
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
            since = (now - timedelta(hours=1)).isoformat()
            (count,) = database.execute(
                "SELECT count(*) FROM handins WHERE student = ? AND received > ?", (student, since)
            ).fetchone()
            if count >= per_hour:
                raise TooMany(
                    f"{count} hand-ins within an hour; allowed: {per_hour}. Wait, then send the "
                    "last one. 一小时内提交次数过多，稍后再交。"
                )
            row = (
                secrets.token_hex(16),
                student,
                lecture,
                digest,
                now.isoformat(timespec="microseconds"),
                raw,
                json.dumps(notes),
                QUEUED,
                "",
            )
            database.execute(f"INSERT INTO handins ({COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?)", row)
        return _hand_in(row), True

    def get(self, number: str) -> HandIn | None:
        """Return a hand-in; None when there is none of this number."""
        found = self._select("number = ?", (number,))
        return found[0] if found else None

    def in_state(self, state: str, limit: int = 50) -> list[HandIn]:
        """List the hand-ins of a state, oldest first."""
        return self._select("state = ? ORDER BY received LIMIT ?", (state, limit))

    def answered_before(self, hand_in: HandIn) -> dict[str, Any]:
        """Return the answer that the same notebook of the same student got; empty without one."""
        for other in self._select(
            "student = ? AND lecture = ? AND state = ? ORDER BY received DESC",
            (hand_in.student, hand_in.lecture, DONE),
        ):
            if other.raw == hand_in.raw:
                return other.answer
        return {}

    def taken_in(self, number: str) -> None:
        """Note that a hand-in stands among the submissions."""
        with self._transaction() as database:
            database.execute("UPDATE handins SET state = ? WHERE number = ?", (TAKEN_IN, number))

    def answer(self, number: str, answer: dict[str, Any]) -> None:
        """Keep the answer to a hand-in."""
        text = json.dumps(answer, ensure_ascii=True)
        with self._transaction() as database:
            database.execute(
                "UPDATE handins SET state = ?, answer = ? WHERE number = ?", (DONE, text, number)
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
    number, student, lecture, digest, received, raw, notes, state, answer = row
    when = datetime.fromisoformat(received)
    told = json.loads(answer) if answer else {}
    notes = tuple(json.loads(notes))
    return HandIn(number, student, lecture, digest, when, bytes(raw), notes, state, told)
