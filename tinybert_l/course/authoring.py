"""Notebooks as sources.

Answer cells are written from `solutions/`, points and minutes from the registry of exercises, and
a release in one language is made of a notebook in two.
"""

import ast
import json
import re
import textwrap
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from tinybert_l.cache import read_json, write_atomically
from tinybert_l.course.code_texts import code_in_language
from tinybert_l.course.markers import BEGIN_SOLUTION, END_SOLUTION
from tinybert_l.course.quiz_cells import with_quiz
from tinybert_l.course.quiz_questions import read_questions
from tinybert_l.errors import InvalidInput
from tinybert_l.exercises.registry import NOTEBOOKS, Exercise, exercises
from tinybert_l.exercises.released import solutions_file

LANGUAGE_TAGS = {"zh": "lang-zh", "en": "lang-en"}
# "# 中文 · English", the title of a lecture
_TITLE = re.compile(r"# (.+?) · (.+)\n*")
# "### 练习7.2 `early_exit`（4分，约12分钟）" and its English counterpart
_HEADING_ZH = re.compile(r"### 练习[\d.]+ `(\w+)`（\d+分，约\d+分钟）")
_HEADING_EN = re.compile(r"### Exercise [\d.]+ `(\w+)` \(\d+ points, about \d+ minutes\)")
# the set-up cell's call; the release in one language names it
_BEGIN = re.compile(r"\bbegin\((lecture=\d+)(?=[,)])")
# the lecture's sum of minutes in its opening cells: "两个练习约22分钟", "22 for two exercises"
_TOTAL_ZH = re.compile(r"(?<=个练习约)\d+(?=分钟)")
_TOTAL_EN = re.compile(r"\d+(?=(?: minutes)? for \w+ exercises?\b)")


def answer_cell(source: str, name: str) -> str:
    """Return the notebook cell for one function of a solutions file.

    Args:
        source: the text of the file.
        name: name of the function and the exercise.

    Raises:
        InvalidInput: the file has no such function.
    """
    function = _find_function(ast.parse(source), name)
    lines = source.splitlines()
    begin_of_body = function.body[0].lineno - 1
    signature = "\n".join(lines[function.lineno - 1 : begin_of_body])
    body = textwrap.dedent("\n".join(lines[begin_of_body : function.end_lineno]))
    marked_body = f"{BEGIN_SOLUTION}\n{body}\n{END_SOLUTION}"
    return f"@{name}.implement\n{signature}\n{textwrap.indent(marked_body, '    ')}"


def _find_function(module: ast.Module, name: str) -> ast.FunctionDef:
    for node in module.body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return node
    raise InvalidInput(f"answer_cell: the solutions file has no function {name}.")


def exercise_heading(entry: Exercise[..., Any], language: str) -> str:
    """Return the heading of an exercise's text cell: number, name, points and minutes.

    Args:
        entry: the exercise.
        language: "zh" or "en".
    """
    if language == "zh":
        return f"### 练习{entry.number} `{entry.name}`（{entry.points}分，约{entry.minutes}分钟）"
    return (
        f"### Exercise {entry.number} `{entry.name}` "
        f"({entry.points} points, about {entry.minutes} minutes)"
    )


def write_answers(notebooks: Path, solutions: Path, lecture: int, check: bool = False) -> list[str]:
    """Bring a notebook's answers, its quiz, and the points and minutes in its text up to date.

    Answers and quiz come from solutions/; numbers, points and minutes from the registry. All else
    in the file stays byte for byte.

    Args:
        notebooks: the folder of the notebooks' sources.
        solutions: the folder of the reference answers.
        lecture: number of the lecture.
        check: only report, write nothing.

    Returns:
        The names of the exercises and quiz questions whose cells differed; the notebook's name
        stands for the sum of minutes in its opening cells.
    """
    name = NOTEBOOKS[lecture]
    path = notebooks / name / f"{name}.ipynb"
    solutions_text = ""
    if exercises(lecture):
        solutions_text = solutions_file(solutions, lecture).read_text(encoding="utf-8")
    notebook = read_json(path)
    changed: dict[str, None] = {}  # a set that keeps its order
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "code":
            subject, expected = _expected_code(source, solutions_text, lecture)
        else:
            subject, expected = _expected_text(source, lecture)
        if expected != source:
            changed[subject] = None
            cell["source"] = expected.splitlines(keepends=True)
    cells = with_quiz(notebook["cells"], read_questions(solutions, lecture))
    changed |= dict.fromkeys(_names_of_changed(notebook["cells"], cells))
    notebook["cells"] = cells
    if changed and not check:
        text = json.dumps(notebook, ensure_ascii=False, indent=1)  # as Jupyter writes it
        write_atomically(path, text + "\n")
    return list(changed)


