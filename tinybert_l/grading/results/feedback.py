"""The page that a student gets back: their notebook, each test's message, scores and comments, no hidden tests."""

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

from tinybert_l.grading.assignment import is_test

MADE_LIMIT = 2000
STYLE = (
    "a, a:link, a:visited { color: #0b3d66 !important; text-decoration: underline }"
    ".panel-heading { background: #e8eef4 !important; color: #1a1a1a !important }"
    "pre, .highlight pre { background: #fff !important }"
    ".prompt, .jp-InputPrompt, .jp-OutputPrompt { color: #444 !important }"
)
_made: dict[tuple[str, str], str] = {}
_one_at_a_time = threading.Lock()


class _Exporter(HTMLExporter):
    """Without the second parse of the whole page that adds missing image descriptions: there are no images."""

    def from_notebook_node(self, nb: NotebookNode, resources: Any = None, **more: Any) -> Any:
        resources = self._init_resources(resources)
        highlight = Highlight2HTML(pygments_lexer="python3", parent=self)
        self.register_filter(
            "highlight_code", lambda source, **more: self._once(highlight, source, **more)
        )
        metadata = {"notebook_metadata": self._nb_metadata, "resources": resources}
        self.register_filter("filter_data_type", WidgetsDataTypeFilter(parent=self, **metadata))
        return TemplateExporter.from_notebook_node(self, nb, resources, **more)

    @pass_context
    def markdown2html(self, context: Any, source: str) -> str:
        return self._once(lambda text: HTMLExporter.markdown2html(self, context, text), source)

    def _once(self, make: Callable[..., str], source: str, **more: Any) -> str:
        """Most cells are the same in every submission: tests, texts, demonstrations."""
        key = (source, repr(more))
        if key not in _made:
            if len(_made) >= MADE_LIMIT:
                _made.clear()
            _made[key] = make(source, **more)
        return _made[key]


@cache
def _exporter() -> HTMLExporter:
    """nbgrader's own feedback template."""
    import nbgrader
    from nbconvert.preprocessors import CSSHTMLHeaderPreprocessor

    extension = Path(nbgrader.__file__).parent / "server_extensions" / "formgrader"
    config = Config()
    config.HTMLExporter.template_name = "feedback"
    config.HTMLExporter.extra_template_basedirs = [str(extension / "templates")]
    css = extension / "static" / "node_modules" / "bootstrap" / "dist" / "css"
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
    """HTML of a graded notebook.

    Args:
        scores: points of each graded cell.
        comments: by cell, from the gradebook.
        late_penalty: points.
    """
    shown = copy.deepcopy(nb)
    total = 0.0
    for cell in shown.cells:
        settings = cell.metadata.get("nbgrader", {})
        grade_id = settings.get("grade_id")
        hide_tests(cell)
        if settings.get("grade") or settings.get("task"):
            settings["score"] = scores.get(grade_id, 0.0)
            total += settings["points"]
        if comments and grade_id in comments:
            settings["comment"] = comments[grade_id]
    summary: dict[str, Any] = {
        "notebook": name,
        "score": sum(scores.values()) - late_penalty,
        "max_score": total,
    }
    with _one_at_a_time:
        page, _ = _exporter().from_notebook_node(
            shown, resources={"nbgrader": summary | {"late_penalty": late_penalty}}
        )
    return accessible(page)


def accessible(page: str) -> str:
    """What nbgrader's template leaves out: the language, contrast, and code that can be scrolled by keyboard."""
    page = page.replace("<html>", '<html lang="zh">', 1).replace(
        "</head>", f"<style>{STYLE}</style></head>", 1
    )
    return re.sub(r"<pre(?=[ >])", '<pre tabindex="0"', page)


def hide_tests(cell: NotebookNode) -> None:
    """Hidden tests' messages stay, their code goes."""
    if is_test(cell):
        pattern = r"\n?[^\n]*### BEGIN HIDDEN TESTS.*?### END HIDDEN TESTS[^\n]*"
        cell.source = re.sub(pattern, "", cell.source, flags=re.S)
