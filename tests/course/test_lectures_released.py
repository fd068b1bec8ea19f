"""Every lecture as students get it: no leak, and without answers it runs to its end and says what is missing."""

import nbformat
import pytest
from tests_support import execute

from tinybert_l.exercises.registry import NOTEBOOKS, exercises
from tinybert_l.grading.course import Course
from tinybert_l.grading.release import leak_scan, release


@pytest.fixture(scope="module")
def course(tmp_path_factory) -> Course:
    return Course(tmp_path_factory.mktemp("course"))


@pytest.mark.slow
@pytest.mark.parametrize("lecture", list(NOTEBOOKS))
def test_a_released_lecture_runs_unsolved_and_every_error_is_explained(
    lecture, course, monkeypatch
):
    folder = release(course, lecture)
    assert leak_scan(folder, course.sources, course.solutions, lecture) == []
    monkeypatch.setenv("TINYBERT_L_REDUCED", "1")
    monkeypatch.setenv("TINYBERT_L_SOLUTIONS", str(folder / "solutions"))
    notebook = nbformat.read(folder / f"{NOTEBOOKS[lecture]}.ipynb", as_version=4)
    execute(notebook, folder)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in code if cell.source.strip()), (
        "Run All stopped before the end"
    )
    errors = [(cell, o) for cell in code for o in cell.outputs if o.output_type == "error"]
    for cell, error in errors:
        explained = ("has no answer yet", "your answer goes here", "Fill in")
        assert any(words in error.evalue for words in explained), (
            f"{cell.source[:80]}: {error.ename}: {error.evalue}"
        )
    for name in (n for n, item in exercises().items() if item.lecture == lecture):
        assert any(o.evalue.startswith(f"{name} has no answer yet") for _, o in errors), name


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_release_in_one_language_keeps_that_language_and_all_code(course, lang, tmp_path):
    own = Course(tmp_path)
    both = nbformat.read(own.sources / NOTEBOOKS[11] / f"{NOTEBOOKS[11]}.ipynb", as_version=4).cells
    one = nbformat.read(release(own, 11, lang) / f"{NOTEBOOKS[11]}.ipynb", as_version=4).cells
    other = {"zh": "lang-en", "en": "lang-zh"}[lang]
    assert not [
        c
        for c in one
        if other in c.metadata.get("tags", []) and f"lang-{lang}" not in c.metadata["tags"]
    ]
    assert [c.cell_type for c in one].count("code") == [c.cell_type for c in both].count("code")
    assert [c for c in one if f"lang-{lang}" in c.metadata.get("tags", [])]


def test_points_and_minutes_in_the_notebooks_are_those_of_the_syllabus(course):
    for name, item in exercises().items():
        cells = nbformat.read(
            course.sources / item.notebook / f"{item.notebook}.ipynb", as_version=4
        ).cells
        points = [c.metadata.nbgrader.points for c in cells if "nbgrader" in c.metadata
                  and c.metadata.nbgrader.grade_id in (f"test_{name}", f"test_{name}_hidden")]  # fmt: skip
        assert len(points) == 2 and sum(points) == item.points, name
        text = "\n".join(c.source for c in cells if c.cell_type == "markdown")
        assert f"`{name}` ({item.points} points, about {item.minutes} minutes)" in text, name
        assert f"`{name}`（{item.points}分，约{item.minutes}分钟）" in text, name
