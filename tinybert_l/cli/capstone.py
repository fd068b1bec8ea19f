"""The commands of the capstone: begin, check an entry, pack it for handing in."""

from pathlib import Path

import click

from tinybert_l.cli import league_tables
from tinybert_l.cli.options import FILE_OR_FOLDER, NEW_FOLDER


@click.group()
def capstone() -> None:
    """Build the best small classifier under a budget; hand it in."""


@capstone.command("new")
@click.argument("folder", type=NEW_FOLDER)
def capstone_new(folder: Path) -> None:
    """Write the baseline notebook into a new FOLDER."""
    from tinybert_l.course.capstone.baseline import write_baseline

    path = write_baseline(folder)
    click.echo(f"written: {path}")
    click.echo(f"Now: tinybert-l lab {folder}, or open it in any editor 打开笔记本即可")


@capstone.command("check")
@click.argument("entry", type=FILE_OR_FOLDER)
@click.option(
    "--no-times", is_flag=True, help="Check and count right answers, and measure no time."
)
def capstone_check(entry: Path, no_times: bool) -> None:
    """Check an ENTRY, a folder or zip file, as the league does.

    Rules and size are those of the league. Accuracy is that on the validation sentences, and the
    time is this machine's: the league measures both anew.
    """
    from tinybert_l.course.capstone.checking import check

    league_tables.show_check(check(entry, timed=not no_times))


@capstone.command("submit")
@click.argument("entry", type=FILE_OR_FOLDER)
@click.option("--student", help="Hand in under this id. Default: your login name.")
@click.option(
    "--to", type=NEW_FOLDER, default=Path("."), help="Write the zip file into this folder."
)
def capstone_submit(entry: Path, student: str | None, to: Path) -> None:
    """Make the zip file to hand in from an ENTRY.

    Nothing is sent anywhere: upload it yourself. What breaks a rule is not packed.
    """
    from tinybert_l.course.capstone.checking import pack

    league_tables.show_packed(*pack(entry, student, to))
