"""The command that compares the answers of a class."""

import click

from tinybert_l.cli.courses import pass_course
from tinybert_l.cli.options import lecture_argument
from tinybert_l.cli.tables import show
from tinybert_l.errors import printable
from tinybert_l.grading.course import Course
from tinybert_l.grading.likeness.find import ClassLikeness, blind_names, compare_class
from tinybert_l.grading.likeness.page import expected_in_words, page
from tinybert_l.grading.results.lms import to_csv
from tinybert_l.grading.written import Written

ROWS_SHOWN = 20  # pairs in the terminal; the page has all


@click.command()
@lecture_argument
@click.option("--exercise", default="", help="Compare the answers to this exercise alone.")
@click.option(
    "--blind", is_flag=True, help="Show numbers in place of names; whose they are goes into a file."
)
@click.option(
    "--lang",
    type=click.Choice(["zh", "en"]),
    help="Write the page in this language. Default: both.",
)
@pass_course
def similar(course: Course, lecture: int, exercise: str, blind: bool, lang: str | None) -> None:
    """Show which answers of a LECTURE are unusually alike.

    Writes a page with pairs of answers side by side and how often independent answers would be as
    alike. It says what was measured, and accuses nobody. Submissions are read, and never run.
    """
    likeness = compare_class(course, lecture, exercise)
    names = blind_names(likeness) if blind else {}
    _write(course, likeness, page(likeness, blind, lang), names)
    _show(likeness, names)


def _write(course: Course, likeness: ClassLikeness, text: str, names: dict[str, str]) -> None:
    written = Written(course.folder, "similar")
    path = written.write(course.folder / f"similar-{likeness.name}.html", text)
    click.echo(f"written: {path}")
    if names:
        rows = [{"number": number, "student": student} for student, number in names.items()]
        name = f"similar-{likeness.name}-names.csv"
        key = written.write(course.folder / name, to_csv(rows))
        click.echo(f"whose numbers they are 编号对照: {key}")


def _show(likeness: ClassLikeness, names: dict[str, str]) -> None:
    rows = []
    for exercise, pair in likeness.listed()[:ROWS_SHOWN]:
        people = []
        for index in (pair.first, pair.second):
            student = exercise.answers[index].student
            people.append(printable(names.get(student, student)))
        likely = expected_in_words(pair.expected)
        rows.append((exercise.item.name, *people, f"{100 * pair.score:.0f} %", likely))
    headings = ("exercise 练习", "student 学生", "student 学生", "likeness 相似度", "expected 预期")
    show(
        f"{likeness.name}: unusually alike 异常相似; this proves nothing 不构成证据", headings, rows
    )
    for exercise in likeness.exercises:
        if exercise.comparison.nothing:
            click.echo(
                f"{exercise.item.name}: likeness means nothing 相似不说明问题: "
                f"{exercise.comparison.nothing}"
            )
    for student, why in likeness.unread.items():
        who = names.get(student, "?") if names else printable(student)
        click.echo(f"not compared 未比较: {who}: {printable(why)}")
