"""Know people whose files or folders were named by hand: "2023001-李雷-第3讲", "李雷(2023001)".

A number of the roster that stands in such a name says whose it is, unless the name beside it is
another person's.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence, Set
from dataclasses import replace

from tinybert_l.grading.arrivals import Arrival
from tinybert_l.grading.identities import names_of
from tinybert_l.grading.owners import folded
from tinybert_l.grading.results.lms import StudentTotal

ID_DIGITS = 4  # that an id must have at least: fewer also number a lecture, a copy, a group
PARTS_LIMIT = 24  # of a name
TWO_PEOPLE = "{id} and the name beside it are two people on the roster 学号与姓名不是同一人"
SEVERAL = (
    "a group's? The name holds the ids of {ids}: where all of them are meant, put a copy into a "
    "folder of each 名称含多人学号；若为小组作业，请为每人各放一份"
)
BY_NUMBER = "was called {name}, which holds the id 按文件名中的学号归属"
_PARTS = re.compile(r"[0-9a-z]+|[^\W\da-z_]+|[\W_]+")


def with_ids(arrivals: Sequence[Arrival], people: Sequence[StudentTotal]) -> list[Arrival]:
    """Return arrivals under the id that stands in a name of people's own making.

    Two arrivals of one person, and who is on the roster by the whole name, stay as they are.
    """
    ids = {folded(x.student): x.student for x in people if _is_number(x.student)}
    everybody = {folded(person.student) for person in people}
    by_name: dict[str, set[str]] = {}
    for person in people:
        fields = {"first_name": person.first_name, "last_name": person.last_name}
        for name in names_of({"id": person.student, **fields}):
            by_name.setdefault(name, set()).add(person.student)
    found: list[str | None] = []
    doubts: list[str] = []
    for arrival in arrivals:
        is_open = not arrival.platform and folded(arrival.student) not in everybody
        within = list(_within(arrival.student)) if is_open else []
        whole = _people_in(within, everybody)
        numbers = {ids[text] for text in whole if text in ids} if len(whole) == 1 else set()
        student = numbers.pop() if len(numbers) == 1 else None
        named = next((by_name[text] for text in within if text in by_name), {student})
        found.append(student if student in named else None)
        doubt = TWO_PEOPLE.format(id=student) if student not in named else ""
        if len(whole) > 1:
            doubt = SEVERAL.format(ids=", ".join(sorted(whole)))
        doubts.append(doubt)
    counts = Counter(found) + Counter(arrival.student for arrival in arrivals)
    renamed = []
    for arrival, student, doubt in zip(arrivals, found, doubts, strict=True):
        note = doubt or (BY_NUMBER.format(name=arrival.student) if student else "")
        if student is not None and counts[student] == 1:
            arrival = replace(arrival, student=student, other_names=(arrival.student,))
        elif not doubt:
            note = ""
        renamed.append(replace(arrival, notes=[*arrival.notes, note]) if note else arrival)
    return renamed


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
