"""The course that an instructor's command works on, and the commands that make one."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Concatenate, ParamSpec

import click

from tinybert_l.cli.options import FILE, NEW_FOLDER, encoding_option, require_writable
from tinybert_l.errors import InvalidInput
from tinybert_l.grading.course import MATERIAL, Course
from tinybert_l.grading.csv_files import encoding_notice
from tinybert_l.grading.identities import match
from tinybert_l.grading.rosters import Person, read_roster
from tinybert_l.grading.setup import enrol, init, read_people

P = ParamSpec("P")


def open_course(output: Path | None, unsafe: bool = False) -> Course:
    """Return the course that a command works on.

    Args:
        output: the folder that holds course/; None: the course around the current folder, told by
            its course.toml, else outputs/course.
        unsafe: grade without isolation.
    """
    course = Course.around(Path.cwd()) if output is None else None
    if course is None:
        course = Course(((output or Path("outputs")) / "course").resolve())
    return replace(course, unsafe=unsafe)


def pass_course(command: Callable[Concatenate[Course, P], None]) -> Callable[..., None]:
    """Add the option --output to a command, which gets its `Course` as the first argument."""

    @click.option(
        "--output",
        type=NEW_FOLDER,
        help="Use the course in this folder's course/. Default: the course around here "
        "(course.toml), else outputs/course.",
    )
    @functools.wraps(command)
    def with_course(
        output: Path | None, unsafe: bool = False, *args: P.args, **kwargs: P.kwargs
    ) -> None:
        course = open_course(output, unsafe)
        if output is None:
            _require_course(course)
        command(course, *args, **kwargs)

    return with_course


def _require_course(course: Course) -> None:
    """Refuse to make a course by mistake, outside the one that was meant; a checkout has its own.

    Raises:
        InvalidInput: says how to make one.
    """
    if not course.folder.is_dir() and Path.cwd() != MATERIAL:
        raise InvalidInput(
            "No course here: cd into its folder, or make one with 'tinybert-l course init FOLDER'. "
            "此处没有课程：进入课程文件夹，或新建一个。"
        )


def show_encoding(table: Path | None) -> None:
    """Say how a table was read that does not say its encoding."""
    notice = encoding_notice(table) if table is not None else ""
    if notice:
        click.echo(notice)


@click.group()
def course() -> None:
    """Make a course of your own; enter the people who take part."""


@course.command("init")
@click.argument("folder", type=NEW_FOLDER)
@click.option(
    "--id", "course_id", help="Give the course this name in nbgrader. Default: the folder's."
)
@click.option(
    "--roster",
    type=FILE,
    help="Enter the people of this CSV file, with a column id and, where known, first_name, "
    "last_name, email.",
)
def course_init(folder: Path, course_id: str | None, roster: Path | None) -> None:
    """Make a course in a new FOLDER.

    Writes configuration, calendar, notebooks, answers, roster and gradebook. The other commands
    then work inside it without any option.
    """
    require_writable(folder)
    made = init(folder, course_id, roster)
    show_encoding(roster)
    click.echo(f"made: {made.folder}")
    click.echo(f"Now: cd {folder} && tinybert-l release 1    (README.md there lists the steps)")


@course.command("roster")
@click.argument("file", required=False, type=FILE)
@click.option(
    "--match",
    "with_match",
    is_flag=True,
    help="From now on take in an LMS's submissions under the roster's ids.",
)
@encoding_option
@pass_course
def course_roster(course: Course, file: Path | None, with_match: bool, encoding: str) -> None:
    """Write the people of a CSV FILE into the gradebook.

    FILE is the course's roster.csv when left out.
    """
    own = course.folder / "roster.csv"
    people = read_people(file, encoding) if file else read_roster(own, encoding)
    if not encoding:
        show_encoding(file)
    click.echo(f"{enrol(course, people)} people in the gradebook 名单人数")
    if with_match:
        _match_names(course, people)


def _match_names(course: Course, people: Sequence[Person]) -> None:
    """Let `collect` know the roster's people by their names; tell whose names are shared."""
    identities, shared = match(people)
    identities.write(course.folder)
    click.echo(f"{len(people)} people are known by name to 'collect' 已与平台姓名对应")
    for line in shared:
        click.echo(f"several people have this name, nobody is guessed 同名: {line}")
