"""The sample class is graded once, compared with the grades expected, and graded anew if needed."""

import pytest

from tinybert_l.grading import sample_class
from tinybert_l.grading.course import Course
from tinybert_l.grading.run import CellGrade, Grading
from tinybert_l.grading.sample_class import LECTURE, grade_sample_class

STUDENTS = ["perfect", "blank"]


class Grader:
    """Stands for release, hand_in and grade; notes what it was asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.released = 0
        self.again: list[bool] = []
        self.given: dict[tuple[str, str], float] = {}  # points other than those deserved
        self.errors: dict[str, str] = {}
        for name in ("release", "hand_in", "grade"):
            monkeypatch.setattr(sample_class, name, getattr(self, name))

    def release(self, course, lecture):
        self.released += 1
        return course.folder / "release"

    def hand_in(self, course, released, students):
        for student in students:
            path = course.submission(student, LECTURE)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("{}")

    def grade(self, course, lecture, students, options):
        self.again.append(options.again)
        grades = []
        for student in students:
            for cell, points in sample_class.expected_points(course, student).items():
                points = self.given.get((student, cell), points)
                grades.append(CellGrade(student, "", cell, points, 2.0, ""))
        return Grading(grades, self.errors)


@pytest.fixture
def grader(monkeypatch) -> Grader:
    return Grader(monkeypatch)


@pytest.fixture
def course(tmp_path) -> Course:
    return Course(tmp_path / "course")


def test_a_class_that_has_not_changed_is_graded_once(course, grader):
    first = grade_sample_class(course, STUDENTS)
    second = grade_sample_class(course, STUDENTS)
    assert first.graded_anew and not second.graded_anew
    assert first.differences == second.differences == []
    assert grader.released == 1 and grader.again == [True, False]


def test_other_students_or_a_changed_library_are_graded_anew(course, grader):
    grade_sample_class(course, STUDENTS)
    assert grade_sample_class(course, [*STUDENTS, "wrong_idea"]).graded_anew
    (course.folder / sample_class.STAMP).write_text("of another library")
    assert grade_sample_class(course, [*STUDENTS, "wrong_idea"]).graded_anew


def test_a_grade_that_differs_is_told(course, grader):
    grader.given["perfect", "test_layer_map"] = 0.0
    report = grade_sample_class(course, STUDENTS)
    assert report.differences == [
        "perfect: test_layer_map got 0, written down beforehand 2",
    ]
    assert report.expected["perfect"]["test_layer_map"] == 2.0


def test_a_student_who_is_not_graded_is_told_and_the_class_graded_anew(course, grader):
    grader.errors["blank"] = "no space"
    assert grade_sample_class(course, STUDENTS).differences == ["blank: not graded: no space"]
    grader.errors.clear()
    assert grade_sample_class(course, STUDENTS).graded_anew
