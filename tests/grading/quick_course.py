"""A course that is made in tenths of a second: as released, without nbgrader's converters."""

import json
from pathlib import Path

import nbformat

from tinybert_l.course.markers import SOLUTION, without_hidden_tests
from tinybert_l.exercises.registry import NOTEBOOKS
from tinybert_l.grading.assignment import Assignment, Cell, place_of
from tinybert_l.grading.course import MATERIAL, Course
from tinybert_l.grading.settings import STUB


def quick_course(folder: Path, lecture: int, monkeypatch) -> Course:
    """Return a course in which a lecture is released, as far as reading submissions needs it."""
    course = Course(folder)
    name = NOTEBOOKS[lecture]
    released = nbformat.read(MATERIAL / "notebooks" / name / f"{name}.ipynb", as_version=4)
    cells = []
    for cell in released.cells:
        cell.source = SOLUTION.sub(STUB, without_hidden_tests(cell.source))
        settings = cell.metadata.get("nbgrader")
        if settings:
            is_essay = settings["solution"] and settings["grade"]
            if is_essay and cell.cell_type == "markdown":
                cell.source = "YOUR ANSWER HERE"
            facts = {key: bool(settings.get(key)) for key in ("locked", "grade", "solution")}
            points = float(settings.get("points", 0))
            task = bool(settings.get("task"))
            cells.append(
                Cell(
                    settings["grade_id"],
                    cell.cell_type,
                    cell.source,
                    task=task,
                    points=points,
                    checksum="",
                    **facts,
                )
            )
    path = course.folder / "release" / name / f"{name}.ipynb"
    path.parent.mkdir(parents=True)
    nbformat.write(released, path)
    layout = tuple(map(place_of, released.cells))
    read = Assignment(name, lecture, tuple(cells), frozenset(), frozenset(), {}, layout)
    monkeypatch.setattr(Course, "assignment", lambda self, lecture: read)
    return course


class Submissions:
    """Writes submissions of a quick course."""

    def __init__(self, course: Course, lecture: int) -> None:
        self.course = course
        self.lecture = lecture
        name = NOTEBOOKS[lecture]
        released = course.folder / "release" / name / f"{name}.ipynb"
        self.tree = json.loads(released.read_text(encoding="utf-8"))

    def hand_in(self, student: str, answers: dict[str, str]) -> Path:
        """Write a submission with these answers, {cell: source}."""
        cells = []
        for cell in self.tree["cells"]:
            name = cell["metadata"].get("nbgrader", {}).get("grade_id")
            cells.append({**cell, "source": answers[name]} if name in answers else cell)
        path = self.course.submission(student, self.lecture)
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({**self.tree, "cells": cells}), encoding="utf-8")
        return path