def _names_of_changed(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> list[str]:
    """Name the quiz questions of which a cell differs; the first word of a cell's id but "test"."""
    names = []
    for cell in [*before, *after]:
        if cell not in before or cell not in after:
            question = re.match(r"(?:test-)?(quiz-\d+-\d+)", cell["id"])
            names.append(question.group(1).replace("-", "_") if question else cell["id"])
    return names or ["quiz"] * (before != after)


def _expected_code(source: str, solutions_text: str, lecture: int) -> tuple[str, str]:
    """Return the exercise that a code cell answers ("" if none), and what the cell must hold."""
    for name in exercises(lecture):
        if source.startswith(f"@{name}.implement"):
            return name, answer_cell(solutions_text, name)
    return "", source


def _expected_text(source: str, lecture: int) -> tuple[str, str]:
    """Return what a text cell is about, and what it must hold: right points and minutes."""
    entries = exercises(lecture)
    for pattern, language in ((_HEADING_ZH, "zh"), (_HEADING_EN, "en")):
        heading = pattern.match(source)
        if heading and heading.group(1) in entries:
            expected = exercise_heading(entries[heading.group(1)], language)
            return heading.group(1), expected + source[heading.end() :]
    total = str(sum(entry.minutes for entry in entries.values()))
    return NOTEBOOKS[lecture], _TOTAL_EN.sub(total, _TOTAL_ZH.sub(total, source))


def in_language(notebook: NotebookNode, lang: str | None) -> NotebookNode:
    """Reduce a notebook, in place, to the text of one language.

    Cells tagged with both languages stay. The title "# 中文 · English" becomes that language's
    half, and so do literals and comments of code; the set-up cell tells the library which it is.

    Args:
        notebook: the notebook; it is changed and returned.
        lang: "zh", "en", or None for both.

    Raises:
        InvalidInput: another language.
    """
    if lang is None:
        return notebook
    if lang not in LANGUAGE_TAGS:
        raise InvalidInput(f"in_language: lang={lang!r}; allowed: 'zh', 'en' or None.")
    title = _find_title(notebook)
    if title is not None:
        for cell in notebook.cells:
            cell.source = cell.source.removeprefix(title.group(0))
    notebook.cells = list(filter(_is_in(lang), notebook.cells))
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.source = cell_in_language(cell.source, lang)
    if title is not None and notebook.cells:
        title_in_language = title.group(1 if lang == "zh" else 2).strip()
        first_cell = notebook.cells[0]
        first_cell.source = f"# {title_in_language}\n\n{first_cell.source}".rstrip()
        notebook.metadata["title"] = title_in_language
    return notebook


@cache
def cell_in_language(source: str, lang: str) -> str:
    """Return a code cell as it stands in a release in one language.

    Args:
        source: the cell of the notebook in both languages.
        lang: "zh" or "en".
    """
    return _BEGIN.sub(rf'begin(\1, language="{lang}"', code_in_language(source, lang))


def _find_title(notebook: NotebookNode) -> re.Match[str] | None:
    for cell in notebook.cells:
        title = _TITLE.match(cell.source)
        if title is not None:
            return title
    return None


def _is_in(lang: str) -> Callable[[NotebookNode], bool]:
    """Return a test whether a cell belongs into a release in that language."""

    def is_in_language(cell: NotebookNode) -> bool:
        languages = set(LANGUAGE_TAGS.values()).intersection(cell.metadata.get("tags", []))
        return not languages or LANGUAGE_TAGS[lang] in languages

    return is_in_language
