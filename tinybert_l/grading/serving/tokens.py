"""Know students by tokens: shown once when they are made, kept as hashes alone."""

import hashlib
import json
import os
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from tinybert_l.cache import read_json, write_atomically
from tinybert_l.errors import InvalidInput
from tinybert_l.grading.owners import folded, is_student_name

if TYPE_CHECKING:
    from tinybert_l.grading.course import Course

TOKEN_BYTES = 32
TOKEN_LIMIT = 200  # characters of a token that is looked at


class Tokens:
    """The tokens of a course's students.

    Args:
        folder: where the file with their hashes lies.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "tokens.json"
        self._read_at = 0  # nanoseconds, of the file that was read last
        self._student_by_hash: dict[str, str] = {}

    def make(self, students: Iterable[str]) -> dict[str, str]:
        """Give each student a new token, in place of an older one; returns {student: token}."""
        private_folder(self.path.parent)
        made = {}
        with FileLock(f"{self.path}.lock"):
            hashes = self._hashes()
            for student in students:
                made[student] = secrets.token_urlsafe(TOKEN_BYTES)
                hashes[student] = _hash(made[student])
            write_atomically(self.path, json.dumps(hashes, indent=1, sort_keys=True) + "\n")
        return made

    def students(self) -> set[str]:
        """Return who has a token."""
        return set(self._hashes())

    def owner(self, token: str) -> str | None:
        """Return whose token it is; None for one that nobody has.

        A token has 256 random bits, so a plain hash cannot be turned back, and looking it up by
        its hash tells nothing about how nearly a guess was right.
        """
        if not token or len(token) > TOKEN_LIMIT:
            return None
        try:
            changed_at = self.path.stat().st_mtime_ns
        except FileNotFoundError:
            return None
        if changed_at != self._read_at:  # a token that was replaced ends without a restart
            self._student_by_hash = {digest: name for name, digest in self._hashes().items()}
            self._read_at = changed_at
        return self._student_by_hash.get(_hash(token))

    def _hashes(self) -> dict[str, str]:
        return read_json(self.path) if self.path.is_file() else {}


def people_of(course: "Course") -> list[str]:
    """Return the ids in a course's gradebook that may name a folder."""
    from nbgrader.api import Gradebook

    if not course.database.is_file():
        return []
    with Gradebook(course.database_url) as book:
        return [student.id for student in book.students if is_student_name(student.id)]


def find_student(people: Iterable[str], student: str) -> str:
    """Return the id as the roster has it; raises `InvalidInput` for somebody who is not on it."""
    for person in people:
        if folded(person) == folded(student):
            return person
    raise InvalidInput(
        f"--token {student!r} is not in the gradebook; allowed: an id of the roster "
        "(tinybert-l course roster enters people). 名单中没有此学号。"
    )


def private_folder(folder: Path) -> None:
    """Make a folder that nobody else can read."""
    folder.mkdir(parents=True, exist_ok=True)
    os.chmod(folder, 0o700)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
