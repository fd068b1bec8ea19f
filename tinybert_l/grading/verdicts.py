"""Decide what is run of a submission, and what each of its cells has earned."""

from dataclasses import dataclass

from nbformat import NotebookNode

from tinybert_l.grading.assignment import NOT_REACHED, Assignment, exercise_of, is_test
from tinybert_l.grading.outside.alone import gives_answer
from tinybert_l.grading.outside.execute import Outcome, Plan
from tinybert_l.grading.outside.replies import CellReply
from tinybert_l.grading.submission import needs_person


@dataclass(frozen=True)
class Verdict:
    """What one graded cell earned.

    Args:
        cell: its `grade_id`.
        points: None where a person has to decide.
        max_points: what it can earn.
        reason: why points are missing, in one line.
        answered: whether the student changed the cell; always true of a test.
    """

    cell: str
    points: float | None
    max_points: float
    reason: str = ""
    answered: bool = True


def make_plan(
    nb: NotebookNode, assignment: Assignment, exercise: str = ""
) -> tuple[Plan, list[NotebookNode], list[NotebookNode]]:
    """Decide which cells of a sanitised submission to run.

    Args:
        nb: the submission.
        assignment: of the submission.
        exercise: run the tests of this exercise alone; all tests when empty.
    Returns:
        The plan, and the notebook's cells that stand for the plan's cells and for its tests.
    """
    setup = []
    known = {}
    for cell in assignment.cells:
        known[cell.name] = cell
        if cell.locked and cell.cell_type == "code" and not cell.grade:
            setup.append(cell)
    tests = []
    cells = []
    for cell in nb.cells:
        name = _grade_id(cell)
        if is_test(cell):
            if not exercise or exercise_of(name) == exercise:
                tests.append(cell)
            continue
        runs = cell.cell_type == "code" and not assignment.is_demo(cell.source)
        if runs and known.get(name) not in setup:
            cells.append(cell)
    plan = Plan(
        assignment.lecture,
        tuple(cell.source for cell in setup),
        tuple(cell.source for cell in cells),
        tuple(known[_grade_id(cell)].source for cell in tests),
        _places(tests, cells),
    )
    return plan, cells, tests


def _places(tests: list[NotebookNode], cells: list[NotebookNode]) -> tuple[int, ...]:
    """Return for each test after how many cells it is run: behind the last that gives its answer.

    A test is never run before the one above it, whose variables it may use.
    """
    places: list[int] = []
    for test in tests:
        name = exercise_of(_grade_id(test))
        found = [n for n, cell in enumerate(cells, 1) if gives_answer(name, cell.source)]
        place = found[-1] if found else len(cells)
        places.append(max([place, *places[-1:]]))
    return tuple(places)


def fill_in(outcome: Outcome, cells: list[NotebookNode], tests: list[NotebookNode]) -> None:
    """Write an outcome into the notebook's cells.

    Args:
        outcome: of the plan.
        cells: those of the plan (see `make_plan`).
        tests: likewise.
    """
    for cell, reply in zip(cells, outcome.cells, strict=True):
        _write_outputs(cell, reply)
    for cell, error in zip(tests, outcome.tests, strict=True):
        _write_outputs(cell, {"output": "", "error": error})


def _write_outputs(cell: NotebookNode, reply: CellReply) -> None:
    cell.execution_count = 1
    cell.outputs = []
    if reply["output"]:
        cell.outputs.append(NotebookNode(output_type="stream", name="stdout", text=reply["output"]))
    error = reply["error"]
    if error is None:
        return
    name = error["ename"]
    text = error["evalue"]
    lines = error["traceback"] or [f"{name}: {text}"]
    cell.outputs.append(NotebookNode(output_type="error", ename=name, evalue=text, traceback=lines))


def verdicts_of(nb: NotebookNode, assignment: Assignment, exercise: str = "") -> list[Verdict]:
    """Return what each graded cell earned, in the assignment's order.

    A test that was not run earns nothing.

    Args:
        nb: the submission, with the outcome filled in.
        assignment: of the submission.
        exercise: return the verdicts on this exercise's tests alone; all when empty.
    """
    from nbgrader.utils import compute_checksum

    cells = {}
    errors = {}
    for cell in nb.cells:
        if "nbgrader" in cell.metadata:
            name = cell.metadata.nbgrader.grade_id
            cells[name] = cell
            errors[name] = first_error(cell)
    verdicts = []
    for known in assignment.cells:
        cell = cells.get(known.name)
        if exercise and not (known.is_test and exercise_of(known.name) == exercise):
            continue
        if known.is_test:
            assert cell is not None
            reason = "" if cell.execution_count is not None else NOT_REACHED
            if errors[known.name]:  # where the answer's own cell failed, that is the reason
                reason = errors.get(exercise_of(known.name)) or errors[known.name]
            points = 0.0 if reason else known.points
            verdicts.append(Verdict(known.name, points, known.points, reason))
        elif known.grade or known.task or known.solution:
            doubt = needs_person(cell) if cell is not None else ""
            answered = cell is not None and compute_checksum(cell) != known.checksum
            answered = answered or bool(doubt)
            if answered or known.task:  # a person decides
                verdicts.append(Verdict(known.name, None, known.points, doubt, answered))
            else:
                verdicts.append(Verdict(known.name, 0.0, known.points, "", answered))
    return verdicts


def first_error(cell: NotebookNode) -> str:
    """Return the first line of a cell's error; an empty text when it has none."""
    for output in cell.get("outputs", []):
        if output.output_type == "error":
            lines = [line for line in output.evalue.splitlines() if line.strip()]
            return f"{output.ename}: {lines[0]}" if lines else output.ename
    return ""


def _grade_id(cell: NotebookNode) -> str:
    """Return a cell's name in the gradebook; an empty text when it has none."""
    return cell.metadata.get("nbgrader", {}).get("grade_id") or ""
