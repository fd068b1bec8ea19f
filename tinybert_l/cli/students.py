"""The commands of a student: find the way, judge answers, hand in, examine the machine."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tinybert_l.cli import tables
from tinybert_l.cli.doctor import examine
from tinybert_l.cli.options import FILE, FOLDER, LECTURE, require_writable
from tinybert_l.course.judging import judge
from tinybert_l.errors import InvalidInput
from tinybert_l.exercises import registry
from tinybert_l.languages import showing

if TYPE_CHECKING:  # this needs nbformat
    from tinybert_l.course.home import HandIn


@click.command()
@click.option("--lecture", type=LECTURE, help="List only the exercises of this lecture.")
def exercises(lecture: int | None) -> None:
    """List the exercises: points, effort, and what each builds on."""
    tables.show_exercises(registry.exercises(), lecture)


@click.command()
@click.argument("folder", default=".", type=FOLDER)
def home(folder: Path) -> None:
    """Show which of your answers in FOLDER pass visible tests.

    Shows lectures, exercises, the minutes that each takes, and the first test that fails.
    """
    from tinybert_l.course.home import language_of, no_notebook, notebooks_in, rows_in

    rows = rows_in(folder)
    if not rows:
        raise InvalidInput(no_notebook(folder))
    with showing(language_of(notebooks_in(folder).values())):
        tables.show_progress(rows)


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("words", metavar="[FOLDER] [OPTIONS]", nargs=-1, type=click.UNPROCESSED)
@click.option("--no-browser", is_flag=True, help="Print the address and open no browser.")
def lab(words: tuple[str, ...], no_browser: bool) -> None:
    """Open JupyterLab on the course home of FOLDER.

    In [FOLDER] [OPTIONS], the options go to JupyterLab: --port=8890 takes another port.
    """
    from tinybert_l.course.lab import open_lab

    folder, options = _folder_and_options(words)
    open_lab(folder, browser=not no_browser, options=options)


@click.command()
@click.argument("notebook", required=False, type=FILE)
@click.option(
    "--student",
    help="Hand in under this id. Default: that of your own release, else your login name.",
)
@click.option(
    "--to",
    default=".",
    metavar="FOLDER|URL",
    help="Write the zip file into this folder, or send it to this server. Default: here.",
)
def submit(notebook: Path | None, student: str | None, to: str) -> None:
    """Make the zip file to hand in from a NOTEBOOK.

    NOTEBOOK may be left out where a folder holds only one. The zip file holds the notebook without
    outputs, and nothing else. It is sent nowhere, and you upload it yourself, unless --to names the
    course's server (https://…): then a signed receipt comes back at once, and soon what the visible
    tests say. Your token for it is asked for, or taken from TINYBERT_L_TOKEN.
    """
    from tinybert_l.course.home import hand_in, language_of, released_for

    server = _server(to)
    notebook = notebook or _only_notebook(Path("."))
    student = student or released_for(notebook)
    made = hand_in(notebook, student, Path("." if server else to))
    with showing(language_of([notebook])):
        _show_or_send(made, student, server)


@click.command()
@click.argument("exercise")
@click.argument("answer", type=FILE)
@click.option(
    "--notebook",
    type=FILE,
    help="Take the tests from this notebook. Default: the one that sets the exercise.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=1),
    default=120,
    show_default=True,
    help="Stop all tests after so many seconds.",
)
def check(exercise: str, answer: Path, notebook: Path | None, timeout: float) -> None:
    """Judge one ANSWER, a Python file, by the tests of an EXERCISE.

    Exit status 0 only when every test in reach passes. Hidden tests are in reach in an instructor's
    checkout.
    """
    verdicts = judge(exercise, answer, notebook, timeout)
    tables.show_verdicts(exercise, verdicts)
    if not all(verdict.passed for verdict in verdicts):
        sys.exit(1)


@click.command()
def doctor() -> None:
    """Examine this machine, and say what to do about each problem.

    Examines versions, memory, disk, cache, kernel, font and sandbox. Exit status 1 when something
    is missing that everybody needs.
    """
    findings = list(examine())
    tables.show_findings(findings)
    if any(finding.is_problem for finding in findings):
        sys.exit(1)


def _show_or_send(made: "HandIn", student: str, server: str) -> None:
    """Show what is to be handed in; send it where a server is named."""
    tables.show_hand_in(made, student)
    if not server:
        return
    from tinybert_l.course.sending import TOKEN_VARIABLE, send, wait_for_tests

    token = os.environ.get(TOKEN_VARIABLE) or click.prompt("token 凭证", hide_input=True)
    answer = send(server, made.lecture, made.path, token, student)
    tables.show_receipt(answer["receipt"], str(answer.get("late") or ""))
    tables.show_answer(wait_for_tests(server, str(answer["receipt"].get("number")), token))


def _server(to: str) -> str:
    """Return the server that --to names, "" for a folder; refuse what could not be used."""
    from tinybert_l.course.sending import is_address, require_safe

    if not is_address(to):
        require_writable(Path(to))
        return ""
    require_safe(to)
    return to


def _folder_and_options(words: tuple[str, ...]) -> tuple[Path, tuple[str, ...]]:
    """Split what stands behind `lab`: a folder comes first, if there is one."""
    if words and not words[0].startswith("-"):
        return FOLDER(words[0]), words[1:]
    return Path("."), words


def _only_notebook(folder: Path) -> Path:
    from tinybert_l.course.home import no_notebook, notebooks_in

    notebooks = list(notebooks_in(folder).values())
    if not notebooks:
        raise InvalidInput(no_notebook(folder))
    if len(notebooks) > 1:
        names = ", ".join(map(str, notebooks))
        raise InvalidInput(f"Which NOTEBOOK? In this folder: {names}. 请指明要提交的笔记本。")
    return notebooks[0]
