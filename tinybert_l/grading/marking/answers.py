"""Read what students answered a question, and show it as harmless HTML.

Answers come from the graded notebooks, where they are fit to be shown already. They are rendered
and cleaned once more here, so that what reaches the page does not depend on who wrote those files.
Pictures leave the page and are served one by one.
"""

import base64
import html
import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from tinybert_l.cache import short_digest
from tinybert_l.course.items import is_written
from tinybert_l.errors import CourseError
from tinybert_l.grading.assignment import SUBMISSION_LIMIT, Assignment, text_digest
from tinybert_l.grading.formulas import with_mathml
from tinybert_l.grading.marking.scheme import Question
from tinybert_l.grading.outside.rendering import RenderingFailed, renderer
from tinybert_l.grading.showing import as_typed

RENDER_SECONDS = 60  # for all answers to a question; later ones are shown as they were typed
NOTEBOOK_LIMIT = 3 * SUBMISSION_LIMIT  # bytes of a graded notebook, outputs included
_LOOK_HERE = re.compile(r"(?:\*\*|# )LOOK HERE 请人工查看: .*?(?:\*\*)?\n+")
_SHOWN_TEXT = re.compile(r'<div class="student-text">(.*)</div>', re.DOTALL)
_PICTURE = re.compile(r'src="data:(image/(?:png|jpeg|gif|webp));base64,([A-Za-z0-9+/=\s]*)"')
_TAG = re.compile(r"<[^>]*>")


@dataclass(frozen=True)
class Answer:
    """One student's answer to a question.

    Args:
        source: as the graded notebook holds it.
        text: what is compared with others.
        is_code: whether it is a program.
        notices: what the marker has to know beside it.
        beside: texts of the student's that stand next to the box.
        problem: why there is nothing to show; empty where there is.
    """

    source: str
    text: str
    is_code: bool = False
    notices: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    problem: str = ""

    @property
    def is_blank(self) -> bool:
        """Whether nothing was written, neither in the box nor beside it."""
        return not (self.problem or self.beside or is_written(self.text))


@dataclass(frozen=True)
class Picture:
    """A picture in an answer: its type and its bytes."""

    kind: str
    content: bytes


def read_answer(path: Path, question: Question, assignment: Assignment) -> Answer:
    """Read one student's answer from the graded notebook."""
    try:
        cells = _cells(path)
    except CourseError as error:
        return Answer("", "", problem=str(error))
    for index, cell in enumerate(cells):
        settings = cell["metadata"].get("nbgrader") or {}
        if settings.get("grade_id") == question.cell:
            return _answer(cells, index, question, assignment)
    return Answer("", "", problem="the graded notebook does not hold it 批改后的笔记本中没有该题")


def _answer(
    cells: list[dict[str, Any]], index: int, question: Question, assignment: Assignment
) -> Answer:
    cell = cells[index]
    source = cell["source"]
    doubt = str(cell["metadata"].get("tinybert_l", {}).get("person", ""))
    if doubt:
        source = _LOOK_HERE.sub("", source, count=1)
    beside = list(_own_cells(cells, index, question, assignment, with_code=bool(doubt)))
    if doubt and not beside:
        beside = assignment.own_texts_at_end(cells)
    if question.is_task and source == question.released:
        source = ""  # the answer stands in the cells below
    is_code = cell["cell_type"] == "code"
    notices = (doubt,) if doubt else ()
    return Answer(source, _plain(source, is_code), is_code, notices, tuple(beside))


def _own_cells(
    cells: list[dict[str, Any]],
    index: int,
    question: Question,
    assignment: Assignment,
    with_code: bool,
) -> Iterator[str]:
    """Yield the student's own texts next to a cell, up to the next released cells.

    Args:
        with_code: what stands in code cells, too.
    """
    before: list[str] = []
    if not question.is_task:
        for cell in reversed(cells[:index]):
            if not _is_own(cell, assignment, with_code):
                break
            before.insert(0, _as_text(cell))
    yield from filter(str.strip, before)
    for cell in cells[index + 1 :]:
        if not _is_own(cell, assignment, with_code):
            break
        if cell["source"].strip():
            yield _as_text(cell)


