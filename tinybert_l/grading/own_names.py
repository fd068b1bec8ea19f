"""Know people whose files or folders were named by hand: "2023001-李雷-第3讲", "Ann Li".

A number of the roster that stands in such a name says whose it is, unless the name beside it is
another person's; so does a full name that one person alone has.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence, Set
from dataclasses import replace

from tinybert_l.grading.arrivals import Arrival
from tinybert_l.grading.identities import as_compared, names_of
from tinybert_l.grading.owners import CANVAS_IN_FOLDERS, folded
from tinybert_l.grading.results.lms import StudentTotal

ID_DIGITS = 4  # that an id must have at least: fewer also number a lecture, a copy, a group
PARTS_LIMIT = 24  # of a name
TWO_PEOPLE = "{id} and the name beside it are two people on the roster 学号与姓名不是同一人"
SEVERAL = (
    "a group's? The name holds the ids of {ids}: where all of them are meant, put a copy into a "
    "folder of each 名称含多人学号；若为小组作业，请为每人各放一份"
)
OTHERS_NUMBER = (
    "Canvas's number {number} in its name is another person's: is it in the right folder? "
    "文件名中的编号属于他人，请核对文件夹"
)
BY_NAME = "was called {name}, the roster's {id} 按名单上的姓名归属"
TWICE = "also {id}'s, of whom there is another hand-in: which one counts? 该学生另有一份提交"
BY_NUMBER = "was called {name}, which holds the id 按文件名中的学号归属"
_PARTS = re.compile(r"[0-9a-z]+|[^\W\da-z_]+|[\W_]+")


def with_ids(arrivals: Sequence[Arrival], people: Sequence[StudentTotal]) -> list[Arrival]:
    """Return arrivals under the id that stands in a name of people's own making.

    Two arrivals of one person, and who is on the roster by the whole name, stay as they are.
    """
    roster = _Roster(people)
    found: list[str | None] = []
    notes: list[str] = []
    for arrival in arrivals:
        is_of_hand = arrival.platform in ("", CANVAS_IN_FOLDERS)
        is_open = is_of_hand and folded(arrival.student) not in roster.everybody
        student, note = roster.person_in(arrival.student) if is_open else (None, "")
        found.append(student)
        notes.append(note)
    counts = Counter(found) + Counter(arrival.student for arrival in arrivals)
    renamed = []
    for arrival, student, note in zip(arrivals, found, notes, strict=True):
        if student is not None and counts[student] == 1:
            arrival = replace(arrival, student=student, other_names=(arrival.student,))
        elif student is not None:
            note = TWICE.format(id=student)
        renamed.append(replace(arrival, notes=[*arrival.notes, note]) if note else arrival)
    return renamed


def without_others_numbers(
    arrivals: Sequence[Arrival], people: Sequence[StudentTotal]
) -> list[Arrival]:
    """Return arrivals without numbers of Canvas's that the gradebook knows otherwise."""
    owners = {person.lms_user_id: person.student for person in people if person.lms_user_id}
    numbers = {student: number for number, student in owners.items()}
    checked = []
    for arrival in arrivals:
        number = arrival.known.get("lms_user_id", "")
        owner = owners.get(number, arrival.student)
        is_known = owner == arrival.student and numbers.get(owner, number) == number
        if arrival.platform == CANVAS_IN_FOLDERS and not is_known:
            note = OTHERS_NUMBER.format(number=number)
            arrival = replace(arrival, known={}, notes=[*arrival.notes, note])
        checked.append(arrival)
    return checked


class _Roster:
    """The people of a course, as names of files and folders may call them."""

    def __init__(self, people: Sequence[StudentTotal]) -> None:
        self.numbers = {folded(x.student): x.student for x in people if _is_number(x.student)}
        self.everybody = {folded(person.student) for person in people}
        self.by_name: dict[str, set[str]] = {}
        for person in people:
            fields = {"first_name": person.first_name, "last_name": person.last_name}
            for name in names_of({"id": person.student, **fields}):
                self.by_name.setdefault(name, set()).add(person.student)

    def person_in(self, name: str) -> tuple[str | None, str]:
        """Return whom a name stands for, and what to say of it; None where that is not clear."""
        within = list(_within(name))
        whole = _people_in(within, self.everybody)
        if len(whole) > 1:
            return None, SEVERAL.format(ids=", ".join(sorted(whole)))
        named = next((self.by_name[text] for text in within if text in self.by_name), set())
        student = next((self.numbers[text] for text in whole if text in self.numbers), None)
        if student is None:
            student = self._person_called(name)
            return student, BY_NAME.format(name=name, id=student) if student else ""
        if named and student not in named:
            return None, TWO_PEOPLE.format(id=student)
        return student, BY_NUMBER.format(name=name)

    def _person_called(self, name: str) -> str | None:
        """Return who has this full name, beside which nothing may stand but figures or the id."""
        compared = as_compared(name)
        for text in _within(compared):
            people = self.by_name.get(text, set())
            if len(people) != 1 or (text.isascii() and " " not in text):
                continue  # a single word may be a login, or a given name
            (student,) = people
            beside = re.sub(r"[\W_]+", " ", compared.replace(text, " ", 1)).strip()
            if not any(map(str.isalpha, beside)) or beside == as_compared(student):
                return student
        return None


def _is_number(student: str) -> bool:
    return sum(character.isdigit() for character in student) >= ID_DIGITS


def _people_in(within: Sequence[str], everybody: Set[str]) -> set[str]:
    """Return the ids of the roster in a name, without those that are part of another one."""
    found = {text for text in within if text in everybody}
    return {text for text in found if not any(text in other for other in found - {text})}


def _within(name: str) -> Iterator[str]:
    """Yield what stands in a name between its boundaries, the longest first."""
    parts = _PARTS.findall(folded(name))[:PARTS_LIMIT]
    for length in range(len(parts), 0, -1):
        for start in range(len(parts) - length + 1):
            yield "".join(parts[start : start + length])
