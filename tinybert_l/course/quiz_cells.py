"""Write a lecture's quiz into its notebook: questions, choices, answers and tests.

The cells are written from the questions (see `quiz_questions`), with the numbers that these have.
"""

import re
from typing import Any

from tinybert_l.course.markers import (
    BEGIN_HIDDEN_TESTS,
    BEGIN_SOLUTION,
    END_HIDDEN_TESTS,
    END_SOLUTION,
)
from tinybert_l.course.quiz_questions import Question
from tinybert_l.errors import InvalidInput

POINTS = 1  # of a question
_ID = re.compile(r"(?:test-)?quiz-\d+-\d+(?:-zh|-en|-choices)?")
MODULE = "tinybert_l.course.quizzes"
Cell = dict[str, Any]


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
    parts = [_import_of_call(question), question.number_lines, "# " + _how_to_answer(question)]
    source = "\n".join([*filter(None, parts), answer])
    cells.append(_graded_cell(cell_id, question.name, source, points=None))
    name = f"test_{question.name}"
    cells.append(_graded_cell(f"test-{cell_id}", name, source_of_test(question), POINTS))
    return cells


def _import_of_call(question: Question) -> str:
    module, _, function = question.call.rpartition(".")
    return f"from {module} import {function}\n" if module else ""


def _how_to_answer(question: Question) -> str:
    name = question.name
    if question.kind == "value":
        return f"{name} = {question.form}"
    if question.kind == "number":
        return f"{name} = a number 一个数"
    if question.kind == "one":
        return f'{name} = one letter in quotes, "…" 引号里的一个字母'
    return f'{name} = a list of letters, ["…", "…"] 字母的列表'


def source_of_test(question: Question) -> str:
    """Return the source of a question's test: the form is open, the answer is hidden."""
    name = question.name
    functions = {"number": "is_near, number, remark", "value": "agrees, fits, remark"}
    parts = [_import_of_call(question).strip(), question.number_lines]
    lines = [
        f"from {MODULE} import {functions.get(question.kind, 'chosen, remarks')}",
        *filter(None, parts),
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
    if question.kind == "value":
        return [
            f"form = {question.form}",
            f'assert fits({name}, form), f"{name} has the form {{form!r}}; '
            f'got {{{name}!r}}. {name}的形式应为{{form!r}}；得到{{{name}!r}}。"',
        ]
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
    if question.kind in ("number", "value"):
        near = [f"    ({value!r}, {text.literal})," for value, text in question.near]
        otherwise = f"    otherwise={question.otherwise.literal},"
        tolerance = f"    {name}, {question.tolerance!r},"
        check = "is_near" if question.kind == "number" else "agrees"
        test = f"assert {check}({name}, {question.answer}, {question.tolerance!r}), remark("
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
