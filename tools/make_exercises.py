"""Write docs/reference/exercises.md from the registry: `python tools/make_exercises.py`."""

from pathlib import Path
from typing import Any

from tinybert_l.cache import write_atomically
from tinybert_l.course.quiz_questions import read_questions
from tinybert_l.exercises.registry import NOTEBOOKS, Exercise, exercises
from tinybert_l.exercises.released import solutions_file

CHECKOUT = Path(__file__).resolve().parent.parent
PAGE = CHECKOUT / "docs" / "reference" / "exercises.md"
INTRODUCTION = """# Exercises · 练习

Written from the registry by `tools/make_exercises.py`: {num_exercises} exercises, {points} points.
The second exercise of lecture 7 has the number 7.2. Its lecture and its name lead to the four files
in which it is specified, answered, tested and graded.

Beside them stand {num_questions} quiz questions, a point each, in `solutions/quizzes/`.
"""
COLUMNS = [
    "number",
    "exercise",
    "题目",
    "title",
    "points",
    "minutes",
    "builds on",
    "tested in",
]


def page() -> str:
    """Return the page: for each lecture with exercises a section with a table."""
    entries = exercises().values()
    points = sum(entry.points for entry in entries)
    num_questions = sum(len(read_questions(CHECKOUT / "solutions", n)) for n in NOTEBOOKS)
    numbers = {"num_exercises": len(entries), "points": points, "num_questions": num_questions}
    parts = [INTRODUCTION.format(**numbers)]
    for lecture, notebook in NOTEBOOKS.items():
        if exercises(lecture):
            parts.append(section(lecture, notebook))
    return "\n".join(parts)


def section(lecture: int, notebook: str) -> str:
    """Return the section of one lecture: its files, and a table of its exercises."""
    specification = f"tinybert_l/exercises/lecture_{lecture:02d}.py"
    solutions = solutions_file(Path("solutions"), lecture).as_posix()
    files = (
        f"Specified in `{specification}`, answered in `{solutions}`, "
        f"graded in `notebooks/{notebook}/{notebook}.ipynb`."
    )
    rows = [COLUMNS, ["---"] * len(COLUMNS)]
    for entry in exercises(lecture).values():
        rows.append(row(entry))
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in rows)
    return f"## Lecture {lecture}: {notebook}\n\n{files}\n\n{table}\n"


def row(entry: Exercise[..., Any]) -> list[str]:
    """Return the table's cells for an exercise, one per column."""
    builds_on = ", ".join(f"`{name}`" for name in entry.needs)
    return [
        entry.number,
        f"`{entry.name}`",
        entry.title_zh,
        entry.title_en,
        str(entry.points),
        str(entry.minutes),
        builds_on or "–",
        f"`tests/zoo/{entry.name}.py`",
    ]


if __name__ == "__main__":
    write_atomically(PAGE, page())
