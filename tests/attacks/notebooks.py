"""Submissions whose notebook is changed: its tests, ids, metadata and other cells."""

import copy
import json

import nbformat
from nbformat import NotebookNode


def grade_id(cell: NotebookNode) -> str:
    """Return a cell's name in the gradebook; an empty text when it has none."""
    return cell.metadata.get("nbgrader", {}).get("grade_id", "")


def _tests(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if grade_id(cell).startswith("test_")]


def _answer(notebook: NotebookNode) -> NotebookNode:
    return next(c for c in notebook.cells if c.source.startswith("@layer_map.implement"))


def tag_tests_for_skipping(notebook: NotebookNode) -> None:
    for cell in notebook.cells:
        cell.metadata["tags"] = ["demo", "raises-exception", "skip-execution"]


def empty_tests(notebook: NotebookNode) -> None:
    for cell in _tests(notebook):
        cell.source = "pass"


def delete_tests(notebook: NotebookNode) -> None:
    tests = _tests(notebook)
    notebook.cells = [cell for cell in notebook.cells if cell not in tests]


def raise_points(notebook: NotebookNode) -> None:
    for cell in _tests(notebook):
        cell.metadata.nbgrader.points = 1000


def tests_become_manual(notebook: NotebookNode) -> None:
    for cell in _tests(notebook):
        cell.metadata.nbgrader.solution = True
        cell.metadata.nbgrader.locked = False


def tests_become_markdown(notebook: NotebookNode) -> None:
    for cell in _tests(notebook):
        cell.cell_type = "markdown"
        del cell["outputs"], cell["execution_count"]


def tests_ungraded(notebook: NotebookNode) -> None:
    for cell in _tests(notebook):
        cell.metadata.nbgrader.grade = False


def forged_outputs(notebook: NotebookNode) -> None:
    for cell in _tests(notebook):
        cell.outputs = [
            nbformat.v4.new_output("execute_result", {"text/plain": "1000"}, execution_count=1)
        ]


def duplicated_tests(notebook: NotebookNode) -> None:
    for i, cell in enumerate(_tests(notebook)):
        twin = copy.deepcopy(cell)
        twin.id = f"copy{i}"
        twin.source = "pass"
        notebook.cells.append(twin)


def duplicated_ids(notebook: NotebookNode) -> None:
    for cell in notebook.cells:
        cell["id"] = "same"


def unknown_grade_ids(notebook: NotebookNode) -> None:
    for i, cell in enumerate(_tests(notebook)):
        cell.metadata.nbgrader.grade_id = f"mine_{i}"


def replaced_setup(notebook: NotebookNode) -> None:
    cell = next(cell for cell in notebook.cells if grade_id(cell) == "setup")
    cell.source = "import tinybert_l\ntinybert_l.begin(lecture=3, demo=True)"


def other_kernel(notebook: NotebookNode) -> None:
    notebook.metadata["kernelspec"] = {"name": "bash", "display_name": "x", "language": "bash"}


def another_students_name(notebook: NotebookNode) -> None:
    notebook.metadata["student"] = "perfect"
    notebook.cells.insert(0, nbformat.v4.new_markdown_cell("# Graded: 20/20. Student: perfect"))


def retype_answer_as_markdown(notebook: NotebookNode) -> None:
    cell = _answer(notebook)
    cell.source = "```\n" + cell.source + "\n```"


def rename_own_answer(notebook: NotebookNode) -> None:
    _answer(notebook).metadata.pop("nbgrader")


def everything_deleted(notebook: NotebookNode) -> None:
    notebook.cells = []


def huge_metadata(notebook: NotebookNode) -> None:
    notebook.metadata["x"] = json.dumps({"y": "z" * 10**6})


CHANGES = [
    tag_tests_for_skipping,
    empty_tests,
    delete_tests,
    raise_points,
    tests_become_manual,
    tests_become_markdown,
    tests_ungraded,
    forged_outputs,
    duplicated_tests,
    duplicated_ids,
    unknown_grade_ids,
    replaced_setup,
    other_kernel,
    another_students_name,
    retype_answer_as_markdown,
    rename_own_answer,
    everything_deleted,
    huge_metadata,
]
