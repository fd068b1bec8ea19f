"""Every lecture with its own answers and those of earlier lectures only, at reduced size."""

import nbformat
import pytest
from tests_support import execute

from tinybert_l.exercises.registry import NOTEBOOKS
from tinybert_l.exercises.released import copy_released

OUTLINE = {  # lecture: figures, tables
    1: ([1], [1]), 2: ([2], [2]), 3: ([3, 4, 5], [3, 4, 5]), 4: ([6, 7], [6, 7]), 5: ([8], [8]), 6: ([9], [9]),
    7: ([10, 11], [10, 11]), 8: ([12], [12]), 9: ([13], [13]), 10: ([], []), 11: ([], []),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("lecture", list(NOTEBOOKS))
def test_a_solved_lecture_runs_and_shows_every_figure_and_table(
    lecture, checkout, monkeypatch, tmp_path
):
    name = NOTEBOOKS[lecture]
    monkeypatch.setenv("TINYBERT_L_REDUCED", "1")
    monkeypatch.setenv("TINYBERT_L_SOLUTIONS", str(copy_released(lecture, tmp_path)))
    notebook = nbformat.read(checkout / "notebooks" / name / f"{name}.ipynb", as_version=4)
    execute(notebook, tmp_path)
    shown = {}
    for cell in notebook.cells:
        errors = [o for o in cell.get("outputs", []) if o.output_type == "error"]
        assert not errors, f"{cell.source[:60]}: {errors[0].ename}: {errors[0].evalue}"
        for tag in cell.metadata.get("tags", []):
            if tag.startswith(("figure-", "table-")):
                shown[tag] = {kind for o in cell.outputs for kind in o.get("data", {})}
    for tag, kinds in shown.items():
        assert ("image/png" if tag.startswith("figure") else "text/html") in kinds, tag
    figures, tables = OUTLINE[lecture]
    assert sorted(shown) == sorted(
        [*(f"figure-{k}" for k in figures), *(f"table-{k}" for k in tables)]
    )
