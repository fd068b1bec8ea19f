"""The report of a class counts students and cuts texts between words."""

import ast

import pytest

from tinybert_l.cli import grade_tables
from tinybert_l.course.judging import what_is_asked
from tinybert_l.grading.results.grades import CellGrade
from tinybert_l.grading.results.report import class_table, page
from tinybert_l.grading.run import Grading


def grades(student: str, reason: str) -> list[CellGrade]:
    """Both test cells of an exercise, failed for the same reason."""
    cells = ("test_flops", "test_flops_hidden")
    return [CellGrade(student, "flops", cell, 0.0, 2.0, reason) for cell in cells]


def test_a_failed_check_is_counted_once_a_student():
    table = class_table([*grades("ann", "twice as many"), *grades("bo", "twice as many")])
    assert dict(table.failures) == {("flops", "twice as many"): 2}
    assert table.earned["ann", "flops"] == 0 and table.worth["flops"] == 4


def test_a_long_reason_is_cut_between_words():
    shown = page("11-references", grades("ann", "multiplication " * 20), {})
    cell = shown.rpartition("flops: ")[2].partition("</td>")[0]
    assert cell.endswith("multiplication…"), cell
    assert len(cell) < 140
    assert "times 次数" not in shown


def test_a_passed_check_is_named_by_what_it_asks():
    (statement,) = ast.parse("assert f(4) == [1, 3], f'f(4) should be [1, 3]; got {f(4)}'").body
    assert what_is_asked(statement) == "f(4) == [1, 3]"
    code = "try:\n    f(0)\nexcept ValueError as error:\n    assert str(error)"
    (statement,) = ast.parse(code).body
    assert what_is_asked(statement) == "f(0) raises ValueError"
    (statement,) = ast.parse("for n in range(3):\n    assert f(n)").body
    assert what_is_asked(statement) == ""


def lecture_with_nine_exercises() -> Grading:
    """One student, whose first answer is wrong."""
    names = [f"exercise_number_{number}" for number in range(9)]
    grades = [CellGrade("ann", name, f"test_{name}", 2.0, 2.0, "") for name in names]
    grades[0] = CellGrade("ann", names[0], "test_0", 0.0, 2.0, "got [1, 3] where [1, 5] is right")
    return Grading(grades, {})


@pytest.mark.parametrize("columns", [80, 120, 300])
def test_the_table_of_grades_fits_its_terminal_and_tells_the_reason(monkeypatch, capsys, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    grade_tables.show_grades(lecture_with_nine_exercises(), 3)
    shown = capsys.readouterr().out
    assert "16/18" in shown and "got [1, 3]" in shown
    assert ("exercise_number_8" in shown) == (columns == 300)
    assert ("grades.csv" in shown) == (columns < 300)


def test_the_report_has_the_reason_beside_the_total():
    """Behind nine exercises it would be beyond the right edge, in a column of three words."""
    shown = page("03-architecture", lecture_with_nine_exercises().grades, {})
    row = shown.partition("<td>ann</td>")[2]
    assert row.index("got [1, 3]") < row.index('title="got [1, 3]') and 'class="why"' in row
