"""Render the page that a student gets back.

A page begins with the list of exercises that the student knows from the course home, with points
and the first failed test's message. It shows the notebook, each test's message, scores and
comments, and no hidden tests.
"""

import copy
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, pass_context
from nbconvert.exporters import HTMLExporter, TemplateExporter
from nbconvert.filters import Highlight2HTML
from nbconvert.filters.widgetsdatatypefilter import WidgetsDataTypeFilter
from nbformat import NotebookNode
from traitlets.config import Config

from tinybert_l.course.authoring import cell_in_language
from tinybert_l.course.home import is_begun, language_in, shorten
from tinybert_l.course.items import Item, items_of
from tinybert_l.course.markers import without_hidden_tests
from tinybert_l.exercises.registry import NOTEBOOKS
from tinybert_l.grading.assignment import is_test
from tinybert_l.languages import in_words

REASON_LIMIT = 300  # characters of a failed test's message in the list
NOT_GRADED = "not graded yet 尚未评分"
# Stands for a score in nbgrader's template, which knows numbers alone; replaced in the page.
_NO_SCORE = -987654321.0
_LIST = """\
<div id="toc"><table class="items">
<thead><tr><th scope="col">{{ "exercise 练习"|words }}</th>
<th scope="col">{{ "points 分"|words }}</th>
<th scope="col">{{ "what to look at 说明"|words }}</th></tr></thead><tbody>
{% for row in rows %}
<tr><td><a href="#{{ row.item.cells[0] }}">{{ row.title }}</a> \
<small><code>{{ row.item.name }}</code></small></td>
<td>{{ row.points }}</td>
<td>{{ row.reason }}{% for comment in row.comments %}
<a href="#comment-{{ comment }}">{{ "comment 评语"|words }}</a>{% endfor %}</td></tr>
{% endfor %}
{% if penalty %}
<tr><td>{{ "late 迟交扣分"|words }}</td><td>-{{ "%g"|format(penalty) }}</td><td></td></tr>
{% endif %}
<tr><th scope="row">{{ ("so far 目前" if open_points else "together 合计")|words }}</th>
<td>{{ "%g"|format(total) }} / {{ "%g"|format(maximum) }}</td>
<td>{% if open_points %}{{ "%g"|format(open_points) }} \
{{ "points are still to be graded by a person 分待人工评分"|words }}{% endif %}</td></tr>
</tbody></table></div>"""
RENDERED_LIMIT = 2000  # cells; most are the same in every submission of a lecture
STYLE = (
    "a, a:link, a:visited { color: #0b3d66 !important; text-decoration: underline }"
    ".panel-heading { background: #e8eef4 !important; color: #1a1a1a !important }"
    ".items code { color: #1a1a1a; background: none }"
    ".items td, .items th { padding: 3px 14px 3px 0; vertical-align: top; text-align: left }"
    "pre, .highlight pre { background: #fff !important }"
    ".prompt, .jp-InputPrompt, .jp-OutputPrompt { color: #444 !important }"
)
# Rendered sources, by source and settings; kept from one submission to the next in this process.
_rendered: dict[tuple[str, str], str] = {}
_exporter_in_use = threading.Lock()  # nbconvert's exporter keeps state while it renders


class _Exporter(HTMLExporter):
    """Render HTML without parsing the page again to add missing image descriptions.

    Submissions hold no images.
    """

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
        return _render_once(lambda text: HTMLExporter.markdown2html(self, context, text), source)


def _render_once(render_source: Callable[..., str], source: str, **kw: Any) -> str:
    """Render a cell's source, or return what was rendered for an equal one before."""
    key = (source, repr(kw))
    if key not in _rendered:
        if len(_rendered) >= RENDERED_LIMIT:
            _rendered.clear()
        _rendered[key] = render_source(source, **kw)
    return _rendered[key]


@cache
def _exporter() -> HTMLExporter:
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
) -> str:
    """Render a graded notebook as HTML.

    Args:
        name: of the assignment.
        scores: {graded cell: points}; None where a person has still to give them.
        comments: {cell: comment}, from the gradebook.
        late_penalty: points.
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
        "score": _sum(scores) - late_penalty,
        "max_score": max_score,
        "late_penalty": late_penalty,
    }
    with _exporter_in_use:
        page, _ = _exporter().from_notebook_node(shown, resources={"nbgrader": summary})
    page = page.replace(f"Score: {_NO_SCORE} /", f"{in_words(NOT_GRADED, language)} /")
    listed = _list_of(shown, name, scores, comments or {}, late_penalty)
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


@dataclass(frozen=True)
class _Row:
    """One item in the list at the top of a page.

    Args:
        comments: cells that a person has commented on.
    """

    item: Item
    title: str
    points: str
    reason: str
    comments: list[str]


def _list_of(
    nb: NotebookNode,
    name: str,
    scores: Mapping[str, float | None],
    comments: Mapping[str, str],
    penalty: float,
) -> str:
    """Return the list of what was graded: points, the first failed test, comments."""
    lectures = {notebook: lecture for lecture, notebook in NOTEBOOKS.items()}
    items = items_of(lectures.get(name, 0), nb.cells)
    language = language_in(nb.metadata)
    messages = _first_messages(nb)
    rows = []
    open_points = 0.0
    for item in items:
        given = [scores.get(cell, 0.0) for cell in item.cells]
        if None in given:
            open_points += item.points
            points = f"{in_words(NOT_GRADED, language)} / {item.points:g}"
        else:
            points = f"{sum(filter(None, given)):g} / {item.points:g}"
        reasons = [messages[cell] for cell in item.cells if cell in messages]
        answer_cells = {item.name, *item.cells}
        commented = sorted(cell for cell in answer_cells if cell in comments)
        reason = shorten(reasons[0], REASON_LIMIT) if reasons else ""
        rows.append(_Row(item, item.title_in(language), points, reason, commented))
    environment = Environment(autoescape=True, trim_blocks=True)
    environment.filters["words"] = lambda text: in_words(text, language)
    return environment.from_string(_LIST).render(
        rows=rows,
        penalty=penalty,
        total=_sum(scores) - penalty,
        maximum=sum(item.points for item in items),
        open_points=open_points,
    )


def _first_messages(nb: NotebookNode) -> dict[str, str]:
    """Return {test cell: message of the error that ended it}."""
    messages: dict[str, str] = {}
    for cell in nb.cells:
        for output in cell.get("outputs", []):
            if is_test(cell) and output.output_type == "error":
                messages.setdefault(cell.metadata.nbgrader.grade_id, str(output.evalue))
    return messages


def _sum(scores: Mapping[str, float | None]) -> float:
    return sum(filter(None, scores.values()))


def accessible(page: str, language: str | None = None) -> str:
    """Add what nbgrader's template lacks: language, contrast, code that scrolls by keyboard."""
    page = page.replace("<html>", f'<html lang="{language or "zh"}">', 1)
    page = page.replace("</head>", f"<style>{STYLE}</style></head>", 1)
    return re.sub(r"<pre(?=[ >])", '<pre tabindex="0"', page)


def hide_tests(cell: NotebookNode) -> None:
    """Take the code of hidden tests out of a test cell, in place; their messages stay."""
    if is_test(cell):
        cell.source = without_hidden_tests(cell.source)
