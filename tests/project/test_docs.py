"""Documents say what is there: commands parse, targets exist, links resolve."""

import re
import shlex
import subprocess
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from tinybert_l.cli import main

PROGRAMS = "tinybert-l|make|nbgrader|python|pip|pytest|jupyter|conda|apt"
FOLDERS = "tinybert_l|tests|tools|docs|results|solutions|benchmarks"
PLACEHOLDERS = {"solutions/lecture_NN.py", "solutions/quizzes/lecture_NN.toml"}
TRANSLATED = (
    "README.md",
    "docs/tutorials/instructor.md",
    "docs/how-to/present.md",
    "docs/how-to/grading.md",
    "docs/how-to/capstone.md",
    "docs/tutorials/your-own-bert.md",
)


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


def chinese(path: Path) -> Path:
    """The Chinese page of an English one."""
    return path.with_suffix(".zh.md")


def code_blocks(text: str) -> list[str]:
    """Lines of all code blocks, in their order, without comments."""
    lines = []
    for block in re.findall(r"```(\w*\n.*?)```", text, re.S):
        lines += [line.split("  #")[0].rstrip() for line in block.splitlines()]
    return lines


def without_code(text: str) -> str:
    return re.sub(r"```.*?```", "", text, flags=re.S)


def width(line: str) -> int:
    """Columns of a line: a Chinese character takes two."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line)


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


def test_no_first_installation_asks_an_index_for_the_packages(checkout):
    """No index has them; an extra of what is installed needs none."""
    lines = {line for path in documents(checkout) for line in commands_in(path, "pip install")}
    assert any(".whl" in line for line in lines)
    assert not [line for line in lines if re.search(r"tinybert-l(-instructor)?( |$)", line)]
    sources = [path.read_text(encoding="utf-8") for path in (checkout / "tinybert_l").rglob("*.py")]
    told = [line for source in sources for line in re.findall("pip install .*", source)]
    assert len(told) >= 8
    assert not [line for line in told if re.search(r"tinybert-l(?!\[)", line)]


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


def test_no_chinese_page_is_forgotten(checkout):
    pages = {chinese(checkout / name) for name in TRANSLATED}
    assert pages == {path for path in documents(checkout) if path.name.endswith(".zh.md")}


@pytest.mark.parametrize("name", TRANSLATED)
def test_both_languages_of_a_page_have_the_same_commands(checkout, name):
    """Code blocks line by line, and all inline code, but for the language of their comments."""
    english = (checkout / name).read_text(encoding="utf-8")
    translated = chinese(checkout / name).read_text(encoding="utf-8")
    assert code_blocks(translated) == code_blocks(english)
    assert sorted(commands_in(chinese(checkout / name))) == sorted(commands_in(checkout / name))
    inline = [set(re.findall(r"`([^`\n]+)`", without_code(text))) for text in (translated, english)]
    assert inline[0] == inline[1], inline[0] ^ inline[1]
    headings = [re.findall(r"^#+ ", without_code(text), re.M) for text in (translated, english)]
    assert headings[0] == headings[1]


@pytest.mark.parametrize("name", TRANSLATED)
def test_both_languages_of_a_page_link_to_each_other(checkout, name):
    other = chinese(checkout / name).name
    first_lines = (checkout / name).read_text(encoding="utf-8").splitlines()[:4]
    assert f"English · [中文]({other})" in first_lines
    first_lines = chinese(checkout / name).read_text(encoding="utf-8").splitlines()[:4]
    assert f"[English]({Path(name).name}) · 中文" in first_lines


@pytest.mark.parametrize("name", TRANSLATED)
def test_chinese_pages_are_plain(checkout, name):
    """No polite forms, no blanks between Chinese and Latin letters, and 100 columns a line."""
    text = without_code(chinese(checkout / name).read_text(encoding="utf-8"))
    wrong = re.findall(r".{,8}(?:您|(?<!申)请).{,8}", text)
    wrong += re.findall(r"[\u4e00-\u9fff] +[A-Za-z0-9`].{,8}", text)
    wrong += re.findall(r".{,8}[A-Za-z0-9`] +[\u4e00-\u9fff]", text)
    lines = [line for line in text.splitlines() if not line.startswith("|")]
    wrong += [line for line in lines if width(line) > 100]
    assert not wrong, "\n".join(wrong)


def test_slips_of_a_chinese_page_would_be_noticed():
    assert width("教师模型 a") == 10
    assert code_blocks("```console\nmake demo    # 演示\n```") == ["console", "make demo"]
