"""Documents say what is there: commands parse, targets exist, links resolve."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from tinybert_l.cli import main

PROGRAMS = "tinybert-l|make|nbgrader|python|pip|pytest|jupyter|conda|apt"
FOLDERS = "tinybert_l|tests|tools|docs|results|solutions|benchmarks"
PLACEHOLDERS = {"solutions/lecture_NN.py"}


def documents(checkout: Path) -> list[Path]:
    return [*checkout.glob("*.md"), *checkout.glob("docs/**/*.md")]


def spans(text: str) -> Iterator[str]:
    """Inline code, and the lines of code blocks."""
    for block in re.findall(r"```(?:console)?\n(.*?)```", text, re.S):
        for line in block.splitlines():
            yield line.split("  #")[0].strip()
    yield from re.findall(r"(?<!`)`([^`\n]+)`(?!`)", re.sub(r"```.*?```", "", text, flags=re.S))


def commands_in(path: Path, programs: str = PROGRAMS) -> Iterator[str]:
    """Command lines in a document that call one of the programs, up to a pipe or a redirection."""
    for span in spans(path.read_text(encoding="utf-8")):
        for command in re.findall(rf"(?:^|[|;'(] ?|&& )((?:{programs}) [^|;'>&)]*)", span):
            yield command.strip()


def resolve(words: list[str]) -> tuple[click.Command, list[str]]:
    """The click command that the words name, and the words after its name."""
    command: click.Command = main
    context = click.Context(main)
    while isinstance(command, click.Group) and words:
        inner = command.get_command(context, words[0])
        if inner is None:
            break
        command, words = inner, words[1:]
    return command, words


def options_of(command: click.Command) -> set[str]:
    names = {"--help"}
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            names.update(parameter.opts, parameter.secondary_opts)
    return names


def test_every_command_in_the_documents_parses(checkout):
    seen = set()
    for path in documents(checkout):
        for line in commands_in(path, "tinybert-l"):
            words = shlex.split(line.replace("…", "x").replace('"', " "))[1:]
            if not words:
                continue
            command, rest = resolve(words)
            assert command is not main, f"{path.name}: {line}"
            used = {word for word in rest if word.startswith("--")}
            assert used <= options_of(command), f"{path.name}: {line}: {used}"
            seen.add(words[0])
    assert len(seen) >= 12


def test_make_knows_every_target_of_the_documents(checkout):
    lines = {line for path in documents(checkout) for line in commands_in(path, "make")}
    targets = {line for line in lines if re.fullmatch(r"make [a-z]+.*", line)}
    assert len(targets) >= 8
    for line in targets:
        done = subprocess.run(
            ["make", "-n", *line.split()[1:]], cwd=checkout, capture_output=True, check=False
        )
        assert done.returncode == 0, (line, done.stderr)


@pytest.mark.parametrize("kind", ["links", "paths"])
def test_every_link_and_path_resolves(checkout, kind):
    missing, seen = [], 0
    for path in documents(checkout):
        text = path.read_text(encoding="utf-8")
        if kind == "links":
            targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text)
            local = [path.parent / t for t in targets if not t.startswith("https://")]
        else:
            targets = re.findall(rf"`((?:{FOLDERS})/[\w./-]+)`", text)
            local = [checkout / t for t in targets if t not in PLACEHOLDERS]
        seen += len(local)
        for target in local:
            recorded = target.is_relative_to(checkout / "results" / "recorded")  # `make site`
            if not target.exists() and not (kind == "paths" and recorded):
                missing.append(f"{path.name}: {target}")
    assert not missing, "\n".join(missing)
    assert seen >= 20


def test_every_command_of_the_program_is_documented(checkout):
    text = "".join(path.read_text(encoding="utf-8") for path in documents(checkout))
    names = main.list_commands(click.Context(main))
    missing = [name for name in names if f"tinybert-l {name}" not in text]
    assert len(names) >= 20 and not missing, missing
