"""Documents say what is there: commands parse, targets exist, links resolve."""

import re
import shlex

import click
import pytest

from tinybert_l.cli.app import main


def documents(checkout):
    return [*checkout.glob("*.md"), *checkout.glob("docs/**/*.md")]


def spans(text: str):
    """Inline code, and the lines of code blocks."""
    for block in re.findall(r"```(?:console)?\n(.*?)```", text, re.S):
        yield from (line.split("  #")[0].strip() for line in block.splitlines())
    yield from re.findall(r"(?<!`)`([^`\n]+)`(?!`)", re.sub(r"```.*?```", "", text, flags=re.S))


def test_every_command_in_the_documents_parses(checkout):
    seen = set()
    for path in documents(checkout):
        for span in spans(path.read_text(encoding="utf-8")):
            for found in re.findall(r"(?:^|[|;'(] ?|&& )(tinybert-l [^|;'>)]*)", span):
                words = [
                    w
                    for w in shlex.split(found.replace("…", "x").replace('"', " "))[1:]
                    if w != ">"
                ]
                if not words:
                    continue
                assert words[0] in main.commands, f"{path.name}: {found}"
                command = main.commands[words[0]]
                while (
                    isinstance(command, click.Group)
                    and len(words) > 1
                    and words[1] in command.commands
                ):
                    words = words[1:]
                    command = command.commands[words[0]]
                options = {
                    o
                    for p in command.params
                    if isinstance(p, click.Option)
                    for o in (*p.opts, *p.secondary_opts)
                }
                used = {w for w in words[1:] if w.startswith("--")}
                assert used <= options | {"--help"}, f"{path.name}: {found}: {used - options}"
                seen.add(words[0])
    assert len(seen) >= 12


def test_every_make_target_in_the_documents_exists(checkout):
    targets = set(
        re.findall(r"^([a-z]+):", (checkout / "Makefile").read_text(encoding="utf-8"), re.M)
    )
    for path in documents(checkout):
        for span in spans(path.read_text(encoding="utf-8")):
            for target in re.findall(r"^make ([a-z]+)", span):
                assert target in targets, f"{path.name}: make {target}"


@pytest.mark.parametrize("kind", ["links", "paths"])
def test_every_link_and_path_resolves(checkout, kind):
    for path in documents(checkout):
        text = path.read_text(encoding="utf-8")
        if kind == "links":
            for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
                assert target.startswith("https://") or (path.parent / target).exists(), (
                    f"{path.name}: {target}"
                )
        else:
            for span in re.findall(
                r"`((?:tinybert_l|tests|tools|docs|results|solutions|benchmarks)/[\w./-]+)`", text
            ):
                if span != "solutions/lecture_NN.py":
                    assert (checkout / span).exists() or span.startswith("results/recorded"), (
                        f"{path.name}: {span}"
                    )


def test_every_command_of_the_program_is_documented(checkout):
    text = "".join(p.read_text(encoding="utf-8") for p in documents(checkout))
    missing = [name for name in main.commands if f"tinybert-l {name}" not in text]
    assert not missing, missing
