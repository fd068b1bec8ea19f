"""The report of a class counts students and cuts texts between words."""

import ast

from tinybert_l.course.judging import what_is_asked
from tinybert_l.grading.results.grades import CellGrade
from tinybert_l.grading.results.report import class_table, page


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
    cell = shown.rpartition("<td>flops: ")[2].partition("</td>")[0]
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
