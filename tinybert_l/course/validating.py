"""Let nbgrader's button Validate show a list by exercise, as the course home does.

nbgrader itself shows the source of each failed cell: pages of test code, and for an essay that is
not written yet "The following cell failed". The list has the message of the first failed test
beside each exercise. A released folder's nbgrader_config.py installs it, and so does
`tinybert-l lab`.
"""

from pathlib import Path
from typing import Any

from jinja2 import Environment

from tinybert_l.course.home import Row, language_of, rows_of, summary
from tinybert_l.errors import CourseError
from tinybert_l.exercises.registry import NOTEBOOKS
from tinybert_l.languages import in_words, showing

# nbgrader's dialog shows a failed cell's source and its error; the error may be HTML
_LIST = """\
<style>
#validation-message.validation-failed > div > p { display: none }
#validation-message pre { white-space: pre-wrap; border: none; margin: 0 }
#validation-message table { border-collapse: collapse; white-space: normal }
#validation-message th, #validation-message td {
  text-align: left; vertical-align: top; padding: 4px 10px 4px 0;
  border-bottom: 1px solid var(--jp-border-color2);
}
</style>\
<table><thead><tr><th scope="col">{{ "exercise 练习"|words }}</th>\
<th scope="col">{{ "your answer 你的解答"|words }}</th>\
<th scope="col">{{ "points 分"|words }}</th></tr></thead><tbody>\
{% for row in rows %}<tr><td>{{ row.item.title }}<br><code>{{ row.item.name }}</code></td>\
<td>{% if row.message %}<strong>{{ row.message|words }}</strong><br>{% endif %}\
{{ row.outcome }}</td>\
<td>{{ "%g"|format(row.item.points) }}</td></tr>{% endfor %}</tbody></table>"""
_original: list[Any] = []  # nbgrader's own method, once ours has taken its place


def install() -> None:
    """Make nbgrader's Validate in this process show the list for the course's notebooks."""
    from nbgrader.validator import Validator

    if _original:
        return
    _original.append(Validator.validate)

    def validate(self: Any, filename: str) -> dict[str, Any]:
        own = results(self, Path(filename))
        return _original[0](self, filename) if own is None else own

    Validator.validate = validate


def results(validator: Any, notebook: Path) -> dict[str, Any] | None:
    """Return what the dialog is to show of a notebook; None leaves it to nbgrader.

    nbgrader itself says that locked cells were changed, and judges notebooks of other courses.

    Args:
        validator: nbgrader's, which knows the checks of changed cells.
    """
    import nbformat

    lectures = {name: lecture for lecture, name in NOTEBOOKS.items()}
    lecture = lectures.get(notebook.stem)
    if lecture is None:
        return None
    content = nbformat.read(notebook, as_version=4)
    if validator._get_type_changed_cells(content) or validator._get_changed_cells(content):
        return None
    try:
        rows = rows_of(lecture, notebook)
    except CourseError as error:
        return _dialog(str(error), "")
    with showing(language_of([notebook])):
        return _dialog(summary(rows), list_of(rows))


def list_of(rows: list[Row]) -> str:
    """Return the list as HTML."""
    environment = Environment(autoescape=True)
    environment.filters["words"] = in_words
    return environment.from_string(_LIST).render(rows=rows)


def _dialog(headline: str, page: str) -> dict[str, Any]:
    return {"failed": [{"source": headline, "error": page, "raw_error": headline}]}
