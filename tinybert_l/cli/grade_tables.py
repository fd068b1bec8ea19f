"""Tables and lines that the instructor's commands print, in both languages."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import click
from rich.cells import cell_len

from tinybert_l.cli.tables import show
from tinybert_l.course.home import shorten
from tinybert_l.course.tables import console
from tinybert_l.errors import printable
from tinybert_l.grading.intake import IntakeResult
from tinybert_l.grading.release import Plan
from tinybert_l.grading.results.audit import Change, Entry
from tinybert_l.grading.results.packing import Packed
from tinybert_l.grading.run import CellGrade, Grading

REASON_WIDTH = 70  # characters of a reason in the table of grades
LEAST_REASON = 40  # characters to a line of them; a narrower table leaves the exercises out
BORDER = 3  # characters between two columns


def show_release(lecture: int, plan: Plan, ask: bool) -> None:
    """Print what goes with a release; ask first where answers do.

    Raises:
        click.Abort: the user says no, or cannot be asked.
    """
    click.echo(
        f"Lecture {lecture} goes out without its answers and hidden tests. "
        "发布时不含本讲的答案和隐藏测试。"
    )
    for earlier, reason in plan.withheld.items():
        click.echo(f"answers of lecture {earlier} stay here: {reason}")
    if not plan.answers:
        click.echo("reference answers that go with it 附带的参考答案: none 无")
        return
    numbers = ", ".join(map(str, plan.answers))
    click.echo(f"reference answers that go with it 附带的参考答案: lectures {numbers}")
    if ask:
        click.confirm("Give them out? 确认公布？ (--yes does not ask)", abort=True)


def show_intake(lecture: int, results: Sequence[IntakeResult]) -> None:
    """Print what became of each submission that came in."""
    rows = []
    for result in results:
        prefix = "REFUSED 拒收: " if result.refused else ""
        rows.append((result.who, f"{prefix}{result.outcome}"))
    count = sum(not result.refused for result in results)
    show(f"Lecture {lecture}: {count} taken in 接收", ("who 谁", "what happened 结果"), rows)


def show_grades(grading: Grading, lecture: int) -> None:
    """Print the points of each student for each exercise, and the first reason for lost points.

    Where the terminal is too narrow for all exercises, only the totals are shown.
    """
    exercises: list[str] = []
    by_student: dict[str, list[CellGrade]] = {}
    for grade in grading.grades:
        by_student.setdefault(grade.student, []).append(grade)
        if grade.exercise not in exercises:
            exercises.append(grade.exercise)
    rows = []
    for student, grades in by_student.items():
        rows.append((student, *_points(grades, exercises), _first_reason(grades)))
    for student, reason in grading.errors.items():
        rows.append((student, *["-"] * len(exercises), "ERROR", printable(reason)))
    title = (
        f"Lecture {lecture}: auto-graded points 自动评分 (without manual questions 不含手动评分题)"
    )
    headings = ["student 学生", *exercises, "total 合计", "first reason 首个原因"]
    if _width(headings[:-1], rows) + LEAST_REASON > console().width:
        headings = [headings[0], *headings[-2:]]
        rows = [(row[0], *row[-2:]) for row in rows]
        click.echo("points by exercise 各题得分: grades.csv, report-*.html")
    show(title, headings, rows)
    for student, remark in grading.remarks.items():
        click.echo(f"{student}: {printable(remark)}")
    if grading.missing:
        click.echo(f"not handed in 未提交 ({len(grading.missing)}): {'; '.join(grading.missing)}")
    for notice in grading.notices:
        click.echo(notice)


def _width(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    """Return how many characters these columns take, each at its widest."""
    columns = zip(headings, *(row[: len(headings)] for row in rows), strict=True)
    return sum(max(map(cell_len, column)) + BORDER for column in columns)


def _points(grades: Sequence[CellGrade], exercises: Sequence[str]) -> list[str]:
    """Write a student's points for each exercise, and the sum beside the maximum."""
    points = dict.fromkeys(exercises, 0.0)
    maximum = 0.0
    for grade in grades:
        points[grade.exercise] += grade.points
        maximum += grade.max_points
    total = f"{sum(points.values()):g}/{maximum:g}"
    return [*map("{:g}".format, points.values()), total]


def _first_reason(grades: Sequence[CellGrade]) -> str:
    for grade in grades:
        if grade.reason:
            return printable(shorten(f"{grade.exercise}: {grade.reason}", REASON_WIDTH))
    return ""


def show_packed(packed: Packed, path: Path) -> None:
    """Print where an archive of feedback is, and who is not in it."""
    click.echo(f"{len(packed.names)} pages in 已打包: {path}")
    for notice in packed.notices:
        click.echo(notice)
    for student, reason in packed.left_out.items():
        click.echo(f"left out 未包含: {student}: {reason}")


def show_changes(changes: Sequence[Change], lecture: int) -> None:
    """Print which points differ between each student's last two gradings."""
    rows = []
    for change in changes:
        points = (str(change.before), str(change.after))
        rows.append((change.student, change.cell, *points, change.why))
    headings = ("student 学生", "cell 单元格", "before 此前", "after 现在", "because of 原因")
    show(f"Lecture {lecture}: {len(rows)} changes 变动", headings, rows)


def show_proof(verdicts: Mapping[str, Entry], record: Path) -> None:
    """Print how many submissions are graded, each by its own entry in the record."""
    count = sum(entry["event"] == "graded" for entry in verdicts.values())
    click.echo(f"Proved: {count} submissions graded, each by its own entry in {record}. 审计通过。")


def show_other_programs(lines: Sequence[str]) -> None:
    """Print which grades another version of the program gave."""
    for line in lines:
        click.echo(line)
