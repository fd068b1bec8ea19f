"""Make a graded notebook fit to be shown: what students wrote does nothing in anybody's browser.

A plain text stays as it is. Any other is rendered and cleaned here (see `outside/markdown.py`), so
that formulas, lists and pictures are seen and nothing else is left for a browser to do. What cannot
be rendered is shown as plain text.
"""

import html
import re
import time
from collections.abc import Callable

from nbformat import NotebookNode

from tinybert_l.grading.assignment import Assignment, text_digest
from tinybert_l.grading.outside.rendering import RenderingFailed, renderer
from tinybert_l.grading.submission import needs_person

PLAIN_LIMIT = 3000  # characters of a text that is left to whoever shows it
PLAIN_TOTAL = 60_000  # characters of all such texts of a submission
TEXT_LIMIT = 200_000  # characters of a text that is shown
CODE_LIMIT = 100_000  # characters of a code cell that are shown
CODE_TOTAL = 1_000_000  # characters of all code cells of a submission that are shown
RENDER_SECONDS = 20  # for all texts of a submission
# Whatever makes Markdown do more than format text: HTML, references, links, pictures, diagrams.
_NOT_PLAIN = re.compile(r"[<>&\[\]]|://|attachment:|mermaid")
# Commands by which a formula would become a link, or change the page around it.
_ACTIVE_FORMULA = re.compile(
    r"\\(?:href|url|require|class|cssId|style|data|html\w*|mmlToken|includegraphics|action|toggle"
    r"|mathtip|texttip|unicode|bbox)(?![a-zA-Z])"
)
# What a reader sees of a page: any text, a picture, a line, a tick.
_SEEN = re.compile(r"(?:^|>)[^<]*[^<\s]|<(?:img|hr|input|math)\b")
_CUT = "… (cut off here 此处截断)"


def defuse(nb: NotebookNode, assignment: Assignment) -> None:
    """Make a sanitised submission fit to be shown, in place.

    Call it last, on notebooks that are only shown. What a person has to look at says so.
    """
    _show(nb, assignment, _Texts().shown)


def show_as_plain_text(nb: NotebookNode, assignment: Assignment) -> None:
    """Show every text of the student's as it was typed, in place: for when rendering fails."""
    _show(nb, assignment, lambda cell: as_typed(cell.source, "cannot be rendered 无法渲染"))


def _show(nb: NotebookNode, assignment: Assignment, shown: Callable[[NotebookNode], str]) -> None:
    code_left = CODE_TOTAL
    for cell in nb.cells:
        if cell.cell_type == "code":
            limit = min(CODE_LIMIT, code_left)
            code_left -= min(limit, len(cell.source))
            if len(cell.source) > limit:
                cell.source = f"{cell.source[:limit]}\n# {_CUT}"
        elif _is_students(cell, assignment):
            if not cell.metadata.get("tinybert_l", {}).get("shown"):
                cell.source = shown(cell)
            cell.cell_type = "markdown"
        cell.pop("attachments", None)
        doubt = needs_person(cell)
        if doubt and not cell.metadata.tinybert_l.get("noted"):
            cell.source = _with_note(cell, doubt)
            cell.metadata.tinybert_l.noted = True


def _is_students(cell: NotebookNode, assignment: Assignment) -> bool:
    if cell.cell_type == "raw" or cell.get("attachments"):
        return True
    return text_digest(cell.source) not in assignment.texts


def _with_note(cell: NotebookNode, doubt: str) -> str:
    """Return a cell's text with a note for the person who grades it above."""
    if cell.cell_type == "code":
        return f"# LOOK HERE 请人工查看: {doubt}\n{cell.source}"
    return f"**LOOK HERE 请人工查看: {doubt}**\n\n{cell.source}"


class _Texts:
    """Shows the texts of one submission, within limits for all of them together."""

    def __init__(self) -> None:
        self.plain_left = PLAIN_TOTAL
        self.deadline = time.monotonic() + RENDER_SECONDS

    def shown(self, cell: NotebookNode) -> str:
        """Return a text cell's source, fit to be shown."""
        source = cell.source
        if cell.cell_type == "raw":
            return as_typed(source)
        if len(source) > TEXT_LIMIT:
            return as_typed(source, "too long to be rendered 过长")
        if _ACTIVE_FORMULA.search(source):
            return as_typed(source, "a formula that could change the page 公式含不安全的命令")
        is_short = len(source) <= min(PLAIN_LIMIT, self.plain_left)
        if is_short and not cell.get("attachments") and not _NOT_PLAIN.search(source):
            self.plain_left -= len(source)
            return source
        seconds = self.deadline - time.monotonic()
        if seconds <= 0:
            return as_typed(source, "this notebook takes too long to render 渲染超时")
        try:
            page = renderer.render(source, cell.get("attachments", {}), seconds)
            if source.strip() and not _SEEN.search(page):
                return as_typed(source, "nothing of it would be seen 渲染后不可见")
            return in_one_line(page)
        except RenderingFailed as error:
            return as_typed(source, f"{error} 无法渲染")


def as_typed(source: str, why: str = "") -> str:
    """Return a text as HTML that shows it letter by letter.

    Args:
        why: says why it is shown so.
    """
    if len(source) > TEXT_LIMIT:
        source = f"{source[:TEXT_LIMIT]}{_CUT}"
    note = f"<p><em>Shown as typed: {html.escape(why)}</em></p>" if why else ""
    return in_one_line(f"{note}<pre>{html.escape(source)}</pre>")


def in_one_line(page: str) -> str:
    """Wrap HTML so that Markdown takes it as one block and looks at nothing inside."""
    line = page.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "&#10;")
    for separator in "\v\f\x1c\x1d\x1e\x85\u2028\u2029":
        line = line.replace(separator, " ")
    return f'<div class="student-text">{line}</div>'
