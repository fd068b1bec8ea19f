"""Write a lecture's quiz into its notebook: questions, choices, answers and tests.

The one home of the questions is `solutions/quizzes/lecture_NN.toml`; the cells are written from it.
"""

import json
import re
import tomllib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from tinybert_l.course.markers import (
    BEGIN_HIDDEN_TESTS,
    BEGIN_SOLUTION,
    END_HIDDEN_TESTS,
    END_SOLUTION,
)
from tinybert_l.errors import InvalidInput

QUIZZES = "quizzes"  # in solutions/
POINTS = 1  # of a question
KINDS = ("one", "several", "number")
_NAME = re.compile(r"quiz_(\d+)_(\d+)")
_ID = re.compile(r"(?:test-)?quiz-\d+-\d+(?:-zh|-en|-choices)?")
_CHINESE = re.compile(r"[\u2e80-\u9fff]")
_FIELDS = {"kind", "en", "zh", "value", "tolerance", "near", "otherwise"}
MODULE = "tinybert_l.course.quizzes"
Cell = dict[str, Any]


@dataclass(frozen=True)
class Text:
    """A text in both languages."""

    en: str
    zh: str

    @cached_property
    def both(self) -> str:
        """English, a blank, Chinese; once where both are the same."""
        return self.en if self.en == self.zh else f"{self.en} {self.zh}"

    @property
    def literal(self) -> str:
        """Both as a Python literal."""
        return json.dumps(self.both, ensure_ascii=False)


@dataclass(frozen=True)
class Question:
    """A quiz question.

    Args:
        name: such as "quiz_3_1", the first of lecture 3; the answer's variable has this name.
        kind: "one" choice, "several" choices, or "number".
        choices: {letter: text}; none for a number.
        misconceptions: {letter of a wrong choice: the misconception behind it}.
        value, tolerance: the right number, and how far from it an answer may be.
        near: wrong numbers, each with its misconception.
        otherwise: said of any other wrong number.
    """

    name: str
    kind: str
    text: Text
    choices: dict[str, Text] = field(default_factory=dict)
    misconceptions: dict[str, Text] = field(default_factory=dict)
    value: float = 0.0
    tolerance: float = 0.0
    near: tuple[tuple[float, Text], ...] = ()
    otherwise: Text = Text("", "")

    @property
    def number(self) -> str:
        """Lecture and position, such as "3.1"."""
        return ".".join(_NAME.fullmatch(self.name).groups())  # type: ignore[union-attr]

    @property
    def letters(self) -> str:
        """The letters of all choices, in the alphabet's order."""
        return "".join(sorted(self.choices))

    @property
    def right(self) -> str:
        """The letters of the right choices."""
        return "".join(letter for letter in self.letters if letter not in self.misconceptions)

    @property
    def answer(self) -> str:
        """The right answer, as a Python literal."""
        if self.kind == "number":
            return repr(self.value)
        if self.kind == "one":
            return json.dumps(self.right)
        return json.dumps(list(self.right))


def quiz_file(solutions: Path, lecture: int) -> Path:
    """Return the path of a lecture's questions in a folder of solutions."""
    return solutions / QUIZZES / f"lecture_{lecture:02d}.toml"


def read_questions(solutions: Path, lecture: int) -> list[Question]:
    """Read a lecture's questions; none where it has no file of them.

    Raises:
        InvalidInput: the file is not as docs/how-to/add-an-exercise.md says.
    """
    path = quiz_file(solutions, lecture)
    if not path.is_file():
        return []
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path}: {error}") from None
    questions = []
    for position, (name, entry) in enumerate(entries.items(), start=1):
        if name != f"quiz_{lecture}_{position}":
            raise InvalidInput(f"{path}: {name}; expected: quiz_{lecture}_{position}.")
        try:
            questions.append(_question(name, entry))
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidInput(f"{path}: {name}: {error}") from None
    return questions


