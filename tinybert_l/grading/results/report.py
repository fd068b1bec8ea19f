"""Render the report of a class: who earned what, where points were lost, which items look wrong."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import numpy as np
from jinja2 import Environment, FileSystemLoader
from numpy.typing import NDArray

from tinybert_l.course.home import shorten
from tinybert_l.grading.results.grades import CellGrade

TEMPLATE = Path(__file__).with_name("report.html.j2")
STUDENTS_NEEDED = 10  # before any item is doubted
GOOD_SHARE = 0.7  # of all other points, that the good third must have earned
GOOD_PASS = 0.6  # of an item's points; if the good third earned less, its test is doubted
FREQUENT_FAILURES = 12  # rows in the table of failed checks
# an answer that is missing is reported as "has no answer yet: it is an exercise of lecture 3 …"
MISSING_ANSWER_DETAIL = ": it is an exercise of"


@dataclass(frozen=True)
class Item:
    """One test cell in numbers.

    Args:
        passed: share of its points that the class earned.
        good_passed: share of its points earned by the third of the class that did best on all
            other exercises.
        discrimination: correlation of this item with the rest of the score; None where one of them
            does not vary.
        doubt: why the item's test may be wrong; empty when nothing speaks for it.
    """

    cell: str
    exercise: str
    passed: float
    good_passed: float
    discrimination: float | None
    doubt: str


@dataclass(frozen=True)
class ExerciseSummary:
    """What the class earned on one exercise.

    Args:
        worth: points.
        mean: share of the points that the class earned.
        counts: {"full", "part" or "none": number of students who earned so much}.
    """

    exercise: str
    worth: float
    mean: float
    counts: dict[str, int]


@dataclass(frozen=True)
class ClassTable:
    """The points of a class by student and exercise.

    Args:
        worth: {exercise: points}.
        earned: {(student, exercise): points}.
        reasons: {(student, exercise): the first reason why points were lost}.
        failures: {(exercise, reason): number of students}.
    """

    students: list[str]
    worth: dict[str, float]
    earned: dict[tuple[str, str], float]
    reasons: dict[tuple[str, str], str]
    failures: Counter[tuple[str, str]]

    @property
    def best(self) -> float:
        """Points of all exercises together; 1.0 for an empty class."""
        return sum(self.worth.values()) or 1.0

    def totals(self) -> dict[str, float]:
        """Return {student: points}."""
        totals = dict.fromkeys(self.students, 0.0)
        for (student, _), points in self.earned.items():
            totals[student] += points
        return totals


def items(grades: Sequence[CellGrade]) -> list[Item]:
    """Analyse the items of a class: one for each test cell."""
    cells: dict[str, CellGrade] = {}
    for grade in grades:
        cells.setdefault(grade.cell, grade)
    shares = _shares(grades, list(cells))
    return [_item(list(cells.values()), shares, index) for index in range(len(cells))]


def _shares(grades: Sequence[CellGrade], cells: list[str]) -> NDArray[np.float64]:
    """Return the share of its points that each student earned on each cell: [student, cell]."""
    students = students_of(grades)
    rows = dict(zip(students, range(len(students)), strict=True))
    columns = dict(zip(cells, range(len(cells)), strict=True))
    shares = np.zeros((len(students), len(cells)))
    for grade in grades:
        if grade.max_points:
            share = grade.points / grade.max_points
            shares[rows[grade.student], columns[grade.cell]] = share
    return shares


def _item(cells: list[CellGrade], shares: NDArray[np.float64], index: int) -> Item:
    """Analyse one cell.

    Args:
        cells: a grade of each cell, for its name, exercise and worth.
        shares: [student, cell].
        index: of the cell.
    """
    item_share = shares[:, index]
    others = _cells_to_compare(cells, index)
    rest_share = item_share
    if others:
        points = np.array([cells[other].max_points for other in others])
        rest_share = shares[:, others] @ points / points.sum()
    is_good = rest_share >= np.quantile(rest_share, 2 / 3)
    good_passed = float(item_share[is_good].mean())
    discrimination = None
    if item_share.std() > 0 and rest_share.std() > 0:
        discrimination = float(np.corrcoef(item_share, rest_share)[0, 1])
    doubt = ""
    if len(shares) >= STUDENTS_NEEDED:
        negative = discrimination is not None and discrimination < 0 and item_share.mean() < 1
        if rest_share[is_good].mean() >= GOOD_SHARE and good_passed < GOOD_PASS:
            doubt = "good students fail it: is the test right? 好学生也未通过：测试是否有误？"
        elif negative:
            doubt = "weaker students pass it more often 得分与能力相反"
    cell = cells[index]
    passed = float(item_share.mean())
    return Item(cell.cell, cell.exercise, passed, good_passed, discrimination, doubt)


def _cells_to_compare(cells: list[CellGrade], index: int) -> list[int]:
    """Return the indices of all cells of other exercises; of all other cells if there are none."""
    item = cells[index]
    of_other_exercises = []
    other_cells = []
    for other, cell in enumerate(cells):
        if cell.exercise != item.exercise:
            of_other_exercises.append(other)
        if other != index:
            other_cells.append(other)
    return of_other_exercises or other_cells


def page(
    name: str,
    grades: Sequence[CellGrade],
    errors: Mapping[str, str],
    font: str = "",
    missing: Sequence[str] = (),
) -> str:
    """Render the report of a class as HTML.

    Args:
        name: of the assignment.
        errors: {student: why the submission could not be graded}.
        font: address of a font for Chinese, for machines that have none.
        missing: who is on the roster and has not handed in.
    """
    table = class_table(grades)
    totals = table.totals()
    shares = np.array(list(totals.values())) / table.best
    spread, _ = np.histogram(shares, bins=10, range=(0, 1))
    environment = Environment(
        loader=FileSystemLoader(TEMPLATE.parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["shorten"] = shorten
    return environment.get_template(TEMPLATE.name).render(
        name=name,
        font=font,
        table=table,
        totals=totals,
        mean=mean(totals.values()) if totals else 0.0,
        spread=spread.tolist(),
        exercises=exercise_summaries(table),
        items=items(grades),
        failures=table.failures.most_common(FREQUENT_FAILURES),
        errors=errors,
        missing=missing,
    )


def students_of(grades: Sequence[CellGrade]) -> list[str]:
    """Return the names of all students who have grades, sorted."""
    return sorted({grade.student for grade in grades})


def class_table(grades: Sequence[CellGrade]) -> ClassTable:
    """Add grades up by student and exercise."""
    students = students_of(grades)
    table = ClassTable(students, {}, {}, {}, Counter())
    for grade in grades:
        table.worth.setdefault(grade.exercise, 0.0)
        if grade.student == students[0]:
            table.worth[grade.exercise] += grade.max_points
    failed: set[tuple[str, str, str]] = set()  # visible and hidden tests may fail alike
    for student in students:
        for exercise in table.worth:
            table.earned[student, exercise] = 0.0
    for grade in grades:
        table.earned[grade.student, grade.exercise] += grade.points
        if grade.reason:
            reason = grade.reason.partition(MISSING_ANSWER_DETAIL)[0]
            table.reasons.setdefault((grade.student, grade.exercise), reason)
            failed.add((grade.student, grade.exercise, reason))
    for _, exercise, reason in sorted(failed):
        table.failures[exercise, reason] += 1
    return table


def exercise_summaries(table: ClassTable) -> list[ExerciseSummary]:
    """Count for each exercise who earned all points, a part, or none."""
    summaries = []
    for exercise, worth in table.worth.items():
        counts = {"full": 0, "part": 0, "none": 0}
        shares = []
        for student in table.students:
            share = table.earned[student, exercise] / worth
            shares.append(share)
            if share >= 1:
                counts["full"] += 1
            elif share == 0:
                counts["none"] += 1
            else:
                counts["part"] += 1
        summaries.append(ExerciseSummary(exercise, worth, mean(shares), counts))
    return summaries
