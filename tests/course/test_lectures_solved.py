"""Every lecture with its own answers and those of earlier lectures only, at reduced size."""

from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
import warm
from nbformat import NotebookNode
from tests_support import execute, shown_kinds

from tinybert_l.exercises.registry import NOTEBOOKS
from tinybert_l.exercises.released import copy_released

# numbers of the figures that each lecture shows; beside each there is a table of the same number
FIGURES = {1: [1], 2: [2], 3: [3, 4, 5], 4: [6, 7], 5: [8], 6: [9], 7: [10, 11], 8: [12], 9: [13]}
# kernels are slow to start: all but the shortest lecture are compared nightly
KERNEL = [11, *(pytest.param(lecture, marks=pytest.mark.nightly) for lecture in range(1, 10))]
MIME_TYPE = {"figure": "image/png", "table": "text/html"}


@pytest.fixture
def run_solved(checkout, monkeypatch, tmp_path) -> Callable[..., NotebookNode]:
    """Runs a lecture's notebook, with its answers, by the given runner."""
    monkeypatch.setenv("TINYBERT_L_REDUCED", "1")

    def run(lecture: int, runner: Callable[[NotebookNode, Path], None]) -> NotebookNode:
        name = NOTEBOOKS[lecture]
        monkeypatch.setenv(
            "TINYBERT_L_SOLUTIONS", str(copy_released(lecture, tmp_path, checkout / "solutions"))
        )
        notebook = nbformat.read(checkout / "notebooks" / name / f"{name}.ipynb", as_version=4)
        runner(notebook, tmp_path)
        return notebook

    return run


@pytest.mark.slow
@pytest.mark.parametrize("lecture", list(NOTEBOOKS))
def test_a_solved_lecture_runs_and_shows_every_figure_and_table(lecture, run_solved):
    shown = {}
    for cell in run_solved(lecture, warm.run_notebook).cells:
        outputs = cell.get("outputs", [])
        errors = [o for o in outputs if o.output_type == "error"]
        assert not errors, f"{cell.source[:60]}: {errors[0].ename}: {errors[0].evalue}"
        said = "".join(o.text for o in outputs if o.output_type == "stream")
        assert "Warning" not in said and "longer than the specified" not in said, said
        for tag in cell.metadata.get("tags", []):
            if tag.startswith(("figure-", "table-")):
                shown[tag] = {mime for o in outputs for mime in o.get("data", {})}
    for tag, mime_types in shown.items():
        assert MIME_TYPE[tag.partition("-")[0]] in mime_types, tag
    expected = []
    for number in FIGURES.get(lecture, []):
        expected += [f"figure-{number}", f"table-{number}"]
    assert sorted(shown) == sorted(expected)


@pytest.mark.slow
@pytest.mark.parametrize("lecture", KERNEL)
def test_a_kernel_shows_what_the_forked_process_shows(lecture, run_solved):
    """The lectures are run without kernels here; this test says that it makes no difference."""
    forked = shown_kinds(run_solved(lecture, warm.run_notebook))
    assert forked == shown_kinds(run_solved(lecture, execute))
    assert {"stdout", "text/html"} <= {kind for cell in forked for kind in cell}
