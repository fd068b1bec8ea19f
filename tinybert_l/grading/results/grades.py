"""The grades of a class as the audit has them."""

from dataclasses import dataclass, field

from tinybert_l.grading.arrivals import RELEASED_FOR
from tinybert_l.grading.assignment import Assignment, exercise_of
from tinybert_l.grading.results.audit import Audit, Entry


@dataclass(frozen=True)
class CellGrade:
    """One auto-graded cell of one submission."""

    student: str
    exercise: str
    cell: str
    points: float
    max_points: float
    reason: str


@dataclass(frozen=True)
class Grading:
    """The outcome of a grading run.

    Args:
        grades: by student, then in the order of the assignment's tests.
        errors: {student: why the submission could not be graded}.
        missing: who is on the roster and has not handed in.
        remarks: {student: what a person has to look at}.
        notices: sentences on the run as a whole.
    """

    grades: list[CellGrade]
    errors: dict[str, str]
    missing: list[str] = field(default_factory=list)
    remarks: dict[str, str] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)

    def of(self, students: list[str]) -> "Grading":
        """Return the part of these students, in their order."""
        by_student: dict[str, list[CellGrade]] = {}
        for grade in self.grades:
            by_student.setdefault(grade.student, []).append(grade)
        grades: list[CellGrade] = []
        errors = {}
        for student in students:
            grades += by_student.get(student, [])
            if student in self.errors:
                errors[student] = self.errors[student]
        remarks = {name: text for name, text in self.remarks.items() if name in students}
        return Grading(grades, errors, remarks=remarks, notices=self.notices)


def grades_on_record(audit: Audit, assignment: Assignment) -> Grading:
    """Read an assignment's grades from the audit: the last one of each student's cell.

    A student whose last submission could not be graded has an error and no grades.
    """
    by_student: dict[str, dict[str, CellGrade]] = {}
    errors: dict[str, str] = {}
    remarks: dict[str, str] = {}
    for entry in audit.entries():
        if entry.get("assignment") != assignment.name:
            continue
        student = entry.get("student", "")
        if entry["event"] == "error":
            errors[student] = entry["reason"]
        elif entry["event"] == "received":
            told = [note for note in entry.get("notes", ()) if str(note).startswith(RELEASED_FOR)]
            remarks.update(dict.fromkeys([student], told[0]) if told else {})
        elif entry["event"] == "graded":
            errors.pop(student, None)
            by_student.setdefault(student, {}).update(_grades_of(entry))
    tests = assignment.tests()
    grades = []
    for student, by_cell in sorted(by_student.items()):
        if student not in errors:
            grades += [by_cell[test] for test in tests if test in by_cell]
    return Grading(grades, errors, remarks=remarks)


def _grades_of(entry: Entry) -> dict[str, CellGrade]:
    """Return {cell: grade} of an entry of the audit."""
    grades = {}
    for verdict in entry["verdicts"]:
        cell = verdict["cell"]
        points = verdict["points"] or 0.0
        grades[cell] = CellGrade(
            entry["student"], exercise_of(cell), cell, points, verdict["max"], verdict["reason"]
        )
    return grades