def _question(name: str, entry: dict[str, Any]) -> Question:
    kind = entry["kind"]
    if kind not in KINDS:
        raise ValueError(f"kind={kind!r}; allowed: {', '.join(KINDS)}")
    text = Text(entry["en"], entry["zh"])
    if kind == "number":
        near = tuple((float(value), _text(en, zh)) for value, en, zh in entry["near"])
        otherwise = _text(*entry["otherwise"])
        value, tolerance = float(entry["value"]), float(entry["tolerance"])
        return Question(name, kind, text, {}, {}, value, tolerance, near, otherwise)
    choices = {}
    misconceptions = {}
    for letter, texts in entry.items():
        if letter in _FIELDS:
            continue
        if not re.fullmatch("[A-Z]", letter) or len(texts) not in (2, 4):
            raise ValueError(f"{letter}; a choice is a capital letter with two texts or four")
        choices[letter] = _text(*texts[:2])
        if len(texts) == 4:
            misconceptions[letter] = _text(*texts[2:])
    num_right = len(choices) - len(misconceptions)
    if not misconceptions or num_right < 1 or (kind == "one" and num_right > 1):
        raise ValueError(f"{num_right} right of {len(choices)} choices, kind {kind!r}")
    return Question(name, kind, text, choices, misconceptions)


def _text(en: str, zh: str) -> Text:
    """Return a text whose halves can be told apart again (see `languages.in_words`)."""
    if en != zh and (_CHINESE.search(en) or not _CHINESE.match(zh)):
        raise ValueError(f"English has no Chinese, and Chinese begins with it: {en!r}, {zh!r}")
    return Text(en, zh)


def with_quiz(cells: list[Cell], questions: list[Question]) -> list[Cell]:
    """Return a notebook's cells with these questions in the place of those it has.

    In a notebook without any, they follow the introduction of its quiz.

    Raises:
        InvalidInput: the notebook has no such introduction.
    """
    others = [cell for cell in cells if not _ID.fullmatch(cell.get("id", ""))]
    if not questions:
        return others
    place = next((i for i, cell in enumerate(cells) if cell not in others), None)
    if place is None:
        introductions = [i for i, cell in enumerate(others) if _introduces(cell)]
        if not introductions:
            raise InvalidInput(f"{questions[0].name}: no cell '## …' with the tag role-quiz.")
        place = introductions[-1] + 1
    written = []
    for question in questions:
        written += cells_of(question)
    return others[:place] + written + others[place:]


def _introduces(cell: Cell) -> bool:
    is_quiz = "role-quiz" in cell["metadata"].get("tags", [])
    return is_quiz and "".join(cell["source"]).startswith("## ")


def cells_of(question: Question) -> list[Cell]:
    """Return the cells of a question: text, choices, answer, test."""
    cell_id = question.name.replace("_", "-")
    zh = f"### 测验{question.number}（{POINTS}分）\n\n{question.text.zh}"
    en = f"### Quiz {question.number} ({POINTS} point)\n\n{question.text.en}"
    cells = [_text_cell(f"{cell_id}-zh", "zh", zh), _text_cell(f"{cell_id}-en", "en", en)]
    if question.choices:
        cells.append(_choices_cell(f"{cell_id}-choices", question))
    answer = f"{BEGIN_SOLUTION}\n{question.name} = {question.answer}\n{END_SOLUTION}"
    hint = "# " + _how_to_answer(question)
    cells.append(_graded_cell(cell_id, question.name, f"{hint}\n{answer}", points=None))
    name = f"test_{question.name}"
    cells.append(_graded_cell(f"test-{cell_id}", name, source_of_test(question), POINTS))
    return cells


def _how_to_answer(question: Question) -> str:
    name = question.name
    if question.kind == "number":
        return f"{name} = a number 一个数"
    if question.kind == "one":
        return f'{name} = one letter in quotes, "…" 引号里的一个字母'
    return f'{name} = a list of letters, ["…", "…"] 字母的列表'


