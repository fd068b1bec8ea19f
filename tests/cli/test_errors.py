"""A user's mistake is one line; a fault of the program shows its traceback."""

import signal
import sys

import click
import pytest
from click.testing import CliRunner

from tinybert_l import cli
from tinybert_l.cli import stopping
from tinybert_l.cli.lazy import LazyGroup
from tinybert_l.errors import CourseError, InvalidInput


def run(error: BaseException):
    """Run a command that raises, in a group like the program's."""

    @click.group(cls=LazyGroup)
    def program() -> None:
        """A program."""

    @program.group()
    def nested() -> None:
        """A group inside the program, as `course` is."""

    @nested.command()
    def fail() -> None:
        """Raise the error."""
        raise error

    return CliRunner().invoke(program, ["nested", "fail"])


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (CourseError("the course is busy"), "Error: the course is busy\n"),
        (InvalidInput("--seed -1; allowed: 0 or more."), "Error: --seed -1; allowed: 0 or more.\n"),
        (
            FileNotFoundError(2, "No such file", "a.csv"),
            "Error: a.csv: there is no such file or folder. 文件或文件夹不存在。\n",
        ),
        (
            PermissionError(13, "Denied", "/x"),
            "Error: /x: no permission; choose a folder that is yours. 没有权限。\n",
        ),
        (
            OSError(30, "Read-only file system", "/x"),
            "Error: /x: it is read-only; choose a folder that can be written. 只读，不能写入。\n",
        ),
        (
            FileNotFoundError(2, "No usable temporary directory found in ['/tmp']"),
            "Error: no folder for temporary files can be written; set TMPDIR to one that can, or "
            "make room in /tmp. 没有可写的临时目录，请设置TMPDIR。\n",
        ),
        (
            OSError(28, "No space"),
            "Error: the disk is full; make room and run the command again. 磁盘已满。\n",
        ),
        (OSError(5, "Input/output error", "/x"), "Error: /x: Input/output error.\n"),
        (FileNotFoundError("roster.csv is missing."), "Error: roster.csv is missing.\n"),
    ],
)
def test_a_mistake_of_the_user_is_one_line(error, line):
    result = run(error)
    assert (result.exit_code, result.stderr, result.stdout) == (1, line, "")


@pytest.mark.parametrize("kind", [CourseError, OSError])
def test_debugging_shows_the_traceback_of_a_mistake(monkeypatch, kind):
    monkeypatch.setenv("TINYBERT_L_DEBUG", "1")
    assert type(run(kind("a mistake")).exception) is kind


@pytest.mark.parametrize(
    "kind",
    [RuntimeError, ValueError, TypeError, KeyError, NotImplementedError, ZeroDivisionError],
)
def test_a_fault_of_the_program_shows_its_traceback(kind):
    result = run(kind("a fault"))
    assert type(result.exception) is kind and result.stderr == ""


def test_click_s_own_ways_to_end_are_left_alone():
    assert run(click.exceptions.Exit(3)).exit_code == 3
    usage = run(click.BadParameter("no such lecture"))
    assert usage.exit_code == 2 and "no such lecture" in usage.stderr


@pytest.mark.parametrize(
    ("error", "status"), [(KeyboardInterrupt(), 130), (stopping.Terminated(), 143)]
)
def test_a_command_that_is_stopped_ends_with_a_sentence_and_the_status_of_its_signal(error, status):
    result = run(error)
    assert (result.exit_code, result.stderr) == (status, f"\n{stopping.STOPPED}\n")


def test_sigterm_ends_a_command_as_ctrl_c_does(monkeypatch, capsys):
    """Also where it comes before the command is found, or after it has ended."""
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(sys, "argv", ["tinybert-l", "exercises"])
    monkeypatch.setattr("tinybert_l.cli.app.main", lambda: signal.raise_signal(signal.SIGTERM))
    try:
        with pytest.raises(SystemExit) as end:
            cli.run()
    finally:
        signal.signal(signal.SIGTERM, before)
    assert end.value.code == 143 and capsys.readouterr().err == f"\n{stopping.STOPPED}\n"


def test_an_unknown_command_is_answered_with_those_like_it():
    from tinybert_l.cli.app import main

    result = CliRunner().invoke(main, ["trian"])
    assert result.exit_code == 2 and "train" in result.stderr
