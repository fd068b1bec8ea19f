"""Render the page that a student gets back.

A page begins with the list of exercises that the student knows from the course home, with points,
why points were lost, and comments. It shows the notebook, each test's message and scores, and no
hidden tests. It needs no network, runs nothing, and can be read on a phone.
"""

import copy
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import pass_context
from nbconvert.exporters import HTMLExporter, TemplateExporter
from nbconvert.filters import Highlight2HTML
from nbconvert.filters.widgetsdatatypefilter import WidgetsDataTypeFilter
from nbformat import NotebookNode
from traitlets.config import Config

from tinybert_l.course.authoring import cell_in_language
from tinybert_l.course.home import is_begun, language_in
from tinybert_l.course.markers import without_hidden_tests
from tinybert_l.grading.assignment import is_test
from tinybert_l.grading.formulas import with_mathml
from tinybert_l.grading.results.feedback_list import NOT_GRADED, list_of, total_of
from tinybert_l.grading.results.requests import Request
from tinybert_l.languages import in_words

# Stands for a score in nbgrader's template, which knows numbers alone; replaced in the page.
_NO_SCORE = -987654321.0
_SCRIPT = re.compile(r"<script\b.*?</script>", re.DOTALL)  # MathJax, from another site
_FONT_FACE = re.compile(r"@font-face\s*{[^}]*}")  # bootstrap's icons, from files that are not there
_META = (
    '<meta http-equiv="Content-Security-Policy" '
    "content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">"
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
)
# nbgrader's words, between what stands around them in its template, and ours
_LABEL = '<span class="nbgrader-label">'
_WORDS = (
    (_LABEL, "Student's answer", "</span>", "your answer 你的解答"),
    (_LABEL, "Student's task", "</span>", "your answer 你的解答"),
    (_LABEL, "Grade cell:", " <code>", "test 测试"),
    ("<b>", "Comments:", "</b>", "comment 评语"),
    ("(", "Score:", " ", "score 得分："),
    ('<a href="#top">', "(Top)", "</a>", "top 返回顶部"),
)
# what scrolls where it is wide; the list of items is folded there
_SCROLLING = re.compile(r'<(?:pre|table(?! class="items"))(?=[ >])')
FORMULA_SECONDS = 5  # for a page's formulas that were not met before
RENDERED_LIMIT = 2000  # cells; most are the same in every submission of a lecture
STYLE = (
    "a, a:link, a:visited { color: #0b3d66 !important; text-decoration: underline }"
    ".panel-heading { background: #e8eef4 !important; color: #1a1a1a !important }"
    ".items code { color: #1a1a1a; background: none }"
    ".items td, .items th { padding: 3px 14px 3px 0; vertical-align: top; text-align: left }"
    "pre, .highlight pre { background: #fff !important }"
    ".anchor-link { display: none }"  # a pilcrow behind each heading
    "body { overflow-wrap: break-word }"
    ".said { white-space: pre-line }"
    ".items { width: 100% } .items div { margin-bottom: 4px }"
    "pre, .output_area, .output_html, .rendered_html { overflow-x: auto; max-width: 100% }"
    "math[display=block] { display: block math; overflow-x: auto; overflow-y: hidden }"
    "img, svg { max-width: 100%; height: auto }"
    "div.nbgrader_cell .panel-heading { height: auto !important; overflow: hidden }"
    "@media (max-width: 700px) {"
    ".prompt, div.prompt { display: none !important }"
    ".container, #notebook, #notebook-container, .panel-body, div.cell, .inner_cell"
    " { padding: 4px !important; margin: 0 !important; min-width: 0; width: auto !important }"
    ".items, .items tbody, .items tr, .items td, .items th { display: block }"
    ".items thead { display: none } .items tr { border-bottom: 1px solid #bbb }"
    ".rendered_html table { display: block; overflow-x: auto }"
    "math[tabindex] { display: block math; overflow-x: auto; overflow-y: hidden }"
    "}"
    ".prompt, .jp-InputPrompt, .jp-OutputPrompt { color: #444 !important }"
)
# Rendered sources, by source and settings; kept from one submission to the next in this process.
_rendered: dict[tuple[str, str], str] = {}
_exporter_in_use = threading.Lock()  # nbconvert's exporter keeps state while it renders


class _Exporter(HTMLExporter):
    """Render HTML without parsing the page again to add missing image descriptions.

    Submissions hold no images. Formulas become MathML.
    """

    formulas_until = 0.0  # by `time.monotonic`: until when a page's formulas may be converted

    def from_notebook_node(self, nb: NotebookNode, resources: Any = None, **kw: Any) -> Any:
        resources = self._init_resources(resources)
        highlight = Highlight2HTML(pygments_lexer="python3", parent=self)
        self.register_filter(
            "highlight_code", lambda source, **kw: _render_once(highlight, source, **kw)
        )
        metadata = {"notebook_metadata": self._nb_metadata, "resources": resources}
        self.register_filter("filter_data_type", WidgetsDataTypeFilter(parent=self, **metadata))
        return TemplateExporter.from_notebook_node(self, nb, resources, **kw)

    @pass_context
    def markdown2html(self, context: Any, source: str) -> str:
        page = _render_once(lambda text: HTMLExporter.markdown2html(self, context, text), source)
        return with_mathml(page, self.formulas_until)


