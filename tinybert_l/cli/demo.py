"""The command that does everything once, from training to graded submissions."""

from pathlib import Path

import click

from tinybert_l.cli import grade_tables, tables
from tinybert_l.cli.courses import open_course
from tinybert_l.cli.options import ModelOptions, model_options, output_option
from tinybert_l.course.tables import console
from tinybert_l.errors import CourseError
from tinybert_l.exercises.registry import NOTEBOOKS
from tinybert_l.grading.course import Course
from tinybert_l.grading.outside.sandbox import problem
from tinybert_l.grading.sample_class import LECTURE, grade_sample_class

QUICK_CLASS = ("perfect", "blank")


@click.command()
@model_options(data=False)
@output_option
def demo(options: ModelOptions, output: Path) -> None:
    """Do everything once: train, measure, release, hand in, grade.

    Trains the teacher and the student, measures the trade-off of the sub-models, releases lecture
    3, lets a sample class hand it in, and grades it.
    """
    folder = output / "quick" if options.quick else output
    written = _train_and_measure(options, folder)
    console().rule("3 one lecture: release, hand in, grade 发布、提交、评分")
    written |= _grade_class(open_sample_course(folder), options.quick)
    tables.show_files(written)


def _train_and_measure(options: ModelOptions, folder: Path) -> dict[str, Path]:
    from tinybert_l.course.measuring import measure_trade_off

    console().rule("1 teacher and joint training 教师与联合训练")
    supernet = options.load_supernet()
    console().rule("2 trade-off 权衡")
    trade_off = measure_trade_off(supernet, folder, options.seconds)
    tables.show_trade_off(trade_off)
    return {
        "results 结果": trade_off.record,
        "Pareto picture 帕累托图": trade_off.picture,
        "teacher 教师": supernet.teacher.folder,
        "supernet 超网络": supernet.folder,
    }


def open_sample_course(folder: Path) -> Course:
    """Return the course that the sample class takes; graded without a sandbox where there is none.

    That is safe, since the submissions of the sample class are ours.
    """
    reason = problem()
    if reason:
        console().print(
            f"[bold red]No sandbox here ({reason}); "
            "the sample class, whose code is ours, is graded without."
        )
    return open_course(folder, unsafe=reason is not None)


def _grade_class(course: Course, quick: bool) -> dict[str, Path]:
    students = QUICK_CLASS if quick else None
    report = grade_sample_class(course, students)
    if not report.graded_anew:
        console().print(
            "Nothing has changed since the class was graded; its grades are shown again."
        )
    grade_tables.show_grades(report.grading, LECTURE)
    if report.differences:
        lines = "\n".join(report.differences)
        raise CourseError(f"Grades differ from those expected:\n{lines}")
    name = NOTEBOOKS[LECTURE]
    return {
        "release 发布": course.folder / "release" / name,
        "grades 成绩": course.folder / "grades.csv",
        "gradebook export": course.folder / "gradebook.csv",
        "feedback 反馈": course.folder / "feedback",
        "report 班级报告": course.folder / f"report-{name}.html",
    }
