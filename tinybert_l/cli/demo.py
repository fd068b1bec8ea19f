"""The command that does everything once, from training to graded submissions."""

from pathlib import Path

import click

from tinybert_l.cli import grade_tables, tables
from tinybert_l.cli.courses import open_course
from tinybert_l.cli.forecast import STEPS, StepTimes
from tinybert_l.cli.options import ModelOptions, model_options, output_option
from tinybert_l.course.tables import console
from tinybert_l.errors import CourseError
from tinybert_l.exercises.registry import NOTEBOOKS
from tinybert_l.grading.course import Course
from tinybert_l.grading.outside.sandbox import problem
from tinybert_l.grading.sample_class import LECTURE, grade_sample_class, sample_class_is_graded

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
    tables.show_files(_do_everything(options, folder))


def _do_everything(options: ModelOptions, folder: Path) -> dict[str, Path]:
    course = open_sample_course(folder)
    students = QUICK_CLASS if options.quick else None
    times = StepTimes(folder, "quick" if options.quick else "full")
    times.show_forecast(_finished_steps(options, folder, course, students))
    written = _train_and_measure(options, folder, times)
    console().rule(STEPS["grading"])
    with times.step("grading"):
        written |= _grade_class(course, students)
    return written


def _finished_steps(
    options: ModelOptions, folder: Path, course: Course, students: tuple[str, ...] | None
) -> set[str]:
    from tinybert_l.course.measuring import find_trade_off
    from tinybert_l.method.joint import load_supernet, supernet_is_cached

    finished = set()
    if supernet_is_cached(options.student_recipe, options.load_teacher()):
        finished.add("training")
        supernet = load_supernet(options.student_recipe, options.teacher_recipe)
        if find_trade_off(supernet, folder):
            finished.add("measuring")
    if sample_class_is_graded(course, students):
        finished.add("grading")
    return finished


def _train_and_measure(options: ModelOptions, folder: Path, times: StepTimes) -> dict[str, Path]:
    from tinybert_l.course.measuring import find_trade_off, measure_trade_off

    console().rule(STEPS["training"])
    with times.step("training"):
        supernet = options.load_supernet()
    console().rule(STEPS["measuring"])
    trade_off = find_trade_off(supernet, folder)
    if trade_off:
        click.echo(f"Measured before; {trade_off.record} holds it. 已测量过。")
    else:
        with times.step("measuring"):
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
        warning = (
            f"No sandbox here ({reason}); the sample class, whose code is ours, is graded without."
        )
        click.secho(warning, fg="red", bold=True)
    return open_course(folder, unsafe=reason is not None)


def _grade_class(course: Course, students: tuple[str, ...] | None) -> dict[str, Path]:
    report = grade_sample_class(course, students)
    if not report.graded_anew:
        click.echo("Nothing has changed since the class was graded; its grades are shown again.")
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
