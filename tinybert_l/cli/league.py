"""The commands of the league: held-out sentences, judging, the table and its page."""

from pathlib import Path

import click

from tinybert_l.cli import league_tables
from tinybert_l.cli.courses import pass_course
from tinybert_l.cli.options import FILE, FILE_OR_FOLDER, FOLDER, NEW_FOLDER
from tinybert_l.course.capstone.entries import teacher_folder, write_first_entries
from tinybert_l.grading.course import MATERIAL, Course
from tinybert_l.grading.league import heldout, page
from tinybert_l.grading.league.book import Book
from tinybert_l.grading.league.judge import judge
from tinybert_l.grading.league.table import make_table
from tinybert_l.grading.written import beside

LEAGUE = "capstone"  # folder in the course's


@click.group()
def league() -> None:
    """Judge capstone entries in the sandbox; publish the table."""


@league.command("holdout")
@click.option(
    "--count",
    type=click.IntRange(min=1),
    default=heldout.COUNT,
    show_default=True,
    help="Draw so many sentences.",
)
@click.option(
    "--texts",
    type=FILE,
    help="Take the sentences of this CSV file, with columns text and label, in place of drawing.",
)
@pass_course
def league_holdout(course: Course, count: int, texts: Path | None) -> None:
    """Write the held-out sentences that entries are judged on.

    They are drawn by a secret of this course among sentences that the course's training never sees.
    These are public all the same; sentences of your own, such as new ones that the class writes,
    are really unseen.
    """
    folder = course.folder / LEAGUE
    notebooks = MATERIAL / "notebooks"
    made = heldout.draw(folder, count, notebooks) if texts is None else heldout.take(folder, texts)
    league_tables.show_held_out(made, heldout.read_held_out(folder))


@league.command("first-entries")
@click.argument("folder", type=NEW_FOLDER)
@click.option(
    "--student",
    type=FOLDER,
    help="Take sub-models of this trained student, such as outputs/records/headline-…-0. Default: "
    "the course's own.",
)
def league_first_entries(folder: Path, student: Path | None) -> None:
    """Write into FOLDER the entries that a league begins with.

    They are a bag of words and two sub-models in int8. What is missing is trained first.
    """
    league_tables.show_written(write_first_entries(folder, student))


@league.command("judge")
@click.argument("entries", nargs=-1, required=True, type=FILE_OR_FOLDER)
@click.option("--again", is_flag=True, help="Judge anew what was judged on these sentences.")
@pass_course
def league_judge(course: Course, entries: tuple[Path, ...], again: bool) -> None:
    """Judge ENTRIES, folders or zip files, on the held-out sentences.

    The same file name takes the place of what it handed in before. What was judged already is left
    as it is, so that a run that was stopped goes on. Exit status 1 where one is refused.
    """
    folder = course.folder / LEAGUE
    held_out = heldout.read_held_out(folder)
    book = judge(folder, entries, held_out, teacher_folder(), click.echo, again)
    league_tables.show_league(make_table(book, held_out.sha256))
    league_tables.exit_if_refused(book, entries)


@league.command("table")
@pass_course
def league_table(course: Course) -> None:
    """Show the table, with intervals and shared places."""
    folder = course.folder / LEAGUE
    held_out = heldout.read_held_out(folder)
    league_tables.show_league(make_table(Book.read(folder), held_out.sha256))


@league.command("page")
@click.option("--to", type=NEW_FOLDER, help="Write into this folder. Default: the league's own.")
@pass_course
def league_page(course: Course, to: Path | None) -> None:
    """Write the table as a static page in each language, without scripts."""
    folder = course.folder / LEAGUE
    held_out = heldout.read_held_out(folder)
    table = make_table(Book.read(folder), held_out.sha256)
    places = page.write_pages(table, held_out, to or folder / "page", course.folder)
    league_tables.show_written([*places.values()])
    for said in filter(None, map(beside, places, places.values())):
        click.echo(said)
