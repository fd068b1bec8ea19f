"""Tell students which items of a marking scheme their essay got: the gradebook has only points."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tinybert_l.errors import InvalidInput
from tinybert_l.exercises.registry import NOTEBOOKS
from tinybert_l.grading.course import Course
from tinybert_l.grading.marking.scheme import Question, read_questions
from tinybert_l.grading.marking.store import FOLDER, Journal

if TYPE_CHECKING:
    from tinybert_l.grading.results.book import SubmissionGrades


@dataclass(frozen=True)
class Ticked:
    """The items that were ticked on the marking page.

    Args:
        questions: of the lecture, with the journal of each.
    """

    questions: tuple[tuple[Question, Journal], ...]

    def beside(self, student: str, grades: "SubmissionGrades") -> dict[str, str]:
        """Return {cell: comment} with the scheme's items below what the marker wrote.

        Left out where the points were given elsewhere since.
        """
        comments = {}
        for question, journal in self.questions:
            mark = journal.items.get(student)
            if mark is None or mark.points is None or not question.rubric:
                continue
            if mark.points == grades.scores.get(question.cell):
                written = grades.comments.get(question.cell, "")
                lines = _lines(question, mark.items)
                comments[question.cell] = f"{written}\n\n{lines}".strip()
        return comments


def _lines(question: Question, items: tuple[int, ...]) -> str:
    """Return a Markdown list of a scheme's items, with their points where they were ticked."""
    lines = []
    for index, item in enumerate(question.rubric):
        text = " · ".join(dict.fromkeys(item.text.values()))
        sign, points = ("✓", item.points) if index in items else ("–", 0)
        lines.append(f"- {sign} {text} ({points:g}/{item.points:g})")
    return "\n".join(lines)


def read_ticked(course: Course, lecture: int) -> Ticked:
    """Read what was ticked in a lecture; nothing where it was not marked on the page."""
    name = NOTEBOOKS[lecture]
    folder = course.folder / FOLDER / name
    if not folder.is_dir():
        return Ticked(())
    try:
        questions = read_questions(course.sources / name / f"{name}.ipynb", lecture)
    except InvalidInput:  # nothing is marked by hand
        return Ticked(())
    pairs = []
    for question in questions:
        pairs.append((question, Journal(folder / f"{question.cell}-journal.jsonl")))
    return Ticked(tuple(pairs))
