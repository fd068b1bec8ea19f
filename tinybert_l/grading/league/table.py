"""The table: places by paired comparisons on the same sentences, shared where nothing decides."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tinybert_l.course.capstone.asking import Score
from tinybert_l.course.intervals import Estimate, hierarchical
from tinybert_l.grading.league.book import Book

DIFFERENCE_BOUNDS = (-1.0, 1.0)


@dataclass(frozen=True)
class Row:
    """An entry in the table.

    Args:
        place: one more than the number of entries that are better beyond chance; None: too slow.
        is_above_teacher: better than the teacher that all could learn from, beyond chance: a
            reason to ask how it was trained.
    """

    place: int | None
    score: Score
    is_above_teacher: bool


@dataclass(frozen=True)
class Table:
    """All entries that were judged on the same sentences.

    Args:
        rows: by place, then by accuracy; those over the budget last.
        teacher: the teacher's score.
        heldout: hash of the sentences.
        outdated: names of entries that were judged on other sentences.
    """

    rows: list[Row]
    teacher: Score | None
    heldout: str
    outdated: list[str]


def difference(first: Score, second: Score) -> Estimate:
    """Return how much more often the first is right, paired by sentence, with a 95 % interval."""
    differences = np.subtract(first.hits, second.hits)
    return hierarchical([differences], DIFFERENCE_BOUNDS)


def is_better(first: Score, second: Score) -> bool:
    """Whether the first is better beyond chance: the whole interval lies above 0."""
    return difference(first, second).low > 0


def places(scores: Sequence[Score]) -> list[int]:
    """Return each score's place: one more than the number of scores that are better than it."""
    return [1 + sum(is_better(other, score) for other in scores) for score in scores]


def make_table(book: Book, heldout: str) -> Table:
    """Return the table of the entries that answered the sentences with this hash."""
    current, outdated = [], []
    for judged in book.judged.values():
        if judged.heldout == heldout:
            current.append(judged.score)
        else:
            outdated.append(judged.score.name)
    teacher = book.teacher
    reference = teacher.score if teacher is not None and teacher.heldout == heldout else None
    fast = [score for score in current if score.is_in_budget]
    slow = [score for score in current if not score.is_in_budget]
    rows = [_row(place, score, reference) for place, score in zip(places(fast), fast, strict=True)]
    rows += [_row(None, score, reference) for score in slow]
    rows.sort(key=_order)
    return Table(rows, reference, heldout, outdated)


def _row(place: int | None, score: Score, teacher: Score | None) -> Row:
    return Row(place, score, teacher is not None and is_better(score, teacher))


def _order(row: Row) -> tuple[bool, int, float, str]:
    return (row.place is None, row.place or 0, -row.score.accuracy.mean, row.score.name)
