"""Read what a person has to mark in a lecture: questions, and their marking schemes as rubrics.

A scheme stands in the question's own text, behind "评分标准" or "Marking scheme": statements
divided by semicolons or lines, each with its points in brackets at its end. A task of nbgrader's
has it between the lines of its mark scheme.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinybert_l.cache import read_json
from tinybert_l.course.items import items_of
from tinybert_l.errors import InvalidInput

ESSAY = "role-essay"  # tag of the cells that set a question for people to mark
LANGUAGES = ("zh", "en")
_BEGIN = re.compile(
    r"\*\*\s*(?:评分标准|Marking scheme)\s*\*\*\s*[：:]?|#+ *BEGIN MARK SCHEME", re.IGNORECASE
)
_END = re.compile(r"\n\s*\n|#+ *END MARK SCHEME", re.IGNORECASE)
_ITEM = re.compile(
    r"(?P<text>.+?)\s*[（(]\s*(?P<points>\d+(?:\.\d+)?)\s*(?:分|points?)?\s*[)）]\s*(?:[;；。.,，\n]|$)",
    re.DOTALL,
)


@dataclass(frozen=True)
class RubricItem:
    """One statement of a marking scheme.

    Args:
        text: {language: the statement}; "zh" and "en" may be the same.
    """

    text: dict[str, str]
    points: float


@dataclass(frozen=True)
class Question:
    """A cell that people mark.

    Args:
        cell: its name in the gradebook.
        title: {language: title}.
        points: what it is worth.
        prompts: {language: Markdown of the question}.
        rubric: empty where the question has no scheme that can be read.
        released: what the box holds before anybody answers.
        is_task: whether the answer stands in cells that students add below.
    """

    cell: str
    title: dict[str, str]
    points: float
    prompts: dict[str, str]
    rubric: tuple[RubricItem, ...]
    released: str
    is_task: bool = False


def read_questions(source: Path, lecture: int) -> list[Question]:
    """Return the questions of a lecture that people mark, in the notebook's order.

    Args:
        source: of the lecture's notebook, with its marking schemes.
    Raises:
        FileNotFoundError: the notebook is missing.
        InvalidInput: nobody has to mark anything in it.
    """
    if not source.is_file():
        raise FileNotFoundError(f"{source} is missing.")
    cells = read_json(source)["cells"]
    for cell in cells:
        cell["source"] = "".join(cell["source"])
    by_hand = {item.name: item for item in items_of(lecture, cells) if item.by_hand}
    questions = []
    for index, cell in enumerate(cells):
        settings = cell["metadata"].get("nbgrader") or {}
        item = by_hand.get(settings.get("grade_id", ""))
        if item is None:
            continue
        is_task = bool(settings.get("task"))
        prompts = _by_language([cell] if is_task else _prompts_before(cells, index))
        question = Question(
            item.name,
            {"zh": item.title_zh, "en": item.title_en},
            item.points,
            prompts,
            rubric_of(prompts, item.points),
            cell["source"],
            is_task,
        )
        questions.append(question)
    if not questions:
        raise InvalidInput(f"Lecture {lecture}: no question in {source} is marked by hand.")
    return questions


def _prompts_before(cells: Sequence[dict[str, Any]], index: int) -> list[dict[str, Any]]:
    """Return the text cells that set the question which is answered in a cell."""
    prompts: list[dict[str, Any]] = []
    for cell in reversed(cells[:index]):
        is_text = cell["cell_type"] == "markdown" and not cell["metadata"].get("nbgrader")
        if not is_text or (prompts and ESSAY not in _tags(cell)):
            break
        prompts.insert(0, cell)
        if ESSAY not in _tags(cell):  # a course of one's own without tags: the text right above
            break
    return prompts


def _tags(cell: dict[str, Any]) -> list[str]:
    return cell["metadata"].get("tags", [])


def _by_language(cells: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Join the texts of a question for each language; a cell without a language is in both."""
    prompts = {}
    for language in LANGUAGES:
        texts = []
        for cell in cells:
            marked = [tag for tag in _tags(cell) if tag.startswith("lang-")]
            if not marked or f"lang-{language}" in marked:
                texts.append(cell["source"])
        prompts[language] = "\n\n".join(texts)
    if not prompts["en"] or not prompts["zh"]:
        only = prompts["en"] or prompts["zh"]
        return dict.fromkeys(LANGUAGES, only)
    return prompts


def rubric_of(prompts: dict[str, str], points: float) -> tuple[RubricItem, ...]:
    """Return a question's marking scheme as items, in both languages.

    Empty where there is none, or where it does not fit: its points differ from language to
    language, or do not add up to the question's. A person then gives points without items.
    """
    parsed = {language: _items(text) for language, text in prompts.items()}
    worth = {language: [item[1] for item in items] for language, items in parsed.items()}
    if worth["zh"] != worth["en"] or abs(sum(worth["en"]) - points) > 1e-9:
        return ()
    rubric = []
    for (zh, worth_of_item), (en, _) in zip(parsed["zh"], parsed["en"], strict=True):
        rubric.append(RubricItem({"zh": zh, "en": en}, worth_of_item))
    return tuple(rubric)


def _items(prompt: str) -> list[tuple[str, float]]:
    """Return (statement, points) of each item of the scheme in a text."""
    begin = _BEGIN.search(prompt)
    if begin is None:
        return []
    scheme = prompt[begin.end() :]
    end = _END.search(scheme.lstrip())
    scheme = scheme.lstrip()[: end.start()] if end else scheme.lstrip()
    items = []
    for match in _ITEM.finditer(scheme):
        text = " ".join(match["text"].split()).lstrip("-*•;；,， ").replace("**", "")
        items.append((text, float(match["points"])))
    return items
