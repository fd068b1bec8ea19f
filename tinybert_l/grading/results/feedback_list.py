"""The list at the top of a student's feedback: exercises, points, why some were lost, comments."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader
from nbformat import NotebookNode

from tinybert_l.course.home import language_in, shorten
from tinybert_l.course.items import Item, items_of
from tinybert_l.errors import printable
from tinybert_l.exercises.registry import NOTEBOOKS
from tinybert_l.grading.assignment import is_test
from tinybert_l.grading.results.requests import Request
from tinybert_l.languages import in_words

TEMPLATE = Path(__file__).with_name("feedback_list.html.j2")
REASON_LIMIT = 300  # characters of a failed test's message
COMMENT_LIMIT = 1000  # characters of a comment; it stands whole beside the answer
NOT_GRADED = "not graded yet 尚未评分"


@dataclass(frozen=True)
class _Loss:
    """Points that were lost in one test.

    Args:
        cell: the first such test.
        reason: message of the error that ended it; empty where there is none.
    """

    cell: str
    points: float
    reason: str


@dataclass(frozen=True)
class _Row:
    """One item of the list.

    Args:
        comments: {cell: what a person wrote}.
    """

    item: Item
    title: str
    points: str
    losses: list[_Loss]
    comments: dict[str, str]


def list_of(
    nb: NotebookNode,
    name: str,
    scores: Mapping[str, float | None],
    comments: Mapping[str, str],
    penalty: float,
    requests: Sequence[Request] = (),
) -> str:
    """Return the list of what was graded, as HTML.

    Args:
        nb: the graded notebook.
        name, scores, comments, penalty, requests: as in `feedback.render`.
    """
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
            points = f"{total_of(given):g} / {item.points:g}"
        losses = _losses(nb, item, scores, messages)
        said = {}
        for cell in (item.name, *item.cells):
            if cell in comments:
                said[cell] = shorten(comments[cell], COMMENT_LIMIT)
        rows.append(_Row(item, item.title_in(language), points, losses, said))
    environment = Environment(
        loader=FileSystemLoader(TEMPLATE.parent), autoescape=True, trim_blocks=True
    )
    environment.filters["words"] = lambda text: in_words(text, language)
    environment.filters["seen"] = lambda text: "\n".join(map(printable, text.split("\n")))
    return environment.get_template(TEMPLATE.name).render(
        rows=rows,
        requests=requests,
        titles={item.name: item.title_in(language) for item in items},
        penalty=penalty,
        total=total_of(scores.values()) - penalty,
        maximum=sum(item.points for item in items),
        open_points=open_points,
    )


def total_of(points: Iterable[float | None]) -> float:
    """Add points up; what is still open counts nothing."""
    return sum(filter(None, points))


def _losses(
    nb: NotebookNode,
    item: Item,
    scores: Mapping[str, float | None],
    messages: Mapping[str, str],
) -> list[_Loss]:
    """Return where an item's points were lost in tests; tests that fail alike are one line."""
    worth = {}
    for cell in nb.cells:
        settings = cell.metadata.get("nbgrader", {})
        if is_test(cell):
            worth[settings["grade_id"]] = float(settings["points"])
    by_reason: dict[str, _Loss] = {}
    for cell in item.cells:
        points = scores.get(cell, 0.0)
        if cell not in worth or points is None or points >= worth[cell]:
            continue
        reason = shorten(messages.get(cell, ""), REASON_LIMIT)
        lost = worth[cell] - points
        before = by_reason.get(reason)
        if before is None:
            by_reason[reason] = _Loss(cell, lost, reason)
        else:
            by_reason[reason] = _Loss(before.cell, before.points + lost, reason)
    return list(by_reason.values())


def _first_messages(nb: NotebookNode) -> dict[str, str]:
    """Return {test cell: message of the error that ended it}."""
    messages: dict[str, str] = {}
    for cell in nb.cells:
        for output in cell.get("outputs", []):
            if is_test(cell) and output.output_type == "error":
                messages.setdefault(cell.metadata.nbgrader.grade_id, str(output.evalue))
    return messages
