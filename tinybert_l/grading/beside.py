"""Read what platforms write beside submissions to say whose they are: receipts and lists.

Blackboard's names of files cannot be taken apart where a login holds an underscore; its receipt of
an attempt says the login. Gradescope's folders have numbers alone; its list says who they are.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from tinybert_l.errors import InvalidInput
from tinybert_l.grading.archives import IncomingFile
from tinybert_l.grading.owners import (
    CANVAS_IN_FOLDERS,
    CANVAS_NAME,
    Owner,
    is_receipt,
    is_student_name,
    tidy_name,
)

GRADESCOPE_LIST = "submission_metadata.yml"
NUMBER_ALONE = (
    f"Gradescope's number alone: take {GRADESCOPE_LIST} of the export along "
    "Gradescope只给出编号，请一并提供该文件"
)
_ATTEMPT = "_attempt_"
_RECEIPTS_NAME = re.compile(r"\A\s*Name: *[^\n]*\((?P<login>[^()\n]+)\)\s*$", re.MULTILINE)
_ENTRY = re.compile(r"^['\"]?(submission_\d+)['\"]?:", re.MULTILINE)
_FIELD = re.compile(r"^[ -]*:?(name|sid|email|created_at): *['\"]?(.*?)['\"]? *$", re.MULTILINE)
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(?:\.\d+)? *(Z|UTC|[+-]\d\d:?\d\d)")


@dataclass(frozen=True)
class Told:
    """What a platform says beside a file: whose it is, and when it came; or why nobody's."""

    student: str = ""
    name: str = ""
    when: datetime | None = None
    problem: str = ""


class Beside:
    """What platforms say beside the files of an archive.

    Args:
        files: all of them.

    Attributes:
        numbers_in_canvas: {folder of a person's making: the number of all Canvas's files in it}.
    """

    def __init__(self, files: Sequence[IncomingFile]) -> None:
        self.told: dict[str, Told] = {}
        logins: dict[str, set[str]] = {}  # {what a name ends in: all that stands before}
        for file in files:
            last = file.path.rpartition("/")[2]
            before = last.partition(_ATTEMPT)[0]
            if last == GRADESCOPE_LIST and file.path.count("/") == 0:
                self.told |= _gradescopes_people(_text(file))
            elif before != last:
                logins.setdefault(before.rpartition("_")[2], set()).add(before)
                if is_receipt(last) and (login := _login(_text(file), before)):
                    self.told[before] = Told(login)
        for befores in logins.values():
            if len(befores) > 1:
                for before in befores:
                    self.told.setdefault(before, Told(problem=_alike(befores)))
        self.numbers_in_canvas = _numbers_in_canvas([file.path for file in files])

    def applied(self, owner: Owner, path: str) -> Owner | str:
        """Return an owner as the platform tells it; why nobody is, where it cannot be told."""
        if owner.platform == "blackboard":
            told = self.told.get(path.rpartition("/")[2].partition(_ATTEMPT)[0])
        elif owner.platform == "gradescope":
            told = self.told.get(path.partition("/")[0], Told(problem=NUMBER_ALONE))
        elif not owner.platform and path.partition("/")[0] in self.numbers_in_canvas:
            return _as_canvas(owner)
        else:
            return owner
        if told is None:
            return owner
        if told.problem:
            return told.problem
        known = {"last_name": told.name} if told.name else owner.known
        return replace(owner, student=told.student, known=known, when=told.when or owner.when)


def _numbers_in_canvas(paths: Iterable[str]) -> dict[str, str]:
    """Find the folders into which a person has sorted Canvas's files; returns {folder: number}.

    Most folders must hold such files: one student alone may call a file so. A folder with two
    numbers, or a number in two folders, says nothing.
    """
    numbers: dict[str, set[str]] = {}
    for path in paths:
        folder, _, file_name = path.partition("/")
        if file_name:
            match = CANVAS_NAME.fullmatch(file_name)
            known = numbers.setdefault(folder, set())
            known.update([match["lms"] or match["anonymous"]] if match else [])
    counts = Counter(number for known in numbers.values() for number in known)
    if 2 * sum(map(bool, numbers.values())) <= len(numbers):
        return {}
    clear = {folder: known.pop() for folder, known in numbers.items() if len(known) == 1}
    return {folder: number for folder, number in clear.items() if counts[number] == 1}


def _as_canvas(owner: Owner) -> Owner:
    """Return an owner with what Canvas's name of the file says; whose it is says the folder."""
    match = CANVAS_NAME.fullmatch(owner.file_name)
    if match is None:
        return owner
    is_late = any(match[key] for key in ("late1", "late2", "late3", "late4"))
    return replace(
        owner,
        file_name=match["rest"] or match["typed"],
        platform=CANVAS_IN_FOLDERS,
        is_late=is_late,
        known={"lms_user_id": match["lms"]} if match["lms"] else {},
    )


def _text(file: IncomingFile) -> str:
    """Return a file's text; none of what cannot be read."""
    if file.problem:
        return ""
    with suppress(InvalidInput):
        return file.read().decode("utf-8-sig", errors="replace")
    return ""


def _login(text: str, before: str) -> str:
    """Return the login in a receipt; empty where its file is not called after it."""
    match = _RECEIPTS_NAME.search(text)
    login = tidy_name(match["login"]) if match else ""
    is_called_after = before == login or before.endswith(f"_{login}")
    return login if login and is_called_after and is_student_name(login) else ""


def _alike(befores: Iterable[str]) -> str:
    return (
        f"where does the login begin in {' and '.join(sorted(befores)[:2])}? Take Blackboard's "
        ".txt files along 无法判断登录名，请一并提供Blackboard的.txt文件"
    )


def _gradescopes_people(text: str) -> Mapping[str, Told]:
    """Read Gradescope's list; returns {folder: what it says}."""
    parts = _ENTRY.split(text)
    people = {}
    for folder, entry in zip(parts[1::2], parts[2::2], strict=True):
        fields: dict[str, list[str]] = {}
        for key, value in _FIELD.findall(entry.partition(":results:")[0]):
            fields.setdefault(key, []).append(tidy_name(value))
        people[folder] = _gradescopes_person(fields)
    return people


def _gradescopes_person(fields: Mapping[str, list[str]]) -> Told:
    ids = [*filter(None, fields.get("sid", []))] or [*filter(None, fields.get("email", []))]
    if len(ids) > 1:
        who = ", ".join(ids)
        return Told(problem=f"handed in by several, put a copy into a folder of each 小组: {who}")
    if not ids or not is_student_name(ids[0]):
        return Told(problem=f"{GRADESCOPE_LIST} names nobody for it 列表中没有对应的人")
    match = _MOMENT.search((fields.get("created_at") or [""])[0])
    when = None
    if match:
        zone = match[2].replace("UTC", "+00:00").replace("Z", "+00:00")
        with suppress(ValueError):
            when = datetime.fromisoformat(f"{match[1]}{zone}").astimezone(UTC)
    return Told(ids[0], (fields.get("name") or [""])[0], when)
