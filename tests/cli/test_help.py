"""Every command explains itself, and the list of commands is shown without importing any."""

import ast
import inspect
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from tinybert_l import cli
from tinybert_l.cli.app import MODULES, main

HEAVY = ("torch", "transformers", "pandas", "nbgrader", "nbformat", "rich", "matplotlib", "numpy")
LIST_WIDTH = 62  # characters beside the names, in a terminal of 80 columns


def walk(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        for part in command.commands:
            yield from walk(f"{name} {part}".strip(), command.commands[part])


COMMANDS = dict(walk("", main))
OPTIONS = {
    f"{name} {option.opts[0]}": option
    for name, command in COMMANDS.items()
    for option in command.params
    if isinstance(option, click.Option)
}


def imported_by(*words: str) -> set[str]:
    """The heavy packages that a command imports, in a process of its own."""
    code = (
        "import sys\n"
        "from tinybert_l.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "finally: print(*sys.modules, file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=True
    )
    return set(done.stderr.split()) & set(HEAVY)


def test_the_printed_list_of_commands_is_that_of_the_program(monkeypatch, capsys):
    """It is read from a file, so that click need not be imported; no line is cut in 80 columns."""
    context = click.Context(main, info_name="tinybert-l", max_content_width=80, terminal_width=80)
    context.help_option_names = ["-h", "--help"]
    for option in ("-h", "--help"):
        monkeypatch.setattr(sys, "argv", ["tinybert-l", option])
        cli.run()
        shown = capsys.readouterr().out
        assert shown == main.get_help(context) + "\n"
        assert max(map(len, shown.splitlines())) <= 80


def test_the_list_of_commands_is_shown_without_click():
    code = "import sys; from tinybert_l.cli import run; run(); sys.exit('click' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, "--help"], capture_output=True, check=False)
    assert done.returncode == 0 and b"Instructor" in done.stdout


def test_the_list_of_commands_and_the_library_import_nothing_heavy():
    assert imported_by("--help") == set()


def test_the_exercises_are_listed_without_torch():
    assert "torch" not in imported_by("exercises")


@pytest.mark.parametrize("name", ["train", "export", "questions"])
def test_help_of_a_command_that_trains_needs_no_torch(name):
    assert "torch" not in imported_by(name, "--help")


def test_the_list_shows_every_command_once_in_its_section():
    shown = CliRunner().invoke(main, ["--help"]).output
    _, *sections = re.split(r"^(Student|Instructor|Models):\n", shown, flags=re.M)
    assert sections[::2] == ["Student", "Instructor", "Models"]
    for section, rows in zip(sections[::2], sections[1::2], strict=True):
        listed = re.findall(r"^  (\S+)  ", rows, re.M)
        expected = [name for m in MODULES if m.section == section for name in m.commands]
        assert listed == expected, section


@pytest.mark.parametrize(
    ("name", "short_help"), [row for module in MODULES for row in module.commands.items()]
)
def test_the_list_says_what_the_command_itself_says(name, short_help):
    assert main.commands[name].get_short_help_str(limit=1000) == short_help
    assert len(short_help) <= LIST_WIDTH, "the list would be wrapped in 80 columns"


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_tells_its_arguments_and_options(name):
    command = COMMANDS[name]
    result = CliRunner().invoke(main, [*name.split(), "--help"], catch_exceptions=False)
    assert result.exit_code == 0
    described = (command.help or "").strip()
    assert re.match(r"[A-Z]", described) and described.endswith("."), described
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.opts[0] in result.output
        else:
            metavar = parameter.metavar or parameter.human_readable_name.upper()
            assert metavar in described, f"the help does not say what {metavar} is"


@pytest.mark.parametrize("name", OPTIONS)
def test_the_help_of_an_option_is_an_instruction(name):
    text = OPTIONS[name].help or ""
    assert re.match(r"[A-Z][a-z]+ ", text), f"{text!r} does not start with a verb"
    first = text.split()[0]
    nouns = {"Of", "For", "Only", "Without", "Also", "Although", "What", "Where", "The", "Your"}
    assert first not in nouns and not first.endswith("s"), f"{text!r} is no instruction"
    assert re.search(r"[.)]$", text), f"{text!r} ends without a period"


@pytest.mark.parametrize("name", [n for n in COMMANDS if COMMANDS[n].callback is not None])
def test_a_command_only_calls_the_library_and_shows_its_result(name):
    function = inspect.unwrap(COMMANDS[name].callback)
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    body = definition.body[1:]  # without the docstring
    lines = body[-1].end_lineno - body[0].lineno + 1 if body else 0
    assert lines <= 8, f"{name} has {lines} lines: its work belongs to the library or to tables.py"
