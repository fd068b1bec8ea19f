"""Run the course's steps of grading inside nbgrader.

They serve `nbgrader autograde`, Formgrader's button and `nbgrader generate_feedback`. The settings
(see `settings`) put `Sanitise` first among the sanitising preprocessors, `TrustedExecute` in the
place of nbgrader's `Execute`, `WriteAudit` last, and `HideTests` among those of feedback.
"""

from pathlib import Path
from typing import Any

from nbformat import NotebookNode
from nbgrader.coursedir import CourseDirectory
from nbgrader.plugins import BasePlugin
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets import Bool, Dict, Integer

from tinybert_l.grading import verdicts
from tinybert_l.grading.assignment import Assignment, grade_id
from tinybert_l.grading.course import Course
from tinybert_l.grading.outside.execute import CELL_SECONDS, TEST_SECONDS, execute
from tinybert_l.grading.outside.forker import socket_path
from tinybert_l.grading.policy import LatePolicy
from tinybert_l.grading.results.audit import Audit
from tinybert_l.grading.results.feedback import hide_tests
from tinybert_l.grading.settings import database_path
from tinybert_l.grading.showing import defuse
from tinybert_l.grading.submission import sanitise
from tinybert_l.grading.variants import Variants


def _assignment(preprocessor: NbGraderPreprocessor, place: dict[str, str]) -> Assignment:
    course = CourseDirectory(config=preprocessor.config)
    source = Path(course.format_path(course.source_directory, ".", place["assignment"]))
    common = Assignment.read(place["db_url"], source, place["assignment"])
    variants = Variants.of(Course.at(database_path(place["db_url"]).parent), common.lecture)
    return common if variants is None else variants.assignment(common, place["student"])


def show_own_numbers(nb: NotebookNode, assignment: Assignment) -> None:
    """Put the tests with the student's numbers where nbgrader has put those of the gradebook."""
    tests = {cell.name: cell for cell in assignment.cells if cell.is_test}
    for cell in nb.cells:
        name = grade_id(cell)
        if name in tests:
            cell.source = tests[name].source


class Sanitise(NbGraderPreprocessor):
    """Put back what the gradebook says of each cell, by id, and the locked text."""

    def preprocess(self, nb: NotebookNode, resources: Any) -> tuple[NotebookNode, Any]:
        for repair in sanitise(nb, _assignment(self, resources["nbgrader"])):
            self.log.warning("%s", repair)
        return nb, resources


class TrustedExecute(NbGraderPreprocessor):
    """Run a submission's cells in the sandbox and its tests in the judge; keep the outcome."""

    unsafe = Bool(False, help="Grade without isolation.").tag(config=True)
    test_timeout = Integer(TEST_SECONDS, help="Stop a test cell after so many seconds.").tag(
        config=True
    )
    timeout = Integer(CELL_SECONDS, help="Stop any other cell after so many seconds.").tag(
        config=True
    )

    def preprocess(self, nb: NotebookNode, resources: Any) -> tuple[NotebookNode, Any]:
        assignment = _assignment(self, resources["nbgrader"])
        show_own_numbers(nb, assignment)
        plan, cells, tests = verdicts.make_plan(nb, assignment)
        path = socket_path(assignment.lecture, self.unsafe)
        outcome = execute(plan, path, self.timeout, self.test_timeout)
        verdicts.fill_in(outcome, cells, tests)
        defuse(nb, assignment)
        for cell in tests:
            if cell.execution_count is None:
                raise RuntimeError("A test was not reached; nothing is recorded.")
        return nb, resources


class WriteAudit(NbGraderPreprocessor):
    """Put the verdicts that nbgrader has just saved on record."""

    def preprocess(self, nb: NotebookNode, resources: Any) -> tuple[NotebookNode, Any]:
        place = resources["nbgrader"]
        student = place["student"]
        course = CourseDirectory(config=self.config)
        folder = course.format_path(course.submitted_directory, student, place["assignment"])
        submission = Path(folder) / f"{place['notebook']}.ipynb"
        assignment = _assignment(self, place)
        Audit(database_path(place["db_url"]).parent).graded_by_nbgrader(
            student,
            assignment.name,
            submission.read_bytes(),
            assignment.fingerprint,
            verdicts.verdicts_of(nb, assignment),
        )
        return nb, resources


class HideTests(NbGraderPreprocessor):
    """Take the text of hidden tests out of feedback."""

    def preprocess_cell(
        self, cell: NotebookNode, resources: Any, index: int
    ) -> tuple[NotebookNode, Any]:
        hide_tests(cell)
        return cell, resources


class LatePenalty(BasePlugin):
    """Apply the course's late policy (see `policy`), for nbgrader's AssignLatePenalties."""

    policy = Dict(help="Set percent_per_day, grace_minutes and maximum_percent.").tag(config=True)

    def late_submission_penalty(
        self, student_id: str, score: float, total_seconds_late: float
    ) -> float:
        return LatePolicy(**self.policy).penalty(score, total_seconds_late)  # days of 24 hours
