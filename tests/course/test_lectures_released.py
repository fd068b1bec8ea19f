"""Every lecture as students get it: nothing leaks, it runs unsolved and says what is missing."""

from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
import warm
from nbformat import NotebookNode
from tests_support import execute, shown_kinds

from tinybert_l.exercises.registry import NOTEBOOKS, exercises
from tinybert_l.grading.course import Course
from tinybert_l.grading.release import leak_scan, release

# Those whose demonstrations train the longest run unsolved nightly; solved, all run every time.
LONG = (1, 4, 6)
LECTURES = [
    pytest.param(lecture, marks=pytest.mark.nightly) if lecture in LONG else lecture
    for lecture in NOTEBOOKS
]
EXPLANATIONS = ("has no answer yet", "your answer goes here", "Fill in")


@pytest.fixture(scope="module")
def course(tmp_path_factory) -> Course:
    return Course(tmp_path_factory.mktemp("course"))


@pytest.fixture
def run_released(course, monkeypatch) -> Callable[..., NotebookNode]:
    """Releases a lecture, scans it for leaks and runs its notebook with the given runner."""
    monkeypatch.setenv("TINYBERT_L_REDUCED", "1")

    def run(lecture: int, runner: Callable[[NotebookNode, Path], None]) -> NotebookNode:
        folder = release(course, lecture, answers=range(1, lecture))
        assert leak_scan(folder, course.sources, course.solutions, lecture) == []
        monkeypatch.setenv("TINYBERT_L_SOLUTIONS", str(folder / "solutions"))
        notebook = nbformat.read(folder / f"{NOTEBOOKS[lecture]}.ipynb", as_version=4)
        runner(notebook, folder)
        return notebook

    return run


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.mark.slow
@pytest.mark.parametrize("lecture", LECTURES)
def test_a_released_lecture_runs_unsolved_and_every_error_is_explained(lecture, run_released):
    cells = code_cells(run_released(lecture, warm.run_notebook))
    assert all(cell.execution_count for cell in cells if cell.source.strip()), (
        "Run All stopped before the end"
    )
    messages = []
    for cell in cells:
        for error in (o for o in cell.outputs if o.output_type == "error"):
            messages.append(error.evalue)
            assert any(words in error.evalue for words in EXPLANATIONS), (
                f"{cell.source[:80]}: {error.ename}: {error.evalue}"
            )
    for name, item in exercises().items():
        if item.lecture == lecture:
            assert any(text.startswith(f"{name} has no answer yet") for text in messages), name


@pytest.mark.slow
@pytest.mark.nightly
@pytest.mark.lecture11
def test_a_kernel_shows_the_errors_that_the_forked_process_shows(run_released):
    """The lectures are run without kernels here; this one says that it makes no difference."""
    forked = shown_kinds(run_released(11, warm.run_notebook))
    assert forked == shown_kinds(run_released(11, execute))
    errors = [kind for cell in forked for kind in cell if "no answer yet" in kind]
    assert len(errors) >= 3, "two missing answers and at least one name that they leave undefined"


@pytest.mark.slow
@pytest.mark.parametrize("lecture", list(NOTEBOOKS))
def test_a_release_gives_nothing_away(course, lecture):
    assert leak_scan(release(course, lecture), course.sources, course.solutions, lecture) == []


@pytest.mark.lecture11
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_release_in_one_language_keeps_that_language_and_all_code(lang, tmp_path):
    course = Course(tmp_path)
    name = NOTEBOOKS[11]
    bilingual = nbformat.read(course.sources / name / f"{name}.ipynb", as_version=4)
    released = nbformat.read(release(course, 11, lang) / f"{name}.ipynb", as_version=4)
    other = {"zh": "lang-en", "en": "lang-zh"}[lang]
    tags = [set(cell.metadata.get("tags", [])) for cell in released.cells]
    assert not [t for t in tags if other in t and f"lang-{lang}" not in t]
    assert [t for t in tags if f"lang-{lang}" in t]
    assert len(code_cells(released)) == len(code_cells(bilingual))


def test_points_and_minutes_in_the_notebooks_are_those_of_the_exercises(course):
    for name, item in exercises().items():
        path = course.sources / item.notebook / f"{item.notebook}.ipynb"
        cells = nbformat.read(path, as_version=4).cells
        points = []
        for cell in cells:
            graded = cell.metadata.get("nbgrader", {})
            if graded.get("grade_id") in (f"test_{name}", f"test_{name}_hidden"):
                points.append(graded.points)
        assert len(points) == 2 and sum(points) == item.points, name
        text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
        assert f"`{name}` ({item.points} points, about {item.minutes} minutes)" in text, name
        assert f"`{name}`（{item.points}分，约{item.minutes}分钟）" in text, name
