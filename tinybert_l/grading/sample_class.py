"""A class of seven that hands in lecture 3, each with a story and the grade that story deserves."""

from collections.abc import Callable
from pathlib import Path

import nbformat

from tinybert_l.exercises.answers import answer_cells
from tinybert_l.exercises.registry import NOTEBOOKS
from tinybert_l.grading.course import Course

LECTURE = 3
EXERCISES = ("layer_map", "attention_loss", "hidden_loss", "kept_layers", "slice_heads")
ESSAY = (
    "The top map should help the classifier, since the last layers hold what it reads, but the student's first "
    "layer then has to make a large step. I predict a loss of one to two points against the uniform map."
)
MISSES_THE_REMAINDER = """@kept_layers.implement
def kept_layers(num_layers, depth):
    if not 1 <= depth <= num_layers:
        raise ValueError("depth must be 1 to num_layers")
    step = num_layers // depth
    return list(range(step - 1, num_layers, step))[:depth]
"""
NOT_PYTHON = """@slice_heads.implement
def slice_heads(weight, bias, kept_heads, head_size)
    return weight
"""
NEVER_ENDS = """@layer_map.implement
def layer_map(num_student_layers, num_teacher_layers, strategy="uniform"):
    while True:
        pass
"""
KILLS_THE_KERNEL = """import os

os._exit(1)
"""

Answers = dict[str, str]


def _only(names: tuple[str, ...]) -> Callable[[Answers], Answers]:
    return lambda answers: {name: answers[name] for name in names}


def _but(name: str, wrong: str) -> Callable[[Answers], Answers]:
    return lambda answers: {**answers, name: wrong}


# student: (what they hand in, the cells in which they earn nothing)
STORIES: dict[str, tuple[Callable[[Answers], Answers], set[str]]] = {
    "perfect": (_only(EXERCISES), set()),
    "blank": (_only(()), {f"test_{name}{part}" for name in EXERCISES for part in ("", "_hidden")}),
    "half_right": (
        _only(EXERCISES[:3]),
        {f"test_{name}{part}" for name in EXERCISES[3:] for part in ("", "_hidden")},
    ),
    "wrong_idea": (_but("kept_layers", MISSES_THE_REMAINDER), {"test_kept_layers_hidden"}),
    "syntax_error": (
        _but("slice_heads", NOT_PYTHON),
        {"test_slice_heads", "test_slice_heads_hidden"},
    ),
    "endless_loop": (_but("layer_map", NEVER_ENDS), {"test_layer_map", "test_layer_map_hidden"}),
    "killed_kernel": (
        _but("attention_loss", KILLS_THE_KERNEL),
        {"test_attention_loss", "test_attention_loss_hidden"},
    ),
}


def expected_points(course: Course, student: str) -> dict[str, float]:
    """{test cell: points} that a student's story deserves; known before anything is graded."""
    _, lost = STORIES[student]
    return {
        cell: 0.0 if cell in lost else points for cell, points in course.maximum(LECTURE).items()
    }


def hand_in(course: Course, released: Path, students: list[str] | None = None) -> list[str]:
    """Write the submissions of the sample class, made from the released notebook; returns the students."""
    name = NOTEBOOKS[LECTURE]
    model_answers = answer_cells(course.sources / name / f"{name}.ipynb")
    chosen = students or list(STORIES)
    for student in chosen:
        change, _ = STORIES[student]
        answers = change(model_answers)
        notebook = nbformat.read(released / f"{name}.ipynb", as_version=4)
        for cell in notebook.cells:
            grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
            if grade_id in answers:
                cell.source = answers[grade_id]
            elif grade_id == "essay" and student != "blank":
                cell.source = ESSAY
        path = course.submission(student, LECTURE)
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, path)
    return chosen