def _is_own(cell: dict[str, Any], assignment: Assignment, with_code: bool) -> bool:
    if cell["metadata"].get("nbgrader"):
        return False
    if cell["cell_type"] == "code":
        return with_code and assignment.place_of(NotebookNode(cell)) not in assignment.layout
    return text_digest(cell["source"]) not in assignment.texts


def _as_text(cell: dict[str, Any]) -> str:
    if cell["cell_type"] != "code":
        return cell["source"]
    return f"~~~\n{cell['source'].replace('~~~', '~ ~ ~')}\n~~~"


def _cells(path: Path) -> list[dict[str, Any]]:
    """Read the cells of a graded notebook as plain data; its form is nbformat 4 by its maker."""
    try:
        if path.stat().st_size > NOTEBOOK_LIMIT:
            raise CourseError("the graded notebook is too large to be shown 文件过大")
        cells = json.loads(path.read_bytes())["cells"]
        for cell in cells:
            cell["source"] = "".join(cell["source"])
            cell["metadata"].get("nbgrader")
        return cells
    except FileNotFoundError:
        raise CourseError("there is no graded notebook: run tinybert-l grade 请先评分") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise CourseError("the graded notebook cannot be read 批改后的笔记本无法读取") from None


def _plain(source: str, is_code: bool) -> str:
    """Return the words of a source, without the HTML that an answer is shown as."""
    if is_code:
        return source
    match = _SHOWN_TEXT.fullmatch(source.strip())
    if match is None:
        return source
    with_breaks = re.sub(r"</(?:p|li|pre|h\d|tr|div)>", "\n", match[1])
    pictures = _PICTURE.sub(lambda found: f">picture {short_digest(found[2], 12)}<", with_breaks)
    return html.unescape(_TAG.sub("", pictures)).strip()


class Shower:
    """Renders answers as HTML, equal ones once, within a time for all of them together."""

    def __init__(self, seconds: float = RENDER_SECONDS) -> None:
        self.seconds = seconds
        self.rendered: dict[str, str] = {}

    def html_of(self, answer: Answer, place: str) -> str:
        """Return an answer as HTML.

        Args:
            place: address below which its pictures are served, by their number.
        """
        parts = [self._html(answer.source, answer.is_code)]
        for text in answer.beside:
            parts.append(self._html(text, is_code=False))
        numbers = iter(range(10_000))
        return _PICTURE.sub(
            lambda _: f'loading="lazy" src="{place}/{next(numbers)}"', "<hr>".join(parts)
        )

    def _html(self, source: str, is_code: bool) -> str:
        if is_code:
            return f"<pre><code>{html.escape(source)}</code></pre>"
        if source not in self.rendered:
            self.rendered[source] = self._render(source)
        return self.rendered[source]

    def _render(self, source: str) -> str:
        began = time.monotonic()
        try:
            if self.seconds <= 0:
                raise RenderingFailed("it takes too long to render all answers")
            page = renderer.render(source, {}, self.seconds)
            return with_mathml(page, began + self.seconds)
        except RenderingFailed as error:
            return as_typed(source, f"{error} 无法渲染")
        finally:
            self.seconds -= time.monotonic() - began


def pictures_of(answer: Answer) -> list[Picture]:
    """Return the pictures of an answer, in the order in which the page shows them."""
    pictures = []
    shower = Shower()
    for text in (answer.source, *answer.beside):
        for match in _PICTURE.finditer(shower._html(text, answer.is_code)):
            pictures.append(Picture(match[1], base64.b64decode(match[2])))
    return pictures


@lru_cache(maxsize=4)
def prompt_html(source: str) -> str:
    """Return the text of a question as HTML."""
    return Shower()._html(source, is_code=False)