def source_of_test(question: Question) -> str:
    """Return the source of a question's test: the form is open, the answer is hidden."""
    name = question.name
    functions = "is_near, number, remark" if question.kind == "number" else "chosen, remarks"
    lines = [
        f"from {MODULE} import {functions}",
        "",
        f'assert "{name}" in globals(), "Fill in {name} in the cell above. '
        f'先在上面的单元格里填写{name}。"',
        *_checks_of_form(question),
        BEGIN_HIDDEN_TESTS,
        *_checks_of_answer(question),
        END_HIDDEN_TESTS,
    ]
    return "\n".join(lines)


def _checks_of_form(question: Question) -> list[str]:
    name, letters = question.name, question.letters
    listed = ", ".join(letters)
    if question.kind == "number":
        return [
            f'assert abs(number({name})) < float("inf"), f"{name} is a number; '
            f'got {{{name}!r}}. {name}应为一个数；得到{{{name}!r}}。"'
        ]
    checks = [
        f'assert chosen({name}) and chosen({name}) <= set("{letters}"), f"{name}: '
        f"choose from the letters {listed}; got {{{name}!r}}. "
        f'应从字母{"、".join(letters)}中选；得到{{{name}!r}}。"'
    ]
    if question.kind == "one":
        checks.append(
            f'assert len(chosen({name})) == 1, f"{name} is one letter; '
            f'got {{{name}!r}}. {name}应为一个字母；得到{{{name}!r}}。"'
        )
    return checks


def _checks_of_answer(question: Question) -> list[str]:
    name = question.name
    if question.kind == "number":
        near = [f"    ({value!r}, {text.literal})," for value, text in question.near]
        otherwise = f"    otherwise={question.otherwise.literal},"
        tolerance = f"    {name}, {question.tolerance!r},"
        test = f"assert is_near({name}, {question.value!r}, {question.tolerance!r}), remark("
        return [test, tolerance, *near, otherwise, ")"]
    wrong = []
    for letter in sorted(question.misconceptions):
        wrong.append(f"    {letter}={question.misconceptions[letter].literal},")
    right = "{" + ", ".join(f'"{letter}"' for letter in question.right) + "}"
    return [f"assert chosen({name}) == {right}, remarks(", f"    {name},", *wrong, ")"]


def _choices_cell(cell_id: str, question: Question) -> Cell:
    """Return the cell that shows the choices; its source lists them by letter."""
    lines = [f"from {MODULE} import show_choices", "", "show_choices(", f'    "{question.name}",']
    for letter in question.letters:
        lines.append(f"    {letter}={question.choices[letter].literal},")
    lines.append(")")
    metadata = {
        "cellView": "form",  # Colab and JupyterLab fold the code: its order is everybody's
        "jupyter": {"source_hidden": True},
        "slideshow": {"slide_type": "-"},  # on the slide of its question
        "tags": ["demo", "raises-exception"],
    }
    return _code_cell(cell_id, "\n".join(lines), metadata)


def _graded_cell(cell_id: str, name: str, source: str, points: int | None) -> Cell:
    """Return an answer cell, or with points a test cell."""
    is_test = points is not None
    settings: dict[str, Any] = {"grade": is_test, "grade_id": name, "locked": is_test}
    if is_test:
        settings["points"] = points
    settings |= {"schema_version": 3, "solution": not is_test, "task": False}
    metadata = {
        "nbgrader": settings,
        "slideshow": {"slide_type": "skip"},
        "tags": ["raises-exception"],
    }
    return _code_cell(cell_id, source, metadata)


def _code_cell(cell_id: str, source: str, metadata: dict[str, Any]) -> Cell:
    return {
        "cell_type": "code",
        "execution_count": None,
        "id": cell_id,
        "metadata": metadata,
        "outputs": [],
        "source": source.splitlines(keepends=True),
    }


def _text_cell(cell_id: str, language: str, source: str) -> Cell:
    metadata = {
        "slideshow": {"slide_type": "subslide"},
        "tags": [f"lang-{language}", "role-quiz"],
    }
    return {
        "cell_type": "markdown",
        "id": cell_id,
        "metadata": metadata,
        "source": source.splitlines(keepends=True),
    }
