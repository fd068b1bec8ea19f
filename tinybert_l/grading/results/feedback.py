"""Render the page that a student gets back.

It shows the notebook, each test's message, scores and comments, and no hidden tests.
"""

import copy
import re
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import pass_context
from nbconvert.exporters import HTMLExporter, TemplateExporter
from nbconvert.filters import Highlight2HTML
from nbconvert.filters.widgetsdatatypefilter import WidgetsDataTypeFilter
from nbformat import NotebookNode
from traitlets.config import Config

from tinybert_l.course.markers import without_hidden_tests
from tinybert_l.grading.assignment import is_test

RENDERED_LIMIT = 2000  # cells; most are the same in every submission of a lecture
STYLE = (
    "a, a:link, a:visited { color: #0b3d66 !important; text-decoration: underline }"
    ".panel-heading { background: #e8eef4 !important; color: #1a1a1a !important }"
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
    scores: dict[str, float],
    comments: dict[str, str] | None = None,
    late_penalty: float = 0.0,
) -> str:
    """Render a graded notebook as HTML.

    Args:
        name: of the assignment.
        scores: {graded cell: points}.
        comments: {cell: comment}, from the gradebook.
        late_penalty: points.
    """
    shown = copy.deepcopy(nb)
    max_score = 0.0
    for cell in shown.cells:
        settings = cell.metadata.get("nbgrader", {})
        grade_id = settings.get("grade_id")
        hide_tests(cell)
        if settings.get("grade") or settings.get("task"):
            settings["score"] = scores.get(grade_id, 0.0)
            max_score += settings["points"]
        if comments and grade_id in comments:
            settings["comment"] = comments[grade_id]
    summary = {
        "notebook": name,
        "score": sum(scores.values()) - late_penalty,
        "max_score": max_score,
        "late_penalty": late_penalty,
    }
    with _exporter_in_use:
        page, _ = _exporter().from_notebook_node(shown, resources={"nbgrader": summary})
    return accessible(page)


def accessible(page: str) -> str:
    """Add what nbgrader's template lacks: language, contrast, code that scrolls by keyboard."""
    page = page.replace("<html>", '<html lang="zh">', 1)
    page = page.replace("</head>", f"<style>{STYLE}</style></head>", 1)
    return re.sub(r"<pre(?=[ >])", '<pre tabindex="0"', page)


def hide_tests(cell: NotebookNode) -> None:
    """Take the code of hidden tests out of a test cell, in place; their messages stay."""
    if is_test(cell):
        cell.source = without_hidden_tests(cell.source)
