"""Join a learning platform's names with the roster, so that one person is one person everywhere.

Moodle's zip gives a number that is new for each assignment, and a name; Canvas's a number that
stays. Who is who is found out once (`tinybert-l course roster --match`), kept in `identities.json`,
and used whenever submissions come in. Two people of one name are never guessed at.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tinybert_l.cache import read_json, write_atomically
from tinybert_l.grading.arrivals import Arrival
from tinybert_l.grading.owners import folded, tidy_name
from tinybert_l.grading.rosters import Person

FILE_NAME = "identities.json"
MATCHED = "known from the roster 与名单对应"


@dataclass(frozen=True)
class Identities:
    """Which student a platform's names and numbers stand for.

    Args:
        by_name: {folded name: student}.
        by_number: {number in Canvas: student}.
    """

    by_name: Mapping[str, str] = field(default_factory=dict)
    by_number: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, course: Path) -> "Identities":
        """Read the identities of a course; none where nobody was matched yet."""
        path = course / FILE_NAME
        if not path.is_file():
            return cls()
        tree = read_json(path)
        by_name = {as_compared(name): who for name, who in tree.get("by_name", {}).items()}
        return cls(by_name, tree.get("by_number", {}))

    def write(self, course: Path) -> None:
        """Keep the identities in a course."""
        tree = {"by_name": dict(self.by_name), "by_number": dict(self.by_number)}
        text = json.dumps(tree, indent=1, sort_keys=True, ensure_ascii=False)
        write_atomically(course / FILE_NAME, text + "\n")

    def student(self, arrival: Arrival) -> str | None:
        """Return who an arrival is from; None where the roster does not say."""
        if arrival.platform not in ("canvas", "moodle", "brightspace"):
            return None
        if arrival.platform == "canvas":
            found = self.by_number.get(arrival.known.get("lms_user_id", ""))
            if found:
                return found
        return self.by_name.get(as_compared(arrival.known.get("last_name", "")))

    def _in_group(self, arrival: Arrival) -> str | None:
        """Return whose name stands behind the group's: "Group A-Ann Li"; None where nobody's."""
        name = arrival.known.get("last_name", "")
        found = set()
        for match in re.finditer("-", name):
            student = self.by_name.get(as_compared(name[match.end() :]))
            if student is not None:
                found.add(student)
        return found.pop() if len(found) == 1 else None

    def applied(self, arrivals: Sequence[Arrival]) -> list[Arrival]:
        """Return arrivals under the roster's names; two of one person keep the platform's."""
        found = [self.student(arrival) for arrival in arrivals]
        if _have_groups(arrivals):
            for index, arrival in enumerate(arrivals):
                found[index] = found[index] or self._in_group(arrival)
        counts = Counter(found) + Counter(arrival.student for arrival in arrivals)
        renamed = []
        for arrival, student in zip(arrivals, found, strict=True):
            if student is None or counts[student] > 1:
                renamed.append(arrival)
                continue
            known = {k: v for k, v in arrival.known.items() if k == "lms_user_id"}
            notes = [*arrival.notes, MATCHED]
            names = (arrival.student, *arrival.known.values())
            renamed.append(
                replace(arrival, student=student, known=known, notes=notes, other_names=names)
            )
        return renamed


def match(people: Sequence[Person]) -> tuple[Identities, list[str]]:
    """Make identities from a roster; returns them, and the names that several people have."""
    students: dict[str, set[str]] = {}
    by_number = {}
    for person in people:
        for name in names_of(person):
            students.setdefault(name, set()).add(person["id"])
        if person.get("lms_user_id"):
            by_number[person["lms_user_id"]] = person["id"]
    by_name = {}
    shared = []
    for name, ids in students.items():
        if len(ids) == 1:
            by_name[name] = next(iter(ids))
        else:
            shared.append(f"{name}: {', '.join(sorted(ids))}")
    return Identities(by_name, by_number), sorted(shared)


def names_of(person: Person) -> set[str]:
    """Return the ways in which a platform may write a person's name, folded."""
    first, last = tidy_name(person.get("first_name", "")), tidy_name(person.get("last_name", ""))
    if not (first or last):
        return set()
    names = {f"{first} {last}", f"{last} {first}", f"{last}, {first}", f"{last}{first}"}
    letters = "".join(x for x in f"{last}{first}" if x.isalnum())  # as Canvas writes it
    return set(map(as_compared, {*names, letters}))


def as_compared(name: str) -> str:
    """Return a name without what programs write differently, or leave out as Moodle does."""
    return folded(tidy_name(re.sub("[’‘ʼ`´'\"&<>|:/\\\\]", "", name.replace("_", " "))))


def _have_groups(arrivals: Sequence[Arrival]) -> bool:
    """Tell whether Moodle wrote a group before every name: one name may hold a hyphen itself."""
    names = [x.known.get("last_name", "") for x in arrivals if x.platform == "moodle"]
    return len(names) > 1 and all("-" in name.strip("-") for name in names)
