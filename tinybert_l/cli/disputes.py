"""The command by which a student asks that an answer is judged anew."""

from pathlib import Path

import click

from tinybert_l.cli.options import FILE, NEW_FOLDER, lecture_argument


@click.command()
@lecture_argument
@click.argument("exercise")
@click.option("--because", required=True, help="Say what is wrong with the points, in your words.")
@click.option(
    "--hand-in",
    type=FILE,
    help="Name the file that you handed in. Default: the zip file of 'submit' here.",
)
@click.option("--student", help="Ask under this id, as at 'submit'. Default: your login name.")
@click.option(
    "--to",
    type=NEW_FOLDER,
    default=Path("."),
    help="Write the file into this folder. Default: here.",
)
def dispute(
    lecture: int, exercise: str, because: str, hand_in: Path | None, student: str | None, to: Path
) -> None:
    """Ask that an EXERCISE of a LECTURE is judged anew.

    Writes a small file that names your hand-in by its hash. Nothing is sent anywhere: hand the file
    in as your teacher says. The answer stands in your next feedback.
    """
    from tinybert_l.course.disputes import write_dispute
    from tinybert_l.course.home import login_name

    path = write_dispute(lecture, exercise, because, student or login_name(), hand_in, to)
    click.echo(f"written: {path}")
    click.echo("Now hand this file in, as your teacher says. 请按教师的要求提交此文件。")
