"""A second reader marks a random sample without seeing the first marks; how far do they agree?"""

import json
import math
import random
import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from tinybert_l.cache import read_json, write_atomically
from tinybert_l.grading.marking.marks import Mark

HUNDREDTHS = 100  # points are compared to so many parts of one


class SecondMarks:
    """The marks of a second reader on one question: a file of their own, apart from the gradebook.

    Args:
        path: of the file.
        size: answers in the sample, which is drawn when the file is made.
        candidates: students whose answers may be drawn.
    """

    def __init__(self, path: Path, size: int, candidates: Sequence[str]) -> None:
        self.path = path
        if not path.is_file():
            drawn = random.Random(secrets.token_hex(16)).sample(
                sorted(candidates), min(size, len(candidates))
            )
            self._save(sorted(drawn), {})

    def read(self) -> dict[str, Mark]:
        """Return {student: mark} of the sample."""
        stored = read_json(self.path)
        marks = dict.fromkeys(stored["sample"], Mark())
        for student, fields in stored["marks"].items():
            marks[student] = Mark(**{**fields, "items": tuple(fields["items"])})
        return marks

    def write(self, changes: Mapping[str, Mark]) -> None:
        """Write the marks of some students of the sample."""
        marks = self.read()
        sample = list(marks)
        for student, mark in changes.items():
            marks[student] = replace(mark, needs_person=mark.points is None)
        self._save(sample, marks)

    def _save(self, sample: Sequence[str], marks: Mapping[str, Mark]) -> None:
        given = {}
        for student, mark in marks.items():
            if mark != Mark():
                given[student] = asdict(mark)
        stored = {"sample": list(sample), "marks": given}
        write_atomically(self.path, json.dumps(stored, ensure_ascii=False, indent=1) + "\n")


@dataclass(frozen=True)
class Agreement:
    """How far two readers agree on one question.

    Args:
        first, second: points of the answers that both have marked, in the same order.
        size: answers in the sample.
    """

    first: tuple[float, ...]
    second: tuple[float, ...]
    size: int

    @property
    def kappa(self) -> float | None:
        """Cohen's kappa with quadratic weights.

        None where it is not defined: nothing was marked by both, or both gave everybody the same.
        """
        if len({*self.first, *self.second}) < 2:
            return None
        from sklearn.metrics import cohen_kappa_score

        pairs = [_on_grid(points) for points in (self.first, self.second)]
        # points are categories of equal distance, those included that nobody gave
        step = math.gcd(*(value for values in pairs for value in values))
        first, second = ([value // step for value in values] for values in pairs)
        labels = range(max(*first, *second) + 1)
        return float(cohen_kappa_score(first, second, labels=list(labels), weights="quadratic"))

    @property
    def equal(self) -> int:
        """How many answers got the same points from both."""
        return sum(a == b for a, b in zip(self.first, self.second, strict=True))

    @property
    def mean_difference(self) -> float:
        """What the second reader gave more than the first, on average."""
        return (sum(self.second) - sum(self.first)) / len(self.first)

    def distributions(self) -> list[tuple[float, int, int]]:
        """Return (points, answers of the first, answers of the second), by rising points."""
        first, second = Counter(self.first), Counter(self.second)
        return [(points, first[points], second[points]) for points in sorted({*first, *second})]


def _on_grid(points: Sequence[float]) -> list[int]:
    return [round(value * HUNDREDTHS) for value in points]


def agreement(first: Mapping[str, Mark], second: Mapping[str, Mark]) -> Agreement:
    """Compare the marks of two readers, on the answers that both have marked."""
    pairs = []
    for student, mark in second.items():
        other = first.get(student, Mark()).points
        if mark.points is not None and other is not None:
            pairs.append((other, mark.points))
    return Agreement(
        tuple(pair[0] for pair in pairs), tuple(pair[1] for pair in pairs), len(second)
    )
