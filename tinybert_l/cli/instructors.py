"""The commands around a lecture: release it, take in what students hand in, write answers."""

import sys
from pathlib import Path

import click

from tinybert_l.cli import grade_tables
from tinybert_l.cli.courses import pass_course, show_encoding
from tinybert_l.cli.options import (
    FILE,
    FILE_OR_FOLDER,
    LECTURES,
    LectureChoice,
    lecture_argument,
)
from tinybert_l.course.authoring import write_answers
from tinybert_l.course.quiz_questions import quiz_file
from tinybert_l.errors import InvalidInput
from tinybert_l.exercises.registry import NOTEBOOKS
from tinybert_l.grading import release as releases
from tinybert_l.grading.course import MATERIAL, Course
from tinybert_l.grading.intake import collect_archive
from tinybert_l.grading.sample_class import LECTURE, SAMPLE_STUDENTS, hand_in

WITHOUT_WHEEL = (
    "It holds no wheel: no package index has tinybert-l yet, and its README installs "
    f"./{releases.STUDENTS_WHEEL}. Hand that file out too, or release again with --wheel "
    "and its path. "
    "压缩包里没有wheel文件：请另发给学生，或加--wheel重新发布。"
)


@click.command()
@lecture_argument
@click.option(
    "--lang", type=click.Choice(["zh", "en"]), help="Keep only this language. Default: both."
)
@click.option(
    "--wheel",
    type=FILE,
    help="Add the library's wheel, which students install: no package index has it.",
)
@click.option(
    "--answers",
    type=LECTURES,
    help="Give out the reference answers of these earlier lectures: all, none, or numbers such as "
    "1,2. Default: those whose late period has ended (course.toml).",
)
@click.option("--yes", is_flag=True, help="Give the answers out without asking, in a script.")
@click.option(
    "--per-student",
    is_flag=True,
    help="Give everybody in the gradebook numbers of their own: a zip file each.",
)
@pass_course
def release(
    course: Course,
    lecture: int,
    lang: str | None,
    wheel: Path | None,
    answers: LectureChoice | None,
    yes: bool,
    per_student: bool,
) -> None:
    """Make the student version of a LECTURE; scan it for answers.

    Writes a folder under release/, and the same as a zip file under handouts/. Says what goes with
    it, and asks first where reference answers of earlier lectures do. A release that holds another
    answer, or a hidden test, is withdrawn. With --per-student the zip files lie in a folder of
    handouts/, named after the students; grading knows whose numbers are whose.
    """
    chosen = None if answers is None else answers.before(lecture)
    grade_tables.show_release(lecture, releases.plan(course, lecture, chosen), ask=not yes)
    released = releases.release(course, lecture, lang, wheel, chosen, per_student)
    click.echo(f"released: {released}")
    click.echo(f"for students: {releases.handout(course, lecture, per_student)}")
    if wheel is None:
        click.echo(WITHOUT_WHEEL)


@click.command("sample-class")
@click.option(
    "--student", "students", multiple=True, help="Hand in for this student only; may be repeated."
)
@pass_course
def sample_class(course: Course, students: tuple[str, ...]) -> None:
    """Let a sample class of seven hand in lecture 3."""
    _require_sample_students(students)
    for student in hand_in(course, _released_folder(course, LECTURE), students):
        click.echo(f"handed in: {course.submission(student, LECTURE)}")


@click.command()
@lecture_argument
@click.argument("archive", type=FILE_OR_FOLDER)
@click.option(
    "--names",
    "encoding",
    default="",
    metavar="ENCODING",
    help="Read names in the zip file so, such as gb18030. Default: found out.",
)
@click.option(
    "--handed-in",
    type=FILE,
    help="Take the times of handing in from this CSV file, with columns id and handed_in.",
)
@pass_course
def collect(
    course: Course, lecture: int, archive: Path, encoding: str, handed_in: Path | None
) -> None:
    """Take in the submissions of a LECTURE from an ARCHIVE.

    ARCHIVE is a zip file of Moodle or Canvas, a plain zip file, or a folder. Originals are kept for
    good under received/. What is refused is listed with its reason; exit status 1 then.
    """
    results = collect_archive(course, lecture, archive, encoding, handed_in)
    if not results:
        raise InvalidInput(f"{archive} is empty: nothing was taken in. 其中没有任何文件。")
    show_encoding(handed_in)
    grade_tables.show_intake(lecture, results)
    if any(result.refused for result in results):
        sys.exit(1)


@click.command()
@click.option(
    "--check",
    "only_check",
    is_flag=True,
    help="Report differences and write nothing; exit status 1 if there are any.",
)
def answers(only_check: bool) -> None:
    """Write the notebooks' answer cells from solutions/."""
    changed = _write_all_answers(only_check)
    click.echo(f"{'differ' if only_check else 'written'}: {', '.join(changed) or 'none'}")
    if only_check and changed:
        sys.exit(1)


def _write_all_answers(only_check: bool) -> list[str]:
    """Write the answer cells of all lectures that have a notebook and answers; name the changed."""
    sources, solutions = MATERIAL / "notebooks", MATERIAL / "solutions"
    changed = []
    for lecture, name in NOTEBOOKS.items():
        has_answers = (solutions / f"lecture_{lecture:02d}.py").is_file()
        has_answers = has_answers or quiz_file(solutions, lecture).is_file()
        if has_answers and (sources / name).is_dir():
            changed += write_answers(sources, solutions, lecture, only_check)
    return changed


def _require_sample_students(students: tuple[str, ...]) -> None:
    unknown = sorted(set(students) - set(SAMPLE_STUDENTS))
    if unknown:
        allowed = ", ".join(SAMPLE_STUDENTS)
        raise InvalidInput(f"--student {', '.join(unknown)}; allowed: {allowed}.")


def _released_folder(course: Course, lecture: int) -> Path:
    folder = course.folder / "release" / NOTEBOOKS[lecture]
    if not folder.is_dir():
        raise InvalidInput(f"{folder} is missing: run 'tinybert-l release {lecture}' first.")
    return folder
