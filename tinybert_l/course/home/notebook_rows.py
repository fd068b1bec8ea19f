"""All that a notebook is graded on, with its state: exercises, questions and essays."""

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tinybert_l.course.home.folder import notebooks_in
from tinybert_l.course.home.judged_answers import is_begun, judge_answers
from tinybert_l.course.home.states import Progress, Row
from tinybert_l.course.items import Item, is_written, items_of
from tinybert_l.exercises.answers import answer_cells, read_cells
from tinybert_l.exercises.registry import exercises


def rows_of(lecture: int, notebook: Path, judge_new: bool = True) -> list[Row]:
    """Return all that a notebook is graded on, with its state, in the notebook's order.

    Args:
        lecture: number of the lecture.
        notebook: its notebook, with the student's answers.
        judge_new: whether to judge answers that were not judged before; else they are "unchecked".
    """
    cells = read_cells(notebook)
    items = items_of(lecture, cells)
    sources = {**_question_sources(items, cells), **answer_cells(notebook)}
    names = [item.name for item in items if not item.by_hand]
    states = {}
    for state in judge_answers(names, sources, notebook, judge_new):
        states[state.exercise] = state
    for state in _essay_states(items, cells):
        states[state.exercise] = state
    rows = []
    for item in items:
        state = states.get(item.name, Progress(item.name, "open"))
        is_answered = item.is_quiz and state.state == "passes"
        rows.append(Row(item, "answered" if is_answered else state.state, state.message))
    return rows


def rows_in(folder: Path) -> list[Row]:
    """Return the rows of all notebooks of the course in a folder; new answers are judged."""
    rows = []
    for of_lecture in rows_by_lecture(notebooks_in(folder), judge_new=True).values():
        rows += of_lecture
    return rows


def rows_by_lecture(notebooks: dict[int, Path], judge_new: bool) -> dict[int, list[Row]]:
    """Return {lecture: its rows} of notebooks, {lecture: path}."""

    def of_lecture(lecture: int) -> list[Row]:
        return rows_of(lecture, notebooks[lecture], judge_new)

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(notebooks, pool.map(of_lecture, notebooks), strict=True))


def _question_sources(items: list[Item], cells: list[dict[str, Any]]) -> dict[str, str]:
    """Return {question: source} of questions that are answered by variables.

    A quiz question has a cell of its name; the others of a notebook share one.
    """
    names = [item.name for item in items if not item.by_hand and item.name not in exercises()]
    quiz = {item.name for item in items if item.is_quiz}
    own = {}
    shared = []
    for cell in cells:
        settings = cell["metadata"].get("nbgrader", {})
        name = settings.get("grade_id")
        if cell["cell_type"] != "code" or not settings.get("solution"):
            continue
        if name in quiz:
            own[name] = _without_stub("".join(cell["source"]), name)
        elif name not in exercises():
            shared.append("".join(cell["source"]))
    sources = dict.fromkeys([name for name in names if name not in quiz], "\n".join(shared))
    return {**sources, **own}


def _without_stub(source: str, name: str) -> str:
    """Drop the stub's line from an answer that was written beside it; a lone stub stays.

    Args:
        name: of the variable that is the answer; others may be given with the stub.
    """
    lines = [line for line in source.splitlines() if is_begun(line)]
    code = "\n".join(line for line in lines if not line.lstrip().startswith("#"))
    is_answered = re.search(rf"\b{name}\s*(?::[^=\n]+)?=(?!=)", code)
    return "\n".join(lines) if is_answered else source


def _essay_states(items: list[Item], cells: list[dict[str, Any]]) -> list[Progress]:
    """Tell which questions that a person grades have been answered."""
    essays = {item.name for item in items if item.by_hand}
    states = []
    for cell in cells:
        grade_id = cell["metadata"].get("nbgrader", {}).get("grade_id")
        if grade_id in essays:
            written = is_written("".join(cell["source"]))
            states.append(Progress(grade_id, "written" if written else "unwritten"))
    return states
