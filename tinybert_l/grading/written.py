"""Remember which files commands wrote into a course's folder, so that no other is overwritten.

Teachers keep their own files there: Canvas calls its table gradebook.csv, Moodle grades.csv. A file
counts as written by a command while it holds what that command wrote; where it does not, it stays
as it is, and a command writes beside it or refuses.
"""

import json
from hashlib import sha256
from pathlib import Path

from tinybert_l.cache import read_json, write_atomically
from tinybert_l.errors import InvalidInput

FILE_NAME = "written.json"  # {path: [command, sha256, sha256 of what was there before]}
OLD = "before this record"  # stands in the record of a course that is older
SUFFIX = "-tinybert-l"  # of a name beside a teacher's file


class Written:
    """What one command has written into a course's folder.

    In a course that is older than this record, a file of which it says nothing counts as the
    command's, but a table whose columns are others.

    Args:
        course: the folder of the course, which holds the record.
        command: that writes.
    """

    def __init__(self, course: Path, command: str) -> None:
        self.course = course.resolve()
        self.command = command
        self.record = self.course / FILE_NAME

    def write(self, path: Path, content: str | bytes) -> Path:
        """Write a file, beside one that a teacher keeps there; returns its path."""
        place = self.place_for(path, content)
        self._note(place, content)  # first: a command that is ended here knows its file again
        write_atomically(place, content)
        return place

    def place_for(self, path: Path, content: str | bytes) -> Path:
        """Return where a content for this path can be written and overwrite nothing."""
        place = path
        number = 1
        while not self.may_write(place, content):
            place = path.with_stem(f"{path.stem}{SUFFIX}{'' if number == 1 else f'-{number}'}")
            number += 1
        return place

    def may_write(self, path: Path, content: str | bytes = "") -> bool:
        """Tell whether a path is free, or holds what this command has written there."""
        if not path.exists():
            return True
        if not path.is_file():
            return False
        raw = path.read_bytes()
        known = self._known()
        name = self._name(path)
        if name not in known:
            is_alike = path.suffix != ".csv" or _columns(raw) == _columns(content)
            return OLD in known and is_alike
        command, *hashes = known[name]
        return command == self.command and sha256(raw).hexdigest() in hashes

    def require(self, path: Path) -> None:
        """Raise `InvalidInput` where a file is not this command's."""
        if not self.may_write(path):
            raise InvalidInput(
                f"{path} is there already, and this command did not write it as it is: it stays. "
                "Name another file, or move that one away. 该文件不是此命令写的，不会覆盖，"
                "请换一个文件名。"
            )

    def _known(self) -> dict[str, list[str]]:
        return read_json(self.record) if self.record.is_file() else {OLD: []}

    def _name(self, path: Path) -> str:
        """Return a path as the record has it: inside the course, it goes along when that moves."""
        path = path.resolve()
        if self.course in path.parents:
            return path.relative_to(self.course).as_posix()
        return str(path)

    def _note(self, path: Path, content: str | bytes) -> None:
        raw = content.encode() if isinstance(content, str) else content
        hashes = [sha256(raw).hexdigest()]
        if path.is_file():
            hashes.append(sha256(path.read_bytes()).hexdigest())
        known = {**self._known(), self._name(path): [self.command, *hashes]}
        write_atomically(self.record, json.dumps(known, indent=1, sort_keys=True) + "\n")


def beside(path: Path, place: Path) -> str:
    """Return the sentence that a file was written beside a teacher's; empty where it was not."""
    if path == place:
        return ""
    return (
        f"{path.name} was not written by this command and stays as it is; its own is {place}. "
        f"{path.name}不是此命令写的，保持原样；结果写在{place.name}。"
    )


def _columns(content: str | bytes) -> bytes:
    """Return the first line of a table."""
    raw = content.encode() if isinstance(content, str) else content
    return raw.partition(b"\n")[0].strip()