def _render_once(render_source: Callable[..., str], source: str, **kw: Any) -> str:
    """Render a cell's source, or return what was rendered for an equal one before."""
    key = (source, repr(kw))
    if key not in _rendered:
        if len(_rendered) >= RENDERED_LIMIT:
            _rendered.clear()
        _rendered[key] = render_source(source, **kw)
    return _rendered[key]


@cache
def _exporter() -> _Exporter:
    """Make an exporter with nbgrader's own feedback template."""
    import nbgrader
    from nbconvert.preprocessors import CSSHTMLHeaderPreprocessor

    extension = Path(nbgrader.__file__).parent / "server_extensions" / "formgrader"
    css = extension / "static" / "node_modules" / "bootstrap" / "dist" / "css"
    config = Config()
    config.HTMLExporter.template_name = "feedback"
    config.HTMLExporter.extra_template_basedirs = [str(extension / "templates")]
    config.HTMLExporter.extra_template_paths = [str(css)]
    config.HTMLExporter.preprocessors = [CSSHTMLHeaderPreprocessor]
    return _Exporter(config=config)


def render(
    nb: NotebookNode,
    name: str,
    scores: Mapping[str, float | None],
    comments: dict[str, str] | None = None,
    late_penalty: float = 0.0,
    requests: Sequence[Request] = (),
) -> str:
    """Render a graded notebook as HTML.

    Args:
        name: of the assignment.
        scores: {graded cell: points}; None where a person has still to give them.
        comments: {cell: comment}, from the gradebook.
        late_penalty: points.
        requests: of the student for another judgement, and what came out.
    """
    language = language_in(nb.metadata)
    shown = copy.deepcopy(nb)
    max_score = 0.0
    for cell in shown.cells:
        settings = cell.metadata.get("nbgrader", {})
        grade_id = settings.get("grade_id")
        hide_tests(cell)
        if language is not None:
            _say_in(cell, language)
        if settings.get("grade") or settings.get("task"):
            settings["score"] = scores.get(grade_id, 0.0)
            if settings["score"] is None:
                settings["score"] = _NO_SCORE
            max_score += settings["points"]
        if comments and grade_id in comments:
            settings["comment"] = comments[grade_id]
    summary = {
        "notebook": name,
        "score": total_of(scores.values()) - late_penalty,
        "max_score": max_score,
        "late_penalty": late_penalty,
    }
    with _exporter_in_use:
        _exporter().formulas_until = time.monotonic() + FORMULA_SECONDS
        page, _ = _exporter().from_notebook_node(shown, resources={"nbgrader": summary})
    page = page.replace(f"Score: {_NO_SCORE} /", f"{in_words(NOT_GRADED, language)} /")
    listed = list_of(shown, name, scores, comments or {}, late_penalty, requests)
    page = re.sub(r'<div id="toc">.*?</div>', lambda _: listed, page, count=1, flags=re.DOTALL)
    return accessible(page, language)


def _say_in(cell: NotebookNode, language: str) -> None:
    """Reduce the instructor's text of a cell, and what tests said, to one language, in place."""
    is_locked = cell.metadata.get("nbgrader", {}).get("locked")
    if cell.cell_type != "code" or (is_begun(cell.source) and not is_locked):
        return
    cell.source = cell_in_language(cell.source, language)
    for output in cell.get("outputs", []):
        if output.output_type == "error":
            output.evalue = in_words(str(output.evalue), language)
            output.traceback = [in_words(line, language) for line in output.traceback]


def accessible(page: str, language: str | None = None) -> str:
    """Add what nbgrader's template lacks: language, contrast, phones; take what it loads.

    Code and tables scroll by keyboard. Nothing is left that a browser would run or fetch.
    """
    head, end_of_head, body = page.partition("</head>")
    head = _FONT_FACE.sub("", _SCRIPT.sub("", head))
    head = head.replace("<html>", f'<html lang="{language or "zh"}">', 1)
    head = head.replace("<head>", f"<head>{_META}", 1)
    for before, plain, after, ours in _WORDS:
        words = in_words(ours, language)
        body = body.replace(f"{before}{plain}{after}", f"{before}{words}{after}")
    page = f"{head}<style>{STYLE}</style>{end_of_head}{body}"
    return _SCROLLING.sub(r'\g<0> tabindex="0"', page)


def hide_tests(cell: NotebookNode) -> None:
    """Take the code of hidden tests out of a test cell, in place; their messages stay."""
    if is_test(cell):
        cell.source = without_hidden_tests(cell.source)
