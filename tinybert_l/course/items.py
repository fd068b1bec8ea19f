"""What a lecture's notebook is graded on: exercises, quiz, questions of a check, and essays.

Course home, Validate, `submit` and feedback list the same items, in the same words.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tinybert_l.course.markers import TEXT_STUBS
from tinybert_l.exercises.registry import exercises
from tinybert_l.languages import current_language, one_of

HIDDEN = "_hidden"  # how the name of a cell of hidden tests ends
TEST = "test_"  # and how that of any test cell begins
QUIZ = "quiz_"  # and how that of a quiz question begins


@dataclass(frozen=True)
class Item:
    """One thing that a student is graded on.

    Args:
        name: of the exercise, of the question, or of the essay's cell.
        lecture: number of the lecture that sets it.
        title_zh, title_en: its title.
        points: what it is worth.
        minutes: its effort; 0 where that is not stated.
        cells: the graded cells of the notebook that belong to it.
        by_hand: whether a person grades it.
    """

    name: str
    lecture: int
    title_zh: str
    title_en: str
    points: float
    minutes: int
    cells: tuple[str, ...]
    by_hand: bool = False

    @property
    def is_quiz(self) -> bool:
        """Whether it is a quiz question, of which visible tests see the form alone."""
        return self.name.startswith(QUIZ)

    @property
    def title(self) -> str:
        """The title in both languages, or in that of a course of one language."""
        return self.title_in(current_language())

    def title_in(self, language: str | None) -> str:
        """The title in a language, "zh" or "en"; None: in both."""
        if language is None:
            return f"{self.title_zh} · {self.title_en}"
        return one_of(self.title_en, self.title_zh, language)


def items_of(lecture: int, cells: Sequence[Mapping[str, Any]]) -> list[Item]:
    """Return what a notebook is graded on, in its order.

    Args:
        lecture: number of the lecture.
        cells: of its notebook, as plain data or as nbformat reads them.
    """
    points: dict[str, float] = {}
    cells_of: dict[str, list[str]] = {}
    essays = []
    for cell in cells:
        settings = cell["metadata"].get("nbgrader") or {}
        if not (settings.get("grade") or settings.get("task")):
            continue
        grade_id = settings["grade_id"]
        by_hand = bool(settings.get("solution") or settings.get("task"))
        name = grade_id if by_hand else grade_id.removeprefix(TEST).removesuffix(HIDDEN)
        if by_hand:
            essays.append(name)
        cells_of.setdefault(name, []).append(grade_id)
        points[name] = points.get(name, 0.0) + float(settings.get("points", 0))
    known = exercises(lecture)
    items = []
    num_questions = 0
    for name, graded_cells in cells_of.items():
        minutes = 0
        if name in known:
            titles = (known[name].title_zh, known[name].title_en)
            minutes = known[name].minutes
        elif name in essays:
            number = f"{essays.index(name) + 1}" if len(essays) > 1 else ""
            titles = (f"论述题{number}", f"Essay {number}".strip())
        elif name.startswith(QUIZ):
            number = name.removeprefix(QUIZ).replace("_", ".")
            titles = (f"测验{number}", f"Quiz {number}")
        else:
            num_questions += 1
            titles = (f"检查题{num_questions}", f"Check, question {num_questions}")
        is_essay = name in essays
        item = Item(name, lecture, *titles, points[name], minutes, tuple(graded_cells), is_essay)
        items.append(item)
    return items


def is_written(source: str) -> bool:
    """Whether the cell of an essay holds more than the text that students get."""
    return source.strip() not in ("", *TEXT_STUBS)
